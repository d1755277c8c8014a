/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* call.c - calls of helpers, of subprograms and through registers (conventions: frame.c). */
#include <errno.h>
#include "jit/x86_64/jc.h"

void leave_guest(struct jc *c)
{
	if (c->metered)
		x_store(&c->b, 8, CALL_FIELD(left), LEFT);
}

void enter_guest(struct jc *c)
{
	if (c->metered)
		x_load(&c->b, 8, false, LEFT, CALL_FIELD(left));
}

/* The callee may be anywhere in the address space, but is usually near (jit/pages.c). */
void emit_call_c(struct jc *c, const void *fn)
{
	if (!c->far) {
		jc_call_near(c, fn);
		return;
	}
	x_mov_k(&c->b, RAX, (int64_t)(intptr_t)fn, true);
	emit_call_r(c, RAX);
}

void emit_call_r(struct jc *c, int r)
{
	if (!(c->flags & JIT_RETPOLINE)) {
		x_call_r(&c->b, r);
		return;
	}
	if (r != RAX)
		x_mov(&c->b, true, RAX, r);
	jc_call(c, c->retpoline_label);
}

void emit_jump_r(struct jc *c, int r)
{
	if (!(c->flags & JIT_RETPOLINE)) {
		x_jmp_r(&c->b, r);
		return;
	}
	x_push(&c->b, r);
	jc_jmp(c, c->retpoline_ret_label);
}

/* Behind a call r0 is set and r1-r5 are not. */
static void set_result(struct jc *c)
{
	if (!c->inits)
		return;
	x_alu_mem_k(&c->b, 4, X_AND, FIELD(init), ~0x3e);
	x_alu_mem_k(&c->b, 4, X_OR, FIELD(init), 1);
}

/* A tail call was asked for: there, or to `next` when it may not be. */
static __attribute__((noinline)) void take_tail(struct jc *c, uint32_t next)
{
	x_push(&c->b, RAX);		/* the helper's result, should the program go on */
	x_alu_k(&c->b, true, X_SUB, RSP, 8);
	x_mov(&c->b, true, RDI, STATE);
	leave_guest(c);
	emit_call_c(c, (const void *)jit_take_tail);
	enter_guest(c);
	x_mov(&c->b, true, TMP, RAX);
	x_alu_k(&c->b, true, X_ADD, RSP, 8);
	x_pop(&c->b, RAX);
	x_alu_mem_k(&c->b, 4, X_CMP, CALL_FIELD(status), 0);
	emit_fault_if(c, CC_NE, 0);
	x_test(&c->b, true, TMP, TMP);
	jc_jcc(c, CC_E, next);
	emit_epilogue(c);
	emit_jump_r(c, TMP);
}

static void after_tail_helper(struct jc *c)
{
	uint32_t next = jc_label(c);

	x_alu_mem_k(&c->b, 8, X_CMP, CALL_FIELD(tail), 0);
	jc_jcc(c, CC_E, next);
	take_tail(c, next);
	jc_bind(c, next);
}

/* To the program in r2, if there is one: at once where it is compiled and of this one's kind (jit_code.tail_type), by way of
 * jit_take_tail where not.  A slot that another thread fills or empties meanwhile was read once. */
static void tail_to(struct jc *c)
{
	uint32_t miss = jc_label(c), slow = jc_label(c), next = jc_label(c);
	bool in_function = c->cur != c->sub;	/* which needs a run of its own: jit_take_tail */

	x_test(&c->b, true, c->reg[2], c->reg[2]);
	jc_jcc(c, CC_E, miss);
	x_load(&c->b, 8, false, RAX, x_at(c->reg[2], offsetof(struct uebpf_prog, code)));
	x_test(&c->b, true, RAX, RAX);
	jc_jcc(c, CC_E, miss);
	x_alu_mem_k(&c->b, 4, X_CMP, CALL_FIELD(tails), TAIL_LIMIT);
	jc_jcc(c, CC_AE, miss);
	if (!in_function) {
		x_load(&c->b, 8, false, TMP, x_at(RAX, offsetof(struct code, jit)));
		x_test(&c->b, true, TMP, TMP);
		jc_jcc(c, CC_E, slow);
		x_mov_k(&c->b, TMP2, (int64_t)(intptr_t)c->code->type, true);
		x_alu_load(&c->b, true, X_CMP, TMP2, x_at(TMP, offsetof(struct jit_code, tail_type)));
		jc_jcc(c, CC_NE, slow);
		x_alu_mem_k(&c->b, 4, X_ADD, CALL_FIELD(tails), 1);
		x_store_k(&c->b, 8, CALL_FIELD(last), 0);	/* as call_take_tail */
		x_store(&c->b, 8, CALL_FIELD(code), RAX);
		x_store(&c->b, 8, FIELD(jit), TMP);
		x_load(&c->b, 8, false, TMP, x_at(TMP, offsetof(struct jit_code, tail)));
		emit_epilogue(c);
		emit_jump_r(c, TMP);
	}
	jc_bind(c, slow);
	jc_room(c, 512);
	x_store(&c->b, 8, CALL_FIELD(tail), RAX);
	x_mov_k(&c->b, RAX, 0, false);
	take_tail(c, next);
	jc_bind(c, miss);
	x_mov_k(&c->b, RAX, -ENOENT, true);
	jc_bind(c, next);
}

