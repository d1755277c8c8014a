/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* counted.c - loops of checked code whose number of rounds is known: a register that begins with a constant
 * grows by a constant until it has a certain value.  What else grows by a constant each round is then known to
 * within a range (facts.c), and how many steps the loop takes. */
#include <string.h>
#include "jit/x86_64/jc.h"

enum { FAR = 1 << 28, TRIES = 64 };	/* ways back that are looked at, each takes a pass over the program */

/* Does what jumps from j to `to` pass instruction i by, or come back to it within a round? */
static bool around(const struct counted *l, uint32_t j, uint32_t to, uint32_t i)
{
	if (to == l->head)	/* ends the round */
		return j < i;
	return (j < i && to > i && to <= l->last) || (to <= i && j >= i);
}

/* Is instruction i run exactly once a round? */
static bool always(const struct jc *c, const struct counted *l, uint32_t i)
{
	for (uint32_t j = l->head; j < l->last; j++) {
		const struct insn *in = &c->code->insn[j];

		if (flow_is_jump(in) && around(l, j, (uint32_t)in->off, i))
			return false;
	}
	return true;
}

/* What lies between the loop's first jump and where that goes, when no part of the loop: the way out of it. */
static uint32_t way_out(const struct jc *c, const struct counted *l, uint32_t *from)
{
	const struct insn *insn = c->code->insn;
	uint32_t at = l->head, end;

	while (!flow_is_jump(&insn[at]))
		at++;
	*from = at;
	end = (uint32_t)insn[at].off;
	if (end <= at + 1 || end > l->last || flow_falls(&insn[end - 1]))
		return at;
	while (++at < end)
		if (flow_is_jump(&insn[at]) && (uint32_t)insn[at].off >= l->head && (uint32_t)insn[at].off <= l->last)
			return *from;
	return end;
}

/* Entered at one place only (which no call enters)? */
static bool closed(const struct jc *c, struct counted *l)
{
	const struct insn *insn = c->code->insn;
	uint32_t out, end = way_out(c, l, &out);

	l->enter = UNSET;
	for (uint32_t k = 0; k < c->code->nr_sub; k++)
		if (c->code->sub[k].start == l->head)
			return false;
	if (l->head && flow_falls(&insn[l->head - 1]))
		l->enter = l->head;
	for (uint32_t j = 0; j < c->code->n; j++) {
		uint32_t to = (uint32_t)insn[j].off;
		bool inside = j >= l->head && j <= l->last;

		if (insn[j].op == OP_MAY_GOTO && inside)
			return false;
		if (!flow_is_jump(&insn[j]) || inside || to < l->head || to > l->last || (to > out && to < end))
			continue;
		if (l->enter != UNSET && l->enter != to)
			return false;
		l->enter = to;
	}
	return l->enter == l->head || (l->enter == end && end > out);
}

/* What each register grows by; 0: nothing, or it is not known. */
static void growth(const struct jc *c, struct counted *l)
{
	uint32_t seen = 0;

	memset(l->delta, 0, sizeof l->delta);
	for (uint32_t i = l->head; i <= l->last; i++) {
		const struct insn *in = &c->code->insn[i];
		uint32_t writes = isa_op[in->op].shape == SHAPE_MARK ? 0 : flow_writes(in);
		bool adds = (in->op == OP_ADD64_K || in->op == OP_SUB64_K) && in->imm > -FAR && in->imm < FAR;

		for (int r = 0; r < 10; r++)
			if (writes >> r & 1)
				l->delta[r] = 0;
		if (adds && !(seen >> in->dst & 1) && always(c, l, i))
			l->delta[in->dst] = (int32_t)(in->op == OP_ADD64_K ? in->imm : -in->imm);
		seen |= writes;
	}
}

/* The test that ends the loop: its last jump, the one before the goto that closes it, or that before which it
 * is entered. */
