/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* insn.c - the instruction table as data and its meanings as functions; see insn.h. */
#include <stdio.h>
#include "vm/insn.h"
#include "vm/message.h"

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

/* All names and texts as one block, so that the table holds offsets and needs no relocation.  A name
 * belongs to an op, a text to a row. */
static const struct strings {
#define NAME(n, s) char n_##n[sizeof s];
#define TEXT(n, s) char t_##n[sizeof s];
#include "vm/isa_strings.h"
} strings MESSAGE_PACKED = {
#define NAME(n, s) s,
#define TEXT(n, s) s,
#include "vm/isa_strings.h"
};

/* What a form adds to its row's name. */
static const char forms[][5] = { "", "64_K", "64_X", "32_K", "32_X", "64", "32", "_B", "_H", "_W", "_DW" };
enum { F_, F_64_K, F_64_X, F_32_K, F_32_X, F_64, F_32, F__B, F__H, F__W, F__DW };

const struct op_info isa_op[OP_COUNT] = {
#define FORM(name, form, text, shape, code, size, flags, group) [OP_##name##form] = { shape, code, flags, size, group },
#include "vm/isa_rows.h"
};
/* What only texts need, packed with them: each kind by itself, which packs better. */
#define WORDS MESSAGE_PACKED __attribute__((aligned(2)))
static const uint16_t name_at[OP_COUNT] WORDS = {
#define FORM(name, form, ...) [OP_##name##form] = offsetof(struct strings, n_##name),
#include "vm/isa_rows.h"
};
static const uint16_t text_at[OP_COUNT] WORDS = {
#define FORM(name, form, text, ...) [OP_##name##form] = offsetof(struct strings, t_##text),
#include "vm/isa_rows.h"
};
static const uint8_t name_form[OP_COUNT] MESSAGE_PACKED = {
#define FORM(name, form, ...) [OP_##name##form] = F_##form,
#include "vm/isa_rows.h"
};

static const char *string_at(const uint16_t *at, uint16_t op)
{
	return message_text(&strings) + ((const uint16_t *)message_text(at))[op];
}

const char *isa_name(uint16_t op, char buf[ISA_NAME])
{
	snprintf(buf, ISA_NAME, "%s%s", string_at(name_at, op), forms[(uint8_t)message_text(name_form)[op]]);
	return buf;
}

const char *isa_text(uint16_t op)
{
	return string_at(text_at, op);
}

/* ---- selection ---- */

/* What besides the opcode byte tells rows apart: the offset of ALU rows, the immediate of byte swaps and
 * atomics, the source field of wide loads and calls. */
enum { DECODED = OP_CAST_KERN + 1 };
static const uint16_t selector[DECODED] = {
#define ALU(n, c, o, t, e) [OP_##n##64_K] = o, [OP_##n##64_X] = o, [OP_##n##32_K] = o, [OP_##n##32_X] = o,
#define MOVSX(n, w, o, t, type) [OP_##n##w##_X] = o,
#define UN(n, c, i, t, e) [OP_##n] = i,
#define ATOMIC(n, i, t, e) [OP_##n##64] = i, [OP_##n##32] = i,
#define FETCH ATOMIC
#define ACQREL(n, s, type) [OP_LDACQ_##n] = 0x100, [OP_STREL_##n] = 0x110,
#define WIDE(n, s, t) [OP_##n] = s,
#define OP(n, shape, c, s, t) [OP_##n] = (shape) == SHAPE_ATOMIC ? 0xf1 : (s),
#include "vm/isa.def"
#undef FETCH
};
/* The first op with the operation, by bits 4-7 of the code and offset; others are looked for. */
static const uint8_t alu_row[2][16] = {
#define ALU(n, c, o, t, e) [o][c] = OP_##n##64_K,
#include "vm/isa.def"
};
static const uint8_t jcc_row[16] = {
#define JCC(n, c, t, e) [c] = OP_##n##64_K,
#include "vm/isa.def"
};
_Static_assert(OP_LD_W < 256, "these rows fit a byte");

/* Which field of the wire holds the selector. */
enum selects { BY_NOTHING, BY_OFF, BY_IMM, BY_SRC };
static enum selects selects(uint8_t code)
{
	switch (code & 7) {
	case ALU32: case ALU64: return (code & 0xf0) == 0xd0 ? BY_IMM : BY_OFF;
	case STX: return (code & 0xe0) == ATOM ? BY_IMM : BY_NOTHING;
	default: return code == 0x18 || code == 0x85 ? BY_SRC : BY_NOTHING;
	}
}

enum op isa_find(struct raw_insn raw)
{
	const uint8_t code = raw.code, class = code & 7, form = (code & X ? 1 : 0) + (class == ALU32 || class == JMP32 ? 2 : 0);
	enum selects by = selects(code);
	uint32_t sel = by == BY_OFF ? (uint16_t)raw.off : by == BY_IMM ? (uint32_t)raw.imm : by == BY_SRC ? raw.src : 0;
	uint32_t row = 0, from = OP_LD_SW;

