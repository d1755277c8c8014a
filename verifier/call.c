/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* call.c - calls of helpers: what one returns by the contract in its row, what it holds and releases.  No helper is
 * known by its number. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"

static struct reg *arg(struct env *e, int i) { return &e->top->r[i + 1]; }

/* ---- after the call ---- */

void lose_arguments(struct env *e)
{
	for (int i = 1; i <= 5; i++)
		e->top->r[i] = (struct reg){ .since = e->pc };
}

static void release(struct env *e, struct reg *r, void *arg)
{
	if (r->ref == *(uint32_t *)arg && is_ptr(r))
		set_unknown(e, r);
}

void release_ref(struct env *e, uint32_t ref)
{
	drop_ref(e, ref);
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

int hold(struct env *e, uint32_t *ref)
{
	if (e->st.h.nr_refs == MAX_REFS)
		return refuse(e, UEBPF_E_COMPLEX, "more than %d things held at once", MAX_REFS);
	*ref = *ref ? *ref : new_id(e);
	e->st.h.ref[e->st.h.nr_refs++] = (struct ref){ *ref, e->pc, 0 };
	return 0;
}

static int returns_value(struct env *e, const struct args *a, struct reg *r0)
{
	if (!a->map)
		return refuse(e, UEBPF_E_UNSUPPORTED, "contract of %s returns a value without a map", helper_name(a->h));
	if (a->map->ops->traits & MT_MAPS) {
		if (!a->map->inner)
			return refuse(e, UEBPF_E_UNSUPPORTED, "map `%s` has no template of its inner maps", a->map->name);
		set_pointer(e, r0, K_MAP);
		r0->map = a->map->inner;
	} else if (a->map->ops->object || (a->map->ops->traits & MT_PROGS)) {
		set_pointer(e, r0, K_OBJECT);
		r0->obj = a->map->ops->object;
	} else {
		set_pointer(e, r0, K_VALUE);
		r0->map = a->map;
		r0->flags = a->map->ops->traits & MT_REDIRECT ? R_RDONLY : 0;
	}
	r0->id = new_id(e);
	if (helper_returns(a->h) == RET_VALUE)
		return 0;
	/* an element of an array is always there */
	if (r0->kind == K_VALUE && a->key_inside)
		return 0;
	r0->flags |= R_MAYBE_NULL;
	return 0;
}

/* Does a call of it take an iterator one further, or tell that it has come to its end? */
static bool iterates(const struct helper *h)
{
	return helper_returns(h) == RET_MEM_OR_NULL && helper_arg(h, 0).size == DYNPTR_NUMBERS;
}

static int result(struct env *e, const struct args *a)
{
	const struct ret c = helper_ret(a->h);
	struct reg r0;
	uint32_t ref;
	int err = 0;

	set_unknown(e, &r0);
	switch (c.kind) {
	case RET_SCALAR: case RET_NEVER:
		if (c.flags & RET_UPTO_SIZE)
			scalar_srange(&r0.s, width64, -4095, (int64_t)a->size);
		else if (c.lo < c.hi)
			scalar_srange(&r0.s, width64, c.lo, c.hi);
		else if (!c.lo && c.hi == -1)		/* UINT32_MAX in a row */
			scalar_bits(&r0.s, 32);
		break;
	case RET_VOID:
		scalar_const(&r0.s, width64, 0);
		break;
	case RET_VALUE: case RET_VALUE_OR_NULL:
		err = returns_value(e, a, &r0);
		break;
	case RET_MEM: case RET_MEM_OR_NULL:
		if (iterates(a->h) && !a->dynptr) {
			set_constant(e, &r0, 0);
			break;
		}
		set_pointer(e, &r0, K_MEM);
		r0.size = c.size ? c.size : a->alloc;
		r0.id = new_id(e);
		if (c.flags & RET_RDONLY)
			r0.flags = R_RDONLY;
		if (!iterates(a->h))
			r0.flags |= (c.kind == RET_MEM ? 0 : R_MAYBE_NULL) | (helper_find_arg(a->h, ARG_DYNPTR) < 5 ? R_LOOSE : 0);
		r0.ref = a->dynptr;
		break;
	case RET_SOCK_OR_NULL: case RET_BTF_OR_NULL: case RET_BTF:
		set_pointer(e, &r0, K_OBJECT);
		r0.id = new_id(e);
		r0.flags = c.kind == RET_BTF ? 0 : R_MAYBE_NULL;
		r0.obj = c.kind == RET_SOCK_OR_NULL ? c.size : OBJECT_OPAQUE;
		r0.ref = a->h->flags & HF_CAST ? e->top->r[1].ref : 0;
		break;
	default:			/* RET_FIRST */
		r0 = e->top->r[1];
		break;
	}
	if (err)
		return err;
	ref = r0.id;
	if ((c.flags & RET_ACQUIRES) || (a->map && a->map->ops->object == OBJECT_SOCK && r0.kind == K_OBJECT)) {
		err = hold(e, &ref);
		if (err)
			return err;
		if (is_ptr(&r0))
			r0.id = r0.ref = ref;
	}
	if (rule(e, RULE_CALLER_SAVED))
		lose_arguments(e);
	if ((c.kind == RET_VOID || c.kind == RET_NEVER) && e->kernel)
		memset(&r0, 0, sizeof r0);
	e->top->r[0] = r0;
	fact_result(e, &r0);
	return step_reg(e, ST_HELPER, 0, 0);
}

/* The call at e->pc is over. */
int helper_finish(struct env *e)
{
	struct args a = { .h = code_helper(e->code, &e->code->insn[e->pc]) };
	unsigned on = helper_find_arg(a.h, ARG_MAP);

	if (on < 5)
		a.map = arg(e, (int)on)->map;
	e->next = e->pc + 1;
	return result(e, &a);
}

/* ---- helpers ---- */

/* 1 + the index of what the helper acquired last and is still held, or 0. */
static uint32_t last_held(const struct env *e, const struct helper *h)
{
	uint32_t i = e->st.h.nr_refs;

	while (i && code_helper(e->code, &e->code->insn[e->st.h.ref[i - 1].pc]) != h)
		i--;
	return i;
}

static int offered(struct env *e, const struct helper *h)
{
	uint32_t groups = e->code->type->groups, not_in;	/* the latter by what is in maps, not by the helper */
	unsigned kind;

	if (!e->kernel)
		return 0;
	kind = helper_arg(h, 0).kind;
	not_in = kind == ARG_TIMER ? HG_TRACING | HG_PERF : kind == ARG_SPIN_LOCK ? HG_TRACING | HG_PERF | HG_SOCKET : 0;
	if (!(helper_groups(h) & (HG_BASE | groups)) || ((groups & not_in) && !(groups & HG_HOST)))
		return refuse(e, UEBPF_E_FORM, "the kernel does not offer helper %s to %s programs", helper_name(h),
			      e->code->type->name);
	if (helper_returns(h) == RET_VOID && helper_ret(h).flags & RET_ALONE && last_held(e, h))
		return refuse(e, UEBPF_E_FORM, "Linux up to 6.18 refuses a %s inside another", helper_name(h));
	if ((h->flags & HF_GPL) && !e->code->gpl)
		return refuse(e, UEBPF_E_FORM, "helper %s needs a GPL-compatible licence in section \"license\"",
			      helper_name(h));
	return 0;
}

/* What the row before acquired last: a pair without arguments, such as a lock of its own. */
static int release_last(struct env *e, struct args *a)
{
	uint32_t i = last_held(e, a->h - 1);

	if (!i)
		return unsafe_(e, -1, NULL, "%s without a %s before it", helper_name(a->h), helper_name(a->h - 1));
	a->release = e->st.h.ref[i - 1].id;
	return 0;
}

/* The other program takes the place of this function and may do to the packet what it likes; then its
 * result is the function's. */
static int tail_call(struct env *e)
{
	if (e->st.h.nr_refs)
		return unsafe_(e, -1, MESSAGE_TEXT("release it first"), "tail call while something acquired is not released");
	for (uint32_t i = 1; i < e->st.nr_frames; i++)
		if (e->st.f[i].in.callback)
			return refuse(e, UEBPF_E_UNSUPPORTED, "tail call inside a callback");
	if (e->st.nr_frames > 1 || e->kernel)
		stack_forget_packets(e);
	return e->st.nr_frames > 1 ? push_leave(e) : 0;
}

/* The function ends at e->pc: its tail call went through, or a packet load found nothing. */
int leave_early(struct env *e)
{
	bool load = isa_op[e->code->insn[e->pc].op].shape != SHAPE_CALL;
	int err = step_reg(e, ST_DEF, 0, 0);

	if (load)
		set_constant(e, &e->top->r[0], 0);
	else
		set_unknown(e, &e->top->r[0]);
	return err ? err : do_exit(e);
}

int do_call(struct env *e)
{
	const struct insn *in = e->in;
	struct args a = { .h = in->op == OP_CALL_KFUNC ? NULL : code_helper(e->code, in) };
	int err;

	if (in->op == OP_CALL_KFUNC)
		return refuse(e, UEBPF_E_UNSUPPORTED, "kernel functions (kfuncs) do not exist in user space");
	if (!a.h)
		return (refuse)(e, UEBPF_E_HELPER, in->imm == HELPER_POISON ?
			MESSAGE_TEXT("this instruction needs a kernel type or symbol that is not here") :
			MESSAGE_TEXT("there is no helper %d"), (int)in->imm);
	err = offered(e, a.h);
	if (err)
		return err;
	if (e->st.h.lock_map && !(a.h->flags & (HF_UNLOCKS | HF_LOCKS)))
		return unsafe_(e, -1, MESSAGE_TEXT("unlock first"), "calls %s while a spin lock is held", helper_name(a.h));
	err = check_args(e, &a);
	if (err)
		return err;
	fact_key(e, &a);
	if ((a.h->flags & HF_RELEASES) && !helper_of_host(a.h) && helper_arg(a.h, 0).kind == ARG_NONE) {
		err = release_last(e, &a);
		if (err)
			return err;
	}
	if (a.h->flags & HF_TAIL) {
		err = tail_call(e);
		if (err)
			return err;
	}
	if ((a.h->flags & HF_RELEASES) && a.release)
		release_ref(e, a.release);
	if (a.h->flags & HF_MOVES_PACKET)
		stack_forget_packets(e);
	if (a.h->flags & HF_CALLS_BACK) {
		if (helper_find_arg(a.h, ARG_FUNC) == 5)
			return refuse(e, UEBPF_E_UNSUPPORTED, "contract of %s names no function", helper_name(a.h));
		return callback_returns(e, e->pc, 0);
	}
	if (iterates(a.h)) {		/* two paths: the end, and one more round of which there are not endlessly many */
		err = push_finish(e);
		for (uint32_t i = 0; i < e->st.h.nr_refs; i++)
			e->st.h.ref[i].rounds += e->st.h.ref[i].id == a.dynptr;
	}
	err = err ? err : result(e, &a);
	e->next = e->pc + 1;
	return err;
}

/* ---- packet loads ---- */

int do_packet_load(struct env *e)
{
	const struct insn *in = e->in;
	struct frame *f = e->top;
	const struct op_info *op = e->op;
	int err;

	if (!(e->code->type->flags & TYPE_LD_ABS))
		return refuse(e, UEBPF_E_FORM, "packet loads (LD_ABS, LD_IND) are not for %s programs",
			      e->code->type->name);
	if (f->r[6].kind != K_CTX || f->r[6].off)
		return unsafe_(e, 6, MESSAGE_TEXT("keep the context in r6"), "packet load without the context in r6");
	if (e->st.h.nr_refs || e->st.h.lock_map)
		return unsafe_(e, -1, MESSAGE_TEXT("release it first"), "a packet load may end the program while something is held");
	if (op->shape == SHAPE_PKT_IND && f->r[in->src].kind != K_SCALAR)
		return unsafe_(e, in->src, NULL, "packet load at an offset that is not a number");
	err = e->st.nr_frames > 1 || e->cur_sub ? push_leave(e) : 0;
	if (err)
		return err;
	lose_arguments(e);
	set_bits(e, &f->r[0], 8 * op->size);
	e->next = e->pc + 1;
	return step_reg(e, ST_HELPER, 0, 0);
}
