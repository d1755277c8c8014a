/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* xxh64 over 64 bytes: four lanes, rotates. */
#include "bench.h"
#define P1 0x9E3779B185EBCA87ULL
#define P2 0xC2B2AE3D27D4EB4FULL
#define P3 0x165667B19E3779F9ULL
#define P4 0x85EBCA77C2B2AE63ULL
inline_always u64 rol(u64 x, int r) { return x << r | x >> (64 - r); }
inline_always u64 round1(u64 acc, u64 in) { return rol(acc + in * P2, 31) * P1; }
inline_always u64 merge(u64 h, u64 v) { return (h ^ round1(0, v)) * P1 + P4; }
ENTRY(xxhash64)
{
	const u64 *p = (const u64 *)mem;
	NEED(64);
	u64 a = P1 + P2, b = P2, c = 0, d = 0 - P1;
#pragma unroll
	for (int i = 0; i < 8; i += 4) {
		a = round1(a, p[i]);
		b = round1(b, p[i + 1]);
		c = round1(c, p[i + 2]);
		d = round1(d, p[i + 3]);
	}
	u64 h = rol(a, 1) + rol(b, 7) + rol(c, 12) + rol(d, 18);
	h = merge(merge(merge(merge(h, a), b), c), d) + 64;
	h ^= h >> 33;
	h *= P2;
	h ^= h >> 29;
	h *= P3;
	return h ^ h >> 32;
}
