/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* asm_value.c - what may stand right of "r1 =" (asm.c). */
#include "vm/asm_in.h"

static bool fetch(struct assembler *a, uint8_t dst, bool w, enum op op64, bool typed)
{
	struct operands o = { .size = w ? 4 : 8 };

	if (!asm_scan(a, typed ? "(" MEMORY ",R" : "(P,R", &o))
		return false;
	if (op64 == OP_CMPXCHG64) {
		if (o.src != 0 || dst != 0)
			return asm_fail(a, "cmpxchg compares with and returns r0");
		if (!asm_scan(a, ",R", &o))
			return false;
	} else if (o.src != dst) {
		return asm_fail(a, "the result comes back in the operand register");
	}
	return asm_need(a, ")") && asm_emit_op(a, (enum op)(op64 + (o.size == 4)), o.base, o.src, o.off, 0);
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

	if (!asm_scan(a, "(T*)", &o))
		return false;
	if (asm_take(a, "skb")) {
		if (dst || o.is_signed || o.size == 8)
			return asm_fail(a, "packet loads are r0 = *(u8, u16 or u32 *)skb[...]");
		if (!asm_need(a, "["))
			return false;
		if (asm_reg(a, &o.base, &o.w))
			return (!asm_is_signed(a) || asm_need_number(a, INT32_MIN, INT32_MAX, &v)) && asm_need(a, "]") &&
			       asm_emit_op(a, ind[o.log], 0, o.base, 0, (int32_t)v);
		return asm_need_imm(a, true, &imm) && asm_need(a, "]") && asm_emit_op(a, abs[o.log], 0, 0, 0, imm);
	}
	return asm_scan(a, "(P)", &o) && asm_emit_op(a, o.is_signed ? sign[o.log] : plain[o.log], dst, o.base, o.off, 0);
}

static bool acquire(struct assembler *a, uint8_t dst)
{
	static const sizes ops = SIZES(LDACQ);
	struct operands o;

	if (!asm_scan(a, "(" MEMORY ")", &o))
		return false;
	if (o.is_signed)
		return asm_fail(a, "load_acquire has no sign");
	return asm_emit_op(a, ops[o.log], dst, o.base, o.off, 0);
}

static bool cast(struct assembler *a, uint8_t dst)
{
	struct operands o;
	struct raw_insn raw;
	int64_t to, from;

	if (!asm_scan(a, "(R,", &o) || !asm_need_number(a, 0, 1, &to) || !asm_need(a, ",") ||
	    !asm_need_number(a, 0, 1, &from) || !asm_need(a, ")"))
		return false;
	if (to == from)
		return asm_fail(a, "address spaces 0 and 1 are known");
	raw = isa_wire(to ? OP_CAST_USER : OP_CAST_KERN);
	raw.dst = dst;
	raw.src = o.src;
	return asm_emit(a, raw);
}

static bool wide(struct assembler *a, uint8_t dst, enum op op, int32_t lo, int32_t hi)
{
	struct raw_insn raw = isa_wire(op);

	raw.dst = dst;
	raw.imm = lo;
	return asm_need(a, "ll") && asm_emit(a, raw) && asm_emit(a, (struct raw_insn){ .imm = hi });
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
		raw.dst = dst;
		*ok = asm_function(a, &raw) && asm_need(a, "ll") && asm_emit(a, raw) && asm_emit(a, (struct raw_insn){ 0 });
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
			*ok = asm_emit(a, raw);
		return true;
	}
	return false;
}

bool asm_assign(struct assembler *a, uint8_t dst, bool w)
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
	if (asm_is_signed(a) || text_digit(*a->at) < 10) {
		if (!asm_number(a, &v))
			return asm_fail(a, "expected a number");
		asm_blanks(a);
		if (a->at[0] == 'l' && a->at[1] == 'l')
			return wide(a, dst, OP_LDDW, (int32_t)(uint32_t)v, (int32_t)(uint32_t)((uint64_t)v >> 32));
		if (v < INT32_MIN || v > (w ? (int64_t)UINT32_MAX : INT32_MAX))
			return asm_fail(a, "the number does not fit 32 bits: write \"ll\" behind it");
		raw = isa_wire(w ? OP_MOV32_K : OP_MOV64_K);
		raw.imm = (int32_t)(uint32_t)v;
	} else if (!asm_operand(a, OP_MOV64_K, w, &raw)) {
		return false;
	}
	raw.dst = dst;
	return asm_emit(a, raw);
}
