/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link_reloc.c - what the instructions of a piece refer to: relocations and calls become pseudo sources with the
 * program's own indexes and distances, externs helper ids, values or advice. */
#include <errno.h>
#include <stdio.h>
#include "loader/link.h"

enum { SRC_LOCAL = 1, SRC_FUNC = 4, SRC_MAP = 5, SRC_VALUE = 6, FIRST_HOST_HELPER = 0x10000 };
enum reloc_type { R_NONE, R_64_64, R_ABS64, R_ABS32, R_NODYLD32, R_64_32 = 10 };

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
		raw_store(link_bytes(l), (struct raw_insn){ CALL, 0, 0, 0, (int32_t)helper_id(h) });
		return 0;
	}
	if (sym->bind == ELF_B_WEAK) {
		snprintf(text, sizeof(text), "weak function %.150s() does not exist here", sym->name);
		return link_poison(l, ext ? UEBPF_E_KFUNC : UEBPF_E_EXTERN, text);
	}
	if (ext)
		return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_KFUNC, -ENOTSUP, sym->name,
			    "kernel function %s() exists only in a kernel: the host can add a helper of "
			    "that name", sym->name);
	advice = elf_advice(sym->name);
	return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_EXTERN, -ENOENT, sym->name,
		    "%s() is neither in this object nor a helper here: %s", sym->name,
		    message_text(advice ? advice : MESSAGE_TEXT("BPF programs have no libraries; define it in the "
			"same file (static __always_inline), or have the host add a helper of that name")));
}

/* The 64-bit load there: its source and the two halves of its immediate. */
static void set_wide(const struct link *l, uint8_t src, uint32_t low, uint32_t high)
{
	struct raw_insn raw = raw_load(link_bytes(l));

	raw.src = src;
	raw.imm = (int32_t)low;
	raw_store(link_bytes(l), raw);
	put_le32(link_bytes(l) + 12, high);
}

static int set_value(struct link *l, uint8_t src, uint32_t map, uint32_t off)
{
	uint32_t index;
	int ret = link_map(l, map, &index);

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
		return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_EXTERN, -ENOENT, sym->name,
			    "no value is known for the kernel configuration variable %s: name a "
			    "configuration file (--kconfig FILE), set it (--set-global %s=VALUE) or "
			    "declare it __weak", sym->name, sym->name);
	if (ext)
		return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_UNSUPPORTED, -ENOTSUP, sym->name,
			    "kernel symbol %s has no address in user space (declare it __weak if the "
			    "program can do without)", sym->name);
	return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_EXTERN, -ENOENT, sym->name,
		    "extern variable %s is not defined in this object", sym->name);
}

/* ---- relocations ---- */

static int bad_reloc(struct link *l, const char *what)
{
	return link_fail(l, UEBPF_STAGE_RELOC, UEBPF_E_BAD_RELOC, -EINVAL, l->sym->name,
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
		return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_JUMP, -EINVAL, NULL,
			    "a call to slot %llu of section %s, where no function is",
			    (unsigned long long)to, l->in->view.sections[shndx].name);
	ret = link_func(l, f, &target);
	if (!ret)
		raw_store(link_bytes(l), (struct raw_insn){ CALL, 0, SRC_LOCAL, 0,
			  (int32_t)(target + inside - link_slot(l) - 1) });
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
	ret = link_func(l, f, &target);
	if (!ret)
		set_wide(l, SRC_FUNC, target - link_slot(l) - 1, 0);	/* relative, as the kernel has it */
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
		return link_fail(l, UEBPF_STAGE_LINK, UEBPF_E_UNSUPPORTED, -ENOTSUP, helper,
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

int link_relocs(struct link *l)
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

int link_calls(struct link *l)
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
