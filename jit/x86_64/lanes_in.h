/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes_in.h - shared by lanes.c (the loop) and lanes_op.c (what an instruction is in vector registers). */
#ifndef UEBPF_JIT_X86_LANES_IN_H
#define UEBPF_JIT_X86_LANES_IN_H

#include "jit/x86_64/jc.h"
#include "vm/lanes.h"

enum { SCRATCH, SCRATCH2, RESULT, FIRST_SLOT, SLOTS = 16 - FIRST_SLOT, ACCESSES = 8, LEFT_OVER = TMP2, ROOM = 512 };
enum slot_kind { SLOT_VALUE, SLOT_CONST, SLOT_SAME /* a register in all lanes */, SLOT_SUM, SLOT_MASK,
		 SLOT_STEP /* what it is in each lane's round */, SLOT_CARRY /* what was loaded last for a register */ };

struct lane {
	struct jc *c;
	struct lanes l;
	struct { uint8_t kind, reg; int64_t k; } slot[SLOTS];
	struct lane_mem mem[ACCESSES];
	uint32_t nr_slot, nr_mem, until, turn;	/* until: where the jump that may skip this leads; 0: none */
	uint16_t stepped;
	uint8_t bytes;			/* of a vector: 16, or 32 with AVX2 */
	bool fail, dry;
	bool jumped;			/* the mask has the lanes that jumped, else the others */
};

/* 66 and a map; those of a row for elements of 1, 2, 4 and 8 bytes. SSE2 has what is not named otherwise. */
enum { PAND = X_M0F | 0xdb, PANDN = X_M0F | 0xdf, POR = X_M0F | 0xeb, PXOR = X_M0F | 0xef, MOVDQA = X_M0F | 0x6f,
       PUNPCKLQDQ = X_M0F | 0x6c, PSADBW = X_M0F | 0xf6, PMULLW = X_M0F | 0xd5, PMULUDQ = X_M0F | 0xf4, PCMPEQ = X_M0F | 0x74,
       PCMPGT = X_M0F | 0x64, SHIFT = X_M0F | 0x70, PUNPCKLBW = X_M0F | 0x60, PUNPCK_HIGH = 8, PSHUFD = X_M0F | 0x70, PACKSSDW = X_M0F | 0x6b,
       PACKUSWB = X_M0F | 0x67, MOVD_LOAD = X_M0F | 0x6e, MOVD_STORE = X_M0F | 0x7e, PMINUB = X_M0F | 0xda,
       MAX_FROM_MIN = 4 };
enum { AVX_MIN = X_M0F38 | 0x39 /* pminsd, then pminuw, pminud */, AVX_PMULLD = X_M0F38 | 0x40, AVX_PMOVZX = X_M0F38 | 0x30,
       AVX_BROADCAST_BW = X_M0F38 | 0x78, AVX_BROADCAST_DQ = X_M0F38 | 0x58, AVX_BLENDV = X_M0F3A | 0x4c,
       AVX_PERMQ = X_M0F3A | X_VEX_W | 0x00, AVX_EXTRACT = X_M0F3A | 0x39, AVX_INSERT = X_M0F3A | 0x38,
       AVX_PALIGNR = X_M0F3A | 0x0f, AVX_PERM128 = X_M0F3A | 0x46,
       AVX_LOAD = X_M0F | 0x10, AVX_STORE = X_M0F | 0x11 };
enum { SHIFT_RIGHT = 2, SHIFT_BYTES = 3 /* right, all 16 */, SHIFT_SIGNED = 4, SHIFT_LEFT = 6,
       SHIFT_BYTES_LEFT = 7 };

static inline unsigned log_size(const struct lane *v) { return (unsigned)__builtin_ctz(v->l.size); }
/* d = a op s; with SSE2 d must not be s unless it is a, too */
void vec_3(struct lane *v, unsigned op, int d, int a, int s);
void vec_rr(struct lane *v, unsigned op, int d, int s);
void vec_copy(struct lane *v, int d, int s);
void vec_shift(struct lane *v, unsigned log, unsigned how, int d, unsigned k);
void vec_from(struct lane *v, int d, int reg);		/* 8 bytes of a register */
unsigned vec_add_op(unsigned log, bool sub);
/* Where things are; a constant is cut to the element, in each lane; whole: as it is, in each 8 bytes. */
int vec_slot(struct lane *v, enum slot_kind kind, unsigned reg, int64_t k);
int vec_constant(struct lane *v, uint64_t k);
int vec_whole(struct lane *v, uint64_t k);
int vec_reg(struct lane *v, unsigned reg);
int vec_mask(struct lane *v);

void vec_choose(struct lane *v, int d, int s);		/* d = s in the lanes that did not jump */
void vec_compute(struct lane *v, const struct insn *in, int d);
void vec_widen(struct lane *v, int d, unsigned log);
/* The mask of the lanes that jump, or of the others; operands are in da and db. */
void vec_compare(struct lane *v, const struct insn *in, int da, int db);
/* What `if a > b goto +1; a = b` is in one, or 0. */
unsigned vec_extreme(struct lane *v, const struct insn *in);
struct x_mem vec_place(const struct lane *v, const struct lane_mem *m, int32_t plus);
void vec_load(struct lane *v, struct lane_mem *m, int d);
void vec_store(struct lane *v, struct lane_mem *m, int s);
/* The elements of low and high in turns. */
void vec_store_pair(struct lane *v, struct lane_mem *m, int low, int high);
/* d = s, one lane up, the first from the last of `before`, which becomes s. */
void vec_splice(struct lane *v, int d, int before, int s);

#endif
