/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernel.c - opening a map that the kernel holds: the same memory where it lets itself be mapped (arrays,
 * arenas, of rings the side that is user space's), else a mirror (mirror.c). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "maps/kernel.h"
#include "maps/ring.h"
#include "vm/mem.h"
#include "vm/message.h"

static int fail(struct uebpf_error *err, int errnum, const char *name, const char *why)
{
	return error_set(err, UEBPF_STAGE_MAP, errnum == -EOPNOTSUPP ? UEBPF_E_MAP_TYPE : UEBPF_E_MAP_BIND, errnum,
			 UINT32_MAX, "kernel map %s: %s (%s)", name, message_text(why), strerror(-errnum));
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

static int kernel_init(struct uebpf_map *map, bool fresh)
{
	(void)map;
	(void)fresh;
	return 0;
}

/* Until storage is there and the handle has a row of its own. */
static const struct map_ops kernel_base = {
	.more = &map_no_more, .init = kernel_init,
	.handle_size = sizeof(union { struct mirror mirror; struct ring_map ring; }),
};

struct map_ops *kernel_row(struct map_local *l)
{
	const struct map_ops *of = map_ops_find(l->m.type);
	struct map_ops *ops = l->own_ops = mem_copy(l->host, &kernel_base, sizeof(*ops));

	if (ops) {
		ops->name = of->name;
		ops->type = of->type;
		ops->traits = of->traits;
		ops->flags = of->flags;
		ops->may = UEBPF_MAY_LOCK;
		l->m.ops = ops;
	}
	return ops;
}

/* To programs the kernel's RINGBUF is a ring that they drain, and its USER_RINGBUF one they fill.  Who consumes
 * writes the consumer's page and may not write the others; else the other way round. */
static int map_ring(struct map_local *l, void *arg)
{
	struct kernel_args *a = arg;
	struct ring_map *r = (struct ring_map *)l;
	size_t page = MAP_PAGE, size = l->m.max_entries, all = 2 * page + 2 * size;
	bool consume = l->m.type == BPF_MAP_TYPE_USER_RINGBUF;
	int ours = PROT_READ | PROT_WRITE, theirs = PROT_READ;
	struct map_ops *ops = kernel_row(l);
	uint8_t *p;

	if (!ops)
		return -ENOMEM;
	ops->traits ^= MT_RINGBUF;	/* the host's side of it is the other end */
	ops->more = consume ? &ring_drained : &ring_producer;
	p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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

/* ---- opening ---- */

static int open_fd(const struct uebpf_kernel_opts *o)
{
	int saved = errno, fd;

	if (o->pin)
		return kmap_open_pin(o->pin);
	if (o->id)
		return kmap_open_id(KMAP_MAP, o->id);
	fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 3);
	fd = fd < 0 ? -errno : fd;
	errno = saved;
	return fd;
}

static int build(struct vm_host *host, struct kernel_args *a, struct uebpf_map_opts *o, struct uebpf_map **out,
		 struct uebpf_error *err)
{
	const struct map_ops *ops = map_ops_find(o->type);
	int r;

	if (o->type == BPF_MAP_TYPE_ARRAY && (o->flags & BPF_F_MMAPABLE))
		return map_build_ops(host, ops, o, map_array, a, false, out, err);
	if (o->type == MAP_TYPE_ARENA) {
		r = map_build_ops(host, ops, o, map_arena, a, false, out, err);
		return r == -EINVAL || r == -EBUSY ? fail(err, r, o->name, o->extra ?
			MESSAGE_TEXT("its map_extra is taken here") :
			MESSAGE_TEXT("it has its address from who mapped it first: make it with a map_extra")) : r;
	}
	if (o->type == BPF_MAP_TYPE_RINGBUF || o->type == BPF_MAP_TYPE_USER_RINGBUF) {
		o->type ^= BPF_MAP_TYPE_RINGBUF ^ BPF_MAP_TYPE_USER_RINGBUF;
		return map_build_ops(host, &kernel_base, o, map_ring, a, false, out, err);
	}
	if (!ops || (ops->traits & MT_STORAGE) || (!ops->lookup && !ops->more->peek && !ops->user_lookup))
		return fail(err, -EOPNOTSUPP, o->name,
			    MESSAGE_TEXT("bpf() gives none of its entries out; a perf_event_array's records are read by "
					 "--kernel-object with --on-ringbuf, or libbpf's perf_buffer"));
	return map_build_ops(host, &kernel_base, o, mirror_storage, a, false, out, err);
}

bool map_only_listed(const struct uebpf_map *map)
{
	return map->share == UEBPF_SHARE_MIRRORED && map_ops_find(map->type)->traits & MT_KERNELS_OWN;
}

/* So that entries can be shown and read as what they are.  A map without types is as usable. */
static void take_types(struct vm_host *host, struct uebpf_map *map, const struct kmap_info *info)
{
	uint32_t len = 0;
	void *data;
	int fd;

	if (!host->type_map || !info->btf)
		return;
	fd = kmap_open_id(KMAP_BTF, info->btf);
	if (fd < 0)
		return;
	data = kmap_btf(fd, NULL, &len) ? NULL : mem_alloc(host, len);
	if (data && !kmap_btf(fd, data, &len))
		host->type_map(map, data, len, info->shape.btf_key, info->shape.btf_value);
	mem_free(host, data, len);
	close(fd);
}

int map_from_kernel(struct vm_host *host, const struct uebpf_kernel_opts *opts, struct uebpf_map **out,
		    struct uebpf_error *err)
{
	struct kernel_args a = { .opts = opts };
	const char *shown = opts->pin ? opts->pin : opts->id ? "(by id)" : "(descriptor)";
	int saved = errno, r;

	*out = NULL;
	a.fd = open_fd(opts);
	if (a.fd < 0)
		return fail(err, a.fd, shown, MESSAGE_TEXT("cannot open it"));
	r = kmap_info(a.fd, &a.info);
	if (r) {
		close(a.fd);
		errno = saved;
		return fail(err, r, shown, MESSAGE_TEXT("not a map, or bpf() does not tell about it"));
	}
	r = build(host, &a, &a.info.shape, out, err);
	if (!r)
		take_types(host, *out, &a.info);
	else if (!a.taken)
		close(a.fd);
	errno = saved;
	return r;
}

struct uebpf_map *uebpf_map_from_kernel(struct uebpf_env *env, const struct uebpf_kernel_opts *opts,
					struct uebpf_error *err)
{
	struct uebpf_kernel_opts o;
	struct vm_host *host = map_opts_take(env, opts, offsetof(struct uebpf_kernel_opts, policy), &o, sizeof(o), err);
	struct uebpf_map *map;

	return !host || map_from_kernel(host, &o, &map, err) ? NULL : map;
}
