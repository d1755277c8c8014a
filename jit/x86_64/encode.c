/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* encode.c - see encode.h. */
#include <string.h>
#include "jit/x86_64/encode.h"

void x_8(struct x_buf *b, unsigned v) { *b->p++ = (uint8_t)v; }
void x_32(struct x_buf *b, uint32_t v) { memcpy(b->p, &v, 4); b->p += 4; }
void x_64(struct x_buf *b, uint64_t v) { memcpy(b->p, &v, 8); b->p += 8; }

void x_head(struct x_buf *b, unsigned flags, unsigned opcode, unsigned rex)
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

void x_rr(struct x_buf *b, unsigned flags, unsigned opcode, int reg, int rm)
{
	unsigned rex = (unsigned)(reg >> 3) << 2 | (unsigned)rm >> 3;

	if (((flags & X_REG8) && reg >= 4) || ((flags & X_RM8) && rm >= 4))
		rex |= 0x40;
	x_head(b, flags, opcode, rex);
	x_8(b, 0xc0u | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

/* ModRM, SIB and displacement of a memory operand.  rsp/r12 as base need a SIB; rbp/r13 as base
 * have no form without displacement. */
static void modrm_mem(struct x_buf *b, int reg, struct x_mem m)
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

void x_rm(struct x_buf *b, unsigned flags, unsigned opcode, int reg, struct x_mem m)
{
	unsigned rex = (unsigned)(reg >> 3) << 2 | (unsigned)m.base >> 3;

	if (m.index != NOREG)
		rex |= (m.index >> 3 & 1u) << 1;
	if ((flags & X_REG8) && reg >= 4)
		rex |= 0x40;
	x_head(b, flags, opcode, rex);
	modrm_mem(b, reg, m);
}

/* VEX, three-byte form.  map: 1 = 0F, 2 = 0F38, 3 = 0F3A; pp: 1 = 66, 2 = F3, 3 = F2, with 4: 256 bits.  vvvv is the
 * extra operand. */
static void vex(struct x_buf *b, unsigned map, int pp, bool w, unsigned opcode, int reg, int vvvv, unsigned index, unsigned base)
{
	x_8(b, 0xc4);
	x_8(b, (reg < 8 ? 0x80u : 0) | (index & 8 ? 0 : 0x40u) | (base & 8 ? 0 : 0x20u) | map);
	x_8(b, (w ? 0x80u : 0) | (unsigned)(~vvvv & 15) << 3 | (unsigned)pp);
	x_8(b, opcode);
}

static void vex_rr(struct x_buf *b, int pp, bool w, unsigned opcode, int reg, int vvvv, int rm)
{
	vex(b, 2, pp, w, opcode, reg, vvvv, 0, (unsigned)rm);
	x_8(b, 0xc0u | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

static unsigned sized(int size) { return size == 8 ? X_W : size == 2 ? X_66 : 0; }

/* Of 1, 2 or 4 bytes; 8 are sign-extended from 4. */
static void immediate(struct x_buf *b, int size, int32_t k)
{
	memcpy(b->p, &k, 4);
	b->p += size < 4 ? size : 4;
}

void x_mov(struct x_buf *b, bool w, int d, int s) { x_rr(b, x_w(w), 0x89, s, d); }

void x_mov_k(struct x_buf *b, int d, int64_t k, bool flags_live)
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

void x_lea(struct x_buf *b, bool w, int d, struct x_mem m) { x_rm(b, x_w(w), 0x8d, d, m); }

void x_ext(struct x_buf *b, int size, bool sign, bool w, int d, int s)
{
	if (size == 4 && sign && w)
		x_rr(b, X_W, 0x63, d, s);
	else if (size == 4)
		x_rr(b, 0, 0x89, s, d);
	else
		x_rr(b, x_w(w && sign) | X_0F | (size == 1 ? X_RM8 : 0),
		     (sign ? 0xbe : 0xb6) | (size == 2), d, s);
}

void x_load(struct x_buf *b, int size, bool sign, int d, struct x_mem m)
{
	if (size == 8)
		x_rm(b, X_W, 0x8b, d, m);
	else if (size == 4)
		x_rm(b, sign ? X_W : 0, sign ? 0x63 : 0x8b, d, m);
	else
		x_rm(b, x_w(sign) | X_0F, (sign ? 0xbe : 0xb6) | (size == 2), d, m);
}

void x_load_fs(struct x_buf *b, unsigned flags, int d, int32_t disp)
{
	x_8(b, 0x64);
	x_head(b, flags, 0x8b, (unsigned)d >> 3 << 2);
	x_8(b, ((unsigned)d & 7) << 3 | 4);
	x_8(b, 0x25);		/* SIB: neither base nor index */
	x_32(b, (uint32_t)disp);
}

void x_store(struct x_buf *b, int size, struct x_mem m, int s)
{
	x_rm(b, sized(size) | (size == 1 ? X_REG8 : 0), 0x88 | (size > 1), s, m);
}

void x_store_k(struct x_buf *b, int size, struct x_mem m, int32_t k)
{
	x_rm(b, sized(size), size == 1 ? 0xc6 : 0xc7, 0, m);
	immediate(b, size, k);
}

void x_alu(struct x_buf *b, bool w, enum x_alu op, int d, int s)
{
	x_rr(b, x_w(w), (unsigned)op << 3 | 1, s, d);
}

void x_alu_k(struct x_buf *b, bool w, enum x_alu op, int d, int32_t k)
{
	bool narrow = x_fits8(k);

	if (d == RAX && !narrow)
		x_head(b, x_w(w), (unsigned)op << 3 | 5, 0);
	else
		x_rr(b, x_w(w), narrow ? 0x83 : 0x81, op, d);
	immediate(b, narrow ? 1 : 4, k);
}

void x_alu_load(struct x_buf *b, bool w, enum x_alu op, int d, struct x_mem m)
{
	x_rm(b, x_w(w), (unsigned)op << 3 | 3, d, m);
}

void x_alu_store(struct x_buf *b, int size, enum x_alu op, struct x_mem m, int s, bool lock)
{
	x_rm(b, sized(size) | (size == 1 ? X_REG8 : 0) | (lock ? X_LOCK : 0),
	     (unsigned)op << 3 | (size > 1), s, m);
}

void x_alu_mem_k(struct x_buf *b, int size, enum x_alu op, struct x_mem m, int32_t k)
{
	bool narrow = size > 1 && x_fits8(k);

	x_rm(b, sized(size), size == 1 ? 0x80 : narrow ? 0x83 : 0x81, op, m);
	immediate(b, narrow ? 1 : size, k);
}

void x_test(struct x_buf *b, bool w, int d, int s) { x_rr(b, x_w(w), 0x85, s, d); }

void x_test_k(struct x_buf *b, bool w, int d, int32_t k)
{
	bool narrow = k >= 0 && k < 128 && d < 4;	/* al, cl, dl, bl */

	if (narrow && d == RAX)
		x_8(b, 0xa8);
	else	/* a positive mask needs no upper half */
		x_rr(b, x_w(w && k < 0), narrow ? 0xf6 : 0xf7, 0, d);
	immediate(b, narrow ? 1 : 4, k);
}

void x_test_mem(struct x_buf *b, int size, struct x_mem m, int s)
{
	x_rm(b, sized(size) | (size == 1 ? X_REG8 : 0), 0x84 | (size > 1), s, m);
}

void x_test_mem_k(struct x_buf *b, int size, struct x_mem m, int32_t k)
{
	x_rm(b, sized(size), size == 1 ? 0xf6 : 0xf7, 0, m);
	immediate(b, size, k);
}

void x_imul(struct x_buf *b, bool w, int d, int s) { x_rr(b, x_w(w) | X_0F, 0xaf, d, s); }

void x_imul_k(struct x_buf *b, bool w, int d, int s, int32_t k)
{
	x_rr(b, x_w(w), x_fits8(k) ? 0x6b : 0x69, d, s);
	immediate(b, x_fits8(k) ? 1 : 4, k);
}

void x_unary(struct x_buf *b, bool w, enum x_unary op, int r) { x_rr(b, x_w(w), 0xf7, op, r); }

void x_shift_k(struct x_buf *b, bool w, enum x_shift op, int d, unsigned k)
{
	x_rr(b, x_w(w), k == 1 ? 0xd1 : 0xc1, op, d);
	if (k != 1)
		x_8(b, k);
}

void x_shift_cl(struct x_buf *b, bool w, enum x_shift op, int d) { x_rr(b, x_w(w), 0xd3, op, d); }

void x_shx(struct x_buf *b, bool w, enum x_shift op, int d, int s, int count)
{
	vex_rr(b, op == X_SHL ? 1 : op == X_SAR ? 2 : 3, w, 0xf7, d, count, s);
}

void x_mulx(struct x_buf *b, int high, int low, int s) { vex_rr(b, 3, true, 0xf6, high, low, s); }
void x_rol16_8(struct x_buf *b, int d) { x_rr(b, X_66, 0xc1, X_ROL, d); x_8(b, 8); }

void x_tzcnt(struct x_buf *b, int d, int s) { x_8(b, 0xf3); x_rr(b, X_W | X_0F, 0xbc, d, s); }

void x_bswap(struct x_buf *b, bool w, int d)
{
	x_8(b, (w ? 0x48u : 0x40u) | (unsigned)d >> 3);
	x_8(b, 0x0f);
	x_8(b, 0xc8u | (unsigned)(d & 7));
}

void x_movbe_load(struct x_buf *b, bool w, int d, struct x_mem m) { x_rm(b, x_w(w) | X_0F38, 0xf0, d, m); }
void x_sign_rdx(struct x_buf *b, bool w) { if (w) x_8(b, 0x48); x_8(b, 0x99); }

void x_xadd(struct x_buf *b, bool w, struct x_mem m, int s)
{
	x_rm(b, x_w(w) | X_0F | X_LOCK, 0xc1, s, m);
}

void x_xchg_mem(struct x_buf *b, bool w, struct x_mem m, int s) { x_rm(b, x_w(w), 0x87, s, m); }

void x_cmpxchg(struct x_buf *b, bool w, struct x_mem m, int s)
{
	x_rm(b, x_w(w) | X_0F | X_LOCK, 0xb1, s, m);
}

void x_push(struct x_buf *b, int r) { if (r >= 8) x_8(b, 0x41); x_8(b, 0x50u | (unsigned)(r & 7)); }
void x_pop(struct x_buf *b, int r) { if (r >= 8) x_8(b, 0x41); x_8(b, 0x58u | (unsigned)(r & 7)); }
void x_push_mem(struct x_buf *b, struct x_mem m) { x_rm(b, 0, 0xff, 6, m); }
void x_pop_mem(struct x_buf *b, struct x_mem m) { x_rm(b, 0, 0x8f, 0, m); }
void x_ret(struct x_buf *b) { x_8(b, 0xc3); }
void x_leave(struct x_buf *b) { x_8(b, 0xc9); }
void x_call_r(struct x_buf *b, int r) { x_rr(b, 0, 0xff, 2, r); }
void x_jmp_r(struct x_buf *b, int r) { x_rr(b, 0, 0xff, 4, r); }
void x_endbr64(struct x_buf *b) { x_32(b, 0xfa1e0ff3); }
void x_pause(struct x_buf *b) { x_8(b, 0xf3); x_8(b, 0x90); }
void x_lfence(struct x_buf *b) { x_8(b, 0x0f); x_8(b, 0xae); x_8(b, 0xe8); }
void x_cmov(struct x_buf *b, bool w, enum x_cc cc, int d, int s) { x_rr(b, x_w(w) | X_0F, 0x40u | cc, d, s); }
void x_setcc(struct x_buf *b, enum x_cc cc, int d) { x_rr(b, X_0F | X_RM8, 0x90u | cc, 0, d); }

void x_nops(struct x_buf *b, unsigned n)
{
	static const uint8_t nop[10][9] = {	/* by length */
		{ 0 }, { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 }, { 0x0f, 0x1f, 0x40, 0x00 },
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		{ 0x0f, 0x1f, 0x80, 0, 0, 0, 0 }, { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
		{ 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
	};
	while (n) {
		unsigned k = n > 9 ? 9 : n;

		memcpy(b->p, nop[k], k);
		b->p += k;
		n -= k;
	}
}

void x_sse_rr(struct x_buf *b, unsigned opcode, int d, int s) { x_rr(b, X_66 | X_0F, opcode, d, s); }
void x_movq_to(struct x_buf *b, int xmm, int r) { x_rr(b, X_W | X_66 | X_0F, 0x6e, xmm, r); }
void x_movq_from(struct x_buf *b, int xmm, int r) { x_rr(b, X_W | X_66 | X_0F, 0x7e, xmm, r); }
void x_pxor(struct x_buf *b, int d, int s) { x_sse_rr(b, 0xef, d, s); }
void x_movups_store(struct x_buf *b, struct x_mem m, int s) { x_rm(b, X_0F, 0x11, s, m); }
void x_movups_load(struct x_buf *b, int d, struct x_mem m) { x_rm(b, X_0F, 0x10, d, m); }

static void avx(struct x_buf *b, unsigned op, int reg, int vvvv, unsigned index, unsigned base)
{
	vex(b, op >> 8 & 3, op & X_128 ? 1 : 5, op & X_VEX_W, op & 0xff, reg, vvvv, index, base);
}

void x_avx_rr(struct x_buf *b, unsigned op, int d, int a, int s)
{
	avx(b, op, d, a, 0, (unsigned)s);
	x_8(b, 0xc0u | (unsigned)(d & 7) << 3 | (unsigned)(s & 7));
}

void x_avx_rm(struct x_buf *b, unsigned op, int reg, struct x_mem m)
{
	avx(b, op, reg, 0, m.index == NOREG ? 0 : m.index, m.base);
	modrm_mem(b, reg, m);
}

void x_vzeroupper(struct x_buf *b) { x_8(b, 0xc5); x_8(b, 0xf8); x_8(b, 0x77); }
