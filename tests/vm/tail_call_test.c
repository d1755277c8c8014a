/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tail_call_test.c - tail calls: the limit, what is replaced, what goes on; and traces, which go through them. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "vm/mem.h"

/* ---- tail calls ---- */

static void load_both(struct code *a, const char *text_a, struct code *b, const char *text_b, bool checked)
{
	struct arm arm = { .checked = checked, .metered = true };
	struct uebpf_error err;
	uint32_t n;
	void *slots;

	assemble(text_a, &slots, &n);
	ck_assert_msg(!arm_load(&arm, a, slots, n, &test_packet, &err), "%s", err.text);
	free(slots);
	if (!b)
		return;
	assemble(text_b, &slots, &n);
	ck_assert_msg(!arm_load(&arm, b, slots, n, &test_packet, &err), "%s", err.text);
	free(slots);
}

static uint8_t frame_bytes[64];
static struct uebpf_packet packet;

static int run_with(const struct code *code, const struct code **to, uint64_t *r0)
{
	struct uebpf_run run = { .size = sizeof run, .host = to };

	packet = (struct uebpf_packet){ .size = sizeof packet, .data = frame_bytes, .data_end = frame_bytes + 64 };
	return interp_run(code, &packet, sizeof packet, &run, r0);
}

/* A program that calls itself runs 34 times: 33 tail calls are allowed. */
START_TEST(tail_call_limit_is_33)
{
	for (int checked = 0; checked < 2; checked++) {
		const struct code *to[4] = { 0 };
		struct code a;
		uint64_t r0;

		/* counts in the mark field, which trusted code reads from the host's struct directly */
		load_both(&a,
			  "r6 = r1\n"
			  "r0 = *(u32 *)(r6 + 12)\n"
			  "r0 += 1\n"
			  "*(u32 *)(r6 + 12) = r0\n"
			  "r1 = r6\nr2 = 0\nr3 = 0\ncall 0x1000d\n"
			  "r0 = *(u32 *)(r6 + 12)\nexit\n", NULL, NULL, checked);
		if (!checked)	/* the test's type is rewritten by nobody: use the host's offset */
			for (uint32_t i = 0; i < a.n; i++)
				if (a.insn[i].off == 12)
					a.insn[i].off = offsetof(struct uebpf_packet, mark);
		ck_assert_int_eq(interp_prepare(&a), 0);
		to[0] = &a;
		ck_assert_int_eq(run_with(&a, to, &r0), 0);
		ck_assert_uint_eq(r0, 34);
		code_free(&a);
	}
}
END_TEST

START_TEST(tail_call_replaces_the_program)
{
	for (int checked = 0; checked < 2; checked++) {
		const struct code *to[4] = { 0 };
		struct code a, b;
		uint64_t r0;

		load_both(&a, "r2 = 0\nr3 = 1\ncall 0x1000d\nr0 = 1\nexit\n", &b,
			  "*(u64 *)(r10 - 8) = 3\nr0 = *(u64 *)(r10 - 8)\nr1 = *(u64 *)(r10 - 512)\nr0 += r1\nexit\n", checked);
		ck_assert_int_eq(run_with(&a, to, &r0), 0);
		ck_assert_uint_eq(r0, 1);	/* nothing there: goes on */
		to[1] = &b;
		ck_assert_int_eq(run_with(&a, to, &r0), 0);
		ck_assert_uint_eq(r0, 3);
		code_free(&a);
		code_free(&b);
	}
}
END_TEST

/* In a subprogram the tail call replaces that frame: its result goes to the caller. */
START_TEST(tail_call_in_a_subprogram_returns_to_its_caller)
{
	for (int checked = 0; checked < 2; checked++) {
		const struct code *to[4] = { 0 };
		struct code a, b;
		uint64_t r0;

		load_both(&a, "r6 = 100\ncall f\nr0 += r6\nexit\nf:\nr6 = 5\nr2 = 0\nr3 = 1\ncall 0x1000d\nr0 = 1\nexit\n", &b,
			  "r6 = 7\nr0 = 3\ncall g\nr0 += r6\nexit\ng:\nr6 = 9\nr0 = 20\nexit\n", checked);
		to[1] = &b;
		ck_assert_int_eq(run_with(&a, to, &r0), 0);
		ck_assert_uint_eq(r0, 127);
		code_free(&a);
		code_free(&b);
	}
}
END_TEST

