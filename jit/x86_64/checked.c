/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* checked.c - run-time checks: accesses, steps, first reads of registers; and all out-of-line code.
 *
 * An access is compared with a window (jit/state.h): a region's address and the limit for its size.
 * Which window is a guess made at compile time from where the base register came: a wrong guess costs
 * a call of jit_miss, never safety.  Accesses based on r10 itself with a good offset need nothing. */
#include <errno.h>
#include <string.h>
#include "jit/x86_64/jc.h"
#include "vm/mem.h"


/* ---- what registers point to ---- */

uint8_t new_window(struct jc *c)
{
	uint8_t w = c->next_window;

	c->next_window = w + 1 < WINDOWS ? w + 1 : WINDOW_FREE;
	if (c->nr_window < w + 1u)
		c->nr_window = w + 1u;
	return w;
}

void enter_kinds(struct jc *c)
{
	if (!c->checked || !(c->flow.mark[c->i] & FLOW_TARGET))
		return;
	if (code_sub_at(c->code, c->i)) {
		memset(c->kind, KIND_UNKNOWN, sizeof c->kind);
		c->kind[1] = c->i ? KIND_UNKNOWN : WINDOW_CTX;
		c->kind[10] = KIND_FRAME;
	} else if (c->i && !flow_falls(c->in - 1) && c->kind_at[c->i][10] == KIND_FRAME)
		memcpy(c->kind, c->kind_at[c->i], sizeof c->kind);
}

void track_kinds(struct jc *c)
{
	const struct insn *in = c->in;
	uint32_t writes;

	if (!c->checked)
		return;
	if (flow_is_jump(in) && (uint32_t)in->off > c->i && c->kind_at[in->off][10] != KIND_FRAME)
		memcpy(c->kind_at[in->off], c->kind, sizeof c->kind);
	writes = flow_writes(in);
	if (!writes)
		return;
	switch (in->op) {
	case OP_ADD64_K: case OP_SUB64_K:
		return;
	case OP_ADD64_X:	/* pointer + number or the other way round: the known one wins */
		if (c->kind[in->dst] == KIND_UNKNOWN)
			c->kind[in->dst] = c->kind[in->src];
		return;
	case OP_LEAX64:
		c->kind[in->dst] = c->kind[c->kind[in->src] != KIND_UNKNOWN ? in->src : in->imm_lo & 15];
		return;
	case OP_MOV64_X: case OP_LEA64:
		c->kind[in->dst] = c->kind[in->src];
		return;
	case OP_LD_W: {
		const struct ctx_field *f = NULL;

		if (c->kind[in->src] == WINDOW_CTX && in->off >= 0)
			f = ctx_field_at(c->code->type, (uint32_t)in->off, 4, false);
		f = f && c->code->type->flags & TYPE_PACKET ? f : NULL;
		c->kind[in->dst] = f && (f->kind == CTX_PACKET || f->kind == CTX_PACKET_END) ?
				   WINDOW_PACKET : KIND_UNKNOWN;
		c->packet_window |= f != NULL;
		return;
	}
	case OP_CALL: case OP_CALL_TAIL: case OP_CALL_LOCAL: case OP_CALLX:
		memset(c->kind, KIND_UNKNOWN, 6);
		if (in->op == OP_CALL)
			c->kind[0] = c->call_window;
		return;
	case OP_LD_MAPVAL:
		c->kind[in->dst] = new_window(c);
		return;
	}
	for (int r = 0; r < 10; r++)
		if (writes >> r & 1)
			c->kind[r] = KIND_UNKNOWN;
}

/* ---- accesses ---- */

static int size_log(int size) { return size == 8 ? 3 : size == 4 ? 2 : size - 1; }

static bool add_site(struct jc *c, const struct jit_site *site, uint32_t *index)
{
	if (c->nr_site == c->cap_site) {
		uint32_t want = c->cap_site ? c->cap_site * 2 : 32;
		struct jit_site *p = mem_resize(c->host, c->site, c->cap_site * sizeof *p, want * sizeof *p);

		if (!p) {
			c->no_memory = true;
			return false;
		}
		c->site = p;
		c->cap_site = want;
	}
	*index = c->nr_site;
	c->site[c->nr_site++] = *site;
	return true;
}

static struct x_mem window_limit(int kind, int size, uint32_t access)
{
	return x_at(STATE, (int32_t)(offsetof(struct jit_state, window) + (size_t)kind * sizeof(struct jit_window) +
				     (access & ACCESS_WRITE ? offsetof(struct jit_window, write) :
				      offsetof(struct jit_window, read))) + 8 * size_log(size));
}

