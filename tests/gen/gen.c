/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gen.c - see gen.h. */
#include "tests/gen/gen.h"
#include <string.h>

uint64_t gen_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint32_t below(struct gen *g, uint32_t n)
{
	return (uint32_t)(gen_random(&g->random) % n);
}

uint64_t gen_value(uint64_t *state)
{
	static const uint64_t edge[] = {
		0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0x100000000, 0x1ffffffff, 0x7fffffffffffffff,
		0x8000000000000000, 0x8000000000000001, 0xffffffff00000000, 0xffffffff7fffffff,
		0xffffffff80000000, 0xfffffffffffffffe, 0xffffffffffffffff,
	};
	uint64_t r = gen_random(state);

	switch (r >> 61) {
	case 0: case 1: case 2: return edge[r % (sizeof edge / sizeof edge[0])];
	case 3: return 1ull << (r & 63);
	case 4: return (1ull << (r & 63)) - 1;
	case 5: return (uint64_t)(int64_t)(int8_t)r;
	case 6: return (uint32_t)r;
	default: return gen_random(state);
	}
}

void gen_memory(uint64_t seed, uint8_t memory[GEN_BYTES])
{
	uint64_t state = seed * 3 + 1;

	memset(memory, 0, GEN_BYTES);
	for (uint32_t i = 0; i < GEN_OUT; i += 8) {
		uint64_t v = gen_value(&state);

		memcpy(memory + i, &v, 8);
	}
}

void gen_init(struct gen *g)
{
	memset(g, 0, sizeof *g);
	for (int op = 1; op < OP_COUNT; op++)
		g->allow[op] = !(isa_op[op].flags & OPF_INNER);
	g->kernel = true;
}

/* ---- output ---- */

static void put(struct gen *g, struct raw_insn raw)
{
	if (g->n >= GEN_MAX - 2) {
		g->overflow = true;
		return;
	}
	raw_store(g->slots + 8 * g->n++, raw);
}

static struct raw_insn make(enum op op, int dst, int src, int off, int32_t imm)
{
	struct raw_insn raw = isa_wire(op);

	raw.dst = (uint8_t)dst;
	if (raw.code != 0x18 && raw.code != 0x85)
		raw.src = (uint8_t)src;
	raw.off = (int16_t)(raw.off | off);
	if (!raw.imm)
		raw.imm = imm;
	return raw;
}

static void emit(struct gen *g, enum op op, int dst, int src, int off, int32_t imm)
{
	put(g, make(op, dst, src, off, imm));
}

static void load_const(struct gen *g, int dst, uint64_t v)
{
	emit(g, OP_LDDW, dst, 0, 0, (int32_t)(uint32_t)v);
	put(g, (struct raw_insn){ .imm = (int32_t)(uint32_t)(v >> 32) });
}

static void load_memory_address(struct gen *g, int dst, uint32_t off)
{
	emit(g, OP_LD_MAPVAL, dst, 0, 0, 0);
	put(g, (struct raw_insn){ .imm = (int32_t)off });
}

/* A register that may be written. */
static int target(struct gen *g)
{
	for (;;) {
		int r = (int)below(g, 10);

		if (!(g->reserved >> r & 1))
			return r;
	}
}

static int32_t immediate(struct gen *g)
{
	return (int32_t)(uint32_t)gen_value(&g->random);
}

/* A random allowed row of one of the shapes in `mask`; OP_BAD when the rows drawn are not allowed. */
static enum op draw(struct gen *g, uint32_t mask)
{
	for (int tries = 0; tries < 1000; tries++) {
		enum op op = (enum op)(1 + below(g, OP_COUNT - 1));

		if (g->allow[op] && mask >> isa_op[op].shape & 1)
			return op;
	}
	return OP_BAD;
}

/* ---- jumps that wait for their target ---- */

