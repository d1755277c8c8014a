/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* random_test.c - random filters over the records of event.c: a walk over the filter's own tree (here), the
 * LTTng-style interpreter, the filter's bytecode and its text in every engine decide the same.
 * `random_test --print N SEED` prints filters for capture.sh; `--compare CORPUS N SEED` compares what
 * LTTng-UST recorded with the walk (real.sh does both). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include "bench/lttng_vm.c"
#include "tests/lttng/block.h"
#include "tests/lttng/event.c"
#include "tests/lttng/type.h"
#include "tests/util/run.h"

/* ---- filters ---- */

enum kind { INT_CONST, DOUBLE_CONST, TEXT_CONST, GLOB_CONST, FIELD, ELEMENT, NOT, MINUS, BIT_NOT, EQ_, NE_, GT_, LT_, GE_, LE_,
	    BIT_AND_, BIT_OR_, BIT_XOR_, SHL, SHR, AND_, OR_ };
enum value_type { V_INT, V_DOUBLE, V_TEXT, V_GLOB };
struct ex {
	enum kind kind;
	enum value_type type;
	struct ex *l, *r;
	int64_t i;
	double d;
	const char *text;
	const struct lv_field *field;
};

static struct ex pool[512];
static int used;
static uint64_t random_state;
static unsigned upto(unsigned n)
{
	random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
	return (unsigned)(random_state % n);
}

static struct ex *make(enum kind kind, enum value_type type, struct ex *l, struct ex *r)
{
	struct ex *e = &pool[used++];

	*e = (struct ex){ .kind = kind, .type = type, .l = l, .r = r };
	return e;
}

static struct ex *field_of(enum value_type type)
{
	for (;;) {
		const struct lv_field *f = &lt_fields[upto(sizeof(lt_fields) / sizeof(*lt_fields))];
		struct ex *e;
		bool numbers = f->kind == LV_NUMBERS;

		/* the length of seq_text is known to a field alone: corpus_test says why not */
		if ((numbers && (type != V_INT || !f->fixed)) || !strcmp(f->name, "seq_text"))
			continue;
		if (!numbers && type != (f->kind == LV_DOUBLE ? V_DOUBLE : f->kind == LV_STRING || f->kind == LV_TEXT ? V_TEXT : V_INT))
			continue;
		e = make(numbers ? ELEMENT : FIELD, type, NULL, NULL);
		e->field = f;
		e->i = numbers ? upto(f->fixed) : 0;
		return e;
	}
}

static struct ex *integer(int depth);
static struct ex *floating(int depth)
{
	static const double values[] = { 0, 1, 1.5, 42, 42.5, 3.25, 0.5, 7 };
	struct ex *e;

	if (upto(3))
		return depth && !upto(4) ? make(MINUS, V_DOUBLE, floating(depth - 1), NULL) : field_of(V_DOUBLE);
	e = make(DOUBLE_CONST, V_DOUBLE, NULL, NULL);
	e->d = values[upto(8)];
	return e;
}

static struct ex *text_compare(void)
{
	static const char *const plain[] = { "foo", "foobar", "", "eth0", "eth1", "ab", "tcp", "aXbXc", "a long s", "zzz" };
	static const char *const globs[] = { "foo*", "*", "e*", "*o*", "*bar", "a*c", "*X*X*", "t*p", "f*o*b*r", "eth*" };
	struct ex *l = field_of(V_TEXT), *r;
	unsigned how = upto(4);

	if (how == 0) {
		do
			r = field_of(V_TEXT);
		while (r->field == l->field);		/* str and text; in LTTng one byte past the end of text counts */
		return make(upto(2) ? EQ_ : NE_, V_INT, strcmp(l->field->name, "str") ? r : l, strcmp(l->field->name, "str") ? l : r);
	}
	r = make(how == 1 ? GLOB_CONST : TEXT_CONST, how == 1 ? V_GLOB : V_TEXT, NULL, NULL);
	r->text = how == 1 ? globs[upto(10)] : plain[upto(10)];
	return make(how == 1 ? EQ_ + upto(2) : EQ_ + upto(6), V_INT, l, r);
}

static struct ex *integer(int depth)
{
	static const int64_t values[] = { 0, 1, 2, 7, 42, 43, 255, 256, 65535, 1500, 100, INT32_MAX, UINT32_MAX, INT64_MAX, 0x1234 };
	unsigned what = depth ? upto(20) : upto(2);
	struct ex *e, *r;

