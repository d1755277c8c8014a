/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf_test.c - classic BPF translated: equal to libpcap's interpreter for what libpcap compiles and
 * for random filters, in every engine; what is malformed is refused with its instruction. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "loader/filter/cbpf.h"
#include "tests/util/run.h"
#include "vm/code.h"

enum { PACKETS = 400, ROOM = 512 };
static struct packet { uint8_t b[ROOM]; uint32_t len; } pkt[PACKETS];
static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static uint8_t *put(uint8_t *p, uint32_t v, int n)
{
	while (n--)
		*p++ = (uint8_t)(v >> (8 * n));
	return p;
}

/* A capture with something for every expression: VLAN, IPv4 with options and fragments, IPv6, TCP,
 * UDP, ICMP, ARP, short frames, noise. */
static void make_packets(void)
{
	static const uint32_t hosts[] = { 0x0a000001, 0x0a000002, 0xc0a80101, 0x08080808, 0xe0000001 };
	static const uint16_t ports[] = { 80, 443, 53, 22, 1024, 60000, 123, 8080 };
	for (int i = 0; i < PACKETS; i++) {
		uint8_t *p = pkt[i].b;
		for (int k = 0; k < ROOM; k++)
			p[k] = (uint8_t)rnd(256);
		p = put(p, rnd(3) ? 0x0200 : 0xffff, 2);
		p = put(p, rnd(3) ? rnd(4) : 0xffffffff, 4);
		p = put(p, 0x0200, 2);
		p = put(p, rnd(4), 4);
		if (!rnd(5)) {
			p = put(p, 0x8100, 2);
			p = put(p, rnd(3) * 100, 2);
		}
		uint32_t kind = rnd(10), proto = (uint32_t[]){ 6, 17, 1, 58, 47 }[rnd(5)];
		if (kind < 6) {
			uint32_t ihl = rnd(6) ? 5 : 6 + rnd(4);
			p = put(p, 0x0800, 2);
			p = put(p, 0x40 | ihl, 1);
			p = put(p, rnd(256), 1);
			p = put(p, 20 + rnd(400), 2);
			p = put(p, rnd(65536), 2);
			p = put(p, rnd(4) ? 0x4000 : rnd(65536), 2);
			p = put(p, 1 + rnd(255), 1);
			p = put(p, proto, 1);
			p = put(p, 0, 2);
			p = put(p, hosts[rnd(5)], 4);
			p = put(p, hosts[rnd(5)], 4);
			p += (ihl - 5) * 4;
			p = put(p, ports[rnd(8)], 2);
			p = put(p, ports[rnd(8)], 2);
			p = put(p + 8, (5 + rnd(3)) << 4, 1);
			put(p, rnd(64), 1);
		} else if (kind < 8) {
			p = put(p, 0x86dd, 2);
			p = put(p, 0x60000000, 4);
			p = put(p, rnd(300), 2);
			p = put(p, proto == 1 ? 58 : proto, 1);
			p = put(p, 64, 1);
			p = put(p, 0xfe800000, 4);
			p = put(p, 0, 4);
			p = put(p, 0, 4);
			p = put(p, rnd(3), 4);
			p = put(p, 0x20010db8, 4);
			p = put(p + 8, rnd(3), 4);
			p = put(p, ports[rnd(8)], 2);
			put(p, ports[rnd(8)], 2);
		} else if (kind == 8) {
			p = put(p, 0x0806, 2);
			p = put(p, 0x00010800, 4);
			p = put(p, 0x06040001, 4);
			p = put(p + 6, hosts[rnd(5)], 4);
			put(p + 6, hosts[rnd(5)], 4);
		}
		pkt[i].len = rnd(8) ? 64 + rnd(ROOM - 64) : rnd(64);
	}
}

