/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rename.c - a block's values get registers anew, and its instructions another order.
 *
 * A value is what one instruction of the block makes, or what a register holds where the block begins.  A copy makes
 * none: it is another name.  Instructions are put one by one; each gets its operands where they are, and its result
 * goes to a register that nobody reads any more.  At the end every value that is read later is copied to where the code
 * around expects it.  What needs more registers or instructions than before is left as it was.
 *
 * In their own order (rename) that saves copies, as of values that move up one place each round of an unrolled loop.
 * In a program without loops (schedule) what a result is made of is put when it is needed, of two operands first the
 * one that takes longer: a processor that looks 200 instructions ahead then has the steps that wait for each other
 * spread over the block, and not at its end behind all that could be made early.  In loops, where the next round stands
 * behind, the compiler's order was the better one.  Memory is accessed in the order of the program but that loads of
 * different words by one address may change places where no map is: what a run is given is its own, but another writer
 * of a map may count on the order in which two of its words are read. */
#include <string.h>
#include "vm/lanes.h"
#include "vm/rewrite/in.h"

enum { LONGEST = 224, VALUES = LONGEST + REGS, NONE = 0xff,
       SHORTEST = 16, AHEAD = 32 };	/* of a block that is put in order; how far loads step forward in it */

struct node {
	uint8_t operand[3];	/* values: dst, src, index; NONE */
	uint8_t made;		/* value; NONE */
	uint8_t group;		/* of accesses in any order; 0: no access */
	bool root, done;	/* is nobody's operand but the code's behind the block */
	uint16_t depth;		/* cycles from the start of the block to its result */
};
struct block {
	struct rewriter *rw;
	const struct subprog *sub;
	uint32_t head, n, to, allowed, turn, mem;	/* mem: first access that is not put yet */
	bool schedule;
	uint8_t now[REGS];	/* while read: value of each register; then at the end */
	uint8_t owner[REGS];	/* while put: value in each register, NONE: none that is read */
	uint8_t at[VALUES], home[VALUES];	/* register, wanted register of each value */
	uint16_t uses[VALUES];	/* reads to come: an instruction may read a value up to three times */
	struct node node[LONGEST];
	struct insn out[LONGEST];
	uint32_t slot[LONGEST];
};

static bool narrow(const struct insn *in)
{
	const struct op_info *op = &isa_op[in->op];

	return !(op->flags & (OPF_WIDTH64 | OPF_SIGNED)) &&
	       (1u << op->shape & (1u << SHAPE_ALU_K | 1u << SHAPE_ALU_X) ||
		(1u << op->shape & (1u << SHAPE_LOAD | 1u << SHAPE_FUSED_LOAD) && op->size < 8));
}

static bool is_kind(const struct insn *in)
{
	enum { KINDS = 1u << SHAPE_ALU_K | 1u << SHAPE_ALU_X | 1u << SHAPE_UN | 1u << SHAPE_LOAD | 1u << SHAPE_WIDE |
		       1u << SHAPE_STORE_X | 1u << SHAPE_STORE_K | 1u << SHAPE_FUSED_LOAD | 1u << SHAPE_FUSED_STORE };

	return 1u << isa_op[in->op].shape & KINDS && (isa_op[in->op].shape != SHAPE_FUSED_LOAD || isa_indexed(in->op));
}

static uint8_t use(struct block *b, uint32_t reg)
{
	b->uses[b->now[reg]]++;
	return b->now[reg];
}

