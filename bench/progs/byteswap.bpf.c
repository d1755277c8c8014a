/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Reads 64 words in network byte order of three widths. */
#include "bench.h"
ENTRY(byteswap)
{
	u64 r = 0;
	NEED(512);
#pragma nounroll
	for (int i = 0; i < 64; i++) {
		r += __builtin_bswap64(((const u64 *)mem)[i]);
		r ^= __builtin_bswap32(((const u32 *)mem)[i]);
		r += __builtin_bswap16(((const u16 *)mem)[i]);
	}
	return r;
}
