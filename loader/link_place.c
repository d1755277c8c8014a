/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link_place.c - a linked program after linking: where its instructions come from, and errors that
 * say so. */
#include <stdio.h>
#include "loader/elf_inner.h"

const char *link_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

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

const struct link_poison *link_poison_at(const struct linked *linked, uint32_t slot)
{
	for (uint32_t i = 0; i < linked->nr_poison; i++)
		if (linked->poison[i].slot == slot)
			return &linked->poison[i];
	return NULL;
}

void link_blame(const struct linked *linked, const char *object, struct uebpf_error *err)
{
	const struct link_poison *poisoned = link_poison_at(linked, err->pc);
	char sentence[sizeof(err->text)];
	struct link_place place;
	size_t n = strlen(object);

	snprintf(sentence, sizeof(sentence), "%s", poisoned ? poisoned->text : err->text);
	if (poisoned)
		err->code = poisoned->code;
	snprintf(err->object, sizeof(err->object), "%s",
		 n < sizeof(err->object) ? object : object + n - sizeof(err->object) + 1);
	n = (size_t)snprintf(err->text, sizeof(err->text), "%.120s:", err->object);
	if (link_place(linked, err->pc, &place) || link_place(linked, 0, &place)) {
		if (err->pc == UINT32_MAX)
			place.line = 0;
		snprintf(err->section, sizeof(err->section), "%s", place.section);
		snprintf(err->symbol, sizeof(err->symbol), "%s", place.function);
		snprintf(err->file, sizeof(err->file), "%s", place.file);
		err->line = place.line;
		err->column = place.column;
		n += (size_t)snprintf(err->text + n, sizeof(err->text) - n, "%.60s/%.60s:", place.section, place.function);
		if (place.line)
			n += (size_t)snprintf(err->text + n, sizeof(err->text) - n, "%.60s:%u:",
					      link_base_name(place.file), place.line);
	}
	/* The names leave two hundred bytes at least. */
	snprintf(err->text + n, sizeof(err->text) - n, " %.*s", (int)(sizeof(err->text) - n - 2), sentence);
}
