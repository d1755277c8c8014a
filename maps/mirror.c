/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mirror.c - maps of the kernel that cannot be mapped: each operation of a host is a bpf() call, programs see a
 * private copy that follows the kernel's by the policy.  Of per-CPU maps, whose values belong to CPUs there and to
 * runs here, and of queues there is no copy. */
#include <string.h>
#include "maps/kernel.h"
#include "vm/mem.h"

static struct mirror *mirror(struct uebpf_map *map) { return (struct mirror *)map; }

static void pull_if_old(struct mirror *m)
{
	if (m->policy == UEBPF_MIRROR_PERIODIC &&
	    self_clock() - atomic_load_explicit(&m->pulled, memory_order_relaxed) > m->period)
		uebpf_map_pull(&m->local.m);
}

static void *mirror_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct mirror *m = mirror(map);
	uint8_t small[256], *value = small;
	void *at;

	pull_if_old(m);
	at = m->copy->ops->lookup(m->copy, key, call);
	if ((at && !(map->ops->traits & MT_ARRAY)) || m->policy == UEBPF_MIRROR_ON_DEMAND ||
	    (at && m->policy == UEBPF_MIRROR_PERIODIC))
		return at;
	/* not here, or an array element that the kernel may have changed */
	if (map->value_size > sizeof(small))
		value = mem_alloc(m->local.host, map->value_size);
	if (value && !kmap_lookup(m->fd, key, value, 0)) {
		m->copy->ops->update(m->copy, key, value, 0, call);
		at = m->copy->ops->lookup(m->copy, key, call);
	}
	if (value != small)
		mem_free(m->local.host, value, map->value_size);
	return at;
}

static long mirror_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
			  struct uebpf_call *call)
{
	struct mirror *m = mirror(map);
	long r;

	if (m->policy == UEBPF_MIRROR_ON_DEMAND)
		return m->copy->ops->update(m->copy, key, value, flags, call);
	r = kmap_update(m->fd, key, value, flags);
	return r ? r : m->copy->ops->update(m->copy, key, value, 0, call);
}

/* Of the copy: uebpf_map_pull says how old it is. */
static long mirror_for_each(struct uebpf_map *map, uint64_t (*fn)(void *arg, void *key, void *value), void *arg,
			    struct uebpf_call *call)
{
	struct uebpf_map *copy = mirror(map)->copy;

	pull_if_old(mirror(map));
	return copy->ops->for_each(copy, fn, arg, call);
}

static long mirror_remove(struct uebpf_map *map, const void *key)
{
	struct mirror *m = mirror(map);
	long r = m->copy ? m->copy->ops->remove(m->copy, key) : 0;

	return m->policy == UEBPF_MIRROR_ON_DEMAND && m->copy ? r : kmap_delete(m->fd, key);
}

static int mirror_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	return kmap_lookup(mirror(map)->fd, key, value, flags);
}

static int mirror_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	struct mirror *m = mirror(map);
	int r = kmap_update(m->fd, key, value, flags);

	if (!r && m->copy && m->policy != UEBPF_MIRROR_ON_DEMAND)
		m->copy->ops->update(m->copy, key, value, 0, NULL);
	return r;
}

static int mirror_next_key(struct uebpf_map *map, const void *key, void *next)
{
	return kmap_next_key(mirror(map)->fd, key, next);
}

static int mirror_lookup_delete(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	struct mirror *m = mirror(map);
	int r = kmap_lookup_delete(m->fd, key, value, flags);

	if (!r && m->copy)
		m->copy->ops->remove(m->copy, key);
	return r;
}

static long mirror_push(struct uebpf_map *map, const void *value, uint64_t flags)
{
	return kmap_update(mirror(map)->fd, NULL, value, flags);
}

static long mirror_pop(struct uebpf_map *map, void *value)
{
	return kmap_lookup_delete(mirror(map)->fd, NULL, value, 0);
}

static long mirror_peek(struct uebpf_map *map, void *value)
{
	return kmap_lookup(mirror(map)->fd, NULL, value, 0);
}

static void mirror_fini(struct uebpf_map *map)
{
	uebpf_map_unref(mirror(map)->copy);
}

static const struct map_more mirror_queue = { .push = mirror_push, .pop = mirror_pop, .peek = mirror_peek };

