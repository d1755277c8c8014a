/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* call.c - calls: helpers by the contract in their row, subprograms by walking into them (or, when
 * they are verified on their own, by their prototype), callbacks as loops of unknown length.
 * No helper is known by its number. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "verifier/state.h"

enum { MAX_SIZE = 1 << 29 };

/* What the arguments seen so far say. */
struct args {
	const struct helper *h;
	const struct uebpf_map *map;
	uint64_t alloc;		/* constant memory size */
	uint64_t size;		/* most that the last size argument can be */
	uint32_t release;	/* reference that goes */
	bool key_const;
	uint32_t key;
};

static int bad_arg(struct env *e, const struct args *a, int i, const char *want)
{
	char what[100];

	describe(e, &top(e)->r[i + 1], what, sizeof what);
	return unsafe_(e, i + 1, NULL, "%s wants %s as argument %d, but r%d is %s", a->h->name, want, i + 1,
		       i + 1, what);
}

static struct reg *arg(struct env *e, int i) { return &top(e)->r[i + 1]; }

static bool is_null(const struct reg *r) { return reg_const(r) && !r->s.val; }

static int memory_arg(struct env *e, const struct args *a, int i, uint64_t size, uint32_t how)
{
	struct reg p = *arg(e, i);
	char what[120];
	int err;

	if (p.kind == K_SCALAR)
		return bad_arg(e, a, i, "a pointer to memory");
	snprintf(what, sizeof what, "argument %d of %s", i + 1, a->h->name);
	if (p.kind == K_CTX && !(how & WRITE) && p.off >= 0 &&
	    (uint64_t)p.off + size <= e->code->type->ctx_size && (e->code->type->flags & TYPE_DIRECT)) {
		if ((uint64_t)p.off + size > e->res->ctx_need)
			e->res->ctx_need = (uint32_t)((uint64_t)p.off + size);
		return 0;
	}
	err = check_range(e, (unsigned)i + 1, &p, 0, size, size, how, what);
	if (!err && p.kind == K_STACK)
		err = stack_helper(e, (unsigned)i + 1, &p, size, how);
	return err;
}

/* The constant that lies at a 4-byte key on the stack. */
static bool constant_key(struct env *e, const struct reg *p, uint32_t *key, int *frame, uint32_t *slot)
{
	int64_t at = p->off + (int64_t)p->s.val;
	unsigned k, n;
	struct slot *s;
	uint32_t v = 0;

	if (p->kind != K_STACK || !scalar_is_const(&p->s) || at >= 0)
		return false;
	s = stack_slot(e, p->frame, at, &k);
	if (!s)
		return false;
	n = spill_size(s->byte);
	if (n && k + 4 <= n && reg_const(&s->r)) {
		*key = (uint32_t)(s->r.s.val >> (8 * k));
	} else {
		for (unsigned i = k; i < k + 4; i++)
			if (i > 7 || s->byte[i] != B_ZERO)
				return false;
		*key = v;
	}
	*frame = p->frame;
	*slot = (uint32_t)((-at + 7) / 8 - 1);
	return true;
}

static int key_arg(struct env *e, struct args *a, int i)
{
	int err, frame;
	uint32_t slot;

	if (!a->map)
		return bad_arg(e, a, i, "a map before the key");
	err = memory_arg(e, a, i, a->map->key_size, READ);
	if (err || a->map->key_size != 4)
		return err;
	a->key_const = constant_key(e, arg(e, i), &a->key, &frame, &slot);
	return a->key_const ? precise_slot(e, (unsigned)frame, slot) : 0;
}

/* The size argument that belongs to memory argument i. */
static int size_of(const struct helper *h, int i)
{
	while (++i < 5)
		if (h->arg[i].kind == ARG_SIZE || h->arg[i].kind == ARG_SIZE0)
			return i;
	return -1;
}

