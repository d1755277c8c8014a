/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interp.c - the interpreter: one body (interp_loop.h), two builds of it.
 *
 *   run_plain    verified and trusted programs: no run-time checks
 *   run_checked  every access, argument, step and first read of a register is tested
 *
 * Registers live in an array, frames in another; the guest's stack is one block on the host's stack,
 * as large as the program's call graph needs.  A run allocates nothing, takes no lock and makes no
 * system call.  Helpers that call back (bpf_loop) re-enter the same body one frame deeper.  What is
 * executed is the program in the interpreter's own form (interp_form.h). */
#include <errno.h>
#include <string.h>
#include "vm/interp_form.h"
#include "vm/mem.h"
#include "vm/self.h"

/* What a callee must give back to its caller. */
struct frame {
	const struct xinsn *back;
	const struct code *code;	/* a tail call may have replaced the callee's program */
	uint64_t saved[4];		/* r6-r9 */
	uint32_t init;			/* registers known to be written (checked) */
	uint32_t loops;			/* may_goto budget */
};

/* The last regions that were hit: an access of 2^k bytes at addr is inside when addr - lo < limit[k]. */
struct hit { uint64_t lo, limit[4]; };

struct engine {
	struct uebpf_call call;
	struct hit rd[2], wr[2];
	uint32_t rd_next, wr_next;
	uint8_t *stack_end;		/* r10 of the first frame */
	uint32_t frame_size, frames;
	struct frame *frame;
	uint64_t (*body)(struct engine *e, const struct xinsn *pc, uint64_t *r, uint32_t init);
	uebpf_trace_fn step;		/* NULL: not traced */
	void *step_arg;
	struct traced *traced;		/* all copies of this run */
};

/* A program being traced: a copy whose every op is X_BAD, beside the real instructions. */
struct traced {
	struct code code;
	const struct code *of;
	struct xinsn *own;
	struct traced *next;
};

struct any16 { uint16_t v; } __attribute__((packed, may_alias));
struct any32 { uint32_t v; } __attribute__((packed, may_alias));
struct any64 { uint64_t v; } __attribute__((packed, may_alias));
typedef struct { uint8_t v; } mem_uint8_t;
typedef struct { int8_t v; } mem_int8_t;
typedef struct any16 mem_uint16_t;
typedef struct any32 mem_uint32_t;
typedef struct any64 mem_uint64_t;
typedef struct { int16_t v; } __attribute__((packed, may_alias)) mem_int16_t;
typedef struct { int32_t v; } __attribute__((packed, may_alias)) mem_int32_t;

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline))

/* ---- what is rare, out of line ---- */

/* A hit whose limits are 0 is none. */
static void forget_hits(struct engine *e)
{
	static const struct hit none;

	e->rd[0] = e->rd[1] = e->wr[0] = e->wr[1] = none;
}

static void remember(struct hit *hit, const struct region *r, uint64_t addr)
{
	uint64_t lo = r->lo, len = r->hi - r->lo;

	if (r->stride) {
		uint64_t at = addr - lo;

		lo = addr - (at <= UINT32_MAX ? (uint32_t)at % r->stride : at % r->stride) + r->first;
		len = r->len;
	}
	hit->lo = lo;
	for (int k = 0; k < 4; k++)
		hit->limit[k] = len >= 1u << k ? len - (1u << k) + 1 : 0;
}

/* What most programs touch first. */
static void expect_hits(struct engine *e)
{
	const struct region *ctx = &e->call.own[OWN_CTX], *stack = &e->call.own[OWN_STACK];

	forget_hits(e);
	if (ctx->access & ACCESS_READ)
		remember(&e->rd[0], ctx, ctx->lo);
	if (ctx->access & ACCESS_WRITE)
		e->wr[0] = e->rd[0];
	if (stack->access) {
		remember(&e->rd[1], stack, stack->lo);
		e->wr[1] = e->rd[1];
	}
}

