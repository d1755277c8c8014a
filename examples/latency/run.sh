#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Adaptive system call latency.  `run.sh [--pid PID] [--seconds N]` shows a live table, `run.sh --prove
# [--seconds N]` finds the slow calls of a workload that knows them.  Needs clang, libbpf and CAP_BPF with CAP_PERFMON.
example=latency
# shellcheck source=examples/build.sh
. "$(dirname "$0")/../build.sh"
need_libbpf
[ "$(uname -m)" = x86_64 ] || skip "the workload's system calls are x86-64's"
build_bpf kern.bpf.c kern.o
build_bpf user.bpf.c user.o
echo '#include <sys/syscall.h>' | "${CC:-cc}" -E -dM - |
	awk '/#define __NR_/ && $3 ~ /^[0-9]+$/ && $3 < 512 { printf "[%d] = \"%s\",\n", $3, substr($2, 6) }' >"$out/names.inc"
build_host latency "$here/latency.c" "$here/workload.c"
"$out/latency" "$out/kern.o" "$out/user.o" "$@"
