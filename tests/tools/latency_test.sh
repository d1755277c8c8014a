#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# examples/latency against a workload that knows its slow calls: every one is found.  How many others are
# reported depends on who else runs: more than 1 % fails on a quiet machine only.
# shellcheck source=tests/tools/example.sh
. "$(dirname "$0")/example.sh"
load=$(cut -d. -f1 /proc/loadavg)
run_example latency --prove --seconds 2
if [ "$code" = 3 ] && [ "$load" -ge 1 ]; then
	echo "skip: latency: more than 1 % false, but the machine is not quiet (load $load)"
	exit 0
fi
passed
