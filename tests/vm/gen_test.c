/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gen_test.c - random programs (tests/gen) through every arm: all must leave the same memory.  And
 * random garbage through the checked arms: whatever the bytes, the host stays whole.
 * All arms get 2,000 programs; gen_long_test.c is this file with the few main arms and 50,000 programs,
 * and 2,000 for each rule switched off.
 *   gen_test [seed [programs [arm]]]     SOAK=1: a hundred times as many; arm: part of a name */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "jit/jit.h"
#include "tests/gen/gen.h"
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "tests/util/text.h"
#include "vm/rewrite/rewrite.h"

static uint64_t seed;
static unsigned programs = 2000;
#ifndef GEN_LONG
static const char *only_arm = "";
#endif

static int run(const struct arm *arm, const struct gen *g, uint64_t memory_seed, uint64_t budget,
	       uint8_t memory[GEN_BYTES], struct uebpf_run *run, uint64_t *r0, struct uebpf_error *err)
{
	static uint64_t shared[GEN_BYTES / 8 + 1];
	uint8_t ctx[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct code code;
	int ret;

	memset(run, 0, sizeof *run);
	run->size = sizeof *run;
	run->budget = arm->metered ? budget : 0;
	ret = arm_load_memory(arm, &code, g->slots, g->n, &test_raw, shared, GEN_BYTES, err);
	if (ret)
		return ret;
	gen_memory(memory_seed, (uint8_t *)shared);
	ret = arm->run(&code, ctx, sizeof ctx, run, r0);
	memcpy(memory, shared, GEN_BYTES);
	arm_free(arm, &code);
	return ret == -EOPNOTSUPP ? -EIO : ret;	/* EOPNOTSUPP from here means: no such arm on this machine */
}

static void compare(const struct arm *a, const struct arm *b, const struct gen *g, uint64_t at, const uint8_t *m1,
		    const uint8_t *m2)
{
	for (uint32_t i = 0; i < GEN_BYTES; i += 8)
		if (memcmp(m1 + i, m2 + i, 8)) {
			uint64_t v1, v2;

			memcpy(&v1, m1 + i, 8);
			memcpy(&v2, m2 + i, 8);
			show_slots(g->slots, g->n);
			ck_abort_msg("seed %llu: word %u (%s %u): %s has 0x%llx, %s has 0x%llx", (unsigned long long)at,
				     i / 8, i >= GEN_OUT ? "register or stack slot" : "memory",
				     i >= GEN_OUT ? (i - GEN_OUT) / 8 : i / 8, a->name, (unsigned long long)v1,
				     b->name, (unsigned long long)v2);
		}
}

/* Program i in the arms of `list`; list[0] is the reference. */
static void one_program(struct gen *g, unsigned i, const struct arm *const *list, size_t n)
{
	static bool told;
	uint8_t first[GEN_BYTES], other[GEN_BYTES];
	uint64_t r0, steps = 0;

	g->kernel = i & 1;
	gen_program(g, seed + i);
	for (size_t k = 0; k < n; k++) {
		struct uebpf_error err;
		struct uebpf_run opts;
		int ret = run(list[k], g, seed + i, 0, k ? other : first, &opts, &r0, &err);

		if (ret == -EOPNOTSUPP && list[k]->ready) {
			if (!told)
				printf("skip: %s: %s\n", list[k]->name, err.text);
			told = true;
			continue;
		}
		if (ret)
			show_slots(g->slots, g->n);
		ck_assert_msg(!ret, "seed %llu [%s]: %d at %u: %s", (unsigned long long)(seed + i), list[k]->name,
			      ret, opts.pc, opts.steps ? "run" : err.text);
		if (k)
			compare(list[0], list[k], g, seed + i, first, other);
		else
			steps = opts.steps;
		if (list[k]->metered && steps != opts.steps)
			ck_abort_msg("seed %llu: %s took %llu steps, %s %llu", (unsigned long long)(seed + i),
				     list[0]->name, (unsigned long long)steps, list[k]->name,
				     (unsigned long long)opts.steps);
	}
}

static void start(struct gen *g)
{
	gen_init(g);
	g->allow[OP_CALLX] = g->allow[OP_CAST_USER] = g->allow[OP_CAST_KERN] = false;
}

#ifndef GEN_LONG
START_TEST(every_arm_agrees)
{
	static struct gen g;
	const struct arm *list[64];
	size_t n = 0;

	printf("seed %llu, %u programs\n", (unsigned long long)seed, programs);
	start(&g);
	while (n < nr_arms) {
		list[n] = &arms[n];
		n++;
	}
	for (unsigned i = 0; i < programs; i++)
		one_program(&g, i, list, n);
	printf("%u programs in %zu arms: no difference\n", programs, n);
}
END_TEST
#else
START_TEST(main_arms_agree)
{
	static struct gen g;
	const struct arm *list[64];
	size_t n = 0;

	printf("seed %llu\n", (unsigned long long)seed);
	start(&g);
	for (size_t k = 0; k < nr_arms; k++)
		if (arms[k].main)
			list[n++] = &arms[k];
	for (unsigned i = 0; i < programs * 25; i++)
		one_program(&g, i, list, n);
	printf("%u programs in %zu arms: no difference\n", programs * 25, n);
}
END_TEST

START_TEST(each_rule_off)
{
	static struct gen g;
	const struct arm *list[128] = { &arms[0] };
	size_t n = 1;

	start(&g);
	while (n < 128 && (list[n] = rule_arm(n - 1)))
		n++;
	for (unsigned i = 0; i < programs; i++)
		one_program(&g, i, list, n);
	printf("%u programs in %zu arms with one rule off; hits:", programs, n - 1);
	arms_say_hits(true);
}
END_TEST

#endif

#ifndef GEN_LONG
/* The budget stops every counting engine at the same pc with the same memory. */
START_TEST(budgets_stop_at_the_same_place)
{
	static struct gen g;

	start(&g);
	for (unsigned i = 0; i < programs / 4; i++) {
		uint8_t first[GEN_BYTES], other[GEN_BYTES];
		uint64_t at = seed + i, state = at, budget, r0;
		uint32_t pc = 0, steps = 0;
		int status = 0;

		gen_program(&g, at);
		budget = 1 + gen_random(&state) % 200;
		for (size_t k = 0; k < nr_arms; k++) {
			struct uebpf_error err;
			struct uebpf_run opts;
			int ret;

			if (!arms[k].metered)
				continue;
			ret = run(&arms[k], &g, at, budget, k ? other : first, &opts, &r0, &err);
			if (ret == -EOPNOTSUPP && arms[k].ready)
				continue;
			if (!k) {
				status = ret;
				pc = opts.pc;
				steps = (uint32_t)opts.steps;
				continue;
			}
			ck_assert_msg(ret == status && opts.pc == pc && opts.steps == steps,
				      "seed %llu budget %llu: %s: %d at %u after %u; %s: %d at %u after %u",
				      (unsigned long long)at, (unsigned long long)budget, arms[0].name, status, pc, steps,
				      arms[k].name, ret, opts.pc, (uint32_t)opts.steps);
			compare(&arms[0], &arms[k], &g, at, first, other);
		}
	}
}
END_TEST

START_TEST(garbage_does_not_hurt)
{
	static struct gen g;
	unsigned decoded = 0, ended = 0, faults = 0, tried = 0;

	gen_init(&g);
	for (tried = 0; decoded < programs; tried++) {
		bool loaded = false;

		ck_assert_uint_lt(tried, programs * 200);
		gen_wild(&g, seed * 7 + tried, tried & 1);
		for (size_t k = 0; k < nr_arms; k++) {
			uint8_t memory[GEN_BYTES];
			struct uebpf_error err;
			struct uebpf_run opts;
			uint64_t r0;
			int ret;

			if (!arms[k].checked || !strstr(arms[k].name, only_arm))
				continue;
			memset(&err, 0, sizeof err);
			ret = run(&arms[k], &g, tried, 2000, memory, &opts, &r0, &err);
			if (ret == -EOPNOTSUPP && arms[k].ready)
				continue;
			if (err.code)
				break;	/* refused */
			loaded = true;
			if (!ret)
				ended++;
			else if (ret == -EFAULT)
				faults++;
			else
				ck_assert_msg(ret == -ETIME || ret == -ELOOP || ret == -ENOSYS || ret == -EPERM,
					      "status %d", ret);
		}
		decoded += loaded;
	}
	printf("garbage: %u of %u decoded; %u runs ended, %u faulted\n", decoded, tried, ended, faults);
	ck_assert_uint_gt(ended, programs / 50);
	ck_assert_uint_gt(faults, programs / 50);
}
END_TEST

#endif

int main(int argc, char **argv)
{
	TCase *t = test_case("gen", 0);

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	if (getenv("SOAK"))
		programs *= 100;
	if (argc > 2)
		programs = (unsigned)strtoul(argv[2], NULL, 0);
#ifndef GEN_LONG
	if (argc > 3)
		only_arm = argv[3];
#endif
#ifdef GEN_LONG
	tcase_add_test(t, main_arms_agree);
	tcase_add_test(t, each_rule_off);
#else
	tcase_add_test(t, every_arm_agrees);
	tcase_add_test(t, budgets_stop_at_the_same_place);
	tcase_add_test(t, garbage_does_not_hurt);
#endif
	return run_tests();
}
