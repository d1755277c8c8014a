/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuse.c - two or three neighbours become one instruction (fused rows of vm/isa.def). */
#include "vm/lanes.h"
#include "vm/rewrite/in.h"

/* Instructions i .. i + n - 1 run one after the other, and nothing jumps between them. */
static bool neighbours(const struct rewriter *rw, uint32_t i, uint32_t n)
{
	for (uint32_t k = 1; k < n; k++)
		if (i + k >= rw->code->n || rw->flow.mark[i + k] & FLOW_TARGET)
			return false;
	return true;
}

static bool dead_after(const struct rewriter *rw, uint32_t i, uint8_t reg)
{
	return !(flow_live_after(rw->code, &rw->flow, i) >> reg & 1);
}

/* ---- load, compare, branch ---- */

static enum op unsigned_jump(const struct insn *load, const struct insn *jcc)
{
	enum { SIGNED = 8 };	/* a zero-extended value is never negative: both agree for constants >= 0 */
	static const uint8_t row[] = {	/* by the order of JCC in vm/isa.def: which MEMJCC */
		0, 2, 3, 6, 1, SIGNED | 2, SIGNED | 3, 4, 5, SIGNED | 4, SIGNED | 5 };
	uint32_t size = isa_op[load->op].size, at = row[(jcc->op - OP_JEQ64_K) / 4];
	bool wide = isa_op[jcc->op].flags & OPF_WIDTH64;
	bool positive = jcc->imm >= 0 && (size >= 4 || jcc->imm < 1ll << size * 8);
	enum op base = OP_MJEQ_B + (at & 7) * 4;

	if (at & SIGNED && (size == 8 || !positive || (size == 4 && !wide)))
		return OP_BAD;
	if (size == 8)
		return wide ? base + 3 : OP_BAD;
	if (size == 4)
		return positive || !wide ? base + 2 : OP_BAD;
	return positive ? base + (size == 2) : OP_BAD;
}
_Static_assert(OP_JGT64_K - OP_JEQ64_K == 4 && OP_JSET64_K - OP_JEQ64_K == 12 && OP_JSLE64_K - OP_JEQ64_K == 40 &&
	       OP_MJGT_B - OP_MJEQ_B == 8 && OP_MJLT_B - OP_MJEQ_B == 16 && OP_MJSET_B - OP_MJEQ_B == 24, "unsigned_jump");

static bool compare_memory(struct rewriter *rw, uint32_t i)
{
	struct insn *load = &rw->code->insn[i], *jcc = load + 1;
	enum op op;

	if (!rule_on(rw, RULE_CMPMEM) || isa_op[jcc->op].shape != SHAPE_JCC_K ||
	    jcc->dst != load->dst || isa_op[load->op].flags & OPF_SIGNED || isa_op[load->op].group == ISA_LINUX ||
	    !fits32(jcc->imm) || !dead_after(rw, i + 1, load->dst))
		return false;
	op = unsigned_jump(load, jcc);
	if (op == OP_BAD)
		return false;
	*jcc = (struct insn){ .op = (uint16_t)op, .dst = load->src, .steps = jcc->steps, .off = jcc->off,
			      .imm_lo = (int32_t)jcc->imm, .imm_hi = load->off };
	drop(load);
	return hit(rw, RULE_CMPMEM);
}

/* ---- load and operate ---- */

static enum op memory_op(const struct insn *alu)
{
	static const uint8_t row[12] = { 1, 2, [5] = 4, 3, [11] = 5 };	/* by the order of ALU in vm/isa.def: which MEMOP, and 1 */
	uint32_t k = (uint32_t)(alu->op - OP_ADD64_K);

	if (isa_op[alu->op].shape != SHAPE_ALU_X || k >= 48 || !row[k / 4])
		return OP_BAD;
	return OP_MADD64 + (row[k / 4] - 1u) * 2 + (k / 2 & 1);
}
_Static_assert(OP_SUB64_K - OP_ADD64_K == 4 && OP_OR64_K - OP_ADD64_K == 20 && OP_AND64_K - OP_ADD64_K == 24 &&
	       OP_XOR64_K - OP_ADD64_K == 44 && OP_MSUB64 - OP_MADD64 == 2 && OP_MAND64 - OP_MADD64 == 4 &&
	       OP_MOR64 - OP_MADD64 == 6 && OP_MXOR64 - OP_MADD64 == 8, "memory_op");

