/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* prepare.c - from decoded to runnable: binds helpers, maps and the type, and counts the frames that
 * a run can need.  What is inserted into the program is in mark.c. */
#include <errno.h>
#include <string.h>
#include "vm/code.h"
#include "vm/mem.h"
#include "vm/message.h"

static uint64_t no_function(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
			    struct uebpf_call *call)
{
	(void)r1, (void)r2, (void)r3, (void)r4, (void)r5;
	call->status = -ENOSYS;
	return 0;
}

static const struct host_helper poison = {
	.row.fn = HELPER_OF_HOST, .id = HELPER_POISON, .name = "poisoned instruction",
};

uint32_t helper_needs(const struct helper *helper)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < 5 && helper_arg(helper, i).kind != ARG_NONE; i++)
		mask |= 2u << i;
	return mask;
}

uint32_t helper_reads(const struct helper *helper)
{
	return helper->flags & HF_VARIADIC ? 0x3e : helper_needs(helper);
}

static int no_memory(struct uebpf_error *err)
{
	return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "out of memory");
}

static int bind_call(struct code *code, struct insn *insn, uint32_t slot, struct uebpf_error *err)
{
	uint32_t id = (uint32_t)insn->imm, k;
	const struct helper *row = id == HELPER_POISON ? &poison.row : helper_find(code->helpers, id);

	if (!row)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_HELPER, -EINVAL, slot,
				 "insn %u: call of helper %u, which does not exist here; a host can add it with "
				 "uebpf_env_add_helper", slot, id);
	for (k = 0; k < code->nr_helper; k++)
		if (code->helper[k] == row)
			break;
	if (k == code->nr_helper) {
		const struct helper **grown = mem_resize(code->host, code->helper, k * sizeof *grown,
							 (k + 1) * sizeof *grown);
		if (!grown)
			return no_memory(err);
		grown[k] = row;
		code->helper = grown;
		code->nr_helper = k + 1;
	}
	code->calls |= helper_needs_call(row);
	insn->op = row->flags & HF_TAIL ? OP_CALL_TAIL : OP_CALL;
	insn->off = (int32_t)k;
	insn->imm = (int64_t)(intptr_t)(helper_fn(row) ? helper_fn(row) : no_function);
	return 0;
}

static int bind_wide(const struct code *code, const struct insn *insn, uint32_t slot, struct uebpf_error *err)
{
	const struct uebpf_map *map;
	size_t size;

	if (insn->op == OP_LDDW || insn->op == OP_LD_FUNC)
		return 0;
	if (insn->op != OP_LD_MAP && insn->op != OP_LD_MAPVAL)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_UNSUPPORTED, -EINVAL, slot,
				 "insn %u: a %s immediate means nothing in this process; load an object, or use "
				 "map indices", slot, isa_text(insn->op));
	if (insn->imm_lo < 0 || (uint32_t)insn->imm_lo >= code->nr_map)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_MAP_BIND, -EINVAL, slot,
				 "insn %u: map index %d, the program has %u maps", slot, insn->imm_lo, code->nr_map);
	map = code->map[insn->imm_lo];
	if (insn->op == OP_LD_MAP)
		return 0;
	size = map->ops->traits & MT_ARENA ? map->bytes : map->value_size;
	if (map->values.lo == map->values.hi || !(map->ops->traits & (MT_ARRAY | MT_ARENA)))
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_MAP_BIND, -EINVAL, slot,
				 "insn %u: address of a value of map %s, whose values have no fixed address", slot,
				 map->name);
	if ((uint32_t)insn->imm_hi > size)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_MAP_BIND, -EINVAL, slot,
				 "insn %u: offset %u in a value of map %s, which has %zu bytes", slot,
				 (uint32_t)insn->imm_hi, map->name, size);
	return 0;
}

