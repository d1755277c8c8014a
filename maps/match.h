/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* match.h - which of a bucket's tags equal one: a bit mask, bit i for tag i of 7 (tag[7] is
 * unused, and not believed to be 0). */
#ifndef UEBPF_MAPS_MATCH_H
#define UEBPF_MAPS_MATCH_H

#include "maps/keys.h"

#ifdef __SSE2__
#include <emmintrin.h>
static inline uint32_t tags_match(const uint16_t tags[8], uint16_t tag)
{
	__m128i have = _mm_set_epi64x((long long)word_get(tags + 4), (long long)word_get(tags));
	__m128i same = _mm_cmpeq_epi16(have, _mm_set1_epi16((short)tag));

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128())) & 0x7f;
}
#else
static inline uint32_t tags_match(const uint16_t tags[8], uint16_t tag)
{
	uint32_t mask = 0;

	for (int i = 0; i < 7; i++)
		mask |= (uint32_t)(atomic_load_explicit((const _Atomic uint16_t *)tags + i,
					memory_order_relaxed) == tag) << i;
	return mask;
}
#endif

#endif