static int sized_arg(struct env *e, struct args *a, int i, uint32_t how)
{
	int n = size_of(a->h, i), err;
	struct reg *s;
	char what[100];

	if (n < 0)
		return refuse(e, UEBPF_E_UNSUPPORTED, "contract of %s has memory without a size", a->h->name);
	s = arg(e, n);
	if (s->kind != K_SCALAR)
		return bad_arg(e, a, n, "a size");
	describe(e, s, what, sizeof what);
	err = precise_reg(e, (unsigned)n + 1);
	if (err)
		return err;
	a->size = s->s.umax;
	if (s->s.smin < 0 && rule(e, RULE_HELPER_SIZE))
		return unsafe_(e, n + 1, "bound it from below too, or make it unsigned: `if (n < 0) return 0;`",
			       "size of argument %d of %s may be negative (%s)", i + 1, a->h->name, what);
	if (s->s.umax >= MAX_SIZE && rule(e, RULE_HELPER_SIZE))
		return unsafe_(e, n + 1, "bound it first: `if (n > sizeof(buf)) return 0;`",
			       "size of argument %d of %s has no useful bound (%s)", i + 1, a->h->name, what);
	if (a->h->arg[n].kind == ARG_SIZE && !s->s.umin)
		return unsafe_(e, n + 1, "check it first: `if (n == 0) return 0;`",
			       "size of argument %d of %s may be zero (%s)", i + 1, a->h->name, what);
	if (!rule(e, RULE_HELPER_SIZE))
		return memory_arg(e, a, i, s->s.umin, how);
	if ((a->h->arg[i].flags & ARG_OR_NULL) && is_null(arg(e, i)))
		return s->s.umax ? unsafe_(e, n + 1, NULL, "%s: NULL with a size that may be above 0", a->h->name) : 0;
	return memory_arg(e, a, i, s->s.umax, how);
}

static int map_arg(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);

	if (r->kind != K_MAP || (r->flags & R_MAYBE_NULL))
		return r->kind == K_MAP ? unsafe_(e, i + 1, "check it for NULL before this line",
						  "%s wants a map, but r%d may be NULL", a->h->name, i + 1) :
			bad_arg(e, a, i, "a map");
	a->map = r->map;
	if (a->h->map_types && (r->map->type >= 64 || !(a->h->map_types >> r->map->type & 1)))
		return unsafe_(e, i + 1, NULL, "%s does not work on map `%s` of type %s", a->h->name, r->map->name,
			       r->map->ops->name);
	return 0;
}

static int string_arg(struct env *e, struct args *a, int i)
{
	static const uint32_t zero;
	struct reg *r = arg(e, i);
	const char *text, *why = NULL;
	int64_t at = r->off + (int64_t)r->s.val;

	if (r->kind == K_MEM && r->region && e->region[r->region - 1].text && !r->off && scalar_is_const(&r->s) &&
	    !r->s.val)
		return 0;			/* the host's own string */
	if (r->kind != K_VALUE || !(r->flags & R_DIRECT) || !scalar_is_const(&r->s) || !r->map->frozen ||
	    !r->map->ops->lookup || at < 0 || at >= (int64_t)r->map->value_size)
		return bad_arg(e, a, i, "a constant string (const char [] in read-only data)");
	text = r->map->ops->lookup((struct uebpf_map *)r->map, &zero, NULL);
	if (!text || !memchr(text + at, 0, r->map->value_size - (size_t)at))
		return unsafe_(e, i + 1, NULL, "string argument %d of %s has no end", i + 1, a->h->name);
	if (a->h->check && a->h->check(text + at, a->size, &why))
		return unsafe_(e, i + 1, NULL, "%s: %s", a->h->name, why ? why : "bad format");
	return 0;
}

static bool held(const struct env *e, uint32_t ref)
{
	for (uint32_t i = 0; i < e->st.nr_refs; i++)
		if (e->st.ref[i].id == ref)
			return true;
	return false;
}

/* A dynptr on the stack: its first slot, or NULL. */
static struct slot *dynptr_at(struct env *e, const struct reg *r)
{
	unsigned k;
	struct slot *s, *s2;
	int64_t at = r->off + (int64_t)r->s.val;

	if (r->kind != K_STACK || !scalar_is_const(&r->s) || (at & 7) || at > -16 || -at > 8 * (int64_t)e->nr_slots)
		return NULL;
	s = stack_slot(e, r->frame, at, &k);
	s2 = stack_slot(e, r->frame, at + 8, &k);
	return s && s2 && s->byte[0] == B_DYNPTR && s->dynptr && s2->byte[0] == B_DYNPTR ? s : NULL;
}

static int dynptr_arg(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);
	struct slot *s;
	uint32_t want = a->h->arg[i].size;

	if (r->kind == K_DYNPTR)
		return 0;
	s = dynptr_at(e, r);
	if (!s || (want && s->dynptr != want + 1))
		return bad_arg(e, a, i, "an initialised dynptr on the stack");
	if (a->h->flags & HF_RELEASES)
		a->release = s->dynptr_ref;
	return 0;
}

