/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes.c - see lanes.h.
 *
 * The body is one block, but for jumps over some of its instructions.  Its registers are
 *   steps   grow by a constant each round: they address the arrays, and one of them counts
 *   sums    only ever have something added (xored, ored) to them
 *   values  made anew in each round
 *   picks   keep the least or the greatest of what the rounds compare to them
 *   carries are what the round before loaded
 * and the rest, which no round writes.  A lane has the width of the widest element, or of twice or four times that
 * where the numbers need it.  Values can be wider; `most`, the bits that each may need, says where a lane holds all of
 * it: what shifts right, compares or adds to something wider needs that, for the rest the low bits are enough.
 * Whether stores meet other accesses is left to who makes code of it. */
#include <string.h>
#include "vm/lanes_in.h"

enum { MOST_BODY = 40, LEAST_BYTES = 32, MOST_WAY = 256 };

bool lane_mem(const struct insn *in, struct lane_mem *out)
{
	bool indexed = isa_indexed(in->op);
	uint8_t shape = isa_op[in->op].shape;

	*out = (struct lane_mem){ .index = indexed ? in->imm_lo & 15 : LANE_NONE, .scale = indexed ? (uint8_t)(in->imm_lo >> 4) : 0,
				  .size = isa_op[in->op].size, .off = in->off };
	switch (shape) {
	case SHAPE_STORE_X: case SHAPE_STORE_K: case SHAPE_FUSED_STORE:
		out->store = true;
		out->base = in->dst;
		break;
	case SHAPE_LOAD: case SHAPE_FUSED_LOAD:
		out->base = in->src;
		break;
	default:
		return false;
	}
	return isa_op[in->op].group != ISA_LINUX;
}

bool lane_beside(const struct lane_mem *a, const struct lane_mem *b)
{
	return a->base == b->base && a->index == b->index && a->scale == b->scale;
}

bool lane_pair(const struct code *code, const struct lanes *l, uint32_t i, struct lane_mem *out, uint32_t *first)
{
	uint32_t written = 0, at = i;
	struct lane_mem b;

	do {
		if (at-- == l->head || flow_is_jump(&code->insn[at]))
			return false;
		written |= insn_writes(&code->insn[at]);
	} while (!lane_mem(&code->insn[at], &b));
	*first = at;
	if (!lane_mem(&code->insn[i], out) || !out->store || !b.store || out->size != b.size || !lane_beside(out, &b) ||
	    written & insn_reads(&code->insn[at]) || (out->off - b.off != b.size && b.off - out->off != b.size))
		return false;
	out->off = b.off < out->off ? b.off : out->off;
	out->size *= 2;
	return out->pair = true;
}

bool lane_start(const struct code *code, const struct flow *flow, uint32_t head, uint8_t reg, int64_t *value)
{
	for (uint32_t i = head; i-- > 0; ) {
		const struct insn *in = &code->insn[i];

		if (flow_writes(in) >> reg & 1) {
			*value = in->op == OP_MOV32_K ? (int64_t)(uint32_t)in->imm : in->imm;
			return in->op == OP_MOV64_K || in->op == OP_MOV32_K || in->op == OP_LDDW;
		}
		/* a conditional jump out of the way is fine, a label or the end of a block is not */
		if (flow->mark[i] & FLOW_TARGET || !flow_falls(in))
			return false;
	}
	return false;
}

uint32_t loop_rounds(const struct code *code, const struct flow *flow, uint32_t head, const struct insn *jcc, uint8_t counter,
		     int64_t step)
{
	/* by row of isa.def: !=, <, s< */
	enum { ROWS = 1 << 4 | 1 << 7 | 1 << 9 };
	unsigned row = (jcc->op - (unsigned)OP_JEQ64_K) / 4;
	int64_t from, end = wide(jcc) ? jcc->imm : (uint32_t)jcc->imm, way;

	if (isa_op[jcc->op].shape != SHAPE_JCC_K || !(ROWS >> row & 1) || !lane_start(code, flow, head, counter, &from) ||
	    (!wide(jcc) && (from < 0 || from > INT32_MAX || end > INT32_MAX)) || (row == 7 && from < 0) ||
	    __builtin_sub_overflow(end, from, &way) || way <= 0 || way > 1 << 24 || (row == 4 && way % step))
		return 0;
	return (uint32_t)((way + step - 1) / step);
}

