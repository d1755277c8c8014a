/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* holes_test.c - programs that were accepted once and did harm: each of them is refused, and its harmless twin,
 * where there is one, is accepted.  Maps: map(0) array 4 -> 64 bytes of one, map(1) ring buffer, map(2) user ring
 * buffer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/util/made.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"

enum { NR_MAPS = 3 };
static struct uebpf_env *env;
static struct uebpf_map *maps[NR_MAPS];

#define VALUE "r2 = r10\nr2 += -40\n*(u32 *)(r10 - 40) = 0\nr1 = map(0) ll\ncall 1\nif r0 != 0 goto value\nr0 = 1\nexit\n" \
	"value:\nr9 = r0\n"
/* A dynptr over 8 bytes of the value in r9. */
#define LOCAL(at) "r1 = r9\nr2 = 8\nr3 = 0\nr4 = r10\nr4 += " #at "\ncall 197\n"
/* Two decisions about r8, so that states are kept behind them. */
#define DECIDE "if r8 == 51 goto +0\nif r8 == 52 goto +0\nif r8 == 53 goto +0\nr3 = 1\nr3 += 1\nr3 += 1\nr3 += 1\nr3 += 1\nr3 += 1\nr3 += 1\nr3 += 1\n"
#define LOOP "r1 = 10\nr2 = func each ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 2\nexit\n"

/* A pointer to the 8 bytes at r10 - 8 comes back as r6 from what `how` says: r10 - 8 matters all the same. */
#define COMES_BACK(how, more) "r7 = *(u32 *)(r1 + 12)\nr8 = *(u32 *)(r1 + 16)\n" VALUE "r1 = r10\nr1 += -8\n*(u64 *)(r10 - 8) = 0\n" how \
	DECIDE "if r7 == 5 goto far\n*(u64 *)(r10 - 8) = 0\ngoto meet\nfar:\n*(u64 *)(r10 - 8) = 0x100000\ngoto meet\n" \
	"meet:\nr2 = *(u64 *)(r6 + 0)\nr9 += r2\n*(u8 *)(r9 + 0) = 1\nr0 = 2\nexit\n" more
#define FAR "offset 1048576 of a value"

static const struct hole { const char *name, *say, *text; } holes[] = {
	/* The path through `other` has a number where the first had bytes of zero: what made them zero mattered. */
	{ "zero bytes that a number stands for", "offset 1048576 of a value",
	  "r6 = *(u32 *)(r1 + 12)\nr7 = *(u32 *)(r1 + 16)\nr8 = *(u32 *)(r1 + 20)\n" VALUE
	  "if r6 == 0 goto other\n*(u64 *)(r10 - 8) = 0\n*(u8 *)(r10 - 8) = r7\ngoto both\n"
	  "other:\nif r7 == 0 goto third\n*(u64 *)(r10 - 8) = 0\n" DECIDE "goto meet\n"
	  "third:\n*(u64 *)(r10 - 8) = 0x1000\n" DECIDE "goto meet\n"
	  "meet:\n" DECIDE "both:\n" DECIDE
	  "r1 = *(u8 *)(r10 - 7)\nr1 <<= 16\nr9 += r1\n*(u8 *)(r9 + 0) = 1\nr0 = 2\nexit\n" },
	{ "a dynptr's second half becomes another's first", "wants an initialised dynptr",
	  VALUE LOCAL(-24) "r1 = 0\n*(u8 *)(r10 - 16) = r1\n" LOCAL(-16)
	  "r1 = r10\nr1 += -24\nr2 = 0\nr3 = r10\nr3 += -40\nr4 = 4\nr5 = 0\ncall 202\nr0 = 2\nexit\n" },
	{ "a part of a record submitted as one", "was acquired and not released",
	  "r1 = map(1) ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall 198\n"
	  "r1 = r10\nr1 += -16\nr2 = 16\nr3 = 8\ncall 203\nif r0 == 0 goto none\nr1 = r0\nr2 = 0\ncall 132\nr0 = 1\nexit\n"
	  "none:\nr1 = r10\nr1 += -16\nr2 = 0\ncall 200\nr0 = 2\nexit\n" },
	{ "a callback's dynptr submitted", "wants an initialised dynptr",
	  "r1 = map(2) ll\nr2 = func each ll\nr3 = 0\nr4 = 0\ncall 209\nr0 = 2\nexit\neach:\nr2 = 0\ncall 199\nr0 = 0\nexit\n" },
	{ "a callback that begins with an endless loop", "endless loop",
	  LOOP "each:\nif r1 > 3 goto each\nr0 = 0\nexit\n" },
	{ "a callback that begins with a loop", NULL,
	  LOOP "each:\nr1 += 1\nif r1 < 20 goto each\nr0 = 0\nexit\n" },
	{ "a callback that begins with a loop that steps over its end", "explored and paths are left",
	  LOOP "each:\nr1 += 2\nif r1 != 77 goto each\nr0 = 0\nexit\n" },
	{ "a slice longer than 32 bits say", "wants a constant size",
	  VALUE LOCAL(-24) "r1 = r10\nr1 += -24\nr2 = 0\nr3 = 0x100000008 ll\ncall 203\nif r0 == 0 goto +2\n"
	  "r1 = 1\n*(u64 *)(r0 + 0x7000) = r1\nr0 = 2\nexit\n" },
	{ "an atomic operation on an odd part of a dynptr", "misaligned atomic operation",
	  VALUE LOCAL(-24) "r1 = r10\nr1 += -24\nr2 = 3\nr3 = 8\ncall 203\nif r0 == 0 goto +2\nr1 = 1\n"
	  "lock *(u64 *)(r0 + 0) += r1\nr0 = 2\nexit\n" },
	{ "a stack pointer exchanged out of its slot", FAR,
	  COMES_BACK("*(u64 *)(r10 - 16) = r1\nr6 = 0\nr6 = atomic_fetch_or((u64 *)(r10 - 16), r6)\n", "") },
	{ "a stack pointer compared out of its slot", FAR,
	  COMES_BACK("*(u64 *)(r10 - 16) = r1\nr0 = 0\nr6 = 0\nr0 = cmpxchg_64(r10 - 16, r0, r6)\nr6 = r0\n", "") },
	{ "a stack pointer loaded with acquire", FAR,
	  COMES_BACK("*(u64 *)(r10 - 16) = r1\nr6 = load_acquire((u64 *)(r10 - 16))\n", "") },
	/* On the way through `stay` nothing moves; it ends at states behind which something did. */
	{ "a counter that stands still on a way that was cut short", "endless loop",
	  "r8 = *(u32 *)(r1 + 16)\nr9 = map_value(0, 0) ll\nr6 = 0\n"
	  "head:\nif r6 > 99 goto end\nr7 = *(u64 *)(r9 + 0)\nif r7 == 5 goto stay\n"
	  "move:\nr6 += 1\n"
	  "on:\n" DECIDE "if r8 == 77 goto second\nr3 = 5\nsecond:\n" DECIDE "if r8 == 78 goto third\nr3 = 5\nthird:\n" DECIDE
	  "goto head\nstay:\nif r6 < 50 goto move\ngoto on\nend:\nr0 = 2\nexit\n" },
};

