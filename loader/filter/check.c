/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* check.c - what the names of a filter mean, the type of each node, and what can be computed at
 * once.  Knows event types and helpers, nothing of instructions. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "loader/filter/filter.h"

enum { DEPTH_MAX = 1000, WINDOW = 70, BEFORE = 50 };

int (filter_fail)(struct filter *f, uint32_t column, enum uebpf_code code, const char *text, ...)
{
	char what[300];
	va_list ap;

	va_start(ap, text);
	message_print(what, sizeof(what), text, ap);
	va_end(ap);
	if (f->source) {
		uint32_t from = column > BEFORE ? column - BEFORE : 1;

		error_set(f->err, UEBPF_STAGE_FILTER, code, -EINVAL, UINT32_MAX, "column %u: %s\n  %.*s\n  %*s", column,
			  what, WINDOW, f->source + from - 1, (int)(column - from + 1), "^");
		f->err->column = column;
	} else {
		error_set(f->err, UEBPF_STAGE_FILTER, code, -EINVAL, column ? column - 1 : UINT32_MAX, "offset %u: %s",
			  column ? column - 1 : 0, what);
	}
	return -EINVAL;
}

int filter_no_memory(struct filter *f)
{
	return error_set(f->err, UEBPF_STAGE_FILTER, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "no memory for a filter");
}

/* ---- names ---- */

static bool same(const struct tree *t, const char *name)
{
	return !strncmp(name, t->text, t->len) && !name[t->len];
}

static const struct uebpf_field *find_field(const struct filter *f, const struct tree *t)
{
	for (uint32_t i = 0; i < f->type->nr_fields; i++)
		if (same(t, f->type->event[i].name))
			return &f->type->event[i];
	return NULL;
}

/* How many letters the beginnings and the ends of a name and of what was written have in common. */
static uint32_t alike(const struct tree *t, const char *name)
{
	uint32_t len = (uint32_t)strlen(name), least = len < t->len ? len : t->len, head = 0, tail = 0;

	while (head < least && name[head] == t->text[head])
		head++;
	while (tail < least - head && name[len - 1 - tail] == t->text[t->len - 1 - tail])
		tail++;
	return head + tail;
}

static int unknown_field(struct filter *f, const struct tree *t)
{
	char names[160] = "";
	const char *near = NULL;
	uint32_t best = t->len / 2;
	size_t n = 0;

	for (uint32_t i = 0; i < f->type->nr_fields; i++) {
		const char *name = f->type->event[i].name;

		if (n < sizeof(names) - 4)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", name);
		if (alike(t, name) > best) {
			best = alike(t, name);
			near = name;
		}
	}
	return filter_fail(f, t->column, UEBPF_E_FIELD, "event type %s has no field %.*s%s%s; it has: %s%s", f->type->name,
			   (int)t->len, t->text, near ? ", but " : "", near ? near : "", names, n < sizeof(names) - 4 ? "" : " ...");
}

static int field_type(struct filter *f, struct tree *t)
{
	const struct uebpf_field *field = find_field(f, t);
	uint8_t *uses;

	if (!field)
		return unknown_field(f, t);
	t->what = field;
	t->type = field->value == UEBPF_VALUE_TEXT ? TREE_TEXT : field->kind != UEBPF_FIELD_SCALAR ? TREE_COMPOUND :
		  field->value == UEBPF_VALUE_FLOAT ? TREE_FLOATING : TREE_NUMBER;
	uses = &f->uses[field - f->type->event];
	if ((field->kind == UEBPF_FIELD_SCALAR || field->kind == UEBPF_FIELD_CSTR) && *uses < UINT8_MAX)
		++*uses;
	t->calls = t->type == TREE_FLOATING && field->size == 4;	/* widened by a helper */
	return 0;
}

/* Contexts of the library: what a kernel helper returns, a part of it, or `bytes` of text it writes. */
static const struct { char name[13]; uint8_t id, part, bytes; } contexts[] = {
	{ "ctx.vpid", 14, PART_HIGH, 0 }, { "ctx.vtid", 14, PART_LOW, 0 }, { "ctx.cpu_id", 8, PART_ALL, 0 },
	{ "ctx.procname", 16, PART_ALL, 16 },
};

