/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dead.c - loads that step forward to their address, a backward walk that drops what nobody reads, and what
 * is read on one way only steps behind the branch. */
#include <string.h>
#include "vm/rewrite/in.h"

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

/* Moves instruction `from` to `to`, before what is there or behind it; no jump leads to those between. */
static void move(struct code *code, uint32_t from, uint32_t to)
{
	struct insn in = code->insn[from];
	uint32_t slot = code->slot[from], least = from < to ? from : to, n = from < to ? to - from : from - to;

	memmove(&code->insn[least + (from > to)], &code->insn[least + (from < to)], n * sizeof in);
	memmove(&code->slot[least + (from > to)], &code->slot[least + (from < to)], n * sizeof slot);
	code->insn[to] = in;
	code->slot[to] = slot;
}

static void hoist_load(struct rewriter *rw, uint32_t i)
{
	const struct insn *in = &rw->code->insn[i], *load = in + 1;
	uint32_t at = i + 1, written = 0;

	for (; at < rw->code->n && at <= i + 2 && isa_op[load->op].shape != SHAPE_LOAD; at++)
		written |= flow_writes(load++);
	if (at == i + 1 || at >= rw->code->n || rw->flow.mark[at] & FLOW_TARGET || isa_op[load->op].shape != SHAPE_LOAD ||
	    isa_op[load->op].group == ISA_LINUX || load->src != in->dst || !(written >> in->src & 1))
		return;
	for (uint32_t k = i + 1; k < at; k++)
		if (!steps_aside(rw, k, load))
			return;
	move(rw->code, at, i + 1);
	hit(rw, RULE_HOIST);
}

void rewrite_hoist(struct rewriter *rw)
{
	const struct insn *insn = rw->code->insn;

	for (uint32_t i = 0, n = rule_on(rw, RULE_HOIST) ? rw->code->n : 0; i < n; i++)
		if (insn[i].op == OP_ADD64_X)
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

/* Who goes where branch `at` leads has no use for some of what was computed just before it. */
static void sink_before(struct rewriter *rw, uint32_t at)
{
	struct code *code = rw->code;
	const struct insn *in = &code->insn[at];
	uint32_t busy, writes = 0, sink = ~(uint32_t)rw->flow.live[in->off] & rw->flow.live[at + 1];

	if (flow_selects(in, at))
		return;
	busy = flow_reads(code, in);
	for (uint32_t i = at, least = at > SINK ? at - SINK : 0; i > least && !(rw->flow.mark[i] & FLOW_TARGET); ) {
		uint32_t sets = flow_writes(in = &code->insn[--i]), reads = flow_reads(code, in);

		if (is_pure(in) && sets & sink & ~busy && !(reads & writes)) {
			move(code, i, at--);
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
	const struct insn *insn = rw->code->insn;

	for (uint32_t i = 1, n = rule_on(rw, RULE_SINK) ? rw->code->n : 0; i + 1 < n; i++)
		if (1u << isa_op[insn[i].op].shape & (1u << SHAPE_JCC_K | 1u << SHAPE_JCC_X) &&
		    rw->flow.live[i + 1] & ~(uint32_t)rw->flow.live[insn[i].off])
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
