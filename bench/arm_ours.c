/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arm_ours.c - libuebpf through its public API: engines and modes. */
#include "bench/arms.h"
#include "include/uebpf.h"
#include <stdio.h>
#include <stdlib.h>

struct ours {
	struct uebpf_env *env;
	struct uebpf_object *obj, *pad;
	const struct uebpf_prog *prog;
	uebpf_entry volatile entry;
};

/* Different code addresses: k small programs are compiled first. */
static struct uebpf_object *padding(struct uebpf_env *env, int k, const struct uebpf_load_opts *load)
{
	char text[2048], *p = text;
	for (int i = 0; i < k * 3 + 1; i++)
		p += sprintf(p, "r0 = %d\n", i);
	sprintf(p, "exit\n");
	struct uebpf_object *obj = uebpf_object_open_text(env, text, NULL, NULL);
	if (obj)
		uebpf_object_load(obj, load, NULL);
	return obj;
}

static void close_ours(void *h)
{
	struct ours *o = h;
	uebpf_object_free(o->obj);
	uebpf_object_free(o->pad);
	uebpf_env_free(o->env);
	free(o);
}

static void *open_ours(const struct arm *arm, const char *prog, int k, const char **why)
{
	static struct uebpf_error err;
	char path[512];
	struct ours *o = calloc(1, sizeof *o);
	struct uebpf_load_opts load = { .size = sizeof load, .mode = arm->mode, .engine = arm->engine };
	snprintf(path, sizeof path, "%s/bpf/%s.o", bench_build, prog);
	o->env = uebpf_env_new(NULL);
	o->pad = padding(o->env, k, &load);
	o->obj = uebpf_object_open_file(o->env, path, NULL, &err);
	if (!o->obj || uebpf_object_load(o->obj, &load, &err)) {
		*why = err.text;
		close_ours(o);
		return NULL;
	}
	o->prog = uebpf_object_prog(o->obj, NULL);
	if (arm->entry) {
		o->entry = uebpf_prog_entry(o->prog);
		if (!o->entry) {
			*why = "no bare entry";
			close_ours(o);
			return NULL;
		}
	}
	return o;
}

static uint64_t run_prog(void *h, uint8_t *mem, uint64_t n, double *ns_each)
{
	struct ours *o = h;
	uint64_t r = 0;
	(void)ns_each;
	while (n--)
		if (uebpf_prog_run(o->prog, mem, MEM_SIZE, NULL, &r))
			return ~0ull;
	return r;
}

static uint64_t run_entry(void *h, uint8_t *mem, uint64_t n, double *ns_each)
{
	struct ours *o = h;
	uint64_t r = 0;
	(void)ns_each;
	while (n--)
		r = o->entry(mem, MEM_SIZE, NULL);
	return r;
}

uint64_t bench_steps(const char *prog, uint8_t *mem)
{
	static const struct arm checked = { .name = "steps", .mode = UEBPF_MODE_CHECKED, .engine = UEBPF_ENGINE_INTERP };
	struct uebpf_run run = { .size = sizeof run };
	const char *why;
	uint64_t r0;
	struct ours *o = open_ours(&checked, prog, 0, &why);
	if (!o)
		return 0;
	uebpf_prog_run(o->prog, mem, MEM_SIZE, &run, &r0);
	close_ours(o);
	return run.steps;
}

#define OURS(n, m, e, how, bare) { .name = n, .open = open_ours, .run = how, .close = close_ours, \
	.mode = UEBPF_MODE_##m, .engine = UEBPF_ENGINE_##e, .entry = bare }
const struct arm arms_ours[] = {
	OURS("jit-verified", VERIFIED, JIT, run_entry, 1),
	OURS("jit-run", VERIFIED, JIT, run_prog, 0),
	OURS("jit-trusted", TRUSTED, JIT, run_entry, 1),
	OURS("jit-checked", CHECKED, JIT, run_prog, 0),
	OURS("interp-verified", VERIFIED, INTERP, run_prog, 0),
	OURS("interp-trusted", TRUSTED, INTERP, run_prog, 0),
	OURS("interp-checked", CHECKED, INTERP, run_prog, 0),
};
const int arms_ours_n = sizeof arms_ours / sizeof arms_ours[0];
