/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* netcost.h - what the kernel programs, the classifier and the host agree on. */
#ifndef NETCOST_H
#define NETCOST_H

#include <linux/types.h>

enum { CPUS = 64, HALF = 8192, DEPTH = 127, RANGES = 512 };

/* What a CPU is doing for the network: a soft interrupt, or below it a thread's send or receive. */
enum kind { OTHER, NET_TX, NET_RX, SEND, RECEIVE, KINDS };
struct cpu { __u64 ns[KINDS], since; __u32 softirq, thread; };

/* One sample: 1 KiB. */
struct stack { __u32 depth, cpu; __u64 ip[DEPTH]; };
/* The host reads one half while the kernel fills the other. */
struct setup { __u64 taken[2], written[2], dropped; __u32 half, pad; };

enum class { UNKNOWN, DRIVER, GRO, XDP, TC, NETFILTER, BRIDGE, FORWARD, DELIVER, SENDING, RECEIVING, CLASSES };
struct range { __u64 start, end; __u32 class, pad; };
struct symbols { __u64 n; struct range range[RANGES]; };

#endif
