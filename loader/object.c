/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* object.c - the lifetime of objects, their log and lists.  Opening is in open.c, loading in pipeline.c,
 * globals and bindings in adjust.c. */
#include <stdarg.h>
#include <string.h>
#include "jit/jit.h"
#include "loader/object.h"
#include "loader/verified.h"
#include "maps/maps.h"
#include "vm/mem.h"

/* ---- log ---- */

void object_log_text(struct uebpf_object *obj, const char *text)
{
	size_t len = strlen(text);

	if (obj->log_len + len + 1 > obj->log_cap) {
		size_t cap = (obj->log_len + len + 1) * 2;
		char *log = mem_resize(object_host(obj), obj->log, obj->log_cap, cap);

		if (!log)
			return;		/* the callback still gets each line */
		obj->log = log;
		obj->log_cap = cap;
	}
	memcpy(obj->log + obj->log_len, text, len + 1);
	obj->log_len += len;
}

void object_log_line(void *arg, enum uebpf_level level, const char *line)
{
	struct uebpf_object *obj = arg;

	object_log_text(obj, line);
	object_log_text(obj, "\n");
	env_log(obj->env, level, "%s", line);
}

void (object_log)(struct uebpf_object *obj, enum uebpf_level level, const char *text, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, text);
	message_print(line, sizeof(line), text, ap);
	va_end(ap);
	object_log_line(obj, level, line);
}

const char *uebpf_object_log(const struct uebpf_object *obj)
{
	return obj && obj->log ? obj->log : "";
}

/* ---- life ---- */

void prog_unload(struct prog *prog)
{
	struct vm_host *host = object_host(prog->object);

	if (prog->base.code)
		helper_set_use(prog->object->helpers, &prog->code, -1);
	prog->base.code = NULL;
	prog->plain = prog->packet_plain = NULL;
	prog->batch = prog->packets = NULL;
	prog->alone = false;
	if (prog->fast) {
		jit_free(prog->fast);
		code_free(prog->fast);
		mem_free(object_host(prog->object), prog->fast, sizeof(*prog->fast));
		prog->fast = NULL;
	}
	code_free(&prog->code);
	memset(&prog->code, 0, sizeof(prog->code));
	if (prog->linked) {
		link_free(prog->linked);
		mem_free(host, prog->linked, sizeof(*prog->linked));
		prog->linked = NULL;
	}
	verified_forget(prog);
	mem_free(host, prog->error, sizeof(*prog->error));
	prog->error = NULL;
}

/* What only the handle leads to: the image with its types, and the log.  Programs may be in use meanwhile
 * and look at neither. */
static void forget_source(struct uebpf_object *obj)
{
	elf_close(obj->image);
	obj->image = NULL;
	mem_free(object_host(obj), obj->log, obj->log_cap);
	obj->log = NULL;
	obj->log_len = obj->log_cap = 0;
}

void object_destroy(struct uebpf_object *obj)
{
	struct uebpf_env *env = obj->env;
	struct vm_host *host = object_host(obj);
	uint32_t i, nr_maps = obj->nr_maps;

	for (i = 0; i < obj->nr_progs; i++)
		prog_unload(&obj->progs[i]);
	for (i = 0; obj->maps && i < nr_maps; i++)
		if (obj->maps[i])
			uebpf_map_unref(obj->maps[i]);
	for (i = 0; obj->map_error && i < nr_maps; i++)
		mem_free(host, obj->map_error[i], sizeof(**obj->map_error));
	mem_free(host, obj->map_error, nr_maps * sizeof(*obj->map_error));
	for (i = 0; i < obj->nr_types; i++)
		type_put(env, obj->types[i]);
	mem_free(host, obj->types, obj->nr_types * sizeof(*obj->types));
	mem_free(host, obj->progs, obj->nr_progs * sizeof(*obj->progs));
	mem_free(host, obj->maps, nr_maps * sizeof(*obj->maps));
	mem_free(host, obj->bound, nr_maps * sizeof(*obj->bound));
	mem_free(host, obj->resized, nr_maps * sizeof(*obj->resized));
	mem_free(host, obj->slots, (size_t)obj->nr_slots * 8);
	if (obj->origin)
		mem_free(host, obj->origin, sizeof(*obj->origin) + obj->origin->nr_relocs * sizeof(*obj->origin->reloc));
	mem_free(host, obj->names, obj->names_len);
	mem_free_string(host, obj->name);
	btf_unref(obj->target);
	forget_source(obj);
	helper_set_unref(env, obj->helpers);
	mem_free(host, obj, sizeof(*obj));
	env_unref(env);
}

static void object_put(struct uebpf_object *obj)
{
	if (atomic_fetch_sub_explicit(&obj->refs, 1, memory_order_acq_rel) == 1)
		object_destroy(obj);
}

