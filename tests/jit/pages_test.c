/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pages_test.c - code pages: never writable and executable at once, never non-executable while in use,
 * private after fork, nothing left behind.  SOAK=1: a million create/run/free rounds instead of 20,000. */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "jit/backend.h"
#include "tests/util/arms.h"
#include "tests/util/run.h"

static struct jit_pages *pages;

/* A program that returns `value` after `pad` additions. */
static struct code *make(uint32_t value, unsigned pad)
{
	struct code *code = calloc(1, sizeof *code);
	uint8_t *slots = calloc(pad + 2, 8);
	struct jit_opts o = { .pages = pages };
	struct uebpf_error err;

	raw_store(slots, (struct raw_insn){ .code = 0xb7, .imm = (int32_t)(value - pad) });
	for (unsigned i = 0; i < pad; i++)
		raw_store(slots + 8 + 8 * i, (struct raw_insn){ .code = 0x07, .imm = 1 });
	raw_store(slots + 8 + 8 * pad, (struct raw_insn){ .code = 0x95 });
	ck_assert_int_eq(code_decode(code, slots, pad + 2, NULL, 0, 1000001, &err), 0);
	free(slots);
	code->type = &test_raw;
	code->helpers = &test_helpers;
	ck_assert_int_eq(code_prepare(code, &err), 0);
	ck_assert_msg(!jit_compile(code, &o, &err), "%s", err.text);
	return code;
}
static void drop(struct code *code)
{
	jit_free(code);
	code_free(code);
	free(code);
}
static uint64_t call(const struct code *code) { return jit_plain(code)(NULL, 0, NULL); }

/* Lines of /proc/self/maps with both w and x; with x and MAP_SHARED. */
static void audit(unsigned *wx, unsigned *shared)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	*wx = *shared = 0;
	while (fgets(line, sizeof line, f)) {
		char *perm = strchr(line, ' ') + 1;

		*wx += perm[1] == 'w' && perm[2] == 'x';
		*shared += perm[2] == 'x' && perm[3] == 's';
	}
	fclose(f);
}
static size_t mapped_kb(void)
{
	size_t total = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	ck_assert_int_eq(fscanf(f, "%zu", &total), 1);
	fclose(f);
	return total * 4;
}

START_TEST(no_page_is_writable_and_executable)
{
	struct code *code[300];
	unsigned wx, shared;

	for (unsigned i = 0; i < 300; i++) {
		code[i] = make(i, i % 7 * 40);
		audit(&wx, &shared);
		ck_assert_uint_eq(wx, 0);
		ck_assert_uint_eq(shared, 0);
	}
	for (unsigned i = 0; i < 300; i++)
		ck_assert_uint_eq(call(code[i]), i);
	for (unsigned i = 0; i < 300; i++)
		drop(code[(i * 7) % 300]);
}
END_TEST

START_TEST(small_programs_share_pages)
{
	struct code *code[64];
	uintptr_t lo = UINTPTR_MAX, hi = 0;

	for (unsigned i = 0; i < 64; i++) {
		uintptr_t at = (uintptr_t)jit_plain(code[i] = make(i, 3));

		lo = at < lo ? at : lo;
		hi = at > hi ? at : hi;
	}
	ck_assert_uint_lt(hi - lo, 64 * 256);
	for (unsigned i = 0; i < 64; i++)
		drop(code[i]);
}
END_TEST

/* ---- others compile and free beside a running program ---- */

static atomic_bool stop;
static void *runner(void *arg)
{
	const struct code *code = arg;
	uint64_t runs = 0;

	while (!stop) {
		if (call(code) != 12345)
			abort();
		runs++;
	}
	return (void *)(uintptr_t)runs;
}

START_TEST(running_programs_never_notice)
{
	struct code *code = make(12345, 20), *other[8] = { 0 };
	pthread_t thread;
	void *runs;

	stop = false;
	pthread_create(&thread, NULL, runner, code);
	for (unsigned i = 0; i < 3000; i++) {
		if (other[i % 8])
			drop(other[i % 8]);
		other[i % 8] = make(i, i % 50);
		ck_assert_uint_eq(call(other[i % 8]), i);
	}
	stop = true;
	pthread_join(thread, &runs);
	ck_assert_uint_gt((uintptr_t)runs, 1000);
	for (int i = 0; i < 8; i++)
		drop(other[i]);
	drop(code);
}
END_TEST

/* ---- fork: 1,000 programs, both directions ---- */

enum { FORKED = 1000 };

static int run_all(struct code **code, uint32_t plus)
{
	for (unsigned i = 0; i < FORKED; i++)
		if (call(code[i]) != i + plus)
			return 1;
	return 0;
}

