/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* real_test.c - programs as people write them: libbpf's headers, vmlinux.h made from the running
 * kernel, its own BTF as CO-RE's target. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/object.h"
#include "tests/util/run.h"

static bool open_trace(uint32_t mode)
{
	static const char make[] = "[ -s build/objects/vmlinux.h ] || { mkdir -p build/objects && "
		"PATH=$PATH:/usr/sbin bpftool btf dump file /sys/kernel/btf/vmlinux format c "
		">build/objects/vmlinux.tmp 2>/dev/null && mv build/objects/vmlinux.tmp build/objects/vmlinux.h; }";
	const char *path;

	if (system(make)) {
		printf("skip: no vmlinux.h (bpftool, /sys/kernel/btf/vmlinux)\n");
		return false;
	}
	path = compile(NULL, "trace.bpf.c", "-O2 -g -D__TARGET_ARCH_x86 -Ibuild/objects");
	if (!path)
		return false;
	open_with(path, NULL);
	load_in(mode);
	return true;
}

static const uint32_t modes[] = { UEBPF_MODE_CHECKED, UEBPF_MODE_VERIFIED };

START_TEST(tracing_object)
{
	uint64_t record[8] = { 0 }, regs[21] = { 0 }, args[12] = { 0 };
	char name[] = "file.txt";
	uint64_t *dropped;

	if (!open_trace(modes[_i]))
		return;
	ck_assert_uint_eq(run_on("sizes", regs, sizeof(regs)), 4 + 1 + 8);
	ck_assert_uint_eq(run_on("by_version", regs, sizeof(regs)), 1);
	record[3] = (uintptr_t)name;
	ck_assert_uint_eq(run_on("enter_openat", record, sizeof(record)), 0);
	ck_assert_uint_eq(run_on("exit_openat", record, sizeof(record)), 0);
	ck_assert_uint_eq(run_on("connect", regs, sizeof(regs)), 0);
	run_on("connected", regs, sizeof(regs));
	run_on("switched", args, sizeof(args));
	dropped = uebpf_object_global(obj, "dropped", NULL);
	ck_assert(dropped && *dropped == 0);
	ck_assert_int_eq(uebpf_prog_error(uebpf_object_prog(obj, "traced"), &err), -EOPNOTSUPP);
	ck_assert_uint_eq(err.code, UEBPF_E_PROG_TYPE);
}
END_TEST

int main(void)
{
	TCase *t = test_case("real objects", 120);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, tracing_object, 0, 2);
	return run_tests();
}
