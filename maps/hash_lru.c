/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_lru.c - the clock that evicts from LRU tables.  Lookups set `used`; the hand clears it once and takes the
 * element when it comes round again unused.  New elements start unused, so what was touched after its insertion
 * survives a sweep of what was not. */
#include "maps/hash.h"

enum { CLOCK_TURNS = 4 };

/* An element that a clock's hand may take: linked, and not used since the hand last passed. */
static bool evictable(struct lru_mark *mark)
{
	if (!atomic_load_explicit(&mark->linked, memory_order_acquire))
		return false;
	if (!atomic_load_explicit(&mark->used, memory_order_relaxed))
		return true;
	atomic_store_explicit(&mark->used, 0, memory_order_relaxed);
	return false;
}

/* bucket_find_elem, without a branch for each slot: which it is cannot be predicted. */
static struct place find(struct hash_map *h, struct bucket *head, uint32_t e)
{
	uint64_t match = 0;

	for (int i = 0; i < BUCKET_SLOTS; i++)
		match |= (uint64_t)(slot_elem(head, i) == e) << (8 * i + 7);
	match &= tags_used(tags_of(head));
	return __builtin_expect(match != 0, 1) ? (struct place){ head, slot_of(match), e } : bucket_find_elem(h, head, e);
}

static bool evict(struct hash_map *h, uint32_t e, const struct bucket *wants)
{
	uint32_t home = atomic_load_explicit(&elem_mark(h, e)->bucket, memory_order_relaxed);
	struct bucket *head = &h->bucket[home <= h->mask ? home : 0];
	struct place at;
	int r = lock_try(&h->local, &head->lock);

	if (r < 0)
		return false;
	if (r > 0)
		hash_repair_bucket(h, head);
	at = find(h, head, e);
	if (at.i >= 0) {
		if (__builtin_expect(!get32(&head->next), 1)) {
			atomic_store_explicit(&head->tag[at.i], 0, memory_order_release);
			seq_raise(head);
		} else {
			bucket_unlink(h, head, at);
		}
		atomic_store_explicit(&elem_mark(h, e)->linked, 0, memory_order_relaxed);
		if (h->local.store)	/* never outside of a lock: the sweep must be able to see it */
			elem_push(h, stripe_of(h, wants, 0), e);
	}
	lock_give(&head->lock);
	return at.i >= 0;
}

/* Two threads whose hands meet look at the same elements; a bucket's lock decides who takes one. */
uint32_t lru_evict(struct hash_map *h, const struct bucket *wants)
{
	uint32_t hand = atomic_load_explicit(&h->head->hand, memory_order_relaxed), e;

	for (uint64_t n = (uint64_t)h->last * CLOCK_TURNS; n; n--) {
		struct lru_mark *ahead;

		hand = hand < h->last ? hand + 1 : 1;
		e = hand;
		ahead = elem_mark(h, hand + 1 < h->last ? hand + 2 : 1);
		__builtin_prefetch(&h->bucket[atomic_load_explicit(&ahead->bucket, memory_order_relaxed) & h->mask]);
		if (!evictable(elem_mark(h, e)))
			continue;
		atomic_store_explicit(&h->head->hand, hand, memory_order_relaxed);
		if (evict(h, e, wants))
			return h->local.store ? 0 : e;
	}
	return 0;
}
