/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Insertion sort of 32 words copied to the stack; the median comes back. */
#include "bench.h"
ENTRY(sort)
{
	u32 v[32];
	NEED(128);
	for (int i = 0; i < 32; i++)
		v[i] = ((const u32 *)mem)[i];
	for (u32 i = 1; i < 32; i++) {
		u32 x = v[i & 31], j = i;
		while (j > 0 && v[(j - 1) & 31] > x) {
			v[j & 31] = v[(j - 1) & 31];
			j--;
		}
		v[j & 31] = x;
	}
	return v[16];
}
