/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alu.c - arithmetic and moves on the abstract registers: numbers by scalar_alu, pointers by the few
 * operations that keep them pointers (adding and subtracting numbers within bounds). */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include "verifier/state.h"

enum { MAX_POINTER_OFF = 1 << 29 };

static __attribute__((noinline)) void forget_links(struct reg *r)
{
	r->id = 0;
	r->len = r->below = 0;
	r->off = r->range = 0;
	r->obj = 0;
}

static int need(struct env *e, unsigned reg)
{
	if (e->top->r[reg].kind != K_NONE || !rule(e, RULE_UNINIT))
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
		return unsafe_(e, (int)reg, MESSAGE_TEXT("compare it with NULL first"),
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
	return unsafe_(e, (int)reg, MESSAGE_TEXT("bound the offset before adding it, e.g. with `if (i < n)` or `i &= mask`"),
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
	scalar_alu(&p->s, width64, minus ? ALU_SUB : ALU_ADD, &p->s, &n->s);
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
			p->len = n->len;
			scalar_add_k(&p->s, -(int64_t)n->off);
			p->off += n->off;
		}
	}
	return sane(e, reg, p);
}

static int refuse_pointer_op(struct env *e, unsigned reg)
{
	char what[80];

	describe(e, &e->top->r[reg], what, sizeof what);
	return unsafe_(e, (int)reg, MESSAGE_TEXT("only numbers can be added to or subtracted from a pointer"),
		       "r%u is %s: %s cannot be done with it", reg, what, isa_text((uint16_t)(e->op - isa_op)));
}

static int make_unknown(struct env *e, bool wide)
{
	set_bits(e, e->d, wide ? 64 : 32);
	return step_insn(e, ST_DEF);
}

/* What no rule says of pointers: the kernel refuses, we know nothing of the result. */
static int pointer_lost(struct env *e, bool refused, bool wide)
{
	return e->kernel && refused ? refuse_pointer_op(e, is_ptr(e->d) ? e->in->dst : e->in->src) : make_unknown(e, wide);
}

static int pointer_alu(struct env *e, enum alu op, bool wide, struct reg *src, bool src_is_reg)
{
	const struct insn *in = e->in;
	struct reg *d = e->d, moved;
	bool both = is_ptr(d) && is_ptr(src), sum = op == ALU_ADD || (op == ALU_SUB && is_ptr(d));
	int err;

	if (!wide || both || !sum)
		return pointer_lost(e, wide ? !both || op != ALU_SUB : op != ALU_SUB, wide);
	if (e->kernel && op == ALU_SUB && d->kind == K_STACK)
		return refuse(e, UEBPF_E_FORM, "subtraction from a frame pointer: the kernel takes additions only");
	if (d->kind == K_PROBE || src->kind == K_PROBE || d->kind == K_CSTR)
		return make_unknown(e, true);
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
	return err ? err : step_insn(e, ST_DEF);
}

/* ---- numbers ---- */

/* dst = src, both numbers: from now on one tells of the other. */
static void link(struct env *e)
{
	if (!e->s->id && !scalar_is_const(&e->s->s))
		e->s->id = new_id(e);
	*e->d = *e->s;
	e->d->since = e->pc;
}

/* What linked and region facts survive `number += k`. */
static void shift_links(struct reg *r, const struct scalar *old, int64_t k)
{
	bool wraps = k >= 0 ? old->umax > UINT64_MAX - (uint64_t)k : old->umin < (uint64_t)-k;
	int64_t off = (int64_t)r->off + k, range = (int64_t)r->range - k;

	if ((r->id || r->len) && (off < INT32_MIN / 4 || off > INT32_MAX / 4)) {
		r->id = 0;
		r->len = 0;
	}
	r->off = r->id || r->len ? (int32_t)off : 0;
	if (r->below && (wraps || range < INT32_MIN / 4 || range > INT32_MAX / 4))
		r->below = 0;
	r->range = r->below ? (int32_t)range : 0;
	r->obj = 0;
}

static bool shrinks(enum alu op)
{
	return op == ALU_AND || op == ALU_RSH || op == ALU_DIV || op == ALU_MOD;
}

