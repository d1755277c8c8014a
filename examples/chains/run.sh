#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Chains of programs and maps under contention.  `run.sh [--quick]`; needs clang and libbpf; for the kernel's chain
# CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN, for the plot gnuplot.
example=chains
# shellcheck source=examples/build.sh
. "$(dirname "$0")/../build.sh"
need_libbpf
build_bpf chain.bpf.c KERNEL.o -mcpu=v3 -DKERNEL
build_bpf chain.bpf.c USER.o -mcpu=v3 -DUSER
build_host chains "$here/chains.c"
"$out/chains" "$out/USER.o" "$out/KERNEL.o" "$out/sweep.dat" "$@"
if command -v gnuplot >/dev/null; then
	gnuplot -e "set terminal svg size 900,600; set output '$out/sweep.svg'; set logscale xy; set key left top;
		set xlabel 'entries of 256 bytes'; set ylabel 'ns per run';
		plot for [i=2:9] '$out/sweep.dat' using 1:i with linespoints title word(system(\"head -1 $out/sweep.dat\"), i+1) noenhanced"
	echo "plot: $out/sweep.svg"
else
	echo "skip: chains: no gnuplot for the plot"
fi
