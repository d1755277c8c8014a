/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inline.bpf.c - calls that stand in compiled code: a chain of tail calls, the clock, a function for each element
 * of an array.  Built twice by bench/part_jit.sh: for BPF, and with NATIVE as what a C programmer would write. */
typedef unsigned int u32;
typedef unsigned long long u64;
struct sum { u64 sum; };
#define LINKS(F) F(0, 1) F(1, 2) F(2, 3) F(3, 4) F(4, 5) F(5, 6) F(6, 7) F(7, 8) F(8, 9) F(9, 10) F(10, 11) F(11, 12) \
	F(12, 13) F(13, 14) F(14, 15) F(15, 16) F(16, 17) F(17, 18) F(18, 19) F(19, 20) F(20, 21) F(21, 22) F(22, 23) \
	F(23, 24) F(24, 25) F(25, 26) F(26, 27) F(27, 28) F(28, 29) F(29, 30) F(30, 31) F(31, 32) F(32, 33) F(33, 34)

#ifdef NATIVE
#include <stddef.h>
#include <time.h>
#define ENTRY(name, section) u64 native_##name(void *ctx, size_t len, void *host)
#define REST , len, host
#define TAIL(i) do { if (native_next[i]) __attribute__((musttail)) return native_next[i](ctx, len, host); } while (0)
u64 (*native_next[40])(void *, size_t, void *);
u64 native_one[1], native_many[257];

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

#define EACH(map, fn, arg) for_each(map, sizeof(map) / 8, fn, arg)
static __attribute__((noinline)) long add(void *map, const u32 *key, u64 *value, struct sum *s)
{
	__asm__ volatile("" : : "r"(map), "r"(key) : "memory");
	s->sum += *value * 3 + *key;
	return 0;
}

static inline long for_each(u64 *map, u32 n, long (*fn)(void *, const u32 *, u64 *, struct sum *), struct sum *arg)
{
	u32 i;

	for (i = 0; i < n; i++) {
		u32 key = i;

		if (fn(map, &key, &map[i], arg))
			return i + 1;
	}
	return i;
}
#define one native_one
#define many native_many
#else
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define ENTRY(name, section) SEC(section) u64 name(void *ctx)
#define TAIL(i) bpf_tail_call(ctx, &next, i)
static u64 (*now)(void) = (void *)5;
static long (*bpf_tail_call)(void *ctx, void *map, u32 index) = (void *)12;
static long (*for_each)(void *map, void *fn, void *arg, u64 flags) = (void *)164;
#define EACH(map, fn, arg) for_each(&map, fn, arg, 0)
struct { __uint(type, 3); __uint(max_entries, 40); __uint(key_size, 4); __uint(value_size, 4); } next SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 8); } one SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 257); __uint(key_size, 4); __uint(value_size, 8); } many SEC(".maps");

static long add(void *map, const u32 *key, u64 *value, struct sum *s)
{
	s->sum += *value * 3 + *key;
	return 0;
}
#endif

#define LINK(n, to) ENTRY(link_##n, "raw/link_" #n) { TAIL(to); return n; }
LINKS(LINK)

#define X4(x) x; x; x; x
ENTRY(time_1, "raw/time_1") { u64 s = now(); return s != 0; }
ENTRY(time_33, "raw/time_33")
{
	u64 s = now();

	X4(X4(s ^= now()));
	X4(X4(s ^= now()));
	return s != 0;
}

ENTRY(each_1, "raw/each_1")
{
	struct sum s = { 0 };

	s.sum += (u64)EACH(one, add, &s);
	return s.sum;
}

ENTRY(each_257, "raw/each_257")
{
	struct sum s = { 0 };

	s.sum += (u64)EACH(many, add, &s);
	return s.sum;
}
#ifndef NATIVE
char _license[] SEC("license") = "GPL";
#endif
