/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* asm.c - text in clang's form to wire slots; the other direction is vm/text.c.
 *
 * One instruction a line; "name:" lines are labels; comments begin with //, # or ;.  What clang has no
 * text for is written: r1 = map(N) ll, map_value(N, OFF) ll, map_fd(N) ll, map_value_fd(N, OFF) ll,
 * btf_id(N, M) ll, func LABEL ll; call LABEL or call pc+N (a subprogram); call kfunc N.
 * No check beyond what a field can hold: refusing programs is the decoder's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "vm/asm_in.h"

/* ---- output ---- */

bool asm_emit(struct assembler *a, struct raw_insn raw)
{
	if (a->n == a->cap) {
		uint32_t cap = a->cap ? a->cap * 2 : 64;
		uint8_t *p = realloc(a->slots, (size_t)cap * 8);

		if (!p)
			return asm_no_memory(a);
		a->slots = p;
		a->cap = cap;
	}
	raw_store(a->slots + 8 * (size_t)a->n++, raw);
	return true;
}

bool asm_emit_op(struct assembler *a, enum op op, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct raw_insn raw = isa_wire(op);

	raw.dst = dst;
	raw.src = src;
	raw.off = off;
	raw.imm |= imm;		/* an atomic's stands there already */
	return asm_emit(a, raw);
}

/* ---- operands ---- */

bool asm_is_signed(struct assembler *a)
{
	asm_blanks(a);
	return *a->at == '+' || *a->at == '-';
}

/* "u32": size and sign. */
static bool type(struct assembler *a, struct operands *o)
{
	static const char names[7][4] = { "u8", "u16", "u32", "u64", "s8", "s16", "s32" };

	for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (asm_take(a, names[i])) {
			o->log = (uint8_t)(i & 3);
			o->size = (uint8_t)(1 << o->log);
			o->is_signed = i > 3;
			return true;
		}
	return asm_fail(a, "expected a type: u8 u16 u32 u64 s8 s16 s32");
}

/* "r2 + 0x4" or "r2". */
static bool place(struct assembler *a, struct operands *o)
{
	int64_t v = 0;
	bool w;

	if (!asm_need_reg(a, &o->base, &w) ||
	    (asm_is_signed(a) && !asm_need_number(a, INT16_MIN, INT16_MAX, &v)))
		return false;
	o->off = (int16_t)v;
	return true;
}

bool asm_scan(struct assembler *a, const char *form, struct operands *o)
{
	bool ok = true;

	for (; ok && *form; form++)
		ok = *form == 'T' ? type(a, o) : *form == 'P' ? place(a, o) :
		     *form == 'R' ? asm_need_reg(a, &o->src, &o->w) : asm_need(a, (char[2]){ *form });
	return ok;
}
bool asm_target(struct assembler *a, struct raw_insn *raw, bool wide)
{
	struct fixup f = { .slot = a->n, .line = a->line, .wide = wide };
	int64_t v = 0;

	asm_blanks(a);
	f.column = (uint32_t)(a->at - a->start) + 1;
	if (asm_is_signed(a)) {
		if (!asm_need_number(a, wide ? INT32_MIN : INT16_MIN, wide ? INT32_MAX : INT16_MAX, &v))
			return false;
	} else if (asm_name(a, f.name)) {
		if (!asm_grow(a, (void **)&a->fixup, a->nr_fixup, sizeof f))
			return false;
		a->fixup[a->nr_fixup++] = f;
	} else {
		return asm_fail(a, "expected a label or +N or -N");
	}
	if (wide)
		raw->imm = (int32_t)v;
	else
		raw->off = (int16_t)v;
	if (asm_take(a, "<"))	/* llvm-objdump's note of the symbol */
		while (*a->at && *a->at != '\n' && *a->at++ != '>')
			;
	return true;
}

bool asm_function(struct assembler *a, struct raw_insn *raw)
{
	asm_blanks(a);
	if (!strncmp(a->at, "pc+", 3) || !strncmp(a->at, "pc-", 3))
		a->at += 2;
	return asm_target(a, raw, true);
}

/* ---- statements ---- */

