/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ring.c - records to and from the outside: ring buffers, user ring buffers, perf buffers, dynptrs.
 * A reserved record is held by the run: when the run ends early it is discarded, so that a fault
 * never leaves a consumer waiting. */
#include "helpers/families.h"
#include "vm/mem.h"

enum { WAKEUP_MASK = 3 /* BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP */ };

/* ---- reserve and commit ---- */

static void drop_record(struct uebpf_call *call, struct call_hold *hold)
{
	(void)call;
	hold->map->ops->more->commit(hold->map, hold->what, 0, true);
}

static void *reserve(struct uebpf_call *call, struct uebpf_map *map, uint64_t size)
{
	void *record;

	if (!map->ops->more->reserve || call->nr_hold == CALL_HOLDS)
		return NULL;
	record = map->ops->more->reserve(map, size);
	if (!record)
		return NULL;
	if (call->code->checked)
		call_add_region(call, record, (size_t)size, ACCESS_READ | ACCESS_WRITE);
	call->hold[call->nr_hold++] = (struct call_hold){ drop_record, map, record };
	return record;
}

/* What is not held (a pointer that was already given back) is left alone. */
static void commit(struct uebpf_call *call, void *record, uint64_t flags, bool discard)
{
	uint32_t i = call->nr_hold;
	struct uebpf_map *map;

	while (i--) {
		if (call->hold[i].what != record || call->hold[i].drop != drop_record)
			continue;
		map = call->hold[i].map;
		call->hold[i] = call->hold[--call->nr_hold];
		if (call->code->checked)
			call_drop_region(call, record);
		map->ops->more->commit(map, record, flags, discard);
		return;
	}
}

FN(ringbuf_reserve)
{
	return r3 ? 0 : (uintptr_t)reserve(call, ptr(r1), r2);
}

FN(ringbuf_submit)
{
	commit(call, ptr(r1), r2, false);
	return 0;
}

FN(ringbuf_discard)
{
	commit(call, ptr(r1), r2, true);
	return 0;
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
	map->ops->more->commit(map, record, r4, false);
	return 0;
}

FN(ringbuf_query)
{
	struct uebpf_map *map = ptr(r1);

	return map->ops->more->query ? map->ops->more->query(map, r2) : 0;
}

/* ---- dynptrs: 16 bytes of the program's stack ---- */

struct dyn {
	uint64_t data;
	uint32_t size;		/* and DYN_READ_ONLY */
	uint32_t offset;
};
#define DYN_READ_ONLY (UINT32_C(1) << 31)
enum { DYN_MAX = (1 << 24) - 1 };
_Static_assert(sizeof(struct dyn) == 16, "struct bpf_dynptr of the kernel has this size");

static uint32_t dyn_size(const struct dyn *dyn)
{
	return dyn->size & DYN_MAX;
}

/* A checked program could have scribbled over its dynptr: the memory is tested again on use. */
static int dyn_at(struct uebpf_call *call, const struct dyn *dyn, uint64_t offset, uint64_t len,
		  uint32_t access, uint64_t *at)
{
	offset = (uint32_t)offset;
	len = (uint32_t)len;
	if (!dyn->data)
		return -EINVAL;
	if (offset > dyn_size(dyn) || len > dyn_size(dyn) - offset)
		return -E2BIG;
	*at = dyn->data + dyn->offset + offset;
	if (call->code->checked && len && !call_may_access(call, *at, len, access)) {
		call->status = -EFAULT;
		call->address = *at;
		return -EFAULT;
	}
	return 0;
}

FN(dynptr_from_mem)
{
	struct dyn *dyn = ptr(r4);
	int err = r3 ? -EINVAL : r2 > DYN_MAX ? -E2BIG : 0;

	memset(dyn, 0, sizeof *dyn);
	if (!err)
		*dyn = (struct dyn){ .data = r1, .size = (uint32_t)r2 };
	return (uint64_t)(int64_t)err;
}

