/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dis.c - text of the machine code that this backend emits (Intel's order of operands), for
 * --dump=x86.  It knows the forms of encode.h and no others; what it does not know it shows as a byte.
 * tests/jit/dis_test.c compares it with llvm-mc. */
#include <stdarg.h>
#include <stdio.h>
#include "jit/x86_64/jc.h"
#include "jit/x86_64/dis.h"

struct out { char *buf; size_t cap; long n; char name[4][12]; unsigned next; };

static void put(struct out *o, const char *form, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *form, ...)
{
	size_t at = (size_t)o->n < o->cap ? (size_t)o->n : o->cap;
	va_list args;

	va_start(args, form);
	o->n += vsnprintf(o->cap ? o->buf + at : NULL, o->cap - at, form, args);
	va_end(args);
}

static const char *const group1[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };
static const char *const shifts[] = { "rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar" };
static const char *const group3[] = { "test", "test", "not", "neg", "mul", "imul", "div", "idiv" };
static const char *const cond[] = { "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np",
				    "l", "ge", "le", "g" };

/* Valid until four more names were asked for. */
static const char *reg_name(struct out *o, int size, int r, bool rex)
{
	static const char *const base[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
	static const char *const low[] = { "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil" };
	static const char *const high[] = { "ah", "ch", "dh", "bh" };
	char *text = o->name[o->next++ & 3];

	if (r >= 8)
		snprintf(text, sizeof o->name[0], "r%d%s", r & 15, size == 8 ? "" : size == 4 ? "d" : size == 2 ? "w" : "b");
	else if (size == 1)
		snprintf(text, sizeof o->name[0], "%s", !rex && r >= 4 ? high[r - 4] : low[r]);
	else
		snprintf(text, sizeof o->name[0], "%s%s", size == 8 ? "r" : size == 4 ? "e" : "", base[r]);
	return text;
}

/* One instruction being read. */
struct ins {
	const uint8_t *p, *end;
	bool rex_seen, w, o16, lock, rep;
	int r, x, b;			/* REX bits, shifted */
	int mod, reg, rm;
	bool mem;
	int base, index, scale;
	int32_t disp;
	int size;
};

static uint32_t take(struct ins *in, int n)
{
	uint32_t v = 0;

	for (int k = 0; k < n && in->p < in->end; k++)
		v |= (uint32_t)*in->p++ << 8 * k;
	return v;
}

static void modrm(struct ins *in)
{
	uint32_t m = take(in, 1), sib;

	in->mod = (int)(m >> 6);
	in->reg = (int)(m >> 3 & 7) | in->r;
	in->rm = (int)(m & 7);
	in->mem = in->mod != 3;
	in->index = -1;
	if (!in->mem) {
		in->rm |= in->b;
		return;
	}
	in->base = in->rm | in->b;
	if (in->rm == 4) {
		sib = take(in, 1);
		in->base = (int)(sib & 7) | in->b;
		in->scale = 1 << (sib >> 6);
		in->index = (int)(sib >> 3 & 7) | in->x;
		if (in->index == 4)
			in->index = -1;
	}
	in->disp = in->mod == 1 ? (int8_t)take(in, 1) : in->mod == 2 ? (int32_t)take(in, 4) : 0;
}

static void put_rm(struct out *o, const struct ins *in, int size)
{
	static const char *const ptr[] = { [1] = "byte", [2] = "word", [4] = "dword", [8] = "qword" };

	if (!in->mem) {
		put(o, "%s", reg_name(o, size, in->rm, in->rex_seen));
		return;
	}
	if (size)
		put(o, "%s ptr ", ptr[size]);
	put(o, "[%s", reg_name(o, 8, in->base, true));
	if (in->index >= 0 && in->scale > 1)
		put(o, " + %d*%s", in->scale, reg_name(o, 8, in->index, true));
	else if (in->index >= 0)
		put(o, " + %s", reg_name(o, 8, in->index, true));
	if (in->disp)
		put(o, " %c %lld", in->disp < 0 ? '-' : '+', in->disp < 0 ? -(long long)in->disp : (long long)in->disp);
	put(o, "]");
}

static void rm_reg(struct out *o, struct ins *in, const char *name, int size)
{
	modrm(in);
	put(o, "%s ", name);
	put_rm(o, in, size);
	put(o, ", %s", reg_name(o, size, in->reg, in->rex_seen));
}

static void reg_rm(struct out *o, struct ins *in, const char *name, int reg_size, int rm_size)
{
	modrm(in);
	put(o, "%s %s, ", name, reg_name(o, reg_size, in->reg, in->rex_seen));
	put_rm(o, in, rm_size);
}

static void rm_imm(struct out *o, struct ins *in, const char *name, int size, int imm_bytes)
{
	int32_t imm;

	put(o, "%s ", name);
	put_rm(o, in, size);
	imm = (int32_t)take(in, imm_bytes);
	if (imm_bytes == 1)
		imm = (int8_t)imm;
	put(o, ", %d", imm);
}

/* Two-byte opcodes. */
static bool escape(struct out *o, struct ins *in)
{
	uint32_t op = take(in, 1);
	int size = in->size;

	if (op == 0x38) {
		op = take(in, 1);
		if (op != 0xf0)
			return false;
		reg_rm(o, in, "movbe", size, size);
	} else if (op >= 0x40 && op <= 0x4f) {
		char name[8];

		snprintf(name, sizeof name, "cmov%s", cond[op & 15]);
		reg_rm(o, in, name, size, size);
	} else if (op >= 0x90 && op <= 0x9f) {
		modrm(in);
		put(o, "set%s ", cond[op & 15]);
		put_rm(o, in, 1);
	} else if (op >= 0xc8 && op <= 0xcf) {
		put(o, "bswap %s", reg_name(o, size, (int)(op & 7) | in->b, true));
	} else {
		switch (op) {
		case 0xb6: case 0xb7: reg_rm(o, in, "movzx", size, op == 0xb6 ? 1 : 2); break;
		case 0xbe: case 0xbf: reg_rm(o, in, "movsx", size, op == 0xbe ? 1 : 2); break;
		case 0xaf: reg_rm(o, in, "imul", size, size); break;
		case 0xbc: reg_rm(o, in, in->rep ? "tzcnt" : "bsf", size, size); break;
		case 0xc1: rm_reg(o, in, "xadd", size); break;
		case 0xb1: rm_reg(o, in, "cmpxchg", size); break;
		case 0x1f: modrm(in); put(o, "nop"); break;
		case 0x10: modrm(in); put(o, "movups xmm%d, xmmword ptr ", in->reg); put_rm(o, in, 0); break;
		case 0x11: modrm(in); put(o, "movups xmmword ptr "); put_rm(o, in, 0); put(o, ", xmm%d", in->reg); break;
		case 0x6e: modrm(in); put(o, "movq xmm%d, ", in->reg); put_rm(o, in, 8); break;
		case 0x7e: modrm(in); put(o, "movq "); put_rm(o, in, 8); put(o, ", xmm%d", in->reg); break;
		case 0xef: modrm(in); put(o, "pxor xmm%d, xmm%d", in->reg, in->rm); break;
		case 0xae: take(in, 1); put(o, "lfence"); break;
		case 0x1e: take(in, 1); put(o, "endbr64"); break;
		default: return false;
		}
	}
	return true;
}

static bool one_byte(struct out *o, struct ins *in, uint32_t op)
{
	int size = in->size, small = in->o16 ? 2 : 4;

	if (op < 0x40 && (op & 7) <= 3) {
		int s = op & 1 ? size : 1;

		if (op & 2)
			reg_rm(o, in, group1[op >> 3], s, s);
		else
			rm_reg(o, in, group1[op >> 3], s);
		return true;
	}
	if (op < 0x40 && (op & 7) == 5) {
		put(o, "%s %s, %d", group1[op >> 3], reg_name(o, size, RAX, true), (int32_t)take(in, small));
		return true;
	}
	if (op >= 0x50 && op <= 0x5f) {
		put(o, "%s %s", op < 0x58 ? "push" : "pop", reg_name(o, 8, (int)(op & 7) | in->b, true));
		return true;
	}
	if (op >= 0xb8 && op <= 0xbf) {
		uint64_t v = take(in, 4);

		if (in->w)
			v |= (uint64_t)take(in, 4) << 32;
		put(o, in->w ? "movabs %s, %lld" : "mov %s, 0x%llx", reg_name(o, size, (int)(op & 7) | in->b, true),
		    (long long)v);
		return true;
	}
	switch (op) {
	case 0x63: reg_rm(o, in, "movsxd", 8, 4); return true;
	case 0x69: case 0x6b:
		reg_rm(o, in, "imul", size, size);
		put(o, ", %d", op == 0x6b ? (int8_t)take(in, 1) : (int32_t)take(in, 4));
		return true;
	case 0x80: case 0x81: case 0x83:
		modrm(in);
		rm_imm(o, in, group1[in->reg & 7], op == 0x80 ? 1 : size, op == 0x81 ? small : 1);
		return true;
	case 0x84: rm_reg(o, in, "test", 1); return true;
	case 0x85: rm_reg(o, in, "test", size); return true;
	case 0x87: *in->p >= 0xc0 ? reg_rm(o, in, "xchg", size, size) : rm_reg(o, in, "xchg", size); return true;
	case 0x88: rm_reg(o, in, "mov", 1); return true;
	case 0x89: rm_reg(o, in, "mov", size); return true;
	case 0x8b: reg_rm(o, in, "mov", size, size); return true;
	case 0x8d: reg_rm(o, in, "lea", size, 0); return true;
	case 0x8f: modrm(in); put(o, "pop "); put_rm(o, in, 8); return true;
	case 0x90: put(o, in->rep ? "pause" : "nop"); return true;
	case 0x99: put(o, in->w ? "cqo" : "cdq"); return true;
	case 0xa8: put(o, "test al, %d", (int8_t)take(in, 1)); return true;
	case 0xc1: case 0xd1: case 0xd3:
		modrm(in);
		put(o, "%s ", shifts[in->reg & 7]);
		put_rm(o, in, size);
		op == 0xc1 ? put(o, ", %u", take(in, 1)) : put(o, "%s", op == 0xd3 ? ", cl" : "");
		return true;
	case 0xc3: put(o, "ret"); return true;
	case 0xc9: put(o, "leave"); return true;
	case 0xcc: put(o, "int3"); return true;
	case 0xc6: modrm(in); rm_imm(o, in, "mov", 1, 1); return true;
	case 0xc7: modrm(in); rm_imm(o, in, "mov", size, small); return true;
	case 0xf6: case 0xf7:
		modrm(in);
		if ((in->reg & 7) < 2) {
			rm_imm(o, in, "test", op == 0xf6 ? 1 : size, op == 0xf6 ? 1 : small);
		} else {
			put(o, "%s ", group3[in->reg & 7]);
			put_rm(o, in, size);
		}
		return true;
	case 0xff:
		modrm(in);
		put(o, "%s ", (in->reg & 7) == 2 ? "call" : (in->reg & 7) == 4 ? "jmp" : "push");
		put_rm(o, in, 8);
		return true;
	default: return false;
	}
}

static bool vex(struct out *o, struct ins *in)
{
	uint32_t a = take(in, 1), b = take(in, 1), op = take(in, 1);
	static const char *const name[] = { "", "shlx", "sarx", "shrx" };
	int size = b & 0x80 ? 8 : 4;

	in->r = a & 0x80 ? 0 : 8;
	in->b = a & 0x20 ? 0 : 8;
	in->rex_seen = true;
	if (op != 0xf7 || (a & 31) != 2)
		return false;
	modrm(in);
	put(o, "%s %s, %s, %s", name[b & 3], reg_name(o, size, in->reg, true), reg_name(o, size, in->rm, true),
	    reg_name(o, size, (int)(~b >> 3 & 15), true));
	return true;
}

uint32_t x86_text(const uint8_t *code, uint32_t len, char *buf, size_t cap, int64_t *target)
{
	struct ins in = { .p = code, .end = code + len };
	struct out o = { .buf = buf, .cap = cap };
	bool known = true;
	uint32_t op;

	*target = INT64_MIN;
	if (cap)
		*buf = 0;
	for (;;) {
		op = take(&in, 1);
		if (op == 0xf0)
			in.lock = true;
		else if (op == 0x66)
			in.o16 = true;
		else if (op == 0xf3)
			in.rep = true;
		else
			break;
	}
	if ((op & 0xf0) == 0x40) {
		in.rex_seen = true;
		in.w = op & 8;
		in.r = op & 4 ? 8 : 0;
		in.x = op & 2 ? 8 : 0;
		in.b = op & 1 ? 8 : 0;
		op = take(&in, 1);
	}
	in.size = in.w ? 8 : in.o16 ? 2 : 4;
	if (in.lock)
		put(&o, "lock ");
	if (op == 0xeb || (op >= 0x70 && op <= 0x7f)) {
		int8_t d = (int8_t)take(&in, 1);

		put(&o, op == 0xeb ? "jmp" : "j%s", cond[op & 15]);
		*target = in.p - code + d;
	} else if (op == 0xe9 || op == 0xe8) {
		int32_t d = (int32_t)take(&in, 4);

		put(&o, op == 0xe9 ? "jmp" : "call");
		*target = in.p - code + d;
	} else if (op == 0x0f && in.p < in.end && *in.p >= 0x80 && *in.p <= 0x8f) {
		uint32_t cc = take(&in, 1) & 15;
		int32_t d = (int32_t)take(&in, 4);

		put(&o, "j%s", cond[cc]);
		*target = in.p - code + d;
	} else if (op == 0x0f) {
		known = escape(&o, &in);
	} else if (op == 0xc4) {
		known = vex(&o, &in);
	} else {
		known = one_byte(&o, &in, op);
	}
	if (!known) {
		o.n = 0;
		put(&o, ".byte 0x%02x", code[0]);
		return 1;
	}
	return (uint32_t)(in.p - code);
}

/* ---- a whole program ---- */

static void put_line(struct out *o, const struct jit_code *jit, uint32_t *at)
{
	char text[96];
	int64_t target;
	uint32_t n = x86_text(jit->text + *at, (uint32_t)jit->bytes - *at, text, sizeof text, &target);

	put(o, "  %6x:  ", *at);
	for (uint32_t k = 0; k < 11; k++)
		k < n ? put(o, "%02x", jit->text[*at + k]) : put(o, "  ");
	put(o, "  %s", text);
	if (target != INT64_MIN)
		put(o, " 0x%llx", (unsigned long long)(*at + target));
	put(o, "\n");
	*at += n;
}

long jit_dump(const struct code *code, char *buf, size_t cap, const char *(*note)(void *arg, uint32_t slot),
	      void *arg)
{
	const struct jit_code *jit = code->jit;
	struct out o = { .buf = buf, .cap = cap };
	uint32_t map = 0, next = 0, at = 0, sub = 0;
	char text[160];

	if (!jit)
		return -1;
	for (uint32_t i = 0; i < code->n; i++) {
		jit_map_next(jit, &map, &next);
		for (; sub < code->nr_sub && code->sub[sub].start == i; sub++) {
			at = jit->sub_off[sub];
			put(&o, "%s:\n", *code->sub[sub].name ? code->sub[sub].name : "sub");
		}
		while (at < next)
			put_line(&o, jit, &at);
		if (note)
			put(&o, "%s", note(arg, code->slot[i]));
		insn_text(text, sizeof text, code, i);
		put(&o, "%6u: %s\n", code->slot[i], text);
	}
	for (uint32_t k = 0; k <= code->nr_sub; k++)	/* the last one's code, then entries and cold code */
		if (jit->sub_off[k] > next)
			while (at < jit->sub_off[k] && at < jit->bytes)
				put_line(&o, jit, &at);
	put(&o, "(entries, batch loop and out-of-line code)\n");
	while (at < jit->bytes)
		put_line(&o, jit, &at);
	return o.n;
}