struct x_mem emit_guard(struct jc *c, int base, int32_t off, int size, uint32_t access, uint32_t *out)
{
	struct x_mem m = x_at(c->reg[base], off);
	bool atomic = access & GUARD_ATOMIC;
	struct jit_site site = { .insn = c->i, .size = (uint8_t)size, .access = (uint8_t)access, .atomic = atomic,
				 .rest = c->rest };
	uint8_t kind = c->kind[base];
	enum judgement known;
	struct cold *cold;
	uint32_t need;

	*out = UNSET;
	if (!c->checked)
		return m;
	known = fact_judge(c, base, off, (uint32_t)size, access & ~(uint32_t)GUARD_ATOMIC, atomic, &need);
	if (known == JUDGE_GOOD)
		return m;
	if (known == JUDGE_CTX && c->fast) {	/* tested once, on entry */
		c->ctx_need = need > c->ctx_need ? need : c->ctx_need;
		return m;
	}
	if (base == 10 && off < 0 && off >= -(int32_t)c->code->stack_size && off + size <= 0 &&
	    (!atomic || !(off & (size - 1))))
		return m;
	if (kind == KIND_UNKNOWN)
		kind = c->kind[base] = new_window(c);
	site.window = kind == KIND_FRAME ? WINDOW_CTX : kind;	/* a frame is not remembered from here */
	cold = jc_cold(c, COLD_MISS);
	if (!cold || !add_site(c, &site, &cold->site))
		return m;
	*out = (uint32_t)(cold - c->cold);
	cold->reg = (uint8_t)base;
	cold->disp = off;
	cold->access = (uint8_t)access;
	cold->flag = atomic;
	if (known == JUDGE_NULL) {
		int32_t null = c->fact[base].off;

		if (null)
			x_alu_k(&c->b, true, X_CMP, c->reg[base], null);
		else
			x_test(&c->b, true, c->reg[base], c->reg[base]);
		jc_jcc(c, CC_E, cold->label);
		c->cold[*out].back = jc_here(c);
		return m;
	}
	if (atomic && size > 1) {
		x_lea(&c->b, true, TMP, m);
		x_test_k(&c->b, false, TMP, size - 1);
		jc_jcc(c, CC_NE, cold->label);
	}
	if (kind == KIND_FRAME) {
		x_lea(&c->b, true, TMP, x_at(c->reg[base], off + (int32_t)c->frame_size));
		x_alu(&c->b, true, X_SUB, TMP, RBP);
		x_alu_k(&c->b, true, X_CMP, TMP, (int32_t)c->frame_size - size);
		jc_jcc(c, CC_A, cold->label);
	} else {
		int32_t w = (int32_t)(offsetof(struct jit_state, window) + kind * sizeof(struct jit_window));
		c->ctx_window |= kind == WINDOW_CTX && (c->fast || c->slow_label == UNSET);
		if (off)
			x_lea(&c->b, true, TMP, m);
		else
			x_mov(&c->b, true, TMP, c->reg[base]);
		x_alu_load(&c->b, true, X_SUB, TMP, x_at(STATE, w));
		x_alu_load(&c->b, true, X_CMP, TMP, window_limit(kind, size, access));
		jc_jcc(c, CC_AE, cold->label);
	}
	c->cold[*out].back = jc_here(c);
	return m;
}

void emit_guard_end(struct jc *c, uint32_t cold, int load_reg)
{
	if (cold == UNSET || c->no_memory)
		return;
	c->cold[cold].size = (uint8_t)load_reg;
	c->cold[cold].after = jc_here(c);
}

/* ---- steps, first reads ---- */

/* In the fast copy the blocks that can only be reached one through the other are charged together, up to a
 * call; who leaves before the end gives the rest back (emit_leave).  When less is left than all of
 * them need, the other copy goes on and charges block by block. */
static int32_t chain_steps(struct jc *c)
{
	int64_t sum = c->in->imm;
	uint32_t end = c->i + 1;

	for (uint32_t i = c->i + 1; c->fast && i < c->code->n && !(c->flow.mark[i] & FLOW_TARGET); i++) {
		const struct insn *in = &c->code->insn[i];
		uint8_t shape = isa_op[in->op].shape;

		if (in->op == OP_CHARGE) {
			if (sum + in->imm > 1 << 30)
				break;
			sum += in->imm;
			end = i + 1;
		}
		if (!flow_falls(in) || (flow_is_jump(in) && (uint32_t)in->off <= i) || in->op == OP_MAY_GOTO || shape == SHAPE_CALL || shape == SHAPE_LOCAL ||
		    shape == SHAPE_CALLX || shape == SHAPE_PKT_ABS || shape == SHAPE_PKT_IND)
			break;
	}
	c->chain_end = end;
	return (int32_t)sum;
}

