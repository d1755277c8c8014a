/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ctx_layout.c - context accesses become loads and stores of the host's own struct.
 *
 * A program sees the context of its type (struct xdp_md); the host passes its own (struct
 * uebpf_packet).  The verifier proved which field each access means; here the instruction gets the
 * host's offset and width, and a few more instructions where one is not enough.  Verified and trusted
 * code only: checked code looks fields up as it runs. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"
#include "vm/mem.h"

#define LITTLE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
enum { MOST = 12 };

static enum op load_op(uint32_t size, bool sign)
{
	switch (size) {
	case 1: return sign ? OP_LD_SB : OP_LD_B;
	case 2: return sign ? OP_LD_SH : OP_LD_H;
	case 4: return sign ? OP_LD_SW : OP_LD_W;
	default: return OP_LD_DW;
	}
}

static __attribute__((noinline)) enum op store_op(uint32_t size, bool x)
{
	switch (size) {
	case 1: return x ? OP_STX_B : OP_ST_B;
	case 2: return x ? OP_STX_H : OP_ST_H;
	case 4: return x ? OP_STX_W : OP_ST_W;
	default: return x ? OP_STX_DW : OP_ST_DW;
	}
}

static bool number_size(uint32_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

/* Where the accessed bytes are in the host's number: *host offset, and how many of them exist. */
static uint32_t locate(const struct ctx_field *f, uint32_t off, uint32_t size, uint32_t *host)
{
	uint32_t index = (off - f->off) / f->size, at = (off - f->off) % f->size, sig, n;

	*host = f->host_off + index * f->host_size;
	if (!number_size(f->size) || !number_size(f->host_size) || size > f->size) {
		*host += at;
		return size;
	}
	sig = LITTLE ? at : f->size - at - size;	/* bytes below them */
	if (sig >= f->host_size)
		return 0;
	n = size < f->host_size - sig ? size : f->host_size - sig;
	*host += LITTLE ? sig : f->host_size - sig - n;
	return n;
}

static bool targets(const struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;

	return shape == SHAPE_JCC_K || shape == SHAPE_JCC_X || shape == SHAPE_JA || shape == SHAPE_LOCAL ||
	       in->op == OP_LD_FUNC;
}

/* Which registers are in use where, and where jumps lead. */
static int find_flow(struct layout *l)
{
	struct env *e = l->e;

	if (scan_program(e))
		return no_memory(l->err, UEBPF_STAGE_REWRITE);
	l->flow = e->flow;
	for (uint32_t i = 0; i < e->code->n; i++)
		if (targets(&e->code->insn[i])) {
			struct flow *to = &e->flow[e->code->insn[i].off];

			to->mark |= to->mark & FLOW_LED_TO ? FLOW_LED_AGAIN : FLOW_LED_TO;
		}
	return 0;
}

/* data_meta of a packet without metadata is its data. */
static int meta_load(struct layout *l, struct insn *out, const struct insn *in, uint32_t old, int32_t base)
{
	uint32_t via = in->src, live;
	int n = 0;

	if (in->dst == in->src) {
		if (!l->flow && find_flow(l))
			return -ENOMEM;
		live = l->flow[old].live.regs;
		for (via = 0; via < 10 && (via == in->src || (live >> via & 1)); via++)
			;
		if (via == 10)
			return error_set(l->err, UEBPF_STAGE_REWRITE, UEBPF_E_UNSUPPORTED, -EOPNOTSUPP,
					 l->code->slot[old], "not supported here: data_meta is read where every register is in use");
		out[n++] = (struct insn){ .op = OP_MOV64_X, .dst = via & 15, .src = in->src };
	}
	out[n++] = (struct insn){ .op = load_op(sizeof(void *), false), .dst = in->dst, .src = via & 15,
				  .off = (int32_t)offsetof(struct uebpf_packet, data_meta) - base };
	out[n] = (struct insn){ .op = OP_JNE64_K, .dst = in->dst, .off = n + 2 };	/* mended below */
	n++;
	out[n++] = (struct insn){ .op = load_op(sizeof(void *), false), .dst = in->dst, .src = via & 15,
				  .off = (int32_t)offsetof(struct uebpf_packet, data) - base };
	return n;
}

static int layout_load(struct layout *l, struct insn *out, const struct insn *in, uint32_t old,
		       const struct ctx_field *f, uint32_t off)
{
	uint32_t size = isa_op[in->op].size, host, n;
	int32_t base = (int32_t)off - in->off;	/* the pointer already stands there */

	*out = *in;
	if (f->kind == CTX_PACKET_META && (l->code->type->flags & TYPE_PACKET))
		return meta_load(l, out, in, old, base);
	if (f->kind != CTX_SCALAR) {
		out->op = load_op(sizeof(void *), false);
		out->off = (int32_t)f->host_off - base;
		return 1;
	}
	n = locate(f, off, size, &host);
	if (!n) {
		*out = (struct insn){ .op = OP_MOV64_K, .dst = in->dst };
		return 1;
	}
	out->op = load_op(n, (isa_op[in->op].flags & OPF_SIGNED) && n == size);
	out->off = (int32_t)host - base;
	return 1;
}

static int layout_store(struct insn *out, const struct insn *in, const struct ctx_field *f, uint32_t off)
{
	uint32_t size = isa_op[in->op].size, host, n = locate(f, off, size, &host), rest;
	int32_t base = (int32_t)off - in->off;
	bool x = isa_op[in->op].shape == SHAPE_STORE_X;

	*out = *in;
	if (!n) {
		*out = (struct insn){ .op = OP_MOV64_X, .dst = in->dst, .src = in->dst };
		return 1;
	}
	out->op = store_op(n, x);
	out->off = (int32_t)host - base;
	if (size != f->size || n != size || f->host_size <= f->size || !number_size(f->host_size))
		return 1;
	/* the host's number is wider: its upper part becomes zero */
	rest = f->host_size - n;
	host = f->host_off + (off - f->off) / f->size * f->host_size + (LITTLE ? n : 0);
	for (n = 1; rest; n++) {
		uint32_t part = rest & -rest;

		out[n] = (struct insn){ .op = store_op(part, false), .dst = in->dst, .off = (int32_t)host - base };
		host += part;
		rest -= part;
	}
	return (int)n;
}

int layout_mixed(struct layout *l, uint32_t i, const char *what)
{
	return error_set(l->err, UEBPF_STAGE_VERIFY, UEBPF_E_UNSAFE, -EACCES, l->code->slot[i],
			 "unsafe: insn %u: %s; let each path have its own access", l->code->slot[i],
			 message_text(what));
}

/* The instructions for old instruction i; how many, or -errno. */
static int translate(struct layout *l, struct insn *out, uint32_t i)
{
	const struct insn *in = &l->code->insn[i];
	const struct fact *f = &l->res->fact[i];
	const struct op_info *op = &isa_op[in->op];
	const struct ctx_field *field;
	bool write = op->shape == SHAPE_STORE_X || op->shape == SHAPE_STORE_K;
	bool mixed_atomic = op->shape == SHAPE_ATOMIC && f->base == FACT_MIXED;
	int n;

	*out = *in;
	n = arena_layout(l, out, i);
	if (n)
		return n;
	if ((!write && op->shape != SHAPE_LOAD && !mixed_atomic) || (f->base != FACT_CTX && !(f->flags & FACT_CTX_TOO)))
		return 1;
	if (f->base != FACT_CTX)
		return layout_mixed(l, i, MESSAGE_TEXT("one path accesses the context or an arena here, another something else"));
	if (!(f->flags & FACT_FIXED))
		return layout_mixed(l, i, MESSAGE_TEXT("paths access different context fields here"));
	field = ctx_field_at(l->code->type, (uint32_t)f->off, op->size, write);
	if (!field)
		return layout_mixed(l, i, MESSAGE_TEXT("no context field is at this offset"));
	return write ? layout_store(out, in, field, (uint32_t)f->off) :
		       layout_load(l, out, in, i, field, (uint32_t)f->off);
}

static int build(struct layout *l, uint32_t total)
{
	struct code *code = l->code;
	struct insn *insn = mem_array(code->host, total, sizeof *insn), made[MOST];
	uint32_t *slot = mem_array(code->host, total, sizeof *slot);
	struct fact *fact = mem_array(code->host, total, sizeof *fact);
	uint32_t old_n = code->n;

	if (!insn || !slot || !fact) {
		mem_free(code->host, insn, total * sizeof *insn);
		mem_free(code->host, slot, total * sizeof *slot);
		mem_free(code->host, fact, total * sizeof *fact);
		return no_memory(l->err, UEBPF_STAGE_REWRITE);
	}
	for (uint32_t i = 0; i < old_n; i++) {
		translate(l, made, i);		/* as it did before */
		for (uint32_t n = l->moved[i]; n < l->moved[i + 1]; n++) {
			insn[n] = made[n - l->moved[i]];
			insn[n].steps = n == l->moved[i] ? code->insn[i].steps : 0;
			slot[n] = code->slot[i];
			fact[n] = l->res->fact[i];
			if (insn[n].op != code->insn[i].op)	/* says what the access made, not each of its parts */
				fact[n].flags &= (uint8_t)~(FACT_RANGE | FACT_JUMPS | FACT_FALLS);
			if (targets(&code->insn[i]))
				insn[n].off = (int32_t)l->moved[code->insn[i].off];
			else if (isa_op[insn[n].op].shape == SHAPE_JCC_K)
				insn[n].off = (int32_t)l->moved[i + 1];
		}
	}
	for (uint32_t s = 0; s < code->nr_sub; s++) {
		code->sub[s].start = l->moved[code->sub[s].start];
		code->sub[s].end = l->moved[code->sub[s].end];
	}
	mem_free(code->host, code->insn, old_n * sizeof *code->insn);
	mem_free(code->host, code->slot, old_n * sizeof *code->slot);
	mem_free(l->res->host, l->res->fact, old_n * sizeof *l->res->fact);
	code->insn = insn;
	code->slot = slot;
	code->n = total;
	l->res->fact = fact;
	l->res->n = total;
	return 0;
}

/* Once to know where everything will be, and once to put it there. */
static int translate_all(struct layout *l)
{
	struct code *code = l->code;
	uint32_t old_n = code->n;
	struct insn made[MOST];
	int n, err = 0;

	l->moved = mem_array(code->host, old_n + 1, sizeof *l->moved);
	if (!l->moved)
		return no_memory(l->err, UEBPF_STAGE_REWRITE);
	for (uint32_t i = 0; i < old_n && !err; i++) {
		n = translate(l, made, i);
		if (n < 0)
			err = n;
		else
			l->moved[i + 1] = l->moved[i] + (uint32_t)n;
	}
	err = err ? err : build(l, l->moved[old_n]);
	mem_free(code->host, l->moved, (old_n + 1) * sizeof *l->moved);
	return err;
}

/* The program sees the host's own bytes, and no access is another thing on another path. */
static bool as_it_is(const struct code *code, const struct verify_result *result)
{
	if (!(code->type->flags & (TYPE_DIRECT | TYPE_RAW)))
		return false;
	for (uint32_t i = 0; i < code->n; i++) {
		const struct fact *f = &result->fact[i];

		if (f->flags & FACT_CTX_TOO && (f->base != FACT_CTX || !(f->flags & FACT_FIXED)))
			return false;
	}
	return true;
}

int verify_layout(struct code *code, struct verify_result *result, struct uebpf_error *err)
{
	struct layout l = { .code = code, .res = result, .err = err };
	uint32_t n = code->n;
	struct env *e;
	bool more;
	int ret;

	code->no_zero = !result->zeroes;
	if (as_it_is(code, result))
		return 0;
	e = mem_alloc(code->host, sizeof *e);	/* liveness, for scratch registers */
	if (!e)
		return no_memory(err, UEBPF_STAGE_REWRITE);
	e->code = code;
	e->host = code->host;
	l.e = e;
	ret = arena_of(code, &more) ? find_flow(&l) : 0;
	ret = ret ? ret : translate_all(&l);
	scan_free(e, n);
	mem_free(code->host, e, sizeof *e);
	return ret;
}