static struct uebpf_object *open_filter(struct uebpf_env *env, const struct uebpf_cbpf_insn *in, uint32_t n,
					uint32_t mode, uint32_t engine)
{
	struct uebpf_error err;
	struct uebpf_load_opts load = { .size = sizeof load, .mode = mode, .engine = engine };
	struct uebpf_object *obj = uebpf_object_open_cbpf(env, in, n, NULL, &err);
	ck_assert_msg(obj, "%s", err.text);
	int rc = uebpf_object_load(obj, &load, &err);
	if (rc && err.code == UEBPF_E_ABSENT) {
		uebpf_object_free(obj);
		return NULL;
	}
	ck_assert_msg(!rc, "%s", err.text);
	return obj;
}

static const struct { const char *name; uint32_t mode, engine; } arm[] = {
	{ "checked interpreter", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP },
	{ "checked jit", UEBPF_MODE_CHECKED, UEBPF_ENGINE_JIT },
	{ "verified interpreter", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP },
	{ "verified jit", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT },
};
enum { ARMS = sizeof arm / sizeof arm[0] };

static uint64_t run(const struct uebpf_object *obj, struct packet *p, uint32_t wire, const char *who)
{
	struct uebpf_packet ctx = { .size = sizeof ctx, .data = p->b, .data_end = p->b + p->len, .wire_len = wire };
	uint64_t r0 = 0;
	int rc = uebpf_prog_run(uebpf_object_prog(obj, NULL), &ctx, sizeof ctx, NULL, &r0);
	ck_assert_msg(!rc, "%s: status %d", who, rc);
	return r0;
}

#ifdef HAVE_LIBPCAP
#include <pcap/pcap.h>
#ifdef HAVE_LIBBPF
#define bpf_insn kernel_insn	/* the kernel's struct of that name is another one */
#include <bpf/bpf.h>
#undef bpf_insn
#endif
struct sock_fprog { unsigned short len; struct sock_filter *filter; };	/* linux/filter.h clashes with pcap's */

/* All packets in one call. */
static void compare_packets(const struct uebpf_object *obj, const struct bpf_insn *in, const char *what, const char *who)
{
	static struct uebpf_record record[PACKETS];
	static uint64_t got[PACKETS];

	for (int i = 0; i < PACKETS; i++)
		record[i] = (struct uebpf_record){ pkt[i].b, pkt[i].len };
	ck_assert_int_eq(uebpf_prog_run_packets(uebpf_object_prog(obj, NULL), record, PACKETS, got, NULL), 0);
	for (int i = 0; i < PACKETS; i++) {
		uint32_t want = bpf_filter(in, pkt[i].b, pkt[i].len, pkt[i].len);

		ck_assert_msg(got[i] == want, "%s, %s, packet %d of many: %llu, libpcap %u", what, who, i, (unsigned long long)got[i], want);
	}
}

static void compare(struct uebpf_env *env, const struct bpf_insn *in, uint32_t n, const char *what)
{
	for (int a = 0; a < ARMS; a++) {
		struct uebpf_object *obj = open_filter(env, (const void *)in, n, arm[a].mode, arm[a].engine);
		if (!obj)
			continue;
		for (int i = 0; i < PACKETS; i++) {
			uint32_t want = bpf_filter(in, pkt[i].b, pkt[i].len + 7, pkt[i].len);
			uint64_t got = run(obj, &pkt[i], pkt[i].len + 7, what);
			ck_assert_msg(got == want, "%s, %s, packet %d: %llu, libpcap %u", what, arm[a].name, i,
				      (unsigned long long)got, want);
		}
		compare_packets(obj, in, what, arm[a].name);
		uebpf_object_free(obj);
	}
}

/* The kernel as it filters sockets: of a datagram it delivers as many bytes as the filter says. */
static void compare_socket(const struct uebpf_object *obj, const struct bpf_insn *in, uint32_t n, const char *what)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = (struct sock_filter *)(uintptr_t)in };
	static uint8_t got[ROOM];
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	ck_assert_msg(!setsockopt(fd[0], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)), "%s: %s", what, strerror(errno));
	for (int i = 0; i < PACKETS; i += 7) {
		uint64_t want = run(obj, &pkt[i], pkt[i].len, what);
		ssize_t len;

		if (!pkt[i].len)
			continue;
		(void)!send(fd[1], pkt[i].b, pkt[i].len, MSG_DONTWAIT);
		len = recv(fd[0], got, sizeof(got), MSG_DONTWAIT);
		len = len < 0 ? 0 : len;
		want = want < pkt[i].len ? want : pkt[i].len;
		ck_assert_msg((uint64_t)len == want, "%s, packet %d: the kernel delivers %zd bytes, the verdict is %llu", what, i, len,
			      (unsigned long long)want);
	}
	close(fd[0]);
	close(fd[1]);
}

