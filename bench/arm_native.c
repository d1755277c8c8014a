/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arm_native.c - the limit: the same C source compiled by clang -O2, in one shared object per
 * placement (scripts in bench/run link them with different padding in front). */
#include "bench/arms.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t (*fn)(uint8_t *, uint64_t);
struct native { void *so; fn volatile f; };

static void *open_native(const struct arm *arm, const char *prog, int k, const char **why)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s/%d.so", bench_build, arm->dir, k);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		*why = "not built";
		return NULL;
	}
	struct native *n = malloc(sizeof *n);
	n->so = so;
	*(void **)&n->f = dlsym(so, prog);
	return n;
}

static uint64_t run_native(void *h, uint8_t *mem, uint64_t n, double *ns_each)
{
	struct native *nat = h;
	uint64_t r = 0;
	(void)ns_each;
	while (n--)
		r = nat->f(mem, MEM_SIZE);
	return r;
}

static void close_native(void *h)
{
	struct native *n = h;
	dlclose(n->so);
	free(n);
}

const struct arm arms_native[] = {
	{ .name = "native", .open = open_native, .run = run_native, .close = close_native, .dir = "native" },
	{ .name = "native-scalar", .open = open_native, .run = run_native, .close = close_native, .dir = "scalar" },
};
const int arms_native_n = 2;