static int dynptr_out(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);
	int64_t at = r->off + (int64_t)r->s.val;
	unsigned k;
	struct slot *s;
	uint32_t ref = 0;

	if (r->kind != K_STACK || !scalar_is_const(&r->s) || (at & 7) || at > -16 || -at > 8 * (int64_t)e->nr_slots)
		return bad_arg(e, a, i, "16 bytes of stack for a dynptr");
	for (int n = 0; n < 2; n++) {
		s = stack_slot(e, r->frame, at + 8 * n, &k);
		if (s->byte[0] == B_DYNPTR && s->dynptr_ref)
			return unsafe_(e, i + 1, "submit or discard it first",
				       "overwrites a dynptr that must be released");
		if (s->byte[0] == B_DYNPTR && !s->dynptr && n == 0)
			return unsafe_(e, i + 1, NULL, "overwrites the half of another dynptr");
	}
	if (-at > (int64_t)e->sub_depth[e->st.f[r->frame].sub])
		e->sub_depth[e->st.f[r->frame].sub] = (uint32_t)-at;
	if (a->h->arg[i].size == DYNPTR_RINGBUF) {
		if (e->st.nr_refs == MAX_REFS)
			return refuse(e, UEBPF_E_COMPLEX, "more than %d things held at once", MAX_REFS);
		ref = new_id(e);
		e->st.ref[e->st.nr_refs++] = (struct ref){ ref, e->pc };
	}
	for (int n = 0; n < 2; n++) {
		s = stack_slot(e, r->frame, at + 8 * n, &k);
		memset(s->byte, B_DYNPTR, 8);
		s->dynptr = n ? 0 : (uint8_t)(a->h->arg[i].size + 1);
		s->dynptr_ref = ref;
	}
	return 0;
}

static int lock_arg(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);

	if (r->kind != K_VALUE || (r->flags & R_MAYBE_NULL) || r->map->spin_lock_off == UINT32_MAX ||
	    !scalar_is_const(&r->s) || r->off + (int64_t)r->s.val != (int64_t)r->map->spin_lock_off)
		return bad_arg(e, a, i, "a struct bpf_spin_lock in a map value");
	if (a->h->flags & HF_LOCKS) {
		if (e->st.lock_map)
			return unsafe_(e, i + 1, "unlock the first one before", "takes a second spin lock");
		e->st.lock_map = r->map;
		e->st.lock = r->id;
	} else {
		if (e->st.lock_map != r->map || e->st.lock != r->id)
			return unsafe_(e, i + 1, NULL, "unlocks a spin lock that is not held");
		e->st.lock_map = NULL;
		e->st.lock = 0;
	}
	return 0;
}

static int acquired_arg(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);

	if (!is_ptr(r) || !r->ref || !held(e, r->ref))
		return bad_arg(e, a, i, "what was acquired and not released yet");
	if (r->flags & R_MAYBE_NULL)
		return unsafe_(e, i + 1, "check it for NULL before this line", "%s: r%d may be NULL", a->h->name,
			       i + 1);
	if (r->off || !scalar_is_const(&r->s) || r->s.val)
		return unsafe_(e, i + 1, NULL, "%s wants the pointer as it was acquired, r%d was moved",
			       a->h->name, i + 1);
	a->release = r->ref;
	return 0;
}

