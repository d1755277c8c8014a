/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* memory.c - may this address be touched, and what comes back from it.
 *
 * check_range is the one place that decides bounds for every kind of memory; loads, stores, atomics
 * and helper arguments all ask it.  The stack is remembered byte by byte, whole values as registers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "verifier/state.h"

#define LITTLE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
enum { F_RDONLY_PROG = 1 << 7, F_WRONLY_PROG = 1 << 8 };	/* BPF_F_x of BPF_MAP_CREATE */

static const char *verb(uint32_t how)
{
	return how & WRITE ? "writes" : "reads";
}

static int outside(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size, uint32_t how,
		   const char *what, const char *of, uint64_t have, const char *advice)
{
	char v[100], text[200];

	if (scalar_is_const(&p->s))
		snprintf(v, sizeof v, "offset %" PRId64, p->off + off + (int64_t)p->s.umin);
	else
		snprintf(v, sizeof v, "offset %" PRId64 "..%" PRId64, p->off + off + p->s.smin,
			 p->s.smax > INT64_MAX / 2 ? INT64_MAX : p->off + off + p->s.smax);
	snprintf(text, sizeof text, "%s%s%s %" PRIu64 " byte%s at %s of %s", what ? what : "",
		 what ? " " : "", verb(how), size, size == 1 ? "" : "s", v, of);
	return unsafe_(e, (int)reg, advice, "%s, which has %" PRIu64, text, have);
}

static int64_t low(const struct reg *p, int64_t off) { return p->off + off + p->s.smin; }
static bool huge(const struct reg *p)
{
	return p->s.smin < -(int64_t)MAX_LEN || p->s.smax > (int64_t)MAX_LEN;
}

static int stack_range(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size,
		       uint32_t how, const char *what)
{
	int64_t lo = low(p, off), hi = p->off + off + p->s.smax + (int64_t)size;
	int64_t most = 8 * (int64_t)e->nr_slots;
	uint32_t sub = e->st.f[p->frame].sub;
	char text[80];

	if ((huge(p) || lo < -most || hi > 0) && rule(e, RULE_STACK_BOUNDS)) {
		snprintf(text, sizeof text, "the stack frame (bytes -%" PRId64 "..-1 from r10)", most);
		return outside(e, reg, p, off, size, how, what, text, (uint64_t)most,
			       scalar_is_const(&p->s) ? "keep within the frame, or use a smaller buffer" :
			       "bound the index first, e.g. `if (i < sizeof(buf))`");
	}
	if (lo >= -most && -lo > (int64_t)e->sub_depth[sub])
		e->sub_depth[sub] = (uint32_t)-lo;
	return 0;
}

static int value_range(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size,
		       uint32_t how, const char *what)
{
	const struct uebpf_map *map = p->map;
	int64_t lo = low(p, off), hi = p->off + off + p->s.smax + (int64_t)size;
	char text[120];

	if ((huge(p) || lo < 0 || hi > (int64_t)map->value_size) && rule(e, RULE_VALUE_BOUNDS)) {
		snprintf(text, sizeof text, "a value of map `%s`", map->name);
		return outside(e, reg, p, off, size, how, what, text, map->value_size,
			       scalar_is_const(&p->s) ? "check the offset against the value's type" :
			       "bound the index before this line, e.g. `if (i < N)` or `i &= N - 1`");
	}
	if ((how & WRITE) && ((map->flags & F_RDONLY_PROG) || (p->flags & R_RDONLY)) && rule(e, RULE_RDONLY))
		return unsafe_(e, (int)reg, NULL, "writes to map `%s`, which programs may only read", map->name);
	if ((how & READ) && (map->flags & F_WRONLY_PROG))
		return unsafe_(e, (int)reg, NULL, "reads map `%s`, which programs may only write", map->name);
	if (map->spin_lock_off != UINT32_MAX && size && lo < (int64_t)map->spin_lock_off + 4 &&
	    hi > (int64_t)map->spin_lock_off)
		return unsafe_(e, (int)reg, "use bpf_spin_lock and bpf_spin_unlock",
			       "touches the spin lock in a value of map `%s`", map->name);
	return 0;
}