/* As the row's inliner says; its jumps go to labels of its own. */
static bool inlined(struct jc *c)
{
	uint32_t labels = c->insn_label, at = c->i, n, first;
	struct insn out[INLINE_MOST];
	const struct insn *in = c->in;
	uint16_t map;

	n = c->fact_index ? fact_inline(c, in, c->fact, out, &map) : 0;
	if (!n)
		return false;
	first = jc_label(c);
	for (uint32_t k = 0; k < n; k++)
		jc_label(c);
	if (c->no_memory)
		return true;
	c->insn_label = first;
	c->checked = false;
	for (uint32_t k = 0; k < n; k++) {
		jc_room(c, 512);
		jc_bind(c, first + k);
		c->in = &out[k];
		c->i = k;
		emit_insn(c);
	}
	jc_bind(c, first + n);
	c->checked = true;
	c->insn_label = labels;
	c->in = in;
	c->i = at;
	return true;
}

/* Before C that looks at them, and that may call back. */
static void save_arguments(struct jc *c)
{
	for (int r = 1; r <= 5; r++)
		x_store(&c->b, 8, x_at(STATE, (int32_t)offsetof(struct jit_state, r) + 8 * r), c->reg[r]);
	leave_guest(c);
	x_store(&c->b, 8, FIELD(fp), RBP);
}

static void checked_helper(struct jc *c, const struct helper *h)
{
	c->call_window = KIND_UNKNOWN;
	if (inlined(c)) {
		set_result(c);
		return;
	}
	c->call_window = new_window(c);
	save_arguments(c);
	x_mov(&c->b, true, RDI, STATE);
	x_mov_k(&c->b, RSI, c->i, false);
	x_mov_k(&c->b, RDX, c->call_window, false);
	emit_call_c(c, (const void *)jit_checked_call);
	enter_guest(c);
	set_result(c);
	x_alu_mem_k(&c->b, 4, X_CMP, CALL_FIELD(status), 0);
	emit_fault_if(c, CC_NE, 0);
	if (h->flags & HF_TAIL)
		after_tail_helper(c);
}

void emit_helper(struct jc *c)
{
	const struct helper *h = c->code->helper[c->in->off];
	bool looks = helper_needs_call(h) && c->in->dst != CALL_ALONE;
	/* Others set no status and do not ask which helper they are. */
	bool fails = h->flags & (HF_MAY_FAULT | HF_CALLS_BACK | HF_TAIL) || !helper_fn(h);

	if (c->checked) {
		checked_helper(c, h);
		return;
	}
	if (c->in->dst == CALL_PROG) {
		tail_to(c);
		return;
	}
	leave_guest(c);
	if (looks && fails) {
		x_mov_k(&c->b, TMP, (int64_t)(intptr_t)h, true);
		x_store(&c->b, 8, CALL_FIELD(helper), TMP);
	}
	if (looks)
		x_mov(&c->b, true, R9, STATE);
	emit_call_c(c, (const void *)(intptr_t)c->in->imm);
	enter_guest(c);
	if (helper_returns(h) == RET_VOID)
		x_mov_k(&c->b, RAX, 0, false);
	if (looks && fails) {
		x_alu_mem_k(&c->b, 4, X_CMP, CALL_FIELD(status), 0);
		emit_fault_if(c, CC_NE, 0);
	}
	if (h->flags & HF_TAIL)
		after_tail_helper(c);
}

