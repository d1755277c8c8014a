/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vector.c - two neighbouring words copied one after the other, as a copied struct leaves them, in an SSE2 register:
 * r = memory; memory = r; r = next; next = r, with r dead after it.  Both words move at once, so the store of the
 * first may not reach the load of the second: both accesses have the same base, or one of them is a frame
 * that no pointer leads to.  Not in checked code. */
#include "jit/x86_64/jc.h"

enum { COPY = 1 };

static bool may_overlap(const struct jc *c, const struct insn *l, const struct insn *s)
{
	if (l->src == s->dst)
		return s->off > l->off && s->off < l->off + 16;
	return !((l->src == 10) != (s->dst == 10) && c->cur->private);
}

bool emit_vector(struct jc *c)
{
	const struct insn *l = c->in, *s = l + 1;

	if (c->checked || !(c->rules & RULE_VECTOR) || c->i + 4 > c->code->sub[c->cur - c->sub].end ||
	    s->op != OP_STX_DW || s->src != l->dst || l->dst == l->src || l->dst == s->dst ||
	    may_overlap(c, l, s) || flow_live_after(c->code, &c->flow, c->i + 3) >> l->dst & 1)
		return false;
	for (int k = 0; k < 2; k++, l++)
		if (l->op != l[2].op || l->dst != l[2].dst || l->src != l[2].src || l[2].off - l->off != 8)
			return false;
	for (int k = 1; k < 4; k++)
		if (c->flow.mark[c->i + (uint32_t)k] & FLOW_TARGET)
			return false;
	jc_hit(c, RULE_VECTOR);
	l = c->in;
	jc_room(c, 64);
	x_movups_load(&c->b, COPY, x_at(c->reg[l->src], l->off));
	x_movups_store(&c->b, x_at(c->reg[s->dst], s->off), COPY);
	c->skip = 3;
	return true;
}