static void read_block(struct block *b)
{
	enum { SRC = 1u << SHAPE_ALU_X | 1u << SHAPE_LOAD | 1u << SHAPE_STORE_X | 1u << SHAPE_FUSED_LOAD | 1u << SHAPE_FUSED_STORE };
	enum { DST = 1u << SHAPE_ALU_K | 1u << SHAPE_ALU_X | 1u << SHAPE_UN | 1u << SHAPE_STORE_X | 1u << SHAPE_STORE_K |
		     1u << SHAPE_FUSED_STORE };
	const struct insn *insn = &b->rw->code->insn[b->head];
	bool zero_up[VALUES] = { false };
	uint32_t live = b->rw->flow.live[b->head + b->n];
	uint64_t seen = 0;
	uint8_t group = 0, base = NONE;

	memset(b->uses, 0, sizeof b->uses);
	for (uint32_t r = 0; r < REGS; r++)
		b->now[r] = (uint8_t)r;
	for (uint32_t k = 0; k < b->n; k++) {
		const struct insn *in = &insn[k];
		struct node *node = &b->node[k];
		uint32_t shape = 1u << isa_op[in->op].shape;

		*node = (struct node){ { NONE, NONE, NONE }, NONE, 0, true, false, 0 };
		if (in->src != 10 && (in->op == OP_MOV64_X || (in->op == OP_MOV32_X && zero_up[b->now[in->src]]))) {
			b->now[in->dst] = b->now[in->src];
			node->done = true;
			continue;
		}
		if (in->op == OP_LDDW && b->schedule) {
			uint32_t j = 0;

			while (j < k && (insn[j].op != OP_LDDW || insn[j].imm != in->imm))
				j++;
			if (j < k && b->node[j].made != NONE) {
				b->now[in->dst] = b->node[j].made;
				node->done = true;
				continue;
			}
		}
		if (shape & SRC)
			node->operand[1] = use(b, in->src);
		if (shape & DST && !(isa_op[in->op].code >> 4 == 0xb && shape <= 1u << SHAPE_ALU_X))	/* not moves */
			node->operand[0] = use(b, in->dst);
		if (isa_indexed(in->op))
			node->operand[2] = use(b, in->imm_lo & 15);
		if (isa_op[in->op].size) {
			uint32_t first = (uint32_t)in->off >> 3, last = ((uint32_t)in->off + isa_op[in->op].size - 1) >> 3;
			uint64_t bytes = 1ull << (first & 63) | 1ull << (last & 63);

			if (shape != 1u << SHAPE_LOAD || isa_op[in->op].group == ISA_LINUX || base != node->operand[1] || seen & bytes ||
			    b->rw->code->nr_map) {
				group++;
				seen = 0;
			}
			base = shape == 1u << SHAPE_LOAD && isa_op[in->op].group != ISA_LINUX ? node->operand[1] : NONE;
			seen |= bytes;
			node->group = group;
		}
		for (int o = 0; o < 3; o++)
			if (node->operand[o] != NONE && node->operand[o] >= REGS) {
				struct node *from = &b->node[node->operand[o] - REGS];

				from->root = false;
				node->depth = from->depth > node->depth ? from->depth : node->depth;
			}
		node->depth += flow_latency(in);
		if (insn_writes(in)) {
			b->now[in->dst] = node->made = (uint8_t)(REGS + k);
			zero_up[node->made] = narrow(in);
		}
	}
	for (uint32_t r = 0; r < REGS; r++)
		if (live >> r & 1)
			use(b, r);
}

/* From the end: where each value should be. */
static void look_back(struct block *b)
{
	uint32_t live = b->rw->flow.live[b->head + b->n];

	memset(b->home, NONE, sizeof b->home);
	for (uint32_t r = 0; r < REGS; r++)
		if (live >> r & 1)
			b->home[b->now[r]] = (uint8_t)r;
	for (uint32_t k = b->n; k-- > 0; ) {
		const struct node *node = &b->node[k];

		if (node->operand[0] != NONE && node->made != NONE && b->home[node->operand[0]] == NONE)
			b->home[node->operand[0]] = b->home[node->made];
	}
}

/* A register that holds nothing that is read, the wanted one if it does so; NO_REG: all do. */
static uint8_t spare(struct block *b, uint8_t wanted, uint8_t but)
{
	if (wanted != NONE && b->allowed >> wanted & 1 && b->owner[wanted] == NONE && wanted != but)
		return wanted;
	for (uint32_t k = 0, r = b->turn; k < REGS; k++, r = r == 10 ? 0 : r + 1) {
		if (!(b->allowed >> r & 1) || b->owner[r] != NONE || r == but)
			continue;
		b->turn = b->schedule ? r + 1 : 0;	/* the longer a register was not used the further a load into it can step */
		return (uint8_t)r;
	}
	return NO_REG;
}

