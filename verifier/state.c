/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* state.c - making, keeping and comparing states.
 *
 * "Covered" is the heart of pruning: everything that the kept state's exploration showed must hold
 * for the new state too.  A number that no decision needed may differ; ids need only correspond. */
#include <string.h>
#include "verifier/state.h"
#include "vm/mem.h"

void frame_pointer(struct env *e, uint32_t frame)
{
	struct frame *f = &e->st.f[frame];

	f->r[10] = (struct reg){ .kind = K_STACK, .frame = (uint8_t)frame, .since = e->code->sub[f->in.sub].start };
}

static __attribute__((noinline)) struct scalar *fresh(struct env *e, struct reg *r, enum kind kind)
{
	memset(r, 0, sizeof *r);
	r->kind = (uint8_t)kind;
	r->since = e->pc;
	return &r->s;
}

void set_number(struct env *e, struct reg *r, const struct scalar *s)
{
	struct scalar copy = *s;

	*fresh(e, r, K_SCALAR) = copy;
}

void set_bits(struct env *e, struct reg *r, unsigned bits)
{
	scalar_bits(fresh(e, r, K_SCALAR), bits);
}

void set_unknown(struct env *e, struct reg *r)
{
	set_bits(e, r, 64);
}

void set_constant(struct env *e, struct reg *r, uint64_t v)
{
	scalar_const(fresh(e, r, K_SCALAR), width64, v);
}

void set_pointer(struct env *e, struct reg *r, enum kind kind)
{
	fresh(e, r, kind);
}

uint32_t new_id(struct env *e)
{
	return ++e->next_id & ~INDUCTION;
}

/* Calls fn on each register and spilled value. */
void for_each_reg(struct env *e, void (*fn)(struct env *, struct reg *, void *), void *arg)
{
	for (uint32_t n = 0; n < e->st.nr_frames; n++) {
		struct frame *f = &e->st.f[n];

		for (int i = 0; i < NR_REGS; i++)
			if (f->r[i].kind)
				fn(e, &f->r[i], arg);
		for (uint32_t k = 0; k < f->depth; k++)
			if (spilled(&f->slot[k]))
				fn(e, &f->slot[k].r, arg);
	}
}

unsigned spill_run(const uint8_t byte[8], unsigned *n)
{
	unsigned from = 0;

	while (from < 8 && byte[from] != B_SPILL)
		from++;
	for (*n = 0; from + *n < 8 && byte[from + *n] == B_SPILL;)
		++*n;
	return from;
}

/* One byte of a slot changes; a spilled value there becomes plain bytes. */
void slot_scrub(struct slot *s, unsigned byte, enum byte what)
{
	if (s->byte[byte] == B_SPILL)
		for (int i = 0; i < 8; i++)
			if (s->byte[i] == B_SPILL)
				s->byte[i] = B_MISC;
	s->byte[byte] = (uint8_t)what;
}

/* Frames get their slots when they are first entered: most programs have one. */
int frame_room(struct env *e, uint32_t frame)
{
	while (e->rooms <= frame) {
		uint32_t cap = (e->rooms + 1) * (NR_REGS + e->nr_slots);
		struct slot *slot = mem_array(e->host, e->nr_slots, sizeof *slot);
		struct cell *more = slot ? mem_resize(e->host, e->scratch, e->cap_scratch * sizeof *more,
						      cap * sizeof *more) : NULL;

		if (!more) {
			mem_free(e->host, slot, e->nr_slots * sizeof *slot);
			return -1;
		}
		e->scratch = more;
		e->cap_scratch = cap;
		e->st.f[e->rooms++].slot = slot;
	}
	return 0;
}

