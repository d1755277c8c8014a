/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verified.c - the verifier's place in the pipeline: tells it where source lines and prototypes come
 * from, keeps its log with the object and its figures with the program.  Runs between decode and bind:
 * what is refused here does not run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/error.h"
#include "loader/verified.h"
#include "vm/mem.h"

static void log_line(void *arg, const char *line)
{
	object_log_text(arg, line);
}

static bool place(void *arg, uint32_t slot, struct verify_place *out)
{
	const struct prog *prog = arg;
	struct link_place p;

	if (!prog->linked || !link_place(prog->linked, slot, &p))
		return false;
	*out = (struct verify_place){ .file = p.file ? p.file : "", .source = p.source ? p.source : "",
				      .line = p.line };
	return true;
}

/* Prototype of a global function, when BTF knows it and each parameter is of a kind that the verifier
 * can take on trust; otherwise the function is verified in each of its callers. */
static bool parameter(const struct btf *btf, uint32_t id, const struct prog_type *type, struct proto_arg *out)
{
	uint32_t t = btf_skip(btf, id), target;
	int64_t size;

	switch (btf_kind(btf, t)) {
	case BTF_INT: case BTF_ENUM: case BTF_ENUM64:
		out->kind = PROTO_SCALAR;
		return btf_size(btf, t) <= 8;
	case BTF_PTR:
		break;
	default:
		return false;
	}
	target = btf_skip(btf, btf_target(btf, t));
	if (btf_is_composite(btf, target)) {
		const char *name = btf_name(btf, target);

		if (!strcmp(name, "xdp_md") || !strcmp(name, "__sk_buff") || !strcmp(name, "pt_regs") ||
		    !strcmp(name, "bpf_sock_ops") || !strcmp(name, "bpf_sock_addr") || !strcmp(name, "bpf_sock") ||
		    !strcmp(name, "sk_msg_md") || !strcmp(name, "bpf_perf_event_data")) {
			out->kind = PROTO_CTX;
			return !(type->flags & TYPE_RAW);
		}
	}
	size = btf_size(btf, target);
	if (size <= 0 || size > 1 << 20)
		return false;
	out->kind = PROTO_MEM;
	out->size = (uint32_t)size;
	return true;
}

static bool read_prototype(const struct prog *prog, uint32_t slot, struct proto *out)
{
	const struct btf *btf = prog->object->image ? prog->object->image->btf : NULL;
	struct link_place p;
	struct btf_param param;
	uint32_t func, proto, n;

	memset(out, 0, sizeof *out);
	if (!btf || !prog->linked || !link_place(prog->linked, slot, &p) || !p.function)
		return false;
	func = btf_find(btf, BTF_FUNC, p.function);
	if (!func || btf_linkage(btf, func) != BTF_LINK_GLOBAL)
		return false;
	proto = btf_target(btf, func);
	n = btf_vlen(btf, proto);
	if (btf_kind(btf, proto) != BTF_FUNC_PROTO || n > 5)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!btf_param(btf, proto, i, &param) || !parameter(btf, param.type, prog->type, &out->arg[i]))
			return false;
	out->nr_args = n;
	out->returns = btf_target(btf, proto) != 0;
	return true;
}

struct known_proto { uint32_t slot; struct proto proto; };

/* Keeps what it finds: the verifier asks by ascending slot. */
static bool prototype(void *arg, uint32_t slot, struct proto *out)
{
	struct prog *prog = arg;
	uint32_t n = prog->nr_protos;
	bool found = read_prototype(prog, slot, out);

	if (found && n < prog->room_protos && (!n || prog->protos[n - 1].slot < slot))
		prog->protos[prog->nr_protos++] = (struct known_proto){ slot, *out };
	return found;
}

static int compare_slot(const void *key, const void *element)
{
	uint32_t slot = *(const uint32_t *)key, at = ((const struct known_proto *)element)->slot;

	return (slot > at) - (slot < at);
}

