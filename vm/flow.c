/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* flow.c - see flow.h.  Liveness is the textbook backward analysis, swept over the instructions in
 * reverse order; programs of compilers settle in two or three sweeps.  A program made to need many
 * gets "everything is live", which is always true enough. */
#include <errno.h>
#include <string.h>
#include "vm/flow.h"
#include "vm/mem.h"

_Static_assert(OP_XOR64_K - OP_ADD64_K == 44 && OP_MUL64_K - OP_ADD64_K == 8 && OP_OR64_K - OP_ADD64_K == 20 &&
	       OP_AND64_K - OP_ADD64_K == 24, "flow_commutes");
enum { ALL = 0x7ff, ARGS = 0x3e, SWEEPS = 12 };

uint32_t flow_reads(const struct code *code, const struct insn *insn)
{
	switch (isa_op[insn->op].shape) {
	case SHAPE_CALL: {
		const struct helper *helper = code_helper(code, insn);
		return helper ? helper_reads(helper) : ARGS;
	}
	case SHAPE_LOCAL: return ARGS;
	case SHAPE_CALLX: return ARGS | 1u << insn->dst;
	default: return insn_reads(insn);
	}
}

uint32_t flow_writes(const struct insn *insn)
{
	uint32_t calls = 1u << SHAPE_CALL | 1u << SHAPE_LOCAL | 1u << SHAPE_CALLX;

	return calls >> isa_op[insn->op].shape & 1 ? ARGS | 1 : insn_writes(insn);
}

enum op flow_inverse(enum op op)
{
	switch (op) {
#define PAIR(a, b) \
	case OP_##a##64_K: return OP_##b##64_K; case OP_##a##64_X: return OP_##b##64_X; \
	case OP_##a##32_K: return OP_##b##32_K; case OP_##a##32_X: return OP_##b##32_X;
	PAIR(JEQ, JNE) PAIR(JNE, JEQ) PAIR(JGT, JLE) PAIR(JLE, JGT) PAIR(JGE, JLT) PAIR(JLT, JGE)
	PAIR(JSGT, JSLE) PAIR(JSLE, JSGT) PAIR(JSGE, JSLT) PAIR(JSLT, JSGE)
#undef PAIR
	default: return OP_BAD;
	}
}

bool flow_is_branch(const struct insn *insn)
{
	return isa_op[insn->op].shape == SHAPE_JCC_K || isa_op[insn->op].shape == SHAPE_JCC_X;
}

bool flow_selects(const struct insn *insn, uint32_t at)
{
	return flow_is_branch(insn) && (uint32_t)insn->off == at + 2 &&
	       (insn[1].op == OP_MOV64_X || insn[1].op == OP_MOV64_K || insn[1].op == OP_MOV32_X || insn[1].op == OP_MOV32_K);
}

uint32_t flow_latency(const struct insn *in)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_LOAD: case SHAPE_FUSED_LOAD: case SHAPE_ATOMIC: return 5;
	default: break;
	}
	switch (in->op) {
	case OP_MOV64_X: case OP_MOV64_K: case OP_MOV32_K: case OP_LDDW: return 0;
	case OP_MUL64_K: case OP_MUL64_X: case OP_MUL32_K: case OP_MUL32_X: return 3;
	case OP_DIV64_K: case OP_DIV32_K: case OP_MOD64_K: case OP_MOD32_K: return 8;
	case OP_DIV64_X: case OP_DIV32_X: case OP_MOD64_X: case OP_MOD32_X: return 12;
	default: return 1;
	}
}

bool flow_commutes(const struct insn *insn)
{
	enum { ADD = 1 << 0, MUL = 1 << 2, OR = 1 << 5, AND = 1 << 6, XOR = 1 << 11 };	/* by the order of vm/isa.def */

	return isa_op[insn->op].shape == SHAPE_ALU_X && insn->op - OP_ADD64_K < 48 &&
	       (ADD | MUL | OR | AND | XOR) >> (insn->op - OP_ADD64_K) / 4 & 1;
}

