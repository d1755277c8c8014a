#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Adaptive system call latency.  `run.sh [--pid PID] [--seconds N]` shows a live table, `run.sh --prove
# [--seconds N]` finds the slow calls of a workload that knows them.  Needs the library in build/ (make),
# clang, libbpf and CAP_BPF with CAP_PERFMON; exit 77 with the reason where one is missing.
set -eu
cd "$(dirname "$0")/../.."
here=examples/latency out=build/latency
skip() { echo "skip: latency: $1"; exit 77; }
command -v "${CLANG:-clang}" >/dev/null || skip "no clang to compile the programs"
pkg-config --exists libbpf || skip "no libbpf (Debian: libbpf-dev)"
[ "$(uname -m)" = x86_64 ] || skip "the workload's system calls are x86-64's"
mkdir -p "$out"
multiarch=$("${CC:-cc}" -print-multiarch 2>/dev/null || true)
for f in kern user; do
	"${CLANG:-clang}" --target=bpf -O2 -g -Wall ${multiarch:+-idirafter "/usr/include/$multiarch"} \
		-c "$here/$f.bpf.c" -o "$out/$f.o"
done
echo '#include <sys/syscall.h>' | "${CC:-cc}" -E -dM - |
	awk '/#define __NR_/ && $3 ~ /^[0-9]+$/ && $3 < 512 { printf "[%d] = \"%s\",\n", $3, substr($2, 6) }' >"$out/names.inc"
# shellcheck disable=SC2046
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Iinclude -I"$here" -I"$out" -o "$out/latency" "$here"/latency.c "$here"/workload.c \
	build/libuebpf.a $(pkg-config --cflags --libs libbpf) -lelf -lpthread -lm
"$out/latency" "$out/kern.o" "$out/user.o" "$@"
