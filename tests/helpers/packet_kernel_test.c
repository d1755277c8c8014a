/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* packet_kernel_test.c - packet helpers beside the kernel's: r0, memory and packet bytes. */
#include "tests/helpers/oracle.h"
#include "tests/util/run.h"

static const uint8_t ipv4_tcp[] = {
	2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,
	0x45, 0x01, 0x00, 0x2c, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0xa6, 0x4c, 10, 0, 0, 1, 10, 0, 0, 2,
	0x13, 0x88, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0x00, 0x91, 0x7c, 0, 0,
	'd', 'a', 't', 'a',
};

static void packet_v4(struct result *in)
{
	memset(in, 0, sizeof *in);
	memcpy(in->packet, ipv4_tcp, sizeof ipv4_tcp);
	in->len = sizeof ipv4_tcp;
	for (unsigned i = 8; i < AREA; i++)
		in->area[i] = (uint8_t)(i * 7);
}

static void packet_v6(struct result *in)
{
	packet_v4(in);
	memset(in->packet + 14, 0, 60);
	in->packet[12] = 0x86;
	in->packet[13] = 0xdd;
	in->packet[14] = 0x60;
	in->packet[14 + 5] = 20;
	in->packet[14 + 6] = 17;
	in->len = 14 + 40 + 20;
}

static void packet_vlan(struct result *in)
{
	packet_v4(in);
	memmove(in->packet + 16, in->packet + 12, in->len - 12);
	memcpy(in->packet + 12, "\x81\x00\x20\x05", 4);
	in->len += 4;
}

static void run_all(const struct call_case *c, size_t n, uint32_t type, void (*make)(struct result *),
		    unsigned least)
{
	static struct kernel k;
	static struct result in;
	unsigned differences = 0, ran = 0;

	if (!kernel_open(&k, NULL, 0))
		return;
	make(&in);
	for (size_t i = 0; i < n; i++) {
		if (same(&k, &c[i], type, &in, NULL, &differences)) {
			ran++;
		} else {
			printf("refused by the kernel's verifier: ");
			print_case(&c[i]);
			printf("\n");
		}
	}
	kernel_close(&k);
	printf("%u calls compared, %u differences\n", ran, differences);
	ck_assert_uint_eq(differences, 0);
	ck_assert_uint_ge(ran, least);
}
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(csum_diff_and_replace)
{
	static const struct call_case cases[] = {
		{ "csum_diff", { N(0), N(0), A(64), N(4), N(0) } },
		{ "csum_diff", { A(64), N(8), N(0), N(0), N(0) } },
		{ "csum_diff", { A(64), N(8), N(0), N(0), N(0xffff) } },
		{ "csum_diff", { A(64), N(40), A(128), N(40), N(0) } },
		{ "csum_diff", { A(64), N(4), A(128), N(40), N(0x1234567) } },
		{ "csum_diff", { A(64), N(64), A(64), N(64), N(1) } },
		{ "csum_diff", { N(0), N(0), N(0), N(0), N(0xfffffffe) } },
		{ "csum_diff", { N(0), N(0), N(0), N(0), N(0) } },
		{ "csum_diff", { A(64), N(6), A(128), N(4), N(0) } },
		{ "csum_diff", { A(64), N(512), A(1024), N(512), N(7) } },
		{ "csum_diff", { A(64), N(1024), A(1200), N(1024), N(7) } },
		{ "l3_csum_replace", { C, N(24), N(0x0101), N(0x2222), N(2) } },
		{ "l3_csum_replace", { C, N(24), N(0x01010000), N(0x22225555), N(4) } },
		{ "l3_csum_replace", { C, N(24), N(0), N(0xabcd1234), N(0) } },
		{ "l3_csum_replace", { C, N(24), N(1), N(0xabcd1234), N(0) } },
		{ "l3_csum_replace", { C, N(25), N(0), N(1), N(2) } },
		{ "l3_csum_replace", { C, N(24), N(0), N(1), N(3) } },
		{ "l3_csum_replace", { C, N(24), N(0), N(1), N(8) } },
		{ "l3_csum_replace", { C, N(24), N(0), N(1), N(0x12) } },
		{ "l3_csum_replace", { C, N(56), N(0), N(1), N(2) } },
		{ "l3_csum_replace", { C, N(58), N(0), N(1), N(2) } },
		{ "l3_csum_replace", { C, N(0x10000), N(0), N(1), N(2) } },
		{ "l3_csum_replace", { C, N(24), N(0xffff), N(0), N(2) } },
		{ "l4_csum_replace", { C, N(50), N(0x0101), N(0x2222), N(2) } },
		{ "l4_csum_replace", { C, N(50), N(0x01010000), N(0x22225555), N(4 | 0x10) } },
		{ "l4_csum_replace", { C, N(50), N(0), N(0xabcd1234), N(0x10) } },
		{ "l4_csum_replace", { C, N(50), N(5), N(0xabcd1234), N(0x10) } },
		{ "l4_csum_replace", { C, N(52), N(1), N(2), N(2 | 0x20) } },
		{ "l4_csum_replace", { C, N(52), N(1), N(2), N(2 | 0x20 | 0x40) } },
		{ "l4_csum_replace", { C, N(52), N(0), N(0xffff), N(2 | 0x20 | 0x40) } },
		{ "l4_csum_replace", { C, N(50), N(0x7c91), N(0), N(2 | 0x20) } },
		{ "l4_csum_replace", { C, N(50), N(0), N(1), N(0x100) } },
		{ "l4_csum_replace", { C, N(50), N(0), N(1), N(6) } },
		{ "csum_update", { C, N(5) } },
		{ "csum_level", { C, N(0) } },
		{ "csum_level", { C, N(1) } },
		{ "csum_level", { C, N(3) } },
		{ "csum_level", { C, N(4) } },
		{ "skb_ecn_set_ce", { C } },
	};

	run_all(cases, COUNT(cases), BPF_PROG_TYPE_SCHED_CLS, packet_v4, COUNT(cases));
}
END_TEST

