/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* open.c - from an expression or a tree to an object: parse, check, generate, and keep what saving
 * the object takes. */
#include <errno.h>
#include "loader/filter/filter.h"

static struct uebpf_object *open_program(struct gen *g, const struct uebpf_open_opts *opts)
{
	struct vm_host *host = &g->f->env->host;
	struct filter_origin *origin = mem_alloc(host, sizeof(*origin) + g->nr_relocs * sizeof(*g->reloc));
	struct uebpf_open_opts o = { .size = sizeof(o), .name = "filter" };
	struct uebpf_object *obj;

	if (!origin) {
		gen_no_memory(g);
		return NULL;
	}
	if (opts && opts->size > offsetof(struct uebpf_open_opts, name) && opts->name)
		o.name = opts->name;
	o.type = g->f->type->name;
	obj = uebpf_object_open_insns(g->f->env, g->slot, g->n, &o, g->f->err);
	if (!obj) {
		mem_free(host, origin, sizeof(*origin) + g->nr_relocs * sizeof(*g->reloc));
		return NULL;
	}
	origin->nr_relocs = g->nr_relocs;
	if (g->nr_relocs)
		memcpy(origin->reloc, g->reloc, g->nr_relocs * sizeof(*g->reloc));
	obj->origin = origin;
	obj->progs[0].name = "filter";
	return obj;
}

static struct uebpf_object *compile(struct filter *f, struct tree *root, const struct uebpf_open_opts *opts)
{
	struct gen g = { .f = f };

	return root && !filter_check(f, root) && filter_generate(&g, root) ? open_program(&g, opts) : NULL;
}

static struct uebpf_object *filter_open(struct uebpf_env *env, struct tree *root, const char *type,
					const char *source, const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error local;
	struct filter f = { .env = env, .source = source, .err = err ? err : &local };
	struct uebpf_object *obj = NULL;

	memset(f.err, 0, sizeof(*f.err));
	if (!env || !type || (!root && !source)) {
		error_set(f.err, UEBPF_STAGE_FILTER, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
			  "a filter needs an env, an expression and an event type");
		return NULL;
	}
	f.arena.host = &env->host;
	f.type = type_get(env, type);
	f.helpers = env_helpers(env);
	if (!f.type || !f.type->event)
		(error_make)(f.err, ERROR_WHAT(UEBPF_STAGE_FILTER, UEBPF_E_PROG_TYPE, -EINVAL), UINT32_MAX, f.type ?
			MESSAGE_TEXT("type %s has no fields that a filter could name") :
			MESSAGE_TEXT("this env has no event type %s; the host describes it with "
				     "uebpf_env_add_type"), type);
	else
		obj = compile(&f, root ? root : filter_parse(&f), opts);
	if (f.type)
		type_put(env, f.type);
	helper_set_unref(env, f.helpers);
	arena_free(&f.arena);
	return obj;
}

const bool filters_present = true;

struct uebpf_object *tree_object(struct uebpf_env *env, struct tree *root, const char *type, const char *source,
				 const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	return filter_open(env, root, type, source, opts, err);
}

struct uebpf_object *uebpf_object_open_filter(struct uebpf_env *env, const char *expr, const char *type,
					      const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	return filter_open(env, NULL, type, expr, opts, err);
}
