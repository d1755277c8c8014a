/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes.c - a loop whose rounds can run side by side (vm/lanes.h), 16 bytes of elements at once in SSE2
 * registers, in front of the loop as it is, which does the rounds that are left over.
 *
 * Code is made twice: the first time says what has to be in registers before the loop begins (constants,
 * what no round writes, sums) and whether there are enough, the second time stays.  An instruction that
 * a jump may skip is done all the same, and a mask of the lanes that did not jump chooses the result. */
#include "jit/x86_64/jc.h"
#include "vm/lanes.h"

enum { SCRATCH, SCRATCH2, RESULT, FIRST_SLOT, SLOTS = 16 - FIRST_SLOT, ACCESSES = 8, LEFT_OVER = TMP2, MOST_BYTES = 192, ROOM = 512,
       MOST_MIXED = 1 << 20 };
enum slot_kind { SLOT_VALUE, SLOT_CONST, SLOT_SAME /* a register in all lanes */, SLOT_SUM, SLOT_MASK,
		 SLOT_STEP /* what it is in each lane's round */ };

struct lane {
	struct jc *c;
	struct lanes l;
	struct { uint8_t kind, reg; int64_t k; } slot[SLOTS];
	struct lane_mem mem[ACCESSES];
	uint32_t nr_slot, nr_mem, until, turn;	/* until: where the jump that may skip this leads; 0: none */
	uint16_t stepped;
	bool fail, dry;
	bool jumped;			/* the mask has the lanes that jumped, else the others */
};

/* 66 0f xx; those of a row for elements of 1, 2, 4 and 8 bytes */
enum { PAND = 0xdb, PANDN = 0xdf, POR = 0xeb, PXOR = 0xef, MOVDQA = 0x6f, PUNPCKLQDQ = 0x6c, PSADBW = 0xf6,
       PMULLW = 0xd5, PMULUDQ = 0xf4, PCMPEQ = 0x74, PCMPGT = 0x64, SHIFT = 0x70, PUNPCKLBW = 0x60, PSHUFD = 0x70,
       PACKSSDW = 0x6b, PACKUSWB = 0x67, MOVD_LOAD = 0x6e, MOVD_STORE = 0x7e };
enum { SHIFT_RIGHT = 2, SHIFT_BYTES = 3 /* right, all 16 */, SHIFT_SIGNED = 4, SHIFT_LEFT = 6 };

static unsigned log_size(const struct lane *v) { return (unsigned)__builtin_ctz(v->l.size); }
static void rr(struct lane *v, unsigned op, int d, int s)
{
	x_sse_rr(&v->c->b, op, d, s);
}
static void copy(struct lane *v, int d, int s) { if (d != s) rr(v, MOVDQA, d, s); }
static void shift(struct lane *v, unsigned log, unsigned how, int d, unsigned k)
{
	rr(v, SHIFT + log, (int)how, d);
	x_8(&v->c->b, k);
}
static unsigned add_op(unsigned log, bool sub)
{
	return log == 3 ? (sub ? 0xfb : 0xd4) : (sub ? 0xf8 : 0xfc) + log;
}

/* A constant, cut to the element, in each lane of 8 bytes. */
static int64_t all_lanes(const struct lane *v, uint64_t k)
{
	unsigned bits = 8u * v->l.size;

	return (int64_t)(bits == 64 ? k : (k & ((1ull << bits) - 1)) * (UINT64_MAX / ((1ull << bits) - 1)));
}

static int slot(struct lane *v, enum slot_kind kind, unsigned reg, int64_t k)
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
static int constant(struct lane *v, uint64_t k) { return slot(v, SLOT_CONST, 0, all_lanes(v, k)); }
static int whole(struct lane *v, uint64_t k) { return slot(v, SLOT_CONST, 0, (int64_t)k); }

static int reg_slot(struct lane *v, unsigned reg)
{
	if ((v->l.values & ~v->l.picks) >> reg & 1)
		return slot(v, SLOT_VALUE, reg, 0);
	if (v->l.steps >> reg & 1)
		return slot(v, SLOT_STEP, reg, 0);
	return slot(v, SLOT_SAME, reg, 0);
}
static int mask(struct lane *v) { return slot(v, SLOT_MASK, 0, 0); }

/* ---- operations ---- */

