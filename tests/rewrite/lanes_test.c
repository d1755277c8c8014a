/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes_test.c - random loops over arrays, of the kind that runs in lanes: interpreted as they are, and
 * compiled with and without lanes, with blinded constants and with the CPU's least features too.  Memory, r0 and all registers must agree.
 * And what compiling very many loops costs.
 *   lanes_test [seed [programs]]		SOAK=1: fifty times as many */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "jit/jit.h"
#include "tests/util/arms.h"
#include "tests/util/linear.h"
#include "tests/util/run.h"
#include "tests/util/text.h"
#include "vm/rewrite/rewrite.h"

enum { BYTES = 1024 };
static uint64_t seed;
static unsigned programs = 20000, kept, in_lanes;
static struct jit_pages *pages;
static uint32_t cpu, all_cpu;

static bool keeps;	/* r6 is the least or greatest */

/* r6 = r6 or the value, whichever compares; in the forms that compilers give it. */
static void keep(struct text *t, int log)
{
	static const char *const cmp[] = { ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "==" };
	const char *how = cmp[pick(t, 8 + !pick(t, 20))];
	char z = log < 3 && pick(t, 3) ? 'w' : 'r', m = pick(t, 8) ? z : (char)(z ^ 'r' ^ 'w');
	int a = 1 + (int)pick(t, 3), b = a % 3 + 1;

	switch (pick(t, 4)) {
	case 0: say(t, "if %c6 %s %c%d goto k\n%c6 = %c%d\nk:\n", z, how, z, a, m, m, a); break;
	case 1: say(t, "if %c%d %s %c6 goto k\n%c6 = %c%d\nk:\n", z, a, how, z, m, m, a); break;
	case 2: say(t, "if %c%d %s %c6 goto k\n%c%d = %c6\nk: %c6 = %c%d\n", z, a, how, z, m, a, m, m, m, a); break;
	default:
		say(t, "%c%d = %c%d\nif %c6 %s %c%d goto k\n%c%d = %c6\nk: %s%c6 = %c%d\n", z, b, z, a, z, how, z, pick(t, 9) ? a : b, m, b,
		    m, pick(t, 9) ? "" : "w3 += 1\n", m, m, b);
	}
}

/* r9 memory, r8 index, r7 limit or a pointer that steps, r1-r3 values, r4 not written, r5 r6 sums, r0 a copy */
static void statement(struct text *t, int log)
{
	static const char *const cmp[] = { "==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&" };
	static const char *const alu[] = { "+=", "-=", "|=", "&=", "^=", "+=", "^=", "=" };
	static const char *const sum[] = { "+=", "^=", "|=" };
	int bits = 8 << log, a = 1 + (int)pick(t, 3), b = 1 + (int)pick(t, 4), k = (int)pick(t, 2) ? (int)pick(t, 300) : (int)pick(t, UINT32_MAX);
	char z = log == 3 || (log < 2 && pick(t, 2)) ? 'r' : 'w';

	switch (pick(t, 17)) {
	case 0: case 1: say(t, "%c%d %s %c%d\n", z, a, alu[pick(t, 8)], z, b); break;
	case 2: case 3: say(t, "%c%d %s %d\n", z, a, alu[pick(t, 8)], k); break;
	case 4: say(t, "%c%d &= %d\n", z, a, k & (int)((1ull << (bits > 31 ? 31 : bits)) - 1)); break;
	case 5: say(t, "%c%d %s %u\n", z, a, pick(t, 2) ? "<<=" : ">>=", pick(t, (uint32_t)bits)); break;
	case 6: say(t, "w%d &= 255\n%c%d >>= %u\n", a, z, a, pick(t, 8)); break;
	case 7: case 8: {
		static unsigned label;
		unsigned l = label++;

		say(t, "%c%d &= %u\n", z, a, log == 0 ? 255u : log == 1 ? 0xffffu : 0x7fffffffu);
		if (pick(t, 3))
			say(t, "if %c%d %s %u goto m%u\n", z, a, cmp[pick(t, 11)], log ? pick(t, 60000) : pick(t, 256), l);
		else
			say(t, "%c%d &= 255\nif %c%d %s %c%d goto m%u\n", z, b, z, a, cmp[pick(t, 11)], z, b, l);
		if (pick(t, 3) == 0 && t->n < 3000)
			statement(t, log);
		if (pick(t, 2))
			say(t, "%c%d %s %d\n", z, 1 + (int)pick(t, 3), alu[pick(t, 8)], k & 0xffff);
		else if (pick(t, 2))
			say(t, "%c%d += 1\n", pick(t, 2) ? 'r' : 'w', 5 + (int)pick(t, 2 - keeps));
		else
			say(t, "%c%d = %c%d\n", z, 1 + (int)pick(t, 3), z, 1 + (int)pick(t, 4));
		say(t, "m%u:\n", l);
		break;
	}
	case 9: say(t, "r%d = -r%d\n", a, a); break;
	case 10: if (log) say(t, "r%d = be%d r%d\n", a, bits, a); break;
	case 11: if (log >= 2 && bits == (z == 'r' ? 64 : 32)) {
			k = 1 + (int)pick(t, (uint32_t)bits - 1);
			say(t, "%c0 = %c%d\n%c0 <<= %d\n%c%d >>= %d\n%c%d |= %c0\n", z, z, a, z, k, z, a, bits - k, z, a, z);
		} else if (log == 1) {
			say(t, "%c%d *= %c%d\n", z, a, z, b);
		}
		break;
	case 12: z = pick(t, 4) ? z : 'w';
		say(t, "%c%d %s %c%d\n", z, 5 + (int)pick(t, 2 - keeps), sum[pick(t, 3)], z, a);
		break;
	case 13: say(t, "r%d += r8\n", a); break;
	case 14: say(t, "%c%d += %c%d\n%c%d >>= 1\n", z, a, z, b, z, a); break;
	case 15: say(t, "w%d %s %u\n", a, pick(t, 2) ? "s>>=" : "*=", 1 + pick(t, 31)); break;
	case 16: say(t, "%c%d *= %c%d\n", z, a, z, b); break;
	}
}

