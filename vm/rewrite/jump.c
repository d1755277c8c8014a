/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* jump.c - rules on control flow.  A CHARGE between a jump and what it leads to stops them:
 * the steps there have to be paid. */
#include <errno.h>
#include <string.h>
#include "vm/lanes.h"
#include "vm/mem.h"
#include "vm/rewrite/in.h"

enum { CHAIN = 8, SWEEPS = 64 };

/* Where a jump to `to` ends up. */
static uint32_t follow(const struct code *code, uint32_t to)
{
	for (int k = 0; k < CHAIN && flow_is_goto(&code->insn[to]) && (uint32_t)code->insn[to].off != to; k++)
		to = (uint32_t)code->insn[to].off;
	return to;
}

static void invert(struct rewriter *rw, uint32_t i)
{
	struct insn *in = &rw->code->insn[i], *next = in + 1;
	enum op op = flow_inverse(in->op);

	if (i + 2 >= rw->code->n || op == OP_BAD || (uint32_t)in->off != i + 2 || !flow_is_goto(next) ||
	    rw->flow.mark[i + 1] || !rule_on(rw, RULE_INVERT))
		return;
	in->op = (uint16_t)op;
	in->off = next->off;
	drop(next);
	hit(rw, RULE_INVERT);
}

/* The branch that goes round should be the conditional one. */
static void turn_loop(struct rewriter *rw, uint32_t i)
{
	struct insn *in = &rw->code->insn[i], *next = in + 1;
	enum op op = flow_inverse(in->op);
	int32_t out = in->off;

	if (i + 1 >= rw->code->n || op == OP_BAD || !flow_is_goto(next) || rw->flow.mark[i + 1] ||
	    (uint32_t)next->off > i || !rule_on(rw, RULE_LOOPBACK) || (out <= (int32_t)i && out >= next->off))
		return;
	in->op = (uint16_t)op;
	in->off = next->off;
	next->off = out;
	hit(rw, RULE_LOOPBACK);
}

/* Both ways go to where the goto leads: one jump of the two is enough, and the other is over a move. */
static void join(struct rewriter *rw, uint32_t i)
{
	struct insn *in = &rw->code->insn[i];
	int32_t to = in->off, join = (int32_t)i + 2;

	if (to == join || follow(rw->code, (uint32_t)to) != follow(rw->code, i + 2) || rw->flow.mark[i + 1] ||
	    !rule_on(rw, RULE_DIAMOND))
		return;
	in->off = join;
	if (!flow_selects(in, i)) {
		in->off = to;
		return;
	}
	rw->flow.mark[i + 2] = 1;
	hit(rw, RULE_DIAMOND);
}

static void duplicate_end(struct rewriter *rw, uint32_t i)
{
	struct insn *in = &rw->code->insn[i];
	const struct insn *to = &rw->code->insn[in->off];

	if (to->op == OP_EXIT && rule_on(rw, RULE_RETURN)) {
		*in = *to;
		hit(rw, RULE_RETURN);
	}
}

/* In order, so again only after backward jumps into the unseen: few times, or all there is counts as seen. */
static bool mark_reachable(const struct code *code, uint8_t *seen)
{
	bool more = true;

	for (uint32_t k = 0; k < code->nr_sub; k++)
		seen[code->sub[k].start] = 1;
	for (int sweep = 0; more && sweep < SWEEPS; sweep++) {
		more = false;
		for (uint32_t i = 0; i < code->n; i++) {
			const struct insn *in = &code->insn[i];

			if (!seen[i])
				continue;
			if (flow_falls(in) && i + 1 < code->n)
				seen[i + 1] = 1;
			if (flow_is_jump(in) && !seen[in->off]) {
				seen[in->off] = 1;
				more |= (uint32_t)in->off < i;
			}
		}
	}
	return !more;
}

static void drop_unreachable(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint8_t *seen = rw->flow.mark;

	if (!mark_reachable(code, seen))
		return;
	for (uint32_t k = 0; k < code->nr_sub; k++)
		for (uint32_t i = code->sub[k].start; i < code->sub[k].end; i++)
			if (!seen[i]) {
				drop(&code->insn[i]);
				hit(rw, RULE_DEAD);
			}
}

