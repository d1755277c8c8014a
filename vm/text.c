/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text.c - instructions to text, in the form that clang and llvm-objdump write.  vm/asm.c reads it
 * back; tests hold the two together row by row. */
#include <stdarg.h>
#include <stdio.h>
#include "vm/code.h"

struct out { char *buf; size_t cap; int len; };

static void put(struct out *o, const char *form, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *form, ...)
{
	size_t at = (size_t)o->len < o->cap ? (size_t)o->len : o->cap;
	va_list args;

	va_start(args, form);
	o->len += vsnprintf(o->buf ? o->buf + at : NULL, o->cap - at, form, args);
	va_end(args);
}

static void put_hex(struct out *o, int64_t v)
{
	if (v < 0)
		put(o, "-0x%llx", 0ull - (unsigned long long)v);
	else
		put(o, "0x%llx", (unsigned long long)v);
}

static void put_distance(struct out *o, int64_t v)
{
	put(o, v < 0 ? "" : "+");
	put_hex(o, v);
}

static const char *type_name(const struct op_info *row)
{
	static const char name[2][9][4] = {
		{ [1] = "u8", [2] = "u16", [4] = "u32", [8] = "u64" },
		{ [1] = "s8", [2] = "s16", [4] = "s32" },
	};
	return name[row->flags & OPF_SIGNED ? 1 : 0][row->size];
}

static void put_place(struct out *o, int base, int32_t off)
{
	put(o, "r%d %c ", base, off < 0 ? '-' : '+');
	put_hex(o, off < 0 ? -(int64_t)off : off);
}

static void put_memory(struct out *o, const struct op_info *row, int base, int32_t off)
{
	put(o, "(%s *)(", type_name(row));
	put_place(o, base, off);
	put(o, ")");
}

static void put_atomic(struct out *o, const struct insn *insn, const struct op_info *row, char w)
{
	bool wide = row->size == 8;

	if (insn->op == OP_CMPXCHG64 || insn->op == OP_CMPXCHG32) {
		put(o, "%c0 = %s(", w, wide ? "cmpxchg_64" : "cmpxchg32_32");
		put_place(o, insn->dst, insn->off);
		put(o, ", %c0, %c%d)", w, w, insn->src);
	} else if (insn->op == OP_XCHG64 || insn->op == OP_XCHG32) {
		put(o, "%c%d = %s(", w, insn->src, wide ? "xchg_64" : "xchg32_32");
		put_place(o, insn->dst, insn->off);
		put(o, ", %c%d)", w, insn->src);
	} else if (row->flags & OPF_FETCH) {
		put(o, "%c%d = atomic_fetch_%s(", w, insn->src, isa_text(insn->op));
		put_memory(o, row, insn->dst, insn->off);
		put(o, ", %c%d)", w, insn->src);
	} else {
		put(o, "lock *");
		put_memory(o, row, insn->dst, insn->off);
		put(o, " %s %c%d", isa_text(insn->op), w, insn->src);
	}
}

static void put_wide(struct out *o, const struct insn *insn, int64_t distance)
{
	put(o, "r%d = ", insn->dst);
	switch (insn->op) {
	case OP_LDDW: put_hex(o, insn->imm); break;
	case OP_LD_FUNC: put(o, "func pc"); put_distance(o, distance); break;
	case OP_LD_MAPFD: case OP_LD_MAP:
		put(o, "%s(%d)", isa_text(insn->op), insn->imm_lo);
		break;
	default:	/* map values, BTF variables: second immediate is an offset or object */
		put(o, "%s(%d, %d)", isa_text(insn->op), insn->imm_lo, insn->imm_hi);
		break;
	}
	put(o, " ll");
}

