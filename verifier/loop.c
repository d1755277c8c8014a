/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop.c - loops by induction.
 *
 * When a loop head is met again, a summary is tried: a state that covers both visits and, for what
 * changed between them, everything up to the next bound that the loop's own comparisons suggest.
 * The body is explored once from the summary.  If each way back to the head is covered by it, it
 * stands for all iterations; if some number moves steadily on each way round and stays bounded, the
 * loop ends.  If anything fails, whatever was explored under the summary is forgotten and the loop
 * is walked iteration by iteration as before: a summary never refuses a program. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "verifier/state.h"
#include "vm/mem.h"

enum { TRIAL_INSNS = 30000, RETRIES = 10, WIDE_AFTER = 7 };
#define MAX_ROUNDS (UINT64_C(1) << 32)

/* ---- bounds that a counter may have ---- */

static void offer(uint64_t k, uint64_t v, bool up, uint64_t *best)
{
	for (int d = -1; d <= 1; d++) {
		uint64_t c = k + (uint64_t)(int64_t)d;

		if (up ? c >= v && c < *best : c <= v && c > *best)
			*best = c;
	}
}

/* How far a bound is looked for: comparisons of the very register; where it has none, of those that it is
 * copied to and from; any constant that the loop compares with or keeps. */
enum reach { REACH_OWN, REACH_COPIES, REACH_ALL };

/* The registers whose comparisons in the loop bound this one. */
static uint32_t bounding(const struct env *e, const struct cell *cell, enum reach reach)
{
	uint32_t own = cell->is_slot ? 0 : 1u << cell->index, all = own, before, compared, end = e->flow[e->pc].loop_end;

	do {
		before = all;
		compared = 0;
		for (uint32_t i = e->flow[e->pc].loop_begin; i <= end && i < e->code->n; i++) {
			const struct insn *in = &e->code->insn[i];
			uint32_t dst = 1u << in->dst, src = 1u << in->src;

			if ((in->op == OP_MOV64_X || in->op == OP_MOV32_X) && (all & (dst | src)))
				all |= dst | src;
			else if (isa_op[in->op].shape == SHAPE_JCC_K || isa_op[in->op].shape == SHAPE_JCC_X)
				compared |= isa_op[in->op].shape == SHAPE_JCC_K ? dst : dst | src;
		}
	} while (all != before);
	return reach == REACH_OWN || (own & compared) ? own & compared : all & compared;
}

/* The smallest bound >= v (up) or the largest <= v that a comparison in the loop suggests. */
static uint64_t next_bound(const struct env *e, const struct saved *s, const struct cell *cell, uint64_t v,
			   bool up, enum reach reach)
{
	uint64_t best = up ? UINT64_MAX : 0;
	uint32_t end = e->flow[e->pc].loop_end, mask = reach == REACH_ALL ? ~0u : bounding(e, cell, reach);

	for (uint32_t i = e->flow[e->pc].loop_begin; i <= end && i < e->code->n; i++) {
		const struct insn *in = &e->code->insn[i];
		bool wide = isa_op[in->op].flags & OPF_WIDTH64;
		const struct reg *r;

		if (isa_op[in->op].shape != SHAPE_JCC_K && isa_op[in->op].shape != SHAPE_JCC_X)
			continue;
		if (!(mask >> in->dst & 1) && (isa_op[in->op].shape == SHAPE_JCC_K || !(mask >> in->src & 1)))
			continue;
		if (isa_op[in->op].shape == SHAPE_JCC_K) {
			offer(wide ? (uint64_t)in->imm : (uint32_t)in->imm, v, up, &best);
			continue;
		}
		for (uint32_t k = 0; k < s->nr_cells; k++) {	/* a bound kept in a register, or its own */
			r = &s->cell[k].r;
			if (!s->cell[k].is_slot && s->cell[k].frame == cell->frame && r->kind == K_SCALAR &&
			    s->cell[k].index != cell->index &&
			    (s->cell[k].index == in->src || s->cell[k].index == in->dst))
				offer(up ? r->s.umax : r->s.umin, v, up, &best);
		}
	}
	return best;
}

