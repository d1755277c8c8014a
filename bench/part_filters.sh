#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Part "filters" of bench/run.  One command for each figure of the seed (Sharma's UeBPF):
#   FIGURES=predicates bench/run filters   filters_{int,str,mix}_{true,last,first}.svg: time over predicates; filters_nine.svg: 9 strings and 1 integer
#   FIGURES=degree bench/run filters       filters_degree.svg: time over the share of events that pass
#   FIGURES=total bench/run filters        filters_total.svg: total time of 10^5..10^8 events (MAX_EVENTS=1e7: fewer)
#   FIGURES=first bench/run filters        first event after install, compile time, an empty slot
#   FIGURES=kernel bench/run filters       three predicates from one object, in the kernel and here
# FIGURES unset: all.  LTTng-UST's arm runs in the same process as the others, under a session daemon of
# its own with a flight-recorder session; without LTTng it is left out, and that is said.
set -eu
figures=${FIGURES:-predicates degree total first kernel}
cc=$(command -v clang-19 || command -v clang)
out=$(realpath "$OUT")
lttng_home=

build() {
	local real=bench/filter_none.c libs=
	if [ -e "$(cc -print-file-name=liblttng-ust.so)" ] && command -v lttng lttng-sessiond >/dev/null; then
		real=bench/filter_real.c libs=-llttng-ust
		lttng_home=$(mktemp -d)
		trap stop EXIT
	else
		echo "filters: no LTTng (packages liblttng-ust-dev lttng-tools): its arm is left out"
	fi
	cc -O2 -g -std=gnu11 -I. -o "$out/filters" bench/filters.c bench/filter_set.c bench/lttng_vm.c $real \
		build/libuebpf.a $libs -lelf -ldl -lm -lpthread
	"$out/filters" --c >"$out/filters_c.c"
	$cc -O2 -fPIC -I. -c "$out/filters_c.c" -o "$out/filters_c.o"
	for k in 0 1 2 3 4 5 6 7; do
		printf ".text\n.skip %d\n.section .note.GNU-stack,\"\"\n" $((k * 16)) | $cc -c -x assembler - -o "$out/pad.o"
		$cc -shared -o "$out/filters_c_$k.so" "$out/pad.o" "$out/filters_c.o"
	done
}

# lttng, as the user of the private daemon
as() {
	local who=
	[ "$(id -u)" = 0 ] && who="setpriv --reuid=65534 --regid=65534 --clear-groups"
	$who env HOME="$lttng_home" LTTNG_HOME="$lttng_home" LTTNG_UST_REGISTER_TIMEOUT=-1 OUT="$lttng_home/out" "$@"
}
stop() {
	[ -e "$lttng_home/pid" ] && kill "$(cat "$lttng_home/pid")" && while [ -e "$lttng_home/pid" ]; do sleep .1; done
	rm -rf "$lttng_home"
}

measure() {
	if [ -z "$lttng_home" ]; then
		OUT=$out "$out/filters" "$@"
		return
	fi
	mkdir -p "$lttng_home/out"
	cp "$out/filters" "$out"/filters_c_*.so "$lttng_home/out"
	[ "$(id -u)" = 0 ] && chown -R 65534:65534 "$lttng_home"
	as lttng-sessiond --daemonize --no-kernel --pidfile "$lttng_home/pid"
	as lttng create bench --snapshot >/dev/null
	as lttng enable-channel -u --overwrite --subbuf-size=256K --num-subbuf=4 c >/dev/null
	"$out/filters" --list | while IFS=$(printf '\t') read -r event expr; do
		as lttng enable-event -u -c c "$event" --filter "$expr" >/dev/null
	done
	as lttng start >/dev/null
	as "$lttng_home/out/filters" "$@"
	cp "$lttng_home"/out/filters*.csv "$lttng_home"/out/filters*.dat "$out" 2>/dev/null || true
}

build
set --
for f in $figures; do [ "$f" = kernel ] || set -- "$@" "$f"; done
kernel() {
	if ! pkg-config --exists libbpf; then
		echo "filters: no libbpf-dev: the kernel's part is left out"
		return
	fi
	$cc --target=bpf -O2 -g -Wall -c bench/objects/three.bpf.c -o "$out/three.o"
	cc -O2 -std=gnu11 -I. -o "$out/three" bench/three.c build/libuebpf.a -lbpf -lelf -lm -lpthread
	"$out/three" "$out/three.o"
}
{
	[ $# = 0 ] || measure "$@"
	case " $figures " in *" kernel "*) kernel ;; esac
} | tee "$out/filters.md"
cp "$out/manifest.txt" "$out/filters.manifest.txt" 2>/dev/null || true
[ -z "$(command -v gnuplot)" ] && echo "filters: no gnuplot: no plots" || (cd "$out" && gnuplot "$OLDPWD/bench/filters.gp")
