/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* spin.c - see spin.h. */
#include <errno.h>
#include <sched.h>
#include "vm/self.h"
#include "vm/spin.h"

enum { TID_BITS = 22, TID_MASK = (1 << TID_BITS) - 1, SPINS = 200, YIELDS = 100 };

static uint32_t owner_word(void) { return (uint32_t)self_owner(); }

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}

#define PER_THREAD static _Thread_local __attribute__((tls_model("initial-exec")))
PER_THREAD uint64_t spent;	/* in the wait, or in all of an operation up to now */
PER_THREAD bool counted;

bool spin_together(void)
{
	if (counted)
		return false;
	spent = 0;
	counted = true;
	return true;
}

void spin_apart(bool together)
{
	if (together)
		counted = false;
}

bool spin_tired(bool begins)
{
	PER_THREAD uint64_t since;
	uint64_t now = self_clock();

	if (begins)
		since = now - (counted ? spent : 0);
	spent = now - since;
	return spent > WARY_NS;
}

int spin_lock(uint32_t *word, bool wary)
{
	uint32_t self = owner_word(), seen = 0;
	unsigned spins = 0;

	while (!__atomic_compare_exchange_n(word, &seen, self, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (seen == self)
			return -EBUSY;
		if (++spins % SPINS) {
			relax();
		} else if (spins / SPINS % YIELDS) {
			int saved = errno;

			sched_yield();
			errno = saved;
		} else if (seen && self_alive(seen & TID_MASK, seen >> TID_BITS)) {
			if (wary && spin_tired(spins == SPINS * YIELDS))
				return -EBUSY;
		} else if (seen) {
			if (__atomic_compare_exchange_n(word, &seen, self, 0, __ATOMIC_ACQUIRE,
							__ATOMIC_RELAXED))
				return 0;
		}
		seen = 0;
	}
	return 0;
}

void spin_unlock(uint32_t *word)
{
	uint32_t self = owner_word();

	__atomic_compare_exchange_n(word, &self, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}
