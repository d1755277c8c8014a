/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_test.c - filter expressions: what they mean (a tree-walk reference over random expressions and
 * events, in every mode and engine and in the kernel), what is refused and where, patterns, contexts,
 * and filters that are compiled in one process and run in another. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"
#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#endif

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* ---- the event ---- */

struct event {
	uint32_t a;
	int16_t b;
	uint8_t c;
	int8_t d;
	uint64_t e;
	int64_t f;
	uint16_t be;
	int16_t pad;
	int32_t bes;		/* big endian, signed */
	float g;
	int32_t color;
	double h;
	const char *s;
	char name[16];
	const int16_t *seq;
	uint32_t len, pad2;
	uint8_t list[8];
};
_Static_assert(sizeof(struct event) == 96, "the kernel's raw tracepoint context holds so much");

#define F(m, ...) { .name = #m, .offset = offsetof(struct event, m), .size = sizeof(((struct event *)0)->m), __VA_ARGS__ }
#define SIGNED .value = UEBPF_VALUE_SIGNED
#define FLOAT .value = UEBPF_VALUE_FLOAT
#define TEXT .value = UEBPF_VALUE_TEXT
static const struct uebpf_label colors[] = { { "RED", 1 }, { "GREEN", 2 }, { "BLUE", -3 } };
static const struct uebpf_field fields[] = {
	F(a, .value = 0), F(b, SIGNED), F(c, .value = 0), F(d, SIGNED), F(e, .value = 0), F(f, SIGNED),
	F(be, .big_endian = 1), F(bes, SIGNED, .big_endian = 1), F(g, FLOAT),
	F(color, SIGNED, .labels = colors, .nr_labels = 3), F(h, FLOAT),
	F(s, TEXT, .kind = UEBPF_FIELD_CSTR, .nullable = 1), F(name, TEXT, .kind = UEBPF_FIELD_BYTES),
	F(seq, SIGNED, .kind = UEBPF_FIELD_MEM, .size_field = "len", .elem = 2, .nullable = 1), F(len, .value = 0),
	F(list, .kind = UEBPF_FIELD_BYTES),
};
enum { NR_FIELDS = sizeof(fields) / sizeof(*fields) };

static struct uebpf_env *event_env(void)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_type_opts t = { .size = sizeof(t), .name = "event", .ctx_size = sizeof(struct event),
				     .fields = fields, .nr_fields = NR_FIELDS };
	struct uebpf_error err;

	ck_assert_ptr_nonnull(env);
	ck_assert_msg(!uebpf_env_add_type(env, &t, &err), "%s", err.text);
	return env;
}

static const int64_t numbers[] = { 0, 1, 2, 3, -1, -2, -3, 7, 42, 255, 256, 65535, -32768, INT32_MAX, INT32_MIN,
				   UINT32_MAX, INT64_MAX, INT64_MIN };
static const double doubles[] = { 0.0, -0.0, 1.0, 1.5, -1.5, 0.5, -0.5, 42.0, 1e300, -1e300, 2147483648.0, NAN, INFINITY };
static const char *const texts[] = { "", "a", "ab", "abc", "abcd", "abcdefgh", "abcdefghi", "ba", "b*", "a\\b",
				     "abcdefghijklmnopq", ("\xff" "a"), "abcdefghijklmno" };
static const int16_t sequence[] = { 1, -2, 3, 42 };
#define PICK(array) array[rnd(sizeof(array) / sizeof(*array))]

static void random_event(struct event *ev)
{
	const char *name = PICK(texts);

	memset(ev, 0, sizeof(*ev));
	ev->a = (uint32_t)PICK(numbers);
	ev->b = (int16_t)PICK(numbers);
	ev->c = (uint8_t)PICK(numbers);
	ev->d = (int8_t)PICK(numbers);
	ev->e = (uint64_t)PICK(numbers);
	ev->f = PICK(numbers);
	ev->be = __builtin_bswap16((uint16_t)PICK(numbers));
	ev->bes = (int32_t)__builtin_bswap32((uint32_t)PICK(numbers));
	ev->g = (float)PICK(doubles);
	ev->h = PICK(doubles);
	ev->color = (int32_t)PICK(numbers);
	ev->s = rnd(8) ? PICK(texts) : NULL;
	memcpy(ev->name, name, strlen(name) < 16 ? strlen(name) : 16);
	ev->seq = rnd(8) ? sequence : NULL;
	ev->len = rnd(10);
	ev->len = ev->len > 8 ? 8 : ev->len;
	for (int i = 0; i < 8; i++)
		ev->list[i] = (uint8_t)PICK(numbers);
}

/* ---- the reference: trees that are printed for the compiler and walked here ---- */

struct value { bool floating; int64_t i; double d; };
struct node {
	enum { NUM, DBL, FIELD, ELEM, UN, BIN, TEXTS } kind;
	char op[3];
	int64_t i;
	double d;
	unsigned field;
	const char *text, *right;	/* TEXTS: field, field or literal in quotes */
	struct node *l, *r;
};
static struct node pool[4096];
static unsigned used;
static bool rejected, plain;		/* plain: what the kernel takes, too */

