/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gather.c - a number that is stored byte by byte (compilers do so where memory may not be aligned: fields
 * of a packet) is stored as one, where the first of its pieces was. */
#include "vm/rewrite/walk.h"

static void finish(struct walk *w, struct gather *g)
{
	struct insn *in = w->rw->code->insn, *first = &in[g->first];
	int n = g->have == 0xff && g->of64 ? 8 : (g->have & 15) == 15 ? 4 : (g->have & 3) == 3 ? 2 : 0;
	bool inside = false;

	for (int k = 0; k < n; k++)
		inside |= g->at[k] == g->first;
	if (!inside || (n < 8 && g->have >> n & 1 && g->at[n] == g->at[n - 1]) || (n == 2 && g->at[0] == g->at[1]))
		return;
	for (int k = 0; k < n; k++)
		if (g->at[k] != g->first)
			drop(&in[g->at[k]]);
	first->op = n == 8 ? OP_STX_DW : n == 4 ? OP_STX_W : OP_STX_H;
	first->src = g->holder & 15;
	first->off = g->low;
	hit(w->rw, RULE_GATHER);
}

static void end(struct walk *w, struct gather *g)
{
	if (g->have)
		finish(w, g);
	g->have = 0;
}

void gather_end(struct walk *w)
{
	end(w, &w->gather[0]);
	end(w, &w->gather[1]);
}

/* Which part of what the store `in` has: bytes from k on of the numbers named. */
static void piece_of(const struct walk *w, const struct insn *in, int *k, uint32_t *of64, uint32_t *of32)
{
	const struct known *s = &w->reg[in->src];
	const struct half *h = &s->half;

	*k = 0;
	*of64 = s->id64;
	*of32 = s->id32;
	if (!h->width || h->left || h->k % 8)
		return;
	*k = h->k / 8;
	*of64 = h->width == 64 ? h->of : 0;
	*of32 = h->width == 32 ? h->of : 0;
}

/* The store `in` is one more piece of what is gathered, or the first of the next: false where it is neither. */
static bool join(struct walk *w, struct gather *g, const struct insn *in, uint32_t i)
{
	uint32_t size = isa_op[in->op].size, of64, of32, bits;
	uint8_t r = 0;
	int k;

	piece_of(w, in, &k, &of64, &of32);
	bits = ((1u << size) - 1) << k;
	if (g->have) {
		of64 = of64 == g->of64 ? of64 : 0;
		of32 = of32 == g->of32 ? of32 : 0;
		if (!current(w, g->base, g->base_ver) || in->dst != g->base || in->off - k != g->low || bits & g->have)
			return false;
	} else {
		while (r < REGS && !(of64 && w->reg[r].id64 == of64) && !(of32 && w->reg[r].id32 == of32))
			r++;
		*g = (struct gather){ .first = i, .low = in->off - k, .base = in->dst, .holder = k ? r : in->src,
				      .base_ver = w->ver[in->dst] };
	}
	if ((!of64 && !of32) || bits > 0xff || r == REGS)
		return false;
	g->of64 = of64;
	g->of32 = of32;
	g->have |= (uint8_t)bits;
	for (uint32_t b = 0; b < size; b++)
		g->at[k + (int)b] = i;
	return true;
}

/* Before `in` is learned from. */
void walk_gather(struct walk *w, struct insn *in, uint32_t i)
{
	uint8_t shape = isa_op[in->op].shape, base = shape == SHAPE_LOAD ? in->src : in->dst;
	bool memory = (shape == SHAPE_LOAD || shape == SHAPE_STORE_X || shape == SHAPE_STORE_K) && isa_op[in->op].group != ISA_LINUX;
	bool piece = (in->op == OP_STX_B || in->op == OP_STX_H) && base != 10 && rule_on(w->rw, RULE_GATHER);
	struct gather *g = w->gather, *into = NULL;

	if (!memory && !flow_is_jump(in) && (shape < SHAPE_ATOMIC || shape == SHAPE_WIDE || shape == SHAPE_MARK))
		return;
	for (; g < w->gather + 2; g++) {
		bool joined = g->have && piece && join(w, g, in, i);

		piece &= !joined;
		if (g->have == (g->of64 ? 0xff : 0xf))
			end(w, g);
		else if (joined)
			continue;
		else if (!memory || base != g->base || !current(w, base, g->base_ver) ||
			 (in->off < g->low + 8 && in->off + (int32_t)isa_op[in->op].size > g->low))
			end(w, g);
		if (!g->have)
			into = g;
	}
	if (piece && !into)
		end(w, into = w->gather);
	if (piece)
		join(w, into, in, i);
}
