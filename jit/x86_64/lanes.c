/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes.c - a loop whose rounds can run side by side (vm/lanes.h), 16 or 32 bytes of elements at once in vector
 * registers, in front of the loop as it is, which does the rounds that are left over.
 *
 * Code is made twice: the first time says what has to be in registers before the loop begins (constants,
 * what no round writes, sums) and whether there are enough, the second time stays.  An instruction that
 * a jump may skip is done all the same, and a mask of the lanes that did not jump chooses the result. */
#include "jit/x86_64/lanes_in.h"

enum { MOST_BYTES = 192, MOST_MIXED = 1 << 20 };

static unsigned sum_alu(const struct lane *v, unsigned reg) { return (v->l.sum[reg] - 1u) % LANE_ALUS; }
/* log2 of the bytes of a lane of the sum */
static unsigned sum_log(const struct lane *v, unsigned reg)
{
	unsigned log = log_size(v), goal = v->l.sum[reg] > LANE_ALUS ? 3 : 2;

	return sum_alu(v, reg) != LANE_ADD || log > goal ? log : log ? goal : 3;
}
static unsigned sum_op(const struct lane *v, unsigned reg)
{
	return sum_alu(v, reg) == LANE_ADD ? vec_add_op(sum_log(v, reg), false) : sum_alu(v, reg) == LANE_XOR ? PXOR : POR;
}

static void add_up(struct lane *v, const struct insn *in)
{
	int term = isa_op[in->op].shape == SHAPE_ALU_X ? vec_reg(v, in->src) : vec_constant(v, (uint64_t)in->imm);
	unsigned log = log_size(v), goal = sum_log(v, in->dst);

	if (v->until || log < goal)
		vec_copy(v, RESULT, v->until ? vec_mask(v) : term);
	if (v->until)
		vec_rr(v, v->jumped ? PANDN : PAND, RESULT, term);
	if (v->until || log < goal)
		term = RESULT;
	if (!log && goal)
		vec_rr(v, PSADBW, RESULT, vec_whole(v, 0));
	else
		for (; log < goal; log++)
			vec_widen(v, RESULT, log);
	vec_rr(v, sum_op(v, in->dst), vec_slot(v, SLOT_SUM, in->dst, v->turn & 1), term);	/* two chains are faster */
}

/* true: with the next instruction, in one. */
static bool branch(struct lane *v, const struct insn *in)
{
	bool k = isa_op[in->op].shape == SHAPE_JCC_K;
	unsigned op = (uint32_t)in->off == (uint32_t)(in - v->c->code->insn) + 2 ? vec_extreme(v, in) : 0;
	int d, s;

	if (op) {
		d = vec_reg(v, in[1].dst);
		s = k ? vec_constant(v, (uint64_t)in->imm) : vec_reg(v, in[1].src);
		vec_rr(v, op, d, s);
		return true;
	}
	v->until = (uint32_t)in->off;
	vec_compare(v, in, vec_reg(v, in->dst), k ? 0 : vec_reg(v, in->src));
	return false;
}

static int stored(struct lane *v, const struct insn *in)
{
	return isa_op[in->op].shape == SHAPE_STORE_K ? vec_constant(v, (uint64_t)in->imm) : vec_reg(v, in->src);
}

static void load(struct lane *v, uint32_t at, struct lane_mem *m, int d)
{
	uint32_t size = m->size, up = 0;

	if (v->l.parts >> (at - v->l.head) & 1 && lane_part(v->c->code, &v->l, at, m))
		up = (uint32_t)(v->c->code->insn[at].off - m->off);
	vec_load(v, m, d);
	if (up)
		vec_shift(v, log_size(v), SHIFT_RIGHT, d, 8 * up);
	if (up + size < m->size)
		vec_rr(v, PAND, d, vec_constant(v, UINT32_MAX >> (32 - 8 * size)));
}

