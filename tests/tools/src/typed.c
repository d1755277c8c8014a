/* A hash whose key and value are structs, pinned by name in the kernel; and a program whose map cannot be. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flow { __u32 id; __u16 port, pad; };
struct seen { __u32 hits; char name[8]; struct { __s16 x, y; } at; enum { RED, GREEN } color; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct flow);
	__type(value, struct seen);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} uebpf_case_flows SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_STRUCT_OPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} impossible SEC(".maps");

SEC("xdp")
int sees(struct xdp_md *ctx)
{
	struct flow k = { 7, 80 };
	struct seen v = { 3, "abc", { 1, -2 }, GREEN };

	bpf_map_update_elem(&uebpf_case_flows, &k, &v, 0);
	return XDP_PASS;
}

SEC("xdp")
int cannot(struct xdp_md *ctx)
{
	__u32 k = 0;

	return bpf_map_lookup_elem(&impossible, &k) != 0;
}

char LICENSE[] SEC("license") = "GPL";
