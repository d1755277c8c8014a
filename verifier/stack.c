/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stack.c - what the verifier knows of the stack: byte by byte, whole values as registers. */
#include <string.h>
#include "verifier/state.h"

/* The slot that holds frame byte `off` (negative), and which of its bytes. */
struct slot *stack_slot(struct env *e, unsigned frame, int64_t off, unsigned *k)
{
	uint32_t n = (uint32_t)((-off + 7) / 8 - 1);
	struct frame *f = &e->st.f[frame];

	if (n >= e->nr_slots)
		return NULL;
	if (f->depth <= n)
		f->depth = n + 1;
	if (k)
		*k = (unsigned)(off + 8 * ((int64_t)n + 1));
	return &f->slot[n];
}

static __attribute__((noinline)) uint32_t slot_index(int64_t off) { return (uint32_t)((-off + 7) / 8 - 1); }

/* Bytes whose first read this is must be zeroed on entry. */
static __attribute__((noinline)) void note_unwritten(struct env *e, unsigned frame, struct slot *s, uint32_t n, unsigned k,
						     unsigned size)
{
	for (unsigned i = k; i < k + size && i < 8; i++)
		if (s->byte[i] == B_NONE)
			fact_zero(e, e->st.f[frame].in.sub, n, (uint8_t)(1u << i));
}

/* Any bytes of [lo, hi) may be read. */
static void stack_look(struct env *e, unsigned frame, int64_t lo, int64_t hi)
{
	unsigned k = 0, n;

	for (int64_t b = lo; b < hi; b += n) {
		struct slot *s = stack_slot(e, frame, b, &k);

		n = 8 - k < hi - b ? 8 - k : (unsigned)(hi - b);
		if (s)
			note_unwritten(e, frame, s, slot_index(b), k, n);
	}
}

static int stack_read_any(struct env *e, const struct reg *p, int64_t off, unsigned size, unsigned dst)
{
	stack_look(e, p->frame, touch_low(p, off), touch_high(p, off, size));
	set_bits(e, &e->top->r[dst], 8 * size);
	return step_reg(e, ST_DEF, dst, dst);
}

int stack_read(struct env *e, const struct reg *p, int64_t off, unsigned size, unsigned dst)
{
	int64_t at = (int64_t)((uint64_t)p->off + (uint64_t)off + p->s.val);
	struct reg *d = &e->top->r[dst];
	struct scalar v;
	unsigned k, n, from;
	struct slot *s;
	bool zero = true;

	if (!scalar_is_const(&p->s))
		return stack_read_any(e, p, off, size, dst);
	s = stack_slot(e, p->frame, at, &k);
	if (!s)
		return unsafe_(e, -1, NULL, "stack access out of the frame");
	from = spill_run(s->byte, &n);
	if (k >= from && k + size <= from + n) {
		if (s->r.kind != K_SCALAR) {
			if (size == 8) {
				*d = s->r;
				return step_reg(e, ST_DEF, dst, dst);
			}
			if (e->kernel)
				return unsafe_(e, -1, NULL, "reads a part of a pointer kept on the stack");
		} else if (HOST_LITTLE || (size == 8)) {
			bool whole = k == from && (size == 8 || s->r.s.umax <= width_mask(8 * size));

			if (whole && !s->r.id && !scalar_is_const(&s->r.s))
				s->r.id = new_id(e);
			if (whole) {
				*d = s->r;
			} else {
				v = s->r.s;
				scalar_shift_right(&v, 8 * (k - from));
				if (rule(e, RULE_NARROW_FILL))
					scalar_zext(&v, width64, &v, 8 * size);
				set_number(e, d, &v);
			}
			return step_slot(e, ST_FILL, dst, p->frame, slot_index(at));
		}
		set_bits(e, d, 8 * size);
		return step_reg(e, ST_DEF, dst, dst);
	}
	for (unsigned i = k; i < k + size; i++)
		zero &= s->byte[i] == B_ZERO;
	if (e->kernel && s->byte[k] == B_DYNPTR)
		return unsafe_(e, -1, MESSAGE_TEXT("use the functions for it"), "reads the inside of a dynptr or iterator");
	note_unwritten(e, p->frame, s, slot_index(at), k, size);
	if (zero)
		set_constant(e, d, 0);
	else
		set_bits(e, d, 8 * size);
	return step_reg(e, ST_DEF, dst, dst);
}

/* Any bytes of [lo, hi) may change. */
static int stack_smear(struct env *e, unsigned frame, int64_t lo, int64_t hi, bool surely)
{
	unsigned k = 0, n;
	int err = 0;

	for (int64_t b = lo; b < hi && !err; b += n) {
		struct slot *s = stack_slot(e, frame, b, &k);

		n = 8 - k < hi - b ? 8 - k : (unsigned)(hi - b);
		if (!s || !rule(e, RULE_SPILL_CLOBBER))
			continue;
		if (memchr(s->byte + k, B_DYNPTR, n) && e->kernel && !e->st.h.nr_refs)
			s->dynptr = 0;
		if (memchr(s->byte + k, B_SPILL, n))
			err = step_slot(e, ST_CLEAR, 0, frame, slot_index(b));
		for (unsigned i = k; i < k + n; i++)
			slot_scrub(s, i, s->byte[i] == B_NONE && !surely ? B_NONE : B_MISC);
	}
	return err;
}

