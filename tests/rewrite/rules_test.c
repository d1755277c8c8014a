/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rules_test.c - each rewriting rule alone, on the program that it is for; then programs composed of
 * such pieces at random, in both engines, with all rules and with each rule off.  A rule that no
 * program hits fails the test.
 *   rules_test [seed [programs per arm]]		SOAK=1: fifty times as many */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "jit/jit.h"
#include "tests/gen/pieces.h"
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "vm/rewrite/rewrite.h"

enum { WORDS = 32 };
static uint64_t seed;
static unsigned programs = 2000;
static struct jit_pages *pages;
static uint32_t cpu;
static uint32_t total[REWRITE_RULE_COUNT];
static uint32_t jit_total[JIT_RULE_COUNT];	/* of the emitter: each has its own test in tests/jit/emit_rules_test.c */

static int load(struct code *code, const void *slots, uint32_t n, bool checked)
{
	struct uebpf_error err;
	int ret;

	memset(code, 0, sizeof *code);
	ret = code_decode(code, slots, n, NULL, 0, 1000000, &err);
	code->type = &test_raw;
	code->helpers = &test_helpers;
	code->checked = checked;
	code->compiled = true;		/* the rules for compilers too */
	ret = ret ? ret : code_prepare(code, &err);
	if (ret)
		fprintf(stderr, "%s\n", err.text);
	return ret;
}

static void fill(uint64_t *mem, uint64_t from)
{
	for (int i = 0; i < WORDS; i++) {
		from = from * 6364136223846793005u + 1442695040888963407u;
		mem[i] = from >> (from >> 59);
	}
}

struct outcome { int64_t status; uint64_t r0, mem[WORDS]; };

/* Runs `slots` rewritten without the rules in no_rules, compiled or interpreted. */
static void run(const void *slots, uint32_t n, uint64_t from, bool checked, bool rewrite, const char *no_rules,
		bool jit, uint32_t *hits, struct outcome *out)
{
	static uint64_t shared[WORDS];	/* one address: programs may store pointers */
	uint32_t h[REWRITE_RULE_COUNT] = { 0 };
	struct uebpf_error err;
	struct code code;

	ck_assert_int_eq(load(&code, slots, n, checked), 0);
	if (rewrite)
		ck_assert_int_eq(rewrite_code(&code, no_rules, h), 0);
	for (int k = 0; hits && k < REWRITE_RULE_COUNT; k++)
		hits[k] += h[k];
	fill(shared, from);
	out->r0 = 0;
	if (jit) {
		struct jit_opts o = { .pages = pages, .cpu = cpu, .no_rules = no_rules, .hits = jit_total };

		ck_assert_int_eq(jit_compile(&code, &o, &err), 0);
		out->status = jit_run(&code, shared, sizeof shared, NULL, &out->r0);
		jit_free(&code);
	} else {
		ck_assert_int_eq(interp_prepare(&code), 0);
		out->status = interp_run(&code, shared, sizeof shared, NULL, &out->r0);
	}
	memcpy(out->mem, shared, sizeof shared);
	code_free(&code);
}

/* ---- each rule on its own ---- */