/* d = s in the lanes that did not jump. */
static void choose(struct lane *v, int d, int s)
{
	int m = mask(v);

	copy(v, SCRATCH, m);
	rr(v, PANDN, SCRATCH, v->jumped ? s : d);
	if (!v->jumped)
		copy(v, d, s);
	rr(v, PAND, d, m);
	rr(v, POR, d, SCRATCH);
}

/* Bytes have no shifts: words, without the bits of the neighbour. */
static void shift_lanes(struct lane *v, unsigned how, int d, unsigned k)
{
	unsigned log = log_size(v);

	shift(v, log ? log : 1, how, d, k);
	if (!log)
		rr(v, PAND, d, constant(v, how == SHIFT_LEFT ? 0xffull << k : 0xffu >> k));
}

/* Bits of 1 << log bytes go round by k. */
static void rotate(struct lane *v, unsigned log, int d, unsigned k)
{
	copy(v, SCRATCH, d);
	shift(v, log, SHIFT_LEFT, d, k);
	shift(v, log, SHIFT_RIGHT, SCRATCH, (8u << log) - k);
	rr(v, POR, d, SCRATCH);
}

static void negate_or_swap(struct lane *v, const struct insn *in, int d)
{
	unsigned bits = in->op == OP_BE16 ? 16 : in->op == OP_BE32 ? 32 : 64, lane = 8u * v->l.size;

	if (in->op == OP_NEG64 || in->op == OP_NEG32) {
		copy(v, SCRATCH, d);
		rr(v, PXOR, d, d);
		rr(v, add_op(log_size(v), true), d, SCRATCH);
		if (lane == 64 && in->op == OP_NEG32)
			rr(v, PAND, d, whole(v, UINT32_MAX));
		return;
	}
	for (unsigned log = 1; log <= log_size(v); log++)	/* bytes of words, words of double words ... */
		rotate(v, log, d, 4u << log);
	if (bits < lane)
		shift(v, log_size(v), SHIFT_RIGHT, d, lane - bits);
}

/* Low halves of products of 32 bits. */
static void multiply(struct lane *v, int d, int by)
{
	copy(v, SCRATCH, d);
	copy(v, SCRATCH2, by);
	shift(v, 3, SHIFT_RIGHT, SCRATCH, 32);
	shift(v, 3, SHIFT_RIGHT, SCRATCH2, 32);
	rr(v, PMULUDQ, SCRATCH, SCRATCH2);
	rr(v, PMULUDQ, d, by);
	shift(v, 3, SHIFT_LEFT, SCRATCH, 32);
	rr(v, PAND, d, whole(v, UINT32_MAX));
	rr(v, POR, d, SCRATCH);
}

static bool adds_bytes(const struct lane *v, const struct insn *in)
{
	return v->l.bytes >> (in - v->c->code->insn - v->l.head) & 1;
}

static void compute(struct lane *v, const struct insn *in, int d)
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
	case LANE_ADD: op = add_op(log_size(v), false); break;
	case LANE_SUB: op = add_op(log_size(v), true); break;
	case LANE_MUL:
		if (v->l.size == 4) {
			multiply(v, d, x ? reg_slot(v, in->src) : constant(v, k));
			return;
		}
		if (adds_bytes(v, in)) {	/* by 0x0101010101010101, then >> 56 */
			rr(v, PSADBW, d, whole(v, 0));
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
			rr(v, PAND, d, whole(v, UINT32_MAX));
		return;
	case LANE_ARSH: shift_lanes(v, SHIFT_SIGNED, d, (unsigned)in->imm); return;
	case LANE_RSH:
		if (v->l.size == 4 && lane_upper_only(in - 1))
			shift_lanes(v, SHIFT_RIGHT, d, (unsigned)in->imm - 32);
		else if (adds_bytes(v, in - 1))
			rr(v, PAND, d, whole(v, 0xff));
		else
			shift_lanes(v, SHIFT_RIGHT, d, (unsigned)in->imm);
		return;
	default:	/* LANE_MOV */
		copy(v, d, x ? reg_slot(v, in->src) : constant(v, k));
		if (v->l.size == 8 && !w && x)
			rr(v, PAND, d, whole(v, UINT32_MAX));
		return;
	}
	if (op != PAND || x || ~k << (64 - 8 * v->l.size))
		rr(v, op, d, x ? reg_slot(v, in->src) : constant(v, k));
	if (v->l.size == 8 && !w && op != PAND)
		rr(v, PAND, d, whole(v, UINT32_MAX));
}

