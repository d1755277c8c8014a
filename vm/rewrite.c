/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.c - the rules' table and the order of the passes.
 *
 * A rule never changes what a program does or, where steps are counted, what it is charged: CHARGE
 * stays in its block.  Passes mark what they drop as DELETED; compaction closes the gaps.  In checked
 * code no memory access is touched, so that each fault stays what and where it was. */
#include <errno.h>
#include <string.h>
#include "vm/mem.h"
#include "vm/rewrite_in.h"

const struct rewrite_row rewrite_rows[REWRITE_RULE_COUNT] = {
#define RULE(id, name, needs, text) { name, needs, text },
	REWRITE_RULES(RULE)
#undef RULE
};

bool rewrite_known(const char *name, size_t len)
{
	if (len == 3 && !memcmp(name, "all", 3))
		return true;
	for (int k = 0; k < REWRITE_RULE_COUNT; k++)
		if (strlen(rewrite_rows[k].name) == len && !memcmp(rewrite_rows[k].name, name, len))
			return true;
	return false;
}

static uint64_t rules_on(const struct code *code, const char *no_rules)
{
	uint64_t on = (1ull << REWRITE_RULE_COUNT) - 1;

	for (int k = 0; k < REWRITE_RULE_COUNT; k++) {
		uint32_t needs = rewrite_rows[k].needs;

		if ((code->checked && needs & MOVES_MEMORY) || (code->metered && needs & MERGES_BLOCKS))
			on &= ~(1ull << k);
	}
	for (const char *at = no_rules; at && *at; at += strspn(at, ", ")) {
		size_t len = strcspn(at, ", ");

		for (int k = 0; k < REWRITE_RULE_COUNT; k++)
			if ((len == 3 && !memcmp(at, "all", 3)) ||
			    (strlen(rewrite_rows[k].name) == len && !memcmp(rewrite_rows[k].name, at, len)))
				on &= ~(1ull << k);
		at += len;
	}
	return on;
}

void rewrite_replace(struct rewriter *rw, struct insn *insn, uint32_t *slot, uint32_t n)
{
	struct code *code = rw->code;

	mem_free(code->host, code->insn, code->n * sizeof *insn);
	mem_free(code->host, code->slot, code->n * sizeof *slot);
	code->insn = insn;
	code->slot = slot;
	code->n = n;
}

static bool has_target(const struct insn *insn)
{
	return flow_is_jump(insn) || insn->op == OP_CALL_LOCAL || insn->op == OP_LD_FUNC;
}

/* Leaves out what is DELETED.  A label on it moves to what comes next, which exists: the last
 * instruction of a subprogram ends it and is never dropped while it is reachable. */
int rewrite_compact(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t n = 0, old = code->n, *label, *slot;
	struct insn *insn;

	for (uint32_t i = 0; i < old; i++)
		n += code->insn[i].op != DELETED;
	if (n == old)
		return 0;
	label = mem_array(code->host, old + 1, sizeof *label);
	slot = mem_array(code->host, n, sizeof *slot);
	insn = mem_array(code->host, n, sizeof *insn);
	if (!label || !slot || !insn) {
		mem_free(code->host, label, (old + 1) * sizeof *label);
		mem_free(code->host, slot, n * sizeof *slot);
		mem_free(code->host, insn, n * sizeof *insn);
		return -ENOMEM;
	}
	n = 0;
	for (uint32_t i = 0; i < old; i++) {
		label[i] = n;
		if (code->insn[i].op == DELETED)
			continue;
		insn[n] = code->insn[i];
		slot[n++] = code->slot[i];
	}
	label[old] = n;
	for (uint32_t i = 0; i < n; i++)
		if (has_target(&insn[i]))
			insn[i].off = (int32_t)label[insn[i].off];
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		code->sub[k].start = label[code->sub[k].start];
		code->sub[k].end = label[code->sub[k].end];
	}
	mem_free(code->host, label, (old + 1) * sizeof *label);
	rewrite_replace(rw, insn, slot, n);
	return 0;
}

static int refresh(struct rewriter *rw)
{
	int ret = rewrite_compact(rw);

	flow_free(rw->code, &rw->flow);
	return ret ? ret : flow_build(rw->code, &rw->flow);
}

/* What follows from values: into blocks and out again. */
static int values(struct rewriter *rw)
{
	int ret;

	rewrite_wide(rw);
	rewrite_blocks(rw);
	rewrite_stack(rw);
	rewrite_dead(rw);
	ret = rewrite_compact(rw);
	flow_free(rw->code, &rw->flow);
	/* branches fell and blocks emptied: once more */
	ret = ret ? ret : rewrite_jumps(rw);
	return ret ? ret : refresh(rw);
}

/* Once a function no longer takes its frame's address (it did for a call that was inlined, or to go by
 * another register), values can live there. */
static int values_again(struct rewriter *rw)
{
	uint32_t n = rw->code->nr_sub, better = 0;

	for (uint32_t k = 0; k < n; k++)
		better |= rw->frame[k] == FRAME_ESCAPES ? 1u << k % 32 : 0;
	rewrite_frames(rw);
	for (uint32_t k = 0; k < n; k++)
		better &= rw->frame[k] == FRAME_ESCAPES ? ~(1u << k % 32) : UINT32_MAX;
	return better ? values(rw) : 0;
}

int rewrite_code(struct code *code, const char *no_rules, uint32_t hits[REWRITE_RULE_COUNT])
{
	struct rewriter rw = { .code = code, .on = rules_on(code, no_rules) };
	int ret = 0;

	if (rw.on) {
		if (code->uses_stack && rule_on(&rw, RULE_FORWARD)) {
			rw.frame = mem_array(code->host, code->nr_sub, 1);
			ret = rw.frame ? 0 : -ENOMEM;
		}
		ret = ret ? ret : rewrite_inline(&rw);
		ret = ret ? ret : rewrite_jumps(&rw);
		ret = ret ? ret : rewrite_compact(&rw);
		ret = ret ? ret : rewrite_tails(&rw);
		ret = ret ? ret : refresh(&rw);
		if (!ret && rw.frame)
			rewrite_frames(&rw);
		ret = ret ? ret : values(&rw);
		if (!ret && rw.frame)
			ret = values_again(&rw);
		if (!ret && rw.frame && rewrite_promote(&rw))
			ret = refresh(&rw) ? -ENOMEM : values(&rw);
		if (!ret) {
			rewrite_chains(&rw);
			ret = rewrite_loops(&rw);
		}
		if (!ret && rw.changed)
			ret = refresh(&rw);
		if (!ret) {
			rewrite_fuse(&rw);
			ret = rewrite_compact(&rw);
		}
		flow_free(code, &rw.flow);
		mem_free(code->host, rw.frame, code->nr_sub);
	}
	if (hits)
		memcpy(hits, rw.hits, sizeof rw.hits);
	return ret;
}