static int packet_range(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size,
			uint32_t how, const char *what)
{
	int64_t at = p->off + off;

	if ((how & WRITE) && !(e->code->type->flags & TYPE_PACKET_WRITE))
		return unsafe_(e, (int)reg, NULL, "writes into the packet: %s programs may only read it",
			       e->code->type->name);
	if ((p->s.smin < 0 || at < 0 || at + (int64_t)size > p->range) && rule(e, RULE_PACKET_BOUNDS))
		return outside(e, reg, p, off, size, how, what, "the packet's part that was checked",
			       p->range < 0 ? 0 : (uint64_t)p->range,
			       "compare with data_end first: `if (p + n > data_end) return ...`");
	return 0;
}

static int mem_range(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size,
		     uint32_t how, const char *what)
{
	int64_t lo = low(p, off), hi = p->off + off + p->s.smax + (int64_t)size;
	uint64_t have = p->region ? e->st.min_len[p->region - 1] : p->size;

	if ((how & WRITE) && (p->flags & R_RDONLY) && rule(e, RULE_RDONLY))
		return unsafe_(e, (int)reg, NULL, "writes to memory that is read-only");
	if (!rule(e, RULE_MEM_BOUNDS) || (lo >= 0 && !huge(p) && (uint64_t)hi <= have))
		return 0;
	if (p->region && lo >= 0 && !p->len && p->off + off + (int64_t)size <= p->range)
		return 0;
	if (p->region)
		return outside(e, reg, p, off, size, how, what, "memory whose length was checked",
			       have, e->region[p->region - 1].text ?
			       "look at the bytes before it first: none of them may be zero" :
			       "compare the offset with the length first: `if (off + n > len) return ...`");
	return outside(e, reg, p, off, size, how, what, "a block of memory", have,
		       "bound the offset before this line");
}

/* [p + off, + size) may be accessed so.  max is not used yet by fixed-size kinds. */
int check_range(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size, uint64_t max,
		uint32_t how, const char *what)
{
	char text[100];

	(void)max;
	if ((p->flags & R_MAYBE_NULL) && rule(e, RULE_NULL)) {
		describe(e, p, text, sizeof text);
		return unsafe_(e, (int)reg, "check it for NULL before this line",
			       "r%u may be NULL (%s)", reg, text);
	}
	if (size > INT32_MAX)
		return unsafe_(e, (int)reg, "bound the size first", "%s has no useful upper bound",
			       what ? what : "the size");
	switch (p->kind) {
	case K_STACK: return stack_range(e, reg, p, off, size, how, what);
	case K_VALUE: return value_range(e, reg, p, off, size, how, what);
	case K_PACKET: case K_META: return packet_range(e, reg, p, off, size, how, what);
	case K_MEM: return mem_range(e, reg, p, off, size, how, what);
	case K_OBJECT:
		if (p->obj && how == READ && !what)
			return 0;		/* object_load looks closer */
		/* fall through */
	default:
		describe(e, p, text, sizeof text);
		return unsafe_(e, (int)reg, follow_advice(e, p),
			       "%s memory through r%u, which is %s", verb(how), reg, text);
	case K_NONE:
		return unwritten(e, reg, "read");
	}
}

/* ---- stack ---- */

/* The slot that holds frame byte `off` (negative), and which of its bytes. */
struct slot *stack_slot(struct env *e, unsigned frame, int64_t off, unsigned *k)
{
	uint32_t n = (uint32_t)((-off + 7) / 8 - 1);
	struct frame *f = &e->st.f[frame];

	if (n >= e->nr_slots)
		return NULL;
	if (f->depth <= n)
		f->depth = n + 1;
	if (k)
		*k = (unsigned)(off + 8 * ((int64_t)n + 1));
	return &f->slot[n];
}

static uint32_t slot_index(int64_t off) { return (uint32_t)((-off + 7) / 8 - 1); }

int aligned(struct env *e, unsigned reg, const struct reg *p, int64_t off, unsigned size, const char *what)
{
	uint64_t m = size - 1;

	if (!(((uint64_t)(p->off + off) + p->s.val) & m) && !(p->s.unk & m))
		return 0;
	return unsafe_(e, (int)reg, NULL, "misaligned %s of %u bytes at offset %" PRId64, what, size,
		       p->off + off + (int64_t)p->s.val);
}

