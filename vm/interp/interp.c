/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interp.c - the interpreter.  One body (loop.h) runs every mode: in checked code each access is an
 * op of its own that tests it (form.h), and what a call needs besides is out of line.
 *
 * Registers live in an array, frames in another; the guest's stack is one block on the host's stack,
 * as large as the program's call graph needs.  A run allocates nothing, takes no lock and makes no
 * system call.  Helpers that call back (bpf_loop) re-enter the same body one frame deeper.  What is
 * executed is the program in the interpreter's own form (form.h). */
#include <errno.h>
#include <string.h>
#include "vm/interp/in.h"
#include "vm/self.h"

#define noinline __attribute__((noinline))

static inline bool is_hit(const struct hit hit[2], uint64_t addr, int k)
{
	return likely(addr - hit[0].lo < hit[0].limit[k]) || likely(addr - hit[1].lo < hit[1].limit[k]);
}

static uint64_t frame_pointer(const struct engine *e)
{
	return (uintptr_t)e->stack_end - (uintptr_t)(e->call.depth - 1) * e->frame_size;
}

/* One by one: for an initialiser of this size gcc 12 emits "rep stos", which costs more than a small
 * filter runs. */
static inline void clear_registers(uint64_t r[11])
{
	r[0] = r[1] = r[2] = r[3] = r[4] = r[5] = r[6] = r[7] = r[8] = r[9] = r[10] = 0;
}

static uint32_t first_init(const struct code *code)
{
	return 1u << 10 | 1u << 1 | (code->type->flags & TYPE_RAW ? 1u << 2 : 0);
}

static void run_nested(struct engine *e, const struct code *to, uint64_t *r);

#include "vm/interp/step.h"

#include "vm/interp/loop.h"

/* uebpf_call.callback: a helper runs a subprogram of its caller, one frame deeper. */
static uint64_t run_callback(struct uebpf_call *call, uint64_t fn, uint64_t r1, uint64_t r2, uint64_t r3,
			     uint64_t r4, uint64_t r5)
{
	struct engine *e = call->engine;
	uint64_t r[11], r0;
	const struct code *code = call->code;
	const struct helper *helper = call->helper;
	const struct subprog *sub = code_function(code, fn);

	if (!sub) {
		call->status = -EFAULT;
		call->address = fn;
		return 0;
	}
	if (call->depth >= e->frames) {
		call->status = -ELOOP;
		return 0;
	}
	call->depth++;
	clear_registers(r);
	r[1] = r1;
	r[2] = r2;
	r[3] = r3;
	r[4] = r4;
	r[5] = r5;
	r[10] = frame_pointer(e);
	if (code->checked)
		interp_frame_changed(e);
	zero_stack(e, r[10], sub->zero);
	r0 = run_body(e, &code->run[sub->start], r, 1u << 10 | 0x3e);
	call->helper = helper;
	if (call->status)
		return 0;
	call->code = code;
	call->depth--;
	if (code->checked) {
		interp_frame_changed(e);
		interp_forget(e);
	}
	return r0;
}

/* Runs `code` from its start on frames of its own. */
static noinline uint64_t run_program(struct engine *e, const struct code *code)
{
	uint32_t frames = code->frames, size = code->uses_stack ? code->stack_size : 0;
	struct frame frame[frames];
	uint64_t r[11];

	clear_registers(r);
	size = (size + 15) & ~15u;
	e->stack_end = NULL;
	if (size)
		e->stack_end = (uint8_t *)__builtin_alloca_with_align((size_t)size * frames, 128) + (size_t)size * frames;
	e->frame = frame;
	e->frame_size = size;
	e->frames = frames;
	e->rd_next = e->wr_next = 0;
	r[1] = (uintptr_t)e->call.ctx;
	if (code->type->flags & TYPE_RAW)
		r[2] = e->call.ctx_len;
	r[10] = frame_pointer(e);
	if (code->checked) {
		interp_frame_changed(e);
		interp_expect(e);
	}
	zero_stack(e, r[10], code->sub[0].zero);
	return run_body(e, code->run, r, first_init(code));
}

