/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* args.c - a helper's arguments against the contract in its row, one function per kind.  No helper is
 * known by its number. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "verifier/state.h"

enum { MAX_SIZE = 1 << 29 };
enum { F_INNER_MAP = 1 << 12 };	/* BPF_F_x of BPF_MAP_CREATE: other inner maps may have fewer elements */

/* a->n, the register of the argument at hand, is not what is wanted. */
static int bad_arg(struct env *e, const struct args *a, const char *want)
{
	char what[100];

	describe(e, a->r, what, sizeof what);
	return unsafe_(e, a->n, a->c.kind == ARG_ALLOC_SIZE ? MESSAGE_TEXT("use bpf_ringbuf_output for any length") : NULL,
		       "%s wants %s as argument %d, but r%d is %s", helper_name(a->h), message_text(want), a->n, a->n,
		       what);
}

static void select_arg(struct env *e, struct args *a, int i)
{
	a->n = i + 1;
	a->r = &e->top->r[i + 1];
}

static int may_be_null(struct env *e, const struct args *a)
{
	return unsafe_(e, a->n, MESSAGE_TEXT("check it for NULL before this line"), "r%d may be NULL, argument %d of %s", a->n, a->n,
		       helper_name(a->h));
}

/* Where a pointer to the stack points; 0: not to one known place. */
static int64_t stack_place(const struct reg *r)
{
	return r->kind == K_STACK && scalar_is_const(&r->s) ? (int64_t)((uint64_t)r->off + r->s.val) : 0;
}

/* Exactly the pointer as it was handed out? */
static bool unmoved(const struct reg *r) { return !r->off && scalar_is_const(&r->s) && !r->s.val; }

bool is_null(const struct reg *r) { return reg_const(r) && !r->s.val; }

static int memory_arg(struct env *e, const struct args *a, uint64_t size, uint32_t how)
{
	struct reg p = *a->r;
	const struct prog_type *type = e->code->type;
	uint64_t end = (uint64_t)p.off + size;
	int err;

	if (p.kind == K_SCALAR)
		return bad_arg(e, a, MESSAGE_TEXT("a pointer to memory"));
	e->callee = a->h;
	if (p.kind == K_CTX && !(how & WRITE) && p.off >= 0 && end <= type->ctx_size && (type->flags & TYPE_DIRECT)) {
		if (end > e->res->ctx_need)
			e->res->ctx_need = (uint32_t)end;
		return 0;
	}
	err = check_range(e, (unsigned)a->n, &p, 0, size, how, "");
	if (!err && p.kind == K_STACK)
		err = stack_helper(e, &p, size, how);
	if (!err && e->kernel && (p.kind == K_PACKET || p.kind == K_META) && !(a->h->flags & HF_PACKET_ARGS))
		return refuse(e, UEBPF_E_FORM, "the kernel lets %s not touch packet memory; copy it to the stack",
			      helper_name(a->h));
	return err;
}

/* The number that lies at a 4-byte key on the stack: its slot and what it can be. */
static struct slot *key_slot(struct env *e, const struct reg *p, struct scalar *key)
{
	int64_t at = stack_place(p);
	unsigned k, n, from;
	struct slot *s = at < 0 ? stack_slot(e, p->frame, at, &k) : NULL;

	if (!s || k > 4)
		return NULL;
	from = spill_run(s->byte, &n);
	if (k >= from && k + 4 <= from + n && is_number(&s->r)) {
		*key = s->r.s;
		scalar_shift_right(key, 8 * (k - from));
		scalar_zext(key, width64, key, 32);
		return s;
	}
	scalar_const(key, width64, 0);
	for (unsigned i = k; i < k + 4; i++)
		if (s->byte[i] != B_ZERO)
			return NULL;
	return s;
}

/* Is it known which element of an array the key names, or that there is one? */
static int key_arg(struct env *e, struct args *a)
{
	const struct uebpf_map *map = a->map;
	struct slot *s;
	int err;

	if (!map)
		return bad_arg(e, a, MESSAGE_TEXT("a map before the key"));
	err = memory_arg(e, a, map->key_size, READ);
	s = err || map->key_size != 4 ? NULL : key_slot(e, a->r, &a->key);
	if (!s)
		return err;
	a->key_const = scalar_is_const(&a->key);
	a->key_inside = (map->ops->traits & (MT_ARRAY | MT_PERCPU)) == MT_ARRAY && a->key.umax < map->max_entries &&
			!(map->flags & F_INNER_MAP) && (a->key_const || !e->kernel);
	return a->key_const || a->key_inside ?
		precise_slot(e, a->r->frame, (unsigned)(s - e->st.f[a->r->frame].slot)) : 0;
}

