# SPDX-License-Identifier: Apache-2.0 OR MIT
# corpus.awk: joins what was recorded, the bytecode and the expressions into the corpus (see capture.sh).
FNR == 1 { file++ }
file == 1 { has[$1, $2] = 1; next }
file == 2 { kind[$2] = $1; offset[$2] = $3; code[$2] = $4; next }
{
	split($0, f, "\t")
	event = f[1]
	if (f[2] == "no") { printf "refused\t-\t-\t-\t%s\n", f[3]; next }
	if (!(event in kind)) { print "corpus.awk: no bytecode for " $0 >"/dev/stderr"; exit 1 }
	bits = ""
	for (i = 0; i < records; i += 4)
		bits = bits sprintf("%x", has[event, i] * 8 + has[event, i + 1] * 4 + has[event, i + 2] * 2 + has[event, i + 3])
	printf "%s\t%s\t%s\t%s\t%s\n", kind[event], offset[event], code[event], kind[event] == "capture" ? "-" : bits, f[3]
}
