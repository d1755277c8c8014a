/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* args.c - a helper's arguments against the contract in its row, one function per kind.  No helper is
 * known by its number. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "verifier/state.h"

enum { MAX_SIZE = 1 << 29 };

static int bad_arg(struct env *e, const struct args *a, int i, const char *want)
{
	char what[100];

	describe(e, &top(e)->r[i + 1], what, sizeof what);
	return unsafe_(e, i + 1, NULL, "%s wants %s as argument %d, but r%d is %s", helper_name(a->h), want, i + 1,
		       i + 1, what);
}

static struct reg *arg(struct env *e, int i) { return &top(e)->r[i + 1]; }

bool is_null(const struct reg *r) { return reg_const(r) && !r->s.val; }

static int memory_arg(struct env *e, const struct args *a, int i, uint64_t size, uint32_t how)
{
	struct reg p = *arg(e, i);
	char what[120];
	int err;

	if (p.kind == K_SCALAR)
		return bad_arg(e, a, i, "a pointer to memory");
	snprintf(what, sizeof what, "argument %d of %s", i + 1, helper_name(a->h));
	if (p.kind == K_CTX && !(how & WRITE) && p.off >= 0 &&
	    (uint64_t)p.off + size <= e->code->type->ctx_size && (e->code->type->flags & TYPE_DIRECT)) {
		if ((uint64_t)p.off + size > e->res->ctx_need)
			e->res->ctx_need = (uint32_t)((uint64_t)p.off + size);
		return 0;
	}
	err = check_range(e, (unsigned)i + 1, &p, 0, size, size, how, what);
	if (!err && p.kind == K_STACK)
		err = stack_helper(e, (unsigned)i + 1, &p, size, how);
	if (!err && e->kernel && (p.kind == K_PACKET || p.kind == K_META) && !(a->h->flags & HF_PACKET_ARGS))
		return refuse(e, UEBPF_E_FORM, "the kernel lets %s not touch packet memory; copy it to the stack",
			      helper_name(a->h));
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

static int sized_arg(struct env *e, struct args *a, int i, uint32_t how)
{
	int n = (int)helper_length(a->h, (unsigned)i), err;
	struct reg *s;
	char what[100];

	if (n == 5)
		return refuse(e, UEBPF_E_UNSUPPORTED, "contract of %s has memory without a size", helper_name(a->h));
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
			       "size of argument %d of %s may be negative (%s)", i + 1, helper_name(a->h), what);
	if (s->s.umax >= MAX_SIZE && rule(e, RULE_HELPER_SIZE))
		return unsafe_(e, n + 1, "bound it first: `if (n > sizeof(buf)) return 0;`",
			       "size of argument %d of %s has no useful bound (%s)", i + 1, helper_name(a->h), what);
	if (helper_arg(a->h, (unsigned)n).kind == ARG_SIZE && !s->s.umin)
		return unsafe_(e, n + 1, "check it first: `if (n == 0) return 0;`",
			       "size of argument %d of %s may be zero (%s)", i + 1, helper_name(a->h), what);
	if (!rule(e, RULE_HELPER_SIZE))
		return memory_arg(e, a, i, s->s.umin, how);
	if ((helper_arg(a->h, (unsigned)i).flags & ARG_OR_NULL) && is_null(arg(e, i)))
		return s->s.umax ? unsafe_(e, n + 1, NULL, "%s: NULL with a size that may be above 0", helper_name(a->h)) : 0;
	return memory_arg(e, a, i, s->s.umax, how);
}

static int map_arg(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);

	if (r->kind != K_MAP || (r->flags & R_MAYBE_NULL))
		return r->kind == K_MAP ? unsafe_(e, i + 1, "check it for NULL before this line",
						  "%s wants a map, but r%d may be NULL", helper_name(a->h), i + 1) :
			bad_arg(e, a, i, "a map");
	a->map = r->map;
	if (!helper_takes(a->h, r->map->type))
		return unsafe_(e, i + 1, NULL, "%s does not work on map `%s` of type %s", helper_name(a->h), r->map->name,
			       r->map->ops->name);
	return 0;
}

