/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pack.c - errors on the wire: "UEB1", bytes after this header (u16), six u32, five strings as u16
 * length and bytes; little-endian.  A later version may append: readers skip what they do not know. */
#include <errno.h>
#include <string.h>
#include "include/uebpf.h"

enum { HEAD = 6, NUMBERS = 24 };

struct text { char *at; size_t cap; };

static void texts(struct uebpf_error *err, struct text out[5])
{
	out[0] = (struct text){ err->object, sizeof(err->object) };
	out[1] = (struct text){ err->section, sizeof(err->section) };
	out[2] = (struct text){ err->symbol, sizeof(err->symbol) };
	out[3] = (struct text){ err->file, sizeof(err->file) };
	out[4] = (struct text){ err->text, sizeof(err->text) };
}

static uint8_t *put(uint8_t *to, uint32_t value, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
	return to + bytes;
}

static uint32_t get(const uint8_t *from, int bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | from[bytes];
	return value;
}

static size_t text_length(struct text t)
{
	size_t n = 0;

	while (n < t.cap - 1 && t.at[n])
		n++;
	return n;
}

size_t uebpf_error_pack(const struct uebpf_error *err, void *buf, size_t cap)
{
	struct uebpf_error e = *err;
	const uint32_t number[] = { e.stage, e.code, (uint32_t)e.err, e.pc, e.line, e.column };
	size_t n = HEAD + NUMBERS, i;
	struct text t[5];
	uint8_t *to = buf;

	texts(&e, t);
	for (i = 0; i < 5; i++)
		n += 2 + text_length(t[i]);
	if (n > cap)
		return n;
	memcpy(to, "UEB1", 4);	/* no string: NOLINT(bugprone-not-null-terminated-result) */
	to = put(to + 4, (uint32_t)(n - HEAD), 2);
	for (i = 0; i < 6; i++)
		to = put(to, number[i], 4);
	for (i = 0; i < 5; i++) {
		size_t len = text_length(t[i]);

		to = put(to, (uint32_t)len, 2);
		memcpy(to, t[i].at, len);
		to += len;
	}
	return n;
}

long uebpf_error_unpack(const void *data, size_t len, struct uebpf_error *err)
{
	static const char magic[4] = "UEB1";
	uint32_t *number[] = { &err->stage, &err->code, NULL, &err->pc, &err->line, &err->column };
	const uint8_t *at = data, *end;
	struct text t[5];
	size_t i, body;

	memset(err, 0, sizeof(*err));
	if (memcmp(data, magic, len < 4 ? len : 4))
		return -EBADMSG;
	if (len < HEAD)
		return -EAGAIN;
	body = get(at + 4, 2);
	if (body < NUMBERS)
		return -EBADMSG;
	if (len - HEAD < body)
		return -EAGAIN;
	at += HEAD;
	end = at + body;
	for (i = 0; i < 6; i++, at += 4) {
		if (number[i])
			*number[i] = get(at, 4);
		else
			err->err = (int32_t)get(at, 4);
	}
	texts(err, t);
	for (i = 0; i < 5; i++) {
		size_t n, keep;

		if (end - at < 2 || (size_t)(end - at - 2) < (n = get(at, 2))) {
			memset(err, 0, sizeof(*err));
			return -EBADMSG;
		}
		keep = n < t[i].cap ? n : t[i].cap - 1;
		memcpy(t[i].at, at + 2, keep);
		t[i].at[keep] = '\0';
		at += 2 + n;
	}
	return (long)(HEAD + body);
}
