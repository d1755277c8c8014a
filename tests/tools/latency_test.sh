#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# examples/latency against a workload that knows its slow calls: every one is found.  How many others are
# reported depends on who else runs: more than 1 % fails on a quiet machine only.
set -u
cd "$(dirname "$0")/../.."
load=$(cut -d. -f1 /proc/loadavg)
examples/latency/run.sh --prove --seconds 2
case $? in
0) echo "Checks: 1, Failures: 0, Errors: 0" ;;
77) ;;	# the skip was printed
3)	[ "$load" -lt 1 ] && { echo "FAILED: more than 1 % false on a quiet machine"; exit 1; }
	echo "skip: latency: more than 1 % false, but the machine is not quiet (load $load)" ;;
*) exit 1 ;;
esac
