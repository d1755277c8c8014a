/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite_local.c - rules inside extended basic blocks: a forward walk that knows of each register
 * what it holds (a constant, a copy of another register, base + index << scale + offset, one half of
 * a rotation), and a backward walk that drops what nobody reads.
 *
 * What is known of a register names other registers together with their versions: a write to one
 * raises its version, and everything that names an older one is void without further ado. */
#include <string.h>
#include "vm/rewrite_walk.h"

static void forget(struct walk *w, int r)
{
	w->ver[r]++;
	w->reg[r] = (struct known){ .copy = NO_REG, .base = NO_REG, .index = NO_REG, .shifted = NO_REG,
				    .id64 = w->next_id, .id32 = w->next_id, .hi = UINT64_MAX };
	w->next_id++;
}

static void forget_all(struct walk *w)
{
	for (int r = 0; r < REGS; r++)
		forget(w, r);
	w->nr_slot = 0;
}

static uint8_t copy_of(const struct walk *w, uint8_t r)
{
	const struct known *k = &w->reg[r];

	return current(w, k->copy, k->copy_ver) ? k->copy : r;
}

/* What is known of r as a sum; NULL: nothing. */
static const struct known *sum_of(const struct walk *w, uint8_t r)
{
	const struct known *k = &w->reg[r];

	return current(w, k->base, k->base_ver) && (k->index == NO_REG || current(w, k->index, k->index_ver)) ? k : NULL;
}

/* ---- constants ---- */

static void set_const(struct insn *in, uint64_t value)
{
	uint8_t dst = in->dst, steps = in->steps;

	*in = (struct insn){ .op = OP_MOV64_K, .dst = dst, .steps = steps, .imm = (int64_t)value };
	if (fits32((int64_t)value))
		return;
	in->op = OP_LDDW;
	if (value == (uint32_t)value) {
		in->op = OP_MOV32_K;
		in->imm = (int32_t)value;
	}
}

/* Register operand to immediate: the K form stands right before the X form in the table. */
static void use_const(struct walk *w, struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	const struct known *k = &w->reg[in->src];

	if (!k->is_const || !fits32(k->value) || !rule_on(w->rw, RULE_FOLD))
		return;
	switch (shape) {
	case SHAPE_ALU_X:
		if (in->op == OP_CAST_USER || in->op == OP_CAST_KERN || !strncmp(isa_text(in->op), "(s", 2))
			return;
		in->op--;
		in->imm = k->value;
		break;
	case SHAPE_JCC_X:
		in->op--;
		in->imm = k->value;
		break;
	case SHAPE_STORE_X:
		if (isa_op[in->op].group == ISA_LINUX)
			return;
		in->op++;
		in->imm = k->value;
		break;
	default:
		return;
	}
	in->src = 0;
	hit(w->rw, RULE_FOLD);
}

static void fold(struct walk *w, struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	const struct known *d = &w->reg[in->dst], *s = &w->reg[in->src];
	bool k_form = shape == SHAPE_ALU_K, ok;
	uint64_t value;

	if (!rule_on(w->rw, RULE_FOLD))
		return;
	if ((shape == SHAPE_ALU_X && s->is_const && !(insn_reads(in) & 1u << in->dst)) ||
	    (shape == SHAPE_UN && d->is_const) || (k_form && d->is_const) ||
	    (shape == SHAPE_ALU_X && s->is_const && d->is_const)) {
		if (in->op == OP_MOV64_K || in->op == OP_MOV32_K)
			return;
		value = isa_eval((enum op)in->op, (uint64_t)d->value,
				 (uint64_t)(k_form ? in->imm : s->value), &ok);
		if (ok) {
			set_const(in, value);
			hit(w->rw, RULE_FOLD);
		}
	}
}

/* if r == 0 where r is 1 or 0 by a comparison before. */
static void use_flag(struct walk *w, struct insn *in)
{
	const struct flag *f = &w->flag;
	const struct insn *jcc = &f->jcc;
	bool equal = in->op == OP_JEQ64_K || in->op == OP_JEQ32_K;
	enum op op = (enum op)jcc->op;

	if ((!equal && in->op != OP_JNE64_K && in->op != OP_JNE32_K) || in->imm < 0 || in->imm > 1 || in->dst != f->reg ||
	    !current(w, f->reg, f->ver) || !current(w, jcc->dst, f->dst_ver) ||
	    (isa_op[op].shape == SHAPE_JCC_X && !current(w, jcc->src, f->src_ver)) || !rule_on(w->rw, RULE_FLAG))
		return;
	if (equal != (f->taken == in->imm))
		op = flow_inverse(op);
	if (op == OP_BAD)
		return;
	*in = (struct insn){ .op = (uint16_t)op, .dst = jcc->dst, .src = jcc->src, .steps = in->steps, .off = in->off,
			     .imm = jcc->imm };
	hit(w->rw, RULE_FLAG);
}

