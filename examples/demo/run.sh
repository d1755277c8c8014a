#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# make demo: real eBPF objects, built by clang from C, run over real input in user space.
set -eu
cd "$(dirname "$0")/../.."
demo=examples/demo out=build/demo run=build/uebpf-run packets=50000 events=200000
mkdir -p "$out"
if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); else bold='' dim='' plain=''; fi
began=$(date +%s)

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; "$@"; }

step "1. Build three BPF programs from C with clang, and the generator of the input"
multiarch=$(${CC:-cc} -print-multiarch 2>/dev/null || true)
for p in firewall flows slow; do
	show "${CLANG:-clang}" --target=bpf -O2 -g ${multiarch:+-idirafter "/usr/include/$multiarch"} \
		-c "$demo/$p.bpf.c" -o "$out/$p.o"
done
${CC:-cc} -O2 -o "$out/gen" "$demo/gen.c"
"$out/gen" "$out/edge.pcap" "$packets" "$out/events.bin" "$events"
echo "wrote $out/edge.pcap: $packets packets (TCP, UDP, DNS, ICMP, ARP, IPv6, VLAN, fragments, cut ones)"
echo "wrote $out/events.bin: $events events of a storage tracer"

step "2. What is in the firewall object: programs, helpers, maps, globals"
show "$run" --list "$out/firewall.o"

step "3. The XDP firewall over the capture: verdicts, the reasons, who was hit; what it dropped goes to a file"
show "$run" --pcap "$out/edge.pcap" --map-init "@$demo/rules.txt" --write "drop:$out/dropped.pcap" \
	--map-dump all "$out/firewall.o" 2>&1 | tee "$out/firewall.txt"

step "4. The flow counter, with the capture's own clock; the eight busiest of its flows"
show "$run" --pcap "$out/edge.pcap" --clock capture --map-dump flows --map-dump .bss "$out/flows.o" >"$out/flows.txt" 2>&1
grep -v '^flows\[' "$out/flows.txt" || true
sed -n 's/^flows\[.*\.\{0,1\}packets"\{0,1\}\( = \|: \)\([0-9]*\).*/\2 &/p' "$out/flows.txt" | sort -k1,1nr | head -8 |
	cut -d' ' -f2-

step "5. An event filter over a stream of records: slow operations of the database"
show "$run" --events "$out/events.bin" --event-size 80 --map-dump slow_by_op "$out/slow.o" 2>&1 | tee "$out/slow.txt"
echo "... and again with another threshold for reads, set from the command line"
show "$run" --events "$out/events.bin" --event-size 80 --set-global 'threshold_ns={60000, 2000000, 8000000, 50000000}' \
	"$out/slow.o" 2>&1

step "6. The capture's first packets through every engine and mode, and the kernel's where it lets us"
show "$run" --bench --pcap "$out/edge.pcap" --map-init "@$demo/rules.txt" "$out/firewall.o" 2>&1

step "7. The same object, rules and first packets in the kernel: results and maps side by side"
code=0
"$run" --pcap "$out/edge.pcap" --kernel --map-init "@$demo/rules.txt" "$out/firewall.o" >"$out/kernel.txt" 2>&1 || code=$?
case $code in
0)	grep '^kernel:' "$out/kernel.txt" ;;
6)	cat "$out/kernel.txt"; echo "the kernel differs: this should not happen" ; exit 1 ;;
*)	echo "skipped, the kernel cannot be asked here:"; grep -e '--kernel' "$out/kernel.txt" | head -2 ;;
esac

step "Done in $(($(date +%s) - began)) s"
awk '/^XDP_/ { printf "  firewall  %-10s %8d packets  %5.1f %%\n", $1, $2, $3 }' "$out/firewall.txt"
awk '/^(KEEP|DISCARD)/ { printf "  filter    %-10s %8d events   %5.1f %%\n", $1, $2, $3 }' "$out/slow.txt"
sed -n 's/^uebpf-run: \(.* packets in .*\)/  firewall  \1/p' "$out/firewall.txt"
sed -n 's/^uebpf-run: \(.* events in .*\)/  filter    \1/p' "$out/slow.txt"
cat <<END
  What the firewall dropped is in $out/dropped.pcap.  Try next:
    $run --trace --packet 0200000000010200000000020800 $out/firewall.o
    $run --set-global drop_fragments=0 --pcap $out/edge.pcap --map-dump reasons $out/firewall.o
END