static int bad_size(struct env *e, const struct args *a, int n, const char *advice, const char *how)
{
	char what[100];

	describe(e, &e->top->r[n + 1], what, sizeof what);
	return unsafe_(e, n + 1, advice, "size of argument %d of %s %s (%s)", a->n, helper_name(a->h), how, what);
}

/* Memory from its begin on, and the very number that the host says is its length. */
static bool whole_region(const struct reg *p, const struct reg *size, uint32_t how)
{
	return p->kind == K_MEM && p->region && p->region == size->len && !size->off && unmoved(p) &&
	       !(p->flags & R_MAYBE_NULL) && !(how & WRITE && p->flags & R_RDONLY);
}

static int sized_arg(struct env *e, struct args *a, uint32_t how)
{
	int n = (int)helper_length(a->h, (unsigned)a->n - 1), err;
	const struct scalar *s = &e->top->r[n + 1].s;
	bool asked = rule(e, RULE_HELPER_SIZE), whole, minus;

	if (n == 5)
		return refuse(e, UEBPF_E_UNSUPPORTED, "contract of %s has memory without a size", helper_name(a->h));
	if (e->top->r[n + 1].kind != K_SCALAR) {
		select_arg(e, a, n);
		return bad_arg(e, a, MESSAGE_TEXT("a size"));
	}
	err = precise_reg(e, (unsigned)n + 1);
	if (err)
		return err;
	a->size = s->umax;
	whole = whole_region(a->r, &e->top->r[n + 1], how);
	/* An int that was not sign-extended looks like a large number: what it lacks is the test for < 0. */
	minus = s->smin < 0 || (s->umax <= UINT32_MAX && s->hsmin < 0 && s->hsmax < INT32_MAX);
	if (asked && (s->smin < 0 || (s->umax >= MAX_SIZE && !whole)))
		return bad_size(e, a, n, minus ?
				MESSAGE_TEXT("bound it from below too, or make it unsigned: `if (n < 0) return 0;`") :
				MESSAGE_TEXT("bound it first: `if (n > sizeof(buf)) return 0;`"),
				minus ? "may be negative" : "has no useful bound");
	if (helper_arg(a->h, (unsigned)n).kind == ARG_SIZE && !s->umin)
		return bad_size(e, a, n, MESSAGE_TEXT("check it first: `if (n == 0) return 0;`"), "may be zero");
	if (whole)
		return 0;
	if (asked && (a->c.flags & ARG_OR_NULL) && is_null(a->r))
		return s->umax && helper_arg(a->h, (unsigned)n).kind != ARG_ALLOC_SIZE ? unsafe_(e, n + 1, NULL, "%s: NULL with a size that may be above 0", helper_name(a->h)) :
		       precise_reg(e, (unsigned)a->n);
	return memory_arg(e, a, asked ? s->umax : s->umin, how);
}

/* Maps of sockets: the kernel lets only some types change them (kernel/bpf/verifier.c, may_update_sockmap). */
static bool keeps_no_sockets(struct env *e, const struct args *a)
{
	uint32_t may = HG_SOCKET | HG_TC | HG_XDP | HG_REUSEPORT | HG_FLOW | HG_SK_LOOKUP;
	bool removes = helper_arg(a->h, 2).kind == ARG_NONE;

	return e->kernel && a->r->map->ops->object == OBJECT_SOCK && helper_arg(a->h, 1).kind == ARG_KEY &&
	       (helper_groups(a->h) & HG_BASE) && helper_returns(a->h) == RET_SCALAR &&
	       !(e->code->type->groups & (removes ? may | HG_SOCK_OPS : may));
}

static int map_arg(struct env *e, struct args *a)
{
	const struct uebpf_map *map = a->r->map;

	if (a->r->kind != K_MAP)
		return bad_arg(e, a, "a map");
	if (a->r->flags & R_MAYBE_NULL)
		return may_be_null(e, a);
	a->map = map;
	if (!helper_takes(a->h, map->type) || keeps_no_sockets(e, a))
		return unsafe_(e, a->n, NULL, "%s does not work on map `%s` of type %s", helper_name(a->h), map->name,
			       map->ops->name);
	return 0;
}

