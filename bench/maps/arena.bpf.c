/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.bpf.c - lookups in an arena hash, for the kernel and for us; as maps.bpf.c. */
#include "../progs/bench.h"
#include "bench/maps/shape.h"
#define UEBPF_ARENA_BITS ARENA_BITS
#include "include/uebpf_arena_hash.h"
#define SEC(name) __attribute__((section(name), used))
struct { int (*type)[33]; int (*map_flags)[1 << 10]; int (*max_entries)[ARENA_PAGES]; } arena SEC(".maps");
struct xdp_md;
u64 key8[KEYS];
u32 cursor;
u64 table;

enum { BATCH = 16 };

/* A global function looks up a few keys: the kernel verifies it once and not once a round, and what a call
 * costs there (its return is predicted wrong on purpose) falls on many. */
#define PROGRAM(name, operation) \
__attribute__((noinline)) u64 name##_few(u32 base) \
{ \
	struct uebpf_arena_hash UEBPF_ARENA *t = UEBPF_ARENA_AT(table); \
	u64 sum = 0; \
	(void)t; \
	_Pragma("nounroll") \
	for (u32 n = 0; n < BATCH; n++) { \
		u64 key = *(volatile u64 *)&key8[(base + n) & (KEYS - 1)]; \
		operation; \
	} \
	return sum; \
} \
SEC("xdp") int name(struct xdp_md *ctx) \
{ \
	u32 base = cursor; \
	u64 sum = 0; \
	UEBPF_ARENA_USES(arena); \
	cursor = base + CHUNK; \
	_Pragma("nounroll") \
	for (u32 n = 0; n < CHUNK; n += BATCH) \
		sum += name##_few(base + n); \
	return (int)sum; \
}
PROGRAM(arena_loop, sum += key)
PROGRAM(arena_lookup, u64 v = uebpf_arena_hash_get(t, key); sum += v != UEBPF_ARENA_ABSENT ? v : 0)

char _license[] SEC("license") = "GPL";
