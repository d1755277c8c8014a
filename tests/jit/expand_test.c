/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* expand_test.c - the longest expansion of every row fits: a program of one instruction a thousand times over,
 * with the operands that make the most code, compiles in every arm and option. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "jit/jit.h"
#include "tests/util/arms.h"
#include "tests/util/run.h"

enum { COPIES = 1000 };

/* Fills the operands of a row so that every emitter takes its long way. */
static uint32_t make(enum op op, uint8_t *slots)
{
	uint32_t n = 0;

	for (int r = 0; r < 10; r++)
		raw_store(slots + 8 * n++, (struct raw_insn){ .code = 0xb7, .dst = (uint8_t)r, .imm = r });
	for (int k = 0; k < COPIES; k++) {
		struct raw_insn raw = isa_wire(op);
		uint8_t shape = isa_op[op].shape;

		raw.dst = shape == SHAPE_STORE_K ? 7 : 2;
		if (shape == SHAPE_ALU_K || shape == SHAPE_JCC_K || shape == SHAPE_STORE_K)
			raw.imm = 0x12345678;
		if (shape == SHAPE_ALU_X || shape == SHAPE_JCC_X || shape == SHAPE_LOAD || shape == SHAPE_STORE_X ||
		    shape == SHAPE_ATOMIC)
			raw.src = 8;
		if (shape == SHAPE_LOAD || shape == SHAPE_STORE_X || shape == SHAPE_STORE_K || shape == SHAPE_ATOMIC)
			raw.off = 0x7ff0;
		if (shape == SHAPE_UN)
			raw.dst = 8;
		if (op == OP_LSH64_K || op == OP_RSH64_K || op == OP_ARSH64_K || op == OP_LSH32_K || op == OP_RSH32_K ||
		    op == OP_ARSH32_K)
			raw.imm = 31;
		if (shape == SHAPE_CALL)
			raw.imm = 0x10002;
		raw_store(slots + 8 * n++, raw);
		if (op == OP_LDDW)
			raw_store(slots + 8 * n++, (struct raw_insn){ .imm = 0x7ffffff1 });
	}
	raw_store(slots + 8 * n++, (struct raw_insn){ .code = 0xb7, .dst = 0 });
	raw_store(slots + 8 * n++, (struct raw_insn){ .code = 0x95 });
	return n;
}

START_TEST(every_row_a_thousand_times)
{
	static uint8_t slots[(2 * COPIES + 16) * 8];
	unsigned compiled = 0, rows = 0;

	for (enum op op = 1; op < OP_COUNT; op++) {
		const struct prog_type *type = isa_op[op].group == ISA_PACKET ? &test_packet : &test_raw;
		bool ran = false;

		if (isa_op[op].flags & OPF_INNER || op == OP_EXIT || op == OP_CALL_LOCAL || op == OP_LD_FUNC ||
		    isa_op[op].group == ISA_INTERNAL)
			continue;
		for (size_t k = 0; k < nr_arms; k++) {
			struct uebpf_error err;
			struct code code;
			uint32_t n = make(op, slots);

			if (arms[k].done != jit_free || arm_load(&arms[k], &code, slots, n, type, &err))
				continue;	/* rows that this type or table of maps does not have */
			ck_assert_uint_gt(jit_code_bytes(&code), 0);
			compiled++;
			ran = true;
			arm_free(&arms[k], &code);
		}
		rows += ran;
	}
	printf("%u rows, %u compilations\n", rows, compiled);
	ck_assert_uint_gt(rows, 150);
}
END_TEST

int main(void)
{
	TCase *t = test_case("jit/expand", 0);

	if (!jit_arch()) {
		printf("skip: no JIT here\n");
		return 0;
	}
	tcase_add_test(t, every_row_a_thousand_times);
	return run_tests();
}
