/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inner.h - what the loader's own files share about one object: the checked view of its bytes,
 * symbols, functions, relocations, externs.  Only loader/elf and link.h include it. */
#ifndef UEBPF_LOADER_ELF_INNER_H
#define UEBPF_LOADER_ELF_INNER_H

#include <endian.h>
#include <string.h>
#include "loader/arena.h"
#include "loader/loader.h"

/* ---- bytes of an ELF file, checked (view.c; no_elf.c without libelf) ---- */

enum {
	ELF_PROGBITS = 1, ELF_SYMTAB = 2, ELF_STRTAB = 3, ELF_RELA = 4, ELF_NOBITS = 8, ELF_REL = 9,
	ELF_F_WRITE = 1, ELF_F_ALLOC = 2, ELF_F_EXEC = 4, ELF_F_COMPRESSED = 2048,
	ELF_M_NONE = 0, ELF_M_BPF = 247,
	ELF_UNDEF = 0, ELF_ABS = 0xfff1, ELF_COMMON = 0xfff2,
	ELF_T_NOTYPE = 0, ELF_T_OBJECT = 1, ELF_T_FUNC = 2, ELF_T_SECTION = 3,
	ELF_B_LOCAL = 0, ELF_B_GLOBAL = 1, ELF_B_WEAK = 2,
};
struct elf_section {
	const char *name;
	uint32_t type, link, info;
	uint64_t flags, size, entsize;
	const uint8_t *data;		/* `size` bytes; NULL for NOBITS */
};
struct elf_view {
	struct elf_section *sections;	/* [0] is the null section */
	uint32_t nr_sections;
	uint32_t machine;
};
extern const bool elf_present;
/* `bytes` must live as long as the view; section bounds and names are checked. */
int elf_view_open(struct arena *arena, uint8_t *bytes, size_t len, const char *name,
		  struct elf_view *view, struct uebpf_error *err);
/* A name in a string table; NULL: it does not end there, or has control characters, which messages would print. */
const char *elf_name(const uint8_t *table, uint64_t size, uint64_t off);	/* sym.c */
const struct elf_section *elf_view_find(const struct elf_view *view, const char *name);

static inline uint64_t le_bytes(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);	/* big-endian: the upper n bytes */
	return le64toh(v);
}
static inline __attribute__((always_inline)) uint16_t le16(const uint8_t *p) { return (uint16_t)le_bytes(p, 2); }
static inline __attribute__((always_inline)) uint32_t le32(const uint8_t *p) { return (uint32_t)le_bytes(p, 4); }
static inline __attribute__((always_inline)) uint64_t le64(const uint8_t *p) { return le_bytes(p, 8); }
static inline __attribute__((always_inline)) void put_le32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

/* First mistakes (first.c): 0 when the bytes are a little-endian BPF object. */
int elf_diagnose(const uint8_t *data, size_t len, const char *name, struct uebpf_error *err);
/* What to use instead of a function of the C library, or NULL. */
const char *elf_advice(const char *function);

/* ---- contents ---- */

struct elf_sym {
	const char *name;
	uint64_t value, size;
	uint32_t shndx;
	uint8_t type, bind;
	bool hidden;
};
struct elf_reloc {
	uint64_t off;
	uint32_t type, sym;
	int64_t addend;
	bool rela;
};
struct reloc_list { struct elf_reloc *r; uint32_t n; };	/* ascending by off */
struct func {
	const char *name;
	uint32_t shndx, start, slots;	/* in slots of its section */
	bool global;
};
/* Records of BTF.ext for one section; still in the file's form. */
struct ext_list { const uint8_t *rec; uint32_t n, rec_size; bool sorted; };

enum extern_kind { EXTERN_KCONFIG, EXTERN_KSYM_VAR, EXTERN_KSYM_FUNC };
struct image_extern {
	const char *name;
	uint32_t kind;
	bool weak;
	bool missing;			/* kconfig: no value known */
	uint32_t off, size, btf_type;	/* in the .kconfig map */
};

