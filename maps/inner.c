/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inner.c - array of maps and hash of maps.
 *
 * A slot holds the number of an inner map in this process's list.  A program that looked an inner
 * map up may use it while another thread replaces it, so each different map that was ever put in is
 * referenced until the outer map is freed. */
#include <string.h>
#include "maps/array.h"
#include "maps/hash.h"
#include "maps/inner.h"
#include "vm/mem.h"
#include "vm/message.h"

enum { FIRST_CHUNK = 16, CHUNKS = 28 };

/* Number n is in chunk log2(n / 16 + 1): readers never see a chunk move. */
struct inner_list {
	struct map_lock lock;
	_Atomic uint32_t n;
	struct uebpf_map **chunk[CHUNKS];
};
struct array_of_maps { struct map_local local; struct inner_list list; };
struct hash_of_maps { struct hash_map hash; struct inner_list list; };

static struct inner_list *list_of(struct uebpf_map *map)
{
	return map->ops->traits & MT_HASH ? &((struct hash_of_maps *)map)->list :
					    &((struct array_of_maps *)map)->list;
}

static struct uebpf_map **list_slot(struct inner_list *list, uint32_t i, uint32_t *chunk)
{
	uint32_t c = 0, first = 0, size = FIRST_CHUNK;

	while (i - first >= size) {
		first += size;
		size *= 2;
		c++;
	}
	*chunk = c;
	return list->chunk[c] ? &list->chunk[c][i - first] : NULL;
}

static struct uebpf_map *list_get(struct inner_list *list, uint32_t number)
{
	uint32_t chunk;

	if (!number || number > atomic_load_explicit(&list->n, memory_order_acquire))
		return NULL;
	return *list_slot(list, number - 1, &chunk);
}

/* Number of `inner`, added when it is new; 0: out of memory. */
static uint32_t list_add(struct map_local *local, struct inner_list *list, struct uebpf_map *inner)
{
	uint32_t n = atomic_load_explicit(&list->n, memory_order_relaxed), chunk;
	struct uebpf_map **slot;

	for (uint32_t i = 0; i < n; i++)
		if (*list_slot(list, i, &chunk) == inner)
			return i + 1;
	slot = list_slot(list, n, &chunk);
	if (!slot) {
		list->chunk[chunk] = mem_array(local->host, (size_t)FIRST_CHUNK << chunk, sizeof(*slot));
		slot = list_slot(list, n, &chunk);
	}
	if (!slot)
		return 0;
	*slot = uebpf_map_ref(inner);
	atomic_store_explicit(&list->n, n + 1, memory_order_release);
	return n + 1;
}

static void list_free(struct uebpf_map *map)
{
	struct inner_list *list = list_of(map);
	uint32_t n = atomic_load(&list->n), chunk;

	for (uint32_t i = 0; i < n; i++)
		uebpf_map_unref(*list_slot(list, i, &chunk));
	for (uint32_t c = 0; c < CHUNKS; c++)
		mem_free(map_local(map)->host, list->chunk[c],
			 ((size_t)FIRST_CHUNK << c) * sizeof(struct uebpf_map *));
}

/* The kernel's map_meta_equal. */
static bool same_shape(const struct uebpf_map *a, const struct uebpf_map *b)
{
	return a->type == b->type && a->key_size == b->key_size && a->value_size == b->value_size &&
	       a->flags == b->flags && a->spin_lock_off == b->spin_lock_off &&
	       (!(a->ops->traits & MT_ARRAY) || (a->flags & BPF_F_INNER_MAP) ||
		a->max_entries == b->max_entries) &&
	       (!(a->ops->traits & MT_RINGBUF) || a->max_entries == b->max_entries);
}

/* Of an array of maps; 0 for a hash. */
static int index_of(const struct uebpf_map *map, const void *key, uint64_t flags, uint32_t *index)
{
	*index = 0;
	if (map->ops->traits & MT_HASH)
		return 0;
	memcpy(index, key, sizeof(*index));
	return flags != BPF_ANY ? -EINVAL : *index >= map->max_entries ? -E2BIG : 0;
}

