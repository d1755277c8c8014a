/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A chain of subprograms that are not inlined. */
#include "bench.h"
noinline_call u64 leaf(u64 a, u64 b) { return (a ^ b) * 31 + (a >> 3); }
noinline_call u64 middle(u64 a, u64 b) { return leaf(a, b) + leaf(b, a + 1); }
noinline_call u64 top(u64 a, u64 b) { return middle(a, b) ^ middle(a + b, b); }
ENTRY(local_calls)
{
	u64 r = 1;
	NEED(64);
#pragma nounroll
	for (int i = 0; i < 8; i++)
		r += top(r, ((const u64 *)mem)[i]);
	return r;
}
