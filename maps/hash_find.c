/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_find.c - readers of a hash table: no lock, no store but the LRU mark. */
#include "maps/hash.h"

static __attribute__((noinline)) uint32_t find_rest(const struct hash_map *h, const void *key)
{
	return hash_find(h, key, hash_of(h, key));
}

/* The common case in few instructions: the first tag that matches, in the head bucket.  A key of
 * one word cannot be read torn, so a hit needs no second look at the sequence number; and nothing
 * leaves a head bucket that had no chain before its tags were read, so that a miss there is one. */
static __attribute__((noinline)) uint32_t find(const struct hash_map *h, const void *key)
{
	const struct bucket *head;
	uint32_t seq, next, e;
	struct quick_key k;
	uint64_t match;

	if (__builtin_expect(!h->quick, 0))
		return find_rest(h, key);
	k = quick_key(h, key);
	head = home(h, k.hash);
	seq = get32(&head->seq);
	next = get32(&head->next);
	match = tags_match(tags_of(head), tag_of(h, k.hash));
	if (__builtin_expect(match != 0, 1)) {
		e = slot_elem(head, slot_of(match));
		if (__builtin_expect(e - 1 < h->last && quick_equal(h, e, &k) &&
				     (h->key_size != 16 || unchanged(head, seq)), 1))
			return e;
	} else if (!next) {
		return 0;
	}
	return hash_find(h, key, k.hash);
}

void *hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);

	(void)call;
	return e ? elem_value(h, e, 0) : NULL;
}

void *percpu_hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);
	int slot = e ? map_slot(&h->local, call) : -1;

	return slot < 0 ? NULL : elem_value(h, e, (uint32_t)slot);
}

void *lru_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);
	struct lru_mark *mark = elem_mark(h, e);
	int slot = 0;

	if (!e)
		return NULL;
	if (!atomic_load_explicit(&mark->used, memory_order_relaxed))
		atomic_store_explicit(&mark->used, 1, memory_order_relaxed);
	if (h->percpu)
		slot = map_slot(&h->local, call);
	return slot < 0 ? NULL : elem_value(h, e, (uint32_t)slot);
}
