/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* input.c - what the program runs on: files and hex from the command line become a context or a packet
 * with room around it.  Captures are pcap.c's. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/bpf.h>
#include "tools/tool.h"

enum {
	MAX_INPUT = 1 << 30,		/* bytes read from one file */
	HEAD_ROOM = 256,		/* XDP_PACKET_HEADROOM */
	XDP_FRAME = 40,			/* of it, at its start: the kernel's struct xdp_frame, not a program's */
	FRAME_ROOM = 3520,		/* a 4096-byte frame less head room and the kernel's 320 at the end */
	ETHER = 14, ZERO_PACKET = 64, OPEN_ZEROS = 64
};

void claim_stdin(const char *what)
{
	static const char *taken;

	if (taken)
		die(EXIT_USAGE, "%s: standard input is read already for %s", what, taken);
	taken = what;
}

struct bytes read_all(const char *path, const char *what)
{
	struct bytes b = { NULL, 0 };
	struct stat st;
	size_t cap = 0;
	int fd;

	if (!strcmp(path, "-")) {
		claim_stdin(what);
		fd = STDIN_FILENO;
	} else {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st))
		die(EXIT_USAGE, "%s: %s: %s", what, path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		die(EXIT_USAGE, "%s: %s is a directory", what, path);
	if (S_ISREG(st.st_mode) && st.st_size > MAX_INPUT)
		die(EXIT_USAGE, "%s: %s has %lld bytes, more than 1 GiB", what, path, (long long)st.st_size);
	for (;;) {
		ssize_t n;

		if (b.len == cap) {
			if (cap >= MAX_INPUT)
				die(EXIT_USAGE, "%s: %s has more than 1 GiB", what, path);
			cap = cap ? cap * 2 : S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 65536;
			b.data = need(realloc(b.data, cap));
		}
		n = read(fd, b.data + b.len, cap - b.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die(EXIT_USAGE, "%s: %s: %s", what, path, strerror(errno));
		if (!n)
			break;
		b.len += (size_t)n;
	}
	if (fd != STDIN_FILENO)
		close(fd);
	return b;
}

void write_all(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wbe");

	if (!f)
		die(EXIT_USAGE, "%s: %s", path, strerror(errno));
	if (fwrite(data, 1, len, f) != len || fclose(f))
		die(EXIT_USAGE, "%s: %s", path, strerror(errno));
}

bool is_hex_text(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isxdigit(text[i]) && !isspace(text[i]))
			return false;
	return true;
}

struct bytes from_hex(const char *text, size_t len, const char *what)
{
	struct bytes b = { need(malloc(len / 2 + 1)), 0 };
	int high = -1;

	if (len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2, len -= 2;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		int v;

		if (isspace(c))
			continue;
		if (!isxdigit(c))
			die(EXIT_USAGE, "%s: '%c' at character %zu is not a hex digit", what,
			    isprint(c) ? c : '?', i + 1);
		v = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
		if (high < 0) {
			high = v;
		} else {
			b.data[b.len++] = (uint8_t)(high << 4 | v);
			high = -1;
		}
	}
	if (high >= 0)
		die(EXIT_USAGE, "%s: an odd number of hex digits", what);
	return b;
}

struct bytes read_insns(const char *path)
{
	struct bytes b = read_all(path, "--insns");

	if (is_hex_text(b.data, b.len)) {
		struct bytes hex = from_hex((char *)b.data, b.len, "--insns");

		free(b.data);
		b = hex;
	}
	if (b.len >= 4 && !memcmp(b.data, "\177ELF", 4))
		die(EXIT_USAGE, "--insns: %s is an ELF object: give it without --insns", path);
	if (!b.len || b.len % 8)
		die(EXIT_UNSUPPORTED, "--insns: %s: %zu bytes are no whole instructions of 8 bytes", path, b.len);
	return b;
}

static uint16_t ether_type(const uint8_t *data, size_t len)
{
	uint16_t type = 0;

	if (len >= 14)
		memcpy(&type, data + 12, 2);
	return type;
}

/* These programs see a packet from its network header on, as the kernel runs them. */
static bool from_network_header(uint32_t kernel_type)
{
	switch (kernel_type) {
	case BPF_PROG_TYPE_CGROUP_SKB: case BPF_PROG_TYPE_LWT_IN: case BPF_PROG_TYPE_LWT_OUT:
	case BPF_PROG_TYPE_LWT_XMIT: case BPF_PROG_TYPE_LWT_SEG6LOCAL:
		return true;
	}
	return false;
}

