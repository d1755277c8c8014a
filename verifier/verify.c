/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verify.c - one verification from end to end: set up, each part that is verified on its own, the
 * checks that only the kernel's policy makes, and the results. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "verifier/state.h"
#include "vm/mem.h"

static const char *const rule_name[RULE_COUNT] = {
	"stack bounds", "value bounds", "packet bounds", "memory bounds", "null checks", "packet moved",
	"spill clobber", "uninitialised registers", "helper sizes", "branch edges", "precision",
	"stack when pruning", "ranges when pruning", "release", "caller-saved registers", "narrow fill",
	"linked deltas", "induction", "atomic clobber", "read-only",
};

const char *verify_rule_name(enum verify_rule r)
{
	return r < RULE_COUNT ? rule_name[r] : "?";
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- memory ---- */

static int allocate(struct env *e)
{
	const struct code *code = e->code;
	struct verify_result *r = e->res;

	e->nr_slots = (code->stack_size ? code->stack_size : 512) / 8;
	if (e->nr_slots > MAX_SLOTS)
		e->nr_slots = MAX_SLOTS;
	r->host = code->host;
	r->n = code->n;
	r->nr_sub = code->nr_sub;
	r->words = e->nr_slots;
	r->fact = mem_array(e->host, code->n, sizeof *r->fact);
	r->zero = mem_alloc(e->host, (size_t)code->nr_sub * r->words);
	e->at = mem_array(e->host, code->n, sizeof *e->at);
	e->fails = mem_alloc(e->host, code->n);
	e->sub_depth = mem_array(e->host, code->nr_sub, sizeof *e->sub_depth);
	e->sub_alone = mem_alloc(e->host, code->nr_sub);
	e->protos = mem_array(e->host, code->nr_sub, sizeof *e->protos);
	if (!r->fact || !r->zero || !e->at || !e->fails || frame_room(e, 0) || !e->sub_depth || !e->sub_alone ||
	    !e->protos)
		return -ENOMEM;
	for (uint32_t i = 0; i < code->n; i++) {
		r->fact[i].map = FACT_NO_MAP;
		r->fact[i].lo = 1;
	}
	return 0;
}

static void release(struct env *e)
{
	const struct code *code = e->code;

	if (e->at) {
		pend_drop(e, 0);
		path_drop(e, 0);
		for (uint32_t pc = 0; pc < code->n; pc++)
			while (e->at[pc]) {
				struct node *n = e->at[pc];

				e->at[pc] = n->next;
				node_drop(e, n);
			}
	}
	for (uint32_t i = 0; i < e->rooms; i++)
		mem_free(e->host, e->st.f[i].slot, e->nr_slots * sizeof(struct slot));
	mem_free(e->host, e->at, code->n * sizeof *e->at);
	mem_free(e->host, e->fails, code->n);
	mem_free(e->host, e->scratch, e->cap_scratch * sizeof *e->scratch);
	mem_free(e->host, e->sub_depth, code->nr_sub * sizeof *e->sub_depth);
	mem_free(e->host, e->sub_alone, code->nr_sub);
	mem_free(e->host, e->protos, code->nr_sub * sizeof *e->protos);
	mem_free(e->host, e->step, e->cap_steps * sizeof *e->step);
	mem_free(e->host, e->path, e->cap_path * sizeof *e->path);
	mem_free(e->host, e->pend, e->cap_pend * sizeof *e->pend);
	scan_free(e);
}

void verify_free(struct verify_result *r)
{
	mem_free(r->host, r->fact, r->n * sizeof *r->fact);
	mem_free(r->host, r->zero, (size_t)r->nr_sub * r->words);
	r->fact = NULL;
	r->zero = NULL;
}

/* ---- where a program begins ---- */

static void find_regions(struct env *e)
{
	const struct prog_type *type = e->code->type;

	if (type->flags & TYPE_RAW)
		e->nr_regions = 1;
	for (uint32_t i = 0; i < type->nr_fields && e->nr_regions < MAX_REGIONS; i++)
		if (type->fields[i].kind == CTX_MEM || type->fields[i].kind == CTX_CSTR) {
			e->region[e->nr_regions].text = type->fields[i].kind == CTX_CSTR;
			e->region[e->nr_regions++].field = &type->fields[i];
		}
}

static void set_arguments(struct env *e)
{
	struct reg *r = e->st.f[0].r;

	for (uint32_t i = 0; i < e->nr_regions; i++)
		e->st.min_len[i] = e->region[i].text;
	if (e->code->type->flags & TYPE_RAW) {
		r[1] = reg_pointer(K_MEM, 0);
		r[1].region = 1;
		r[2] = reg_number(scalar_urange(width64, 0, MAX_LEN), 0);
		r[2].len = 1;
		return;
	}
	r[1] = reg_pointer(K_CTX, 0);
}

static void set_proto_arguments(struct env *e, const struct proto *p)
{
	struct reg *r = e->st.f[0].r;

	for (uint32_t i = 0; i < p->nr_args; i++)
		switch (p->arg[i].kind) {
		case PROTO_CTX:
			r[i + 1] = reg_pointer(K_CTX, 0);
			break;
		case PROTO_MEM:
			r[i + 1] = reg_pointer(K_MEM, 0);
			r[i + 1].size = p->arg[i].size;
			r[i + 1].flags = p->arg[i].nonnull ? 0 : R_MAYBE_NULL;
			r[i + 1].id = new_id(e);
			break;
		default:
			r[i + 1] = reg_unknown(0);
		}
}

static int one_part(struct env *e, uint32_t sub)
{

	state_init(e, sub);
	e->cur_sub = sub;
	e->pc = e->code->sub[sub].start;
	e->deepest = 1;
	for (uint32_t i = 0; i < e->nr_regions; i++)
		e->st.min_len[i] = e->region[i].text;
	if (sub)
		set_proto_arguments(e, &e->protos[sub]);
	else
		set_arguments(e);
	return run_from(e, 0);
}

static void forget_all(struct env *e)
{
	pend_drop(e, 0);
	path_drop(e, 0);
	e->nr_steps = 0;
	e->spec_depth = e->quiet = 0;
	forget_after(e, 0);
}

/* Summaries make short work of most loops, but not of those where the exact values decide: they are
 * tried by turns with walking loops out, each time with more patience.  What failed behind a
 * summarised loop is tried again with that loop walked out. */
static int part(struct env *e, uint32_t sub)
{
	enum { RESTARTS = 6 };
	uint64_t most = e->opts.max_insns, patience = 4096;
	struct node *n;
	bool last;
	int err;

	for (;;) {
		e->opts.max_insns = e->res->insns + (patience < most ? patience : most);
		last = patience >= most;
		e->hopeful = !last;
		err = one_part(e, sub);
		n = err ? culprit(e) : NULL;
		if (!err || err == -ENOMEM || (err == -E2BIG ? last && e->unroll : !n || e->unroll))
			break;
		if (err == -E2BIG) {
			if (!e->unroll || !last)
				patience = patience > most / 8 ? most : patience * 8;
			e->unroll = !e->unroll;
			memset(e->fails, 0, e->code->n);
		} else {
			e->fails[n->pc] = 3;
			e->unroll = ++e->restarts > RESTARTS;
		}
		forget_all(e);
	}
	forget_all(e);
	e->opts.max_insns = most;
	return err;
}

static bool called_alone(struct env *e, uint32_t sub)
{
	const struct code *code = e->code;

	if (!e->sub_alone[sub])
		return false;
	for (uint32_t i = 0; i < code->n; i++)
		if (code->insn[i].op == OP_CALL_LOCAL && (uint32_t)code->insn[i].off == code->sub[sub].start &&
		    (e->flow.mark[i] & FLOW_REACHED))
			return true;
	return false;
}

/* ---- what only the kernel's policy asks ---- */

static int unreachable(struct env *e)
{
	for (uint32_t i = 0; i < e->code->n; i++)
		if (!(e->flow.mark[i] & FLOW_REACHED)) {
			e->pc = i;
			return refuse(e, UEBPF_E_FORM, "unreachable instruction");
		}
	return 0;
}

/* Deepest chain of frames from a subprogram: bytes, each frame rounded up to 32 as in the kernel, and how
 * many.  The kernel counts code that no path reaches, and recursion that ends, too. */
struct chain { uint32_t bytes, frames; };
enum { OPEN = UINT32_MAX, DEEP = 64 };

static struct chain deepest(struct env *e, uint32_t sub, struct chain *known, uint32_t depth)
{
	const struct subprog *s = &e->code->sub[sub];
	struct chain most = { 0, 0 }, c;

	if (known[sub].frames == OPEN || depth > DEEP)
		return (struct chain){ 0, DEEP };
	if (known[sub].frames)
		return known[sub];
	known[sub].frames = OPEN;
	for (uint32_t i = s->start; i < s->end; i++) {
		const struct insn *in = &e->code->insn[i];

		if ((in->op != OP_CALL_LOCAL && in->op != OP_LD_FUNC) ||
		    !(e->kernel || (e->res->fact[i].flags & FACT_SEEN)))
			continue;
		c = deepest(e, e->flow.sub_of[in->off], known, depth + 1);
		most.bytes = c.bytes > most.bytes ? c.bytes : most.bytes;
		most.frames = c.frames > most.frames ? c.frames : most.frames;
	}
	most.bytes += ((e->sub_depth[sub] ? e->sub_depth[sub] : 1) + 31) & ~31u;
	most.frames += most.frames < DEEP;
	return known[sub] = most;
}

static int stack_depth(struct env *e)
{
	struct chain *known = mem_array(e->host, e->code->nr_sub, sizeof *known), c;

	if (!known)
		return -ENOMEM;
	c = deepest(e, 0, known, 0);
	mem_free(e->host, known, e->code->nr_sub * sizeof *known);
	e->res->stack_depth = c.bytes;
	e->pc = 0;
	if (e->kernel && c.frames > 8)
		return refuse(e, UEBPF_E_FORM, "calls are nested deeper than 8 frames: the kernel counts recursion and "
			      "code that is never reached");
	if (e->kernel && c.bytes > 512)
		return refuse(e, UEBPF_E_FORM, "frames of nested calls use %u bytes together; the kernel allows 512",
			      c.bytes);
	return 0;
}

static int all_parts(struct env *e)
{
	int err = scan_program(e);

	if (err)
		return err;
	if (e->kernel)
		err = unreachable(e);
	for (uint32_t s = 1; s < e->code->nr_sub; s++)
		e->sub_alone[s] = e->code->sub[s].global && e->opts.proto &&
			e->opts.proto(e->opts.proto_arg, e->code->sub[s].slot, &e->protos[s]);
	find_regions(e);
	err = err ? err : part(e, 0);
	for (uint32_t s = 1; s < e->code->nr_sub && !err; s++)
		if (called_alone(e, s))
			err = part(e, s);
	return err ? err : stack_depth(e);
}

static const uint64_t DEFAULT_NS = 10000000000;

int verify(const struct code *code, const struct verify_opts *opts, struct verify_result *result,
	   struct uebpf_error *err)
{
	uint64_t start = now_ns();
	struct env *e = mem_alloc(code->host, sizeof *e);
	int ret;

	memset(result, 0, sizeof *result);
	if (!e)
		return error_set(err, UEBPF_STAGE_VERIFY, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
	e->code = code;
	e->host = code->host;
	if (opts)
		e->opts = *opts;
	if (!e->opts.max_insns)
		e->opts.max_insns = 1000000;
	e->deadline = start + (e->opts.max_ns ? e->opts.max_ns : DEFAULT_NS);
	e->res = result;
	e->err = err;
	e->kernel = e->opts.policy == UEBPF_POLICY_KERNEL;
	e->spec_left = 200000;
	result->ret_lo = 1;
	if (code->type->flags & TYPE_REFUSED)
		ret = refuse(e, UEBPF_E_UNSUPPORTED, "%s", code->type->why);
	else
		ret = allocate(e);
	if (!ret)
		ret = all_parts(e);
	if (ret == -ENOMEM)
		error_set(err, UEBPF_STAGE_VERIFY, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
	release(e);
	mem_free(code->host, e, sizeof *e);
	result->ns = now_ns() - start;
	return ret;
}
