#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The small tracer: two filters in C take turns, every 100 us or so, while three threads emit.
# `run.sh [MILLISECONDS]`; needs the library in build/ (make) and clang.
set -eu
cd "$(dirname "$0")/../.."
here=examples/tracer out=build/tracer
mkdir -p "$out"
for f in failed large; do
	"${CLANG:-clang}" --target=bpf -O2 -g -Wall -c "$here/$f.bpf.c" -o "$out/$f.o"
done
"${CC:-cc}" -O2 -Wall -Wextra -Iinclude -I"$here" -o "$out/small" "$here/small.c" build/libuebpf.a -lelf -lpthread -lm
"$out/small" "$out/events.bin" "${1:-500}" "$out/failed.o" "$out/large.o"
# every recorded event is one that a filter wanted (32 bytes: sequence, size, status, name)
od -An -v -w32 -t u4 "$out/events.bin" |
	awk '{ failed = $4 >= 2147483648 && $3 > 16; if (!failed && $3 < 4080) bad++ }
	     END { printf "%d events in the file, %d that no filter wanted\n", NR, bad; exit bad > 0 || !NR }'
