/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* call.c - the state of one run that all engines share: what the program may touch, its packet,
 * tail calls, and the checks of a checked run that are not worth inlining.
 *
 * Regions are few, so the slow path is a linear search; engines keep the last hits. */
#include <errno.h>
#include <string.h>
#include "vm/code.h"
#include "vm/spin.h"

/* This file is built for speed but for what few runs pass through. */
#define COLD __attribute__((cold, noinline))

static const uint32_t never_aborted;

/* ---- regions ---- */

static const struct region *find(const struct region *r, uint32_t n, uint64_t addr, uint64_t size,
				 uint32_t access)
{
	for (uint32_t i = 0; i < n; i++)
		if ((r[i].access & access) == access && region_holds(&r[i], addr, size))
			return &r[i];
	return NULL;
}

/* Memory that a field of the context points to (CTX_MEM, CTX_CSTR) becomes a region when the program
 * first touches it: a run that never does pays nothing. */
COLD static const struct region *find_behind_ctx(struct uebpf_call *call, uint64_t addr, uint64_t size)
{
	const struct prog_type *type = call->code->type;

	for (uint32_t i = 0; i < type->nr_fields; i++) {
		const struct ctx_field *f = &type->fields[i];
		const char *host = (const char *)call->ctx + f->host_off;
		uint64_t len = 0;
		uintptr_t at;

		if ((f->kind != CTX_MEM && f->kind != CTX_CSTR) || f->host_off + sizeof at > call->ctx_len)
			continue;
		memcpy(&at, host, sizeof at);
		if (!at || addr < at)
			continue;
		if (f->kind == CTX_CSTR) {
			len = strlen((const char *)at) + 1;
		} else {
			uint32_t width = f->size_width ? f->size_width : 8;
			uint64_t load;

			if (f->size_off + width > call->ctx_len)
				continue;
			if (width == 8) {
				memcpy(&len, (const char *)call->ctx + f->size_off, 8);
			} else {
				uint32_t word = 0;
				uint16_t half;

				memcpy(&half, (const char *)call->ctx + f->size_off, 2);
				if (width == 4)
					memcpy(&word, (const char *)call->ctx + f->size_off, 4);
				load = width == 4 ? word : half;
				len = load;
			}
		}
		if (addr - at >= len || size > len - (addr - at))
			continue;
		if (call_add_region(call, (void *)at, len, ACCESS_READ))
			return NULL;
		return find(call->own, call->nr_own, addr, size, ACCESS_READ);
	}
	return NULL;
}

const struct region *call_find_region(struct uebpf_call *call, uint64_t addr, uint64_t size, uint32_t access)
{
	const struct region *r = call->last;

	if (r && (r->access & access) == access && region_holds(r, addr, size))
		return r;
	r = find(call->own, call->nr_own, addr, size, access);
	if (!r)
		r = find(call->code->region, call->code->nr_region, addr, size, access);
	if (!r && access == ACCESS_READ && call->ctx)
		r = find_behind_ctx(call, addr, size);
	call->last = r;
	return r;
}

bool call_may_access(struct uebpf_call *call, uint64_t addr, uint64_t size, uint32_t access)
{
	return !size || call_find_region(call, addr, size, access) != NULL;
}

void call_put_region(struct uebpf_call *call, const struct region *region)
{
	uint32_t at = call->nr_own;

	for (uint32_t i = OWN_FIRST_FREE; i < call->nr_own; i++) {
		if (call->own[i].lo == region->lo && call->own[i].access == region->access) {
			at = i;
			break;
		}
		if (call->own[i].lo == call->own[i].hi)
			at = i;
	}
	if (at == CALL_REGIONS) {
		/* All taken: the oldest that a helper gave becomes inaccessible. */
		at = OWN_FIRST_FREE + call->next_own++ % (CALL_REGIONS - OWN_FIRST_FREE);
	}
	call->own[at] = *region;
	if (at == call->nr_own)
		call->nr_own++;
}

int call_add_region(struct uebpf_call *call, const void *base, size_t size, uint32_t access)
{
	uintptr_t lo = (uintptr_t)base;

	if (!base || size > UINTPTR_MAX - lo)
		return -EINVAL;
	call_put_region(call, &(struct region){ .lo = lo, .hi = lo + size, .access = access });
	return 0;
}

COLD void call_drop_region(struct uebpf_call *call, const void *base)
{
	for (uint32_t i = OWN_FIRST_FREE; i < call->nr_own; i++)
		if (call->own[i].lo == (uintptr_t)base)
			call->own[i] = (struct region){ 0 };
}

