/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* jump.c - conditional jumps: which edges are possible and what each teaches.
 *
 * A comparison of numbers narrows both and every number linked to them; with a length it tells how
 * much memory there is, with NULL that a pointer is good, with the packet's end how many bytes may
 * be read.  The other edge is kept as the state before the jump plus its direction. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"

enum { MAX_PACKET_OFF = 0xffff };
enum edge { FALLS = 0, JUMPS = 1 };

/* ---- what a number tells others ---- */

struct learn { const struct reg *from; bool impossible; };

static void narrow_linked(struct env *e, struct reg *r, void *arg)
{
	struct learn *l = arg;
	struct scalar s;
	int64_t delta = (int64_t)r->off - l->from->off;

	if (r == l->from || r->kind != K_SCALAR || !r->id || r->id != l->from->id)
		return;
	if (!rule(e, RULE_LINKED_DELTA))
		delta = 0;
	s = l->from->s;
	scalar_add_k(&s, delta);
	if (!scalar_meet(width64, &r->s, &s))
		l->impossible = true;
	/* number + range <= length, carried over unless the sum could have wrapped */
	if (l->from->below && (delta <= 0 ? l->from->s.umin >= (uint64_t)-delta :
					    r->s.umin >= (uint64_t)delta)) {
		int64_t range = (int64_t)l->from->range - delta;

		if (range > -(1 << 30) && range < 1 << 30 &&
		    (r->below != l->from->below || r->range < range)) {
			r->below = l->from->below;
			r->range = (int32_t)range;
		}
	}
}

static __attribute__((noinline)) void region_at_least(struct env *e, unsigned region, uint64_t bytes)
{
	if (e->st.h.min_len[region - 1] < bytes && bytes <= MAX_LEN)
		e->st.h.min_len[region - 1] = bytes;
}

static bool learned(struct env *e, struct reg *r)
{
	struct learn l = { r, false };

	if (r->len && r->s.umax <= MAX_LEN && (int64_t)r->s.umin - r->off > 0)
		region_at_least(e, r->len, (uint64_t)((int64_t)r->s.umin - r->off));
	if (r->obj && e->region[r->obj - 1].text && !scalar_has(width64, &r->s, 0))
		region_at_least(e, r->obj, (uint64_t)r->range + 2);
	if (r->id)
		for_each_reg(e, narrow_linked, &l);
	return !l.impossible;
}

/* i < or <= a length (+ its delta): remember it with i. */
static void learn_below(struct reg *i, const struct reg *n, bool orequal)
{
	int32_t range = (orequal ? 0 : 1) - n->off;

	if (!n->len || n->s.umax > MAX_LEN)
		return;
	if (i->below == n->len && i->range >= range)
		return;
	i->below = n->len;
	i->range = range;
	i->obj = 0;
}

/* A number that is at most what the length is known to be at least. */
static void known_below(struct env *e, struct reg *i, const struct reg *n)
{
	uint64_t least = n->len ? e->st.h.min_len[n->len - 1] : 0;

	if (n->len && !i->below && n->off <= 0 && n->s.umax <= MAX_LEN && i->s.umax + (uint64_t)-n->off <= least &&
	    i->s.umax <= MAX_LEN) {
		i->below = n->len;
		i->range = -n->off;
		i->obj = 0;
	}
}

/* The relation that holds on this edge, as one of EQ NE LT LE (unsigned, a to b; swapped: b to a). */
static void relation(struct env *e, enum cmp op, bool taken, struct reg *a, struct reg *b)
{
	switch (op) {
	case CMP_LT: taken ? learn_below(a, b, false) : learn_below(b, a, true); break;
	case CMP_LE: taken ? learn_below(a, b, true) : learn_below(b, a, false); break;
	case CMP_GT: taken ? learn_below(b, a, false) : learn_below(a, b, true); break;
	case CMP_GE: taken ? learn_below(b, a, true) : learn_below(a, b, false); break;
	case CMP_EQ: case CMP_NE:
		if (taken == (op == CMP_EQ)) {
			learn_below(a, b, true);
			learn_below(b, a, true);
		} else {		/* at most the length, and not equal to it: below */
			known_below(e, a, b);
			known_below(e, b, a);
			if (b->len && a->below == b->len && a->range == -b->off)
				a->range++, bound_by_length(a);
			if (a->len && b->below == a->len && b->range == -a->off)
				b->range++, bound_by_length(b);
		}
		break;
	default:
		break;
	}
}

