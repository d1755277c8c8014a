/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* data.c - data sections as maps of one element with initial bytes (.rodata*, .data*, .bss*
 * and sections with names of their own that code refers to), the variables in them, and pointers
 * that they hold to each other. */
#include <errno.h>
#include <stdio.h>
#include "loader/elf/inner.h"

enum { DATA_MAX = 1 << 30, MAP_ARRAY = 2, MAP_ARENA = 33, F_RDONLY_PROG = 1 << 7, F_MMAPABLE = 1 << 10 };

int image_add_global(struct image_inner *in, const struct image_global *global)
{
	struct image_global *g;

	g = arena_grow(&in->arena, in->image.globals, in->image.nr_globals, sizeof(*g));
	if (!g)
		return -ENOMEM;
	in->image.globals = g;
	g[in->image.nr_globals++] = *global;
	return 0;
}

static int add_bytes(struct image_inner *in, struct image_map *m, const struct elf_section *s)
{
	in->section_map[s - in->view.sections] = (uint32_t)(m - in->image.maps);
	m->bytes = s->data || m->opts.type == MAP_ARENA ? arena_alloc(&in->arena, s->size) : NULL;
	if (m->bytes && s->data)
		memcpy(m->bytes, s->data, s->size);
	return s->data && !m->bytes ? image_memory(in) : 0;
}

/* Variables of address space 1 begin the object's arena. */
static int add_arena(struct image_inner *in, const struct elf_section *s)
{
	for (uint32_t i = 0; i < in->image.nr_maps; i++) {
		struct image_map *m = &in->image.maps[i];

		if (m->opts.type != MAP_ARENA)
			continue;
		m->data = (uint32_t)s->size;
		m->section = s->name;	/* of its variables */
		return s->size <= (uint64_t)m->opts.max_entries * 4096 ? add_bytes(in, m, s) :
		       image_fail(in, UEBPF_STAGE_MAP, UEBPF_E_MAP_DEF, -E2BIG, s->name, m->name,
				  "%llu bytes of variables do not fit into the arena's %u pages",
				  (unsigned long long)s->size, m->opts.max_entries);
	}
	return image_fail(in, UEBPF_STAGE_MAP, UEBPF_E_MAP_DEF, -EINVAL, s->name, NULL,
			  "variables in address space 1, but the object defines no arena (BPF_MAP_TYPE_ARENA) for them");
}

static int add_section(struct image_inner *in, uint32_t shndx)
{
	const struct elf_section *s = &in->view.sections[shndx];
	struct image_map *m;

	if (!strcmp(s->name, ARENA_SECTION))
		return add_arena(in, s);
	if (s->size > DATA_MAX)
		return image_fail(in, UEBPF_STAGE_ELF, UEBPF_E_LIMIT, -E2BIG, s->name, NULL,
				  "%llu bytes of data, more than the limit of 1 GiB",
				  (unsigned long long)s->size);
	m = image_add_map(in);
	if (!m)
		return image_memory(in);
	m->read_only = !strncmp(s->name, ".rodata", 7) || !strncmp(s->name, ".data.rel.ro", 12) ||
		!(s->flags & ELF_F_WRITE);
	m->name = m->opts.name = m->section = s->name;
	m->kind = m->read_only ? IMAGE_MAP_RODATA : IMAGE_MAP_DATA;
	m->opts.type = MAP_ARRAY;
	m->opts.key_size = 4;
	m->opts.value_size = m->data = (uint32_t)s->size;
	m->opts.max_entries = 1;
	m->opts.flags = F_MMAPABLE | (m->read_only ? F_RDONLY_PROG : 0);
	m->shndx = shndx;
	m->size = s->size;
	return add_bytes(in, m, s);
}

/* Types of variables: types[symbol], from the DATASECs that BTF has for the data sections. */
static uint32_t *read_types(struct image_inner *in)
{
	uint32_t *types = arena_array(&in->arena, in->nr_syms, sizeof(*types));
	const struct btf *btf = in->image.btf;

	for (uint32_t id = 1; types && btf && id < btf_count(btf); id++) {
		struct btf_secinfo var;
		uint32_t shndx;

		if (btf_kind(btf, id) != BTF_DATASEC)
			continue;
		shndx = image_section(in, btf_name(btf, id), 0);
		if (!shndx || in->use[shndx] != USE_DATA)
			continue;
		in->image.maps[in->section_map[shndx]].btf_value = id;
		for (uint32_t i = 0; btf_secinfo(btf, id, i, &var); i++) {
			const struct elf_sym *sym = image_symbol(in, btf_name(btf, var.type), shndx);

			if (sym)
				types[sym - in->syms] = btf_target(btf, var.type);
		}
	}
	return types;
}

