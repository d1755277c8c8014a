#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The small tracer: two filters in C take turns, every 100 us or so, while three threads emit.
# `run.sh [MILLISECONDS]`; needs clang.
example=tracer
# shellcheck source=examples/build.sh
. "$(dirname "$0")/../build.sh"
need_clang
build_bpf failed.bpf.c failed.o
build_bpf large.bpf.c large.o
build_host small "$here/small.c"
"$out/small" "$out/events.bin" "${1:-500}" "$out/failed.o" "$out/large.o"
# every recorded event is one that a filter wanted (32 bytes: sequence, size, status, name)
od -An -v -w32 -t u4 "$out/events.bin" |
	awk '{ failed = $4 >= 2147483648 && $3 > 16; if (!failed && $3 < 4080) bad++ }
	     END { printf "%d events in the file, %d that no filter wanted\n", NR, bad; exit bad > 0 || !NR }'
