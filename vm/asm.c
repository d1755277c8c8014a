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

static bool emit(struct assembler *a, struct raw_insn raw)
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

static bool emit_op(struct assembler *a, enum op op, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct raw_insn raw = isa_wire(op);

	raw.dst = dst;
	raw.src = src;
	raw.off = off;
	raw.imm |= imm;		/* an atomic's stands there already */
	return emit(a, raw);
}

/* ---- operands ---- */

/* What stands in an instruction on memory. */
struct operands { uint8_t size, log, base, src; bool is_signed, w; int16_t off; };

static bool is_signed_number(struct assembler *a)
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
	    (is_signed_number(a) && !asm_need_number(a, INT16_MIN, INT16_MAX, &v)))
		return false;
	o->off = (int16_t)v;
	return true;
}

/* Reads by a form: T a type, P a place, R the register src; any other character stands for itself. */
static bool scan(struct assembler *a, const char *form, struct operands *o)
{
	bool ok = true;

	for (; ok && *form; form++)
		ok = *form == 'T' ? type(a, o) : *form == 'P' ? place(a, o) :
		     *form == 'R' ? asm_need_reg(a, &o->src, &o->w) : asm_need(a, (char[2]){ *form });
	return ok;
}
#define MEMORY "(T*)(P)"

/* An op for each size, by its log; OP_BAD: none. */
typedef uint8_t sizes[4];
#define SIZES(name) { OP_##name##_B, OP_##name##_H, OP_##name##_W, OP_##name##_DW }

/* "+3", "-0x2" or a label: a distance for the slot that is emitted next, in off or (wide) imm. */
static bool target(struct assembler *a, struct raw_insn *raw, bool wide)
{
	struct fixup f = { .slot = a->n, .line = a->line, .wide = wide };
	int64_t v = 0;

	asm_blanks(a);
	f.column = (uint32_t)(a->at - a->start) + 1;
	if (is_signed_number(a)) {
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

/* Completes an ALU or jump row with its second operand. */
static bool operand(struct assembler *a, enum op row, bool w, struct raw_insn *raw)
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
	if (row == OP_BAD || !operand(a, row, w, &raw) || !asm_need(a, "goto"))
		return false;
	raw.dst = dst;
	return target(a, &raw, false) && emit(a, raw);
}

static bool call(struct assembler *a)
{
	struct raw_insn raw = isa_wire(OP_CALL);
	int64_t v;

	if (asm_take(a, "kfunc")) {
		raw = isa_wire(OP_CALL_KFUNC);
		return asm_need_imm(a, false, &raw.imm) && emit(a, raw);
	}
	if (is_signed_number(a) || text_digit(*a->at) < 10) {
		if (!asm_need_number(a, INT32_MIN, UINT32_MAX, &v))
			return false;
		raw.imm = (int32_t)(uint32_t)v;
		return emit(a, raw);
	}
	raw = isa_wire(OP_CALL_LOCAL);
	if (!strncmp(a->at, "pc+", 3) || !strncmp(a->at, "pc-", 3))
		a->at += 2;
	return target(a, &raw, true) && emit(a, raw);
}

static bool store(struct assembler *a)
{
	static const sizes x = SIZES(STX), k = SIZES(ST);
	struct operands o;
	int32_t imm;

	if (!scan(a, MEMORY "=", &o))
		return false;
	if (o.is_signed)
		return asm_fail(a, "stores have no sign: u8 u16 u32 u64");
	if (asm_reg(a, &o.src, &o.w))
		return emit_op(a, x[o.log], o.base, o.src, o.off, 0);
	return asm_need_imm(a, o.size < 8, &imm) && emit_op(a, k[o.log], o.base, 0, o.off, imm);
}

static bool locked(struct assembler *a)
{
	static const struct { char text[3]; uint8_t op; } rows[] = {
#define ATOMIC(n, i, t, e) { t, OP_##n##64 },
#include "vm/isa.def"
	};
	struct operands o;

	if (!scan(a, "*" MEMORY, &o))
		return false;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!asm_take(a, rows[i].text))
			continue;
		if (o.size < 4 || o.is_signed)
			return asm_fail(a, "atomics work on u32 and u64");
		return scan(a, "R", &o) && emit_op(a, (enum op)(rows[i].op + (o.size == 4)), o.base, o.src, o.off, 0);
	}
	return asm_fail(a, "expected += |= &= ^=");
}

static bool release(struct assembler *a)
{
	static const sizes ops = SIZES(STREL);
	struct operands o;

	if (!scan(a, "(" MEMORY ",R)", &o))
		return false;
	if (o.is_signed)
		return asm_fail(a, "store_release has no sign");
	return emit_op(a, ops[o.log], o.base, o.src, o.off, 0);
}

