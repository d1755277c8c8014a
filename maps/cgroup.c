/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cgroup.c - cgroup_storage and its per-CPU twin (kernel/bpf/local_storage.c).
 *
 * In the kernel a value belongs to a program attached to a cgroup.  Here there are no cgroups: a map has
 * one value, which the programs of its object share and bpf_get_local_storage returns; to the user side it
 * is the element whose key is all zeroes. */
#include <string.h>
#include "maps/array.h"
#include "vm/message.h"

enum { KEY_LONG = 16, KEY_SHORT = 8 /* struct bpf_cgroup_storage_key; only its cgroup id */, MAX_VALUE = 64 << 10 };

static int check(const struct uebpf_map_opts *o, uint32_t most, const char **why)
{
	*why = MESSAGE_TEXT("a cgroup storage has a key of 8 or 16 bytes, a value of at most 64 KB (per-CPU: 32 KB), and max_entries 0");
	if ((o->key_size != KEY_LONG && o->key_size != KEY_SHORT) || !o->value_size || o->max_entries)
		return -EINVAL;
	return o->value_size > most ? -E2BIG : 0;
}

static int cgroup_check(const struct uebpf_map_opts *o, const char **why) { return check(o, MAX_VALUE, why); }
static int percpu_check(const struct uebpf_map_opts *o, const char **why)
{
	return check(o, PERCPU_MAX_VALUE, why);
}

static size_t one_value(const struct uebpf_map *map)
{
	return map->ops->traits & MT_PERCPU ? percpu_slot_stride(1, map->value_stride) * map->cpu_slots
					    : map->value_stride;
}

static int cgroup_init(struct uebpf_map *map, bool fresh)
{
	const struct map_ops *array = map->ops->traits & MT_PERCPU ? &percpu_array_ops : &array_ops;
	int r;

	map->max_entries = 1;	/* for the array whose functions serve it */
	r = array->init(map, fresh);
	map->max_entries = 0;
	map->values.hi = map->values.lo + one_value(map);
	return r;
}

static uint8_t *value_of(struct uebpf_map *map, struct uebpf_call *call)
{
	int slot = map->ops->traits & MT_PERCPU ? map_slot(map_local(map), call) : 0;

	return slot < 0 ? NULL : (uint8_t *)map->base + (uint32_t)slot * percpu_slot_stride(1, map->value_stride);
}

static void *cgroup_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	(void)key;
	return value_of(map, call);
}

static bool is_only(const struct uebpf_map *map, const void *key)
{
	static const uint8_t zero[KEY_LONG];

	return !memcmp(key, zero, map->key_size);
}

static int cgroup_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)flags;
	if (!is_only(map, key))
		return -ENOENT;
	if (map->ops->traits & MT_PERCPU)
		percpu_user_load(map, map->base, percpu_slot_stride(1, map->value_stride), value);
	else
		value_load(map, value, map->base);
	return 0;
}

static int cgroup_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	if (flags & ~(uint64_t)(BPF_F_LOCK | BPF_EXIST))
		return -EINVAL;
	if (!is_only(map, key))
		return -ENOENT;
	if (map->ops->traits & MT_PERCPU)
		percpu_user_store(map, map->base, percpu_slot_stride(1, map->value_stride), value);
	else if (flags & BPF_F_LOCK)
		return value_store_locked(map, map->base, value);
	else
		value_store(map, map->base, value);
	return 0;
}

static int cgroup_next_key(struct uebpf_map *map, const void *key, void *next)
{
	if (key)
		return -ENOENT;
	memset(next, 0, map->key_size);
	return 0;
}

#define CGROUP_OPS \
	.flags = BPF_F_NUMA_NODE | MAP_ACCESS_FLAGS, .bytes = one_value, \
	.init = cgroup_init, .more = &map_no_more, .lookup = cgroup_lookup, .remove = array_remove, \
	.user_lookup = cgroup_user_lookup, .user_update = cgroup_user_update, .next_key = cgroup_next_key

const struct map_ops cgroup_storage_ops = {
	.name = "cgroup_storage", .type = BPF_MAP_TYPE_CGROUP_STORAGE, .traits = MT_NO_LOOKUP,
	.check = cgroup_check, .handle_size = sizeof(struct map_local), CGROUP_OPS,
};
const struct map_ops percpu_cgroup_storage_ops = {
	.name = "percpu_cgroup_storage", .type = BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
	.traits = MT_NO_LOOKUP | MT_PERCPU, .may = UEBPF_MAY_SYSCALL,
	.check = percpu_check, .handle_size = sizeof(struct percpu_array), CGROUP_OPS,
};
