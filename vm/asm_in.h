/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* asm_in.h - between the files of the assembler: its state, the tokens of a line, and what statements are made of. */
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

/* ---- output and operands (asm.c) ---- */

bool asm_emit(struct assembler *a, struct raw_insn raw);
bool asm_emit_op(struct assembler *a, enum op op, uint8_t dst, uint8_t src, int16_t off, int32_t imm);

/* What stands in an instruction on memory. */
struct operands { uint8_t size, log, base, src; bool is_signed, w; int16_t off; };

/* Reads by a form: T a type, P a place, R the register src; any other character stands for itself. */
bool asm_scan(struct assembler *a, const char *form, struct operands *o);
#define MEMORY "(T*)(P)"

/* An op for each size, by its log; OP_BAD: none. */
typedef uint8_t sizes[4];
#define SIZES(name) { OP_##name##_B, OP_##name##_H, OP_##name##_W, OP_##name##_DW }

bool asm_is_signed(struct assembler *a);
/* "+3", "-0x2" or a label: a distance for the slot that is emitted next, in off or (wide) imm. */
bool asm_target(struct assembler *a, struct raw_insn *raw, bool wide);
/* The same, wide, also "pc+3". */
bool asm_function(struct assembler *a, struct raw_insn *raw);
/* Completes an ALU or jump row with its second operand. */
bool asm_operand(struct assembler *a, enum op row, bool w, struct raw_insn *raw);

/* ---- right of "r1 =" (asm_value.c) ---- */
bool asm_assign(struct assembler *a, uint8_t dst, bool w);

#endif
