/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* open.c - opening objects: from memory, files, bare instructions and text. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "loader/error.h"
#include "loader/event_btf.h"
#include "loader/object.h"
#include "maps/maps.h"
#include "vm/mem.h"

enum { FILE_MAX = 1 << 30 };

/* ---- objects ---- */

static int no_memory(struct uebpf_error *err)
{
	return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
			 "no memory to open the object");
}

/* A type that the env added, counted once for this object. */
static const struct prog_type *find_type(void *arg, const char *name)
{
	struct uebpf_object *obj = arg;
	const struct prog_type **types, *type;
	uint32_t i, n = obj->nr_types;

	for (i = 0; i < n; i++)
		if (!strcmp(obj->types[i]->name, name))
			return obj->types[i];
	type = type_get(obj->env, name);
	if (!type)
		return NULL;
	types = mem_resize(object_host(obj), obj->types, n * sizeof(*types), (n + 1) * sizeof(*types));
	if (!types) {
		type_put(obj->env, type);
		obj->short_of_memory = true;
		return NULL;
	}
	obj->types = types;
	obj->types[obj->nr_types++] = type;
	return type;
}

static struct btf *find_event_btf(void *arg, struct uebpf_error *err)
{
	struct uebpf_object *obj = arg;

	return event_btf(object_host(obj), obj->types, obj->nr_types, err);
}

static int options_open(struct uebpf_env *env, const struct uebpf_open_opts *opts,
			struct uebpf_open_opts *out, const char *name, struct uebpf_error *err)
{
	if (!env || options_copy(out, sizeof(*out), opts))
		return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "opening needs an env and options whose size is set");
	if (!out->name)
		out->name = name;
	return 0;
}

static struct uebpf_object *object_new(struct uebpf_env *env, const char *name)
{
	struct uebpf_object *obj = mem_alloc(&env->host, sizeof(*obj));

	if (!obj)
		return NULL;
	atomic_init(&obj->users, 1);
	atomic_init(&obj->refs, 1);
	obj->env = env_ref(env);
	obj->helpers = env_helpers(env);
	obj->name = mem_string(&env->host, name);
	if (!obj->name) {
		object_destroy(obj);
		return NULL;
	}
	return obj;
}

static int progs_new(struct uebpf_object *obj, uint32_t n, struct uebpf_error *err)
{
	uint32_t i;

	obj->progs = mem_array(object_host(obj), n, sizeof(*obj->progs));
	if (!obj->progs)
		return no_memory(err);
	obj->nr_progs = n;
	for (i = 0; i < n; i++) {
		obj->progs[i].base.hold = object_prog_hold;
		obj->progs[i].object = obj;
	}
	return 0;
}

static struct uebpf_object *open_failed(struct uebpf_object *obj, const char *name, struct uebpf_error *err)
{
	struct place at = { .object = name };

	/* The loader names the place where it knows more than the object. */
	if (err && !err->object[0])
		error_place(err, &at);
	if (obj)
		object_destroy(obj);
	return NULL;
}

static int lists_new(struct uebpf_object *obj, struct uebpf_error *err)
{
	struct vm_host *host = object_host(obj);
	uint32_t n = obj->nr_maps = obj->image->nr_maps;

	if (!n)
		return 0;
	obj->maps = mem_array(host, n, sizeof(*obj->maps));
	obj->bound = mem_array(host, n, sizeof(*obj->bound));
	obj->resized = mem_array(host, n, sizeof(*obj->resized));
	obj->map_error = mem_array(host, n, sizeof(*obj->map_error));
	return obj->maps && obj->bound && obj->resized && obj->map_error ? 0 : no_memory(err);
}

static const char *put_name(char **at, const char *name)
{
	size_t len = strlen(name) + 1;
	char *to = memcpy(*at, name, len);

	*at += len;
	return to;
}