/* Neighbours of d, of 1 << log bytes, are added up in lanes twice as wide. */
static void widen(struct lane *v, int d, unsigned log)
{
	copy(v, SCRATCH, d);
	shift(v, log + 1, SHIFT_RIGHT, SCRATCH, 8u << log);
	rr(v, PAND, d, whole(v, log == 1 ? 0x0000ffff0000ffff : UINT32_MAX));
	rr(v, add_op(log + 1, false), d, SCRATCH);
}

static unsigned sum_alu(const struct lane *v, unsigned reg) { return (v->l.sum[reg] - 1u) % LANE_ALUS; }
/* log2 of the bytes of a lane of the sum */
static unsigned sum_log(const struct lane *v, unsigned reg)
{
	unsigned log = log_size(v), goal = v->l.sum[reg] > LANE_ALUS ? 3 : 2;

	return sum_alu(v, reg) != LANE_ADD || log > goal ? log : log ? goal : 3;
}
static unsigned sum_op(const struct lane *v, unsigned reg)
{
	return sum_alu(v, reg) == LANE_ADD ? add_op(sum_log(v, reg), false) : sum_alu(v, reg) == LANE_XOR ? PXOR : POR;
}

static void add_up(struct lane *v, const struct insn *in)
{
	int term = isa_op[in->op].shape == SHAPE_ALU_X ? reg_slot(v, in->src) : constant(v, (uint64_t)in->imm);
	unsigned log = log_size(v), goal = sum_log(v, in->dst);

	if (v->until || log < goal)
		copy(v, RESULT, v->until ? mask(v) : term);
	if (v->until)
		rr(v, v->jumped ? PANDN : PAND, RESULT, term);
	if (v->until || log < goal)
		term = RESULT;
	if (!log && goal)
		rr(v, PSADBW, RESULT, whole(v, 0));
	else
		for (; log < goal; log++)
			widen(v, RESULT, log);
	rr(v, sum_op(v, in->dst), slot(v, SLOT_SUM, in->dst, v->turn & 1), term);	/* two chains are faster */
}