/* Bytes whose first read this is must be zeroed on entry. */
static void note_unwritten(struct env *e, unsigned frame, struct slot *s, uint32_t n, unsigned k, unsigned size)
{
	for (unsigned i = k; i < k + size && i < 8; i++)
		if (s->byte[i] == B_NONE)
			fact_zero(e, e->st.f[frame].sub, n, (uint8_t)(1u << i));
}

static int stack_read_any(struct env *e, const struct reg *p, int64_t off, unsigned size, unsigned dst)
{
	int64_t lo = low(p, off), hi = p->off + off + p->s.smax + size;

	for (int64_t b = lo; b < hi; b++) {
		unsigned k;
		struct slot *s = stack_slot(e, p->frame, b, &k);

		if (s)
			note_unwritten(e, p->frame, s, slot_index(b), k, 1);
	}
	top(e)->r[dst] = reg_number(scalar_bits(8 * size), e->pc);
	return step_reg(e, ST_DEF, dst, dst);
}

static int stack_read(struct env *e, const struct reg *p, int64_t off, unsigned size, unsigned dst)
{
	int64_t at = p->off + off + (int64_t)p->s.val;
	struct reg *d = &top(e)->r[dst];
	struct scalar v, by;
	unsigned k, n;
	struct slot *s;
	bool zero = true;

	if (!scalar_is_const(&p->s))
		return stack_read_any(e, p, off, size, dst);
	s = stack_slot(e, p->frame, at, &k);
	if (!s)
		return unsafe_(e, -1, NULL, "stack access out of the frame");
	n = spill_size(s->byte);
	if (n && k + size <= n) {
		if (s->r.kind != K_SCALAR) {
			if (size == 8) {
				*d = s->r;
				return step_reg(e, ST_DEF, dst, dst);
			}
			if (e->kernel)
				return unsafe_(e, -1, NULL, "reads a part of a pointer kept on the stack");
		} else if (LITTLE || (size == 8)) {
			bool whole = !k && (size == 8 || s->r.s.umax <= width_mask(8 * size));

			if (whole && !s->r.id && !scalar_is_const(&s->r.s))
				s->r.id = new_id(e);
			if (whole) {
				*d = s->r;
			} else {
				v = s->r.s;
				by = scalar_const(width64, 8 * k);
				if (k)
					v = scalar_alu(width64, ALU_RSH, &v, &by);
				if (rule(e, RULE_NARROW_FILL))
					v = scalar_zext(width64, &v, 8 * size);
				*d = reg_number(v, e->pc);
			}
			return step_slot(e, ST_FILL, dst, p->frame, slot_index(at));
		}
		*d = reg_number(scalar_bits(8 * size), e->pc);
		return step_reg(e, ST_DEF, dst, dst);
	}
	for (unsigned i = k; i < k + size; i++)
		zero &= s->byte[i] == B_ZERO;
	if (e->kernel && s->byte[k] == B_DYNPTR)
		return unsafe_(e, -1, "use bpf_dynptr_read or bpf_dynptr_data", "reads the inside of a dynptr");
	note_unwritten(e, p->frame, s, slot_index(at), k, size);
	if (zero)
		*d = reg_constant(0, e->pc);
	else
		*d = reg_number(scalar_bits(8 * size), e->pc);
	return step_reg(e, ST_DEF, dst, dst);
}

/* Any bytes of [lo, hi) may change. */
static int stack_smear(struct env *e, unsigned frame, int64_t lo, int64_t hi, bool surely)
{
	int err = 0;

	for (int64_t b = lo; b < hi && !err; b++) {
		unsigned k;
		struct slot *s = stack_slot(e, frame, b, &k);

		if (!s || !rule(e, RULE_SPILL_CLOBBER))
			continue;
		if (k == 0 || b == lo)
			err = step_slot(e, ST_CLEAR, 0, frame, slot_index(b));
		if (s->byte[k] == B_DYNPTR && e->kernel && !e->st.nr_refs)
			s->dynptr = 0;
		slot_scrub(s, k, s->byte[k] == B_NONE && !surely ? B_NONE : B_MISC);
	}
	return err;
}

