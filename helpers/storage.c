/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* storage.c - helpers on maps that programs seldom run through: queues, other CPUs' values, local storages; knows no
 * map type. */
#include "helpers/families.h"

enum { STORAGE_CREATE = 1 /* BPF_LOCAL_STORAGE_GET_F_CREATE */ };

FN(map_lookup_percpu_elem)
{
	struct uebpf_map *map = ptr(r1);

	if (!map->ops->more->lookup_cpu || (uint32_t)r3 >= map->cpu_slots)
		return 0;
	return (uintptr_t)map->ops->more->lookup_cpu(map, ptr(r2), (uint32_t)r3);
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

/* ---- storages ---- */

FN(task_storage_get)
{
	struct uebpf_map *map = ptr(r1);

	if (!r2 || r4 & ~(uint64_t)STORAGE_CREATE || !map->ops->more->storage)
		return 0;
	return (uintptr_t)map->ops->more->storage(map, r2, ptr(r3), r4 & STORAGE_CREATE);
}

FN(task_storage_delete)
{
	struct uebpf_map *map = ptr(r1);

	if (!r2)
		return ERR(EINVAL);
	return map->ops->more->storage_remove ? (uint64_t)map->ops->more->storage_remove(map, r2)
					: ERR(EOPNOTSUPP);
}

FN(get_local_storage)
{
	struct uebpf_map *map = ptr(r1);

	return (uintptr_t)map->ops->lookup(map, NULL, call);
}

/* A socket's is the same by another owner. */
#define SAME(name, as) FN(name) __attribute__((alias("helper_" #as)));
SAME(sk_storage_get, task_storage_get)
SAME(sk_storage_delete, task_storage_delete)
