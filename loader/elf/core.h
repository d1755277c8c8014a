/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* core.h - CO-RE between its two files: core_match.c says where an access of the program's types
 * lands in the target's types, core.c turns that into numbers and instructions. */
#ifndef UEBPF_LOADER_CORE_H
#define UEBPF_LOADER_CORE_H

#include "loader/elf/btf.h"

enum core_kind {		/* kernel, enum bpf_core_relo_kind */
	CORE_BYTE_OFFSET, CORE_BYTE_SIZE, CORE_FIELD_EXISTS, CORE_SIGNED, CORE_LSHIFT_U64,
	CORE_RSHIFT_U64, CORE_TYPE_ID_LOCAL, CORE_TYPE_ID_TARGET, CORE_TYPE_EXISTS, CORE_TYPE_SIZE,
	CORE_ENUMVAL_EXISTS, CORE_ENUMVAL_VALUE, CORE_TYPE_MATCHES, CORE_KIND_COUNT
};
static inline bool core_is_field(uint32_t kind) { return kind <= CORE_RSHIFT_U64; }
static inline bool core_is_enumval(uint32_t kind)
{
	return kind == CORE_ENUMVAL_EXISTS || kind == CORE_ENUMVAL_VALUE;
}

/* A path from a root type to a field: "0:1:2" becomes one step per named member or array index. */
enum { CORE_PATH_MAX = 64 };
struct core_step {
	uint32_t type;		/* what is indexed: composite, enum or the element itself */
	uint32_t index;
	const char *name;	/* NULL: array element */
};
struct core_path {
	const struct btf *btf;
	uint32_t root;
	struct core_step step[CORE_PATH_MAX];
	uint32_t n;
	uint64_t bit_off;
};

/* Parses the access string of a record against the program's own types.  0 or -EINVAL, -E2BIG. */
int core_path_parse(const struct btf *btf, uint32_t type, const char *text, uint32_t kind,
		    struct core_path *out);
/* Follows `local` in target type `id`.  1 found, 0 not there, -errno. */
int core_path_match(const struct core_path *local, const struct btf *target, uint32_t id,
		    uint32_t kind, struct core_path *out);
/* May `target` be a type that `local` stands for, before looking inside? */
bool core_same_kind(const struct btf *a, uint32_t local, const struct btf *b, uint32_t target);
/* "struct task_struct.mm.pgd" for messages. */
void core_path_text(const struct core_path *path, char *buf, size_t cap);

#endif