static void compose(struct text *t, uint64_t from)
{
	static const char *const width[] = { "u8", "u16", "u32", "u64" };
	int log, step, rounds, pointer, other, kind, start, off, far, carried, parts, pair;
	char carry, way_out;

	t->n = 0;
	t->random = (from + 1) * 0x9e3779b97f4a7c15u | 1;
	log = (int)pick(t, 4);
	step = 1 << log;
	rounds = (int)pick(t, 2) ? 16 * (1 + (int)pick(t, 4)) : 1 + (int)pick(t, 70);
	if (rounds * step > 300)
		rounds = 300 / step;
	pointer = (int)pick(t, 3) == 0;
	other = (int)pick(t, 3);
	kind = (int)pick(t, 6);
	start = (int)pick(t, 3) ? 0 : (int)pick(t, 5) * step;
	off = (int)pick(t, 40);
	carry = pick(t, 2) ? 'r' : 'w';
	far = pick(t, 3) ? log : (int)pick(t, 4);	/* log2 of the size of what the pointer leads to */
	parts = log && pick(t, 5) == 0 ? 1 + (int)pick(t, log > 1 ? 2 : 1) : 0;
	pair = rounds << far <= 280 && pick(t, 3) == 0;
	keeps = pick(t, 4) == 0;
	carried = pick(t, 5) ? 0 : 1 + (int)pick(t, 2);
	keeps |= carried;
	way_out = pick(t, 4) ? 0 : pick(t, 2) ? 'r' : 'w';
	say(t, "r9 = r1\nr4 = *(u64 *)(r9 + 8)\nr0 = 0\n");
	for (int r = 1; r < 4; r++)
		say(t, "r%d = %d\n", r, r);
	for (int r = 5; r < 7; r++)
		pick(t, 2) ? say(t, "r%d = 0\n", r) : say(t, "r%d = *(u64 *)(r9 + %d)\n", r, 8 * r);
	if (pointer)
		say(t, "r7 = r9\nr7 += %d\n", 300 + (int)pick(t, 40));
	else if (kind >= 3)
		say(t, "r7 = *(u64 *)(r9 + 1016)\nr7 &= 63\nr7 *= %d\nr7 += %d\n", step, start + (int)pick(t, 2));
	else if (pick(t, 2))
		say(t, "r7 = r9\nr7 += %d\n", 400);
	else
		say(t, "r7 = r10\nr7 += -400\n");
	say(t, "r8 = %d\n", start);
	if (kind >= 3 && !pointer && pick(t, 3))
		say(t, "if r8 %s r7 goto x\n", kind == 4 ? "s>=" : ">=");
	if (way_out)
		say(t, "r4 &= 63\nr4 *= %d\nr4 += %d\n", step, start);
	if (pick(t, 4) == 0)
		say(t, "if r4 == 77 goto y\ngoto h\ny: r0 = 3\nexit\n");
	say(t, "h: r1 = r9\nr1 += r8\n");
	if (parts)		/* two to four of what makes an element together, or of what lies beside it */
		say(t, "r2 = *(%s *)(r1 + %d)\nr3 = *(%s *)(r1 + %d)\nr1 = *(%s *)(r1 + %d)\n", width[log - parts], off + step - (step >> parts),
		    width[log - parts], off, width[log - parts], off + (int)pick(t, 4) * (step >> parts));
	else
		say(t, "r1 = *(%s *)(r1 + %d)\n", width[log], off);
	if (way_out)	/* perhaps before all rounds are done */
		say(t, "if %c8 %s %c4 goto x\n", way_out, pick(t, 3) ? ">=" : pick(t, 2) ? "s>=" : "==", way_out);
	else if (pick(t, 8) == 0)
		say(t, "if r8 >= %d goto x\n", start + (int)pick(t, 64) * step);
	if (parts)
		say(t, "w2 ^= w3\n");
	else if (pick(t, 2))
		say(t, "r2 = r9\nr2 += r8\nr2 = *(%s *)(r2 + %d)\n", width[log], off + (int)pick(t, 5) * 8);
	else
		say(t, "r2 = r1\n");
	say(t, carried ? "%c3 = %c6\n" : "r3 = %d\n", carried == 2 ? 'w' : carried ? 'r' : (int)pick(t, 300), carried == 2 ? 'w' : 'r');
	for (int k = 1 + (int)pick(t, 5); k; k--)
		statement(t, log);
	if (carried)		/* for the next round */
		say(t, "r0 = r9\nr0 += r8\nr%d = *(%s *)(r0 + %d)\n%s%s", pick(t, 3) ? 0 : 6, width[pick(t, 6) ? log : 0],
		    off + (int)pick(t, 3) * step, pick(t, 3) ? "r6 = r0\n" : "",
		    pick(t, 3) ? "" : "r2 += r6\nr5 ^= r2\n");
	else if (keeps)
		keep(t, log);
	else if (pick(t, 4) == 0)	/* T += A; A = T */
		say(t, "%c0 = %c%d\n%c0 += %c6\n%c6 = %c0\n", carry, carry, 1 + (int)pick(t, 2), carry, carry, carry, carry);
	if (other) {
		int to = pick(t, 3) ? 320 + (int)pick(t, 60) : off + (int)pick(t, 9) * step - 4 * step;

		if (to < 0)
			to = off;
		if (pointer && pair) {
			int at = (int)pick(t, 40), first = (int)pick(t, 2);

			for (int k = 0; k < 2; k++)
				pick(t, 6) ? say(t, "*(%s *)(r7 + %d) = r%d\n", width[far], at + ((first ^ k) << far), 1 + (int)pick(t, 3)) :
					     say(t, "*(%s *)(r7 + %d) = %u\n", width[far], at + ((first ^ k) << far), pick(t, 99999));
		} else if (pointer)
			say(t, "*(%s *)(r7 + %d) = r%d\n", width[far], (int)pick(t, 40), 1 + (int)pick(t, 3));
		else if (kind < 3)
			say(t, "r0 = r7\nr0 += r8\n*(%s *)(r0 + %d) = r%d\n", width[log], (int)pick(t, 40), 1 + (int)pick(t, 3));
		else
			say(t, "r0 = r9\nr0 += r8\n*(%s *)(r0 + %d) = r%d\n", width[log], to, 1 + (int)pick(t, 3));
	}
	if (pointer)
		say(t, "r7 += %d\n", 1 << far << (pair && other));
	say(t, "%c8 += %d\n", kind == 2 || kind == 5 ? 'w' : 'r', step);
	if (kind < 3 || pointer)
		say(t, "if %c8 %s %d goto h\n", kind == 2 ? 'w' : 'r', pick(t, 2) ? "!=" : pick(t, 2) ? "<" : "s<", start + rounds * step);
	else if (pick(t, 2))
		say(t, "if %c8 %s %c7 goto h\n", kind == 5 ? 'w' : 'r', kind == 4 ? "s<" : "<", kind == 5 ? 'w' : 'r');
	else
		say(t, "if %c7 %s %c8 goto h\n", kind == 5 ? 'w' : 'r', kind == 4 ? "s>" : ">", kind == 5 ? 'w' : 'r');
	say(t, "x:\n");
	for (int r = 0; r < 9; r++)
		if (r != 7 && r != 4 && (r || !other) && (r > 3 || pick(t, 4) == 0))
			say(t, "*(u64 *)(r9 + %d) = r%d\n", 900 + 8 * r, r);
	say(t, "r0 = r5\nr0 ^= r6\nr0 ^= r8\nexit\n");
}

