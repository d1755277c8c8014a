/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* value.c - values and conditions of a checked tree as instructions (gen.c).  Doubles are compared as integers: key()
 * maps their bits so that the signed order is theirs and both zeroes are 0. */
#include "loader/filter/filter.h"
#include "vm/code.h"

#define DOUBLE_INF INT64_C(0x7ff0000000000000)
#define DOUBLE_ONE INT64_C(0x3ff0000000000000)

/* ---- values ---- */

static uint32_t operand(struct gen *g, const struct tree *t, uint32_t d);

/* A number in reg_at(d) converted; how: see helper filter_number. */
static void convert(struct gen *g, uint32_t d, int32_t how)
{
	gen_save(g, d);
	gen_op(g, W_MOV, 1, reg_at(d));
	gen_op(g, W_MOVK, 2, how);
	gen_call(g, gen_helper(g, FILTER_NUMBER), d);
}

static void context_value(struct gen *g, const struct tree *t, uint32_t d)
{
	uint32_t reg = reg_at(d);

	gen_save(g, d);
	gen_call(g, t->what, d);
	if (t->i == PART_LOW) {
		gen_op(g, W_LSHK, reg, 32);
		gen_op(g, W_ARSHK, reg, 32);
	} else if (t->i == PART_HIGH) {
		gen_op(g, W_ARSHK, reg, 32);
	}
}

static void value(struct gen *g, const struct tree *t, uint32_t d)
{
	uint32_t reg = operand(g, t, d);

	if (reg != reg_at(d))
		gen_op(g, W_MOV, reg_at(d), reg);
}

/* Doubles as bits, integers converted. */
static void floating(struct gen *g, const struct tree *t, uint32_t d)
{
	value(g, t, d);
	if (t->type == TREE_NUMBER)
		convert(g, d, 0);
}

static void element(struct gen *g, const struct tree *t, uint32_t d)
{
	const struct uebpf_field *field = t->what;

	gen_element(g, field, (uint32_t)t->i, reg_at(d));
	if (t->type == TREE_FLOATING && field->elem == 4)
		convert(g, d, 1);
}

/* A condition's 0 or 1; && and || keep their right side's value where that decides. */
static void truth(struct gen *g, const struct tree *t, uint32_t d)
{
	struct label yes = { 0 }, no = { 0 }, end = { 0 };
	struct way w = { &yes, &no, true };
	uint32_t have;

	if (t->kind == TREE_AND || t->kind == TREE_OR) {
		value(g, t->left, d);
		if (t->left->type == TREE_FLOATING)
			convert(g, d, 2);
		have = g->have;
		if (t->kind == TREE_OR) {
			gen_jump(g, W_JEQ, reg_at(d), 0, &no);
			gen_op(g, W_MOVK, reg_at(d), 1);
			gen_jump(g, W_JA, 0, 0, &end);
			gen_bind(g, &no);
		} else {
			gen_jump(g, W_JEQ, reg_at(d), 0, &end);
		}
		value(g, t->right, d);
		if (t->right->type == TREE_FLOATING)
			convert(g, d, 2);
		g->have = have;
		gen_bind(g, &end);
		return;
	}
	gen_cond(g, t, d, &w);
	gen_bind(g, &yes);
	gen_op(g, W_MOVK, reg_at(d), 1);
	gen_jump(g, W_JA, 0, 0, &end);
	gen_bind(g, &no);
	gen_op(g, W_MOVK, reg_at(d), 0);
	gen_bind(g, &end);
}

/* Value t while reg_at(d) keeps another one: beside it or, where registers are short, by way of the stack.  Its
 * register. */
static uint32_t beside(struct gen *g, const struct tree *t, uint32_t d)
{
	int32_t at;

	if (t->regs + d < g->room)
		return operand(g, t, d + 1);
	g->stack += 8;
	gen_stack(g, t, g->stack);
	at = -(int32_t)g->stack;
	gen(g, W_STX | W_DW, FP, reg_at(d), at, 0);
	value(g, t, d);
	gen_op(g, W_MOV, reg_at(d + 1), reg_at(d));
	gen(g, W_LDX | W_DW, reg_at(d), FP, at, 0);
	g->stack -= 8;
	return reg_at(d + 1);
}

/* Both operands, the one that needs more registers first; *swapped: the right one is in reg_at(d).  The
 * second one's register is returned. */
static uint32_t pair(struct gen *g, const struct tree *t, uint32_t d, bool *swapped)
{
	*swapped = t->right->regs > t->left->regs;
	value(g, *swapped ? t->right : t->left, d);
	return beside(g, *swapped ? t->left : t->right, d);
}