/* Programs and their names stay when the image goes. */
static int progs_of_image(struct uebpf_object *obj, struct uebpf_error *err)
{
	const struct image_prog *from = obj->image->progs;
	uint32_t i, n = obj->image->nr_progs;
	char *at;

	if (!n)
		return 0;
	for (i = 0; i < n; i++)
		obj->names_len += strlen(from[i].name) + strlen(from[i].section) + 2;
	at = obj->names = mem_alloc(object_host(obj), obj->names_len);
	if (!at)
		return no_memory(err);
	if (progs_new(obj, n, err))
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		obj->progs[i].name = put_name(&at, from[i].name);
		obj->progs[i].section = put_name(&at, from[i].section);
		obj->progs[i].type = from[i].type;
	}
	return 0;
}

static int unknown_type(const char *name, struct uebpf_error *err)
{
	char known[sizeof err->text];
	size_t at = 0;

	for (uint32_t i = 0; i < nr_prog_types && at < sizeof known; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", prog_types[i].name);
	return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_PROG_TYPE, -EINVAL, UINT32_MAX,
			 "unknown program type %s; there are: %s", name, known);
}

static int open_image(struct uebpf_object *obj, const void *data, size_t len,
		      const struct uebpf_open_opts *o, struct uebpf_error *err)
{
	struct elf_params params = {
		.host = object_host(obj), .name = obj->name, .type = o->type, .btf = o->btf, .kconfig = o->kconfig,
		.helpers = &obj->helpers->table, .find_type = find_type, .event_btf = find_event_btf,
		.find_arg = obj,
		.log = object_log_line, .log_arg = obj, .max_slots = obj->env->max_insns,
	};
	int rc;

	if (o->type && !find_type(obj, o->type) && !prog_type_find(o->type))
		return obj->short_of_memory ? no_memory(err) : unknown_type(o->type, err);
	rc = elf_open(data, len, &params, &obj->image, err);
	if (!rc && obj->short_of_memory)
		rc = no_memory(err);
	rc = rc ? rc : lists_new(obj, err);
	return rc ? rc : progs_of_image(obj, err);
}

struct uebpf_object *uebpf_object_open_memory(struct uebpf_env *env, const void *data, size_t len,
					      const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error local;
	struct uebpf_object *obj = NULL;
	struct uebpf_open_opts o;
	int saved = errno;

	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	if (options_open(env, opts, &o, "memory", err))
		return open_failed(NULL, "memory", err);
	if (!data && len) {
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX, "no data given");
		return open_failed(NULL, o.name, err);
	}
	obj = object_new(env, o.name);
	if ((obj ? open_image(obj, data, len, &o, err) : no_memory(err)) != 0)
		obj = open_failed(obj, o.name, err);
	errno = saved;
	return obj;
}

/* The whole file; *len bytes in memory of the env. */
static void *read_file(struct uebpf_env *env, const char *path, size_t *len, struct uebpf_error *err)
{
	uint8_t *data = NULL;
	size_t cap = 0, n = 0;
	ssize_t got = 0;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), why = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		why = errno;
	else if (S_ISDIR(st.st_mode))
		why = EISDIR;
	else if (st.st_size > FILE_MAX)
		why = EFBIG;
	/* A pipe has no size: read until the end, doubling.  errno was set: NOLINTNEXTLINE(clang-analyzer-core.*) */
	for (cap = why ? 0 : (size_t)st.st_size + 1; !why; n += (size_t)got) {
		if (n == cap || !data) {
			size_t more = data ? cap * 2 : cap < 4096 ? 4096 : cap;
			uint8_t *grown = more > (size_t)FILE_MAX * 2 ? NULL :
					 mem_resize(&env->host, data, data ? cap : 0, more);

			if (!grown) {
				why = more > (size_t)FILE_MAX * 2 ? EFBIG : ENOMEM;
				break;
			}
			data = grown;
			cap = more;
		}
		got = read(fd, data + n, cap - n);
		if (got <= 0) {
			why = got < 0 ? errno : 0;
			break;
		}
	}
	if (fd >= 0)
		close(fd);
	if (why) {
		error_set(err, UEBPF_STAGE_OPEN, why == ENOMEM ? UEBPF_E_MEMORY : UEBPF_E_IO, -why,
			  UINT32_MAX, "cannot read %s: %s", path, strerror(why));
		mem_free(&env->host, data, cap);
		return NULL;
	}
	/* Give back exactly what will be freed. */
	*len = n;
	if (n && n != cap) {
		uint8_t *fit = mem_resize(&env->host, data, cap, n);

		if (!fit) {
			error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
				  "no memory to read %s", path);
			mem_free(&env->host, data, cap);
			return NULL;
		}
		return fit;
	}
	if (!n) {
		mem_free(&env->host, data, cap);
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_NOT_ELF, -EINVAL, UINT32_MAX, "%s is empty", path);
		return NULL;
	}
	return data;
}

