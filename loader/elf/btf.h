/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* btf.h - BPF Type Format: a checked, read-only view of a set of types (kernel
 * Documentation/bpf/btf.rst).  Knows nothing of ELF, programs or maps.
 *
 * Every id and offset inside is checked when it is parsed, so readers need no checks of their own;
 * only chains of types (cycles, depth) are bounded where they are followed. */
#ifndef UEBPF_LOADER_BTF_H
#define UEBPF_LOADER_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/uebpf.h"

enum btf_kind {
	BTF_VOID, BTF_INT, BTF_PTR, BTF_ARRAY, BTF_STRUCT, BTF_UNION, BTF_ENUM, BTF_FWD, BTF_TYPEDEF,
	BTF_VOLATILE, BTF_CONST, BTF_RESTRICT, BTF_FUNC, BTF_FUNC_PROTO, BTF_VAR, BTF_DATASEC,
	BTF_FLOAT, BTF_DECL_TAG, BTF_TYPE_TAG, BTF_ENUM64, BTF_KIND_COUNT
};
struct btf;
struct vm_host;

/* Takes a copy of the bytes (the contents of .BTF, or of /sys/kernel/btf/vmlinux).  NULL with *err
 * (err->err -ENOMEM or -EINVAL).  host: whose allocator (NULL: malloc); must outlive the types. */
struct btf *btf_parse(struct vm_host *host, const void *data, size_t len, const char *name, struct uebpf_error *err);
struct btf *btf_ref(struct btf *btf);
void btf_unref(struct btf *btf);	/* NULL is fine */
/* BTF of types ids[0] and ids[1] (0: none) alone, from the host's allocator; ids become the new ones.  Its
 * length, -ENOMEM or -E2BIG. */
long btf_cut(struct vm_host *host, const struct btf *btf, uint32_t ids[2], void **out);
/* The words of a type as in the file, in host order; how many. */
uint32_t btf_words(const struct btf *btf, uint32_t id, const uint32_t **words);
uint32_t btf_count(const struct btf *btf);	/* ids are 1 .. count - 1; 0 is void */
const char *btf_string(const struct btf *btf, uint32_t off);	/* "" when out of range */

enum btf_kind btf_kind(const struct btf *btf, uint32_t id);
const char *btf_name(const struct btf *btf, uint32_t id);	/* "" if anonymous */
uint32_t btf_vlen(const struct btf *btf, uint32_t id);		/* members, enumerators, parameters */
bool btf_kflag(const struct btf *btf, uint32_t id);
uint32_t btf_target(const struct btf *btf, uint32_t id);	/* PTR, mods, VAR, FUNC, FUNC_PROTO's return */
uint32_t btf_own_size(const struct btf *btf, uint32_t id);	/* the size word of INT, STRUCT, ENUM, ... */
uint32_t btf_skip(const struct btf *btf, uint32_t id);		/* through modifiers and typedefs */
uint32_t btf_skip_mods(const struct btf *btf, uint32_t id);	/* through modifiers, not typedefs */
bool btf_is_composite(const struct btf *btf, uint32_t id);	/* STRUCT or UNION, not skipped */
/* Bytes of a value of the type; -EINVAL for types without one, -E2BIG when it overflows. */
int64_t btf_size(const struct btf *btf, uint32_t id);

struct btf_member { const char *name; uint32_t type; uint32_t bit_off; uint32_t bits; /* 0: no bit-field */ };
bool btf_member(const struct btf *btf, uint32_t id, uint32_t index, struct btf_member *out);
struct btf_array { uint32_t elem, index, count; };
bool btf_array(const struct btf *btf, uint32_t id, struct btf_array *out);
struct btf_enumerator { const char *name; int64_t value; };	/* unsigned ones as bits */
bool btf_enumerator(const struct btf *btf, uint32_t id, uint32_t index, struct btf_enumerator *out);
bool btf_enum_signed(const struct btf *btf, uint32_t id);
struct btf_param { const char *name; uint32_t type; };
bool btf_param(const struct btf *btf, uint32_t id, uint32_t index, struct btf_param *out);
struct btf_secinfo { uint32_t type, off, size; };
bool btf_secinfo(const struct btf *btf, uint32_t id, uint32_t index, struct btf_secinfo *out);
/* DATASECs leave the compiler without offsets; the ELF symbols know them. */
void btf_set_secinfo(struct btf *btf, uint32_t id, uint32_t index, uint32_t off, uint32_t size);
void btf_set_size(struct btf *btf, uint32_t id, uint32_t size);
enum { BTF_INT_SIGNED = 1, BTF_INT_CHAR = 2, BTF_INT_BOOL = 4 };
struct btf_int { uint32_t encoding, bits, bit_off; };
bool btf_int(const struct btf *btf, uint32_t id, struct btf_int *out);
enum { BTF_LINK_STATIC, BTF_LINK_GLOBAL, BTF_LINK_EXTERN };
uint32_t btf_linkage(const struct btf *btf, uint32_t id);	/* VAR, FUNC */

/* By name and kind; 0 if none.  */
uint32_t btf_find(const struct btf *btf, enum btf_kind kind, const char *name);
/* Ids whose name, without a ___flavour, is `name` (len bytes); via an index made on first use.
 * Returns the next such id after `prev` (0: the first), 0 at the end. */
uint32_t btf_next_named(struct btf *btf, const char *name, size_t len, uint32_t prev);
size_t btf_essential_len(const char *name);	/* bytes before a trailing ___flavour */

/* ---- text (format.c, parse.c) ---- */

/* Appends-like snprintf: the text of a value of type `id`; returns the whole length.  json: strict
 * JSON, else C-like `{.a = 1, .b = "x"}`.  Reads at most `len` bytes of data. */
long btf_format_value(const struct btf *btf, uint32_t id, const void *data, size_t len, bool json,
		      char *buf, size_t cap);
/* The reverse: numbers, enumerator names, "strings", [..], {field: value} with or without quotes,
 * also {.field = value} and 0x-hex; bytes not named stay as they are.  0 or -EINVAL with *err. */
int btf_parse_value(const struct btf *btf, uint32_t id, const char *text, void *data, size_t len,
		    struct uebpf_error *err);
/* Name of a type as C writes it, for messages: "struct task_struct", "unsigned int". */
long btf_type_text(const struct btf *btf, uint32_t id, char *buf, size_t cap);

#endif
