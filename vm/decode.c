/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decode.c - wire slots to instructions, and every structural check: opcodes, reserved fields,
 * registers, jump targets, subprogram boundaries, ends.  What passes here can be executed without
 * looking at the wire form again; nothing is ever run as another, older form of itself.
 *
 * Decided by RFC 9669: shift counts are masked (4.1), so an immediate of 64 or more is a valid
 * encoding; division and modulo by an immediate 0 are defined (4.1); unreachable code is no matter
 * of structure.  The kernel's verifier refuses all three, and ours does under the kernel's policy.
 * Fields that a form does not use must be zero (section 3): anything else is refused here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "vm/code.h"
#include "vm/mem.h"

enum { SLOT_SECOND = 0xfffffffe };

struct decoder {
	struct code *code;
	const uint8_t *bytes;
	uint32_t n;			/* slots */
	uint32_t *index;		/* slot -> decoded index, SLOT_SECOND for second halves */
	uint8_t *start;			/* slot -> begins a subprogram */
	uint32_t count;			/* decoded so far */
	struct uebpf_error *err;
};

static int no_memory(struct decoder *d)
{
	return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
}

/* ---- one slot ---- */

/* Why no row fits, in words. */
static int refuse_op(struct decoder *d, uint32_t slot, struct raw_insn raw)
{
	const char *why = MESSAGE_TEXT("unknown opcode");
	bool code_known = false;

	for (int op = 1; op < OP_COUNT; op++)
		if (!(isa_op[op].flags & OPF_INNER) && isa_op[op].code == raw.code)
			code_known = true;
	if (code_known) {
		if ((raw.code & 0xe7) == 0xc3)
			why = (raw.imm == 0xe0 || raw.imm == 0xf0) ?
			      MESSAGE_TEXT("xchg and cmpxchg need the FETCH bit in the immediate") :
			      MESSAGE_TEXT("unknown atomic operation in the immediate");
		else if ((raw.code & 0xf0) == 0xd0 && ((raw.code & 7) == 4 || (raw.code & 7) == 7))
			why = MESSAGE_TEXT("byte swap width in the immediate is not 16, 32 or 64");
		else if (raw.code == 0x18)
			why = MESSAGE_TEXT("unknown kind of 64-bit immediate in the source register field");
		else if (raw.code == 0x85)
			why = MESSAGE_TEXT("unknown kind of call in the source register field");
		else
			why = MESSAGE_TEXT("the offset field selects no known form of this instruction");
	} else if ((raw.code & 0xe7) == 0xc3) {
		why = MESSAGE_TEXT("atomics work on 4 and 8 bytes only");
	}
	return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
			 "insn %u: opcode 0x%02x (dst %u, src %u, off %d, imm %d): %s", slot, raw.code,
			 raw.dst, raw.src, raw.off, raw.imm, message_text(why));
}

enum field { F_DST = 1, F_SRC = 2, F_OFF = 4, F_IMM = 8 };

/* The fields that the wire form of an op uses, for operands or to select the row. */
static uint32_t fields_used(enum op op)
{
	switch (isa_op[op].shape) {
	case SHAPE_ALU_K: return F_DST | F_OFF | F_IMM;
	case SHAPE_ALU_X: return F_DST | F_SRC | F_OFF | (isa_op[op].flags & OPF_LINUX ? F_IMM : 0);
	case SHAPE_UN: return F_DST | (op == OP_NEG64 || op == OP_NEG32 ? 0 : F_IMM);
	case SHAPE_JCC_K: return F_DST | F_OFF | F_IMM;
	case SHAPE_JCC_X: return F_DST | F_SRC | F_OFF;
	case SHAPE_LOAD: case SHAPE_STORE_X:
		return F_DST | F_SRC | F_OFF | (isa_op[op].flags & OPF_LINUX ? F_IMM : 0);
	case SHAPE_STORE_K: return F_DST | F_OFF | F_IMM;
	case SHAPE_ATOMIC: return F_DST | F_SRC | F_OFF | F_IMM;
	case SHAPE_PKT_ABS: return F_IMM;
	case SHAPE_PKT_IND: return F_SRC | F_IMM;
	case SHAPE_WIDE: return F_DST | F_SRC | F_IMM;
	case SHAPE_JA: return op == OP_JA32 ? F_IMM : F_OFF;
	case SHAPE_CALL: return F_SRC | F_IMM | (op == OP_CALL_KFUNC ? F_OFF : 0);
	case SHAPE_LOCAL: return F_SRC | F_IMM;
	case SHAPE_CALLX: return F_DST | F_IMM;
	default: return 0;
	}
}

