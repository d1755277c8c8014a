#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Part "maps" of bench/run: the speed table of maps beside the kernel's, two threads, memory, sizes.
# Raw samples in maps_*.csv.  MAPS_CASE=hash8 measures only programs whose name has that in it.
set -eu
cc=$(command -v clang-19 || command -v clang)
flags="" libs=""
pkg-config --exists libbpf && { flags=-DHAVE_LIBBPF; libs=-lbpf; }
$cc --target=bpf -O2 -g -mcpu=v3 -Wall -c bench/maps/maps.bpf.c -o "$OUT/maps.o"
clang-19 --target=bpf -O2 -g -mcpu=v4 -Wall -I. -c bench/maps/arena.bpf.c -o "$OUT/arena.o" ||
	echo "maps: no clang-19: the arena rows are left out"
# Programs are not vectorised or unrolled either.
$cc -O2 -fno-vectorize -fno-slp-vectorize -fno-unroll-loops -std=gnu11 -I. -c bench/maps/native.c -o "$OUT/maps_native.o"
# shellcheck disable=SC2086
cc -O2 -g -std=gnu11 -I. $flags -o "$OUT/maps" bench/maps/{main,kernel,ours,scale}.c "$OUT/maps_native.o" \
	build/libuebpf-inner.a $libs -lelf -lm -lpthread
for part in table threads memory sizes; do
	"$OUT/maps" "$OUT/maps_$part.csv" $part ${MAPS_CASE:-} | tee "$OUT/maps_$part.md"
	echo
done
if command -v gnuplot >/dev/null; then
	gnuplot <<-PLOT
	set terminal svg size 800,480
	set output "$OUT/maps_sizes.svg"
	set datafile separator ","
	set logscale x
	set xrange [1000:1e7]
	set xlabel "entries"
	set ylabel "ns a lookup"
	set key top left
	set yrange [0:*]
	plot "$OUT/maps_sizes.csv" using 1:2 skip 1 with linespoints title "independent keys", \
	     "" using 1:3 skip 1 with linespoints title "dependent keys", \
	     "" using 1:4 skip 1 with lines title "one DRAM access"
	PLOT
	echo "plot: $OUT/maps_sizes.svg"
else
	echo "maps: no gnuplot: the plot is left out"
fi
