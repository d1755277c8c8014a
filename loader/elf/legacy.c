/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* legacy.c - map definitions before BTF: structs in section "maps" (or "maps/NAME").  All
 * begin with type, key size, value size, entries, flags; what follows depends on the tool:
 *   28 bytes  kernel samples: index of the inner map, NUMA node
 *   36, 40    iproute2: id, pinning, id of the inner map, its index
 *   longer    gobpf and others: pinning, name space; nothing that matters here
 * A symbol's size, or the gap to the next symbol, tells how long a definition is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "loader/elf/inner.h"
#include "vm/message.h"

enum { DEF_MIN = 20, DEF_SAMPLES = 28, DEF_IPROUTE = 36,
       MAP_ARRAY_OF_MAPS = 12, MAP_HASH_OF_MAPS = 13 };

static int compare(const void *a, const void *b)
{
	const struct elf_sym *const *x = a, *const *y = b;

	return ((*x)->value > (*y)->value) - ((*x)->value < (*y)->value);
}

static int bad(struct image_inner *in, const char *section, const char *map,
	       const char *what)
{
	return image_fail(in, UEBPF_STAGE_MAP, UEBPF_E_MAP_DEF, -EINVAL, section, map,
			  "bad map definition: %s", message_text(what));
}

/* BPF_ANNOTATE_KV_PAIR(name, key, value): struct ____btf_map_NAME { key key; value value; } */
static void annotate(const struct btf *btf, struct image_map *m)
{
	struct btf_member key, value;
	char name[128];
	uint32_t id;

	if (!btf || snprintf(name, sizeof(name), "____btf_map_%s", m->name) >= (int)sizeof(name))
		return;
	id = btf_find(btf, BTF_STRUCT, name);
	if (!btf_member(btf, id, 0, &key) || !btf_member(btf, id, 1, &value))
		return;
	if (btf_size(btf, key.type) == m->opts.key_size &&
	    btf_size(btf, value.type) == m->opts.value_size) {
		m->btf_key = key.type;
		m->btf_value = value.type;
	}
}

static int read_one(struct image_inner *in, uint32_t shndx, const struct elf_sym *sym, uint64_t size)
{
	const struct elf_section *s = &in->view.sections[shndx];
	const uint8_t *p = s->data + sym->value;
	struct image_map *m;

	if (size < DEF_MIN)
		return bad(in, s->name, sym->name, MESSAGE_TEXT("shorter than type, key size, value size, "
			   "entries and flags (20 bytes)"));
	m = image_add_map(in);
	if (!m)
		return image_memory(in);
	m->name = m->opts.name = sym->name;
	m->section = s->name;
	m->kind = IMAGE_MAP_LEGACY;
	m->shndx = shndx;
	m->off = sym->value;
	m->size = size;
	m->opts.type = le32(p);
	m->opts.key_size = le32(p + 4);
	m->opts.value_size = le32(p + 8);
	m->opts.max_entries = le32(p + 12);
	m->opts.flags = le32(p + 16);
	if (!m->opts.type)
		return bad(in, s->name, sym->name, "its type is 0");
	annotate(in->image.btf, m);
	return 0;
}

/* Finds inner maps once all definitions of the section are known. */
static void link_inner(struct image_inner *in, uint32_t first)
{
	for (uint32_t i = first; i < in->image.nr_maps; i++) {
		struct image_map *m = &in->image.maps[i];
		const uint8_t *p = in->view.sections[m->shndx].data + m->off;

		if (m->opts.type != MAP_ARRAY_OF_MAPS && m->opts.type != MAP_HASH_OF_MAPS)
			continue;
		if (m->size == DEF_SAMPLES) {
			uint32_t inner = first + le32(p + 20);

			if (inner < in->image.nr_maps && inner != i)
				m->inner = inner;
		} else if (m->size >= DEF_IPROUTE && m->size <= DEF_IPROUTE + 4) {
			uint32_t want = le32(p + 28);

			for (uint32_t k = first; want && k < in->image.nr_maps; k++) {
				const struct image_map *o = &in->image.maps[k];

				if (k != i && o->size >= DEF_IPROUTE && le32(in->view.sections[o->shndx].data +
									     o->off + 20) == want)
					m->inner = k;
			}
		}
	}
}

static int read_section(struct image_inner *in, uint32_t shndx)
{
	const struct elf_section *s = &in->view.sections[shndx];
	const struct elf_sym **syms = NULL;
	uint32_t n = 0;

	for (uint32_t i = 1; i < in->nr_syms; i++) {
		const struct elf_sym *sym = &in->syms[i];

		if (sym->shndx != shndx || sym->type == ELF_T_SECTION || sym->type == ELF_T_FUNC)
			continue;
		if (sym->type == ELF_T_NOTYPE && sym->bind == ELF_B_LOCAL)
			continue;
		if (!s->data || sym->value >= s->size)
			return bad(in, s->name, sym->name, MESSAGE_TEXT("it lies outside its section"));
		syms = arena_grow(&in->arena, syms, n, sizeof(*syms));
		if (!syms)
			return image_memory(in);
		syms[n++] = sym;
	}
	if (!n)
		return 0;
	qsort(syms, n, sizeof(*syms), compare);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t end = i + 1 < n ? syms[i + 1]->value : s->size;
		uint64_t size = end - syms[i]->value;
		int ret;

		if (syms[i]->size && syms[i]->size < size)
			size = syms[i]->size;
		if (i + 1 < n && !size)
			continue;	/* an alias */
		ret = read_one(in, shndx, syms[i], size);
		if (ret)
			return ret;
	}
	return 0;
}

int image_read_legacy(struct image_inner *in)
{
	uint32_t first = in->image.nr_maps;

	for (uint32_t i = 1; i < in->view.nr_sections; i++) {
		int ret = in->use[i] == USE_LEGACY ? read_section(in, i) : 0;

		if (ret)
			return ret;
	}
	link_inner(in, first);
	return 0;
}
