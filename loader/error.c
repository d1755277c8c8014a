/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.c - names of stages and codes, and the one place that turns an error into a compiler-like
 * line "object:section/symbol:file:line: what is wrong". */
#include <stdio.h>
#include <string.h>
#include "loader/error.h"
#include "vm/message.h"

enum { KIND_MAX = 20 };		/* "not supported here: " before "insn 5" */

const char *uebpf_stage_name(uint32_t stage)
{
	static const char names[] MESSAGE_PACKED = "none\0env\0open\0elf\0btf\0relocation\0CO-RE\0map\0decode\0link\0verify\0"
		"rewrite\0jit\0run\0filter";
	_Static_assert(UEBPF_STAGE_FILTER == 14, "a name per stage");

	return stage <= UEBPF_STAGE_FILTER ? text_nth(message_text(names), stage) : "unknown";
}

#define CODES(N) N(OK) N(E_ARGUMENT) N(E_MEMORY) N(E_IO) N(E_LIMIT) N(E_STATE) N(E_ABSENT) N(E_NOT_ELF) \
	N(E_HOST_OBJECT) N(E_LLVM_IR) N(E_SOURCE_TEXT) N(E_BIG_ENDIAN) N(E_MALFORMED) N(E_NO_PROGRAM) N(E_NO_BTF) \
	N(E_BAD_BTF) N(E_BAD_RELOC) N(E_EXTERN) N(E_CORE) N(E_MAP_DEF) N(E_MAP_TYPE) N(E_MAP_BIND) N(E_SYNTAX) \
	N(E_FIELD) N(E_INSN) N(E_JUMP) N(E_HELPER) N(E_KFUNC) N(E_PROG_TYPE) N(E_UNSUPPORTED) N(E_TOO_LONG) \
	N(E_UNSAFE) N(E_FORM) N(E_COMPLEX) N(E_FAULT) N(E_BUDGET) N(E_ABORTED) N(E_DEPTH) N(E_NO_HELPER) N(E_CONTEXT)

const char *uebpf_code_name(uint32_t code)
{
#define NUMBER(name) UEBPF_##name,
	static const uint8_t codes[] = { CODES(NUMBER) };
#define NAME(name) "UEBPF_" #name "\0"
	static const char names[] MESSAGE_PACKED = CODES(NAME) "unknown";
	size_t i = 0;

	while (i < sizeof(codes) && codes[i] != code)
		i++;
	return text_nth(message_text(names), i);
}

void error_tail(char *to, size_t cap, const char *from)
{
	size_t len = from ? strlen(from) : 0;

	if (len >= cap) {
		from += len - (cap - 4);
		snprintf(to, cap, "...%s", from);
	} else {
		snprintf(to, cap, "%s", from ? from : "");
	}
}

void error_front(struct uebpf_error *err, const char *text)
{
	size_t n = strlen(text) + 1, room = sizeof(err->text) - n;

	memmove(err->text + n, err->text, room);
	err->text[sizeof(err->text) - 1] = '\0';
	memcpy(err->text, text, n - 1);
	err->text[n - 1] = ' ';
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

void error_place(struct uebpf_error *err, const struct place *at)
{
	char head[sizeof((struct uebpf_error){ 0 }.text)];
	struct text_out to = { head, sizeof(head), 0 };
	const char *said;

	if (!err || err->object[0])
		return;		/* whoever made it knew its place */
	error_tail(err->object, sizeof(err->object), at->object);
	if (at->section && !err->section[0])
		snprintf(err->section, sizeof(err->section), "%s", at->section);
	if (at->symbol && !err->symbol[0])
		snprintf(err->symbol, sizeof(err->symbol), "%s", at->symbol);
	if (at->file) {
		error_tail(err->file, sizeof(err->file), at->file);
		err->line = at->line;
		err->column = at->column;
	}
	text_put(&to, "%s:", err->object);
	if (err->section[0] || err->symbol[0])
		text_put(&to, "%s%s%s:", err->section, err->section[0] && err->symbol[0] ? "/" : "", err->symbol);
	if (err->file[0] && err->line)
		text_put(&to, "%s:%u:", base_name(err->file), err->line);
	else if (err->line && err->column)
		text_put(&to, "%u:%u:", err->line, err->column);
	else if (err->line)
		text_put(&to, "%u:", err->line);
	said = strstr(err->text, "insn ");
	if (err->pc != UINT32_MAX && (!said || said - err->text > KIND_MAX))
		text_put(&to, " insn %u:", err->pc);
	/* Names can be long: the sentence keeps at least half of the room. */
	head[sizeof(head) / 2] = '\0';
	error_front(err, head);
}
