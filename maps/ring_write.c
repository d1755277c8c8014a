/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ring_write.c - ring buffer: many producers under a short lock, one consumer without any.
 *
 * Only reserve is ordered by the lock, as in the kernel; commit is one store.  A producer in a
 * signal handler that interrupted a reserve of its own thread gets NULL, as one in an NMI does. */
#include "maps/ring.h"

void *ring_reserve(struct uebpf_map *map, uint64_t size)
{
	struct ring_map *r = (struct ring_map *)map;
	struct ring *ring = &r->ring;
	uint64_t len = round_up((size_t)size + RING_HEADER, 8), at;
	struct ring_record *rec = NULL;

	if (size > UINT32_MAX / 4 || len > ring->mask + 1)
		return NULL;
	if (lock_take(&r->local, &ring->control->lock) < 0)
		return NULL;
	at = atomic_load_explicit(ring->producer, memory_order_relaxed);
	if (at + len - atomic_load_explicit(ring->consumer, memory_order_acquire) <= ring->mask) {
		rec = ring_record(ring, at);
		atomic_store_explicit(&rec->len, (uint32_t)size | RING_BUSY, memory_order_relaxed);
		/* consumers of the kernel's layout do not look at this half of the header */
		rec->owner = ring->dead_owners ? (uint32_t)self_owner() : 0;
		atomic_store_explicit(ring->producer, at + len, memory_order_release);
	}
	lock_give(&ring->control->lock);
	return rec ? rec + 1 : NULL;
}

void ring_commit(struct uebpf_map *map, void *record, uint64_t flags, bool discard)
{
	struct ring_map *r = (struct ring_map *)map;
	struct ring *ring = &r->ring;
	struct ring_record *rec = (struct ring_record *)record - 1;
	uint32_t len = atomic_load_explicit(&rec->len, memory_order_relaxed) & ~RING_BUSY;
	uint64_t at = (uint64_t)((uint8_t *)rec - ring->data);

	atomic_store_explicit(&rec->len, discard ? len | RING_DISCARD : len, memory_order_release);
	if (!atomic_load_explicit(&r->fd, memory_order_relaxed))
		return;
	if (flags & BPF_RB_FORCE_WAKEUP) {
		ring_notify(r);
	} else if (!(flags & BPF_RB_NO_WAKEUP)) {
		atomic_thread_fence(memory_order_seq_cst);
		if ((atomic_load_explicit(ring->consumer, memory_order_relaxed) & ring->mask) == at)
			ring_notify(r);
	}
}