static void bits(struct gen *g, const struct tree *t, uint32_t d)
{
	static const uint8_t code[] = { 0x57, 0x47, 0xa7, 0x67, 0x77 };	/* & | ^ << >>, immediate */
	uint8_t op = code[t->kind - TREE_BIT_AND];
	bool shift = t->kind >= TREE_LSHIFT, swapped;
	uint32_t reg;

	if (t->right->kind == TREE_INT && t->right->i == (int32_t)t->right->i) {
		value(g, t->left, d);
		if (shift && (uint64_t)t->right->i > 63)	/* always; but what follows must look reachable */
			gen_jump(g, W_JEQ | W_X, reg_at(d), reg_at(d), &g->reject);
		else
			gen_op(g, op, reg_at(d), (int32_t)t->right->i);
		return;
	}
	reg = pair(g, t, d, &swapped);
	if (shift)
		gen_jump(g, W_JGT, swapped ? reg_at(d) : reg, 63, &g->reject);
	if (shift && swapped) {
		if (reg != reg_at(d + 1))
			gen_op(g, W_MOV, reg_at(d + 1), reg);
		gen_op(g, op | W_X, reg_at(d + 1), reg_at(d));
		gen_op(g, W_MOV, reg_at(d), reg_at(d + 1));
	} else {
		gen_op(g, op | W_X, reg_at(d), reg);
	}
}

static void unary(struct gen *g, const struct tree *t, uint32_t d)
{
	uint32_t reg = reg_at(d);

	value(g, t->left, d);
	if (t->kind == TREE_MINUS && t->type == TREE_FLOATING) {
		gen_const(g, reg_at(d + 1), INT64_MIN);
		gen_op(g, W_XOR, reg, reg_at(d + 1));
	} else if (t->kind == TREE_MINUS) {
		gen_op(g, W_NEG, reg, 0);
	} else if (t->kind == TREE_BIT_NOT) {
		gen_op(g, 0xa7, reg, -1);
	} else if (t->kind != TREE_PLUS && t->type != t->left->type) {
		convert(g, d, t->kind == TREE_TO_INT ? 2 : 0);
	}
}

/* The register that holds the value: reg_at(d), or a cached field's, not to be changed. */
static uint32_t operand(struct gen *g, const struct tree *t, uint32_t d)
{
	const struct uebpf_field *field = t->what;
	union { double d; int64_t i; } u;
	uint32_t reg;

	switch (t->kind) {
	case TREE_INT:
		gen_const(g, reg_at(d), t->i);
		break;
	case TREE_DOUBLE:
		u.d = t->d;
		gen_const(g, reg_at(d), u.i);
		break;
	case TREE_FIELD:
		reg = gen_field(g, field, reg_at(d));
		if (t->type != TREE_FLOATING || field->size == 8)
			return reg;
		if (reg != reg_at(d))
			gen_op(g, W_MOV, reg_at(d), reg);
		convert(g, d, 1);
		break;
	case TREE_REJECT:
		gen_jump(g, W_JA, 0, 0, &g->reject);
		gen_const(g, reg_at(d), 0);
		break;
	case TREE_CONTEXT: context_value(g, t, d); break;
	case TREE_INDEX: element(g, t, d); break;
	case TREE_TO_INT: case TREE_TO_DOUBLE: case TREE_PLUS: case TREE_MINUS: case TREE_BIT_NOT:
		unary(g, t, d);
		break;
	case TREE_BIT_AND: case TREE_BIT_OR: case TREE_BIT_XOR: case TREE_LSHIFT: case TREE_RSHIFT:
		bits(g, t, d);
		break;
	default:
		truth(g, t, d);
	}
	return reg_at(d);
}

/* ---- conditions ---- */

static int64_t key_of(double v)
{
	union { double d; int64_t i; } u = { .d = v };

	return u.i < 0 ? (int64_t)((uint64_t)INT64_MIN - (uint64_t)u.i) : u.i;
}

/* Bits of a double to its key; tmp is free. */
static void key(struct gen *g, uint32_t reg, uint32_t tmp)
{
	gen(g, W_JSGE, reg, 0, 4, 0);
	gen_const(g, tmp, INT64_MIN);	/* two slots */
	gen_op(g, W_SUB, tmp, reg);
	gen_op(g, W_MOV, reg, tmp);
}

static void skip_nan(struct gen *g, uint32_t reg, uint32_t tmp, struct label *nan)
{
	gen_const(g, tmp, DOUBLE_INF);
	gen_jump(g, W_JSGT | W_X, reg, tmp, nan);
	gen_const(g, tmp, -DOUBLE_INF);
	gen_jump(g, W_JSLT | W_X, reg, tmp, nan);
}

