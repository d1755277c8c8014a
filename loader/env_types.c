/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* env_types.c - program types that a host describes: the checks, the rows that the verifier and the
 * engines read, and the description kept for filters.  A type lies in an arena of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "loader/env.h"
#include "loader/loader.h"
#include "vm/mem.h"

enum { CTX_MAX = 65535, FIELDS_MAX = 8192 };

static int bad_field(const struct uebpf_type_opts *t, const struct uebpf_field *f, const char *why,
		     struct uebpf_error *err)
{
	return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_FIELD, -EINVAL, UINT32_MAX,
			 "type %s, field %s: %s", t->name, f->name && f->name[0] ? f->name : "(no name)",
			 message_text(why));
}

static int no_memory(struct uebpf_error *err, const char *name)
{
	return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "no memory for type %s", name);
}

static const struct uebpf_field *field_by_name(const struct uebpf_type_opts *t, const char *name)
{
	for (uint32_t i = 0; name && i < t->nr_fields; i++)
		if (t->fields[i].name && !strcmp(t->fields[i].name, name))
			return &t->fields[i];
	return NULL;
}

static bool power(uint32_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

/* What expressions read into the field; NULL: fine. */
static const char *bad_value(const struct uebpf_field *f)
{
	uint32_t elem = f->kind == UEBPF_FIELD_SCALAR ? f->size : f->elem ? f->elem : 1;

	if (f->value > UEBPF_VALUE_TEXT)
		return MESSAGE_TEXT("unknown value");
	if (f->kind != UEBPF_FIELD_SCALAR && f->kind != UEBPF_FIELD_CSTR && !power(elem))
		return MESSAGE_TEXT("elements have 1, 2, 4 or 8 bytes");
	if (f->kind == UEBPF_FIELD_BYTES && f->size % elem)
		return MESSAGE_TEXT("does not hold a whole number of elements");
	if (f->value == UEBPF_VALUE_FLOAT && elem != 4 && elem != 8)
		return MESSAGE_TEXT("a float has 4 or 8 bytes");
	if (f->value == UEBPF_VALUE_TEXT && (f->kind == UEBPF_FIELD_SCALAR || elem != 1))
		return MESSAGE_TEXT("text consists of bytes, in place (BYTES) or behind a pointer (MEM, CSTR)");
	if (!f->labels != !f->nr_labels || (f->labels && f->kind != UEBPF_FIELD_SCALAR))
		return MESSAGE_TEXT("labels are for scalars, with nr_labels");
	if (f->nullable && f->kind != UEBPF_FIELD_CSTR && f->kind != UEBPF_FIELD_MEM)
		return MESSAGE_TEXT("only pointers can be NULL");
	if ((f->bits || f->bit) && (f->kind != UEBPF_FIELD_SCALAR || f->value > UEBPF_VALUE_SIGNED || f->big_endian || f->writable ||
				    !f->bits || f->bit + f->bits > f->size * 8))
		return MESSAGE_TEXT("a bit-field is some bits of an integer in the host's byte order, and not writable");
	if (f->shared && ((f->kind != UEBPF_FIELD_SCALAR && f->kind != UEBPF_FIELD_BYTES) || f->writable))
		return MESSAGE_TEXT("what shares its place is a number or bytes, and not writable");
	for (uint32_t i = 0; i < f->nr_labels; i++)
		if (!f->labels[i].name || !f->labels[i].name[0])
			return MESSAGE_TEXT("a label needs a name");
	return NULL;
}

static uint32_t end_bit(const struct uebpf_field *f) { return field_first_bit(f) + (f->bits ? f->bits : f->size * 8); }

/* Of two fields that lie over each other each must say so, or something could not be told from a pointer. */
static bool collide(const struct uebpf_field *f, const struct uebpf_field *g)
{
	return field_first_bit(f) < end_bit(g) && field_first_bit(g) < end_bit(f) &&
	       (!f->shared || !g->shared);
}

static int check_field(const struct uebpf_type_opts *t, const struct uebpf_field *f, struct uebpf_error *err)
{
	const struct uebpf_field *size = field_by_name(t, f->size_field);
	bool pointer = f->kind == UEBPF_FIELD_CSTR || f->kind == UEBPF_FIELD_MEM;
	const char *why = NULL;

	if (!f->name || !f->name[0] || strlen(f->name) > ENV_NAME_MAX)
		why = MESSAGE_TEXT("needs a name of 1 to 63 bytes");
	else if (f->kind > UEBPF_FIELD_MEM)
		why = MESSAGE_TEXT("unknown kind");
	else if (!f->size || f->size > t->ctx_size || f->offset > t->ctx_size - f->size)
		why = MESSAGE_TEXT("does not lie inside the struct");
	else if (f->kind == UEBPF_FIELD_SCALAR && !power(f->size))
		why = MESSAGE_TEXT("a scalar has 1, 2, 4 or 8 bytes");
	else if (pointer && f->size != 8)
		why = MESSAGE_TEXT("a pointer field has 8 bytes (programs see 64-bit pointers; on a 32-bit host "
				   "declare it uint64_t)");
	else if (pointer && f->writable)
		why = MESSAGE_TEXT("programs cannot replace a pointer");
	else if ((f->kind == UEBPF_FIELD_MEM || (f->size_field && f->kind == UEBPF_FIELD_BYTES)) &&
		 (!size || size->kind != UEBPF_FIELD_SCALAR || size->size < 2 || size->big_endian || size->bits))
		why = MESSAGE_TEXT("memory needs size_field, the name of the scalar field of 2, 4 or 8 bytes that holds "
				   "its byte count");
	else if (f->kind == UEBPF_FIELD_MEM && size->writable)
		why = MESSAGE_TEXT("the byte count must not be writable by programs");
	else
		why = bad_value(f);
	for (uint32_t i = 0; !why && &t->fields[i] != f; i++) {
		const struct uebpf_field *g = &t->fields[i];

		if (!strcmp(g->name, f->name))
			why = MESSAGE_TEXT("two fields have this name");
		else if (collide(f, g))
			why = MESSAGE_TEXT("overlaps another field");
	}
	return why ? bad_field(t, f, why, err) : 0;
}

static int check_type(const struct uebpf_type_opts *t, struct uebpf_error *err)
{
	int rc = 0;

	if (!env_name_fits(t->name))
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a type needs a name of 1 to %d letters, digits, '_', '.', '-' or ':'",
				 ENV_NAME_MAX);
	if (!t->ctx_size || t->ctx_size > CTX_MAX)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "type %s: ctx_size must be 1 to %d bytes", t->name, CTX_MAX);
	if (!t->fields != !t->nr_fields || t->nr_fields > FIELDS_MAX)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "type %s: fields and nr_fields do not fit each other", t->name);
	for (uint32_t i = 0; !rc && i < t->nr_fields; i++)
		rc = check_field(t, &t->fields[i], err);
	return rc;
}