static int check_arg(struct env *e, struct args *a, int i)
{
	const struct arg *c = &a->h->arg[i];
	struct reg *r = arg(e, i);

	if (c->kind == ARG_NONE)
		return 0;
	if (r->kind == K_NONE && rule(e, RULE_UNINIT))
		return unsafe_(e, i + 1, "give it a value on every path before this line",
			       "r%d, argument %d of %s, was never written (or lost in an earlier call)", i + 1,
			       i + 1, a->h->name);
	if ((c->flags & ARG_OR_NULL) && is_null(r) && size_of(a->h, i) < 0)
		return precise_reg(e, (unsigned)i + 1);
	if ((c->flags & ARG_CONST) && !reg_const(r))
		return bad_arg(e, a, i, "a constant");
	switch (c->kind) {
	case ARG_CTX:
		if (r->kind == K_MEM && (e->code->type->flags & TYPE_RAW) && r->region == 1 && !r->off &&
		    !r->len && scalar_is_const(&r->s) && !r->s.val)
			return 0;
		if (r->kind != K_CTX || r->off)
			return bad_arg(e, a, i, "the context");
		return 0;
	case ARG_SCALAR:
		return r->kind == K_SCALAR ? 0 : bad_arg(e, a, i, "a number");
	case ARG_MAP: return map_arg(e, a, i);
	case ARG_KEY: return key_arg(e, a, i);
	case ARG_VALUE: case ARG_VALUE_OUT:
		return a->map ? memory_arg(e, a, i, a->map->value_size, c->kind == ARG_VALUE ? READ : WRITE) :
			bad_arg(e, a, i, "a map before the value");
	case ARG_MEM: return sized_arg(e, a, i, READ);
	case ARG_MEM_OUT: return sized_arg(e, a, i, WRITE);
	case ARG_MEM_INOUT: return sized_arg(e, a, i, READ | WRITE);
	case ARG_FIXED: return memory_arg(e, a, i, c->size, READ);
	case ARG_FIXED_OUT: {
		int err = memory_arg(e, a, i, c->size, WRITE);

		return err || (c->size != 4 && c->size != 8) ? err :
		       aligned(e, (unsigned)i + 1, r, 0, c->size, "result");
	}
	case ARG_SIZE: case ARG_SIZE0:
		return r->kind == K_SCALAR ? 0 : bad_arg(e, a, i, "a size");
	case ARG_ALLOC_SIZE:
		if (!reg_const(r))
			return bad_arg(e, a, i, "a constant size");
		a->alloc = r->s.val;
		return precise_reg(e, (unsigned)i + 1);
	case ARG_CSTR: return string_arg(e, a, i);
	case ARG_FUNC: return r->kind == K_FUNC ? 0 : bad_arg(e, a, i, "a function of this program");
	case ARG_STACK: return r->kind == K_STACK ? 0 : bad_arg(e, a, i, "a pointer to the stack or NULL");
	case ARG_ACQUIRED: return acquired_arg(e, a, i);
	case ARG_SPIN_LOCK: return lock_arg(e, a, i);
	case ARG_DYNPTR: return dynptr_arg(e, a, i);
	case ARG_DYNPTR_OUT: return dynptr_out(e, a, i);
	case ARG_SOCK: case ARG_BTF:
		if (r->kind != K_OBJECT || (r->flags & R_MAYBE_NULL))
			return bad_arg(e, a, i, "an object of the host that is not NULL");
		if (a->h->flags & HF_RELEASES)
			return acquired_arg(e, a, i);
		return 0;
	case ARG_TIMER: case ARG_KPTR:
		return refuse(e, UEBPF_E_UNSUPPORTED, "%s: timers and kernel pointers in map values are not "
			      "verified here", a->h->name);
	default:
		return 0;
	}
}

/* ---- after the call ---- */

static void release(struct env *e, struct reg *r, void *arg)
{
	(void)e;
	if (r->ref == *(uint32_t *)arg && is_ptr(r))
		*r = reg_unknown(r->since);
}

static void release_ref(struct env *e, uint32_t ref)
{
	if (!ref)
		return;
	for (uint32_t i = 0; i < e->st.nr_refs; i++)
		if (e->st.ref[i].id == ref) {
			memmove(&e->st.ref[i], &e->st.ref[i + 1], (e->st.nr_refs - i - 1) * sizeof e->st.ref[0]);
			e->st.nr_refs--;
			break;
		}
	if (rule(e, RULE_RELEASE))
		for_each_reg(e, release, &ref);
	for (uint32_t n = 0; n < e->st.nr_frames; n++)
		for (uint32_t k = 0; k < e->st.f[n].depth; k++) {
			struct slot *s = &e->st.f[n].slot[k];

			if (s->byte[0] == B_DYNPTR && s->dynptr_ref == ref) {
				memset(s->byte, B_MISC, 8);
				s->dynptr = 0;
				s->dynptr_ref = 0;
			}
		}
}

static int returns_value(struct env *e, const struct args *a, struct reg *r0)
{
	if (!a->map)
		return refuse(e, UEBPF_E_UNSUPPORTED, "contract of %s returns a value without a map", a->h->name);
	if (a->map->ops->traits & MT_MAPS) {
		if (!a->map->inner)
			return refuse(e, UEBPF_E_UNSUPPORTED, "map `%s` has no template of its inner maps", a->map->name);
		*r0 = reg_pointer(K_MAP, e->pc);
		r0->map = a->map->inner;
	} else if (a->map->ops->traits & (MT_REDIRECT | MT_PROGS)) {
		*r0 = reg_pointer(K_OBJECT, e->pc);
	} else {
		*r0 = reg_pointer(K_VALUE, e->pc);
		r0->map = a->map;
	}
	r0->id = new_id(e);
	if (a->h->ret.kind == RET_VALUE)
		return 0;
	/* an element of an array is always there */
	if (r0->kind == K_VALUE && a->key_const && (a->map->ops->traits & (MT_ARRAY | MT_PERCPU)) == MT_ARRAY &&
	    a->key < a->map->max_entries)
		return 0;
	r0->flags |= R_MAYBE_NULL;
	return 0;
}

