/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* between.c - two jumps on one register that ask whether it is between two numbers, as one comparison: what is
 * lower wraps around and is above the distance of the two.  Not in checked code, nor in blinded. */
#include "jit/x86_64/jc.h"
#include "vm/lanes.h"

struct between { int64_t bound[2]; bool inside; };

static bool is_between(const struct jc *c, uint32_t i, struct between *b)
{
	const struct insn *in = &c->code->insn[i], *next = in + 1;
	unsigned seen = 0;

	*b = (struct between){ .inside = (uint32_t)in->off == i + 2 };
	/* rows come in fours: equal width, both with an immediate */
	if (!jc_follows(c, i) || ((in->op ^ next->op) & 3) || ((in->op - (unsigned)OP_JEQ64_K) & 1) ||
	    in->dst != next->dst || (!b->inside && in->off != next->off) || !(c->rules & RULE_BETWEEN) || c->flags & JIT_BLIND ||
	    i + 1 - c->lanes_tail < 2)
		return false;
	/* where each does not jump (or the second, when the first jumps over it, does): from the one bound on or up to the other */
	for (int k = 0; k < 2; k++) {
		unsigned row = ((k && b->inside ? flow_inverse(in[1].op) : in[k].op) - (unsigned)OP_JEQ64_K) / 4;
		unsigned above;

		if (row > 10 || !(LANE_LESS_ROWS >> row & 1))
			return false;
		above = LANE_GREATER_ROWS >> row & 1;
		b->bound[above] = in[k].imm + (row & 1 ? 0 : above ? -1 : 1);
		seen += 1u + above + (LANE_SIGNED_ROWS >> row & 1) * 4;
	}
	return (seen & 3) == 3 && seen != 7 && b->bound[0] <= b->bound[1] && x_fits32(b->bound[1] - b->bound[0]) &&
	       x_fits32(-b->bound[0]) && (seen > 3 || b->bound[0] > 0);
}

bool between_at(const struct jc *c, uint32_t i)
{
	struct between b;

	return is_between(c, i, &b);
}

bool emit_between(struct jc *c)
{
	bool wide = isa_op[c->in->op].flags & OPF_WIDTH64;
	struct between b;

	if (!is_between(c, c->i, &b))
		return false;
	x_lea(&c->b, wide, TMP, x_at(c->reg[c->in->dst], (int32_t)-b.bound[0]));
	x_alu_k(&c->b, wide, X_CMP, TMP, (int32_t)(b.bound[1] - b.bound[0]));
	jc_jcc(c, b.inside ? CC_BE : CC_A, emit_leave(c, c->insn_label + (uint32_t)c->in[1].off));
	jc_hit(c, RULE_BETWEEN);
	c->skip = 1;
	return true;
}