static bool put(struct block *b, struct insn in, uint32_t slot, uint32_t ahead)
{
	uint32_t at = b->to;

	if (at >= b->n)
		return false;
	for (b->to++; at && ahead; at--, ahead--) {
		const struct insn *last = &b->out[at - 1];

		if (isa_op[last->op].size || insn_writes(last) & (1u << in.dst | 1u << in.src) || insn_reads(last) >> in.dst & 1)
			break;
		b->out[at] = *last;
		b->slot[at] = b->slot[at - 1];
	}
	b->out[at] = in;
	b->slot[at] = slot;
	return true;
}

static bool copy(struct block *b, uint8_t to, uint8_t from, uint32_t slot)
{
	return put(b, (struct insn){ .op = OP_MOV64_X, .dst = to & 15, .src = from & 15 }, slot, 0);
}

static void read_operand(struct block *b, uint8_t value)
{
	if (value != NONE && !--b->uses[value] && b->owner[b->at[value]] == value)
		b->owner[b->at[value]] = NONE;
}

/* Does the instruction's result need one register more than its operands leave? */
static bool needs_copy(const struct block *b, const struct node *node, const struct insn *in)
{
	if (node->operand[0] == NONE || node->made == NONE || b->uses[node->operand[0]] == 1u + (node->operand[0] == node->operand[1]))
		return false;
	return !(flow_commutes(in) && b->uses[node->operand[1]] == 1 && node->operand[1] != 10);
}

static bool put_node(struct block *b, uint32_t k)
{
	struct node *node = &b->node[k];
	struct insn in = b->rw->code->insn[b->head + k];
	uint32_t slot = b->rw->code->slot[b->head + k];
	uint8_t d = node->operand[0], s = node->operand[1], to;
	bool copies = needs_copy(b, node, &in);

	node->done = true;
	if (s != NONE)
		in.src = b->at[s] & 15;
	if (node->operand[2] != NONE)
		in.imm_lo = insn_index(b->at[node->operand[2]], in.imm_lo >> 4);
	for (int o = 0; o < 3; o++)
		read_operand(b, node->operand[o]);
	if (node->made == NONE) {
		in.dst = b->at[d] & 15;
		return put(b, in, slot, 0);
	}
	if (d == NONE || copies) {
		to = spare(b, b->home[node->made], copies ? in.src : NONE);
		if (to == NO_REG || (copies && !copy(b, to, b->at[d], slot)))
			return false;
	} else if (b->uses[d]) {	/* commutes, and the other is not read again */
		to = in.src;
		in.src = b->at[d] & 15;
	} else {
		to = b->at[d];
	}
	in.dst = to & 15;
	b->at[node->made] = to;
	if (b->uses[node->made])
		b->owner[to] = node->made;
	/* a load that does not become one with who reads it */
	return put(b, in, slot, b->schedule && isa_op[in.op].shape == SHAPE_LOAD && b->uses[node->made] > 1 ? AHEAD : 0);
}

/* All that is read later goes to where it belongs. */
static bool go_home(struct block *b, uint32_t live, uint32_t slot)
{
	for (uint32_t left = 2 * REGS; left; left--) {
		uint8_t away = NO_REG, to, value;

		for (uint8_t r = 0; r < REGS && (away == NO_REG || b->owner[away] != NONE); r++)
			if (live >> r & 1 && b->at[b->now[r]] != r)
				away = r;
		if (away == NO_REG)
			return true;
		value = b->now[away];
		to = b->owner[away] == NONE ? away : spare(b, NONE, NONE);	/* a circle: one steps out of it */
		if (to == NO_REG || !copy(b, to, b->at[value], slot))
			return false;
		if (to == away && b->uses[value] > 1) {	/* the others go from here */
			b->uses[value]--;
			live &= ~(1u << away);
			b->owner[away] = value;
			continue;
		}
		b->owner[b->at[value]] = NONE;
		b->owner[to] = value;
		b->at[value] = to;
	}
	return false;
}