#ifdef HAVE_LIBBPF
/* The translation itself in the kernel, as an XDP program; false: it asks for the length on the wire, which
 * XDP does not know, or the kernel lets this user load nothing. */
static bool compare_translated(const struct uebpf_object *obj, const struct bpf_insn *in, uint32_t n, const char *what)
{
	struct uebpf_error err;
	uint32_t count;
	void *slots;
	int fd;

	for (uint32_t i = 0; i < n; i++)
		if ((in[i].code & 7) <= 1 && (in[i].code & 0xe0) == 0x80)
			return false;
	ck_assert_int_eq(cbpf_translate((const struct uebpf_cbpf_insn *)in, n, &slots, &count, &err), 0);
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "cbpf", "GPL", slots, count, NULL);
	free(slots);
	ck_assert_msg(fd >= 0 || fd == -EPERM, "%s: the kernel refuses the translation: %d", what, fd);
	for (int i = 0; fd >= 0 && i < PACKETS; i += 7) {
		struct bpf_test_run_opts o = { .sz = sizeof(o), .data_in = pkt[i].b, .data_size_in = pkt[i].len };

		if (pkt[i].len < 14)		/* test_run takes none */
			continue;
		ck_assert_int_eq(bpf_prog_test_run_opts(fd, &o), 0);
		ck_assert_msg(o.retval == (uint32_t)run(obj, &pkt[i], pkt[i].len, what), "%s, packet %d: kernel %u", what, i, o.retval);
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
#endif

START_TEST(the_kernel_agrees)
{
	static const char *const set[] = {
		"tcp", "udp port 53", "arp", "ip6", "tcp port 80 and host 10.0.0.1", "net 192.168.0.0/16 or icmp", "vlan 100",
		"portrange 1000-2000", "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0", "(ip[6:2] & 0x1fff) = 0 and ip[8] > 64",
		"udp[4:2] / 2 < 100", "ether[0] & 1 = 0", "len > 150", "greater 200 and udp", "not host 8.8.8.8 and not port 443",
		"ip multicast", "src net 10.0.0.0/8 and dst port 80",
	};
	struct uebpf_env *env = uebpf_env_new(NULL);
	pcap_t *pc = pcap_open_dead(DLT_EN10MB, 65535);
	int translated = 0;

	for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
		struct uebpf_object *obj;
		struct bpf_program prog;

		ck_assert_int_eq(pcap_compile(pc, &prog, set[i], (int)(i & 1), PCAP_NETMASK_UNKNOWN), 0);
		obj = open_filter(env, (const void *)prog.bf_insns, prog.bf_len, UEBPF_MODE_VERIFIED, UEBPF_ENGINE_AUTO);
		compare_socket(obj, prog.bf_insns, prog.bf_len, set[i]);
#ifdef HAVE_LIBBPF
		translated += compare_translated(obj, prog.bf_insns, prog.bf_len, set[i]);
#endif
		uebpf_object_free(obj);
		pcap_freecode(&prog);
	}
	if (!translated)
		printf("skip: translated classic filters in the kernel: no libbpf, or not permitted\n");
	pcap_close(pc);
	uebpf_env_free(env);
}
END_TEST

