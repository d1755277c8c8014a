/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* checked_test.c - where checked runs end: random loops over context, stack and a map's value that run into
 * the ends of their memory, of their budget, or out of the loop.  Every checked arm must end with the
 * same status, pc, steps, address and memory.
 *   checked_test [seed [programs]]		SOAK=1: a hundred times as many */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "jit/state.h"
#include "tests/gen/gen.h"
#include "tests/util/arms.h"
#include "tests/util/run.h"
#include "tests/util/text.h"

enum { MEMORY = 192, VALUE = 96, MOST = 256 };
static uint64_t seed, state;
static unsigned programs = 10000;

struct made { uint8_t slots[MOST * 8]; uint32_t n; };

static uint32_t draw(uint32_t n) { return (uint32_t)(gen_random(&state) >> 20) % n; }

static void put(struct made *t, uint8_t code, int dst, int src, int off, int32_t imm)
{
	raw_store(t->slots + 8 * t->n++, (struct raw_insn){ .code = code, .dst = (uint8_t)dst, .src = (uint8_t)src,
							     .off = (int16_t)off, .imm = imm });
}

/* r0 or a store through r`base`; sizes W H B DW as in the opcode. */
static void access(struct made *t, int base, int off)
{
	static const uint8_t size[] = { 0x00, 0x08, 0x10, 0x18 };
	uint8_t s = size[draw(4)];

	switch (draw(4)) {
	case 0: put(t, 0x63 | s, base, 8, off, 0); break;			/* *(r + off) = r8 */
	case 1: put(t, 0x62 | s, base, 0, off, (int32_t)draw(1000)); break;	/* = imm */
	default:
		put(t, 0x61 | s, 0, base, off, 0);				/* r0 = */
		put(t, 0x0f, 8, 0, 0, 0);					/* r8 += r0 */
	}
}

/* One access at an address that moves with r7, or at a fixed one. */
static void body(struct made *t)
{
	int off = (int)draw(24) - 8;

	switch (draw(10)) {
	case 8:				/* context plus one of two numbers */
		put(t, 0xb7, 3, 0, 0, (int)draw(100));
		put(t, 0x45, 8, 0, 1, 1 << draw(10));
		put(t, 0xb7, 3, 0, 0, (int)draw(180));
		put(t, 0x0f, 3, draw(6) ? 6 : 10, 0, 0);
		access(t, 3, off - (int)draw(2) * 100);
		break;
	case 7:				/* context at one of two places */
		put(t, 0xbf, 1, draw(4) ? 6 : 10, 0, 0);
		put(t, 0x07, 1, 0, 0, (int)draw(40) - 30);
		put(t, 0x45, 8, 0, 1, 1 << draw(10));
		put(t, 0x07, 1, 0, 0, (int)draw(40) - 8);
		access(t, 1, off + (int)draw(160));
		break;
	case 0: case 1: case 2:		/* context + r7 */
		put(t, 0xbf, 1, 6, 0, 0);
		put(t, 0x0f, 1, 7, 0, 0);
		access(t, 1, off);
		if (draw(3) == 0)
			access(t, 1, off + 8);
		break;
	case 3:				/* context + r7 * 2 */
		put(t, 0xbf, 3, 7, 0, 0);
		put(t, 0x67, 3, 0, 0, 1);
		put(t, 0x0f, 3, 6, 0, 0);
		access(t, 3, off);
		break;
	case 4:				/* frame + r7 */
		put(t, 0xbf, 3, 10, 0, 0);
		put(t, 0x0f, 3, 7, 0, 0);
		access(t, 3, -200 + off);
		break;
	case 5:				/* value + r7 */
		put(t, 0x18, 3, 6, 0, 0);
		put(t, 0, 0, 0, 0, (int32_t)draw(VALUE));
		put(t, 0x0f, 3, 7, 0, 0);
		access(t, 3, off);
		break;
	case 6:				/* fixed places, some of them bad */
		if (draw(2))
			access(t, 6, (int)draw(MEMORY));
		else
			access(t, 10, -(int)draw(draw(8) ? 400 : 530));
		break;
	default:
		put(t, 0x07, 9, 0, 0, (int32_t)draw(5));	/* r9 += k */
	}
}

