/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inline.c - calls of maps, control flow and text as instructions, where the verifier knows what matters of them. */
#include "helpers/families.h"

static int map_inline(const struct call_site *site, enum map_call what, struct insn *out, int cap)
{
	const struct uebpf_map *map = site->map;

	return map && map->ops->inline_call ? map->ops->inline_call(map, what, out, cap) : 0;
}

/* An element of a plain array never moves: with a known index the result is a constant. */
int map_lookup_inliner(const struct call_site *site, struct insn *out, int cap)
{
	struct uebpf_map *map = (struct uebpf_map *)site->map;
	void *value;

	if (!map || cap < 1)
		return 0;
	if ((map->ops->traits & (MT_ARRAY | MT_PERCPU | MT_MAPS | MT_PROGS)) == MT_ARRAY && site->key_known &&
	    map->key_size == sizeof site->key && map->ops->inline_call) {	/* a mirror asks the kernel each time */
		value = map->ops->lookup(map, &site->key, NULL);
		out[0] = (struct insn){ .op = OP_LDDW, .steps = 1, .imm = (int64_t)(uintptr_t)value };
		return 1;
	}
	return map_inline(site, site->key_inside ? MAP_CALL_LOOKUP_INSIDE : MAP_CALL_LOOKUP, out, cap);
}

int map_update_inliner(const struct call_site *site, struct insn *out, int cap)
{
	return map_inline(site, MAP_CALL_UPDATE, out, cap);
}

int map_delete_inliner(const struct call_site *site, struct insn *out, int cap)
{
	return map_inline(site, MAP_CALL_REMOVE, out, cap);
}

int ring_reserve_inliner(const struct call_site *site, struct insn *out, int cap)
{
	return map_inline(site, MAP_CALL_RESERVE, out, cap);
}

/* The slot is read in place, and what is compiled jumps from here into what the program's struct names. */
int tail_inliner(const struct call_site *site, struct insn *out, int cap)
{
	enum { SLOT = 10, END = 3 };
	int n = cap >= SLOT + END && site->code->compiled ? map_inline(site, MAP_CALL_PROG, out, SLOT) : 0;

	if (!n)
		return 0;
	out[n] = (struct insn){ .op = OP_CALL, .dst = CALL_PROG, .imm = (int64_t)(intptr_t)tail_to };
	out[n + 1] = (struct insn){ .op = OP_JA, .off = n + END };
	out[n + 2] = (struct insn){ .op = OP_MOV64_K, .dst = 0, .imm = -ENOENT };
	return n + END;
}

/* Instruction `at` of the n written calls the function that is argument 1. */
static int calling(const struct call_site *site, struct insn *out, int n, int at)
{
	const struct subprog *sub = &site->code->sub[site->arg[1]];

	if (n) {
		out[at].off = (int32_t)sub->start;
		out[at].imm = sub->zero;
	}
	return n;
}

/* helper_loop with a function that is known: r6-r8 hold the end, the count and the context, and what they were
 * goes to words below the frame meanwhile. */
int loop_inliner(const struct call_site *site, struct insn *out, int cap)
{
	enum { WORD_0 = 1, WORD_1, WORD_2, MOST, INVALID, TOO_MANY, ONE, CALL = 12, SIZE = 24 };
	const int64_t arg[] = { site->scratch, site->scratch + 8, site->scratch + 16, LOOP_LIMIT, -EINVAL, -E2BIG, 1 };
	static const struct pattern code[] = {
		{ .op = OP_JNE64_K, .dst = 4, .off = 21 },
		{ .op = OP_MOV32_X, .dst = 0, .src = 1 },
		{ .op = OP_JGT64_K, .dst = 0, .arg = MOST, .off = 23 },
		{ .op = OP_STX_DW, .dst = 10, .src = 6, .off = OFF_ARG, .arg = WORD_0 },
		{ .op = OP_STX_DW, .dst = 10, .src = 7, .off = OFF_ARG, .arg = WORD_1 },
		{ .op = OP_STX_DW, .dst = 10, .src = 8, .off = OFF_ARG, .arg = WORD_2 },
		{ .op = OP_MOV64_X, .dst = 6, .src = 0 },
		{ .op = OP_MOV64_X, .dst = 8, .src = 3 },
		{ .op = OP_MOV64_K, .dst = 7 },
		{ .op = OP_JEQ64_K, .dst = 6, .off = 16 },
		{ .op = OP_MOV64_X, .dst = 1, .src = 7 },
		{ .op = OP_MOV64_X, .dst = 2, .src = 8 },
		{ .op = OP_CALL_LOCAL },
		{ .op = OP_ADD64_K, .dst = 7, .arg = ONE },
		{ .op = OP_JNE64_K, .dst = 0, .off = 16 },
		{ .op = OP_JLT64_X, .dst = 7, .src = 6, .off = 10 },
		{ .op = OP_MOV64_X, .dst = 0, .src = 7 },
		{ .op = OP_LD_DW, .dst = 6, .src = 10, .off = OFF_ARG, .arg = WORD_0 },
		{ .op = OP_LD_DW, .dst = 7, .src = 10, .off = OFF_ARG, .arg = WORD_1 },
		{ .op = OP_LD_DW, .dst = 8, .src = 10, .off = OFF_ARG, .arg = WORD_2 },
		{ .op = OP_JA, .off = SIZE },
		{ .op = OP_MOV64_K, .dst = 0, .arg = INVALID },
		{ .op = OP_JA, .off = SIZE },
		{ .op = OP_MOV64_K, .dst = 0, .arg = TOO_MANY },
	};

	if (!(site->known & 2) || !site->scratch)
		return 0;
	return calling(site, out, WRITE(out, cap, code, arg), CALL);
}

