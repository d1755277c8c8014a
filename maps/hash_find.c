/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_find.c - readers of a hash table: no lock, no store but the LRU mark. */
#include "maps/hash.h"

enum { HOSTILE_TRIES = 10000 };

static inline __attribute__((always_inline))
uint32_t find_sized(const struct hash_map *h, const void *key, uint64_t hash, uint32_t size)
{
	const struct bucket *head = home(h, hash), *b;
	uint8_t tag = tag_of(h, hash);
	uint32_t seq, e, next, steps = 0, tries = 0;
	uint64_t match;

again:
	if (h->local.hostile && ++tries > HOSTILE_TRIES)
		return 0;
	seq = get32(&head->seq);
	for (b = head; b; b = over(h, next)) {
		for (match = tags_match(tags_of(b), tag); match; match &= match - 1) {
			e = slot_elem(b, slot_of(match));
			if (e - 1 >= h->last || !key_equal(elem_key(h, e), key, size))
				continue;
			if (!unchanged(head, seq))
				goto again;
			return e;
		}
		next = get32(&b->next);
		if (__builtin_expect(next, 0) && (too_far(h, &steps) ? (next = 0, false) : !unchanged(head, seq)))
			goto again;
	}
	if (!unchanged(head, seq))
		goto again;
	return 0;
}

__attribute__((noinline)) uint32_t hash_find(const struct hash_map *h, const void *key, uint64_t hash)
{
	return h->key_size == 8 ? find_sized(h, key, hash, 8) : find_sized(h, key, hash, h->key_size);
}

static uint32_t find(const struct hash_map *h, const void *key)
{
	return hash_find(h, key, hash_of(h, key));
}

static inline uint8_t *touch(struct hash_map *h, uint32_t e)
{
	uint8_t *elem = elem_at(h, e);
	struct lru_mark *mark = (struct lru_mark *)elem;

	if (!atomic_load_explicit(&mark->used, memory_order_relaxed))
		atomic_store_explicit(&mark->used, 1, memory_order_relaxed);
	return elem;
}

/* The common case in few instructions: the first tag that matches, in the head bucket.  A key of
 * one word cannot be read torn, so a hit needs no second look at the sequence number; and nothing
 * leaves a head bucket that had no chain before its tags were read, so that a miss there is one. */
static inline __attribute__((always_inline))
uint32_t find_fast(const struct hash_map *h, const void *key, uint32_t size)
{
	uint64_t hash = key_hash(&h->seed, key, size), match;
	const struct bucket *head = home(h, hash);
	uint32_t seq = size > 8 ? get32(&head->seq) : 0, next = get32(&head->next), e;

	match = tags_match(tags_of(head), tag_of(h, hash));
	if (__builtin_expect(match != 0, 1)) {
		e = slot_elem(head, slot_of(match));
		if (__builtin_expect(e - 1 < h->last && key_equal(elem_at(h, e) + h->key_off, key, size) &&
				     (size <= 8 || unchanged(head, seq)), 1))
			return e;
	} else if (!next) {
		return 0;
	}
	return hash_find(h, key, hash);
}

void *hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);

	(void)call;
	return e ? elem_at(h, e) + h->value_off : NULL;
}

void *lru_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);
	int slot = 0;

	if (!e)
		return NULL;
	touch(h, e);
	if (h->percpu)
		slot = map_slot(&h->local, call);
	return slot < 0 ? NULL : elem_value(h, e, (uint32_t)slot);
}

void *percpu_hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);
	int slot = e ? map_slot(&h->local, call) : -1;

	return slot < 0 ? NULL : elem_value(h, e, (uint32_t)slot);
}

void *percpu_hash_lookup_cpu(struct uebpf_map *map, const void *key, uint32_t cpu)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = cpu < map->cpu_slots ? find(h, key) : 0;

	return e ? elem_value(h, e, cpu) : NULL;
}

/* Keys of one or two words have lookups of their own. */
#define LOOKUP(size) \
static void *lookup_##size(struct uebpf_map *map, const void *key, struct uebpf_call *call) \
{ \
	struct hash_map *h = (struct hash_map *)map; \
	uint32_t e = find_fast(h, key, size); \
	(void)call; \
	return e ? elem_at(h, e) + h->value_off : NULL; \
} \
static void *lookup_lru_##size(struct uebpf_map *map, const void *key, struct uebpf_call *call) \
{ \
	struct hash_map *h = (struct hash_map *)map; \
	uint32_t e = find_fast(h, key, size); \
	(void)call; \
	return e ? touch(h, e) + h->value_off : NULL; \
} \
static void *lookup_percpu_##size(struct uebpf_map *map, const void *key, struct uebpf_call *call) \
{ \
	struct hash_map *h = (struct hash_map *)map; \
	uint32_t e = find_fast(h, key, size); \
	int slot = e ? map_slot(&h->local, call) : -1; \
	return slot < 0 ? NULL : h->percpu_values + (uint32_t)slot * h->slot_stride + \
				 (size_t)e * h->local.m.value_stride; \
}
LOOKUP(4)
LOOKUP(8)
LOOKUP(16)
#undef LOOKUP

void hash_pick_readers(struct hash_map *h, struct map_ops *ops)
{
	static void *(*const fast[3][3])(struct uebpf_map *, const void *, struct uebpf_call *) = {
		{ lookup_4, lookup_8, lookup_16 }, { lookup_lru_4, lookup_lru_8, lookup_lru_16 },
		{ lookup_percpu_4, lookup_percpu_8, lookup_percpu_16 },
	};
	int size = h->key_size == 4 ? 0 : h->key_size == 8 ? 1 : h->key_size == 16 ? 2 : -1;

	if (size < 0 || (h->lru && h->percpu) || (ops->lookup != hash_lookup && ops->lookup != lru_lookup &&
						  ops->lookup != percpu_hash_lookup))
		return;
	ops->lookup = fast[h->lru ? 1 : h->percpu ? 2 : 0][size];
}
