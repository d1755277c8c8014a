/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arms.h - every engine and mode that a case must run in; a new one is one row in arms.c.
 * Also the small descriptors (types, helpers) that data-driven and generated programs run with. */
#ifndef TESTS_UTIL_ARMS_H
#define TESTS_UTIL_ARMS_H

#include "vm/code.h"

struct arm {
	const char *name;
	bool checked;
	/* After code_prepare (compile ...); NULL: nothing to do.  -EOPNOTSUPP: not on this machine. */
	int (*ready)(const struct arm *arm, struct code *code, struct uebpf_error *err);
	int (*run)(const struct code *code, void *ctx, size_t len, struct uebpf_run *run, uint64_t *r0);
	void (*done)(struct code *code);	/* before code_free; NULL: nothing to do */
	bool metered;		/* trusted arms that count steps */
	bool main;		/* one of the few that long runs compare */
	uint32_t flags;		/* enum jit_flags */
	const char *no_rules;	/* NULL: all rules on */
	bool no_cpu;		/* without optional CPU features */
};
extern const struct arm arms[];
extern const size_t nr_arms;
/* The JIT without one rule of the rewriter or the emitter: arm k of NR of them, trusted and checked.
 * NULL: there is no k-th. */
const struct arm *rule_arm(size_t k);
/* How often each rule of the rewriter did something in arms since the start. */
extern uint64_t arm_hits[];
extern uint32_t arm_jit_hits[];		/* and of the emitter */
/* Prints both, of every rule that exists; all: each must have been hit. */
void arms_say_hits(bool all);

/* "raw", "packet" (xdp-like: data, data_end, data_meta; LD_ABS allowed), "fields"; NULL: unknown. */
const struct prog_type *test_type(const char *name);
extern const struct prog_type test_raw, test_packet, test_fields;
/* Helpers 0x10001 ..., see arms.c. */
extern const struct helper_table test_helpers;

/* Host struct of "fields"; the program's view is in arms.c. */
struct test_fields {
	uint64_t wide;		/* view: 4 bytes at 0, read-only, narrow */
	uint16_t small;		/* view: 4 bytes at 4, writable */
	uint32_t cb[4];		/* view: array at 8, writable */
	const char *text;	/* view: pointer at 24 */
	const void *mem;	/* view: pointer at 32 */
	uint64_t mem_len;
};

/* Decodes and prepares `slots` for an arm with the test types and helpers.  On error *code is freed. */
int arm_load(const struct arm *arm, struct code *code, const void *slots, uint32_t n,
	     const struct prog_type *type, struct uebpf_error *err);
/* The same with map 0 = test_map, whose one value is `memory`. */
int arm_load_memory(const struct arm *arm, struct code *code, const void *slots, uint32_t n,
		    const struct prog_type *type, void *memory, uint32_t bytes, struct uebpf_error *err);
void arm_free(const struct arm *arm, struct code *code);
/* Text to instructions (the caller frees); ends the test where it is none. */
void assemble(const char *text, void **slots, uint32_t *n);

#endif