START_TEST(csum_of_random_bytes)
{
	static struct kernel k;
	static struct result in;
	unsigned differences = 0, seed = (unsigned)getpid();

	if (!kernel_open(&k, NULL, 0))
		return;
	printf("seed %u\n", seed);
	srand(seed);
	packet_v4(&in);
	for (int i = 0; i < 300; i++) {
		uint64_t a = (uint64_t)(rand() % 20) * 4, b = (uint64_t)(rand() % 20) * 4;
		struct call_case diff = { "csum_diff", { A(64), N(a), A(700), N(b), N(rand() * 3u) } };
		struct call_case l3 = { "l3_csum_replace", { C, N(rand() % 28 * 2), N(rand() * 5ull), N(rand() * 7ull),
							    N(rand() % 2 * 2 + 2) } };
		struct call_case l4 = { "l4_csum_replace", { C, N(rand() % 28 * 2), N(rand() * 5ull), N(rand() * 7ull),
							    N((rand() % 2 * 2 + 2) | (rand() & 0x70)) } };

		for (unsigned at = 8; at < 1024; at++)
			in.area[at] = (uint8_t)(rand() & (rand() % 3 ? 0xff : 0));
		if (i % 3 == 0)
			memset(in.area + 64, rand() % 2 ? 0xff : 0, 80);
		same(&k, &diff, BPF_PROG_TYPE_SCHED_CLS, &in, NULL, &differences);
		same(&k, &l3, BPF_PROG_TYPE_SCHED_CLS, &in, NULL, &differences);
		same(&k, &l4, BPF_PROG_TYPE_SCHED_CLS, &in, NULL, &differences);
	}
	kernel_close(&k);
	ck_assert_uint_eq(differences, 0);
}
END_TEST

