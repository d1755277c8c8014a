#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs tests/tools/cases/*.case against uebpf-run.  A case:
#   == what it shows
#   needs clang pcap libbpf root verifier jit jq...   (else it is skipped, with the reason)
#   $ command                 (several: run in order by one shell; $SRC, $OBJ, $RUN are set)
#   exit N                    exit code of the last command (0 when not given)
#   out: LINE                 all of stdout, line by line;   out~ ERE   one line of stdout matches
#   err: LINE                 all of stderr;                 err~ ERE   one line of stderr matches
#   out! ERE, err! ERE        no line matches
# usage: cases_test.sh [case file...]
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
RUN=${RUN:-$top/${BUILD_DIR:-build}/uebpf-run} SRC=$top/tests/tools/src
T=$(mktemp -d) && trap 'rm -rf "$T"' EXIT
OBJ=$T/obj
given=$RUN
export RUN SRC OBJ LC_ALL=C TMPDIR=$T
mkdir "$OBJ"
CLANG=${CLANG:-clang}
export CLANG
passed=0 failed=0 skipped=0
features=$("$RUN" --version) || exit 1

have() {
	case $1 in
	clang) command -v "$CLANG" >/dev/null ;;
	pcap) grep -q 'libpcap yes' <<<"$features" ;;
	bt2) grep -q 'libbabeltrace2 yes' <<<"$features" ;;
	libbpf) grep -q 'libbpf yes' <<<"$features" ;;
	config-gz) [ -r /proc/config.gz ] && [ ! -r "/boot/config-$(uname -r)" ] && grep -q 'zlib yes' <<<"$features" ;;
	no-pcap|no-libbpf|no-bt2) bare ;;
	kernel) [ -r /sys/kernel/btf/vmlinux ] && [ "$(id -u)" = 0 ] && have libbpf && kernel_lets_us ;;
	verifier|jit) grep -qE "features:.* $1(=| |$)" <<<"$features" ;;
	no-*) ! have "${1#no-}" ;;
	*) command -v "$1" >/dev/null ;;
	esac
}
# The command without optional libraries, for the cases that show what it says then.
bare() {
	[ -x "$T/bare" ] && return
	"${CC:-cc}" -std=c11 -D_GNU_SOURCE -I. -o "$T/bare" tools/*.c \
		"${RUN%/*}/libuebpf-inner.a" -lelf -lpthread -lm 2>"$T/bare.log" && return
	fail "the command without optional libraries does not build"; cat "$T/bare.log"; return 1
}
kernel_lets_us() { [ -n "${kernel_ok:=$("$RUN" --quiet --kernel "$OBJ/drop_short.o" >/dev/null 2>&1; [ $? != 7 ] && echo yes || echo no)}" ] && [ "$kernel_ok" = yes ]; }

if have clang; then
	multiarch=$(${CC:-cc} -print-multiarch 2>/dev/null || true)
	for f in "$SRC"/*.c; do
		b=$(basename "$f" .c)
		(cd "$SRC" && "$CLANG" --target=bpf -O2 -g ${multiarch:+-idirafter "/usr/include/$multiarch"} -c "$b.c" -o "$OBJ/$b.o") ||
			{ echo "FAILED: $f does not compile"; exit 1; }
	done
fi

fail() { failed=$((failed + 1)); echo "FAILED: $file: $name: $1"; }

finish_case() {
	local missing='' n got want line kind
	[ -n "$name" ] || return 0
	for n in $needs; do have "$n" || missing="$missing $n"; done
	if [ -n "$missing" ]; then
		skipped=$((skipped + 1)); echo "skip: uebpf-run cases that need$missing"
		return 0
	fi
	case $needs in *no-pcap*|*no-libbpf*|*no-bt2*) RUN=$T/bare ;; *) RUN=$given ;; esac
	(cd "$T" && eval "$cmd") >"$T/out" 2>"$T/err" </dev/null
	got=$?
	if [ "$got" != "$want_exit" ]; then
		fail "exit $got, not $want_exit"; sed 's/^/    /' "$T/out" "$T/err" | head -20; return 0
	fi
	for kind in out err; do
		want=$(sed -n "s/^$kind: \{0,1\}//p" <<<"$checks")
		if grep -q "^$kind:" <<<"$checks" && [ "$want" != "$(sed "s|$T/||g; s|$top/||g" "$T/$kind")" ]; then
			fail "std$kind is not what was expected:"
			diff <(printf '%s\n' "$want") <(sed "s|$T/||g; s|$top/||g" "$T/$kind") | sed 's/^/    /'
			return 0
		fi
		while IFS= read -r line; do
			[ -n "$line" ] || continue
			grep -qE -- "$line" "$T/$kind" && continue
			fail "no line of std$kind matches: $line"; sed 's/^/    /' "$T/$kind" | head -20; return 0
		done < <(sed -n "s/^$kind~ //p" <<<"$checks")
		while IFS= read -r line; do
			[ -n "$line" ] || continue
			grep -qE -- "$line" "$T/$kind" || continue
			fail "a line of std$kind matches: $line"; return 0
		done < <(sed -n "s/^$kind! //p" <<<"$checks")
	done
	passed=$((passed + 1))
}

[ $# != 0 ] || set -- tests/tools/cases/*.case
for file; do
	name=''
	while IFS= read -r l || [ -n "$l" ]; do
		case $l in
		'== '*) finish_case; name=${l#== } cmd='' needs=clang want_exit=0 checks='' ;;
		needs|'needs '*) needs=${l#needs} ;;
		'$ '*) cmd="$cmd${l#\$ }"$'\n' ;;
		'exit '*) want_exit=${l#exit } ;;
		out[:~!]*|err[:~!]*) checks="$checks$l"$'\n' ;;
		''|'#'*) ;;
		*) echo "FAILED: $file: what is this: $l"; failed=$((failed + 1)) ;;
		esac
	done <"$file"
	finish_case
done
echo "Checks: $((passed + failed)), Failures: $failed, Errors: 0; skipped $skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
