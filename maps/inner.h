/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inner.h - maps as values of maps. */
#ifndef UEBPF_MAPS_INNER_H
#define UEBPF_MAPS_INNER_H

#include "maps/maps.h"

/* Puts `inner` (of the template's shape) at key; NULL removes.  0, -EINVAL (shape, flags), -E2BIG,
 * -ENOENT, -EEXIST, -ENOMEM, -EBUSY. */
int inner_set(struct uebpf_map *map, const void *key, struct uebpf_map *inner, uint64_t flags);

#endif
