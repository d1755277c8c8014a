/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lttng_vm.c - see lttng_vm.h.  Linking replaces each load by its typed form with the field's offset
 * and each operator by the form for the types on the stack (known at link time but for contexts, whose
 * type the host tells); the code keeps the wire's layout.  A run walks that code once. */
#include "bench/lttng_vm.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum op {
#define OP(number, name, shape, arg, doc) OP_##name = number,
#include "loader/filter/lttng_ops.def"
#undef OP
	/* forms that the wire has no number for */
	OP_GET_CONTEXT_S64 = 100, OP_GET_CONTEXT_DOUBLE, OP_GET_CONTEXT_STRING, OP_LOAD_NUMBER, OP_PLAIN_STRING, OP_COUNT
};

enum { DEPTH = 10 };			/* LTTng's */
enum { LITERAL = 1, PATTERN = 2 };
enum type { INTEGER, DOUBLE, STRING, GLOB, ROOT_PAYLOAD, ROOT_CTX, ROOT_APP, OBJECT };

/* Types are known when the filter is linked.  The top of the stack is not kept in registers: that was tried
 * (LTTng-UST does it) and is slower here by half, since what lies below then travels through memory from
 * one predicate to the next. */
struct entry {
	union { int64_t v; double d; const char *s; };
	size_t len;		/* strings */
	int literal;
};

struct merge { uint32_t target, depth; };
struct element { uint32_t block; uint64_t index; uint8_t size, is_signed, fixed; };

struct lv_filter {
	uint32_t len, elements;
	const struct lv_event *event;
	struct element element[64];
	uint8_t code[];
};

/* ---- linking ---- */

struct link {
	struct lv_filter *f;
	const struct lv_event *event;
	const uint8_t *data;
	uint32_t reloc, len;		/* relocation table: [reloc, len) */
	enum type stack[DEPTH];
	const struct lv_field *object[DEPTH];
	int depth;			/* entries */
	struct merge merge[256];
	uint32_t merges;
	const char *why;
};

static bool refuse(struct link *l, const char *why)
{
	l->why = why;
	return false;
}

static bool push(struct link *l, enum type type)
{
	if (l->depth == DEPTH)
		return refuse(l, "stack full");
	l->object[l->depth] = NULL;
	l->stack[l->depth++] = type;
	return true;
}

static const char *relocation(struct link *l, uint32_t pc)
{
	for (uint32_t at = l->reloc; at + 2 < l->len;) {
		uint16_t where;
		const char *name = (const char *)l->data + at + 2;
		size_t n = strnlen(name, l->len - at - 2);

		memcpy(&where, l->data + at, 2);
		if (at + 2 + n == l->len)
			return NULL;
		if (where == pc)
			return name;
		at += (uint32_t)(2 + n + 1);
	}
	return NULL;
}

static const struct lv_field *field_named(struct link *l, const char *name)
{
	for (uint32_t i = 0; name && i < l->event->nr_field; i++)
		if (!strcmp(l->event->field[i].name, name))
			return &l->event->field[i];
	return NULL;
}

static void operand16(uint8_t *at, uint32_t value)
{
	uint16_t v = (uint16_t)value;

	memcpy(at + 1, &v, 2);
}

static bool load(struct link *l, uint8_t *at, const struct lv_field *f)
{
	static const struct { enum op op; enum type type; } form[] = {
		[LV_S64] = { OP_LOAD_FIELD_REF_S64, INTEGER }, [LV_U64] = { OP_LOAD_FIELD_REF_S64, INTEGER },
		[LV_DOUBLE] = { OP_LOAD_FIELD_REF_DOUBLE, DOUBLE }, [LV_STRING] = { OP_LOAD_FIELD_REF_STRING, STRING },
		[LV_TEXT] = { OP_LOAD_FIELD_REF_SEQUENCE, STRING },
	};

	if (!f)
		return refuse(l, "unknown field");
	if (f->kind == LV_NUMBERS)
		return refuse(l, "an array of numbers is no value");
	*at = (uint8_t)form[f->kind].op;
	operand16(at, f->offset);
	return push(l, form[f->kind].type);
}

