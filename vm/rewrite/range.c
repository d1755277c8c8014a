/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* range.c - unsigned bounds of registers, for branches whose outcome they decide: a byte is below
 * 256, the address of a map's value is not null, a value was compared before. */
#include "vm/rewrite/walk.h"

static void set(struct known *now, uint64_t lo, uint64_t hi) { now->lo = lo; now->hi = hi; }

static uint64_t mask_above(uint64_t v) { return v ? UINT64_MAX >> __builtin_clzll(v) : 0; }

/* The operation on whole values; false: nothing is known.  s: the operand's bounds. */
static bool bounds(enum op op, const struct known *d, const struct known *s, struct known *now)
{
	bool fixed = s->lo == s->hi;
	unsigned k = s->lo & 63;

	switch (op) {
	case OP_MOV64_K: set(now, s->lo, s->hi); return true;
	case OP_ADD64_K:
		if (fixed && (int64_t)s->lo < 0 && d->lo >= -s->lo)
			set(now, d->lo + s->lo, d->hi + s->lo);
		else if (d->hi <= UINT64_MAX - s->hi)
			set(now, d->lo + s->lo, d->hi + s->hi);
		else
			return false;
		return true;
	case OP_SUB64_K:
		if (d->lo < s->hi)
			return false;
		set(now, d->lo - s->hi, d->hi - s->lo);
		return true;
	case OP_AND64_K: set(now, 0, d->hi < s->hi ? d->hi : s->hi); return true;
	case OP_OR64_K: set(now, d->lo > s->lo ? d->lo : s->lo, mask_above(d->hi | s->hi)); return true;
	case OP_XOR64_K: set(now, 0, mask_above(d->hi | s->hi)); return true;
	case OP_LSH64_K:
		if (!fixed || d->hi > UINT64_MAX >> k)
			return false;
		set(now, d->lo << k, d->hi << k);
		return true;
	case OP_RSH64_K:
		set(now, fixed ? d->lo >> k : 0, fixed ? d->hi >> k : d->hi);
		return true;
	case OP_DIV64_K:
		set(now, 0, d->hi);
		return true;
	case OP_MOD64_K:
		if (!s->lo)
			return false;
		set(now, 0, d->hi < s->hi - 1 ? d->hi : s->hi - 1);
		return true;
	case OP_MUL64_K:
		if (s->hi && d->hi > UINT64_MAX / s->hi)
			return false;
		set(now, d->lo * s->lo, d->hi * s->hi);
		return true;
	default:
		return false;
	}
}

void range_learn(const struct insn *in, const struct known *d, const struct known *s, struct known *now)
{
	const struct op_info *op = &isa_op[in->op];
	uint64_t most = now->zero_up ? UINT32_MAX : UINT64_MAX;
	bool half = (op->shape == SHAPE_ALU_K || op->shape == SHAPE_ALU_X) && !(op->flags & OPF_WIDTH64);
	uint16_t base = in->op;
	struct known k;

	set(now, 0, most);
	switch (op->shape) {
	case SHAPE_LOAD: case SHAPE_FUSED_LOAD:
		if (now->zero_up && op->size < 4)
			now->hi = (1ull << op->size * 8) - 1;
		return;
	case SHAPE_UN:
		if (in->op == OP_BE16 || in->op == OP_LE16 || in->op == OP_BSWAP16)
			now->hi = UINT16_MAX;
		return;
	case SHAPE_WIDE:
		if (in->op == OP_LDDW)
			set(now, (uint64_t)in->imm, (uint64_t)in->imm);
		else if (in->op == OP_LD_MAP || in->op == OP_LD_MAPVAL)
			now->lo = 1;
		return;
	case SHAPE_ALU_K:
		if (in->op >= OP_ROL64)
			return;
		set(&k, half ? (uint32_t)in->imm : (uint64_t)in->imm, half ? (uint32_t)in->imm : (uint64_t)in->imm);
		s = &k;
		break;
	case SHAPE_ALU_X:
		base--;		/* to the K form */
		break;
	default:
		return;
	}
	if (half) {	/* as in 64 bits, when neither operands nor result have more than 32 */
		if (in->op == OP_MOV32_X && s->hi > UINT32_MAX)
			return;
		if (in->op != OP_MOV32_X && in->op != OP_MOV32_K && d->hi > UINT32_MAX)
			return;
		if (s->hi > UINT32_MAX || (base == OP_LSH32_K && s->lo != s->hi) || (s->lo > 31 &&
		    (base == OP_LSH32_K || base == OP_RSH32_K)))
			return;
		base -= 2;
	}
	if (!bounds((enum op)base, d, s, now) || now->hi > most)
		set(now, 0, most);
}