static struct node *make(int kind)
{
	struct node *n = &pool[used++];

	memset(n, 0, sizeof(*n));
	n->kind = kind;
	return n;
}

static bool is_floating(const struct node *n)
{
	return n->kind == DBL || (n->kind == FIELD && fields[n->field].value == UEBPF_VALUE_FLOAT) ||
	       (n->kind == UN && strchr("+-", n->op[0]) && is_floating(n->l));
}

static struct node *random_number(int depth, bool integer)
{
	static const char *const bits[] = { "&", "|", "^", "<<", ">>" }, *const compares[] = { "==", "!=", "<", ">", "<=", ">=" };
	struct node *n;
	uint32_t what = depth > 0 ? rnd(14) : rnd(5);

	if (what < 2) {
		do {
			n = make(FIELD);
			n->field = rnd(NR_FIELDS);
		} while (fields[n->field].kind != UEBPF_FIELD_SCALAR ||
			 (fields[n->field].value == UEBPF_VALUE_FLOAT && (plain || integer)));
		return n;
	}
	if (what == 2 && rnd(2)) {
		n = make(ELEM);
		n->field = rnd(2) && !plain ? 13 : 15;
		n->i = rnd(n->field == 13 ? 5 : 8);
		return n;
	}
	if (what == 3 && !plain && !integer) {
		n = make(DBL);
		n->d = doubles[rnd(11)];
		return n;
	}
	if (what < 5) {
		n = make(NUM);
		n->i = PICK(numbers);
		return n;
	}
	if (what < 7) {
		n = make(UN);
		n->op[0] = "!~-+"[rnd(4)];
		n->l = random_number(depth - 1, integer || n->op[0] == '~');
		return n;
	}
	if (what < 9) {
		n = make(BIN);
		strcpy(n->op, PICK(bits));
		n->l = random_number(depth - 1, true);
		n->r = random_number(depth - 1, true);
		if (n->op[1] && rnd(3)) {
			n->r = make(NUM);
			n->r->i = rnd(66) - 1;
		}
		return n;
	}
	if (what == 13) {
		static const char *const literal[] = { "\"\"", "\"a\"", "\"abc\"", "\"abcdefgh\"", "\"abcdefghijklmnop\"", "\"*\"",
			"\"a*\"", "\"ab*\"", "\"*c\"", "\"a*c*\"", "\"*b*\"", "\"b\\*\"", "\"a\\\\b\"", "\"abcdefghijklmnopq\"",
			"\"abcdefghijklmno\"", "\"\\xff*\"" };

		n = make(TEXTS);
		strcpy(n->op, PICK(compares));
		n->text = plain || rnd(2) ? "name" : "s";
		n->right = plain ? literal[rnd(5)] : rnd(5) ? PICK(literal) : rnd(2) ? "name" : "s";
		if (strchr(n->right, '*') || plain)
			n->op[0] = "=!"[rnd(2)], n->op[1] = '=', n->op[2] = 0;
		return n;
	}
	n = make(BIN);
	strcpy(n->op, what < 12 ? PICK(compares) : rnd(2) ? "&&" : "||");
	n->l = random_number(depth - 1, false);
	n->r = random_number(depth - 1, false);
	return n;
}

static size_t print(const struct node *n, char *to)
{
	size_t k = 0;

	switch (n->kind) {
	case NUM:
		return (size_t)sprintf(to, rnd(2) && n->i >= 0 ? "0x%llx" : "(%lld)", (long long)n->i == INT64_MIN ? 0 : (long long)n->i);
	case DBL: return (size_t)sprintf(to, signbit(n->d) ? "(%.17e)" : "%.17e", n->d);
	case FIELD: return (size_t)sprintf(to, "%s", fields[n->field].name);
	case ELEM: return (size_t)sprintf(to, "%s[%lld]", fields[n->field].name, (long long)n->i);
	case UN:
		k = (size_t)sprintf(to, "%s(", n->op);
		k += print(n->l, to + k);
		return k + (size_t)sprintf(to + k, ")");
	case TEXTS: return (size_t)sprintf(to, "(%s %s %s)", n->text, n->op, n->right);
	default:
		k = (size_t)sprintf(to, "(");
		k += print(n->l, to + k);
		k += (size_t)sprintf(to + k, " %s ", n->op);
		k += print(n->r, to + k);
		return k + (size_t)sprintf(to + k, ")");
	}
}

static struct value number(int64_t i) { return (struct value){ false, i, 0 }; }

static struct value load(const struct event *ev, const struct uebpf_field *f, uint32_t at, uint32_t size)
{
	const uint8_t *p = (const uint8_t *)ev + f->offset + at;
	uint8_t copy[8] = { 0 };
	uint64_t v = 0;
	float g;

