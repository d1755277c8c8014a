/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* progs.c - prog_array, and arrays of things that only the host knows: perf events, cgroups.
 *
 * A tail call reads a slot without a lock while another thread replaces it, so a program that was
 * ever put into an array stays held until the array is freed; each different program is held once. */
#include <string.h>
#include "maps/array.h"
#include "maps/keys.h"
#include "maps/progs.h"
#include "vm/insn.h"
#include "vm/mem.h"
#include "vm/message.h"

typedef const struct uebpf_prog *_Atomic prog_slot;
struct prog_array {
	struct map_local local;
	struct map_lock lock;		/* held, nr_held, top */
	const struct uebpf_prog **held;
	uint32_t nr_held, room;
	uint32_t top;			/* slots from here on were never set */
};

static uint32_t index_of(const void *key)
{
	uint32_t i;

	memcpy(&i, key, sizeof(i));
	return i;
}

static int fd_array_check(const struct uebpf_map_opts *o, const char **why)
{
	if (o->value_size != 4) {
		*why = MESSAGE_TEXT("values are 4 bytes (a descriptor)");
		return -EINVAL;
	}
	return array_check(o, why);
}

static size_t prog_bytes(const struct uebpf_map *map)
{
	return (size_t)map->max_entries * sizeof(prog_slot);
}

static int prog_init(struct uebpf_map *map, bool fresh)
{
	(void)map;
	(void)fresh;
	return 0;
}

static void prog_fini(struct uebpf_map *map)
{
	struct prog_array *a = (struct prog_array *)map;

	for (uint32_t i = 0; i < a->nr_held; i++)
		a->held[i]->hold(a->held[i], -1);
	mem_free(a->local.host, a->held, a->room * sizeof(*a->held));
}

static const struct uebpf_prog *prog_get(struct uebpf_map *map, uint32_t index)
{
	prog_slot *slot = map->base;

	return index < map->max_entries ? atomic_load_explicit(&slot[index], memory_order_acquire) : NULL;
}

/* As prog_get; the way out is two behind. */
static int prog_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap)
{
	enum { MAX = 1, EIGHT, BASE, NONE = 8 };
	const int64_t arg[] = { map->max_entries, 8, (int64_t)(uintptr_t)map->base };
	static const struct pattern code[] = {
		{ .op = OP_MOV32_X, .dst = 3, .src = 3 },
		{ .op = OP_JGE64_K, .dst = 3, .arg = MAX, .off = NONE },
		{ .op = OP_MUL64_K, .dst = 3, .arg = EIGHT },
		{ .op = OP_LDDW, .dst = 2, .arg = BASE },
		{ .op = OP_ADD64_X, .dst = 2, .src = 3 },
		{ .op = OP_LD_DW, .dst = 2, .src = 2 },
	};

	return what == MAP_CALL_PROG && map->max_entries <= INT32_MAX ? WRITE(out, cap, code, arg) : 0;
}

static int hold_once(struct prog_array *a, const struct uebpf_prog *prog)
{
	for (uint32_t i = 0; i < a->nr_held; i++)
		if (a->held[i] == prog)
			return 0;
	if (a->nr_held == a->room) {
		uint32_t room = a->room ? a->room * 2 : 4;
		void *more = mem_resize(a->local.host, a->held, a->room * sizeof(*a->held),
					room * sizeof(*a->held));

		if (!more)
			return -ENOMEM;
		a->held = more;
		a->room = room;
	}
	if (prog->hold)
		prog->hold(prog, 1);
	a->held[a->nr_held++] = prog;
	return 0;
}

int prog_array_set(struct uebpf_map *map, uint32_t index, const struct uebpf_prog *prog)
{
	struct prog_array *a = (struct prog_array *)map;
	prog_slot *slot = map->base;
	int r;

	if (index >= map->max_entries)
		return -E2BIG;
	r = lock_take(&a->local, &a->lock);
	if (r < 0)
		return r;
	r = prog ? hold_once(a, prog) : 0;
	if (!r && prog && index >= a->top)
		a->top = index + 1;
	if (!r && !atomic_exchange_explicit(&slot[index], prog, memory_order_acq_rel) && !prog)
		r = -ENOENT;
	lock_give(&a->lock);
	return r;
}

const struct uebpf_prog *map_held_prog(const struct uebpf_map *map, uint32_t i)
{
	const struct prog_array *a = (const struct prog_array *)map;

	return i < a->nr_held ? a->held[i] : NULL;
}