static void put_operation(struct out *o, const struct insn *insn, const struct op_info *row, char w)
{
	switch (insn->op) {
#define MOVSX(n, width, off, text, type) case OP_##n##width##_X: put(o, "%c%d = %s%c%d", w, insn->dst, text, w, insn->src); return;
#include "vm/isa.def"
	case OP_CAST_USER: put(o, "r%d = addr_space_cast(r%d, 0x1, 0x0)", insn->dst, insn->src); return;
	case OP_CAST_KERN: put(o, "r%d = addr_space_cast(r%d, 0x0, 0x1)", insn->dst, insn->src); return;
	case OP_NEG64: case OP_NEG32: put(o, "%c%d = -%c%d", w, insn->dst, w, insn->dst); return;
	default: break;
	}
	if (row->shape == SHAPE_UN) {	/* byte swaps name the whole register whatever their width */
		put(o, "r%d = %s r%d", insn->dst, isa_text(insn->op), insn->dst);
		return;
	}
	put(o, "%c%d %s ", w, insn->dst, isa_text(insn->op));
	if (row->shape == SHAPE_ALU_X)
		put(o, "%c%d", w, insn->src);
	else
		put_hex(o, insn->imm);
}

static void put_call(struct out *o, const struct insn *insn, const struct code *code)
{
	if (insn->op == OP_CALL_KFUNC)
		put(o, "call kfunc %d", (int)insn->imm);
	else if (code && code->bound)
		put_hex(o, (put(o, "call "), (int32_t)helper_id(code->helper[insn->off])));
	else
		put_hex(o, (put(o, "call "), insn->imm));
}

static void put_index(struct out *o, const struct insn *insn, int base)
{
	put(o, "r%d + r%d << %d", base, insn->imm_lo & 15, insn->imm_lo >> 4);
	put_hex(o, (put(o, insn->off < 0 ? " - " : " + "), insn->off < 0 ? -(int64_t)insn->off : insn->off));
}

/* Fused forms; nothing reads this back. */
static void put_fused(struct out *o, const struct insn *insn, const struct op_info *row, char w, int64_t distance)
{
	bool indexed = insn->op == OP_LEAX64 || insn->op == OP_LEAX32;

	switch (row->shape) {
	case SHAPE_FUSED:
		put(o, "%c%d = ", w, insn->dst);
		if (indexed)
			put_index(o, insn, insn->src);
		else if (insn->op == OP_CTZ64)
			put(o, "ctz r%d", insn->src);
		else
			put_hex(o, (put(o, "%c%d %c ", w, insn->src, *isa_text(insn->op) == 'l' ? '+' : '*'), insn->imm));
		break;
	case SHAPE_FUSED_LOAD:
		if (*isa_text(insn->op) != 'u') {
			put(o, "%c%d %s *", w, insn->dst, isa_text(insn->op));
			put_memory(o, row, insn->src, insn->off);
			break;
		}
		put(o, "r%d = *(%s *)(", insn->dst, type_name(row));
		put_index(o, insn, insn->src);
		put(o, ")");
		break;
	case SHAPE_FUSED_STORE:
		put(o, "*(%s *)(", type_name(row));
		put_index(o, insn, insn->dst);
		put(o, ") = r%d", insn->src);
		break;
	default:
		put(o, "if *");
		put_memory(o, row, insn->dst, insn->imm_hi);
		put_hex(o, (put(o, " %s ", isa_text(insn->op)), insn->imm_lo));
		put(o, " goto ");
		put_distance(o, distance);
	}
}

