/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* CO-RE against the running kernel: things that every kernel has. */
#include "bpf_min.h"
#define CORE __attribute__((preserve_access_index))
struct task_struct { int pid, tgid; char comm[16]; struct task_struct *group_leader; } CORE;
enum bpf_map_type___x { BPF_MAP_TYPE_RINGBUF___x = 1 };

SEC("raw") u64 has_pid(struct task_struct *t) { return __builtin_preserve_field_info(t->pid, 2); }
SEC("raw") u64 comm_size(struct task_struct *t) { return __builtin_preserve_field_info(t->comm, 1); }
SEC("raw") u64 tgid_off(struct task_struct *t) { return __builtin_preserve_field_info(t->tgid, 0); }
SEC("raw") u64 map_type(void *ctx)
{
	return __builtin_preserve_enum_value(*(enum bpf_map_type___x *)BPF_MAP_TYPE_RINGBUF___x, 1);
}
char _license[] SEC("license") = "GPL";
