/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_bits_test.c - bit-fields and unions as event fields, straight from the BTF of C structs: the compiler's own
 * reading of the struct is what filters, programs and filters made for another struct have to agree with. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "tests/loader/filter_event.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"
#define BITS here
#include "tests/objects/bits.h"
#undef BITS
#define BITS there
#define ELSEWHERE
#include "tests/objects/bits.h"

static uint64_t seed = 0x2545f4914f6cdd1du;
static uint64_t rnd(void)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return seed >> 11;
}

/* What both structs have, by name. */
#define FIELDS(X) X("a", a) X("b", b) X("w", w) X("tiny", tiny) X("byte", byte) X("color", color) X("in.x", in.x) X("in.y", in.y) \
	X("u", u) X("v", v) X("lo", lo) X("hi", hi) X("arr[2]", arr[2]) X("flag", flag) X("un.n", un.n)
#define NAME(text, member) text,
#define GET(text, member) (int64_t)e->member,
#define PUT(text, member) to->member = e->member;
static const char *const names[] = { FIELDS(NAME) };
enum { NAMES = sizeof names / sizeof *names };

static void values(const struct here *e, int64_t out[NAMES])
{
	int64_t all[] = { FIELDS(GET) };

	memcpy(out, all, sizeof all);
}

static struct uebpf_env *env_of(struct bytes file)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;

	ck_assert_msg(!uebpf_env_add_type_btf(env, "bits", file.data, file.len, &err), "%s", err.text);
	return env;
}

static struct here random_event(void)
{
	struct here e;

	for (size_t i = 0; i < sizeof e; i++)
		((uint8_t *)&e)[i] = rnd() & 1 ? (uint8_t)rnd() : rnd() & 1 ? 0xff : 0;
	e.flag = rnd() & 1;
	e.s = "text";
	memcpy(e.in.name, "name", 4);
	return e;
}

static const struct { const char *op; } ops[] = { { "==" }, { "!=" }, { "<" }, { ">=" }, { ">" }, { "<=" } };

static bool holds(int64_t a, int op, int64_t b)
{
	return op == 0 ? a == b : op == 1 ? a != b : op == 2 ? a < b : op == 3 ? a >= b : op == 4 ? a > b : a <= b;
}

/* One comparison, or a chain about one field (which becomes one question, filter_sets.c).  e: what C says. */
static bool expression(char text[512], const int64_t v[NAMES])
{
	int f = (int)(rnd() % NAMES), n = rnd() % 3 ? 1 : 2 + (int)(rnd() % 7), len = 0;
	bool any = rnd() & 1, all = !any;

	for (int i = 0; i < n; i++) {
		int op = (int)(rnd() % 6);
		int64_t k = rnd() % 3 ? v[f] + (int64_t)(rnd() % 3) - 1 : (int64_t)(rnd() % 2000) - 1000;

		len += snprintf(text + len, 512 - (size_t)len, "%s%s %s %lld", i ? any ? " || " : " && " : "", names[f], ops[op].op, (long long)k);
		all = any ? all || holds(v[f], op, k) : all && holds(v[f], op, k);
	}
	return all;
}

static uint64_t verdict_of(const struct uebpf_object *obj, void *ev, size_t size)
{
	uint64_t r0 = 99;

	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), ev, size, NULL, &r0), 0);
	return r0;
}

START_TEST(filters_read_what_c_reads)
{
	OBJECT(path, "bits.bpf.c", "-g -O2");
	struct bytes file = slurp(path);
	struct uebpf_env *env = env_of(file);

	for (int i = 0; i < 1500; i++) {
		struct here ev = random_event();
		int64_t v[NAMES];
		char text[512];
		struct uebpf_object *obj;
		bool want;

		values(&ev, v);
		want = expression(text, v);
		obj = open_filter(env, text, "bits");
		load_arm(obj, i % ARMS, text);
		ck_assert_msg(verdict_of(obj, &ev, sizeof ev) == want, "%s (%s)", text, arms[i % ARMS].name);
		uebpf_object_free(obj);
	}
	static const char *const yes[] = { "s == \"t*\"", "in.name == \"name\"", "color == BITS_BLUE || color != BITS_BLUE", "un.d < 0 || un.d >= 0 || 1",
					   "address || !address" };
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		struct uebpf_object *obj = open_filter(env, yes[i], "bits");
		struct here ev = random_event();

		load_arm(obj, 0, yes[i]);
		ck_assert_msg(verdict_of(obj, &ev, sizeof ev) == 1, "%s", yes[i]);
		uebpf_object_free(obj);
	}
	free(file.data);
	uebpf_env_free(env);
}
END_TEST

