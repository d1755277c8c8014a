/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pipeline.c - uebpf_object_load: maps and their first contents, then each program through link,
 * decode and prepare; verifier and JIT have their call sites in `stages`.  What is wrong with one
 * program is kept with it and does not stop its neighbours. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "jit/jit.h"
#include "loader/error.h"
#include "loader/object.h"
#include "loader/verified.h"
#include "maps/maps.h"
#include "vm/mem.h"
#include "vm/rewrite/rewrite.h"
#include "vm/message.h"

/* All that loading needs to know, in one place. */
struct load {
	struct uebpf_object *obj;
	struct uebpf_load_opts o;
	struct uebpf_error *err;	/* never NULL */
	struct verify_result facts;	/* of the program at hand, for the copy that runs; fact NULL: none */
};

static int no_memory(struct load *l)
{
	return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
			 "no memory to load the object");
}

/* ---- options ---- */

static int absent(struct load *l, const char *what)
{
	return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_ABSENT, -EOPNOTSUPP, UINT32_MAX,
			 "%s: this build has no such part", what);
}

static int check_options(struct load *l)
{
	const struct uebpf_load_opts *o = &l->o;

	if (o->mode > UEBPF_MODE_TRUSTED || o->engine > UEBPF_ENGINE_INTERP || o->policy > UEBPF_POLICY_KERNEL ||
	    o->jit_flags >= UEBPF_JIT_GDB * 2 ||
	    o->refuse_may & ~(uint32_t)(UEBPF_MAY_SYSCALL | UEBPF_MAY_LOCK | UEBPF_MAY_ALLOC))
		return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a load option is out of range");
	if (o->engine == UEBPF_ENGINE_JIT && !jit_arch())
		return absent(l, "engine jit");
	for (const char *at = o->no_rules; at && *at; at += strspn(at, ", ")) {
		size_t len = strcspn(at, ", ");

		if (rule_index(rewrite_names, at, len) < 0 && rule_index(jit_rule_names, at, len) < 0 &&
		    rule_index("all\0facts\0", at, len) < 0)
			return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
					 "no rewriting rule is called %.*s", (int)(len < 64 ? len : 64), at);
		at += len;
	}
	return 0;
}

/* ---- maps ---- */

static int map_failed(struct load *l, uint32_t i)
{
	struct place at = { .object = l->obj->name, .section = l->obj->image->maps[i].section,
			    .symbol = l->obj->image->maps[i].name };

	error_place(l->err, &at);
	return l->err->err;
}

/* A map that cannot be made is the end of the programs that use it, not of the object. */
static int without_map(struct load *l, uint32_t i)
{
	struct uebpf_object *obj = l->obj;
	int rc = map_failed(l, i);

	if (rc == -ENOMEM || obj->image->maps[i].kind >= IMAGE_MAP_DATA)
		return rc;
	mem_free(object_host(obj), obj->map_error[i], sizeof(*l->err));
	obj->map_error[i] = mem_copy(object_host(obj), l->err, sizeof(*l->err));
	if (!obj->map_error[i])
		return rc;
	object_log(obj, UEBPF_LOG_WARN, "%s", l->err->text);
	return 0;
}

/* Names and types of its keys and values; a bound map that has none takes the object's that binds it. */
static void describe_map(const struct uebpf_object *obj, const struct image_map *im, struct uebpf_map *map, bool locks)
{
	if (!map->btf && obj->image->btf && (im->btf_key || im->btf_value))
		object_set_btf(map, obj->image->btf, im->btf_key, im->btf_value, locks);
}

/* `depth` ends a circle of templates, which a hostile object may hold. */
static int create_map(struct load *l, uint32_t i, int depth)
{
	struct uebpf_object *obj = l->obj;
	const struct image_map *im = &obj->image->maps[i];
	struct uebpf_map_opts o = im->opts;
	struct uebpf_map *map;
	int rc = 0;

	if (obj->maps[i]) {
		describe_map(obj, im, obj->maps[i], false);
		return 0;
	}
	if (depth > 2)
		rc = error_set(l->err, UEBPF_STAGE_MAP, UEBPF_E_MAP_DEF, -EINVAL, UINT32_MAX,
			       "maps of maps nest too deep");
	if (!rc && im->inner != IMAGE_NONE) {
		rc = create_map(l, im->inner, depth + 1);
		if (rc)
			return rc;
		o.inner = obj->maps[im->inner];
		if (!o.inner) {
			*l->err = *obj->map_error[im->inner];
			return without_map(l, i);
		}
	}
	o.size = sizeof(o);
	if (obj->resized[i])
		o.max_entries = obj->resized[i];
	if (!rc) {
		map_adjust_opts(&o);
		rc = map_new(object_host(obj), &o, &map, l->err);
	}
	if (rc)
		return without_map(l, i);
	describe_map(obj, im, map, im->kind < IMAGE_MAP_DATA);
	obj->maps[i] = map;
	return 0;
}

