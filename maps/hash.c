/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash.c - the tables of hash.h: geometry, what the user side does, the rows.  Semantics and errno
 * values are those of kernel/bpf/hashtab.c. */
#include <limits.h>
#include "maps/array.h"
#include "maps/hash.h"
#include "vm/message.h"

enum { PER_BUCKET = 4, KMALLOC_MAX = 4 << 20, KERNEL_ELEM = 48,
       HOSTILE_CHAIN = 16 /* ten times what a seeded hash makes */ };

/* ---- geometry ---- */

/* Local storage has no max_entries (the kernel hangs it on the owners). */
static uint32_t capacity(const struct uebpf_map *map)
{
	return map->ops->traits & MT_STORAGE ? STORAGE_OWNERS : map->max_entries;
}

static uint32_t key_bytes(const struct uebpf_map *map)
{
	return map->ops->traits & MT_STORAGE ? sizeof(uint64_t) : map->key_size;
}

static uint32_t nr_buckets(const struct uebpf_map *map)
{
	uint32_t n = 1;

	while (n < UINT32_C(1) << 30 && (uint64_t)n * PER_BUCKET < capacity(map))
		n *= 2;
	return n;
}

static uint32_t nr_over(const struct uebpf_map *map)
{
	return capacity(map) / BUCKET_SLOTS + 2;
}

static bool is_lru(const struct uebpf_map *map) { return map->ops->traits & MT_LRU; }
static bool is_percpu(const struct uebpf_map *map) { return map->ops->traits & MT_PERCPU; }

static bool is_twin(const struct uebpf_map *map)
{
	return !is_lru(map) && !is_percpu(map) && key_bytes(map) <= 8 && map->value_size <= 8;
}

static size_t elem_bytes(const struct uebpf_map *map)
{
	if (is_twin(map))
		return sizeof(struct twin);
	return (is_lru(map) ? sizeof(struct lru_mark) : 0) + round_up(key_bytes(map), 8) +
	       (is_percpu(map) ? 0 : map->value_stride);
}

static size_t nr_elems(const struct uebpf_map *map)
{
	return 1 + (size_t)capacity(map) + (is_twin(map) || is_percpu(map) ? 0 : nr_buckets(map));
}

static size_t elems_off(const struct uebpf_map *map)
{
	return round_up(sizeof(struct hash_head), MAP_LINE) +
	       ((size_t)nr_buckets(map) + nr_over(map)) * sizeof(struct bucket);
}

static size_t links_off(const struct uebpf_map *map)
{
	return elems_off(map) + nr_elems(map) * elem_bytes(map);
}

static size_t percpu_off(const struct uebpf_map *map)
{
	return round_up(links_off(map) + nr_elems(map) * sizeof(uint32_t), MAP_LINE);
}

size_t hash_bytes(const struct uebpf_map *map)
{
	size_t n = percpu_off(map);

	if (is_percpu(map))
		n += percpu_slot_stride(nr_elems(map), map->value_stride) * map->cpu_slots;
	return n;
}

int hash_check(const struct uebpf_map_opts *o, const char **why)
{
	if (!o->max_entries || !o->key_size || !o->value_size) {
		*why = MESSAGE_TEXT("a hash needs max_entries, a key and a value");
		return -EINVAL;
	}
	if ((uint64_t)o->key_size + o->value_size >= KMALLOC_MAX - KERNEL_ELEM) {
		*why = MESSAGE_TEXT("key and value together are at most 4 MB");
		return -E2BIG;
	}
	if (o->max_entries > UINT32_C(1) << 31) {
		*why = MESSAGE_TEXT("more than 2^31 entries");
		return -E2BIG;
	}
	return 0;
}

static int percpu_hash_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = hash_check(o, why);

	if (!r && round_up(o->value_size, 8) > PERCPU_MAX_VALUE) {
		*why = MESSAGE_TEXT("per-CPU values are at most 32768 bytes");
		r = -E2BIG;
	}
	return r;
}

int hash_init(struct uebpf_map *map, bool fresh)
{
	struct hash_map *h = (struct hash_map *)map;
	uint8_t *base = map->base;

	h->head = map->base;
	h->bucket = (struct bucket *)(base + round_up(sizeof(struct hash_head), MAP_LINE));
	h->elem = base + elems_off(map);
	h->next = (_Atomic uint32_t *)(base + links_off(map));
	h->mask = nr_buckets(map) - 1;
	h->shift = 56 - (uint32_t)__builtin_popcount(h->mask);
	h->nr_over = nr_over(map);
	h->longest = h->local.hostile && h->nr_over > HOSTILE_CHAIN ? HOSTILE_CHAIN : h->nr_over;
	h->capacity = capacity(map);
	h->key_size = key_bytes(map);
	h->last = (uint32_t)(nr_elems(map) - 1);
	h->lru = is_lru(map);
	h->percpu = is_percpu(map);
	h->twin = is_twin(map);
	h->quick = h->key_size == 4 || h->key_size == 8 || h->key_size == 16;
	h->quick_twin = h->quick && h->twin;
	h->quick_word = map->value_size == 8 || (map->value_size == 4 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
	h->elem_size = (uint32_t)elem_bytes(map);
	h->key_off = h->lru ? sizeof(struct lru_mark) : h->twin ? offsetof(struct twin, key) : 0;
	h->value_off = h->twin ? 0 : h->key_off + (uint32_t)round_up(h->key_size, 8);
	if (fresh) {
		h->head->seed.a = map->flags & BPF_F_ZERO_SEED ? 0 : random_u64();
		h->head->seed.b = map->flags & BPF_F_ZERO_SEED ? 0x9fb21c651e98df25u : random_u64() | 1;
	}
	h->seed = h->head->seed;
	map->values = (struct region){ .lo = (uintptr_t)h->elem, .stride = h->elem_size,
				       .first = h->value_off, .len = map->value_size };
	map->values.hi = map->values.lo + nr_elems(map) * h->elem_size;
	if (h->twin)	/* two values an element, each before a word */
		map->values.stride = sizeof(struct twin) / 2;
	if (h->percpu) {
		h->percpu_values = base + percpu_off(map);
		h->slot_stride = percpu_slot_stride(nr_elems(map), map->value_stride);
		map->values = (struct region){ .lo = (uintptr_t)h->percpu_values,
			.hi = (uintptr_t)h->percpu_values + h->slot_stride * map->cpu_slots,
			.stride = map->value_stride, .len = map->value_size };
	}
	return 0;
}

/* ---- the user side ---- */

int hash_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	struct hash_map *h = (struct hash_map *)map;
	struct source src = { .value = value, .all = true };

	return h->percpu ? hash_change(h, key, &src, flags, false) : (int)hash_update(map, key, value, flags, NULL);
}

