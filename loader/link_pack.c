/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link_pack.c - what stays of linking: one block of the exact size that needs neither the image nor its
 * types, since programs outlive their object's handle by the thousand. */
#include <errno.h>
#include <stdlib.h>
#include "loader/elf/inner.h"

/* A string of the types, by its offset there, and where it is in the block. */
struct line_text { uint32_t off, at; };
struct pack { struct line_text *text; size_t nr_text; char *block; size_t used; };

static int compare_text(const void *a, const void *b)
{
	const struct line_text *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* Room in the block, filled from `from`; NULL while the block's size is being found out. */
static void *keep(struct pack *p, const void *from, size_t len, size_t align)
{
	size_t at = (p->used + align - 1) / align * align;

	p->used = at + len;
	return p->block ? memcpy(p->block + at, from, len) : NULL;
}

static const char *keep_string(struct pack *p, const char *text)
{
	return keep(p, text, strlen(text) + 1, 1);
}

/* Each text once.  Strings of the types may lie in one another; so they do here, or a crafted object
 * would take the square of its size. */
static void keep_texts(struct pack *p, const struct btf *btf)
{
	uint64_t end = 0;	/* of the last string kept, as an offset there */

	for (size_t i = 0; i < p->nr_text; i++) {
		struct line_text *t = &p->text[i];
		const char *text = btf_string(btf, t->off);

		if (i && t->off < end) {
			t->at = p->text[i - 1].at + (t->off - p->text[i - 1].off);
			continue;
		}
		t->at = (uint32_t)p->used;
		keep_string(p, text);
		end = (uint64_t)t->off + strlen(text) + 1;
	}
}

static uint32_t text_at(const struct pack *p, uint32_t off)
{
	const struct line_text key = { off, 0 };
	const struct line_text *t = bsearch(&key, p->text, p->nr_text, sizeof(*t), compare_text);

	return t->at;
}

/* Twice with the same steps: for the size, then into the block. */
static void keep_all(struct pack *p, const struct linked *from, const struct btf *btf, struct linked *to)
{
	uint32_t i;

	p->used = sizeof(struct link_memory);
	to->slots = keep(p, from->slots, (size_t)from->n * 8, 8);
	to->subs = keep(p, from->subs, from->nr_subs * sizeof(*from->subs), 8);
	to->pieces = keep(p, from->pieces, from->nr_pieces * sizeof(*from->pieces), 8);
	to->poison = from->nr_poison ? keep(p, from->poison, from->nr_poison * sizeof(*from->poison), 8) : NULL;
	to->maps = from->nr_maps ? keep(p, from->maps, from->nr_maps * sizeof(*from->maps), 4) : NULL;
	to->lines = from->nr_lines ? keep(p, from->lines, from->nr_lines * sizeof(*from->lines), 4) : NULL;
	to->texts = p->block;
	keep_texts(p, btf);
	for (i = 0; p->block && i < from->nr_lines; i++) {
		to->lines[i].file = text_at(p, to->lines[i].file);
		to->lines[i].source = text_at(p, to->lines[i].source);
	}
	for (i = 0; i < from->nr_pieces; i++) {
		const struct link_piece *piece = &from->pieces[i];
		const char *function = keep_string(p, piece->function);
		const char *section = i && piece->section == piece[-1].section ? NULL :
				      keep_string(p, piece->section);

		if (!p->block)
			continue;
		to->pieces[i].function = to->subs[i].name = function;
		to->pieces[i].section = section ? section : to->pieces[i - 1].section;
	}
	for (i = 0; i < from->nr_poison; i++) {
		const char *text = keep_string(p, from->poison[i].text);

		if (p->block)
			to->poison[i].text = text;
	}
}

int link_pack(struct arena *scratch, const struct btf *btf, struct linked *linked)
{
	struct linked from = *linked;
	struct link_memory *memory;
	struct pack p = { 0 };
	size_t i, n = 0;

	p.text = arena_array(scratch, (size_t)from.nr_lines * 2, sizeof(*p.text));
	if (!p.text)
		return -ENOMEM;
	for (i = 0; i < from.nr_lines; i++) {
		p.text[2 * i].off = from.lines[i].file;
		p.text[2 * i + 1].off = from.lines[i].source;
	}
	qsort(p.text, (size_t)from.nr_lines * 2, sizeof(*p.text), compare_text);
	for (i = 0; i < (size_t)from.nr_lines * 2; i++)
		if (!i || p.text[i].off != p.text[n - 1].off)
			p.text[n++] = p.text[i];
	p.nr_text = n;
	keep_all(&p, &from, btf, linked);
	if (p.used > UINT32_MAX)	/* positions of texts are 32 bits */
		return -ENOMEM;
	memory = mem_alloc(scratch->host, p.used);
	if (!memory)
		return -ENOMEM;
	*memory = (struct link_memory){ scratch->host, p.used };
	p.block = (char *)memory;
	keep_all(&p, &from, btf, linked);
	linked->memory = memory;
	return 0;
}