/* ---- numbers ---- */

static bool compare(enum cmp op, bool wide, bool taken, struct scalar *a, struct scalar *b)
{
	struct scalar la, lb;

	/* without high bits the two widths say the same, and the wide one is less work */
	wide |= a->umax <= UINT32_MAX && b->umax <= UINT32_MAX && (op <= CMP_NE || op == CMP_LT || op == CMP_LE);
	if (wide)
		return scalar_branch(width64, op, taken, a, b);
	scalar_low(&la, width64, a);
	scalar_low(&lb, width64, b);
	return scalar_branch(width32, op, taken, &la, &lb) && scalar_set_low(width64, a, &la) &&
	       scalar_set_low(width64, b, &lb);
}

/* x op x */
static bool self(enum cmp op, bool wide, bool taken, struct scalar *a)
{
	struct scalar zero;

	switch (op) {
	case CMP_EQ: case CMP_GE: case CMP_LE: case CMP_SGE: case CMP_SLE: return taken;
	case CMP_SET:
		scalar_const(&zero, width64, 0);
		return compare(CMP_NE, wide, taken, a, &zero);
	default: return !taken;
	}
}

static struct reg *constant_of(struct env *e, bool wide, struct reg *k)
{
	set_constant(e, k, wide ? (uint64_t)e->in->imm : (uint32_t)e->in->imm);
	return k;
}

static bool number_edge(struct env *e, enum cmp op, bool wide, bool taken)
{
	struct reg *a = e->d, *b, k;
	bool x = e->op->shape == SHAPE_JCC_X;

	if (x && e->d == e->s)
		return self(op, wide, taken, &a->s) && learned(e, a);
	b = x ? e->s : constant_of(e, wide, &k);
	if (!compare(op, wide, taken, &a->s, &b->s))
		return false;
	if (wide || (a->s.umax <= UINT32_MAX && b->s.umax <= UINT32_MAX))
		relation(e, op, taken, a, b);
	return learned(e, a) && (!x || learned(e, b));
}

/* ---- pointers ---- */

struct packet_bound { enum kind kind; uint32_t id; unsigned region; int32_t range; };

static void raise_range(struct env *e, struct reg *r, void *arg)
{
	const struct packet_bound *b = arg;

	(void)e;
	if (r->kind == b->kind && r->id == b->id && r->region == b->region && r->range < b->range)
		r->range = b->range;
}

/* p <= end (or < when open): so many bytes may be touched. */
static void learn_packet(struct env *e, const struct reg *p, bool open)
{
	struct packet_bound b = { p->kind, p->id, 0, p->off + open };

	if (p->off < 0 || p->s.smin < 0 || p->s.umax > MAX_PACKET_OFF ||
	    p->s.umax + (uint64_t)p->off > MAX_PACKET_OFF)
		return;
	for_each_reg(e, raise_range, &b);
}

static void learn_region(struct env *e, const struct reg *p, const struct reg *end, bool open)
{
	int64_t bytes = (int64_t)p->off - end->off + open;
	struct packet_bound b = { p->kind, p->id, p->region, (int32_t)bytes };

	if (bytes <= 0 || bytes > 1 << 29 || p->s.smin < 0)
		return;
	if (scalar_is_const(&p->s)) {
		if (!p->s.umin)
			region_at_least(e, p->region, (uint64_t)bytes);
		return;
	}
	for_each_reg(e, raise_range, &b);
}

