/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.c - arena pointers in verified code, as in the kernel (kernel/bpf/verifier.c, PTR_TO_ARENA).
 *
 * A cast to address space 0 makes a pointer of the low 32 bits of whatever number; any arithmetic keeps it one
 * and is done on 32 bits.  Nothing is known of where it points, and nothing needs to be: an access goes
 *	to   base - margin + ((pointer - base + margin) & mask) + displacement
 * which is mapped memory for every pointer and the arena's own for its addresses (struct uebpf_map.window).
 * An address outside of the arena reads and writes private memory around it, or wraps into it.
 *
 * Here are the rules for the walk and the instructions that verify_layout puts in: those that make an
 * address use a register that is dead there, and one made for a pointer serves until either changes. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"

enum { F_NO_USER_CONV = 1 << 18 };	/* of BPF_MAP_CREATE: address space 1 has no upper half either */

/* ---- the walk ---- */

/* The arena that the program uses, or NULL; *more: it uses another one, too. */
const struct uebpf_map *arena_of(const struct code *code, bool *more)
{
	const struct uebpf_map *arena = NULL;

	*more = false;
	for (uint32_t i = 0; i < code->nr_map; i++)
		if (code->map[i]->ops->traits & MT_ARENA) {
			*more = arena && arena != code->map[i];
			arena = code->map[i];
		}
	return arena;
}

static __attribute__((noinline)) int make_arena(struct env *e)
{
	set_pointer(e, e->d, K_ARENA);
	return step_insn(e, ST_DEF);
}

int do_cast(struct env *e)
{
	bool more;
	const struct uebpf_map *arena = arena_of(e->code, &more);
	struct reg low;

	if (!arena || more)
		return (refuse)(e, UEBPF_E_UNSAFE, more ? MESSAGE_TEXT("a program can use one arena only") :
			MESSAGE_TEXT("address space cast in a program that uses no arena: let it name its map, "
				     "e.g. asm volatile(\"\" :: \"r\"(&arena))"));
	if (!arena->window)
		return refuse(e, UEBPF_E_UNSUPPORTED, "no room is free around arena `%s`, which wild pointers need: give it "
			      "another map_extra or none, or use checked mode", arena->name);
	e->fact->flags |= FACT_CTX_TOO | FACT_CHANGES;
	if (e->in->op == OP_CAST_USER) {
		set_unknown(e, e->d);
		fact_result(e, e->d);
		return step_insn(e, ST_DEF);
	}
	set_bits(e, &low, 32);
	if (reg_const(e->s))		/* the address of a variable */
		set_constant(e, &low, (uint32_t)e->s->s.val);
	fact_result(e, &low);
	return make_arena(e);
}

/* d op= src: is an arena pointer among them?  Then it is done. */
bool arena_alu(struct env *e, const struct reg *src, int *err)
{
	bool arena = e->d->kind == K_ARENA || src->kind == K_ARENA;

	if (e->op->flags & OPF_WIDTH64)
		e->fact->flags |= arena ? FACT_CTX_TOO : FACT_PLAIN;
	if (arena)
		*err = make_arena(e);
	return arena;
}

/* ---- the instructions ---- */

struct out { struct insn *insn; int n; };

static void put(struct out *o, enum op op, unsigned dst, unsigned src, int32_t off, int64_t imm)
{
	o->insn[o->n++] = (struct insn){ .op = (uint16_t)op, .dst = dst & 15, .src = src & 15, .off = off, .imm = imm };
}

/* Address space 1 of this arena: its upper half, but NULL stays NULL. */
static int cast(const struct insn *in, const struct fact *f, const struct uebpf_map *arena, struct out *o)
{
	uint64_t high = (uint64_t)(uintptr_t)arena->base >> 32;

	if ((f->flags & FACT_RANGE) && f->lo == f->hi)
		put(o, OP_LDDW, in->dst, 0, 0, (int64_t)f->lo);
	else
		put(o, OP_MOV32_X, in->dst, in->src, 0, 0);
	if (in->op == OP_CAST_KERN || !high || (arena->flags & F_NO_USER_CONV))
		return o->n;
	put(o, OP_JEQ64_K, in->dst, 0, 0, 0);	/* over the rest; verify_layout mends jumps */
	put(o, OP_LSH64_K, in->dst, 0, 0, 32);
	put(o, OP_OR64_K, in->dst, 0, 0, (int64_t)high);
	put(o, OP_ROL64, in->dst, 0, 0, 32);
	return o->n;
}

/* Makes room in a register for an address: one that nobody needs here, best one that holds no other address; else
 * one that is kept on the stack meanwhile, below what the program uses of it. */
struct borrowed { uint8_t reg[2], n; };

static unsigned dead_register(uint32_t live)
{
	unsigned r = 0;

	while (r < 10 && (live >> r & 1))
		r++;
	return r;
}

static int32_t kept_at(const struct layout *l, uint32_t n)
{
	return -8 * (int32_t)((l->res->stack_depth + 7) / 8 + n);
}

static unsigned scratch(const struct layout *l, struct out *o, uint32_t live, uint32_t used, struct borrowed *b)
{
	uint32_t held = 0;
	unsigned r;

	for (int p = 0; p < 10; p++)
		held |= l->held[p] == NOT_HELD ? 0 : 1u << l->held[p];
	r = dead_register(live | used | held);
	r = r < 10 ? r : dead_register(live | used);
	if (r < 10 || !b)
		return r;
	r = dead_register(used);
	b->reg[b->n++] = (uint8_t)r;
	put(o, OP_STX_DW, 10, r, kept_at(l, b->n), 0);
	return r;
}