	if (f->kind == UEBPF_FIELD_MEM)
		p = (const uint8_t *)ev->seq + at;
	for (uint32_t i = 0; i < size; i++)
		copy[i] = p[f->big_endian ? size - 1 - i : i];
	if (f->value == UEBPF_VALUE_FLOAT) {
		struct value out = { true, 0, 0 };

		if (size == 8)
			memcpy(&out.d, copy, 8);
		else
			memcpy(&g, copy, 4), out.d = (double)g;
		return out;
	}
	memcpy(&v, copy, 8);
	if (f->value == UEBPF_VALUE_SIGNED && size < 8)
		v = (uint64_t)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
	return number((int64_t)v);
}

/* A pattern, by the definition. */
static bool glob(const char *p, size_t np, const char *t)
{
	if (!np)
		return !*t;
	if (*p == '*') {
		for (;; t++) {
			if (glob(p + 1, np - 1, t))
				return true;
			if (!*t)
				return false;
		}
	}
	if (*p == '\\' && np > 1)
		p++, np--;
	return *t && *p == *t && glob(p + 1, np - 1, t + 1);
}

static const char *text_of(const struct event *ev, const char *name, char buf[17])
{
	if (!strcmp(name, "s")) {
		rejected |= !ev->s;
		return ev->s ? ev->s : "";
	}
	memcpy(buf, ev->name, 16);
	buf[16] = 0;
	return buf;
}

static bool by_order(const char *op, int order)
{
	return !strcmp(op, "==") ? order == 0 : !strcmp(op, "!=") ? order != 0 : !strcmp(op, "<") ? order < 0 :
	       !strcmp(op, ">") ? order > 0 : !strcmp(op, "<=") ? order <= 0 : order >= 0;
}

/* LTTng's order of texts: by bytes as signed, the end before any. */
static int order(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	if (!*a || !*b)
		return (*a != 0) - (*b != 0);
	return (signed char)*a < (signed char)*b ? -1 : *a != *b;
}

static struct value walk_texts(const struct event *ev, const struct node *n)
{
	char a[17], b[17], literal[64];
	const char *left = text_of(ev, n->text, a), *right = literal;
	size_t len = 0;
	bool star = false;

	if (n->right[0] != '"')
		return right = text_of(ev, n->right, b), number(by_order(n->op, order(left, right)));
	for (const char *p = n->right + 1; *p != '"'; p++) {
		star |= *p == '*' && p[-1] != '\\';
		if (*p == '\\' && p[1] == 'x')
			literal[len++] = '\xff', p += 3;
		else
			literal[len++] = *p;
	}
	literal[len] = 0;
	if (star)
		return number(glob(literal, len, left) == (n->op[0] == '='));
	for (char *p = literal; *p; p++)		/* escapes of a plain text */
		if (*p == '\\')
			memmove(p, p + 1, strlen(p));
	return number(by_order(n->op, order(left, right)));
}

static int64_t cut(struct value v)
{
	return !v.floating ? v.i : v.d >= -0x1p63 && v.d < 0x1p63 ? (int64_t)v.d : INT64_MIN;
}

static struct value walk(const struct event *ev, const struct node *n)
{
	struct value l, r;
	bool keep;

	switch (n->kind) {
	case NUM: return number(n->i == INT64_MIN ? 0 : n->i);
	case DBL: return (struct value){ true, 0, n->d };
	case FIELD: return load(ev, &fields[n->field], 0, fields[n->field].size);
	case ELEM:
		if (n->field == 13 && (!ev->seq || (n->i + 1) * 2 > (int64_t)ev->len)) {
			rejected = true;
			return number(0);
		}
		return load(ev, &fields[n->field], (uint32_t)n->i * (n->field == 13 ? 2 : 1), n->field == 13 ? 2 : 1);
	case TEXTS: return walk_texts(ev, n);
	case UN:
		l = walk(ev, n->l);
		if (n->op[0] == '!')
			return number(l.floating ? !l.d : !l.i);
		if (n->op[0] == '~')
			return number(~l.i);
		if (n->op[0] == '-')
			l.d = -l.d, l.i = (int64_t)(0 - (uint64_t)l.i);
		return l;
	default: break;
	}
	if (!strcmp(n->op, "&&") || !strcmp(n->op, "||")) {
		l = number(cut(walk(ev, n->l)));
		keep = (n->op[0] == '&') == !l.i;
		if (rejected || keep)
			return number(l.i != 0);
		return number(cut(walk(ev, n->r)));
	}
	l = walk(ev, n->l);
	r = walk(ev, n->r);
	if (strchr("&|^", n->op[0]))
		return number(n->op[0] == '&' ? l.i & r.i : n->op[0] == '|' ? l.i | r.i : l.i ^ r.i);
	if (!strcmp(n->op, "<<") || !strcmp(n->op, ">>")) {
		if ((uint64_t)r.i > 63) {
			rejected = true;
			return number(0);
		}
		return number((int64_t)(n->op[0] == '<' ? (uint64_t)l.i << r.i : (uint64_t)l.i >> r.i));
	}
	if (l.floating || r.floating) {
		double a = l.floating ? l.d : (double)l.i, b = r.floating ? r.d : (double)r.i;

		if (a != a || b != b)
			return number(n->op[0] == '!');
		return number(by_order(n->op, a < b ? -1 : a > b));
	}
	return number(by_order(n->op, l.i < r.i ? -1 : l.i > r.i));
}

