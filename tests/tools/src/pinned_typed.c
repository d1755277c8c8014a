/* Maps of the kernel whose key and value are structs, pinned by name: a hash, and an array that is mapped. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flow { __u32 id; __u16 port, pad; };
struct seen { __u32 hits; char name[8]; enum { RED, GREEN } color; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, struct flow);
	__type(value, struct seen);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} uebpf_case_typed SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct seen);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} uebpf_case_array SEC(".maps");

SEC("raw_tp/sys_enter")
int uses(void *ctx)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&uebpf_case_typed, &(struct flow){}) || bpf_map_lookup_elem(&uebpf_case_array, &zero);
}

char LICENSE[] SEC("license") = "GPL";