static int string_arg(struct env *e, struct args *a, int i)
{
	static const uint32_t zero;
	struct reg *r = arg(e, i);
	const char *text, *why = NULL;
	int64_t at = r->off + (int64_t)r->s.val;

	if (r->flags & R_MAYBE_NULL)
		return unsafe_(e, i + 1, "check it for NULL before this line", "r%d may be NULL, argument %d of %s is a string", i + 1,
			       i + 1, helper_name(a->h));
	if (r->kind == K_MEM && r->region && e->region[r->region - 1].text && !r->off && scalar_is_const(&r->s) &&
	    !r->s.val)
		return 0;			/* the host's own string */
	if (r->kind != K_VALUE || !(r->flags & R_DIRECT) || !scalar_is_const(&r->s) || !r->map->frozen ||
	    !r->map->ops->lookup || at < 0 || at >= (int64_t)r->map->value_size)
		return bad_arg(e, a, i, "a constant string (const char [] in read-only data)");
	text = r->map->ops->lookup((struct uebpf_map *)r->map, &zero, NULL);
	if (!text || !memchr(text + at, 0, r->map->value_size - (size_t)at))
		return unsafe_(e, i + 1, NULL, "string argument %d of %s has no end", i + 1, helper_name(a->h));
	if (helper_check(a->h) && helper_check(a->h)(text + at, a->size, &why))
		return unsafe_(e, i + 1, NULL, "%s: %s", helper_name(a->h), why ? why : "bad format");
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
	if (!s || !s2 || !s->dynptr)
		return NULL;
	for (int i = 0; i < 8; i++)
		if (s->byte[i] != B_DYNPTR || s2->byte[i] != B_DYNPTR)
			return NULL;
	return s;
}

static int dynptr_arg(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);
	struct slot *s;
	uint32_t want = helper_arg(a->h, (unsigned)i).size;

	if (r->kind == K_DYNPTR)
		return 0;
	s = dynptr_at(e, r);
	if (!s || (want && s->dynptr != want + 1))
		return bad_arg(e, a, i, "an initialised dynptr on the stack");
	a->dynptr = s->dynptr_ref;
	if (a->h->flags & HF_RELEASES)
		a->release = s->dynptr_ref;
	return 0;
}