static bool wanted(const struct event *ev, const struct node *n)
{
	struct value v;

	rejected = false;
	v = walk(ev, n);
	return !rejected && v.i != 0;
}

/* ---- differential ---- */

static const struct { const char *name; uint32_t mode, engine; } arms[] = {
	{ "verified jit", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_AUTO }, { "verified interp", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP },
	{ "checked interp", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP }, { "checked jit", UEBPF_MODE_CHECKED, UEBPF_ENGINE_AUTO },
	{ "trusted jit", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_AUTO },
};
enum { ARMS = sizeof(arms) / sizeof(*arms), EVENTS = 40 };

static struct uebpf_object *open_filter(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_filter(env, text, type, NULL, &err);

	ck_assert_msg(obj != NULL, "%s: %s", text, err.text);
	return obj;
}

static void load_arm(struct uebpf_object *obj, int arm, const char *text)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .mode = arms[arm].mode, .engine = arms[arm].engine };
	struct uebpf_error err;

	ck_assert_msg(!uebpf_object_load(obj, &o, &err), "%s (%s): %s\n%s", text, arms[arm].name, err.text,
		      uebpf_object_log(obj));
}

START_TEST(random_expressions_mean_the_same_everywhere)
{
	struct uebpf_env *env = event_env();
	int n = getenv("SOAK") ? 20000 : 600;
	char text[65536];
	struct event ev[EVENTS];
	unsigned accepted = 0;

	for (int k = 0; k < n; k++) {
		struct node *root;

		plain = false;
		used = 0;
		do
			root = random_number(1 + (int)rnd(5), false);
		while (is_floating(root));
		print(root, text);
		for (int i = 0; i < EVENTS; i++)
			random_event(&ev[i]);
		for (int arm = 0; arm < ARMS; arm++) {
			struct uebpf_error err;
			struct uebpf_object *obj = uebpf_object_open_filter(env, text, "event", NULL, &err);

			ck_assert_msg(obj != NULL, "%s: %s", text, err.text);

			load_arm(obj, arm, text);
			for (int i = 0; i < EVENTS; i++) {
				bool want = wanted(&ev[i], root);
				uint64_t r0 = 77;
				int rc = uebpf_prog_run(uebpf_object_prog(obj, NULL), &ev[i], sizeof(ev[i]), NULL, &r0);

				ck_assert_msg(!rc && r0 == want, "%d: %s (%s): %d %llu, the reference says %d", k, text,
					      arms[arm].name, rc, (unsigned long long)r0, want);
				accepted += want && !arm;
			}
			uebpf_object_free(obj);
		}
	}
	ck_assert_uint_gt(accepted, (unsigned)n * EVENTS / 10);		/* not all one answer */
	ck_assert_uint_lt(accepted, (unsigned)n * EVENTS / 10 * 9);
	uebpf_env_free(env);
}
END_TEST

/* ---- elsewhere ---- */

static void *saved(struct uebpf_env *env, const char *text, size_t *len)
{
	struct uebpf_object *obj = open_filter(env, text, "event");
	struct uebpf_error err;
	long n = uebpf_object_save(obj, NULL, 0, &err);
	void *data = malloc(n > 0 ? (size_t)n : 1);

	ck_assert_msg(n > 0, "%s: %s", text, err.text);
	ck_assert_int_eq(uebpf_object_save(obj, data, (size_t)n, &err), n);
	uebpf_object_free(obj);
	*len = (size_t)n;
	return data;
}

#ifdef HAVE_LIBBPF
static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

/* The .BTF of a saved filter as a file, the target of libbpf's relocations. */
static void write_btf(const uint8_t *elf, const char *path)
{
	uint64_t shoff, off = 0, size = 0;
	FILE *f = fopen(path, "wb");

	memcpy(&shoff, elf + 40, 8);
	memcpy(&off, elf + shoff + 4 * 64 + 24, 8);
	memcpy(&size, elf + shoff + 4 * 64 + 32, 8);
	ck_assert_int_eq(elf[off], 0x9f);
	fwrite(elf + off, 1, size, f);
	fclose(f);
}

