/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite_fuse.c - two or three neighbours become one instruction (fused rows of vm/isa.def). */
#include "vm/lanes.h"
#include "vm/rewrite_in.h"

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
	uint32_t size = isa_op[load->op].size;
	bool wide = isa_op[jcc->op].flags & OPF_WIDTH64;
	bool positive = size < 4 ? jcc->imm >= 0 && jcc->imm < 1ll << size * 8 : jcc->imm >= 0;
	enum op base;

	switch (jcc->op) {
	case OP_JEQ64_K: case OP_JEQ32_K: base = OP_MJEQ_B; break;
	case OP_JNE64_K: case OP_JNE32_K: base = OP_MJNE_B; break;
	case OP_JGT64_K: case OP_JGT32_K: base = OP_MJGT_B; break;
	case OP_JGE64_K: case OP_JGE32_K: base = OP_MJGE_B; break;
	case OP_JLT64_K: case OP_JLT32_K: base = OP_MJLT_B; break;
	case OP_JLE64_K: case OP_JLE32_K: base = OP_MJLE_B; break;
	case OP_JSET64_K: case OP_JSET32_K: base = OP_MJSET_B; break;
	/* A zero-extended value is never negative: signed and unsigned agree for constants >= 0. */
	case OP_JSGT64_K: case OP_JSGT32_K: base = OP_MJGT_B; goto narrow;
	case OP_JSGE64_K: case OP_JSGE32_K: base = OP_MJGE_B; goto narrow;
	case OP_JSLT64_K: case OP_JSLT32_K: base = OP_MJLT_B; goto narrow;
	case OP_JSLE64_K: case OP_JSLE32_K: base = OP_MJLE_B; goto narrow;
	default: return OP_BAD;
	}
	if (size == 8)
		return wide ? base + 3 : OP_BAD;
	if (size == 4)
		return positive || !wide ? base + 2 : OP_BAD;
	return positive ? base + (size == 2) : OP_BAD;
narrow:
	if (size == 8 || !positive || (size == 4 && !wide))
		return OP_BAD;
	return size == 4 ? base + 2 : base + (size == 2);
}

