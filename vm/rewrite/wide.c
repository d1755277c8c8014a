/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* wide.c - neighbouring pieces of memory as one: a number put together from its halves is one load,
 * a copy in pieces is a copy in larger ones.  Pieces of pieces follow, so bytes become words.  What stands
 * between the accesses keeps the rule away; so does a store that may reach the second load. */
#include "vm/rewrite/in.h"

enum { PARTS = 4 };

/* The last `n` instructions that are left up to i, in part[0 .. n - 1]; false: something jumps in between. */
static bool collect(const struct rewriter *rw, uint32_t i, int n, struct insn *part[PARTS])
{
	for (uint32_t at = i + 1; at-- > 0 && n; ) {
		struct insn *in = &rw->code->insn[at];

		if (in->op != DELETED)
			part[--n] = in;
		if (n && rw->flow.mark[at] & FLOW_TARGET)
			return false;
	}
	return !n;
}

static enum op load_of(uint32_t size)
{
	return size == 2 ? OP_LD_H : size == 4 ? OP_LD_W : size == 8 ? OP_LD_DW : OP_BAD;
}

static bool is_part(const struct insn *in)
{
	return in->op == OP_LD_B || in->op == OP_LD_H || in->op == OP_LD_W;
}

static bool dead_after(const struct rewriter *rw, uint32_t i, uint8_t reg)
{
	return !(flow_live_after(rw->code, &rw->flow, i) >> reg & 1);
}

/* high = load; low = load; high <<= bits; high |= low, the first three in any order that makes sense. */
static bool widen(struct rewriter *rw, uint32_t i)
{
	struct insn *all = &rw->code->insn[i], *part[PARTS], *high = NULL, *low = NULL, *shift = NULL;
	uint32_t size;
	bool swapped;

	if (!collect(rw, i, PARTS, part))
		return false;
	for (int k = 0; k < PARTS - 1; k++) {
		struct insn *in = part[k];

		if (is_part(in) && in->dst == all->dst && !high)
			high = in;
		else if (is_part(in) && in->dst == all->src && !low)
			low = in;
		else if ((in->op == OP_LSH64_K || in->op == OP_LSH32_K) && in->dst == all->dst && high)
			shift = in;
	}
	if (!high || !low || !shift || low->op != high->op || low->src != high->src || all->dst == all->src ||
	    high->src == all->dst || high->src == all->src || !dead_after(rw, i, all->src))
		return false;
	size = isa_op[low->op].size;
	swapped = size == 1 && low->off == high->off + 1;
	if (shift->imm != size * 8 || (high->off != low->off + (int32_t)size && !swapped) ||
	    (size == 4 && (shift->op != OP_LSH64_K || all->op != OP_OR64_X)))
		return false;
	*all = (struct insn){ .op = (uint16_t)load_of(size * 2), .dst = all->dst, .src = high->src, .steps = all->steps,
			      .off = swapped ? high->off : low->off };
	drop(high);
	drop(low);
	drop(shift);
	if (swapped) {
		*part[2] = *all;
		*all = (struct insn){ .op = OP_BE16, .dst = all->dst };
	}
	return hit(rw, RULE_WIDEN);
}

/* Offsets of two pieces of `size` bytes, in either order, are neighbours; *low: of the first. */
static bool adjacent(int32_t a, int32_t b, uint32_t size, int32_t *low)
{
	*low = a < b ? a : b;
	return (uint32_t)(a - b) == size || (uint32_t)(b - a) == size;
}

/* r = load; store = r; r = load of the next piece; store of the next piece = r. */
static bool merge_copies(struct rewriter *rw, uint32_t i, bool private)
{
	struct insn *last = &rw->code->insn[i], *part[PARTS];
	uint32_t size = isa_op[last->op].size;
	int32_t apart, from, to;

	if (size > 4 || !collect(rw, i, PARTS, part) || !is_part(part[0]) || part[2]->op != part[0]->op ||
	    part[1]->op != last->op || isa_op[part[0]->op].size != size)
		return false;
	if (part[0]->dst != part[1]->src || part[2]->dst != last->src || part[0]->src != part[2]->src ||
	    part[1]->dst != last->dst || part[0]->dst == part[0]->src || part[0]->dst == last->dst ||
	    part[2]->dst == last->dst || !adjacent(part[0]->off, part[2]->off, size, &from) ||
	    !adjacent(part[1]->off, last->off, size, &to) || part[1]->off - to != part[0]->off - from)
		return false;
	apart = to - from;
	if (part[0]->src == last->dst ? apart && apart < 2 * (int32_t)size && apart > -2 * (int32_t)size :
	    !(private && (part[0]->src == 10) != (last->dst == 10)))
		return false;
	if (!dead_after(rw, i, last->src) || !dead_after(rw, i, part[0]->dst))
		return false;
	part[0]->op = (uint16_t)load_of(2 * size);
	part[0]->off = from;
	part[1]->op = (uint16_t)(load_of(2 * size) + 1);	/* LD, STX, ST of a size stand side by side */
	part[1]->off = to;
	drop(part[2]);
	drop(last);
	return hit(rw, RULE_WIDEN);
}

/* Constants stored side by side. */
static bool merge_constants(struct rewriter *rw, uint32_t i)
{
	struct insn *last = &rw->code->insn[i], *part[PARTS];
	uint32_t size = isa_op[last->op].size;
	uint64_t mask, value;
	int32_t low;

	if (size > 4 || !collect(rw, i, 2, part) || part[0]->op != last->op || part[0]->dst != last->dst ||
	    !adjacent(part[0]->off, last->off, size, &low))
		return false;
	mask = (1ull << size * 8) - 1;
	value = ((uint64_t)part[0]->imm & mask) << (part[0]->off == low ? 0 : size * 8) |
		((uint64_t)last->imm & mask) << (last->off == low ? 0 : size * 8);
	if (size == 4 && !fits32((int64_t)value))
		return false;
	last->op = (uint16_t)(load_of(2 * size) + 2);
	last->off = low;
	last->imm = (int32_t)value;
	drop(part[0]);
	return hit(rw, RULE_MEMSET);
}

void rewrite_wide(struct rewriter *rw)
{
	uint32_t sub = 0, at;

	for (uint32_t i = 1; i < rw->code->n && rule_on(rw, RULE_WIDEN); i++) {
		uint16_t op = rw->code->insn[i].op;

		while (i >= rw->code->sub[sub].end)
			sub++;
		if (op == OP_OR64_X || op == OP_OR32_X)
			widen(rw, i);
		else if (op == OP_STX_B || op == OP_STX_H || op == OP_STX_W)
			for (at = i; merge_copies(rw, at, rw->frame && rw->frame[sub] != FRAME_ESCAPES); )
				while (at && rw->code->insn[at].op == DELETED)
					at--;
		else if (rule_on(rw, RULE_MEMSET) && (op == OP_ST_B || op == OP_ST_H || op == OP_ST_W))
			while (merge_constants(rw, i))
				;
	}
}
