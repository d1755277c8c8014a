/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* frame.c - entering, leaving and calling.
 *
 * Guest and host registers (System V): r0 rax, r1-r5 rdi rsi rdx rcx r8 (a helper call is a direct
 * call), r6-r9 rbx r13 r14 r15 (kept by callees), r10 rbp, or rsp when the frame fits the red zone
 * of a leaf.  r10 and r11 are scratch.  A run with a state (helpers that look at it, checked or
 * metered code, run-time call depth) keeps its address in r12 and, when metered, the steps left in r9,
 * which helpers get as their sixth argument and which is therefore reloaded after each.
 *
 * Without a state the main function is a plain C function.  With one, `full` saves what any
 * function of the program uses and calls it; a run that ends early returns through `full`'s end. */
#include <errno.h>
#include <string.h>
#include "jit/x86_64/jc.h"

#define FIELD(f) x_at(STATE, (int32_t)offsetof(struct jit_state, f))
#define CALL_FIELD(f) x_at(STATE, (int32_t)offsetof(struct jit_state, call.f))

static const uint8_t home[11] = { RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP };

/* ---- planning ---- */

static void scan_program(struct jc *c)
{
	const struct code *code = c->code;

	c->frame_size = code->uses_stack ? (code->stack_size + 15) & ~15u : 0;
	c->dynamic = code->checked;
	for (uint32_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insn[i];

		switch (isa_op[insn->op].shape) {
		case SHAPE_CALL:
			c->calls_c = true;
			c->state |= helper_needs_call(code->helper[insn->off]);
			c->tails |= insn->op == OP_CALL_TAIL;
			break;
		case SHAPE_CALLX:
			c->inits |= c->checked;		/* what a helper needs is looked up in the run */
			c->calls_c = c->state = true;
			break;
		case SHAPE_PKT_ABS: case SHAPE_PKT_IND:
			c->state = true;
			break;
		case SHAPE_LOCAL:	/* at the limit the chain may be longer, or a circle */
			c->dynamic |= code->frames >= code->max_frames;
			c->main_called |= insn->off == 0;
			break;
		case SHAPE_WIDE:
			c->dynamic |= insn->op == OP_LD_FUNC;
			c->state |= insn->op == OP_LD_CALL;
			c->main_called |= insn->op == OP_LD_FUNC && insn->off == 0;
			break;
		default:
			c->inits |= insn->op == OP_INIT_CHECK;
		}
	}
	c->state |= code->checked || code->metered || c->dynamic;
}

/* What a program reads without having written it is 0, as in the interpreter. */
static uint32_t unset_registers(const struct jc *c)
{
	uint32_t set = 1u << 10 | 1u << 1 | (c->code->type->flags & TYPE_RAW ? 1u << 2 : 0);

	return c->flow.live[0] & ~set;
}

static void zero_registers(struct jc *c)
{
	uint32_t mask = unset_registers(c);

	for (int r = 0; r < 10; r++)
		if (mask >> r & 1)
			x_mov_k(&c->b, home[r], 0, false);
}

static void scan_sub(struct jc *c, uint32_t index)
{
	const struct subprog *sub = &c->code->sub[index];
	struct jsub *j = &c->sub[index];

	j->leaf = !c->state;
	if (!index)
		j->writes = (uint16_t)unset_registers(c);
	for (uint32_t i = sub->start; i < sub->end; i++) {
		const struct insn *insn = &c->code->insn[i];
		uint8_t shape = isa_op[insn->op].shape;

		j->writes |= (uint16_t)flow_writes(insn);
		if (shape == SHAPE_CALL || shape == SHAPE_LOCAL || shape == SHAPE_CALLX)
			j->leaf = false;
		j->inits |= c->inits && (shape == SHAPE_LOCAL || shape == SHAPE_CALLX);
		j->loops |= insn->op == OP_MAY_GOTO;
	}
	for (int r = 6; r <= 9; r++)
		if (j->writes >> r & 1)
			j->saved[j->nr_saved++] = home[r];
}

static bool plan_stack(struct jc *c, uint32_t index)
{
	struct jsub *j = &c->sub[index];
	struct flow_stack fs;

	if (flow_stack(c->code, &c->flow, index, &fs))
		return false;
	j->stack = fs.used;
	j->private = !fs.escapes;
	j->frame = -fs.low;
	if (c->checked || !fs.used) {
		j->zero = c->checked && !c->code->no_zero ? c->code->sub[index].zero : 0;
		return true;
	}
	if (!c->code->no_zero) {
		j->zero = c->code->sub[index].zero;
		if (j->zero > (uint32_t)j->frame)
			j->zero = (uint32_t)j->frame;
		if (!fs.zero_all) {
			memcpy(j->zero_bytes, fs.zero, sizeof fs.zero);
			j->zero = 0;
		}
	}
	j->frame = (j->frame + 15) & ~15;	/* zeroing goes by 16 bytes */
	j->red_zone = j->leaf && j->frame <= 128 && !j->loops;
	return true;
}

