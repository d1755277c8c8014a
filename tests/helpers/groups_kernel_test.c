/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* groups_kernel_test.c - for each program type that the kernel loads here: does it offer each helper
 * exactly where our rows say so, and is it GPL-only where they say so?  Linux 6.18 is the reference; on
 * another release the differences are counted and shown, not judged. */
#include <sys/utsname.h>
#include "loader/loader.h"
#include "tests/helpers/oracle.h"
#include "tests/util/run.h"

static char log_text[65536];

/* -1: the type cannot be loaded here; else bits: 1 offered, 2 GPL only. */
static int ask(uint32_t type, uint32_t attach, uint32_t flags, uint32_t id, const char *license)
{
	struct bpf_insn insn[] = { { .code = 0x85, .imm = (int32_t)id }, { .code = 0xb7 }, { .code = 0x95 } };
	union bpf_attr attr = { .prog_type = type, .insn_cnt = 3, .insns = (uintptr_t)insn,
				.license = (uintptr_t)license, .log_buf = (uintptr_t)log_text,
				.log_size = sizeof log_text, .log_level = 1, .expected_attach_type = attach,
				.prog_flags = flags };
	int fd;

	log_text[0] = 0;
	fd = (int)sys_bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		close(fd);
	else if (!log_text[0])
		return -1;
	if (strstr(log_text, "cannot use helper") || strstr(log_text, "invalid func") || strstr(log_text, "unknown func"))
		return 0;
	return 1 | (strstr(log_text, "GPL-restricted") ? 2 : 0);
}

static const struct { const char *type; uint32_t attach[2]; uint32_t flags; } kinds[] = {
	{ "socket", { 0, 0 }, 0 }, { "kprobe", { 0, 0 }, 0 }, { "tc", { 0, 0 }, 0 }, { "action", { 0, 0 }, 0 },
	{ "tracepoint", { 0, 0 }, 0 }, { "xdp", { 0, 0 }, 0 }, { "perf_event", { 0, 0 }, 0 },
	{ "cgroup_skb", { 0, 0 }, 0 }, { "cgroup_sock", { BPF_CGROUP_INET_SOCK_CREATE, 0 }, 0 },
	{ "lwt_in", { 0, 0 }, 0 }, { "lwt_out", { 0, 0 }, 0 }, { "lwt_xmit", { 0, 0 }, 0 },
	{ "lwt_seg6local", { 0, 0 }, 0 }, { "sock_ops", { 0, 0 }, 0 }, { "sk_skb", { 0, 0 }, 0 },
	{ "sk_msg", { 0, 0 }, 0 }, { "cgroup_dev", { 0, 0 }, 0 }, { "raw_tp", { 0, 0 }, 0 },
	{ "cgroup_sock_addr", { BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET4_BIND }, 0 },
	{ "sk_reuseport", { 0, 0 }, 0 }, { "flow_dissector", { 0, 0 }, 0 }, { "cgroup_sysctl", { 0, 0 }, 0 },
	{ "cgroup_sockopt", { BPF_CGROUP_SETSOCKOPT, BPF_CGROUP_GETSOCKOPT }, 0 }, { "lirc_mode2", { 0, 0 }, 0 },
	{ "sk_lookup", { BPF_SK_LOOKUP, 0 }, 0 }, { "syscall", { 0, 0 }, BPF_F_SLEEPABLE },
};

static const struct prog_type *type_named(const char *name)
{
	for (uint32_t i = 0; i < nr_prog_types; i++)
		if (!strcmp(prog_types[i].name, name))
			return &prog_types[i];
	ck_abort_msg("no program type %s", name);
}

/* Absent from kernels built without error injection or locked down. */
static bool by_configuration(const char *helper)
{
	return !strcmp(helper, "override_return") || !strcmp(helper, "probe_write_user");
}

