/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* local.c - the walk over extended basic blocks for their rules: forward, it knows of each register
 * what it holds (a constant, a copy of another register, base + index << scale + offset, one half of
 * a rotation).  The rules that use it are in value.c and bits.c.
 *
 * What is known of a register names other registers together with their versions: a write to one
 * raises its version, and everything that names an older one is void without further ado. */
#include <stddef.h>
#include <string.h>
#include "vm/rewrite/walk.h"

void walk_forget(struct walk *w, int r, bool number)
{
	struct known *k = &w->reg[r];

	w->ver[r]++;
	if (!number)
		*k = (struct known){ .hi = UINT64_MAX };
	else	/* from there on */
		memset(&k->copy, 0, sizeof *k - offsetof(struct known, copy));
	k->copy = k->base = k->index = k->shifted = NO_REG;
	k->id64 = k->id32 = w->next_id++;
}

/* All but the numbers in registers `kept`. */
static void forget_all(struct walk *w, uint32_t kept)
{
	for (int r = 0; r < REGS; r++)
		walk_forget(w, r, kept >> r & 1);
	w->nr_slot = 0;
	gather_end(w);
}

uint8_t walk_copy_of(const struct walk *w, uint8_t r)
{
	const struct known *k = &w->reg[r];

	return current(w, k->copy, k->copy_ver) ? k->copy : r;
}

/* What is known of r as a sum; NULL: nothing. */
const struct known *walk_sum_of(const struct walk *w, uint8_t r)
{
	const struct known *k = &w->reg[r];

	return current(w, k->base, k->base_ver) && (k->index == NO_REG || current(w, k->index, k->index_ver)) ? k : NULL;
}

/* ---- what the result is known to be ---- */

static bool zero_extends(const struct walk *w, const struct insn *in)
{
	const struct op_info *op = &isa_op[in->op];

	switch (op->shape) {
	case SHAPE_ALU_K:
		if (in->op == OP_AND64_K)
			return in->imm >= 0 || w->reg[in->dst].zero_up;
		if (in->op == OP_RSH64_K)
			return (in->imm & 63) >= 32 || w->reg[in->dst].zero_up;	/* counts are masked */
		if (in->op == OP_MOV64_K)
			return in->imm >= 0;
		return !(op->flags & OPF_WIDTH64);
	case SHAPE_ALU_X:
		if (in->op == OP_MOV64_X)
			return w->reg[in->src].zero_up;
		if (in->op == OP_AND64_X)
			return w->reg[in->src].zero_up || w->reg[in->dst].zero_up;
		if (in->op == OP_OR64_X || in->op == OP_XOR64_X)
			return w->reg[in->src].zero_up && w->reg[in->dst].zero_up;
		return !(op->flags & OPF_WIDTH64);
	case SHAPE_UN:
		return !(op->flags & OPF_WIDTH64) || in->op == OP_BSWAP16 || in->op == OP_BSWAP32;
	case SHAPE_LOAD: case SHAPE_FUSED_LOAD:
		return op->size < 8 && !(op->flags & OPF_SIGNED);
	default:
		return false;
	}
}

static void learn_sum(struct walk *w, const struct insn *in, const struct known *d, struct known *now)
{
	uint8_t src = in->src;
	const struct known *s = walk_sum_of(w, in->op == OP_MOV64_X ? src : in->dst);

	switch (in->op) {
	case OP_MOV64_X:
		if (s) {
			now->base = s->base, now->base_ver = s->base_ver;
			now->index = s->index, now->index_ver = s->index_ver;
			now->scale = s->scale, now->disp = s->disp;
		} else {
			now->base = walk_copy_of(w, src);
			now->base_ver = w->ver[now->base];
		}
		return;
	case OP_ADD64_K: case OP_SUB64_K: {
		int64_t disp = (int64_t)d->disp + (in->op == OP_ADD64_K ? in->imm : -in->imm);

		if (!s || s->base == in->dst || s->index == in->dst || !fits32(disp))
			return;
		now->base = s->base, now->base_ver = s->base_ver;
		now->index = s->index, now->index_ver = s->index_ver;
		now->scale = s->scale, now->disp = (int32_t)disp;
		return;
	}
	case OP_ADD64_X:
		if (!s || s->base == in->dst || s->index != NO_REG || src == in->dst)
			return;
		now->base = s->base, now->base_ver = s->base_ver, now->disp = s->disp;
		now->index = walk_copy_of(w, src), now->scale = 0;
		if (current(w, w->reg[src].shifted, w->reg[src].shifted_ver)) {
			now->index = w->reg[src].shifted;
			now->scale = w->reg[src].shift;
		}
		now->index_ver = w->ver[now->index];
		if (now->index == in->dst)
			now->base = NO_REG;
		if (now->index == 10) {		/* rsp is no index register */
			uint8_t base = now->base;

			if (now->scale || base == 10) {
				now->base = NO_REG;
				return;
			}
			now->index = base, now->index_ver = w->ver[base];
			now->base = 10, now->base_ver = w->ver[10];
		}
		return;
	}
}

