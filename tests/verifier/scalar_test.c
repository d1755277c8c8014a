/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scalar_test.c - the number sets of verifier/scalar.h against every concrete input.
 *
 * At 3 and 4 bits every canonical value (and every pair of them) is tried through the very code
 * that runs at 64 bits; the coupling of whole and half as 2-in-4 and 4-in-8; random sets at 6, 8,
 * 32 and 64 bits.  PART=k/n runs the k-th of n equal parts (two processes).  FUZZ=1 (domain.sh): nothing
 * left out, 5 bits, 10^8 random pairs per width, each under every operation; says how far it is.  The
 * cases are called values, five, random, wide (CK_RUN_CASE).  Exit status and message tell of the first
 * unsound result. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "verifier/scalar.h"
#include "vm/insn.h"

/* Check's own assertions write a mark to a file each time they hold: too dear for billions. */
#define must(cond) do { if (!(cond)) ck_abort_msg("%s", #cond); } while (0)
#define must_msg(cond, ...) do { if (!(cond)) ck_abort_msg(__VA_ARGS__); } while (0)

/* The functions fill in what they are given; here they are values. */
#define VALUE(fn, ...) ({ struct scalar r_; fn(&r_, __VA_ARGS__); r_; })
#define scalar_const(...) VALUE(scalar_const, __VA_ARGS__)
#define scalar_any(...) VALUE(scalar_any, __VA_ARGS__)
#define scalar_urange(...) VALUE(scalar_urange, __VA_ARGS__)
#define scalar_bits(...) VALUE(scalar_bits, __VA_ARGS__)
#define scalar_alu(...) VALUE(scalar_alu, __VA_ARGS__)
#define scalar_sext(...) VALUE(scalar_sext, __VA_ARGS__)
#define scalar_zext(...) VALUE(scalar_zext, __VA_ARGS__)
#define scalar_bswap(...) VALUE(scalar_bswap, __VA_ARGS__)
#define scalar_join(...) VALUE(scalar_join, __VA_ARGS__)
#define scalar_widen(...) VALUE(scalar_widen, __VA_ARGS__)
#define scalar_low(...) VALUE(scalar_low, __VA_ARGS__)
#define scalar_from_low(...) VALUE(scalar_from_low, __VA_ARGS__)

static unsigned part, parts = 1;
static bool fuzz;

static void progress(const char *what, uint64_t done, uint64_t of)
{
	if (!fuzz)
		return;
	printf("%s: %" PRIu64 " of %" PRIu64 "\n", what, done, of);
	fflush(stdout);
}