static void branch(struct walk *w, struct insn *in)
{
	struct known *d = &w->reg[in->dst];
	enum rewrite_rule rule = d->is_const ? RULE_BRANCH : RULE_RANGE;
	int taken;

	if (isa_op[in->op].shape != SHAPE_JCC_K || !rule_on(w->rw, rule))
		return;
	taken = d->is_const ? isa_taken((enum op)in->op, (uint64_t)d->value, (uint64_t)in->imm) : range_decides(in, d);
	if (taken < 0) {
		range_refine(in, d);
		return;
	}
	hit(w->rw, rule);
	if (taken)
		*in = (struct insn){ .op = OP_JA, .steps = in->steps, .off = in->off };
	else
		drop(in);
}

/* ---- copies ---- */

static void replace_reg(struct walk *w, struct insn *in, bool is_src)
{
	uint8_t r = is_src ? in->src : in->dst, to = copy_of(w, r);

	if (to == r || !rule_on(w->rw, RULE_COPY))
		return;
	if (is_src)
		in->src = to & 15;
	else
		in->dst = to & 15;
	hit(w->rw, RULE_COPY);
}

static void use_copies(struct walk *w, struct insn *in)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_X:
	case SHAPE_LOAD:
		replace_reg(w, in, true);
		break;
	case SHAPE_STORE_X:
		replace_reg(w, in, true);
		replace_reg(w, in, false);
		break;
	case SHAPE_STORE_K: case SHAPE_JCC_K:
		replace_reg(w, in, false);
		break;
	case SHAPE_JCC_X:
		replace_reg(w, in, true);
		replace_reg(w, in, false);
		break;
	default:
		break;
	}
}

/* ---- extensions by shifts ---- */

static void extension(struct walk *w, uint32_t i)
{
	struct insn *in = &w->rw->code->insn[i], *next = in + 1;
	uint16_t op = OP_BAD;
	bool sign;

	if (i + 1 >= w->rw->code->n)
		return;
	sign = next->op == OP_ARSH64_K || next->op == OP_ARSH32_K;
	if (w->rw->flow.mark[i + 1] & FLOW_TARGET || next->dst != in->dst ||
	    next->imm != in->imm)
		return;
	if (in->op == OP_LSH64_K && next->op == OP_RSH64_K && in->imm == 32 && rule_on(w->rw, RULE_ZEXT)) {
		*in = (struct insn){ .op = OP_MOV32_X, .dst = in->dst, .src = in->dst, .steps = in->steps };
		drop(next);
		hit(w->rw, RULE_ZEXT);
		return;
	}
	if (!sign || !rule_on(w->rw, RULE_MOVSX))
		return;
	if (in->op == OP_LSH64_K && next->op == OP_ARSH64_K)
		op = in->imm == 56 ? OP_MOVSB64_X : in->imm == 48 ? OP_MOVSH64_X : in->imm == 32 ? OP_MOVSW64_X : OP_BAD;
	else if (in->op == OP_LSH32_K && next->op == OP_ARSH32_K)
		op = in->imm == 24 ? OP_MOVSB32_X : in->imm == 16 ? OP_MOVSH32_X : OP_BAD;
	if (op == OP_BAD)
		return;
	*in = (struct insn){ .op = op, .dst = in->dst, .src = in->dst, .steps = in->steps };
	drop(next);
	hit(w->rw, RULE_MOVSX);
}

static bool needless_zext(struct walk *w, const struct insn *in)
{
	const struct known *d = &w->reg[in->dst];

	if (!rule_on(w->rw, RULE_ZEXT))
		return false;
	return (d->zero_up && ((in->op == OP_MOV32_X && in->src == in->dst) || in->op == OP_LE32)) || range_keeps(in, d);
}

/* ---- rotations ---- */

