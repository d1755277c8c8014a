/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite_rename.c - copies in a loop of one block (an unrolled one has many: values that move up one place each
 * round).  A copy is made by calling the register by another name from then on; it is made after all where one of
 * the two changes and the other is still read.  At the end of the block every value is back where the code around
 * expects it: after an even number of rounds two that change places are there already. */
#include "vm/lanes.h"
#include "vm/rewrite_in.h"

enum { LONGEST = 256 };

struct names {
	struct code *code;
	const struct flow *flow;
	uint32_t live, allowed;		/* registers that are read later; that may hold something else than their own */
	uint8_t at[REGS];		/* the register that holds each one's value */
	bool write;			/* at `to`; else only to see how many there are */
	uint32_t to;
};

/* There is room: before each copy that has to be made one was left out. */
static void put(struct names *s, struct insn in, uint32_t slot)
{
	if (s->write) {
		s->code->insn[s->to] = in;
		s->code->slot[s->to] = slot;
	}
	s->to++;
}

static void copy(struct names *s, uint8_t to, uint8_t from, uint32_t slot)
{
	put(s, (struct insn){ .op = OP_MOV64_X, .dst = to & 15, .src = from & 15 }, slot);
}

/* Does `reg` hold a value that another register than `but` has and that is still read? */
static bool held(const struct names *s, uint8_t reg, uint8_t but)
{
	for (int r = 0; r < REGS; r++)
		if (s->at[r] == reg && r != but && s->live >> r & 1)
			return true;
	return false;
}

/* A register that holds nothing but what `but` has; NO_REG: all do. */
static uint8_t spare(const struct names *s, uint8_t but)
{
	for (uint8_t k = 0; k < 10; k++)
		if (s->allowed >> k & 1 && !held(s, k, but))
			return k;
	return NO_REG;
}

/* One instruction of the block; false: not a kind that can be renamed, or no register is free. */
static bool rename_one(struct names *s, uint32_t i)
{
	enum { KINDS = 1u << SHAPE_ALU_K | 1u << SHAPE_ALU_X | 1u << SHAPE_UN | 1u << SHAPE_LOAD | 1u << SHAPE_WIDE |
		       1u << SHAPE_STORE_X | 1u << SHAPE_STORE_K | 1u << SHAPE_FUSED_LOAD | 1u << SHAPE_FUSED_STORE };
	struct insn in = s->code->insn[i];
	uint32_t slot = s->code->slot[i], shape = 1u << isa_op[in.op].shape;
	uint8_t d = in.dst, from = in.src, at = s->at[d], to = at;
	bool changes = insn_reads(&in) >> d & 1;

	if (!(shape & KINDS) || (shape == 1u << SHAPE_FUSED_LOAD && !isa_indexed(in.op)))
		return false;
	if (isa_indexed(in.op))
		in.imm_lo = insn_index(s->at[in.imm_lo & 15], in.imm_lo >> 4);
	if (shape & (1u << SHAPE_ALU_X | 1u << SHAPE_LOAD | 1u << SHAPE_STORE_X | 1u << SHAPE_FUSED_LOAD | 1u << SHAPE_FUSED_STORE))
		in.src = s->at[from] & 15;
	s->live = s->flow->live[i + 1];
	if (in.op == OP_MOV64_X && from != 10) {
		s->at[d] = in.src;
		return true;
	}
	if (insn_writes(&in)) {
		if (changes && held(s, at, d) && flow_commutes(&in) && from != 10 && !held(s, in.src, REGS)) {
			to = in.src;
			in.src = at & 15;
		} else if (!changes || held(s, at, d)) {
			to = held(s, d, d) ? spare(s, d) : d;
			if (to == NO_REG || (changes && to == in.src && shape == 1u << SHAPE_ALU_X))
				return false;
			if (changes)
				copy(s, to, at, slot);
		}
		s->at[d] = to;
	}
	in.dst = to & 15;
	put(s, in, slot);
	return true;
}

/* All that is read later goes back to where it belongs. */
static bool go_home(struct names *s, uint32_t slot)
{
	for (int left = 2 * REGS; left; left--) {
		uint8_t away = NO_REG, to;

		for (uint8_t r = 0; r < REGS && (away == NO_REG || held(s, away, away)); r++)
			if (s->live >> r & 1 && s->at[r] != r)
				away = r;
		if (away == NO_REG)
			return true;
		to = held(s, away, away) ? spare(s, REGS) : away;	/* a circle: one steps out of it */
		if (to == NO_REG)
			return false;
		copy(s, to, s->at[away], slot);
		s->at[away] = to;
	}
	return false;
}

static bool rename_all(struct names *s, uint32_t head, uint32_t tail)
{
	s->to = head;
	for (int r = 0; r < REGS; r++)
		s->at[r] = (uint8_t)r;
	for (uint32_t i = head; i < tail; i++)
		if (!rename_one(s, i))
			return false;
	return go_home(s, s->code->slot[tail]) && s->to < tail;
}

static void rename_loop(struct rewriter *rw, uint32_t head, uint32_t tail)
{
	struct names s = { .code = rw->code, .flow = &rw->flow, .allowed = 0x3f };
	uint32_t copies = 0;
	struct lanes lanes;

	for (uint32_t i = head; i < tail; i++) {
		copies += rw->code->insn[i].op == OP_MOV64_X;
		s.allowed |= flow_writes(&rw->code->insn[i]);
		if (rw->flow.mark[i + 1] & FLOW_TARGET)
			return;
	}
	if (copies < 2 || rewrite_whole(rw, head, &lanes) ||
	    !rename_all(&s, head, tail))
		return;
	s.write = true;
	rename_all(&s, head, tail);
	while (s.to < tail)
		drop(&rw->code->insn[s.to++]);
	hit(rw, RULE_RENAME);
}

void rewrite_rename(struct rewriter *rw)
{
	for (uint32_t i = 1; i < rw->code->n && rule_on(rw, RULE_RENAME); i++) {
		uint32_t head = (uint32_t)rw->code->insn[i].off;

		if (flow_is_branch(&rw->code->insn[i]) && head < i && i - head < LONGEST)
			rename_loop(rw, head, i);
	}
}