static void jump_at(struct made *t, uint32_t at, uint8_t code, int dst, uint32_t to, int32_t imm)
{
	raw_store(t->slots + 8 * at, (struct raw_insn){ .code = code, .dst = (uint8_t)dst,
							.off = (int16_t)(to - at - 1), .imm = imm });
}

static const uint8_t jump[] = { 0x55, 0xa5, 0xb5, 0x65, 0xc5, 0x25, 0x35 };

/* As clang rotates a loop with a `continue`: entered in its body, the test and the way out in front of that. */
static void rotated(struct made *t, int step)
{
	uint32_t enter = t->n, head, test, out;

	put(t, 0x05, 0, 0, 0, 0);
	head = t->n;
	put(t, 0x07, 7, 0, 0, step);
	test = t->n;
	put(t, 0, 0, 0, 0, 0);
	put(t, 0x07, 9, 0, 0, 1);
	out = t->n;
	put(t, 0x05, 0, 0, 0, 0);
	jump_at(t, enter, 0x05, 0, t->n, 0);
	jump_at(t, test, jump[draw(3)], 7, t->n, (int32_t)draw(60) * (step < 0 ? -1 : step));
	body(t);
	if (draw(2)) {
		put(t, 0x45, 8, 0, (int)head - (int)t->n - 1, 1 << draw(10));
		body(t);
	}
	put(t, 0x05, 0, 0, (int)head - (int)t->n - 1, 0);
	jump_at(t, out, 0x05, 0, t->n, 0);
}

static void straight(struct made *t, int step)
{
	uint32_t loop = t->n, out = UINT32_MAX;

	for (uint32_t k = draw(3) + 1; k--; )
		body(t);
	if (draw(3) == 0) {	/* leaves in the middle */
		out = t->n;
		put(t, 0x45, 8, 0, 0, 1 << draw(10));
		body(t);
	}
	put(t, 0x07, 7, 0, 0, step);
	if (draw(3)) {
		put(t, jump[draw(7)], 7, 0, (int)loop - (int)t->n - 1, (int32_t)draw(60) * (step < 0 ? -1 : step));
	} else {	/* as compilers do without rotating the loop */
		put(t, 0x15, 7, 0, 1, (int32_t)draw(60) * (step < 0 ? -1 : step));
		put(t, 0x05, 0, 0, (int)loop - (int)t->n - 1, 0);
	}
	if (out != UINT32_MAX)
		jump_at(t, out, 0x45, 8, t->n, 1 << draw(10));
	if (draw(8) == 0) {	/* once more, from another number */
		put(t, 0x07, 9, 0, 0, 1);
		put(t, 0x25, 9, 0, 2, (int32_t)draw(9));
		put(t, 0xb7, 7, 0, 0, (int32_t)draw(200));
		put(t, 0x05, 0, 0, (int)loop - (int)t->n - 1, 0);
	}
}

static void make(struct made *t)
{
	static const int steps[] = { 1, 2, 4, 8, -1, -4, 8, 1, 3, 16 };

	t->n = 0;
	put(t, 0xbf, 6, 1, 0, 0);
	put(t, 0xb7, 8, 0, 0, 1);
	put(t, 0xb7, 9, 0, 0, 0);
	put(t, 0xb7, 0, 0, 0, 0);
	for (uint32_t part = draw(3) + 1; part--; ) {
		put(t, 0xb7, 7, 0, 0, (int32_t)draw(40) - 8);
		(draw(3) ? straight : rotated)(t, steps[draw(10)]);
		if (draw(4) == 0) {	/* a way around a part, with one more access at a fixed place */
			put(t, 0x15, 8, 0, 1, (int32_t)draw(4));
			put(t, 0x71, 0, 6, (int)draw(MEMORY), 0);
		}
	}
	put(t, 0xbf, 0, 8, 0, 0);
	put(t, 0x0f, 0, 9, 0, 0);
	put(t, 0x95, 0, 0, 0, 0);
}

static unsigned tame;		/* runs that needed no check (jit/x86_64/tame.c) */
/* Compared whole: no byte of it is padding. */
struct end { uint64_t r0, steps, address; int32_t status; uint32_t pc; uint8_t memory[MEMORY], value[VALUE]; };
_Static_assert(sizeof(struct end) == 32 + MEMORY + VALUE, "no padding");