static bool load_operate(struct rewriter *rw, uint32_t i)
{
	struct insn *load = &rw->code->insn[i], *alu = load + 1;
	enum op op;

	if (!rule_on(rw, RULE_LOADOP))
		return false;
	op = memory_op(alu);
	if (op == OP_BAD || alu->src != load->dst || alu->dst == load->dst || isa_op[op].size != isa_op[load->op].size ||
	    isa_op[load->op].flags & OPF_SIGNED || isa_op[load->op].group == ISA_LINUX ||
	    !dead_after(rw, i + 1, load->dst))
		return false;
	*alu = (struct insn){ .op = (uint16_t)op, .dst = alu->dst, .src = load->src, .steps = alu->steps,
			      .off = load->off };
	drop(load);
	return hit(rw, RULE_LOADOP);
}

/* ---- copy, then one more ---- */

static void copy_and(struct rewriter *rw, uint32_t i)
{
	struct insn *mov = &rw->code->insn[i], *alu = mov + 1;
	uint32_t narrow = mov->op == OP_MOV32_X || !(isa_op[alu->op].flags & OPF_WIDTH64);
	uint8_t d = mov->dst, s = mov->src;
	struct insn out = { .op = (uint16_t)(OP_LEA64 + narrow), .dst = d, .src = s, .imm = alu->imm };
	enum rewrite_rule rule = RULE_LEA;

	if (alu->dst != d || d == s)
		return;
	switch (alu->op - 2 * narrow) {		/* the 64-bit form of what has the copy's width */
	case OP_ADD64_K:
		break;
	case OP_SUB64_K:
		if (alu->imm == INT32_MIN)
			return;
		out.imm = -alu->imm;
		break;
	case OP_MUL64_K:
		rule = RULE_MUL3;
		out.op = (uint16_t)(OP_MUL3_64 + narrow);
		break;
	case OP_LSH64_K:
		if (alu->imm < 1 || alu->imm > 3 || s == 10 || !neighbours(rw, i, 3) ||
		    alu[1].op - 2 * narrow != OP_ADD64_X || alu[1].dst != d || alu[1].src == d || !rule_on(rw, rule))
			return;
		out.op = (uint16_t)(OP_LEAX64 + narrow);
		out.imm = insn_index(s, (int)alu->imm);
		drop(alu++);
		out.src = alu->src;
		break;
	case OP_ADD64_X:
		if (alu->src == d || (alu->src == 10 && s == 10))
			return;
		out.op = (uint16_t)(OP_LEAX64 + narrow);
		out.imm = insn_index(alu->src, 0);
		if (alu->src == 10) {		/* rsp is no index */
			out.src = 10;
			out.imm = insn_index(s, 0);
		}
		break;
	default:
		return;
	}
	if (!rule_on(rw, rule))
		return;
	out.steps = alu->steps;
	*alu = out;
	drop(mov);
	hit(rw, rule);
}
_Static_assert(OP_LEA32 == OP_LEA64 + 1 && OP_LEAX32 == OP_LEAX64 + 1 && OP_MUL3_32 == OP_MUL3_64 + 1, "copy_and");

/* d = s + k; d += x */
static void sum_and(struct rewriter *rw, uint32_t i)
{
	struct insn *lea = &rw->code->insn[i], *add = lea + 1;

	if (add->op != OP_ADD64_X || add->dst != lea->dst || add->src == add->dst ||
	    (add->src == 10 && lea->src == 10) || !rule_on(rw, RULE_LEA))
		return;
	*add = (struct insn){ .op = OP_LEAX64, .dst = add->dst, .src = add->src == 10 ? 10 : lea->src, .steps = add->steps,
			      .off = (int32_t)lea->imm, .imm_lo = insn_index(add->src == 10 ? lea->src : add->src, 0) };
	drop(lea);
	hit(rw, RULE_LEA);
}