static bool kept_prototype(void *arg, uint32_t slot, struct proto *out)
{
	const struct prog *prog = arg;
	const struct known_proto *p = prog->nr_protos ? bsearch(&slot, prog->protos, prog->nr_protos, sizeof(*p),
								 compare_slot) : NULL;

	if (p)
		*out = p->proto;
	return p;
}

static int room_for_prototypes(struct prog *prog, struct uebpf_error *err)
{
	const struct code *code = &prog->code;
	uint32_t n = 0;

	for (uint32_t s = 1; s < code->nr_sub; s++)
		n += code->sub[s].global;
	if (!n || !prog->linked)
		return 0;
	prog->protos = mem_array(code->host, n, sizeof(*prog->protos));
	if (!prog->protos)
		return error_set(err, UEBPF_STAGE_VERIFY, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
	prog->room_protos = n;
	return 0;
}

void verified_forget(struct prog *prog)
{
	mem_free(object_host(prog->object), prog->protos, prog->room_protos * sizeof(*prog->protos));
	prog->protos = NULL;
	prog->nr_protos = prog->room_protos = 0;
}

/* A template of a map of maps stands for other maps at run time. */
static bool is_template(const struct code *code, const struct uebpf_map *map)
{
	for (uint32_t i = 0; i < code->nr_map; i++)
		if (code->map[i]->inner == map)
			return true;
	return false;
}

static bool known(const struct code *code, const struct verify_result *res, uint32_t i)
{
	return code->insn[i].op == OP_CALL && (res->fact[i].map < code->nr_map || res->fact[i].off);
}

/* What the verifier knows of helper calls, for the rewriter. */
static int keep_sites(struct code *code, const struct verify_result *res, struct uebpf_error *err)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < code->n; i++)
		n += known(code, res, i);
	if (!n)
		return 0;
	code->site = mem_array(code->host, n, sizeof *code->site);
	if (!code->site)
		return error_set(err, UEBPF_STAGE_REWRITE, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
	code->nr_site = n;
	n = 0;
	for (uint32_t i = 0; i < code->n; i++) {
		const struct fact *f = &res->fact[i];
		const struct uebpf_map *map = f->map < code->nr_map ? code->map[f->map] : NULL;

		if (!known(code, res, i))
			continue;
		code->site[n++] = (struct call_site){
			.slot = code->slot[i], .map = map && is_template(code, map) ? NULL : map,
			.key_known = f->flags & FACT_KEY, .key = f->key, .key_inside = f->flags & FACT_INSIDE,
			.known = f->off & ~(f->off >> 4) & (map ? 6 : 15), .arg = { 0, f->lo, f->hi, f->key },
		};
	}
	return 0;
}

/* Is `word` in the list of rules that are off? */
static bool names(const char *list, const char *word)
{
	for (const char *at = list; at && *at; at += strspn(at, ", ")) {
		size_t len = strcspn(at, ", ");

		if (len == strlen(word) && !memcmp(at, word, len))
			return true;
		at += len;
	}
	return false;
}

int verify_prog(struct prog *prog, const struct uebpf_load_opts *o, struct verify_result *facts,
		struct uebpf_error *err)
{
	struct vm_host *host = object_host(prog->object);
	struct code *code = &prog->code;
	struct verify_opts opts = {
		.policy = o->policy, .log_level = o->log_level, .max_insns = o->max_states, .max_ns = o->max_ns,
		.log = log_line, .log_arg = prog->object, .place = place, .place_arg = prog,
		.proto = prototype, .proto_arg = prog,
	};
	int rc = room_for_prototypes(prog, err);

	if (rc)
		return rc;
	code->stack_size = host->stack_size ? host->stack_size : 512;
	code->max_frames = host->max_frames ? host->max_frames : 8;
	rc = verify(code, &opts, facts, err);
	prog->verify_ns = facts->ns;
	prog->verify_insns = facts->insns;
	prog->verify_states = facts->states;
	if (!rc)
		rc = verify_layout(code, facts, err);
	if (!rc)
		rc = keep_sites(code, facts, err);
	if (!rc)
		prog->ctx_need = facts->ctx_need;
	if (code->metered || names(o->no_rules, "facts") || names(o->no_rules, "all"))
		verify_free(facts);
	return rc;
}

