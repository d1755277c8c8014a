/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stack.c - the frame of a function as the place where its program keeps values: what is loaded is
 * what was stored, and what nobody loads is not stored.
 *
 * Nothing else can touch a frame whose address the function never takes: a pointer that a program may
 * use comes from r10 or it points elsewhere.  Accesses with an index reach any byte of the frame; once
 * the address is copied or handed to a call, any store and any call may change it. */
#include <string.h>
#include "vm/rewrite/walk.h"

static bool is_indexed(const struct insn *in)
{
	uint8_t base = isa_op[in->op].shape == SHAPE_FUSED_LOAD ? in->src : in->dst;

	return isa_indexed(in->op) && base == 10 && (in->imm_lo & 15) != 10 &&
	       (base == in->src || in->src != 10);
}

static enum frame_use use_of(const struct code *code, const struct subprog *sub)
{
	enum frame_use use = FRAME_DIRECT;
	int32_t off;
	bool store;

	for (uint32_t i = sub->start; i < sub->end; i++) {
		const struct insn *in = &code->insn[i];

		if (!(insn_reads(in) >> 10 & 1) || in->op == DELETED || isa_op[in->op].shape == SHAPE_MARK)
			continue;
		if (flow_frame_access(in, &off, &store)) {
			/* outside of the frame: into another one */
			if (off >= 0 || off < -(int32_t)code->stack_size)
				return FRAME_ESCAPES;
			continue;
		}
		if (!is_indexed(in))
			return FRAME_ESCAPES;
		use = FRAME_INDEXED;
	}
	return use;
}

void rewrite_frames(struct rewriter *rw)
{
	for (uint32_t k = 0; k < rw->code->nr_sub; k++)
		rw->frame[k] = (uint8_t)use_of(rw->code, &rw->code->sub[k]);
}

/* ---- forwarding ---- */

static void void_slots(struct walk *w, int32_t off, uint32_t size)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < w->nr_slot; k++) {
		const struct slot *s = &w->slot[k];

		if (s->off + s->size <= off || off + (int32_t)size <= s->off)
			w->slot[n++] = *s;
	}
	w->nr_slot = n;
}

static void note_store(struct walk *w, const struct insn *in, uint32_t size)
{
	bool k = isa_op[in->op].shape == SHAPE_STORE_K;
	struct slot s;

	void_slots(w, in->off, size);
	if (w->nr_slot == SLOTS)
		memmove(w->slot, w->slot + 1, --w->nr_slot * sizeof *w->slot);
	s = (struct slot){ .off = in->off, .size = (uint8_t)size, .reg = NO_REG, .value = in->imm };
	if (!k) {
		s.reg = in->src;
		s.ver = w->ver[in->src];
		s.piece = w->reg[in->src].piece;
	}
	w->slot[w->nr_slot++] = s;
}

const struct slot *frame_slot(const struct walk *w, const struct insn *load)
{
	for (uint32_t k = 0; k < w->nr_slot; k++)
		if (w->slot[k].off == load->off && w->slot[k].size >= isa_op[load->op].size)
			return &w->slot[k];
	return NULL;
}

static uint64_t low_bytes(uint64_t v, uint32_t size) { return size < 8 ? v & ((1ull << size * 8) - 1) : v; }

static void forward(struct walk *w, struct insn *in, uint32_t size)
{
	bool sign = isa_op[in->op].flags & OPF_SIGNED;
	const struct slot *s = frame_slot(w, in);

	if (!s || sign || !rule_on(w->rw, RULE_FORWARD))
		return;
	if (s->reg == NO_REG) {
		uint64_t v = low_bytes((uint64_t)s->value, size);

		*in = (struct insn){ .op = OP_LDDW, .dst = in->dst, .steps = in->steps, .imm = (int64_t)v };
		if (fits32((int64_t)v))
			in->op = OP_MOV64_K;
		hit(w->rw, RULE_FORWARD);
		return;
	}
	if (!current(w, s->reg, s->ver))
		return;
	if (low_bytes(w->reg[s->reg].hi, size) == w->reg[s->reg].hi)
		in->op = OP_MOV64_X;
	else if (size == 4)
		in->op = OP_MOV32_X;
	else
		return;
	*in = (struct insn){ .op = in->op, .dst = in->dst, .src = s->reg, .steps = in->steps };
	hit(w->rw, RULE_FORWARD);
}

void stack_step(struct walk *w, struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	uint32_t size = isa_op[in->op].size;
	int32_t off;
	bool store;

	if (!w->rw->frame)
		return;
	if (flow_frame_access(in, &off, &store)) {
		if (w->rw->frame[w->sub] == FRAME_ESCAPES && (off >= 0 || off < -(int32_t)w->rw->code->stack_size))
			w->nr_slot = 0;
		else if (store)
			note_store(w, in, size);
		else if (shape == SHAPE_LOAD && isa_op[in->op].group != ISA_LINUX)
			forward(w, in, size);
		return;
	}
	if (shape == SHAPE_FUSED_STORE || shape == SHAPE_ATOMIC || shape == SHAPE_STORE_K || shape == SHAPE_STORE_X ||
	    shape == SHAPE_CALL || shape == SHAPE_LOCAL || shape == SHAPE_CALLX) {
		if (w->rw->frame[w->sub] == FRAME_ESCAPES || (insn_reads(in) >> 10 & 1))
			w->nr_slot = 0;
	}
}

/* ---- stores that nobody reads ---- */

