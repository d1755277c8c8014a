/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link.c - puts one program together: its function, then each subprogram it calls or points to;
 * relocations become pseudo sources with indexes of the program's own map table, calls get their
 * distance, CO-RE records are applied, externs become helper ids.  What the program does not use
 * is not looked at, so a bad neighbour does not matter. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "loader/elf/inner.h"
#include "loader/error.h"

enum { LDDW = 0x18, CALL = 0x85, SRC_LOCAL = 1, SRC_FUNC = 4, SRC_MAP = 5, SRC_VALUE = 6,
       MAX_SLOTS = 1000000, FIRST_HOST_HELPER = 0x10000 };
enum reloc_type { R_NONE, R_64_64, R_ABS64, R_ABS32, R_NODYLD32, R_64_32 = 10 };

struct piece { const struct func *func; uint32_t slot; };
struct link {
	struct image_inner *in;
	struct linked *out;
	struct arena scratch;		/* until everything is packed */
	struct piece *pieces;
	uint32_t nr_pieces, cap, max;
	uint32_t *begins;		/* slot of each function of the image, IMAGE_NONE: not needed yet */
	/* What is being worked on: a piece, a slot of its section, a relocation there and its symbol. */
	struct piece p;
	uint32_t at;
	const struct elf_reloc *r;
	const struct elf_sym *sym;
};

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

/* That slot in the linked program, and its bytes. */
static uint32_t here(const struct link *l)
{
	return l->p.slot + l->at - l->p.func->start;
}

static uint8_t *bytes_here(const struct link *l)
{
	return l->out->slots + (size_t)here(l) * 8;
}

/* Fails with the place of that slot in front; a symbol of NULL: the function. */
#define fail(l, stage, code, errnum, symbol, ...) \
	fail_make(l, ERROR_WHAT(stage, code, errnum), symbol, MESSAGE(__VA_ARGS__))
static int fail_make(struct link *l, uint32_t what, const char *symbol, const char *text, ...)
	__attribute__((format(printf, 4, 5)));
static int fail_make(struct link *l, uint32_t what, const char *symbol, const char *text, ...)
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

static int no_memory(struct link *l)
{
	return image_memory(l->in);
}

/* ---- pieces ---- */

/* Appends a function unless it is there; *slot is where it begins. */
static int need_func(struct link *l, const struct func *func, uint32_t *slot)
{
	struct linked *out = l->out;
	uint32_t index = (uint32_t)(func - l->in->funcs);

	if (l->begins[index] != IMAGE_NONE) {
		*slot = l->begins[index];
		return 0;
	}
	if (func->slots > l->max || out->n > l->max - func->slots)
		return fail(l, UEBPF_STAGE_LINK, UEBPF_E_TOO_LONG, -E2BIG, NULL,
			    "the program and its subprograms have more than %u instruction slots", l->max);
	if (out->n + func->slots > l->cap) {
		uint32_t cap = (out->n + func->slots) * (l->nr_pieces ? 2 : 1);
		uint8_t *more = arena_array(&l->scratch, cap, 8);

		if (!more)
			return no_memory(l);
		if (out->n)
			memcpy(more, out->slots, (size_t)out->n * 8);
		out->slots = more;
		l->cap = cap;
	}
	l->pieces = arena_grow(&l->scratch, l->pieces, l->nr_pieces, sizeof(*l->pieces));
	if (!l->pieces)
		return no_memory(l);
	l->pieces[l->nr_pieces++] = (struct piece){ func, out->n };
	memcpy(out->slots + (size_t)out->n * 8,
	       l->in->view.sections[func->shndx].data + (size_t)func->start * 8, (size_t)func->slots * 8);
	*slot = l->begins[index] = out->n;
	out->n += func->slots;
	return 0;
}

