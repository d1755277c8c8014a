/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* progs.h - slots that hold programs or the host's numbers for things. */
#ifndef UEBPF_MAPS_PROGS_H
#define UEBPF_MAPS_PROGS_H

#include "maps/maps.h"

/* prog NULL empties the slot.  0, -E2BIG, -ENOENT (emptying an empty slot), -ENOMEM, -EBUSY. */
int prog_array_set(struct uebpf_map *map, uint32_t index, const struct uebpf_prog *prog);

#endif