static void lead_to(uint8_t *mark)
{
	*mark |= FLOW_TARGET;
	if (*mark < 0x100 - FLOW_ONE)
		*mark = (uint8_t)(*mark + FLOW_ONE);
}

bool flow_targets(const struct code *code, uint8_t *mark)
{
	bool loops = false;

	for (uint32_t k = 0; k < code->nr_sub; k++)
		lead_to(&mark[code->sub[k].start]);
	for (uint32_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insn[i];

		if (!flow_is_jump(insn))
			continue;
		lead_to(&mark[insn->off]);
		if ((uint32_t)insn->off <= i) {
			mark[insn->off] |= FLOW_LOOP;
			loops = true;
		}
	}
	return loops;
}

int flow_enters_head(const struct code *code, const struct flow *flow, uint32_t head, uint32_t tail)
{
	int jumps = 0, inside = 0;

	for (uint32_t i = head; i <= tail; i++) {
		const struct insn *insn = &code->insn[i];
		int led = flow->mark[i] / FLOW_ONE;

		if (led == 0xff / FLOW_ONE)
			return -1;
		if (i > head)
			inside += led;
		else
			jumps = led;
		if (flow_is_jump(insn) && (uint32_t)insn->off > head && (uint32_t)insn->off <= tail)
			inside--;
		else if (flow_is_jump(insn) && (uint32_t)insn->off == head)
			jumps--;
	}
	return inside ? -1 : jumps;
}

uint32_t flow_live_after(const struct code *code, const struct flow *flow, uint32_t i)
{
	const struct insn *insn = &code->insn[i];
	uint32_t live = 0;

	if (insn->op == OP_EXIT)
		return 0;
	if (flow_is_jump(insn))
		live |= flow->live[insn->off];
	if (flow_falls(insn) && i + 1 < flow->n)
		live |= flow->live[i + 1];
	return live;
}

static uint32_t live_before(const struct code *code, const struct flow *flow, uint32_t i)
{
	/* what most instructions are */
	enum { PLAIN = 1u << SHAPE_ALU_K | 1u << SHAPE_ALU_X | 1u << SHAPE_UN | 1u << SHAPE_LOAD | 1u << SHAPE_STORE_X |
		       1u << SHAPE_STORE_K | 1u << SHAPE_WIDE };
	const struct insn *insn = &code->insn[i];
	uint32_t after, reads;

	if (PLAIN >> isa_op[insn->op].shape & 1 && i + 1 < code->n)
		return (flow->live[i + 1] & ~insn_writes(insn)) | insn_reads(insn);
	after = flow_live_after(code, flow, i);
	reads = flow_reads(code, insn);

	if (insn->op == OP_CALL_LOCAL)
		reads = flow->live[insn->off] & ARGS;
	if (insn->op == OP_INIT_SET || insn->op == OP_CHARGE)
		return after;
	return (after & ~flow_writes(insn)) | reads;
}

int flow_build(const struct code *code, struct flow *flow)
{
	bool changed = true, loops;

	memset(flow, 0, sizeof *flow);
	flow->n = code->n;
	flow->live = mem_array(code->host, code->n, sizeof *flow->live);
	flow->mark = mem_array(code->host, code->n, 1);
	if (!flow->live || !flow->mark)
		return -ENOMEM;
	loops = flow->loops = flow_targets(code, flow->mark);
	/* With jumps and calls that only lead onwards everything is final when it is first computed. */
	for (int sweep = 0; changed && sweep < SWEEPS; sweep++) {
		changed = false;
		for (uint32_t i = code->n; i-- > 0; ) {
			uint32_t live = live_before(code, flow, i);

			if (!loops && code->insn[i].op == OP_CALL_LOCAL && (uint32_t)code->insn[i].off <= i)
				changed = loops = true;
			changed |= loops && live != flow->live[i];
			flow->live[i] = (uint16_t)live;
		}
	}
	if (changed)
		for (uint32_t i = 0; i < code->n; i++)
			flow->live[i] = ALL;
	return 0;
}

void flow_free(const struct code *code, struct flow *flow)
{
	mem_free(code->host, flow->live, flow->n * sizeof *flow->live);
	mem_free(code->host, flow->mark, flow->n);
	memset(flow, 0, sizeof *flow);
}

