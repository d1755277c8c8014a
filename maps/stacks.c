/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stacks.c - stack_trace: a call chain under an id that comes from its hash (kernel/bpf/stackmap.c).  An entry of it
 * is an address, one word, or with BPF_F_STACK_BUILD_ID a build id and an offset, four. */
#include <string.h>
#include "maps/keys.h"
#include "maps/maps.h"
#include "vm/message.h"

enum { MAX_DEPTH = 127 };

struct trace {
	struct map_lock lock;
	_Atomic uint32_t hash;
	_Atomic uint32_t n;		/* words + 1, 0: empty */
	uint64_t ip[];
};
struct stacks_map { struct map_local local; struct key_seed seed; uint32_t mask; size_t stride; };

static uint32_t buckets(const struct uebpf_map *map)
{
	uint32_t n = 1;

	while (n < map->max_entries)
		n *= 2;
	return n;
}

static size_t stacks_bytes(const struct uebpf_map *map)
{
	return sizeof(struct key_seed) + buckets(map) * (sizeof(struct trace) + map->value_stride);
}

static int stacks_check(const struct uebpf_map_opts *o, const char **why)
{
	uint32_t each = o->flags & BPF_F_STACK_BUILD_ID ? sizeof(struct bpf_stack_build_id) : 8;

	*why = MESSAGE_TEXT("a stack_trace map needs max_entries, a 4-byte key and values of 1 to 127 times 8 bytes (with build ids: 32)");
	if (!o->max_entries || o->key_size != 4 || o->value_size < 8 || o->value_size % each ||
	    o->value_size / each > MAX_DEPTH)
		return -EINVAL;
	*why = MESSAGE_TEXT("more than 2^31 entries");
	return o->max_entries > UINT32_C(1) << 31 ? -E2BIG : 0;
}

static int stacks_init(struct uebpf_map *map, bool fresh)
{
	struct stacks_map *s = (struct stacks_map *)map;
	struct key_seed *seed = map->base;

	if (fresh) {
		seed->a = random_u64();
		seed->b = random_u64() | 1;
	}
	s->seed = *seed;
	s->mask = buckets(map) - 1;
	s->stride = sizeof(struct trace) + map->value_stride;
	return 0;
}

static struct trace *trace_at(struct uebpf_map *map, uint32_t id)
{
	struct stacks_map *s = (struct stacks_map *)map;

	if (id > s->mask)
		return NULL;
	return (struct trace *)((uint8_t *)map->base + sizeof(struct key_seed) + id * s->stride);
}

static bool same_trace(const struct trace *t, const uint64_t *ip, uint32_t n)
{
	if (atomic_load_explicit(&t->n, memory_order_relaxed) != n + 1)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (word_get(&t->ip[i]) != ip[i])
			return false;
	return true;
}

static long stacks_id(struct uebpf_map *map, const uint64_t *ip, uint32_t n, uint64_t flags)
{
	struct stacks_map *s = (struct stacks_map *)map;
	uint32_t depth = map->value_size / 8, hash, id;
	struct trace *t;
	long r;

	if (n > depth)
		n = depth;
	hash = (uint32_t)key_hash(&s->seed, ip, n * 8);
	id = hash & s->mask;
	t = trace_at(map, id);
	r = lock_take(&s->local, &t->lock);
	if (r < 0)
		return r;
	r = id;
	if (atomic_load_explicit(&t->n, memory_order_relaxed)) {
		bool hit = atomic_load_explicit(&t->hash, memory_order_relaxed) == hash &&
			   ((flags & BPF_F_FAST_STACK_CMP) || same_trace(t, ip, n));

		if (hit)
			goto out;
		if (!(flags & BPF_F_REUSE_STACKID)) {
			r = -EEXIST;
			goto out;
		}
	}
	atomic_store_explicit(&t->n, 0, memory_order_relaxed);
	words_store(t->ip, ip, n * 8);
	atomic_store_explicit(&t->hash, hash, memory_order_relaxed);
	atomic_store_explicit(&t->n, n + 1, memory_order_release);
out:
	lock_give(&t->lock);
	return r;
}

static int take(struct uebpf_map *map, const void *key, void *value, bool remove)
{
	bool alone = !map_local(map)->read_only;	/* else: whatever stands there */
	struct trace *t;
	uint32_t id, n;
	int r;

	memcpy(&id, key, sizeof(id));
	t = trace_at(map, id);
	if (!t)
		return -ENOENT;
	r = alone ? lock_take(map_local(map), &t->lock) : 0;
	if (r < 0)
		return r;
	n = get32(&t->n);
	if (n && value) {
		memset(value, 0, map->value_size);
		words_load(value, t->ip, n - 1 < map->value_size / 8 ? (n - 1) * 8 : map->value_size);
	}
	if (remove)
		atomic_store_explicit(&t->n, 0, memory_order_relaxed);
	if (alone)
		lock_give(&t->lock);
	return n ? 0 : -ENOENT;
}

static int stacks_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)flags;
	return take(map, key, value, false);
}

static int stacks_lookup_delete(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)flags;
	return take(map, key, value, true);
}

static int stacks_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	(void)map;
	(void)key;
	(void)value;
	(void)flags;
	return -EINVAL;
}

static long stacks_remove(struct uebpf_map *map, const void *key)
{
	uint32_t id;

	memcpy(&id, key, sizeof(id));
	return trace_at(map, id) ? take(map, key, NULL, true) : -E2BIG;
}

static bool filled(struct uebpf_map *map, uint32_t id)
{
	return atomic_load_explicit(&trace_at(map, id)->n, memory_order_acquire);
}

static int stacks_next_key(struct uebpf_map *map, const void *key, void *next)
{
	uint32_t mask = ((struct stacks_map *)map)->mask, id = 0;

	if (key) {
		memcpy(&id, key, sizeof(id));
		id = id > mask || !filled(map, id) ? 0 : id + 1;
	}
	while (id <= mask && !filled(map, id))
		id++;
	if (id > mask)
		return -ENOENT;
	memcpy(next, &id, sizeof(id));
	return 0;
}

static const struct map_more more = { .stack_id = stacks_id };
const struct map_ops stack_trace_ops = {
	.more = &more,
	.name = "stack_trace", .type = BPF_MAP_TYPE_STACK_TRACE, .traits = MT_NO_LOOKUP,
	.flags = BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_STACK_BUILD_ID, .may = UEBPF_MAY_LOCK,
	.check = stacks_check, .bytes = stacks_bytes, .handle_size = sizeof(struct stacks_map),
	.init = stacks_init, .user_lookup = stacks_user_lookup,
	.user_update = stacks_user_update, .lookup_delete = stacks_lookup_delete,
	 .remove = stacks_remove, .next_key = stacks_next_key,
};
