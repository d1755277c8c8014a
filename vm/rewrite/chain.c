/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chain.c - d ^= a; d ^= b is a ^= b; d ^= a where d is what comes last: a value that many steps
 * depend on waits for one operation instead of two.  The same for + and | and &. */
#include "vm/rewrite/in.h"

/* When each register's value is there, in cycles since the block began. */
struct times { uint32_t at[REGS]; };
enum { AGES = 1000 };	/* what a loop carries from round to round comes later than what a round makes */

static void pass(const struct rewriter *rw, const struct insn *in, struct times *t)
{
	uint32_t reads = flow_reads(rw->code, in), writes = flow_writes(in), at = 0;

	for (; reads; reads &= reads - 1)
		if (t->at[__builtin_ctz(reads)] > at)
			at = t->at[__builtin_ctz(reads)];
	at += flow_latency(in);
	for (; writes; writes &= writes - 1)
		t->at[__builtin_ctz(writes)] = at;
}

/* Registers that the loop from here to a jump back carries: live at its head and written in it. */
static uint32_t carried(const struct rewriter *rw, uint32_t head)
{
	uint32_t writes = 0;

	if (!(rw->flow.mark[head] & FLOW_LOOP))
		return 0;
	for (uint32_t i = head; i < rw->code->n && i - head < 256; i++) {
		const struct insn *in = &rw->code->insn[i];

		writes |= flow_writes(in);
		if (flow_is_jump(in) && (uint32_t)in->off == head)
			return writes & rw->flow.live[head];
		if (i > head && rw->flow.mark[i] & FLOW_TARGET)
			break;
	}
	return 0;
}

static bool is_chain(const struct insn *one, const struct insn *two)
{
	return two->op == one->op && two->dst == one->dst && flow_commutes(one);
}

static bool shorten(struct rewriter *rw, uint32_t i, const struct times *t)
{
	struct insn *one = &rw->code->insn[i], *two = one + 1;
	uint8_t d = one->dst, a = one->src, b = two->src;

	if (!is_chain(one, two) || a == b || a == d || b == d || a == 10 ||
	    rw->flow.mark[i + 1] & FLOW_TARGET || flow_live_after(rw->code, &rw->flow, i + 1) >> a & 1 ||
	    t->at[d] <= t->at[b] || t->at[d] <= t->at[a])
		return false;
	one->dst = a;
	one->src = b;
	two->src = a;
	return hit(rw, RULE_CHAIN);
}

void rewrite_chains(struct rewriter *rw)
{
	struct times t = { { 0 } };
	bool any = false;

	/* Most programs have none, and times are for nothing else. */
	for (uint32_t i = 0; i + 1 < rw->code->n && !any; i++)
		any = is_chain(&rw->code->insn[i], &rw->code->insn[i + 1]);
	for (uint32_t i = 0; any && i + 1 < rw->code->n && rule_on(rw, RULE_CHAIN); i++) {
		if (rw->flow.mark[i] & FLOW_TARGET) {
			uint32_t late = carried(rw, i);

			for (int r = 0; r < REGS; r++)
				t.at[r] = late >> r & 1 ? AGES : 0;
		}
		shorten(rw, i, &t);
		pass(rw, &rw->code->insn[i], &t);
	}
}