static bool is_end(const struct reg *p, const struct reg *end)
{
	if (p->kind == K_PACKET && end->kind == K_END)
		return true;
	if (p->kind == K_META && end->kind == K_PACKET)
		return !end->off && scalar_is_const(&end->s) && !end->s.umin;
	return p->kind == K_MEM && end->kind == K_MEM && p->region && p->region == end->region &&
	       end->len && !p->len;
}

static void bound_edge(struct env *e, enum cmp op, bool taken, struct reg *p, const struct reg *end,
		       bool swapped)
{
	bool inside, open;

	/* as p op end */
	if (swapped)
		op = op == CMP_GT ? CMP_LT : op == CMP_LT ? CMP_GT : op == CMP_GE ? CMP_LE :
		     op == CMP_LE ? CMP_GE : op;
	switch (op) {
	case CMP_GT: inside = !taken; open = false; break;
	case CMP_LE: inside = taken; open = false; break;
	case CMP_GE: inside = !taken; open = true; break;
	case CMP_LT: inside = taken; open = true; break;
	default: return;
	}
	if (!inside)
		return;
	if (p->region)
		learn_region(e, p, end, open);
	else
		learn_packet(e, p, open);
}

/* The same object, so that offsets can be compared as numbers. */
static bool same_object(const struct reg *a, const struct reg *b)
{
	if (a->kind != b->kind || ((a->flags | b->flags) & R_MAYBE_NULL) || a->region || b->region)
		return false;
	switch (a->kind) {
	case K_STACK: return a->frame == b->frame;
	case K_VALUE: return a->map == b->map && ((a->flags & b->flags & R_DIRECT) || (a->id && a->id == b->id));
	case K_MEM: return a->id && a->id == b->id && a->ref == b->ref;
	default: return false;
	}
}

static bool object_edge(enum cmp op, bool taken, struct reg *a, struct reg *b)
{
	struct scalar ta = a->s, tb = b->s;

	scalar_add_k(&ta, a->off);
	scalar_add_k(&tb, b->off);
	/* offsets may be negative on the stack, where they order as signed numbers */
	if (op == CMP_SET)
		return true;
	op = op == CMP_GT ? CMP_SGT : op == CMP_GE ? CMP_SGE : op == CMP_LT ? CMP_SLT :
	     op == CMP_LE ? CMP_SLE : op;
	if (!scalar_branch(width64, op, taken, &ta, &tb))
		return false;
	scalar_add_k(&ta, -(int64_t)a->off);
	scalar_add_k(&tb, -(int64_t)b->off);
	a->s = ta;
	b->s = tb;
	return true;
}

struct null_edge { uint32_t id; bool null; uint32_t ref; };

static void settle_null(struct env *e, struct reg *r, void *arg)
{
	const struct null_edge *n = arg;

	if (!is_ptr(r) || !(r->flags & R_MAYBE_NULL) || r->id != n->id)
		return;
	if (n->null)
		set_constant(e, r, 0);
	else
		r->flags &= (uint8_t)~R_MAYBE_NULL;
}

/* What `id` names is not held any more. */
void drop_ref(struct env *e, uint32_t id)
{
	for (uint32_t i = 0; i < e->st.h.nr_refs; i++)
		if (e->st.h.ref[i].id == id) {
			memmove(&e->st.h.ref[i], &e->st.h.ref[i + 1], (e->st.h.nr_refs - i - 1) * sizeof e->st.h.ref[0]);
			e->st.h.nr_refs--;
			return;
		}
}

static bool null_check(struct env *e, struct reg *p, bool null)
{
	struct null_edge n = { p->id, null, p->ref };

	if (null && p->ref == p->id)		/* what was acquired itself, not another guise of it */
		drop_ref(e, p->ref);
	for_each_reg(e, settle_null, &n);
	return true;
}