static void jump_later(struct gen *g, struct raw_insn raw, uint32_t elements, bool wide)
{
	if (g->nr_pending == 64 || g->overflow)
		return;
	g->pending[g->nr_pending].at = g->n;
	g->pending[g->nr_pending].left = elements;
	g->pending[g->nr_pending++].wide = wide;
	put(g, raw);
}

static void land(struct gen *g, bool all)
{
	for (uint32_t i = 0; i < g->nr_pending;) {
		uint8_t *at = g->slots + 8 * g->pending[i].at;
		struct raw_insn raw = raw_load(at);
		int32_t distance = (int32_t)(g->n - g->pending[i].at - 1);

		if (!all && g->pending[i].left--) {
			i++;
			continue;
		}
		if (g->pending[i].wide)
			raw.imm = distance;
		else
			raw.off = (int16_t)distance;
		raw_store(at, raw);
		g->pending[i] = g->pending[--g->nr_pending];
	}
}

/* ---- elements ---- */

static bool is_cast(enum op op)
{
	return op == OP_CAST_USER || op == OP_CAST_KERN;
}

static bool is_shift(enum op op)
{
	return op == OP_LSH64_K || op == OP_LSH32_K || op == OP_RSH64_K || op == OP_RSH32_K || op == OP_ARSH64_K ||
	       op == OP_ARSH32_K;
}

static void arithmetic(struct gen *g)
{
	enum op op = draw(g, 1u << SHAPE_ALU_K | 1u << SHAPE_ALU_X | 1u << SHAPE_UN);
	int32_t imm = immediate(g);
	int dst = target(g), src = (int)below(g, 10);

	if (op == OP_BAD || is_cast(op))
		return;
	if (isa_op[op].shape != SHAPE_ALU_K)
		imm = 0;
	if (g->kernel && is_shift(op))
		imm &= isa_op[op].flags & OPF_WIDTH64 ? 63 : 31;
	if (g->kernel && !imm && isa_op[op].shape == SHAPE_ALU_K &&
	    (isa_op[op].group == ISA_DIVMUL64 || isa_op[op].group == ISA_DIVMUL32))
		imm = 3;
	if (isa_op[op].shape != SHAPE_ALU_X)
		src = 0;
	emit(g, op, dst, src, 0, imm);
}

static void conditional(struct gen *g)
{
	enum op op = draw(g, 1u << SHAPE_JCC_K | 1u << SHAPE_JCC_X);
	bool k = op && isa_op[op].shape == SHAPE_JCC_K;
	struct raw_insn raw;

	if (op == OP_BAD)
		return;
	raw = make(op, (int)below(g, 10), k ? 0 : (int)below(g, 10), 0, k ? immediate(g) : 0);
	if (below(g, 4)) {
		jump_later(g, raw, 1 + below(g, 5), false);
		return;
	}
	/* if c goto +1; goto far: the goto is reached, and so is what stands behind it */
	raw.off = 1;
	put(g, raw);
	if (g->allow[OP_JA32] && below(g, 2))
		jump_later(g, isa_wire(OP_JA32), 1 + below(g, 4), true);
	else if (g->allow[OP_JA])
		jump_later(g, isa_wire(OP_JA), 1 + below(g, 4), false);
}

/* An access of `size` bytes to a stack slot, aligned as the kernel wants it. */
static int stack_place(struct gen *g, uint32_t size)
{
	uint32_t slot = below(g, g->stack_slots), part = below(g, 8 / size) * size;

	return -(int)(8 * (slot + 1)) + (int)part;
}

static void stack_access(struct gen *g)
{
	enum op op = draw(g, 1u << SHAPE_LOAD | 1u << SHAPE_STORE_X | 1u << SHAPE_STORE_K);
	int off;

	if (op == OP_BAD)
		return;
	off = stack_place(g, isa_op[op].size);
	if (isa_op[op].shape == SHAPE_LOAD)
		emit(g, op, target(g), 10, off, 0);
	else if (isa_op[op].shape == SHAPE_STORE_X)
		emit(g, op, 10, (int)below(g, 10), off, 0);
	else
		emit(g, op, 10, 0, off, immediate(g));
}

