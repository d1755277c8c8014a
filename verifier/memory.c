/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* memory.c - may this address be touched, and what comes back from it.
 *
 * check_range is the one place that decides bounds for every kind of memory; loads, stores, atomics
 * and helper arguments all ask it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "verifier/state.h"

static const char *verb(uint32_t how)
{
	return how & WRITE ? "writes" : "reads";
}

/* What is asked: may [p + off, + size) be accessed so?  what: on whose behalf, NULL the instruction's, "" that of
 * argument `reg` of e->callee. */
struct touch {
	const struct reg *p;
	int64_t off, lo, hi;		/* from the base: the first byte, and the one behind the last */
	uint64_t size;
	unsigned reg;
	uint32_t how;
	const char *what;
};

static const char *on_behalf(const struct env *e, unsigned reg, const char *what, char buf[120])
{
	if (!what || *what)
		snprintf(buf, 120, "%s%s", what ? what : "", what ? " " : "");
	else
		snprintf(buf, 120, "argument %u of %s ", reg, helper_name(e->callee));
	return buf;
}

/* From the base to a byte of an access: any number may have been added, so the sum ends at the ends of its type. */
static int64_t sum_ends(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? a < 0 ? INT64_MIN : INT64_MAX : sum;
}

int64_t touch_low(const struct reg *p, int64_t off) { return sum_ends(p->off + off, p->s.smin); }
int64_t touch_high(const struct reg *p, int64_t off, int64_t size)
{
	return sum_ends(sum_ends(p->off + off, size), p->s.smax);
}

static int outside(struct env *e, const struct touch *a, const char *of, const char *name, uint64_t have,
		   const char *advice)
{
	const struct reg *p = a->p;
	char v[100], text[240], who[120];

	if (scalar_is_const(&p->s))
		snprintf(v, sizeof v, "offset %" PRId64, touch_low(p, a->off));
	else
		snprintf(v, sizeof v, "offset %" PRId64 "..%" PRId64, touch_low(p, a->off), touch_high(p, a->off, 0));
	snprintf(text, sizeof text, "%s%s%s", message_text(of), name, *name ? "`" : "");
	return unsafe_(e, (int)a->reg, advice, "%s%s %" PRIu64 " byte%s at %s of %s, which has %" PRIu64,
		       on_behalf(e, a->reg, a->what, who), verb(a->how), a->size, a->size == 1 ? "" : "s", v, text,
		       have);
}

static __attribute__((noinline)) bool huge(const struct reg *p)
{
	return p->s.smin < -(int64_t)MAX_LEN || p->s.smax > (int64_t)MAX_LEN;
}

static int stack_range(struct env *e, const struct touch *a)
{
	int64_t most = 8 * (int64_t)e->nr_slots;
	uint32_t *depth = &e->sub[e->st.f[a->p->frame].in.sub].depth;
	char text[60];

	if ((huge(a->p) || a->lo < -most || a->hi > 0) && rule(e, RULE_STACK_BOUNDS)) {
		snprintf(text, sizeof text, "the stack frame (bytes -%" PRId64 "..-1 from r10)", most);
		return outside(e, a, text, "", (uint64_t)most,
			       scalar_is_const(&a->p->s) ? MESSAGE_TEXT("keep within the frame, or use a smaller buffer") :
			       MESSAGE_TEXT("bound the index first, e.g. `if (i < sizeof(buf))`"));
	}
	if (a->lo >= -most && -a->lo > (int64_t)*depth)
		*depth = (uint32_t)-a->lo;
	return 0;
}

/* Does the access meet the `size` bytes at `off`? */
static bool touches(const struct touch *a, int64_t off, int64_t size)
{
	return off != UINT32_MAX && a->size && a->lo < off + size && a->hi > off;
}

