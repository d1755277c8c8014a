/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* btf_bits.h - integers and bit-fields of any size in the host's byte order, for format.c and
 * parse.c. */
#ifndef UEBPF_LOADER_BTF_BITS_H
#define UEBPF_LOADER_BTF_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BITS_LITTLE = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ };

static inline uint64_t bits_load_int(const uint8_t *p, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | p[BITS_LITTLE ? size - 1 - i : i];
	return value;
}

static inline void bits_store_int(uint8_t *p, size_t size, uint64_t value)
{
	for (size_t i = 0; i < size; i++)
		p[BITS_LITTLE ? i : size - 1 - i] = (uint8_t)(value >> i * 8);
}

static inline int64_t bits_extend(uint64_t value, uint32_t bits)
{
	return bits && bits < 64 ? (int64_t)(value << (64 - bits)) >> (64 - bits) : (int64_t)value;
}

/* Bit i of a bit-field counts from the least significant end on little-endian machines, from the
 * most significant one on the others. */
static inline bool bits_load(const uint8_t *p, size_t len, uint32_t off, uint32_t bits, uint64_t *out)
{
	*out = 0;
	if (bits > 64 || ((uint64_t)off + bits + 7) / 8 > len)
		return false;
	for (uint32_t i = 0; i < bits; i++) {
		uint32_t at = BITS_LITTLE ? off + bits - 1 - i : off + i;
		uint32_t shift = BITS_LITTLE ? at % 8 : 7 - at % 8;

		*out = *out << 1 | (p[at / 8] >> shift & 1);
	}
	return true;
}

static inline bool bits_store(uint8_t *p, size_t len, uint32_t off, uint32_t bits, uint64_t value)
{
	if (bits > 64 || ((uint64_t)off + bits + 7) / 8 > len)
		return false;
	for (uint32_t i = 0; i < bits; i++) {
		uint32_t at = BITS_LITTLE ? off + i : off + bits - 1 - i;
		uint8_t mask = (uint8_t)(1u << (BITS_LITTLE ? at % 8 : 7 - at % 8));

		p[at / 8] = (uint8_t)((p[at / 8] & ~mask) | (value >> i & 1 ? mask : 0));
	}
	return true;
}

/* An address of 4 (IPv4), 6 (MAC) or 16 (IPv6) bytes in network order; characters taken, 0: it is none. */
size_t address_parse(const char *text, uint8_t *to, size_t size);

#endif