bool range_keeps(const struct insn *in, const struct known *d)
{
	uint64_t imm = in->op == OP_AND64_K ? (uint64_t)in->imm : (uint32_t)in->imm;

	return (in->op == OP_AND64_K || in->op == OP_AND32_K) && !(mask_above(d->hi) & ~imm);
}

static bool is32(uint16_t op) { return !(isa_op[op].flags & OPF_WIDTH64); }

/* Both ends in one half of the signed line, where the orders agree; and 32-bit comparisons see it all. */
static bool comparable(const struct insn *in, const struct known *d, bool sign)
{
	if (is32(in->op))
		return d->hi <= (sign ? INT32_MAX : UINT32_MAX);
	return !sign || (int64_t)(d->lo ^ d->hi) >= 0;
}

int range_decides(const struct insn *in, const struct known *d)
{
	uint64_t imm = is32(in->op) ? (uint32_t)in->imm : (uint64_t)in->imm;
	bool lo, hi, sign = false;

	switch (in->op) {
	case OP_JEQ64_K: case OP_JEQ32_K: case OP_JNE64_K: case OP_JNE32_K:
		if (!comparable(in, d, false) || (imm >= d->lo && imm <= d->hi && d->lo != d->hi))
			return -1;
		return isa_taken((enum op)in->op, d->lo, (uint64_t)in->imm);
	case OP_JSGT64_K: case OP_JSGT32_K: case OP_JSGE64_K: case OP_JSGE32_K:
	case OP_JSLT64_K: case OP_JSLT32_K: case OP_JSLE64_K: case OP_JSLE32_K:
		sign = true;
		break;
	case OP_JGT64_K: case OP_JGT32_K: case OP_JGE64_K: case OP_JGE32_K:
	case OP_JLT64_K: case OP_JLT32_K: case OP_JLE64_K: case OP_JLE32_K:
		break;
	default:
		return -1;
	}
	if (!comparable(in, d, sign))
		return -1;
	lo = isa_taken((enum op)in->op, d->lo, (uint64_t)in->imm);
	hi = isa_taken((enum op)in->op, d->hi, (uint64_t)in->imm);
	return lo == hi ? lo : -1;
}

void range_refine(const struct insn *in, struct known *d)
{
	uint64_t imm = is32(in->op) ? (uint32_t)in->imm : (uint64_t)in->imm, lo = 0, hi = UINT64_MAX;

	if (!comparable(in, d, false))
		return;
	switch (in->op) {
	case OP_JGT64_K: case OP_JGT32_K: hi = imm; break;
	case OP_JGE64_K: case OP_JGE32_K: hi = imm - 1; break;
	case OP_JLT64_K: case OP_JLT32_K: lo = imm; break;
	case OP_JLE64_K: case OP_JLE32_K: lo = imm + 1; break;
	case OP_JNE64_K: case OP_JNE32_K: lo = hi = imm; break;
	case OP_JEQ64_K: case OP_JEQ32_K: lo = imm == d->lo ? imm + 1 : 0; break;
	default: return;
	}
	lo = d->lo > lo ? d->lo : lo;
	hi = d->hi < hi ? d->hi : hi;
	if (lo > hi)		/* it cannot fall through, and range_decides said so */
		return;
	d->lo = lo;
	d->hi = hi;
	d->zero_up |= hi <= UINT32_MAX;
	if (lo == hi) {
		d->is_const = true;
		d->value = (int64_t)lo;
	}
}