static const struct call_case skb_cases[] = {
	{ "skb_load_bytes", { C, N(0), A(64), N(14) } },
	{ "skb_load_bytes", { C, N(14), A(64), N(20) } },
	{ "skb_load_bytes", { C, N(50), A(64), N(20) } },
	{ "skb_load_bytes", { C, N(0x80000000), A(64), N(2) } },
	{ "skb_load_bytes", { C, N(0xffffffff), A(64), N(2) } },
	{ "skb_load_bytes_relative", { C, N(0), A(64), N(14), N(0) } },
	{ "skb_load_bytes_relative", { C, N(0), A(64), N(20), N(1) } },
	{ "skb_load_bytes_relative", { C, N(0), A(64), N(20), N(2) } },
	{ "skb_load_bytes_relative", { C, N(40), A(64), N(20), N(1) } },
	{ "skb_load_bytes_relative", { C, N(0x10000), A(64), N(1), N(0) } },
	{ "skb_store_bytes", { C, N(0), A(64), N(14), N(0) } },
	{ "skb_store_bytes", { C, N(30), A(64), N(8), N(1) } },
	{ "skb_store_bytes", { C, N(30), A(64), N(8), N(2) } },
	{ "skb_store_bytes", { C, N(30), A(64), N(8), N(4) } },
	{ "skb_store_bytes", { C, N(55), A(64), N(8), N(0) } },
	{ "skb_store_bytes", { C, N(0xffffffff), A(64), N(8), N(0) } },
	{ "skb_pull_data", { C, N(0) } },
	{ "skb_pull_data", { C, N(40) } },
	{ "skb_pull_data", { C, N(58) } },
	{ "skb_pull_data", { C, N(2000) } },
	{ "skb_change_head", { C, N(14), N(0) } },
	{ "skb_change_head", { C, N(0), N(0) } },
	{ "skb_change_head", { C, N(14), N(1) } },
	{ "skb_change_head", { C, N(0x7fffffff), N(0) } },
	{ "skb_change_tail", { C, N(40), N(0) } },
	{ "skb_change_tail", { C, N(100), N(0) } },
	{ "skb_change_tail", { C, N(5), N(0) } },
	{ "skb_change_tail", { C, N(14), N(0) } },
	{ "skb_change_tail", { C, N(40), N(1) } },
	{ "skb_change_tail", { C, N(0xfffffff), N(0) } },
	{ "skb_change_type", { C, N(1) } },
	{ "skb_change_type", { C, N(4) } },
	{ "skb_change_proto", { C, N(0xdd86), N(0) } },
	{ "skb_change_proto", { C, N(0x0008), N(0) } },
	{ "skb_change_proto", { C, N(0xdd86), N(1) } },
	{ "skb_vlan_push", { C, N(0x0081), N(5) } },
	{ "skb_vlan_push", { C, N(0), N(5) } },
	{ "skb_vlan_pop", { C } },
	{ "skb_adjust_room", { C, N(20), N(0), N(0) } },
	{ "skb_adjust_room", { C, N(20), N(1), N(0) } },
	{ "skb_adjust_room", { C, N(-4), N(1), N(0) } },
	{ "skb_adjust_room", { C, N(-4), N(0), N(0) } },
	{ "skb_adjust_room", { C, N(-20), N(1), N(0) } },
	{ "skb_adjust_room", { C, N(-24), N(1), N(0) } },
	{ "skb_adjust_room", { C, N(-25), N(1), N(0) } },
	{ "skb_adjust_room", { C, N(-100), N(1), N(0) } },
	{ "skb_adjust_room", { C, N(20), N(2), N(0) } },
	{ "skb_adjust_room", { C, N(0x2000), N(1), N(0) } },
	{ "skb_adjust_room", { C, N(20), N(1), N(2) } },
	{ "skb_adjust_room", { C, N(28), N(1), N(2 | 16) } },
	{ "skb_adjust_room", { C, N(40), N(1), N(4) } },
	{ "skb_adjust_room", { C, N(40), N(1), N(6) } },
	{ "skb_adjust_room", { C, N(20), N(1), N(8) } },
	{ "skb_adjust_room", { C, N(20), N(1), N(24) } },
	{ "skb_adjust_room", { C, N(-20), N(1), N(0x80) } },
	{ "skb_adjust_room", { C, N(-20), N(1), N(0x100) } },
	{ "skb_adjust_room", { C, N(20), N(1), N(0x80) } },
	{ "skb_adjust_room", { C, N(20), N(1), N(0x200) } },
	{ "skb_adjust_room", { C, N(34), N(1), N(2 | 14ull << 56) } },
	{ "skb_adjust_room", { C, N(34), N(1), N(14ull << 56) } },
	{ "skb_adjust_room", { C, N(10), N(1), N(2 | 14ull << 56) } },
	{ "skb_adjust_room", { C, N(34), N(1), N(2 | 64 | 14ull << 56) } },
	{ "skb_adjust_room", { C, N(34), N(1), N(2 | 64 | 4ull << 56) } },
	{ "skb_adjust_room", { C, N(34), N(1), N(64) } },
	{ "skb_adjust_room", { C, N(20), N(1), N(2 | 0x80) } },
	{ "skb_adjust_room", { C, N(-4), N(1), N(2) } },
	{ "skb_adjust_room", { C, N(-4), N(1), N(8) } },
	{ "skb_adjust_room", { C, N(-4), N(1), N(0x21) } },
	{ "skb_adjust_room", { C, N(-4), N(1), N(1ull << 56) } },
	{ "skb_adjust_room", { C, N(-4), N(1), N(64) } },
	{ "skb_set_tstamp", { C, N(5), N(1) } },
	{ "skb_set_tstamp", { C, N(0), N(0) } },
	{ "skb_set_tstamp", { C, N(5), N(0) } },
	{ "skb_set_tstamp", { C, N(0), N(1) } },
	{ "skb_set_tstamp", { C, N(5), N(2) } },
	{ "skb_set_tstamp", { C, N(5), N(3) } },
	{ "set_hash", { C, N(7) } },
	{ "set_hash_invalid", { C } },
	{ "skb_get_tunnel_key", { C, A(64), N(44), N(0) } },
	{ "skb_get_tunnel_key", { C, A(64), N(43), N(0) } },
	{ "redirect", { N(1), N(0) } },
	{ "redirect", { N(1), N(1) } },
	{ "redirect", { N(1), N(2) } },
	{ "redirect_peer", { N(1), N(0) } },
	{ "redirect_peer", { N(1), N(1) } },
	{ "redirect_neigh", { N(1), N(0), N(0), N(0) } },
	{ "redirect_neigh", { N(1), A(64), N(20), N(0) } },
	{ "redirect_neigh", { N(1), A(64), N(8), N(0) } },
	{ "redirect_neigh", { N(1), N(0), N(0), N(1) } },
	{ "clone_redirect", { C, N(1), N(2) } },
	{ "skb_set_tstamp", { C, N(0), N(2) } },
	{ "skb_ecn_set_ce", { C } },	/* last: left out where a VLAN tag lies in the frame */
};

