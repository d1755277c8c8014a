/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop.c - loops of one block: unrolled, the counter's steps folded into displacements.
 * Where the number of rounds is only known at run time, whole groups of rounds run in an unrolled loop in front
 * of the original, which does the rest. */
#include <errno.h>
#include "vm/lanes.h"
#include "vm/mem.h"
#include "vm/rewrite/in.h"

enum { MAX_BODY = 24, MAX_OUT = 96, MIN_ROUNDS = 8, RUNTIME_BODY = 12, MAX_SUMS = 64 };

struct loop {
	uint32_t head, tail;		/* body [head, tail), tail is the conditional jump */
	uint8_t counter;
	uint32_t step_at;		/* the instruction that steps it */
	int64_t step;
	uint32_t rounds, copies;
	bool runtime;			/* rounds is not known; `left` holds how far the counter has to go */
	uint8_t left;
	bool folded;			/* the counter's uses are indices: its steps can be displacements */
};

static bool is_body_op(const struct insn *in)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: case SHAPE_WIDE: case SHAPE_LOAD:
	case SHAPE_STORE_X: case SHAPE_STORE_K: case SHAPE_FUSED: case SHAPE_FUSED_LOAD: case SHAPE_FUSED_STORE:
		return true;
	default:
		return false;
	}
}

static bool index_is(const struct insn *in, uint8_t reg)
{
	uint8_t shape = isa_op[in->op].shape;

	return (shape == SHAPE_FUSED_STORE || in->op == OP_LDI_B || in->op == OP_LDI_H || in->op == OP_LDI_W ||
		in->op == OP_LDI_DW) && (in->imm_lo & 15) == reg;
}

static bool find_counter(const struct rewriter *rw, struct loop *l)
{
	const struct insn *jcc = &rw->code->insn[l->tail];
	uint32_t writes = 0;

	l->counter = jcc->dst;
	for (uint32_t i = l->head; i < l->tail; i++)
		if (flow_writes(&rw->code->insn[i]) >> l->counter & 1) {
			const struct insn *in = &rw->code->insn[i];

			writes++;
			l->step_at = i;
			l->step = in->imm;
			if (in->op != OP_ADD64_K && in->op != OP_ADD32_K)
				return false;
		}
	return writes == 1 && l->step > 0 && l->step < 4096;
}

static bool count_rounds(const struct rewriter *rw, struct loop *l)
{
	l->rounds = loop_rounds(rw->code, &rw->flow, l->head, &rw->code->insn[l->tail], l->counter, l->step);
	return l->rounds >= MIN_ROUNDS;
}

/* ---- running sums ---- */

/* Has the instruction to do with neither T nor A but that it stores T? */
static bool stores_only(const struct insn *in, const struct insn *copy)
{
	struct lane_mem m;

	return lane_mem(in, &m) && m.store && isa_op[in->op].shape != SHAPE_STORE_K && in->src == copy->src && m.base != copy->src &&
	       m.base != copy->dst && m.index != copy->src && m.index != copy->dst;
}

/* T += A; A = T is A += T; T = A, and that shows A to be a sum (vm/lanes.c); of use where T is not read any more. */
static void turn_sums(struct rewriter *rw, uint32_t head, uint32_t tail)
{
	for (uint32_t i = head + 1; i < tail; i++) {
		struct insn *copy = &rw->code->insn[i], *sum;
		uint32_t pair = 1u << copy->dst | 1u << copy->src, at = i;

		if ((copy->op != OP_MOV64_X && copy->op != OP_MOV32_X) || rw->flow.mark[i] & FLOW_TARGET)
			continue;
		do
			sum = &rw->code->insn[--at];
		while (at > head && (!((flow_reads(rw->code, sum) | flow_writes(sum)) & pair) || stores_only(sum, copy)) &&
		       !flow_is_jump(sum) && !(rw->flow.mark[at] & FLOW_TARGET));
		switch (sum->op) {
		case OP_ADD64_X: case OP_XOR64_X: case OP_OR64_X:
			if (copy->op == OP_MOV32_X)
				continue;
			break;
		case OP_ADD32_X: case OP_XOR32_X: case OP_OR32_X: break;
		default: continue;
		}
		if (sum->dst != copy->src || sum->src != copy->dst || sum->dst == sum->src)
			continue;
		for (struct insn *in = sum + 1; in < copy; in++)
			if (stores_only(in, copy))
				in->src = copy->dst;
		sum->dst = copy->dst;
		sum->src = copy->src;
		copy->dst = sum->src;
		copy->src = sum->dst;
		if (!(flow_live_after(rw->code, &rw->flow, i) >> copy->dst & 1))
			drop(copy);
		hit(rw, RULE_REDUCE);
	}
}

