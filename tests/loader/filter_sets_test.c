/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_sets_test.c - chains of && and || that ask the same integer fields time and again: random ones, also one in the
 * other and turned by !, mean in every engine what C says; long ones become shorter than their parts. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

struct event { uint8_t a; int8_t b; uint16_t c; int32_t d; uint32_t e; int64_t f; uint64_t g; };
#define FIELD(name_, value_) { .name = #name_, .offset = offsetof(struct event, name_), \
			       .size = sizeof(((struct event *)0)->name_), .value = UEBPF_VALUE_##value_ }
static const struct uebpf_field fields[] = { FIELD(a, UNSIGNED), FIELD(b, SIGNED), FIELD(c, UNSIGNED), FIELD(d, SIGNED),
					     FIELD(e, UNSIGNED), FIELD(f, SIGNED), FIELD(g, UNSIGNED) };
enum { FIELDS = sizeof(fields) / sizeof(*fields), EVENTS = 48, LEAVES = 48 };
static uint64_t seed = 0x2545f4914f6cdd1dull;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static int64_t value(const struct event *ev, int f)
{
	return f == 0 ? ev->a : f == 1 ? ev->b : f == 2 ? ev->c : f == 3 ? ev->d : f == 4 ? ev->e : f == 5 ? ev->f : (int64_t)ev->g;
}

/* Values that are close to each other, far apart by whole words, or at an end of some type. */
static int64_t number(void)
{
	static const int64_t ends[] = { 0, -1, 1, 127, 128, -128, 255, 256, 65535, 65536, INT32_MAX, INT32_MAX - 1, INT32_MIN + 1,
					INT32_MIN, UINT32_MAX, INT64_MAX };
	uint32_t how = rnd(8);

	return how < 4 ? (int64_t)rnd(24) - 4 : how < 6 ? 64 * (int64_t)rnd(20) : how < 7 ? (int64_t)rnd(1000) : ends[rnd(16)];
}

/* leaf: `field op number`; else a chain in brackets, perhaps turned. */
struct part { int field, op; int64_t number; int first, n; bool both, turned; };
static struct part part[4096];
static int used;

static bool holds(const struct part *p, const struct event *ev)
{
	int64_t v;
	bool all = p->both;

	if (p->n) {
		for (int i = 0; i < p->n; i++)
			all = p->both ? all && holds(&part[p->first + i], ev) : all || holds(&part[p->first + i], ev);
		return all != p->turned;
	}
	v = value(ev, p->field);
	return p->op == 0 ? v == p->number : p->op == 1 ? v != p->number : p->op == 2 ? v < p->number :
	       p->op == 3 ? v >= p->number : p->op == 4 ? v > p->number : v <= p->number;
}

static void make(struct part *p, int depth, bool both)
{
	*p = (struct part){ .both = both, .turned = !rnd(4), .n = 2 + (int)rnd(LEAVES >> 2 * (2 - depth)), .first = used };
	used += p->n;
	for (int i = 0, field = (int)rnd(FIELDS); i < p->n; i++) {
		struct part *q = &part[p->first + i];

		if (depth && !rnd(10)) {
			make(q, depth - 1, rnd(3) ? !both : both);
			continue;
		}
		if (!rnd(3))
			field = (int)rnd(FIELDS);
		/* such as often leave something to ask: in && what it is not, in || what it is */
		*q = (struct part){ .field = field, .op = rnd(5) ? both : (int)rnd(6), .number = number() };
	}
}

static char *print(const struct part *p, char *to)
{
	static const char *const op[] = { "==", "!=", "<", ">=", ">", "<=" };

	if (!p->n)
		return to + sprintf(to, "%s %s %lld", fields[p->field].name, op[p->op], (long long)p->number);
	to += sprintf(to, p->turned ? "!(" : "(");
	for (int i = 0; i < p->n; i++) {
		to += sprintf(to, "%s", !i ? "" : p->both ? " && " : " || ");
		to = print(&part[p->first + i], to);
	}
	return to + sprintf(to, ")");
}

static struct uebpf_env *make_env(void)
{
	struct uebpf_type_opts type = { .size = sizeof(type), .name = "e", .ctx_size = sizeof(struct event), .fields = fields,
					.nr_fields = FIELDS };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;

	ck_assert_msg(!uebpf_env_add_type(env, &type, &err), "%s", err.text);
	return env;
}