static void thread(struct rewriter *rw)
{
	struct code *code = rw->code;

	for (uint32_t i = 0; i < code->n && rule_on(rw, RULE_THREAD); i++) {
		struct insn *in = &code->insn[i];
		uint32_t to = flow_is_jump(in) ? follow(code, (uint32_t)in->off) : 0;

		if (!flow_is_jump(in) || to == (uint32_t)in->off ||
		    (rule_on(rw, RULE_DIAMOND) && flow_selects(in, i)))
			continue;
		in->off = (int32_t)to;
		hit(rw, RULE_THREAD);
	}
}

/* Branches beside a goto, gotos to an exit. */
static void turn(struct rewriter *rw)
{
	struct code *code = rw->code;

	flow_targets(code, rw->flow.mark);
	for (uint32_t i = 0; i + 2 < code->n; i++)
		if (flow_is_goto(&code->insn[i + 2]) && flow_is_branch(&code->insn[i]))
			join(rw, i);
	for (uint32_t i = 0; i + 1 < code->n; i++)
		if (flow_is_goto(&code->insn[i + 1]) && flow_is_branch(&code->insn[i]))
			invert(rw, i);
	for (uint32_t i = 0; i + 1 < code->n; i++)
		if (flow_is_goto(&code->insn[i + 1]) && flow_is_branch(&code->insn[i]))
			turn_loop(rw, i);
	for (uint32_t i = 0; i < code->n; i++)
		if (flow_is_goto(&code->insn[i]))
			duplicate_end(rw, i);
	memset(rw->flow.mark, 0, code->n);
}

int rewrite_jumps(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t ends = 0;
	bool gotos = false;	/* all rules but RULE_DEAD are about them */

	for (uint32_t i = 0; i < code->n; i++)
		if (!flow_falls(&code->insn[i])) {
			gotos |= flow_is_goto(&code->insn[i]);
			ends++;
		}
	if (gotos)
		thread(rw);
	rw->flow.mark = mem_array(code->host, code->n, 1);
	rw->flow.n = code->n;
	if (!rw->flow.mark)
		return -ENOMEM;
	if (gotos)
		turn(rw);
	if (rule_on(rw, RULE_DEAD) && ends > code->nr_sub)	/* else all of them are where subprograms end */
		drop_unreachable(rw);
	/* A jump to the next instruction. */
	for (uint32_t i = 0; i + 1 < code->n && rule_on(rw, RULE_THREAD); i++)
		if ((uint32_t)code->insn[i].off == i + 1 && (flow_is_goto(&code->insn[i]) || flow_is_branch(&code->insn[i]))) {
			drop(&code->insn[i]);
			hit(rw, RULE_THREAD);
		}
	return 0;
}

/* ---- short blocks in place of jumps to them ---- */

enum { SHORT = 3 };

/* Instructions of the block at `at` when it is short and ends in a branch or exit; 0: it is not. */
static uint32_t short_block(const struct code *code, uint32_t at)
{
	for (uint32_t n = 0; at + n < code->n && n <= SHORT; n++) {
		const struct insn *in = &code->insn[at + n];

		switch (isa_op[in->op].shape) {
		case SHAPE_JCC_K: case SHAPE_JCC_X: case SHAPE_EXIT:
			return n + 1;
		case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN:
			break;
		case SHAPE_MARK:
			if (in->op == OP_CHARGE)
				break;
			return 0;
		default:
			return 0;
		}
	}
	return 0;
}

static uint32_t copy_length(const struct code *code, uint32_t i)
{
	uint32_t n = flow_is_goto(&code->insn[i]) ? short_block(code, (uint32_t)code->insn[i].off) : 0;

	if (!n || (uint32_t)code->insn[i].off == i + 1)
		return 0;
	return n + (code->insn[code->insn[i].off + (int32_t)n - 1].op != OP_EXIT);
}

