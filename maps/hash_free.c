/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_free.c - elements and overflow buckets of a hash table that are free. */
#include "maps/hash.h"

static uint32_t pop(struct hash_map *h, _Atomic uint64_t *list)
{
	uint64_t head = atomic_load_explicit(list, memory_order_acquire), next;

	while ((uint32_t)head) {
		if ((uint32_t)head > h->last)
			return 0;
		next = ((head >> 32) + 1) << 32 | get_relaxed(&h->next[(uint32_t)head]);
		if (atomic_compare_exchange_weak_explicit(list, &head, next, memory_order_acquire,
							  memory_order_acquire))
			return (uint32_t)head;
	}
	return 0;
}

void elem_push(struct hash_map *h, _Atomic uint64_t *list, uint32_t e)
{
	uint64_t head = atomic_load_explicit(list, memory_order_relaxed), next;

	atomic_thread_fence(memory_order_release);
	do {
		set_relaxed(&h->next[e], (uint32_t)head);
		next = ((head >> 32) + 1) << 32 | e;
	} while (!atomic_compare_exchange_weak_explicit(list, &head, next, memory_order_release,
							memory_order_relaxed));
}

uint32_t elem_take(struct hash_map *h, struct bucket *head)
{
	uint32_t e = get_relaxed(&head->kept);

	if (e) {
		set_relaxed(&head->kept, 0);
		if (e <= h->last)
			return e;
	}
	e = pop(h, stripe_of(h, head, 0));
	if (!e && atomic_load_explicit(&h->head->fresh, memory_order_relaxed) < h->capacity) {
		e = atomic_fetch_add_explicit(&h->head->fresh, 1, memory_order_relaxed) + 1;
		if (e > h->capacity)
			e = 0;
	}
	for (uint32_t n = 1; !e && n < FREE_STRIPES; n++)
		e = pop(h, stripe_of(h, head, n));
	return e;
}

/* All of `give` in hash_write.c. */
void elem_give(struct hash_map *h, struct bucket *head, uint32_t e)
{
	uint32_t pause = atomic_load_explicit(&h->head->keep_pause, memory_order_relaxed);

	if (h->lru || get_relaxed(&head->kept) || pause) {
		if (pause)
			atomic_store_explicit(&h->head->keep_pause, pause - 1, memory_order_relaxed);
		elem_push(h, stripe_of(h, head, 0), e);
		return;
	}
	set_relaxed(&head->kept, e);
	if (!atomic_load_explicit(&h->head->kept_some, memory_order_relaxed))
		atomic_store_explicit(&h->head->kept_some, 1, memory_order_relaxed);
}

/* The lists are empty.  Looking costs as much as there are buckets, so many times that
 * number of deletes go to the lists before buckets keep elements again: a small share for each, also in
 * a table that stays full. */
bool elem_gather(struct hash_map *h)
{
	bool found = false;

	if (!atomic_exchange_explicit(&h->head->kept_some, 0, memory_order_acq_rel))
		return false;
	for (uint32_t n = 0; n <= h->mask; n++) {
		struct bucket *b = &h->bucket[n];
		uint32_t e;

		if (!get_relaxed(&b->kept))
			continue;
		if (bucket_lock(h, b)) {	/* this thread's own, below a signal handler; or no peer gives it back */
			atomic_store_explicit(&h->head->kept_some, 1, memory_order_relaxed);
			if (h->local.hostile)
				break;
			continue;
		}
		e = get_relaxed(&b->kept);
		set_relaxed(&b->kept, 0);
		if (e - 1 < h->last) {
			elem_push(h, stripe_of(h, b, 0), e);
			found = true;
		}
		lock_give(&b->lock);
	}
	atomic_store_explicit(&h->head->keep_pause, 8 * (h->mask + 1), memory_order_relaxed);
	return found;
}

struct bucket *over_take(struct hash_map *h)
{
	uint64_t head = atomic_load_explicit(&h->head->over_free, memory_order_acquire), next;
	uint32_t n;

	while ((uint32_t)head) {
		struct bucket *b = over(h, (uint32_t)head);

		if (!b)
			return NULL;
		next = ((head >> 32) + 1) << 32 | get32(&b->next);
		if (atomic_compare_exchange_weak_explicit(&h->head->over_free, &head, next,
				memory_order_acquire, memory_order_acquire))
			return b;
	}
	if (atomic_load_explicit(&h->head->over_fresh, memory_order_relaxed) >= h->nr_over)
		return NULL;
	n = atomic_fetch_add_explicit(&h->head->over_fresh, 1, memory_order_relaxed);
	return n < h->nr_over ? &h->bucket[h->mask + 1 + n] : NULL;
}

void over_give(struct hash_map *h, struct bucket *b)
{
	uint64_t head = atomic_load_explicit(&h->head->over_free, memory_order_relaxed), next;

	do {
		atomic_store_explicit(&b->next, (uint32_t)head, memory_order_relaxed);
		next = ((head >> 32) + 1) << 32 | (uint32_t)(b - h->bucket);
	} while (!atomic_compare_exchange_weak_explicit(&h->head->over_free, &head, next,
			memory_order_release, memory_order_relaxed));
}
