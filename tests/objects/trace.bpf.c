/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What tracing tools write with libbpf's headers and the kernel's own types (vmlinux.h). */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

const volatile pid_t targ_pid = 0;
const volatile bool with_parent = true;
const volatile __u64 min_ns = 1000;
__u64 dropped;

struct event { __u64 ts, delta; __u32 pid, ppid; int ret; char comm[TASK_COMM_LEN]; char name[64]; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 10240); __type(key, __u32);
	 __type(value, struct event); } start SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, sizeof(__u32));
	 __uint(value_size, sizeof(__u32)); } events SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 16); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32);
	 __type(value, struct event); } scratch SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK_TRACE); __uint(max_entries, 128); __uint(key_size, 4);
	 __uint(value_size, 127 * sizeof(__u64)); } stacks SEC(".maps");
struct hist { __u32 slots[27]; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 128); __type(key, __u32);
	 __type(value, struct hist); } hists SEC(".maps");
static struct hist zero;

struct no_such_thing { int x; };
/* A field whose name changed between kernels. */
struct task_struct___old { long state; } __attribute__((preserve_access_index));

static __always_inline __u64 log2l(__u64 v)
{
	__u32 r = 0;

	while (v >>= 1)
		r++;
	return r;
}

static __noinline long task_state(void *arg)
{
	struct task_struct *t = arg;

	if (bpf_core_field_exists(t->__state))
		return BPF_CORE_READ(t, __state);
	return BPF_CORE_READ((struct task_struct___old *)t, state);
}

SEC("tracepoint/syscalls/sys_enter_openat")
int enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct event e = {};
	__u32 tid = id;

	if (targ_pid && targ_pid != (id >> 32))
		return 0;
	e.ts = bpf_ktime_get_ns();
	bpf_get_current_comm(&e.comm, sizeof(e.comm));
	bpf_probe_read_user_str(&e.name, sizeof(e.name), (void *)ctx->args[1]);
	bpf_map_update_elem(&start, &tid, &e, BPF_ANY);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct event *e = bpf_map_lookup_elem(&start, &tid);

	if (!e)
		return 0;
	e->ret = ctx->ret;
	e->delta = bpf_ktime_get_ns() - e->ts;
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, e, sizeof(*e));
	bpf_map_delete_elem(&start, &tid);
	return 0;
}

SEC("kprobe/tcp_v4_connect")
int BPF_KPROBE(connect, struct sock *sk)
{
	struct event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&dropped, 1);
		return 0;
	}
	e->pid = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	e->ppid = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
	e->ret = BPF_CORE_READ(sk, __sk_common.skc_dport);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("kretprobe/tcp_v4_connect")
int BPF_KRETPROBE(connected, int ret)
{
	bpf_printk("connected: %d %s", ret, "x");
	return ret;
}

SEC("raw_tp/sched_switch")
int switched(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *prev = (void *)ctx->args[1];
	__u32 pid = BPF_CORE_READ(prev, pid), slot;
	struct hist *h;

	if (with_parent)
		pid = BPF_CORE_READ(prev, real_parent, tgid);
	if (task_state(prev) == 0)
		return 0;
	h = bpf_map_lookup_elem(&hists, &pid);
	if (!h) {
		bpf_map_update_elem(&hists, &pid, &zero, BPF_NOEXIST);
		h = bpf_map_lookup_elem(&hists, &pid);
		if (!h)
			return 0;
	}
	slot = log2l(bpf_ktime_get_ns());
	if (slot >= 27)
		slot = 26;
	__sync_fetch_and_add(&h->slots[slot], 1);
	bpf_get_stackid(ctx, &stacks, 0);
	return 0;
}

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
	__u64 ip = PT_REGS_IP(&ctx->regs);

	return ip > min_ns;
}

SEC("kprobe/vfs_read")
int sizes(struct pt_regs *ctx)
{
	return bpf_core_type_exists(struct task_struct) * 4 + bpf_core_type_exists(struct no_such_thing) * 2 +
		(bpf_core_type_size(struct list_head) == 16) +
		(bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_HASH) == 1) * 8;
}

extern int LINUX_KERNEL_VERSION __kconfig;
SEC("kprobe/vfs_write")
int by_version(struct pt_regs *ctx)
{
	return LINUX_KERNEL_VERSION >= KERNEL_VERSION(4, 1, 0);
}

SEC("fentry/vfs_open")
int BPF_PROG(traced, struct path *path)
{
	return path->dentry != 0;
}

char LICENSE[] SEC("license") = "GPL";
