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
#include "maps/maps.h"
#include "vm/mem.h"
#include "vm/message.h"

static void say_where(const struct uebpf_object *obj, struct uebpf_error *err, const char *symbol)
{
	struct place at = { .object = obj ? obj->name : "", .symbol = symbol };

	error_place(err, &at);
}

static int fail(const struct uebpf_object *obj, struct uebpf_error *err, enum uebpf_code code, int rc,
		const char *symbol, const char *text)
{
	error_set(err, UEBPF_STAGE_OPEN, code, rc, UINT32_MAX, "%s", message_text(text));
	say_where(obj, err, symbol);
	return rc;
}

static int can_adjust(const struct uebpf_object *obj, const char *name, struct uebpf_error *err)
{
	if (!obj || !name)
		return fail(obj, err, UEBPF_E_ARGUMENT, -EINVAL, name, MESSAGE_TEXT("needs an object and a name"));
	if (obj->loaded)
		return fail(obj, err, UEBPF_E_STATE, -EBUSY, name, MESSAGE_TEXT("the object is loaded already"));
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
			    obj->image ? MESSAGE_TEXT("no value given") : MESSAGE_TEXT("bare instructions have no globals"));
	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	rc = elf_set_global(obj->image, name, value, size, err);
	if (rc && !err->object[0])
		error_place(err, &(struct place){ .object = obj->name });
	return rc;
}

uint8_t *object_variables(const struct uebpf_object *obj, uint32_t map)
{
	uint32_t zero = 0;
	struct uebpf_map *m = obj->maps[map];

	return m ? uebpf_map_value(m, m->ops->traits & MT_ARENA ? NULL : &zero) : obj->image->maps[map].bytes;
}

void *uebpf_object_global(struct uebpf_object *obj, const char *name, size_t *size)
{
	const struct image_global *g = obj && obj->image && name ? elf_find_global(obj->image, name) : NULL;
	uint8_t *bytes = g ? object_variables(obj, g->map) : NULL;

	if (g && !bytes && !obj->loaded) {
		/* .bss has no bytes in the image until something is set */
		void *zero = mem_alloc(object_host(obj), g->size);

		if (zero && !elf_set_global(obj->image, name, zero, g->size, NULL))
			bytes = object_variables(obj, g->map);
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
			    g ? MESSAGE_TEXT("no text given") : MESSAGE_TEXT("the object has no such global"));
	value = mem_alloc(object_host(obj), g->size);
	if (!value)
		return fail(obj, err, UEBPF_E_MEMORY, -ENOMEM, name, MESSAGE_TEXT("no memory for the value"));
	now = object_variables(obj, g->map);
	if (now)
		memcpy(value, now + g->off, g->size);
	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	if (obj->image->btf && g->btf_type)
		rc = btf_parse_value(obj->image->btf, g->btf_type, text, value, g->size, err);
	else if (plain_parse(text, value, g->size))
		rc = error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_SYNTAX, -EINVAL, UINT32_MAX,
			       "\"%s\" is no integer of %u bytes nor x\"HEX\" of that length (the object has no "
			       "type for it: compile with -g, gcc: -gbtf)", text, g->size);
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
	bytes = object_variables(obj, g->map);
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

	for (i = 0; i < obj->nr_maps; i++)
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
		return fail(obj, err, UEBPF_E_MAP_BIND, -ENOENT, name, MESSAGE_TEXT("the object has no such map"));
	if (obj->image->maps[i].kind >= IMAGE_MAP_DATA)
		return fail(obj, err, UEBPF_E_MAP_BIND, -EINVAL, name,
			    MESSAGE_TEXT("a map of global variables has exactly one element"));
	if (!max_entries)
		return fail(obj, err, UEBPF_E_ARGUMENT, -EINVAL, name, MESSAGE_TEXT("max_entries must not be 0"));
	obj->resized[i] = max_entries;
	return 0;
}

enum { INNER_STRUCTS = 8 };	/* so deep structs are compared */
struct geometry { uint32_t type, key, value, entries, flags; };

