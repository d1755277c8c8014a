#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Chains of programs and maps under contention.  `run.sh [--quick]`; needs the library in build/ (make), clang and
# libbpf; for the kernel's chain CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN, for the plot gnuplot.  Exit 77 with the
# reason where a compiler or libbpf is missing.
set -eu
cd "$(dirname "$0")/../.."
here=examples/chains out=build/chains
skip() { echo "skip: chains: $1"; exit 77; }
command -v "${CLANG:-clang}" >/dev/null || skip "no clang to compile the programs"
pkg-config --exists libbpf || skip "no libbpf (Debian: libbpf-dev)"
mkdir -p "$out"
multiarch=$("${CC:-cc}" -print-multiarch 2>/dev/null || true)
for half in KERNEL USER; do
	"${CLANG:-clang}" --target=bpf -O2 -g -Wall -mcpu=v3 ${multiarch:+-idirafter "/usr/include/$multiarch"} \
		-D$half -c "$here/chain.bpf.c" -o "$out/$half.o"
done
# shellcheck disable=SC2046
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Iinclude -o "$out/chains" "$here/chains.c" \
	build/libuebpf.a $(pkg-config --cflags --libs libbpf) -lelf -lpthread -lm
"$out/chains" "$out/USER.o" "$out/KERNEL.o" "$out/sweep.dat" "$@"
if command -v gnuplot >/dev/null; then
	gnuplot -e "set terminal svg size 900,600; set output '$out/sweep.svg'; set logscale xy; set key left top;
		set xlabel 'entries of 256 bytes'; set ylabel 'ns per run';
		plot for [i=2:9] '$out/sweep.dat' using 1:i with linespoints title word(system(\"head -1 $out/sweep.dat\"), i+1) noenhanced"
	echo "plot: $out/sweep.svg"
else
	echo "skip: chains: no gnuplot for the plot"
fi
