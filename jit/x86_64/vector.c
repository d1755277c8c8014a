/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vector.c - runs of equal steps on neighbouring words, as an unrolled loop or a copied struct leaves them,
 * in SSE2 registers:
 *   sum    r = memory; d += r          the same d each time (also ^=, |=)
 *   copy   r = memory; memory = r      perhaps with one operation on r between
 * r must be dead after the run.  A copy moves two words at once, so no store of the first may reach the
 * load of the second: both accesses have the same base and index, or one of them is a frame that no
 * pointer leads to.  Not in checked code. */
#include "jit/x86_64/jc.h"

enum { LEAST_SUM = 8, ACC = 1, ACC2 = 2, OPERAND = 3 };

struct run {
	const struct insn *load, *alu, *store;	/* of the first step; alu, store: NULL when there is none */
	uint32_t each, steps;
	int size;
};

static bool is_load(const struct insn *in) { return in->op == OP_LD_DW || in->op == OP_LDI_DW; }
static bool is_store(const struct insn *in) { return in->op == OP_STX_DW || in->op == OP_STI_DW; }

static unsigned vector_op(uint16_t op)
{
	switch (op) {
	case OP_ADD64_X: case OP_ADD64_K: return 0xd4;	/* paddq, pxor, por, pand, psubq */
	case OP_XOR64_X: case OP_XOR64_K: return 0xef;
	case OP_OR64_X: case OP_OR64_K: return 0xeb;
	case OP_AND64_X: case OP_AND64_K: return 0xdb;
	case OP_SUB64_X: return 0xfb;
	default: return 0;
	}
}

static struct x_mem memory(const struct jc *c, const struct insn *in, int base, int32_t plus)
{
	if (isa_indexed(in->op))
		return x_idx(c->reg[base], c->reg[in->imm_lo & 15], in->imm_lo >> 4, in->off + plus);
	return x_at(c->reg[base], in->off + plus);
}

/* Is `in` the instruction `of`, k steps of 8 bytes on? */
static bool follows(const struct insn *in, const struct insn *of, uint32_t k)
{
	bool access = is_load(of) || is_store(of);
	int64_t off = (int64_t)of->off + (access ? 8 * (int64_t)k : 0);

	return in->op == of->op && in->dst == of->dst && in->src == of->src && in->imm == of->imm && in->off == off;
}

static bool uses(const struct insn *in, uint8_t reg, bool is_dst)
{
	return (is_dst ? in->dst : in->src) == reg || (isa_indexed(in->op) && (in->imm_lo & 15) == reg);
}

/* The step at c->i, and how often it comes. */
static bool find_run(const struct jc *c, struct run *run)
{
	const struct insn *in = c->in, *end = c->code->insn + c->code->sub[c->cur - c->sub].end;
	uint8_t r = in->dst;

	*run = (struct run){ .load = in, .each = 2 };
	if (!is_load(in) || in + 4 > end || uses(in, r, false))
		return false;
	if (vector_op(in[1].op)) {
		run->alu = in + 1;
		if (in[1].dst == r && in + 6 <= end && is_store(in + 2)) {
			run->store = in + 2;
			run->each = 3;
			if (isa_op[in[1].op].shape == SHAPE_ALU_X && in[1].src == r)
				return false;
		} else if (in[1].dst == r || isa_op[in[1].op].shape != SHAPE_ALU_X || in[1].src != r ||
			   in[1].op == OP_SUB64_X || in[1].op == OP_AND64_X || uses(in, in[1].dst, false)) {
			return false;
		}
	} else if (is_store(in + 1)) {
		run->store = in + 1;
	} else {
		return false;
	}
	if (run->store && (run->store->src != r || uses(run->store, r, true)))
		return false;
	run->steps = 1;
	for (const struct insn *at = in + run->each; at + run->each <= end; at += run->each, run->steps++)
		for (uint32_t k = 0; k < run->each; k++)
			if (c->flow.mark[at + k - c->code->insn] & FLOW_TARGET || !follows(at + k, in + k, run->steps))
				return run->steps > 1;
	return run->steps > 1;
}

static bool may_overlap(const struct jc *c, const struct run *run)
{
	const struct insn *l = run->load, *s = run->store;
	int32_t apart = s->off - l->off;

	if (l->src == s->dst && isa_indexed(l->op) == isa_indexed(s->op) && (!isa_indexed(l->op) || l->imm == s->imm))
		return apart > 0 && apart < 16;
	return !((l->src == 10) != (s->dst == 10) && c->cur->private);
}

static void broadcast(struct jc *c, const struct insn *alu)
{
	int from = TMP;

	if (isa_op[alu->op].shape == SHAPE_ALU_K)
		emit_const(c, TMP, (uint64_t)alu->imm);
	else
		from = c->reg[alu->src];
	x_movq_to(&c->b, OPERAND, from);
	x_sse_rr(&c->b, 0x6c, OPERAND, OPERAND);	/* punpcklqdq */
}

static void copy(struct jc *c, const struct run *run, uint32_t pairs)
{
	if (run->alu)
		broadcast(c, run->alu);
	for (uint32_t k = 0; k < pairs; k++) {
		jc_room(c, 64);
		x_movups_load(&c->b, ACC, memory(c, run->load, run->load->src, (int32_t)k * 16));
		if (run->alu)
			x_sse_rr(&c->b, vector_op(run->alu->op), ACC, OPERAND);
		x_movups_store(&c->b, memory(c, run->store, run->store->dst, (int32_t)k * 16), ACC);
	}
}

static void sum(struct jc *c, const struct run *run, uint32_t pairs)
{
	unsigned op = vector_op(run->alu->op);

	for (uint32_t k = 0; k < pairs; k++) {
		int to = k < 2 ? ACC + (int)k : OPERAND;

		jc_room(c, 64);
		x_movups_load(&c->b, to, memory(c, run->load, run->load->src, (int32_t)k * 16));
		if (k >= 2)
			x_sse_rr(&c->b, op, k & 1 ? ACC2 : ACC, OPERAND);
	}
	x_sse_rr(&c->b, op, ACC, ACC2);
	x_sse_rr(&c->b, 0x6f, OPERAND, ACC);		/* movdqa */
	x_sse_rr(&c->b, 0x6d, OPERAND, OPERAND);	/* punpckhqdq */
	x_sse_rr(&c->b, op, ACC, OPERAND);
	x_movq_from(&c->b, ACC, TMP);
	x_alu(&c->b, true, op == 0xd4 ? X_ADD : op == 0xef ? X_XOR : X_OR, c->reg[run->alu->dst], TMP);
}

bool emit_vector(struct jc *c)
{
	struct run run;
	uint32_t pairs, n;

	if (c->checked || !(c->rules & RULE_VECTOR) || !find_run(c, &run))
		return false;
	pairs = run.steps / 2;
	n = pairs * 2 * run.each;
	if (run.store ? may_overlap(c, &run) : run.steps < LEAST_SUM)
		return false;
	if (flow_live_after(c->code, &c->flow, c->i + n - 1) >> run.load->dst & 1)
		return false;
	if (run.store)
		copy(c, &run, pairs);
	else
		sum(c, &run, pairs);
	c->skip = n - 1;
	return true;
}
