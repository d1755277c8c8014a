/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* keys.h - seeded hash and comparison of keys, with the common sizes unrolled.
 * A stored key is 8-aligned and padded with zeroes to 8; it is read and written as 8-byte relaxed
 * atomics because an element may be reused while a lock-free reader looks at it. */
#ifndef UEBPF_MAPS_KEYS_H
#define UEBPF_MAPS_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct key_seed { uint64_t a, b; };

/* Folded 64x64 -> 128 product. */
static inline uint64_t mum(uint64_t x, uint64_t y)
{
#ifdef __SIZEOF_INT128__
	unsigned __int128 p = (unsigned __int128)x * y;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
#else
	uint64_t xl = (uint32_t)x, xh = x >> 32, yl = (uint32_t)y, yh = y >> 32;
	uint64_t ll = xl * yl, lh = xl * yh, hl = xh * yl, hh = xh * yh;
	uint64_t mid = (ll >> 32) + (uint32_t)lh + (uint32_t)hl;

	return (mid << 32 | (uint32_t)ll) ^ (hh + (lh >> 32) + (hl >> 32) + (mid >> 32));
#endif
}

uint64_t key_tail(const uint8_t *p, size_t n);	/* of fewer than 8 bytes (storage.c) */
static inline uint64_t key_word(const uint8_t *p, size_t n)
{
	uint64_t w;

	if (__builtin_expect(n < 8, 0))
		return key_tail(p, n);
	memcpy(&w, p, 8);
	return w;
}

static inline __attribute__((always_inline))
uint64_t word_get(const void *at)
{
	return atomic_load_explicit((const _Atomic uint64_t *)at, memory_order_relaxed);
}

/* stored: through atomics, padded; the same result. */
static inline uint64_t key_part(const uint8_t *p, size_t n, bool stored)
{
	return stored ? word_get(p) : key_word(p, n);
}

#define KEY_HASH_LAST INT32_C(-1640531535)	/* 2^32 / the golden ratio, odd */

static inline uint64_t key_round(const struct key_seed *seed, uint64_t h, uint64_t word)
{
	h = (word ^ h) * seed->b;
	return h ^ h >> 32;
}
static inline uint64_t key_last(uint64_t h) { return h * (uint64_t)(int64_t)KEY_HASH_LAST; }

/* Multiplications by a secret odd number with the upper half folded down in between; in terms of BPF
 * instructions, because lookups are inlined.  Use the upper bits. */
static inline uint64_t key_hash_of(const struct key_seed *seed, const void *key, uint32_t size, bool stored)
{
	const uint8_t *p = key;
	uint64_t h = seed->a;

	for (; size > 8; size -= 8, p += 8)
		h = key_round(seed, h, key_part(p, 8, stored));
	return key_last(key_round(seed, h, key_part(p, size, stored)));
}

static inline uint64_t key_hash(const struct key_seed *seed, const void *key, uint32_t size)
{
	return key_hash_of(seed, key, size, false);
}

static inline void word_put(void *at, uint64_t w)
{
	atomic_store_explicit((_Atomic uint64_t *)at, w, memory_order_relaxed);
}

static inline bool key_equal(const void *stored, const void *key, uint32_t size)
{
	const uint8_t *s = stored, *k = key;

	if (size == 8)
		return word_get(s) == key_word(k, 8);
	if (size == 4)
		return word_get(s) == key_word(k, 4);
	if (size == 16)
		return ((word_get(s) ^ key_word(k, 8)) | (word_get(s + 8) ^ key_word(k + 8, 8))) == 0;
	for (; size > 8; size -= 8, s += 8, k += 8)
		if (word_get(s) != key_word(k, 8))
			return false;
	return word_get(s) == key_word(k, size);
}

static inline void key_store(void *stored, const void *key, uint32_t size)
{
	uint8_t *s = stored;
	const uint8_t *k = key;

	for (; size > 8; size -= 8, s += 8, k += 8)
		word_put(s, key_word(k, 8));
	word_put(s, key_word(k, size));
}

static inline void key_load(void *key, const void *stored, uint32_t size)
{
	const uint8_t *s = stored;
	uint8_t *k = key;
	uint64_t w;

	for (; size > 8; size -= 8, s += 8, k += 8) {
		w = word_get(s);
		memcpy(k, &w, 8);
	}
	w = word_get(s);
	memcpy(k, &w, size);
}

#endif
