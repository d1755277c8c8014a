/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* flows.bpf.c - counts packets and bytes per IPv4 flow in an LRU hash with a struct as its key. */
#include "demo.h"
#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct flow_stats);
} flows SEC(".maps");

__u64 seen, not_ip;		/* .bss: `--list` and `--map-dump .bss` show them */

static __always_inline void count(const struct flow *key, __u64 bytes)
{
	__u64 now = bpf_ktime_get_ns();
	struct flow_stats *s = bpf_map_lookup_elem(&flows, key);

	if (s) {
		s->packets++;
		s->bytes += bytes;
		s->last_ns = now;
	} else {
		struct flow_stats first = { 1, bytes, now, now };

		bpf_map_update_elem(&flows, key, &first, BPF_ANY);
	}
}

SEC("xdp")
int count_flows(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 bytes = end - at;
	__u16 proto = network_proto(&at, end);
	struct iphdr *ip = at;
	struct flow key = {};
	struct ports *p;

	seen++;
	if (proto != ETH_P_IP || (void *)(ip + 1) > end) {
		not_ip++;
		return XDP_PASS;
	}
	__builtin_memcpy(key.src, &ip->saddr, 4);
	__builtin_memcpy(key.dst, &ip->daddr, 4);
	key.proto = ip->protocol;
	p = transport(ip, end, sizeof *p);
	if (p && (key.proto == IPPROTO_TCP || key.proto == IPPROTO_UDP) &&
	    !(ip->frag_off & bpf_htons(0x1fff))) {
		key.src_port = bpf_ntohs(p->src);
		key.dst_port = bpf_ntohs(p->dst);
	}
	count(&key, bytes);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