static int result(struct env *e, const struct args *a)
{
	const struct ret *c = &a->h->ret;
	struct reg r0 = reg_unknown(e->pc);
	int err = 0;

	switch (c->kind) {
	case RET_SCALAR: case RET_NEVER:
		if (c->flags & RET_UPTO_SIZE)
			r0 = reg_number(scalar_srange(width64, -4095, (int64_t)a->size), e->pc);
		else if (c->lo < c->hi)
			r0 = reg_number(scalar_srange(width64, c->lo, c->hi), e->pc);
		break;
	case RET_VOID:
		r0 = e->kernel ? reg_unknown(e->pc) : reg_constant(0, e->pc);
		break;
	case RET_VALUE: case RET_VALUE_OR_NULL:
		err = returns_value(e, a, &r0);
		break;
	case RET_MEM: case RET_MEM_OR_NULL:
		r0 = reg_pointer(K_MEM, e->pc);
		r0.size = c->size ? c->size : a->alloc;
		r0.id = new_id(e);
		r0.flags = c->kind == RET_MEM ? 0 : R_MAYBE_NULL;
		break;
	case RET_SOCK_OR_NULL: case RET_BTF_OR_NULL: case RET_BTF:
		r0 = reg_pointer(K_OBJECT, e->pc);
		r0.id = new_id(e);
		r0.flags = c->kind == RET_BTF ? 0 : R_MAYBE_NULL;
		break;
	default:			/* RET_FIRST */
		r0 = top(e)->r[1];
		break;
	}
	if (err)
		return err;
	if (c->flags & RET_ACQUIRES) {
		if (e->st.nr_refs == MAX_REFS)
			return refuse(e, UEBPF_E_COMPLEX, "more than %d things held at once", MAX_REFS);
		r0.ref = r0.id ? r0.id : (r0.id = new_id(e));
		e->st.ref[e->st.nr_refs++] = (struct ref){ r0.ref, e->pc };
	}
	for (int i = 1; i <= 5 && rule(e, RULE_CALLER_SAVED); i++)
		memset(&top(e)->r[i], 0, sizeof top(e)->r[i]);
	if (c->kind == RET_VOID && e->kernel)
		memset(&r0, 0, sizeof r0);
	top(e)->r[0] = r0;
	fact_result(e, &r0);
	return step_reg(e, ST_HELPER, 0, 0);
}

/* ---- callbacks ---- */

static int find_arg(const struct helper *h, enum arg_kind kind)
{
	for (int i = 0; i < 5; i++)
		if (h->arg[i].kind == kind)
			return i;
	return -1;
}

static int push_frame(struct env *e, uint32_t start)
{
	uint32_t max = e->code->max_frames ? e->code->max_frames : 8;
	struct frame *f;

	if (e->st.nr_frames >= max || e->st.nr_frames >= MAX_FRAMES)
		return refuse(e, UEBPF_E_UNSAFE, "calls are nested deeper than %u frames (recursion?)", max);
	if (frame_room(e, e->st.nr_frames))
		return -ENOMEM;
	f = &e->st.f[e->st.nr_frames];
	memset(f->r, 0, sizeof f->r);
	f->depth = 0;
	f->sub = e->flow.sub_of[start];
	f->ret = e->pc;
	f->callback = 0;
	f->rounds = 0;
	f->r[10] = reg_pointer(K_STACK, start);
	f->r[10].frame = (uint8_t)e->st.nr_frames;
	e->st.nr_frames++;
	if (e->deepest < e->st.nr_frames)
		e->deepest = e->st.nr_frames;
	return 0;
}

/* One more round of the callback of the call at e->pc; the caller's r1-r5 are as at the call. */
static int enter_callback(struct env *e, const struct helper *h, uint32_t round)
{
	struct frame *caller = top(e), *f;
	int fn = find_arg(h, ARG_FUNC), ctx = find_arg(h, ARG_STACK), err, n = 1;
	uint32_t start = caller->r[fn + 1].func;
	enum callback how = h->arg[fn].size;
	const struct uebpf_map *map = NULL;

	for (int i = 0; i < 5; i++)
		if (h->arg[i].kind == ARG_MAP)
			map = caller->r[i + 1].map;
	err = ctx >= 0 && is_number(&caller->r[ctx + 1]) ? precise_reg(e, (unsigned)ctx + 1) : 0;
	err = err ? err : step_reg(e, ST_CALL, 0, 0);
	err = err ? err : push_frame(e, start);
	if (err)
		return err;
	f = top(e);
	f->callback = (uint8_t)(how + 1);
	f->rounds = round;
	f->refs_at_entry = (uint8_t)e->st.nr_refs;
	switch (how) {
	case CALLBACK_LOOP:
		f->r[n++] = reg_number(scalar_urange(width64, 0, caller->r[1].s.umax ?
					      (caller->r[1].s.umax < 1 << 23 ? caller->r[1].s.umax - 1 : (1 << 23) - 1) : 0),
				       e->pc);
		break;
	case CALLBACK_MAP_ELEM:
		if (!map)
			return refuse(e, UEBPF_E_UNSUPPORTED, "%s without a map", h->name);
		f->r[n] = reg_pointer(K_MAP, e->pc);
		f->r[n++].map = map;
		f->r[n] = reg_pointer(K_MEM, e->pc);
		f->r[n].flags = R_RDONLY;
		f->r[n++].size = map->key_size;
		f->r[n] = reg_pointer(K_VALUE, e->pc);
		f->r[n].id = map->spin_lock_off != UINT32_MAX ? new_id(e) : 0;
		f->r[n++].map = map;
		break;
	case CALLBACK_DYNPTR:
		f->r[n++] = reg_pointer(K_DYNPTR, e->pc);
		break;
	default:
		return refuse(e, UEBPF_E_UNSUPPORTED, "%s: its callbacks are not verified here", h->name);
	}
	if (ctx >= 0)
		f->r[n] = caller->r[ctx + 1];
	for (int i = 1; i <= 5 && !err; i++)
		err = step_reg(e, ST_DEF, (unsigned)i, (unsigned)i);
	e->next = start;
	return err;
}

