/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trusted.c - which accesses of a trusted program go to its context, and nothing else.
 *
 * Trusted code is not proven, but the context that it sees (struct xdp_md) is not the host's (struct
 * uebpf_packet), so each context access has to be found before it can be translated.  One forward
 * pass over the blocks: a register or stack slot holds the context at a known offset, something else,
 * or may hold either; where the last is the base of an access the program is refused.  Loads through
 * other pointers yield something else unless the program ever puts the context where they might reach
 * it. */
#include <errno.h>
#include <string.h>
#include "verifier/verifier.h"
#include "vm/flow.h"
#include "vm/mem.h"

enum what { OTHER, CONTEXT, EITHER };
struct thing { uint32_t what; int32_t off; };
enum { REGS = 11, SLOTS = 64 };
struct frame { struct thing reg[REGS], slot[SLOTS]; };
enum { FRAMES_MAX = (64 << 20) / sizeof(struct frame) };

struct pass {
	const struct code *code;
	struct verify_result *res;
	uint32_t *block;	/* instruction -> index in `at`, UINT32_MAX: no block starts here */
	struct frame *at;	/* what is known where a block starts */
	uint8_t *seen, *dirty;
	uint32_t blocks;
	bool taken;		/* the stack's address is in other registers than r10, or in memory */
	bool hidden;		/* the context went to memory that other pointers may reach */
	bool returned;		/* a subprogram may return it */
	bool changed;
};

static struct thing join(struct thing a, struct thing b)
{
	if (a.what == b.what && (a.what != CONTEXT || a.off == b.off))
		return a;
	return (struct thing){ EITHER, 0 };
}

static void flow_to(struct pass *p, const struct frame *f, uint32_t target)
{
	uint32_t b = p->block[target];
	struct frame *to = &p->at[b];

	if (!p->seen[b]) {
		*to = *f;
		p->seen[b] = p->dirty[b] = 1;
		p->changed = true;
		return;
	}
	for (int i = 0; i < REGS + SLOTS; i++) {
		struct thing *t = i < REGS ? &to->reg[i] : &to->slot[i - REGS];
		const struct thing *s = i < REGS ? &f->reg[i] : &f->slot[i - REGS];
		struct thing j = join(*t, *s);

		if (j.what != t->what || j.off != t->off) {
			*t = j;
			p->dirty[b] = 1;
			p->changed = true;
		}
	}
}

/* The stack slot of an 8-byte access through r10, NULL for any other. */
static struct thing *slot_of(struct frame *f, const struct insn *in, uint32_t base)
{
	int32_t at = -in->off;

	return base == 10 && isa_op[in->op].size == 8 && at >= 8 && at <= SLOTS * 8 && at % 8 == 0 ?
	       &f->slot[at / 8 - 1] : NULL;
}

static void note(struct pass *p, uint32_t i, struct thing base)
{
	struct fact *fact = &p->res->fact[i];

	fact->flags |= FACT_SEEN;
	if (base.what == EITHER) {
		fact->base = FACT_NONE;
		fact->flags |= FACT_CTX_TOO;
	} else if (base.what == CONTEXT) {
		fact->base = FACT_CTX;
		fact->flags |= FACT_FIXED;
		fact->off = base.off;
	}
}

/* A store forgets what the slots it overlaps held. */
static void clobber(struct frame *f, const struct insn *in, uint32_t base)
{
	int32_t lo = in->off, hi = lo + isa_op[in->op].size;

	for (int k = 0; base == 10 && k < SLOTS; k++)
		if (lo < -8 * k && hi > -8 * (k + 1))
			f->slot[k] = (struct thing){ OTHER, 0 };
}

static struct thing after_alu(const struct frame *f, const struct insn *in)
{
	struct thing d = f->reg[in->dst], s = f->reg[in->src];

	switch (in->op) {
	case OP_MOV64_X: return s;
	case OP_MOV64_K: case OP_MOV32_K: return (struct thing){ OTHER, 0 };
	case OP_ADD64_K: d.off += (int32_t)in->imm; return d;
	case OP_SUB64_K: d.off -= (int32_t)in->imm; return d;
	default: break;
	}
	if (isa_op[in->op].shape == SHAPE_ALU_K || isa_op[in->op].shape == SHAPE_UN)
		return d.what == OTHER ? d : (struct thing){ EITHER, 0 };
	if (in->op == OP_MOV32_X || d.what == OTHER)
		return s.what == OTHER ? (struct thing){ OTHER, 0 } : (struct thing){ EITHER, 0 };
	return (struct thing){ EITHER, 0 };
}

static void put(struct pass *p, struct frame *f, const struct insn *in, uint32_t i)
{
	bool x = isa_op[in->op].shape == SHAPE_STORE_X;
	struct thing *slot = slot_of(f, in, in->dst), v = x ? f->reg[in->src] : (struct thing){ OTHER, 0 };
	struct thing base = f->reg[in->dst];

	base.off += in->off;
	note(p, i, base);
	clobber(f, in, in->dst);
	if (slot)
		*slot = v;
	if (v.what != OTHER && (!slot || p->taken) && !p->hidden)
		p->hidden = p->changed = true;
}

static void get(struct pass *p, struct frame *f, const struct insn *in, uint32_t i)
{
	struct thing *slot = slot_of(f, in, in->src), base = f->reg[in->src], v = { OTHER, 0 };

	base.off += in->off;
	note(p, i, base);
	if (slot)
		v = *slot;
	else if (in->src != 10 && base.what == OTHER && isa_op[in->op].size == 8 && p->hidden)
		v.what = EITHER;
	f->reg[in->dst] = v;
}

