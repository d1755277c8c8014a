/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* idioms.c - what compilers write again and again, for gen.c: random rows alone never make a rotation of
 * two shifts or a load of four bytes.  Each is a few lines of text: A-E are different registers that hold
 * numbers before and after, M one that holds the address of the scratch memory meanwhile.
 *   %o  offset, 0-56, a multiple of 8    %i  number below 300    %n  any 32-bit number
 *   %k, %K  shifts that make 64          %j, %J  that make 32    %s  56, 48, 32 (one choice)
 *   %c  comparison                       %a  operation           %f  factor */
#include "tests/gen/gen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-suspicious-missing-comma) ; programs of several lines */
static const char *const idioms[] = {
	/* shifts */
	"rA <<= 32\nrA >>= 32\n",
	"rA <<= %s\nrA s>>= %s\n",
	"rB = rA\nrB <<= %k\nrA >>= %K\nrA |= rB\n",
	"wB = wA\nwB <<= %j\nwA >>= %J\nwA |= wB\n",
	/* addresses */
	"rB = rM\nrB += %o\nrA = *(u64 *)(rB + 8)\nrB = %i\n",
	"rA &= 31\nrB = rM\nrB += rA\nrC = *(u8 *)(rB + %o)\nrB = %i\n",
	"rA &= 7\nrC = rA\nrC <<= 3\nrB = rM\nrB += rC\nrA = *(u64 *)(rB + 0)\nrB = %i\n",
	"rA &= 31\nrB = rM\nrB += rA\nrA = %i\nrC = *(u8 *)(rB + 8)\nrC += rA\nrB = rC\n",
	"rA &= 7\nrA <<= 3\nrB = rM\nrB += rA\nrC = *(u64 *)(rB + 0)\n*(u32 *)(rB + 8) = rC\nrB = %i\nrA = %n\n",
	"rA &= 7\nrA <<= 2\nrB = rM\nrB += rA\nwA = *(u32 *)(rB + 4)\nwA %a %i\n*(u32 *)(rB + 4) = rA\nrB = %i\nrA = %n\n",
	"rA = *(u64 *)(rM + %o)\nrA %a rB\n*(u64 *)(rM + %o) = rA\nrA = *(u8 *)(rM + 9)\nrA %a %n\n*(u8 *)(rM + 9) = rA\nrA = rC\n",
	"rA = *(u16 *)(rM + 10)\nwA %a %n\n*(u16 *)(rM + 10) = rA\nwA = *(u32 *)(rM + 20)\nwA %a wB\n*(u32 *)(rM + 20) = rA\nrA = %i\n",
	/* pieces of numbers and memory */
	"rA = *(u8 *)(rM + 5)\nrA <<= 8\nrB = *(u8 *)(rM + 4)\nrA |= rB\nrC = *(u8 *)(rM + 7)\nrC <<= 8\n"
	"rB = *(u8 *)(rM + 6)\nrC |= rB\nrC <<= 16\nrC |= rA\nrA = rC\nrB = %i\n",
	"rA = *(u8 *)(rM + 17)\nrB = *(u8 *)(rM + 16)\nrB <<= 8\nrB |= rA\nrA = %i\n",
	"*(u8 *)(rM + 9) = %i\n*(u8 *)(rM + 8) = %i\n*(u8 *)(rM + 10) = %i\n*(u8 *)(rM + 11) = %i\n",
	"*(u64 *)(rM + 16) = 0\n*(u64 *)(rM + 24) = 0\n*(u64 *)(rM + 32) = %n\n",
	"rA = *(u32 *)(rM + 0)\n*(u32 *)(rM + 40) = rA\nrA = *(u32 *)(rM + 4)\n*(u32 *)(rM + 44) = rA\nrA = %i\n",
	"rA = *(u64 *)(rM + 0)\n*(u64 *)(rM + 40) = rA\nrA = *(u64 *)(rM + 8)\n*(u64 *)(rM + 48) = rA\nrA = %i\n",
	"rB = rA\nrB >>= 24\n*(u8 *)(rM + 19) = rB\nrB = rA\nrB >>= 16\n*(u8 *)(rM + 18) = rB\nrB = rA\nrB >>= 8\n"
	"*(u8 *)(rM + 17) = rB\n*(u8 *)(rM + 16) = rA\nrB = %i\n",
	"*(u16 *)(rM + 24) = rA\nrC = *(u64 *)(rM + %o)\nwB = wA\nwB >>= 16\n*(u8 *)(rM + 26) = rB\n*(u32 *)(rM + %o) = rD\n"
	"wB >>= 8\n*(u8 *)(rM + 27) = rB\nrB = %i\n",
	"rB = rA\nrB >>= 48\n*(u16 *)(rM + 38) = rB\nrB = rA\nrB >>= 16\n*(u16 *)(rM + 34) = rB\nrC = rA\nrC >>= 32\n"
	"*(u16 *)(rM + 36) = rC\nif rB %c %i goto l\n*(u16 *)(rM + 32) = rA\nl: *(u16 *)(rM + 32) = rA\nrB = %i\n",
	/* arithmetic in place */
	"rA *= 77\nrA ^= rB\nrA ^= rC\nrB = %i\n",
	"rB = rA\nrB += %i\nrA ^= rB\n",
	"rB = rA\nrB <<= 3\nrB += rC\n",
	"rB = rA\nrB *= %f\nrC += rA\n",
	"wB = wA\nwB *= %f\nrC ^= rA\n",
	"rA /= %f\nrB %= %f\n",
	"rA = *(u8 *)(rM + %o)\nif rA %c %i goto l\nrB += 3\nl: rA = %i\n",
	"rA = *(u64 *)(rM + %o)\nrB %a rA\nrA = %i\n",
	/* control flow */
	"rA &= 255\nif rA < 48 goto l\nif rA > 57 goto l\nrB ^= rA\nl: rC += rB\n",
	"if wA s< %n goto l\nif wA s>= %i goto l\nrB ^= rA\nl: rC += rB\n",
	"if rA > %i goto +1\nif rA >= 7 goto l\nrB += 3\nrC *= %f\nl: rC += rB\n",
	"if rA s<= -9 goto +1\nif rA s<= %i goto l\nrB += 3\nrC *= %f\nl: rC += rB\n",
	"rA *= %f\nrA += rB\nwC *= %f\nwC += wA\n",
	"rB = 0\nrC = 0x123456789abcdef ll\nh: rA += rD\nrA %= rC\nrB += 1\nrD ^= rA\nif rB != 9 goto h\nrC = %i\n",
	"rA = 0\nif rB == 0 goto x\nh: rA += 3\nif rA > 20 goto o\ngoto h\nx: rA = 9\ngoto e\no: rA += 1\ne: rB += 1\n",
	"if rA == %i goto x\nrB += 3\ngoto b\nx: rC += 5\nrA ^= 5\ngoto e\nb: rB *= rB\nrB += 5\nrB <<= 3\nrB ^= 9\nrB *= rA\n"
	"e: rA += rB\n",
	"if rA < rB goto m\nrC *= 3\nl: rC += rA\nrC *= 3\nrC ^= rB\nrC += 7\ngoto e\nm: if rA > 5 goto l\nrA = 3\ngoto l\n"
	"e: rA += rC\n",
	"rC = 1\nif rB %c %i goto l\nrC = 0\nl: rD += 7\nrE = rB\nrE <<= 3\nrC &= 1\nif rC == 0 goto m\nrE ^= rD\nm: rC = %i\n",
	"rA ^= rB\nrC += rD\nrA *= %f\nif rC %c rB goto l\nrD ^= rA\nl: rA = %n\n",
	"rC = 0\nif rA %c rB goto l\nrC = 1\nl: rD ^= rC\n",
	"rE = 3\nrB = 0\nh: rC = rB\nrC |= 4\nrC *= rC\nif rC > rA goto l\nrB = rC\nl: rE += 1\nif rE < 9 goto h\nrC = %i\n",
	"if rA %c rB goto l\nrA = rB\nl: rC += rA\n",
	/* flags */
	"rA = *(u32 *)(rM + %o)\nrA &= %i\nif rA == 0 goto l\nrB += 3\nl: rA = %i\nrC ^= rB\n",
	"rC = *(u16 *)(rM + 12)\nwC &= %n\nif wC == 0 goto l\nrB += 3\nl: wC = wB\nwC &= %n\nif rC != 0 goto m\nrA ^= rB\nm: rC = %i\n",
	"rD = rA\nif rA %c rB goto +1\nrD = rB\nif rA %c rB goto +1\nrC = rA\nif rA %c rB goto +1\nrA = rD\nrC ^= rD\n",
	"wD = wC\nrE = 1\nif wA %c %i goto +1\nrE = 0\nif wA %c %i goto +1\nwD = wB\nrC += rD\nrB += rE\n",
	"wA &= 15\nif wA > 4 goto x\nrB ^= rC\ngoto e\nx: if rA == 5 goto a\nif rA == 6 goto b\nif wA != 7 goto d\nrB += 3\ngoto e\n"
	"a: rC *= %f\ngoto e\nb: rC += 9\ngoto e\nd: rB ^= %i\ne: rA = %i\n",
	/* counted loops */
	"rA = 0\nh: rB = rM\nrB += rA\nrC = *(u64 *)(rB + 0)\nrC *= 3\nrD ^= rC\nrA += 8\nif rA != 64 goto h\nrB = %i\n",
	"rD = 0\nrA = 0\nh: rB = rM\nrB += rA\nrC = *(u32 *)(rB + 0)\nrD += rC\nrA += 4\nif rA != 64 goto h\nrB = %i\n",
	"rA = 0\nh: rB = rM\nrB += rA\nrC = *(u64 *)(rB + 0)\nrC ^= rD\n*(u64 *)(rB + 0) = rC\nrA += 8\nif rA != 32 goto h\n"
	"rB = %i\n",
	"rD = 5\nrA = 0\nh: rB = rM\nrB += rA\nrC = *(u32 *)(rB + 0)\nif wD > wC goto l\nwD = wC\nl: rA += 4\nif rA != 64 goto h\n"
	"rB = %i\nrC = %i\n",
	"rD = 0\nrA = 0\nh: rB = rM\nrB += rA\nrC = *(u8 *)(rB + 0)\nwC *= 7\nwC -= wA\nwC s>>= 1\nrC &= 0xffff\nrD += rC\nrA += 1\n"
	"if rA != 64 goto h\nrB = %i\nrC = %i\n",
	"rA = 0\nh: rB = rM\nrB += rA\nrC = *(u8 *)(rB + 0)\nrD = rC\nrD += rA\nwD >>= 1\n*(u8 *)(rB + 0) = rD\nrA += 1\n"
	"if rA != 64 goto h\nrB = %i\nrC = %i\nrD = %n\n",
	"rA = 0\nh: rB = rC\nrC = rD\nrD ^= rB\nrB *= %f\nrC += rB\nrA += 1\nif rA != 40 goto h\nrB = %i\n",
	"rE &= 31\nrE += 9\nrA = 0\nh: rB = rC\nrC += rD\nrD = rB\nrA += 1\nif rA < rE goto h\nrB = %i\n",
	"rD = 1\nrA = rM\nh: rB = rD\nrD = *(u16 *)(rA + 0)\nrC += rD\nif rB >= %i goto o\nrD = rB\nrD += 1\nrA += 2\n"
	"if rB < 24 goto h\no: rA = %i\nrD = %n\n",
	"wB &= 31\nrD = 0\nrA = rM\nh: wE = *(u8 *)(rA + 8)\nwE ^= wB\n*(u8 *)(rA + 8) = rE\nrA += 1\nrD += 1\nif rB > rD goto h\n"
	"rA = %i\nrE = %n\n",
	"rA = 0\nh: rB = rM\nrB += rA\nrC = *(u8 *)(rB + 0)\nif rC %c %i goto l\nrD += rC\nif rC %c %i goto l\nrD *= 3\n"
	"l: rE ^= rD\nrA += 1\nif rA != 9 goto h\nrB = %i\nrC = %i\n",
	"rA = 0\nh: rB = rM\nrB += rA\nrC = *(u16 *)(rB + 2)\nrD = *(u16 *)(rB + 0)\nwC *= 5\nrC &= 0xffff\nrE += rC\nrE += rD\nrA += 4\n"
	"if rA != 64 goto h\nrB = %i\nrC = %i\nrD = %n\n",
	"rA = 0\nrD = rM\nh: rB = rM\nrB += rA\nrC = *(u8 *)(rB + 0)\n*(u8 *)(rD + 33) = rC\nrC >>= 4\n*(u8 *)(rD + 32) = rC\nrD += 2\nrA += 1\n"
	"if rA != 16 goto h\nrB = %i\nrC = %i\nrD = %n\n",
	/* in another one, which leads back to it; short, as the kernel's verifier goes each way */
	"rB = 0\ngoto p\nh: rC = rM\nrC += rA\nrC = *(u8 *)(rC + 8)\nif rC == %i goto x\nrD ^= rC\nrA += 1\nif rA != 4 goto h\nx: rD *= %f\n"
	"rB += 1\nif rB == 2 goto e\np: rA = 0\ngoto h\ne: rC = %i\n",
	/* a map's element, with a key that is known and one that is not */
	"*(u32 *)(r10 - 64) = 0\nr2 = r10\nr2 += -64\nr1 = map(0) ll\ncall 1\nif r0 == 0 goto n\nr1 = *(u64 *)(r0 + 88)\n"
	"r1 ^= %n\n*(u64 *)(r0 + 96) = r1\nn: r0 = %i\nr1 = %i\nr2 = %n\nr3 = %i\nr4 = %i\nr5 = %n\n",
	"r1 = r6\nr1 &= 1\n*(u32 *)(r10 - 64) = r1\nr2 = r10\nr2 += -64\nr1 = map(0) ll\ncall 1\nr6 = %i\nif r0 == 0 goto n\n"
	"r6 = *(u64 *)(r0 + 104)\nn: r0 = %i\nr1 = %i\nr2 = %n\nr3 = %i\nr4 = %i\nr5 = %n\n",
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */
/* Calls of helpers of tests/util/arms.c, which no kernel has. */
static const char *const host_calls[] = {
	"call 0x10001\nr1 = %i\nr2 = %n\nr3 = %i\nr4 = %i\nr5 = %n\n",
	"call 0x10002\nr1 = %n\nr2 = %i\nr3 = r0\nr4 = %i\nr5 = %n\n",
	"call 0x10003\nr1 = r6\nr2 = %n\nr3 = %i\nr4 = r0\nr5 = %n\n",
};

static uint32_t below(struct gen *g, uint32_t n)
{
	return (uint32_t)(gen_random(&g->random) % n);
}

struct choice { char reg['M' + 1]; uint32_t k, j, s; };

/* What `%form` stands for; true: in hexadecimal. */
static const char *value(struct gen *g, char form, const struct choice *c, char number[16])
{
	static const char *const compare[] = { "==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&" };
	static const char *const operate[] = { "+=", "-=", "*=", "|=", "&=", "^=" };
	static const uint16_t factor[] = { 3, 5, 7, 9, 10, 31, 33, 77, 100, 1000, 65 };
	uint32_t v = 0;

	switch (form) {
	case 'o': v = below(g, 8) * 8; break;
	case 'i': v = below(g, 300); break;
	case 'k': v = c->k; break;
	case 'K': v = 64 - c->k; break;
	case 'j': v = c->j; break;
	case 'J': v = 32 - c->j; break;
	case 's': v = c->s; break;
	case 'f': v = factor[below(g, sizeof factor / sizeof factor[0])]; break;
	case 'c': return compare[below(g, sizeof compare / sizeof compare[0])];
	case 'a': return operate[below(g, sizeof operate / sizeof operate[0])];
	default: snprintf(number, 16, "%d", (int32_t)gen_value(&g->random)); return number;
	}
	snprintf(number, 16, "%u", v);
	return number;
}

static void expand(struct gen *g, const char *text, const struct choice *c, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text && n + 16 < cap; text++) {
		char number[16];

		if (*text == '%' && text[1] != '=')
			n += (size_t)snprintf(out + n, cap - n, "%s", value(g, *++text, c, number));
		else
			out[n++] = *text >= 'A' && *text <= 'M' ? c->reg[(int)*text] : *text;
	}
	out[n] = 0;
}

