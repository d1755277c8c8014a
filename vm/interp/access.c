/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* access.c - the memory of checked runs outside of the loop: the regions that were hit last, an access that missed them
 * (in.h).  Nothing of the host's runs beneath. */
#include "vm/interp/in.h"

/* A hit whose limits are 0 is none. */
void interp_forget(struct engine *e)
{
	static const struct hit none;

	e->rd[0] = e->rd[1] = e->wr[0] = e->wr[1] = none;
}

/* Both hits (or one, twice). */
static __attribute__((noinline)) void set_hits(struct hit *a, struct hit *b, uint64_t lo, uint64_t len)
{
	a->lo = b->lo = lo;
	a->limit[0] = b->limit[0] = len;
	a->limit[1] = b->limit[1] = len > 1 ? len - 1 : 0;
	a->limit[2] = b->limit[2] = len > 3 ? len - 3 : 0;
	a->limit[3] = b->limit[3] = len > 7 ? len - 7 : 0;
}

/* What may be written may be read. */
void interp_expect(struct engine *e)
{
	const struct region *ctx = &e->call.own[OWN_CTX], *stack = &e->call.own[OWN_STACK];

	interp_forget(e);
	if (ctx->access & ACCESS_READ)
		set_hits(&e->rd[0], ctx->access & ACCESS_WRITE ? &e->wr[0] : &e->rd[0], ctx->lo, ctx->hi - ctx->lo);
	if (stack->access)
		set_hits(&e->rd[1], &e->wr[1], stack->lo, stack->hi - stack->lo);
}

void interp_frame_changed(struct engine *e)
{
	struct region *r = &e->call.own[OWN_STACK];

	*r = (struct region){ .lo = (uintptr_t)e->stack_end - (uintptr_t)e->call.depth * e->frame_size,
			      .hi = (uintptr_t)e->stack_end, .access = ACCESS_READ | ACCESS_WRITE };
	if (!e->frame_size)
		*r = (struct region){ 0 };
}

void interp_expect_value(struct engine *e, const struct region *values, uint64_t addr, uint32_t len)
{
	struct hit *write = values->access & ACCESS_WRITE ? &e->wr[1] : &e->rd[1];

	if (values->access & ACCESS_READ)
		set_hits(&e->rd[1], write, addr, len);
	e->rd_next = e->wr_next = 1;
}

/* An element of an array is soon followed by another, and what is read of it is often written back: those
 * share one place and leave the other to the context and the stack. */
static void remember(struct engine *e, const struct region *r, uint64_t addr, bool load)
{
	uint64_t at = addr - r->lo;
	struct hit *hit;

	if (!r->stride) {
		hit = load ? &e->rd[e->rd_next ^= 1] : &e->wr[e->wr_next ^= 1];
		set_hits(hit, hit, r->lo, r->hi - r->lo);
		return;
	}
	at = addr - (at <= UINT32_MAX ? (uint32_t)at % r->stride : at % r->stride) + r->first;
	hit = load ? &e->rd[1] : &e->wr[1];
	set_hits(hit, r->access & ACCESS_WRITE ? &e->wr[1] : hit, at, r->len);
	e->wr_next = 1;
	if (load)
		e->rd_next = 1;
}

bool interp_access(struct engine *e, const struct insn *in, uint64_t *r)
{
	const struct op_info *op = &isa_op[in->op];
	const struct region *ctx = &e->call.own[OWN_CTX], *region;
	bool load = op->shape == SHAPE_LOAD, direct;
	uint64_t addr = r[load ? in->src : in->dst] + (uint64_t)(int64_t)in->off;
	uint64_t v = op->shape == SHAPE_STORE_K ? (uint64_t)in->imm : r[in->src];

	region = call_find_region(&e->call, addr, op->size, load ? ACCESS_READ : ACCESS_WRITE);
	if (region)
		remember(e, region, addr, load);
	/* Fields of the context come first, whatever else grants its bytes. */
	direct = region && addr - ctx->lo >= ctx->hi - ctx->lo;
	if (!load) {
		if (!direct)
			return call_store(&e->call, addr, op->size, v);
		call_write(addr, op->size, v);
		return true;
	}
	if (direct)
		v = call_read(addr, op->size);
	else if (!call_load(&e->call, addr, op->size, &v))
		return false;
	if (op->flags & OPF_SIGNED)
		v = (uint64_t)((int64_t)(v << (64 - 8 * op->size)) >> (64 - 8 * op->size));
	/* A context field that holds a pointer comes back whole from a 4-byte load: no narrowing. */
	r[in->dst] = v;
	return true;
}
