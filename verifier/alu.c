/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alu.c - arithmetic and moves on the abstract registers: numbers by scalar_alu, pointers by the few
 * operations that keep them pointers (adding and subtracting numbers within bounds). */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include "verifier/state.h"

enum { MAX_POINTER_OFF = 1 << 29 };

static void forget_links(struct reg *r)
{
	r->id = 0;
	r->len = r->below = 0;
	r->off = r->range = 0;
	r->obj = 0;
}

static int need(struct env *e, unsigned reg)
{
	if (top(e)->r[reg].kind != K_NONE || !rule(e, RULE_UNINIT))
		return 0;
	return unwritten(e, reg, "read");
}

/* ---- pointers ---- */

/* May numbers be added to such a pointer? */
static int movable(struct env *e, unsigned reg, const struct reg *p, bool by_zero)
{
	char what[80];

	if ((p->flags & R_MAYBE_NULL) && rule(e, RULE_NULL)) {
		describe(e, p, what, sizeof what);
		return unsafe_(e, (int)reg, "compare it with NULL first",
			       "arithmetic on r%u, which may be NULL (%s)", reg, what);
	}
	switch (p->kind) {
	case K_CTX: case K_STACK: case K_VALUE: case K_PACKET: case K_META: case K_MEM:
		return 0;
	default:
		if (by_zero)
			return 0;
		describe(e, p, what, sizeof what);
		return unsafe_(e, (int)reg, NULL, "arithmetic on r%u is not possible: it is %s", reg, what);
	}
}

static int sane(struct env *e, unsigned reg, const struct reg *p)
{
	int64_t max = p->region ? (int64_t)MAX_LEN : MAX_POINTER_OFF;
	char what[80];

	if (p->off > -max && p->off < max && p->s.smin > -max && p->s.smax <= max)
		return 0;
	describe(e, p, what, sizeof what);
	return unsafe_(e, (int)reg, "bound the offset before adding it, e.g. with `if (i < n)` or `i &= mask`",
		       "r%u moves by an offset without useful bounds (%s)", reg, what);
}

/* *p += or -= n */
static int move_pointer(struct env *e, unsigned reg, struct reg *p, const struct reg *n, bool minus)
{
	int64_t by = (int64_t)(minus ? 0 - n->s.umin : n->s.umin);
	struct reg old = *p;
	int err = movable(e, reg, p, scalar_is_const(&n->s) && !n->s.umin);

	if (err)
		return err;
	p->since = e->pc;
	if (scalar_is_const(&n->s)) {
		if (by > INT32_MIN && by < INT32_MAX && by + p->off > INT32_MIN / 2 &&
		    by + p->off < INT32_MAX / 2) {
			p->off += (int32_t)by;
			return sane(e, reg, p);
		}
		return unsafe_(e, (int)reg, NULL, "r%u moves by %" PRId64 ", out of any object", reg, by);
	}
	if (p->kind == K_CTX) {			/* nobody but probe_read may follow that */
		err = e->kernel ? sane(e, reg, &(struct reg){ .kind = K_CTX, .s = n->s }) : 0;
		p->kind = K_PROBE;
		return err;
	}
	p->s = scalar_alu(width64, minus ? ALU_SUB : ALU_ADD, &p->s, &n->s);
	if (p->kind == K_PACKET || p->kind == K_META) {
		p->id = new_id(e);
		/* what was proven from here is proven from further on, less the way there */
		p->range = !minus && n->s.smin >= 0 && n->s.umax < (uint64_t)(old.range > 0 ? old.range : 0) ?
			   old.range - (int32_t)n->s.umax : 0;
	}
	if (p->region) {
		bool whole = scalar_is_const(&old.s) && !old.s.umin && !minus && !old.len;

		p->range = whole && n->below == p->region ? n->range : 0;
		p->len = 0;
		p->id = new_id(e);
		if (whole && n->len == p->region) {	/* start + length: the end */
			struct scalar d = scalar_const(width64, (uint64_t)(int64_t)n->off);

			p->len = n->len;
			p->s = scalar_alu(width64, ALU_SUB, &p->s, &d);
			p->off += n->off;
		}
	}
	return sane(e, reg, p);
}

