/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuse_test.c - every fused case of the interpreter (vm/interp/fuse.def): is it chosen for the instructions
 * that it is for, and does it do what they do one by one?  The yardstick is a small evaluator here, made
 * of the meanings in the instruction table, not of the interpreter's steps.
 *   fuse_test [seed]		SOAK=1: a hundred times as many operands per row */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "vm/interp/form.h"
#include "vm/flow.h"

enum { GROUP = 10, PLACES = 4, AFTER = GROUP + PLACES + 1, WORDS = 64, BYTES = WORDS * 8, TRIES = 4000 };
int interp_switch_run(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);

static uint64_t seed, state;
static unsigned wanted = 40;
static uint64_t memory[WORDS];

static uint64_t random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}
static uint32_t below(uint32_t n) { return (uint32_t)(random64() >> 33) % n; }

/* ---- the rows ---- */

struct row { const char *name; uint16_t op[4], as; uint8_t n, rel[3]; };
static const struct row rows[] = {
#define FUSE2(a, r, b) { #a " " #r " " #b, { X_##a, X_##b }, X_##a##_##r##_##b, 2, { REL_##r } },
#define FUSE3(a, r, b, q, c) { #a " " #r " " #b " " #q " " #c, { X_##a, X_##b, X_##c }, \
			       X_##a##_##r##_##b##_##q##_##c, 3, { REL_##r, REL_##q } },
#define FUSE4(a, r, b, q, c, p, d) { #a " " #r " " #b " " #q " " #c " " #p " " #d, { X_##a, X_##b, X_##c, X_##d }, \
	X_##a##_##r##_##b##_##q##_##c##_##p##_##d, 4, { REL_##r, REL_##q, REL_##p } },
#include "vm/interp/fuse.def"
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* The decoded op of a variant; *scaled: false where its index has no factor. */
static uint16_t decoded(uint16_t op, bool *scaled)
{
	*scaled = false;
	switch (op) {
#define INDEX(n, ...) case X_LDI0_##n: return OP_LDI_##n; case X_STI0_##n: return OP_STI_##n;
#include "vm/isa.def"
	case X_LEAX64_0: return OP_LEAX64;
	case X_LEAX32_0: return OP_LEAX32;
#define MEM(n, ...) \
	case X_CLD_##n: return OP_LD_##n; case X_CSTX_##n: return OP_STX_##n; case X_CST_##n: return OP_ST_##n;
#define LDSX(n, ...) case X_CLD_##n: return OP_LD_##n;
#include "vm/isa.def"
	}
	*scaled = true;
	return op;
}

START_TEST(rows_are_sorted_and_make_sense)
{
	const struct row *before = rows;

	for (int i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		ck_assert_msg(before->op[0] <= row->op[0], "%s stands before %s", before->name, row->name);
		before = row;
		for (int k = 1; k < row->n; k++) {
			bool scaled, jump = isa_op[decoded(row->op[k - 1], &scaled)].shape == SHAPE_JCC_K ||
					    isa_op[decoded(row->op[k - 1], &scaled)].shape == SHAPE_FUSED_JUMP;

			if (row->rel[k - 1] == REL_N)
				continue;
			ck_assert_msg(jump ? k >= 2 && row->rel[k - 2] == REL_D && row->rel[k - 1] == REL_D :
				      insn_writes(&(struct insn){ .op = decoded(row->op[k - 1], &scaled), .dst = 3 }) == 1 << 3,
				      "%s: nothing to hand on", row->name);
		}
	}
}
END_TEST

/* ---- the yardstick ---- */

static bool in_memory(uint64_t addr, uint32_t size)
{
	return addr >= (uintptr_t)memory && addr - (uintptr_t)memory <= BYTES - size;
}

static uint64_t get(uint64_t addr, uint32_t size)
{
	const void *at = (const void *)(uintptr_t)addr;
	union { uint8_t b; uint16_t h; uint32_t w; uint64_t d; } u;

	memcpy(&u, at, size);
	return size == 1 ? u.b : size == 2 ? u.h : size == 4 ? u.w : u.d;
}

static void set(uint64_t addr, uint32_t size, uint64_t v)
{
	uint8_t b = (uint8_t)v;
	uint16_t h = (uint16_t)v;
	uint32_t w = (uint32_t)v;

	memcpy((void *)(uintptr_t)addr, size == 1 ? (void *)&b : size == 2 ? (void *)&h : size == 4 ? (void *)&w :
	       (void *)&v, size);
}

static uint64_t indexed(const struct insn *in, const uint64_t *r)
{
	return (r[in->imm_lo & 15] << (in->imm_lo >> 4)) + (uint64_t)(int64_t)in->off;
}

static uint64_t fused_value(const struct insn *in, const uint64_t *r)
{
	uint64_t k = (uint64_t)in->imm, d = r[in->dst], s = r[in->src];

	switch (in->op) {
	case OP_ROL64: return d << k | d >> (64 - k);
	case OP_ROL32: return (uint32_t)((uint32_t)d << k | (uint32_t)d >> (32 - k));
	case OP_LEA64: return s + k;
	case OP_LEA32: return (uint32_t)(s + k);
	case OP_LEAX64: return s + indexed(in, r);
	case OP_LEAX32: return (uint32_t)(s + indexed(in, r));
	case OP_MUL3_64: return s * k;
	case OP_MUL3_32: return (uint32_t)(s * k);
	}
	ck_abort_msg("%s: the test does not know it", isa_name(in->op, (char[ISA_NAME]){ 0 }));
	return 0;
}

static bool memory_taken(const struct insn *in, uint64_t v)
{
	uint64_t k = isa_op[in->op].size == 8 ? (uint64_t)(int64_t)in->imm_lo : (uint32_t)in->imm_lo;

	switch (in->op) {
#define MEMJCC(n, t, x) case OP_##n##_B: case OP_##n##_H: case OP_##n##_W: case OP_##n##_DW: return memjcc_##n(v, k);
#include "vm/isa.def"
	}
	return false;
}

static uint64_t memory_op(const struct insn *in, uint64_t a, uint64_t b)
{
	switch (in->op) {
#define MEMOP(n, t, x) case OP_##n##64: return memop_##n(a, b); case OP_##n##32: return (uint32_t)memop_##n(a, b);
#include "vm/isa.def"
	}
	return 0;
}

/* 0: falls through; 1: jumps; 2: ends; -1: the access is outside. */
static int evaluate(const struct insn *in, uint64_t *r)
{
	const struct op_info *op = &isa_op[in->op];
	uint64_t off = (uint64_t)(int64_t)in->off, at = 0;
	bool ok;

	switch (op->shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN:
		if (in->op == OP_ROL64 || in->op == OP_ROL32)
			r[in->dst] = fused_value(in, r);
		else
			r[in->dst] = isa_eval((enum op)in->op, r[in->dst], op->shape == SHAPE_ALU_K ? (uint64_t)in->imm :
					      r[in->src], &ok);
		return 0;
	case SHAPE_JCC_K: return isa_taken((enum op)in->op, r[in->dst], (uint64_t)in->imm);
	case SHAPE_JCC_X: return isa_taken((enum op)in->op, r[in->dst], r[in->src]);
	case SHAPE_JA: return 1;
	case SHAPE_WIDE: r[in->dst] = (uint64_t)in->imm; return 0;
	case SHAPE_MARK: return 0;
	case SHAPE_EXIT: return 2;
	case SHAPE_FUSED: r[in->dst] = fused_value(in, r); return 0;
	case SHAPE_LOAD: at = r[in->src] + off; break;
	case SHAPE_FUSED_LOAD: at = r[in->src] + (in->op >= OP_LDI_W && in->op <= OP_STI_DW ? indexed(in, r) : off); break;
	case SHAPE_STORE_K: case SHAPE_STORE_X: at = r[in->dst] + off; break;
	case SHAPE_FUSED_STORE: at = r[in->dst] + indexed(in, r); break;
	case SHAPE_FUSED_JUMP: at = r[in->dst] + (uint64_t)(int64_t)in->imm_hi; break;
	default: ck_abort_msg("%s: the test does not know its shape", isa_name(in->op, (char[ISA_NAME]){ 0 }));
	}
	if (!in_memory(at, op->size))
		return -1;
	if (op->shape == SHAPE_STORE_K || op->shape == SHAPE_STORE_X || op->shape == SHAPE_FUSED_STORE) {
		set(at, op->size, op->shape == SHAPE_STORE_K ? (uint64_t)in->imm : r[in->src]);
		return 0;
	}
	at = get(at, op->size);
	if (op->shape == SHAPE_FUSED_JUMP)
		return memory_taken(in, at);
	if (op->flags & OPF_SIGNED)
		at = op->size == 1 ? (uint64_t)(int8_t)at : op->size == 2 ? (uint64_t)(int16_t)at : (uint64_t)(int32_t)at;
	r[in->dst] = in->op >= OP_MADD64 && in->op <= OP_MXOR32 ? memory_op(in, r[in->dst], at) : at;
	return 0;
}

/* ---- one row ---- */

/* The first word of memory is its address, the others are what registers begin with. */
static struct insn pick(const struct row *row, int k, const struct insn *before)
{
	bool scaled, index;
	struct insn in = { .op = decoded(row->op[k], &scaled), .steps = 1 };
	uint8_t shape = isa_op[in.op].shape;

	index = shape == SHAPE_FUSED_STORE || in.op == OP_LEAX64 || in.op == OP_LEAX32 ||
		(in.op >= OP_LDI_W && in.op <= OP_STI_DW);
	in.dst = below(9) & 15;			/* r9 stays what it is */
	in.src = below(10) & 15;
	if (below(2) && isa_op[in.op].size) {		/* r9: the memory */
		if (shape == SHAPE_LOAD || shape == SHAPE_FUSED_LOAD)
			in.src = 9;
		else
			in.dst = 9;
	}
	if (k && row->rel[k - 1] == REL_D)
		in.dst = before->dst;
	if (k && row->rel[k - 1] == REL_S)
		in.src = before->dst;
	in.off = (int32_t)below(200);
	in.imm = below(3) ? (int64_t)below(64) : (int64_t)(int32_t)random64();
	if (in.op == OP_MOV64_K && !below(3))
		in.imm = (int64_t)(uintptr_t)memory + below(BYTES / 2);
	if (in.op == OP_ROL32 || in.op == OP_ROL64)
		in.imm = 1 + below(31);
	if (shape == SHAPE_JCC_K || shape == SHAPE_JCC_X || shape == SHAPE_JA || shape == SHAPE_FUSED_JUMP)
		in.off = AFTER + (int32_t)below(3);
	if (shape == SHAPE_FUSED_JUMP) {
		in.imm_lo = (int32_t)below(100);
		in.imm_hi = (int32_t)below(200);
	}
	if (index) {
		in.imm = 0;
		in.imm_lo = insn_index((int)below(10), scaled ? 1 + (int)below(3) : 0);
	}
	if (in.op == OP_CHARGE) {
		in.imm = 5;
		in.dst = below(2) & 1;
	}
	return in;
}

static void fill(void)
{
	for (int i = 0; i < WORDS; i++)
		memory[i] = below(3) ? below(100) : random64();
	for (int i = 0; i < 9; i++)
		if (!below(3))
			memory[i] = (uintptr_t)memory + below(BYTES / 2);
}

enum mode { PLAIN, METERED, CHECKED, MODES };

/* r0-r8 from memory, places for the row, something that is never fused, increments that jumps skip. */
static void load(struct code *code, int mode)
{
	static const struct arm arms[MODES] = { [METERED] = { .metered = true }, [CHECKED] = { .checked = true } };
	char text[2048];
	struct uebpf_error err;
	uint32_t slots_n;
	size_t n = (size_t)sprintf(text, "r9 = r1\n");
	void *slots;

	for (int r = 0; r < 9; r++)
		n += (size_t)sprintf(text + n, "r%d = *(u64 *)(r9 + %d)\n", r, 8 * r);
	n += (size_t)sprintf(text + n, "r0 = r0\nr0 = r0\nr0 = r0\nr0 = r0\nlock *(u64 *)(r9 + 504) += r9\nr3 += 77\nr5 ^= 99\nr7 += 3\n");
	sprintf(text + n, "r0 ^= r1\nr0 ^= r2\nr0 += r3\nr0 ^= r4\nr0 += r5\nr0 ^= r6\nr0 += r7\nr0 ^= r8\n"
		"r0 += r9\nexit\n");
	ck_assert_int_eq(asm_text(text, &slots, &slots_n, &err), 0);
	ck_assert_int_eq(arm_load(&arms[mode], code, slots, slots_n, &test_raw, &err), 0);
	free(slots);
}

static uint64_t finish(uint64_t *r, uint32_t from)
{
	if (from <= AFTER)
		r[3] += 77;
	if (from <= AFTER + 1)
		r[5] ^= 99;
	if (from <= AFTER + 2)
		r[7] += 3;
	return ((((((((r[0] ^ r[1]) ^ r[2]) + r[3]) ^ r[4]) + r[5]) ^ r[6]) + r[7]) ^ r[8]) + r[9];
}

/* Operands until one set is in range; false: none was this time. */
static bool try_row(const struct row *row, struct code *code, uint32_t at)
{
	uint64_t before[WORDS], after[WORDS], r[11], r0, have;
	struct insn *group = &code->insn[at];
	int jumped = 0, k;

	fill();
	memcpy(before, memory, sizeof before);
	for (int i = 0; i < 9; i++)
		r[i] = memory[i];
	r[9] = (uintptr_t)memory;
	for (k = 0; k < PLACES; k++)
		group[k] = (struct insn){ .op = OP_MOV64_X, .dst = 8, .src = 8 };
	for (k = 0; k < row->n; k++) {
		group[k] = pick(row, k, k ? &group[k - 1] : NULL);
		if (flow_is_jump(&group[k]))
			group[k].off += (int32_t)at - GROUP;
	}
	for (k = 0; k < row->n && !jumped; k++)
		jumped = evaluate(&group[k], r);
	memcpy(after, memory, sizeof after);
	if (!jumped)
		after[WORDS - 1] += (uintptr_t)memory;
	memcpy(memory, before, sizeof before);
	if (jumped < 0)
		return false;
	ck_assert_int_eq(interp_prepare(code), 0);
	if (code->run[at].op != row->as)	/* the operands happen to stand in another relation as well */
		return false;
	r0 = jumped == 2 ? r[0] : finish(r, jumped ? (uint32_t)group[k - 1].off + GROUP - at : AFTER);
	for (int arm = 0; arm < 2; arm++) {
		memcpy(memory, before, sizeof before);
		ck_assert_int_eq((arm ? interp_switch_run : interp_run)(code, memory, sizeof memory, NULL, &have), 0);
		ck_assert_msg(have == r0 && !memcmp(memory, after, sizeof after),
			      "seed %llu: %s (%s): r0 0x%llx, should be 0x%llx", (unsigned long long)seed, row->name,
			      arm ? "switch" : "threaded", (unsigned long long)have, (unsigned long long)r0);
	}
	return true;
}

START_TEST(each_row_is_chosen_and_does_what_its_instructions_do)
{
	struct code code[MODES];
	uint32_t at[MODES] = { 0 };

	for (int m = 0; m < MODES; m++) {
		load(&code[m], m);
		while (code[m].insn[at[m]].op != OP_MOV64_X || code[m].insn[at[m]].dst != 0)
			at[m]++;
	}
	for (int i = 0; i < ROWS; i++) {
		int mode = PLAIN;
		unsigned hits = 0;

		for (int k = 0; k < rows[i].n; k++)
			if (rows[i].op[k] >= X_FIRST_CHECKED)
				mode = CHECKED;
			else if (rows[i].op[k] == X_CHARGE && mode == PLAIN)
				mode = METERED;
		for (int t = 0; t < TRIES && hits < wanted; t++)
			hits += try_row(&rows[i], &code[mode], at[mode]);
		ck_assert_msg(hits, "seed %llu: %s was never chosen", (unsigned long long)seed, rows[i].name);
	}
	printf("fuse: seed %llu, %d rows\n", (unsigned long long)seed, (int)ROWS);
	for (int m = 0; m < MODES; m++)
		code_free(&code[m]);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("vm/fuse", 0);

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	state = seed * 0x9e3779b97f4a7c15u | 1;
	if (getenv("SOAK"))
		wanted *= 100;
	tcase_add_test(t, rows_are_sorted_and_make_sense);
	tcase_add_test(t, each_row_is_chosen_and_does_what_its_instructions_do);
	return run_tests();
}
