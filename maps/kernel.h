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
struct mirror {
	struct map_local local;
	struct uebpf_map *copy;		/* what programs see; of the same shape; NULL: nothing */
	int fd;
	uint32_t policy;
	uint64_t period;
	_Atomic uint64_t pulled;	/* when it was last tried, CLOCK_MONOTONIC ns */
};
int mirror_storage(struct map_local *l, void *args);

/* Gives the handle a row of its own, named like its type's, that can do nothing yet; NULL: short of memory. */
struct map_ops *kernel_row(struct map_local *l);

#endif
