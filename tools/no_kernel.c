/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* no_kernel.c - in the place of kernel.c where libbpf was absent at build time: --kernel and --kernel-object say
 * so. */
#ifndef HAVE_LIBBPF
#include "tools/tool.h"

const bool kernel_built = false;

#define WHY "built without libbpf; on Debian: apt-get install libbpf-dev, then build again"

struct kernel *kernel_open(struct session *s, bool soft, const char **why)
{
	(void)s;
	if (!soft)
		die(EXIT_UNSUPPORTED, "--kernel: " WHY);
	*why = WHY;
	return NULL;
}

int kernel_run(struct kernel *k, struct input *in, uint32_t repeat, struct kernel_result *res)
{
	(void)k, (void)in, (void)repeat, (void)res;
	return -1;
}

bool kernel_same_result(struct session *s, const struct kernel_result *res, struct input *in, uint64_t r0, bool tell)
{
	(void)s, (void)res, (void)in, (void)r0, (void)tell;
	return false;
}

bool kernel_same_maps(struct kernel *k, struct session *s)
{
	(void)k, (void)s;
	return false;
}

bool kernel_times(const struct kernel *k)
{
	(void)k;
	return false;
}

uint64_t kernel_load_ns(const struct kernel *k)
{
	(void)k;
	return 0;
}

size_t kernel_code_bytes(const struct kernel *k)
{
	(void)k;
	return 0;
}

void kernel_close(struct kernel *k)
{
	(void)k;
}

int run_coop(struct session *s)
{
	(void)s;
	die(EXIT_UNSUPPORTED, "--kernel-object: " WHY " (the kernel half is loaded and attached with it)");
}
#endif
