/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_cases_test.c - filter expressions one by one: what is refused and where, patterns, labels, contexts, types
 * that come and go, filters that are compiled in one process and run in another. */
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
	{ "a * 2", 3, "arithmetic" }, { "nothing == 1", 1, "no field nothing; it has" }, { "a == 1 && nam == \"x\"", 11, "no field nam, but name; it has" },
	{ "a == \"x\"", 1, "strings compare with strings" }, { "s == 1", 6, "strings" }, { "name", 1, "a string" }, { "h", 1, "a double" },
	{ "\"a\" == \"b\"", 5, "two constant" }, { "s < \"a*\"", 5, "patterns" }, { "a == 09", 6, "not a number" },
	{ "a == 0x", 6, "digits" }, { "a == 1x", 6, "not a number" }, { "a == 18446744073709551616", 6, "64 bits" },
	{ "a == 1.5.2", 6, "not a number" }, { "h == 1e", 6, "digits" }, { "s == \"abc", 6, "no end" }, { "s == \"a\\qb\"", 8, "escape" },
	{ "list == 1", 1, "an array" }, { "list[8] == 1", 5, "8 elements" }, { "a[0] == 1", 2, "indexed" },
	{ "list[b] == 1", 6, "constant" }, { "list[1 == 1", 8, "']'" }, { "~h == 1", 2, "a double" }, { "h & 1", 1, "a double" },
	{ "$ctx.nope == 1", 1, "no context $ctx.nope" }, { "$app.p:t == 1", 1, "no context $app.p:t" }, { "$foo == 1", 1, "$ctx.NAME" },
	{ "$app.x == 1", 1, "PROVIDER:TYPE" }, { "!s", 2, "a string" }, { "s && a", 1, "a string" }, { "color == PINK", 10, "no field PINK" },
	{ "s == \"a\\", 8, "escape" }, { "@", 1, "expected" }, { "a == /* 1", 6, "comment" }, { "a /", 3, "arithmetic" }, { "a.", 2, "operator" }, { "a->", 2, "operator" },
	{ "a == 1 /* x */ /* y", 16, "comment" }, { "$ctx", 1, "$ctx.NAME" }, { "L", 1, "no field L" }, { "a == L", 6, "no field L" }, { "$ctx . nope", 1, "no context $ctx.nope" }, { "a == 'ab'", 1, "strings" }, { "!", 2, "ends here" }, { "a ==== 1", 5, "expected" },
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
		/* as LTTng's own parser has it: bits before comparisons, comments, text in either quotes, C's suffixes */
		"a & 2 == 2", "2 == a & 2", "a | 1 == 43", "a ^ 1 != 42", "1 << 4 == 16", "a & 6 << 0 > 1", "a == 42 /* or not */ && b /**/ == 0",
		"a == 42 // the rest\n&& b == 0 // and", "// first\na", "h == 2.5f && h == 2.5L && h == 25.e-1", "h > 2.", "name == 'eth0'", "name == L'eth*'",
		"name == L\"eth0\"", "name == 'eth*'", "a == '*' && '*' == a", "a == L'*'", "'*' & a", "s == 'y'", "'y' == s", "color == 'GREEN'",
		"$ctx . vpid > 0", "$ctx->vpid > 0 && $ctx/* */.vtid > 0",
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
	TCase *tc = test_case("filter cases", 60);

	tcase_add_test(tc, compiled_in_one_process_run_in_another);
	tcase_add_test(tc, errors_point_at_the_column);
	tcase_add_test(tc, patterns);
	tcase_add_test(tc, labels_constants_and_precedence);
	tcase_add_test(tc, contexts);
	tcase_add_test(tc, nullable_strings_must_be_tested);
	tcase_add_test(tc, event_type_from_btf);
	return run_tests();
}