/* ---- the summary ---- */

static bool same_value(const struct reg *a, const struct reg *b)
{
	return a->kind == b->kind && a->flags == b->flags && a->off == b->off && a->frame == b->frame &&
	       a->region == b->region && a->len == b->len && a->below == b->below && a->range == b->range &&
	       a->obj == b->obj && a->size == b->size && !memcmp(&a->s, &b->s, sizeof a->s);
}

static void join_below(struct reg *out, const struct reg *a, const struct reg *b, const uint64_t *min_len)
{
	const struct reg *r = a->below ? a : b, *o = a->below ? b : a;

	out->below = 0;
	out->range = 0;
	if (!r->below)
		return;
	if (o->below == r->below) {
		out->below = r->below;
		out->range = r->range < o->range ? r->range : o->range;
	} else if ((int64_t)o->s.umax >= 0 && o->s.umax <= MAX_LEN && (int64_t)o->s.umax + r->range >= 0 &&
		   o->s.umax + (uint64_t)(int64_t)r->range <= min_len[r->below - 1]) {
		out->below = r->below;
		out->range = r->range;
	}
}

struct widening {
	const struct saved *now;	/* the later state */
	const uint64_t *min_len;
	bool fast;
	enum reach reach;
	uint32_t id_base;
	uint64_t moves;			/* cells that may prove the end */
};

static bool widen_number(struct env *e, struct widening *w, uint32_t i, struct cell *cell, const struct reg *a,
			 const struct reg *b)
{
	struct reg *out = &cell->r;
	bool steady = (scalar_is_const(&a->s) && scalar_is_const(&b->s)) || (a->id && a->id == b->id) ||
		      (a->id & INDUCTION);
	uint64_t hi = b->s.umax > a->s.umax ? b->s.umax : a->s.umax;
	uint64_t lo = b->s.umin < a->s.umin ? b->s.umin : a->s.umin;
	struct scalar s;

	scalar_widen(&s, width64, &a->s, &b->s, w->fast ? 0 : next_bound(e, w->now, cell, lo, false, w->reach),
		     w->fast ? UINT64_MAX : next_bound(e, w->now, cell, hi, true, w->reach));
	set_number(e, out, &s);
	out->since = b->since;
	if (a->len && a->len == b->len && a->off == b->off) {
		out->len = a->len;
		out->off = a->off;
	}
	join_below(out, a, b, w->min_len);
	bound_by_length(out);
	if (steady && i < 64) {
		out->id = w->id_base + i;
		w->moves |= UINT64_C(1) << i;
	}
	return true;
}

static bool widen_pointer(struct env *e, struct widening *w, uint32_t i, struct cell *cell, const struct reg *a,
			  const struct reg *b)
{
	struct reg *out = &cell->r, x = *a, y = *b;
	struct scalar s;
	uint64_t bound;

	*out = *b;
	x.off = y.off = 0;
	x.s = y.s;
	x.range = y.range = x.since = y.since = 0;
	x.id = y.id = 0;
	if (!same_value(&x, &y) || x.ref != y.ref || a->len || b->len)
		return false;
	if ((a->flags & R_MAYBE_NULL) && a->id != b->id) {
		out->id = new_id(e);
		if (a->off != b->off)
			return false;
	}
	out->range = a->range < b->range ? a->range : b->range;
	if (a->off == b->off && !memcmp(&a->s, &b->s, sizeof a->s)) {
		if (a->id != b->id)
			out->id = new_id(e);
		return true;
	}
	if (a->kind == K_CTX)
		return false;
	s = b->s;
	scalar_add_k(&s, (int64_t)b->off - a->off);
	bound = next_bound(e, w->now, cell, s.umax, true, REACH_ALL);
	if (a->kind == K_VALUE && (int64_t)a->map->value_size - a->off > (int64_t)s.umax)
		bound = (uint64_t)((int64_t)a->map->value_size - a->off - 1);
	if (a->kind == K_MEM && !a->region && (int64_t)a->size - a->off > (int64_t)s.umax)
		bound = (uint64_t)((int64_t)a->size - a->off - 1);
	if (a->kind == K_STACK && -(int64_t)a->off > (int64_t)s.umax)
		bound = (uint64_t)(-(int64_t)a->off - 1);
	out->off = a->off;
	scalar_widen(&out->s, width64, &a->s, &s, 0, bound);
	out->range = 0;
	if (i < 64) {
		out->id = w->id_base + i;
		w->moves |= UINT64_C(1) << i;
	} else {
		out->id = new_id(e);
	}
	return true;
}

