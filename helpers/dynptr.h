/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dynptr.h - dynptrs, and the records of ring buffers that they and plain helpers hand out. */
#ifndef UEBPF_HELPERS_DYNPTR_H
#define UEBPF_HELPERS_DYNPTR_H

#include "helpers/families.h"

/* 16 bytes of the program's stack. */
struct dyn {
	uint64_t data;
	uint32_t size;		/* and DYN_READ_ONLY */
	uint32_t offset;
};
#define DYN_READ_ONLY (UINT32_C(1) << 31)
enum { DYN_MAX = (1 << 24) - 1 };
_Static_assert(sizeof(struct dyn) == 16, "struct bpf_dynptr of the kernel has this size");

/* Room for a record, held by the run until it is committed; NULL: none, or too many held. */
void *record_reserve(struct uebpf_call *call, struct uebpf_map *map, uint64_t size);
/* Returns 0. */
uint64_t record_commit(struct uebpf_call *call, void *record, uint64_t flags, bool discard);

#endif
