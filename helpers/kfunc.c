/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kfunc.c - functions that programs know from the kernel by name, not by number: pages of an arena, the
 * iterator of bpf_for() and bpf_repeat(), and pairs that mean something in a kernel only; of dynptrs: dynptr.c. */
#include "helpers/families.h"

/* ---- pages ---- */

static long pages(uint64_t map, enum map_pages what, uint64_t at, uint64_t n)
{
	struct uebpf_map *arena = ptr(map);

	return arena->ops->more->pages ? arena->ops->more->pages(arena, what, at, (uint32_t)n) : -EOPNOTSUPP;
}

enum { NODES = 1024 };		/* no x86 kernel knows more; which one memory comes from is the kernel's business */

FN(arena_alloc_pages)
{
	bool good = !r5 && (uint32_t)r3 && (uint32_t)r4 + 1 <= NODES;
	long at = good ? pages(r1, PAGES_TAKE, r2, r3) : -EINVAL;

	return at < 0 ? 0 : (uint64_t)at;
}

FN(arena_free_pages)
{
	if (r2)
		pages(r1, PAGES_GIVE, r2, r3);
	return 0;
}

FN(arena_reserve_pages)
{
	long at = (uint32_t)r3 ? pages(r1, PAGES_TAKE_AT, r2, r3) : 0;

	return at < 0 ? (uint64_t)at : 0;
}

/* ---- pairs ---- */

FN(rcu_read_lock)
{
	return 0;
}

FN(rcu_read_unlock)
{
	return 0;
}

FN(preempt_disable)
{
	return 0;
}

FN(preempt_enable)
{
	return 0;
}

/* ---- numbers ---- */

/* Eight bytes of the program's stack; a program may look at them and holds a pointer to `now`, as in the kernel. */
struct numbers { int32_t now, end; };

FN(iter_num_new)
{
	struct numbers *it = ptr(r1);
	int64_t begin = (int32_t)r2, end = (int32_t)r3;

	*it = (struct numbers){ 0, 0 };
	if (begin > end)
		return ERR(EINVAL);
	if (end - begin > LOOP_LIMIT)
		return ERR(E2BIG);
	*it = (struct numbers){ (int32_t)(begin - 1), (int32_t)end };	/* wraps where the kernel's does */
	return 0;
}

FN(iter_num_next)
{
	struct numbers *it = ptr(r1);
	int32_t next = (int32_t)((uint32_t)it->now + 1);

	if (next < it->end) {
		it->now = next;
		return r1;
	}
	*it = (struct numbers){ 0, 0 };
	return 0;
}

int numbers_inliner(const struct call_site *site, struct insn *out, int cap)
{
	enum { NOW = 1, END, ONE };
	static const int64_t arg[] = { 0, 4, 1 };
	static const struct pattern code[] = {
		{ .op = OP_LD_W, .dst = 2, .src = 1, .off = OFF_ARG, .arg = NOW },
		{ .op = OP_LD_W, .dst = 3, .src = 1, .off = OFF_ARG, .arg = END },
		{ .op = OP_ADD32_K, .dst = 2, .arg = ONE },
		{ .op = OP_MOV64_K, .dst = 0 },
		{ .op = OP_JSGE32_X, .dst = 2, .src = 3, .off = 8 },
		{ .op = OP_STX_W, .dst = 1, .src = 2, .off = OFF_ARG, .arg = NOW },
		{ .op = OP_MOV64_X, .dst = 0, .src = 1 },
		{ .op = OP_JA, .off = 9 },
		{ .op = OP_STX_DW, .dst = 1, .src = 0, .off = OFF_ARG, .arg = NOW },
	};

	(void)site;
	return WRITE(out, cap, code, arg);
}

FN(iter_num_destroy)
{
	*(struct numbers *)ptr(r1) = (struct numbers){ 0, 0 };
	return 0;
}