START_TEST(skb_helpers_on_ipv4)
{
	run_all(skb_cases, COUNT(skb_cases), BPF_PROG_TYPE_SCHED_CLS, packet_v4, COUNT(skb_cases));
}
END_TEST

START_TEST(skb_helpers_on_ipv6)
{
	run_all(skb_cases, COUNT(skb_cases), BPF_PROG_TYPE_SCHED_CLS, packet_v6, COUNT(skb_cases));
}
END_TEST

/* There the kernel takes the tag for an IP header (6.18: it changes byte 15); on a real interface the
 * tag is metadata by then. */
START_TEST(skb_helpers_on_vlan)
{
	run_all(skb_cases, COUNT(skb_cases) - 1, BPF_PROG_TYPE_SCHED_CLS, packet_vlan, COUNT(skb_cases) - 1);
}
END_TEST

START_TEST(xdp_helpers)
{
	static const struct call_case cases[] = {
		{ "xdp_get_buff_len", { C } },
		{ "xdp_load_bytes", { C, N(0), A(64), N(14) } },
		{ "xdp_load_bytes", { C, N(50), A(64), N(14) } },
		{ "xdp_load_bytes", { C, N(0x10000), A(64), N(14) } },
		{ "xdp_load_bytes", { C, N(58), A(64), N(1) } },
		{ "xdp_store_bytes", { C, N(4), A(64), N(14) } },
		{ "xdp_store_bytes", { C, N(50), A(64), N(14) } },
		{ "xdp_adjust_head", { C, N(-14) } },
		{ "xdp_adjust_head", { C, N(14) } },
		{ "xdp_adjust_head", { C, N(44) } },
		{ "xdp_adjust_head", { C, N(45) } },
		{ "xdp_adjust_head", { C, N(-300) } },
		{ "xdp_adjust_head", { C, N(0x7fffffff) } },
		{ "xdp_adjust_head", { C, N(-0x7fffffff) } },
		{ "xdp_adjust_tail", { C, N(-20) } },
		{ "xdp_adjust_tail", { C, N(-44) } },
		{ "xdp_adjust_tail", { C, N(-45) } },
		{ "xdp_adjust_tail", { C, N(20) } },
		{ "xdp_adjust_tail", { C, N(100000) } },
		{ "xdp_adjust_meta", { C, N(-4) } },
		{ "xdp_adjust_meta", { C, N(-3) } },
		{ "xdp_adjust_meta", { C, N(4) } },
		{ "xdp_adjust_meta", { C, N(0) } },
		{ "xdp_adjust_meta", { C, N(-32) } },
		{ "xdp_adjust_meta", { C, N(-36) } },
		{ "xdp_adjust_meta", { C, N(-100000) } },
		{ "redirect", { N(1), N(0) } },
		{ "redirect", { N(1), N(1) } },
		{ "csum_diff", { A(64), N(8), A(128), N(8), N(3) } },
	};

	run_all(cases, COUNT(cases), BPF_PROG_TYPE_XDP, packet_v4, COUNT(cases));
}
END_TEST

int main(void)
{
	TCase *t = test_case("packet helpers and the kernel", 30);

	tcase_add_test(t, csum_diff_and_replace);
	tcase_add_test(t, csum_of_random_bytes);
	tcase_add_test(t, skb_helpers_on_ipv4);
	tcase_add_test(t, skb_helpers_on_ipv6);
	tcase_add_test(t, skb_helpers_on_vlan);
	tcase_add_test(t, xdp_helpers);
	return run_tests();
}