/* d <<= k; d += s.  Or x <<= k; d += x, where nobody wants x afterwards.  The sum of 32 bits too. */
static void shift_add(struct rewriter *rw, uint32_t i)
{
	struct insn *shift = &rw->code->insn[i], *add = shift + 1;
	bool same = add->dst == shift->dst, narrow = add->op == OP_ADD32_X;

	if (shift->imm < 1 || shift->imm > 3 || (add->op != OP_ADD64_X && !narrow) || !rule_on(rw, RULE_LEA) ||
	    same == (add->src == shift->dst) || (!same && !dead_after(rw, i + 1, shift->dst)) || !rw->code->compiled)
		return;
	*add = (struct insn){ .op = (uint16_t)(OP_LEAX64 + narrow), .dst = add->dst, .src = same ? add->src : add->dst, .steps = add->steps,
			      .imm_lo = insn_index(shift->dst, (int)shift->imm) };
	drop(shift);
	hit(rw, RULE_LEA);
}

/* d += s or d = b + (s << k); then a load through d, which nobody wants afterwards: the load adds. */
static void add_load(struct rewriter *rw, uint32_t i)
{
	struct insn *add = &rw->code->insn[i], *load = add + 1;
	bool lea = add->op == OP_LEAX64;

	if (load->op < OP_LD_W || load->op > OP_LD_DW || isa_op[load->op].shape != SHAPE_LOAD ||
	    load->src != add->dst || (!lea && (add->src == add->dst || add->src == 10)) || !rule_on(rw, RULE_INDEX) ||
	    !rw->code->compiled || (load->dst != add->dst && !dead_after(rw, i + 1, add->dst)) ||
	    !fits32((int64_t)load->off + (lea ? add->off : 0)))
		return;
	load->op = indexed_op(load->op);
	load->imm = insn_index(add->src, 0);
	if (lea) {
		load->src = add->src;
		load->off += add->off;
		load->imm = add->imm_lo;
	}
	drop(add);
	hit(rw, RULE_INDEX);
}

/* r <<= k, when r is from then on the index of accesses only: they scale it. */
static void scale_index(struct rewriter *rw, uint32_t i)
{
	struct insn *shift = &rw->code->insn[i], *in = shift;
	uint32_t at = i, bit = 1u << shift->dst;
	bool used = false;

	if (shift->imm < 1 || shift->imm > 3 || !rule_on(rw, RULE_INDEX))
		return;
	do {
		if (!neighbours(rw, at++, 2) || flow_is_jump(++in))
			return;
		if (in->op == DELETED || !(flow_reads(rw->code, in) & bit))
			continue;
		if ((!isa_indexed(in->op) && in->op != OP_LEAX64) || (in->imm_lo & 15) != shift->dst || in->src == shift->dst ||
		    (isa_op[in->op].shape == SHAPE_FUSED_STORE && in->dst == shift->dst) || (in->imm_lo >> 4) + shift->imm > 3)
			return;
		used = true;
	} while (in->op == DELETED || !used || !(flow_writes(in) & bit || dead_after(rw, at, shift->dst)));
	for (; in > shift; in--)
		if (in->op != DELETED && flow_reads(rw->code, in) & bit)
			in->imm_lo += insn_index(0, (int)shift->imm);
	drop(shift);
	hit(rw, RULE_INDEX);
}

static void scale_indices(struct rewriter *rw, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to && rw->hits[RULE_INDEX] | rw->hits[RULE_LEA]; i++)
		if (rw->code->insn[i].op == OP_LSH64_K)
			scale_index(rw, i);
}

void rewrite_fuse(struct rewriter *rw)
{
	uint32_t from = 0;
	struct lanes lanes;

	for (uint32_t i = 0; i + 1 < rw->code->n; i++) {
		const struct insn *in = &rw->code->insn[i];

		if (rw->flow.mark[i] & FLOW_LOOP && rule_on(rw, RULE_WHOLE) && lanes_at(rw->code, &rw->flow, i, &lanes)) {
			scale_indices(rw, from, i);
			i = lanes.tail;		/* the JIT wants to see what it is made of */
			from = i + 1;
		} else if (!neighbours(rw, i, 2)) {
			continue;	/* all that follow are of two, or more */
		} else if (isa_op[in->op].shape == SHAPE_LOAD) {
			if (!compare_memory(rw, i))
				load_operate(rw, i);
		} else if (in->op == OP_MOV64_X || in->op == OP_MOV32_X) {
			copy_and(rw, i);
		} else if (in->op == OP_LEA64) {
			sum_and(rw, i);
		} else if (in->op == OP_LSH64_K) {
			shift_add(rw, i);
		} else if (in->op == OP_ADD64_X || in->op == OP_LEAX64) {
			add_load(rw, i);
		}
	}
	scale_indices(rw, from, rw->code->n);
}
