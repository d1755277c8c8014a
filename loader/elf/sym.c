/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sym.c - symbols and sections by name, and relocations by what they change. */
#include <errno.h>
#include <stdlib.h>
#include "loader/elf/inner.h"

const char *elf_name(const uint8_t *table, uint64_t size, uint64_t off)
{
	for (uint64_t at = off; at < size; at++) {
		if (!table[at])
			return (const char *)table + off;
		if (table[at] < ' ' || table[at] == 0x7f)
			break;
	}
	return NULL;
}

enum { SYM_SIZE = 24, REL_SIZE = 16, RELA_SIZE = 24 };

/* ---- symbols ---- */

static int order(const struct elf_sym *s, const char *name, uint32_t shndx)
{
	int by_name = strcmp(s->name, name);

	return by_name ? by_name : (s->shndx > shndx) - (s->shndx < shndx);
}

static int compare_names(const void *a, const void *b, void *arg)
{
	const struct elf_sym *syms = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int first = order(&syms[i], syms[j].name, syms[j].shndx);

	return first ? first : (i > j) - (i < j);
}

static int read_table(struct image_inner *in)
{
	const struct elf_section *table = NULL, *names;

	for (uint32_t i = 1; i < in->view.nr_sections && !table; i++)
		if (in->view.sections[i].type == ELF_SYMTAB)
			table = &in->view.sections[i];
	if (!table)
		return image_fail(in, UEBPF_STAGE_ELF, UEBPF_E_MALFORMED, -EINVAL, NULL, NULL,
				  "the object was stripped of its symbol table, without which maps and "
				  "functions cannot be found: strip with \"llvm-strip -g\" only");
	if (table->link >= in->view.nr_sections ||
	    in->view.sections[table->link].type != ELF_STRTAB || table->size % SYM_SIZE)
		return image_malformed(in, table->name, NULL, "bad symbol table");
	names = &in->view.sections[table->link];
	in->nr_syms = (uint32_t)(table->size / SYM_SIZE);
	in->syms = arena_array(&in->arena, in->nr_syms, sizeof(*in->syms));
	in->by_name = arena_array(&in->arena, in->nr_syms, sizeof(*in->by_name));
	if (!in->syms || !in->by_name)
		return image_memory(in);
	for (uint32_t i = 0; i < in->nr_syms; i++) {
		const uint8_t *p = table->data + (size_t)i * SYM_SIZE;
		struct elf_sym *s = &in->syms[i];

		s->name = elf_name(names->data, names->size, le32(p));
		if (!s->name)
			return image_malformed(in, table->name, NULL, "a symbol's name is not terminated or no text");
		s->type = p[4] & 0xf;
		s->bind = p[4] >> 4;
		s->hidden = (p[5] & 3) == 1 || (p[5] & 3) == 2;
		s->shndx = le16(p + 6);
		s->value = le64(p + 8);
		s->size = le64(p + 16);
		if (s->shndx < 0xff00 && s->shndx >= in->view.nr_sections)
			return image_malformed(in, table->name, s->name, "symbol of a section that does not exist");
		if (s->type == ELF_T_SECTION && !*s->name && s->shndx < in->view.nr_sections)
			s->name = in->view.sections[s->shndx].name;
		if (s->type != ELF_T_SECTION)
			in->by_name[in->nr_named++] = i;
	}
	qsort_r(in->by_name, in->nr_named, sizeof(*in->by_name), compare_names, in->syms);
	return 0;
}

const struct elf_sym *image_symbol(const struct image_inner *in, const char *name, uint32_t shndx)
{
	uint32_t lo = 0, hi = in->nr_named;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (order(&in->syms[in->by_name[mid]], name, shndx) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == in->nr_named || order(&in->syms[in->by_name[lo]], name, shndx))
		return NULL;
	return &in->syms[in->by_name[lo]];
}

/* ---- sections by name ---- */

