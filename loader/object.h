/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* object.h - objects and programs as the library keeps them.
 *
 * An object, its programs and what they share are one thing with one lifetime.  Two counts rule it:
 * `users` are references from outside (the handle that open returned, uebpf_prog_ref), `refs` are one
 * for all users together and those from inside (a prog_array's entry).  When the last user goes, the
 * object empties the prog_arrays that nobody else holds, so that a table of the object's own programs
 * does not keep it alive for ever.
 *
 * The image with its types and the log are the handle's alone and go when it is freed, with programs
 * running: nothing that a program or map leads to may look at them. */
#ifndef UEBPF_LOADER_OBJECT_H
#define UEBPF_LOADER_OBJECT_H

#include "jit/jit.h"
#include "loader/env.h"
#include "loader/loader.h"

struct known_proto;			/* verified.c */

struct prog {
	struct uebpf_prog base;		/* first */
	/* what a run looks at */
	uint32_t min_ctx;		/* bytes */
	uebpf_entry packet_plain;	/* the same for packet types, once packet_ready has seen the packet */
	uebpf_entry plain;		/* compiled, needs no state, cannot fail; NULL: the long way */
	jit_batch_fn batch, packets;	/* the same of many records (run.c) */
	bool direct;			/* nothing to do around a run */
	bool packet;			/* ctx is struct uebpf_packet */
	bool metered;			/* budget and abort can be asked for */
	bool alone;			/* interpreted by interp_run_alone when there is a context */
	bool keeps_errno;		/* calls nothing that could change errno */
	bool wants_caller;		/* a helper looks at uebpf_run.ip */
	uint8_t mode, engine;
	struct code code;		/* as prepared: for looking at, tracing and explaining */
	struct code *fast;		/* what runs: rewritten, perhaps compiled */

	struct uebpf_object *object;
	const struct prog_type *type;	/* NULL: unknown, refused */
	const char *name, *section;	/* in the object's names, or static */
	struct linked *linked;		/* names and lines; NULL for bare instructions */
	struct uebpf_error *error;	/* why it cannot run */
	bool lost_error;		/* ... and there was no memory to say it */
	/* Prototypes of its global functions, for uebpf_prog_dump: the types go with the object's handle. */
	struct known_proto *protos;
	uint32_t nr_protos, room_protos;
	uint32_t may;			/* enum uebpf_may */
	uint32_t ctx_need;		/* bytes of context that the verifier saw touched */
	uint64_t verify_ns, compile_ns, verify_states, verify_insns;
};

/* An instruction that accesses field `field` of the type, at byte `at` in it. */
struct filter_reloc { uint32_t slot; uint16_t field, at; };
/* What uebpf_object_save needs of an object that was a filter. */
struct filter_origin { uint32_t nr_relocs; struct filter_reloc reloc[]; };

struct uebpf_object {
	_Atomic uint32_t users, refs;
	struct uebpf_env *env;
	struct helper_set *helpers;
	struct elf_image *image;	/* NULL: bare instructions, or the handle was freed */
	char *name;
	void *slots;			/* bare instructions; facts and saving read them again */
	uint32_t nr_slots;
	char *names;			/* of programs and their sections; NULL: bare instructions */
	size_t names_len;
	struct filter_origin *origin;	/* NULL: no filter expression or bytecode */
	bool loaded;
	uint32_t nr_maps;
	struct uebpf_map **maps;	/* as image->maps: created or bound */
	struct uebpf_error **map_error;	/* why one could not be created: its users cannot run */
	bool *bound;
	uint32_t *resized;		/* max_entries, 0: as written */
	const struct prog_type **types;	/* of the env, in use */
	uint32_t nr_types;
	bool short_of_memory;		/* while looking for a type */
	struct btf *target;		/* of CO-RE, when a program names types of it as it runs */
	struct prog *progs;
	uint32_t nr_progs;
	char *log;
	size_t log_len, log_cap;
};

static inline struct vm_host *object_host(const struct uebpf_object *obj)
{
	return &obj->env->host;
}
static inline struct prog *prog_of(const struct uebpf_prog *prog)
{
	return (struct prog *)prog;
}
/* vm_host.type_text (type_text.c), type_map */
long object_type_text(struct uebpf_call *call, char *out, size_t cap, uint64_t at, uint32_t id, uint64_t flags);
int object_type_map(struct uebpf_map *map, const void *btf, size_t len, uint32_t key, uint32_t value);
/* A reference to btf for the map. */
void object_set_btf(struct uebpf_map *map, struct btf *btf, uint32_t key, uint32_t value, bool locks);
void object_log(struct uebpf_object *obj, enum uebpf_level level, const char *text, ...)
	__attribute__((format(printf, 3, 4)));
#define object_log(obj, level, ...) object_log(obj, level, MESSAGE(__VA_ARGS__))
void object_log_text(struct uebpf_object *obj, const char *text);	/* lines as they are */
void object_log_line(void *obj, enum uebpf_level level, const char *line);	/* there and to the env */
/* The bytes of a data map (a section, or the start of an arena): the map's, before load the image's; or NULL. */
uint8_t *object_variables(const struct uebpf_object *obj, uint32_t map);
/* Frees what there is of an object that nobody has. */
void object_destroy(struct uebpf_object *obj);
void object_user_put(struct uebpf_object *obj);
/* The program holds its object (n > 0) or lets it go. */
void object_prog_hold(const struct uebpf_prog *prog, int n);
/* Puts object, section, symbol and source line into an error of the program and before its text. */
void prog_blame(const struct prog *prog, struct uebpf_error *err);
/* Frees what loading gave the program; it stays listed. */
void prog_unload(struct prog *prog);
/* uebpf_prog_run behind its fast path; r0 not NULL. */
int prog_run(const struct prog *prog, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
int code_helper_info(const struct code *code, uint32_t i, struct uebpf_helper_info *info);

#endif
