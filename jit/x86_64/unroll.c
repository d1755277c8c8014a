/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unroll.c - short loops of checked code, several rounds at a time.
 *
 * Most of what checking costs in a short loop is the same each round: the steps, and accesses whose
 * addresses grow by a constant.  The fast copy of a program therefore holds such a loop twice: rounds
 * in a row that are charged together and whose accesses are tested together (emit_range), and the loop
 * as it was written, which takes over where a row of rounds does not fit; after one round of that the
 * row is tried again.  Leaving in the middle of a row gives the steps of the others back. */
#include <string.h>
#include "jit/x86_64/jc.h"

enum { SHORT = 10, LONGEST = 24, FAR = 4096 };

static bool fits(int64_t d) { return d <= FAR && d >= -FAR; }

static bool simple(const struct insn *in, uint32_t i)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: case SHAPE_LOAD: case SHAPE_STORE_X: case SHAPE_STORE_K:
	case SHAPE_ATOMIC: case SHAPE_WIDE: case SHAPE_FUSED: case SHAPE_MARK:
		return true;
	case SHAPE_JCC_K: case SHAPE_JCC_X:
		return (uint32_t)in->off > i;
	default:
		return false;
	}
}

/* The jump that closes the loop at `head`; 0: not such a loop.  *steps: of one round. */
static uint32_t find_end(const struct jc *c, uint32_t head, int32_t *steps)
{
	uint32_t end = c->code->sub[0].end;
	int64_t sum = 0;

	if (!(c->flow.mark[head] & FLOW_LOOP) || c->code->insn[head].op != OP_CHARGE)
		return 0;
	for (uint32_t i = head; i < end && i - head <= LONGEST; i++) {
		const struct insn *in = &c->code->insn[i];
		uint8_t shape = isa_op[in->op].shape;

		if (i > head && c->flow.mark[i] & FLOW_TARGET)
			return 0;
		if (in->op == OP_CHARGE)
			sum += in->imm;
		if ((in->op == OP_JA || in->op == OP_JA32) && (uint32_t)in->off == head) {
			*steps = (int32_t)sum;
			return sum < 1 << 20 ? i : 0;
		}
		if ((shape == SHAPE_JCC_K || shape == SHAPE_JCC_X) && (uint32_t)in->off == head) {
			*steps = (int32_t)sum;
			return sum < 1 << 20 && i + 1 < end && flow_inverse((enum op)in->op) != OP_BAD ? i : 0;
		}
		if (!simple(in, i))
			return 0;
	}
	return 0;
}

/* What each register grows by from round to round, at the head of the loop. */
static void first_deltas(struct jc *c, uint32_t head, uint32_t last)
{
	memset(c->delta, 0, sizeof c->delta);
	for (uint32_t i = head; i <= last; i++) {
		const struct insn *in = &c->code->insn[i];
		uint32_t writes = flow_writes(in);
		int64_t by = in->op == OP_ADD64_K ? in->imm : in->op == OP_SUB64_K ? -in->imm : FAR + 1;

		if (isa_op[in->op].shape == SHAPE_MARK)
			continue;
		for (int r = 0; r < 11; r++)
			if (writes >> r & 1)
				c->delta[r] = c->delta[r] != DELTA_UNKNOWN && fits(by) && fits(c->delta[r] + by) ?
					      c->delta[r] + (int32_t)by : DELTA_UNKNOWN;
	}
}

static int32_t scaled(int32_t d, int64_t by)
{
	return d != DELTA_UNKNOWN && fits(by) && fits(d * by) ? (int32_t)(d * by) : DELTA_UNKNOWN;
}

static int32_t sum(int32_t a, int32_t b)
{
	return a != DELTA_UNKNOWN && b != DELTA_UNKNOWN && fits((int64_t)a + b) ? a + b : DELTA_UNKNOWN;
}

static void delta_step(struct jc *c, const struct insn *in)
{
	int32_t *d = c->delta, s = d[in->src], v = DELTA_UNKNOWN;
	uint32_t writes = flow_writes(in);

	if (isa_op[in->op].shape == SHAPE_MARK)
		return;
	switch (in->op) {
	case OP_ADD64_K: case OP_SUB64_K: return;
	case OP_MOV64_X: case OP_LEA64: v = s; break;
	case OP_MOV64_K: case OP_MOV32_K: case OP_LDDW: case OP_LD_MAPVAL: v = 0; break;
	case OP_ADD64_X: v = sum(d[in->dst], s); break;
	case OP_LEAX64: v = sum(s, scaled(d[in->imm_lo & 15], 1 << (in->imm_lo >> 4 & 3))); break;
	case OP_LSH64_K: v = in->imm >= 0 && in->imm < 12 ? scaled(d[in->dst], 1 << in->imm) : v; break;
	case OP_MUL64_K: v = scaled(d[in->dst], in->imm); break;
	}
	for (int r = 0; r < 11; r++)
		if (writes >> r & 1)
			d[r] = r == in->dst ? v : DELTA_UNKNOWN;
}