static int dynptr_out(struct env *e, struct args *a, int i)
{
	struct reg *r = arg(e, i);
	int64_t at = r->off + (int64_t)r->s.val;
	uint16_t made = helper_arg(a->h, (unsigned)i).size;
	unsigned k;
	struct slot *s;
	uint32_t ref = 0;

	if (r->kind != K_STACK || !scalar_is_const(&r->s) || (at & 7) || at > -16 || -at > 8 * (int64_t)e->nr_slots)
		return bad_arg(e, a, i, "16 bytes of stack for a dynptr");
	/* it may outlive a frame, and what it points to has no owner */
	if (made == DYNPTR_LOCAL && arg(e, 0)->kind != K_VALUE)
		return bad_arg(e, a, 0, "memory of a map value");
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
	if (made == DYNPTR_RINGBUF) {
		if (e->st.nr_refs == MAX_REFS)
			return refuse(e, UEBPF_E_COMPLEX, "more than %d things held at once", MAX_REFS);
		ref = new_id(e);
		e->st.ref[e->st.nr_refs++] = (struct ref){ ref, e->pc };
	}
	for (int n = 0; n < 2; n++) {
		s = stack_slot(e, r->frame, at + 8 * n, &k);
		memset(s->byte, B_DYNPTR, 8);
		s->dynptr = n ? 0 : (uint8_t)(made + 1);
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
		return unsafe_(e, i + 1, "check it for NULL before this line", "%s: r%d may be NULL", helper_name(a->h),
			       i + 1);
	if (r->off || !scalar_is_const(&r->s) || r->s.val)
		return unsafe_(e, i + 1, NULL, "%s wants the pointer as it was acquired, r%d was moved",
			       helper_name(a->h), i + 1);
	a->release = r->ref;
	return 0;
}

static int check_arg(struct env *e, struct args *a, int i)
{
	struct arg c = helper_arg(a->h, (unsigned)i);
	struct reg *r = arg(e, i);

	if (c.kind == ARG_NONE)
		return 0;
	if (r->kind == K_NONE && rule(e, RULE_UNINIT))
		return unsafe_(e, i + 1, "give it a value on every path before this line",
			       "r%d, argument %d of %s, was never written (or lost in an earlier call)", i + 1,
			       i + 1, helper_name(a->h));
	if ((c.flags & ARG_OR_NULL) && is_null(r) && helper_length(a->h, (unsigned)i) == 5)
		return precise_reg(e, (unsigned)i + 1);
	if ((c.flags & ARG_CONST) && !reg_const(r))
		return bad_arg(e, a, i, "a constant");
	switch (c.kind) {
	case ARG_CTX:
		if (r->kind == K_MEM && (e->code->type->flags & TYPE_RAW) && r->region == 1 && !r->off &&
		    !r->len && scalar_is_const(&r->s) && !r->s.val)
			return 0;
		if (r->kind != K_CTX || r->off)
			return bad_arg(e, a, i, "the context");
		return 0;
	case ARG_SCALAR:
		if (c.flags & ARG_CONST) {
			fact_constant(e, i, r->s.val);
			return precise_reg(e, (unsigned)i + 1);
		}
		return r->kind == K_SCALAR ? 0 : bad_arg(e, a, i, "a number");
	case ARG_MAP: return map_arg(e, a, i);
	case ARG_KEY: return key_arg(e, a, i);
	case ARG_VALUE: case ARG_VALUE_OUT:
		return a->map ? memory_arg(e, a, i, a->map->value_size, c.kind == ARG_VALUE ? READ : WRITE) :
			bad_arg(e, a, i, "a map before the value");
	case ARG_MEM: return sized_arg(e, a, i, READ);
	case ARG_MEM_OUT: return sized_arg(e, a, i, WRITE);
	case ARG_MEM_INOUT: return sized_arg(e, a, i, READ | WRITE);
	case ARG_FIXED: return memory_arg(e, a, i, c.size, READ);
	case ARG_FIXED_OUT: {
		int err = memory_arg(e, a, i, c.size, WRITE);

		return err || (c.size != 4 && c.size != 8) ? err :
		       aligned(e, (unsigned)i + 1, r, 0, c.size, "result");
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
		if (r->kind == K_CTX && c.kind == ARG_SOCK && (e->code->type->flags & TYPE_SOCK) && !r->off)
			return 0;
		if (r->kind == K_OBJECT && (r->flags & R_MAYBE_NULL) && (c.flags & ARG_OR_NULL) &&
		    (!e->kernel || (r->flags & R_ALWAYS)))
			return 0;
		if (r->kind != K_OBJECT || (r->flags & R_MAYBE_NULL))
			return bad_arg(e, a, i, "an object of the host that is not NULL");
		if (a->h->flags & HF_RELEASES)
			return acquired_arg(e, a, i);
		return 0;
	case ARG_TIMER: case ARG_KPTR:
		return refuse(e, UEBPF_E_UNSUPPORTED, "%s: timers and kernel pointers in map values are not "
			      "verified here", helper_name(a->h));
	default:
		return 0;
	}
}

int check_args(struct env *e, struct args *a)
{
	int err = 0;

	/* sizes are asked by the memory argument before them; strings want the size first */
	for (int i = 0; i < 10 && !err; i++) {
		uint8_t kind = helper_arg(a->h, (unsigned)i % 5).kind;

		if ((kind == ARG_CSTR || kind == ARG_DYNPTR_OUT) == (i >= 5))
			err = check_arg(e, a, i % 5);
	}
	return err;
}
