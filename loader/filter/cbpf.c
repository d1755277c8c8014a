/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf.c - classic BPF filters (McCanne and Jacobson 1993; what libpcap compiles and SO_ATTACH_FILTER
 * takes) translated into eBPF of program type "cbpf".  Knows the classic machine and the wire form of
 * eBPF, nothing of engines.
 *
 * Registers: A = r0, M[i] = stack; X, the context, the packet and its end are in r9, r6, r7, r8, which survive
 * calls, or, where nothing is called, X, packet and end in r5, r3, r4, which cost a function nothing, and r2 is
 * packet + X.  A load outside of the packet and a division by zero end the filter with 0, as they do in libpcap and
 * in the kernel.  Offsets that no verifier can follow (64 KiB and more) go through skb_load_bytes, so that big packets
 * give the same answer.
 *
 * What is known of a filter beforehand is found out in cbpf_survey.c. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "loader/filter/cbpf_in.h"

enum { MAX_INSNS = 4096 };	/* BPF_MAXINSNS of the kernel */
enum { A = 0, AT_X = 2, FP = 10 };
/* The program type's view of its context: loader/types.def, type cbpf. */
enum { VIEW_DATA = 0, VIEW_END = 4, VIEW_WIRE_LEN = 24 };
enum { ISLAND = 30000, SLOTS = 28 };	/* slots that a jump surely spans; that an instruction becomes at most */

/* Opcodes of RFC 9669; a register's number joins them as on the wire. */
enum { LDX_W = 0x61, LDX_H = 0x69, LDX_B = 0x71, ST_W = 0x62, STX_W = 0x63, LDDW = 0x18, MOV32 = 0xbc, MOV32K = 0xb4, MOV = 0xbf, ADD = 0x0f, ADDK = 0x07,
       SUB = 0x1f, BE = 0xdc, CALL = 0x85, EXIT = 0x95, JA = 0x05, JAL = 0x06, JGT = 0x2d, JGTK = 0x25, JNEK = 0x55 };

/* regs: dst | src << 4 */
static void emit(struct out *o, uint32_t code, uint32_t regs, int32_t off, uint32_t imm)
{
	raw_store(o->slot + (size_t)o->n++ * 8, (struct raw_insn){ (uint8_t)code, regs & 15, (uint8_t)(regs >> 4),
								   (int16_t)off, (int32_t)imm });
}

static void op_x(struct out *o, uint32_t code, uint32_t dst, uint32_t src) { emit(o, code, dst | src << 4, 0, 0); }
static void op_k(struct out *o, uint32_t code, uint32_t dst, uint32_t k) { emit(o, code, dst, 0, k); }

/* A jump to a classic instruction, nr_in being "return 0": patch() makes it one. */
static void jump_to(struct out *o, uint32_t code, uint32_t regs, uint32_t imm, uint32_t target)
{
	if (target == o->nr_in && o->first_drop == ALL)
		o->first_drop = o->n;
	emit(o, code, regs, -1 - (int32_t)target, imm);
}

static void drop_if(struct out *o, uint32_t code, uint32_t regs, uint32_t imm)
{
	jump_to(o, code, regs, imm, o->nr_in);
}

/* Jumps of slots [from, n) to a classic instruction get their distance; those to "return 0" go to the slot `drop`,
 * the others are left alone unless `all`.  A goto that does not reach becomes a long one; conditional jumps span at most
 * 255 classic instructions of at most SLOTS slots, which 16 bits hold. */
static void patch(struct out *o, uint32_t from, uint32_t drop, bool all)
{
	for (uint32_t i = from; i < o->n; i++) {
		struct raw_insn raw = raw_load(o->slot + (size_t)i * 8);
		uint32_t target = (uint32_t)(-1 - raw.off);
		int64_t d;

		if (((raw.code & 7) != 5 && (raw.code & 7) != 6) || raw.off >= 0 || (target != o->nr_in && !all))
			continue;
		d = (int64_t)(target == o->nr_in ? drop : o->spot[target].start) - i - 1;
		raw.off = (int16_t)d;
		if (d > INT16_MAX)
			raw = (struct raw_insn){ JAL, 0, 0, 0, (int32_t)d };
		raw_store(o->slot + (size_t)i * 8, raw);
	}
}

/* "return 0" for the jumps so far: at the end, and in between before 16 bits would not reach it. */
static void drop_here(struct out *o, bool falls_through)
{
	if (falls_through)
		emit(o, JA, 0, 2, 0);
	patch(o, o->resolved, o->n, false);
	o->first_drop = ALL;
	op_k(o, MOV32K, A, 0);
	op_k(o, EXIT, 0, 0);
	o->resolved = o->n;
}

/* Ends the filter unless `bytes` bytes from register `from` on are there; r1 is behind them. */
static void ask(struct out *o, uint32_t from, uint32_t bytes)
{
	if (from != 1)
		op_x(o, MOV, 1, from);
	op_k(o, ADDK, 1, bytes);
	drop_if(o, JGT, 1 | (uint32_t)o->end << 4, 0);
}