static int need_map(struct link *l, uint32_t map, uint32_t *index)
{
	struct linked *out = l->out;

	for (*index = 0; *index < out->nr_maps; ++*index)
		if (out->maps[*index] == map)
			return 0;
	out->maps = arena_grow(&l->scratch, out->maps, out->nr_maps, sizeof(*out->maps));
	if (!out->maps)
		return no_memory(l);
	out->maps[out->nr_maps++] = map;
	return 0;
}

/* Replaces the instruction by a call that must not be reached. */
static int poison(struct link *l, enum uebpf_code code, const char *why)
{
	struct linked *out = l->out;
	uint32_t slot = here(l);
	uint8_t *p = bytes_here(l);
	uint32_t width = *p == LDDW && slot + 1 < out->n ? 2 : 1;
	char *text = arena_string(&l->scratch, why);

	if (!text)
		return no_memory(l);
	for (; width--; p += 8, slot++) {
		raw_store(p, (struct raw_insn){ CALL, 0, 0, 0, HELPER_POISON });
		out->poison = arena_grow(&l->scratch, out->poison, out->nr_poison,
					 sizeof(*out->poison));
		if (!out->poison)
			return no_memory(l);
		out->poison[out->nr_poison++] = (struct link_poison){ slot, code, text };
	}
	return 0;
}

/* ---- externs ---- */

static const struct helper *find_helper(const struct image_inner *in, const char *name)
{
	const struct helper_table *table = in->params.helpers;
	const struct helper *h = table ? helper_find_name(table, name) : NULL;

	/* Kernel helpers are known without their prefix, but a program's own undefined loop() or
	 * redirect() does not mean them; the compiler's memcpy() and the like do. */
	if (h && (helper_id(h) >= FIRST_HOST_HELPER || !strncmp(name, "mem", 3)))
		return h;
	if (table && !strncmp(name, "bpf_", 4))
		return helper_find_name(table, name + 4);
	return NULL;
}

static int call_extern(struct link *l)
{
	const struct elf_sym *sym = l->sym;
	const struct image_extern *ext = image_extern_find(l->in, sym->name);
	const struct helper *h = find_helper(l->in, sym->name);
	const char *advice;
	char text[256];

	if (h) {
		raw_store(bytes_here(l), (struct raw_insn){ CALL, 0, 0, 0, (int32_t)helper_id(h) });
		return 0;
	}
	if (sym->bind == ELF_B_WEAK) {
		snprintf(text, sizeof(text), "weak function %.150s() does not exist here", sym->name);
		return poison(l, ext ? UEBPF_E_KFUNC : UEBPF_E_EXTERN, text);
	}
	if (ext)
		return fail(l, UEBPF_STAGE_LINK, UEBPF_E_KFUNC, -ENOTSUP, sym->name,
			    "kernel function %s() exists only in a kernel: the host can add a helper of "
			    "that name", sym->name);
	advice = elf_advice(sym->name);
	return fail(l, UEBPF_STAGE_LINK, UEBPF_E_EXTERN, -ENOENT, sym->name,
		    "%s() is neither in this object nor a helper here: %s", sym->name,
		    message_text(advice ? advice : MESSAGE_TEXT("BPF programs have no libraries; define it in the "
			"same file (static __always_inline), or have the host add a helper of that name")));
}

/* The 64-bit load there: its source and the two halves of its immediate. */
static void set_wide(const struct link *l, uint8_t src, uint32_t low, uint32_t high)
{
	struct raw_insn raw = raw_load(bytes_here(l));

	raw.src = src;
	raw.imm = (int32_t)low;
	raw_store(bytes_here(l), raw);
	put_le32(bytes_here(l) + 12, high);
}

static int set_value(struct link *l, uint8_t src, uint32_t map, uint32_t off)
{
	uint32_t index;
	int ret = need_map(l, map, &index);

	if (!ret)
		set_wide(l, src, index, off);
	return ret;
}

