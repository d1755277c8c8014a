/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes_in.h - between lanes.c and lanes_fit.c: a look at one loop. */
#ifndef UEBPF_VM_LANES_IN_H
#define UEBPF_VM_LANES_IN_H

#include "vm/lanes.h"

struct look {
	const struct code *code;
	const struct flow *flow;
	struct lanes *l;
	uint8_t most[LANE_REGS];	/* bits that the number of each register needs */
	uint16_t written, stepped;	/* registers; those of steps that this round has stepped */
	uint8_t least;			/* bytes of the narrowest element */
	uint32_t start;			/* the end of the straight line before the loop */
	uint32_t until;			/* where the jump that may skip this leads; 0: none */
};

static inline bool wide(const struct insn *in) { return isa_op[in->op].flags & OPF_WIDTH64; }
static inline bool has_bit(uint32_t set, unsigned reg) { return set >> reg & 1; }
static inline unsigned bits_of(uint64_t v) { return v ? 64 - (unsigned)__builtin_clzll(v) : 0; }

/* Is that an access of an element of an array that the loop steps through? */
bool lane_element(const struct look *k, const struct lane_mem *m);
/* Can lanes of k->l->size do this instruction?  To be asked of the body's, one after the other. */
bool lane_fits(struct look *k, const struct insn *in);

#endif