/* ---- counters ---- */

/* The jump back finds the next round's number in a: `more` than was there, and what was in b. */
static bool compares_next(const struct rewriter *rw, uint32_t head, struct insn *back, uint8_t a, uint8_t b, int64_t more)
{
	bool x = isa_op[back->op].shape == SHAPE_JCC_X;
	unsigned row = (back->op - (unsigned)OP_JEQ64_K) / 4;
	int64_t from;

	if (!flow_is_branch(back))
		return true;
	if (back->dst == a) {	/* !=, <: from a number that is not below zero up, nothing goes round */
		back->imm += more;
		return !x && (row == 4 || row == 7) && more > 0 && back->imm >= more && back->imm <= INT32_MAX &&
		       lane_start(rw->code, &rw->flow, head, b, &from) && from >= 0 && from <= INT32_MAX;
	}
	if (x && back->src == b)
		back->src = a;
	else if (x && back->src == a)
		return false;
	if (back->dst == b)
		back->dst = a;
	return true;
}

/* A = B at the head; B = A; B += c not far from the jump back: A alone counts.  What has a limit that is not
 * known beside a known one is compiled to that. */
static void turn_counter(struct rewriter *rw, uint32_t head, uint32_t tail)
{
	struct insn *all = rw->code->insn, *first = &all[head], *copy, *add = &all[tail - 1], back = all[tail];
	const uint8_t *mark = rw->flow.mark;
	uint8_t a = first->dst, b = first->src, target = mark[tail];
	uint32_t pair = 1u << a | 1u << b;

	if ((first->op != OP_MOV64_X && first->op != OP_MOV32_X) || !head || !flow_falls(first - 1) || mark[head] / FLOW_ONE != 1 ||
	    flow_enters_head(rw->code, &rw->flow, head, tail) || (flow_falls(&back) && rw->flow.live[tail + 1] & pair) ||
	    flow_live_after(rw->code, &rw->flow, head) >> b & 1)
		return;
	for (; !(flow_writes(add) & pair); add--) {	/* the first writes a */
		if (flow_is_jump(add) || flow_reads(rw->code, add) & pair)
			return;
		target |= mark[add - all];
	}
	copy = add - 1;
	if (copy <= first || (target | mark[add - all]) & FLOW_TARGET || add->dst != b || copy->dst != b || copy->src != a ||
	    (add->op == OP_ADD64_K ? first->op != OP_MOV64_X || copy->op != OP_MOV64_X :
	     add->op != OP_ADD32_K || (copy->op != OP_MOV64_X && copy->op != OP_MOV32_X)))
		return;
	for (const struct insn *in = first + 1; in < copy; in++)
		if (flow_writes(in) >> a & 1)
			return;
	if (!compares_next(rw, head, &back, a, b, add->imm))
		return;
	add->dst = a;
	drop(copy);
	back.off = (int32_t)head + 1;
	all[tail] = back;
	hit(rw, RULE_COUNTER);
}

static void find_left(const struct rewriter *rw, struct loop *l)
{
	uint32_t busy = rw->flow.live[l->head] | flow_live_after(rw->code, &rw->flow, l->tail) | 1u << 10;

	for (uint32_t i = l->head; i <= l->tail; i++)
		busy |= flow_reads(rw->code, &rw->code->insn[i]) | flow_writes(&rw->code->insn[i]);
	l->left = (busy & 0x3f) == 0x3f ? NO_REG : (uint8_t)__builtin_ctz(~busy);
}

/* ---- building ---- */

/* `if counter < limit` (or != with steps of one) goes round: limit - counter says how many rounds are
 * left, once counter < limit was seen to hold. */