int rewrite_tails(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t old = code->n, n = old, budget = old / 2 + 16;
	struct edit e;

	if (!rule_on(rw, RULE_TAILDUP))
		return 0;
	for (uint32_t i = 0; i < old; i++) {
		uint32_t k = copy_length(code, i);

		if (k && n + k - 1 <= old + budget)
			n += k - 1;
	}
	if (n == old)
		return 0;
	if (edit_begin(rw, &e, n))
		return -ENOMEM;
	n = old;
	for (uint32_t i = 0; i < old; i++) {
		uint32_t k = copy_length(code, i), from = (uint32_t)code->insn[i].off;
		uint32_t body = k ? short_block(code, from) : 0;

		e.label[i] = e.n;
		if (!k || n + k - 1 > old + budget) {
			edit_put(&e, code->insn[i], code->slot[i]);
			continue;
		}
		n += k - 1;
		for (uint32_t at = from; at < from + k; at++)
			/* past the branch: go on where the block went on */
			if (at == from + body && code->insn[at].op != OP_EXIT)
				edit_goto(&e, (int32_t)at, code->slot[at]);
			else
				edit_put(&e, code->insn[at], code->slot[at]);
		hit(rw, RULE_TAILDUP);
	}
	edit_end(rw, &e);
	return 0;
}

/* ---- latches ----
 *
 * Where jumps in a loop lead to its last block, which jumps back to the head, each such round is two jumps.  With that
 * block in front of the head it is one. */

enum { LATCHES = 16, REACH = 256 };

/* Where the block begins that jump `tail` to `head` ends, when such jumps lead there; 0: none. */
static uint32_t latch_of(struct rewriter *rw, uint32_t head, uint32_t tail)
{
	const struct insn *insn = rw->code->insn;
	struct lanes lanes;
	uint32_t at = tail;
	int jumps = 0, behind = 0;

	/* what nothing falls into is turned already */
	if (!head || head >= tail || !flow_falls(&insn[head - 1]) || flow_inverse(insn[tail].op) == OP_BAD)
		return 0;
	while (!(rw->flow.mark[at] & FLOW_TARGET))
		if (flow_is_jump(&insn[--at]))
			return 0;
	if (at <= head || flow_selects(&insn[at - 2], at - 2))
		return 0;
	for (uint32_t i = head; i < rw->code->n && i - head < REACH; i++) {
		if (!flow_is_jump(&insn[i]))
			continue;
		if ((uint32_t)insn[i].off == at)
			jumps++, behind |= i > tail;
		else if (i < tail && (uint32_t)insn[i].off < head)
			return 0;
	}
	/* and what is entered there is, too */
	if (jumps + behind < 2 || jumps != rw->flow.mark[at] / FLOW_ONE)
		return 0;
	return rule_on(rw, RULE_WHOLE) && lanes_at(rw->code, &rw->flow, head, &lanes) ? 0 : at;
}

int rewrite_latches(struct rewriter *rw)
{
	struct code *code = rw->code;

	for (uint32_t tail = 1, n = 0; tail < code->n && n < LATCHES && rule_on(rw, RULE_LATCH); tail++) {
		struct insn *back = &code->insn[tail];
		uint32_t head = (uint32_t)back->off, at = flow_is_branch(back) ? latch_of(rw, head, tail) : 0;
		const uint32_t cut[] = { 0, head, at, tail + 1, head, at, tail + 1, code->n };
		struct edit e;

		if (!at)
			continue;
		if (edit_begin(rw, &e, code->n + 2))
			return -ENOMEM;
		back->op = (uint16_t)flow_inverse(back->op);
		back->off = (int32_t)++tail;
		for (int k = 0; k < 8; k += 2) {
			edit_copy(&e, code, cut[k], cut[k + 1]);
			if (k % 4 == 0 && flow_falls(&e.insn[e.n - 1]))
				edit_goto(&e, (int32_t)cut[k + 1], e.slot[e.n - 1]);
		}
		edit_end(rw, &e);
		n += hit(rw, RULE_LATCH);
		if (rewrite_refresh(rw))
			return -ENOMEM;
	}
	return 0;
}