START_TEST(chains_mean_what_c_says)
{
	static const struct { uint32_t mode, engine; } arm[] = {
		{ UEBPF_MODE_VERIFIED, UEBPF_ENGINE_AUTO }, { UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP },
		{ UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP },
	};
	struct uebpf_env *env = make_env();
	int n = getenv("SOAK") ? 20000 : 400, yes = 0, no = 0;
	static char text[1 << 18];

	for (int k = 0; k < n; k++) {
		used = 1;
		make(&part[0], (int)rnd(3), rnd(2));
		print(&part[0], text);
		for (size_t a = 0; a < sizeof(arm) / sizeof(*arm); a++) {
			struct uebpf_load_opts how = { .size = sizeof(how), .mode = arm[a].mode, .engine = arm[a].engine };
			struct uebpf_error err;
			struct uebpf_object *obj = uebpf_object_open_filter(env, text, "e", NULL, &err);

			ck_assert_msg(obj && !uebpf_object_load(obj, &how, &err), "%s: %s", text, err.text);
			for (int i = 0; i < EVENTS; i++) {
				struct event ev = { (uint8_t)number(), (int8_t)number(), (uint16_t)number(), (int32_t)number(),
						    (uint32_t)number(), number(), (uint64_t)number() };
				uint64_t r0 = 7;
				bool want = holds(&part[0], &ev);

				ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &ev, sizeof(ev), NULL, &r0), 0);
				ck_assert_msg(r0 == want, "arm %zu: %d, C says %d: a %d b %d c %d d %d e %u f %lld g %llu: %s", a,
					      (int)r0, want, ev.a, ev.b, ev.c, ev.d, ev.e, (long long)ev.f,
					      (unsigned long long)ev.g, text);
				want ? yes++ : no++;
			}
			uebpf_object_free(obj);
		}
	}
	ck_assert_int_gt(yes, no / 20);
	ck_assert_int_gt(no, yes / 20);
	uebpf_env_free(env);
}
END_TEST

/* A full tree of fields with 2^depth leaves; its value. */
static int64_t tree(const struct event *ev, int depth, uint32_t at, char **to)
{
	int64_t l, r;

	if (!depth) {
		*to += sprintf(*to, "%s", fields[at % FIELDS].name);
		return value(ev, (int)(at % FIELDS));
	}
	*to += sprintf(*to, "(");
	l = tree(ev, depth - 1, 2 * at, to);
	*to += sprintf(*to, " %c ", "^|&^"[(at + (uint32_t)depth) % 4]);
	r = tree(ev, depth - 1, 2 * at + 1, to);
	*to += sprintf(*to, ")");
	return (at + (uint32_t)depth) % 4 == 1 ? (l | r) : (at + (uint32_t)depth) % 4 == 2 ? (l & r) : (l ^ r);
}

START_TEST(more_values_at_once_than_registers)
{
	struct uebpf_env *env = make_env();
	static char text[1 << 16];
	struct uebpf_error err;

	for (int depth = 1; depth < 9; depth++)
		for (int k = 0; k < 4; k++) {
			struct event ev = { 3, -5, 777, -100000, 4000000000, INT64_C(0x123456789abcd), UINT64_MAX - 12345 };
			struct uebpf_object *obj;
			char *to = text + sprintf(text, "(");
			int64_t want = tree(&ev, depth, 1, &to);
			uint64_t r0;

			/* With a context there are calls, and registers of another set. */
			snprintf(to, 64, "%s == %lld", k < 2 ? ")" : " | ($ctx.vpid & 0))", (long long)want + (k & 1));
			obj = uebpf_object_open_filter(env, text, "e", NULL, &err);
			ck_assert_msg(obj && !uebpf_object_load(obj, NULL, &err), "%s: %s", text, err.text);
			ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &ev, sizeof(ev), NULL, &r0), 0);
			ck_assert_msg(r0 == !(k & 1), "%d: %s", (int)r0, text);
			uebpf_object_free(obj);
		}
	uebpf_env_free(env);
}
END_TEST

/* Instructions of a filter. */
static int length(struct uebpf_env *env, const char *text)
{
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_filter(env, text, "e", NULL, &err);
	static char dump[65536];
	int n = 0;

	ck_assert_msg(obj && !uebpf_object_load(obj, NULL, &err), "%s", err.text);
	ck_assert_int_gt(uebpf_prog_dump(uebpf_object_prog(obj, NULL), "insns", dump, sizeof(dump)), 0);
	for (const char *p = dump; (p = strchr(p, '\n')); p++)
		n++;
	uebpf_object_free(obj);
	return n;
}

START_TEST(what_follows_is_not_asked)
{
	struct uebpf_env *env = make_env();

	ck_assert_int_eq(length(env, "d > 3 && d > 5 && d > 4"), length(env, "d > 5"));
	ck_assert_int_eq(length(env, "d == 3 || d == 7 || d == 3"), length(env, "d == 3 || d == 7"));
	ck_assert_int_eq(length(env, "d != 1000 && d < 10 && d != 9"), length(env, "d < 9"));
	ck_assert_int_eq(length(env, "a >= 0 && a <= 7 && a < 300"), length(env, "a <= 7"));
	ck_assert_int_lt(length(env, "d >= 1 && d <= 9 && d != 5 && d >= 0 && d <= 10"), 9);
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *c = test_case("filter sets", getenv("SOAK") ? 3600 : 120);

	tcase_add_test(c, chains_mean_what_c_says);
	tcase_add_test(c, what_follows_is_not_asked);
	tcase_add_test(c, more_values_at_once_than_registers);
	return run_tests();
}
