#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Exceptions through compiled and interpreted programs (src/throw.cc).
set -u
cd "$(dirname "$0")/../.." || exit 1
CXX=${CXX:-c++}
command -v "$CXX" >/dev/null || { echo "skip: throw: no C++ compiler"; exit 0; }
build/uebpf-run --version | grep -q 'jit' || { echo "skip: throw: this build has no JIT"; exit 0; }
T=$(mktemp -d) && trap 'rm -rf "$T"' EXIT
"$CXX" -std=c++17 -O2 -Wall -Wextra -I. -o "$T/throw" tests/tools/src/throw.cc build/libuebpf.a -lelf && "$T/throw"
