/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* entry.c - how C and tail calls come in (conventions: frame.c), retpolines, and the loop over a batch. */
#include <string.h>
#include "jit/x86_64/jc.h"

static void push_saved(struct jc *c)
{
	int n = 2;	/* return address, r12 */

	x_push(&c->b, STATE);
	x_push(&c->b, RBP);
	for (int k = 0; k < c->nr_saved; k++)
		x_push(&c->b, c->saved[k]);
	n += 1 + c->nr_saved;
	x_mov(&c->b, true, STATE, RDI);
	x_push_mem(&c->b, FIELD(exit_sp));
	if ((n + 1) % 2)
		x_push(&c->b, RBP);
	x_store(&c->b, 8, FIELD(exit_sp), RSP);
}

static void pop_saved(struct jc *c)
{
	int n = 3 + c->nr_saved;

	if ((n + 1) % 2)
		x_pop(&c->b, TMP);
	x_pop_mem(&c->b, FIELD(exit_sp));
	for (int k = c->nr_saved; k-- > 0; )
		x_pop(&c->b, c->saved[k]);
	x_pop(&c->b, RBP);
	x_pop(&c->b, STATE);
	x_ret(&c->b);
}

static void entry_mark(struct jc *c)
{
	if (c->flags & JIT_ENDBR)
		x_endbr64(&c->b);
}

/* r1 and r2 as a program finds them. */
static void load_ctx(struct jc *c)
{
	x_load(&c->b, 8, false, RDI, CALL_FIELD(ctx));
	if (c->code->type->flags & TYPE_RAW)
		x_load(&c->b, 8, false, RSI, CALL_FIELD(ctx_len));
}

void emit_entries(struct jc *c, struct entries *out)
{
	uint32_t end = jc_label(c);

	jc_room(c, 1024);
	jc_align(c, 16);
	out->full = jc_here(c);
	entry_mark(c);
	push_saved(c);
	load_ctx(c);
	enter_guest(c);
	if (c->main_called)
		zero_registers(c);
	if (c->checked)
		x_load(&c->b, 8, false, RBP, FIELD(stack_end));
	jc_call(c, c->sub[0].entry);
	jc_bind(c, end);
	leave_guest(c);
	pop_saved(c);

	jc_bind(c, c->abort_label);	/* the run ends here and now */
	x_load(&c->b, 8, false, RSP, FIELD(exit_sp));
	jc_jmp(c, end);

	jc_align(c, 16);
	out->callback = jc_here(c);	/* (state, entry, args) */
	entry_mark(c);
	push_saved(c);
	if (c->checked) {
		x_load(&c->b, 8, false, RBP, FIELD(fp));
		if (c->frame_size)
			x_alu_k(&c->b, true, X_SUB, RBP, (int32_t)c->frame_size);
	}
	enter_guest(c);
	x_mov(&c->b, true, TMP, RDX);
	x_mov(&c->b, true, RAX, RSI);
	for (int r = 1; r <= 5; r++)
		x_load(&c->b, 8, false, c->reg[r], x_at(TMP, 8 * (r - 1)));
	emit_call_r(c, RAX);
	jc_jmp(c, end);

	/* Reached by a jump with the caller's return address on the stack; keeps r6-r9 for it. */
	jc_align(c, 16);
	out->tail = jc_here(c);
	entry_mark(c);
	for (int k = 0; k < c->nr_saved; k++)
		x_push(&c->b, c->saved[k]);
	if (c->nr_saved % 2 == 0)
		x_push(&c->b, RBP);
	load_ctx(c);
	jc_call(c, c->sub[0].entry);
	if (c->nr_saved % 2 == 0)
		x_pop(&c->b, TMP);
	for (int k = c->nr_saved; k-- > 0; )
		x_pop(&c->b, c->saved[k]);
	x_ret(&c->b);

	jc_align(c, 16);
	out->bare = jc_here(c);		/* (ctx, len, host): the C function gets the code as well */
	entry_mark(c);
	x_mov_k(&c->b, RCX, (int64_t)(intptr_t)c->jit, true);
	x_mov_k(&c->b, RAX, (int64_t)(intptr_t)jit_run_bare, true);
	emit_jump_r(c, RAX);
}

