/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* facts_test.c - what the verifier's facts change in the code at once, and what they must leave alone. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"

static struct uebpf_env *env;
/* array; read-only arrays: frozen, not frozen, frozen and shared with other processes; a frozen one that programs write */
enum { NR_MAPS = 5 };
static struct uebpf_map *maps[NR_MAPS];

static int verified(struct code *code, const char *text, struct verify_result *res, struct uebpf_error *err)
{
	static struct helper_table helpers;
	void *slots;
	uint32_t n;

	helpers = (struct helper_table){ .builtin = true };
	memset(code, 0, sizeof *code);
	ck_assert_msg(!asm_text(text, &slots, &n, err), "%s", err->text);
	code->host = vm_host_of(env);
	code->type = prog_type_find("raw");
	code->helpers = &helpers;
	code->stack_size = 512;
	code->max_frames = 8;
	ck_assert_msg(!code_decode(code, slots, n, NULL, 0, 1000, err), "%s", err->text);
	code->map = calloc(NR_MAPS, sizeof *code->map);
	for (int i = 0; i < NR_MAPS; i++)
		code->map[i] = uebpf_map_ref(maps[i]);
	code->nr_map = NR_MAPS;
	free(slots);
	return verify(code, NULL, res, err);
}

static void applied(struct code *code, const char *text)
{
	struct verify_result res;
	struct uebpf_error err;

	ck_assert_msg(!verified(code, text, &res, &err), "%s", err.text);
	verify_apply(code, &res);
	verify_free(&res);
}

START_TEST(constant_key_of_an_array_is_never_null)
{
	struct code code;

	applied(&code, "*(u32 *)(r10 - 8) = 3\nr2 = r10\nr2 += -8\nr1 = map(0) ll\ncall 1\n"
		       "if r0 == 0 goto +1\nr0 = *(u64 *)(r0 + 0)\nexit\n");
	ck_assert_int_eq(code.insn[5].op, OP_JA);
	ck_assert_int_eq(code.insn[5].off, 6);
	ck_assert_int_eq(code.insn[5].steps, 1);
	code_free(&code);
}
END_TEST

/* The array has four elements. */
START_TEST(key_below_the_length_is_never_null)
{
	struct code code;

	for (int mask = 3; mask < 16; mask = 2 * mask + 1) {
		char text[300];

		snprintf(text, sizeof text, "r2 &= %d\n*(u32 *)(r10 - 4) = r2\nr2 = r10\nr2 += -4\nr1 = map(0) ll\n"
			 "call 1\nif r0 == 0 goto +1\nr0 = *(u64 *)(r0 + 0)\nexit\n", mask);
		applied(&code, text);
		ck_assert_int_eq(code.insn[6].op, mask == 3 ? OP_JA : OP_JEQ64_K);
		code_free(&code);
	}
}
END_TEST

static struct insn after(const char *text, uint32_t i)
{
	struct code code;
	struct insn in;

	applied(&code, text);
	in = code.insn[i];
	code_free(&code);
	return in;
}

START_TEST(masks_that_change_nothing_go)
{
	struct insn in = after("if r2 > 9 goto +1\nr2 &= 15\nr0 = r2\nexit\n", 1);

	ck_assert(in.op == OP_MOV64_X && in.dst == 2 && in.src == 2 && in.steps == 1);
	in = after("if r2 > 9 goto +1\nr2 &= 7\nr0 = r2\nexit\n", 1);
	ck_assert_int_eq(in.op, OP_AND64_K);
	in = after("r2 &= 255\nw2 = w2\nr0 = r2\nexit\n", 1);
	ck_assert(in.op == OP_MOV64_X && in.dst == 2 && in.src == 2);
	in = after("w2 = w2\nr0 = r2\nexit\n", 0);
	ck_assert_int_eq(in.op, OP_MOV32_X);
	in = after("r2 &= 7\nr2 %= 10\nr0 = r2\nexit\n", 1);
	ck_assert_int_eq(in.op, OP_MOV64_X);
}
END_TEST