/* The call at e->pc is over. */
int helper_finish(struct env *e)
{
	struct args a = { .h = code_helper(e->code, &e->code->insn[e->pc]) };

	for (int i = 0; i < 5; i++)
		if (a.h->arg[i].kind == ARG_MAP)
			a.map = arg(e, i)->map;
	e->next = e->pc + 1;
	return result(e, &a);
}

static int callback_returns(struct env *e, uint32_t ret, uint32_t round)
{
	const struct helper *h = code_helper(e->code, &e->code->insn[ret]);
	const struct reg *n = &top(e)->r[1];
	int err;

	e->pc = ret;
	if (h->arg[find_arg(h, ARG_FUNC)].size == CALLBACK_LOOP && round != ANY_ROUND && is_number(n) &&
	    n->s.hmax <= round) {		/* as often as asked for */
		err = precise_reg(e, 1);
		return err ? err : helper_finish(e);
	}
	err = push_finish(e);
	return err ? err : enter_callback(e, h, round == ANY_ROUND ? round : round + 1);
}

/* ---- helpers ---- */

static int offered(struct env *e, const struct helper *h)
{
	if (!e->kernel)
		return 0;
	if (!(h->groups & HG_BASE) && !(h->groups & e->code->type->groups & ~(uint32_t)HG_BASE))
		return refuse(e, UEBPF_E_FORM, "the kernel does not offer helper %s to %s programs", h->name,
			      e->code->type->name);
	if ((h->flags & HF_GPL) && !e->code->gpl)
		return refuse(e, UEBPF_E_FORM, "helper %s needs a GPL-compatible licence in section \"license\"",
			      h->name);
	return 0;
}

int do_call(struct env *e, const struct insn *in)
{
	struct args a = { .h = in->op == OP_CALL_KFUNC ? NULL : code_helper(e->code, in) };
	int err;

	if (in->op == OP_CALL_KFUNC)
		return refuse(e, UEBPF_E_UNSUPPORTED, "kernel functions (kfuncs) do not exist in user space");
	if (!a.h)
		return refuse(e, UEBPF_E_HELPER, in->imm == HELPER_POISON ?
			      "this instruction needs a kernel type or symbol that is not here" :
			      "there is no helper %d", (int)in->imm);
	err = offered(e, a.h);
	if (err)
		return err;
	if (e->st.lock_map && !(a.h->flags & (HF_UNLOCKS | HF_LOCKS)))
		return unsafe_(e, -1, "unlock first", "calls %s while a spin lock is held", a.h->name);
	/* sizes are asked by the memory argument before them; strings want the size first */
	for (int i = 0; i < 5 && !err; i++)
		if (a.h->arg[i].kind != ARG_CSTR && a.h->arg[i].kind != ARG_DYNPTR_OUT)
			err = check_arg(e, &a, i);
	for (int i = 0; i < 5 && !err; i++)
		if (a.h->arg[i].kind == ARG_CSTR || a.h->arg[i].kind == ARG_DYNPTR_OUT)
			err = check_arg(e, &a, i);
	if (err)
		return err;
	fact_key(e, a.map, a.key_const, a.key);
	if ((a.h->flags & HF_TAIL) && e->st.nr_refs)
		return unsafe_(e, -1, "release it first", "tail call while something acquired is not released");
	if (a.h->flags & HF_RELEASES)
		release_ref(e, a.release);
	if (a.h->flags & HF_MOVES_PACKET)
		stack_forget_packets(e);
	if (a.h->flags & HF_CALLS_BACK) {
		if (a.h->arg[find_arg(a.h, ARG_FUNC) < 0 ? 0 : find_arg(a.h, ARG_FUNC)].kind != ARG_FUNC)
			return refuse(e, UEBPF_E_UNSUPPORTED, "contract of %s names no function", a.h->name);
		err = push_finish(e);
		return err ? err : enter_callback(e, a.h, 1);
	}
	err = result(e, &a);
	e->next = e->pc + 1;
	return err;
}

