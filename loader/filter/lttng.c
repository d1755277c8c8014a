/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lttng.c - LTTng's filter bytecode, read back into the tree that it was made of: its stack machine runs
 * on trees instead of values.  AND and OR leave their left side waiting where they skip to; when the
 * reader gets there, what lies on the stack is the right side.  Knows the wire format (lttng_ops.def)
 * and the tree; types are checked and code is made by the generator (tree.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "loader/filter/tree.h"
#include "vm/message.h"

enum lt_shape {
	REFUSED, RETURN, NOP,
	BINARY, UNARY, LOGICAL,		/* argument: kind of the node */
	FIELD_REF, CONTEXT_REF,		/* operand: 2 bytes; the name is in the relocation table */
	STRING, GLOB,			/* operand: bytes up to NUL */
	S64, DOUBLE,			/* operand: 8 bytes */
	ROOT,				/* argument: what the next symbol is a name in */
	SYMBOL,				/* operand: 2 bytes, offset of the name in the relocation table */
	INDEX16, INDEX64, LOAD_FIELD
};
enum { TREE_ROOT_PAYLOAD, TREE_ROOT_CTX, TREE_ROOT_APP, TREE_0 = 0 };

static const struct row { uint8_t shape, arg; } ops[] = {
#define OP(number, name, shape, arg, doc) [number] = { shape, TREE_##arg },
#include "loader/filter/lttng_ops.def"
#undef OP
};
static const uint8_t operand[] = { [LOGICAL] = 2, [FIELD_REF] = 2, [CONTEXT_REF] = 2, [S64] = 8, [DOUBLE] = 8,
				   [SYMBOL] = 2, [INDEX16] = 2, [INDEX64] = 8, [LOAD_FIELD] = 0 };

/* Header of struct lttng_ust_abi_filter_bytecode (lttng/ust-abi.h): u32 length of what follows, u32 offset
 * of the relocation table in it, u64 sequence number, 32 bytes of padding. */
enum { HEADER = 48, MAX_LEN = 65536, STACK = 10, WAITING = 64 };

/* An entry of the stack: a value, or a place in the event that is not loaded yet. */
struct item { struct tree *tree; bool place, root; };
struct waiting { struct tree *node; uint32_t target, depth; };

struct reader {
	struct uebpf_error *err;
	struct arena arena;
	const uint8_t *data;
	uint32_t reloc, len;		/* code: [0, reloc), relocation table: [reloc, len) */
	uint32_t pc;
	struct item stack[STACK];
	uint32_t depth;
	struct waiting waiting[WAITING];
	uint32_t nr_waiting;
	bool failed;
};

static bool refuse(struct reader *r, const char *why)
{
	if (!r->failed)
		error_set(r->err, UEBPF_STAGE_FILTER, UEBPF_E_INSN, -EINVAL, r->pc,
			  "LTTng bytecode, offset %u (opcode %u): %s", r->pc, r->pc < r->len ? r->data[r->pc] : 0,
			  message_text(why));
	r->failed = true;
	return false;
}
#define refuse(r, literal) refuse(r, MESSAGE_TEXT(literal))

static void *memory(struct reader *r, void *p)
{
	if (!p && !r->failed) {
		error_set(r->err, UEBPF_STAGE_FILTER, UEBPF_E_MEMORY, -ENOMEM, r->pc, "no memory for a filter");
		r->failed = true;
	}
	return p;
}

static struct tree *node(struct reader *r, uint32_t kind, struct tree *left, struct tree *right)
{
	return memory(r, tree_node(&r->arena, (enum tree_kind)kind, r->pc + 1, left, right));
}

static char *bytes(struct reader *r, uint32_t n)
{
	return memory(r, arena_alloc(&r->arena, n));
}

static bool push(struct reader *r, struct tree *tree)
{
	if (!tree)
		return false;
	if (r->depth == STACK)
		return refuse(r, "more than 10 values on the stack");
	r->stack[r->depth++] = (struct item){ tree, false, false };
	return true;
}

/* NULL: nothing is there. */
static struct item *top_of(struct reader *r)
{
	return r->depth ? &r->stack[r->depth - 1] : NULL;
}

static struct item *pop(struct reader *r)
{
	struct item *top = top_of(r);

	if (!top)
		return refuse(r, "nothing on the stack"), NULL;
	if (top->place)
		return refuse(r, "a field that was not loaded is no value"), NULL;
	r->depth--;
	return top;
}

/* ---- names ---- */

/* The NUL-terminated bytes at `at` of [.., end), or NULL. */
static const char *text_at(const struct reader *r, uint32_t at, uint32_t end, uint32_t *len)
{
	const char *text = (const char *)r->data + at;

	if (at >= end || !memchr(text, 0, end - at))
		return NULL;
	*len = (uint32_t)strlen(text);
	return text;
}

/* Relocation table: u16 offset of the instruction, its name with NUL, and so on. */
static const char *relocation(struct reader *r, uint32_t *len)
{
	uint32_t at = r->reloc;

	while (r->len - at > 2) {
		uint32_t where = (uint32_t)(r->data[at] | r->data[at + 1] << 8);
		const char *name = text_at(r, at + 2, r->len, len);

		if (!name)
			break;
		if (where == r->pc)
			return name;
		at += 2 + *len + 1;
	}
	return NULL;
}

/* A leaf that names a field, or a context ("ctx.NAME", "app.PROVIDER:TYPE"). */
static struct tree *named(struct reader *r, uint32_t kind, const char *prefix, const char *name, uint32_t len)
{
	struct tree *t = node(r, kind, NULL, NULL);
	uint32_t n = (uint32_t)strlen(prefix);
	char *text = bytes(r, n + len + 1);

	if (!t || !text)
		return NULL;
	snprintf(text, n + len + 1, "%s%.*s", prefix, (int)len, name);
	t->text = text;
	t->len = n + len;
	return t;
}

static bool reference(struct reader *r, bool field)
{
	uint32_t len = 0;
	const char *name = relocation(r, &len);

	if (!name)
		return refuse(r, "no entry of the relocation table names its field");
	if (field)
		return push(r, named(r, TREE_FIELD, "", name, len));
	if (strncmp(name, "$ctx.", 5) && strncmp(name, "$app.", 5))
		return refuse(r, "a context that is neither $ctx. nor $app.");
	return push(r, named(r, TREE_CONTEXT, "", name + 1, len - 1));
}

static bool symbol(struct reader *r, uint32_t where)
{
	static const char prefix[][5] = { "", "ctx.", "app." };
	struct item *top = top_of(r);
	uint32_t len = 0;
	const char *name = text_at(r, r->reloc + where, r->len, &len);
	struct tree *t;

	if (!name)
		return refuse(r, "a symbol outside of the relocation table");
	if (!top || !top->place)
		return refuse(r, "a symbol of nothing");
	if (top->root) {
		uint32_t root = top->tree->len;

		t = named(r, root ? TREE_CONTEXT : TREE_FIELD, prefix[root], name, len);
	} else if (top->tree->kind == TREE_FIELD) {	/* member of an inner struct */
		char *whole = bytes(r, top->tree->len + len + 2);

		if (!whole)
			return false;
		memcpy(whole, top->tree->text, top->tree->len);
		whole[top->tree->len] = '.';
		memcpy(whole + top->tree->len + 1, name, len);
		t = named(r, TREE_FIELD, "", whole, (uint32_t)strlen(whole));
	} else {
		return refuse(r, "a member of what is no struct");
	}
	top->tree = t;
	top->root = false;
	return t != NULL;
}

static bool indexed(struct reader *r, uint64_t index)
{
	struct item *top = top_of(r);

	if (!top || !top->place || top->root)
		return refuse(r, "an index into nothing");
	if (index > INT64_MAX)
		return refuse(r, "an index without end");
	top->tree = node(r, TREE_INDEX, top->tree, NULL);
	if (top->tree)
		top->tree->i = (int64_t)index;
	return top->tree != NULL;
}

/* ---- literals ---- */

/* A plain string: '*' ends it and matches the rest, '\' stands before '*' and itself. */
static struct tree *plain(struct reader *r, const char *text, uint32_t len)
{
	char *out = bytes(r, len + 1);
	struct tree *t = node(r, TREE_STRING, NULL, NULL);
	uint32_t i, n = 0;

	if (!t || !out)
		return NULL;
	t->text = out;
	for (i = 0; i < len; i++) {
		if (text[i] == '*') {
			t->kind = TREE_GLOB;
			t->text = text;
			t->len = i + 1;
			return t;
		}
		if (text[i] == '\\' && text[++i] != '\\' && text[i] != '*')
			return refuse(r, "an escape other than \\\\ and \\* in a string"), NULL;
		out[n++] = text[i];
	}
	t->len = n;
	return t;
}

static struct tree *pattern(struct reader *r, const char *text, uint32_t len)
{
	struct tree *t = node(r, TREE_GLOB, NULL, NULL);

	if (t) {
		t->text = text;
		t->len = len;
	}
	return t;
}

static bool literal(struct reader *r, bool glob, uint32_t *size)
{
	uint32_t len = 0;
	const char *text = text_at(r, r->pc + 1, r->reloc, &len);

	if (!text)
		return refuse(r, "a string without an end");
	*size = len + 1;
	return push(r, glob ? pattern(r, text, len) : plain(r, text, len));
}

/* ---- operators ---- */

/* "<", ">" and kin with a plain string that ends in '*' compare with what stands before the star, and
 * call equal what begins so: s < "ab*" is s < "ab" && s != "ab*". */
static struct tree *ordered(struct reader *r, uint32_t kind, struct tree *left, struct tree *right)
{
	struct tree *glob = left->kind == TREE_GLOB ? left : right, *head, *other = glob == left ? right : left, *same, *t;
	bool equal_too = kind == TREE_GE || kind == TREE_LE;
	char *copy = bytes(r, glob->len + 1);

	if (!memchr(glob->text, '*', glob->len) || glob->text[glob->len - 1] != '*')
		goto no_order;
	if (!copy)
		return NULL;
	memcpy(copy, glob->text, glob->len - 1);
	head = plain(r, copy, glob->len - 1);
	same = node(r, other->kind, NULL, NULL);		/* `other` again, for its second use */
	if (!head || !same)
		return NULL;
	if (head->kind != TREE_STRING || other->left || other->right)
		goto no_order;
	*same = *other;
	if (equal_too)
		kind = kind == TREE_GE ? TREE_GT : TREE_LT;
	t = node(r, kind, left == glob ? head : left, left == glob ? right : head);
	same = node(r, equal_too ? TREE_EQ : TREE_NE, same, glob);
	return t && same ? node(r, equal_too ? TREE_OR : TREE_AND, t, same) : NULL;

no_order:
	return refuse(r, "a pattern is equal or not, never less or greater"), NULL;
}

/* Two literals: lttng lets a user compare them. */
static bool both_literal(const struct tree *a, const struct tree *b)
{
	return (a->kind == TREE_STRING || a->kind == TREE_GLOB) && (b->kind == TREE_STRING || b->kind == TREE_GLOB);
}

static struct tree *constant(struct reader *r, uint32_t kind, const struct tree *a, const struct tree *b)
{
	uint32_t a_len = a->len - (a->kind == TREE_GLOB), b_len = b->len - (b->kind == TREE_GLOB);
	uint32_t n = a_len < b_len ? a_len : b_len, i = 0;
	struct tree *t = node(r, TREE_INT, NULL, NULL);
	int sign;

	while (i < n && a->text[i] == b->text[i])
		i++;
	if ((i == a_len && a->kind == TREE_GLOB) || (i == b_len && b->kind == TREE_GLOB))
		sign = 0;
	else if (i < n)
		sign = (int8_t)a->text[i] < (int8_t)b->text[i] ? -1 : 1;
	else
		sign = a_len < b_len ? -1 : a_len > b_len;
	if (t)
		t->i = kind == TREE_EQ ? !sign : kind == TREE_NE ? sign != 0 : kind == TREE_LT ? sign < 0 :
		       kind == TREE_GT ? sign > 0 : kind == TREE_LE ? sign <= 0 : sign >= 0;
	return t;
}

static bool binary(struct reader *r, uint32_t kind)
{
	struct item *right = pop(r), *left = right ? pop(r) : NULL;
	struct tree *a, *b, *t;

	if (!left)
		return false;
	a = left->tree;
	b = right->tree;
	if (kind <= TREE_LE && both_literal(a, b))
		t = constant(r, kind, a, b);
	else if (kind >= TREE_LT && kind <= TREE_LE && (a->kind == TREE_GLOB || b->kind == TREE_GLOB))
		t = ordered(r, kind, a, b);
	else
		t = node(r, kind, a, b);
	return push(r, t);
}

static bool unary(struct reader *r, uint32_t kind)
{
	struct item *of = pop(r);

	return of && push(r, node(r, kind, of->tree, NULL));
}

static bool logical(struct reader *r, uint32_t kind, uint32_t target)
{
	struct item *left = pop(r);
	struct waiting *w = &r->waiting[r->nr_waiting];

	if (!left)
		return false;
	if (target <= r->pc || target >= r->reloc)
		return refuse(r, "a skip that does not go forward to an instruction");
	if (r->nr_waiting && target > w[-1].target)
		return refuse(r, "skips that cross");
	if (r->nr_waiting == WAITING)
		return refuse(r, "nested too deeply");
	*w = (struct waiting){ node(r, kind, left->tree, NULL), target, r->depth };
	r->nr_waiting++;
	return w->node != NULL;
}

/* Skips that lead here: what is on the stack is their right side. */
static bool meet(struct reader *r)
{
	while (r->nr_waiting && r->waiting[r->nr_waiting - 1].target <= r->pc) {
		struct waiting *w = &r->waiting[--r->nr_waiting];
		struct item *right;

		if (w->target < r->pc)
			return refuse(r, "a skip into the middle of an instruction");
		if (r->depth != w->depth + 1)
			return refuse(r, "paths that meet with different stacks");
		right = pop(r);
		if (!right)
			return false;
		w->node->right = right->tree;
		if (!push(r, w->node))
			return false;
	}
	return true;
}

/* ---- instructions ---- */

static bool one(struct reader *r, uint32_t shape, uint32_t arg, uint32_t bytes)
{
	struct tree *t;
	uint64_t v = 0;

	memcpy(&v, r->data + r->pc + 1, bytes);		/* the wire is the traced machine's: little-endian here */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = bytes ? v >> (64 - 8 * bytes) : 0;
#endif
	switch ((enum lt_shape)shape) {
	case BINARY:
		return binary(r, arg);
	case UNARY:
		return unary(r, arg);
	case LOGICAL:
		return logical(r, arg, (uint32_t)v);
	case FIELD_REF:
	case CONTEXT_REF:
		return reference(r, shape == FIELD_REF);
	case S64:
	case DOUBLE:
		t = node(r, shape == S64 ? TREE_INT : TREE_DOUBLE, NULL, NULL);
		if (t)
			memcpy(&t->i, &v, 8);
		return push(r, t);
	case ROOT:
		t = node(r, TREE_FIELD, NULL, NULL);
		if (!push(r, t))
			return false;
		t->len = arg;
		r->stack[r->depth - 1].place = r->stack[r->depth - 1].root = true;
		return true;
	case SYMBOL:
		return symbol(r, (uint32_t)v);
	case INDEX16:
	case INDEX64:
		return indexed(r, v);
	case LOAD_FIELD:
		if (!r->depth || !r->stack[r->depth - 1].place || r->stack[r->depth - 1].root)
			return refuse(r, "loads nothing");
		r->stack[r->depth - 1].place = false;
		return true;
	case NOP:
		return r->depth ? true : refuse(r, "nothing on the stack");
	default:
		return refuse(r, "LTTng takes no such instruction from outside");
	}
}

static struct tree *read_code(struct reader *r)
{
	for (r->pc = 0; r->pc < r->reloc;) {
		uint32_t op = r->data[r->pc], bytes;
		struct row row = op < sizeof(ops) / sizeof(*ops) ? ops[op] : (struct row){ REFUSED, 0 };
		uint32_t shape = row.shape;

		if (!meet(r))
			return NULL;
		if (shape == RETURN) {
			if (r->depth == 1 && r->stack[0].place)
				return refuse(r, "capture bytecode: it returns a field to record, it decides nothing"), NULL;
			if (r->depth != 1 || r->nr_waiting)
				return refuse(r, "a return with a value to return and nothing else"), NULL;
			return r->stack[0].tree;
		}
		bytes = shape < sizeof(operand) ? operand[shape] : 0;
		if (shape == STRING || shape == GLOB) {
			if (!literal(r, shape == GLOB, &bytes))
				return NULL;
		} else if (r->reloc - r->pc < 1 + bytes) {
			return refuse(r, "the operand is cut off"), NULL;
		} else if (!one(r, shape, row.arg, bytes)) {
			return NULL;
		}
		r->pc += 1 + bytes;
	}
	return refuse(r, "the end is no return"), NULL;
}

static uint32_t u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return v;
}

