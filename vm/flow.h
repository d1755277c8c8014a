/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* flow.h - control flow and liveness of decoded code, for the rewriter and the JIT. */
#ifndef UEBPF_VM_FLOW_H
#define UEBPF_VM_FLOW_H

#include "vm/code.h"

enum flow_mark {
	FLOW_TARGET = 1,	/* some jump leads here, or a subprogram begins */
	FLOW_LOOP = 2,		/* a backward jump leads here */
	FLOW_ONE = 4,		/* times the jumps that lead here (and the subprogram that begins), at most 63 of them */
};
/* Marks (zeroed, one byte an instruction) where jumps lead and subprograms begin.  Are there loops? */
bool flow_targets(const struct code *code, uint8_t *mark);
struct flow {
	uint32_t n;
	uint16_t *live;		/* registers whose value may still be read, before each instruction */
	uint8_t *mark;		/* enum flow_mark */
	bool loops;		/* some jump leads back */
};
/* 0 or -ENOMEM; free in either case.  Works on bound code. */
int flow_build(const struct code *code, struct flow *flow);
void flow_free(const struct code *code, struct flow *flow);
/* From outside, is [head, tail] entered at its head only, and by how many jumps (falling into it is none; where a
 * function begins counts as one)?  -1: elsewhere, or by very many.  Looks at [head, tail] only. */
int flow_enters_head(const struct code *code, const struct flow *flow, uint32_t head, uint32_t tail);
/* Registers live after instruction i. */
uint32_t flow_live_after(const struct code *code, const struct flow *flow, uint32_t i);

/* Registers that insn reads / writes, calls included (their arguments by contract; r0-r5 written). */
uint32_t flow_reads(const struct code *code, const struct insn *insn);
uint32_t flow_writes(const struct insn *insn);
static inline bool flow_is_jump(const struct insn *insn)
{
	return (1u << SHAPE_JCC_K | 1u << SHAPE_JCC_X | 1u << SHAPE_JA | 1u << SHAPE_FUSED_JUMP) >>
	       isa_op[insn->op].shape & 1;
}
static inline bool flow_is_goto(const struct insn *insn) { return insn->op == OP_JA || insn->op == OP_JA32; }
/* The op that jumps exactly when `op` does not; OP_BAD for JSET. */
enum op flow_inverse(enum op op);
/* Cycles until a result is there; roughly an x86-64 of these years. */
uint32_t flow_latency(const struct insn *insn);
bool flow_commutes(const struct insn *insn);	/* d = d op s = s op d, and so with a third */
bool flow_is_branch(const struct insn *insn);
/* `if c goto +1; r = x`, on which compilers use a conditional move. */
bool flow_selects(const struct insn *insn, uint32_t at);
static inline bool flow_falls(const struct insn *insn)
{
	return !flow_is_goto(insn) && insn->op != OP_EXIT;
}

/* Does insn use r10 only as the base of an access?  Where, and is it a store? */
bool flow_frame_access(const struct insn *insn, int32_t *off, bool *store);
/* How one subprogram uses its frame. */
struct flow_stack {
	bool used;
	bool escapes;		/* the frame's address goes where it cannot be followed */
	int32_t low;		/* lowest offset from r10 that is touched (negative); -stack_size if it escapes */
	/* Bytes that may be read before they are written, one bit each, bit 0 = r10 - 1; only when the
	 * frame does not escape and is at most 512 bytes, else zero_all. */
	bool zero_all;
	uint64_t zero[8];
};
int flow_stack(const struct code *code, const struct flow *flow, uint32_t sub, struct flow_stack *out);

#endif
