/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* select.c - `if c goto +1; r = x` as a conditional move: what compilers make of min, max and c ? a : b has
 * no jump natively either, and data decides which way it goes.
 * But where the condition waits for a load or a product of what was moved before, as in a binary search, a jump that
 * is predicted cuts the chain of waiting.  Not in checked code. */
#include "jit/x86_64/jc.h"

enum { FAR = 64, LONG = 4 };	/* instructions looked back at; cycles of a chain that is to be cut */

static bool jumps_over(const struct jc *c, const struct insn *in, uint32_t i)
{
	return (uint32_t)in->off == i + 2 && !(c->flow.mark[i + 1] & FLOW_TARGET);
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
		kept = at && flow_is_branch(&insn[at - 1]) && jumps_over(c, &insn[at - 1], at - 1);
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

/* Is the jump at i over the move behind it to be none? */
static bool selects(struct jc *c, uint32_t i)
{
	const struct insn *in = &c->code->insn[i];

	if (c->checked || !(c->rules & RULE_SELECT) || !jumps_over(c, in, i) || (uint32_t)(in[1].op - OP_MOV64_K) > 3 ||
	    (c->flags & JIT_BLIND && isa_op[in[1].op].shape == SHAPE_ALU_K))
		return false;
	if (!(c->rules & RULE_PREDICT) || !waits(c, i))
		return true;
	jc_hit(c, RULE_PREDICT);
	return false;
}

bool emit_set(struct jc *c)
{
	const struct insn *in = c->in, *jcc = in + 1, *mov = in + 2;

	if ((in->imm | 1) != 1 || !jc_follows(c, c->i) || !flow_is_branch(jcc) || flow_reads(c->code, jcc) >> in->dst & 1 ||
	    !selects(c, c->i + 1) || mov->dst != in->dst || isa_op[mov->op].shape != SHAPE_ALU_K || (mov->imm ^ in->imm) != 1)
		return false;
	x_mov_k(&c->b, c->reg[in->dst], 0, false);
	c->set_at = c->i + 1;
	return true;
}

bool emit_select(struct jc *c, enum x_cc cc)
{
	const struct insn *mov = c->in + 1;
	int from = c->reg[mov->src], to = c->reg[mov->dst];

	if (!is_own(c) || !selects(c, c->i))
		return false;
	jc_hit(c, RULE_SELECT);
	c->skip = 1;
	if (c->set_at == c->i) {
		x_setcc(&c->b, mov->imm ? cc ^ 1 : cc, to);
		return true;
	}
	if (mov->op != OP_MOV64_X) {	/* the upper half is cleared only when it moves */
		if (mov->op == OP_MOV32_X)
			x_mov(&c->b, false, TMP, from);
		else
			x_mov_k(&c->b, TMP, mov->op == OP_MOV64_K ? mov->imm : (int64_t)(uint32_t)mov->imm, true);
		from = TMP;
	}
	x_cmov(&c->b, true, cc ^ 1, to, from);
	return true;
}

void emit_kept(struct jc *c)
{
	const struct insn *in = c->in, *next = in + 2;

	if (c->skip && flow_is_branch(next) && !((in->op ^ next->op) & 3) && in->dst == next->dst &&
	    in->src == next->src && in->imm == next->imm && !(flow_reads(c->code, in) >> in[1].dst & 1) &&
	    (!c->only_zero || !((next->op - (unsigned)OP_JEQ64_K) & ~18u)) &&
	    c->flow.mark[c->i + 2] == (FLOW_TARGET | FLOW_ONE))
		c->flags_at = c->i + 2;
}
