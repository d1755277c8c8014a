/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* share.c - a map in a memfd or a file, mapped by several processes.
 *
 * The first page describes the map; the family's part behind it has the layout of a private map.
 * Offsets only: every process maps it where it likes.  Geometry is checked and copied when a map is
 * opened.  Trust: a peer that may be hostile is only accepted on a memfd that is sealed against
 * shrinking and growing; numbers that come from shared bytes are checked where they are used, walks
 * are bounded, and waits for a lock end with -EBUSY.  A lock names its owner by thread id and birth,
 * which is why peers must share a pid namespace. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "maps/maps.h"
#include "vm/mem.h"

#define STORE_MAGIC UINT64_C(0x70616d4650426555)	/* "UeBPFmap" */
enum { STORE_VERSION = 4, MAX_BTF = 1 << 20 };

struct shared_args {
	const struct uebpf_map_opts *opts;
	int fd;
	uint32_t flags;			/* enum uebpf_open */
	bool file;			/* has a path: a file system may run full */
	bool taken;			/* the handle closes fd */
	struct store_head head;		/* opening: a copy, checked */
};

static int fail_at(struct uebpf_error *err, int errnum, const char *path, const char *why)
{
	return error_set(err, UEBPF_STAGE_MAP, errnum == -ENOMEM ? UEBPF_E_MEMORY : UEBPF_E_IO, errnum,
			 UINT32_MAX, "map %s: %s (%s)", path, message_text(why), strerror(-errnum));
}

static uint64_t pid_namespace(void)
{
	struct stat st;
	int saved = errno, r = stat("/proc/self/ns/pid", &st);

	errno = saved;
	return r ? 0 : st.st_ino;
}

/* ---- slots of per-CPU maps ---- */

static bool claim_window(struct map_local *l)
{
	uint32_t pid = self_get()->pid;

	for (uint32_t i = 0; i < SLOT_WINDOWS; i++) {
		uint64_t owner = atomic_load(&l->store->window[i]);

		if (owner && self_alive((uint32_t)owner, 0))
			continue;
		if (atomic_compare_exchange_strong(&l->store->window[i], &owner, pid)) {
			l->window = i * WINDOW_SLOTS;
			l->window_pid = pid;
			return true;
		}
	}
	return false;
}

static void give_window(struct map_local *l)
{
	uint64_t pid = self_get()->pid;

	if (l->window_pid == pid)
		atomic_compare_exchange_strong(&l->store->window[l->window / WINDOW_SLOTS], &pid, 0);
}

int shared_slot_take(struct map_local *l, struct uebpf_call *call)
{
	int slot = call && call->slot >= 0 ? call->slot : domain_slot_take(l, call);

	if (slot < 0)
		return slot;
	if (l->read_only || slot >= WINDOW_SLOTS ||
	    (l->window_pid != self_get()->pid && !claim_window(l))) {
		if (call && !call->status)
			call->status = -EUSERS;
		return -1;
	}
	slot += (int)l->window;
	if (atomic_load_explicit(l->touched, memory_order_relaxed) <= (uint32_t)slot)
		slots_touch(l->touched, (uint32_t)slot + 1);
	return slot;
}

/* ---- mapping ---- */

