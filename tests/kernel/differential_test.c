/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* differential_test.c - random programs (tests/gen) in the kernel and in every arm of ours; the memory
 * that each leaves (all registers, stack slots, scratch) must be the same.
 *   differential_test [seed [programs]]     SOAK=1: fifty times as many; FUZZ=SECONDS: as long as that
 *
 * What the kernel supports is probed row by row; what its verifier refuses besides is counted by
 * reason.  A difference is decided by RFC 9669 and vm/isa.def.  Where the kernel is wrong, the shape is
 * known (faults below): the same program with the one sequence that goes wrong made harmless
 * must agree, else the test fails with a reduced program.  SHOW=1 shows the known ones too. */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tests/gen/gen.h"
#include "tests/util/arms.h"
#include "vm/rewrite/rewrite.h"
#include "tests/util/run.h"
#include "tests/util/text.h"

static uint64_t seed;
static unsigned programs = 10000;
static int map_fd = -1;
static uint8_t *map_memory;
static char log_text[1 << 16];
static bool supported[OP_COUNT];

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof *attr);
}

static void refused(const char *what)
{
	printf("skip: kernel differential: %s: %s\n", what, strerror(errno));
}

/* The array map that all programs work on, mapped here so that results cost no system call. */
static bool make_map(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = GEN_BYTES;
	attr.max_entries = 1;
	attr.map_flags = BPF_F_MMAPABLE;
	map_fd = sys_bpf(BPF_MAP_CREATE, &attr);
	if (map_fd < 0)
		return refused("bpf() map creation"), false;
	map_memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (map_memory == MAP_FAILED)
		return refused("mmap of a map"), false;
	return true;
}

/* Loads wire slots with map 0 put in; the descriptor or -errno. */
static int kernel_load(const uint8_t *slots, uint32_t n, uint32_t flags, bool log)
{
	static uint8_t patched[GEN_MAX * 8];
	union bpf_attr attr;
	int fd;

	memcpy(patched, slots, 8 * (size_t)n);
	for (uint32_t i = 0; i < n; i++) {
		struct raw_insn raw = raw_load(patched + 8 * i);

		if (raw.code != 0x18)
			continue;
		if (raw.src == 5) {
			raw.src = BPF_PSEUDO_MAP_FD;
			raw.imm = map_fd;
			raw_store(patched + 8 * i, raw);
		} else if (raw.src == 6) {
			raw.src = BPF_PSEUDO_MAP_VALUE;
			raw.imm = map_fd;
			raw_store(patched + 8 * i, raw);
		}
		i++;
	}
	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)patched;
	attr.insn_cnt = n;
	attr.license = (uintptr_t)"GPL";
	attr.prog_flags = flags;
	if (log) {
		attr.log_buf = (uintptr_t)log_text;
		attr.log_size = sizeof log_text;
		attr.log_level = 1;
		log_text[0] = 0;
	}
	do	/* a signal, the shell's stop and go on for one, ends the verifier's work */
		fd = sys_bpf(BPF_PROG_LOAD, &attr);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : fd;
}

static int kernel_run(int fd)
{
	static uint8_t packet[64];
	union bpf_attr attr;
	int ret;

	memset(&attr, 0, sizeof attr);
	attr.test.prog_fd = (uint32_t)fd;
	attr.test.data_in = (uintptr_t)packet;
	attr.test.data_size_in = sizeof packet;
	attr.test.repeat = 1;
	do
		ret = sys_bpf(BPF_PROG_TEST_RUN, &attr) ? -errno : 0;
	while (ret == -EAGAIN || ret == -EINTR);
	return ret;
}

/* ---- what this kernel supports ---- */

static uint32_t add(uint8_t *slots, uint32_t n, struct raw_insn raw)
{
	raw_store(slots + 8 * n, raw);
	return n + 1;
}

