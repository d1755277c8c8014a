#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Part "expr" of bench/run: filter expressions against hard-coded C, and the time that compiling takes.
set -eu
cc -O2 -g -std=gnu11 -I. -o "$OUT/expr" bench/expr.c build/libuebpf.a -lelf -lm -lpthread
"$OUT/expr" | tee "$OUT/expr.md"