/* From anywhere: X + k, without a wrap since both are 32 bits wide.  Far away the helper copies to the stack. */
static void load_far(struct out *o, uint32_t i, uint32_t dst)
{
	uint32_t size = o->spot[i].size, width = size == 4 ? LDX_W : size == 2 ? LDX_H : LDX_B;

	op_k(o, LDDW, 2, o->in[i].k);
	op_k(o, 0, 0, 0);
	if (o->spot[i].reads & READ_X)
		op_x(o, ADD, 2, o->x);
	emit(o, JGTK, 2, 6, FAR_LIMIT - size);	/* over what follows */
	op_x(o, MOV, 1, o->data);
	op_x(o, ADD, 1, 2);
	ask(o, 1, size);
	emit(o, width, dst | 1 << 4, -(int32_t)size, 0);
	emit(o, JA, 0, 8, 0);
	drop_if(o, JGTK, 2, 0x7fffffff);	/* the helper's offset is a positive int */
	op_x(o, MOV, 1, o->ctx);
	op_x(o, MOV, 3, FP);
	op_k(o, ADDK, 3, (uint32_t)-8);
	op_k(o, MOV32K, 4, size);
	op_k(o, CALL, 0, HELPER_SKB_LOAD_BYTES);
	drop_if(o, JNEK, A, 0);
	emit(o, width, dst | FP << 4, -8, 0);
}

/* Where scratch word k is; SCRATCH: A while a helper is called. */
static int32_t scratch(uint32_t k) { return -16 - 4 * (int32_t)k; }

static void load_packet(struct out *o, uint32_t i, uint32_t dst)
{
	const struct spot *s = &o->spot[i];
	uint32_t base = o->data, have = s->have, need = s->need;
	int32_t off = (int32_t)o->in[i].k;

	if (!s->kind) {
		load_far(o, i, dst);
	} else {
		if (s->kind == IND) {
			base = AT_X;
			have = s->have_x;
			need = s->need_x;
			if (!have) {
				op_x(o, MOV, AT_X, o->data);
				op_x(o, ADD, AT_X, o->x);
			}
		}
		if (s->end > NEAR) {	/* from behind */
			need = s->end;
			off = -(int32_t)s->size;
		}
		if (s->end > have || off < 0)
			ask(o, base, to_ask(need, s->end));
		emit(o, s->size == 4 ? LDX_W : s->size == 2 ? LDX_H : LDX_B, dst | (off < 0 ? 1 : base) << 4, off, 0);
	}
	if (s->size > 1 && (!s->kind || cbpf_same(o, i)->number))
		op_k(o, BE, dst, s->size * 8u);
}

static void load(struct out *o, uint32_t i)
{
	const struct uebpf_cbpf_insn *in = &o->in[i];
	uint32_t dst = (in->code & 7) == C_LDX ? o->x : A, mode = in->code & 0xe0;
	bool far = mode == M_MSH && !o->spot[i].kind && (o->spot[i].live & READ_A);	/* calls, and keeps A */

	switch (mode) {
	case M_IMM:
		op_k(o, MOV32K, dst, in->k);
		break;
	case M_MEM:
		emit(o, LDX_W, dst | FP << 4, scratch(in->k), 0);
		break;
	case M_LEN:	/* on the wire; a host that leaves it 0 means the captured length */
		emit(o, LDX_W, 1 | (uint32_t)o->ctx << 4, VIEW_WIRE_LEN, 0);
		emit(o, JNEK, 1, 2, 0);
		op_x(o, MOV, 1, o->end);
		op_x(o, SUB, 1, o->data);
		op_x(o, MOV32, dst, 1);
		break;
	default:
		if (far)
			emit(o, STX_W, FP | A << 4, scratch(SCRATCH), 0);
		load_packet(o, i, dst);
		if (mode != M_MSH)
			break;
		op_k(o, 0x54, dst, 0x0f);
		op_k(o, 0x64, dst, 2);
		if (far)
			emit(o, LDX_W, A | FP << 4, scratch(SCRATCH), 0);
	}
}

