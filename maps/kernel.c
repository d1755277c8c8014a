/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernel.c - maps that the kernel holds: the same memory where it lets itself be mapped, a mirror
 * behind bpf() elsewhere. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "maps/bpf.h"
#include "maps/ring.h"
#include "vm/mem.h"

struct mirror {
	struct map_local local;
	struct uebpf_map *copy;		/* what programs see; private, of the same shape; NULL: queues */
	int fd;
	uint32_t policy;
	uint64_t period;
	_Atomic uint64_t pulled;	/* when, CLOCK_MONOTONIC ns */
};

struct kernel_args {
	const struct uebpf_kernel_opts *opts;
	struct kmap_info info;
	int fd;
	bool taken;
};

static int fail(struct uebpf_error *err, int errnum, const char *name, const char *why)
{
	return error_set(err, UEBPF_STAGE_MAP, errnum == -EOPNOTSUPP ? UEBPF_E_MAP_TYPE : UEBPF_E_MAP_BIND, errnum,
			 UINT32_MAX, "kernel map %s: %s (%s)", name, why, strerror(-errnum));
}

/* ---- mapped ---- */

static void own(struct map_local *l, struct kernel_args *a)
{
	l->kernel_fd = a->fd + 1;
	a->taken = true;
	l->m.share = UEBPF_SHARE_MAPPED;
}

static int map_array(struct map_local *l, void *arg)
{
	struct kernel_args *a = arg;
	size_t bytes = (size_t)l->m.max_entries * l->m.value_stride;
	size_t pages = round_up(bytes, (size_t)sysconf(_SC_PAGESIZE));
	void *p = mmap(NULL, pages, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);

	if (p == MAP_FAILED) {	/* frozen, or read-only for this descriptor */
		p = mmap(NULL, pages, PROT_READ, MAP_SHARED, a->fd, 0);
		if (p == MAP_FAILED)
			return -errno;
		l->m.flags |= BPF_F_RDONLY | BPF_F_RDONLY_PROG;
	}
	own(l, a);
	l->m.base = l->mapping = p;
	l->m.bytes = bytes;
	l->mapped = pages;
	return 0;
}

static int map_arena(struct map_local *l, void *arg)
{
	struct kernel_args *a = arg;
	int err = arena_map(l, a->fd);

	if (!err)
		own(l, a);
	return err;
}

static int none_init(struct uebpf_map *map, bool fresh)
{
	(void)map;
	(void)fresh;
	return 0;
}

/* consume: we write the consumer's page and may not write the others; else the other way round. */
static int map_ring(struct map_local *l, struct kernel_args *a, bool consume)
{
	struct ring_map *r = (struct ring_map *)l;
	size_t page = MAP_PAGE, size = l->m.max_entries, all = 2 * page + 2 * size;
	int ours = PROT_READ | PROT_WRITE, theirs = PROT_READ;
	uint8_t *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	if (mmap(p, page, consume ? ours : theirs, MAP_SHARED | MAP_FIXED, a->fd, 0) == MAP_FAILED ||
	    mmap(p + page, page + 2 * size, consume ? theirs : ours, MAP_SHARED | MAP_FIXED, a->fd,
		 (off_t)page) == MAP_FAILED) {
		int e = -errno;

		munmap(p, all);
		return e;
	}
	own(l, a);
	l->mapping = p;
	l->mapped = all;
	l->m.bytes = all - size;
	r->ring = (struct ring){ .control = &r->own, .consumer = (void *)p, .producer = (void *)(p + page),
				 .data = p + 2 * page, .mask = size - 1 };
	return 0;
}

static int map_consumer(struct map_local *l, void *arg) { return map_ring(l, arg, true); }
static int map_producer(struct map_local *l, void *arg) { return map_ring(l, arg, false); }

/* To programs the kernel's RINGBUF is a ring that they drain, and its USER_RINGBUF one they fill. */
static const struct map_ops kernel_ringbuf_ops = {
	.name = "user_ringbuf", .type = BPF_MAP_TYPE_USER_RINGBUF,
	.traits = MT_RINGBUF | MT_NO_KEY | MT_NO_LOOKUP | MT_MAPS_ITSELF,
	.may = UEBPF_MAY_LOCK, .handle_size = sizeof(struct ring_map), .init = none_init, .more = &ring_drained,
};
static const struct map_ops kernel_user_ringbuf_ops = {
	.name = "ringbuf", .type = BPF_MAP_TYPE_RINGBUF, .traits = MT_NO_KEY | MT_NO_LOOKUP | MT_MAPS_ITSELF,
	.may = UEBPF_MAY_LOCK, .handle_size = sizeof(struct ring_map), .init = none_init,
	.more = &ring_producer,
};

/* ---- mirrored ---- */