static uint64_t rng_state = 0x9e3779b97f4a7c15;
static uint64_t rnd(void)
{
	uint64_t z = rng_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

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

struct value { struct scalar s; uint32_t set; };
static struct value *all;
static size_t nr_all, cap_all;

/* The set as a bit mask, from tables of scalar_has' single conditions. */
static uint32_t of_bits[32][32], of_range[32][32], of_half[32][32];
static struct width tables;

static void build_tables(struct width w)
{
	uint32_t n = 1u << w.w;

	if (tables.w == w.w && tables.h == w.h)
		return;
	tables = w;
	memset(of_bits, 0, sizeof of_bits);
	memset(of_range, 0, sizeof of_range);
	memset(of_half, 0, sizeof of_half);
	for (uint32_t a = 0; a < n; a++)
	for (uint32_t b = 0; b < n; b++)
	for (uint32_t x = 0; x < n; x++) {
		if ((x & ~b & (n - 1)) == a)
			of_bits[a][b] |= 1u << x;
		if (x >= a && x <= b)
			of_range[a][b] |= 1u << x;
		if (w.h && (x & width_mask(w.h)) >= a && (x & width_mask(w.h)) <= b)
			of_half[a][b] |= 1u << x;
	}
}

static uint32_t arc(uint32_t t[32][32], uint64_t m, int64_t lo, int64_t hi)
{
	if (lo > hi)
		return 0;
	if (lo >= 0 || hi < 0)
		return t[lo & m][hi & m];
	return t[lo & m][m] | t[0][hi & m];
}

static uint32_t members(struct width w, const struct scalar *s)
{
	uint64_t m = width_mask(w.w);
	uint32_t set;

	build_tables(w);
	set = of_bits[s->val & m][s->unk & m] & of_range[s->umin & m][s->umax & m] &
	      arc(of_range, m, s->smin, s->smax);
	if (w.h)
		set &= of_half[s->hmin][s->hmax] & arc(of_half, width_mask(w.h), s->hsmin, s->hsmax);
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

/* row[x][set of y] = set of results, above 4 bits row[x][y]; built once per operation */
static uint32_t *row;

static void build_row(unsigned w, enum alu op)
{
	uint32_t n = 1u << w, sets = n <= 16 ? 1u << n : n;
	uint32_t *more = realloc(row, (size_t)n * sets * sizeof *row);

	must(more);
	row = more;
	for (uint32_t x = 0; x < n && n > 16; x++)
		for (uint32_t y = 0; y < n; y++)
			row[x * (size_t)n + y] = 1u << concrete(w, op, x, y);
	for (uint32_t x = 0; x < n && n <= 16; x++) {
		row[x * (size_t)sets] = 0;
		for (uint32_t set = 1; set < sets; set++) {
			uint32_t low = (uint32_t)__builtin_ctz(set);

			row[x * (size_t)sets + set] = row[x * (size_t)sets + (set & (set - 1))] |
				1u << concrete(w, op, x, low);
		}
	}
}

static const char *const alu_name[] = { "add", "sub", "mul", "div", "sdiv", "or", "and", "lsh", "rsh",
					"mod", "smod", "xor", "mov", "arsh" };
static const char *const cmp_name[] = { "eq", "gt", "ge", "set", "ne", "sgt", "sge", "lt", "le",
					"slt", "sle" };

static void pair_alu(struct width w, enum alu op, const struct value *a, const struct value *b,
		     uint64_t *size, uint64_t *exact)
{
	struct scalar r = scalar_alu(w, op, &a->s, &b->s);
	uint32_t want = 0, have = members(w, &r), n = 1u << w.w;
	size_t sets = n <= 16 ? (size_t)1 << n : n;

	for (uint32_t x = 0; x < n; x++) {
		if (!(a->set >> x & 1))
			continue;
		if (n <= 16)
			want |= row[x * sets + b->set];
		for (uint32_t left = n <= 16 ? 0 : b->set; left; left &= left - 1)
			want |= row[x * sets + (uint32_t)__builtin_ctz(left)];
	}
	must_msg(!(want & ~have), "%s at %u bits: %x, %x gives %x, must hold %x", alu_name[op], w.w,
		      a->set, b->set, have, want);
	*size += (uint64_t)__builtin_popcount(have);
	*exact += (uint64_t)__builtin_popcount(want);
}

static uint32_t yes[32];	/* for each x the set of y with x op y */

static void pair_cmp(struct width w, enum cmp op, const struct value *a, const struct value *b)
{
	uint32_t n = 1u << w.w;

	for (int taken = 0; taken < 2; taken++) {
		struct scalar x = a->s, y = b->s;
		uint32_t keep_a = 0, keep_b = 0, hit;
		bool can = scalar_branch(w, op, taken, &x, &y);

		for (uint32_t i = 0; i < n; i++) {
			hit = a->set >> i & 1 ? b->set & (taken ? yes[i] : ~yes[i]) : 0;
			keep_a |= hit ? 1u << i : 0;
			keep_b |= hit;
		}
		if (!can)
			must_msg(!keep_a, "%s taken=%d called impossible", cmp_name[op], taken);
		else
			must_msg(!(keep_a & ~members(w, &x)) && !(keep_b & ~members(w, &y)),
				      "%s taken=%d at %u bits loses a number: %x,%x", cmp_name[op], taken,
				      w.w, a->set, b->set);
	}
}

static void every_pair(struct width w, size_t step)
{
	uint64_t size, exact;

	for (int op = 0; op < ALU_COUNT; op++) {
		size = exact = 0;
		build_row(w.w, op);
		for (size_t i = part; i < nr_all; i += parts * step)
			for (size_t j = (i / parts) % step; j < nr_all; j += step)
				pair_alu(w, op, &all[i], &all[j], &size, &exact);
		printf("  %u bits%s %-4s %zu values, result/exact %.3f\n", w.w, w.h ? " coupled" : "",
		       alu_name[op], nr_all, exact ? (double)size / (double)exact : 0);
	}
	for (int op = 0; op < CMP_COUNT; op++) {
		for (uint32_t x = 0; x < 1u << w.w; x++) {
			yes[x] = 0;
			for (uint32_t y = 0; y < 1u << w.w; y++)
				yes[x] |= (uint32_t)holds(w.w, op, x, y) << y;
		}
		for (size_t i = part; i < nr_all; i += parts * step)
			for (size_t j = (i / parts) % step; j < nr_all; j += step)
				pair_cmp(w, op, &all[i], &all[j]);
	}
}

static void sets_of(struct width w, size_t stride)
{
	for (size_t i = part; i < nr_all; i += parts) {
		for (unsigned from = 1; from < w.w; from++) {
			struct scalar z = scalar_zext(w, &all[i].s, from);
			struct scalar s = scalar_sext(w, &all[i].s, from);

			for (uint32_t x = 0; x <= width_mask(w.w); x++)
				if (all[i].set >> x & 1) {
					must(scalar_has(w, &z, x & width_mask(from)));
					must(scalar_has(w, &s, (uint64_t)width_sext(x, from) &
								    width_mask(w.w)));
				}
		}
		for (size_t j = i % stride; j < nr_all; j += stride) {
			struct scalar m = all[i].s, u = scalar_join(w, &all[i].s, &all[j].s);
			uint32_t both = all[i].set & all[j].set, or_ = all[i].set | all[j].set;

			must(!(or_ & ~members(w, &u)));
			u = scalar_widen(w, &all[i].s, &all[j].s, j % 5, 3 + i % 9);
			must(!(or_ & ~members(w, &u)));
			if (scalar_meet(w, &m, &all[j].s))
				must(!(both & ~members(w, &m)));
			else
				must(!both);
			if (scalar_within(&all[i].s, &all[j].s))
				must(!(all[i].set & ~all[j].set));
		}
	}
}

START_TEST(every_value_at_3_bits)
{
	struct width w = { 3, 0 };

	enumerate(w);
	every_pair(w, 1);
	sets_of(w, 1);
}
END_TEST

START_TEST(every_value_at_4_bits)
{
	struct width w = { 4, 0 };

	enumerate(w);
	every_pair(w, 1);
	sets_of(w, 3);
}
END_TEST

/* All pairs, hours of them: in slices of one first operand in 64, so that a run that is cut short has seen
 * all kinds.  Each slice is whole. */
START_TEST(every_value_at_5_bits)
{
	enum { SLICES = 64 };
	struct width w = { 5, 0 };
	unsigned mine = part, of = parts;

	enumerate(w);
	for (unsigned slice = 0; slice < SLICES; slice++) {
		part = mine + slice * of;
		parts = of * SLICES;
		every_pair(w, 1);
		progress("5 bits, all pairs: slices of first operands", slice + 1, SLICES);
	}
	part = mine;
	parts = of;
	sets_of(w, 101);
}
END_TEST

START_TEST(coupling_2_in_4)
{
	struct width w = { 4, 2 };

	enumerate_half(w);
	every_pair(w, fuzz ? 1 : 5);
	sets_of(w, 7);
	/* the low half as a number of its own, and narrowing through it */
	for (size_t i = 0; i < nr_all; i++) {
		struct scalar low = scalar_low(w, &all[i].s), z = scalar_from_low(w, &low), t;

		for (uint32_t x = 0; x < 16; x++)
			if (all[i].set >> x & 1) {
				must(scalar_has((struct width){ 2, 0 }, &low, x & 3));
				must(scalar_has(w, &z, x & 3));
			}
		low.umin = low.umin < low.umax ? low.umin + 1 : low.umin;
		t = all[i].s;
		if (!scalar_tidy((struct width){ 2, 0 }, &low))
			continue;
		if (!scalar_set_low(w, &t, &low))
			t = scalar_const(w, 0), t.umin = 1, t.umax = 0;
		for (uint32_t x = 0; x < 16; x++)
			if (all[i].set >> x & 1 && scalar_has((struct width){ 2, 0 }, &low, x & 3))
				must(scalar_has(w, &t, x));
	}
}
END_TEST

/* ---- random sets that surely hold a given number ---- */

static uint64_t number(unsigned w)
{
	uint64_t r = rnd(), m = width_mask(w), top = UINT64_C(1) << (w - 1);

	switch (r & 7) {
	case 0: return rnd() & m & 15;
	case 1: return -(rnd() & 15) & m;
	case 2: return (top + (rnd() & 7) - 4) & m;
	case 3: return ((UINT64_C(1) << rnd() % w) + (rnd() & 3) - 1) & m;
	case 4: return w > 32 ? ((rnd() & 0xffffffff) ^ (r >> 8 & 1 ? 0xffffffff00000000 : 0)) & m : rnd() & m;
	default: return rnd() & m;
	}
}

static struct scalar around(struct width w, uint64_t x)
{
	struct scalar s = scalar_const(w, x), t, k;
	unsigned n = (unsigned)(rnd() % 4);

	while (n--) {
		k = scalar_const(w, number(w.w));
		if (rnd() & 1)
			s = scalar_join(w, &s, &k);
		else
			s = scalar_widen(w, &s, &k, number(w.w), number(w.w));
		/* cut it down again, on a random jump that x decides */
		k = scalar_const(w, number(w.w));
		t = s;
		int op = (int)(rnd() % CMP_COUNT);

		if (scalar_branch(w, op, holds(w.w, op, x, k.val), &t, &k))
			s = t;
		if (w.h && rnd() & 1) {
			struct width h = { w.h, 0 };
			struct scalar low = scalar_low(w, &s);
			uint64_t v = number(w.h);

			k = scalar_const(h, v);
			op = (int)(rnd() % CMP_COUNT);
			t = s;
			if (scalar_branch(h, op, holds(w.h, op, x & width_mask(w.h), v), &low, &k) &&
			    scalar_set_low(w, &t, &low))
				s = t;
		}
		must_msg(scalar_has(w, &s, x), "set lost its own number 0x%" PRIx64, x);
	}
	return s;
}

enum { MANY = 100000000 };	/* random pairs of a width in a long run */

static void random_pairs(struct width w, long n)
{
	char what[60];

	snprintf(what, sizeof what, "%u bits%s, random pairs under each operation", w.w, w.h ? " with half" : "");
	n = fuzz ? MANY / (long)parts : n;
	for (long i = 0; i < n; i++) {
		if (!((i + 1) % (MANY / 20)))
			progress(what, (uint64_t)i + 1, (uint64_t)n);
		uint64_t x = number(w.w), y = number(w.w);
		struct scalar a = around(w, x), b = around(w, y), r, c, d;
		enum cmp op = (enum cmp)(rnd() % CMP_COUNT);

		for (int k = 0; k < ALU_COUNT; k++) {
			r = scalar_alu(w, k, &a, &b);
			must_msg(scalar_has(w, &r, concrete(w.w, k, x, y)),
				      "%s at %u bits loses 0x%" PRIx64 ", 0x%" PRIx64, alu_name[k], w.w, x, y);
		}
		c = a;
		d = b;
		must_msg(scalar_branch(w, op, holds(w.w, op, x, y), &c, &d) && scalar_has(w, &c, x) &&
			      scalar_has(w, &d, y), "%s at %u bits loses 0x%" PRIx64 ", 0x%" PRIx64,
			      cmp_name[op], w.w, x, y);
		r = scalar_sext(w, &a, 1 + i % w.w);
		must(scalar_has(w, &r, (uint64_t)width_sext(x, 1 + i % w.w) & width_mask(w.w)));
	}
}

START_TEST(random_at_6_to_8_bits)
{
	rng_state += part;
	random_pairs((struct width){ 6, 0 }, 100000);
	random_pairs((struct width){ 6, 3 }, 100000);
	random_pairs((struct width){ 7, 0 }, 50000);
	random_pairs((struct width){ 8, 0 }, 100000);
}
END_TEST

START_TEST(coupling_4_in_8)
{
	rng_state += 100 + part;
	random_pairs((struct width){ 8, 4 }, 400000);
}
END_TEST

START_TEST(random_at_32_bits)
{
	rng_state += 200 + part;
	random_pairs(width32, 150000);
}
END_TEST

START_TEST(random_at_64_bits)
{
	rng_state += 300 + part;
	random_pairs(width64, 300000);
}
END_TEST

/* Every component alone at 8 bits: bits x bits, and unsigned ranges at the byte's edges. */
START_TEST(known_bits_alone_at_8_bits)
{
	struct width w = { 8, 0 };

	for (int i = 0; i < (fuzz ? MANY : 300000); i++) {
		uint64_t x = rnd() & 255, y = rnd() & 255;
		struct scalar a = scalar_any(w), b = scalar_any(w), r;

		a.unk = rnd() & 255;
		a.val = x & ~a.unk;
		b.unk = rnd() & 255;
		b.val = y & ~b.unk;
		must(scalar_tidy(w, &a) && scalar_tidy(w, &b));
		for (int op = 0; op < ALU_COUNT; op++) {
			r = scalar_alu(w, op, &a, &b);
			must_msg(scalar_has(w, &r, concrete(8, op, x, y)), "%s", alu_name[op]);
		}
	}
}
END_TEST

START_TEST(byte_swaps_and_the_instruction_table)
{
	for (int i = 0; i < 200000; i++) {
		uint64_t x = number(64), y = number(64);
		struct scalar a = around(width64, x), r;

		r = scalar_bswap(&a, 2);
		must(scalar_has(width64, &r, un_BSWAP16(x)));
		r = scalar_bswap(&a, 4);
		must(scalar_has(width64, &r, un_BSWAP32(x)));
		r = scalar_bswap(&a, 8);
		must(scalar_has(width64, &r, un_BSWAP64(x)));
		/* the test's own meaning of each operation is the table's */
		must(concrete(64, ALU_SDIV, x, y) == alu64_SDIV(x, y));
		must(concrete(64, ALU_SMOD, x, y) == alu64_SMOD(x, y));
		must(concrete(64, ALU_ARSH, x, y) == alu64_ARSH(x, y));
		must(concrete(64, ALU_MOD, x, y) == alu64_MOD(x, y));
		must(concrete(32, ALU_SDIV, (uint32_t)x, (uint32_t)y) == alu32_SDIV((uint32_t)x, (uint32_t)y));
		must(concrete(32, ALU_LSH, (uint32_t)x, (uint32_t)y) == alu32_LSH((uint32_t)x, (uint32_t)y));
		must(holds(64, CMP_SLT, x, y) == jcc64_JSLT(x, y));
		must(holds(32, CMP_SET, (uint32_t)x, (uint32_t)y) == jcc32_JSET((uint32_t)x, (uint32_t)y));
	}
}
END_TEST

/* Exactness that programs rely on. */
START_TEST(whole_loads_are_ranges)
{
	for (unsigned bits = 8; bits <= 64; bits *= 2) {
		struct scalar a = scalar_bits(bits), b = scalar_urange(width64, 0, width_mask(bits));

		ck_assert_mem_eq(&a, &b, sizeof a);
	}
}
END_TEST

START_TEST(precision)
{
	struct scalar a = scalar_any(width64), k = scalar_const(width64, 63), r, z;

	r = scalar_alu(width64, ALU_AND, &a, &k);
	must(r.umin == 0 && r.umax == 63 && r.hmax == 63 && r.smax == 63);
	k = scalar_const(width64, 2);
	r = scalar_alu(width64, ALU_LSH, &r, &k);
	must(r.umax == 252 && r.unk == 252);
	k = scalar_const(width64, 10);
	r = scalar_alu(width64, ALU_MOD, &a, &k);
	must(r.umax == 9);
	/* if (w < 16), zero-extended: the whole is below 16 */
	a = scalar_any(width64);
	r = scalar_low(width64, &a);
	z = scalar_const(width32, 16);
	must(scalar_branch(width32, CMP_LT, true, &r, &z) && scalar_set_low(width64, &a, &r));
	must(a.hmax == 15 && a.umax == 0xffffffff0000000f);
	r = scalar_zext(width64, &a, 32);
	must(r.umax == 15);
	/* signed and unsigned together */
	a = scalar_any(width64);
	k = scalar_const(width64, 5);
	must(scalar_branch(width64, CMP_SGT, true, &a, &k));
	k = scalar_const(width64, 8);
	must(scalar_branch(width64, CMP_SLT, true, &a, &k));
	must(a.umin == 6 && a.umax == 7 && a.hmin == 6 && a.hmax == 7);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scalar");
	TCase *values = tcase_create("values"), *random = tcase_create("random"), *five = tcase_create("five");
	TCase *wide = tcase_create("wide"), *cases[] = { values, random, wide, five };
	const char *p = getenv("PART");
	SRunner *sr;
	int failed;

	fuzz = getenv("FUZZ") != NULL;
	if (p && sscanf(p, "%u/%u", &part, &parts) == 2 && parts)
		part %= parts;
	tcase_add_test(values, precision);
	tcase_add_test(values, whole_loads_are_ranges);
	tcase_add_test(values, every_value_at_3_bits);
	tcase_add_test(values, byte_swaps_and_the_instruction_table);
	tcase_add_test(random, random_at_6_to_8_bits);
	tcase_add_test(random, coupling_4_in_8);
	tcase_add_test(random, random_at_32_bits);
	tcase_add_test(wide, random_at_64_bits);
	tcase_add_test(random, known_bits_alone_at_8_bits);
	if (!getenv("QUICK")) {		/* what finds planted bugs (mutate_test.sh) needs no more */
		tcase_add_test(values, every_value_at_4_bits);
		tcase_add_test(values, coupling_2_in_4);
	}
	if (fuzz)
		tcase_add_test(five, every_value_at_5_bits);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		tcase_set_timeout(cases[i], fuzz ? 360000 : 300);
		suite_add_tcase(s, cases[i]);
	}
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
