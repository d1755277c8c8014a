/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* insn.h - raw and decoded instructions, and what isa.def says about them.
 * Knows nothing of helpers, maps or program types. */
#ifndef UEBPF_VM_INSN_H
#define UEBPF_VM_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One 64-bit slot as it stands in an object, already in host byte order (RFC 9669 3.1).
 * dst and src share a byte whose halves depend on the byte order; raw_load knows. */
struct raw_insn {
	uint8_t code;
	uint8_t dst, src;
	int16_t off;
	int32_t imm;
};
struct raw_insn raw_load(const uint8_t bytes[8]);	/* little-endian objects */
void raw_store(uint8_t bytes[8], struct raw_insn raw);

enum shape {
	SHAPE_BAD,
	SHAPE_ALU_K, SHAPE_ALU_X,	/* dst = dst op imm; dst = dst op src */
	SHAPE_UN,			/* dst = op dst */
	SHAPE_JCC_K, SHAPE_JCC_X,	/* if dst op imm/src goto off */
	SHAPE_LOAD,			/* dst = *(size *)(src + off) */
	SHAPE_STORE_X, SHAPE_STORE_K,	/* *(size *)(dst + off) = src / imm */
	SHAPE_ATOMIC,			/* *(size *)(dst + off) op src */
	SHAPE_PKT_ABS, SHAPE_PKT_IND,	/* r0 = ntoh(packet[imm (+ src)]), exit with 0 when outside */
	SHAPE_WIDE,			/* dst = 64-bit immediate or pseudo source */
	SHAPE_JA,			/* goto off */
	SHAPE_CALL,			/* helper by imm */
	SHAPE_LOCAL, SHAPE_CALLX,	/* subprogram at off; at the address in dst */
	SHAPE_EXIT,
	SHAPE_MARK,			/* internal: no effect on registers or memory of the guest */
	SHAPE_FUSED,			/* dst = f(src, index, imm) */
	SHAPE_FUSED_LOAD,		/* dst = [dst op] memory at src (+ index) + off */
	SHAPE_FUSED_STORE,		/* memory at dst + index + off = src */
	SHAPE_FUSED_JUMP,		/* if *(size *)(dst + imm_hi) op imm_lo goto off */
	SHAPE_COUNT
};

enum op {
	OP_BAD,
#define ALU(n, ...)	 OP_##n##64_K, OP_##n##64_X, OP_##n##32_K, OP_##n##32_X,
#define MOVSX(n, w, ...) OP_##n##w##_X,
#define UN(n, ...)	 OP_##n,
#define JCC(n, ...)	 OP_##n##64_K, OP_##n##64_X, OP_##n##32_K, OP_##n##32_X,
#define MEM(n, ...)	 OP_LD_##n, OP_STX_##n, OP_ST_##n,
#define LDSX(n, ...)	 OP_LD_##n,
#define ATOMIC(n, ...)	 OP_##n##64, OP_##n##32,
#define FETCH(n, ...)	 OP_##n##64, OP_##n##32,
#define ACQREL(n, ...)	 OP_LDACQ_##n, OP_STREL_##n,
#define PKT(n, ...)	 OP_ABS_##n, OP_IND_##n,
#define WIDE(n, ...)	 OP_##n,
#define OP(n, ...)	 OP_##n,
#define INNER(n, ...)	 OP_##n,
#define FUSED(n, ...)	 OP_##n,
#define INDEX(n, ...)	 OP_LDI_##n, OP_STI_##n,
#define MEMOP(n, ...)	 OP_##n##64, OP_##n##32,
#define MEMJCC(n, ...)	 OP_##n##_B, OP_##n##_H, OP_##n##_W, OP_##n##_DW,
#include "vm/isa.def"
	OP_COUNT
};

/* A decoded instruction.  Jumps, local calls and LD_FUNC hold in `off` the absolute index
 * of the decoded target.  A CALL holds the helper id in imm. */
struct insn {
	uint16_t op;
	uint8_t dst : 4, src : 4;
	uint8_t steps;			/* source steps it stands for (usually 1) */
	int32_t off;			/* displacement, or absolute target */
	union {
		int64_t imm;
		struct { int32_t imm_lo, imm_hi; };	/* halves in memory order, for split uses */
	};
};
_Static_assert(sizeof(struct insn) == 16, "an instruction is two words");
_Static_assert(OP_COUNT < 0x10000, "op is 16 bits");

enum op_flags {
	OPF_WIDTH64 = 1,	/* ALU, jump: 64-bit form */
	OPF_SIGNED = 2,		/* load: sign-extends */
	OPF_FETCH = 4,		/* atomic: old value comes back */
	OPF_INNER = 8,		/* internal row */
	OPF_LINUX = 16,		/* beyond RFC 9669 */
};
enum isa_group { ISA_BASE32, ISA_BASE64, ISA_DIVMUL32, ISA_DIVMUL64, ISA_ATOMIC32, ISA_ATOMIC64,
		 ISA_PACKET, ISA_LINUX, ISA_INTERNAL };
struct op_info {
	uint8_t shape;
	uint8_t code;		/* opcode byte (0 for internal rows) */
	uint8_t flags;
	uint8_t size : 4;	/* bytes of memory touched; 0 = none */
	uint8_t group : 4;	/* enum isa_group */
};
_Static_assert(sizeof(struct op_info) == 4, "the table stays small");
extern const struct op_info isa_op[OP_COUNT];
enum { ISA_NAME = 16 };
const char *isa_name(uint16_t op, char buf[ISA_NAME]);	/* "ADD64_K", in buf */
const char *isa_text(uint16_t op);	/* "+=" */

