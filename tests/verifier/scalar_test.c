/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scalar_test.c - the number sets of verifier/scalar.h against every concrete input.
 *
 * At 3 and 4 bits every canonical value (and every pair of them) is tried through the very code
 * that runs at 64 bits; the coupling of whole and half as 2-in-4 and 4-in-8; random sets at 6, 8,
 * 32 and 64 bits.  PART=k/n runs the k-th of n equal parts (two processes).  FUZZ=1 (domain.sh): nothing
 * left out, 5 bits, 10^8 random pairs per width, each under every operation; says how far it is.  The
 * cases are called values, five, random, wide (CK_RUN_CASE).  Exit status and message tell of the first
 * unsound result. */
#include "tests/verifier/scalar_pairs.h"
#include "vm/insn.h"

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
				      "%s at %u bits loses 0x%" PRIx64 ", 0x%" PRIx64, ops[k].name, w.w, x, y);
		}
		c = a;
		d = b;
		must_msg(scalar_branch(w, op, holds(w.w, op, x, y), &c, &d) && scalar_has(w, &c, x) &&
			      scalar_has(w, &d, y), "%s at %u bits loses 0x%" PRIx64 ", 0x%" PRIx64,
			      ops[ALU_COUNT + op].name, w.w, x, y);
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
			must_msg(scalar_has(w, &r, concrete(8, op, x, y)), "%s", ops[op].name);
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
