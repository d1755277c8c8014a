/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* spin.h - the 32-bit lock inside a map value (struct bpf_spin_lock), between threads and processes.
 * The word names its owner (22 bits of thread id, 10 bits of its birth) so that a waiter can take over
 * from the dead; the value may then be torn.  Not the kernel's lock: a value that the kernel maps too
 * must not be locked from both sides. */
#ifndef UEBPF_VM_SPIN_H
#define UEBPF_VM_SPIN_H

#include <stdbool.h>
#include <stdint.h>

enum { WARY_NS = 100000000 };	/* so long one waits for peers that are not trusted */

/* 0; or -EBUSY, not taken: this very thread holds it (a signal handler met its own lock), or, `wary` of those who
 * may write the word, it waited for too long. */
int spin_lock(uint32_t *word, bool wary);
/* Has this thread waited for a lock for as long as WARY_NS (none keeps one so long by itself)?
 * begins: it waits from now on. */
bool spin_tired(bool begins);
/* One operation that takes many locks, each of which peers may keep for nearly WARY_NS: up to spin_apart the time of all
 * waits of this thread is added up.  Inside of such an operation nothing changes. */
bool spin_together(void);
void spin_apart(bool together);		/* of what spin_together returned */
void spin_unlock(uint32_t *word);	/* nothing happens unless this thread holds it */

#endif
