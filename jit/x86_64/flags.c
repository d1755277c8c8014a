/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* flags.c - r &= k and a jump on whether that is 0, with r dead after it: a test and the jump, be it of what was copied
 * to r or loaded just before.  And what has computed r has left its flags.  Not in checked code, nor in blinded. */
#include "jit/x86_64/jc.h"

bool emit_flags(struct jc *c, uint32_t behind, struct x_mem m)
{
	const struct insn *in = c->in, *and = in + behind, *jcc = and + 1;	/* none behind one that stands alone */
	uint32_t at = c->i + behind;
	int size = isa_op[in->op].size;
	bool wide;
	int64_t k;

	if (!jc_follows(c, c->i) || !jc_follows(c, at) || (and->op - (unsigned)OP_AND64_K) & ~2u ||
	    (jcc->op - (unsigned)OP_JEQ64_K) & ~18u || jcc->imm || and->dst != in->dst || jcc->dst != in->dst ||
	    !(c->rules & RULE_FLAGS) || c->flags & JIT_BLIND || flow_live_after(c->code, &c->flow, at + 1) >> in->dst & 1)
		return false;
	wide = isa_op[and->op].flags & isa_op[jcc->op].flags & OPF_WIDTH64;
	k = and->imm;
	if (!size) {
		x_test_k(&c->b, wide && in->op != OP_MOV32_X, m.base, (int32_t)k);
	} else {
		if (size < 4)
			k &= (1 << 8 * size) - 1;
		if (k >= 0 && k < 256)
			size = 1;
		else if (size == 2)	/* an immediate of 16 bits stalls the decoder of many processors */
			return false;
		else if (!wide)
			size = 4;
		x_test_mem_k(&c->b, size, m, (int32_t)k);
	}
	c->skip = behind;
	c->flags_at = at + 1;
	jc_hit(c, RULE_FLAGS);
	return true;
}

void keep_flags(struct jc *c)
{
	const struct insn *in = c->in, *jcc = in + 1;

	/* 32 bits of a result are all of it, but not of 64 */
	if (!jc_follows(c, c->i) || (jcc->op - (unsigned)OP_JEQ64_K) & ~18u || jcc->imm || jcc->dst != in->dst ||
	    !(c->rules & RULE_FLAGS) || isa_op[in->op].flags & ~isa_op[jcc->op].flags & OPF_WIDTH64)
		return;
	c->flags_at = c->i + 1;
	c->only_zero = true;	/* carry, sign and overflow are not those of a comparison with 0 */
	jc_hit(c, RULE_FLAGS);
}
_Static_assert(OP_AND32_K - OP_AND64_K == 2 && OP_JEQ32_K - OP_JEQ64_K == 2 && OP_JNE64_K - OP_JEQ64_K == 16, "emit_flags");
