/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* object.c - opens an object: functions, programs, licence; the others here add symbols, maps, data and line
 * information.  Hostile bytes end in an error; the image is one arena, so each way out frees once. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "loader/elf/inner.h"
#include "loader/error.h"

enum { OBJECT_MAX = 1 << 30 };

/* ---- errors ---- */

int image_fail_make(const struct image_inner *in, uint32_t what, const char *section,
		    const char *symbol, const char *text, ...)
{
	const struct place at = { .object = in->image.name, .section = section, .symbol = symbol };
	va_list ap;
	int errnum;

	va_start(ap, text);
	errnum = error_list(in->err, what, UINT32_MAX, text, ap);
	va_end(ap);
	error_place(in->err, &at);
	return errnum;
}

int image_memory(const struct image_inner *in)
{
	return image_fail(in, UEBPF_STAGE_ELF, UEBPF_E_MEMORY, -ENOMEM, NULL, NULL,
			  "out of memory");
}

void (image_log)(const struct image_inner *in, enum uebpf_level level, const char *text, ...)
{
	char line[512];
	int n;
	va_list ap;

	if (!in->params.log)
		return;
	n = snprintf(line, sizeof(line), "%.200s: ", in->image.name);
	va_start(ap, text);
	message_print(line + n, sizeof(line) - (size_t)n, text, ap);
	va_end(ap);
	in->params.log(in->params.log_arg, level, line);
}

int (image_malformed)(const struct image_inner *in, const char *section, const char *symbol, const char *what)
{
	return image_fail(in, UEBPF_STAGE_ELF, UEBPF_E_MALFORMED, -EINVAL, section, symbol,
			  "malformed ELF: %s", message_text(what));
}

/* ---- what each section is for ---- */

static bool starts(const char *name, const char *with)
{
	size_t n = strlen(with);

	return !strncmp(name, with, n) && (!name[n] || name[n] == '.');
}

static void classify(struct image_inner *in)
{
	for (uint32_t i = 1; i < in->view.nr_sections; i++) {
		const struct elf_section *s = &in->view.sections[i];
		bool alloc = s->flags & ELF_F_ALLOC;

		if (s->type != ELF_PROGBITS && s->type != ELF_NOBITS)
			continue;
		if (!strcmp(s->name, ".maps"))
			in->use[i] = USE_MAPS;
		else if (!strcmp(s->name, "maps") || !strncmp(s->name, "maps/", 5))
			in->use[i] = USE_LEGACY;
		else if (s->type == ELF_PROGBITS && (s->flags & ELF_F_EXEC))
			in->use[i] = s->size ? USE_CODE : USE_NONE;
		else if (alloc && s->size && (starts(s->name, ".rodata") || starts(s->name, ".data") ||
					      starts(s->name, ".bss") || !strcmp(s->name, ARENA_SECTION)))
			in->use[i] = USE_DATA;
	}
}

/* Data sections with names of their own become maps when code refers to them. */
static void classify_referenced(struct image_inner *in)
{
	for (uint32_t i = 1; i < in->view.nr_sections; i++) {
		if (in->use[i] != USE_CODE)
			continue;
		for (uint32_t k = 0; k < in->relocs[i].n; k++) {
			uint32_t to = in->syms[in->relocs[i].r[k].sym].shndx;
			const struct elf_section *s;

			if (!to || to >= in->view.nr_sections || in->use[to] != USE_NONE)
				continue;
			s = &in->view.sections[to];
			if ((s->type == ELF_PROGBITS || s->type == ELF_NOBITS) && s->size &&
			    (s->flags & ELF_F_ALLOC) && s->name[0] != '.')
				in->use[to] = USE_DATA;
		}
	}
}

/* ---- functions and programs ---- */

static int compare_funcs(const void *a, const void *b)
{
	const struct func *x = a, *y = b;

	if (x->shndx != y->shndx)
		return x->shndx < y->shndx ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (int)y->global - (int)x->global;
}

static int add_func(struct image_inner *in, const char *name, uint32_t shndx, uint64_t value,
		    uint64_t size, bool global)
{
	const struct elf_section *s = &in->view.sections[shndx];

	if (value >= s->size || size > s->size - value)
		return image_malformed(in, s->name, name, "the function lies outside its section");
	if (value % 8 || size % 8)
		return image_malformed(in, s->name, name, "the function is not made of 8-byte slots");
	in->funcs = arena_grow(&in->arena, in->funcs, in->nr_funcs, sizeof(*in->funcs));
	if (!in->funcs)
		return image_memory(in);
	in->funcs[in->nr_funcs++] = (struct func){ name, shndx, (uint32_t)(value / 8),
						   (uint32_t)(size / 8), global };
	return 0;
}

