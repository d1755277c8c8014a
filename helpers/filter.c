/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter.c - what filters (loader/filter_gen.c) call: conversions of numbers, order of texts, patterns. */
#include "helpers/families.h"

union number { uint64_t u; double d; };

FN(filter_number)
{
	union number n = { .u = r1 };
	uint32_t word = (uint32_t)r1;
	float f;

	switch (r2) {
	case 0:
		n.d = (double)(int64_t)r1;
		return n.u;
	case 1:
		memcpy(&f, &word, sizeof f);
		n.d = (double)f;
		return n.u;
	default:	/* what x86 and LTTng give for those without an integer */
		return n.d >= -0x1p63 && n.d < 0x1p63 ? (uint64_t)(int64_t)n.d : UINT64_C(1) << 63;
	}
}

/* The byte at i of a text of at most n bytes, 0 behind its end. */
static unsigned char at(const unsigned char *text, uint64_t i, uint64_t n)
{
	return i < n ? text[i] : 0;
}

/* Bytes as signed: LTTng-UST compares plain chars, on x86. */
static uint64_t order(const unsigned char *a, uint64_t na, const unsigned char *b, uint64_t nb)
{
	for (uint64_t i = 0;; i++) {
		unsigned char x = at(a, i, na), y = at(b, i, nb);

		if (x != y)
			return (signed char)x < (signed char)y ? (uint64_t)-1 : 1;
		if (!x)
			return 0;
	}
}

/* '*' is any bytes, '\' takes the next byte as it is.  The last star seen is where to go on when a byte
 * does not fit: earlier ones need not be tried again. */
static bool matches(const unsigned char *text, uint64_t n, const unsigned char *pattern, uint64_t np)
{
	uint64_t i = 0, p = 0, star = UINT64_MAX, from = 0;

	for (;;) {
		if (p < np && pattern[p] == '*') {
			star = ++p;
			from = i;
			continue;
		}
		if (p == np ? !at(text, i, n) : at(text, i, n) != 0) {
			bool escaped = p + 1 < np && pattern[p] == '\\';

			if (p == np)
				return true;
			if (pattern[p + escaped] == text[i]) {
				p += 1u + escaped;
				i++;
				continue;
			}
		}
		if (star == UINT64_MAX || !at(text, from, n))
			return false;
		i = ++from;
		p = star;
	}
}

static uint64_t compare(uint64_t a, uint64_t na, uint64_t b, uint64_t nb, uint64_t pattern)
{
	return pattern ? !matches(ptr(a), na, ptr(b), nb) : order(ptr(a), na, ptr(b), nb);
}

FN(filter_str)
{
	return order(ptr(r1), UINT64_MAX, ptr(r2), UINT64_MAX);
}

FN(filter_str_mem)
{
	return compare(r1, UINT64_MAX, r2, r3, r4);
}

FN(filter_mem)
{
	return compare(r1, r2, r3, r4, r5);
}