/* The smallest program with one row: everything initialised, operands that the verifier accepts. */
static bool probe(enum op op)
{
	const struct op_info *row = &isa_op[op];
	struct raw_insn raw = isa_wire(op);
	uint8_t slots[16 * 8];
	uint32_t n = 0;
	int fd;

	n = add(slots, n, (struct raw_insn){ .code = 0x7a, .dst = 10, .off = -8, .imm = 1 });
	n = add(slots, n, (struct raw_insn){ .code = 0xb7, .dst = 0, .imm = 1 });
	n = add(slots, n, (struct raw_insn){ .code = 0xb7, .dst = 2, .imm = 1 });
	switch (row->shape) {
	case SHAPE_ALU_K: raw.dst = 2; raw.imm = 1; break;
	case SHAPE_ALU_X: case SHAPE_JCC_X: raw.dst = 2; raw.src = 0; break;
	case SHAPE_UN: case SHAPE_JCC_K: raw.dst = 2; break;
	case SHAPE_LOAD: raw.dst = 2; raw.src = 10; raw.off = -8; break;
	case SHAPE_STORE_X: case SHAPE_ATOMIC: raw.dst = 10; raw.src = 2; raw.off = -8; break;
	case SHAPE_STORE_K: raw.dst = 10; raw.off = -8; break;
	case SHAPE_JA: break;
	case SHAPE_LOCAL: raw.imm = 2; break;
	case SHAPE_WIDE:
		if (op == OP_LDDW || op == OP_LD_MAPVAL)
			return true;
		return false;
	default: return false;
	}
	n = add(slots, n, raw);
	n = add(slots, n, (struct raw_insn){ .code = 0xb7, .dst = 0, .imm = 1 });
	n = add(slots, n, isa_wire(OP_EXIT));
	if (row->shape == SHAPE_LOCAL) {
		n = add(slots, n, (struct raw_insn){ .code = 0xb7, .dst = 0, .imm = 1 });
		n = add(slots, n, isa_wire(OP_EXIT));
	}
	fd = kernel_load(slots, n, 0, false);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void probe_all(void)
{
	for (int op = 1; op < OP_COUNT; op++) {
		if (isa_op[op].flags & OPF_INNER)
			continue;
		supported[op] = probe((enum op)op);
		if (!supported[op] && isa_op[op].shape != SHAPE_PKT_ABS && isa_op[op].shape != SHAPE_PKT_IND &&
		    isa_op[op].shape != SHAPE_WIDE && isa_op[op].shape != SHAPE_EXIT && isa_op[op].shape != SHAPE_CALL)
			printf("skip: kernel differential: this kernel refuses row %s\n", isa_name(op, (char[ISA_NAME]){ 0 }));
	}
}

/* ---- one program on both sides ---- */

/* 0 with the memory after the run, or -errno. */
static int in_kernel(const struct gen *g, uint64_t at, uint8_t memory[GEN_BYTES], bool log)
{
	int fd = kernel_load(g->slots, g->n, 0, log), ret;

	if (fd < 0)
		return fd;
	gen_memory(at, map_memory);
	ret = kernel_run(fd);
	memcpy(memory, map_memory, GEN_BYTES);
	close(fd);
	return ret;
}

static int in_arm(const struct arm *arm, const struct gen *g, uint64_t at, uint8_t memory[GEN_BYTES])
{
	static uint64_t shared[GEN_BYTES / 8 + 1], ctx[2];
	struct uebpf_error err;
	struct code code;
	uint64_t r0;
	int ret = arm_load_memory(arm, &code, g->slots, g->n, &test_raw, shared, GEN_BYTES, &err);

	if (ret == -EOPNOTSUPP && arm->ready)
		return 1;
	if (ret) {
		show_slots(g->slots, g->n);
		ck_abort_msg("seed %llu [%s]: %s", (unsigned long long)at, arm->name, err.text);
	}
	gen_memory(at, (uint8_t *)shared);
	ret = arm->run(&code, ctx, sizeof ctx, NULL, &r0);
	memcpy(memory, shared, GEN_BYTES);
	arm_free(arm, &code);
	return ret;
}

static uint32_t first_difference(const uint8_t *a, const uint8_t *b)
{
	for (uint32_t i = 0; i < GEN_BYTES; i += 8)
		if (memcmp(a + i, b + i, 8))
			return i;
	return GEN_BYTES;
}

/* Blanks out (goto +0) every instruction that the difference does not need, and shows what is left. */
static void reduce(struct gen *g, uint64_t at, const struct arm *arm)
{
	uint8_t ours[GEN_BYTES], theirs[GEN_BYTES], v1[8], v2[8];
	bool again = true;
	uint32_t word;

	/* The very same word with the same two values: not another difference, such as an address. */
	in_kernel(g, at, theirs, false);
	in_arm(arm, g, at, ours);
	word = first_difference(ours, theirs);
	if (word == GEN_BYTES)
		return;
	memcpy(v1, ours + word, 8);
	memcpy(v2, theirs + word, 8);
	while (again) {
		again = false;
		for (uint32_t i = 0; i < g->n; i++) {
			uint8_t kept[16];
			struct raw_insn raw = raw_load(g->slots + 8 * i), nop = isa_wire(OP_JA);
			uint32_t len = raw.code == 0x18 ? 2 : 1;

			/* What turns a register from a pointer into a number again stays. */
			if ((raw.code == nop.code && !raw.off) || (raw.code == 0x18 && !raw.src) ||
			    ((raw.code & 7) == 1 && raw.dst == raw.src) || raw.code == 0x85 || raw.code == 0x95 ||
			    (raw.code == 0xbf && raw.dst < 6)) {
				i += len - 1;
				continue;
			}
			memcpy(kept, g->slots + 8 * i, 8 * len);
			raw_store(g->slots + 8 * i, nop);
			if (len == 2)
				raw_store(g->slots + 8 * i + 8, nop);
			if (!in_kernel(g, at, theirs, false) && !in_arm(arm, g, at, ours) &&
			    !memcmp(ours + word, v1, 8) && !memcmp(theirs + word, v2, 8))
				again = true;
			else
				memcpy(g->slots + 8 * i, kept, 8 * len);
			i += len - 1;
		}
	}
	fprintf(stderr, "seed %llu, reduced (blanks are goto +0):\n", (unsigned long long)at);
	for (uint32_t i = 0; i < g->n;) {
		struct raw_insn raw = raw_load(g->slots + 8 * i);
		char text[128];
		int used = raw_text(text, sizeof text, g->slots + 8 * i, g->n - i);

		if (raw.code != 5 || raw.off)
			fprintf(stderr, "%4u: %s\n", i, text);
		i += (uint32_t)used;
	}
}

/* Known kernel faults: the program of the same seed with the sequence made harmless. */
static const struct fault {
	const char *name;
	size_t option;		/* the flag of struct gen that makes it harmless */
	const char *program;	/* the smallest: leaves a number at GEN_OUT */
	uint64_t right;		/* what RFC 9669 makes that number */
} faults[] = {
	{ "r0 not zero-extended after a successful 32-bit cmpxchg on a pruned path",
	  offsetof(struct gen, extend_cmpxchg),
	  "r9 = map_value(0, 0) ll\n"
	  "r1 = *(u64 *)(r9 + 0)\n"
	  "r0 = *(u64 *)(r9 + 8)\n"	/* upper half set, lower half 5 */
	  "*(u64 *)(r10 - 8) = 5\n"
	  "r2 = 7\n"
	  "w0 = cmpxchg32_32(r10 - 8, w0, w2)\n"
	  "if r1 == 0 goto join\n"	/* taken; the verifier comes here second and prunes */
	  "w0 >>= 0\n"
	  "join:\n"
	  "*(u64 *)(r9 + 176) = r0\n"
	  "r0 = 0\n"
	  "exit\n", 5 },
	{ "a branch taken for dead after an atomic fetch on a stack slot",
	  offsetof(struct gen, forget_stack),
	  /* Precision does not travel through the fetch to the slot: the state that knew 0x19 prunes the
	   * one that does not. */
	  "r9 = map_value(0, 0) ll\n"
	  "r1 = *(u64 *)(r9 + 0)\n"	/* 0 */
	  "r4 = *(u64 *)(r9 + 16)\n"	/* 0x40 */
	  "*(u64 *)(r10 - 8) = 0x19\n"
	  "if r1 == 0 goto change\n"	/* taken; the verifier comes there second */
	  "join:\n"
	  "r7 = 0\n"
	  "r7 = atomic_fetch_or((u64 *)(r10 - 8), r7)\n"
	  "if r7 >= 0x56 goto big\n"
	  "r1 = 2\n"
	  "out:\n"
	  "*(u64 *)(r9 + 176) = r1\n"
	  "r0 = 0\n"
	  "exit\n"
	  "big:\n"			/* seen by nobody: removed */
	  "r1 = 1\n"
	  "goto out\n"
	  "change:\n"
	  "lock *(u64 *)(r10 - 8) |= r4\n"
	  "goto join\n", 1 },
};
static unsigned known[sizeof faults / sizeof faults[0]];

static bool is_known_fault(struct gen *g, uint64_t at, const struct arm *arm)
{
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		bool *option = (bool *)((char *)g + faults[i].option), same;
		uint8_t ours[GEN_BYTES], theirs[GEN_BYTES];

		*option = true;
		gen_program(g, at);
		same = !in_kernel(g, at, theirs, false) && !in_arm(arm, g, at, ours) &&
		       first_difference(ours, theirs) == GEN_BYTES;
		*option = false;
		if (same) {
			known[i]++;
			if (getenv("SHOW")) {
				gen_program(g, at);
				reduce(g, at, arm);
			}
			return true;
		}
	}
	gen_program(g, at);
	return false;
}

