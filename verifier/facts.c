/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* facts.c - what every path that reached an instruction agreed on. */
#include "verifier/state.h"

static enum fact_base base_of(const struct reg *p)
{
	switch (p->kind) {
	case K_CTX: return FACT_CTX;
	case K_STACK: return FACT_STACK;
	case K_VALUE: return FACT_VALUE;
	case K_PACKET: case K_META: return FACT_PACKET;
	case K_MEM: return FACT_MEM;
	case K_OBJECT: return FACT_OBJECT;
	case K_ARENA: return FACT_ARENA;
	default: return FACT_NONE;
	}
}

static uint16_t map_index(struct env *e, const struct uebpf_map *map)
{
	for (uint32_t i = 0; i < e->code->nr_map && i < FACT_ANY_MAP; i++)
		if (e->code->map[i] == map)
			return (uint16_t)i;
	return FACT_ANY_MAP;
}

static void merge_map(struct fact *f, uint16_t map)
{
	f->map = f->map == FACT_NO_MAP ? map : f->map == map ? map : FACT_ANY_MAP;
}

/* The memory operand at this instruction: a base, and an offset when it is fixed. */
void fact_memory(struct env *e, const struct reg *p, int64_t off)
{
	struct fact *f = e->fact;
	enum fact_base base = base_of(p);
	bool fixed = scalar_is_const(&p->s);
	int32_t at = (int32_t)((uint64_t)p->off + (uint64_t)off + (fixed ? p->s.val : 0));

	if (f->base == FACT_NONE) {
		f->base = (uint8_t)base;
		f->off = at;
		f->flags |= fixed ? FACT_FIXED : 0;
	} else {
		if (f->base != base)
			f->base = FACT_MIXED;
		if (!fixed || f->off != at)
			f->flags &= (uint8_t)~FACT_FIXED;
	}
	if (base == FACT_CTX || base == FACT_ARENA)
		f->flags |= FACT_CTX_TOO;
	if (p->kind == K_VALUE)
		merge_map(f, map_index(e, p->map));
}

/* A range that no path has filled in yet is the empty one, lo > hi. */
void fact_result(struct env *e, const struct reg *r)
{
	struct fact *f = e->fact;
	uint64_t lo = 0, hi = UINT64_MAX;

	if (!e->opts.exact && e->op->shape == SHAPE_CALL)	/* has its constant arguments there */
		return;
	if (r->kind == K_SCALAR) {
		lo = r->s.umin;
		hi = r->s.umax;
	}
	f->lo = f->flags & FACT_RANGE && f->lo < lo ? f->lo : lo;
	f->hi = f->flags & FACT_RANGE && f->hi > hi ? f->hi : hi;
	f->flags |= FACT_RANGE;
}

void fact_key(struct env *e, const struct args *a)
{
	struct fact *f = e->fact;
	uint32_t key = (uint32_t)a->key.val;
	uint8_t flags = (a->key_const ? FACT_KEY : 0) | (a->key_inside ? FACT_INSIDE : 0);

	if (!a->map)
		return;
	if (f->map == FACT_NO_MAP) {
		f->flags |= flags;
		f->key = key;
	} else {
		f->flags &= flags | ~(FACT_KEY | FACT_INSIDE);
		if (f->key != key)
			f->flags &= (uint8_t)~FACT_KEY;
	}
	merge_map(f, map_index(e, a->map));
}

/* Argument 1, 2 or 3 (from 0) of a call, for its inliner, in lo, hi and key; off: bit 1 << i seen, 16 << i: it is
 * not the same on every path, or not known. */
void fact_constant(struct env *e, const struct args *a, bool known, uint64_t v)
{
	struct fact *f = e->fact;
	int i = a->n - 1;
	uint64_t old = i == 1 ? f->lo : i == 2 ? f->hi : f->key;

	if (e->opts.exact || i < 1 || i > 3 || !helper_inliner(a->h))
		return;
	if (!known || ((f->off & 1 << i) && old != v) || (i == 3 && v > UINT32_MAX))
		f->off |= 16 << i;
	f->off |= 1 << i;
	if (i == 1)
		f->lo = v;
	else if (i == 2)
		f->hi = v;
	else
		f->key = (uint32_t)v;
}

void fact_zero(struct env *e, uint32_t sub, unsigned k, uint8_t bytes)
{
	if (k >= e->res->words)
		return;
	e->res->zero[sub * e->res->words + k] |= bytes;
	e->res->zeroes = true;
}

