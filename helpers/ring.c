/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ring.c - records to and from the outside: ring buffers and user ring buffers.
 * A reserved record is held by the run: when the run ends early it is discarded, so that a fault
 * never leaves a consumer waiting. */
#include "helpers/dynptr.h"

enum { WAKEUP_MASK = 3 /* BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP */ };

/* ---- reserve and commit ---- */

void *record_reserve(struct uebpf_call *call, struct uebpf_map *map, uint64_t size)
{
	void *record;

	if (!map->ops->more->reserve || call->nr_hold == CALL_HOLDS)
		return NULL;
	record = map->ops->more->reserve(map, size);
	if (!record)
		return NULL;
	if (call->code->checked)
		call_add_region(call, record, (size_t)size, ACCESS_READ | ACCESS_WRITE);
	call->hold[call->nr_hold++] = (struct call_hold){ map, record };
	return record;
}

/* What is not held (a pointer that was already given back) is left alone. */
uint64_t record_commit(struct uebpf_call *call, void *record, uint64_t flags, bool discard)
{
	struct call_hold *hold = call->hold, *top = hold + call->nr_hold;
	struct uebpf_map *map;

	do {
		if (top-- == hold)
			return 0;
	} while (top->what != record || !top->map);
	map = top->map;
	if (top != hold + --call->nr_hold)
		*top = hold[call->nr_hold];
	if (call->code->checked)
		call_drop_region(call, record);
	return map->ops->more->commit(map, record, flags, discard);
}

/* The same.  Most often the record was the last to be taken; the next reserve's atomic waits for every store, so the
 * way there has few: no register is saved, and the last call is a jump. */
static inline __attribute__((always_inline))
uint64_t commit(struct uebpf_call *call, void *record, uint64_t flags, bool discard)
{
	uint32_t n = call->nr_hold - 1;
	struct uebpf_map *map;

	if (__builtin_expect(n >= CALL_HOLDS || call->hold[n].what != record || call->code->checked, 0))
		return record_commit(call, record, flags, discard);
	map = call->hold[n].map;
	if (__builtin_expect(!map, 0))
		return record_commit(call, record, flags, discard);
	call->nr_hold = n;
	return map->ops->more->commit(map, record, flags, discard);
}

FN(ringbuf_reserve)
{
	return r3 ? 0 : (uintptr_t)record_reserve(call, ptr(r1), r2);
}

FN(ringbuf_submit)
{
	return commit(call, ptr(r1), r2, false);
}

/* Seldom, so that it needs no commit of its own in place. */
__attribute__((cold)) FN(ringbuf_discard)
{
	return commit(call, ptr(r1), r2, true);
}

FN(ringbuf_output)
{
	struct uebpf_map *map = ptr(r1);
	void *record;

	if (r4 & ~(uint64_t)WAKEUP_MASK)
		return ERR(EINVAL);
	record = map->ops->more->reserve ? map->ops->more->reserve(map, r3) : NULL;
	if (!record)
		return ERR(EAGAIN);
	if (r3)
		memcpy(record, ptr(r2), (size_t)r3);
	return map->ops->more->commit(map, record, r4, false);
}

FN(ringbuf_query)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->more->query ? map->ops->more->query(map, r2) : 0;
}

/* ---- user ring buffer ---- */

struct drain {
	struct uebpf_call *call;
	uint64_t fn, ctx;
};

static long drain_sample(void *arg, void *data, uint32_t len)
{
	struct drain *drain = arg;
	struct uebpf_call *call = drain->call;
	struct dyn dyn = { .data = (uintptr_t)data, .size = len | DYN_READ_ONLY };
	bool checked = call->code->checked;
	uint64_t stop;

	if (checked) {	/* args.c wants dynptrs writable; the data is not */
		call_add_region(call, &dyn, sizeof dyn, ACCESS_READ | ACCESS_WRITE);
		call_add_region(call, data, len, ACCESS_READ);
	}
	stop = call->callback(call, drain->fn, (uintptr_t)&dyn, drain->ctx, 0, 0, 0);
	if (checked) {
		call_drop_region(call, data);
		call_drop_region(call, &dyn);
	}
	return stop || call->status;
}

FN(user_ringbuf_drain)
{
	struct uebpf_map *map = ptr(r1);
	struct drain drain = { .call = call, .fn = r2, .ctx = r3 };

	if (r4 & ~(uint64_t)WAKEUP_MASK)
		return ERR(EINVAL);
	return map->ops->more->drain ? (uint64_t)map->ops->more->drain(map, drain_sample, &drain, r4)
			       : ERR(EOPNOTSUPP);
}
