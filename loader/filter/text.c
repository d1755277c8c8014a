/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text.c - comparisons of texts.  With a constant, for equality or for how it begins, they are
 * written out: word by word where all bytes are known to be there, byte by byte behind a pointer to a
 * NUL-terminated string, whose end only its bytes tell.  The rest is helpers'. */
#include <errno.h>
#include "loader/filter/filter.h"

/* A text while it is compared: bytes at base + off, `max` of them at most, of which `count` (a register,
 * 0: all) are there; it ends at NUL or there. */
struct text {
	const struct uebpf_field *field;	/* in place: accesses are relocated; else NULL */
	uint32_t base, count;
	int32_t off;
	uint32_t max;
	bool cstr;
};

static bool is_cstr(const struct tree *t)
{
	return t->kind == TREE_FIELD && ((const struct uebpf_field *)t->what)->kind == UEBPF_FIELD_CSTR;
}

/* How many bytes of a constant are compared; UINT32_MAX: a pattern that asks for more than how a text begins. */
static uint32_t constant_bytes(const struct tree *t)
{
	uint32_t i = 0, n = 0;

	if (t->kind == TREE_STRING)
		return t->len + 1;
	for (; i < t->len && t->text[i] != '*'; i++, n++)
		i += t->text[i] == '\\' && i + 1 < t->len;
	if (i == t->len)
		return UINT32_MAX;
	while (i < t->len && t->text[i] == '*')
		i++;
	return i == t->len ? n : UINT32_MAX;
}

enum text_way text_way(const struct tree *t)
{
	const struct tree *r = t->right;
	uint32_t n = r->kind == TREE_STRING || r->kind == TREE_GLOB ? constant_bytes(r) : UINT32_MAX;

	if (n == UINT32_MAX || t->kind > TREE_NE || (is_cstr(t->left) && n > HEAD_MAX))
		return TEXT_CALL;
	return is_cstr(t->left) && n >= HEAD_MIN ? TEXT_HEAD : TEXT_WORDS;
}

/* Text that a helper writes, on the stack. */
static void context_text(struct gen *g, const struct tree *t, uint32_t d, struct text *x)
{
	g->stack += (t->len + 7) / 8 * 8;
	*x = (struct text){ .base = FP, .off = -(int32_t)g->stack, .max = t->len };
	gen_stack(g, t, g->stack);
	gen_save(g, d);
	gen_op(g, W_MOV, 1, FP);
	gen_op(g, W_ADDK, 1, x->off);
	gen_op(g, W_MOVK, 2, (int32_t)t->len);
	gen_call(g, t->what, d);
	gen_jump(g, W_JSLT, reg_at(d), 0, &g->reject);
}

/* Registers d and d + 1 hold pointer and count where there are any. */
static void field_text(struct gen *g, const struct uebpf_field *field, uint32_t d, struct text *x)
{
	*x = (struct text){ .base = g->ctx, .max = UINT32_MAX, .cstr = field->kind == UEBPF_FIELD_CSTR };
	if (field->size_field) {
		x->count = reg_at(d + 1);
		gen_count(g, field, x->count);
	}
	if (field->kind == UEBPF_FIELD_BYTES) {
		x->field = field;
		x->max = field->size;
	} else {
		x->base = gen_field(g, field, reg_at(d));
	}
}

static void load_text(struct gen *g, const struct text *x, uint32_t reg, uint32_t at, uint32_t size)
{
	if (x->field)
		gen_load(g, W_LDX | width_bits(size), reg, x->field, at);
	else
		gen(g, W_LDX | width_bits(size), reg, x->base, x->off + (int32_t)at, 0);
}

/* The constant's bytes; jumps to no when one differs. */
static void compare_bytes(struct gen *g, const struct text *x, const char *bytes, uint32_t len, uint32_t d,
			  struct label *no)
{
	uint32_t reg = reg_at(d), tmp = reg_at(d + 1), size;
	uint32_t start = x->field ? x->field->offset : 0;

