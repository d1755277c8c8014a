/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dynptr.c - dynptrs over memory and over records of ring buffers. */
#include "helpers/dynptr.h"

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
	int err = r2 > DYN_MAX ? -E2BIG : r3 ? -EINVAL : 0;

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
	record = record_reserve(call, ptr(r1), size);
	if (!record)
		return ERR(EINVAL);
	*dyn = (struct dyn){ .data = (uintptr_t)record, .size = size };
	return 0;
}

static uint64_t commit_dynptr(struct uebpf_call *call, struct dyn *dyn, uint64_t flags, bool discard)
{
	if (dyn->data)
		record_commit(call, ptr(dyn->data), flags, discard);
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
	int err = dyn->size & DYN_READ_ONLY ? -EINVAL : dyn_at(call, dyn, r2, r4, ACCESS_WRITE, &at);

	if (!err && r5)	/* only then, as in the kernel */
		err = -EINVAL;
	if (!err)
		memmove(ptr(at), ptr(r3), (uint32_t)r4);
	return (uint64_t)(int64_t)err;
}

static uint64_t slice(struct uebpf_call *call, struct dyn *dyn, uint64_t offset, uint64_t len, uint32_t access)
{
	uint64_t at = 0;

	if ((access & ACCESS_WRITE && dyn->size & DYN_READ_ONLY) || dyn_at(call, dyn, offset, len, access, &at))
		return 0;
	return at;
}

FN(dynptr_data)
{
	return slice(call, ptr(r1), r2, r3, ACCESS_READ | ACCESS_WRITE);
}

FN(dynptr_slice)
{
	return slice(call, ptr(r1), r2, r4, ACCESS_READ);
}

FN(dynptr_slice_rdwr)
{
	return slice(call, ptr(r1), r2, r4, ACCESS_READ | ACCESS_WRITE);
}

FN(dynptr_size)
{
	const struct dyn *dyn = ptr(r1);

	return dyn->data ? dyn_size(dyn) : (uint32_t)-EINVAL;
}

FN(dynptr_is_null)
{
	return !((const struct dyn *)ptr(r1))->data;
}

FN(dynptr_is_rdonly)
{
	const struct dyn *dyn = ptr(r1);

	return dyn->data && dyn->size & DYN_READ_ONLY;
}

FN(dynptr_adjust)
{
	struct dyn *dyn = ptr(r1);
	uint32_t start = (uint32_t)r2, end = (uint32_t)r3;

	if (!dyn->data || start > end)
		return ERR(EINVAL);
	if (end > dyn_size(dyn))
		return ERR(ERANGE);
	dyn->offset += start;
	dyn->size = (dyn->size & DYN_READ_ONLY) | (end - start);
	return 0;
}

FN(dynptr_clone)
{
	struct dyn *dyn = ptr(r1);

	*(struct dyn *)ptr(r2) = dyn->data ? *dyn : (struct dyn){ 0 };
	return dyn->data ? 0 : ERR(EINVAL);
}
