/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* insn.c - the instruction table as data and its meanings as functions; see insn.h. */
#include "vm/insn.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE16(v) (v)
#define LE32(v) (v)
#else
#define LE16(v) __builtin_bswap16(v)
#define LE32(v) __builtin_bswap32(v)
#endif

struct raw_insn raw_load(const uint8_t bytes[8])
{
	uint16_t off;
	uint32_t imm;

	__builtin_memcpy(&off, bytes + 2, 2);
	__builtin_memcpy(&imm, bytes + 4, 4);
	return (struct raw_insn){ .code = bytes[0], .dst = bytes[1] & 15, .src = bytes[1] >> 4,
				  .off = (int16_t)LE16(off), .imm = (int32_t)LE32(imm) };
}

void raw_store(uint8_t bytes[8], struct raw_insn raw)
{
	uint16_t off = LE16((uint16_t)raw.off);
	uint32_t imm = LE32((uint32_t)raw.imm);

	bytes[0] = raw.code;
	bytes[1] = (uint8_t)(raw.src << 4 | (raw.dst & 15));
	__builtin_memcpy(bytes + 2, &off, 2);
	__builtin_memcpy(bytes + 4, &imm, 4);
}

/* Opcode byte: class in bits 0-2; ALU and jumps: source bit 3, operation in 4-7; loads and stores:
 * size in 3-4, mode in 5-7 (RFC 9669 section 3.2). */
enum { LD = 0, LDX = 1, ST = 2, STX = 3, ALU32 = 4, JMP64 = 5, JMP32 = 6, ALU64 = 7, X = 8 };
enum { IMM = 0x00, ABS = 0x20, IND = 0x40, MEMORY = 0x60, MEMSX = 0x80, ATOM = 0xc0 };
enum { SIZE_W = 4, SIZE_H = 2, SIZE_B = 1, SIZE_DW = 8, SIZE_SW = 4, SIZE_SH = 2, SIZE_SB = 1 };

/* Conformance groups: RFC 9669 section 2.4 and appendix A. */
#define DIVMUL(c, w) ((c) == 2 || (c) == 3 || (c) == 9 ? ISA_DIVMUL##w : ISA_BASE##w)
#define GROUP_LINUX(n) (OP_##n == OP_CALLX || OP_##n == OP_CALL_KFUNC || OP_##n == OP_MAY_GOTO || \
			OP_##n == OP_CAST_USER || OP_##n == OP_CAST_KERN)

