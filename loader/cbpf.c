/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf.c - classic BPF filters (McCanne and Jacobson 1993; what libpcap compiles and SO_ATTACH_FILTER
 * takes) translated into eBPF of program type "cbpf".  Knows the classic machine and the wire form of
 * eBPF, nothing of engines.
 *
 * Registers: A = r0, M[i] = stack; X, the context, the packet and its end are in r9, r6, r7, r8, which survive
 * calls, or, where nothing is called, X, packet and end in r5, r3, r4, which cost a function nothing.  A packet load is
 * proven by one comparison and made in place; offsets that no verifier can follow (64 KiB and more)
 * go through skb_load_bytes, so that big packets give the same answer.  A load outside of the packet
 * and a division by zero end the filter with 0, as they do in libpcap and in the kernel. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "loader/cbpf.h"
#include "vm/code.h"

/* Classic opcode fields (linux/filter.h). */
enum { C_LD, C_LDX, C_ST, C_STX, C_ALU, C_JMP, C_RET, C_MISC };
enum { M_IMM = 0x00, M_ABS = 0x20, M_IND = 0x40, M_MEM = 0x60, M_LEN = 0x80, M_MSH = 0xa0 };
enum { SZ_W = 0x00, SZ_H = 0x08, SZ_B = 0x10, SRC_X = 0x08, RET_A = 0x10, MISC_TXA = 0x80 };
enum { J_JA = 0x00, J_JEQ = 0x10, J_JGT = 0x20, J_JGE = 0x30, J_JSET = 0x40 };
enum { MAX_INSNS = 4096 };	/* BPF_MAXINSNS of the kernel */
enum { SCRATCH = 16 };
#define ANCILLARY 0xfffff000u	/* SKF_AD_OFF: offsets from here on are not packet bytes */

enum { A = 0, FP = 10 };
/* The program type's view of its context: loader/types.def, type cbpf. */
enum { VIEW_DATA = 0, VIEW_END = 4, VIEW_WIRE_LEN = 24 };
enum { HELPER_SKB_LOAD_BYTES = 26, FAR_LIMIT = 0xffff };

struct out {
	uint8_t *slot;
	uint32_t n, cap;
	bool short_of_memory;
	bool calls;			/* a load may lie far away: skb_load_bytes */
	bool asks_len;
	uint8_t x, ctx, data, end;	/* registers */
	uint32_t max_x;			/* what X can be at most, wherever it was set */
	uint32_t *start;		/* first slot of each classic instruction */
	struct fix { uint32_t at, target; } *fix;	/* jumps to classic instructions */
	uint32_t nfix, capfix;
	uint32_t *drop;			/* jumps to "return 0" */
	uint32_t ndrop, capdrop;
};

static void *grow(struct out *o, void *p, uint32_t n, uint32_t *cap, size_t each)
{
	if (n < *cap)
		return p;
	void *q = realloc(p, (size_t)(*cap * 2 + 64) * each);
	if (!q) {
		o->short_of_memory = true;
		return NULL;
	}
	*cap = *cap * 2 + 64;
	return q;
}

static void emit(struct out *o, uint8_t code, uint8_t dst, uint8_t src, int16_t off, uint32_t imm)
{
	uint8_t *q = grow(o, o->slot, o->n, &o->cap, 8);
	if (!q)
		return;
	o->slot = q;
	raw_store(q + (size_t)o->n++ * 8, (struct raw_insn){ code, dst, src, off, (int32_t)imm });
}

/* A jump to a classic instruction.  Conditional ones span at most 255 classic instructions of at most
 * 24 slots, which 16 bits hold; a goto becomes gotol when it must (patch). */
static void to_classic(struct out *o, uint32_t target, uint8_t code, uint8_t src, uint32_t imm)
{
	struct fix *f = grow(o, o->fix, o->nfix, &o->capfix, sizeof *f);
	if (!f)
		return;
	o->fix = f;
	f[o->nfix++] = (struct fix){ o->n, target };
	emit(o, code, A, src, 0, imm);
}

