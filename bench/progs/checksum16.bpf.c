/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Internet checksum over 1024 bytes, 16 bits at a time. */
#include "bench.h"
ENTRY(checksum16)
{
	const u16 *p = (const u16 *)mem;
	u64 sum = 0;
	NEED(1024);
	for (int i = 0; i < 512; i++)
		sum += p[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}
