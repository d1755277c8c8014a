/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ring.c - ring buffers: made, consumed and waited for; ring_write.c has the producers' side.
 *
 * Waking: the eventfd is written when the consumer had read everything up to this record.  While
 * nobody polls there is neither fence nor system call; who starts to poll pays a membarrier. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "maps/ring.h"
#include "vm/message.h"

enum { MEMBARRIER_GLOBAL = 1 };

int ring_check(const struct uebpf_map_opts *o, const char **why)
{
	if (o->key_size || o->value_size || !o->max_entries || (o->max_entries & (o->max_entries - 1)) ||
	    o->max_entries % MAP_PAGE) {
		*why = MESSAGE_TEXT("a ring buffer has no key or value; max_entries is its size, a power of two of at least 4096");
		return -EINVAL;
	}
	return 0;
}

size_t ring_bytes(const struct uebpf_map *map)
{
	return 3 * MAP_PAGE + (size_t)map->max_entries;
}

/* The pages, then the data once more.  Private rings are shared anonymous memory, because private
 * pages cannot be mapped twice; a shared map's come from its descriptor, behind the head. */
static uint8_t *map_twice(const struct map_local *local, size_t front, size_t size)
{
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
	uint8_t *p = mmap(NULL, front + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bool ok;

	if (p == MAP_FAILED)
		return NULL;
	if (local->store)
		ok = mmap(p, front + size, prot, flags, local->fd, STORE_HEAD) != MAP_FAILED &&
		     mmap(p + front + size, size, prot, flags, local->fd, (off_t)(STORE_HEAD + front)) != MAP_FAILED;
	else
		ok = mmap(p, front + size, prot, flags | MAP_ANONYMOUS, -1, 0) != MAP_FAILED &&
		     mremap(p + front, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, p + front + size) != MAP_FAILED;
	if (!ok)
		munmap(p, front + 2 * size);
	return ok ? p : NULL;
}

int ring_init(struct uebpf_map *map, bool fresh)
{
	struct ring_map *r = (struct ring_map *)map;
	size_t size = map->max_entries, front = 3 * MAP_PAGE;
	int saved = errno;
	uint8_t *p = map_twice(&r->local, front, size);

	(void)fresh;
	errno = saved;
	if (!p)
		return -ENOMEM;
	r->local.peers = true;	/* twice mapped pages stay shared with a forked child */
	r->pages = map->base = p;
	r->pages_bytes = front + 2 * size;
	map->bytes = front + size;
	r->ring = (struct ring){ .control = (void *)p, .consumer = (void *)(p + MAP_PAGE),
				 .producer = (void *)(p + 2 * MAP_PAGE), .data = p + front,
				 .mask = size - 1, .dead_owners = r->local.store != NULL };
	if (!r->local.store)
		self_owner();	/* asks /proc once, not in the first reserve */
	return 0;
}

void ring_fini(struct uebpf_map *map)
{
	struct ring_map *r = (struct ring_map *)map;
	int fd = atomic_load(&r->fd), saved = errno;

	if (fd)
		close(fd - 1);
	if (r->pages)
		munmap(r->pages, r->pages_bytes);
	errno = saved;
}

void ring_notify(struct ring_map *r)
{
	int fd = atomic_load_explicit(&r->fd, memory_order_relaxed), saved = errno;
	uint64_t one = 1;

	if (fd && write(fd - 1, &one, sizeof(one)) < 0)
		errno = saved;	/* full: it is readable already */
}

uint64_t ring_query(struct uebpf_map *map, uint64_t what)
{
	struct ring *ring = &((struct ring_map *)map)->ring;
	uint64_t consumer = atomic_load_explicit(ring->consumer, memory_order_acquire);
	uint64_t producer = atomic_load_explicit(ring->producer, memory_order_acquire);

	switch (what) {
	case BPF_RB_AVAIL_DATA: return producer - consumer;
	case BPF_RB_RING_SIZE: return ring->mask + 1;
	case BPF_RB_CONS_POS: return consumer;
	case BPF_RB_PROD_POS: return producer;
	default: return 0;
	}
}

/* A record whose producer died before commit would stop the ring for good. */
static bool drop_if_dead(struct ring_record *rec, uint32_t len)
{
	uint32_t owner = rec->owner;

	return owner && !self_alive(owner & ((1u << 22) - 1), owner >> 22) &&
	       atomic_compare_exchange_strong(&rec->len, &len, (len & ~RING_BUSY) | RING_DISCARD);
}

/* Up to the first record that is still being written.  Lengths come from shared memory: one that
 * cannot be is the end (-EBADMSG). */
static long walk_ready(struct ring *ring, uebpf_record_fn cb, void *arg, int *stop)
{
	uint64_t at = atomic_load_explicit(ring->consumer, memory_order_relaxed);
	uint64_t end = atomic_load_explicit(ring->producer, memory_order_acquire);
	long n = 0;

	while (at != end && !*stop) {
		struct ring_record *rec = ring_record(ring, at);
		uint32_t len = atomic_load_explicit(&rec->len, memory_order_acquire);
		uint64_t bytes = round_up((size_t)(len & ~(RING_BUSY | RING_DISCARD)) + RING_HEADER, 8);

		if (len & RING_BUSY) {
			if (!ring->dead_owners || !drop_if_dead(rec, len))
				break;
			len |= RING_DISCARD;
		}
		if (bytes > end - at || end - at > ring->mask + 1) {
			*stop = -EBADMSG;
			break;
		}
		if (!(len & RING_DISCARD)) {
			n++;
			*stop = cb(arg, rec + 1, len);
		}
		at += bytes;
		atomic_store_explicit(ring->consumer, at, memory_order_release);
	}
	return n;
}

long ring_walk(struct ring *ring, uebpf_record_fn cb, void *arg)
{
	long n = 0, more;
	int stop = 0;

	do {
		more = walk_ready(ring, cb, arg, &stop);
		n += more;
		if (!more)	/* our position, then theirs: the other half of the fence in commit */
			atomic_thread_fence(memory_order_seq_cst);
	} while (!stop && (more || (more = walk_ready(ring, cb, arg, &stop), n += more, more)));
	return stop < 0 ? stop : n;
}

static bool holds_record(struct ring *ring)
{
	uint64_t at = atomic_load_explicit(ring->consumer, memory_order_relaxed);
	struct ring_record *rec = ring_record(ring, at);

	return at != atomic_load_explicit(ring->producer, memory_order_acquire) &&
	       !(atomic_load_explicit(&rec->len, memory_order_acquire) & RING_BUSY);
}

long ring_consume(struct uebpf_map *map, uebpf_record_fn cb, void *arg)
{
	struct ring_map *r = (struct ring_map *)map;
	int fd = atomic_load_explicit(&r->fd, memory_order_relaxed), saved = errno;
	uint64_t count;
	long n;

	if (fd && read(fd - 1, &count, sizeof(count)) < 0)
		errno = saved;	/* was not readable */
	n = ring_walk(&r->ring, cb, arg);
	if (fd && holds_record(&r->ring))
		ring_notify(r);	/* the callback stopped early: stay readable */
	return n;
}

int ring_poll_fd(struct uebpf_map *map)
{
	struct ring_map *r = (struct ring_map *)map;
	int fd = atomic_load(&r->fd), saved = errno, none = 0, made;

	if (fd)
		return fd - 1;
	if (r->local.kernel_fd)
		return r->local.kernel_fd - 1;	/* the kernel's own poll */
	if (r->local.store)
		return -EOPNOTSUPP;	/* producers of other processes could not write our eventfd */
	made = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);	/* readable at first: there may be records */
	if (made < 0) {
		made = -errno;
		errno = saved;
		return made;
	}
	if (!atomic_compare_exchange_strong(&r->fd, &none, made + 1)) {
		close(made);
		errno = saved;
		return none - 1;
	}
	if (syscall(SYS_membarrier, MEMBARRIER_GLOBAL, 0, 0) < 0)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);	/* any producer that did not see the descriptor has stored its record */
	errno = saved;
	return made;
}