static void charge_cold(struct jc *c, enum x_cc cc, int32_t steps, uint32_t again, bool cancel)
{
	struct cold *cold = jc_cold(c, COLD_BUDGET);

	if (!cold)
		return;
	cold->value = steps;
	cold->flag = cancel;
	cold->back = again;
	cold->wide = c->fast;	/* whether another copy goes on, and where */
	cold->after = c->slow_label + c->i;
	c->bails |= c->fast;
	jc_jcc(c, cc, cold->label);
}

void emit_charge(struct jc *c)
{
	uint32_t again = UNSET;
	int32_t steps;

	if (c->i < c->chain_end && c->fast) {
		c->rest -= (int32_t)c->in->imm;
		return;
	}
	steps = chain_steps(c);
	c->rest = 0;
	if (c->sliced)
		again = jc_here(c);
	x_alu_k(&c->b, true, X_SUB, LEFT, steps);
	charge_cold(c, CC_B, steps, again, false);
	/* The flag can change at any time; asking at loop heads, on entry and after calls bounds the delay
	 * and sees what a helper set.  Sliced code asks when a slice is spent. */
	if (!c->sliced && (c->i == c->code->sub[0].start || c->flow.mark[c->i] & FLOW_LOOP ||
			   isa_op[c->in[-1].op].shape == SHAPE_CALL || c->cur_start == c->i)) {
		x_load(&c->b, 8, false, TMP, CALL_FIELD(abort));
		x_alu_mem_k(&c->b, 4, X_CMP, x_at(TMP, 0), 0);
		charge_cold(c, CC_NE, steps, UNSET, true);
	}
	c->rest = steps - (int32_t)c->in->imm;
}

uint32_t emit_leave(struct jc *c, uint32_t label)
{
	struct cold *cold;

	if (!c->rest)
		return label;
	cold = jc_cold(c, COLD_LEAVE);
	if (!cold)
		return label;
	cold->after = label;
	return cold->label;
}

void emit_init_check(struct jc *c)
{
	x_test_mem_k(&c->b, 4, FIELD(init), 1 << c->in->dst);
	emit_fault_if(c, CC_E, -EFAULT);
}

void emit_fault_if(struct jc *c, enum x_cc cc, int status)
{
	struct cold *cold = jc_cold(c, COLD_FAULT);

	if (!cold)
		return;
	cold->value = status;
	jc_jcc(c, cc, cold->label);
}

void emit_forget_if(struct jc *c, enum x_cc cc)
{
	struct cold *cold = jc_cold(c, COLD_FORGET);

	if (!cold)
		return;
	jc_jcc(c, cc, cold->label);
	c->cold[c->nr_cold - 1].after = jc_here(c);
}

/* ---- out of line ---- */

static void cold_fault(struct jc *c, const struct cold *k)
{
	if (k->rest)
		x_alu_k(&c->b, true, X_ADD, LEFT, k->rest);
	if (k->value)
		x_store_k(&c->b, 4, CALL_FIELD(status), k->value);
	/* The innermost place counts: a callback may have stopped before its caller. */
	x_alu_mem_k(&c->b, 4, X_CMP, CALL_FIELD(pc), -1);
	jc_jcc(c, CC_NE, c->abort_label);
	x_store_k(&c->b, 4, CALL_FIELD(pc), (int32_t)k->insn);
	jc_jmp(c, c->abort_label);
}

static void cold_miss(struct jc *c, const struct cold *k)
{
	const struct insn *in = &c->code->insn[k->insn];
	uint8_t shape = isa_op[in->op].shape;

	if (k->access & ACCESS_WRITE && !k->flag) {
		struct x_mem value = x_at(STATE, (int32_t)offsetof(struct jit_state, r) + 8);

		if (shape == SHAPE_STORE_K) {
			emit_const(c, TMP, (uint64_t)in->imm);
			x_store(&c->b, 8, value, TMP);
		} else {
			x_store(&c->b, 8, value, c->reg[in->src]);
		}
	}
	x_lea(&c->b, true, TMP, x_at(c->reg[k->reg], k->disp));
	x_mov_k(&c->b, TMP2, k->site, true);
	jc_call(c, c->miss_label);
	jc_jcc(c, CC_B, k->back);
	if (k->size != NOREG) {
		int size = isa_op[in->op].size;

		if (isa_op[in->op].flags & OPF_SIGNED)	/* as the direct load extends */
			x_load(&c->b, size, true, k->size, x_at(STATE, offsetof(struct jit_state, r)));
		else
			x_load(&c->b, 8, false, k->size, x_at(STATE, offsetof(struct jit_state, r)));
	}
	jc_jmp(c, k->after);
}