const struct op_info isa_op[OP_COUNT] = {
	[OP_BAD] = { "BAD", "bad", SHAPE_BAD, 0, 0, 0, 0 },
#define ALU(n, c, o, t, e) \
	[OP_##n##64_K] = { #n "64_K", t, SHAPE_ALU_K, (c) << 4 | ALU64, 0, OPF_WIDTH64, DIVMUL(c, 64) }, \
	[OP_##n##64_X] = { #n "64_X", t, SHAPE_ALU_X, (c) << 4 | ALU64 | X, 0, OPF_WIDTH64, DIVMUL(c, 64) }, \
	[OP_##n##32_K] = { #n "32_K", t, SHAPE_ALU_K, (c) << 4 | ALU32, 0, 0, DIVMUL(c, 32) }, \
	[OP_##n##32_X] = { #n "32_X", t, SHAPE_ALU_X, (c) << 4 | ALU32 | X, 0, 0, DIVMUL(c, 32) },
#define MOVSX(n, w, o, t, type) \
	[OP_##n##w##_X] = { #n #w "_X", t, SHAPE_ALU_X, 0xb0 | ALU##w | X, 0, \
			    (w) == 64 ? OPF_WIDTH64 : 0, ISA_BASE##w },
#define UN(n, c, i, t, e) \
	[OP_##n] = { #n, t, SHAPE_UN, c, 0, ((c) & 7) == ALU64 || (i) == 64 ? OPF_WIDTH64 : 0, \
		     ((c) & 7) == ALU64 || (i) == 64 ? ISA_BASE64 : ISA_BASE32 },
#define JCC(n, c, t, e) \
	[OP_##n##64_K] = { #n "64_K", t, SHAPE_JCC_K, (c) << 4 | JMP64, 0, OPF_WIDTH64, ISA_BASE64 }, \
	[OP_##n##64_X] = { #n "64_X", t, SHAPE_JCC_X, (c) << 4 | JMP64 | X, 0, OPF_WIDTH64, ISA_BASE64 }, \
	[OP_##n##32_K] = { #n "32_K", t, SHAPE_JCC_K, (c) << 4 | JMP32, 0, 0, ISA_BASE32 }, \
	[OP_##n##32_X] = { #n "32_X", t, SHAPE_JCC_X, (c) << 4 | JMP32 | X, 0, 0, ISA_BASE32 },
#define MEM(n, s, type) \
	[OP_LD_##n] = { "LD_" #n, #type, SHAPE_LOAD, MEMORY | (s) | LDX, SIZE_##n, 0, \
			SIZE_##n == 8 ? ISA_BASE64 : ISA_BASE32 }, \
	[OP_STX_##n] = { "STX_" #n, #type, SHAPE_STORE_X, MEMORY | (s) | STX, SIZE_##n, 0, \
			 SIZE_##n == 8 ? ISA_BASE64 : ISA_BASE32 }, \
	[OP_ST_##n] = { "ST_" #n, #type, SHAPE_STORE_K, MEMORY | (s) | ST, SIZE_##n, 0, \
			SIZE_##n == 8 ? ISA_BASE64 : ISA_BASE32 },
#define LDSX(n, s, type) \
	[OP_LD_##n] = { "LD_" #n, #type, SHAPE_LOAD, MEMSX | (s) | LDX, SIZE_##n, OPF_SIGNED, ISA_BASE64 },
#define ATOMIC(n, i, t, e) \
	[OP_##n##64] = { #n "64", t, SHAPE_ATOMIC, ATOM | 0x18 | STX, 8, OPF_WIDTH64, ISA_ATOMIC64 }, \
	[OP_##n##32] = { #n "32", t, SHAPE_ATOMIC, ATOM | STX, 4, 0, ISA_ATOMIC32 },
#define FETCH(n, i, t, e) \
	[OP_##n##64] = { #n "64", t, SHAPE_ATOMIC, ATOM | 0x18 | STX, 8, OPF_WIDTH64 | OPF_FETCH, ISA_ATOMIC64 }, \
	[OP_##n##32] = { #n "32", t, SHAPE_ATOMIC, ATOM | STX, 4, OPF_FETCH, ISA_ATOMIC32 },
#define ACQREL(n, s, type) \
	[OP_LDACQ_##n] = { "LDACQ_" #n, #type, SHAPE_LOAD, ATOM | (s) | STX, SIZE_##n, OPF_LINUX, ISA_LINUX }, \
	[OP_STREL_##n] = { "STREL_" #n, #type, SHAPE_STORE_X, ATOM | (s) | STX, SIZE_##n, OPF_LINUX, ISA_LINUX },
#define PKT(n, s, type) \
	[OP_ABS_##n] = { "ABS_" #n, #type, SHAPE_PKT_ABS, ABS | (s) | LD, SIZE_##n, 0, ISA_PACKET }, \
	[OP_IND_##n] = { "IND_" #n, #type, SHAPE_PKT_IND, IND | (s) | LD, SIZE_##n, 0, ISA_PACKET },
#define WIDE(n, s, t) \
	[OP_##n] = { #n, t, SHAPE_WIDE, 0x18, 0, OPF_WIDTH64, ISA_BASE64 },
#define OP(n, shape, c, s, t) \
	[OP_##n] = { #n, t, shape, c, shape == SHAPE_ATOMIC ? ((c) == 0xdb ? 8 : 4) : 0, \
		     (shape == SHAPE_ATOMIC ? OPF_FETCH | ((c) == 0xdb ? OPF_WIDTH64 : 0) : 0) | \
		     (shape == SHAPE_ALU_X ? OPF_WIDTH64 : 0) | (GROUP_LINUX(n) ? OPF_LINUX : 0), \
		     shape == SHAPE_ATOMIC ? ((c) == 0xdb ? ISA_ATOMIC64 : ISA_ATOMIC32) : \
		     GROUP_LINUX(n) ? ISA_LINUX : ISA_BASE32 },
#define INNER(n, shape, t) [OP_##n] = { #n, t, shape, 0, 0, OPF_INNER, ISA_INTERNAL },
#define FUSED(n, shape, w, t) [OP_##n] = { #n, t, shape, 0, 0, OPF_INNER | ((w) == 64 ? OPF_WIDTH64 : 0), ISA_INTERNAL },
#define INDEX(n, s, type) \
	[OP_LDI_##n] = { "LDI_" #n, #type, SHAPE_FUSED_LOAD, 0, s, OPF_INNER, ISA_INTERNAL }, \
	[OP_STI_##n] = { "STI_" #n, #type, SHAPE_FUSED_STORE, 0, s, OPF_INNER, ISA_INTERNAL },
#define MEMOP(n, t, e) \
	[OP_##n##64] = { #n "64", t, SHAPE_FUSED_LOAD, 0, 8, OPF_INNER | OPF_WIDTH64, ISA_INTERNAL }, \
	[OP_##n##32] = { #n "32", t, SHAPE_FUSED_LOAD, 0, 4, OPF_INNER, ISA_INTERNAL },
#define MEMJCC(n, t, e) \
	[OP_##n##_B] = { #n "_B", t, SHAPE_FUSED_JUMP, 0, 1, OPF_INNER, ISA_INTERNAL }, \
	[OP_##n##_H] = { #n "_H", t, SHAPE_FUSED_JUMP, 0, 2, OPF_INNER, ISA_INTERNAL }, \
	[OP_##n##_W] = { #n "_W", t, SHAPE_FUSED_JUMP, 0, 4, OPF_INNER, ISA_INTERNAL }, \
	[OP_##n##_DW] = { #n "_DW", t, SHAPE_FUSED_JUMP, 0, 8, OPF_INNER, ISA_INTERNAL },
#include "vm/isa.def"
};

/* ---- selection ---- */

/* What besides the opcode byte tells rows apart: the offset of ALU rows, the immediate of byte swaps
 * and atomics, the source field of wide loads and calls. */
#define KEY(code, sel) ((uint64_t)(uint32_t)(sel) << 8 | (code))
#define CAST_KEY(imm) (1u << 31 | (imm))	/* isa_find looks before it comes to keys */

static uint64_t key_of(struct raw_insn raw)
{
	switch (raw.code & 7) {
	case ALU32: case ALU64:
		if ((raw.code & 0xf0) == 0xd0)
			return KEY(raw.code, raw.imm);
		return KEY(raw.code, (uint16_t)raw.off);
	case STX:
		return KEY(raw.code, (raw.code & 0xe0) == ATOM ? raw.imm : 0);
	default:
		return KEY(raw.code, raw.code == 0x18 || raw.code == 0x85 ? raw.src : 0);
	}
}

enum op isa_find(struct raw_insn raw)
{
	/* The two casts share code and offset; only their immediates differ (Linux 6.9). */
	if (raw.code == 0xbf && raw.off == 1)
		return raw.imm == 1 << 16 ? OP_CAST_USER : raw.imm == 1 ? OP_CAST_KERN : OP_BAD;
	switch (key_of(raw)) {
#define ALU(n, c, o, t, e) \
	case KEY((c) << 4 | ALU64, o): return OP_##n##64_K; \
	case KEY((c) << 4 | ALU64 | X, o): return OP_##n##64_X; \
	case KEY((c) << 4 | ALU32, o): return OP_##n##32_K; \
	case KEY((c) << 4 | ALU32 | X, o): return OP_##n##32_X;
#define MOVSX(n, w, o, t, type) case KEY(0xb0 | ALU##w | X, o): return OP_##n##w##_X;
#define UN(n, c, i, t, e) case KEY(c, i): return OP_##n;
#define JCC(n, c, t, e) \
	case KEY((c) << 4 | JMP64, 0): return OP_##n##64_K; \
	case KEY((c) << 4 | JMP64 | X, 0): return OP_##n##64_X; \
	case KEY((c) << 4 | JMP32, 0): return OP_##n##32_K; \
	case KEY((c) << 4 | JMP32 | X, 0): return OP_##n##32_X;
#define MEM(n, s, type) \
	case KEY(MEMORY | (s) | LDX, 0): return OP_LD_##n; \
	case KEY(MEMORY | (s) | STX, 0): return OP_STX_##n; \
	case KEY(MEMORY | (s) | ST, 0): return OP_ST_##n;
#define LDSX(n, s, type) case KEY(MEMSX | (s) | LDX, 0): return OP_LD_##n;
#define ATOMIC(n, i, t, e) \
	case KEY(ATOM | 0x18 | STX, i): return OP_##n##64; \
	case KEY(ATOM | STX, i): return OP_##n##32;
#define FETCH ATOMIC
#define ACQREL(n, s, type) \
	case KEY(ATOM | (s) | STX, 0x100): return OP_LDACQ_##n; \
	case KEY(ATOM | (s) | STX, 0x110): return OP_STREL_##n;
#define PKT(n, s, type) \
	case KEY(ABS | (s) | LD, 0): return OP_ABS_##n; \
	case KEY(IND | (s) | LD, 0): return OP_IND_##n;
#define WIDE(n, s, t) case KEY(0x18, s): return OP_##n;
#define OP(n, shape, c, s, t) \
	case KEY(c, OP_##n == OP_CMPXCHG64 || OP_##n == OP_CMPXCHG32 ? 0xf1 : \
		    OP_##n == OP_CAST_USER ? CAST_KEY(1 << 16) : OP_##n == OP_CAST_KERN ? CAST_KEY(1) : s): \
		return OP_##n;
#include "vm/isa.def"
#undef FETCH
	default: return OP_BAD;
	}
}

/* The off, imm and src that stand in the wire form of an op besides its operands. */
struct raw_insn isa_wire(enum op op)
{
	struct raw_insn raw = { .code = isa_op[op].code };

	switch (op) {
#define ALU(n, c, o, t, e) \
	case OP_##n##64_K: case OP_##n##64_X: case OP_##n##32_K: case OP_##n##32_X: raw.off = o; break;
#define MOVSX(n, w, o, t, type) case OP_##n##w##_X: raw.off = o; break;
#define UN(n, c, i, t, e) case OP_##n: raw.imm = i; break;
#define ATOMIC(n, i, t, e) case OP_##n##64: case OP_##n##32: raw.imm = i; break;
#define FETCH ATOMIC
#define ACQREL(n, s, type) case OP_LDACQ_##n: raw.imm = 0x100; break; case OP_STREL_##n: raw.imm = 0x110; break;
#define WIDE(n, s, t) case OP_##n: raw.src = s; break;
#include "vm/isa.def"
#undef FETCH
	case OP_CMPXCHG64: case OP_CMPXCHG32: raw.imm = 0xf1; break;
	case OP_CALL_LOCAL: raw.src = 1; break;
	case OP_CALL_KFUNC: raw.src = 2; break;
	case OP_CAST_USER: raw.off = 1; raw.imm = 1 << 16; break;
	case OP_CAST_KERN: raw.off = 1; raw.imm = 1; break;
	default: break;
	}
	return raw;
}

/* ---- meanings ---- */

uint64_t isa_eval(enum op op, uint64_t dst, uint64_t operand, bool *ok)
{
	*ok = true;
	switch (op) {
#define ALU(n, c, o, t, e) \
	case OP_##n##64_K: case OP_##n##64_X: return alu64_##n(dst, operand); \
	case OP_##n##32_K: case OP_##n##32_X: return alu32_##n((uint32_t)dst, (uint32_t)operand);
#define MOVSX(n, w, o, t, type) case OP_##n##w##_X: return movsx##w##_##n(operand);
#define UN(n, c, i, t, e) case OP_##n: return un_##n(dst);
#include "vm/isa.def"
	default:
		*ok = false;
		return 0;
	}
}

bool isa_taken(enum op op, uint64_t dst, uint64_t operand)
{
	switch (op) {
#define JCC(n, c, t, e) \
	case OP_##n##64_K: case OP_##n##64_X: return jcc64_##n(dst, operand); \
	case OP_##n##32_K: case OP_##n##32_X: return jcc32_##n((uint32_t)dst, (uint32_t)operand);
#include "vm/isa.def"
	default: return false;
	}
}

/* ---- registers ---- */

static bool reads_own_dst(uint16_t op)
{
	switch (op) {
	case OP_MOV64_K: case OP_MOV64_X: case OP_MOV32_K: case OP_MOV32_X: case OP_CAST_USER: case OP_CAST_KERN:
#define MOVSX(n, w, o, t, type) case OP_##n##w##_X:
#include "vm/isa.def"
		return false;
	default:
		return true;
	}
}

uint32_t insn_reads(const struct insn *insn)
{
	uint32_t dst = 1u << insn->dst, src = 1u << insn->src;

	switch (isa_op[insn->op].shape) {
	case SHAPE_ALU_K: return reads_own_dst(insn->op) ? dst : 0;
	case SHAPE_ALU_X: return reads_own_dst(insn->op) ? dst | src : src;
	case SHAPE_UN: case SHAPE_JCC_K: case SHAPE_STORE_K: case SHAPE_CALLX: return dst;
	case SHAPE_JCC_X: case SHAPE_STORE_X: return dst | src;
	case SHAPE_LOAD: return src;
	case SHAPE_ATOMIC:
		return dst | src | (insn->op == OP_CMPXCHG64 || insn->op == OP_CMPXCHG32 ? 1 : 0);
	case SHAPE_PKT_ABS: return 1u << 6;
	case SHAPE_PKT_IND: return 1u << 6 | src;
	case SHAPE_EXIT: return 1;
	case SHAPE_MARK: return insn->op == OP_INIT_CHECK ? dst : 0;
	case SHAPE_FUSED:
		return src | (insn->op == OP_LEAX64 || insn->op == OP_LEAX32 ? 1u << (insn->imm_lo & 15) : 0);
	case SHAPE_FUSED_LOAD: return src | (isa_indexed(insn->op) ? 1u << (insn->imm_lo & 15) : dst);
	case SHAPE_FUSED_STORE: return dst | src | 1u << (insn->imm_lo & 15);
	case SHAPE_FUSED_JUMP: return dst;
	default: return 0;
	}
}

uint32_t insn_writes(const struct insn *insn)
{
	switch (isa_op[insn->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: case SHAPE_LOAD: case SHAPE_WIDE:
	case SHAPE_FUSED: case SHAPE_FUSED_LOAD:
		return 1u << insn->dst;
	case SHAPE_ATOMIC:
		if (insn->op == OP_CMPXCHG64 || insn->op == OP_CMPXCHG32)
			return 1;
		return isa_op[insn->op].flags & OPF_FETCH ? 1u << insn->src : 0;
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND: case SHAPE_CALL: case SHAPE_LOCAL: case SHAPE_CALLX:
		return 1;
	default: return 0;
	}
}
