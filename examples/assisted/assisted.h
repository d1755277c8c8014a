/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* assisted.h - what the kernel programs, the user-space programs and the host agree on. */
#ifndef ASSISTED_H
#define ASSISTED_H

#include <linux/types.h>

/* One a thread, at its id. */
struct mark {
	__u32 inside;		/* how deep in the function; the user-space programs' */
	__u32 blocked;		/* left its CPU and waits for somebody; the kernel programs' */
};

enum event_kind { SYS_ENTER, SYS_EXIT, SWITCH_OUT, SWITCH_IN, WAKEUP, KINDS };
struct event {
	__u64 time;
	__u32 kind, tid;
	__u32 value;		/* system call's number; previous state; who wakes */
	__u32 inside;		/* was the thread marked */
};

/* The host's orders and the kernel's count of what found no room; .data.setup is mapped. */
struct setup { __u32 tgid, not_tid, all, pad; __u64 lost; };

#endif
