/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* shapes_test.c - programs that no compiler writes, made to need a pass over all of them for each of their parts:
 * loading takes time in proportion to their length, or ends when the verifier's time is spent. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/util/linear.h"
#include "tests/util/run.h"
#include "vm/insn.h"

struct prog_shape { uint8_t *slots; uint32_t n; };

static void put(struct prog_shape *s, enum op op, int dst, int src, int off, int32_t imm)
{
	struct raw_insn raw = isa_wire(op);

	raw.dst = (uint8_t)dst;
	raw.src = (uint8_t)(raw.src | src);
	raw.off = (int16_t)(raw.off | off);
	raw.imm |= imm;
	raw_store(s->slots + 8 * (size_t)s->n++, raw);
}

static void go(struct prog_shape *s, uint32_t from, uint32_t to)
{
	uint32_t n = s->n;

	s->n = from;
	put(s, OP_JA32, 0, 0, 0, (int32_t)to - (int32_t)from - 1);
	s->n = n > from ? n : from + 1;
}

/* Gotos from one end to the other and back, ever closer to the middle. */
static void zigzag(struct prog_shape *s, uint32_t n)
{
	uint32_t a = 1, b = n - 2;

	put(s, OP_MOV64_K, 0, 0, 0, 7);
	for (s->n = n - 1; a < b; b--) {
		go(s, a++, b);
		go(s, b, a < b ? a : n - 1);
	}
	for (; a <= b; a++)
		go(s, a, n - 1);
	s->n = n - 1;
	put(s, OP_EXIT, 0, 0, 0, 0);
}

/* Each goto leads to the one before it. */
static void backwards(struct prog_shape *s, uint32_t n)
{
	put(s, OP_MOV64_K, 0, 0, 0, 7);
	go(s, s->n, n - 1);
	put(s, OP_EXIT, 0, 0, 0, 0);
	while (s->n < n)
		go(s, s->n, s->n - 1);
}

/* Loops within loops: as many heads, then as many ways back. */
static void nested(struct prog_shape *s, uint32_t n)
{
	uint32_t deep = (n - 2) / 3;

	put(s, OP_MOV64_K, 0, 0, 0, 0);
	for (uint32_t i = 0; i < deep; i++)
		put(s, OP_ADD64_K, 0, 0, 0, 1);
	for (uint32_t i = 0; i < deep; i++) {
		put(s, OP_JNE64_K, 0, 0, 1, -5 - (int32_t)i);
		go(s, s->n, deep - i);
	}
	put(s, OP_EXIT, 0, 0, 0, 0);
}

/* Functions that each take the address of the one before. */
static void functions(struct prog_shape *s, uint32_t n)
{
	uint32_t before = 0;

	put(s, OP_MOV64_K, 0, 0, 0, 0);
	put(s, OP_CALL_LOCAL, 0, 0, 0, (int32_t)(n / 4 * 4 - 4 - 2));
	put(s, OP_EXIT, 0, 0, 0, 0);
	put(s, OP_EXIT, 0, 0, 0, 0);
	for (; s->n < n / 4 * 4; before = s->n - 4) {
		if (before)
			put(s, OP_LD_FUNC, 3, 0, 0, (int32_t)before - (int32_t)s->n - 1);
		else
			put(s, OP_LDDW, 3, 0, 0, 1);
		memset(s->slots + 8 * (size_t)s->n++, 0, 8);
		put(s, OP_MOV64_K, 0, 0, 0, 3);
		put(s, OP_EXIT, 0, 0, 0, 0);
	}
}

/* Ways out by the thousand behind a number that may be two. */
static void exits(struct prog_shape *s, uint32_t n)
{
	put(s, OP_MOV64_K, 0, 0, 0, 7);
	put(s, OP_MOV64_K, 3, 0, 0, 0);
	put(s, OP_JEQ64_K, 2, 0, 1, 3);
	put(s, OP_MOV64_K, 3, 0, 0, 1);
	put(s, OP_LSH64_K, 3, 0, 0, 2);
	put(s, OP_ADD64_X, 0, 3, 0, 0);
	while (s->n + 4 < n) {
		put(s, OP_JNE64_K, 2, 0, 1, (int32_t)s->n + 5);
		put(s, OP_EXIT, 0, 0, 0, 0);
		put(s, OP_ADD64_K, 0, 0, 0, 1);
	}
	put(s, OP_EXIT, 0, 0, 0, 0);
}