START_TEST(what_libpcap_compiles_gives_equal_verdicts)
{
	static const char *const left[] = {
		"tcp", "udp", "icmp", "arp", "ip", "ip6", "vlan", "vlan 100", "tcp port 80", "udp port 53",
		"host 10.0.0.1", "src host 10.0.0.2", "net 192.168.0.0/16", "dst net 10.0.0.0/8", "portrange 1000-2000",
		"ether broadcast", "ip multicast", "less 100", "greater 200", "len > 150",
	};
	static const char *const right[] = {
		"", " and port 443", " or arp", " and not host 8.8.8.8", " and ip[8] > 64", " and tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
		" and (ip[6:2] & 0x1fff) = 0", " or ip6 host fe80::1", " and ether[0] & 1 = 0", " and len % 7 != 3",
		" and udp[4:2] / 2 < 100",
	};
	struct uebpf_env *env = uebpf_env_new(NULL);
	int done = 0;
	for (size_t l = 0; l < sizeof left / sizeof *left; l++)
		for (size_t r = 0; r < sizeof right / sizeof *right; r++) {
			char text[256];
			struct bpf_program prog;
			pcap_t *pc = pcap_open_dead(DLT_EN10MB, 65535);
			snprintf(text, sizeof text, "%s%s", left[l], right[r]);
			if (!pcap_compile(pc, &prog, text, (int)(r & 1), PCAP_NETMASK_UNKNOWN)) {
				compare(env, prog.bf_insns, prog.bf_len, text);
				pcap_freecode(&prog);
				done++;
			}
			pcap_close(pc);
		}
	uebpf_env_free(env);
	ck_assert_int_ge(done, 200);
}
END_TEST

/* Any valid filter: loads of all kinds at any offset, arithmetic, scratch words, forward jumps. */
static uint32_t random_filter(struct bpf_insn *in)
{
	static const uint16_t loads[] = { 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0xb1, 0x81, 0x01 };
	static const uint16_t alu[] = { 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c,
		0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac };
	static const uint16_t jumps[] = { 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d };
	uint32_t n = 3 + rnd(40), stored = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct bpf_insn *x = &in[i];
		*x = (struct bpf_insn){ 0 };
		uint32_t left = n - i - 1, pick = rnd(10);
		if (pick < 4) {
			x->code = loads[rnd(11)];
			x->k = rnd(12) ? rnd(80) : rnd(3) ? rnd(600) : 0xfff00000u - rnd(100);
			if ((x->code & 0xe0) == 0)
				x->k = rnd(4) ? rnd(100) : seed & 0xffffffff;
		} else if (pick < 7) {
			x->code = alu[rnd(21)];
			x->k = rnd(3) ? 1 + rnd(31) : 1 + (seed & 0x7fffffff);
			if ((x->code & 0xf0) == 0x60 || (x->code & 0xf0) == 0x70)
				x->k = rnd(32);
		} else if (pick == 7 && left > 1) {
			x->code = jumps[rnd(8)];
			x->k = rnd(2) ? rnd(100) : seed & 0xffffffff;
			x->jt = (uint8_t)rnd(left), x->jf = (uint8_t)rnd(left);
		} else if (pick == 8) {
			x->code = rnd(2) ? 0x02 : 0x03;
			x->k = i < 8 ? stored++ & 15 : rnd(16);
		} else {
			x->code = rnd(2) ? 0x07 : 0x87;
		}
	}
	in[n] = rnd(2) ? (struct bpf_insn){ 0x16, 0, 0, 0 } : (struct bpf_insn){ 0x06, 0, 0, rnd(70000) };
	return n + 1;
}

START_TEST(random_filters_give_equal_values)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	int rounds = getenv("SOAK") ? 20000 : 300;
	printf("random classic filters: %d, seed 0x%llx\n", rounds, (unsigned long long)seed);
	for (int i = 0; i < rounds; i++) {
		struct bpf_insn in[64];
		uint32_t n = random_filter(in);
		compare(env, in, n, "random filter");
	}
	uebpf_env_free(env);
}
END_TEST
#endif

