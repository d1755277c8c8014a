/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.c - sparse memory that a program addresses directly (kernel/bpf/arena.c).
 *
 * One mapping of max_entries pages.  Arena pointers are plain addresses of this process, so the two
 * addr_space_cast instructions leave them as they are.  map_extra asks for an address, as in the
 * kernel: the same one in every process lets them share pointers; it is refused when taken. */
#include <sys/mman.h>
#include "maps/maps.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static int arena_check(const struct uebpf_map_opts *o, const char **why)
{
	*why = "an arena needs max_entries (pages), BPF_F_MMAPABLE, no key or value, and a page-aligned map_extra";
	if (o->key_size || o->value_size || !o->max_entries || !(o->flags & BPF_F_MMAPABLE) ||
	    o->extra % MAP_PAGE)
		return -EINVAL;
	*why = "an arena is at most 4 GB";
	return (uint64_t)o->max_entries * MAP_PAGE > UINT64_C(1) << 32 ? -E2BIG : 0;
}

static int arena_init(struct uebpf_map *map, bool fresh)
{
	size_t bytes = (size_t)map->max_entries * MAP_PAGE;
	int saved = errno, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p = map_local(map)->mapping;

	(void)fresh;
	if (p)
		goto mapped;	/* the kernel's */
	if (bytes / MAP_PAGE != map->max_entries)
		return -E2BIG;
	p = mmap((void *)(uintptr_t)map->extra, bytes, PROT_READ | PROT_WRITE,
		 map->extra ? flags | MAP_FIXED_NOREPLACE : flags, -1, 0);
	if (p != MAP_FAILED && map->extra && p != (void *)(uintptr_t)map->extra) {
		munmap(p, bytes);
		p = MAP_FAILED;
		errno = EEXIST;
	}
	if (p == MAP_FAILED) {
		int r = errno == EEXIST ? -EBUSY : -ENOMEM;

		errno = saved;
		return r;
	}
	map_local(map)->mapping = p;
	map_local(map)->mapped = bytes;
mapped:
	map->base = p;
	map->bytes = bytes;
	map->values = (struct region){ .lo = (uintptr_t)p, .hi = (uintptr_t)p + bytes };
	return 0;
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
	.name = "arena", .type = MAP_TYPE_ARENA, .traits = MT_NO_KEY | MT_NO_LOOKUP | MT_EXTRA | MT_MAPS_ITSELF,
	.flags = BPF_F_MMAPABLE | MAP_F_SEGV_ON_FAULT | MAP_F_NO_USER_CONV, .check = arena_check,
	.handle_size = sizeof(struct map_local), .init = arena_init, .more = &map_no_more, .user_lookup = none_lookup,
	.user_update = none_update, .remove = none_remove, .next_key = none_next,
};
