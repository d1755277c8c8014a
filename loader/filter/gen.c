/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gen.c - eBPF from a checked tree, as one would write it by hand: conditions become jumps, a
 * field that is asked for several times is loaded once, the filter leaves where it is decided.  Texts
 * are in text.c.
 *
 * Registers: 0, 2, 3, 4, 5 evaluate (reg_at); the context is in r1, or r6 when helpers are called; loaded
 * fields stay in what evaluation leaves over, or in r7-r9.  Doubles are compared as integers: key() maps
 * their bits so that the signed order is theirs and both zeroes are 0. */
#include <errno.h>
#include "loader/filter/filter.h"
#include "vm/code.h"

enum { SLOTS_MAX = 32000 };		/* jumps have 16 bits */
#define DOUBLE_INF INT64_C(0x7ff0000000000000)
#define DOUBLE_ONE INT64_C(0x3ff0000000000000)

/* ---- instructions ---- */

void gen_no_memory(struct gen *g)
{
	if (!g->failed)
		filter_no_memory(g->f);
	g->failed = true;
}

void gen(struct gen *g, uint8_t code, uint32_t dst, uint32_t src, int32_t off, int32_t imm)
{
	uint8_t *slot = g->failed ? NULL : arena_grow(&g->f->arena, g->slot, g->n, 8);

	if (!slot) {
		gen_no_memory(g);
		return;
	}
	g->slot = slot;
	raw_store(slot + (size_t)g->n++ * 8, (struct raw_insn){ code, (uint8_t)dst, (uint8_t)src, (int16_t)off, imm });
}

void gen_const(struct gen *g, uint32_t reg, int64_t v)
{
	if (v == (int32_t)v) {
		gen_op(g, W_MOVK, reg, (int32_t)v);
		return;
	}
	gen(g, W_LDDW, reg, 0, 0, (int32_t)v);
	gen(g, 0, 0, 0, 0, (int32_t)(v >> 32));
}

void gen_op(struct gen *g, uint8_t code, uint32_t dst, uint32_t operand)
{
	bool x = code & W_X;

	gen(g, code, dst, x ? operand : 0, 0, x ? 0 : (int32_t)operand);
}

void gen_jump(struct gen *g, uint8_t code, uint32_t dst, uint32_t operand, struct label *to)
{
	uint32_t *fix = arena_grow(&g->f->arena, to->fix, to->n, sizeof(*fix));

	if (!fix) {
		gen_no_memory(g);
		return;
	}
	to->fix = fix;
	fix[to->n++] = g->n;
	gen_op(g, code, dst, operand);
}

void gen_bind(struct gen *g, struct label *label)
{
	for (uint32_t i = 0; i < label->n && !g->failed; i++) {
		uint8_t *at = g->slot + (size_t)label->fix[i] * 8;
		struct raw_insn raw = raw_load(at);

		raw.off = (int16_t)(g->n - label->fix[i] - 1);
		raw_store(at, raw);
	}
	label->n = 0;
	label->fix = NULL;
}

static uint8_t opposite(uint8_t code)
{
	static const uint8_t other[16] = {	/* by the bits without source and width */
		[W_JEQ >> 4] = W_JNE, [W_JNE >> 4] = W_JEQ, [W_JGT >> 4] = W_JLE, [W_JLE >> 4] = W_JGT, [W_JGE >> 4] = W_JLT,
		[W_JLT >> 4] = W_JGE, [W_JSGT >> 4] = W_JSLE, [W_JSLE >> 4] = W_JSGT, [W_JSGE >> 4] = W_JSLT, [W_JSLT >> 4] = W_JSGE,
	};
	uint8_t to = other[code >> 4] & 0xf0;

	return to ? (uint8_t)(to | (code & 0x0f)) : 0;
}

void gen_goto(struct gen *g, bool is, const struct way *w)
{
	if (is != w->fall)
		gen_jump(g, W_JA, 0, 0, is ? w->yes : w->no);
}