static int load_extern(struct link *l)
{
	const struct elf_sym *sym = l->sym;
	const struct image_extern *ext = image_extern_find(l->in, sym->name);
	const struct helper *h = find_helper(l->in, sym->name);

	if (h) {		/* a function that is asked whether it exists */
		set_wide(l, 0, helper_id(h), 0);
		return 0;
	}
	if (ext && ext->kind == EXTERN_KCONFIG && !ext->missing)
		return set_value(l, SRC_VALUE, l->in->kconfig_map, ext->off);
	if (sym->bind == ELF_B_WEAK && !(ext && ext->kind == EXTERN_KCONFIG)) {
		set_wide(l, 0, 0, 0);	/* the address of what does not exist */
		return 0;
	}
	if (ext && ext->kind == EXTERN_KCONFIG)
		return fail(l, UEBPF_STAGE_LINK, UEBPF_E_EXTERN, -ENOENT, sym->name,
			    "no value is known for the kernel configuration variable %s: name a "
			    "configuration file (--kconfig FILE), set it (--set-global %s=VALUE) or "
			    "declare it __weak", sym->name, sym->name);
	if (ext)
		return fail(l, UEBPF_STAGE_LINK, UEBPF_E_UNSUPPORTED, -ENOTSUP, sym->name,
			    "kernel symbol %s has no address in user space (declare it __weak if the "
			    "program can do without)", sym->name);
	return fail(l, UEBPF_STAGE_LINK, UEBPF_E_EXTERN, -ENOENT, sym->name,
		    "extern variable %s is not defined in this object", sym->name);
}

/* ---- relocations ---- */

static int bad_reloc(struct link *l, const char *what)
{
	return fail(l, UEBPF_STAGE_RELOC, UEBPF_E_BAD_RELOC, -EINVAL, l->sym->name,
		    "relocation of type %u against \"%s\": %s", l->r->type, l->sym->name,
		    message_text(what));
}

/* Function that a call or function pointer means; *inside is how far behind its start. */
static const struct func *target_func(struct link *l, uint32_t shndx, uint64_t slot, uint32_t *inside)
{
	const struct func *f = image_func(l->in, shndx, slot, true);

	if (!f)
		f = image_func(l->in, shndx, slot, false);
	*inside = f ? (uint32_t)slot - f->start : 0;
	return f;
}

static int set_call(struct link *l, uint32_t shndx, uint64_t to)
{
	uint32_t target = 0, inside;
	const struct func *f = target_func(l, shndx, to, &inside);
	int ret;

	if (!f)
		return fail(l, UEBPF_STAGE_LINK, UEBPF_E_JUMP, -EINVAL, NULL,
			    "a call to slot %llu of section %s, where no function is",
			    (unsigned long long)to, l->in->view.sections[shndx].name);
	ret = need_func(l, f, &target);
	if (!ret)
		raw_store(bytes_here(l), (struct raw_insn){ CALL, 0, SRC_LOCAL, 0,
			  (int32_t)(target + inside - here(l) - 1) });
	return ret;
}

static int reloc_call(struct link *l)
{
	const struct elf_sym *sym = l->sym;
	const struct elf_reloc *r = l->r;
	int32_t imm = (int32_t)le32(l->in->view.sections[l->p.func->shndx].data + r->off + 4);
	uint64_t to;

	if (sym->shndx == ELF_UNDEF)
		return call_extern(l);
	if (sym->shndx >= l->in->view.nr_sections || l->in->use[sym->shndx] != USE_CODE)
		return bad_reloc(l, MESSAGE_TEXT("a call of something that is not code"));
	if (sym->value % 8)
		return bad_reloc(l, MESSAGE_TEXT("the function does not begin at an instruction"));
	/* The addend is (imm + 1) slots: 0 for a function's own symbol, its place for a section's. */
	to = sym->value / 8 + (uint64_t)(int64_t)imm + 1;
	if (l->in->old_gas && !r->rela && sym->type != ELF_T_SECTION) {
		to = sym->value / 8;
	} else if (r->rela) {
		to = sym->value / 8 + (uint64_t)(r->addend / 8);
		if (!image_func(l->in, sym->shndx, to, true))
			to += (uint64_t)(int64_t)imm + 1;
	}
	return set_call(l, sym->shndx, to);
}

