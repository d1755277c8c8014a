/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* large.bpf.c - tracers that take a fixed number of rounds and are unrolled: each round looks a thing up, branches on
 * what it finds and reads the traced process' memory.  No packet, no bound that a comparison nearby would give. */
#include "corpus.h"

enum { FRAMES = 75, NUMBERS = 40, TEXTS = 40, TEXT_MAX = 64 };

/* ---- a walk over an interpreter's frames: names are numbered, what was not seen before is inserted ---- */

struct layout { u64 code, back, line, file, name, text; };	/* offsets in the traced process */
struct name { char file[40], symbol[40]; u32 line; };
struct walk { u32 n, lost; u32 symbol[FRAMES]; };
struct { __uint(type, 1); __uint(max_entries, 64); __type(key, u32); __type(value, struct layout); } layouts SEC(".maps");
struct { __uint(type, 1); __uint(max_entries, 4096); __type(key, struct name); __type(value, u32); } names SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 64); __type(key, u32); __type(value, struct walk); } walks SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 64); __type(key, u32); __type(value, u32); } numbers_used SEC(".maps");

inline_ u64 follow(u64 at)
{
	u64 to = 0;

	probe_read(&to, 8, (void *)at);
	return to;
}

struct place { struct layout *l; struct walk *w; u32 *used, slot; u64 frame; };

inline_ void one_frame(struct place *p, int i)
{
	struct name name;
	u64 code, text;
	u32 *known, number;

	__builtin_memset(&name, 0, sizeof name);
	code = follow(p->frame + p->l->code);
	if (code) {
		text = follow(code + p->l->file);
		if (probe_read_str(name.file, sizeof name.file, (void *)(text + p->l->text)) < 0)
			p->w->lost++;
		text = follow(code + p->l->name);
		if (probe_read_str(name.symbol, sizeof name.symbol, (void *)(text + p->l->text)) < 0)
			p->w->lost++;
		probe_read(&name.line, 4, (void *)(code + p->l->line));
	}
	known = lookup(&names, &name);
	if (known) {
		number = *known;
	} else {
		number = *p->used * 64 + p->slot;
		*p->used += 1;
		if (update(&names, &name, &number, 0))
			p->w->lost++;
	}
	p->w->symbol[i] = number;
	p->w->n = i + 1;
	p->frame = follow(p->frame + p->l->back);
}

#define FRAME(i) if (!p.frame) return 0; one_frame(&p, i);
#define FRAMES5(i) FRAME(i) FRAME(i + 1) FRAME(i + 2) FRAME(i + 3) FRAME(i + 4)
#define FRAMES25(i) FRAMES5(i) FRAMES5(i + 5) FRAMES5(i + 10) FRAMES5(i + 15) FRAMES5(i + 20)

SEC("raw_tracepoint/sys_enter") int large_walk(u64 *ctx)
{
	u32 pid = pid_tgid() >> 32;
	struct place p = { .slot = cpu() & 63 };

	p.l = lookup(&layouts, &pid);
	p.w = lookup(&walks, &p.slot);
	p.used = lookup(&numbers_used, &p.slot);
	if (!p.l || !p.w || !p.used)
		return 0;
	p.w->n = 0;
	p.frame = follow(ctx[1]);
	FRAMES25(0) FRAMES25(25) FRAMES25(50)
	return 0;
}

/* ---- variables of a process: numbers, and texts one behind the other in one buffer ---- */

struct where { u64 kind, offset; };
struct wanted { struct where number[NUMBERS], text[TEXTS]; u64 base; };
struct record {
	u64 number[NUMBERS];
	u16 len[TEXTS];
	u8 bytes[TEXTS * TEXT_MAX];
};
struct { __uint(type, 1); __uint(max_entries, 64); __type(key, u32); __type(value, struct wanted); } wants SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 64); __type(key, u32); __type(value, struct record); } records SEC(".maps");

inline_ u64 place_of(const struct where *v, u64 thread, u64 base)
{
	u64 at, module;

	if (v->kind == 0)
		return 0;
	if (v->kind == 1)		/* absolute */
		return base + v->offset;
	if (v->kind == 2)		/* local to the thread */
		return thread + v->offset;
	at = base + v->offset;		/* of a module: through its table */
	module = follow(at);
	if (module == 0 || module > 128)
		return 0;
	return follow(follow(thread + 8) + module * 16) + follow(at + 8);
}

SEC("raw_tracepoint/sys_enter") int large_variables(u64 *ctx)
{
	u32 pid = pid_tgid() >> 32, slot = cpu() & 63;
	struct wanted *v = lookup(&wants, &pid);
	struct record *r = lookup(&records, &slot);
	u64 at = 0, thread = ctx[0];

	if (!v || !r)
		return 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < NUMBERS; i++) {
		u64 from = place_of(&v->number[i], thread, v->base);

		if (from)
			probe_read(&r->number[i], 8, (void *)from);
	}
#pragma clang loop unroll(full)
	for (int i = 0; i < TEXTS; i++) {
		u64 from = place_of(&v->text[i], thread, v->base);
		s64 n;

		r->len[i] = 0;
		if (!from)
			continue;
		if (at > sizeof r->bytes - TEXT_MAX)
			break;
		n = probe_read_str(&r->bytes[at], TEXT_MAX, (void *)from);
		if (n < 0 || n > TEXT_MAX)
			continue;
		r->len[i] = (u16)n;
		at += (u64)n;
	}
	output(&ring, r, sizeof *r, 0);
	return 0;
}