	/* The two casts share code and offset; only their immediates differ (Linux 6.9). */
	if (code == 0xbf && raw.off == 1)
		return raw.imm == 1 << 16 ? OP_CAST_USER : raw.imm == 1 ? OP_CAST_KERN : OP_BAD;
	if (class == ALU32 || class == ALU64) {
		row = sel < 2 ? alu_row[sel][code >> 4] : 0;
		from = OP_MOVSB64_X;
	} else if (class == JMP64 || class == JMP32) {
		row = jcc_row[code >> 4];
	} else if (class != LD && (code & 0xe0) == MEMORY) {
		return OP_LD_W + (code >> 3 & 3) * (OP_LD_H - OP_LD_W) + (class == STX ? 1 : class == ST ? 2 : 0);
	}
	if (row)
		return row + form;
	for (; from < DECODED; from++)
		if (isa_op[from].code == code && selector[from] == sel)
			return from;
	return OP_BAD;
}

struct raw_insn isa_wire(enum op op)
{
	struct raw_insn raw = { .code = isa_op[op].code };
	uint16_t sel = (uint32_t)op < DECODED ? selector[op] : 0;
	enum selects by = selects(raw.code);

	if (op == OP_CAST_USER || op == OP_CAST_KERN) {
		raw.off = 1;
		raw.imm = op == OP_CAST_USER ? 1 << 16 : 1;
	} else if (by == BY_OFF) {
		raw.off = (int16_t)sel;
	} else if (by == BY_IMM) {
		raw.imm = sel;
	} else if (by == BY_SRC) {
		raw.src = (uint8_t)sel;
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

#define ONE(shape) (1u << SHAPE_##shape)
/* Of most shapes this says all: whether they read dst and src, and whether they write dst or r0. */
enum {
	READ_DST = ONE(ALU_K) | ONE(ALU_X) | ONE(UN) | ONE(JCC_K) | ONE(JCC_X) | ONE(STORE_K) | ONE(STORE_X) | ONE(CALLX) |
		   ONE(ATOMIC) | ONE(FUSED_STORE) | ONE(FUSED_JUMP),
	READ_SRC = ONE(ALU_X) | ONE(JCC_X) | ONE(STORE_X) | ONE(LOAD) | ONE(ATOMIC) | ONE(PKT_IND) | ONE(FUSED) |
		   ONE(FUSED_LOAD) | ONE(FUSED_STORE),
	READ_MORE = ONE(ATOMIC) | ONE(PKT_ABS) | ONE(PKT_IND) | ONE(EXIT) | ONE(MARK) | ONE(FUSED) | ONE(FUSED_LOAD) |
		    ONE(FUSED_STORE),
	WRITE_DST = ONE(ALU_K) | ONE(ALU_X) | ONE(UN) | ONE(LOAD) | ONE(WIDE) | ONE(FUSED) | ONE(FUSED_LOAD),
	WRITE_R0 = ONE(PKT_ABS) | ONE(PKT_IND) | ONE(CALL) | ONE(LOCAL) | ONE(CALLX),
};
#undef ONE

static bool compares(const struct insn *insn) { return insn->op == OP_CMPXCHG64 || insn->op == OP_CMPXCHG32; }

static uint32_t reads_more(const struct insn *insn)
{
	uint32_t dst = 1u << insn->dst, index = 1u << (insn->imm_lo & 15);

	switch (isa_op[insn->op].shape) {
	case SHAPE_ATOMIC: return compares(insn);
	case SHAPE_EXIT: return 1;
	case SHAPE_MARK: return insn->op == OP_INIT_CHECK ? dst : 0;
	case SHAPE_FUSED: return insn->op == OP_LEAX64 || insn->op == OP_LEAX32 ? index : 0;
	case SHAPE_FUSED_LOAD: return isa_indexed(insn->op) ? index : dst;
	case SHAPE_FUSED_STORE: return index;
	default: return 1u << 6;	/* packets */
	}
}

uint32_t insn_reads(const struct insn *insn)
{
	const struct op_info *row = &isa_op[insn->op];
	uint32_t shape = 1u << row->shape, reads = shape & READ_SRC ? 1u << insn->src : 0;

	if (shape & READ_MORE)
		reads |= reads_more(insn);
	/* moves, also what extends or casts, are those of ALU_* */
	if (shape & READ_DST && !(row->code >> 4 == 0xb && row->shape <= SHAPE_ALU_X))
		reads |= 1u << insn->dst;
	return reads;
}

uint32_t insn_writes(const struct insn *insn)
{
	uint32_t shape = 1u << isa_op[insn->op].shape;

	if (shape & WRITE_DST)
		return 1u << insn->dst;
	if (shape & 1u << SHAPE_ATOMIC && !compares(insn))
		return isa_op[insn->op].flags & OPF_FETCH ? 1u << insn->src : 0;
	return (shape & (WRITE_R0 | 1u << SHAPE_ATOMIC)) != 0;
}

int pattern_write(struct insn *out, int cap, const struct pattern *p, int n, const int64_t *arg)
{
	if (cap < n)
		return 0;
	for (int i = 0; i < n; i++, p++) {
		int64_t value = p->arg ? arg[p->arg - 1] : 0;
		bool off = p->off == OFF_ARG;

		out[i] = (struct insn){ .op = p->op, .dst = p->dst, .src = p->src,
					.off = off ? (int32_t)value : p->off, .imm = off ? 0 : value };
		if (p->op == OP_MUL64_K && !(value & (value - 1)))
			out[i] = (struct insn){ .op = OP_LSH64_K, .dst = p->dst, .imm = __builtin_ctzll((uint64_t)value) };
	}
	return n;
}
