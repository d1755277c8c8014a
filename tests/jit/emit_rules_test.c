/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* emit_rules_test.c - each of the emitter's own rules (jit/cpu.c) on a program that it is for: the machine code with
 * and without it, its count, and the same results as the interpreter's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "jit/jit.h"
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "vm/rewrite/rewrite.h"

enum { WORDS = 32 };

/* on: only with the rule; off: only without it; NULL: nothing to see */
static const struct { const char *rule, *text, *on, *off; } single[] = {
	{ "magic", "r0 = *(u64 *)(r1 + 0)\nr0 /= 7\nexit\n", NULL, " div " },
	{ "magic", "r0 = *(u64 *)(r1 + 0)\nr0 *= 9\nexit\n", "lea rax, [rax + 8*rax]", "imul" },
	{ "magic", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr0 *= 33\nr0 += r2\nexit\n", "add rax, r10", "imul" },
	{ "magic", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nw0 *= 31\nw0 += w2\nexit\n", "sub r10d, eax", "imul" },
	{ "between", "r0 = 0\nr2 = *(u8 *)(r1 + 0)\nif r2 < 48 goto l\nif r2 > 57 goto l\nr0 = r2\nl: r0 += 1\nexit\n", "lea r10, [rsi - 48]", "cmp rsi, 57" },
	{ "between", "r0 = *(u64 *)(r1 + 8)\nr2 = *(u64 *)(r1 + 0)\nif w2 s> 300 goto +1\nif w2 s>= -5 goto l\nr0 = r2\nr0 *= 5\nl: r0 += 1\nexit\n",
	  "cmp r10d, 305", "cmp esi, 300" },
	{ "align", "r0 = 0\nr3 = 0\nh: r2 = *(u64 *)(r1 + 0)\nr0 += r2\nr0 *= r2\nr1 += 8\nr3 += 1\nif r3 < 20 goto h\nexit\n", "nop", NULL },
	{ "pair", "r0 = 0\n*(u64 *)(r1 + 8) = 0\n*(u64 *)(r1 + 16) = 0\nexit\n", "movups xmmword ptr [rdi + 8], xmm0", "mov qword ptr" },
	{ "vector", "r2 = *(u64 *)(r1 + 0)\n*(u64 *)(r1 + 64) = r2\nr2 = *(u64 *)(r1 + 8)\n*(u64 *)(r1 + 72) = r2\nr0 = 0\nexit\n",
	  "movups xmmword ptr [rdi + 64]", "mov qword ptr" },
	{ "select", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nif r0 > r2 goto l\nr0 = r2\nl: r0 += 1\nexit\n", "cmovbe rax, rsi",
	  "ja " },
	/* what is 0 or 1 by a comparison */
	{ "select", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr3 = 1\nif r0 > r2 goto l\nr3 = 0\nl: r0 += r3\nexit\n", "seta dl", "ja " },
	{ "select", "r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nw4 = 0\nif w2 s>= w3 goto l\nw4 = 1\nl: r0 = r4\nr0 += r2\nexit\n", "setl ",
	  "jge " },
	/* 32 bits whose upper half is known */
	{ "select", "r0 = *(u32 *)(r1 + 0)\nr2 = *(u32 *)(r1 + 8)\nif r0 < r2 goto l\nw0 = w2\nl: r0 += 1\nexit\n", "cmovae rax, rsi", "jb " },
	{ "flags", "r0 = 7\nr2 = *(u64 *)(r1 + 0)\nr2 += r1\nr2 &= -16\nif r2 == 0 goto l\nr0 *= 3\nl: exit\n", "test rsi, -16", "and rsi, -16" },
	{ "flags", "r0 = *(u64 *)(r1 + 0)\nw0 += 3\nw2 = w0\nw2 &= 256\nif w2 != 0 goto l\nr0 *= 3\nl: exit\n", "test eax, 256", "and esi, 256" },
	{ "flags", "r0 = 7\nr2 = *(u8 *)(r1 + 3)\nr2 &= 4\nif r2 == 0 goto l\nr0 *= 3\nl: exit\n", "test byte ptr [rdi + 3], 4", "and esi, 4" },
	{ "flags", "r0 = 7\nr2 = *(u32 *)(r1 + 4)\nr2 &= -256\nif r2 != 0 goto l\nr0 *= 3\nl: exit\n", "test dword ptr [rdi + 4], -256",
	  "and rsi, -256" },
	{ "flags", "r0 = 7\nr2 = *(u8 *)(r1 + 0)\nr2 &= 63\nr3 = r1\nr3 += r2\nr3 = *(u16 *)(r3 + 1)\nr3 &= 7\nif r3 != 0 goto l\nr0 = r2\n"
	  "r0 *= 3\nl: exit\n", "test byte ptr [rdi + rsi + 1], 7", "and edx, 7" },
	/* the result's own flags; of 32 bits not those of 64 */
	{ "flags", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nw2 -= w0\nif r2 != 0 goto l\nr0 *= 3\nl: r0 += r2\nexit\n", NULL, "test rsi, rsi" },
	{ "flags", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr2 &= -5\nif r2 == 0 goto l\nr0 *= 3\nl: r0 += r2\nexit\n", NULL, "test rsi, rsi" },
	{ "lanes", "r0 = 0\nr2 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u64 *)(r3 + 0)\nr0 += r4\nr2 += 8\nif r2 != 256 goto h\nexit\n", "xmm", NULL },
	{ "update", "r3 = *(u64 *)(r1 + 8)\nr2 = *(u32 *)(r1 + 64)\nw2 += w3\n*(u32 *)(r1 + 64) = r2\nr0 = r3\nexit\n",
	  "add dword ptr [rdi + 64], edx", "mov dword ptr" },
	{ "update", "r2 = *(u64 *)(r1 + 64)\nr2 ^= 9\n*(u64 *)(r1 + 64) = r2\nr0 = 0\nexit\n", "xor qword ptr [rdi + 64], 9", "mov qword ptr" },
	{ "update", "r2 = *(u8 *)(r1 + 0)\nr2 &= 63\nr3 = *(u64 *)(r1 + 8)\nr4 = r1\nr4 += r2\nr5 = *(u8 *)(r4 + 70)\nw5 ^= w3\n"
	  "*(u8 *)(r4 + 70) = r5\nr0 = r2\nr4 = r3\nexit\n", "xor byte ptr [rdi + rsi + 70], dl", "mov byte ptr" },
	/* a counter in an array, at an address that is made from the index first */
	{ "update", "r3 = *(u8 *)(r1 + 0)\nr3 &= 15\nr3 <<= 3\nr4 = r1\nr4 += r3\nr3 = *(u64 *)(r4 + 8)\nr3 += 1\n"
	  "*(u64 *)(r4 + 8) = r3\nr0 = 0\nexit\n", "add qword ptr [rdi + 8*", "mov qword ptr" },
	/* a square root, bit by bit: the product waits for the bit before */
	{ "predict", "r0 = 0\nr2 = *(u64 *)(r1 + 0)\nr3 = 0x8000\nh: r4 = r0\nr4 |= r3\nr5 = r4\nr5 *= r5\nif r5 > r2 goto l\nr0 = r4\n"
	  "l: r3 >>= 1\nif r3 != 0 goto h\nexit\n", "ja ", "cmovbe" },
};

static const struct arm *arm_named(const char *name)
{
	for (size_t i = 0; i < nr_arms; i++)
		if (!strcmp(arms[i].name, name))
			return &arms[i];
	ck_abort_msg("no arm %s", name);
	return NULL;
}

static uint64_t run_once(const struct arm *arm, const struct code *code, uint64_t from, uint64_t mem[WORDS])
{
	uint64_t r0 = 0;

	for (int i = 0; i < WORDS; i++) {
		from = from * 6364136223846793005u + 1442695040888963407u;
		mem[i] = from >> (from >> 58);
	}
	ck_assert_int_eq(arm->run(code, mem, WORDS * sizeof *mem, NULL, &r0), 0);
	return r0;
}

/* Machine code of the program itself; hits: how often the rule acted. */
static uint32_t compile(const struct arm *arm, struct code *code, const char *text, int rule, char *dump, size_t cap)
{
	uint32_t before = arm_jit_hits[rule], n;
	struct uebpf_error err;
	void *slots;
	char *end;

	assemble(text, &slots, &n);
	ck_assert_msg(!arm_load(arm, code, slots, n, &test_raw, &err), "%s\n%s", err.text, text);
	free(slots);
	ck_assert_int_lt(jit_dump(code, dump, cap, NULL, NULL), (long)cap);
	end = strstr(dump, "(entries");
	ck_assert_ptr_nonnull(end);
	*end = 0;
	return arm_jit_hits[rule] - before;
}

static void shows(const char *dump, const char *what, bool should, const char *rule)
{
	ck_assert_msg(!what || !strstr(dump, what) == !should, "%s: \"%s\" should %sbe in\n%s", rule, what, should ? "" : "not ", dump);
}

START_TEST(each_rule_does_what_it_says)
{
	const struct arm *interp = arm_named("interp trusted"), *on = arm_named("jit trusted");
	const char *rule = single[_i].rule;
	int k = rule_index(jit_rule_names, rule, strlen(rule));
	const struct arm *off = rule_arm(2 * (size_t)k), *none = arm_named("jit checked");
	struct code with, without, plain, checked;
	static char dump[65536];
	uint64_t mem[3][WORDS];
	struct uebpf_error err;
	uint32_t n;
	void *slots;

	ck_assert_str_eq(off->no_rules, rule);
	ck_assert_msg(compile(on, &with, single[_i].text, k, dump, sizeof dump), "%s: not hit by\n%s", rule, single[_i].text);
	shows(dump, single[_i].on, true, rule);
	shows(dump, single[_i].off, false, rule);
	ck_assert_uint_eq(compile(off, &without, single[_i].text, k, dump, sizeof dump), 0);
	shows(dump, single[_i].on, false, rule);
	shows(dump, single[_i].off, true, rule);
	compile(none, &checked, single[_i].text, k, dump, sizeof dump);
	assemble(single[_i].text, &slots, &n);
	ck_assert_int_eq(arm_load(interp, &plain, slots, n, &test_raw, &err), 0);
	free(slots);
	for (uint64_t from = 1; from < 200; from++) {
		uint64_t want = run_once(interp, &plain, from, mem[0]);

		ck_assert_uint_eq(run_once(on, &with, from, mem[1]), want);
		ck_assert_uint_eq(run_once(off, &without, from, mem[2]), want);
		ck_assert(!memcmp(mem[0], mem[1], sizeof mem[0]) && !memcmp(mem[0], mem[2], sizeof mem[0]));
		ck_assert_uint_eq(run_once(none, &checked, from, mem[1]), want);
		ck_assert(!memcmp(mem[0], mem[1], sizeof mem[0]));
	}
	arm_free(on, &with);
	arm_free(off, &without);
	arm_free(none, &checked);
	arm_free(interp, &plain);
}
END_TEST

static bool holds(int how, bool wide, uint64_t x, int32_t imm)
{
	uint64_t k = wide ? (uint64_t)(int64_t)imm : (uint32_t)imm;
	int64_t sx, sk = imm;

	x = wide ? x : (uint32_t)x;
	sx = wide ? (int64_t)x : (int32_t)x;
	switch (how) {
	case 0: return x > k;
	case 1: return x >= k;
	case 2: return x < k;
	case 3: return x <= k;
	case 4: return sx > sk;
	case 5: return sx >= sk;
	case 6: return sx < sk;
	default: return sx <= sk;
	}
}

/* Two comparisons in all pairs with what is at the ends of the ranges, empty ones and those of one number included. */
START_TEST(between_holds_at_its_bounds)
{
	static const char *const cmp[] = { ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=" };
	static const int32_t end[] = { INT32_MIN, INT32_MIN + 1, -1, 0, 1, 57, INT32_MAX };
	static const uint64_t value[] = { 0, 1, 2, 56, 57, 58, INT32_MAX - 1, INT32_MAX, 1ull << 31, (1ull << 31) + 1, UINT32_MAX - 1, UINT32_MAX,
		1ull << 32, (1ull << 32) + 57, INT64_MAX, 1ull << 63, 0xffffffff7fffffff, 0xffffffff80000000, 0xffffffff80000001,
		UINT64_MAX - 1, UINT64_MAX };
	enum { WAYS = sizeof cmp / sizeof *cmp, ENDS = sizeof end / sizeof *end };
	int rule = rule_index(jit_rule_names, "between", 7), a = end[_i % ENDS], b = end[_i / ENDS];
	const struct arm *arm = arm_named("jit trusted");
	uint32_t before = arm_jit_hits[rule], n;

	for (int form = 0; form < WAYS * WAYS * 4; form++) {
		int first = form % WAYS, second = form / WAYS % WAYS;
		bool wide = form / WAYS / WAYS & 1, inside = form / WAYS / WAYS & 2;
		char z = wide ? 'r' : 'w', text[256];
		struct uebpf_error err;
		struct code code;
		void *slots;

		snprintf(text, sizeof text, "r0 = 0\nr2 = *(u64 *)(r1 + 0)\nif %c2 %s %d goto %s\nif %c2 %s %d goto l\nr0 = r2\nr0 *= 5\n"
			 "l: r0 += 1\nexit\n", z, cmp[first], a, inside ? "+1" : "l", z, cmp[second], b);
		assemble(text, &slots, &n);
		ck_assert_msg(!arm_load(arm, &code, slots, n, &test_raw, &err), "%s\n%s", err.text, text);
		free(slots);
		for (size_t i = 0; i < sizeof value / sizeof *value; i++) {
			bool one = holds(first, wide, value[i], a), two = holds(second, wide, value[i], b);
			uint64_t x = value[i], r0 = 0, want = (inside ? !one && two : one || two) ? 1 : 5 * x + 1;

			ck_assert_int_eq(arm->run(&code, &x, sizeof x, NULL, &r0), 0);
			ck_assert_msg(r0 == want, "0x%llx: 0x%llx, should be 0x%llx, of\n%s", (unsigned long long)x,
				      (unsigned long long)r0, (unsigned long long)want, text);
		}
		arm_free(arm, &code);
	}
	ck_assert_msg(arm_jit_hits[rule] > before || a != 1 || b != 57, "never one comparison of two");
}
END_TEST

/* r & mask is 0 or not: of what is loaded in each size, of a register, of copies. */
START_TEST(flags_are_those_of_the_mask)
{
	static const int32_t mask[] = { 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xff00, 0xffff, 0x10000, INT32_MAX, INT32_MIN, -65536, -256, -128, -1 };
	static const uint64_t value[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x8000, 0xff00, 0x10000, 1ull << 31, UINT32_MAX, 1ull << 32, 1ull << 40,
		1ull << 63, 0xffffffff00000000, 0xfffffffffffffe00, UINT64_MAX };
	static const char *const from[] = { "r2 = *(u8 *)(r1 + 0)", "r2 = *(u16 *)(r1 + 0)", "r2 = *(u32 *)(r1 + 0)", "r2 = *(u64 *)(r1 + 0)",
		"r2 = *(u64 *)(r1 + 0)\nr2 += r0", "r2 = *(u64 *)(r1 + 0)\nw2 += w0", "r3 = *(u64 *)(r1 + 0)\nr3 += r0\nr2 = r3",
		"r3 = *(u64 *)(r1 + 0)\nr3 += r0\nw2 = w3" };
	static const uint64_t keeps[] = { 0xff, 0xffff, UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT64_MAX, UINT32_MAX };
	int rule = rule_index(jit_rule_names, "flags", 5);
	const struct arm *arm = arm_named("jit trusted");
	uint32_t before = arm_jit_hits[rule], n;

	for (int form = 0; form < 8 * (int)(sizeof mask / sizeof *mask); form++) {
		bool and_wide = form & 1, jump_wide = form & 2, equal = form & 4;
		int32_t k = mask[form / 8];
		struct uebpf_error err;
		struct code code;
		char text[256];
		void *slots;

		snprintf(text, sizeof text, "r0 = *(u64 *)(r1 + 8)\n%s\n%c2 &= %d\nif %c2 %s 0 goto l\nr0 += 5\nr0 *= 7\nl: exit\n", from[_i],
			 and_wide ? 'r' : 'w', k, jump_wide ? 'r' : 'w', equal ? "==" : "!=");
		assemble(text, &slots, &n);
		ck_assert_msg(!arm_load(arm, &code, slots, n, &test_raw, &err), "%s\n%s", err.text, text);
		free(slots);
		for (size_t i = 0; i < sizeof value / sizeof *value; i++) {
			uint64_t mem[2] = { value[i], 0 }, r0 = 0, x = value[i] & keeps[_i] & (and_wide ? (uint64_t)(int64_t)k : (uint32_t)k);
			bool jumps = !(jump_wide ? x : (uint32_t)x) == equal;

			ck_assert_int_eq(arm->run(&code, mem, sizeof mem, NULL, &r0), 0);
			ck_assert_msg(r0 == (jumps ? 0 : 35), "0x%llx: %llu of\n%s", (unsigned long long)value[i], (unsigned long long)r0, text);
		}
		arm_free(arm, &code);
	}
	ck_assert_msg(arm_jit_hits[rule] > before, "never a test");
}
END_TEST

/* Two moves by one comparison; the second is made anew where the first moves what was compared. */
START_TEST(one_comparison_is_enough)
{
	static const char *const text[] = {
		"r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr4 = r2\nr0 = r3\nif r2 > r3 goto +1\nr4 = r3\nif r2 < r3 goto +1\nr0 = r2\nr0 -= r4\nexit\n",
		"r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr0 = r3\nif r2 > r3 goto +1\nr3 = r2\nif r2 s< r3 goto +1\nr0 = r2\nr0 -= r3\nexit\n",
	};
	const char *program = text[_i != 0];
	const struct arm *arm = arm_named("jit trusted"), *interp = arm_named("interp trusted");
	static char dump[65536];
	struct code code, plain;
	uint64_t mem[2][WORDS];
	struct uebpf_error err;
	uint32_t n, compared = 0;
	void *slots = NULL;

	compile(arm, &code, program, 0, dump, sizeof dump);
	for (const char *at = dump; (at = strstr(at, "cmp r")); at++)
		compared++;
	ck_assert_msg(compared == 1u + (uint32_t)_i, "%u comparisons:\n%s", compared, dump);
	assemble(program, &slots, &n);
	ck_assert_int_eq(arm_load(interp, &plain, slots, n, &test_raw, &err), 0);
	free(slots);
	for (uint64_t from = 1; from < 200; from++)
		ck_assert_uint_eq(run_once(arm, &code, from, mem[0]), run_once(interp, &plain, from, mem[1]));
	arm_free(arm, &code);
	arm_free(interp, &plain);
}
END_TEST

/* The flags that an operation leaves tell whether its result is 0, and neither its sign nor which is greater. */
START_TEST(flags_of_a_result_tell_zero_only)
{
	static const char *const op[] = { "r2 -= r3", "r2 += r3", "r2 ^= r3", "r2 &= -8", "w2 -= w3", "w2 += w3" };
	static const char *const cmp[] = { "==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&" };
	static const uint64_t value[] = { 0, 1, 7, INT32_MAX, 1ull << 31, UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX };
	enum { WAYS = sizeof cmp / sizeof *cmp, VALUES = sizeof value / sizeof *value };
	const struct arm *arm = arm_named("jit trusted"), *interp = arm_named("interp trusted");

	for (int form = 0; form < 4 * WAYS; form++) {
		char text[256], z = form & 2 ? 'r' : 'w';
		struct uebpf_error err;
		struct code code, plain;
		void *slots;
		uint32_t n;

		snprintf(text, sizeof text, "r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr0 = 0\nr4 = 1\n%s\nif %c2 %s 0 goto +1\nr0 = 5\n"
			 "if %c2 %s 0 goto +1\nr4 = 9\nr0 += r4\nr0 += r2\nexit\n", op[_i], z, form & 1 ? "==" : "!=", z, cmp[form / 4]);
		assemble(text, &slots, &n);
		ck_assert_msg(!arm_load(arm, &code, slots, n, &test_raw, &err), "%s\n%s", err.text, text);
		ck_assert_int_eq(arm_load(interp, &plain, slots, n, &test_raw, &err), 0);
		free(slots);
		for (size_t i = 0; i < VALUES * VALUES; i++) {
			uint64_t mem[2] = { value[i % VALUES], value[i / VALUES] }, r0 = 0, want = 0;

			ck_assert_int_eq(arm->run(&code, mem, sizeof mem, NULL, &r0), 0);
			ck_assert_int_eq(interp->run(&plain, mem, sizeof mem, NULL, &want), 0);
			ck_assert_msg(r0 == want, "0x%llx, 0x%llx: 0x%llx, should be 0x%llx, of\n%s", (unsigned long long)mem[0],
				      (unsigned long long)mem[1], (unsigned long long)r0, (unsigned long long)want, text);
		}
		arm_free(arm, &code);
		arm_free(interp, &plain);
	}
}
END_TEST

START_TEST(each_has_a_test)
{
	for (int k = 0; k < JIT_RULE_COUNT; k++) {
		bool seen = false;

		for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
			seen |= !strcmp(single[i].rule, rule_name(jit_rule_names, k));
		ck_assert_msg(seen, "rule %s has no test of its own", rule_name(jit_rule_names, k));
	}
	ck_assert_msg(!*rule_name(jit_rule_names, JIT_RULE_COUNT), "more names than JIT_RULE_COUNT");
}
END_TEST

int main(void)
{
	TCase *t = test_case("jit/emit_rules", 0);

	if (!jit_arch()) {
		printf("skip: no JIT here\n");
		return 0;
	}
	tcase_add_test(t, each_has_a_test);
	tcase_add_loop_test(t, between_holds_at_its_bounds, 0, 49);
	tcase_add_loop_test(t, flags_are_those_of_the_mask, 0, 8);
	tcase_add_loop_test(t, one_comparison_is_enough, 0, 2);
	tcase_add_loop_test(t, flags_of_a_result_tell_zero_only, 0, 6);
	tcase_add_loop_test(t, each_rule_does_what_it_says, 0, sizeof single / sizeof single[0]);
	return run_tests();
}