static void differ(struct gen *g, uint64_t at, const struct arm *arm, const uint8_t *ours, const uint8_t *theirs)
{
	uint32_t i = first_difference(ours, theirs);
	uint64_t v1, v2;

	if (is_known_fault(g, at, arm))
		return;
	reduce(g, at, arm);
	memcpy(&v1, ours + i, 8);
	memcpy(&v2, theirs + i, 8);
	ck_abort_msg("seed %llu: %s %u: %s has 0x%llx, the kernel 0x%llx", (unsigned long long)at,
		     i >= GEN_OUT + 80 ? "stack slot" : i >= GEN_OUT ? "register" : "memory word",
		     i >= GEN_OUT + 80 ? (i - GEN_OUT - 80) / 8 : i >= GEN_OUT ? (i - GEN_OUT) / 8 : i / 8, arm->name,
		     (unsigned long long)v1, (unsigned long long)v2);
}

/* ---- the tests ---- */

/* The faults by their smallest programs: ours are right; the kernel's answer is told, not judged. */
START_TEST(known_kernel_faults)
{
	static struct gen g;

	if (map_fd < 0 && !make_map())
		return;
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		uint64_t input[3] = { 0, 0x1234567800000005, 0x40 }, memory[GEN_BYTES / 8 + 1], theirs = 0, r0;
		struct uebpf_error err;
		void *slots;
		int fd;

		memset(&err, 0, sizeof err);
		ck_assert_msg(!asm_text(faults[i].program, &slots, &g.n, &err), "%s", err.text);
		memcpy(g.slots, slots, 8 * g.n);
		for (size_t k = 0; k < nr_arms; k++) {
			struct code code;
			int ret;

			memset(memory, 0, sizeof memory);
			memcpy(memory, input, sizeof input);
			ret = arm_load_memory(&arms[k], &code, slots, g.n, &test_raw, memory, GEN_BYTES, &err);
			if (ret == -EOPNOTSUPP && arms[k].ready)
				continue;
			ck_assert_msg(!ret, "%s", err.text);
			ck_assert_int_eq(arms[k].run(&code, input, sizeof input, NULL, &r0), 0);
			arm_free(&arms[k], &code);
			ck_assert_msg(memory[GEN_OUT / 8] == faults[i].right, "%s [%s]: 0x%llx", faults[i].name,
				      arms[k].name, (unsigned long long)memory[GEN_OUT / 8]);
		}
		free(slots);
		fd = kernel_load(g.slots, g.n, BPF_F_TEST_STATE_FREQ, false);	/* prunes wherever it may */
		if (fd < 0) {
			errno = -fd;
			refused(faults[i].name);
			continue;
		}
		memset(map_memory, 0, GEN_BYTES);
		memcpy(map_memory, input, sizeof input);
		ck_assert_int_eq(kernel_run(fd), 0);
		close(fd);
		memcpy(&theirs, map_memory + GEN_OUT, 8);
		printf("%s: this kernel is %s (0x%llx, right is 0x%llx)\n", faults[i].name,
		       theirs == faults[i].right ? "right" : "wrong", (unsigned long long)theirs,
		       (unsigned long long)faults[i].right);
	}
}
END_TEST

