/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link.c - puts one program together: its function, then each subprogram it calls or points to; CO-RE records are
 * applied, and what instructions refer to is filled in (link_reloc.c).  What the program does not use is not looked
 * at, so a bad neighbour does not matter. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "loader/link.h"

enum { MAX_SLOTS = 1000000 };

/* ---- where things come from ---- */

static uint32_t first_record(const struct ext_list *list, uint64_t off)
{
	uint32_t lo = 0, hi = list->sorted ? list->n : 0;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (le32(list->rec + (size_t)mid * list->rec_size) < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int link_fail_make(struct link *l, uint32_t what, const char *symbol, const char *text, ...)
{
	const struct func *func = l->p.func;
	const struct ext_list *list = l->in->lines ? &l->in->lines[func->shndx] : NULL;
	struct place place = { .object = l->in->image.name, .section = l->in->view.sections[func->shndx].name,
			       .symbol = func->name };
	va_list ap;
	int errnum;

	if (list && list->rec) {
		uint32_t i = first_record(list, (uint64_t)l->at * 8 + 1);
		const uint8_t *rec = list->rec + (size_t)(i ? i - 1 : 0) * list->rec_size;

		if (i && le32(rec) / 8 >= func->start) {
			place.file = btf_string(l->in->image.btf, le32(rec + 4));
			place.line = le32(rec + 12) >> 10;
			place.column = le32(rec + 12) & 0x3ff;
		}
	}
	va_start(ap, text);
	errnum = error_list(l->in->err, what, UINT32_MAX, text, ap);
	va_end(ap);
	error_place(l->in->err, &place);
	if (l->in->err && symbol)
		snprintf(l->in->err->symbol, sizeof(l->in->err->symbol), "%s", symbol);
	return errnum;
}

/* ---- pieces ---- */

int link_func(struct link *l, const struct func *func, uint32_t *slot)
{
	struct linked *out = l->out;
	uint32_t index = (uint32_t)(func - l->in->funcs);

	if (l->begins[index] != IMAGE_NONE) {
		*slot = l->begins[index];
		return 0;
	}
	if (func->slots > l->max || out->n > l->max - func->slots)
		return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_TOO_LONG, -E2BIG, NULL,
			    "the program and its subprograms have more than %u instruction slots", l->max);
	if (out->n + func->slots > l->cap) {
		uint32_t cap = (out->n + func->slots) * (l->nr_pieces ? 2 : 1);
		uint8_t *more = arena_array(&l->scratch, cap, 8);

		if (!more)
			return image_memory(l->in);
		if (out->n)
			memcpy(more, out->slots, (size_t)out->n * 8);
		out->slots = more;
		l->cap = cap;
	}
	l->pieces = arena_grow(&l->scratch, l->pieces, l->nr_pieces, sizeof(*l->pieces));
	if (!l->pieces)
		return image_memory(l->in);
	l->pieces[l->nr_pieces++] = (struct piece){ func, out->n };
	memcpy(out->slots + (size_t)out->n * 8,
	       l->in->view.sections[func->shndx].data + (size_t)func->start * 8, (size_t)func->slots * 8);
	*slot = l->begins[index] = out->n;
	out->n += func->slots;
	return 0;
}

int link_map(struct link *l, uint32_t map, uint32_t *index)
{
	struct linked *out = l->out;

	for (*index = 0; *index < out->nr_maps; ++*index)
		if (out->maps[*index] == map)
			return 0;
	out->maps = arena_grow(&l->scratch, out->maps, out->nr_maps, sizeof(*out->maps));
	if (!out->maps)
		return image_memory(l->in);
	out->maps[out->nr_maps++] = map;
	return 0;
}

int link_poison(struct link *l, enum uebpf_code code, const char *why)
{
	struct linked *out = l->out;
	uint32_t slot = link_slot(l);
	uint8_t *p = link_bytes(l);
	uint32_t width = *p == LDDW && slot + 1 < out->n ? 2 : 1;
	char *text = arena_string(&l->scratch, why);

	if (!text)
		return image_memory(l->in);
	for (; width--; p += 8, slot++) {
		raw_store(p, (struct raw_insn){ CALL, 0, 0, 0, HELPER_POISON });
		out->poison = arena_grow(&l->scratch, out->poison, out->nr_poison,
					 sizeof(*out->poison));
		if (!out->poison)
			return image_memory(l->in);
		out->poison[out->nr_poison++] = (struct link_poison){ slot, code, text };
	}
	return 0;
}

static int apply_core(struct link *l)
{
	const struct func *func = l->p.func;
	const struct ext_list *list = l->in->cores && l->in->cores[func->shndx].rec ?
				      &l->in->cores[func->shndx] : NULL;
	uint64_t from = (uint64_t)func->start * 8, to = from + (uint64_t)func->slots * 8;

	for (uint32_t i = list ? first_record(list, from) : 0; list && i < list->n; i++) {
		const uint8_t *rec = list->rec + (size_t)i * list->rec_size;
		uint32_t off = le32(rec);
		struct uebpf_error why = { .err = 0 }, *err = l->in->err;
		const char *text = NULL;
		int ret;

		if (off < from || off >= to) {
			if (list->sorted)
				break;
			continue;
		}
		l->at = off / 8;
		if (off % 8)
			return link_fail(l, UEBPF_STAGE_CORE, UEBPF_E_CORE, -EINVAL, NULL,
				    "a CO-RE record inside an instruction");
		l->in->err = &why;
		ret = core_apply(l->in, rec, link_bytes(l), func->slots - (l->at - func->start), &text);
		l->in->err = err;
		if (ret == 1)
			ret = link_poison(l, UEBPF_E_CORE, text);
		else if (ret)
			return link_fail(l, why.stage, why.code, ret, NULL, "%s",
				    strncmp(why.text, l->in->image.name, strlen(l->in->image.name)) ? why.text :
				    strchr(why.text + strlen(l->in->image.name), ' ') + 1);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- what stays with the program ---- */

static int copy_lines(struct link *l, const struct piece *p)
{
	const struct ext_list *list = l->in->lines && l->in->lines[p->func->shndx].rec ?
				      &l->in->lines[p->func->shndx] : NULL;
	uint64_t from = (uint64_t)p->func->start * 8, to = from + (uint64_t)p->func->slots * 8;
	struct linked *out = l->out;

	for (uint32_t i = list ? first_record(list, from) : 0; list && i < list->n; i++) {
		const uint8_t *rec = list->rec + (size_t)i * list->rec_size;
		uint32_t off = le32(rec), slot;

		if (off < from || off >= to) {
			if (list->sorted)
				break;
			continue;
		}
		slot = p->slot + off / 8 - p->func->start;
		if (out->nr_lines && out->lines[out->nr_lines - 1].slot > slot)
			continue;	/* out of order: of no use for a search */
		out->lines = arena_grow(&l->scratch, out->lines, out->nr_lines, sizeof(*out->lines));
		if (!out->lines)
			return image_memory(l->in);
		out->lines[out->nr_lines++] = (struct link_line){
			slot, le32(rec + 12), le32(rec + 4), le32(rec + 8) };
	}
	return 0;
}

static int compare_poison(const void *a, const void *b)
{
	const struct link_poison *x = a, *y = b;

	return (x->slot > y->slot) - (x->slot < y->slot);
}

/* Maps that the program reaches through pointers in its data are its maps too. */
static int follow_pointers(struct link *l)
{
	const struct elf_image *image = &l->in->image;
	uint32_t index;

	for (uint32_t i = 0; i < l->out->nr_maps; i++) {
		uint32_t map = l->out->maps[i], lo = 0, hi = image->nr_pointers;

		while (lo < hi) {	/* pointers ascend by the map they lie in */
			uint32_t mid = lo + (hi - lo) / 2;

			if (image->pointers[mid].map < map)
				lo = mid + 1;
			else
				hi = mid;
		}
		for (; lo < image->nr_pointers && image->pointers[lo].map == map; lo++)
			if (link_map(l, image->pointers[lo].target, &index))
				return -ENOMEM;
	}
	return 0;
}

static int finish(struct link *l)
{
	struct linked *out = l->out;

	out->subs = arena_array(&l->scratch, l->nr_pieces, sizeof(*out->subs));
	out->pieces = arena_array(&l->scratch, l->nr_pieces, sizeof(*out->pieces));
	if (!out->subs || !out->pieces)
		return image_memory(l->in);
	if (follow_pointers(l))
		return -ENOMEM;
	for (uint32_t i = 0; i < l->nr_pieces; i++) {
		const struct func *f = l->pieces[i].func;

		out->subs[i] = (struct sub_def){ l->pieces[i].slot, f->name, f->global };
		out->pieces[i] = (struct link_piece){ l->pieces[i].slot, f->name,
						      l->in->view.sections[f->shndx].name };
		if (copy_lines(l, &l->pieces[i]))
			return -ENOMEM;
	}
	out->nr_subs = out->nr_pieces = l->nr_pieces;
	if (out->nr_poison)
		qsort(out->poison, out->nr_poison, sizeof(*out->poison), compare_poison);
	return link_pack(&l->scratch, l->in->image.btf, out) ? image_memory(l->in) : 0;
}

int elf_link_program(struct elf_image *image, uint32_t index, struct linked *out,
		     struct uebpf_error *err)
{
	struct image_inner *in = image->inner;
	struct link l = { .in = in, .out = out };
	uint32_t slot;
	int ret;

	memset(out, 0, sizeof(*out));
	in->err = err;
	if (index >= image->nr_progs)
		return image_fail(in, UEBPF_STAGE_LINK, UEBPF_E_ARGUMENT, -EINVAL, NULL, NULL,
				  "there is no program %u", index);
	l.scratch.host = in->params.host;
	l.max = in->params.max_slots ? in->params.max_slots : MAX_SLOTS;
	l.begins = mem_array(in->params.host, in->nr_funcs, sizeof(*l.begins));
	if (!l.begins)
		return image_memory(in);
	memset(l.begins, 0xff, in->nr_funcs * sizeof(*l.begins));
	l.p.func = &in->funcs[image->progs[index].func];
	l.at = l.p.func->start;
	ret = link_func(&l, l.p.func, &slot);
	for (uint32_t i = 0; !ret && i < l.nr_pieces; i++) {
		l.p = l.pieces[i];
		ret = apply_core(&l);
		ret = ret ? ret : link_relocs(&l);
		ret = ret ? ret : link_calls(&l);
	}
	ret = ret ? ret : finish(&l);
	mem_free(in->params.host, l.begins, in->nr_funcs * sizeof(*l.begins));
	arena_free(&l.scratch);
	if (ret)
		memset(out, 0, sizeof(*out));
	return ret;
}