/* An element of an array is soon followed by another: those share one place and leave the other to the
 * context and the stack. */
static struct hit *place_for(struct hit hit[2], uint32_t *next, const struct region *r)
{
	return &hit[r->stride ? 1 : (*next ^= 1)];
}

/* Fields of the context come first, whatever else grants its bytes. */
static bool outside_ctx(const struct engine *e, uint64_t addr)
{
	const struct region *ctx = &e->call.own[OWN_CTX];

	return addr - ctx->lo >= ctx->hi - ctx->lo;
}

static noinline bool slow_load(struct engine *e, uint64_t addr, uint32_t size, uint64_t *value)
{
	const struct region *r = call_find_region(&e->call, addr, size, ACCESS_READ);

	if (!r)
		return call_load(&e->call, addr, size, value);
	remember(place_for(e->rd, &e->rd_next, r), r, addr);
	if (size != 8 || !outside_ctx(e, addr))
		return call_load(&e->call, addr, size, value);
	*value = ((const mem_uint64_t *)(uintptr_t)addr)->v;
	return true;
}

static noinline bool slow_store(struct engine *e, uint64_t addr, uint32_t size, uint64_t value)
{
	const struct region *r = call_find_region(&e->call, addr, size, ACCESS_WRITE);

	if (!r)
		return call_store(&e->call, addr, size, value);
	remember(place_for(e->wr, &e->wr_next, r), r, addr);
	if (size != 8 || !outside_ctx(e, addr))
		return call_store(&e->call, addr, size, value);
	((mem_uint64_t *)(uintptr_t)addr)->v = value;
	return true;
}

static inline bool is_hit(const struct hit hit[2], uint64_t addr, int k)
{
	return likely(addr - hit[0].lo < hit[0].limit[k]) || addr - hit[1].lo < hit[1].limit[k];
}

/* Atomics: real memory only (not context fields), aligned (RFC 9669 does not define others, and a
 * misaligned one is not atomic on every host). */
static noinline bool slow_atomic(struct engine *e, uint64_t addr, uint32_t size)
{
	const struct region *r = call_find_region(&e->call, addr, size, ACCESS_READ | ACCESS_WRITE);

	if (r && !(addr & (size - 1))) {
		remember(&e->wr[e->wr_next ^= 1], r, addr);
		return true;
	}
	e->call.status = -EFAULT;
	e->call.address = addr;
	return false;
}

static inline bool atomic_ok(struct engine *e, uint64_t addr, int k)
{
	/* A region that may be written may be read. */
	return (is_hit(e->wr, addr, k) && !(addr & ((1u << k) - 1))) || slow_atomic(e, addr, 1u << k);
}

static inline bool atomic_ok_read(struct engine *e, uint64_t addr, int k)
{
	uint64_t value;

	if (addr & ((1u << k) - 1)) {
		e->call.status = -EFAULT;
		e->call.address = addr;
		return false;
	}
	/* A context field is no memory that another thread orders with: call_load refuses nothing here
	 * that a region would grant. */
	return is_hit(e->rd, addr, k) || (call_find_region(&e->call, addr, 1u << k, ACCESS_READ) ?
					  slow_load(e, addr, 1u << k, &value) : slow_atomic(e, addr, 1u << k));
}

/* The frame in use grew or shrank the stack region by one frame. */
static void stack_changed(struct engine *e)
{
	struct region *r = &e->call.own[OWN_STACK];

	*r = (struct region){ .lo = (uintptr_t)e->stack_end - (uintptr_t)e->call.depth * e->frame_size,
			      .hi = (uintptr_t)e->stack_end, .access = ACCESS_READ | ACCESS_WRITE };
	if (!e->frame_size)
		*r = (struct region){ 0 };
}

static uint64_t frame_pointer(const struct engine *e)
{
	return (uintptr_t)e->stack_end - (uintptr_t)(e->call.depth - 1) * e->frame_size;
}