/* The type's row with every function that reaches storage replaced. */
static void mirror_row(struct map_ops *ops, const struct map_ops *of)
{
	bool keyed = !(of->traits & MT_NO_KEY);

	ops->may |= of->may | UEBPF_MAY_SYSCALL | UEBPF_MAY_ALLOC;
	ops->fini = mirror_fini;
	ops->user_lookup = mirror_user_lookup;
	ops->user_update = mirror_user_update;
	ops->lookup_delete = mirror_lookup_delete;
	ops->next_key = mirror_next_key;
	if (of->more->pop)
		ops->more = &mirror_queue;
	if (keyed)
		ops->remove = mirror_remove;
	ops->traits &= (uint16_t)~MT_KERNELS_OWN;	/* numbers to look at, nothing to hold */
	if (keyed && !(of->traits & (MT_PERCPU | MT_NO_LOOKUP | MT_KERNELS_OWN))) {
		ops->lookup = mirror_lookup;
		ops->update = mirror_update;
		ops->for_each = of->for_each ? mirror_for_each : NULL;
	}
}

int mirror_storage(struct map_local *l, void *arg)
{
	struct mirror *m = (struct mirror *)l;
	struct kernel_args *a = arg;
	const struct map_ops *of = map_ops_find(l->m.type);
	struct map_ops *ops = kernel_row(l);
	int r = 0;

	if (!ops)
		return -ENOMEM;
	mirror_row(ops, of);
	l->m.share = UEBPF_SHARE_MIRRORED;
	if (of->traits & MT_PERCPU)
		l->m.cpu_slots = possible_cpus();
	if (ops->lookup) {
		struct uebpf_map_opts o = { .size = sizeof(o), .name = l->m.name, .type = l->m.type,
			.key_size = l->m.key_size, .value_size = l->m.value_size,
			.max_entries = l->m.max_entries,
			.flags = l->m.flags & of->flags & ~(uint32_t)MAP_ACCESS_FLAGS };

		r = map_new(l->host, &o, &m->copy, NULL);
		if (r)
			return r;
		l->m.values = m->copy->values;
	}
	m->fd = a->fd;
	l->kernel_fd = a->fd + 1;
	a->taken = true;
	m->policy = a->opts->policy;
	m->period = a->opts->period_ns ? a->opts->period_ns : 100000000;
	return 0;
}

/* ---- everything at once ---- */

enum { BATCH = 512 };
/* Keys, their values, two positions (the kernel's may be longer than a key). */
struct batch { uint8_t *keys, *values, *at; size_t bytes; };

static bool batch_alloc(struct mirror *m, struct batch *b)
{
	const struct uebpf_map *map = &m->local.m;

	b->bytes = BATCH * ((size_t)map->key_size + map->value_size) + 2 * map->key_size + 16;
	b->keys = mem_alloc(m->local.host, b->bytes);
	if (!b->keys)
		return false;
	b->values = b->keys + BATCH * map->key_size;
	b->at = b->values + BATCH * map->value_size;
	return true;
}

/* Up to BATCH elements behind b->at; *count of them.  -ENOENT: these were the last. */
static int read_some(struct mirror *m, struct batch *b, bool first, bool *one_by_one, uint32_t *count)
{
	int r;

	*count = BATCH;
	if (!*one_by_one) {
		r = kmap_lookup_batch(m->fd, first ? NULL : b->at, b->at, b->keys, b->values, count, 0);
		if (!first || (r != -ENOTSUPP && r != -EINVAL && r != -ENOSPC))
			return r;
		*one_by_one = true;
	}
	r = kmap_next_key(m->fd, first ? NULL : b->at, b->keys);
	if (r) {
		*count = 0;
		return r;
	}
	memcpy(b->at, b->keys, m->local.m.key_size);
	*count = !kmap_lookup(m->fd, b->keys, b->values, 0);
	return 0;
}

/* Everything the kernel has into the copy; `seen` (NULL: arrays) remembers the keys.  *full: what the copy had
 * no room for. */
