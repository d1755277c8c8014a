/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* encode.h - x86-64 machine code, one function a form.  x_rr and x_rm are the only places that know
 * REX, ModRM and SIB; everything else names an instruction.  Knows nothing of eBPF.
 * Source: Intel SDM volume 2, chapter 2 (instruction format) and the opcode pages. */
#ifndef UEBPF_JIT_X86_ENCODE_H
#define UEBPF_JIT_X86_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

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

void x_8(struct x_buf *b, unsigned v);
void x_32(struct x_buf *b, uint32_t v);
void x_64(struct x_buf *b, uint64_t v);
static inline bool x_fits8(int64_t v) { return v == (int8_t)v; }
static inline bool x_fits32(int64_t v) { return v == (int32_t)v; }

void x_head(struct x_buf *b, unsigned flags, unsigned opcode, unsigned rex);
/* opcode reg, rm with rm a register. */
void x_rr(struct x_buf *b, unsigned flags, unsigned opcode, int reg, int rm);
/* The same with rm in memory. */
void x_rm(struct x_buf *b, unsigned flags, unsigned opcode, int reg, struct x_mem m);

/* ---- moves ---- */
static inline unsigned x_w(bool w) { return w ? X_W : 0; }
void x_mov(struct x_buf *b, bool w, int d, int s);
/* The shortest of: xor, mov r32 imm32, mov r64 simm32, movabs.  `flags_live`: no xor. */
void x_mov_k(struct x_buf *b, int d, int64_t k, bool flags_live);
void x_lea(struct x_buf *b, bool w, int d, struct x_mem m);
/* Zero- or sign-extends the low `size` (1, 2, 4) bytes of s; w: to 64 bits. */
void x_ext(struct x_buf *b, int size, bool sign, bool w, int d, int s);
void x_load(struct x_buf *b, int size, bool sign, int d, struct x_mem m);
void x_load_fs(struct x_buf *b, unsigned flags, int d, int32_t disp);	/* of the thread: X_W or 0 */
void x_store(struct x_buf *b, int size, struct x_mem m, int s);
void x_store_k(struct x_buf *b, int size, struct x_mem m, int32_t k);

/* ---- arithmetic; the enum is the /digit of group 1 and (x << 3 | 1) the opcode ---- */
enum x_alu { X_ADD, X_OR, X_ADC, X_SBB, X_AND, X_SUB, X_XOR, X_CMP };
void x_alu(struct x_buf *b, bool w, enum x_alu op, int d, int s);
void x_alu_k(struct x_buf *b, bool w, enum x_alu op, int d, int32_t k);
void x_alu_load(struct x_buf *b, bool w, enum x_alu op, int d, struct x_mem m);
void x_alu_store(struct x_buf *b, int size, enum x_alu op, struct x_mem m, int s, bool lock);
void x_alu_mem_k(struct x_buf *b, int size, enum x_alu op, struct x_mem m, int32_t k);
void x_test(struct x_buf *b, bool w, int d, int s);
void x_test_k(struct x_buf *b, bool w, int d, int32_t k);
void x_test_mem(struct x_buf *b, int size, struct x_mem m, int s);
void x_test_mem_k(struct x_buf *b, int size, struct x_mem m, int32_t k);
void x_imul(struct x_buf *b, bool w, int d, int s);
void x_imul_k(struct x_buf *b, bool w, int d, int s, int32_t k);
enum x_unary { X_NOT = 2, X_NEG = 3, X_MUL = 4, X_IMUL1 = 5, X_DIV = 6, X_IDIV = 7 };
void x_unary(struct x_buf *b, bool w, enum x_unary op, int r);
enum x_shift { X_ROL, X_ROR, X_SHL = 4, X_SHR = 5, X_SAR = 7 };
void x_shift_k(struct x_buf *b, bool w, enum x_shift op, int d, unsigned k);
void x_shift_cl(struct x_buf *b, bool w, enum x_shift op, int d);
/* bmi2: d = s shifted by count, no flags. */
void x_shx(struct x_buf *b, bool w, enum x_shift op, int d, int s, int count);
/* high : low = rdx * s; low == high: the high half. */
void x_mulx(struct x_buf *b, int high, int low, int s);
void x_rol16_8(struct x_buf *b, int d);
/* tzcnt; a processor without it runs the same bytes as bsf: the same where s is not 0. */
void x_tzcnt(struct x_buf *b, int d, int s);
void x_bswap(struct x_buf *b, bool w, int d);
void x_movbe_load(struct x_buf *b, bool w, int d, struct x_mem m);
void x_sign_rdx(struct x_buf *b, bool w);	/* cdq, cqo */

/* ---- atomics ---- */
void x_xadd(struct x_buf *b, bool w, struct x_mem m, int s);
void x_xchg_mem(struct x_buf *b, bool w, struct x_mem m, int s);
void x_cmpxchg(struct x_buf *b, bool w, struct x_mem m, int s);

/* ---- control ---- */
enum x_cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP,
	    CC_L, CC_GE, CC_LE, CC_G };
void x_push(struct x_buf *b, int r);
void x_pop(struct x_buf *b, int r);
void x_push_mem(struct x_buf *b, struct x_mem m);
void x_pop_mem(struct x_buf *b, struct x_mem m);
void x_ret(struct x_buf *b);
void x_leave(struct x_buf *b);
void x_call_r(struct x_buf *b, int r);
void x_jmp_r(struct x_buf *b, int r);
void x_endbr64(struct x_buf *b);
void x_pause(struct x_buf *b);
void x_lfence(struct x_buf *b);
void x_cmov(struct x_buf *b, bool w, enum x_cc cc, int d, int s);
void x_setcc(struct x_buf *b, enum x_cc cc, int d);	/* the low byte */
/* The recommended multi-byte nops (SDM volume 2, NOP). */
void x_nops(struct x_buf *b, unsigned n);

/* ---- SSE2, always there ---- */
void x_sse_rr(struct x_buf *b, unsigned opcode, int d, int s);
void x_movq_to(struct x_buf *b, int xmm, int r);
void x_movq_from(struct x_buf *b, int xmm, int r);
void x_pxor(struct x_buf *b, int d, int s);
void x_movups_store(struct x_buf *b, struct x_mem m, int s);
void x_movups_load(struct x_buf *b, int d, struct x_mem m);

/* ---- AVX2: 66 and a map, 256 bits unless X_128; d, a, s in that order ---- */
enum { X_M0F = 0x100, X_M0F38 = 0x200, X_M0F3A = 0x300, X_VEX_W = 0x400, X_128 = 0x800 };
void x_avx_rr(struct x_buf *b, unsigned op, int d, int a, int s);	/* a 0: not there */
void x_avx_rm(struct x_buf *b, unsigned op, int reg, struct x_mem m);
void x_vzeroupper(struct x_buf *b);

#endif
