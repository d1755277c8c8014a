/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* env.h - the env: what its objects share.  Option tables (helpers, types) are replaced, never
 * changed, so an object keeps the ones that it was opened with. */
#ifndef UEBPF_LOADER_ENV_H
#define UEBPF_LOADER_ENV_H

#include "loader/arena.h"
#include "loader/lock.h"
#include "vm/code.h"

/* One helper that the host gave; lives as long as a set or a program names it. */
struct helper_owner {
	_Atomic uint32_t refs;		/* sets */
	_Atomic uint32_t users;		/* loaded programs */
	char name[];
};

/* An immutable table of all helpers: built-in rows below the host's. */
struct helper_set {
	_Atomic uint32_t refs;
	struct helper_table table;
	struct helper_owner **own;	/* beside table.host */
	struct host_helper host[];
};

/* The bits of the struct that a field is begin there, as they lie in memory. */
static inline uint32_t field_first_bit(const struct uebpf_field *f)
{
	uint32_t bit = !f->bits || __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? f->bit : f->size * 8 - f->bit - f->bits;

	return f->offset * 8 + bit;
}

/* A program type that the host described, in one arena with its fields and names. */
struct host_type {
	struct prog_type type;
	struct arena memory;		/* holds this, too */
	struct host_type *next;
	_Atomic uint32_t users;		/* open objects' programs */
};

struct uebpf_env {
	struct vm_host host;		/* first: vm_host_of() */
	_Atomic uint32_t refs;
	struct env_lock lock;		/* helpers, types, next_id */
	struct helper_set *helpers;
	struct host_type *types;
	uint32_t next_id;
	struct reclaim *reclaim;	/* of its slots; NULL until the first */
	uint32_t mode, engine, policy, max_insns;
	void (*log)(void *ctx, enum uebpf_level level, const char *line);
	void *log_ctx;
	char *cpu_features_off;
	uint32_t cpu;			/* enum jit_cpu bits that the JIT may use; asked with jit_pages */
	struct jit_pages *jit_pages;	/* NULL until the first compiled program */
};

/* Code pages of the env and env->cpu, made on first use (cpuid costs 20 us in a virtual machine); NULL:
 * memory is short. */
struct jit_pages *env_jit_pages(struct uebpf_env *env);

struct uebpf_env *env_ref(struct uebpf_env *env);
void env_unref(struct uebpf_env *env);
void env_log(struct uebpf_env *env, enum uebpf_level level, const char *text, ...)
	__attribute__((format(printf, 3, 4)));
#define env_log(env, level, ...) env_log(env, level, MESSAGE(__VA_ARGS__))

enum { ENV_NAME_MAX = 63 };
bool env_name_fits(const char *name);		/* of a helper or type */
int env_tables_init(struct uebpf_env *env);		/* 0 or -ENOMEM */
void env_tables_free(struct uebpf_env *env);
struct helper_set *env_helpers(struct uebpf_env *env);	/* a reference to the present ones */
void helper_set_unref(struct uebpf_env *env, struct helper_set *set);
/* A program's helpers are in use (n = 1) or no longer (n = -1). */
void helper_set_use(struct helper_set *set, const struct code *code, int n);

/* A type that the host added, by name, or NULL; with a use counted until type_put. */
const struct prog_type *type_get(struct uebpf_env *env, const char *name);
void type_put(struct uebpf_env *env, const struct prog_type *type);
void env_types_free(struct uebpf_env *env);

extern const bool filters_present;	/* false: made with FILTERS=no */

#endif
