/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* contract_kernel_test.c - the argument contract of each row beside the kernel's verifier: a call that
 * keeps it loads, a call that breaks one argument does not.  Left out are arguments that need kernel
 * objects first (sockets, BTF pointers, dynptrs, locks, timers, what was acquired). */
#include <sys/utsname.h>
#include "loader/loader.h"
#include "tests/helpers/oracle.h"
#include "tests/util/run.h"

static char log_text[65536];
static int text_fd, maps[33];	/* by map type, -1: none */

/* ---- how an argument is passed ---- */

enum pass { GOOD, NOTHING, NULL_POINTER, SCALAR_ONE, STACK_POINTER, READ_ONLY, ZERO_SIZE, HUGE_SIZE };
struct attempt {
	const struct helper *row;
	const struct prog_type *type;
	uint32_t attach, flags;
	int which;		/* argument that is passed otherwise, -1: none */
	enum pass pass;
	int map_type;		/* 0: the first that the row accepts */
	bool read_r0, touch_packet;
};

static const struct map_shape { uint32_t type, key, value, entries, flags; } shapes[] = {
	{ BPF_MAP_TYPE_HASH, 4, 8, 4, 0 }, { BPF_MAP_TYPE_ARRAY, 4, 8, 4, 0 },
	{ BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0 }, { BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4, 0 },
	{ BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 4, 0 }, { BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 4, 0 },
	{ BPF_MAP_TYPE_STACK_TRACE, 4, 80, 4, 0 }, { BPF_MAP_TYPE_CGROUP_ARRAY, 4, 4, 4, 0 },
	{ BPF_MAP_TYPE_LRU_HASH, 4, 8, 4, 0 }, { BPF_MAP_TYPE_LRU_PERCPU_HASH, 4, 8, 4, 0 },
	{ BPF_MAP_TYPE_LPM_TRIE, 8, 8, 4, BPF_F_NO_PREALLOC }, { BPF_MAP_TYPE_DEVMAP, 4, 4, 4, 0 },
	{ BPF_MAP_TYPE_SOCKMAP, 4, 8, 4, 0 }, { BPF_MAP_TYPE_CPUMAP, 4, 4, 2, 0 },
	{ BPF_MAP_TYPE_XSKMAP, 4, 4, 4, 0 }, { BPF_MAP_TYPE_SOCKHASH, 4, 8, 4, 0 },
	{ BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 4, 0 }, { BPF_MAP_TYPE_QUEUE, 0, 8, 4, 0 },
	{ BPF_MAP_TYPE_STACK, 0, 8, 4, 0 }, { BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 4, 0 },
	{ BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0 }, { BPF_MAP_TYPE_BLOOM_FILTER, 0, 8, 4, 0 },
	{ BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096, 0 }, { BPF_MAP_TYPE_CGROUP_STORAGE, 16, 8, 0, 0 },
};

static void create_maps(void)
{
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		union bpf_attr attr = { .map_type = shapes[i].type, .key_size = shapes[i].key,
					.value_size = shapes[i].value, .max_entries = shapes[i].entries,
					.map_flags = shapes[i].flags };

		maps[shapes[i].type] = (int)sys_bpf(BPF_MAP_CREATE, &attr);
	}
}

static void close_maps(void)
{
	for (int type = 0; type < 33; type++)
		if (maps[type] >= 0)
			close(maps[type]);
	memset(maps, 0xff, sizeof maps);
}

static int map_for(const struct attempt *a)
{
	if (a->map_type)
		return maps[a->map_type];
	for (int type = 1; type < 33; type++)
		if (maps[type] >= 0 && helper_takes(a->row, type))
			return maps[type];
	return -1;
}

static bool is_pointer(uint8_t kind)
{
	return kind == ARG_CTX || kind == ARG_MAP || kind == ARG_KEY || kind == ARG_VALUE || kind == ARG_VALUE_OUT ||
	       kind == ARG_MEM || kind == ARG_MEM_OUT || kind == ARG_MEM_INOUT || kind == ARG_FIXED ||
	       kind == ARG_FIXED_OUT || kind == ARG_CSTR;
}

static bool is_memory(uint8_t kind)
{
	return kind == ARG_MEM || kind == ARG_MEM_OUT || kind == ARG_MEM_INOUT;
}

static bool is_written(uint8_t kind)
{
	return kind == ARG_MEM_OUT || kind == ARG_MEM_INOUT || kind == ARG_FIXED_OUT || kind == ARG_VALUE_OUT;
}

