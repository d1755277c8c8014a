/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* step.h - what one instruction does, as a function that the interpreter's cases are made of:
 * one step is a case, two or three steps are a fused case.  Included by interp.c only.
 *
 * A step finds its operands in the registers, or (rel) one of them in *v, where the step before left
 * its result: that spares the way through memory, which is what chains of instructions wait for.  It
 * leaves its own result in *v, and in the register too unless the next step overwrites that one
 * (keep).  All of these arguments are constants in the place of use. */

#define STEP(name) \
static inline __attribute__((always_inline)) enum step step_##name(struct engine *e, const struct xinsn *pc, \
	uint64_t *r, uint64_t *v, uint64_t *left, const enum rel rel, const bool keep)
#define UNUSED ((void)e, (void)rel, (void)keep, (void)v, (void)left, (void)pc, (void)r)
#define D (rel == REL_D ? *v : r[pc->d])
#define S (rel == REL_S ? *v : r[pc->s])
#define K ((uint64_t)pc->k)
#define AT(type, addr) (((mem_##type *)(uintptr_t)(addr))->v)
#define LOG(type) (sizeof(type) == 8 ? 3 : sizeof(type) == 4 ? 2 : sizeof(type) == 2 ? 1 : 0)
#define OFF ((uint64_t)(int64_t)pc->off)

/* Does a step write its dst?  Then it is no use to keep a dst that it was forwarded. */
enum {
#define VALUES2(n) WRITES_##n##64 = 1, WRITES_##n##32 = 1,
#define VALUES4(n) WRITES_##n##64_K = 1, WRITES_##n##64_X = 1, WRITES_##n##32_K = 1, WRITES_##n##32_X = 1,
#define ALU(n, ...) VALUES4(n)
#define MOVSX(n, w, ...) WRITES_##n##w##_X = 1,
#define UN(n, ...) WRITES_##n = 1,
#define JCC(n, ...) WRITES_##n##64_K = 0, WRITES_##n##64_X = 0, WRITES_##n##32_K = 0, WRITES_##n##32_X = 0,
#define MEM(n, ...) WRITES_LD_##n = 1, WRITES_STX_##n = 0, WRITES_ST_##n = 0, \
	WRITES_CLD_##n = 1, WRITES_CSTX_##n = 0, WRITES_CST_##n = 0,
#define LDSX(n, ...) WRITES_LD_##n = 1, WRITES_CLD_##n = 1,
#define FUSED(n, ...) WRITES_##n = 1,
#define INDEX(n, ...) WRITES_LDI_##n = 1, WRITES_STI_##n = 0, WRITES_LDI0_##n = 1, WRITES_STI0_##n = 0,
#define MEMOP(n, ...) VALUES2(n)
#define MEMJCC(n, ...) WRITES_##n##_B = 0, WRITES_##n##_H = 0, WRITES_##n##_W = 0, WRITES_##n##_DW = 0,
#include "vm/isa.def"
	WRITES_LEAX64_0 = 1, WRITES_LEAX32_0 = 1, WRITES_JA = 0, WRITES_CHARGE = 0, WRITES_EXIT = 0,
};

/* ---- on registers ---- */

