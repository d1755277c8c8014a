/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gen.c - eBPF from a checked tree, as one would write it by hand: conditions become jumps, a
 * field that is asked for several times is loaded once, the filter leaves where it is decided.  Here:
 * instructions, fields, calls and the program as a whole; values and conditions are in value.c, texts in text.c.
 *
 * Registers: 0, 2, 3, 4, 5 evaluate (reg_at); the context is in r1, or r6 when helpers are called; loaded
 * fields stay in what evaluation leaves over, or in r7-r9. */
#include <errno.h>
#include "loader/filter/filter.h"
#include "vm/code.h"

enum { SLOTS_MAX = 32000 };		/* jumps have 16 bits */

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

void gen_element(struct gen *g, const struct uebpf_field *field, uint32_t i, uint32_t reg)
{
	uint32_t at = i * field->elem;

	if (field->size_field) {
		gen_count(g, field, reg);
		gen_jump(g, W_JLT, reg, (int32_t)(at + field->elem), &g->reject);
	}
	if (field->kind == UEBPF_FIELD_MEM)
		gen(g, load_code(field, field->elem), reg, gen_field(g, field, reg), (int32_t)at, 0);
	else
		gen_load(g, load_code(field, field->elem), reg, field, at);
	finish_number(g, field, reg, field->elem);
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