static int number_alu(struct env *e, enum alu op, bool wide, struct reg *src, bool src_is_reg)
{
	struct reg *d = e->d, old = *d;
	struct scalar a = d->s, b = src->s;
	bool by_k = scalar_is_const(&b) && (op == ALU_ADD || op == ALU_SUB);
	int64_t k = (int64_t)(op == ALU_ADD ? b.val : 0 - b.val);

	if ((op == ALU_SUB || op == ALU_XOR) && src == d) {
		set_constant(e, d, 0);
		return step_insn(e, ST_DEF);
	}
	if (!wide) {
		scalar_low(&a, width64, &a);
		scalar_low(&b, width64, &b);
		k = op == ALU_ADD ? (int64_t)(int32_t)b.val : -(int64_t)(int32_t)b.val;
		/* a 32-bit sum that neither wraps nor had high bits is the 64-bit one */
		by_k &= old.s.umax <= UINT32_MAX && k > INT32_MIN &&
			(k >= 0 ? old.s.umax + (uint64_t)k <= UINT32_MAX : old.s.umin >= (uint64_t)-k);
	}
	scalar_alu(&d->s, wide ? width64 : width32, op, &a, &b);
	if (!wide)
		scalar_from_low(&d->s, width64, &d->s);
	if (by_k && k > -(INT64_C(1) << 40) && k < INT64_C(1) << 40) {
		shift_links(d, &old.s, k);
	} else {
		forget_links(d);
		if (old.below && shrinks(op) && (wide || (old.s.umax <= UINT32_MAX && (op != ALU_DIV || b.umin)))) {
			d->below = old.below;
			d->range = old.range;
		}
	}
	d->since = e->pc;
	e->same = (wide || old.s.umax <= UINT32_MAX) && (op == ALU_AND ? !((old.s.val | old.s.unk) & ~b.val) :
							 op == ALU_MOD && old.s.umax < b.umin);
	return src_is_reg ? step_insn(e, ST_BIN) : 0;
}

static int form_checks(struct env *e, enum alu op, bool wide)
{
	int64_t imm = e->in->imm, most = wide ? 63 : 31;

	if (!e->kernel)
		return 0;
	if ((op == ALU_LSH || op == ALU_RSH || op == ALU_ARSH) && (imm < 0 || imm > most))
		return refuse(e, UEBPF_E_FORM, "shift by the constant %" PRId64 ": the kernel wants 0..%d", imm,
			      (int)most);
	if ((op == ALU_DIV || op == ALU_MOD || op == ALU_SDIV || op == ALU_SMOD) && !imm)
		return refuse(e, UEBPF_E_FORM, "division by the constant 0: the kernel refuses it");
	return 0;
}

/* dst = the low `from` bits of src, zero- or sign-extended; to 32 bits, which the upper half of dst does not
 * see, when !wide. */
static int move(struct env *e, unsigned from, bool sign, bool wide)
{
	struct scalar *s = &e->s->s, v = *s;
	int64_t most = from < 64 ? INT64_C(1) << (from - sign) : 0;

	if (e->d == e->s && from == 64)
		return 0;
	if (is_ptr(e->s)) {
		if (from < 64)
			return make_unknown(e, wide);
		*e->d = *e->s;
		return step_insn(e, ST_DEF);
	}
	if (from == 64 || (sign ? wide && s->smin >= -most && s->smax < most : s->umax < (uint64_t)most)) {
		e->same = e->d == e->s;
		if (e->d != e->s || !sign)
			link(e);
		return step_insn(e, ST_MOV);
	}
	if (!wide)
		scalar_low(&v, width64, &v);
	if (sign)
		scalar_sext(&v, wide ? width64 : width32, &v, from);
	if (!wide)
		scalar_from_low(&v, width64, &v);
	set_number(e, e->d, &v);
	return step_insn(e, ST_MOV);
}

/* The rules by row: what a row on one register does, and to how many of its bytes; how many bits a sign-extending
 * move takes.  A new row of vm/isa.def does not compile until it has its line here, or in enum alu. */
