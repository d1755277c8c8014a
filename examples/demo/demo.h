/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* demo.h - what the demo's BPF programs and its generator agree on. */
#ifndef DEMO_H
#define DEMO_H

#include <linux/types.h>

/* Why the firewall let a packet go or not; index of its `reasons` map. */
enum reason { PASSED, BLOCKED_PORT, BLOCKED_PREFIX, BAD_FRAGMENT, TOO_SHORT, NOT_IP, NR_REASONS };

struct prefix { __u32 len; __u8 addr[4]; };	/* LPM key: bits, then the address as on the wire */
struct hits { __u64 packets, bytes; };

struct flow {
	__u8 src[4], dst[4];
	__u16 src_port, dst_port;
	__u8 proto, pad[3];
};
struct flow_stats { __u64 packets, bytes, first_ns, last_ns; };

/* One record of events.bin: what a tracer would hand to a filter. */
enum op { OP_READ, OP_WRITE, OP_FSYNC, OP_CONNECT, NR_OPS };
struct event {
	__u64 time_ns;
	__u64 latency_ns;
	__u32 pid;
	__u32 op;
	__u64 bytes;
	char comm[16];
	char file[32];
};

#endif
