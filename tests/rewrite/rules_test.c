/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rules_test.c - each rewriting rule alone, on the program that it is for; then programs composed of
 * such pieces at random, in both engines, with all rules and with each rule off.  A rule that no
 * program hits fails the test.
 *   rules_test [seed [programs per arm]]		SOAK=1: fifty times as many */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "jit/jit.h"
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "vm/rewrite.h"

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
	{ "dead", "r3 = r1\nr0 = 4\nr3 += 5\nexit\n", NULL },
	{ "deadload", "r3 = *(u64 *)(r1 + 8)\nr0 = 4\nexit\n", NULL },
	{ "zext", "r0 = *(u64 *)(r1 + 0)\nr0 <<= 32\nr0 >>= 32\nexit\n", "w0 = w0" },
	{ "movsx", "r0 = *(u64 *)(r1 + 0)\nr0 <<= 56\nr0 s>>= 56\nexit\n", "r0 = (s8)r0" },
	{ "rotate", "r0 = *(u64 *)(r1 + 0)\nr2 = r0\nr2 <<= 13\nr0 >>= 51\nr0 |= r2\nexit\n", "r0 rol= 0xd" },
	{ "address", "r2 = r1\nr2 += 16\nr0 = *(u64 *)(r2 + 8)\nexit\n", "*(u64 *)(r1 + 0x18)" },
	{ "index", "r3 = *(u64 *)(r1 + 0)\nr3 &= 31\nr2 = r1\nr2 += r3\nr0 = *(u8 *)(r2 + 8)\nexit\n", "r1 + r3 << 0 + 0x8" },
	{ "index", "r3 = *(u64 *)(r1 + 0)\nr3 &= 7\nr2 = r1\nr3 <<= 3\nr2 += r3\nr0 = *(u64 *)(r2 + 8)\nexit\n", "r1 + r3 << 3 + 0x8" },
	{ "sink", "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr3 = r2\nr3 ^= 5\nif r0 > 9 goto l\nr0 *= r3\nl: r0 += r2\nexit\n",
	  "goto +0x1\nr3 = r2" },
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
	{ "unroll", "r0 = 0\nr2 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u64 *)(r3 + 0)\nr4 *= 3\nr0 ^= r4\nr2 += 8\n"
	  "if r2 != 256 goto h\nexit\n", "0x38)" },
	{ "rename", "r0 = 0\nr2 = 1\nr3 = 0\nh: r4 = r2\nr2 = r0\nr2 += r4\nr0 = r4\nr3 += 1\nif r3 != 40 goto h\nexit\n",
	  "r2 += r0\nr0 += r2" },
	{ "reduce", "r0 = 0\nr2 = 0\nr5 = 0\nh: r3 = r1\nr3 += r2\nr4 = *(u32 *)(r3 + 0)\nr4 += r5\nr2 += 8\nr5 = r4\n"
	  "if r2 != 256 goto h\nr0 = r5\nexit\n", "r5 += r4" },
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

struct text { char buf[16384]; size_t n; uint64_t random; unsigned label; };

static uint32_t pick(struct text *t, uint32_t below)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (uint32_t)(t->random >> 11) % below;
}

static void say(struct text *t, const char *form, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *form, ...)
{
	va_list args;

	va_start(args, form);
	t->n += (size_t)vsnprintf(t->buf + t->n, sizeof t->buf - t->n, form, args);
	va_end(args);
	ck_assert_uint_lt(t->n, sizeof t->buf);
}

/* r9 is the memory; r0-r8 hold numbers.  Three different ones: */
static void three(struct text *t, int *a, int *b, int *c)
{
	*a = (int)pick(t, 9);
	do *b = (int)pick(t, 9); while (*b == *a);
	do *c = (int)pick(t, 9); while (*c == *a || *c == *b);
}

