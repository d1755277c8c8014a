/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* adjust.c - what a caller may change between open and load (globals, map sizes, bindings), and how
 * it looks at globals. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/error.h"
#include "loader/object.h"
#include "loader/plain.h"
#include "vm/mem.h"

static int fail(const struct uebpf_object *obj, struct uebpf_error *err, enum uebpf_code code, int rc,
		const char *symbol, const char *text)
{
	struct place at = { .object = obj ? obj->name : "", .symbol = symbol };

	error_set(err, UEBPF_STAGE_OPEN, code, rc, UINT32_MAX, "%s", text);
	error_place(err, &at);
	return rc;
}

static int can_adjust(const struct uebpf_object *obj, const char *name, struct uebpf_error *err)
{
	if (!obj || !name)
		return fail(obj, err, UEBPF_E_ARGUMENT, -EINVAL, name, "needs an object and a name");
	if (obj->loaded)
		return fail(obj, err, UEBPF_E_STATE, -EBUSY, name, "the object is loaded already");
	return 0;
}

/* ---- globals ---- */

int uebpf_object_set_global(struct uebpf_object *obj, const char *name, const void *value, size_t size,
			    struct uebpf_error *err)
{
	struct uebpf_error local;
	int rc = can_adjust(obj, name, err);

	if (rc)
		return rc;
	if (!obj->image || !value)
		return fail(obj, err, UEBPF_E_ARGUMENT, obj->image ? -EINVAL : -ENOENT, name,
			    obj->image ? "no value given" : "bare instructions have no globals");
	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	rc = elf_set_global(obj->image, name, value, size, err);
	if (rc && !err->object[0])
		error_place(err, &(struct place){ .object = obj->name });
	return rc;
}

static void *map_bytes(const struct uebpf_object *obj, uint32_t map)
{
	uint32_t zero = 0;

	return obj->maps[map] ? uebpf_map_value(obj->maps[map], &zero) : obj->image->maps[map].bytes;
}

void *uebpf_object_global(struct uebpf_object *obj, const char *name, size_t *size)
{
	const struct image_global *g = obj && obj->image && name ? elf_find_global(obj->image, name) : NULL;
	uint8_t *bytes = g ? map_bytes(obj, g->map) : NULL;

	if (g && !bytes && !obj->loaded) {
		/* .bss has no bytes in the image until something is set */
		void *zero = mem_alloc(object_host(obj), g->size);

		if (zero && !elf_set_global(obj->image, name, zero, g->size, NULL))
			bytes = map_bytes(obj, g->map);
		mem_free(object_host(obj), zero, g->size);
	}
	if (!bytes)
		return NULL;
	if (size)
		*size = g->size;
	return bytes + g->off;
}

int uebpf_object_global_info(const struct uebpf_object *obj, uint32_t i, struct uebpf_global_info *info)
{
	struct uebpf_global_info all;
	const struct image_global *g;

	if (!obj || !info || info->size < sizeof(info->size))
		return -EINVAL;
	if (!obj->image || i >= obj->image->nr_globals)
		return -ENOENT;
	g = &obj->image->globals[i];
	all = (struct uebpf_global_info){
		.size = info->size, .name = g->name, .section = obj->image->maps[g->map].section,
		.map = obj->image->maps[g->map].name, .offset = g->off, .bytes = g->size,
		.read_only = obj->image->maps[g->map].read_only, .typed = obj->image->btf && g->btf_type,
	};
	memcpy(info, &all, info->size < sizeof(all) ? info->size : sizeof(all));
	return 0;
}

int uebpf_object_parse_global(struct uebpf_object *obj, const char *name, const char *text,
			      struct uebpf_error *err)
{
	const struct image_global *g;
	struct uebpf_error local;
	int rc = can_adjust(obj, name, err);
	void *value;
	uint8_t *now;

	if (rc)
		return rc;
	g = obj->image ? elf_find_global(obj->image, name) : NULL;
	if (!g || !text)
		return fail(obj, err, UEBPF_E_ARGUMENT, g ? -EINVAL : -ENOENT, name,
			    g ? "no text given" : "the object has no such global");
	value = mem_alloc(object_host(obj), g->size);
	if (!value)
		return fail(obj, err, UEBPF_E_MEMORY, -ENOMEM, name, "no memory for the value");
	now = map_bytes(obj, g->map);
	if (now)
		memcpy(value, now + g->off, g->size);
	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	if (obj->image->btf && g->btf_type)
		rc = btf_parse_value(obj->image->btf, g->btf_type, text, value, g->size, err);
	else if (plain_parse(text, value, g->size))
		rc = error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_SYNTAX, -EINVAL, UINT32_MAX,
			       "\"%s\" is no integer of %u bytes nor x\"HEX\" of that length (the object has no "
			       "type for it: compile with -g)", text, g->size);
	if (rc)
		error_place(err, &(struct place){ .object = obj->name, .symbol = name });
	else
		rc = uebpf_object_set_global(obj, name, value, g->size, err);
	mem_free(object_host(obj), value, g->size);
	return rc;
}