static int hash_lookup_delete(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	return hash_take_out((struct hash_map *)map, key, value, flags, false);
}

/* The copy is of this key and of one value: an element that was reused meanwhile, for this key too, is read again
 * (for ever only when each reading meets another writer; then the last copy may be of two values). */
int hash_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	enum { CALM = 1000 };
	struct hash_map *h = (struct hash_map *)map;
	uint64_t hash = hash_of(h, key);
	struct bucket *head = home(h, hash);
	uint32_t seq = get32(&head->seq), e = hash_find(h, key, hash), tries = 0;
	int r = 0;

	while (e && !(++tries > HOSTILE_TRIES && h->local.hostile)) {
		uint32_t had = e, began = seq;

		if (h->percpu)
			percpu_user_load(map, elem_value(h, e, 0), h->slot_stride, value);
		else if (flags & BPF_F_LOCK)
			r = value_load_locked(map, value, elem_value(h, e, 0));
		else
			value_load(map, value, elem_value(h, e, 0));
		atomic_thread_fence(memory_order_acquire);
		seq = get32(&head->seq);
		e = hash_find(h, key, hash);
		if (e == had && (seq == began || tries > CALM))
			return r;
	}
	return -ENOENT;
}

#define HASH_OPS \
	.bytes = hash_bytes, .handle_size = sizeof(struct hash_map), .init = hash_init, \
	.update = hash_update, .remove = hash_remove, .user_lookup = hash_user_lookup, \
	.user_update = hash_user_update, .next_key = hash_next_key, \
	.lookup_delete = hash_lookup_delete, .for_each = hash_for_each, .may = UEBPF_MAY_LOCK, \
	.inline_call = hash_inline
/* The kernel has no per-CPU values on one node. */
enum { PERCPU_FLAGS = BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED | MAP_ACCESS_FLAGS, HASH_FLAGS = PERCPU_FLAGS | BPF_F_NUMA_NODE };

static int lru_check(const struct uebpf_map_opts *o, const char **why)
{
	if (o->flags & BPF_F_NO_PREALLOC) {
		*why = MESSAGE_TEXT("an LRU map is always preallocated");
		return -ENOTSUPP;
	}
	if ((o->flags & BPF_F_NO_COMMON_LRU) && (o->flags & BPF_F_NUMA_NODE)) {
		*why = MESSAGE_TEXT("an LRU list for each CPU is on no one node");
		return -EINVAL;
	}
	return hash_check(o, why);
}

static int lru_percpu_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = lru_check(o, why);

	return r ? r : percpu_hash_check(o, why);
}

static void *percpu_hash_lookup_cpu(struct uebpf_map *map, const void *key, uint32_t cpu)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = cpu < map->cpu_slots ? hash_find(h, key, hash_of(h, key)) : 0;

	return e ? elem_value(h, e, cpu) : NULL;
}

static const struct map_more percpu_more = { .lookup_cpu = percpu_hash_lookup_cpu };
const struct map_ops hash_ops = {
	.name = "hash", .type = BPF_MAP_TYPE_HASH, .traits = MT_HASH, .flags = HASH_FLAGS,
	.check = hash_check, .lookup = hash_lookup, .more = &map_no_more, HASH_OPS,
};
const struct map_ops percpu_hash_ops = {
	.name = "percpu_hash", .type = BPF_MAP_TYPE_PERCPU_HASH, .traits = MT_HASH | MT_PERCPU,
	.flags = PERCPU_FLAGS, .check = percpu_hash_check, .lookup = percpu_hash_lookup,
	.more = &percpu_more, HASH_OPS,
};
const struct map_ops lru_hash_ops = {
	.name = "lru_hash", .type = BPF_MAP_TYPE_LRU_HASH, .traits = MT_HASH | MT_LRU,
	.flags = HASH_FLAGS | BPF_F_NO_COMMON_LRU, .check = lru_check, .lookup = lru_lookup,
	.more = &map_no_more, HASH_OPS,
};
const struct map_ops lru_percpu_hash_ops = {
	.name = "lru_percpu_hash", .type = BPF_MAP_TYPE_LRU_PERCPU_HASH,
	.traits = MT_HASH | MT_PERCPU | MT_LRU, .flags = PERCPU_FLAGS | BPF_F_NO_COMMON_LRU,
	.check = lru_percpu_check, .lookup = lru_lookup, .more = &percpu_more, HASH_OPS,
};