static bool context(struct link *l, uint8_t *at, const char *prefix, const char *name)
{
	size_t n = strlen(prefix);

	for (uint32_t i = 0; name && i < l->event->nr_context; i++) {
		const struct lv_context *c = &l->event->context[i];

		if (strncmp(c->name, prefix, n) || strcmp(c->name + n, name))
			continue;
		*at = c->kind == LV_STRING ? OP_GET_CONTEXT_STRING : c->kind == LV_DOUBLE ? OP_GET_CONTEXT_DOUBLE :
		      OP_GET_CONTEXT_S64;
		operand16(at, i);
		return push(l, c->kind == LV_STRING ? STRING : c->kind == LV_DOUBLE ? DOUBLE : INTEGER);
	}
	return refuse(l, "unknown context");
}

/* Roots, symbols and indexes become one load in the place of LOAD_FIELD; what stood before is skipped by
 * a jump over it: CAST_NOP bytes. */
static bool symbol(struct link *l, uint8_t *at)
{
	enum type root = l->depth ? l->stack[l->depth - 1] : OBJECT;
	uint16_t where;
	const char *name;

	memcpy(&where, at + 1, 2);
	if (where >= l->len - l->reloc)
		return refuse(l, "symbol outside of the table");
	name = (const char *)l->data + l->reloc + where;
	if (strnlen(name, l->len - l->reloc - where) == l->len - l->reloc - where)
		return refuse(l, "symbol without an end");
	memset(at, OP_CAST_NOP, 3);
	if (root == ROOT_PAYLOAD) {
		const struct lv_field *f = field_named(l, name);

		if (!f)
			return refuse(l, "unknown field");
		l->stack[l->depth - 1] = OBJECT;
		l->object[l->depth - 1] = f;
		return true;
	}
	if (root != ROOT_CTX && root != ROOT_APP)
		return refuse(l, "a symbol of no root");
	l->depth--;
	if (!context(l, at, root == ROOT_CTX ? "$ctx." : "$app.", name))
		return false;
	return true;
}

static bool index_of(struct link *l, uint8_t *at, uint64_t index, uint32_t bytes)
{
	const struct lv_field *f = l->depth && l->stack[l->depth - 1] == OBJECT ? l->object[l->depth - 1] : NULL;
	struct element *e;

	if (!f || f->kind != LV_NUMBERS)
		return refuse(l, "an index of no array");
	if (f->fixed && index >= f->fixed)
		return refuse(l, "an index outside of the array");
	if (l->f->elements == 64)
		return refuse(l, "too many indexes");
	e = &l->f->element[l->f->elements];
	*e = (struct element){ f->offset, index, f->size, f->is_signed, f->fixed != 0 };
	memset(at, OP_CAST_NOP, bytes);
	*at = OP_LOAD_NUMBER;
	operand16(at, l->f->elements++);
	memset(at + 3, OP_CAST_NOP, bytes - 3);
	l->object[l->depth - 1] = NULL;
	l->stack[l->depth - 1] = INTEGER;
	return true;
}

static bool binary(struct link *l, uint8_t *at, int opcode)
{
	enum type a, b;

	if (l->depth < 2)
		return refuse(l, "empty stack");
	a = l->stack[l->depth - 1];
	b = l->stack[l->depth - 2];
	if (a > GLOB || b > GLOB)
		return refuse(l, "an operand without a value");
	if (opcode <= OP_BIT_XOR) {
		if (a != INTEGER || b != INTEGER)
			return refuse(l, "bits of no integer");
	} else if (a >= STRING || b >= STRING) {
		if (a < STRING || b < STRING)
			return refuse(l, "a string and a number");
		if (a == GLOB || b == GLOB) {
			if (opcode > OP_NE || (a == GLOB && b == GLOB))
				return refuse(l, "a pattern is equal or not");
			*at = (uint8_t)(OP_EQ_STAR_GLOB_STRING + opcode - OP_EQ);
		} else {
			*at = (uint8_t)(OP_EQ_STRING + opcode - OP_EQ);
		}
	} else {
		static const uint8_t first[2][2] = { { OP_EQ_S64, OP_EQ_DOUBLE_S64 }, { OP_EQ_S64_DOUBLE, OP_EQ_DOUBLE } };

		*at = (uint8_t)(first[a == DOUBLE][b == DOUBLE] + opcode - OP_EQ);
	}
	l->depth--;
	l->stack[l->depth - 1] = INTEGER;
	return true;
}

