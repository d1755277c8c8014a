/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* maps.bpf.c - one program per map operation, for us and for the kernel from the same source.
 * Each run does CHUNK operations with the next keys of a prepared array; `loop` programs are the same
 * without the operation, to be subtracted. */
#include "../progs/bench.h"
#include "shape.h"
#define SEC(name) __attribute__((section(name), used))
#define MAP(name, map_type, k, v, n, f) \
	struct { int (*type)[map_type]; int (*max_entries)[n]; int (*map_flags)[f]; k *key; v *value; } name SEC(".maps")

struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
struct key16 { u64 a, b; };
struct prefix4 { u32 plen, addr; };
MAP(array, 2, u32, u64, ENTRIES, 0);
MAP(percpu_array, 6, u32, u64, ENTRIES, 0);
MAP(hash8, 1, u64, u64, ENTRIES, 0);
MAP(hash8_change, 1, u64, u64, ENTRIES + 64, 0);
MAP(hash16, 1, struct key16, u64, ENTRIES, 0);
MAP(lru8, 9, u64, u64, LRU_ENTRIES, 0);
MAP(lru_full, 9, u64, u64, LRU_ENTRIES, 0);
MAP(percpu_hash8, 5, u64, u64, ENTRIES, 0);
MAP(lpm, 11, struct prefix4, u64, ENTRIES, 1 /* NO_PREALLOC */);
MAP(lpm_dense, 11, struct prefix4, u64, ENTRIES, 1);
struct { int (*type)[27]; int (*max_entries)[RING_BYTES]; } ring SEC(".maps");

static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*delete)(void *map, const void *key) = (void *)3;
static u64 (*ktime)(void) = (void *)5;
static u32 (*prandom)(void) = (void *)7;
static u32 (*cpu_id)(void) = (void *)8;
static u64 (*pid_tgid)(void) = (void *)14;
static void *(*reserve)(void *map, u64 size, u64 flags) = (void *)131;
static void (*submit)(void *record, u64 flags) = (void *)132;

/* Prepared by the driver; number: 0 .. ENTRIES-1, keys of the entries in the same order. */
u32 number[KEYS];
u64 key8[KEYS], miss8[KEYS];
struct key16 key16[KEYS];
struct prefix4 addr[KEYS], addr_dense[KEYS];
u32 cursor;
u32 chain4;		/* latency: where the chain goes on */
u64 chain8;

#define EACH(name, ...) \
SEC("xdp") int name(struct xdp_md *ctx) \
{ \
	u32 base = cursor; \
	u64 sum = 0; \
	cursor = base + CHUNK; \
	_Pragma("nounroll") \
	for (u32 n = 0; n < CHUNK; n++) { \
		u32 i __attribute__((unused)) = (base + n) & (KEYS - 1); \
		__VA_ARGS__ \
	} \
	return (int)sum; \
}
#define ADD(map, k) { u64 *v = lookup(&map, k); if (v) sum += *v; }

EACH(loop4, { sum += *(volatile u32 *)&number[i]; })
EACH(loop8, { sum += *(volatile u64 *)&key8[i]; })
EACH(loop16, { sum += *(volatile u64 *)&key16[i].a + *(volatile u64 *)&key16[i].b; })
EACH(array_lookup, ADD(array, &number[i]))
EACH(percpu_array_lookup, ADD(percpu_array, &number[i]))
EACH(hash8_lookup, ADD(hash8, &key8[i]))
EACH(hash8_miss, ADD(hash8, &miss8[i]))
EACH(hash16_lookup, ADD(hash16, &key16[i]))
EACH(hash8_update, { u64 v = n; sum += update(&hash8_change, &key8[i], &v, 0); })
EACH(hash8_insert_delete, { u64 v = n; sum += update(&hash8_change, &miss8[i], &v, 0); sum += delete(&hash8_change, &miss8[i]); })
EACH(lru8_lookup, ADD(lru8, &key8[i]))
EACH(lru8_update, { u64 v = n; sum += update(&lru8, &key8[i], &v, 0); })
EACH(lru8_evict, { u64 v = n; u64 k = miss8[i] + base; sum += update(&lru_full, &k, &v, 0); })
EACH(percpu_hash8_lookup, ADD(percpu_hash8, &key8[i]))
EACH(lpm_lookup, ADD(lpm, &addr[i]))
EACH(lpm_dense_lookup, ADD(lpm_dense, &addr_dense[i]))
EACH(ring_submit, {
	u64 *r = reserve(&ring, 16, 0);
	if (r) { r[0] = i; r[1] = n; submit(r, 1 /* NO_WAKEUP */); sum++; }
})
EACH(ktime_get, { sum += ktime(); })
EACH(prandom_get, { sum += prandom(); })
EACH(cpu_id_get, { sum += cpu_id(); })
EACH(loop0, { sum += *(volatile u32 *)&cursor; })
EACH(pid_tgid_get, { sum += pid_tgid(); })

/* Dependent keys: each value is the next key. */
#define CHAIN(name, type, of, map) \
SEC("xdp") int name(struct xdp_md *ctx) \
{ \
	type k = of; \
	_Pragma("nounroll") \
	for (u32 n = 0; n < CHUNK; n++) { \
		u64 *v = lookup(&map, &k); \
		if (!v) \
			return 0; \
		k = (type)*v; \
	} \
	of = k; \
	return 1; \
}
CHAIN(array_chain, u32, chain4, array)
CHAIN(hash8_chain, u64, chain8, hash8)

char _license[] SEC("license") = "GPL";