/* The other program in place of a function that is not its program's first: r[0] is what the function returns. */
static noinline void run_nested(struct engine *e, const struct code *to, uint64_t *r)
{
	uint8_t *stack_end = e->stack_end;
	uint32_t frame_size = e->frame_size, frames = e->frames, depth = e->call.depth;
	struct frame *frame = e->frame;

	e->call.depth = 1;
	r[0] = run_program(e, to);
	if (e->call.status)
		return;
	e->call.depth = depth;
	e->stack_end = stack_end;
	e->frame_size = frame_size;
	e->frames = frames;
	e->frame = frame;
}

static int run(struct engine *e, const struct code *code, uint64_t *r0)
{
	e->call.callback = run_callback;
	e->call.engine = e;
	*r0 = run_program(e, code);
	return call_end(&e->call);
}

static inline int finish_alone(struct engine *e, const struct code *code, void *ctx, size_t ctx_len, uint64_t fp,
			       uint64_t *r0)
{
	uint64_t r[11], value;

	e->step = NULL;
	e->call.code = code;
	e->call.ctx = ctx;
	e->call.ctx_len = ctx_len;
	e->call.status = 0;
	e->call.pc = 0;
	e->call.left = 0;
	e->call.depth = 1;
	e->frames = 1;
	clear_registers(r);
	r[1] = (uintptr_t)ctx;
	r[10] = fp;
	if (code->type->flags & TYPE_RAW)
		r[2] = ctx_len;
	value = run_body(e, code->run, r, 0);
	if (likely(!e->call.status) && r0)
		*r0 = value;
	return e->call.status;
}

static noinline int run_alone_with_stack(const struct code *code, void *ctx, size_t ctx_len, uint64_t *r0)
{
	uint32_t size = (code->stack_size + 15) & ~15u;
	struct engine e;
	uint64_t fp;

	e.call.code = code;
	e.stack_end = (uint8_t *)__builtin_alloca_with_align(size, 128) + size;
	fp = (uintptr_t)e.stack_end;
	zero_stack(&e, fp, code->sub[0].zero);
	return finish_alone(&e, code, ctx, ctx_len, fp, r0);
}

bool interp_is_alone(const struct code *code)
{
	return code->run && !code->metered && !code->nr_helper && code->frames == 1;
}

int interp_run_alone(const struct code *code, void *ctx, size_t ctx_len, uint64_t *r0)
{
	struct engine e;

	if (code->uses_stack)
		return run_alone_with_stack(code, ctx, ctx_len, r0);
	return finish_alone(&e, code, ctx, ctx_len, 0, r0);
}

int interp_run(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *opts, uint64_t *r0)
{
	struct engine e;
	uint64_t value = 0;
	int ret;

	if (unlikely(!code->run))
		return -ENOEXEC;
	if (!opts && interp_is_alone(code) && (code->type->flags & (TYPE_RAW | TYPE_OPEN) ||
					       (ctx && ctx_len >= code->type->host_size)))
		return interp_run_alone(code, ctx, ctx_len, r0);
	ret = call_begin(&e.call, code, ctx, ctx_len, opts);
	if (ret)
		return ret;
	e.step = NULL;
	ret = run(&e, code, &value);
	if (!ret && r0)
		*r0 = value;
	return ret;
}

int interp_trace(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *opts, uint64_t *r0,
		 uebpf_trace_fn step, void *arg)
{
	const struct code *copy;
	struct engine e;
	uint64_t value = 0;
	int ret;

	e.traced = NULL;
	copy = interp_trace_copy(&e, code);
	if (!copy)
		return -ENOMEM;
	ret = call_begin(&e.call, copy, ctx, ctx_len, opts);
	if (!ret) {
			e.step = step;
		e.step_arg = arg;
		ret = run(&e, copy, &value);
	}
	interp_trace_free(&e);
	if (!ret && r0)
		*r0 = value;
	return ret;
}