static const struct { const char *rule, *before, *after; } single[] = {
	{ "thread", "r0 = 1\nif r1 == 0 goto a\nr0 = 2\ngoto b\na: goto c\nb: r0 += 1\nc: r0 += 5\nexit\n", NULL },
	{ "invert", "r0 = *(u64 *)(r1 + 0)\nif r0 == 7 goto +1\ngoto l\nr0 += 9\nl: r0 ^= 1\nexit\n", "if r0 != 0x7 goto" },
	{ "return", "r0 = *(u64 *)(r1 + 0)\nif r0 == 7 goto x\nr0 = 3\ngoto e\nx: r0 += 1\ne: exit\n", NULL },
	{ "loopback", "r0 = 0\nif r1 == 0 goto x\nh: r0 += 3\nif r0 > 20 goto o\ngoto h\nx: r0 = 9\nexit\no: r0 += 1\nexit\n", "if r0 <= 0x14 goto" },
	{ "taildup", "r0 = 0\nr2 = *(u64 *)(r1 + 0)\nif r2 & 1 goto a\nr0 += 5\ngoto t\na: r0 += 9\nr2 += 1\n"
	  "t: r0 ^= 3\nr0 += 1\nexit\n", NULL },
	{ "place", "r0 = *(u64 *)(r1 + 0)\nif r0 == 7 goto x\nr0 += 3\ngoto b\nx: r0 = 5\nexit\nb: r0 *= r0\nr0 += 5\nr0 <<= 3\n"
	  "r0 ^= 9\nexit\n", NULL },
	/* a branch back in front of the loop's beginning */
	{ "place", "r0 = 0\nr2 = 0\ngoto m\nt: r2 += 1\nif r2 != 9 goto m\nexit\nm: r4 = r1\nr4 += r2\nr4 = *(u8 *)(r4 + 0)\n"
	  "if r4 != r0 goto t\nr0 = r2\nexit\n", "if r4 == r0 goto" },
	{ "likely", "r0 = *(u8 *)(r1 + 3)\nr0 &= 15\nif r0 > 3 goto a\nr0 *= 77\nexit\na: r0 += 9\nexit\n", "if r0 <= 0x3 goto" },
	{ "rest", "r2 = *(u8 *)(r1 + 3)\nr0 = 3\nw2 &= 15\nif w2 == 1 goto a\nif w2 == 0 goto b\nif w2 != 2 goto d\nr0 ^= 5\nexit\n"
	  "a: r0 += 7\nexit\nb: r0 *= 9\nexit\nd: r0 = 70\nexit\n", "if w2 <= 0x2 goto" },
	{ "latch", "r0 = 0\nr2 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u8 *)(r3 + 0)\nif r4 > 99 goto l\nr0 += r4\nif r4 > 9 goto l\nr0 *= 3\n"
	  "l: r0 += 1\nr2 += 1\nif r2 != 77 goto h\nexit\n", "if r2 == 0x4d goto" },
	{ "diamond", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u32 *)(r1 + 8)\nr3 = *(u32 *)(r1 + 12)\nif r2 < r3 goto m\nr0 *= 3\n"
	  "l: r0 += r2\nr0 *= 3\nr0 ^= r3\nr0 += 7\nexit\nm: if r2 > 5 goto l\nr2 = 3\ngoto l\n", NULL },
	{ "fold", "r2 = 5\nr0 = *(u64 *)(r1 + 0)\nr0 += r2\nexit\n", "r0 += 0x5" },
	{ "branch", "r0 = 5\nif r0 > 3 goto l\nr0 = 9\nl: r0 += 1\nexit\n", NULL },
	{ "range", "r0 = *(u8 *)(r1 + 3)\nif r0 <= 255 goto l\nr0 = 9\nl: r0 += 1\nexit\n", NULL },
	{ "flag", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr3 = 1\nif r2 > 9 goto l\nr3 = 0\nl: r0 += 7\nr4 = r2\nr4 <<= 3\n"
	  "r3 &= 1\nif r3 == 0 goto m\nr4 ^= r0\nm: r0 = r4\nexit\n", "if r2 <= 0x9 goto +0x1" },
	{ "forward", "r2 = *(u32 *)(r1 + 0)\n*(u32 *)(r10 - 4) = r2\n*(u64 *)(r10 - 16) = 7\nr0 = *(u32 *)(r10 - 4)\n"
	  "r3 = *(u64 *)(r10 - 16)\nr0 ^= r3\nexit\n", "r0 ^= 0x7" },
	{ "deadstore", "r0 = *(u64 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r0\n*(u32 *)(r10 - 16) = 5\nr2 = *(u32 *)(r10 - 16)\n"
	  "r0 += r2\nexit\n", NULL },
	{ "copy", "r2 = *(u64 *)(r1 + 0)\nr3 = r2\nr0 = 1\nr0 += r3\nexit\n", "r0 += r2" },
	/* copied again; a number that a loop leaves alone */
	{ "copy", "r2 = *(u32 *)(r1 + 0)\nw3 = w2\nif r2 > 9 goto l\nw3 = w2\nr2 += 5\nl: r0 = r3\nr0 += r2\nexit\n", "goto +0x3\nr2 +=" },
	/* a conditional move whose upper half is known to be clear */
	{ "copy", "r2 = *(u32 *)(r1 + 0)\nr0 = *(u32 *)(r1 + 8)\nif r2 > r0 goto l\nw2 = w0\nl: r0 = r2\nr0 *= 5\nexit\n", "r2 = r0" },
	{ "fold", "r0 = 0\nr2 = 0\nr3 = 0x123456789a ll\nh: r4 = *(u64 *)(r1 + 0)\nr0 += r4\nr0 /= r3\nr2 += 1\nif r2 != 77 goto h\nexit\n",
	  "r0 /= 0x123456789a" },
	{ "dead", "r3 = r1\nr0 = 4\nr3 += 5\nexit\n", NULL },
	{ "deadload", "r3 = *(u64 *)(r1 + 8)\nr0 = 4\nexit\n", NULL },
	{ "zext", "r0 = *(u64 *)(r1 + 0)\nr0 <<= 32\nr0 >>= 32\nexit\n", "w0 = w0" },
	{ "movsx", "r0 = *(u64 *)(r1 + 0)\nr0 <<= 56\nr0 s>>= 56\nexit\n", "r0 = (s8)r0" },
	{ "rotate", "r0 = *(u64 *)(r1 + 0)\nr2 = r0\nr2 <<= 13\nr0 >>= 51\nr0 |= r2\nexit\n", "r0 rol= 0xd" },
	{ "address", "r2 = r1\nr2 += 16\nr0 = *(u64 *)(r2 + 8)\nexit\n", "*(u64 *)(r1 + 0x18)" },
	{ "index", "r3 = *(u64 *)(r1 + 0)\nr3 &= 31\nr2 = r1\nr2 += r3\nr0 = *(u8 *)(r2 + 8)\nexit\n", "r1 + r3 << 0 + 0x8" },
	{ "index", "r3 = *(u64 *)(r1 + 0)\nr3 &= 7\nr2 = r1\nr3 <<= 3\nr2 += r3\nr0 = *(u64 *)(r2 + 8)\nexit\n", "r1 + r3 << 3 + 0x8" },
	/* an inner loop in front of what leads to it: behind a goto, or behind a branch that ends the outer one */
	{ "enter", "r0 = 0\nr2 = 0\ngoto p\nh: r4 = r1\nr4 += r3\nr4 = *(u8 *)(r4 + 0)\nr0 *= 3\nif r4 == 0 goto x\nr3 += 1\nif r3 != 9 goto h\n"
	  "x: r0 += r3\nr2 += 1\nif r2 != 5 goto q\nexit\nq: r0 *= 7\np: r3 = 0\ngoto h\n", "r0 *= 0x7\nr3 = 0x0\nr4 = *(u8 *)(r1 + r3" },
	{ "enter", "r0 = 0\nr2 = 0\ngoto p\nh: r4 = r1\nr4 += r3\nr4 = *(u8 *)(r4 + 0)\nr0 *= 3\nif r4 == 0 goto x\nr3 += 1\nif r3 != 9 goto h\n"
	  "x: r0 += r3\nr2 += 1\nif r2 == 5 goto e\nr0 *= 7\np: r3 = 0\ngoto h\ne: exit\n", "r0 *= 0x7\nr3 = 0x0\nr4 = *(u8 *)(r1 + r3" },
	/* jumps out of the loop; a counter that is used */
	{ "unroll", "r0 = 0\nr3 = 0\nh: r4 = r1\nr4 += r3\nr4 = *(u8 *)(r4 + 0)\nr0 += r3\nr0 *= 3\nif r4 == 0 goto x\nr3 += 1\nif r3 != 16 goto h\n"
	  "x: r0 += r3\nexit\n", "r3 += 0x1\nr4 = *(u8 *)(r1 + r3" },
	{ "sink", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr3 = r2\nr3 ^= 5\nif r0 > 9 goto l\nr0 *= r3\nl: r0 += r2\nexit\n",
	  "goto +0x1\nr3 = r2" },
	/* out of a loop, in front of where others come in */
	{ "sink", "r0 = 0\nr3 = *(u64 *)(r1 + 8)\nr3 |= 1\nr4 = 1\nif r3 > 99 goto e\nh: r0 = *(u64 *)(r1 + 0)\nr4 *= r0\nr4 += 7\nr0 = r4\nr0 ^= 5\n"
	  "r3 *= 3\nif r3 < 50 goto h\ne: exit\n", "goto -0x7\nr0 = r4\nr0 ^= 0x5\nexit" },
	{ "hoist", "r3 = *(u64 *)(r1 + 0)\nr3 &= 31\nr2 = r1\nr2 += r3\nr3 = 9\nr0 = *(u8 *)(r2 + 8)\nr0 += r3\nexit\n",
	  "r1 + r3 << 0 + 0x8" },
	{ "widen", "r0 = *(u8 *)(r1 + 5)\nr0 <<= 8\nr2 = *(u8 *)(r1 + 4)\nr0 |= r2\nr3 = *(u8 *)(r1 + 7)\nr3 <<= 8\n"
	  "r2 = *(u8 *)(r1 + 6)\nr3 |= r2\nr3 <<= 16\nr3 |= r0\nr0 = r3\nexit\n", "*(u32 *)(r1 + 0x4)" },
	{ "promote", "r2 = *(u32 *)(r1 + 0)\n*(u32 *)(r10 - 4) = r2\nr2 = *(u64 *)(r1 + 8)\nif r2 == 5 goto l\nr2 += 7\n"
	  "l: r0 = *(u32 *)(r10 - 4)\nr0 ^= r2\nexit\n", NULL },
	{ "memset", "r0 = 0\n*(u8 *)(r1 + 9) = 18\n*(u8 *)(r1 + 8) = 52\n*(u8 *)(r1 + 10) = 86\n*(u8 *)(r1 + 11) = 120\nexit\n",
	  "*(u32 *)(r1 + 0x8) = 0x78561234" },
	{ "chain", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr3 = *(u64 *)(r1 + 16)\nr0 *= 77\nr0 ^= r2\nr0 ^= r3\nexit\n",
	  "r2 ^= r3" },
	{ "lea", "r2 = *(u64 *)(r1 + 0)\nr0 = r2\nr0 += 77\nr0 ^= r2\nexit\n", "r0 = r2 + 0x4d" },
	{ "lea", "r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr0 = r2\nr0 += 77\nr0 += r3\nr0 ^= r2\nexit\n", "r0 = r2 + r3 << 0 + 0x4d" },
	{ "index", "r3 = *(u64 *)(r1 + 0)\nr3 &= 15\nr3 <<= 3\nr1 += r3\nr0 = *(u64 *)(r1 + 8)\nexit\n", "*(u64 *)(r1 + r3 << 3 + 0x8)" },
	{ "lea", "r0 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr3 <<= 3\nr0 += r3\nexit\n", "r0 = r0 + r3 << 3" },
	{ "lea", "r0 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr3 <<= 3\nw0 += w3\nexit\n", "w0 = r0 + r3 << 3" },
	{ "lea", "r0 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr0 <<= 2\nr0 += r3\nr0 ^= r3\nexit\n", "r0 = r3 + r0 << 2" },
	{ "lea", "r0 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr0 <<= 1\nw0 += w3\nr0 ^= r3\nexit\n", "w0 = r3 + r0 << 1" },
	{ "mul3", "r2 = *(u64 *)(r1 + 0)\nr0 = r2\nr0 *= 77\nr0 += r2\nexit\n", "r0 = r2 * 0x4d" },
	{ "cmpmem", "r0 = 0\nr2 = *(u8 *)(r1 + 3)\nif r2 > 9 goto l\nr0 = 1\nl: exit\n", "if *(u8 *)(r1 + 0x3) > 0x9" },
	{ "loadop", "r0 = 7\nr2 = *(u64 *)(r1 + 8)\nr0 ^= r2\nexit\n", "r0 ^= *(u64 *)(r1 + 0x8)" },
	{ "gather", "r2 = *(u32 *)(r1 + 8)\nw3 = w2\nw3 >>= 24\n*(u8 *)(r1 + 23) = r3\nw3 = w2\nw3 >>= 16\n*(u8 *)(r1 + 22) = r3\n"
	  "*(u8 *)(r1 + 20) = r2\nw2 >>= 8\n*(u8 *)(r1 + 21) = r2\nr0 = 0\nexit\n", "*(u32 *)(r1 + 0x14) = w2" },
	{ "invariant", "r0 = 0\nr2 = 0\nh: r4 = 0x123456789a ll\nr4 += r2\nr0 ^= r4\nr0 *= 3\nr2 += 1\nif r2 != 77 goto h\nexit\n",
	  "r1 = 0x123456789a ll" },
	/* a loop that is entered in its middle, and two jumps back */
	{ "invariant", "r0 = 0\nr2 = 0\ngoto m\nt: r2 += 1\nif r2 == 9 goto o\nm: r4 = 0x123456789a ll\nr4 += r2\nr4 *= r0\n"
	  "if r4 > 5 goto t\nr0 ^= r2\nr2 += 1\nif r2 != 9 goto m\no: exit\n", "r1 = 0x123456789a ll\ngoto" },
	{ "reduce", "r0 = 0\nr2 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u64 *)(r3 + 0)\nr4 += r0\n*(u64 *)(r3 + 0) = r4\nr2 += 8\nr0 = r4\n"
	  "if r2 != 104 goto h\nexit\n", "r0 += r4" },
	{ "unroll", "r0 = 0\nr2 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u64 *)(r3 + 0)\nr4 *= 3\nr0 ^= r4\nr2 += 8\n"
	  "if r2 != 256 goto h\nexit\n", "0x38)" },
	{ "rename", "r0 = 0\nr2 = 1\nr3 = 0\nh: r4 = r2\nr2 = r0\nr2 += r4\nr0 = r4\nr3 += 1\nif r3 != 40 goto h\nexit\n",
	  "r2 += r0\nr0 += r2" },
	{ "schedule", "r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr4 = *(u64 *)(r1 + 16)\nr1 = *(u64 *)(r1 + 24)\n"
	  "r3 ^= -9\nr3 *= 9999\nr4 ^= -9\nr4 *= 9999\nr1 ^= -9\nr1 *= 9999\nr2 *= 77\nr2 += 13\nr2 ^= r3\nr2 *= 77\nr2 ^= r4\n"
	  "r2 *= 77\nr2 ^= r1\nr2 *= 77\nr0 = r2\nexit\n",
	  "r0 ^= r2\nr0 *= 0x4d\nr3 = *(u64 *)(r1 + 0x10)" },
	{ "reduce", "r0 = 0\nr2 = 0\nr5 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u32 *)(r3 + 0)\nr4 += r5\nr2 += 8\nr5 = r4\n"
	  "if r2 != 256 goto h\nr0 = r5\nexit\n", "r5 += r" },
	{ "counter", "r0 = 0\nr3 = 1\nr2 = *(u8 *)(r1 + 0)\nr2 &= 63\nh: r4 = r3\nr3 = *(u32 *)(r1 + 0)\nr0 += r3\nif r4 >= r2 goto o\n"
	  "r3 = r4\nr3 += 1\nr1 += 4\nif r4 < 50 goto h\no: exit\n", "if r4 < 0x33" },
	{ "lanes", "r0 = 0\nr2 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u8 *)(r3 + 0)\nif r4 > 7 goto l\nr0 += 1\nl: r2 += 1\n"
	  "if r2 != 200 goto h\nexit\n", NULL },
};

