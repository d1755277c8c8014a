/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lock.h - the lock around an env's tables.  It is held for a few instructions, never while anything
 * is loaded or run, and knows its owner's process: after fork() a lock that another thread of the
 * parent held belongs to nobody in the child, so the child takes it over.  What it guards is always
 * replaced by one store, so a table seen after a takeover is either the old or the new one. */
#ifndef UEBPF_LOADER_LOCK_H
#define UEBPF_LOADER_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct env_lock {
	_Atomic uint32_t owner;		/* pid of the holder's process, 0: free */
};

void env_lock(struct env_lock *lock);
static inline void env_unlock(struct env_lock *lock)
{
	atomic_store_explicit(&lock->owner, 0, memory_order_release);
}

#endif