START_TEST(numbers_that_are_always_one_are_constants)
{
	struct insn in = after("r0 = 4\nif r2 != 12 goto +2\nr2 >>= 2\nr0 += r2\nexit\n", 2);

	ck_assert(in.op == OP_MOV64_K && in.dst == 2 && in.imm == 3);
	in = after("r0 = 4\nif r2 != 12 goto +2\nr2 >>= 2\nr0 += r2\nexit\n", 3);
	ck_assert(in.op == OP_MOV64_K && in.dst == 0 && in.imm == 7);
}
END_TEST

/* r3 is 1 or 2 where the ways meet, and nothing needs it: the second way ends there. */
START_TEST(ranges_end_where_paths_were_cut_short)
{
	static const char text[] = "r3 = 1\nr4 = 0\nif r2 > 9 goto +1\nr3 = 2\nif r2 > 4 goto +1\nr4 = 1\nr4 += 3\n"
		"r4 += 1\nr4 += 1\nif r2 > 3 goto +1\nr4 += 7\nr3 += 5\nr0 = r3\nexit\n";
	struct insn in = after(text, 11);

	ck_assert_int_eq(in.op, OP_ADD64_K);
}
END_TEST

START_TEST(variable_key_keeps_its_check)
{
	struct code code;

	applied(&code, "*(u32 *)(r10 - 4) = r2\nr2 = r10\nr2 += -4\nr1 = map(0) ll\ncall 1\n"
		       "if r0 == 0 goto +1\nr0 = *(u64 *)(r0 + 0)\nexit\n");
	ck_assert_int_eq(code.insn[5].op, OP_JEQ64_K);
	code_free(&code);
}
END_TEST

START_TEST(frozen_bytes_are_constants_and_decide_branches)
{
	struct code code;

	applied(&code, "r1 = map_value(1, 4) ll\nr0 = *(u32 *)(r1 + 0)\nif r0 > 5 goto +1\nr0 = 1\nexit\n");
	ck_assert_int_eq(code.insn[1].op, OP_LDDW);
	ck_assert_int_eq(code.insn[1].imm, 7);
	ck_assert_int_eq(code.insn[2].op, OP_JA);
	ck_assert_int_eq(code.insn[2].off, 4);
	code_free(&code);
	applied(&code, "r1 = map_value(1, 8) ll\nr0 = *(s16 *)(r1 + 0)\nexit\n");
	ck_assert_int_eq(code.insn[1].imm, -2);
	code_free(&code);
}
END_TEST

START_TEST(bytes_that_may_change_are_loaded)
{
	struct code code;

	for (int map = 2; map < NR_MAPS; map++) {
		char text[100];

		snprintf(text, sizeof text, "r1 = map_value(%d, 4) ll\nr0 = *(u32 *)(r1 + 0)\nif r0 > 5 goto +1\nr0 = 1\nexit\n",
			 map);
		applied(&code, text);
		ck_assert_int_eq(code.insn[1].op, OP_LD_W);
		ck_assert_int_eq(code.insn[2].op, OP_JGT64_K);
		code_free(&code);
	}
}
END_TEST

/* strncmp's second string has to stay what it was when it was looked at. */
START_TEST(strings_that_may_change_are_refused)
{
	for (int map = 0; map < NR_MAPS; map++) {
		struct verify_result res;
		struct uebpf_error err;
		struct code code;
		char text[200];
		int rc;

		snprintf(text, sizeof text, "*(u64 *)(r10 - 8) = 7\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = map_value(%d, 4) ll\n"
			 "call 182\nr0 = 0\nexit\n", map);
		rc = verified(&code, text, &res, &err);
		ck_assert_int_eq(rc, map == 1 ? 0 : -EACCES);
		if (rc)
			ck_assert_msg(strstr(err.text, "a constant string") != NULL, "%s", err.text);
		verify_free(&res);
		code_free(&code);
	}
}
END_TEST