/* The row with this operator text among ALU or jump rows: base form is 64_K, then 64_X, 32_K, 32_X. */
static enum op operator_row(struct assembler *a, bool jump)
{
	static const struct { char text[5]; uint8_t op; bool jump; } rows[] = {
#define ALU(n, c, o, t, e) { t, OP_##n##64_K, false },
#define JCC(n, c, t, e) { t, OP_##n##64_K, true },
#include "vm/isa.def"
	};
	const char *best = NULL;
	enum op op = OP_BAD;

	asm_blanks(a);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t len = strlen(rows[i].text);

		if (rows[i].jump == jump && !strncmp(a->at, rows[i].text, len) && (!best || len > strlen(best))) {
			best = rows[i].text;
			op = (enum op)rows[i].op;
		}
	}
	if (best)
		a->at += strlen(best);
	else
		(asm_fail)(a, jump ? "expected a comparison" : "expected an operator");
	return op;
}

bool asm_operand(struct assembler *a, enum op row, bool w, struct raw_insn *raw)
{
	uint8_t src;
	bool src_w;

	if (asm_reg(a, &src, &src_w)) {
		if (src_w != w)
			return asm_fail(a, "operands of different width");
		*raw = isa_wire((enum op)(row + (w ? 3 : 1)));
		raw->src = src;
		return true;
	}
	*raw = isa_wire((enum op)(row + (w ? 2 : 0)));
	return asm_need_imm(a, w, &raw->imm);
}

static bool jump_if(struct assembler *a)
{
	struct raw_insn raw = { 0 };
	uint8_t dst;
	enum op row;
	bool w;

	if (!asm_need_reg(a, &dst, &w))
		return false;
	row = operator_row(a, true);
	if (row == OP_BAD || !asm_operand(a, row, w, &raw) || !asm_need(a, "goto"))
		return false;
	raw.dst = dst;
	return asm_target(a, &raw, false) && asm_emit(a, raw);
}

static bool call(struct assembler *a)
{
	struct raw_insn raw = isa_wire(OP_CALL);
	int64_t v;

	if (asm_take(a, "kfunc")) {
		raw = isa_wire(OP_CALL_KFUNC);
		return asm_need_imm(a, false, &raw.imm) && asm_emit(a, raw);
	}
	if (asm_is_signed(a) || text_digit(*a->at) < 10) {
		if (!asm_need_number(a, INT32_MIN, UINT32_MAX, &v))
			return false;
		raw.imm = (int32_t)(uint32_t)v;
		return asm_emit(a, raw);
	}
	raw = isa_wire(OP_CALL_LOCAL);
	return asm_function(a, &raw) && asm_emit(a, raw);
}

static bool store(struct assembler *a)
{
	static const sizes x = SIZES(STX), k = SIZES(ST);
	struct operands o;
	int32_t imm;

	if (!asm_scan(a, MEMORY "=", &o))
		return false;
	if (o.is_signed)
		return asm_fail(a, "stores have no sign: u8 u16 u32 u64");
	if (asm_reg(a, &o.src, &o.w))
		return asm_emit_op(a, x[o.log], o.base, o.src, o.off, 0);
	return asm_need_imm(a, o.size < 8, &imm) && asm_emit_op(a, k[o.log], o.base, 0, o.off, imm);
}

static bool locked(struct assembler *a)
{
	static const struct { char text[3]; uint8_t op; } rows[] = {
#define ATOMIC(n, i, t, e) { t, OP_##n##64 },
#include "vm/isa.def"
	};
	struct operands o;

	if (!asm_scan(a, "*" MEMORY, &o))
		return false;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!asm_take(a, rows[i].text))
			continue;
		if (o.size < 4 || o.is_signed)
			return asm_fail(a, "atomics work on u32 and u64");
		return asm_scan(a, "R", &o) && asm_emit_op(a, (enum op)(rows[i].op + (o.size == 4)), o.base, o.src, o.off, 0);
	}
	return asm_fail(a, "expected += |= &= ^=");
}

static bool release(struct assembler *a)
{
	static const sizes ops = SIZES(STREL);
	struct operands o;

	if (!asm_scan(a, "(" MEMORY ",R)", &o))
		return false;
	if (o.is_signed)
		return asm_fail(a, "store_release has no sign");
	return asm_emit_op(a, ops[o.log], o.base, o.src, o.off, 0);
}