bool lane_upper_only(const struct insn *in)
{
	return in->op == OP_BE64 && in[1].op == OP_RSH64_K && in[1].dst == in->dst && in[1].imm >= 32 && in[1].imm < 64;
}

/* ---- where it ends ---- */

/* Rows of isa.def.  The counter is on the left, or (MORE) on the right. */
enum { ROWS_LESS = 1 << 7 | 1 << 9, ROWS_MORE = 1 << 1 | 1 << 5, ROW_SAME = 4, ROWS_OUT = 1 << 0 | 1 << 2 | 1 << 6 };

/* The limit that a jump has which goes round while `back`, or else out of the loop; NULL: none is seen. */
static bool limit_of(const struct look *k, const struct insn *in, bool back, struct lane_limit *out)
{
	bool x = isa_op[in->op].shape == SHAPE_JCC_X, swap = x && in->src == k->l->counter;
	unsigned row = (in->op - (unsigned)OP_JEQ64_K) / 4;
	uint32_t less = back ? ROWS_LESS | 1 << ROW_SAME : ROWS_OUT, more = back ? ROWS_MORE | 1 << ROW_SAME : 1 << 0 | 1 << 8 | 1 << 10;
	int64_t from;

	if (!flow_is_branch(in) || (swap ? in->dst : in->src) == (swap ? in->src : in->dst) || !((swap ? more : less) >> row & 1) ||
	    (!swap && in->dst != k->l->counter))
		return false;
	*out = (struct lane_limit){ .reg = !x ? LANE_NONE : swap ? in->dst : in->src, .wide = wide(in), .sign = LANE_SIGNED_ROWS >> row & 1,
				    .k = (int32_t)in->imm };
	if (x ? has_bit(k->written, out->reg) : in->imm != out->k)
		return false;
	/* a counter of 32 bits begins as one and, before the limit, stays one */
	return !has_bit(k->l->narrow, k->l->counter) ||
	       (!wide(in) && lane_start(k->code, k->flow, k->start, k->l->counter, &from) && from >= 0 && from <= INT32_MAX);
}

/* Rounds that are not known, or that a jump out of the loop cuts short. */
static bool find_limits(struct look *k)
{
	struct lanes *l = k->l;

	if (l->rounds && l->way_out == UINT32_MAX)
		return true;
	if (l->step[l->counter] & (l->step[l->counter] - 1) ||
	    (!l->endless && !limit_of(k, &k->code->insn[l->tail], true, &l->limit[l->limits++])))
		return false;
	if (l->way_out == UINT32_MAX)
		return !l->endless;
	for (uint32_t i = l->head; i < l->way_out; i++)		/* steps come after it */
		if (insn_writes(&k->code->insn[i]) >> l->counter & 1)
			return false;
	return limit_of(k, &k->code->insn[l->way_out], false, &l->limit[l->limits++]);
}

/* ---- what the registers are ---- */