/* Through a pointer in a register that holds a number again afterwards. */
static void memory_access(struct gen *g)
{
	enum op op = draw(g, 1u << SHAPE_LOAD | 1u << SHAPE_STORE_X | 1u << SHAPE_STORE_K);
	int base = target(g), value = target(g), size, off;
	bool ordered;

	if (op == OP_BAD || base == value)
		return;
	size = isa_op[op].size;
	ordered = isa_op[op].group == ISA_LINUX;
	off = (int)below(g, GEN_SCRATCH_LEN - 8);
	if (ordered)
		off &= -size;
	load_memory_address(g, base, GEN_SCRATCH + (ordered ? 0 : 4));
	if (!ordered)
		off -= 4;
	if (isa_op[op].shape == SHAPE_LOAD)
		emit(g, op, value, base, off, 0);
	else if (isa_op[op].shape == SHAPE_STORE_X)
		emit(g, op, base, value, off, 0);
	else
		emit(g, op, base, 0, off, immediate(g));
	load_const(g, base, gen_value(&g->random));
}

static void atomic(struct gen *g)
{
	enum op op = draw(g, 1u << SHAPE_ATOMIC);
	int base = target(g), src = target(g), size, off;
	bool exchange = op == OP_CMPXCHG64 || op == OP_CMPXCHG32;

	if (op == OP_BAD || (exchange && g->reserved & 1))
		return;
	size = isa_op[op].size;
	if (below(g, 2)) {
		off = stack_place(g, (uint32_t)size);
		if (g->forget_stack) {
			/* Both registers are given back: only what the verifier knows changes. */
			int slot = off & ~7, a = src == 0 ? 1 : 0;

			emit(g, OP_STX_DW, 10, a, -8 * (GEN_SLOTS + 11), 0);
			load_memory_address(g, a, GEN_INPUT);
			emit(g, OP_LD_DW, a, a, 0, 0);
			emit(g, OP_AND64_K, a, 0, 0, 0);
			emit(g, OP_FADD64, 10, a, slot, 0);
			emit(g, OP_LD_DW, a, 10, -8 * (GEN_SLOTS + 11), 0);
		}
		emit(g, op, 10, src, off, 0);
	} else {
		if (base == src || (exchange && base == 0))
			return;
		off = (int)below(g, (GEN_SCRATCH_LEN - 8) / 8) * 8;
		load_memory_address(g, base, GEN_SCRATCH);
		emit(g, op, base, src, off, 0);
		load_const(g, base, gen_value(&g->random));
	}
	if (op == OP_CMPXCHG32 && g->extend_cmpxchg)
		emit(g, OP_MOV32_X, 0, 0, 0, 0);
}

static void constant(struct gen *g)
{
	int dst = target(g);

	if (below(g, 2))
		load_const(g, dst, gen_value(&g->random));
	else
		emit(g, OP_MOV64_K, dst, 0, 0, immediate(g));
}

static void call(struct gen *g)
{
	if (g->nr_calls == 32 || !g->allow[OP_CALL_LOCAL] || g->reserved & 0x3f)
		return;
	g->calls[g->nr_calls] = g->n;
	g->callee[g->nr_calls++] = (uint8_t)below(g, 2);
	emit(g, OP_CALL_LOCAL, 0, 0, 0, 0);
	for (int r = 1; r <= 5; r++) {
		if (below(g, 2))
			emit(g, OP_MOV64_X, r, below(g, 2) ? 0 : 6 + (int)below(g, 4), 0, 0);
		else
			load_const(g, r, gen_value(&g->random));
	}
}

enum { CALLBACK = 3, BPF_LOOP = 181 };	/* in gen.callee; a helper */