/* Bytes of a data section; a bound map keeps what it has. */
static int fill_map(struct load *l, uint32_t i)
{
	const struct image_map *im = &l->obj->image->maps[i];
	struct uebpf_map *map = l->obj->maps[i];
	uint32_t p;
	uint8_t *value;

	if (!map || !im->data || l->obj->bound[i])
		return 0;
	value = object_variables(l->obj, i);
	if (!value) {
		error_set(l->err, UEBPF_STAGE_MAP, UEBPF_E_MAP_DEF, -EINVAL, UINT32_MAX,
			  "its value cannot be addressed");
		return map_failed(l, i);
	}
	if (im->bytes)
		memcpy(value, im->bytes, im->data);
	if (map->ops->more->pages)	/* an arena's variables */
		map->ops->more->pages(map, PAGES_TAKE_AT, (uintptr_t)value, (im->data + 4095) / 4096);
	for (p = 0; p < l->obj->image->nr_pointers; p++) {
		const struct image_pointer *at = &l->obj->image->pointers[p];
		uint8_t *target = at->map == i && l->obj->maps[at->target] ? object_variables(l->obj, at->target) : NULL;
		uint64_t address = (uintptr_t)target + at->target_off;

		if (target && at->off <= im->data && im->data - at->off >= sizeof(address))
			memcpy(value + at->off, &address, sizeof(address));
	}
	return 0;
}

static int freeze_map(struct load *l, uint32_t i)
{
	struct uebpf_map *map = l->obj->maps[i];

	if (!map || !l->obj->image->maps[i].read_only || l->obj->bound[i])
		return 0;
	map->values.access &= ~(uint32_t)ACCESS_WRITE;
	if (map_freeze(map)) {
		error_set(l->err, UEBPF_STAGE_MAP, UEBPF_E_MAP_DEF, -EINVAL, UINT32_MAX, "cannot be frozen");
		return map_failed(l, i);
	}
	return 0;
}

static int each_map(struct load *l, int (*fn)(struct load *, uint32_t))
{
	uint32_t i;
	int rc = 0;

	for (i = 0; !rc && i < l->obj->nr_maps; i++)
		rc = fn(l, i);
	return rc;
}

static int create_top(struct load *l, uint32_t i)
{
	return create_map(l, i, 0);
}

/* Declared elements: programs of prog arrays (those that can run), maps of maps of maps. */
static int fill_slots(struct load *l, uint32_t i)
{
	const struct image_map *im = &l->obj->image->maps[i];
	struct uebpf_map *map = l->obj->maps[i];
	uint32_t s;
	int rc = 0;

	for (s = 0; !rc && map && !l->obj->bound[i] && s < im->nr_slots; s++) {
		const struct image_slot *slot = &im->slots[s];

		if (map->ops->traits & MT_PROGS) {
			const struct uebpf_prog *prog = &l->obj->progs[slot->target].base;

			if (!prog->code)
				object_log(l->obj, UEBPF_LOG_WARN, "%s: element %u of %s stays empty: %s cannot run",
					   l->obj->name, slot->index, im->name, uebpf_prog_name(prog));
			else
				rc = uebpf_map_set_prog(map, slot->index, prog);
		} else if ((map->ops->traits & MT_MAPS) && l->obj->maps[slot->target]) {
			rc = uebpf_map_set_inner(map, &slot->index, l->obj->maps[slot->target], 0);
		}
	}
	if (rc) {
		error_set(l->err, UEBPF_STAGE_MAP, rc == -ENOMEM ? UEBPF_E_MEMORY : UEBPF_E_MAP_DEF, rc, UINT32_MAX,
			  "initial element %u cannot be set: %s", im->slots[s - 1].index, strerror(-rc));
		return map_failed(l, i);
	}
	return 0;
}

static void drop_maps(struct uebpf_object *obj)
{
	uint32_t i;

	for (i = 0; i < obj->nr_maps; i++)
		if (obj->maps[i] && !obj->bound[i]) {
			uebpf_map_unref(obj->maps[i]);
			obj->maps[i] = NULL;
		}
}

/* ---- one program ---- */