struct uebpf_packet *call_packet(struct uebpf_call *call)
{
	return call->code->type->flags & TYPE_PACKET ? call->ctx : NULL;
}

void call_packet_moved(struct uebpf_call *call)
{
	struct uebpf_packet *p = call_packet(call);
	uint32_t access = ACCESS_READ;

	if (!p)
		return;
	p->len = (uint32_t)(p->data_end - p->data);
	if (call->code->type->flags & TYPE_PACKET_WRITE)
		access |= ACCESS_WRITE;
	call->own[OWN_PACKET] = (struct region){ .lo = (uintptr_t)p->data, .hi = (uintptr_t)p->data_end,
						 .access = access };
	if (p->data_meta && p->data_meta < p->data)
		call->own[OWN_META] = (struct region){ .lo = (uintptr_t)p->data_meta, .hi = (uintptr_t)p->data,
						       .access = access };
	else
		call->own[OWN_META] = (struct region){ 0 };
	call->packet_gen++;
}

/* ---- begin and end ---- */

static void begin_regions(struct uebpf_call *call)
{
	const struct prog_type *type = call->code->type;
	uint32_t access = ACCESS_CTX;
	size_t len = type->ctx_size;

	for (int i = 0; i < OWN_FIRST_FREE; i++)
		call->own[i].lo = call->own[i].hi = call->own[i].access = call->own[i].stride = 0;
	call->nr_own = OWN_FIRST_FREE;
	if (type->flags & TYPE_RAW) {
		access = ACCESS_READ | ACCESS_WRITE;
		len = call->ctx_len;
	} else if (type->flags & TYPE_DIRECT) {
		access = ACCESS_READ | (type->nr_fields ? ACCESS_CTX : 0) |
			 (type->flags & TYPE_CTX_WRITE && !type->nr_fields ? ACCESS_WRITE : 0);
	}
	if (len > call->ctx_len && type->flags & TYPE_OPEN)
		len = call->ctx_len;
	if (call->ctx)
		call->own[OWN_CTX] = (struct region){ .lo = (uintptr_t)call->ctx, .hi = (uintptr_t)call->ctx + len,
						      .access = access };
	call_packet_moved(call);
}

int call_begin(struct uebpf_call *call, const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run)
{
	const struct prog_type *type = code->type;
	uint64_t budget = code->budget;

	call->abort = &never_aborted;
	call->host = NULL;
	if (run) {
		if (run->size && run->size < RUN_MIN)
			return -EINVAL;
		if ((run->budget || run->abort) && !code->metered)
			return -EOPNOTSUPP;
		if (run->budget)
			budget = run->budget;
		if (run->abort)
			call->abort = run->abort;
		call->host = run->host;
	}
	if (!(type->flags & (TYPE_RAW | TYPE_OPEN)) && (ctx_len < type->host_size || (!ctx && type->host_size)))
		return -EINVAL;
	call->code = code;
	call->ctx = ctx;
	call->ctx_len = ctx_len;
	call->run = run;
	call->env = code->host;
	call->helper = NULL;
	call->status = 0;
	call->pc = UINT32_MAX;
	call->address = 0;
	call->left = call->budget = budget;
	call->tail = NULL;
	call->tails = 0;
	call->depth = 1;
	call->slot = -1;
	call->on_exit = NULL;
	call->callback = NULL;
	call->engine = NULL;
	call->nr_own = 0;
	call->last = NULL;
	call->memo.helper = NULL;
	call->next_own = 0;
	call->packet_gen = 0;
	call->held = NULL;
	call->nr_hold = 0;
	if (code->checked || code->calls)
		begin_regions(call);
	return 0;
}

void call_drop_holds(struct uebpf_call *call)
{
	while (call->nr_hold) {
		struct call_hold hold = call->hold[--call->nr_hold];

		if (hold.map)
			hold.map->ops->more->commit(hold.map, hold.what, 0, true);
		else
			spin_unlock(hold.what);
	}
}

int call_end(struct uebpf_call *call)
{
	struct uebpf_run *run = call->run;
	const struct code *code = call->code;

	call_drop_holds(call);
	if (call->on_exit)
		call->on_exit(call);
	if (run) {
		run->steps = code->metered ? call->budget - call->left : 0;
		run->pc = call->status && call->pc < code->n ? code->slot[call->pc] : 0;
		run->address = call->address;
	}
	return call->status;
}

/* ---- loads and stores with all checks ---- */

COLD static bool refuse(struct uebpf_call *call, uint64_t addr)
{
	call->status = -EFAULT;
	call->address = addr;
	return false;
}

