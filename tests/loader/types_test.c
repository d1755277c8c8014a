/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* types_test.c - program types: what section names say; context fields against the layout that the
 * running kernel's own BTF gives them; every row sound. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/loader.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static const struct { const char *section, *type, *attach; } names[] = {
	{ "xdp", "xdp", "" }, { "xdp_pass", "xdp", "_pass" }, { "xdp1", "xdp", "1" }, { "xdp/devmap", "xdp", "" },
	{ "xdp.frags/cpumap", "xdp", "" }, { "xdpfoo", NULL, "" }, { "tc", "tc", "" }, { "tc/ingress", "tc", "ingress" },
	{ "tcp", NULL, "" }, { "classifier", "tc", "" }, { "classifier/x", "tc", "x" }, { "action", "action", "" },
	{ "tcx/egress", "tc", "egress" }, { "socket", "socket", "" }, { "socket1", "socket", "1" },
	{ "socket_filter", "socket", "_filter" }, { "kprobe/do_unlinkat", "kprobe", "do_unlinkat" },
	{ "kretprobe/f", "kprobe", "f" }, { "kprobe.multi/f*", "kprobe", "f*" }, { "ksyscall/open", "kprobe", "open" },
	{ "uprobe//bin/bash:readline", "kprobe", "/bin/bash:readline" }, { "usdt/p", "kprobe", "p" },
	{ "tracepoint/syscalls/sys_enter_open", "tracepoint", "syscalls/sys_enter_open" },
	{ "tp/sched/sched_switch", "tracepoint", "sched/sched_switch" }, { "raw_tp/sys_enter", "raw_tp", "sys_enter" },
	{ "raw_tracepoint/x", "raw_tp", "x" }, { "raw_tp.w/x", "raw_tp", "x" }, { "perf_event", "perf_event", "" },
	{ "sockops", "sock_ops", "" }, { "cgroup_skb/ingress", "cgroup_skb/ingress", "" },
	{ "cgroup_skb/egress", "cgroup_skb", "egress" }, { "cgroup/skb", "cgroup_skb", "" },
	{ "cgroup/connect4", "cgroup_sock_addr", "" }, { "cgroup/bind6", "cgroup_bind", "" },
	{ "cgroup/sock_create", "cgroup_sock", "" }, { "cgroup/sock", "cgroup_sock", "" },
	{ "cgroup/post_bind4", "cgroup_post_bind", "" }, { "cgroup/getsockopt", "cgroup_sockopt", "" },
	{ "cgroup/dev", "cgroup_dev", "" }, { "cgroup/sysctl", "cgroup_sysctl", "" }, { "sk_msg", "sk_msg", "" },
	{ "sk_skb/stream_verdict", "sk_skb", "stream_verdict" }, { "sk_lookup/echo", "sk_lookup", "echo" },
	{ "sk_reuseport/migrate", "sk_reuseport", "migrate" }, { "lwt_xmit", "lwt_xmit", "" },
	{ "flow_dissector", "flow_dissector", "" }, { "syscall", "syscall", "" }, { "raw", "raw", "" },
	{ "uebpf/filter", "filter", "" }, { "fentry/f", "tracing", "f" }, { "tp_btf/x", "tracing", "x" },
	{ "fmod_ret/x", "tracing", "x" }, { "iter/task", "tracing", "task" }, { "lsm.s/x", "lsm", "x" },
	{ "struct_ops/init", "struct_ops", "init" }, { "freplace/x", "freplace", "x" }, { "netfilter", "netfilter", "" },
	{ ".text", NULL, "" }, { "2/7", NULL, "" }, { "from-container", NULL, "" }, { "filter", NULL, "" }, { "", NULL, "" },
};

