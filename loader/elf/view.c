/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* view.c - walks an object's header and sections with libelf and keeps only what was checked:
 * every section's bytes lie inside the file, every name ends inside its table.  The only file that
 * knows libelf; a build without it takes loader/no_elf.c instead. */
#include <errno.h>
#include <gelf.h>
#include "loader/elf/inner.h"
#include "vm/message.h"

const bool elf_present = true;
enum { SECTIONS_MAX = 65280 };

static int fail(const char *name, struct uebpf_error *err, const char *what, uint32_t section)
{
	return error_set(err, UEBPF_STAGE_ELF, UEBPF_E_MALFORMED, -EINVAL, UINT32_MAX,
			 "%s: malformed ELF: section %u: %s", name, section, message_text(what));
}

static int read_sections(struct arena *arena, Elf *elf, uint8_t *bytes, size_t len, const char *name,
			 struct elf_view *view, uint32_t names, struct uebpf_error *err)
{
	uint64_t *name_off;
	Elf_Scn *scn = NULL;
	uint32_t i = 0;

	name_off = arena_array(arena, view->nr_sections, sizeof(*name_off));
	if (!name_off)
		return error_set(err, UEBPF_STAGE_ELF, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
				 "%s: out of memory", name);
	view->sections[0].name = "";
	while ((scn = elf_nextscn(elf, scn))) {
		struct elf_section *s = &view->sections[++i];
		GElf_Shdr h;

		if (i >= view->nr_sections || !gelf_getshdr(scn, &h))
			return fail(name, err, elf_errmsg(-1), i);
		s->type = h.sh_type;
		s->flags = h.sh_flags;
		s->link = h.sh_link;
		s->info = h.sh_info;
		s->entsize = h.sh_entsize;
		s->size = h.sh_size;
		name_off[i] = h.sh_name;
		if (h.sh_type == ELF_NOBITS || h.sh_type == 0)
			continue;
		if (h.sh_offset > len || h.sh_size > len - h.sh_offset)
			return fail(name, err, MESSAGE_TEXT("its bytes lie outside the file"), i);
		s->data = bytes + h.sh_offset;
	}
	for (i = 1; i < view->nr_sections; i++) {
		const struct elf_section *t = &view->sections[names];

		view->sections[i].name = t->data ? elf_name(t->data, t->size, name_off[i]) : NULL;
		if (!view->sections[i].name)
			return fail(name, err, MESSAGE_TEXT("its name lies outside the name table or is no text"), i);
	}
	return 0;
}

int elf_view_open(struct arena *arena, uint8_t *bytes, size_t len, const char *name,
		  struct elf_view *view, struct uebpf_error *err)
{
	GElf_Ehdr head;
	size_t n;
	int ret = -EINVAL;
	Elf *elf;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return error_set(err, UEBPF_STAGE_ELF, UEBPF_E_ABSENT, -ENOTSUP, UINT32_MAX,
				 "%s: this libelf is too old", name);
	elf = elf_memory((char *)bytes, len);
	if (!elf || !gelf_getehdr(elf, &head) || elf_getshdrnum(elf, &n)) {
		error_set(err, UEBPF_STAGE_ELF, UEBPF_E_MALFORMED, -EINVAL, UINT32_MAX,
			  "%s: malformed ELF: %s", name, elf_errmsg(-1));
	} else if (!n || n > SECTIONS_MAX || head.e_shstrndx >= n) {
		error_set(err, UEBPF_STAGE_ELF, UEBPF_E_MALFORMED, -EINVAL, UINT32_MAX,
			  "%s: malformed ELF: %s", name,
			  message_text(n ? MESSAGE_TEXT("section name table out of range") :
				       head.e_shoff < len ? MESSAGE_TEXT("no sections") :
				       MESSAGE_TEXT("its section headers lie behind its end: the file was cut short")));
	} else {
		view->machine = head.e_machine;
		view->nr_sections = (uint32_t)n;
		view->sections = arena_array(arena, n, sizeof(*view->sections));
		ret = view->sections ? read_sections(arena, elf, bytes, len, name, view, head.e_shstrndx, err) :
			error_set(err, UEBPF_STAGE_ELF, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
				  "%s: out of memory", name);
	}
	elf_end(elf);
	return ret;
}

const struct elf_section *elf_view_find(const struct elf_view *view, const char *name)
{
	for (uint32_t i = 1; i < view->nr_sections; i++)
		if (!strcmp(view->sections[i].name, name))
			return &view->sections[i];
	return NULL;
}
