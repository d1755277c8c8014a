/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.c - map definitions in .maps: a struct whose member types carry the values
 * (__uint: pointer to an array of that many elements; __type: pointer to the type; __array: array
 * of what the values are), and the initial elements of prog arrays and maps of maps. */
#include <errno.h>
#include <stdio.h>
#include "loader/elf/inner.h"

enum { MAP_PROG_ARRAY = 3, MAP_ARRAY_OF_MAPS = 12, MAP_HASH_OF_MAPS = 13 };

struct image_map *image_add_map(struct image_inner *in)
{
	struct image_map *m;

	m = arena_grow(&in->arena, in->image.maps, in->image.nr_maps, sizeof(*m));
	if (!m)
		return NULL;
	in->image.maps = m;
	m += in->image.nr_maps++;
	m->inner = IMAGE_NONE;
	m->opts.size = sizeof(m->opts);
	return m;
}

uint32_t image_map_at(const struct image_inner *in, uint32_t shndx, uint64_t off)
{
	for (uint32_t i = 0; i < in->image.nr_maps; i++) {
		const struct image_map *m = &in->image.maps[i];

		if (m->shndx == shndx && !m->template_only && off >= m->off &&
		    (off == m->off || off - m->off < m->size))
			return i;
	}
	return IMAGE_NONE;
}

static int bad(struct image_inner *in, const char *map, const char *what,
	       const char *member)
{
	return image_fail(in, UEBPF_STAGE_MAP, UEBPF_E_MAP_DEF, -EINVAL, ".maps", map,
			  "bad map definition: %s%s%s%s", message_text(what), member ? " \"" : "",
			  member ? member : "", member ? "\"" : "");
}
#define bad(in, map, literal, member) bad(in, map, MESSAGE_TEXT(literal), member)

/* The number that a member's type carries: __uint(x, n) or __ulong(x, n). */
static bool number(const struct btf *btf, uint32_t type, uint64_t *out)
{
	struct btf_enumerator one;
	struct btf_array array;

	type = btf_skip(btf, type);
	if (btf_kind(btf, type) == BTF_PTR &&
	    btf_array(btf, btf_skip(btf, btf_target(btf, type)), &array)) {
		*out = array.count;
		return true;
	}
	if (btf_enumerator(btf, type, 0, &one)) {
		*out = (uint64_t)one.value;
		return true;
	}
	return false;
}

static int read_members(struct image_inner *in, uint32_t def, uint32_t index, int depth);

static int add_inner(struct image_inner *in, uint32_t def, uint32_t index, int depth)
{
	const char *outer = in->image.maps[index].name;
	size_t n = strlen(outer) + sizeof(".inner");
	char *name = arena_alloc(&in->arena, n);
	struct image_map *m = name ? image_add_map(in) : NULL;
	uint32_t inner = in->image.nr_maps - 1;

	if (!m)
		return image_memory(in);
	snprintf(name, n, "%s.inner", outer);
	m->name = m->opts.name = name;
	m->section = ".maps";
	m->kind = IMAGE_MAP_BTF;
	m->template_only = true;
	in->image.maps[index].inner = inner;
	return read_members(in, def, inner, depth + 1);
}

static int read_values(struct image_inner *in, const struct btf_member *member, uint32_t index,
		       int depth)
{
	const struct btf *btf = in->image.btf;
	struct image_map *m = &in->image.maps[index];
	struct btf_array array;
	uint32_t type;

	if (!btf_array(btf, btf_skip(btf, member->type), &array))
		return bad(in, m->name, "\"values\" is not an array: use __array(values, ...)", NULL);
	type = btf_skip(btf, array.elem);
	if (btf_kind(btf, type) == BTF_PTR)
		type = btf_skip(btf, btf_target(btf, type));
	m->opts.value_size = 4;
	if (btf_kind(btf, type) == BTF_FUNC_PROTO) {
		if (m->opts.type && m->opts.type != MAP_PROG_ARRAY)
			return bad(in, m->name, "only a prog array has programs as values", NULL);
		return 0;
	}
	if (btf_kind(btf, type) != BTF_STRUCT)
		return bad(in, m->name, "the values are neither maps nor programs", NULL);
	if (depth)
		return bad(in, m->name, "maps of maps of maps are not possible", NULL);
	return add_inner(in, type, index, depth);
}

static int set_size(struct image_inner *in, struct image_map *m, uint32_t *slot, uint64_t size,
		    const char *which)
{
	if (size > UINT32_MAX || (*slot && *slot != size))
		return bad(in, m->name, "two different sizes for", which);
	*slot = (uint32_t)size;
	return 0;
}

