/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pieces_in.h - what the files of pieces share. */
#ifndef TESTS_GEN_PIECES_IN_H
#define TESTS_GEN_PIECES_IN_H

#include "tests/gen/pieces.h"

/* What a piece is about: three different registers, a number from 1 to 63, the first of four labels, a width, an
 * operation, a comparison, a constant.  l & 4 and l & 8 also choose, as labels go up. */
struct draw { int a, b, c, k; unsigned l; const char *w, *op, *cc; int imm; };

/* What w and op are drawn from. */
extern const char *const width[4], *const alu[6];

/* Piece number `which` of 5 and of 8. */
void pieces_loop_memory(struct text *t, const struct draw *d, uint32_t which);
void pieces_loop_ways(struct text *t, const struct draw *d, uint32_t which);
/* A loop in a loop. */
void pieces_nested(struct text *t, const struct draw *d, uint32_t which);

#endif
