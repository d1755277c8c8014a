/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verify.c - one verification from end to end: set up, each part that is verified on its own, the
 * checks that only the kernel's policy makes, and the results. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"
#include "vm/mem.h"
#include "vm/self.h"

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
	e->sub = mem_array(e->host, code->nr_sub, sizeof *e->sub);
	if (!r->fact || !r->zero || frame_room(e, 0) || !e->sub)
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

	if (e->flow) {
		pend_drop(e, 0);
		path_drop(e, 0);
		for (uint32_t pc = 0; pc < code->n; pc++)
			while (e->flow[pc].at) {
				struct node *n = e->flow[pc].at;

				e->flow[pc].at = n->next;
				node_drop(e, n);
			}
	}
	for (uint32_t i = 0; i < e->rooms; i++)
		mem_free(e->host, e->st.f[i].slot, e->nr_slots * sizeof(struct slot));
	mem_free(e->host, e->scratch, e->cap_scratch * sizeof *e->scratch);
	mem_free(e->host, e->sub, code->nr_sub * sizeof *e->sub);
	mem_free(e->host, e->walk.step, e->walk.cap_steps * sizeof *e->walk.step);
	mem_free(e->host, e->walk.path, e->walk.cap_path * sizeof *e->walk.path);
	mem_free(e->host, e->walk.pend, e->walk.cap_pend * sizeof *e->walk.pend);
	scan_free(e, code->n);
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
		e->st.h.min_len[i] = e->region[i].text;
	if (e->code->type->flags & TYPE_RAW) {
		set_pointer(e, &r[1], K_MEM);
		r[1].region = 1;
		set_unknown(e, &r[2]);
		scalar_urange(&r[2].s, width64, 0, MAX_LEN);
		r[2].len = 1;
		return;
	}
	set_pointer(e, &r[1], K_CTX);
}

static void set_proto_arguments(struct env *e, const struct proto *p)
{
	struct reg *r = e->st.f[0].r;

	for (uint32_t i = 0; i < p->nr_args; i++)
		switch (p->arg[i].kind) {
		case PROTO_CTX:
			set_pointer(e, &r[i + 1], K_CTX);
			break;
		case PROTO_MEM:
			set_pointer(e, &r[i + 1], K_MEM);
			r[i + 1].size = p->arg[i].size;
			r[i + 1].flags = p->arg[i].nonnull ? 0 : R_MAYBE_NULL;
			r[i + 1].id = new_id(e);
			break;
		default:
			set_unknown(e, &r[i + 1]);
		}
}

static int one_part(struct env *e, uint32_t sub)
{

	state_init(e, sub);
	e->cur_sub = sub;
	e->pc = e->code->sub[sub].start;
	e->deepest = 1;
	for (uint32_t i = 0; i < e->nr_regions; i++)
		e->st.h.min_len[i] = e->region[i].text;
	if (sub)
		set_proto_arguments(e, &e->sub[sub].proto);
	else
		set_arguments(e);
	return run_from(e, 0);
}

static void forget_all(struct env *e)
{
	pend_drop(e, 0);
	path_drop(e, 0);
	e->walk.nr_steps = 0;
	e->loops.depth = e->quiet = 0;
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
	int err;

	for (;;) {
		e->opts.max_insns = e->res->insns + (patience < most ? patience : most);
		e->loops.hopeful = patience < most;
		err = one_part(e, sub);
		n = err ? culprit(e) : NULL;
		if (!err || err == -ENOMEM || (err == -E2BIG ? !e->loops.hopeful && e->loops.unroll : !n || e->loops.unroll))
			break;
		if (err == -E2BIG) {
			if (!e->loops.unroll || e->loops.hopeful)
				patience = patience > most / 8 ? most : patience * 8;
			e->loops.unroll = !e->loops.unroll;
			for (uint32_t i = 0; i < e->code->n; i++)
				e->flow[i].fails = 0;
		} else {
			e->flow[n->pc].fails = 3;
			e->loops.unroll = ++e->loops.restarts > RESTARTS;
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

	if (!e->sub[sub].alone)
		return false;
	for (uint32_t i = 0; i < code->n; i++)
		if (code->insn[i].op == OP_CALL_LOCAL && (uint32_t)code->insn[i].off == code->sub[sub].start &&
		    (e->res->fact[i].flags & FACT_SEEN))
			return true;
	return false;
}

/* Functions verified on their own, as some path calls them. */
static int global_parts(struct env *e)
{
	uint32_t s = 1;
	int err = 0;

	while (s < e->code->nr_sub && !err) {
		if (e->sub[s].done || !called_alone(e, s)) {
			s++;
			continue;
		}
		e->sub[s].done = e->alone = true;
		err = part(e, s);
		s = 1;			/* who calls whom is in no order */
	}
	return err;
}

/* ---- what only the kernel's policy asks ---- */

static int unreachable(struct env *e)
{
	for (uint32_t i = 0; i < e->code->n; i++)
		if (!(e->flow[i].mark & FLOW_REACHED)) {
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
		c = deepest(e, e->flow[in->off].sub, known, depth + 1);
		most.bytes = c.bytes > most.bytes ? c.bytes : most.bytes;
		most.frames = c.frames > most.frames ? c.frames : most.frames;
	}
	most.bytes += ((e->sub[sub].depth ? e->sub[sub].depth : 1) + 31) & ~31u;
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
	if (e->alone && c.frames > most_frames(e))	/* nobody walked through functions verified alone */
		return too_deep(e);
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
		e->sub[s].alone = e->code->sub[s].global && e->opts.proto &&
			e->opts.proto(e->opts.proto_arg, e->code->sub[s].slot, &e->sub[s].proto);
	find_regions(e);
	err = err ? err : part(e, 0);
	err = err ? err : global_parts(e);
	if (!err && e->loose)
		err = facts_settle(e);
	return err ? err : stack_depth(e);
}

int no_memory(struct uebpf_error *err, uint32_t stage)
{
	return error_set(err, stage, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
}

static const uint64_t DEFAULT_NS = 10000000000;

int verify(const struct code *code, const struct verify_opts *opts, struct verify_result *result,
	   struct uebpf_error *err)
{
	uint64_t start = self_clock();
	struct env *e = mem_alloc(code->host, sizeof *e);
	int ret;

	memset(result, 0, sizeof *result);
	if (!e)
		return no_memory(err, UEBPF_STAGE_VERIFY);
	e->code = code;
	e->host = code->host;
	if (opts)
		e->opts = *opts;
	if (!e->opts.max_insns)
		e->opts.max_insns = 1000000;
	if (__builtin_add_overflow(start, e->opts.max_ns ? e->opts.max_ns : DEFAULT_NS, &e->deadline))
		e->deadline = 0;	/* none */
	e->res = result;
	e->err = err;
	e->kernel = e->opts.policy == UEBPF_POLICY_KERNEL;
	e->loops.left = 200000;
	if (code->type->flags & TYPE_REFUSED)
		ret = refuse(e, UEBPF_E_UNSUPPORTED, "%s", code->type->why);
	else
		ret = allocate(e);
	if (!ret)
		ret = all_parts(e);
	if (ret == -ENOMEM)
		no_memory(err, UEBPF_STAGE_VERIFY);
	release(e);
	mem_free(code->host, e, sizeof *e);
	result->ns = self_clock() - start;
	return ret;
}
