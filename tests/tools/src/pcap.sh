# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=bash disable=SC2059  # bytes are made by printf's own escapes
# pcap LINKTYPE HEX.. and pcapng LINKTYPE HEX..: a capture on stdout, packet n at n seconds.  SNAP=N cuts.
le32() { printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"; }
raw() { local h=$1; while [ -n "$h" ]; do printf "\\x${h:0:2}"; h=${h:2}; done; }
pcap() {
	local link=$1 n=0 p keep; shift
	le32 0xa1b2c3d4; le32 0x00040002; le32 0; le32 0; le32 "${SNAP:-65535}"; le32 "$link"
	for p; do
		n=$((n + 1)) keep=$((${#p} / 2))
		[ -n "${SNAP:-}" ] && [ "$keep" -gt "$SNAP" ] && keep=$SNAP
		le32 "$n"; le32 0; le32 "$keep"; le32 $((${#p} / 2)); raw "${p:0:$((keep * 2))}"
	done
}
pcapng() {
	local link=$1 p len pad; shift
	le32 0x0a0d0d0a; le32 28; le32 0x1a2b3c4d; le32 1; le32 0xffffffff; le32 0xffffffff; le32 28
	le32 1; le32 20; le32 "$link"; le32 65535; le32 20
	[ -z "${SECOND:-}" ] || { le32 1; le32 20; le32 "$SECOND"; le32 65535; le32 20; }
	for p; do
		len=$((${#p} / 2)) pad=$(((4 - ${#p} / 2 % 4) % 4))
		le32 6; le32 $((32 + len + pad)); le32 0; le32 0; le32 1000000; le32 "$len"; le32 "$len"
		raw "$p"; raw "$(printf '%0*d' $((pad * 2)) 0 | head -c $((pad * 2)))"; le32 $((32 + len + pad))
	done
}
