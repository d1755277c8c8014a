/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a program without registers in its context learns of who runs it: addresses, build ids, ids of both. */
#include "bpf_min.h"

enum { DEPTH = 16, USER_STACK = 256, BUILD_ID = 2048 };
struct place { s32 status; u8 id[20]; u64 offset; };
struct { __uint(type, 7); __uint(key_size, 4); __uint(value_size, DEPTH * 8); __uint(max_entries, 1024); } stacks SEC(".maps");
struct { __uint(type, 7); __uint(key_size, 4); __uint(value_size, DEPTH * 32); __uint(max_entries, 1024);
	 __uint(map_flags, 32); } places SEC(".maps");
s64 result[5];
u64 ip[DEPTH];
struct place place[DEPTH];

static long (*get_stackid)(void *ctx, void *map, u64 flags) = (void *)27;
static long (*get_stack)(void *ctx, void *buf, u32 size, u64 flags) = (void *)67;

static __always_inline int walk(void *ctx)
{
	result[0] = get_stack(ctx, ip, sizeof ip, USER_STACK);
	result[1] = get_stack(ctx, place, sizeof place, USER_STACK | BUILD_ID);
	result[2] = get_stackid(ctx, &stacks, USER_STACK);
	result[3] = get_stackid(ctx, &places, USER_STACK);
	result[4] = get_stackid(ctx, &stacks, USER_STACK | 1);	/* without the innermost */
	return 0;
}
SEC("raw_tp/walk") int walk_raw_tp(void *ctx) { return walk(ctx); }
SEC("tp/walk/walk") int walk_tp(void *ctx) { return walk(ctx); }
char _license[] SEC("license") = "GPL";