static bool unary(struct link *l, uint8_t *at, int opcode)
{
	enum type t = l->depth ? l->stack[l->depth - 1] : OBJECT;

	if (t > DOUBLE || (opcode == OP_UNARY_BIT_NOT && t == DOUBLE))
		return refuse(l, "an operator on no number");
	if (opcode == OP_CAST_TO_S64)
		*at = t == DOUBLE ? OP_CAST_DOUBLE_TO_S64 : OP_CAST_NOP;
	else if (opcode != OP_UNARY_BIT_NOT)
		*at = (uint8_t)((t == DOUBLE ? OP_UNARY_PLUS_DOUBLE : OP_UNARY_PLUS_S64) + opcode - OP_UNARY_PLUS);
	if (opcode == OP_CAST_TO_S64 || opcode == OP_UNARY_NOT)
		l->stack[l->depth - 1] = INTEGER;
	return true;
}

static bool logical(struct link *l, const uint8_t *at, uint32_t pc)
{
	uint16_t target;

	memcpy(&target, at + 1, 2);
	if (!l->depth || l->stack[l->depth - 1] != INTEGER)
		return refuse(l, "a logical operator on no integer");
	if (target <= pc || target >= l->reloc)
		return refuse(l, "a skip backwards or outside");
	if (l->merges == 256)
		return refuse(l, "too many skips");
	l->merge[l->merges++] = (struct merge){ target, (uint32_t)l->depth };
	l->depth--;
	return true;
}

static bool merges_here(struct link *l, uint32_t pc)
{
	for (uint32_t i = 0; i < l->merges; i++) {
		if (l->merge[i].target != pc)
			continue;
		if ((uint32_t)l->depth != l->merge[i].depth || l->stack[l->depth - 1] != INTEGER)
			return refuse(l, "paths that meet with different stacks");
		l->merge[i--] = l->merge[--l->merges];
	}
	return true;
}

static uint32_t text_bytes(struct link *l, uint32_t pc)
{
	return 1 + (uint32_t)strnlen((const char *)l->data + pc + 1, l->reloc - pc - 1) + 1;
}

static uint32_t bytes_of(struct link *l, uint32_t pc)
{
	switch (l->data[pc]) {
	case OP_AND: case OP_OR: case OP_LOAD_FIELD_REF: case OP_GET_CONTEXT_REF: case OP_GET_SYMBOL:
	case OP_GET_INDEX_U16:
		return 3;
	case OP_LOAD_S64: case OP_LOAD_DOUBLE: case OP_GET_INDEX_U64:
		return 9;
	case OP_LOAD_STRING: case OP_LOAD_STAR_GLOB_STRING:
		return text_bytes(l, pc);
	default:
		return 1;
	}
}

