/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* env_tables.c - helpers and program types that a host adds to an env or withdraws.
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

enum { HOST_ID_FIRST = 0x10000, NAME_MAX_LEN = 63, CTX_MAX = 65535 };

/* ---- helpers ---- */

static size_t set_bytes(uint32_t n)
{
	return sizeof(struct helper_set) + n * (sizeof(struct helper) + sizeof(struct host_helper *));
}

static struct helper_set *set_new(struct uebpf_env *env, uint32_t n)
{
	struct helper_set *set = mem_alloc(&env->host, set_bytes(n));

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	set->table.builtin = helpers_builtin;
	set->table.nr_builtin = helpers_nr;
	set->table.host = set->host;
	set->table.nr_host = n;
	set->own = (struct host_helper **)(set->host + n);
	return set;
}

static struct host_helper *own_new(struct uebpf_env *env, const char *name)
{
	struct host_helper *own = mem_alloc(&env->host, sizeof(*own) + strlen(name) + 1);

	if (own)
		memcpy(own->name, name, strlen(name) + 1);
	return own;
}

static void own_unref(struct uebpf_env *env, struct host_helper *own)
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
		const struct helper *row = code->helper[i];

		if (row >= set->host && row < set->host + set->table.nr_host)
			atomic_fetch_add_explicit(&set->own[row - set->host]->users, (uint32_t)n,
						  memory_order_acq_rel);
	}
}

/* The table of `old` with `row` put in its place, or without the row of id `gone`. */
static struct helper_set *set_changed(struct uebpf_env *env, const struct helper_set *old,
				      const struct helper *row, struct host_helper *own, uint32_t gone)
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

static bool name_fits(const char *name)
{
	size_t n = 0;

	for (; name && name[n]; n++) {
		char c = name[n];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '_' && c != '.' && c != '-' && c != ':')
			return false;
	}
	return n > 0 && n <= NAME_MAX_LEN;
}

/* The row that the host asks for; its name still points to the caller's text. */
static int row_make(const struct helper_table *table, uint32_t id, const char *name, const char *proto,
		    struct helper *row, struct uebpf_error *err)
{
	const struct helper *builtin = id && id < HOST_ID_FIRST ? helper_find(table, id) : NULL;
	const char *why = "";
	uint32_t column = 0;

	if (id && id < HOST_ID_FIRST && !builtin)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_HELPER, -EINVAL, UINT32_MAX,
				 "the kernel has no helper %u; give 0 for the next free number from %#x",
				 id, HOST_ID_FIRST);
	if (builtin)
		*row = *builtin;
	else
		memset(row, 0, sizeof(*row));
	if (name && !strncmp(name, "bpf_", 4) && builtin)
		name += 4;
	if (!name && builtin)
		name = builtin->name;
	if (!name_fits(name))
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a helper needs a name of 1 to %d letters, digits, '_', '.', '-' or ':'",
				 NAME_MAX_LEN);
	if (!proto && !builtin)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "helper %s needs a contract such as \"u64 (ctx, mem:size, size)\"", name);
	if (proto && helpers_parse_proto(proto, row, &column, &why)) {
		error_set(err, UEBPF_STAGE_ENV, UEBPF_E_SYNTAX, -EINVAL, UINT32_MAX,
			  "contract of helper %s, column %u: %s", name, column, why);
		if (err)
			err->column = column;
		return -EINVAL;
	}
	if (!builtin)
		row->groups = HG_HOST;
	row->name = name;
	row->inliner = NULL;
	row->flags &= ~(uint32_t)HF_PURE;
	row->flags |= HF_NEEDS_CALL | HF_MAY_FAULT;
	row->support = "host: through the host's function";
	return 0;
}

int uebpf_env_add_helper(struct uebpf_env *env, uint32_t id, const char *name, const char *proto,
			 uebpf_helper_fn fn, void *host, struct uebpf_error *err)
{
	struct helper_set *old = NULL, *set = NULL;
	struct host_helper *own = NULL;
	struct helper row;
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
		.size = info->size, .id = row->id, .may = row->may, .callable = row->fn != NULL,
		.name = row->name, .support = row->support ? row->support : "",
	};

	while (all.args < 5 && row->arg[all.args].kind != ARG_NONE)
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
			if ((!seen || code->helper[k]->id > prev) &&
			    (!row || code->helper[k]->id < row->id))
				row = code->helper[k];
		if (!row)
			return -ENOENT;
		prev = row->id;
	}
	helper_info(row, info);
	return 0;
}

