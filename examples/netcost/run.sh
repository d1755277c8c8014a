#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# What the network stack costs.  `run.sh [--quick]`; needs the library in build/ (make), clang, libbpf,
# /proc/kallsyms with addresses, and CAP_BPF with CAP_PERFMON; exit 77 with the reason where one is missing.
set -eu
cd "$(dirname "$0")/../.."
here=examples/netcost out=build/netcost
skip() { echo "skip: netcost: $1"; exit 77; }
command -v "${CLANG:-clang}" >/dev/null || skip "no clang to compile the programs"
pkg-config --exists libbpf || skip "no libbpf (Debian: libbpf-dev)"
[ "$(uname -m)" = x86_64 ] || skip "its system call numbers are x86-64's"
mkdir -p "$out"
multiarch=$("${CC:-cc}" -print-multiarch 2>/dev/null || true)
for f in kern user; do
	"${CLANG:-clang}" --target=bpf -O2 -g -Wall -mcpu=v3 -D__TARGET_ARCH_x86 \
		${multiarch:+-idirafter "/usr/include/$multiarch"} -c "$here/$f.bpf.c" -o "$out/$f.o"
done
# shellcheck disable=SC2046
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Iinclude -I"$here" -o "$out/netcost" "$here/netcost.c" "$here/flame.c" \
	build/libuebpf.a $(pkg-config --cflags --libs libbpf) -lelf -lpthread -lm
"$out/netcost" "$out/kern.o" "$out/user.o" "$out/flame.svg" "$@"
