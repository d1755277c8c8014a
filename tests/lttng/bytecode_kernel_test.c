/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bytecode_kernel_test.c - what LTTng bytecode is translated to, without doubles, patterns, pointers and the
 * host's contexts, is taken by the kernel's verifier too and decides the same there: as a program of type
 * syscall, whose context is any bytes. */
#include <check.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "loader/object.h"
#include "tests/lttng/event.c"
#include "tests/lttng/type.h"
#include "tests/util/run.h"

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static char log_text[65536];
static int load(const void *insns, uint32_t n)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SYSCALL, .insns = (uintptr_t)insns, .insn_cnt = n,
				.license = (uintptr_t)"GPL", .prog_flags = BPF_F_SLEEPABLE, .log_buf = (uintptr_t)log_text,
				.log_size = sizeof(log_text), .log_level = 1 };

	log_text[0] = 0;
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

static int run(int fd, const struct lt_event *event)
{
	struct lt_event copy = *event;
	union bpf_attr attr = { .test = { .prog_fd = (uint32_t)fd, .ctx_in = (uintptr_t)&copy, .ctx_size_in = sizeof(copy) } };

	ck_assert_msg(!sys_bpf(BPF_PROG_TEST_RUN, &attr), "test_run: %s", strerror(errno));
	return (int)attr.test.retval;
}

/* A call, or a field that is a pointer: nothing for this kind of program. */
static bool for_here_alone(const struct bpf_insn *insn, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		bool load = (insn[i].code & 7) == BPF_LDX;

		if (insn[i].code == (BPF_JMP | BPF_CALL))
			return true;
		if (load && (insn[i].off == offsetof(struct lt_event, str) || insn[i].off == offsetof(struct lt_event, seq_text) ||
			     insn[i].off == offsetof(struct lt_event, seq)))
			return true;
	}
	return false;
}

START_TEST(the_kernel_takes_them_and_agrees)
{
	static const struct bpf_insn two[] = { { BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0 }, { BPF_JMP | BPF_EXIT, 0, 0, 0, 0 } };
	static char line[1 << 17];
	struct uebpf_load_opts how = { .size = sizeof(how) };
	struct uebpf_env *env = lt_env();
	FILE *f = fopen("tests/lttng/corpus", "r");
	int taken = 0, fd = load(two, 2);

	ck_assert_ptr_nonnull(f);
	if (fd < 0) {
		printf("skip: lttng bytecode in the kernel: BPF_PROG_LOAD of type syscall is refused here (%s)\n", strerror(errno));
		fclose(f);
		uebpf_env_free(env);
		return;
	}
	close(fd);
	while (fgets(line, sizeof(line), f)) {
		char *kind = strtok(line, "\t"), *reloc = strtok(NULL, "\t"), *hex = strtok(NULL, "\t"), *expr;
		uint32_t len = (uint32_t)strlen(hex) / 2;
		struct uebpf_object *obj;
		struct uebpf_error err;
		uint8_t *bytes;
		size_t size;
		void *wire;

		strtok(NULL, "\t");
		expr = strtok(NULL, "\n");
		if (strcmp(kind, "filter"))
			continue;
		bytes = malloc(len + 1);
		for (uint32_t i = 0; i < len; i++) {
			char two_digits[3] = { hex[2 * i], hex[2 * i + 1], 0 };

			bytes[i] = (uint8_t)strtoul(two_digits, NULL, 16);
		}
		wire = lt_wire(bytes, len, (uint32_t)atoi(reloc), &size);
		obj = uebpf_object_open_lttng(env, wire, size, "lt", NULL, &err);
		free(wire);
		free(bytes);
		/* 8 bytes are never these 13: the kernel refuses what stands behind, as nothing reaches it */
		if (!strcmp(expr, "text == \"a long string\"")) {
			uebpf_object_free(obj);
			continue;
		}
		if (obj && !for_here_alone(obj->slots, obj->nr_slots)) {
			fd = load(obj->slots, obj->nr_slots);
			ck_assert_msg(fd >= 0, "%s: %s: %s", expr, strerror(errno), log_text);
			ck_assert_msg(!uebpf_object_load(obj, &how, &err), "%s: %s", expr, err.text);
			for (unsigned i = 0; i < LT_RECORDS; i++) {
				struct lt_event e = *lt_record(i);
				uint64_t r0 = 7;

				ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &e, sizeof(e), NULL, &r0), 0);
				ck_assert_msg(run(fd, &e) == (int)r0, "%s, record %u: %d here, the kernel says otherwise", expr, i, (int)r0);
			}
			close(fd);
			taken++;
		}
		uebpf_object_free(obj);
	}
	ck_assert_int_gt(taken, 100);
	printf("%d translated filters verified and run by the kernel\n", taken);
	fclose(f);
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *t = test_case("lttng bytecode in the kernel", 120);

	tcase_add_test(t, the_kernel_takes_them_and_agrees);
	return run_tests();
}
