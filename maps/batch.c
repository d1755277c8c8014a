/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* batch.c - many elements in one call. */
#include <string.h>
#include "maps/maps.h"
#include "vm/spin.h"

static size_t value_bytes(const struct uebpf_map *map)
{
	return map->ops->traits & MT_PERCPU ? (size_t)map->cpu_slots * map->value_stride : map->value_size;
}

int uebpf_map_lookup_batch(struct uebpf_map *map, const void *from, void *keys, void *values, uint32_t *count,
			   int remove)
{
	uint8_t *key = keys, *value = values;
	uint32_t want = *count, n = 0, misses = 0;
	bool together;
	int r = 0;

	*count = 0;
	if (!map->key_size)
		return -ENOTSUPP;
	if (remove && !may_write(map))	/* also where there is nothing to remove */
		return -EPERM;
	together = spin_together();
	while (n < want) {
		r = uebpf_map_next_key(map, from, key);
		if (r)
			break;
		r = remove ? uebpf_map_lookup_delete(map, key, value) : uebpf_map_lookup(map, key, value);
		if (!remove)
			from = key;
		/* Another thread was first; the walk starts again.  (For ever where a peer put a key into the wrong bucket.) */
		if (r == -ENOENT && remove && (!map_local(map)->hostile || ++misses < HOSTILE_TRIES))
			continue;
		if (r == -ENOENT && !remove) {	/* gone, or an empty slot: its key still leads on where order is by index */
			uint32_t tries = 0, most = map_local(map)->hostile ? HOSTILE_TRIES : 3 + map->max_entries;
			uint8_t *ahead = key;

			while (r == -ENOENT && tries++ < most) {
				r = uebpf_map_next_key(map, ahead, key);
				if (!r)
					r = uebpf_map_lookup(map, key, value);
				else
					goto out;
			}
		}
		if (r)
			break;
		n++;
		key += map->key_size;
		value += value_bytes(map);
	}
out:
	spin_apart(together);
	*count = n;
	return r;
}

int uebpf_map_update_batch(struct uebpf_map *map, const void *keys, const void *values, uint32_t *count,
			   uint64_t flags)
{
	uint32_t want = *count;
	bool together = spin_together();
	int r = 0;

	for (*count = 0; *count < want && !r; *count += !r)
		r = uebpf_map_update(map, (const uint8_t *)keys + (size_t)*count * map->key_size,
				     (const uint8_t *)values + *count * value_bytes(map), flags);
	spin_apart(together);
	return r;
}

int uebpf_map_delete_batch(struct uebpf_map *map, const void *keys, uint32_t *count)
{
	uint32_t want = *count;
	bool together = spin_together();
	int r = 0;

	for (*count = 0; *count < want && !r; *count += !r)
		r = uebpf_map_delete(map, (const uint8_t *)keys + (size_t)*count * map->key_size);
	spin_apart(together);
	return r;
}
