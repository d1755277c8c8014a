/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message.c - reads packed texts (message.h). */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "vm/message.h"

/* Where reading has come to: the next text's offset in the section, the next bit of the codes. */
struct reader {
	const struct message_code *code;
	const uint8_t *bytes;
	size_t at;
	uint32_t bit, nr;		/* texts read since a mark */
};

static char *expand(const uint8_t *bytes, char *to, unsigned symbol)
{
	for (;;) {
		const uint8_t *p = bytes + symbol * MESSAGE_PAIR_BITS / 8;
		unsigned pair = ((unsigned)p[0] | (unsigned)p[1] << 8 | (unsigned)p[2] << 16) >> (symbol & 1) * 4;
		unsigned left = pair % MESSAGE_SYMBOLS, right = pair / MESSAGE_SYMBOLS % MESSAGE_SYMBOLS;

		if (left == symbol) {
			*to = (char)right;
			return to + 1;
		}
		to = expand(bytes, to, left);
		symbol = right;
	}
}

/* A code is the highest bits of `bits` (24 are there, the rest is anything): returns its symbol. */
static unsigned find_code(const uint16_t *count, uint32_t bits, unsigned *length)
{
	unsigned symbol = 0, left = 31;

	for (;; left--) {	/* canonical codes of a length begin where the shorter ones end */
		uint32_t n = *count++;

		if (bits >> left < n)
			break;
		bits -= n << left;
		symbol += n;
	}
	*length = 32 - left;
	return symbol + (bits >> left);
}

/* The bits from r->bit on; at least 25 count. */
static uint32_t next_bits(const struct reader *r)
{
	const uint8_t *p = r->bytes + r->code->codes + r->bit / 8;

	return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) << r->bit % 8;
}

/* What the next code stands for. */
static char *read_code(struct reader *r, char *to)
{
	unsigned length, symbol = find_code(r->code->count, next_bits(r), &length);

	r->bit += length;
	return expand(r->bytes, to, symbol);
}

/* The next text, and its length with the NUL. */
static size_t read_text(struct reader *r, char buf[MESSAGE_MAX])
{
	char *to = buf;

	do
		to = read_code(r, to);
	while (to[-1]);
	r->at += (size_t)(to - buf);
	if (++r->nr % MESSAGE_STEP == 0)	/* a mark: the next begins with a byte */
		r->bit = (r->bit + 7) & ~UINT32_C(7);
	return (size_t)(to - buf);
}

static struct reader reader_before(const struct message_pack *pack, size_t at)
{
	const struct message_mark *mark = pack->mark;

	while (mark[1].text <= at)
		mark++;
	return (struct reader){ &pack->code, pack->bytes, mark->text, mark->codes * UINT32_C(8), 0 };
}

const char *message_unpack(const struct message_pack *pack, size_t at, char buf[MESSAGE_MAX])
{
	struct reader r = reader_before(pack, at);
	size_t len;

	do
		len = read_text(&r, buf);
	while (r.at <= at);
	return buf + (at + len - r.at);
}

const char *message_text(const char *text, char buf[MESSAGE_MAX])
{
	size_t at = (uintptr_t)text - (uintptr_t)message_start;

	return &message_pack && at < message_pack.code.size ? message_unpack(&message_pack, at, buf)
						       : text;
}

const char *message_table(const void *table, size_t size)
{
	size_t at = (uintptr_t)table - (uintptr_t)message_start;
	char *to = (char *)(uintptr_t)table;

	if (&message_pack && at < message_pack.code.size && !__atomic_load_n(to, __ATOMIC_ACQUIRE)) {
		struct reader r = reader_before(&message_pack, at);
		char buf[MESSAGE_MAX], first = 0;

		while (r.at < at + size) {
			size_t from = r.at, len = read_text(&r, buf);

			if (from == at) {	/* written last: then all is there */
				first = buf[0];
				buf[0] = 0;
			}
			if (from >= at)		/* two threads write the same bytes */
				memcpy(to + (from - at), buf, len);
		}
		__atomic_store_n(to, first, __ATOMIC_RELEASE);
	}
	return to;
}

/* All at once: codes of up to QUICK bits are found in a table, a symbol that was met before is
 * copied from where it was expanded. */
void message_read_rows(const struct message_rows *rows, char *to)
{
	enum { QUICK = 10 };
	struct { uint16_t symbol, length; } quick[1 << QUICK];
	struct { uint16_t at, length; } met[MESSAGE_SYMBOLS];
	struct reader r = { &rows->code, rows->bytes, 0, 0, 0 };
	char *start = to, *end = to + rows->code.size;
	unsigned symbol = 0, length, n = 0;

	for (length = 1; length <= QUICK; length++)
		for (unsigned last = symbol + rows->code.count[length - 1]; symbol < last; symbol++)
			for (unsigned same = 1u << (QUICK - length); same--; n++) {
				quick[n].symbol = (uint16_t)symbol;
				quick[n].length = (uint16_t)length;
			}
	while (n < 1u << QUICK)
		quick[n++].length = 0;
	memset(met, 0, sizeof(met));
	while (to < end) {
		uint32_t bits = next_bits(&r);
		char *from = to;

		symbol = quick[bits >> (32 - QUICK)].symbol;
		length = quick[bits >> (32 - QUICK)].length;
		if (!length)
			symbol = find_code(rows->code.count, bits, &length);
		r.bit += length;
		for (n = 0; n < met[symbol].length; n++)
			*to++ = start[met[symbol].at + n];
		if (n)
			continue;
		to = expand(r.bytes, to, symbol);
		met[symbol].at = (uint16_t)(from - start);
		met[symbol].length = (uint16_t)(to - from);
	}
}

void message_unpack_rows(void)
{
	static bool done;

	if (!&message_rows || __atomic_load_n(&done, __ATOMIC_ACQUIRE))
		return;
	message_read_rows(&message_rows, message_rows_start);	/* two threads write the same bytes */
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
}

int message_print(char *to, size_t cap, const char *text, va_list args)
{
	char buf[MESSAGE_MAX];

	return vsnprintf(to, cap, message_text(text, buf), args);
}
