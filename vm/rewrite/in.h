/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* in.h - shared by the files of the rewriter. */
#ifndef UEBPF_VM_REWRITE_IN_H
#define UEBPF_VM_REWRITE_IN_H

#include "vm/rewrite/rewrite.h"

enum { REGS = 11, NO_REG = 15, DELETED = OP_BAD };
/* Can memory of the frame change other than by accesses through r10 itself? */
enum frame_use { FRAME_DIRECT, FRAME_INDEXED, FRAME_ESCAPES };
struct rewriter {
	struct code *code;
	struct flow flow;
	uint64_t on;			/* bit per rule */
	uint32_t hits[REWRITE_RULE_COUNT];
	bool changed;			/* since the last refresh */
	bool new_constants;		/* that are stored */
	uint8_t *frame;			/* enum frame_use of each subprogram */
};
static inline bool rule_on(const struct rewriter *rw, enum rewrite_rule rule) { return rw->on >> rule & 1; }
static inline bool hit(struct rewriter *rw, enum rewrite_rule rule)
{
	rw->hits[rule]++;
	rw->changed = true;
	return true;
}
static inline void drop(struct insn *insn) { insn->op = DELETED; }
/* LDI_x, STI_x of LD_x, STX_x. */
static inline uint16_t indexed_op(uint16_t op)
{
	return (uint16_t)(OP_LDI_W + (op - OP_LD_W) / 3 * 2 + (op - OP_LD_W) % 3);
}
_Static_assert(OP_STX_W == OP_LD_W + 1 && OP_LD_DW == OP_LD_W + 9 && OP_STI_W == OP_LDI_W + 1 && OP_LDI_DW == OP_LDI_W + 6 &&
	       OP_LD_B - OP_LD_H == 3 && OP_LDI_B - OP_LDI_H == 2, "indexed_op");
static inline bool fits32(int64_t v) { return v == (int32_t)v; }

int rewrite_inline(struct rewriter *rw);	/* inline.c */
int rewrite_jumps(struct rewriter *rw);		/* jump.c */
int rewrite_tails(struct rewriter *rw);
int rewrite_latches(struct rewriter *rw);
int rewrite_places(struct rewriter *rw);	/* place.c */
int rewrite_enters(struct rewriter *rw);		/* enter.c */
int rewrite_invariants(struct rewriter *rw);	/* invariant.c */
void rewrite_blocks(struct rewriter *rw);	/* local.c */
void rewrite_hoist(struct rewriter *rw);	/* dead.c */
void rewrite_dead(struct rewriter *rw);
void rewrite_sink(struct rewriter *rw);
void rewrite_frames(struct rewriter *rw);	/* stack.c: rw->frame as the code is now */
void rewrite_stack(struct rewriter *rw);
bool rewrite_promote(struct rewriter *rw);
void rewrite_fuse(struct rewriter *rw);		/* fuse.c */
void rewrite_wide(struct rewriter *rw);		/* wide.c */
void rewrite_chains(struct rewriter *rw);	/* chain.c */
int rewrite_loops(struct rewriter *rw);		/* loop.c */
void rewrite_rename(struct rewriter *rw);	/* rename.c */
int rewrite_compact(struct rewriter *rw);	/* rewrite.c */
int rewrite_refresh(struct rewriter *rw);	/* and rw->flow anew */

/* A new body for the code: instructions are put one after the other, label[i] is set to where the old i went.
 * Targets are old indices until edit_end; ~index: one of the new body.  What is not filled is DELETED. */
struct edit { struct insn *insn; uint32_t *slot, *label, n, cap; };
int edit_begin(struct rewriter *rw, struct edit *e, uint32_t cap);	/* 0 or -ENOMEM */
void edit_put(struct edit *e, struct insn in, uint32_t slot);
void edit_goto(struct edit *e, int32_t to, uint32_t slot);
void edit_copy(struct edit *e, const struct code *code, uint32_t from, uint32_t to);	/* [from, to), labels too */
void edit_end(struct rewriter *rw, struct edit *e);

#endif
