/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* asm_token.c - what a line of assembly is made of: words, numbers, registers; and what is wrong with it,
 * by line and column.  Knows no instruction. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vm/asm_in.h"

bool (asm_fail)(struct assembler *a, const char *text)
{
	if (!a->failed) {
		a->failed = error_set(a->err, UEBPF_STAGE_OPEN, UEBPF_E_SYNTAX, -EINVAL, a->n,
				      "line %u, column %u: %s", a->line, (uint32_t)(a->at - a->start) + 1,
				      message_text(text));
		if (a->err) {
			a->err->line = a->line;
			a->err->column = (uint32_t)(a->at - a->start) + 1;
		}
	}
	return false;
}

bool asm_no_memory(struct assembler *a)
{
	if (!a->failed)
		a->failed = error_set(a->err, UEBPF_STAGE_OPEN, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
	return false;
}

bool asm_grow(struct assembler *a, void **array, uint32_t n, size_t size)
{
	void *p;

	if (n & (n - 1) || (n && n < 16))
		return true;
	p = realloc(*array, (n ? n * 2 : 16) * size);
	if (!p)
		return asm_no_memory(a);
	*array = p;
	return true;
}

/* ---- tokens ---- */

void asm_blanks(struct assembler *a)
{
	while (*a->at == ' ' || *a->at == '\t' || *a->at == '\r')
		a->at++;
}

bool asm_ends(struct assembler *a)
{
	asm_blanks(a);
	return !*a->at || *a->at == '\n' || *a->at == '#' || *a->at == ';' || !strncmp(a->at, "//", 2);
}

static bool is_word(char c)
{
	return text_digit(c) < 36 || c == '_' || c == '.' || c == '$';
}

/* Takes `text` if it stands next; a word must end where it ends. */
bool asm_take(struct assembler *a, const char *text)
{
	size_t len = strlen(text);

	asm_blanks(a);
	if (strncmp(a->at, text, len) || (is_word(text[len - 1]) && is_word(a->at[len])))
		return false;
	a->at += len;
	return true;
}

bool asm_need(struct assembler *a, const char *text)
{
	char why[24];

	if (asm_take(a, text))
		return true;
	snprintf(why, sizeof why, "expected %s", text);
	return (asm_fail)(a, why);
}

bool asm_name(struct assembler *a, char out[ASM_NAME + 1])
{
	size_t len = 0;

	asm_blanks(a);
	if (text_digit(*a->at) < 10)
		return false;
	while (is_word(a->at[len]))
		len++;
	if (!len || len > ASM_NAME)
		return false;
	memcpy(out, a->at, len);
	out[len] = 0;
	a->at += len;
	return true;
}

/* A sign, blanks, then decimal or 0x digits that fit 64 bits. */
bool asm_number(struct assembler *a, int64_t *value)
{
	const char *p;
	bool minus = false;
	uint64_t v = 0;
	unsigned base = 10;

	asm_blanks(a);
	p = a->at;
	if (*p == '-' || *p == '+')
		minus = *p++ == '-';
	while (*p == ' ')
		p++;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		base = 16, p += 2;
	if (text_digit(*p) >= 16)
		return false;
	for (unsigned digit; (digit = text_digit(*p)) < 36; p++) {
		if (digit >= base)
			return asm_fail(a, "bad digit in a number");
		if (v > (UINT64_MAX - digit) / base)
			return asm_fail(a, "the number does not fit 64 bits");
		v = v * base + digit;
	}
	a->at = p;
	*value = (int64_t)(minus ? 0 - v : v);
	return true;
}

bool asm_need_number(struct assembler *a, int64_t lo, int64_t hi, int64_t *value)
{
	if (!asm_number(a, value))
		return asm_fail(a, "expected a number");
	if (*value < lo || *value > hi)
		return asm_fail(a, "the number does not fit its field");
	return true;
}

/* 32-bit operands may be written unsigned; 64-bit ones are sign-extended, so that would be another value. */
bool asm_need_imm(struct assembler *a, bool narrow, int32_t *imm)
{
	int64_t v;

	if (!asm_need_number(a, INT32_MIN, narrow ? (int64_t)UINT32_MAX : INT32_MAX, &v))
		return false;
	*imm = (int32_t)(uint32_t)v;
	return true;
}

/* r0-r10 or w0-w10; *w tells which. */
bool asm_reg(struct assembler *a, uint8_t *out, bool *w)
{
	const char *p;
	unsigned v;

	asm_blanks(a);
	p = a->at;
	if ((*p != 'r' && *p != 'w') || text_digit(*++p) >= 10)
		return false;
	v = text_digit(*p++);
	if (text_digit(*p) < 10)
		v = v * 10 + text_digit(*p++);
	if (is_word(*p) || v > 10)
		return false;
	*w = *a->at == 'w';
	*out = (uint8_t)v;
	a->at = p;
	return true;
}

bool asm_need_reg(struct assembler *a, uint8_t *out, bool *w)
{
	return asm_reg(a, out, w) || asm_fail(a, "expected a register (r0-r10, w0-w10)");
}
