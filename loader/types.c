/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* types.c - program types as rows: context fields, rights, verdicts; and what a section name says.
 * Offsets and rights are those of Linux 6.18 (include/uapi/linux/bpf.h, net/core/filter.c,
 * kernel/trace/bpf_trace.c); tests compare them with the running kernel's BTF. */
#include <string.h>
#include "loader/loader.h"
#include "vm/message.h"

enum { R = ACCESS_READ, RW = ACCESS_READ | ACCESS_WRITE };

/* Names of fields; rows have their numbers. */
#define NAMES(N) \
	N(access_type) N(addr) N(args) N(ax) N(bind_inany) N(bound_dev_if) N(bp) \
	N(bpf_sock_ops_cb_flags) N(bx) N(bytes_acked) N(bytes_received) N(cb) N(cs) N(ctx) \
	N(cx) N(data) N(data_end) N(data_meta) N(data_segs_in) N(data_segs_out) N(di) \
	N(dst_ip4) N(dst_ip6) N(dst_port) N(dx) N(ecn_flags) N(egress_ifindex) \
	N(eth_protocol) N(event) N(family) N(file_pos) N(flags) N(flow_keys) N(gso_segs) \
	N(gso_size) N(hash) N(hwtstamp) N(ifindex) N(ingress_ifindex) N(ip) N(ip_protocol) \
	N(is_fullsock) N(len) N(level) N(local_ip4) N(local_ip6) N(local_port) N(lost_out) \
	N(major) N(mark) N(minor) N(msg_src_ip4) N(msg_src_ip6) N(mss_cache) N(napi_id) \
	N(op) N(optlen) N(optname) N(optval) N(optval_end) N(orig_ax) N(packets_out) \
	N(pkt_type) N(priority) N(protocol) N(queue_mapping) N(r10) N(r11) N(r12) N(r13) \
	N(r14) N(r15) N(r8) N(r9) N(rate_delivered) N(rate_interval_us) N(rcv_nxt) \
	N(record) N(regs) N(remote_ip4) N(remote_ip6) N(remote_port) N(reply) \
	N(retrans_out) N(retval) N(rtt_min) N(rx_queue_index) N(rx_queue_mapping) \
	N(sacked_out) N(sample) N(sample_period) N(segs_in) N(segs_out) N(si) N(size) N(sk) \
	N(sk_txhash) N(skb_data) N(skb_data_end) N(skb_hwtstamp) N(skb_len) \
	N(skb_tcp_flags) N(snd_cwnd) N(snd_nxt) N(snd_ssthresh) N(snd_una) N(sp) N(src_ip4) \
	N(src_ip6) N(src_port) N(srtt_us) N(ss) N(state) N(tc_classid) N(tc_index) \
	N(total_retrans) N(tstamp) N(tstamp_type) N(type) N(user_family) N(user_ip4) \
	N(user_ip6) N(user_port) N(vlan_present) N(vlan_proto) N(vlan_tci) N(wire_len) \
	N(write)
enum {
#define NUMBER(name) N_##name,
	NAMES(NUMBER) N_COUNT
};
_Static_assert(N_COUNT <= 256, "a byte names a field");
#define TEXT(name) #name "\0"
static const char names[] MESSAGE_PACKED = NAMES(TEXT);

#define HOST(m) offsetof(struct uebpf_packet, m), sizeof(((struct uebpf_packet *)0)->m)
#define ROW(nm, off_, size_, n, kind_, acc, narrow_, fl, host, host_n, ...) { .name = N_##nm, .off = off_, \
	.size = size_, .count = n, .kind = kind_, .access = acc, .narrow = narrow_, .flags = fl, .host_off = host, \
	.host_size = host_n, __VA_ARGS__ }