/* A number goes to a part of a slot that holds one, or beside it: the slot's number is both together. */
static bool join_number(struct env *e, struct slot *s, unsigned k, unsigned size, const struct scalar *src)
{
	unsigned n, from = spill_run(s->byte, &n), lo = k < from ? k : from;
	bool inside = k >= from && k + size <= from + n;
	struct scalar v, old = s->r.s, mask;

	if (!n || s->r.kind != K_SCALAR || size >= n + inside || (!inside && k + size != from && from + n != k))
		return false;
	scalar_zext(&v, width64, src, 8 * size);
	if (inside) {
		scalar_const(&mask, width64, ~(width_mask(8 * size) << 8 * (k - from)));
		scalar_alu(&old, width64, ALU_AND, &old, &mask);
	}
	scalar_const(&mask, width64, 8 * (from - lo));
	scalar_alu(&old, width64, ALU_LSH, &old, &mask);
	scalar_const(&mask, width64, 8 * (k - lo));
	scalar_alu(&v, width64, ALU_LSH, &v, &mask);
	scalar_alu(&v, width64, ALU_OR, &v, &old);
	set_number(e, &s->r, &v);
	memset(s->byte + k, B_SPILL, size);
	return true;
}

/* Where a constant lies, the zero bytes of it stay known when a part is overwritten. */
static int keep_zeroes(struct env *e, struct slot *s, unsigned frame, uint32_t slot)
{
	unsigned n, from = spill_run(s->byte, &n);

	if (!n || !reg_const(&s->r))
		return 0;
	for (unsigned i = 0; i < n; i++)
		s->byte[from + i] = s->r.s.val >> 8 * i & 255 ? B_MISC : B_ZERO;
	return precise_slot(e, frame, slot);
}

int stack_write(struct env *e, unsigned reg, const struct reg *p, int64_t off, unsigned size,
		const struct reg *src, int src_reg)
{
	int64_t at = (int64_t)((uint64_t)p->off + (uint64_t)off + p->s.val);
	bool zero = reg_const(src) && !src->s.val, fits;
	uint32_t n = slot_index(at);
	struct scalar v;
	unsigned k;
	struct slot *s;
	int err;

	if (!scalar_is_const(&p->s))
		return stack_smear(e, p->frame, touch_low(p, off), touch_high(p, off, size), false);
	if (src->kind == K_STACK && src->frame > p->frame)
		return unsafe_(e, (int)reg, NULL, "keeps a pointer to this function's stack in its caller's");
	if (e->kernel && src->kind == K_STACK && p->frame != e->st.nr_frames - 1)
		return refuse(e, UEBPF_E_FORM, "keeps a stack pointer in its caller's frame: the kernel refuses that");
	if (e->kernel && is_ptr(src) && size < 8)
		return refuse(e, UEBPF_E_FORM, "keeps a part of a pointer on the stack: the kernel refuses that");
	s = stack_slot(e, p->frame, at, &k);
	if (!s)
		return unsafe_(e, (int)reg, NULL, "stack access out of the frame");
	if (s->byte[k] == B_DYNPTR && s->dynptr_ref)
		return unsafe_(e, (int)reg, MESSAGE_TEXT("submit, discard or destroy it first"),
			       "overwrites a dynptr or iterator that must be released");
	if (size == 8 || (HOST_LITTLE && is_number(src))) {
		bool linked = s->r.id && spilled(s) && s->byte[k] != B_SPILL && !reg_const(src);

		if (size < 8 && !linked && !(reg_const(&s->r) && !reg_const(src)) && join_number(e, s, k, size, &src->s))
			return src_reg >= 0 ? step_slot(e, ST_JOIN, (unsigned)src_reg, p->frame, n) : 0;
		err = size < 8 ? keep_zeroes(e, s, p->frame, n) : 0;
		if (err)
			return err;
		for (unsigned i = 0; i < 8; i++)
			if (s->byte[i] == B_SPILL || (i >= k && i < k + size))
				slot_scrub(s, i, B_MISC);
		memset(s->byte + k, B_SPILL, size);
		fits = src->s.umax <= width_mask(8 * size);
		if (src_reg >= 0 && fits && is_number(src) && !src->id && !scalar_is_const(&src->s))
			e->top->r[src_reg].id = new_id(e);	/* from now on one tells of the other */
		s->r = *src;
		s->dynptr = 0;
		if (size < 8 && !fits) {
			scalar_zext(&v, width64, &src->s, 8 * size);
			set_number(e, &s->r, &v);
		}
		s->r.since = e->pc;
		return src_reg >= 0 && is_number(src) ? step_slot(e, ST_SPILL, (unsigned)src_reg, p->frame, n) :
							step_slot(e, ST_CLEAR, 0, p->frame, n);
	}
	for (unsigned i = k; i < k + size; i++)
		slot_scrub(s, i, zero ? B_ZERO : B_MISC);
	err = spilled(s) ? 0 : step_slot(e, ST_CLEAR, 0, p->frame, n);
	return !err && zero && src_reg >= 0 ? precise_reg(e, (unsigned)src_reg) : err;
}

/* A helper reads or writes stack memory. */
int stack_helper(struct env *e, const struct reg *p, uint64_t size, uint32_t how)
{
	int64_t lo = touch_low(p, 0), hi = p->off + p->s.smax + (int64_t)size;

	if (how & READ)		/* what lies there may steer what the helper returns, never the proof */
		stack_look(e, p->frame, lo, hi);
	return how & WRITE ? stack_smear(e, p->frame, lo, hi, scalar_is_const(&p->s)) : 0;
}

static void forget_packet(struct env *e, struct reg *r, void *arg)
{
	(void)arg;
	if (r->kind == K_PACKET || r->kind == K_META || r->kind == K_END)
		set_unknown(e, r);
}

void stack_forget_packets(struct env *e)
{
	if (!rule(e, RULE_PACKET_MOVED))
		return;
	for_each_reg(e, forget_packet, NULL);
}
