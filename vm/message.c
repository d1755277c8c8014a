/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message.c - reads packed texts and tables (message.h). */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "vm/message.h"

struct reader {
	const uint8_t *at;
	uint32_t range, code;
	uint16_t chance[MESSAGE_CHANCES];
};

static unsigned read_bit(struct reader *r, unsigned at)
{
	unsigned chance = r->chance[at], bit;
	uint32_t bound = (uint32_t)((uint64_t)r->range * chance >> 16);

	bit = r->code < bound;
	if (bit) {
		r->range = bound;
		chance += (MESSAGE_CERTAIN - chance) >> MESSAGE_RATE;
	} else {
		r->code -= bound;
		r->range -= bound;
		chance -= chance >> MESSAGE_RATE;
	}
	r->chance[at] = (uint16_t)chance;
	for (; r->range < 1u << 24; r->range <<= 8)
		r->code = r->code << 8 | *r->at++;
	return bit;
}

static unsigned read_number(struct reader *r, unsigned at)
{
	unsigned n = 0, i = 0;

	for (; read_bit(r, at); at += 2)
		n |= read_bit(r, at + 1) << i++;
	return n | 1u << i;
}

void message_unpack(const uint8_t *bytes, char *to, size_t size)
{
	struct reader r = { bytes, UINT32_MAX, 0, { 0 } };
	char *end = to + size;
	unsigned distance = 0, copied = 0;

	for (unsigned i = 0; i < 4; i++)
		r.code = r.code << 8 | *r.at++;
	for (unsigned i = 0; i < MESSAGE_CHANCES; i++)
		r.chance[i] = MESSAGE_EVEN;
	while (to < end) {
		unsigned n = 1;

		if (!read_bit(&r, MESSAGE_COPY + copied)) {
			while (n < 256)
				n = n << 1 | read_bit(&r, MESSAGE_CHARACTER + n);
			*to++ = (char)n;
			copied = 0;
			continue;
		}
		if (copied || !read_bit(&r, MESSAGE_AGAIN))
			distance = read_number(&r, MESSAGE_DISTANCE);
		for (n = read_number(&r, MESSAGE_LENGTH); n; n--, to++)
			*to = to[-(ptrdiff_t)distance];
		copied = 1;
	}
}

void message_unpack_bytes(const uint8_t *bytes, char *to, size_t size)
{
	const char *end = to + size;

	while (to < end) {
		unsigned n = *bytes / (MESSAGE_RUN + 1), copy = *bytes++ % (MESSAGE_RUN + 1);

		for (; n; n--)
			*to++ = (char)*bytes++;
		if (copy)
			for (n = *bytes++; copy; copy--, to++)
				*to = to[-(ptrdiff_t)n];
	}
}

/* Two threads write the same bytes. */
const char *message_text(const void *text)
{
	static bool done;

	if (&message_pack && (uintptr_t)text - (uintptr_t)message_start < message_pack.size &&
	    !__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		message_unpack(message_pack.bytes, message_start, message_pack.size);
		__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	}
	return text;
}

void message_unpack_rows(void)
{
	static bool done;

	if (&message_rows && !__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		message_unpack_bytes(message_rows.bytes, message_rows_start, message_rows.size);
		__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	}
}

int message_print(char *to, size_t cap, const char *text, va_list args)
{
	return vsnprintf(to, cap, message_text(text), args);
}