/* -O0 leaves helper calls as calls through variables that hold their numbers.  The name of the
 * helper if such a variable lies at `off` of the data map. */
static const char *helper_variable(struct link *l, uint32_t map, uint64_t off)
{
	for (uint32_t i = 0; l->in->params.helpers && i < l->in->image.nr_globals; i++) {
		const struct image_global *g = &l->in->image.globals[i];

		if (g->map == map && g->off == off && g->size == 8 && !strncmp(g->name, "bpf_", 4) &&
		    helper_find_name(l->in->params.helpers, g->name + 4))
			return g->name;
	}
	return NULL;
}

static int load_func(struct link *l, uint64_t off)
{
	uint32_t target = 0, inside = 0;
	const struct func *f = off % 8 ? NULL : target_func(l, l->sym->shndx, off / 8, &inside);
	int ret;

	if (!f || inside)
		return bad_reloc(l, MESSAGE_TEXT("a pointer into code that is no function's start"));
	ret = need_func(l, f, &target);
	if (!ret)
		set_wide(l, SRC_FUNC, target - here(l) - 1, 0);	/* relative, as the kernel has it */
	return ret;
}

static int load_data(struct link *l, uint64_t off)
{
	const struct elf_sym *sym = l->sym;
	bool value = l->in->use[sym->shndx] == USE_DATA;
	const char *helper;
	uint32_t map;

	map = value ? l->in->section_map[sym->shndx] : image_map_at(l->in, sym->shndx, off);
	if (map == IMAGE_NONE)
		return bad_reloc(l, MESSAGE_TEXT("there is no map definition at that place"));
	helper = value ? helper_variable(l, map, off) : NULL;
	if (helper)
		return fail(l, UEBPF_STAGE_LINK, UEBPF_E_UNSUPPORTED, -ENOTSUP, helper,
			    "%s() is called through a variable: the object was compiled without "
			    "optimisation; compile with -O2 (\"clang --target=bpf -O2 -g -c FILE.c\")",
			    helper);
	if (value && off > l->in->image.maps[map].data)
		return bad_reloc(l, MESSAGE_TEXT("it points past the end of the section's data"));
	return set_value(l, value ? SRC_VALUE : SRC_MAP, map, value ? (uint32_t)off : 0);
}

static int reloc_load(struct link *l)
{
	const struct elf_sym *sym = l->sym;
	const struct elf_reloc *r = l->r;
	const uint8_t *bytes = l->in->view.sections[l->p.func->shndx].data + r->off;
	uint64_t off = sym->value + (r->rela ? (uint64_t)r->addend : le32(bytes + 4));

	if (l->in->old_gas && !r->rela)
		off = le32(bytes + 4);
	if (sym->shndx == ELF_UNDEF)
		return load_extern(l);
	if (sym->shndx == ELF_COMMON)
		return bad_reloc(l, MESSAGE_TEXT("a common symbol: compile with -fno-common"));
	if (sym->shndx >= l->in->view.nr_sections)
		return bad_reloc(l, MESSAGE_TEXT("a symbol without a section"));
	switch (l->in->use[sym->shndx]) {
	case USE_CODE:
		return load_func(l, off);
	case USE_MAPS: case USE_LEGACY: case USE_DATA:
		return load_data(l, off);
	default:
		return bad_reloc(l, MESSAGE_TEXT("a section that is neither code, data nor maps"));
	}
}