/* A program without state is a C function, but a tail call comes with the caller's state: its context goes
 * where a C caller would have put it, and the function returns to whom the caller would have. */
void emit_plain_tail(struct jc *c, struct entries *out)
{
	jc_room(c, 64);
	jc_align(c, 16);
	out->tail = jc_here(c);
	entry_mark(c);
	load_ctx(c);
	jc_jmp(c, c->sub[0].entry);
}

/* An indirect branch that cannot be mistrained: the return is predicted to the pause loop, the real
 * target is put over the return address. */
void emit_retpolines(struct jc *c)
{
	uint32_t trap, set = jc_label(c);

	jc_room(c, 128);
	jc_align(c, 16);
	jc_bind(c, c->retpoline_label);		/* call *rax */
	x_push(&c->b, RAX);
	jc_bind(c, c->retpoline_ret_label);	/* jump to the address on the stack */
	jc_call(c, set);
	trap = jc_here(c);
	x_pause(&c->b);
	x_lfence(&c->b);
	jc_jmp(c, trap);
	jc_bind(c, set);
	x_alu_k(&c->b, true, X_ADD, RSP, 8);	/* drop the return address into the trap */
	x_ret(&c->b);
}

/* ---- batches ---- */

static const uint8_t kept[] = { RBX, RBP, R12, R13, R14 };	/* r14: alignment */

void unwind_of_batch(struct unwind_frame *out)
{
	memcpy(out->saved, kept, sizeof kept);
	out->nr = sizeof kept;
	out->fp = false;
	out->cfa = 8 + 8 * sizeof kept;
}

/* The end of a round: runs the program, keeps its result. */
static void batch_round(struct jc *c, uint32_t next)
{
	jc_call(c, c->sub[0].entry);
	x_store(&c->b, 8, x_at(RBX, 0), RAX);
	x_alu_k(&c->b, true, X_ADD, RBX, 8);
	x_alu(&c->b, true, X_CMP, RBX, RBP);
	jc_jcc(c, CC_NE, next);
}

/* (base, stride, results, end): calls the program for each record.  Its body once more in the loop's place would
 * save a fraction of a nanosecond a record and cost a tenth of compiling, used or not. */
void emit_batch(struct jc *c, uint32_t *label)
{
	uint32_t next, out = jc_label(c), records = jc_label(c);
	int n = sizeof kept;

	jc_room(c, 1024);
	jc_align(c, 16);
	*label = jc_here(c);
	entry_mark(c);
	for (int k = 0; k < n; k++)
		x_push(&c->b, kept[k]);
	x_mov(&c->b, true, R12, RDI);
	x_mov(&c->b, true, R13, RSI);
	x_mov(&c->b, true, RBX, RDX);
	x_mov(&c->b, true, RBP, RCX);
	x_test(&c->b, true, RSI, RSI);
	jc_jcc(c, CC_E, records);
	next = jc_here(c);
	x_mov(&c->b, true, RDI, R12);
	x_mov(&c->b, true, RSI, R13);
	x_alu(&c->b, true, X_ADD, R12, R13);
	batch_round(c, next);
	jc_bind(c, out);
	while (n-- > 0)
		x_pop(&c->b, kept[n]);
	x_ret(&c->b);
	jc_bind(c, records);
	x_load(&c->b, 8, false, RDI, x_at(R12, 0));
	x_load(&c->b, 8, false, RSI, x_at(R12, 8));
	x_alu_k(&c->b, true, X_ADD, R12, 16);
	batch_round(c, records);
	jc_jmp(c, out);
}
