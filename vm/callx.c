/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* callx.c - calls through a register that holds a helper's number.
 *
 * callx takes two kinds of value: the address of a subprogram (what clang emits for a function
 * pointer), and the number of a helper (what other user-space engines and the public conformance
 * suite mean).  Where the number is a constant set in the same basic block, the instruction becomes a
 * plain call, so that the verifier sees the helper's contract; else engines look it up in the run. */
#include <errno.h>
#include "vm/flow.h"
#include "vm/mem.h"

static void track(const struct code *code, const uint8_t *leader)
{
	uint64_t value[11] = { 0 };
	uint32_t known = 0;

	for (uint32_t i = 0; i < code->n; i++) {
		struct insn *insn = &code->insn[i];
		enum shape shape = isa_op[insn->op].shape;

		if (leader[i])
			known = 0;
		if (insn->op == OP_CALLX && known & 1u << insn->dst && value[insn->dst] < INT32_MAX &&
		    helper_find(code->helpers, (uint32_t)value[insn->dst])) {
			insn->op = OP_CALL;
			insn->imm = (int64_t)value[insn->dst];
			insn->dst = 0;
		}
		known &= ~insn_writes(insn);
		if (shape == SHAPE_CALL || shape == SHAPE_LOCAL || shape == SHAPE_CALLX)
			known &= ~0x3fu;
		if (insn->op == OP_MOV64_K || insn->op == OP_MOV32_K || insn->op == OP_LDDW) {
			value[insn->dst] = insn->op == OP_MOV32_K ? (uint32_t)insn->imm : (uint64_t)insn->imm;
			known |= 1u << insn->dst;
		}
	}
}

int code_resolve_callx(struct code *code, struct uebpf_error *err)
{
	uint32_t i = 0;
	uint8_t *leader;

	while (i < code->n && code->insn[i].op != OP_CALLX)
		i++;
	if (i == code->n || !code->helpers)
		return 0;
	leader = mem_alloc(code->host, code->n);
	if (!leader)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
	flow_targets(code, leader);
	track(code, leader);
	mem_free(code->host, leader, code->n);
	return 0;
}
