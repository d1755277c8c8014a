#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# session.sh HOME: the part of capture.sh that runs as an unprivileged user.  Leaves in HOME: said (one
# line an expression: event name, whether lttng took it, the expression), wire, text (the trace).
set -eu
export HOME=$1 LTTNG_HOME=$1 LTTNG_UST_REGISTER_TIMEOUT=5000 TMPDIR=$1 LC_ALL=C
cd "$HOME"
lttng-sessiond --daemonize --no-kernel --pidfile "$HOME/pid"
trap 'kill $(cat "$HOME/pid") 2>/dev/null || true; while kill -0 $(cat "$HOME/pid") 2>/dev/null; do sleep .1; done' EXIT
lttng create s --output="$HOME/trace"
lttng enable-channel -u --subbuf-size=1M --num-subbuf=16 c
mkfifo go
LT_WIRE=$HOME/wire LD_PRELOAD=$HOME/preload.so ./app <go >ready &
app=$!
exec 3>go
for _ in $(seq 100); do [ -s ready ] && break; sleep .1; done
[ -s ready ]
n=0
while IFS= read -r e; do
	event=$(printf e%02x $n) took=no
	case $e in
	"capture "*)
		lttng add-trigger --name "$event" --condition event-rule-matches --type=user --name="lt:$event" \
			--capture "${e#capture }" --action notify && took=yes ;;
	*)	lttng enable-event -u -c c "lt:$event" --filter "$e" && took=yes ;;
	esac
	printf '%s\t%s\t%s\n' "$event" "$took" "$e" >>said
	n=$((n + 1))
done <expressions
lttng start
echo go >&3
wait $app
lttng stop
lttng destroy
[ "$(wc -c <wire)" -gt 0 ]
babeltrace2 trace >text