/* Objects of old tools have functions without a type; `pass` 1 looks for these. */
static int funcs_of_symbols(struct image_inner *in, int pass, const bool *has)
{
	for (uint32_t i = 1; i < in->nr_syms; i++) {
		const struct elf_sym *s = &in->syms[i];
		bool global = s->bind != ELF_B_LOCAL;
		int ret;

		if (s->shndx >= in->view.nr_sections || in->use[s->shndx] != USE_CODE)
			continue;
		if (pass ? s->type != ELF_T_NOTYPE || !global || has[s->shndx] : s->type != ELF_T_FUNC)
			continue;
		ret = add_func(in, s->name, s->shndx, s->value, s->size, global && !s->hidden);
		if (ret)
			return ret;
	}
	return 0;
}

static int read_funcs(struct image_inner *in)
{
	bool *has = arena_array(&in->arena, in->view.nr_sections, sizeof(*has));
	uint32_t n = 0;
	int ret;

	if (!has)
		return image_memory(in);
	for (uint32_t i = 1; i < in->view.nr_sections; i++)
		if (in->use[i] == USE_CODE &&
		    (in->view.sections[i].size % 8 || in->view.sections[i].size / 8 > INT32_MAX))
			return image_malformed(in, in->view.sections[i].name, NULL,
					 "code is not made of 8-byte slots");
	for (int pass = 0; pass < 3; pass++) {
		for (uint32_t i = 0; i < in->nr_funcs; i++)
			has[in->funcs[i].shndx] = true;
		if (pass < 2) {
			ret = funcs_of_symbols(in, pass, has);
			if (ret)
				return ret;
		}
	}
	for (uint32_t i = 1; i < in->view.nr_sections; i++) {	/* no symbol at all: the section is one */
		if (in->use[i] != USE_CODE || has[i])
			continue;
		ret = add_func(in, in->view.sections[i].name, i, 0, in->view.sections[i].size, true);
		if (ret)
			return ret;
	}
	if (in->nr_funcs)
		qsort(in->funcs, in->nr_funcs, sizeof(*in->funcs), compare_funcs);
	for (uint32_t i = 0; i < in->nr_funcs; i++)		/* aliases: the first name stays */
		if (!n || in->funcs[n - 1].shndx != in->funcs[i].shndx ||
		    in->funcs[n - 1].start != in->funcs[i].start)
			in->funcs[n++] = in->funcs[i];
	in->nr_funcs = n;
	for (uint32_t i = 0; i < n; i++) {
		struct func *f = &in->funcs[i];
		uint32_t end = (uint32_t)(in->view.sections[f->shndx].size / 8);

		if (f->slots)
			continue;
		f->slots = (i + 1 < n && in->funcs[i + 1].shndx == f->shndx ? in->funcs[i + 1].start : end)
			- f->start;
	}
	return 0;
}

const struct func *image_func(const struct image_inner *in, uint32_t shndx, uint64_t slot, bool exact)
{
	uint32_t lo = 0, hi = in->nr_funcs;

	while (lo < hi) {		/* first function behind (shndx, slot) */
		uint32_t mid = lo + (hi - lo) / 2;
		const struct func *f = &in->funcs[mid];

		if (f->shndx < shndx || (f->shndx == shndx && f->start <= slot))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || in->funcs[lo - 1].shndx != shndx)
		return NULL;
	if (exact ? in->funcs[lo - 1].start != slot :
	    slot - in->funcs[lo - 1].start >= in->funcs[lo - 1].slots)
		return NULL;
	return &in->funcs[lo - 1];
}

