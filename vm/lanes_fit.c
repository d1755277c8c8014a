/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lanes_fit.c - what lanes of a width can do of a loop's body, each instruction by itself (lanes.c). */
#include "vm/lanes_in.h"

/* Can the lanes of `reg` stand for it in an operation of this width? */
static bool operand(const struct look *k, uint8_t reg, bool all)
{
	return reg != 10 && !has_bit(k->l->sums | k->l->copies | k->stepped, reg) && (!all || k->most[reg] <= 8 * k->l->size) &&
	       !(has_bit(k->l->steps & k->l->narrow, reg) && k->l->size == 8);
}

/* The last step of counting bits: the bytes of a word are added up. */
static bool sums_bytes(const struct look *k, const struct insn *in)
{
	int64_t by;

	return k->l->size == 8 && in->op == OP_MUL64_X && in[1].op == OP_RSH64_K && in[1].dst == in->dst && in[1].imm == 56 &&
	       !(k->flow->mark[in + 1 - k->code->insn] & FLOW_TARGET) && !has_bit(k->written, in->src) &&
	       lane_start(k->code, k->flow, k->start, in->src, &by) && by == 0x0101010101010101;
}

static bool arithmetic(struct look *k, const struct insn *in, unsigned *most)
{
	unsigned lane = 8u * k->l->size, op = lane_alu(in->op), a = k->most[in->dst], b;
	bool w = wide(in), x = isa_op[in->op].shape == SHAPE_ALU_X, all = (w ? 64u : 32u) > lane;

	if (in->op == (lane == 64 ? OP_ROL64 : OP_ROL32) && lane >= 32) {
		*most = lane;
		return true;
	}
	b = x ? k->most[in->src] : bits_of(w ? (uint64_t)in->imm : (uint32_t)in->imm);
	if (in->op >= OP_ADD64_K + 4 * LANE_ALUS || (x && !operand(k, in->src, all && has_bit(k->l->sums, in->dst))))
		return false;
	if (has_bit(k->l->sums, in->dst)) {
		for (unsigned r = 0; r < 10; r++)
			if (has_bit(k->l->copies, r) && k->l->copy[r] == in->dst)
				return false;
		return x || !all || b <= lane;
	}
	*most = a > b ? a : b;
	switch (op) {
	case LANE_ADD: ++*most; break;
	case LANE_SUB: *most = 64; break;
	case LANE_MUL:
		*most = a + b;
		if (!sums_bytes(k, in))
			return lane == 64 ? !w || (a <= 32 && b <= 32) : lane > 8;
		k->l->bytes |= 1ull << (in - k->code->insn - k->l->head);
		break;
	case LANE_OR: case LANE_XOR: break;
	case LANE_AND: *most = a < b ? a : b; break;
	case LANE_MOV: *most = b; break;
	case LANE_RSH:
		if (in > k->code->insn && lane_upper_only(in - 1)) {
			*most = 64 - (unsigned)in->imm;
			return true;
		}
		/* fallthrough */
	case LANE_LSH:
		if (!w && a > 32)
			a = 32;
		*most = op == LANE_LSH ? a + (unsigned)in->imm : a < in->imm ? 0 : a - (unsigned)in->imm;
		return !x && in->imm >= 0 && in->imm < (w ? lane : 32) && in->imm < lane &&
		       (op == LANE_LSH || (lane == 64 && !w ? k->most[in->dst] <= 32 : !all || a <= lane));
	case LANE_ARSH:	/* the sign is the lane's */
		*most = 32;
		return !w && lane == 32 && !x && in->imm >= 0 && in->imm < 32;
	default: return false;
	}
	return true;
}

