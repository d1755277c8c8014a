/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Section names: known, old, refused, none. */
#include "bpf_min.h"
#define P(sec, name) SEC(sec) int name(void *ctx) { return 0; }
P("xdp", p_xdp) P("xdp_pass", p_xdp_loose) P("xdp.frags/cpumap", p_xdp_cpumap) P("tc", p_tc)
P("classifier", p_cls) P("action", p_act) P("socket1", p_socket) P("kprobe/do_unlinkat", p_kprobe)
P("uretprobe//bin/sh:main", p_uret) P("tracepoint/syscalls/sys_enter_open", p_tp) P("tp/sched/sched_switch", p_tp2)
P("raw_tp/sys_enter", p_raw_tp) P("perf_event", p_perf) P("sockops", p_sockops) P("cgroup/connect4", p_connect)
P("cgroup_skb/egress", p_egress) P("?xdp", p_optional) P("fentry/do_unlinkat", p_fentry) P("tp_btf/sys_enter", p_tpbtf)
P("lsm/file_open", p_lsm) P("struct_ops/init", p_ops) P("netfilter", p_nf) P("syscall", p_syscall)
P("uebpf/filter", p_filter) P("uebpf/sensor", p_sensor) P("2/7", p_none) P("from-container", p_none2)
P("raw", p_raw) P("sk_lookup/x", p_lookup) P("freplace/f", p_ext) P("iter/task", p_iter)
char _license[] SEC("license") = "GPL";