static bool set_register(struct assembler *a)
{
	struct raw_insn raw = { 0 };
	uint8_t dst;
	enum op row;
	bool w;

	if (!asm_reg(a, &dst, &w))
		return asm_fail(a, "expected an instruction");
	row = operator_row(a, false);
	if (row == OP_BAD)
		return false;
	if (row == OP_MOV64_K)
		return asm_assign(a, dst, w);
	if (!asm_operand(a, row, w, &raw))
		return false;
	raw.dst = dst;
	return asm_emit(a, raw);
}

static bool statement(struct assembler *a)
{
	static const struct { char text[9]; uint8_t op; } words[] = {
		{ "exit", OP_EXIT }, { "goto", OP_JA }, { "gotol", OP_JA32 }, { "may_goto", OP_MAY_GOTO }, { "callx", OP_CALLX },
	};
	bool w;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (asm_take(a, words[i].text)) {
			struct raw_insn raw = isa_wire(words[i].op);
			uint8_t shape = isa_op[words[i].op].shape;

			return (shape != SHAPE_JA || asm_target(a, &raw, words[i].op == OP_JA32)) &&
			       (shape != SHAPE_CALLX || asm_need_reg(a, &raw.dst, &w)) && asm_emit(a, raw);
		}
	if (asm_take(a, "call"))
		return call(a);
	if (asm_take(a, "if"))
		return jump_if(a);
	if (asm_take(a, "lock"))
		return locked(a);
	if (asm_take(a, "store_release"))
		return release(a);
	if (asm_take(a, "*"))
		return store(a);
	return set_register(a);
}

static bool label(struct assembler *a)
{
	const char *back = a->at;
	struct label l = { .slot = a->n };

	if (!asm_name(a, l.name) || !asm_take(a, ":")) {
		a->at = back;
		return false;
	}
	for (uint32_t i = 0; i < a->nr_label; i++)
		if (!strcmp(a->label[i].name, l.name))
			return asm_fail(a, "this label exists already");
	if (!asm_grow(a, (void **)&a->label, a->nr_label, sizeof l))
		return false;
	a->label[a->nr_label++] = l;
	return true;
}

static bool line(struct assembler *a)
{
	while (!asm_ends(a) && label(a))
		;
	if (a->failed)
		return false;
	if (asm_ends(a))
		return true;
	if (!statement(a))
		return asm_fail(a, "not understood");
	return asm_ends(a) || asm_fail(a, "text after the instruction");
}

static bool resolve(struct assembler *a)
{
	for (uint32_t i = 0; i < a->nr_fixup; i++) {
		struct fixup *f = &a->fixup[i];
		uint8_t *at = a->slots + 8 * (size_t)f->slot;
		struct raw_insn raw = raw_load(at);
		const struct label *l = NULL;
		int64_t v;

		for (uint32_t k = 0; k < a->nr_label && !l; k++)
			if (!strcmp(a->label[k].name, f->name))
				l = &a->label[k];
		a->line = f->line;
		a->at = a->start + f->column - 1;	/* for the error's column only */
		if (!l)
			return asm_fail(a, "no such label");
		v = (int64_t)l->slot - f->slot - 1;
		if (!f->wide && (v < INT16_MIN || v > INT16_MAX))
			return asm_fail(a, "the label is further than 16 bits reach: use gotol");
		if (f->wide)
			raw.imm = (int32_t)v;
		else
			raw.off = (int16_t)v;
		raw_store(at, raw);
	}
	return true;
}

int asm_text(const char *text, void **out, uint32_t *n, struct uebpf_error *err)
{
	struct assembler a = { .start = text, .at = text, .err = err };
	int saved = errno;
	bool ok = true;

	while (ok && *a.at) {
		const char *end;

		a.line++;
		a.start = a.at;
		ok = line(&a);
		end = strchr(a.at, '\n');
		a.at = end ? end + 1 : a.at + strlen(a.at);
	}
	if (ok)
		ok = resolve(&a);
	free(a.label);
	free(a.fixup);
	errno = saved;
	if (!ok) {
		free(a.slots);
		return a.failed;
	}
	*out = a.slots;
	*n = a.n;
	return 0;
}