static bool counts_at_run_time(const struct rewriter *rw, struct loop *l)
{
	const struct insn *jcc = &rw->code->insn[l->tail];
	bool w = isa_op[jcc->op].flags & OPF_WIDTH64, step_w = isa_op[rw->code->insn[l->step_at].op].flags & OPF_WIDTH64;
	uint32_t body = l->tail - l->head;

	switch (jcc->op) {
	case OP_JNE64_K: case OP_JNE64_X: case OP_JNE32_K: case OP_JNE32_X:
		if (l->step != 1)
			return false;
		break;
	case OP_JSLT32_K: case OP_JSLT32_X:
		if (l->folded && !step_w)	/* the counter may be negative and become zero: no displacement does that */
			return false;
		break;
	case OP_JLT64_K: case OP_JLT64_X: case OP_JLT32_K: case OP_JLT32_X: case OP_JSLT64_K: case OP_JSLT64_X:
		break;
	default:
		return false;
	}
	if (body > RUNTIME_BODY || (w && !step_w))
		return false;
	for (uint32_t i = l->head; i < l->tail && isa_op[jcc->op].shape == SHAPE_JCC_X; i++)
		if (flow_writes(&rw->code->insn[i]) >> jcc->src & 1)
			return false;
	l->copies = body <= 6 ? 8 : 4;
	return l->runtime = true;
}

static bool find_loop(struct rewriter *rw, uint32_t tail, struct loop *l)
{
	const struct insn *jcc = &rw->code->insn[tail];
	uint32_t body, exits = 0;	/* what is read where jumps out of the loop lead */

	*l = (struct loop){ .head = (uint32_t)jcc->off, .tail = tail };
	body = tail - l->head;
	if (l->head >= tail || body > MAX_BODY || body < 2 || l->head == 0 || !flow_is_branch(jcc))
		return false;
	if (flow_enters_head(rw->code, &rw->flow, l->head, tail) || !flow_falls(jcc - body - 1))
		return false;
	for (uint32_t i = l->head; i < tail; i++) {
		const struct insn *in = &rw->code->insn[i];
		bool leaves = flow_is_branch(in) && (uint32_t)in->off - l->head > body;

		if ((!leaves && !is_body_op(in)) || (i > l->head && rw->flow.mark[i] & FLOW_TARGET))
			return false;
		exits |= leaves ? rw->flow.live[in->off] | 1u << REGS : 0;
	}
	if (!find_counter(rw, l))
		return false;
	l->folded = !(exits >> l->counter & 1);
	for (uint32_t i = l->head; i < tail; i++) {
		const struct insn *in = &rw->code->insn[i];
		uint32_t reads = flow_reads(rw->code, in) >> l->counter & 1;
		bool twice = in->src == l->counter || (isa_op[in->op].shape == SHAPE_FUSED_STORE && in->dst == l->counter);

		if (i != l->step_at && reads && (!index_is(in, l->counter) || twice))
			l->folded = false;
	}
	l->copies = count_rounds(rw, l) && (l->folded || body <= RUNTIME_BODY) ? l->folded ? body <= 4 ? 16 : 8 : body <= 6 ? 8 : 4 : 1;
	for (; l->copies > 1; l->copies /= 2)
		if (l->rounds % l->copies == 0 && l->copies * body <= MAX_OUT)
			break;
	return l->copies > 1 || (!exits && counts_at_run_time(rw, l));
}

static void put_round(const struct rewriter *rw, const struct loop *l, struct edit *o, uint32_t round)
{
	for (uint32_t i = l->head; i < l->tail; i++) {
		struct insn in = rw->code->insn[i];

		if (i == l->step_at && l->folded)
			continue;
		if (index_is(&in, l->counter) && l->folded)
			in.off += (int32_t)(((int64_t)round + (i > l->step_at)) * l->step) << (in.imm_lo >> 4);
		edit_put(o, in, rw->code->slot[i]);
	}
}

/* Sends runs with less than `copies` rounds left to the loop as it was. */
static void put_guard(struct rewriter *rw, const struct loop *l, struct edit *o)
{
	uint32_t slot = rw->code->slot[l->head];
	struct insn jcc = rw->code->insn[l->tail];
	bool w = isa_op[jcc.op].flags & OPF_WIDTH64, k = isa_op[jcc.op].shape == SHAPE_JCC_K;
	enum op stop = jcc.op == OP_JNE64_K || jcc.op == OP_JNE64_X || jcc.op == OP_JNE32_K || jcc.op == OP_JNE32_X ?
		       (enum op)((w ? OP_JGE64_K : OP_JGE32_K) + !k) : flow_inverse((enum op)jcc.op);

	jcc.op = (uint16_t)stop;
	jcc.steps = 0;
	edit_put(o, jcc, slot);
	edit_put(o, (struct insn){ .op = k ? OP_MOV64_K : OP_MOV64_X, .dst = l->left & 15, .src = jcc.src, .imm = jcc.imm }, slot);
	edit_put(o, (struct insn){ .op = w ? OP_SUB64_X : OP_SUB32_X, .dst = l->left & 15, .src = l->counter & 15 }, slot);
	edit_put(o, (struct insn){ .op = w ? OP_JSLE64_K : OP_JSLE32_K, .dst = l->left & 15, .off = (int32_t)l->head,
			      .imm = l->step * (l->copies - 1) }, slot);
}