static int bind_insn(struct code *code, uint32_t i, struct uebpf_error *err)
{
	struct insn *insn = &code->insn[i];
	uint32_t slot = code->slot[i];

	switch (isa_op[insn->op].shape) {
	case SHAPE_CALL:
		if (insn->op == OP_CALL_KFUNC)
			return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_KFUNC, -EOPNOTSUPP, slot,
					 "insn %u: calls kernel function (kfunc) with BTF id %d; these exist only "
					 "in the kernel", slot, (int)insn->imm);
		return bind_call(code, insn, slot, err);
	case SHAPE_WIDE:
		return bind_wide(code, insn, slot, err);
	case SHAPE_CALLX:
		code->calls = true;
		return 0;
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND:
		if (code->type && !(code->type->flags & TYPE_LD_ABS))
			return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_UNSUPPORTED, -EINVAL, slot,
					 "insn %u: packet access (LD_ABS, LD_IND) in a program of type %s; only "
					 "socket filters and tc programs have it", slot, code->type->name);
		return 0;
	default:
		return 0;
	}
}

static int bind_regions(struct code *code, struct uebpf_error *err)
{
	uint32_t n = code->nr_region;
	struct region *all;

	for (uint32_t i = 0; i < code->nr_map; i++)
		n += code->map[i]->values.lo < code->map[i]->values.hi;
	if (n == code->nr_region)
		return 0;
	all = mem_resize(code->host, code->region, code->nr_region * sizeof *all, n * sizeof *all);
	if (!all)
		return no_memory(err);
	code->region = all;
	n = code->nr_region;
	for (uint32_t i = 0; i < code->nr_map; i++)
		if (code->map[i]->values.lo < code->map[i]->values.hi)
			all[n++] = code->map[i]->values;
	code->nr_region = n;
	return 0;
}

static int bind_type(const struct code *code, struct uebpf_error *err)
{
	const struct prog_type *type = code->type;

	if (!type)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_PROG_TYPE, -EINVAL, UINT32_MAX,
				 "the program has no type");
	if (type->flags & TYPE_REFUSED)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_PROG_TYPE, -EOPNOTSUPP, UINT32_MAX,
				 "programs of type %s cannot run in user space: %s", type->name,
				 type->why ? message_text(type->why) : "no reason given");
	/* In checked mode the context pointer is the host's struct while offsets are the program's:
	 * the two ranges must be the same memory, or another object could lie in the difference. */
	if (!(type->flags & (TYPE_RAW | TYPE_DIRECT)) && type->ctx_size > type->host_size)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_PROG_TYPE, -EINVAL, UINT32_MAX,
				 "program type %s: its host struct (%u bytes) is smaller than the program's view "
				 "(%u bytes)", type->name, type->host_size, type->ctx_size);
	return 0;
}

/* ---- frames ---- */

/* Longest chain of local calls, depth first over the call graph with an explicit stack; recursion,
 * calls through registers and callbacks may use every frame there is. */
struct walk { uint32_t sub, at, depth; };

static int longest_chain(const struct code *code, uint32_t *frames, struct uebpf_error *err)
{
	struct walk *stack = mem_array(code->host, code->nr_sub, sizeof *stack);
	uint32_t *best = mem_array(code->host, code->nr_sub, sizeof *best);
	uint8_t *state = mem_array(code->host, code->nr_sub, 1);
	uint32_t n = 1;
	bool cycle = false;

	if (stack && best && state) {
		stack[0] = (struct walk){ 0, code->sub[0].start, 1 };
		state[0] = 1;
	}
	while (stack && best && state && n && !cycle) {
		struct walk *w = &stack[n - 1];
		const struct insn *insn = &code->insn[w->at];
		uint32_t callee;

		if (w->at == code->sub[w->sub].end) {
			state[w->sub] = 2;
			best[w->sub]++;
			n--;
			if (n && best[stack[n - 1].sub] < best[w->sub])
				best[stack[n - 1].sub] = best[w->sub];
			continue;
		}
		if (insn->op != OP_CALL_LOCAL) {
			w->at++;
			continue;
		}
		callee = (uint32_t)(code_sub_at(code, (uint32_t)insn->off) - code->sub);
		if (state[callee] == 1) {
			cycle = true;
		} else if (state[callee] == 2) {
			if (best[w->sub] < best[callee])
				best[w->sub] = best[callee];
			w->at++;
		} else {
			w->at++;
			state[callee] = 1;
			stack[n++] = (struct walk){ callee, code->sub[callee].start, 0 };
		}
	}
	*frames = cycle || !best ? code->max_frames : best[0];
	mem_free(code->host, state, code->nr_sub);
	mem_free(code->host, best, code->nr_sub * sizeof *best);
	mem_free(code->host, stack, code->nr_sub * sizeof *stack);
	return stack && best && state ? 0 : no_memory(err);
}

