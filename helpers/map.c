/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.c - helpers on maps, through the operations of struct map_ops; knows no map type. */
#include "helpers/families.h"

enum { STORAGE_CREATE = 1 /* BPF_LOCAL_STORAGE_GET_F_CREATE */ };

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

FN(map_lookup_elem)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->lookup ? (uintptr_t)map->ops->lookup(map, ptr(r2), call) : 0;
}

FN(map_lookup_percpu_elem)
{
	struct uebpf_map *map = ptr(r1);

	if (!map->ops->more->lookup_cpu || (uint32_t)r3 >= map->cpu_slots)
		return 0;
	return (uintptr_t)map->ops->more->lookup_cpu(map, ptr(r2), (uint32_t)r3);
}

FN(map_update_elem)
{
	struct uebpf_map *map = ptr(r1);

	/* a socket of the host's has no number that a map could keep */
	return map->ops->update && !map->ops->object ? (uint64_t)map->ops->update(map, ptr(r2), ptr(r3), r4, call)
				: ERR(EOPNOTSUPP);
}

FN(map_delete_elem)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->remove ? (uint64_t)map->ops->remove(map, ptr(r2)) : ERR(EOPNOTSUPP);
}

FN(map_push_elem)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->more->push ? (uint64_t)map->ops->more->push(map, ptr(r2), r3) : ERR(EOPNOTSUPP);
}

FN(map_pop_elem)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->more->pop ? (uint64_t)map->ops->more->pop(map, ptr(r2)) : ERR(EOPNOTSUPP);
}

FN(map_peek_elem)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->more->peek ? (uint64_t)map->ops->more->peek(map, ptr(r2)) : ERR(EOPNOTSUPP);
}

/* ---- control flow ---- */

/* With the program in r2. */
static uint64_t tail_to(uint64_t r1 UNUSED, uint64_t r2, uint64_t r3 UNUSED, uint64_t r4 UNUSED, uint64_t r5 UNUSED,
			struct uebpf_call *call)
{
	const struct uebpf_prog *prog = ptr(r2);

	if (!prog || !prog->code || call->tails >= TAIL_LIMIT)
		return ERR(ENOENT);
	call->tail = prog->code;	/* the engine counts, and goes there */
	return 0;
}

FN(tail_call)
{
	struct uebpf_map *map = ptr(r2);

	return tail_to(r1, map->ops->more->prog ? (uintptr_t)map->ops->more->prog(map, (uint32_t)r3) : 0, r3, r4, r5, call);
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

FN(loop)
{
	uint32_t n = (uint32_t)r1, i;

	if (r4)
		return ERR(EINVAL);
	if (n > LOOP_LIMIT)
		return ERR(E2BIG);
	for (i = 0; i < n; i++)
		if (call->callback(call, r2, i, r3, 0, 0, 0) || call->status)
			return i + 1;
	return i;
}

struct visit {
	struct uebpf_call *call;
	struct uebpf_map *map;
	uint64_t fn, ctx;
};

/* A checked run may touch key and value while it is in the callback. */
static uint64_t visit_element(void *arg, void *key, void *value)
{
	struct visit *visit = arg;
	struct uebpf_call *call = visit->call;
	bool checked = call->code->checked, fresh = false;
	uint64_t stop;

	if (checked) {
		call_add_region(call, key, visit->map->key_size, ACCESS_READ);
		fresh = !call_may_access(call, (uintptr_t)value, visit->map->value_size, ACCESS_READ);
		if (fresh)
			call_add_region(call, value, visit->map->value_size, ACCESS_READ | ACCESS_WRITE);
	}
	stop = call->callback(call, visit->fn, (uintptr_t)visit->map, (uintptr_t)key, (uintptr_t)value,
			      visit->ctx, 0);
	if (fresh)
		call_drop_region(call, value);
	if (checked)
		call_drop_region(call, key);
	return stop || call->status;
}

FN(for_each_map_elem)
{
	struct uebpf_map *map = ptr(r1);
	struct visit visit = { .call = call, .map = map, .fn = r2, .ctx = r3 };

	if (r4)
		return ERR(EINVAL);
	return map->ops->for_each ? (uint64_t)map->ops->for_each(map, visit_element, &visit, call)
				  : ERR(EOPNOTSUPP);
}

/* ---- storages ---- */

static uint64_t storage_get(struct uebpf_map *map, uint64_t owner, uint64_t init, uint64_t flags)
{
	if (!owner || flags & ~(uint64_t)STORAGE_CREATE || !map->ops->more->storage)
		return 0;
	return (uintptr_t)map->ops->more->storage(map, owner, ptr(init), flags & STORAGE_CREATE);
}

static uint64_t storage_delete(struct uebpf_map *map, uint64_t owner)
{
	if (!owner)
		return ERR(EINVAL);
	return map->ops->more->storage_remove ? (uint64_t)map->ops->more->storage_remove(map, owner)
					: ERR(EOPNOTSUPP);
}

FN(task_storage_get)
{
	return storage_get(ptr(r1), r2, r3, r4);
}

FN(task_storage_delete)
{
	return storage_delete(ptr(r1), r2);
}

FN(get_local_storage)
{
	struct uebpf_map *map = ptr(r1);

	return (uintptr_t)map->ops->lookup(map, NULL, call);
}

FN(sk_storage_get)
{
	return storage_get(ptr(r1), r2, r3, r4);
}

FN(sk_storage_delete)
{
	return storage_delete(ptr(r1), r2);
}
