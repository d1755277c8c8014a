# SPDX-License-Identifier: Apache-2.0 OR MIT
# filters.gp - the plots of `bench/run filters`, as the seed's figures; run in the folder of the .dat files.
set terminal svg size 900,480 font "sans,12" background "white"
set key outside right top width -4
set linetype 5 lc rgb "#a65628"		# not yellow on white
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
				(case eq "true" ? "all true" : case eq "last" ? "the last false" : "the first false").\
				(kind eq "int" ? "\n{/*0.8 LTTng-UST fails from 40 on (\"Stack full\"): its time there is that of an error}" : "")
			set xlabel "predicates"
			set ylabel "ns per event (median, 95 % interval)"
			plot for [a=0:arms-1] f using 1:(column(2+3*a)):(column(3+3*a)):(column(4+3*a)) title columnheader(2+3*a)
		}
	}
}
# One size, three cases side by side.
nine(i) = "filters_nine_".word("true last first", i).".dat"
if (have(nine(1)) && have(nine(2)) && have(nine(3))) {
	set output "filters_nine.svg"
	set xrange [0.5:3.5]
	set title "9 string predicates and 1 integer predicate"
	set xlabel "which predicate decides"
	set xtics ("all true" 1, "the last false" 2, "the first false" 3)
	set ylabel "ns per event (median, 95 % interval)"
	plot for [a=0:arms-1] for [i=1:3] nine(i) using (i+(a-3)*0.08):(column(2+3*a)):(column(3+3*a)):(column(4+3*a)) \
		with yerrorbars lt a+1 pt a+1 title i == 1 ? columnheader(2+3*a) : ""
	set xtics autofreq
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
	set format x "10^{%L}"
	set title "50 integer predicates, the last false \n{/*0.8 LTTng-UST refuses this filter (\"Stack full\"): its line is that of an error}"
	set xlabel "events"
	set ylabel "seconds"
	set logscale x
	set style data linespoints
	plot for [a=0:arms-1] "filters_total.dat" using 1:(column(2+3*a)) title columnheader(2+3*a)
}
