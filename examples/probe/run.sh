#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the probe example and shows its site, and what passes it without and with a filter.
set -eu
cd "$(dirname "$0")/../.."
out=${1:-build/examples}
mkdir -p "$out"
${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -I. -o "$out/probe" examples/probe/probe.c build/libuebpf.a -lelf -lm
readelf -n "$out/probe" | sed -n '/stapsdt/,$p'
"$out/probe"
"$out/probe" 'item == "tea" && cents > 250'
