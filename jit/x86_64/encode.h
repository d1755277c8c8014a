/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* encode.h - x86-64 machine code, one form a line.  x_rr and x_rm are the only places that know
 * REX, ModRM and SIB; everything else names an instruction.  Knows nothing of eBPF.
 * Source: Intel SDM volume 2, chapter 2 (instruction format) and the opcode pages. */
#ifndef UEBPF_JIT_X86_ENCODE_H
#define UEBPF_JIT_X86_ENCODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum x_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NOREG };

/* Where bytes go.  The caller guarantees room; every form is at most 15 bytes. */
struct x_buf { uint8_t *p; };

/* [base + index * 2^scale + disp]; index NOREG: none.  base is always a register here. */
struct x_mem { uint8_t base, index, scale; int32_t disp; };
static inline struct x_mem x_at(int base, int32_t disp)
{
	return (struct x_mem){ (uint8_t)base, NOREG, 0, disp };
}
static inline struct x_mem x_idx(int base, int index, int scale, int32_t disp)
{
	return (struct x_mem){ (uint8_t)base, (uint8_t)index, (uint8_t)scale, disp };
}

enum x_flags {
	X_W = 1,		/* REX.W */
	X_66 = 2,		/* operand size 16, or part of the opcode */
	X_0F = 4,		/* two-byte opcode */
	X_REG8 = 8,		/* `reg` is a byte register: 4-7 mean spl..dil, which needs a REX */
	X_RM8 = 16,		/* `rm` is one */
	X_LOCK = 32,
	X_0F38 = 64,		/* three-byte opcode */
};

static inline void x_8(struct x_buf *b, unsigned v) { *b->p++ = (uint8_t)v; }
static inline void x_16(struct x_buf *b, unsigned v) { uint16_t k = (uint16_t)v; memcpy(b->p, &k, 2); b->p += 2; }
static inline void x_32(struct x_buf *b, uint32_t v) { memcpy(b->p, &v, 4); b->p += 4; }
static inline void x_64(struct x_buf *b, uint64_t v) { memcpy(b->p, &v, 8); b->p += 8; }
static inline bool x_fits8(int64_t v) { return v == (int8_t)v; }
static inline bool x_fits32(int64_t v) { return v == (int32_t)v; }

