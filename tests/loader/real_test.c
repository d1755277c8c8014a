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
#include "tests/util/run.h"

static struct uebpf_env *env;
static struct uebpf_object *obj;
static struct uebpf_error err;

static void setup(void)
{
	env = uebpf_env_new(NULL);
}

static void teardown(void)
{
	uebpf_object_free(obj);
	obj = NULL;
	uebpf_env_free(env);
}

static bool open_trace(uint32_t mode)
{
	static const char make[] = "[ -s build/objects/vmlinux.h ] || { mkdir -p build/objects && "
		"PATH=$PATH:/usr/sbin bpftool btf dump file /sys/kernel/btf/vmlinux format c "
		">build/objects/vmlinux.tmp 2>/dev/null && mv build/objects/vmlinux.tmp build/objects/vmlinux.h; }";
	struct uebpf_load_opts load = { .size = sizeof(load), .mode = mode, .engine = UEBPF_ENGINE_INTERP };
	const char *path;

	if (system(make)) {
		printf("skip: no vmlinux.h (bpftool, /sys/kernel/btf/vmlinux)\n");
		return false;
	}
	path = compile(NULL, "trace.bpf.c", "-O2 -g -D__TARGET_ARCH_x86 -Ibuild/objects");
	if (!path)
		return false;
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	ck_assert_msg(!uebpf_object_load(obj, &load, &err), "%s", err.text);
	return true;
}

static uint64_t run(const char *name, void *ctx, size_t len)
{
	const struct uebpf_prog *prog = uebpf_object_prog(obj, name);
	struct uebpf_run info = { .size = sizeof(info) };
	uint64_t r0 = 0;
	int ret;

	ck_assert_msg(prog && !uebpf_prog_error(prog, &err), "%s", err.text);
	ret = uebpf_prog_run(prog, ctx, len, &info, &r0);
	if (ret)
		uebpf_prog_explain(prog, ret, &info, &err);
	ck_assert_msg(!ret, "%s: %s", name, err.text);
	return r0;
}

static const uint32_t modes[] = { UEBPF_MODE_CHECKED, UEBPF_MODE_VERIFIED };

START_TEST(tracing_object)
{
	uint64_t record[8] = { 0 }, regs[21] = { 0 }, args[12] = { 0 };
	char name[] = "file.txt";
	uint64_t *dropped;

	if (!open_trace(modes[_i]))
		return;
	ck_assert_uint_eq(run("sizes", regs, sizeof(regs)), 4 + 1 + 8);
	ck_assert_uint_eq(run("by_version", regs, sizeof(regs)), 1);
	record[3] = (uintptr_t)name;
	ck_assert_uint_eq(run("enter_openat", record, sizeof(record)), 0);
	ck_assert_uint_eq(run("exit_openat", record, sizeof(record)), 0);
	ck_assert_uint_eq(run("connect", regs, sizeof(regs)), 0);
	run("connected", regs, sizeof(regs));
	run("switched", args, sizeof(args));
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