/* ---- subprograms ---- */

static int check_proto(struct env *e, const struct proto *p, const char *name)
{
	for (uint32_t i = 0; i < p->nr_args; i++) {
		struct reg *r = arg(e, (int)i);
		const struct proto_arg *c = &p->arg[i];
		char what[80];
		int err;

		if (r->kind == K_NONE)
			return unsafe_(e, (int)i + 1, NULL, "argument %u of %s was never written", i + 1, name);
		describe(e, r, what, sizeof what);
		switch (c->kind) {
		case PROTO_CTX:
			if (r->kind != K_CTX || r->off)
				return unsafe_(e, (int)i + 1, NULL, "%s wants the context as argument %u, but r%u is %s",
					       name, i + 1, i + 1, what);
			break;
		case PROTO_MEM:
			if (is_null(r) && !c->nonnull) {
				err = precise_reg(e, i + 1);
				if (err)
					return err;
				break;
			}
			if ((r->flags & R_MAYBE_NULL) && !c->nonnull) {
				struct reg p2 = *r;

				p2.flags &= (uint8_t)~R_MAYBE_NULL;
				err = check_range(e, i + 1, &p2, 0, c->size, c->size, READ | WRITE, name);
			} else {
				err = check_range(e, i + 1, r, 0, c->size, c->size, READ | WRITE, name);
			}
			if (!err && r->kind == K_STACK)
				err = stack_helper(e, i + 1, r, c->size, READ | WRITE);
			if (err)
				return err;
			break;
		default:
			if (r->kind != K_SCALAR)
				return unsafe_(e, (int)i + 1, NULL, "%s wants a number as argument %u, but r%u is %s",
					       name, i + 1, i + 1, what);
		}
	}
	return 0;
}

static bool may_move_packet(const struct code *code)
{
	for (uint32_t i = 0; i < code->n; i++) {
		const struct helper *h = code->insn[i].op == OP_CALL ? code_helper(code, &code->insn[i]) : NULL;

		if (h && (h->flags & HF_MOVES_PACKET))
			return true;
	}
	return false;
}

int do_local(struct env *e, const struct insn *in)
{
	uint32_t start = (uint32_t)in->off, sub = e->flow.sub_of[start];
	struct frame *caller = top(e);
	int err;

	if (in->op == OP_CALLX)
		return refuse(e, UEBPF_E_UNSUPPORTED, "calls through a register are not verified");
	if (e->sub_alone[sub]) {
		if (e->st.lock_map)
			return unsafe_(e, -1, "unlock first", "calls a global function while a spin lock is held");
		err = check_proto(e, &e->protos[sub], e->code->sub[sub].name);
		if (err)
			return err;
		if (may_move_packet(e->code))
			stack_forget_packets(e);
		for (int i = 0; i <= 5; i++)
			memset(&caller->r[i], 0, sizeof caller->r[i]);
		if (e->protos[sub].returns)
			caller->r[0] = reg_unknown(e->pc);
		e->next = e->pc + 1;
		return step_reg(e, ST_HELPER, 0, 0);
	}
	err = step_reg(e, ST_CALL, 0, 0);
	err = err ? err : push_frame(e, start);
	if (err)
		return err;
	for (int i = 1; i <= 5; i++)
		top(e)->r[i] = caller->r[i];
	e->next = start;
	return 0;
}

static void pop_frame(struct env *e)
{
	struct frame *f = top(e);

	for (uint32_t k = 0; k < f->depth; k++)
		memset(f->slot[k].byte, 0, 8);
	f->depth = 0;
	e->st.nr_frames--;
}

static void forget_frame(struct env *e, struct reg *r, void *arg)
{
	if (r->kind == K_STACK && r->frame >= *(uint32_t *)arg)
		*r = reg_unknown(e->pc);
}

