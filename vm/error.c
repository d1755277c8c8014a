/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.c - the one way to make an error: code, place, sentence. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "vm/code.h"

void text_put(struct text_out *to, const char *form, ...)
{
	size_t at = to->n < to->cap ? to->n : to->cap;
	va_list args;
	int n;

	va_start(args, form);
	n = message_print(to->cap ? to->buf + at : NULL, to->cap - at, form, args);
	va_end(args);
	to->n += n > 0 ? (size_t)n : 0;
}

const char *text_next(const char *text)
{
	return text + strlen(text) + 1;
}

const char *text_nth(const char *text, size_t n)
{
	while (n--)
		text = text_next(text);
	return text;
}

uint32_t text_digit(char c)
{
	uint32_t v = (uint32_t)(c - '0');

	if (v < 10)
		return v;
	v = (uint32_t)((c | 32) - 'a');
	return v < 26 ? v + 10 : 255;
}

int error_list(struct uebpf_error *err, uint32_t what, uint32_t pc, const char *text, va_list args)
{
	int saved = errno, errnum = -(int)(what & 0xffff);

	if (!err)
		return errnum;
	memset(err, 0, sizeof *err);
	err->stage = what >> 28;
	err->code = what >> 16 & 0xfff;
	err->err = errnum;
	err->pc = pc;
	message_print(err->text, sizeof err->text, text, args);
	errno = saved;
	return errnum;
}

int error_make(struct uebpf_error *err, uint32_t what, uint32_t pc, const char *text, ...)
{
	va_list args;
	int errnum;

	va_start(args, text);
	errnum = error_list(err, what, pc, text, args);
	va_end(args);
	return errnum;
}