static int read_type(struct image_inner *in, const struct btf_member *member, uint32_t index,
		     bool key)
{
	const struct btf *btf = in->image.btf;
	struct image_map *m = &in->image.maps[index];
	uint32_t type = btf_skip(btf, member->type);
	int64_t size;

	if (btf_kind(btf, type) != BTF_PTR)
		return bad(in, m->name, "use __type() for", member->name);
	type = btf_target(btf, type);
	size = btf_size(btf, type);
	if (size < 0)
		return bad(in, m->name, "no size is known of the type of", member->name);
	*(key ? &m->btf_key : &m->btf_value) = type;
	return set_size(in, m, key ? &m->opts.key_size : &m->opts.value_size, (uint64_t)size,
			member->name);
}

static int read_number(struct image_inner *in, const struct btf_member *member, uint32_t index)
{
	struct image_map *m = &in->image.maps[index];
	const char *name = member->name;
	uint64_t value = 0;

	if (!number(in->image.btf, member->type, &value))
		return bad(in, m->name, "use __uint() for", name);
	if (!strcmp(name, "map_extra")) {
		m->opts.extra = value;
		return 0;
	}
	if (value > UINT32_MAX)
		return bad(in, m->name, "too large a number for", name);
	if (!strcmp(name, "type"))
		m->opts.type = (uint32_t)value;
	else if (!strcmp(name, "max_entries"))
		m->opts.max_entries = (uint32_t)value;
	else if (!strcmp(name, "map_flags"))
		m->opts.flags = (uint32_t)value;
	else if (!strcmp(name, "pinning") && value <= 1)	/* LIBBPF_PIN_NONE, LIBBPF_PIN_BY_NAME */
		m->pinning = (uint32_t)value;
	else if (!strcmp(name, "pinning"))
		return bad(in, m->name, "neither 0 (none) nor 1 (by name):", name);
	else if (!strcmp(name, "key_size"))
		return set_size(in, m, &m->opts.key_size, value, name);
	else if (!strcmp(name, "value_size"))
		return set_size(in, m, &m->opts.value_size, value, name);
	else if (strcmp(name, "numa_node") != 0)	/* no meaning in one process */
		return bad(in, m->name, "unknown member", name);
	return 0;
}

static int read_members(struct image_inner *in, uint32_t def, uint32_t index, int depth)
{
	struct btf_member member;

	for (uint32_t i = 0; btf_member(in->image.btf, def, i, &member); i++) {
		int ret;

		if (!strcmp(member.name, "key") || !strcmp(member.name, "value"))
			ret = read_type(in, &member, index, member.name[0] == 'k');
		else if (!strcmp(member.name, "values"))
			ret = read_values(in, &member, index, depth);
		else
			ret = read_number(in, &member, index);
		if (ret)
			return ret;
	}
	if (!in->image.maps[index].opts.type)
		return bad(in, in->image.maps[index].name, "it has no type: __uint(type, "
			   "BPF_MAP_TYPE_...)", NULL);
	return 0;
}

static int read_definition(struct image_inner *in, uint32_t shndx, const struct btf_secinfo *var)
{
	const struct btf *btf = in->image.btf;
	const struct elf_section *s = &in->view.sections[shndx];
	const char *name = btf_name(btf, var->type);
	const struct elf_sym *sym = image_symbol(in, name, shndx);
	uint32_t def = btf_skip(btf, btf_target(btf, var->type));
	struct image_map *m;

	if (btf_kind(btf, var->type) != BTF_VAR || btf_kind(btf, def) != BTF_STRUCT)
		return bad(in, name, "it is not a struct variable", NULL);
	if (!sym)
		return bad(in, name, "it has no symbol", NULL);
	if (sym->value > s->size || var->size > s->size - sym->value)
		return bad(in, name, "it lies outside its section", NULL);
	m = image_add_map(in);
	if (!m)
		return image_memory(in);
	m->name = m->opts.name = name;
	m->section = s->name;
	m->kind = IMAGE_MAP_BTF;
	m->shndx = shndx;
	m->off = sym->value;
	m->size = var->size;
	m->btf_def = def;
	return read_members(in, def, in->image.nr_maps - 1, 0);
}

int image_read_maps(struct image_inner *in)
{
	const struct btf *btf = in->image.btf;

	for (uint32_t i = 1; i < in->view.nr_sections; i++) {
		struct btf_secinfo var;
		uint32_t sec;

		if (in->use[i] != USE_MAPS)
			continue;
		sec = btf ? btf_find(btf, BTF_DATASEC, ".maps") : 0;
		if (!sec && in->view.sections[i].size)
			return image_fail(in, UEBPF_STAGE_BTF, UEBPF_E_NO_BTF, -ENOENT, ".maps", NULL,
					  "the map definitions need BTF, which the object does not have: "
					  "compile with -g (\"clang --target=bpf -O2 -g -c FILE.c\"; gcc: -gbtf)");
		for (uint32_t k = 0; sec && btf_secinfo(btf, sec, k, &var); k++) {
			int ret = read_definition(in, i, &var);

			if (ret)
				return ret;
		}
		break;
	}
	return 0;
}