static int leave_callback(struct env *e, const struct frame *f)
{
	uint32_t ret = f->ret, round = f->rounds;
	const struct reg *r0 = &f->r[0];
	int err;

	if (r0->kind != K_SCALAR)
		return unsafe_(e, 0, "return 0 to go on, 1 to stop", "callback returns without a number in r0");
	err = precise_reg(e, 0);
	if (err)
		return err;
	if (e->kernel && r0->s.umax > 1)
		return unsafe_(e, 0, "return 0 to go on, 1 to stop", "callback must return 0 or 1");
	if (e->st.nr_refs > f->refs_at_entry)
		return unsafe_(e, -1, "release it before the callback returns",
			       "callback leaves something acquired and not released");
	if (e->st.nr_refs < f->refs_at_entry)
		return unsafe_(e, -1, NULL, "callback releases what its caller acquired");
	pop_frame(e);
	err = step_reg(e, ST_RET, 0, 0);
	return err ? err : callback_returns(e, ret, round);
}

static int leave_program(struct env *e)
{
	const struct prog_type *type = e->code->type;
	struct reg *r0 = &top(e)->r[0];
	char what[80];
	int err;

	if (e->st.nr_refs)
		return unsafe_(e, -1, "release it on every path", "leaves what was acquired at instruction %u and "
			       "not released", e->code->slot[e->st.ref[0].pc]);
	if (e->st.lock_map)
		return unsafe_(e, -1, "unlock on every path", "leaves with a spin lock held");
	if (e->cur_sub) {
		if (e->protos[e->cur_sub].returns && r0->kind != K_SCALAR)
			return unsafe_(e, 0, NULL, "a global function must return a number");
		return PATH_ENDS;
	}
	if (r0->kind == K_NONE && rule(e, RULE_UNINIT))
		return unsafe_(e, 0, "return a value on every path", "leaves without a value in r0");
	if (type->ret_lo < type->ret_hi) {
		describe(e, r0, what, sizeof what);
		err = precise_reg(e, 0);
		if (err)
			return err;
		if (r0->kind != K_SCALAR || r0->s.smin < type->ret_lo || r0->s.smax > type->ret_hi)
			return unsafe_(e, 0, NULL, "%s programs must return %" PRId64 "..%" PRId64 ", r0 is %s",
				       type->name, type->ret_lo, type->ret_hi, what);
	}
	if (e->res->ret_lo > e->res->ret_hi) {
		e->res->ret_lo = r0->kind == K_SCALAR ? r0->s.umin : 0;
		e->res->ret_hi = r0->kind == K_SCALAR ? r0->s.umax : UINT64_MAX;
	} else {
		e->res->ret_lo = r0->kind != K_SCALAR ? 0 : r0->s.umin < e->res->ret_lo ? r0->s.umin : e->res->ret_lo;
		e->res->ret_hi = r0->kind != K_SCALAR ? UINT64_MAX :
			r0->s.umax > e->res->ret_hi ? r0->s.umax : e->res->ret_hi;
	}
	return PATH_ENDS;
}

int do_exit(struct env *e)
{
	struct frame *f = top(e), *caller;
	uint32_t ret = f->ret, frame;
	struct reg r0 = f->r[0];

	if (e->st.nr_frames == 1)
		return leave_program(e);
	if (r0.kind == K_STACK && r0.frame == e->st.nr_frames - 1)
		return unsafe_(e, 0, NULL, "returns a pointer to its own stack frame");
	if (f->callback)
		return leave_callback(e, f);
	pop_frame(e);
	frame = e->st.nr_frames;
	for_each_reg(e, forget_frame, &frame);
	caller = top(e);
	for (int i = 1; i <= 5; i++)
		memset(&caller->r[i], 0, sizeof caller->r[i]);
	caller->r[0] = r0;
	e->next = ret + 1;
	return step_reg(e, ST_RET, 0, 0);
}

int do_packet_load(struct env *e, const struct insn *in)
{
	struct frame *f = top(e);
	const struct op_info *op = &isa_op[in->op];

	if (!(e->code->type->flags & TYPE_LD_ABS))
		return refuse(e, UEBPF_E_FORM, "packet loads (LD_ABS, LD_IND) are not for %s programs",
			      e->code->type->name);
	if (f->r[6].kind != K_CTX || f->r[6].off)
		return unsafe_(e, 6, "keep the context in r6", "packet load without the context in r6");
	if (e->st.nr_refs || e->st.lock_map)
		return unsafe_(e, -1, "release it first", "a packet load may end the program while something is held");
	if (op->shape == SHAPE_PKT_IND && f->r[in->src].kind != K_SCALAR)
		return unsafe_(e, in->src, NULL, "packet load at an offset that is not a number");
	for (int i = 1; i <= 5; i++)
		memset(&f->r[i], 0, sizeof f->r[i]);
	f->r[0] = reg_number(scalar_urange(width64, 0, width_mask(8 * op->size)), e->pc);
	e->next = e->pc + 1;
	return step_reg(e, ST_HELPER, 0, 0);
}
