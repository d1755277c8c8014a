/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pieces.c - programs out of pieces that rewriting rules look for, with what nearly is one (pieces.h). */
#include <stdio.h>
#include "tests/gen/pieces_in.h"

const char *const width[4] = { "u8", "u16", "u32", "u64" };
const char *const alu[6] = { "+=", "-=", "*=", "|=", "&=", "^=" };

/* r9 is the memory; r0-r8 hold numbers.  Three different ones: */
static void three(struct text *t, int *a, int *b, int *c)
{
	*a = (int)pick(t, 9);
	do *b = (int)pick(t, 9); while (*b == *a);
	do *c = (int)pick(t, 9); while (*c == *a || *c == *b);
}

/* Numbers in registers. */
static void arithmetic(struct text *t, const struct draw *d, uint32_t which)
{
	int a = d->a, b = d->b, c = d->c, k = d->k, imm = d->imm;
	unsigned l = d->l;
	const char *w = d->w, *op = d->op;

	switch (which) {
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
	case 7: say(t, "r%d = r%d\nr%d %s r%d\n", a, b, c, op, a); break;
	case 8: say(t, "r%d = r%d\nr%d %s %d\n", a, b, a, pick(t, 2) ? "+=" : "-=", imm); break;
	case 9: say(t, "w%d = w%d\nw%d += %d\n", a, b, a, imm); break;
	case 10: say(t, "r%d = r%d\nr%d <<= %u\nr%d += r%d\n", a, b, a, pick(t, 3) + 1, a, c); break;
	case 11: imm = pick(t, 2) ? (1 << pick(t, 31)) + (int)pick(t, 3) - 1 : imm;
		say(t, "%c%d = %c%d\n%c%d *= %d\n", l & 4 ? 'w' : 'r', a, l & 4 ? 'w' : 'r', b, l & 4 ? 'w' : 'r', a, imm); break;
	case 12: say(t, "r%d %s %d\n", a, pick(t, 2) ? "/=" : "%=", imm); break;
	case 13: say(t, "w%d %s %d\n", a, pick(t, 2) ? "/=" : "%=", imm); break;
	case 14: {
		char z = l & 4 ? 'w' : 'r';

		op = alu[pick(t, 4) + 2];
		say(t, "%c%d *= 77\n%c%d %s %c%d\n%c%d %s %c%d\n%c%d = 5\n", z, a, z, a, op, z, b, z, a, op, z, c, z, pick(t, 2) ? b : c);
		break;
	}
	case 15: say(t, "r%d = r%d\nw%d = w%d\nr%d = *(%s *)(r9 + %u)\n", a, b, c, c, b, w, pick(t, 200)); break;
	case 17: {	/* a product and a sum; twice the same copy; a wide divisor */
		char z = l & 4 ? 'w' : 'r', y = pick(t, 9) ? z : 'r', x = l & 8 ? 'w' : 'r', v = pick(t, 9) ? x : 'r';

		say(t, "%c%d *= %d\n%c%d += %c%d\n", z, a, (2 << pick(t, 20)) + (pick(t, 2) ? 1 : -1), y, a, y, pick(t, 9) ? b : a);
		say(t, "%c%d = %c%d\nr%d += %d\n%c%d = %c%d\n", x, c, x, b, pick(t, 9) ? a : b, imm, v, c, v, b);
		if (!pick(t, 3))
			say(t, "r%d = %d\nr%d <<= %d\nr%d += %d\nr%d %s r%d\n", b, imm | 1, b, k, b, (int)pick(t, 3) - 1, a, pick(t, 2) ? "/=" : "%=", b);
		break;
	}
	case 16: say(t, "r%d = r%d\nr%d += %d\nr%d += r%d\n", a, b, a, (int)pick(t, 200) - 100, a, c); break;
	}
}