/* How many instructions that was. */
static uint32_t one(struct lane *v, uint32_t at)
{
	const struct insn *in = &v->c->code->insn[at];
	struct lane_mem m;
	int d = RESULT;

	jc_room(v->c, ROOM);
	if (v->l.halves >> (at - v->l.head) & 1)
		return 1;
	if (v->l.pairs >> (at - v->l.head) & 1) {
		const struct insn *low = in;

		lane_pair(v->c->code, &v->l, at, &m, &at);
		in = &v->c->code->insn[at];
		if (in->off < low->off)
			vec_store_pair(v, &m, stored(v, in), stored(v, low));
		else
			vec_store_pair(v, &m, stored(v, low), stored(v, in));
	} else if (lane_mem(in, &m)) {
		uint32_t by = v->l.carries;

		while (by && v->l.carry[__builtin_ctz(by)] != at)
			by &= by - 1;
		if (by)		/* it is there since the round began */
			vec_copy(v, vec_slot(v, SLOT_VALUE, in->dst, 0), vec_slot(v, SLOT_CARRY, (unsigned)__builtin_ctz(by), 0));
		else if (m.store)
			vec_store(v, &m, stored(v, in));
		else
			load(v, at, &m, vec_slot(v, SLOT_VALUE, in->dst, 0));
	} else if (flow_is_jump(in)) {
		return at == v->l.way_out ? 1 : 1u + branch(v, in);
	} else if ((in->op == OP_MOV64_X || in->op == OP_MOV32_X) && v->l.sums >> in->src & 1) {
		return 1;	/* when the loop ends */
	} else if (v->l.steps >> in->dst & 1) {
		v->stepped |= (uint16_t)(1u << in->dst);
	} else if (v->l.sums >> in->dst & 1) {
		add_up(v, in);
	} else if (v->until) {
		int value = vec_reg(v, in->dst);

		if (in->op == OP_MOV64_X || (in->op == OP_MOV32_X && v->l.size < 8)) {
			vec_choose(v, value, vec_reg(v, in->src));
			return 1;
		}
		if (in->op != OP_MOV64_K && in->op != OP_MOV32_K)
			vec_copy(v, d, value);
		vec_compute(v, in, d);
		vec_choose(v, value, d);
	} else {
		vec_compute(v, in, vec_reg(v, in->dst));
	}
	return 1;
}

static void body(struct lane *v)
{
	v->stepped = 0;
	for (uint32_t r = v->l.carries; r; r &= r - 1) {
		unsigned reg = (unsigned)__builtin_ctz(r);
		struct lane_mem m;

		jc_room(v->c, ROOM);
		lane_mem(&v->c->code->insn[v->l.carry[reg]], &m);
		vec_load(v, &m, RESULT);
		vec_splice(v, vec_slot(v, SLOT_VALUE, reg, 0), vec_slot(v, SLOT_CARRY, reg, 0), RESULT);
	}
	for (uint32_t i = v->l.head; i < v->l.tail && !v->fail; ) {
		if (v->until == i)
			v->until = 0;
		i += one(v, i);
	}
	v->until = 0;
	for (uint32_t i = 0, n = v->nr_slot; i < n && !v->fail; i++)
		if (v->slot[i].kind == SLOT_STEP) {
			jc_room(v->c, ROOM);
			vec_rr(v, vec_add_op(log_size(v), false), FIRST_SLOT + (int)i,
			   vec_constant(v, (unsigned)v->bytes / v->l.size * (uint64_t)v->l.step[v->slot[i].reg]));
		}
}

/* ---- before and after ---- */

/* The low 1 << log bytes of a register, again and again. */
static void same(struct lane *v, int d, int reg, unsigned log)
{
	vec_from(v, d, reg);
	if (v->bytes == 32) {
		x_avx_rr(&v->c->b, log < 2 ? AVX_BROADCAST_BW + log : AVX_BROADCAST_DQ + log - 2, d, 0, d);
		return;
	}
	for (; log < 4; log++)
		vec_rr(v, log == 3 ? PUNPCKLQDQ : PUNPCKLBW + log, d, d);
}

