/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* array.c - array and per-CPU array (kernel/bpf/arraymap.c).
 *
 * Layout, constant for the life of a map and usable from inlined code:
 *   array            value(i)       = base + i * value_stride
 *   per-CPU array    value(i, slot) = base + slot * slot_stride + i * value_stride
 * value_stride is value_size rounded up to 8; slot_stride leaves a cache line between slots. */
#include <string.h>
#include "maps/array.h"
#include "maps/keys.h"
#include "vm/insn.h"
#include "vm/message.h"

static uint32_t index_of(const void *key)
{
	uint32_t i;

	memcpy(&i, key, sizeof(i));
	return i;
}

int array_check(const struct uebpf_map_opts *o, const char **why)
{
	if (!o->max_entries || o->key_size != 4 || !o->value_size) {
		*why = MESSAGE_TEXT("an array needs max_entries, a 4-byte key and a value");
		return -EINVAL;
	}
	if (o->value_size > INT32_MAX) {
		*why = MESSAGE_TEXT("value too large");
		return -E2BIG;
	}
	return 0;
}

static int percpu_array_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = array_check(o, why);

	if (!r && round_up(o->value_size, 8) > PERCPU_MAX_VALUE) {
		*why = MESSAGE_TEXT("per-CPU values are at most 32768 bytes");
		r = -E2BIG;
	}
	return r;
}

static size_t array_bytes(const struct uebpf_map *map)
{
	/* mmapable or not, ends on a page: one layout for every source of the memory */
	return (size_t)map->max_entries * map->value_stride;
}

static int array_init(struct uebpf_map *map, bool fresh)
{
	(void)fresh;
	map->values = (struct region){
		.lo = (uintptr_t)map->base, .hi = (uintptr_t)map->base + array_bytes(map),
		.stride = map->value_stride, .len = map->value_size,
	};
	return 0;
}

static void *array_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	uint32_t i = index_of(key);

	(void)call;
	return i < map->max_entries ? (uint8_t *)map->base + (size_t)i * map->value_stride : NULL;
}

/* As array_lookup: an index below max_entries, times the stride, from the base. */
static int array_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap)
{
	enum { MAX = 1, STRIDE, BASE, NONE = 6, END };
	const int64_t arg[] = { map->max_entries, map->value_stride, (int64_t)(uintptr_t)map->base };
#define LOAD { .op = OP_LD_W, .dst = 0, .src = 2 }
#define ADDRESS \
	{ .op = OP_MUL64_K, .dst = 0, .arg = STRIDE }, \
	{ .op = OP_LDDW, .dst = 1, .arg = BASE }, \
	{ .op = OP_ADD64_X, .dst = 0, .src = 1 }
	static const struct pattern inside[] = { LOAD, ADDRESS };
	/* The way of NULL is apart, so that the program's own test of it is decided on both. */
	static const struct pattern code[END] = {
		LOAD,
		{ .op = OP_JGE64_K, .dst = 0, .arg = MAX, .off = NONE },
		ADDRESS,
		{ .op = OP_JA, .off = END },
		{ .op = OP_MOV64_K, .dst = 0 },
	};

	if (map->max_entries > INT32_MAX || map->value_stride > INT32_MAX || map->key_size != 4)
		return 0;
	return what == MAP_CALL_LOOKUP_INSIDE ? WRITE(out, cap, inside, arg) :
	       what == MAP_CALL_LOOKUP	      ? WRITE(out, cap, code, arg) : 0;
}

int array_check_update(const struct uebpf_map *map, uint32_t index, uint64_t flags)
{
	if ((flags & ~(uint64_t)BPF_F_LOCK) > BPF_EXIST)
		return -EINVAL;
	if (index >= map->max_entries)
		return -E2BIG;
	if (flags & BPF_NOEXIST)
		return -EEXIST;
	if ((flags & BPF_F_LOCK) && map->spin_lock_off == UINT32_MAX)
		return -EINVAL;
	return 0;
}

static long array_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
			 struct uebpf_call *call)
{
	uint32_t i = index_of(key);
	int r = array_check_update(map, i, flags);
	void *at;

	(void)call;
	if (r)
		return r;
	at = (uint8_t *)map->base + (size_t)i * map->value_stride;
	if (flags & BPF_F_LOCK)
		return value_store_locked(map, at, value);
	value_store(map, at, value);
	return 0;
}

static int array_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	return (int)array_update(map, key, value, flags, NULL);
}

