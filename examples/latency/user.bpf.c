/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* user.bpf.c - runs in the host's process.  `thresholds` every 10 ms: each system call's threshold follows
 * what its last windows took.  `slow` for each slow call that comes back. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "latency.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SYSCALLS);
	__type(key, __u32);
	__type(value, struct row);
} rows SEC(".maps");

/* How many times its usual time a call may take, and below what nothing is called slow (an interrupt inside a
 * short call is no news). */
const volatile __u64 factor = 4, floor_ns = 20000, enough = 32;
struct total { __u64 ns, slow_ns; } totals[SYSCALLS];

/* The host's helpers. */
extern __u64 prof_analysis(__u32 nr, const struct window *window, __u64 len);
extern __u64 get_threshold(__u32 nr);

static long one(void *map, const __u32 *nr, struct row *row, void *unused)
{
	__u64 calls = row->calls - row->seen_calls, slow = row->slow - row->seen_slow, ns = row->ns, slow_ns = row->slow_ns;
	struct window window = { .calls = calls };
	struct total *t;
	__u64 usual;

	if (*nr >= SYSCALLS || calls + slow < enough)
		return 0;	/* too few to say: they count in the next window */
	t = &totals[*nr];
	window.ns = ns - t->ns;
	/* Slow calls are left out, so that they do not raise the bar for the next one; but when most calls are
	 * slow, this is how long they take now. */
	if (slow > calls) {
		window.calls += slow;
		window.ns += slow_ns - t->slow_ns;
	}
	row->seen_calls += calls;
	row->seen_slow += slow;
	t->ns = ns;
	t->slow_ns = slow_ns;
	usual = prof_analysis(*nr, &window, sizeof window) * factor;
	*(volatile __u64 *)&row->threshold = usual > floor_ns ? usual : floor_ns;
	return 0;
}

SEC("raw")
int thresholds(void *ctx)
{
	bpf_for_each_map_elem(&rows, one, 0, 0);
	return 0;
}

/* 1: still slow by today's threshold. */
SEC("raw")
int slow(const struct slow_call *call, unsigned long len)
{
	struct row *row;

	if (len < sizeof *call)
		return 0;
	row = bpf_map_lookup_elem(&rows, &call->nr);
	if (row && call->ns > row->worst)
		row->worst = call->ns;
	return call->ns > get_threshold(call->nr);
}

char LICENSE[] SEC("license") = "GPL";