/* 0, step, 2 * step ... */
static void series(struct lane *v, int d, int64_t step)
{
	unsigned bits = 8u * v->l.size;

	for (unsigned part = v->bytes / 8; part--; ) {
		uint64_t k = 0;

		for (unsigned at = 0; at < 64; at += bits) {
			uint64_t n = (uint64_t)step * (at + 64 * part) / bits;

			k |= (bits == 64 ? n : n & ((1ull << bits) - 1)) << at;
		}
		emit_const(v->c, TMP, k);
		vec_from(v, part & 1 ? SCRATCH : RESULT, TMP);
		if (part & 1)
			continue;
		vec_3(v, PUNPCKLQDQ, part ? d : RESULT, RESULT, SCRATCH);
	}
	if (v->bytes == 32) {
		x_avx_rr(&v->c->b, AVX_INSERT, d, RESULT, d);
		x_8(&v->c->b, 1);
	} else {
		vec_copy(v, d, RESULT);
	}
}

static void prepare(struct lane *v)
{
	for (uint32_t i = 0; i < v->nr_slot; i++) {
		int d = FIRST_SLOT + (int)i, reg = v->c->reg[v->slot[i].reg];

		jc_room(v->c, ROOM);
		switch (v->slot[i].kind) {
		case SLOT_CONST:
			emit_const(v->c, TMP, (uint64_t)v->slot[i].k);
			same(v, d, TMP, 3);
			break;
		case SLOT_SAME: case SLOT_CARRY: same(v, d, reg, log_size(v)); break;
		case SLOT_SUM: vec_rr(v, PXOR, d, d); break;
		case SLOT_STEP:
			series(v, d, v->l.step[v->slot[i].reg]);
			same(v, SCRATCH, reg, log_size(v));
			vec_rr(v, vec_add_op(log_size(v), false), d, SCRATCH);
			break;
		default: break;
		}
	}
}

/* What is so many bytes up in s; the upper of two halves. */
static void upper(struct lane *v, int d, int s, unsigned bytes)
{
	if (bytes == 16) {
		x_avx_rr(&v->c->b, AVX_EXTRACT, s, 0, d);
		x_8(&v->c->b, 1);
	} else {
		vec_copy(v, d, s);
		vec_shift(v, 3, SHIFT_BYTES, d, bytes);
	}
}

static void to_tmp(struct lane *v, int s)
{
	if (v->bytes == 32)
		x_avx_rr(&v->c->b, MOVD_STORE | X_VEX_W | X_128, s, 0, TMP);
	else
		x_movq_from(&v->c->b, s, TMP);
}

static void finish_sum(struct lane *v, int s, unsigned reg)
{
	struct jc *c = v->c;
	unsigned op = sum_op(v, reg), log = sum_log(v, reg), alu = sum_alu(v, reg);

	for (unsigned bytes = v->bytes / 2; bytes >> log; bytes /= 2) {
		upper(v, SCRATCH, s, bytes);
		vec_rr(v, op, s, SCRATCH);
	}
	to_tmp(v, s);
	if (log < 3)
		x_ext(&c->b, 1 << log, false, false, TMP, TMP);
	x_alu(&c->b, v->l.sum[reg] > LANE_ALUS, alu == LANE_ADD ? X_ADD : alu == LANE_XOR ? X_XOR : X_OR, c->reg[reg], TMP);
}

/* The least or greatest of the lanes. */
static void finish_pick(struct lane *v, int s, unsigned reg)
{
	struct jc *c = v->c;
	const struct insn *in = &c->code->insn[v->l.pick[reg]];

	for (unsigned bytes = v->bytes / 2; bytes >= v->l.size; bytes /= 2) {
		unsigned op = vec_extreme(v, in);

		jc_room(c, ROOM);
		upper(v, RESULT, s, bytes);
		if (op) {
			vec_rr(v, op, s, RESULT);
			continue;
		}
		if (in->dst == reg)
			vec_compare(v, in, s, RESULT);
		else
			vec_compare(v, in, RESULT, s);
		if (in[1].dst == reg) {		/* it stays where that jumps */
			vec_choose(v, s, RESULT);
		} else {
			vec_choose(v, RESULT, s);
			vec_copy(v, s, RESULT);
		}
	}
	to_tmp(v, s);
	x_ext(&c->b, v->l.size, false, false, c->reg[reg], TMP);
}

