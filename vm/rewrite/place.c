/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* place.c - where blocks stand.
 *
 * A run is a stretch of code up to its first goto or exit.  Where nothing but a goto at the end of one run leads
 * to the head of another, that one is put there.  A run that ends with a goto to its own head is a loop entered
 * in its middle: it is turned so that it begins there.  Where a branch leads back to the run in front of a loop's
 * beginning and nothing else does, that run is put behind the branch, so that a round is one jump and not two.
 * And where a branch is likelier to jump than not, the run that only it leads to is put behind it. */
#include <errno.h>
#include <string.h>
#include "vm/mem.h"
#include "vm/rewrite/in.h"

/* How an instruction is reached; it is put elsewhere; times the branches that its run is to stand behind, one in
 * the run of the other. */
enum { ONE = 1, MORE = 2, MOVES = 4, NEST = 8, DEEPEST = 31 };
enum { RUNS = 16, RUN = 512 };

static void reach(uint8_t *reached) { *reached |= *reached ? MORE : ONE; }

/* Instruction i is a goto to the head of a run that is reached by nothing else. */
static bool takes_place(const struct code *code, const uint8_t *reached, uint32_t i)
{
	return flow_is_goto(&code->insn[i]) && (reached[code->insn[i].off] & (ONE | MORE)) == ONE;
}

static uint32_t run_end(const struct code *code, uint32_t i)
{
	uint32_t from = i;

	while (flow_falls(&code->insn[i]) && i - from < RUN)
		i++;
	return i;
}

/* Would the runs that goto i draws in come round to it again? */
static bool comes_round(const struct code *code, const uint8_t *reached, uint32_t i)
{
	uint32_t at = i;

	for (int k = 0; k < RUNS; k++) {
		at = run_end(code, (uint32_t)code->insn[at].off);
		if (at == i || flow_falls(&code->insn[at]))
			return true;
		if (!takes_place(code, reached, at) || !(reached[code->insn[at].off] & MOVES))
			return false;
	}
	return true;
}

/* Does branch i lead back to a run that another goto jumps over into the loop, and that ends before it? */
static bool leads_back(const struct code *code, const uint8_t *reached, uint32_t i)
{
	uint32_t to = (uint32_t)code->insn[i].off, at, into;

	if (!flow_is_branch(&code->insn[i]) || flow_inverse(code->insn[i].op) == OP_BAD || !to || to > i ||
	    (reached[to] & (ONE | MORE)) != ONE || !flow_is_goto(&code->insn[to - 1]))
		return false;
	into = (uint32_t)code->insn[to - 1].off;
	for (at = to; at < into && flow_falls(&code->insn[at]); at++)
		if (flow_is_jump(&code->insn[at]) && reached[code->insn[at].off] & MOVES)
			return false;
	return at < into && into <= i && !(flow_is_goto(&code->insn[at]) && reached[code->insn[at].off] & MOVES);
}

static void put_runs(struct edit *e, const struct code *code, const uint8_t *reached, uint32_t i, bool moved);

/* Instruction i, and behind a branch the run that it leads back to. */
static void put_one(struct edit *e, const struct code *code, const uint8_t *reached, uint32_t i)
{
	struct insn in = code->insn[i];
	bool back = flow_is_branch(&in) && reached[in.off] & MOVES;

	e->label[i] = e->n;
	if (back) {
		in.op = (uint16_t)flow_inverse(in.op);
		in.off = (int32_t)i + 1;
	}
	edit_put(e, in, code->slot[i]);
	if (back)
		put_runs(e, code, reached, (uint32_t)code->insn[i].off, true);
}

/* From i to the end of what belongs there; `moved`: i is such a run. */
static void put_runs(struct edit *e, const struct code *code, const uint8_t *reached, uint32_t i, bool moved)
{
	for (;; i++) {
		if (flow_is_goto(&code->insn[i]) && reached[code->insn[i].off] & MOVES) {
			e->label[i] = e->n;
			moved = true;
			i = (uint32_t)code->insn[i].off - 1;
			continue;
		}
		put_one(e, code, reached, i);
		if (!moved || !flow_falls(&code->insn[i]))
			return;
	}
}

/* Where the loop that is the run from i begins when it is turned; 0: it is no such loop. */
static uint32_t entered_at(const struct code *code, const uint8_t *reached, uint32_t i)
{
	uint32_t end, to;

	if (!i || !flow_is_goto(&code->insn[i - 1]) || (uint32_t)code->insn[i - 1].off <= i)
		return 0;
	end = run_end(code, i);
	to = (uint32_t)code->insn[i - 1].off;
	return to <= end && takes_place(code, reached, end) && (uint32_t)code->insn[end].off == i ? to : 0;
}