/* Addresses, loads and what is done with them. */
static void address(struct text *t, const struct draw *d, uint32_t which)
{
	int a = d->a, b = d->b, c = d->c, k = d->k, imm = d->imm;
	unsigned l = d->l;
	const char *w = d->w, *op = d->op, *cc = d->cc;

	switch (which) {
	case 0: say(t, "r%d = r9\nr%d += %u\nr%d = *(%s *)(r%d + %u)\n", a, a, pick(t, 100), b, w, a, pick(t, 100)); break;
	case 1: say(t, "r%d &= 63\nr%d = r9\nr%d += r%d\nr%d = *(%s *)(r%d + %u)\n", a, b, b, a, c, w, b, pick(t, 100)); break;
	case 2: say(t, "r%d &= 15\nr%d = r%d\nr%d <<= %u\nr%d = r9\nr%d += r%d\n*(%s *)(r%d + %u) = r%d\nr%d = 0\n", a,
		     b, a, b, pick(t, 3) + 1, c, c, b, w, c, pick(t, 60), a, c); break;
	case 3: say(t, "r%d = *(%s *)(r9 + %u)\nif %c%d %s %d goto l%u\nr%d += 3\nl%u: r%d = %d\n", a, w, pick(t, 200),
		     l & 4 ? 'w' : 'r', a, cc, imm, l, b, l, a, imm / 2); break;
	case 4: say(t, "r%d = *(%s *)(r9 + %u)\n%c%d %s %c%d\nr%d = 1\n", a, pick(t, 2) ? "u64" : "u32", pick(t, 200),
		     l & 4 ? 'w' : 'r', b, op, l & 4 ? 'w' : 'r', a, a); break;
	case 5: say(t, "r%d &= 63\nr%d = r9\nr%d += r%d\nr%d = r%d\nr%d += %d\nr%d = *(%s *)(r%d + %u)\n", a, b, b, a, a,
		     c, a, imm, b, w, b, pick(t, 100)); break;
	case 6: say(t, "*(%s *)(r10 - %d) = r%d\nr%d = *(%s *)(r9 + %u)\nr%d = *(%s *)(r10 - %d)\n", w, (k & 56) + 8, a, b,
		     width[pick(t, 4)], pick(t, 200), c, pick(t, 2) ? w : width[pick(t, 4)], (k & 56) + 8); break;
	case 7: say(t, "*(%s *)(r10 - %d) = %d\nr%d = r10\nr%d += -%d\nr%d = *(%s *)(r%d + 0)\nr%d = 1\n", w, (k & 56) + 8,
		     imm, a, a, (k & 60) + 8, b, width[pick(t, 4)], a, a); break;
	case 8:	/* an index that is shifted where it is */
		say(t, "r%d &= 15\nr%d <<= %u\nr%d = r9\nr%d += r%d\n", a, a, pick(t, 3) + 1, b, b, a);
		say(t, pick(t, 2) ? "r%d = *(%s *)(r%d + %u)\n" : "*(%2$s *)(r%3$d + %4$u) = r%1$d\n", pick(t, 8) ? c : a, w, b, pick(t, 60));
		say(t, "r%d = *(u8 *)(r%d + 3)\nr%d = 7\n", c, b, pick(t, 2) ? a : b);
		say(t, "r%d = 9\n", b);
		break;
	case 9:	/* a counter, also one of an array */
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
	}
}

