/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* array.h - indexed values; what other families with indexes and per-CPU values reuse. */
#ifndef UEBPF_MAPS_ARRAY_H
#define UEBPF_MAPS_ARRAY_H

#include "maps/maps.h"

enum { PERCPU_MAX_VALUE = 32768 };	/* the kernel's PCPU_MIN_UNIT_SIZE */

struct percpu_array {
	struct map_local local;
	size_t slot_stride;		/* bytes from a value in one slot to the same in the next */
};

int array_check(const struct uebpf_map_opts *opts, const char **why);
int array_check_update(const struct uebpf_map *map, uint32_t index, uint64_t flags);
long array_remove(struct uebpf_map *map, const void *key);
int array_next_key(struct uebpf_map *map, const void *key, void *next);

/* n values and a gap of a cache line, divisible by value_stride. */
size_t percpu_slot_stride(size_t n, uint32_t value_stride);
/* All slots' values, in the form of bpf(): cpu_slots values of value_stride bytes. */
void percpu_user_store(struct uebpf_map *map, uint8_t *first, size_t slot_stride, const void *values);
void percpu_user_load(struct uebpf_map *map, const uint8_t *first, size_t slot_stride, void *values);

#endif