static bool compare_memory(struct rewriter *rw, uint32_t i)
{
	struct insn *load = &rw->code->insn[i], *jcc = load + 1;
	enum op op;

	if (!rule_on(rw, RULE_CMPMEM) || !neighbours(rw, i, 2) || isa_op[jcc->op].shape != SHAPE_JCC_K ||
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

static enum op memory_op(enum op op)
{
	switch (op) {
	case OP_ADD64_X: return OP_MADD64; case OP_ADD32_X: return OP_MADD32;
	case OP_SUB64_X: return OP_MSUB64; case OP_SUB32_X: return OP_MSUB32;
	case OP_AND64_X: return OP_MAND64; case OP_AND32_X: return OP_MAND32;
	case OP_OR64_X: return OP_MOR64; case OP_OR32_X: return OP_MOR32;
	case OP_XOR64_X: return OP_MXOR64; case OP_XOR32_X: return OP_MXOR32;
	default: return OP_BAD;
	}
}

static bool load_operate(struct rewriter *rw, uint32_t i)
{
	struct insn *load = &rw->code->insn[i], *alu = load + 1;
	enum op op;

	if (!rule_on(rw, RULE_LOADOP) || !neighbours(rw, i, 2))
		return false;
	op = memory_op((enum op)alu->op);
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

static bool copy_and(struct rewriter *rw, uint32_t i)
{
	struct insn *mov = &rw->code->insn[i], *alu = mov + 1;
	bool w = mov->op == OP_MOV64_X && (isa_op[alu->op].flags & OPF_WIDTH64);
	uint8_t d = mov->dst, s = mov->src;
	struct insn out = { .dst = d, .src = s };

	if (!neighbours(rw, i, 2) || alu->dst != d || d == s)
		return false;
	out.steps = alu->steps;
	if (alu->op == (w ? OP_ADD64_K : OP_ADD32_K)) {
		out.op = w ? OP_LEA64 : OP_LEA32;
		out.imm = alu->imm;
	} else if (alu->op == (w ? OP_SUB64_K : OP_SUB32_K) && alu->imm != INT32_MIN) {
		out.op = w ? OP_LEA64 : OP_LEA32;
		out.imm = -alu->imm;
	} else if (alu->op == (w ? OP_MUL64_K : OP_MUL32_K)) {
		if (!rule_on(rw, RULE_MUL3))
			return false;
		out.op = w ? OP_MUL3_64 : OP_MUL3_32;
		out.imm = alu->imm;
		*alu = out;
		drop(mov);
		return hit(rw, RULE_MUL3);
	} else if (alu->op == (w ? OP_ADD64_X : OP_ADD32_X) && alu->src != d) {
		out.op = w ? OP_LEAX64 : OP_LEAX32;
		out.imm_lo = insn_index(alu->src, 0);
		if (alu->src == 10) {		/* rsp is no index */
			if (s == 10)
				return false;
			out.src = 10;
			out.imm_lo = insn_index(s, 0);
		}
	} else if (alu->op == (w ? OP_LSH64_K : OP_LSH32_K) && alu->imm >= 1 && alu->imm <= 3 && s != 10 &&
		   neighbours(rw, i, 3) && alu[1].op == (w ? OP_ADD64_X : OP_ADD32_X) && alu[1].dst == d &&
		   alu[1].src != d && rule_on(rw, RULE_LEA)) {
		out.op = w ? OP_LEAX64 : OP_LEAX32;
		out.src = alu[1].src;
		out.imm_lo = insn_index(s, (int)alu->imm);
		out.steps = alu[1].steps;
		alu[1] = out;
		drop(mov);
		drop(alu);
		return hit(rw, RULE_LEA);
	} else {
		return false;
	}
	if (!rule_on(rw, RULE_LEA))
		return false;
	*alu = out;
	drop(mov);
	return hit(rw, RULE_LEA);
}

/* d = s + k; d += x */
static void sum_and(struct rewriter *rw, uint32_t i)
{
	struct insn *lea = &rw->code->insn[i], *add = lea + 1;

	if (!neighbours(rw, i, 2) || add->op != OP_ADD64_X || add->dst != lea->dst || add->src == add->dst ||
	    (add->src == 10 && lea->src == 10) || !rule_on(rw, RULE_LEA))
		return;
	*add = (struct insn){ .op = OP_LEAX64, .dst = add->dst, .src = add->src == 10 ? 10 : lea->src, .steps = add->steps,
			      .off = (int32_t)lea->imm, .imm_lo = insn_index(add->src == 10 ? lea->src : add->src, 0) };
	drop(lea);
	hit(rw, RULE_LEA);
}

/* r <<= k, when r is from then on the index of accesses only: they scale it. */
static void scale_index(struct rewriter *rw, uint32_t i)
{
	struct insn *shift = &rw->code->insn[i], *user[4];
	uint32_t n = 0, bit = 1u << shift->dst;
	int k = (int)shift->imm;

	if (k < 1 || k > 3 || !rule_on(rw, RULE_INDEX))
		return;
	for (uint32_t at = i + 1; neighbours(rw, at - 1, 2) && !flow_is_jump(&rw->code->insn[at]); at++) {
		struct insn *in = &rw->code->insn[at];
		uint32_t others = isa_op[in->op].shape == SHAPE_FUSED_STORE ? 1u << in->dst | 1u << in->src : 1u << in->src;

		if (in->op == DELETED)
			continue;
		if (flow_reads(rw->code, in) & bit) {
			if ((!isa_indexed(in->op) && in->op != OP_LEAX64) || others & bit || (in->imm_lo & 15) != shift->dst || n == 4 ||
			    (in->imm_lo >> 4) + k > 3)
				return;
			user[n++] = in;
		}
		if (n && (flow_writes(in) & bit || dead_after(rw, at, shift->dst))) {
			while (n)
				user[--n]->imm_lo += insn_index(0, k);
			drop(shift);
			hit(rw, RULE_INDEX);
			return;
		}
	}
}

static void scale_indices(struct rewriter *rw, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
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
		} else if (isa_op[in->op].shape == SHAPE_LOAD) {
			if (!compare_memory(rw, i))
				load_operate(rw, i);
		} else if (in->op == OP_MOV64_X || in->op == OP_MOV32_X) {
			copy_and(rw, i);
		} else if (in->op == OP_LEA64) {
			sum_and(rw, i);
		}
	}
	scale_indices(rw, from, rw->code->n);
}