static int string_arg(struct env *e, struct args *a)
{
	struct reg *r = a->r;
	const char *text = NULL, *why = NULL;
	int64_t at = (int64_t)((uint64_t)r->off + r->s.val);

	if (r->flags & R_MAYBE_NULL)
		return may_be_null(e, a);
	if (r->kind == K_MEM && r->region && e->region[r->region - 1].text && unmoved(r)) {
		fact_constant(e, a, false, 0);	/* the host's own string */
		return 0;
	}
	if (r->kind == K_VALUE && (r->flags & R_DIRECT) && scalar_is_const(&r->s))
		text = (const char *)frozen_bytes(r->map, at, 1);
	if (!text)
		return bad_arg(e, a, MESSAGE_TEXT("a constant string (const char [] in read-only data)"));
	if (!memchr(text, 0, r->map->value_size - (size_t)at))
		return unsafe_(e, a->n, NULL, "string argument %d of %s has no end", a->n, helper_name(a->h));
	fact_constant(e, a, true, (uintptr_t)text);
	if (helper_check(a->h) && helper_check(a->h)(text, a->size, &why))
		return unsafe_(e, a->n, NULL, "%s: %s", helper_name(a->h),
			       message_text(why ? why : MESSAGE_TEXT("bad format")));
	return 0;
}

/* Held, and by its own address and not that of a part of it: what a host's helper gave goes back to the host, a
 * record to its ring buffer. */
static bool held(const struct env *e, const struct reg *r, const struct args *a)
{
	bool host = helper_of_host(a->h), from;

	for (uint32_t i = 0; i < e->st.h.nr_refs; i++)
		if (e->st.h.ref[i].id == r->ref) {
			from = helper_of_host(code_helper(e->code, &e->code->insn[e->st.h.ref[i].pc]));
			return a->c.kind != ARG_ACQUIRED || (r->id == r->ref && from == host && (host || r->kind == K_MEM));
		}
	return false;
}

/* The first of a dynptr's slots on the stack, *last the one at the highest address; NULL: no room. */
static struct slot *dynptr_room(struct env *e, const struct args *a, struct slot **last)
{
	int64_t at = stack_place(a->r), more = 8 * (int64_t)dynptr_slots(a->c.size) - 8;

	if ((at & 7) || at > -8 - more || at < -8 * (int64_t)e->nr_slots)
		return NULL;
	*last = stack_slot(e, a->r->frame, at + more, NULL);
	return stack_slot(e, a->r->frame, at, NULL);
}

static int bad_dynptr(struct env *e, const struct args *a, bool old)
{
	if (a->c.size == DYNPTR_NUMBERS)
		return bad_arg(e, a, old ? MESSAGE_TEXT("an iterator on the stack that was made and not destroyed yet") :
			       MESSAGE_TEXT("8 bytes of stack for an iterator"));
	return bad_arg(e, a, old ? MESSAGE_TEXT("an initialised dynptr on the stack") :
		       MESSAGE_TEXT("16 bytes of stack for a dynptr"));
}

static bool all_dynptr(const struct slot *s)
{
	static const uint8_t all[8] = { B_DYNPTR, B_DYNPTR, B_DYNPTR, B_DYNPTR, B_DYNPTR, B_DYNPTR, B_DYNPTR, B_DYNPTR };

	return !memcmp(s->byte, all, 8);
}

static int dynptr_arg(struct env *e, struct args *a)
{
	struct slot *last, *s;
	uint32_t want = a->c.size;

	a->kind = DYNPTR_LOCAL;
	if (a->r->kind == K_DYNPTR && !want) {		/* a callback's: lent, of no kind that can be released */
		a->dynptr = a->r->ref;
		return 0;
	}
	s = dynptr_room(e, a, &last);
	/* the second half may have become another one's first */
	if (!s || !s->dynptr || (last != s && last->dynptr) || !all_dynptr(s) || !all_dynptr(last) ||
	    (want ? s->dynptr != want + 1 : s->dynptr == DYNPTR_NUMBERS + 1))
		return bad_dynptr(e, a, true);
	a->dynptr = s->dynptr_ref;
	a->kind = (enum dynptr)(s->dynptr - 1);
	if (a->h->flags & HF_RELEASES)
		a->release = s->dynptr_ref;
	return 0;
}