#define EXPAND(nm, off, size, n, kind, acc, narrow, fl, ...) ROW(nm, off, size, n, kind, acc, narrow, fl, __VA_ARGS__, )
/* A field of `size` bytes at `off` that is member `m` of the host's packet. */
#define F(name, off, size, acc, m) EXPAND(name, off, size, 0, CTX_SCALAR, acc, 1, 0, HOST(m))
#define F_WHOLE(name, off, size, acc, m) EXPAND(name, off, size, 0, CTX_SCALAR, acc, 0, 0, HOST(m))
#define F_ARRAY(name, off, n, acc, m) EXPAND(name, off, 4, n, CTX_SCALAR, acc, 1, 0, HOST(m[0]))
#define F_WHOLES(name, off, n, acc, m) EXPAND(name, off, 4, n, CTX_SCALAR, acc, 0, 0, HOST(m[0]))
#define F_SOCK(off, what) EXPAND(sk, off, 8, 0, CTX_SOCK, R, 0, what, HOST(sock))
#define F_PTR(name, off, size, kind, m) EXPAND(name, off, size, 0, kind, R, 0, 0, HOST(m))
/* The same bytes on both sides. */
#define D(name, off, size, acc) EXPAND(name, off, size, 0, CTX_SCALAR, acc, 1, 0, off, size)
#define D_WHOLE(name, off, size, acc) EXPAND(name, off, size, 0, CTX_SCALAR, acc, 0, 0, off, size)
#define D_ARRAY(name, off, size, n, acc) EXPAND(name, off, size, n, CTX_SCALAR, acc, 1, 0, off, size)
#define D_WHOLES(name, off, size, n, acc) EXPAND(name, off, size, n, CTX_SCALAR, acc, 0, 0, off, size)
#define D_SOCK(off, what) EXPAND(sk, off, 8, 0, CTX_SOCK, R, 0, what, off, 8)
#define D_KIND(name, off, size, kind) EXPAND(name, off, size, 0, kind, R, 0, 0, off, size)

static const struct ctx_field xdp_md[] MESSAGE_ROWS = {
	F_PTR(data, 0, 4, CTX_PACKET, data),
	F_PTR(data_end, 4, 4, CTX_PACKET_END, data_end),
	F_PTR(data_meta, 8, 4, CTX_PACKET_META, data_meta),
	F_WHOLE(ingress_ifindex, 12, 4, R, ifindex),
	F_WHOLE(rx_queue_index, 16, 4, R, rx_queue),
	F_WHOLE(egress_ifindex, 20, 4, R, egress_ifindex),
};

/* struct __sk_buff.  What every type of skb program reads ... */
#define SKB_COMMON(mark_acc, prio_acc, tc_index_acc, cb_acc, queue_acc) \
	F(len, 0, 4, R, len), \
	F(pkt_type, 4, 4, R, pkt_type), \
	F(mark, 8, 4, mark_acc, mark), \
	F(queue_mapping, 12, 4, queue_acc, queue_mapping), \
	F(protocol, 16, 4, R, protocol), \
	F(vlan_present, 20, 4, R, vlan_present), \
	F(vlan_tci, 24, 4, R, vlan_tci), \
	F(vlan_proto, 28, 4, R, vlan_proto), \
	F(priority, 32, 4, prio_acc, priority), \
	F(ingress_ifindex, 36, 4, R, ifindex), \
	F(ifindex, 40, 4, R, ifindex), \
	F(tc_index, 44, 4, tc_index_acc, tc_index), \
	F_ARRAY(cb, 48, 5, cb_acc, cb), \
	F(hash, 68, 4, R, hash), \
	F(napi_id, 84, 4, R, napi_id), \
	F(gso_segs, 164, 4, R, gso_segs), \
	F_SOCK(168, OBJECT_SOCK_COMMON), \
	F(gso_size, 176, 4, R, gso_size)
/* ... and what some do. */
#define SKB_DATA \
	F_PTR(data, 76, 4, CTX_PACKET, data), \
	F_PTR(data_end, 80, 4, CTX_PACKET_END, data_end)
#define SKB_SOCKET \
	F(family, 88, 4, R, family), \
	F_WHOLE(remote_ip4, 92, 4, R, remote_ip4), \
	F_WHOLE(local_ip4, 96, 4, R, local_ip4), \
	F_WHOLES(remote_ip6, 100, 4, R, remote_ip6), \
	F_WHOLES(local_ip6, 116, 4, R, local_ip6), \
	F(remote_port, 132, 4, R, remote_port), \
	F(local_port, 136, 4, R, local_port)