static int check_fields(struct decoder *d, uint32_t slot, struct raw_insn raw, enum op op)
{
	uint32_t used = fields_used(op), set = 0;
	char text[ISA_NAME];
	const char *name;

	set |= raw.dst ? F_DST : 0;
	set |= raw.src ? F_SRC : 0;
	set |= raw.off ? F_OFF : 0;
	set |= raw.imm ? F_IMM : 0;
	set &= ~used;
	if (!set)
		return 0;
	name = set & F_DST ? "dst" : set & F_SRC ? "src" : set & F_OFF ? "off" : "imm";
	return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
			 "insn %u: opcode 0x%02x (%s): reserved field %s is not zero", slot, raw.code,
			 isa_name(op, text), name);
}

static int check_registers(struct decoder *d, uint32_t slot, struct raw_insn raw, enum op op,
			   const struct insn *insn)
{
	bool src_is_register = !(raw.code == 0x18 || raw.code == 0x85);
	char text[ISA_NAME];

	if (raw.dst > 10 || (src_is_register && raw.src > 10))
		return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
				 "insn %u: opcode 0x%02x (%s): register r%u does not exist", slot, raw.code,
				 isa_name(op, text), raw.dst > 10 ? raw.dst : raw.src);
	if (insn_writes(insn) & 1u << 10)
		return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
				 "insn %u: opcode 0x%02x (%s): r10 is the frame pointer and read-only", slot,
				 raw.code, isa_name(op, text));
	return 0;
}

/* The second slot of a 64-bit immediate; *hi is its immediate. */
static int second_slot(struct decoder *d, uint32_t slot, enum op op, int32_t *hi)
{
	struct raw_insn next;

	if (slot + 1 >= d->n)
		return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
				 "insn %u: 64-bit immediate load without its second slot", slot);
	next = raw_load(d->bytes + 8 * (size_t)(slot + 1));
	if (next.code || next.dst || next.src || next.off)
		return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
				 "insn %u: second slot of a 64-bit immediate load has reserved fields set", slot);
	if (next.imm && (op == OP_LD_MAPFD || op == OP_LD_MAP || op == OP_LD_FUNC))
		return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
				 "insn %u: %s takes no second immediate", slot, isa_text(op));
	*hi = next.imm;
	return 0;
}

/* Decodes one instruction; targets stay relative (in slots) until all are known. */
static int decode_one(struct decoder *d, uint32_t slot, struct insn *insn)
{
	struct raw_insn raw = raw_load(d->bytes + 8 * (size_t)slot);
	enum op op = isa_find(raw);
	int32_t hi = 0;
	int ret;

	if (op == OP_BAD)
		return refuse_op(d, slot, raw);
	ret = check_fields(d, slot, raw, op);
	if (ret)
		return ret;
	*insn = (struct insn){ .op = op, .dst = raw.dst, .src = raw.src, .steps = 1, .off = raw.off, .imm = raw.imm };
	switch (isa_op[op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X:
		insn->off = 0;
		break;
	case SHAPE_WIDE:
		ret = second_slot(d, slot, op, &hi);
		if (ret)
			return ret;
		insn->src = 0;
		if (op == OP_LDDW)
			insn->imm = (int64_t)((uint64_t)(uint32_t)hi << 32 | (uint32_t)raw.imm);
		else
			insn->imm_lo = raw.imm, insn->imm_hi = hi;
		if (op == OP_LD_FUNC)
			insn->off = raw.imm, insn->imm = 0;
		break;
	case SHAPE_JA:
		if (op == OP_JA32)
			insn->off = raw.imm;
		insn->imm = 0;
		break;
	case SHAPE_LOCAL:
		insn->off = raw.imm;
		insn->imm = 0;
		insn->src = 0;
		break;
	case SHAPE_CALL:
		insn->src = 0;
		break;
	case SHAPE_CALLX:
		/* GCC and LLVM from 19 on name the register in dst, older LLVM in imm. */
		if (raw.imm && (raw.dst || raw.imm < 0 || raw.imm > 9))
			return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, slot,
					 "insn %u: callx names no register r0-r9", slot);
		if (raw.imm)
			insn->dst = raw.imm & 15;
		insn->imm = 0;
		break;
	case SHAPE_UN: case SHAPE_ATOMIC: case SHAPE_LOAD: case SHAPE_STORE_X:
		insn->imm = 0;
		break;
	default:
		break;
	}
	return check_registers(d, slot, raw, op, insn);
}

