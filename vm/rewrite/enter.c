/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* enter.c - an inner loop often stands in front of what leads to it, and a goto there goes back to its head.  The run of
 * code that ends in that goto is put in front of the head: a jump less each time, and who wants to see how a loop begins
 * (lanes, unroll) does so. */
#include <errno.h>
#include "vm/rewrite/in.h"

enum { ENTERS = 16, REACH = 256 };
struct run { uint32_t from, to; bool back; };	/* to: its goto; back: the branch before it jumps over it */

/* What leads to the head of the loop that branch `tail` ends and can be put in front of it, where nothing is. */
static bool find_run(const struct rewriter *rw, const struct subprog *sub, uint32_t tail, struct run *r)
{
	const struct insn *insn = rw->code->insn;
	uint32_t head = (uint32_t)insn[tail].off, at = head > sub->start + REACH ? head - REACH : sub->start;

	if (!flow_is_branch(&insn[tail]) || tail - head > REACH || head == sub->start || flow_falls(&insn[head - 1]) ||
	    flow_enters_head(rw->code, &rw->flow, head, tail) != 1)
		return false;
	for (; insn[at].op != OP_JA || (uint32_t)insn[at].off != head || at - head <= tail - head; at++)
		if (at + 1 == sub->end || (at > tail && at - tail == REACH))
			return false;
	*r = (struct run){ at, at, false };
	for (; !r->back && r->from > sub->start && flow_falls(&insn[r->from - 1]); r->from -= !r->back) {
		const struct insn *before = &insn[r->from - 1];

		if (at - r->from == REACH)
			return false;
		r->back = flow_is_branch(before) && (uint32_t)before->off == at + 1 && flow_inverse(before->op) != OP_BAD;
	}
	return r->from > sub->start && r->from - head > tail - head && head - r->from > at - r->from;
}

int rewrite_enters(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t n = 0, k = 0;

	for (uint32_t tail = 1; tail < code->n && n < ENTERS && rule_on(rw, RULE_ENTER); tail++) {
		uint32_t head = (uint32_t)code->insn[tail].off;
		struct edit e;
		struct run r;

		while (tail >= code->sub[k].end)
			k++;
		if (!find_run(rw, &code->sub[k], tail, &r))
			continue;
		if (edit_begin(rw, &e, code->n))
			return -ENOMEM;
		if (r.back) {
			code->insn[r.from - 1].op = (uint16_t)flow_inverse(code->insn[r.from - 1].op);
			code->insn[r.from - 1].off = (int32_t)r.from;
		}
		for (uint32_t i = 0; i < code->n; i++) {
			if (i == head) {
				edit_copy(&e, code, r.from, r.to);
				e.label[r.to] = e.n;
			}
			if (i - r.from > r.to - r.from)
				edit_copy(&e, code, i, i + 1);
		}
		edit_end(rw, &e);
		n += hit(rw, RULE_ENTER);
		if (rewrite_refresh(rw))
			return -ENOMEM;
	}
	return 0;
}
