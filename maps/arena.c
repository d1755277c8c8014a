/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.c - sparse memory that a program addresses directly (kernel/bpf/arena.c).
 *
 * One mapping of max_entries pages.  Arena pointers are plain addresses of this process.  map_extra asks for an
 * address, as in the kernel: the same one in every process lets them share pointers; it is refused when taken.
 *
 * Verified programs may follow any number as an arena pointer: around the pages lies private memory that takes
 * what misses them (struct uebpf_map.window), up to a power of two.  It costs addresses, not memory.
 *
 * Every page is there always; which ones belong to somebody is a bit of each, behind all else, that
 * bpf_arena_alloc_pages and its like look at.  Pages that are given back read as zeroes.  The host's own accesses
 * take no page (in the kernel a page fault does).  None are handed out in an arena of the kernel, which does that
 * itself, nor where another mapping is too near for the bits. */
#include <sys/mman.h>
#include "maps/maps.h"
#include "vm/message.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifdef MAP_32BIT
#define MAP_LOW MAP_32BIT
#else
#define MAP_LOW 0
#endif

enum { BEFORE = 2 * ARENA_REACH, BEHIND = ARENA_REACH + MAP_PAGE };
#define FOUR_GB (UINT64_C(1) << 32)

static int arena_check(const struct uebpf_map_opts *o, const char **why)
{
	uint64_t bytes = (uint64_t)o->max_entries * MAP_PAGE;

	*why = MESSAGE_TEXT("an arena needs max_entries (pages), BPF_F_MMAPABLE, no key or value, and a page-aligned map_extra");
	if (o->key_size || o->value_size || !o->max_entries || !(o->flags & BPF_F_MMAPABLE) ||
	    o->extra % MAP_PAGE)
		return -EINVAL;
	*why = MESSAGE_TEXT("an arena is at most 4 GB");
	if (bytes > FOUR_GB)
		return -E2BIG;
	*why = MESSAGE_TEXT("all addresses of an arena have the same upper 32 bits");
	return o->extra && o->extra >> 32 != (o->extra + bytes - 1) >> 32 ? -ERANGE : 0;
}

/* n bytes at `at`, 0: anywhere, below 2 GB if that can be, where programs reach them with fewer instructions. */
static uint8_t *place(uint64_t at, uint64_t n)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED_NOREPLACE : MAP_LOW);
	uint8_t *p;

	if (n != (size_t)n) {
		errno = ENOMEM;
		return NULL;
	}
	p = mmap((void *)(uintptr_t)at, n, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED && (flags & MAP_LOW))
		p = mmap(NULL, n, PROT_READ | PROT_WRITE, flags & ~MAP_LOW, -1, 0);
	if (p != MAP_FAILED && at && (uintptr_t)p != at) {	/* a kernel that takes it for a wish */
		munmap(p, n);
		errno = EEXIST;
		return NULL;
	}
	return p == MAP_FAILED ? NULL : p;
}

/* A bit for each page. */
static size_t bits_bytes(uint32_t pages)
{
	return round_up((pages + 63) / 64 * sizeof(uint64_t), MAP_PAGE);
}

/* Makes the mapping; of fd where that is not -1.  0 or -errno.  Where nobody asks for an address, the window begins at
 * a multiple of its size: masking is then all that a pointer needs, and 4 GB are not crossed. */
int arena_map(struct map_local *l, int fd)
{
	uint64_t bytes = (uint64_t)l->m.max_entries * MAP_PAGE, margin = arena_margin(bytes), span = MAP_PAGE, room, at = l->m.extra;
	uint8_t *p = NULL, *base;

	while (span < bytes + 2 * margin)
		span *= 2;
	room = BEFORE + span + BEHIND + (at ? 0 : span) + (fd < 0 ? bits_bytes(l->m.max_entries) : 0);
	if (!at || at > BEFORE)
		p = place(at ? at - BEFORE : 0, room);
	l->m.window = p ? (uint32_t)(span - 1) : 0;
	if (!p) {			/* neighbours, or no room at all: no verified program */
		room = bytes;
		p = place(at, room);
	}
	if (!p)
		return errno == EEXIST ? -EBUSY : -ENOMEM;
	base = l->m.window ? p + BEFORE : p;
	if (!at && l->m.window)
		base += -((uintptr_t)base - margin) & (span - 1);
	if (fd >= 0 && mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int err = -errno;

		munmap(p, room);
		return err;
	}
	l->mapping = p;
	l->mapped = room;
	l->m.base = base;
	l->m.bytes = bytes;
	return 0;
}