static int value_range(struct env *e, const struct touch *a)
{
	const struct uebpf_map *map = a->p->map;
	bool lock;

	if ((huge(a->p) || a->lo < 0 || a->hi > (int64_t)map->value_size) && rule(e, RULE_VALUE_BOUNDS))
		return outside(e, a, "a value of map `", map->name, map->value_size,
			       scalar_is_const(&a->p->s) ? MESSAGE_TEXT("check the offset against the value's type") :
			       MESSAGE_TEXT("bound the index before this line, e.g. `if (i < N)` or `i &= N - 1`"));
	if ((a->how & WRITE) && ((map->flags & F_RDONLY_PROG) || (a->p->flags & R_RDONLY)) && rule(e, RULE_RDONLY))
		return unsafe_(e, (int)a->reg, NULL, "writes to map `%s`, which programs may only read", map->name);
	if ((a->how & READ) && (map->flags & F_WRONLY_PROG))
		return unsafe_(e, (int)a->reg, NULL, "reads map `%s`, which programs may only write", map->name);
	lock = touches(a, map->spin_lock_off, 4);
	if (lock || touches(a, map->timer_off, 16))
		return unsafe_(e, (int)a->reg, lock ? MESSAGE_TEXT("use bpf_spin_lock and bpf_spin_unlock") : NULL,
			       "touches the %s in a value of map `%s`", lock ? "spin lock" : "timer", map->name);
	return 0;
}

static int packet_range(struct env *e, const struct touch *a)
{
	const struct reg *p = a->p;
	int64_t at = p->off + a->off;

	if ((a->how & WRITE) && !(e->code->type->flags & TYPE_PACKET_WRITE))
		return unsafe_(e, (int)a->reg, NULL, "writes into the packet: %s programs may only read it",
			       e->code->type->name);
	if ((p->s.smin < 0 || at < 0 || at + (int64_t)a->size > p->range) && rule(e, RULE_PACKET_BOUNDS))
		return outside(e, a, MESSAGE_TEXT("the packet's part that was checked"), "", p->range < 0 ? 0 : (uint64_t)p->range,
			       MESSAGE_TEXT("compare with data_end first: `if (p + n > data_end) return ...`"));
	return 0;
}

static int mem_range(struct env *e, const struct touch *a)
{
	const struct reg *p = a->p;
	uint64_t have = p->region ? e->st.h.min_len[p->region - 1] : p->size;

	if ((a->how & WRITE) && (p->flags & R_RDONLY) && rule(e, RULE_RDONLY))
		return unsafe_(e, (int)a->reg, NULL, "writes to memory that is read-only");
	if (!rule(e, RULE_MEM_BOUNDS) || (a->lo >= 0 && !huge(p) && (uint64_t)a->hi <= have))
		return 0;
	if (p->region && a->lo >= 0 && !p->len && p->off + a->off + (int64_t)a->size <= p->range)
		return 0;
	return outside(e, a, p->region ? MESSAGE_TEXT("memory whose length was checked") :
		       MESSAGE_TEXT("a block of memory"), "", have,
		       !p->region ? MESSAGE_TEXT("bound the offset before this line") : e->region[p->region - 1].text ?
		       MESSAGE_TEXT("look at the bytes before it first: none of them may be zero") :
		       MESSAGE_TEXT("compare the offset with the length first: `if (off + n > len) return ...`"));
}

/* [p + off, + size) may be accessed so. */
int check_range(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size, uint32_t how,
		const char *what)
{
	struct touch a = { p, off, touch_low(p, off), touch_high(p, off, (int64_t)size), size, reg, how, what };
	char text[100], who[120];

	if ((p->flags & R_MAYBE_NULL) && rule(e, RULE_NULL)) {
		describe(e, p, text, sizeof text);
		return unsafe_(e, (int)reg, MESSAGE_TEXT("check it for NULL before this line"),
			       "r%u may be NULL (%s)", reg, text);
	}
	if (size > INT32_MAX)
		return unsafe_(e, (int)reg, MESSAGE_TEXT("bound the size first"), "%shas no useful upper bound",
			       on_behalf(e, reg, what ? what : "the size", who));
	switch (p->kind) {
	case K_STACK: return stack_range(e, &a);
	case K_VALUE: return value_range(e, &a);
	case K_PACKET: case K_META: return packet_range(e, &a);
	case K_MEM: return mem_range(e, &a);
	case K_NONE: return unwritten(e, reg, "read");
	case K_ARENA: case K_OBJECT:
		if (!what && (p->kind == K_ARENA || (p->obj && how == READ)))
			return 0;		/* object_load looks closer */
		/* fall through */
	default:
		describe(e, p, text, sizeof text);
		return unsafe_(e, (int)reg, follow_advice(e, p), "%s%s memory through r%u, which is %s",
			       on_behalf(e, reg, what, who), verb(how), reg, text);
	}
}

