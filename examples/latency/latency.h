/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* latency.h - what the kernel program, the user-space program and the host agree on. */
#ifndef LATENCY_H
#define LATENCY_H

#include <linux/types.h>

enum { SYSCALLS = 512 };

/* One system call's row: a cache line.  Times in ns. */
struct row {
	/* written by the kernel program */
	__u64 calls, ns;		/* that took no longer than the threshold */
	__u64 slow, slow_ns;		/* that took longer */
	/* written by the user-space program, read by the kernel program at the next call */
	__u64 threshold;		/* 0: not known yet, nothing is slow */
	__u64 worst;			/* longest slow call that came back */
	__u64 seen_calls, seen_slow;	/* what the last window ended with */
};

/* A slow call, as it comes back through the ring buffer. */
struct slow_call { __u64 start, ns, threshold; __u32 tid, nr; };

/* One window of one system call, for the host's helper prof_analysis. */
struct window { __u64 calls, ns; };

/* Set by the host; the kernel program's .data.setup is mapped. */
struct setup {
	__u32 tgid;			/* whose calls; 0: everybody's */
	__u32 pad;
	__u64 lost;			/* slow calls for which the ring had no room */
};

#endif