static void mark_bytes(uint8_t *read, int32_t off, uint32_t size)
{
	for (uint32_t k = 0; k < size; k++)
		read[(-off - (int32_t)k) / 8] |= (uint8_t)(1u << ((-off - (int32_t)k) & 7));
}

static bool any_read(const uint8_t *read, int32_t off, uint32_t size)
{
	for (uint32_t k = 0; k < size; k++)
		if (read[(-off - (int32_t)k) / 8] >> ((-off - (int32_t)k) & 7) & 1)
			return true;
	return false;
}

void rewrite_stack(struct rewriter *rw)
{
	enum { MOST = 1024 };
	struct code *code = rw->code;

	if (!code->uses_stack || !rule_on(rw, RULE_DEADSTORE) || code->stack_size >= MOST)
		return;
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		uint8_t read[MOST / 8 + 1] = { 0 };
		uint32_t stores = 0;
		int32_t off;
		bool store;

		if (use_of(code, &code->sub[k]) != FRAME_DIRECT)
			continue;
		for (uint32_t i = code->sub[k].start; i < code->sub[k].end; i++) {
			if (code->insn[i].op == DELETED || !flow_frame_access(&code->insn[i], &off, &store))
				continue;
			stores += store;
			if (!store)
				mark_bytes(read, off, isa_op[code->insn[i].op].size);
		}
		for (uint32_t i = code->sub[k].start; i < code->sub[k].end && stores; i++) {
			struct insn *in = &code->insn[i];

			if (in->op == DELETED || !flow_frame_access(in, &off, &store) || !store ||
			    any_read(read, off, isa_op[in->op].size))
				continue;
			drop(in);
			hit(rw, RULE_DEADSTORE);
		}
	}
}

/* ---- slots that live in registers ---- */

struct home { int32_t off; uint8_t size; bool ok; uint32_t uses; };
enum { HOMES = 16 };

/* Slots that are only ever read and written whole, by plain accesses of 4 or 8 bytes. */
static uint32_t find_homes(const struct code *code, const struct subprog *sub, struct home home[HOMES])
{
	uint32_t n = 0;
	int32_t off;
	bool store;

	for (uint32_t i = sub->start; i < sub->end; i++) {
		const struct insn *in = &code->insn[i];
		const struct op_info *op = &isa_op[in->op];
		bool ok = (op->size == 4 || op->size == 8) && op->group != ISA_LINUX && !(op->flags & OPF_SIGNED) &&
			  (op->shape == SHAPE_LOAD || op->shape == SHAPE_STORE_X || op->shape == SHAPE_STORE_K);
		bool known = false;

		if (in->op == DELETED || !flow_frame_access(in, &off, &store))
			continue;
		for (uint32_t k = 0; k < n; k++) {
			bool same = home[k].off == off && home[k].size == op->size;

			if (home[k].off + home[k].size <= off || off + op->size <= home[k].off)
				continue;
			home[k].ok &= same && ok;
			home[k].uses++;
			known |= same;
			ok &= same;
		}
		if (known)
			continue;
		if (n == HOMES)
			return 0;
		home[n++] = (struct home){ off, op->size, ok, 1 };
	}
	return n;
}

static void move_in(struct rewriter *rw, const struct subprog *sub, const struct home *home, uint8_t reg)
{
	bool w = home->size == 8;
	int32_t off;
	bool store;

	for (uint32_t i = sub->start; i < sub->end; i++) {
		struct insn *in = &rw->code->insn[i];

		if (in->op == DELETED || !flow_frame_access(in, &off, &store) || off != home->off)
			continue;
		if (!store)
			*in = (struct insn){ .op = OP_MOV64_X, .dst = in->dst, .src = reg & 15, .steps = in->steps };
		else if (isa_op[in->op].shape == SHAPE_STORE_K)
			*in = (struct insn){ .op = w ? OP_MOV64_K : OP_MOV32_K, .dst = reg & 15, .steps = in->steps,
					     .imm = in->imm };
		else
			*in = (struct insn){ .op = w ? OP_MOV64_X : OP_MOV32_X, .dst = reg & 15, .src = in->src,
					     .steps = in->steps };
		hit(rw, RULE_PROMOTE);
	}
}

/* Registers r0, r3-r5 that a function never uses take its slots, the most used first.  A slot that is read
 * before it is written is zero, as are the registers of a program that begins; not those of a function
 * that is called, unless the verifier saw no such read. */
bool rewrite_promote(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t before = rw->hits[RULE_PROMOTE];

	if (!rule_on(rw, RULE_PROMOTE) || (code->nr_sub > 1 && !code->no_zero))
		return false;
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		const struct subprog *sub = &code->sub[k];
		uint32_t used = 0, n = 0;
		struct home home[HOMES];

		if (use_of(code, sub) == FRAME_DIRECT)
			n = find_homes(code, sub, home);
		for (uint32_t i = sub->start; i < sub->end && n; i++)
			used |= flow_reads(code, &code->insn[i]) | flow_writes(&code->insn[i]);
		used |= 1u << 1 | 1u << 2;	/* a program finds its arguments there, no zeroes */
		for (uint8_t reg = 0; reg < 6 && n; reg++) {
			struct home *best = NULL;

			for (uint32_t h = 0; h < n && !(used >> reg & 1); h++)
				if (home[h].ok && (!best || home[h].uses > best->uses))
					best = &home[h];
			if (!best)
				continue;
			best->ok = false;
			move_in(rw, sub, best, reg);
		}
	}
	return rw->hits[RULE_PROMOTE] != before;
}
