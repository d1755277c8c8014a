/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arm_kernel.c - the kernel's own JIT: the same source as an XDP program whose packet is the memory,
 * run by BPF_PROG_TEST_RUN, which times it itself (whole nanoseconds, its own loop included). */
#include "bench/arms.h"
#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct kern { struct bpf_object *obj; int fd; };

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

static void *open_kernel(const struct arm *arm, const char *prog, int k, const char **why)
{
	char path[512];
	struct kern *h = calloc(1, sizeof *h);
	(void)arm, (void)k;
	libbpf_set_print(quiet);
	snprintf(path, sizeof path, "%s/xdp/%s.o", bench_build, prog);
	h->obj = bpf_object__open_file(path, NULL);
	if (!h->obj || bpf_object__load(h->obj)) {
		*why = "refused by the kernel";
		bpf_object__close(h->obj);
		free(h);
		return NULL;
	}
	h->fd = bpf_program__fd(bpf_object__next_program(h->obj, NULL));
	return h;
}

static uint64_t run_kernel(void *p, uint8_t *mem, uint64_t n, double *ns_each)
{
	struct kern *h = p;
	static uint8_t out[MEM_SIZE * 2];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = mem, .data_size_in = MEM_SIZE, .data_out = out,
		    .data_size_out = sizeof out, .repeat = n > 1000000 ? 1000000 : (int)n);
	if (bpf_prog_test_run_opts(h->fd, &o))
		return ~0ull;
	*ns_each = o.duration;
	return o.retval;
}

static void close_kernel(void *p)
{
	struct kern *h = p;
	bpf_object__close(h->obj);
	free(h);
}

const struct arm arms_kernel[] = {
	{ .name = "kernel-jit", .open = open_kernel, .run = run_kernel, .close = close_kernel, .self_timed = 1 },
};
const int arms_kernel_n = 1;
#else
const struct arm arms_kernel[1] = { { 0 } };
const int arms_kernel_n = 0;
#endif
