/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mark.c - inserts the instructions that account and guard: CHARGE at each basic block, INIT_SET and
 * INIT_CHECK where dataflow cannot prove that a register was written before it is read.
 *
 * The proof is a forward must-analysis: a bit per register, met by intersection over all edges, with
 * the arguments of local calls flowing into the callee.  Every bit can fall once per instruction, so
 * the work is linear.  A register that some check tests is tracked in the whole program: each write
 * to it is followed by INIT_SET, calls clear r1-r5 in the engine itself. */
#include <errno.h>
#include <string.h>
#include "vm/code.h"
#include "vm/mem.h"

enum { TOP = 0xffff, ARGS = 0x3e, FP = 1 << 10 };
enum mark { LEADER = 1, QUEUED = 2, POLL = 4 };

struct marker {
	struct code *code;
	uint8_t *mark;			/* per instruction: enum mark */
	uint16_t *in;			/* per instruction: registers surely written before; TOP: not reached */
	uint16_t *check;		/* per instruction: registers to test before */
	uint32_t *queue, head, tail;
	uint32_t tracked;
};

static bool is_jump(uint8_t shape)
{
	return shape == SHAPE_JCC_K || shape == SHAPE_JCC_X || shape == SHAPE_JA;
}

static bool is_call(uint8_t shape)
{
	return shape == SHAPE_CALL || shape == SHAPE_LOCAL || shape == SHAPE_CALLX;
}

static bool falls_through(const struct insn *insn)
{
	return insn->op != OP_JA && insn->op != OP_JA32 && insn->op != OP_EXIT;
}

static void find_leaders(struct marker *m)
{
	struct code *code = m->code;

	for (uint32_t k = 0; k < code->nr_sub; k++)
		m->mark[code->sub[k].start] |= LEADER | POLL;
	for (uint32_t i = 0; i < code->n; i++) {
		const struct insn *insn = &code->insn[i];
		uint8_t shape = isa_op[insn->op].shape;

		if (is_jump(shape))
			m->mark[insn->off] |= (uint32_t)insn->off <= i ? LEADER | POLL : LEADER;
		if ((is_jump(shape) || is_call(shape) || shape == SHAPE_EXIT) && i + 1 < code->n)
			m->mark[i + 1] |= LEADER;
	}
}

/* ---- written before read ---- */

static uint32_t reads_of(const struct code *code, const struct insn *insn)
{
	if (isa_op[insn->op].shape == SHAPE_CALL)
		return helper_needs(code->helper[insn->off]);
	return insn_reads(insn);
}

static void flow(struct marker *m, uint32_t to, uint32_t mask)
{
	uint32_t met = m->in[to] & mask;

	if (met == m->in[to])
		return;
	m->in[to] = (uint16_t)met;
	if (m->mark[to] & QUEUED)
		return;
	m->mark[to] |= QUEUED;
	m->queue[m->tail] = to;
	m->tail = m->tail + 1 == m->code->n ? 0 : m->tail + 1;
}

static void step(struct marker *m, uint32_t i)
{
	const struct insn *insn = &m->code->insn[i];
	uint8_t shape = isa_op[insn->op].shape;
	uint32_t out = m->in[i] | insn_writes(insn);

	if (is_call(shape)) {
		if (shape == SHAPE_LOCAL)
			flow(m, (uint32_t)insn->off, (m->in[i] & ARGS) | FP);
		out = (m->in[i] & ~(uint32_t)ARGS) | 1;
	}
	if (is_jump(shape))
		flow(m, (uint32_t)insn->off, out);
	if (falls_through(insn))
		flow(m, i + 1, out);
}

static void find_checks(struct marker *m)
{
	struct code *code = m->code;

	for (uint32_t i = 0; i < code->n; i++)
		m->in[i] = TOP;
	flow(m, 0, FP | 1u << 1 | (code->type->flags & TYPE_RAW ? 1u << 2 : 0));
	for (uint32_t k = 0; k < code->nr_sub; k++)
		if (code->sub[k].callback)
			flow(m, code->sub[k].start, FP | ARGS);
	/* A ring of n entries: each instruction is queued at most once at a time, so head meets tail
	 * only when all or none wait; QUEUED of the entry at head tells which. */
	while (m->head != m->tail || (m->mark[m->queue[m->head]] & QUEUED)) {
		uint32_t i = m->queue[m->head];

		if (!(m->mark[i] & QUEUED))
			break;
		m->mark[i] &= (uint8_t)~QUEUED;
		m->head = m->head + 1 == code->n ? 0 : m->head + 1;
		step(m, i);
	}
	for (uint32_t i = 0; i < code->n; i++) {
		m->check[i] = (uint16_t)(reads_of(code, &code->insn[i]) & ~(uint32_t)m->in[i]);
		m->tracked |= m->check[i];
		if (code->insn[i].op == OP_CALLX)	/* of a helper: only the run knows what it needs */
			m->tracked |= ARGS;
	}
}

/* ---- the new program ---- */

static uint32_t bits(uint32_t mask)
{
	return (uint32_t)__builtin_popcount(mask);
}

