/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* engine_test.c - what data cases cannot say: sizes, limits, abort, threads, signals, memory that runs out. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "vm/mem.h"

static void put(uint8_t *slots, uint32_t at, struct raw_insn raw)
{
	raw_store(slots + 8 * (size_t)at, raw);
}

static struct raw_insn make(enum op op, int dst, int src, int off, int32_t imm)
{
	struct raw_insn raw = isa_wire(op);

	raw.dst = (uint8_t)dst;
	raw.src = (uint8_t)(raw.src | src);
	raw.off = (int16_t)(raw.off | off);
	raw.imm |= imm;
	return raw;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- sizes ---- */

/* r0 = 0; r0 += 1 ... ; exit. */
static uint8_t *long_program(uint32_t n)
{
	uint8_t *slots = malloc((size_t)n * 8);

	put(slots, 0, make(OP_MOV64_K, 0, 0, 0, 0));
	for (uint32_t i = 1; i < n - 1; i++)
		put(slots, i, make(OP_ADD64_K, 0, 0, 0, 1));
	put(slots, n - 1, make(OP_EXIT, 0, 0, 0, 0));
	return slots;
}

static void run_long(uint32_t n, bool all_arms)
{
	uint8_t *slots = long_program(n);

	for (size_t k = 0; k < nr_arms; k++) {
		struct uebpf_error err;
		struct code code;
		uint64_t r0;
		int ret;

		if (!all_arms && k > 1)
			break;
		ret = arm_load(&arms[k], &code, slots, n, &test_raw, &err);
		if (ret == -EOPNOTSUPP && arms[k].ready)
			continue;
		ck_assert_msg(!ret, "%s: %s", arms[k].name, err.text);
		ck_assert_int_eq(arms[k].run(&code, slots, 8, NULL, &r0), 0);
		ck_assert_uint_eq(r0, n - 2);
		arm_free(&arms[k], &code);
	}
	free(slots);
}

START_TEST(sixty_thousand_instructions) { run_long(60000, true); }
END_TEST
START_TEST(a_million_instructions)
{
	double began = seconds();

	run_long(1000000, false);
	ck_assert(seconds() - began < 10);
}
END_TEST

START_TEST(the_limit_is_named)
{
	uint8_t *slots = long_program(1000001);
	struct uebpf_error err;
	struct code code = { 0 };

	ck_assert_int_eq(code_decode(&code, slots, 1000001, NULL, 0, 1000000, &err), -E2BIG);
	ck_assert_int_eq(err.code, UEBPF_E_TOO_LONG);
	ck_assert_ptr_nonnull(strstr(err.text, "1000001"));
	ck_assert_ptr_nonnull(strstr(err.text, "limit is 1000000"));
	code_free(&code);
	ck_assert_int_eq(code_decode(&code, slots, 0, NULL, 0, 1000000, &err), -EINVAL);
	free(slots);
}
END_TEST

/* gotol over more slots than 16 bits reach, forwards and back. */
START_TEST(jumps_past_32767)
{
	enum { FAR = 70000 };
	uint8_t *slots = malloc((FAR + 8) * 8);

	for (size_t k = 0; k < nr_arms; k++) {
		struct uebpf_error err;
		struct code code;
		uint64_t r0;
		int ret;

		put(slots, 0, make(OP_MOV64_K, 0, 0, 0, 5));
		put(slots, 1, make(OP_JA32, 0, 0, 0, FAR));
		put(slots, 2, make(OP_ADD64_K, 0, 0, 0, 3));
		put(slots, 3, make(OP_EXIT, 0, 0, 0, 0));
		for (uint32_t i = 4; i < FAR + 2; i++)
			put(slots, i, make(OP_MOV64_K, 0, 0, 0, 77));
		put(slots, FAR + 2, make(OP_MUL64_K, 0, 0, 0, 10));
		put(slots, FAR + 3, make(OP_JA32, 0, 0, 0, 2 - (FAR + 4)));
		ret = arm_load(&arms[k], &code, slots, FAR + 4, &test_raw, &err);
		if (ret == -EOPNOTSUPP && arms[k].ready)
			continue;
		ck_assert_msg(!ret, "%s: %s", arms[k].name, err.text);
		ck_assert_int_eq(arms[k].run(&code, slots, 8, NULL, &r0), 0);
		ck_assert_uint_eq(r0, 53);
		arm_free(&arms[k], &code);
	}
	free(slots);
}
END_TEST

/* Ten thousand functions, each called: the call graph must not cost a square. */
START_TEST(many_functions_load_fast)
{
	enum { N = 10000 };
	uint8_t *slots = malloc((size_t)(N + 1 + 2 * N) * 8);
	struct uebpf_error err;
	struct code code;
	double began = seconds();
	uint64_t r0;

	for (uint32_t i = 0; i < N; i++)
		put(slots, i, make(OP_CALL_LOCAL, 0, 0, 0, (int32_t)(N + 1 + 2 * i - i - 1)));
	put(slots, N, make(OP_EXIT, 0, 0, 0, 0));
	for (uint32_t i = 0; i < N; i++) {
		put(slots, N + 1 + 2 * i, make(OP_MOV64_K, 0, 0, 0, (int32_t)i));
		put(slots, N + 2 + 2 * i, make(OP_EXIT, 0, 0, 0, 0));
	}
	ck_assert_msg(!arm_load(&arms[0], &code, slots, 3 * N + 1, &test_raw, &err), "%s", err.text);
	ck_assert_uint_eq(code.nr_sub, N + 1);
	ck_assert_int_eq(interp_run(&code, slots, 8, NULL, &r0), 0);
	ck_assert_uint_eq(r0, N - 1);
	arm_free(&arms[0], &code);
	free(slots);
	ck_assert(seconds() - began < 2);
}
END_TEST

/* A chain of functions deeper than frames exist loads in linear time and ends with -ELOOP. */
START_TEST(deep_chain_of_functions)
{
	enum { N = 20000 };
	uint8_t *slots = malloc((size_t)N * 2 * 8);
	struct uebpf_error err;
	struct code code;

	for (uint32_t i = 0; i < N; i++) {
		put(slots, 2 * i, i + 1 < N ? make(OP_CALL_LOCAL, 0, 0, 0, 1) : make(OP_MOV64_K, 0, 0, 0, 1));
		put(slots, 2 * i + 1, make(OP_EXIT, 0, 0, 0, 0));
	}
	ck_assert_msg(!arm_load(&arms[0], &code, slots, 2 * N, &test_raw, &err), "%s", err.text);
	ck_assert_int_eq(interp_run(&code, slots, 8, NULL, NULL), -ELOOP);
	arm_free(&arms[0], &code);
	free(slots);
}
END_TEST

/* ---- known subprograms ---- */

START_TEST(names_and_boundaries_from_the_caller)
{
	struct sub_def subs[] = { { 0, "main", true }, { 2, "unused", false } };
	struct uebpf_error err;
	struct code code = { 0 }, *copy;
	uint32_t n;
	void *slots;

	assemble("r0 = 1\nexit\nr0 = 2\nexit\n", &slots, &n);
	ck_assert_int_eq(code_decode(&code, slots, n, subs, 2, 100, &err), 0);
	ck_assert_uint_eq(code.nr_sub, 2);
	ck_assert_str_eq(code.sub[0].name, "main");
	ck_assert(code.sub[0].global);
	ck_assert_str_eq(code.sub[1].name, "unused");
	ck_assert_uint_eq(code.sub[1].start, 2);
	copy = code_copy(&code);
	ck_assert_ptr_nonnull(copy);
	code_free(&code);
	ck_assert_str_eq(copy->sub[1].name, "unused");
	ck_assert_uint_eq(copy->n, 4);
	code_free(copy);
	mem_free(NULL, copy, sizeof *copy);
	subs[1].slot = 9;
	ck_assert_int_eq(code_decode(&code, slots, n, subs, 2, 100, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "unused"));
	code_free(&code);
	free(slots);
}
END_TEST

/* ---- ending from outside ---- */

static uint32_t stop_flag;

static void *raise_flag(void *arg)
{
	struct timespec wait = { 0, 20000000 };

	(void)arg;
	nanosleep(&wait, NULL);
	__atomic_store_n(&stop_flag, 1, __ATOMIC_RELAXED);
	return NULL;
}

START_TEST(abort_flag_ends_a_loop)
{
	uint32_t n;
	void *slots;

	assemble("r0 = 0\nl: r0 += 1\ngoto l\n", &slots, &n);
	for (size_t k = 0; k < nr_arms; k++) {
		struct uebpf_run run = { .size = sizeof run, .budget = UINT64_MAX, .abort = &stop_flag };
		struct uebpf_error err;
		struct code code;
		pthread_t thread;
		int ret;

		if (!arms[k].metered)
			continue;
		ret = arm_load(&arms[k], &code, slots, n, &test_raw, &err);
		if (ret == -EOPNOTSUPP && arms[k].ready)
			continue;
		ck_assert_msg(!ret, "%s", err.text);
		stop_flag = 0;
		pthread_create(&thread, NULL, raise_flag, NULL);
		ck_assert_int_eq(arms[k].run(&code, slots, 8, &run, NULL), -ECANCELED);
		pthread_join(thread, NULL);
		ck_assert_uint_eq(run.pc, 1);
		ck_assert_uint_gt(run.steps, 0);
		arm_free(&arms[k], &code);
	}
	free(slots);
}
END_TEST

START_TEST(options_of_a_run)
{
	struct uebpf_run run = { .size = 8 };
	struct uebpf_error err;
	struct code code;
	uint32_t n;
	uint64_t r0 = 99;
	void *slots;

	assemble("r0 = 0\nexit\n", &slots, &n);
	ck_assert_int_eq(arm_load(&arms[1], &code, slots, n, &test_raw, &err), 0);
	ck_assert_int_eq(interp_run(&code, slots, 8, &run, &r0), -EINVAL);	/* size */
	run.size = sizeof run;
	run.budget = 1;
	ck_assert_int_eq(interp_run(&code, slots, 8, &run, &r0), -EOPNOTSUPP);	/* not metered */
	ck_assert_uint_eq(r0, 99);
	ck_assert_int_eq(interp_run(&code, NULL, 0, NULL, &r0), 0);
	code_free(&code);
	ck_assert_int_eq(arm_load(&arms[0], &code, slots, n, &test_fields, &err), 0);
	ck_assert_int_eq(interp_run(&code, slots, 8, NULL, &r0), -EINVAL);	/* context too small */
	code_free(&code);
	free(slots);
}
END_TEST

/* ---- atomics under contention ---- */

static struct { const struct code *code; uint64_t *memory; } race;

static void *race_run(void *arg)
{
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(((const struct arm *)arg)->run(race.code, race.memory, 64, NULL, &(uint64_t){ 0 }), 0);
	return NULL;
}

START_TEST(atomics_lose_nothing_between_threads)
{
	uint32_t n;
	void *slots;

	/* 100 rounds: fetch_add 1 at 0; add 2 at 8 (32 bits); cmpxchg loop adds 3 at 16; xor twice at 24 */
	assemble("r6 = 100\n"
		 "l: r2 = 1\nr2 = atomic_fetch_add((u64 *)(r1 + 0), r2)\n"
		 "w2 = 2\nlock *(u32 *)(r1 + 8) += w2\n"
		 "again: r0 = load_acquire((u64 *)(r1 + 16))\nr7 = r0\nr3 = r0\nr3 += 3\n"
		 "r0 = cmpxchg_64(r1 + 16, r0, r3)\nif r0 != r7 goto again\n"
		 "r2 = 0x55\nlock *(u64 *)(r1 + 24) ^= r2\nlock *(u64 *)(r1 + 24) ^= r2\n"
		 "r6 += -1\nif r6 != 0 goto l\nr0 = 0\nexit\n", &slots, &n);
	for (size_t k = 0; k < nr_arms; k++) {
		uint64_t memory[8] = { 0 };
		struct uebpf_error err;
		struct code code;
		pthread_t thread[4];
		int ret = arm_load(&arms[k], &code, slots, n, &test_raw, &err);

		if (ret == -EOPNOTSUPP && arms[k].ready)
			continue;
		ck_assert_msg(!ret, "%s", err.text);
		race.code = &code;
		race.memory = memory;
		for (int i = 0; i < 4; i++)
			pthread_create(&thread[i], NULL, race_run, (void *)&arms[k]);
		for (int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
		ck_assert_msg(memory[0] == 80000 && (uint32_t)memory[1] == 160000 && memory[2] == 240000 && memory[3] == 0,
			      "%s: %llu %llu %llu %llu", arms[k].name, (unsigned long long)memory[0],
			      (unsigned long long)memory[1], (unsigned long long)memory[2], (unsigned long long)memory[3]);
		arm_free(&arms[k], &code);
	}
	free(slots);
}
END_TEST

/* ---- a polite guest ---- */

static struct code in_signal;
static volatile sig_atomic_t signal_ret, signal_r0;

static void on_signal(int sig)
{
	uint64_t memory[2] = { 20, 22 }, r0 = 0;

	(void)sig;
	signal_ret = interp_run(&in_signal, memory, sizeof memory, NULL, &r0);
	signal_r0 = (sig_atomic_t)r0;
}

/* A small program on an alternate stack of 8 KB whose neighbours must stay untouched. */
START_TEST(eight_kilobytes_of_signal_stack)
{
	char *area = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK }, old;
	stack_t stack = { .ss_sp = area + 4096, .ss_size = 8192 }, old_stack;
	struct uebpf_error err;
	uint32_t n;
	void *slots;

	ck_assert_ptr_ne(area, MAP_FAILED);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("skip: signal stack of 8 KB: sanitizers need more than that themselves\n");
	return;
#endif
	assemble("r0 = *(u64 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r0\nr6 = r1\ncall f\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\n"
		 "f: r0 = *(u64 *)(r1 + 8)\n*(u64 *)(r10 - 8) = 9\nexit\n", &slots, &n);
	for (int checked = 0; checked < 2; checked++) {
		struct arm arm = { .checked = checked };

		ck_assert_msg(!arm_load(&arm, &in_signal, slots, n, &test_raw, &err), "%s", err.text);
		mprotect(area, 4096, PROT_NONE);
		mprotect(area + 3 * 4096, 4096, PROT_NONE);
		ck_assert_int_eq(sigaltstack(&stack, &old_stack), 0);
		sigaction(SIGUSR1, &act, &old);
		raise(SIGUSR1);
		sigaction(SIGUSR1, &old, NULL);
		sigaltstack(&old_stack, NULL);
		ck_assert_int_eq(signal_ret, 0);
		ck_assert_int_eq(signal_r0, 42);
		code_free(&in_signal);
	}
	munmap(area, 5 * 4096);
	free(slots);
}
END_TEST

START_TEST(errno_is_left_alone)
{
	struct uebpf_error err;
	struct code code = { 0 };
	uint8_t bad[8] = { 0xff };
	uint32_t n;
	void *out;

	errno = 4711;
	code_decode(&code, bad, 1, NULL, 0, 10, &err);
	asm_text("nonsense\n", &out, &n, &err);
	code_free(&code);
	ck_assert_int_eq(errno, 4711);
}
END_TEST

/* ---- memory runs out at every allocation in turn ---- */

static struct { unsigned left; size_t live; } budget;

static void *limited(void *ctx, void *old, size_t old_size, size_t new_size)
{
	void *p;

	(void)ctx;
	if (!new_size) {
		free(old);
		budget.live -= old_size;
		return NULL;
	}
	if (!budget.left)
		return NULL;
	budget.left--;
	p = realloc(old, new_size);
	budget.live += new_size - old_size;
	return p;
}

START_TEST(allocation_n_fails)
{
	static struct vm_host host = { .alloc = limited };
	struct sub_def subs[] = { { 0, "main", true } };
	uint32_t n;
	void *slots;
	unsigned limit;
	int ret = -1;

	assemble("r1 = 1\nr2 = func f ll\nr3 = 0\ncall 0x10007\ncall g\nif r0 == 7 goto +1\nr4 = 1\nr0 = r4\nexit\n"
		 "f: r0 = 0\nexit\ng: r0 = 7\nexit\n", &slots, &n);
	for (limit = 0; ret && limit < 100; limit++) {
		struct uebpf_error err;
		struct code code = { .host = &host, .checked = true };
		struct code *copy;

		budget.left = limit;
		budget.live = 0;
		ret = code_decode(&code, slots, n, subs, 1, 100, &err);
		code.type = &test_raw;
		code.helpers = &test_helpers;
		ret = ret ? ret : code_prepare(&code, &err);
		if (!ret) {
			ret = interp_prepare(&code);
			copy = code_copy(&code);
			if (copy) {
				code_free(copy);
				mem_free(&host, copy, sizeof *copy);
			} else {
				ret = -ENOMEM;
			}
		} else {
			ck_assert_int_eq(err.code, UEBPF_E_MEMORY);
		}
		if (ret)
			ck_assert_int_eq(ret, -ENOMEM);
		code_free(&code);
		ck_assert_msg(budget.live == 0, "limit %u: %zu bytes leaked", limit, budget.live);
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_gt(limit, 10);
	free(slots);
}
END_TEST

START_TEST(load_and_free_leaks_nothing)
{
	static struct vm_host host = { .alloc = limited };
	unsigned rounds = getenv("SOAK") ? 1000000 : 2000;
	struct uebpf_error err;
	uint32_t n;
	void *slots;

	assemble("r0 = r2\nif r0 > 3 goto +1\nr0 = 3\nexit\n", &slots, &n);
	budget.live = 0;
	for (unsigned i = 0; i < rounds; i++) {
		struct code code = { .host = &host, .checked = i & 1 };
		uint64_t r0;

		budget.left = 1000;
		ck_assert_int_eq(code_decode(&code, slots, n, NULL, 0, 100, &err), 0);
		code.type = &test_raw;
		ck_assert_int_eq(code_prepare(&code, &err), 0);
		ck_assert_int_eq(interp_prepare(&code), 0);
		ck_assert_int_eq(interp_run(&code, slots, 8, NULL, &r0), 0);
		ck_assert_uint_eq(r0, 8);
		code_free(&code);
	}
	ck_assert_uint_eq(budget.live, 0);
	free(slots);
}
END_TEST

int main(void)
{
	TCase *t = test_case("engine", 120);

	tcase_add_test(t, sixty_thousand_instructions);
	tcase_add_test(t, a_million_instructions);
	tcase_add_test(t, the_limit_is_named);
	tcase_add_test(t, jumps_past_32767);
	tcase_add_test(t, many_functions_load_fast);
	tcase_add_test(t, deep_chain_of_functions);
	tcase_add_test(t, names_and_boundaries_from_the_caller);
	tcase_add_test(t, abort_flag_ends_a_loop);
	tcase_add_test(t, options_of_a_run);
	tcase_add_test(t, atomics_lose_nothing_between_threads);
	tcase_add_test(t, eight_kilobytes_of_signal_stack);
	tcase_add_test(t, errno_is_left_alone);
	tcase_add_test(t, allocation_n_fails);
	tcase_add_test(t, load_and_free_leaks_nothing);
	return run_tests();
}