	for (uint32_t at = 0; at < len; at += size) {
		uint64_t v = 0;

		for (size = x->cstr ? 1 : 8; size > len - at || ((start | at) & (size - 1)); size /= 2)
			;
		load_text(g, x, reg, at, size);
		for (uint32_t i = 0; i < size; i++)
			v |= (uint64_t)(uint8_t)bytes[at + i] << 8 * (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i :
								      size - 1 - i);
		if (size < 8) {		/* 32 bits */
			gen_jump(g, W_JNE ^ W_32, reg, (int32_t)(uint32_t)v, no);
		} else {
			gen_const(g, tmp, (int64_t)v);
			gen_jump(g, W_JNE | W_X, reg, tmp, no);
		}
	}
}

/* The first bytes of a NUL-terminated string at once. */
static void compare_head(struct gen *g, const struct text *x, const char *bytes, uint32_t len, uint32_t d,
			 const struct way *w)
{
	uint64_t word[2] = { 0 };

	for (uint32_t i = 0; i < len; i++)
		word[i >> 3] |= (uint64_t)(uint8_t)bytes[i] << 8 * (i & 7);
	gen_save(g, d);
	if (x->base != 1)
		gen_op(g, W_MOV, 1, x->base);
	gen_const(g, 2, (int64_t)word[0]);
	gen_const(g, 3, (int64_t)word[1]);
	gen_op(g, W_MOVK, 4, (int32_t)len);
	gen_call(g, gen_helper(g, FILTER_HEAD), d);
	gen_branch(g, W_JEQ, reg_at(d), 0, w);
}

/* Equal to a constant, or beginning with it. */
static void equal(struct gen *g, const struct text *x, const char *bytes, uint32_t len, bool prefix, uint32_t d,
		  const struct way *w)
{
	if (len > x->max) {
		gen_goto(g, false, w);
		return;
	}
	if (x->count && len)
		gen_jump(g, W_JLT, x->count, len, w->no);
	if (!prefix && !x->count && len < x->max) {	/* its NUL, too */
		compare_bytes(g, x, bytes, len + 1, d, w->no);
		gen_goto(g, true, w);
		return;
	}
	compare_bytes(g, x, bytes, len, d, w->no);
	if (prefix || len == x->max) {
		gen_goto(g, true, w);
		return;
	}
	gen_jump(g, W_JLE, x->count, len, w->yes);
	load_text(g, x, reg_at(d), len, 1);
	gen_branch(g, W_JEQ, reg_at(d), 0, w);
}

/* ---- through helpers ---- */

/* The constant's bytes on the stack, below what is in use. */
static void constant_text(struct gen *g, const struct tree *t, struct text *x)
{
	uint32_t bytes = (t->len + 7) / 8 * 8;

	*x = (struct text){ .base = FP, .off = -(int32_t)(g->stack + bytes), .max = t->len };
	gen_stack(g, t, g->stack + bytes);
	for (uint32_t at = 0; at < t->len && !g->failed; at += 4) {
		uint32_t v = 0, n = t->len - at < 4 ? t->len - at : 4;

		memcpy(&v, t->text + at, n);
		gen(g, W_ST | W_W, FP, 0, x->off + (int32_t)at, (int32_t)v);
	}
}

static void pass_pointer(struct gen *g, const struct text *x, uint32_t reg)
{
	if (x->field) {
		gen_address(g, reg, x->field);
		return;
	}
	if (x->base != reg)
		gen_op(g, W_MOV, reg, x->base);
	if (x->off)
		gen_op(g, W_ADDK, reg, x->off);
}

static void pass_length(struct gen *g, const struct text *x, uint32_t reg)
{
	if (!x->count) {
		gen_op(g, W_MOVK, reg, (int32_t)x->max);
		return;
	}
	if (x->count != reg)
		gen_op(g, W_MOV, reg, x->count);
	if (x->max != UINT32_MAX) {	/* a count beyond the array means the array */
		gen(g, W_JLE, reg, 0, 1, (int32_t)x->max);
		gen_op(g, W_MOVK, reg, (int32_t)x->max);
	}
}