/* Operand k of instruction i as A is there. */
static uint32_t constant(const struct out *o, uint32_t i)
{
	const struct spot *load = cbpf_same(o, o->spot[i].value);
	uint32_t k = o->in[i].k;

	if (load->number || load->size == 1 || !cbpf_swaps(&o->in[i], load) || __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		return k;
	return load->size == 4 ? __builtin_bswap32(k) : (k & 0xffff0000) | __builtin_bswap16((uint16_t)k);
}

static void alu(struct out *o, uint32_t i)
{
	uint32_t code = o->in[i].code, op = code & 0xf0;
	bool by_x = code & SRC_X && op != ALU_NEG;

	if (by_x && (op == ALU_DIV || op == ALU_MOD))
		drop_if(o, 0x16, o->x, 0);
	if (by_x && (op == ALU_LSH || op == ALU_RSH)) {	/* 32 and more give 0; eBPF masks the count */
		emit(o, 0xa6, o->x, 2, 32);
		op_k(o, MOV32K, A, 0);
		emit(o, JA, 0, 1, 0);
	}
	emit(o, op | (by_x ? SRC_X : 0) | 0x04, by_x ? A | (uint32_t)o->x << 4 : A, 0,
	     by_x || op == ALU_NEG ? 0 : constant(o, i));
}

static void jump(struct out *o, uint32_t i)
{
	static const uint8_t opposite[] = { [J_JEQ >> 4] = 0x50, [J_JGT >> 4] = 0xb0, [J_JGE >> 4] = 0xa0, [J_JSET >> 4] = 0 };
	uint32_t code = o->in[i].code, op = code & 0xf0, src = code & SRC_X;
	const uint16_t *to = o->spot[i].to;
	bool turn = to[0] == i + 1 && opposite[op >> 4];	/* the other way round, one jump does */

	if (op != J_JA)
		jump_to(o, (turn ? opposite[op >> 4] : op) | src | 6, src ? A | (uint32_t)o->x << 4 : A,
			src ? 0 : constant(o, i), to[turn]);
	if (op == J_JA || (to[1] != i + 1 && !turn))
		jump_to(o, JA, 0, 0, to[op != J_JA]);
}

static void one(struct out *o, uint32_t i)
{
	const struct uebpf_cbpf_insn *in = &o->in[i];

	switch (in->code & 7) {
	case C_LD: case C_LDX:
		load(o, i);
		break;
	case C_ST: case C_STX:
		emit(o, STX_W, FP | (uint32_t)((in->code & 7) == C_ST ? A : o->x) << 4, scratch(in->k), 0);
		break;
	case C_ALU:
		alu(o, i);
		break;
	case C_JMP:
		jump(o, i);
		break;
	case C_RET:
		if (!(in->code & RET_A))
			op_k(o, MOV32K, A, in->k);
		op_k(o, EXIT, 0, 0);
		break;
	default:
		in->code & MISC_TXA ? op_x(o, MOV32, A, o->x) : op_x(o, MOV32, o->x, A);
	}
}

static void translate(struct out *o)
{
	uint32_t live = o->spot[0].live;

	if (o->ctx != 1)
		op_x(o, MOV, o->ctx, 1);
	emit(o, LDX_W, o->data | (uint32_t)o->ctx << 4, VIEW_DATA, 0);
	emit(o, LDX_W, o->end | (uint32_t)o->ctx << 4, VIEW_END, 0);
	if (live & READ_A)
		op_k(o, MOV32K, A, 0);
	if (live & READ_X)
		op_k(o, MOV32K, o->x, 0);
	for (uint32_t k = 0; k < SCRATCH; k++)
		if (live & (uint32_t)READ_M << k)
			emit(o, ST_W, FP, scratch(k), 0);
	for (uint32_t i = 0; i < o->nr_in; i++) {
		if (o->first_drop != ALL && o->n - o->first_drop > ISLAND)
			drop_here(o, true);
		o->spot[i].start = o->n;
		if (o->spot[i].have != ALL)
			one(o, i);
	}
	if (o->first_drop != ALL)
		drop_here(o, false);
	patch(o, 0, 0, true);
}

int cbpf_translate(const struct uebpf_cbpf_insn *in, uint32_t n, void **slots, uint32_t *nslots,
		   struct uebpf_error *err)
{
	struct out o = { .in = in, .nr_in = n, .first_drop = ALL };
	const char *why = NULL;
	uint32_t i;

	*slots = NULL;
	if (!n || n > MAX_INSNS)
		return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_LIMIT, -EINVAL, 0,
				 "a classic filter has 1 to %d instructions, this one %u", MAX_INSNS, n);
	for (i = 0; i < n && !why; i++)
		why = cbpf_wrong(&in[i], n - i - 1);
	if (!why && (in[n - 1].code & 7) != C_RET)
		why = MESSAGE_TEXT("the last one, and not a return");
	if (why)
		return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_INSN, -EINVAL, i - 1,
				 "classic instruction %u (code 0x%02x, k 0x%x): %s", i - 1, in[i - 1].code, in[i - 1].k,
				 message_text(why));
	o.spot = malloc((n + 1) * sizeof(*o.spot));
	o.slot = malloc((n + 2) * (size_t)(SLOTS * 8));
	if (o.spot && o.slot) {
		cbpf_survey(&o);
		translate(&o);
		*slots = o.slot;
		*nslots = o.n;
	}
	free(o.spot);
	if (*slots)
		return 0;
	free(o.slot);
	return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_MEMORY, -ENOMEM, 0, "no memory to translate a filter");
}

struct uebpf_object *uebpf_object_open_cbpf(struct uebpf_env *env, const struct uebpf_cbpf_insn *insns,
		size_t n, const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_open_opts o = { .size = sizeof o };
	struct uebpf_object *obj;
	void *slots;
	uint32_t count = 0;

	if (opts && opts->size)
		memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
	o.size = sizeof o;
	o.type = "cbpf";
	cbpf_translate(insns, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n, &slots, &count, err);
	if (!slots)
		return NULL;
	obj = uebpf_object_open_insns(env, slots, count, &o, err);
	free(slots);
	return obj;
}
