/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link.h - what the two files that link a program (link.c, link_reloc.c) share. */
#ifndef UEBPF_LOADER_LINK_H
#define UEBPF_LOADER_LINK_H

#include "loader/elf/inner.h"
#include "loader/error.h"

enum { LDDW = 0x18, CALL = 0x85 };

struct piece { const struct func *func; uint32_t slot; };
struct link {
	struct image_inner *in;
	struct linked *out;
	struct arena scratch;		/* until everything is packed */
	struct piece *pieces;
	uint32_t nr_pieces, cap, max;
	uint32_t *begins;		/* slot of each function of the image, IMAGE_NONE: not needed yet */
	/* What is being worked on: a piece, a slot of its section, a relocation there and its symbol. */
	struct piece p;
	uint32_t at;
	const struct elf_reloc *r;
	const struct elf_sym *sym;
};

/* That slot in the linked program, and its bytes. */
static inline uint32_t link_slot(const struct link *l)
{
	return l->p.slot + l->at - l->p.func->start;
}

static inline uint8_t *link_bytes(const struct link *l)
{
	return l->out->slots + (size_t)link_slot(l) * 8;
}

/* Fails with the place of that slot in front; a symbol of NULL: the function. */
#define link_fail(l, stage, code, errnum, symbol, ...) \
	link_fail_make(l, ERROR_WHAT(stage, code, errnum), symbol, MESSAGE(__VA_ARGS__))
int link_fail_make(struct link *l, uint32_t what, const char *symbol, const char *text, ...)
	__attribute__((format(printf, 4, 5)));
/* Appends a function unless it is there; *slot is where it begins. */
int link_func(struct link *l, const struct func *func, uint32_t *slot);
/* The map's index among the program's own. */
int link_map(struct link *l, uint32_t map, uint32_t *index);
/* Replaces the instruction by a call that must not be reached. */
int link_poison(struct link *l, enum uebpf_code code, const char *why);

/* Of the piece that is worked on (link_reloc.c): */
int link_relocs(struct link *l);
/* Calls inside a section carry their distance and no relocation. */
int link_calls(struct link *l);

#endif