static struct mirror *mirror(struct uebpf_map *map) { return (struct mirror *)map; }

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void pull_if_old(struct mirror *m)
{
	if (m->policy == UEBPF_MIRROR_PERIODIC &&
	    now_ns() - atomic_load_explicit(&m->pulled, memory_order_relaxed) > m->period)
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
static void mirror_ops(struct map_ops *ops, const struct map_ops *of)
{
	bool keyed = !(of->traits & MT_NO_KEY), visible = keyed && !(of->traits & (MT_PERCPU | MT_NO_LOOKUP));

	*ops = (struct map_ops){
		.name = of->name, .type = of->type, .traits = of->traits, .flags = of->flags,
		.may = of->may | UEBPF_MAY_SYSCALL | UEBPF_MAY_LOCK, .handle_size = sizeof(struct mirror),
		.init = none_init, .fini = mirror_fini, .user_lookup = mirror_user_lookup,
		.user_update = mirror_user_update, .lookup_delete = mirror_lookup_delete,
		.next_key = mirror_next_key, .remove = keyed ? mirror_remove : NULL,
		.lookup = visible ? mirror_lookup : NULL, .update = visible ? mirror_update : NULL,
		.for_each = visible && of->for_each ? mirror_for_each : NULL,
		.more = of->more->pop ? &mirror_queue : &map_no_more,
	};
}

static int mirror_storage(struct map_local *l, void *arg)
{
	struct mirror *m = (struct mirror *)l;
	struct kernel_args *a = arg;
	const struct map_ops *of = map_ops_find(l->m.type);
	int r = 0;

	l->own_ops = mem_alloc(l->host, sizeof(*l->own_ops));
	if (!l->own_ops)
		return -ENOMEM;
	mirror_ops(l->own_ops, of);
	l->m.ops = l->own_ops;
	l->m.share = UEBPF_SHARE_MIRRORED;
	if (of->traits & MT_PERCPU)
		l->m.cpu_slots = possible_cpus();
	if (l->own_ops->lookup) {
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

static const struct map_ops mirror_base = { .more = &map_no_more, .handle_size = sizeof(struct mirror), .init = none_init };

static bool is_mirror(const struct uebpf_map *map)
{
	return map->share == UEBPF_SHARE_MIRRORED;
}

enum { BATCH = 512 };
struct batch { uint8_t *keys, *values, *at; size_t value_bytes; };

static bool batch_alloc(struct mirror *m, struct batch *b)
{
	const struct uebpf_map *map = &m->local.m;

	b->value_bytes = map->value_size;
	b->keys = mem_alloc(m->local.host, BATCH * (map->key_size + b->value_bytes) + 2 * map->key_size + 16);
	b->values = b->keys ? b->keys + BATCH * map->key_size : NULL;
	b->at = b->keys ? b->values + BATCH * b->value_bytes : NULL;
	return b->keys;
}

static void batch_free(struct mirror *m, struct batch *b)
{
	const struct uebpf_map *map = &m->local.m;

	mem_free(m->local.host, b->keys, BATCH * (map->key_size + b->value_bytes) + 2 * map->key_size + 16);
}

/* Everything the kernel has into the copy; `seen` remembers the keys. */
static long pull_all(struct mirror *m, struct batch *b, struct uebpf_map *seen)
{
	bool first = true, end = false, one_by_one = false;
	uint8_t yes = 1;
	long n = 0;

	while (!end) {
		uint32_t count = BATCH;
		int r = -ENOTSUPP;

		if (!one_by_one)
			r = kmap_lookup_batch(m->fd, first ? NULL : b->at, b->at, b->keys, b->values, &count, 0);
		if (first && (r == -ENOTSUPP || r == -EINVAL || r == -ENOSPC))
			one_by_one = true;
		if (one_by_one) {
			r = kmap_next_key(m->fd, first ? NULL : b->at, b->keys);
			count = !r;
			if (!r) {
				memcpy(b->at, b->keys, m->local.m.key_size);
				count = !kmap_lookup(m->fd, b->keys, b->values, 0);
			}
		}
		if (r && r != -ENOENT)
			return r;
		end = r == -ENOENT;
		first = false;
		for (uint32_t i = 0; i < count; i++) {
			const uint8_t *key = b->keys + (size_t)i * m->local.m.key_size;

			m->copy->ops->update(m->copy, key, b->values + i * b->value_bytes, 0, NULL);
			if (seen)
				seen->ops->update(seen, key, &yes, 0, NULL);
		}
		n += count;
	}
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

long uebpf_map_pull(struct uebpf_map *map)
{
	struct mirror *m = mirror(map);
	struct uebpf_map *seen = NULL;
	struct batch b;
	long n;

	if (!is_mirror(map) || !m->copy)
		return -EOPNOTSUPP;
	if (!batch_alloc(m, &b))
		return -ENOMEM;
	if (!(map->ops->traits & MT_ARRAY)) {
		struct uebpf_map_opts o = { .size = sizeof(o), .type = BPF_MAP_TYPE_HASH,
			.key_size = map->key_size, .value_size = 1, .max_entries = map->max_entries };

		map_new(m->local.host, &o, &seen, NULL);
	}
	n = pull_all(m, &b, seen);
	if (n >= 0 && seen)
		drop_unseen(m, seen, b.at);
	atomic_store(&m->pulled, now_ns());
	uebpf_map_unref(seen);
	batch_free(m, &b);
	return n;
}

long uebpf_map_push(struct uebpf_map *map)
{
	struct mirror *m = mirror(map);
	const void *from = NULL;
	struct batch b;
	long n = 0;
	int r = 0;

	if (!is_mirror(map) || !m->copy)
		return -EOPNOTSUPP;
	if (!batch_alloc(m, &b))
		return -ENOMEM;
	while (!r) {
		uint32_t count = 0, done;

		for (; count < BATCH; count++) {
			uint8_t *key = b.keys + (size_t)count * map->key_size;

			if (m->copy->ops->next_key(m->copy, from, key))
				break;
			if (m->copy->ops->user_lookup(m->copy, key, b.values + count * b.value_bytes, 0))
				break;
			from = key;
		}
		if (!count)
			break;
		memcpy(b.at, from, map->key_size);
		from = b.at;
		done = count;
		r = kmap_update_batch(m->fd, b.keys, b.values, &done, 0);
		for (uint32_t i = 0; (r == -ENOTSUPP || r == -EINVAL) && i < count; i++)
			if (kmap_update(m->fd, b.keys + (size_t)i * map->key_size, b.values + i * b.value_bytes, 0))
				goto out;
		if (r == -ENOTSUPP || r == -EINVAL)
			r = 0;
		n += count;
	}
out:
	batch_free(m, &b);
	return r ? r : n;
}

/* ---- opening ---- */

static int open_fd(const struct uebpf_kernel_opts *o)
{
	int saved = errno, fd;

	if (o->pin)
		return kmap_open_pin(o->pin);
	if (o->id)
		return kmap_open_id(o->id);
	fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 3);
	fd = fd < 0 ? -errno : fd;
	errno = saved;
	return fd;
}

static int build(struct vm_host *host, struct kernel_args *a, struct uebpf_map_opts *o, struct uebpf_map **out,
		 struct uebpf_error *err)
{
	const struct map_ops *ops = map_ops_find(o->type);

	if (o->type == BPF_MAP_TYPE_ARRAY && (o->flags & BPF_F_MMAPABLE))
		return map_build_ops(host, ops, o, map_array, a, false, out, err);
	if (o->type == MAP_TYPE_ARENA)
		return map_build_ops(host, ops, o, map_arena, a, false, out, err);
	if (o->type == BPF_MAP_TYPE_RINGBUF) {
		o->type = BPF_MAP_TYPE_USER_RINGBUF;
		return map_build_ops(host, &kernel_ringbuf_ops, o, map_consumer, a, false, out, err);
	}
	if (o->type == BPF_MAP_TYPE_USER_RINGBUF) {
		o->type = BPF_MAP_TYPE_RINGBUF;
		return map_build_ops(host, &kernel_user_ringbuf_ops, o, map_producer, a, false, out, err);
	}
	if (!ops || (ops->traits & (MT_MAPS | MT_PROGS | MT_REDIRECT | MT_STORAGE)) ||
	    (!ops->lookup && !ops->more->peek && !ops->user_lookup))
		return fail(err, -EOPNOTSUPP, o->name,
			    "holds the kernel's own programs, maps, devices or sockets, which mean nothing here");
	return map_build_ops(host, &mirror_base, o, mirror_storage, a, false, out, err);
}

int map_from_kernel(struct vm_host *host, const struct uebpf_kernel_opts *opts, struct uebpf_map **out,
		    struct uebpf_error *err)
{
	struct kernel_args a = { .opts = opts };
	struct uebpf_map_opts o = { .size = sizeof(o) };
	const char *shown = opts->pin ? opts->pin : opts->id ? "(by id)" : "(descriptor)";
	char name[sizeof(a.info.name) + 1] = "";
	int saved = errno, r;

	*out = NULL;
	a.fd = open_fd(opts);
	if (a.fd < 0)
		return fail(err, a.fd, shown, "cannot open it");
	r = kmap_info(a.fd, &a.info);
	if (r) {
		close(a.fd);
		errno = saved;
		return fail(err, r, shown, "not a map, or bpf() does not tell about it");
	}
	memcpy(name, a.info.name, sizeof(a.info.name));
	o.name = name;
	o.type = a.info.type;
	o.key_size = a.info.key_size;
	o.value_size = a.info.value_size;
	o.max_entries = a.info.max_entries;
	o.flags = a.info.flags;
	o.extra = a.info.extra;
	r = build(host, &a, &o, out, err);
	if (r && !a.taken)
		close(a.fd);
	errno = saved;
	return r;
}

struct uebpf_map *uebpf_map_from_kernel(struct uebpf_env *env, const struct uebpf_kernel_opts *opts,
					struct uebpf_error *err)
{
	struct uebpf_kernel_opts o = { .size = sizeof(o), .fd = -1 };
	struct uebpf_map *map;

	if (!env || !opts || opts->size < offsetof(struct uebpf_kernel_opts, policy)) {
		fail(err, -EINVAL, "(none)", "needs an env and options whose size is set");
		return NULL;
	}
	memcpy(&o, opts, opts->size < sizeof(o) ? opts->size : sizeof(o));
	return map_from_kernel(vm_host_of(env), &o, &map, err) ? NULL : map;
}