static int stack_write(struct env *e, unsigned reg, const struct reg *p, int64_t off, unsigned size,
		       const struct reg *src, int src_reg)
{
	int64_t at = p->off + off + (int64_t)p->s.val;
	bool zero = reg_const(src) && !src->s.val, fits;
	unsigned k;
	struct slot *s;
	int err;

	if (!scalar_is_const(&p->s))
		return stack_smear(e, p->frame, low(p, off), p->off + off + p->s.smax + size, false);
	if (src->kind == K_STACK && src->frame > p->frame)
		return unsafe_(e, (int)reg, NULL, "keeps a pointer to this function's stack in its caller's");
	if (e->kernel && src->kind == K_STACK && p->frame != e->st.nr_frames - 1)
		return refuse(e, UEBPF_E_FORM, "keeps a stack pointer in its caller's frame: the kernel refuses that");
	s = stack_slot(e, p->frame, at, &k);
	if (!s)
		return unsafe_(e, (int)reg, NULL, "stack access out of the frame");
	if (s->byte[k] == B_DYNPTR && s->dynptr_ref)
		return unsafe_(e, (int)reg, "submit or discard it first", "overwrites a dynptr that must be released");
	if (size == 8 || (LITTLE && k == 0 && is_number(src) && src->kind == K_SCALAR)) {
		for (unsigned i = 0; i < size; i++)
			slot_scrub(s, i, B_MISC);
		memset(s->byte, B_SPILL, size);
		fits = src->s.umax <= width_mask(8 * size);
		if (src_reg >= 0 && fits && is_number(src) && !src->id && !scalar_is_const(&src->s))
			top(e)->r[src_reg].id = new_id(e);	/* from now on one tells of the other */
		s->r = *src;
		s->dynptr = 0;
		if (size < 8 && !fits)
			s->r = reg_number(scalar_zext(width64, &src->s, 8 * size), e->pc);
		s->r.since = e->pc;
		if (src_reg >= 0 && is_number(src))
			return step_slot(e, ST_SPILL, (unsigned)src_reg, p->frame, slot_index(at));
		return step_slot(e, ST_CLEAR, 0, p->frame, slot_index(at));
	}
	for (unsigned i = k; i < k + size; i++)
		slot_scrub(s, i, zero ? B_ZERO : B_MISC);
	err = step_slot(e, ST_CLEAR, 0, p->frame, slot_index(at));
	return !err && zero && src_reg >= 0 ? precise_reg(e, (unsigned)src_reg) : err;
}

/* A helper reads or writes stack memory. */
int stack_helper(struct env *e, unsigned reg, const struct reg *p, uint64_t size, uint32_t how)
{
	int64_t lo = low(p, 0), hi = p->off + p->s.smax + (int64_t)size;

	for (int64_t b = lo; (how & READ) && b < hi; b++) {
		unsigned k;
		struct slot *s = stack_slot(e, p->frame, b, &k);

		if (s)
			note_unwritten(e, p->frame, s, slot_index(b), k, 1);
		/* its value may steer what the helper returns, never the proof */
	}
	(void)reg;
	return how & WRITE ? stack_smear(e, p->frame, lo, hi, scalar_is_const(&p->s)) : 0;
}

static void forget_packet(struct env *e, struct reg *r, void *arg)
{
	(void)arg;
	if (r->kind == K_PACKET || r->kind == K_META || r->kind == K_END)
		*r = reg_unknown(e->pc);
}

void stack_forget_packets(struct env *e)
{
	if (!rule(e, RULE_PACKET_MOVED))
		return;
	for_each_reg(e, forget_packet, NULL);
}

/* ---- context ---- */

