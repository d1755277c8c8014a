/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* units_packet_test.c - helpers by themselves, without a kernel to compare with: memory, packets and their metadata,
 * stacks, compiler builtins, contracts as text. */
#include <sys/mman.h>
#include "docs/helper_text.h"
#include "loader/loader.h"
#include "tests/helpers/units.h"
#include "tests/util/run.h"

/* ---- probe_read ---- */

START_TEST(probe_read_policy)
{
	char secret[] = "not known", got[16];

	ck_assert_int_eq((int64_t)call("probe_read", P(got), 8, P(secret), 0, 0), -EFAULT);
	ck_assert_mem_eq(got, "\0\0\0\0\0\0\0", 8);
	o.host.probe = UEBPF_PROBE_SYSCALL;
	errno = 77;
	ck_assert_int_eq((int64_t)call("probe_read", P(got), 8, P(secret), 0, 0), 0);
	ck_assert_mem_eq(got, secret, 8);
	ck_assert_int_eq((int64_t)call("probe_read_user_str", P(got), 16, P(secret), 0, 0), 10);
	ck_assert_str_eq(got, secret);
	ck_assert_int_eq((int64_t)call("probe_read_str", P(got), 4, P(secret), 0, 0), 4);
	ck_assert_str_eq(got, "not");
	ck_assert_int_eq((int64_t)call("probe_read", P(got), 8, 8, 0, 0), -EFAULT);
	ck_assert_int_eq((int64_t)call("probe_read_str", P(got), 8, 8, 0, 0), -EFAULT);
	ck_assert_int_eq(errno, 77);
}
END_TEST

/* The last byte of a page before an unmapped one. */
START_TEST(probe_read_str_stops_at_the_nul_before_an_unmapped_page)
{
	long page = sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), got[64];

	munmap(at + page, (size_t)page);
	strcpy(at + page - 4, "end");
	o.host.probe = UEBPF_PROBE_SYSCALL;
	ck_assert_int_eq((int64_t)call("probe_read_str", P(got), 64, P(at + page - 4), 0, 0), 4);
	ck_assert_str_eq(got, "end");
	at[page - 1] = '!';
	memset(got, 'x', sizeof got);
	ck_assert_int_eq((int64_t)call("probe_read_str", P(got), 64, P(at + page - 4), 0, 0), -EFAULT);
	ck_assert_int_eq(got[0], 0);
	munmap(at, (size_t)page);
}
END_TEST

/* ---- packets ---- */

START_TEST(packet_without_room_gets_enomem)
{
	o.packet.head = o.packet.tail = NULL;
	ck_assert_int_eq((int64_t)call("skb_change_head", CTX_ARG, 14, 0, 0, 0), -ENOMEM);
	ck_assert_int_eq((int64_t)call("skb_change_tail", CTX_ARG, 80, 0, 0, 0), -ENOMEM);
	ck_assert_int_eq((int64_t)call("skb_change_tail", CTX_ARG, 60, 0, 0, 0), 0);
	ck_assert_int_eq((int64_t)call("xdp_adjust_head", CTX_ARG, (uint64_t)-4, 0, 0, 0), -EINVAL);
	ck_assert_int_eq((int64_t)call("xdp_adjust_tail", CTX_ARG, 1, 0, 0, 0), -EINVAL);
}
END_TEST

START_TEST(xdp_adjust_meta_by_an_unaligned_amount_gives_eacces)
{
	begin(BPF_PROG_TYPE_XDP, NULL, 64);
	ck_assert_int_eq((int64_t)call("xdp_adjust_meta", CTX_ARG, (uint64_t)-3, 0, 0, 0), -EACCES);
	ck_assert_int_eq((int64_t)call("xdp_adjust_meta", CTX_ARG, (uint64_t)-8, 0, 0, 0), 0);
	ck_assert_int_eq(o.packet.data - o.packet.data_meta, 8);
	memcpy(o.packet.data_meta, "metadata", 8);
	ck_assert_int_eq((int64_t)call("xdp_adjust_head", CTX_ARG, (uint64_t)-20, 0, 0, 0), 0);
	ck_assert_mem_eq(o.packet.data_meta, "metadata", 8);	/* it moves with the packet */
	ck_assert_int_eq(o.packet.data - o.packet.data_meta, 8);
}
END_TEST

