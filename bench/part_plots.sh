#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A plot per program from the raw samples of `bench/run engines`: build/bench/plots/NAME.svg, each arm's
# median of placements with the range that 95 % of the samples lie in; logarithmic.  Needs gnuplot.
set -eu
command -v gnuplot >/dev/null || { echo "bench: no gnuplot (package gnuplot-nox): no plots"; exit 0; }
[ -e "$OUT"/engines.csv ] || { echo "bench: plots are made from the samples of bench/run engines, which did not run"; exit 0; }
mkdir -p "$OUT"/plots
about=$(tr '\n' ';' <"$OUT"/manifest.txt | sed 's/;$//; s/;/; /g; s/"//g' | fold -s -w 150 | head -3 | sed ':a;N;$!ba;s/\n/\\n/g')
for prog in $(tail -n +2 "$OUT"/engines.csv | cut -d, -f1 | awk '!seen[$0]++'); do
	# arm, median, 2.5 % and 97.5 % of the samples, arms as they ran
	awk -F, -v p="$prog" 'NR > 1 && $1 == p { if (!($2 in n)) order[++arms] = $2; v[$2, n[$2]++] = $5 }
		END { for (a = 1; a <= arms; a++) { k = n[order[a]]; for (i = 0; i < k; i++) s[i] = v[order[a], i]
			for (i = 1; i < k; i++) { x = s[i] + 0; for (j = i - 1; j >= 0 && s[j] + 0 > x; j--) s[j + 1] = s[j]; s[j + 1] = x }
			printf "%d %s %s %s %s\n", a, order[a], s[int(k / 2)], s[int(k * .025)], s[int((k - 1) * .975)] } }' \
		"$OUT"/engines.csv >"$OUT"/plots/"$prog".dat
	gnuplot <<-PLOT
		set terminal svg size 900,480 enhanced background rgb 'white'
		set output '$OUT/plots/$prog.svg'
		set title '$prog: median over placements, and where 95 % of the samples lie' noenhanced
		set label 1 "$about" at screen 0.01,0.06 font ',8' noenhanced
		set logscale y
		set ylabel 'ns a run, logarithmic'
		set xtics rotate by -35 noenhanced
		set grid y
		set boxwidth 0.6
		set style fill solid 0.5
		set bmargin 9
		unset key
		plot '$OUT/plots/$prog.dat' using 1:3:xtic(2) with boxes, '' using 1:4:(0):(\$5 - \$4) with vectors heads size 0.12,90 lc rgb 'black' lw 1.5, \
			'' using 1:5:(sprintf(\$3 < 100 ? "%.3g" : "%.0f", \$3)) with labels offset 0,0.7 font ',9'
	PLOT
done
echo "plots: $OUT/plots ($(find "$OUT"/plots -name '*.svg' | wc -l) programs)"
