/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.c - making and freeing maps, and the public functions that do what bpf() does with one.
 * What is the same for every type (rights, flags, missing operations) is decided here; the families
 * know only their own semantics. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "maps/inner.h"
#include "maps/maps.h"
#include "maps/progs.h"
#include "maps/ring.h"
#include "vm/mem.h"
#include "vm/message.h"

/* ---- making ---- */

void map_adjust_opts(struct uebpf_map_opts *opts)
{
	const struct map_ops *ops = map_ops_find(opts->type);

	if (!ops)
		return;
	if ((ops->traits & MT_SIZED_BY_USER) && !opts->max_entries)
		opts->max_entries = possible_cpus();
	if ((ops->traits & MT_RINGBUF) && opts->max_entries && opts->max_entries <= 1u << 31) {
		uint32_t size = MAP_PAGE;

		while (size < opts->max_entries)
			size *= 2;
		opts->max_entries = size;
	}
	if (ops->more->stack_id && !opts->value_size)
		opts->value_size = 127 * 8;
	if (ops->more->stack_id && !opts->key_size)
		opts->key_size = 4;
}

static int refuse(const struct uebpf_map_opts *o, struct uebpf_error *err, enum uebpf_code code, int errnum,
		  const char *why)
{
	int r = error_set(err, UEBPF_STAGE_MAP, code, errnum, UINT32_MAX,
			  "map %s: type %u, key %u, value %u, max_entries %u, flags 0x%x: %s",
			  o->name ? o->name : "(unnamed)", o->type, o->key_size, o->value_size,
			  o->max_entries, o->flags, message_text(why));

	if (err && o->name)
		snprintf(err->symbol, sizeof(err->symbol), "%s", o->name);
	return r;
}

static int check_opts(const struct map_ops *ops, const struct uebpf_map_opts *o, const char **why)
{
	if (o->flags & ~ops->flags) {
		*why = MESSAGE_TEXT("a flag that this type does not take");
		return -EINVAL;
	}
	if (!access_flags_ok(o->flags) || (o->flags & BPF_F_RDONLY && o->flags & BPF_F_WRONLY)) {
		*why = MESSAGE_TEXT("read-only and write-only at once");
		return -EINVAL;
	}
	if (o->extra && !(ops->traits & MT_EXTRA)) {
		*why = MESSAGE_TEXT("map_extra has no meaning for this type");
		return -EINVAL;
	}
	if ((ops->traits & MT_MAPS) && !o->inner) {
		*why = MESSAGE_TEXT("a map of maps needs an inner map as template");
		return -EINVAL;
	}
	if ((ops->traits & MT_MAPS) && (o->inner->ops->traits & (MT_MAPS | MT_PROGS))) {
		*why = MESSAGE_TEXT("maps of maps and program arrays cannot be inner maps");
		return o->inner->ops->traits & MT_MAPS ? -EINVAL : -ENOTSUPP;
	}
	return ops->check ? ops->check(o, why) : 0;
}

static void fill(struct map_local *l, const struct map_ops *ops, const struct uebpf_map_opts *o)
{
	struct uebpf_map *m = &l->m;

	m->ops = ops;
	m->type = o->type;
	m->key_size = o->key_size;
	m->value_size = o->value_size;
	m->value_stride = (uint32_t)round_up(o->value_size, 8);
	m->max_entries = o->max_entries;
	m->flags = o->flags;
	m->extra = o->extra;
	m->share = UEBPF_SHARE_PRIVATE;
	m->spin_lock_off = m->timer_off = UINT32_MAX;
	m->env = l->host->env;
	m->cpu_slots = ops->traits & MT_PERCPU ? l->domain->slots : 1;
	l->touched = &l->domain->used;
	atomic_init(&m->refs, 1);
	snprintf(m->name, sizeof(m->name), "%s", o->name ? o->name : "");
}

/* What programs may do with values in place. */
static void set_access(struct uebpf_map *m)
{
	m->values.access = (m->flags & BPF_F_WRONLY_PROG ? 0 : ACCESS_READ) |
			   (m->flags & BPF_F_RDONLY_PROG ? 0 : ACCESS_WRITE);
}

static void map_free(struct uebpf_map *map)
{
	struct map_local *l = map_local(map);
	struct vm_host *host = l->host;
	size_t size = map->ops->handle_size;	/* the ops may be inside the handle */

	if (map->ops->fini)
		map->ops->fini(map);
	share_fini(l);
	storage_free(l);
	uebpf_map_unref(map->inner);
	if (map->btf_drop)
		map->btf_drop(map->btf);
	mem_free(host, l->own_ops, sizeof(*l->own_ops));
	mem_free(host, l, size);
	if (host->hold)
		host->hold(host, -1);
}