static void learn(struct walk *w, const struct insn *in, uint32_t i)
{
	uint32_t writes = flow_writes(in);
	const struct known *d = &w->reg[in->dst];
	struct known now;

	if (!writes)
		return;
	if (writes != 1u << in->dst || isa_op[in->op].shape == SHAPE_ATOMIC) {
		for (; writes; writes &= writes - 1)
			walk_forget(w, __builtin_ctz(writes), false);
		return;
	}
	now = (struct known){ .copy = NO_REG, .base = NO_REG, .index = NO_REG, .shifted = NO_REG,
			      .id64 = w->next_id, .id32 = w->next_id };
	w->next_id++;
	now.zero_up = zero_extends(w, in);
	if (in->op == OP_MOV64_K || in->op == OP_LDDW || in->op == OP_MOV32_K) {
		now.is_const = true;
		now.value = in->op == OP_MOV32_K ? (int64_t)(uint32_t)in->imm : in->imm;
	}
	if (in->op == OP_MOV64_X || in->op == OP_MOV32_X) {
		const struct known *s = &w->reg[in->src];

		now.id32 = s->id32;
		now.id64 = in->op == OP_MOV64_X || s->zero_up ? s->id64 : now.id64;
		if ((in->op == OP_MOV64_X || s->zero_up) && in->src != in->dst) {
			now.copy = walk_copy_of(w, in->src);
			now.copy_ver = w->ver[now.copy];
			if (now.copy == in->dst)
				now.copy = NO_REG;
		}
	}
	range_learn(in, d, &w->reg[in->src], &now);
	now.zero_up |= now.hi <= UINT32_MAX;
	if (now.lo == now.hi) {
		now.is_const = true;
		now.value = (int64_t)now.lo;
	}
	learn_sum(w, in, d, &now);
	if (now.base == in->dst || (now.base != NO_REG && now.index == in->dst))
		now.base = NO_REG;
	if (in->op == OP_LSH64_K && in->imm >= 1 && in->imm <= 3 && current(w, d->copy, d->copy_ver) && d->copy != 10) {
		now.shifted = d->copy;
		now.shifted_ver = d->copy_ver;
		now.shift = (uint8_t)in->imm;
	}
	walk_half(in, i, d, &now.half);
	now.piece = walk_piece(w, in, d);
	w->ver[in->dst]++;
	w->reg[in->dst] = now;
}

/* May memory outside of the frame change?  Pieces are of nothing else. */
static bool writes_memory(const struct walk *w, const struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;

	if ((shape == SHAPE_STORE_X || shape == SHAPE_STORE_K) && in->dst == 10 && w->rw->frame &&
	    w->rw->frame[w->sub] != FRAME_ESCAPES)
		return false;
	switch (shape) {
	case SHAPE_STORE_X: case SHAPE_STORE_K: case SHAPE_ATOMIC: case SHAPE_CALL: case SHAPE_LOCAL: case SHAPE_CALLX:
	case SHAPE_FUSED_STORE:
		return true;
	default:
		return shape == SHAPE_LOAD && isa_op[in->op].group == ISA_LINUX;	/* acquires */
	}
}

/* ---- a jump over one move: no end of what is known ---- */

static void open_join(struct walk *w, uint32_t i)
{
	const struct insn *in = &w->rw->code->insn[i];

	if (i + 2 >= w->rw->code->n || !flow_selects(in, i) || w->rw->flow.mark[i + 1] ||
	    w->rw->flow.mark[i + 2] != (FLOW_TARGET | FLOW_ONE))
		return;
	w->join = (struct join){ i + 2, in[1].dst, in->dst, w->reg[in[1].dst], w->reg[in->dst] };
}

