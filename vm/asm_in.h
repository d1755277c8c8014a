/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* asm_in.h - between the two files of the assembler: its state, and the tokens of a line. */
#ifndef UEBPF_VM_ASM_IN_H
#define UEBPF_VM_ASM_IN_H

#include "vm/code.h"

enum { ASM_NAME = 63 };
struct label { char name[ASM_NAME + 1]; uint32_t slot; };
/* A field that waits for a label: jump offset (16 bits) or immediate. */
struct fixup { char name[ASM_NAME + 1]; uint32_t slot, line, column; bool wide; };

struct assembler {
	const char *start, *at;		/* of the line; where reading stands */
	uint32_t line;
	uint8_t *slots;
	uint32_t n, cap;
	struct label *label;
	uint32_t nr_label;
	struct fixup *fixup;
	uint32_t nr_fixup;
	struct uebpf_error *err;
	int failed;
};

/* All return false when what they look for is not there; fail and the need_ ones have said why then. */
bool asm_fail(struct assembler *a, const char *text);
#define asm_fail(a, literal) asm_fail(a, MESSAGE_TEXT(literal))
bool asm_no_memory(struct assembler *a);
bool asm_grow(struct assembler *a, void **array, uint32_t n, size_t size);
void asm_blanks(struct assembler *a);
bool asm_ends(struct assembler *a);
bool asm_take(struct assembler *a, const char *text);
bool asm_need(struct assembler *a, const char *text);
bool asm_name(struct assembler *a, char out[ASM_NAME + 1]);
bool asm_number(struct assembler *a, int64_t *value);
bool asm_need_number(struct assembler *a, int64_t lo, int64_t hi, int64_t *value);
bool asm_need_imm(struct assembler *a, bool narrow, int32_t *imm);
bool asm_reg(struct assembler *a, uint8_t *out, bool *w);
bool asm_need_reg(struct assembler *a, uint8_t *out, bool *w);

#endif
