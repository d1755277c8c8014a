/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inline.c - helper calls whose row has an inliner become instructions, where the verifier knows
 * enough of the call (code->site) or, in trusted code, the instructions before it say so.  Knows no helper and no map type. */
#include <errno.h>
#include "vm/mem.h"
#include "vm/rewrite/in.h"

enum { MOST = IN_PLACE_MOST, MOST_INTERPRETED = 16 };
enum { SCRATCH = 32 };	/* bytes of a frame beyond what the program has, for these */

static const struct call_site *site_of(const struct code *code, uint32_t i)
{
	uint32_t lo = 0, hi = code->nr_site, slot = code->slot[i];

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (code->site[mid].slot == slot)
			return &code->site[mid];
		if (code->site[mid].slot < slot)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Without a verifier: the instruction that wrote `reg` for what stands at i, when that is certain because no
 * jump leads in between; UINT32_MAX: not known. */
static uint32_t writer(const struct rewriter *rw, uint32_t i, uint8_t reg)
{
	while (i && !(rw->flow.mark[i] & FLOW_TARGET)) {
		const struct insn *in = &rw->code->insn[--i];

		if (flow_writes(in) >> reg & 1)
			return i;
		if (!flow_falls(in))
			break;
	}
	return UINT32_MAX;
}

/* The map or function argument as the instruction before says. */
static void look_back(const struct rewriter *rw, uint32_t i, const struct helper *helper, struct call_site *site)
{
	const struct code *code = rw->code;

	for (unsigned k = 0; k < 4; k++) {
		uint8_t kind = helper_arg(helper, k).kind;
		uint32_t at = kind == ARG_MAP || kind == ARG_FUNC ? writer(rw, i, (uint8_t)(k + 1)) : UINT32_MAX;

		if (at == UINT32_MAX)
			continue;
		if (code->insn[at].op == OP_LD_MAP)
			site->map = code->map[code->insn[at].imm_lo];
		if (code->insn[at].op == OP_LD_FUNC) {
			site->known |= 1u << k;
			site->arg[k] = (uint64_t)(code_sub_at(code, (uint32_t)code->insn[at].off) - code->sub);
		}
	}
}

/* Instructions for what stands at i: 0 when it stays. */
static uint32_t expand(const struct rewriter *rw, uint32_t i, struct insn out[MOST])
{
	const struct code *code = rw->code;
	const struct call_site *known;
	const struct helper *helper;
	struct call_site site;
	int n;

	if (code->insn[i].op != OP_CALL && code->insn[i].op != OP_CALL_TAIL)
		return 0;
	helper = code_helper(code, &code->insn[i]);
	if (!helper || !helper_inliner(helper))
		return 0;
	known = site_of(code, i);
	site = known ? *known : (struct call_site){ .slot = code->slot[i] };
	site.code = code;
	site.scratch = code->compiled ? -(int32_t)code->stack_size - SCRATCH : 0;
	if (!known && rw->flow.mark)
		look_back(rw, i, helper, &site);
	n = helper_inliner(helper)(&site, out, code->compiled ? MOST : MOST_INTERPRETED);
	for (int k = 0; k < n && k < MOST; k++)
		if (out[k].op == OP_CALL) {
			const struct insn call = out[k];

			out[k] = code->insn[i];
			out[k].dst = call.dst;
			out[k].imm = call.imm ? call.imm : out[k].imm;
		}
	return n > 0 && n <= MOST ? (uint32_t)n : 0;
}

static int inline_calls(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t n = code->n, grown;
	struct insn out[MOST];
	bool scratch = false;
	struct edit e;

	for (uint32_t i = 0; i < code->n; i++) {
		grown = expand(rw, i, out);
		if (grown) {
			n += grown - 1;
			hit(rw, RULE_INLINE);
		}
	}
	if (n == code->n && !rw->hits[RULE_INLINE])
		return 0;
	if (edit_begin(rw, &e, n))
		return -ENOMEM;
	for (uint32_t i = 0; i < code->n; i++) {
		uint32_t at = e.label[i] = e.n;

		grown = expand(rw, i, out);
		if (!grown)
			edit_put(&e, code->insn[i], code->slot[i]);
		for (uint32_t k = 0; k < grown; k++) {
			scratch |= out[k].op == OP_CALL_LOCAL;
			if (flow_is_jump(&out[k]))
				out[k].off = ~(int32_t)(at + (uint32_t)out[k].off);
			out[k].steps = k ? 0 : code->insn[i].steps;
			edit_put(&e, out[k], code->slot[i]);
		}
	}
	edit_end(rw, &e);
	if (scratch) {
		code->stack_size += SCRATCH;
		code->uses_stack = true;
	}
	return 0;
}

int rewrite_inline(struct rewriter *rw)
{
	struct code *code = rw->code;
	int ret = 0;

	if (!rule_on(rw, RULE_INLINE) || !code->nr_helper)
		return 0;
	if (!code->nr_site && (code->nr_map || code->nr_sub > 1))	/* nobody verified it: the code itself may tell */
		ret = flow_build(code, &rw->flow);
	ret = ret ? ret : inline_calls(rw);
	flow_free(code, &rw->flow);
	return ret;
}