static bool is_alu(const struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;

	return shape == SHAPE_ALU_K || shape == SHAPE_ALU_X || shape == SHAPE_UN;
}

/* ---- where numbers may be others than those that were looked at ---- */

/* Paths that ended at a `loose` instruction go on with any numbers.  false: the time is spent. */
static bool spread(struct env *e)
{
	const struct code *code = e->code;
	uint32_t to[2], back = 0;	/* exits were followed: 1 of the program, 2 of a function */
	bool more = true;

	while (more && !late(e)) {
		more = false;
		for (uint32_t i = 0; i < code->n; i++) {
			const struct insn *in = &code->insn[i];
			uint8_t shape = isa_op[in->op].shape;
			int n;

			if (e->flow[i].loose != 1)
				continue;
			e->flow[i].loose = 2;
			n = successors(code, i, to);
			if (in->op == OP_CALL_LOCAL || in->op == OP_LD_FUNC)
				to[n++] = (uint32_t)in->off;
			while (n--)
				if (!e->flow[to[n]].loose)
					e->flow[to[n]].loose = more = true;
			if (shape != SHAPE_EXIT || back > !!e->flow[i].sub)
				continue;
			back = 1 + !!e->flow[i].sub;
			for (uint32_t k = 0; k < code->n; k++)	/* to whoever called */
				if (!e->flow[k].loose && (e->flow[i].sub || (e->flow[k].mark & FLOW_CALLBACK)))
					e->flow[k].loose = more = true;
		}
	}
	return !more;
}

int facts_settle(struct env *e)
{
	if (!spread(e))
		return too_late(e);
	for (uint32_t i = 0; i < e->code->n; i++)
		if (e->flow[i].loose) {
			e->res->fact[i].flags &= (uint8_t)~FACT_RANGE;
			if (is_alu(&e->code->insn[i]))
				e->res->fact[i].flags |= FACT_CHANGES;
		}
	return 0;
}

/* ---- used at once ---- */

/* A template of a map of maps stands for other maps at run time. */
static bool is_template(const struct code *code, const struct uebpf_map *map)
{
	for (uint32_t i = 0; i < code->nr_map; i++)
		if (code->map[i]->inner == map)
			return true;
	return false;
}

/* What an instruction always makes is a constant; what changes nothing is nothing. */
static void apply_alu(const struct fact *f, struct insn *in)
{
	const struct insn old = *in;

	if (!(f->flags & FACT_RANGE))
		return;
	if (!(f->flags & FACT_CHANGES))
		*in = (struct insn){ .op = OP_MOV64_X, .dst = old.dst, .src = old.dst, .steps = old.steps };
	else if (f->lo == f->hi && old.op != OP_MOV64_K)
		*in = (struct insn){ .op = (int64_t)f->lo == (int32_t)f->lo ? OP_MOV64_K : OP_LDDW, .dst = old.dst,
				     .steps = old.steps, .imm = (int64_t)f->lo };
}

static void apply_load(struct code *code, const struct fact *f, struct insn *in)
{
	const struct op_info *op = &isa_op[in->op];
	const struct uebpf_map *map = f->map < code->nr_map ? code->map[f->map] : NULL;
	uint64_t v;

	if (f->base != FACT_VALUE || !(f->flags & FACT_FIXED) || !map || map->max_entries != 1 ||
	    is_template(code, map) || !frozen_value(map, f->off, op->size, &v))
		return;
	if (op->flags & OPF_SIGNED)
		v = (uint64_t)width_sext(v, 8 * op->size);
	*in = (struct insn){ .op = OP_LDDW, .dst = in->dst, .steps = in->steps, .imm = (int64_t)v };
}

void verify_apply(struct code *code, const struct verify_result *result)
{
	enum { BOTH = FACT_JUMPS | FACT_FALLS };

	for (uint32_t i = 0; i < code->n; i++) {
		const struct fact *f = &result->fact[i];
		struct insn *in = &code->insn[i];
		uint8_t shape = isa_op[in->op].shape;

		if (is_alu(in))
			apply_alu(f, in);
		else if (shape == SHAPE_LOAD)
			apply_load(code, f, in);
		else if ((shape == SHAPE_JCC_K || shape == SHAPE_JCC_X) && (f->flags & BOTH) && (f->flags & BOTH) != BOTH)
			*in = (struct insn){ .op = OP_JA, .steps = in->steps,
					     .off = f->flags & FACT_JUMPS ? in->off : (int32_t)i + 1 };
	}
}
