/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verifier.h - proves that a decoded, linked program (vm/decode.c) cannot harm the host, and hands
 * out what was learned of each instruction.  Runs before code_bind; knows helpers, maps and program
 * types only through vm/desc.h. */
#ifndef UEBPF_VERIFIER_VERIFIER_H
#define UEBPF_VERIFIER_VERIFIER_H

#include "vm/code.h"

/* What the memory operand (or, for arithmetic, the pointer in dst) of an instruction is. */
enum fact_base {
	FACT_NONE,		/* no pointer, or never reached */
	FACT_CTX, FACT_STACK, FACT_VALUE, FACT_PACKET, FACT_MEM, FACT_OBJECT, FACT_ARENA,
	FACT_MIXED,		/* differs from path to path */
};
enum fact_flags {
	FACT_SEEN = 1,		/* some path reaches it; without: dead */
	FACT_FIXED = 2,		/* memory operand lies at `off` from its base, always */
	FACT_JUMPS = 4,		/* conditional jump: the taken edge is possible */
	FACT_CHANGES = 4,	/* arithmetic: dst may be another number after it than before */
	FACT_FALLS = 8,		/* the fall-through edge is possible */
	FACT_KEY = 16,		/* map helper: the key is the constant `key` on every path */
	FACT_RANGE = 32,	/* lo..hi hold for the result in dst (unsigned) */
	FACT_INSIDE = 64,	/* map helper: the key names an element of the array on every path */
	FACT_PLAIN = 64,	/* arithmetic: on some path no operand is an arena pointer, or the form is 32-bit */
	FACT_CTX_TOO = 128,	/* on some path the operand is the context or an arena: verify_layout changes it */
};
enum { FACT_NO_MAP = 0xffff, FACT_ANY_MAP = 0xfffe };
struct fact {
	uint8_t flags;		/* enum fact_flags */
	uint8_t base;		/* enum fact_base */
	uint16_t map;		/* index in code->map of a helper's map argument or value's map */
	int32_t off;
	uint32_t key;
	uint64_t lo, hi;
};

/* Where a slot comes from; strings live as long as the caller of verify says. */
struct verify_place {
	const char *file, *source;	/* "" if unknown */
	uint32_t line;			/* 0 if unknown */
};
/* A parameter of a subprogram that is verified on its own (from BTF). */
enum proto_kind { PROTO_SCALAR, PROTO_CTX, PROTO_MEM /* pointer to `size` bytes or NULL */ };
struct proto_arg { uint8_t kind; bool nonnull; uint32_t size; };
struct proto { uint32_t nr_args; struct proto_arg arg[5]; bool returns; };

/* Rules that a test switches off to see whether the fuzzers notice (never set by the library). */
#define VERIFY_RULES(R) \
	R(STACK_BOUNDS, "stack bounds") R(VALUE_BOUNDS, "value bounds") R(PACKET_BOUNDS, "packet bounds") \
	R(MEM_BOUNDS, "memory bounds") R(NULL, "null checks") R(PACKET_MOVED, "packet moved") \
	R(SPILL_CLOBBER, "spill clobber") R(UNINIT, "uninitialised registers") R(HELPER_SIZE, "helper sizes") \
	R(REFINE_EDGE, "branch edges") R(PRECISION, "precision") R(PRUNE_STACK, "stack when pruning") \
	R(PRUNE_RANGE, "ranges when pruning") R(RELEASE, "release") \
	R(CALLER_SAVED, "caller-saved registers") R(NARROW_FILL, "narrow fill") \
	R(LINKED_DELTA, "linked deltas") R(INDUCTION, "induction") R(ATOMIC_CLOBBER, "atomic clobber") \
	R(RDONLY, "read-only") R(ROUNDS, "rounds of callbacks") R(SCOPE, "end of callbacks")
enum verify_rule {
#define R(id, text) RULE_##id,
	VERIFY_RULES(R)
#undef R
	RULE_COUNT
};

struct verify_opts {
	uint32_t policy;		/* enum uebpf_policy */
	uint32_t log_level;		/* 0 short, 1 path, 2 states */
	uint64_t max_insns;		/* instructions explored, 0 = 1,000,000 */
	uint64_t max_ns;		/* 0 = 10 s */
	void (*log)(void *arg, const char *line);	/* NULL: no log */
	void *log_arg;
	bool (*place)(void *arg, uint32_t slot, struct verify_place *out);	/* NULL: unknown */
	void *place_arg;
	/* Prototype of the global subprogram that begins at `slot`; NULL or false: verified where called. */
	bool (*proto)(void *arg, uint32_t slot, struct proto *out);
	void *proto_arg;
	/* Compare every number when pruning, needed or not: more to explore, but then ranges of results hold on
	 * every path of the whole program, calls too.  Without it FACT_RANGE is handed out (of arithmetic and
	 * loads) only where no path arrives that was cut short because its numbers did not matter. */
	bool exact;
	uint32_t rules_off;		/* tests only: bit per enum verify_rule */
};
struct verify_result {
	struct fact *fact;		/* per decoded instruction */
	uint32_t n;
	/* Per subprogram, per 8 bytes of its frame counted down from r10: bytes (bit i: r10 - 8*(k+1) + i)
	 * that may be read before they are written, so must be zero on entry. */
	uint8_t *zero;
	uint32_t nr_sub, words;		/* zero[sub * words + k] */
	bool zeroes;			/* any bit set in zero */
	uint32_t ctx_need;		/* bytes of context (program's view) that are touched */
	uint32_t stack_depth;		/* bytes, of the deepest call chain */
	uint64_t insns, states, ns, bytes;	/* explored; kept at most; spent; memory at most */
	uint64_t rounds;		/* at most, of any loop that was summed up, each time it is entered */
	struct vm_host *host;
};

/* 0, or negative with *err: -EACCES (UEBPF_E_UNSAFE), -EINVAL (UEBPF_E_FORM), -E2BIG
 * (UEBPF_E_COMPLEX), -EOPNOTSUPP (UEBPF_E_UNSUPPORTED), -ENOMEM.  code->type, helpers, map, host and
 * stack_size are set.  *result is filled either way and freed with verify_free. */
int verify(const struct code *code, const struct verify_opts *opts, struct verify_result *result,
	   struct uebpf_error *err);
void verify_free(struct verify_result *result);

/* For trusted code: only which accesses are context accesses, for verify_layout (trusted.c).  Nothing is
 * proven.  *result is filled either way and freed with verify_free.  0, -E2BIG, -ENOMEM. */
int verify_trusted(const struct code *code, struct verify_result *result, struct uebpf_error *err);

/* Writes into the code what the facts say outright: a branch that only ever goes one way is a jump, a load
 * of what nobody can change any more is its constant.  The rewriter makes the most of it.  Instructions
 * stay where they are.  For a copy that is to run, after verify_layout: the program itself stays as it was
 * given.  Not for metered code, whose blocks are counted as they stood. */
void verify_apply(struct code *code, const struct verify_result *result);

/* Turns proven context accesses into loads and stores of the host's own struct (ctx_layout.c), and
 * sets what the facts allow: code->no_zero, frames' zeroing.  Instruction count may change; facts
 * and result->zero follow.  Before code_bind. */
int verify_layout(struct code *code, struct verify_result *result, struct uebpf_error *err);

#endif