bool plan_frames(struct jc *c)
{
	const struct code *code = c->code;

	scan_program(c);
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		struct jsub *j = &c->sub[k];

		j->entry = jc_label(c);
		scan_sub(c, k);
		if (!plan_stack(c, k))
			return false;
		for (int s = 0; s < j->nr_saved; s++) {
			bool known = false;

			for (int u = 0; u < c->nr_saved; u++)
				known |= c->saved[u] == j->saved[s];
			if (!known)
				c->saved[c->nr_saved++] = j->saved[s];
		}
		/* rbp holds the frame, and in checked code always the guest's frame pointer */
		j->rbp = !c->checked && j->stack && !j->red_zone;
	}
	return true;
}

/* ---- prologue and epilogue of one function ---- */

static void zero_frame(struct jc *c, const struct jsub *j)
{
	int fp = j->red_zone ? RSP : RBP;
	uint32_t n = j->zero;

	for (int slot = 0; slot < 64; slot++) {	/* 8 bytes each, below r10 */
		if (j->zero_bytes[slot / 8] >> slot % 8 * 8 & 0xff) {
			x_store_k(&c->b, 8, x_at(fp, -8 * (slot + 1)), 0);
			jc_room(c, 64);
		}
	}
	if (!n)
		return;
	n = (n + 15) & ~15u;
	x_pxor(&c->b, 0, 0);
	if (n <= 128) {
		for (uint32_t at = 16; at <= n; at += 16)
			x_movups_store(&c->b, x_at(fp, -(int32_t)at), 0);
	} else {
		uint32_t again;

		if (n % 64)	/* the part below whole steps of 64 */
			for (uint32_t at = n & ~63u; at < n; at += 16)
				x_movups_store(&c->b, x_at(fp, -(int32_t)at - 16), 0);
		x_lea(&c->b, true, TMP, x_at(fp, -(int32_t)(n & ~63u)));
		again = jc_here(c);
		for (int32_t at = 0; at < 64; at += 16)
			x_movups_store(&c->b, x_at(TMP, at), 0);
		x_alu_k(&c->b, true, X_ADD, TMP, 64);
		x_alu(&c->b, true, X_CMP, TMP, fp);
		jc_jcc(c, CC_NE, again);
	}
}

/* Bytes to take from rsp after the pushes so that it is 16-aligned in the body of a non-leaf. */
static int32_t below(const struct jsub *j, bool kept)
{
	int pushed = 1 + (kept ? 0 : j->nr_saved) + j->rbp;
	int32_t n = (j->rbp ? j->frame : 0) + (j->loops || j->inits ? 16 : 0);

	if (j->leaf && !j->rbp && !j->loops)
		return 0;
	return n + (pushed % 2 ? 8 : 0);
}

static bool main_kept(const struct jc *c)
{
	return c->state && c->cur == c->sub && !c->main_called;
}

void emit_prologue(struct jc *c)
{
	const struct jsub *j = c->cur;
	int32_t n = below(j, main_kept(c));

	if (!main_kept(c))
		for (int k = 0; k < j->nr_saved; k++)
			x_push(&c->b, j->saved[k]);
	if (j->rbp) {
		x_push(&c->b, RBP);
		x_mov(&c->b, true, RBP, RSP);
	}
	if (n)
		x_alu_k(&c->b, true, X_SUB, RSP, n);
	if (j->loops)
		x_store_k(&c->b, 8, x_at(RSP, 0), MAY_GOTO_LIMIT);
	zero_frame(c, j);
	if (j == c->sub && !c->main_called)
		zero_registers(c);
}

void emit_epilogue(struct jc *c)
{
	const struct jsub *j = c->cur;
	int32_t n = below(j, main_kept(c));

	if (j->rbp)
		x_leave(&c->b);
	else if (n)
		x_alu_k(&c->b, true, X_ADD, RSP, n);
	if (!main_kept(c))
		for (int k = j->nr_saved; k-- > 0; )
			x_pop(&c->b, j->saved[k]);
}

void emit_exit(struct jc *c)
{
	emit_epilogue(c);
	x_ret(&c->b);
}

/* What unwind.c says of a body. */
void unwind_of_sub(const struct jc *c, uint32_t index, struct unwind_frame *out)
{
	const struct jsub *j = &c->sub[index];
	bool kept = c->state && !index && !c->main_called;

	out->nr = 0;
	for (int k = 0; !kept && k < j->nr_saved; k++)
		out->saved[out->nr++] = j->saved[k];
	if (j->rbp)
		out->saved[out->nr++] = RBP;
	out->fp = j->rbp;
	out->cfa = 8u + 8u * out->nr + (j->rbp ? 0 : (uint32_t)below(j, kept));
}