FN(ringbuf_reserve_dynptr)
{
	struct dyn *dyn = ptr(r4);
	uint32_t size = (uint32_t)r2;
	void *record;

	memset(dyn, 0, sizeof *dyn);
	if (r3)
		return ERR(EINVAL);
	if (size > DYN_MAX)
		return ERR(E2BIG);
	record = reserve(call, ptr(r1), size);
	if (!record)
		return ERR(EINVAL);
	*dyn = (struct dyn){ .data = (uintptr_t)record, .size = size };
	return 0;
}

static uint64_t commit_dynptr(struct uebpf_call *call, struct dyn *dyn, uint64_t flags, bool discard)
{
	if (dyn->data)
		commit(call, ptr(dyn->data), flags, discard);
	memset(dyn, 0, sizeof *dyn);
	return 0;
}

FN(ringbuf_submit_dynptr)
{
	return commit_dynptr(call, ptr(r1), r2, false);
}

FN(ringbuf_discard_dynptr)
{
	return commit_dynptr(call, ptr(r1), r2, true);
}

FN(dynptr_read)
{
	uint64_t at = 0;
	int err = r5 ? -EINVAL : dyn_at(call, ptr(r3), r4, r2, ACCESS_READ, &at);

	if (!err)
		memmove(ptr(r1), ptr(at), (uint32_t)r2);
	return (uint64_t)(int64_t)err;
}

FN(dynptr_write)
{
	struct dyn *dyn = ptr(r1);
	uint64_t at = 0;
	int err = r5 || dyn->size & DYN_READ_ONLY ? -EINVAL : dyn_at(call, dyn, r2, r4, ACCESS_WRITE, &at);

	if (!err)
		memmove(ptr(at), ptr(r3), (uint32_t)r4);
	return (uint64_t)(int64_t)err;
}

FN(dynptr_data)
{
	struct dyn *dyn = ptr(r1);
	uint64_t at = 0;

	if (dyn->size & DYN_READ_ONLY || dyn_at(call, dyn, r2, r3, ACCESS_READ | ACCESS_WRITE, &at))
		return 0;
	return at;
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

/* ---- perf buffer ---- */

#define CURRENT_CPU UINT32_MAX	/* BPF_F_CURRENT_CPU */
enum { PACKET_LEN_SHIFT = 32, PACKET_LEN_MAX = 0xfffff, ON_STACK = 1024 };

FN(perf_event_output)
{
	const struct uebpf_hooks *hooks = &call->env->hooks;
	struct uebpf_packet *packet = call_packet(call);
	struct uebpf_map *map = ptr(r2);
	uint64_t extra = r3 >> PACKET_LEN_SHIFT, size = (uint32_t)r5;
	uint32_t index = (uint32_t)r3;
	char small[ON_STACK], *record = small;
	int err;

	if (extra && (!packet || extra > PACKET_LEN_MAX))
		return ERR(EINVAL);
	if (extra && extra > (uint64_t)(packet->data_end - packet->data))
		return ERR(EFAULT);
	if (index == CURRENT_CPU)
		index = current_cpu(call);
	if (index >= map->max_entries)
		return ERR(E2BIG);
	if (!hooks->perf_output)
		return ERR(ENOENT);
	if (!extra)
		return (uint64_t)(int64_t)hooks->perf_output(hooks->ctx, map, index, ptr(r4), (size_t)size);
	if (size + extra > sizeof small)
		record = mem_alloc(call->env, (size_t)(size + extra));
	if (!record)
		return ERR(ENOMEM);
	if (size)
		memcpy(record, ptr(r4), (size_t)size);
	memcpy(record + size, packet->data, (size_t)extra);
	err = hooks->perf_output(hooks->ctx, map, index, record, (size_t)(size + extra));
	if (record != small)
		mem_free(call->env, record, (size_t)(size + extra));
	return (uint64_t)(int64_t)err;
}
