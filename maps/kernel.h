/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernel.h - what kernel.c, which opens maps that the kernel holds, and mirror.c share. */
#ifndef UEBPF_MAPS_KERNEL_H
#define UEBPF_MAPS_KERNEL_H

#include "maps/bpf.h"
#include "maps/maps.h"

/* Argument of the storage functions. */
struct kernel_args {
	const struct uebpf_kernel_opts *opts;
	struct kmap_info info;
	int fd;
	bool taken;		/* the handle closes fd */
};
int kernel_init(struct uebpf_map *map, bool fresh);	/* nothing to lay out */

extern const struct map_ops mirror_base;		/* the handle's size; mirror_storage() sets the real row */
int mirror_storage(struct map_local *l, void *args);

#endif
