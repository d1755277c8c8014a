/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arm_dpdk.c - DPDK's librte-bpf, JIT and interpreter, over the same source built for cpu v2 with the
 * memory's size declared at load (its verifier knows no length argument). */
#include "bench/arms.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_DPDK
#include <rte_bpf.h>
#include <rte_log.h>
#include <gelf.h>
#include <fcntl.h>
#include <unistd.h>

struct dpdk { struct rte_bpf *bpf; struct rte_bpf_jit jit; };

static void *open_dpdk(const struct arm *arm, const char *prog, int k, const char **why)
{
	char path[512];
	struct rte_bpf_prm prm = { .prog_arg = { .type = RTE_BPF_ARG_PTR, .size = MEM_SIZE } };
	struct dpdk *d = calloc(1, sizeof *d);
	(void)k;
	rte_log_set_global_level(RTE_LOG_EMERG);
	snprintf(path, sizeof path, "%s/dpdk/%s.o", bench_build, prog);
	d->bpf = rte_bpf_elf_load(&prm, path, "raw");
	if (!d->bpf) {
		*why = "refused by DPDK's loader or verifier";
		free(d);
		return NULL;
	}
	rte_bpf_get_jit(d->bpf, &d->jit);
	if (!arm->engine && !d->jit.func) {
		*why = "not compiled by DPDK's JIT";
		rte_bpf_destroy(d->bpf);
		free(d);
		return NULL;
	}
	return d;
}

static uint64_t run_jit(void *h, uint8_t *mem, uint64_t n, double *ns_each)
{
	struct dpdk *d = h;
	uint64_t (*volatile f)(void *) = d->jit.func;
	uint64_t r = 0;
	(void)ns_each;
	while (n--)
		r = f(mem);
	return r;
}

static uint64_t run_interp(void *h, uint8_t *mem, uint64_t n, double *ns_each)
{
	struct dpdk *d = h;
	uint64_t r = 0;
	(void)ns_each;
	while (n--)
		r = rte_bpf_exec(d->bpf, mem);
	return r;
}

static void close_dpdk(void *h)
{
	struct dpdk *d = h;
	rte_bpf_destroy(d->bpf);
	free(d);
}

const struct arm arms_dpdk[] = {
	{ .name = "dpdk-jit", .open = open_dpdk, .run = run_jit, .close = close_dpdk },
	{ .name = "dpdk-interp", .open = open_dpdk, .run = run_interp, .close = close_dpdk, .engine = 1 },
};
const int arms_dpdk_n = 2;
#else
const struct arm arms_dpdk[1] = { { 0 } };
const int arms_dpdk_n = 0;
#endif