/* References that the object and its programs have to a map. */
static uint32_t own_refs(const struct uebpf_object *obj, const struct uebpf_map *map)
{
	uint32_t i, m, n = 0;

	for (i = 0; i < obj->nr_maps; i++)
		n += obj->maps[i] == map;
	for (i = 0; i < obj->nr_progs; i++)
		for (m = 0; m < obj->progs[i].code.nr_map; m++)
			n += (obj->progs[i].code.map[m] == map) * (obj->progs[i].fast ? 2u : 1u);
	return n;
}

/* Do all references to a prog_array come from objects without users, this one and those of the
 * programs that it holds? */
static bool only_dead_objects_hold(const struct uebpf_object *obj, const struct uebpf_map *map)
{
	const struct uebpf_prog *prog, *before;
	uint32_t n = own_refs(obj, map);

	for (uint32_t i = 0; (prog = map_held_prog(map, i)); i++) {
		const struct uebpf_object *other = prog_of(prog)->object;
		bool seen = other == obj || atomic_load_explicit(&other->users, memory_order_acquire);

		for (uint32_t k = 0; !seen && (before = map_held_prog(map, k)) != prog; k++)
			seen = prog_of(before)->object == other;
		n += seen ? 0 : own_refs(other, map);
	}
	return atomic_load_explicit(&map->refs, memory_order_acquire) == n;
}

/* Entries of a table that somebody else can still reach stay, as the kernel keeps them while a user
 * has the map. */
static void empty_prog_arrays(struct uebpf_object *obj)
{
	uint32_t i;

	for (i = 0; obj->maps && i < obj->nr_maps; i++) {
		struct uebpf_map *map = obj->maps[i];

		if (map && map->ops->traits & MT_PROGS && only_dead_objects_hold(obj, map))
			map_drop_progs(map);
	}
}

void object_user_put(struct uebpf_object *obj)
{
	if (atomic_fetch_sub_explicit(&obj->users, 1, memory_order_acq_rel) != 1)
		return;
	empty_prog_arrays(obj);
	object_put(obj);
}

void object_prog_hold(const struct uebpf_prog *prog, int n)
{
	struct uebpf_object *obj = prog_of(prog)->object;

	if (n > 0)
		atomic_fetch_add_explicit(&obj->refs, 1, memory_order_relaxed);
	else
		object_put(obj);
}

void uebpf_object_free(struct uebpf_object *obj)
{
	if (!obj)
		return;
	forget_source(obj);
	object_user_put(obj);
}

const struct uebpf_prog *uebpf_prog_ref(const struct uebpf_prog *prog)
{
	atomic_fetch_add_explicit(&prog_of(prog)->object->users, 1, memory_order_relaxed);
	return prog;
}

void uebpf_prog_unref(const struct uebpf_prog *prog)
{
	if (prog)
		object_user_put(prog_of(prog)->object);
}

/* ---- lists ---- */

const struct uebpf_prog *uebpf_object_prog(const struct uebpf_object *obj, const char *name)
{
	uint32_t i;

	if (!obj)
		return NULL;
	if (!name)
		return obj->nr_progs == 1 ? &obj->progs[0].base : NULL;
	for (i = 0; i < obj->nr_progs; i++)
		if (!strcmp(obj->progs[i].name, name))
			return &obj->progs[i].base;
	for (i = 0; i < obj->nr_progs; i++)
		if (!strcmp(obj->progs[i].section, name))
			return &obj->progs[i].base;
	return NULL;
}

const struct uebpf_prog *uebpf_object_next_prog(const struct uebpf_object *obj, const struct uebpf_prog *prev)
{
	uint32_t i = prev ? (uint32_t)(prog_of(prev) - obj->progs) + 1 : 0;

	return obj && i < obj->nr_progs ? &obj->progs[i].base : NULL;
}

static bool listed(const struct uebpf_object *obj, uint32_t i)
{
	return obj->maps[i] && !obj->image->maps[i].template_only;
}

struct uebpf_map *uebpf_object_map(const struct uebpf_object *obj, const char *name)
{
	uint32_t i;

	for (i = 0; obj && name && i < obj->nr_maps; i++)
		if (listed(obj, i) && !strcmp(obj->image->maps[i].name, name))
			return obj->maps[i];
	return NULL;
}

struct uebpf_map *uebpf_object_next_map(const struct uebpf_object *obj, struct uebpf_map *prev)
{
	bool found = !prev;
	uint32_t i;

	for (i = 0; obj && i < obj->nr_maps; i++) {
		if (found && listed(obj, i))
			return obj->maps[i];
		found = found || obj->maps[i] == prev;
	}
	return NULL;
}