START_TEST(fork_separates_code)
{
	static struct code *code[FORKED], *more[FORKED];
	int pipe1[2], pipe2[2], status;
	char byte = 0;
	pid_t pid;

	for (unsigned i = 0; i < FORKED; i++)
		code[i] = make(i, 2);
	ck_assert_int_eq(pipe(pipe1) | pipe(pipe2), 0);
	pid = fork();
	if (!pid) {
		int bad = run_all(code, 0);

		if (read(pipe1[0], &byte, 1) != 1)	/* the parent has replaced its programs */
			_exit(9);
		bad |= run_all(code, 0);
		for (unsigned i = 0; i < FORKED; i++)	/* now the child replaces its own */
			drop(code[i]);
		for (unsigned i = 0; i < FORKED; i++)
			more[i] = make(i + 7, 5);
		bad |= run_all(more, 7);
		if (write(pipe2[1], &byte, 1) != 1)
			_exit(9);
		_exit(bad);
	}
	for (unsigned i = 0; i < FORKED; i++)
		drop(code[i]);
	for (unsigned i = 0; i < FORKED; i++)
		more[i] = make(i + 3, 4);
	ck_assert_int_eq(run_all(more, 3), 0);
	ck_assert_int_eq(write(pipe1[1], &byte, 1), 1);
	ck_assert_int_eq(read(pipe2[0], &byte, 1), 1);
	ck_assert_int_eq(run_all(more, 3), 0);
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	for (unsigned i = 0; i < FORKED; i++)
		drop(more[i]);
}
END_TEST

START_TEST(rounds_leave_nothing)
{
	unsigned rounds = getenv("SOAK") ? 1000000 : 20000;
	size_t before;

	for (unsigned i = 0; i < 1000; i++)
		drop(make(i, i % 60));
	before = mapped_kb();
	for (unsigned i = 0; i < rounds; i++) {
		struct code *code = make(i, i % 60);

		if (call(code) != i)
			ck_abort_msg("round %u", i);
		drop(code);
	}
	ck_assert_uint_le(mapped_kb(), before + 256);
}
END_TEST

START_TEST(large_programs_have_room)
{
	struct code *code = make(5, 60000), *big = make(9, 999998);

	ck_assert_uint_eq(call(code), 5);
	ck_assert_uint_eq(call(big), 9);
	drop(code);
	ck_assert_uint_eq(call(big), 9);
	drop(big);
}
END_TEST

/* mprotect with one of these rights, or any (0), is EPERM from now on: a sandbox. */
static int deny_mprotect(uint32_t rights)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | (rights ? BPF_JSET : BPF_JGE) | BPF_K, rights, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog all = { sizeof filter / sizeof *filter, filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all);
}

/* Where executable memory is denied the answer is an error, and nothing else. */
START_TEST(denied_executable_memory_is_an_error)
{
#ifndef PR_SET_MDWE
	enum { PR_SET_MDWE = 65, PR_MDWE_REFUSE_EXEC_GAIN = 1 };
#endif
	int status;
	pid_t pid = fork();

	if (!pid) {
		uint8_t slots[16] = { 0 };
		struct jit_opts o = { .pages = jit_pages_new(NULL) };
		struct uebpf_error err;
		struct code code;

		if (_i ? deny_mprotect(_i == 1 ? PROT_EXEC : 0) : prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
			_exit(77);
		memset(&code, 0, sizeof code);
		raw_store(slots, (struct raw_insn){ .code = 0xb7 });
		raw_store(slots + 8, (struct raw_insn){ .code = 0x95 });
		code_decode(&code, slots, 2, NULL, 0, 100, &err);
		code.type = &test_raw;
		code.helpers = &test_helpers;
		code_prepare(&code, &err);
		if (jit_compile(&code, &o, &err) != (_i ? -EPERM : -EACCES) || !strstr(err.text, "executable memory") || code.jit)
			_exit(1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 77) {
		printf("skip: this kernel has no %s\n", _i ? "seccomp filters" : "PR_SET_MDWE");
		return;
	}
	ck_assert_int_eq(status, 0);
}
END_TEST

/* A program of more than a page has whole pages: what it leaves of the last one was given to others, whose
 * publishing then replaced that page alone. */
START_TEST(a_large_program_shares_no_page)
{
	enum { LARGE = 5000, SMALL = 64, MANY = 200 };
	struct jit_pages *own = jit_pages_new(NULL);
	static uint8_t ret[LARGE];
	uint8_t *large, *small[MANY];

	memset(ret, 0xc3, sizeof ret);
	ck_assert_int_eq(pages_reserve(own, LARGE, &large), 0);
	ck_assert_int_eq(pages_publish(own, large, ret, LARGE), 0);
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(pages_reserve(own, SMALL, &small[i]), 0);
		ck_assert_int_eq(pages_publish(own, small[i], ret, SMALL), 0);
		ck_assert_msg(small[i] + SMALL <= large || small[i] >= large + 8192, "%p beside %p", (void *)small[i],
			      (void *)large);
		ck_assert_int_eq(memcmp(large, ret, LARGE), 0);
		((void (*)(void))(uintptr_t)large)();
		((void (*)(void))(uintptr_t)(large + LARGE - 1))();
	}
	for (int i = 0; i < MANY; i++)
		pages_release(own, small[i], SMALL);
	pages_release(own, large, LARGE);
	jit_pages_free(own);
}
END_TEST

int main(void)
{
	TCase *t = test_case("jit/pages", 0);

	if (!jit_arch()) {
		printf("skip: no JIT here\n");
		return 0;
	}
	pages = jit_pages_new(NULL);
	tcase_add_test(t, no_page_is_writable_and_executable);
	tcase_add_test(t, small_programs_share_pages);
	tcase_add_test(t, running_programs_never_notice);
	tcase_add_test(t, fork_separates_code);
	tcase_add_test(t, rounds_leave_nothing);
	tcase_add_test(t, large_programs_have_room);
	tcase_add_test(t, a_large_program_shares_no_page);
	tcase_add_loop_test(t, denied_executable_memory_is_an_error, 0, 3);
	return run_tests();
}
