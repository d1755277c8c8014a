/* Sends records to user space, and calls another program. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

SEC("xdp/records")
int records(struct xdp_md *ctx)
{
	__u32 *r = bpf_ringbuf_reserve(&ring, 8, 0);

	if (r) {
		r[0] = 0x11223344;
		r[1] = ctx->data_end - ctx->data;
		bpf_ringbuf_submit(r, 0);
	}
	bpf_tail_call(ctx, &next, 2);
	return XDP_PASS;
}

SEC("xdp/target")
int target(struct xdp_md *ctx)
{
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
