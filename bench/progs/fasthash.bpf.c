/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fasthash64 over 64 bytes: multiply-shift mixing, one long dependency chain. */
#include "bench.h"
inline_always u64 mix(u64 h) { h ^= h >> 23; h *= 0x2127599bf4325c37ULL; h ^= h >> 47; return h; }
ENTRY(fasthash)
{
	const u64 *p = (const u64 *)mem, m = 0x880355f21e6d1965ULL;
	NEED(64);
	u64 h = 42 ^ (64 * m);
#pragma unroll
	for (int i = 0; i < 8; i++) {
		h ^= mix(p[i]);
		h *= m;
	}
	return mix(h);
}
