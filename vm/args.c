/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* args.c - a helper's arguments against its contract, in a checked run, and what its result may touch: the same rows
 * that the verifier proves.  Knows no helper by number. */
#include <errno.h>
#include <string.h>
#include "vm/code.h"

enum { MEM_MAX = 1 << 29 /* BPF_MAX_VAR_SIZ */, TIMER_BYTES = 16, LOCK_BYTES = 4 };

static bool refuse(struct uebpf_call *call, uint64_t address)
{
	call->status = -EFAULT;
	call->address = address;
	return false;
}

static bool can(struct uebpf_call *call, uint64_t addr, uint64_t size, uint32_t access)
{
	if (size > MEM_MAX || !call_may_access(call, addr, size, access))
		return refuse(call, addr);
	return true;
}

bool call_has_map(const struct uebpf_call *call, uint64_t addr)
{
	for (uint32_t i = 0; i < call->code->nr_map; i++)
		if ((uintptr_t)call->code->map[i] == addr)
			return true;
	return false;
}

/* A pointer that some helper returned as an object, exactly. */
static bool is_object(struct uebpf_call *call, uint64_t addr)
{
	for (uint32_t i = OWN_FIRST_FREE; i < call->nr_own; i++)
		if (call->own[i].lo == addr && call->own[i].lo != call->own[i].hi)
			return true;
	return false;
}

static bool check_map(struct uebpf_call *call, const struct helper *helper, uint64_t addr)
{
	const struct uebpf_map *map = (const struct uebpf_map *)(uintptr_t)addr;

	if (!call_has_map(call, addr) && !(is_object(call, addr) && call_may_access(call, addr, 1, ACCESS_OBJECT)))
		return refuse(call, addr);
	if (!helper_takes(helper, map->type))
		return refuse(call, addr);
	return true;
}

/* Readable up to and including a NUL, whatever region that lies in. */
static bool check_string(struct uebpf_call *call, uint64_t addr)
{
	uint64_t at = addr;

	for (;;) {
		const struct region *r = call_find_region(call, at, 1, ACCESS_READ);
		uint64_t room;

		if (!r)
			return refuse(call, addr);
		room = r->stride ? 1 : r->hi - at;
		if (memchr((const void *)(uintptr_t)at, 0, (size_t)room))
			return true;
		at += room;
	}
}

/* Memory whose length is another argument. */
static bool can_sized(struct uebpf_call *call, const struct helper *helper, unsigned i, const uint64_t r[6],
		      uint32_t access)
{
	unsigned length = helper_length(helper, i);

	return can(call, r[i + 1], length < 5 ? r[length + 1] : 0, access);
}

static bool check_one(struct uebpf_call *call, const struct helper *helper, unsigned i, struct arg arg,
		      const uint64_t r[6], const struct uebpf_map *map)
{
	uint64_t v = r[i + 1];

	if (arg.flags & ARG_OR_NULL && !v)
		return true;
	switch ((enum arg_kind)arg.kind) {
	case ARG_NONE: case ARG_ANY: case ARG_SCALAR: case ARG_ALLOC_SIZE: case ARG_STACK: case ARG_KIND_COUNT:
		return true;
	case ARG_CTX: return v == (uintptr_t)call->ctx ? true : refuse(call, v);
	case ARG_MAP: return check_map(call, helper, v);
	case ARG_KEY: return !map || can(call, v, map->key_size, ACCESS_READ);
	case ARG_VALUE: return !map || can(call, v, map->value_size, ACCESS_READ);
	case ARG_VALUE_OUT: return !map || can(call, v, map->value_size, ACCESS_WRITE);
	case ARG_MEM: return can_sized(call, helper, i, r, ACCESS_READ);
	case ARG_MEM_OUT: return can_sized(call, helper, i, r, ACCESS_WRITE);
	case ARG_MEM_INOUT: return can_sized(call, helper, i, r, ACCESS_READ | ACCESS_WRITE);
	case ARG_FIXED: return can(call, v, arg.size, ACCESS_READ);
	case ARG_FIXED_OUT:
		if ((arg.size == 4 || arg.size == 8) && v & (arg.size - 1u))
			return refuse(call, v);
		return can(call, v, arg.size, ACCESS_WRITE);
	case ARG_SIZE: return v && v <= MEM_MAX ? true : refuse(call, v);
	case ARG_SIZE0: return v <= MEM_MAX ? true : refuse(call, v);
	case ARG_CSTR: return check_string(call, v);
	case ARG_FUNC: return code_function(call->code, v) ? true : refuse(call, v);
	case ARG_ACQUIRED: case ARG_SOCK: case ARG_BTF:
		return is_object(call, v) ? true : refuse(call, v);
	case ARG_SPIN_LOCK:
		return v % LOCK_BYTES ? refuse(call, v) : can(call, v, LOCK_BYTES, ACCESS_READ | ACCESS_WRITE);
	case ARG_TIMER: return can(call, v, TIMER_BYTES, ACCESS_READ | ACCESS_WRITE);
	case ARG_DYNPTR: case ARG_DYNPTR_OUT:
		return can(call, v, 8 * dynptr_slots(arg.size), ACCESS_READ | ACCESS_WRITE);
	case ARG_KPTR: return can(call, v, 8, ACCESS_READ | ACCESS_WRITE);
	}
	return refuse(call, v);
}