	if (what < 2) {
		if (what && upto(3))
			return field_of(V_INT);
		e = make(INT_CONST, V_INT, NULL, NULL);
		e->i = values[upto(15)];
		return e;
	}
	if (what < 5)
		return make(AND_, V_INT, integer(depth - 1), integer(depth - 1));
	if (what < 8)
		return make(OR_, V_INT, integer(depth - 1), integer(depth - 1));
	if (what < 11)
		return make(EQ_ + upto(6), V_INT, integer(depth - 1), integer(depth - 1));
	if (what < 13)
		return text_compare();
	if (what < 15) {
		e = upto(2) ? floating(depth - 1) : integer(depth - 1);
		r = e->type == V_DOUBLE && upto(2) ? integer(depth - 1) : floating(depth - 1);
		return make(EQ_ + upto(6), V_INT, e, r);
	}
	if (what < 17)
		return make(BIT_AND_ + upto(3), V_INT, integer(depth - 1), integer(depth - 1));
	if (what == 17) {
		r = upto(3) ? make(INT_CONST, V_INT, NULL, NULL) : integer(depth - 1);
		if (r->kind == INT_CONST)
			r->i = upto(66);
		return make(upto(2) ? SHL : SHR, V_INT, integer(depth - 1), r);
	}
	if (what == 18)
		return make(upto(2) ? NOT : BIT_NOT, V_INT, integer(depth - 1), NULL);
	return make(MINUS, V_INT, integer(depth - 1), NULL);
}

static struct ex *filter_number(uint64_t seed, uint64_t n)
{
	random_state = (seed + 1) * 0x9e3779b97f4a7c15u + n * 0xbf58476d1ce4e5b9u;
	for (int i = 0; i < 8; i++)
		upto(2);
	used = 0;
	return integer(2 + (int)(n % 3));
}

/* ---- as text ---- */

static void text_of(const struct ex *e, char *out)
{
	static const char *const op[] = { [EQ_] = "==", "!=", ">", "<", ">=", "<=", "&", "|", "^", "<<", ">>", "&&", "||" };

	switch (e->kind) {
	case INT_CONST: sprintf(out, "%lld", (long long)e->i); break;
	case DOUBLE_CONST: sprintf(out, "%.6f", e->d); break;
	case TEXT_CONST: case GLOB_CONST: sprintf(out, "\"%s\"", e->text); break;
	case FIELD: strcpy(out, e->field->name); break;
	case ELEMENT: sprintf(out, "%s[%d]", e->field->name, (int)e->i); break;
	case NOT: case MINUS: case BIT_NOT:
		sprintf(out, "%c(", e->kind == NOT ? '!' : e->kind == MINUS ? '-' : '~');
		text_of(e->l, out + strlen(out));
		strcat(out, ")");
		break;
	default:
		strcpy(out, "(");
		text_of(e->l, out + 1);
		sprintf(out + strlen(out), " %s ", op[e->kind]);
		text_of(e->r, out + strlen(out));
		strcat(out, ")");
	}
}

/* ---- as bytecode ---- */

static uint8_t code[16384], table[8192];
static uint32_t at, tables;

static void put(const void *bytes, uint32_t n) { memcpy(code + at, bytes, n); at += n; }
static void put_op(int op) { code[at++] = (uint8_t)op; }
static void name(uint32_t where, const char *s)
{
	table[tables++] = (uint8_t)where, table[tables++] = (uint8_t)(where >> 8);
	strcpy((char *)table + tables, s);
	tables += (uint32_t)strlen(s) + 1;
}

static void emit(const struct ex *e);
static void emit_truth(const struct ex *e)
{
	emit(e);
	if (e->kind == FIELD || e->kind == ELEMENT || e->type == V_DOUBLE)
		put_op(OP_CAST_TO_S64);
}