/* The row that verifier and engines read. */
static void fill_field(struct ctx_field *to, const struct uebpf_type_opts *t, const struct uebpf_field *f)
{
	const struct uebpf_field *size;

	to->off = (uint16_t)f->offset;
	to->size = (uint16_t)f->size;
	to->host_off = f->offset;
	to->host_size = (uint16_t)f->size;
	to->access = ACCESS_READ | (f->writable ? ACCESS_WRITE : 0);
	to->narrow = f->kind == UEBPF_FIELD_SCALAR || f->kind == UEBPF_FIELD_BYTES;
	to->flags = f->nullable ? CTX_OR_NULL : 0;
	to->kind = f->kind == UEBPF_FIELD_CSTR ? CTX_CSTR : f->kind == UEBPF_FIELD_MEM ? CTX_MEM : CTX_SCALAR;
	if (f->kind == UEBPF_FIELD_MEM) {
		size = field_by_name(t, f->size_field);
		to->size_off = size->offset;
		to->size_width = (uint8_t)size->size;
	}
}

/* A copy of the description whose strings and labels live with the type. */
static bool copy_field(struct arena *a, struct uebpf_field *to, const struct uebpf_field *f)
{
	struct uebpf_label *labels = NULL;

	*to = *f;
	to->name = arena_string(a, f->name);
	if (f->size_field && !(to->size_field = arena_string(a, f->size_field)))
		return false;
	if (f->kind == UEBPF_FIELD_CSTR)
		to->value = UEBPF_VALUE_TEXT;
	if (f->kind != UEBPF_FIELD_SCALAR && f->kind != UEBPF_FIELD_CSTR && !f->elem)
		to->elem = 1;
	if (f->nr_labels && !(labels = arena_array(a, f->nr_labels, sizeof(*labels))))
		return false;
	for (uint32_t i = 0; i < f->nr_labels; i++) {
		labels[i].value = f->labels[i].value;
		labels[i].name = arena_string(a, f->labels[i].name);
		if (!labels[i].name)
			return false;
	}
	to->labels = labels;
	return to->name != NULL;
}

