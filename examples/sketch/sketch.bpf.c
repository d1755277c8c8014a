/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sketch.bpf.c - Count-Min, Count Sketch, UnivMon, and NitroSketch over a Count Sketch in six variants, each
 * cheaper than the one before.  One object for the kernel and for user space. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "sketch.h"

#define ARRAY(name, entries, of) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, entries); \
		__type(key, __u32); __type(value, of); \
	} name SEC(".maps")
ARRAY(tables, CPUS, struct table);
ARRAY(metas, CPUS, struct meta);
ARRAY(levels, CPUS, struct univmon);
ARRAY(geometric, GEOMETRIC, __u64);	/* 8 bytes: smaller elements of an array lie 8 apart all the same */
struct setup setup SEC(".data.setup") = { 0xffffffff, 1 };

static __always_inline int parse(struct xdp_md *ctx, struct flow *f)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof *eth;
	__u16 *ports = (void *)(ip + 1);

	if ((void *)(ports + 2) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
	    (ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_TCP))
		return 0;
	*f = (struct flow){ ip->saddr, ip->daddr, ports[0], ports[1], ip->protocol };
	return 1;
}

static __always_inline void count(struct table *t, int row, __u16 piece, __s32 by)
{
	t->c[row & (ROWS - 1)][column(piece)] += sign(piece) * by;
}

SEC("xdp") int empty(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp") int count_min(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct table *t = bpf_map_lookup_elem(&tables, &cpu);
	struct flow f;
	__u64 h;

	if (!t || !parse(ctx, &f))
		return XDP_DROP;
	h = fasthash64(&f, ONE_SEED);
	for (int row = 0; row < ROWS; row++)
		t->c[row][column((__u16)(h >> 16 * row))]++;
	return XDP_DROP;
}

SEC("xdp") int count_sketch(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct table *t = bpf_map_lookup_elem(&tables, &cpu);
	struct flow f;
	__u64 h;

	if (!t || !parse(ctx, &f))
		return XDP_DROP;
	h = fasthash64(&f, ONE_SEED);
	for (int row = 0; row < ROWS; row++)
		count(t, row, (__u16)(h >> 16 * row), 1);
	return XDP_DROP;
}

/* Level 0 counts all flows, level n those whose level hash ends in n ones. */
SEC("xdp") int univmon(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id(), in;
	struct univmon *u = bpf_map_lookup_elem(&levels, &cpu);
	struct flow f;
	__u64 h;

	if (!u || !parse(ctx, &f))
		return XDP_DROP;
	in = fasthash32(&f, LEVEL_SEED);
	h = fasthash64(&f, ONE_SEED);
	for (int level = 0; level < LEVELS; level++) {
		for (int row = 0; row < ROWS; row++)
			count(&u->level[level], row, (__u16)(h >> 16 * row), 1);
		if (!(in >> level & 1))
			break;
	}
	return XDP_DROP;
}

/* Variant 1: a random number for each row, a hash for each row. */
SEC("xdp") int nitro1(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct table *t = bpf_map_lookup_elem(&tables, &cpu);
	struct flow f;

	if (!t || !parse(ctx, &f))
		return XDP_DROP;
	for (int row = 0; row < ROWS; row++)
		if (bpf_get_prandom_u32() <= setup.threshold)
			count(t, row, piece_of(1, &f, row, 0), setup.increment);
	return XDP_DROP;
}

/* The distance to the next sampled slot. */
static __always_inline __u32 distance(int variant, struct meta *m)
{
	__u32 at = m->at++ & (GEOMETRIC - 1);
	__u64 *value;

	if (variant >= 6)
		return m->geometric[at];
	value = bpf_map_lookup_elem(&geometric, &at);
	return value ? *value : 1;
}

static __always_inline int nitro(struct xdp_md *ctx, int variant)
{
	__u32 cpu = bpf_get_smp_processor_id(), next;
	struct meta *m = bpf_map_lookup_elem(&metas, &cpu);
	struct table *t;
	struct flow f;
	__u64 one = 0;

	if (!m)
		return XDP_DROP;
	next = m->next;
	if (variant >= 5 && next >= ROWS) {	/* nothing of this packet is sampled: not even parsed */
		m->next = next - ROWS;
		return XDP_DROP;
	}
	t = bpf_map_lookup_elem(&tables, &cpu);
	if (!t || !parse(ctx, &f))
		return XDP_DROP;
	if (variant >= 4 && next < ROWS)
		one = fasthash64(&f, ONE_SEED);
	for (int row = 0; row < ROWS; row++) {
		if (next != row)
			continue;
		count(t, row, piece_of(variant, &f, row, one), setup.increment);
		next += distance(variant, m);
	}
	m->next = next - ROWS;
	return XDP_DROP;
}

SEC("xdp") int nitro2(struct xdp_md *ctx) { return nitro(ctx, 2); }
SEC("xdp") int nitro3(struct xdp_md *ctx) { return nitro(ctx, 3); }
SEC("xdp") int nitro4(struct xdp_md *ctx) { return nitro(ctx, 4); }
SEC("xdp") int nitro5(struct xdp_md *ctx) { return nitro(ctx, 5); }
SEC("xdp") int nitro6(struct xdp_md *ctx) { return nitro(ctx, 6); }

char LICENSE[] SEC("license") = "GPL";
