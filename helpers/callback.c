/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* callback.c - the helpers that call a function of the program again and again. */
#include "helpers/families.h"

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
