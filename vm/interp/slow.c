/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* slow.c - the parts of an interpreted run that are rare (in.h). */
#include <errno.h>
#include <string.h>
#include "vm/interp/in.h"
#include "vm/mem.h"

/* ---- instructions without a case of their own ---- */

/* Atomics: real memory only (not context fields), aligned (RFC 9669 does not define others, and a
 * misaligned one is not atomic on every host). */
static bool atomic_ok(struct engine *e, uint64_t addr, uint32_t size, uint32_t access)
{
	if (!e->call.code->checked || (!(addr & (size - 1)) && call_find_region(&e->call, addr, size, access)))
		return true;
	e->call.status = -EFAULT;
	e->call.address = addr;
	return false;
}

/* RFC 9669 5.3 says nothing of ordering; Linux: fully ordered with a fetched value, relaxed without.
 * We take the stronger for all. */
static uint64_t new_value(uint16_t op, uint64_t a, uint64_t b)
{
	switch (op) {
#define ATOMIC(n, ...) \
	case OP_##n##64: return rmw64_##n(a, b); \
	case OP_##n##32: return rmw32_##n((uint32_t)a, (uint32_t)b);
#define FETCH ATOMIC
#include "vm/isa.def"
#undef FETCH
	default: return b;	/* CMPXCHG */
	}
}

#define RMW(w) \
static uint64_t rmw##w(uint16_t op, uint##w##_t *at, uint##w##_t b, bool compare, uint##w##_t want) \
{ \
	uint##w##_t a = compare ? want : __atomic_load_n(at, __ATOMIC_RELAXED); \
\
	while (!__atomic_compare_exchange_n(at, &a, (uint##w##_t)new_value(op, a, b), false, __ATOMIC_SEQ_CST, \
					    __ATOMIC_SEQ_CST) && !compare) \
		; \
	return a; \
}
RMW(64)
RMW(32)

static void atomic(const struct insn *in, uint64_t addr, uint64_t *r)
{
	bool compare = in->op == OP_CMPXCHG64 || in->op == OP_CMPXCHG32;
	uint64_t old = isa_op[in->op].size == 8 ?
		rmw64(in->op, (uint64_t *)(uintptr_t)addr, r[in->src], compare, r[0]) :
		rmw32(in->op, (uint32_t *)(uintptr_t)addr, (uint32_t)r[in->src], compare, (uint32_t)r[0]);

	if (compare)
		r[0] = old;
	else if (isa_op[in->op].flags & OPF_FETCH)
		r[in->src] = old;
}

enum step interp_far(struct engine *e, const struct insn *in, uint64_t *r)
{
	const struct op_info *op = &isa_op[in->op];
	bool load = op->shape == SHAPE_LOAD, ok;
	uint64_t addr = r[load ? in->src : in->dst] + (uint64_t)(int64_t)in->off, v;

	switch (op->shape) {
	case SHAPE_ATOMIC:
		if (!atomic_ok(e, addr, op->size, ACCESS_READ | ACCESS_WRITE))
			return STEP_STOP;
		atomic(in, addr, r);
		return STEP_ON;
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND:
		if (call_packet_load(&e->call, r[6], (int32_t)((uint32_t)in->imm + (op->shape == SHAPE_PKT_IND ?
				     (uint32_t)r[in->src] : 0)), op->size, &r[0]))
			return STEP_ON;
		r[0] = e->call.status ? r[0] : 0;	/* outside of the packet: the function ends with 0 */
		return e->call.status ? STEP_STOP : STEP_LEAVE;
	case SHAPE_LOAD: case SHAPE_STORE_X:
		/* A context field is no memory that another thread orders with. */
		if (!atomic_ok(e, addr, op->size, load ? ACCESS_READ : ACCESS_READ | ACCESS_WRITE))
			return STEP_STOP;
		switch (in->op) {
#define ACQREL(n, s, type) \
		case OP_LDACQ_##n: \
			r[in->dst] = __atomic_load_n((type *)(uintptr_t)addr, __ATOMIC_ACQUIRE); \
			return STEP_ON; \
		case OP_STREL_##n: \
			__atomic_store_n((type *)(uintptr_t)addr, (type)r[in->src], __ATOMIC_RELEASE); \
			return STEP_ON;
#include "vm/isa.def"
		}
		break;
	}
	v = isa_eval((enum op)in->op, r[in->dst], op->shape == SHAPE_ALU_K ? (uint64_t)in->imm : r[in->src], &ok);
	if (ok) {
		r[in->dst] = v;
		return STEP_ON;
	}
	e->call.status = -ENOEXEC;	/* code_bind refuses what remains */
	return STEP_STOP;
}

/* ---- calls ---- */

bool interp_call_number(struct engine *e, uint64_t number, uint32_t init, uint64_t *r)
{
	const struct helper *helper = call_by_number(&e->call, number, init);

	if (!helper || !interp_call(e, helper, helper_fn(helper), r))
		return false;
	if (helper_returns(helper) == RET_VOID)
		r[0] = 0;
	return true;
}

/* ---- tracing ---- */

/* A program being traced: a copy whose every op is X_BAD, beside the real instructions. */
struct traced {
	struct code code;
	const struct code *of;
	struct xinsn *own;
	struct traced *next;
};

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

void interp_trace_free(struct engine *e)
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
static const struct code *trace_tail(struct engine *e, const struct code *code)
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

const struct code *interp_trace_copy(struct engine *e, const struct code *code)
{
	struct traced *t = traced_copy(e, code);

	return t ? &t->code : NULL;
}

const struct xinsn *interp_traced(struct engine *e, const struct xinsn *pc, const uint64_t *r)
{
	const struct code *code = e->call.code;
	uint32_t index = (uint32_t)(pc - code->run);
	char text[128];

	if (!e->step)
		return NULL;
	if (isa_op[code->insn[index].op].shape != SHAPE_MARK) {
		insn_text(text, sizeof text, code, index);
		e->step(e->step_arg, code->slot[index], r, text);
	}
	return &((const struct traced *)(const void *)code)->own[index];
}

/* ---- tail calls ---- */

/* A helper has asked for a tail call.  The new program takes the frame of the caller; in place of a function it has
 * frames of its own, as many as any program: the kernel limits each program's depth, and tail calls to 33. */
static const struct code *enter_tail(struct engine *e, uint64_t *r)
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