/* ---- pages ---- */

/* Takes (or gives back) n pages from `first` on; none when one is taken already.  How many were free up to there. */
static uint32_t pages_take(_Atomic uint64_t *bits, uint32_t first, uint32_t n, bool give)
{
	for (uint32_t done = 0; done < n;) {
		uint32_t at = first + done, part = 64 - at % 64 < n - done ? 64 - at % 64 : n - done;
		uint64_t mask = UINT64_MAX >> (64 - part) << at % 64, old = get64(&bits[at / 64]);

		if (give) {
			atomic_fetch_and(&bits[at / 64], ~mask);
		} else if (old & mask) {
			pages_take(bits, first, done, true);
			return (uint32_t)__builtin_ctzll(old & mask) + at / 64 * 64 - first;
		} else if (!atomic_compare_exchange_strong(&bits[at / 64], &old, old | mask)) {
			continue;
		}
		done += part;
	}
	return n;
}

static long arena_pages(struct uebpf_map *map, enum map_pages what, uint64_t at, uint32_t n)
{
	struct map_local *l = map_local(map);
	uint32_t most = map->max_entries, first = ((uint32_t)at - (uint32_t)(uintptr_t)map->base) / MAP_PAGE, got;
	_Atomic uint64_t *bits = (void *)((uint8_t *)l->mapping + l->mapped - bits_bytes(most));
	uint8_t *base = map->base;
	int saved = errno;

	if (!map->window || map->share != UEBPF_SHARE_PRIVATE)	/* no room for bits, or the kernel's pages */
		return -EOPNOTSUPP;
	if (what == PAGES_GIVE) {
		n = first >= most ? 0 : n < most - first ? n : most - first;
		if (n)
			madvise(base + (size_t)first * MAP_PAGE, (size_t)n * MAP_PAGE, MADV_DONTNEED);
		errno = saved;
		pages_take(bits, first, n, true);
		return 0;
	}
	if (!at && what == PAGES_TAKE)
		first = 0;
	if (n > most || first > most - n || at % MAP_PAGE)
		return -EINVAL;
	for (; first <= most - n; first += got + 1) {
		got = pages_take(bits, first, n, false);
		if (got == n)
			return (long)(intptr_t)(base + (size_t)first * MAP_PAGE);
		if (at || what == PAGES_TAKE_AT)
			return -EBUSY;
	}
	return -ENOMEM;
}

static const struct map_more arena_more = { .pages = arena_pages };

static int arena_init(struct uebpf_map *map, bool fresh)
{
	int saved = errno, err = map->base ? 0 : arena_map(map_local(map), -1);	/* or it is the kernel's */

	(void)fresh;
	errno = saved;
	map->values = (struct region){ .lo = (uintptr_t)map->base, .hi = (uintptr_t)map->base + map->bytes };
	return err;
}

static int none_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)map;
	(void)key;
	(void)value;
	(void)flags;
	return -EINVAL;
}

static int none_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	(void)map;
	(void)key;
	(void)value;
	(void)flags;
	return -EOPNOTSUPP;
}

static long none_remove(struct uebpf_map *map, const void *key)
{
	(void)map;
	(void)key;
	return -EOPNOTSUPP;
}

static int none_next(struct uebpf_map *map, const void *key, void *next)
{
	(void)map;
	(void)key;
	(void)next;
	return -EOPNOTSUPP;
}

const struct map_ops arena_ops = {
	.name = "arena", .type = MAP_TYPE_ARENA, .traits = MT_NO_KEY | MT_NO_LOOKUP | MT_EXTRA | MT_MAPS_ITSELF | MT_ARENA,
	.flags = BPF_F_MMAPABLE | MAP_F_SEGV_ON_FAULT | MAP_F_NO_USER_CONV, .check = arena_check,
	.handle_size = sizeof(struct map_local), .init = arena_init, .more = &arena_more, .user_lookup = none_lookup,
	.user_update = none_update, .remove = none_remove, .next_key = none_next,
};