/* The mask of the lanes that jump, or of the others; operands are in da and db. */
static void compare(struct lane *v, const struct insn *in, int da, int db)
{
	/* by row of isa.def: how a and b are compared, whether in the other order, and where it then jumps */
	static const struct { uint8_t op, swap, jumps; } as[] = {
		[OP_JEQ64_K - OP_JEQ64_K] = { PCMPEQ, 0, 1 },
		[(OP_JGT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 1 }, [(OP_JGE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 0 },
		[(OP_JSET64_K - OP_JEQ64_K) / 4] = { PAND, 0, 0 }, [(OP_JNE64_K - OP_JEQ64_K) / 4] = { PCMPEQ, 0, 0 },
		[(OP_JSGT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 1 }, [(OP_JSGE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 0 },
		[(OP_JLT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 1 }, [(OP_JLE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 0 },
		[(OP_JSLT64_K - OP_JEQ64_K) / 4] = { PCMPGT, 1, 1 }, [(OP_JSLE64_K - OP_JEQ64_K) / 4] = { PCMPGT, 0, 0 },
	};
	unsigned row = (in->op - (unsigned)OP_JEQ64_K) / 4, log = log_size(v), op = as[row].op;
	bool x = isa_op[in->op].shape == SHAPE_JCC_X, w = isa_op[in->op].flags & OPF_WIDTH64;
	bool less = row >= (OP_JSLT64_K - OP_JEQ64_K) / 4 ||
		    (row >= (OP_JSGT64_K - OP_JEQ64_K) / 4 && row <= (OP_JSGE64_K - OP_JEQ64_K) / 4);
	/* what is zero-extended is never negative; pcmpgt is signed */
	bool bias = op == PCMPGT && !(less && log == 2 && !w);
	uint64_t flip = bias ? 1ull << (8 * v->l.size - 1) : 0;
	int m = mask(v), a = m, b = SCRATCH;

	v->jumped = as[row].jumps;
	copy(v, a, da);
	if (x)
		copy(v, b, db);
	else
		b = constant(v, (uint64_t)in->imm ^ flip);
	if (bias) {
		rr(v, PXOR, a, constant(v, flip));
		if (x)
			rr(v, PXOR, b, constant(v, flip));
	}
	if (as[row].swap) {
		copy(v, SCRATCH, b);
		b = a;
		a = SCRATCH;
	}
	rr(v, op == PAND ? PAND : op + log, a, b);
	if (op == PAND)
		rr(v, PCMPEQ + log, a, whole(v, 0));
	copy(v, m, a);
}

static void branch(struct lane *v, const struct insn *in)
{
	v->until = (uint32_t)in->off;
	compare(v, in, reg_slot(v, in->dst), isa_op[in->op].shape == SHAPE_JCC_X ? reg_slot(v, in->src) : 0);
}

static struct x_mem place(const struct lane *v, const struct lane_mem *m, int32_t plus)
{
	return x_idx(v->c->reg[m->base], m->index == LANE_NONE ? NOREG : v->c->reg[m->index], m->scale, m->off + plus);
}

/* Bytes that one turn loads or stores. */
static int32_t chunk(const struct lane *v, const struct lane_mem *m) { return 16 / v->l.size * m->size; }

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
	return place(v, m, chunk(v, m) * (int32_t)v->turn);
}

static void load(struct lane *v, struct lane_mem *m, int d)
{
	int32_t bytes = chunk(v, m);
	struct x_mem at = address(v, m);

	if (bytes == 16)
		x_movups_load(&v->c->b, d, at);
	else
		x_rm(&v->c->b, X_66 | X_0F | x_w(bytes == 8), MOVD_LOAD, d, at);
	if (m->size < v->l.size)
		x_pxor(&v->c->b, SCRATCH, SCRATCH);
	for (unsigned log = (unsigned)__builtin_ctz(m->size); log < log_size(v); log++)
		rr(v, PUNPCKLBW + log, d, SCRATCH);
}

static void store(struct lane *v, struct lane_mem *m, int s)
{
	int32_t bytes = chunk(v, m);
	struct x_mem at = address(v, m);

	if (bytes == 16) {
		x_movups_store(&v->c->b, at, s);
		return;
	}
	copy(v, SCRATCH, s);
	for (unsigned log = log_size(v); 1u << log > m->size; log--)
		if (log == 3) {
			rr(v, PSHUFD, SCRATCH, SCRATCH);
			x_8(&v->c->b, 0x08);
		} else {	/* packing saturates */
			shift(v, log, SHIFT_LEFT, SCRATCH, 4u << log);
			shift(v, log, log == 2 ? SHIFT_SIGNED : SHIFT_RIGHT, SCRATCH, 4u << log);
			rr(v, log == 2 ? PACKSSDW : PACKUSWB, SCRATCH, SCRATCH);
		}
	x_rm(&v->c->b, X_66 | X_0F | x_w(bytes == 8), MOVD_STORE, SCRATCH, at);
}

static void one(struct lane *v, const struct insn *in)
{
	struct lane_mem m;
	int d = RESULT;

	jc_room(v->c, ROOM);
	if (lane_mem(in, &m)) {
		if (m.store)
			store(v, &m, isa_op[in->op].shape == SHAPE_STORE_K ? constant(v, (uint64_t)in->imm) : reg_slot(v, in->src));
		else
			load(v, &m, slot(v, SLOT_VALUE, in->dst, 0));
	} else if (flow_is_jump(in)) {
		branch(v, in);
	} else if ((in->op == OP_MOV64_X || in->op == OP_MOV32_X) && v->l.sums >> in->src & 1) {
		return;		/* when the loop ends */
	} else if (v->l.steps >> in->dst & 1) {
		v->stepped |= (uint16_t)(1u << in->dst);
	} else if (v->l.sums >> in->dst & 1) {
		add_up(v, in);
	} else if (v->until) {
		int value = reg_slot(v, in->dst);

		if (in->op == OP_MOV64_X || (in->op == OP_MOV32_X && v->l.size < 8)) {
			choose(v, value, reg_slot(v, in->src));
			return;
		}
		if (in->op != OP_MOV64_K && in->op != OP_MOV32_K)
			copy(v, d, value);
		compute(v, in, d);
		choose(v, value, d);
	} else {
		compute(v, in, reg_slot(v, in->dst));
	}
}

static void body(struct lane *v)
{
	v->stepped = 0;
	for (uint32_t i = v->l.head; i < v->l.tail && !v->fail; i++) {
		if (v->until == i)
			v->until = 0;
		one(v, &v->c->code->insn[i]);
	}
	v->until = 0;
	for (uint32_t i = 0, n = v->nr_slot; i < n && !v->fail; i++)
		if (v->slot[i].kind == SLOT_STEP) {
			jc_room(v->c, ROOM);
			rr(v, add_op(log_size(v), false), FIRST_SLOT + (int)i,
			   constant(v, 16u / v->l.size * (uint64_t)v->l.step[v->slot[i].reg]));
		}
}

/* ---- before and after ---- */

static void same(struct lane *v, int d, int reg)
{
	unsigned log = log_size(v);

	x_movq_to(&v->c->b, d, reg);
	for (unsigned n = log; n < 4; n++)
		rr(v, n == 3 ? PUNPCKLQDQ : PUNPCKLBW + n, d, d);
}

/* 0, step, 2 * step ... */
static void series(struct lane *v, int d, int64_t step)
{
	unsigned bits = 8u * v->l.size;

	for (unsigned half = 2; half--; ) {
		uint64_t k = 0;

		for (unsigned at = 0; at < 64; at += bits) {
			uint64_t n = (uint64_t)step * (at + 64 * half) / bits;

			k |= (bits == 64 ? n : n & ((1ull << bits) - 1)) << at;
		}
		emit_const(v->c, TMP, k);
		x_movq_to(&v->c->b, half ? SCRATCH : d, TMP);
	}
	rr(v, PUNPCKLQDQ, d, SCRATCH);
}

static void prepare(struct lane *v)
{
	for (uint32_t i = 0; i < v->nr_slot; i++) {
		int d = FIRST_SLOT + (int)i, reg = v->c->reg[v->slot[i].reg];

		jc_room(v->c, ROOM);
		switch (v->slot[i].kind) {
		case SLOT_CONST:
			emit_const(v->c, TMP, (uint64_t)v->slot[i].k);
			x_movq_to(&v->c->b, d, TMP);
			rr(v, PUNPCKLQDQ, d, d);
			break;
		case SLOT_SAME: same(v, d, reg); break;
		case SLOT_SUM: x_pxor(&v->c->b, d, d); break;
		case SLOT_STEP:
			series(v, d, v->l.step[v->slot[i].reg]);
			same(v, SCRATCH, reg);
			rr(v, add_op(log_size(v), false), d, SCRATCH);
			break;
		default: break;
		}
	}
}

static void finish_sum(struct lane *v, int s, unsigned reg)
{
	struct jc *c = v->c;
	unsigned op = sum_op(v, reg), log = sum_log(v, reg), alu = sum_alu(v, reg);

	for (unsigned bytes = 8; bytes >> log; bytes /= 2) {
		copy(v, SCRATCH, s);
		shift(v, 3, SHIFT_BYTES, SCRATCH, bytes);
		rr(v, op, s, SCRATCH);
	}
	x_movq_from(&c->b, s, TMP);
	if (log < 3)
		x_ext(&c->b, 1 << log, false, false, TMP, TMP);
	x_alu(&c->b, v->l.sum[reg] > LANE_ALUS, alu == LANE_ADD ? X_ADD : alu == LANE_XOR ? X_XOR : X_OR, c->reg[reg], TMP);
}

/* The least or greatest of the lanes. */
static void finish_pick(struct lane *v, int s, unsigned reg)
{
	struct jc *c = v->c;
	const struct insn *in = &c->code->insn[v->l.pick[reg]];

	for (unsigned bytes = 8; bytes >= v->l.size; bytes /= 2) {
		jc_room(c, ROOM);
		copy(v, RESULT, s);
		shift(v, 3, SHIFT_BYTES, RESULT, bytes);
		if (in->dst == reg)
			compare(v, in, s, RESULT);
		else
			compare(v, in, RESULT, s);
		if (in[1].dst == reg) {		/* it stays where that jumps */
			choose(v, s, RESULT);
		} else {
			choose(v, RESULT, s);
			copy(v, s, RESULT);
		}
	}
	x_movq_from(&c->b, s, TMP);
	x_ext(&c->b, v->l.size, false, false, c->reg[reg], TMP);
}

/* Elements that a store would write before, or a load read after, their turn: `out` where they are near. */
static void keep_apart(struct lane *v, uint32_t out)
{
	struct jc *c = v->c;

	for (uint32_t i = 0; i < v->nr_mem; i++)
		for (uint32_t k = 0; k < v->nr_mem; k++) {
			const struct lane_mem *a = &v->mem[i], *b = &v->mem[k];
			int32_t apart = a->off - b->off, a_way = 15, b_way = 15;

			if (a->size != b->size) {	/* one goes faster: not near all the way */
				v->fail |= a->store && (v->l.rounds > MOST_MIXED || a->off > INT32_MAX / 2);
				a_way = (int32_t)v->l.rounds * a->size;
				b_way = (int32_t)v->l.rounds * b->size;
			}
			if (!a->store || i == k || (b->store && k < i))
				continue;
			if (a->base == b->base && a->index == b->index && a->scale == b->scale) {
				v->fail |= apart && apart > -16 && apart < 16;
				continue;
			}
			if (v->dry || ((a->base == 10) != (b->base == 10) && c->cur->private))
				continue;
			jc_room(c, ROOM);
			x_lea(&c->b, true, TMP, place(v, a, a_way));
			x_lea(&c->b, true, LEFT_OVER, place(v, b, 0));
			x_alu(&c->b, true, X_SUB, TMP, LEFT_OVER);
			x_alu_k(&c->b, true, X_CMP, TMP, a_way + b_way);
			jc_jcc(c, CC_BE, out);
		}
}

static void emit_loop(struct lane *v, uint32_t turns)
{
	struct jc *c = v->c;
	uint32_t each = 16 / v->l.size * turns;
	uint32_t out = jc_label(c), again;

	for (unsigned r = 0; r < 10; r++)	/* a 32-bit sum that stays as it is keeps its upper half */
		if (v->l.sums & v->l.skipped & 1u << r) {
			jc_room(c, ROOM);
			x_mov(&c->b, false, TMP, c->reg[r]);
			x_alu(&c->b, true, X_CMP, TMP, c->reg[r]);
			jc_jcc(c, CC_NE, out);
		}
	keep_apart(v, out);
	prepare(v);
	x_mov_k(&c->b, LEFT_OVER, (v->l.rounds - v->l.last) / each, false);
	jc_align(c, 32);
	again = jc_here(c);
	for (v->turn = 0; v->turn < turns; v->turn++)
		body(v);
	jc_room(c, ROOM);
	for (int r = 0; r < 10; r++)
		if (v->l.steps >> r & 1)
			x_alu_k(&c->b, !(v->l.narrow >> r & 1), X_ADD, c->reg[r], (int32_t)each * v->l.step[r]);
	x_alu_k(&c->b, false, X_SUB, LEFT_OVER, 1);
	jc_jcc(c, CC_NE, again);
	for (uint32_t i = 0; i < v->nr_slot; i++)
		if (v->slot[i].kind == SLOT_SUM)
			jc_room(c, ROOM), finish_sum(v, FIRST_SLOT + (int)i, v->slot[i].reg);
		else if (v->slot[i].kind == SLOT_SAME && v->l.picks >> v->slot[i].reg & 1)
			finish_pick(v, FIRST_SLOT + (int)i, v->slot[i].reg);
	for (int r = 0; r < 10; r++)
		if (v->l.copies >> r & 1)
			x_mov(&c->b, true, c->reg[r], c->reg[v->l.copy[r]]);
	jc_room(c, ROOM);
	if (!v->l.last && v->l.rounds % each == 0)
		jc_jmp(c, c->insn_label + v->l.tail + 1);
	jc_bind(c, out);
}

/* Finds what the loop needs; how many turns to make of one. */
static uint32_t rehearse(struct lane *v)
{
	struct jc *c = v->c;
	size_t at = (size_t)(c->b.p - c->base), bytes;
	uint32_t each = 16 / v->l.size, rounds = v->l.rounds - v->l.last, turns = 1;

	v->dry = true;
	body(v);
	keep_apart(v, 0);
	bytes = (size_t)(c->b.p - c->base) - at;
	while (turns < 4 && bytes * turns <= MOST_BYTES / 2 && rounds / each % (turns * 2) == 0)
		turns *= 2;
	v->turn = 1;
	if (turns > 1)
		body(v);
	v->dry = false;
	c->b.p = c->base + at;
	return turns;
}

bool emit_lanes(struct jc *c)
{
	struct lane v = { .c = c };
	uint32_t turns;

	if (c->checked || c->metered || !(c->rules & RULE_LANES) || !lanes_at(c->code, &c->flow, c->i, &v.l))
		return false;
	turns = rehearse(&v);
	if (v.fail)
		return false;
	jc_bind(c, c->insn_label + c->i);
	emit_loop(&v, turns);
	c->lanes_head = jc_here(c);
	c->lanes_tail = v.l.tail;
	c->zeroes_at = UNSET;
	return true;
}