void state_init(struct env *e, uint32_t sub)
{
	struct state *st = &e->st;

	for (uint32_t n = 0; n < MAX_FRAMES; n++) {
		struct slot *slot = st->f[n].slot;

		for (uint32_t k = 0; k < st->f[n].depth; k++)	/* of the part before this one */
			memset(slot[k].byte, 0, 8);
		memset(&st->f[n], 0, sizeof st->f[n]);
		st->f[n].slot = slot;
	}
	st->nr_frames = 1;
	e->top = st->f;
	memset(&st->h, 0, sizeof st->h);
	st->f[0].in.sub = sub;
	frame_pointer(e, 0);
}

/* ---- keeping ---- */

static bool slot_live(const struct live *l, uint32_t k)
{
	return l->all || k >= 64 || (l->bytes4[k >> 5] >> (2 * (k & 31)) & 3);
}

static bool slot_used(const struct slot *s)
{
	uint64_t v;

	memcpy(&v, s->byte, 8);
	return v != 0;
}

/* What can be read of frame n when its instruction `pc` comes next. */
static struct live live_in(const struct env *e, uint32_t n, uint32_t pc)
{
	const struct frame *f;
	struct live l;

	if (n == e->st.nr_frames - 1)
		return e->flow[pc].live;
	f = &e->st.f[n + 1];		/* its callee knows where it goes on */
	l = e->flow[f->in.ret + 1 < e->code->n ? f->in.ret + 1 : f->in.ret].live;
	l.all |= e->flow[f->in.ret].live.all;
	l.regs &= 0x7c0;
	if (f->in.callback)		/* a further round sees everything again */
		l.regs |= e->flow[f->in.ret].live.regs & 0x3e;
	return l;
}

static uint32_t collect(struct env *e, uint32_t pc)
{
	uint32_t n = 0;

	for (uint32_t fr = 0; fr < e->st.nr_frames; fr++) {
		const struct frame *f = &e->st.f[fr];
		struct live l = live_in(e, fr, pc);

		for (uint32_t i = 0; i < 10; i++)
			if ((l.regs >> i & 1) && f->r[i].kind)
				e->scratch[n++] = (struct cell){ .r = f->r[i], .frame = (uint8_t)fr,
								 .index = (uint16_t)i };
		for (uint32_t k = 0; k < f->depth; k++) {
			struct cell *c = &e->scratch[n];

			if (!slot_used(&f->slot[k]) || !slot_live(&l, k))
				continue;
			*c = (struct cell){ .frame = (uint8_t)fr, .is_slot = 1, .index = (uint16_t)k,
					    .dynptr = f->slot[k].dynptr, .dynptr_ref = f->slot[k].dynptr_ref };
			memcpy(c->byte, f->slot[k].byte, 8);
			if (spilled(&f->slot[k]))
				c->r = f->slot[k].r;
			n++;
		}
	}
	return n;
}

/* An id that only one register carries links nothing. */
static void drop_single_ids(struct cell *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = c[i].r.id, others = 0;

		if (!id || c[i].r.kind != K_SCALAR || (id & INDUCTION))
			continue;
		for (uint32_t k = 0; k < n && !others; k++)
			others = k != i && c[k].r.id == id && c[k].r.kind == K_SCALAR;
		if (!others) {
			c[i].r.id = 0;
			if (!c[i].r.len)
				c[i].r.off = 0;
		}
	}
}

struct saved *state_save(struct env *e, uint32_t pc)
{
	uint32_t n = collect(e, pc);
	struct saved *s = mem_alloc(e->host, sizeof *s + n * sizeof(struct cell));

	if (!s)
		return NULL;
	drop_single_ids(e->scratch, n);
	s->bytes = sizeof *s + n * sizeof(struct cell);
	e->mem_now += s->bytes;
	if (e->mem_now > e->res->bytes)
		e->res->bytes = e->mem_now;
	s->nr_frames = e->st.nr_frames;
	for (uint32_t i = 0; i < s->nr_frames; i++)
		s->f[i] = e->st.f[i].in;
	s->h = e->st.h;
	s->nr_cells = n;
	s->apart = 0;
	memcpy(s->cell, e->scratch, n * sizeof(struct cell));
	return s;
}

