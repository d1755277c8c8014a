/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* facts.c - what checked code knows for certain of its registers: this is the context plus 8, the frame
 * minus 16, a byte of that map's value.  An access through such a register is judged at compile
 * time.  Unlike the guesses of checked.c these are proven, by a forward analysis over all paths that
 * looks at nothing but the instructions. */
#include <string.h>
#include "jit/x86_64/jc.h"
#include "vm/mem.h"

enum { SWEEPS = 8, MOST_INSNS = 1 << 15, FAR = 1 << 28 };

static bool same(struct fact a, struct fact b) { return a.kind == b.kind && a.off == b.off && a.map == b.map && a.span == b.span; }

/* loop: at a loop's head, where offsets that differ would grow for ever. */
static struct fact meet(struct fact a, struct fact b, bool loop)
{
	if (same(a, b) || b.kind == FACT_TOP)
		return a;
	if (a.kind == FACT_TOP)
		return b;
	if (!loop && a.kind == b.kind && a.map == b.map && a.kind >= FACT_CONST && a.kind <= FACT_VALUE) {
		int32_t lo = a.off < b.off ? a.off : b.off;
		int32_t hi = a.off + a.span > b.off + b.span ? a.off + a.span : b.off + b.span;

		if (hi - lo <= UINT16_MAX) {
			a.off = lo;
			a.span = (uint16_t)(hi - lo);
			return a;
		}
	}
	if (same((struct fact){ a.off, a.span, b.kind, a.map }, b) && (a.kind == FACT_VALUE || a.kind == FACT_MAYBE) &&
	    (b.kind == FACT_VALUE || b.kind == FACT_MAYBE)) {
		a.kind = FACT_MAYBE;
		return a;
	}
	return (struct fact){ 0 };
}

static bool flow_into(struct jc *c, uint32_t from, uint32_t to, const struct fact was[11])
{
	struct fact *at = c->fact_at + 11 * c->fact_index[to], now[11];
	struct counted *loop = counted_at(c, to);
	bool changed = false, again = loop && from >= loop->head && from <= loop->last;

	memcpy(now, was, sizeof now);
	if (loop && !again)
		counted_enter(loop, now);
	for (int r = 0; r < 11; r++) {
		struct fact f;

		if (again && r < 10 && loop->delta[r])	/* the range that it was entered with has this round too */
			continue;
		f = meet(at[r], now[r], loop || c->flow.mark[to] & FLOW_LOOP);
		changed |= !same(f, at[r]);
		at[r] = f;
	}
	return changed;
}

static struct fact moved(struct fact f, int64_t by)
{
	if (f.kind == FACT_TOP)
		return f;
	if (f.kind < FACT_CONST || f.off + by >= FAR || f.off + by <= -FAR)
		return (struct fact){ 0 };
	f.off += (int32_t)by;
	return f;
}

/* A pointer plus a number that is known to within the span. */
static struct fact added(struct fact a, struct fact b, int32_t by)
{
	struct fact p = a.kind == FACT_CONST ? b : a, k = a.kind == FACT_CONST ? a : b;

	if (k.kind != FACT_CONST || p.kind < FACT_CONST || p.kind == FACT_TOP || p.span + k.span > UINT16_MAX)
		return (struct fact){ 0 };
	p.span += k.span;
	return moved(p, (int64_t)k.off + by);
}

static void forget(struct fact now[11], uint32_t writes)
{
	for (int r = 0; r < 10; r++)
		if (writes >> r & 1)
			now[r] = (struct fact){ 0 };
}

void fact_step(const struct jc *c, const struct insn *in, struct fact now[11])
{
	uint32_t writes = flow_writes(in);
	struct fact f = { 0 };

	if (isa_op[in->op].shape == SHAPE_MARK || !writes)
		return;
	switch (in->op) {
	case OP_ADD64_K: f = moved(now[in->dst], in->imm); break;
	case OP_SUB64_K: f = moved(now[in->dst], -in->imm); break;
	case OP_MOV64_X: f = now[in->src]; break;
	case OP_MOV64_K: case OP_MOV32_K:
		if (in->imm >= 0 && in->imm < FAR)
			f = (struct fact){ .kind = FACT_CONST, .off = (int32_t)in->imm };
		break;
	case OP_ADD64_X: f = added(now[in->dst], now[in->src], 0); break;
	case OP_LEAX64:
		f = in->imm_lo >> 4 ? f : added(now[in->src], now[in->imm_lo & 15], in->off);
		break;
	case OP_LEA64: f = moved(now[in->src], in->imm); break;
	case OP_LD_MAP: f = (struct fact){ .kind = FACT_MAP, .map = (uint8_t)in->imm_lo }; break;
	case OP_LD_MAPVAL:
		if ((uint32_t)in->imm_hi < FAR)
			f = (struct fact){ .kind = FACT_VALUE, .map = (uint8_t)in->imm_lo, .off = in->imm_hi };
		break;
	case OP_CALL: {
		struct insn out[INLINE_MOST];
		uint16_t map;

		if (fact_inline(c, in, now, out, &map))
			f = (struct fact){ .kind = FACT_MAYBE, .map = (uint8_t)map };
		forget(now, writes);
		now[0] = f;
		return;
	}
	}
	forget(now, writes);
	if (in->dst < 10 && writes == 1u << in->dst)
		now[in->dst] = f;
}

