/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kern.bpf.c - the time that each CPU spends for the network (full tracking), and stack samples into a mapped
 * array or, to compare, a ring buffer.  The host attaches what it wants to measure. */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "netcost.h"

struct task_struct;

#define MAPPED(name, entries, of) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, entries); \
		__type(key, __u32); __type(value, of); \
	} name SEC(".maps")
MAPPED(cpus, CPUS, struct cpu);
MAPPED(stacks, 2 * HALF, struct stack);
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} ring SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} doing SEC(".maps");
struct setup setup SEC(".data.setup") = { 0 };

/* ---- full tracking: the clock of what the CPU does now stops, that of what comes starts ---- */

static struct cpu *this_cpu(void)
{
	__u32 id = bpf_get_smp_processor_id();
	struct cpu *c = bpf_map_lookup_elem(&cpus, &id);
	__u64 now;
	__u32 kind;

	if (!c)
		return 0;
	now = bpf_ktime_get_ns();
	kind = c->softirq ? c->softirq : c->thread;
	if (c->since && kind < KINDS)
		c->ns[kind] += now - c->since;
	c->since = now;
	return c;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_entry, unsigned int nr)
{
	struct cpu *c = nr == 2 || nr == 3 ? this_cpu() : 0;	/* NET_TX_SOFTIRQ, NET_RX_SOFTIRQ */

	if (c)
		c->softirq = nr == 2 ? NET_TX : NET_RX;
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_exit, unsigned int nr)
{
	struct cpu *c = nr == 2 || nr == 3 ? this_cpu() : 0;

	if (c)
		c->softirq = 0;
	return 0;
}

static __u32 kind_of_call(__u64 nr)
{
	switch (nr) {	/* x86-64 */
	case 44: case 46: case 307: return SEND;	/* sendto, sendmsg, sendmmsg */
	case 45: case 47: case 299: return RECEIVE;
	}
	return 0;
}

static int thread_does(__u32 kind)
{
	__u32 *d = bpf_task_storage_get(&doing, bpf_get_current_task_btf(), 0, kind ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	struct cpu *c;

	if (!d || (!kind && !*d))
		return 0;
	c = this_cpu();
	*d = kind;
	if (c)
		c->thread = kind;
	return 0;
}

SEC("raw_tp/sys_enter")
int sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 kind = kind_of_call(ctx->args[1]);

	return kind ? thread_does(kind) : 0;
}

SEC("raw_tp/sys_exit")
int sys_exit(void *ctx)
{
	return thread_does(0);
}

/* A thread takes its clock along when it leaves the CPU. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 *d = bpf_task_storage_get(&doing, next, 0, 0);
	struct cpu *c = this_cpu();

	if (c)
		c->thread = d ? *d : 0;
	return 0;
}

/* ---- sampling ---- */

static void fill(void *ctx, struct stack *s)
{
	long n = bpf_get_stack(ctx, s->ip, sizeof s->ip, 0);

	s->depth = n > 0 ? n / sizeof s->ip[0] : 0;
	s->cpu = bpf_get_smp_processor_id();
}

SEC("perf_event")
int sample_array(struct bpf_perf_event_data *ctx)
{
	__u32 half = *(volatile __u32 *)&setup.half & 1, at;
	__u64 n = __sync_fetch_and_add(&setup.taken[half], 1);
	struct stack *s;

	at = half * HALF + n;
	s = n < HALF ? bpf_map_lookup_elem(&stacks, &at) : 0;
	if (!s) {
		__sync_fetch_and_add(&setup.dropped, 1);
		return 0;
	}
	fill(ctx, s);
	__sync_fetch_and_add(&setup.written[half], 1);
	return 0;
}

SEC("perf_event")
int sample_ring(struct bpf_perf_event_data *ctx)
{
	struct stack *s = bpf_ringbuf_reserve(&ring, sizeof *s, 0);

	__sync_fetch_and_add(&setup.taken[0], 1);
	if (!s) {
		__sync_fetch_and_add(&setup.dropped, 1);
		return 0;
	}
	fill(ctx, s);
	bpf_ringbuf_submit(s, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
