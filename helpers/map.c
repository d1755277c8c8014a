/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.c - the helpers on maps that programs run through most, by the operations of struct map_ops; knows no map
 * type.  The others are in storage.c, what stands in place of a call in inline.c. */
#include "helpers/families.h"

FN(map_lookup_elem)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->lookup ? (uintptr_t)map->ops->lookup(map, ptr(r2), call) : 0;
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

/* ---- control flow ---- */

/* With the program in r2. */
uint64_t tail_to(uint64_t r1 UNUSED, uint64_t r2, uint64_t r3 UNUSED, uint64_t r4 UNUSED, uint64_t r5 UNUSED,
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