/* ---- initial elements ---- */

/* Offset of the member `values` in the definition's struct, or -1. */
static int64_t values_offset(const struct image_inner *in, const struct image_map *m)
{
	struct btf_member member;

	for (uint32_t i = 0; m->btf_def && btf_member(in->image.btf, m->btf_def, i, &member); i++)
		if (!strcmp(member.name, "values"))
			return member.bit_off / 8;
	return -1;
}

static uint32_t prog_of(const struct image_inner *in, uint32_t shndx, uint64_t value)
{
	for (uint32_t i = 0; i < in->image.nr_progs; i++) {
		const struct func *f = &in->funcs[in->image.progs[i].func];

		if (f->shndx == shndx && f->start == value / 8)
			return i;
	}
	return IMAGE_NONE;
}

static int add_slot(struct image_inner *in, struct image_map *m, uint32_t index, uint32_t target)
{
	m->slots = arena_grow(&in->arena, m->slots, m->nr_slots, sizeof(*m->slots));
	if (!m->slots)
		return image_memory(in);
	m->slots[m->nr_slots++] = (struct image_slot){ index, target };
	return 0;
}

static int read_slot(struct image_inner *in, uint32_t shndx, const struct elf_reloc *r)
{
	const struct elf_sym *sym = &in->syms[r->sym];
	uint64_t value = sym->value + (r->rela ? (uint64_t)r->addend :
				       le64(in->view.sections[shndx].data + r->off));
	uint32_t at = image_map_at(in, shndx, r->off), target;
	struct image_map *m;
	int64_t values;

	if (r->type > 2)
		return image_fail(in, UEBPF_STAGE_RELOC, UEBPF_E_BAD_RELOC, -EINVAL, ".maps",
				  sym->name, "relocation type %u has no meaning in a map definition",
				  r->type);
	if (at == IMAGE_NONE)
		return image_fail(in, UEBPF_STAGE_RELOC, UEBPF_E_BAD_RELOC, -EINVAL, ".maps",
				  sym->name, "a relocation outside any map definition");
	m = &in->image.maps[at];
	values = values_offset(in, m);
	if (values < 0 || r->off < m->off + (uint64_t)values || (r->off - m->off - (uint64_t)values) % 8)
		return bad(in, m->name, "an initial value outside \"values\":", sym->name);
	if (m->opts.type == MAP_PROG_ARRAY)
		target = prog_of(in, sym->shndx, value);
	else if (m->opts.type == MAP_ARRAY_OF_MAPS || m->opts.type == MAP_HASH_OF_MAPS)
		target = image_map_at(in, sym->shndx, value);
	else
		return bad(in, m->name, "only prog arrays and maps of maps have initial values, not",
			   sym->name);
	if (target == IMAGE_NONE)
		return (bad)(in, m->name, m->opts.type == MAP_PROG_ARRAY ?
			     MESSAGE_TEXT("an initial value is not a program of this object:") :
			     MESSAGE_TEXT("an initial value is not a map of this object:"), sym->name);
	return add_slot(in, m, (uint32_t)((r->off - m->off - (uint64_t)values) / 8), target);
}

/* iproute2: a program in section "ID/N" is element N of the prog array with that id. */
static int legacy_slots(struct image_inner *in)
{
	for (uint32_t k = 0; k < in->image.nr_progs; k++) {
		unsigned int id, at;
		char end;

		if (sscanf(in->image.progs[k].section, "%u/%u%c", &id, &at, &end) != 2)
			continue;
		for (uint32_t i = 0; i < in->image.nr_maps; i++) {
			struct image_map *m = &in->image.maps[i];
			int ret;

			if (m->kind != IMAGE_MAP_LEGACY || m->opts.type != MAP_PROG_ARRAY || m->size < 36 ||
			    le32(in->view.sections[m->shndx].data + m->off + 20) != id ||
			    at >= m->opts.max_entries)
				continue;
			ret = add_slot(in, m, at, k);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int image_read_slots(struct image_inner *in)
{
	for (uint32_t i = 1; i < in->view.nr_sections; i++) {
		if (in->use[i] != USE_MAPS || !in->view.sections[i].data)
			continue;
		for (uint32_t k = 0; k < in->relocs[i].n; k++) {
			int ret = read_slot(in, i, &in->relocs[i].r[k]);

			if (ret)
				return ret;
		}
	}
	return legacy_slots(in);
}