static void cold_div(struct jc *c, const struct cold *k)
{
	if (k->kind == COLD_DIV_MINUS && !k->flag)
		x_unary(&c->b, k->wide, X_NEG, k->reg);
	else if (k->kind == COLD_DIV_MINUS || !k->flag)
		x_mov_k(&c->b, k->reg, 0, false);
	else if (!k->wide)
		x_mov(&c->b, false, k->reg, k->reg);
	jc_jmp(c, k->after);
}

static void cold_budget(struct jc *c, const struct cold *k)
{
	x_alu_k(&c->b, true, X_ADD, LEFT, k->value);
	if (c->sliced) {
		x_mov_k(&c->b, TMP2, k->insn, true);
		jc_call(c, c->refill_label);
		jc_jcc(c, CC_B, k->back);
		jc_jcc(c, CC_A, c->abort_label);
	}
	if (k->wide && !k->flag) {
		jc_jmp(c, k->after);
		return;
	}
	x_store_k(&c->b, 4, CALL_FIELD(status), k->flag ? -ECANCELED : -ETIME);
	x_store_k(&c->b, 4, CALL_FIELD(pc), (int32_t)k->insn);
	jc_jmp(c, c->abort_label);
}

static const uint8_t volatile_regs[] = { RAX, RDI, RSI, RDX, RCX, R8, R9 };

static void save_volatile(struct jc *c)
{
	for (unsigned i = 0; i < sizeof volatile_regs; i++)
		x_push(&c->b, volatile_regs[i]);
}

static void load_volatile(struct jc *c)
{
	for (unsigned i = sizeof volatile_regs; i-- > 0; )
		x_pop(&c->b, volatile_regs[i]);
}

static void cold_forget(struct jc *c, const struct cold *k)
{
	save_volatile(c);
	x_push(&c->b, RAX);
	x_mov(&c->b, true, RDI, STATE);
	emit_call_c(c, (const void *)jit_forget);
	x_pop(&c->b, RAX);
	load_volatile(c);
	jc_jmp(c, k->after);
}

/* The machine's call of fn(state, TMP2, TMP).  Returns with flags as after a comparison of the answer with 1. */
static void emit_ask(struct jc *c, uint32_t label, const void *fn)
{
	jc_room(c, 256);
	jc_bind(c, label);
	x_store(&c->b, 8, CALL_FIELD(left), LEFT);
	save_volatile(c);
	x_mov(&c->b, true, RDI, STATE);
	x_mov(&c->b, false, RSI, TMP2);
	x_mov(&c->b, true, RDX, TMP);
	emit_call_c(c, fn);
	x_store(&c->b, 4, FIELD(verdict), RAX);
	load_volatile(c);
	x_load(&c->b, 8, false, LEFT, CALL_FIELD(left));
	x_alu_mem_k(&c->b, 4, X_CMP, FIELD(verdict), 1);
}

static void emit_asks(struct jc *c)
{
	emit_ask(c, c->miss_label, (const void *)jit_miss);
	jc_jcc(c, CC_A, c->abort_label);
	x_ret(&c->b);
	if (!c->sliced)
		return;
	emit_ask(c, c->refill_label, (const void *)jit_refill);
	x_ret(&c->b);
}

void emit_colds(struct jc *c)
{
	for (uint32_t i = 0; i < c->nr_cold && !c->no_memory; i++) {
		struct cold *k = &c->cold[i];

		jc_room(c, 128);
		jc_bind(c, k->label);
		c->reg[10] = k->fp;
		switch ((enum cold_kind)k->kind) {
		case COLD_FAULT: cold_fault(c, k); break;
		case COLD_MISS: cold_miss(c, k); break;
		case COLD_DIV_ZERO: case COLD_DIV_MINUS: cold_div(c, k); break;
		case COLD_BUDGET: cold_budget(c, k); break;
		case COLD_FORGET: cold_forget(c, k); break;
		case COLD_LEAVE:
			x_alu_k(&c->b, true, X_ADD, LEFT, k->rest);
			jc_jmp(c, k->after);
			break;
		}
	}
	if (c->nr_site || c->sliced)
		emit_asks(c);
}
