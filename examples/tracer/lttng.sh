#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# LTTng-UST tracepoints gated by UeBPF: filters take turns in a slot, a few hundred times, while three
# threads emit; another process sends them and gets the errors.  In the end the trace is read back with
# babeltrace2: it must hold exactly the events that the filters accepted, each of them one that some filter
# wants.  `lttng.sh [ROUNDS]`; WILD=+ records the events on which the filter with the bug fails; needs the library in build/, clang, lttng-tools, liblttng-ust-dev, babeltrace2.
set -eu
cd "$(dirname "$0")/../.."
for t in lttng lttng-sessiond babeltrace2; do
	command -v $t >/dev/null || { echo "skip: no $t (packages lttng-tools babeltrace2)"; exit 77; }
done
[ -e "$(${CC:-cc} -print-file-name=liblttng-ust.so)" ] || { echo "skip: no liblttng-ust-dev"; exit 77; }
here=examples/tracer out=build/tracer
mkdir -p "$out"
"${CLANG:-clang}" --target=bpf -O2 -g -Wall -c $here/wild.bpf.c -o $out/wild.o
for p in traced control; do
	# tracepoints go by name into the probe's own functions; the headers of LTTng are not ours to warn about
	"${CC:-cc}" -O2 -Wall -Wextra -Iinclude -I$here -o $out/$p $here/$p.c build/libuebpf.a \
		$([ $p = traced ] && echo -llttng-ust -ldl) -lelf -lpthread -lm
done
home=$(mktemp -d)
stop() { [ -e "$home/pid" ] && kill "$(cat "$home/pid")" && while [ -e "$home/pid" ]; do sleep .1; done; rm -rf "$home"; }
trap stop EXIT
cp $out/wild.o $out/traced $out/control "$home"
[ "$(id -u)" = 0 ] && chown -R 65534:65534 "$home"
as() {
	local who=
	[ "$(id -u)" = 0 ] && who="setpriv --reuid=65534 --regid=65534 --clear-groups"
	$who env HOME="$home" LTTNG_HOME="$home" LTTNG_UST_REGISTER_TIMEOUT=-1 LTTNG_UST_ALLOW_BLOCKING=1 "$@"
}
as lttng-sessiond --daemonize --no-kernel --pidfile "$home/pid"
as lttng create example --output="$home/trace" >/dev/null
# a full buffer makes the program wait: nothing is lost, so that counts can be compared
as lttng enable-channel -u --blocking-timeout=inf --subbuf-size=1M c >/dev/null
as lttng enable-event -u -c c example:event >/dev/null
as lttng start >/dev/null
as "$home/control" "$home/socket" "${1:-300}" 'status < 0 && size > 16' 'size >= 4080 && name == "w*"' \
	'status < 0 && (size & 1)' 'staus < 0' 'status < ' "!$home/wild.o" "${WILD:-}$home/wild.o" 'name == "read" && size < 8' >"$home/said" &
while [ ! -S "$home/socket" ]; do sleep .05; done
as "$home/traced" "$home/socket" 3 | tee "$home/counts"
wait %1
as lttng stop >/dev/null
as lttng destroy >/dev/null
cat "$home/said"
babeltrace2 "$home/trace" >"$home/text"
read -r _ _ _ recorded <"$home/counts"
wanted=$(sed -n 's/.* wanted \([0-9]*\) .*/\1/p' "$home/said")
awk -v recorded="$recorded" -v wanted="$wanted" -v wild="${WILD:-}" '
	{ match($0, / size = [0-9]+/); size = substr($0, RSTART + 8, RLENGTH - 8) + 0
	  match($0, / status = -?[0-9]+/); status = substr($0, RSTART + 10, RLENGTH - 10) + 0
	  write = /name = "write"/
	  if (!(status < 0 && size > 16) && !(size >= 4080 && write) && !(status < 0 && size % 2) &&
	      !(!write && size < 8) && !(size < 32 || wild)) bad++ }
	END { printf "%d records in the trace, %d recorded by the program, %d wanted by the filters, %d that no filter wanted\n",
		NR, recorded, wanted, bad; exit !(NR == recorded && NR == wanted && NR > 0 && !bad) }' "$home/text"