static int ctx_access(struct env *e, unsigned reg, const struct reg *p, int64_t off, unsigned size, uint32_t how,
		      const struct ctx_field **field)
{
	const struct prog_type *type = e->code->type;
	int64_t at = p->off + off;
	bool write = how & WRITE;

	*field = NULL;
	if (e->kernel && (p->off || p->s.umin))
		return refuse(e, UEBPF_E_FORM, "access through a context pointer that was moved by %d: "
			      "the kernel takes only the pointer itself", p->off);
	if (e->kernel && (at & (size - 1)))
		return refuse(e, UEBPF_E_FORM, "%u bytes at offset %" PRId64 " of the context: the kernel wants aligned "
			      "accesses", size, at);
	if (at < 0 || at + size > type->ctx_size)
		return unsafe_(e, (int)reg, NULL, "%s %u bytes at offset %" PRId64 " of the context; that of %s "
			       "programs has %u", verb(how), size, at, type->name, type->ctx_size);
	if (at + size > e->res->ctx_need)
		e->res->ctx_need = (uint32_t)(at + size);
	*field = ctx_field_at(type, (uint32_t)at, size, write);
	if (*field)
		return 0;
	if (!write && ctx_field_at(type, (uint32_t)at, size, true))
		return unsafe_(e, (int)reg, NULL, "context field at offset %" PRId64 " can only be written", at);
	if (write && (*field = ctx_field_at(type, (uint32_t)at, size, false)))
		return unsafe_(e, (int)reg, NULL, "context field `%s` of %s programs is read-only", (*field)->name,
			       type->name);
	return unsafe_(e, (int)reg, "read a whole field at its own offset",
		       "%u bytes at offset %" PRId64 " of the context of %s programs are no field", size, at,
		       type->name);
}

static struct reg field_value(struct env *e, const struct ctx_field *f, unsigned size)
{
	struct reg r;

	switch (f->kind) {
	case CTX_PACKET: return reg_pointer(K_PACKET, e->pc);
	case CTX_PACKET_END: return reg_pointer(K_END, e->pc);
	case CTX_PACKET_META: return reg_pointer(K_META, e->pc);
	case CTX_PTR: return reg_unknown(e->pc);	/* a number for everybody but probe_read */
	case CTX_SOCK:
		r = reg_pointer(K_OBJECT, e->pc);
		r.flags = R_MAYBE_NULL | (f->flags & CTX_ALWAYS ? R_ALWAYS : 0);
		r.obj = f->flags & (CTX_ALWAYS - 1);
		r.id = new_id(e);
		return r;
	case CTX_MEM: case CTX_CSTR:
		r = reg_pointer(K_MEM, e->pc);
		for (uint32_t i = 0; i < e->nr_regions; i++)
			if (e->region[i].field == f)
				r.region = (uint8_t)(i + 1);
		if (!r.region)
			return reg_unknown(e->pc);
		r.flags = f->kind == CTX_CSTR || !(f->flags & CTX_MEM_WRITE) ? R_RDONLY : 0;
		if (f->flags & CTX_OR_NULL) {
			r.flags |= R_MAYBE_NULL;
			r.id = new_id(e);
		}
		return r;
	default:
		break;
	}
	r = reg_number(scalar_bits(8 * size), e->pc);
	for (uint32_t i = 0; i < e->nr_regions; i++)
		if (e->region[i].field && e->region[i].field->kind == CTX_MEM && size == f->size &&
		    !(f->access & ACCESS_WRITE) && e->region[i].field->size_off == f->host_off) {
			r.len = (uint8_t)(i + 1);
			if (r.s.umax > MAX_LEN)
				r.s = scalar_urange(width64, 0, MAX_LEN);
		}
	return r;
}

/* ---- loads ---- */

/* Bytes of a map's first value that nobody can change any more. */
bool frozen_value(const struct uebpf_map *map, int64_t at, unsigned size, uint64_t *v)
{
	static const uint32_t zero;
	const uint8_t *mem;

	if (!map->frozen || !(map->flags & F_RDONLY_PROG) || !map->ops->lookup || !(map->ops->traits & MT_ARRAY) ||
	    (map->ops->traits & (MT_PERCPU | MT_PROGS | MT_MAPS)) || at < 0 || at + size > map->value_size)
		return false;
	mem = map->ops->lookup((struct uebpf_map *)map, &zero, NULL);
	if (!mem)
		return false;
	*v = 0;
	memcpy((uint8_t *)v + (LITTLE ? 0 : 8 - size), mem + at, size);
	return true;
}