/* A conditional jump to "return 0". */
static void drop_if(struct out *o, uint8_t code, uint8_t dst, uint8_t src, uint32_t imm)
{
	uint32_t *d = grow(o, o->drop, o->ndrop, &o->capdrop, sizeof *d);
	if (!d)
		return;
	o->drop = d;
	d[o->ndrop++] = o->n;
	emit(o, code, dst, src, 0, imm);
}

static void set_off(struct out *o, uint32_t at, uint32_t target)
{
	struct raw_insn raw = raw_load(o->slot + (size_t)at * 8);
	raw.off = (int16_t)((int64_t)target - at - 1);
	raw_store(o->slot + (size_t)at * 8, raw);
}

static void mov32(struct out *o, int dst, int src) { emit(o, 0xbc, (uint8_t)dst, (uint8_t)src, 0, 0); }
static void mov32k(struct out *o, int dst, uint32_t k) { emit(o, 0xb4, (uint8_t)dst, 0, 0, k); }
static void mov64(struct out *o, int dst, int src) { emit(o, 0xbf, (uint8_t)dst, (uint8_t)src, 0, 0); }
static void add64(struct out *o, int dst, int src) { emit(o, 0x0f, (uint8_t)dst, (uint8_t)src, 0, 0); }
static void add64k(struct out *o, int dst, uint32_t k) { emit(o, 0x07, (uint8_t)dst, 0, 0, k); }

static uint32_t load_size(uint16_t code)
{
	return (code & 0x18) == SZ_W ? 4 : (code & 0x18) == SZ_H ? 2 : 1;
}

static void load_mem(struct out *o, int dst, int base, int16_t off, uint32_t size)
{
	emit(o, size == 4 ? 0x61 : size == 2 ? 0x69 : 0x71, (uint8_t)dst, (uint8_t)base, off, 0);
	if (size > 1)
		emit(o, 0xdc, (uint8_t)dst, 0, 0, size * 8);	/* be16, be32 */
}

/* r2 = offset, not followed by pointer arithmetic: copied by the helper to the stack. */
static void load_far(struct out *o, uint32_t size)
{
	drop_if(o, 0x25, 2, 0, 0x7fffffff);	/* the helper's offset is a positive int */
	mov64(o, 1, o->ctx);
	mov64(o, 3, FP);
	add64k(o, 3, (uint32_t)-8);
	mov32k(o, 4, size);
	emit(o, 0x85, 0, 0, 0, HELPER_SKB_LOAD_BYTES);
	drop_if(o, 0x55, A, 0, 0);
	load_mem(o, A, FP, -8, size);
}

/* A = packet[k], or X + k when `indexed`. */
static void load_packet(struct out *o, uint32_t k, uint32_t size, bool indexed)
{
	if (!indexed && (uint64_t)k + size <= FAR_LIMIT) {
		mov64(o, 1, o->data);
		add64k(o, 1, k + size);
		drop_if(o, 0x2d, 1, o->end, 0);	/* if r1 > end */
		load_mem(o, A, 1, (int16_t)-(int)size, size);
		return;
	}
	if (indexed && !o->calls) {
		mov64(o, 1, o->data);
		add64(o, 1, o->x);
		mov64(o, 2, 1);
		add64k(o, 2, k + size);
		drop_if(o, 0x2d, 2, o->end, 0);
		load_mem(o, A, 1, (int16_t)k, size);
		return;
	}
	/* r2 = X + k without wrap: both are 32 bits wide. */
	emit(o, 0x18, 2, 0, 0, k);
	emit(o, 0x00, 0, 0, 0, 0);
	if (indexed)
		add64(o, 2, o->x);
	uint32_t far_jump = o->n;
	emit(o, 0x25, 2, 0, 0, FAR_LIMIT - size);	/* if r2 > near goto far */
	mov64(o, 1, o->data);
	add64(o, 1, 2);
	add64k(o, 1, size);
	drop_if(o, 0x2d, 1, o->end, 0);
	load_mem(o, A, 1, (int16_t)-(int)size, size);
	uint32_t over = o->n;
	emit(o, 0x05, 0, 0, 0, 0);
	uint32_t far = o->n;
	load_far(o, size);
	if (!o->short_of_memory) {
		set_off(o, far_jump, far);
		set_off(o, over, o->n);
	}
}