struct core_cache;
#define ARENA_SECTION ".addr_space.1"	/* what clang calls the section of variables in address space 1 */
enum section_use { USE_NONE, USE_CODE, USE_MAPS, USE_LEGACY, USE_DATA };
struct image_inner {		/* what is used most first: one byte reaches it */
	struct uebpf_error *err;	/* of the call that is under way; may be NULL */
	struct arena arena;
	struct elf_view view;
	uint8_t *use;			/* enum section_use per section */
	uint32_t *section_map;		/* USE_DATA: index in image.maps */
	struct elf_sym *syms;
	uint32_t nr_syms;
	uint32_t nr_funcs;
	struct func *funcs;		/* ascending by section, start */
	struct reloc_list *relocs;	/* per section */
	struct elf_image image;
	struct elf_params params;
	bool old_gas;			/* symbol values already stand in the instructions */
	uint32_t *by_name;		/* symbols but sections', sorted by name and section */
	uint32_t nr_named;
	uint32_t *sections_by_name;
	struct ext_list *lines, *cores;	/* per section; NULL: none */
	struct image_extern *externs;
	uint32_t nr_externs;
	uint32_t kconfig_map;		/* IMAGE_NONE */
	struct core_cache *core;	/* target types, made on first use */
};

/* Fills *in->err with "object:section/symbol: ..." and returns errnum. */
#define image_fail(in, stage, code, errnum, section, symbol, ...) \
	image_fail_make(in, ERROR_WHAT(stage, code, errnum), section, symbol, MESSAGE(__VA_ARGS__))
int image_fail_make(const struct image_inner *in, uint32_t what, const char *section, const char *symbol,
		    const char *text, ...) __attribute__((format(printf, 5, 6)));
int image_memory(const struct image_inner *in);
void image_log(const struct image_inner *in, enum uebpf_level level, const char *text, ...)
	__attribute__((format(printf, 3, 4)));
#define image_log(in, level, ...) image_log(in, level, MESSAGE(__VA_ARGS__))
/* The nth section of that name, 0 if none. */
uint32_t image_section(const struct image_inner *in, const char *name, uint32_t nth);
/* First symbol of that name in that section, or NULL. */
const struct elf_sym *image_symbol(const struct image_inner *in, const char *name, uint32_t shndx);
/* Function that starts at (or, exact false, contains) the slot; NULL if none. */
const struct func *image_func(const struct image_inner *in, uint32_t shndx, uint64_t slot, bool exact);
const struct elf_reloc *image_reloc(const struct image_inner *in, uint32_t shndx, uint64_t off);
const struct image_extern *image_extern_find(const struct image_inner *in, const char *name);
/* Map of a definition section that covers `off`; IMAGE_NONE if none. */
uint32_t image_map_at(const struct image_inner *in, uint32_t shndx, uint64_t off);
struct image_map *image_add_map(struct image_inner *in);	/* NULL: memory; zeroed, inner NONE */
int image_add_global(struct image_inner *in, const struct image_global *global);

int image_malformed(const struct image_inner *in, const char *section, const char *symbol, const char *what);
#define image_malformed(in, section, symbol, literal) image_malformed(in, section, symbol, MESSAGE_TEXT(literal))

/* Stages of elf_open, in this order. */
int image_read_symbols(struct image_inner *in);	/* sym.c */
int image_read_relocs(struct image_inner *in);
int image_read_maps(struct image_inner *in);	/* map.c: .maps */
int image_read_legacy(struct image_inner *in);	/* legacy.c: maps */
int image_read_data(struct image_inner *in);	/* data.c */
int image_read_externs(struct image_inner *in);/* kconfig.c */
int image_read_ext(struct image_inner *in);	/* ext.c */
int image_read_slots(struct image_inner *in);	/* map.c: initial elements */

/* CO-RE (core.c).  Applies record `rec` to the instruction at `slot` (wire bytes, n slots left).
 * 0 done; 1: no target, *why says which (in the image's arena); -errno with *in->err. */
int core_apply(struct image_inner *in, const uint8_t *rec, uint8_t *slots, uint32_t n, const char **why);
void core_free(struct image_inner *in);
/* Head of the block that a linked program is. */
struct link_memory { struct vm_host *host; size_t size; };
/* Moves *linked, whose lines still name offsets of strings in btf, from other memory into a block of its
 * own.  -ENOMEM: *linked is of no use. */
int link_pack(struct arena *scratch, const struct btf *btf, struct linked *linked);
/* Bytes of a file, NUL added behind; *cap is what mem_free takes; -errno. */
int read_file(struct vm_host *host, const char *path, size_t limit, uint8_t **out, size_t *len,
	      size_t *cap);

#endif
