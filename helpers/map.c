/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.c - the helpers on maps that programs run through most, by the operations of struct map_ops; knows no map
 * type.  The others are in storage.c and callback.c, what stands in place of a call in inline.c. */
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
