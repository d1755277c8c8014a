/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bits.c - rules of the walk (local.c) that see through shifts and sums: extensions, rotations,
 * numbers put together from pieces, addresses. */
#include "vm/rewrite/walk.h"

/* ---- extensions by shifts ---- */

void walk_extension(struct walk *w, uint32_t i)
{
	struct insn *in = &w->rw->code->insn[i], *next = in + 1;
	uint16_t op = OP_BAD;
	bool sign;

	if (i + 1 >= w->rw->code->n)
		return;
	sign = next->op == OP_ARSH64_K || next->op == OP_ARSH32_K;
	if (w->rw->flow.mark[i + 1] & FLOW_TARGET || next->dst != in->dst ||
	    next->imm != in->imm)
		return;
	if (in->op == OP_LSH64_K && next->op == OP_RSH64_K && in->imm == 32 && rule_on(w->rw, RULE_ZEXT)) {
		*in = (struct insn){ .op = OP_MOV32_X, .dst = in->dst, .src = in->dst, .steps = in->steps };
		drop(next);
		hit(w->rw, RULE_ZEXT);
		return;
	}
	if (!sign || !rule_on(w->rw, RULE_MOVSX))
		return;
	if (in->op == OP_LSH64_K && next->op == OP_ARSH64_K)
		op = in->imm == 56 ? OP_MOVSB64_X : in->imm == 48 ? OP_MOVSH64_X : in->imm == 32 ? OP_MOVSW64_X : OP_BAD;
	else if (in->op == OP_LSH32_K && next->op == OP_ARSH32_K)
		op = in->imm == 24 ? OP_MOVSB32_X : in->imm == 16 ? OP_MOVSH32_X : OP_BAD;
	if (op == OP_BAD)
		return;
	*in = (struct insn){ .op = op, .dst = in->dst, .src = in->dst, .steps = in->steps };
	drop(next);
	hit(w->rw, RULE_MOVSX);
}

bool walk_needless(struct walk *w, const struct insn *in)
{
	const struct known *d = &w->reg[in->dst];

	if (!rule_on(w->rw, RULE_ZEXT))
		return false;
	return (d->zero_up && ((in->op == OP_MOV32_X && in->src == in->dst) || in->op == OP_LE32)) || range_keeps(in, d);
}

/* ---- rotations ---- */

void walk_half(const struct insn *in, uint32_t i, const struct known *before, struct half *out)
{
	bool left = in->op == OP_LSH64_K || in->op == OP_LSH32_K;
	bool narrow = in->op == OP_LSH32_K || in->op == OP_RSH32_K ||
		      (in->op == OP_RSH64_K && before->zero_up && in->imm < 32);

	*out = (struct half){ 0 };
	if (!left && in->op != OP_RSH64_K && in->op != OP_RSH32_K)
		return;
	if (in->imm <= 0 || in->imm >= (narrow ? 32 : 64))
		return;
	*out = (struct half){ left, narrow ? 32 : 64, (uint8_t)in->imm, true,
			      narrow ? before->id32 : before->id64, i };
}

bool walk_rotate(struct walk *w, struct insn *in)
{
	const struct half *a = &w->reg[in->dst].half, *b = &w->reg[in->src].half;
	bool narrow_op = in->op == OP_OR32_X || in->op == OP_XOR32_X || in->op == OP_ADD32_X;
	struct insn *shift;
	uint8_t width;

	if (!narrow_op && in->op != OP_OR64_X && in->op != OP_XOR64_X && in->op != OP_ADD64_X)
		return false;
	if (!rule_on(w->rw, RULE_ROTATE) || in->dst == in->src || !a->width || a->width != b->width ||
	    a->of != b->of || a->left == b->left || a->k + b->k != a->width || !a->clean ||
	    (narrow_op && a->width == 64))
		return false;
	shift = &w->rw->code->insn[a->at];
	shift->imm = a->left ? a->k : b->k;
	shift->op = a->width == 64 ? OP_ROL64 : OP_ROL32;
	width = a->width;
	walk_forget(w, in->dst, false);	/* all that was known named the half */
	w->reg[in->dst].zero_up = width == 32;
	w->reg[in->dst].hi = width == 32 ? UINT32_MAX : UINT64_MAX;
	drop(in);
	return hit(w->rw, RULE_ROTATE);
}

