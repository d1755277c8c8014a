#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# capture.sh EXPRESSIONS CORPUS [BUILD]: what the real `lttng` makes of each expression, and what
# LTTng-UST decides.  A session daemon of our own (a private home, no kernel tracer; as user nobody when
# we are root) gets a session; each expression becomes the filter of one of 256 tracepoints of
# tests/lttng/app.c (or, "capture EXPR", the capture of a trigger); preload.c in the traced program
# writes down the messages that bring the bytecode; then the program emits every record through every
# tracepoint, and the trace tells which records each filter let through.
#
# A line of CORPUS, tab between: what (filter, capture, or refused: `lttng` takes no such expression),
# offset of the relocation table, bytecode in hexadecimal, records that LTTng-UST recorded (a bit each,
# record 0 is the highest of the first digit; "-": not asked), the expression.
# Skips (status 77) when the tools are absent.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
expressions=$(realpath "$1") corpus=$2 build=$(realpath -m "${3:-$here/../../build/lttng}")
for t in lttng lttng-sessiond babeltrace2; do
	command -v $t >/dev/null || { echo "skip: no $t (packages lttng-tools babeltrace2)"; exit 77; }
done
[ -e "$(${CC:-cc} -print-file-name=liblttng-ust.so)" ] || { echo "skip: no liblttng-ust-dev"; exit 77; }
mkdir -p "$build"
build_app() {
	[ "$build/app" -nt "$here/tp.h" ] && [ "$build/app" -nt "$here/event.c" ] && [ "$build/app" -nt "$here/app.c" ] &&
		[ "$build/preload.so" -nt "$here/preload.c" ] && return
	${CC:-cc} -O1 -I"$here" -o "$build/app" "$here/app.c" "$here/event.c" -llttng-ust -ldl
	${CC:-cc} -O1 -shared -fPIC -o "$build/preload.so" "$here/preload.c" -ldl
}
build_app
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cp "$build/app" "$build/preload.so" "$home/"
cp "$expressions" "$home/expressions"
cp "$here/session.sh" "$home/"
chmod -R a+rX "$home"
as=
[ "$(id -u)" = 0 ] && { chown 65534:65534 "$home"; as="setpriv --reuid=65534 --regid=65534 --clear-groups"; }
$as bash "$home/session.sh" "$home" >"$home/log" 2>&1 || { cat "$home/log" >&2; exit 1; }
awk -f "$here/wire.awk" "$home/wire" >"$home/bytecode"
# which event recorded which record
sed -n 's/.* lt:\(e..\): .*{ id = \([0-9]*\),.*/\1 \2/p' "$home/text" >"$home/recorded"
awk -f "$here/corpus.awk" records=96 "$home/recorded" "$home/bytecode" "$home/said" >"$corpus"
echo "$(grep -c ^filter "$corpus") filters, $(grep -c ^capture "$corpus") captures, $(grep -c ^refused "$corpus") refused by lttng"
