/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A small interpreter: one switch per byte. */
#include "bench.h"
ENTRY(switch_case)
{
	u64 acc = 1;
	NEED(256);
#pragma nounroll
	for (int i = 0; i < 256; i++) {
		switch (mem[i] & 15) {
		case 0: acc += 3; break;
		case 1: acc ^= 0x55; break;
		case 2: acc <<= 1; break;
		case 3: acc -= 7; break;
		case 4: acc *= 3; break;
		case 5: acc |= 1; break;
		case 6: acc >>= 1; break;
		case 7: acc = ~acc; break;
		case 8: acc += mem[i]; break;
		case 9: acc ^= acc >> 7; break;
		case 10: acc += acc << 3; break;
		default: acc++; break;
		}
	}
	return acc;
}
