/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bpf_get_stack and bpf_get_stackid of a host that just runs a program: the stack begins in the function that called
 * uebpf_prog_run, in each engine and mode, as addresses and as build ids. */
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

#define FRAME __attribute__((noinline, noclone, optimize("no-omit-frame-pointer", "no-optimize-sibling-calls")))
#ifdef __clang__
#undef FRAME		/* the attribute is gcc's; -fno-omit-frame-pointer is what clang's builds of it need */
#define FRAME __attribute__((noinline))
#endif
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
enum { OPTIMISED = 1 };
#else
enum { OPTIMISED = 0 };
#endif
enum { DEPTH = 16 };
static uint8_t ctx[512];
struct found { int64_t *result; uint64_t *ip; struct bpf_stack_build_id *place; };

FRAME static int inner(const struct uebpf_prog *prog, struct uebpf_run *run)
{
	uint64_t r;
	int err = uebpf_prog_run(prog, ctx, sizeof ctx, run, &r);

	__asm__ volatile("" ::: "memory");	/* the call is not the last thing */
	return err;
}

FRAME static int outer(const struct uebpf_prog *prog)
{
	int err = inner(prog, NULL);

	__asm__ volatile("" ::: "memory");
	return err;
}

static bool in(uint64_t ip, const void *function)
{
	return ip - (uintptr_t)function < 256;
}

static void same_in_maps(struct uebpf_object *obj, const struct found *f)
{
	struct bpf_stack_build_id places[DEPTH];
	uint64_t ips[DEPTH];
	uint32_t key = (uint32_t)f->result[2];

	ck_assert_int_ge(f->result[2], 0);
	ck_assert_int_eq(uebpf_map_lookup(uebpf_object_map(obj, "stacks"), &key, ips), 0);
	ck_assert_mem_eq(ips, f->ip, sizeof ips);
	key = (uint32_t)f->result[3];
	ck_assert_int_ge(f->result[3], 0);
	ck_assert_int_eq(uebpf_map_lookup(uebpf_object_map(obj, "places"), &key, places), 0);
	ck_assert_mem_eq(places, f->place, sizeof places);
	key = (uint32_t)f->result[4];
	ck_assert_int_ge(f->result[4], 0);
	ck_assert_int_eq(uebpf_map_lookup(uebpf_object_map(obj, "stacks"), &key, ips), 0);
	ck_assert_mem_eq(ips, f->ip + 1, sizeof ips - 8);
}

static void one_program(struct uebpf_object *obj, const struct uebpf_prog *prog)
{
	struct found f = { uebpf_object_global(obj, "result", NULL), uebpf_object_global(obj, "ip", NULL),
			   uebpf_object_global(obj, "place", NULL) };
	struct uebpf_run run = { .size = sizeof run };
	int64_t first = -1;

	for (volatile int n = 0; n < 2; n++) {	/* from one place twice: the same id */
		ck_assert_int_eq(outer(prog), 0);
		ck_assert(!n || f.result[2] == first);
		first = f.result[2];
	}
	ck_assert_int_ge(f.result[0], 3 * 8);
	ck_assert_msg(in(f.ip[0], (void *)inner) && in(f.ip[1], (void *)outer), "%#llx is not in inner %p, %#llx not in outer %p",
		      (unsigned long long)f.ip[0], (void *)inner, (unsigned long long)f.ip[1], (void *)outer);
	ck_assert_int_eq(f.result[1] / 32, f.result[0] / 8);
	for (int i = 0; i < 2; i++)	/* one file, as far apart there as in memory */
		ck_assert_int_eq(f.place[i].status, BPF_STACK_BUILD_ID_VALID);
	ck_assert_mem_eq(f.place[0].build_id, f.place[1].build_id, sizeof f.place[0].build_id);
	ck_assert_uint_eq(f.place[0].offset - f.place[1].offset, f.ip[0] - f.ip[1]);
	same_in_maps(obj, &f);
	ck_assert_int_eq(inner(prog, NULL), 0);	/* another way to the same place */
	ck_assert_int_ne(f.result[2], first);
	ck_assert_msg(in(f.ip[0], (void *)inner) && !in(f.ip[1], (void *)outer), "%#llx", (unsigned long long)f.ip[1]);
	run.ip = 0x1234;	/* the host knows better */
	ck_assert_int_eq(inner(prog, &run), 0);
	ck_assert_int_eq(f.result[0], 8);
	ck_assert_uint_eq(f.ip[0], 0x1234);
	ck_assert_int_eq(f.place[0].status, BPF_STACK_BUILD_ID_IP);
}

START_TEST(a_stack_begins_at_the_caller_in_every_engine)
{
	static const struct { uint32_t engine, mode; } how[] = {
		{ UEBPF_ENGINE_AUTO, UEBPF_MODE_VERIFIED }, { UEBPF_ENGINE_INTERP, UEBPF_MODE_VERIFIED },
		{ UEBPF_ENGINE_AUTO, UEBPF_MODE_CHECKED }, { UEBPF_ENGINE_INTERP, UEBPF_MODE_CHECKED },
		{ UEBPF_ENGINE_AUTO, UEBPF_MODE_TRUSTED },
	};
	struct uebpf_env_opts opts = { .size = sizeof opts, .probe = UEBPF_PROBE_SYSCALL };
	OBJECT(path, "caller.bpf.c", "-O2 -g");
	struct uebpf_env *env = uebpf_env_new(&opts);

	if (!OPTIMISED) {
		printf("skip: where the library's calls are no jumps its own functions are on the stack, too\n");
		uebpf_env_free(env);
		return;
	}
	for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
		struct uebpf_load_opts load = { .size = sizeof load, .engine = how[i].engine, .mode = how[i].mode };
		struct uebpf_error err;
		struct uebpf_object *obj = uebpf_object_open_file(env, path, NULL, &err);

		ck_assert_msg(obj && !uebpf_object_load(obj, &load, &err), "%s", err.text);
		one_program(obj, uebpf_object_prog(obj, "walk_raw_tp"));
		one_program(obj, uebpf_object_prog(obj, "walk_tp"));
		uebpf_object_free(obj);
	}
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *t = test_case("stacks of the caller", 60);

	tcase_add_test(t, a_stack_begins_at_the_caller_in_every_engine);
	return run_tests();
}
