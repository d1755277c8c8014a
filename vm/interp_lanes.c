/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interp_lanes.c - the rounds of a loop whose rounds can run side by side (vm/lanes.h), one instruction of the body for
 * many rounds at a time: what the interpreter spends on an instruction is spent once in so many rounds.
 *
 * A register that each round makes anew is a column of 64-bit numbers, one for each round, so that what an instruction
 * does is what isa.def says, in any width.  An element of 8 bytes need not be copied to be one. */
#include <string.h>
#include "vm/interp_in.h"
#include "vm/lanes.h"

typedef uint64_t pair __attribute__((vector_size(16), aligned(1), may_alias));

enum { LANES = 2, ROOM = 256 /* numbers, in all columns */, LEAST = 16 };

struct place { uint64_t addr; uint8_t size; bool store; };
struct band {
	uint64_t *r;
	struct lane_hint h;
	const struct insn *head, *tail;
	uint32_t n, places;		/* rounds at once, in LANES */
	uint64_t done;
	uint16_t written, narrow, stepped;	/* columns; steps of 32 bits; those that this round has stepped */
	struct place place[LANE_PLACES];
	int32_t step[LANE_REGS];
	pair *own[LANE_REGS], *scratch;
	const pair *at[LANE_REGS];	/* where a column is */
	pair k;
};

#define SAME(v) ((pair){ v, v })
static inline uint64_t cut(uint64_t v, bool narrow) { return narrow ? (uint32_t)v : v; }
static inline bool wide(const struct insn *in) { return isa_op[in->op].flags & OPF_WIDTH64; }

/* ---- where it ends ---- */

/* How far the counter is from the limit that a jump has. */
static uint64_t way_to(const struct band *b, const struct insn *jump, unsigned k)
{
	unsigned reg = b->h.limit[k].reg;
	bool narrow = !b->h.limit[k].wide;
	uint64_t sign = (uint64_t)b->h.limit[k].sign << (narrow ? 31 : 63);
	uint64_t limit = cut(reg == LANE_NONE ? (uint64_t)jump->imm : b->r[reg], narrow);
	uint64_t now = cut(b->r[(b->head - 1)->dst], narrow);

	return (now ^ sign) >= (limit ^ sign) ? 0 : limit - now;
}

static uint64_t all_rounds(const struct band *b)
{
	unsigned form = (b->head - 1)->src;
	const struct insn *out = b->head + b->h.more;
	bool last = form & LANE_LAST;
	uint64_t way, other;

	if (!(form & LANE_LIMITS))
		return (uint64_t)(b->h.more - last);
	way = way_to(b, form & LANE_ENDLESS ? out : b->tail, 0);
	other = (form & LANE_LIMITS) > 1 ? way_to(b, out, 1) : way;
	way = other < way ? other : way;
	return way ? (way - last) / (uint64_t)b->step[(b->head - 1)->dst] : 0;
}

/* ---- memory ---- */

static uint64_t address(const struct band *b, const struct lane_mem *m)
{
	uint64_t base = b->r[m->base] + (b->stepped >> m->base & 1 ? (uint64_t)b->step[m->base] : 0), index = 0;

	if (m->index != LANE_NONE)
		index = b->r[m->index] + (b->stepped >> m->index & 1 ? (uint64_t)b->step[m->index] : 0);
	return base + (index << m->scale) + (uint64_t)m->off;
}

/* A step: the others know it by b->step and b->stepped. */
static bool is_step(const struct band *b, const struct insn *in)
{
	return isa_op[in->op].shape == SHAPE_ALU_K && b->h.steps >> in->dst & 1;
}

/* What the body has. */
static void survey(struct band *b)
{
	struct lane_mem m;

	for (const struct insn *in = b->head; in < b->tail; in++)
		if (is_step(b, in)) {
			b->step[in->dst] = (int32_t)in->imm;
			b->narrow |= (uint16_t)(wide(in) ? 0 : 1u << in->dst);
			b->stepped |= (uint16_t)(1u << in->dst);
		} else if (lane_mem(in, &m)) {
			b->written |= (uint16_t)(m.store ? 0 : 1u << in->dst);
			b->place[b->places++] = (struct place){ address(b, &m), m.size, m.store };
		} else if (!flow_is_jump(in) && !(b->h.sums >> in->dst & 1)) {
			b->written |= (uint16_t)(1u << in->dst);
		}
	b->stepped = 0;
}

