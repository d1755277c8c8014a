/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* object_test.c - objects with maps and globals through the public API: adjust, bind, several programs,
 * prog_arrays and lifetimes, every allocation failing.  Compiles its C with clang. */
#include <stdbool.h>
#include <sys/stat.h>
#include "tests/api/api.h"

static const char source[] =
	"#define SEC(n) __attribute__((section(n), used))\n"
	"typedef unsigned int u32; typedef unsigned long long u64;\n"
	"#define __uint(n, v) int (*n)[v]\n"
	"#define __type(n, t) t *n\n"
	"#define __array(n, t) __typeof__(t) *n[]\n"
	"static long (*tail_call)(void *, void *, u32) = (void *)12;\n"
	"struct cell { u32 a, b; };\n"
	"struct { __uint(type, 1); __uint(max_entries, 16); __type(key, u32); __type(value, u64); } counts SEC(\".maps\");\n"
	"struct { __uint(type, 2); __uint(max_entries, 4); __type(key, u32); __type(value, struct cell); } cells SEC(\".maps\");\n"
	"int tail0(void *); int entry(void *, u64);\n"
	"struct { __uint(type, 3); __uint(max_entries, 4); __uint(key_size, 4); __array(values, int(void *)); }\n"
	"	jumps SEC(\".maps\") = { .values = { [0] = (void *)&tail0, [1] = (void *)&entry } };\n"
	"const volatile u32 limit = 7;\n"
	"volatile u32 seen = 1;\n"
	"volatile u64 zeroed;\n"
	"volatile struct cell pair = { 3, 4 };\n"
	"SEC(\"raw/tail0\") int tail0(void *m) { zeroed++; return 99; }\n"
	"SEC(\"raw/entry\") int entry(void *m, u64 len)\n"
	"{ seen++; if (len > limit) { tail_call(m, &jumps, 0); return 1; } return (int)(seen + limit); }\n"
	"SEC(\"raw/plain\") int plain(void *m, u64 len) { return pair.a + pair.b; }\n"
	"SEC(\"raw/wild\")\n"
	"int wild(char *m)\n"
	"{ return m[1000]; }\n"
	"SEC(\"fentry/foo\") int refused(void *m) { return 0; }\n"
	"char _license[] SEC(\"license\") = \"GPL\";\n";

static char object[4300];
static struct uebpf_env *env;

/* Compiled once, in the build tree. */
static bool compiled(void)
{
	static int state;
	char dir[4200], src[4300], line[9000];
	FILE *f;
	int n;

	if (!state) {
		snprintf(dir, sizeof(dir), "%s/tests/api/scratch", build_dir());
		mkdir(dir, 0777);
		snprintf(src, sizeof(src), "%s/object.bpf.c", dir);
		snprintf(object, sizeof(object), "%s/object.bpf.o", dir);
		f = fopen(src, "w");
		if (!f || fputs(source, f) < 0 || fclose(f))
			return false;
		if (system("clang --version >/dev/null 2>&1")) {
			puts("skip: no clang to compile the test's object");
			state = 2;
			return false;
		}
		n = snprintf(line, sizeof(line), "clang --target=bpf -O2 -g -Wall -Werror -c %s -o %s", src, object);
		if (n >= (int)sizeof(line) || system(line))
			exit(1);
		state = 1;
	}
	return state == 1;
}

static void setup(void)
{
	env = uebpf_env_new(NULL);
	ck_assert_ptr_nonnull(env);
}

static void teardown(void)
{
	uebpf_env_free(env);
}

static struct uebpf_object *open_it(struct uebpf_env *e)
{
	struct uebpf_open_opts o = { .size = sizeof(o), .type = "raw" };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_file(e, object, &o, &err);

	ck_assert_msg(obj != NULL, "%s", err.text);
	return obj;
}

static void load(struct uebpf_object *obj)
{
	struct uebpf_error err;

	ck_assert_msg(uebpf_object_load(obj, NULL, &err) == 0, "%s", err.text);
}

static uint64_t run(const struct uebpf_object *obj, const char *name, size_t len)
{
	const struct uebpf_prog *prog = uebpf_object_prog(obj, name);
	struct uebpf_run run = { .size = sizeof(run) };
	struct uebpf_error err;
	uint64_t r0 = 0;
	char mem[64];
	int rc;

	ck_assert_ptr_nonnull(prog);
	rc = uebpf_prog_run(prog, mem, len, &run, &r0);
	uebpf_prog_explain(prog, rc, &run, &err);
	ck_assert_msg(!rc, "%s", err.text);
	return r0;
}