static int private_storage(struct map_local *l, void *arg)
{
	const struct map_ops *ops = l->m.ops;

	(void)arg;
	return ops->bytes && !(ops->traits & MT_MAPS_ITSELF) ? storage_private(l, ops->bytes(&l->m)) : 0;
}

int map_build(struct vm_host *host, const struct uebpf_map_opts *opts,
	      int (*storage)(struct map_local *local, void *arg), void *arg, bool fresh,
	      struct uebpf_map **out, struct uebpf_error *err)
{
	const struct map_ops *ops = map_ops_find(opts->type);
	const char *why = MESSAGE_TEXT("refused");
	int r;

	*out = NULL;
	if (!ops)
		return refuse(opts, err, UEBPF_E_MAP_TYPE, -EINVAL, "no such map type here");
	r = check_opts(ops, opts, &why);
	if (r)
		return refuse(opts, err, UEBPF_E_MAP_DEF, r, why);
	return map_build_ops(host, ops, opts, storage, arg, fresh, out, err);
}

int map_build_ops(struct vm_host *host, const struct map_ops *ops, const struct uebpf_map_opts *opts,
		  int (*storage)(struct map_local *local, void *arg), void *arg, bool fresh,
		  struct uebpf_map **out, struct uebpf_error *err)
{
	struct map_local *l = mem_alloc(host, ops->handle_size);
	int r;

	*out = NULL;
	if (!l)
		return refuse(opts, err, UEBPF_E_MEMORY, -ENOMEM, "out of memory");
	l->host = host;
	l->domain = domain_get(host);
	if (!l->domain) {
		mem_free(host, l, ops->handle_size);
		return refuse(opts, err, UEBPF_E_MEMORY, -ENOMEM, "out of memory");
	}
	if (host->hold)
		host->hold(host, 1);
	fill(l, ops, opts);
	l->m.inner = uebpf_map_ref(opts->inner);
	r = storage(l, arg);
	if (!r)
		r = l->m.ops->init(&l->m, fresh);
	if (r) {
		storage_free(l);
		uebpf_map_unref(l->m.inner);
		mem_free(host, l->own_ops, sizeof(*l->own_ops));
		mem_free(host, l, ops->handle_size);
		if (host->hold)
			host->hold(host, -1);
		return refuse(opts, err, r == -ENOMEM ? UEBPF_E_MEMORY : UEBPF_E_IO, r,
			      "no room for its storage");
	}
	set_access(&l->m);
	*out = &l->m;
	return 0;
}

int map_new(struct vm_host *host, const struct uebpf_map_opts *opts, struct uebpf_map **out,
	    struct uebpf_error *err)
{
	return map_build(host, opts, private_storage, NULL, true, out, err);
}

struct vm_host *map_opts_take(struct uebpf_env *env, const void *opts, size_t least, void *to, size_t size,
			      struct uebpf_error *err)
{
	size_t has;
	int r = options_copy(to, size, opts);

	memcpy(&has, to, sizeof(has));
	if (env && !r && has >= least)
		return vm_host_of(env);
	error_set(err, UEBPF_STAGE_MAP, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
		  "making a map needs an env and options whose size is set, with nothing that this library does not know");
	return NULL;
}

struct uebpf_map *uebpf_map_create(struct uebpf_env *env, const struct uebpf_map_opts *opts,
				   struct uebpf_error *err)
{
	struct uebpf_map_opts o;
	struct vm_host *host = map_opts_take(env, opts, MAP_OPTS_LEAST, &o, sizeof(o), err);
	struct uebpf_map *map;

	return !host || map_new(host, &o, &map, err) ? NULL : map;
}

struct uebpf_map *uebpf_map_ref(struct uebpf_map *map)
{
	if (map)
		atomic_fetch_add_explicit(&map->refs, 1, memory_order_relaxed);
	return map;
}

void uebpf_map_unref(struct uebpf_map *map)
{
	if (map && atomic_fetch_sub_explicit(&map->refs, 1, memory_order_acq_rel) == 1)
		map_free(map);
}

int map_freeze(struct uebpf_map *map)
{
	if (map->frozen || (map->flags & BPF_F_RDONLY))
		return -EPERM;	/* who may not write may not freeze */
	map->frozen = true;
	if (map_local(map)->store)
		atomic_store(&map_local(map)->store->frozen, 1);
	return 0;
}

int uebpf_map_freeze(struct uebpf_map *map)
{
	return map_freeze(map);
}

const char *uebpf_map_name(const struct uebpf_map *map)
{
	return map->name;
}

void uebpf_map_info(const struct uebpf_map *map, struct uebpf_map_info *info)
{
	struct uebpf_map_info all = {
		.size = info->size, .name = map->name, .type_name = map->ops->name, .type = map->type,
		.key_size = map->key_size, .value_size = map->value_size, .max_entries = map->max_entries,
		.flags = map->flags, .share = map->share, .cpu_slots = map->cpu_slots,
		.may = map->ops->may, .bytes = map->bytes, .extra = map->extra,
	};

	memcpy(info, &all, info->size < sizeof(all) ? info->size : sizeof(all));
}

