/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* select.c - `if c goto +1; r = x` as a conditional move: what compilers make of min, max and c ? a : b has
 * no jump natively either, and data decides which way it goes.  `r = 1; if c goto +1; r = 0` is the condition itself.
 * But where the condition waits for a load or a product of what was moved before, as in a binary search, a jump that
 * is predicted cuts the chain of waiting.  Not in checked code. */
#include "jit/x86_64/jc.h"

enum { NEAR = 12, FAR = 64,	/* instructions looked back at, for a register and for a chain */
       LONG = 4 };		/* cycles: a chain to be cut */

static bool jumps_over(const struct jc *c, uint32_t i)
{
	return i + 2 < c->code->n && (uint32_t)c->code->insn[i].off == i + 2 && !(c->flow.mark[i + 1] & FLOW_TARGET);
}

static bool is_const(const struct insn *in) { return in->op == OP_MOV64_K || in->op == OP_MOV32_K; }

static bool moves(const struct insn *in) { return is_const(in) || in->op == OP_MOV64_X || in->op == OP_MOV32_X; }

/* Are the upper 32 bits of the register zero at instruction i, as the block so far shows? */
static bool zero_up(const struct jc *c, uint8_t reg, uint32_t i)
{
	for (uint32_t n = 0; n < NEAR && i && !(c->flow.mark[i] & FLOW_TARGET); n++) {
		const struct insn *in = &c->code->insn[--i];
		const struct op_info *op = &isa_op[in->op];

		if (!(flow_writes(in) >> reg & 1))
			continue;
		return 1u << op->shape & (1u << SHAPE_LOAD | 1u << SHAPE_FUSED_LOAD | 1u << SHAPE_ALU_K | 1u << SHAPE_ALU_X |
					  1u << SHAPE_FUSED) &&
		       op->size < 8 && !(op->flags & (OPF_WIDTH64 | OPF_SIGNED));
	}
	return false;
}

/* Is instruction i the first of r = one; if c goto +1; r = 1 - one? */
static bool keeps_outcome(const struct jc *c, uint32_t i)
{
	const struct insn *in = &c->code->insn[i];

	return !c->checked && c->rules & RULE_SELECT && i + 3 < c->code->n && is_const(in) && !(in->imm & ~1ll) &&
	       flow_is_branch(in + 1) && is_const(in + 2) && in[2].dst == in->dst && in[2].imm == 1 - in->imm &&
	       !(flow_reads(c->code, in + 1) >> in->dst & 1) && !(c->flow.mark[i + 1] & FLOW_TARGET) && jumps_over(c, i + 1);
}

bool emit_outcome(struct jc *c)
{
	if (!keeps_outcome(c, c->i))
		return false;
	x_mov_k(&c->b, c->reg[c->in->dst], 0, false);	/* the comparison comes next */
	c->outcome = c->i + 1;
	return true;
}

static void pass(uint8_t way[12], uint32_t regs, uint32_t cycles)
{
	for (int r = 0; r < 11; r++)
		if (regs >> r & 1 && way[r] < cycles)
			way[r] = (uint8_t)cycles;
}

/* Does the branch at i wait LONG or more for what such a move, or its own in the round before, has made?  Goes back by
 * the order of the code, once round the loop: jumps between are not followed. */
static bool waits(const struct jc *c, uint32_t i)
{
	const struct insn *insn = c->code->insn;
	uint8_t way[12] = { 0 };	/* cycles and 1 from each register to the branch */
	bool round = false;
	uint32_t at = i;

	pass(way, flow_reads(c->code, &insn[i]), 1);
	for (uint32_t n = 0; n < FAR && at > c->cur_start; n++) {
		uint32_t r, way_r;
		bool kept;

		for (uint32_t tail = i; !round && c->flow.mark[at] & FLOW_LOOP && tail < i + FAR && tail < c->code->n; tail++) {
			round = flow_is_jump(&insn[tail]) && (uint32_t)insn[tail].off == at;
			at = round ? tail : at;
		}
		if (--at == i)
			break;
		r = (uint32_t)__builtin_ctz(flow_writes(&insn[at]) | 1u << 11);
		way_r = way[r];
		kept = at && flow_is_branch(&insn[at - 1]) && jumps_over(c, at - 1);
		if (!way_r)
			continue;
		if (!kept)
			way[r] = 0;
		else if (way_r > LONG)
			return true;
		pass(way, flow_reads(c->code, &insn[at]), way_r + flow_latency(&insn[at]));
	}
	return false;
}

bool emit_select(struct jc *c, enum x_cc cc)
{
	const struct insn *mov = c->in + 1;
	bool w = mov->op == OP_MOV64_X || mov->op == OP_MOV64_K;
	int d = c->reg[mov->dst], from = TMP;

	if (c->checked || !(c->rules & RULE_SELECT) || !jumps_over(c, c->i) || !moves(mov))
		return false;
	if (c->outcome == c->i) {
		x_setcc(&c->b, mov->imm ? cc ^ 1 : cc, d);
		c->skip = 1;
		return true;
	}
	if (waits(c, c->i))
		return false;
	switch (mov->op) {
	case OP_MOV32_X:	/* the upper half is cleared only when it moves */
		w = !zero_up(c, mov->dst, c->i);
		if (w && !zero_up(c, mov->src, c->i)) {
			x_mov(&c->b, false, TMP, c->reg[mov->src]);
			break;
		}
		/* fallthrough */
	case OP_MOV64_X: from = c->reg[mov->src]; break;
	default:
		if (c->flags & JIT_BLIND)
			return false;
		x_mov_k(&c->b, TMP, w ? mov->imm : (int64_t)(uint32_t)mov->imm, true);
		w = true;
	}
	x_cmov(&c->b, w, cc ^ 1, d, from);
	c->skip = 1;
	return true;
}
