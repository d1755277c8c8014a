/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scalar_pairs.h - every canonical number set of a small width, and every pair of them under every operation
 * and jump, against the concrete results.
 *
 * The concrete side is done by tables: for a fixed first set and operation, what each single y gives is known,
 * and the union over a second set is four look-ups, one a byte of that set.  With WHOLE (domain.sh) the
 * sources of the domain are part of this file, so that each operation has a loop of its own at 5 bits with
 * nothing left to decide; else one function serves every width. */
#ifndef TESTS_VERIFIER_SCALAR_PAIRS_H
#define TESTS_VERIFIER_SCALAR_PAIRS_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "verifier/scalar.h"

#ifdef WHOLE		/* the three files have helpers of the same names */
#include "verifier/scalar.c"
#define min_u	alu_min_u
#define max_u	alu_max_u
#define all	alu_all
#include "verifier/scalar_alu.c"
#undef min_u
#undef max_u
#undef all
#define min_u	branch_min_u
#define max_u	branch_max_u
#define min_s	branch_min_s
#define max_s	branch_max_s
#include "verifier/scalar_branch.c"
#undef min_u
#undef max_u
#undef min_s
#undef max_s
#define FLAT		__attribute__((flatten))
#define AT_5_BITS(call)	if (w.w == 5 && !w.h) { w = (struct width){ 5, 0 }; call; return; }
#else
#define FLAT
#define AT_5_BITS(call)
#endif

/* Check's own assertions write a mark to a file each time they hold: too dear for billions. */
#define must(cond) do { if (!(cond)) ck_abort_msg("%s", #cond); } while (0)
#define must_msg(cond, ...) do { if (!(cond)) ck_abort_msg(__VA_ARGS__); } while (0)

static unsigned part, parts = 1;

/* ---- the concrete meaning, at any width ---- */

static uint64_t concrete(unsigned w, enum alu op, uint64_t a, uint64_t b)
{
	uint64_t m = width_mask(w), by = b % w;
	int64_t sa = width_sext(a, w), sb = width_sext(b, w);

	switch (op) {
	case ALU_ADD: return (a + b) & m;
	case ALU_SUB: return (a - b) & m;
	case ALU_MUL: return (a * b) & m;
	case ALU_DIV: return b ? a / b : 0;
	case ALU_MOD: return b ? a % b : a;
	case ALU_SDIV: return !b ? 0 : sb == -1 ? -a & m : (uint64_t)(sa / sb) & m;
	case ALU_SMOD: return !b ? a : sb == -1 ? 0 : (uint64_t)(sa % sb) & m;
	case ALU_OR: return a | b;
	case ALU_AND: return a & b;
	case ALU_XOR: return a ^ b;
	case ALU_LSH: return a << by & m;
	case ALU_RSH: return a >> by;
	case ALU_ARSH: return (uint64_t)(sa >> by) & m;
	default: return b;
	}
}

static bool holds(unsigned w, enum cmp op, uint64_t a, uint64_t b)
{
	int64_t sa = width_sext(a, w), sb = width_sext(b, w);

	switch (op) {
	case CMP_EQ: return a == b;
	case CMP_NE: return a != b;
	case CMP_GT: return a > b;
	case CMP_GE: return a >= b;
	case CMP_LT: return a < b;
	case CMP_LE: return a <= b;
	case CMP_SET: return a & b;
	case CMP_SGT: return sa > sb;
	case CMP_SGE: return sa >= sb;
	case CMP_SLT: return sa < sb;
	default: return sa <= sb;
	}
}

/* ---- every canonical value of a small width ---- */

struct value {
	struct scalar s;
	uint32_t set;
};
static struct value *all;
static size_t nr_all, cap_all;

/* The set as a bit mask, from tables of scalar_has' single conditions; signed ends count from the lowest. */
static uint32_t of_bits[32][32], of_range[32][32], of_srange[32][32], of_half[32][32], of_shalf[32][32];
static struct width tables;