static void sign(struct env *e, unsigned dst, unsigned size)
{
	struct reg *d = &top(e)->r[dst];

	if (is_number(d)) {
		struct scalar v = scalar_sext(width64, &d->s, 8 * size);

		if (memcmp(&v, &d->s, sizeof v))
			*d = reg_number(v, e->pc);
	}
}

/* A field of a host's object. */
static int object_load(struct env *e, const struct insn *in, const struct reg *p)
{
	unsigned size = isa_op[in->op].size;
	int64_t at = p->off + in->off;
	int err = check_range(e, in->src, p, in->off, size, 0, READ, NULL);

	if (err)
		return err;
	if (at < 0 || !object_field(p->obj, (uint32_t)at, size))
		return unsafe_(e, in->src, NULL, "%u bytes at offset %" PRId64 " of the object are no field that "
			       "programs may read", size, at);
	fact_memory(e, p, in->off);
	top(e)->r[in->dst] = reg_number(scalar_bits(8 * size), e->pc);
	return step_reg(e, ST_DEF, in->dst, in->dst);
}

/* The kernel translates a context or socket access once, for all paths. */
static int one_kind(struct env *e, const struct reg *p)
{
	const struct fact *f = &e->res->fact[e->pc];
	enum fact_base base = p->kind == K_CTX ? FACT_CTX : p->kind == K_OBJECT ? FACT_OBJECT : FACT_NONE;

	if (!e->kernel || f->base == FACT_NONE || f->base == base ||
	    (base == FACT_NONE && f->base != FACT_CTX && f->base != FACT_OBJECT))
		return 0;
	return refuse(e, UEBPF_E_FORM, "one path accesses the context or a socket here, another something else");
}

int do_load(struct env *e, const struct insn *in)
{
	const struct op_info *op = &isa_op[in->op];
	struct reg p = top(e)->r[in->src], r;
	const struct ctx_field *f;
	uint64_t v;
	int err;

	err = one_kind(e, &p);
	if (!err && (op->flags & OPF_LINUX) && (p.kind == K_CTX || p.kind == K_PACKET || p.kind == K_META))
		err = unsafe_(e, in->src, NULL, "load-acquire from the context or packet");
	if (err)
		return err;
	if (p.kind == K_OBJECT && p.obj) {
		err = object_load(e, in, &p);
	} else if (p.kind == K_CTX) {
		err = ctx_access(e, in->src, &p, in->off, op->size, READ, &f);
		if (err)
			return err;
		fact_memory(e, &p, in->off);
		r = field_value(e, f, op->size);
		if (is_ptr(&r) && (op->flags & OPF_SIGNED))
			return unsafe_(e, in->src, NULL, "sign-extending load of the pointer field `%s`", f->name);
		top(e)->r[in->dst] = r;
		err = step_reg(e, ST_DEF, in->dst, in->dst);
	} else {
		err = check_range(e, in->src, &p, in->off, op->size, 0, READ, NULL);
		if (!err && p.kind == K_STACK)
			err = aligned(e, in->src, &p, in->off, op->size, "stack read");
		if (!err && (op->flags & OPF_LINUX))
			err = aligned(e, in->src, &p, in->off, op->size, "load-acquire");
		if (err)
			return err;
		fact_memory(e, &p, in->off);
		if (p.kind == K_STACK) {
			err = stack_read(e, &p, in->off, op->size, in->dst);
		} else {
			r = reg_number(scalar_bits(8 * op->size), e->pc);
			if (p.kind == K_VALUE && (p.flags & R_DIRECT) && scalar_is_const(&p.s) && !p.s.umin &&
			    frozen_value(p.map, p.off + in->off, op->size, &v))
				r = reg_constant(v, e->pc);
			if (p.kind == K_MEM && p.region && e->region[p.region - 1].text && op->size == 1 &&
			    scalar_is_const(&p.s) && !(op->flags & OPF_SIGNED)) {
				r.obj = p.region;
				r.range = p.off + (int32_t)p.s.umin + in->off;
			}
			top(e)->r[in->dst] = r;
			err = step_reg(e, ST_DEF, in->dst, in->dst);
		}
	}
	if (!err && (op->flags & OPF_SIGNED))
		sign(e, in->dst, op->size);
	fact_result(e, &top(e)->r[in->dst]);
	return err;
}