static void type_free(struct host_type *ht)
{
	struct arena memory = ht->memory;	/* which holds ht itself */

	arena_free(&memory);
}

static struct host_type *type_new(struct uebpf_env *env, const struct uebpf_type_opts *t)
{
	struct arena memory = { .host = &env->host };
	struct host_type *ht = arena_alloc(&memory, sizeof(*ht));
	struct uebpf_field *event = arena_array(&memory, t->nr_fields, sizeof(*event));
	struct ctx_field *field = arena_array(&memory, t->nr_fields, sizeof(*field));
	bool full = ht && event && field && (ht->type.name = arena_string(&memory, t->name)) != NULL;

	for (uint32_t i = 0; full && i < t->nr_fields; i++) {
		full = copy_field(&memory, &event[i], &t->fields[i]);
		fill_field(&field[i], t, &event[i]);
	}
	if (!full) {
		arena_free(&memory);
		return NULL;
	}
	ht->type.flags = TYPE_DIRECT | (uint16_t)(!t->nr_fields && t->writable ? TYPE_CTX_WRITE : 0);
	ht->type.ctx_size = ht->type.host_size = (uint16_t)t->ctx_size;
	ht->type.groups = HG_BASE | HG_TRACING | HG_HOST;
	ht->type.fields = t->nr_fields ? field : NULL;
	ht->type.event = t->nr_fields ? event : NULL;
	ht->type.nr_fields = (uint16_t)t->nr_fields;
	ht->memory = memory;
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
		return no_memory(err, t.name);
	env_lock(&env->lock);
	taken = find_host_type(env, t.name) || prog_type_find(t.name);
	if (!taken) {
		ht->next = env->types;
		env->types = ht;
	}
	env_unlock(&env->lock);
	if (!taken)
		return 0;
	type_free(ht);
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
		type_free(ht);
	return rc;
}

int uebpf_env_type_field(const struct uebpf_env *env, const char *name, uint32_t i, struct uebpf_field *field,
			 uint32_t *ctx_size)
{
	struct uebpf_env *e = (struct uebpf_env *)env;	/* only its lock changes */
	const struct host_type *ht;
	int rc = -ENOENT;

	if (!env || !name || !field)
		return -EINVAL;
	env_lock(&e->lock);
	ht = find_host_type(e, name);
	if (ht && ctx_size)
		*ctx_size = ht->type.ctx_size;
	if (ht && i < ht->type.nr_fields) {
		*field = ht->type.event[i];
		rc = 0;
	}
	env_unlock(&e->lock);
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

void env_types_free(struct uebpf_env *env)
{
	struct host_type *t;

	while ((t = env->types) != NULL) {
		env->types = t->next;
		type_free(t);
	}
}
