/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite_dead.c - loads that step forward to their address, a backward walk that drops what nobody reads, and what
 * is read on one way only steps behind the branch. */
#include <string.h>
#include "vm/rewrite_in.h"

enum { SINK = 6 };	/* so far before a branch it is looked for */

/* addr += index; index = ...; x = *addr: the load first, so that index can be part of it.  Up to two
 * instructions on registers may stand between. */
static bool steps_aside(const struct rewriter *rw, uint32_t i, const struct insn *load)
{
	const struct insn *in = &rw->code->insn[i];
	uint8_t shape = isa_op[in->op].shape;

	return (shape == SHAPE_ALU_K || shape == SHAPE_ALU_X || shape == SHAPE_UN) &&
	       !(flow_writes(in) & (1u << load->src | 1u << load->dst)) &&
	       !(flow_reads(rw->code, in) >> load->dst & 1) && !(rw->flow.mark[i] & FLOW_TARGET);
}

static void hoist_load(struct rewriter *rw, uint32_t i)
{
	struct insn *in = &rw->code->insn[i], load;
	uint32_t at = i + 1, slot, written = 0;

	if (in->op != OP_ADD64_X)
		return;
	while (at < rw->code->n && at <= i + 2 && isa_op[rw->code->insn[at].op].shape != SHAPE_LOAD)
		written |= flow_writes(&rw->code->insn[at++]);
	if (at == i + 1 || at >= rw->code->n || rw->flow.mark[at] & FLOW_TARGET)
		return;
	load = rw->code->insn[at];
	slot = rw->code->slot[at];
	if (isa_op[load.op].shape != SHAPE_LOAD || isa_op[load.op].group == ISA_LINUX || load.src != in->dst ||
	    !(written >> in->src & 1))
		return;
	for (uint32_t k = i + 1; k < at; k++)
		if (!steps_aside(rw, k, &load))
			return;
	for (uint32_t k = at; k > i + 1; k--) {
		rw->code->insn[k] = rw->code->insn[k - 1];
		rw->code->slot[k] = rw->code->slot[k - 1];
	}
	rw->code->insn[i + 1] = load;
	rw->code->slot[i + 1] = slot;
	hit(rw, RULE_HOIST);
}

void rewrite_hoist(struct rewriter *rw)
{
	for (uint32_t i = 0; i < rw->code->n && rule_on(rw, RULE_HOIST); i++)
		hoist_load(rw, i);
}

/* ---- backward: what nobody reads ---- */

static bool is_pure(const struct insn *in)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: case SHAPE_WIDE: case SHAPE_FUSED:
		return true;
	default:
		return false;
	}
}

static bool is_load(const struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;

	return (shape == SHAPE_LOAD && isa_op[in->op].group != ISA_LINUX) || shape == SHAPE_FUSED_LOAD;
}

/* Moves instruction `from` behind `to`; no jump leads to those between. */
static void step_behind(struct code *code, uint32_t from, uint32_t to)
{
	struct insn in = code->insn[from];
	uint32_t slot = code->slot[from];

	memmove(&code->insn[from], &code->insn[from + 1], (to - from) * sizeof in);
	memmove(&code->slot[from], &code->slot[from + 1], (to - from) * sizeof slot);
	code->insn[to] = in;
	code->slot[to] = slot;
}

/* Who goes where branch `at` leads has no use for some of what was computed just before it. */
static void sink_before(struct rewriter *rw, uint32_t at)
{
	struct code *code = rw->code;
	const struct insn *in = &code->insn[at];
	uint32_t busy = flow_reads(code, in), writes = 0, sink = ~(uint32_t)rw->flow.live[in->off] & rw->flow.live[at + 1];

	if (rw->flow.mark[at + 1] & FLOW_TARGET || flow_selects(in, at))
		return;
	for (uint32_t i = at, least = at > SINK ? at - SINK : 0; i > least && !(rw->flow.mark[i] & FLOW_TARGET); ) {
		uint32_t sets = flow_writes(in = &code->insn[--i]), reads = flow_reads(code, in);

		if (is_pure(in) && sets & sink & ~busy && !(reads & writes)) {
			step_behind(code, i, at--);
			hit(rw, RULE_SINK);
			continue;
		}
		if (flow_is_jump(in) || in->op == OP_CHARGE)
			return;
		busy |= reads | sets;
		writes |= sets;
	}
}

void rewrite_sink(struct rewriter *rw)
{
	for (uint32_t i = 1; i + 1 < rw->code->n && rule_on(rw, RULE_SINK); i++)
		if (flow_is_branch(&rw->code->insn[i]))
			sink_before(rw, i);
}

void rewrite_dead(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t live = 0;

	for (uint32_t i = code->n; i-- > 0; ) {
		struct insn *in = &code->insn[i];
		uint32_t writes, reads;

		if (in->op == DELETED)
			continue;
		if (flow_is_jump(in) || in->op == OP_EXIT)
			live = (flow_falls(in) ? live : 0) |
			       (flow_is_jump(in) ? rw->flow.live[in->off] : 0);
		writes = flow_writes(in);
		if (!(writes & live) && writes &&
		    ((is_pure(in) && rule_on(rw, RULE_DEAD)) || (is_load(in) && rule_on(rw, RULE_DEADLOAD)))) {
			hit(rw, is_pure(in) ? RULE_DEAD : RULE_DEADLOAD);
			drop(in);
			continue;
		}
		reads = flow_reads(code, in);
		if (in->op != OP_INIT_SET && in->op != OP_CHARGE)
			live = (live & ~writes) | reads;
	}
}
