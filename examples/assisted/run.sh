#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Tracing the kernel only while a thread is inside one function.  `run.sh [--rounds N] [--ms N]`; needs clang, libbpf
# and CAP_BPF with CAP_PERFMON.
example=assisted
# shellcheck source=examples/build.sh
. "$(dirname "$0")/../build.sh"
need_libbpf
build_bpf kern.bpf.c kern.o
build_bpf user.bpf.c user.o
build_host assisted "$here/assisted.c"
"$out/assisted" "$out/kern.o" "$out/user.o" "$@"