/* Then t->i is which part of the result counts, t->len how many bytes of text it has. */
static int context_type(struct filter *f, struct tree *t)
{
	const struct helper_table *table = &f->helpers->table;
	const struct helper *h = NULL;
	uint32_t bytes = 0, part = PART_ALL;

	for (uint32_t i = 0; i < table->nr_host && !h; i++)
		if (same(t, table->host[i].name)) {
			const struct host_helper *own = &table->host[i];

			h = &own->row;
			bytes = own->arg[0].kind == ARG_FIXED_OUT ? own->arg[0].size : 0;
			if (own->ret.kind != RET_SCALAR || own->arg[bytes ? 1 : 0].kind != ARG_NONE ||
			    bytes > STACK_MAX / 2)
				return filter_fail(f, t->column, UEBPF_E_HELPER, "helper %s cannot be a context: its "
						   "contract is none of u64 (), double (), long (mem_out:N) with N up "
						   "to %d", own->name, STACK_MAX / 2);
		}
	for (uint32_t i = 0; i < sizeof(contexts) / sizeof(*contexts) && !h; i++)
		if (same(t, contexts[i].name)) {
			h = helper_find(table, contexts[i].id);
			part = contexts[i].part;
			bytes = contexts[i].bytes;
		}
	if (!h)
		return filter_fail(f, t->column, UEBPF_E_FIELD, "this env has no context $%.*s; the host adds one as a "
				   "helper of that name, or it is one of $ctx.vpid, $ctx.vtid, $ctx.cpu_id, $ctx.procname",
				   (int)t->len, t->text);
	t->what = h;
	t->i = part;
	t->len = bytes;
	t->calls = true;
	t->type = bytes ? TREE_TEXT : helper_ret(h).flags & RET_DOUBLE ? TREE_FLOATING : TREE_NUMBER;
	return 0;
}

/* An enumerator, bare or in quotes, beside a field with labels becomes its number. */
static void take_label(struct filter *f, const struct tree *with, struct tree *t)
{
	const struct uebpf_field *field = with->kind == TREE_FIELD ? find_field(f, with) : NULL;

	if (!field || (t->kind != TREE_STRING && (t->kind != TREE_FIELD || find_field(f, t))))
		return;
	for (uint32_t i = 0; i < field->nr_labels; i++)
		if (same(t, field->labels[i].name)) {
			t->kind = TREE_INT;
			t->i = field->labels[i].value;
			return;
		}
}

static int index_type(struct filter *f, struct tree *t)
{
	const struct uebpf_field *field = t->left->kind == TREE_FIELD ? t->left->what : NULL;

	if (!field || (field->kind != UEBPF_FIELD_BYTES && field->kind != UEBPF_FIELD_MEM))
		return filter_fail(f, t->column, UEBPF_E_SYNTAX, "only an array or sequence field can be indexed");
	if (t->i < 0 || t->i > UINT16_MAX / field->elem)
		return filter_fail(f, t->column, UEBPF_E_LIMIT, "index out of range");
	if (field->kind == UEBPF_FIELD_BYTES && ((uint64_t)t->i + 1) * field->elem > field->size)
		return filter_fail(f, t->column, UEBPF_E_FIELD, "%s has %u elements", field->name,
				   field->size / field->elem);
	t->what = field;
	t->type = field->value == UEBPF_VALUE_FLOAT ? TREE_FLOATING : TREE_NUMBER;
	t->calls = t->type == TREE_FLOATING && field->elem == 4;
	return 0;
}

/* ---- folding ---- */

static void become_int(struct tree *t, int64_t v)
{
	t->kind = TREE_INT;
	t->i = v;
	t->left = t->right = NULL;
}