static void build_tables(struct width w)
{
	uint32_t n = 1u << w.w, m = n - 1, hm = w.h ? (1u << w.h) - 1 : 0, top = n / 2, htop = (hm + 1) / 2;

	if (tables.w == w.w && tables.h == w.h)
		return;
	tables = w;
	memset(of_bits, 0, sizeof of_bits);
	memset(of_range, 0, sizeof of_range);
	memset(of_srange, 0, sizeof of_srange);
	memset(of_half, 0, sizeof of_half);
	memset(of_shalf, 0, sizeof of_shalf);
	for (uint32_t a = 0; a < n; a++)
	for (uint32_t b = 0; b < n; b++)
	for (uint32_t x = 0; x < n; x++) {
		uint32_t bit = 1u << x, sx = x ^ top, low = x & hm, slow = low ^ htop;

		of_bits[a][b] |= (x & ~b & m) == a ? bit : 0;
		of_range[a][b] |= x >= a && x <= b ? bit : 0;
		of_srange[a][b] |= sx >= a && sx <= b ? bit : 0;
		of_half[a][b] |= low >= a && low <= b ? bit : 0;
		of_shalf[a][b] |= slow >= a && slow <= b ? bit : 0;
	}
}

/* After build_tables(w). */
static inline uint32_t members(struct width w, const struct scalar *s)
{
	uint32_t m = (uint32_t)width_mask(w.w), top = 1u << (w.w - 1), htop = w.h ? 1u << (w.h - 1) : 0, set;

	set = of_bits[s->val & m][s->unk & m] & of_range[s->umin & m][s->umax & m] &
	      of_srange[((uint32_t)s->smin + top) & m][((uint32_t)s->smax + top) & m];
	if (w.h)
		set &= of_half[s->hmin][s->hmax] &
		       of_shalf[(uint32_t)s->hsmin + htop][(uint32_t)s->hsmax + htop];
	return set;
}

static uint32_t *seen;
enum { SEEN = 1 << 22 };

static void keep(struct scalar s, uint32_t set)
{
	uint64_t h = 1469598103934665603u;
	const uint64_t *p = (const uint64_t *)&s;

	for (unsigned i = 0; i < sizeof s / 8; i++)
		h = (h ^ p[i]) * 0x9e3779b97f4a7c15;
	for (h >>= 40; seen[h % SEEN]; h++)
		if (!memcmp(&all[seen[h % SEEN] - 1].s, &s, sizeof s))
			return;
	if (nr_all == cap_all) {
		struct value *more = realloc(all, (cap_all = cap_all ? cap_all * 2 : 4096) * sizeof *all);

		must(more);
		all = more;
	}
	all[nr_all] = (struct value){ s, set };
	seen[h % SEEN] = (uint32_t)++nr_all;
}

static void try_raw(struct width w, struct scalar s)
{
	uint32_t before = members(w, &s), after;
	struct scalar t = s;

	if (!scalar_tidy(w, &t)) {
		must_msg(!before, "closure calls a set with members empty");
		return;
	}
	after = members(w, &t);
	must_msg(before == after, "closure changed the set: %x -> %x", before, after);
	if (after)
		keep(t, after);
}

static void enumerate(struct width w)
{
	int64_t lo = width_sext(UINT64_C(1) << (w.w - 1), w.w), hi = (int64_t)(width_mask(w.w) >> 1);
	uint64_t m = width_mask(w.w);

	build_tables(w);
	seen = calloc(SEEN, sizeof *seen);
	nr_all = 0;
	for (uint64_t unk = 0; unk <= m; unk++)
	for (uint64_t val = 0; val <= m; val++) {
		if (val & unk)
			continue;
		for (uint64_t a = 0; a <= m; a++)
		for (uint64_t b = a; b <= m; b++)
		for (int64_t c = lo; c <= hi; c++)
		for (int64_t d = c; d <= hi; d++)
			try_raw(w, (struct scalar){ val, unk, a, b, c, d, 0, 0, 0, 0 });
	}
	free(seen);
}

