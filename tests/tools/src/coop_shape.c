/* A map of the same name and another shape. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} stats SEC(".maps");

SEC("raw")
int shape(void *ctx)
{
	__u32 zero = 0;

	return !bpf_map_lookup_elem(&stats, &zero);
}

char LICENSE[] SEC("license") = "GPL";
