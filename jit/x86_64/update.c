/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* update.c - what counters are made of, r = memory; r op= x; memory = r with r dead after it, as one instruction on
 * memory.  The store may go by a register that was made from the load's base and index just before (the load has
 * often overwritten its index); where nobody else reads that register it is not made.  Not in checked code. */
#include "jit/x86_64/jc.h"

/* enum x_alu of what x86 does to memory; X_CMP: nothing */
static enum x_alu operation(uint16_t op)
{
	switch (op) {
#define FORMS(n) case OP_##n##64_K: case OP_##n##64_X: case OP_##n##32_K: case OP_##n##32_X
	FORMS(ADD): return X_ADD;
	FORMS(SUB): return X_SUB;
	FORMS(OR): return X_OR;
	FORMS(AND): return X_AND;
	FORMS(XOR): return X_XOR;
#undef FORMS
	default: return X_CMP;
	}
}

static bool same_place(const struct jc *c, uint32_t i)
{
	const struct insn *load = &c->code->insn[i], *store = load + 2, *lea = load - 1;

	if (!isa_indexed(load->op))
		return store->dst == load->src && store->off == load->off;
	return i && lea->op == OP_LEAX64 && !(c->flow.mark[i] & FLOW_TARGET) && lea->dst == store->dst &&
	       lea->dst != lea->src && lea->dst != (lea->imm_lo & 15) && lea->src == load->src &&
	       lea->imm_lo == load->imm_lo && load->off == lea->off + store->off;
}

/* Is instruction i the load? */
static bool updates(const struct jc *c, uint32_t i)
{
	const struct insn *load = &c->code->insn[i], *alu = load + 1, *store = load + 2;
	uint8_t size = isa_op[load->op].size;
	bool k;

	if (c->checked || !(c->rules & RULE_UPDATE) || i + 3 > c->code->n ||
	    (c->flow.mark[i + 1] | c->flow.mark[i + 2]) & FLOW_TARGET || operation(alu->op) == X_CMP)
		return false;
	k = isa_op[alu->op].shape == SHAPE_ALU_K;
	return alu->dst == load->dst && (k || alu->src != load->dst) &&
	       (size < 8 || isa_op[alu->op].flags & OPF_WIDTH64) && isa_op[store->op].shape == SHAPE_STORE_X &&
	       isa_op[store->op].group != ISA_LINUX && isa_op[store->op].size == size && store->src == load->dst &&
	       store->dst != load->dst && !(k && c->flags & JIT_BLIND) && !(k && size == 2 && !x_fits8(alu->imm)) &&
	       same_place(c, i) && !(flow_live_after(c->code, &c->flow, i + 2) >> load->dst & 1);
}

bool emit_update(struct jc *c, struct x_mem m)
{
	const struct insn *alu = c->in + 1;
	int size = isa_op[c->in->op].size;

	if (!updates(c, c->i))
		return false;
	if (isa_op[alu->op].shape == SHAPE_ALU_K)
		x_alu_mem_k(&c->b, size, operation(alu->op), m, (int32_t)alu->imm);
	else
		x_alu_store(&c->b, size, operation(alu->op), m, c->reg[alu->src], false);
	c->skip = 2;
	return true;
}

bool made_for_update(const struct jc *c)
{
	const struct insn *load = c->in + 1;

	return c->i + 4 <= c->code->n && isa_indexed(load->op) && isa_op[load->op].shape == SHAPE_FUSED_LOAD &&
	       updates(c, c->i + 1) && load[2].dst == c->in->dst && load[1].src != c->in->dst &&
	       !(flow_live_after(c->code, &c->flow, c->i + 3) >> c->in->dst & 1);
}
