/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_repair.c - a hash table after a writer died in the middle of a change.
 *
 * Each change has one store that makes it count, so readers always see a sound table.  What a death
 * can leave behind, by the step it stopped at:
 *   replace  the new element is linked and still named as spare; the old one is in nobody's hands
 *   insert   an element (or overflow bucket) is off its free list and not linked
 *   remove   the element is unlinked and on no list; or a chain's last entry stands in two places
 *   twins    an insert or a delete: linked, but not said to be there (an owner's name in it is for twin_wait)
 * Who takes the lock over mends the bucket (no element twice, no linked spare, sequence raised) and
 * marks the table; the sweep then finds what nothing refers to and gives it back. */
#include "maps/hash.h"
#include "vm/mem.h"

/* Is e linked before place (b, i) of the chain? */
static bool linked_before(struct hash_map *h, struct bucket *head, const struct bucket *end, int end_i, uint32_t e)
{
	uint32_t steps = 0;

	for (struct bucket *b = head; b && steps++ <= h->longest; b = over(h, get32(&b->next)))
		for (int i = 0; i < BUCKET_SLOTS; i++) {
			if (b == end && i == end_i)
				return false;
			if (slot_used(b, i) && get32(&b->idx[i]) == e)
				return true;
		}
	return false;
}

void hash_repair_bucket(struct hash_map *h, struct bucket *head)
{
	uint32_t steps = 0;

	for (struct bucket *b = head; b && steps++ <= h->longest; b = over(h, get32(&b->next)))
		for (int i = 0; i < BUCKET_SLOTS; i++) {
			uint32_t e = get32(&b->idx[i]);

			if (!slot_used(b, i))	/* asked once: a hostile peer may change the tag meanwhile */
				continue;
			if (e - 1 >= h->last || linked_before(h, head, b, i, e))
				atomic_store_explicit(&b->tag[i], 0, memory_order_release);
			else if (h->twin && !(get64(&twin_at(h, e)->word) & (TWIN_THERE | TWIN_HELD)))
				twin_is_there(twin_at(h, e));
			else if (h->lru)
				atomic_store_explicit(&elem_mark(h, e)->linked, 1, memory_order_relaxed);
		}
	if (get_relaxed(&head->spare) != NO_SPARE &&
	    bucket_find_elem(h, head, get_relaxed(&head->spare) ? get_relaxed(&head->spare) :
			     h->capacity + 1 + (uint32_t)(head - h->bucket)).i >= 0)
		set_relaxed(&head->spare, NO_SPARE);
	atomic_store_explicit(&head->seq, get32(&head->seq) + 1, memory_order_release);
	if (h->local.store)
		atomic_fetch_add_explicit(&h->local.store->repairs, 1, memory_order_relaxed);
	/* The evictor of a private LRU table holds its element under no lock: a sweep would give it
	 * twice.  There (a child after fork) the one element stays lost. */
	if (h->local.store || !h->lru)
		atomic_store_explicit(&h->head->dirty, 1, memory_order_relaxed);
}

int bucket_wait(struct hash_map *h, struct bucket *head)
{
	int r = lock_wait(&h->local, &head->lock, false);

	if (r > 0)
		hash_repair_bucket(h, head);
	return r < 0 ? r : 0;
}

uint32_t hash_new_spare(struct hash_map *h, struct bucket *head)
{
	uint32_t e = elem_take(h, head);

	if (e)
		set_relaxed(&head->spare, e);
	return e;
}

/* ---- the sweep: all buckets locked, in order ---- */

static bool get_bit(const uint8_t *bits, uint32_t i) { return bits[i / 8] >> i % 8 & 1; }
static void set_bit(uint8_t *bits, uint32_t i) { bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8); }

