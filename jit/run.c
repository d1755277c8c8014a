/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - what happens around and beneath a compiled run: building its state, helper calls of checked code,
 * callbacks and tail calls.  Nothing here depends on the machine. */
#include <errno.h>
#include <string.h>
#include "jit/state.h"

/* This file is built for speed but for what few runs pass through. */
#define COLD __attribute__((cold, noinline))

/* ---- calls ---- */

/* With r1-r5 in state->r; the result is there too.  As call_returned. */
static __attribute__((noinline)) const struct region *call_helper(struct jit_state *state, const struct helper *helper, uebpf_helper_fn fn)
{
	struct uebpf_call *call = &state->call;
	uint32_t gen = call->packet_gen, nr = call->nr_own, next = call->next_own;
	const struct region *value;
	uint64_t *r = state->r;

	call->helper = helper;
	jit_stack_region(state);
	r[0] = 0;
	if (!call_check_args(call, helper, r))
		return NULL;
	r[0] = fn(r[1], r[2], r[3], r[4], r[5], call);
	if (call->status || call->tail)
		return NULL;
	value = call_returned(call, helper, r);
	if (gen != call->packet_gen)
		jit_own_windows(state);
	else if (nr != call->nr_own || next != call->next_own || helper_of_host(helper) ||
		 helper->flags & HF_DISTURBS)
		jit_forget(state);
	return value;
}

uint64_t jit_checked_call(struct jit_state *state, uint32_t index, uint32_t window)
{
	struct uebpf_call *call = &state->call;
	const struct insn *insn = &call->code->insn[index];
	const struct helper *helper = call->code->helper[insn->off];
	const struct region *value;
	uint64_t *r = state->r;

	jit_get_ready(state);
	value = call_helper(state, helper, (uebpf_helper_fn)(intptr_t)insn->imm);
	if (!value && !call->status && !call->tail && r[0] &&
	    (helper_returns(helper) == RET_VALUE_OR_NULL || helper_returns(helper) == RET_VALUE))
		value = call_find_region(call, r[0], 1, ACCESS_READ);
	if (value)
		jit_remember(state, &state->window[window], value, r[0]);
	return r[0];
}

/* Machine code of the subprogram at `fn` (a value of LD_FUNC), or NULL. */
static COLD const void *function_at(struct jit_state *state, uint64_t fn)
{
	const struct code *code = state->call.code;
	const struct subprog *sub = code_function(code, fn);

	jit_get_ready(state);
	return sub ? state->jit->text + state->jit->sub_off[sub - code->sub] : NULL;
}

COLD const void *jit_callx(struct jit_state *state, uint64_t fn)
{
	struct uebpf_call *call = &state->call;
	const void *entry = function_at(state, fn);
	const struct helper *helper;
	uint64_t *r = state->r;

	if (entry)
		return entry;
	helper = call_by_number(call, fn, state->init);
	if (!helper)
		return NULL;
	if (call->code->checked) {
		call_helper(state, helper, helper_fn(helper));
	} else {
		call->helper = helper;
		r[0] = helper_fn(helper)(r[1], r[2], r[3], r[4], r[5], call);
		if (helper_returns(helper) == RET_VOID)
			r[0] = 0;
	}
	return call->status ? NULL : JIT_CALLED;
}

uint64_t jit_run_callback(struct uebpf_call *call, uint64_t fn, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
			  uint64_t r5)
{
	struct jit_state *state = call->engine;
	const uint64_t args[5] = { r1, r2, r3, r4, r5 };
	const struct helper *helper = call->helper;
	const struct code *code = call->code;
	struct jit_code *jit = state->jit;
	const void *entry = function_at(state, fn);
	uint32_t init = state->init;
	uint64_t fp = state->fp, r0;

	if (!entry) {
		call->status = -EFAULT;
		call->address = fn;
		return 0;
	}
	if (call->depth >= state->frames) {
		call->status = -ELOOP;
		return 0;
	}
	call->depth++;
	state->init = 1u << 10 | 0x3e;
	r0 = jit->callback(state, entry, args);
	call->helper = helper;
	state->init = init;
	if (call->status)
		return 0;
	call->code = code;
	state->jit = jit;
	state->fp = fp;
	call->depth--;
	if (code->checked) {
		jit_stack_region(state);
		jit_forget(state);
	}
	return r0;
}

/* ---- a run ---- */