static void shape_text(char *to, size_t cap, struct geometry s)
{
	snprintf(to, cap, "{type %u, key %u, value %u, max_entries %u, flags %#x}", s.type, s.key, s.value,
		 s.entries, s.flags);
}

static void drop_btf(const void *btf)
{
	btf_unref((struct btf *)btf);
}

/* Where a value holds its struct `name`, UINT32_MAX: nowhere. */
static uint32_t struct_off(const struct btf *btf, uint32_t value, const char *name)
{
	struct btf_member m;
	uint32_t i, id = btf_skip(btf, value);

	for (i = 0; btf_is_composite(btf, id) && btf_member(btf, id, i, &m); i++)
		if (!m.bits && m.bit_off % 8 == 0 && btf_is_composite(btf, btf_skip(btf, m.type)) &&
		    !strcmp(btf_name(btf, btf_skip(btf, m.type)), name))
			return m.bit_off / 8;
	return UINT32_MAX;
}

void object_set_btf(struct uebpf_map *map, struct btf *btf, uint32_t key, uint32_t value, bool locks)
{
	map->btf = btf_ref(btf);
	map->btf_drop = drop_btf;
	map->btf_key = key;
	map->btf_value = value;
	if (locks)
		map->spin_lock_off = struct_off(btf, value, "bpf_spin_lock");
	map->timer_off = struct_off(btf, value, "bpf_timer");
}

int object_type_map(struct uebpf_map *map, const void *data, size_t len, uint32_t key, uint32_t value)
{
	struct uebpf_error err;
	struct btf *btf = btf_parse(vm_host_of(map->env), data, len, map->name, &err);
	uint32_t n = btf ? btf_count(btf) : 0;

	if (!btf)
		return err.err;
	if (key < n && value < n)
		object_set_btf(map, btf, key, value, true);
	btf_unref(btf);
	return key < n && value < n ? 0 : -EINVAL;
}

/* Structs differ when a member's name or place does, of inner structs too; other types of one size are as good as
 * equal.  x, y: the first members that differ, one of them perhaps without a name: not there. */
static bool members_differ(const struct btf *one, uint32_t a, const struct btf *two, uint32_t b, uint32_t depth,
			   struct btf_member *x, struct btf_member *y)
{
	bool has, had;

	a = btf_skip(one, a);
	b = btf_skip(two, b);
	if (!depth || !btf_is_composite(one, a) || !btf_is_composite(two, b))
		return false;
	for (uint32_t i = 0;; i++) {
		*x = *y = (struct btf_member){ .name = "nothing" };
		has = btf_member(one, a, i, x);
		had = btf_member(two, b, i, y);
		if (!has && !had)
			return false;
		if (!has || !had || strcmp(x->name, y->name) || x->bit_off != y->bit_off || x->bits != y->bits ||
		    members_differ(one, x->type, two, y->type, depth - 1, x, y))
			return true;
	}
}

static bool types_differ(struct uebpf_object *obj, const char *name, const char *other, uint32_t want,
			 const struct btf *has_btf, uint32_t has, const char *what, struct uebpf_error *err)
{
	const struct btf *btf = obj->image->btf;
	char wants_text[120] = "?", has_text[120] = "?";
	struct btf_member x, y;

	if (!want || !has || !members_differ(btf, want, has_btf, has, INNER_STRUCTS, &x, &y))
		return false;
	btf_type_text(btf, want, wants_text, sizeof(wants_text));
	btf_type_text(has_btf, has, has_text, sizeof(has_text));
	error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_MAP_BIND, -EINVAL, UINT32_MAX,
		  "cannot be bound to map %s: its %s is %s here, %s there, and where %.40s stands here, at byte %u, there is %.40s there, at byte %u",
		  other, what, wants_text, has_text, x.name, x.bit_off / 8, y.name, y.bit_off / 8);
	say_where(obj, err, name);
	return true;
}