static int decode_all(struct decoder *d)
{
	struct code *code = d->code;
	uint32_t slot = 0;

	while (slot < d->n) {
		struct insn *insn = &code->insn[d->count];
		int ret = decode_one(d, slot, insn);

		if (ret)
			return ret;
		code->slot[d->count] = slot;
		d->index[slot++] = d->count++;
		if (isa_op[insn->op].shape == SHAPE_WIDE)
			d->index[slot++] = SLOT_SECOND;
	}
	return 0;
}

/* ---- targets ---- */

static bool has_target(const struct insn *insn)
{
	uint8_t shape = isa_op[insn->op].shape;

	return shape == SHAPE_JCC_K || shape == SHAPE_JCC_X || shape == SHAPE_JA || shape == SHAPE_LOCAL ||
	       insn->op == OP_LD_FUNC;
}

/* Relative slots to absolute indices; marks what calls and function addresses name. */
static int resolve(struct decoder *d, uint32_t i)
{
	struct insn *insn = &d->code->insn[i];
	uint32_t slot = d->code->slot[i];
	bool call = isa_op[insn->op].shape == SHAPE_LOCAL || insn->op == OP_LD_FUNC;
	const char *what = insn->op == OP_LD_FUNC ? "function address" : call ? "call" : "jump";
	int64_t to = (int64_t)slot + 1 + insn->off;

	if (to < 0 || to >= d->n)
		return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_JUMP, -EINVAL, slot,
				 "insn %u: %s to %lld, outside of the program (0 to %u)", slot, what,
				 (long long)to, d->n - 1);
	if (d->index[to] == SLOT_SECOND)
		return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_JUMP, -EINVAL, slot,
				 "insn %u: %s to %lld, the middle of a 64-bit immediate load", slot, what,
				 (long long)to);
	if (call)
		d->start[to] |= insn->op == OP_LD_FUNC ? 3 : 1;
	insn->off = (int32_t)d->index[to];
	return 0;
}

static int mark_starts(struct decoder *d, const struct sub_def *subs, uint32_t nr_subs)
{
	d->start[0] |= 1;
	for (uint32_t i = 0; i < nr_subs; i++) {
		if (subs[i].slot >= d->n || d->index[subs[i].slot] == SLOT_SECOND)
			return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_JUMP, -EINVAL, subs[i].slot,
					 "function %s at slot %u: %s", subs[i].name ? subs[i].name : "",
					 subs[i].slot, subs[i].slot >= d->n ? "outside of the program" :
					 "the middle of a 64-bit immediate load");
		d->start[subs[i].slot] |= 1;
	}
	return 0;
}

static int make_subs(struct decoder *d, const struct sub_def *subs, uint32_t nr_subs)
{
	struct code *code = d->code;
	uint32_t n = 0, k = 0;

	for (uint32_t slot = 0; slot < d->n; slot++)
		n += d->start[slot] & 1;
	code->sub = mem_array(code->host, n, sizeof *code->sub);
	if (!code->sub)
		return no_memory(d);
	code->nr_sub = n;
	for (uint32_t slot = 0; slot < d->n; slot++) {
		if (!(d->start[slot] & 1))
			continue;
		code->sub[k] = (struct subprog){ .start = d->index[slot], .slot = slot, .name = "",
						 .callback = d->start[slot] & 2 };
		if (k)
			code->sub[k - 1].end = code->sub[k].start;
		k++;
	}
	code->sub[n - 1].end = d->count;
	for (uint32_t i = 0; i < nr_subs; i++) {
		struct subprog *sub = code_sub_at(code, d->index[subs[i].slot]);

		sub->global = subs[i].global;
		if (!subs[i].name || !*subs[i].name || *sub->name)
			continue;
		sub->name = mem_string(code->host, subs[i].name);
		if (!sub->name) {
			sub->name = "";
			return no_memory(d);
		}
	}
	return 0;
}

