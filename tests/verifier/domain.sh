#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# domain.sh CASE - the number domain's long runs (make fuzz): builds scalar_test for speed and runs one of its
# cases (values, random, wide, five) with nothing left out.  FUZZ_SECONDS ends it; what was seen by then is the
# progress it printed.  PART=k/n as in scalar_test.c.   From the project's top directory
set -u
case=${1:?usage: tests/verifier/domain.sh values|random|wide|five}
dir=${BUILD:-build}/domain
mkdir -p "$dir"
out=$dir/scalar_test.$$
trap 'rm -f "$out"' EXIT
${CC:-cc} -std=c11 -D_GNU_SOURCE -I. -O3 -march=native -DWHOLE -o "$out" tests/verifier/scalar_test.c \
	-lcheck -lsubunit -lm -lrt -lpthread || exit 1
FUZZ=1 CK_RUN_CASE=$case timeout -s INT "${FUZZ_SECONDS:-0}" "$out"
rc=$?
[ $rc = 124 ] && { echo "stopped after $FUZZ_SECONDS s: see the progress above"; rc=0; }
exit $rc
