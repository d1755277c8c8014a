/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - what happens around and beneath a compiled run: building its state, the long way of
 * checked accesses and helper calls, callbacks and tail calls.  Nothing here depends on the machine. */
#include <errno.h>
#include <string.h>
#include "jit/state.h"

/* This file is built for speed but for what few runs pass through. */
#define COLD __attribute__((cold, noinline))

static uint64_t run_callback(struct uebpf_call *call, uint64_t fn, uint64_t r1, uint64_t r2, uint64_t r3,
			     uint64_t r4, uint64_t r5);

/* ---- windows ---- */

static __attribute__((noinline)) void open_window(struct jit_window *w, uint64_t lo, uint64_t hi, uint32_t access)
{
	uint64_t read = access & ACCESS_READ ? ~0ull : 0, write = access & ACCESS_WRITE ? ~0ull : 0;
	uint64_t len = hi - lo, limit[4] = { len, len - 1, len - 3, len - 7 };

	if (__builtin_expect(len < 8, 0))
		for (int k = 0; k < 4; k++)
			limit[k] = len >= 1u << k ? len - (1u << k) + 1 : 0;
	w->lo = lo;
	for (int k = 0; k < 4; k++) {
		w->read[k] = limit[k] & read;
		w->write[k] = limit[k] & write;
	}
}

static __attribute__((noinline)) void close_free_windows(struct jit_state *state)
{
	for (uint32_t k = WINDOW_FREE; k < state->jit->nr_window; k++)
		memset(&state->window[k], 0, sizeof state->window[k]);
	state->stack_memo = 0;
}

static COLD void open_own_windows(struct jit_state *state)
{
	const struct region *own = state->call.own;

	open_window(&state->window[WINDOW_CTX], own[OWN_CTX].lo, own[OWN_CTX].hi, own[OWN_CTX].access);
	open_window(&state->window[WINDOW_PACKET], own[OWN_PACKET].lo, own[OWN_PACKET].hi, own[OWN_PACKET].access);
	close_free_windows(state);
}

void jit_forget(struct jit_state *state)
{
	close_free_windows(state);
}

/* Most checked runs never leave the compiled code, so what only helpers and the long way look at is
 * filled in when one of them is reached. */
static COLD void make_ready(struct jit_state *state)
{
	struct uebpf_call *call = &state->call;
	uint64_t left = call->left;
	uint32_t depth = call->depth;
	int status = call->status;

	state->ready = true;
	call_begin(call, call->code, call->ctx, call->ctx_len, call->run);
	call->left = left;
	call->depth = depth;
	call->status = status;
	call->callback = run_callback;
	call->engine = state;
}

static inline void get_ready(struct jit_state *state)
{
	if (!state->ready)
		make_ready(state);
}

static __attribute__((noinline)) void set_stack_region(struct jit_state *state)
{
	struct region *r = &state->call.own[OWN_STACK];

	*r = (struct region){ 0 };
	if (state->frame_size)
		*r = (struct region){ .lo = (uintptr_t)(state->stack_end -
							(uint64_t)state->call.depth * state->frame_size),
				      .hi = (uintptr_t)state->stack_end, .access = ACCESS_READ | ACCESS_WRITE };
}

static COLD void remember(struct jit_state *state, struct jit_window *w, const struct region *r, uint64_t addr)
{
	if (r == &state->call.own[OWN_STACK]) {
		/* One frame only, so that what ends with an inner frame is told by stack_memo. */
		uint64_t below = (state->stack_end - 1 - addr) / state->frame_size;
		uint64_t hi = state->stack_end - below * state->frame_size;

		open_window(w, hi - state->frame_size, hi, r->access);
		state->stack_memo = 1;
	} else if (r->stride) {
		uint64_t lo = addr - (addr - r->lo) % r->stride + r->first;

		open_window(w, lo, lo + r->len, r->access);
	} else {
		open_window(w, r->lo, r->hi, r->access);
	}
}

static COLD uint32_t fault(struct jit_state *state, const struct jit_site *site, uint64_t addr)
{
	state->call.status = -EFAULT;
	state->call.address = addr;
	state->call.pc = site->insn;
	state->call.left += (uint32_t)site->rest;
	return 2;
}

/* ---- steps ---- */

enum { SLICE = 1 << 14 };	/* steps, some microseconds */

/* The first slice of what call.left says; none when the flag is up. */
static COLD void slice(struct jit_state *state)
{
	uint64_t left = state->call.left + state->reserve;

	state->call.left = __atomic_load_n(state->call.abort, __ATOMIC_RELAXED) ? 0 : left < SLICE ? left : SLICE;
	state->reserve = left - state->call.left;
}

uint32_t jit_refill(struct jit_state *state, uint32_t insn)
{
	uint64_t was = state->call.left;

	if (__atomic_load_n(state->call.abort, __ATOMIC_RELAXED)) {
		state->call.status = -ECANCELED;
		state->call.pc = insn;
		return 2;
	}
	if (!state->reserve)
		return 1;
	/* a block may need more than one slice */
	state->call.left = was + (state->reserve < SLICE ? state->reserve : SLICE);
	state->reserve -= state->call.left - was;
	return 0;
}

COLD uint32_t jit_miss(struct jit_state *state, uint32_t index, uint64_t addr)
{
	const struct jit_site *site = &state->jit->site[index];
	struct uebpf_call *call = &state->call;
	const struct region *ctx = &call->own[OWN_CTX], *r;
	bool translated, load = site->access == ACCESS_READ;

	get_ready(state);
	if (site->atomic && (addr & (site->size - 1u)))
		return fault(state, site, addr);
	set_stack_region(state);
	r = call_find_region(call, addr, site->size, site->access);
	translated = !site->atomic && ctx->access & ACCESS_CTX && region_holds(ctx, addr, site->size) &&
		     !(ctx->access & site->access);
	if (r && (site->window >= WINDOW_FREE || (r == ctx && site->window == WINDOW_CTX)))
		remember(state, &state->window[site->window], r, addr);
	if (r && !translated)
		return 0;
	if (translated && (load ? call_load(call, addr, site->size, &state->r[0]) :
				  call_store(call, addr, site->size, state->r[1])))
		return 1;
	return fault(state, site, addr);
}