/* Shape and types of definition i beside those of `map`; for inner maps (`outer` is the one bound) elements count only
 * where the kernel's map_meta_equal counts them. */
static int fits(struct uebpf_object *obj, const char *name, uint32_t i, const struct uebpf_map *map,
		const struct uebpf_map *outer, struct uebpf_error *err)
{
	const struct image_map *im = &obj->image->maps[i];
	const char *bound = outer ? outer->name : map->name;
	struct uebpf_map_opts o = im->opts;
	struct geometry a, b = { map->type, map->key_size, map->value_size, map->max_entries, map->flags };
	bool any = outer && (!(map->ops->traits & (MT_ARRAY | MT_RINGBUF)) || b.flags & BPF_F_INNER_MAP);
	char wants_text[128], has_text[128];

	if (obj->resized[i])
		o.max_entries = obj->resized[i];
	if (!o.max_entries)	/* whoever creates the map says */
		o.max_entries = b.entries;
	map_adjust_opts(&o);	/* as the map was made */
	a = (struct geometry){ o.type, o.key_size, o.value_size, o.max_entries, o.flags };
	if (a.type != b.type || a.key != b.key || a.value != b.value || a.flags != b.flags ||
	    (a.entries != b.entries && !any)) {
		shape_text(wants_text, sizeof(wants_text), a);
		shape_text(has_text, sizeof(has_text), b);
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_MAP_BIND, -EINVAL, UINT32_MAX,
			  "cannot be bound to map %s: the object wants %s%s, the map %s %s", bound,
			  outer ? "inner maps of " : "", wants_text, outer ? "has" : "is", has_text);
		say_where(obj, err, name);
		return -EINVAL;
	}
	return obj->image->btf && map->btf &&
	       (types_differ(obj, name, bound, im->btf_key, map->btf, map->btf_key, "key", err) ||
		types_differ(obj, name, bound, im->btf_value, map->btf, map->btf_value, "value", err)) ? -EINVAL : 0;
}

int uebpf_object_bind_map(struct uebpf_object *obj, const char *name, struct uebpf_map *map,
			  struct uebpf_error *err)
{
	const struct image_map *im;
	int rc = can_adjust(obj, name, err);
	uint32_t i;

	if (rc)
		return rc;
	i = find_map(obj, name);
	if (i == IMAGE_NONE || !map)
		return fail(obj, err, UEBPF_E_MAP_BIND, i == IMAGE_NONE ? -ENOENT : -EINVAL, name,
			    i == IMAGE_NONE ? MESSAGE_TEXT("the object has no such map") : MESSAGE_TEXT("no map given"));
	im = &obj->image->maps[i];
	if (map_only_listed(map))
		return fail(obj, err, UEBPF_E_MAP_BIND, -EOPNOTSUPP, name,
			    MESSAGE_TEXT("the map holds the kernel's own programs, maps, devices or sockets, which mean nothing to programs here"));
	if (map->share == UEBPF_SHARE_MAPPED &&
	    (im->opts.type ^ map->type) == (BPF_MAP_TYPE_RINGBUF ^ BPF_MAP_TYPE_USER_RINGBUF))
		return fail(obj, err, UEBPF_E_MAP_BIND, -EINVAL, name, map->type == BPF_MAP_TYPE_USER_RINGBUF ?
			    MESSAGE_TEXT("the kernel keeps the producer's side of its RINGBUF read-only: bind that to a USER_RINGBUF "
					 "map, whose programs drain it") :
			    MESSAGE_TEXT("the kernel keeps the consumer's side of its USER_RINGBUF read-only: bind that to a RINGBUF "
					 "map, whose programs fill it"));
	rc = fits(obj, name, i, map, NULL, err);
	if (!rc && im->inner != IMAGE_NONE && map->inner)
		rc = fits(obj, name, im->inner, map->inner, map, err);
	if (rc)
		return rc;
	if (im->opts.type == MAP_TYPE_ARENA && im->opts.extra && im->opts.extra != map->extra)
		return fail(obj, err, UEBPF_E_MAP_BIND, -EINVAL, name,
			    MESSAGE_TEXT("the arena lies at another address (map_extra) than the object says"));
	uebpf_map_ref(map);
	if (obj->maps[i])
		uebpf_map_unref(obj->maps[i]);
	obj->maps[i] = map;
	obj->bound[i] = true;
	return 0;
}

