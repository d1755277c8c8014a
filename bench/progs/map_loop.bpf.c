/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Counts 64 values in an array map of 256 counters and sums eight of them back. */
#include "bench.h"
#ifdef __bpf__
struct { int (*type)[2]; int (*max_entries)[256]; u32 *key; u64 *value; } counters
	__attribute__((section(".maps"), used));
static void *(*lookup)(void *map, const void *key) = (void *)1;
#else
static u64 table[256];
static int counters;
inline_always void *lookup(void *map, const void *key)
{
	u32 k = *(const u32 *)key;
	(void)map;
	return k < 256 ? &table[k] : 0;
}
#endif
ENTRY(map_loop)
{
	u64 sum = 0, *v;
	u32 k;
	NEED(64);
#pragma nounroll
	for (int i = 0; i < 64; i++) {
		k = mem[i];
		v = lookup(&counters, &k);
		if (v)
			*v += 1;
	}
#pragma nounroll
	for (int i = 0; i < 8; i++) {
		k = mem[i];
		v = lookup(&counters, &k);
		if (v)
			sum += *v;
	}
	return sum;
}
