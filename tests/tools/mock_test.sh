#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# --mock answers every helper that only a host or kernel can (docs/helpers.md, "host:"): one program calls
# each with arguments that keep its contract, and gets the scripted result.
set -u
cd "$(dirname "$0")/../.." || exit 1
RUN=${RUN:-build/uebpf-run}
command -v "${CLANG:-clang}" >/dev/null || { echo "skip: mock: no clang to compile the callers"; exit 0; }
T=$(mktemp -d) && trap 'rm -rf "$T"' EXIT
multiarch=$("${CC:-cc}" -print-multiarch 2>/dev/null || true)

# From the rows: NAME <tab> C function, in a section whose type offers the helper.
awk -F' *[|] *' -v list="$T/names" '
function map_of(name) {
	if (name ~ /perf_event/) return "perf"
	if (name ~ /cgroup/) return "cgroups"
	if (name == "sk_select_reuseport") return "socks_reuse"
	if (name ~ /hash/) return "sockhash"
	return "sockmap"
}
BEGIN {
	split("xdp:xdp tc:tc tracing:kprobe/f perf_event:perf_event cgroup_skb:cgroup_skb/ingress lwt:lwt_in lwt_in:lwt_in " \
	      "lwt_xmit:lwt_xmit lwt_seg6local:lwt_seg6local sk_skb:sk_skb/stream_verdict sk_msg:sk_msg sock_ops:sockops " \
	      "cgroup_sock_addr:cgroup/connect4 cgroup_sock:cgroup/sock_create sk_reuseport:sk_reuseport " \
	      "cgroup_sysctl:cgroup/sysctl cgroup_sockopt:cgroup/setsockopt sk_lookup:sk_lookup lirc_mode2:lirc_mode2 " \
	      "socket:socket syscall:syscall kprobe:kprobe/f all:tc", pairs, " ")
	for (i in pairs) { split(pairs[i], p, ":"); section[p[1]] = p[2] }
	print "#include <linux/bpf.h>\n#define SEC(s) __attribute__((section(s), used))\ntypedef unsigned long long u64;"
	print "#define MAP(n, t, k, v) struct { int (*type)[t]; int (*key_size)[k]; int (*value_size)[v]; " \
	      "int (*max_entries)[4]; } n SEC(\".maps\")"
	print "MAP(perf, 4, 4, 4); MAP(cgroups, 8, 4, 4); MAP(socks_reuse, 20, 4, 8); MAP(sockmap, 15, 4, 8); MAP(sockhash, 18, 4, 8);"
	print "static long callback(void *a, void *b, void *c) { return 0; }"
}
/^\| [0-9]+ \|/ && $5 ~ /^host:/ {
	id = $2; name = $3; contract = $4; sec = ""
	n = split($7, groups, ", ")
	for (i = 1; i <= n && sec == ""; i++)
		sec = section[groups[i]]
	if (sec == "") { skipped["its program types are refused"] = skipped["its program types are refused"] " " name; next }
	if (name ~ /^(skb|xdp)_output$/) { skipped["no program here has a kernel packet"] = skipped["no program here has a kernel packet"] " " name; next }
	if (contract ~ /kptr/) { skipped["kptrs are refused"] = skipped["kptrs are refused"] " " name; next }
	if (name ~ /storage/) { skipped["its maps are refused"] = skipped["its maps are refused"] " " name; next }
	sub(/^[^(]*\(/, "", contract); sub(/\)`$/, "", contract)
	m = split(contract, arg, ", "); args = ""
	for (i = 1; i <= m; i++) {
		a = arg[i]; v = "0"
		if (a ~ /^ctx/) v = "(u64)ctx"
		else if (a ~ /^map/) v = "(u64)&" map_of(name)
		else if (a ~ /^func/) v = "(u64)callback"
		else if (a ~ /^size/) v = "8"
		else if (a ~ /^(key|value|mem|cstr|stack)/) v = "(u64)(buf + " (i - 1) * 48 ")"
		else if (a ~ /^btf/) v = "((u64 (*)())158)()"	# get_current_task_btf
		else if (a ~ /^(sock|acquired)/) v = "sock(ctx)"
		args = args (i > 1 ? ", " : "") v
	}
	print "SEC(\"" sec "\") int call_" name "(void *ctx)\n{\n\tchar buf[240] = { 0 };\n\n\treturn ((u64 (*)())" id ")(" args ");\n}"
	print name, ($4 ~ /^`(sock|btf)/ ? "object" : "number") >list
}
END { for (w in skipped) print "skip: mock:" skipped[w] ": " w >"/dev/stderr" }
' docs/helpers.md >"$T/calls.c" 2>"$T/skips"
cat "$T/skips"
# A socket as a program gets one: mocked too.
sed -i '/^static long callback/a static u64 sock(void *ctx) { char t[12] = { 0 }; return ((u64 (*)())84)(ctx, t, 12, 0, 0); }' "$T/calls.c"
"${CLANG:-clang}" --target=bpf -O2 -g -w ${multiarch:+-idirafter "/usr/include/$multiarch"} -c "$T/calls.c" -o "$T/calls.o" || exit 1
passed=0 failed=0
while read -r name result; do
	sock=()
	[ "$name" = sk_lookup_tcp ] || sock=(--mock sk_lookup_tcp=64)
	out=$("$RUN" --quiet --mode checked "${sock[@]}" --mock "$name=7" --program "call_$name" "$T/calls.o" 2>"$T/err")
	# A scripted object is an object: the program gets a handle for it.
	if [ "$out" = 7 ] || { [ "$result" = object ] && [ -n "$out" ] && [ "$out" != 0 ]; }; then passed=$((passed + 1)); continue; fi
	failed=$((failed + 1)); echo "FAILED: $name: '$out'"; tail -2 "$T/err"
done <"$T/names"
echo "Checks: $((passed + failed)), Failures: $failed, Errors: 0"
[ "$failed" = 0 ] && [ "$passed" -gt 60 ]