static const char *const default_pins = "/sys/fs/bpf";

int uebpf_object_bind_pins(struct uebpf_object *obj, const char *dir, uint32_t policy, struct uebpf_error *err)
{
	int rc = can_adjust(obj, "", err), bound = 0;

	for (uint32_t i = 0; !rc && i < obj->nr_maps; i++) {
		const struct image_map *im = &obj->image->maps[i];
		struct uebpf_kernel_opts k = { .size = sizeof(k), .fd = -1, .policy = policy };
		struct uebpf_map *map;
		char path[4096];

		if (im->pinning != 1 || obj->maps[i])
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir ? dir : default_pins, im->name) >= (int)sizeof(path))
			return fail(obj, err, UEBPF_E_MAP_BIND, -ENAMETOOLONG, im->name, MESSAGE_TEXT("its pin's path is too long"));
		k.pin = path;
		rc = map_from_kernel(object_host(obj), &k, &map, err);
		if (rc == -ENOENT) {	/* nobody pinned it: the map is our own */
			rc = 0;
			continue;
		}
		if (!rc) {
			rc = uebpf_object_bind_map(obj, im->name, map, err);
			uebpf_map_unref(map);
			bound += !rc;
		}
	}
	return rc ? rc : bound;
}

int uebpf_object_share_map(struct uebpf_object *obj, const char *name, const char *path, uint32_t mode,
			   uint32_t flags, struct uebpf_error *err)
{
	int rc = can_adjust(obj, name, err), made = 0;
	struct uebpf_map_opts o;
	struct uebpf_map *map;
	uint32_t i, ids[2];
	void *types = NULL;
	long len = 0;

	if (rc)
		return rc;
	i = find_map(obj, name);
	if (i == IMAGE_NONE || !path)
		return fail(obj, err, UEBPF_E_MAP_BIND, path ? -ENOENT : -EINVAL, name,
			    path ? MESSAGE_TEXT("the object has no such map") : MESSAGE_TEXT("a path is needed"));
	rc = flags & UEBPF_OPEN_REPLACE ? -ENOENT : map_open_shared(object_host(obj), path, -1, flags, &map, err);
	if (rc == -ENOENT) {
		o = obj->image->maps[i].opts;
		o.size = sizeof(o);
		o.max_entries = obj->resized[i] ? obj->resized[i] : o.max_entries;
		map_adjust_opts(&o);
		ids[0] = obj->image->maps[i].btf_key;
		ids[1] = obj->image->maps[i].btf_value;
		if (obj->image->btf && (ids[0] || ids[1]))
			len = btf_cut(object_host(obj), obj->image->btf, ids, &types);
		if (len > 0) {
			o.btf = types;
			o.btf_len = (uint32_t)len;
			o.btf_key = ids[0];
			o.btf_value = ids[1];
		}
		rc = len < 0 ? fail(obj, err, UEBPF_E_BAD_BTF, (int)len, name, MESSAGE_TEXT("the types of its key and value cannot be kept")) :
		     map_new_shared(object_host(obj), &o, path, mode, flags, &map, err);
		mem_free(object_host(obj), types, len > 0 ? (size_t)len : 0);
		made = 1;
	}
	if (rc)
		return rc;
	rc = uebpf_object_bind_map(obj, name, map, err);
	uebpf_map_unref(map);
	return rc ? rc : made;
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
		return fail(obj, err, UEBPF_E_STATE, -EINVAL, NULL, MESSAGE_TEXT("the object to replace is not loaded"));
	for (i = 0; i < obj->nr_maps; i++) {
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