static inline void zero_stack(const struct engine *e, uint64_t fp, uint32_t size)
{
	if (size && !e->call.code->no_zero)
		memset((char *)(uintptr_t)fp - size, 0, size);
}

/* The subprogram whose address LD_FUNC gave: the address of its first instruction. */
static noinline const struct subprog *function_at(const struct engine *e, uint64_t fn)
{
	const struct code *code = e->call.code;
	uint64_t at = fn - (uintptr_t)code->insn;
	const struct subprog *sub = NULL;

	if (fn >= (uintptr_t)code->insn && at % sizeof(struct insn) == 0 && at / sizeof(struct insn) < code->n)
		sub = code_sub_at(code, (uint32_t)(at / sizeof(struct insn)));
	return sub && sub->callback ? sub : NULL;
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

/* ---- tracing ---- */

static struct traced *traced_copy(struct engine *e, const struct code *code)
{
	size_t bytes = code->n * sizeof(struct xinsn);
	struct traced *t = mem_alloc(code->host, sizeof *t);
	struct xinsn *bad = mem_alloc(code->host, bytes);

	if (t)
		t->own = mem_alloc(code->host, bytes);
	if (!t || !bad || !t->own) {
		mem_free(code->host, bad, bytes);
		if (t)
			mem_free(code->host, t->own, bytes);
		mem_free(code->host, t, sizeof *t);
		return NULL;
	}
	interp_form(code, t->own, false);
	memcpy(bad, t->own, bytes);
	for (uint32_t i = 0; i < code->n; i++)
		bad[i].op = X_BAD;
	t->code = *code;
	t->code.run = bad;
	t->of = code;
	t->next = e->traced;
	return e->traced = t;
}

static void traced_free(struct engine *e)
{
	struct traced *t, *next;

	for (t = e->traced; t; t = next) {
		struct vm_host *host = t->of->host;

		next = t->next;
		mem_free(host, t->code.run, t->of->n * sizeof *t->own);
		mem_free(host, t->own, t->of->n * sizeof *t->own);
		mem_free(host, t, sizeof *t);
	}
}

/* The copy of the program that a tail call leads to, as it was before it was rewritten. */
static noinline const struct code *trace_tail(struct engine *e, const struct code *code)
{
	struct traced *t;

	if (code->owner && code->owner->source)
		code = code->owner->source;
	for (t = e->traced; t; t = t->next)
		if (t->of == code)
			break;
	t = t ? t : traced_copy(e, code);
	if (!t) {
		e->call.status = -ENOMEM;
		return NULL;
	}
	return e->call.code = &t->code;
}

/* The instruction that one of a traced copy stands for. */
static const struct xinsn *original(const struct engine *e, const struct xinsn *pc)
{
	return &((const struct traced *)(const void *)e->call.code)->own[pc - e->call.code->run];
}

static noinline void trace_step(struct engine *e, const struct xinsn *pc, const uint64_t *r)
{
	const struct code *code = e->call.code;
	uint32_t index = (uint32_t)(pc - code->run);
	char text[128];

	if (isa_op[code->insn[index].op].shape == SHAPE_MARK)
		return;
	insn_text(text, sizeof text, code, index);
	e->step(e->step_arg, code->slot[index], r, text);
}

/* ---- tail calls ---- */

/* A helper has asked for a tail call.  The new program takes the frame of the caller. */
static noinline const struct code *enter_tail(struct engine *e, uint64_t *r)
{
	const struct code *code = call_take_tail(&e->call);

	if (!code)
		return NULL;
	if (e->step) {
		code = trace_tail(e, code);
		if (!code)
			return NULL;
	}
	if (!code->run) {
		e->call.status = -EOPNOTSUPP;	/* it is compiled, and this one is not */
		return NULL;
	}
	if (code->uses_stack && code->stack_size > e->frame_size) {
		e->call.status = -ELOOP;	/* from another env, with larger frames than this run has */
		return NULL;
	}
	r[1] = (uintptr_t)e->call.ctx;
	r[2] = code->type->flags & TYPE_RAW ? e->call.ctx_len : r[2];
	zero_stack(e, r[10], code->sub[0].zero);
	forget_hits(e);
	return code;
}

/* What a helper may have taken away or moved must not be hit any more (jit/run.c decides alike). */
struct regions { uint32_t gen, nr, next; };
static inline struct regions regions_now(const struct engine *e)
{
	return (struct regions){ e->call.packet_gen, e->call.nr_own, e->call.next_own };
}

static noinline void helper_returned(struct engine *e, const struct helper *helper, uint64_t *r, struct regions was)
{
	call_returned(&e->call, helper, r);
	if (was.gen != e->call.packet_gen || was.nr != e->call.nr_own || was.next != e->call.next_own ||
	    helper_of_host(helper) ||
	    helper->flags & (HF_RELEASES | HF_CALLS_BACK | HF_MOVES_PACKET | HF_TAIL | HF_UNLOCKS))
		forget_hits(e);
}

/* ---- the body, twice ---- */

#include "vm/interp_step.h"

#define BODY run_plain
#define CHECKED false
#include "vm/interp_loop.h"
#undef BODY
#undef CHECKED

#define BODY run_checked
#define CHECKED true
#include "vm/interp_loop.h"
#undef BODY
#undef CHECKED

/* uebpf_call.callback: a helper runs a subprogram of its caller, one frame deeper. */
static uint64_t run_callback(struct uebpf_call *call, uint64_t fn, uint64_t r1, uint64_t r2, uint64_t r3,
			     uint64_t r4, uint64_t r5)
{
	struct engine *e = call->engine;
	uint64_t r[11], r0;
	const struct code *code = call->code;
	const struct helper *helper = call->helper;
	const struct subprog *sub = function_at(e, fn);

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
		stack_changed(e);
	zero_stack(e, r[10], sub->zero);
	r0 = e->body(e, &code->run[sub->start], r, 1u << 10 | 0x3e);
	call->helper = helper;
	if (call->status)
		return 0;
	call->code = code;
	call->depth--;
	if (code->checked) {
		stack_changed(e);
		forget_hits(e);
	}
	return r0;
}

static int run(struct engine *e, const struct code *code, uint64_t *r0)
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
	e->call.callback = run_callback;
	e->call.engine = e;
	r[1] = (uintptr_t)e->call.ctx;
	if (code->type->flags & TYPE_RAW)
		r[2] = e->call.ctx_len;
	r[10] = frame_pointer(e);
	if (code->checked) {
		stack_changed(e);
		expect_hits(e);
	}
	zero_stack(e, r[10], code->sub[0].zero);
	*r0 = e->body(e, code->run, r, first_init(code));
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
	e->call.depth = 1;
	e->frames = 1;
	clear_registers(r);
	r[1] = (uintptr_t)ctx;
	r[10] = fp;
	if (code->type->flags & TYPE_RAW)
		r[2] = ctx_len;
	value = run_plain(e, code->run, r, 0);
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
	e.body = code->checked ? run_checked : run_plain;
	e.step = NULL;
	ret = run(&e, code, &value);
	if (!ret && r0)
		*r0 = value;
	return ret;
}

int interp_trace(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *opts, uint64_t *r0,
		 uebpf_trace_fn step, void *arg)
{
	struct traced *copy;
	struct engine e;
	uint64_t value = 0;
	int ret;

	e.traced = NULL;
	copy = traced_copy(&e, code);
	if (!copy)
		return -ENOMEM;
	ret = call_begin(&e.call, &copy->code, ctx, ctx_len, opts);
	if (!ret) {
		e.body = code->checked ? run_checked : run_plain;
		e.step = step;
		e.step_arg = arg;
		ret = run(&e, &copy->code, &value);
	}
	traced_free(&e);
	if (!ret && r0)
		*r0 = value;
	return ret;
}