/* ---- the frame ---- */

bool flow_frame_access(const struct insn *insn, int32_t *off, bool *store)
{
	uint8_t shape = isa_op[insn->op].shape;

	*off = insn->off;
	*store = shape == SHAPE_STORE_K || shape == SHAPE_STORE_X;
	if (*store)
		return insn->dst == 10 && (shape == SHAPE_STORE_K || insn->src != 10);
	if (shape == SHAPE_FUSED_JUMP) {
		*off = insn->imm_hi;
		return insn->dst == 10;
	}
	return (shape == SHAPE_LOAD || (shape == SHAPE_FUSED_LOAD && !isa_indexed(insn->op))) && insn->src == 10;
}

static void set_bytes(uint64_t bits[8], int32_t off, uint32_t size)
{
	for (int32_t at = off; at < off + (int32_t)size; at++)
		bits[(-at - 1) / 64] |= 1ull << (-at - 1) % 64;
}

struct stack_walk { uint64_t (*in)[8]; bool changed; uint64_t zero[8]; };

static void meet(struct stack_walk *w, uint32_t to, const uint64_t bits[8])
{
	for (int k = 0; k < 8; k++) {
		uint64_t met = w->in[to][k] & bits[k];

		w->changed |= met != w->in[to][k];
		w->in[to][k] = met;
	}
}

/* Forward: bytes surely written, met over edges; a read of other bytes must find zeroes. */
static void sweep_stack(const struct code *code, const struct flow *flow, const struct subprog *sub,
			struct stack_walk *w)
{
	uint64_t now[8];

	memcpy(now, w->in[0], sizeof now);
	for (uint32_t i = sub->start; i < sub->end; i++) {
		const struct insn *insn = &code->insn[i];
		uint64_t read[8] = { 0 };
		int32_t off;
		bool write;

		if (flow->mark[i] & FLOW_TARGET) {
			if (i > sub->start && flow_falls(insn - 1))
				meet(w, i - sub->start, now);
			memcpy(now, w->in[i - sub->start], sizeof now);
		}
		if (flow_frame_access(insn, &off, &write)) {
			set_bytes(write ? now : read, off, isa_op[insn->op].size);
			for (int k = 0; !write && k < 8; k++)
				w->zero[k] |= read[k] & ~now[k];
		}
		if (flow_is_jump(insn))
			meet(w, (uint32_t)insn->off - sub->start, now);
	}
}

int flow_stack(const struct code *code, const struct flow *flow, uint32_t index, struct flow_stack *out)
{
	const struct subprog *sub = &code->sub[index];
	uint32_t n = sub->end - sub->start;
	struct stack_walk w = { .changed = true };
	int32_t off;
	bool write;

	memset(out, 0, sizeof *out);
	if (!code->uses_stack)
		return 0;
	for (uint32_t i = sub->start; i < sub->end; i++) {
		const struct insn *insn = &code->insn[i];

		if (!(insn_reads(insn) & 1u << 10))
			continue;
		out->used = true;
		if (!flow_frame_access(insn, &off, &write) || off >= 0 || off < -(int32_t)code->stack_size ||
		    off + isa_op[insn->op].size > 0)
			out->escapes = true;
		else if (off < out->low)
			out->low = off;
	}
	if (!out->used)
		return 0;
	if (out->escapes)
		out->low = -(int32_t)code->stack_size;
	out->zero_all = out->escapes || out->low < -512 || n > 4096;
	if (out->zero_all)
		return 0;
	w.in = mem_array(code->host, n, sizeof *w.in);
	if (!w.in)
		return -ENOMEM;
	memset(w.in + 1, 0xff, (n - 1) * sizeof *w.in);
	for (int sweep = 0; w.changed && sweep < SWEEPS; sweep++) {
		w.changed = false;
		memset(w.zero, 0, sizeof w.zero);
		sweep_stack(code, flow, sub, &w);
	}
	mem_free(code->host, w.in, n * sizeof *w.in);
	out->zero_all = w.changed;
	memcpy(out->zero, w.zero, sizeof w.zero);
	return 0;
}