START_TEST(saved_filters_mean_the_same_in_the_kernel)
{
	struct uebpf_env *env = event_env();
	char text[65536], path[] = "/tmp/uebpf-filter-XXXXXX";
	int fd = mkstemp(path), n = getenv("SOAK") ? 2000 : 60, ran = 0;

	libbpf_set_print(quiet);
	close(fd);
	for (int k = 0; k < n; k++) {
		struct bpf_object_open_opts oo = { .sz = sizeof(oo), .btf_custom_path = path, .object_name = "filter" };
		struct bpf_object *obj;
		struct bpf_program *prog;
		struct node *root;
		size_t len;
		void *data;
		int rc;

		plain = true;
		used = 0;
		do
			root = random_number(1 + (int)rnd(4), true);
		while (root->kind == NUM || is_floating(root));
		print(root, text);
		data = saved(env, text, &len);
		write_btf(data, path);
		obj = bpf_object__open_mem(data, len, &oo);
		ck_assert_msg(obj != NULL, "libbpf cannot open %s: %s", text, strerror(errno));
		prog = bpf_object__find_program_by_name(obj, "filter");
		bpf_program__set_type(prog, BPF_PROG_TYPE_RAW_TRACEPOINT);
		rc = bpf_object__load(obj);
		if (rc == -EPERM && !ran) {
			printf("skip: the kernel lets this user load no programs\n");
			bpf_object__close(obj);
			free(data);
			break;
		}
		/* the kernel refuses code that it can see is never reached */
		ck_assert_msg(!rc || rc == -EINVAL, "%s: %d", text, rc);
		for (int i = 0; !rc && i < EVENTS; i++) {
			struct event ev;
			struct bpf_test_run_opts ro = { .sz = sizeof(ro), .ctx_in = &ev, .ctx_size_in = sizeof(ev) };

			random_event(&ev);
			ck_assert_int_eq(bpf_prog_test_run_opts(bpf_program__fd(prog), &ro), 0);
			ck_assert_msg(ro.retval == wanted(&ev, root), "%s: kernel %u", text, ro.retval);
		}
		ran += !rc;
		bpf_object__close(obj);
		free(data);
	}
	ck_assert_msg(!ran || ran > n / 2, "the kernel took %d of %d", ran, n);
	unlink(path);
	uebpf_env_free(env);
}
END_TEST
#endif

/* The same event elsewhere: other order, other sizes. */
struct other {
	int64_t pad;
	char name[16];
	uint64_t a;
	int16_t b;
	const char *s;
	uint16_t be;
	double h;
};
#define O(m, ...) { .name = #m, .offset = offsetof(struct other, m), .size = sizeof(((struct other *)0)->m), __VA_ARGS__ }
static const struct uebpf_field other_fields[] = {
	O(name, TEXT, .kind = UEBPF_FIELD_BYTES), O(a, .value = 0), O(b, SIGNED),
	O(s, TEXT, .kind = UEBPF_FIELD_CSTR, .nullable = 1), O(be, .value = 0), O(h, FLOAT),
};

static struct uebpf_env *other_env(void)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_type_opts t = { .size = sizeof(t), .name = "event", .ctx_size = sizeof(struct other),
				     .fields = other_fields, .nr_fields = 6 };
	struct uebpf_error err;

	ck_assert_msg(!uebpf_env_add_type(env, &t, &err), "%s", err.text);
	return env;
}

static const struct { const char *text; int verdict; const char *refused; } elsewhere[] = {
	{ "a == 42 && b < 0 && name == \"eth0\"", 1, NULL },
	{ "a == 42 && name == \"eth\"", 0, NULL },
	{ "s == \"hello*\" && h > 1.5 && a & 2", 1, NULL },
	{ "s == \"*l*o wor*d\" || a == 1", 1, NULL },
	{ "name == \"*0\" && $ctx.vtid > 0", 1, NULL },
	{ "s == name || b == -7", 1, NULL },
	{ "c == 1", 0, "event.c" },
	{ "be == 80", 0, "event.be" },
	{ "list[2] == 1", 0, "event.list" },
};

START_TEST(compiled_in_one_process_run_in_another)
{
	enum { N = sizeof(elsewhere) / sizeof(*elsewhere) };
	struct uebpf_env *env;
	int pair[2], status;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	pid = fork();
	if (!pid) {		/* compiles */
		env = event_env();
		for (int i = 0; i < N; i++) {
			size_t len;
			void *data = saved(env, elsewhere[i].text, &len);

			if (send(pair[1], data, len, 0) != (ssize_t)len)
				_exit(1);
			free(data);
		}
		_exit(0);
	}
	env = other_env();
	for (int i = 0; i < N; i++) {
		struct other ev = { .a = 42, .b = -7, .name = "eth0", .s = "hello world", .h = 2.5, .be = 80 };
		static uint8_t data[65536];
		ssize_t len = recv(pair[0], data, sizeof(data), 0);
		struct uebpf_error err = { 0 };
		struct uebpf_object *obj;
		uint64_t r0 = 99;
		int rc;

		ck_assert_int_gt(len, 0);
		obj = uebpf_object_open_memory(env, data, (size_t)len, NULL, &err);
		ck_assert_msg(obj != NULL, "%s: %s", elsewhere[i].text, err.text);
		rc = uebpf_object_load(obj, NULL, &err);
		if (elsewhere[i].refused) {
			ck_assert_int_ne(rc, 0);
			ck_assert_msg(strstr(err.text, elsewhere[i].refused) != NULL, "%s: %s", elsewhere[i].text, err.text);
		} else {
			ck_assert_msg(!rc, "%s: %s", elsewhere[i].text, err.text);
			ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &ev, sizeof(ev), NULL, &r0), 0);
			ck_assert_msg(r0 == (uint64_t)elsewhere[i].verdict, "%s: %llu", elsewhere[i].text,
				      (unsigned long long)r0);
		}
		uebpf_object_free(obj);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(pair[0]);
	close(pair[1]);
	uebpf_env_free(env);
}
END_TEST