static int array_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	void *at = array_lookup(map, key, NULL);

	if (!at)
		return -ENOENT;
	if (flags & BPF_F_LOCK)
		return value_load_locked(map, value, at);
	value_load(map, value, at);
	return 0;
}

long array_remove(struct uebpf_map *map, const void *key)
{
	(void)map;
	(void)key;
	return -EINVAL;
}

int array_next_key(struct uebpf_map *map, const void *key, void *next)
{
	uint32_t i = key ? index_of(key) : UINT32_MAX, n;

	if (i < map->max_entries && i == map->max_entries - 1)
		return -ENOENT;
	n = i >= map->max_entries ? 0 : i + 1;
	memcpy(next, &n, sizeof(n));
	return 0;
}

static long array_for_each(struct uebpf_map *map, uint64_t (*fn)(void *, void *, void *), void *arg,
			   struct uebpf_call *call)
{
	uint32_t i, key;

	for (i = 0; i < map->max_entries; i++) {
		void *value = map->ops->lookup(map, &i, call);

		if (!value)
			return -EBUSY;
		key = i;
		if (fn(arg, &key, value))
			return i + 1;
	}
	return i;
}

/* ---- per-CPU ---- */

size_t percpu_slot_stride(size_t n, uint32_t value_stride)
{
	size_t gap = (MAP_LINE + value_stride - 1) / value_stride;

	return (n + gap) * value_stride;
}

static size_t percpu_bytes(const struct uebpf_map *map)
{
	return percpu_slot_stride(map->max_entries, map->value_stride) * map->cpu_slots;
}

static int percpu_init(struct uebpf_map *map, bool fresh)
{
	struct percpu_array *a = (struct percpu_array *)map;

	array_init(map, fresh);
	a->slot_stride = percpu_slot_stride(map->max_entries, map->value_stride);
	map->values.hi = map->values.lo + percpu_bytes(map);
	return 0;
}

static uint8_t *percpu_at(struct uebpf_map *map, uint32_t i, uint32_t slot)
{
	struct percpu_array *a = (struct percpu_array *)map;

	return (uint8_t *)map->base + slot * a->slot_stride + (size_t)i * map->value_stride;
}

static void *percpu_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	uint32_t i = index_of(key);
	int slot;

	if (i >= map->max_entries)
		return NULL;
	slot = map_slot(map_local(map), call);
	return slot < 0 ? NULL : percpu_at(map, i, (uint32_t)slot);
}

static void *percpu_lookup_cpu(struct uebpf_map *map, const void *key, uint32_t cpu)
{
	uint32_t i = index_of(key);

	return i < map->max_entries && cpu < map->cpu_slots ? percpu_at(map, i, cpu) : NULL;
}

/* For a run that owns no slot yet: as the lookup, but of an index. */
static uint64_t percpu_index_call(uint64_t map, uint64_t index, uint64_t none3, uint64_t none4, uint64_t none5,
				  struct uebpf_call *call)
{
	uint32_t i = (uint32_t)index;

	(void)none3, (void)none4, (void)none5;
	return (uintptr_t)percpu_lookup((struct uebpf_map *)(uintptr_t)map, &i, call);
}

/* While the run owns a slot already; else the call takes one.  The call wants the number and not its address, which
 * nobody has to compute then; it stands in front, so that the usual way jumps once. */
static int percpu_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap)
{
	const struct percpu_array *a = (const struct percpu_array *)map;
	enum { MAX = 1, SLOT, SLOTS, MAP, CALLED, SLOT_STRIDE, STRIDE, BASE, OWNED = 8, SUM = 10, NONE = 14, END };
	const int64_t arg[] = { map->max_entries, offsetof(struct uebpf_call, slot), map->cpu_slots, (int64_t)(uintptr_t)map,
				(int64_t)(intptr_t)percpu_index_call, (int64_t)a->slot_stride, map->value_stride,
				(int64_t)(uintptr_t)map->base };
	static const struct pattern code[END] = {
		{ .op = OP_LD_W, .dst = 3, .src = 2 },
		{ .op = OP_JGE64_K, .dst = 3, .arg = MAX, .off = NONE },
		{ .op = OP_LD_CALL, .dst = 0, .arg = SLOT },
		{ .op = OP_JLT64_K, .dst = 0, .arg = SLOTS, .off = OWNED },	/* -1: none */
		{ .op = OP_LDDW, .dst = 1, .arg = MAP },
		{ .op = OP_MOV64_X, .dst = 2, .src = 3 },
		{ .op = OP_CALL, .arg = CALLED },
		{ .op = OP_JA, .off = END },
		{ .op = OP_MUL64_K, .dst = 0, .arg = SLOT_STRIDE },
		{ .op = OP_MUL64_K, .dst = 3, .arg = STRIDE },
		{ .op = OP_ADD32_X, .dst = 0, .src = 3 },
		{ .op = OP_LDDW, .dst = 3, .arg = BASE },
		{ .op = OP_ADD64_X, .dst = 0, .src = 3 },
		{ .op = OP_JA, .off = END },
		{ .op = OP_MOV64_K, .dst = 0 },
	};

	/* The key may be known to be inside: the slot table may be full all the same. */
	if ((what != MAP_CALL_LOOKUP && what != MAP_CALL_LOOKUP_INSIDE) || map->max_entries > INT32_MAX ||
	    a->slot_stride > INT32_MAX || a->local.store || map->key_size != 4 || !WRITE(out, cap, code, arg))
		return 0;
	/* A sum that has 32 bits is known to have no more: then the address is known not to be 0. */
	if (percpu_bytes(map) > UINT32_MAX)
		out[SUM].op = OP_ADD64_X;
	return END;
}