static int check_type(struct load *l, struct prog *prog)
{
	const struct image_prog *ip = l->obj->image ? &l->obj->image->progs[prog - l->obj->progs] : NULL;
	const char *like;

	if (!prog->type && ip && ip->host_type)
		return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_PROG_TYPE, -EINVAL, UINT32_MAX,
				 "this env has no type %s; the host describes it with uebpf_env_add_type before "
				 "it opens the object", ip->host_type);
	if (!prog->type) {
		like = section_like(prog->section);
		return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_PROG_TYPE, -EINVAL, UINT32_MAX,
				 "section \"%s\" does not say the program's type%s%s; name one when opening "
				 "(uebpf_open_opts.type, --type), such as raw or xdp", prog->section,
				 like ? ", did you mean " : "", like ? like : "");
	}
	if (prog->type->flags & TYPE_REFUSED)
		return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_PROG_TYPE, -EOPNOTSUPP, UINT32_MAX,
				 "programs of type %s cannot run in user space: %s", prog->type->name,
				 message_text(prog->type->why ? prog->type->why :
					      MESSAGE_TEXT("their context exists only in the kernel")));
	return 0;
}

static int check_mode(struct load *l, struct prog *prog)
{
	prog->mode = l->o.mode == UEBPF_MODE_DEFAULT ? UEBPF_MODE_VERIFIED : (uint8_t)l->o.mode;
	prog->engine = UEBPF_ENGINE_INTERP;
	return 0;
}

static int link_stage(struct load *l, struct prog *prog)
{
	struct vm_host *host = object_host(l->obj);

	if (!l->obj->image)
		return 0;
	prog->linked = mem_alloc(host, sizeof(*prog->linked));
	if (!prog->linked)
		return no_memory(l);
	return elf_link_program(l->obj->image, (uint32_t)(prog - l->obj->progs), prog->linked, l->err);
}

static int decode_stage(struct load *l, struct prog *prog)
{
	struct uebpf_object *obj = l->obj;
	struct code *code = &prog->code;
	uint32_t i;
	int rc;

	code->host = object_host(obj);
	code->type = prog->type;
	code->helpers = &obj->helpers->table;
	code->owner = &prog->base;
	code->gpl = obj->image ? obj->image->gpl : true;
	code->budget = l->o.budget ? l->o.budget : object_host(obj)->budget;
	code->checked = prog->mode == UEBPF_MODE_CHECKED;
	code->metered = code->checked || l->o.metered;
	if (prog->linked)
		rc = code_decode(code, prog->linked->slots, prog->linked->n, prog->linked->subs,
				 prog->linked->nr_subs, obj->env->max_insns, l->err);
	else
		rc = code_decode(code, obj->slots, obj->nr_slots, NULL, 0, obj->env->max_insns, l->err);
	if (rc && rc != -ENOMEM)	/* as the verifier says it */
		error_front(l->err, rc == -E2BIG ? "too complex:" : "form:");
	rc = rc ? rc : code_resolve_callx(code, l->err);	/* the verifier is to see the call */
	if (rc || !prog->linked || !prog->linked->nr_maps)
		return rc;
	code->map = mem_array(code->host, prog->linked->nr_maps, sizeof(*code->map));
	if (!code->map)
		return no_memory(l);
	code->nr_map = prog->linked->nr_maps;
	for (i = 0; i < prog->linked->nr_maps; i++) {
		uint32_t at = prog->linked->maps[i];

		code->map[i] = uebpf_map_ref(obj->maps[at]);
		if (!code->map[i]) {
			*l->err = *obj->map_error[at];
			return l->err->err;
		}
	}
	return 0;
}

static const char *may_text(uint32_t may)
{
	return may & UEBPF_MAY_SYSCALL ? "make a system call" :
	       may & UEBPF_MAY_LOCK ? "take a lock" : "allocate memory";
}

