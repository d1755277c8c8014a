/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* storage.c - where a map's bytes live, and moving values in and out of them. */
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "maps/keys.h"
#include "maps/maps.h"
#include "vm/mem.h"
#include "vm/spin.h"

enum { SMALL = 32768 };	/* below, a mapping of its own would waste pages and address ranges */

int storage_private(struct map_local *local, size_t bytes)
{
	int saved = errno;
	void *p;

	if (bytes < SMALL) {
		local->block_size = bytes + MAP_LINE;
		local->block = mem_alloc(local->host, local->block_size);
		if (!local->block)
			return -ENOMEM;
		local->m.base = (void *)round_up((uintptr_t)local->block, MAP_LINE);
	} else {
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		errno = saved;
		if (p == MAP_FAILED)
			return -ENOMEM;
		local->m.base = local->mapping = p;
		local->mapped = bytes;
	}
	local->m.bytes = bytes;
	return 0;
}

void storage_free(struct map_local *local)
{
	int saved = errno;

	if (local->mapping)
		munmap(local->mapping, local->mapped);
	if (local->store)
		close(local->fd);
	if (local->kernel_fd)
		close(local->kernel_fd - 1);
	errno = saved;
	mem_free(local->host, local->block, local->block_size);
	local->block = NULL;
	local->mapping = NULL;
	local->store = NULL;
	local->kernel_fd = 0;
}

uint64_t random_u64(void)
{
	int saved = errno;
	uint64_t v = 0;

	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != sizeof(v)) {
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		v = mum((uint64_t)t.tv_nsec ^ (uintptr_t)&v, 0x9e3779b97f4a7c15u ^ (uint64_t)t.tv_sec);
	}
	errno = saved;
	return v;
}

uint64_t key_tail(const uint8_t *p, size_t n)
{
	uint64_t w = 0;

	uint32_t four;

	if (n == 4) {	/* the common one without a loop */
		memcpy(&four, p, 4);
		return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? four : (uint64_t)four << 32;
	}
	memcpy(&w, p, n);
	return w;
}

void words_store(void *shared, const void *from, size_t n)
{
	uint8_t *s = shared;
	const uint8_t *f = from;

	for (; n >= 8; n -= 8, s += 8, f += 8)
		word_put(s, key_word(f, 8));
	if (n)
		word_put(s, key_word(f, n));
}

void words_load(void *to, const void *shared, size_t n)
{
	const uint8_t *s = shared;
	uint8_t *t = to;
	uint64_t w;

	for (; n >= 8; n -= 8, s += 8, t += 8) {
		w = word_get(s);
		memcpy(t, &w, 8);
	}
	if (n) {
		w = word_get(s);
		memcpy(t, &w, n);
	}
}

void words_zero(void *shared, size_t n)
{
	for (size_t i = 0; i < n; i += 8)
		word_put((uint8_t *)shared + i, 0);
}

/* The 8-byte word of the lock has a neighbour in its other half: written as 4 bytes. */
static void around_lock(const struct uebpf_map *map, void *shared, const void *from, bool init)
{
	uint32_t off = map->spin_lock_off, at = off & ~7u, other = at + (off & 4 ? 0 : 4);
	uint8_t *s = shared;
	const uint8_t *f = from;
	uint32_t half;

	words_store(s, f, at);
	if (init)
		atomic_store_explicit((_Atomic uint32_t *)(s + off), 0, memory_order_relaxed);
	if (other < map->value_size) {
		half = (uint32_t)0;
		memcpy(&half, f + other, map->value_size - other < 4 ? map->value_size - other : 4);
		atomic_store_explicit((_Atomic uint32_t *)(s + other), half, memory_order_relaxed);
	}
	if (at + 8 < map->value_size)
		words_store(s + at + 8, f + at + 8, map->value_size - at - 8);
}

void value_store(const struct uebpf_map *map, void *shared, const void *from)
{
	if (map->spin_lock_off == UINT32_MAX)
		words_store(shared, from, map->value_size);
	else
		around_lock(map, shared, from, false);
}

void value_init(const struct uebpf_map *map, void *shared, const void *from)
{
	if (map->spin_lock_off == UINT32_MAX)
		words_store(shared, from, map->value_size);
	else
		around_lock(map, shared, from, true);
}

void value_load(const struct uebpf_map *map, void *to, const void *shared)
{
	words_load(to, shared, map->value_size);
	if (map->spin_lock_off != UINT32_MAX)
		memset((uint8_t *)to + map->spin_lock_off, 0, 4);
}

static uint32_t *lock_word(const struct uebpf_map *map, const void *shared)
{
	return (uint32_t *)((uintptr_t)shared + map->spin_lock_off);
}

int value_store_locked(const struct uebpf_map *map, void *shared, const void *from)
{
	int r = spin_lock(lock_word(map, shared), map_local(map)->hostile);

	if (r)
		return r;
	value_store(map, shared, from);
	spin_unlock(lock_word(map, shared));
	return 0;
}

int value_load_locked(const struct uebpf_map *map, void *to, const void *shared)
{
	int r = spin_lock(lock_word(map, shared), map_local(map)->hostile);

	if (r)
		return r;
	value_load(map, to, shared);
	spin_unlock(lock_word(map, shared));
	return 0;
}
