/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* call.c - calls of helpers by the interpreter, and the tail calls that they ask for (in.h). */
#include <errno.h>
#include "vm/interp/in.h"

/* This file is built for speed but for what few runs pass through. */
#define COLD __attribute__((cold, noinline))

/* What a helper may have taken away or moved must not be hit any more (jit/run.c decides alike). */
bool interp_call(struct engine *e, const struct helper *helper, uebpf_helper_fn fn, uint64_t *r)
{
	struct uebpf_call *call = &e->call;
	const uint32_t gen = call->packet_gen, nr = call->nr_own, next = call->next_own;
	const bool checked = call->code->checked;
	enum call_check check = CALL_GOOD;
	const struct region *values;
	bool again;

	call->helper = helper;
	if (checked)
		check = call_check_args(call, helper, r);
	if (!check)
		return false;
	again = check == CALL_AGAIN && call->memo.quiet;
	r[0] = fn(r[1], r[2], r[3], r[4], r[5], call);
	if (call->status || !checked)
		return !call->status;
	if (again && (!r[0] || helper_returns(helper) == RET_SCALAR))
		return true;
	if (again && region_holds(&call->memo.map->values, r[0], call->memo.map->value_size)) {
		values = &call->memo.map->values;
	} else {
		values = call_returned(call, helper, r);
		if (gen != call->packet_gen || nr != call->nr_own || next != call->next_own || helper_of_host(helper) ||
		    helper->flags & HF_DISTURBS)
			interp_forget(e);
	}
	if (values)
		interp_expect_value(e, values, r[0], values->len ? values->len : 1);
	return true;
}

COLD bool interp_call_number(struct engine *e, uint64_t number, uint32_t init, uint64_t *r)
{
	const struct helper *helper = call_by_number(&e->call, number, init);

	if (!helper || !interp_call(e, helper, helper_fn(helper), r))
		return false;
	if (helper_returns(helper) == RET_VOID)
		r[0] = 0;
	return true;
}

/* ---- tail calls ---- */

/* A helper has asked for a tail call.  The new program takes the frame of the caller; in place of a function it has
 * frames of its own, as many as any program: the kernel limits each program's depth, and tail calls to 33. */
static COLD const struct code *enter_tail(struct engine *e, uint64_t *r)
{
	const struct code *code = call_take_tail(&e->call);

	if (!code)
		return NULL;
	if (e->step) {
		code = interp_trace_tail(e, code);
		if (!code)
			return NULL;
	}
	if (!code->run) {
		e->call.status = -EOPNOTSUPP;	/* it is compiled, and this one is not */
		return NULL;
	}
	if (e->call.depth > 1)
		return code;
	if (code->uses_stack && code->stack_size > e->frame_size) {
		e->call.status = -ELOOP;	/* from another env, with larger frames than this run has */
		return NULL;
	}
	r[1] = (uintptr_t)e->call.ctx;
	r[2] = code->type->flags & TYPE_RAW ? e->call.ctx_len : r[2];
	zero_stack(e, r[10], code->sub[0].zero);
	interp_forget(e);
	return code;
}

const struct code *interp_tail(struct engine *e, const struct xinsn *pc, uint64_t *r)
{
	return interp_call(e, e->call.code->helper[pc->off], (uebpf_helper_fn)(intptr_t)pc->k, r) ? enter_tail(e, r) : NULL;
}