static bool one_operand(const struct look *k, const struct insn *in, unsigned *most)
{
	unsigned lane = 8u * k->l->size, n;

	switch (in->op) {
	case OP_NEG64: case OP_NEG32:
		*most = in->op == OP_NEG64 ? 64 : 32;
		return true;
	case OP_BE16: n = 16; break;
	case OP_BE32: n = 32; break;
	case OP_BE64:
		n = lane_upper_only(in) && k->most[in->dst] <= 32 && !(k->flow->mark[in + 1 - k->code->insn] & FLOW_TARGET) ? 32 : 64;
		break;
	default: return false;
	}
	*most = n;
	return n <= lane;
}

static bool branch(struct look *k, const struct insn *in)
{
	bool w = wide(in), x = isa_op[in->op].shape == SHAPE_JCC_X, all = (w ? 64u : 32u) > 8u * k->l->size;

	k->until = (uint32_t)in->off;
	if (k->l->size == 8 || !operand(k, in->dst, all))
		return false;
	return x ? operand(k, in->src, all) : bits_of(w ? (uint64_t)in->imm : (uint32_t)in->imm) <= 8u * k->l->size;
}

/* An element, or half of a pair. */
static bool stores(struct look *k, uint32_t at)
{
	uint32_t next = at - k->l->head, first;
	struct lane_mem m;

	if (!lane_mem(&k->code->insn[at], &m))
		return false;
	if (lane_element(k, &m) || k->l->pairs >> next & 1)
		return true;
	k->l->halves |= 1ull << next;
	if (m.size != k->l->size || m.size == 8)
		return false;
	for (next = at + 1; next < k->l->tail && !lane_mem(&k->code->insn[next], &m); next++)
		;
	k->l->pairs |= 1ull << (next - k->l->head);
	return lane_pair(k->code, k->l, next, &m, &first) && lane_element(k, &m);
}

bool lane_fits(struct look *k, const struct insn *in)
{
	unsigned most = 8 * k->l->size;
	uint8_t *now = &k->most[in->dst];
	uint32_t at = (uint32_t)(in - k->code->insn);
	struct lane_mem m;

	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X:
		if (has_bit(k->l->steps, in->dst)) {
			k->stepped |= (uint16_t)(1u << in->dst);
			return true;
		}
		if ((in->op == OP_MOV64_X || in->op == OP_MOV32_X) && has_bit(k->l->sums, in->src)) {
			k->l->copies |= (uint16_t)(1u << in->dst);
			k->l->copy[in->dst] = in->src;
			return !k->until && has_bit(k->l->values, in->dst) &&
			       (in->op == OP_MOV64_X || k->l->sum[in->src] <= LANE_ALUS);
		}
		if (!arithmetic(k, in, &most))
			return false;
		break;
	case SHAPE_UN:
		if (has_bit(k->l->sums, in->dst) || !one_operand(k, in, &most))
			return false;
		break;
	case SHAPE_JCC_K: case SHAPE_JCC_X: return at == k->l->way_out || branch(k, in);
	case SHAPE_LOAD: case SHAPE_FUSED_LOAD:
		if (isa_op[in->op].flags & OPF_SIGNED || !lane_mem(in, &m))
			return false;
		most = 8 * m.size;
		if (!lane_element(k, &m)) {
			k->l->parts |= 1ull << (at - k->l->head);
			if (!lane_part(k->code, k->l, at, &m) || !lane_element(k, &m))
				return false;
		}
		break;
	case SHAPE_STORE_X: case SHAPE_FUSED_STORE:
		return operand(k, in->src, false) && stores(k, at);
	case SHAPE_STORE_K: return stores(k, at);
	default: return false;
	}
	if (most > 64)
		most = 64;
	if (isa_op[in->op].shape <= SHAPE_ALU_X && !wide(in) && most > 32)
		most = 32;
	if (has_bit(k->l->picks, in->dst) && most > 8 * k->l->size)
		return false;
	*now = (uint8_t)(k->until && *now > most ? *now : most);
	if (has_bit(k->l->copies, in->dst) && k->until)
		return false;
	k->l->copies &= (uint16_t)~(1u << in->dst);
	return true;
}
