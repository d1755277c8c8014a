#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Part "cbpf" of bench/run: packet filters against libpcap's interpreter, 10 expressions.
set -eu
pkg-config --exists libpcap || { echo "bench: no libpcap (package libpcap-dev): part cbpf is left out"; exit 0; }
# shellcheck disable=SC2046
cc -O2 -g -std=gnu11 -I. $(pkg-config --cflags libpcap) -o "$OUT/cbpf" bench/cbpf.c build/libuebpf.a -lpcap -lelf -lm -lpthread
"$OUT/cbpf" | tee "$OUT/cbpf.md"