START_TEST(redirects_are_recorded)
{
	ck_assert_uint_eq(call("redirect", 5, 1, 0, 0, 0), 7);
	ck_assert_uint_eq(o.packet.redirect_kind, UEBPF_REDIRECT_IFINDEX);
	ck_assert_uint_eq(o.packet.redirect_ifindex, 5);
	ck_assert_uint_eq(o.packet.redirect_flags, 1);
	call("redirect_peer", 6, 0, 0, 0, 0);
	ck_assert_uint_eq(o.packet.redirect_kind, UEBPF_REDIRECT_PEER);
	call("redirect_neigh", 7, 0, 0, 0, 0);
	ck_assert_uint_eq(o.packet.redirect_kind, UEBPF_REDIRECT_NEIGH);
	ck_assert_uint_eq(call("clone_redirect", CTX_ARG, 8, 0, 0, 0), 0);
	ck_assert_uint_eq(o.packet.redirect_kind, UEBPF_REDIRECT_CLONE);
	begin(BPF_PROG_TYPE_XDP, NULL, 64);
	ck_assert_uint_eq(call("redirect", 5, 0, 0, 0, 0), 4);
	ck_assert_uint_eq(call("redirect", 5, 1, 0, 0, 0), 0);
}
END_TEST

START_TEST(vlan_tags_move_between_metadata_and_frame)
{
	static const uint8_t frame[64] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x00, 0x45 };

	begin(BPF_PROG_TYPE_SCHED_CLS, frame, sizeof frame);
	ck_assert_int_eq((int64_t)call("skb_vlan_push", CTX_ARG, 0x0081, 5, 0, 0), 0);
	ck_assert_uint_eq(o.packet.vlan_present, 1);
	ck_assert_uint_eq(o.packet.vlan_tci, 5);
	ck_assert_int_eq(o.packet.data_end - o.packet.data, 64);
	ck_assert_int_eq((int64_t)call("skb_vlan_push", CTX_ARG, 0xa888, 6, 0, 0), 0);
	ck_assert_int_eq(o.packet.data_end - o.packet.data, 68);
	ck_assert_mem_eq(o.packet.data + 12, "\x81\x00\x00\x05\x08\x00\x45", 7);
	ck_assert_uint_eq(o.packet.vlan_tci, 6);
	ck_assert_int_eq((int64_t)call("skb_vlan_pop", CTX_ARG, 0, 0, 0, 0), 0);
	ck_assert_int_eq(o.packet.data_end - o.packet.data, 64);
	ck_assert_uint_eq(o.packet.vlan_tci, 5);
	ck_assert_int_eq((int64_t)call("skb_vlan_pop", CTX_ARG, 0, 0, 0, 0), 0);
	ck_assert_uint_eq(o.packet.vlan_present, 0);
	ck_assert_mem_eq(o.packet.data, frame, sizeof frame);
}
END_TEST

START_TEST(tunnel_key_is_packet_metadata)
{
	struct uebpf_tunnel tunnel = { 0 };
	struct bpf_tunnel_key key = { .tunnel_id = 42, .remote_ipv4 = 0x0a000001, .tunnel_ttl = 64 }, back;
	char opt[8] = "abcdefg", got[16];

	ck_assert_int_eq((int64_t)call("skb_set_tunnel_key", CTX_ARG, P(&key), sizeof key, 0, 0), -EOPNOTSUPP);
	o.packet.tunnel = &tunnel;
	ck_assert_int_eq((int64_t)call("skb_get_tunnel_key", CTX_ARG, P(&back), sizeof back, 0, 0), -EINVAL);
	ck_assert_int_eq((int64_t)call("skb_set_tunnel_opt", CTX_ARG, P(opt), 8, 0, 0), -EINVAL);
	ck_assert_int_eq((int64_t)call("skb_set_tunnel_key", CTX_ARG, P(&key), sizeof key, 2, 0), 0);
	ck_assert_uint_eq(tunnel.flags, 2);
	ck_assert_int_eq((int64_t)call("skb_set_tunnel_key", CTX_ARG, P(&key), sizeof key, 1 << 9, 0), -EINVAL);
	ck_assert_int_eq((int64_t)call("skb_get_tunnel_key", CTX_ARG, P(&back), sizeof back, 0, 0), 0);
	ck_assert_mem_eq(&key, &back, sizeof key);
	ck_assert_int_eq((int64_t)call("skb_get_tunnel_opt", CTX_ARG, P(got), 16, 0, 0), -ENOENT);
	ck_assert_int_eq((int64_t)call("skb_set_tunnel_opt", CTX_ARG, P(opt), 8, 0, 0), 0);
	ck_assert_int_eq((int64_t)call("skb_get_tunnel_opt", CTX_ARG, P(got), 16, 0, 0), 8);
	ck_assert_mem_eq(got, opt, 8);
	ck_assert_int_eq((int64_t)call("skb_get_tunnel_opt", CTX_ARG, P(got), 4, 0, 0), -ENOMEM);
}
END_TEST