/* bpf_loop with a function of the program's own; a kernel wants BTF for it. */
static void loop_call(struct gen *g)
{
	if (g->kernel || g->nr_calls == 32 || !g->allow[OP_CALL_LOCAL] || g->reserved & 0x3f)
		return;
	emit(g, OP_MOV64_K, 1, 0, 0, (int32_t)below(g, 6));
	g->calls[g->nr_calls] = g->n;
	g->callee[g->nr_calls++] = CALLBACK;
	emit(g, OP_LD_FUNC, 2, 0, 0, 0);
	put(g, (struct raw_insn){ 0 });
	emit(g, OP_MOV64_X, 3, 6 + (int)below(g, 4), 0, 0);
	emit(g, OP_MOV64_K, 4, 0, 0, !below(g, 8));
	put(g, (struct raw_insn){ .code = 0x85, .imm = BPF_LOOP });
	for (int r = 1; r <= 5; r++)
		load_const(g, r, gen_value(&g->random));
}

static void element(struct gen *g, int depth);

static void loop(struct gen *g, int depth)
{
	int counter = 6 + (int)below(g, 4);
	uint32_t head, n;

	if (depth || g->reserved >> counter & 1 || !g->allow[OP_JNE64_K])
		return;
	land(g, true);		/* nothing jumps into a loop */
	emit(g, OP_MOV64_K, counter, 0, 0, 1 + (int32_t)below(g, 4));
	g->reserved |= 1u << counter;
	head = g->n;
	for (n = 1 + below(g, 5); n; n--)
		element(g, depth + 1);
	land(g, true);		/* nor out of it: the counter would keep its value, that is all, but the
				 * kernel's verifier takes long over many exits */
	emit(g, OP_ADD64_K, counter, 0, 0, -1);
	emit(g, OP_JNE64_K, counter, 0, (int)head - (int)g->n - 1, 0);
	g->reserved &= ~(1u << counter);
}

/* One of idioms.c, with its address in place before and out of the way afterwards. */
static void idiom(struct gen *g)
{
	uint8_t slots[64 * 8];
	int base;
	uint32_t n = gen_idiom(g, slots, 64, &base);

	if (n && base >= 0)
		load_memory_address(g, base, GEN_SCRATCH);
	for (uint32_t i = 0; i < n; i++)
		put(g, raw_load(slots + 8 * i));
	if (n && base >= 0)
		load_const(g, base, gen_value(&g->random));
}

static void element(struct gen *g, int depth)
{
	land(g, false);
	switch (below(g, 22)) {
	case 0: case 1: case 2: conditional(g); break;
	case 3: case 4: stack_access(g); break;
	case 5: case 6: memory_access(g); break;
	case 7: case 8: atomic(g); break;
	case 9: constant(g); break;
	case 10: below(g, 4) ? call(g) : loop_call(g); break;
	case 11: loop(g, depth); break;
	case 12:
		if (g->allow[OP_MAY_GOTO])
			jump_later(g, isa_wire(OP_MAY_GOTO), 1 + below(g, 3), false);
		break;
	case 13: case 14: idiom(g); break;
	default: arithmetic(g); break;
	}
}

/* ---- programs ---- */

static void fill_stack(struct gen *g)
{
	for (uint32_t i = 1; i <= g->stack_slots; i++)
		emit(g, OP_ST_DW, 10, 0, -8 * (int)i, immediate(g));
}

static void prologue(struct gen *g)
{
	uint32_t from_memory = below(g, 1024);

	load_memory_address(g, 9, GEN_INPUT);
	for (int r = 0; r < 9; r++)
		if (from_memory >> r & 1)
			emit(g, OP_LD_DW, r, 9, 8 * r, 0);
		else
			load_const(g, r, gen_value(&g->random));
	emit(g, OP_LD_DW, 9, 9, 72, 0);
	g->stack_slots = GEN_SLOTS;
	fill_stack(g);
}