/* Registers whose INIT_SET stands after the instruction; calls do it in the engine. */
static uint32_t sets_of(const struct marker *m, const struct insn *insn)
{
	return is_call(isa_op[insn->op].shape) ? 0 : insn_writes(insn) & m->tracked;
}

static uint32_t block_steps(const struct marker *m, uint32_t i)
{
	uint32_t steps = m->code->insn[i].steps;

	while (++i < m->code->n && !(m->mark[i] & LEADER))
		steps += m->code->insn[i].steps;
	return steps;
}

struct output {
	struct insn *insn;
	uint32_t *slot, *label, *self;	/* old index -> first inserted, the instruction itself */
	uint32_t n;
};

static void put(struct output *o, struct insn insn, uint32_t slot)
{
	o->insn[o->n] = insn;
	o->slot[o->n++] = slot;
}

static void put_marks(struct output *o, uint16_t op, uint32_t mask, uint32_t slot)
{
	for (uint8_t r = 0; mask; r++, mask >>= 1)
		if (mask & 1)
			put(o, (struct insn){ .op = op, .dst = r & 15 }, slot);
}

static void emit(const struct marker *m, struct output *o)
{
	struct code *code = m->code;

	for (uint32_t i = 0; i < code->n; i++) {
		o->label[i] = o->n;
		if (m->mark[i] & LEADER)
			put(o, (struct insn){ .op = OP_CHARGE, .dst = m->mark[i] & POLL ? 1 : 0,
					      .imm = block_steps(m, i) }, code->slot[i]);
		put_marks(o, OP_INIT_CHECK, m->check[i], code->slot[i]);
		o->self[i] = o->n;
		put(o, code->insn[i], code->slot[i]);
		put_marks(o, OP_INIT_SET, sets_of(m, &code->insn[i]), code->slot[i]);
	}
	o->label[code->n] = o->self[code->n] = o->n;
	for (uint32_t i = 0; i < o->n; i++) {
		uint8_t shape = isa_op[o->insn[i].op].shape;

		if (is_jump(shape) || shape == SHAPE_LOCAL || o->insn[i].op == OP_LD_FUNC)
			o->insn[i].off = (int32_t)o->label[o->insn[i].off];
	}
	for (uint32_t k = 0; k < code->nr_sub; k++) {
		code->sub[k].start = o->label[code->sub[k].start];
		code->sub[k].end = o->label[code->sub[k].end];
	}
}

static int rebuild(struct marker *m, uint32_t **moved)
{
	struct code *code = m->code;
	struct vm_host *host = code->host;
	uint32_t old = code->n, n = old;
	struct output o = { 0 };
	bool ok;

	for (uint32_t i = 0; i < old; i++)
		n += (m->mark[i] & LEADER) + bits(m->check[i]) + bits(sets_of(m, &code->insn[i]));
	o.insn = mem_array(host, n, sizeof *o.insn);
	o.slot = mem_array(host, n, sizeof *o.slot);
	o.label = mem_array(host, old + 1, sizeof *o.label);
	o.self = mem_array(host, old + 1, sizeof *o.self);
	ok = o.insn && o.slot && o.label && o.self;
	if (ok) {
		emit(m, &o);
		mem_free(host, code->insn, old * sizeof *code->insn);
		mem_free(host, code->slot, old * sizeof *code->slot);
		code->insn = o.insn;
		code->slot = o.slot;
		code->n = n;
	} else {
		mem_free(host, o.insn, n * sizeof *o.insn);
		mem_free(host, o.slot, n * sizeof *o.slot);
	}
	mem_free(host, o.label, (old + 1) * sizeof *o.label);
	if (ok && moved)
		*moved = o.self;
	else
		mem_free(host, o.self, (old + 1) * sizeof *o.self);
	return ok ? 0 : -ENOMEM;
}

int code_mark(struct code *code, uint32_t **moved, struct uebpf_error *err)
{
	struct marker m = { .code = code };
	struct vm_host *host = code->host;
	uint32_t n = code->n;
	int ret = -ENOMEM;

	if (moved)
		*moved = NULL;
	code->metered |= code->checked;
	if (code->marked || !code->metered) {
		code->marked = true;
		return 0;
	}
	m.mark = mem_array(host, n, 1);
	m.in = mem_array(host, n, sizeof *m.in);
	m.check = mem_array(host, n, sizeof *m.check);
	m.queue = mem_array(host, n, sizeof *m.queue);
	if (m.mark && m.in && m.check && m.queue) {
		find_leaders(&m);
		if (code->checked)
			find_checks(&m);
		ret = rebuild(&m, moved);
	}
	mem_free(host, m.queue, n * sizeof *m.queue);
	mem_free(host, m.check, n * sizeof *m.check);
	mem_free(host, m.in, n * sizeof *m.in);
	mem_free(host, m.mark, n);
	if (ret)
		return error_set(err, UEBPF_STAGE_LINK, UEBPF_E_MEMORY, ret, UINT32_MAX, "out of memory");
	code->marked = true;
	return 0;
}