static int compare_sections(const void *a, const void *b, void *arg)
{
	const struct elf_section *sections = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int first = strcmp(sections[i].name, sections[j].name);

	return first ? first : (i > j) - (i < j);
}

static int sort_sections(struct image_inner *in)
{
	in->sections_by_name = arena_array(&in->arena, in->view.nr_sections, sizeof(uint32_t));
	if (!in->sections_by_name)
		return image_memory(in);
	for (uint32_t i = 0; i < in->view.nr_sections; i++)
		in->sections_by_name[i] = i;
	qsort_r(in->sections_by_name, in->view.nr_sections, sizeof(uint32_t), compare_sections,
		in->view.sections);
	return 0;
}

uint32_t image_section(const struct image_inner *in, const char *name, uint32_t nth)
{
	uint32_t lo = 0, hi = in->view.nr_sections;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (strcmp(in->view.sections[in->sections_by_name[mid]].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (nth >= in->view.nr_sections - lo ||
	    strcmp(in->view.sections[in->sections_by_name[lo + nth]].name, name) != 0)
		return 0;
	return in->sections_by_name[lo + nth];
}

int image_read_symbols(struct image_inner *in)
{
	int ret = sort_sections(in);

	return ret ? ret : read_table(in);
}

/* ---- relocations ---- */

static int compare_relocs(const void *a, const void *b)
{
	const struct elf_reloc *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

static int read_reloc_section(struct image_inner *in, const struct elf_section *s)
{
	bool rela = s->type == ELF_RELA;
	size_t size = rela ? RELA_SIZE : REL_SIZE;
	const struct elf_section *target;
	struct reloc_list *list;
	uint32_t n;

	if (s->info >= in->view.nr_sections)
		return image_malformed(in, s->name, NULL, "relocations for a section that does not exist");
	target = &in->view.sections[s->info];
	if (in->use[s->info] == USE_NONE)
		return 0;
	if (s->link >= in->view.nr_sections || in->view.sections[s->link].type != ELF_SYMTAB ||
	    s->size % size || s->size / size > UINT32_MAX / 2)
		return image_malformed(in, s->name, NULL, "bad relocation table");
	list = &in->relocs[s->info];
	n = (uint32_t)(s->size / size);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = s->data + i * size;
		struct elf_reloc *one;

		list->r = arena_grow(&in->arena, list->r, list->n, sizeof(*one));
		if (!list->r)
			return image_memory(in);
		one = &list->r[list->n++];
		*one = (struct elf_reloc){ le64(p), le32(p + 8), le32(p + 12),
					   rela ? (int64_t)le64(p + 16) : 0, rela };
		if (one->sym >= in->nr_syms)
			return image_malformed(in, s->name, NULL, "a relocation names no symbol");
		if (one->off >= target->size || target->size - one->off < 8)
			return image_malformed(in, s->name, NULL, "a relocation lies outside its section");
		if (in->use[s->info] == USE_CODE && one->off % 8)
			return image_malformed(in, s->name, NULL, "a relocation inside an instruction");
	}
	return 0;
}

int image_read_relocs(struct image_inner *in)
{
	for (uint32_t i = 1; i < in->view.nr_sections; i++) {
		const struct elf_section *s = &in->view.sections[i];
		int ret = 0;

		if (s->type == ELF_REL || s->type == ELF_RELA)
			ret = read_reloc_section(in, s);
		if (ret)
			return ret;
	}
	for (uint32_t i = 1; i < in->view.nr_sections; i++)
		if (in->relocs[i].n)
			qsort(in->relocs[i].r, in->relocs[i].n, sizeof(struct elf_reloc), compare_relocs);
	return 0;
}

const struct elf_reloc *image_reloc(const struct image_inner *in, uint32_t shndx, uint64_t off)
{
	const struct reloc_list *list = &in->relocs[shndx];
	uint32_t lo = 0, hi = list->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (list->r[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < list->n && list->r[lo].off == off ? &list->r[lo] : NULL;
}