static void emit(const struct ex *e)
{
	static const uint8_t op[] = { [NOT] = OP_UNARY_NOT, [MINUS] = OP_UNARY_MINUS, [BIT_NOT] = OP_UNARY_BIT_NOT,
		[EQ_] = OP_EQ, OP_NE, OP_GT, OP_LT, OP_GE, OP_LE, OP_BIT_AND, OP_BIT_OR, OP_BIT_XOR, OP_BIT_LSHIFT,
		OP_BIT_RSHIFT, OP_AND, OP_OR };
	uint16_t skip = 0xffff;
	uint32_t where = at;

	switch (e->kind) {
	case INT_CONST: put_op(OP_LOAD_S64); put(&e->i, 8); break;
	case DOUBLE_CONST: put_op(OP_LOAD_DOUBLE); put(&e->d, 8); break;
	case GLOB_CONST: put_op(OP_LOAD_STAR_GLOB_STRING); put(e->text, (uint32_t)strlen(e->text) + 1); break;
	case TEXT_CONST: put_op(OP_LOAD_STRING); put(e->text, (uint32_t)strlen(e->text) + 1); break;
	case FIELD: put_op(OP_LOAD_FIELD_REF); put(&skip, 2); name(where, e->field->name); break;
	case ELEMENT:
		put_op(OP_GET_PAYLOAD_ROOT);
		name(at, e->field->name);
		skip = (uint16_t)(tables - strlen(e->field->name) - 1);
		put_op(OP_GET_SYMBOL); put(&skip, 2);
		put_op(OP_GET_INDEX_U64); put(&e->i, 8);
		put_op(OP_LOAD_FIELD);
		break;
	case NOT: case MINUS: case BIT_NOT: emit(e->l); put_op(op[e->kind]); break;
	case AND_: case OR_:
		emit_truth(e->l);
		put_op(op[e->kind]);
		where = at;
		put(&skip, 2);
		emit_truth(e->r);
		skip = (uint16_t)at;
		memcpy(code + where, &skip, 2);
		break;
	default: emit(e->l); emit(e->r); put_op(op[e->kind]);
	}
}

static void emit_all(const struct ex *e, uint32_t *reloc)
{
	at = tables = 0;
	emit(e);
	put_op(OP_RETURN);
	*reloc = at;
	put(table, tables);
}

/* ---- walked ---- */

struct value { int64_t i; double d; const char *s; size_t len; bool rejects; };
static struct value rejects = { .rejects = true };

static int order(struct value a, struct value b)
{
	for (size_t k = 0;; k++) {
		char x = k < a.len ? a.s[k] : 0, y = k < b.len ? b.s[k] : 0;

		if (x != y && x && y)
			return x < y ? -1 : 1;
		if (!x || !y)		/* the shorter one is less, whatever the sign of the byte */
			return !y - !x;
	}
}

static bool fits(const char *p, const char *s, size_t len)
{
	if (!*p)
		return !len || !*s;
	if (*p == '*')
		return fits(p + 1, s, len) || (len && *s && fits(p, s + 1, len - 1));
	return len && *s == *p && fits(p + 1, s + 1, len - 1);
}

static struct value walk(const struct ex *e, const struct lt_block *b);
static struct value compared(const struct ex *e, struct value a, struct value b)
{
	bool eq, lt;

	if (e->r->type == V_GLOB) {
		eq = fits(e->r->text, a.s, a.len);
		lt = false;
	} else if (e->l->type == V_TEXT) {
		eq = order(a, b) == 0;
		lt = order(a, b) < 0;
	} else if (e->l->type == V_DOUBLE || e->r->type == V_DOUBLE) {
		double x = e->l->type == V_DOUBLE ? a.d : (double)a.i, y = e->r->type == V_DOUBLE ? b.d : (double)b.i;

		eq = x == y;
		lt = x < y;
	} else {
		eq = a.i == b.i;
		lt = a.i < b.i;
	}
	a.i = e->kind == EQ_ ? eq : e->kind == NE_ ? !eq : e->kind == LT_ ? lt : e->kind == LE_ ? lt || eq :
	      e->kind == GT_ ? !lt && !eq : !lt;
	return a;
}

static int64_t truth(const struct ex *e, struct value v) { return e->type == V_DOUBLE ? (int64_t)v.d : v.i; }

static struct value walk(const struct ex *e, const struct lt_block *b)
{
	const char *base = (const char *)b;
	struct value l = { 0 }, r = { 0 };

