/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* workload.h - a process whose slow calls are known: threads that write to a pipe and read from it, and now
 * and then read before anybody has written. */
#ifndef LATENCY_WORKLOAD_H
#define LATENCY_WORKLOAD_H

#include <stdint.h>
#include <sys/types.h>

enum { WORKERS = 2, INJECTIONS_MAX = 1 << 16 };
struct injection { uint64_t start, end; uint32_t tid; int found; };	/* CLOCK_MONOTONIC, ns */
/* In memory that parent and child share. */
struct truth {
	int go, stop;			/* the parent's */
	int inject;			/* from when on: the thresholds need something to learn from */
	uint32_t nr;			/* injections made */
	uint64_t calls;			/* reads and writes of the workers */
	struct injection injection[INJECTIONS_MAX];
};
/* Forks it; it waits for go and ends with stop.  NULL: no memory or no process. */
struct truth *workload_start(pid_t *pid);

#endif
