#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# examples/chains runs: chains here and in the kernel, both maps, the plot.
# shellcheck source=tests/tools/example.sh
. "$(dirname "$0")/example.sh"
run_example chains --quick
grep -q "^an empty program in the chain here: [0-9]" <<<"$said" || { echo "FAILED: no figure for the chain here"; exit 1; }
passed