static int run_plain(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
static int run_checked(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
static int run_full(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
static int run_quick(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
static int run_tame(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);

/* Called once a program is compiled. */
COLD void jit_plan_run(struct jit_code *jit)
{
	const struct code *code = jit->code;
	const struct prog_type *type = code->type;

	jit->tail_type = code->checked || code->metered ? NULL : type;
	jit->run = jit->plain ? run_plain : code->checked ? run_checked : run_full;
	jit->first_slice = jit->sliced && code->budget > JIT_SLICE ? JIT_SLICE : code->budget;
	jit->first_reserve = code->budget - jit->first_slice;
	jit->frames = code->frames;
	jit->frame_size = code->checked && code->uses_stack ? (code->stack_size + 15) & ~15u : 0;
	jit->init = 1u << 10 | 1u << 1 | (type->flags & TYPE_RAW ? 1u << 2 : 0);
	jit->min_len = type->flags & (TYPE_RAW | TYPE_OPEN) ? 0 : type->host_size;
	jit->ctx_size = type->flags & TYPE_RAW ? UINT32_MAX : type->ctx_size;
	jit->ctx_access = jit_ctx_access(type);
	jit->quick = code->checked && jit->sliced && !jit->inits && !jit->frame_size && jit->frames == 1;
	if (jit->tame_need < jit->min_len)
		jit->tame_need = jit->min_len;
	if (jit->tame)
		jit->run = run_tame;
	else if (jit->quick)
		jit->run = run_quick;
}

static inline void first_windows(struct jit_state *state, const struct jit_code *jit)
{
	const struct uebpf_call *call = &state->call;
	uint64_t len = jit->ctx_size < call->ctx_len ? jit->ctx_size : call->ctx_len;

	state->ctx_room = call->ctx ? len : 0;
	if (jit->ctx_window)
		jit_open_window(&state->window[WINDOW_CTX], (uintptr_t)call->ctx,
			    (uintptr_t)call->ctx + state->ctx_room, jit->ctx_access);
	else
		memset(&state->window[WINDOW_CTX], 0, sizeof(struct jit_window));
	if (jit->packet_window && call->ctx) {
		const struct uebpf_packet *p = call->ctx;
		uint32_t write = call->code->type->flags & TYPE_PACKET_WRITE ? ACCESS_WRITE : 0;

		jit_open_window(&state->window[WINDOW_PACKET], (uintptr_t)p->data, (uintptr_t)p->data_end,
			    ACCESS_READ | write);
	}
	if (jit->nr_window > WINDOW_FREE)
		jit_forget(state);
}

static uint64_t on_stack(struct jit_state *state, const struct jit_code *jit)
{
	uint8_t stack[(size_t)jit->frame_size * jit->frames + 16] __attribute__((aligned(16)));

	state->stack_end = (uintptr_t)stack + (uint64_t)jit->frame_size * jit->frames;
	return jit->full(state);
}

static uint64_t go(struct jit_state *state, const struct jit_code *jit)
{
	return jit->frame_size ? on_stack(state, jit) : jit->full(state);
}

static void set_engine(struct jit_state *state, struct jit_code *jit)
{
	state->jit = jit;
	state->frames = jit->frames;
	state->frame_size = jit->frame_size;
	state->stack_memo = 0;
	state->init = jit->init;
}

/* The program takes the place of a function, which is not its program's first: with frames of its own, as in the
 * interpreter.  Returns where the function goes on to end. */
static COLD const void *run_nested(struct jit_state *state, const struct code *to)
{
	struct jit_code *from = state->jit, *jit = to->jit;
	struct uebpf_call *call = &state->call;
	uint64_t stack_end = state->stack_end;
	uint32_t depth = call->depth;

	call->depth = 1;
	set_engine(state, jit);
	if (to->checked)
		jit_own_windows(state);
	if (jit->sliced)
		jit_slice(state);
	state->r[0] = jit->plain ? jit->plain(call->ctx, call->ctx_len, call->host) : go(state, jit);
	if (call->status)
		return NULL;
	call->left += state->reserve;
	state->reserve = 0;
	set_engine(state, from);
	call->depth = depth;
	state->stack_end = stack_end;
	call->code = from->code;
	if (to->checked) {
		jit_stack_region(state);
		jit_forget(state);
	}
	return from->result;
}

COLD const void *jit_take_tail(struct jit_state *state)
{
	const struct code *to = call_take_tail(&state->call);

	if (!to)
		return NULL;
	if (to->jit && state->call.depth > 1)
		return run_nested(state, to);
	if (!to->jit || (to->checked && to->uses_stack && ((to->stack_size + 15) & ~15u) > state->frame_size)) {
		state->call.status = to->jit ? -ELOOP : -EOPNOTSUPP;
		return NULL;
	}
	state->jit = to->jit;
	state->init = 1u << 10 | 1u << 1 | (to->type->flags & TYPE_RAW ? 1u << 2 : 0);
	if (to->checked)
		jit_own_windows(state);
	if (to->jit->sliced)
		jit_slice(state);
	return to->jit->tail;
}

static uint64_t run_state(struct jit_state *state, const struct code *code)
{
	uint64_t value;

	set_engine(state, code->jit);
	state->ready = true;
	state->call.callback = jit_run_callback;
	state->call.engine = state;
	state->reserve = 0;
	if (code->jit->sliced)
		jit_slice(state);
	value = go(state, code->jit);
	state->call.left += state->reserve;
	return value;
}

/* What call_begin refuses. */
static int acceptable(const struct code *code, const void *ctx, size_t ctx_len, const struct uebpf_run *run)
{
	const struct jit_code *jit = code->jit;

	if (run && run->size && run->size < RUN_MIN)
		return -EINVAL;
	if (run && (run->budget || run->abort) && !code->metered)
		return -EOPNOTSUPP;
	return ctx_len < jit->min_len || (!ctx && jit->min_len) ? -EINVAL : 0;
}

static int run_checked(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	static const uint32_t never;
	struct jit_code *jit = code->jit;
	struct jit_state state;
	struct uebpf_call *call = &state.call;
	int ret = acceptable(code, ctx, ctx_len, run);
	uint64_t budget = code->budget, value;

	if (__builtin_expect(ret, 0))
		return ret;
	call->code = code;
	call->ctx = ctx;
	call->ctx_len = ctx_len;
	call->run = run;
	call->status = 0;
	call->pc = UINT32_MAX;
	call->abort = &never;
	call->left = jit->first_slice;
	state.reserve = jit->first_reserve;
	call->tail = NULL;
	call->tails = 0;
	call->depth = 1;
	state.ready = false;
	if (run) {
		budget = run->budget ? run->budget : budget;
		call->abort = run->abort ? run->abort : &never;
		call->left = budget;
		state.reserve = 0;
		if (jit->sliced)
			jit_slice(&state);
	}
	set_engine(&state, jit);
	first_windows(&state, jit);
	value = go(&state, jit);
	call->left += state.reserve;
	if (state.ready) {
		ret = call_end(call);
	} else {
		ret = call->status;
		if (run) {
			run->steps = budget - call->left;
			run->pc = ret && call->pc < code->n ? code->slot[call->pc] : 0;
			run->address = 0;
		}
	}
	if (!ret && r0)
		*r0 = value;
	return ret;
}

/* The usual checked run, of a program without calls and frame and without options: only what its code reads
 * is set; jit_get_ready() does the rest when something unusual happens. */
static int run_quick(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	static const uint32_t never;
	struct jit_code *jit = code->jit;
	struct jit_state state;
	uint64_t value;

	if (__builtin_expect(run || ctx_len < jit->min_len || !ctx, 0))
		return run_checked(code, ctx, ctx_len, run, r0);
	state.call.code = code;
	state.call.ctx = ctx;
	state.call.ctx_len = ctx_len;
	state.call.run = NULL;
	state.call.status = 0;
	state.call.pc = UINT32_MAX;
	state.call.abort = &never;
	state.call.left = jit->first_slice;
	state.call.depth = 1;
	state.reserve = jit->first_reserve;
	state.ready = false;
	state.jit = jit;
	state.frame_size = state.stack_memo = 0;
	state.frames = jit->frames;
	first_windows(&state, jit);
	value = jit->full(&state);
	if (__builtin_expect(state.ready, 0)) {
		state.call.left += state.reserve;
		call_end(&state.call);
	}
	if (__builtin_expect(!state.call.status, 1) && r0)
		*r0 = value;
	return state.call.status;
}

/* A program that needs no test but these, when its caller wants nothing special. */
static int run_tame(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	const struct jit_code *jit = code->jit;
	uint64_t value;

	if (__builtin_expect(run || ctx_len < jit->tame_need || !ctx, 0))
		return (jit->quick ? run_quick : run_checked)(code, ctx, ctx_len, run, r0);
	value = jit->tame(ctx, ctx_len, NULL);
	if (r0)
		*r0 = value;
	return 0;
}

/* A program that needs no state: only what call_begin would refuse is tested. */
static int run_plain(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	int ret = acceptable(code, ctx, ctx_len, run);
	uint64_t value;

	if (ret)
		return ret;
	if (run) {
		run->steps = run->pc = 0;
		run->address = 0;
	}
	value = code->jit->plain(ctx, ctx_len, run ? run->host : NULL);
	if (r0)
		*r0 = value;
	return 0;
}

static int run_full(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	struct jit_state state;
	uint64_t value;
	int ret;

	ret = call_begin(&state.call, code, ctx, ctx_len, run);
	if (ret)
		return ret;
	value = run_state(&state, code);
	ret = call_end(&state.call);
	if (!ret && r0)
		*r0 = value;
	return ret;
}

int jit_run(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	return code->jit->run(code, ctx, ctx_len, run, r0);
}

uint64_t jit_run_bare(void *ctx, size_t len, void *host, struct jit_code *jit)
{
	struct jit_state state;
	uint64_t value;

	if (call_begin(&state.call, jit->code, ctx, len, NULL))
		return 0;
	state.call.host = host;
	value = run_state(&state, jit->code);
	return call_end(&state.call) ? 0 : value;
}