/* ---- types ---- */

static int bad_field(const struct uebpf_type_opts *t, const struct uebpf_field *f, const char *why,
		     struct uebpf_error *err)
{
	return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_FIELD, -EINVAL, UINT32_MAX,
			 "type %s, field %s: %s", t->name, f->name && f->name[0] ? f->name : "(no name)", why);
}

static const struct uebpf_field *field_by_name(const struct uebpf_type_opts *t, const char *name)
{
	uint32_t i;

	for (i = 0; name && i < t->nr_fields; i++)
		if (t->fields[i].name && !strcmp(t->fields[i].name, name))
			return &t->fields[i];
	return NULL;
}

static int check_field(const struct uebpf_type_opts *t, const struct uebpf_field *f, struct uebpf_error *err)
{
	const struct uebpf_field *size = f->kind == UEBPF_FIELD_MEM ? field_by_name(t, f->size_field) : NULL;
	bool power = f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8;
	uint32_t i;

	if (!f->name || !f->name[0] || strlen(f->name) > NAME_MAX_LEN)
		return bad_field(t, f, "needs a name of 1 to 63 bytes", err);
	if (f->kind > UEBPF_FIELD_MEM)
		return bad_field(t, f, "unknown kind", err);
	if (!f->size || f->size > t->ctx_size || f->offset > t->ctx_size - f->size)
		return bad_field(t, f, "does not lie inside the struct", err);
	if (f->kind == UEBPF_FIELD_SCALAR && !power)
		return bad_field(t, f, "a scalar has 1, 2, 4 or 8 bytes", err);
	if ((f->kind == UEBPF_FIELD_CSTR || f->kind == UEBPF_FIELD_MEM) && f->size != 8)
		return bad_field(t, f, "a pointer field has 8 bytes (programs see 64-bit pointers; on a "
				 "32-bit host declare it uint64_t)", err);
	if ((f->kind == UEBPF_FIELD_CSTR || f->kind == UEBPF_FIELD_MEM) && f->writable)
		return bad_field(t, f, "programs cannot replace a pointer", err);
	if (f->kind == UEBPF_FIELD_MEM && (!size || size->kind != UEBPF_FIELD_SCALAR || size->size < 2))
		return bad_field(t, f, "memory needs size_field, the name of the scalar field of 2, 4 or 8 bytes "
				 "that holds its byte count", err);
	if (size && size->writable)
		return bad_field(t, f, "the byte count must not be writable by programs", err);
	for (i = 0; &t->fields[i] != f; i++) {
		const struct uebpf_field *g = &t->fields[i];

		if (!strcmp(g->name, f->name))
			return bad_field(t, f, "two fields have this name", err);
		if (f->offset < g->offset + g->size && g->offset < f->offset + f->size)
			return bad_field(t, f, "overlaps another field", err);
	}
	return 0;
}

static int check_type(const struct uebpf_type_opts *t, struct uebpf_error *err)
{
	uint32_t i;
	int rc = 0;

	if (!name_fits(t->name))
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a type needs a name of 1 to %d letters, digits, '_', '.', '-' or ':'",
				 NAME_MAX_LEN);
	if (!t->ctx_size || t->ctx_size > CTX_MAX)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "type %s: ctx_size must be 1 to %d bytes", t->name, CTX_MAX);
	if (!t->fields != !t->nr_fields)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "type %s: fields and nr_fields do not fit each other", t->name);
	for (i = 0; !rc && i < t->nr_fields; i++)
		rc = check_field(t, &t->fields[i], err);
	return rc;
}

static void fill_field(struct ctx_field *to, const struct uebpf_type_opts *t, const struct uebpf_field *f,
		       char **names)
{
	const struct uebpf_field *size;
	size_t len = strlen(f->name) + 1;

	to->name = memcpy(*names, f->name, len);
	*names += len;
	to->off = (uint16_t)f->offset;
	to->size = (uint16_t)f->size;
	to->host_off = f->offset;
	to->host_size = (uint16_t)f->size;
	to->access = ACCESS_READ | (f->writable ? ACCESS_WRITE : 0);
	to->narrow = f->kind == UEBPF_FIELD_SCALAR || f->kind == UEBPF_FIELD_BYTES;
	to->kind = f->kind == UEBPF_FIELD_CSTR ? CTX_CSTR : f->kind == UEBPF_FIELD_MEM ? CTX_MEM : CTX_SCALAR;
	if (f->kind == UEBPF_FIELD_MEM) {
		size = field_by_name(t, f->size_field);
		to->size_off = size->offset;
		to->size_width = (uint16_t)size->size;
	}
}