static struct { char text[80]; unsigned n; } reasons[64];

/* The verifier's last sentence, numbers blanked, as a reason to count. */
static void count_reason(void)
{
	char *end = strstr(log_text, "\nprocessed "), *line, text[80] = "";
	size_t n = 0;

	if (end)
		*end = 0;
	line = strrchr(log_text, '\n');
	line = line ? line + 1 : log_text;
	for (; *line && n + 1 < sizeof text; line++)
		if (*line < '0' || *line > '9')
			text[n++] = *line;
	text[n] = 0;
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		if (!reasons[i].n)
			strcpy(reasons[i].text, text);
		if (!strcmp(reasons[i].text, text)) {
			reasons[i].n++;
			return;
		}
	}
}

START_TEST(kernel_and_arms_agree)
{
	static struct gen g;
	const char *fuzz = getenv("FUZZ");
	time_t end = fuzz ? time(NULL) + (time_t)strtoul(fuzz, NULL, 10) : 0;
	unsigned same = 0, skipped = 0, rules = 0;

	while (rule_arm(rules))
		rules++;
	ck_assert_uint_gt(rules, 0);
	programs = fuzz ? UINT_MAX / 4 : programs;
	printf("seed %llu, %u programs\n", (unsigned long long)seed, programs);
	if (map_fd < 0 && !make_map())
		return;
	errno = 0;
	probe_all();
	if (!supported[OP_MOV64_K]) {
		printf("skip: kernel differential: BPF_PROG_LOAD is refused\n");
		return;
	}
	gen_init(&g);
	memcpy(g.allow, supported, sizeof supported);
	for (unsigned i = 0; same < programs && (!fuzz || time(NULL) < end); i++) {
		uint64_t at = seed + i;
		uint8_t ours[GEN_BYTES], theirs[GEN_BYTES];
		int ret;

		ck_assert_uint_lt(i, programs * 2 + 1000);
		gen_program(&g, at);
		ret = in_kernel(&g, at, theirs, false);
		if (ret == -EINVAL || ret == -EACCES || ret == -E2BIG) {
			in_kernel(&g, at, theirs, true);
			count_reason();
			skipped++;
			continue;
		}
		ck_assert_msg(!ret, "seed %llu: the kernel's test run: %s", (unsigned long long)at, strerror(-ret));
		for (size_t k = 0; k <= nr_arms; k++) {
			/* Every arm on some programs, the plain ones and one without a rule on all. */
			const struct arm *arm = k < nr_arms ? &arms[k] : rule_arm(i % rules);

			if (k > 1 && k < nr_arms && (i + k) % 8)
				continue;
			ret = in_arm(arm, &g, at, ours);
			if (ret == 1)
				continue;
			ck_assert_msg(!ret, "seed %llu [%s]: status %d", (unsigned long long)at, arm->name, ret);
			if (first_difference(ours, theirs) != GEN_BYTES) {
				differ(&g, at, arm, ours, theirs);
				gen_program(&g, at);
				break;
			}
		}
		same++;
	}
	printf("%u programs agree with the kernel; its verifier refused %u others:\n", same, skipped);
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0] && reasons[i].n; i++)
		printf("  %u: %s\n", reasons[i].n, reasons[i].text);
	printf("%u arms without a rule, %u programs each; rules' hits:", rules, same / (rules ? rules : 1));
	arms_say_hits(same >= 1000);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		printf("kernel fault, %u times: %s\n", known[i], faults[i].name);
}
END_TEST

