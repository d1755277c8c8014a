# SPDX-License-Identifier: Apache-2.0 OR MIT
# filters.gp - the plots of `bench/run filters`, as the seed's figures; run in the folder of the .dat files.
set terminal svg size 860,480 font "sans,12" background "white"
set key outside right top
set grid
set style data yerrorlines
set datafile separator "\t"
have(f) = int(system("test -s ".f." && echo 1 || echo 0"))
arms = 7
set logscale y
do for [kind in "int str mix"] {
	do for [case in "true last first"] {
		f = "filters_".kind."_".case.".dat"
		if (have(f)) {
			set output "filters_".kind."_".case.".svg"
			set xrange [0:51]
			set title (kind eq "int" ? "Integer" : kind eq "str" ? "String" : "Mixed")." predicates, ".\
				(case eq "true" ? "all true" : case eq "last" ? "the last false" : "the first false")
			set xlabel "predicates"
			set ylabel "ns per event (median, 95 % interval)"
			plot for [a=0:arms-1] f using 1:(column(2+3*a)):(column(3+3*a)):(column(4+3*a)) title columnheader(2+3*a)
		}
	}
}
if (have("filters_degree.dat")) {
	set output "filters_degree.svg"
	set xrange [-1:101]
	set title "10 integer predicates: time over the share of events that pass"
	set xlabel "% of events that pass"
	set ylabel "ns per event (median, 95 % interval)"
	plot for [a=0:arms-1] "filters_degree.dat" using 1:(column(2+3*a)):(column(3+3*a)):(column(4+3*a)) title columnheader(2+3*a)
}
if (have("filters_total.dat")) {
	set output "filters_total.svg"
	set autoscale x
	set title "50 integer predicates, the last false (LTTng-UST refuses this filter: its line is that of an error)"
	set xlabel "events"
	set ylabel "seconds"
	set logscale x
	set style data linespoints
	plot for [a=0:arms-1] "filters_total.dat" using 1:(column(2+3*a)) title columnheader(2+3*a)
}