static const struct ctx_field tc_skb[] MESSAGE_ROWS = {
	SKB_COMMON(RW, RW, RW, RW, RW),
	SKB_DATA,
	F_PTR(data_meta, 140, 4, CTX_PACKET_META, data_meta),
	F(tc_classid, 72, 4, RW, tc_classid),
	F_WHOLE(tstamp, 152, 8, RW, tstamp),
	F(wire_len, 160, 4, R, wire_len),
	F_WHOLE(tstamp_type, 180, 1, R, tstamp_type),
	F_WHOLE(hwtstamp, 184, 8, R, hwtstamp),
};
static const struct ctx_field socket_skb[] MESSAGE_ROWS = {
	SKB_COMMON(R, R, R, RW, R),
};
/* Ours: what loader/filter/cbpf.c reads; data and data_end where struct xdp_md has them. */
static const struct ctx_field cbpf_view[] MESSAGE_ROWS = {
	F_PTR(data, 0, 4, CTX_PACKET, data),
	F_PTR(data_end, 4, 4, CTX_PACKET_END, data_end),
	F(wire_len, 24, 4, R, wire_len),
};
/* Lightweight tunnels see the first of them. */
static const struct ctx_field cgroup_skb[] MESSAGE_ROWS = {
	SKB_COMMON(RW, RW, R, RW, R),
	SKB_DATA,
	SKB_SOCKET,
	F_WHOLE(tstamp, 152, 8, RW, tstamp),
	F_WHOLE(hwtstamp, 184, 8, R, hwtstamp),
};
static const struct ctx_field sk_skb[] MESSAGE_ROWS = {
	SKB_COMMON(0, RW, RW, R, R),
	SKB_DATA,
	SKB_SOCKET,
};
static const struct ctx_field dissector[] MESSAGE_ROWS = {
	SKB_DATA,
	EXPAND(flow_keys, 144, 8, 0, CTX_MEM, R, 0, 0, HOST(flow_keys),
	       .size_off = offsetof(struct uebpf_packet, flow_keys_len), .size_width = 4),
};
static const struct ctx_field sk_msg[] MESSAGE_ROWS = {
	F_PTR(data, 0, 8, CTX_PACKET, data),
	F_PTR(data_end, 8, 8, CTX_PACKET_END, data_end),
	F_WHOLE(family, 16, 4, R, family),
	F_WHOLE(remote_ip4, 20, 4, R, remote_ip4),
	F_WHOLE(local_ip4, 24, 4, R, local_ip4),
	F_WHOLES(remote_ip6, 28, 4, R, remote_ip6),
	F_WHOLES(local_ip6, 44, 4, R, local_ip6),
	F_WHOLE(remote_port, 60, 4, R, remote_port),
	F_WHOLE(local_port, 64, 4, R, local_port),
	F_WHOLE(size, 68, 4, R, len),
	F_SOCK(72, OBJECT_SOCK | CTX_ALWAYS),
};
static const struct ctx_field sk_reuseport[] MESSAGE_ROWS = {
	F_PTR(data, 0, 8, CTX_PACKET, data),
	F_PTR(data_end, 8, 8, CTX_PACKET_END, data_end),
	F(len, 16, 4, R, len),
	F(eth_protocol, 20, 4, R, protocol),
	F(ip_protocol, 24, 4, R, cb[0]),
	F(bind_inany, 28, 4, R, cb[1]),
	F_WHOLE(hash, 32, 4, R, hash),
	F_SOCK(40, OBJECT_SOCK | CTX_ALWAYS),
};
static const struct ctx_field sockopt[] MESSAGE_ROWS = {
	F_SOCK(0, OBJECT_SOCK | CTX_ALWAYS),
	F_PTR(optval, 8, 8, CTX_PACKET, data),
	F_PTR(optval_end, 16, 8, CTX_PACKET_END, data_end),
	F_WHOLE(level, 24, 4, RW, cb[0]),
	F_WHOLE(optname, 28, 4, RW, cb[1]),
	F_WHOLE(optlen, 32, 4, RW, cb[2]),
	F_WHOLE(retval, 36, 4, RW, cb[3]),
};

static const struct ctx_field tracepoint[] MESSAGE_ROWS = { D(record, 0, 8192, R) };
static const struct ctx_field raw_tp[] MESSAGE_ROWS = { D_ARRAY(args, 0, 8, 12, R) };
static const struct ctx_field any_rw[] MESSAGE_ROWS = { D(ctx, 0, 65535, RW) };
static const struct ctx_field any_ro[] MESSAGE_ROWS = { D(event, 0, 65535, R) };
static const struct ctx_field lirc[] MESSAGE_ROWS = { D_WHOLE(sample, 0, 4, R) };

