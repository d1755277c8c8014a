#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The small tracer's own sums agree and its file holds only wanted events.
set -eu
cd "$(dirname "$0")/../.."
command -v "${CLANG:-clang}" >/dev/null || { echo "skip: no clang to compile the tracer's filters"; exit 0; }
examples/tracer/run.sh 300