struct uebpf_object *uebpf_object_open_lttng(struct uebpf_env *env, const void *bytecode, size_t len,
					     const char *type, const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error unwanted;
	struct reader r = { .err = err ? err : &unwanted };
	struct uebpf_object *obj = NULL;
	struct tree *root;

	if (len < HEADER || len - HEADER > MAX_LEN || u32(bytecode) != len - HEADER ||
	    u32((const uint8_t *)bytecode + 4) > len - HEADER) {
		error_set(r.err, UEBPF_STAGE_FILTER, UEBPF_E_LIMIT, -EINVAL, 0, "LTTng bytecode: %zu bytes are no header of "
			  "48 bytes (length, offset of the relocation table) with as many bytes behind it as it says", len);
		return NULL;
	}
	r.data = (const uint8_t *)bytecode + HEADER;
	r.len = (uint32_t)len - HEADER;
	r.reloc = u32((const uint8_t *)bytecode + 4);
	r.arena.host = &env->host;
	root = read_code(&r);
	if (root)
		obj = tree_object(env, root, type, NULL, opts, r.err);
	/* LTTng records no event of a type that lacks what its filter names: nor do we, and the log says it */
	if (root && !obj && r.err->code == UEBPF_E_FIELD) {
		env_log(env, UEBPF_LOG_WARN, "LTTng filter that accepts no event: %s", r.err->text);
		root = node(&r, TREE_REJECT, NULL, NULL);
		if (root)
			obj = tree_object(env, root, type, NULL, opts, r.err);
	}
	arena_free(&r.arena);
	return obj;
}