void saved_free(struct env *e, struct saved *s)
{
	if (!s)
		return;
	e->mem_now -= s->bytes;
	mem_free(e->host, s, s->bytes);
}

void state_load(struct env *e, const struct saved *s)
{
	struct state *st = &e->st;

	for (uint32_t i = 0; i < st->nr_frames || i < s->nr_frames; i++) {
		struct frame *f = &st->f[i];

		for (uint32_t k = 0; k < f->depth; k++)
			memset(f->slot[k].byte, 0, 8);
		f->depth = 0;
		memset(f->r, 0, sizeof f->r);
		if (i >= s->nr_frames)
			continue;
		f->in = s->f[i];
		frame_pointer(e, i);
	}
	st->nr_frames = s->nr_frames;
	e->top = &st->f[s->nr_frames - 1];
	st->h = s->h;
	for (uint32_t n = 0; n < s->nr_cells; n++) {
		const struct cell *c = &s->cell[n];
		struct frame *f = &st->f[c->frame];

		if (!c->is_slot) {
			f->r[c->index] = c->r;
			continue;
		}
		f->slot[c->index].r = c->r;
		f->slot[c->index].dynptr = c->dynptr;
		f->slot[c->index].dynptr_ref = c->dynptr_ref;
		memcpy(f->slot[c->index].byte, c->byte, 8);
		if (f->depth <= c->index)
			f->depth = c->index + 1u;
	}
}

/* ---- comparing ---- */

bool state_same_place(const struct env *e, const struct saved *s)
{
	if (s->nr_frames != e->st.nr_frames)
		return false;
	for (uint32_t i = 0; i < s->nr_frames; i++)
		if (s->f[i].sub != e->st.f[i].in.sub || s->f[i].ret != e->st.f[i].in.ret ||
		    s->f[i].callback != e->st.f[i].in.callback)
			return false;
	return true;
}

/* Do the two ids correspond in every place met so far? */
static bool same_id(struct env *e, uint32_t old, uint32_t now)
{
	if (!old != !now)
		return false;
	if (!old)
		return true;
	for (uint32_t i = 0; i < e->nr_ids; i++)
		if (e->id_old[i] == old || e->id_new[i] == now)
			return e->id_old[i] == old && e->id_new[i] == now;
	if (e->nr_ids == 64)
		return false;
	e->id_old[e->nr_ids] = old;
	e->id_new[e->nr_ids++] = now;
	return true;
}

/* An id of a summary names what moved, which need not correspond; but where several carry it they are linked. */
static bool same_induction(struct env *e, const struct reg *old, const struct reg *now)
{
	uint32_t id = old->off == now->off ? now->id : 0;

	for (uint32_t i = 0; i < e->nr_ids; i++)
		if (e->id_old[i] == old->id)
			return id && e->id_new[i] == id;
	if (e->nr_ids == 64)
		return false;
	e->id_old[e->nr_ids] = old->id;
	e->id_new[e->nr_ids++] = id;
	return true;
}

bool dead_induction(const struct env *e, uint32_t id)
{
	return e->uneven[id & 1023] == MAX_UNEVEN;
}

static bool number_within(struct env *e, const struct reg *old, const struct reg *now)
{
	if (rule(e, RULE_PRUNE_RANGE) && !scalar_within(&now->s, &old->s))
		return false;
	if (old->len && (old->len != now->len || old->off != now->off))
		return false;
	if (old->obj && (old->obj != now->obj || old->range != now->range))
		return false;
	if (old->below && (now->below != old->below || now->range < old->range)) {
		/* a plain number below the least length will do */
		if ((int64_t)now->s.umax < 0 || (int64_t)now->s.umax + old->range < 0 ||
		    now->s.umax + (uint64_t)(int64_t)old->range > e->st.h.min_len[old->below - 1])
			return false;
	}
	if (old->id & INDUCTION)
		return same_induction(e, old, now);
	return !old->id || (now->off == old->off && same_id(e, old->id, now->id));
}

