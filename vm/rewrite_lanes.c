/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite_lanes.c - loops whose rounds can run side by side (lanes.h): which of them stay whole for the engine, and
 * for the interpreter LANES in front of each. */
#include <errno.h>
#include <string.h>
#include "vm/rewrite_in.h"

enum { LEAST_ROUNDS = 24, MOST_LOOPS = 16 };	/* of the first, fewer are not worth it */

bool rewrite_whole(const struct rewriter *rw, uint32_t head, struct lanes *l)
{
	uint32_t places = 0;
	struct lane_mem m;

	if (!rule_on(rw, RULE_WHOLE) || !lanes_at(rw->code, &rw->flow, head, l))
		return false;
	if (rw->code->compiled)
		return true;
	for (uint32_t i = l->head; i < l->tail; i++) {
		const struct insn *in = &rw->code->insn[i];

		places += lane_mem(in, &m);
		if (flow_is_jump(in) && i != l->way_out)
			return false;
	}
	return !(l->picks | l->carries | l->halves | l->pairs | l->parts) && places <= LANE_PLACES && (l->limits || l->rounds >= LEAST_ROUNDS);
}

static struct insn lanes_insn(const struct lanes *l)
{
	struct insn in = { .op = OP_LANES, .dst = l->counter & 15, .off = (int32_t)l->tail + 1,
			   .src = (l->limits | (l->endless ? LANE_ENDLESS : 0) | (l->last ? LANE_LAST : 0)) & 15 };
	struct lane_hint h = { l->steps, l->sums, { { 0 } }, (uint16_t)(l->limits ? l->way_out - l->head : l->rounds) };

	if (l->rounds > UINT16_MAX && !l->limits)
		h.more = UINT16_MAX;		/* which is odd: the loop does the rest */
	for (int i = 0; i < l->limits; i++) {
		h.limit[i].reg = l->limit[i].reg & 15;
		h.limit[i].wide = l->limit[i].wide;
		h.limit[i].sign = l->limit[i].sign;
	}
	memcpy(&in.imm, &h, sizeof h);
	return in;
}

int rewrite_lanes(struct rewriter *rw)
{
	const struct code *code = rw->code;
	uint32_t tail = UINT32_MAX, again = 0, n = 0;
	struct lanes l;
	struct edit e;

	if (rewrite_refresh(rw) || edit_begin(rw, &e, code->n + MOST_LOOPS))
		return -ENOMEM;
	for (uint32_t i = 0; i < code->n; i++) {
		struct insn in = code->insn[i];

		e.label[i] = e.n;
		if (rw->flow.mark[i] & FLOW_LOOP && n < MOST_LOOPS && rewrite_whole(rw, i, &l)) {
			edit_put(&e, lanes_insn(&l), code->slot[i]);
			n++;
			again = e.n;
			tail = l.tail;
		}
		if (i == tail)		/* who comes from outside finds LANES */
			in.off = ~(int32_t)again;
		edit_put(&e, in, code->slot[i]);
	}
	edit_end(rw, &e);
	return rewrite_compact(rw);
}
