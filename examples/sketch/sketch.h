/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sketch.h - the tables, as programs write them and the host reads them through the same memory. */
#ifndef SKETCH_H
#define SKETCH_H

#include <linux/types.h>

enum { ROWS = 4, COLUMNS = 512, GEOMETRIC = 4096, LEVELS = 8, CPUS = 64 };

struct flow { __u32 src, dst; __u16 sport, dport; __u8 proto; } __attribute__((packed));

/* One a CPU. */
struct table { __s32 c[ROWS][COLUMNS]; };
struct univmon { struct table level[LEVELS]; };
struct meta {
	__u32 next;			/* row slots until the next one that is sampled; a packet has ROWS slots */
	__u32 at;			/* which geometric value comes next */
	__u32 geometric[GEOMETRIC];	/* variant 6: beside the state that uses them */
};
/* Set by the host; .data.setup is mapped. */
struct setup { __u32 threshold, increment; };	/* p * 2^32 (p = 1: all ones), 1 / p */

/* Where a row counts a flow: 9 bits of a 16-bit piece choose the column, bit 15 the sign. */
static inline __u32 column(__u16 piece)
{
	return piece & (COLUMNS - 1);
}
static inline __s32 sign(__u16 piece)
{
	return piece >> 15 ? 1 : -1;
}

/* fasthash64 and xxhash32 of exactly 13 bytes. */
static inline __u64 fast_mix(__u64 h)
{
	h ^= h >> 23;
	h *= 0x2127599bf4325c37ull;
	return h ^ h >> 47;
}
static inline __u64 fasthash64(const struct flow *f, __u64 seed)
{
	const __u64 m = 0x880355f21e6d1965ull;
	__u64 h = seed ^ sizeof *f * m, tail = (__u64)f->proto << 32 | (__u64)f->dport << 16 | f->sport;

	h = (h ^ fast_mix((__u64)f->dst << 32 | f->src)) * m;
	h = (h ^ fast_mix(tail)) * m;
	return fast_mix(h);
}
static inline __u32 fasthash32(const struct flow *f, __u32 seed)
{
	__u64 h = fasthash64(f, seed);

	return (__u32)(h - (h >> 32));
}
static inline __u32 rotate(__u32 x, int n)
{
	return x << n | x >> (32 - n);
}
static inline __u32 xxhash32(const struct flow *f, __u32 seed)
{
	const __u32 p1 = 2654435761u, p2 = 2246822519u, p3 = 3266489917u, p4 = 668265263u, p5 = 374761393u;
	__u32 h = seed + p5 + sizeof *f;

	h = rotate(h + f->src * p3, 17) * p4;
	h = rotate(h + f->dst * p3, 17) * p4;
	h = rotate(h + ((__u32)f->dport << 16 | f->sport) * p3, 17) * p4;
	h = rotate(h + f->proto * p5, 11) * p1;
	h = (h ^ h >> 15) * p2;
	h = (h ^ h >> 13) * p3;
	return h ^ h >> 16;
}

/* The 16-bit piece that a row of a variant uses: writer and reader ask here. */
static inline __u16 piece_of(int variant, const struct flow *f, int row, __u64 one)
{
	if (variant <= 2)
		return (__u16)xxhash32(f, (__u32)row + 1);
	if (variant == 3)
		return (__u16)fasthash32(f, (__u32)row + 1);
	return (__u16)(one >> 16 * row);
}
enum { ONE_SEED = 0x5eed, LEVEL_SEED = 0x1e7e1 };

#endif