/* Branches that come together again, and ways out. */
static void branch(struct text *t, const struct draw *d, uint32_t which)
{
	int a = d->a, b = d->b, c = d->c, k = d->k, imm = d->imm;
	unsigned l = d->l;
	const char *w = d->w, *op = d->op, *cc = d->cc;

	switch (which) {
	case 0: say(t, "r%d = %d\nif r%d %s %d goto l%u\nr%d ^= 5\nl%u:\n", a, imm, a, cc, (int)pick(t, 300), l, b, l); break;
	case 1: say(t, "if r%d %s %d goto +1\ngoto l%u\nr%d += 1\nl%u:\n", a, cc, imm, l, b, l); break;
	case 2: say(t, "if r%d %s r%d goto l%u\nr%d += 1\ngoto l%u\nl%u: goto l%u\nl%u: r%d -= 7\nl%u:\n", a, cc, b, l, c,
		     l + 1, l, l + 2, l + 1, a, l + 2); break;
	case 3: say(t, "if r%d == 5 goto l%u\nr%d = %u\nl%u: r%d += 3\nr%d += r%d\nif r%d > 60 goto l%u\ngoto l%u\n"
		     "l%u: r%d ^= 9\nl%u:\n", c, l + 1, a, pick(t, 30), l, a, b, a, a, l + 2, l, l + 1, b, l + 2); break;
	case 4: say(t, "if r%d & 1 goto l%u\nr%d += 5\ngoto l%u\nl%u: r%d += 9\nr%d ^= 3\nl%u: r%d ^= 3\nif r%d %s 7 goto l%u\n"
		     "r%d += 2\nl%u:\n", a, l, b, l + 1, l, b, c, l + 1, c, c, cc, l + 2, b, l + 2); break;
	case 5: say(t, "if r%d != %d goto l%u\nr0 = 77\ngoto out\nl%u:\n", a, (int)pick(t, 9), l, l); break;
	case 6: say(t, "r%d = *(%s *)(r9 + %u)\nif r%d > %d goto l%u\nr%d += %d\nif r%d %s %d goto l%u\nr%d ^= 77\nl%u:\n", a, w,
		     pick(t, 200), a, (int)pick(t, 400), l, a, (int)pick(t, 50) - 10, a, cc, (int)pick(t, 400), l, b, l); break;
	case 7: say(t, "r%d &= %d\n%c%d %s= %d\nif %c%d %s %d goto l%u\nr%d += 9\nl%u:\n", a, imm, l & 4 ? 'w' : 'r', a,
		     pick(t, 2) ? ">>" : pick(t, 2) ? "<<" : "+", k & 31, l & 8 ? 'w' : 'r', a, cc, (int)pick(t, 3000), l, b, l);
		break;
	case 8:	/* the larger, the smaller, one of two */
		if (pick(t, 2))
			say(t, "if %c%d %s %c%d goto l%u\n", l & 4 ? 'w' : 'r', a, cc, l & 4 ? 'w' : 'r', b, l);
		else
			say(t, "if %c%d %s %d goto l%u\n", l & 4 ? 'w' : 'r', a, cc, imm, l);
		if (pick(t, 2))
			say(t, "%c%d = %c%d\nl%u:\n", l & 8 ? 'w' : 'r', pick(t, 2) ? a : c, l & 8 ? 'w' : 'r', b, l);
		else
			say(t, "%c%d = %d\nl%u:\n", l & 8 ? 'w' : 'r', pick(t, 2) ? a : c, imm, l);
		break;
	case 9:	/* a block out of line */
		say(t, "if r%d %s %d goto l%u\nr%d += 3\ngoto l%u\nl%u: r%d ^= 77\nr0 = 5\ngoto out\nl%u: r%d *= r%d\nr%d += 5\n"
		    "r%d <<= 3\nr%d ^= 9\n", a, cc, imm, l, b, l + 1, l, a, l + 1, b, c, b, b, c);
		break;
	case 10: {	/* an outcome that is kept for later */
		int one = (int)pick(t, 2);

		say(t, "r%d = %d\nif %c%d %s %d goto l%u\nr%d = %d\nl%u:\n", a, one, l & 4 ? 'w' : 'r', b, cc, imm, l, a, !one, l);
		if (pick(t, 2))
			say(t, "r%d %s 3\n", pick(t, 2) ? b : c, op);
		if (pick(t, 2))
			say(t, "if r%d %s r%d goto l%u\nr%d = r%d\nl%u:\n", b, cc, c, l + 2, pick(t, 2) ? c : b, a, l + 2);
		say(t, "w%d &= 1\nif r%d %s %d goto l%u\nr%d += 3\nl%u:\n", a, a, l & 8 ? "==" : "!=", (int)pick(t, 2), l + 1, c, l + 1);
		break;
	}
	case 12: {	/* between two numbers, or not */
		static const char *const above[] = { ">", ">=", "s>", "s>=" }, *const below[] = { "<", "<=", "s<", "s<=" };
		unsigned sign = 2 * pick(t, 2), row = sign + pick(t, 2), inside = pick(t, 3);
		const char *other = inside ? above[row] : below[row], *first = above[sign + pick(t, 2)];
		int low = (int)pick(t, 300) - (sign ? 150 : 0), high = pick(t, 4) ? low + (int)pick(t, 100) : imm;
		char z = l & 4 ? 'w' : 'r', y = pick(t, 9) ? z : 'r';

		if (l & 8) {	/* the lower bound first */
			first = below[sign + pick(t, 2)];
			other = inside ? below[row] : above[row];
			k = low, low = high, high = k;
		}
		say(t, "if %c%d %s %d goto ", z, a, pick(t, 9) ? first : cc, high);
		inside ? say(t, "+1\n") : say(t, "l%u\n", l);
		say(t, "if %c%d %s %d goto l%u\nr%d ^= 9\nr%d *= r%d\nl%u: r%d += r%d\n", y, pick(t, 9) ? a : b, other, low, l, b, c, b, l, c, a);
		break;
	}
	case 11:	/* read on one way only */
		say(t, "%c%d %s %d\nr%d += %d\nif %c%d %s %c%d goto l%u\nr%d ^= r%d\nl%u: r%d = %d\n", l & 8 ? 'w' : 'r', a, op, imm,
		    pick(t, 3) ? c : b, imm / 2, l & 4 ? 'w' : 'r', b, cc, l & 4 ? 'w' : 'r', pick(t, 4) ? c : a, l, c, a, l, a, (int)pick(t, 9));
		break;
	}
}

