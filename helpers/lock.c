/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lock.c - bpf_spin_lock and bpf_spin_unlock on the 32-bit word inside a map value (vm/spin.h). */
#include "helpers/families.h"
#include "vm/spin.h"

FN(spin_lock)
{
	int err = call->nr_hold < CALL_HOLDS ? spin_lock(ptr(r1), call->env && call->env->wary) : -ENOSPC;

	/* The helper returns nothing, so a lock that cannot be had ends the run: going on would
	 * break the exclusion (a signal handler that interrupted the owner, on the same thread). */
	if (err) {
		call->status = err;
		call->address = r1;
		return 0;
	}
	call->hold[call->nr_hold++] = (struct call_hold){ .what = ptr(r1) };
	return 0;
}

FN(spin_unlock)
{
	uint32_t i = call->nr_hold;

	while (i--) {
		if (call->hold[i].map || call->hold[i].what != ptr(r1))
			continue;
		spin_unlock(ptr(r1));
		call->hold[i] = call->hold[--call->nr_hold];
		break;
	}
	return 0;
}
