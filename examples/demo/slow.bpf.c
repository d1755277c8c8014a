/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* slow.bpf.c - an event filter: keeps what a database does slowly, with a threshold per operation. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "demo.h"

volatile const __u64 threshold_ns[NR_OPS] = { 1000000, 2000000, 8000000, 50000000 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NR_OPS);
	__type(key, enum op);
	__type(value, __u64);
} slow_by_op SEC(".maps");

SEC("uebpf/filter")
int slow(struct event *e)
{
	enum op op = e->op;
	__u64 *count;

	if (op >= NR_OPS || e->latency_ns <= threshold_ns[op])
		return 0;
	if (e->comm[0] != 'p' || e->comm[1] != 'o' || e->comm[2] != 's' || e->comm[3] != 't')
		return 0;	/* postgres and its kin */
	count = bpf_map_lookup_elem(&slow_by_op, &op);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