static int refuse_pointer_op(struct env *e, const struct insn *in, unsigned reg)
{
	char what[80];

	describe(e, &top(e)->r[reg], what, sizeof what);
	return unsafe_(e, (int)reg, "only numbers can be added to or subtracted from a pointer",
		       "r%u is %s: %s cannot be done with it", reg, what, isa_op[in->op].text);
}

static int make_unknown(struct env *e, unsigned dst)
{
	top(e)->r[dst] = reg_unknown(e->pc);
	return step_reg(e, ST_DEF, dst, dst);
}

static int pointer_alu(struct env *e, const struct insn *in, enum alu op, bool wide, struct reg *src,
		       bool src_is_reg)
{
	struct reg *d = &top(e)->r[in->dst], moved;
	bool both = is_ptr(d) && is_ptr(src);
	int err;

	if (!wide)
		return e->kernel && op != ALU_SUB ? refuse_pointer_op(e, in, is_ptr(d) ? in->dst : in->src) :
			make_unknown(e, in->dst);
	if (both) {
		if (op == ALU_SUB || !e->kernel)
			return make_unknown(e, in->dst);
		return refuse_pointer_op(e, in, in->dst);
	}
	if (op != ALU_ADD && (op != ALU_SUB || !is_ptr(d))) {
		if (!e->kernel)
			return make_unknown(e, in->dst);
		return refuse_pointer_op(e, in, is_ptr(d) ? in->dst : in->src);
	}
	if (e->kernel && op == ALU_SUB && d->kind == K_STACK)
		return refuse(e, UEBPF_E_FORM, "subtraction from a frame pointer: the kernel takes additions only");
	if (d->kind == K_PROBE || src->kind == K_PROBE || d->kind == K_CSTR)
		return make_unknown(e, in->dst);
	if (is_ptr(d)) {
		err = src_is_reg ? precise_reg(e, in->src) : 0;
		return err ? err : move_pointer(e, in->dst, d, src, op == ALU_SUB);
	}
	err = precise_reg(e, in->dst);
	if (err)
		return err;
	moved = *src;
	err = move_pointer(e, in->src, &moved, d, false);
	*d = moved;
	return err ? err : step_reg(e, ST_DEF, in->dst, in->dst);
}

/* ---- numbers ---- */

/* dst = src, both numbers: from now on one tells of the other. */
static void link(struct env *e, struct reg *dst, struct reg *src)
{
	if (!src->id && !scalar_is_const(&src->s))
		src->id = new_id(e);
	*dst = *src;
	dst->since = e->pc;
}

/* What linked and region facts survive `number += k`. */
static void shift_links(struct env *e, struct reg *r, const struct scalar *old, int64_t k)
{
	bool wraps = k >= 0 ? old->umax > UINT64_MAX - (uint64_t)k : old->umin < (uint64_t)-k;
	int64_t off = (int64_t)r->off + k, range = (int64_t)r->range - k;

	if ((r->id || r->len) && (off < INT32_MIN / 4 || off > INT32_MAX / 4)) {
		r->id = 0;
		r->len = 0;
		off = 0;
	}
	r->off = (int32_t)off;
	if (!r->id && !r->len)
		r->off = 0;
	if (r->below && (wraps || range < INT32_MIN / 4 || range > INT32_MAX / 4))
		r->below = 0;
	r->range = r->below ? (int32_t)range : 0;
	r->obj = 0;
	(void)e;
}

static bool shrinks(enum alu op)
{
	return op == ALU_AND || op == ALU_RSH || op == ALU_DIV || op == ALU_MOD;
}

