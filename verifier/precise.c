/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* precise.c - which numbers mattered.
 *
 * The current path is one array of steps; only steps that move numbers are in it.  When a decision
 * needs the exact set of a register (a bound, an offset, a branch that could go one way only), the
 * path is walked backwards with the set of wanted places: a move exchanges places, a sum wants both
 * sides, a definition ends the search.  Each kept node on the way notes what was wanted there; when
 * a node knew all of it already, so did those before. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"
#include "vm/mem.h"

enum { WORDS = MAX_SLOTS / 64 };
struct wanted {
	uint16_t regs[MAX_FRAMES];
	uint64_t slots[MAX_FRAMES][WORDS];
	uint32_t frames, words;
};

int step_add(struct env *e, struct step s)
{
	if (e->walk.nr_steps == e->walk.cap_steps) {
		uint32_t cap = e->walk.cap_steps ? e->walk.cap_steps * 2 : 128;
		struct step *more = mem_resize(e->host, e->walk.step, e->walk.cap_steps * sizeof *more,
					       cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		e->mem_now += (cap - e->walk.cap_steps) * sizeof *more;
		if (e->mem_now > e->res->bytes)
			e->res->bytes = e->mem_now;
		e->walk.step = more;
		e->walk.cap_steps = cap;
	}
	e->walk.step[e->walk.nr_steps++] = s;
	return 0;
}

int step_reg(struct env *e, enum step_kind kind, unsigned dst, unsigned src)
{
	return step_add(e, (struct step){ .kind = kind, .frame = (uint8_t)(e->st.nr_frames - 1),
					  .dst = (uint8_t)dst, .src = (uint8_t)src, .pc = e->pc });
}

int step_insn(struct env *e, enum step_kind kind)
{
	return step_reg(e, kind, e->in->dst, e->in->src);
}

int step_slot(struct env *e, enum step_kind kind, unsigned reg, unsigned frame, unsigned slot)
{
	return step_add(e, (struct step){ .kind = kind, .frame = (uint8_t)(e->st.nr_frames - 1),
					  .dst = (uint8_t)reg, .src = (uint8_t)reg, .slot = (uint16_t)slot,
					  .slot_frame = (uint8_t)frame, .pc = e->pc });
}

/* The linked numbers at a branch on one of them: places follow as steps of kind ST_PC. */
int step_link(struct env *e, uint32_t id)
{
	uint32_t at = e->walk.nr_steps, n = 0;
	int err = step_add(e, (struct step){ .kind = ST_LINK, .pc = e->pc });

	for (uint32_t fr = 0; fr < e->st.nr_frames && !err; fr++) {
		const struct frame *f = &e->st.f[fr];

		for (unsigned i = 0; i < 10 && !err; i++)
			if (f->r[i].kind == K_SCALAR && f->r[i].id == id) {
				err = step_add(e, (struct step){ .kind = ST_PC, .frame = (uint8_t)fr,
								 .dst = (uint8_t)i });
				n++;
			}
		for (unsigned k = 0; k < f->depth && !err; k++)
			if (spilled(&f->slot[k]) && f->slot[k].r.kind == K_SCALAR && f->slot[k].r.id == id) {
				err = step_add(e, (struct step){ .kind = ST_PC, .frame = (uint8_t)fr,
								 .src = 1, .slot = (uint16_t)k });
				n++;
			}
	}
	if (err)
		return err;
	if (n < 2) {
		e->walk.nr_steps = at;
		return 0;
	}
	/* the head stands behind its members: the walk goes backwards */
	e->walk.step[at].kind = ST_PC;
	e->walk.step[at].src = 2;		/* no member */
	return step_add(e, (struct step){ .kind = ST_LINK, .n = (uint16_t)n, .pc = e->pc });
}

static bool has_slot(const struct wanted *w, unsigned frame, unsigned k)
{
	return w->slots[frame][k >> 6] >> (k & 63) & 1;
}

static void set_slot(struct wanted *w, unsigned frame, unsigned k, bool on)
{
	if (on)
		w->slots[frame][k >> 6] |= UINT64_C(1) << (k & 63);
	else
		w->slots[frame][k >> 6] &= ~(UINT64_C(1) << (k & 63));
}

static bool nothing(const struct wanted *w)
{
	for (uint32_t f = 0; f < w->frames; f++) {
		if (w->regs[f])
			return false;
		for (uint32_t i = 0; i < w->words; i++)
			if (w->slots[f][i])
				return false;
	}
	return true;
}

/* Notes what is wanted at a kept node; false when it knew all of it. */
static bool mark_node(struct wanted *w, struct saved *s)
{
	bool news = false;
	struct wanted here;

	here.frames = w->frames;
	here.words = w->words;
	memset(here.regs, 0, sizeof here.regs);
	memset(here.slots, 0, w->frames * sizeof here.slots[0]);
	for (uint32_t i = 0; i < s->nr_cells; i++) {
		struct cell *c = &s->cell[i];
		bool want = c->is_slot ? has_slot(w, c->frame, c->index) : w->regs[c->frame] >> c->index & 1;

		if (!want || (c->r.kind != K_SCALAR && !c->is_slot))
			continue;
		if (c->is_slot)
			set_slot(&here, c->frame, c->index, true);
		else
			here.regs[c->frame] |= (uint16_t)(1u << c->index);
		if (!c->precise)
			news = true;
		c->precise = 1;
	}
	memcpy(w->regs, here.regs, sizeof here.regs);
	memcpy(w->slots, here.slots, w->frames * sizeof here.slots[0]);
	return news;
}

static uint32_t link_step(struct env *e, struct wanted *w, uint32_t at)
{
	uint32_t n = e->walk.step[at].n;
	bool any = false;

	for (uint32_t i = at - n; i < at; i++) {
		const struct step *m = &e->walk.step[i];

		any |= m->src == 1 ? has_slot(w, m->frame, m->slot) : w->regs[m->frame] >> m->dst & 1;
	}
	for (uint32_t i = at - n; any && i < at; i++) {
		const struct step *m = &e->walk.step[i];

		if (m->src == 1)
			set_slot(w, m->frame, m->slot, true);
		else
			w->regs[m->frame] |= (uint16_t)(1u << m->dst);
	}
	return at - n;
}

static void step_back(struct wanted *w, const struct step *s)
{
	uint16_t *regs = &w->regs[s->frame], dst = (uint16_t)(1u << s->dst), src = (uint16_t)(1u << s->src);
	bool want;

	switch (s->kind) {
	case ST_DEF:
		*regs &= (uint16_t)~dst;
		break;
	case ST_MOV:
		if (*regs & dst)
			*regs = (uint16_t)((*regs & ~dst) | src);
		break;
	case ST_BIN:
		if (*regs & dst)
			*regs |= src;
		break;
	case ST_PAIR:
		if (*regs & (dst | src))
			*regs |= dst | src;
		break;
	case ST_FILL:
		if (*regs & dst) {
			*regs &= (uint16_t)~dst;
			set_slot(w, s->slot_frame, s->slot, true);
		}
		break;
	case ST_JOIN:
		if (has_slot(w, s->slot_frame, s->slot))
			*regs |= src;
		break;
	case ST_SPILL: case ST_CLEAR:
		want = has_slot(w, s->slot_frame, s->slot);
		set_slot(w, s->slot_frame, s->slot, false);
		if (want && s->kind == ST_SPILL)
			*regs |= src;
		break;
	case ST_CALL:			/* frame: the caller */
		if (s->frame + 1u < MAX_FRAMES) {
			*regs |= w->regs[s->frame + 1] & 0x3e;
			w->regs[s->frame + 1] = 0;
			memset(w->slots[s->frame + 1], 0, sizeof w->slots[0]);
		}
		break;
	case ST_RET:			/* frame: the caller again */
		if (*regs & 1) {
			*regs &= 0xfffe;
			w->regs[s->frame + 1] |= 1;
		}
		*regs &= (uint16_t)~0x3e;
		break;
	case ST_HELPER:
		*regs &= (uint16_t)~0x3f;
		break;
	default:
		break;
	}
}

static int walk_back(struct env *e, struct wanted *w)
{
	w->words = (e->nr_slots + 63) / 64;
	w->frames = e->deepest;		/* subprograms that returned lie deeper than now */
	for (uint32_t i = e->walk.nr_steps; i-- > 0;) {
		const struct step *s = &e->walk.step[i];

		if (s->kind == ST_NODE) {
			if (!mark_node(w, s->node->s))
				return 0;
			continue;
		}
		if (s->kind == ST_LINK) {
			i = link_step(e, w, i);
			continue;
		}
		step_back(w, s);
		if (s->kind <= ST_FILL && s->kind >= ST_DEF && nothing(w))
			return 0;
	}
	return 0;
}

int precise_reg(struct env *e, unsigned reg)
{
	struct wanted w;

	if (!is_number(&e->top->r[reg]))
		return 0;
	memset(&w, 0, sizeof w);
	w.regs[e->st.nr_frames - 1] = (uint16_t)(1u << reg);
	return walk_back(e, &w);
}

int precise_slot(struct env *e, unsigned frame, unsigned slot)
{
	struct wanted w;

	memset(&w, 0, sizeof w);
	set_slot(&w, frame, slot, true);
	return walk_back(e, &w);
}

static int want_cells(struct env *e, const struct saved *s, bool all)
{
	struct wanted w;
	bool any = false;

	memset(&w, 0, sizeof w);
	for (uint32_t i = 0; i < s->nr_cells; i++) {
		const struct cell *c = &s->cell[i];
		const struct reg *now = state_cell(e, c);
		bool bytes = c->is_slot && !(c->byte[0] == B_SPILL && c->byte[7] == B_SPILL);

		/* zero bytes are always relied on, and a number here may be what makes them zero */
		if (!c->precise && !all && !(bytes && memchr(c->byte, B_ZERO, 8)))
			continue;
		if (!bytes && (c->r.kind != K_SCALAR || (scalar_is_any(width64, &c->r.s) && !c->r.id &&
							!c->r.below && !c->r.len)))
			continue;
		if (c->is_slot)
			set_slot(&w, c->frame, c->index, true);
		else if (now->kind == K_SCALAR)
			w.regs[c->frame] |= (uint16_t)(1u << c->index);
		any = true;
	}
	return any ? walk_back(e, &w) : 0;
}

int precise_from(struct env *e, const struct saved *old)
{
	return want_cells(e, old, false);
}

int precise_all(struct env *e, const struct saved *s)
{
	return want_cells(e, s, true);
}