/* What no libpcap is needed for. */
#define OPC(c, k_) { .code = c, .k = k_ }
START_TEST(loads_outside_and_division_by_zero_end_with_0)
{
	static const struct { struct uebpf_cbpf_insn in[4]; uint32_t n; uint64_t want; } t[] = {
		{ { OPC(0x30, 1000), OPC(0x06, 7) }, 2, 0 },			/* ldb [1000] */
		{ { OPC(0x30, 63), OPC(0x06, 7) }, 2, 7 },
		{ { OPC(0x20, 61), OPC(0x06, 7) }, 2, 0 },			/* ld [61] of 64 bytes */
		{ { OPC(0x20, 60), OPC(0x06, 7) }, 2, 7 },
		{ { OPC(0x00, 5), OPC(0x3c, 0), OPC(0x06, 7) }, 3, 0 },		/* 5 / x */
		{ { OPC(0x00, 5), OPC(0x9c, 0), OPC(0x06, 7) }, 3, 0 },
		{ { OPC(0x01, 0xffffffff), OPC(0x50, 1), OPC(0x06, 7) }, 3, 0 },	/* no wrap to 0 */
		{ { OPC(0x80, 0), OPC(0x16, 0) }, 2, 64 },			/* len */
	};
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct packet p = { .len = 64 };
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		for (int a = 0; a < ARMS; a++) {
			struct uebpf_object *obj = open_filter(env, t[i].in, t[i].n, arm[a].mode, arm[a].engine);
			if (!obj)
				continue;
			ck_assert_msg(run(obj, &p, 0, arm[a].name) == t[i].want, "case %zu, %s", i, arm[a].name);
			uebpf_object_free(obj);
		}
	uebpf_env_free(env);
}
END_TEST

START_TEST(a_4096_instruction_filter_of_loads_reaches_its_return)
{
	static struct uebpf_cbpf_insn in[4096];
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct packet p = { .len = 64 };
	for (int i = 0; i < 4095; i++)
		in[i] = (struct uebpf_cbpf_insn)OPC(0x50, (uint32_t)i % 60);
	in[4095] = (struct uebpf_cbpf_insn)OPC(0x06, 42);
	struct uebpf_object *obj = open_filter(env, in, 4096, UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP);
	ck_assert_uint_eq(run(obj, &p, 0, "long"), 42);
	p.len = 3;
	ck_assert_uint_eq(run(obj, &p, 0, "long"), 0);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

START_TEST(malformed_filters_are_refused_with_their_instruction)
{
	static const struct { struct uebpf_cbpf_insn in[3]; uint32_t n, pc; const char *says; } t[] = {
		{ { OPC(0x00, 1) }, 1, 0, "not a return" },
		{ { OPC(0x34, 0), OPC(0x06, 1) }, 2, 0, "constant 0" },
		{ { OPC(0x64, 32), OPC(0x06, 1) }, 2, 0, "shift by 32" },
		{ { OPC(0x60, 16), OPC(0x06, 1) }, 2, 0, "scratch" },
		{ { OPC(0x05, 5), OPC(0x06, 1) }, 2, 0, "past the end" },
		{ { OPC(0x30, 0xfffff000), OPC(0x06, 1) }, 2, 0, "ancillary" },
		{ { OPC(0x06, 1), OPC(0x8f, 0), OPC(0x06, 1) }, 3, 1, "misc" },
		{ { OPC(0x00, 1), OPC(0xf4, 0), OPC(0x06, 1) }, 3, 1, "arithmetic" },
	};
	struct uebpf_env *env = uebpf_env_new(NULL);
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct uebpf_error err;
		ck_assert(!uebpf_object_open_cbpf(env, t[i].in, t[i].n, NULL, &err));
		ck_assert_uint_eq(err.pc, t[i].pc);
		ck_assert_msg(strstr(err.text, t[i].says), "%s", err.text);
	}
	ck_assert(!uebpf_object_open_cbpf(env, t[0].in, 0, NULL, NULL));
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *c = test_case("cbpf", 600);

	make_packets();
#ifdef HAVE_LIBPCAP
	tcase_add_test(c, the_kernel_agrees);
	tcase_add_test(c, what_libpcap_compiles_gives_equal_verdicts);
	tcase_add_test(c, random_filters_give_equal_values);
#else
	printf("skip: comparison with libpcap: built without it (package libpcap-dev)\n");
#endif
	tcase_add_test(c, loads_outside_and_division_by_zero_end_with_0);
	tcase_add_test(c, a_4096_instruction_filter_of_loads_reaches_its_return);
	tcase_add_test(c, malformed_filters_are_refused_with_their_instruction);
	return run_tests();
}
