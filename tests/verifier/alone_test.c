/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alone_test.c - global functions, which are verified once, alone, for all that their prototype allows:
 * what may be known in there, and what is asked about the calls that nobody walks through. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"

static struct uebpf_env *env;

/* int f(long long) each of them */
static bool prototype(void *arg, uint32_t slot, struct proto *out)
{
	(void)arg;
	(void)slot;
	*out = (struct proto){ .nr_args = 1, .returns = true };
	return true;
}

/* The functions of `text` begin at slots at[0..n).  say: the refusal holds this text; NULL: accepted. */
static void judge(const char *text, uint32_t policy, const uint32_t *at, uint32_t n, const char *say)
{
	static struct helper_table helpers = { .builtin = true };
	struct verify_opts opts = { .policy = policy, .proto = prototype };
	struct code code = { .host = vm_host_of(env), .type = prog_type_find("raw"), .helpers = &helpers, .stack_size = 512,
			     .max_frames = 8 };
	struct sub_def sub[16];
	struct verify_result res;
	struct uebpf_error err;
	uint32_t slots;
	void *bytes;
	int rc;

	for (uint32_t i = 0; i < n; i++)
		sub[i] = (struct sub_def){ at[i], "part", true };
	ck_assert_msg(!asm_text(text, &bytes, &slots, &err), "%s", err.text);
	ck_assert_msg(!code_decode(&code, bytes, slots, sub, n, 1000, &err), "%s", err.text);
	rc = verify(&code, &opts, &res, &err);
	ck_assert_msg(say ? rc && strstr(err.text, say) : !rc, "%s\n%s", text, rc ? err.text : "accepted");
	verify_free(&res);
	code_free(&code);
	free(bytes);
}

START_TEST(recursion_is_refused)
{
	static const char text[] = "r1 = 1\ncall pc+1\nexit\n"
				   "r0 = 0\nif r1 == 0 goto +2\nr1 += -1\ncall pc-4\nexit\n";

	judge(text, UEBPF_POLICY_USER, (uint32_t[]){ 3 }, 1, "nested deeper than 8 frames");
	judge(text, UEBPF_POLICY_KERNEL, (uint32_t[]){ 3 }, 1, "nested deeper than 8 frames");
}
END_TEST

/* main and `n` functions, each of which calls the next */
static void chain(uint32_t n, const char *say)
{
	char text[1000] = "r1 = 1\ncall pc+1\nexit\n";
	uint32_t at[16];

	for (uint32_t i = 0; i < n; i++) {
		at[i] = 3 + 3 * i;
		strcat(text, i + 1 < n ? "r1 = 1\ncall pc+1\nexit\n" : "r0 = 1\nr0 = 1\nexit\n");
	}
	judge(text, UEBPF_POLICY_USER, at, n, say);
	judge(text, UEBPF_POLICY_KERNEL, at, n, say);
}

START_TEST(eight_frames_and_no_more)
{
	chain(7, NULL);
	chain(8, "nested deeper than 8 frames");
}
END_TEST

/* Only what some path calls is looked at. */
START_TEST(functions_that_no_path_calls)
{
	static const char text[] = "r0 = 0\nif r0 == 0 goto +1\ncall pc+1\nexit\n"
				   "r0 = *(u64 *)(r1 + 0)\nexit\n";

	judge(text, UEBPF_POLICY_USER, (uint32_t[]){ 4 }, 1, NULL);
	judge("r1 = 0\ncall pc+1\nexit\nr0 = *(u64 *)(r1 + 0)\nexit\n", UEBPF_POLICY_USER, (uint32_t[]){ 3 }, 1,
	      "reads memory through r1");
}
END_TEST

/* main's 8 at r10 - 8 is not the function's, which never wrote there. */
START_TEST(a_new_stack)
{
	judge("r1 = 1\n*(u64 *)(r10 - 8) = 8\ncall pc+1\nexit\n"
	      "r1 = *(u64 *)(r10 - 8)\nr2 = r10\nr2 -= r1\n*(u8 *)(r2 + 0) = 1\nr0 = 0\nexit\n",
	      UEBPF_POLICY_USER, (uint32_t[]){ 4 }, 1, "moves by an offset without useful bounds");
}
END_TEST

int main(void)
{
	TCase *tc = test_case("functions verified alone", 60);
	int failed;

	env = uebpf_env_new(NULL);
	tcase_add_test(tc, recursion_is_refused);
	tcase_add_test(tc, eight_frames_and_no_more);
	tcase_add_test(tc, functions_that_no_path_calls);
	tcase_add_test(tc, a_new_stack);
	failed = run_tests();
	uebpf_env_free(env);
	return failed;
}