static inline uint64_t isa_bswap16(uint64_t v) { return __builtin_bswap16((uint16_t)v); }
static inline uint64_t isa_bswap32(uint64_t v) { return __builtin_bswap32((uint32_t)v); }
static inline uint64_t isa_bswap64(uint64_t v) { return __builtin_bswap64(v); }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static inline uint64_t isa_le16(uint64_t v) { return (uint16_t)v; }
static inline uint64_t isa_le32(uint64_t v) { return (uint32_t)v; }
static inline uint64_t isa_le64(uint64_t v) { return v; }
#define isa_be16 isa_bswap16
#define isa_be32 isa_bswap32
#define isa_be64 isa_bswap64
#else
static inline uint64_t isa_be16(uint64_t v) { return (uint16_t)v; }
static inline uint64_t isa_be32(uint64_t v) { return (uint32_t)v; }
static inline uint64_t isa_be64(uint64_t v) { return v; }
#define isa_le16 isa_bswap16
#define isa_le32 isa_bswap32
#define isa_le64 isa_bswap64
#endif

/* The meaning of each row as a pure function: alu64_ADD(a, b), alu32_SDIV(a, b), un_BE16(a),
 * movsx64_MOVSB(b), jcc32_JSGT(a, b), rmw64_FADD(old, operand).  alu32 results are zero-extended. */
#define ALU(n, c, o, t, expr) \
static inline uint64_t alu64_##n(uint64_t a, uint64_t b) \
{ typedef uint64_t U; typedef int64_t S; enum { W = 64 }; (void)a; (void)b; (void)W; (void)sizeof(S); return (U)(expr); } \
static inline uint64_t alu32_##n(uint32_t a, uint32_t b) \
{ typedef uint32_t U; typedef int32_t S; enum { W = 32 }; (void)a; (void)b; (void)W; (void)sizeof(S); return (U)(expr); }
#define MOVSX(n, w, o, t, type) \
static inline uint64_t movsx##w##_##n(uint64_t b) { return (uint##w##_t)(int##w##_t)(type)b; }
#define UN(n, c, i, t, expr) \
static inline uint64_t un_##n(uint64_t a) { return expr; }
#define JCC(n, c, t, expr) \
static inline bool jcc64_##n(uint64_t a, uint64_t b) { typedef int64_t S; (void)sizeof(S); return expr; } \
static inline bool jcc32_##n(uint32_t a, uint32_t b) { typedef int32_t S; (void)sizeof(S); return expr; }
#define ATOMIC(n, i, t, expr) \
static inline uint64_t rmw64_##n(uint64_t a, uint64_t b) { (void)a; return expr; } \
static inline uint32_t rmw32_##n(uint32_t a, uint32_t b) { (void)a; return expr; }
#define FETCH ATOMIC
#define MEMOP(n, t, expr) \
static inline uint64_t memop_##n(uint64_t a, uint64_t b) { return expr; }
#define MEMJCC(n, t, expr) \
static inline bool memjcc_##n(uint64_t a, uint64_t b) { return expr; }
#include "vm/isa.def"
#undef FETCH

/* Index operand of fused forms: register in bits 0-3, scale (log2) in 4-5 of imm. */
static inline int32_t insn_index(int reg, int scale) { return scale << 4 | reg; }

/* dst of a CALL or CALL_TAIL that an inliner made: the function in imm does not look at the run; r2 is the struct
 * uebpf_prog to go to, or NULL. */
enum call_form { CALL_ALONE = 1, CALL_PROG };

/* What inliners write, six bytes an instruction: `arg` counts numbers of the place from 1 (0: none), which become
 * the immediate, or the displacement where `off` is OFF_ARG.  A multiplication by a power of two becomes a shift. */
enum { OFF_ARG = 255 };
struct pattern { uint16_t op; uint8_t dst : 4, src : 4, off, arg; };
int pattern_write(struct insn *out, int cap, const struct pattern *pattern, int n, const int64_t *arg);
#define WRITE(out, cap, pattern, arg) \
	pattern_write(out, cap, pattern, (int)(sizeof(pattern) / sizeof((pattern)[0])), arg)

/* LDI_x, STI_x: base + index << scale + off. */
static inline bool isa_indexed(uint16_t op) { return op >= OP_LDI_W && op <= OP_STI_DW; }

/* The row of a wire slot, by opcode and whatever else tells rows apart; OP_BAD when there is none.
 * Says nothing about operands and reserved fields: decode does. */
enum op isa_find(struct raw_insn raw);
/* The wire form of an op with all operands zero (opcode and selecting fields set). */
struct raw_insn isa_wire(enum op op);
/* Bit per register.  Calls of helpers and subprograms: their arguments are not counted as read (the
 * callee's contract says which), r1-r5 not as written although a call leaves them undefined. */
uint32_t insn_reads(const struct insn *insn);
uint32_t insn_writes(const struct insn *insn);

/* Evaluates an ALU, MOVSX or UN op on values; *ok is false for other shapes. */
uint64_t isa_eval(enum op op, uint64_t dst, uint64_t operand, bool *ok);
/* Evaluates a conditional jump. */
bool isa_taken(enum op op, uint64_t dst, uint64_t operand);

#endif