static int add_prog(struct image_inner *in, uint32_t func)
{
	const struct func *f = &in->funcs[func];
	struct image_prog *p;
	struct section_match match;

	in->image.progs = arena_grow(&in->arena, in->image.progs, in->image.nr_progs, sizeof(*p));
	if (!in->image.progs)
		return image_memory(in);
	p = &in->image.progs[in->image.nr_progs++];
	p->name = f->name;
	p->section = in->view.sections[f->shndx].name;
	p->func = func;
	section_type(p->section, &match);
	p->type = match.type;
	p->attach = match.attach;
	p->optional = match.optional;
	p->host_type = NULL;
	if (match.host_type) {
		const struct prog_type *own = in->params.find_type ?
			in->params.find_type(in->params.find_arg, match.host_type) : NULL;

		if (own)
			p->type = own;
		else if (!p->type)
			p->host_type = match.host_type;
	}
	if (!p->type && !p->host_type && in->params.type) {
		p->type = in->params.find_type ?
			in->params.find_type(in->params.find_arg, in->params.type) : NULL;
		if (!p->type)
			p->type = prog_type_find(in->params.type);
	}
	return 0;
}

/* Programs are the global functions of all sections but .text (and .text.*), which hold subprograms - unless
 * there is nothing else.  A named section without a global function offers what it has. */
static int read_progs(struct image_inner *in)
{
	bool *global = arena_array(&in->arena, in->view.nr_sections, sizeof(*global));

	if (!global)
		return image_memory(in);
	for (uint32_t i = 0; i < in->nr_funcs; i++)
		global[in->funcs[i].shndx] |= in->funcs[i].global;
	for (int pass = 0; pass < 2 && !in->image.nr_progs; pass++) {
		for (uint32_t i = 0; i < in->nr_funcs; i++) {
			const struct func *f = &in->funcs[i];
			bool text = starts(in->view.sections[f->shndx].name, ".text");	/* -ffunction-sections */
			int ret;

			if (text != pass || (!f->global && (text || global[f->shndx])))
				continue;
			ret = add_prog(in, i);
			if (ret)
				return ret;
		}
	}
	if (!in->image.nr_progs)
		return image_fail(in, UEBPF_STAGE_ELF, UEBPF_E_NO_PROGRAM, -ENOENT, NULL, NULL,
				  "the object holds no program: give a function that is not static a "
				  "section, as in SEC(\"xdp\")");
	return 0;
}

/* ---- the rest ---- */

static int read_license(struct image_inner *in)
{
	static const char *const free_ones[] = { "GPL", "GPL v2", "GPL and additional rights",
		"Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL" };
	const struct elf_section *s = elf_view_find(&in->view, "license");
	char *text;

	in->image.license = "";
	if (!s || !s->data || !s->size)
		return 0;
	if (s->size > 4096)
		return image_malformed(in, s->name, NULL, "a licence of more than 4096 bytes");
	text = arena_alloc(&in->arena, s->size + 1);
	if (!text)
		return image_memory(in);
	memcpy(text, s->data, s->size);
	in->image.license = text;
	for (size_t i = 0; i < sizeof(free_ones) / sizeof(free_ones[0]); i++)
		in->image.gpl |= !strcmp(text, free_ones[i]);
	return 0;
}

/* Compilers leave offsets of variables to the linker: symbols know them. */
static void fix_datasecs(struct image_inner *in)
{
	struct btf *btf = in->image.btf;

	for (uint32_t id = 1; btf && id < btf_count(btf); id++) {
		struct btf_secinfo var;
		uint32_t shndx;

		if (btf_kind(btf, id) != BTF_DATASEC)
			continue;
		shndx = image_section(in, btf_name(btf, id), 0);
		if (!shndx || in->view.sections[shndx].size > UINT32_MAX)
			continue;
		btf_set_size(btf, id, (uint32_t)in->view.sections[shndx].size);
		for (uint32_t i = 0; btf_secinfo(btf, id, i, &var); i++) {
			const struct elf_sym *s = image_symbol(in, btf_name(btf, var.type), shndx);

			if (s && s->value < in->view.sections[shndx].size)
				btf_set_secinfo(btf, id, i, (uint32_t)s->value,
						var.size ? var.size : (uint32_t)s->size);
		}
	}
}

static int read_btf(struct image_inner *in)
{
	const struct elf_section *s = elf_view_find(&in->view, ".BTF");
	struct uebpf_error why;

	if (!s || !s->data)
		return 0;
	in->image.btf = btf_parse(in->params.host, s->data, s->size, in->image.name, &why);
	if (in->image.btf) {
		fix_datasecs(in);
		return 0;
	}
	if (why.code == UEBPF_E_MEMORY || elf_view_find(&in->view, ".maps") ||
	    elf_view_find(&in->view, ".BTF.ext")) {
		if (in->err)
			*in->err = why;
		return why.err;
	}
	image_log(in, UEBPF_LOG_WARN, "types are left out: %s", why.text);
	return 0;
}

