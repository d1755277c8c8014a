/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* invariant.c - the address of a map's value, or a number of 64 bits, that a loop makes anew in each
 * round is made once before it, in a register that the loop leaves alone; where an index was added to it, it
 * becomes the base of the access. */
#include <errno.h>
#include "vm/rewrite/in.h"

/* Numbers moved, loops looked at for them, and how far a loop's end is looked for: work stays linear in the program. */
enum { MOST = 8, TRIES = 64, REACH = 256, NEAR = 8 };
/* `constant` is made before [head, tail]. */
struct hoist { uint32_t head, tail; struct insn constant; };

/* Two indices added to it one after the other leave no access that could have it as its base: a copy of it would
 * only make the way from one round's index to the next longer. */
static bool is_address(const struct rewriter *rw, uint32_t i)
{
	const struct insn *in = &rw->code->insn[i];
	int adds = 0;

	if (in->op != OP_LD_MAPVAL && (in->op != OP_LDDW || fits32(in->imm)))
		return false;
	for (uint32_t k = 1; k < NEAR && i + k < rw->code->n; k++)
		adds += in[k].op == OP_ADD64_X && in[k].dst == in->dst;
	return adds < 2;
}

/* A register that holds nothing across the loop, which is entered at its head only; NO_REG: none. */
static uint8_t free_reg(const struct rewriter *rw, uint32_t head, uint32_t tail)
{
	uint32_t busy = rw->flow.live[head] | 1u << 10;

	for (uint32_t i = head; i <= tail; i++)
		busy |= flow_reads(rw->code, &rw->code->insn[i]) | flow_writes(&rw->code->insn[i]);
	return (busy & 0x3ff) == 0x3ff || flow_enters_head(rw->code, &rw->flow, head, tail) < 0 ? NO_REG : (uint8_t)__builtin_ctz(~busy);
}

/* The widest loop around i. */
static bool loop_around(const struct rewriter *rw, uint32_t i, struct hoist *out)
{
	out->head = i + 1;
	for (uint32_t k = i; k < rw->code->n && k - i < REACH; k++) {
		const struct insn *in = &rw->code->insn[k];

		if (flow_is_jump(in) && (uint32_t)in->off <= i) {
			out->head = (uint32_t)in->off < out->head ? (uint32_t)in->off : out->head;
			out->tail = k;
		}
	}
	/* clang jumps into the middle of a loop whose test stands first: then before that jump. */
	if (out->head <= i && out->head) {
		const struct insn *in = &rw->code->insn[out->head - 1];

		if (flow_is_jump(in) && !flow_falls(in) && (uint32_t)in->off >= out->head && (uint32_t)in->off <= out->tail)
			return out->head--;
	}
	return out->head <= i;
}

static int rebuild(struct rewriter *rw, const struct hoist *h)
{
	struct edit e;

	if (edit_begin(rw, &e, rw->code->n + 1))
		return -ENOMEM;
	for (uint32_t i = 0; i < rw->code->n; i++) {
		struct insn in = rw->code->insn[i];
		bool inside = i >= h->head && i <= h->tail;

		e.label[i] = e.n;
		if (i == h->head)
			edit_put(&e, h->constant, rw->code->slot[i]);
		if (inside && flow_is_jump(&in) && in.off == (int32_t)h->head)
			in.off = ~(int32_t)(e.label[h->head] + 1);
		if (inside && in.op == h->constant.op && in.imm == h->constant.imm)
			in = (struct insn){ .op = OP_MOV64_X, .dst = in.dst, .src = h->constant.dst, .steps = in.steps };
		edit_put(&e, in, rw->code->slot[i]);
	}
	edit_end(rw, &e);
	hit(rw, RULE_INVARIANT);
	return rewrite_refresh(rw);
}

int rewrite_invariants(struct rewriter *rw)
{
	struct hoist h = { .tail = 0 };
	uint8_t reg;
	int ret = 0;

	if (!rule_on(rw, RULE_INVARIANT))
		return 0;
	for (uint32_t i = 0, most = 0, tries = 0; i < rw->code->n && most < MOST && tries < TRIES && !ret; i++) {
		if (!is_address(rw, i) || !loop_around(rw, i, &h))
			continue;
		tries++;
		reg = free_reg(rw, h.head, h.tail);
		if (reg == NO_REG)
			continue;
		h.constant = rw->code->insn[i];
		h.constant.dst = reg & 15;
		h.constant.steps = 0;
		ret = rebuild(rw, &h);
		most++;
	}
	return ret;
}