/* helper_for_each_map_elem over values that lie side by side: r6-r8 hold the index, the value and the context, a
 * fourth word the key. */
int each_inliner(const struct call_site *site, struct insn *out, int cap)
{
	enum { WORD_0 = 1, WORD_1, WORD_2, KEY, MAP, FIRST, STRIDE, END, INVALID, ONE, ROUND = 7, CALL = 13, SIZE = 24 };
	const struct uebpf_map *map = site->map;
	static const struct pattern code[SIZE] = {
		{ .op = OP_JNE64_K, .dst = 4, .off = 23 },
		{ .op = OP_STX_DW, .dst = 10, .src = 6, .off = OFF_ARG, .arg = WORD_0 },
		{ .op = OP_STX_DW, .dst = 10, .src = 7, .off = OFF_ARG, .arg = WORD_1 },
		{ .op = OP_STX_DW, .dst = 10, .src = 8, .off = OFF_ARG, .arg = WORD_2 },
		{ .op = OP_MOV64_X, .dst = 8, .src = 3 },
		{ .op = OP_LDDW, .dst = 7, .arg = FIRST },
		{ .op = OP_MOV64_K, .dst = 6 },
		{ .op = OP_STX_W, .dst = 10, .src = 6, .off = OFF_ARG, .arg = KEY },
		{ .op = OP_LDDW, .dst = 1, .arg = MAP },
		{ .op = OP_MOV64_X, .dst = 2, .src = 10 },
		{ .op = OP_ADD64_K, .dst = 2, .arg = KEY },
		{ .op = OP_MOV64_X, .dst = 3, .src = 7 },
		{ .op = OP_MOV64_X, .dst = 4, .src = 8 },
		{ .op = OP_CALL_LOCAL },
		{ .op = OP_ADD64_K, .dst = 6, .arg = ONE },
		{ .op = OP_ADD64_K, .dst = 7, .arg = STRIDE },
		{ .op = OP_JNE64_K, .dst = 0, .off = 18 },
		{ .op = OP_JNE64_K, .dst = 6, .off = ROUND, .arg = END },
		{ .op = OP_MOV64_X, .dst = 0, .src = 6 },
		{ .op = OP_LD_DW, .dst = 6, .src = 10, .off = OFF_ARG, .arg = WORD_0 },
		{ .op = OP_LD_DW, .dst = 7, .src = 10, .off = OFF_ARG, .arg = WORD_1 },
		{ .op = OP_LD_DW, .dst = 8, .src = 10, .off = OFF_ARG, .arg = WORD_2 },
		{ .op = OP_JA, .off = SIZE },
		{ .op = OP_MOV64_K, .dst = 0, .arg = INVALID },
	};

	if (!map || !(site->known & 2) || !site->scratch || !map->ops->inline_call || !map->values.stride ||
	    (map->ops->traits & (MT_ARRAY | MT_PERCPU | MT_MAPS | MT_PROGS)) != MT_ARRAY || map->max_entries > INT32_MAX)
		return 0;
	const int64_t arg[] = { site->scratch, site->scratch + 8, site->scratch + 16, site->scratch + 24, (intptr_t)map,
				(int64_t)(map->values.lo + map->values.first), map->values.stride, map->max_entries,
				-EINVAL, 1 };

	return calling(site, out, WRITE(out, cap, code, arg), CALL);
}

/* helper_strncmp with a string and a length that are known.  A NUL ends both at once or makes them differ, so
 * that it is a comparison of bytes up to the string's own; words are compared as they lie in memory and,
 * where they differ, once more in the order of their bytes. */
int strncmp_inliner(const struct call_site *site, struct insn *out, int cap)
{
	enum { LESS = 1, MORE, END, GREATER, SIZE = 8, LONGEST = 256 };
	static const uint16_t load[] = { [1] = OP_LD_B, [2] = OP_LD_H, [4] = OP_LD_W, [8] = OP_LD_DW };
	static const struct pattern tail[SIZE] = {
		{ .op = OP_MOV64_K, .dst = 0 },
		{ .op = OP_JA, .off = OFF_ARG, .arg = END },
		{ .op = OP_BE64, .dst = 0 },
		{ .op = OP_BE64, .dst = 3 },
		{ .op = OP_JGT64_X, .dst = 0, .src = 3, .off = OFF_ARG, .arg = GREATER },
		{ .op = OP_MOV64_K, .dst = 0, .arg = LESS },
		{ .op = OP_JA, .off = OFF_ARG, .arg = END },
		{ .op = OP_MOV64_K, .dst = 0, .arg = MORE },
	};
	const char *text = ptr(site->arg[2]);
	uint32_t n, size, at = 0;
	int used = 0, words;

	if ((site->known & 6) != 6)
		return 0;
	n = (uint32_t)strnlen(text, site->arg[1] < LONGEST ? site->arg[1] : LONGEST);
	n += n < site->arg[1];
	size = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;
	words = 3 * (int)((n + size - 1) / size);
	if (!n || n > LONGEST || words + SIZE > cap)
		return 0;
	for (; at < n; at += size) {
		if (at > n - size)	/* some bytes twice */
			at = n - size;
		out[used++] = (struct insn){ .op = load[size], .dst = 0, .src = 1, .off = (int32_t)at };
		out[used++] = (struct insn){ .op = OP_LDDW, .dst = 3,
					     .imm = (int64_t)call_read((uintptr_t)text + at, size) };
		out[used++] = (struct insn){ .op = OP_JNE64_X, .dst = 0, .src = 3, .off = words + 2 };
	}
	const int64_t arg[] = { -1, 1, words + SIZE, words + SIZE - 1 };

	return used + WRITE(out + used, cap - used, tail, arg);
}