/* `if r == 0 goto` parts a value from NULL. */
static void step_jump(struct jc *c, uint32_t i, struct fact now[11], bool *changed)
{
	const struct insn *in = &c->code->insn[i];
	struct fact *f = &now[in->dst], was = *f;
	bool parts = (in->op == OP_JEQ64_K || in->op == OP_JNE64_K) && !in->imm && f->kind == FACT_MAYBE && !f->off && !f->span;

	if (parts && in->op == OP_JNE64_K)
		f->kind = FACT_VALUE;
	*changed |= flow_into(c, i, (uint32_t)in->off, now);
	*f = was;
	if (parts && in->op == OP_JEQ64_K)
		f->kind = FACT_VALUE;
}

static bool sweep(struct jc *c)
{
	const struct code *code = c->code;
	struct fact now[11] = { 0 };
	struct insn out[INLINE_MOST];
	bool changed = false;
	uint16_t map;

	c->calls_helper = false;
	for (uint32_t k = 0; k < c->nr_counted; k++)
		c->counted[k].rounds = 0;
	for (uint32_t i = 0; i < code->n; i++) {
		const struct insn *in = &code->insn[i];

		if (c->flow.mark[i] & FLOW_TARGET) {
			if (i && flow_falls(in - 1))
				changed |= flow_into(c, i - 1, i, now);
			memcpy(now, c->fact_at + 11 * c->fact_index[i], sizeof now);
		}
		c->calls_helper |= isa_op[in->op].shape == SHAPE_CALLX;
		if (isa_op[in->op].shape == SHAPE_CALL)
			c->calls_helper |= in->op != OP_CALL || !fact_inline(c, in, now, out, &map);
		if (flow_is_jump(in) || in->op == OP_MAY_GOTO)
			step_jump(c, i, now, &changed);
		else
			fact_step(c, in, now);
	}
	return changed;
}

/* Leaves c->fact_index NULL when memory is short, the program is large or does not settle: nothing is
 * known then. */
void facts_build(struct jc *c)
{
	const struct code *code = c->code;
	uint32_t targets = 0;
	bool changed = true;

	if (code->n > MOST_INSNS || code->nr_map > UINT8_MAX)
		return;
	c->fact_index = mem_array(c->host, code->n, sizeof *c->fact_index);
	if (!c->fact_index)
		return;
	for (uint32_t i = 0; i < code->n; i++)
		if (c->flow.mark[i] & FLOW_TARGET)
			c->fact_index[i] = targets++;
	c->nr_fact = targets * 11;
	c->fact_at = mem_array(c->host, c->nr_fact, sizeof *c->fact_at);
	if (!c->fact_at) {
		facts_free(c);
		return;
	}
	memset(c->fact_at, FACT_TOP, c->nr_fact * sizeof *c->fact_at);
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		struct fact first[11] = { [10] = { .kind = FACT_FRAME } };

		if (!k && !c->main_called)
			first[1].kind = FACT_CTX;
		memcpy(c->fact_at + 11 * c->fact_index[code->sub[k].start], first, sizeof first);
	}
	counted_find(c);
	for (int k = 0; changed && k < SWEEPS; k++)
		changed = sweep(c);
	if (changed)
		facts_free(c);
}

void facts_free(struct jc *c)
{
	mem_free(c->host, c->fact_index, c->code->n * sizeof *c->fact_index);
	mem_free(c->host, c->fact_at, c->nr_fact * sizeof *c->fact_at);
	c->fact_index = NULL;
	c->fact_at = NULL;
}

/* Before instruction i is emitted. */
void fact_enter(struct jc *c)
{
	if (c->fact_index && c->flow.mark[c->i] & FLOW_TARGET)
		memcpy(c->fact, c->fact_at + 11 * c->fact_index[c->i], sizeof c->fact);
}

/* After it. */
void fact_leave(struct jc *c)
{
	const struct insn *in = c->in;

	if (!c->fact_index)
		return;
	if (in->op == OP_JEQ64_K && !in->imm && c->fact[in->dst].kind == FACT_MAYBE && !c->fact[in->dst].off &&
	    !c->fact[in->dst].span)
		c->fact[in->dst].kind = FACT_VALUE;
	fact_step(c, in, c->fact);
}