int inner_set(struct uebpf_map *map, const void *key, struct uebpf_map *inner, uint64_t flags)
{
	struct map_local *local = map_local(map);
	struct inner_list *list = list_of(map);
	uint32_t number, index;
	int r = index_of(map, key, flags, &index);

	if (r)
		return r;
	if (!inner)
		return (int)map->ops->remove(map, key);
	if (!same_shape(map->inner, inner))
		return -EINVAL;
	r = lock_take(local, &list->lock);
	if (r < 0)
		return r;
	number = list_add(local, list, inner);
	lock_give(&list->lock);
	if (!number)
		return -ENOMEM;
	if (map->ops->traits & MT_HASH)
		return (int)hash_update(map, key, &number, flags, NULL);
	atomic_store_explicit((_Atomic uint32_t *)map->base + index, number, memory_order_release);
	return 0;
}

static int check_value(const struct uebpf_map_opts *o, const char **why)
{
	if (o->value_size == 4)
		return 0;
	*why = MESSAGE_TEXT("values of a map of maps are 4 bytes");
	return -EINVAL;
}

/* bpf() takes the inner map's descriptor here; ours have none: uebpf_map_set_inner. */
static int inner_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	uint32_t index;
	int r = index_of(map, key, flags, &index);

	(void)value;
	return r ? r : -EBADF;
}

/* ---- array of maps ---- */

static int array_of_maps_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = check_value(o, why);

	return r ? r : array_check(o, why);
}

static size_t array_of_maps_bytes(const struct uebpf_map *map)
{
	return (size_t)map->max_entries * sizeof(uint32_t);
}

static int array_of_maps_init(struct uebpf_map *map, bool fresh)
{
	(void)map;
	(void)fresh;
	return 0;
}

static uint32_t number_at(struct uebpf_map *map, const void *key)
{
	uint32_t i;

	memcpy(&i, key, sizeof(i));
	return i < map->max_entries ?
	       atomic_load_explicit((_Atomic uint32_t *)map->base + i, memory_order_acquire) : 0;
}

static void *array_of_maps_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	(void)call;
	return list_get(list_of(map), number_at(map, key));
}

/* The kernel returns the inner map's id; here it is its number in the outer map. */
static int array_of_maps_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	uint32_t number = number_at(map, key);

	(void)flags;
	if (!number)
		return -ENOENT;
	memcpy(value, &number, sizeof(number));
	return 0;
}

static long array_of_maps_remove(struct uebpf_map *map, const void *key)
{
	uint32_t i;

	memcpy(&i, key, sizeof(i));
	if (i >= map->max_entries)
		return -E2BIG;
	return atomic_exchange((_Atomic uint32_t *)map->base + i, 0) ? 0 : -ENOENT;
}

/* ---- hash of maps ---- */

static int hash_of_maps_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = check_value(o, why);

	return r ? r : hash_check(o, why);
}

static void *hash_of_maps_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	uint32_t *number = hash_lookup(map, key, call);

	return number ? list_get(list_of(map), atomic_load_explicit((_Atomic uint32_t *)number,
								    memory_order_acquire)) : NULL;
}

const struct map_ops array_of_maps_ops = {
	.more = &map_no_more,
	.name = "array_of_maps", .type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .traits = MT_MAPS,
	.flags = BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY, .check = array_of_maps_check,
	.bytes = array_of_maps_bytes, .handle_size = sizeof(struct array_of_maps),
	.init = array_of_maps_init, .fini = list_free, .lookup = array_of_maps_lookup,
	.user_lookup = array_of_maps_user_lookup, .user_update = inner_user_update,
	.remove = array_of_maps_remove, .next_key = array_next_key,
};
const struct map_ops hash_of_maps_ops = {
	.more = &map_no_more,
	.name = "hash_of_maps", .type = BPF_MAP_TYPE_HASH_OF_MAPS, .traits = MT_MAPS | MT_HASH,
	.flags = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | BPF_F_RDONLY | BPF_F_WRONLY,
	.may = UEBPF_MAY_LOCK, .check = hash_of_maps_check, .bytes = hash_bytes,
	.handle_size = sizeof(struct hash_of_maps), .init = hash_init, .fini = list_free,
	.lookup = hash_of_maps_lookup, .user_lookup = hash_user_lookup,
	.user_update = inner_user_update, .remove = hash_remove, .next_key = hash_next_key,
};