static void list(const struct code *code, char *text, size_t cap)
{
	size_t n = 0;

	for (uint32_t i = 0; i < code->n; i++) {
		n += (size_t)insn_text(text + n, cap - n, code, i);
		n += (size_t)snprintf(text + n, cap - n, "\n");
	}
}

START_TEST(each_rule_does_what_it_says)
{
	for (int k = 0; k < REWRITE_RULE_COUNT; k++) {
		bool seen = rewrite_needs[k] & NEEDS_FACTS;	/* tested where facts are */

		for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
			seen |= !strcmp(single[i].rule, rule_name(rewrite_names, k));
		ck_assert_msg(seen, "rule %s has no test of its own", rule_name(rewrite_names, k));
	}
	for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
		uint32_t hits[REWRITE_RULE_COUNT] = { 0 }, n;
		struct outcome want, have;
		struct uebpf_error err;
		char before[4096], after[4096];
		struct code code;
		void *slots;
		int rule;

		ck_assert_msg(!asm_text(single[i].before, &slots, &n, &err), "%s: %s", single[i].rule, err.text);
		rule = rule_index(rewrite_names, single[i].rule, strlen(single[i].rule));
		ck_assert_int_eq(load(&code, slots, n, false), 0);
		list(&code, before, sizeof before);
		ck_assert_int_eq(rewrite_code(&code, NULL, hits), 0);
		list(&code, after, sizeof after);
		code_free(&code);
		ck_assert_msg(hits[rule], "%s: not hit by\n%s", single[i].rule, before);
		ck_assert_msg(!single[i].after || strstr(after, single[i].after), "%s: no \"%s\" in\n%s", single[i].rule,
			      single[i].after, after);
		ck_assert_msg(!single[i].after || !strstr(before, single[i].after), "%s: was there before", single[i].rule);
		memset(hits, 0, sizeof hits);
		for (uint64_t from = 1; from < 20; from++) {
			run(slots, n, from, false, false, NULL, false, NULL, &want);
			for (int arm = 0; arm < 4; arm++) {
				run(slots, n, from, arm > 1, true, arm & 1 ? single[i].rule : NULL, arm & 1, NULL, &have);
				ck_assert_msg(!memcmp(&want, &have, sizeof want), "%s: arm %d differs", single[i].rule, arm);
			}
			run(slots, n, from, false, true, single[i].rule, false, hits, &have);
			ck_assert_uint_eq(hits[rule], 0);	/* off means off */
		}
		free(slots);
	}
}
END_TEST

