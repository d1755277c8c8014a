# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash disable=SC2154
# What scripts/check runs: one line a step, "name|command".  Sourced, not run.
all_tests=$(ls tests/*/*_test.c)
thread_tests=$(grep -E '_threads_test\.c$' <<<"$all_tests")
# Under ASan+UBSan: data tests, vm, loader, maps, helpers, api, lttng.
asan_tests=$(grep -E '^tests/(vm|loader|maps|helpers|api|lttng)/' <<<"$all_tests" | grep -vE '(_kernel|_long)_test\.c$')

bins() { local dir=$1; shift; for t in "$@"; do printf '%s/%s ' "$dir" "${t%.c}"; done; }

plan_build() {
	echo "build-release|make -j$jobs all tests docs-build"
	# shellcheck disable=SC2086
	case $what in
	check|soak)
		echo "build-asan|make -j$jobs MODE=asan $(bins build/asan $asan_tests)"
		[ -n "$thread_tests" ] && echo "build-tsan|make -j$jobs MODE=tsan $(bins build/tsan $thread_tests)"
		;;
	esac
}

plan_steps() {
	case $what in
	check)
		# long ones first, so that two cores end together
		plan_fuzz 20
		# shellcheck disable=SC2086
		{ list_tests release $all_tests; list_tests asan $asan_tests; list_tests tsan $thread_tests; }
		for s in tests/tools/*_test.sh tests/verifier/*_test.sh; do
			[ -e "$s" ] && { n=${s%.sh}; n=${n#tests/}; echo "$(echo "$n" | tr / -)|bash $s"; }
		done
		echo "includes|scripts/includes"
		echo "docs-fresh|scripts/docs-fresh"
		echo "compile-variants|scripts/variants"
		;;
	soak)
		# in one process: Check's message of a test that took more than 2^31 microseconds cannot be packed
		# shellcheck disable=SC2086
		SOAK=1 list_tests release $all_tests | sed 's/|/|SOAK=1 CK_FORK=no /'
		;;
	fuzz)
		plan_fuzz "${FUZZ_SECONDS:-3600}"
		for c in values random wide five; do echo "verifier-domain-$c|bash tests/verifier/domain.sh $c"; done
		echo "kernel-differential|CK_FORK=no FUZZ=${FUZZ_SECONDS:-3600} build/tests/kernel/differential_test $RANDOM$RANDOM"
		echo "verifier-sound|FUZZ=1 timeout -s INT ${FUZZ_SECONDS:-3600} build/tests/verifier/sound_test $RANDOM$RANDOM || [ \$? = 124 ]"
		;;
	esac
}

plan_fuzz() {	# seconds each
	for f in tests/fuzz/*_fuzz.c; do
		[ -e "$f" ] && { n=${f##*/}; echo "fuzz-${n%_fuzz.c}|scripts/fuzz ${n%_fuzz.c} $1"; }
	done
}