struct uebpf_object *uebpf_object_open_file(struct uebpf_env *env, const char *path,
					    const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error local;
	struct uebpf_open_opts o;
	struct uebpf_object *obj;
	int saved = errno;
	size_t len;
	void *data;

	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	if (options_open(env, opts, &o, path, err))
		return open_failed(NULL, path, err);
	if (!path) {
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX, "no path given");
		return open_failed(NULL, o.name, err);
	}
	data = read_file(env, path, &len, err);
	if (!data) {
		errno = saved;
		return open_failed(NULL, o.name, err);
	}
	o.size = sizeof(o);
	obj = uebpf_object_open_memory(env, data, len, &o, err);
	mem_free(&env->host, data, len);
	errno = saved;
	return obj;
}

/* ---- bare instructions ---- */

static int take_slots(struct uebpf_object *obj, const void *insns, size_t n, const char *type,
		      struct uebpf_error *err)
{
	const char *name = type ? type : "raw";
	const struct prog_type *t = find_type(obj, name);
	int rc;

	if (!t)
		t = prog_type_find(name);
	if (obj->short_of_memory)
		return no_memory(err);
	if (!t)
		return unknown_type(name, err);
	if (!insns || !n)
		return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_NO_PROGRAM, -EINVAL, UINT32_MAX,
				 "no instructions given");
	if (n > obj->env->max_insns)
		return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_TOO_LONG, -E2BIG, UINT32_MAX,
				 "%zu instruction slots, this env allows %u (uebpf_env_opts.max_insns)", n,
				 obj->env->max_insns);
	rc = progs_new(obj, 1, err);
	if (rc)
		return rc;
	obj->progs[0].name = "main";
	obj->progs[0].section = "";
	obj->progs[0].type = t;
	obj->slots = mem_copy(object_host(obj), insns, n * 8);
	if (!obj->slots)
		return no_memory(err);
	obj->nr_slots = (uint32_t)n;
	return 0;
}

struct uebpf_object *uebpf_object_open_insns(struct uebpf_env *env, const void *insns, size_t n,
					     const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error local;
	struct uebpf_object *obj;
	struct uebpf_open_opts o;

	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	if (options_open(env, opts, &o, "memory", err))
		return open_failed(NULL, "memory", err);
	obj = object_new(env, o.name);
	if ((obj ? take_slots(obj, insns, n, o.type, err) : no_memory(err)) != 0)
		return open_failed(obj, o.name, err);
	return obj;
}

struct uebpf_object *uebpf_object_open_text(struct uebpf_env *env, const char *text,
					    const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error local;
	struct uebpf_object *obj;
	struct uebpf_open_opts o;
	void *slots = NULL;
	uint32_t n = 0;

	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	if (options_open(env, opts, &o, "text", err))
		return open_failed(NULL, "text", err);
	if (!text) {
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX, "no text given");
		return open_failed(NULL, o.name, err);
	}
	if (asm_text(text, &slots, &n, err))
		return open_failed(NULL, o.name, err);
	o.size = sizeof(o);
	obj = uebpf_object_open_insns(env, slots, n, &o, err);
	free(slots);
	return obj;
}