static const struct region *in_ctx(const struct uebpf_call *call, uint64_t addr, uint32_t size)
{
	const struct region *r = &call->own[OWN_CTX];

	return r->access & ACCESS_CTX && region_holds(r, addr, size) ? r : NULL;
}

struct any16 { uint16_t v; } __attribute__((packed, may_alias));
struct any32 { uint32_t v; } __attribute__((packed, may_alias));
struct any64 { uint64_t v; } __attribute__((packed, may_alias));

uint64_t call_read(uint64_t addr, uint32_t size)
{
	const void *at = (const void *)(uintptr_t)addr;

	switch (size) {
	case 1: return *(const uint8_t *)at;
	case 2: return ((const struct any16 *)at)->v;
	case 4: return ((const struct any32 *)at)->v;
	default: return ((const struct any64 *)at)->v;
	}
}

void call_write(uint64_t addr, uint32_t size, uint64_t value)
{
	void *at = (void *)(uintptr_t)addr;

	switch (size) {
	case 1: *(uint8_t *)at = (uint8_t)value; break;
	case 2: ((struct any16 *)at)->v = (uint16_t)value; break;
	case 4: ((struct any32 *)at)->v = (uint32_t)value; break;
	default: ((struct any64 *)at)->v = value; break;
	}
}

bool call_load(struct uebpf_call *call, uint64_t addr, uint32_t size, uint64_t *value)
{
	const struct region *ctx = in_ctx(call, addr, size);

	if (ctx && !(ctx->access & ACCESS_READ)) {
		if (ctx_load(call->code->type, call->ctx, (uint32_t)(addr - ctx->lo), size, value))
			return refuse(call, addr);
		return true;
	}
	if (!call_find_region(call, addr, size, ACCESS_READ))
		return refuse(call, addr);
	*value = call_read(addr, size);
	return true;
}

bool call_store(struct uebpf_call *call, uint64_t addr, uint32_t size, uint64_t value)
{
	const struct region *ctx = in_ctx(call, addr, size);

	if (ctx && !(ctx->access & ACCESS_WRITE)) {
		if (ctx_store(call->code->type, call->ctx, (uint32_t)(addr - ctx->lo), size, value))
			return refuse(call, addr);
		return true;
	}
	if (!call_find_region(call, addr, size, ACCESS_WRITE))
		return refuse(call, addr);
	call_write(addr, size, value);
	return true;
}

/* Negative offsets of classic BPF (linux/filter.h): from the network header, from the link header. */
enum { OFF_NET = -0x100000, OFF_LINK = -0x200000, ETHERNET = 14 };

COLD bool call_packet_load(struct uebpf_call *call, uint64_t r6, int32_t off, uint32_t size, uint64_t *value)
{
	const struct uebpf_packet *p = call_packet(call);
	uint64_t len, at = (uint32_t)off;
	uint8_t bytes[4] = { 0 };

	if (call->code->checked && r6 != (uintptr_t)call->ctx)
		return refuse(call, r6);
	if (!p)
		return false;
	if (off < 0) {
		if (off < OFF_LINK)
			return false;
		at = off >= OFF_NET ? (uint64_t)(off - OFF_NET) + ETHERNET : (uint64_t)(off - OFF_LINK);
	}
	len = (uint64_t)(p->data_end - p->data);
	if (at > len || size > len - at)
		return false;
	memcpy(bytes, p->data + at, size);
	*value = 0;
	for (uint32_t i = 0; i < size; i++)
		*value = *value << 8 | bytes[i];
	return true;
}

/* ---- calls ---- */

COLD const struct helper *call_by_number(struct uebpf_call *call, uint64_t number, uint32_t init)
{
	const struct helper *helper = number <= UINT32_MAX ? helper_find(call->code->helpers, (uint32_t)number) : NULL;

	call->address = number;
	if (!helper || (call->code->checked && helper_needs(helper) & ~init))
		call->status = -EFAULT;
	else if (helper->flags & HF_TAIL)
		call->status = -EOPNOTSUPP;
	else if (!helper_fn(helper))
		call->status = -ENOSYS;
	return call->status ? NULL : helper;
}

COLD const struct code *call_take_tail(struct uebpf_call *call)
{
	const struct code *to = call->tail, *from = call->code;

	call->tail = NULL;
	if (!to || call->tails >= TAIL_LIMIT)
		return NULL;
	/* Programs of one prog_array have one type and mode (uebpf_map_set_prog sees to it). */
	if (to->type != from->type || to->checked != from->checked || to->metered != from->metered) {
		call->status = -EINVAL;
		return NULL;
	}
	call->tails++;
	call->last = NULL;	/* maybe a map's of the other */
	call->memo.helper = NULL;
	call->code = to;
	return to;
}