static long percpu_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
			  struct uebpf_call *call)
{
	int r = array_check_update(map, index_of(key), flags);
	void *at;

	if (r)
		return r;
	at = percpu_lookup(map, key, call);
	if (!at)
		return -EBUSY;
	words_store(at, value, map->value_size);
	return 0;
}

void percpu_user_store(struct uebpf_map *map, uint8_t *first, size_t slot_stride, const void *values)
{
	const uint8_t *v = values;
	uint32_t touched = slots_touched(map);

	for (uint32_t slot = 0; slot < map->cpu_slots; slot++, v += map->value_stride) {
		if (slot >= touched) {
			uint32_t i = 0;

			while (i < map->value_size && !v[i])
				i++;
			if (i == map->value_size)
				continue;	/* stays zero: its memory stays untouched */
			slots_touch(map_local(map)->touched, slot + 1);
		}
		words_store(first + slot * slot_stride, v, map->value_size);
	}
}

void percpu_user_load(struct uebpf_map *map, const uint8_t *first, size_t slot_stride, void *values)
{
	uint8_t *v = values;
	uint32_t touched = slots_touched(map);

	memset(values, 0, (size_t)map->cpu_slots * map->value_stride);
	for (uint32_t slot = 0; slot < touched && slot < map->cpu_slots; slot++, v += map->value_stride)
		words_load(v, first + slot * slot_stride, map->value_size);
}

static int percpu_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	uint32_t i = index_of(key);

	(void)flags;
	if (i >= map->max_entries)
		return -ENOENT;
	percpu_user_load(map, percpu_at(map, i, 0), ((struct percpu_array *)map)->slot_stride, value);
	return 0;
}

static int percpu_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	uint32_t i = index_of(key);
	int r = array_check_update(map, i, flags);

	if (r)
		return r;
	percpu_user_store(map, percpu_at(map, i, 0), ((struct percpu_array *)map)->slot_stride, value);
	return 0;
}

const struct map_ops array_ops = {
	.name = "array", .type = BPF_MAP_TYPE_ARRAY, .traits = MT_ARRAY,
	.flags = BPF_F_NUMA_NODE | BPF_F_MMAPABLE | BPF_F_INNER_MAP | MAP_ACCESS_FLAGS,
	.check = array_check, .bytes = array_bytes, .handle_size = sizeof(struct map_local),
	.init = array_init, .inline_call = array_inline,
	.lookup = array_lookup, .update = array_update, .remove = array_remove,
	.more = &map_no_more, .user_lookup = array_user_lookup,
	.user_update = array_user_update, .next_key = array_next_key, .for_each = array_for_each,
};

static const struct map_more percpu_more = { .lookup_cpu = percpu_lookup_cpu };
const struct map_ops percpu_array_ops = {
	.name = "percpu_array", .type = BPF_MAP_TYPE_PERCPU_ARRAY, .traits = MT_ARRAY | MT_PERCPU,
	.flags = MAP_ACCESS_FLAGS, .may = UEBPF_MAY_SYSCALL,
	.check = percpu_array_check, .bytes = percpu_bytes, .handle_size = sizeof(struct percpu_array),
	.init = percpu_init, .inline_call = percpu_inline,
	.lookup = percpu_lookup, .update = percpu_update, .remove = array_remove,
	.more = &percpu_more, .user_lookup = percpu_user_lookup,
	.user_update = percpu_user_update, .next_key = array_next_key, .for_each = array_for_each,
};