static bool one(struct link *l, uint32_t pc)
{
	uint8_t *at = l->f->code + pc;
	int opcode = l->data[pc];
	uint64_t index = 0;

	switch (opcode) {
	case OP_RETURN:
		if (l->depth != 1 || l->stack[0] != INTEGER)
			return refuse(l, "no integer is returned");
		*at = OP_RETURN_S64;
		return l->merges ? refuse(l, "a skip behind the end") : true;
	case OP_LOAD_FIELD_REF:
		return load(l, at, field_named(l, relocation(l, pc)));
	case OP_GET_CONTEXT_REF:
		return context(l, at, "", relocation(l, pc));
	case OP_LOAD_STRING:
		if (!strpbrk((const char *)at + 1, "\\*"))
			*at = OP_PLAIN_STRING;
		return push(l, STRING);
	case OP_LOAD_STAR_GLOB_STRING:
		return push(l, GLOB);
	case OP_LOAD_S64:
		return push(l, INTEGER);
	case OP_LOAD_DOUBLE:
		return push(l, DOUBLE);
	case OP_GET_PAYLOAD_ROOT: case OP_GET_CONTEXT_ROOT: case OP_GET_APP_CONTEXT_ROOT:
		*at = OP_CAST_NOP;
		return push(l, opcode == OP_GET_PAYLOAD_ROOT ? ROOT_PAYLOAD : opcode == OP_GET_CONTEXT_ROOT ? ROOT_CTX : ROOT_APP);
	case OP_GET_SYMBOL:
		return symbol(l, at);
	case OP_GET_INDEX_U16: case OP_GET_INDEX_U64:
		memcpy(&index, at + 1, opcode == OP_GET_INDEX_U16 ? 2 : 8);
		return index_of(l, at, index, opcode == OP_GET_INDEX_U16 ? 3 : 9);
	case OP_LOAD_FIELD: {
		const struct lv_field *f = l->depth ? l->object[l->depth - 1] : NULL;

		*at = OP_CAST_NOP;
		if (!f)
			return l->depth && l->stack[l->depth - 1] <= STRING ? true : refuse(l, "no object to load");
		if (pc < 3 || l->data[pc - 3] != OP_GET_SYMBOL)
			return refuse(l, "a load away from its symbol");
		l->depth--;
		/* the symbol's three bytes, now no-ops, hold the load */
		return load(l, at - 3, f);
	}
	case OP_AND: case OP_OR:
		return logical(l, at, pc);
	case OP_UNARY_PLUS: case OP_UNARY_MINUS: case OP_UNARY_NOT: case OP_UNARY_BIT_NOT: case OP_CAST_TO_S64:
		return unary(l, at, opcode);
	case OP_CAST_NOP:
		return true;
	default:
		return opcode >= OP_BIT_RSHIFT && opcode <= OP_LE ? binary(l, at, opcode) : refuse(l, "unknown opcode");
	}
}

struct lv_filter *lv_link(const void *data, uint32_t len, uint32_t reloc, const struct lv_event *event,
			  const char **why)
{
	static struct link links;
	struct link *l = &links;
	uint32_t pc, n;
	bool ok = reloc <= len && reloc > 0;

	memset(l, 0, sizeof *l);
	l->f = calloc(1, sizeof *l->f + len + 16);
	l->event = l->f->event = event;
	l->data = data;
	l->reloc = l->f->len = reloc;
	l->len = len;
	memcpy(l->f->code, data, reloc);
	for (pc = 0; ok; pc += n) {
		n = pc < reloc ? bytes_of(l, pc) : 0;
		if (!n || pc + n > reloc)
			ok = refuse(l, "ends without a return");
		else if (!merges_here(l, pc) || !one(l, pc))
			ok = false;
		else if (l->data[pc] == OP_RETURN)
			break;
	}
	*why = ok ? NULL : l->why ? l->why : "no code";
	if (!ok) {
		free(l->f);
		return NULL;
	}
	return l->f;
}

void lv_free(struct lv_filter *filter)
{
	free(filter);
}

/* ---- running ---- */

static bool glob(const char *pattern, const char *s, size_t len)
{
	const char *star = NULL, *back = NULL, *end = s + len;

	for (;;) {
		bool at_end = s >= end || !*s;

		if (*pattern == '*') {
			star = ++pattern;
			back = s;
			continue;
		}
		if (at_end)
			return !*pattern;
		const char *p = *pattern == '\\' && pattern[1] ? pattern + 1 : pattern;

		if (*p == *s && *p) {
			pattern = p + 1;
			s++;
			continue;
		}
		if (!star)
			return false;
		pattern = star;
		s = ++back;
	}
}

/* One byte of a literal with wildcards and escapes: 0 as it is, -1 a star. */
static inline int literal_byte(const char **p)
{
	if (**p == '*')
		return -1;
	if (**p == '\\' && ((*p)[1] == '\\' || (*p)[1] == '*'))
		(*p)++;
	return 0;
}

/* lv_link() walked the code with a stack of types: nothing is read here that was not pushed, which the analyzer does not
 * see.  NOLINTBEGIN(clang-analyzer-core.*) */