static void survey_one(struct look *k, const struct insn *in)
{
	uint32_t w = insn_writes(in);
	uint8_t sum = (uint8_t)(1 + lane_alu(in->op) + (wide(in) ? LANE_ALUS : 0));
	struct lane_mem m;

	if (lane_mem(in, &m)) {
		k->l->size = m.size > k->l->size ? m.size : k->l->size;
		k->least = m.size < k->least ? m.size : k->least;
	}
	if (!w)
		return;
	if (k->written & w || (in->op != OP_ADD64_K && in->op != OP_ADD32_K) || in->imm <= -4096 || in->imm >= 4096 || k->until)
		k->l->steps &= (uint16_t)~w;
	else
		k->l->step[in->dst] = (int32_t)in->imm;
	k->written |= (uint16_t)w;
	if (!wide(in))
		k->l->narrow |= (uint16_t)w;
	if (!wide(in) && k->until)
		k->l->skipped |= (uint16_t)w;
	/* only ever added to, and added only what is not itself */
	if (isa_op[in->op].shape > SHAPE_ALU_X || in->op >= OP_ADD64_K + 4 * LANE_ALUS ||
	    !(1u << lane_alu(in->op) & (1u << LANE_ADD | 1u << LANE_XOR | 1u << LANE_OR)) ||
	    (k->l->sum[in->dst] && k->l->sum[in->dst] != sum))
		k->l->sums &= (uint16_t)~w;
	k->l->sum[in->dst] = sum;
}

/* The value that `reg` holds at i is that of `as`: one was copied to the other in this round. */
static bool same_value(const struct look *k, uint32_t i, uint8_t reg, uint8_t as)
{
	for (; reg != as && i > k->l->head; i--) {
		const struct insn *in = &k->code->insn[i - 1];
		uint32_t pair = 1u << reg | 1u << as;

		if (k->flow->mark[i] & FLOW_TARGET)
			return false;
		if (insn_writes(in) & pair)
			return (in->op == OP_MOV64_X || in->op == OP_MOV32_X) && (1u << in->dst | 1u << in->src) == pair;
	}
	return reg == as;
}

/* `if T > A goto +1; T = A`, and A = T later; or `if A >= V goto +1; A = V`: A is a pick. */
static bool picks(struct look *k, uint8_t reg)
{
	uint32_t at = 0, back = 0, skips = 0;
	const struct insn *in, *mov;
	unsigned row;
	uint8_t with;
	int64_t from;

	for (uint32_t i = k->l->head; i < k->l->tail; i++) {
		in = &k->code->insn[i];
		if (flow_is_jump(in) && (uint32_t)in->off > skips)
			skips = (uint32_t)in->off;
		if (at && i == at + 1)
			continue;
		if (insn_writes(in) >> reg & 1) {
			if (!at || back || (in->op != OP_MOV64_X && in->op != OP_MOV32_X) || skips > i)
				return false;
			back = i;
		} else if (insn_reads(in) >> reg & 1) {
			if (at || !flow_selects(in, i) || isa_op[in->op].shape != SHAPE_JCC_X || k->flow->mark[i + 1] & FLOW_TARGET)
				return false;
			at = i;
		}
	}
	if (!at)
		return false;
	in = &k->code->insn[at];
	mov = in + 1;
	row = (in->op - (unsigned)OP_JEQ64_K) / 4;
	with = in->dst == reg ? in->src : in->dst;
	if (with == reg || !(1u << row & LANE_LESS_ROWS) || (mov->op != OP_MOV64_X && mov->op != OP_MOV32_X))
		return false;
	k->most[reg] = lane_start(k->code, k->flow, k->start, reg, &from) ? (uint8_t)bits_of((uint64_t)from) : 64;
	if (back) {
		const struct insn *home = &k->code->insn[back];

		if (mov->src != reg || home->src != mov->dst || !same_value(k, at, mov->dst, with))
			return false;
		for (uint32_t i = at + 2; i < k->l->tail; i++) {	/* what it is in a lane is no round's */
			uint32_t uses = insn_reads(&k->code->insn[i]) | (i < back ? insn_writes(&k->code->insn[i]) : 0);

			if (i != back && uses >> mov->dst & 1)
				return false;
		}
	} else if (mov->dst != reg || mov->src != with || k->most[reg] > 8 * k->l->size) {
		return false;
	}
	k->l->pick[reg] = at;
	return true;
}

/* How far it goes in a round. */
static int64_t stride_of(const struct lanes *l, const struct lane_mem *m)
{
	return (has_bit(l->steps, m->base) ? l->step[m->base] : 0) +
	       (has_bit(l->steps, m->index) ? (int64_t)l->step[m->index] << m->scale : 0);
}
static uint32_t address_regs(const struct lane_mem *m) { return (1u << m->base | 1u << m->index) & ~(1u << LANE_NONE); }