/* distance: to the target, in slots from the end of the instruction. */
static void put_insn(struct out *o, const struct insn *insn, int64_t distance, const struct code *code)
{
	const struct op_info *row = &isa_op[insn->op];
	char w = row->flags & OPF_WIDTH64 ? 'r' : 'w';
	char v = row->size < 8 && !(row->flags & OPF_SIGNED) ? 'w' : 'r';	/* value loaded or stored */

	switch ((enum shape)row->shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN:
		put_operation(o, insn, row, w);
		break;
	case SHAPE_JCC_K: case SHAPE_JCC_X:
		put(o, "if %c%d %s ", w, insn->dst, isa_text(insn->op));
		if (row->shape == SHAPE_JCC_X)
			put(o, "%c%d", w, insn->src);
		else
			put_hex(o, insn->imm);
		put(o, " goto ");
		put_distance(o, distance);
		break;
	case SHAPE_LOAD:
		put(o, "%c%d = %s", v, insn->dst, row->group == ISA_LINUX ? "load_acquire(" : "*");
		put_memory(o, row, insn->src, insn->off);
		put(o, row->group == ISA_LINUX ? ")" : "");
		break;
	case SHAPE_STORE_X:
		put(o, row->group == ISA_LINUX ? "store_release(" : "*");
		put_memory(o, row, insn->dst, insn->off);
		put(o, row->group == ISA_LINUX ? ", %c%d)" : " = %c%d", v, insn->src);
		break;
	case SHAPE_STORE_K:
		put(o, "*");
		put_memory(o, row, insn->dst, insn->off);
		put(o, " = ");
		put_hex(o, insn->imm);
		break;
	case SHAPE_ATOMIC: put_atomic(o, insn, row, w); break;
	case SHAPE_PKT_ABS:
		put(o, "r0 = *(%s *)skb[", type_name(row));
		put_hex(o, insn->imm);
		put(o, "]");
		break;
	case SHAPE_PKT_IND:
		put(o, "r0 = *(%s *)skb[r%d", type_name(row), insn->src);
		if (insn->imm)
			put_hex(o, (put(o, insn->imm < 0 ? " - " : " + "), insn->imm < 0 ? -insn->imm : insn->imm));
		put(o, "]");
		break;
	case SHAPE_WIDE: put_wide(o, insn, distance); break;
	case SHAPE_JA: put(o, "%s ", isa_text(insn->op)); put_distance(o, distance); break;
	case SHAPE_CALL: put_call(o, insn, code); break;
	case SHAPE_LOCAL: put(o, "call pc"); put_distance(o, distance); break;
	case SHAPE_CALLX: put(o, "callx r%d", insn->dst); break;
	case SHAPE_EXIT: put(o, "exit"); break;
	case SHAPE_MARK:
		if (insn->op == OP_CHARGE)
			put(o, "(%s %lld)", isa_text(insn->op), (long long)insn->imm);
		else
			put(o, "(%s r%d)", isa_text(insn->op), insn->dst);
		break;
	case SHAPE_FUSED: case SHAPE_FUSED_LOAD: case SHAPE_FUSED_STORE: case SHAPE_FUSED_JUMP:
		put_fused(o, insn, row, w, distance);
		break;
	case SHAPE_BAD: case SHAPE_COUNT: put(o, "bad"); break;
	}
}

int insn_text(char *buf, size_t cap, const struct code *code, uint32_t index)
{
	const struct insn *insn = &code->insn[index];
	struct out o = { buf, cap, 0 };
	uint8_t shape = isa_op[insn->op].shape;
	int64_t distance = 0;

	if (shape == SHAPE_JCC_K || shape == SHAPE_JCC_X || shape == SHAPE_JA || shape == SHAPE_LOCAL ||
	    shape == SHAPE_FUSED_JUMP || insn->op == OP_LD_FUNC)
		distance = (int64_t)code->slot[insn->off] - code->slot[index] - 1;
	put_insn(&o, insn, distance, code);
	return o.len;
}

int raw_text(char *buf, size_t cap, const void *slots, uint32_t n)
{
	struct raw_insn raw = raw_load(slots);
	enum op op = isa_find(raw);
	struct insn insn = { .op = op, .dst = raw.dst & 15, .src = raw.src & 15, .off = raw.off, .imm = raw.imm };
	struct out o = { buf, cap, 0 };
	int64_t distance = op == OP_JA32 || op == OP_CALL_LOCAL || op == OP_LD_FUNC ? raw.imm : raw.off;

	if (op == OP_BAD || (isa_op[op].shape == SHAPE_WIDE && n < 2)) {
		put(&o, "bad 0x%02x %d %d %d %d", raw.code, raw.dst, raw.src, raw.off, raw.imm);
		return 1;
	}
	if (isa_op[op].shape == SHAPE_WIDE) {
		uint32_t hi = (uint32_t)raw_load((const uint8_t *)slots + 8).imm;

		if (op == OP_LDDW)
			insn.imm = (int64_t)((uint64_t)hi << 32 | (uint32_t)raw.imm);
		else
			insn.imm_lo = raw.imm, insn.imm_hi = (int32_t)hi;
	}
	if (op == OP_CALLX && raw.imm > 0 && raw.imm <= 9)
		insn.dst = raw.imm & 15;
	put_insn(&o, &insn, distance, NULL);
	return isa_op[op].shape == SHAPE_WIDE ? 2 : 1;
}