/* Adds an argument that was good to what is remembered of the call; false: of such a call nothing is. */
static bool remember(struct call_memo *memo, unsigned i, struct arg arg, const struct uebpf_map *map)
{
	if (arg.kind == ARG_ANY || arg.kind == ARG_SCALAR || (arg.kind == ARG_MAP && !i))
		return true;
	if ((arg.kind != ARG_KEY && arg.kind != ARG_VALUE && arg.kind != ARG_VALUE_OUT) || !map || arg.flags & ARG_OR_NULL ||
	    memo->n == 2)
		return false;
	memo->reg[memo->n] = (uint8_t)(i + 1);
	memo->access[memo->n] = arg.kind == ARG_VALUE_OUT ? ACCESS_WRITE : ACCESS_READ;
	memo->size[memo->n++] = arg.kind == ARG_KEY ? map->key_size : map->value_size;
	return true;
}

static __attribute__((noinline)) bool check_all(struct uebpf_call *call, const struct helper *helper,
						const uint64_t r[6])
{
	struct call_memo now = { .helper = helper };
	const struct uebpf_map *map = NULL;
	bool good = true;

	for (unsigned i = 0; i < 5; i++) {
		struct arg arg = helper_arg(helper, i);

		if (arg.kind == ARG_NONE)
			break;
		if (!check_one(call, helper, i, arg, r, map))
			return false;
		if (arg.kind == ARG_MAP && !map)
			map = (const struct uebpf_map *)(uintptr_t)r[i + 1];
		good = good && remember(&now, i, arg, map);
	}
	now.map = map;
	now.quiet = !helper_of_host(helper) && !(helper->flags & HF_DISTURBS) &&
		    (helper_returns(helper) == RET_SCALAR || helper_returns(helper) == RET_VALUE_OR_NULL);
	if (good && map && call_has_map(call, (uintptr_t)map))
		call->memo = now;
	return true;
}

enum call_check call_check_args(struct uebpf_call *call, const struct helper *helper, const uint64_t r[6])
{
	const struct call_memo *memo = &call->memo;

	if (memo->helper != helper || (uintptr_t)memo->map != r[1])
		return check_all(call, helper, r) ? CALL_GOOD : CALL_REFUSED;
	for (uint32_t i = 0; i < memo->n; i++)
		if (!can(call, r[memo->reg[i]], memo->size[i], memo->access[i]))
			return CALL_REFUSED;
	return CALL_AGAIN;
}

const struct region *call_returned(struct uebpf_call *call, const struct helper *helper, uint64_t r[6])
{
	enum ret_kind returns = helper_returns(helper);
	const bool known = call->memo.helper == helper && (uintptr_t)call->memo.map == r[1];
	uint64_t size = known ? 0 : helper_ret(helper).size;
	const struct uebpf_map *map = known ? call->memo.map : NULL;
	uint32_t access;

	for (unsigned i = 0; i < 5 && !known; i++) {
		uint8_t kind = helper_arg(helper, i).kind;

		if (kind == ARG_NONE)
			break;
		if (kind == ARG_MAP && !map)
			map = (const struct uebpf_map *)(uintptr_t)r[i + 1];
		else if (kind == ARG_ALLOC_SIZE && !size)
			size = r[i + 1];
		if (kind == ARG_ACQUIRED && helper->flags & HF_RELEASES)
			call_drop_region(call, (void *)(uintptr_t)r[i + 1]);
	}
	switch (returns) {
	case RET_VOID:
		r[0] = 0;
		break;
	case RET_VALUE_OR_NULL: case RET_VALUE:
		if (!r[0] || !map)
			break;
		if (map->ops->traits & MT_MAPS)		/* the value is a map's handle */
			call_add_region(call, (void *)(uintptr_t)r[0], 1, ACCESS_OBJECT);
		else if (map->values.lo < map->values.hi && region_holds(&map->values, r[0], map->value_size)) {
			if (!known && !call_has_map(call, (uintptr_t)map))	/* its own maps' values are its regions */
				call_put_region(call, &map->values);
			return &map->values;
		} else if (!call_may_access(call, r[0], map->value_size, ACCESS_READ)) {
			call_add_region(call, (void *)(uintptr_t)r[0], map->value_size, ACCESS_READ | ACCESS_WRITE);
		}
		break;
	case RET_MEM_OR_NULL: case RET_MEM:
		access = helper_ret(helper).flags & RET_RDONLY ? ACCESS_READ : ACCESS_READ | ACCESS_WRITE;
		if (r[0] && !call_may_access(call, r[0], size, access))
			call_add_region(call, (void *)(uintptr_t)r[0], size, access);
		break;
	case RET_SOCK_OR_NULL: case RET_BTF_OR_NULL: case RET_BTF:
		if (returns != RET_SOCK_OR_NULL)
			size = 0;
		if (r[0])
			call_add_region(call, (void *)(uintptr_t)r[0], object_size(size) ? object_size(size) : 1,
					ACCESS_OBJECT | (object_size(size) ? ACCESS_READ : 0));
		break;
	default:
		break;
	}
	return NULL;
}