static int number_alu(struct env *e, const struct insn *in, enum alu op, bool wide, struct reg *src,
		      bool src_is_reg)
{
	struct reg *d = &top(e)->r[in->dst], old = *d;
	struct scalar a = d->s, b = src->s;
	bool by_k = scalar_is_const(&b) && (op == ALU_ADD || op == ALU_SUB);
	int64_t k = (int64_t)(op == ALU_ADD ? b.val : 0 - b.val);

	if ((op == ALU_SUB || op == ALU_XOR) && src_is_reg && in->dst == in->src) {
		*d = reg_constant(0, e->pc);
		return step_reg(e, ST_DEF, in->dst, in->dst);
	}
	if (!wide) {
		a = scalar_low(width64, &a);
		b = scalar_low(width64, &b);
		k = op == ALU_ADD ? (int64_t)(int32_t)b.val : -(int64_t)(int32_t)b.val;
		/* a 32-bit sum that neither wraps nor had high bits is the 64-bit one */
		by_k &= old.s.umax <= UINT32_MAX && k > INT32_MIN &&
			(k >= 0 ? old.s.umax + (uint64_t)k <= UINT32_MAX : old.s.umin >= (uint64_t)-k);
		a = scalar_alu(width32, op, &a, &b);
		d->s = scalar_from_low(width64, &a);
	} else {
		d->s = scalar_alu(width64, op, &a, &b);
	}
	if (by_k && k > -(INT64_C(1) << 40) && k < INT64_C(1) << 40) {
		shift_links(e, d, &old.s, k);
	} else {
		uint8_t below = shrinks(op) && (wide || old.s.umax <= UINT32_MAX) ? d->below : 0;

		if (op == ALU_DIV && b.umin == 0 && !wide)
			below = 0;
		forget_links(d);
		d->below = below;
		d->range = below ? old.range : 0;
	}
	d->since = e->pc;
	return src_is_reg && !scalar_is_const(&src->s) ? step_reg(e, ST_BIN, in->dst, in->src) :
	       src_is_reg ? step_reg(e, ST_BIN, in->dst, in->src) : 0;
}

static int form_checks(struct env *e, const struct insn *in, enum alu op, bool wide)
{
	if (!e->kernel)
		return 0;
	if ((op == ALU_LSH || op == ALU_RSH || op == ALU_ARSH) &&
	    (in->imm < 0 || in->imm >= (wide ? 64 : 32)))
		return refuse(e, UEBPF_E_FORM, "shift by the constant %" PRId64 ": the kernel wants 0..%d", in->imm,
			      wide ? 63 : 31);
	if ((op == ALU_DIV || op == ALU_MOD || op == ALU_SDIV || op == ALU_SMOD) && !in->imm)
		return refuse(e, UEBPF_E_FORM, "division by the constant 0: the kernel refuses it");
	return 0;
}

static int move(struct env *e, const struct insn *in, bool wide)
{
	struct reg *d = &top(e)->r[in->dst], *s = &top(e)->r[in->src];

	if (in->dst == in->src && wide)
		return 0;
	if (is_ptr(s)) {
		if (!wide)
			return make_unknown(e, in->dst);
		*d = *s;
		return step_reg(e, ST_DEF, in->dst, in->dst);
	}
	if (wide || s->s.umax <= UINT32_MAX) {
		link(e, d, s);
	} else {
		struct scalar low = scalar_low(width64, &s->s);

		*d = reg_number(scalar_from_low(width64, &low), e->pc);
	}
	return step_reg(e, ST_MOV, in->dst, in->src);
}

