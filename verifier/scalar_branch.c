/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scalar_branch.c - what a conditional jump tells of the two numbers it compared.
 *
 * Each comparison that went one way is a comparison of another name that held (not < is >=), so
 * six facts are enough: ==, !=, and < or <= of either sign, plus shared bits.
 *
 * Must not know instructions, registers or pointers. */
#include "verifier/scalar.h"

static uint64_t min_u(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t max_u(uint64_t a, uint64_t b) { return a > b ? a : b; }
static int64_t min_s(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_s(int64_t a, int64_t b) { return a > b ? a : b; }

static bool tidy2(struct width w, struct scalar *a, struct scalar *b)
{
	return scalar_tidy(w, a) && scalar_tidy(w, b);
}

/* a is not the number k: shave ends that equal it. */
static bool drop(struct width w, struct scalar *a, uint64_t k)
{
	int64_t sk = width_sext(k, w.w);

	if (a->umin == a->umax)
		return a->umin != k;
	a->umin += a->umin == k;
	a->umax -= a->umax == k;
	a->smin += a->smin == sk;
	a->smax -= a->smax == sk;
	return scalar_tidy(w, a);
}

static bool eq(struct width w, struct scalar *a, struct scalar *b)
{
	if (!scalar_meet(w, a, b))
		return false;
	*b = *a;
	return true;
}

static bool ne(struct width w, struct scalar *a, struct scalar *b)
{
	if (scalar_is_const(b) && !drop(w, a, b->val))
		return false;
	return !scalar_is_const(a) || drop(w, b, a->val);
}

/* a < b, or a <= b when orequal */
static bool less(struct width w, struct scalar *a, struct scalar *b, bool orequal)
{
	uint64_t d = !orequal;

	if (b->umax < d || a->umin > width_mask(w.w) - d)
		return false;
	a->umax = min_u(a->umax, b->umax - d);
	b->umin = max_u(b->umin, a->umin + d);
	return a->umin <= a->umax && b->umin <= b->umax && tidy2(w, a, b);
}

static bool sless(struct width w, struct scalar *a, struct scalar *b, bool orequal)
{
	int64_t d = !orequal, lowest = width_sext(UINT64_C(1) << (w.w - 1), w.w);

	if (b->smax < lowest + d || a->smin > (int64_t)(width_mask(w.w) >> 1) - d)
		return false;
	a->smax = min_s(a->smax, b->smax - d);
	b->smin = max_s(b->smin, a->smin + d);
	return a->smin <= a->smax && b->smin <= b->smax && tidy2(w, a, b);
}

/* (a & b) == 0: a bit known set in one is clear in the other */
static bool disjoint(struct width w, struct scalar *a, struct scalar *b)
{
	if (a->val & b->val)
		return false;
	a->unk &= ~b->val;
	b->unk &= ~a->val;
	return tidy2(w, a, b);
}

static bool overlap(struct width w, struct scalar *a, struct scalar *b)
{
	uint64_t both = (a->val | a->unk) & (b->val | b->unk);

	if (!both)
		return false;
	if (!(both & (both - 1))) {		/* only one bit can be shared: both have it */
		a->val |= both;
		a->unk &= ~both;
		b->val |= both;
		b->unk &= ~both;
		return tidy2(w, a, b);
	}
	return drop(w, a, 0) && drop(w, b, 0);
}

bool scalar_branch(struct width w, enum cmp op, bool taken, struct scalar *a, struct scalar *b)
{
	switch (op) {
	case CMP_EQ: return taken ? eq(w, a, b) : ne(w, a, b);
	case CMP_NE: return taken ? ne(w, a, b) : eq(w, a, b);
	case CMP_SET: return taken ? overlap(w, a, b) : disjoint(w, a, b);
	case CMP_LT: return taken ? less(w, a, b, false) : less(w, b, a, true);
	case CMP_LE: return taken ? less(w, a, b, true) : less(w, b, a, false);
	case CMP_GT: return taken ? less(w, b, a, false) : less(w, a, b, true);
	case CMP_GE: return taken ? less(w, b, a, true) : less(w, a, b, false);
	case CMP_SLT: return taken ? sless(w, a, b, false) : sless(w, b, a, true);
	case CMP_SLE: return taken ? sless(w, a, b, true) : sless(w, b, a, false);
	case CMP_SGT: return taken ? sless(w, b, a, false) : sless(w, a, b, true);
	case CMP_SGE: return taken ? sless(w, b, a, true) : sless(w, a, b, false);
	default: return true;
	}
}
