/* Puts values into a queue, for a queue of the kernel. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2);
	__uint(value_size, 8);
} queue SEC(".maps");

SEC("xdp") int push(struct xdp_md *ctx)
{
	__u64 v = 42;

	return bpf_map_push_elem(&queue, &v, 0) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
