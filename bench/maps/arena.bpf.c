/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.bpf.c - lookups in an arena hash, for the kernel and for us; as maps.bpf.c. */
#include "../progs/bench.h"
#include "bench/maps/shape.h"
#include "include/uebpf_arena_hash.h"
#define SEC(name) __attribute__((section(name), used))
struct { int (*type)[33]; int (*map_flags)[1 << 10]; int (*max_entries)[ARENA_PAGES]; } arena SEC(".maps");
struct xdp_md;
u64 key8[KEYS];
u32 cursor;
u64 table;

/* For the kernel each operation is a global function (-DBENCH_CALLS), which its verifier looks at once and
 * not once a round; the loop arm then makes the same call. */
#if defined(BENCH_CALLS)
#define OPERATION __attribute__((noinline))
#else
#define OPERATION static inline __attribute__((always_inline))
#endif
OPERATION u64 only_read(u32 i)
{
	return *(volatile u64 *)&key8[i & (KEYS - 1)];
}

OPERATION u64 look_up(u32 i)
{
	u64 UEBPF_ARENA *v = uebpf_arena_hash_find(UEBPF_ARENA_AT(table), key8[i & (KEYS - 1)]);

	return v ? *v : 0;
}

#define PROGRAM(name, operation) \
SEC("xdp") int name(struct xdp_md *ctx) \
{ \
	u32 base = cursor; \
	u64 sum = 0; \
	UEBPF_ARENA_USES(arena); \
	cursor = base + CHUNK; \
	_Pragma("nounroll") \
	for (u32 n = 0; n < CHUNK; n++) \
		sum += operation(base + n); \
	return (int)sum; \
}
PROGRAM(arena_loop, only_read)
PROGRAM(arena_lookup, look_up)

char _license[] SEC("license") = "GPL";