void input_make(struct session *s, struct input *in, const void *data, size_t len, uint64_t time_ns)
{
	size_t room = s->info.ctx_kind == UEBPF_CTX_PACKET ?
		      HEAD_ROOM + (len > FRAME_ROOM ? len : FRAME_ROOM) : len;
	uint8_t *start;

	if (!in->room || room > in->room_size) {	/* else: the buffers of the input before */
		free(in->room);
		free(in->first.data);
		in->room = need(calloc(1, room + 1));
		in->first.data = need(malloc(room + 1));
		in->room_size = room;
		in->used = 0;
		in->packet = (struct uebpf_packet){ 0 };
	}
	in->kind = s->info.ctx_kind;
	in->time_ns = time_ns;
	in->first.len = len;
	if (len)
		memcpy(in->first.data, data, len);
	in->link = !from_network_header(s->info.kernel_type) ? 0 : len < ETHER ? len : ETHER;
	start = in->room + HEAD_ROOM + in->link;
	if (in->kind == UEBPF_CTX_PACKET)
		in->packet_first = (struct uebpf_packet){
			.size = sizeof(struct uebpf_packet), .data = start, .data_end = start + len - in->link,
			.data_meta = start,
			.head = in->room + (s->info.kernel_type == BPF_PROG_TYPE_XDP ? XDP_FRAME : 0),
			.tail = in->room + in->room_size,
			.ifindex = 1, .protocol = ether_type(data, len), .wire_len = (uint32_t)(len - in->link),
			.len = (uint32_t)(len - in->link), .tstamp = time_ns,
		};
	input_reset(in);
}

/* A run must not see what the one before it left: room behind and in front is zero again too.  When the
 * packet's bounds were not moved, its own bytes are all that a run can have changed. */
void input_reset(struct input *in)
{
	uint8_t *frame = in->room + HEAD_ROOM, *start = frame + in->link, *end = frame + in->first.len;
	const struct uebpf_packet *p = &in->packet;

	if (in->kind != UEBPF_CTX_PACKET) {
		memcpy(in->room, in->first.data, in->first.len);
		return;
	}
	if (p->data != start || p->data_end != frame + in->used || p->data_meta != start) {
		memset(in->room, 0, HEAD_ROOM);
		memset(end, 0, (size_t)(in->room + in->room_size - end));
	} else if (in->used > in->first.len) {
		memset(end, 0, in->used - in->first.len);
	}
	memcpy(frame, in->first.data, in->first.len);
	in->used = in->first.len;
	in->packet = in->packet_first;
}

bool input_changed(const struct input *in)
{
	if (in->kind != UEBPF_CTX_PACKET)
		return memcmp(in->room, in->first.data, in->first.len) != 0;
	/* both began as one copy, padding too: NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
	return memcmp(&in->packet, &in->packet_first, sizeof in->packet) != 0 ||
	       memcmp(in->packet.data, in->first.data + in->link, in->first.len - in->link) != 0;
}

void input_free(struct input *in)
{
	free(in->first.data);
	free(in->room);
	memset(in, 0, sizeof *in);
}

struct bytes input_bytes(struct input *in)
{
	if (in->kind == UEBPF_CTX_PACKET)
		return (struct bytes){ in->packet.data, (size_t)(in->packet.data_end - in->packet.data) };
	return (struct bytes){ in->room, in->first.len };
}

struct bytes input_frame(struct input *in)
{
	struct bytes b = input_bytes(in);

	/* A program that used up the room in front wrote a header of its own there. */
	if (!in->link || (size_t)(in->packet.data - in->room) < in->link)
		return b;
	memcpy(b.data - in->link, in->first.data, in->link);
	return (struct bytes){ b.data - in->link, b.len + in->link };
}

