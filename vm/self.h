/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* self.h - who is running: process and thread number, a random stream, kept per thread so that asking
 * costs a nanosecond, and right after fork.
 *
 * Thread-local memory is of the initial-exec model: no lazy allocation, no destructors, usable in
 * signal handlers.  A page that fork wipes (MADV_WIPEONFORK) holds our pid once asked; a cache whose
 * pid differs from it is stale.  Where the kernel lacks that, each question is a system call. */
#ifndef UEBPF_VM_SELF_H
#define UEBPF_VM_SELF_H

#include <stdbool.h>
#include <stdint.h>

struct self {
	uint64_t pid_tid;	/* pid << 32 | tid */
	uint32_t pid, tid;	/* tgid and thread id of this thread, in its pid namespace */
	uint64_t random;	/* state of its random stream, different in each thread and child */
	uint64_t owner;		/* pid_tid and, from bit 22, its birth; 0: not asked, see self_owner */
};
extern _Thread_local struct self self_cache
	__attribute__((tls_model("initial-exec"), visibility("hidden")));
extern uint32_t self_fork_page[] __attribute__((visibility("hidden")));

/* The thread pointer, for memory at a fixed distance from it; NULL where it is not known how to ask. */
static inline char *self_thread(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	return __builtin_thread_pointer();
#else
	return NULL;
#endif
}

enum { SELF_BIRTH_SHIFT = 22 };
struct self *self_refresh(void);
/* In line where the compiler finds that worth it, else the one in self.c. */
inline struct self *self_get(void)
{
	uint32_t pid = __atomic_load_n(&self_fork_page[0], __ATOMIC_RELAXED);

	return __builtin_expect(pid && pid == self_cache.pid_tid >> 32, 1) ? &self_cache : self_refresh();
}

/* Ten bits of when a thread was born (/proc/TID/stat), never 0; 1 when it cannot be known.  Together
 * with the thread id it tells a lock's owner from a later thread of equal number. */
uint32_t self_birth(void);
/* What a lock that other processes see too says of its holder. */
uint64_t self_owner_ask(void);
static inline uint64_t self_owner(void)
{
	struct self *self = self_get();

	return __builtin_expect(self->owner != 0, 1) ? self->owner : self_owner_ask();
}
/* The same, or (alone) only pid_tid, or 0 when it has to be asked for. */
static inline uint64_t self_known(bool alone)
{
	uint64_t owner = alone ? self_cache.pid_tid : self_cache.owner;

	return owner >> 32 == __atomic_load_n(&self_fork_page[0], __ATOMIC_RELAXED) ? owner : 0;
}
uint64_t self_clock(void);	/* CLOCK_MONOTONIC, ns */
/* Does the thread that called itself (tid, birth) still exist? */
int self_alive(uint32_t tid, uint32_t birth);

#endif