static void epilogue(struct gen *g)
{
	land(g, true);
	for (int r = 0; r < 10; r++)
		emit(g, OP_STX_DW, 10, r, -8 * (GEN_SLOTS + 1 + r), 0);
	load_memory_address(g, 1, GEN_OUT);
	for (int i = 0; i < 10 + GEN_SLOTS; i++) {
		emit(g, OP_LD_DW, 0, 10, -8 * (i < 10 ? GEN_SLOTS + 1 + i : i - 9), 0);
		emit(g, OP_STX_DW, 1, 0, 8 * i, 0);
	}
	emit(g, OP_MOV64_K, 0, 0, 0, 0);
	emit(g, OP_EXIT, 0, 0, 0, 0);
}

/* A callee: r1-r5 are the caller's; the others begin with constants. */
static void subprogram(struct gen *g, uint32_t elements, bool callback)
{
	emit(g, OP_MOV64_X, 0, 1, 0, 0);
	for (int r = 3; r <= 5 && callback; r++)	/* it has two arguments */
		load_const(g, r, gen_value(&g->random));
	for (int r = 6; r < 10; r++)
		load_const(g, r, gen_value(&g->random));
	g->stack_slots = 2;
	fill_stack(g);
	while (elements--)
		element(g, 0);
	land(g, true);
	emit(g, OP_EXIT, 0, 0, 0, 0);
}

void gen_program(struct gen *g, uint64_t seed)
{
	uint32_t elements, start[CALLBACK + 1];

	g->seed = seed;
	g->random = seed;
	g->n = g->nr_pending = g->nr_calls = g->reserved = 0;
	g->overflow = false;
	elements = 1 + below(g, 60);
	if (g->elements)
		elements = g->elements;
	prologue(g);
	while (elements--)
		element(g, 0);
	epilogue(g);
	/* Two functions that main calls; the first may call a third, which calls none; a loop's calls none. */
	for (uint32_t k = 0; k <= CALLBACK && g->nr_calls; k++) {
		uint32_t before = g->nr_calls, used = 0;
		bool local = g->allow[OP_CALL_LOCAL];

		for (uint32_t i = 0; i < g->nr_calls; i++)
			used |= 1u << g->callee[i];
		start[k] = g->n;
		if (!(used >> k & 1) || g->overflow)
			continue;
		g->allow[OP_CALL_LOCAL] = local && k == 0;
		subprogram(g, 1 + below(g, 8), k == CALLBACK);
		g->allow[OP_CALL_LOCAL] = local;
		for (uint32_t i = before; i < g->nr_calls; i++)
			g->callee[i] = g->callee[i] == CALLBACK ? CALLBACK : 2;
	}
	for (uint32_t i = 0; i < g->nr_calls && !g->overflow; i++) {
		uint8_t *at = g->slots + 8 * g->calls[i];
		struct raw_insn raw = raw_load(at);

		raw.imm = (int32_t)start[g->callee[i]] - (int32_t)g->calls[i] - 1;
		raw_store(at, raw);
	}
	if (g->overflow) {	/* does not happen with 60 elements, but must not yield half a program */
		g->n = 0;
		emit(g, OP_MOV64_K, 0, 0, 0, 0);
		emit(g, OP_EXIT, 0, 0, 0, 0);
	}
}

/* ---- anything that decodes ---- */

