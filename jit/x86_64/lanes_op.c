/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes_op.c - see lanes_in.h: 16 bytes of elements in SSE2 registers, 32 with AVX2. */
#include "jit/x86_64/lanes_in.h"

static bool wide(const struct lane *v) { return v->bytes == 32; }

void vec_3(struct lane *v, unsigned op, int d, int a, int s)
{
	if (wide(v)) {
		x_avx_rr(&v->c->b, op, d, a, s);
		return;
	}
	vec_copy(v, d, a);
	x_sse_rr(&v->c->b, op & 0xff, d, s);
}

void vec_rr(struct lane *v, unsigned op, int d, int s) { vec_3(v, op, d, d, s); }

/* Of one operand only. */
static void move(struct lane *v, unsigned op, int d, int s)
{
	if (wide(v))
		x_avx_rr(&v->c->b, op, d, 0, s);
	else
		x_sse_rr(&v->c->b, op & 0xff, d, s);
}

void vec_copy(struct lane *v, int d, int s)
{
	if (d != s)
		move(v, MOVDQA, d, s);
}

static void shift_3(struct lane *v, unsigned log, unsigned how, int d, int s, unsigned k)
{
	if (!wide(v))
		vec_copy(v, d, s);
	if (wide(v))
		x_avx_rr(&v->c->b, SHIFT + log, (int)how, d, s);
	else
		x_sse_rr(&v->c->b, (SHIFT + log) & 0xff, (int)how, d);
	x_8(&v->c->b, k);
}
void vec_shift(struct lane *v, unsigned log, unsigned how, int d, unsigned k) { shift_3(v, log, how, d, d, k); }

void vec_from(struct lane *v, int d, int reg)
{
	if (wide(v))
		x_avx_rr(&v->c->b, MOVD_LOAD | X_VEX_W | X_128, d, 0, reg);
	else
		x_movq_to(&v->c->b, d, reg);
}

unsigned vec_add_op(unsigned log, bool sub)
{
	return X_M0F | (log == 3 ? (sub ? 0xfb : 0xd4) : (sub ? 0xf8 : 0xfc) + log);
}

/* A constant, cut to the element, in each lane of 8 bytes. */
static int64_t all_lanes(const struct lane *v, uint64_t k)
{
	unsigned bits = 8u * v->l.size;

	return (int64_t)(bits == 64 ? k : (k & ((1ull << bits) - 1)) * (UINT64_MAX / ((1ull << bits) - 1)));
}

int vec_slot(struct lane *v, enum slot_kind kind, unsigned reg, int64_t k)
{
	for (uint32_t i = 0; i < v->nr_slot; i++)
		if (v->slot[i].kind == kind && v->slot[i].reg == reg && v->slot[i].k == k)
			return FIRST_SLOT + (int)i;
	if (v->nr_slot == SLOTS) {
		v->fail = true;
		return FIRST_SLOT;
	}
	v->slot[v->nr_slot].kind = kind;
	v->slot[v->nr_slot].reg = (uint8_t)reg;
	v->slot[v->nr_slot].k = k;
	return FIRST_SLOT + (int)v->nr_slot++;
}
int vec_constant(struct lane *v, uint64_t k) { return vec_slot(v, SLOT_CONST, 0, all_lanes(v, k)); }
int vec_whole(struct lane *v, uint64_t k) { return vec_slot(v, SLOT_CONST, 0, (int64_t)k); }

int vec_reg(struct lane *v, unsigned reg)
{
	if ((v->l.values & ~v->l.picks) >> reg & 1)
		return vec_slot(v, SLOT_VALUE, reg, 0);
	if (v->l.steps >> reg & 1)
		return vec_slot(v, SLOT_STEP, reg, 0);
	return vec_slot(v, SLOT_SAME, reg, 0);
}
int vec_mask(struct lane *v) { return vec_slot(v, SLOT_MASK, 0, 0); }

/* ---- operations ---- */