static int access(struct layout *l, const struct insn *in, uint32_t i, const struct uebpf_map *arena, struct out *o)
{
	const struct op_info *op = &isa_op[in->op];
	/* An atomic is done on the aligned word that holds the address: elsewhere processors may stop the process. */
	bool load = op->shape == SHAPE_LOAD, whole = op->shape == SHAPE_ATOMIC || (op->flags & OPF_LINUX);
	unsigned p = load ? in->src : in->dst, own = load ? in->dst : 10u, t = l->held[p], high;
	uint32_t margin = arena_margin(arena->bytes), mask = whole ? arena->window & -(uint32_t)op->size : arena->window;
	uint32_t used = insn_reads(in), live = l->flow[i].live.regs | used;
	uint64_t start = (uintptr_t)arena->base - margin;
	uint32_t add = ((whole ? (uint32_t)in->off : 0) - (uint32_t)start) & arena->window;
	bool near = start + ARENA_REACH < INT32_MAX;
	struct borrowed b = { .n = 0 };

	if (whole || t == NOT_HELD) {
		t = scratch(l, o, live, used | 1u << own, load ? NULL : &b);
		t = t < 10 ? t : own;
		if (t != p)
			put(o, OP_MOV32_X, t, p, 0, 0);
		if (add)
			put(o, OP_ADD32_K, t, 0, 0, (int32_t)add);
		if (mask != UINT32_MAX)
			put(o, OP_AND32_K, t, 0, 0, (int32_t)mask);
		if (!near) {
			high = scratch(l, o, live, used | 1u << t, &b);
			put(o, OP_LDDW, high, 0, 0, (int64_t)start);
			put(o, OP_ADD64_X, t, high, 0, 0);
		}
	}
	if (b.n && kept_at(l, b.n) < -(int32_t)l->code->stack_size)
		return error_set(l->err, UEBPF_STAGE_REWRITE, UEBPF_E_UNSUPPORTED, -EOPNOTSUPP, l->code->slot[i],
				 "not supported here: an arena access where every register and the whole stack are in use");
	put(o, (enum op)in->op, load ? in->dst : t, load ? t : in->src, (whole ? 0 : in->off) + (near ? (int32_t)start : 0),
	    in->imm);
	for (unsigned n = b.n; n; n--)
		put(o, OP_LD_DW, b.reg[n - 1], 10, kept_at(l, n), 0);
	l->fresh = whole || b.n ? NOT_HELD : (uint8_t)t;
	return o->n;
}

/* What registers hold the addresses of others, after instruction i was laid out as o. */
static void keep_held(struct layout *l, uint32_t i, const struct out *o, unsigned p)
{
	const struct insn *in = &l->code->insn[i];
	uint8_t shape = isa_op[in->op].shape;
	uint32_t own = insn_writes(in), writes = own;

	if (shape == SHAPE_CALL || shape == SHAPE_LOCAL || shape == SHAPE_CALLX)
		writes |= 0x3f;
	for (int n = 0; n < o->n; n++)
		writes |= insn_writes(&o->insn[n]);
	if (shape == SHAPE_JA || shape == SHAPE_EXIT)
		writes = UINT32_MAX;
	for (int r = 0; r < 10; r++)
		if (l->held[r] != NOT_HELD && ((writes >> r & 1) || (writes >> l->held[r] & 1)))
			l->held[r] = NOT_HELD;
	if (l->fresh != NOT_HELD && !(own >> p & 1) && !(own >> l->fresh & 1))
		l->held[p] = l->fresh;
}

/* What is held where jumps lead: nothing, but where one branch is the only way it is what that branch found. */
static void begin_block(struct layout *l, uint32_t i)
{
	bool falls = !i || (isa_op[l->code->insn[i - 1].op].shape != SHAPE_JA && isa_op[l->code->insn[i - 1].op].shape != SHAPE_EXIT);

	memset(l->held, NOT_HELD, sizeof l->held);
	for (int k = 0; k < 4 && !falls && !(l->flow[i].mark & FLOW_LED_AGAIN); k++)
		if (l->ahead[k].at == i)
			memcpy(l->held, l->ahead[k].held, sizeof l->held);
}

int arena_layout(struct layout *l, struct insn *out, uint32_t i)
{
	const struct insn *in = &l->code->insn[i];
	const struct fact *f = &l->res->fact[i];
	uint8_t shape = isa_op[in->op].shape;
	bool more, load = shape == SHAPE_LOAD;
	const struct uebpf_map *arena = arena_of(l->code, &more);
	struct out o = { out, 0 };
	int n = 0;

	if (!arena)
		return 0;
	if (!i || (l->flow[i].mark & FLOW_LED_TO))
		begin_block(l, i);
	l->fresh = NOT_HELD;
	if (!(f->flags & FACT_CTX_TOO)) {
		/* nothing to do */
	} else if (in->op == OP_CAST_USER || in->op == OP_CAST_KERN) {
		n = cast(in, f, arena, &o);
	} else if (shape == SHAPE_ALU_K || shape == SHAPE_ALU_X) {
		if (f->flags & FACT_PLAIN)
			return layout_mixed(l, i, MESSAGE_TEXT("one path computes with an arena pointer here, another with "
								   "something else"));
		out[0].op = in->op + (OP_ADD32_K - OP_ADD64_K);
		n = 1;
	} else if (f->base == FACT_ARENA) {
		n = access(l, in, i, arena, &o);
	}
	keep_held(l, i, &o, load ? in->src : in->dst);
	if ((shape == SHAPE_JCC_K || shape == SHAPE_JCC_X) && in->off > (int32_t)i) {
		struct held_ahead *a = &l->ahead[l->nr_ahead++ % 4];

		a->at = (uint32_t)in->off;
		memcpy(a->held, l->held, sizeof a->held);
	}
	return n;
}