/* ---- what may stand right of "r1 =" ---- */

static bool fetch(struct assembler *a, uint8_t dst, bool w, enum op op64, bool typed)
{
	struct operands o = { .size = w ? 4 : 8 };

	if (!scan(a, typed ? "(" MEMORY ",R" : "(P,R", &o))
		return false;
	if (op64 == OP_CMPXCHG64) {
		if (o.src != 0 || dst != 0)
			return asm_fail(a, "cmpxchg compares with and returns r0");
		if (!scan(a, ",R", &o))
			return false;
	} else if (o.src != dst) {
		return asm_fail(a, "the result comes back in the operand register");
	}
	return asm_need(a, ")") && emit_op(a, (enum op)(op64 + (o.size == 4)), o.base, o.src, o.off, 0);
}

static bool is_fetch(struct assembler *a, uint8_t dst, bool *ok)
{
	static const struct { char text[17]; uint8_t op; bool w, typed; } rows[] = {
		{ "atomic_fetch_add", OP_FADD64, false, true }, { "atomic_fetch_or", OP_FOR64, false, true },
		{ "atomic_fetch_and", OP_FAND64, false, true }, { "atomic_fetch_xor", OP_FXOR64, false, true },
		{ "xchg_64", OP_XCHG64, false, false }, { "xchg32_32", OP_XCHG64, true, false },
		{ "cmpxchg_64", OP_CMPXCHG64, false, false }, { "cmpxchg32_32", OP_CMPXCHG64, true, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (asm_take(a, rows[i].text)) {
			*ok = fetch(a, dst, rows[i].w, (enum op)rows[i].op, rows[i].typed);
			return true;
		}
	return false;
}

static bool load(struct assembler *a, uint8_t dst)
{
	static const sizes ind = { OP_IND_B, OP_IND_H, OP_IND_W, OP_BAD }, abs = { OP_ABS_B, OP_ABS_H, OP_ABS_W, OP_BAD },
			   plain = SIZES(LD), sign = { OP_LD_SB, OP_LD_SH, OP_LD_SW, OP_BAD };
	struct operands o;
	int64_t v = 0;
	int32_t imm;

	if (!scan(a, "(T*)", &o))
		return false;
	if (asm_take(a, "skb")) {
		if (dst || o.is_signed || o.size == 8)
			return asm_fail(a, "packet loads are r0 = *(u8, u16 or u32 *)skb[...]");
		if (!asm_need(a, "["))
			return false;
		if (asm_reg(a, &o.base, &o.w))
			return (!is_signed_number(a) || asm_need_number(a, INT32_MIN, INT32_MAX, &v)) && asm_need(a, "]") &&
			       emit_op(a, ind[o.log], 0, o.base, 0, (int32_t)v);
		return asm_need_imm(a, true, &imm) && asm_need(a, "]") && emit_op(a, abs[o.log], 0, 0, 0, imm);
	}
	return scan(a, "(P)", &o) && emit_op(a, o.is_signed ? sign[o.log] : plain[o.log], dst, o.base, o.off, 0);
}

static bool acquire(struct assembler *a, uint8_t dst)
{
	static const sizes ops = SIZES(LDACQ);
	struct operands o;

	if (!scan(a, "(" MEMORY ")", &o))
		return false;
	if (o.is_signed)
		return asm_fail(a, "load_acquire has no sign");
	return emit_op(a, ops[o.log], dst, o.base, o.off, 0);
}

static bool cast(struct assembler *a, uint8_t dst)
{
	struct operands o;
	struct raw_insn raw;
	int64_t to, from;

	if (!scan(a, "(R,", &o) || !asm_need_number(a, 0, 1, &to) || !asm_need(a, ",") ||
	    !asm_need_number(a, 0, 1, &from) || !asm_need(a, ")"))
		return false;
	if (to == from)
		return asm_fail(a, "address spaces 0 and 1 are known");
	raw = isa_wire(to ? OP_CAST_USER : OP_CAST_KERN);
	raw.dst = dst;
	raw.src = o.src;
	return emit(a, raw);
}

static bool wide(struct assembler *a, uint8_t dst, enum op op, int32_t lo, int32_t hi)
{
	struct raw_insn raw = isa_wire(op);

	raw.dst = dst;
	raw.imm = lo;
	return asm_need(a, "ll") && emit(a, raw) && emit(a, (struct raw_insn){ .imm = hi });
}

static bool is_pseudo(struct assembler *a, uint8_t dst, bool *ok)
{
	static const struct { char text[13]; uint8_t op; bool two; } rows[] = {
		{ "map_fd", OP_LD_MAPFD, false }, { "map_value_fd", OP_LD_MAPVALFD, true },
		{ "btf_id", OP_LD_BTFVAR, true }, { "map", OP_LD_MAP, false }, { "map_value", OP_LD_MAPVAL, true },
	};
	struct raw_insn raw = isa_wire(OP_LD_FUNC);
	int64_t lo, hi = 0;

	if (asm_take(a, "func")) {
		asm_blanks(a);
		if (!strncmp(a->at, "pc+", 3) || !strncmp(a->at, "pc-", 3))
			a->at += 2;
		*ok = target(a, &raw, true);
		if (*ok) {
			raw.dst = dst;
			*ok = asm_need(a, "ll") && emit(a, raw) && emit(a, (struct raw_insn){ 0 });
		}
		return true;
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!asm_take(a, rows[i].text))
			continue;
		*ok = asm_need(a, "(") && asm_need_number(a, INT32_MIN, INT32_MAX, &lo) &&
		      (!rows[i].two || (asm_need(a, ",") && asm_need_number(a, INT32_MIN, UINT32_MAX, &hi))) &&
		      asm_need(a, ")") && wide(a, dst, (enum op)rows[i].op, (int32_t)lo, (int32_t)(uint32_t)hi);
		return true;
	}
	return false;
}

/* Rows on one register: swaps and negation; sign-extending moves. */
static bool is_unary(struct assembler *a, uint8_t dst, bool w, bool *ok)
{
	static const struct { char text[8]; uint8_t op, op32; bool move; } rows[] = {
#define UN(n, c, i, t, e) { t, OP_##n, OP_##n == OP_NEG64 ? OP_NEG32 : OP_##n, false },
#include "vm/isa.def"
		{ "(s8)", OP_MOVSB64_X, OP_MOVSB32_X, true }, { "(s16)", OP_MOVSH64_X, OP_MOVSH32_X, true },
		{ "(s32)", OP_MOVSW64_X, OP_BAD, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *back = a->at;
		struct raw_insn raw;
		uint8_t src;
		bool src_w;

		if (!asm_take(a, rows[i].text))
			continue;
		if (!asm_reg(a, &src, &src_w)) {
			a->at = back;	/* "-" began a number */
			continue;
		}
		*ok = false;
		raw = isa_wire((enum op)(w ? rows[i].op32 : rows[i].op));
		raw.dst = dst;
		if (rows[i].move)
			raw.src = src;
		if (src_w != w)
			asm_fail(a, "operands of different width");
		else if (!raw.code)
			asm_fail(a, "(s32) makes 64 bits: use r registers");
		else if (!rows[i].move && src != dst)
			asm_fail(a, "this works on one register: both must be the same");
		else
			*ok = emit(a, raw);
		return true;
	}
	return false;
}

static bool assign(struct assembler *a, uint8_t dst, bool w)
{
	struct raw_insn raw = { 0 };
	bool ok = false;
	int64_t v;

	if (is_unary(a, dst, w, &ok) || is_fetch(a, dst, &ok) || is_pseudo(a, dst, &ok))
		return ok;
	if (asm_take(a, "*"))
		return load(a, dst);
	if (asm_take(a, "load_acquire"))
		return acquire(a, dst);
	if (asm_take(a, "addr_space_cast"))
		return cast(a, dst);
	if (is_signed_number(a) || text_digit(*a->at) < 10) {
		if (!asm_number(a, &v))
			return asm_fail(a, "expected a number");
		asm_blanks(a);
		if (!strncmp(a->at, "ll", 2))
			return wide(a, dst, OP_LDDW, (int32_t)(uint32_t)v, (int32_t)(uint32_t)((uint64_t)v >> 32));
		if (v < INT32_MIN || v > (w ? (int64_t)UINT32_MAX : INT32_MAX))
			return asm_fail(a, "the number does not fit 32 bits: write \"ll\" behind it");
		raw = isa_wire(w ? OP_MOV32_K : OP_MOV64_K);
		raw.imm = (int32_t)(uint32_t)v;
	} else if (!operand(a, OP_MOV64_K, w, &raw)) {
		return false;
	}
	raw.dst = dst;
	return emit(a, raw);
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
		return assign(a, dst, w);
	if (!operand(a, row, w, &raw))
		return false;
	raw.dst = dst;
	return emit(a, raw);
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

			return (shape != SHAPE_JA || target(a, &raw, words[i].op == OP_JA32)) &&
			       (shape != SHAPE_CALLX || asm_need_reg(a, &raw.dst, &w)) && emit(a, raw);
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
