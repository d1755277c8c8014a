/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* far.c - instructions that have no case of their own in the loop (in.h). */
#include <errno.h>
#include "vm/interp/in.h"

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