/* `in`: the instruction, or what stands for it. */
static void one(struct jc *c, uint32_t i, const struct insn *in)
{
	c->i = i;
	c->in = in;
	jc_room(c, 512);
	emit_insn(c);
	c->in = &c->code->insn[i];
	track_kinds(c);
	fact_leave(c);
}

/* Where a loop that goes round until a register that grows by a constant has a certain value tests that: its
 * last jump, or the one before the goto that closes it.  0: it is not such a loop. */
static uint32_t counted(const struct jc *c, uint32_t head, uint32_t last)
{
	bool closed = isa_op[c->code->insn[last].op].shape == SHAPE_JA;
	uint32_t at = closed && last >= head + 3 ? last - 2 : last;
	const struct insn *in = &c->code->insn[at];
	int32_t step = c->delta[in->dst];

	if (last < head + 3 || (closed && c->code->insn[last - 1].op != OP_CHARGE) || !step || step == DELTA_UNKNOWN)
		return 0;
	return in->op == (closed ? OP_JEQ64_K : OP_JNE64_K) ||
	       (in->op == (closed ? OP_JEQ64_X : OP_JNE64_X) && in->src != in->dst && !c->delta[in->src]) ? at : 0;
}

/* Goes to `plain` when one of the rounds but the last would be the loop's last: the distance to the end,
 * less 1, is below what those rounds add. */
static void test_count(struct jc *c, const struct insn *in, uint32_t plain)
{
	int32_t step = c->delta[in->dst], most = (int32_t)(c->copies - 1) * (step > 0 ? step : -step);

	if (isa_op[in->op].shape == SHAPE_JCC_K)
		emit_const(c, TMP, (uint64_t)in->imm);
	else
		x_mov(&c->b, true, TMP, c->reg[in->src]);
	x_alu(&c->b, true, X_SUB, TMP, c->reg[in->dst]);
	if (step < 0)
		x_unary(&c->b, true, X_NEG, TMP);
	x_alu_k(&c->b, true, X_SUB, TMP, 1);
	x_alu_k(&c->b, true, X_CMP, TMP, most);
	jc_jcc(c, CC_B, plain);
}

static void rounds(struct jc *c, uint32_t head, uint32_t last, int32_t steps, uint32_t count)
{
	int32_t first[11];

	memcpy(first, c->delta, sizeof first);
	for (c->copy = 0; c->copy < c->copies && !c->no_memory; c->copy++) {
		c->again_steps = steps * (int32_t)(c->copies - 1 - c->copy);
		c->rest = c->again_steps + steps - (int32_t)c->code->insn[head].imm;
		memcpy(c->delta, first, sizeof first);
		c->i = head;
		fact_enter(c);
		for (uint32_t i = head + 1; i <= last; i++) {
			struct insn in = c->code->insn[i];

			if (i == last && c->copy + 1 < c->copies && flow_falls(&in)) {	/* leaves instead of going round */
				in.op = (uint16_t)flow_inverse((enum op)in.op);
				in.off = (int32_t)last + 1;
			}
			if (!c->copy)
				jc_bind(c, c->insn_label + i);
			if (c->copy + 1 < c->copies && (i == count || (i == last && !flow_falls(&in))))
				continue;	/* goes round, as test_count() knows, or always */
			one(c, i, &in);
			delta_step(c, &c->code->insn[i]);
		}
	}
}

bool emit_unrolled(struct jc *c, uint32_t *at)
{
	uint32_t head = *at, again, plain, last;
	int32_t steps;
	uint32_t count;

	last = find_end(c, head, &steps);
	if (!last)
		return false;
	plain = c->nr_label;
	for (uint32_t i = head; i <= last && !c->no_memory; i++)
		jc_label(c);
	if (c->no_memory)
		return true;
	c->i = head;
	c->in = &c->code->insn[head];
	first_deltas(c, head, last);
	count = counted(c, head, last);
	c->copies = last - head > SHORT ? 2 : count ? 8 : 4;
	c->plain_label = plain - head;
	jc_room(c, 512);
	enter_kinds(c);
	jc_align(c, 32);
	jc_bind(c, c->insn_label + head);
	if (count)
		test_count(c, &c->code->insn[count], plain);
	again = jc_here(c);
	c->rest = 0;
	emit_steps(c, steps * (int32_t)c->copies, again, plain);
	c->chain_end = last + 1;
	rounds(c, head, last, steps, count);
	jc_jmp(c, c->insn_label + last + 1);
	c->copies = 0;
	c->chain_end = head;
	for (uint32_t i = head; i <= last && !c->no_memory; i++) {
		jc_bind(c, plain + i - head);
		c->i = i;
		fact_enter(c);
		one(c, i, &c->code->insn[i]);
	}
	*at = last;
	return true;
}
