/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text.c - numbers from text, string comparison, and the memory functions compilers call.
 * Rules of strtol: linux/bpf.h and the running kernel (tests/helpers/text_kernel_test.c). */
#include <limits.h>
#include "helpers/families.h"

enum { BASE_MASK = 31, DIGITS_MAX = 63 };	/* the kernel parses from a copy of 64 bytes */

static int is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c == 0xa0;
}

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : UINT_MAX;
}

/* Characters used, or -EINVAL, -ERANGE; *value and *negative are set on success. */
static long parse_number(const char *text, uint64_t size, uint64_t flags, uint64_t *value, int *negative)
{
	const char *at = text, *end, *digits;
	unsigned base = flags & BASE_MASK, digit;
	int overflow = 0;

	if (!size || flags & ~(uint64_t)BASE_MASK || (base && base != 8 && base != 10 && base != 16))
		return -EINVAL;
	end = text + size;
	while (at < end && is_space(*at))
		at++;
	*negative = at < end && *at == '-';
	at += *negative;
	if (end - at > DIGITS_MAX)
		end = at + DIGITS_MAX;
	if (!base && at < end && *at == '0')
		base = end - at > 2 && (at[1] | 0x20) == 'x' && digit_of(at[2]) < 16 ? 16 : 8;
	else if (!base)
		base = 10;
	if (base == 16 && end - at > 1 && *at == '0' && (at[1] | 0x20) == 'x')
		at += 2;
	*value = 0;
	for (digits = at; at < end && (digit = digit_of(*at)) < base; at++) {
		overflow |= *value > (UINT64_MAX - digit) / base;
		*value = *value * base + digit;
	}
	if (overflow)
		return -ERANGE;
	return at == digits ? -EINVAL : at - text;
}

FN(strtol)
{
	uint64_t value = 0;
	int64_t result;
	int negative;
	long used = parse_number(ptr(r1), r2, r3, &value, &negative);

	if (used >= 0 && (negative ? (int64_t)(0 - value) > 0 : (int64_t)value < 0))
		used = -ERANGE;
	result = used < 0 ? 0 : (int64_t)(negative ? 0 - value : value);
	memcpy(ptr(r4), &result, sizeof result);
	return (uint64_t)used;
}

FN(strtoul)
{
	uint64_t value = 0;
	int negative;
	long used = parse_number(ptr(r1), r2, r3, &value, &negative);

	if (used >= 0 && negative)
		used = -EINVAL;
	if (used < 0)
		value = 0;
	memcpy(ptr(r4), &value, sizeof value);
	return (uint64_t)used;
}

FN(strncmp)
{
	const unsigned char *a = ptr(r1), *b = ptr(r3);
	uint64_t i;

	for (i = 0; i < r2; i++) {
		if (a[i] != b[i])
			return a[i] < b[i] ? (uint64_t)-1 : 1;
		if (!a[i])
			break;
	}
	return 0;
}

/* ---- compiler builtins ---- */

FN(memcpy)
{
	memmove(ptr(r1), ptr(r2), (size_t)r3);
	return r1;
}

FN(memmove)
{
	memmove(ptr(r1), ptr(r2), (size_t)r3);
	return r1;
}

FN(memset)
{
	memset(ptr(r1), (int)(uint8_t)r2, (size_t)r3);
	return r1;
}

static uint64_t compare(uint64_t a, uint64_t b, uint64_t n)
{
	int order = n ? memcmp(ptr(a), ptr(b), (size_t)n) : 0;

	return order < 0 ? (uint64_t)-1 : order > 0;
}

FN(memcmp)
{
	return compare(r1, r2, r3);
}

FN(bcmp)
{
	return compare(r1, r2, r3);
}
