/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.h - makes prepared code shorter and faster without changing what it does.  Both engines run
 * the result.  Works between code_mark and the engine. */
#ifndef UEBPF_VM_REWRITE_H
#define UEBPF_VM_REWRITE_H

#include "vm/flow.h"

enum rule_needs {
	NEEDS_FLOW = 1,		/* control flow and liveness */
	NEEDS_FACTS = 2,	/* the verifier's facts */
	MOVES_MEMORY = 4,	/* removes, merges, moves or reshapes memory accesses: off in checked code */
	MERGES_BLOCKS = 8,	/* off where steps are counted */
	ONLY_COMPILED = 16,	/* what it makes is slow to interpret */
};
/* name, needs, what it does */
#define REWRITE_RULES(RULE) \
	RULE(INLINE, "inline", NEEDS_FACTS | MOVES_MEMORY | MERGES_BLOCKS, "a helper call is its instructions") \
	RULE(THREAD, "thread", NEEDS_FLOW, "a jump to a jump goes to its end") \
	RULE(INVERT, "invert", NEEDS_FLOW, "if c goto +1; goto L becomes if !c goto L") \
	RULE(RETURN, "return", NEEDS_FLOW, "a jump to exit is an exit") \
	RULE(LOOPBACK, "loopback", NEEDS_FLOW, "if c goto out; goto head becomes if !c goto head; goto out") \
	RULE(TAILDUP, "taildup", NEEDS_FLOW, "a jump to a short block is a copy of the block") \
	RULE(PLACE, "place", NEEDS_FLOW, "a block that nothing but a goto leads to stands in the goto's place") \
	RULE(REST, "rest", NEEDS_FLOW, "tests for equality come behind the question for all that they leave, where that is most") \
	RULE(LIKELY, "likely", NEEDS_FLOW, "what only a branch leads to stands behind it, where that is the likelier way") \
	RULE(ENTER, "enter", NEEDS_FLOW | ONLY_COMPILED, "what ends in a goto to a loop stands in front of it") \
	RULE(LATCH, "latch", NEEDS_FLOW | ONLY_COMPILED, "a loop's last block, where jumps lead to it, stands in front of the first") \
	RULE(DIAMOND, "diamond", NEEDS_FLOW | ONLY_COMPILED, "if c goto L; r = x; goto L jumps over the move only") \
	RULE(FOLD, "fold", NEEDS_FLOW, "constants are propagated and folded") \
	RULE(BRANCH, "branch", NEEDS_FLOW, "a branch with a known outcome is a jump or nothing") \
	RULE(RANGE, "range", NEEDS_FLOW, "a branch that bounds decide is a jump or nothing") \
	RULE(FLAG, "flag", NEEDS_FLOW, "a branch on an outcome that was kept asks for what it came from") \
	RULE(FORWARD, "forward", NEEDS_FLOW | MOVES_MEMORY, "a load from the stack is the value stored there") \
	RULE(DEADSTORE, "deadstore", NEEDS_FLOW | MOVES_MEMORY, "what nobody loads is not stored on the stack") \
	RULE(COPY, "copy", NEEDS_FLOW, "a copy's source is used in its place") \
	RULE(DEAD, "dead", NEEDS_FLOW, "what nobody reads is not computed; unreachable code is dropped") \
	RULE(DEADLOAD, "deadload", NEEDS_FLOW | MOVES_MEMORY, "nor loaded") \
	RULE(SINK, "sink", NEEDS_FLOW, "what only one way reads is computed behind the branch") \
	RULE(ZEXT, "zext", NEEDS_FLOW, "zero extension of what is zero-extended already, or by two shifts") \
	RULE(MOVSX, "movsx", NEEDS_FLOW, "sign extension by two shifts") \
	RULE(ROTATE, "rotate", NEEDS_FLOW, "two shifts and an or are a rotation") \
	RULE(ADDRESS, "address", NEEDS_FLOW, "additions of constants move into the displacement") \
	RULE(PROMOTE, "promote", NEEDS_FLOW | MOVES_MEMORY, "a stack slot lives in a register that is free") \
	RULE(WIDEN, "widen", NEEDS_FLOW | MOVES_MEMORY, "neighbouring pieces are loaded and copied as one") \
	RULE(GATHER, "gather", NEEDS_FLOW | MOVES_MEMORY, "a number stored in pieces is stored as one") \
	RULE(MEMSET, "memset", NEEDS_FLOW | MOVES_MEMORY, "constants stored side by side are stored as one") \
	RULE(CHAIN, "chain", NEEDS_FLOW, "what comes last of a sum of three is added last") \
	RULE(HOIST, "hoist", NEEDS_FLOW | MOVES_MEMORY, "a load moves up to its address while that is whole") \
	RULE(INDEX, "index", NEEDS_FLOW | MOVES_MEMORY, "base + index << scale in one access") \
	RULE(INVARIANT, "invariant", NEEDS_FLOW | MERGES_BLOCKS, "an address that each round makes anew is made before the loop") \
	RULE(LEA, "lea", NEEDS_FLOW, "copy and add, shift and add in one instruction") \
	RULE(MUL3, "mul3", NEEDS_FLOW, "copy and multiply in one instruction") \
	RULE(CMPMEM, "cmpmem", NEEDS_FLOW | MOVES_MEMORY, "load, compare and branch in one instruction") \
	RULE(LOADOP, "loadop", NEEDS_FLOW | MOVES_MEMORY, "load and operate in one instruction") \
	RULE(REDUCE, "reduce", NEEDS_FLOW, "the sum of a loop is kept in the register that carries it round") \
	RULE(COUNTER, "counter", NEEDS_FLOW, "a counter that goes round by way of a copy stays in one register") \
	RULE(WHOLE, "lanes", NEEDS_FLOW | MOVES_MEMORY | MERGES_BLOCKS | ONLY_COMPILED, \
	     "a loop whose rounds can run side by side stays whole for the JIT, which does so") \
	RULE(UNROLL, "unroll", NEEDS_FLOW | MERGES_BLOCKS, "a short loop of known length is unrolled") \
	RULE(RENAME, "rename", NEEDS_FLOW, "a copy is another name for its source") \
	RULE(SCHEDULE, "schedule", NEEDS_FLOW | MOVES_MEMORY | ONLY_COMPILED, "what most waits for comes first in its block")

enum rewrite_rule {
#define RULE(id, name, needs, text) RULE_##id,
	REWRITE_RULES(RULE)
#undef RULE
	REWRITE_RULE_COUNT
};
extern const uint8_t rewrite_needs[REWRITE_RULE_COUNT];	/* enum rule_needs */

/* Names of rules in one string: each ends with a NUL, the last with two. */
extern const char rewrite_names[];
const char *rule_name(const char *names, int index);
int rule_index(const char *names, const char *name, size_t len);	/* -1: none is called so */
/* Bit per rule: set unless `list` ("rotate,fold" or "all"; NULL: none) has its name. */
uint64_t rules_not_in(const char *names, const char *list);

/* Rewrites in place; instructions that the caller made OP_BAD are left out.  no_rules: names that are off ("rotate,fold" or "all"); NULL: none off.  Names that
 * no rule has are the engine's and are passed over.  hits: how often each rule
 * did something, or NULL.  0 or -ENOMEM (the code is then as it was). */
int rewrite_code(struct code *code, const char *no_rules, uint32_t hits[REWRITE_RULE_COUNT]);
#endif
