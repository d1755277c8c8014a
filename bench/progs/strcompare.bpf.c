/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Compares two strings of up to 64 bytes byte by byte. */
#include "bench.h"
ENTRY(strcompare)
{
	NEED(128);
#pragma nounroll
	for (int i = 0; i < 64; i++) {
		u8 a = mem[i], b = mem[64 + i];
		if (a != b)
			return a < b ? (u64)-1 : 1;
		if (!a)
			break;
	}
	return 0;
}