int trust_prog(struct prog *prog, struct uebpf_error *err)
{
	struct verify_result res;
	int rc;

	if (prog->type->flags & (TYPE_DIRECT | TYPE_RAW))	/* the program sees the host's own bytes */
		return 0;
	rc = verify_trusted(&prog->code, &res, err);
	if (!rc)
		rc = verify_layout(&prog->code, &res, err);
	verify_free(&res);
	return rc;
}

/* ---- --dump=facts ---- */

static void fact_text(const struct code *code, uint32_t i, const struct fact *f, struct text_out *to)
{
	static const char *const base[] = { "", "ctx", "stack", "value", "packet", "memory", "object", "arena", "varies" };
	uint8_t shape = isa_op[code->insn[i].op].shape;

	if (!(f->flags & FACT_SEEN)) {
		text_put(to, " dead");
		return;
	}
	if (f->base)
		text_put(to, " %s", base[f->base]);
	if (f->base && f->flags & FACT_FIXED)
		text_put(to, "%+d", f->off);
	if (f->map < code->nr_map)
		text_put(to, " map %s", code->map[f->map]->name);
	if (f->flags & FACT_KEY)
		text_put(to, " key %u", f->key);
	else if (f->flags & FACT_INSIDE && shape == SHAPE_CALL)
		text_put(to, " key inside");
	if ((shape == SHAPE_ALU_K || shape == SHAPE_ALU_X || shape == SHAPE_UN) && !(f->flags & FACT_CHANGES))
		text_put(to, " no change");
	if (f->flags & FACT_RANGE && f->lo == f->hi)
		text_put(to, " = %llu", (unsigned long long)f->lo);
	else if (f->flags & FACT_RANGE && (f->lo || f->hi != UINT64_MAX))
		text_put(to, " in [%llu, %llu]", (unsigned long long)f->lo, (unsigned long long)f->hi);
	if (shape == SHAPE_JCC_K || shape == SHAPE_JCC_X)
		text_put(to, "%s", f->flags & FACT_JUMPS ? f->flags & FACT_FALLS ? "" : " always" : " never");
}

int verified_facts(const struct prog *prog, struct text_out *to)
{
	struct uebpf_error err;
	struct code code = { .host = prog->code.host, .type = prog->type, .helpers = prog->code.helpers,
			     .map = prog->code.map, .nr_map = prog->code.nr_map, .gpl = prog->code.gpl,
			     .stack_size = prog->code.stack_size, .max_frames = prog->code.max_frames };
	const struct uebpf_object *obj = prog->object;
	/* Without limits: it was accepted within them. */
	struct verify_opts opts = { .max_insns = UINT64_MAX, .max_ns = UINT64_MAX, .proto = kept_prototype,
				    .proto_arg = (void *)prog, .exact = true };
	struct verify_result res;
	char text[256];
	int rc;

	if (prog->mode != UEBPF_MODE_VERIFIED)
		return -ENOENT;
	rc = prog->linked ? code_decode(&code, prog->linked->slots, prog->linked->n, prog->linked->subs,
					prog->linked->nr_subs, obj->env->max_insns, &err) :
			    code_decode(&code, obj->slots, obj->nr_slots, NULL, 0, obj->env->max_insns, &err);
	rc = rc ? rc : code_resolve_callx(&code, &err);
	if (!rc) {
		rc = verify(&code, &opts, &res, &err);
		for (uint32_t i = 0; !rc && i < code.n; i++) {
			char buf[256] = "";
			struct text_out known = { buf, sizeof buf, 0 };

			insn_text(text, sizeof text, &code, i);
			fact_text(&code, i, &res.fact[i], &known);
			text_put(to, "%6u: %s%s%s\n", code.slot[i], text, known.n ? "\t;" : "", buf);
		}
		verify_free(&res);
	}
	code.map = NULL;	/* the program's */
	code.nr_map = 0;
	code_free(&code);
	return rc;
}
