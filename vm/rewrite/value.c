/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* value.c - rules of the walk (local.c) that follow from a known value: constants, branches whose
 * outcome is known, copies. */
#include "vm/rewrite/walk.h"

/* ---- constants ---- */

static void set_const(struct insn *in, uint64_t value)
{
	uint8_t dst = in->dst, steps = in->steps;

	*in = (struct insn){ .op = OP_MOV64_K, .dst = dst, .steps = steps, .imm = (int64_t)value };
	if (fits32((int64_t)value))
		return;
	in->op = OP_LDDW;
	if (value == (uint32_t)value) {
		in->op = OP_MOV32_K;
		in->imm = (int32_t)value;
	}
}

/* Register operand to immediate: the K form stands right before the X form in the table. */
void walk_constants(struct walk *w, struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	const struct known *k = &w->reg[in->src];

	if (!k->is_const || (!fits32(k->value) && ((in->op != OP_DIV64_X && in->op != OP_MOD64_X) || !w->rw->code->compiled)) ||
	    !rule_on(w->rw, RULE_FOLD))
		return;
	switch (shape) {
	case SHAPE_ALU_X:
		if (isa_op[in->op - 1].shape != SHAPE_ALU_K)	/* sign extensions, casts */
			return;
		in->op--;
		in->imm = k->value;
		break;
	case SHAPE_JCC_X:
		in->op--;
		in->imm = k->value;
		break;
	case SHAPE_STORE_X:
		if (isa_op[in->op].group == ISA_LINUX)
			return;
		in->op++;
		in->imm = k->value;
		w->rw->new_constants = true;
		break;
	default:
		return;
	}
	in->src = 0;
	hit(w->rw, RULE_FOLD);
}

void walk_fold(struct walk *w, struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	const struct known *d = &w->reg[in->dst], *s = &w->reg[in->src];
	bool k_form = shape == SHAPE_ALU_K, ok;
	uint64_t value;

	if (!rule_on(w->rw, RULE_FOLD))
		return;
	if ((shape == SHAPE_ALU_X && s->is_const && !(insn_reads(in) & 1u << in->dst)) ||
	    (shape == SHAPE_UN && d->is_const) || (k_form && d->is_const) ||
	    (shape == SHAPE_ALU_X && s->is_const && d->is_const)) {
		if (in->op == OP_MOV64_K || in->op == OP_MOV32_K)
			return;
		value = isa_eval((enum op)in->op, (uint64_t)d->value,
				 (uint64_t)(k_form ? in->imm : s->value), &ok);
		/* A copy is shorter than a number of 64 bits, which stands in front of a loop perhaps. */
		if (ok && (in->op != OP_MOV64_X || fits32((int64_t)value) || value == (uint32_t)value)) {
			set_const(in, value);
			hit(w->rw, RULE_FOLD);
		}
	}
}

/* if r == 0 where r is 1 or 0 by a comparison before. */
void walk_flag(struct walk *w, struct insn *in)
{
	const struct flag *f = &w->flag;
	const struct insn *jcc = &f->jcc;
	bool equal = in->op == OP_JEQ64_K || in->op == OP_JEQ32_K;
	enum op op = (enum op)jcc->op;

	if ((!equal && in->op != OP_JNE64_K && in->op != OP_JNE32_K) || in->imm < 0 || in->imm > 1 || in->dst != f->reg ||
	    !current(w, f->reg, f->ver) || !current(w, jcc->dst, f->dst_ver) ||
	    (isa_op[op].shape == SHAPE_JCC_X && !current(w, jcc->src, f->src_ver)) || !rule_on(w->rw, RULE_FLAG))
		return;
	if (equal != (f->taken == in->imm))
		op = flow_inverse(op);
	if (op == OP_BAD)
		return;
	*in = (struct insn){ .op = (uint16_t)op, .dst = jcc->dst, .src = jcc->src, .steps = in->steps, .off = in->off,
			     .imm = jcc->imm };
	hit(w->rw, RULE_FLAG);
}

void walk_branch(struct walk *w, struct insn *in)
{
	struct known *d = &w->reg[in->dst];
	enum rewrite_rule rule = d->is_const ? RULE_BRANCH : RULE_RANGE;
	int taken;

	if (isa_op[in->op].shape != SHAPE_JCC_K || !rule_on(w->rw, rule))
		return;
	taken = d->is_const ? isa_taken((enum op)in->op, (uint64_t)d->value, (uint64_t)in->imm) : range_decides(in, d);
	if (taken < 0) {
		range_refine(in, d);
		return;
	}
	hit(w->rw, rule);
	if (taken)
		*in = (struct insn){ .op = OP_JA, .steps = in->steps, .off = in->off };
	else
		drop(in);
}

/* ---- copies ---- */

static void replace_reg(struct walk *w, struct insn *in, bool is_src)
{
	uint8_t r = is_src ? in->src : in->dst, to = walk_copy_of(w, r);

	if (to == r || !rule_on(w->rw, RULE_COPY))
		return;
	if (is_src)
		in->src = to & 15;
	else
		in->dst = to & 15;
	hit(w->rw, RULE_COPY);
}

void walk_copies(struct walk *w, struct insn *in)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_X:
	case SHAPE_LOAD:
		replace_reg(w, in, true);
		break;
	case SHAPE_STORE_X:
		replace_reg(w, in, true);
		replace_reg(w, in, false);
		break;
	case SHAPE_STORE_K: case SHAPE_JCC_K:
		replace_reg(w, in, false);
		break;
	case SHAPE_JCC_X:
		replace_reg(w, in, true);
		replace_reg(w, in, false);
		break;
	default:
		break;
	}
}