static bool fold(struct tree *t)
{
	int64_t a = t->left->i, b = t->right ? t->right->i : 0;

	if (t->left->kind == TREE_DOUBLE && t->kind == TREE_MINUS) {
		t->kind = TREE_DOUBLE;
		t->d = -t->left->d;
		t->left = NULL;
		return true;
	}
	if (t->left->kind == TREE_INT && t->kind == (t->left->i ? TREE_OR : TREE_AND)) {
		become_int(t, t->kind == TREE_OR);	/* the right side is never asked */
		return true;
	}
	if (t->left->kind != TREE_INT || (t->right && t->right->kind != TREE_INT))
		return false;
	switch (t->kind) {
	case TREE_PLUS: case TREE_TO_INT: break;
	case TREE_MINUS: a = (int64_t)(0 - (uint64_t)a); break;
	case TREE_BIT_NOT: a = ~a; break;
	case TREE_NOT: a = !a; break;
	case TREE_EQ: a = a == b; break;
	case TREE_NE: a = a != b; break;
	case TREE_LT: a = a < b; break;
	case TREE_GE: a = a >= b; break;
	case TREE_GT: a = a > b; break;
	case TREE_LE: a = a <= b; break;
	case TREE_BIT_AND: a &= b; break;
	case TREE_BIT_OR: a |= b; break;
	case TREE_BIT_XOR: a ^= b; break;
	case TREE_LSHIFT: case TREE_RSHIFT:
		if (b < 0 || b > 63)
			return false;	/* rejects at run time */
		a = (int64_t)(t->kind == TREE_LSHIFT ? (uint64_t)a << b : (uint64_t)a >> b);
		break;
	case TREE_AND: a = a ? b : 0; break;
	case TREE_OR: a = a ? 1 : b; break;
	default: return false;
	}
	become_int(t, a);
	return true;
}

/* ---- nodes with operands ---- */

static const char type_names[][11] = { "an integer", "a double", "a string", "a pattern", "an array" };

static bool is_text(const struct tree *t) { return t->type == TREE_TEXT || t->type == TREE_PATTERN; }
static bool is_number(const struct tree *t) { return t->type == TREE_NUMBER || t->type == TREE_FLOATING; }
static bool is_literal(const struct tree *t) { return t->kind == TREE_STRING || t->kind == TREE_GLOB; }

static int bad_operand(struct filter *f, const struct tree *t, const struct tree *operand)
{
	return filter_fail(f, operand->column, UEBPF_E_SYNTAX, "%s cannot be an operand here%s", type_names[operand->type],
			   operand->type == TREE_COMPOUND ? "; index it, or declare it text" :
			   operand->type == TREE_PATTERN ? "; patterns go with == and !=" :
			   is_comparison(t->kind) && (is_text(t->left) || is_text(t->right)) ?
			   ": strings compare with strings" : "");
}

/* Constants to the right. */
static void order(struct tree *t)
{
	struct tree *left = t->left;

	if ((left->kind == TREE_INT || left->kind == TREE_DOUBLE || is_literal(left)) && t->right->kind > TREE_GLOB) {
		t->left = t->right;
		t->right = left;
		if (is_comparison(t->kind))
			t->kind = (uint8_t)mirrored(t->kind);
	}
}

/* 'c' beside a number is one: a signed char, as in C. */
static void take_character(struct tree *t, const struct tree *with)
{
	if (t->what == t && is_literal(t) && is_number(with)) {
		become_int(t, ((uint8_t)t->text[0] ^ 0x80) - 0x80);
		t->type = TREE_NUMBER;
	}
}

static int comparison_type(struct filter *f, struct tree *t)
{
	struct tree *l = t->left, *r = t->right;

	take_character(l, r);
	take_character(r, l);
	t->type = TREE_NUMBER;
	if (is_text(l) || is_text(r)) {
		if (!is_text(l) || !is_text(r))
			return bad_operand(f, t, is_text(l) ? r : l);
		if ((l->type == TREE_PATTERN || r->type == TREE_PATTERN) && t->kind > TREE_NE)
			return bad_operand(f, t, l->type == TREE_PATTERN ? l : r);
		if (is_literal(l) && is_literal(r))
			return filter_fail(f, t->column, UEBPF_E_SYNTAX, "two constant strings are compared");
		order(t);
		t->calls = text_way(t) != TEXT_WORDS;
		t->regs = 4;	/* pointer, count, bytes and a constant */
		return 0;
	}
	if (!is_number(l) || !is_number(r))
		return bad_operand(f, t, is_number(l) ? r : l);
	order(t);
	for (int i = 0; i < 2 && (l->type == TREE_FLOATING || r->type == TREE_FLOATING); i++) {
		struct tree *side = i ? t->right : t->left;

		if (side->kind == TREE_INT) {
			side->kind = TREE_DOUBLE;
			side->type = TREE_FLOATING;
			side->d = (double)side->i;
		}
		t->calls |= side->type == TREE_NUMBER;	/* converted by a helper */
	}
	return 0;
}

