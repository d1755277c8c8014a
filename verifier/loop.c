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

/* The smallest bound >= v (up) or the largest <= v that a comparison in the loop suggests. */
static uint64_t next_bound(const struct env *e, const struct saved *s, uint64_t v, bool up)
{
	uint64_t best = up ? UINT64_MAX : 0;
	uint32_t end = e->flow.loop_end[e->pc];

	for (uint32_t i = e->pc; i <= end && i < e->code->n; i++) {
		const struct insn *in = &e->code->insn[i];
		bool wide = isa_op[in->op].flags & OPF_WIDTH64;

		if (isa_op[in->op].shape != SHAPE_JCC_K)
			continue;
		for (int d = -1; d <= 1; d++) {
			uint64_t k = (wide ? (uint64_t)in->imm : (uint32_t)in->imm) + (uint64_t)(int64_t)d;

			if (up ? k >= v && k < best : k <= v && k > best)
				best = k;
		}
	}
	for (uint32_t i = 0; i < s->nr_cells; i++) {	/* bounds kept in registers */
		const struct reg *r = &s->cell[i].r;

		if (r->kind != K_SCALAR || !scalar_is_const(&r->s))
			continue;
		for (int d = -1; d <= 1; d++) {
			uint64_t k = r->s.val + (uint64_t)(int64_t)d;

			if (up ? k > v && k < best : k < v && k > best)
				best = k;
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
	uint32_t id_base;
	uint64_t moves;			/* cells that may prove the end */
};

static bool widen_number(struct env *e, struct widening *w, uint32_t i, struct reg *out, const struct reg *a,
			 const struct reg *b)
{
	bool steady = (scalar_is_const(&a->s) && scalar_is_const(&b->s)) || (a->id && a->id == b->id) ||
		      (a->id & INDUCTION);
	uint64_t hi = b->s.umax > a->s.umax ? b->s.umax : a->s.umax;
	uint64_t lo = b->s.umin < a->s.umin ? b->s.umin : a->s.umin;

	*out = reg_number(scalar_widen(width64, &a->s, &b->s,
				       w->fast ? 0 : next_bound(e, w->now, lo, false),
				       w->fast ? UINT64_MAX : next_bound(e, w->now, hi, true)), b->since);
	if (a->len && a->len == b->len && a->off == b->off) {
		out->len = a->len;
		out->off = a->off;
	}
	join_below(out, a, b, w->min_len);
	if (steady && i < 64) {
		out->id = w->id_base + i;
		w->moves |= UINT64_C(1) << i;
	}
	return true;
}

static bool widen_pointer(struct env *e, struct widening *w, uint32_t i, struct reg *out, const struct reg *a,
			  const struct reg *b)
{
	struct reg x = *a, y = *b;
	struct scalar d, s;
	uint64_t bound;

	*out = *b;
	x.off = y.off = 0;
	x.s = y.s = scalar_const(width64, 0);
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
	d = scalar_const(width64, (uint64_t)((int64_t)b->off - a->off));
	s = scalar_alu(width64, ALU_ADD, &b->s, &d);
	bound = next_bound(e, w->now, s.umax, true);
	if (a->kind == K_VALUE && (int64_t)a->map->value_size - a->off > (int64_t)s.umax)
		bound = (uint64_t)((int64_t)a->map->value_size - a->off - 1);
	if (a->kind == K_MEM && !a->region && (int64_t)a->size - a->off > (int64_t)s.umax)
		bound = (uint64_t)((int64_t)a->size - a->off - 1);
	if (a->kind == K_STACK && -(int64_t)a->off > (int64_t)s.umax)
		bound = (uint64_t)(-(int64_t)a->off - 1);
	out->off = a->off;
	out->s = scalar_widen(width64, &a->s, &s, 0, bound);
	out->range = 0;
	if (i < 64) {
		out->id = w->id_base + i;
		w->moves |= UINT64_C(1) << i;
	} else {
		out->id = new_id(e);
	}
	return true;
}

static bool widen_cell(struct env *e, struct widening *w, uint32_t i, struct cell *out, const struct cell *a,
		       const struct cell *b)
{
	unsigned na = spill_size(a->byte), nb = spill_size(b->byte);

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
		if (na != nb) {
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
	if (a->r.kind == K_SCALAR) {
		if (same_value(&a->r, &b->r) && !(a->r.id & INDUCTION)) {
			if (!out->r.len)
				out->r.off = 0;
			out->r.id = 0;
			return true;
		}
		return widen_number(e, w, i, &out->r, &a->r, &b->r);
	}
	return widen_pointer(e, w, i, &out->r, &a->r, &b->r);
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
			       uint64_t *moves, uint32_t *id_base)
{
	struct saved *g;
	struct widening w = { .now = b, .fast = fast };
	uint32_t n = 0;

	if (a->nr_refs != b->nr_refs || a->lock_map != b->lock_map || a->lock != b->lock ||
	    memcmp(a->ref, b->ref, a->nr_refs * sizeof a->ref[0]))
		return NULL;
	g = mem_copy(e->host, b, b->bytes);
	if (!g)
		return NULL;
	e->mem_now += b->bytes;
	e->next_induction += b->nr_cells + 1;
	w.id_base = *id_base = INDUCTION | (e->next_induction & 0x3fffffff);
	for (uint32_t i = 0; i < b->nr_cells; i++) {
		uint32_t id = w.id_base + i;

		e->bad_induction[(id & 1023) >> 6] &= ~(UINT64_C(1) << (id & 63));
	}
	for (uint32_t i = 0; i < e->nr_regions; i++)
		if (a->min_len[i] < g->min_len[i])
			g->min_len[i] = a->min_len[i];
	w.min_len = g->min_len;
	g->may_goto = a->may_goto < b->may_goto ? a->may_goto : b->may_goto;
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
	*moves = w.moves;
	return g;
}

/* ---- coming back to a summary ---- */

static bool moved(const struct env *e, const struct cell *c, const struct reg *now, uint32_t id, bool up)
{
	int64_t d = (int64_t)now->off - c->r.off;

	if (now->id != id || now->kind != c->r.kind || (e->bad_induction[(id & 1023) >> 6] >> (id & 63) & 1))
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
		struct scalar d;

		if (!is_ptr(&c->r) || r->kind != c->r.kind || r->off == c->r.off ||
		    (!(c->r.id & INDUCTION) && scalar_is_const(&c->r.s)))
			continue;
		d = scalar_const(width64, (uint64_t)((int64_t)r->off - c->r.off));
		r->s = scalar_alu(width64, ALU_ADD, &r->s, &d);
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
	if (head->needs_end && e->st.may_goto <= g->may_goto && rule(e, RULE_INDUCTION)) {
		head->up &= up;
		head->down &= down;
		if (!head->up && !head->down)
			return TRIAL_FAILED;
	}
	align_pointers(e, g);
	e->arriving = true;
	ok = state_covered(e, g, true);
	e->arriving = false;
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

/* One trial with summary g (owned from here); *came: what it did not cover, or NULL. */
static int trial(struct env *e, struct saved *g, uint64_t moves, uint32_t id_base, struct saved **came)
{
	uint32_t pc = e->pc, steps = e->nr_steps, path = e->nr_path, pend = e->nr_pend, serial = e->serial;
	uint64_t stop = e->spec_stop;
	struct node *n = node_add(e, pc, g);
	int err;

	*came = NULL;
	if (!n)
		return -ENOMEM;
	n->summary = true;
	n->needs_end = !((e->flow.mark[pc] & FLOW_CALLBACK) && top(e)->callback);
	n->up = n->down = moves;
	n->id_base = id_base;
	state_load(e, g);
	for (uint32_t i = 0; i < g->nr_cells; i++)
		g->cell[i].precise = 1;
	e->spec_depth++;
	e->quiet++;
	e->spec_stop = e->res->insns + TRIAL_INSNS;
	if (stop && stop < e->spec_stop)
		e->spec_stop = stop;
	err = node_enter(e, n);
	err = err ? err : run_from(e, pend);
	e->spec_depth--;
	e->quiet--;
	e->spec_stop = stop;
	e->pc = pc;
	if (!err) {
		path_done(e, path);
		n->summary = false;
	} else {
		*came = n->came;
		n->came = NULL;
		pend_drop(e, pend);
		e->nr_path = path;
		forget_after(e, serial);
	}
	e->nr_steps = steps;
	return err;
}

/* The state now and `before` are two visits to one head.  PATH_ENDS: a summary holds and covers this
 * one.  GO_ON: none was found. */
int summary_try(struct env *e, const struct saved *before)
{
	struct saved *here = state_save(e, e->pc), *g, *old, *came = NULL, *next;
	uint32_t jumps = e->jumps, since = e->since_node, id_base;
	uint64_t moves;
	int err;

	if (!here)
		return -ENOMEM;
	g = summarise(e, before, here, false, &moves, &id_base);
	for (int retry = 0;; retry++) {
		if (!g) {
			err = TRIAL_FAILED;
			break;
		}
		old = mem_copy(e->host, g, g->bytes);
		if (!old) {
			saved_free(e, g);
			err = -ENOMEM;
			break;
		}
		e->mem_now += old->bytes;
		err = trial(e, g, moves, id_base, &came);
		if (!err) {
			state_load(e, here);
			err = precise_all(e, old);
			saved_free(e, old);
			saved_free(e, here);
			return err ? err : PATH_ENDS;
		}
		if (!soft(err) || !came || retry >= RETRIES || !e->spec_left) {
			saved_free(e, old);
			saved_free(e, came);
			break;
		}
		next = summarise(e, old, came, retry >= WIDE_AFTER, &moves, &id_base);
		saved_free(e, old);
		saved_free(e, came);
		g = next;
	}
	state_load(e, here);
	saved_free(e, here);
	e->jumps = jumps;
	e->since_node = since;
	if (!soft(err))
		return err;
	e->fails[e->pc]++;
	return GO_ON;
}