/* ---- what bpf() does ---- */

static bool may_read(const struct uebpf_map *map) { return !(map->flags & BPF_F_WRONLY); }
bool may_write(const struct uebpf_map *map)
{
	const struct store_head *store = map_local(map)->store;

	return !(map->flags & BPF_F_RDONLY) && !map->frozen &&
	       !(store && atomic_load_explicit(&store->frozen, memory_order_relaxed));
}

/* A type without keys takes none, one with keys needs one; value: where the operation reads or writes it. */
static int check_key(const struct uebpf_map *map, const void *key, const void *value)
{
	if (!map->key_size && key)
		return -EINVAL;
	return (value || !map->value_size) && (key || !map->key_size) ? 0 : -EFAULT;
}

int uebpf_map_lookup(struct uebpf_map *map, const void *key, void *value)
{
	return uebpf_map_lookup_flags(map, key, value, 0);
}

int uebpf_map_lookup_flags(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	int r;

	if (flags & ~(uint64_t)BPF_F_LOCK)
		return -EINVAL;
	if (!may_read(map))
		return -EPERM;
	if (flags && map->spin_lock_off == UINT32_MAX)
		return -EINVAL;
	r = flags && map_local(map)->read_only ? -EPERM : check_key(map, key, value);	/* a lock is written */
	if (r)
		return r;
	return map->ops->user_lookup ? map->ops->user_lookup(map, key, value, flags) : -ENOTSUPP;
}

int uebpf_map_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	int r;

	if (!may_write(map))
		return -EPERM;
	if ((flags & BPF_F_LOCK) && map->spin_lock_off == UINT32_MAX)
		return -EINVAL;
	r = check_key(map, key, value);
	if (r)
		return r;
	return map->ops->user_update ? map->ops->user_update(map, key, value, flags) : -ENOTSUPP;
}

int uebpf_map_delete(struct uebpf_map *map, const void *key)
{
	int r;

	if (!may_write(map))
		return -EPERM;
	r = check_key(map, key, map);
	if (r)
		return r;
	return map->ops->remove ? (int)map->ops->remove(map, key) : -ENOTSUPP;
}

int uebpf_map_lookup_delete(struct uebpf_map *map, const void *key, void *value)
{
	int r;

	if (!may_read(map) || !may_write(map))
		return -EPERM;
	r = check_key(map, key, value);
	if (r)
		return r;
	return map->ops->lookup_delete ? map->ops->lookup_delete(map, key, value, 0) : -ENOTSUPP;
}

int uebpf_map_next_key(struct uebpf_map *map, const void *key, void *next)
{
	if (!may_read(map))
		return -EPERM;
	if (!next)
		return -EFAULT;
	return map->ops->next_key ? map->ops->next_key(map, key, next) : -ENOTSUPP;
}

void *uebpf_map_value(struct uebpf_map *map, const void *key)
{
	const struct region *r = &map->values;

	if (!key)	/* an arena: memory without elements */
		return (map->ops->traits & MT_NO_KEY) && r->hi > r->lo && !r->stride ? map->base : NULL;
	if ((map->ops->traits & (MT_MAPS | MT_PROGS | MT_NO_LOOKUP)) || !map->ops->lookup)
		return NULL;
	return map->ops->lookup(map, key, NULL);
}

int uebpf_map_set_prog(struct uebpf_map *map, uint32_t index, const struct uebpf_prog *prog)
{
	if (!(map->ops->traits & MT_PROGS))
		return -EINVAL;
	return prog_array_set(map, index, prog);
}

long uebpf_map_consume(struct uebpf_map *map, uebpf_record_fn cb, void *arg)
{
	if (!(map->ops->traits & MT_RINGBUF))
		return -EINVAL;
	return ring_consume(map, cb, arg);
}

int uebpf_map_poll_fd(struct uebpf_map *map)
{
	if (!(map->ops->traits & MT_RINGBUF))
		return -EINVAL;
	return ring_poll_fd(map);
}

int uebpf_map_set_inner(struct uebpf_map *map, const void *key, struct uebpf_map *inner, uint64_t flags)
{
	if (!(map->ops->traits & MT_MAPS))
		return -EINVAL;
	return inner_set(map, key, inner, flags);
}

static bool is_ring(const struct uebpf_map *map)
{
	return map->ops->more->reserve || map->ops == &user_ringbuf_ops;
}

void *uebpf_map_reserve(struct uebpf_map *map, size_t size)
{
	return is_ring(map) ? ring_reserve(map, size) : NULL;
}

void uebpf_map_commit(struct uebpf_map *map, void *record, int discard)
{
	if (is_ring(map) && record)
		ring_commit(map, record, 0, discard);
}
