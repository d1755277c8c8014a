/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Ethernet (one VLAN tag), IPv4 or IPv6, TCP or UDP: is it port 80? */
#include "bench.h"
inline_always u16 be16(const u8 *p) { return (u16)(p[0] << 8 | p[1]); }
ENTRY(packet_parse)
{
	u8 *l4;
	u16 type;
	u8 proto;
	NEED(64);
	type = be16(mem + 12);
	u8 *l3 = mem + 14;
	if (type == 0x8100) {
		type = be16(mem + 16);
		l3 = mem + 18;
	}
	if (type == 0x0800) {
		if ((l3[0] & 0x0f) != 5)
			return 0;
		proto = l3[9];
		l4 = l3 + 20;
	} else if (type == 0x86dd) {
		proto = l3[6];
		l4 = l3 + 40;
	} else {
		return 0;
	}
	if (proto != 6 && proto != 17)
		return 0;
	return be16(l4) == 80 || be16(l4 + 2) == 80;
}
