/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* firewall.bpf.c - an XDP firewall: drops by destination port and by source prefix, and says why. */
#include "demo.h"
#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);		/* TCP or UDP destination port */
	__type(value, struct hits);
} blocked_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);	/* source addresses */
	__type(value, struct hits);
} blocked_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NR_REASONS);
	__type(key, enum reason);
	__type(value, __u64);
} reasons SEC(".maps");

/* Set by the command line: drop fragments that carry no ports to look at. */
volatile const __u8 drop_fragments = 1;

static __always_inline int verdict(enum reason why)
{
	__u64 *count = bpf_map_lookup_elem(&reasons, &why);

	if (count)
		*count += 1;
	return why == PASSED || why == NOT_IP ? XDP_PASS : XDP_DROP;
}

static __always_inline void hit(struct hits *h, __u64 bytes)
{
	__sync_fetch_and_add(&h->packets, 1);
	__sync_fetch_and_add(&h->bytes, bytes);
}

static __always_inline int check_ip(struct iphdr *ip, void *end, __u64 bytes)
{
	struct prefix from = { .len = 32 };
	struct hits *h;
	struct ports *p;
	__u16 port;

	__builtin_memcpy(from.addr, &ip->saddr, sizeof from.addr);
	h = bpf_map_lookup_elem(&blocked_prefixes, &from);
	if (h) {
		hit(h, bytes);
		return verdict(BLOCKED_PREFIX);
	}
	if (ip->frag_off & bpf_htons(0x1fff))
		return verdict(drop_fragments ? BAD_FRAGMENT : PASSED);
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return verdict(PASSED);
	p = transport(ip, end, sizeof *p);
	if (!p)
		return verdict(TOO_SHORT);
	port = bpf_ntohs(p->dst);
	h = bpf_map_lookup_elem(&blocked_ports, &port);
	if (h) {
		hit(h, bytes);
		return verdict(BLOCKED_PORT);
	}
	return verdict(PASSED);
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 bytes = end - at;
	__u16 proto = network_proto(&at, end);
	struct iphdr *ip = at;

	if (!proto)
		return verdict(TOO_SHORT);
	if (proto != ETH_P_IP)
		return verdict(NOT_IP);
	if ((void *)(ip + 1) > end)
		return verdict(TOO_SHORT);
	return check_ip(ip, end, bytes);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
