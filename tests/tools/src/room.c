/* What only several calls one after another show: room in front of a packet, headers put around it twice. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __s64);
} out SEC(".maps");

static __always_inline void put(__u32 at, long result)
{
	__s64 *v = bpf_map_lookup_elem(&out, &at);

	if (v)
		*v = result;
}

/* 256 bytes of head room, of which the kernel keeps 40. */
SEC("xdp") int front(struct xdp_md *ctx)
{
	put(0, bpf_xdp_adjust_head(ctx, -217));
	put(1, bpf_xdp_adjust_head(ctx, -216));
	put(2, bpf_xdp_adjust_head(ctx, -1));
	put(3, bpf_xdp_adjust_head(ctx, 20));
	put(4, bpf_xdp_adjust_meta(ctx, -24));
	put(5, bpf_xdp_adjust_meta(ctx, -12));
	return XDP_PASS;
}

SEC("tc") int around(struct __sk_buff *skb)
{
	const __u64 v4 = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, deep = 30ull << BPF_ADJ_ROOM_ENCAP_L2_SHIFT;

	put(0, bpf_skb_adjust_room(skb, 20, BPF_ADJ_ROOM_MAC, v4 | deep));
	put(1, bpf_skb_adjust_room(skb, 20, BPF_ADJ_ROOM_MAC, v4));
	put(2, bpf_skb_adjust_room(skb, 20, BPF_ADJ_ROOM_MAC, v4));
	put(3, bpf_skb_adjust_room(skb, 20, BPF_ADJ_ROOM_MAC, v4 | deep));
	put(4, bpf_skb_adjust_room(skb, 8, BPF_ADJ_ROOM_MAC, 0));
	put(5, bpf_skb_adjust_room(skb, -28, BPF_ADJ_ROOM_MAC, v4));
	put(6, bpf_skb_adjust_room(skb, -28, BPF_ADJ_ROOM_MAC, 0));
	put(7, bpf_skb_adjust_room(skb, 20, BPF_ADJ_ROOM_MAC, v4));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