static int dynptr_out(struct env *e, struct args *a)
{
	struct reg *r = a->r;
	struct slot *s[2];
	int slots = (int)dynptr_slots(a->c.size);
	enum dynptr kind = a->c.size ? a->c.size : a->kind;	/* of none: it is a copy of the argument before */
	uint32_t ref = a->c.size ? 0 : a->dynptr, *depth, deep = (uint32_t)-(uint64_t)stack_place(r);
	int err;

	s[0] = dynptr_room(e, a, &s[1]);
	if (!s[0])
		return bad_dynptr(e, a, false);
	/* it may outlive a frame, and what it points to has no owner */
	if (a->c.size == DYNPTR_LOCAL && e->top->r[1].kind != K_VALUE) {
		select_arg(e, a, 0);
		return bad_arg(e, a, MESSAGE_TEXT("memory of a map value"));
	}
	for (int n = 0; n < slots; n++) {
		if (s[n]->byte[0] == B_DYNPTR && s[n]->dynptr_ref)
			return unsafe_(e, a->n, MESSAGE_TEXT("submit, discard or destroy it first"),
				       "overwrites a dynptr or iterator that must be released");
		if (s[n]->byte[0] == B_DYNPTR && !s[n]->dynptr && n == 0)
			return unsafe_(e, a->n, NULL, "overwrites the half of another dynptr");
	}
	depth = &e->sub[e->st.f[r->frame].in.sub].depth;
	*depth = deep > *depth ? deep : *depth;
	err = a->c.size > DYNPTR_LOCAL ? hold(e, &ref) : 0;
	for (int n = 0; n < slots; n++) {
		memset(s[n]->byte, B_DYNPTR, 8);
		s[n]->dynptr = n ? 0 : (uint8_t)(kind + 1);
		s[n]->dynptr_ref = ref;
	}
	return err;
}

/* A struct of the kernel's inside a map value, at `off`. */
static int inside_value(struct env *e, struct args *a, uint32_t off, const char *want)
{
	const struct reg *r = a->r;

	return off == UINT32_MAX || (r->flags & R_MAYBE_NULL) || !scalar_is_const(&r->s) ||
	       (uint64_t)r->off + r->s.val != off ? bad_arg(e, a, want) : 0;
}

static int timer_arg(struct env *e, struct args *a)
{
	const struct uebpf_map *map = a->r->kind == K_VALUE ? a->r->map : NULL;
	bool other = helper_arg(a->h, (unsigned)a->n).kind == ARG_MAP && e->top->r[a->n + 1].map != map;

	return inside_value(e, a, map && !other ? map->timer_off : UINT32_MAX,
			    MESSAGE_TEXT("a struct bpf_timer in a value of this map"));
}

static int lock_arg(struct env *e, struct args *a)
{
	struct reg *r = a->r;
	struct state *st = &e->st;
	int err = inside_value(e, a, r->kind == K_VALUE ? r->map->spin_lock_off : UINT32_MAX,
			       MESSAGE_TEXT("a struct bpf_spin_lock in a map value"));

	if (err)
		return err;
	if (a->h->flags & HF_LOCKS) {
		if (st->h.lock_map)
			return unsafe_(e, a->n, MESSAGE_TEXT("unlock the first one before"), "takes a second spin lock");
		st->h.lock_map = r->map;
		st->h.lock = r->id;
		return 0;
	}
	if (st->h.lock_map != r->map || st->h.lock != r->id)
		return unsafe_(e, a->n, NULL, "unlocks a spin lock that is not held");
	st->h.lock_map = NULL;
	st->h.lock = 0;
	return 0;
}

static int acquired_arg(struct env *e, struct args *a)
{
	struct reg *r = a->r;

	if (!is_ptr(r) || !r->ref || !held(e, r, a))
		return bad_arg(e, a, MESSAGE_TEXT("what was acquired and not released yet"));
	if (r->flags & R_MAYBE_NULL)
		return may_be_null(e, a);
	if (!unmoved(r))
		return unsafe_(e, a->n, NULL, "%s wants the pointer as it was acquired, r%d was moved", helper_name(a->h),
			       a->n);
	a->release = r->ref;
	return 0;
}

static int object_arg(struct env *e, struct args *a)
{
	struct reg *r = a->r;

	if (r->kind == K_CTX && a->c.kind == ARG_SOCK && (e->code->type->flags & TYPE_SOCK) && !r->off &&
	    !(a->h->flags & HF_RELEASES))
		return 0;
	if (r->kind == K_OBJECT && (r->flags & R_MAYBE_NULL) && (a->c.flags & ARG_OR_NULL) &&
	    (!e->kernel || (r->flags & R_ALWAYS)))
		return 0;
	if (r->kind != K_OBJECT || (r->flags & R_MAYBE_NULL))
		return bad_arg(e, a, MESSAGE_TEXT("an object of the host that is not NULL"));
	return a->h->flags & HF_RELEASES ? acquired_arg(e, a) : 0;
}

/* Must be a thing of this kind, whatever it holds. */
static int of_kind(struct env *e, const struct args *a, enum kind kind, const char *want)
{
	return a->r->kind == kind ? 0 : bad_arg(e, a, want);
}