static int map_store(struct map_local *l, struct shared_args *a, size_t bytes)
{
	bool itself = l->m.ops->traits & MT_MAPS_ITSELF;
	size_t want = itself ? (size_t)STORE_HEAD : STORE_HEAD + round_up(bytes, MAP_PAGE);
	int prot = a->flags & UEBPF_OPEN_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	uint8_t *p = mmap(NULL, want, prot, MAP_SHARED, a->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	l->mapping = p;
	l->mapped = want;
	l->store = (struct store_head *)p;
	l->peers = true;
	l->fd = a->fd;
	a->taken = true;
	l->touched = &l->store->touched;
	l->hostile = !a->file && !(a->flags & UEBPF_OPEN_TRUSTED);
	if (l->hostile)
		l->host->wary = true;
	l->m.share = UEBPF_SHARE_SHARED;
	l->m.base = p + STORE_HEAD;
	l->m.bytes = bytes;
	return 0;
}

static size_t btf_at(size_t bytes) { return STORE_HEAD + round_up(bytes, MAP_PAGE); }

static int new_storage(struct map_local *l, void *arg)
{
	struct shared_args *a = arg;
	int saved = errno, r;
	size_t bytes;

	if (l->m.ops->traits & MT_PERCPU)
		l->m.cpu_slots = SLOT_WINDOWS * WINDOW_SLOTS;
	bytes = l->m.ops->bytes(&l->m);
	r = ftruncate(a->fd, (off_t)(btf_at(bytes) + a->opts->btf_len)) ? -errno : 0;
	/* Blocks now, where there is an error to return; later it would be a SIGBUS. */
	if (!r && a->file && fallocate(a->fd, 0, 0, (off_t)(btf_at(bytes) + a->opts->btf_len)) && errno != EOPNOTSUPP)
		r = -errno;
	if (!r && a->opts->btf_len && pwrite(a->fd, a->opts->btf, a->opts->btf_len, (off_t)btf_at(bytes)) !=
				      (ssize_t)a->opts->btf_len)
		r = errno ? -errno : -EIO;
	if (!r)
		r = map_store(l, a, bytes);
	errno = saved;
	return r;
}

static void describe(struct map_local *l, const struct uebpf_map_opts *opts)
{
	struct store_head *s = l->store;
	const struct uebpf_map *m = &l->m;

	s->magic = STORE_MAGIC;
	s->version = STORE_VERSION;
	s->type = m->type;
	s->key_size = m->key_size;
	s->value_size = m->value_size;
	s->max_entries = m->max_entries;
	s->flags = m->flags;
	s->cpu_slots = m->cpu_slots;
	s->extra = m->extra;
	s->bytes = m->bytes;
	s->spin_lock_off = m->spin_lock_off;
	s->btf_key = opts->btf_key;
	s->btf_value = opts->btf_value;
	s->btf_bytes = opts->btf_len;
	s->creator_pid = self_get()->pid;
	s->creator_uid = getuid();
	s->pid_ns = pid_namespace();
	memcpy(s->name, m->name, sizeof(s->name));
	snprintf(s->library, sizeof(s->library), "%s", UEBPF_VERSION);
	atomic_store_explicit((_Atomic uint32_t *)&s->ready, 1, memory_order_release);
}

static bool can_share(const struct map_ops *ops)
{
	return ops && ops->bytes && !(ops->traits & (MT_MAPS | MT_PROGS));
}

static int open_new(const char *path, uint32_t mode, uint32_t flags, const char *name)
{
	int fd;

	if (!path)
		return memfd_create(name && *name ? name : "uebpf-map", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (flags & UEBPF_OPEN_REPLACE)
		unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode ? mode : 0600);
	if (fd >= 0 && mode)
		fchmod(fd, mode);
	return fd;
}

int map_new_shared(struct vm_host *host, const struct uebpf_map_opts *opts, const char *path, uint32_t mode,
		   uint32_t flags, struct uebpf_map **out, struct uebpf_error *err)
{
	const char *shown = path ? path : opts->name ? opts->name : "(memfd)";
	struct shared_args a = { .opts = opts, .flags = flags & ~(uint32_t)UEBPF_OPEN_RDONLY, .file = path };
	int saved = errno, r;

	*out = NULL;
	if (!can_share(map_ops_find(opts->type)) && map_ops_find(opts->type))
		return fail_at(err, -EOPNOTSUPP, shown, MESSAGE_TEXT("maps that hold maps or programs, and arenas, cannot be shared"));
	a.fd = open_new(path, mode, flags, opts->name);
	if (a.fd < 0) {
		r = -errno;
		errno = saved;
		return fail_at(err, r, shown, r == -EEXIST ?
			       MESSAGE_TEXT("the file exists; open it, or ask to replace it") :
			       MESSAGE_TEXT("cannot create it"));
	}
	r = map_build(host, opts, new_storage, &a, true, out, err);
	if (r) {
		if (r == -ENOSPC)
			fail_at(err, r, shown, MESSAGE_TEXT("no room for it there"));
		if (!a.taken)
			close(a.fd);
		if (path)
			unlink(path);
		errno = saved;
		return r;
	}
	if (opts->btf_len && host->type_map)
		r = host->type_map(*out, opts->btf, opts->btf_len, opts->btf_key, opts->btf_value);
	if (r) {
		uebpf_map_unref(*out);
		*out = NULL;
		if (path)
			unlink(path);
		errno = saved;
		return fail_at(err, r, shown, MESSAGE_TEXT("its BTF is not sound"));
	}
	describe(map_local(*out), opts);
	if (!path)
		fcntl(a.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if ((*out)->ops->traits & MT_PERCPU)
		claim_window(map_local(*out));
	errno = saved;
	return 0;
}

/* ---- opening ---- */

static int old_storage(struct map_local *l, void *arg)
{
	struct shared_args *a = arg;
	int saved = errno, r;
	size_t bytes;
	struct stat st;

	l->m.cpu_slots = a->head.cpu_slots;
	l->m.spin_lock_off = a->head.spin_lock_off;
	l->m.frozen = a->head.frozen;
	bytes = l->m.ops->bytes(&l->m);
	if (fstat(a->fd, &st) || bytes != a->head.bytes ||
	    a->head.btf_bytes > MAX_BTF || (uint64_t)st.st_size < btf_at(bytes) + a->head.btf_bytes)
		return -EBADMSG;
	r = map_store(l, a, bytes);
	errno = saved;
	l->read_only = a->flags & UEBPF_OPEN_RDONLY;
	return r;
}

/* The first page, copied once; nothing of it is believed that is not checked here or by the type.  0, or an
 * errno value with *why. */
static int read_head(struct shared_args *a, const char **why)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW, seals = fcntl(a->fd, F_GET_SEALS);
	struct store_head *h = &a->head;
	const struct map_ops *ops;

	*why = MESSAGE_TEXT("this is not a map of ours");
	if (pread(a->fd, h, sizeof(*h), 0) != sizeof(*h) || h->magic != STORE_MAGIC)
		return -EBADMSG;
	*why = MESSAGE_TEXT("its layout is of another version of the library");
	if (h->version != STORE_VERSION)
		return -EPROTONOSUPPORT;
	*why = MESSAGE_TEXT("its creator has not finished, or died before it did");
	if (!h->ready)
		return -EAGAIN;
	*why = MESSAGE_TEXT("its creator lives in another pid namespace, so a lock's owner could not be found");
	if (h->pid_ns != pid_namespace())
		return -EXDEV;
	*why = MESSAGE_TEXT("not a sealed memfd: a peer could truncate it under us; open it as trusted if you trust every writer");
	if (!(a->flags & UEBPF_OPEN_TRUSTED) && (seals < 0 || (seals & sealed) != sealed))
		return -EPERM;
	*why = MESSAGE_TEXT("of a type that cannot be shared");
	ops = map_ops_find(h->type);
	if (!can_share(ops))
		return -EBADMSG;
	*why = MESSAGE_TEXT("its description contradicts itself");
	if (h->cpu_slots != (ops->traits & MT_PERCPU ? SLOT_WINDOWS * WINDOW_SLOTS : 1) ||
	    (h->spin_lock_off != UINT32_MAX &&
	     (h->spin_lock_off % 4 || h->value_size < 4 || h->spin_lock_off > h->value_size - 4)))
		return -EBADMSG;
	*why = MESSAGE_TEXT("reading from this type writes to it; open it for writing");
	if ((a->flags & UEBPF_OPEN_RDONLY) && (!ops->user_lookup || (ops->traits & (MT_NO_KEY | MT_STORAGE))))
		return -EROFS;
	h->name[sizeof(h->name) - 1] = 0;
	return 0;
}

/* The types that lie behind the family's part. */
static int read_types(struct map_local *l, const struct store_head *head)
{
	size_t len = head->btf_bytes;
	void *bytes;
	int r = -EIO;

	if (!len || !l->host->type_map)
		return 0;
	bytes = mem_alloc(l->host, len);
	if (!bytes)
		return -ENOMEM;
	if (pread(l->fd, bytes, len, (off_t)btf_at(l->m.bytes)) == (ssize_t)len)
		r = l->host->type_map(&l->m, bytes, len, head->btf_key, head->btf_value);
	mem_free(l->host, bytes, len);
	l->m.spin_lock_off = head->spin_lock_off;	/* checked; what the types say may differ */
	return r;
}

static long refuse_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
			  struct uebpf_call *call)
{
	(void)map, (void)key, (void)value, (void)flags, (void)call;
	return -EPERM;
}