static void piece(struct text *t)
{
	static const char *const width[] = { "u8", "u16", "u32", "u64" };
	static const char *const cmp[] = { "==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&" };
	static const char *const alu[] = { "+=", "-=", "*=", "|=", "&=", "^=" };
	int a, b, c, k = (int)pick(t, 63) + 1;
	unsigned l = t->label;
	const char *w = width[pick(t, 4)], *op = alu[pick(t, 6)], *cc = cmp[pick(t, 11)];
	int imm = (int)pick(t, 5) ? (int)pick(t, 300) : (int)pick(t, UINT32_MAX);

	three(t, &a, &b, &c);
	t->label += 4;
	switch (pick(t, 58)) {
	case 57:	/* a counter, also one of an array */
		say(t, "r%d = r9\n", a);
		if (l & 4)
			say(t, "r%d &= 7\nr%d <<= %d\nr%d += r%d\n", c, c, k & 3, a, c);
		say(t, "r%d = *(%s *)(r%d + %d)\n", b, w, a, k);
		if (pick(t, 2))
			say(t, "r%d %s %d\n", b, op, imm);
		else
			say(t, "w%d %s w%d\n", b, op, c);
		say(t, "*(%s *)(r%d + %d) = r%d\nr%d = 7\n", w, a, pick(t, 9) ? k : k + 1, b, b);
		break;
	case 56:	/* a root, bit by bit: whether one is kept waits for what was kept */
		say(t, "r%d = %d\nr%d = 1\nr%d <<= %d\nl%u: r%d |= r%d\n", a, imm & 1, b, b, k % 8, l, c, a);
		say(t, "r%d |= r%d\nr%d *= r%d\nif r%d %s %d goto l%u\nr%d = r%d\n", c, b, c, c, c, cc, k * 99, l + 1, a, b);
		say(t, "l%u: r%d >>= 1\nif r%d != 0 goto l%u\n", l + 1, b, b, l);
		break;
	case 0: say(t, "r%d = r%d\nr%d <<= %d\nr%d >>= %d\nr%d %s r%d\n", a, b, a, k, b, 64 - k, a,
		    pick(t, 2) ? "|=" : pick(t, 2) ? "^=" : "+=", b); break;
	case 1: k = k % 31 + 1;
		say(t, "w%d = w%d\nw%d <<= %d\nw%d >>= %d\n%c%d |= %c%d\n", a, b, b, k, a, 32 - k, l & 4 ? 'w' : 'r', a,
		    l & 4 ? 'w' : 'r', b); break;
	case 2: say(t, "r%d <<= 32\nr%d >>= 32\n", a, a); break;
	case 3: k = 8 << pick(t, 3); say(t, "r%d <<= %d\nr%d s>>= %d\n", a, 64 - k, a, 64 - k); break;
	case 4: k = 8 << pick(t, 2); say(t, "w%d <<= %d\nw%d s>>= %d\n", a, 32 - k, a, 32 - k); break;
	case 5: say(t, "r%d = %d\nr%d %s r%d\n", a, imm, b, op, a); break;
	case 6: say(t, "w%d = %d\nw%d %s w%d\n", a, imm, b, op, a); break;
	case 7: say(t, "r%d = %d\nif r%d %s %d goto l%u\nr%d ^= 5\nl%u:\n", a, imm, a, cc, (int)pick(t, 300), l, b, l); break;
	case 8: say(t, "r%d = r%d\nr%d %s r%d\n", a, b, c, op, a); break;
	case 9: say(t, "r%d = r9\nr%d += %u\nr%d = *(%s *)(r%d + %u)\n", a, a, pick(t, 100), b, w, a, pick(t, 100)); break;
	case 10: say(t, "r%d &= 63\nr%d = r9\nr%d += r%d\nr%d = *(%s *)(r%d + %u)\n", a, b, b, a, c, w, b, pick(t, 100)); break;
	case 11: say(t, "r%d &= 15\nr%d = r%d\nr%d <<= %u\nr%d = r9\nr%d += r%d\n*(%s *)(r%d + %u) = r%d\nr%d = 0\n", a,
		     b, a, b, pick(t, 3) + 1, c, c, b, w, c, pick(t, 60), a, c); break;
	case 12: say(t, "r%d = r%d\nr%d %s %d\n", a, b, a, pick(t, 2) ? "+=" : "-=", imm); break;
	case 13: say(t, "w%d = w%d\nw%d += %d\n", a, b, a, imm); break;
	case 52: say(t, "r%d = r%d\nr%d += %d\nr%d += r%d\n", a, b, a, (int)pick(t, 200) - 100, a, c); break;
	case 14: say(t, "r%d = r%d\nr%d <<= %u\nr%d += r%d\n", a, b, a, pick(t, 3) + 1, a, c); break;
	case 15: imm = pick(t, 2) ? (1 << pick(t, 31)) + (int)pick(t, 3) - 1 : imm;
		say(t, "%c%d = %c%d\n%c%d *= %d\n", l & 4 ? 'w' : 'r', a, l & 4 ? 'w' : 'r', b, l & 4 ? 'w' : 'r', a, imm); break;
	case 16: say(t, "r%d = *(%s *)(r9 + %u)\nif %c%d %s %d goto l%u\nr%d += 3\nl%u: r%d = %d\n", a, w, pick(t, 200),
		     l & 4 ? 'w' : 'r', a, cc, imm, l, b, l, a, imm / 2); break;
	case 17: say(t, "r%d = *(%s *)(r9 + %u)\n%c%d %s %c%d\nr%d = 1\n", a, pick(t, 2) ? "u64" : "u32", pick(t, 200),
		     l & 4 ? 'w' : 'r', b, op, l & 4 ? 'w' : 'r', a, a); break;
	case 18: say(t, "if r%d %s %d goto +1\ngoto l%u\nr%d += 1\nl%u:\n", a, cc, imm, l, b, l); break;
	case 19: say(t, "if r%d %s r%d goto l%u\nr%d += 1\ngoto l%u\nl%u: goto l%u\nl%u: r%d -= 7\nl%u:\n", a, cc, b, l, c,
		     l + 1, l, l + 2, l + 1, a, l + 2); break;
	case 20: say(t, "if r%d == 5 goto l%u\nr%d = %u\nl%u: r%d += 3\nr%d += r%d\nif r%d > 60 goto l%u\ngoto l%u\n"
		     "l%u: r%d ^= 9\nl%u:\n", c, l + 1, a, pick(t, 30), l, a, b, a, a, l + 2, l, l + 1, b, l + 2); break;
	case 21: say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\nr%d = *(u64 *)(r%d + 0)\nr%d %s r%d\nr%d += 8\n"
		     "if r%d != 128 goto l%u\n", a, l, b, b, a, b, b, c, pick(t, 2) ? "+=" : "^=", b, a, a, l); break;
	case 22: say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\n*(u32 *)(r%d + 4) = r%d\nr%d += 4\nif r%d < 64 goto l%u\n"
		     "r%d = 2\n", a, l, b, b, a, b, c, a, a, l, b); break;
	case 23: say(t, "r%d %s %d\n", a, pick(t, 2) ? "/=" : "%=", imm); break;
	case 24: say(t, "w%d %s %d\n", a, pick(t, 2) ? "/=" : "%=", imm); break;
	case 25: say(t, "if r%d & 1 goto l%u\nr%d += 5\ngoto l%u\nl%u: r%d += 9\nr%d ^= 3\nl%u: r%d ^= 3\nif r%d %s 7 goto l%u\n"
		     "r%d += 2\nl%u:\n", a, l, b, l + 1, l, b, c, l + 1, c, c, cc, l + 2, b, l + 2); break;
	case 27: say(t, "r%d &= 63\nr%d = r9\nr%d += r%d\nr%d = r%d\nr%d += %d\nr%d = *(%s *)(r%d + %u)\n", a, b, b, a, a,
		     c, a, imm, b, w, b, pick(t, 100)); break;
	case 33: k &= 56;
		for (int n = (int)pick(t, 4) + 1; n; n--, k += pick(t, 2) ? 8 : -8)
			say(t, "*(u64 *)(r%d %s %d) = %d\n", l & 4 ? 9 : 10, l & 4 ? "+" : "-", k + 64, (int)pick(t, 9) ? 0 : 5);
		break;
	case 34:	/* words copied one by one, also where they overlap */
		for (int n = (int)pick(t, 5) + 2, at = k & 63, to = l & 4 ? at + (int)pick(t, 5) * 4 - 8 : (int)pick(t, 60) + 8; n; n--,
		     at += 8, to += 8)
			say(t, "r%d = *(u64 *)(r9 + %d)\n*(u64 *)(r%d %s %d) = r%d\n", a, at, l & 8 ? 9 : 10, l & 8 ? "+" : "-",
			    l & 8 ? to + 8 : 120 - (to & 56), a);
		say(t, "r%d = 3\n", a);
		break;
	case 36: {	/* the number of rounds comes from memory */
		static const char *const go[] = { "<", "<", "!=", "s<" };
		int step = pick(t, 2) ? 1 : (int)pick(t, 9) + 1, rule = (int)pick(t, 4);
		char z = l & 4 ? 'w' : 'r';
		int d = (c + 1 + (int)pick(t, 7)) % 9;

		if (d == a || d == b)
			d = c;
		step = go[rule][0] == '!' ? 1 : step;
		say(t, "r%d = *(u8 *)(r9 + %d)\nr%d &= 31\n", b, k, b);
		say(t, "r%d = %d\nif r%d >= r%d goto l%u\n", a, (int)pick(t, 12), a, b, l + 1);
		say(t, "l%u: r%d = r9\nr%d += r%d\nr%d = *(%s *)(r%d + 8)\nr%d %s r%d\n%c%d += %d\n", l, c, c, a, c, w, c, d, op, c, z,
		    a, step);
		say(t, "if %c%d %s %c%d goto l%u\nl%u:\n", z, a, go[rule], z, b, l, l + 1);
		say(t, "r%d = 0\n", c);
		break;
	}
	case 37: {
		char z = l & 4 ? 'w' : 'r';

		op = alu[pick(t, 4) + 2];
		say(t, "%c%d *= 77\n%c%d %s %c%d\n%c%d %s %c%d\n%c%d = 5\n", z, a, z, a, op, z, b, z, a, op, z, c, z, pick(t, 2) ? b : c);
		break;
	}
	case 38: {	/* a number from its halves */
		int s = 1 << pick(t, 3), o = (int)pick(t, 100), order = (int)pick(t, 3);
		char hi[64], lo[64], sh[64];
		const char *part[3] = { hi, order ? lo : sh, order ? sh : lo };

		snprintf(hi, sizeof hi, "r%d = *(%s *)(r9 + %d)\n", a, s == 1 ? "u8" : s == 2 ? "u16" : "u32",
			 o + (l & 4 ? s : pick(t, 5) ? -1 : 0));
		snprintf(lo, sizeof lo, "r%d = *(%s *)(r9 + %d)\n", b, s == 1 ? "u8" : s == 2 ? "u16" : "u32", o);
		snprintf(sh, sizeof sh, "%c%d <<= %d\n", l & 8 || s == 4 ? 'r' : 'w', a, s * 8);
		if (order == 2)
			part[0] = lo, part[1] = hi;
		if (o)
			say(t, "%s%s%s%c%d |= %c%d\nr%d = 1\n", part[0], part[1], part[2], l & 8 ? 'r' : 'w', a, l & 8 ? 'r' : 'w',
			    a == b ? c : b, b);
		break;
	}
	case 39: {	/* a copy in pieces */
		int s = 1 << pick(t, 3), o = (int)pick(t, 60), to = pick(t, 2) ? o + (int)pick(t, 20) - 9 : (int)pick(t, 60) + 70;

		for (int n = (int)pick(t, 6) + 2; n && to > 0; n--, o += s, to += s)
			say(t, "r%d = *(%s *)(r9 + %d)\n*(%s *)(r%d %s %d) = r%d\n", a, s == 1 ? "u8" : s == 2 ? "u16" : "u32", o,
			    s == 1 ? "u8" : s == 2 ? "u16" : "u32", l & 4 ? 9 : 10, l & 4 ? "+" : "-", l & 4 ? to : 200 - to, a);
		if (!(l & 4))
			say(t, "r%d = *(u64 *)(r10 - %d)\n", b, (int)pick(t, 16) * 8 + 8);
		say(t, "r%d = 1\n", a);
		break;
	}
	case 35:
		say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\nr%d = *(u64 *)(r%d + %d)\nr%d %s %s%d\n*(u64 *)(r%d + %d) = r%d\n"
		    "r%d += 8\nif r%d != 64 goto l%u\nr%d = 1\n", a, l, b, b, a, c, b, k & 56, c, op, l & 4 ? "r" : "", l & 4 ? (c + 1) % 9 : imm,
		    b, (int)pick(t, 12) * 4, c, a, a, l, c);
		break;
	case 40: {	/* constants side by side, up or down */
		int s = 1 << pick(t, 3), step = pick(t, 2) ? s : -s;

		for (int n = (int)pick(t, 9) + 2, o = (k & 31) + 64; n; n--, o += pick(t, 8) ? step : -step)
			say(t, "*(%s *)(r%d %s %d) = %d\n", s == 1 ? "u8" : s == 2 ? "u16" : "u32", l & 4 ? 9 : 10,
			    l & 4 ? "+" : "-", o, pick(t, 3) ? 0 : pick(t, 2) ? -1 : (int)pick(t, UINT32_MAX));
		say(t, "r%d = *(u64 *)(r10 - %d)\n", a, (k & 31) + 64);
		break;
	}
	case 41:	/* the larger, the smaller, one of two */
		if (pick(t, 2))
			say(t, "if %c%d %s %c%d goto l%u\n", l & 4 ? 'w' : 'r', a, cc, l & 4 ? 'w' : 'r', b, l);
		else
			say(t, "if %c%d %s %d goto l%u\n", l & 4 ? 'w' : 'r', a, cc, imm, l);
		if (pick(t, 2))
			say(t, "%c%d = %c%d\nl%u:\n", l & 8 ? 'w' : 'r', pick(t, 2) ? a : c, l & 8 ? 'w' : 'r', b, l);
		else
			say(t, "%c%d = %d\nl%u:\n", l & 8 ? 'w' : 'r', pick(t, 2) ? a : c, imm, l);
		break;
	case 44:	/* a loop entered in its middle, one of whose ways is a move */
		say(t, "r%d = 0\ngoto l%u\nl%u: r%d += r%d\nr%d += 1\nif r%d == %u goto l%u\nl%u: r%d = r9\nr%d += r%d\n"
		    "r%d = *(u8 *)(r%d + 0)\nif r%d %s %d goto l%u\nr%d = %d\ngoto l%u\nl%u:\n", a, l + 1, l, b, c, a, a, pick(t, 30) + 1,
		    l + 2, l + 1, c, c, a, c, c, c, cc, (int)pick(t, 300), l, c, (int)pick(t, 300), l, l + 2);
		break;
	case 46: {	/* a number stored in pieces */
		int size = 1 << (1 + pick(t, 3)), piece = pick(t, 3) ? 1 : 2, at = (int)pick(t, 100), flip = (int)pick(t, 8);
		char z = size == 8 || (l & 4) ? 'r' : 'w';

		for (int i = 0; i < size; i += piece) {
			int from = (i ^ flip) & (size - 1) & -piece;

			say(t, "%c%d = %c%d\n", z, b, z, a);
			if (from)
				say(t, "%c%d >>= %d\n", z, b, from * 8);
			say(t, "*(u%d *)(r9 + %d) = r%d\n", piece * 8, at + from + !pick(t, 60), b);
			if (!pick(t, 30))
				say(t, "r%d = *(%s *)(r9 + %d)\n", c, w, at + (int)pick(t, 12));
			if (!pick(t, 60))
				say(t, "*(%s *)(r9 + %d) = r%d\n", w, at + (int)pick(t, 12), c);
		}
		say(t, "r%d = 3\n", b);
		break;
	}
	case 47:	/* a large constant in a loop */
		say(t, "r%d = 0\nl%u: r%d = %u%u ll\nr%d ^= r%d\nr%d %s r%d\nif r%d > 1000 goto l%u\nr%d += 1\nif r%d != %u goto l%u\nl%u:\n", a, l, b,
		    pick(t, 9000) + 1000, pick(t, 1u << 30) + 1000000000u, b, a, c, op, b, c, l & 4 ? l + 1 : l + 2, a, a, pick(t, 20) + 1, l, l + 1);
		if (!(l & 4))
			say(t, "l%u:\n", l + 2);
		break;
	case 45: {	/* an outcome that is kept for later */
		int one = (int)pick(t, 2);

		say(t, "r%d = %d\nif %c%d %s %d goto l%u\nr%d = %d\nl%u:\n", a, one, l & 4 ? 'w' : 'r', b, cc, imm, l, a, !one, l);
		if (pick(t, 2))
			say(t, "r%d %s 3\n", pick(t, 2) ? b : c, op);
		if (pick(t, 2))
			say(t, "if r%d %s r%d goto l%u\nr%d = r%d\nl%u:\n", b, cc, c, l + 2, pick(t, 2) ? c : b, a, l + 2);
		say(t, "w%d &= 1\nif r%d %s %d goto l%u\nr%d += 3\nl%u:\n", a, a, l & 8 ? "==" : "!=", (int)pick(t, 2), l + 1, c, l + 1);
		break;
	}
	case 43:	/* a block out of line */
		say(t, "if r%d %s %d goto l%u\nr%d += 3\ngoto l%u\nl%u: r%d ^= 77\nr0 = 5\ngoto out\nl%u: r%d *= r%d\nr%d += 5\n"
		    "r%d <<= 3\nr%d ^= 9\n", a, cc, imm, l, b, l + 1, l, a, l + 1, b, c, b, b, c);
		break;
	case 48:	/* read on one way only */
		say(t, "%c%d %s %d\nr%d += %d\nif %c%d %s %c%d goto l%u\nr%d ^= r%d\nl%u: r%d = %d\n", l & 8 ? 'w' : 'r', a, op, imm,
		    pick(t, 3) ? c : b, imm / 2, l & 4 ? 'w' : 'r', b, cc, l & 4 ? 'w' : 'r', pick(t, 4) ? c : a, l, c, a, l, a, (int)pick(t, 9));
		break;
	case 49:	/* an index that is shifted where it is */
		say(t, "r%d &= 15\nr%d <<= %u\nr%d = r9\nr%d += r%d\n", a, a, pick(t, 3) + 1, b, b, a);
		say(t, pick(t, 2) ? "r%d = *(%s *)(r%d + %u)\n" : "*(%2$s *)(r%3$d + %4$u) = r%1$d\n", pick(t, 8) ? c : a, w, b, pick(t, 60));
		say(t, "r%d = *(u8 *)(r%d + 3)\nr%d = 7\n", c, b, pick(t, 2) ? a : b);
		say(t, "r%d = 9\n", b);
		break;
	case 50: case 51: {	/* values that change places in a loop */
		int d = (c + 1 + (int)pick(t, 7)) % 9, v[5] = { a, b, c, d, (d + 1) % 9 };

		say(t, "r%d = %d\nl%u:\n", a, (int)pick(t, 4), l);
		for (int n = (int)pick(t, 7) + 3; n; n--) {
			int to = v[pick(t, 4) + 1], from = v[pick(t, 5)];
			char z = pick(t, 5) ? 'r' : 'w';

			if (to == a)
				continue;
			switch (pick(t, 8)) {
			case 0: say(t, "r%d = *(%s *)(r9 + %u)\n", to, w, pick(t, 100)); break;
			case 1: say(t, "*(%s *)(r9 + %u) = r%d\n", w, pick(t, 100), from); break;
			case 2: say(t, "%c%d %s %c%d\n", z, to, op, z, from); break;
			case 3: say(t, "%c%d += %d\n", z, to, imm); break;
			case 4: say(t, "r%d %s r%d\n", to, alu[pick(t, 6)], from); break;
			default: say(t, "%c%d = %c%d\n", z, to, z, from);
			}
		}
		say(t, "r%d += 1\nif r%d %s %d goto l%u\n", a, a, pick(t, 2) ? "!=" : "<", (int)pick(t, 40) + 5, l);
		break;
	}
	case 42: {	/* a number in pieces, one of which goes by the stack */
		int o = (int)pick(t, 100), size = pick(t, 4) ? 8 : 4;

		say(t, "r%d = *(u8 *)(r9 + %d)\nr%d <<= 8\nr%d = *(u8 *)(r9 + %d)\nr%d |= r%d\n", a, o + 1, a, b, o, a, b);
		say(t, "*(u%d *)(r10 - 8) = r%d\nr%d = 7\n", size * 8, a, a);
		if (!pick(t, 4))
			say(t, "*(u8 *)(r%d %s %d) = r%d\n", l & 4 ? 9 : 10, l & 4 ? "+" : "-", (o & 7) + 1, c);
		say(t, "r%d = *(u8 *)(r9 + %d)\nr%d <<= 24\nr%d = *(u8 *)(r9 + %d)\nr%d <<= 16\nr%d |= r%d\n", a, o + 3, a, b, o + 2, b,
		    a, b);
		say(t, "r%d = *(u%d *)(r10 - 8)\nr%d |= r%d\n", b, size * 8, a, b);
		break;
	}
	case 29: say(t, "*(%s *)(r10 - %d) = r%d\nr%d = *(%s *)(r9 + %u)\nr%d = *(%s *)(r10 - %d)\n", w, (k & 56) + 8, a, b,
		     width[pick(t, 4)], pick(t, 200), c, pick(t, 2) ? w : width[pick(t, 4)], (k & 56) + 8); break;
	case 30: say(t, "*(%s *)(r10 - %d) = %d\nr%d = r10\nr%d += -%d\nr%d = *(%s *)(r%d + 0)\nr%d = 1\n", w, (k & 56) + 8,
		     imm, a, a, (k & 60) + 8, b, width[pick(t, 4)], a, a); break;
	case 31: say(t, "r%d = *(%s *)(r9 + %u)\nif r%d > %d goto l%u\nr%d += %d\nif r%d %s %d goto l%u\nr%d ^= 77\nl%u:\n", a, w,
		     pick(t, 200), a, (int)pick(t, 400), l, a, (int)pick(t, 50) - 10, a, cc, (int)pick(t, 400), l, b, l); break;
	case 32: say(t, "r%d &= %d\n%c%d %s= %d\nif %c%d %s %d goto l%u\nr%d += 9\nl%u:\n", a, imm, l & 4 ? 'w' : 'r', a,
		     pick(t, 2) ? ">>" : pick(t, 2) ? "<<" : "+", k & 31, l & 8 ? 'w' : 'r', a, cc, (int)pick(t, 3000), l, b, l);
		break;
	case 28: say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\nr%d = *(%s *)(r%d + %u)\n%c%d %s %c%d\nr%d += 8\n%c%d = %c%d\n"
		     "if r%d != 64 goto l%u\n", a, l, b, b, a, b, w, b, k, l & 4 ? 'r' : 'w', b, l & 8 ? "+=" : op, l & 4 ? 'r' : 'w', c, a,
		     l & 4 ? 'r' : 'w', c, l & 4 ? 'r' : 'w', b, a, l);
		if (pick(t, 2))
			say(t, "r%d = 3\n", b);
		break;
	case 54: case 55: {	/* a counter that goes round by way of a copy, with one limit or two */
		int d = (c + 1 + (int)pick(t, 7)) % 9, to = 5 + (int)pick(t, 20), n = (int)pick(t, 4);
		char z = l & 4 ? 'w' : 'r', h = pick(t, 8) ? z : 'w';

		if (d == a || d == b)
			break;
		say(t, "r%d = *(u8 *)(r9 + %d)\nr%d &= 31\n%c%d = %d\nr%d = r9\nr%d += %d\n", d, k, d, z, b, (int)pick(t, 3), c, c, k);
		say(t, "l%u: %c%d = %c%d\nr%d = *(%s *)(r%d + 0)\n*(u8 *)(r%d + 8) = r%d\n", l, h, a, h, b, b, w, c, c, b);
		say(t, "if %c%d %s %c%d goto l%u\n%c%d = %c%d\n%c%d += 1\n", z, a, n == 3 || pick(t, 4) ? ">=" : cc, z, d, l + 1, z, b, z, a, z, b);
		say(t, "r%d += %d\n", c, 1 << pick(t, 2));
		if (n < 3)
			say(t, "if %c%d %s %d goto l%u\n", pick(t, 8) ? z : 'w', n ? a : b, pick(t, 2) ? "<" : "!=", to, l);
		else
			say(t, "goto l%u\n", l);
		say(t, "l%u: r%d = 0\n", l + 1, c);
		if (pick(t, 3))
			say(t, "r%d = 1\nr%d = 3\n", a, b);
		break;
	}
	case 26: say(t, "if r%d != %d goto l%u\nr0 = 77\ngoto out\nl%u:\n", a, (int)pick(t, 9), l, l); break;
	default: say(t, "r%d = r%d\nw%d = w%d\nr%d = *(%s *)(r9 + %u)\n", a, b, c, c, b, w, pick(t, 200)); break;
	}
}

static void compose(struct text *t, uint64_t from)
{
	t->n = 0;
	t->label = 0;
	t->random = (from + 1) * 0x9e3779b97f4a7c15u | 1;
	say(t, "r9 = r1\n");
	for (int r = 0; r < 9; r++)
		say(t, "r%d = *(u64 *)(r9 + %d)\n", r, 8 * r);
	for (unsigned k = 2 + pick(t, 12); k; k--)
		piece(t);
	for (int r = 1; r < 9; r++)
		say(t, "*(u64 *)(r9 + %d) = r%d\n", 176 + 8 * r, r);
	say(t, "out: exit\n");
}

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

	compose(t, at);
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
	tcase_add_test(t, composed_programs_agree);
	return run_tests();
}
