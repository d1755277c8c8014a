/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arms.h - the things that are compared: each can load one bench program at several code placements
 * and run it n times. */
#ifndef BENCH_ARMS_H
#define BENCH_ARMS_H
#include <stddef.h>
#include <stdint.h>

enum { MEM_SIZE = 1024, MAX_PLACEMENTS = 64 };

struct arm {
	const char *name;
	/* Opens program `prog` at placement k; NULL with *why when this arm cannot. */
	void *(*open)(const struct arm *arm, const char *prog, int k, const char **why);
	/* Runs n times over mem, returns the last result; or *ns_each >= 0 when the arm times itself. */
	uint64_t (*run)(void *h, uint8_t *mem, uint64_t n, double *ns_each);
	void (*close)(void *h);
	int mode, engine;	/* ours */
	int entry;		/* ours: through the bare entry */
	int self_timed;
	const char *dir;	/* native: folder of the shared objects */
};
extern const struct arm arms_native[], arms_ours[], arms_dpdk[], arms_kernel[];
extern const int arms_native_n, arms_ours_n, arms_dpdk_n, arms_kernel_n;

extern const char *bench_build;	/* build/bench */

/* Instructions that a program executes over mem, 0 when it cannot be run. */
uint64_t bench_steps(const char *prog, uint8_t *mem);
#endif