#if defined(__aarch64__)
enum { PT_REGS = 272 };		/* struct user_pt_regs */
#define REGS D_ARRAY(regs, 0, 8, 34, R)
#elif defined(__riscv) || defined(__powerpc64__) || defined(__s390x__) || defined(__loongarch__)
enum { PT_REGS = 384 };		/* at least the kernel's, a host gives that many bytes */
#define REGS D_ARRAY(regs, 0, 8, 48, R)
#else
enum { PT_REGS = 168 };		/* x86-64, also what is assumed elsewhere */
#define REG(name, n) D(name, (n) * 8, 8, R)
#define REGS REG(r15, 0), REG(r14, 1), REG(r13, 2), REG(r12, 3), REG(bp, 4), \
	REG(bx, 5), REG(r11, 6), REG(r10, 7), REG(r9, 8), REG(r8, 9), REG(ax, 10), \
	REG(cx, 11), REG(dx, 12), REG(si, 13), REG(di, 14), REG(orig_ax, 15), \
	REG(ip, 16), REG(cs, 17), REG(flags, 18), REG(sp, 19), REG(ss, 20)
#endif
/* The others see the registers alone. */
static const struct ctx_field perf_event[] MESSAGE_ROWS = {
	REGS,
	D(sample_period, PT_REGS, 8, R),
	D(addr, PT_REGS + 8, 8, R),
};

static const struct ctx_field sock_ops[] MESSAGE_ROWS = {
	D_WHOLE(op, 0, 4, R),
	D_WHOLE(reply, 4, 4, RW),
	D_WHOLES(args, 8, 4, 3, R),
	D_WHOLE(family, 20, 4, R),
	D_WHOLE(remote_ip4, 24, 4, R),
	D_WHOLE(local_ip4, 28, 4, R),
	D_WHOLES(remote_ip6, 32, 4, 4, R),
	D_WHOLES(local_ip6, 48, 4, 4, R),
	D_WHOLE(remote_port, 64, 4, R),
	D_WHOLE(local_port, 68, 4, R),
	D_WHOLE(is_fullsock, 72, 4, R),
	D_WHOLE(snd_cwnd, 76, 4, R),
	D_WHOLE(srtt_us, 80, 4, R),
	D_WHOLE(bpf_sock_ops_cb_flags, 84, 4, R),
	D_WHOLE(state, 88, 4, R),
	D_WHOLE(rtt_min, 92, 4, R),
	D_WHOLE(snd_ssthresh, 96, 4, R),
	D_WHOLE(rcv_nxt, 100, 4, R),
	D_WHOLE(snd_nxt, 104, 4, R),
	D_WHOLE(snd_una, 108, 4, R),
	D_WHOLE(mss_cache, 112, 4, R),
	D_WHOLE(ecn_flags, 116, 4, R),
	D_WHOLE(rate_delivered, 120, 4, R),
	D_WHOLE(rate_interval_us, 124, 4, R),
	D_WHOLE(packets_out, 128, 4, R),
	D_WHOLE(retrans_out, 132, 4, R),
	D_WHOLE(total_retrans, 136, 4, R),
	D_WHOLE(segs_in, 140, 4, R),
	D_WHOLE(data_segs_in, 144, 4, R),
	D_WHOLE(segs_out, 148, 4, R),
	D_WHOLE(data_segs_out, 152, 4, R),
	D_WHOLE(lost_out, 156, 4, R),
	D_WHOLE(sacked_out, 160, 4, R),
	D_WHOLE(sk_txhash, 164, 4, RW),
	D_WHOLE(bytes_received, 168, 8, R),
	D_WHOLE(bytes_acked, 176, 8, R),
	D_SOCK(184, OBJECT_SOCK),
	D_KIND(skb_data, 192, 8, CTX_PTR),
	D_KIND(skb_data_end, 200, 8, CTX_PTR),
	D_WHOLE(skb_len, 208, 4, R),
	D(skb_tcp_flags, 212, 4, R),
	D_WHOLE(skb_hwtstamp, 216, 8, R),
};

#define SOCK_HEAD(acc) \
	D_WHOLE(bound_dev_if, 0, 4, acc), \
	D(family, 4, 4, R), D(type, 8, 4, R), D(protocol, 12, 4, R), \
	D_WHOLE(mark, 16, 4, acc), D_WHOLE(priority, 20, 4, acc)
#define SOCK_TAIL \
	D_ARRAY(dst_port, 48, 2, 2, R),	/* with its pad: older programs read four bytes */ \
	D(dst_ip4, 52, 4, R), D_ARRAY(dst_ip6, 56, 4, 4, R), D(state, 72, 4, R), D(rx_queue_mapping, 76, 4, R)