/* What the helpers and maps of a program may do, and whether the caller wants that. */
static int may_stage(struct load *l, struct prog *prog)
{
	const struct code *code = &prog->code;
	uint32_t i;

	/* callx of what only the run knows may be a helper, but where the verifier saw a function. */
	for (i = 0; i < code->n && prog->mode != UEBPF_MODE_VERIFIED; i++) {
		if (code->insn[i].op != OP_CALLX)
			continue;
		prog->may |= UEBPF_MAY_SYSCALL | UEBPF_MAY_LOCK | UEBPF_MAY_ALLOC;
		if (l->o.refuse_may)
			return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_HELPER, -EPERM, code->slot[i],
					 "insn %u: callx may call any helper, also one that may %s, which the load "
					 "options refuse", code->slot[i], may_text(l->o.refuse_may));
	}
	for (i = 0; i < code->nr_helper; i++) {
		prog->may |= helper_may(code->helper[i]);
		if (helper_may(code->helper[i]) & l->o.refuse_may)
			return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_HELPER, -EPERM, UINT32_MAX,
					 "helper %s may %s, which the load options refuse",
					 helper_name(code->helper[i]), may_text(helper_may(code->helper[i]) & l->o.refuse_may));
	}
	for (i = 0; i < code->nr_map; i++) {
		prog->may |= code->map[i]->ops->may;
		if (code->map[i]->ops->may & l->o.refuse_may)
			return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_MAP_TYPE, -EPERM, UINT32_MAX,
					 "map %s (%s) may %s, which the load options refuse", code->map[i]->name,
					 code->map[i]->ops->name,
					 may_text(code->map[i]->ops->may & l->o.refuse_may));
	}
	return 0;
}

static int verify_stage(struct load *l, struct prog *prog)
{
	return prog->mode == UEBPF_MODE_VERIFIED ? verify_prog(prog, &l->o, &l->facts, l->err) :
	       prog->mode == UEBPF_MODE_TRUSTED ? trust_prog(prog, l->err) : 0;
}

static int prepare_stage(struct load *l, struct prog *prog)
{
	return code_prepare(&prog->code, l->err);
}

static bool source_line(void *arg, uint32_t slot, const char **file, uint32_t *line)
{
	struct link_place at;

	if (!link_place(arg, slot, &at) || !at.line)
		return false;
	*file = at.file;
	*line = at.line;
	return true;
}

/* Both engines run the rewritten program. */
static int rewrite_stage(struct load *l, struct prog *prog)
{
	prog->fast = code_copy(&prog->code);
	if (prog->fast)
		prog->fast->compiled = jit_arch() && l->o.engine != UEBPF_ENGINE_INTERP;
	if (prog->fast && l->facts.fact)
		verify_apply(prog->fast, &l->facts);
	if (!prog->fast || rewrite_code(prog->fast, l->o.no_rules, NULL))
		return no_memory(l);
	return 0;
}

/* auto: the interpreter takes what cannot be compiled, and the log says why. */
static int jit_stage(struct load *l, struct prog *prog)
{
	struct uebpf_env *env = l->obj->env;
	bool unseen = false;
	struct jit_opts o = {
		.name = prog->name, .no_rules = l->o.no_rules, .source = &prog->code,
		.flags = l->o.jit_flags, .unseen = &unseen, .line = prog->linked ? source_line : NULL, .line_arg = prog->linked,
	};
	uint64_t began;
	int rc;

	if (l->o.engine == UEBPF_ENGINE_INTERP || (!jit_arch() && l->o.engine != UEBPF_ENGINE_JIT))
		return 0;
	began = self_clock();
	o.pages = env_jit_pages(env);
	o.cpu = env->cpu;
	rc = o.pages ? jit_compile(prog->fast, &o, l->err) : no_memory(l);
	if (rc && (l->o.engine == UEBPF_ENGINE_JIT || rc == -ENOMEM))
		return rc;
	if (rc) {
		object_log(l->obj, UEBPF_LOG_INFO, "%s: %s is interpreted: %s", l->obj->name, prog->name,
			   l->err->text);
		return 0;
	}
	if (unseen)
		object_log(l->obj, UEBPF_LOG_WARN, "%s: perf is not told of %s: /tmp/perf-PID.map or jit-PID.dump here is somebody "
			   "else's or cannot be written", l->obj->name, prog->name);
	prog->compile_ns = self_clock() - began;
	prog->engine = UEBPF_ENGINE_JIT;
	return 0;
}

static int ready_stage(struct load *l, struct prog *prog)
{
	const struct code *code = &prog->code;

	prog->min_ctx = prog->type->host_size;
	if ((prog->type->flags & TYPE_OPEN) && prog->ctx_need > prog->min_ctx)
		prog->min_ctx = prog->ctx_need;
	prog->packet = (prog->type->flags & TYPE_PACKET) != 0;
	prog->metered = code->metered;
	/* Helpers without side effects on the C library leave errno alone; the host's are not known. */
	prog->keeps_errno = code->nr_helper == 0 && code->nr_map == 0 && !code->calls;
	prog->direct = !prog->packet && prog->keeps_errno;
	for (uint32_t i = 0; i < code->nr_helper; i++) {
		prog->wants_caller |= helper_wants_caller(code->helper[i]);
		if (helper_wants_types(code->helper[i]) && l->obj->image && !l->obj->target) {
			l->obj->target = elf_target(l->obj->image, l->err);
			if (!l->obj->target)
				return l->err->err;
		}
	}
	prog->plain = prog->packet ? NULL : jit_plain(prog->fast);
	prog->packet_plain = prog->packet && !prog->metered ? jit_plain(prog->fast) : NULL;
	prog->batch = jit_batch(prog->fast, false);
	prog->packets = jit_batch(prog->fast, true);
	if (!prog->fast->jit && interp_prepare(prog->fast))
		return no_memory(l);
	prog->alone = !prog->packet && prog->keeps_errno && interp_is_alone(prog->fast);
	prog->base.code = prog->fast;
	prog->base.source = &prog->code;
	helper_set_use(l->obj->helpers, code, 1);
	return 0;
}

