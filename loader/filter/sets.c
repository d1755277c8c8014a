/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sets.c - chains of && and ||: what they ask of one integer field, time and again, becomes one
 * question.  `a != 3 && a != 7 && a <= 9 && a <= 20 ...` is an interval without some values (and || is && of the opposites,
 * upside down).  Of many values, a word with a bit for each (its last six bits say which) tells most others apart at once.
 *
 * Only neighbours in a chain that cannot reject an event change places, so that nothing else shows. */
#include <stdlib.h>
#include "loader/filter/filter.h"

enum { ONE_BY_ONE = 3, HASHED = 16 };	/* values that are compared one by one; that share a word */
enum { WINDOW = 500 };			/* leaves of a chain that are looked at together */

struct set {
	uint32_t reg, tmp;		/* the field's number; tmp and the one behind it are free, if `hash` */
	bool hash;
	int64_t least, most;		/* that the field's type can hold */
	int64_t low, high;
	int32_t *no;			/* in between, ascending */
	uint32_t n;
};

/* A comparison of an integer field with a constant whose neighbours fit an instruction, too. */
static const struct uebpf_field *simple(const struct tree *t)
{
	return is_comparison(t->kind) && t->left->kind == TREE_FIELD && t->left->type == TREE_NUMBER &&
	       t->right->kind == TREE_INT && t->right->i > INT32_MIN && t->right->i < INT32_MAX ? t->left->what : NULL;
}

static void narrow(struct set *s, uint32_t kind, int64_t v)
{
	int64_t low = kind == TREE_EQ || kind == TREE_GE ? v : kind == TREE_GT ? v + 1 : s->low;
	int64_t high = kind == TREE_EQ || kind == TREE_LE ? v : kind == TREE_LT ? v - 1 : s->high;

	s->low = low > s->low ? low : s->low;
	s->high = high < s->high ? high : s->high;
	if (kind == TREE_NE)
		s->no[s->n++] = (int32_t)v;
}

static int ascending(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* Values that are not needed go; false: nothing to ask is left, or nothing can hold. */
static bool tidy(struct set *s)
{
	uint32_t n = 0;

	qsort(s->no, s->n, sizeof(*s->no), ascending);
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->no[i] == s->low && s->low < INT32_MAX)
			s->low++;
		else if (s->no[i] > s->low && s->no[i] <= s->high && (!n || s->no[n - 1] != s->no[i]))
			s->no[n++] = s->no[i];
	}
	while (n && s->no[n - 1] == s->high) {
		s->high--;
		n--;
	}
	s->n = n;
	return s->low <= s->high && (n || s->low > s->least || s->high < s->most);
}

/* Goes to `no` when the field has one of n values, else on or to `yes`. */
static void values(struct gen *g, const struct set *s, const int32_t *no, uint32_t n, const struct way *w)
{
	struct label right = { 0 };
	uint32_t same = 0, by;
	uint64_t word = 0;

	if (n > HASHED) {
		gen_jump(g, W_JSGT, s->reg, no[n / 2 - 1], &right);
		values(g, s, no, n / 2, w);
		gen_jump(g, W_JA, 0, 0, w->yes);
		gen_bind(g, &right);
		values(g, s, no + n / 2, n - n / 2, w);
		return;
	}
	if (n > ONE_BY_ONE && s->hash) {
		for (uint32_t i = 1; i < n; i++)	/* bits in which all are alike say nothing */
			same |= (uint32_t)no[i] ^ (uint32_t)no[0];
		by = (uint32_t)__builtin_ctz(same);
		for (uint32_t i = 0; i < n; i++)
			word |= UINT64_C(1) << ((uint32_t)no[i] >> by & 63);
		gen_const(g, s->tmp, (int64_t)word);
		if (by) {
			gen_op(g, W_MOV, s->tmp + 1, s->reg);
			gen_op(g, W_RSHK, s->tmp + 1, (int32_t)by);
		}
		gen_op(g, W_RSH, s->tmp, by ? s->tmp + 1 : s->reg);
		gen(g, W_JSET, s->tmp, 0, 1, 1);
		gen_jump(g, W_JA, 0, 0, w->yes);
	}
	for (uint32_t i = 0; i < n; i++)
		gen_jump(g, W_JEQ, s->reg, (uint32_t)no[i], w->no);
}