/* The index is the start of a subprogram: binary search. */
struct subprog *code_sub_at(const struct code *code, uint32_t index)
{
	struct subprog *sub = code_sub_of(code, index);

	return sub && sub->start == index ? sub : NULL;
}

struct subprog *code_sub_of(const struct code *code, uint32_t index)
{
	uint32_t lo = 0, hi = code->nr_sub;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (index < code->sub[mid].start)
			hi = mid;
		else if (index >= code->sub[mid].end)
			lo = mid + 1;
		else
			return &code->sub[mid];
	}
	return NULL;
}

/* Jumps stay in their subprogram, and none can be left but by exit or a jump. */
static int check_subs(struct decoder *d)
{
	struct code *code = d->code;

	for (uint32_t k = 0; k < code->nr_sub; k++) {
		const struct subprog *sub = &code->sub[k];
		const struct insn *last = &code->insn[sub->end - 1];

		for (uint32_t i = sub->start; i < sub->end; i++) {
			const struct insn *insn = &code->insn[i];

			if (!has_target(insn) || isa_op[insn->op].shape == SHAPE_LOCAL || insn->op == OP_LD_FUNC)
				continue;
			if ((uint32_t)insn->off < sub->start || (uint32_t)insn->off >= sub->end)
				return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_JUMP, -EINVAL, code->slot[i],
						 "insn %u: jump to %u, into another function", code->slot[i],
						 code->slot[insn->off]);
		}
		if (last->op != OP_EXIT && last->op != OP_JA && last->op != OP_JA32)
			return error_set(d->err, UEBPF_STAGE_DECODE, UEBPF_E_JUMP, -EINVAL, code->slot[sub->end - 1],
					 "insn %u: control falls off the end of %s%s: the last instruction must be "
					 "exit or goto", code->slot[sub->end - 1], k ? "a function " : "the program",
					 k ? sub->name : "");
	}
	return 0;
}

/* ---- whole programs ---- */

static uint32_t count_insns(const uint8_t *bytes, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < n; slot++, count++)
		if (bytes[8 * (size_t)slot] == 0x18)
			slot++;
	return count;
}

static int decode(struct decoder *d, const struct sub_def *subs, uint32_t nr_subs)
{
	struct code *code = d->code;
	int ret;

	code->slots = d->n;
	code->n = count_insns(d->bytes, d->n);
	code->insn = mem_array(code->host, code->n, sizeof *code->insn);
	code->slot = mem_array(code->host, code->n, sizeof *code->slot);
	if (!code->insn || !code->slot || !d->index || !d->start)
		return no_memory(d);
	ret = decode_all(d);
	ret = ret ? ret : mark_starts(d, subs, nr_subs);
	for (uint32_t i = 0; i < code->n && !ret; i++)
		if (has_target(&code->insn[i]))
			ret = resolve(d, i);
	ret = ret ? ret : make_subs(d, subs, nr_subs);
	return ret ? ret : check_subs(d);
}

int code_decode(struct code *code, const void *slots, uint32_t n, const struct sub_def *subs,
		uint32_t nr_subs, uint32_t max_insns, struct uebpf_error *err)
{
	struct decoder d = { .code = code, .bytes = slots, .n = n, .err = err };
	int ret;

	if (!n)
		return error_set(err, UEBPF_STAGE_DECODE, UEBPF_E_INSN, -EINVAL, 0, "the program is empty");
	if (n > max_insns || n > INT32_MAX)
		return error_set(err, UEBPF_STAGE_DECODE, UEBPF_E_TOO_LONG, -E2BIG, UINT32_MAX,
				 "the program has %u instruction slots, the limit is %u (max_insns)", n,
				 max_insns);
	d.index = mem_array(code->host, n, sizeof *d.index);
	d.start = mem_array(code->host, n, 1);
	ret = decode(&d, subs, nr_subs);
	mem_free(code->host, d.index, n * sizeof *d.index);
	mem_free(code->host, d.start, n);
	return ret;
}