void vec_choose(struct lane *v, int d, int s)
{
	int m = vec_mask(v);

	if (wide(v)) {
		x_avx_rr(&v->c->b, AVX_BLENDV, d, v->jumped ? s : d, v->jumped ? d : s);
		x_8(&v->c->b, (unsigned)m << 4);
		return;
	}
	vec_3(v, PANDN, SCRATCH, m, v->jumped ? s : d);
	if (!v->jumped)
		vec_copy(v, d, s);
	vec_rr(v, PAND, d, m);
	vec_rr(v, POR, d, SCRATCH);
}

/* Bytes have no shifts: words, without the bits of the neighbour. */
static void shift_lanes(struct lane *v, unsigned how, int d, unsigned k)
{
	unsigned log = log_size(v);

	vec_shift(v, log ? log : 1, how, d, k);
	if (!log)
		vec_rr(v, PAND, d, vec_constant(v, how == SHIFT_LEFT ? 0xffull << k : 0xffu >> k));
}

/* Bits of 1 << log bytes go round by k. */
static void rotate(struct lane *v, unsigned log, int d, unsigned k)
{
	shift_3(v, log, SHIFT_RIGHT, SCRATCH, d, (8u << log) - k);
	vec_shift(v, log, SHIFT_LEFT, d, k);
	vec_rr(v, POR, d, SCRATCH);
}

static void negate_or_swap(struct lane *v, const struct insn *in, int d)
{
	unsigned bits = in->op == OP_BE16 ? 16 : in->op == OP_BE32 ? 32 : 64, lane = 8u * v->l.size;

	if (in->op == OP_NEG64 || in->op == OP_NEG32) {
		vec_copy(v, SCRATCH, d);
		vec_rr(v, PXOR, d, d);
		vec_rr(v, vec_add_op(log_size(v), true), d, SCRATCH);
		if (lane == 64 && in->op == OP_NEG32)
			vec_rr(v, PAND, d, vec_whole(v, UINT32_MAX));
		return;
	}
	for (unsigned log = 1; log <= log_size(v); log++)	/* bytes of words, words of double words ... */
		rotate(v, log, d, 4u << log);
	if (bits < lane)
		vec_shift(v, log_size(v), SHIFT_RIGHT, d, lane - bits);
}

/* Low halves of products of 32 bits. */
static void multiply(struct lane *v, int d, int by)
{
	if (wide(v)) {
		vec_rr(v, AVX_PMULLD, d, by);
		return;
	}
	shift_3(v, 3, SHIFT_RIGHT, SCRATCH, d, 32);
	shift_3(v, 3, SHIFT_RIGHT, SCRATCH2, by, 32);
	vec_rr(v, PMULUDQ, SCRATCH, SCRATCH2);
	vec_rr(v, PMULUDQ, d, by);
	vec_shift(v, 3, SHIFT_LEFT, SCRATCH, 32);
	vec_rr(v, PAND, d, vec_whole(v, UINT32_MAX));
	vec_rr(v, POR, d, SCRATCH);
}

static bool adds_bytes(const struct lane *v, const struct insn *in)
{
	return v->l.bytes >> (in - v->c->code->insn - v->l.head) & 1;
}