/* ---- numbers in pieces ---- */

/* What `in` makes of pieces of memory: low | high << its place. */
struct piece walk_piece(const struct walk *w, const struct insn *in, const struct known *d)
{
	const struct known *s = &w->reg[in->src];
	struct piece a = d->piece, b = s->piece, none = { 0 };
	unsigned bits = isa_op[in->op].flags & OPF_WIDTH64 ? 64 : 32;

	switch (in->op) {
	case OP_LD_B: case OP_LD_H: case OP_LD_W: case OP_LD_DW:
		if (in->src == 10) {
			const struct slot *slot = frame_slot(w, in);

			return slot && slot->piece.size * 8u + slot->piece.shift <= isa_op[in->op].size * 8u ? slot->piece : none;
		}
		if (in->op == OP_LD_DW)
			return none;
		return (struct piece){ in->src, isa_op[in->op].size, 0, in->off, w->ver[in->src], w->memory };
	case OP_MOV64_X: case OP_MOV32_X:
		return b.size * 8u + b.shift <= bits ? b : none;
	case OP_LSH64_K: case OP_LSH32_K:
		if (in->imm < 0 || in->imm % 8 || a.size * 8 + a.shift + in->imm > bits)
			return none;
		a.shift += (uint8_t)in->imm;
		return a;
	case OP_OR64_X: case OP_OR32_X: case OP_XOR64_X: case OP_XOR32_X: case OP_ADD64_X: case OP_ADD32_X:
		if (a.shift > b.shift) {
			struct piece t = a;

			a = b;
			b = t;
		}
		if (!a.size || !b.size || a.base != b.base || a.base_ver != b.base_ver || a.at != b.at ||
		    b.shift != a.shift + a.size * 8 || b.off != a.off + a.size || b.size * 8u + b.shift > bits)
			return none;
		a.size += b.size;
		return a;
	default:
		return none;
	}
}

void walk_widen(struct walk *w, struct insn *in)
{
	struct piece p;

	if (isa_op[in->op].shape != SHAPE_ALU_X || in->op == OP_MOV64_X || in->op == OP_MOV32_X ||
	    !rule_on(w->rw, RULE_WIDEN))
		return;
	p = walk_piece(w, in, &w->reg[in->dst]);
	if ((p.size != 2 && p.size != 4 && p.size != 8) || p.shift || p.at != w->memory || !current(w, p.base, p.base_ver))
		return;
	*in = (struct insn){ .op = p.size == 2 ? OP_LD_H : p.size == 4 ? OP_LD_W : OP_LD_DW, .dst = in->dst,
			     .src = p.base & 15, .steps = in->steps, .off = p.off };
	hit(w->rw, RULE_WIDEN);
}

/* ---- addresses ---- */

void walk_address(struct walk *w, struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	bool load = shape == SHAPE_LOAD, plain = isa_op[in->op].group != ISA_LINUX && !(isa_op[in->op].flags & OPF_SIGNED);
	uint8_t r = load ? in->src : in->dst;
	const struct known *sum;
	int64_t off;

	if (!load && shape != SHAPE_STORE_X && shape != SHAPE_STORE_K)
		return;
	sum = walk_sum_of(w, r);
	if (!sum || (sum->base == r && sum->index == NO_REG))
		return;
	off = (int64_t)in->off + sum->disp;
	if (!fits32(off) || off > (1 << 29) || off < -(1 << 29))
		return;
	if (sum->index == NO_REG) {
		if (!rule_on(w->rw, RULE_ADDRESS))
			return;
		if (load)
			in->src = sum->base & 15;
		else
			in->dst = sum->base & 15;
		in->off = (int32_t)off;
		hit(w->rw, RULE_ADDRESS);
		return;
	}
	if (!plain || shape == SHAPE_STORE_K || !rule_on(w->rw, RULE_INDEX))
		return;
	in->op = indexed_op(in->op);
	if (load)
		in->src = sum->base & 15;
	else
		in->dst = sum->base & 15;
	in->off = (int32_t)off;
	in->imm = 0;
	in->imm_lo = insn_index(sum->index, sum->scale);
	hit(w->rw, RULE_INDEX);
}
