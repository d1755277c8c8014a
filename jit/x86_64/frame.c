/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* frame.c - what a function keeps on the stack: its plan, entering and leaving it.
 *
 * Guest and host registers (System V): r0 rax, r1-r5 rdi rsi rdx rcx r8 (a helper call is a direct
 * call), r6-r9 rbx r13 r14 r15 (kept by callees), r10 rbp, or rsp when the frame fits the red zone
 * of a leaf.  r10 and r11 are scratch.  A run with a state (helpers that look at it, checked or
 * metered code, run-time call depth) keeps its address in r12 and, when metered, the steps left in r9,
 * which helpers get as their sixth argument and which is therefore reloaded after each.  A program that calls
 * nothing has r6-r9 in registers that nobody needs kept, as far as there are such (volatile_homes).
 *
 * Without a state the main function is a plain C function.  With one, `full` saves what any
 * function of the program uses and calls it; a run that ends early returns through `full`'s end. */
#include <string.h>
#include "jit/x86_64/jc.h"

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
			c->state |= helper_needs_call(code->helper[insn->off]) && insn->dst != CALL_ALONE;
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

void zero_registers(struct jc *c)
{
	uint32_t mask = unset_registers(c);

	for (int r = 0; r < 10; r++)
		if (mask >> r & 1)
			x_mov_k(&c->b, c->reg[r], 0, false);
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
}

/* r6-r9 of a program that calls nothing: where r2-r5 would be that it does not have, r9, the scratch registers. */
static void volatile_homes(struct jc *c)
{
	static const struct { uint8_t reg, guest; } home[] = {
		{ RSI, 2 }, { RCX, 4 }, { R8, 5 }, { R9, 15 }, { RDX, 3 }, { TMP, 15 }, { TMP2, 15 } };
	uint32_t writes = c->sub[0].writes, used = writes | c->flow.live[0];
	enum spare spare = c->flow.loops || c->flags & JIT_BLIND ? SPARE_R9 : SPARE_ALL;
	unsigned n = 0;

	if (!c->sub[0].leaf || c->code->nr_sub > 1 || c->flow.live[0] & 0x3c0 || !(writes & 0x3c0))
		return;
	for (uint32_t i = 0; i < c->code->n && spare != SPARE_NONE; i++) {
		enum spare here = emit_spare(c, i);

		spare = here < spare ? here : spare;
	}
	for (int r = 6; r <= 9; r++) {
		if (!(writes >> r & 1))
			continue;
		while (n < SPARE_ALL && used >> home[n].guest & 1)
			n++;
		if (n < spare)
			c->reg[r] = home[n++].reg;
	}
}

/* Host registers that code writing such guest registers has to keep. */
static uint8_t saved_registers(const struct jc *c, unsigned writes, uint8_t saved[4])
{
	uint8_t n = 0;

	for (int r = 6; r <= 9; r++)
		if (writes >> r & 1 && (c->reg[r] == RBX || c->reg[r] >= R12))
			saved[n++] = c->reg[r];
	return n;
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
	unsigned writes = 0;

	scan_program(c);
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		struct jsub *j = &c->sub[k];

		j->entry = jc_label(c);
		scan_sub(c, k);
		if (!k)
			volatile_homes(c);
		j->nr_saved = saved_registers(c, j->writes, j->saved);
		writes |= j->writes;
		if (!plan_stack(c, k))
			return false;
		/* rbp holds the frame, and in checked code always the guest's frame pointer */
		j->rbp = !c->checked && j->stack && !j->red_zone;
	}
	c->nr_saved = saved_registers(c, writes, c->saved);
	return true;
}

/* ---- prologue and epilogue of one function ---- */

void zero_frame(struct jc *c, const struct jsub *j)
{
	int fp = j->red_zone ? RSP : RBP;
	uint32_t n = j->zero, by_loop, again;

	for (int slot = 0; slot < 64; slot++) {	/* 8 bytes each, below r10 */
		if (j->zero_bytes[slot / 8] >> slot % 8 * 8 & 0xff) {
			x_store_k(&c->b, 8, x_at(fp, -8 * (slot + 1)), 0);
			jc_room(c, 64);
		}
	}
	if (!n)
		return;
	n = (n + 15) & ~15u;
	by_loop = n <= 128 ? 0 : n & ~63u;	/* in steps of 64, the part next to r10 */
	x_pxor(&c->b, 0, 0);
	for (uint32_t at = by_loop; at < n; at += 16)
		x_movups_store(&c->b, x_at(fp, -(int32_t)at - 16), 0);
	if (!by_loop)
		return;
	x_lea(&c->b, true, TMP, x_at(fp, -(int32_t)by_loop));
	again = jc_here(c);
	for (int32_t at = 0; at < 64; at += 16)
		x_movups_store(&c->b, x_at(TMP, at), 0);
	x_alu_k(&c->b, true, X_ADD, TMP, 64);
	x_alu(&c->b, true, X_CMP, TMP, fp);
	jc_jcc(c, CC_NE, again);
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
	if (c->next_packet)
		emit_round(c, c->next_packet);
	else
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