/* Is [off, off + size) good in every run?  CTX: as far as the context is long enough, *need. */
enum judgement fact_judge(const struct jc *c, int base, int32_t off, uint32_t size, uint32_t access, bool atomic,
			uint32_t *need)
{
	struct fact f = c->fact[base];
	int64_t at = (int64_t)f.off + off, end = at + f.span + size;
	const struct region *r;

	if (!c->fact_index || f.kind < FACT_CTX || f.kind == FACT_TOP || (atomic && (at & (size - 1) || f.span)))
		return JUDGE_TEST;
	if (f.kind == FACT_FRAME)
		return at >= -(int64_t)c->code->stack_size && end <= 0 ? JUDGE_GOOD : JUDGE_TEST;
	if (at < 0)
		return JUDGE_TEST;
	if (f.kind == FACT_CTX) {
		*need = (uint32_t)end;
		return !atomic && (c->ctx_access & access) == access && end <= c->ctx_size ? JUDGE_CTX : JUDGE_TEST;
	}
	r = &c->code->map[f.map]->values;
	if ((r->access & access) != access || r->lo >= r->hi || end > c->code->map[f.map]->value_size ||
	    (uint64_t)end > (r->stride ? r->len : r->hi - r->lo) ||
	    (atomic && (r->lo + r->first) & (size - 1)) || (atomic && r->stride & (size - 1)))
		return JUDGE_TEST;
	return f.kind == FACT_VALUE ? JUDGE_GOOD : f.span ? JUDGE_TEST : JUDGE_NULL;
}

bool fact_field(const struct jc *c, int size, bool sign, struct insn *out)
{
	const struct prog_type *type = c->code->type;
	struct fact f = c->fact[c->in->src];
	int64_t at = (int64_t)f.off + c->in->off;
	const struct ctx_field *field;

	if (!c->checked || !c->fact_index || f.kind != FACT_CTX || f.span || sign || c->ctx_access & ACCESS_READ ||
	    type->flags & (TYPE_RAW | TYPE_OPEN) || at < 0 || at + size > type->ctx_size)
		return false;
	field = ctx_field_at(type, (uint32_t)at, (uint32_t)size, false);
	if (!field || field->size != size || field->kind == CTX_PACKET_META || (at - field->off) % size)
		return false;
	if (field->kind != CTX_SCALAR)
		size = sizeof(void *);
	else if (field->host_size > 8 || field->host_size & (field->host_size - 1u))
		return false;
	else if (field->host_size < size)
		size = field->host_size;
	*out = *c->in;
	out->op = size == 8 ? OP_LD_DW : size == 4 ? OP_LD_W : size == 2 ? OP_LD_H : OP_LD_B;
	out->off = (int32_t)(field->host_off + (at - field->off) / field->size * field->host_size - f.off);
	return true;
}

/* Instructions for a helper call whose arguments are known to be good, by its row's inliner; only such as
 * need nothing of the run.  *map: whose value r0 is, or NULL. */
uint32_t fact_inline(const struct jc *c, const struct insn *in, const struct fact now[11],
		     struct insn out[INLINE_MOST], uint16_t *map)
{
	const struct helper *h = c->code->helper[in->off];
	struct call_site site = { .code = c->code };
	bool value = helper_returns(h) == RET_VALUE_OR_NULL;
	int n;

	if (!helper_inliner(h))
		return 0;
	for (unsigned a = 0; a < 5; a++) {
		struct fact f = now[a + 1];

		switch (helper_arg(h, a).kind) {
		case ARG_NONE:
			break;
		case ARG_MAP:
			if (f.kind != FACT_MAP || f.map >= c->code->nr_map)
				return 0;
			site.map = c->code->map[f.map];
			*map = f.map;
			break;
		case ARG_KEY:
			if (f.kind != FACT_FRAME || f.span || !site.map || f.off < -(int32_t)c->code->stack_size ||
			    f.off + (int64_t)site.map->key_size > 0)
				return 0;
			break;
		default:
			return 0;
		}
	}
	if (value != (site.map != NULL) || (value && !(site.map->values.stride && site.map->ops->traits & MT_ARRAY)))
		return 0;
	memset(out, 0, INLINE_MOST * sizeof *out);
	n = helper_inliner(h)(&site, out, INLINE_MOST - 1);
	for (int k = 0; k < n; k++)
		if (out[k].op == OP_CALL || out[k].op == OP_LD_CALL)
			return 0;
	return n > 0 && n < INLINE_MOST ? (uint32_t)n : 0;
}