static uint64_t rounds_of(const char *text)
{
	struct verify_result res;
	struct uebpf_error err;
	struct code code;
	uint64_t rounds;

	ck_assert_msg(!verified(&code, text, &res, &err), "%s", err.text);
	rounds = res.rounds;
	verify_free(&res);
	code_free(&code);
	return rounds;
}

/* A loop that is walked states nothing: what was explored says it. */
START_TEST(loops_proven_state_their_rounds)
{
	uint64_t long_one = rounds_of("r0 = 0\nr0 += 1\nif r0 s< 2000000000 goto -2\nexit\n");

	ck_assert_msg(long_one >= 1999999998 && long_one <= 2000000001, "%" PRIu64, long_one);
	long_one = rounds_of("r0 = 1000000\nr0 += -1\nif r0 s> 0 goto -2\nexit\n");
	ck_assert_msg(long_one >= 999998 && long_one <= 1000001, "%" PRIu64, long_one);
	ck_assert_uint_eq(rounds_of("r0 = 0\nr0 += 1\nexit\n"), 0);
}
END_TEST

/* One path reads a frozen byte, another the stack: no constant. */
START_TEST(a_load_of_two_kinds_stays)
{
	struct code code;

	applied(&code, "r1 = map_value(1, 4) ll\nif r2 > 5 goto +2\nr1 = r10\nr1 += -8\nr0 = *(u32 *)(r1 + 0)\nexit\n");
	ck_assert_int_eq(code.insn[4].op, OP_LD_W);
	code_free(&code);
}
END_TEST

static struct uebpf_map *make(uint32_t flags, uint32_t entries, bool freeze, bool shared)
{
	struct uebpf_map_opts o = { .size = sizeof o, .name = "m", .type = 2, .key_size = 4, .value_size = 16,
				    .max_entries = entries, .flags = flags };
	uint32_t zero = 0, value[4] = { 0, 7, 0xfffe, 0 };
	struct uebpf_error err;
	struct uebpf_map *map;

	map = shared ? uebpf_map_create_shared(env, &o, NULL, 0600, 0, &err) : uebpf_map_create(env, &o, &err);
	ck_assert_msg(map != NULL, "%s", err.text);
	uebpf_map_update(map, &zero, value, 0);
	map->frozen = freeze;
	return map;
}

static void setup(void)
{
	env = uebpf_env_new(NULL);
	maps[0] = make(0, 4, false, false);
	maps[1] = make(1 << 7 /* BPF_F_RDONLY_PROG */, 1, true, false);
	maps[2] = make(1 << 7, 1, false, false);
	maps[3] = make(1 << 7, 1, true, true);
	maps[4] = make(0, 1, true, false);
}

static void teardown(void)
{
	for (int i = 0; i < NR_MAPS; i++)
		uebpf_map_unref(maps[i]);
	uebpf_env_free(env);
}

int main(void)
{
	TCase *tc = test_case("facts", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, constant_key_of_an_array_is_never_null);
	tcase_add_test(tc, variable_key_keeps_its_check);
	tcase_add_test(tc, key_below_the_length_is_never_null);
	tcase_add_test(tc, masks_that_change_nothing_go);
	tcase_add_test(tc, numbers_that_are_always_one_are_constants);
	tcase_add_test(tc, ranges_end_where_paths_were_cut_short);
	tcase_add_test(tc, frozen_bytes_are_constants_and_decide_branches);
	tcase_add_test(tc, bytes_that_may_change_are_loaded);
	tcase_add_test(tc, strings_that_may_change_are_refused);
	tcase_add_test(tc, loops_proven_state_their_rounds);
	tcase_add_test(tc, a_load_of_two_kinds_stays);
	return run_tests();
}
