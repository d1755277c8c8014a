/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* api.h - small tools that the API's tests share. */
#ifndef TESTS_API_H
#define TESTS_API_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The build tree that this test belongs to: .../tests/api/x_test -> ... */
static inline const char *build_dir(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int up;

	if (n <= 0)
		exit(1);
	path[n] = '\0';
	for (up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	return path;
}

static inline struct uebpf_object *open_text(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_open_opts o = { .size = sizeof(o), .type = type };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_text(env, text, &o, &err);

	ck_assert_msg(obj != NULL, "%s", err.text);
	return obj;
}

static inline struct uebpf_object *load_text(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_object *obj = open_text(env, text, type);
	struct uebpf_error err;

	ck_assert_msg(!uebpf_object_load(obj, NULL, &err), "%s", err.text);
	return obj;
}

/* For tests of faults, budgets and traces: programs that the verifier would refuse. */
static inline struct uebpf_object *load_text_checked(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .mode = UEBPF_MODE_CHECKED };
	struct uebpf_object *obj = open_text(env, text, type);
	struct uebpf_error err;

	ck_assert_msg(!uebpf_object_load(obj, &o, &err), "%s", err.text);
	return obj;
}

static inline int run_suite(const char *name, void (*fill)(TCase *tc))
{
	fill(test_case(name, 60));
	return run_tests();
}

/* Sums bytes 0..7 of the memory in a loop: r1 = memory, r2 = length. */
#define SUM8 \
	"r0 = 0\n" \
	"if r2 < 8 goto out\n" \
	"r3 = 0\n" \
	"again:\n" \
	"r4 = r1\n" \
	"r4 += r3\n" \
	"r4 = *(u8 *)(r4 + 0)\n" \
	"r0 += r4\n" \
	"r3 += 1\n" \
	"if r3 < 8 goto again\n" \
	"out:\n" \
	"exit\n"

#endif
