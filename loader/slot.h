/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* slot.h - what a slot points to: between running it (slot.c) and changing it (slot_change.c).  A list is
 * never changed: a new one is published with one store, the old one waits in reclaim.c until nobody can be
 * in it.  Counters are one cache line per thread's record, so that counting needs no atomics there. */
#ifndef UEBPF_LOADER_SLOT_H
#define UEBPF_LOADER_SLOT_H

#include "loader/object.h"
#include "loader/reclaim.h"

struct counts {
	_Alignas(64) uint64_t runs;
	uint64_t accepted, faults, budget, aborted, other, ns;
};
enum { COUNTS = RECLAIM_RECORDS + 1 };		/* the last one: runs without a record */

struct filter {
	uebpf_entry plain;		/* prog's, unless timed or with a budget of its own */
	uint32_t min_ctx;
	const struct prog *prog;
	struct uebpf_filter_opts opts;
	struct counts *counts;		/* NULL: none wanted */
};

struct uebpf_filters {
	struct retired retired;		/* first */
	struct vm_host *host;
	uint32_t n;
	struct { struct filter *filter; bool leaves; } item[];
};

static inline struct reclaim *domain(const struct uebpf_slot *slot)
{
	return (struct reclaim *)slot->domain;
}

static inline struct uebpf_filters *live(const struct uebpf_slot *slot)
{
	return __atomic_load_n(&slot->live, __ATOMIC_ACQUIRE);
}


#endif
