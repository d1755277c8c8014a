/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* env_tables.c - helpers that a host adds to an env or withdraws.
 *
 * A table is never changed in place: adding makes a new one, objects keep the one they were opened
 * with, and the last of its users frees it.  So adding and withdrawing are safe while other threads
 * open, load and run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "helpers/helpers.h"
#include "loader/env.h"
#include "loader/loader.h"
#include "vm/mem.h"

enum { HOST_ID_FIRST = 0x10000 };

/* ---- helpers ---- */

static size_t set_bytes(uint32_t n)
{
	return sizeof(struct helper_set) + n * (sizeof(struct host_helper) + sizeof(struct helper_owner *));
}

static struct helper_set *set_new(struct uebpf_env *env, uint32_t n)
{
	struct helper_set *set = mem_alloc(&env->host, set_bytes(n));

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	set->table.builtin = true;
	set->table.host = set->host;
	set->table.nr_host = n;
	set->own = (struct helper_owner **)(set->host + n);
	return set;
}

static struct helper_owner *own_new(struct uebpf_env *env, const char *name)
{
	struct helper_owner *own = mem_alloc(&env->host, sizeof(*own) + strlen(name) + 1);

	if (own)
		memcpy(own->name, name, strlen(name) + 1);
	return own;
}

static void own_unref(struct uebpf_env *env, struct helper_owner *own)
{
	if (atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) == 1)
		mem_free(&env->host, own, sizeof(*own) + strlen(own->name) + 1);
}

void helper_set_unref(struct uebpf_env *env, struct helper_set *set)
{
	uint32_t i;

	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (i = 0; i < set->table.nr_host; i++)
		own_unref(env, set->own[i]);
	mem_free(&env->host, set, set_bytes(set->table.nr_host));
}

struct helper_set *env_helpers(struct uebpf_env *env)
{
	struct helper_set *set;

	env_lock(&env->lock);
	set = env->helpers;
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	env_unlock(&env->lock);
	return set;
}

void helper_set_use(struct helper_set *set, const struct code *code, int n)
{
	uint32_t i;

	for (i = 0; i < code->nr_helper; i++) {
		const struct host_helper *row = helper_of_host(code->helper[i]);

		if (row >= set->host && row < set->host + set->table.nr_host)
			atomic_fetch_add_explicit(&set->own[row - set->host]->users, (uint32_t)n,
						  memory_order_acq_rel);
	}
}

/* The table of `old` with `row` put in its place, or without the row of id `gone`. */
static struct helper_set *set_changed(struct uebpf_env *env, const struct helper_set *old,
				      const struct host_helper *row, struct helper_owner *own, uint32_t gone)
{
	struct helper_set *set = set_new(env, old->table.nr_host + (row ? 1 : 0) - (gone ? 1 : 0));
	uint32_t from = 0, to = 0;

	if (!set)
		return NULL;
	for (; from < old->table.nr_host || row; to++) {
		if (row && (from == old->table.nr_host || old->host[from].id > row->id)) {
			set->host[to] = *row;
			set->own[to] = own;
			row = NULL;
		} else if (gone && old->host[from].id == gone) {
			from++;
			to--;
			continue;
		} else {
			set->host[to] = old->host[from];
			set->own[to] = old->own[from++];
		}
		atomic_fetch_add_explicit(&set->own[to]->refs, 1, memory_order_relaxed);
	}
	return set;
}

bool env_name_fits(const char *name)
{
	size_t n = 0;

	for (; name && name[n]; n++) {
		char c = name[n];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '_' && c != '.' && c != '-' && c != ':')
			return false;
	}
	return n > 0 && n <= ENV_NAME_MAX;
}

/* The row that the host asks for; its name still points to the caller's text. */
static int row_make(const struct helper_table *table, uint32_t id, const char *name, const char *proto,
		    struct host_helper *row, struct uebpf_error *err)
{
	const struct helper *builtin = id && id < HOST_ID_FIRST ? helper_find(table, id) : NULL;
	const char *why = "";
	uint32_t column = 0;

	if (id && id < HOST_ID_FIRST && !builtin)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_HELPER, -EINVAL, UINT32_MAX,
				 "the kernel has no helper %u; give 0 for the next free number from %#x",
				 id, HOST_ID_FIRST);
	memset(row, 0, sizeof(*row));
	row->row.groups = HELPER_GROUPS_HOST;
	if (builtin) {
		row->row = *builtin;
		row->ret = helper_ret(builtin);
		for (unsigned i = 0; i < 5; i++)
			row->arg[i] = helper_arg(builtin, i);
	}
	if (name && !strncmp(name, "bpf_", 4) && builtin)
		name += 4;
	if (!name && builtin)
		name = helper_name(builtin);
	if (!env_name_fits(name))
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a helper needs a name of 1 to %d letters, digits, '_', '.', '-' or ':'",
				 ENV_NAME_MAX);
	if (!proto && !builtin)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "helper %s needs a contract such as \"u64 (ctx, mem:size, size)\"", name);
	if (proto && helpers_parse_proto(proto, row, &column, &why)) {
		error_set(err, UEBPF_STAGE_ENV, UEBPF_E_SYNTAX, -EINVAL, UINT32_MAX,
			  "contract of helper %s, column %u: %s", name, column, message_text(why));
		if (err)
			err->column = column;
		return -EINVAL;
	}
	row->name = name;
	row->row.fn = HELPER_OF_HOST;
	row->row.ret = (uint16_t)((row->row.ret & ~HELPER_RET_KIND) | row->ret.kind);
	row->row.flags = (uint16_t)((row->row.flags & ~HF_PURE) | HF_NEEDS_CALL | HF_MAY_FAULT);
	return 0;
}