static bool is_read_only(uint8_t kind)
{
	return kind == ARG_MEM || kind == ARG_FIXED || kind == ARG_KEY || kind == ARG_VALUE;
}

/* ---- the program ---- */

#define INSN(...) (*i++ = (struct bpf_insn){ __VA_ARGS__ })
static struct bpf_insn *pass_argument(struct bpf_insn *i, const struct attempt *a, int n)
{
	struct arg arg = helper_arg(a->row, (unsigned)n);
	uint8_t reg = (uint8_t)((n + 1) & 15);
	enum pass pass = a->which == n ? a->pass : GOOD;
	bool sized_null = a->which >= 0 && a->pass == NULL_POINTER && is_memory(helper_arg(a->row, (unsigned)a->which).kind) &&
			  (int)helper_length(a->row, (unsigned)a->which) == n && arg.kind == ARG_SIZE0;

	if (pass == NOTHING)
		return i;
	if (pass == NULL_POINTER || pass == ZERO_SIZE || sized_null) {
		INSN(.code = 0xb7, .dst_reg = reg);
	} else if (pass == SCALAR_ONE) {
		INSN(.code = 0xb7, .dst_reg = reg, .imm = 1);
	} else if (pass == HUGE_SIZE) {
		INSN(.code = 0xb7, .dst_reg = reg, .imm = 1 << 28);
	} else if (pass == READ_ONLY || arg.kind == ARG_CSTR) {
		i = put_wide(i, reg, BPF_PSEUDO_MAP_VALUE, (uint32_t)text_fd, 0);
	} else if (arg.kind == ARG_CTX) {
		INSN(.code = 0xbf, .dst_reg = reg, .src_reg = 6);
	} else if (arg.kind == ARG_MAP) {
		i = put_wide(i, reg, BPF_PSEUDO_MAP_FD, (uint32_t)map_for(a), 0);
	} else if (is_pointer(arg.kind) || pass == STACK_POINTER) {
		INSN(.code = 0xbf, .dst_reg = reg, .src_reg = 10);
		INSN(.code = 0x07, .dst_reg = reg, .imm = -256 + n * 40);
	} else if (arg.kind == ARG_SIZE || arg.kind == ARG_SIZE0 || arg.kind == ARG_ALLOC_SIZE) {
		INSN(.code = 0xb7, .dst_reg = reg, .imm = 8);
	} else {
		INSN(.code = 0xb7, .dst_reg = reg);
	}
	return i;
}

/* Whether the kernel's verifier takes it.  An unreleased result is not the arguments' fault. */
static bool kernel_takes(const struct attempt *a)
{
	struct bpf_insn insn[160], *i = insn;
	bool xdp = a->type->groups & HG_XDP;
	union bpf_attr attr;
	int fd, n;

	INSN(.code = 0xbf, .dst_reg = 6, .src_reg = 1);
	for (n = 8; n <= 256; n += 8)
		INSN(.code = 0x7a, .dst_reg = 10, .off = (int16_t)-n);
	if (a->touch_packet) {
		INSN(.code = 0x61, .dst_reg = 7, .src_reg = 6, .off = xdp ? 0 : 76);
		INSN(.code = 0x61, .dst_reg = 8, .src_reg = 6, .off = xdp ? 4 : 80);
		INSN(.code = 0xbf, .dst_reg = 2, .src_reg = 7);
		INSN(.code = 0x07, .dst_reg = 2, .imm = 1);
		INSN(.code = 0xbd, .dst_reg = 2, .src_reg = 8, .off = 2);
		INSN(.code = 0xb7);
		INSN(.code = 0x95);
	}
	for (n = 0; n < 5 && helper_arg(a->row, (unsigned)n).kind != ARG_NONE; n++)
		i = pass_argument(i, a, n);
	INSN(.code = 0x85, .imm = (int32_t)helper_id(a->row));
	if (a->read_r0)
		INSN(.code = 0xbf, .dst_reg = 9, .src_reg = 0);
	if (a->touch_packet)
		INSN(.code = 0x71, .dst_reg = 9, .src_reg = 7);
	INSN(.code = 0xb7);
	if (a->type->ret_lo == 1)
		i[-1].imm = 1;
	INSN(.code = 0x95);
	memset(&attr, 0, sizeof attr);
	attr.prog_type = a->type->kernel_type;
	attr.expected_attach_type = a->attach;
	attr.prog_flags = a->flags;
	attr.insn_cnt = (uint32_t)(i - insn);
	attr.insns = (uintptr_t)insn;
	attr.license = (uintptr_t)"GPL";
	attr.log_buf = (uintptr_t)log_text;
	attr.log_size = sizeof log_text;
	attr.log_level = 1;
	log_text[0] = 0;
	fd = (int)sys_bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || strstr(log_text, "Unreleased reference") || strstr(log_text, "reference leak");
}

