/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.c - names of stages and codes, and the one place that turns an error into a compiler-like
 * line "object:section/symbol:file:line: what is wrong". */
#include <stdio.h>
#include <string.h>
#include "loader/error.h"

const char *uebpf_stage_name(uint32_t stage)
{
	static const char *const name[] = {
		"none", "env", "open", "elf", "btf", "relocation", "CO-RE", "map", "decode", "link",
		"verify", "rewrite", "jit", "run", "filter"
	};
	_Static_assert(sizeof(name) / sizeof(*name) == UEBPF_STAGE_FILTER + 1, "a name per stage");

	return stage < sizeof(name) / sizeof(*name) ? name[stage] : "unknown";
}

const char *uebpf_code_name(uint32_t code)
{
#define NAME(c) case UEBPF_##c: return "UEBPF_" #c
	switch (code) {
	NAME(OK);
	NAME(E_ARGUMENT); NAME(E_MEMORY); NAME(E_IO); NAME(E_LIMIT); NAME(E_STATE); NAME(E_ABSENT);
	NAME(E_NOT_ELF); NAME(E_HOST_OBJECT); NAME(E_LLVM_IR); NAME(E_SOURCE_TEXT); NAME(E_BIG_ENDIAN);
	NAME(E_MALFORMED); NAME(E_NO_PROGRAM); NAME(E_NO_BTF); NAME(E_BAD_BTF); NAME(E_BAD_RELOC);
	NAME(E_EXTERN); NAME(E_CORE); NAME(E_MAP_DEF); NAME(E_MAP_TYPE); NAME(E_MAP_BIND);
	NAME(E_SYNTAX); NAME(E_FIELD);
	NAME(E_INSN); NAME(E_JUMP); NAME(E_HELPER); NAME(E_KFUNC); NAME(E_PROG_TYPE);
	NAME(E_UNSUPPORTED); NAME(E_TOO_LONG);
	NAME(E_UNSAFE); NAME(E_FORM); NAME(E_COMPLEX);
	NAME(E_FAULT); NAME(E_BUDGET); NAME(E_ABORTED); NAME(E_DEPTH); NAME(E_NO_HELPER);
	NAME(E_CONTEXT);
	}
#undef NAME
	return "unknown";
}

/* The tail of a path says more than its head. */
static void copy_tail(char *to, size_t cap, const char *from)
{
	size_t len = from ? strlen(from) : 0;

	if (len >= cap) {
		from += len - (cap - 4);
		snprintf(to, cap, "...%s", from);
	} else {
		snprintf(to, cap, "%s", from ? from : "");
	}
}

void error_place(struct uebpf_error *err, const struct place *at)
{
	char head[sizeof(err->text)], text[sizeof(err->text)];
	size_t n = 0;

	if (!err || err->object[0])
		return;		/* whoever made it knew its place */
	copy_tail(err->object, sizeof(err->object), at->object);
	if (at->section && !err->section[0])
		snprintf(err->section, sizeof(err->section), "%s", at->section);
	if (at->symbol && !err->symbol[0])
		snprintf(err->symbol, sizeof(err->symbol), "%s", at->symbol);
	if (at->file) {
		copy_tail(err->file, sizeof(err->file), at->file);
		err->line = at->line;
		err->column = at->column;
	}
#define PUT(...) (n += (size_t)snprintf(head + n, n < sizeof(head) ? sizeof(head) - n : 0, __VA_ARGS__))
	PUT("%s:", err->object);
	if (err->section[0] || err->symbol[0])
		PUT("%s%s%s:", err->section, err->section[0] && err->symbol[0] ? "/" : "", err->symbol);
	if (err->file[0] && err->line)
		PUT("%s:%u:", err->file, err->line);
	else if (err->line && err->column)
		PUT("%u:%u:", err->line, err->column);
	else if (err->line)
		PUT("%u:", err->line);
	if (err->pc != UINT32_MAX && strncmp(err->text, "insn ", 5))
		PUT(" insn %u:", err->pc);
#undef PUT
	/* Names can be long: the sentence keeps at least half of the room. */
	n = n > sizeof(head) / 2 ? sizeof(head) / 2 : n;
	head[n++] = ' ';
	memcpy(text, err->text, sizeof(text));
	memcpy(err->text, head, n);
	memcpy(err->text + n, text, sizeof(text) - n);
	err->text[sizeof(err->text) - 1] = '\0';
}
