// SPDX-License-Identifier: Apache-2.0 OR MIT
/* Filters with side effects: each says 1 for events to keep, and keeps books in maps.  One object, five
 * programs; filters.c puts them into one slot, where each of them runs and any of them may accept. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "request.h"

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 64); __type(key, __u32); __type(value, __u64); } by_status SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 32); __type(key, __u32); __type(value, __u64); } latency SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct bucket); } bucket SEC(".maps");

const volatile __u32 sample_one_in = 100, per_second = 10, slow_us = 16000;

/* Counts by status, keeps nothing. */
SEC("uebpf/request")
int count(struct request *r)
{
	__u32 status = r->status;
	__u64 one = 1, *n = bpf_map_lookup_elem(&by_status, &status);

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&by_status, &status, &one, BPF_NOEXIST);
	return 0;
}

/* Histogram of latencies by powers of two, keeps nothing. */
SEC("uebpf/request")
int histogram(struct request *r)
{
	__u32 us = r->us, bin = 0;
	__u64 *n;

	for (int i = 16; i; i >>= 1)
		if (us >> i) {
			us >>= i;
			bin += i;
		}
	n = bpf_map_lookup_elem(&latency, &bin);
	if (n)
		++*n;
	return 0;
}

/* Keeps failures, at most per_second of them (a token bucket). */
SEC("uebpf/request")
int rate_limit(struct request *r)
{
	__u32 zero = 0;
	struct bucket *b = bpf_map_lookup_elem(&bucket, &zero);
	__u64 second = r->time_ns / 1000000000;

	if (r->status < 500 || !b)
		return 0;
	if (b->second != second) {
		b->second = second;
		b->taken = 0;
	}
	return __sync_fetch_and_add(&b->taken, 1) < per_second;
}

/* Keeps one in sample_one_in. */
SEC("uebpf/request")
int sample(struct request *r)
{
	return r->id % sample_one_in == 0;
}

/* Keeps what was slow. */
SEC("uebpf/request")
int threshold(struct request *r)
{
	return r->us > slow_us;
}

char _license[] SEC("license") = "Dual MIT/GPL";
