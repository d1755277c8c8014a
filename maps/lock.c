/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lock.c - the slow path of locks that name their owner. */
#include <sched.h>
#include "maps/maps.h"
#include "vm/spin.h"

enum { OWNER_PID_SHIFT = 32, OWNER_BIRTH_SHIFT = 22, OWNER_TID = (1 << 22) - 1, OWNER_BIRTH = 1023,
       SPINS = 64, LOOK_AFTER = 256 };

/* A private map's lock under another process id was held by a thread of the parent at fork; a shared
 * one is asked for after a while, because asking is a system call or more; but before the first turn is given away
 * where a peer may have made up the dead owners of all locks. */
static bool owner_is_gone(struct map_local *local, uint64_t owner, uint64_t me, uint32_t waited)
{
	if (!local->peers)
		return owner >> OWNER_PID_SHIFT != me >> OWNER_PID_SHIFT;
	return waited % LOOK_AFTER == (local->hostile ? SPINS : LOOK_AFTER - 1) &&
	       !self_alive((uint32_t)owner & OWNER_TID, (uint32_t)(owner >> OWNER_BIRTH_SHIFT) & OWNER_BIRTH);
}

int lock_look(struct map_local *local, uint64_t owner, uint64_t me, uint32_t n, bool try)
{
	int saved = errno;

	if (owner == me)
		return -EBUSY;
	if (owner_is_gone(local, owner, me, n))
		return 1;
	if (try)
		return -EAGAIN;
	if (n > SPINS) {
		if (local->hostile && spin_tired(n == SPINS + 1))
			return owner_is_gone(local, owner, me, SPINS) ? 1 : -EBUSY;
		sched_yield();
	}
	errno = saved;
	return 0;
}

int lock_wait(struct map_local *local, struct map_lock *lock, bool try)
{
	uint64_t me = lock_me(local);

	for (uint32_t n = 0;; n++) {
		uint64_t owner = atomic_load_explicit(&lock->owner, memory_order_relaxed);
		int r = owner ? lock_look(local, owner, me, n, try) : 1;

		if (r < 0)
			return r;
		if (r && atomic_compare_exchange_strong_explicit(&lock->owner, &owner, me, memory_order_acquire,
								 memory_order_relaxed))
			return owner != 0;
	}
}

int lock_take(struct map_local *local, struct map_lock *lock)
{
	return lock_free(local, lock) ? 0 : lock_wait(local, lock, false);
}
