/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Iterated additions, the count comes from memory. */
#include "bench.h"
ENTRY(fibonacci)
{
	u64 a = 0, b = 1;
	NEED(64);
	u32 n = 64 + (mem[0] & 15);
	for (u32 i = 0; i < n; i++) {
		u64 t = a + b;
		a = b;
		b = t;
	}
	return a;
}
