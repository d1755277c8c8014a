/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* event_btf.h - event types as BTF: for CO-RE (core.c) and for files that filters are saved in. */
#ifndef UEBPF_LOADER_EVENT_BTF_H
#define UEBPF_LOADER_EVENT_BTF_H

#include "loader/arena.h"
#include "loader/elf/btf.h"
#include "loader/elf/core.h"
#include "vm/desc.h"

/* Bytes that grow, in an arena. */
struct bytes { struct arena *arena; uint8_t *p; size_t len, cap; bool failed; };
void bytes_add(struct bytes *to, const void *data, size_t len);	/* NULL: room, of any content */
void bytes_le32(struct bytes *to, uint32_t v);
uint32_t bytes_text(struct bytes *to, const char *text);		/* with its NUL; where it begins */

struct btf_out {
	struct bytes types, strings;
	uint32_t nr_types;
	uint32_t known[4][4][2];	/* numbers: enum uebpf_value, log2 of the size, big endian */
};
void btf_out_begin(struct btf_out *o, struct arena *arena);
uint32_t event_btf_type(struct btf_out *o, const struct prog_type *type);	/* its struct's id */
bool btf_out_end(struct btf_out *o, struct bytes *to);		/* false: no memory */

/* All that have a description; NULL: none has (err->err 0) or no memory. */
struct btf *event_btf(struct vm_host *host, const struct prog_type *const *types, uint32_t n,
		      struct uebpf_error *err);
/* How a field of an event type differs from what a program took it for, beyond what CO-RE asks; or NULL. */
const char *event_differs(const struct core_path *local, const struct core_path *target);

#endif
