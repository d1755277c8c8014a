/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* object.h - one env and one object at a time, as most tests of objects need them: a fixture, open, load, run. */
#ifndef TESTS_UTIL_OBJECT_H
#define TESTS_UTIL_OBJECT_H

#include <check.h>
#include "include/uebpf.h"

static struct uebpf_env *env;
static struct uebpf_object *obj;
static struct uebpf_error err;

static inline void setup(void)
{
	env = uebpf_env_new(NULL);
	ck_assert_ptr_nonnull(env);
}

static inline void teardown(void)
{
	uebpf_object_free(obj);
	obj = NULL;
	uebpf_env_free(env);
}

static inline void open_with(const char *path, const struct uebpf_open_opts *opts)
{
	obj = uebpf_object_open_file(env, path, opts, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
}

/* Interpreted. */
static inline void load_in(uint32_t mode)
{
	struct uebpf_load_opts opts = { .size = sizeof(opts), .mode = mode, .engine = UEBPF_ENGINE_INTERP };

	ck_assert_msg(!uebpf_object_load(obj, &opts, &err), "%s", err.text);
}

/* The run's status; `err` explains one that is not 0. */
static inline int status_of(const char *name, void *ctx, size_t len, uint64_t *r0)
{
	const struct uebpf_prog *prog = uebpf_object_prog(obj, name);
	struct uebpf_run run = { .size = sizeof(run) };
	int ret;

	ck_assert_msg(prog != NULL, "no program %s", name);
	ck_assert_msg(!uebpf_prog_error(prog, &err), "%s", err.text);
	ret = uebpf_prog_run(prog, ctx, len, &run, r0);
	if (ret)
		uebpf_prog_explain(prog, ret, &run, &err);
	return ret;
}

static inline uint64_t run_on(const char *name, void *ctx, size_t len)
{
	uint64_t r0 = 0;
	int ret = status_of(name, ctx, len, &r0);

	ck_assert_msg(!ret, "%s: %s", name, err.text);
	return r0;
}

#endif
