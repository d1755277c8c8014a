/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_test.c - what filter expressions mean: a tree-walk reference over random expressions and events, in every
 * mode and engine and in the kernel. */
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
#include "tests/loader/filter_event.h"
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
	ev->low = (uint16_t)rnd(32);
	ev->mid = (int16_t)((int)rnd(2048) - 1024);
	ev->one = rnd(2);
	ev->most = rnd(4) ? rnd(50) : rnd(1u << 31);
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
	if (f->bits) {
		v = v << (64 - f->bit - f->bits);
		return number(f->value == UEBPF_VALUE_SIGNED ? (int64_t)v >> (64 - f->bits) : (int64_t)(v >> (64 - f->bits)));
	}
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
	return !v.floating ? v.i : v.d >= -9223372036854775808.0 && v.d < 9223372036854775808.0 ? (int64_t)v.d : INT64_MIN;
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

enum { EVENTS = 40 };

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

int main(void)
{
	TCase *tc = test_case("filter", getenv("SOAK") ? 3600 : 120);

	tcase_add_test(tc, random_expressions_mean_the_same_everywhere);
#ifdef HAVE_LIBBPF
	tcase_add_test(tc, saved_filters_mean_the_same_in_the_kernel);
#else
	printf("skip: filters in the kernel: this build has no libbpf\n");
#endif
	return run_tests();
}