/* Does the instruction do more with r10 than access memory at a constant distance from it?  *low: the
 * lowest byte below r10 that it touches otherwise. */
static bool lets_stack_out(const struct insn *insn, uint32_t *low)
{
	uint8_t shape = isa_op[insn->op].shape;
	bool direct = false;

	if (!(insn_reads(insn) & 1u << 10))
		return false;
	if (shape == SHAPE_LOAD)
		direct = true;
	else if (shape == SHAPE_STORE_K)
		direct = insn->dst == 10;
	else if (shape == SHAPE_STORE_X || shape == SHAPE_ATOMIC)
		direct = insn->dst == 10 && insn->src != 10;
	if (direct && insn->off < 0 && (uint32_t)-insn->off > *low)
		*low = (uint32_t)-insn->off;
	return !direct;
}

/* How much of each frame a run has to zero: what direct accesses reach, or all of it where the stack's
 * address gets around.  In a checked run a pointer may wander into any live frame. */
static void measure_stack(struct code *code)
{
	bool out_somewhere = false;

	code->uses_stack = false;
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		struct subprog *sub = &code->sub[k];
		bool out = false;
		uint32_t low = 0;

		for (uint32_t i = sub->start; i < sub->end; i++) {
			code->uses_stack |= code->insn[i].op == OP_CALL_TAIL || (insn_reads(&code->insn[i]) & 1u << 10);
			out |= lets_stack_out(&code->insn[i], &low);
		}
		out_somewhere |= out;
		sub->zero = out || low > code->stack_size ? code->stack_size : (low + 7) & ~7u;
	}
	for (uint32_t k = 0; k < code->nr_sub && code->checked && out_somewhere; k++)
		code->sub[k].zero = code->stack_size;
	for (uint32_t i = 0; i < code->n; i++)
		if (code->insn[i].op == OP_CALL_LOCAL)
			code->insn[i].imm = code_sub_at(code, (uint32_t)code->insn[i].off)->zero;
}

int code_count_frames(struct code *code, struct uebpf_error *err)
{
	bool all = false;
	int ret;

	/* What a tail call leads to is not known here: it may need all there is. */
	for (uint32_t i = 0; i < code->n; i++)
		all |= code->insn[i].op == OP_CALLX || code->insn[i].op == OP_LD_FUNC ||
		       code->insn[i].op == OP_CALL_TAIL;
	ret = longest_chain(code, &code->frames, err);
	if (all || code->frames > code->max_frames)
		code->frames = code->max_frames;
	return ret;
}

static int count_frames(struct code *code, struct uebpf_error *err)
{
	const struct vm_host *host = code->host;

	if (!code->stack_size)
		code->stack_size = host && host->stack_size ? host->stack_size : 512;
	if (!code->max_frames)
		code->max_frames = host && host->max_frames ? host->max_frames : 8;
	if (!code->budget)
		code->budget = host && host->budget ? host->budget : 1ull << 32;
	measure_stack(code);
	return code_count_frames(code, err);
}

int code_bind(struct code *code, struct uebpf_error *err)
{
	int ret;

	if (code->bound)
		return 0;
	ret = bind_type(code, err);
	ret = ret ? ret : code_resolve_callx(code, err);
	for (uint32_t i = 0; i < code->n && !ret; i++)
		ret = bind_insn(code, i, err);
	ret = ret ? ret : bind_regions(code, err);
	ret = ret ? ret : count_frames(code, err);
	if (!ret)
		code->bound = true;
	return ret;
}

int code_prepare(struct code *code, struct uebpf_error *err)
{
	int ret = code_bind(code, err);

	return ret ? ret : code_mark(code, NULL, err);
}
