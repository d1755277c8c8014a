/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* select.c - `if c goto +1; r = x` as a conditional move: what compilers make of min, max and c ? a : b has
 * no jump natively either, and data decides which way it goes.  Not in checked code. */
#include "jit/x86_64/jc.h"

static bool jumps_over(const struct jc *c)
{
	uint32_t next = c->i + 1;

	return next + 1 < c->code->n && (uint32_t)c->in->off == next + 1 && !(c->flow.mark[next] & FLOW_TARGET);
}

bool emit_select(struct jc *c, enum x_cc cc)
{
	const struct insn *mov = c->in + 1;
	bool w = mov->op == OP_MOV64_X || mov->op == OP_MOV64_K;
	int from = TMP;

	if (c->checked || !(c->rules & RULE_SELECT) || !jumps_over(c))
		return false;
	switch (mov->op) {
	case OP_MOV64_X: from = c->reg[mov->src]; break;
	case OP_MOV32_X:	/* the upper half is cleared only when it moves */
		x_mov(&c->b, false, TMP, c->reg[mov->src]);
		break;
	case OP_MOV64_K: case OP_MOV32_K:
		if (c->flags & JIT_BLIND)
			return false;
		x_mov_k(&c->b, TMP, w ? mov->imm : (int64_t)(uint32_t)mov->imm, true);
		break;
	default: return false;
	}
	x_cmov(&c->b, true, cc ^ 1, c->reg[mov->dst], from);
	c->skip = 1;
	return true;
}