static void close_join(struct walk *w, uint32_t i)
{
	const struct insn *jcc = &w->rw->code->insn[i - 2];
	struct join *j = &w->join;
	struct known a = j->before, b = w->reg[j->moved], *now = &w->reg[j->moved];

	if (j->compared != j->moved)
		w->reg[j->compared] = j->other;
	walk_forget(w, j->moved, false);
	now->lo = a.lo < b.lo ? a.lo : b.lo;
	now->hi = a.hi > b.hi ? a.hi : b.hi;
	now->zero_up = a.zero_up && b.zero_up;
	if (a.is_const && b.is_const && (uint64_t)(a.value | b.value) == 1 && a.value != b.value && j->compared != j->moved)
		w->flag = (struct flag){ *jcc, j->moved, (uint8_t)a.value, w->ver[j->moved], w->ver[jcc->dst],
					 w->ver[jcc->src] };
}

/* What is there already, be it that it was copied before? */
static bool moves_nothing(const struct walk *w, const struct insn *in)
{
	if (in->op == OP_MOV64_X)
		return w->reg[in->dst].id64 == w->reg[in->src].id64;
	return in->op == OP_MOV32_X && w->reg[in->dst].id32 == w->reg[in->src].id32 && w->reg[in->dst].zero_up;
}

static void step(struct walk *w, uint32_t i)
{
	struct insn *in = &w->rw->code->insn[i];
	uint32_t reads;

	walk_extension(w, i);
	walk_copies(w, in);
	stack_step(w, in);
	walk_constants(w, in);
	walk_fold(w, in);
	walk_flag(w, in);
	/* a conditional move of 64 bits needs no copy, one of 32 clears the upper half either way */
	if (w->join.at == i + 1 && in->op == OP_MOV32_X && w->reg[in->src].zero_up && rule_on(w->rw, RULE_COPY)) {
		in->op = OP_MOV64_X;
		hit(w->rw, RULE_COPY);
	}
	open_join(w, i);
	walk_branch(w, in);
	if (in->op == DELETED)
		return;
	if (moves_nothing(w, in) && rule_on(w->rw, RULE_COPY)) {
		drop(in);
		hit(w->rw, RULE_COPY);
		return;
	}
	if (walk_needless(w, in)) {
		drop(in);
		hit(w->rw, RULE_ZEXT);
		return;
	}
	if (walk_rotate(w, in))
		return;
	walk_widen(w, in);
	walk_address(w, in);
	if (w->gather[0].have | w->gather[1].have || in->op == OP_STX_B || in->op == OP_STX_H)
		walk_gather(w, in, i);
	if (writes_memory(w, in))
		w->memory++;
	/* A half of a rotation that is read or lives across a jump has to stay what it is. */
	reads = flow_reads(w->rw->code, in);
	if (flow_is_jump(in))
		reads = (1u << REGS) - 1;
	for (; reads; reads &= reads - 1)
		w->reg[__builtin_ctz(reads)].half.clean = false;
	learn(w, in, i);
}

enum { LONGEST = 512 };

/* A loop begins, which is entered at its head from above only: what it does not write keeps its number there. */
static void enter_loop(struct walk *w, uint32_t head)
{
	const struct code *code = w->rw->code;
	uint32_t written = 0, tail = head, kept = 0;

	for (uint32_t i = head; i < code->n && i - head < LONGEST; i++) {
		written |= flow_writes(&code->insn[i]);
		if (flow_is_jump(&code->insn[i]) && (uint32_t)code->insn[i].off == head)
			tail = i, kept = ~written;
	}
	forget_all(w, flow_enters_head(code, &w->rw->flow, head, tail) ? 0 : kept);
}

void rewrite_blocks(struct rewriter *rw)
{
	struct walk w = { .rw = rw, .next_id = 1 };

	rewrite_hoist(rw);
	forget_all(&w, 0);
	for (uint32_t i = 0; i < rw->code->n; i++) {
		if (w.join.at == i && i && flow_selects(&rw->code->insn[i - 2], i - 2))
			close_join(&w, i);
		else if (rw->flow.mark[i] & FLOW_LOOP)
			enter_loop(&w, i);
		else if (rw->flow.mark[i] & FLOW_TARGET)
			forget_all(&w, 0);
		while (i >= rw->code->sub[w.sub].end)
			w.sub++;
		if (rw->code->insn[i].op == DELETED)
			continue;
		step(&w, i);
	}
}
