/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loader.h - what the front end (elf*.c, btf*.c, core*.c, link.c, types.c) gives to the pipeline
 * (object.c, prog.c): an image of an object file, and one linked program at a time.
 *
 * The image owns everything it points to and lives as long as the object; a linked program and a
 * btf are self-contained and may outlive it.  Nothing here creates maps or runs anything. */
#ifndef UEBPF_LOADER_LOADER_H
#define UEBPF_LOADER_LOADER_H

#include "loader/elf/btf.h"
#include "vm/code.h"

/* ---- program types (types.c, types.def) ---- */

extern const struct prog_type prog_types[];
extern const uint32_t nr_prog_types;
/* By name as --type takes it: "xdp", "tc", "classifier", "raw" ...; NULL if unknown. */
const struct prog_type *prog_type_find(const char *name);
/* What a section name says.  `type` is NULL when it says nothing ("filter", ".text", "2/7"). */
struct section_match {
	const struct prog_type *type;
	const char *attach;	/* text after the prefix's slash, "" if none; points into `section` */
	const char *host_type;	/* NAME of "uebpf/NAME" for the env's own types; else NULL */
	bool optional;		/* "?xdp": not loaded unless asked for */
};
void section_type(const char *section, struct section_match *out);
/* The section name that differs from the begin of `section` by one slip of the pen, or NULL. */
const char *section_like(const char *section);
const char *prog_type_verdict(const struct prog_type *type, uint64_t r0);
/* The i-th result that has a name, or NULL; *value INT32_MIN: all that are not listed. */
const char *prog_type_result(const struct prog_type *type, uint32_t i, int32_t *value);

/* ---- an object file ---- */

struct elf_params {
	struct vm_host *host;		/* whose allocator; NULL: malloc */
	const char *name;		/* in messages */
	const char *type;		/* type of sections that say nothing, or NULL */
	const char *btf;		/* CO-RE target: raw BTF or an ELF file with .BTF; NULL: the kernel's */
	const char *kconfig;		/* "CONFIG_x=y" lines, or NULL */
	const struct helper_table *helpers;	/* externs are looked up here by name; outlives the image */
	/* Types that the env added; asked first.  NULL: none. */
	const struct prog_type *(*find_type)(void *arg, const char *name);
	/* Their descriptions as BTF, which CO-RE looks into before the kernel's; NULL: none, or err->err. */
	struct btf *(*event_btf)(void *arg, struct uebpf_error *err);
	void *find_arg;
	void (*log)(void *arg, enum uebpf_level level, const char *line);
	void *log_arg;
	uint32_t max_slots;		/* slots of one linked program, 0 = 1,000,000 */
};

enum image_map_kind {
	IMAGE_MAP_BTF, IMAGE_MAP_LEGACY,			/* definitions in .maps, maps */
	IMAGE_MAP_DATA, IMAGE_MAP_RODATA, IMAGE_MAP_KCONFIG,	/* one element: a section's bytes */
};
enum { IMAGE_NONE = UINT32_MAX };
/* Initial element of a prog array or of a map of maps. */
struct image_slot { uint32_t index, target; };	/* target: program index, or map index */
struct image_map {
	const char *name;		/* ".rodata", "counters" */
	const char *section;
	uint32_t kind;			/* enum image_map_kind */
	struct uebpf_map_opts opts;	/* as written; opts.name set, opts.inner NULL: see inner */
	uint32_t inner;			/* index of the template in maps[], IMAGE_NONE */
	bool template_only;		/* only an inner definition: create it as a template, not as a map */
	uint32_t pinning;		/* LIBBPF_PIN_x: 0 none, 1 by name */
	uint8_t *bytes;			/* of variables, `data` of them; NULL: all zero (an arena: there are none) */
	uint32_t data;			/* DATA, RODATA, KCONFIG: value_size; an arena with variables: theirs */
	bool read_only;			/* freeze after filling in */
	uint32_t btf_key, btf_value;	/* 0: unknown; a DATASEC for data maps */
	struct image_slot *slots;
	uint32_t nr_slots;
	/* where it is in the file; struct of its definition */
	uint32_t shndx, btf_def;
	uint64_t off, size;
};
/* A data symbol: name -> bytes of a data map. */
struct image_global {
	const char *name;
	uint32_t map, off, size;
	uint32_t btf_type;		/* type of the variable, 0 = unknown */
	bool local;			/* static: a global of the same name wins */
};
/* Initialised pointer inside a data map: *(u64 *)(map.value + off) = target.value + target_off. */
struct image_pointer { uint32_t map, off, target; uint64_t target_off; };
struct image_prog {
	const char *name, *section;
	const struct prog_type *type;	/* NULL: nothing says; the caller decides (or refuses) */
	const char *host_type;		/* "uebpf/NAME" whose NAME is not known to find_type; else NULL */
	const char *attach;		/* "" if none */
	bool optional;
	uint32_t func;			/* inner */
};

