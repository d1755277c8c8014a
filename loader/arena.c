/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.c - memory that is freed at once. */
#include <stdarg.h>
#include <stdio.h>
#include "loader/arena.h"
#include "vm/message.h"

enum { ALIGN = 16, HEAD = (sizeof(struct arena_block) + ALIGN - 1) / ALIGN * ALIGN, BLOCK = 8192 - HEAD };

void *arena_alloc(struct arena *arena, size_t size)
{
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

void *arena_array(struct arena *arena, size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? NULL : arena_alloc(arena, n * size);
}

void *arena_grow(struct arena *arena, void *array, size_t n, size_t size)
{
	void *more;

	if (n && (n & (n - 1)))
		return array;		/* not a power of two: room is left */
	more = arena_array(arena, n ? n * 2 : 1, size);
	if (more && n)
		memcpy(more, array, n * size);
	return more;
}

char *arena_string(struct arena *arena, const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = arena_alloc(arena, len);

	return copy ? memcpy(copy, text, len) : NULL;
}

char *(arena_text)(struct arena *arena, const char *text, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, text);
	message_print(line, sizeof(line), text, ap);
	va_end(ap);
	return arena_string(arena, line);
}

void arena_free(struct arena *arena)
{
	while (arena->head) {
		struct arena_block *b = arena->head;

		arena->head = b->next;
		mem_free(arena->host, b, HEAD + b->cap);
	}
}
