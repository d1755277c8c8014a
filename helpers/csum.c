/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* csum.c - Internet checksums (RFC 1071, RFC 1624) and the helpers that keep them right. */
#include <linux/bpf.h>
#include "helpers/packet.h"

enum { PSEUDO_HDR = 0x10, MANGLED_0 = 0x20, MARK_ENFORCE = 0x40, IPV6_FLAG = 0x80, FIELD_MASK = 0xf };

uint32_t csum_add(uint32_t a, uint32_t b)
{
	a += b;
	return a + (a < b);
}

static uint32_t csum_sub(uint32_t a, uint32_t b)
{
	return csum_add(a, ~b);
}

static uint16_t csum_16(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

uint16_t csum_fold(uint32_t sum)
{
	return (uint16_t)~csum_16(sum);
}

uint32_t csum_bytes(const void *data, size_t len, uint32_t seed)
{
	const uint8_t *at = data;
	uint64_t sum = seed;
	uint32_t word;
	uint16_t half = 0;

	for (; len >= 4; len -= 4, at += 4) {
		memcpy(&word, at, 4);
		sum += word;
	}
	if (len & 2) {
		memcpy(&half, at, 2);
		sum += half;
		at += 2;
	}
	if (len & 1) {
		half = 0;
		memcpy(&half, at, 1);
		sum += half;
	}
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)(sum + (sum >> 32));
}

/* Any sizes, as since Linux 6.13; earlier kernels want multiples of 4. */
FN(csum_diff)
{
	uint32_t from = (uint32_t)r2, to = (uint32_t)r4, seed = (uint32_t)r5;

	if (from && to)
		seed = csum_sub(csum_bytes(ptr(r3), to, seed), csum_bytes(ptr(r1), from, 0));
	else if (to)
		seed = csum_bytes(ptr(r3), to, seed);
	else if (from)
		seed = ~csum_bytes(ptr(r1), from, ~seed);
	return csum_16(seed);
}

/* ---- checksums inside the packet ---- */

static uint16_t load16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, 2);
	return value;
}

static void replace_diff(uint8_t *at, uint32_t diff)
{
	uint16_t sum = csum_fold(csum_add(diff, ~(uint32_t)load16(at)));

	memcpy(at, &sum, 2);
}

static void replace4(uint8_t *at, uint32_t from, uint32_t to)
{
	uint16_t sum = csum_fold(csum_add(csum_sub(~(uint32_t)load16(at), from), to));

	memcpy(at, &sum, 2);
}

static uint16_t add16(uint16_t a, uint16_t b)
{
	a = (uint16_t)(a + b);
	return (uint16_t)(a + (a < b));
}

static void replace2(uint8_t *at, uint16_t from, uint16_t to)
{
	uint16_t sum = (uint16_t)~add16(add16((uint16_t)~load16(at), (uint16_t)~from), to);

	memcpy(at, &sum, 2);
}

static uint8_t *sum_at(struct uebpf_call *call, uint64_t offset)
{
	struct uebpf_packet *packet = call_packet(call);

	offset = (uint32_t)offset;
	return packet && offset <= OFFSET_MAX && offset % 2 == 0 ? packet_at(packet, offset, 2) : NULL;
}

FN(l3_csum_replace)
{
	uint8_t *at;

	if (r5 & ~(uint64_t)FIELD_MASK)
		return ERR(EINVAL);
	at = sum_at(call, r2);
	if (!at)
		return ERR(EFAULT);
	switch (r5 & FIELD_MASK) {
	case 0:
		if (r3)
			return ERR(EINVAL);
		replace_diff(at, (uint32_t)r4);
		return 0;
	case 2:
		replace2(at, (uint16_t)r3, (uint16_t)r4);
		return 0;
	case 4:
		replace4(at, (uint32_t)r3, (uint32_t)r4);
		return 0;
	}
	return ERR(EINVAL);
}

FN(l4_csum_replace)
{
	bool keep_zero = r5 & MANGLED_0;
	uint8_t *at;
	uint16_t mangled = 0xffff;

	if (r5 & ~(uint64_t)(FIELD_MASK | PSEUDO_HDR | MANGLED_0 | MARK_ENFORCE | IPV6_FLAG))
		return ERR(EINVAL);
	at = sum_at(call, r2);
	if (!at)
		return ERR(EFAULT);
	if (keep_zero && !(r5 & MARK_ENFORCE) && !load16(at))
		return 0;	/* UDP without a checksum stays without */
	switch (r5 & FIELD_MASK) {
	case 0:
		if (r3)
			return ERR(EINVAL);
		replace_diff(at, (uint32_t)r4);
		break;
	case 2:
		replace4(at, (uint16_t)r3, (uint16_t)r4);
		break;
	case 4:
		replace4(at, (uint32_t)r3, (uint32_t)r4);
		break;
	default:
		return ERR(EINVAL);
	}
	if (keep_zero && !load16(at))
		memcpy(at, &mangled, 2);
	return 0;
}

/* The packet has no checksum from hardware, as one that came through BPF_PROG_TEST_RUN. */
FN(csum_update)
{
	return ERR(ENOTSUPP);
}

FN(csum_level)
{
	if (r2 == BPF_CSUM_LEVEL_QUERY)
		return ERR(EACCES);
	return r2 <= BPF_CSUM_LEVEL_RESET ? 0 : ERR(EINVAL);
}

FN(skb_ecn_set_ce)
{
	enum { ECN = 3 };
	struct uebpf_packet *packet = call_packet(call);
	uint32_t link = packet_link_len(call);
	uint16_t before, after;
	uint8_t *ip;

	if (!packet)
		return 0;
	switch (packet_protocol(call, packet)) {
	case PROTO_IPV4:
		ip = packet_at(packet, link, 20);
		if (!ip || !(ip[1] & ECN))
			return 0;
		if ((ip[1] & ECN) == ECN)
			return 1;
		before = load16(ip);
		ip[1] |= ECN;
		after = load16(ip);
		replace2(ip + 10, before, after);
		return 1;
	case PROTO_IPV6:
		ip = packet_at(packet, link, 40);
		if (!ip || !(ip[1] >> 4 & ECN))
			return 0;
		ip[1] |= ECN << 4;
		return 1;
	}
	return 0;
}