	if (e->l) {
		l = walk(e->l, b);
		if (l.rejects)
			return l;
	}
	if (e->kind == AND_ || e->kind == OR_) {
		l.i = truth(e->l, l);
		if ((e->kind == AND_) == !l.i) {
			l.i = e->kind == OR_;
			return l;
		}
	}
	if (e->r) {
		r = walk(e->r, b);
		if (r.rejects)
			return r;
	}
	switch (e->kind) {
	case INT_CONST: l.i = e->i; break;
	case DOUBLE_CONST: l.d = e->d; break;
	case TEXT_CONST: case GLOB_CONST: l.s = e->text; l.len = strlen(e->text); break;
	case FIELD:
		memcpy(&l.i, base + e->field->offset, 8);
		memcpy(&l.d, &l.i, 8);
		if (e->field->kind == LV_STRING || e->field->kind == LV_TEXT) {
			memcpy(&l.s, base + e->field->offset + (e->field->kind == LV_TEXT ? 8 : 0), 8);
			if (!l.s)
				return rejects;
			l.len = e->field->kind == LV_TEXT ? (size_t)l.i : strlen(l.s);
		}
		break;
	case ELEMENT: l.i = ((const int32_t *)b->arr.p)[e->i]; break;
	case NOT: l.i = !l.i; break;
	case MINUS: l.i = (int64_t)-(uint64_t)l.i; l.d = -l.d; break;
	case BIT_NOT: l.i = ~l.i; break;
	case BIT_AND_: l.i &= r.i; break;
	case BIT_OR_: l.i |= r.i; break;
	case BIT_XOR_: l.i ^= r.i; break;
	case SHL: case SHR:
		if (r.i < 0 || r.i > 63)
			return rejects;
		l.i = (int64_t)(e->kind == SHL ? (uint64_t)l.i << r.i : (uint64_t)l.i >> r.i);
		break;
	case AND_: case OR_: l.i = truth(e->r, r); break;
	default: l = compared(e, l, r);
	}
	return l;
}

static int walked(const struct ex *e, const struct lt_block *b)
{
	struct value v = walk(e, b);

	return !v.rejects && v.i != 0;
}

/* ---- the comparison ---- */

static const struct { const char *name; uint32_t mode, engine; } arm[] = {
	{ "verified jit", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT },
	{ "verified interpreter", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP },
	{ "checked interpreter", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP },
	{ "checked jit", UEBPF_MODE_CHECKED, UEBPF_ENGINE_JIT },
	{ "trusted jit", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_JIT },
};

static void engines(struct uebpf_env *env, const struct ex *e, const char *text, uint32_t reloc, bool as_text)
{
	size_t bytes;
	void *wire = lt_wire(code, at, reloc, &bytes);

	for (size_t a = 0; a < sizeof(arm) / sizeof(*arm); a++) {
		struct uebpf_load_opts how = { .size = sizeof(how), .mode = arm[a].mode, .engine = arm[a].engine };
		struct uebpf_error err;
		struct uebpf_object *obj = as_text ? uebpf_object_open_filter(env, text, "lt", NULL, &err) :
					   uebpf_object_open_lttng(env, wire, bytes, "lt", NULL, &err);

		ck_assert_msg(obj != NULL, "%s: %s", text, err.text);
		ck_assert_msg(!uebpf_object_load(obj, &how, &err), "%s, %s: %s", arm[a].name, text, err.text);
		for (int i = 0; i < LT_RECORDS; i++) {
			struct lt_event record = *lt_record((unsigned)i);
			struct lt_block block;
			uint64_t r0 = 7;

			lt_block(&record, &block);
			ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &record, sizeof(record), NULL, &r0), 0);
			ck_assert_msg(r0 == (uint64_t)walked(e, &block), "%s from %s, record %d: %d, the walk says %d: %s",
				      arm[a].name, as_text ? "text" : "bytecode", i, (int)r0, walked(e, &block), text);
		}
		uebpf_object_free(obj);
	}
	free(wire);
}

START_TEST(all_agree)
{
	static const struct lv_event described = { lt_fields, NULL, sizeof(lt_fields) / sizeof(*lt_fields), 0 };
	const char *given = getenv("SEED");
	uint64_t n = getenv("SOAK") ? 20000 : 400, seed = given ? strtoull(given, NULL, 0) : 1;
	struct uebpf_env *env = lt_env();
	int yes = 0, no = 0;

	for (uint64_t k = 0; k < n; k++) {
		static char text[65536];
		const struct ex *e = filter_number(seed, k);
		struct lv_filter *style;
		const char *why;
		uint32_t reloc;

		text_of(e, text);
		emit_all(e, &reloc);
		style = lv_link(code, at, reloc, &described, &why);
		ck_assert_msg(style != NULL, "%s: %s", text, why);
		for (int i = 0; i < LT_RECORDS; i++) {
			struct lt_block block;
			int want;

			lt_block(lt_record((unsigned)i), &block);
			want = walked(e, &block);
			want ? yes++ : no++;
			ck_assert_msg((lv_run(style, &block) == 1) == want, "LTTng-style, record %d: not %d: %s", i, want, text);
		}
		lv_free(style);
		engines(env, e, text, reloc, false);
		engines(env, e, text, reloc, true);
	}
	ck_assert_int_gt(yes, no / 20);
	ck_assert_int_gt(no, yes / 20);
	uebpf_env_free(env);
}
END_TEST