static const struct ctx_field bpf_sock_create[] MESSAGE_ROWS = {
	SOCK_HEAD(RW),
	SOCK_TAIL,
};
static const struct ctx_field bpf_sock_bound[] MESSAGE_ROWS = {
	SOCK_HEAD(R),
	D(src_ip4, 24, 4, R),
	D_ARRAY(src_ip6, 28, 4, 4, R),
	D(src_port, 44, 4, R),
	SOCK_TAIL,
};
static const struct ctx_field sock_addr[] MESSAGE_ROWS = {
	D_WHOLE(user_family, 0, 4, R),
	D(user_ip4, 4, 4, RW),
	D(user_ip6, 8, 16, RW),		/* 8-byte accesses are allowed */
	D(user_port, 24, 4, RW),
	D_WHOLE(family, 28, 4, R),
	D_WHOLE(type, 32, 4, R),
	D_WHOLE(protocol, 36, 4, R),
	D(msg_src_ip4, 40, 4, RW),
	D(msg_src_ip6, 44, 16, RW),
	D_SOCK(64, OBJECT_SOCK | CTX_ALWAYS),
};
static const struct ctx_field cgroup_dev[] MESSAGE_ROWS = {
	D(access_type, 0, 4, R),
	D_WHOLE(major, 4, 4, R),
	D_WHOLE(minor, 8, 4, R),
};
static const struct ctx_field sysctl[] MESSAGE_ROWS = {
	D(write, 0, 4, R),
	D(file_pos, 4, 4, RW),
};
static const struct ctx_field sk_lookup[] MESSAGE_ROWS = {
	D_SOCK(0, OBJECT_SOCK),
	D(family, 8, 4, R),
	D(protocol, 12, 4, R),
	D(remote_ip4, 16, 4, R),
	D_ARRAY(remote_ip6, 20, 4, 4, R),
	D_ARRAY(remote_port, 36, 2, 2, R),	/* with its pad: older programs read four bytes */
	D(local_ip4, 40, 4, R),
	D_ARRAY(local_ip6, 44, 4, 4, R),
	D(local_port, 60, 4, R),
	D(ingress_ifindex, 64, 4, R),
};
/* Results of programs: sets of names, one behind the other; INT16_MIN: all others. */
#define ANY_OTHER INT16_MIN
#define VERDICTS(V) \
	V(xdp, XDP_ABORTED, 0) V(xdp, XDP_DROP, 1) V(xdp, XDP_PASS, 2) V(xdp, XDP_TX, 3) V(xdp, XDP_REDIRECT, 4) \
	V(tc, TC_ACT_UNSPEC, -1) V(tc, TC_ACT_OK, 0) V(tc, TC_ACT_RECLASSIFY, 1) V(tc, TC_ACT_SHOT, 2) \
	V(tc, TC_ACT_PIPE, 3) V(tc, TC_ACT_STOLEN, 4) V(tc, TC_ACT_QUEUED, 5) V(tc, TC_ACT_REPEAT, 6) \
	V(tc, TC_ACT_REDIRECT, 7) V(tc, TC_ACT_TRAP, 8) \
	V(socket, DROP, 0) V(socket, KEEP, ANY_OTHER) V(filter, DISCARD, 0) V(filter, KEEP, ANY_OTHER) \
	V(allow, DENY, 0) V(allow, ALLOW, 1) V(sk, SK_DROP, 0) V(sk, SK_PASS, 1) \
	V(lwt, BPF_OK, 0) V(lwt, BPF_DROP, 2) V(lwt, BPF_REDIRECT, 7) V(lwt, BPF_LWT_REROUTE, 128) \
	V(dissector, BPF_OK, 0) V(dissector, BPF_DROP, 2) V(dissector, BPF_FLOW_DISSECTOR_CONTINUE, 129)
enum { V_no, V_xdp, V_tc, V_socket, V_filter, V_allow, V_sk, V_lwt, V_dissector };
#define VERDICT(set, name, value) { V_##set, value },
static const struct { uint8_t set; int16_t value; } verdicts[] = { VERDICTS(VERDICT) };
#define VERDICT_NAME(set, name, value) #name "\0"
static const char verdict_names[] MESSAGE_PACKED = VERDICTS(VERDICT_NAME);