void gen_wild(struct gen *g, uint64_t seed, bool helpers)
{
	uint32_t len;

	g->random = seed;
	g->n = 0;
	g->nr_pending = 0;
	g->overflow = false;
	len = 4 + below(g, 60);
	/* Pointers and numbers to begin with: r6 a map value, r7 the stack, r8 the context. */
	if (below(g, 16))
		load_memory_address(g, 6, 32 + below(g, GEN_BYTES - 32));
	emit(g, OP_MOV64_X, 7, 10, 0, 0);
	emit(g, OP_MOV64_X, 8, 1, 0, 0);
	for (int r = 0; r < 10; r++)
		if (r != 1 && (r < 6 || r == 9) && below(g, 16))
			emit(g, OP_MOV64_K, r, 0, 0, immediate(g));
	for (uint32_t i = 0; i < len; i++) {
		enum op op = (enum op)(1 + below(g, OP_COUNT - 1));
		const struct op_info *row = &isa_op[op];
		int dst = (int)below(g, 11), src = (int)below(g, 11), off = 0;
		int32_t imm = immediate(g);

		if (row->flags & OPF_INNER || op == OP_CALL_KFUNC || op == OP_LD_MAPFD || op == OP_LD_MAPVALFD ||
		    op == OP_LD_BTFVAR || row->shape == SHAPE_PKT_ABS || row->shape == SHAPE_PKT_IND)
			continue;
		/* Mostly: addresses stay in r6-r8, accesses go through them, arithmetic leaves them alone. */
		if (below(g, 12)) {
			static const uint8_t pointers[] = { 6, 7, 10, 6, 7, 10, 8 };
			int pointer = pointers[below(g, sizeof pointers)];

			if (row->shape == SHAPE_LOAD) {
				src = pointer;
				dst = (int)below(g, 6);
			} else if (row->shape == SHAPE_STORE_X || row->shape == SHAPE_STORE_K || row->shape == SHAPE_ATOMIC) {
				dst = pointer;
				src = (int)below(g, 6);
			} else {
				dst = (int)below(g, 6);
			}
		}
		switch (row->shape) {
		case SHAPE_ALU_K: dst %= 10; src = 0; break;
		case SHAPE_ALU_X: dst %= 10; imm = 0; break;
		case SHAPE_UN: dst %= 10; src = 0; imm = 0; break;
		case SHAPE_JCC_K: src = 0; off = (int)below(g, 12) - 4; break;
		case SHAPE_JCC_X: imm = 0; off = (int)below(g, 12) - 4; break;
		case SHAPE_LOAD: dst %= 10; imm = 0; off = (int16_t)(below(g, 30) ? (int)below(g, 4) * 8 - 32 : immediate(g)); break;
		case SHAPE_STORE_X: imm = 0; off = (int16_t)(below(g, 30) ? (int)below(g, 4) * 8 - 32 : immediate(g)); break;
		case SHAPE_STORE_K: src = 0; off = (int16_t)(below(g, 30) ? (int)below(g, 4) * 8 - 32 : immediate(g)); break;
		case SHAPE_ATOMIC: src %= 10; imm = 0; off = (int)below(g, 4) * 8 - 32; break;
		case SHAPE_WIDE:
			dst %= 10;
			if (op == OP_LDDW) {
				load_const(g, dst, gen_value(&g->random));
			} else if (op == OP_LD_FUNC) {
				emit(g, op, dst, 0, 0, (int32_t)below(g, 20) - 10);
				put(g, (struct raw_insn){ 0 });
			} else if (op == OP_LD_MAPVAL) {
				load_memory_address(g, dst, below(g, GEN_BYTES));
			} else {
				emit(g, op, dst, 0, 0, 0);
				put(g, (struct raw_insn){ 0 });
			}
			continue;
		case SHAPE_JA: dst = src = 0; off = (int)below(g, 12) - 3; imm = 0; break;
		case SHAPE_CALL:
			if (!helpers)
				continue;
			dst = src = 0;
			imm = 0x10001 + (int32_t)below(g, 14);
			break;
		case SHAPE_LOCAL: dst = src = 0; imm = (int32_t)below(g, 30) - 10; break;
		case SHAPE_CALLX: dst %= 10; src = 0; imm = 0; break;
		case SHAPE_EXIT: dst = src = 0; imm = 0; if (below(g, 4)) continue; break;
		default: continue;
		}
		if (op == OP_JA32) {
			imm = off;
			off = 0;
		}
		emit(g, op, dst, src, off, imm);
	}
	emit(g, OP_EXIT, 0, 0, 0, 0);
}
