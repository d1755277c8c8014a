#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Sketches in the kernel and here from one object.  `run.sh [--quick]` (quick: fewer packets, no timing); needs clang
# and libbpf, for the kernel side CAP_BPF and CAP_NET_ADMIN.
example=sketch
# shellcheck source=examples/build.sh
. "$(dirname "$0")/../build.sh"
need_libbpf
build_bpf sketch.bpf.c sketch.o -mcpu=v3
build_host sketch "$here/sketch.c"
"$out/sketch" "$out/sketch.o" "$@"