static void ask(struct gen *g, const struct set *s, const struct way *w)
{
	if (s->low == s->high) {
		gen_branch(g, W_JEQ, s->reg, (int32_t)s->low, w);
		return;
	}
	if (s->low > s->least && (s->n || s->high < s->most))
		gen_jump(g, W_JSLT, s->reg, (uint32_t)s->low, w->no);
	else if (s->low > s->least)
		gen_branch(g, W_JSGE, s->reg, (int32_t)s->low, w);
	if (s->n && s->high < s->most)
		gen_jump(g, W_JSGT, s->reg, (uint32_t)s->high, w->no);
	else if (s->high < s->most)
		gen_branch(g, W_JSLE, s->reg, (int32_t)s->high, w);
	if (s->n > ONE_BY_ONE) {
		values(g, s, s->no, s->n, w);
		gen_goto(g, true, w);
	} else if (s->n) {
		values(g, s, s->no, s->n - 1, w);
		gen_branch(g, W_JNE, s->reg, s->no[s->n - 1], w);
	}
}

struct chain { const struct tree **leaf; uint32_t n; };

static void flatten(struct gen *g, const struct tree *t, uint32_t kind, struct chain *c)
{
	const struct tree **leaf;

	if (t->kind == kind) {
		flatten(g, t->left, kind, c);
		flatten(g, t->right, kind, c);
		return;
	}
	leaf = arena_grow(&g->f->arena, c->leaf, c->n, sizeof(*leaf));
	if (!leaf) {
		gen_no_memory(g);
		return;
	}
	c->leaf = leaf;
	leaf[c->n++] = t;
}

/* What leaves [i, end) ask of leaf i's field, which then are done (NULL): true. */
static bool collect(const struct chain *c, uint32_t i, uint32_t end, uint32_t turned, struct set *s)
{
	const struct uebpf_field *field = simple(c->leaf[i]);
	uint32_t width = field->bits ? field->bits : field->size * 8u, n = 0;
	bool sign = field->value == UEBPF_VALUE_SIGNED || width == 64;
	uint32_t bits = width - sign;

	s->most = bits ? (int64_t)(UINT64_MAX >> (64 - bits)) : 0;
	s->least = sign ? -s->most - 1 : 0;
	s->low = s->least;
	s->high = s->most;
	s->n = 0;
	for (uint32_t k = i; k < end; k++)
		if (c->leaf[k] && simple(c->leaf[k]) == field) {
			narrow(s, c->leaf[k]->kind ^ turned, c->leaf[k]->right->i);
			n++;
		}
	if (n < 2 || !tidy(s))
		return false;
	for (uint32_t k = end; k-- > i + 1;)
		if (c->leaf[k] && simple(c->leaf[k]) == field)
			c->leaf[k] = NULL;
	return true;
}

void gen_chain(struct gen *g, const struct tree *t, uint32_t d, const struct way *w)
{
	uint32_t turned = t->kind == TREE_OR, have = g->have, run = 0, left, end;
	struct chain c = { 0 };
	struct set s;

	flatten(g, t, t->kind, &c);
	s.no = arena_array(&g->f->arena, c.n < WINDOW ? c.n : WINDOW, sizeof(*s.no));
	if (!s.no) {
		gen_no_memory(g);
		return;
	}
	for (uint32_t i = 0; i < c.n && !g->failed; i++) {
		struct label next = { 0 };
		struct way way;
		const struct tree *leaf = c.leaf[i];
		bool one, last;

		if (!leaf)
			continue;
		for (run = run > i ? run : i; run < c.n && (!c.leaf[run] || simple(c.leaf[run])); run++)
			;
		end = run - i < WINDOW ? run : i + WINDOW;
		one = run <= i + 1 || !collect(&c, i, end, turned, &s);
		for (left = i + 1; left < c.n && !c.leaf[left]; left++)
			;
		last = left == c.n;
		/* Where the chain goes on is `yes` of &&, `no` of ||. */
		way = last ? *w : turned ? (struct way){ w->yes, &next, false } : (struct way){ &next, w->no, true };
		if (one) {
			gen_cond(g, leaf, d, &way);
		} else {
			s.reg = gen_field(g, leaf->left->what, reg_at(d));
			s.tmp = reg_at(d + 1);
			s.hash = d + 2 < g->room;
			way = turned ? gen_turn(&way) : way;
			ask(g, &s, &way);
		}
		gen_bind(g, &next);
		if (!i)
			have = g->have;
	}
	g->have = have;
}