/* LD_ABS and LD_IND over a packet, offsets inside, across the end, far outside and negative: a tc program
 * in the kernel sees the frame from its link header, as ours do. */
START_TEST(packet_loads_agree)
{
	static const int32_t near[] = { 0, 1, 13, 14, 60, 61, 62, 63, 64, 65, -1, -4, INT32_MAX, INT32_MIN, -0x100000,
					-0xfffff, -0xffff0, -0x100001, -0x200000, -0x1fffff, -0x1fffc1, -0x1fffc0,
					-0x200001, 0x10000 };
	static const enum op rows[] = { OP_ABS_B, OP_ABS_H, OP_ABS_W, OP_IND_B, OP_IND_H, OP_IND_W };
	uint64_t state = seed;
	uint8_t frame[64];

	for (int i = 0; i < 64; i++)
		frame[i] = (uint8_t)(i * 37 + 11);
	memset(frame + 12, 0, 2);	/* no known protocol above */
	for (int i = 0; i < 600; i++) {
		enum op op = rows[gen_random(&state) % 6];
		int32_t off = near[gen_random(&state) % (sizeof near / sizeof near[0])];
		int32_t add_on = isa_op[op].shape == SHAPE_PKT_IND ? (int32_t)(gen_random(&state) % 9) - 4 : 0;
		struct uebpf_packet packet = { .size = sizeof packet, .data = frame, .data_end = frame + 64 };
		struct raw_insn load = isa_wire(op);
		struct uebpf_error err;
		struct code code;
		union bpf_attr attr;
		uint8_t slots[6 * 8];
		uint32_t n = 0;
		uint64_t r0;
		int fd;

		load.imm = off;
		if (isa_op[op].shape == SHAPE_PKT_IND)
			load.src = 7;
		n = add(slots, n, (struct raw_insn){ .code = 0xbf, .dst = 6, .src = 1 });
		n = add(slots, n, (struct raw_insn){ .code = 0xb7, .dst = 7, .imm = add_on });
		n = add(slots, n, load);
		n = add(slots, n, (struct raw_insn){ .code = 0x07, .dst = 0, .imm = 1 });
		n = add(slots, n, isa_wire(OP_EXIT));
		memset(&attr, 0, sizeof attr);
		attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
		attr.insns = (uintptr_t)slots;
		attr.insn_cnt = n;
		attr.license = (uintptr_t)"GPL";
		fd = sys_bpf(BPF_PROG_LOAD, &attr);
		if (fd < 0) {
			refused("LD_ABS in a tc program");
			return;
		}
		memset(&attr, 0, sizeof attr);
		attr.test.prog_fd = (uint32_t)fd;
		attr.test.data_in = (uintptr_t)frame;
		attr.test.data_size_in = sizeof frame;
		attr.test.repeat = 1;
		ck_assert_int_eq(sys_bpf(BPF_PROG_TEST_RUN, &attr), 0);
		close(fd);
		for (size_t k = 0; k < nr_arms; k++) {
			int ret = arm_load(&arms[k], &code, slots, n, &test_packet, &err);

			if (ret == -EOPNOTSUPP && arms[k].ready)
				continue;
			ck_assert_msg(!ret, "%s", err.text);
			ck_assert_int_eq(arms[k].run(&code, &packet, sizeof packet, NULL, &r0), 0);
			arm_free(&arms[k], &code);
			ck_assert_msg((uint32_t)r0 == attr.test.retval, "%s imm %d + %d [%s]: 0x%x, the kernel 0x%x",
				      isa_name(op, (char[ISA_NAME]){ 0 }), off, add_on, arms[k].name, (uint32_t)r0, attr.test.retval);
		}
	}
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("differential", 0);

	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	if (getenv("SOAK"))
		programs *= 50;
	if (argc > 2)
		programs = (unsigned)strtoul(argv[2], NULL, 0);
	tcase_add_test(t, known_kernel_faults);
	tcase_add_test(t, packet_loads_agree);
	tcase_add_test(t, kernel_and_arms_agree);
	return run_tests();
}
