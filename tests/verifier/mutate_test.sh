#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# mutate_test.sh - plants one bug at a time in the number domain and expects scalar_test to find it.
# Usage: tests/verifier/mutate_test.sh [first [last]]    from the project's top directory
set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 missed=0
try() {	# file, sed expression, what the bug is
	n=$((n + 1))
	[ $n -ge "${first:-1}" ] && [ $n -le "${last:-999}" ] || return 0
	cp verifier/scalar.c verifier/scalar_alu.c verifier/scalar_branch.c "$dir"
	sed "$2" "verifier/$1" > "$dir/$1"
	if cmp -s "verifier/$1" "$dir/$1"; then
		echo "FAIL: mutation $n ($3) changes nothing"; missed=$((missed + 1)); return 0
	fi
	if ! ${CC:-cc} -std=c11 -D_GNU_SOURCE -I. -O1 -w -o "$dir/t" tests/verifier/scalar_test.c "$dir"/scalar*.c \
		-lcheck -lsubunit -lm -lrt -lpthread 2> "$dir/log"; then
		echo "FAIL: mutation $n ($3) does not compile"; missed=$((missed + 1)); return 0
	fi
	if CK_FORK=no QUICK=1 timeout 60 "$dir/t" > "$dir/log" 2>&1; then
		echo "FAIL: nobody notices: $3"; missed=$((missed + 1))
	else
		echo "found: $3"
	fi
}
first=${1:-1} last=${2:-999}
try scalar_alu.c 's/if (over_lo == over_hi)/if (1)/' 'addition that forgets to wrap'
try scalar_alu.c 's/uint64_t unk = (carry | a.unk | b.unk) \& m;/uint64_t unk = (a.unk | b.unk) \& m;/' 'addition whose carries are known'
try scalar_alu.c 's/uint64_t unk = (borrow | a.unk | b.unk) \& m;/uint64_t unk = (a.unk | b.unk) \& m;/' 'subtraction whose borrows are known'
try scalar_alu.c 's/r.umax = a->umax \/ max_u(b->umin, 1);/r.umax = a->umax \/ max_u(b->umax, 1);/' 'quotient bounded by the largest divisor'
try scalar_alu.c 's/r.umin = b->umin ? a->umin \/ b->umax : 0;/r.umin = a->umin \/ b->umax;/' 'division by zero forgotten'
try scalar_alu.c 's/min_u(a->umax, b->umax - 1) : a->umax;/min_u(a->umax, b->umax - 1) : min_u(a->umax, b->umax);/' 'remainder by zero forgotten'
try scalar_alu.c 's/if (a->smin == s_min(w) \&\& b->smin <= -1 \&\& b->smax >= -1)/if (0)/' 'INT_MIN \/ -1 forgotten'
try scalar_alu.c 's/r.umin = max_u(a->umin, b->umin);/r.umin = a->umin + b->umin;/' 'or as addition'
try scalar_alu.c 's/if (a->umax <= m >> hi) {/if (a->umax <= m >> lo) {/' 'left shift loses bits unseen'
try scalar_alu.c 's/r.smin = a->smin < 0 ? a->smin >> lo : a->smin >> hi;/r.smin = a->smin >> hi;/' 'arithmetic shift of negatives'
try scalar_alu.c 's/if (w.h \&\& op == ALU_LSH \&\& hi < w.h) {/if (w.h) {/' 'right shift of the low half alone'
try scalar_alu.c 's/r.unk = (a.val | a.unk) \& (b.val | b.unk) \& ~r.val;/r.unk = a.unk \& b.unk \& ~r.val;/' 'bits of and (CVE-2021-3490 is of this kind)'
try scalar_branch.c 's/uint64_t d = !orequal;/uint64_t d = 1;/' '<= refined as <'
try scalar_branch.c 's/case CMP_LT: return taken ? less(w, a, b, false) : less(w, b, a, true);/case CMP_LT: return taken ? less(w, a, b, false) : less(w, b, a, false);/' 'the other edge of <'
try scalar_branch.c 's/if (!(both \& (both - 1))) {/if (both) {/' 'shared bits guessed'
try scalar_branch.c 's/a->umax -= a->umax == k;/a->umax -= 1;/' '!= shaves too much'
try scalar.c 's/if (r.umax - r.umin <= hm)/if (1)/' 'low half of a wide range taken for an arc (CVE-2020-8835 is of this kind)'
try scalar.c 's/\*out = hi | max_u(lo, p->lo\[i\]);/*out = hi | p->hi[i];/' 'next low half skips some'
try scalar.c 's/um = below_top_bit(lo ^ hi);/um = (lo ^ hi);/' 'only differing bits are unknown'
try scalar.c 's/s.umax = j.umax <= old->umax ? j.umax : j.umax <= limit_hi ? limit_hi : width_mask(w.w);/s.umax = limit_hi;/' 'widening that cuts off'
echo "$n mutations, $missed not found"
[ $missed = 0 ]