struct outcome { int64_t status; uint64_t r0; uint8_t mem[BYTES]; };

static int load(struct code *code, const void *slots, uint32_t n)
{
	struct uebpf_error err;
	int ret;

	memset(code, 0, sizeof *code);
	ret = code_decode(code, slots, n, NULL, 0, 1000000, &err);
	code->type = &test_raw;
	code->helpers = &test_helpers;
	code->compiled = true;
	ret = ret ? ret : code_prepare(code, &err);
	ck_assert_msg(!ret, "%s", err.text);
	return ret;
}

/* Runs `slots`: interpreted as it is, or compiled; returns the bytes of machine code. */
static size_t run(const void *slots, uint32_t n, uint64_t from, bool jit, const char *no_rules, uint32_t flags, uint32_t *hits,
		  struct outcome *out)
{
	static _Alignas(64) uint8_t mem[BYTES];
	struct uebpf_error err;
	struct code code;
	size_t bytes = 0;

	load(&code, slots, n);
	for (int i = 0; i < BYTES; i++) {
		from = from * 6364136223846793005u + 1442695040888963407u;
		mem[i] = (uint8_t)(from >> 56);
	}
	out->r0 = 0;
	if (jit) {
		struct jit_opts o = { .pages = pages, .cpu = cpu, .no_rules = no_rules, .flags = flags };

		ck_assert_int_eq(rewrite_code(&code, no_rules, hits), 0);
		ck_assert_int_eq(jit_compile(&code, &o, &err), 0);
		bytes = jit_code_bytes(&code);
		out->status = jit_run(&code, mem, sizeof mem, NULL, &out->r0);
		jit_free(&code);
	} else {
		ck_assert_int_eq(interp_prepare(&code), 0);
		out->status = interp_run(&code, mem, sizeof mem, NULL, &out->r0);
	}
	memcpy(out->mem, mem, sizeof mem);
	code_free(&code);
	return bytes;
}

