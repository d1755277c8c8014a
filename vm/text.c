/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text.c - instructions to text, in the form that clang and llvm-objdump write.  vm/asm.c reads it
 * back; tests hold the two together row by row. */
#include <stdio.h>
#include <string.h>
#include "vm/code.h"
#include "vm/message.h"

/* -0x4: `minus` and the digits; 0x4: `plus` and the digits. */
static void put_hex(struct text_out *o, const char *plus, const char *minus, int64_t v)
{
	text_put(o, "%s0x%llx", v < 0 ? minus : plus, v < 0 ? 0ull - (unsigned long long)v : (unsigned long long)v);
}

/* ---- forms: what is written for a row ----
 * %t the row's text; %d %s registers as wide as the row, %v %V as wide as what is loaded or stored, %D %S
 * 64 bits wide (dst, src); %k imm, %a %b its halves as numbers, %l the low half, %A all of it, %h a helper's
 * number; %j distance; %y type; %m %M memory at dst, src + off, %q at dst + the high half of imm, %p as %m without its
 * type; %x %X the indexed address from dst, src; %o an offset that may be 0. */
#define FORMS(S) \
	S(CAST_USER, CAST_USER, ALU_X, "%D = addr_space_cast(%S, 0x1, 0x0)") \
	S(CAST_KERN, CAST_KERN, ALU_X, "%D = addr_space_cast(%S, 0x0, 0x1)") \
	S(MOVSB64_X, MOVSH32_X, ALU_X, "%d = %t%s") \
	S(NEG64, NEG32, UN, "%d = -%d") \
	S(LDACQ_B, STREL_DW, LOAD, "%v = load_acquire(%M)") \
	S(LDACQ_B, STREL_DW, STORE_X, "store_release(%m, %V)") \
	S(CMPXCHG64, CMPXCHG64, ATOMIC, "r0 = cmpxchg_64(%p, r0, %s)") \
	S(CMPXCHG32, CMPXCHG32, ATOMIC, "w0 = cmpxchg32_32(%p, w0, %s)") \
	S(XCHG64, XCHG64, ATOMIC, "%s = xchg_64(%p, %s)") \
	S(XCHG32, XCHG32, ATOMIC, "%s = xchg32_32(%p, %s)") \
	S(FADD64, FAND32, ATOMIC, "%s = atomic_fetch_%t(%m, %s)") \
	S(LDDW, LDDW, WIDE, "%D = %k ll") \
	S(LD_FUNC, LD_FUNC, WIDE, "%D = func pc%j ll") \
	S(LD_MAPFD, LD_MAPFD, WIDE, "%D = %t(%a) ll") \
	S(LD_MAP, LD_MAP, WIDE, "%D = %t(%a) ll") \
	S(CALL_KFUNC, CALL_KFUNC, CALL, "call kfunc %a") \
	S(CHARGE, CHARGE, MARK, "(%t %A)") \
	S(LEAX64, LEAX32, FUSED, "%d = %X") \
	S(MUL3_64, MUL3_32, FUSED, "%d = %s * %k") \
	S(CTZ64, CTZ64, FUSED, "%d = ctz %S") \
	S(LDI_W, STI_DW, FUSED_LOAD, "%D = *(%y *)(%X)") \
	S(BAD, COUNT, ALU_K, "%d %t %k") \
	S(BAD, COUNT, ALU_X, "%d %t %s") \
	S(BAD, COUNT, UN, "%D = %t %D")		/* byte swaps name the whole register whatever their width */ \
	S(BAD, COUNT, JCC_K, "if %d %t %k goto %j") \
	S(BAD, COUNT, JCC_X, "if %d %t %s goto %j") \
	S(BAD, COUNT, LOAD, "%v = *%M") \
	S(BAD, COUNT, STORE_X, "*%m = %V") \
	S(BAD, COUNT, STORE_K, "*%m = %k") \
	S(BAD, COUNT, ATOMIC, "lock *%m %t %s") \
	S(BAD, COUNT, PKT_ABS, "r0 = *(%y *)skb[%k]") \
	S(BAD, COUNT, PKT_IND, "r0 = *(%y *)skb[%S%o]") \
	S(BAD, COUNT, WIDE, "%D = %t(%a, %b) ll")	/* map values, BTF variables: an offset or object behind */ \
	S(BAD, COUNT, JA, "%t %j") \
	S(BAD, COUNT, CALL, "call %h") \
	S(BAD, COUNT, LOCAL, "call pc%j") \
	S(BAD, COUNT, CALLX, "callx %D") \
	S(BAD, COUNT, EXIT, "exit") \
	S(BAD, COUNT, MARK, "(%t %D)") \
	S(BAD, COUNT, FUSED, "%d = %s + %k")	/* fused forms: nothing reads these back */ \
	S(BAD, COUNT, FUSED_LOAD, "%d %t *%M") \
	S(BAD, COUNT, FUSED_STORE, "*(%y *)(%x) = %S") \
	S(BAD, COUNT, FUSED_JUMP, "if *%q %t %l goto %j") \
	S(BAD, COUNT, BAD, "bad")