START_TEST(section_name)
{
	struct section_match m;
	char optional[64];

	section_type(names[_i].section, &m);
	if (!names[_i].type) {
		ck_assert_msg(m.type == NULL, "%s: %s", names[_i].section, m.type ? m.type->name : "");
		return;
	}
	ck_assert_msg(m.type != NULL, "%s", names[_i].section);
	ck_assert_str_eq(m.type->name, names[_i].type);
	ck_assert_str_eq(m.attach, names[_i].attach);
	ck_assert(!m.optional);
	snprintf(optional, sizeof(optional), "?%s", names[_i].section);
	section_type(optional, &m);
	ck_assert(m.optional && m.type && !strcmp(m.type->name, names[_i].type));
}
END_TEST

static const struct { const char *section, *like; } slips[] = {
	{ "xpd", "xdp" }, { "kporbe/f", "kprobe" }, { "tracpoint/a/b", "tracepoint" }, { "classifer", "classifier" },
	{ "xdpp", "xdp" }, { "fentri/f", "fentry" }, { "?cgroup/conect4", "cgroup/connect4" }, { "t", "tc" },
	{ "sokcet", "socket" }, { "", NULL }, { "?", NULL }, { "maps2", NULL }, { "from-container", NULL }, { "xxdpp", NULL },
};

START_TEST(slip_of_the_pen)
{
	const char *like = section_like(slips[_i].section);

	if (!slips[_i].like)
		ck_assert_msg(!like, "%s: %s", slips[_i].section, like);
	else
		ck_assert_msg(like && !strcmp(like, slips[_i].like), "%s: %s", slips[_i].section, like ? like : "nothing");
}
END_TEST

START_TEST(host_type_name)
{
	struct section_match m;

	section_type("uebpf/sensor", &m);
	ck_assert_ptr_null(m.type);
	ck_assert_str_eq(m.host_type, "sensor");
}
END_TEST

START_TEST(type_by_name)
{
	for (uint32_t i = 0; i < nr_prog_types; i++)
		ck_assert_ptr_eq(prog_type_find(prog_types[i].name), &prog_types[i]);
	ck_assert_str_eq(prog_type_find("classifier")->name, "tc");
	ck_assert_str_eq(prog_type_find("uprobe")->name, "kprobe");
	ck_assert_ptr_null(prog_type_find("nonsense"));
}
END_TEST

START_TEST(verdict_names)
{
	ck_assert_str_eq(prog_type_verdict(prog_type_find("xdp"), 1), "XDP_DROP");
	ck_assert_str_eq(prog_type_verdict(prog_type_find("tc"), (uint32_t)-1), "TC_ACT_UNSPEC");
	ck_assert_str_eq(prog_type_verdict(prog_type_find("tc"), UINT64_MAX), "TC_ACT_UNSPEC");
	ck_assert_str_eq(prog_type_verdict(prog_type_find("socket"), 0), "DROP");
	ck_assert_str_eq(prog_type_verdict(prog_type_find("socket"), 1500), "KEEP");
	ck_assert_ptr_null(prog_type_verdict(prog_type_find("xdp"), 77));
	ck_assert_ptr_null(prog_type_verdict(prog_type_find("raw"), 0));
}
END_TEST

START_TEST(rows_are_sound)
{
	for (uint32_t i = 0; i < nr_prog_types; i++) {
		const struct prog_type *t = &prog_types[i];

		if (t->flags & TYPE_REFUSED) {
			ck_assert(t->why && *t->why);
			continue;
		}
		ck_assert(t->groups & HG_BASE);
		for (uint32_t k = 0; k < t->nr_fields; k++) {
			const struct ctx_field *f = &t->fields[k];
			uint32_t n = f->count ? f->count : 1;

			ck_assert_msg(f->off + f->size * n <= t->ctx_size, "%s.%s", t->name, ctx_field_name(t, f));
			ck_assert_msg(f->size > 8 || f->off % f->size == 0, "%s.%s", t->name, ctx_field_name(t, f));
			if (!(t->flags & TYPE_OPEN))
				ck_assert_msg(f->host_off + (uint32_t)f->host_size * n <= t->host_size, "%s.%s",
					      t->name, ctx_field_name(t, f));
			if (t->flags & TYPE_DIRECT)
				ck_assert_msg(f->off == f->host_off && f->size == f->host_size, "%s.%s", t->name,
					      ctx_field_name(t, f));
			for (uint32_t j = 0; j < k; j++)	/* no two fields share a byte */
				ck_assert_msg(f->off >= t->fields[j].off + t->fields[j].size *
					      (t->fields[j].count ? t->fields[j].count : 1u) ||
					      f->off + f->size * n <= t->fields[j].off, "%s: %s and %s", t->name, ctx_field_name(t, f),
					      ctx_field_name(t, &t->fields[j]));
		}
	}
}
END_TEST