/* Sets FIELD=VALUE in the context that a run starts from. */
static void set_field(struct session *s, struct input *in, const char *text)
{
	const char *eq = strchr(text, '=');
	struct uebpf_field f;
	uint8_t *base = in->kind == UEBPF_CTX_PACKET ? (uint8_t *)&in->packet_first : in->first.data;
	size_t size = in->kind == UEBPF_CTX_PACKET ? sizeof in->packet_first : in->first.len;
	char names[512] = "", *end;
	uint64_t v;

	if (!eq || eq == text)
		die(EXIT_USAGE, "--ctx-set %s: not FIELD=VALUE", text);
	for (uint32_t i = 0; !uebpf_prog_field(s->prog, i, &f); i++) {
		if (strlen(f.name) == (size_t)(eq - text) && !memcmp(f.name, text, eq - text))
			goto found;
		if (f.kind == UEBPF_FIELD_SCALAR && strlen(names) + strlen(f.name) + 3 < sizeof names)
			sprintf(names + strlen(names), "%s%s", *names ? ", " : "", f.name);
	}
	die(EXIT_USAGE, "--ctx-set %s: type %s has no such field; it has: %s", text, s->info.type,
	    *names ? names : "none by name");
found:
	if (f.kind != UEBPF_FIELD_SCALAR && f.kind != UEBPF_FIELD_BYTES)
		die(EXIT_USAGE, "--ctx-set %s: the field is a pointer; --packet and --ctx give what it points to", text);
	if ((uint64_t)f.offset + f.size > size)
		die(EXIT_USAGE, "--ctx-set %s: the context given has %zu bytes, the field ends at %u", text, size,
		    f.offset + f.size);
	errno = 0;
	v = eq[1] == '-' ? (uint64_t)strtoll(eq + 1, &end, 0) : strtoull(eq + 1, &end, 0);
	if (!errno && end != eq + 1 && !*end && f.size <= 8) {
		uint8_t u8 = v;
		uint16_t u16 = v;
		uint32_t u32 = v;

		if (f.size < 8 && v >> (f.size * 8) && v >> (f.size * 8 - 1) != UINT64_MAX >> (f.size * 8 - 1))
			die(EXIT_USAGE, "--ctx-set %s: does not fit %u bytes", text, f.size);
		memcpy(base + f.offset, f.size == 1 ? (void *)&u8 : f.size == 2 ? (void *)&u16 :
		       f.size == 4 ? (void *)&u32 : (void *)&v, f.size);
	} else if (eq[1] == 'x' && eq[2] == '"' && strlen(eq) > 3) {
		struct bytes b = from_hex(eq + 3, strcspn(eq + 3, "\""), "--ctx-set");

		if (b.len != f.size)
			die(EXIT_USAGE, "--ctx-set %s: %zu bytes for a field of %u", text, b.len, f.size);
		memcpy(base + f.offset, b.data, b.len);
		free(b.data);
	} else {
		die(EXIT_USAGE, "--ctx-set %s: '%s' is neither a number nor x\"HEX\"", text, eq + 1);
	}
}

static struct bytes packet_option(const char *arg)
{
	struct bytes b;

	if (strcmp(arg, "-") && access(arg, F_OK)) {
		if (is_hex_text((const uint8_t *)arg, strlen(arg)))
			return from_hex(arg, strlen(arg), "--packet");
		die(EXIT_USAGE, "--packet: %s: no such file, and not hex", arg);
	}
	b = read_all(arg, "--packet");
	if (b.len >= 4 && (!memcmp(b.data, "\xd4\xc3\xb2\xa1", 4) || !memcmp(b.data, "\xa1\xb2\xc3\xd4", 4) ||
			   !memcmp(b.data, "\x4d\x3c\xb2\xa1", 4) || !memcmp(b.data, "\xa1\xb2\x3c\x4d", 4) ||
			   !memcmp(b.data, "\x0a\x0d\x0d\x0a", 4)))
		die(EXIT_USAGE, "--packet: %s is a capture: give it to --pcap", arg);
	return b;
}

/* Nothing was given: zeros, and say so. */
static struct bytes zeros(const struct session *s)
{
	struct bytes b = { NULL, s->info.ctx_kind == UEBPF_CTX_PACKET ? ZERO_PACKET :
			   s->info.ctx_size ? s->info.ctx_size : OPEN_ZEROS };

	b.data = need(calloc(1, b.len + 1));
	if (s->info.ctx_kind == UEBPF_CTX_PACKET)
		note("no input: a packet of %zu zero bytes (--packet, --pcap give one)", b.len);
	else
		note("no input: a zeroed context of %zu bytes (--ctx, --ctx-hex give one)", b.len);
	return b;
}

void input_from_options(struct session *s, struct input *in)
{
	const struct options *o = s->opt;
	bool packet = s->info.ctx_kind == UEBPF_CTX_PACKET;
	struct bytes b;

	if (packet && (o->ctx || o->ctx_hex))
		die(EXIT_USAGE, "--ctx: a program of type %s takes a packet: --packet or --pcap, and --ctx-set for "
		    "metadata", s->info.type);
	if (!packet && o->packet)
		die(EXIT_USAGE, "--packet: a program of type %s takes no packet: --ctx", s->info.type);
	b = o->packet ? packet_option(o->packet) : o->ctx ? read_all(o->ctx, "--ctx") :
	    o->ctx_hex ? from_hex(o->ctx_hex, strlen(o->ctx_hex), "--ctx-hex") : zeros(s);
	if (!packet && b.len < s->info.ctx_size)
		die(EXIT_USAGE, "%s: %zu bytes, a context of type %s has %u", o->ctx ? "--ctx" : "--ctx-hex", b.len,
		    s->info.type, s->info.ctx_size);
	input_make(s, in, b.data, b.len, 0);
	free(b.data);
	for (size_t i = 0; i < o->ctx_set.n; i++)
		set_field(s, in, o->ctx_set.v[i]);
	input_reset(in);
}
