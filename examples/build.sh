# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash
# What the run.sh of the examples share; sourced with the example's name in $example, from any directory.  They need
# the library in build/ (make); where a compiler or a library is missing they end with 77 and the reason.
set -eu
cd "${BASH_SOURCE[0]%/*}/.."
here=examples/${example:?} out=build/$example
mkdir -p "$out"
libbpf=

skip() { echo "skip: $example: $1"; exit 77; }

need_clang() { command -v "${CLANG:-clang}" >/dev/null || skip "no clang to compile the programs"; }

need_libbpf() {
	need_clang
	pkg-config --exists libbpf || skip "no libbpf (Debian: libbpf-dev)"
	libbpf=$(pkg-config --cflags --libs libbpf)
}

# build_bpf SOURCE OUT.o FLAG...   asm/types.h lies in the compiler's own place on Debian
build_bpf() {
	local multiarch
	multiarch=$("${CC:-cc}" -print-multiarch 2>/dev/null || true)
	"${CLANG:-clang}" --target=bpf -O2 -g -Wall ${multiarch:+-idirafter "/usr/include/$multiarch"} "${@:3}" \
		-c "$here/$1" -o "$out/$2"
}

# build_host NAME SOURCE|FLAG...: a program with the library in it
build_host() {
	"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Iinclude -I"$here" -I"$out" -o "$out/$1" "${@:2}" \
		build/libuebpf.a $libbpf -lelf -lpthread -lm
}
