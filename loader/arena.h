/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.h - memory that is freed at once: what an image or a linked program consists of.
 * Every block is zeroed and 16-aligned; a failed allocation leaves the arena usable. */
#ifndef UEBPF_LOADER_ARENA_H
#define UEBPF_LOADER_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "vm/mem.h"

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
};
struct arena {
	struct arena_block *head;
	struct vm_host *host;		/* whose allocator; NULL: malloc */
};

enum { ARENA_HEAD = (sizeof(struct arena_block) + 15) / 16 * 16 };

static inline void *arena_alloc(struct arena *arena, size_t size)
{
	enum { ALIGN = 16, HEAD = ARENA_HEAD, BLOCK = 8192 - HEAD };
	struct arena_block *b = arena->head;
	size_t want;

	if (size > SIZE_MAX / 2)
		return NULL;
	want = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (!want)
		want = ALIGN;
	if (!b || b->cap - b->used < want) {
		size_t cap = want > BLOCK / 4 ? want : BLOCK;

		b = mem_alloc(arena->host, HEAD + cap);
		if (!b)
			return NULL;
		b->cap = cap;
		if (arena->head && cap == want) {	/* keep filling the block in front */
			b->next = arena->head->next;
			arena->head->next = b;
		} else {
			b->next = arena->head;
			arena->head = b;
		}
	}
	b->used += want;
	return (char *)b + HEAD + b->used - want;
}

static inline void *arena_array(struct arena *arena, size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? NULL : arena_alloc(arena, n * size);
}

/* Grows *array to hold one more than n elements: capacity is the next power of two of n. */
static inline void *arena_grow(struct arena *arena, void *array, size_t n, size_t size)
{
	void *more;

	if (n && (n & (n - 1)))
		return array;		/* not a power of two: room is left */
	more = arena_array(arena, n ? n * 2 : 1, size);
	if (more && n)
		memcpy(more, array, n * size);
	return more;
}

static inline char *arena_string(struct arena *arena, const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = arena_alloc(arena, len);

	return copy ? memcpy(copy, text, len) : NULL;
}

static inline void arena_free(struct arena *arena)
{
	while (arena->head) {
		struct arena_block *b = arena->head;

		arena->head = b->next;
		mem_free(arena->host, b, ARENA_HEAD + b->cap);
	}
}

#endif
