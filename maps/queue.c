/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* queue.c - queue and stack (kernel/bpf/queue_stack_maps.c) and bloom filter (bloom_filter.c). */
#include <string.h>
#include "maps/keys.h"
#include "maps/maps.h"
#include "vm/message.h"

struct queue_head {
	struct map_lock lock;
	uint32_t head, tail;		/* next to write, oldest */
	uint32_t pad[12];
};

static bool is_stack(const struct uebpf_map *map) { return map->ops == &stack_ops; }

static size_t queue_bytes(const struct uebpf_map *map)
{
	return sizeof(struct queue_head) + ((size_t)map->max_entries + 1) * map->value_stride;
}

static int queue_check(const struct uebpf_map_opts *o, const char **why)
{
	if (!o->max_entries || o->key_size || !o->value_size) {
		*why = MESSAGE_TEXT("a queue or stack needs max_entries and a value, and no key");
		return -EINVAL;
	}
	if (o->value_size > 4u << 20 || o->max_entries == UINT32_MAX) {
		*why = MESSAGE_TEXT("too large");
		return -E2BIG;
	}
	return 0;
}

static int queue_init(struct uebpf_map *map, bool fresh)
{
	(void)map;
	(void)fresh;
	return 0;
}

/* i comes from shared bytes: one out of range is the first element. */
static uint8_t *queue_at(struct uebpf_map *map, uint32_t i)
{
	if (i > map->max_entries)
		i = 0;
	return (uint8_t *)map->base + sizeof(struct queue_head) + (size_t)i * map->value_stride;
}

static uint32_t step(const struct uebpf_map *map, uint32_t i)
{
	return i >= map->max_entries ? 0 : i + 1;
}

/* The last store is the one that makes a change count: whoever dies before it changed nothing. */
static long queue_push(struct uebpf_map *map, const void *value, uint64_t flags)
{
	struct queue_head *q = map->base;
	int r;

	if ((flags & BPF_NOEXIST) || flags > BPF_EXIST)
		return -EINVAL;
	r = lock_take(map_local(map), &q->lock);
	if (r < 0)
		return r;
	r = 0;
	if (step(map, q->head) == q->tail) {
		if (flags & BPF_EXIST)
			q->tail = step(map, q->tail);	/* the oldest makes room */
		else
			r = -E2BIG;
	}
	if (!r) {
		words_store(queue_at(map, q->head), value, map->value_size);
		q->head = step(map, q->head);
	}
	lock_give(&q->lock);
	return r;
}

static long queue_take(struct uebpf_map *map, void *value, bool remove)
{
	struct queue_head *q = map->base;
	uint32_t at;
	int r = lock_take(map_local(map), &q->lock);

	if (r < 0)
		return r;
	if (q->head == q->tail) {
		memset(value, 0, map->value_size);
		r = -ENOENT;
	} else {
		at = !is_stack(map) ? q->tail : q->head ? q->head - 1 : map->max_entries;
		words_load(value, queue_at(map, at), map->value_size);
		if (remove && is_stack(map))
			q->head = at;
		else if (remove)
			q->tail = step(map, q->tail);
		r = 0;
	}
	lock_give(&q->lock);
	return r;
}

static long queue_pop(struct uebpf_map *map, void *value) { return queue_take(map, value, true); }
static long queue_peek(struct uebpf_map *map, void *value) { return queue_take(map, value, false); }

static int queue_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)key;
	(void)flags;
	return (int)queue_take(map, value, false);
}

static int queue_lookup_delete(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)key;
	(void)flags;
	return (int)queue_take(map, value, true);
}

static int queue_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	(void)key;
	return (int)map->ops->more->push(map, value, flags);
}

static long queue_remove(struct uebpf_map *map, const void *key)
{
	(void)map;
	(void)key;
	return -EINVAL;
}

static int queue_next_key(struct uebpf_map *map, const void *key, void *next)
{
	(void)map;
	(void)key;
	(void)next;
	return -EINVAL;
}

/* ---- bloom filter: bits, set and tested without a lock ---- */

struct bloom_map {
	struct map_local local;
	struct key_seed seed;
	uint64_t *bits;
	uint64_t mask;
	uint32_t hashes;
};

static uint32_t bloom_hashes(const struct uebpf_map *map) { return map->extra ? (uint32_t)map->extra : 5; }

/* 7/5 is about 1/ln 2, as the kernel has it. */
static uint64_t bloom_bits(const struct uebpf_map *map)
{
	uint64_t want = (uint64_t)map->max_entries * bloom_hashes(map) * 7 / 5, n = 64;

	while (n < want && n < UINT64_C(1) << 32)
		n *= 2;
	return n;
}

static size_t bloom_bytes(const struct uebpf_map *map)
{
	return sizeof(struct key_seed) + (size_t)(bloom_bits(map) / 8);
}

