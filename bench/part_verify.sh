#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Part "verify" of bench/run: how long our verifier takes beside BPF_PROG_LOAD of the same object, states
# and memory.  The kernel's time includes its compiler where that is on; `verify` is without ours.
set -eu
cc=$(command -v clang-19 || command -v clang)
flags="" libs=""
pkg-config --exists libbpf && { flags=-DHAVE_LIBBPF; libs=-lbpf; }
$cc --target=bpf -O2 -g -mcpu=v3 -Wall -c bench/verify/verify.bpf.c -o "$OUT/verify.o"
# shellcheck disable=SC2086
cc -O2 -g -std=gnu11 -I. $flags -o "$OUT/verify" bench/verify/verify.c build/libuebpf-inner.a $libs -lelf -lm -lpthread
"$OUT/verify" "$OUT/verify.o" "$@" | tee "$OUT/verify.md"