/* Is this register written in the loop, and never compared there?  Then its number will do whatever it
 * likes: no use in finding that out bit by bit. */
static bool wanders(const struct env *e, const struct cell *c, enum reach reach)
{
	uint32_t end = e->flow[e->pc].loop_end;
	bool written = false;

	if (c->is_slot || c->frame != e->st.nr_frames - 1 || bounding(e, c, reach))
		return false;
	for (uint32_t i = e->flow[e->pc].loop_begin; i <= end && i < e->code->n; i++)
		written |= insn_writes(&e->code->insn[i]) >> c->index & 1;
	return written;
}

static bool widen_cell(struct env *e, struct widening *w, uint32_t i, struct cell *out, const struct cell *a,
		       const struct cell *b)
{
	unsigned na, nb, fa = spill_run(a->byte, &na), fb = spill_run(b->byte, &nb);

	*out = *b;
	out->precise = 0;
	if (b->is_slot) {
		if (a->dynptr != b->dynptr || a->dynptr_ref != b->dynptr_ref)
			return false;
		if (!na && !nb) {
			for (int k = 0; k < 8; k++)
				if (a->byte[k] != b->byte[k])
					out->byte[k] = a->byte[k] == B_NONE || b->byte[k] == B_NONE ? B_NONE : B_MISC;
			return !memchr(a->byte, B_DYNPTR, 8) == !memchr(b->byte, B_DYNPTR, 8);
		}
		if (na != nb || fa != fb) {
			if ((na && a->r.kind != K_SCALAR) || (nb && b->r.kind != K_SCALAR))
				return false;
			memset(&out->r, 0, sizeof out->r);
			for (int k = 0; k < 8; k++)
				out->byte[k] = a->byte[k] == B_NONE || b->byte[k] == B_NONE ? B_NONE : B_MISC;
			return true;
		}
	}
	if (a->r.kind != b->r.kind)
		return a->r.kind == K_NONE && ((out->r = a->r), true);
	if (a->r.kind == K_SCALAR && w->reach != REACH_ALL && !a->r.len && !a->r.below && !b->r.below &&
	    !scalar_is_any(width64, &b->r.s) && wanders(e, b, w->reach)) {
		set_unknown(e, &out->r);
		out->r.since = b->r.since;
		return true;
	}
	if (a->r.kind == K_SCALAR) {
		if (same_value(&a->r, &b->r) && !(a->r.id & INDUCTION)) {
			if (!out->r.len)
				out->r.off = 0;
			out->r.id = 0;
			return true;
		}
		return widen_number(e, w, i, out, &a->r, &b->r);
	}
	return widen_pointer(e, w, i, out, &a->r, &b->r);
}

static const struct cell *find_cell(const struct saved *s, const struct cell *c)
{
	for (uint32_t i = 0; i < s->nr_cells; i++)
		if (s->cell[i].frame == c->frame && s->cell[i].is_slot == c->is_slot && s->cell[i].index == c->index)
			return &s->cell[i];
	return NULL;
}

/* A state that covers a and b and runs ahead of them; NULL when they differ too much. */
static struct saved *summarise(struct env *e, const struct saved *a, const struct saved *b, bool fast,
			       enum reach reach, uint64_t *moves, uint32_t *id_base)
{
	struct saved *g;
	struct widening w = { .now = b, .fast = fast, .reach = reach };
	uint32_t n = 0;

