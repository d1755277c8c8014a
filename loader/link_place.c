/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link_place.c - a linked program after linking: where its instructions come from, and errors that
 * say so. */
#include <stdio.h>
#include "loader/elf/inner.h"
#include "loader/error.h"

void link_free(struct linked *linked)
{
	struct link_memory *memory = linked->memory;

	if (memory)
		mem_free(memory->host, memory, memory->size);
	memset(linked, 0, sizeof(*linked));
}

/* ---- questions about a linked program ---- */

bool link_place(const struct linked *linked, uint32_t slot, struct link_place *out)
{
	const struct link_piece *piece = NULL;
	const struct link_line *line = NULL;
	uint32_t lo = 0, hi = linked->nr_lines;

	*out = (struct link_place){ "", "", "", 0, 0, "" };
	if (slot >= linked->n)
		return false;
	for (uint32_t i = 0; i < linked->nr_pieces && linked->pieces[i].slot <= slot; i++)
		piece = &linked->pieces[i];
	if (!piece)
		return false;
	out->section = piece->section;
	out->function = piece->function;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (linked->lines[mid].slot <= slot)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo)
		line = &linked->lines[lo - 1];
	if (line && line->slot >= piece->slot) {
		out->file = linked->texts + line->file;
		out->line = line->where >> 10;
		out->column = line->where & 0x3ff;
		out->source = linked->texts + line->source;
	}
	return true;
}

static const struct link_poison *poison_at(const struct linked *linked, uint32_t slot)
{
	for (uint32_t i = 0; i < linked->nr_poison; i++)
		if (linked->poison[i].slot == slot)
			return &linked->poison[i];
	return NULL;
}

void link_blame(const struct linked *linked, const char *object, struct uebpf_error *err)
{
	const struct link_poison *poisoned = poison_at(linked, err->pc);
	struct place at = { .object = object };
	uint32_t pc = err->pc;
	struct link_place place;

	if (poisoned) {
		err->code = poisoned->code;
		snprintf(err->text, sizeof(err->text), "%s", poisoned->text);
	}
	if (link_place(linked, pc, &place) || link_place(linked, 0, &place)) {
		at = (struct place){ object, place.section, place.function, place.file, place.line, place.column };
		if (pc == UINT32_MAX)
			at.line = 0;
	}
	err->pc = UINT32_MAX;	/* the sentence names the instruction where it matters */
	error_place(err, &at);
	err->pc = pc;
}
