/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* user.bpf.c - runs here on each sample, where it lies: which part of the network stack was at work?  The function
 * nearest to the top that belongs to one decides. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "netcost.h"

#define ARRAY(name, entries, of) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, entries); __type(key, __u32); __type(value, of); \
	} name SEC(".maps")
ARRAY(symbols, 1, struct symbols);
ARRAY(classes, CLASSES, __u64);

/* The class of an address: the ranges are sorted and do not overlap. */
static __noinline __u32 class_of(__u64 ip)
{
	__u32 zero = 0, lo = 0, hi;
	struct symbols *s = bpf_map_lookup_elem(&symbols, &zero);

	if (!s)
		return UNKNOWN;
	hi = s->n < RANGES ? s->n : RANGES;
	for (int step = 0; step < 10 && lo < hi; step++) {	/* 2^10 > RANGES */
		__u32 mid = (lo + hi) / 2;

		if (mid >= RANGES)
			break;
		if (ip < s->range[mid].start)
			hi = mid;
		else if (ip >= s->range[mid].end)
			lo = mid + 1;
		else
			return s->range[mid].class;
	}
	return UNKNOWN;
}

struct search { const struct stack *stack; __u32 class; };
static long look(__u32 i, struct search *s)
{
	if (i >= DEPTH)
		return 1;
	s->class = class_of(s->stack->ip[i]);
	return s->class != UNKNOWN;
}

SEC("raw")
int classify(const struct stack *stack, unsigned long len)
{
	struct search s = { stack, UNKNOWN };
	__u64 *n;

	if (len < sizeof *stack)
		return -1;
	bpf_loop(stack->depth, look, &s, 0);
	n = bpf_map_lookup_elem(&classes, &s.class);
	if (n)
		*n += 1;
	return s.class;
}

char LICENSE[] SEC("license") = "GPL";
