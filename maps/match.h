/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* match.h - a bucket's eight one-byte tags as one word: which equal one, which are used.
 * Results have 0x80 in the bytes that are meant; slot_of gives the lowest one's number. */
#ifndef UEBPF_MAPS_MATCH_H
#define UEBPF_MAPS_MATCH_H

#include "maps/keys.h"

#define TAG_ONES UINT64_C(0x0101010101010101)
#define TAG_TOPS UINT64_C(0x8080808080808080)
enum { TAG_USED = 0x80 };

static inline uint64_t byte_word(uint64_t w)	/* byte 0 in the low bits, whatever the byte order */
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return w;
#else
	return __builtin_bswap64(w);
#endif
}
static inline uint64_t tags_of(const void *bucket) { return byte_word(word_get(bucket)); }
/* The lowest one is exact; above it a byte that differs in its last bit may be taken for equal. */
static inline uint64_t tags_match(uint64_t tags, uint8_t tag)
{
	uint64_t x = tags ^ tag * TAG_ONES;

	return (x - TAG_ONES) & ~x & TAG_TOPS;
}
static inline uint64_t tags_used(uint64_t tags) { return tags & TAG_TOPS; }
static inline uint64_t tags_free(uint64_t tags) { return ~tags & TAG_TOPS; }
static inline int slot_of(uint64_t match) { return __builtin_ctzll(match) >> 3; }

#endif
