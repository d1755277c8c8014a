/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Every helper that reaches into a map, for maps whose bytes somebody else overwrites meanwhile. */
#include "bpf_min.h"

#define MAP(name, kind, k, v, n, f) \
	struct { __uint(type, kind); __uint(key_size, k); __uint(value_size, v); __uint(max_entries, n); \
		 __uint(map_flags, f); } name SEC(".maps")
MAP(twins, 1, 8, 8, 200, 0);
MAP(hash, 1, 16, 24, 200, 0);
MAP(odd, 1, 21, 5, 200, 0);
MAP(lru, 9, 8, 16, 200, 0);
MAP(percpu, 5, 8, 16, 200, 0);
MAP(lru_percpu, 10, 4, 8, 200, 0);
MAP(trie, 11, 12, 8, 200, 1);
MAP(array, 2, 4, 12, 200, 0);
MAP(percpu_array, 6, 4, 12, 200, 0);
MAP(queue, 22, 0, 20, 200, 0);
MAP(stack, 23, 0, 8, 200, 0);
MAP(bloom, 30, 0, 8, 200, 0);
MAP(ring, 27, 0, 0, 4096, 0);
MAP(user_ring, 31, 0, 0, 4096, 0);
MAP(traces, 7, 4, 256, 64, 0);
MAP(devices, 25, 4, 8, 200, 0);
struct { __uint(type, 29); __uint(key_size, 4); __uint(value_size, 8); __uint(map_flags, 1); } tasks SEC(".maps");

static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*delete)(void *map, const void *key) = (void *)3;
static long (*get_stackid)(void *ctx, void *map, u64 flags) = (void *)27;
static long (*push)(void *map, const void *value, u64 flags) = (void *)87;
static long (*pop)(void *map, void *value) = (void *)88;
static long (*peek)(void *map, void *value) = (void *)89;
static void *(*reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*submit)(void *data, u64 flags) = (void *)132;
static long (*output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static u64 (*query)(void *ring, u64 flags) = (void *)134;
static long (*each)(void *map, void *fn, void *ctx, u64 flags) = (void *)164;
static void *(*lookup_percpu)(void *map, const void *key, u32 cpu) = (void *)195;
static long (*drain)(void *ring, void *fn, void *ctx, u64 flags) = (void *)209;
static long (*dynptr_read)(void *to, u32 len, const void *dynptr, u32 off, u64 flags) = (void *)201;

static long one_entry(void *map, const void *key, void *value, void *ctx)
{
	(void)map;
	*(volatile u8 *)value ^= *(const volatile u8 *)key;
	return ++*(u64 *)ctx > 5000;
}

#define KEYED(map, size) \
SEC("raw/" #map) u64 use_##map(u8 *mem, u64 len) \
{ \
	u8 value[24] = { 1 }; \
	u64 n = 0; \
	u8 *v; \
	if (len < 64) \
		return 0; \
	v = lookup(&map, mem); \
	if (v) \
		*(volatile u8 *)(v + size - 1) += 1; \
	update(&map, mem, value, mem[32] & 3); \
	v = lookup(&map, mem + 24); \
	if (v) \
		*(volatile u8 *)v += 1; \
	if (mem[33] & 1) \
		delete(&map, mem); \
	if (!(mem[33] & 30)) \
		each(&map, one_entry, &n, 0); \
	return n; \
}
#define KEYED_NO_EACH(map, size) \
SEC("raw/" #map) u64 use_##map(u8 *mem, u64 len) \
{ \
	u8 value[24] = { 1 }; \
	u8 *v; \
	if (len < 64) \
		return 0; \
	v = lookup(&map, mem); \
	if (v) \
		*(volatile u8 *)(v + size - 1) += 1; \
	update(&map, mem, value, mem[32] & 3); \
	if (mem[33] & 1) \
		delete(&map, mem); \
	return 0; \
}
KEYED(twins, 8) KEYED(hash, 24) KEYED(odd, 5) KEYED(lru, 16) KEYED(percpu, 16) KEYED(lru_percpu, 8)
KEYED(array, 12) KEYED(percpu_array, 12) KEYED_NO_EACH(trie, 8)

SEC("raw/other_cpu") u64 use_other_cpu(u8 *mem, u64 len)
{
	u8 *v;

	if (len < 64)
		return 0;
	v = lookup_percpu(&percpu, mem, mem[32]);
	if (v)
		*(volatile u8 *)v += 1;
	return 0;
}

#define QUEUED(map, size) \
SEC("raw/" #map) u64 use_##map(u8 *mem, u64 len) \
{ \
	u8 value[size]; \
	if (len < 64) \
		return 0; \
	__builtin_memset(value, mem[0], size); \
	push(&map, value, mem[32] & 3); \
	return peek(&map, value) + pop(&map, value); \
}
QUEUED(queue, 20) QUEUED(stack, 8)
SEC("raw/bloom") u64 use_bloom(u8 *mem, u64 len)
{
	u64 v;

	if (len < 64)
		return 0;
	v = mem[0];
	push(&bloom, &v, 0);
	return peek(&bloom, &v);
}

SEC("raw/ring") u64 use_ring(u8 *mem, u64 len)
{
	u64 *r;

	if (len < 64)
		return 0;
	r = reserve(&ring, 24, 0);
	if (r) {
		r[0] = r[2] = mem[0];
		submit(r, 0);
	}
	output(&ring, mem, 40, 0);
	return query(&ring, 0) + query(&ring, 2) + query(&ring, 3);
}

static long one_record(void *dynptr, void *ctx)
{
	u8 bytes[16];

	if (!dynptr_read(bytes, sizeof(bytes), dynptr, 0, 0))
		*(u64 *)ctx += bytes[3];
	return 0;
}

SEC("raw/user_ring") u64 use_user_ring(u8 *mem, u64 len)
{
	u64 sum = 0;

	(void)mem, (void)len;
	drain(&user_ring, one_record, &sum, 0);
	return sum;
}

SEC("raw/traces") u64 use_traces(u8 *mem, u64 len)
{
	if (len < 64)
		return 0;
	return get_stackid(mem, &traces, 256 | (mem[32] & 1 ? 1 << 10 : 0));
}