START_TEST(loops_agree)
{
	static struct text t;

	printf("lanes: seed %llu, %u programs\n", (unsigned long long)seed, programs);
	for (unsigned i = 0; i < programs; i++) {
		static const char *const off[] = { NULL, "lanes", NULL, "unroll", NULL };
		uint32_t hits[REWRITE_RULE_COUNT] = { 0 }, n;
		static struct outcome want, have;
		size_t bytes[5];
		void *slots;

		compose(&t, seed + i);
		assemble(t.buf, &slots, &n);
		run(slots, n, seed + i, false, NULL, 0, NULL, &want);
		for (int arm = 0; arm < 5; arm++) {
			int at = 0;

			cpu = arm == 4 ? 0 : all_cpu;	/* vectors of 16 bytes */
			bytes[arm] = run(slots, n, seed + i, true, off[arm], arm == 2 ? JIT_BLIND : 0, arm ? NULL : hits, &have);
			while (at < BYTES - 1 && want.mem[at] == have.mem[at])
				at++;
			ck_assert_msg(want.status == have.status && want.r0 == have.r0 && !memcmp(want.mem, have.mem, BYTES),
				      "seed %llu, arm %d: r0 0x%llx, should be 0x%llx; byte %d 0x%x, should be 0x%x; in\n%s",
				      (unsigned long long)seed + i, arm, (unsigned long long)have.r0, (unsigned long long)want.r0, at,
				      have.mem[at], want.mem[at], t.buf);
		}
		kept += hits[RULE_WHOLE] != 0;
		in_lanes += bytes[0] != bytes[1];
		free(slots);
	}
	printf("%u loops left whole, %u in lanes\n", kept, in_lanes);
	ck_assert_uint_gt(in_lanes, programs / 6);
}
END_TEST

