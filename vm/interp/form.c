/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* form.c - from decoded instructions to what the interpreter executes (form.h).
 *
 * Fused forms are chosen from the end to the start, each instruction for itself: the form from which
 * the fewest dispatches lead to the end of the straight line.  The last few choices are all that it
 * takes to know, so there is no table but that of the forms. */
#include <errno.h>
#include "vm/interp/form.h"
#include "vm/mem.h"

/* ---- operands ---- */

static int32_t distance(uint32_t from, int32_t to)
{
	return (int32_t)(((int64_t)to - (int64_t)from) * (int64_t)sizeof(struct xinsn));
}

static void index_operand(struct xinsn *x, const struct insn *in, uint16_t no_scale)
{
	x->k = 0;
	x->x = in->imm_lo & 15;
	x->scale = (uint8_t)(in->imm_lo >> 4 & 3);
	if (!x->scale)
		x->op = no_scale;
}

static struct xinsn translate(const struct code *code, uint32_t i)
{
	const struct insn *in = &code->insn[i];
	struct xinsn x = { .op = in->op, .d = in->dst, .s = in->src, .off = in->off, .k = in->imm };

	switch (in->op) {
	case OP_LD_MAP: case OP_LD_MAPVAL:
		x.op = X_MOV64_K;
		x.k = (int64_t)code_map_address(code, in);
		break;
	case OP_LD_FUNC:
		x.op = X_MOV64_K;
		x.k = (int64_t)(uintptr_t)&code->insn[in->off];
		break;
	case OP_JA32:
		x.op = X_JA;
		break;
	case OP_CAST_USER: case OP_CAST_KERN:	/* arenas are mapped at one address here */
		x.op = X_MOV64_X;
		break;
#define INDEX(n, ...) \
	case OP_LDI_##n: index_operand(&x, in, X_LDI0_##n); break; \
	case OP_STI_##n: index_operand(&x, in, X_STI0_##n); break;
#include "vm/isa.def"
	case OP_LEAX64: index_operand(&x, in, X_LEAX64_0); break;
	case OP_LEAX32: index_operand(&x, in, X_LEAX32_0); break;
	case OP_LDDW: x.op = X_MOV64_K; break;
	/* The same in one form, so that fused forms fit both ways to say it. */
	case OP_MOV32_K:
		x.op = X_MOV64_K;
		x.k = (uint32_t)in->imm;
		break;
	case OP_AND64_K:
		if (!(in->imm >> 32))
			x.op = X_AND32_K;
		break;
	case OP_SUB64_K:
		x.op = X_ADD64_K;
		x.k = (int64_t)-(uint64_t)in->imm;
		break;
#define MEM(n, ...) \
	case OP_LD_##n: x.op = code->checked ? X_CLD_##n : X_LD_##n; break; \
	case OP_STX_##n: x.op = code->checked ? X_CSTX_##n : X_STX_##n; break; \
	case OP_ST_##n: x.op = code->checked ? X_CST_##n : X_ST_##n; break;
#define LDSX(n, ...) case OP_LD_##n: x.op = code->checked ? X_CLD_##n : X_LD_##n; break;
#include "vm/isa.def"
	}
	switch (isa_op[in->op].shape) {
	case SHAPE_JCC_K: case SHAPE_JCC_X: case SHAPE_JA: case SHAPE_FUSED_JUMP: case SHAPE_LOCAL:
		x.off = distance(i, in->off);
		break;
	}
	return x;
}

/* ---- fused forms ---- */

/* how: length - 2, and the three rel, two bits each. */
struct form { uint16_t op[4]; uint8_t how; };
#define HOW(n, r, q, p) (uint8_t)(((n) - 2) | REL_##r << 2 | REL_##q << 4 | REL_##p << 6)

/* That of X_FUSED, and so on. */
static const struct form forms[] = {
#define FUSE2(a, r, b) { { X_##a, X_##b }, HOW(2, r, N, N) },
#define FUSE3(a, r, b, q, c) { { X_##a, X_##b, X_##c }, HOW(3, r, q, N) },
#define FUSE4(a, r, b, q, c, p, d) { { X_##a, X_##b, X_##c, X_##d }, HOW(4, r, q, p) },
#include "vm/interp/fuse.def"
};
enum { FORMS = sizeof forms / sizeof forms[0] };
_Static_assert((int)FORMS == (int)X_COUNT - (int)X_FUSED, "rows and ops in one order");

static uint32_t form_length(const struct form *f) { return 2u + (f->how & 3); }
static uint8_t form_rel(const struct form *f, uint32_t k) { return f->how >> 2 * k & 3; }	/* k: 1 to 3 */

/* The first row whose first op is `op`, or the end; rows are in the order of ops (a test sees to it). */
static const struct form *first_form(uint16_t op)
{
	uint32_t lo = 0, hi = FORMS;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (forms[mid].op[0] < op)
			lo = mid + 1;
		else
			hi = mid;
	}
	return &forms[lo];
}

/* May `b` take the result of `a` from where the step left it? */
static bool related(uint8_t rel, const struct xinsn *a, const struct xinsn *b, uint8_t shape)
{
	bool reads_src = shape == SHAPE_ALU_X || shape == SHAPE_JCC_X || shape == SHAPE_LOAD ||
			 shape == SHAPE_STORE_X || shape == SHAPE_FUSED || shape == SHAPE_FUSED_LOAD ||
			 shape == SHAPE_FUSED_STORE;

	switch (rel) {
	case REL_D: return b->d == a->d && !(reads_src && b->s == a->d);
	case REL_S: return b->s == a->d;
	default: return true;
	}
}

enum { WINDOW = 5 };	/* i to i + 4 */
struct window { struct xinsn own[WINDOW]; uint32_t cost[WINDOW]; uint8_t shape[WINDOW]; };

static bool form_fits(const struct form *f, const struct window *w)
{
	for (uint32_t k = 1; k < form_length(f); k++)
		if (f->op[k] != w->own[k].op || !related(form_rel(f, k), &w->own[k - 1], &w->own[k], w->shape[k]))
			return false;
	return true;
}

static void choose(struct window *w, struct xinsn *to)
{
	uint32_t best = 1 + w->cost[1];

	to->op = w->own[0].op;
	for (const struct form *f = first_form(w->own[0].op); f < forms + FORMS && f->op[0] == w->own[0].op; f++) {
		uint32_t cost = 1 + w->cost[form_length(f)];

		if (cost >= best + (form_rel(f, 1) != REL_N) || !form_fits(f, w))
			continue;
		best = cost;
		to->op = (uint16_t)(X_FUSED + (f - forms));
	}
	w->cost[0] = best;
}

void interp_form(const struct code *code, struct xinsn *to, bool fuse)
{
	struct window w = { .cost = { 0 } };

	for (uint32_t i = code->n; i-- > 0; ) {
		for (int k = WINDOW - 1; k > 0; k--) {
			w.own[k] = w.own[k - 1];
			w.cost[k] = w.cost[k - 1];
			w.shape[k] = w.shape[k - 1];
		}
		to[i] = w.own[0] = translate(code, i);
		w.shape[0] = isa_op[code->insn[i].op].shape;
		if (fuse)
			choose(&w, &to[i]);
	}
}

int interp_prepare(struct code *code)
{
	if (!code->run)
		code->run = mem_array(code->host, code->n, sizeof *code->run);
	if (!code->run)
		return -ENOMEM;
	interp_form(code, code->run, true);
	return 0;
}