/* ---- what is refused, and where ---- */

static const struct { const char *text; uint32_t column; const char *says; } bad[] = {
	{ "", 1, "empty" }, { "   ", 4, "empty" }, { "a ==", 5, "ends here" }, { "a = 1", 3, "'=='" }, { "a == 1 &&", 10, "ends" },
	{ "(a == 1", 8, "')'" }, { "a == 1)", 7, "operator" }, { "a == 1 b == 2", 8, "operator" }, { "a + 1 == 2", 3, "arithmetic" },
	{ "a * 2", 3, "arithmetic" }, { "nothing == 1", 1, "no field nothing" }, { "a == 1 && nam == \"x\"", 11, "no field nam" },
	{ "a == \"x\"", 1, "strings compare with strings" }, { "s == 1", 6, "strings" }, { "name", 1, "a string" }, { "h", 1, "a double" },
	{ "\"a\" == \"b\"", 5, "two constant" }, { "s < \"a*\"", 5, "patterns" }, { "a == 09", 6, "not a number" },
	{ "a == 0x", 6, "digits" }, { "a == 1x", 6, "not a number" }, { "a == 18446744073709551616", 6, "64 bits" },
	{ "a == 1.5.2", 6, "not a number" }, { "h == 1e", 6, "digits" }, { "s == \"abc", 6, "no end" }, { "s == \"a\\qb\"", 8, "escape" },
	{ "list == 1", 1, "an array" }, { "list[8] == 1", 5, "8 elements" }, { "a[0] == 1", 2, "indexed" },
	{ "list[b] == 1", 6, "constant" }, { "list[1 == 1", 8, "']'" }, { "~h == 1", 2, "a double" }, { "h & 1", 1, "a double" },
	{ "$ctx.nope == 1", 1, "no context $ctx.nope" }, { "$app.p:t == 1", 1, "no context $app.p:t" }, { "$foo == 1", 1, "$ctx.NAME" },
	{ "$app.x == 1", 1, "PROVIDER:TYPE" }, { "!s", 2, "a string" }, { "s && a", 1, "a string" }, { "color == PINK", 10, "no field PINK" },
	{ "s == \"a\\", 8, "escape" }, { "@", 1, "expected" }, { "a == 'ab'", 6, "one byte" }, { "!", 2, "ends here" }, { "a ==== 1", 5, "expected" },
};

START_TEST(errors_point_at_the_column)
{
	struct uebpf_env *env = event_env();
	struct uebpf_error err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *caret;

		ck_assert_msg(!uebpf_object_open_filter(env, bad[i].text, "event", NULL, &err), "%s was taken", bad[i].text);
		ck_assert_msg(err.column == bad[i].column && strstr(err.text, bad[i].says), "%s: column %u: %s", bad[i].text,
			      err.column, err.text);
		caret = strrchr(err.text, '\n') + 1;
		ck_assert_msg(strlen(caret) == err.column + 2 && caret[err.column + 1] == '^', "%s", err.text);
	}
	ck_assert(!uebpf_object_open_filter(env, "a == 1", "nothing", NULL, &err) && strstr(err.text, "no event type nothing"));
	for (int deep = 100; deep <= 100000; deep *= 10) {	/* neither crash nor endless recursion */
		char *text = malloc((size_t)deep * 2 + 8);

		memset(text, '(', (size_t)deep);
		text[deep] = '1';
		memset(text + deep + 1, ')', (size_t)deep);
		text[2 * deep + 1] = 0;
		uebpf_object_free(uebpf_object_open_filter(env, text, "event", NULL, &err));
		memset(text, '!', (size_t)deep);
		text[deep] = 'a', text[deep + 1] = 0;
		uebpf_object_free(uebpf_object_open_filter(env, text, "event", NULL, &err));
		free(text);
	}
	uebpf_env_free(env);
}
END_TEST

/* ---- single meanings ---- */

static int verdict(struct uebpf_env *env, const char *text, struct event *ev)
{
	struct uebpf_object *obj = open_filter(env, text, "event");
	uint64_t r0 = 99;

	load_arm(obj, 0, text);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), ev, sizeof(*ev), NULL, &r0), 0);
	uebpf_object_free(obj);
	return (int)r0;
}

