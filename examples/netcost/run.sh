#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# What the network stack costs.  `run.sh [--quick]`; needs clang, libbpf, /proc/kallsyms with addresses, and CAP_BPF
# with CAP_PERFMON.
example=netcost
# shellcheck source=examples/build.sh
. "$(dirname "$0")/../build.sh"
need_libbpf
[ "$(uname -m)" = x86_64 ] || skip "its system call numbers are x86-64's"
build_bpf kern.bpf.c kern.o -mcpu=v3 -D__TARGET_ARCH_x86
build_bpf user.bpf.c user.o -mcpu=v3
build_host netcost "$here/netcost.c" "$here/flame.c"
"$out/netcost" "$out/kern.o" "$out/user.o" "$out/flame.svg" "$@"
