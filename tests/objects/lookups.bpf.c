/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Lookups in maps of every kind that compiled programs search in place; the key comes in the memory, the
 * value goes out (all ones: absent). */
#include "bpf_min.h"

#define MAP(name, kind, k, n, f) \
	struct { __uint(type, kind); __type(key, k); __type(value, u64); __uint(max_entries, n); \
		 __uint(map_flags, f); } name SEC(".maps")
struct key16 { u64 a, b; };
MAP(hash4, 1, u32, 300, 0);
MAP(hash8, 1, u64, 300, 0);
MAP(hash16, 1, struct key16, 300, 0);
MAP(small8, 1, u64, 40, 0);
MAP(lru4, 9, u32, 300, 0);
MAP(lru8, 9, u64, 300, 0);
MAP(lru16, 9, struct key16, 300, 0);
MAP(percpu4, 5, u32, 300, 0);
MAP(percpu8, 5, u64, 300, 0);
MAP(percpu16, 5, struct key16, 300, 0);
MAP(array, 2, u32, 300, 0);
MAP(percpu_array, 6, u32, 300, 0);

#define LOOK(map) \
SEC("raw/" #map) u64 look_##map(u8 *mem, u64 len) \
{ \
	u64 *v; \
	if (len < 16) \
		return 0; \
	v = bpf_map_lookup_elem(&map, mem); \
	return v ? *v : ~0ull; \
}
LOOK(hash4) LOOK(hash8) LOOK(hash16) LOOK(small8) LOOK(lru4) LOOK(lru8) LOOK(lru16)
LOOK(percpu4) LOOK(percpu8) LOOK(percpu16) LOOK(array) LOOK(percpu_array)

/* Per-CPU arrays more than once a run: only the first look-up takes a slot.  The huge one has more than 4 GB with all
 * its slots. */
struct wide { u64 n[3]; };
struct { __uint(type, 6); __type(key, u32); __type(value, struct wide); __uint(max_entries, 300); } wide SEC(".maps");
MAP(huge, 6, u32, 9000000, 0);
#define COUNT(map) \
SEC("raw/" #map) u64 count_##map(u8 *mem, u64 len) \
{ \
	u64 found = 0; \
	if (len < 16) \
		return 0; \
	for (u32 i = 0; i < 4; i++) { \
		u64 *v = bpf_map_lookup_elem(&map, mem + 4 * i); \
		if (v) { \
			++*v; \
			found++; \
		} \
	} \
	return found; \
}
COUNT(percpu_array) COUNT(wide) COUNT(huge)

/* The one value of a cgroup storage. */
struct { __uint(type, 19); __type(key, struct key16); __type(value, u64); } store SEC(".maps");
struct { __uint(type, 21); __type(key, struct key16); __type(value, u64); } percpu_store SEC(".maps");
static void *(*get_local_storage)(void *map, u64 flags) = (void *)81;
SEC("raw/store") u64 count_store(u8 *mem, u64 len)
{
	u64 *a = get_local_storage(&store, 0), *b = get_local_storage(&percpu_store, 0);

	*b += 1;
	return ++*a;
}
