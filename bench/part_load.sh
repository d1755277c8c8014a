#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Part "load" of bench/run: time from bytes to runnable, memory per program and env.
set -eu
cc=$(command -v clang-19 || command -v clang)
objcopy=$(command -v llvm-objcopy-19 || command -v llvm-objcopy)
mkdir -p "$OUT/bpf"
$cc --target=bpf -O2 -g -mcpu=v3 -c bench/objects/ten.bpf.c -o "$OUT/ten.o"
$cc --target=bpf -O2 -g -mcpu=v3 -c bench/progs/filter10.bpf.c -o "$OUT/bpf/filter10.o"
$objcopy -O binary --only-section=raw "$OUT/bpf/filter10.o" "$OUT/filter10.raw"
cc -O2 -g -std=gnu11 -I. -o "$OUT/load" bench/load.c build/libuebpf-inner.a -lelf -lm -lpthread
"$OUT/load" | tee "$OUT/load.md"