START_TEST(each_type_offers_the_helpers_that_the_rows_say)
{
	unsigned compared = 0, differences = 0, skipped = 0;
	struct utsname release;

	uname(&release);
	if (ask(BPF_PROG_TYPE_SOCKET_FILTER, 0, 0, 1, "GPL") < 0) {
		printf("skipped: the kernel refuses BPF_PROG_LOAD here: %s\n", strerror(errno));
		return;
	}
	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		const struct prog_type *type = type_named(kinds[k].type);

		for (uint32_t i = 0; i < helpers_nr && helper_id(&helpers_builtin[i]) < HELPER_INTERNAL; i++) {
			const struct helper *row = &helpers_builtin[i];
			int got = ask(type->kernel_type, kinds[k].attach[0], kinds[k].flags, helper_id(row), "GPL");
			int second = kinds[k].attach[1] ? ask(type->kernel_type, kinds[k].attach[1],
							      kinds[k].flags, helper_id(row), "GPL") : 0;
			int plain = ask(type->kernel_type, kinds[k].attach[0], kinds[k].flags, helper_id(row), "Proprietary");
			bool ours = helper_groups(row) & type->groups;
			/* perf_event has an own get_stackid that the kernel does not mark. */
			bool gpl_differs = got > 0 && plain > 0 && (plain & 2 ? !(row->flags & HF_GPL)
				: row->flags & HF_GPL && !(type->groups & HG_PERF));

			if (got < 0) {
				skipped++;
				continue;
			}
			compared++;
			if ((got || second > 0) == ours && !gpl_differs)
				continue;
			if (!got && by_configuration(helper_name(row)))
				continue;
			differences++;
			printf("%s %s (%u): kernel %s, row %s%s\n", type->name, helper_name(row), helper_id(row),
			       got ? "offers it" : "does not", ours ? "offers it" : "does not",
			       gpl_differs ? "; GPL only differs" : "");
		}
	}
	printf("%u type and helper pairs, %u differences, %u not loadable here\n", compared, differences, skipped);
	if (!strncmp(release.release, "6.18.", 5))
		ck_assert_uint_eq(differences, 0);
	else
		printf("not judged: this is Linux %s, the rows are of 6.18\n", release.release);
	ck_assert_uint_gt(compared, 2000);
}
END_TEST

/* The rows and the kernel number the same helpers. */
START_TEST(names_and_numbers_are_the_kernels)
{
	const char *const names[] = {
#define NAME(name, ...) #name
		__BPF_FUNC_MAPPER(NAME)
	};

	for (uint32_t id = 1; id < sizeof names / sizeof names[0]; id++) {
		ck_assert_uint_eq(helper_id(&helpers_builtin[id - 1]), id);
		ck_assert_str_eq(helper_name(&helpers_builtin[id - 1]), names[id]);
	}
	for (uint32_t i = 1; i < helpers_nr; i++)
		ck_assert_uint_lt(helper_id(&helpers_builtin[i - 1]), helper_id(&helpers_builtin[i]));
}
END_TEST

/* A row says the truth about its function. */
START_TEST(support_text_and_function_agree)
{
	for (uint32_t i = 0; i < helpers_nr; i++) {
		const struct helper *row = &helpers_builtin[i];
		bool host = !strncmp(helper_support(row), "host:", 5);

		ck_assert_msg(host == !helper_fn(row), "%s: %s", helper_name(row), helper_support(row));
		ck_assert_msg(host || !strcmp(helper_support(row), "full") || !strncmp(helper_support(row), "adapted: ", 9) ||
			      !strncmp(helper_support(row), "refused: ", 9), "%s: %s", helper_name(row), helper_support(row));
	}
}
END_TEST

int main(void)
{
	TCase *t = test_case("helper rows and the kernel", 60);

	tcase_add_test(t, each_type_offers_the_helpers_that_the_rows_say);
	tcase_add_test(t, names_and_numbers_are_the_kernels);
	tcase_add_test(t, support_text_and_function_agree);
	return run_tests();
}