/* ---- against the kernel's own types ---- */

static const struct { const char *type, *structure; } layouts[] = {
	{ "xdp", "xdp_md" }, { "tc", "__sk_buff" }, { "socket", "__sk_buff" }, { "cgroup_skb", "__sk_buff" },
	{ "sk_skb", "__sk_buff" }, { "lwt_xmit", "__sk_buff" }, { "flow_dissector", "__sk_buff" },
	{ "sk_msg", "sk_msg_md" }, { "sk_reuseport", "sk_reuseport_md" }, { "cgroup_sockopt", "bpf_sockopt" },
	{ "sock_ops", "bpf_sock_ops" }, { "cgroup_sock", "bpf_sock" }, { "cgroup_post_bind", "bpf_sock" },
	{ "cgroup_sock_addr", "bpf_sock_addr" }, { "cgroup_dev", "bpf_cgroup_dev_ctx" },
	{ "cgroup_sysctl", "bpf_sysctl" }, { "sk_lookup", "bpf_sk_lookup" },
	{ "kprobe", "pt_regs" }, { "perf_event", "bpf_perf_event_data" }, { "raw_tp", "bpf_raw_tracepoint_args" },
};

/* Offset of member `name`, also inside anonymous members; -1 if none. */
static int64_t member_off(const struct btf *btf, uint32_t id, const char *name)
{
	struct btf_member m;

	for (uint32_t i = 0; btf_member(btf, id, i, &m); i++) {
		int64_t inner;

		if (!strcmp(m.name, name))
			return m.bit_off / 8;
		inner = *m.name ? -1 : member_off(btf, btf_skip(btf, m.type), name);
		if (inner >= 0)
			return inner + m.bit_off / 8;
	}
	return -1;
}

static struct btf *kernel_btf(void)
{
	struct bytes b = slurp("/sys/kernel/btf/vmlinux");
	struct uebpf_error err;
	struct btf *btf = b.data ? btf_parse(NULL, b.data, b.len, "vmlinux", &err) : NULL;

	free(b.data);
	if (!btf)
		printf("skip: no /sys/kernel/btf/vmlinux\n");
	return btf;
}

START_TEST(fields_lie_where_the_kernel_has_them)
{
	struct btf *btf = kernel_btf();
	const struct prog_type *t = prog_type_find(layouts[_i].type);
	unsigned int compared = 0;
	uint32_t id;

	if (!btf)
		return;
	id = btf_find(btf, BTF_STRUCT, layouts[_i].structure);
	if (!id) {
		printf("skip: the kernel's BTF has no struct %s\n", layouts[_i].structure);
		btf_unref(btf);
		return;
	}
	for (uint32_t k = 0; k < t->nr_fields; k++) {
		const struct ctx_field *f = &t->fields[k];
		int64_t off = member_off(btf, id, ctx_field_name(t, f));

		if (off < 0)
			continue;
		if (!strcmp(ctx_field_name(t, f), "args") && !strcmp(t->name, "sock_ops"))
			off += 4;	/* args[0] is reply */
		ck_assert_msg(off == f->off, "%s.%s at %u, the kernel has it at %lld", t->name, ctx_field_name(t, f), f->off,
			      (long long)off);
		compared++;
	}
	ck_assert_msg(compared || !strcmp(layouts[_i].structure, "bpf_perf_event_data"), "%s: nothing compared",
		      t->name);
	/* bytes behind the last field that programs know may be padding, or 64-bit alignment */
	if (t->ctx_size != 96)
		ck_assert_msg(btf_size(btf, id) == t->ctx_size, "%s: %u bytes, the kernel has %lld", t->name, t->ctx_size,
			      (long long)btf_size(btf, id));
	btf_unref(btf);
}
END_TEST

