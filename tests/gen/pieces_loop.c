/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pieces_loop.c - pieces of programs (pieces.h) that are loops. */
#include "tests/gen/pieces_in.h"

/* Loops over memory. */
void pieces_loop_memory(struct text *t, const struct draw *d, uint32_t which)
{
	int a = d->a, b = d->b, c = d->c, k = d->k, imm = d->imm;
	unsigned l = d->l;
	const char *w = d->w, *op = d->op;

	switch (which) {
	case 0: say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\nr%d = *(u64 *)(r%d + 0)\nr%d %s r%d\nr%d += 8\n"
		     "if r%d != 128 goto l%u\n", a, l, b, b, a, b, b, c, pick(t, 2) ? "+=" : "^=", b, a, a, l); break;
	case 1: say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\n*(u32 *)(r%d + 4) = r%d\nr%d += 4\nif r%d < 64 goto l%u\n"
		     "r%d = 2\n", a, l, b, b, a, b, c, a, a, l, b); break;
	case 2: say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\nr%d = *(%s *)(r%d + %u)\n%c%d %s %c%d\n", a, l, b, b, a, b, w, b, k, l & 4 ? 'r' : 'w', b,
		     l & 8 ? "+=" : op, l & 4 ? 'r' : 'w', c);
		if (pick(t, 2))		/* it is stored, too */
			say(t, "*(%s *)(r9 + %d) = r%d\n", w, k, pick(t, 6) ? b : c);
		say(t, "r%d += 8\n%c%d = %c%d\nif r%d != 64 goto l%u\n", a, l & 4 ? 'r' : 'w', c, l & 4 ? 'r' : 'w', b, a, l);
		if (pick(t, 2))
			say(t, "r%d = 3\n", b);
		break;
	case 3:
		say(t, "r%d = 0\nl%u: r%d = r9\nr%d += r%d\nr%d = *(u64 *)(r%d + %d)\nr%d %s %s%d\n*(u64 *)(r%d + %d) = r%d\n"
		    "r%d += 8\nif r%d != 64 goto l%u\nr%d = 1\n", a, l, b, b, a, c, b, k & 56, c, op, l & 4 ? "r" : "", l & 4 ? (c + 1) % 9 : imm,
		    b, (int)pick(t, 12) * 4, c, a, a, l, c);
		break;
	case 4: {	/* the number of rounds comes from memory */
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
	}
}

/* Loops with one or two ways in, and out, and what they carry. */
void pieces_loop_ways(struct text *t, const struct draw *d, uint32_t which)
{
	int a = d->a, b = d->b, c = d->c, k = d->k, imm = d->imm;
	unsigned l = d->l;
	const char *w = d->w, *op = d->op, *cc = d->cc;

	switch (which) {
	case 0:	/* a loop entered in its middle, one of whose ways is a move */
		say(t, "r%d = 0\ngoto l%u\nl%u: r%d += r%d\nr%d += 1\nif r%d == %u goto l%u\nl%u: r%d = r9\nr%d += r%d\n"
		    "r%d = *(u8 *)(r%d + 0)\nif r%d %s %d goto l%u\nr%d = %d\ngoto l%u\nl%u:\n", a, l + 1, l, b, c, a, a, pick(t, 30) + 1,
		    l + 2, l + 1, c, c, a, c, c, c, cc, (int)pick(t, 300), l, c, (int)pick(t, 300), l, l + 2);
		break;
	case 1:	/* a large constant in a loop */
		say(t, "r%d = 0\nl%u: r%d = %u%u ll\nr%d ^= r%d\nr%d %s r%d\nif r%d > 1000 goto l%u\nr%d += 1\nif r%d != %u goto l%u\nl%u:\n", a, l, b,
		    pick(t, 9000) + 1000, pick(t, 1u << 30) + 1000000000u, b, a, c, op, b, c, l & 4 ? l + 1 : l + 2, a, a, pick(t, 20) + 1, l, l + 1);
		if (!(l & 4))
			say(t, "l%u:\n", l + 2);
		break;
	case 2: case 3: {	/* values that change places in a loop */
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
	case 4: case 5: {	/* a counter that goes round by way of a copy, with one limit or two */
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
	case 6:	/* a root, bit by bit: whether one is kept waits for what was kept */
		say(t, "r%d = %d\nr%d = 1\nr%d <<= %d\nl%u: r%d |= r%d\n", a, imm & 1, b, b, k % 8, l, c, a);
		say(t, "r%d |= r%d\nr%d *= r%d\nif r%d %s %d goto l%u\nr%d = r%d\n", c, b, c, c, c, cc, k * 99, l + 1, a, b);
		say(t, "l%u: r%d >>= 1\nif r%d != 0 goto l%u\n", l + 1, b, b, l);
		break;
	case 7:	/* ways on to the last block of a loop */
		say(t, "r%d = %d\nl%u: r%d = r9\nr%d += r%d\nr%d = *(u8 *)(r%d + %d)\n", a, (int)pick(t, 9), l, b, b, a, c, b, k);
		say(t, "if r%d %s %d goto l%u\nr%d = *(u8 *)(r%d + 1)\nr%d ^= 5\nif r%d %s %d goto l%u\n", c, cc, imm, l + 1, c, b, pick(t, 2) ? b : c, c, cc,
		    (int)pick(t, 256), pick(t, 4) ? l + 1 : l + 2);
		say(t, "r%d *= 3\nl%u: *(%s *)(r9 + %d) = r%d\nr%d += %d\nif r%d %s 7 goto l%u\nl%u: r%d = 3\n", c, l + 1, w, k + 70, c, a,
		    1 + (int)pick(t, 3), a, pick(t, 2) ? "<" : "s<=", l, l + 2, b);
		break;
	}
}
