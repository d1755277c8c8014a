/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text.h - programs as text: composing them at random, showing them. */
#ifndef TESTS_UTIL_TEXT_H
#define TESTS_UTIL_TEXT_H

#include <check.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_MAX = 16384 };
/* A program being composed; `random` is not 0. */
struct text { char buf[TEXT_MAX]; size_t n; uint64_t random; };

/* A number below `below`. */
static inline uint32_t pick(struct text *t, uint32_t below)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (uint32_t)(t->random >> 11) % below;
}

/* Adds lines; a text that gets too long fails the test. */
static inline void say(struct text *t, const char *form, ...) __attribute__((format(printf, 2, 3)));
static inline void say(struct text *t, const char *form, ...)
{
	va_list args;

	va_start(args, form);
	t->n += (size_t)vsnprintf(t->buf + t->n, sizeof t->buf - t->n, form, args);
	va_end(args);
	ck_assert_uint_lt(t->n, sizeof t->buf);
}

/* n slots as text, on stderr. */
void show_slots(const void *slots, uint32_t n);

#endif