static int16_t scratch(uint32_t k) { return (int16_t)(-16 - 4 * (int)k); }

/* The length of the packet on the wire; a host that leaves it 0 means the captured length. */
static void load_len(struct out *o, int dst)
{
	emit(o, 0x61, 1, o->ctx, VIEW_WIRE_LEN, 0);
	emit(o, 0x55, 1, 0, 2, 0);		/* if r1 != 0 skip */
	mov64(o, 1, o->end);
	emit(o, 0x1f, 1, o->data, 0, 0);
	mov32(o, dst, 1);
}

static const char *load(struct out *o, uint16_t code, uint32_t k)
{
	bool to_x = (code & 7) == C_LDX;
	uint32_t size = load_size(code);
	if ((code & 0x18) == 0x18)
		return "a load of 8 bytes";
	switch (code & 0xe0) {
	case M_IMM:
		if (size != 4)
			return "an immediate load that is not a word";
		mov32k(o, to_x ? o->x : A, k);
		return NULL;
	case M_MEM:
		if (k >= SCRATCH || size != 4)
			return "a scratch word outside of M[0..15]";
		emit(o, 0x61, to_x ? o->x : A, FP, scratch(k), 0);
		return NULL;
	case M_LEN:
		if (size != 4)
			return "a load of the length that is not a word";
		load_len(o, to_x ? o->x : A);
		return NULL;
	case M_ABS:
	case M_IND:
		if (to_x)
			return "a packet load into X";
		if (k >= ANCILLARY)
			return "an ancillary load (SKF_AD_OFF, SKF_LL_OFF, SKF_NET_OFF): only the kernel has its data";
		load_packet(o, k, size, (code & 0xe0) == M_IND);
		return NULL;
	case M_MSH:
		if (!to_x || size != 1)
			return "a 4*([k]&0xf) load that is not a byte into X";
		mov32(o, o->calls ? 5 : 2, A);	/* A survives; no helper is called for offsets below 64 KiB */
		if ((uint64_t)k + 1 > FAR_LIMIT) {
			emit(o, 0x63, FP, A, scratch(SCRATCH), 0);
			load_packet(o, k, 1, false);
			emit(o, 0x61, 5, FP, scratch(SCRATCH), 0);
		} else {
			load_packet(o, k, 1, false);
		}
		emit(o, 0x54, A, 0, 0, 0x0f);
		emit(o, 0x64, A, 0, 0, 2);
		mov32(o, o->x, A);
		mov32(o, A, o->calls ? 5 : 2);
		return NULL;
	}
	return "a load with an unknown mode";
}

static const char *alu(struct out *o, uint16_t code, uint32_t k)
{
	uint8_t op = code & 0xf0, byx = code & SRC_X;
	switch (op) {
	case 0x80:	/* neg */
		emit(o, 0x84, A, 0, 0, 0);
		return NULL;
	case 0x30: case 0x90:	/* div, mod */
		if (!byx && !k)
			return "a division by the constant 0";
		if (byx)
			drop_if(o, 0x16, o->x, 0, 0);	/* if w9 == 0 */
		break;
	case 0x60: case 0x70:	/* shifts: 32 and more give 0 in libpcap; eBPF masks the count */
		if (!byx && k >= 32)
			return "a shift by 32 or more";
		if (byx) {
			emit(o, 0xa6, o->x, 0, 2, 32);	/* if w9 < 32 skip */
			mov32k(o, A, 0);
			emit(o, 0x05, 0, 0, 1, 0);
		}
		break;
	case 0x00: case 0x10: case 0x20: case 0x40: case 0x50: case 0xa0:
		break;
	default:
		return "an unknown arithmetic operation";
	}
	emit(o, (uint8_t)(op | byx | 0x04), A, byx ? o->x : 0, 0, byx ? 0 : k);
	return NULL;
}