/* Does what held for old hold for now?  exact: compare numbers that nothing needed yet, too. */
bool reg_within(struct env *e, const struct reg *old, const struct reg *now, bool exact)
{
	if (old->kind == K_NONE)
		return true;
	if (old->kind != now->kind)
		return false;
	if ((old->id & INDUCTION) && !e->loops.arriving && !dead_induction(e, old->id) &&
	    (old->id != now->id || old->off != now->off)) {
		if (old->id == now->id)		/* moves by different steps: each is walked, up to a point */
			e->uneven[old->id & 1023]++;
		return false;
	}
	if (old->kind == K_SCALAR)
		return !exact || number_within(e, old, now);
	if (old->flags != now->flags) {
		/* known non-null covers nothing less; rdonly and the like must be equal */
		if ((old->flags ^ now->flags) != R_MAYBE_NULL || !(old->flags & R_MAYBE_NULL))
			return false;
		if (old->id)	/* others would have become non-null with it */
			return false;
	}
	if (old->frame != now->frame || old->region != now->region || old->obj != now->obj ||
	    old->size != now->size || old->off != now->off)
		return false;
	if (!scalar_within(&now->s, &old->s))
		return false;
	if (old->range > now->range && (old->kind == K_PACKET || old->kind == K_META || old->region))
		return false;
	if (!same_id(e, old->ref, now->ref))
		return false;
	if (old->id & INDUCTION)
		return same_induction(e, old, now);
	return !old->id || same_id(e, old->id, now->id);
}

static bool zero_bytes(const struct slot *s, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		if (s->byte[i] != B_ZERO)
			return false;
	return true;
}

static bool slot_within(struct env *e, const struct cell *old, const struct slot *now, bool exact)
{
	unsigned n, m, from = spill_run(old->byte, &n);
	struct reg r;

	if (!rule(e, RULE_PRUNE_STACK))
		return true;
	if (n && spill_run(now->byte, &m) == from && n == m) {
		if (!reg_within(e, &old->r, &now->r, exact))
			return false;
	} else if ((n && old->r.kind != K_SCALAR) || (spilled(now) && now->r.kind != K_SCALAR)) {
		return false;
	} else if (n) {
		/* bytes where a number was kept: nothing is known of it, unless zero */
		if (zero_bytes(now, from, n))
			set_constant(e, &r, 0);
		else
			set_unknown(e, &r);
		if (!reg_within(e, &old->r, &r, exact))
			return false;
	}
	for (unsigned i = 0; i < 8; i++) {
		enum byte o = old->byte[i], b = now->byte[i];

		if (o == b || o == B_NONE || o == B_SPILL)
			continue;
		if (o == B_DYNPTR || b == B_DYNPTR)
			return false;
		if (o == B_ZERO && !(b == B_SPILL && reg_const(&now->r) && !now->r.s.val))
			return false;		/* zero was a constant there */
	}
	return !memchr(old->byte, B_DYNPTR, 8) ||
	       (old->dynptr == now->dynptr && same_id(e, old->dynptr_ref, now->dynptr_ref));
}

/* Registers and slots where the kept state had something and the new one may have nothing. */
struct reg *state_cell(struct env *e, const struct cell *c)
{
	struct frame *f = &e->st.f[c->frame];

	return c->is_slot ? &f->slot[c->index].r : &f->r[c->index];
}

static bool refs_match(struct env *e, const struct saved *old)
{
	if (old->h.nr_refs != e->st.h.nr_refs || old->h.lock_map != e->st.h.lock_map ||
	    !same_id(e, old->h.lock, e->st.h.lock))
		return false;
	for (uint32_t i = 0; i < old->h.nr_refs; i++)
		if (!same_id(e, old->h.ref[i].id, e->st.h.ref[i].id) ||
		    e->code->insn[old->h.ref[i].pc].imm != e->code->insn[e->st.h.ref[i].pc].imm)
			return false;
	return true;
}

