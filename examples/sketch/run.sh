#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Sketches in the kernel and here from one object.  `run.sh [--quick]` (quick: fewer packets, no timing); needs the
# library in build/ (make), clang and libbpf, for the kernel side CAP_BPF and CAP_NET_ADMIN; exit 77 with the
# reason where a compiler or libbpf is missing.
set -eu
cd "$(dirname "$0")/../.."
here=examples/sketch out=build/sketch
skip() { echo "skip: sketch: $1"; exit 77; }
command -v "${CLANG:-clang}" >/dev/null || skip "no clang to compile the programs"
pkg-config --exists libbpf || skip "no libbpf (Debian: libbpf-dev)"
mkdir -p "$out"
multiarch=$("${CC:-cc}" -print-multiarch 2>/dev/null || true)
"${CLANG:-clang}" --target=bpf -O2 -g -Wall -mcpu=v3 ${multiarch:+-idirafter "/usr/include/$multiarch"} \
	-c "$here/sketch.bpf.c" -o "$out/sketch.o"
# shellcheck disable=SC2046
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Iinclude -I"$here" -o "$out/sketch" "$here/sketch.c" \
	build/libuebpf.a $(pkg-config --cflags --libs libbpf) -lelf -lpthread -lm
"$out/sketch" "$out/sketch.o" "$@"