void vec_compute(struct lane *v, const struct insn *in, int d)
{
	bool x = isa_op[in->op].shape == SHAPE_ALU_X, w = isa_op[in->op].flags & OPF_WIDTH64;
	uint64_t k = w ? (uint64_t)in->imm : (uint32_t)in->imm;
	unsigned op;

	if (isa_op[in->op].shape == SHAPE_UN) {
		negate_or_swap(v, in, d);
		return;
	}
	if (in->op == OP_ROL64 || in->op == OP_ROL32) {
		rotate(v, log_size(v), d, (unsigned)in->imm);
		return;
	}
	switch (lane_alu(in->op)) {
	case LANE_ADD: op = vec_add_op(log_size(v), false); break;
	case LANE_SUB: op = vec_add_op(log_size(v), true); break;
	case LANE_MUL:
		if (v->l.size == 4) {
			multiply(v, d, x ? vec_reg(v, in->src) : vec_constant(v, k));
			return;
		}
		if (adds_bytes(v, in)) {	/* by 0x0101010101010101, then >> 56 */
			vec_rr(v, PSADBW, d, vec_whole(v, 0));
			return;
		}
		op = v->l.size == 8 ? PMULUDQ : PMULLW;
		break;
	case LANE_OR: op = POR; break;
	case LANE_AND: op = PAND; break;
	case LANE_XOR: op = PXOR; break;
	case LANE_LSH:
		shift_lanes(v, SHIFT_LEFT, d, (unsigned)in->imm);
		if (v->l.size == 8 && !w)
			vec_rr(v, PAND, d, vec_whole(v, UINT32_MAX));
		return;
	case LANE_ARSH: shift_lanes(v, SHIFT_SIGNED, d, (unsigned)in->imm); return;
	case LANE_RSH:
		if (v->l.size == 4 && lane_upper_only(in - 1))
			shift_lanes(v, SHIFT_RIGHT, d, (unsigned)in->imm - 32);
		else if (adds_bytes(v, in - 1))
			vec_rr(v, PAND, d, vec_whole(v, 0xff));
		else
			shift_lanes(v, SHIFT_RIGHT, d, (unsigned)in->imm);
		return;
	default:	/* LANE_MOV */
		vec_copy(v, d, x ? vec_reg(v, in->src) : vec_constant(v, k));
		if (v->l.size == 8 && !w && x)
			vec_rr(v, PAND, d, vec_whole(v, UINT32_MAX));
		return;
	}
	if (op != PAND || x || ~k << (64 - 8 * v->l.size))
		vec_rr(v, op, d, x ? vec_reg(v, in->src) : vec_constant(v, k));
	if (v->l.size == 8 && !w && (op != PAND || x))
		vec_rr(v, PAND, d, vec_whole(v, UINT32_MAX));
}

/* Neighbours of d, of 1 << log bytes, are added up in lanes twice as wide. */
void vec_widen(struct lane *v, int d, unsigned log)
{
	shift_3(v, log + 1, SHIFT_RIGHT, SCRATCH, d, 8u << log);
	vec_rr(v, PAND, d, vec_whole(v, log == 1 ? 0x0000ffff0000ffff : UINT32_MAX));
	vec_rr(v, vec_add_op(log + 1, false), d, SCRATCH);
}

/* Does the comparison look at signs?  What is zero-extended is never negative. */
static bool compares_signs(const struct lane *v, const struct insn *in)
{
	unsigned row = (in->op - (unsigned)OP_JEQ64_K) / 4;

	return ((row >= (OP_JSGT64_K - OP_JEQ64_K) / 4 && row <= (OP_JSGE64_K - OP_JEQ64_K) / 4) ||
		row >= (OP_JSLT64_K - OP_JEQ64_K) / 4) && v->l.size == 4 && !(isa_op[in->op].flags & OPF_WIDTH64);
}

/* Of numbers without signs; other than bytes with AVX2 only. */
static unsigned least_op(unsigned log) { return log ? AVX_MIN + log : PMINUB; }

unsigned vec_extreme(struct lane *v, const struct insn *in)
{
	const struct insn *mov = in + 1;
	unsigned row = (in->op - (unsigned)OP_JEQ64_K) / 4, log = log_size(v);
	bool k = isa_op[in->op].shape == SHAPE_JCC_K, sign = compares_signs(v, in), most;

	if (!(1u << row & LANE_LESS_ROWS) || (!wide(v) && (sign || log)) ||
	    (k ? (mov->op != OP_MOV64_K && mov->op != OP_MOV32_K) || mov->imm != in->imm || mov->dst != in->dst :
		 (mov->op != OP_MOV64_X && mov->op != OP_MOV32_X) || mov->dst == mov->src ||
		 (1u << mov->dst | 1u << mov->src) != (1u << in->dst | 1u << in->src)))
		return 0;
	/* >, >=: what stays is the greater if it is on the left */
	most = (1u << row & LANE_GREATER_ROWS) != 0;
	if (mov->dst != in->dst)
		most = !most;
	return (sign ? (unsigned)AVX_MIN : least_op(log)) + (most ? MAX_FROM_MIN : 0);
}