int uebpf_env_add_helper(struct uebpf_env *env, uint32_t id, const char *name, const char *proto,
			 uebpf_helper_fn fn, void *host, struct uebpf_error *err)
{
	struct helper_set *old = NULL, *set = NULL;
	struct helper_owner *own = NULL;
	struct host_helper row;
	int rc;

	if (!env || !fn || id > INT32_MAX)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a helper needs an env, a function and an id below 2^31");
	old = env_helpers(env);
	rc = row_make(&old->table, id, name, proto, &row, err);
	helper_set_unref(env, old);
	if (rc)
		return rc;
	row.fn = fn;
	row.host = host;
	own = own_new(env, row.name);
	if (own) {
		row.name = own->name;
		atomic_init(&own->refs, 1);
		env_lock(&env->lock);
		old = env->helpers;
		if (!id)
			id = env->next_id;
		row.id = id;
		rc = 0;
		for (uint32_t i = 0; i < old->table.nr_host; i++)
			if (old->host[i].id == id || !strcmp(old->host[i].name, own->name))
				rc = -EEXIST;
		if (!rc && (set = set_changed(env, old, &row, own, 0)) != NULL) {
			env->helpers = set;
			if (id >= env->next_id)
				env->next_id = id + 1;
		} else {
			old = NULL;
		}
		env_unlock(&env->lock);
		helper_set_unref(env, old);
	}
	if (rc)
		error_set(err, UEBPF_STAGE_ENV, UEBPF_E_HELPER, rc, UINT32_MAX,
			  "helper %s (%u): this env has one of that name or number already", own->name, id);
	else if (!set)
		rc = error_set(err, UEBPF_STAGE_ENV, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
			       "no memory for a helper");
	if (own)
		own_unref(env, own);
	return rc ? rc : (int)id;
}

int uebpf_env_remove_helper(struct uebpf_env *env, uint32_t id)
{
	struct helper_set *old, *set = NULL;
	int rc = -ENOENT;
	uint32_t i;

	if (!env)
		return -EINVAL;
	env_lock(&env->lock);
	old = env->helpers;
	for (i = 0; i < old->table.nr_host; i++)
		if (old->host[i].id == id)
			rc = atomic_load_explicit(&old->own[i]->users, memory_order_acquire) ? -EBUSY : 0;
	if (!rc) {
		set = set_changed(env, old, NULL, NULL, id);
		rc = set ? 0 : -ENOMEM;
	}
	if (set)
		env->helpers = set;
	env_unlock(&env->lock);
	if (set)
		helper_set_unref(env, old);
	return rc;
}

static void helper_info(const struct helper *row, struct uebpf_helper_info *info)
{
	size_t size = info->size < sizeof(*info) ? info->size : sizeof(*info);
	struct uebpf_helper_info all = {
		.size = info->size, .id = helper_id(row), .may = helper_may(row), .callable = helper_fn(row) != NULL,
		.name = helper_name(row), .support = helper_support(row),
	};
	struct ret ret;

	switch (helper_returns(row)) {
	case RET_SCALAR: case RET_VOID: case RET_NEVER:
		ret = helper_ret(row);
		if (ret.lo | ret.hi | (ret.flags & RET_UPTO_SIZE))
			all.pointer = 3;
		break;
	case RET_SOCK_OR_NULL: case RET_BTF_OR_NULL: case RET_BTF: all.pointer = 1; break;
	default: all.pointer = 2;
	}
	while (all.args < 5 && helper_arg(row, all.args).kind != ARG_NONE)
		all.args++;
	memcpy(info, &all, size);
}

int uebpf_env_helper(const struct uebpf_env *env, const char *name, struct uebpf_helper_info *info)
{
	struct uebpf_env *e = (struct uebpf_env *)env;	/* only the reference count changes */
	struct helper_set *set;
	const struct helper *row;

	if (!env || !name || !info || info->size < sizeof(info->size))
		return -EINVAL;
	set = env_helpers(e);
	row = helper_find_name(&set->table, name);
	if (!row && !strncmp(name, "bpf_", 4))
		row = helper_find_name(&set->table, name + 4);
	if (row)
		helper_info(row, info);
	helper_set_unref(e, set);
	return row ? 0 : -ENOENT;
}

int code_helper_info(const struct code *code, uint32_t i, struct uebpf_helper_info *info)
{
	const struct helper *row = NULL;
	uint32_t k, prev = 0, seen;

	/* i-th smallest id; programs call few helpers */
	for (seen = 0; seen <= i; seen++) {
		row = NULL;
		for (k = 0; k < code->nr_helper; k++)
			if ((!seen || helper_id(code->helper[k]) > prev) &&
			    (!row || helper_id(code->helper[k]) < helper_id(row)))
				row = code->helper[k];
		if (!row)
			return -ENOENT;
		prev = helper_id(row);
	}
	helper_info(row, info);
	return 0;
}

/* ---- life ---- */

int env_tables_init(struct uebpf_env *env)
{
	env->next_id = HOST_ID_FIRST;
	env->helpers = set_new(env, 0);
	return env->helpers ? 0 : -ENOMEM;
}

void env_tables_free(struct uebpf_env *env)
{
	helper_set_unref(env, env->helpers);
	env_types_free(env);
}