static int judge(const struct hole *h, uint32_t policy, struct verify_result *res, struct uebpf_error *err)
{
	static struct helper_table helpers = { .builtin = true };
	struct verify_opts opts = { .policy = policy, .max_insns = 20000 };
	struct code code = { .host = vm_host_of(env), .type = prog_type_find("xdp"), .helpers = &helpers, .stack_size = 512,
			     .max_frames = 8, .gpl = true };
	uint32_t slots;
	void *bytes;
	int rc;

	ck_assert_msg(!asm_text(h->text, &bytes, &slots, err), "%s: line %u: %s", h->name, err->line, err->text);
	ck_assert_msg(!code_decode(&code, bytes, slots, NULL, 0, 1000, err), "%s: %s", h->name, err->text);
	code.map = calloc(NR_MAPS, sizeof *code.map);
	for (int i = 0; i < NR_MAPS; i++)
		code.map[i] = uebpf_map_ref(maps[i]);
	code.nr_map = NR_MAPS;
	rc = verify(&code, &opts, res, err);
	code_free(&code);
	free(bytes);
	return rc;
}

START_TEST(closed)
{
	const struct hole *h = &holes[_i / 2];
	struct verify_result res;
	struct uebpf_error err;
	int rc = judge(h, _i & 1 ? UEBPF_POLICY_KERNEL : UEBPF_POLICY_USER, &res, &err);

	verify_free(&res);
	ck_assert_msg(h->say ? rc && strstr(err.text, h->say) : !rc, "%s: %s", h->name, rc ? err.text : "accepted");
}
END_TEST

/* The kernel's policy refuses to return pointers to the stack. */
START_TEST(pointers_returned)
{
	static const struct hole h[] = {
		{ "a stack pointer returned", FAR, COMES_BACK("call same\nr6 = r0\n", "same:\nr0 = r1\nexit\n") },
	};
	struct verify_result res;
	struct uebpf_error err;
	int rc = judge(&h[_i], UEBPF_POLICY_USER, &res, &err);

	verify_free(&res);
	ck_assert_msg(rc && strstr(err.text, h[_i].say), "%s: %s", h[_i].name, rc ? err.text : "accepted");
}
END_TEST

/* One exit of a loop that is summed up wrote r10 - 8, the other did not: what is read there must be zeroed. */
START_TEST(a_loop_left_without_writing)
{
	static const struct hole h = { "zeroes", NULL,
		"r9 = map_value(0, 0) ll\nr7 = *(u64 *)(r9 + 0)\nr8 = *(u32 *)(r1 + 16)\nr6 = 0\n"
		"head:\nif r6 > 9999 goto end\nr6 += 1\nif r8 == 4 goto leave\nif r8 != 3 goto on\n"
		"leave:\n*(u64 *)(r10 - 8) = r7\nr7 = 0\ngoto end\non:\nr4 = 1\ngoto head\n"
		"end:\nr7 = 0\nr0 = *(u64 *)(r10 - 8)\nif r0 == 0 goto +2\nr0 = 1\nexit\nr0 = 2\nexit\n" };
	struct verify_result res;
	struct uebpf_error err;
	int rc = judge(&h, UEBPF_POLICY_USER, &res, &err);

	ck_assert_msg(!rc, "%s", err.text);
	ck_assert_uint_eq(res.zero[0], 0xff);
	verify_free(&res);
}
END_TEST

int main(void)
{
	TCase *tc = test_case("holes", 60);
	int failed;

	env = uebpf_env_new(NULL);
	maps[0] = made_map(env, "m", 2, 4, 64, 1, 0);
	maps[1] = made_map(env, "m", 27, 0, 0, 4096, 0);
	maps[2] = made_map(env, "m", 31, 0, 0, 4096, 0);
	tcase_add_loop_test(tc, closed, 0, 2 * (int)(sizeof holes / sizeof *holes));
	tcase_add_loop_test(tc, pointers_returned, 0, 1);
	tcase_add_test(tc, a_loop_left_without_writing);
	failed = run_tests();
	for (int i = 0; i < NR_MAPS; i++)
		uebpf_map_unref(maps[i]);
	uebpf_env_free(env);
	return failed;
}