/* What has to run in lanes; each loads from r1 + r8 and does 64 rounds. */
static const struct { const char *what; int size; const char *body; bool open; } must[] = {
	{ "greatest, kept in place", 4, "if w6 >= w2 goto k\nw6 = w2\nk:\n", false },
	{ "least, with a sign, by way of a copy", 4, "w3 = w2\nif w2 s< w6 goto k\nw3 = w6\nk: w6 = w3\n", false },
	{ "greatest byte", 1, "if r2 > r6 goto k\nr2 = r6\nk: r6 = r2\n", false },
	{ "difference of bytes without its sign", 1, "w3 = *(u8 *)(r4 + 64)\nw2 -= w3\nw3 = w2\nw3 s>>= 31\nw2 ^= w3\nw2 -= w3\nw5 += w2\n", false },
	{ "sum that is cut", 1, "r3 = *(u8 *)(r4 + 64)\nw2 += w3\nif w2 < 255 goto k\nr2 = 255\nk: *(u8 *)(r4 + 0) = r2\n", false },
	{ "index times element", 1, "r3 = r8\nr3 *= r2\nr5 += r3\n", false },
	{ "from the index", 4, "w2 = w8\nw2 += 7\n*(u32 *)(r4 + 0) = r2\n", false },
	{ "by a constant", 4, "w2 *= 5\nw2 += 3\n*(u32 *)(r4 + 0) = r2\n", false },
	{ "wide products", 4, "r2 *= r2\nr5 += r2\n", false },
	{ "what is odd", 4, "w3 = w2\nw3 &= 1\nw3 = -w3\nw3 &= w2\nr5 += r3\n", false },
	{ "other byte order", 4, "r2 = be32 r2\nw5 ^= w2\n", false },
	{ "digits side by side", 1, "w3 = w2\nw3 >>= 4\nw3 += 48\nw2 &= 15\nw2 |= 48\n*(u8 *)(r9 + 193) = r2\n*(u8 *)(r9 + 192) = r3\nr9 += 2\n", false },
	{ "halves and a constant side by side", 2, "*(u16 *)(r9 + 34) = 7\n*(u16 *)(r9 + 32) = r2\nr9 += 4\n", false },
	{ "parts of an element", 4, "r2 = *(u8 *)(r4 + 1)\nr3 = *(u8 *)(r4 + 3)\nr2 += r3\nr3 = *(u8 *)(r4 + 0)\nr5 += r2\nr5 += r3\n", false },
	{ "neighbours", 2, "w3 = w2\nw3 += w6\nw3 >>= 1\n*(u16 *)(r4 + 200) = r3\nw6 = w2\n", false },
	{ "to a limit in a register", 4, "w5 ^= w2\n", true },
	{ "until something else", 2, "if r8 >= r3 goto x\nr5 += r2\n", false },
	{ "to a limit or until something else", 1, "if r3 == r8 goto x\n*(u8 *)(r4 + 100) = r2\n", true },
	{ "other byte order, upper bits", 4, "r2 = be64 r2\nr2 >>= 36\nw5 ^= w2\n", false },
};

START_TEST(these_run_in_lanes)
{
	static struct outcome want, have;
	static struct text t;
	size_t bytes[3];
	uint32_t n;
	void *slots;

	t.n = 0;
	say(&t, "r3 = *(u8 *)(r1 + 600)\nr3 &= 1\nr3 += %d\nr7 = *(u8 *)(r1 + 601)\nr7 &= 1\nr7 *= %d\nr7 += %d\n", 63 * must[_i].size,
	    must[_i].size, 64 * must[_i].size);
	say(&t, "r5 = 0\nr6 = 9\nr8 = 0\nr9 = r1\nr9 += 512\nh: r4 = r1\nr4 += r8\nr2 = *(u%d *)(r4 + 0)\n%s", 8 * must[_i].size,
	    must[_i].body);
	say(&t, must[_i].open ? "r8 += %d\nif r8 < r7 goto h\n" : "r8 += %d\nif r8 != %d goto h\n", must[_i].size, 64 * must[_i].size);
	say(&t, "x: r6 ^= r5\n*(u64 *)(r9 + 0) = r6\nr0 = r5\nexit\n");
	assemble(t.buf, &slots, &n);
	run(slots, n, 1, false, NULL, 0, NULL, &want);
	for (int arm = 0; arm < 3; arm++) {
		cpu = arm == 2 ? 0 : all_cpu;
		bytes[arm] = run(slots, n, 1, true, arm == 1 ? "lanes,unroll" : NULL, 0, NULL, &have);
		ck_assert_msg(want.r0 == have.r0 && !memcmp(want.mem, have.mem, BYTES), "%s, arm %d: r0 0x%llx, should be 0x%llx",
			      must[_i].what, arm, (unsigned long long)have.r0, (unsigned long long)want.r0);
	}
	cpu = all_cpu;
	ck_assert_msg(bytes[0] > bytes[1] + 64 && bytes[2] > bytes[1] + 64, "%s: %zu bytes, without lanes %zu", must[_i].what, bytes[0], bytes[1]);
	free(slots);
}
END_TEST

