/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ring_write.c - ring buffer: many producers under a short lock, one consumer without any.
 *
 * Only reserve is ordered by the lock, as in the kernel; commit is one store.  A producer in a
 * signal handler that interrupted a reserve of its own thread gets NULL, as one in an NMI does. */
#include "maps/match.h"
#include "maps/ring.h"

/* A record's header, one word: consumers of the kernel's layout do not look at the owner's half. */
static inline __attribute__((always_inline))
uint64_t header(const struct ring *ring, uint64_t size, uint64_t me)
{
	return byte_word(size | RING_BUSY | (ring->dead_owners ? me << 32 : 0));
}

/* Under the lock, which it gives back: `len` bytes, the header included, of which the ring has as many. */
static inline __attribute__((always_inline))
void *reserve(struct ring *ring, uint64_t len, uint64_t header)
{
	uint64_t at = atomic_load_explicit(ring->producer, memory_order_relaxed);
	struct ring_record *rec = NULL;

	if (__builtin_expect(at + len - atomic_load_explicit(ring->consumer, memory_order_acquire) <= ring->mask, 1)) {
		rec = ring_record(ring, at);
		word_put(rec, header);
		atomic_store_explicit(ring->producer, at + len, memory_order_release);
	}
	lock_give(&ring->control->lock);
	return rec ? rec + 1 : NULL;
}

void *ring_reserve(struct uebpf_map *map, uint64_t size)
{
	struct ring_map *r = (struct ring_map *)map;
	uint64_t len = round_up((size_t)size + RING_HEADER, 8);

	if (size > UINT32_MAX / 4 || len > r->ring.mask + 1 || lock_take(&r->local, &r->ring.control->lock) < 0)
		return NULL;
	return reserve(&r->ring, len, header(&r->ring, size, r->ring.dead_owners ? self_owner() : 0));
}

uint64_t ring_commit(struct uebpf_map *map, void *record, uint64_t flags, bool discard)
{
	struct ring_map *r = (struct ring_map *)map;
	struct ring *ring = &r->ring;
	struct ring_record *rec = (struct ring_record *)record - 1;
	uint32_t len = atomic_load_explicit(&rec->len, memory_order_relaxed) & ~RING_BUSY;
	uint64_t at = (uint64_t)((uint8_t *)rec - ring->data);

	atomic_store_explicit(&rec->len, discard ? len | RING_DISCARD : len, memory_order_release);
	if (!atomic_load_explicit(&r->fd, memory_order_relaxed))
		return 0;
	if (flags & BPF_RB_FORCE_WAKEUP) {
		ring_notify(r);
	} else if (!(flags & BPF_RB_NO_WAKEUP)) {
		atomic_thread_fence(memory_order_seq_cst);
		if ((atomic_load_explicit(ring->consumer, memory_order_relaxed) & ring->mask) == at)
			ring_notify(r);
	}
	return 0;
}

/* The helper, for verified programs whose ring is known when they are loaded.  The lock waits for every store
 * before it, so the common way has few of them: no register saved, no call. */
static __attribute__((noinline, cold))
uint64_t reserve_rest(uint64_t map, uint64_t size, uint64_t flags, uint64_t none4, uint64_t none5, struct uebpf_call *call)
{
	struct uebpf_map *m = (struct uebpf_map *)(uintptr_t)map;
	void *record = flags || call->nr_hold == CALL_HOLDS ? NULL : ring_reserve(m, size);

	(void)none4, (void)none5;
	if (record)
		call->hold[call->nr_hold++] = (struct call_hold){ m, record };
	return (uintptr_t)record;
}

static uint64_t reserve_call(uint64_t map, uint64_t size, uint64_t flags, uint64_t none4, uint64_t none5,
			     struct uebpf_call *call)
{
	struct ring_map *r = (struct ring_map *)(uintptr_t)map;
	uint64_t none = 0, me = self_known(false), word = header(&r->ring, size, me);
	void *record;

	if (__builtin_expect(flags || call->nr_hold == CALL_HOLDS || !me || size > MAP_PAGE - RING_HEADER ||
			     !atomic_compare_exchange_strong_explicit(&r->ring.control->lock.owner, &none, me,
						memory_order_acquire, memory_order_relaxed), 0))
		return reserve_rest(map, size, flags, none4, none5, call);
	record = reserve(&r->ring, round_up((size_t)size + RING_HEADER, 8), word);
	if (__builtin_expect(record != NULL, 1))
		call->hold[call->nr_hold++] = (struct call_hold){ &r->local.m, record };
	return (uintptr_t)record;
}

int ring_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap)
{
	(void)map, (void)cap;
	out[0] = map_called(reserve_call);
	return what == MAP_CALL_RESERVE;
}
