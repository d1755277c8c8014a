/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pieces_nested.c - a loop in a loop, which a goto behind it leads to (pieces.h). */
#include <stdbool.h>
#include "tests/gen/pieces_in.h"

void pieces_nested(struct text *t, const struct draw *d, uint32_t which)
{
	int outer = d->a, inner = d->b, with = d->c;
	unsigned head = d->l, out = head + 1, in = head + 2, end = head + 3, size = 1u << pick(t, 4);
	int rounds = 4 << pick(t, 3), k = (int)pick(t, 63), value = (int)pick(t, 3) ? (int)pick(t, 300) : 0;
	bool turned = pick(t, 2);

	(void)which;
	say(t, "r%d = %d\ngoto l%u\n", outer, (int)pick(t, 2), in);
	say(t, "l%u: r%d = r9\nr%d += r%d\nr%d = *(u%u *)(r%d + %d)\n", head, with, with, inner, with, 8 * size, with, k);
	if (pick(t, 4))
		say(t, "if r%d %s %d goto l%u\n", with, pick(t, 2) ? "==" : ">", value, pick(t, 4) ? out : end);
	if (pick(t, 2))
		say(t, "*(u32 *)(r9 + 248) = r%d\n", with);
	say(t, "r%d += %d\nif r%d != %d goto l%u\n", inner, 1 << pick(t, 2), inner, rounds, head);
	say(t, "l%u: r%d %s r%d\nr%d += 1\n", out, pick(t, 2) ? with : inner, pick(t, 2) ? "^=" : "+=", outer, outer);
	if (turned)
		say(t, "if r%d == %d goto l%u\n", outer, 2 + (int)pick(t, 3), end);
	else
		say(t, "if r%d < %d goto l%u\nr%d += 7\ngoto l%u\n", outer, 2 + (int)pick(t, 3), in, with, end);
	say(t, "l%u: r%d = 0\ngoto l%u\nl%u: r%d ^= r%d\n", in, inner, head, end, with, inner);
}