void gen_branch(struct gen *g, uint8_t code, uint32_t dst, uint32_t operand, const struct way *w)
{
	uint8_t other = w->fall ? opposite(code) : code;

	if (other) {
		gen_jump(g, other, dst, operand, w->fall ? w->no : w->yes);
	} else {		/* JSET has no opposite */
		gen(g, code, dst, code & W_X ? operand : 0, 1, code & W_X ? 0 : (int32_t)operand);
		gen_jump(g, W_JA, 0, 0, w->no);
	}
}

/* The same question, the other answer. */
struct way gen_turn(const struct way *w)
{
	return (struct way){ w->no, w->yes, !w->fall };
}

/* ---- fields ---- */

static void relocate(struct gen *g, const struct uebpf_field *field, uint32_t at)
{
	struct filter_reloc *r = arena_grow(&g->f->arena, g->reloc, g->nr_relocs, sizeof(*r));

	if (!r) {
		gen_no_memory(g);
		return;
	}
	g->reloc = r;
	r[g->nr_relocs++] = (struct filter_reloc){ g->n, (uint16_t)field_index(g, field), (uint16_t)at };
}

void gen_load(struct gen *g, uint8_t code, uint32_t reg, const struct uebpf_field *field, uint32_t at)
{
	relocate(g, field, at);
	gen(g, code, reg, g->ctx, (int32_t)(field->offset + at), 0);
}

void gen_address(struct gen *g, uint32_t reg, const struct uebpf_field *field)
{
	gen_op(g, W_MOV, reg, g->ctx);
	relocate(g, field, 0);
	gen_op(g, W_ADDK, reg, (int32_t)field->offset);
}

void gen_count(struct gen *g, const struct uebpf_field *field, uint32_t reg)
{
	const struct uebpf_field *size = g->f->type->event;

	while (strcmp(size->name, field->size_field))	/* env_types.c saw that it is there */
		size++;
	gen_load(g, W_LDX | width_bits(size->size), reg, size, 0);
}

/* A loaded number of `size` bytes gets its byte order and sign. */
static void finish_number(struct gen *g, const struct uebpf_field *field, uint32_t reg, uint32_t size)
{
	if (field->bits) {	/* one shape, so that it can be fitted to other bits (core.c) */
		gen_op(g, W_LSHK, reg, 64u - field->bit - field->bits);
		gen_op(g, field->value == UEBPF_VALUE_SIGNED ? W_ARSHK : W_RSHK, reg, 64u - field->bits);
	}
	if (!field->big_endian || size == 1)
		return;
	gen(g, W_BE, reg, 0, 0, (int32_t)size * 8);
	if (field->value == UEBPF_VALUE_SIGNED && size < 8)
		gen(g, W_MOV, reg, reg, (int32_t)size * 8, 0);	/* sign-extending move */
}

static uint8_t load_code(const struct uebpf_field *field, uint32_t size)
{
	bool sign = field->value == UEBPF_VALUE_SIGNED && size < 8 && (!field->big_endian || size == 1) && !field->bits;

	return (uint8_t)((sign ? W_LDXS : W_LDX) | width_bits(size));
}

uint32_t gen_field(struct gen *g, const struct uebpf_field *field, uint32_t reg)
{
	uint32_t c = 0;

	while (c < g->nr_cached && g->cached[c] != field_index(g, field))
		c++;
	if (c < g->nr_cached) {
		reg = g->cache[c];
		if (g->have >> c & 1)
			return reg;
		g->have |= 1u << c;
	}
	gen_load(g, load_code(field, field->size), reg, field, 0);
	finish_number(g, field, reg, field->size);
	if (field->nullable)
		gen_jump(g, W_JEQ, reg, 0, &g->reject);
	return reg;
}

/* ---- calls ---- */

const struct helper *gen_helper(struct gen *g, enum gen_helper which)
{
	static const char names[][15] = { "filter_number", "filter_str", "filter_str_mem", "filter_mem", "filter_head" };

	if (!g->helper[which])
		g->helper[which] = helper_find_name(&g->f->helpers->table, names[which]);
	return g->helper[which];
}

