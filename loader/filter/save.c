/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* save.c - a filter as an ELF object: its code in section "uebpf/TYPE", the event type as it was
 * here in .BTF, a CO-RE record per field access in .BTF.ext, and helpers that have no number in the
 * kernel as undefined functions, to be found by name where it is opened. */
#include <errno.h>
#include <stdio.h>
#include "loader/elf/inner.h"
#include "loader/event_btf.h"
#include "loader/filter/filter.h"
#include "vm/code.h"

enum { HOST_HELPERS = 0x10000, EHDR = 64, SHDR = 64, SYM = 24, REL = 16, R_BPF_64_32 = 10, FUNC_GLOBAL = 0x12,
       NOTYPE_GLOBAL = 0x10 };
enum section { S_NULL, S_CODE, S_REL, S_LICENSE, S_BTF, S_EXT, S_SYM, S_STR, SECTIONS };

struct save {
	const struct uebpf_object *obj;
	struct arena arena;
	struct bytes part[SECTIONS];
	uint32_t type_id;
	struct btf_out btf;
};

static void le64_add(struct bytes *to, uint64_t v)
{
	bytes_le32(to, (uint32_t)v);
	bytes_le32(to, (uint32_t)(v >> 32));
}

static void symbol(struct save *s, uint32_t name, uint32_t info_shndx, uint64_t size)
{
	bytes_le32(&s->part[S_SYM], name);
	bytes_le32(&s->part[S_SYM], info_shndx);
	le64_add(&s->part[S_SYM], 0);
	le64_add(&s->part[S_SYM], size);
}

/* Calls of helpers that only this library or this host knows. */
static void code(struct save *s)
{
	const struct uebpf_object *obj = s->obj;
	uint8_t *slots;
	uint32_t next = 2;	/* symbols: none, the program */

	bytes_add(&s->part[S_CODE], obj->slots, (size_t)obj->nr_slots * 8);
	slots = s->part[S_CODE].p;
	for (uint32_t i = 0; !s->part[S_CODE].failed && i < obj->nr_slots; i++) {
		struct raw_insn raw = raw_load(slots + (size_t)i * 8);
		const struct helper *h = raw.code == W_CALL && raw.imm >= HOST_HELPERS ?
			helper_find(&obj->helpers->table, (uint32_t)raw.imm) : NULL;

		i += raw.code == W_LDDW;
		if (!h)
			continue;
		symbol(s, bytes_text(&s->part[S_STR], helper_name(h)), NOTYPE_GLOBAL, 0);
		le64_add(&s->part[S_REL], (uint64_t)i * 8);
		le64_add(&s->part[S_REL], (uint64_t)next++ << 32 | R_BPF_64_32);
		raw.src = 1;
		raw.imm = -1;
		raw_store(slots + (size_t)i * 8, raw);
	}
}

static void relocations(struct save *s, const char *section)
{
	const struct filter_origin *origin = s->obj->origin;
	const struct prog_type *type = s->obj->progs[0].type;
	struct bytes *to = &s->part[S_EXT];
	uint32_t n = 0, bytes;
	static const uint8_t magic[] = { 0x9f, 0xeb, 1, 0 };
	char path[32];

	for (uint32_t i = 0; i < origin->nr_relocs; i++)	/* of a bit-field its load and two shifts */
		n += type->event[origin->reloc[i].field].bits ? 3 : 1;
	bytes = n ? 4 + 8 + n * 16 : 0;
	bytes_add(to, magic, 4);
	bytes_le32(to, 32);
	for (int i = 0; i < 4; i++)	/* no function and line records */
		bytes_le32(to, 0);
	bytes_le32(to, 0);
	bytes_le32(to, bytes);
	if (!n)
		return;
	bytes_le32(to, 16);
	bytes_le32(to, bytes_text(&s->btf.strings, section));
	bytes_le32(to, n);
	for (uint32_t i = 0; i < origin->nr_relocs; i++) {
		static const uint8_t kind[] = { CORE_BYTE_OFFSET, CORE_LSHIFT_U64, CORE_RSHIFT_U64 };
		const struct filter_reloc *r = &origin->reloc[i];
		const struct uebpf_field *f = &type->event[r->field];

		snprintf(path, sizeof(path), f->kind == UEBPF_FIELD_BYTES ? "0:%u:%u" : "0:%u", r->field,
			 r->at / (f->elem ? f->elem : 1u));
		for (uint32_t k = 0; k < (f->bits ? 3u : 1u); k++) {
			bytes_le32(to, (r->slot + k) * 8);
			bytes_le32(to, s->type_id);
			bytes_le32(to, bytes_text(&s->btf.strings, path));
			bytes_le32(to, kind[k]);
		}
	}
}