static int bloom_check(const struct uebpf_map_opts *o, const char **why)
{
	*why = MESSAGE_TEXT("values are at most 4 MB");
	if (o->value_size > 4u << 20)
		return -E2BIG;
	if (o->key_size || !o->value_size || !o->max_entries || o->extra & ~UINT64_C(15)) {
		*why = MESSAGE_TEXT("a bloom filter needs max_entries and a value, no key, and map_extra (hash functions) below 16");
		return -EINVAL;
	}
	return 0;
}

static int bloom_init(struct uebpf_map *map, bool fresh)
{
	struct bloom_map *b = (struct bloom_map *)map;
	struct key_seed *seed = map->base;

	if (fresh) {
		seed->a = map->flags & BPF_F_ZERO_SEED ? 0 : random_u64();
		seed->b = map->flags & BPF_F_ZERO_SEED ? 0x9fb21c651e98df25u : random_u64() | 1;
	}
	b->seed = *seed;
	b->bits = (uint64_t *)(seed + 1);
	b->mask = bloom_bits(map) - 1;
	b->hashes = bloom_hashes(map);
	return 0;
}

static uint64_t bloom_bit(const struct bloom_map *b, uint64_t hash, uint32_t i)
{
	return mum(hash ^ (i + 1) * 0x9e3779b97f4a7c15u, b->seed.b) & b->mask;
}

static long bloom_push(struct uebpf_map *map, const void *value, uint64_t flags)
{
	struct bloom_map *b = (struct bloom_map *)map;
	uint64_t hash;

	if (flags != BPF_ANY)
		return -EINVAL;
	hash = key_hash(&b->seed, value, map->value_size);
	for (uint32_t i = 0; i < b->hashes; i++) {
		uint64_t bit = bloom_bit(b, hash, i);

		atomic_fetch_or_explicit((_Atomic uint64_t *)&b->bits[bit / 64], UINT64_C(1) << bit % 64,
					 memory_order_relaxed);
	}
	return 0;
}

static long bloom_peek(struct uebpf_map *map, void *value)
{
	struct bloom_map *b = (struct bloom_map *)map;
	uint64_t hash = key_hash(&b->seed, value, map->value_size);

	for (uint32_t i = 0; i < b->hashes; i++) {
		uint64_t bit = bloom_bit(b, hash, i);

		if (!(word_get(&b->bits[bit / 64]) >> bit % 64 & 1))
			return -ENOENT;
	}
	return 0;
}

static long bloom_pop(struct uebpf_map *map, void *value)
{
	(void)map;
	(void)value;
	return -EOPNOTSUPP;
}

static int bloom_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)key;
	(void)flags;
	return (int)bloom_peek(map, value);
}

static long bloom_remove(struct uebpf_map *map, const void *key)
{
	(void)map;
	(void)key;
	return -EOPNOTSUPP;
}

static int bloom_next_key(struct uebpf_map *map, const void *key, void *next)
{
	(void)map;
	(void)key;
	(void)next;
	return -EOPNOTSUPP;
}

static const struct map_more queue_more = { .push = queue_push, .pop = queue_pop, .peek = queue_peek },
			     bloom_more = { .push = bloom_push, .peek = bloom_peek, .pop = bloom_pop };
#define QUEUE_OPS \
	.traits = MT_NO_KEY | MT_NO_LOOKUP, .flags = BPF_F_NUMA_NODE | MAP_ACCESS_FLAGS, \
	.may = UEBPF_MAY_LOCK, .check = queue_check, .bytes = queue_bytes, \
	.handle_size = sizeof(struct map_local), .init = queue_init, .more = &queue_more, \
	.user_lookup = queue_user_lookup, \
	.user_update = queue_user_update, .lookup_delete = queue_lookup_delete, \
	.remove = queue_remove, .next_key = queue_next_key

const struct map_ops queue_ops = { .name = "queue", .type = BPF_MAP_TYPE_QUEUE, QUEUE_OPS };
const struct map_ops stack_ops = { .name = "stack", .type = BPF_MAP_TYPE_STACK, QUEUE_OPS };
const struct map_ops bloom_ops = {
	.name = "bloom_filter", .type = BPF_MAP_TYPE_BLOOM_FILTER,
	.traits = MT_NO_KEY | MT_NO_LOOKUP | MT_EXTRA,
	.flags = BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | MAP_ACCESS_FLAGS, .check = bloom_check,
	.bytes = bloom_bytes, .handle_size = sizeof(struct bloom_map), .init = bloom_init,
	.more = &bloom_more, .user_lookup = bloom_user_lookup,
	.user_update = queue_user_update, .remove = bloom_remove, .next_key = bloom_next_key,
};
