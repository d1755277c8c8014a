# SPDX-License-Identifier: Apache-2.0 OR MIT
# wire.awk: from the messages that preload.c wrote down to "what event offset bytecode".
# A command is 8 bytes (handle, command), 32 of padding, then its union (lttng/ust-abi.h has the numbers):
# 0x61 makes an event (u32, name), 0xb0 an event of a trigger, whose name comes in the next message;
# 0xa0 filter and 0xb6 capture say the length of the bytecode and the offset of its relocation table.
function u32(s, at,	v, i) {
	for (i = 3; i >= 0; i--)
		v = v * 256 + index(hex, substr(s, at + 2 * i, 1)) * 16 - 16 + index(hex, substr(s, at + 2 * i + 1, 1)) - 1
	return v
}
function name(s, at,	out, c) {
	for (; at < length(s) && (c = substr(s, at, 2)) != "00"; at += 2)
		out = out sprintf("%c", u32(c "000000", 1))
	return out
}
BEGIN { hex = "0123456789abcdef" }
{
	s = $2
	if (want == "name") {
		event = name(s, 9)
		want = ""
	} else if (want != "") {
		if (length(s) != 2 * size) { print "wire.awk: bytecode of another length" >"/dev/stderr"; exit 1 }
		sub(/^lt:/, "", event)
		print want, event, offset, s
		want = ""
	} else if (length(s) == 1224) {
		command = substr(s, 9, 8)
		if (command == "61000000") event = name(s, 89)
		if (command == "b0000000") want = "name"
		if (command == "a0000000") want = "filter"
		if (command == "b6000000") want = "capture"
		if (want == "filter" || want == "capture") { size = u32(s, 81); offset = u32(s, 89) }
	}
}