/* ---- composed programs ---- */

static void compare(const char *text, uint64_t at, const char *off, const struct outcome *want, const struct outcome *have,
		    const char *arm)
{
	int k = 0;

	while (k < WORDS - 1 && want->mem[k] == have->mem[k])
		k++;
	ck_assert_msg(!memcmp(want, have, sizeof *want), "seed %llu, %s, without %s: r0 0x%llx, should be 0x%llx, word %d "
		      "0x%llx, should be 0x%llx, in\n%s", (unsigned long long)at, arm, off ? off : "nothing",
		      (unsigned long long)have->r0, (unsigned long long)want->r0, k, (unsigned long long)have->mem[k],
		      (unsigned long long)want->mem[k], text);
}

static void one(struct text *t, uint64_t at, const char *off)
{
	struct outcome want, have;
	struct uebpf_error err;
	uint32_t n;
	void *slots;

	compose_pieces(t, at);
	ck_assert_msg(!asm_text(t->buf, &slots, &n, &err), "%s in\n%s", err.text, t->buf);
	run(slots, n, at, false, false, NULL, false, NULL, &want);
	run(slots, n, at, false, true, off, false, off ? NULL : total, &have);
	compare(t->buf, at, off, &want, &have, "interpreter");
	run(slots, n, at, false, true, off, true, NULL, &have);
	compare(t->buf, at, off, &want, &have, "jit");
	if (!off) {
		run(slots, n, at, true, true, off, true, NULL, &have);
		compare(t->buf, at, off, &want, &have, "checked jit");
	}
	free(slots);
}

