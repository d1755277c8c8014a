/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kern.bpf.c - times every system call and compares it with the threshold that user space keeps in the same
 * memory.  No decision is made here: what "slow" means can change between two calls. */
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

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} slow_calls SEC(".maps");

struct started { __u64 at; __u32 nr; };
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct started);
} started SEC(".maps");

struct setup setup SEC(".data.setup") = { 0 };

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 nr = ctx->args[1];
	struct started *s;

	if (nr >= SYSCALLS || (setup.tgid && bpf_get_current_pid_tgid() >> 32 != setup.tgid))
		return 0;
	s = bpf_task_storage_get(&started, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 0;
	s->nr = nr;
	s->at = bpf_ktime_get_ns();
	return 0;
}

static void report(const struct started *s, __u64 ns, __u64 threshold)
{
	struct slow_call *r = bpf_ringbuf_reserve(&slow_calls, sizeof *r, 0);

	if (!r) {
		__sync_fetch_and_add(&setup.lost, 1);
		return;
	}
	r->start = s->at;
	r->ns = ns;
	r->threshold = threshold;
	r->tid = (__u32)bpf_get_current_pid_tgid();
	r->nr = s->nr;
	bpf_ringbuf_submit(r, 0);
}

SEC("raw_tp/sys_exit")
int leave(void *ctx)
{
	__u64 now = bpf_ktime_get_ns(), ns, threshold;
	struct started *s;
	struct row *row;

	if (setup.tgid && bpf_get_current_pid_tgid() >> 32 != setup.tgid)
		return 0;
	s = bpf_task_storage_get(&started, bpf_get_current_task_btf(), 0, 0);
	if (!s || !s->at)
		return 0;
	row = bpf_map_lookup_elem(&rows, &s->nr);
	ns = now - s->at;
	if (row) {
		threshold = *(volatile __u64 *)&row->threshold;	/* user space writes it whenever it likes */
		if (threshold && ns > threshold) {
			__sync_fetch_and_add(&row->slow, 1);
			__sync_fetch_and_add(&row->slow_ns, ns);
			report(s, ns, threshold);
		} else {
			__sync_fetch_and_add(&row->calls, 1);
			__sync_fetch_and_add(&row->ns, ns);
		}
	}
	s->at = 0;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