bool lane_part(const struct code *code, const struct lanes *l, uint32_t i, struct lane_mem *m)
{
	int64_t stride = stride_of(l, m), low = m->off, high = low;
	uint32_t at = l->head;

	for (; at < l->tail && !flow_is_jump(&code->insn[at]) && !(insn_writes(&code->insn[at]) & address_regs(m)); at++) {
		struct lane_mem o;

		if (!lane_mem(&code->insn[at], &o) || !lane_beside(&o, m))
			continue;
		low = o.off < low ? o.off : low;
		high = o.off + o.size > high ? o.off + o.size : high;
	}
	m->off = (int32_t)low;
	m->size = (uint8_t)stride;
	return at > i && stride == high - low && stride <= 8 && !(stride & (stride - 1));
}

bool lane_element(const struct look *k, const struct lane_mem *m)
{
	const struct lanes *l = k->l;
	int64_t stride = stride_of(l, m);
	uint32_t regs = address_regs(m);

	return !k->until && m->size <= l->size << m->pair && stride == m->size && !(regs & (l->values | l->sums)) &&
	       !(regs & l->steps & l->narrow & ~(1u << l->counter));
}

/* The last write of `reg` before `end`, which no jump skips; LANE_NONE: it is none such. */
static uint32_t last_write(const struct look *k, uint8_t reg, uint32_t end)
{
	uint32_t at = UINT32_MAX, skips = 0;

	for (uint32_t i = k->l->head; i < end; i++) {
		const struct insn *in = &k->code->insn[i];

		if (flow_is_jump(in) && i != k->l->way_out && (uint32_t)in->off > skips)
			skips = (uint32_t)in->off;
		if (insn_writes(in) >> reg & 1)
			at = skips > i ? UINT32_MAX : i;
	}
	return at;
}

/* L = load; ... reg = L at the end; or reg = load. */
static bool carries(struct look *k, uint8_t reg)
{
	uint32_t end = last_write(k, reg, k->l->tail), load;
	const struct insn *in = k->code->insn + (end == UINT32_MAX ? 0 : end);
	struct lane_mem m;

	if (end == UINT32_MAX)
		return false;
	load = in->op == OP_MOV64_X || in->op == OP_MOV32_X ? last_write(k, in->src, end) : end;
	if (load == UINT32_MAX)
		return false;
	in = &k->code->insn[load];
	if (isa_op[in->op].flags & OPF_SIGNED || !lane_mem(in, &m) || m.store || !lane_element(k, &m))
		return false;
	for (uint32_t i = k->l->head; i < load; i++) {		/* it can come first */
		struct lane_mem other;
		uint32_t w = insn_writes(&k->code->insn[i]);

		if (w >> m.base & 1 || (m.index != LANE_NONE && w >> m.index & 1) || (lane_mem(&k->code->insn[i], &other) && other.store))
			return false;
	}
	k->l->carry[reg] = load;
	return true;
}

/* Follows the jumps forward: false where they cannot be masks. */
static bool survey(struct look *k)
{
	struct lanes *l = k->l;

	l->steps = l->sums = 0x3ff;
	for (uint32_t i = l->head; i < l->tail; i++) {
		const struct insn *in = &k->code->insn[i];

		if (k->until == i)
			k->until = 0;
		survey_one(k, in);
		if (!flow_is_jump(in))
			continue;
		if ((uint32_t)in->off > l->tail && !k->until && l->way_out == UINT32_MAX) {
			l->way_out = i;
			continue;
		}
		if (k->until || (uint32_t)in->off <= i || (uint32_t)in->off > l->tail)
			return false;
		k->until = (uint32_t)in->off;
	}
	k->until = 0;
	l->steps &= k->written;
	l->sums &= (uint16_t)(k->written & ~l->steps);
	l->values = (uint16_t)(k->written & ~(l->steps | l->sums));
	l->picks = k->flow->live[l->head] & l->values;
	return l->size;
}

