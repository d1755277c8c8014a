/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* types.c - the table of map types, one row a type. */
#include "maps/maps.h"

const struct map_more map_no_more;

static const struct map_ops *const rows[] = {
	&array_ops, &percpu_array_ops, &hash_ops, &percpu_hash_ops, &lru_hash_ops, &lru_percpu_hash_ops,
	&lpm_trie_ops, &prog_array_ops, &array_of_maps_ops, &hash_of_maps_ops, &queue_ops, &stack_ops,
	&bloom_ops, &ringbuf_ops, &user_ringbuf_ops, &perf_event_array_ops, &cgroup_array_ops,
	&stack_trace_ops, &devmap_ops, &devmap_hash_ops, &cpumap_ops, &xskmap_ops, &sockmap_ops,
	&sockhash_ops, &reuseport_array_ops, &task_storage_ops, &sk_storage_ops, &inode_storage_ops,
	&cgrp_storage_ops, &arena_ops, &cgroup_storage_ops, &percpu_cgroup_storage_ops,
};

const struct map_ops *map_ops_at(uint32_t i)
{
	return i < sizeof(rows) / sizeof(rows[0]) ? rows[i] : NULL;
}

const struct map_ops *map_ops_find(uint32_t type)
{
	const struct map_ops *ops;

	for (uint32_t i = 0; (ops = map_ops_at(i)); i++)
		if (ops->type == type)
			return ops;
	return NULL;
}