/* A host may have an empty packet nowhere; context and stack are as the kernel sees them. */
static bool never_zero(const struct reg *p)
{
	switch (p->kind) {
	case K_PROBE: case K_PACKET: case K_META: case K_END: case K_DYNPTR: case K_CTX: case K_STACK: case K_ARENA:
		return false;
	case K_OBJECT: return p->obj && !(p->flags & R_MAYBE_NULL);
	default: return !(p->flags & R_MAYBE_NULL) && !p->region;
	}
}

static bool pointer_edge(struct env *e, enum cmp op, bool wide, bool taken)
{
	struct reg *a = e->d, *b, k, copy;
	bool x = e->op->shape == SHAPE_JCC_X, equal = taken == (op == CMP_EQ);
	struct reg *p;

	b = x ? e->s : constant_of(e, wide, &k);
	if (!wide)
		return true;
	if ((op == CMP_EQ || op == CMP_NE) && (reg_const(b) || reg_const(a)) && is_ptr(a) != is_ptr(b)) {
		p = is_ptr(a) ? a : b;
		if ((is_ptr(a) ? b : a)->s.umin)
			return true;
		if (p->flags & R_MAYBE_NULL)
			return null_check(e, p, equal);
		return !never_zero(p) || !equal;
	}
	if (!is_ptr(a) || !is_ptr(b))
		return true;
	if (is_end(a, b)) {
		copy = *b;
		bound_edge(e, op, taken, a, &copy, false);
	} else if (is_end(b, a)) {
		copy = *a;
		bound_edge(e, op, taken, b, &copy, true);
	} else if (x && e->d != e->s && same_object(a, b)) {
		return object_edge(op, taken, a, b);
	} else if ((op == CMP_EQ || op == CMP_NE) && equal) {
		/* equal to a good pointer: good itself */
		if ((a->flags & R_MAYBE_NULL) && (b->kind == K_STACK || never_zero(b)))
			return null_check(e, a, false);
		if ((b->flags & R_MAYBE_NULL) && (a->kind == K_STACK || never_zero(a)))
			return null_check(e, b, false);
	}
	return true;
}

/* ---- the jump ---- */

/* The rows in the order of enum cmp: a new one does not compile until it has its rules. */
enum {
	IS_JEQ = CMP_EQ, IS_JGT = CMP_GT, IS_JGE = CMP_GE, IS_JSET = CMP_SET, IS_JNE = CMP_NE, IS_JSGT = CMP_SGT,
	IS_JSGE = CMP_SGE, IS_JLT = CMP_LT, IS_JLE = CMP_LE, IS_JSLT = CMP_SLT, IS_JSLE = CMP_SLE
};
#define JCC(n, ...) _Static_assert(OP_##n##64_K == OP_JEQ64_K + 4 * IS_##n, "enum cmp has the order of the rows");
#include "vm/isa.def"

static enum cmp comparison(const struct env *e) { return (enum cmp)((e->in->op - OP_JEQ64_K) / 4); }
static bool on_wide(const struct env *e) { return e->op->flags & OPF_WIDTH64; }
static bool two_regs(const struct env *e) { return e->op->shape == SHAPE_JCC_X; }

static bool edge(struct env *e, bool taken)
{
	enum cmp op = comparison(e);
	bool wide = on_wide(e);

	if (!rule(e, RULE_REFINE_EDGE))
		taken = op == CMP_LT || op == CMP_LE ? !taken : taken;
	if (is_number(e->d) && (!two_regs(e) || is_number(e->s)))
		return number_edge(e, op, wide, taken);
	return pointer_edge(e, op, wide, taken);
}