START_TEST(hash_is_kept_and_the_same_for_a_flow)
{
	static uint8_t frame[64] = { [12] = 8, [14] = 0x45, [23] = 17, [26] = 10, [29] = 1, [30] = 10, [33] = 2, [35] = 53 };
	uint64_t hash;

	begin(BPF_PROG_TYPE_SCHED_CLS, frame, sizeof frame);
	hash = call("get_hash_recalc", CTX_ARG, 0, 0, 0, 0);
	ck_assert_uint_ne(hash, 0);
	frame[60] = 99;	/* payload */
	begin(BPF_PROG_TYPE_SCHED_CLS, frame, sizeof frame);
	ck_assert_uint_eq(call("get_hash_recalc", CTX_ARG, 0, 0, 0, 0), hash);
	call("set_hash", CTX_ARG, 5, 0, 0, 0);
	ck_assert_uint_eq(call("get_hash_recalc", CTX_ARG, 0, 0, 0, 0), 5);
	call("set_hash_invalid", CTX_ARG, 0, 0, 0, 0);
	ck_assert_uint_eq(call("get_hash_recalc", CTX_ARG, 0, 0, 0, 0), hash);
	frame[35] = 54;
	begin(BPF_PROG_TYPE_SCHED_CLS, frame, sizeof frame);
	ck_assert_uint_ne(call("get_hash_recalc", CTX_ARG, 0, 0, 0, 0), hash);
	o.packet.socket_cookie = 99;
	o.packet.socket_uid = 1000;
	ck_assert_uint_eq(call("get_socket_cookie", CTX_ARG, 0, 0, 0, 0), 99);
	ck_assert_uint_eq(call("get_socket_uid", CTX_ARG, 0, 0, 0, 0), 1000);
	o.packet.size = offsetof(struct uebpf_packet, socket_cookie);	/* a host built with an older header */
	ck_assert_uint_eq(call("get_socket_cookie", CTX_ARG, 0, 0, 0, 0), 0);
}
END_TEST

/* ---- stacks ---- */

START_TEST(stack_of_a_pt_regs_context_follows_frame_pointers)
{
	uint64_t regs[21] = { 0 }, stack[8] = { 0 }, ips[8];

	stack[0] = P(&stack[4]), stack[1] = 0x2000;
	stack[4] = 0, stack[5] = 0x3000;
	regs[4] = P(&stack[0]), regs[16] = 0x1000;
	o.code.type = prog_type_find("kprobe");
	o.call.ctx = regs;
	o.call.ctx_len = sizeof regs;
	o.host.probe = UEBPF_PROBE_SYSCALL;
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(ips), sizeof ips, 1 << 8, 0), 24);
	ck_assert_uint_eq(ips[0], 0x1000);
	ck_assert_uint_eq(ips[1], 0x2000);
	ck_assert_uint_eq(ips[2], 0x3000);
	ck_assert_uint_eq(ips[3], 0);
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(ips), sizeof ips, 1 << 8 | 1, 0), 16);
	ck_assert_uint_eq(ips[0], 0x2000);
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(ips), sizeof ips, 0, 0), -EFAULT);
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(ips), 12, 1 << 8, 0), -EINVAL);
	ck_assert_uint_eq(call("get_func_ip", P(regs), 0, 0, 0, 0), 0x1000);
	regs[4] = 7;	/* no frame */
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(ips), sizeof ips, 1 << 8, 0), 8);
}
END_TEST

/* ---- compiler builtins ---- */

START_TEST(builtins_of_compilers)
{
	char a[16] = "0123456789", b[16] = "abc";

	ck_assert_uint_eq(call("memcpy", P(a), P(b), 3, 0, 0), P(a));
	ck_assert_str_eq(a, "abc3456789");
	call("memmove", P(a + 1), P(a), 5, 0, 0);
	ck_assert_str_eq(a, "aabc346789");
	ck_assert_uint_eq(call("memset", P(a), 0x141, 4, 0, 0), P(a));
	ck_assert_str_eq(a, "AAAA346789");
	ck_assert_int_eq((int64_t)call("memcmp", P("abc"), P("abd"), 3, 0, 0), -1);
	ck_assert_int_eq((int64_t)call("memcmp", P("b"), P("a"), 1, 0, 0), 1);
	ck_assert_int_eq((int64_t)call("bcmp", P("b"), P("a"), 0, 0, 0), 0);
}
END_TEST

