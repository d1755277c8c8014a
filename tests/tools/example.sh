# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# The test of an example, sourced: run_example NAME ARGUMENT... leaves its output in $said and its exit code in
# $code; it ends the test when the example cannot run here (its skip was printed).
cd "$(dirname "$0")/../.." || exit 1

run_example() {
	code=0
	said=$("examples/$1/run.sh" "${@:2}") || code=$?
	printf '%s\n' "$said"
	[ $code != 77 ] || exit 0
}

passed() { [ "$code" = 0 ] && echo "Checks: 1, Failures: 0, Errors: 0"; }