START_TEST(globals_before_and_after_load)
{
	struct uebpf_object *obj;
	struct uebpf_global_info info = { .size = sizeof(info) };
	struct uebpf_error err;
	uint32_t five = 5, *seen;
	char text[64];
	size_t size;
	int i;

	if (!compiled())
		return;
	obj = open_it(env);
	ck_assert_int_eq(uebpf_object_set_global(obj, "limit", &five, 4, &err), 0);
	ck_assert_int_eq(uebpf_object_set_global(obj, "limit", &five, 8, &err), -EINVAL);
	ck_assert_int_eq(uebpf_object_set_global(obj, "nothing", &five, 4, &err), -ENOENT);
	ck_assert_int_eq(uebpf_object_parse_global(obj, "seen", "0x10", &err), 0);
	ck_assert_int_eq(uebpf_object_parse_global(obj, "seen", "banana", &err), -EINVAL);
	ck_assert_int_eq(uebpf_object_parse_global(obj, "pair", "{.a = 20, .b = 22}", &err), 0);
	ck_assert_ptr_nonnull(uebpf_object_global(obj, "zeroed", &size));
	ck_assert_uint_eq(size, 8);
	ck_assert_int_gt(uebpf_object_format_global(obj, "pair", 1, text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, "20"));
	for (i = 0; uebpf_object_global_info(obj, (uint32_t)i, &info) == 0; i++)
		ck_assert_ptr_nonnull(info.name);
	ck_assert_int_ge(i, 4);
	load(obj);
	ck_assert_uint_eq(run(obj, "entry", 0), 16 + 1 + 5);
	ck_assert_uint_eq(run(obj, "plain", 0), 42);
	seen = uebpf_object_global(obj, "seen", &size);
	ck_assert_ptr_nonnull(seen);
	ck_assert_uint_eq(*seen, 17);
	*seen = 100;
	ck_assert_uint_eq(run(obj, "entry", 0), 101 + 5);
	ck_assert_int_eq(uebpf_object_set_global(obj, "limit", &five, 4, &err), -EBUSY);
	ck_assert_uint_eq(err.code, UEBPF_E_STATE);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(neighbour_of_a_refused_program_runs)
{
	struct uebpf_object *obj;
	struct uebpf_error err;

	if (!compiled())
		return;
	obj = open_it(env);
	load(obj);
	ck_assert_int_lt(uebpf_prog_error(uebpf_object_prog(obj, "refused"), &err), 0);
	ck_assert_uint_eq(err.code, UEBPF_E_PROG_TYPE);
	ck_assert_str_eq(err.symbol, "refused");
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "refused"), NULL, 0, NULL, NULL), -ENOEXEC);
	ck_assert_ptr_eq(uebpf_object_prog(obj, "raw/plain"), uebpf_object_prog(obj, "plain"));
	ck_assert_ptr_null(uebpf_object_prog(obj, NULL));
	ck_assert_int_eq(uebpf_prog_error(uebpf_object_prog(obj, "plain"), &err), 0);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(only_one_program_is_loaded)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .only = "plain" };
	struct uebpf_object *obj;
	struct uebpf_error err;

	if (!compiled())
		return;
	obj = open_it(env);
	o.only = "missing";
	ck_assert_int_eq(uebpf_object_load(obj, &o, &err), -ENOENT);
	ck_assert_uint_eq(err.code, UEBPF_E_NO_PROGRAM);
	uebpf_object_free(obj);
	obj = open_it(env);
	o.only = "plain";
	ck_assert_int_eq(uebpf_object_load(obj, &o, &err), 0);
	ck_assert_uint_eq(run(obj, "plain", 0), 7);
	ck_assert_int_eq(uebpf_prog_error(uebpf_object_prog(obj, "entry"), &err), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.text, "was not asked to be loaded"));
	uebpf_object_free(obj);
}
END_TEST