START_TEST(composed_programs_agree)
{
	static struct text t;

	printf("rules: seed %llu, %u programs per arm\n", (unsigned long long)seed, programs);
	for (unsigned i = 0; i < programs * 2; i++)
		one(&t, seed + i, NULL);
	for (int k = 0; k <= REWRITE_RULE_COUNT + JIT_RULE_COUNT; k++) {
		const char *off = k < REWRITE_RULE_COUNT ? rule_name(rewrite_names, k) : rule_name(jit_rule_names, k - REWRITE_RULE_COUNT);

		if (!*off)
			off = "all";

		for (unsigned i = 0; i < programs; i++)
			one(&t, seed + 1000000u * (unsigned)(k + 1) + i, off);
	}
	for (int k = 0; k < REWRITE_RULE_COUNT; k++) {
		printf("  %-9s %u\n", rule_name(rewrite_names, k), total[k]);
		ck_assert_msg(total[k] || rewrite_needs[k] & NEEDS_FACTS, "rule %s was never hit", rule_name(rewrite_names, k));
	}
	for (int k = 0; k < JIT_RULE_COUNT; k++) {
		printf("  %-9s %u (emitter)\n", rule_name(jit_rule_names, k), jit_total[k]);
		ck_assert_msg(jit_total[k], "the emitter's rule %s was never hit", rule_name(jit_rule_names, k));
	}
}
END_TEST