int aligned(struct env *e, unsigned reg, const struct reg *p, int64_t off, unsigned size, const char *what)
{
	uint64_t m = size - 1;
	bool loose = p->kind == K_PACKET || p->kind == K_META || (p->flags & R_LOOSE);

	if (p->kind == K_ARENA || (!loose && !(((uint64_t)(p->off + off) + p->s.val) & m) && !(p->s.unk & m)))
		return 0;
	return unsafe_(e, (int)reg, NULL, "misaligned %s of %u bytes at offset %" PRId64, what, size,
		       touch_low(p, off));
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
		return unsafe_(e, (int)reg, MESSAGE_TEXT("is this the context of the type that SEC says?"),
			       "%s %u bytes at offset %" PRId64 " of the context; that of %s "
			       "programs has %u", verb(how), size, at, type->name, type->ctx_size);
	if (at + size > e->res->ctx_need)
		e->res->ctx_need = (uint32_t)(at + size);
	*field = ctx_field_at(type, (uint32_t)at, size, write);
	if (*field)
		return 0;
	if (!write && ctx_field_at(type, (uint32_t)at, size, true))
		return unsafe_(e, (int)reg, NULL, "context field at offset %" PRId64 " can only be written", at);
	if (write && (*field = ctx_field_at(type, (uint32_t)at, size, false)))
		return unsafe_(e, (int)reg, NULL, "context field `%s` of %s programs is read-only",
			       ctx_field_name(type, *field), type->name);
	return unsafe_(e, (int)reg, MESSAGE_TEXT("read a whole field at its own offset"),
		       "%u bytes at offset %" PRId64 " of the context of %s programs are no field", size, at,
		       type->name);
}

static void field_value(struct env *e, const struct ctx_field *f, unsigned size, struct reg *r)
{
	switch (f->kind) {
	case CTX_PACKET: set_pointer(e, r, K_PACKET); return;
	case CTX_PACKET_END: set_pointer(e, r, K_END); return;
	case CTX_PACKET_META: set_pointer(e, r, K_META); return;
	case CTX_PTR: set_unknown(e, r); return;	/* a number for everybody but probe_read */
	case CTX_SOCK:
		set_pointer(e, r, K_OBJECT);
		r->flags = R_MAYBE_NULL | (f->flags & CTX_ALWAYS ? R_ALWAYS : 0);
		r->obj = f->flags & (CTX_ALWAYS - 1);
		r->id = new_id(e);
		return;
	case CTX_MEM: case CTX_CSTR:
		set_pointer(e, r, K_MEM);
		for (uint32_t i = 0; i < e->nr_regions; i++)
			if (e->region[i].field == f)
				r->region = (uint8_t)(i + 1);
		if (!r->region)
			set_unknown(e, r);
		r->flags = f->kind == CTX_CSTR || !(f->flags & CTX_MEM_WRITE) ? R_RDONLY : 0;
		if (f->flags & CTX_OR_NULL) {
			r->flags |= R_MAYBE_NULL;
			r->id = new_id(e);
		}
		return;
	default:
		break;
	}
	set_bits(e, r, 8 * size);
	for (uint32_t i = 0; i < e->nr_regions; i++)
		if (e->region[i].field && e->region[i].field->kind == CTX_MEM && size == f->size &&
		    !(f->access & ACCESS_WRITE) && e->region[i].field->size_off == f->host_off) {
			r->len = (uint8_t)(i + 1);
			if (r->s.umax > MAX_LEN)
				scalar_urange(&r->s, width64, 0, MAX_LEN);
		}
}

/* ---- loads ---- */

/* A map's first value, from byte `at` on, when nobody can change it any more: no program, no call and, as
 * another process has its own mapping, no peer.  Else NULL. */
