/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* update.c - what counters are made of, r = memory; r op= x; memory = r with r dead after it, as one instruction on
 * memory.  The store may go by a register that was made from the load's base and index just before (the load has
 * often overwritten its index); where nobody else reads that register it is not made.  Not in checked code. */
#include "jit/x86_64/jc.h"

static bool same_place(const struct jc *c, uint32_t i)
{
	const struct insn *load = &c->code->insn[i], *store = load + 2, *lea = load - 1;

	if (store->op == load->op + 1)
		return store->dst == load->src && store->off == load->off && (!isa_indexed(load->op) ||
		       (store->imm_lo == load->imm_lo && (load->imm_lo & 15) != load->dst));
	return i && lea->op == OP_LEAX64 && !(c->flow.mark[i] & FLOW_TARGET) && lea->dst == store->dst &&
	       lea->dst != lea->src && lea->dst != (lea->imm_lo & 15) && lea->src == load->src &&
	       lea->imm_lo == load->imm_lo && load->off == lea->off + store->off;
}

/* Is instruction i, a load, the first of them? */
static bool updates(const struct jc *c, uint32_t i)
{
	const struct insn *load = &c->code->insn[i], *alu = load + 1, *store = load + 2;
	uint32_t size = isa_op[load->op].size;
	bool k;

	if (i + 3 > c->code->n || alu->dst != load->dst || store->src != load->dst || store->dst == load->dst ||
	    (store->op != load->op + 1 && (!isa_indexed(load->op) || store->op != OP_STX_W + (load->op - OP_LDI_W) / 2 * 3)))
		return false;
	k = isa_op[alu->op].shape == SHAPE_ALU_K;
	return !c->checked && c->rules & RULE_UPDATE && !((c->flow.mark[i + 1] | c->flow.mark[i + 2]) & FLOW_TARGET) &&
	       emit_group1(alu->op) >= 0 && (size < 8 || isa_op[alu->op].flags & OPF_WIDTH64) &&
	       (k ? !(c->flags & JIT_BLIND) && (size != 2 || x_fits8(alu->imm)) : alu->src != load->dst) &&
	       same_place(c, i) && !(flow_live_after(c->code, &c->flow, i + 2) >> load->dst & 1);
}
_Static_assert(OP_STX_W == OP_LD_W + 1 && OP_STX_DW == OP_LD_DW + 1 && OP_STX_DW == OP_STX_W + 9 && OP_LDI_DW == OP_LDI_W + 6 &&
	       OP_STI_W == OP_LDI_W + 1 && OP_STI_DW == OP_LDI_DW + 1,
	       "the store that goes with a load");

bool emit_update(struct jc *c, struct x_mem m)
{
	const struct insn *alu = c->in + 1;
	int size = isa_op[c->in->op].size;

	if (!is_own(c) || !updates(c, c->i))
		return false;
	if (isa_op[alu->op].shape == SHAPE_ALU_K)
		x_alu_mem_k(&c->b, size, (enum x_alu)emit_group1(alu->op), m, (int32_t)alu->imm);
	else
		x_alu_store(&c->b, size, (enum x_alu)emit_group1(alu->op), m, c->reg[alu->src], false);
	jc_hit(c, RULE_UPDATE);
	c->skip = 2;
	return true;
}

bool made_for_update(const struct jc *c)
{
	const struct insn *load = c->in + 1;

	return is_own(c) && c->i + 4 <= c->code->n && isa_indexed(load->op) && isa_op[load->op].shape == SHAPE_FUSED_LOAD &&
	       updates(c, c->i + 1) && !isa_indexed(load[2].op) && load[2].dst == c->in->dst && load[1].src != c->in->dst &&
	       !(flow_live_after(c->code, &c->flow, c->i + 3) >> c->in->dst & 1);
}
