/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* owned.c - local storage: a value for each owner (kernel/bpf/bpf_local_storage.c).
 *
 * The owner is a 64-bit number: the thread id for task storage, the host's cookie for sockets,
 * inodes and cgroups.  From the user side a key is the owner's number where bpf() takes a
 * descriptor.  There is room for STORAGE_OWNERS owners; when task storage is full the values of
 * threads that no longer exist are dropped (nobody tells a guest library that a thread ended). */
#include <string.h>
#include "maps/hash.h"
#include "vm/message.h"
#include "vm/spin.h"

static int owned_check(const struct uebpf_map_opts *o, const char **why)
{
	if (!(o->flags & BPF_F_NO_PREALLOC) || o->max_entries || o->key_size != 4 || !o->value_size ||
	    o->value_size > 64 << 10) {
		*why = MESSAGE_TEXT("local storage needs BPF_F_NO_PREALLOC, max_entries 0, a 4-byte key and a value below 64 KB");
		return -EINVAL;
	}
	return 0;
}

static uint64_t owner_of(const void *key)
{
	uint32_t k;

	memcpy(&k, key, sizeof(k));
	return k;
}

/* Stops at a lock that no one gives back, and when peers who are not trusted have kept it busy for too long. */
static uint64_t drop_dead(void *map, void *key, void *value)
{
	uint64_t owner = word_get(key);

	(void)value;
	return (!self_alive((uint32_t)owner, 0) && hash_remove(map, &owner) == -EBUSY) ||
	       (map_local(map)->hostile && spin_tired(false));
}

static void drop_dead_threads(struct uebpf_map *map)
{
	spin_tired(true);
	hash_for_each(map, drop_dead, map, NULL);
}

static void *owned_storage(struct uebpf_map *map, uint64_t owner, const void *init, bool create)
{
	static uint64_t zero[64 << 10 >> 3];	/* never written; .bss takes no room in the file */
	struct hash_map *h = (struct hash_map *)map;
	uint64_t hash = key_hash(&h->seed, &owner, sizeof(owner));
	uint32_t e = hash_find(h, &owner, hash);
	bool together = !e && create && spin_together();

	for (bool again = false; !e && create; again = true) {
		long r = hash_update(map, &owner, init ? init : zero, BPF_NOEXIST, NULL);

		e = hash_find(h, &owner, hash);
		if (again || r != -E2BIG || map->type != BPF_MAP_TYPE_TASK_STORAGE)
			break;
		drop_dead_threads(map);
	}
	spin_apart(together);
	return e ? elem_value(h, e, 0) : NULL;
}

static long owned_storage_remove(struct uebpf_map *map, uint64_t owner)
{
	return hash_remove(map, &owner);
}

static int owned_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	uint64_t owner = owner_of(key);

	return hash_user_lookup(map, &owner, value, flags);
}

static int owned_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	uint64_t owner = owner_of(key);

	return hash_user_update(map, &owner, value, flags);
}

static long owned_remove(struct uebpf_map *map, const void *key)
{
	uint64_t owner = owner_of(key);

	return hash_remove(map, &owner);
}

/* The kernel cannot iterate these (-ENOTSUPP); a host that wants to see them may. */
static int owned_next_key(struct uebpf_map *map, const void *key, void *next)
{
	uint64_t owner = key ? owner_of(key) : 0, found;
	uint32_t k;
	int r = hash_next_key(map, key ? &owner : NULL, &found);

	k = (uint32_t)found;
	if (!r)
		memcpy(next, &k, sizeof(k));
	return r;
}

static const struct map_more owned_more = { .storage = owned_storage, .storage_remove = owned_storage_remove };
#define OWNED_OPS \
	.traits = MT_STORAGE | MT_NO_LOOKUP, .may = UEBPF_MAY_LOCK, \
	.flags = BPF_F_NO_PREALLOC | BPF_F_CLONE, .check = owned_check, .bytes = hash_bytes, \
	.handle_size = sizeof(struct hash_map), .init = hash_init, .more = &owned_more, \
	.user_lookup = owned_user_lookup, \
	.user_update = owned_user_update, .remove = owned_remove, .next_key = owned_next_key

const struct map_ops sk_storage_ops = { .name = "sk_storage", .type = BPF_MAP_TYPE_SK_STORAGE, OWNED_OPS };
const struct map_ops inode_storage_ops = { .name = "inode_storage", .type = BPF_MAP_TYPE_INODE_STORAGE,
					   OWNED_OPS };
const struct map_ops task_storage_ops = { .name = "task_storage", .type = BPF_MAP_TYPE_TASK_STORAGE,
					  OWNED_OPS };
const struct map_ops cgrp_storage_ops = { .name = "cgrp_storage", .type = MAP_TYPE_CGRP_STORAGE,
					  OWNED_OPS };