static const uint8_t signed_jump[] = { W_JEQ, W_JNE, W_JSLT, W_JSGE, W_JSGT, W_JSLE };

static void compare_doubles(struct gen *g, const struct tree *t, uint32_t d, const struct way *w)
{
	uint32_t a = reg_at(d), b = reg_at(d + 1), tmp = reg_at(d + 2);
	struct label *nan = t->kind == TREE_NE ? w->yes : w->no;
	bool constant = t->right->kind == TREE_DOUBLE;

	floating(g, t->left, d);
	if (constant && t->right->d != t->right->d) {
		gen_goto(g, t->kind == TREE_NE, w);
		return;
	}
	if (!constant) {	/* both sides, before a NaN decides: either may reject */
		uint32_t reg = beside(g, t->right, d);

		if (reg != b)
			gen_op(g, W_MOV, b, reg);
		if (t->right->type == TREE_NUMBER)
			convert(g, d + 1, 0);
	}
	key(g, a, tmp);
	if (!constant || t->kind > TREE_NE)
		skip_nan(g, a, tmp, nan);
	if (constant) {
		gen_const(g, b, key_of(t->right->d));
	} else {
		key(g, b, tmp);
		skip_nan(g, b, tmp, nan);
	}
	gen_branch(g, signed_jump[t->kind - TREE_EQ] | W_X, a, b, w);
}

static void compare(struct gen *g, const struct tree *t, uint32_t d, const struct way *w)
{
	uint8_t code = signed_jump[t->kind - TREE_EQ];
	const struct tree *l = t->left, *r = t->right;
	struct way turned = gen_turn(w);
	uint32_t reg;
	bool swapped;

	if (l->type == TREE_TEXT || l->type == TREE_PATTERN) {
		gen_text(g, t, d, w);
	} else if (l->type == TREE_FLOATING || r->type == TREE_FLOATING) {
		compare_doubles(g, t, d, w);
	} else if (r->kind == TREE_INT && r->i == (int32_t)r->i) {
		if (!r->i && t->kind <= TREE_NE && l->kind == TREE_BIT_AND)
			gen_cond(g, l, d, t->kind == TREE_NE ? w : &turned);
		else
			gen_branch(g, code, operand(g, l, d), (int32_t)r->i, w);
	} else {
		const struct tree *first = r->regs > l->regs ? r : l, *second = first == l ? r : l;
		uint32_t a = operand(g, first, d);

		swapped = first == r;
		reg = a == reg_at(d) ? beside(g, second, d) : operand(g, second, d);
		gen_branch(g, code | W_X, swapped ? reg : a, swapped ? a : reg, w);
	}
}

/* Is a double true?  As an operand of && and ||: cut to an integer first; of !: it is not 0. */
static void cond_double(struct gen *g, const struct tree *t, uint32_t d, bool cut, const struct way *w)
{
	uint32_t reg = reg_at(d), tmp = reg_at(d + 1);

	value(g, t, d);
	gen_op(g, W_LSHK, reg, 1);
	gen_const(g, tmp, cut ? (int64_t)((uint64_t)DOUBLE_ONE << 1) : 0);
	gen_branch(g, (cut ? W_JGE : W_JNE) | W_X, reg, tmp, w);
}

void gen_cond(struct gen *g, const struct tree *t, uint32_t d, const struct way *w)
{
	const struct tree *r = t->right;
	struct way turned = gen_turn(w);

	if (t->type == TREE_FLOATING || (t->kind == TREE_TO_INT && t->left->type == TREE_FLOATING)) {
		cond_double(g, t->type == TREE_FLOATING ? t : t->left, d, true, w);
	} else if (is_comparison(t->kind)) {
		compare(g, t, d, w);
	} else if (t->kind == TREE_AND || t->kind == TREE_OR) {
		gen_chain(g, t, d, w);
	} else if (t->kind == TREE_NOT && t->left->type == TREE_FLOATING) {
		cond_double(g, t->left, d, false, &turned);
	} else if (t->kind == TREE_NOT) {
		gen_cond(g, t->left, d, &turned);
	} else if (t->kind == TREE_INT) {
		gen_goto(g, t->i != 0, w);
	} else if (t->kind == TREE_REJECT) {
		gen_jump(g, W_JA, 0, 0, &g->reject);
	} else if (t->kind == TREE_BIT_AND && r->kind == TREE_INT && r->i == (int32_t)r->i) {
		gen_branch(g, W_JSET, operand(g, t->left, d), (int32_t)r->i, w);
	} else {
		gen_branch(g, W_JNE, operand(g, t, d), 0, w);
	}
}