/* No round may write what another reads or writes: elements are the same in each round, or apart in all. */
static bool apart(const struct band *b, uint64_t n)
{
	for (uint32_t i = 0; i < b->places; i++)
		for (uint32_t k = 0; k < b->places; k++) {
			const struct place *x = &b->place[i], *y = &b->place[k];

			if (x->store && (x->addr != y->addr || x->size != y->size) && x->addr - y->addr < n * y->size)
				return false;
			if (x->store && (x->addr != y->addr || x->size != y->size) && y->addr - x->addr < n * x->size)
				return false;
		}
	return true;
}

#define EACH(type) do d->v = ((const mem_##type *)(const void *)a)->v; while (a += sizeof(type), ++d < end)
static void load(struct band *b, const struct insn *in, const char *a, uint8_t size)
{
	mem_uint64_t *d = (mem_uint64_t *)b->own[in->dst], *end = d + b->n * LANES;

	b->at[in->dst] = b->own[in->dst];
	switch (size) {
	case 1: EACH(uint8_t); break;
	case 2: EACH(uint16_t); break;
	case 4: EACH(uint32_t); break;
	default:
		for (uint32_t i = 0; i < b->places; i++)
			if (b->place[i].store && b->place[i].addr + b->done * 8 == (uintptr_t)a) {	/* it will change */
				EACH(uint64_t);
				return;
			}
		b->at[in->dst] = (const pair *)a;
	}
}
#undef EACH

#define EACH(type) do ((mem_##type *)(void *)to)->v = (type)s->v; while (s = (const void *)((const char *)s + stride), \
									(to += sizeof(type)) < end)
static void store(const struct band *b, const mem_uint64_t *s, size_t stride, char *to, uint8_t size)
{
	const char *end = to + b->n * LANES * size;

	switch (size) {
	case 1: EACH(uint8_t); break;
	case 2: EACH(uint16_t); break;
	case 4: EACH(uint32_t); break;
	default: EACH(uint64_t);
	}
}
#undef EACH

/* ---- on columns ---- */

/* The numbers of a register or a constant, and the bytes from one to the next: 0 where all are the same. */
static const pair *operand(struct band *b, const struct insn *in, bool is_k, size_t *stride)
{
	uint64_t step = (uint64_t)b->step[in->src], now = is_k ? (uint64_t)in->imm : b->r[in->src];
	pair v = SAME(now), *d = b->scratch, *end = d + b->n, m = SAME(cut(UINT64_MAX, b->narrow >> in->src & 1));

	*stride = 0;
	if (!is_k && (b->h.steps | b->written) >> in->src & 1) {
		*stride = sizeof now;
		if (b->written >> in->src & 1)
			return b->at[in->src];
		v[1] += step;
		do
			*d++ = v & m;
		while (v += SAME(LANES * step), d < end);
		return b->scratch;
	}
	b->k = v;
	return &b->k;
}

static void add_up(struct band *b, const struct insn *in, const pair *s, size_t stride)
{
	pair all = SAME(0);
	uint64_t *sum = &b->r[in->dst];
	uint32_t n = b->n;

#define EACH(op) do all = all op *s, s = (const void *)((const char *)s + 2 * stride); while (--n); *sum = *sum op (all[0] op all[1])
	switch (lane_alu(in->op)) {
	case LANE_ADD: EACH(+); break;
	case LANE_XOR: EACH(^); break;
	default: EACH(|);
	}
#undef EACH
	*sum = cut(*sum, !wide(in));
}