static uint32_t init_of_callee(const struct jc *c)
{
	return c->in->op == OP_CALLX ? 1u << 10 | 0x3e : 0;
}

/* Around every call of a subprogram: depth, guest frame, registers known to be written. */
static void before_sub(struct jc *c)
{
	if (c->dynamic) {
		x_load(&c->b, 4, false, TMP, CALL_FIELD(depth));
		x_alu_load(&c->b, false, X_CMP, TMP, FIELD(frames));
		emit_fault_if(c, CC_AE, -ELOOP);
		x_alu_mem_k(&c->b, 4, X_ADD, CALL_FIELD(depth), 1);
	}
	if (c->checked && c->frame_size)
		x_alu_k(&c->b, true, X_SUB, RBP, (int32_t)c->frame_size);
	if (c->inits) {
		x_load(&c->b, 4, false, TMP, FIELD(init));
		x_store(&c->b, 4, x_at(RSP, 8), TMP);
		if (init_of_callee(c)) {
			x_store_k(&c->b, 4, FIELD(init), (int32_t)init_of_callee(c));
		} else {
			x_alu_k(&c->b, false, X_AND, TMP, 0x3e);
			x_alu_k(&c->b, false, X_OR, TMP, 1 << 10);
			x_store(&c->b, 4, FIELD(init), TMP);
		}
	}
}

static void after_sub(struct jc *c)
{
	if (c->inits) {
		x_load(&c->b, 4, false, TMP, x_at(RSP, 8));
		x_alu_k(&c->b, false, X_AND, TMP, ~0x3e);
		x_alu_k(&c->b, false, X_OR, TMP, 1);
		x_store(&c->b, 4, FIELD(init), TMP);
	}
	if (c->dynamic)
		x_alu_mem_k(&c->b, 4, X_SUB, CALL_FIELD(depth), 1);
	if (c->tails) {	/* the callee may have been replaced */
		x_mov_k(&c->b, TMP, (int64_t)(intptr_t)c->code, true);
		x_store(&c->b, 8, CALL_FIELD(code), TMP);
		x_mov_k(&c->b, TMP, (int64_t)(intptr_t)c->jit, true);
		x_store(&c->b, 8, FIELD(jit), TMP);
	}
	if (c->checked) {
		if (c->frame_size)
			x_alu_k(&c->b, true, X_ADD, RBP, (int32_t)c->frame_size);
		x_alu_mem_k(&c->b, 4, X_CMP, FIELD(stack_memo), 0);
		emit_forget_if(c, CC_NE);
	}
}

void emit_local(struct jc *c)
{
	const struct subprog *sub = code_sub_at(c->code, (uint32_t)c->in->off);

	before_sub(c);
	jc_call(c, c->sub[sub - c->code->sub].entry);
	after_sub(c);
}

/* The function's guest address becomes its machine address in C; the state keeps its arguments meanwhile. */
void emit_callx(struct jc *c)
{
	uint32_t sub = jc_label(c), done = jc_label(c);
	int fn = c->reg[c->in->dst];

	x_mov(&c->b, true, TMP, fn);
	save_arguments(c);
	x_mov(&c->b, true, RSI, TMP);
	x_mov(&c->b, true, RDI, STATE);
	emit_call_c(c, (const void *)jit_callx);
	enter_guest(c);
	x_mov(&c->b, true, TMP2, RAX);
	for (int r = 1; r <= 5; r++)
		x_load(&c->b, 8, false, c->reg[r], x_at(STATE, (int32_t)offsetof(struct jit_state, r) + 8 * r));
	x_alu_k(&c->b, true, X_CMP, TMP2, (int32_t)(intptr_t)JIT_CALLED);
	emit_fault_if(c, CC_B, 0);
	jc_jcc(c, CC_NE, sub);
	x_load(&c->b, 8, false, RAX, x_at(STATE, (int32_t)offsetof(struct jit_state, r)));
	set_result(c);
	jc_jmp(c, done);
	jc_bind(c, sub);
	before_sub(c);
	emit_call_r(c, TMP2);
	after_sub(c);
	jc_bind(c, done);
}