static int read_variables(struct image_inner *in)
{
	uint32_t *types = read_types(in);

	if (!types)
		return image_memory(in);
	for (uint32_t i = 1; i < in->nr_syms; i++) {
		const struct elf_sym *sym = &in->syms[i];
		struct image_global g = { .name = sym->name, .local = sym->bind == ELF_B_LOCAL };
		const struct image_map *m;

		if (sym->shndx >= in->view.nr_sections || in->use[sym->shndx] != USE_DATA ||
		    sym->type == ELF_T_SECTION || sym->type == ELF_T_FUNC || !*sym->name)
			continue;
		if (!strncmp(sym->name, ".L", 2) || (g.local && !sym->size))
			continue;
		g.map = in->section_map[sym->shndx];
		m = &in->image.maps[g.map];
		if (sym->value > m->data || sym->size > m->data - sym->value)
			return image_fail(in, UEBPF_STAGE_ELF, UEBPF_E_MALFORMED, -EINVAL,
					  in->view.sections[sym->shndx].name, sym->name, "the variable lies outside its section");
		g.off = (uint32_t)sym->value;
		g.size = (uint32_t)sym->size;
		g.btf_type = types[i];
		if (image_add_global(in, &g))
			return image_memory(in);
	}
	return 0;
}

static int read_pointer(struct image_inner *in, uint32_t shndx, const struct elf_reloc *r)
{
	const struct elf_sym *sym = &in->syms[r->sym];
	const struct elf_section *s = &in->view.sections[shndx];
	struct image_pointer *p;
	uint64_t to;

	if (!s->data || (r->type != 1 && r->type != 2) || sym->shndx >= in->view.nr_sections ||
	    in->use[sym->shndx] != USE_DATA) {
		image_log(in, UEBPF_LOG_WARN, "%s+%llu: a pointer to \"%s\" in data cannot be filled in: "
			  "it stays as it is", s->name, (unsigned long long)r->off, sym->name);
		return 0;
	}
	to = sym->value + (r->rela ? (uint64_t)r->addend : le64(s->data + r->off));
	if (to > in->view.sections[sym->shndx].size)
		return image_fail(in, UEBPF_STAGE_RELOC, UEBPF_E_BAD_RELOC, -EINVAL, s->name, sym->name,
				  "a pointer past the end of section %s", in->view.sections[sym->shndx].name);
	p = arena_grow(&in->arena, in->image.pointers, in->image.nr_pointers, sizeof(*p));
	if (!p)
		return image_memory(in);
	in->image.pointers = p;
	p[in->image.nr_pointers++] = (struct image_pointer){
		in->section_map[shndx], (uint32_t)r->off, in->section_map[sym->shndx], to };
	return 0;
}

int image_read_data(struct image_inner *in)
{
	int ret = 0;

	for (uint32_t i = 1; !ret && i < in->view.nr_sections; i++)
		if (in->use[i] == USE_DATA)
			ret = add_section(in, i);
	for (uint32_t i = 1; !ret && i < in->view.nr_sections; i++)
		for (uint32_t k = 0; !ret && in->use[i] == USE_DATA && k < in->relocs[i].n; k++)
			ret = read_pointer(in, i, &in->relocs[i].r[k]);
	return ret ? ret : read_variables(in);
}

/* ---- globals set from outside ---- */

const struct image_global *elf_find_global(const struct elf_image *image, const char *name)
{
	const struct image_global *found = NULL;

	for (uint32_t i = 0; i < image->nr_globals; i++) {
		const struct image_global *g = &image->globals[i];

		if (!strcmp(g->name, name) && (!found || (found->local && !g->local)))
			found = g;
	}
	return found;
}

int elf_set_global(struct elf_image *image, const char *name, const void *value, size_t size,
		   struct uebpf_error *err)
{
	const struct image_global *g = elf_find_global(image, name);
	struct image_inner *in = image->inner;
	struct image_map *m;

	in->err = err;
	if (!g)
		return image_fail(in, UEBPF_STAGE_OPEN, UEBPF_E_ARGUMENT, -ENOENT, NULL, name,
				  "no global variable of that name");
	if (size != g->size)
		return image_fail(in, UEBPF_STAGE_OPEN, UEBPF_E_ARGUMENT, -EINVAL, NULL, name,
				  "the variable has %u bytes, %zu were given", g->size, size);
	m = &image->maps[g->map];
	if (!m->bytes)
		m->bytes = arena_alloc(&in->arena, m->data);
	if (!m->bytes)
		return image_memory(in);
	memcpy(m->bytes + g->off, value, size);
	for (uint32_t i = 0; i < in->nr_externs; i++)
		if (m->kind == IMAGE_MAP_KCONFIG && !strcmp(in->externs[i].name, name))
			in->externs[i].missing = false;
	return 0;
}