/* Elements that a store would write before, or a load read after, their turn: `out` where they are near. */
static void keep_apart(struct lane *v, uint32_t out)
{
	struct jc *c = v->c;

	for (uint32_t i = 0; i < v->nr_mem; i++)
		for (uint32_t k = 0; k < v->nr_mem; k++) {
			const struct lane_mem *a = &v->mem[i], *b = &v->mem[k];
			int32_t apart = a->off - b->off, way = v->bytes << a->pair, a_way = way - 1, b_way = a_way;

			if (a->size != b->size) {	/* one goes faster: not near all the way */
				v->fail |= a->store && (v->l.limits || v->l.rounds > MOST_MIXED || a->off > INT32_MAX / 2);
				a_way = (int32_t)v->l.rounds * a->size;
				b_way = (int32_t)v->l.rounds * b->size;
			}
			if (!a->store || i == k || (b->store && k < i))
				continue;
			if (lane_beside(a, b)) {
				v->fail |= apart && apart > -way && apart < way;
				continue;
			}
			if (v->dry || ((a->base == 10) != (b->base == 10) && c->cur->private))
				continue;
			jc_room(c, ROOM);
			x_lea(&c->b, true, TMP, vec_place(v, a, a_way));
			x_lea(&c->b, true, LEFT_OVER, vec_place(v, b, 0));
			x_alu(&c->b, true, X_SUB, TMP, LEFT_OVER);
			x_alu_k(&c->b, true, X_CMP, TMP, a_way + b_way);
			jc_jcc(c, CC_BE, out);
		}
}

/* What was loaded last. */
static void finish_carry(struct lane *v, int s, unsigned reg)
{
	if (v->bytes == 32)
		upper(v, s, s, 16);
	upper(v, s, s, 16u - v->l.size);
	to_tmp(v, s);
	if (v->l.size == 8)
		x_mov(&v->c->b, true, v->c->reg[reg], TMP);
	else
		x_ext(&v->c->b, v->l.size, false, false, v->c->reg[reg], TMP);
}

/* `out` where a register has more than its low bytes. */
static void only_low(struct lane *v, unsigned reg, int bytes, uint32_t out)
{
	struct jc *c = v->c;

	jc_room(c, ROOM);
	x_ext(&c->b, bytes, false, false, TMP, c->reg[reg]);
	x_alu(&c->b, true, X_CMP, TMP, c->reg[reg]);
	jc_jcc(c, CC_NE, out);
}

static void compare_limit(struct lane *v, const struct lane_limit *m, uint32_t beyond)
{
	struct jc *c = v->c;
	int counter = c->reg[v->l.counter];

	if (m->reg == LANE_NONE)
		x_alu_k(&c->b, m->wide, X_CMP, counter, m->k);
	else
		x_alu(&c->b, m->wide, X_CMP, counter, c->reg[m->reg]);
	jc_jcc(c, m->sign ? CC_GE : CC_AE, beyond);
}

/* LEFT_OVER: how often `each` rounds can be done at once before a limit; `out` where that is never. */
static void count_rounds(struct lane *v, uint32_t each, uint32_t out)
{
	struct jc *c = v->c;
	unsigned shift = (unsigned)__builtin_ctz((unsigned)v->l.step[v->l.counter] * each);

	for (int i = 0; i < v->l.limits; i++) {
		const struct lane_limit *m = &v->l.limit[i];
		int d = i ? TMP : LEFT_OVER;

		jc_room(c, ROOM);
		compare_limit(v, m, out);
		if (m->reg == LANE_NONE)
			x_mov_k(&c->b, d, m->k, false);
		else
			x_mov(&c->b, true, d, c->reg[m->reg]);
		x_alu(&c->b, m->wide, X_SUB, d, c->reg[v->l.counter]);
		if (v->l.last)
			x_alu_k(&c->b, m->wide, X_SUB, d, 1);
		x_shift_k(&c->b, m->wide, X_SHR, d, shift);
		jc_jcc(c, CC_E, out);
	}
	if (v->l.limits > 1) {
		x_alu(&c->b, true, X_CMP, LEFT_OVER, TMP);
		x_cmov(&c->b, true, CC_A, LEFT_OVER, TMP);
	}
}