long uebpf_object_format_global(const struct uebpf_object *obj, const char *name, int json, char *buf,
				size_t cap)
{
	const struct image_global *g = obj && obj->image && name ? elf_find_global(obj->image, name) : NULL;
	uint8_t *bytes, *zero = NULL;
	long n;

	if (!g)
		return -ENOENT;
	bytes = map_bytes(obj, g->map);
	if (!bytes) {
		zero = mem_alloc(object_host(obj), g->off + g->size);
		if (!zero)
			return -ENOMEM;
		bytes = zero;
	}
	if (obj->image->btf && g->btf_type)
		n = btf_format_value(obj->image->btf, g->btf_type, bytes + g->off, g->size, json, buf, cap);
	else
		n = plain_format(bytes + g->off, g->size, json, buf, cap);
	mem_free(object_host(obj), zero, g->off + g->size);
	return n;
}

/* ---- maps ---- */

static uint32_t find_map(const struct uebpf_object *obj, const char *name)
{
	uint32_t i;

	for (i = 0; i < object_nr_maps(obj); i++)
		if (!obj->image->maps[i].template_only && !strcmp(obj->image->maps[i].name, name))
			return i;
	return IMAGE_NONE;
}

int uebpf_object_resize_map(struct uebpf_object *obj, const char *name, uint32_t max_entries,
			    struct uebpf_error *err)
{
	int rc = can_adjust(obj, name, err);
	uint32_t i;

	if (rc)
		return rc;
	i = find_map(obj, name);
	if (i == IMAGE_NONE)
		return fail(obj, err, UEBPF_E_MAP_BIND, -ENOENT, name, "the object has no such map");
	if (obj->image->maps[i].kind >= IMAGE_MAP_DATA)
		return fail(obj, err, UEBPF_E_MAP_BIND, -EINVAL, name,
			    "a map of global variables has exactly one element");
	if (!max_entries)
		return fail(obj, err, UEBPF_E_ARGUMENT, -EINVAL, name, "max_entries must not be 0");
	obj->resized[i] = max_entries;
	return 0;
}

struct geometry { uint32_t type, key, value, entries, flags; };

static void shape_text(char *to, size_t cap, struct geometry s)
{
	snprintf(to, cap, "{type %u, key %u, value %u, max_entries %u, flags %#x}", s.type, s.key, s.value,
		 s.entries, s.flags);
}

int uebpf_object_bind_map(struct uebpf_object *obj, const char *name, struct uebpf_map *map,
			  struct uebpf_error *err)
{
	struct uebpf_map_info has = { .size = sizeof(has) };
	char wants_text[128], has_text[128], text[400];
	const struct uebpf_map_opts *o;
	int rc = can_adjust(obj, name, err);
	struct geometry a, b;
	uint32_t i;

	if (rc)
		return rc;
	i = find_map(obj, name);
	if (i == IMAGE_NONE || !map)
		return fail(obj, err, UEBPF_E_MAP_BIND, i == IMAGE_NONE ? -ENOENT : -EINVAL, name,
			    i == IMAGE_NONE ? "the object has no such map" : "no map given");
	uebpf_map_info(map, &has);
	o = &obj->image->maps[i].opts;
	a = (struct geometry){ o->type, o->key_size, o->value_size,
			    obj->resized[i] ? obj->resized[i] : o->max_entries, o->flags };
	b = (struct geometry){ has.type, has.key_size, has.value_size, has.max_entries, has.flags };
	/* max_entries 0 in a definition: whoever creates the map says */
	if (!a.entries)
		a.entries = b.entries;
	if (memcmp(&a, &b, sizeof(a))) {
		shape_text(wants_text, sizeof(wants_text), a);
		shape_text(has_text, sizeof(has_text), b);
		snprintf(text, sizeof(text), "cannot be bound to map %s: the object wants %s, the map is %s",
			 has.name, wants_text, has_text);
		return fail(obj, err, UEBPF_E_MAP_BIND, -EINVAL, name, text);
	}
	uebpf_map_ref(map);
	if (obj->maps[i])
		uebpf_map_unref(obj->maps[i]);
	obj->maps[i] = map;
	obj->bound[i] = true;
	return 0;
}

int uebpf_object_replace(struct uebpf_object *obj, const struct uebpf_object *old, enum uebpf_keep keep,
			 struct uebpf_error *err)
{
	struct uebpf_error why;
	int rc = can_adjust(obj, "", err), kept = 0;
	uint32_t i;

	if (rc)
		return rc;
	if (!old || !old->loaded)
		return fail(obj, err, UEBPF_E_STATE, -EINVAL, NULL, "the object to replace is not loaded");
	for (i = 0; i < object_nr_maps(obj); i++) {
		const struct image_map *im = &obj->image->maps[i];
		struct uebpf_map *map = im->template_only ? NULL : uebpf_object_map(old, im->name);

		if (!map || obj->maps[i] || im->kind == IMAGE_MAP_RODATA || im->kind == IMAGE_MAP_KCONFIG ||
		    (im->kind == IMAGE_MAP_DATA && keep != UEBPF_KEEP_DATA))
			continue;
		memset(&why, 0, sizeof(why));
		if (!uebpf_object_bind_map(obj, im->name, map, &why))
			kept++;
		else
			object_log(obj, UEBPF_LOG_WARN, "%s", why.text);
	}
	return kept;
}
