/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gen.h - random programs from vm/isa.def.
 *
 * gen_program makes programs that the kernel's verifier accepts and that tell everything: registers
 * begin with constants and with values from memory, the body mixes every row that is allowed with
 * forward jumps, bounded loops, local calls, stack and memory accesses and atomics, and the end stores
 * all registers and the stack slots to memory.  No pointer stays in a register, so results compare
 * between engines.  gen_wild makes anything that decodes, for looking whether a checked run holds.
 *
 * The memory is the value of map 0 (LD_MAPVAL); gen_memory fills it from the same seed. */
#ifndef TESTS_GEN_GEN_H
#define TESTS_GEN_GEN_H

#include "vm/code.h"

enum {
	GEN_INPUT = 0,		/* 10 words: what registers begin with */
	GEN_SCRATCH = 80,	/* bytes that programs read and write */
	GEN_SCRATCH_LEN = 96,
	GEN_OUT = 176,		/* 10 registers, then GEN_SLOTS stack slots */
	GEN_SLOTS = 8,
	GEN_BYTES = GEN_OUT + (10 + GEN_SLOTS) * 8,
	GEN_MAX = 4096,		/* slots of a program */
};

struct gen {
	/* options */
	bool allow[OP_COUNT];		/* rows that may appear; gen_init: all that a wire slot can have */
	bool kernel;			/* keep to forms that the kernel accepts (shift counts, divisors) */
	bool extend_cmpxchg;		/* w0 = w0 after each 32-bit cmpxchg */
	bool forget_stack;		/* stack slots that an atomic works on get a value from memory first */
	uint32_t elements;		/* length of the body, 0: random up to 60 */
	/* result */
	uint8_t slots[GEN_MAX * 8];
	uint32_t n;
	/* state */
	uint64_t seed, random;
	struct { uint32_t at, left; bool wide; } pending[64];
	uint32_t nr_pending;
	uint32_t reserved;		/* registers that the body must not write */
	uint32_t calls[32], nr_calls;	/* slots of local calls and their callee */
	uint8_t callee[32];
	uint32_t stack_slots;
	bool overflow;
};

void gen_init(struct gen *g);
/* Makes the program of `seed`; the same options and seed make the same program. */
void gen_program(struct gen *g, uint64_t seed);
void gen_wild(struct gen *g, uint64_t seed, bool helpers);
/* Slots of something that compilers write (idioms.c); *base: the register that must hold the address of the
 * scratch memory, -1: none.  0: what was drawn does not fit here. */
uint32_t gen_idiom(struct gen *g, uint8_t *slots, uint32_t cap, int *base);
void gen_memory(uint64_t seed, uint8_t memory[GEN_BYTES]);
uint64_t gen_random(uint64_t *state);
/* Operands that break things: 0, 1, -1, powers of two and their neighbours, anything. */
uint64_t gen_value(uint64_t *state);

#endif
