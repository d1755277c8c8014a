/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* walk.h - what the forward walk over extended basic blocks knows (local.c), for the files of its rules. */
#ifndef UEBPF_VM_REWRITE_WALK_H
#define UEBPF_VM_REWRITE_WALK_H

#include "vm/rewrite/in.h"

enum { SLOTS = 64, FULL = 0xff };
/* zero-extended memory at base + off, `size` bytes (0: not known), << shift; of memory as it was at `at`. */
struct piece { uint8_t base, size, shift; int32_t off; uint32_t base_ver, at; };
struct half { uint8_t left, width, k; bool clean; uint32_t of, at; };	/* v << k or v >> k */
struct known {
	/* the numbers, which a loop that does not write the register keeps: */
	bool is_const, zero_up;		/* value; upper 32 bits are zero */
	int64_t value;
	uint64_t lo, hi;		/* lo <= the value <= hi, unsigned */
	uint8_t copy;			/* same value as this register; NO_REG */
	uint32_t copy_ver;
	uint8_t base, index, scale;	/* base + (index << scale) + disp; base NO_REG: not known */
	uint32_t base_ver, index_ver;
	int32_t disp;
	uint8_t shifted, shift;		/* value of another register << shift (1-3) */
	uint32_t shifted_ver;
	uint32_t id64, id32;		/* equal numbers: equal values (low halves) */
	struct half half;		/* width 0: none */
	struct piece piece;
};
/* `size` bytes of the frame at r10 + off are the low bytes of a register (of that version), or a constant. */
struct slot { int32_t off; uint8_t size, reg; uint32_t ver; int64_t value; struct piece piece; };
/* `reg` (of that version) is `taken` where the condition of `jcc` holds, else 1 - taken. */
struct flag { struct insn jcc; uint8_t reg, taken; uint32_t ver, dst_ver, src_ver; };
/* A jump over one move: what was known before of the two registers that are known otherwise behind it. */
struct join { uint32_t at; uint8_t moved, compared; struct known before, other; };
/* A number that is stored in pieces at base + low: bytes `have`, each by the store at[]; `holder` had all of it at
 * the first.  of64, of32: the number's id, 0: not that. */
struct gather { uint32_t first, of64, of32, at[8], base_ver; int32_t low; uint8_t base, holder, have; };
struct walk {
	struct rewriter *rw;
	struct known reg[REGS];
	uint32_t ver[REGS], next_id, memory;	/* memory: how often it may have changed */
	struct slot slot[SLOTS];
	uint32_t nr_slot, sub;
	struct flag flag;
	struct join join;
	struct gather gather[2];
};
static inline bool current(const struct walk *w, uint8_t r, uint32_t ver) { return r != NO_REG && w->ver[r] == ver; }

/* The bounds of what `in` makes, from those of its operands (d, s: before it); *now has everything else. */
void range_learn(const struct insn *in, const struct known *d, const struct known *s, struct known *now);
/* A conditional jump against a constant: 1 taken, 0 not, -1 it depends. */
int range_decides(const struct insn *in, const struct known *d);
/* An AND with a constant that leaves d as it is. */
bool range_keeps(const struct insn *in, const struct known *d);
/* What its falling through says of d. */
void range_refine(const struct insn *in, struct known *d);

/* local.c */
void walk_forget(struct walk *w, int r, bool number);	/* number: but not that */
uint8_t walk_copy_of(const struct walk *w, uint8_t r);	/* the register that r was copied from, or r */
const struct known *walk_sum_of(const struct walk *w, uint8_t r);	/* what is known of r as a sum; NULL: nothing */

/* value.c: register operands to immediates; constants folded; a branch on an outcome that was kept; a
 * branch that is decided; copies' sources. */
void walk_constants(struct walk *w, struct insn *in);
void walk_fold(struct walk *w, struct insn *in);
void walk_flag(struct walk *w, struct insn *in);
void walk_branch(struct walk *w, struct insn *in);
void walk_copies(struct walk *w, struct insn *in);

/* bits.c */
void walk_extension(struct walk *w, uint32_t i);
bool walk_needless(struct walk *w, const struct insn *in);	/* changes nothing */
bool walk_rotate(struct walk *w, struct insn *in);
void walk_widen(struct walk *w, struct insn *in);
void walk_address(struct walk *w, struct insn *in);
/* What `in` makes: half of a rotation of what d (before: as it was) holds; pieces of memory. */
void walk_half(const struct insn *in, uint32_t i, const struct known *before, struct half *out);
struct piece walk_piece(const struct walk *w, const struct insn *in, const struct known *d);

/* gather.c */
void walk_gather(struct walk *w, struct insn *in, uint32_t i);
void gather_end(struct walk *w);

/* stack.c: loads from the frame are what was stored there. */
void stack_step(struct walk *w, struct insn *in);
/* What holds all that the load from the frame reads, or NULL. */
const struct slot *frame_slot(const struct walk *w, const struct insn *load);

#endif