/* Numbers and copies put together from smaller pieces. */
static void numbers_in_pieces(struct text *t, const struct draw *d, uint32_t which)
{
	int a = d->a, b = d->b, c = d->c, k = d->k;
	unsigned l = d->l;

	switch (which) {
	case 0:	/* words copied one by one, also where they overlap */
		for (int n = (int)pick(t, 5) + 2, at = k & 63, to = l & 4 ? at + (int)pick(t, 5) * 4 - 8 : (int)pick(t, 60) + 8; n; n--,
		     at += 8, to += 8)
			say(t, "r%d = *(u64 *)(r9 + %d)\n*(u64 *)(r%d %s %d) = r%d\n", a, at, l & 8 ? 9 : 10, l & 8 ? "+" : "-",
			    l & 8 ? to + 8 : 120 - (to & 56), a);
		say(t, "r%d = 3\n", a);
		break;
	case 1: {	/* a number from its halves */
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
	case 2: {	/* a copy in pieces */
		int s = 1 << pick(t, 3), o = (int)pick(t, 60), to = pick(t, 2) ? o + (int)pick(t, 20) - 9 : (int)pick(t, 60) + 70;

		for (int n = (int)pick(t, 6) + 2; n && to > 0; n--, o += s, to += s)
			say(t, "r%d = *(%s *)(r9 + %d)\n*(%s *)(r%d %s %d) = r%d\n", a, s == 1 ? "u8" : s == 2 ? "u16" : "u32", o,
			    s == 1 ? "u8" : s == 2 ? "u16" : "u32", l & 4 ? 9 : 10, l & 4 ? "+" : "-", l & 4 ? to : 200 - to, a);
		if (!(l & 4))
			say(t, "r%d = *(u64 *)(r10 - %d)\n", b, (int)pick(t, 16) * 8 + 8);
		say(t, "r%d = 1\n", a);
		break;
	}
	case 3: {	/* a number in pieces, one of which goes by the stack */
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
	}
}

/* What is stored side by side. */
static void stores_side_by_side(struct text *t, const struct draw *d, uint32_t which)
{
	int a = d->a, b = d->b, c = d->c, k = d->k;
	unsigned l = d->l;
	const char *w = d->w;

	switch (which) {
	case 0: k &= 56;
		for (int n = (int)pick(t, 4) + 1; n; n--, k += pick(t, 2) ? 8 : -8)
			say(t, "*(u64 *)(r%d %s %d) = %d\n", l & 4 ? 9 : 10, l & 4 ? "+" : "-", k + 64, (int)pick(t, 9) ? 0 : 5);
		break;
	case 1: {	/* constants side by side, up or down */
		int s = 1 << pick(t, 3), step = pick(t, 2) ? s : -s;

		for (int n = (int)pick(t, 9) + 2, o = (k & 31) + 64; n; n--, o += pick(t, 8) ? step : -step)
			say(t, "*(%s *)(r%d %s %d) = %d\n", s == 1 ? "u8" : s == 2 ? "u16" : "u32", l & 4 ? 9 : 10,
			    l & 4 ? "+" : "-", o, pick(t, 3) ? 0 : pick(t, 2) ? -1 : (int)pick(t, UINT32_MAX));
		say(t, "r%d = *(u64 *)(r10 - %d)\n", a, (k & 31) + 64);
		break;
	}
	case 2: {	/* a number stored in pieces */
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
	}
}

/* One of few numbers, in a loop or not (which): chains of tests that may split in two, and what is done for each. */
static void choice(struct text *t, const struct draw *d, uint32_t which)
{
	int plain = (int)pick(t, 2);	/* the numbers from 0 on, in order, and one question for all others */
	int a = d->a, b = d->b, c = d->c, arms = 2 + (int)pick(t, plain ? 4 : 9), from = plain ? 0 : (int)pick(t, 3), arm = 0;
	char z = d->l & 4 ? 'w' : 'r';
	unsigned l = d->l;

	say(t, "r%d = 0\nh%u:\nr%d = r9\nr%d += r%d\nr%d = *(u8 *)(r%d + %d)\n%c%d %s %d\n", b, l, a, a, b, a, a, d->k, z, a,
	    pick(t, 4) ? "&=" : "%=", plain ? 15 : 1 + (int)(pick(t, 3) ? pick(t, 4) * 4 + 3 : pick(t, 70)));
	for (; plain && arm < arms; arm++)
		say(t, "if %c%d %s %d goto a%u_%d\n", z, a, arm < arms - 1 ? "==" : "!=", arm, l, arm);
	for (int chain = 0, more = !plain; more; chain++) {
		say(t, "t%u_%d:\n", l, chain);
		more = chain < 4 && pick(t, 2);
		if (more)
			say(t, "if %c%d %s %d goto t%u_%d\n", z, a, pick(t, 2) ? ">" : "s>", from + arms / 2, l, chain + 1);
		for (int n = 1 + (int)pick(t, 4); n && arm < arms; n--, arm++)
			say(t, "if %c%d %s %d goto a%u_%d\n", pick(t, 20) ? z : 'r', a, n == 1 && pick(t, 2) ? "!=" : "==",
			    from + (pick(t, 9) ? arm : (int)pick(t, 70)), l, pick(t, 5) ? arm : (int)pick(t, (uint32_t)arms));
		if (pick(t, 2))
			say(t, "goto a%u_%d\n", l, (int)pick(t, (uint32_t)arms));
		else
			say(t, "r%d ^= %d\ngoto e%u\n", c, d->imm, l);
	}
	if (plain)
		say(t, "r%d ^= %d\ngoto e%u\n", c, d->imm, l);
	for (int k = 0; k < arms; k++) {
		say(t, "a%u_%d: r%d %s %d\n", l, k, c, pick(t, 2) ? "+=" : "*=", (int)pick(t, 99));
		if (pick(t, 5))
			say(t, "goto e%u\n", l);
	}
	say(t, "e%u: r%d += 1\n", l, b);
	if (which)
		say(t, "if r%d != %d goto h%u\n", b, 1 + (int)pick(t, 5), l);
}

static void piece(struct text *t, unsigned l)
{
	static const char *const cmp[] = { "==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&" };
	static const struct { void (*say)(struct text *t, const struct draw *d, uint32_t which); uint32_t n; } kinds[] = {
		{ arithmetic, 18 },
		{ address, 10 },
		{ branch, 13 },
		{ pieces_loop_memory, 5 },
		{ pieces_loop_ways, 8 },
		{ numbers_in_pieces, 4 },
		{ stores_side_by_side, 3 },
		{ choice, 2 },
		{ pieces_nested, 1 },
	};
	struct draw d = { .k = (int)pick(t, 63) + 1, .l = l };
	uint32_t which, kind = 0, all = 0;

	d.w = width[pick(t, 4)];
	d.op = alu[pick(t, 6)];
	d.cc = cmp[pick(t, 11)];
	d.imm = (int)pick(t, 5) ? (int)pick(t, 300) : (int)pick(t, UINT32_MAX);
	three(t, &d.a, &d.b, &d.c);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		all += kinds[i].n;
	which = pick(t, all);
	while (which >= kinds[kind].n)
		which -= kinds[kind++].n;
	kinds[kind].say(t, &d, which);
}

void compose_pieces(struct text *t, uint64_t from)
{
	unsigned label = 0;

	t->n = 0;
	t->random = (from + 1) * 0x9e3779b97f4a7c15u | 1;
	say(t, "r9 = r1\n");
	for (int r = 0; r < 9; r++)
		say(t, "r%d = *(u64 *)(r9 + %d)\n", r, 8 * r);
	for (unsigned k = 2 + pick(t, 12); k; k--)
		piece(t, label++ * 4);
	for (int r = 1; r < 9; r++)
		say(t, "*(u64 *)(r9 + %d) = r%d\n", 176 + 8 * r, r);
	say(t, "out: exit\n");
}