/* ---- the whole ---- */

/* The jump that leads to a loop that nothing falls into, not far before it. */
static bool leads_to(const struct code *code, uint32_t head, uint32_t *at)
{
	if (!head || flow_falls(&code->insn[head - 1]))
		return false;
	while (*at && head - *at < MOST_WAY)
		if (flow_is_jump(&code->insn[--*at]) && (uint32_t)code->insn[*at].off == head)
			return true;
	return false;
}

/* Are lanes of this many bytes wide enough? */
static bool all_fit(struct look *k, uint8_t size)
{
	struct lanes *l = k->l;
	uint16_t last;
	int64_t from;

	l->size = size;
	l->copies = 0;
	l->bytes = l->halves = l->pairs = l->parts = 0;
	k->stepped = 0;
	k->until = 0;
	memset(k->most, 64, sizeof k->most);
	for (uint8_t r = 0; r < 10; r++) {
		if (has_bit(l->picks, r) && !picks(k, r)) {
			if (!carries(k, r))
				return false;
			l->picks &= (uint16_t)~(1u << r);
			l->carries |= (uint16_t)(1u << r);
		}
		if (has_bit(l->carries, r))
			k->most[r] = (uint8_t)(8 * isa_op[k->code->insn[l->carry[r]].op].size);
		if (l->rounds && has_bit(l->steps, r) && l->step[r] > 0 && lane_start(k->code, k->flow, k->start, r, &from) && from >= 0)
			k->most[r] = (uint8_t)bits_of((uint64_t)(from + (int64_t)l->rounds * l->step[r]));
	}
	for (uint32_t i = l->head; i < l->tail; i++) {
		if (k->until == i)
			k->until = 0;
		if (!lane_fits(k, &k->code->insn[i]))
			return false;
	}
	last = l->values & (uint16_t)~(l->copies | l->picks);
	l->last = !l->endless && k->flow->live[l->tail + 1] & last;
	if (l->way_out != UINT32_MAX && k->flow->live[k->code->insn[l->way_out].off] & last)
		return false;
	return l->limits || (l->rounds - l->last) * size >= LEAST_BYTES;
}

bool lanes_at(const struct code *code, const struct flow *flow, uint32_t head, struct lanes *l)
{
	struct look k = { .code = code, .flow = flow, .l = l, .least = 8 };
	const struct insn *end;
	uint32_t tail = head;
	int jumps;

	while (tail + 1 < code->n && tail - head < MOST_BODY &&
	       (!flow_is_jump(&code->insn[tail]) || (uint32_t)code->insn[tail].off != head))
		tail++;
	*l = (struct lanes){ .head = head, .tail = tail, .way_out = UINT32_MAX };
	if (tail + 1 == code->n || tail - head == MOST_BODY || !survey(&k))
		return false;
	jumps = flow_enters_head(code, flow, head, tail);
	k.start = head;
	if (jumps && (jumps != 1 || !leads_to(code, head, &k.start) || flow->mark[k.start] & FLOW_TARGET))
		return false;
	l->endless = !flow_is_branch(&code->insn[tail]);
	if (l->endless && l->way_out == UINT32_MAX)
		return false;
	end = &code->insn[l->endless ? l->way_out : tail];
	l->counter = end->dst;
	if (!has_bit(l->steps, l->counter) && isa_op[end->op].shape == SHAPE_JCC_X)
		l->counter = end->src;
	if (!has_bit(l->steps, l->counter) || l->step[l->counter] <= 0)
		return false;
	l->rounds = loop_rounds(code, flow, k.start, &code->insn[tail], l->counter, l->step[l->counter]);
	if (!find_limits(&k))
		return false;
	for (uint8_t size = l->size; size <= 8 && size <= 4 * k.least; size *= 2)
		if (all_fit(&k, size))
			return true;
	return false;
}