static void emit_loop(struct lane *v, uint32_t turns)
{
	struct jc *c = v->c;
	uint32_t each = (uint32_t)v->bytes / v->l.size * turns;
	uint32_t out = jc_label(c), again;

	for (unsigned r = 0; r < 10; r++) {
		uint8_t bytes = v->l.carries >> r & 1 ? isa_op[c->code->insn[v->l.carry[r]].op].size : 8;

		if (v->l.sums & v->l.skipped & 1u << r)	/* of 32 bits: it may stay as it is, the upper half, too */
			bytes = 4;
		if (bytes < 8)
			only_low(v, r, bytes, out);
	}
	keep_apart(v, out);
	if (v->l.limits)
		count_rounds(v, each, out);
	prepare(v);
	if (!v->l.limits)
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
		else if (v->slot[i].kind == SLOT_CARRY)
			jc_room(c, ROOM), finish_carry(v, FIRST_SLOT + (int)i, v->slot[i].reg);
	if (v->bytes == 32)
		x_vzeroupper(&c->b);
	for (int r = 0; r < 10; r++)
		if (v->l.copies >> r & 1)
			x_mov(&c->b, true, c->reg[r], c->reg[v->l.copy[r]]);
	jc_room(c, ROOM);
	if (v->l.limits && !v->l.last && !v->l.endless)
		compare_limit(v, &v->l.limit[0], c->insn_label + v->l.tail + 1);
	else if (!v->l.limits && !v->l.last && v->l.rounds % each == 0)
		jc_jmp(c, c->insn_label + v->l.tail + 1);
	jc_bind(c, out);
}

/* Finds what the loop needs; how many turns to make of one. */
static uint32_t rehearse(struct lane *v)
{
	struct jc *c = v->c;
	size_t at = (size_t)(c->b.p - c->base), bytes;
	uint32_t each = v->bytes / v->l.size, rounds = v->l.rounds - v->l.last, turns = 1;

	v->dry = true;
	body(v);
	keep_apart(v, 0);
	bytes = (size_t)(c->b.p - c->base) - at;
	while (!v->l.limits && turns < 4 && bytes * turns <= MOST_BYTES / 2 && rounds / each % (turns * 2) == 0)
		turns *= 2;
	v->turn = 1;
	if (turns > 1)
		body(v);
	v->dry = false;
	c->b.p = c->base + at;
	return turns;
}

/* Are vectors of 32 bytes worth it?  What they leave over is done one by one. */
static bool in_wide(const struct jc *c, const struct lanes *l)
{
	uint32_t rounds = l->rounds - l->last, each = 32u / l->size;

	if (l->limits)
		return c->cpu & JIT_CPU_AVX2 && l->size > 1;
	return c->cpu & JIT_CPU_AVX2 && rounds >= each && (rounds % each < each / 2 || rounds / each >= 16);
}

bool emit_lanes(struct jc *c)
{
	struct lane v = { .c = c };
	struct lanes l;
	uint32_t turns;

	if (c->checked || c->metered || !(c->rules & RULE_LANES) || !lanes_at(c->code, &c->flow, c->i, &l))
		return false;
	for (uint8_t bytes = in_wide(c, &l) ? 32 : 16; ; bytes /= 2) {
		v = (struct lane){ .c = c, .l = l, .bytes = bytes };
		turns = rehearse(&v);
		if (!v.fail)
			break;
		if (bytes == 16)
			return false;
	}
	jc_hit(c, RULE_LANES);
	jc_bind(c, c->insn_label + c->i);
	emit_loop(&v, turns);
	c->lanes_head = jc_here(c);
	c->lanes_tail = v.l.tail;
	c->zeroes_at = UNSET;
	return true;
}
