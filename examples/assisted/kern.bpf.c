/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kern.bpf.c - system calls, switches and wakeups of threads that are marked (or, setup.all, of the whole
 * process: what tracing without help has to record). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "assisted.h"

struct task_struct { int pid, tgid; } __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);		/* the host says: as many as there can be threads */
	__type(key, __u32);
	__type(value, struct mark);
} marks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} events SEC(".maps");

struct setup setup SEC(".data.setup") = { 0 };

static void record(enum event_kind kind, __u32 tid, __u32 value, __u32 inside)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof *e, 0);

	if (!e) {
		__sync_fetch_and_add(&setup.lost, 1);
		return;
	}
	e->time = bpf_ktime_get_ns();
	e->kind = kind;
	e->tid = tid;
	e->value = value;
	e->inside = inside;
	/* Waking the reader here would switch threads, which is an event, which would wake the reader: it comes
	 * by itself every few milliseconds. */
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

static struct mark *mark_of(__u32 tid)
{
	return bpf_map_lookup_elem(&marks, &tid);
}

static int of_this_thread(enum event_kind kind, __u32 value)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct mark *m = mark_of((__u32)id);

	if (m && (m->inside || (setup.all && id >> 32 == setup.tgid && (__u32)id != setup.not_tid)))
		record(kind, (__u32)id, value, m->inside);
	return 0;
}

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	return of_this_thread(SYS_ENTER, ctx->args[1]);
}

SEC("raw_tp/sys_exit")
int leave(struct bpf_raw_tracepoint_args *ctx)
{
	return of_this_thread(SYS_EXIT, 0);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int state)
{
	struct mark *out = mark_of(prev->pid), *in = mark_of(next->pid);

	if (out && (out->inside || (setup.all && prev->tgid == setup.tgid && prev->pid != setup.not_tid))) {
		out->blocked = state != 0 && !preempt;
		record(SWITCH_OUT, prev->pid, out->blocked, out->inside);
	}
	if (in && (in->inside || (setup.all && next->tgid == setup.tgid && next->pid != setup.not_tid))) {
		in->blocked = 0;
		record(SWITCH_IN, next->pid, 0, in->inside);
	}
	return 0;
}

/* Told when the thread is runnable again, under the lock of the queue that it left: after its switch. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct mark *m = mark_of(task->pid);

	if (m && ((m->inside && m->blocked) ||
		  (setup.all && task->tgid == setup.tgid && task->pid != setup.not_tid)))
		record(WAKEUP, task->pid, (__u32)bpf_get_current_pid_tgid(), m->inside);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
