#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The filters and probe examples: what the programs accept and write down is what the events hold.
set -eu
cd "$(dirname "$0")/../.."
T=$(mktemp -d) && trap 'rm -rf "$T"' EXIT
examples/probe/run.sh "$T" >"$T/probe.txt"
for want in '^1000 of 1000 sales' '^320 of 1000 sales'; do
	grep -q "$want" "$T/probe.txt" || { echo "FAILED: probe: no line $want"; cat "$T/probe.txt"; exit 1; }
done
command -v "${CLANG:-clang}" >/dev/null || { echo "skip: no clang to compile the filters example"; exit 0; }
examples/filters/run.sh "$T" >"$T/out"
for want in 'count +accepted +0 of 100000' 'rate_limit +accepted +100 of' 'sample +accepted +1000 of' 'by_status\[200\] = 94001' \
	'by_status\[500\] = 2004' 'latency\[13\] = 50001'; do
	grep -qE "$want" "$T/out" || { echo "FAILED: filters: no line $want"; cat "$T/out"; exit 1; }
done
echo "Checks: 8, Failures: 0, Errors: 0"