/* ---- calls ---- */

/* With r1-r5 in state->r; the result is there too.  As call_returned. */
static __attribute__((noinline)) const struct region *call_helper(struct jit_state *state, const struct helper *helper, uebpf_helper_fn fn)
{
	struct uebpf_call *call = &state->call;
	uint32_t gen = call->packet_gen, nr = call->nr_own, next = call->next_own;
	const struct region *value;
	uint64_t *r = state->r;

	call->helper = helper;
	set_stack_region(state);
	r[0] = 0;
	if (!call_check_args(call, helper, r))
		return NULL;
	r[0] = fn(r[1], r[2], r[3], r[4], r[5], call);
	if (call->status || call->tail)
		return NULL;
	value = call_returned(call, helper, r);
	if (gen != call->packet_gen)
		open_own_windows(state);
	else if (nr != call->nr_own || next != call->next_own || helper_of_host(helper) ||
		 helper->flags & HF_DISTURBS)
		close_free_windows(state);
	return value;
}

uint64_t jit_checked_call(struct jit_state *state, uint32_t index, uint32_t window)
{
	struct uebpf_call *call = &state->call;
	const struct insn *insn = &call->code->insn[index];
	const struct helper *helper = call->code->helper[insn->off];
	const struct region *value;
	uint64_t *r = state->r;

	get_ready(state);
	value = call_helper(state, helper, (uebpf_helper_fn)(intptr_t)insn->imm);
	if (!value && !call->status && !call->tail && r[0] &&
	    (helper_returns(helper) == RET_VALUE_OR_NULL || helper_returns(helper) == RET_VALUE))
		value = call_find_region(call, r[0], 1, ACCESS_READ);
	if (value)
		remember(state, &state->window[window], value, r[0]);
	return r[0];
}

/* Machine code of the subprogram at `fn` (a value of LD_FUNC), or NULL. */
static COLD const void *function_at(struct jit_state *state, uint64_t fn)
{
	const struct code *code = state->call.code;
	const struct subprog *sub = code_function(code, fn);

	get_ready(state);
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

static uint64_t run_callback(struct uebpf_call *call, uint64_t fn, uint64_t r1, uint64_t r2, uint64_t r3,
			     uint64_t r4, uint64_t r5)
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
		set_stack_region(state);
		close_free_windows(state);
	}
	return r0;
}

COLD uint32_t jit_packet_load(struct jit_state *state, uint64_t r6, uint32_t off, uint32_t size)
{
	get_ready(state);
	if (call_packet_load(&state->call, r6, (int32_t)off, size, &state->r[0]))
		return 1;
	state->r[0] = 0;
	return state->call.status ? 2 : 0;
}

/* ---- a run ---- */

/* As call_begin makes the region. */
uint32_t jit_ctx_access(const struct prog_type *type)
{
	if (type->flags & TYPE_RAW)
		return ACCESS_READ | ACCESS_WRITE;
	return type->flags & TYPE_DIRECT ? ACCESS_READ |
	       (type->flags & TYPE_CTX_WRITE && !type->nr_fields ? ACCESS_WRITE : 0) : 0;
}

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
	jit->first_slice = jit->sliced && code->budget > SLICE ? SLICE : code->budget;
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
		open_window(&state->window[WINDOW_CTX], (uintptr_t)call->ctx,
			    (uintptr_t)call->ctx + state->ctx_room, jit->ctx_access);
	else
		memset(&state->window[WINDOW_CTX], 0, sizeof(struct jit_window));
	if (jit->packet_window && call->ctx) {
		const struct uebpf_packet *p = call->ctx;
		uint32_t write = call->code->type->flags & TYPE_PACKET_WRITE ? ACCESS_WRITE : 0;

		open_window(&state->window[WINDOW_PACKET], (uintptr_t)p->data, (uintptr_t)p->data_end,
			    ACCESS_READ | write);
	}
	if (jit->nr_window > WINDOW_FREE)
		close_free_windows(state);
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
		open_own_windows(state);
	if (jit->sliced)
		slice(state);
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
		set_stack_region(state);
		close_free_windows(state);
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
		open_own_windows(state);
	if (to->jit->sliced)
		slice(state);
	return to->jit->tail;
}

static uint64_t run_state(struct jit_state *state, const struct code *code)
{
	uint64_t value;

	set_engine(state, code->jit);
	state->ready = true;
	state->call.callback = run_callback;
	state->call.engine = state;
	state->reserve = 0;
	if (code->jit->sliced)
		slice(state);
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
			slice(&state);
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
 * is set; get_ready() does the rest when something unusual happens. */
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

uebpf_entry jit_plain(const struct code *code)
{
	return code->jit ? code->jit->plain : NULL;
}

uebpf_entry jit_entry(const struct code *code)
{
	if (!code->jit || code->checked || code->metered)
		return NULL;
	return code->jit->plain ? code->jit->plain : code->jit->bare;
}

COLD jit_batch_fn jit_batch(const struct code *code, bool packets)
{
	return !code->jit ? NULL : packets ? code->jit->packets : code->jit->batch;
}

COLD bool jit_batch_views(const struct code *code) { return code->jit && code->jit->packets_view; }

size_t jit_code_bytes(const struct code *code) { return code->jit ? code->jit->bytes : 0; }
