/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* explore.c - walks the program's paths, depth first, and prunes those that a kept node covers. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "verifier/state.h"
#include "vm/mem.h"
#include "vm/self.h"

/* ---- the stack of edges not taken yet ---- */

static int push(struct env *e, enum pending_kind kind)
{
	struct saved *s;

	if (e->walk.nr_pend == e->walk.cap_pend) {
		uint32_t cap = e->walk.cap_pend ? e->walk.cap_pend * 2 : 16;
		struct pending *more = mem_resize(e->host, e->walk.pend, e->walk.cap_pend * sizeof *more,
						  cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		e->walk.pend = more;
		e->walk.cap_pend = cap;
	}
	s = state_save(e, e->pc);
	if (!s)
		return -ENOMEM;
	e->walk.pend[e->walk.nr_pend++] = (struct pending){ s, e->pc, e->walk.nr_steps, e->walk.nr_path, e->walk.jumps,
						  e->walk.since_node, (uint8_t)kind };
	return 0;
}

int push_other(struct env *e, bool taken)
{
	return push(e, taken ? PEND_JUMPS : PEND_FALLS);
}

int push_finish(struct env *e)
{
	return push(e, PEND_FINISH);
}

int push_leave(struct env *e)
{
	return push(e, PEND_LEAVE);
}

/* A state that left a proven loop. */
int push_exit(struct env *e, struct saved *s, uint32_t pc)
{
	uint32_t at = e->pc;
	int err;

	e->pc = pc;
	state_load(e, s);
	saved_free(e, s);
	err = push(e, PEND_GO);
	e->pc = at;
	return err;
}

void pend_drop(struct env *e, uint32_t to)
{
	while (e->walk.nr_pend > to)
		saved_free(e, e->walk.pend[--e->walk.nr_pend].s);
}

void path_done(struct env *e, uint32_t from)
{
	for (uint32_t i = from; i < e->walk.nr_path; i++) {
		struct node *n = e->walk.path[i].node;

		n->next = e->flow[n->pc].at;
		e->flow[n->pc].at = n;
	}
	e->walk.nr_path = from;
}

/* The end of the path was walked in vain. */
void path_drop(struct env *e, uint32_t from)
{
	for (uint32_t i = from; i < e->walk.nr_path; i++)
		node_drop(e, e->walk.path[i].node);
	e->walk.nr_path = from;
}

/* ---- nodes ---- */

struct node *node_add(struct env *e, uint32_t pc, struct saved *s)
{
	struct node *n = mem_alloc(e->host, sizeof *n);

	if (!n) {
		saved_free(e, s);
		return NULL;
	}
	n->s = s;
	n->pc = pc;
	n->hash = saved_hash(s);
	n->serial = ++e->serial;
	e->mem_now += sizeof *n;
	if (++e->nr_nodes > e->res->states)
		e->res->states = e->nr_nodes;
	return n;
}

void node_drop(struct env *e, struct node *n)
{
	saved_free(e, n->s);
	saved_free(e, n->came);
	e->nr_nodes--;
	e->mem_now -= sizeof *n;
	mem_free(e->host, n, sizeof *n);
}

/* Nodes made after `serial` were explored under a hypothesis that failed. */
void forget_after(struct env *e, uint32_t serial)
{
	for (uint32_t pc = 0; pc < e->code->n; pc++) {
		struct node **p = &e->flow[pc].at;

		while (*p) {
			struct node *n = *p;

			if (n->serial <= serial) {
				p = &n->next;
				continue;
			}
			*p = n->next;
			node_drop(e, n);
		}
	}
}

/* The node becomes part of the path. */
int node_enter(struct env *e, struct node *n)
{
	if (e->walk.nr_path == e->walk.cap_path) {
		uint32_t cap = e->walk.cap_path ? e->walk.cap_path * 2 : 64;
		void *more = mem_resize(e->host, e->walk.path, e->walk.cap_path * sizeof *e->walk.path, cap * sizeof *e->walk.path);

		if (!more) {
			node_drop(e, n);
			return -ENOMEM;
		}
		e->walk.path = more;
		e->walk.cap_path = cap;
	}
	e->walk.path[e->walk.nr_path].node = n;
	e->walk.path[e->walk.nr_path++].step = e->walk.nr_steps;
	e->walk.jumps = e->walk.since_node = 0;
	return step_add(e, (struct step){ .kind = ST_NODE, .node = n });
}

/* This path's last visit to this loop head, in this round of whatever loop is around. */
static struct node *last_visit(struct env *e)
{
	for (uint32_t i = e->walk.nr_path; i-- > 0;) {
		struct node *n = e->walk.path[i].node;

		if (n->s->nr_frames < e->st.nr_frames)
			return NULL;
		if (n->s->nr_frames > e->st.nr_frames)
			continue;
		if (n->pc == e->pc)
			return state_same_place(e, n->s) ? n : NULL;
		if ((e->flow[n->pc].mark & FLOW_HEAD) && !(e->flow[e->pc].mark & FLOW_CALLBACK) &&
		    e->flow[n->pc].loop_begin <= e->flow[e->pc].loop_begin &&
		    e->flow[n->pc].loop_end >= e->flow[e->pc].loop_end &&
		    (e->flow[n->pc].loop_begin < e->flow[e->pc].loop_begin ||
		     e->flow[n->pc].loop_end > e->flow[e->pc].loop_end))
			return NULL;	/* a loop around this one began a new round */
	}
	return NULL;
}

/* Bytes that the covering state's paths may read and that are unwritten here. */
void note_covered(struct env *e, const struct saved *old)
{
	for (uint32_t i = 0; i < old->nr_cells; i++) {
		const struct cell *c = &old->cell[i];
		struct frame *f = &e->st.f[c->frame];

		for (unsigned b = 0; c->is_slot && b < 8; b++)
			if (c->byte[b] != B_NONE && (c->index >= f->depth || f->slot[c->index].byte[b] == B_NONE))
				fact_zero(e, f->in.sub, c->index, (uint8_t)(1u << b));
	}
}

static int covered_by(struct env *e, struct node *n, bool all)
{
	n->hits++;
	note_covered(e, n->s);
	int err = all ? precise_all(e, n->s) : precise_from(e, n->s);

	if (!err && e->opts.log_level >= 2)
		say(e, "    as before at %u: nothing new\n", e->code->slot[n->pc]);
	return err ? err : PATH_ENDS;
}

/* Loops walked out have a node of each round, times what the body tells apart, at one place: those of
 * one round are of use again only after all later rounds were seen. */
enum { KEEP_TRYING = 512 };

static int look_for_cover(struct env *e, struct node *last)
{
	struct node **p = &e->flow[e->pc].at;

	if (last && last->summary)
		return summary_arrive(e, last);
	while (*p) {
		struct node *n = *p;

		if (state_covered(e, n->s, false)) {
			if (!e->opts.exact && !state_covered(e, n->s, true))
				e->flow[e->pc].loose = e->loose = true;
			return covered_by(e, n, false);
		}
		if (++n->misses > n->hits * 3 + KEEP_TRYING) {
			*p = n->next;
			node_drop(e, n);
			continue;
		}
		p = &n->next;
	}
	return GO_ON;
}

static int endless(struct env *e)
{
	return unsafe_(e, -1, MESSAGE_TEXT("change something that its condition looks at"),
		       "endless loop: this instruction is reached again with everything as before");
}

/* When is another trial of a summary worth while? */
static bool worth_trying(const struct env *e, const struct node *last)
{
	static const uint32_t after[] = { 1, 6, 40 };

	return !e->loops.unroll && e->flow[e->pc].fails < 3 && last->iter >= after[e->flow[e->pc].fails] && e->loops.depth < 6 && e->loops.left;
}

static int visit(struct env *e)
{
	bool head = e->flow[e->pc].mark & FLOW_HEAD, callback = e->top->in.fresh, spends;
	struct node *last = head || callback ? last_visit(e) : NULL, *n;
	int r = look_for_cover(e, last);

	if (r != GO_ON)
		return r;
	spends = callback || (last && state_spends(e, &last->s->h));
	if (last && spends && state_covered(e, last->s, true))
		return covered_by(e, last, true);
	if (last && worth_trying(e, last)) {
		r = summary_try(e, last->s);
		if (r != GO_ON)
			return r;
	}
	if (!head && !callback && (e->walk.jumps < 2 || e->walk.since_node < 8))
		return GO_ON;
	struct saved *s = state_save(e, e->pc);

	if (!s || !(n = node_add(e, e->pc, s)))
		return -ENOMEM;
	if (last && n->hash == last->hash && !spends && saved_equal(n->s, last->s)) {
		node_drop(e, n);
		return endless(e);
	}
	n->iter = last ? last->iter + 1 : 0;
	return node_enter(e, n);
}

/* The last proven loop whose exit this path went through: its summary may have been too wide. */
struct node *culprit(struct env *e)
{
	for (uint32_t i = e->walk.nr_path; i-- > 0;)
		if (e->walk.path[i].node->proven)
			return e->walk.path[i].node;
	return NULL;
}

/* ---- one instruction ---- */

static int wide(struct env *e)
{
	const struct insn *in = e->in;
	struct reg *d = e->d;
	const struct uebpf_map *map;

	switch (in->op) {
	case OP_LDDW:
		set_constant(e, d, (uint64_t)in->imm);
		break;
	case OP_LD_MAP:
		if ((uint32_t)in->imm_lo >= e->code->nr_map)
			return refuse(e, UEBPF_E_UNSAFE, "there is no map %d", in->imm_lo);
		set_pointer(e, d, K_MAP);
		d->map = e->code->map[in->imm_lo];
		break;
	case OP_LD_MAPVAL:
		if ((uint32_t)in->imm_lo >= e->code->nr_map)
			return refuse(e, UEBPF_E_UNSAFE, "there is no map %d", in->imm_lo);
		map = e->code->map[in->imm_lo];
		if ((map->ops->traits & MT_ARENA) && (uint32_t)in->imm_hi < map->bytes) {
			set_constant(e, d, code_map_address(e->code, in));
			break;
		}
		if ((map->ops->traits & (MT_ARRAY | MT_PERCPU | MT_PROGS | MT_MAPS)) != MT_ARRAY ||
		    (uint32_t)in->imm_hi >= map->value_size)
			return refuse(e, UEBPF_E_UNSAFE, "offset %u is not inside a value of map `%s`",
				      (uint32_t)in->imm_hi, map->name);
		if (e->kernel && map->max_entries != 1)
			return refuse(e, UEBPF_E_FORM, "the kernel gives a value's address only in arrays of one element");
		set_pointer(e, d, K_VALUE);
		d->map = map;
		d->off = in->imm_hi;
		d->flags = R_DIRECT;
		break;
	case OP_LD_FUNC:
		set_pointer(e, d, K_FUNC);
		d->func = (uint32_t)in->off;
		break;
	default:
		return refuse(e, UEBPF_E_UNSUPPORTED, "`%s` is not resolved: only a kernel could", isa_text((uint16_t)(e->op - isa_op)));
	}
	fact_result(e, d);
	return step_insn(e, ST_DEF);
}

void fetch(struct env *e, uint32_t pc)
{
	const struct insn *in = &e->code->insn[pc];

	e->pc = pc;
	e->in = in;
	e->op = &isa_op[in->op];
	e->d = &e->top->r[in->dst];
	e->s = &e->top->r[in->src];
	e->fact = &e->res->fact[pc];
}

static int execute(struct env *e)
{
	switch (e->op->shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: return do_alu(e);
	case SHAPE_JCC_K: case SHAPE_JCC_X: return do_jump(e);
	case SHAPE_LOAD: return do_load(e);
	case SHAPE_STORE_X: case SHAPE_STORE_K: return do_store(e);
	case SHAPE_ATOMIC: return do_atomic(e);
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND: return do_packet_load(e);
	case SHAPE_WIDE: return wide(e);
	case SHAPE_JA:
		if (e->in->op == OP_MAY_GOTO)
			return do_jump(e);
		e->next = (uint32_t)e->in->off;
		return GO_ON;
	case SHAPE_CALL: return do_call(e);
	case SHAPE_LOCAL: case SHAPE_CALLX: return do_local(e);
	case SHAPE_EXIT: return do_exit(e);
	default:
		return refuse(e, UEBPF_E_UNSUPPORTED, "instruction %s is not for programs",
			      isa_name((uint16_t)(e->op - isa_op), (char[ISA_NAME]){ 0 }));
	}
}

bool late(const struct env *e) { return e->deadline && self_clock() > e->deadline; }

int too_late(struct env *e)
{
	e->loops.hopeful = false;	/* and no other attempt */
	e->loops.unroll = true;
	return refuse(e, UEBPF_E_COMPLEX, "the time for verification (option max_ns) is spent");
}

static int limits(struct env *e)
{
	uint64_t n = ++e->res->insns;

	if (e->loops.depth) {
		if (n >= e->loops.stop)
			return TRIAL_FAILED;
		if (e->loops.left)
			e->loops.left--;
	}
	if (n > e->opts.max_insns && e->loops.hopeful)
		return -E2BIG;
	if (n > e->opts.max_insns)
		return refuse(e, UEBPF_E_COMPLEX, "%" PRIu64 " instructions were explored and paths are left "
			      "(option max_states); fewer branches inside loops or a subprogram may help", n - 1);
	if (!(n & 1023) && late(e))
		return too_late(e);
	if (e->mem_now > (UINT64_C(1) << 30))
		return refuse(e, UEBPF_E_COMPLEX, "more than 1 GiB of states");
	return GO_ON;
}

static int step(struct env *e)
{
	int r = limits(e);

	if (r)
		return r;
	e->walk.since_node++;
	if (e->opts.log_level >= 2)
		say_state(e);
	fetch(e, e->pc);
	e->top->in.fresh = false;
	e->fact->flags |= FACT_SEEN;
	e->next = e->pc + 1;
	return execute(e);
}

static int resume(struct env *e)
{
	struct pending p = e->walk.pend[--e->walk.nr_pend];

	path_done(e, p.path);
	e->walk.nr_steps = p.steps;
	e->walk.jumps = p.jumps;
	e->walk.since_node = p.since_node;
	e->pc = p.pc;
	state_load(e, p.s);
	fetch(e, p.pc);
	saved_free(e, p.s);
	if (e->opts.log_level >= 1 && !e->quiet)
		say(e, "back to %u:\n", e->code->slot[p.pc]);
	if (p.kind == PEND_GO) {
		e->next = p.pc;
		return GO_ON;
	}
	return p.kind == PEND_FINISH ? helper_finish(e) : p.kind == PEND_LEAVE ? leave_early(e) : take_edge(e, p.kind == PEND_JUMPS);
}

/* Explores everything from here (without asking whether the first instruction was seen before),
 * down to `base` edges put aside. */
int run_from(struct env *e, uint32_t base)
{
	int r = step(e);

	for (;;) {
		while (r == PATH_ENDS) {
			if (e->walk.nr_pend == base)
				return 0;
			r = resume(e);
		}
		if (r < 0)
			return r;
		e->pc = e->next;
		if (e->loops.trial && (e->st.nr_frames < e->loops.trial->frames || (e->st.nr_frames == e->loops.trial->frames &&
		    (e->pc < e->loops.trial->begin || e->pc > e->loops.trial->end)))) {
			r = trial_exit(e);
			continue;
		}
		if (e->flow[e->pc].mark & (FLOW_PRUNE | FLOW_CALLBACK)) {
			r = visit(e);
			if (r != GO_ON)
				continue;
		}
		r = step(e);
	}
}