/* a: dst as it was, s: the operand */
static void compute(struct band *b, const struct insn *in, const pair *s, size_t stride)
{
	bool w = wide(in);
	const pair *a = b->at[in->dst];
	pair *d = b->own[in->dst], *end = d + b->n, m = SAME(cut(UINT64_MAX, !w));
	uint64_t k = (uint64_t)in->imm;

	b->at[in->dst] = d;
#define EACH(expr) do *d = (expr) & m; while (a++, s = (const void *)((const char *)s + 2 * stride), ++d < end)
	switch (lane_alu(in->op)) {
	case LANE_ADD: EACH(*a + *s); break;
	case LANE_SUB: EACH(*a - *s); break;
	case LANE_MUL: EACH(*a * *s); break;
	case LANE_OR: EACH(*a | *s); break;
	case LANE_AND: EACH(*a & *s); break;
	case LANE_XOR: EACH(*a ^ *s); break;
	case LANE_MOV: EACH(*s); break;
	case LANE_LSH: EACH(*a << k); break;
	case LANE_RSH: EACH((*a & m) >> k); break;
	default:
		if (in->op == OP_ROL64 || in->op == OP_ROL32) {
			EACH(*a << k | (*a & m) >> ((w ? 64 : 32) - k));
			break;
		}
		do {
			bool ok;

			for (int i = 0; i < LANES; i++)
				(*d)[i] = isa_eval((enum op)in->op, (*a)[i], k, &ok);
		} while (a++, ++d < end);
	}
#undef EACH
}

/* One instruction in b->n * LANES rounds. */
static void one(struct band *b, const struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	struct lane_mem m;
	const pair *s;
	size_t stride;

	if (flow_is_jump(in))
		return;
	if (is_step(b, in)) {
		b->stepped |= (uint16_t)(1u << in->dst);
		return;
	}
	if (shape == SHAPE_ALU_X && b->h.sums >> in->src & 1) {		/* a copy of a sum */
		b->r[in->dst] = cut(b->r[in->src], !wide(in));
		return;
	}
	if (!lane_mem(in, &m)) {
		s = operand(b, in, shape == SHAPE_ALU_K, &stride);
		(b->h.sums >> in->dst & 1 ? add_up : compute)(b, in, s, stride);
	} else if (!m.store) {
		load(b, in, (const char *)(uintptr_t)address(b, &m), m.size);
	} else {
		s = operand(b, in, shape == SHAPE_STORE_K, &stride);
		store(b, (const void *)s, stride, (char *)(uintptr_t)address(b, &m), m.size);
	}
}

bool interp_lanes(const struct code *code, const struct insn *in, uint64_t *r)
{
	struct band b;
	pair room[ROOM / LANES], *at = room;
	uint64_t n;
	uint32_t each;

	b.r = r;		/* not as a whole: that is long */
	b.head = in + 1;
	b.tail = &code->insn[in->off - 1];
	memcpy(&b.h, &in->imm, sizeof b.h);
	b.places = b.written = b.narrow = b.stepped = 0;
	b.done = 0;
	survey(&b);
	n = all_rounds(&b) & ~(uint64_t)(LANES - 1);
	if (n < LEAST || !apart(&b, n))
		return false;
	each = ROOM / LANES / (1 + (uint32_t)__builtin_popcount(b.written));
	b.scratch = at;
	for (int k = 0; k < LANE_REGS; k++)
		if (b.written >> k & 1)
			b.own[k] = at += each;
	while (b.done < n) {
		b.n = n - b.done < each * LANES ? (uint32_t)(n - b.done) / LANES : each;
		for (const struct insn *i = b.head; i < b.tail; i++)
			one(&b, i);
		for (int k = 0; k < LANE_REGS; k++)
			if (b.h.steps >> k & 1)
				r[k] = cut(r[k] + (uint64_t)b.step[k] * b.n * LANES, b.narrow >> k & 1);
		b.stepped = 0;
		b.done += b.n * LANES;
	}
	if (in->src & LANE_LIMITS)
		return !(in->src & (LANE_LAST | LANE_ENDLESS)) && !way_to(&b, b.tail, 0);
	return n == b.h.more;
}