void vec_compare(struct lane *v, const struct insn *in, int da, int db)
{
	/* by row of isa.def: how a and b are compared, whether in the other order, and where it then jumps */
	static const struct { uint16_t op; uint8_t swap, jumps; } as[] = {
		[OP_JEQ64_K - OP_JEQ64_K] = { PCMPEQ, 0, 1 },
		[(OP_JGT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 1 }, [(OP_JGE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 0 },
		[(OP_JSET64_K - OP_JEQ64_K) / 4] = { PAND, 0, 0 }, [(OP_JNE64_K - OP_JEQ64_K) / 4] = { PCMPEQ, 0, 0 },
		[(OP_JSGT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 1 }, [(OP_JSGE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 0 },
		[(OP_JLT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 1 }, [(OP_JLE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 0 },
		[(OP_JSLT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 1 }, [(OP_JSLE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 0 },
	};
	unsigned row = (in->op - (unsigned)OP_JEQ64_K) / 4, log = log_size(v), op = as[row].op;
	bool x = isa_op[in->op].shape == SHAPE_JCC_X;
	bool bias = op == PCMPGT && !compares_signs(v, in);
	uint64_t flip = bias ? 1ull << (8 * v->l.size - 1) : 0;
	int m = vec_mask(v), a = m, b = SCRATCH;

	if (bias && (wide(v) || !log)) {	/* a <= b where the lesser of both is a */
		b = x ? db : vec_constant(v, (uint64_t)in->imm);
		v->jumped = !as[row].jumps;
		a = as[row].swap ? b : da;
		vec_3(v, least_op(log), m, a, as[row].swap ? da : b);
		vec_rr(v, PCMPEQ + log, m, a);
		return;
	}
	v->jumped = as[row].jumps;
	vec_copy(v, a, da);
	if (x)
		vec_copy(v, b, db);
	else
		b = vec_constant(v, (uint64_t)in->imm ^ flip);
	if (bias) {
		vec_rr(v, PXOR, a, vec_constant(v, flip));
		if (x)
			vec_rr(v, PXOR, b, vec_constant(v, flip));
	}
	if (as[row].swap) {
		if (b != SCRATCH)
			vec_copy(v, SCRATCH, b);
		b = a;
		a = SCRATCH;
	}
	vec_rr(v, op == PAND ? PAND : op + log, a, b);
	if (op == PAND)
		vec_rr(v, PCMPEQ + log, a, vec_whole(v, 0));
	vec_copy(v, m, a);
}

struct x_mem vec_place(const struct lane *v, const struct lane_mem *m, int32_t plus)
{
	return x_idx(v->c->reg[m->base], m->index == LANE_NONE ? NOREG : v->c->reg[m->index], m->scale, m->off + plus);
}

/* Bytes that one turn loads or stores. */
static int32_t chunk(const struct lane *v, const struct lane_mem *m) { return v->bytes / v->l.size * m->size; }

/* Of the access in this turn; noted in the first. */
static struct x_mem address(struct lane *v, struct lane_mem *m)
{
	if (v->stepped >> m->base & 1)
		m->off += v->l.step[m->base];
	if (m->index != LANE_NONE && v->stepped >> m->index & 1)
		m->off += (int32_t)((uint32_t)v->l.step[m->index] << m->scale);
	if (v->dry && !v->turn) {
		v->fail |= v->nr_mem == ACCESSES;
		v->mem[v->nr_mem++ % ACCESSES] = *m;
	}
	return vec_place(v, m, chunk(v, m) * (int32_t)v->turn);
}

void vec_load(struct lane *v, struct lane_mem *m, int d)
{
	static const uint8_t from[] = { 0, 3, 5 };	/* rows of AVX_PMOVZX: bytes, words, double words to what is wider */
	int32_t bytes = chunk(v, m);
	struct x_mem at = address(v, m);
	unsigned log = (unsigned)__builtin_ctz(m->size);

	if (wide(v)) {
		x_avx_rm(&v->c->b, bytes == 32 ? (unsigned)AVX_LOAD : AVX_PMOVZX + from[log] + log_size(v) - log - 1, d, at);
		return;
	}
	if (bytes == 16)
		x_movups_load(&v->c->b, d, at);
	else
		x_rm(&v->c->b, X_66 | X_0F | x_w(bytes == 8), MOVD_LOAD & 0xff, d, at);
	if (m->size < v->l.size)
		x_pxor(&v->c->b, SCRATCH, SCRATCH);
	for (; log < log_size(v); log++)
		vec_rr(v, PUNPCKLBW + log, d, SCRATCH);
}

/* The lower halves of the elements of SCRATCH, side by side in each 16 bytes. */
static void narrow(struct lane *v, unsigned log)
{
	if (log == 3) {
		move(v, PSHUFD, SCRATCH, SCRATCH);
		x_8(&v->c->b, 0x08);
	} else {	/* packing saturates */
		vec_shift(v, log, SHIFT_LEFT, SCRATCH, 4u << log);
		vec_shift(v, log, log == 2 ? SHIFT_SIGNED : SHIFT_RIGHT, SCRATCH, 4u << log);
		vec_rr(v, log == 2 ? PACKSSDW : PACKUSWB, SCRATCH, SCRATCH);
	}
}

static void store(struct lane *v, int32_t bytes, int s, struct x_mem at)
{
	if (wide(v))
		x_avx_rm(&v->c->b, bytes == 32 ? (unsigned)AVX_STORE : bytes == 16 ? AVX_STORE | X_128 :
			 MOVD_STORE | X_128 | (bytes == 8 ? X_VEX_W : 0), s, at);
	else if (bytes == 16)
		x_movups_store(&v->c->b, at, s);
	else
		x_rm(&v->c->b, X_66 | X_0F | x_w(bytes == 8), MOVD_STORE & 0xff, s, at);
}

void vec_store(struct lane *v, struct lane_mem *m, int s)
{
	int32_t bytes = chunk(v, m);
	struct x_mem at = address(v, m);

	if (m->size < v->l.size) {
		vec_copy(v, SCRATCH, s);
		s = SCRATCH;
	}
	for (unsigned log = log_size(v); log > (unsigned)__builtin_ctz(m->size); log--) {
		narrow(v, log);
		if (wide(v)) {		/* first the halves one after the other, then again: only the first counts */
			move(v, AVX_PERMQ, SCRATCH, SCRATCH);
			x_8(&v->c->b, 0x08);
		}
	}
	store(v, bytes, s, at);
}

void vec_store_pair(struct lane *v, struct lane_mem *m, int low, int high)
{
	struct x_mem at = address(v, m);

	for (int k = 0; k < 2; k++)	/* in SCRATCH and SCRATCH2 */
		vec_3(v, PUNPCKLBW + log_size(v) + (unsigned)k * PUNPCK_HIGH, k, low, high);
	for (int k = 0; k < 2; k++, at.disp += v->bytes) {
		if (wide(v)) {	/* that was done in each half by itself: the lower ones, the upper ones */
			x_avx_rr(&v->c->b, AVX_PERM128, RESULT, SCRATCH, SCRATCH2);
			x_8(&v->c->b, k ? 0x31 : 0x20);
		}
		store(v, v->bytes, wide(v) ? RESULT : k, at);
	}
}

void vec_splice(struct lane *v, int d, int before, int s)
{
	if (wide(v)) {
		x_avx_rr(&v->c->b, AVX_PERM128, SCRATCH, before, s);
		x_8(&v->c->b, 0x21);		/* the upper half of one, the lower of the other */
		x_avx_rr(&v->c->b, AVX_PALIGNR, d, s, SCRATCH);
		x_8(&v->c->b, 16u - v->l.size);
	} else {
		vec_copy(v, d, s);
		vec_shift(v, 3, SHIFT_BYTES_LEFT, d, v->l.size);
		vec_shift(v, 3, SHIFT_BYTES, before, 16u - v->l.size);
		vec_rr(v, POR, d, before);
	}
	vec_copy(v, before, s);
}