static bool find_test(const struct jc *c, struct counted *l)
{
	bool goes = isa_op[c->code->insn[l->last].op].shape == SHAPE_JA, inner = l->enter != l->head;
	uint32_t at = l->last - (goes ? c->code->insn[l->last - 1].op == OP_CHARGE ? 2 : 1 : 0);
	uint32_t until = l->last;
	const struct insn *in;

	if (inner) {
		way_out(c, l, &at);
		until = l->enter - 1;
		goes = false;
	}
	in = &c->code->insn[at];
	if (in->dst > 9 || at <= l->head || at > until || (goes && (uint32_t)in->off <= l->last) || in->imm <= 0 || in->imm >= FAR)
		return false;
	l->exact = in->op == (goes ? OP_JEQ64_K : OP_JNE64_K);
	l->reg = in->dst;
	l->end = (int32_t)in->imm;
	growth(c, l);
	if ((!l->exact && in->op != (goes ? OP_JGE64_K : OP_JLT64_K)) || l->delta[l->reg] <= 0 || !always(c, l, at) ||
	    (inner && !always(c, l, l->enter)))
		return false;
	for (uint32_t i = at; i <= until; i++)	/* grows before it is looked at */
		if (isa_op[c->code->insn[i].op].shape != SHAPE_MARK && flow_writes(&c->code->insn[i]) >> l->reg & 1)
			return false;
	return true;
}

void counted_find(struct jc *c)
{
	for (uint32_t i = 1, tries = 0; i < c->code->n && c->nr_counted < COUNTED && tries < TRIES; i++) {
		const struct insn *in = &c->code->insn[i];
		struct counted *l = &c->counted[c->nr_counted];

		if (!flow_is_jump(in) || (uint32_t)in->off >= i)
			continue;
		tries++;
		l->head = (uint32_t)in->off;
		l->last = i;
		if (closed(c, l) && !counted_at(c, l->enter) && find_test(c, l))
			c->nr_counted++;
	}
}

struct counted *counted_at(struct jc *c, uint32_t enter)
{
	for (uint32_t k = 0; k < c->nr_counted; k++)
		if (c->counted[k].enter == enter)
			return &c->counted[k];
	return NULL;
}

static struct fact widened(struct fact f, int64_t by)
{
	int64_t wide = f.span + (by < 0 ? -by : by);

	if (f.kind < FACT_CONST || f.kind > FACT_VALUE || wide > UINT16_MAX || f.off + by <= -FAR)
		return (struct fact){ 0 };
	f.off += by < 0 ? (int32_t)by : 0;
	f.span = (uint16_t)wide;
	return f;
}

void counted_enter(struct counted *l, struct fact now[11])
{
	struct fact f = now[l->reg];
	int64_t step = l->delta[l->reg], way = (int64_t)l->end - f.off;
	int32_t rounds = 0;

	if (f.kind == FACT_TOP)		/* not reached so far */
		return;
	if (f.kind == FACT_CONST && !f.span && way > 0 && way <= 2 * (int64_t)FAR &&
	    (l->exact ? way % step == 0 : f.off >= 0))	/* < and >= are unsigned */
		rounds = (int32_t)((way + step - 1) / step);
	if (!rounds || l->rounds < 0)
		l->rounds = -1;
	else if (rounds > l->rounds)
		l->rounds = rounds;
	for (int r = 0; r < 10; r++)
		if (l->delta[r])
			now[r] = rounds ? widened(now[r], (int64_t)l->delta[r] * (rounds - 1)) : (struct fact){ 0 };
}

/* Steps that the program takes at most, whichever way it goes; UINT64_MAX: that is not known. */
uint64_t counted_steps(const struct jc *c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < c->code->n; i++) {
		const struct insn *in = &c->code->insn[i];
		uint64_t steps = in->op == OP_CHARGE ? (uint64_t)in->imm : 0;
		bool known = !flow_is_jump(in) || (uint32_t)in->off > i;

		for (uint32_t k = 0; k < c->nr_counted; k++) {
			const struct counted *l = &c->counted[k];

			if (i < l->head || i > l->last)
				continue;
			known |= (uint32_t)in->off == l->head && l->rounds > 0;
			if (__builtin_mul_overflow(steps, (uint64_t)(uint32_t)l->rounds, &steps))
				return UINT64_MAX;
		}
		if (!known || __builtin_add_overflow(sum, steps, &sum))
			return UINT64_MAX;
	}
	return sum;
}
