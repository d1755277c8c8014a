/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* buf.c - staging buffer, labels and jumps.  Every jump begins short and only ever grows, so sizes
 * settle; alignment is computed anew each time and follows. */
#include <string.h>
#include "jit/x86_64/jc.h"
#include "vm/mem.h"

static bool grow(struct jc *c, void **array, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return true;
	while (want <= n)
		want *= 2;
	p = mem_resize(c->host, *array, *cap * size, want * size);
	if (!p) {
		c->no_memory = true;
		return false;
	}
	*array = p;
	*cap = want;
	return true;
}

void jc_room(struct jc *c, size_t bytes)
{
	size_t used = (size_t)(c->b.p - c->base), want = c->cap ? c->cap * 2 : 4096;
	uint8_t *p;

	if (c->cap - used >= bytes)
		return;
	while (want - used < bytes)
		want *= 2;
	p = mem_resize(c->host, c->base, c->cap, want);
	if (!p) {	/* go on in place, over what is there; the compilation fails at its end */
		c->no_memory = true;
		c->b.p = c->base;
		return;
	}
	c->base = p;
	c->cap = want;
	c->b.p = p + used;
}

uint32_t jc_labels(struct jc *c, uint32_t n)
{
	uint32_t first = c->nr_label;

	if (!grow(c, (void **)&c->label, first + n - 1, &c->cap_label, sizeof *c->label))
		return 0;
	while (n--)
		c->label[c->nr_label++].at = UNSET;
	return first;
}

uint32_t jc_label(struct jc *c) { return jc_labels(c, 1); }

void jc_bind(struct jc *c, uint32_t label)
{
	c->label[label] = (struct label){ (uint32_t)(c->b.p - c->base), c->nr_fix };
}

uint32_t jc_here(struct jc *c)
{
	uint32_t label = jc_label(c);

	if (!c->no_memory)
		jc_bind(c, label);
	return label;
}

static void add_fix(struct jc *c, enum fix_kind kind, uint32_t label, unsigned cc, unsigned size)
{
	if (!grow(c, (void **)&c->fix, c->nr_fix, &c->cap_fix, sizeof *c->fix))
		return;
	c->fix[c->nr_fix++] = (struct fix){ (uint32_t)(c->b.p - c->base), label, (uint8_t)kind, (uint8_t)cc,
					    (uint8_t)size };
}

void jc_jmp(struct jc *c, uint32_t label) { add_fix(c, FIX_JMP, label, 0, 2); }
void jc_jcc(struct jc *c, enum x_cc cc, uint32_t label) { add_fix(c, FIX_JCC, label, cc, 2); }
void jc_call(struct jc *c, uint32_t label) { add_fix(c, FIX_CALL, label, 0, 5); }
void jc_call_near(struct jc *c, const void *fn)
{
	uint32_t k = c->nr_callee;

	while (k && c->callee[k - 1] != fn)
		k--;
	if (!k) {
		if (!grow(c, (void **)&c->callee, c->nr_callee, &c->cap_callee, sizeof *c->callee))
			return;
		c->callee[c->nr_callee++] = fn;
		k = c->nr_callee;
	}
	add_fix(c, FIX_NEAR, k - 1, 0, 5);
}
void jc_align(struct jc *c, unsigned to) { add_fix(c, FIX_ALIGN, to, 0, 0); }

struct cold *jc_cold(struct jc *c, enum cold_kind kind)
{
	struct cold *cold;

	if (!grow(c, (void **)&c->cold, c->nr_cold, &c->cap_cold, sizeof *c->cold))
		return NULL;
	cold = &c->cold[c->nr_cold++];
	*cold = (struct cold){ .kind = (uint8_t)kind, .insn = c->i, .label = jc_label(c), .back = UNSET, .fp = c->reg[10],
			       .after = UNSET, .rest = c->rest };
	return cold;
}

static bool is_jump(const struct fix *f) { return f->kind == FIX_JMP || f->kind == FIX_JCC; }

size_t jc_layout(struct jc *c, uint32_t *inserted)
{
	bool changed = true;

	for (int round = 0; changed; round++) {
		uint32_t sum = 0;

		changed = false;
		for (uint32_t k = 0; k < c->nr_fix; k++) {
			struct fix *f = &c->fix[k];

			inserted[k] = sum;
			if (f->kind == FIX_ALIGN)
				f->size = (uint8_t)(-(f->at + sum) & (f->label - 1));
			sum += f->size;
		}
		inserted[c->nr_fix] = sum;
		for (uint32_t k = 0; k < c->nr_fix; k++) {
			struct fix *f = &c->fix[k];
			int64_t distance;

			if (!is_jump(f) || f->size != 2)
				continue;
			distance = (int64_t)jc_pos(c, inserted, f->label) - (f->at + inserted[k] + 2);
			if (!x_fits8(distance) || round > 12) {
				f->size = f->kind == FIX_JMP ? 5 : 6;
				changed = true;
			}
		}
	}
	return (size_t)(c->b.p - c->base) + inserted[c->nr_fix];
}

bool jc_copy(struct jc *c, const uint32_t *inserted, uint8_t *to, const uint8_t *at)
{
	bool reached = true;
	struct x_buf out = { to };
	uint32_t from = 0, end = (uint32_t)(c->b.p - c->base);

	for (uint32_t k = 0; k < c->nr_fix; k++) {
		const struct fix *f = &c->fix[k];
		uint32_t next = f->at + inserted[k] + f->size;
		int32_t distance = 0;

		memcpy(out.p, c->base + from, f->at - from);
		out.p += f->at - from;
		from = f->at;
		if (f->kind == FIX_NEAR) {
			int64_t far = (int64_t)((uintptr_t)c->callee[f->label] - (uintptr_t)at - next);

			distance = (int32_t)far;
			reached &= distance == far;
		} else if (f->kind != FIX_ALIGN)
			distance = (int32_t)(jc_pos(c, inserted, f->label) - next);
		switch (f->kind) {
		case FIX_JMP:
			x_8(&out, f->size == 2 ? 0xeb : 0xe9);
			break;
		case FIX_JCC:
			if (f->size == 6)
				x_8(&out, 0x0f);
			x_8(&out, (f->size == 2 ? 0x70u : 0x80u) | f->cc);
			break;
		case FIX_CALL: case FIX_NEAR:
			x_8(&out, 0xe8);
			break;
		case FIX_ALIGN:
			x_nops(&out, f->size);
			continue;
		}
		if (f->size == 2)
			x_8(&out, (unsigned)distance);
		else
			x_32(&out, (uint32_t)distance);
	}
	memcpy(out.p, c->base + from, end - from);
	return reached;
}