START_TEST(bind_and_resize)
{
	struct uebpf_object *a, *b;
	struct uebpf_map_info info = { .size = sizeof(info) };
	struct uebpf_error err;

	if (!compiled())
		return;
	a = open_it(env);
	ck_assert_int_eq(uebpf_object_resize_map(a, "counts", 500, &err), 0);
	ck_assert_int_eq(uebpf_object_resize_map(a, ".data", 500, &err), -EINVAL);
	ck_assert_int_eq(uebpf_object_resize_map(a, "nothing", 500, &err), -ENOENT);
	load(a);
	uebpf_map_info(uebpf_object_map(a, "counts"), &info);
	ck_assert_uint_eq(info.max_entries, 500);

	b = open_it(env);
	ck_assert_int_eq(uebpf_object_bind_map(b, "counts", uebpf_object_map(a, "counts"), &err), -EINVAL);
	ck_assert_uint_eq(err.code, UEBPF_E_MAP_BIND);
	ck_assert_msg(strstr(err.text, "max_entries 16") && strstr(err.text, "max_entries 500"), "%s", err.text);
	ck_assert_int_eq(uebpf_object_bind_map(b, "cells", uebpf_object_map(a, "counts"), &err), -EINVAL);
	ck_assert_int_eq(uebpf_object_resize_map(b, "counts", 500, &err), 0);
	ck_assert_int_eq(uebpf_object_bind_map(b, "counts", uebpf_object_map(a, "counts"), &err), 0);
	/* globals of one object seen by another */
	ck_assert_int_eq(uebpf_object_bind_map(b, ".data", uebpf_object_map(a, ".data"), &err), 0);
	load(b);
	ck_assert_ptr_eq(uebpf_object_map(b, "counts"), uebpf_object_map(a, "counts"));
	*(uint32_t *)uebpf_object_global(a, "seen", NULL) = 1000;
	ck_assert_uint_eq(run(b, "entry", 0), 1001 + 7);
	uebpf_object_free(a);
	ck_assert_uint_eq(run(b, "entry", 0), 1002 + 7);
	uebpf_object_free(b);
}
END_TEST

START_TEST(tail_call_through_declared_slots)
{
	struct uebpf_object *obj;

	if (!compiled())
		return;
	obj = open_it(env);
	load(obj);
	ck_assert_uint_eq(run(obj, "entry", 50), 99);
	ck_assert_uint_eq(*(uint64_t *)uebpf_object_global(obj, "zeroed", NULL), 1);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(held_program_keeps_its_tail_calls_and_maps)
{
	struct uebpf_object *obj;
	const struct uebpf_prog *prog;
	struct uebpf_map *map;
	uint64_t r0 = 0, v = 5;
	uint32_t key = 3;
	char mem[64];

	if (!compiled())
		return;
	obj = open_it(env);
	load(obj);
	prog = uebpf_prog_ref(uebpf_object_prog(obj, "entry"));
	map = uebpf_map_ref(uebpf_object_map(obj, "counts"));
	uebpf_object_free(obj);
	ck_assert_int_eq(uebpf_prog_run(prog, mem, 50, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 99);
	uebpf_prog_unref(prog);
	/* the map outlives object, programs and env */
	ck_assert_int_eq(uebpf_map_update(map, &key, &v, 0), 0);
	ck_assert_int_eq(uebpf_map_lookup(map, &key, &r0), 0);
	ck_assert_uint_eq(r0, 5);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(replacing_keeps_maps_of_equal_shape)
{
	struct uebpf_object *a, *b;
	uint64_t v = 77;
	uint32_t key = 1;
	struct uebpf_error err;

	if (!compiled())
		return;
	a = open_it(env);
	load(a);
	ck_assert_int_eq(uebpf_map_update(uebpf_object_map(a, "counts"), &key, &v, 0), 0);
	run(a, "entry", 0);
	b = open_it(env);
	ck_assert_int_eq(uebpf_object_resize_map(b, "cells", 9, NULL), 0);	/* another shape: a new map */
	ck_assert_int_eq(uebpf_object_replace(b, b, UEBPF_KEEP_MAPS, &err), -EINVAL);
	ck_assert_int_eq(uebpf_object_replace(b, a, UEBPF_KEEP_MAPS, &err), 2);	/* counts, jumps */
	ck_assert_ptr_nonnull(strstr(uebpf_object_log(b), "cells"));
	load(b);
	ck_assert_ptr_eq(uebpf_object_map(a, "counts"), uebpf_object_map(b, "counts"));
	ck_assert_ptr_ne(uebpf_object_map(a, "cells"), uebpf_object_map(b, "cells"));
	ck_assert_uint_eq(*(uint32_t *)uebpf_object_global(b, "seen", NULL), 1);
	uebpf_object_free(b);
	b = open_it(env);
	ck_assert_int_ge(uebpf_object_replace(b, a, UEBPF_KEEP_DATA, &err), 4);
	load(b);
	ck_assert_uint_eq(*(uint32_t *)uebpf_object_global(b, "seen", NULL), 2);
	uebpf_object_free(a);
	ck_assert_int_eq(uebpf_map_lookup(uebpf_object_map(b, "counts"), &key, &v), 0);
	ck_assert_uint_eq(v, 77);
	uebpf_object_free(b);
}
END_TEST

START_TEST(fault_names_the_source_line)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .mode = UEBPF_MODE_CHECKED };
	struct uebpf_run run = { .size = sizeof(run) };
	struct uebpf_object *obj;
	struct uebpf_error err;
	const char *at = strstr(source, "return m[1000]"), *p;
	char mem[8], says[600];
	uint32_t line = 1;

	if (!compiled())
		return;
	for (p = source; p < at; p++)
		line += *p == '\n';
	obj = open_it(env);
	ck_assert_int_eq(uebpf_object_load(obj, &o, NULL), 0);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "wild"), mem, 8, &run, NULL), -EFAULT);
	uebpf_prog_explain(uebpf_object_prog(obj, "wild"), -EFAULT, &run, &err);
	ck_assert_uint_eq(err.line, line);
	ck_assert_str_eq(err.symbol, "wild");
	ck_assert_ptr_nonnull(strstr(err.file, "object.bpf.c"));
	snprintf(says, sizeof(says), "object.bpf.c:%u: bad memory access at address %#llx in `r0 = *(s8 *)(r1 + 0x3e8)`",
		 line, (unsigned long long)(uintptr_t)mem + 1000);
	if (!strstr(err.text, "(s8 *)"))	/* cpu v2, v3: a load and two shifts */
		snprintf(says, sizeof(says), "object.bpf.c:%u: bad memory access at address %#llx in `",
			 line, (unsigned long long)(uintptr_t)mem + 1000);
	ck_assert_msg(strstr(err.text, says) && strstr(err.text, "object.bpf.o:raw/wild"), "%s", err.text);
	uebpf_object_free(obj);
}
END_TEST