	if (a->h.nr_refs != b->h.nr_refs || a->h.lock_map != b->h.lock_map || a->h.lock != b->h.lock)
		return NULL;
	for (uint32_t i = 0; i < a->h.nr_refs; i++)
		if (a->h.ref[i].id != b->h.ref[i].id || a->h.ref[i].pc != b->h.ref[i].pc)
			return NULL;
	g = mem_copy(e->host, b, b->bytes);
	if (!g)
		return NULL;
	e->mem_now += b->bytes;
	w.id_base = *id_base = INDUCTION | (e->loops.next_id & 0x3fffffff);
	e->loops.next_id += b->nr_cells + 1;
	if (!e->loops.depth)	/* a trial around this one may have some that share the place of a new one */
		memset(e->uneven, 0, sizeof e->uneven);
	for (uint32_t i = 0; i < e->nr_regions; i++)
		if (a->h.min_len[i] < g->h.min_len[i])
			g->h.min_len[i] = a->h.min_len[i];
	w.min_len = g->h.min_len;
	for (uint32_t i = 0; i < g->nr_frames; i++)
		if (a->f[i].rounds != b->f[i].rounds)
			g->f[i].rounds = ANY_ROUND;
	g->h.may_goto = a->h.may_goto;		/* what a path uses up grows along it */
	memcpy(g->h.ref, a->h.ref, sizeof g->h.ref);
	for (uint32_t i = 0; i < b->nr_cells; i++) {
		const struct cell *c = find_cell(a, &b->cell[i]);

		if (!c)			/* nothing there the first time: nothing to rely on */
			continue;
		if (!widen_cell(e, &w, n, &g->cell[n], c, &b->cell[i])) {
			saved_free(e, g);
			return NULL;
		}
		n++;
	}
	g->nr_cells = n;
	g->apart = 0;
	*moves = w.moves;
	return g;
}

/* ---- coming back to a summary ---- */

static bool moved(const struct env *e, const struct cell *c, const struct reg *now, uint32_t id, bool up)
{
	int64_t d = (int64_t)now->off - c->r.off;

	if (now->id != id || now->kind != c->r.kind || dead_induction(e, id))
		return false;
	if (now->kind != K_SCALAR)		/* pointers stay within bounds that cannot wrap */
		return up ? d > 0 : d < 0;
	if (up)		/* had it wrapped, it would be below the step; below a length, or bounded */
		return d > 0 && now->s.umin >= (uint64_t)d && (now->below || now->s.umax - now->s.umin < MAX_ROUNDS);
	return d < 0 && now->s.umax <= UINT64_MAX - (uint64_t)-d && now->s.umax - now->s.umin < MAX_ROUNDS;
}

/* Pointers that moved by a constant: make it part of the variable offset, as in the summary. */
static void align_pointers(struct env *e, const struct saved *g)
{
	for (uint32_t i = 0; i < g->nr_cells; i++) {
		const struct cell *c = &g->cell[i];
		struct reg *r = state_cell(e, c);

		if (!is_ptr(&c->r) || r->kind != c->r.kind || r->off == c->r.off ||
		    (!(c->r.id & INDUCTION) && scalar_is_const(&c->r.s)))
			continue;
		scalar_add_k(&r->s, (int64_t)r->off - c->r.off);
		r->range = r->range > 0 ? r->range - (r->off - c->r.off) : 0;
		r->off = c->r.off;
	}
}