static const struct {
#define REFUSED(id, name, kernel, reason) char id[sizeof(reason)];
#include "loader/types.def"
} whys MESSAGE_PACKED = {
#define REFUSED(id, name, kernel, reason) .id = reason,
#include "loader/types.def"
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FIELDS(array) .fields = array, .nr_fields = COUNT(array)
#define FIRST(n, array) .fields = array, .nr_fields = n
#define NONE .nr_fields = 0
#define TYPE(id, nm, kernel, fl, ctx, host, grp, flds, lo, hi, ver, what) { \
	.name = nm, .kernel_type = kernel, .flags = fl, .ctx_size = ctx, .host_size = host, \
	.groups = grp, flds, .ret_lo = lo, .ret_hi = hi, .verdicts = V_##ver },
#define REFUSED(id, nm, kernel, reason) { \
	.name = nm, .kernel_type = kernel, .flags = TYPE_REFUSED, .groups = HG_BASE | HG_TRACING, .why = whys.id },
const struct prog_type prog_types[] = {
#include "loader/types.def"
};
const uint32_t nr_prog_types = COUNT(prog_types);

enum {
#define TYPE(id, ...) TYPE_##id,
#define REFUSED(id, ...) TYPE_##id,
#include "loader/types.def"
	LOOSE = 128, SLASH = 0
};
static const char prefixes[] MESSAGE_ROWS =
#define SECTION(prefix, how, id) prefix "\0"
#include "loader/types.def"
;
static const uint8_t sections[] = {
#define SECTION(prefix, how, id) TYPE_##id | how,
#include "loader/types.def"
};

/* Does `section` match; then *rest is what follows the prefix (past a slash). */
static bool matches(const char *section, const char *prefix, bool loose, const char **rest)
{
	size_t len = strlen(prefix);
	char next;

	if (strncmp(section, prefix, len) != 0)
		return false;
	next = section[len];
	*rest = section + len + (next == '/');
	if (next == '\0' || next == '/')
		return true;
	return loose && (strchr("_-.", next) || (next >= '0' && next <= '9'));
}

void section_type(const char *section, struct section_match *out)
{
	const char *prefix = prefixes;
	size_t best = 0;

	memset(out, 0, sizeof(*out));
	out->attach = "";
	if (section[0] == '?') {
		out->optional = true;
		section++;
	}
	for (size_t i = 0; i < COUNT(sections); i++, prefix = text_next(prefix)) {
		const char *rest;

		if (strlen(prefix) > best && matches(section, prefix, sections[i] & LOOSE, &rest)) {
			best = strlen(prefix);
			out->type = &prog_types[sections[i] & ~LOOSE];
			out->attach = rest;
		}
	}
	if (!strncmp(section, "uebpf/", 6))
		out->host_type = section + 6;
}

const char *section_like(const char *section)
{
	/* letters that each side has where the other goes on: one too many, one missing, another one, two swapped */
	static const char skip[4][2] = { { 0, 1 }, { 1, 0 }, { 1, 1 }, { 2, 2 } };
	const char *prefix = prefixes, *rest;

	section += *section == '?';
	for (size_t i = 0; i < COUNT(sections); i++, prefix = text_next(prefix)) {
		const char *a = prefix, *b = section;

		while (*a && *a == *b)
			a++, b++;
		for (int k = 0; k < 4; k++)
			if (strlen(a) >= (size_t)skip[k][0] && strlen(b) >= (size_t)skip[k][1] &&
			    (k < 3 || (a[0] == b[1] && a[1] == b[0])) &&
			    matches(b + skip[k][1], a + skip[k][0], false, &rest))
				return prefix;
	}
	return NULL;
}

const struct prog_type *prog_type_find(const char *name)
{
	struct section_match match;

	for (uint32_t i = 0; i < nr_prog_types; i++)
		if (!strcmp(prog_types[i].name, name))
			return &prog_types[i];
	section_type(name, &match);
	return match.type;
}

const char *prog_type_result(const struct prog_type *type, uint32_t i, int32_t *value)
{
	for (uint32_t k = 0; k < COUNT(verdicts); k++)
		if (verdicts[k].set == type->verdicts && !i--) {
			*value = verdicts[k].value == ANY_OTHER ? INT32_MIN : verdicts[k].value;
			return text_nth(message_text(verdict_names), k);
		}
	return NULL;
}

const char *prog_type_verdict(const struct prog_type *type, uint64_t r0)
{
	const char *name;
	int32_t value;

	for (uint32_t i = 0; (name = prog_type_result(type, i, &value)) != NULL; i++)
		if (value == (int32_t)r0 || value == INT32_MIN)
			return name;
	return NULL;
}

const char *ctx_field_name(const struct prog_type *type, const struct ctx_field *field)
{
	return type->event ? type->event[field - type->fields].name :
			     text_nth(message_text(names), field->name);
}