/* Could the numbers decide it?  Without changing anything. */
static bool possible(struct env *e, bool taken)
{
	struct reg *a = e->d, ka = *a, kb;
	enum cmp op = comparison(e);
	bool wide = on_wide(e), x = two_regs(e);

	if (!rule(e, RULE_REFINE_EDGE))
		return true;
	if (x)
		kb = *e->s;
	else
		constant_of(e, wide, &kb);
	if (is_number(a) && is_number(&kb)) {
		if (x && e->d == e->s)
			return self(op, wide, taken, &ka.s);
		if ((op == CMP_EQ || op == CMP_NE) && scalar_is_const(&kb.s) &&		/* most often asked */
		    (wide || (ka.s.umax <= UINT32_MAX && kb.s.umax <= UINT32_MAX)))
			return taken == (op == CMP_EQ) ? scalar_has(width64, &ka.s, kb.s.umin) :
				ka.s.umin != kb.s.umin || ka.s.umax != kb.s.umin;
		return compare(op, wide, taken, &ka.s, &kb.s);
	}
	if (!wide)
		return true;
	if ((op == CMP_EQ || op == CMP_NE) && is_ptr(a) != is_ptr(&kb)) {
		const struct reg *p = is_ptr(a) ? a : &kb, *n = is_ptr(a) ? &kb : a;

		if (is_null(n) && never_zero(p))
			return taken == (op == CMP_NE);
	}
	if (x && e->d != e->s && is_ptr(a) && is_ptr(&kb) && same_object(a, &kb))
		return object_edge(op, taken, &ka, &kb);
	return true;
}

/* Is `pc` inside the innermost loop around the jump at `at`?  Loops are explored before what follows. */
static bool in_loop(const struct env *e, uint32_t at, uint32_t pc)
{
	uint32_t h = e->flow[at].loop_of;

	return h == UINT32_MAX || (pc >= e->flow[h].loop_begin && pc <= e->flow[h].loop_end);
}

/* A number that tells of pointers or lengths: another state must agree. */
static bool telling(const struct reg *r, bool beside_pointer)
{
	return is_number(r) && (r->len || r->obj || beside_pointer);
}

static int note(struct env *e, bool decided)
{
	const struct reg *a = e->d, *b = e->s;
	bool x = two_regs(e);
	int err = 0;

	if (decided || telling(a, x && is_ptr(b)))
		err = precise_reg(e, e->in->dst);
	if (!err && x && (decided || telling(b, is_ptr(a))))
		err = precise_reg(e, e->in->src);
	if (err || decided)
		return err;
	if (x && a != b && is_number(a) && is_number(b))
		err = step_insn(e, ST_PAIR);
	if (!err && is_number(a) && a->id)
		err = step_link(e, a->id);
	if (!err && x && is_number(b) && b->id && b->id != a->id)
		err = step_link(e, b->id);
	return err;
}

/* Takes one edge of the jump at e->pc: used for the edge at hand and for one that was put aside. */
int take_edge(struct env *e, bool taken)
{
	e->fact->flags |= taken ? FACT_JUMPS : FACT_FALLS;
	if (e->opts.log_level >= 1) {
		int err = step_add(e, (struct step){ .kind = ST_PC, .src = 3, .dst = taken, .pc = e->pc });

		if (err)
			return err;
	}
	if (e->in->op == OP_MAY_GOTO)
		e->st.h.may_goto += !taken;
	else if (!edge(e, taken))
		return PATH_ENDS;		/* the linked numbers rule it out */
	e->next = taken ? (uint32_t)e->in->off : e->pc + 1;
	return GO_ON;
}

int do_jump(struct env *e)
{
	bool jumps, falls, first = false;
	int err = 0;

	if (e->in->op != OP_MAY_GOTO) {
		for (int i = 0; i < 1 + two_regs(e); i++)
			if ((i ? e->s : e->d)->kind == K_NONE && rule(e, RULE_UNINIT))
				return unwritten(e, i ? e->in->src : e->in->dst, "read");
		jumps = possible(e, true);
		falls = !jumps || possible(e, false);
		err = note(e, !jumps || !falls);
		if (err)
			return err;
		if (!jumps || !falls)
			return jumps || falls ? take_edge(e, jumps) : PATH_ENDS;
		first = !in_loop(e, e->pc, e->pc + 1) && in_loop(e, e->pc, (uint32_t)e->in->off);
	}
	err = push_other(e, !first);
	if (err)
		return err;
	e->walk.jumps++;
	return take_edge(e, first);
}