int summary_arrive(struct env *e, struct node *head)
{
	struct saved *g = head->s;
	uint64_t up = 0, down = 0;
	bool ok;
	int err;

	for (uint32_t i = 0; i < g->nr_cells && i < 64; i++) {
		const struct reg *now = state_cell(e, &g->cell[i]);

		up |= (uint64_t)moved(e, &g->cell[i], now, head->id_base + i, true) << i;
		down |= (uint64_t)moved(e, &g->cell[i], now, head->id_base + i, false) << i;
	}
	if (!head->needs_end && !e->top->in.fresh)	/* a loop that begins where the callback does */
		return TRIAL_FAILED;
	if (head->needs_end && !state_spends(e, &g->h) && rule(e, RULE_INDUCTION)) {
		head->asked = true;
		head->up &= up;
		head->down &= down;
		if (!head->up && !head->down)
			return TRIAL_FAILED;
	}
	align_pointers(e, g);
	e->loops.arriving = true;
	ok = state_covered(e, g, true);
	e->loops.arriving = false;
	if (!ok) {
		saved_free(e, head->came);
		head->came = state_save(e, e->pc);
		return head->came ? TRIAL_FAILED : -ENOMEM;
	}
	err = precise_all(e, g);
	return err ? err : PATH_ENDS;
}

/* ---- trials ---- */

static bool soft(int err)
{
	return err == TRIAL_FAILED || (err != -ENOMEM && err < 0);
}

/* The path leaves the loop under trial.  What the rest will need of the numbers is not known yet: all
 * that can still be read counts as needed. */
int trial_exit(struct env *e)
{
	struct trial *t = e->loops.trial;
	struct saved *s;
	int err;

	if (t->nr == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 8;
		void *more = mem_resize(e->host, t->exit, t->cap * sizeof *t->exit, cap * sizeof *t->exit);

		if (!more)
			return -ENOMEM;
		t->exit = more;
		t->cap = cap;
	}
	s = state_save(e, e->pc);
	if (!s)
		return -ENOMEM;
	err = precise_all(e, s);
	for (uint32_t i = 0; i < t->nr && !err; i++)
		if (t->exit[i].pc == e->pc && state_covered(e, t->exit[i].s, true)) {
			note_covered(e, t->exit[i].s);
			saved_free(e, s);
			return PATH_ENDS;
		}
	t->exit[t->nr].s = s;
	t->exit[t->nr++].pc = e->pc;
	return err ? err : PATH_ENDS;
}

static void trial_free(struct env *e, struct trial *t)
{
	for (uint32_t i = 0; i < t->nr; i++)
		saved_free(e, t->exit[i].s);
	mem_free(e->host, t->exit, t->cap * sizeof *t->exit);
}

/* How often the loop goes round, by a number that moves each time: it covers that many values.  Callbacks,
 * iterators and loops with may_goto have limits of their own, below that. */
static void state_rounds(struct env *e, const struct node *n)
{
	uint64_t proof = n->up | n->down, most = MAX_ROUNDS;

	if (proof && n->needs_end) {
		const struct scalar *s = &n->s->cell[__builtin_ctzll(proof)].r.s;

		most = s->umax - s->umin;
	}
	if (e->res->rounds < most)
		e->res->rounds = most;
}

/* The loop holds: its exits are what remains to be walked, behind the summary's node. */
static int trial_held(struct env *e, struct trial *t, struct node *n, const struct saved *here)
{
	int err;

	state_rounds(e, n);
	state_load(e, here);
	err = precise_all(e, n->s);
	n->summary = false;
	n->proven = true;
	err = err ? err : node_enter(e, n);
	while (t->nr && !err) {
		t->nr--;
		err = push_exit(e, t->exit[t->nr].s, t->exit[t->nr].pc);
	}
	return err;
}

/* What proves the end must do so still: a path that ended at a node, and not here, may have moved it otherwise. */
static int proof_stands(struct env *e, struct node *n)
{
	for (uint32_t i = 0; i < n->s->nr_cells && i < 64; i++)
		if (dead_induction(e, n->id_base + i)) {
			n->up &= ~(UINT64_C(1) << i);
			n->down &= ~(UINT64_C(1) << i);
		}
	return n->asked && !(n->up | n->down) ? TRIAL_FAILED : 0;
}

