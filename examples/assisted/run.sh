#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Tracing the kernel only while a thread is inside one function.  `run.sh [--rounds N] [--ms N]`; needs the
# library in build/ (make), clang, libbpf and CAP_BPF with CAP_PERFMON; exit 77 with the reason where one is
# missing.
set -eu
cd "$(dirname "$0")/../.."
here=examples/assisted out=build/assisted
skip() { echo "skip: assisted: $1"; exit 77; }
command -v "${CLANG:-clang}" >/dev/null || skip "no clang to compile the programs"
pkg-config --exists libbpf || skip "no libbpf (Debian: libbpf-dev)"
mkdir -p "$out"
multiarch=$("${CC:-cc}" -print-multiarch 2>/dev/null || true)
for f in kern user; do
	"${CLANG:-clang}" --target=bpf -O2 -g -Wall ${multiarch:+-idirafter "/usr/include/$multiarch"} \
		-c "$here/$f.bpf.c" -o "$out/$f.o"
done
# shellcheck disable=SC2046
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Iinclude -I"$here" -o "$out/assisted" "$here/assisted.c" \
	build/libuebpf.a $(pkg-config --cflags --libs libbpf) -lelf -lpthread -lm
"$out/assisted" "$out/kern.o" "$out/user.o" "$@"