/* A value that one block reads more than 256 times is not taken for one that nobody reads any more. */
START_TEST(values_are_read_more_often_than_a_byte_counts)
{
	static struct text t;

	for (int stores = 118; stores <= 140; stores++) {
		struct outcome want, have;
		struct uebpf_error err;
		uint32_t n;
		void *slots;

		t.n = 0;
		for (int i = 0; i < stores; i++)
			say(&t, "*(u64 *)(r1 + %d) = r1\n", i % 16 * 8);
		for (int i = 0; i < 4; i++)
			say(&t, "r3 = *(u64 *)(r1 + %d)\nr4 = r3\nr5 = r4\nr5 *= r3\nr4 += r5\nr%d = r4\n", 128 + 8 * i, i + 6);
		say(&t, "r0 = r6\nr0 ^= r7\nr0 *= r8\nr0 += r9\nr2 = *(u64 *)(r1 + 200)\nr0 += r2\nexit\n");
		ck_assert_msg(!asm_text(t.buf, &slots, &n, &err), "%s in\n%s", err.text, t.buf);
		run(slots, n, 1, false, false, NULL, false, NULL, &want);
		run(slots, n, 1, false, true, NULL, true, NULL, &have);
		compare(t.buf, 1, NULL, &want, &have, "jit");
		run(slots, n, 1, false, true, "schedule", true, NULL, &have);
		compare(t.buf, 1, "schedule", &want, &have, "jit");
		free(slots);
	}
}
END_TEST

