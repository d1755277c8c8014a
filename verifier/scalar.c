/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scalar.c - sets of numbers: construction, closure, meet, join, inclusion.
 *
 * The closure (scalar_tidy) is where precision comes from.  An unsigned and a signed range together
 * are two intervals, one of non-negative and one of negative numbers; narrowing keeps exactly those
 * two.  The half's two intervals say which low parts exist, so the ends of the whole's ranges move
 * inwards to the next number with such a low part; and when the whole spans less than 2^h numbers
 * its low parts are one arc on the circle of the half.
 *
 * Must not know instructions, registers or pointers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "verifier/scalar.h"

static struct range half_get(const struct scalar *s)
{
	return (struct range){ s->hmin, s->hmax, s->hsmin, s->hsmax };
}

static void half_put(struct scalar *s, const struct range *r)
{
	s->hmin = (uint32_t)r->umin;
	s->hmax = (uint32_t)r->umax;
	s->hsmin = (int32_t)r->smin;
	s->hsmax = (int32_t)r->smax;
}

static struct range range_any(unsigned w)
{
	return (struct range){ 0, width_mask(w), width_sext(UINT64_C(1) << (w - 1), w),
			       (int64_t)(width_mask(w) >> 1) };
}

void scalar_const(struct scalar *out, struct width w, uint64_t v)
{
	memset(out, 0, sizeof *out);
	v &= width_mask(w.w);
	out->val = out->umin = out->umax = v;
	out->smin = out->smax = width_sext(v, w.w);
	if (!w.h)
		return;
	out->hmin = out->hmax = (uint32_t)(v & width_mask(w.h));
	out->hsmin = out->hsmax = (int32_t)width_sext(v, w.h);
}

void scalar_any(struct scalar *out, struct width w)
{
	struct range r = range_any(w.w);

	*out = (struct scalar){ 0, width_mask(w.w), r.umin, r.umax, r.smin, r.smax, 0, 0, 0, 0 };
	if (w.h) {
		r = range_any(w.h);
		half_put(out, &r);
	}
}

bool scalar_is_any(struct width w, const struct scalar *s)
{
	struct scalar any;

	scalar_any(&any, w);
	return !memcmp(s, &any, sizeof any);
}

void scalar_urange(struct scalar *out, struct width w, uint64_t lo, uint64_t hi)
{
	scalar_any(out, w);
	out->umin = lo;
	out->umax = hi;
	scalar_tidy(w, out);
}

/* What scalar_urange(width64, 0, 2^bits - 1) comes to; loads ask it all the time. */
void scalar_bits(struct scalar *out, unsigned bits)
{
	uint64_t m = width_mask(bits);

	scalar_any(out, width64);
	if (bits == 64)
		return;
	out->unk = out->umax = m;
	out->smin = 0;
	out->smax = (int64_t)m;
	if (bits == 32)
		return;
	out->hmax = (uint32_t)m;
	out->hsmin = 0;
	out->hsmax = (int32_t)m;
}

void scalar_srange(struct scalar *out, struct width w, int64_t lo, int64_t hi)
{
	scalar_any(out, w);
	out->smin = lo;
	out->smax = hi;
	scalar_tidy(w, out);
}

bool scalar_has(struct width w, const struct scalar *s, uint64_t v)
{
	int64_t sv = width_sext(v, w.w);

	if ((v & ~s->unk & width_mask(w.w)) != s->val || v < s->umin || v > s->umax || sv < s->smin ||
	    sv > s->smax)
		return false;
	if (!w.h)
		return true;
	v &= width_mask(w.h);
	sv = width_sext(v, w.h);
	return v >= s->hmin && v <= s->hmax && sv >= s->hsmin && sv <= s->hsmax;
}

/* ---- closure ---- */

/* The two intervals of a range pair, both as unsigned numbers: [0] non-negative, [1] negative. */
struct pieces {
	uint64_t lo[2], hi[2];
	bool has[2];
};