static int apply_reloc(struct link *l, const struct elf_reloc *r)
{
	const struct func *func = l->p.func;
	uint8_t code = l->in->view.sections[func->shndx].data[r->off];
	bool load, call = code == CALL;

	l->r = r;
	l->sym = &l->in->syms[r->sym];
	l->at = (uint32_t)(r->off / 8);
	load = code == LDDW && l->at + 1 < func->start + func->slots;
	switch (r->type) {
	case R_NONE:		/* objects without a machine number use it for both */
		return load ? reloc_load(l) : call ? reloc_call(l) : 0;
	case R_64_64:
		return load ? reloc_load(l) :
			bad_reloc(l, MESSAGE_TEXT("it belongs on a 64-bit immediate load"));
	case R_64_32: case R_ABS64:	/* some old tools number calls 2 */
		return call ? reloc_call(l) :
			bad_reloc(l, MESSAGE_TEXT("among instructions it belongs on a call"));
	case R_ABS32: case R_NODYLD32:
		return bad_reloc(l, MESSAGE_TEXT("it does not belong among instructions"));
	default:
		return bad_reloc(l, MESSAGE_TEXT("this type is not known"));
	}
}

static int apply_relocs(struct link *l)
{
	const struct func *func = l->p.func;
	const struct reloc_list *list = &l->in->relocs[func->shndx];
	uint32_t i = 0, hi = list->n;

	while (i < hi) {		/* first relocation of the function */
		uint32_t mid = i + (hi - i) / 2;

		if (list->r[mid].off < (uint64_t)func->start * 8)
			i = mid + 1;
		else
			hi = mid;
	}
	for (; i < list->n && list->r[i].off < ((uint64_t)func->start + func->slots) * 8; i++) {
		int ret = apply_reloc(l, &list->r[i]);

		if (ret)
			return ret;
	}
	return 0;
}

/* Calls inside a section carry their distance and no relocation. */
static int apply_calls(struct link *l)
{
	const struct func *func = l->p.func;
	const uint8_t *data = l->in->view.sections[func->shndx].data;

	for (l->at = func->start; l->at < func->start + func->slots; l->at++) {
		struct raw_insn raw = raw_load(data + (size_t)l->at * 8);
		int ret;

		if (raw.code == LDDW)
			l->at++;
		if (raw.code != CALL || raw.src != SRC_LOCAL ||
		    image_reloc(l->in, func->shndx, (uint64_t)l->at * 8))
			continue;
		ret = set_call(l, func->shndx, (uint64_t)((int64_t)l->at + raw.imm + 1));
		if (ret)
			return ret;
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
			return fail(l, UEBPF_STAGE_CORE, UEBPF_E_CORE, -EINVAL, NULL,
				    "a CO-RE record inside an instruction");
		l->in->err = &why;
		ret = core_apply(l->in, rec, bytes_here(l), func->slots - (l->at - func->start), &text);
		l->in->err = err;
		if (ret == 1)
			ret = poison(l, UEBPF_E_CORE, text);
		else if (ret)
			return fail(l, why.stage, why.code, ret, NULL, "%s",
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
			return no_memory(l);
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
			if (need_map(l, image->pointers[lo].target, &index))
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
		return no_memory(l);
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
	return link_pack(&l->scratch, l->in->image.btf, out) ? no_memory(l) : 0;
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
		return no_memory(&l);
	memset(l.begins, 0xff, in->nr_funcs * sizeof(*l.begins));
	l.p.func = &in->funcs[image->progs[index].func];
	l.at = l.p.func->start;
	ret = need_func(&l, l.p.func, &slot);
	for (uint32_t i = 0; !ret && i < l.nr_pieces; i++) {
		l.p = l.pieces[i];
		ret = apply_core(&l);
		ret = ret ? ret : apply_relocs(&l);
		ret = ret ? ret : apply_calls(&l);
	}
	ret = ret ? ret : finish(&l);
	mem_free(in->params.host, l.begins, in->nr_funcs * sizeof(*l.begins));
	arena_free(&l.scratch);
	if (ret)
		memset(out, 0, sizeof(*out));
	return ret;
}