/* ---- programs of very many loops ---- */

#define I(c, ...) { .code = c, __VA_ARGS__ }
static const struct { const char *what; struct raw_insn body[12]; bool from_behind; } parts[] = {
	{ "loops in lanes", { I(0xbf, .dst = 2, .src = 1), I(0xb7, .dst = 3), I(0x61, .dst = 4, .src = 2), I(0x0f, .src = 4),
			      I(0x07, .dst = 2, .imm = 4), I(0x07, .dst = 3, .imm = 1), I(0x55, .dst = 3, .off = -5, .imm = 16) }, false },
	{ "wide constants in loops", { I(0xb7, .dst = 3), I(0x18, .dst = 4, .imm = 0x12345678), I(0, .imm = 0x7654321), I(0x0f, .src = 4),
			      I(0x07, .dst = 3, .imm = 1), I(0x55, .dst = 3, .off = -5, .imm = 9) }, false },
	{ "bytes of numbers", { I(0x61, .dst = 4, .src = 1), I(0x73, .dst = 1, .src = 4), I(0xbf, .dst = 5, .src = 4),
			      I(0x77, .dst = 5, .imm = 8), I(0x73, .dst = 1, .src = 5, .off = 1) }, false },
	{ "blocks from the last to the first", { I(0x07, .imm = 1), I(0x27, .imm = 3), I(0x05, .off = -6) }, true },
};

static double cost(int part, uint32_t n)
{
	uint8_t *slots = calloc(n + 16, 8);
	struct jit_opts o = { .pages = pages, .cpu = cpu };
	uint32_t at = 0, size = 0;
	struct uebpf_error err;
	double from, ms;
	struct code code;

	while (size < 12 && (parts[part].body[size].code || parts[part].body[size].imm))
		size++;
	raw_store(slots, (struct raw_insn){ .code = 0xb7 });
	at = parts[part].from_behind ? 3 : 1;	/* a jump to the last block, and the exit that the first one leads to */
	for (; at + size < n; at += size)
		for (uint32_t i = 0; i < size; i++)
			raw_store(slots + 8 * (at + i), parts[part].body[i]);
	if (parts[part].from_behind) {
		raw_store(slots + 8, (struct raw_insn){ .code = 0x06, .imm = (int32_t)(at - size - 2) });
		raw_store(slots + 16, (struct raw_insn){ .code = 0x95 });
		raw_store(slots + 8 * 5, (struct raw_insn){ .code = 0x05, .off = -4 });
	} else {
		raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x95 });
	}
	load(&code, slots, at);
	from = cpu_ms();
	ck_assert_int_eq(rewrite_code(&code, NULL, NULL), 0);
	ck_assert_int_eq(jit_compile(&code, &o, &err), 0);
	ms = cpu_ms() - from;
	jit_free(&code);
	code_free(&code);
	free(slots);
	return ms;
}

START_TEST(work_is_linear_in_the_program)
{
	assert_linear(parts[_i].what, cost, _i, 10000);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("rewrite/lanes", 0);

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
	jit_cpu_detect(NULL, &all_cpu);
	cpu = all_cpu;
	tcase_add_loop_test(t, these_run_in_lanes, 0, sizeof must / sizeof *must);
	tcase_add_test(t, loops_agree);
	tcase_add_loop_test(t, work_is_linear_in_the_program, 0, sizeof parts / sizeof *parts);
	return run_tests();
}