static uint64_t max_u(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t min_u(uint64_t a, uint64_t b) { return a < b ? a : b; }

static struct pieces split(unsigned w, const struct range *r)
{
	uint64_t m = width_mask(w), top = UINT64_C(1) << (w - 1);
	struct pieces p = { .has = { false, false } };

	if (r->umin > r->umax || r->smin > r->smax)
		return p;
	p.lo[0] = max_u(r->umin, r->smin < 0 ? 0 : (uint64_t)r->smin);
	p.hi[0] = min_u(r->umax, r->smax < 0 ? 0 : (uint64_t)r->smax);
	p.has[0] = r->smax >= 0 && p.lo[0] <= p.hi[0];
	p.lo[1] = max_u(r->umin, r->smin < 0 ? (uint64_t)r->smin & m : top);
	p.hi[1] = min_u(r->umax, r->smax < 0 ? (uint64_t)r->smax & m : m);
	p.has[1] = r->smin < 0 && p.lo[1] <= p.hi[1];
	return p;
}

/* Back to a range pair; false when both intervals are empty. */
static bool unsplit(unsigned w, const struct pieces *p, struct range *r)
{
	if (!p->has[0] && !p->has[1])
		return false;
	r->umin = p->has[0] ? p->lo[0] : p->lo[1];
	r->umax = p->has[1] ? p->hi[1] : p->hi[0];
	r->smin = p->has[1] ? width_sext(p->lo[1], w) : (int64_t)p->lo[0];
	r->smax = p->has[0] ? (int64_t)p->hi[0] : width_sext(p->hi[1], w);
	return true;
}

static uint64_t below_top_bit(uint64_t v)	/* all bits from the highest set one down */
{
	return v ? UINT64_MAX >> __builtin_clzll(v) : 0;
}

/* Smallest member of the bit pattern that is >= m; false when there is none. */
static bool bits_next(uint64_t val, uint64_t unk, uint64_t m, uint64_t mask, uint64_t *out)
{
	uint64_t fixed = ~unk & mask, diff = (m ^ val) & fixed, top, keep;

	if (!diff) {
		*out = m;
		return true;
	}
	top = below_top_bit(diff);		/* the highest fixed bit that disagrees, and below */
	if (val & (top ^ (top >> 1))) {		/* pattern has 1, m has 0: above m, lowest below */
		*out = (m & ~top) | (val & top);
		return true;
	}
	/* pattern has 0 where m has 1: raise the lowest free 0 bit above */
	keep = ~m & unk & ~top;
	if (!keep)
		return false;
	keep &= -keep;
	*out = ((m | keep) & ~(keep - 1)) | (val & (keep - 1));
	*out = (*out & ~fixed) | val;
	return true;
}

/* Largest member <= m: the same in the mirror. */
static bool bits_prev(uint64_t val, uint64_t unk, uint64_t m, uint64_t mask, uint64_t *out)
{
	if (!bits_next(~val & ~unk & mask, unk, ~m & mask, mask, out))
		return false;
	*out = ~*out & mask;
	return true;
}

/* Pieces against known bits, each end moved to a member; then known bits from the ends. */
static bool close_bits(unsigned w, uint64_t *val, uint64_t *unk, struct pieces *p)
{
	uint64_t m = width_mask(w), um, lo = 0, hi = 0;
	bool any = false;

	for (int i = 0; i < 2; i++) {
		if (!p->has[i])
			continue;
		if (!bits_next(*val, *unk, p->lo[i], m, &p->lo[i]) ||
		    !bits_prev(*val, *unk, p->hi[i], m, &p->hi[i]) || p->lo[i] > p->hi[i]) {
			p->has[i] = false;
			continue;
		}
		lo = any ? lo : p->lo[i];
		hi = p->hi[i];
		any = true;
	}
	if (!any)
		return false;
	um = below_top_bit(lo ^ hi);		/* bits above the highest that differs are shared */
	*val |= lo & *unk & ~um;
	*unk &= um;
	return true;
}

/* Does the arc lo, lo+1 .. lo+len of the half's circle narrow r? */
static void meet_arc(unsigned h, struct range *r, uint64_t lo, uint64_t len)
{
	uint64_t m = width_mask(h), hi;

	lo &= m;
	hi = (lo + len) & m;
	if (lo <= hi) {
		r->umin = max_u(r->umin, lo);
		r->umax = min_u(r->umax, hi);
	}
	if (width_sext(lo, h) <= width_sext(hi, h)) {
		if (width_sext(lo, h) > r->smin)
			r->smin = width_sext(lo, h);
		if (width_sext(hi, h) < r->smax)
			r->smax = width_sext(hi, h);
	}
}

/* Smallest number >= m whose low half lies in p; false when it would pass `last`. */
static bool half_next(unsigned h, const struct pieces *p, uint64_t m, uint64_t last, uint64_t *out)
{
	uint64_t hm = width_mask(h), lo = m & hm, hi = m & ~hm;
	int first = p->has[0] ? 0 : 1;

	for (int i = 0; i < 2; i++)
		if (p->has[i] && lo <= p->hi[i]) {
			*out = hi | max_u(lo, p->lo[i]);
			return *out <= last;
		}
	if ((last & ~hm) == hi)
		return false;
	*out = (hi + hm + 1) | p->lo[first];
	return *out <= last;
}

static bool half_prev(unsigned h, const struct pieces *p, uint64_t m, uint64_t first, uint64_t *out)
{
	uint64_t hm = width_mask(h), lo = m & hm, hi = m & ~hm;
	int last = p->has[1] ? 1 : 0;

	for (int i = 1; i >= 0; i--)
		if (p->has[i] && lo >= p->lo[i]) {
			*out = hi | min_u(lo, p->hi[i]);
			return *out >= first;
		}
	if ((first & ~hm) == hi)
		return false;
	*out = (hi - hm - 1) | p->hi[last];
	return *out >= first;
}

/* Whole against half, both ways. */
static bool close_half(struct width w, struct scalar *s, struct pieces *p)
{
	uint64_t hm = width_mask(w.h), hval = s->val & hm, hunk = s->unk & hm;
	struct range r = { 0, 0, 0, 0 }, hr = half_get(s);
	struct pieces hp;

	if (!unsplit(w.w, p, &r))
		return false;
	if (r.umax - r.umin <= hm)
		meet_arc(w.h, &hr, r.umin, r.umax - r.umin);
	if ((uint64_t)r.smax - (uint64_t)r.smin <= hm)
		meet_arc(w.h, &hr, (uint64_t)r.smin, (uint64_t)r.smax - (uint64_t)r.smin);
	hp = split(w.h, &hr);
	if (!close_bits(w.h, &hval, &hunk, &hp) || !unsplit(w.h, &hp, &hr))
		return false;
	s->val |= hval;
	s->unk &= ~hm | hunk;
	half_put(s, &hr);
	for (int i = 0; i < 2; i++)
		if (p->has[i] && (!half_next(w.h, &hp, p->lo[i], p->hi[i], &p->lo[i]) ||
				  !half_prev(w.h, &hp, p->hi[i], p->lo[i], &p->hi[i])))
			p->has[i] = false;
	return p->has[0] || p->has[1];
}

bool scalar_tidy(struct width w, struct scalar *s)
{
	struct range r;
	struct pieces p;
	struct scalar old;

	/* Each round only narrows; the bound keeps hostile inputs cheap. */
	for (int round = 0; round < 6; round++) {
		old = *s;
		r = (struct range){ s->umin, s->umax, s->smin, s->smax };
		p = split(w.w, &r);
		if (!close_bits(w.w, &s->val, &s->unk, &p))
			return false;
		if (w.h && !close_half(w, s, &p))
			return false;
		if (!unsplit(w.w, &p, &r))
			return false;
		s->umin = r.umin;
		s->umax = r.umax;
		s->smin = r.smin;
		s->smax = r.smax;
		if (!memcmp(&old, s, sizeof old))
			break;
	}
	return true;
}

/* ---- sets ---- */

bool scalar_meet(struct width w, struct scalar *a, const struct scalar *b)
{
	if ((a->val ^ b->val) & ~(a->unk | b->unk) & width_mask(w.w))
		return false;
	a->val |= b->val;
	a->unk &= b->unk;
	a->umin = max_u(a->umin, b->umin);
	a->umax = min_u(a->umax, b->umax);
	a->smin = a->smin > b->smin ? a->smin : b->smin;
	a->smax = a->smax < b->smax ? a->smax : b->smax;
	a->hmin = a->hmin > b->hmin ? a->hmin : b->hmin;
	a->hmax = a->hmax < b->hmax ? a->hmax : b->hmax;
	a->hsmin = a->hsmin > b->hsmin ? a->hsmin : b->hsmin;
	a->hsmax = a->hsmax < b->hsmax ? a->hsmax : b->hsmax;
	return scalar_tidy(w, a);
}

void scalar_join(struct scalar *out, struct width w, const struct scalar *a, const struct scalar *b)
{
	uint64_t unk = (a->unk | b->unk | (a->val ^ b->val)) & width_mask(w.w);
	struct scalar s = {
		.val = a->val & ~unk, .unk = unk,
		.umin = min_u(a->umin, b->umin), .umax = max_u(a->umax, b->umax),
		.smin = a->smin < b->smin ? a->smin : b->smin,
		.smax = a->smax > b->smax ? a->smax : b->smax,
		.hmin = a->hmin < b->hmin ? a->hmin : b->hmin,
		.hmax = a->hmax > b->hmax ? a->hmax : b->hmax,
		.hsmin = a->hsmin < b->hsmin ? a->hsmin : b->hsmin,
		.hsmax = a->hsmax > b->hsmax ? a->hsmax : b->hsmax,
	};

	scalar_tidy(w, &s);
	*out = s;
}

bool scalar_within(const struct scalar *in, const struct scalar *out)
{
	return !(in->unk & ~out->unk) && !((in->val ^ out->val) & ~out->unk) &&
	       in->umin >= out->umin && in->umax <= out->umax && in->smin >= out->smin &&
	       in->smax <= out->smax && in->hmin >= out->hmin && in->hmax <= out->hmax &&
	       in->hsmin >= out->hsmin && in->hsmax <= out->hsmax;
}

void scalar_widen(struct scalar *out, struct width w, const struct scalar *old, const struct scalar *new_,
		  uint64_t limit_lo, uint64_t limit_hi)
{
	struct scalar j, s;
	uint64_t grew;

	scalar_join(&j, w, old, new_);
	scalar_any(&s, w);
	grew = j.unk & ~old->unk;

	/* Bits below the lowest one that changed stay known (alignment of a counter). */
	if (grew)
		s.unk = width_mask(w.w) & (j.unk | ~((grew & -grew) - 1));
	else
		s.unk = j.unk;
	s.val = j.val & ~s.unk;
	s.umin = j.umin >= old->umin ? j.umin : j.umin >= limit_lo ? limit_lo : 0;
	s.umax = j.umax <= old->umax ? j.umax : j.umax <= limit_hi ? limit_hi : width_mask(w.w);
	if (j.smin >= old->smin)
		s.smin = j.smin;
	if (j.smax <= old->smax)
		s.smax = j.smax;
	scalar_tidy(w, &s);
	*out = s;
}

void scalar_low(struct scalar *out, struct width w, const struct scalar *a)
{
	uint64_t m = width_mask(w.h);

	*out = (struct scalar){ .val = a->val & m, .unk = a->unk & m, .umin = a->hmin, .umax = a->hmax,
				.smin = a->hsmin, .smax = a->hsmax };
}

void scalar_from_low(struct scalar *out, struct width w, const struct scalar *low)
{
	*out = (struct scalar){ .val = low->val, .unk = low->unk, .umin = low->umin, .umax = low->umax,
			    .smin = (int64_t)low->umin, .smax = (int64_t)low->umax,
			    .hmin = (uint32_t)low->umin, .hmax = (uint32_t)low->umax,
			    .hsmin = (int32_t)low->smin, .hsmax = (int32_t)low->smax };
	scalar_tidy(w, out);
}

bool scalar_set_low(struct width w, struct scalar *a, const struct scalar *low)
{
	uint64_t m = width_mask(w.h);

	if ((a->val ^ low->val) & ~(a->unk | low->unk) & m)
		return false;
	a->val |= low->val & a->unk;
	a->unk &= ~m | low->unk;
	a->hmin = (uint32_t)max_u(a->hmin, low->umin);
	a->hmax = (uint32_t)min_u(a->hmax, low->umax);
	a->hsmin = a->hsmin > low->smin ? a->hsmin : (int32_t)low->smin;
	a->hsmax = a->hsmax < low->smax ? a->hsmax : (int32_t)low->smax;
	return scalar_tidy(w, a);
}

int scalar_text(char *buf, unsigned cap, const struct scalar *s)
{
	bool narrow = s->hsmin < 0 && (s->hsmin > INT32_MIN || s->hsmax < INT32_MAX);
	int n;

	if (scalar_is_const(s))
		return s->umin > 0xffff && (int64_t)s->umin >= -0xffff && (int64_t)s->umin < 0 ?
			snprintf(buf, cap, "%" PRId64, (int64_t)s->umin) :
			snprintf(buf, cap, s->umin > 0xffff ? "0x%" PRIx64 : "%" PRIu64, s->umin);
	if (s->smin >= 0 || s->umin)	/* one interval of either sign */
		n = snprintf(buf, cap, "%" PRIu64 "..%" PRIu64, s->umin, s->umax);
	else if (s->smin > INT64_MIN || s->smax < INT64_MAX)
		n = snprintf(buf, cap, "%" PRId64 "..%" PRId64, s->smin, s->smax);
	else
		n = snprintf(buf, cap, "any number");
	if (n < 0 || (unsigned)n >= cap)
		return n;
	if (s->unk != below_top_bit(s->umin ^ s->umax))
		n += snprintf(buf + n, cap - (unsigned)n, " (bits 0x%" PRIx64 ")", s->val | s->unk);
	else if (narrow && (s->smin < INT32_MIN || s->smax > INT32_MAX))
		n += snprintf(buf + n, cap - (unsigned)n, " (as int %d..%d)", s->hsmin, s->hsmax);
	return n;
}
