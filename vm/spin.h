/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* spin.h - the 32-bit lock inside a map value (struct bpf_spin_lock), between threads and processes.
 * The word names its owner (22 bits of thread id, 10 bits of its birth) so that a waiter can take over
 * from the dead; the value may then be torn.  Not the kernel's lock: a value that the kernel maps too
 * must not be locked from both sides. */
#ifndef UEBPF_VM_SPIN_H
#define UEBPF_VM_SPIN_H

#include <stdint.h>

/* 0; or -EBUSY when this very thread holds it (a signal handler met its own lock): not taken. */
int spin_lock(uint32_t *word);
void spin_unlock(uint32_t *word);	/* nothing happens unless this thread holds it */

#endif
