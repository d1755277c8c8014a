/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Primes below 256 in a byte array on the stack. */
#include "bench.h"
ENTRY(sieve)
{
	u8 composite[256];
	u64 primes = 0;
	NEED(64);
	__builtin_memset(composite, 0, sizeof composite);
	for (u32 i = 2; i < 256; i++) {
		if (composite[i & 255])
			continue;
		primes++;
		for (u32 j = i * 2; j < 256; j += i)
			composite[j & 255] = 1;
	}
	return primes;
}
