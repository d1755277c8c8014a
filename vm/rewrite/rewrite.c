/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.c - the rules' table and the order of the passes.
 *
 * A rule never changes what a program does or, where steps are counted, what it is charged: CHARGE
 * stays in its block.  Passes mark what they drop as DELETED; compaction closes the gaps.  In checked
 * code no memory access is touched, so that each fault stays what and where it was. */
#include <errno.h>
#include <string.h>
#include "vm/mem.h"
#include "vm/rewrite/in.h"
#include "vm/message.h"

const uint8_t rewrite_needs[REWRITE_RULE_COUNT] = {
#define RULE(id, name, needs, text) needs,
	REWRITE_RULES(RULE)
#undef RULE
};
const char rewrite_names[] MESSAGE_PACKED =
#define RULE(id, name, needs, text) name "\0"
	REWRITE_RULES(RULE);
#undef RULE

const char *rule_name(const char *names, int index)
{
	return text_nth(message_text(names), (size_t)index);
}

int rule_index(const char *names, const char *name, size_t len)
{
	names = message_text(names);
	for (int k = 0; *names; k++, names = text_next(names))
		if (strlen(names) == len && !memcmp(names, name, len))
			return k;
	return -1;
}

uint64_t rules_not_in(const char *names, const char *list)
{
	uint64_t on = UINT64_MAX;

	for (const char *at = list; at && *at; at += strspn(at, ", ")) {
		size_t len = strcspn(at, ", ");
		int k = rule_index(names, at, len);

		if (k >= 0)
			on &= ~(1ull << k);
		else if (len == 3 && !memcmp(at, "all", 3))
			on = 0;
		at += len;
	}
	return on;
}

static uint64_t rules_on(const struct code *code, const char *no_rules)
{
	uint64_t on = rules_not_in(rewrite_names, no_rules);

	for (int k = 0; k < REWRITE_RULE_COUNT; k++)
		if ((code->checked && rewrite_needs[k] & MOVES_MEMORY) || (code->metered && rewrite_needs[k] & MERGES_BLOCKS) ||
		    (!code->compiled && rewrite_needs[k] & ONLY_COMPILED))
			on &= ~(1ull << k);
	return on;
}

static bool has_target(const struct insn *insn)
{
	return flow_is_jump(insn) || insn->op == OP_CALL_LOCAL || insn->op == OP_LD_FUNC;
}

static void edit_free(struct rewriter *rw, struct edit *e)
{
	mem_free(rw->code->host, e->label, (rw->code->n + 1) * sizeof *e->label);
	mem_free(rw->code->host, e->slot, e->cap * sizeof *e->slot);
	mem_free(rw->code->host, e->insn, e->cap * sizeof *e->insn);
}

int edit_begin(struct rewriter *rw, struct edit *e, uint32_t cap)
{
	struct vm_host *host = rw->code->host;

	*e = (struct edit){ mem_array(host, cap, sizeof *e->insn), mem_array(host, cap, sizeof *e->slot),
			    mem_array(host, rw->code->n + 1, sizeof *e->label), 0, cap };
	if (e->insn && e->slot && e->label)
		return 0;
	edit_free(rw, e);
	return -ENOMEM;
}

void edit_put(struct edit *e, struct insn in, uint32_t slot)
{
	e->insn[e->n] = in;
	e->slot[e->n++] = slot;
}

void edit_goto(struct edit *e, int32_t to, uint32_t slot)
{
	edit_put(e, (struct insn){ .op = OP_JA, .off = to }, slot);
}

void edit_copy(struct edit *e, const struct code *code, uint32_t from, uint32_t to)
{
	for (; from < to; from++) {
		e->label[from] = e->n;
		if (code->insn[from].op != DELETED)
			edit_put(e, code->insn[from], code->slot[from]);
	}
}

void edit_end(struct rewriter *rw, struct edit *e)
{
	struct code *code = rw->code;
	struct edit old = { code->insn, code->slot, e->label, 0, code->n };

	e->label[code->n] = e->n;
	for (uint32_t i = 0; i < e->n; i++)
		if (has_target(&e->insn[i]))
			e->insn[i].off = e->insn[i].off < 0 ? ~e->insn[i].off : (int32_t)e->label[e->insn[i].off];
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		code->sub[k].start = e->label[code->sub[k].start];
		code->sub[k].end = e->label[code->sub[k].end];
	}
	while (e->n < e->cap)	/* mem_array has zeroed it: DELETED */
		e->n++;
	edit_free(rw, &old);
	code->insn = e->insn;
	code->slot = e->slot;
	code->n = e->cap;
}

