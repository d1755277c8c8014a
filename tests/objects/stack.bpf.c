/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stack.bpf.c - what a raw tracepoint program, whose context has no registers, learns of the user's stack. */
#include "bpf_min.h"

#define BPF_F_USER_STACK 256

static long (*bpf_get_stack)(void *ctx, void *buf, u32 size, u64 flags) = (void *)67;

struct { s64 size; u64 ip[64]; } found;

SEC("raw_tp/sys_enter") int walk(void *ctx)
{
	found.size = bpf_get_stack(ctx, found.ip, sizeof found.ip, BPF_F_USER_STACK);
	return 0;
}