static long refuse_remove(struct uebpf_map *map, const void *key)
{
	(void)map, (void)key;
	return -EPERM;
}

/* Our mapping cannot be written: what would write, a reader's marks too, gets other functions. */
static int make_read_only(struct map_local *l, const struct uebpf_map_opts *opts)
{
	struct map_ops *ops = mem_copy(l->host, l->m.ops, sizeof(*ops));

	(void)opts;
	if (!ops)
		return -ENOMEM;
	l->own_ops = ops;
	ops->update = ops->update ? refuse_update : NULL;
	ops->remove = ops->remove ? refuse_remove : NULL;
	if (ops->more->stack_id)
		ops->more = &map_no_more;
	if (ops->traits & MT_LRU) {
		ops->lookup = NULL;
		ops->inline_call = NULL;
	}
	l->m.ops = ops;
	l->m.flags |= BPF_F_RDONLY | BPF_F_RDONLY_PROG;
	l->m.values.access = ACCESS_READ;
	return 0;
}

int map_open_shared(struct vm_host *host, const char *path, int fd, uint32_t flags, struct uebpf_map **out,
		    struct uebpf_error *err)
{
	const char *shown = path ? path : "(descriptor)";
	struct shared_args a = { .flags = flags };
	struct uebpf_map_opts opts = { .size = sizeof(opts) };
	const char *why = MESSAGE_TEXT("cannot open it");
	int saved = errno, r;