static const char *jump(struct out *o, const struct uebpf_cbpf_insn *in, uint32_t at, uint32_t n)
{
	uint8_t op = in->code & 0xf0, byx = in->code & SRC_X;
	if (op == J_JA) {
		if (in->k >= n - at - 1)
			return "a jump past the end";
		to_classic(o, at + 1 + in->k, 0x05, 0, 0);
		return NULL;
	}
	if (op > J_JSET)
		return "an unknown jump";
	if (in->jt >= n - at - 1 || in->jf >= n - at - 1)
		return "a jump past the end";
	to_classic(o, at + 1 + in->jt, (uint8_t)(op | byx | 0x06), byx ? o->x : 0, byx ? 0 : in->k);
	if (in->jf)
		to_classic(o, at + 1 + in->jf, 0x05, 0, 0);
	return NULL;
}

static const char *one(struct out *o, const struct uebpf_cbpf_insn *in, uint32_t at, uint32_t n)
{
	if (in->code > 0xff)
		return "an unknown opcode";
	switch (in->code & 7) {
	case C_LD: case C_LDX:
		return load(o, in->code, in->k);
	case C_ST: case C_STX:
		if (in->k >= SCRATCH || (in->code & 0xf8))
			return "a scratch word outside of M[0..15]";
		emit(o, 0x63, FP, (in->code & 7) == C_ST ? A : o->x, scratch(in->k), 0);
		return NULL;
	case C_ALU:
		return alu(o, in->code, in->k);
	case C_JMP:
		return jump(o, in, at, n);
	case C_RET:
		if ((in->code & 0x18) == SRC_X || (in->code & 0x18) == 0x18 || (in->code & 0xe0))
			return "an unknown return";
		if (!(in->code & RET_A))
			mov32k(o, A, in->k);
		emit(o, 0x95, 0, 0, 0, 0);
		return NULL;
	default:
		if (in->code != 0x07 && in->code != 0x87)
			return "an unknown instruction of class misc";
		in->code & MISC_TXA ? mov32(o, A, o->x) : mov32(o, o->x, A);
		return NULL;
	}
}

/* libpcap's own filters set X to the length of a header, 60 at most: nothing in them lies far away. */
static void survey(struct out *o, const struct uebpf_cbpf_insn *in, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t mode = in[i].code & 0xe0, v = 0;

		if ((in[i].code & 7) == C_LDX)
			v = mode == M_MSH ? 60 : mode == M_IMM ? in[i].k : UINT32_MAX;
		else if ((in[i].code & 7) == C_MISC && !(in[i].code & MISC_TXA))
			v = UINT32_MAX;
		o->max_x = v > o->max_x ? v : o->max_x;
		o->asks_len |= (in[i].code & 7) <= C_LDX && mode == M_LEN;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t mode = in[i].code & 0xe0;

		if ((in[i].code & 7) <= C_LDX && (mode == M_ABS || mode == M_IND || mode == M_MSH))
			o->calls |= in[i].k + (uint64_t)(mode == M_IND ? o->max_x : 0) + 4 > FAR_LIMIT;
	}
	o->x = o->calls ? 9 : 5;
	o->ctx = o->calls || o->asks_len ? 6 : 1;
	o->data = o->calls ? 7 : 3;
	o->end = o->calls ? 8 : 4;
}

