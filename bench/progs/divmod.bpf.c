/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Divisions and remainders by constants and by values. */
#include "bench.h"
ENTRY(divmod)
{
	const u32 *p = (const u32 *)mem;
	u64 r = 0;
	NEED(256);
#pragma nounroll
	for (int i = 0; i < 32; i++) {
		u32 v = p[i], d = p[i + 32] | 1;
		r += v / 10 + v % 1000;
		r ^= v / d;
		r += (v + r) % 7;
	}
	return r;
}
