/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* div.c - division and shifts, which x86 ties to rax, rdx and cl.
 *
 * Division by zero gives 0, modulo the dividend (RFC 9669 4.1); INT_MIN / -1 would trap, so a divisor
 * of -1 is a negation.  Both tests jump to out-of-line code.  Division by a constant is a
 * multiplication by its reciprocal (Granlund and Montgomery, "Division by invariant integers using
 * multiplication", 1994). */
#include "jit/x86_64/jc.h"

/* ---- division by a variable ---- */

static void cold_div(struct jc *c, enum cold_kind kind, struct form f, bool mod, struct cold **out)
{
	struct cold *cold = jc_cold(c, kind);

	*out = cold;
	if (!cold)
		return;
	cold->reg = f.d;
	cold->wide = f.w;
	cold->flag = mod;
}

static void divide(struct jc *c, struct form f, bool sign, bool mod)
{
	bool keep_rax = f.d != RAX && live_after(c, 0), keep_rdx = f.d != RDX && live_after(c, 3);
	int by = f.s, at_rax = TMP, at_rdx = TMP2;

	if (by == RAX || by == RDX || by == TMP) {
		if (by != TMP)
			x_mov(&c->b, true, TMP2, by);
		else
			at_rax = TMP2;	/* divisor stays in TMP */
		if (by == RAX)
			at_rax = TMP2, at_rdx = TMP;
		if (by != TMP)
			by = TMP2;
	}
	if (keep_rax && f.s != RAX)
		x_mov(&c->b, true, at_rax, RAX);
	if (keep_rdx && f.s != RDX) {
		if (f.s == TMP)
			x_movq_to(&c->b, 0, RDX);
		else
			x_mov(&c->b, true, at_rdx, RDX);
	}
	if (f.d != RAX)
		x_mov(&c->b, true, RAX, f.d);
	if (sign)
		x_sign_rdx(&c->b, f.w);
	else
		x_alu(&c->b, false, X_XOR, RDX, RDX);
	x_unary(&c->b, f.w, sign ? X_IDIV : X_DIV, by);
	if (f.d != (mod ? RDX : RAX))
		x_mov(&c->b, true, f.d, mod ? RDX : RAX);
	if (keep_rax)
		x_mov(&c->b, true, RAX, at_rax);
	if (keep_rdx && f.s == TMP)
		x_movq_from(&c->b, 0, RDX);
	else if (keep_rdx)
		x_mov(&c->b, true, RDX, at_rdx);
}

static void divide_tested(struct jc *c, struct form f, bool sign, bool mod)
{
	struct cold *zero, *minus = NULL;
	uint32_t zero_at, minus_at = 0;

	x_test(&c->b, f.w, f.s, f.s);
	cold_div(c, COLD_DIV_ZERO, f, mod, &zero);
	if (!zero)
		return;
	zero_at = (uint32_t)(zero - c->cold);
	jc_jcc(c, CC_E, zero->label);
	if (sign) {
		x_alu_k(&c->b, f.w, X_CMP, f.s, -1);
		cold_div(c, COLD_DIV_MINUS, f, mod, &minus);
		if (!minus)
			return;
		minus_at = (uint32_t)(minus - c->cold);
		jc_jcc(c, CC_E, minus->label);
	}
	divide(c, f, sign, mod);
	c->cold[zero_at].after = jc_here(c);
	if (sign)
		c->cold[minus_at].after = c->cold[zero_at].after;
}

/* ---- division by a constant ---- */

/* n / d = (n * m >> width) >> shift, where `more` with n + 1 in place of n.  With k = floor(log2 d), one of the quotients
 * beside 2^(width + k) / d is near enough: the one above misses by at most 2^k (Granlund and Montgomery, theorem 4.2),
 * or the one below does and n + 1 makes up for it (Robison, "N-bit unsigned division via N-bit multiply-add", 2005).
 * n + 1 may stay at 2^width - 1 where it would wrap: only a d that divides 2^width - 1 gives n and n - 1 different
 * quotients there, and for it the one above is near enough. */
struct magic { uint64_t m; unsigned shift; bool more; };

static struct magic magic_for(uint64_t d, unsigned width)
{
	unsigned k = 63 - (unsigned)__builtin_clzll(d);
	unsigned __int128 power = (unsigned __int128)1 << (width + k);
	uint64_t m = (uint64_t)(power / d), rest = (uint64_t)(power % d);
	bool above = d - rest <= 1ull << k;

	return (struct magic){ m + above, k, !above };
}

/* to = d / k for 32 bits; to is d, or TMP and d stays.  Uses TMP, TMP2. */
static void quotient32(struct jc *c, int to, int d, uint32_t k)
{
	struct magic g = magic_for(k, 32);
	unsigned less = g.more ? 0 : (unsigned)__builtin_ctzll(g.m);
	int m = to == TMP ? TMP2 : to;

	g.m >>= less;
	x_mov(&c->b, false, TMP, d);
	if (g.more)
		x_alu_k(&c->b, true, X_ADD, TMP, 1);
	if (x_fits32((int64_t)g.m)) {
		x_imul_k(&c->b, true, to, TMP, (int32_t)g.m);
	} else {
		x_mov_k(&c->b, m, (int64_t)g.m, false);
		x_imul(&c->b, true, to, to == TMP ? m : TMP);
	}
	x_shift_k(&c->b, true, X_SHR, to, 32 + g.shift - less);
}

/* Before the multiplication: an even k is made smaller, what has no room in 64 bits goes into the dividend. */
static void prepare(struct jc *c, struct magic g, unsigned even, int reg)
{
	if (even)
		x_shift_k(&c->b, true, X_SHR, reg, even);
	if (!g.more)
		return;
	x_alu_k(&c->b, true, X_ADD, reg, 1);
	x_alu_k(&c->b, true, X_SBB, reg, 0);
}

/* to = d / k for 64 bits; to is d, or TMP and d stays.  mul needs rax and rdx, mulx rdx: kept when they are live.
 * Uses TMP, TMP2. */
static void quotient64(struct jc *c, int to, int d, uint64_t k)
{
	struct magic g = magic_for(k, 64);
	bool keep_rax = d == RAX ? to == TMP : live_after(c, 0), keep_rdx = d == RDX ? to == TMP : live_after(c, 3);
	unsigned even = g.more ? (unsigned)__builtin_ctzll(k) : 0;

	if (even) {	/* of fewer bits: the next greater number is near enough */
		g = magic_for(k >> even, 64);
		g.m += g.more;
		g.more = false;
	}
	if (c->cpu & JIT_CPU_BMI2) {
		int by = d;

		if (g.more || even)
			x_mov(&c->b, true, by = TMP, d);
		prepare(c, g, even, TMP);
		if (by == RDX) {	/* in its place already */
			x_mov_k(&c->b, by = TMP, (int64_t)g.m, false);
			keep_rdx = false;
		} else {
			if (keep_rdx)
				x_mov(&c->b, true, TMP2, RDX);
			x_mov_k(&c->b, RDX, (int64_t)g.m, false);
		}
		x_mulx(&c->b, to, to, by);
		if (keep_rdx)
			x_mov(&c->b, true, RDX, TMP2);
	} else {
		x_mov_k(&c->b, TMP, (int64_t)g.m, false);
		if (keep_rax)
			x_mov(&c->b, true, TMP2, RAX);
		if (keep_rdx)
			x_movq_to(&c->b, 0, RDX);
		if (d != RAX)
			x_mov(&c->b, true, RAX, d);
		prepare(c, g, even, RAX);
		x_unary(&c->b, true, X_MUL, TMP);
		if (to != RDX)
			x_mov(&c->b, true, to, RDX);
		if (keep_rax)
			x_mov(&c->b, true, RAX, TMP2);
		if (keep_rdx)
			x_movq_from(&c->b, 0, RDX);
	}
	x_shift_k(&c->b, true, X_SHR, to, g.shift);
}

/* d -= TMP * k; k = 2^n - 1 or 2^n + 1 in less than imul's three cycles. */
static void take_times(struct jc *c, bool w, int d, uint64_t k)
{
	bool minus = !(k & (k + 1)), near = !(k >> (w ? 62 : 30));
	unsigned n = (unsigned)__builtin_ctzll(minus && near ? k + 1 : k - 1);

	if (near && (minus || k == (1ull << n) + 1)) {
		x_mov(&c->b, w, TMP2, TMP);
		x_shift_k(&c->b, w, X_SHL, TMP2, n);
		if (minus)
			x_alu(&c->b, w, X_SUB, TMP, TMP2);
		else
			x_alu(&c->b, w, X_SUB, d, TMP2);
		x_alu(&c->b, w, minus ? X_ADD : X_SUB, d, TMP);
		return;
	}
	if (x_fits32((int64_t)k) || !w) {
		x_imul_k(&c->b, w, TMP, TMP, (int32_t)k);
	} else {
		x_mov_k(&c->b, TMP2, (int64_t)k, false);
		x_imul(&c->b, true, TMP, TMP2);
	}
	x_alu(&c->b, w, X_SUB, d, TMP);
}

/* Unsigned, by k > 1. */
static void reciprocal(struct jc *c, struct form f, bool mod)
{
	uint64_t k = f.w ? (uint64_t)f.k : (uint32_t)f.k;

	if (!(k & (k - 1))) {
		unsigned bit = (unsigned)__builtin_ctzll(k);

		if (!mod) {
			x_shift_k(&c->b, f.w, X_SHR, f.d, bit);
		} else if (bit < 32) {
			x_alu_k(&c->b, false, X_AND, f.d, (int32_t)(k - 1));
		} else {	/* 2^63 as an immediate is INT64_MIN and its kin: clear the top bits */
			x_shift_k(&c->b, true, X_SHL, f.d, 64 - bit);
			x_shift_k(&c->b, true, X_SHR, f.d, 64 - bit);
		}
		return;
	}
	if (f.w)
		quotient64(c, mod ? TMP : f.d, f.d, k);
	else
		quotient32(c, mod ? TMP : f.d, f.d, (uint32_t)k);
	if (mod)
		take_times(c, f.w, f.d, k);
}

void emit_divmod(struct jc *c, struct form f, bool sign, bool mod)
{
	int64_t k = f.w ? f.k : sign ? (int32_t)f.k : (int64_t)(uint32_t)f.k;

	if (!f.imm) {
		divide_tested(c, f, sign, mod);
		return;
	}
	if (k == 0 && mod) {
		if (!f.w)
			x_mov(&c->b, false, f.d, f.d);
	} else if (k == 0 || (mod && k == 1) || (mod && sign && k == -1)) {
		x_mov_k(&c->b, f.d, 0, false);
	} else if (k == 1) {
		if (!f.w)
			x_mov(&c->b, false, f.d, f.d);
	} else if (sign && k == -1) {
		x_unary(&c->b, f.w, X_NEG, f.d);
	} else if (!sign && (c->rules & RULE_MAGIC) && !(c->flags & JIT_BLIND)) {
		jc_hit(c, RULE_MAGIC);
		reciprocal(c, f, mod);
	} else {
		emit_const(c, TMP, (uint64_t)f.k);
		f.s = TMP;
		divide(c, f, sign, mod);
	}
}

/* ---- shifts ---- */

void emit_shift(struct jc *c, struct form f, enum x_shift op)
{
	bool moved = f.d == RCX || f.s != RCX;

	if (f.imm) {
		unsigned k = (unsigned)f.k & (f.w ? 63 : 31);

		if (k)
			x_shift_k(&c->b, f.w, op, f.d, k);
		else if (!f.w)
			x_mov(&c->b, false, f.d, f.d);
		return;
	}
	if (c->cpu & JIT_CPU_BMI2) {
		x_shx(&c->b, f.w, op, f.d, f.d, f.s);
		return;
	}
	if (moved) {
		x_mov(&c->b, true, TMP, RCX);
		x_mov(&c->b, false, RCX, f.s);
	}
	x_shift_cl(&c->b, f.w, op, f.d == RCX ? TMP : f.d);
	if (moved)
		x_mov(&c->b, true, RCX, TMP);
	if (!f.w)	/* a count of 0 leaves the register, upper half included, as it was */
		x_mov(&c->b, false, f.d, f.d);
}
