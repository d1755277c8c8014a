/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* user.bpf.c - runs in the traced process, at a function's entry and exit: marks the thread. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "assisted.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mark);
} marks SEC(".maps");

static void mark(int by)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct mark *m = bpf_map_lookup_elem(&marks, &tid);

	if (m)
		m->inside += by;
}

SEC("raw/entry")
int on_entry(void *ctx)
{
	mark(1);
	return 0;
}

SEC("raw/exit")
int on_exit(void *ctx)
{
	mark(-1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
