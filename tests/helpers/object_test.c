/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* object_test.c - tests/objects/helpers.bpf.c in each mode and engine, and in the kernel: every program
 * returns 0, or the line where a helper did not do what it should. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#endif
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static const struct { const char *name; uint32_t mode, engine; const char *no_rules; } arms[] = {
	{ "checked, interpreter", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP, NULL },
	{ "checked, jit", UEBPF_MODE_CHECKED, UEBPF_ENGINE_JIT, NULL },
	{ "trusted, interpreter", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_INTERP, NULL },
	{ "trusted, jit", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_JIT, NULL },
	{ "verified, interpreter", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP, NULL },
	{ "verified, jit", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT, NULL },
	{ "verified, jit, no helper inlined", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT, "inline" },
};

static void run_all(struct uebpf_object *obj, const char *arm)
{
	const struct uebpf_prog *prog = NULL;
	unsigned programs = 0;

	while ((prog = uebpf_object_next_prog(obj, prog))) {
		uint8_t bytes[512] = { 0 };
		struct uebpf_packet packet = { .size = sizeof packet, .head = bytes, .data = bytes + 128,
					       .data_end = bytes + 192, .tail = bytes + 512 };
		struct uebpf_run run = { .size = sizeof run };
		struct uebpf_error err;
		uint64_t r0 = 0;
		int status = uebpf_prog_error(prog, &err);

		ck_assert_msg(!status, "%s: %s", arm, err.text);
		for (int round = 0; round < 3; round++) {
			status = uebpf_prog_run(prog, &packet, sizeof packet, &run, &r0);
			if (status)
				uebpf_prog_explain(prog, status, &run, &err);
			ck_assert_msg(!status, "%s: %s: %s", arm, uebpf_prog_name(prog), err.text);
			ck_assert_msg(!r0, "%s: %s: line %u, round %d", arm, uebpf_prog_name(prog), (unsigned)r0, round);
		}
		programs++;
	}
	ck_assert_uint_ge(programs, 12);
}

START_TEST(every_program_in_every_arm)
{
	struct uebpf_load_opts opts = { .size = sizeof opts, .mode = arms[_i].mode, .engine = arms[_i].engine,
					.no_rules = arms[_i].no_rules };
	struct uebpf_env_opts env_opts = { .size = sizeof env_opts, .probe = UEBPF_PROBE_SYSCALL };
	struct uebpf_env *env = uebpf_env_new(&env_opts);
	struct uebpf_error err;
	struct uebpf_object *obj;
	char features[256];

	OBJECT(path, "helpers.bpf.c", "-O2 -g -mcpu=v3");
	uebpf_features(features, sizeof features);
	if ((opts.engine == UEBPF_ENGINE_JIT && !strstr(features, "jit=")) ||
	    (opts.mode != UEBPF_MODE_CHECKED && !strstr(features, "verifier"))) {
		printf("skip: %s: this build has %s\n", arms[_i].name, features);
		uebpf_env_free(env);
		return;
	}
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	if (uebpf_object_load(obj, &opts, &err) && opts.mode == UEBPF_MODE_TRUSTED && err.code == UEBPF_E_ABSENT) {
		printf("skip: %s: %s\n", arms[_i].name, err.text);
	} else {
		ck_assert_msg(uebpf_prog_error(uebpf_object_next_prog(obj, NULL), &err) == 0, "%s: %s", arms[_i].name,
			      err.text);
		run_all(obj, arms[_i].name);
	}
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

#ifdef HAVE_LIBBPF
START_TEST(every_program_in_the_kernel)
{
	static uint8_t bytes[64], out[512];
	struct bpf_object *obj;
	struct bpf_program *prog;

	OBJECT(path, "helpers.bpf.c", "-O2 -g -mcpu=v3");
	libbpf_set_print(NULL);
	obj = bpf_object__open_file(path, NULL);
	if (!obj || bpf_object__load(obj)) {
		printf("skip: the kernel does not load the object here\n");
		bpf_object__close(obj);
		return;
	}
	bpf_object__for_each_program(prog, obj) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = sizeof bytes, .data_out = out,
			    .data_size_out = sizeof out);

		ck_assert_int_eq(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
		ck_assert_msg(!opts.retval, "kernel: %s: line %u", bpf_program__name(prog), opts.retval);
	}
	bpf_object__close(obj);
}
END_TEST
#endif

int main(void)
{
	TCase *t = test_case("helpers in objects", 60);

	tcase_add_loop_test(t, every_program_in_every_arm, 0, sizeof arms / sizeof arms[0]);
#ifdef HAVE_LIBBPF
	tcase_add_test(t, every_program_in_the_kernel);
#endif
	return run_tests();
}
