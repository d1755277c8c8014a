/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* call.c - calls: what a helper returns by the contract in its row, subprograms by walking into them
 * (or, when they are verified on their own, by their prototype), callbacks as loops of unknown length.
 * No helper is known by its number. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "verifier/state.h"

static struct reg *arg(struct env *e, int i) { return &e->top->r[i + 1]; }

/* ---- after the call ---- */

static void lose_arguments(struct env *e)
{
	for (int i = 1; i <= 5; i++)
		e->top->r[i] = (struct reg){ .since = e->pc };
}

static void release(struct env *e, struct reg *r, void *arg)
{
	if (r->ref == *(uint32_t *)arg && is_ptr(r))
		set_unknown(e, r);
}

static void release_ref(struct env *e, uint32_t ref)
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

/* ---- callbacks ---- */

uint32_t most_frames(const struct env *e)
{
	return e->code->max_frames ? e->code->max_frames : 8;
}

int too_deep(struct env *e)
{
	return refuse(e, UEBPF_E_UNSAFE, "calls are nested deeper than %u frames (recursion?)", most_frames(e));
}

static int push_frame(struct env *e, uint32_t start)
{
	struct frame *f;

	if (e->st.nr_frames >= most_frames(e) || e->st.nr_frames >= MAX_FRAMES)
		return too_deep(e);
	if (frame_room(e, e->st.nr_frames))
		return -ENOMEM;
	f = &e->st.f[e->st.nr_frames];
	memset(f->r, 0, sizeof f->r);
	f->depth = 0;
	f->in = (struct entry){ .sub = e->flow[start].sub, .ret = e->pc };
	frame_pointer(e, e->st.nr_frames++);
	e->top = f;
	if (e->deepest < e->st.nr_frames)
		e->deepest = e->st.nr_frames;
	return 0;
}

/* What a callback gets that is gone when it returns hangs on such a reference: one for each frame. */
static uint32_t scope_of(const struct env *e)
{
	return ~INDUCTION - e->st.nr_frames;
}

/* One more round of the callback of the call at e->pc; the caller's r1-r5 are as at the call. */
static int enter_callback(struct env *e, const struct helper *h, uint32_t round)
{
	struct frame *caller = e->top, *f;
	unsigned fn = helper_find_arg(h, ARG_FUNC), ctx = helper_find_arg(h, ARG_STACK);
	unsigned on = helper_find_arg(h, ARG_MAP);
	uint32_t start = caller->r[fn + 1].func;
	enum callback how = helper_arg(h, fn).size;
	const struct uebpf_map *map = on < 5 ? caller->r[on + 1].map : how == CALLBACK_TIMER ? caller->r[1].map : NULL;
	int err, n = 1;
	uint64_t most;

	/* what the callback knows of its first argument comes from here, and so does a number handed on */
	err = how == CALLBACK_LOOP && rule(e, RULE_ROUNDS) ? precise_reg(e, 1) : 0;
	err = err || ctx == 5 ? err : precise_reg(e, ctx + 1);
	err = err ? err : step_reg(e, ST_CALL, 0, 0);
	err = err ? err : push_frame(e, start);
	if (err)
		return err;
	f = e->top;
	f->in.callback = (uint8_t)(how + 1);
	f->in.fresh = true;
	f->in.rounds = round;
	f->in.refs_at_entry = (uint8_t)e->st.h.nr_refs;
	switch (how) {
	case CALLBACK_LOOP:
		most = caller->r[1].s.umax;
		set_unknown(e, &f->r[n]);
		scalar_urange(&f->r[n++].s, width64, 0, most > 1 << 23 ? (1 << 23) - 1 : most ? most - 1 : 0);
		break;
	case CALLBACK_TIMER:		/* verified as if it ran at once: it runs later, or never */
	case CALLBACK_MAP_ELEM:
		if (!map)
			return refuse(e, UEBPF_E_UNSUPPORTED, "%s without a map", helper_name(h));
		set_pointer(e, &f->r[n], K_MAP);
		f->r[n++].map = map;
		set_pointer(e, &f->r[n], K_MEM);
		f->r[n].ref = scope_of(e);
		f->r[n].flags = R_RDONLY;
		f->r[n++].size = map->key_size;
		set_pointer(e, &f->r[n], K_VALUE);
		f->r[n].id = map->spin_lock_off != UINT32_MAX ? new_id(e) : 0;
		f->r[n++].map = map;
		break;
	case CALLBACK_DYNPTR:
		set_pointer(e, &f->r[n], K_DYNPTR);
		f->r[n++].ref = scope_of(e);
		break;
	default:
		return refuse(e, UEBPF_E_UNSUPPORTED, "%s: its callbacks are not verified here", helper_name(h));
	}
	if (ctx < 5)
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
	unsigned on = helper_find_arg(a.h, ARG_MAP);

	if (on < 5)
		a.map = arg(e, (int)on)->map;
	e->next = e->pc + 1;
	return result(e, &a);
}

