/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* frame.c - into functions and back: subprograms by walking into them (or, when they are verified on their own,
 * by their prototype), callbacks as loops of unknown length, the end of the program. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"

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

int callback_returns(struct env *e, uint32_t ret, uint32_t round)
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

/* ---- subprograms ---- */

/* What functions verified alone may do to memory: move packets, which what is handed over would not notice; atomic
 * operations, for which it must be aligned. */
struct deeds { bool moves, atomic; };

static int check_proto(struct env *e, const struct proto *p, const char *name, struct deeds may)
{
	for (uint32_t i = 0; i < p->nr_args; i++) {
		struct reg *r = &e->top->r[i + 1];
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

/* ---- and back ---- */

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
