/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scan_loops.c - reachability, loops and their bodies, where keeping a state is worth while. */
#include <errno.h>
#include "verifier/state.h"
#include "vm/mem.h"

/* ---- what is reached ---- */

struct visit { uint32_t pc; uint8_t next; };

/* Depth-first: an edge to an instruction that is still open is a loop's way back. */
static void walk_from(struct env *e, uint32_t start, struct visit *stack, uint8_t *open)
{
	struct flow *flow = e->flow;
	uint32_t n = 0, to[2];
	int nr;

	if (flow[start].mark & FLOW_REACHED)
		return;
	stack[n++] = (struct visit){ start, 0 };
	flow[start].mark |= FLOW_REACHED;
	open[start] = 1;
	while (n) {
		struct visit *w = &stack[n - 1];
		uint32_t pc = w->pc;

		nr = successors(e->code, pc, to);
		if (w->next >= nr) {
			open[pc] = 0;
			n--;
			continue;
		}
		uint32_t t = to[w->next++];

		if (t >= e->code->n)
			continue;
		if (open[t]) {
			flow[t].mark |= FLOW_HEAD | FLOW_PRUNE;
			e->flow[pc].back = 1;
		} else if (flow[t].mark & FLOW_REACHED) {
			flow[t].mark |= FLOW_PRUNE;
		} else {
			flow[t].mark |= FLOW_REACHED | (w->next == 2 ? FLOW_PRUNE : 0);
			open[t] = 1;
			stack[n++] = (struct visit){ t, 0 };
		}
	}
}

int scan_reached(struct env *e)
{
	const struct code *code = e->code;
	struct visit *stack = mem_array(e->host, code->n + 1, sizeof *stack);
	uint8_t *open = mem_alloc(e->host, code->n);
	bool more = true;

	if (stack && open) {
		walk_from(e, 0, stack, open);
		while (more && !late(e)) {		/* whatever reached code calls or takes the address of */
			more = false;
			for (uint32_t i = 0; i < code->n; i++) {
				const struct insn *in = &code->insn[i];

				if (!(e->flow[i].mark & FLOW_REACHED) ||
				    (in->op != OP_CALL_LOCAL && in->op != OP_LD_FUNC) ||
				    (e->flow[in->off].mark & FLOW_REACHED))
					continue;
				walk_from(e, (uint32_t)in->off, stack, open);
				more = true;
			}
		}
	}
	mem_free(e->host, stack, (code->n + 1) * sizeof *stack);
	mem_free(e->host, open, code->n);
	return stack && open ? 0 : -ENOMEM;
}

/* ---- bodies of loops ---- */

struct preds { uint32_t *first, *list; };	/* predecessors of i: list[first[i]] .. list[first[i + 1]] */

static int find_preds(struct env *e, struct preds *p)
{
	const struct code *code = e->code;
	uint32_t to[2], n = 0;

	p->first = mem_array(e->host, code->n + 2, sizeof *p->first);
	p->list = mem_array(e->host, 2 * (size_t)code->n, sizeof *p->list);
	if (!p->first || !p->list)
		return -ENOMEM;
	for (uint32_t i = 0; i < code->n; i++)
		for (int k = successors(code, i, to); k--;)
			if (to[k] < code->n)
				p->first[to[k] + 2]++;
	for (uint32_t i = 2; i < code->n + 2; i++)
		p->first[i] += p->first[i - 1];
	for (uint32_t i = 0; i < code->n; i++)
		for (int k = successors(code, i, to); k--;)
			if (to[k] < code->n)
				p->list[p->first[to[k] + 1]++] = i, n++;
	return 0;
}

/* Does the way from `head` come back along the edge from `pc`?  Everything that reaches pc without
 * passing the head is the body. */
static void loop_body(struct env *e, const struct preds *p, uint32_t head, uint32_t *stack, uint32_t *seen)
{
	struct flow *f = e->flow;
	uint32_t n = 0, begin = head, end = head;

	for (uint32_t k = p->first[head]; k < p->first[head + 1]; k++) {
		uint32_t pc = p->list[k];

		/* a way back: the head reaches it; entries from outside do not come from the loop */
		if (f[pc].back && seen[pc] != head + 1) {
			stack[n++] = pc;
			seen[pc] = head + 1;
		}
	}
	seen[head] = head + 1;
	while (n) {
		uint32_t pc = stack[--n];

		begin = pc < begin ? pc : begin;
		end = pc > end ? pc : end;
		for (uint32_t k = p->first[pc]; k < p->first[pc + 1]; k++)
			if (seen[p->list[k]] != head + 1) {
				seen[p->list[k]] = head + 1;
				stack[n++] = p->list[k];
			}
	}
	f[head].loop_begin = begin;
	f[head].loop_end = end;
}

/* The innermost loop of each instruction: the shortest range that holds it. */
static void innermost(struct env *e)
{
	struct flow *f = e->flow;

	for (uint32_t h = 0; h < e->code->n; h++) {
		if (!(f[h].mark & FLOW_HEAD) || late(e))
			continue;
		for (uint32_t i = f[h].loop_begin; i <= f[h].loop_end; i++) {
			uint32_t o = f[i].loop_of;

			if (o == UINT32_MAX || f[o].loop_end - f[o].loop_begin > f[h].loop_end - f[h].loop_begin)
				f[i].loop_of = h;
		}
	}
}

int scan_loops(struct env *e)
{
	uint32_t n = e->code->n;
	struct preds p = { NULL, NULL };
	uint32_t *stack = NULL, *seen = NULL;
	bool any = false;
	int err = 0;

	for (uint32_t i = 0; i < n; i++) {
		e->flow[i].loop_of = UINT32_MAX;
		any |= e->flow[i].mark & FLOW_HEAD;
	}
	if (!any)
		return 0;
	err = find_preds(e, &p);
	stack = mem_array(e->host, n, sizeof *stack);
	seen = mem_array(e->host, n, sizeof *seen);
	if (!err && stack && seen) {
		for (uint32_t h = 0; h < n; h++)
			if (e->flow[h].mark & FLOW_HEAD && !late(e))
				loop_body(e, &p, h, stack, seen);
		innermost(e);
	} else {
		err = -ENOMEM;
	}
	mem_free(e->host, p.first, (n + 2) * sizeof *p.first);
	mem_free(e->host, p.list, 2 * (size_t)n * sizeof *p.list);
	mem_free(e->host, stack, n * sizeof *stack);
	mem_free(e->host, seen, n * sizeof *seen);
	return err;
}
