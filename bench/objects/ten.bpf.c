/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ten.bpf.c - an object with ten programs and two maps, for the cost of opening and loading. */
#include "../progs/bench.h"
#define SEC(name) __attribute__((section(name), used))
struct { int (*type)[1]; int (*max_entries)[64]; u32 *key; u64 *value; } table SEC(".maps");
struct { int (*type)[2]; int (*max_entries)[16]; u32 *key; u64 *value; } counters SEC(".maps");
static void *(*lookup)(void *map, const void *key) = (void *)1;
struct event { u32 f[16]; };
#define PROG(n) \
SEC("raw/p" #n) u64 p##n(u8 *mem, u64 len) \
{ \
	const struct event *e = (void *)mem; \
	u32 k = n; \
	u64 *v; \
	if (len < sizeof *e) \
		return 0; \
	v = lookup(&counters, &k); \
	if (v) \
		*v += 1; \
	k = e->f[0]; \
	v = lookup(&table, &k); \
	return v && *v > e->f[1] && e->f[2] == n; \
}
PROG(0) PROG(1) PROG(2) PROG(3) PROG(4) PROG(5) PROG(6) PROG(7) PROG(8) PROG(9)