static void note_half(struct walk *w, const struct insn *in, uint32_t i, const struct known *before, struct half *out)
{
	bool left = in->op == OP_LSH64_K || in->op == OP_LSH32_K;
	bool narrow = in->op == OP_LSH32_K || in->op == OP_RSH32_K ||
		      (in->op == OP_RSH64_K && before->zero_up && in->imm < 32);

	(void)w;
	*out = (struct half){ 0 };
	if (!left && in->op != OP_RSH64_K && in->op != OP_RSH32_K)
		return;
	if (in->imm <= 0 || in->imm >= (narrow ? 32 : 64))
		return;
	*out = (struct half){ left, narrow ? 32 : 64, (uint8_t)in->imm, true,
			      narrow ? before->id32 : before->id64, i };
}

static bool rotate(struct walk *w, struct insn *in)
{
	const struct half *a = &w->reg[in->dst].half, *b = &w->reg[in->src].half;
	bool narrow_op = in->op == OP_OR32_X || in->op == OP_XOR32_X || in->op == OP_ADD32_X;
	struct insn *shift;
	uint8_t width;

	if (!narrow_op && in->op != OP_OR64_X && in->op != OP_XOR64_X && in->op != OP_ADD64_X)
		return false;
	if (!rule_on(w->rw, RULE_ROTATE) || in->dst == in->src || !a->width || a->width != b->width ||
	    a->of != b->of || a->left == b->left || a->k + b->k != a->width || !a->clean ||
	    (narrow_op && a->width == 64))
		return false;
	shift = &w->rw->code->insn[a->at];
	shift->imm = a->left ? a->k : b->k;
	shift->op = a->width == 64 ? OP_ROL64 : OP_ROL32;
	width = a->width;
	forget(w, in->dst);	/* all that was known named the half */
	w->reg[in->dst].zero_up = width == 32;
	w->reg[in->dst].hi = width == 32 ? UINT32_MAX : UINT64_MAX;
	drop(in);
	return hit(w->rw, RULE_ROTATE);
}

/* ---- numbers in pieces ---- */

/* What `in` makes of pieces of memory: low | high << its place. */
static struct piece piece_of(const struct walk *w, const struct insn *in, const struct known *d)
{
	const struct known *s = &w->reg[in->src];
	struct piece a = d->piece, b = s->piece, none = { 0 };
	unsigned bits = isa_op[in->op].flags & OPF_WIDTH64 ? 64 : 32;

	switch (in->op) {
	case OP_LD_B: case OP_LD_H: case OP_LD_W: case OP_LD_DW:
		if (in->src == 10) {
			const struct slot *slot = frame_slot(w, in);

			return slot && slot->piece.size * 8u + slot->piece.shift <= isa_op[in->op].size * 8u ? slot->piece : none;
		}
		if (in->op == OP_LD_DW)
			return none;
		return (struct piece){ in->src, isa_op[in->op].size, 0, in->off, w->ver[in->src], w->memory };
	case OP_MOV64_X: case OP_MOV32_X:
		return b.size * 8u + b.shift <= bits ? b : none;
	case OP_LSH64_K: case OP_LSH32_K:
		if (in->imm < 0 || in->imm % 8 || a.size * 8 + a.shift + in->imm > bits)
			return none;
		a.shift += (uint8_t)in->imm;
		return a;
	case OP_OR64_X: case OP_OR32_X: case OP_XOR64_X: case OP_XOR32_X: case OP_ADD64_X: case OP_ADD32_X:
		if (a.shift > b.shift) {
			struct piece t = a;

			a = b;
			b = t;
		}
		if (!a.size || !b.size || a.base != b.base || a.base_ver != b.base_ver || a.at != b.at ||
		    b.shift != a.shift + a.size * 8 || b.off != a.off + a.size || b.size * 8u + b.shift > bits)
			return none;
		a.size += b.size;
		return a;
	default:
		return none;
	}
}

static void widen(struct walk *w, struct insn *in)
{
	struct piece p;

	if (isa_op[in->op].shape != SHAPE_ALU_X || in->op == OP_MOV64_X || in->op == OP_MOV32_X ||
	    !rule_on(w->rw, RULE_WIDEN))
		return;
	p = piece_of(w, in, &w->reg[in->dst]);
	if ((p.size != 2 && p.size != 4 && p.size != 8) || p.shift || p.at != w->memory || !current(w, p.base, p.base_ver))
		return;
	*in = (struct insn){ .op = p.size == 2 ? OP_LD_H : p.size == 4 ? OP_LD_W : OP_LD_DW, .dst = in->dst,
			     .src = p.base & 15, .steps = in->steps, .off = p.off };
	hit(w->rw, RULE_WIDEN);
}