static int (*const stages[])(struct load *, struct prog *) = {
	check_type, check_mode, link_stage, decode_stage, verify_stage, prepare_stage, may_stage, rewrite_stage,
	jit_stage, ready_stage
};

static int load_prog(struct load *l, struct prog *prog)
{
	size_t s;
	int rc = 0;

	memset(l->err, 0, sizeof(*l->err));
	l->err->pc = UINT32_MAX;
	for (s = 0; !rc && s < sizeof(stages) / sizeof(*stages); s++)
		rc = stages[s](l, prog);
	verify_free(&l->facts);
	if (!rc)
		return 0;
	l->err->err = rc;
	prog_blame(prog, l->err);
	prog_unload(prog);
	prog->error = mem_copy(object_host(l->obj), l->err, sizeof(*l->err));
	prog->lost_error = !prog->error;
	object_log(l->obj, UEBPF_LOG_WARN, "%s", l->err->text);
	return rc;
}

static bool wanted(const struct load *l, const struct prog *prog)
{
	if (l->o.only)
		return !strcmp(prog->name, l->o.only) || !strcmp(prog->section, l->o.only);
	return !l->obj->image || !l->obj->image->progs[prog - l->obj->progs].optional;
}

static int load_progs(struct load *l)
{
	struct uebpf_object *obj = l->obj;
	struct prog *first = NULL;
	uint32_t i, tried = 0, good = 0;

	for (i = 0; i < obj->nr_progs; i++) {
		struct prog *prog = &obj->progs[i];

		if (!wanted(l, prog))
			continue;
		tried++;
		if (!load_prog(l, prog))
			good++;
		else if (!first)
			first = prog;
	}
	if (good || (!tried && !l->o.only && obj->nr_progs))
		return 0;
	if (first)
		return uebpf_prog_error(&first->base, l->err);
	return error_set(l->err, UEBPF_STAGE_LINK, UEBPF_E_NO_PROGRAM, -ENOENT, UINT32_MAX,
			 "%s: the object has no program%s%s", obj->name, l->o.only ? " or section " : "",
			 l->o.only ? l->o.only : "");
}

/* ---- all of it ---- */

static int load(struct load *l)
{
	struct uebpf_object *obj = l->obj;
	int rc = check_options(l);

	rc = rc ? rc : each_map(l, create_top);
	rc = rc ? rc : each_map(l, fill_map);
	rc = rc ? rc : each_map(l, freeze_map);
	if (rc) {
		drop_maps(obj);
		return rc;
	}
	obj->loaded = true;
	rc = load_progs(l);
	return rc ? rc : each_map(l, fill_slots);
}

int uebpf_object_load(struct uebpf_object *obj, const struct uebpf_load_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error local;
	struct load l = { .obj = obj, .err = err ? err : &local };
	int saved = errno, rc;

	memset(l.err, 0, sizeof(*l.err));
	if (!obj || options_copy(&l.o, sizeof(l.o), opts))
		return error_set(l.err, UEBPF_STAGE_LINK, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "loading needs an object and options whose size is set");
	if (obj->loaded)
		return error_set(l.err, UEBPF_STAGE_LINK, UEBPF_E_STATE, -EBUSY, UINT32_MAX,
				 "%s is loaded already", obj->name);
	l.o.mode = l.o.mode ? l.o.mode : obj->env->mode;
	l.o.engine = l.o.engine ? l.o.engine : obj->env->engine;
	l.o.policy = l.o.policy ? l.o.policy : obj->env->policy;
	rc = load(&l);
	if (rc && !l.err->object[0])
		error_place(l.err, &(struct place){ .object = obj->name });
	else if (!rc)
		memset(l.err, 0, sizeof(*l.err));
	errno = saved;
	return rc;
}