static int sign_extend(struct env *e, const struct insn *in)
{
	struct reg *d = &top(e)->r[in->dst], *s = &top(e)->r[in->src], r;
	bool wide = in->op == OP_MOVSB64_X || in->op == OP_MOVSH64_X || in->op == OP_MOVSW64_X;
	unsigned from = in->op == OP_MOVSW64_X ? 32 : in->op == OP_MOVSB64_X || in->op == OP_MOVSB32_X ? 8 : 16;
	struct scalar v;

	if (is_ptr(s)) {
		if (e->kernel)
			return refuse_pointer_op(e, in, in->src);
		return make_unknown(e, in->dst);
	}
	if (wide) {
		v = scalar_sext(width64, &s->s, from);
	} else {
		v = scalar_low(width64, &s->s);
		v = scalar_sext(width32, &v, from);
		v = scalar_from_low(width64, &v);
	}
	if (wide && s->s.smin >= -(INT64_C(1) << (from - 1)) && s->s.smax < INT64_C(1) << (from - 1)) {
		if (in->dst != in->src)
			link(e, d, s);
		return step_reg(e, ST_MOV, in->dst, in->src);
	}
	r = reg_number(v, e->pc);
	*d = r;
	return step_reg(e, ST_MOV, in->dst, in->src);
}

static int unary(struct env *e, const struct insn *in)
{
	struct reg *d = &top(e)->r[in->dst];
	struct scalar zero = scalar_const(width64, 0), v = d->s;
	bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	unsigned bytes = in->op == OP_LE16 || in->op == OP_BE16 || in->op == OP_BSWAP16 ? 2 :
			 in->op == OP_LE32 || in->op == OP_BE32 || in->op == OP_BSWAP32 ? 4 : 8;
	bool swap;

	if (is_ptr(d))
		return make_unknown(e, in->dst);
	if (in->op == OP_NEG64) {
		v = scalar_alu(width64, ALU_SUB, &zero, &v);
	} else if (in->op == OP_NEG32) {
		v = scalar_low(width64, &v);
		zero = scalar_const(width32, 0);
		v = scalar_alu(width32, ALU_SUB, &zero, &v);
		v = scalar_from_low(width64, &v);
	} else {
		swap = in->op == OP_BSWAP16 || in->op == OP_BSWAP32 || in->op == OP_BSWAP64 ||
		       (in->op == OP_BE16 || in->op == OP_BE32 || in->op == OP_BE64) == little;
		v = swap ? scalar_bswap(&v, bytes) : scalar_zext(width64, &v, 8 * bytes);
	}
	forget_links(d);
	d->s = v;
	d->since = e->pc;
	return 0;
}

int do_alu(struct env *e, const struct insn *in)
{
	const struct op_info *info = &isa_op[in->op];
	struct reg k, *src = &k;
	bool x = info->shape == SHAPE_ALU_X, wide;
	enum alu op;
	int err;

	if (in->op == OP_CAST_USER || in->op == OP_CAST_KERN)
		return refuse(e, UEBPF_E_UNSUPPORTED, "address space casts (arena) are not verified here");
	if (x) {
		err = need(e, in->src);
		if (err)
			return err;
		src = &top(e)->r[in->src];
	}
	if (info->shape == SHAPE_UN) {
		err = need(e, in->dst);
		err = err ? err : unary(e, in);
		fact_result(e, &top(e)->r[in->dst]);
		return err;
	}
	if (in->op >= OP_MOVSB64_X && in->op <= OP_MOVSH32_X) {
		err = sign_extend(e, in);
		fact_result(e, &top(e)->r[in->dst]);
		return err;
	}
	op = (enum alu)((in->op - OP_ADD64_K) / 4);
	wide = info->flags & OPF_WIDTH64;
	if (!x) {
		err = form_checks(e, in, op, wide);
		if (err)
			return err;
		k = reg_constant(op == ALU_MOV && !wide ? (uint32_t)in->imm : (uint64_t)in->imm, e->pc);
	}
	if (op == ALU_MOV) {
		err = 0;
		if (x)
			err = move(e, in, wide);
		else
			top(e)->r[in->dst] = k, err = step_reg(e, ST_DEF, in->dst, in->dst);
	} else {
		err = need(e, in->dst);
		if (!err)
			err = is_ptr(&top(e)->r[in->dst]) || is_ptr(src) ?
				pointer_alu(e, in, op, wide, src, x) : number_alu(e, in, op, wide, src, x);
	}
	fact_result(e, &top(e)->r[in->dst]);
	return err;
}