START_TEST(patterns)
{
	static const struct { const char *pattern, *yes, *no; } set[] = {
		{ "*", "", NULL }, { "**", "x", NULL }, { "a*", "a|abc", "b|ba|" }, { "*a", "a|ba|aaa", "ab|" }, { "*a*", "a|bab", "b|" },
		{ "a*b", "ab|axb|abab", "a|b|abx" }, { "a*b*c", "abc|axbxc|abbcc", "ac|abcx" }, { "*a*b*", "ab|xaxbx", "ba" },
		{ "\\*", "*", "a|**" }, { "a\\*b*", "a*b|a*bc", "axb" }, { "*.c", "x.c|.c", "x.h|xc" }, { "a\\\\*", "a\\|a\\b", "ab" },
		{ "some*stuff*here*", "somestuffhere|some x stuff y here z", "somestuff" },
		{ "*aab", "aaab|aab", "aabb|ab" }, { "*ab*ab*ab", "ababab|xabyabzab", "abab" },
	};
	struct uebpf_env *env = event_env();

	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++)
		for (int side = 0; side < 2; side++) {
			char list[128], text[128], *at = list, *one;

			if (!(side ? set[i].no : set[i].yes))
				continue;
			strcpy(list, side ? set[i].no : set[i].yes);
			while ((one = strsep(&at, "|"))) {
				struct event ev = { .s = one };

				memcpy(ev.name, one, strlen(one) < 16 ? strlen(one) : 16);
				for (int f = 0; f < 2; f++) {
					if (f && strlen(one) > 16)
						continue;
					snprintf(text, sizeof(text), "%s == \"%s\"", f ? "name" : "s", set[i].pattern);
					ck_assert_msg(verdict(env, text, &ev) == !side, "%s over \"%s\"", text, one);
					snprintf(text, sizeof(text), "!(%s != \"%s\")", f ? "name" : "s", set[i].pattern);
					ck_assert_msg(verdict(env, text, &ev) == !side, "%s over \"%s\"", text, one);
				}
			}
		}
	uebpf_env_free(env);
}
END_TEST

START_TEST(labels_constants_and_precedence)
{
	static const char *const yes[] = {
		"color == GREEN", "color == \"GREEN\"", "GREEN == color", "color != RED && color > BLUE", "a == 0x2a", "a == 052", "a == 42UL",
		"a == '*'", "a == 42 || a == 1 && a == 2", "!(a == 1)", "!a == 0", "a & 2 && 1", "(a & 3) == 2", "a >> 1 == 21", "1 << 4 == 16",
		"-1 < 0", "e == -1", "e < 0", "h == 2.5", "h == 25e-1", "h > 2", "g == -0.5", "42 == a", "name == \"eth0\"", "!(s == \"x\") || 1",
		"list[3] == 9", "len == 0", "a", "-a", "~a", "a\t==\n42", "be == 80",
	};
	struct event ev = { .a = 42, .color = 2, .e = UINT64_MAX, .h = 2.5, .g = -0.5f, .name = "eth0", .s = "y", .list = { 0, 0, 0, 9 },
			    .be = __builtin_bswap16(80) };
	struct uebpf_env *env = event_env();

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		ck_assert_msg(verdict(env, yes[i], &ev) == 1, "%s", yes[i]);
	ck_assert_int_eq(verdict(env, "a << 64 == 0 || 1", &ev), 0);		/* rejects */
	ev.s = NULL;
	ck_assert_int_eq(verdict(env, "s == \"x\" || 1", &ev), 0);
	ck_assert_int_eq(verdict(env, "1 || s == \"x\"", &ev), 1);
	ck_assert_int_eq(verdict(env, "seq[0] == 1 || 1", &ev), 0);
	uebpf_env_free(env);
}
END_TEST

/* ---- contexts and types come and go ---- */

static uint64_t seven(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	(void)r1, (void)r2, (void)r3, (void)r4, (void)r5, (void)call;
	return 7;
}
static uint64_t half(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	double d = 0.5;
	uint64_t bits;

	(void)r1, (void)r2, (void)r3, (void)r4, (void)r5, (void)call;
	memcpy(&bits, &d, 8);
	return bits;
}
static uint64_t who(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	(void)r2, (void)r3, (void)r4, (void)r5;
	if (uebpf_call_helper_host(call))
		return (uint64_t)-ENOENT;
	strcpy((char *)(uintptr_t)r1, "me and you");
	return 0;
}

