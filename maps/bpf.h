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
enum kmap_kind { KMAP_MAP, KMAP_BTF };
int kmap_open_id(enum kmap_kind kind, uint32_t id);
int kmap_open_pin(const char *path);
/* What the kernel tells of a map. */
struct kmap_info {
	struct uebpf_map_opts shape;	/* its name is the one below, its types are ids in `btf` */
	uint32_t id, btf;		/* btf: 0 none */
	char name[17];
};
int kmap_info(int fd, struct kmap_info *info);
/* Raw BTF of a KMAP_BTF descriptor: *len bytes at most go to data (NULL: none); *len: how many there are. */
int kmap_btf(int fd, void *data, uint32_t *len);

#endif