static long pull_all(struct mirror *m, struct batch *b, struct uebpf_map *seen, long *full)
{
	bool first = true, one_by_one = false;
	uint8_t yes = 1;
	long n = 0;
	int r;

	*full = 0;
	do {
		uint32_t count;

		r = read_some(m, b, first, &one_by_one, &count);
		if (r && r != -ENOENT)
			return r;
		first = false;
		for (uint32_t i = 0; i < count; i++) {
			const uint8_t *key = b->keys + (size_t)i * m->local.m.key_size;
			const uint8_t *value = b->values + (size_t)i * m->local.m.value_size;
			long e = m->copy->ops->update(m->copy, key, value, 0, NULL);

			if (!e && seen)
				e = seen->ops->update(seen, key, &yes, 0, NULL);
			if (e)
				*full = e;
		}
		n += count;
	} while (!r);
	return n;
}

static void drop_unseen(struct mirror *m, struct uebpf_map *seen, uint8_t *key)
{
	uint8_t *next = key + m->local.m.key_size;
	int r = m->copy->ops->next_key(m->copy, NULL, key);

	while (!r) {
		r = m->copy->ops->next_key(m->copy, key, next);
		if (!seen->ops->lookup(seen, key, NULL))
			m->copy->ops->remove(m->copy, key);
		memcpy(key, next, m->local.m.key_size);
	}
}

/* A copy that is full of what the kernel dropped takes the rest in a second round. */
static long pull(struct mirror *m, struct batch *b, struct uebpf_map *seen)
{
	long n, full;
	int round = 0;

	do {
		n = pull_all(m, b, seen, &full);
		if (n >= 0 && seen)
			drop_unseen(m, seen, b->at);
	} while (n >= 0 && full && !round++);
	return n >= 0 && full ? full : n;
}

static struct mirror *with_copy(struct uebpf_map *map)
{
	return map->share == UEBPF_SHARE_MIRRORED && mirror(map)->copy ? mirror(map) : NULL;
}

long uebpf_map_pull(struct uebpf_map *map)
{
	struct mirror *m = with_copy(map);
	struct uebpf_map *seen = NULL;
	struct batch b;
	long n = -ENOMEM;

	if (!m)
		return -EOPNOTSUPP;
	if (!batch_alloc(m, &b))
		return n;
	if (!(map->ops->traits & MT_ARRAY)) {
		struct uebpf_map_opts o = { .size = sizeof(o), .type = BPF_MAP_TYPE_HASH,
			.key_size = map->key_size, .value_size = 1, .max_entries = map->max_entries };

		map_new(m->local.host, &o, &seen, NULL);
	}
	if (seen || (map->ops->traits & MT_ARRAY))
		n = pull(m, &b, seen);
	atomic_store(&m->pulled, self_clock());
	uebpf_map_unref(seen);
	mem_free(m->local.host, b.keys, b.bytes);
	return n;
}

static int write_some(struct mirror *m, struct batch *b, uint32_t count)
{
	const struct uebpf_map *map = &m->local.m;
	uint32_t done = count;
	int r = kmap_update_batch(m->fd, b->keys, b->values, &done, 0);

	if (r != -ENOTSUPP && r != -EINVAL)
		return r;
	for (r = 0, done = 0; !r && done < count; done++)
		r = kmap_update(m->fd, b->keys + (size_t)done * map->key_size,
				b->values + (size_t)done * map->value_size, 0);
	return r;
}

long uebpf_map_push(struct uebpf_map *map)
{
	struct mirror *m = with_copy(map);
	uint64_t looked = 0;
	uint32_t count = 0;
	struct batch b;
	long n = 0;
	int r;

	if (!m)
		return -EOPNOTSUPP;
	if (!batch_alloc(m, &b))
		return -ENOMEM;
	do {
		uint8_t *key = b.keys + (size_t)count * map->key_size;

		r = m->copy->ops->next_key(m->copy, looked ? b.at : NULL, key);
		/* A walk whose key others delete starts again; who does so all the time is not waited for. */
		if (!r && looked++ > 2 * (uint64_t)map->max_entries + BATCH)
			r = -EAGAIN;
		if (!r) {
			uint8_t *value = b.values + (size_t)count * map->value_size;

			memcpy(b.at, key, map->key_size);
			count += !m->copy->ops->user_lookup(m->copy, key, value, 0);
		}
		if (count && (r || count == BATCH)) {
			int e = write_some(m, &b, count);

			r = e ? e : r;
			n += count;
			count = 0;
		}
	} while (!r);
	mem_free(m->local.host, b.keys, b.bytes);
	return r == -ENOENT ? n : r;
}