/* Made for one struct, run over the other. */
START_TEST(saved_filters_find_bits_elsewhere)
{
	OBJECT(path, "bits.bpf.c", "-g -O2");
	OBJECT(other, "bits.bpf.c", "-g -O2 -DELSEWHERE");
	struct bytes file = slurp(path), file2 = slurp(other);
	struct uebpf_env *env = env_of(file), *env2 = env_of(file2);
	static const struct { const char *text, *says; } refused[] = {
		{ "plain == 1", "bits.plain has other bits" }, { "sign == 1", "bits.sign has another meaning" },
		{ "address", "bits.address" }, { "color == 1 && byte == 1 && plain > 3", "bits.plain" },
	};

	for (int i = 0; i < 1500; i++) {
		struct here ev = random_event(), *e = &ev;
		struct there moved, *to = &moved;
		struct uebpf_error err;
		struct uebpf_object *obj;
		char text[512];
		int64_t v[NAMES];
		size_t len;
		void *data;
		bool want;

		memset(&moved, (int)rnd(), sizeof moved);
		FIELDS(PUT)
		to->un.n = e->un.n;
		values(e, v);
		want = expression(text, v);
		data = saved_of(env, text, "bits", &len);
		obj = uebpf_object_open_memory(env2, data, len, NULL, &err);
		ck_assert_msg(obj != NULL, "%s: %s", text, err.text);
		load_arm(obj, i % ARMS, text);
		ck_assert_msg(verdict_of(obj, &moved, sizeof moved) == want, "%s (%s)", text, arms[i % ARMS].name);
		uebpf_object_free(obj);
		free(data);
	}
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct uebpf_error err = { 0 };
		size_t len;
		void *data = saved_of(env, refused[i].text, "bits", &len);
		struct uebpf_object *obj = uebpf_object_open_memory(env2, data, len, NULL, &err);

		ck_assert_msg(!obj || uebpf_object_load(obj, NULL, &err), "%s was taken", refused[i].text);
		ck_assert_msg(strstr(err.text, refused[i].says) != NULL, "%s: %s", refused[i].text, err.text);
		uebpf_object_free(obj);
		free(data);
	}
	free(file.data);
	free(file2.data);
	uebpf_env_free(env);
	uebpf_env_free(env2);
}
END_TEST

START_TEST(programs_in_c_read_them)
{
	OBJECT(path, "bits.bpf.c", "-g -O2");
	OBJECT(other, "bits.bpf.c", "-g -O2 -DELSEWHERE");
	struct bytes file = slurp(path), file2 = slurp(other);
	struct uebpf_env *env = env_of(file), *env2 = env_of(file2);
	struct here ev = { .a = 5, .w = 1001, .tiny = -2, .in = { .y = -1 } };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_memory(env, file.data, file.len, NULL, &err);
	uint64_t r0 = 99;

	ck_assert_msg(obj && !uebpf_object_load(obj, NULL, &err), "%s", err.text);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "direct"), &ev, sizeof ev, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 1);
	ev.in.y = 1;
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "direct"), &ev, sizeof ev, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 0);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "moved"), &ev, sizeof ev, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 1);
	uebpf_object_free(obj);
	/* its load takes three bits of a byte that all count there: refused, not misread */
	obj = uebpf_object_open_memory(env2, file.data, file.len, NULL, &err);
	ck_assert_ptr_nonnull(obj);
	uebpf_object_load(obj, NULL, &err);
	ck_assert_int_ne(uebpf_prog_error(uebpf_object_prog(obj, "moved"), &err), 0);
	ck_assert_msg(strstr(err.text, "other bits") != NULL, "%s", err.text);
	uebpf_object_free(obj);
	free(file.data);
	free(file2.data);
	uebpf_env_free(env);
	uebpf_env_free(env2);
}
END_TEST

int main(void)
{
	TCase *tc = test_case("filter bits", 60);

	tcase_add_test(tc, filters_read_what_c_reads);
	tcase_add_test(tc, saved_filters_find_bits_elsewhere);
	tcase_add_test(tc, programs_in_c_read_them);
	return run_tests();
}