START_TEST(numbers_are_the_kernels)
{
	static const struct { const char *type, *number; } rows[] = {
		{ "socket", "BPF_PROG_TYPE_SOCKET_FILTER" }, { "kprobe", "BPF_PROG_TYPE_KPROBE" },
		{ "tc", "BPF_PROG_TYPE_SCHED_CLS" }, { "action", "BPF_PROG_TYPE_SCHED_ACT" },
		{ "tracepoint", "BPF_PROG_TYPE_TRACEPOINT" }, { "xdp", "BPF_PROG_TYPE_XDP" },
		{ "perf_event", "BPF_PROG_TYPE_PERF_EVENT" }, { "cgroup_skb", "BPF_PROG_TYPE_CGROUP_SKB" },
		{ "cgroup_sock", "BPF_PROG_TYPE_CGROUP_SOCK" }, { "lwt_in", "BPF_PROG_TYPE_LWT_IN" },
		{ "lwt_out", "BPF_PROG_TYPE_LWT_OUT" }, { "lwt_xmit", "BPF_PROG_TYPE_LWT_XMIT" },
		{ "sock_ops", "BPF_PROG_TYPE_SOCK_OPS" }, { "sk_skb", "BPF_PROG_TYPE_SK_SKB" },
		{ "cgroup_dev", "BPF_PROG_TYPE_CGROUP_DEVICE" }, { "sk_msg", "BPF_PROG_TYPE_SK_MSG" },
		{ "raw_tp", "BPF_PROG_TYPE_RAW_TRACEPOINT" }, { "cgroup_sock_addr", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR" },
		{ "lwt_seg6local", "BPF_PROG_TYPE_LWT_SEG6LOCAL" }, { "lirc_mode2", "BPF_PROG_TYPE_LIRC_MODE2" },
		{ "sk_reuseport", "BPF_PROG_TYPE_SK_REUSEPORT" }, { "flow_dissector", "BPF_PROG_TYPE_FLOW_DISSECTOR" },
		{ "cgroup_sysctl", "BPF_PROG_TYPE_CGROUP_SYSCTL" }, { "cgroup_sockopt", "BPF_PROG_TYPE_CGROUP_SOCKOPT" },
		{ "tracing", "BPF_PROG_TYPE_TRACING" }, { "struct_ops", "BPF_PROG_TYPE_STRUCT_OPS" },
		{ "freplace", "BPF_PROG_TYPE_EXT" }, { "lsm", "BPF_PROG_TYPE_LSM" }, { "sk_lookup", "BPF_PROG_TYPE_SK_LOOKUP" },
		{ "syscall", "BPF_PROG_TYPE_SYSCALL" }, { "netfilter", "BPF_PROG_TYPE_NETFILTER" },
	};
	struct btf *btf = kernel_btf();
	struct btf_enumerator e;
	uint32_t id = btf ? btf_find(btf, BTF_ENUM, "bpf_prog_type") : 0;

	for (size_t i = 0; id && i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint32_t k = 0; btf_enumerator(btf, id, k, &e); k++)
			if (!strcmp(e.name, rows[i].number))
				ck_assert_msg(prog_type_find(rows[i].type)->kernel_type == (uint32_t)e.value, "%s",
					      rows[i].type);
	btf_unref(btf);
}
END_TEST

int main(void)
{
	TCase *t = test_case("types", 60);

	tcase_add_loop_test(t, section_name, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_loop_test(t, slip_of_the_pen, 0, sizeof(slips) / sizeof(slips[0]));
	tcase_add_test(t, host_type_name);
	tcase_add_test(t, type_by_name);
	tcase_add_test(t, verdict_names);
	tcase_add_test(t, rows_are_sound);
	tcase_add_loop_test(t, fields_lie_where_the_kernel_has_them, 0, sizeof(layouts) / sizeof(layouts[0]));
	tcase_add_test(t, numbers_are_the_kernels);
	return run_tests();
}