/* Of `full` and `callback`, which push alike. */
void unwind_of_entry(const struct jc *c, struct unwind_frame *out)
{
	out->nr = 0;
	out->saved[out->nr++] = STATE;
	out->saved[out->nr++] = RBP;
	for (int k = 0; k < c->nr_saved; k++)
		out->saved[out->nr++] = c->saved[k];
	out->fp = false;
	out->cfa = 8u + 8u * out->nr + 8u;	/* and exit_sp */
	out->cfa += out->cfa % 16;
}

/* ---- calls ---- */

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
	if (c->flags & JIT_RETPOLINE)
		jc_call(c, c->retpoline_label);
	else
		x_call_r(&c->b, RAX);
}

static void after_tail_helper(struct jc *c)
{
	uint32_t next = jc_label(c);

	x_alu_mem_k(&c->b, 8, X_CMP, CALL_FIELD(tail), 0);
	jc_jcc(c, CC_E, next);
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
	/* a program that needs no state is entered as the C function that it is */
	x_load(&c->b, 8, false, RDI, CALL_FIELD(ctx));
	x_load(&c->b, 8, false, RSI, CALL_FIELD(ctx_len));
	x_load(&c->b, 8, false, RDX, CALL_FIELD(host));
	emit_epilogue(c);
	if (c->flags & JIT_RETPOLINE) {
		x_push(&c->b, TMP);
		jc_jmp(c, c->retpoline_ret_label);
	} else {
		x_jmp_r(&c->b, TMP);
	}
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

static void checked_helper(struct jc *c, const struct helper *h)
{
	c->call_window = KIND_UNKNOWN;
	if (inlined(c)) {
		if (c->inits) {
			x_alu_mem_k(&c->b, 4, X_AND, FIELD(init), ~0x3e);
			x_alu_mem_k(&c->b, 4, X_OR, FIELD(init), 1);
		}
		return;
	}
	c->call_window = new_window(c);
	for (int r = 1; r <= 5; r++)
		x_store(&c->b, 8, x_at(STATE, (int32_t)offsetof(struct jit_state, r) + 8 * r), c->reg[r]);
	leave_guest(c);
	if (h->flags & HF_CALLS_BACK)
		x_store(&c->b, 8, FIELD(fp), RBP);
	x_mov(&c->b, true, RDI, STATE);
	x_mov_k(&c->b, RSI, c->i, false);
	x_mov_k(&c->b, RDX, c->call_window, false);
	emit_call_c(c, (const void *)jit_checked_call);
	enter_guest(c);
	if (c->inits) {
		x_alu_mem_k(&c->b, 4, X_AND, FIELD(init), ~0x3e);
		x_alu_mem_k(&c->b, 4, X_OR, FIELD(init), 1);
	}
	x_alu_mem_k(&c->b, 4, X_CMP, CALL_FIELD(status), 0);
	emit_fault_if(c, CC_NE, 0);
	if (h->flags & HF_TAIL)
		after_tail_helper(c);
}

void emit_helper(struct jc *c)
{
	const struct helper *h = c->code->helper[c->in->off];
	bool looks = helper_needs_call(h);
	/* Others set no status and do not ask which helper they are. */
	bool fails = h->flags & (HF_MAY_FAULT | HF_CALLS_BACK | HF_TAIL) || !helper_fn(h);

	if (c->checked) {
		checked_helper(c, h);
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
	for (int r = 1; r <= 5; r++)
		x_store(&c->b, 8, x_at(STATE, (int32_t)offsetof(struct jit_state, r) + 8 * r), c->reg[r]);
	leave_guest(c);
	x_store(&c->b, 8, FIELD(fp), RBP);	/* a helper may call back */
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
	if (c->inits) {
		x_alu_mem_k(&c->b, 4, X_AND, FIELD(init), ~0x3e);
		x_alu_mem_k(&c->b, 4, X_OR, FIELD(init), 1);
	}
	jc_jmp(c, done);
	jc_bind(c, sub);
	before_sub(c);
	if (c->flags & JIT_RETPOLINE) {
		x_mov(&c->b, true, RAX, TMP2);
		jc_call(c, c->retpoline_label);
	} else {
		x_call_r(&c->b, TMP2);
	}
	after_sub(c);
	jc_bind(c, done);
}

/* ---- entries from C ---- */

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
		x_load(&c->b, 8, false, home[r], x_at(TMP, 8 * (r - 1)));
	if (c->flags & JIT_RETPOLINE)
		jc_call(c, c->retpoline_label);
	else
		x_call_r(&c->b, RAX);
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
	if (c->flags & JIT_RETPOLINE) {
		x_push(&c->b, RAX);
		jc_jmp(c, c->retpoline_ret_label);
	} else {
		x_jmp_r(&c->b, RAX);
	}
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