uint32_t gen_idiom(struct gen *g, uint8_t *slots, uint32_t cap, int *base)
{
	enum { COUNT = sizeof idioms / sizeof idioms[0], CALLS = sizeof host_calls / sizeof host_calls[0] };
	uint32_t at = below(g, g->kernel ? COUNT : COUNT + CALLS), n, writes = 0;
	const char *form = at < COUNT ? idioms[at] : host_calls[at - COUNT];
	struct choice c = { .k = 1 + below(g, 63), .j = 1 + below(g, 31), .s = 64 - (8u << below(g, 3)) };
	char order[10] = "0123456789", text[1024];
	struct uebpf_error err;
	void *wire;

	for (uint32_t i = 9; i; i--) {
		uint32_t k = below(g, i + 1);
		char kept = order[i];

		order[i] = order[k];
		order[k] = kept;
	}
	for (uint32_t i = 0, k = 0; i < 6; k++) {	/* those that the body must not write are passed over */
		if (k == 10)
			return 0;
		if (!(g->reserved >> (order[k] - '0') & 1))
			c.reg[(int)"ABCDEM"[i++]] = order[k];
	}
	for (const char *p = form; *p; p++)
		if (*p == 'r' && p[1] >= '0' && p[1] <= '6')
			writes |= 1u << (p[1] - '0');
	if (writes & g->reserved)
		return 0;
	*base = strchr(form, 'M') ? c.reg['M'] - '0' : -1;
	expand(g, form, &c, text, sizeof text);
	if (asm_text(text, &wire, &n, &err)) {
		fprintf(stderr, "idiom %u: %s in\n%s", at, err.text, text);
		abort();
	}
	if (n > cap)
		n = 0;
	memcpy(slots, wire, 8 * (size_t)n);
	free(wire);
	return n;
}
