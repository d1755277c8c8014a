/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* select.c - `if c goto +1; r = x` as a conditional move: what compilers make of min, max and c ? a : b has
 * no jump natively either, and data decides which way it goes.
 * But where the condition waits for a load or a product of what was moved before, as in a binary search, a jump that
 * is predicted cuts the chain of waiting.  Not in checked code. */
#include "jit/x86_64/jc.h"

enum { FAR = 64, LONG = 4 };	/* instructions looked back at; cycles of a chain that is to be cut */

static bool jumps_over(const struct jc *c, const struct insn *in, uint32_t i)
{
	return i + 2 < c->code->n && (uint32_t)in->off == i + 2 && !(c->flow.mark[i + 1] & FLOW_TARGET);
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

bool emit_select(struct jc *c, enum x_cc cc)
{
	const struct insn *mov = c->in + 1;
	int from = TMP;

	if (c->checked || !(c->rules & RULE_SELECT) || !jumps_over(c, c->in, c->i) ||
	    !((uint32_t)(mov->op - OP_MOV64_K) < 4))
		return false;
	if (c->rules & RULE_PREDICT && is_own(c) && waits(c, c->i)) {
		jc_hit(c, RULE_PREDICT);
		return false;
	}
	switch (mov->op) {
	case OP_MOV32_X:	/* the upper half is cleared only when it moves */
		x_mov(&c->b, false, TMP, c->reg[mov->src]);
		break;
	case OP_MOV64_X: from = c->reg[mov->src]; break;
	default:
		if (c->flags & JIT_BLIND)
			return false;
		x_mov_k(&c->b, TMP, mov->op == OP_MOV64_K ? mov->imm : (int64_t)(uint32_t)mov->imm, true);
	}
	jc_hit(c, RULE_SELECT);
	x_cmov(&c->b, true, cc ^ 1, c->reg[mov->dst], from);
	c->skip = 1;
	return true;
}