/* Puts an instruction behind those that it needs, the longest way first; false: there is no room. */
static bool put_after(struct block *b, uint32_t k)
{
	uint8_t stack[LONGEST], n = 0;

	for (stack[n++] = (uint8_t)k; n; ) {
		const struct node *node = &b->node[k = stack[n - 1]];
		uint32_t next = b->n;

		while (b->mem < b->n && (b->node[b->mem].done || !b->node[b->mem].group))
			b->mem++;
		for (int o = 0; o < 3; o++) {
			uint32_t from = node->operand[o] - REGS;	/* NONE and what the block begins with: done, or far */

			if (from < b->n && !b->node[from].done && (next == b->n || b->node[from].depth > b->node[next].depth))
				next = from;
		}
		if (next == b->n && node->group && b->node[b->mem].group != node->group)
			next = b->mem;
		if (next != b->n)
			stack[n++] = (uint8_t)next;
		else if (n--, !put_node(b, k))
			return false;
	}
	return true;
}

static bool put_block(struct block *b)
{
	uint32_t live = b->rw->flow.live[b->head + b->n];

	b->to = b->mem = b->turn = 0;
	memset(b->owner, NONE, sizeof b->owner);
	for (uint32_t r = 0; r < REGS; r++) {
		b->at[r] = (uint8_t)r;
		b->owner[r] = b->uses[r] ? (uint8_t)r : NONE;
	}
	for (uint32_t k = 0; k < b->n; k++)
		if (!b->node[k].done && (!b->schedule || b->node[k].root) && !put_after(b, k))
			return false;
	return go_home(b, live, b->rw->code->slot[b->head + b->n - 1]);
}

static bool try_block(struct block *b, bool schedule)
{
	struct code *code = b->rw->code;

	b->schedule = schedule;
	if (!b->allowed)
		for (uint32_t i = b->sub->start; i < b->sub->end; i++)
			b->allowed |= (flow_writes(&code->insn[i]) & 0x3ff) | 0x3f;
	read_block(b);
	look_back(b);
	if (!put_block(b) || (!schedule && b->to == b->n))
		return false;
	memcpy(&code->insn[b->head], b->out, b->to * sizeof *b->out);
	memcpy(&code->slot[b->head], b->slot, b->to * sizeof *b->slot);
	for (; b->to < b->n; b->to++)
		drop(&code->insn[b->head + b->to]);
	return hit(b->rw, schedule ? RULE_SCHEDULE : RULE_RENAME);
}

static void rename_sub(struct block *b, const struct subprog *sub)
{
	struct rewriter *rw = b->rw;
	struct lanes lanes;

	b->sub = sub;
	b->allowed = 0;
	for (uint32_t i = sub->start, copies; i < sub->end; i += b->n + 1) {
		const struct insn *in = &rw->code->insn[i];

		b->n = 0;
		if (rw->flow.mark[i] & FLOW_LOOP && rule_on(rw, RULE_WHOLE) && lanes_at(rw->code, &rw->flow, i, &lanes)) {
			i = lanes.tail;
			continue;
		}
		for (copies = 0; b->n < LONGEST && is_kind(in + b->n) && (!b->n || !(rw->flow.mark[i + b->n] & FLOW_TARGET)); b->n++)
			copies += in[b->n].op == OP_MOV64_X || in[b->n].op == OP_MOV32_X;
		b->head = i;
		if ((b->n < SHORTEST || rw->flow.loops || !rule_on(rw, RULE_SCHEDULE) || !try_block(b, true)) && copies > 1 &&
		    rule_on(rw, RULE_RENAME))
			try_block(b, false);
		b->n -= rw->flow.mark[i + b->n] & FLOW_TARGET && b->n;	/* the next begins there, or behind what ended it */
	}
}

void rewrite_rename(struct rewriter *rw)
{
	struct block b;


	b.rw = rw;
	for (uint32_t k = 0; k < rw->code->nr_sub; k++)
		rename_sub(&b, &rw->code->sub[k]);
}
