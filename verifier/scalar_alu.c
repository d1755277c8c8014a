/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scalar_alu.c - what an ALU operation makes of sets of numbers.
 *
 * Each operation computes known bits, the ranges of the whole and the ranges of the low half apart;
 * the closure then lets them narrow each other.  A part that may overflow becomes "anything".
 * Division by zero gives 0 and a remainder by zero gives the dividend, as in vm/isa.def.
 *
 * Must not know instructions, registers or pointers. */
#include "verifier/scalar.h"

struct bits {
	uint64_t val, unk;
};

static int64_t min_s(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_s(int64_t a, int64_t b) { return a > b ? a : b; }
static uint64_t min_u(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t max_u(uint64_t a, uint64_t b) { return a > b ? a : b; }
static int64_t s_min(unsigned w) { return width_sext(UINT64_C(1) << (w - 1), w); }
static int64_t s_max(unsigned w) { return (int64_t)(width_mask(w) >> 1); }
static bool fits_s(int64_t v, unsigned w) { return v >= s_min(w) && v <= s_max(w); }

static struct range all(unsigned w)
{
	return (struct range){ 0, width_mask(w), s_min(w), s_max(w) };
}

/* ---- known bits ---- */

static struct bits bits_add(struct bits a, struct bits b, uint64_t m)
{
	uint64_t sum = a.val + b.val, carry = (sum + a.unk + b.unk) ^ sum;
	uint64_t unk = (carry | a.unk | b.unk) & m;

	return (struct bits){ sum & ~unk & m, unk };
}

static struct bits bits_sub(struct bits a, struct bits b, uint64_t m)
{
	uint64_t diff = a.val - b.val, borrow = (diff + a.unk) ^ (diff - b.unk);
	uint64_t unk = (borrow | a.unk | b.unk) & m;

	return (struct bits){ diff & ~unk & m, unk };
}

static struct bits bits_join(struct bits a, struct bits b)
{
	uint64_t unk = a.unk | b.unk | (a.val ^ b.val);

	return (struct bits){ a.val & ~unk, unk };
}

/* School multiplication: each bit of a adds b, nothing, or one of the two. */
static struct bits bits_mul(struct bits a, struct bits b, uint64_t m)
{
	struct bits sum = { 0, 0 };

	for (unsigned i = 0; i < 64 && (a.val | a.unk) >> i; i++) {
		struct bits part = { (b.val << i) & m, (b.unk << i) & m };

		if (a.val >> i & 1)
			sum = bits_add(sum, part, m);
		else if (a.unk >> i & 1)
			sum = bits_join(sum, bits_add(sum, part, m));
	}
	return sum;
}

static struct bits bits_shift(enum alu op, unsigned w, struct bits a, unsigned by)
{
	uint64_t m = width_mask(w);

	if (op == ALU_LSH)
		return (struct bits){ (a.val << by) & m, (a.unk << by) & m };
	if (op == ALU_RSH)
		return (struct bits){ a.val >> by, a.unk >> by };
	return (struct bits){ (uint64_t)(width_sext(a.val, w) >> by) & m,
			      (uint64_t)(width_sext(a.unk, w) >> by) & m };
}

/* ---- ranges at one width ---- */

static struct range add(unsigned w, const struct range *a, const struct range *b)
{
	uint64_t m = width_mask(w);
	struct range r = all(w);
	bool over_lo = a->umin > m - b->umin, over_hi = a->umax > m - b->umax;
	int64_t lo, hi;

	if (over_lo == over_hi) {		/* none or all wrap: the order is kept */
		r.umin = (a->umin + b->umin) & m;
		r.umax = (a->umax + b->umax) & m;
	}
	if (!__builtin_add_overflow(a->smin, b->smin, &lo) && fits_s(lo, w) &&
	    !__builtin_add_overflow(a->smax, b->smax, &hi) && fits_s(hi, w)) {
		r.smin = lo;
		r.smax = hi;
	}
	return r;
}

static struct range sub(unsigned w, const struct range *a, const struct range *b)
{
	uint64_t m = width_mask(w);
	struct range r = all(w);
	int64_t lo, hi;

	if ((a->umin < b->umax) == (a->umax < b->umin)) {
		r.umin = (a->umin - b->umax) & m;
		r.umax = (a->umax - b->umin) & m;
	}
	if (!__builtin_sub_overflow(a->smin, b->smax, &lo) && fits_s(lo, w) &&
	    !__builtin_sub_overflow(a->smax, b->smin, &hi) && fits_s(hi, w)) {
		r.smin = lo;
		r.smax = hi;
	}
	return r;
}

static struct range mul(unsigned w, const struct range *a, const struct range *b)
{
	struct range r = all(w);
	const int64_t x[2] = { a->smin, a->smax }, y[2] = { b->smin, b->smax };
	int64_t lo = INT64_MAX, hi = INT64_MIN, p;
	uint64_t top;
	bool fits = true;

	if (!__builtin_mul_overflow(a->umax, b->umax, &top) && top <= width_mask(w)) {
		r.umin = a->umin * b->umin;
		r.umax = top;
	}
	for (int i = 0; i < 4; i++) {
		if (__builtin_mul_overflow(x[i & 1], y[i >> 1], &p) || !fits_s(p, w))
			fits = false;
		lo = min_s(lo, p);
		hi = max_s(hi, p);
	}
	if (fits) {
		r.smin = lo;
		r.smax = hi;
	}
	return r;
}

static struct range udiv(unsigned w, const struct range *a, const struct range *b)
{
	struct range r = all(w);

	if (!b->umax) {
		r.umin = r.umax = 0;
		return r;
	}
	r.umin = b->umin ? a->umin / b->umax : 0;
	r.umax = a->umax / max_u(b->umin, 1);
	return r;
}

static struct range umod(unsigned w, const struct range *a, const struct range *b)
{
	struct range r = all(w);

	if (b->umin && a->umax < b->umin) {	/* never reaches the divisor */
		r.umin = a->umin;
		r.umax = a->umax;
		return r;
	}
	r.umin = 0;
	r.umax = b->umin ? min_u(a->umax, b->umax - 1) : a->umax;
	return r;
}

/* Quotient of truncating signed division; INT_MIN / -1 wraps to INT_MIN. */
static struct range sdiv(unsigned w, const struct range *a, const struct range *b)
{
	struct range r = all(w);
	const int64_t x[2] = { a->smin, a->smax };
	int64_t y[4], lo = 0, hi = 0;
	int n = 0;

	if (a->smin == s_min(w) && b->smin <= -1 && b->smax >= -1)
		return r;
	/* The quotient is extreme where |b| is smallest or at an end of b. */
	if (b->smin < 0) {
		y[n++] = b->smin;
		y[n++] = min_s(b->smax, -1);
	}
	if (b->smax > 0) {
		y[n++] = max_s(b->smin, 1);
		y[n++] = b->smax;
	}
	for (int i = 0; i < 2 * n; i++) {
		int64_t q = x[i & 1] / y[i >> 1];

		lo = i ? min_s(lo, q) : q;
		hi = i ? max_s(hi, q) : q;
	}
	if (n && a->smin < 0 && a->smax > 0) {	/* the dividend may be 0 */
		lo = min_s(lo, 0);
		hi = max_s(hi, 0);
	}
	if (b->smin <= 0 && b->smax >= 0) {	/* the divisor may be 0 */
		lo = min_s(lo, 0);
		hi = max_s(hi, 0);
	}
	r.smin = lo;
	r.smax = hi;
	return r;
}

/* The remainder has the dividend's sign and is smaller than the divisor. */
static struct range smod(unsigned w, const struct range *a, const struct range *b)
{
	struct range r = all(w);
	bool by_zero = b->smin <= 0 && b->smax >= 0;
	int64_t most, neg;

	/* b->smin may be the smallest number, whose magnitude - 1 still fits. */
	neg = b->smin < 0 ? -(b->smin + 1) : 0;
	most = max_s(neg, b->smax > 0 ? b->smax - 1 : 0);
	r.smin = a->smin < 0 ? (by_zero ? a->smin : max_s(a->smin, -most)) : 0;
	r.smax = a->smax > 0 ? (by_zero ? a->smax : min_s(a->smax, most)) : 0;
	return r;
}

static struct range lsh(unsigned w, const struct range *a, unsigned lo, unsigned hi)
{
	uint64_t m = width_mask(w);
	struct range r = all(w);
	int64_t top = (int64_t)((UINT64_C(1) << (w - 1 - hi)) - 1);	/* most that stays positive */

	if (a->umax <= m >> hi) {
		r.umin = a->umin << lo;
		r.umax = a->umax << hi;
	}
	/* sign and magnitude stay when the bits shifted out all equal the sign */
	if (a->smin >= -top - 1 && a->smax <= top) {
		r.smin = a->smin < 0 ? (int64_t)((uint64_t)a->smin << hi) :
				       (int64_t)((uint64_t)a->smin << lo);
		r.smax = a->smax < 0 ? (int64_t)((uint64_t)a->smax << lo) :
				       (int64_t)((uint64_t)a->smax << hi);
	}
	return r;
}

static struct range rsh(unsigned w, const struct range *a, unsigned lo, unsigned hi)
{
	struct range r = all(w);

	r.umin = a->umin >> hi;
	r.umax = a->umax >> lo;
	return r;
}

static struct range arsh(unsigned w, const struct range *a, unsigned lo, unsigned hi)
{
	struct range r = all(w);

	r.smin = a->smin < 0 ? a->smin >> lo : a->smin >> hi;
	r.smax = a->smax < 0 ? a->smax >> hi : a->smax >> lo;
	return r;
}

static struct range and_(unsigned w, const struct range *a, const struct range *b)
{
	struct range r = all(w);

	r.umin = 0;
	r.umax = min_u(a->umax, b->umax);
	return r;
}

static struct range or_(unsigned w, const struct range *a, const struct range *b)
{
	struct range r = all(w);

	r.umin = max_u(a->umin, b->umin);
	return r;
}

/* ---- operations ---- */

static struct range whole(const struct scalar *s)
{
	return (struct range){ s->umin, s->umax, s->smin, s->smax };
}

static struct range half(const struct scalar *s)
{
	return (struct range){ s->hmin, s->hmax, s->hsmin, s->hsmax };
}

static uint64_t eval(unsigned w, enum alu op, uint64_t a, uint64_t b)
{
	uint64_t m = width_mask(w), by = b & (w == 64 || w == 32 ? w - 1 : UINT64_MAX);
	int64_t sa = width_sext(a, w), sb = width_sext(b, w);

	if (by >= w)
		by %= w;
	switch (op) {
	case ALU_ADD: return (a + b) & m;
	case ALU_SUB: return (a - b) & m;
	case ALU_MUL: return (a * b) & m;
	case ALU_DIV: return b ? a / b : 0;
	case ALU_MOD: return b ? a % b : a;
	case ALU_SDIV: return !b ? 0 : sb == -1 ? (0 - a) & m : (uint64_t)(sa / sb) & m;
	case ALU_SMOD: return !b ? a : sb == -1 ? 0 : (uint64_t)(sa % sb) & m;
	case ALU_OR: return a | b;
	case ALU_AND: return a & b;
	case ALU_XOR: return a ^ b;
	case ALU_LSH: return (a << by) & m;
	case ALU_RSH: return a >> by;
	case ALU_ARSH: return (uint64_t)(sa >> by) & m;
	default: return b;
	}
}

/* Shift counts that b can mean: w is 32 or 64 in programs, where counts are masked (RFC 9669 4.1);
 * at other widths (tests) counts are taken modulo w. */
static void shift_counts(unsigned w, const struct scalar *b, unsigned *lo, unsigned *hi)
{
	if (b->umin / w == b->umax / w) {
		*lo = (unsigned)(b->umin % w);
		*hi = (unsigned)(b->umax % w);
	} else {
		*lo = 0;
		*hi = w - 1;
	}
}

static struct bits shift_bits(enum alu op, unsigned w, struct bits a, const struct scalar *b,
			      unsigned lo, unsigned hi)
{
	struct bits r = bits_shift(op, w, a, lo);
	bool pow2 = !(w & (w - 1));

	for (unsigned by = lo + 1; by <= hi; by++)
		if (!pow2 || !((by ^ b->val) & ~b->unk & (w - 1)))
			r = bits_join(r, bits_shift(op, w, a, by));
	if (pow2 && ((lo ^ b->val) & ~b->unk & (w - 1))) {
		/* lo itself is no possible count: start from the first that is */
		for (unsigned by = lo + 1; by <= hi; by++)
			if (!((by ^ b->val) & ~b->unk & (w - 1))) {
				r = bits_shift(op, w, a, by);
				for (unsigned k = by + 1; k <= hi; k++)
					if (!((k ^ b->val) & ~b->unk & (w - 1)))
						r = bits_join(r, bits_shift(op, w, a, k));
				break;
			}
	}
	return r;
}

static void put_half(struct scalar *s, const struct range *r)
{
	s->hmin = (uint32_t)r->umin;
	s->hmax = (uint32_t)r->umax;
	s->hsmin = (int32_t)r->smin;
	s->hsmax = (int32_t)r->smax;
}

static struct range shift_range(enum alu op, unsigned w, const struct range *a, unsigned lo, unsigned hi)
{
	return op == ALU_LSH ? lsh(w, a, lo, hi) : op == ALU_RSH ? rsh(w, a, lo, hi) :
	       arsh(w, a, lo, hi);
}

static struct range divide(enum alu op, unsigned w, const struct range *a, const struct range *b)
{
	return op == ALU_DIV ? udiv(w, a, b) : op == ALU_MOD ? umod(w, a, b) :
	       op == ALU_SDIV ? sdiv(w, a, b) : smod(w, a, b);
}

/* Additive and bitwise operations: the low half of the result depends on low halves alone. */
static struct range ring(enum alu op, unsigned w, const struct range *a, const struct range *b)
{
	switch (op) {
	case ALU_ADD: return add(w, a, b);
	case ALU_SUB: return sub(w, a, b);
	case ALU_MUL: return mul(w, a, b);
	case ALU_AND: return and_(w, a, b);
	case ALU_OR: return or_(w, a, b);
	default: return all(w);
	}
}

static __attribute__((noinline)) struct bits ring_bits(enum alu op, struct bits a, struct bits b, uint64_t m)
{
	struct bits r;

	switch (op) {
	case ALU_ADD: return bits_add(a, b, m);
	case ALU_SUB: return bits_sub(a, b, m);
	case ALU_MUL: return a.unk ? bits_mul(b, a, m) : bits_mul(a, b, m);
	case ALU_AND:
		r.val = a.val & b.val;
		r.unk = (a.val | a.unk) & (b.val | b.unk) & ~r.val;
		return r;
	case ALU_OR:
		r.val = a.val | b.val;
		r.unk = (a.unk | b.unk) & ~r.val;
		return r;
	default:
		r.unk = a.unk | b.unk;
		r.val = (a.val ^ b.val) & ~r.unk;
		return r;
	}
}

static void apply(struct scalar *s, struct bits bits, const struct range *r)
{
	s->val = bits.val;
	s->unk = bits.unk;
	s->umin = r->umin;
	s->umax = r->umax;
	s->smin = r->smin;
	s->smax = r->smax;
}

void scalar_alu(struct scalar *out, struct width w, enum alu op, const struct scalar *a, const struct scalar *b)
{
	struct scalar s;
	struct range ra = whole(a), rb = whole(b), r, ha = half(a), hb = half(b), hr;
	struct bits ba = { a->val, a->unk }, bb = { b->val, b->unk }, bits = { 0, width_mask(w.w) };
	unsigned lo, hi;

	if (op == ALU_MOV) {
		*out = *b;
		return;
	}
	if (scalar_is_const(a) && scalar_is_const(b)) {
		scalar_const(out, w, eval(w.w, op, a->val, b->val));
		return;
	}
	scalar_any(&s, w);
	switch (op) {
	case ALU_LSH: case ALU_RSH: case ALU_ARSH:
		shift_counts(w.w, b, &lo, &hi);
		bits = shift_bits(op, w.w, ba, b, lo, hi);
		r = shift_range(op, w.w, &ra, lo, hi);
		if (w.h && op == ALU_LSH && hi < w.h) {
			hr = lsh(w.h, &ha, lo, hi);
			put_half(&s, &hr);
		}
		break;
	case ALU_DIV: case ALU_MOD: case ALU_SDIV: case ALU_SMOD:
		r = divide(op, w.w, &ra, &rb);
		if (op == ALU_MOD && scalar_is_const(b) && b->val && !(b->val & (b->val - 1)))
			bits = ring_bits(ALU_AND, ba, (struct bits){ b->val - 1, 0 }, width_mask(w.w));
		break;
	default:
		bits = ring_bits(op, ba, bb, width_mask(w.w));
		r = ring(op, w.w, &ra, &rb);
		if (w.h) {
			hr = ring(op, w.h, &ha, &hb);
			put_half(&s, &hr);
		}
	}
	apply(&s, bits, &r);
	scalar_tidy(w, &s);
	*out = s;
}

void scalar_add_k(struct scalar *s, int64_t k)
{
	struct scalar by;

	scalar_const(&by, width64, (uint64_t)k);
	scalar_alu(s, width64, ALU_ADD, s, &by);
}

void scalar_shift_right(struct scalar *s, unsigned by)
{
	struct scalar n;

	scalar_const(&n, width64, by);
	scalar_alu(s, width64, ALU_RSH, s, &n);
}

void scalar_zext(struct scalar *out, struct width w, const struct scalar *a, unsigned from)
{
	struct scalar m;

	if (from >= w.w) {
		*out = *a;
	} else if (w.h && from == w.h) {
		scalar_low(&m, w, a);
		scalar_from_low(out, w, &m);
	} else {
		scalar_const(&m, w, width_mask(from));
		scalar_alu(out, w, ALU_AND, a, &m);
	}
}

void scalar_sext(struct scalar *out, struct width w, const struct scalar *a, unsigned from)
{
	int64_t lo = s_min(from), hi = s_max(from);
	uint64_t m = width_mask(w.w);
	struct scalar s;

	if (from >= w.w || (a->smin >= lo && a->smax <= hi)) {
		*out = *a;
		return;
	}
	scalar_any(&s, w);
	s.val = (uint64_t)width_sext(a->val, from) & m;
	s.unk = (uint64_t)width_sext(a->unk, from) & m;
	s.smin = lo;
	s.smax = hi;
	if (w.h && from == w.h) {
		s.smin = a->hsmin;
		s.smax = a->hsmax;
	}
	scalar_tidy(w, &s);
	*out = s;
}

static uint64_t reverse(uint64_t v, unsigned bytes)
{
	return __builtin_bswap64(v) >> (64 - 8 * bytes);
}

void scalar_bswap(struct scalar *out, const struct scalar *a, unsigned bytes)
{
	uint64_t val = reverse(a->val, bytes), unk = reverse(a->unk, bytes);

	if (scalar_is_const(a)) {
		scalar_const(out, width64, val);
		return;
	}
	scalar_any(out, width64);
	out->val = val;
	out->unk = unk;
	scalar_tidy(width64, out);
}