static inline void x_head(struct x_buf *b, unsigned flags, unsigned opcode, unsigned rex)
{
	if (flags & X_LOCK)
		x_8(b, 0xf0);
	if (flags & X_66)
		x_8(b, 0x66);
	if (flags & X_W)
		rex |= 0x48;
	if (rex)
		x_8(b, 0x40 | rex);
	if (flags & (X_0F | X_0F38))
		x_8(b, 0x0f);
	if (flags & X_0F38)
		x_8(b, 0x38);
	x_8(b, opcode);
}
/* opcode reg, rm with rm a register. */
static inline void x_rr(struct x_buf *b, unsigned flags, unsigned opcode, int reg, int rm)
{
	unsigned rex = (unsigned)(reg >> 3) << 2 | (unsigned)rm >> 3;

	if (((flags & X_REG8) && reg >= 4) || ((flags & X_RM8) && rm >= 4))
		rex |= 0x40;
	x_head(b, flags, opcode, rex);
	x_8(b, 0xc0u | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}
/* ModRM, SIB and displacement of a memory operand.  rsp/r12 as base need a SIB; rbp/r13 as base
 * have no form without displacement. */
static inline void x_modrm_mem(struct x_buf *b, int reg, struct x_mem m)
{
	unsigned r = (unsigned)(reg & 7) << 3, base = m.base & 7u, mod;

	mod = m.disp == 0 && base != RBP ? 0x00 : x_fits8(m.disp) ? 0x40 : 0x80;
	if (m.index != NOREG) {
		x_8(b, mod | r | 4);
		x_8(b, (unsigned)m.scale << 6 | (m.index & 7u) << 3 | base);
	} else if (base == RSP) {
		x_8(b, mod | r | 4);
		x_8(b, 0x24);
	} else {
		x_8(b, mod | r | base);
	}
	if (mod == 0x40)
		x_8(b, (unsigned)m.disp);
	else if (mod == 0x80)
		x_32(b, (uint32_t)m.disp);
}
static inline void x_rm(struct x_buf *b, unsigned flags, unsigned opcode, int reg, struct x_mem m)
{
	unsigned rex = (unsigned)(reg >> 3) << 2 | (unsigned)m.base >> 3;

	if (m.index != NOREG)
		rex |= (m.index >> 3 & 1u) << 1;
	if ((flags & X_REG8) && reg >= 4)
		rex |= 0x40;
	x_head(b, flags, opcode, rex);
	x_modrm_mem(b, reg, m);
}
/* VEX.LZ three-byte form: map 0F38; pp 1 = 66, 2 = F3, 3 = F2.  vvvv is the extra operand. */
static inline void x_vex_rr(struct x_buf *b, int pp, bool w, unsigned opcode, int reg, int vvvv, int rm)
{
	x_8(b, 0xc4);
	x_8(b, (reg < 8 ? 0x80u : 0) | 0x40u | (rm < 8 ? 0x20u : 0) | 2u);
	x_8(b, (w ? 0x80u : 0) | (unsigned)(~vvvv & 15) << 3 | (unsigned)pp);
	x_8(b, opcode);
	x_8(b, 0xc0u | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

/* ---- moves ---- */
static inline unsigned x_w(bool w) { return w ? X_W : 0; }
static inline void x_mov(struct x_buf *b, bool w, int d, int s) { x_rr(b, x_w(w), 0x89, s, d); }
/* The shortest of: xor, mov r32 imm32, mov r64 simm32, movabs.  `flags_live`: no xor. */
static inline void x_mov_k(struct x_buf *b, int d, int64_t k, bool flags_live)
{
	if (k == 0 && !flags_live) {
		x_rr(b, 0, 0x31, d, d);
	} else if (k == (int64_t)(uint32_t)k) {
		x_head(b, 0, 0xb8u | (unsigned)(d & 7), (unsigned)d >> 3);
		x_32(b, (uint32_t)k);
	} else if (x_fits32(k)) {
		x_rr(b, X_W, 0xc7, 0, d);
		x_32(b, (uint32_t)k);
	} else {
		x_head(b, X_W, 0xb8u | (unsigned)(d & 7), (unsigned)d >> 3);
		x_64(b, (uint64_t)k);
	}
}
static inline void x_xchg(struct x_buf *b, int d, int s) { x_rr(b, X_W, 0x87, s, d); }
static inline void x_lea(struct x_buf *b, bool w, int d, struct x_mem m) { x_rm(b, x_w(w), 0x8d, d, m); }
/* Zero- or sign-extends the low `size` (1, 2, 4) bytes of s; w: to 64 bits. */
static inline void x_ext(struct x_buf *b, int size, bool sign, bool w, int d, int s)
{
	if (size == 4 && sign && w)
		x_rr(b, X_W, 0x63, d, s);
	else if (size == 4)
		x_rr(b, 0, 0x89, s, d);
	else
		x_rr(b, x_w(w && sign) | X_0F | (size == 1 ? X_RM8 : 0),
		     (sign ? 0xbe : 0xb6) | (size == 2), d, s);
}
static inline void x_load(struct x_buf *b, int size, bool sign, int d, struct x_mem m)
{
	if (size == 8)
		x_rm(b, X_W, 0x8b, d, m);
	else if (size == 4)
		x_rm(b, sign ? X_W : 0, sign ? 0x63 : 0x8b, d, m);
	else
		x_rm(b, x_w(sign) | X_0F, (sign ? 0xbe : 0xb6) | (size == 2), d, m);
}
static inline void x_store(struct x_buf *b, int size, struct x_mem m, int s)
{
	x_rm(b, (size == 8 ? X_W : 0) | (size == 2 ? X_66 : 0) | (size == 1 ? X_REG8 : 0),
	     size == 1 ? 0x88 : 0x89, s, m);
}
static inline void x_store_k(struct x_buf *b, int size, struct x_mem m, int32_t k)
{
	x_rm(b, (size == 8 ? X_W : 0) | (size == 2 ? X_66 : 0), size == 1 ? 0xc6 : 0xc7, 0, m);
	if (size == 1)
		x_8(b, (unsigned)k);
	else if (size == 2)
		x_16(b, (unsigned)k);
	else
		x_32(b, (uint32_t)k);
}

/* ---- arithmetic; the enum is the /digit of group 1 and (x << 3 | 1) the opcode ---- */
enum x_alu { X_ADD, X_OR, X_ADC, X_SBB, X_AND, X_SUB, X_XOR, X_CMP };
static inline void x_alu(struct x_buf *b, bool w, enum x_alu op, int d, int s)
{
	x_rr(b, x_w(w), (unsigned)op << 3 | 1, s, d);
}
static inline void x_alu_k(struct x_buf *b, bool w, enum x_alu op, int d, int32_t k)
{
	if (x_fits8(k)) {
		x_rr(b, x_w(w), 0x83, op, d);
		x_8(b, (unsigned)k);
	} else if (d == RAX) {
		x_head(b, x_w(w), (unsigned)op << 3 | 5, 0);
		x_32(b, (uint32_t)k);
	} else {
		x_rr(b, x_w(w), 0x81, op, d);
		x_32(b, (uint32_t)k);
	}
}
static inline void x_alu_load(struct x_buf *b, bool w, enum x_alu op, int d, struct x_mem m)
{
	x_rm(b, x_w(w), (unsigned)op << 3 | 3, d, m);
}
static inline void x_alu_store(struct x_buf *b, int size, enum x_alu op, struct x_mem m, int s, bool lock)
{
	x_rm(b, (size == 8 ? X_W : 0) | (size == 2 ? X_66 : 0) | (size == 1 ? X_REG8 : 0) | (lock ? X_LOCK : 0),
	     (unsigned)op << 3 | (size > 1), s, m);
}
static inline void x_alu_mem_k(struct x_buf *b, int size, enum x_alu op, struct x_mem m, int32_t k)
{
	unsigned flags = (size == 8 ? X_W : 0) | (size == 2 ? X_66 : 0);
	bool narrow = size > 1 && x_fits8(k);

	x_rm(b, flags, size == 1 ? 0x80 : narrow ? 0x83 : 0x81, op, m);
	if (size == 1 || narrow)
		x_8(b, (unsigned)k);
	else if (size == 2)
		x_16(b, (unsigned)k);
	else
		x_32(b, (uint32_t)k);
}
static inline void x_test(struct x_buf *b, bool w, int d, int s) { x_rr(b, x_w(w), 0x85, s, d); }
static inline void x_test_k(struct x_buf *b, bool w, int d, int32_t k)
{
	if (k >= 0 && k < 128 && d < 4) {	/* al, cl, dl, bl */
		if (d == RAX) {
			x_8(b, 0xa8);
		} else {
			x_rr(b, X_RM8, 0xf6, 0, d);
		}
		x_8(b, (unsigned)k);
		return;
	}
	x_rr(b, x_w(w && k < 0), 0xf7, 0, d);	/* a positive mask needs no upper half */
	x_32(b, (uint32_t)k);
}
static inline void x_test_mem_k(struct x_buf *b, int size, struct x_mem m, int32_t k)
{
	x_rm(b, (size == 8 ? X_W : 0) | (size == 2 ? X_66 : 0), size == 1 ? 0xf6 : 0xf7, 0, m);
	if (size == 1)
		x_8(b, (unsigned)k);
	else if (size == 2)
		x_16(b, (unsigned)k);
	else
		x_32(b, (uint32_t)k);
}
static inline void x_imul(struct x_buf *b, bool w, int d, int s) { x_rr(b, x_w(w) | X_0F, 0xaf, d, s); }
static inline void x_imul_k(struct x_buf *b, bool w, int d, int s, int32_t k)
{
	x_rr(b, x_w(w), x_fits8(k) ? 0x6b : 0x69, d, s);
	if (x_fits8(k))
		x_8(b, (unsigned)k);
	else
		x_32(b, (uint32_t)k);
}
enum x_unary { X_NOT = 2, X_NEG = 3, X_MUL = 4, X_IMUL1 = 5, X_DIV = 6, X_IDIV = 7 };
static inline void x_unary(struct x_buf *b, bool w, enum x_unary op, int r) { x_rr(b, x_w(w), 0xf7, op, r); }
enum x_shift { X_ROL, X_ROR, X_SHL = 4, X_SHR = 5, X_SAR = 7 };
static inline void x_shift_k(struct x_buf *b, bool w, enum x_shift op, int d, unsigned k)
{
	x_rr(b, x_w(w), k == 1 ? 0xd1 : 0xc1, op, d);
	if (k != 1)
		x_8(b, k);
}
static inline void x_shift_cl(struct x_buf *b, bool w, enum x_shift op, int d) { x_rr(b, x_w(w), 0xd3, op, d); }
/* bmi2: d = s shifted by count, no flags. */
static inline void x_shx(struct x_buf *b, bool w, enum x_shift op, int d, int s, int count)
{
	x_vex_rr(b, op == X_SHL ? 1 : op == X_SAR ? 2 : 3, w, 0xf7, d, count, s);
}
/* high : low = rdx * s; low == high: the high half. */
static inline void x_mulx(struct x_buf *b, int high, int low, int s) { x_vex_rr(b, 3, true, 0xf6, high, low, s); }
static inline void x_rol16_8(struct x_buf *b, int d) { x_rr(b, X_66, 0xc1, X_ROL, d); x_8(b, 8); }
static inline void x_bswap(struct x_buf *b, bool w, int d)
{
	x_8(b, (w ? 0x48u : 0x40u) | (unsigned)d >> 3);
	x_8(b, 0x0f);
	x_8(b, 0xc8u | (unsigned)(d & 7));
}
static inline void x_movbe_load(struct x_buf *b, bool w, int d, struct x_mem m) { x_rm(b, x_w(w) | X_0F38, 0xf0, d, m); }
static inline void x_sign_rdx(struct x_buf *b, bool w) { if (w) x_8(b, 0x48); x_8(b, 0x99); }	/* cdq, cqo */

/* ---- atomics ---- */
static inline void x_xadd(struct x_buf *b, bool w, struct x_mem m, int s)
{
	x_rm(b, x_w(w) | X_0F | X_LOCK, 0xc1, s, m);
}
static inline void x_xchg_mem(struct x_buf *b, bool w, struct x_mem m, int s) { x_rm(b, x_w(w), 0x87, s, m); }
static inline void x_cmpxchg(struct x_buf *b, bool w, struct x_mem m, int s)
{
	x_rm(b, x_w(w) | X_0F | X_LOCK, 0xb1, s, m);
}

/* ---- control ---- */
enum x_cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP,
	    CC_L, CC_GE, CC_LE, CC_G };
static inline void x_push(struct x_buf *b, int r) { if (r >= 8) x_8(b, 0x41); x_8(b, 0x50u | (unsigned)(r & 7)); }
static inline void x_pop(struct x_buf *b, int r) { if (r >= 8) x_8(b, 0x41); x_8(b, 0x58u | (unsigned)(r & 7)); }
static inline void x_push_mem(struct x_buf *b, struct x_mem m) { x_rm(b, 0, 0xff, 6, m); }
static inline void x_pop_mem(struct x_buf *b, struct x_mem m) { x_rm(b, 0, 0x8f, 0, m); }
static inline void x_ret(struct x_buf *b) { x_8(b, 0xc3); }
static inline void x_leave(struct x_buf *b) { x_8(b, 0xc9); }
static inline void x_int3(struct x_buf *b) { x_8(b, 0xcc); }
static inline void x_call_r(struct x_buf *b, int r) { x_rr(b, 0, 0xff, 2, r); }
static inline void x_call_mem(struct x_buf *b, struct x_mem m) { x_rm(b, 0, 0xff, 2, m); }
static inline void x_jmp_r(struct x_buf *b, int r) { x_rr(b, 0, 0xff, 4, r); }
static inline void x_jmp_mem(struct x_buf *b, struct x_mem m) { x_rm(b, 0, 0xff, 4, m); }
static inline void x_endbr64(struct x_buf *b) { x_32(b, 0xfa1e0ff3); }
static inline void x_pause(struct x_buf *b) { x_8(b, 0xf3); x_8(b, 0x90); }
static inline void x_lfence(struct x_buf *b) { x_8(b, 0x0f); x_8(b, 0xae); x_8(b, 0xe8); }
static inline void x_setcc(struct x_buf *b, enum x_cc cc, int d) { x_rr(b, X_0F | X_RM8, 0x90u | cc, 0, d); }
static inline void x_cmov(struct x_buf *b, bool w, enum x_cc cc, int d, int s) { x_rr(b, x_w(w) | X_0F, 0x40u | cc, d, s); }
/* The recommended multi-byte nops (SDM volume 2, NOP). */
static inline void x_nops(struct x_buf *b, unsigned n)
{
	static const uint8_t nop[9][9] = {
		{ 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 }, { 0x0f, 0x1f, 0x40, 0x00 },
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		{ 0x0f, 0x1f, 0x80, 0, 0, 0, 0 }, { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
		{ 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
	};
	while (n) {
		unsigned k = n > 9 ? 9 : n;

		memcpy(b->p, nop[k - 1], k);
		b->p += k;
		n -= k;
	}
}

/* ---- SSE2, always there ---- */
static inline void x_sse_rr(struct x_buf *b, unsigned opcode, int d, int s) { x_rr(b, X_66 | X_0F, opcode, d, s); }
static inline void x_pxor(struct x_buf *b, int d, int s) { x_sse_rr(b, 0xef, d, s); }
static inline void x_movups_store(struct x_buf *b, struct x_mem m, int s) { x_rm(b, X_0F, 0x11, s, m); }
static inline void x_movups_load(struct x_buf *b, int d, struct x_mem m) { x_rm(b, X_0F, 0x10, d, m); }

#endif
