#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds and runs the filters example.
set -eu
cd "$(dirname "$0")/../.."
out=${1:-build/examples}
mkdir -p "$out"
multiarch=$(${CC:-cc} -print-multiarch 2>/dev/null || true)
${CLANG:-clang} --target=bpf -O2 -g ${multiarch:+-idirafter "/usr/include/$multiarch"} -c examples/filters/filters.bpf.c -o "$out/filters.bpf.o"
${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -I. -Iexamples/filters -o "$out/filters" examples/filters/filters.c build/libuebpf.a -lelf -lm
"$out/filters" "$out/filters.bpf.o"
