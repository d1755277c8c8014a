/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* miss.c - where compiled code asks because its own test did not do: the windows of memory that checked code
 * compares addresses with, an access that missed them, steps that ran out.  No program and nothing of the host's
 * runs beneath. */
#include <errno.h>
#include <string.h>
#include "jit/state.h"

/* This file is built for speed but for what few runs pass through. */
#define COLD __attribute__((cold, noinline))

/* ---- windows ---- */

void jit_open_window(struct jit_window *w, uint64_t lo, uint64_t hi, uint32_t access)
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

void jit_forget(struct jit_state *state)
{
	for (uint32_t k = WINDOW_FREE; k < state->jit->nr_window; k++)
		memset(&state->window[k], 0, sizeof state->window[k]);
	state->stack_memo = 0;
}

COLD void jit_own_windows(struct jit_state *state)
{
	const struct region *own = state->call.own;

	jit_open_window(&state->window[WINDOW_CTX], own[OWN_CTX].lo, own[OWN_CTX].hi, own[OWN_CTX].access);
	jit_open_window(&state->window[WINDOW_PACKET], own[OWN_PACKET].lo, own[OWN_PACKET].hi, own[OWN_PACKET].access);
	jit_forget(state);
}

COLD void jit_make_ready(struct jit_state *state)
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
	call->callback = jit_run_callback;
	call->engine = state;
}

void jit_stack_region(struct jit_state *state)
{
	struct region *r = &state->call.own[OWN_STACK];

	*r = (struct region){ 0 };
	if (state->frame_size)
		*r = (struct region){ .lo = (uintptr_t)(state->stack_end -
							(uint64_t)state->call.depth * state->frame_size),
				      .hi = (uintptr_t)state->stack_end, .access = ACCESS_READ | ACCESS_WRITE };
}

COLD void jit_remember(struct jit_state *state, struct jit_window *w, const struct region *r, uint64_t addr)
{
	if (r == &state->call.own[OWN_STACK]) {
		/* One frame only, so that what ends with an inner frame is told by stack_memo. */
		uint64_t below = (state->stack_end - 1 - addr) / state->frame_size;
		uint64_t hi = state->stack_end - below * state->frame_size;

		jit_open_window(w, hi - state->frame_size, hi, r->access);
		state->stack_memo = 1;
	} else if (r->stride) {
		uint64_t lo = addr - (addr - r->lo) % r->stride + r->first;

		jit_open_window(w, lo, lo + r->len, r->access);
	} else {
		jit_open_window(w, r->lo, r->hi, r->access);
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

COLD uint32_t jit_miss(struct jit_state *state, uint32_t index, uint64_t addr)
{
	const struct jit_site *site = &state->jit->site[index];
	struct uebpf_call *call = &state->call;
	const struct region *ctx = &call->own[OWN_CTX], *r;
	bool translated, load = site->access == ACCESS_READ;

	jit_get_ready(state);
	if (site->atomic && (addr & (site->size - 1u)))
		return fault(state, site, addr);
	jit_stack_region(state);
	r = call_find_region(call, addr, site->size, site->access);
	translated = !site->atomic && ctx->access & ACCESS_CTX && region_holds(ctx, addr, site->size) &&
		     !(ctx->access & site->access);
	if (r && (site->window >= WINDOW_FREE || (r == ctx && site->window == WINDOW_CTX)))
		jit_remember(state, &state->window[site->window], r, addr);
	if (r && !translated)
		return 0;
	if (translated && (load ? call_load(call, addr, site->size, &state->r[0]) :
				  call_store(call, addr, site->size, state->r[1])))
		return 1;
	return fault(state, site, addr);
}

COLD uint32_t jit_packet_load(struct jit_state *state, uint64_t r6, uint32_t off, uint32_t size)
{
	jit_get_ready(state);
	if (call_packet_load(&state->call, r6, (int32_t)off, size, &state->r[0]))
		return 1;
	state->r[0] = 0;
	return state->call.status ? 2 : 0;
}

/* ---- steps ---- */

COLD void jit_slice(struct jit_state *state)
{
	uint64_t left = state->call.left + state->reserve;

	state->call.left = __atomic_load_n(state->call.abort, __ATOMIC_RELAXED) ? 0 : left < JIT_SLICE ? left : JIT_SLICE;
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
	state->call.left = was + (state->reserve < JIT_SLICE ? state->reserve : JIT_SLICE);
	state->reserve -= state->call.left - was;
	return 0;
}