void gen_stack(struct gen *g, const struct tree *t, uint32_t bytes)
{
	if (bytes > STACK_MAX && !g->failed) {
		filter_fail(g->f, t->column, UEBPF_E_LIMIT, "the filter needs %u bytes of stack for texts and values, there are "
			    "%d", bytes, STACK_MAX);
		g->failed = true;
	}
}

static int32_t spill(uint32_t d)
{
	return -8 * (int32_t)(d + 1);
}

void gen_save(struct gen *g, uint32_t d)
{
	for (uint32_t i = 0; i < d; i++)
		gen(g, W_STX | W_DW, FP, reg_at(i), spill(i), 0);
}

void gen_call(struct gen *g, const struct helper *h, uint32_t d)
{
	gen_op(g, W_CALL, 0, (int32_t)helper_id(h));
	if (d)
		gen_op(g, W_MOV, reg_at(d), 0);
	for (uint32_t i = 0; i < d; i++)
		gen(g, W_LDX | W_DW, reg_at(i), FP, spill(i), 0);
}

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

/* ---- values ---- */

static uint32_t operand(struct gen *g, const struct tree *t, uint32_t d);

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
	uint32_t at = (uint32_t)t->i * field->elem, reg = reg_at(d);

	if (field->size_field) {
		gen_count(g, field, reg);
		gen_jump(g, W_JLT, reg, (int32_t)(at + field->elem), &g->reject);
	}
	if (field->kind == UEBPF_FIELD_MEM)
		gen(g, load_code(field, field->elem), reg, gen_field(g, field, reg), (int32_t)at, 0);
	else
		gen_load(g, load_code(field, field->elem), reg, field, at);
	finish_number(g, field, reg, field->elem);
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

/* ---- the program ---- */

/* Fields that are used more than once stay in registers, as many as are free. */
static void choose_cached(struct gen *g, uint32_t regs)
{
	const struct filter *f = g->f;
	uint32_t room;

	for (uint32_t i = 0; i < f->type->nr_fields; i++)	/* sets.c may want two beside it */
		regs = f->uses[i] > SET_USES && regs < 3 ? 3 : regs;
	room = f->calls ? 3 : SPILLS - regs;
	for (uint32_t i = 0; i < f->type->nr_fields && g->nr_cached < room; i++)
		if (f->uses[i] > 1) {
			g->cache[g->nr_cached] = (uint8_t)(f->calls ? 9 - g->nr_cached : reg_at(SPILLS - 1 - g->nr_cached));
			g->cached[g->nr_cached++] = (uint16_t)i;
		}
}

bool filter_generate(struct gen *g, const struct tree *root)
{
	struct label yes = { 0 };
	struct way w = { &yes, &g->reject, true };

	if (root->kind == TREE_INT || root->kind == TREE_REJECT) {	/* no code that nothing reaches */
		gen_op(g, W_MOV32K, 0, root->kind == TREE_INT && root->i);
		gen_op(g, W_EXIT, 0, 0);
		return !g->failed;
	}
	g->ctx = g->f->calls ? 6 : 1;
	if (g->f->calls)
		gen_op(g, W_MOV, 6, 1);
	g->stack = 8 * SPILLS;
	choose_cached(g, root->regs);
	g->room = SPILLS - (g->f->calls ? 0 : g->nr_cached);
	gen_cond(g, root, 0, &w);
	gen_bind(g, &yes);
	gen_op(g, W_MOV32K, 0, 1);
	gen_op(g, W_EXIT, 0, 0);
	if (g->reject.n) {
		gen_bind(g, &g->reject);
		gen_op(g, W_MOV32K, 0, 0);
		gen_op(g, W_EXIT, 0, 0);
	}
	if (!g->failed && g->n > SLOTS_MAX) {
		filter_fail(g->f, root->column, UEBPF_E_TOO_LONG, "the program has %u instructions, a filter may have %d", g->n,
			    SLOTS_MAX);
		g->failed = true;
	}
	return !g->failed;
}