static void prologue(struct out *o, const struct uebpf_cbpf_insn *in, uint32_t n)
{
	bool used[SCRATCH] = { false };
	for (uint32_t i = 0; i < n; i++)
		if (((in[i].code & 7) <= C_LDX && (in[i].code & 0xe0) == M_MEM) && in[i].k < SCRATCH)
			used[in[i].k] = true;
	if (o->ctx != 1)
		mov64(o, o->ctx, 1);
	emit(o, 0x61, o->data, o->ctx, VIEW_DATA, 0);
	emit(o, 0x61, o->end, o->ctx, VIEW_END, 0);
	mov32k(o, A, 0);
	mov32k(o, o->x, 0);
	for (uint32_t i = 0; i < SCRATCH; i++)
		if (used[i])
			emit(o, 0x62, FP, 0, scratch(i), 0);
}

/* A plain goto that does not reach becomes gotol. */
static void patch(struct out *o, const struct fix *f)
{
	int64_t d = (int64_t)o->start[f->target] - f->at - 1;
	if (d <= INT16_MAX)
		set_off(o, f->at, o->start[f->target]);
	else
		raw_store(o->slot + (size_t)f->at * 8, (struct raw_insn){ 0x06, 0, 0, 0, (int32_t)d });
}

/* "return 0" for the loads so far: at the end, and in between before 16 bits would not reach it. */
static void drop_here(struct out *o, bool falls_through)
{
	if (falls_through)
		emit(o, 0x05, 0, 0, 2, 0);
	for (uint32_t i = 0; i < o->ndrop && !o->short_of_memory; i++)
		set_off(o, o->drop[i], o->n);
	o->ndrop = 0;
	mov32k(o, A, 0);
	emit(o, 0x95, 0, 0, 0, 0);
}

int cbpf_translate(const struct uebpf_cbpf_insn *in, uint32_t n, void **slots, uint32_t *nslots,
		   struct uebpf_error *err)
{
	struct out o = { 0 };
	const char *wrong = NULL;
	uint32_t i = 0;
	if (!n || n > MAX_INSNS)
		return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_LIMIT, -EINVAL, 0,
				 "a classic filter has 1 to %d instructions, this one %u", MAX_INSNS, n);
	if ((in[n - 1].code & 7) != C_RET)
		return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_INSN, -EINVAL, n - 1,
				 "the last classic instruction (%u) is not a return", n - 1);
	o.start = malloc((n + 1) * sizeof *o.start);
	o.short_of_memory = !o.start;
	survey(&o, in, n);
	if (o.start) {
		prologue(&o, in, n);
		for (; i < n && !wrong && !o.short_of_memory; i++) {
			if (o.ndrop && o.n - o.drop[0] > 30000)
				drop_here(&o, true);
			o.start[i] = o.n;
			wrong = one(&o, &in[i], i, n);
		}
	}
	if (!wrong && !o.short_of_memory && o.ndrop)
		drop_here(&o, false);
	for (uint32_t f = 0; f < o.nfix && !wrong && !o.short_of_memory; f++)
		patch(&o, &o.fix[f]);
	free(o.start);
	free(o.fix);
	free(o.drop);
	if (!wrong && !o.short_of_memory) {
		*slots = o.slot;
		*nslots = o.n;
		return 0;
	}
	free(o.slot);
	if (wrong)
		return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_INSN, -EINVAL, i - 1,
				 "classic instruction %u (code 0x%02x, k 0x%x): %s", i - 1, in[i - 1].code, in[i - 1].k, wrong);
	return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_MEMORY, -ENOMEM, 0, "no memory to translate a filter");
}

struct uebpf_object *uebpf_object_open_cbpf(struct uebpf_env *env, const struct uebpf_cbpf_insn *insns,
		size_t n, const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_open_opts o = { .size = sizeof o };
	void *slots;
	uint32_t count;
	if (opts && opts->size)
		memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
	o.size = sizeof o;
	o.type = "cbpf";
	if (cbpf_translate(insns, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n, &slots, &count, err))
		return NULL;
	struct uebpf_object *obj = uebpf_object_open_insns(env, slots, count, &o, err);
	free(slots);
	return obj;
}