/* One unrolled round done: again, or on in the loop as it was, or out. */
static void put_latch(struct rewriter *rw, const struct loop *l, struct edit *o, uint32_t again)
{
	uint32_t slot = rw->code->slot[l->tail];
	bool w = isa_op[rw->code->insn[l->tail].op].flags & OPF_WIDTH64;

	edit_put(o, (struct insn){ .op = w ? OP_ADD64_K : OP_ADD32_K, .dst = l->left & 15, .imm = -(l->step * l->copies) }, slot);
	edit_put(o, (struct insn){ .op = w ? OP_JSGT64_K : OP_JSGT32_K, .dst = l->left & 15, .off = ~(int32_t)again,
			      .imm = l->step * (l->copies - 1) }, slot);
}

/* Where whole groups of rounds run first, the old head is where the loop as it was begins. */
static void put_loop(struct rewriter *rw, const struct loop *l, struct edit *o)
{
	uint32_t end = rw->code->slot[l->tail], again;
	struct insn step = rw->code->insn[l->step_at], jcc = rw->code->insn[l->tail];

	if (l->runtime)
		put_guard(rw, l, o);
	o->label[l->head] = again = o->n;
	for (uint32_t round = 0; round < l->copies; round++)
		put_round(rw, l, o, round);
	step.imm = l->step * l->copies;
	if (l->folded)
		edit_put(o, step, rw->code->slot[l->step_at]);
	if (l->runtime)
		put_latch(rw, l, o, again);
	else
		edit_put(o, jcc, end);
	if (l->runtime) {
		edit_put(o, jcc, end);
		edit_goto(o, (int32_t)l->tail + 1, end);
		edit_copy(o, rw->code, l->head, l->tail + 1);
	}
	hit(rw, RULE_UNROLL);
}

static int rebuild(struct rewriter *rw, const struct loop *loops, uint32_t nr, uint32_t extra)
{
	struct code *code = rw->code;
	uint32_t at = 0;
	struct edit e;

	if (edit_begin(rw, &e, code->n + extra))	/* an upper bound */
		return -ENOMEM;
	for (uint32_t i = 0; i < code->n; i++) {
		e.label[i] = e.n;
		if (at < nr && i == loops[at].head) {
			put_loop(rw, &loops[at], &e);
			i = loops[at++].tail;
		} else {
			edit_put(&e, code->insn[i], code->slot[i]);
		}
	}
	edit_end(rw, &e);
	return 0;
}

enum { MAX_LOOPS = 16 };

int rewrite_loops(struct rewriter *rw)
{
	struct loop loops[MAX_LOOPS];
	uint32_t nr = 0, extra = 0;

	for (uint32_t i = 1; i < rw->code->n; i++) {
		uint32_t head = (uint32_t)rw->code->insn[i].off;

		if (!flow_is_jump(&rw->code->insn[i]) || head >= i || i - head > MAX_SUMS)
			continue;
		if (rule_on(rw, RULE_REDUCE))
			turn_sums(rw, head, i);
		if (rule_on(rw, RULE_COUNTER))
			turn_counter(rw, head, i);
	}
	if (rw->changed && rewrite_refresh(rw))
		return -ENOMEM;
	rw->changed = false;
	for (uint32_t i = 1; i < rw->code->n && nr < MAX_LOOPS; i++) {
		struct loop *l = &loops[nr];
		uint32_t head = (uint32_t)rw->code->insn[i].off;
		struct lanes lanes;

		if (!flow_is_jump(&rw->code->insn[i]) || head >= i)
			continue;
		if (rule_on(rw, RULE_WHOLE) && lanes_at(rw->code, &rw->flow, head, &lanes) && lanes.tail == i) {
			hit(rw, RULE_WHOLE);
			continue;
		}
		if (!rule_on(rw, RULE_UNROLL) || !find_loop(rw, i, l))
			continue;
		find_left(rw, l);
		if (l->runtime && l->left == NO_REG)
			continue;
		extra += l->copies * (l->tail - l->head) + 12 + l->tail - l->head;
		nr++;
	}
	return nr ? rebuild(rw, loops, nr, extra) : 0;
}