START_TEST(contexts)
{
	struct uebpf_env *env = event_env();
	struct event ev = { .a = 7 };
	struct uebpf_object *obj;
	struct uebpf_error err;
	int id = uebpf_env_add_helper(env, 0, "app.shop:cart", "u64 ()", seven, NULL, &err), none;

	ck_assert_int_gt(id, 0);
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "ctx.load", "double ()", half, NULL, &err), 0);
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "ctx.user", "long (mem_out:32)", who, NULL, &err), 0);
	none = uebpf_env_add_helper(env, 0, "ctx.none", "long (mem_out:32)", who, env, &err);
	ck_assert_int_gt(none, 0);
	ck_assert_int_eq(verdict(env, "$app.shop:cart == a", &ev), 1);
	ck_assert_int_eq(verdict(env, "(a ^ $app.shop:cart) == 0 && ($app.shop:cart << 1) == (a ^ 9)", &ev), 1);
	ck_assert_int_eq(verdict(env, "$ctx.load == 0.5 && $ctx.load < a", &ev), 1);
	ck_assert_int_eq(verdict(env, "$ctx.user == \"me and you\" && $ctx.user == \"me*\" && $ctx.user == \"*you\"", &ev), 1);
	ck_assert_int_eq(verdict(env, "$ctx.user > \"me\" && $ctx.user != name", &ev), 1);
	ck_assert_int_eq(verdict(env, "$ctx.none == \"x\" || 1", &ev), 0);
	ck_assert_int_eq(verdict(env, "$ctx.vpid > 0 && $ctx.vtid > 0 && $ctx.cpu_id >= 0 && $ctx.procname != \"\"", &ev), 1);
	obj = open_filter(env, "$app.shop:cart == 7", "event");
	load_arm(obj, 0, "cart");
	ck_assert_int_eq(uebpf_env_remove_helper(env, (uint32_t)id), -EBUSY);
	ck_assert_int_eq(uebpf_env_remove_type(env, "event"), -EBUSY);
	uebpf_object_free(obj);
	ck_assert_int_eq(uebpf_env_remove_helper(env, (uint32_t)id), 0);
	ck_assert(!uebpf_object_open_filter(env, "$app.shop:cart == 7", "event", NULL, &err));
	ck_assert_int_eq(uebpf_env_remove_type(env, "event"), 0);
	ck_assert(!uebpf_object_open_filter(env, "a == 7", "event", NULL, &err));
	uebpf_env_free(env);
}
END_TEST

/* What the compiler never writes, a program from elsewhere may hold. */
START_TEST(nullable_strings_must_be_tested)
{
	struct uebpf_env *env = event_env();
	struct uebpf_open_opts o = { .size = sizeof(o), .type = "event" };
	struct uebpf_helper_info info = { .size = sizeof(info) };
	struct uebpf_error err;
	char text[256];

	ck_assert_int_eq(uebpf_env_helper(env, "filter_str", &info), 0);
	for (int tested = 0; tested < 2; tested++) {
		struct uebpf_object *obj;

		snprintf(text, sizeof(text), "r1 = *(u64 *)(r1 + %zu)\nr0 = 0\n%sr2 = r1\ncall %u\nend:\nexit\n", offsetof(struct event, s),
			 tested ? "if r1 == 0 goto end\n" : "", info.id);
		obj = uebpf_object_open_text(env, text, &o, &err);
		ck_assert_msg(obj != NULL, "%s", err.text);
		ck_assert_int_eq(!uebpf_object_load(obj, NULL, &err), tested);
		ck_assert_msg(tested || strstr(err.text, "may be NULL"), "%s", err.text);
		uebpf_object_free(obj);
	}
	uebpf_env_free(env);
}
END_TEST

/* ---- types from BTF ---- */

START_TEST(event_type_from_btf)
{
	OBJECT(path, "event.bpf.c", "-g -O2");
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct bytes file = slurp(path);
	struct uebpf_error err;
	struct uebpf_field f;
	uint32_t size = 0;
	struct { int32_t id; char name[8]; uint32_t color; const char *text; struct { uint16_t x, y; } at; double d; } ev = {
		-5, "abc", 2, "hello", { 3, 4 }, 1.5 };
	static const char *const yes[] = { "id == -5", "name == \"abc\"", "color == EV_GREEN", "text == \"h*o\"", "at.y == 4", "d > 1" };

	ck_assert_msg(!uebpf_env_add_type_btf(env, "ev", file.data, file.len, &err), "%s", err.text);
	ck_assert_int_eq(uebpf_env_type_field(env, "ev", 0, &f, &size), 0);
	ck_assert_uint_eq(size, sizeof(ev));
	ck_assert_int_eq(f.value, UEBPF_VALUE_SIGNED);
	ck_assert_int_eq(uebpf_env_type_field(env, "ev", 7, &f, NULL), -ENOENT);
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		struct uebpf_object *obj = open_filter(env, yes[i], "ev");
		uint64_t r0 = 0;

		load_arm(obj, 0, yes[i]);
		ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &ev, sizeof(ev), NULL, &r0), 0);
		ck_assert_msg(r0 == 1, "%s", yes[i]);
		uebpf_object_free(obj);
	}
	ck_assert_int_eq(uebpf_env_add_type_btf(env, "nosuch", file.data, file.len, &err), -ENOENT);
	/* its own program, with CO-RE against the env's type */
	free(file.data);
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *tc = test_case("filter", getenv("SOAK") ? 3600 : 120);

	tcase_add_test(tc, random_expressions_mean_the_same_everywhere);
#ifdef HAVE_LIBBPF
	tcase_add_test(tc, saved_filters_mean_the_same_in_the_kernel);
#else
	printf("skip: filters in the kernel: this build has no libbpf\n");
#endif
	tcase_add_test(tc, compiled_in_one_process_run_in_another);
	tcase_add_test(tc, errors_point_at_the_column);
	tcase_add_test(tc, patterns);
	tcase_add_test(tc, labels_constants_and_precedence);
	tcase_add_test(tc, contexts);
	tcase_add_test(tc, nullable_strings_must_be_tested);
	tcase_add_test(tc, event_type_from_btf);
	return run_tests();
}