static void header(struct bytes *to, uint64_t sections)
{
	static const uint8_t ident[EHDR] = { 0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 1 /* ET_REL */, [18] = 247 /* EM_BPF */,
					     [20] = 1, [52] = EHDR, [58] = SHDR, [60] = SECTIONS, [62] = S_STR };
	bytes_add(to, ident, 40);
	le64_add(to, sections);
	bytes_add(to, ident + 48, EHDR - 48);
}

static void assemble(struct save *s, const char *section, struct bytes *to)
{
	static const struct { uint8_t type, flags, link, info, entry; } rows[SECTIONS] = {
		[S_CODE] = { 1, 6, 0, 0, 0 }, [S_REL] = { 9, 0x40, S_SYM, S_CODE, REL }, [S_LICENSE] = { 1, 3, 0, 0, 0 },
		[S_BTF] = { 1, 0, 0, 0, 0 }, [S_EXT] = { 1, 0, 0, 0, 0 }, [S_SYM] = { 2, 0, S_STR, 1, SYM },
		[S_STR] = { 3, 0, 0, 0, 0 },
	};
	static const char names[SECTIONS][10] = { "", "", ".rel", "license", ".BTF", ".BTF.ext", ".symtab", ".strtab" };
	uint32_t name[SECTIONS];
	uint64_t off[SECTIONS], at = EHDR;
	char rel[96];

	snprintf(rel, sizeof(rel), ".rel%s", section);
	for (int i = 0; i < SECTIONS; i++)
		name[i] = i ? bytes_text(&s->part[S_STR], i == S_CODE ? section : i == S_REL ? rel : names[i]) : 0;
	for (int i = 0; i < SECTIONS; i++) {
		off[i] = at;
		at += (s->part[i].len + 7) / 8 * 8;
	}
	header(to, at);
	for (int i = 0; i < SECTIONS; i++) {
		static const uint8_t zero[8];

		bytes_add(to, s->part[i].p, s->part[i].len);
		bytes_add(to, zero, (8 - s->part[i].len % 8) % 8);
	}
	for (int i = 0; i < SECTIONS; i++) {
		bytes_le32(to, name[i]);
		bytes_le32(to, rows[i].type);
		le64_add(to, rows[i].flags);
		le64_add(to, 0);
		le64_add(to, i ? off[i] : 0);
		le64_add(to, s->part[i].len);
		bytes_le32(to, rows[i].link);
		bytes_le32(to, rows[i].info);
		le64_add(to, i ? 8 : 0);
		le64_add(to, rows[i].entry);
	}
}

long uebpf_object_save(const struct uebpf_object *obj, void *buf, size_t cap, struct uebpf_error *err)
{
	struct save s = { .obj = obj };
	struct bytes all = { .arena = &s.arena };
	char section[80];
	bool failed;
	long n;

	if (!obj || !obj->origin)
		return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "only an object that was opened as a filter can be saved");
	s.arena.host = &obj->env->host;
	for (int i = 0; i < SECTIONS; i++)
		s.part[i].arena = &s.arena;
	snprintf(section, sizeof(section), "uebpf/%s", obj->progs[0].type->name);
	bytes_text(&s.part[S_STR], "");
	bytes_text(&s.part[S_LICENSE], "Dual MIT/GPL");
	symbol(&s, 0, 0, 0);
	symbol(&s, bytes_text(&s.part[S_STR], "filter"), FUNC_GLOBAL | S_CODE << 16, (uint64_t)obj->nr_slots * 8);
	btf_out_begin(&s.btf, &s.arena);
	s.type_id = event_btf_type(&s.btf, obj->progs[0].type);
	code(&s);
	relocations(&s, section);
	failed = !btf_out_end(&s.btf, &s.part[S_BTF]);
	assemble(&s, section, &all);
	for (int i = 0; i < SECTIONS; i++)
		failed |= s.part[i].failed;
	if (failed || all.failed) {
		n = error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "no memory to save a filter");
	} else {
		n = (long)all.len;
		if (all.len <= cap)
			memcpy(buf, all.p, all.len);
	}
	arena_free(&s.arena);
	return n;
}
