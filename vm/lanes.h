/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes.h - loops whose rounds can run side by side, each on its own element of arrays: what the
 * rewriter leaves whole and a compiler with vector registers makes of it. */
#ifndef UEBPF_VM_LANES_H
#define UEBPF_VM_LANES_H

#include "vm/flow.h"

enum { LANE_REGS = 11, LANE_NONE = 15 };
/* Rows of jumps in isa.def, from JEQ on: >, >=, s>, s>=; these and <, <=, s<, s<=; those with an s */
enum { LANE_GREATER_ROWS = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6,
       LANE_LESS_ROWS = LANE_GREATER_ROWS | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10, LANE_SIGNED_ROWS = 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 };
/* Rows of arithmetic come in fours (64_K, 64_X, 32_K, 32_X) in the order of isa.def. */
enum lane_alu { LANE_ADD, LANE_SUB, LANE_MUL, LANE_DIV, LANE_SDIV, LANE_OR, LANE_AND, LANE_LSH, LANE_RSH,
		LANE_MOD, LANE_SMOD, LANE_XOR, LANE_MOV, LANE_ARSH, LANE_ALUS };
static inline unsigned lane_alu(uint16_t op) { return (op - (unsigned)OP_ADD64_K) / 4; }

/* The loop ends when the counter is at least this: a register that no round writes, or a number. */
struct lane_limit { uint8_t reg; bool wide, sign; int32_t k; };

struct lanes {
	uint32_t head, tail;		/* [head, tail), then the jump back */
	uint32_t rounds;		/* 0: not known */
	struct lane_limit limit[2];	/* of the jump back, and of one out of the loop; none where just the rounds end it */
	uint8_t limits;
	bool endless;			/* but for the way out */
	uint32_t way_out;		/* the instruction that is that jump; UINT32_MAX: none */
	uint8_t size;			/* bytes of a lane: of the widest element, or more */
	uint8_t counter;		/* register */
	bool last;			/* what a round computes is read after the loop: one is left to it */
	uint16_t steps, sums, values;	/* registers by what they are, a bit each; written nowhere: constant */
	uint16_t narrow, skipped;	/* of steps and sums: 32 bits wide; and perhaps not written in a round */
	uint16_t copies;		/* of values: after a round the same as a sum, and not read in it after that */
	uint8_t copy[LANE_REGS];
	int32_t step[LANE_REGS];
	uint8_t sum[LANE_REGS];		/* 1 + enum lane_alu (+ LANE_ALUS: 64 bits wide) */
	uint16_t picks;			/* registers that keep the least or greatest of the values that rounds compare to them */
	uint32_t pick[LANE_REGS];	/* the jump that compares; over the move of one to the other */
	uint16_t carries;		/* registers that bring what the round before loaded */
	uint32_t carry[LANE_REGS];	/* that load; it may as well come first in its round */
	uint64_t bytes;			/* instructions from head on that add up the bytes of a word */
	uint64_t halves, pairs, parts;	/* stores that wait for the next; those that lane_pair and lane_part are true of */
};

/* An access of an element, or of a pair of them. */
struct lane_mem { uint8_t base, index, scale, size; int32_t off; bool store, pair; };
bool lane_mem(const struct insn *in, struct lane_mem *out);
/* From the same registers? */
bool lane_beside(const struct lane_mem *a, const struct lane_mem *b);
/* Do the store at i and the access before it, which may as well come with it, store two neighbours? */
bool lane_pair(const struct code *code, const struct lanes *l, uint32_t i, struct lane_mem *out, uint32_t *first);
/* Is the load at i of a part of what each round accesses from end to end, before it steps on?  m: the access; it
 * becomes that of the whole. */
bool lane_part(const struct code *code, const struct lanes *l, uint32_t i, struct lane_mem *m);
/* r = be64 r; r >>= 32 or more: of a number of 32 bits that is be32, then >> 32 less. */
bool lane_upper_only(const struct insn *be);
/* May the rounds of the loop that begins at `head` run side by side? */
bool lanes_at(const struct code *code, const struct flow *flow, uint32_t head, struct lanes *out);
/* The constant that `reg` holds when the straight line that leads to `head` ends. */
bool lane_start(const struct code *code, const struct flow *flow, uint32_t head, uint8_t reg, int64_t *value);
/* How often the loop goes round whose jump back is jcc, with the counter stepping before it and entered from the
 * straight line before `head` only; 0: not known. */
uint32_t loop_rounds(const struct code *code, const struct flow *flow, uint32_t head, const struct insn *jcc, uint8_t counter,
		     int64_t step);

#endif
