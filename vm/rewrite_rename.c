/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite_rename.c - copies in a loop of one block (an unrolled one has many: values that move up one place each
 * round).  A copy is made by calling the register by another name from then on; it is made after all where one of
 * the two changes and the other is still read.  At the end of the block every value is back where the code around
 * expects it: after an even number of rounds two that change places are there already. */
#include "vm/lanes.h"
#include "vm/rewrite_in.h"

enum { LONGEST = 160 };

struct names {
	struct rewriter *rw;
	uint32_t live;			/* guest registers that are read later */
	uint8_t at[REGS];		/* the register that holds each one's value */
	uint32_t n;
	struct insn out[LONGEST];
	uint32_t slot[LONGEST];
};

static void put(struct names *s, struct insn in, uint32_t slot)
{
	if (s->n < LONGEST) {
		s->out[s->n] = in;
		s->slot[s->n] = slot;
	}
	s->n++;
}

static void copy(struct names *s, uint8_t to, uint8_t from, uint32_t slot)
{
	put(s, (struct insn){ .op = OP_MOV64_X, .dst = to & 15, .src = from & 15 }, slot);
}

/* Does `reg` hold a value that another register than `but` has and that is still read? */
static bool held(const struct names *s, uint8_t reg, uint8_t but)
{
	for (uint8_t r = 0; r < REGS; r++)
		if (s->at[r] == reg && r != but && s->live >> r & 1)
			return true;
	return false;
}

/* A register for what r becomes; NO_REG: all are in use. */
static uint8_t place(const struct names *s, uint8_t r, uint32_t allowed)
{
	if (!held(s, r, r))
		return r;
	if (!held(s, s->at[r], r))
		return s->at[r];
	for (uint8_t k = 0; k < 10; k++)
		if (allowed >> k & 1 && !held(s, k, r))
			return k;
	return NO_REG;
}

static bool commutes(uint16_t op)
{
	switch (op) {
	case OP_ADD64_X: case OP_MUL64_X: case OP_OR64_X: case OP_AND64_X: case OP_XOR64_X:
	case OP_ADD32_X: case OP_MUL32_X: case OP_OR32_X: case OP_AND32_X: case OP_XOR32_X:
		return true;
	default:
		return false;
	}
}

/* One instruction of the block; false: not a kind that can be renamed, or no register is free. */
static bool rename_one(struct names *s, uint32_t i, uint32_t allowed)
{
	struct insn in = s->rw->code->insn[i];
	uint32_t slot = s->rw->code->slot[i];
	uint8_t d = in.dst, from = in.src, to;
	bool sets = true, changes = false;

	switch (isa_op[in.op].shape) {
	case SHAPE_ALU_K: case SHAPE_UN:
		changes = in.op != OP_MOV64_K && in.op != OP_MOV32_K;
		break;
	case SHAPE_ALU_X:
		changes = insn_reads(&(struct insn){ .op = in.op, .dst = 0, .src = 1 }) & 1;
		break;
	case SHAPE_FUSED:
		if (in.op != OP_ROL64 && in.op != OP_ROL32)
			return false;
		changes = true;
		break;
	case SHAPE_FUSED_LOAD:
		if (!isa_indexed(in.op))
			return false;
		break;
	case SHAPE_LOAD: case SHAPE_WIDE:
		break;
	case SHAPE_STORE_X: case SHAPE_STORE_K: case SHAPE_FUSED_STORE:
		sets = false;
		break;
	default:
		return false;
	}
	if (isa_indexed(in.op))
		in.imm_lo = insn_index(s->at[in.imm_lo & 15], in.imm_lo >> 4);
	if (in.op == OP_MOV64_X && from != 10) {
		s->at[d] = s->at[from];
		s->live = s->rw->flow.live[i + 1];
		return true;
	}
	if ((1u << SHAPE_ALU_X | 1u << SHAPE_LOAD | 1u << SHAPE_STORE_X | 1u << SHAPE_FUSED_LOAD | 1u << SHAPE_FUSED_STORE) >>
	    isa_op[in.op].shape & 1)
		in.src = s->at[from] & 15;
	s->live = s->rw->flow.live[i + 1];
	if (!sets) {
		in.dst = s->at[d] & 15;
		put(s, in, slot);
		return true;
	}
	if (changes && !held(s, s->at[d], d)) {
		to = s->at[d];
	} else if (changes && commutes(in.op) && from != d && !held(s, s->at[from], from) && !(s->live >> from & 1)) {
		to = s->at[from];
		in.src = s->at[d] & 15;
	} else {
		to = place(s, d, allowed);
		if (to == NO_REG || (changes && to == in.src && isa_op[in.op].shape == SHAPE_ALU_X))
			return false;
		if (changes)
			copy(s, to, s->at[d], slot);
	}
	in.dst = to & 15;
	s->at[d] = to;
	put(s, in, slot);
	return true;
}

/* All that is read later goes back to where it belongs. */
static bool go_home(struct names *s, uint32_t slot, uint32_t allowed)
{
	for (int left = 2 * REGS; left; left--) {
		uint8_t away = NO_REG;

		for (uint8_t r = 0; r < REGS; r++) {
			if (!(s->live >> r & 1) || s->at[r] == r)
				continue;
			away = r;
			if (!held(s, r, r))
				break;
		}
		if (away == NO_REG)
			return true;
		if (held(s, away, away)) {	/* a circle: one steps out of it */
			uint8_t k = 0;

			while (k < 10 && (!(allowed >> k & 1) || held(s, k, NO_REG)))
				k++;
			if (k == 10)
				return false;
			copy(s, k, s->at[away], slot);
			s->at[away] = k;
			continue;
		}
		copy(s, away, s->at[away], slot);
		s->at[away] = away;
	}
	return false;
}

static void rename_loop(struct rewriter *rw, struct names *s, uint32_t head, uint32_t tail)
{
	uint32_t allowed = 0x3f, copies = 0;
	struct lanes lanes;

	s->n = 0;
	for (uint8_t r = 0; r < REGS; r++)
		s->at[r] = r;
	for (uint32_t i = head; i < tail; i++) {
		copies += rw->code->insn[i].op == OP_MOV64_X;
		allowed |= flow_writes(&rw->code->insn[i]);
		if (i > head && rw->flow.mark[i] & FLOW_TARGET)
			return;
	}
	if (copies < 2 || rw->flow.mark[tail] & FLOW_TARGET ||
	    (rule_on(rw, RULE_WHOLE) && lanes_at(rw->code, &rw->flow, head, &lanes)))
		return;
	for (uint32_t i = head; i < tail; i++)
		if (!rename_one(s, i, allowed))
			return;
	if (!go_home(s, rw->code->slot[tail], allowed) || s->n >= tail - head)
		return;
	for (uint32_t i = head; i < tail; i++) {
		uint32_t k = i - head;

		if (k >= s->n) {
			drop(&rw->code->insn[i]);
			continue;
		}
		rw->code->insn[i] = s->out[k];
		rw->code->slot[i] = s->slot[k];
	}
	hit(rw, RULE_RENAME);
}

void rewrite_rename(struct rewriter *rw)
{
	struct names s = { .rw = rw };

	for (uint32_t i = 1; i < rw->code->n && rule_on(rw, RULE_RENAME); i++) {
		uint32_t head = (uint32_t)rw->code->insn[i].off;

		if (flow_is_branch(&rw->code->insn[i]) && head < i && i - head < LONGEST)
			rename_loop(rw, &s, head, i);
	}
}