/* ---- which helpers, in which type ---- */

static const struct { const char *type; uint32_t attach, flags; } types[] = {
	{ "tc", 0, 0 }, { "xdp", 0, 0 }, { "kprobe", 0, 0 }, { "perf_event", 0, 0 }, { "cgroup_skb", 0, 0 },
	{ "lwt_xmit", 0, 0 }, { "lwt_seg6local", 0, 0 }, { "sock_ops", 0, 0 }, { "sk_skb", 0, 0 },
	{ "sk_msg", 0, 0 }, { "cgroup_sock_addr", BPF_CGROUP_INET4_CONNECT, 0 }, { "sk_reuseport", 0, 0 },
	{ "cgroup_sysctl", 0, 0 }, { "cgroup_sockopt", BPF_CGROUP_SETSOCKOPT, 0 },
	{ "syscall", 0, BPF_F_SLEEPABLE },
};

static bool testable(const struct helper *row)
{
	/* Absent from kernels built without error injection or locked down. */
	if (!strcmp(helper_name(row), "override_return") || !strcmp(helper_name(row), "probe_write_user"))
		return false;
	for (int n = 0; n < 5; n++)
		switch (helper_arg(row, (unsigned)n).kind) {
		case ARG_ACQUIRED: case ARG_SOCK: case ARG_BTF: case ARG_KPTR: case ARG_DYNPTR: case ARG_DYNPTR_OUT:
		case ARG_TIMER: case ARG_SPIN_LOCK: case ARG_FUNC:
			return false;
		}
	return true;
}

static bool choose(const struct helper *row, struct attempt *a)
{
	bool sleeps = !strcmp(helper_name(row), "copy_from_user");	/* the kernel: sleepable programs only */

	for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
		for (uint32_t i = 0; i < nr_prog_types; i++) {
			if (strcmp(prog_types[i].name, types[t].type) || !(prog_types[i].groups & helper_groups(row)) ||
			    (sleeps && !(types[t].flags & BPF_F_SLEEPABLE)))
				continue;
			*a = (struct attempt){ .row = row, .type = &prog_types[i], .attach = types[t].attach,
					       .flags = types[t].flags, .which = -1 };
			return true;
		}
	return false;
}

static unsigned checks, differences;

static void expect(struct attempt a, bool take, const char *what)
{
	bool took = kernel_takes(&a);
	const char *line = log_text, *next;

	checks++;
	if (took == take)
		return;
	differences++;
	printf("%s (%u, in %s): %s", helper_name(a.row), helper_id(a.row), a.type->name, what);
	if (a.which >= 0)
		printf(" as argument %d", a.which + 1);
	if (a.map_type)
		printf(" with map type %d", a.map_type);
	printf(": the kernel %s, the row does not (%s)\n", took ? "takes it" : "refuses it", strerror(errno));
	for (; !took && *line; line = next) {
		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		if (!strstr(line, "processed"))
			printf("    %.*s", (int)(next - line), line);
	}
}

static void break_argument(struct attempt a, int n)
{
	struct arg arg = helper_arg(a.row, (unsigned)n);
	unsigned size = helper_length(a.row, (unsigned)n);
	bool null_ok = arg.flags & ARG_OR_NULL;

	a.which = n;
	if (n) {
		a.pass = NOTHING;
		expect(a, false, "an unset register");
	}
	if (is_pointer(arg.kind)) {
		a.pass = SCALAR_ONE;
		expect(a, false, "a number");
		a.pass = NULL_POINTER;
		if (!is_memory(arg.kind) || !null_ok || helper_arg(a.row, size).kind == ARG_SIZE0)
			expect(a, null_ok, "NULL");
	}
	if (is_written(arg.kind) || is_read_only(arg.kind)) {
		a.pass = READ_ONLY;
		expect(a, is_read_only(arg.kind), "read-only memory");
	}
	if (arg.kind == ARG_SIZE || arg.kind == ARG_SIZE0) {
		a.pass = ZERO_SIZE;
		expect(a, arg.kind == ARG_SIZE0, "length 0");
		a.pass = HUGE_SIZE;
		expect(a, false, "a length beyond the memory");
	}
	if (arg.kind == ARG_ANY && !(a.row->flags & HF_TAIL)) {
		a.pass = STACK_POINTER;
		expect(a, true, "a pointer");
	}
}