/* LTTng 2.13 loses count of its stack at each <=, and with it the types of what follows; what the bit and
 * unary operators yield is another type than a constant or a comparison, which may not meet behind && and
 * ||, nor may && and || stand everywhere; a double is lost below what is computed
 * above it; and it looks one byte past the end of an array of text.  lttng accepts such filters, and nothing (or too
 * much) is recorded.  We run them, but have nobody to compare with. */
static bool odd(const struct ex *e)
{
	return (e->kind >= BIT_AND_ && e->kind <= SHR) || (e->kind >= NOT && e->kind <= BIT_NOT) ||
	       ((e->kind == AND_ || e->kind == OR_) && odd(e->r));
}

static bool has(const struct ex *e, enum kind kind)
{
	return e->kind == kind || (e->l && has(e->l, kind)) || (e->r && has(e->r, kind));
}

static bool no_peer(const struct ex *e)
{
	if (e->kind != AND_ && e->kind != OR_ && (has(e, AND_) || has(e, OR_)))
		return true;
	if (e->kind >= EQ_ && e->kind <= LE_ && e->l->type + e->r->type == V_DOUBLE && (has(e->l, MINUS) || has(e->r, MINUS) || e->r->l))
		return true;
	return e->kind == LE_ || ((e->kind == AND_ || e->kind == OR_) && (odd(e->l) || odd(e->r))) ||
	       (e->l && e->r && e->l->type == V_TEXT && e->r->kind == FIELD) || (e->l && no_peer(e->l)) ||
	       (e->r && no_peer(e->r));
}

/* What LTTng-UST recorded (a corpus of the same filters) against the walk. */
static int compare_real(const char *path, uint64_t n, uint64_t seed)
{
	static char line[1 << 17], text[65536];
	FILE *f = fopen(path, "r");
	int compared = 0, refused = 0, differ = 0, skipped = 0;

	for (uint64_t k = 0; f && k < n && fgets(line, sizeof(line), f); k++) {
		const struct ex *e = filter_number(seed, k);
		char *kind = strtok(line, "\t"), *bits;

		strtok(NULL, "\t");
		strtok(NULL, "\t");
		bits = strtok(NULL, "\t");
		text_of(e, text);
		if (strcmp(kind, "filter")) {
			refused++;
			continue;
		}
		if (no_peer(e)) {
			skipped++;
			continue;
		}
		if (strcmp(strtok(NULL, "\n"), text)) {
			printf("line %d is about another filter than %s\n", (int)k, text);
			return 1;
		}
		for (int i = 0; i < LT_RECORDS; i++) {
			char digit[2] = { bits[i / 4], 0 };
			struct lt_block block;

			lt_block(lt_record((unsigned)i), &block);
			if (!block.str)
				continue;
			compared++;
			if (walked(e, &block) != ((strtol(digit, NULL, 16) >> (3 - i % 4)) & 1) && differ++ < 5)
				printf("record %d, LTTng-UST says %d: %s\n", i, !walked(e, &block), text);
		}
	}
	printf("%d decisions compared with LTTng-UST, %d differ; of %d filters lttng takes %d for none, %d are not its to compare with\n",
	       compared, differ, (int)n, refused, skipped);
	return differ || !compared;
}

int main(int argc, char **argv)
{
	TCase *t = test_case("lttng random", 3600);

	if (argc == 4 && !strcmp(argv[1], "--print")) {
		static char text[65536];

		for (uint64_t k = 0; k < strtoull(argv[2], NULL, 0); k++) {
			text_of(filter_number(strtoull(argv[3], NULL, 0), k), text);
			puts(text);
		}
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "--compare"))
		return compare_real(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	tcase_add_test(t, all_agree);
	return run_tests();
}