/* ---- addresses ---- */

static void address(struct walk *w, struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;
	bool load = shape == SHAPE_LOAD, plain = isa_op[in->op].group != ISA_LINUX && !(isa_op[in->op].flags & OPF_SIGNED);
	uint8_t r = load ? in->src : in->dst;
	const struct known *sum;
	int64_t off;

	if (!load && shape != SHAPE_STORE_X && shape != SHAPE_STORE_K)
		return;
	sum = sum_of(w, r);
	if (!sum || (sum->base == r && sum->index == NO_REG))
		return;
	off = (int64_t)in->off + sum->disp;
	if (!fits32(off) || off > (1 << 29) || off < -(1 << 29))
		return;
	if (sum->index == NO_REG) {
		if (!rule_on(w->rw, RULE_ADDRESS))
			return;
		if (load)
			in->src = sum->base & 15;
		else
			in->dst = sum->base & 15;
		in->off = (int32_t)off;
		hit(w->rw, RULE_ADDRESS);
		return;
	}
	if (!plain || shape == SHAPE_STORE_K || !rule_on(w->rw, RULE_INDEX))
		return;
	in->op = (uint16_t)(load ? (in->op == OP_LD_W ? OP_LDI_W : in->op == OP_LD_H ? OP_LDI_H :
				    in->op == OP_LD_B ? OP_LDI_B : OP_LDI_DW) :
				   (in->op == OP_STX_W ? OP_STI_W : in->op == OP_STX_H ? OP_STI_H :
				    in->op == OP_STX_B ? OP_STI_B : OP_STI_DW));
	if (load)
		in->src = sum->base & 15;
	else
		in->dst = sum->base & 15;
	in->off = (int32_t)off;
	in->imm = 0;
	in->imm_lo = insn_index(sum->index, sum->scale);
	hit(w->rw, RULE_INDEX);
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
		return in->op != OP_NEG64 && in->op != OP_LE64 && in->op != OP_BE64 && in->op != OP_BSWAP64;
	case SHAPE_LOAD: case SHAPE_FUSED_LOAD:
		return op->size < 8 && !(op->flags & OPF_SIGNED);
	default:
		return false;
	}
}

