/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* load.c - what it costs to have programs: time from bytes to runnable, memory per program and env.
 * Memory is the growth of Pss (/proc/self/smaps_rollup) over 1,000 loaded programs, all included. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench/arms.h"
#include "include/uebpf.h"

enum { MANY = 1000, ROUNDS = 101 };
const char *bench_build = "build/bench";

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static long pss_kb(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Pss: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void line(const char *what, const char *unit, double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_value);
	int d = (int)(0.98 * 10);	/* sqrt(101) = 10: 95 % interval of the median by ranks */
	printf("| %s | %.2f %s | [%.2f, %.2f] | %.2f |\n", what, v[n / 2], unit, v[n / 2 - d], v[n / 2 + d], v[0]);
}

static void *read_file(const char *name, size_t *len)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", bench_build, name);
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(1);
	}
	char *buf = malloc(1 << 20);
	*len = fread(buf, 1, 1 << 20, f);
	fclose(f);
	return buf;
}

static void env_cost(void)
{
	static double t[ROUNDS];
	static struct uebpf_env *keep[MANY];
	for (int i = 0; i < ROUNDS; i++) {
		double t0 = now();
		struct uebpf_env *env = uebpf_env_new(NULL);
		t[i] = now() - t0;
		uebpf_env_free(env);
	}
	line("env: create", "us", t, ROUNDS);
	long before = pss_kb();
	for (int i = 0; i < MANY; i++)
		keep[i] = uebpf_env_new(NULL);
	printf("| env: memory | %.2f KB | growth of Pss over %d | |\n", (double)(pss_kb() - before) / MANY, MANY);
	for (int i = 0; i < MANY; i++)
		uebpf_env_free(keep[i]);
}

static void open_cost(const char *what, const void *data, size_t len, uint32_t mode, uint32_t engine)
{
	static double t[ROUNDS];
	struct uebpf_error err;
	struct uebpf_load_opts load = { .size = sizeof load, .mode = mode, .engine = engine };
	struct uebpf_env *env = uebpf_env_new(NULL);
	for (int i = 0; i < ROUNDS; i++) {
		double t0 = now();
		struct uebpf_object *obj = uebpf_object_open_memory(env, data, len, NULL, &err);
		if (!obj || uebpf_object_load(obj, &load, &err)) {
			printf("| %s | not measured: %s | | |\n", what, err.text);
			uebpf_object_free(obj);
			uebpf_env_free(env);
			return;
		}
		t[i] = now() - t0;
		uebpf_object_free(obj);
	}
	line(what, "us", t, ROUNDS);
	uebpf_env_free(env);
}

/* In a process of its own: what an earlier measurement freed must not hide growth. */
static void memory_in_child(const char *what, const void *data, size_t len, int raw, uint32_t mode, uint32_t engine)
{
	static struct uebpf_object *obj[MANY];
	static const struct uebpf_prog *prog[MANY];
	struct uebpf_error err;
	struct uebpf_load_opts load = { .size = sizeof load, .mode = mode, .engine = engine };
	struct uebpf_env *env = uebpf_env_new(NULL);
	int n;
	long before = 0;
	double t0 = 0;
	for (n = -1; n < MANY; n++) {	/* one unmeasured first */
		struct uebpf_object *o = raw ? uebpf_object_open_insns(env, data, len / 8, NULL, &err)
					     : uebpf_object_open_memory(env, data, len, NULL, &err);
		if (!o || uebpf_object_load(o, &load, &err)) {
			printf("| %s | not measured: %s | | |\n", what, err.text);
			uebpf_object_free(o);
			return;
		}
		if (n < 0) {
			before = pss_kb();
			t0 = now();
			continue;
		}
		obj[n] = o;
		prog[n] = uebpf_prog_ref(uebpf_object_prog(o, NULL));
		uebpf_object_free(o);	/* only the program is kept, as an embedder does */
	}
	double us = (now() - t0) / MANY;
	struct uebpf_prog_info info = { .size = sizeof info };
	uebpf_prog_info(prog[0], &info);
	printf("| %s | %.2f KB, %.1f us | growth of Pss over %d; code %zu B, verify %.1f us, compile %.1f us (%.0f ns/insn) | |\n",
	       what, (double)(pss_kb() - before) / MANY, us, MANY, info.code_bytes, (double)info.verify_ns / 1e3,
	       (double)info.compile_ns / 1e3, info.insns ? (double)info.compile_ns / info.insns : 0);
	for (n = 0; n < MANY; n++)
		uebpf_prog_unref(prog[n]);
	uebpf_env_free(env);
}

static void memory_cost(const char *what, const void *data, size_t len, int raw, uint32_t mode, uint32_t engine)
{
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		memory_in_child(what, data, len, raw, mode, engine);
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

int main(void)
{
	size_t ten_len, f10_len, raw_len;
	void *ten = read_file("ten.o", &ten_len), *f10 = read_file("bpf/filter10.o", &f10_len);
	void *raw = read_file("filter10.raw", &raw_len);
	printf("| what | median | 95 %% interval | best |\n|---|---|---|---|\n");
	env_cost();
	open_cost("object of 10 programs, 2 maps: open to runnable, checked interpreter", ten, ten_len,
		  UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP);
	open_cost("the same, verified, interpreter", ten, ten_len, UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP);
	open_cost("the same, verified, JIT", ten, ten_len, UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT);
	memory_cost("filter10 from raw instructions, checked interpreter", raw, raw_len, 1, UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP);
	memory_cost("filter10 from raw instructions, verified interpreter", raw, raw_len, 1, UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP);
	memory_cost("filter10 from raw instructions, JIT", raw, raw_len, 1, UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT);
	memory_cost("filter10 from a -g object, JIT", f10, f10_len, 0, UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT);
	return 0;
}
