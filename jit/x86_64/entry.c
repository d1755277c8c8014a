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

void entry_mark(struct jc *c)
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
	if (c->nr_saved) {
		if (c->nr_saved % 2 == 0)
			x_push(&c->b, RBP);
		load_ctx(c);
		jc_call(c, c->sub[0].entry);
		if (c->nr_saved % 2 == 0)
			x_pop(&c->b, TMP);
		for (int k = c->nr_saved; k-- > 0; )
			x_pop(&c->b, c->saved[k]);
		x_ret(&c->b);
	} else {
		load_ctx(c);
		jc_jmp(c, c->sub[0].entry);
	}

	out->result = jc_here(c);	/* in place of a function that a nested run has done (jit_take_tail) */
	entry_mark(c);
	x_load(&c->b, 8, false, RAX, FIELD(r));
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

static const uint8_t kept[] = { RBX, R13, R12, RBP, R14 }, given[] = { RDI, RSI, RDX, RCX };

void unwind_of_batch(struct unwind_frame *out)
{
	memcpy(out->saved, kept, sizeof kept);
	out->nr = sizeof kept;
	out->fp = false;
	out->cfa = 8 + 8 * sizeof kept;
}

/* (base, stride, results, end): where the records are, r13 stride, r12 from -(bytes of results) up to 0, behind whose
 * end rbp points.  Two registers count: with one more for the results a round of a short filter takes a third longer. */
static void enter_batch(struct jc *c, uint32_t *label)
{
	jc_room(c, 1024);
	jc_align(c, 16);
	*label = jc_here(c);
	entry_mark(c);
	for (unsigned k = 0; k < sizeof kept; k++)
		x_push(&c->b, kept[k]);
	for (unsigned k = 0; k < 4; k++)
		x_mov(&c->b, true, kept[k], given[k]);
	x_alu(&c->b, true, X_SUB, R12, RCX);
	x_mov_k(&c->b, R14, 0, false);
	c->batch_end = jc_label(c);
}

/* Records of pointer and length: two words where a result is one. */
enum { BY_TWO = 1 };
static void behind_records(struct jc *c)
{
	x_alu(&c->b, true, X_SUB, RBX, R12);
	x_alu(&c->b, true, X_SUB, RBX, R12);
}

static void load_record(struct jc *c, int at, int len)
{
	x_load(&c->b, 8, false, at, x_idx(RBX, R12, BY_TWO, 0));
	x_load(&c->b, 8, false, len, x_idx(RBX, R12, BY_TWO, 8));
}

static void leave_batch(struct jc *c)
{
	jc_bind(c, c->batch_end);
	x_mov(&c->b, true, RAX, R14);
	for (unsigned n = sizeof kept; n-- > 0; )
		x_pop(&c->b, kept[n]);
	x_ret(&c->b);
}

/* The end of a round: keeps its result. */
void emit_round(struct jc *c, uint32_t next)
{
	x_store(&c->b, 8, x_idx(RBP, R12, 0, 0), RAX);
	x_alu_k(&c->b, true, X_ADD, R12, 8);
	jc_jcc(c, CC_NE, next);
	jc_jmp(c, c->batch_end);
}

static void call_round(struct jc *c, uint32_t next)
{
	jc_call(c, c->sub[0].entry);
	emit_round(c, next);
}

/* Calls the program for each record.  Its body once more in the loop's place would save a fraction of a nanosecond
 * a record and cost a tenth of compiling, used or not; filters of packets are short, and have it (emit_packets). */
void emit_batch(struct jc *c, uint32_t *label)
{
	uint32_t next, records = jc_label(c);

	enter_batch(c, label);
	x_test(&c->b, true, RSI, RSI);
	jc_jcc(c, CC_E, records);
	next = jc_here(c);
	x_mov(&c->b, true, RDI, RBX);
	x_mov(&c->b, true, RSI, R13);
	x_alu(&c->b, true, X_ADD, RBX, R13);
	call_round(c, next);
	jc_bind(c, records);
	behind_records(c);
	next = jc_here(c);
	load_record(c, RDI, RSI);
	call_round(c, next);
	leave_batch(c);
}

/* Is instruction i a load of the packet's bound at `at` of the context, into what register? */
static bool loads_bound(const struct jc *c, uint32_t i, size_t at)
{
	const struct insn *in = &c->code->insn[i];

	return isa_op[in->op].shape == SHAPE_LOAD && isa_op[in->op].size == 8 && in->src == 1 && in->dst != 1 &&
	       in->off == (int32_t)at && !(i && c->flow.mark[i] & FLOW_TARGET);
}

/* Filters of packets only read: nothing of one round is seen in the next. */
static bool only_reads(const struct jc *c)
{
	const uint32_t writes = 1u << SHAPE_STORE_X | 1u << SHAPE_STORE_K | 1u << SHAPE_ATOMIC | 1u << SHAPE_FUSED_STORE;

	for (uint32_t i = 0; i < c->code->n; i++)
		if (writes >> isa_op[c->code->insn[i].op].shape & 1 && c->code->insn[i].dst != 10)
			return false;
	return c->code->type->flags & TYPE_PACKET && !c->calls_c && c->code->nr_sub == 1;
}

/* (packets, view, results, end): the program itself stands in the loop, and each of its exits goes round.  A program that
 * begins with loading the packet's bounds, as filters do, and needs nothing else of its context finds them in registers. */
void emit_packets(struct jc *c, uint32_t *label)
{
	static const uint8_t bound[4] = { offsetof(struct uebpf_packet, len), offsetof(struct uebpf_packet, data_end),
					  offsetof(struct uebpf_packet, data), offsetof(struct uebpf_packet, data_meta) };
	const struct insn *in = c->code->insn;
	uint32_t insn_label = c->insn_label;
	bool bounds, view;
	int at = TMP, to = TMP2;	/* the program's own are zeroed already */

	*label = 0;
	if (!only_reads(c))
		return;
	bounds = c->code->n > 2 && loads_bound(c, 0, bound[2]) && loads_bound(c, 1, bound[1]) && in[0].dst != in[1].dst;
	view = (bounds ? flow_live_after(c->code, &c->flow, 1) : c->flow.live[0]) & 1u << 1;
	if (bounds && !view) {
		at = c->reg[in[0].dst];
		to = c->reg[in[1].dst];
		c->skip = 2;
	}
	c->jit->packets_view = view;
	enter_batch(c, label);
	behind_records(c);
	begin_sub(c, 0);
	if (c->rules & RULE_ALIGN)
		jc_align(c, 32);
	c->next_packet = jc_here(c);
	emit_prologue(c);
	load_record(c, at, to);
	x_alu(&c->b, true, X_OR, R14, to);
	for (unsigned k = 0; k < 4; k++) {
		if (view)
			x_store(&c->b, k ? 8 : 4, x_at(R13, bound[k]), k < 2 ? to : at);
		if (!k)
			x_alu(&c->b, true, X_ADD, to, at);
	}
	if (view)
		x_mov(&c->b, true, RDI, R13);
	c->insn_label = jc_labels(c, c->code->n);
	c->zeroes_at = UNSET;
	emit_body(c, 0);
	c->insn_label = insn_label;
	c->next_packet = 0;
	leave_batch(c);
}