static bool cell_covered(struct env *e, const struct cell *c, bool exact)
{
	static const struct slot none;
	const struct frame *f = &e->st.f[c->frame];
	bool full = exact || (c->precise && rule(e, RULE_PRECISION)) || e->opts.exact;

	if (!c->is_slot)
		return reg_within(e, &c->r, &f->r[c->index], full);
	return slot_within(e, c, c->index < f->depth ? &f->slot[c->index] : &none, full);
}

/* A number that lies outside of what held: most nodes of a loop that is walked out are told apart so, many times. */
static bool number_outside(const struct env *e, const struct cell *c, bool exact)
{
	const struct reg *now;

	if (c->is_slot || c->r.kind != K_SCALAR || (c->r.id & INDUCTION) || e->opts.rules_off)
		return false;
	now = &e->st.f[c->frame].r[c->index];
	return now->kind == K_SCALAR && (c->precise || exact || e->opts.exact) &&
	       (now->s.umin < c->r.s.umin || now->s.umax > c->r.s.umax);
}

bool state_covered(struct env *e, struct saved *old, bool exact)
{
	e->nr_ids = 0;
	if (old->nr_cells && number_outside(e, &old->cell[old->apart], exact))
		return false;
	if (!state_same_place(e, old))
		return false;
	/* what told them apart last time will mostly do so again: alone, it asks for less than in its turn */
	if (old->nr_cells && !cell_covered(e, &old->cell[old->apart], exact))
		return false;
	e->nr_ids = 0;
	if (!refs_match(e, old))
		return false;
	for (uint32_t i = 0; i < old->nr_frames; i++)	/* it saw fewer rounds of the callback still to come */
		if (old->f[i].rounds > e->st.f[i].in.rounds && old->f[i].rounds != ANY_ROUND)
			return false;
	for (uint32_t i = 0; i < e->nr_regions; i++)
		if (old->h.min_len[i] > e->st.h.min_len[i])
			return false;
	for (uint32_t n = 0; n < old->nr_cells; n++)
		if (!cell_covered(e, &old->cell[n], exact)) {
			old->apart = n;
			return false;
		}
	return true;
}

/* ---- equality, for endless loops ---- */

uint32_t saved_hash(const struct saved *s)
{
	uint64_t h = s->nr_cells * UINT64_C(0x9e3779b97f4a7c15);

	for (uint32_t i = 0; i < s->nr_cells; i++) {
		const struct reg *r = &s->cell[i].r;

		h = (h ^ r->s.umin ^ r->s.val << 7) * UINT64_C(0xbf58476d1ce4e5b9);
		h = (h ^ h >> 29 ^ r->s.umax ^ (uint64_t)r->kind << 56 ^ (uint32_t)r->off) *
		    UINT64_C(0x94d049bb133111eb);
	}
	return (uint32_t)(h >> 32);
}

bool state_spends(const struct env *e, const struct held *before)
{
	const struct held *now = &e->st.h;
	bool spends = now->may_goto > before->may_goto;

	for (uint32_t i = 0; i < now->nr_refs && i < before->nr_refs; i++)
		spends |= now->ref[i].id == before->ref[i].id && now->ref[i].rounds > before->ref[i].rounds;
	return spends;
}

bool saved_equal(const struct saved *a, const struct saved *b)
{
	if (a->nr_cells != b->nr_cells)
		return false;
	for (uint32_t i = 0; i < a->nr_cells; i++) {
		const struct cell *x = &a->cell[i], *y = &b->cell[i];

		if (x->frame != y->frame || x->is_slot != y->is_slot || x->index != y->index ||
		    memcmp(x->byte, y->byte, 8) || x->r.kind != y->r.kind || x->r.flags != y->r.flags ||
		    x->r.off != y->r.off || memcmp(&x->r.s, &y->r.s, sizeof x->r.s))
			return false;
	}
	return true;
}