/* ---- contracts as text ---- */

START_TEST(contract_text_is_read_and_written)
{
	static const struct { const char *text, *again; } good[] = {
		{ "u64 (ctx, map, key, mem:size, size)", "u64 (ctx, map, key, mem, size)" },
		{ "void ()", "void ()" },
		{ " int(scalar a,u32 b , s64)", "u64 (scalar, scalar, scalar)" },
		{ "value? (map, key)", "value? (map, key)" },
		{ "mem:24? (ctx)", "mem:24? (ctx)" },
		{ "mem? (map, alloc_size)", "mem? (map, alloc_size)" },
		{ "sock? (ctx, mem:16 tuple)", "sock? (ctx, mem:16)" },
		{ "u64 (mem_out? to, size0 n, cstr name, func:loop, stack?)", "u64 (mem_out?, size0, cstr, func:loop, stack?)" },
		{ "u64 (dynptr_out:ringbuf, dynptr, dynptr:local)", "u64 (dynptr_out:ringbuf, dynptr, dynptr:local)" },
		{ "u64 (mem_inout, any, size, mem_out:8)", "u64 (mem_inout, any, size, mem_out:8)" },
	};
	static const struct { const char *text; uint32_t column; const char *why; } bad[] = {
		{ "", 1, "result" }, { "u64", 4, "'('" }, { "u63 ()", 1, "unknown result" }, { "u64 (foo)", 6, "unknown argument" },
		{ "u64 (u64", 9, "')'" }, { "u64 () x", 8, "nothing may follow" }, { "u64 (mem)", 1, "size" },
		{ "u64 (key)", 1, "map" }, { "value? (ctx)", 1, "map" }, { "mem (ctx)", 5, "how many" },
		{ "mem? (ctx)", 1, "alloc_size" }, { "u64 (u8,u8,u8,u8,u8,u8)", 21, "five" }, { "u64 (mem:0)", 10, "65535" },
		{ "u64 (mem:99999999999)", 10, "65535" }, { "u64 (scalar:3)", 13, "takes no" }, { "u64 (func:foo)", 11, "unknown callback" },
		{ "u64 (,)", 6, "argument kind" }, { "sock (ctx)", 6, "sock?" },
	};
	struct host_helper row;
	const char *why = NULL;
	uint32_t column = 0;
	char text[128];

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		memset(&row, 0, sizeof row);
		ck_assert_msg(!helpers_parse_proto(good[i].text, &row, &column, &why), "%s: %u: %s", good[i].text, column, why);
		proto_text(&row.row, text, sizeof text);
		ck_assert_str_eq(text, good[i].again);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_assert_int_eq(helpers_parse_proto(bad[i].text, &row, &column, &why), -EINVAL);
		ck_assert_msg(column == bad[i].column && strstr(why, bad[i].why), "%s: %u: %s", bad[i].text, column, why);
	}
	for (uint32_t i = 0; i < helpers_nr; i++) {
		int len = proto_text(&helpers_builtin[i], NULL, 0);

		ck_assert_int_eq(proto_text(&helpers_builtin[i], text, sizeof text), len);
		ck_assert_int_lt(len, (int)sizeof text);
		ck_assert_ptr_null(strchr(text, '@'));
		ck_assert_int_eq((int)strlen(text), len);
	}
}
END_TEST

int main(void)
{
	TCase *t = test_case("helpers on packets", 30);

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, probe_read_policy);
	tcase_add_test(t, probe_read_str_stops_at_the_nul_before_an_unmapped_page);
	tcase_add_test(t, packet_without_room_gets_enomem);
	tcase_add_test(t, xdp_adjust_meta_by_an_unaligned_amount_gives_eacces);
	tcase_add_test(t, redirects_are_recorded);
	tcase_add_test(t, vlan_tags_move_between_metadata_and_frame);
	tcase_add_test(t, tunnel_key_is_packet_metadata);
	tcase_add_test(t, hash_is_kept_and_the_same_for_a_flow);
	tcase_add_test(t, stack_of_a_pt_regs_context_follows_frame_pointers);
	tcase_add_test(t, builtins_of_compilers);
	tcase_add_test(t, contract_text_is_read_and_written);
	return run_tests();
}