/* One trial with summary g (owned from here); *came: what it did not cover, or NULL. */
static int trial(struct env *e, struct saved *g, const struct saved *here, uint64_t moves, uint32_t id_base,
		 struct saved **came)
{
	uint32_t pc = e->pc, steps = e->walk.nr_steps, path = e->walk.nr_path, pend = e->walk.nr_pend, serial = e->serial;
	bool callback = e->top->in.fresh;
	struct subprog *sub = &e->code->sub[e->top->in.sub];
	struct trial t = { .outer = e->loops.trial, .begin = callback ? sub->start : e->flow[pc].loop_begin,
			   .end = callback ? sub->end - 1 : e->flow[pc].loop_end, .frames = e->st.nr_frames };
	uint64_t stop = e->loops.stop;
	struct node *n = node_add(e, pc, g);
	int err;

	*came = NULL;
	if (!n)
		return -ENOMEM;
	n->summary = true;
	n->needs_end = !callback;
	n->up = n->down = moves;
	n->id_base = id_base;
	state_load(e, g);
	for (uint32_t i = 0; i < g->nr_cells; i++)
		g->cell[i].precise = 1;
	e->loops.trial = &t;
	e->loops.depth++;
	e->quiet++;
	e->loops.stop = e->res->insns + TRIAL_INSNS;
	if (stop && stop < e->loops.stop)
		e->loops.stop = stop;
	err = node_enter(e, n);
	err = err ? err : run_from(e, pend);
	err = err ? err : proof_stands(e, n);
	e->loops.trial = t.outer;
	e->loops.depth--;
	e->quiet--;
	e->loops.stop = stop;
	e->pc = pc;
	if (!err) {
		path_done(e, path + 1);
		e->walk.nr_path = path;		/* the node itself comes again */
		e->walk.nr_steps = steps;
		err = trial_held(e, &t, n, here);
	} else {
		if (e->walk.nr_path > path && e->walk.path[path].node == n) {
			*came = n->came;
			n->came = NULL;
		}
		pend_drop(e, pend);
		path_drop(e, path);
		e->walk.nr_steps = steps;
		forget_after(e, serial);
	}
	trial_free(e, &t);
	return err;
}

/* Trials with growing summaries until one holds (0), or none will. */
static int grow(struct env *e, const struct saved *before, const struct saved *here, enum reach reach)
{
	struct saved *g, *old, *came = NULL, *next;
	uint32_t id_base;
	uint64_t moves;
	int err = TRIAL_FAILED;

	g = summarise(e, before, here, false, reach, &moves, &id_base);
	for (int retry = 0; g; retry++) {
		old = mem_copy(e->host, g, g->bytes);
		if (!old) {
			saved_free(e, g);
			return -ENOMEM;
		}
		e->mem_now += old->bytes;
		err = trial(e, g, here, moves, id_base, &came);
		if (!err) {
			saved_free(e, old);
			return 0;
		}
		next = NULL;
		if (soft(err) && came && retry < RETRIES && e->loops.left)
			next = summarise(e, old, came, retry >= WIDE_AFTER, reach, &moves, &id_base);
		saved_free(e, old);
		saved_free(e, came);
		g = next;
	}
	return err;
}

/* The state now and `before` are two visits to one head.  PATH_ENDS: a summary holds and covers this
 * one.  GO_ON: none was found. */
int summary_try(struct env *e, const struct saved *before)
{
	struct saved *here = state_save(e, e->pc);
	uint32_t jumps = e->walk.jumps, since = e->walk.since_node;
	int err;

	if (!here)
		return -ENOMEM;
	err = grow(e, before, here, REACH_OWN);
	for (enum reach r = REACH_COPIES; r <= REACH_ALL && err && soft(err) && e->loops.left; r++) {
		state_load(e, here);
		err = grow(e, before, here, r);
	}
	if (err)
		state_load(e, here);
	saved_free(e, here);
	if (!err)
		return PATH_ENDS;
	e->walk.jumps = jumps;
	e->walk.since_node = since;
	if (!soft(err))
		return err;
	e->flow[e->pc].fails++;
	return GO_ON;
}