/* The text of node t, a field or a constant. */
static void text_of(struct gen *g, const struct tree *t, uint32_t d, struct text *x)
{
	if (t->kind == TREE_FIELD)
		field_text(g, t->what, d, x);
	else
		constant_text(g, t, x);
}

static void call_helper(struct gen *g, const struct tree *t, uint32_t d, const struct way *w)
{
	static const uint8_t jumps[] = { W_JEQ, W_JNE, W_JSLT, W_JSGE, W_JSGT, W_JSLE };
	const struct tree *side[2] = { t->left, t->right };
	uint32_t op = t->kind, stack = g->stack;
	struct text x[2] = { { 0 } };
	enum gen_helper which;

	for (int i = 0; i < 2; i++)		/* these call, so they come first */
		if (side[i]->kind == TREE_CONTEXT)
			context_text(g, side[i], d, &x[i]);
	gen_save(g, d);
	if (is_cstr(side[1]) && !is_cstr(side[0])) {	/* the string first */
		struct text y = x[0];

		side[0] = t->right;
		side[1] = t->left;
		x[0] = x[1];
		x[1] = y;
		op = mirrored(op);
	}
	if (side[1]->kind != TREE_CONTEXT)
		text_of(g, side[1], 2, &x[1]);		/* r3, r4 */
	if (side[0]->kind != TREE_CONTEXT)
		text_of(g, side[0], 0, &x[0]);		/* r0, r2 */
	which = !x[0].cstr ? FILTER_MEM : x[1].cstr ? FILTER_STR : FILTER_STR_MEM;
	pass_pointer(g, &x[0], 1);
	if (x[0].cstr && x[1].cstr) {
		pass_pointer(g, &x[1], 2);
	} else if (x[0].cstr) {
		pass_pointer(g, &x[1], 2);
		pass_length(g, &x[1], 3);
		gen_op(g, W_MOVK, 4, side[1]->kind == TREE_GLOB);
	} else {
		pass_length(g, &x[0], 2);
		pass_pointer(g, &x[1], 3);
		pass_length(g, &x[1], 4);
		gen_op(g, W_MOVK, 5, side[1]->kind == TREE_GLOB);
	}
	gen_call(g, gen_helper(g, which), d);
	g->stack = stack;
	gen_branch(g, jumps[op - TREE_EQ], reg_at(d), 0, w);
}

/* The constant as bytes: a prefix pattern without its stars and escapes. */
static const char *plain(struct gen *g, const struct tree *t, uint32_t *len)
{
	char *to = arena_alloc(&g->f->arena, t->len + 1);	/* zeroed: NUL behind it */
	bool glob = t->kind == TREE_GLOB;

	*len = 0;
	for (uint32_t i = 0; to && i < t->len && !(glob && t->text[i] == '*'); i++) {
		i += glob && t->text[i] == '\\' && i + 1 < t->len;
		to[(*len)++] = t->text[i];
	}
	return to;
}

void gen_text(struct gen *g, const struct tree *t, uint32_t d, const struct way *w)
{
	enum text_way way = text_way(t);
	bool prefix = t->right->kind == TREE_GLOB;
	uint32_t len, stack = g->stack;
	const char *bytes;
	struct way turned = gen_turn(w);
	struct text x;

	if (way == TEXT_CALL) {
		call_helper(g, t, d, w);
		return;
	}
	bytes = plain(g, t->right, &len);
	if (!bytes) {
		g->failed = true;
		filter_no_memory(g->f);
		return;
	}
	if (t->left->kind == TREE_CONTEXT)
		context_text(g, t->left, d, &x);
	else
		field_text(g, t->left->what, d, &x);
	if (t->kind == TREE_NE)
		w = &turned;
	if (way == TEXT_HEAD)
		compare_head(g, &x, bytes, len + !prefix, d, w);
	else	/* takes two registers beside the text's pointer and count */
		equal(g, &x, bytes, len, prefix, x.count ? d + 2 : x.base == reg_at(d) ? d + 1 : d, w);
	g->stack = stack;
}