#define VALUE(name, expr) \
STEP(name) \
{ \
	UNUSED; \
	*v = (expr); \
	if (keep) \
		r[pc->d] = *v; \
	return STEP_ON; \
}
#define ALU(n, c, o, t, x) \
	VALUE(n##64_K, alu64_##n(D, K)) VALUE(n##64_X, alu64_##n(D, S)) \
	VALUE(n##32_K, alu32_##n((uint32_t)D, (uint32_t)K)) VALUE(n##32_X, alu32_##n((uint32_t)D, (uint32_t)S))
#define MOVSX(n, w, o, t, x) VALUE(n##w##_X, movsx##w##_##n(S))
#define UN(n, c, i, t, x) VALUE(n, un_##n(D))
#define JUMPS(name, cond) STEP(name) { UNUSED; return (cond) ? STEP_JUMP : STEP_ON; }
#define JCC(n, c, t, x) \
	JUMPS(n##64_K, jcc64_##n(D, K)) JUMPS(n##64_X, jcc64_##n(D, S)) \
	JUMPS(n##32_K, jcc32_##n((uint32_t)D, (uint32_t)K)) JUMPS(n##32_X, jcc32_##n((uint32_t)D, (uint32_t)S))
#include "vm/isa.def"
JUMPS(JA, true)
STEP(EXIT) { UNUSED; return STEP_LEAVE; }

/* Shifts of a constant that is inside the width need no mask, but the compiler cannot know. */
VALUE(ROL64, D << (pc->k & 63) | D >> (-pc->k & 63))
VALUE(ROL32, (uint32_t)((uint32_t)D << (pc->k & 31) | (uint32_t)D >> (-pc->k & 31)))
VALUE(LEA64, S + K)
VALUE(LEA32, (uint32_t)(S + K))
#define INDEXED (r[pc->x] << pc->scale)
VALUE(LEAX64, S + INDEXED + OFF)
VALUE(LEAX32, (uint32_t)(S + INDEXED + OFF))
VALUE(LEAX64_0, S + r[pc->x] + OFF)
VALUE(LEAX32_0, (uint32_t)(S + r[pc->x] + OFF))
VALUE(MUL3_64, S * K)
VALUE(MUL3_32, (uint32_t)(S * K))
VALUE(CTZ64, (uint64_t)__builtin_ctzll(S))

/* ---- memory; C*: in checked code, a hit in the last regions, or the whole instruction out of line ---- */

#define LOADS(name, type, wide) \
VALUE(name, (uint64_t)(wide)AT(type, S + OFF)) \
STEP(C##name) \
{ \
	uint64_t addr = S + OFF; \
	UNUSED; \
	if (!is_hit(e->rd, addr, LOG(type))) \
		return STEP_MISS; \
	*v = (uint64_t)(wide)AT(type, addr); \
	if (keep) \
		r[pc->d] = *v; \
	return STEP_ON; \
}
#define STORES(name, type, value) \
STEP(name) { UNUSED; AT(type, D + OFF) = (type)(value); return STEP_ON; } \
STEP(C##name) \
{ \
	uint64_t addr = D + OFF; \
	UNUSED; \
	if (!is_hit(e->wr, addr, LOG(type))) \
		return STEP_MISS; \
	AT(type, addr) = (type)(value); \
	return STEP_ON; \
}
#define MEM(n, s, type) LOADS(LD_##n, type, uint64_t) STORES(STX_##n, type, S) STORES(ST_##n, type, K)
#define LDSX(n, s, type) LOADS(LD_##n, type, int64_t)
#include "vm/isa.def"

/* Fused forms that touch memory never occur in checked code. */
#define STORES_PLAIN(name, type, addr) STEP(name) { UNUSED; AT(type, addr) = (type)S; return STEP_ON; }
#define INDEX(n, s, type) \
	VALUE(LDI_##n, AT(type, S + INDEXED + OFF)) VALUE(LDI0_##n, AT(type, S + r[pc->x] + OFF)) \
	STORES_PLAIN(STI_##n, type, D + INDEXED + OFF) STORES_PLAIN(STI0_##n, type, D + r[pc->x] + OFF)
#define MEMOP(n, t, x) \
	VALUE(n##64, memop_##n(D, AT(uint64_t, S + OFF))) \
	VALUE(n##32, (uint32_t)memop_##n(D, AT(uint32_t, S + OFF)))
#define MEMJUMP(n, w, type) JUMPS(n##_##w, memjcc_##n(AT(type, D + (uint64_t)(int64_t)pc->hi), \
	sizeof(type) == 8 ? (uint64_t)(int64_t)pc->lo : (type)pc->lo))
#define MEMJCC(n, t, x) \
	MEMJUMP(n, B, uint8_t) MEMJUMP(n, H, uint16_t) MEMJUMP(n, W, uint32_t) MEMJUMP(n, DW, uint64_t)
#include "vm/isa.def"

/* ---- accounts ---- */

STEP(CHARGE)
{
	struct uebpf_call *call = &e->call;

	UNUSED;
	if (unlikely(*left < K)) {
		call->status = -ETIME;
		return STEP_STOP;
	}
	if (pc->d && unlikely(__atomic_load_n(call->abort, __ATOMIC_RELAXED))) {
		call->status = -ECANCELED;
		return STEP_STOP;
	}
	*left -= K;
	return STEP_ON;
}

#undef STEP
#undef UNUSED
#undef D
#undef S
#undef K
#undef OFF
#undef VALUE
#undef JUMPS
#undef LOADS
#undef STORES
#undef STORES_PLAIN
#undef MEMJUMP
#undef INDEXED
#undef VALUES2
#undef VALUES4