enum { KEEP, SWAP, NEGATE, LITTLE = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ };
#define UNARY(how, bytes) (how) << 4 | (bytes)
enum {
	UN_NEG64 = UNARY(NEGATE, 8), UN_NEG32 = UNARY(NEGATE, 4),
	UN_LE16 = UNARY(LITTLE ? KEEP : SWAP, 2), UN_LE32 = UN_LE16 + 2, UN_LE64 = UN_LE16 + 6,
	UN_BE16 = UNARY(LITTLE ? SWAP : KEEP, 2), UN_BE32 = UN_BE16 + 2, UN_BE64 = UN_BE16 + 6,
	UN_BSWAP16 = UNARY(SWAP, 2), UN_BSWAP32 = UN_BSWAP16 + 2, UN_BSWAP64 = UN_BSWAP16 + 6,
	SX_MOVSB = 8, SX_MOVSH = 16, SX_MOVSW = 32
};
static const uint8_t unary_row[] = {
#define UN(n, ...) [OP_##n - OP_NEG64] = UN_##n,
#include "vm/isa.def"
};
static const uint8_t movsx_row[] = {
#define MOVSX(n, w, ...) [OP_##n##w##_X - OP_MOVSB64_X] = SX_##n,
#include "vm/isa.def"
};
#define ALU(n, ...) _Static_assert(OP_##n##64_K == OP_ADD64_K + 4 * ALU_##n, "enum alu has the order of the rows");
#include "vm/isa.def"

static int unary(struct env *e)
{
	struct scalar *v = &e->d->s, zero;
	unsigned row = unary_row[e->in->op - OP_NEG64], bytes = row & 15;
	bool wide = bytes == 8;

	if (is_ptr(e->d))
		return make_unknown(e, true);
	forget_links(e->d);
	e->d->since = e->pc;
	switch (row >> 4) {
	case NEGATE:
		scalar_const(&zero, width64, 0);
		if (!wide)
			scalar_low(v, width64, v);
		scalar_alu(v, wide ? width64 : width32, ALU_SUB, &zero, v);
		if (!wide)
			scalar_from_low(v, width64, v);
		break;
	case SWAP:
		scalar_bswap(v, v, bytes);
		break;
	default:
		scalar_zext(v, width64, v, 8 * bytes);
	}
	return 0;
}

static int binary(struct env *e, bool x)
{
	enum alu op = (enum alu)((e->in->op - OP_ADD64_K) / 4);
	bool wide = e->op->flags & OPF_WIDTH64;
	struct reg k, *src = x ? e->s : &k;
	int err = 0;

	if (x && op == ALU_MOV)
		return move(e, wide ? 64 : 32, false, wide);
	if (!x) {
		err = form_checks(e, op, wide);
		set_constant(e, &k, op == ALU_MOV && !wide ? (uint32_t)e->in->imm : (uint64_t)e->in->imm);
	}
	if (err || op == ALU_MOV) {
		*e->d = k;
		return err ? err : step_insn(e, ST_DEF);
	}
	err = need(e, e->in->dst);
	if (err)
		return err;
	if (arena_alu(e, src, &err))
		return err;
	return is_ptr(e->d) || is_ptr(src) ? pointer_alu(e, op, wide, src, x) : number_alu(e, op, wide, src, x);
}

int do_alu(struct env *e)
{
	uint16_t op = e->in->op;
	int err;

	e->same = false;
	err = e->op->shape == SHAPE_ALU_K ? 0 : need(e, e->op->shape == SHAPE_UN ? e->in->dst : e->in->src);
	if (err)
		return err;
	if (op == OP_CAST_USER || op == OP_CAST_KERN)
		return do_cast(e);
	if (e->op->shape == SHAPE_UN)
		err = unary(e);
	else if (op >= OP_MOVSB64_X && op < OP_MOVSB64_X + sizeof movsx_row)
		err = move(e, movsx_row[op - OP_MOVSB64_X], true, e->op->flags & OPF_WIDTH64);
	else
		err = binary(e, e->op->shape == SHAPE_ALU_X);
	fact_result(e, e->d);
	if (!e->same)
		e->fact->flags |= FACT_CHANGES;
	return err;
}
