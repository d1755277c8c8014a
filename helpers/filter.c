/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter.c - what filters (loader/filter/gen.c) call: conversions of numbers, order of texts, patterns. */
#include "helpers/families.h"

#ifdef __has_feature		/* clang's way to say it */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

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
		return n.d >= -9223372036854775808.0 && n.d < 9223372036854775808.0 ? (uint64_t)(int64_t)n.d : UINT64_C(1) << 63;
	}
}

/* The byte at i of a text of at most n bytes, 0 behind its end. */
static unsigned char at(const unsigned char *text, uint64_t i, uint64_t n)
{
	return i < n ? text[i] : 0;
}

/* Bytes as signed: LTTng-UST compares plain chars, on x86; but the end is less than any. */
static uint64_t order(const unsigned char *a, uint64_t na, const unsigned char *b, uint64_t nb)
{
	for (uint64_t i = 0;; i++) {
		unsigned char x = at(a, i, na), y = at(b, i, nb);

		if (x == y && x)
			continue;
		if (!x || !y)
			return x ? 1 : y ? (uint64_t)-1 : 0;
		return (signed char)x < (signed char)y ? (uint64_t)-1 : 1;
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

/* Bytes behind a NUL do not count. */
FN(filter_head)
{
	const unsigned char *text = ptr(r1);

	for (uint64_t i = 0; i < r4 && i < 16; i++) {
		unsigned char c = (unsigned char)((i < 8 ? r2 : r3) >> 8 * (i & 7));

		if (text[i] != c)
			return 1;
		if (!c)
			break;
	}
	return 0;
}

/* Whole words, where the page holds them: reading bytes behind a string's end within its page cannot
 * fault, and does not tell anything of them as long as only the last byte that is compared may be NUL. */
int filter_head_inliner(const struct call_site *site, struct insn *out, int cap)
{
	enum { PAGE = 4096, INSIDE = 1, LAST, ONE, SHIFT };
	uint64_t n = site->arg[3], i = 0;
	bool two = n > 8;
	const int64_t arg[] = { PAGE - 1, PAGE - (two ? 16 : 8), 1, (int64_t)(64 - 8 * (two ? n - 8 : n)) };
#define BEGIN(size) \
		{ .op = OP_MOV64_X, .dst = 0, .src = 1 }, \
		{ .op = OP_AND64_K, .dst = 0, .arg = INSIDE }, \
		{ .op = OP_JGT64_K, .dst = 0, .arg = LAST, .off = (size) - 1 }, \
		{ .op = OP_LD_DW, .dst = 0, .src = 1 }, \
		{ .op = OP_XOR64_X, .dst = 0, .src = 2 }
#define END(size) \
		{ .op = OP_LSH64_K, .dst = 0, .arg = SHIFT }, \
		{ .op = OP_JEQ64_K, .dst = 0, .off = (size) }, \
		{ .op = OP_MOV64_K, .dst = 0, .arg = ONE }, \
		{ .op = OP_JA, .off = (size) }, \
		{ .op = OP_CALL }
	static const struct pattern one_word[] = { BEGIN(10), END(10) }, two_words[] = {
		BEGIN(13),
		{ .op = OP_JNE64_K, .dst = 0, .off = 10 },
		{ .op = OP_LD_DW, .dst = 0, .src = 1, .off = 8 },
		{ .op = OP_XOR64_X, .dst = 0, .src = 3 },
		END(13),
	};

	while (i + 1 < n && i < 15 && (site->arg[1 + (i >> 3)] >> 8 * (i & 7) & 255) != 0)
		i++;
#if defined(__SANITIZE_ADDRESS__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	cap = 0;
#endif
	if ((site->known & 14) != 14 || !n || i + 1 < n)
		return 0;
	return two ? WRITE(out, cap, two_words, arg) : WRITE(out, cap, one_word, arg);
}
