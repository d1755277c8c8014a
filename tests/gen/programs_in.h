/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* programs_in.h - what the files of the generator of programs share.  Registers by custom: r0-r5 and r9 hold
 * numbers; r6 context or memory, r7 packet data or memory, r8 packet end or length. */
#ifndef TESTS_GEN_PROGRAMS_IN_H
#define TESTS_GEN_PROGRAMS_IN_H

#include <string.h>
#include "tests/gen/programs.h"
#include "verifier/verifier.h"
#include "vm/insn.h"

enum called { CALLED_LOOP, CALLED_ELEM, CALLED_DRAIN };
struct made_work {
	uint8_t *slots;
	uint32_t n;
	enum made_type type;
	uint32_t depth, loops, budget;
	/* Calls of subprograms, to be patched with their start.  tail: has a tail call; global: verified alone, by
	 * its prototype; as: the earlier call whose subprogram it is, or itself. */
	struct { int at, as; bool tail, global; } sub_call[8];
	int nr_sub_calls;
	struct { int load; enum called how; bool keeps; } cb[4];	/* keeps: an argument in the counter's place */
	int nr_cb;
	bool in_sub;
	int focus;
	uint32_t exits[64], nr_exits;
};
extern struct made_work made_work;

static inline uint32_t below(uint32_t n) { return (uint32_t)(made_random() % n); }
static inline bool chance(uint32_t percent) { return below(100) < percent; }
static inline uint32_t emit(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct raw_insn r = { code, dst, src, off, imm };

	if (made_work.n < MADE_SLOTS - 40)
		raw_store(made_work.slots + 8 * made_work.n++, r);
	return made_work.n - 1;
}
static inline void patch_off(uint32_t at)	/* jump at `at` leads here */
{
	struct raw_insn r = raw_load(made_work.slots + 8 * at);

	r.off = (int16_t)(made_work.n - at - 1);
	raw_store(made_work.slots + 8 * at, r);
}
static inline void mov_k(int d, int32_t k) { emit(0xb7, (uint8_t)d, 0, 0, k); }
static inline void mov_x(int d, int s) { emit(0xbf, (uint8_t)d, (uint8_t)s, 0, 0); }
static inline void add_k(int d, int32_t k) { emit(0x07, (uint8_t)d, 0, 0, k); }
static inline void add_x(int d, int s) { emit(0x0f, (uint8_t)d, (uint8_t)s, 0, 0); }

/* registers for numbers: r0-r5, r9; r6 context or memory, r7 data, r8 end or length */
static inline int num(void)
{
	static const int r[] = { 0, 1, 2, 3, 4, 5, 9 };

	return r[below(7)];
}

static inline void ld_map(int d, int map)
{
	emit(0x18, (uint8_t)d, 5, 0, map);
	emit(0, 0, 0, 0, 0);
}

static inline void leave(uint32_t jump)	/* this jump leaves the function */
{
	if (made_work.nr_exits < 64)
		made_work.exits[made_work.nr_exits++] = jump;
	else
		patch_off(jump);
}


int32_t made_odd(void);		/* a number that sits at some edge */
uint8_t made_jump(void);	/* a comparison's code */
void made_bounded(int reg, uint32_t bound);	/* a number with a bound, mostly */
void made_unknown(int reg);
void made_access(int base, int32_t size);
void made_body(int pieces);
void part_packet(void);
void part_packet_load(void);
void part_lookup(void);
void part_stack(void);
void part_sized(void);
void part_record(void);
void part_loop(void);
void part_callback(void);
void part_iterator(void);
void part_subcall(void);
void part_copy(void);
void part_merge(void);
void part_tail(void);
void part_dynptr(void);
void part_halves(void);
void part_back(void);
void part_linked(void);
void part_widths(void);
void part_atomic(void);
void part_lock(void);
void part_meta(void);
void part_may_goto(void);
void part_region_loop(void);
void made_rounds(int reg);	/* how often a callback is to be called */
void made_callbacks(struct made *out);	/* bodies of the callbacks and subprograms that were called */
void made_subprograms(struct made *out);

#endif