	*out = NULL;
	a.fd = path ? open(path, (flags & UEBPF_OPEN_RDONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK /* a FIFO's */) :
		      fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = a.fd < 0 ? -errno : read_head(&a, &why);
	if (r) {
		if (a.fd >= 0)
			close(a.fd);
		fail_at(err, r, shown, why);
		goto out;
	}
	opts.name = a.head.name;
	opts.type = a.head.type;
	opts.key_size = a.head.key_size;
	opts.value_size = a.head.value_size;
	opts.max_entries = a.head.max_entries;
	opts.flags = a.head.flags;
	opts.extra = a.head.extra;
	r = map_build(host, &opts, old_storage, &a, false, out, err);
	if (r == -EBADMSG)
		fail_at(err, r, shown, MESSAGE_TEXT("the file is shorter than its map, or describes another"));
	if (!a.taken)
		close(a.fd);
	if (!r) {
		r = read_types(map_local(*out), &a.head);
		if (r)
			fail_at(err, r, shown, MESSAGE_TEXT("its BTF is not sound"));
	}
	if (!r && (flags & UEBPF_OPEN_RDONLY))
		r = make_read_only(map_local(*out), &opts);
	else if (!r && ((*out)->ops->traits & MT_PERCPU))
		claim_window(map_local(*out));
	if (r && *out) {
		uebpf_map_unref(*out);
		*out = NULL;
	}
out:
	errno = saved;
	return r;
}

void share_fini(struct map_local *l)
{
	if (!l->store)
		return;
	if (!l->read_only && l->m.cpu_slots > 1)
		give_window(l);
}

/* ---- public ---- */

struct uebpf_map *uebpf_map_create_shared(struct uebpf_env *env, const struct uebpf_map_opts *opts,
					  const char *path, uint32_t mode, uint32_t flags,
					  struct uebpf_error *err)
{
	struct uebpf_map_opts o;
	struct vm_host *host = map_opts_take(env, opts, MAP_OPTS_LEAST, &o, sizeof(o), err);
	struct uebpf_map *map;

	return !host || map_new_shared(host, &o, path, mode, flags, &map, err) ? NULL : map;
}

struct uebpf_map *uebpf_map_open(struct uebpf_env *env, const char *path, uint32_t flags,
				 struct uebpf_error *err)
{
	struct uebpf_map *map;

	return map_open_shared(vm_host_of(env), path, -1, flags, &map, err) ? NULL : map;
}

struct uebpf_map *uebpf_map_open_fd(struct uebpf_env *env, int fd, uint32_t flags, struct uebpf_error *err)
{
	struct uebpf_map *map;

	return map_open_shared(vm_host_of(env), NULL, fd, flags, &map, err) ? NULL : map;
}

int uebpf_map_fd(const struct uebpf_map *map)
{
	return map_local(map)->store ? map_local(map)->fd : -EOPNOTSUPP;
}