void map_drop_progs(struct uebpf_map *map)
{
	struct prog_array *a = (struct prog_array *)map;
	const struct uebpf_prog **held = a->held;
	uint32_t i, n = a->nr_held, room = a->room;
	prog_slot *slot = map->base;

	a->held = NULL;
	a->nr_held = a->room = 0;
	for (i = 0; i < a->top; i++)
		atomic_store_explicit(&slot[i], NULL, memory_order_relaxed);
	a->top = 0;
	for (i = 0; i < n; i++)
		held[i]->hold(held[i], -1);
	mem_free(a->local.host, held, room * sizeof(*held));
}

/* bpf() takes a program's descriptor here; our programs have none: uebpf_map_set_prog. */
static int prog_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	(void)value;
	if (flags != BPF_ANY)
		return -EINVAL;
	return index_of(key) >= map->max_entries ? -E2BIG : -EBADF;
}

/* The kernel returns a program's id; here it is its number among those this array ever held. */
static int prog_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	struct prog_array *a = (struct prog_array *)map;
	const struct uebpf_prog *prog = prog_get(map, index_of(key));
	uint32_t id = 0;
	int r;

	(void)flags;
	if (!prog)
		return -ENOENT;
	r = lock_take(&a->local, &a->lock);
	if (r < 0)
		return r;
	while (id < a->nr_held && a->held[id] != prog)
		id++;
	lock_give(&a->lock);
	id++;
	memcpy(value, &id, sizeof(id));
	return 0;
}

static long prog_remove(struct uebpf_map *map, const void *key)
{
	return prog_array_set(map, index_of(key), NULL);
}

/* ---- perf events, cgroups: the host's number + 1 in each slot ---- */

static size_t fd_bytes(const struct uebpf_map *map)
{
	return (size_t)map->max_entries * 8;
}

static int fd_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	uint32_t i = index_of(key), fd = index_of(value);

	if (flags != BPF_ANY)
		return -EINVAL;
	if (i >= map->max_entries)
		return -E2BIG;
	if ((int32_t)fd < 0)
		return -EBADF;
	word_put((uint64_t *)map->base + i, (uint64_t)fd + 1);
	return 0;
}

static long fd_remove(struct uebpf_map *map, const void *key)
{
	uint32_t i = index_of(key);

	if (i >= map->max_entries)
		return -E2BIG;
	return atomic_exchange((_Atomic uint64_t *)map->base + i, 0) ? 0 : -ENOENT;
}

static bool fd_has_target(struct uebpf_map *map, const void *key)
{
	uint32_t i = index_of(key);

	return i < map->max_entries && word_get((uint64_t *)map->base + i);
}

static const struct map_more prog_more = { .prog = prog_get }, fd_more = { .has_target = fd_has_target };
const struct map_ops prog_array_ops = {
	.name = "prog_array", .type = BPF_MAP_TYPE_PROG_ARRAY, .traits = MT_PROGS | MT_NO_LOOKUP,
	.flags = BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY, .check = fd_array_check,
	.bytes = prog_bytes, .handle_size = sizeof(struct prog_array), .init = prog_init,
	.fini = prog_fini, .more = &prog_more, .inline_call = prog_inline, .user_lookup = prog_user_lookup,
	.user_update = prog_user_update, .remove = prog_remove, .next_key = array_next_key,
};
const struct map_ops perf_event_array_ops = {
	.name = "perf_event_array", .type = BPF_MAP_TYPE_PERF_EVENT_ARRAY,
	.traits = MT_NO_LOOKUP | MT_SIZED_BY_USER,
	.flags = BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_PRESERVE_ELEMS,
	.check = fd_array_check, .bytes = fd_bytes, .handle_size = sizeof(struct map_local),
	.init = prog_init, .user_update = fd_user_update, .remove = fd_remove,
	.next_key = array_next_key, .more = &fd_more,
};
const struct map_ops cgroup_array_ops = {
	.name = "cgroup_array", .type = BPF_MAP_TYPE_CGROUP_ARRAY, .traits = MT_NO_LOOKUP,
	.flags = BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY, .check = fd_array_check,
	.bytes = fd_bytes, .handle_size = sizeof(struct map_local), .init = prog_init,
	.user_update = fd_user_update, .remove = fd_remove, .next_key = array_next_key,
	.more = &fd_more,
};