/* The coupled domain: every canonical whole with every pair of half ranges. */
static void enumerate_half(struct width w)
{
	struct value *whole;
	size_t n;
	int64_t lo = width_sext(UINT64_C(1) << (w.h - 1), w.h), hi = (int64_t)(width_mask(w.h) >> 1);
	uint64_t m = width_mask(w.h);

	enumerate((struct width){ w.w, 0 });
	whole = all;
	n = nr_all;
	all = NULL;
	nr_all = cap_all = 0;
	build_tables(w);
	seen = calloc(SEEN, sizeof *seen);
	for (size_t i = 0; i < n; i++)
		for (uint64_t a = 0; a <= m; a++)
		for (uint64_t b = a; b <= m; b++)
		for (int64_t c = lo; c <= hi; c++)
		for (int64_t d = c; d <= hi; d++) {
			struct scalar s = whole[i].s;

			s.hmin = (uint32_t)a;
			s.hmax = (uint32_t)b;
			s.hsmin = (int32_t)c;
			s.hsmax = (int32_t)d;
			try_raw(w, s);
		}
	free(whole);
	free(seen);
}

/* ---- pairs ---- */

static uint8_t meaning[ALU_COUNT][32][32];	/* concrete() at the width at hand */
static uint32_t yes[CMP_COUNT][32];		/* for each x the set of y with x op y */

static void build_meaning(struct width w)
{
	uint32_t n = 1u << w.w;

	build_tables(w);
	memset(yes, 0, sizeof yes);
	for (uint32_t x = 0; x < n; x++)
	for (uint32_t y = 0; y < n; y++) {
		for (unsigned op = 0; op < ALU_COUNT; op++)
			meaning[op][x][y] = (uint8_t)concrete(w.w, (enum alu)op, x, y);
		for (unsigned op = 0; op < CMP_COUNT; op++)
			yes[op][x] |= (uint32_t)holds(w.w, (enum cmp)op, x, y) << y;
	}
}

/* What a fixed first set makes of any set of y: a table for each of that set's bytes. */
struct near {
	uint32_t of[4][256];
};

static void near_build(struct near *t, const uint32_t single[32])
{
	for (unsigned byte = 0; byte < 4; byte++) {
		t->of[byte][0] = 0;
		for (unsigned set = 1; set < 256; set++)
			t->of[byte][set] = t->of[byte][set & (set - 1)] |
					   single[byte * 8 + (unsigned)__builtin_ctz(set)];
	}
}

static inline uint32_t near_of(const struct near *t, uint32_t set)
{
	return t->of[0][set & 255] | t->of[1][set >> 8 & 255] | t->of[2][set >> 16 & 255] | t->of[3][set >> 24];
}

/* Numbers of members of abstract and of concrete results. */
struct sizes {
	uint64_t have, want;
};

/* One first value with every step-th second one. */
static inline __attribute__((always_inline))
void row_alu(struct width w, enum alu op, const char *name, const struct value *a, size_t first, size_t step,
	     struct sizes *sizes)
{
	uint32_t single[32] = { 0 }, n = 1u << w.w;
	struct near near;

	for (uint32_t x = 0; x < n; x++)
		for (uint32_t y = 0; y < n && a->set >> x & 1; y++)
			single[y] |= 1u << meaning[op][x][y];
	near_build(&near, single);
	for (size_t j = first; j < nr_all; j += step) {
		uint32_t want = near_of(&near, all[j].set), have;
		struct scalar r;

		scalar_alu(&r, w, op, &a->s, &all[j].s);
		have = members(w, &r);
		must_msg(!(want & ~have), "%s at %u bits: %x, %x gives %x, must hold %x", name, w.w, a->set,
			 all[j].set, have, want);
		sizes->have += (uint64_t)__builtin_popcount(have);
		sizes->want += (uint64_t)__builtin_popcount(want);
	}
}