static void learn_sum(struct walk *w, const struct insn *in, const struct known *d, struct known *now)
{
	uint8_t src = in->src;
	const struct known *s = sum_of(w, in->op == OP_MOV64_X ? src : in->dst);

	switch (in->op) {
	case OP_MOV64_X:
		if (s) {
			now->base = s->base, now->base_ver = s->base_ver;
			now->index = s->index, now->index_ver = s->index_ver;
			now->scale = s->scale, now->disp = s->disp;
		} else {
			now->base = copy_of(w, src);
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
		now->index = copy_of(w, src), now->scale = 0;
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
			forget(w, __builtin_ctz(writes));
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
			now.copy = copy_of(w, in->src);
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
	note_half(w, in, i, d, &now.half);
	now.piece = piece_of(w, in, d);
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
	    w->rw->flow.mark[i + 2] != FLOW_TARGET)
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
	forget(w, j->moved);
	now->lo = a.lo < b.lo ? a.lo : b.lo;
	now->hi = a.hi > b.hi ? a.hi : b.hi;
	now->zero_up = a.zero_up && b.zero_up;
	if (a.is_const && b.is_const && (uint64_t)(a.value | b.value) == 1 && a.value != b.value && j->compared != j->moved)
		w->flag = (struct flag){ *jcc, j->moved, (uint8_t)a.value, w->ver[j->moved], w->ver[jcc->dst],
					 w->ver[jcc->src] };
}

static void step(struct walk *w, uint32_t i)
{
	struct insn *in = &w->rw->code->insn[i];
	uint32_t reads;

	extension(w, i);
	use_copies(w, in);
	stack_step(w, in);
	use_const(w, in);
	fold(w, in);
	use_flag(w, in);
	open_join(w, i);
	branch(w, in);
	if (in->op == DELETED)
		return;
	if (in->op == OP_MOV64_X && in->src == in->dst && rule_on(w->rw, RULE_COPY)) {
		drop(in);
		hit(w->rw, RULE_COPY);
		return;
	}
	if (needless_zext(w, in)) {
		drop(in);
		hit(w->rw, RULE_ZEXT);
		return;
	}
	if (rotate(w, in))
		return;
	widen(w, in);
	address(w, in);
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

/* addr += index; index = ...; x = *addr: the load first, so that index can be part of it.  Up to two
 * instructions on registers may stand between. */
static bool steps_aside(const struct rewriter *rw, uint32_t i, const struct insn *load)
{
	const struct insn *in = &rw->code->insn[i];
	uint8_t shape = isa_op[in->op].shape;

	return (shape == SHAPE_ALU_K || shape == SHAPE_ALU_X || shape == SHAPE_UN) &&
	       !(flow_writes(in) & (1u << load->src | 1u << load->dst)) &&
	       !(flow_reads(rw->code, in) >> load->dst & 1) && !(rw->flow.mark[i] & FLOW_TARGET);
}

static void hoist_load(struct rewriter *rw, uint32_t i)
{
	struct insn *in = &rw->code->insn[i], load;
	uint32_t at = i + 1, slot, written = 0;

	if (in->op != OP_ADD64_X)
		return;
	while (at < rw->code->n && at <= i + 2 && isa_op[rw->code->insn[at].op].shape != SHAPE_LOAD)
		written |= flow_writes(&rw->code->insn[at++]);
	if (at == i + 1 || at >= rw->code->n || rw->flow.mark[at] & FLOW_TARGET)
		return;
	load = rw->code->insn[at];
	slot = rw->code->slot[at];
	if (isa_op[load.op].shape != SHAPE_LOAD || isa_op[load.op].group == ISA_LINUX || load.src != in->dst ||
	    !(written >> in->src & 1))
		return;
	for (uint32_t k = i + 1; k < at; k++)
		if (!steps_aside(rw, k, &load))
			return;
	for (uint32_t k = at; k > i + 1; k--) {
		rw->code->insn[k] = rw->code->insn[k - 1];
		rw->code->slot[k] = rw->code->slot[k - 1];
	}
	rw->code->insn[i + 1] = load;
	rw->code->slot[i + 1] = slot;
	hit(rw, RULE_HOIST);
}

void rewrite_blocks(struct rewriter *rw)
{
	struct walk w = { .rw = rw, .next_id = 1 };

	for (uint32_t i = 0; i < rw->code->n && rule_on(rw, RULE_HOIST); i++)
		hoist_load(rw, i);
	forget_all(&w);
	for (uint32_t i = 0; i < rw->code->n; i++) {
		if (w.join.at == i && i && flow_selects(&rw->code->insn[i - 2], i - 2))
			close_join(&w, i);
		else if (rw->flow.mark[i] & FLOW_TARGET)
			forget_all(&w);
		while (i >= rw->code->sub[w.sub].end)
			w.sub++;
		if (rw->code->insn[i].op == DELETED)
			continue;
		step(&w, i);
	}
}

/* ---- backward: what nobody reads ---- */

static bool is_pure(const struct insn *in)
{
	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: case SHAPE_WIDE: case SHAPE_FUSED:
		return true;
	default:
		return false;
	}
}

static bool is_load(const struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;

	return (shape == SHAPE_LOAD && isa_op[in->op].group != ISA_LINUX) || shape == SHAPE_FUSED_LOAD;
}

void rewrite_dead(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t live = 0;

	for (uint32_t i = code->n; i-- > 0; ) {
		struct insn *in = &code->insn[i];
		uint32_t writes, reads;

		if (in->op == DELETED)
			continue;
		if (flow_is_jump(in) || in->op == OP_EXIT)
			live = (flow_falls(in) ? live : 0) |
			       (flow_is_jump(in) ? rw->flow.live[in->off] : 0);
		writes = flow_writes(in);
		if (!(writes & live) && writes &&
		    ((is_pure(in) && rule_on(rw, RULE_DEAD)) || (is_load(in) && rule_on(rw, RULE_DEADLOAD)))) {
			hit(rw, is_pure(in) ? RULE_DEAD : RULE_DEADLOAD);
			drop(in);
			continue;
		}
		reads = flow_reads(code, in);
		if (in->op != OP_INIT_SET && in->op != OP_CHARGE)
			live = (live & ~writes) | reads;
	}
}