static void fill_memory(uint8_t memory[MEMORY], uint64_t value[VALUE / 8], uint64_t fill)
{
	for (unsigned i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)(gen_random(&fill) >> 33);
	memset(value, 5, VALUE);
}

static int run(const struct arm *arm, const struct made *t, size_t len, uint64_t budget, uint64_t fill, struct end *end)
{
	static _Alignas(64) uint8_t memory[MEMORY];
	static uint64_t value[VALUE / 8];
	struct uebpf_run opts = { .size = sizeof opts, .budget = budget };
	struct uebpf_error err;
	struct code code;
	int ret = arm_load_memory(arm, &code, t->slots, t->n, &test_raw, value, VALUE, &err);

	if (ret)
		return ret;
	fill_memory(memory, value, fill);
	memset(end, 0, sizeof *end);
	end->status = arm->run(&code, memory, len, &opts, &end->r0);
	end->steps = opts.steps;
	end->pc = end->status ? opts.pc : 0;
	/* frames lie elsewhere in each engine */
	end->address = opts.address - (uintptr_t)memory + 4096 < 8192 ? opts.address : 0;
	memcpy(end->memory, memory, MEMORY);
	memcpy(end->value, value, VALUE);
	if (end->status != -ETIME) {	/* without options: perhaps by another way, to the same end */
		uint64_t r0 = 0;

		fill_memory(memory, value, fill);
		tame += code.jit && code.jit->tame && len >= code.jit->tame_need;
		if (arm->run(&code, memory, len, NULL, &r0) != end->status || r0 != end->r0 ||
		    memcmp(memory, end->memory, MEMORY) || memcmp(value, end->value, VALUE))
			end->status = -EBADMSG;
	}
	arm_free(arm, &code);
	return 0;
}

START_TEST(checked_runs_end_alike)
{
	unsigned ended = 0, faults = 0, spent = 0;

	printf("seed %llu, %u programs\n", (unsigned long long)seed, programs);
	for (unsigned i = 0; i < programs; i++) {
		static struct made t;
		struct end first = { 0 }, other = { 0 };
		uint64_t budget;
		size_t len;

		state = seed + i;
		make(&t);
		len = draw(5) ? MEMORY - draw(40) : draw(MEMORY);
		budget = draw(3) ? draw(16) ? 2000 : 40000 : 1 + draw(400);	/* 40000: some slices of the JIT */
		for (size_t k = 0; k < nr_arms; k++) {
			if (!arms[k].checked)
				continue;
			int ret = run(&arms[k], &t, len, budget, seed ^ i, k ? &other : &first);

			if (ret == -EOPNOTSUPP && arms[k].ready)
				continue;
			ck_assert_int_eq(ret, 0);
			if (!k || !memcmp(&first, &other, sizeof first))
				continue;
			show_slots(t.slots, t.n);
			ck_abort_msg("seed %llu, %zu bytes, budget %llu: %s: %d at %u after %llu, r0 %llx, %llx; %s: %d at %u "
				     "after %llu, r0 %llx, %llx%s", (unsigned long long)(seed + i), len,
				     (unsigned long long)budget, arms[0].name, first.status, first.pc,
				     (unsigned long long)first.steps, (unsigned long long)first.r0,
				     (unsigned long long)first.address, arms[k].name, other.status, other.pc,
				     (unsigned long long)other.steps, (unsigned long long)other.r0,
				     (unsigned long long)other.address,
				     memcmp(first.memory, other.memory, MEMORY) ? "; memory differs" : "");
		}
		ended += !first.status;
		faults += first.status == -EFAULT;
		spent += first.status == -ETIME;
	}
	printf("%u ended, %u faulted, %u spent their budget: every checked arm alike; %u runs needed no check\n", ended,
	       faults, spent, tame);
	ck_assert(!jit_arch() || tame > programs / 40);
	ck_assert_uint_gt(ended, programs / 20);
	ck_assert_uint_gt(faults, programs / 20);
	ck_assert_uint_gt(spent, programs / 20);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("jit/checked", 0);

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	programs *= getenv("SOAK") ? 100 : 1;
	if (argc > 2)
		programs = (unsigned)strtoul(argv[2], NULL, 0);
	tcase_add_test(t, checked_runs_end_alike);
	return run_tests();
}
