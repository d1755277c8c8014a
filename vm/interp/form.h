/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* form.h - the form in which the interpreter executes a program.  Private to vm/interp*.
 *
 * One struct xinsn for each struct insn, at the same index, so that a place in one is a place in the
 * other: operands are whole bytes, jumps are distances in bytes, addresses of maps and functions are
 * constants.  The op is the instruction's own, a variant of it (X_LDI0_*: scale 0; X_CLD_*, X_CST*: the
 * access is checked, and the only one that checked code has), or a fused form
 * (vm/interp/fuse.def) that executes the instruction and the next one to three.  Those keep their own op, so a
 * jump into the middle of a fused group is nothing special, and neither is a fault there. */
#ifndef UEBPF_VM_INTERP_FORM_H
#define UEBPF_VM_INTERP_FORM_H

#include "vm/code.h"

struct xinsn {
	uint16_t op;			/* enum xop */
	uint8_t d, s;
	int32_t off;			/* displacement, or distance of the target in bytes */
	union {
		int64_t k;
		struct { int32_t lo, hi; };
		struct { uint8_t x, scale; };	/* index register, log2 of its factor */
	};
};
_Static_assert(sizeof(struct xinsn) == 16, "two words, like struct insn");

/* Which operand of a step is what the step before has just computed. */
enum rel { REL_N, REL_D, REL_S };

enum xop {
	X_BAD = OP_BAD,
#define ALU(n, ...)	 X_##n##64_K = OP_##n##64_K, X_##n##64_X = OP_##n##64_X, \
			 X_##n##32_K = OP_##n##32_K, X_##n##32_X = OP_##n##32_X,
#define MOVSX(n, w, ...) X_##n##w##_X = OP_##n##w##_X,
#define UN(n, ...)	 X_##n = OP_##n,
#define JCC		 ALU
#define MEM(n, ...)	 X_LD_##n = OP_LD_##n, X_STX_##n = OP_STX_##n, X_ST_##n = OP_ST_##n,
#define LDSX(n, ...)	 X_LD_##n = OP_LD_##n,
#define ATOMIC(n, ...)	 X_##n##64 = OP_##n##64, X_##n##32 = OP_##n##32,
#define FETCH		 ATOMIC
#define ACQREL(n, ...)	 X_LDACQ_##n = OP_LDACQ_##n, X_STREL_##n = OP_STREL_##n,
#define PKT(n, ...)	 X_ABS_##n = OP_ABS_##n, X_IND_##n = OP_IND_##n,
#define WIDE		 UN
#define OP		 UN
#define INNER		 UN
#define FUSED		 UN
#define INDEX(n, ...)	 X_LDI_##n = OP_LDI_##n, X_STI_##n = OP_STI_##n,
#define MEMOP		 ATOMIC
#define MEMJCC(n, ...)	 X_##n##_B = OP_##n##_B, X_##n##_H = OP_##n##_H, X_##n##_W = OP_##n##_W, X_##n##_DW = OP_##n##_DW,
#include "vm/isa.def"
#undef JCC
#undef FETCH
#undef MEMOP
	X_LAST_OWN = OP_COUNT - 1,
#define INDEX(n, ...) X_LDI0_##n, X_STI0_##n,
#include "vm/isa.def"
	X_LEAX64_0, X_LEAX32_0,
	X_FIRST_CHECKED,
	X_BEFORE_CHECKED = X_FIRST_CHECKED - 1,
#define MEM(n, ...) X_CLD_##n, X_CSTX_##n, X_CST_##n,
#define LDSX(n, ...) X_CLD_##n,
#include "vm/isa.def"
	X_FUSED,
	X_BEFORE_FUSED = X_FUSED - 1,
#define FUSE2(a, r, b) X_##a##_##r##_##b,
#define FUSE3(a, r, b, q, c) X_##a##_##r##_##b##_##q##_##c,
#define FUSE4(a, r, b, q, c, p, d) X_##a##_##r##_##b##_##q##_##c##_##p##_##d,
#include "vm/interp/fuse.def"
	X_COUNT
};
_Static_assert((int)X_LAST_OWN == OP_COUNT - 1, "variants follow the instruction set");

/* Rows that have no case: interp_far executes them.  They are rare, or so slow that a call more does not
 * matter; so are all atomics and packet loads.  HOT(n)(a, b): b for these rows, a for others. */
#define FAR_SDIV ,
#define FAR_SMOD ,
#define FAR_LE16 ,
#define FAR_LE32 ,
#define FAR_LE64 ,
#define FAR_NEG32 ,
#define FAR_BSWAP16 ,
#define FAR_BSWAP32 ,
#define FAR_BSWAP64 ,
#define FAR_MOVSB32 ,
#define FAR_MOVSH32 ,
#define HOT(n) HOT_(FAR_##n, SECOND, FIRST,)
#define HOT_(...) HOT__(__VA_ARGS__)
#define HOT__(a, b, c, ...) c
#define FIRST(a, b) a
#define SECOND(a, b) b

/* Writes code->n instructions to `to`; fuse: with fused forms (not in traced runs). */
void interp_form(const struct code *code, struct xinsn *to, bool fuse);

#endif