static uint32_t put_turned(struct edit *e, const struct code *code, const uint8_t *reached, uint32_t head,
			   uint32_t first)
{
	uint32_t end = run_end(code, head);

	for (uint32_t k = 0; k < end - head; k++)
		put_one(e, code, reached, first + k < end ? first + k : first + k - end + head);
	e->label[end] = e->label[head];
	edit_goto(e, (int32_t)first, code->slot[end]);
	return end;
}

static void find_reached(const struct code *code, uint8_t *reached)
{
	for (uint32_t k = 0; k < code->nr_sub; k++)
		reached[code->sub[k].start] = ONE | MORE;
	for (uint32_t i = 0; i < code->n; i++) {
		if (flow_is_jump(&code->insn[i]))
			reach(&reached[code->insn[i].off]);
		if (flow_falls(&code->insn[i]) && i + 1 < code->n)
			reach(&reached[i + 1]);
	}
}

static uint32_t find_places(const struct code *code, uint8_t *reached)
{
	uint32_t places = 0;

	for (uint32_t i = 0; i < code->n; i++) {
		if (!takes_place(code, reached, i))
			continue;
		if (!comes_round(code, reached, i))
			reached[code->insn[i].off] |= MOVES;
		else if (!entered_at(code, reached, (uint32_t)code->insn[i].off))
			continue;
		places += (uint32_t)code->insn[i].off != i + 1;
	}
	for (uint32_t i = 0; i < code->n; i++)
		if (leads_back(code, reached, i)) {
			reached[code->insn[i].off] |= MOVES;
			places++;
		}
	return places;
}

/* ---- what is likely ----
 *
 * A register that is one of few numbers (r &= 15) and is compared with constants behind that: as likely as a way is
 * the share of the numbers that go there.  In a chain of tests for equality that leaves most of them, because they
 * are greater than all that is asked for, the question for those comes first. */

enum { NUMBERS = 64, WAYS = 8, FAR = 64 };
struct way { uint32_t at, nest; uint64_t numbers; };

static uint64_t taken(const struct insn *in, uint64_t numbers)
{
	uint64_t yes = 0;

	for (uint64_t left = numbers; left; left &= left - 1)
		if (isa_taken((enum op)in->op, (uint64_t)__builtin_ctzll(left), (uint64_t)in->imm))
			yes |= left & -left;
	return yes;
}

static bool most(uint64_t part, uint64_t all) { return 2 * __builtin_popcountll(part) > __builtin_popcountll(all); }

/* Does a loop go round branch `at` and end before what it leads to? */
static bool ends_between(const struct code *code, uint32_t at)
{
	for (uint32_t i = at + 1, to = (uint32_t)code->insn[at].off; i < to && i - at < RUN; i++)
		if (flow_is_jump(&code->insn[i]) && (uint32_t)code->insn[i].off <= at)
			return true;
	return false;
}

/* May what branch `from` leads to stand behind it?  What is drawn in there comes from further on, and it does not just
 * leave the loop, which is done once. */
static bool comes_forward(const struct code *code, const uint8_t *reached, uint32_t from)
{
	uint32_t to = (uint32_t)code->insn[from].off, at = to;
	bool back = !ends_between(code, from);

	for (int k = 0; k < RUN; k++, at++) {
		const struct insn *in = &code->insn[at];

		back |= flow_is_jump(in) && (uint32_t)in->off <= to;
		if (flow_is_jump(in) && reached[in->off] & MOVES) {
			if ((uint32_t)in->off <= at)
				return false;
			if (flow_is_goto(in))
				at = (uint32_t)in->off - 1;
		} else if (!flow_falls(in)) {
			return back;
		}
	}
	return false;
}

/* The number that a test for equality asks for. */
static uint64_t asked(const struct insn *in) { return (uint64_t)in->imm < NUMBERS ? 1ull << in->imm : 0; }

/* Tests of one register for equality, one after the other; the last jumps where none is met. */
static void ask_for_rest(struct rewriter *rw, const uint8_t *reached, uint32_t at, const struct way *way)
{
	struct insn *first = &rw->code->insn[at], *in = first, last;
	uint32_t slot;
	uint64_t rest = way->numbers;

	for (; in->op == OP_JEQ64_K || in->op == OP_JEQ32_K; in++) {
		rest &= ~asked(in);
		if (in[1].dst != in->dst || reached[in + 1 - rw->code->insn] != ONE)
			return;
	}
	if (in->op != OP_JNE64_K && in->op != OP_JNE32_K)
		return;
	rest &= ~asked(in);
	last = *in;
	last.imm = 63 - __builtin_clzll((way->numbers & ~rest) | 1);
	if (in == first || !most(rest, way->numbers) || rest & ((2ull << last.imm) - 1) || !rule_on(rw, RULE_REST))
		return;
	last.op = (uint16_t)(last.op == OP_JNE64_K ? OP_JGT64_K : OP_JGT32_K);
	slot = rw->code->slot[at + (in - first)];
	memmove(first + 1, first, (size_t)(in - first) * sizeof *in);
	memmove(&rw->code->slot[at + 1], &rw->code->slot[at], (size_t)(in - first) * sizeof slot);
	*first = last;
	rw->code->slot[at] = slot;
	hit(rw, RULE_REST);
}