static int check_arg(struct env *e, struct args *a)
{
	struct reg *r = a->r;
	int err;

	if (r->kind == K_NONE && rule(e, RULE_UNINIT))
		return unsafe_(e, a->n, MESSAGE_TEXT("give it a value on every path before this line"),
			       "r%d, argument %d of %s, was never written (or lost in an earlier call)", a->n, a->n,
			       helper_name(a->h));
	if ((a->c.flags & ARG_OR_NULL) && is_null(r) && helper_length(a->h, (unsigned)a->n - 1) == 5)
		return precise_reg(e, (unsigned)a->n);
	if ((a->c.flags & ARG_CONST) && (!reg_const(r) || (a->c.size && r->s.val)))
		return bad_arg(e, a, a->c.size ? "0" : "a constant");
	switch (a->c.kind) {
	case ARG_CTX:
		if (r->kind == K_MEM && (e->code->type->flags & TYPE_RAW) && r->region == 1 && !r->len && unmoved(r))
			return 0;
		return r->off ? bad_arg(e, a, MESSAGE_TEXT("the context")) : of_kind(e, a, K_CTX, MESSAGE_TEXT("the context"));
	case ARG_SCALAR:
		if (!(a->c.flags & ARG_CONST))
			return of_kind(e, a, K_SCALAR, MESSAGE_TEXT("a number"));
		fact_constant(e, a, true, r->s.val);
		return precise_reg(e, (unsigned)a->n);
	case ARG_MAP: return map_arg(e, a);
	case ARG_KEY: return key_arg(e, a);
	case ARG_VALUE: case ARG_VALUE_OUT:
		if (a->map && a->map->ops->object)
			return object_arg(e, a);
		return a->map ? memory_arg(e, a, a->map->value_size, a->c.kind == ARG_VALUE ? READ : WRITE) :
			bad_arg(e, a, MESSAGE_TEXT("a map before the value"));
	case ARG_MEM: return sized_arg(e, a, READ);
	case ARG_MEM_OUT: return sized_arg(e, a, WRITE);
	case ARG_MEM_INOUT: return sized_arg(e, a, READ | WRITE);
	case ARG_FIXED: return memory_arg(e, a, a->c.size, READ);
	case ARG_FIXED_OUT:
		err = memory_arg(e, a, a->c.size, WRITE);
		return err || (a->c.size != 4 && a->c.size != 8) ? err :
		       aligned(e, (unsigned)a->n, r, 0, a->c.size, "result");
	case ARG_SIZE: case ARG_SIZE0:
		fact_constant(e, a, reg_const(r), r->s.val);
		return of_kind(e, a, K_SCALAR, MESSAGE_TEXT("a size"));
	case ARG_ALLOC_SIZE:
		if (!reg_const(r) || r->s.val > UINT32_MAX)	/* helpers count in 32 bits */
			return bad_arg(e, a, MESSAGE_TEXT("a constant size"));
		a->alloc = r->s.val;
		return precise_reg(e, (unsigned)a->n);
	case ARG_CSTR: return string_arg(e, a);
	case ARG_FUNC:
		if (r->kind == K_FUNC)
			fact_constant(e, a, true, (uint64_t)(code_sub_at(e->code, r->func) - e->code->sub));
		return of_kind(e, a, K_FUNC, MESSAGE_TEXT("a function of this program"));
	case ARG_STACK: return of_kind(e, a, K_STACK, MESSAGE_TEXT("a pointer to the stack or NULL"));
	case ARG_ACQUIRED: return acquired_arg(e, a);
	case ARG_SPIN_LOCK: return lock_arg(e, a);
	case ARG_DYNPTR: return dynptr_arg(e, a);
	case ARG_DYNPTR_OUT: return dynptr_out(e, a);
	case ARG_SOCK: case ARG_BTF: return object_arg(e, a);
	case ARG_TIMER: return timer_arg(e, a);
	case ARG_KPTR:
		return refuse(e, UEBPF_E_UNSUPPORTED, "%s: kernel pointers in map values are not verified here",
			      helper_name(a->h));
	default:
		return 0;
	}
}

int check_args(struct env *e, struct args *a)
{
	int err = 0;

	/* sizes are asked by the memory argument before them; strings want the size first */
	for (int i = 0; i < 10 && !err; i++) {
		a->c = helper_arg(a->h, (unsigned)i % 5);
		select_arg(e, a, i % 5);
		if (a->c.kind != ARG_NONE && (a->c.kind == ARG_CSTR || a->c.kind == ARG_DYNPTR_OUT) == (i >= 5))
			err = check_arg(e, a);
	}
	return err;
}
