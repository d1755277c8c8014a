/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Copies 512 bytes while mixing a key in, 8 bytes at a time. */
#include "bench.h"
ENTRY(xor_copy)
{
	const u64 *from = (const u64 *)mem;
	u64 *to = (u64 *)(mem + 512), key = 0x0123456789abcdefULL;
	NEED(1024);
	for (int i = 0; i < 64; i++)
		to[i] = from[i] ^ key;
	return to[63];
}
