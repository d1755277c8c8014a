/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Sum of 128 64-bit words. */
#include "bench.h"
ENTRY(sum64)
{
	const u64 *p = (const u64 *)mem;
	u64 sum = 0;
	NEED(1024);
	for (int i = 0; i < 128; i++)
		sum += p[i];
	return sum;
}
