/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* programs.h - random programs that look like what people write: bounds checks, look-ups, loops, spills,
 * callbacks, iterators, subprograms, records, dynptrs, tail calls, packet loads, locks, atomics; often with a check left
 * out or off by one.  For the verifier's tests.  The maps that they use are numbered as in enum made_map. */
#ifndef TESTS_GEN_PROGRAMS_H
#define TESTS_GEN_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

enum { MADE_SLOTS = 2000 };
/* raw: r1 memory, r2 its length */
enum made_type { MADE_RAW, MADE_XDP, MADE_SOCKET, MADE_TYPES };
enum made_map {
	MADE_ARRAY,		/* 4 elements of 64 bytes */
	MADE_HASH,		/* 48 bytes */
	MADE_RING,
	MADE_RDONLY,		/* array of 1, 8 bytes, programs only read it */
	MADE_PROGS,		/* program array of 4 */
	MADE_USER_RING,
	MADE_LOCK,		/* array of 2: struct bpf_spin_lock, 60 bytes */
	MADE_MAPS
};
/* What is called for bpf_iter_num_new and its kin: ids of the library's rows (helpers.def). */
enum { MADE_ITER_NEW = 0x7f00000d, MADE_ITER_NEXT, MADE_ITER_DESTROY };
/* Subprograms and callbacks in their order.  Global ones have the prototype
 * long long f(long long a, long long *b, int c), b may be NULL. */
enum { MADE_SUBS = 8, MADE_GLOBAL_ARGS = 3, MADE_GLOBAL_MEM = 8 };
struct made {
	uint8_t slots[MADE_SLOTS * 8];
	uint32_t n;
	enum made_type type;
	struct { uint32_t slot; bool global; } sub[MADE_SUBS];
	uint32_t nr_subs;
};
/* Program number `at`, the same each time.  focus: enum verify_rule whose absence is looked for, its kind of
 * code comes more often; -1: none.  only: the type wanted; MADE_TYPES: any. */
void make_program(struct made *out, uint64_t at, int focus, enum made_type only);
/* The random numbers that make them; tests take their inputs from there too. */
void made_seed(uint64_t seed);
uint64_t made_random(void);

#endif