/* ---- every allocation fails in turn; nothing may be lost, cycles of prog_arrays included ---- */

static bool story(struct ledger *l)
{
	struct uebpf_open_opts oo = { .size = sizeof(oo), .type = "raw" };
	struct uebpf_env *e = counted_env(l);
	struct uebpf_object *obj = e ? uebpf_object_open_file(e, object, &oo, NULL) : NULL;
	uint32_t nine = 9;
	bool ok = obj && !uebpf_object_set_global(obj, "seen", &nine, 4, NULL) &&
		  !uebpf_object_load(obj, NULL, NULL);
	uint64_t r0;
	char mem[64];

	if (ok) {
		const struct uebpf_prog *p = uebpf_object_prog(obj, "entry");

		/* one program may have been refused for want of memory */
		ok = uebpf_prog_run(p, mem, 50, NULL, &r0) == 0 && r0 == 99;
	}
	uebpf_object_free(obj);
	uebpf_env_free(e);
	return ok;
}

START_TEST(each_allocation_may_fail_with_an_object)
{
	struct ledger l;
	size_t n;

	if (!compiled())
		return;
	for (n = 1; n < 20000; n++) {
		bool ok;

		l = (struct ledger){ .fail_at = n };
		ok = story(&l);
		ck_assert_msg(!l.live && !l.blocks, "allocation %zu of %zu fails: %zu bytes in %zu blocks are lost", n,
			      l.calls, l.live, l.blocks);
		if (ok && l.calls < n)
			return;
	}
	ck_abort_msg("it never works");
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, globals_before_and_after_load);
	tcase_add_test(tc, neighbour_of_a_refused_program_runs);
	tcase_add_test(tc, only_one_program_is_loaded);
	tcase_add_test(tc, bind_and_resize);
	tcase_add_test(tc, replacing_keeps_maps_of_equal_shape);
	tcase_add_test(tc, fault_names_the_source_line);
	tcase_add_test(tc, tail_call_through_declared_slots);
	tcase_add_test(tc, held_program_keeps_its_tail_calls_and_maps);
	tcase_add_test(tc, each_allocation_may_fail_with_an_object);
}

int main(void)
{
	compiled();	/* once, before tests fork */
	return run_suite("api object", fill);
}