/* ---- stores ---- */

int do_store(struct env *e, const struct insn *in)
{
	const struct op_info *op = &isa_op[in->op];
	bool x = op->shape == SHAPE_STORE_X;
	struct reg p = top(e)->r[in->dst], k = reg_constant((uint64_t)in->imm, e->pc), *src = &k;
	const struct ctx_field *f;
	int err;

	if (x) {
		src = &top(e)->r[in->src];
		if (src->kind == K_NONE && rule(e, RULE_UNINIT))
			return unwritten(e, in->src, "stored");
	}
	err = one_kind(e, &p);
	if (!err && (op->flags & OPF_LINUX) && (p.kind == K_CTX || p.kind == K_PACKET || p.kind == K_META))
		err = unsafe_(e, in->dst, NULL, "store-release to the context or packet");
	if (err)
		return err;
	if (p.kind == K_CTX) {
		err = ctx_access(e, in->dst, &p, in->off, op->size, WRITE, &f);
		if (!err && f->kind != CTX_SCALAR)
			err = unsafe_(e, in->dst, NULL, "writes the pointer field `%s` of the context", f->name);
		if (!err)
			fact_memory(e, &p, in->off);
		return err;
	}
	err = check_range(e, in->dst, &p, in->off, op->size, 0, WRITE, NULL);
	if (!err && p.kind == K_STACK)
		err = aligned(e, in->dst, &p, in->off, op->size, "stack write");
	if (!err && (op->flags & OPF_LINUX))
		err = aligned(e, in->dst, &p, in->off, op->size, "store-release");
	if (err)
		return err;
	fact_memory(e, &p, in->off);
	if (p.kind != K_STACK)
		return 0;
	return stack_write(e, in->dst, &p, in->off, op->size, src, x ? in->src : -1);
}

int do_atomic(struct env *e, const struct insn *in)
{
	const struct op_info *op = &isa_op[in->op];
	struct reg p = top(e)->r[in->dst], got;
	bool cmpxchg = in->op == OP_CMPXCHG64 || in->op == OP_CMPXCHG32, fetch;
	unsigned out = cmpxchg ? 0 : in->src;
	char what[80];
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		unsigned r = i ? 0 : in->src;

		if ((!i || cmpxchg) && top(e)->r[r].kind == K_NONE && rule(e, RULE_UNINIT))
			err = unwritten(e, r, "read");
		if (!err && (!i || cmpxchg) && is_ptr(&top(e)->r[r]) && e->kernel && p.kind != K_STACK &&
		    p.kind != K_VALUE && p.kind != K_MEM)
			err = unsafe_(e, (int)r, NULL, "atomic operation with a pointer");
	}
	if (err)
		return err;
	if (p.kind == K_CTX || p.kind == K_PACKET || p.kind == K_META) {
		describe(e, &p, what, sizeof what);
		return unsafe_(e, in->dst, NULL, "atomic operation on %s", what);
	}
	err = check_range(e, in->dst, &p, in->off, op->size, 0, READ | WRITE, NULL);
	err = err ? err : aligned(e, in->dst, &p, in->off, op->size, "atomic operation");
	if (err)
		return err;
	fact_memory(e, &p, in->off);
	fetch = cmpxchg || (op->flags & OPF_FETCH);
	got = reg_number(scalar_bits(8 * op->size), e->pc);
	if (p.kind == K_STACK) {
		if (fetch && rule(e, RULE_ATOMIC_CLOBBER)) {	/* what comes back is what lay there */
			err = stack_read(e, &p, in->off, op->size, out);
			got = top(e)->r[out];
		}
		err = err ? err : stack_helper(e, in->dst, &(struct reg){ .s = p.s, .kind = K_STACK, .frame = p.frame,
							      .off = p.off + in->off }, op->size, READ | WRITE);
		if (err)
			return err;
	}
	if (!fetch || !rule(e, RULE_ATOMIC_CLOBBER))
		return 0;
	top(e)->r[out] = got;
	fact_result(e, &top(e)->r[out]);
	return p.kind == K_STACK ? 0 : step_reg(e, ST_DEF, out, out);
}