/* What leads to a long loop stays where it is: each way back would have its whole loop looked through, which takes
 * quadratic time where they lie in one another. */
START_TEST(long_loops_are_not_entered_anew)
{
	static const struct { int body; bool moves; } loop[] = { { 200, true }, { 300, false } };
	static struct text t;

	for (size_t k = 0; k < sizeof loop / sizeof *loop; k++) {
		uint32_t n, hits[REWRITE_RULE_COUNT] = { 0 };
		struct outcome want, have;
		struct uebpf_error err;
		void *slots;

		t.n = 0;
		say(&t, "r0 = 0\nr2 = 0\ngoto p\nh: r3 += 1\n");
		for (int i = 0; i < loop[k].body / 2; i++)
			say(&t, "r0 *= 3\nr0 += r3\n");
		say(&t, "if r3 != 9 goto h\nr2 += 1\nif r2 != 5 goto q\nexit\nq: r0 *= 7\np: r3 = 0\ngoto h\n");
		ck_assert_msg(!asm_text(t.buf, &slots, &n, &err), "%s in\n%s", err.text, t.buf);
		run(slots, n, 1, false, false, NULL, false, NULL, &want);
		run(slots, n, 1, false, true, NULL, true, hits, &have);
		compare(t.buf, 1, NULL, &want, &have, "jit");
		ck_assert_msg(hits[RULE_ENTER] == loop[k].moves, "%d instructions: %u", loop[k].body, hits[RULE_ENTER]);
		free(slots);
	}
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("rewrite/rules", 0);

	if (!jit_arch()) {
		printf("skip: no JIT here\n");
		return 0;
	}
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	if (getenv("SOAK"))
		programs *= 50;
	if (argc > 2)
		programs = (unsigned)strtoul(argv[2], NULL, 0);
	pages = jit_pages_new(NULL);
	jit_cpu_detect(NULL, &cpu);
	tcase_add_test(t, each_rule_does_what_it_says);
	tcase_add_test(t, values_are_read_more_often_than_a_byte_counts);
	tcase_add_test(t, long_loops_are_not_entered_anew);
	tcase_add_test(t, composed_programs_agree);
	return run_tests();
}