static inline __attribute__((always_inline))
void row_cmp(struct width w, enum cmp op, bool taken, const char *name, const struct value *a, size_t first,
	     size_t step)
{
	uint32_t single[32] = { 0 }, n = 1u << w.w, some = 0;	/* some: y that any x of the set goes with */
	struct near near;

	for (uint32_t x = 0; x < n; x++) {
		uint32_t ys = taken ? yes[op][x] : ~yes[op][x];

		if (!(a->set >> x & 1))
			continue;
		some |= ys;
		for (uint32_t y = 0; y < n; y++)
			single[y] |= (ys >> y & 1) << x;
	}
	near_build(&near, single);
	for (size_t j = first; j < nr_all; j += step) {
		struct scalar x = a->s, y = all[j].s;
		uint32_t keep_a = near_of(&near, all[j].set), keep_b = all[j].set & some;

		if (!scalar_branch(w, op, taken, &x, &y))
			must_msg(!keep_a, "%s taken=%d called impossible", name, taken);
		else
			must_msg(!(keep_a & ~members(w, &x)) && !(keep_b & ~members(w, &y)),
				 "%s taken=%d at %u bits loses a number: %x,%x", name, taken, w.w, a->set,
				 all[j].set);
	}
}

#define ALU_OPS(X) X(ADD, "add") X(SUB, "sub") X(MUL, "mul") X(DIV, "div") X(SDIV, "sdiv") X(OR, "or") \
	X(AND, "and") X(LSH, "lsh") X(RSH, "rsh") X(MOD, "mod") X(SMOD, "smod") X(XOR, "xor") \
	X(MOV, "mov") X(ARSH, "arsh")
#define CMP_OPS(X) X(EQ, "eq") X(GT, "gt") X(GE, "ge") X(SET, "set") X(NE, "ne") X(SGT, "sgt") \
	X(SGE, "sge") X(LT, "lt") X(LE, "le") X(SLT, "slt") X(SLE, "sle")

typedef void row_fn(struct width w, const struct value *a, size_t first, size_t step, struct sizes *sizes);

#define ALU_ROW(op, name) static FLAT void row_##op(struct width w, const struct value *a, size_t first, \
						    size_t step, struct sizes *sizes) \
{ \
	AT_5_BITS(row_alu(w, ALU_##op, name, a, first, step, sizes)) \
	row_alu(w, ALU_##op, name, a, first, step, sizes); \
}
#define CMP_ROW(op, name) static FLAT void row_##op(struct width w, const struct value *a, size_t first, \
						    size_t step, struct sizes *sizes) \
{ \
	(void)sizes; \
	AT_5_BITS(row_cmp(w, CMP_##op, true, name, a, first, step); \
		  row_cmp(w, CMP_##op, false, name, a, first, step)) \
	for (int taken = 0; taken < 2; taken++) \
		row_cmp(w, CMP_##op, taken, name, a, first, step); \
}
ALU_OPS(ALU_ROW)
CMP_OPS(CMP_ROW)

#define ALU_ENTRY(op, name) [ALU_##op] = { row_##op, name },
#define CMP_ENTRY(op, name) [ALU_COUNT + CMP_##op] = { row_##op, name },
static const struct {
	row_fn *row;
	const char *name;
} ops[] = { ALU_OPS(ALU_ENTRY) CMP_OPS(CMP_ENTRY) };

static void every_pair(struct width w, size_t step)
{
	build_meaning(w);
	for (unsigned op = 0; op < ALU_COUNT + CMP_COUNT; op++) {
		struct sizes sizes = { 0, 0 };

		for (size_t i = part; i < nr_all; i += parts * step)
			ops[op].row(w, &all[i], (i / parts) % step, step, &sizes);
		if (op < ALU_COUNT)
			printf("  %u bits%s %-4s %zu values, result/exact %.3f\n", w.w, w.h ? " coupled" : "",
			       ops[op].name, nr_all,
			       sizes.want ? (double)sizes.have / (double)sizes.want : 0);
	}
}

#endif