/* The assembler that gcc up to 13 is used with adds the value of a symbol that is no section
 * to what the instruction holds, in bytes for calls too; its objects are known by the compiler's name in .comment. */
static bool is_old_gas(const struct elf_view *view)
{
	const struct elf_section *s = elf_view_find(view, ".comment");
	const char *at = s && s->data ? memmem(s->data, s->size, "GCC: (", 6) : NULL;
	const char *end = s && s->data ? (const char *)s->data + s->size : NULL;

	if (!at || end[-1])
		return false;
	at = strchr(at, ')');
	return at && strtoull(at + 1, NULL, 10) - 1 < 13;
}

static int read_object(struct image_inner *in, const void *data, size_t len)
{
	uint8_t *copy;
	int ret = elf_diagnose(data, len, in->image.name, in->err);

	if (ret)
		return ret;
	copy = len > OBJECT_MAX ? NULL : arena_alloc(&in->arena, len);
	if (!copy)
		return image_memory(in);
	memcpy(copy, data, len);
	ret = elf_view_open(&in->arena, copy, len, in->image.name, &in->view, in->err);
	if (ret)
		return ret;
	in->use = arena_array(&in->arena, in->view.nr_sections, sizeof(*in->use));
	in->section_map = arena_array(&in->arena, in->view.nr_sections, sizeof(*in->section_map));
	in->relocs = arena_array(&in->arena, in->view.nr_sections, sizeof(*in->relocs));
	if (!in->use || !in->section_map || !in->relocs)
		return image_memory(in);
	ret = image_read_symbols(in);
	if (ret)
		return ret;
	classify(in);
	in->old_gas = is_old_gas(&in->view);
	ret = image_read_relocs(in);
	if (ret)
		return ret;
	classify_referenced(in);
	ret = read_funcs(in);
	ret = ret ? ret : read_btf(in);
	ret = ret ? ret : read_license(in);
	ret = ret ? ret : image_read_maps(in);
	ret = ret ? ret : image_read_legacy(in);
	ret = ret ? ret : image_read_externs(in);
	ret = ret ? ret : image_read_data(in);
	ret = ret ? ret : image_read_ext(in);
	ret = ret ? ret : read_progs(in);
	return ret ? ret : image_read_slots(in);
}

int elf_open(const void *data, size_t len, const struct elf_params *params, struct elf_image **out,
	     struct uebpf_error *err)
{
	struct image_inner *in;
	int ret;

	*out = NULL;
	if (!elf_present)
		return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_ABSENT, -EOPNOTSUPP, UINT32_MAX,
				 "%s: this build reads no ELF objects (made with ELF=no): give raw "
				 "instructions, or build with libelf", params->name);
	in = mem_alloc(params->host, sizeof(*in));
	if (!in)
		return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
				 "%s: out of memory", params->name);
	in->params = *params;
	in->err = err;
	in->arena.host = params->host;
	in->image.inner = in;
	in->kconfig_map = IMAGE_NONE;
	in->image.name = params->name ? arena_string(&in->arena, params->name) : "memory";
	in->params.btf = params->btf ? arena_string(&in->arena, params->btf) : NULL;
	in->params.kconfig = params->kconfig ? arena_string(&in->arena, params->kconfig) : NULL;
	if (!in->image.name || !in->params.btf != !params->btf ||
	    !in->params.kconfig != !params->kconfig) {
		in->image.name = "object";
		ret = image_memory(in);
	} else {
		ret = read_object(in, data, len);
	}
	in->params.type = NULL;		/* the caller's, only needed above */
	if (ret) {
		if (err && !err->object[0])
			error_tail(err->object, sizeof(err->object), in->image.name);
		elf_close(&in->image);
		return ret;
	}
	*out = &in->image;
	return 0;
}

void elf_close(struct elf_image *image)
{
	struct image_inner *in = image ? image->inner : NULL;

	if (!in)
		return;
	core_free(in);
	btf_unref(in->image.btf);
	arena_free(&in->arena);
	mem_free(in->params.host, in, sizeof(*in));
}
