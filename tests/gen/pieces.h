/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pieces.h - whole programs, composed at random from pieces that rewriting rules look for. */
#ifndef TESTS_GEN_PIECES_H
#define TESTS_GEN_PIECES_H

#include "tests/util/text.h"

/* Program number `from`: r1 points to at least 256 bytes of memory that it reads and writes. */
void compose_pieces(struct text *t, uint64_t from);

#endif
