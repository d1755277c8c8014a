/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bpf.h - the few bpf() calls that concern maps; raw, because libbpf is not a dependency. */
#ifndef UEBPF_MAPS_BPF_H
#define UEBPF_MAPS_BPF_H

#include <stddef.h>
#include <stdint.h>
#include "include/uebpf.h"

/* All return >= 0 or -errno and leave errno alone. */
int kmap_create(const struct uebpf_map_opts *opts, int inner_fd);
int kmap_lookup(int fd, const void *key, void *value, uint64_t flags);
int kmap_update(int fd, const void *key, const void *value, uint64_t flags);
int kmap_delete(int fd, const void *key);
int kmap_lookup_delete(int fd, const void *key, void *value, uint64_t flags);
int kmap_next_key(int fd, const void *key, void *next);
int kmap_freeze(int fd);
/* in, out: opaque positions (NULL at first); *count: room, then what came. */
int kmap_lookup_batch(int fd, const void *in, void *out, void *keys, void *values, uint32_t *count,
		      uint64_t flags);
int kmap_update_batch(int fd, const void *keys, const void *values, uint32_t *count, uint64_t flags);
int kmap_open_id(uint32_t id);
int kmap_open_pin(const char *path);
int kmap_pin(int fd, const char *path);
/* What the kernel tells of a map; name has 16 bytes. */
struct kmap_info {
	uint32_t type, id, key_size, value_size, max_entries, flags, btf_key, btf_value;
	uint64_t extra;
	char name[16];
};
int kmap_info(int fd, struct kmap_info *info);

#endif