const uint8_t *frozen_bytes(const struct uebpf_map *map, int64_t at, unsigned size)
{
	static const uint32_t zero;
	const uint8_t *mem = NULL;

	if (map->frozen && (map->flags & F_RDONLY_PROG) && map->share == UEBPF_SHARE_PRIVATE && map->ops->lookup &&
	    (map->ops->traits & (MT_ARRAY | MT_PERCPU | MT_PROGS | MT_MAPS)) == MT_ARRAY && at >= 0 &&
	    at + size <= map->value_size)
		mem = map->ops->lookup((struct uebpf_map *)map, &zero, NULL);
	return mem ? mem + at : NULL;
}

bool frozen_value(const struct uebpf_map *map, int64_t at, unsigned size, uint64_t *v)
{
	const uint8_t *mem = frozen_bytes(map, at, size);

	if (!mem)
		return false;
	*v = 0;
	memcpy((uint8_t *)v + (HOST_LITTLE ? 0 : 8 - size), mem, size);
	return true;
}

static void sign(struct env *e)
{
	struct scalar v;

	scalar_sext(&v, width64, &e->d->s, 8u * e->op->size);
	if (is_number(e->d) && memcmp(&v, &e->d->s, sizeof v))
		set_number(e, e->d, &v);
}

/* A field of a host's object. */
static int object_load(struct env *e, const struct reg *p)
{
	unsigned size = e->op->size;
	int64_t at = p->off + e->in->off;
	int err = check_range(e, e->in->src, p, e->in->off, size, READ, NULL);

	if (err)
		return err;
	if (at < 0 || !object_field(p->obj, (uint32_t)at, size))
		return unsafe_(e, e->in->src, NULL, "%u bytes at offset %" PRId64 " of the object are no field that "
			       "programs may read", size, at);
	set_bits(e, e->d, 8 * size);
	return step_insn(e, ST_DEF);
}

static int load_field(struct env *e, const struct reg *p)
{
	const struct ctx_field *f;
	int err = ctx_access(e, e->in->src, p, e->in->off, e->op->size, READ, &f);

	if (err || !f)
		return err;
	field_value(e, f, e->op->size, e->d);
	if (is_ptr(e->d) && (e->op->flags & OPF_SIGNED))
		return unsafe_(e, e->in->src, NULL, "sign-extending load of the pointer field `%s`",
			       ctx_field_name(e->code->type, f));
	return step_insn(e, ST_DEF);
}

/* What memory other than the stack holds. */
static int plain_load(struct env *e, const struct reg *p)
{
	unsigned size = e->op->size;
	bool fixed = scalar_is_const(&p->s);
	uint64_t v;

	set_bits(e, e->d, 8 * size);
	if (p->kind == K_VALUE && (p->flags & R_DIRECT) && fixed && !p->s.umin &&
	    frozen_value(p->map, p->off + e->in->off, size, &v))
		set_constant(e, e->d, v);
	if (p->kind == K_MEM && p->region && e->region[p->region - 1].text && size == 1 && fixed &&
	    !(e->op->flags & OPF_SIGNED)) {
		e->d->obj = p->region;
		e->d->range = p->off + (int32_t)p->s.umin + e->in->off;
	}
	return step_insn(e, ST_DEF);
}

/* May this instruction touch memory through p, register `reg`?  name: of what it does. */
static int reach(struct env *e, unsigned reg, const struct reg *p, uint32_t how, const char *name)
{
	/* The kernel translates a context or socket access once, for all paths. */
	enum fact_base was = e->fact->base, base = p->kind == K_CTX ? FACT_CTX : p->kind == K_OBJECT ? FACT_OBJECT :
						   FACT_NONE;
	bool ordered = e->op->flags & OPF_LINUX, outside = p->kind == K_CTX || p->kind == K_PACKET || p->kind == K_META;
	bool host = p->kind == K_CTX || (p->kind == K_OBJECT && p->obj && how == READ);
	int err;

	if (e->kernel && was != FACT_NONE && was != base && (base != FACT_NONE || was == FACT_CTX || was == FACT_OBJECT))
		return refuse(e, UEBPF_E_FORM, "one path accesses the context or a socket here, another something else");
	if (ordered && outside)
		return unsafe_(e, (int)reg, NULL, "%s the context or packet", how == READ ? "load-acquire from" :
			       "store-release to");
	if (host)
		return 0;		/* field by field */
	err = check_range(e, reg, p, e->in->off, e->op->size, how, NULL);
	return err || (p->kind != K_STACK && !ordered) ? err : aligned(e, reg, p, e->in->off, e->op->size, name);
}