const struct map_more ring_producer = { .reserve = ring_reserve, .commit = ring_commit, .query = ring_query };
const struct map_ops ringbuf_ops = {
	.more = &ring_producer,
	.name = "ringbuf", .type = BPF_MAP_TYPE_RINGBUF, .traits = MT_RINGBUF | MT_NO_KEY | MT_NO_LOOKUP | MT_MAPS_ITSELF,
	.flags = BPF_F_NUMA_NODE, .may = UEBPF_MAY_LOCK | UEBPF_MAY_SYSCALL, .check = ring_check,
	.bytes = ring_bytes, .inline_call = ring_inline,
	.handle_size = sizeof(struct ring_map), .init = ring_init, .fini = ring_fini,
};

/* ---- user ring buffer: the host produces, a program drains ---- */

enum { MAX_SAMPLES = 128 * 1024 };	/* a drain ends after as many, as in the kernel */

struct drained { long (*fn)(void *arg, void *data, uint32_t len); void *arg; long n; };

static int drain_one(void *arg, const void *data, size_t len)
{
	struct drained *d = arg;

	if (++d->n > MAX_SAMPLES)
		return 1;
	return d->fn(d->arg, (void *)(uintptr_t)data, (uint32_t)len) ? 1 : 0;
}

long ring_drain(struct uebpf_map *map, long (*fn)(void *arg, void *data, uint32_t len), void *arg, uint64_t flags)
{
	struct ring_map *r = (struct ring_map *)map;
	struct drained d = { fn, arg, 0 };
	int held = lock_take(&r->local, &r->ring.control->drain);
	long n;

	if (held < 0)
		return held;
	n = ring_walk(&r->ring, drain_one, &d);
	lock_give(&r->ring.control->drain);
	if ((flags & BPF_RB_FORCE_WAKEUP) || (!(flags & BPF_RB_NO_WAKEUP) && n > 0))
		ring_notify(r);
	return n;
}

const struct map_more ring_drained = { .drain = ring_drain };
const struct map_ops user_ringbuf_ops = {
	.more = &ring_drained,
	.name = "user_ringbuf", .type = BPF_MAP_TYPE_USER_RINGBUF,
	.traits = MT_NO_KEY | MT_NO_LOOKUP | MT_MAPS_ITSELF,
	.flags = BPF_F_NUMA_NODE, .may = UEBPF_MAY_LOCK | UEBPF_MAY_SYSCALL, .check = ring_check,
	.bytes = ring_bytes,
	.handle_size = sizeof(struct ring_map), .init = ring_init, .fini = ring_fini,
};
