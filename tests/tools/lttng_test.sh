#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A sample of random filters against the real LTTng-UST: does it record what tests/lttng/random_test.c's walk
# wants?  Then the tracer with LTTng's tracepoints.  Both skip where LTTng is not installed.
set -eu
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
seed=${SEED:-$(($(date +%s) / 86400))}
build/tests/lttng/random_test --print 200 "$seed" >"$out/expressions"
status=0
bash tests/lttng/capture.sh "$out/expressions" "$out/corpus" build/lttng || status=$?
[ $status = 77 ] && exit 0
[ $status = 0 ]
build/tests/lttng/random_test --compare "$out/corpus" 200 "$seed" || { echo "seed $seed"; exit 1; }
for wild in '' +; do
	WILD=$wild examples/tracer/lttng.sh 60 || [ $? = 77 ]
done
