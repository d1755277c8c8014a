/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* murmur3 32-bit over 64 bytes: 32-bit rotates and multiplies in a loop. */
#include "bench.h"
inline_always u32 rol32(u32 x, int r) { return x << r | x >> (32 - r); }
ENTRY(murmur3)
{
	const u32 *p = (const u32 *)mem;
	u32 h = 0x2a;
	NEED(64);
#pragma nounroll
	for (int i = 0; i < 16; i++) {
		u32 k = p[i] * 0xcc9e2d51;
		k = rol32(k, 15) * 0x1b873593;
		h = rol32(h ^ k, 13) * 5 + 0xe6546b64;
	}
	h ^= 64;
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}