/* What branch `at` leads to, further on, is put behind it when most numbers go there: how deep it stands then. */
static uint32_t turn(struct rewriter *rw, uint8_t *reached, uint32_t at, const struct way *way, uint64_t yes)
{
	const struct insn *in = &rw->code->insn[at];

	if (!most(yes, way->numbers) || way->nest == DEEPEST || reached[in->off] != ONE || flow_inverse(in->op) == OP_BAD ||
	    !rule_on(rw, RULE_LIKELY) || !comes_forward(rw->code, reached, at))
		return 0;
	reached[in->off] |= (uint8_t)(MOVES | (way->nest + 1) * NEST);
	hit(rw, RULE_LIKELY);
	return way->nest + 1;
}

/* From behind the instruction that made the register one of the numbers. */
static void find_likely(struct rewriter *rw, uint8_t *reached, uint8_t reg, struct way first)
{
	const struct insn *insn = rw->code->insn;
	struct way todo[WAYS] = { first };

	for (int n = 1; n--; ) {
		struct way way = todo[n];

		for (uint32_t at = way.at; at - way.at < FAR && way.numbers && (reached[at] & (ONE | MORE)) == ONE; at++) {
			uint64_t yes;

			if (isa_op[insn[at].op].shape != SHAPE_JCC_K || insn[at].dst != reg) {
				if (!flow_falls(&insn[at]) || flow_writes(&insn[at]) >> reg & 1)
					break;
				continue;
			}
			ask_for_rest(rw, reached, at, &way);
			yes = taken(&insn[at], way.numbers);
			if ((uint32_t)insn[at].off > at && n < WAYS)
				todo[n++] = (struct way){ (uint32_t)insn[at].off, turn(rw, reached, at, &way, yes), yes };
			way.numbers &= ~yes;
		}
	}
}

/* The numbers that `in` leaves; 0: more. */
static uint64_t numbers_of(const struct insn *in)
{
	uint64_t numbers = 0;

	if ((uint64_t)in->imm >= NUMBERS)
		return 0;
	if (in->op == OP_MOD64_K || in->op == OP_MOD32_K)
		return (1ull << in->imm) - 1;
	if (in->op == OP_AND64_K || in->op == OP_AND32_K)
		for (uint64_t k = (uint64_t)in->imm; ; k = (k - 1) & (uint64_t)in->imm) {
			numbers |= 1ull << k;
			if (!k)
				break;
		}
	return numbers;
}

static void find_turns(struct rewriter *rw, uint8_t *reached)
{
	const struct insn *insn = rw->code->insn;
	uint32_t nest = 0;

	for (uint32_t i = 0; i < rw->code->n; i++) {
		uint64_t numbers = numbers_of(&insn[i]);

		if (i && !flow_falls(&insn[i - 1]))
			nest = reached[i] / NEST;
		if (flow_is_goto(&insn[i]) && (uint32_t)insn[i].off > i && reached[insn[i].off] & MOVES)
			reached[insn[i].off] += (uint8_t)(nest * NEST);
		if (numbers)
			find_likely(rw, reached, insn[i].dst, (struct way){ i + 1, nest, numbers });
	}
}

int rewrite_places(struct rewriter *rw)
{
	struct code *code = rw->code;
	bool skip = false, some = false;
	uint8_t *reached;
	int ret = 0;
	struct edit e;

	for (uint32_t i = 0; i < code->n && !some; i++)
		some = flow_is_goto(&code->insn[i]) || numbers_of(&code->insn[i]);
	if (!some || !(rule_on(rw, RULE_PLACE) || rule_on(rw, RULE_LIKELY) || rule_on(rw, RULE_REST)))
		return 0;
	reached = mem_array(code->host, code->n, 1);
	if (!reached)
		return -ENOMEM;
	find_reached(code, reached);
	if (rule_on(rw, RULE_PLACE))
		rw->hits[RULE_PLACE] = find_places(code, reached);
	if (rule_on(rw, RULE_LIKELY) || rule_on(rw, RULE_REST))
		find_turns(rw, reached);
	if (rw->hits[RULE_PLACE] | rw->hits[RULE_LIKELY] && !(ret = edit_begin(rw, &e, code->n))) {
		for (uint32_t i = 0, first; i < code->n; i++) {
			skip |= reached[i] & MOVES;
			first = rule_on(rw, RULE_PLACE) ? entered_at(code, reached, i) : 0;
			if (!skip && first)
				i = put_turned(&e, code, reached, i, first);
			else if (!skip)
				put_runs(&e, code, reached, i, false);
			skip &= flow_falls(&code->insn[i]);
		}
		edit_end(rw, &e);
	}
	mem_free(code->host, reached, rw->code->n);
	return ret;
}