START_TEST(tail_call_to_another_mode_is_an_error)
{
	const struct code *to[4] = { 0 };
	struct code a, b;

	load_both(&a, "r2 = 0\nr3 = 1\ncall 0x1000d\nr0 = 1\nexit\n", NULL, NULL, true);
	load_both(&b, "r0 = 3\nexit\n", NULL, NULL, false);
	to[1] = &b;
	ck_assert_int_eq(run_with(&a, to, NULL), -EINVAL);
	code_free(&a);
	code_free(&b);
}
END_TEST

/* ---- tracing ---- */

struct seen { unsigned n; uint32_t pc[16]; uint64_t r0[16]; char text[16][64]; };

static void see(void *arg, uint32_t pc, const uint64_t regs[11], const char *insn)
{
	struct seen *s = arg;

	ck_assert_uint_lt(s->n, 16);
	s->pc[s->n] = pc;
	s->r0[s->n] = regs[0];
	snprintf(s->text[s->n++], 64, "%s", insn);
}

START_TEST(trace_goes_on_through_tail_calls)
{
	for (int checked = 0; checked < 2; checked++) {
		struct uebpf_run run = { .size = sizeof run };
		const struct code *to[4] = { 0 };
		struct seen seen = { 0 };
		struct code a, b;
		uint64_t r0;

		/* a leads to b, which asks for a slot where nothing is and goes on */
		load_both(&a, "r2 = 0\nr3 = 1\ncall 0x1000d\nr0 = 1\nexit\n", &b,
			  "r6 = 3\nr2 = 0\nr3 = 2\ncall 0x1000d\nr0 = r6\nexit\n", checked);
		to[1] = &b;
		run.host = to;
		packet = (struct uebpf_packet){ .size = sizeof packet, .data = frame_bytes, .data_end = frame_bytes + 64 };
		ck_assert_int_eq(interp_trace(&a, &packet, sizeof packet, &run, &r0, see, &seen), 0);
		ck_assert_uint_eq(r0, 3);
		ck_assert_uint_eq(seen.n, 3 + 6);
		ck_assert_str_eq(seen.text[3], "r6 = 0x3");
		ck_assert_uint_eq(seen.pc[8], 5);
		code_free(&a);
		code_free(&b);
	}
}
END_TEST

START_TEST(trace_sees_each_instruction_once)
{
	struct uebpf_error err;
	uint32_t n;
	void *slots;

	assemble("r0 = 5\nr1 = 3 ll\ncall f\nr0 += 1\nexit\nf: r0 = 7\nexit\n", &slots, &n);
	for (int checked = 0; checked < 2; checked++) {
		struct arm arm = { .checked = checked };
		struct seen seen = { 0 };
		struct code code;

		ck_assert_int_eq(arm_load(&arm, &code, slots, n, &test_raw, &err), 0);
		ck_assert_int_eq(interp_trace(&code, slots, 8, NULL, NULL, see, &seen), 0);
		ck_assert_uint_eq(seen.n, 7);
		ck_assert_uint_eq(seen.pc[2], 3);
		ck_assert_uint_eq(seen.pc[3], 6);
		ck_assert_uint_eq(seen.r0[1], 5);
		ck_assert_uint_eq(seen.r0[5], 7);
		ck_assert_str_eq(seen.text[1], "r1 = 0x3 ll");
		ck_assert_str_eq(seen.text[2], "call pc+0x2");
		code_free(&code);
	}
	free(slots);
}
END_TEST

int main(void)
{
	TCase *t = test_case("tail calls", 60);

	tcase_add_test(t, tail_call_limit_is_33);
	tcase_add_test(t, tail_call_replaces_the_program);
	tcase_add_test(t, tail_call_in_a_subprogram_returns_to_its_caller);
	tcase_add_test(t, tail_call_to_another_mode_is_an_error);
	tcase_add_test(t, trace_goes_on_through_tail_calls);
	tcase_add_test(t, trace_sees_each_instruction_once);
	return run_tests();
}