static int compare(const struct entry *b, const struct entry *a)
{
	const char *p = b->s, *q = a->s;
	const char *p_end = p + b->len, *q_end = q + a->len;

	if (!(a->literal | b->literal)) {
		for (;; p++, q++) {
			char x = p < p_end ? *p : 0, y = q < q_end ? *q : 0;

			if (x != y || !x)
				return x && y ? x - y : !y - !x;
		}
	}
	for (;; p++, q++) {
		char x, y;

		if (b->literal && literal_byte(&p))
			return 0;
		if (a->literal && literal_byte(&q))
			return 0;
		x = p < p_end ? *p : 0;
		y = q < q_end ? *q : 0;
		if (x != y || !x)
			return x && y ? x - y : !y - !x;	/* the end is less than any byte */
	}
}

static inline uint16_t u16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, 2);
	return v;
}

static inline int64_t s64(const void *at)
{
	int64_t v;

	memcpy(&v, at, 8);
	return v;
}

/* sp points at the top of the stack, A, with B below. */
#define A (sp->v)
#define B (sp[-1].v)
#define NEXT(n) do { pc += (n); goto *label[*pc]; } while (0)
#define PUSH(value) do { sp++; A = (value); } while (0)
#define BINARY(value) do { int64_t v_ = (value); sp--; A = v_; NEXT(1); } while (0)
#define SIX(kind, x, y)								\
	EQ_##kind: BINARY((x) == (y));						\
	NE_##kind: BINARY((x) != (y));						\
	GT_##kind: BINARY((x) > (y));						\
	LT_##kind: BINARY((x) < (y));						\
	GE_##kind: BINARY((x) >= (y));						\
	LE_##kind: BINARY((x) <= (y))