/* CPU time of loading n instructions, in ms. */
static double cost(void (*make)(struct prog_shape *, uint32_t), uint32_t n, const struct uebpf_load_opts *load, int expect)
{
	struct uebpf_open_opts open = { .size = sizeof open, .type = "raw" };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct prog_shape s = { calloc(n + 4, 8), 0 };
	struct uebpf_object *obj;
	struct uebpf_error err = { 0 };
	double from, ms;

	make(&s, n);
	obj = uebpf_object_open_insns(env, s.slots, s.n, &open, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	from = cpu_ms();
	ck_assert_msg(uebpf_object_load(obj, load, &err) == expect, "%s", err.text);
	ms = cpu_ms() - from;
	uebpf_object_free(obj);
	uebpf_env_free(env);
	free(s.slots);
	return ms;
}

static const struct {
	const char *name;
	void (*make)(struct prog_shape *, uint32_t);
	enum uebpf_mode mode;
	uint32_t small;
} linear[] = {
	{ "zigzag, checked", zigzag, UEBPF_MODE_CHECKED, 2000 },
	{ "nested loops, checked", nested, UEBPF_MODE_CHECKED, 2000 },
	{ "functions, checked", functions, UEBPF_MODE_CHECKED, 30000 },
	{ "exits, verified", exits, UEBPF_MODE_VERIFIED, 2500 },
};

static double cost_of(int which, uint32_t n)
{
	struct uebpf_load_opts load = { .size = sizeof load, .mode = linear[which].mode };

	return cost(linear[which].make, n, &load, 0);
}

START_TEST(work_is_linear_in_the_program)
{
	assert_linear(linear[_i].name, cost_of, _i, linear[_i].small);
}
END_TEST

static void (*const shapes[])(struct prog_shape *, uint32_t) = { zigzag, backwards, nested, functions, exits };

static void *load_all(void *arg)
{
	for (int mode = UEBPF_MODE_VERIFIED; mode <= UEBPF_MODE_TRUSTED; mode++)
		for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
			struct uebpf_load_opts load = { .size = sizeof load, .mode = (uint32_t)mode };

			cost(shapes[k], 6000, &load, 0);
		}
	return arg;
}

/* Nothing recurses as deep as a program is: a thread with little stack loads any. */
START_TEST(a_small_stack_will_do)
{
	pthread_attr_t attr;
	pthread_t thread;

#ifdef __SANITIZE_ADDRESS__
	printf("skip: AddressSanitizer's frames are large\n");
	return;
#endif
	pthread_attr_init(&attr);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, 65536), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, load_all, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}
END_TEST

/* CPU time of freeing n loaded programs, the oldest first, in ms. */
static double free_many(int unused, uint32_t n)
{
	struct uebpf_open_opts open = { .size = sizeof open, .type = "raw" };
	struct uebpf_load_opts load = { .size = sizeof load, .mode = UEBPF_MODE_TRUSTED };
	struct uebpf_object **obj = calloc(n, sizeof(*obj));
	struct uebpf_env *env = uebpf_env_new(NULL);
	double from, ms;

	(void)unused;
	for (unsigned i = 0; i < n; i++) {
		obj[i] = uebpf_object_open_text(env, "r0 = 1\nexit\n", &open, NULL);
		ck_assert_int_eq(uebpf_object_load(obj[i], &load, NULL), 0);
	}
	from = cpu_ms();
	for (unsigned i = 0; i < n; i++)
		uebpf_object_free(obj[i]);
	ms = cpu_ms() - from;
	uebpf_env_free(env);
	free(obj);
	return ms;
}

START_TEST(many_programs_are_freed_in_any_order)
{
	assert_linear("freeing programs", free_many, 0, 3000);
}
END_TEST

static void (*const slow[])(struct prog_shape *, uint32_t) = { zigzag, backwards, nested };

/* The verifier's time is also that of what it does before it walks: these took a hundred seconds of ten. */
START_TEST(the_verifier_s_time_ends_every_pass)
{
	enum { MS = 50, MOST = 40 * MS };
	struct uebpf_load_opts load = { .size = sizeof load, .mode = UEBPF_MODE_VERIFIED, .max_ns = MS * 1000000 };
	double ms = cost(slow[_i], 120000, &load, -E2BIG);

	ck_assert_msg(ms < MOST, "%.0f ms where %d were allowed", ms, MS);
}
END_TEST

int main(void)
{
	TCase *t = test_case("api/shapes", 600);

	tcase_add_loop_test(t, work_is_linear_in_the_program, 0, sizeof linear / sizeof *linear);
	tcase_add_test(t, a_small_stack_will_do);
	tcase_add_test(t, many_programs_are_freed_in_any_order);
	tcase_add_loop_test(t, the_verifier_s_time_ends_every_pass, 0, sizeof slow / sizeof *slow);
	return run_tests();
}