static int callback_returns(struct env *e, uint32_t ret, uint32_t round)
{
	const struct helper *h = code_helper(e->code, &e->code->insn[ret]);
	const struct reg *n = &e->top->r[1];
	int err;

	if (helper_arg(h, helper_find_arg(h, ARG_FUNC)).size == CALLBACK_LOOP && round != ANY_ROUND && is_number(n) &&
	    n->s.hmax <= round) {		/* as often as asked for */
		err = precise_reg(e, 1);
		return err ? err : helper_finish(e);
	}
	err = push_finish(e);
	return err ? err : enter_callback(e, h, round == ANY_ROUND ? round : round + 1);
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

/* ---- subprograms ---- */

/* What functions verified alone may do to memory: move packets, which what is handed over would not notice; atomic
 * operations, for which it must be aligned. */
struct deeds { bool moves, atomic; };

static int check_proto(struct env *e, const struct proto *p, const char *name, struct deeds may)
{
	for (uint32_t i = 0; i < p->nr_args; i++) {
		struct reg *r = arg(e, (int)i);
		const struct proto_arg *c = &p->arg[i];
		struct reg p2;
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
			if (may.moves && (r->kind == K_PACKET || r->kind == K_META))
				return unsafe_(e, (int)i + 1, MESSAGE_TEXT("copy it to the stack"), "argument %u of %s is packet memory, "
					       "which a call in this program may move", i + 1, name);
			p2 = *r;
			if (!c->nonnull)
				p2.flags &= (uint8_t)~R_MAYBE_NULL;
			err = check_range(e, i + 1, &p2, 0, c->size, READ | WRITE, name);
			if (!err && may.atomic && c->size >= 4)
				err = aligned(e, i + 1, r, 0, c->size < 8 ? 4 : 8, "atomic operation");
			if (!err && r->kind == K_STACK)
				err = stack_helper(e, r, c->size, READ | WRITE);
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

static struct deeds deeds_of(const struct env *e)
{
	const struct code *code = e->code;
	struct deeds may = { false, false };

	for (uint32_t i = 0; i < code->n; i++) {
		const struct op_info *op = &isa_op[code->insn[i].op];
		const struct helper *h = code->insn[i].op == OP_CALL ? code_helper(code, &code->insn[i]) : NULL;

		may.moves |= h && (h->flags & (HF_MOVES_PACKET | HF_TAIL));
		may.atomic |= e->flow[i].sub && (op->shape == SHAPE_ATOMIC || (op->size && (op->flags & OPF_LINUX)));
	}
	return may;
}

int do_local(struct env *e)
{
	const struct insn *in = e->in;
	uint32_t start = (uint32_t)in->off, sub = e->flow[start].sub;
	struct frame *caller = e->top;
	struct deeds may;
	int err;

	if (in->op == OP_CALLX)
		return refuse(e, UEBPF_E_UNSUPPORTED, "calls through a register are not verified");
	if (e->sub[sub].alone) {
		if (e->kernel && !e->sub[sub].proto.returns)
			return refuse(e, UEBPF_E_FORM, "global function %s returns nothing: the kernel wants a number",
				      e->code->sub[sub].name);
		if (e->st.h.lock_map)
			return unsafe_(e, -1, MESSAGE_TEXT("unlock first"), "calls a global function while a spin lock is held");
		may = deeds_of(e);
		err = check_proto(e, &e->sub[sub].proto, e->code->sub[sub].name, may);
		if (err)
			return err;
		if (may.moves)
			stack_forget_packets(e);
		memset(&caller->r[0], 0, sizeof caller->r[0]);
		lose_arguments(e);
		if (e->sub[sub].proto.returns)
			set_unknown(e, &caller->r[0]);
		e->next = e->pc + 1;
		return step_reg(e, ST_HELPER, 0, 0);
	}
	err = step_reg(e, ST_CALL, 0, 0);
	err = err ? err : push_frame(e, start);
	if (err)
		return err;
	for (int i = 1; i <= 5; i++)
		e->top->r[i] = caller->r[i];
	e->next = start;
	return 0;
}

static void pop_frame(struct env *e)
{
	struct frame *f = e->top;

	for (uint32_t k = 0; k < f->depth; k++)
		memset(f->slot[k].byte, 0, 8);
	f->depth = 0;
	e->st.nr_frames--;
	e->top--;
}

static void forget_frame(struct env *e, struct reg *r, void *arg)
{
	if (r->kind == K_STACK && r->frame >= *(uint32_t *)arg)
		set_unknown(e, r);
}

static int leave_callback(struct env *e, const struct frame *f)
{
	uint32_t ret = f->in.ret, round = f->in.rounds, most = f->in.callback != CALLBACK_TIMER + 1;
	const struct reg *r0 = &f->r[0];
	bool stop = r0->s.hmin && r0->kind == K_SCALAR;
	int err;

	if (r0->kind != K_SCALAR)
		return unsafe_(e, 0, MESSAGE_TEXT("return 0 to go on, 1 to stop"), "callback returns without a number in r0");
	err = precise_reg(e, 0);
	if (err)
		return err;
	if (e->kernel && r0->s.umax > most)
		return unsafe_(e, 0, MESSAGE_TEXT("return 0 to go on, 1 to stop"), "callback must return 0%s",
			       most ? " or 1" : ", as a timer's");
	if (e->st.h.nr_refs > f->in.refs_at_entry)
		return unsafe_(e, -1, MESSAGE_TEXT("release it before the callback returns"),
			       "callback leaves something acquired and not released");
	if (e->st.h.nr_refs < f->in.refs_at_entry)
		return unsafe_(e, -1, NULL, "callback releases what its caller acquired");
	if (rule(e, RULE_SCOPE))
		release_ref(e, scope_of(e));
	pop_frame(e);
	/* no ST_RET: the caller's r1-r5 are as they were, and how often it asked decides what follows */
	err = rule(e, RULE_ROUNDS) ? 0 : step_reg(e, ST_RET, 0, 0);
	if (err)
		return err;
	fetch(e, ret);
	return stop ? helper_finish(e) : callback_returns(e, ret, round);
}

static int leave_program(struct env *e)
{
	const struct prog_type *type = e->code->type;
	struct reg *r0 = &e->top->r[0];
	char what[80];
	int err;

	if (e->st.h.nr_refs)
		return unsafe_(e, -1, MESSAGE_TEXT("release it on every path"), "leaves what was acquired at instruction %u and "
			       "not released", e->code->slot[e->st.h.ref[0].pc]);
	if (e->st.h.lock_map)
		return unsafe_(e, -1, MESSAGE_TEXT("unlock on every path"), "leaves with a spin lock held");
	if (e->cur_sub) {
		if (e->sub[e->cur_sub].proto.returns && r0->kind != K_SCALAR)
			return unsafe_(e, 0, NULL, "a global function must return a number");
		return PATH_ENDS;
	}
	if (r0->kind == K_NONE && rule(e, RULE_UNINIT))
		return unsafe_(e, 0, MESSAGE_TEXT("return a value on every path"), "leaves without a value in r0");
	if (type->ret_hi) {
		describe(e, r0, what, sizeof what);
		err = precise_reg(e, 0);
		if (err)
			return err;
		if (r0->kind != K_SCALAR || r0->s.smin < type->ret_lo || r0->s.smax > type->ret_hi)
			return unsafe_(e, 0, NULL, "%s programs must return %d..%d, r0 is %s",
				       type->name, type->ret_lo, type->ret_hi, what);
	}
	return PATH_ENDS;
}

int do_exit(struct env *e)
{
	struct frame *f = e->top, *caller;
	uint32_t ret = f->in.ret, frame;
	struct reg r0 = f->r[0];

	if (e->st.nr_frames == 1)
		return leave_program(e);
	if (r0.kind == K_STACK && r0.frame == e->st.nr_frames - 1)
		return unsafe_(e, 0, NULL, "returns a pointer to its own stack frame");
	if (f->in.callback)
		return leave_callback(e, f);
	if (e->kernel && r0.kind == K_STACK)
		return refuse(e, UEBPF_E_FORM, "returns a pointer to the stack: the kernel refuses that");
	pop_frame(e);
	frame = e->st.nr_frames;
	for_each_reg(e, forget_frame, &frame);
	caller = e->top;
	fetch(e, ret);
	lose_arguments(e);
	caller->r[0] = r0;
	e->next = ret + 1;
	return step_reg(e, ST_RET, 0, 0);
}

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