static const struct { uint16_t first, last; uint8_t shape; } form_rows[] = {
#define ROW(first, last, shape, form) { OP_##first, OP_##last, SHAPE_##shape },
	FORMS(ROW)
};
static const char forms[] MESSAGE_PACKED =
#define FORM(first, last, shape, form) form "\0"
	FORMS(FORM);

/* The first that fits. */
static const char *form_of(uint16_t op)
{
	const char *form = message_text(forms);

	for (size_t i = 0; op < form_rows[i].first || op > form_rows[i].last ||
			   isa_op[op].shape != form_rows[i].shape; i++)
		form = text_next(form);
	return form;
}

/* distance: to the target, in slots from the end of the instruction. */
static void put_insn(struct text_out *o, const struct insn *insn, int64_t distance, const struct code *code)
{
	const struct op_info *row = &isa_op[insn->op];
	char w = row->flags & OPF_WIDTH64 ? 'r' : 'w';
	char v = row->size < 8 && !(row->flags & OPF_SIGNED) ? 'w' : 'r';

	for (const char *f = form_of(insn->op); *f; f++) {
		int reg = insn->dst;

		if (*f != '%') {
			text_put(o, "%c", *f);
			continue;
		}
		f++;
		if (strchr("sSVMX", *f))
			reg = insn->src;
		switch (*f) {
		case 't': text_put(o, "%s", isa_text(insn->op)); break;
		case 'd': case 's': text_put(o, "%c%d", w, reg); break;
		case 'v': case 'V': text_put(o, "%c%d", v, reg); break;
		case 'D': case 'S': text_put(o, "r%d", reg); break;
		case 'k': put_hex(o, "", "-", insn->imm); break;
		case 'l': put_hex(o, "", "-", insn->imm_lo); break;
		case 'h':
			put_hex(o, "", "-", code && code->bound ? (int32_t)helper_id(code->helper[insn->off]) : insn->imm);
			break;
		case 'a': text_put(o, "%d", insn->imm_lo); break;
		case 'b': text_put(o, "%d", insn->imm_hi); break;
		case 'A': text_put(o, "%lld", (long long)insn->imm); break;
		case 'j': put_hex(o, "+", "-", distance); break;
		case 'o':
			if (insn->imm)
				put_hex(o, " + ", " - ", insn->imm);
			break;
		case 'x': case 'X':
			text_put(o, "r%d + r%d << %d", reg, insn->imm_lo & 15, insn->imm_lo >> 4);
			put_hex(o, " + ", " - ", insn->off);
			break;
		default:	/* y m M q p */
			if (*f != 'p')
				text_put(o, *f == 'y' ? "%c%d" : "(%c%d *)(", row->flags & OPF_SIGNED ? 's' : 'u', row->size * 8);
			if (*f != 'y') {
				text_put(o, "r%d", reg);
				put_hex(o, " + ", " - ", *f == 'q' ? insn->imm_hi : insn->off);
			}
			if (*f != 'y' && *f != 'p')
				text_put(o, ")");
		}
	}
}

int insn_text(char *buf, size_t cap, const struct code *code, uint32_t index)
{
	const struct insn *insn = &code->insn[index];
	struct text_out o = { buf, cap, 0 };
	uint8_t shape = isa_op[insn->op].shape;
	int64_t distance = 0;

	if (shape == SHAPE_JCC_K || shape == SHAPE_JCC_X || shape == SHAPE_JA || shape == SHAPE_LOCAL ||
	    shape == SHAPE_FUSED_JUMP || insn->op == OP_LD_FUNC)
		distance = (int64_t)code->slot[insn->off] - code->slot[index] - 1;
	put_insn(&o, insn, distance, code);
	return (int)o.n;
}

int raw_text(char *buf, size_t cap, const void *slots, uint32_t n)
{
	struct raw_insn raw = raw_load(slots);
	enum op op = isa_find(raw);
	struct insn insn = { .op = op, .dst = raw.dst & 15, .src = raw.src & 15, .off = raw.off, .imm = raw.imm };
	struct text_out o = { buf, cap, 0 };
	int64_t distance = op == OP_JA32 || op == OP_CALL_LOCAL || op == OP_LD_FUNC ? raw.imm : raw.off;

	if (op == OP_BAD || (isa_op[op].shape == SHAPE_WIDE && n < 2)) {
		text_put(&o, "bad 0x%02x %d %d %d %d", raw.code, raw.dst, raw.src, raw.off, raw.imm);
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