int do_load(struct env *e)
{
	struct reg p = *e->s;
	bool stack = p.kind == K_STACK;
	int err = reach(e, e->in->src, &p, READ, stack ? "stack read" : "load-acquire");

	if (err)
		return err;
	err = stack ? stack_read(e, &p, e->in->off, e->op->size, e->in->dst) : p.kind == K_CTX ? load_field(e, &p) :
	      p.kind == K_OBJECT && p.obj ? object_load(e, &p) : plain_load(e, &p);
	if (err)
		return err;
	fact_memory(e, &p, e->in->off);
	if (e->op->flags & OPF_SIGNED)
		sign(e);
	fact_result(e, e->d);
	return 0;
}

/* ---- stores ---- */

static int store_field(struct env *e, const struct reg *p)
{
	const struct ctx_field *f;
	int err = ctx_access(e, e->in->dst, p, e->in->off, e->op->size, WRITE, &f);

	return err || !f || f->kind == CTX_SCALAR ? err :
	       unsafe_(e, e->in->dst, NULL, "writes the pointer field `%s` of the context",
		       ctx_field_name(e->code->type, f));
}

int do_store(struct env *e)
{
	bool x = e->op->shape == SHAPE_STORE_X;
	struct reg p = *e->d, k, *src = x ? e->s : &k;
	int err;

	if (!x)
		set_constant(e, &k, (uint64_t)e->in->imm);
	if (src->kind == K_NONE && rule(e, RULE_UNINIT))
		return unwritten(e, e->in->src, "stored");
	err = reach(e, e->in->dst, &p, WRITE, p.kind == K_STACK ? "stack write" : "store-release");
	if (!err && p.kind == K_CTX)
		err = store_field(e, &p);
	if (err)
		return err;
	fact_memory(e, &p, e->in->off);
	return p.kind != K_STACK ? 0 : stack_write(e, e->in->dst, &p, e->in->off, e->op->size, src, x ? e->in->src : -1);
}

/* A register that an atomic operation reads. */
static int atomic_operand(struct env *e, unsigned r, enum kind memory)
{
	if (e->top->r[r].kind == K_NONE && rule(e, RULE_UNINIT))
		return unwritten(e, r, "read");
	if (is_ptr(&e->top->r[r]) && e->kernel && memory != K_STACK && memory != K_VALUE && memory != K_MEM &&
	    memory != K_ARENA)
		return unsafe_(e, (int)r, NULL, "atomic operation with a pointer");
	return 0;
}

int do_atomic(struct env *e)
{
	struct reg p = *e->d;
	bool cmpxchg = e->in->op == OP_CMPXCHG64 || e->in->op == OP_CMPXCHG32;
	bool fetch = (cmpxchg || (e->op->flags & OPF_FETCH)) && rule(e, RULE_ATOMIC_CLOBBER);
	unsigned out = cmpxchg ? 0 : e->in->src, size = e->op->size;
	char what[80];
	int err = atomic_operand(e, e->in->src, p.kind);

	err = err || !cmpxchg ? err : atomic_operand(e, 0, p.kind);
	if (err)
		return err;
	if (p.kind == K_CTX || p.kind == K_PACKET || p.kind == K_META) {
		describe(e, &p, what, sizeof what);
		return unsafe_(e, e->in->dst, NULL, "atomic operation on %s", what);
	}
	err = check_range(e, e->in->dst, &p, e->in->off, size, READ | WRITE, NULL);
	err = err ? err : aligned(e, e->in->dst, &p, e->in->off, size, "atomic operation");
	if (err)
		return err;
	fact_memory(e, &p, e->in->off);
	if (fetch && p.kind == K_STACK) {		/* what comes back is what lay there */
		err = stack_read(e, &p, e->in->off, size, out);
	} else if (fetch) {
		set_bits(e, &e->top->r[out], 8 * size);
		err = step_reg(e, ST_DEF, out, out);
	}
	if (!err && p.kind == K_STACK) {
		p.off += e->in->off;
		err = stack_helper(e, &p, size, READ | WRITE);
	}
	if (!err && fetch)
		fact_result(e, &e->top->r[out]);
	return err;
}