static struct host_type *type_new(struct uebpf_env *env, const struct uebpf_type_opts *t)
{
	size_t bytes = sizeof(struct host_type) + t->nr_fields * sizeof(struct ctx_field) +
		       strlen(t->name) + 1;
	struct host_type *ht;
	struct ctx_field *field;
	char *names;
	uint32_t i;

	for (i = 0; i < t->nr_fields; i++)
		bytes += strlen(t->fields[i].name) + 1;
	ht = mem_alloc(&env->host, bytes);
	if (!ht)
		return NULL;
	field = (struct ctx_field *)(ht + 1);
	names = (char *)(field + t->nr_fields);
	ht->bytes = bytes;
	ht->type.name = memcpy(names, t->name, strlen(t->name) + 1);
	names += strlen(t->name) + 1;
	ht->type.flags = TYPE_DIRECT | (!t->nr_fields && t->writable ? TYPE_CTX_WRITE : 0);
	ht->type.ctx_size = ht->type.host_size = t->ctx_size;
	ht->type.groups = HG_BASE | HG_TRACING | HG_HOST;
	ht->type.fields = t->nr_fields ? field : NULL;
	ht->type.nr_fields = t->nr_fields;
	ht->type.doc = "described by the host";
	for (i = 0; i < t->nr_fields; i++)
		fill_field(&field[i], t, &t->fields[i], &names);
	return ht;
}

static struct host_type *find_host_type(struct uebpf_env *env, const char *name)
{
	struct host_type *t = env->types;

	while (t && strcmp(t->type.name, name))
		t = t->next;
	return t;
}

int uebpf_env_add_type(struct uebpf_env *env, const struct uebpf_type_opts *type, struct uebpf_error *err)
{
	struct uebpf_type_opts t;
	struct host_type *ht;
	bool taken;
	int rc;

	if (!env || !type || options_copy(&t, sizeof(t), type))
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a type needs an env and options whose size is set");
	rc = check_type(&t, err);
	if (rc)
		return rc;
	ht = type_new(env, &t);
	if (!ht)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
				 "no memory for type %s", t.name);
	env_lock(&env->lock);
	taken = find_host_type(env, t.name) || prog_type_find(t.name);
	if (!taken) {
		ht->next = env->types;
		env->types = ht;
	}
	env_unlock(&env->lock);
	if (!taken)
		return 0;
	mem_free(&env->host, ht, ht->bytes);
	return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_PROG_TYPE, -EEXIST, UINT32_MAX,
			 "this env has a type %s already", t.name);
}

int uebpf_env_remove_type(struct uebpf_env *env, const char *name)
{
	struct host_type *ht = NULL, **at;
	int rc = -ENOENT;

	if (!env || !name)
		return -EINVAL;
	env_lock(&env->lock);
	for (at = &env->types; *at && strcmp((*at)->type.name, name); at = &(*at)->next)
		;
	if (*at) {
		rc = atomic_load_explicit(&(*at)->users, memory_order_acquire) ? -EBUSY : 0;
		if (!rc) {
			ht = *at;
			*at = ht->next;
		}
	}
	env_unlock(&env->lock);
	if (ht)
		mem_free(&env->host, ht, ht->bytes);
	return rc;
}

static bool is_host_type(const struct uebpf_env *env, const struct prog_type *type)
{
	const struct host_type *t;

	for (t = env->types; t; t = t->next)
		if (&t->type == type)
			return true;
	return false;
}

const struct prog_type *type_get(struct uebpf_env *env, const char *name)
{
	struct host_type *t;

	env_lock(&env->lock);
	t = find_host_type(env, name);
	if (t)
		atomic_fetch_add_explicit(&t->users, 1, memory_order_relaxed);
	env_unlock(&env->lock);
	return t ? &t->type : NULL;
}

void type_put(struct uebpf_env *env, const struct prog_type *type)
{
	env_lock(&env->lock);
	if (is_host_type(env, type))
		atomic_fetch_sub_explicit(&((struct host_type *)type)->users, 1, memory_order_acq_rel);
	env_unlock(&env->lock);
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
	struct host_type *t;

	helper_set_unref(env, env->helpers);
	while ((t = env->types) != NULL) {
		env->types = t->next;
		mem_free(&env->host, t, t->bytes);
	}
}