/* Leaves out what is DELETED.  A label on it moves to what comes next, which exists: the last
 * instruction of a subprogram ends it and is never dropped while it is reachable. */
int rewrite_compact(struct rewriter *rw)
{
	struct code *code = rw->code;
	uint32_t n = 0;
	struct edit e;

	for (uint32_t i = 0; i < code->n; i++)
		n += code->insn[i].op != DELETED;
	if (n == code->n)
		return 0;
	if (edit_begin(rw, &e, n))
		return -ENOMEM;
	edit_copy(&e, code, 0, code->n);
	edit_end(rw, &e);
	return 0;
}

int rewrite_refresh(struct rewriter *rw)
{
	int ret = rewrite_compact(rw);

	rw->changed = false;
	flow_free(rw->code, &rw->flow);
	return ret ? ret : flow_build(rw->code, &rw->flow);
}

static int settle(struct rewriter *rw) { return rw->changed ? rewrite_refresh(rw) : 0; }

/* What follows from values: into blocks and out again. */
static int values(struct rewriter *rw)
{
	int ret;

	rewrite_wide(rw);
	rewrite_blocks(rw);
	if (rw->new_constants)
		rewrite_wide(rw);
	rewrite_stack(rw);
	rewrite_dead(rw);
	ret = rewrite_compact(rw);
	flow_free(rw->code, &rw->flow);
	/* branches fell and blocks emptied: once more */
	ret = ret ? ret : rewrite_jumps(rw);
	return ret ? ret : rewrite_refresh(rw);
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
	int ret = rewrite_compact(&rw);

	if (!ret && rw.on) {
		ret = rewrite_inline(&rw);
		if (!ret && code->uses_stack && rule_on(&rw, RULE_FORWARD)) {
			rw.frame = mem_array(code->host, code->nr_sub, 1);
			ret = rw.frame ? 0 : -ENOMEM;
		}
		ret = ret ? ret : rewrite_jumps(&rw);
		ret = ret ? ret : rewrite_compact(&rw);
		ret = ret ? ret : rewrite_tails(&rw);
		ret = ret ? ret : rewrite_places(&rw);
		ret = ret ? ret : rewrite_refresh(&rw);
		if (!ret && rw.flow.loops)
			ret = rewrite_enters(&rw);
		if (!ret && rw.frame)
			rewrite_frames(&rw);
		ret = ret ? ret : values(&rw);
		ret = ret ? ret : rewrite_invariants(&rw);
		if (!ret && rw.hits[RULE_INVARIANT])
			ret = values(&rw);
		if (!ret && rw.frame)
			ret = values_again(&rw);
		if (!ret && rw.hits[RULE_FLAG])		/* who kept outcomes has no more use for them */
			ret = values(&rw);
		if (!ret && rw.frame && rewrite_promote(&rw))
			ret = rewrite_refresh(&rw) ? -ENOMEM : values(&rw);
		if (!ret && rw.hits[RULE_INDEX]) {	/* other blocks no longer use an address as such */
			rw.changed = false;
			rewrite_dead(&rw);
			ret = settle(&rw);
		}
		if (!ret) {
			rewrite_chains(&rw);
			ret = rw.flow.loops ? rewrite_loops(&rw) : 0;
		}
		ret = ret ? ret : settle(&rw);
		if (!ret) {
			rewrite_rename(&rw);
			ret = settle(&rw);
			if (!ret && rw.flow.loops)
				ret = rewrite_latches(&rw);
		}
		if (!ret) {
			rewrite_sink(&rw);
			ret = settle(&rw);
		}
		if (!ret) {
			rewrite_fuse(&rw);
			ret = rewrite_compact(&rw);
		}
		if (!ret && rw.hits[RULE_INLINE])	/* callbacks may have become calls */
			ret = code_count_frames(code, NULL);
		flow_free(code, &rw.flow);
		mem_free(code->host, rw.frame, code->nr_sub);
	}
	if (hits)
		memcpy(hits, rw.hits, sizeof rw.hits);
	return ret;
}