struct image_inner;
struct elf_image {
	const char *name;
	struct image_map *maps;
	uint32_t nr_maps;
	struct image_global *globals;
	uint32_t nr_globals;
	struct image_pointer *pointers;
	uint32_t nr_pointers;
	struct image_prog *progs;
	uint32_t nr_progs;
	const char *license;		/* "" if none */
	bool gpl;			/* the kernel's list of GPL-compatible strings */
	struct btf *btf;		/* the object's types, NULL without -g */
	struct image_inner *inner;	/* elf/inner.h */
};

/* Reads an object: LE BPF ELF in memory (copied; data may go away).  0 or -errno with *err. */
int elf_open(const void *data, size_t len, const struct elf_params *params, struct elf_image **out,
	     struct uebpf_error *err);
/* The types of the target, a reference; NULL with *err. */
struct btf *elf_target(struct elf_image *image, struct uebpf_error *err);
void elf_close(struct elf_image *image);	/* NULL is fine */
/* Changes initial bytes; size must be the global's.  0, -ENOENT, -EINVAL, -ENOMEM. */
int elf_set_global(struct elf_image *image, const char *name, const void *value, size_t size,
		   struct uebpf_error *err);
const struct image_global *elf_find_global(const struct elf_image *image, const char *name);

/* ---- one linked program ---- */

/* An instruction that cannot work here: its CO-RE relocation or weak extern has no target.  In the
 * code it is a call of helper HELPER_POISON (vm/desc.h): harmless until reached. */
struct link_poison { uint32_t slot; uint32_t code; /* enum uebpf_code */ const char *text; };
struct link_place {
	const char *section, *function;
	const char *file;		/* "" if unknown */
	uint32_t line, column;		/* 0 if unknown */
	const char *source;		/* text of the line, "" if unknown */
};
/* where: line << 10 | column; file and source are positions in `texts`. */
struct link_line { uint32_t slot, where, file, source; };
struct link_piece { uint32_t slot; const char *function, *section; };
struct linked {
	uint8_t *slots;			/* n wire slots: the program, then the subprograms it needs */
	uint32_t n;
	struct sub_def *subs;		/* ascending; subs[0] is the program itself at slot 0 */
	uint32_t nr_subs;
	uint32_t *maps;			/* lddw with src 5/6: imm = index here -> index in image->maps; */
	uint32_t nr_maps;		/* src 6: the second imm is the offset in the value */
	struct link_poison *poison;	/* ascending */
	uint32_t nr_poison;
	struct link_line *lines;	/* ascending */
	uint32_t nr_lines;
	struct link_piece *pieces;	/* ascending */
	uint32_t nr_pieces;
	const char *texts;
	void *memory;			/* of all of the above, in one block */
};
/* Links program `index`: subprograms appended, relocations and CO-RE applied, externs bound to
 * helper ids.  What is missing but not used by this program does not matter.  0 or -errno with
 * *err; *out is to be freed with link_free in either case. */
int elf_link_program(struct elf_image *image, uint32_t index, struct linked *out,
		     struct uebpf_error *err);
void link_free(struct linked *linked);
/* Where slot `slot` comes from; false when the program has no such slot. */
bool link_place(const struct linked *linked, uint32_t slot, struct link_place *out);
/* Completes an error that names a pc: section, symbol, file, line, column and the text's prefix
 * "object:section/function:file:line: "; with a poisoned instruction there, says why. */
void link_blame(const struct linked *linked, const char *object, struct uebpf_error *err);

#endif
