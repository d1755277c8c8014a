/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.h - memory that is freed at once: what an image or a linked program consists of.
 * Every block is zeroed and 16-aligned; a failed allocation leaves the arena usable. */
#ifndef UEBPF_LOADER_ARENA_H
#define UEBPF_LOADER_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "vm/mem.h"
#include "vm/message.h"

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
};
struct arena {
	struct arena_block *head;
	struct vm_host *host;		/* whose allocator; NULL: malloc */
};

void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t n, size_t size);	/* NULL also when the product overflows */
/* Grows *array to hold one more than n elements: capacity is the next power of two of n. */
void *arena_grow(struct arena *arena, void *array, size_t n, size_t size);
char *arena_string(struct arena *arena, const char *text);
char *arena_text(struct arena *arena, const char *text, ...) __attribute__((format(printf, 2, 3)));
#define arena_text(arena, ...) arena_text(arena, MESSAGE(__VA_ARGS__))
void arena_free(struct arena *arena);

#endif