static void mark_chain(struct hash_map *h, struct bucket *head, uint8_t *elems, uint8_t *overs)
{
	uint32_t spare = get_relaxed(&head->spare), steps = 0;

	if (!spare)
		spare = h->capacity + 1 + (uint32_t)(head - h->bucket);
	if (spare <= h->last)
		set_bit(elems, spare);
	if (get_relaxed(&head->kept) <= h->last)
		set_bit(elems, get_relaxed(&head->kept) % (h->last + 1));
	for (struct bucket *b = head; b && steps++ <= h->longest; b = over(h, get32(&b->next))) {
		if (b != head)
			set_bit(overs, (uint32_t)(b - h->bucket) - h->mask - 1);
		for (int i = 0; i < BUCKET_SLOTS; i++) {
			uint32_t e = get32(&b->idx[i]);

			if (slot_used(b, i) && e <= h->last)
				set_bit(elems, e);
		}
	}
}

/* Everything that was handed out once and is not referred to; empty lists first.  Others allocate only
 * under a bucket's lock, and all of these are ours. */
static void rebuild(struct hash_map *h, const uint8_t *elems, const uint8_t *overs)
{
	uint32_t fresh = get32(&h->head->fresh), over_fresh = get32(&h->head->over_fresh), n = 0;

	if (fresh > h->capacity)
		fresh = h->capacity;
	for (uint32_t i = 0; i < FREE_STRIPES; i++)
		atomic_store(&h->head->stripe[i].head, atomic_load(&h->head->stripe[i].head) >> 32 << 32);
	for (uint32_t e = 1; e <= h->last; e++)
		if (!get_bit(elems, e) && (e <= fresh || e > h->capacity)) {
			struct bucket *lost = NULL;

			while (n <= h->mask && !lost)
				lost = get_relaxed(&h->bucket[n].spare) == NO_SPARE ? &h->bucket[n] : (n++, NULL);
			if (lost)
				set_relaxed(&lost->spare, e);
			else
				elem_push(h, &h->head->stripe[e % FREE_STRIPES].head, e);
		}
	atomic_store(&h->head->over_free, atomic_load(&h->head->over_free) >> 32 << 32);
	for (uint32_t i = 0; i < over_fresh && i < h->nr_over; i++)
		if (!get_bit(overs, i)) {
			struct bucket *b = &h->bucket[h->mask + 1 + i];
			uint64_t head = atomic_load(&h->head->over_free);

			for (int k = 0; k < BUCKET_SLOTS; k++)
				atomic_store_explicit(&b->tag[k], 0, memory_order_relaxed);
			atomic_store(&b->next, (uint32_t)head);
			atomic_store(&h->head->over_free, ((head >> 32) + 1) << 32 | (h->mask + 1 + i));
		}
}

int hash_sweep(struct hash_map *h)
{
	size_t elem_bytes = h->last / 8 + 1, over_bytes = h->nr_over / 8 + 1;
	uint32_t n, dirty = 1;
	uint8_t *bits;
	int r = 0;

	if (!atomic_compare_exchange_strong(&h->head->dirty, &dirty, 0))
		return -EBUSY;	/* another thread is at it */
	bits = mem_alloc(h->local.host, elem_bytes + over_bytes);
	if (!bits) {
		atomic_store(&h->head->dirty, 1);
		return -ENOMEM;
	}
	for (n = 0; n <= h->mask && !r; n++) {
		r = lock_take(&h->local, &h->bucket[n].lock);
		if (r > 0) {
			hash_repair_bucket(h, &h->bucket[n]);
			r = 0;
		} else if (r < 0) {
			n--;
		}
	}
	if (!r) {
		atomic_store(&h->head->dirty, 0);
		for (n = 0; n <= h->mask; n++)
			mark_chain(h, &h->bucket[n], bits, bits + elem_bytes);
		rebuild(h, bits, bits + elem_bytes);
	} else {
		atomic_store(&h->head->dirty, 1);	/* a signal handler above its own thread's lock: later */
	}
	while (n--)
		lock_give(&h->bucket[n].lock);
	mem_free(h->local.host, bits, elem_bytes + over_bytes);
	return r;
}