static int operator_type(struct filter *f, struct tree *t)
{
	struct tree *l = t->left, *r = t->right;
	bool bits = t->kind == TREE_BIT_NOT || (t->kind >= TREE_BIT_AND && t->kind <= TREE_RSHIFT);

	if (r) {
		take_character(l, r);
		take_character(r, l);
	}
	if (!is_number(l) || (r && !is_number(r)))
		return bad_operand(f, t, is_number(l) ? r : l);
	if (bits && (l->type != TREE_NUMBER || (r && r->type != TREE_NUMBER)))
		return bad_operand(f, t, l->type == TREE_NUMBER ? r : l);
	t->type = t->kind == TREE_TO_DOUBLE ? TREE_FLOATING :
		  t->kind == TREE_PLUS || t->kind == TREE_MINUS ? l->type : TREE_NUMBER;
	if (t->kind == TREE_TO_DOUBLE || t->kind == TREE_TO_INT)
		t->calls = l->type != t->type;
	if (r && t->kind >= TREE_BIT_AND && t->kind <= TREE_BIT_XOR)
		order(t);
	if (r && t->kind >= TREE_AND)		/* their value, where it is asked for */
		t->calls = l->type == TREE_FLOATING || r->type == TREE_FLOATING;
	return 0;
}

/* Registers that evaluation takes (Sethi and Ullman); a comparison of doubles goes from left to right and
 * takes one more, other things that are done to a double another one. */
static void count_regs(struct tree *t)
{
	uint32_t l = t->left ? t->left->regs : 0, r = t->right ? t->right->regs : 0, n = l > r ? l : r;
	bool floating = (t->left && t->left->type == TREE_FLOATING) || (t->right && t->right->type == TREE_FLOATING);

	if (is_comparison(t->kind) && floating)
		n = l > r + 1 ? l : r + 1 > 3 ? r + 1 : 3;
	else if (t->right && t->kind != TREE_AND && t->kind != TREE_OR)
		n += l == r;
	else if (floating)
		n = n > 2 ? n : 2;
	n = n < 1 ? 1 : n < SPILLS ? n : SPILLS;	/* beyond: by way of the stack */
	t->regs = (uint8_t)(n > t->regs ? n : t->regs);
}

static int leaf_type(struct filter *f, struct tree *t)
{
	static const uint8_t type[] = { [TREE_INT] = TREE_NUMBER, [TREE_REJECT] = TREE_NUMBER, [TREE_DOUBLE] = TREE_FLOATING,
					[TREE_STRING] = TREE_TEXT, [TREE_GLOB] = TREE_PATTERN };

	if (t->kind == TREE_FIELD)
		return field_type(f, t);
	if (t->kind == TREE_CONTEXT)
		return context_type(f, t);
	t->type = type[t->kind];
	return 0;
}

static int check(struct filter *f, struct tree *t, unsigned depth)
{
	struct tree *l = t->left, *r = t->right;
	int rc;

	if (depth > DEPTH_MAX)
		return filter_fail(f, t->column, UEBPF_E_LIMIT, "nested too deep");
	if (!l) {
		rc = leaf_type(f, t);
	} else {
		if (r && is_comparison(t->kind)) {
			take_label(f, l, r);
			take_label(f, r, l);
		}
		rc = check(f, l, depth + 1);
		rc = rc || !r ? rc : check(f, r, depth + 1);
		rc = rc ? rc : t->kind == TREE_INDEX ? index_type(f, t) :
		     r && is_comparison(t->kind) ? comparison_type(f, t) : operator_type(f, t);
		if (rc)
			return rc;
		t->calls |= l->calls || (r && r->calls);
		if (t->kind != TREE_INDEX && fold(t))
			t->type = t->kind == TREE_INT ? TREE_NUMBER : TREE_FLOATING;
	}
	if (!rc)
		count_regs(t);
	return rc;
}

int filter_check(struct filter *f, struct tree *root)
{
	int rc;

	f->uses = arena_array(&f->arena, f->type->nr_fields, 1);
	if (!f->uses)
		return filter_no_memory(f);
	rc = check(f, root, 0);
	if (!rc && root->type != TREE_NUMBER)
		rc = filter_fail(f, root->column, UEBPF_E_SYNTAX, "the filter is %s; compare it with something",
				 type_names[root->type]);
	f->calls = root->calls;
	return rc;
}