static bool on_6_18(void)
{
	struct utsname release;

	uname(&release);
	return !strncmp(release.release, "6.18.", 5);
}

static bool open_kernel(struct kernel *k)
{
	if (!kernel_open(k, "ok", 3))
		return false;
	text_fd = k->text_fd;
	memset(maps, 0xff, sizeof maps);
	create_maps();
	checks = differences = 0;
	return true;
}

static void judge(unsigned least)
{
	printf("%u loads, %u differences\n", checks, differences);
	if (on_6_18())
		ck_assert_uint_eq(differences, 0);
	else
		printf("not judged: the rows are of Linux 6.18\n");
	ck_assert_uint_ge(checks, least);
	close_maps();
}

START_TEST(a_call_that_breaks_an_argument_is_refused)
{
	static struct kernel k;
	unsigned helpers = 0;

	if (!open_kernel(&k))
		return;
	for (uint32_t i = 0; i < helpers_nr && helper_id(&helpers_builtin[i]) < HELPER_INTERNAL; i++) {
		const struct helper *row = &helpers_builtin[i];
		struct attempt a;

		if (!testable(row) || !choose(row, &a) || (row->maps && map_for(&a) < 0))
			continue;
		helpers++;
		expect(a, true, "a call by its contract");
		a.read_r0 = true;
		expect(a, helper_returns(row) != RET_VOID && helper_returns(row) != RET_NEVER, "reading r0");
		a.read_r0 = false;
		for (int n = 0; n < 5 && helper_arg(row, (unsigned)n).kind != ARG_NONE; n++)
			break_argument(a, n);
	}
	kernel_close(&k);
	printf("%u helpers; ", helpers);
	judge(500);
}
END_TEST

START_TEST(map_types_that_a_helper_takes)
{
	static struct kernel k;

	if (!open_kernel(&k))
		return;
	for (uint32_t i = 0; i < helpers_nr && helper_id(&helpers_builtin[i]) < HELPER_INTERNAL; i++) {
		const struct helper *row = &helpers_builtin[i];
		struct attempt a;
		bool has_map = false;

		for (int n = 0; n < 5; n++)
			has_map |= helper_arg(row, (unsigned)n).kind == ARG_MAP;
		if (!has_map || !testable(row) || !choose(row, &a))
			continue;
		/* The kernel binds some maps to the first program type that uses them. */
		close_maps();
		create_maps();
		for (a.map_type = 1; a.map_type < 33; a.map_type++)
			if (maps[a.map_type] >= 0)	/* an attempt has no socket for a sockmap's value */
				expect(a, helper_takes(row, a.map_type) && !(helper_arg(row, 2).kind == ARG_VALUE &&
				       (a.map_type == BPF_MAP_TYPE_SOCKMAP || a.map_type == BPF_MAP_TYPE_SOCKHASH)), "a call");
	}
	kernel_close(&k);
	judge(300);
}
END_TEST

START_TEST(helpers_that_move_the_packet)
{
	static struct kernel k;

	if (!open_kernel(&k))
		return;
	for (uint32_t i = 0; i < helpers_nr && helper_id(&helpers_builtin[i]) < HELPER_INTERNAL; i++) {
		const struct helper *row = &helpers_builtin[i];
		struct attempt a;

		if (!testable(row) || !choose(row, &a) || !(a.type->groups & (HG_TC | HG_XDP)) ||
		    (row->maps && map_for(&a) < 0))
			continue;
		a.touch_packet = true;
		expect(a, !(row->flags & HF_MOVES_PACKET), "reading the packet after the call");
	}
	kernel_close(&k);
	judge(80);
}
END_TEST

int main(void)
{
	TCase *t = test_case("helper contracts and the kernel", 60);

	tcase_add_test(t, a_call_that_breaks_an_argument_is_refused);
	tcase_add_test(t, map_types_that_a_helper_takes);
	tcase_add_test(t, helpers_that_move_the_packet);
	return run_tests();
}
