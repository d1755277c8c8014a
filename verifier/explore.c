/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* explore.c - walks the program's paths, depth first, and prunes those that a kept node covers. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "verifier/state.h"
#include "vm/mem.h"

/* ---- the stack of edges not taken yet ---- */

static int push(struct env *e, enum pending_kind kind)
{
	struct saved *s;

	if (e->nr_pend == e->cap_pend) {
		uint32_t cap = e->cap_pend ? e->cap_pend * 2 : 16;
		struct pending *more = mem_resize(e->host, e->pend, e->cap_pend * sizeof *more,
						  cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		e->pend = more;
		e->cap_pend = cap;
	}
	s = state_save(e, e->pc);
	if (!s)
		return -ENOMEM;
	e->pend[e->nr_pend++] = (struct pending){ s, e->pc, e->nr_steps, e->nr_path, e->jumps,
						  e->since_node, (uint8_t)kind };
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
	while (e->nr_pend > to)
		saved_free(e, e->pend[--e->nr_pend].s);
}

void path_done(struct env *e, uint32_t from)
{
	for (uint32_t i = from; i < e->nr_path; i++) {
		struct node *n = e->path[i].node;

		n->next = e->at[n->pc];
		e->at[n->pc] = n;
	}
	e->nr_path = from;
}

/* The end of the path was walked in vain. */
void path_drop(struct env *e, uint32_t from)
{
	for (uint32_t i = from; i < e->nr_path; i++)
		node_drop(e, e->path[i].node);
	e->nr_path = from;
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
		struct node **p = &e->at[pc];

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
	if (e->nr_path == e->cap_path) {
		uint32_t cap = e->cap_path ? e->cap_path * 2 : 64;
		void *more = mem_resize(e->host, e->path, e->cap_path * sizeof *e->path, cap * sizeof *e->path);

		if (!more) {
			node_drop(e, n);
			return -ENOMEM;
		}
		e->path = more;
		e->cap_path = cap;
	}
	e->path[e->nr_path].node = n;
	e->path[e->nr_path++].step = e->nr_steps;
	e->jumps = e->since_node = 0;
	return step_add(e, (struct step){ .kind = ST_NODE, .node = n });
}

/* This path's last visit to this loop head, in this round of whatever loop is around. */
static struct node *last_visit(struct env *e)
{
	for (uint32_t i = e->nr_path; i-- > 0;) {
		struct node *n = e->path[i].node;

		if (n->s->nr_frames < e->st.nr_frames)
			return NULL;
		if (n->s->nr_frames > e->st.nr_frames)
			continue;
		if (n->pc == e->pc)
			return state_same_place(e, n->s) ? n : NULL;
		if ((e->flow.mark[n->pc] & FLOW_HEAD) && !(e->flow.mark[e->pc] & FLOW_CALLBACK) &&
		    e->flow.loop_begin[n->pc] <= e->flow.loop_begin[e->pc] &&
		    e->flow.loop_end[n->pc] >= e->flow.loop_end[e->pc] &&
		    (e->flow.loop_begin[n->pc] < e->flow.loop_begin[e->pc] ||
		     e->flow.loop_end[n->pc] > e->flow.loop_end[e->pc]))
			return NULL;	/* a loop around this one began a new round */
	}
	return NULL;
}

/* Bytes that the covering node's paths may read and that are unwritten here. */
static void note_unwritten(struct env *e, const struct saved *old)
{
	for (uint32_t i = 0; i < old->nr_cells; i++) {
		const struct cell *c = &old->cell[i];
		struct frame *f = &e->st.f[c->frame];

		for (unsigned b = 0; c->is_slot && b < 8; b++)
			if (c->byte[b] != B_NONE && (c->index >= f->depth || f->slot[c->index].byte[b] == B_NONE))
				fact_zero(e, f->sub, c->index, (uint8_t)(1u << b));
	}
}

static int covered_by(struct env *e, struct node *n, bool all)
{
	n->hits++;
	note_unwritten(e, n->s);
	int err = all ? precise_all(e, n->s) : precise_from(e, n->s);

	if (!err && e->opts.log_level >= 2)
		say(e, "    as before at %u: nothing new\n", e->code->slot[n->pc]);
	return err ? err : PATH_ENDS;
}

enum { KEEP_TRYING = 64 };	/* loops walked out have a node of each round at one place */

static int look_for_cover(struct env *e, struct node *last)
{
	struct node **p = &e->at[e->pc];

	if (last && last->summary)
		return summary_arrive(e, last);
	while (*p) {
		struct node *n = *p;

		if (state_covered(e, n->s, false))
			return covered_by(e, n, false);
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
	return unsafe_(e, -1, "change something that its condition looks at",
		       "endless loop: this instruction is reached again with everything as before");
}

/* When is another trial of a summary worth while? */
static bool worth_trying(const struct env *e, const struct node *last)
{
	static const uint32_t after[] = { 1, 6, 40 };

	return !e->unroll && e->fails[e->pc] < 3 && last->iter >= after[e->fails[e->pc]] && e->spec_depth < 6 && e->spec_left;
}

static int visit(struct env *e)
{
	uint8_t mark = e->flow.mark[e->pc];
	bool head = mark & FLOW_HEAD, callback = (mark & FLOW_CALLBACK) && top(e)->callback;
	struct node *last = head || callback ? last_visit(e) : NULL, *n;
	int r = look_for_cover(e, last);

	if (r != GO_ON)
		return r;
	if (last && (callback || e->st.may_goto > last->s->may_goto) && state_covered(e, last->s, true))
		return covered_by(e, last, true);
	if (last && worth_trying(e, last)) {
		r = summary_try(e, last->s);
		if (r != GO_ON)
			return r;
	}
	if (!head && !callback && (e->jumps < 2 || e->since_node < 8))
		return GO_ON;
	struct saved *s = state_save(e, e->pc);

	if (!s || !(n = node_add(e, e->pc, s)))
		return -ENOMEM;
	if (last && n->hash == last->hash && !callback && saved_equal(e, n->s, last->s)) {
		node_drop(e, n);
		return endless(e);
	}
	n->iter = last ? last->iter + 1 : 0;
	return node_enter(e, n);
}

/* The last proven loop whose exit this path went through: its summary may have been too wide. */
struct node *culprit(struct env *e)
{
	for (uint32_t i = e->nr_path; i-- > 0;)
		if (e->path[i].node->proven)
			return e->path[i].node;
	return NULL;
}

/* ---- one instruction ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int wide(struct env *e, const struct insn *in)
{
	struct reg *d = &top(e)->r[in->dst], r = reg_constant((uint64_t)in->imm, e->pc);
	const struct uebpf_map *map;

	switch (in->op) {
	case OP_LDDW:
		break;
	case OP_LD_MAP:
		if ((uint32_t)in->imm_lo >= e->code->nr_map)
			return refuse(e, UEBPF_E_UNSAFE, "there is no map %d", in->imm_lo);
		r = reg_pointer(K_MAP, e->pc);
		r.map = e->code->map[in->imm_lo];
		break;
	case OP_LD_MAPVAL:
		if ((uint32_t)in->imm_lo >= e->code->nr_map)
			return refuse(e, UEBPF_E_UNSAFE, "there is no map %d", in->imm_lo);
		map = e->code->map[in->imm_lo];
		if ((map->ops->traits & (MT_ARRAY | MT_PERCPU | MT_PROGS | MT_MAPS)) != MT_ARRAY ||
		    (uint32_t)in->imm_hi >= map->value_size)
			return refuse(e, UEBPF_E_UNSAFE, "offset %u is not inside a value of map `%s`",
				      (uint32_t)in->imm_hi, map->name);
		r = reg_pointer(K_VALUE, e->pc);
		r.map = map;
		r.off = in->imm_hi;
		r.flags = R_DIRECT;
		break;
	case OP_LD_FUNC:
		r = reg_pointer(K_FUNC, e->pc);
		r.func = (uint32_t)in->off;
		break;
	default:
		return refuse(e, UEBPF_E_UNSUPPORTED, "`%s` is not resolved: only a kernel could", isa_op[in->op].text);
	}
	*d = r;
	fact_result(e, d);
	return step_reg(e, ST_DEF, in->dst, in->dst);
}

static int execute(struct env *e, const struct insn *in)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: return do_alu(e, in);
	case SHAPE_JCC_K: case SHAPE_JCC_X: return do_jump(e, in);
	case SHAPE_LOAD: return do_load(e, in);
	case SHAPE_STORE_X: case SHAPE_STORE_K: return do_store(e, in);
	case SHAPE_ATOMIC: return do_atomic(e, in);
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND: return do_packet_load(e, in);
	case SHAPE_WIDE: return wide(e, in);
	case SHAPE_JA:
		if (in->op == OP_MAY_GOTO)
			return do_jump(e, in);
		e->next = (uint32_t)in->off;
		return GO_ON;
	case SHAPE_CALL: return do_call(e, in);
	case SHAPE_LOCAL: case SHAPE_CALLX: return do_local(e, in);
	case SHAPE_EXIT: return do_exit(e);
	default:
		return refuse(e, UEBPF_E_UNSUPPORTED, "instruction %s is not for programs", isa_op[in->op].name);
	}
}

static int limits(struct env *e)
{
	uint64_t n = ++e->res->insns;

	if (e->spec_depth) {
		if (n >= e->spec_stop)
			return TRIAL_FAILED;
		if (e->spec_left)
			e->spec_left--;
	}
	if (n > e->opts.max_insns && e->hopeful)
		return -E2BIG;
	if (n > e->opts.max_insns)
		return refuse(e, UEBPF_E_COMPLEX, "%" PRIu64 " instructions were explored and paths are left "
			      "(option max_states); fewer branches inside loops or a subprogram may help", n - 1);
	if (e->deadline && !(n & 1023) && now_ns() > e->deadline)
		return refuse(e, UEBPF_E_COMPLEX, "the time for verification (option max_ns) is spent");
	if (e->mem_now > (UINT64_C(1) << 30))
		return refuse(e, UEBPF_E_COMPLEX, "more than 1 GiB of states");
	return GO_ON;
}

static int step(struct env *e)
{
	int r = limits(e);

	if (r)
		return r;
	e->since_node++;
	if (e->opts.log_level >= 2)
		say_state(e);
	e->res->fact[e->pc].flags |= FACT_SEEN;
	e->next = e->pc + 1;
	return execute(e, &e->code->insn[e->pc]);
}

static int resume(struct env *e)
{
	struct pending p = e->pend[--e->nr_pend];

	path_done(e, p.path);
	e->nr_steps = p.steps;
	e->jumps = p.jumps;
	e->since_node = p.since_node;
	e->pc = p.pc;
	state_load(e, p.s);
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
			if (e->nr_pend == base)
				return 0;
			r = resume(e);
		}
		if (r < 0)
			return r;
		e->pc = e->next;
		if (e->trial && (e->st.nr_frames < e->trial->frames || (e->st.nr_frames == e->trial->frames &&
		    (e->pc < e->trial->begin || e->pc > e->trial->end)))) {
			r = trial_exit(e);
			continue;
		}
		if (e->flow.mark[e->pc] & (FLOW_PRUNE | FLOW_CALLBACK)) {
			r = visit(e);
			if (r != GO_ON)
				continue;
		}
		r = step(e);
	}
}
