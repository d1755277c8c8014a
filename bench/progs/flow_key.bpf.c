/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The 5-tuple is gathered on the stack and hashed from there, as flow tables do. */
#include "bench.h"
struct key { u32 saddr, daddr; u16 sport, dport; u8 proto, pad[3]; };
ENTRY(flow_key)
{
	struct key k;
	NEED(64);
	__builtin_memset(&k, 0, sizeof k);
	k.saddr = *(u32 *)(mem + 28);
	k.daddr = *(u32 *)(mem + 32);
	k.sport = *(u16 *)(mem + 36);
	k.dport = *(u16 *)(mem + 38);
	k.proto = mem[23];
	const volatile u32 *w = (const volatile u32 *)&k;
	u32 h = 0x9e3779b9;
	for (int i = 0; i < 4; i++) {
		h ^= w[i];
		h *= 0x85ebca6b;
		h ^= h >> 13;
	}
	return h;
}