#define SIX_LABELS(kind)							\
	[OP_EQ_##kind] = &&EQ_##kind, [OP_NE_##kind] = &&NE_##kind, [OP_GT_##kind] = &&GT_##kind,	\
	[OP_LT_##kind] = &&LT_##kind, [OP_GE_##kind] = &&GE_##kind, [OP_LE_##kind] = &&LE_##kind
#define GLOBS (sp->literal == PATTERN ? glob(sp->s, sp[-1].s, sp[-1].len) : glob(sp[-1].s, sp->s, sp->len))

int lv_run(const struct lv_filter *f, const void *block_)
{
	static const void *const label[OP_COUNT] = {
		/* It reads &&label as "and". */
		/* cppcheck-suppress assignBoolToPointer */
		[OP_RETURN_S64] = &&return_s64, [OP_BIT_RSHIFT] = &&rshift, [OP_BIT_LSHIFT] = &&lshift,
		[OP_BIT_AND] = &&bit_and, [OP_BIT_OR] = &&bit_or, [OP_BIT_XOR] = &&bit_xor,
		SIX_LABELS(S64), SIX_LABELS(STRING), SIX_LABELS(DOUBLE), SIX_LABELS(DOUBLE_S64), SIX_LABELS(S64_DOUBLE),
		[OP_EQ_STAR_GLOB_STRING] = &&eq_glob, [OP_NE_STAR_GLOB_STRING] = &&ne_glob,
		[OP_UNARY_PLUS_S64] = &&nop, [OP_UNARY_MINUS_S64] = &&minus, [OP_UNARY_NOT_S64] = &&not,
		[OP_UNARY_PLUS_DOUBLE] = &&nop, [OP_UNARY_MINUS_DOUBLE] = &&minus_double,
		[OP_UNARY_NOT_DOUBLE] = &&not_double, [OP_UNARY_BIT_NOT] = &&bit_not,
		[OP_AND] = &&and, [OP_OR] = &&or, [OP_CAST_NOP] = &&nop, [OP_CAST_DOUBLE_TO_S64] = &&cast,
		[OP_LOAD_FIELD_REF_S64] = &&field_number, [OP_LOAD_FIELD_REF_DOUBLE] = &&field_number,
		[OP_LOAD_FIELD_REF_STRING] = &&field_string, [OP_LOAD_FIELD_REF_SEQUENCE] = &&field_text,
		[OP_LOAD_S64] = &&load_number, [OP_LOAD_DOUBLE] = &&load_number, [OP_LOAD_STRING] = &&load_string,
		[OP_PLAIN_STRING] = &&plain_string, [OP_LOAD_STAR_GLOB_STRING] = &&load_glob,
		[OP_GET_CONTEXT_S64] = &&context_number, [OP_GET_CONTEXT_DOUBLE] = &&context_number,
		[OP_GET_CONTEXT_STRING] = &&context_string, [OP_LOAD_NUMBER] = &&number,
	};
	struct entry stack[DEPTH + 3], *sp = stack + 1;
	const uint8_t *pc = f->code;
	const char *block = block_;
	int64_t value;

	NEXT(0);
return_s64:
	return A != 0;
load_number:
	PUSH(s64(pc + 1));
	NEXT(9);
load_string:
	PUSH((int64_t)(pc + 1));
	sp->literal = LITERAL;
	goto literal_loaded;
load_glob:
	PUSH((int64_t)(pc + 1));
	sp->literal = PATTERN;
literal_loaded:
	sp->len = SIZE_MAX / 4;
	NEXT(strlen(sp->s) + 2);
plain_string:
	PUSH((int64_t)(pc + 1));
	sp->len = strlen(sp->s);
	sp->literal = 0;
	NEXT(sp->len + 2);
field_number:
	PUSH(s64(block + u16(pc + 1)));
	NEXT(3);
field_string:
	PUSH(s64(block + u16(pc + 1)));
	sp->len = SIZE_MAX / 4;
	goto string_loaded;
field_text:
	PUSH(s64(block + u16(pc + 1) + sizeof(unsigned long)));
	sp->len = (size_t)s64(block + u16(pc + 1));
	goto string_loaded;
context_string:
	f->event->context[u16(pc + 1)].get(&value);
	PUSH(value);
	sp->len = SIZE_MAX / 4;
string_loaded:
	if (__builtin_expect(!A, 0))
		return -1;
	sp->literal = 0;
	NEXT(3);
context_number:
	f->event->context[u16(pc + 1)].get(&value);
	PUSH(value);
	NEXT(3);
number: {
	const struct element *e = &f->element[u16(pc + 1)];
	uint64_t v = 0;
	unsigned spare = 64u - 8u * e->size;

	if (!e->fixed && e->index >= (uint64_t)s64(block + e->block))
		return -1;
	memcpy(&v, (const char *)s64(block + e->block + sizeof(unsigned long)) + e->index * e->size, e->size);
	PUSH(e->is_signed ? (int64_t)(v << spare) >> spare : (int64_t)v);
	NEXT(3);
}
	SIX(S64, B, A);
	SIX(STRING, compare(sp - 1, sp), 0);
	SIX(DOUBLE, sp[-1].d, sp->d);
	SIX(DOUBLE_S64, sp[-1].d, (double)A);
	SIX(S64_DOUBLE, (double)B, sp->d);
eq_glob:
	BINARY(GLOBS);
ne_glob:
	BINARY(!GLOBS);
rshift:
	if ((uint64_t)A > 63)
		return -1;
	BINARY((int64_t)((uint64_t)B >> A));
lshift:
	if ((uint64_t)A > 63)
		return -1;
	BINARY((int64_t)((uint64_t)B << A));
bit_and:
	BINARY(B & A);
bit_or:
	BINARY(B | A);
bit_xor:
	BINARY(B ^ A);
minus:
	A = (int64_t)-(uint64_t)A;
	NEXT(1);
not:
	A = !A;
	NEXT(1);
bit_not:
	A = ~A;
	NEXT(1);
minus_double:
	A ^= INT64_MIN;
	NEXT(1);
not_double:
	A = !sp->d;
	NEXT(1);
cast:		/* cvttsd2si's answer for what fits no integer */
	A = sp->d >= -9223372036854775808.0 && sp->d < 9223372036854775808.0 ? (int64_t)sp->d : INT64_MIN;
	NEXT(1);
nop:
	NEXT(1);
and:
	if (!A) {
		pc = f->code + u16(pc + 1);
		NEXT(0);
	}
	sp--;
	NEXT(3);
or:
	if (A) {
		A = 1;
		pc = f->code + u16(pc + 1);
		NEXT(0);
	}
	sp--;
	NEXT(3);
}
/* NOLINTEND(clang-analyzer-core.*) */
