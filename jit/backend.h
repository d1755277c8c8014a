/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* backend.h - what the folder of an architecture gives to jit/, and what it finds there. */
#ifndef UEBPF_JIT_BACKEND_H
#define UEBPF_JIT_BACKEND_H

#include "jit/jit.h"

uint32_t backend_cpu(void);	/* enum jit_cpu bits that this machine has */

/* ---- code pages ---- */
/* Room for `size` bytes of code, 32-aligned; its final address is known before it is filled, so
 * that the caller can resolve addresses.  0, -ENOMEM, -EACCES. */
int pages_reserve(struct jit_pages *pages, size_t size, uint8_t **at);
/* Puts the bytes there and makes them executable; other programs in the same pages keep running.
 * On failure the room is given back. */
int pages_publish(struct jit_pages *pages, uint8_t *at, const void *bytes, size_t size);
/* Have some pages been out of reach of a direct call into the library?  The caller may set it. */
bool *pages_far(struct jit_pages *pages);
void pages_release(struct jit_pages *pages, uint8_t *at, size_t size);

/* Programs of these pages, for uebpf_addr_info. */
struct jit_code;
void pages_enlist(struct jit_pages *pages, struct jit_code *jit);
void pages_delist(struct jit_pages *pages, struct jit_code *jit);

/* ---- being seen (debug.c) ---- */
bool debug_announce(struct jit_code *jit, const struct jit_opts *opts);	/* were the files written? */
void gdb_register(struct jit_code *jit, const char *name, const struct jit_opts *opts);
void gdb_drop(struct jit_code *jit);
/* Machine offset of the next instruction: *at and *off begin with 0. */
uint32_t jit_map_next(const struct jit_code *jit, uint32_t *at, uint32_t *off);

#endif