static __attribute__((noinline)) void after_call(struct frame *f, struct thing r0)
{
	f->reg[0] = r0;
	for (int r = 1; r <= 5; r++)
		f->reg[r] = (struct thing){ OTHER, 0 };
}

static void enter(struct pass *p, const struct frame *f, uint32_t target)
{
	struct frame callee = { 0 };

	for (int r = 1; f && r <= 5; r++)
		callee.reg[r] = f->reg[r];
	flow_to(p, &callee, target);
}

/* One instruction; false: control does not fall through. */
static bool step(struct pass *p, struct frame *f, uint32_t i)
{
	const struct insn *in = &p->code->insn[i];
	const struct thing other = { OTHER, 0 };

	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN:
		f->reg[in->dst] = after_alu(f, in);
		break;
	case SHAPE_LOAD: get(p, f, in, i); break;
	case SHAPE_STORE_X: case SHAPE_STORE_K: put(p, f, in, i); break;
	case SHAPE_ATOMIC: {
		struct thing base = f->reg[in->dst];

		base.off += in->off;
		note(p, i, base);
		clobber(f, in, in->dst);
		if (in->op == OP_CMPXCHG64 || in->op == OP_CMPXCHG32)
			f->reg[0] = other;
		else if (insn_writes(in))
			f->reg[in->src] = other;
		break;
	}
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND: case SHAPE_CALL:
		after_call(f, other);
		break;
	case SHAPE_LOCAL:
		enter(p, f, (uint32_t)in->off);
		/* fall through */
	case SHAPE_CALLX:
		after_call(f, (struct thing){ p->returned ? EITHER : OTHER, 0 });
		break;
	case SHAPE_WIDE:
		if (in->op == OP_LD_FUNC)
			enter(p, NULL, (uint32_t)in->off);
		f->reg[in->dst] = other;
		break;
	case SHAPE_JCC_K: case SHAPE_JCC_X:
		flow_to(p, f, (uint32_t)in->off);
		break;
	case SHAPE_JA:
		flow_to(p, f, (uint32_t)in->off);
		return in->op == OP_MAY_GOTO;
	case SHAPE_EXIT:
		if (i >= p->code->sub[0].end && f->reg[0].what != OTHER && !p->returned)
			p->returned = p->changed = true;
		return false;
	default:
		break;
	}
	return true;
}

static void walk(struct pass *p, uint32_t start)
{
	struct frame f = p->at[p->block[start]];

	p->dirty[p->block[start]] = 0;
	for (uint32_t i = start; i < p->code->n && step(p, &f, i); i++)
		if (i + 1 < p->code->n && p->block[i + 1] != UINT32_MAX) {
			flow_to(p, &f, i + 1);
			return;
		}
}

static uint32_t find_blocks(struct pass *p)
{
	const struct code *code = p->code;
	uint32_t n = 0;

	memset(p->block, 0xff, code->n * sizeof *p->block);
	flow_targets(code, p->dirty);
	for (uint32_t i = 0; i < code->n; i++) {
		uint8_t shape = isa_op[code->insn[i].op].shape;

		p->taken |= code->insn[i].src == 10 && (shape == SHAPE_ALU_X || shape == SHAPE_STORE_X);
		if (p->dirty[i])
			p->block[i] = n++;
	}
	memset(p->dirty, 0, code->n);
	return n;
}

static void settle(struct pass *p)
{
	struct frame first = { .reg[1] = { CONTEXT, 0 } };
	bool hidden, returned;

	do {
		hidden = p->hidden;
		returned = p->returned;
		memset(p->res->fact, 0, p->code->n * sizeof *p->res->fact);
		memset(p->seen, 0, p->blocks);
		flow_to(p, &first, p->code->sub[0].start);
		do {
			p->changed = false;
			for (uint32_t i = 0; i < p->code->n; i++)
				if (p->block[i] != UINT32_MAX && p->dirty[p->block[i]])
					walk(p, i);
		} while (p->changed);
	} while (hidden != p->hidden || returned != p->returned);
}

int verify_trusted(const struct code *code, struct verify_result *result, struct uebpf_error *err)
{
	struct pass p = { .code = code, .res = result };
	int ret = 0;

	memset(result, 0, sizeof *result);
	result->host = code->host;
	result->zeroes = true;
	result->n = code->n;
	result->fact = mem_array(code->host, code->n, sizeof *result->fact);
	p.block = mem_array(code->host, code->n, sizeof *p.block);
	p.dirty = mem_alloc(code->host, code->n);	/* first: where blocks start */
	p.blocks = p.block && p.dirty ? find_blocks(&p) : 0;
	if (p.blocks > FRAMES_MAX)
		ret = error_set(err, UEBPF_STAGE_VERIFY, UEBPF_E_COMPLEX, -E2BIG, UINT32_MAX,
				"%u blocks: too many to follow the context of a trusted program; use mode checked",
				p.blocks);
	p.at = ret ? NULL : mem_array(code->host, p.blocks, sizeof *p.at);
	p.seen = ret ? NULL : mem_alloc(code->host, p.blocks);
	if (!ret && result->fact && p.block && p.at && p.seen && p.dirty)
		settle(&p);
	else if (!ret)
		ret = error_set(err, UEBPF_STAGE_VERIFY, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
	mem_free(code->host, p.block, code->n * sizeof *p.block);
	mem_free(code->host, p.at, p.blocks * sizeof *p.at);
	mem_free(code->host, p.seen, p.blocks);
	mem_free(code->host, p.dirty, code->n);
	return ret;
}
