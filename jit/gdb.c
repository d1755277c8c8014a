/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gdb.c - on request: GDB's JIT interface (GDB manual, "JIT Compilation Interface").  Each program is told
 * as a small ELF file in memory with a symbol for each function, source lines where they are known
 * (DWARF 4, 6.2 and 7.5) and the frames that unwind.c describes.
 *
 * The two names are GDB's and the only state of the process that the library has; a lock orders
 * changes, and a child of fork takes the lock over as jit/pages.c does. */
#include <elf.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "jit/state.h"
#include "vm/mem.h"

struct jit_code_entry {
	struct jit_code_entry *next_entry, *prev_entry;
	const char *symfile_addr;
	uint64_t symfile_size;
};
struct jit_descriptor {
	uint32_t version, action_flag;
	struct jit_code_entry *relevant_entry, *first_entry;
};
enum { JIT_NOACTION, JIT_REGISTER, JIT_UNREGISTER };

__attribute__((visibility("default"))) struct jit_descriptor __jit_debug_descriptor = { 1, JIT_NOACTION, NULL, NULL };
__attribute__((visibility("default"), noinline)) void __jit_debug_register_code(void);
void __jit_debug_register_code(void)
{
	__asm__ volatile("" ::: "memory");	/* GDB has a breakpoint here */
}

static _Atomic int owner;

static void lock(void)
{
	int me = getpid(), seen = 0;

	while (!atomic_compare_exchange_weak(&owner, &seen, me)) {
		if (seen && seen != me && atomic_compare_exchange_strong(&owner, &seen, me))
			return;
		seen = 0;
		sched_yield();
	}
}

enum { TEXT = 1, SYMTAB, STRTAB, FRAMES, ABBREV, INFO, LINES, SECTIONS, NAME = 96, FILES = 64 };
struct image {
	struct jit_code_entry entry;
	size_t bytes;
	Elf64_Ehdr head;
	Elf64_Shdr section[SECTIONS];
	Elf64_Sym symbol[];	/* then their names */
};

/* ---- source lines ---- */

struct writer { uint8_t *p; };

static void put(struct writer *w, const void *bytes, size_t n)
{
	memcpy(w->p, bytes, n);
	w->p += n;
}
static void put8(struct writer *w, unsigned v) { *w->p++ = (uint8_t)v; }
static void put32(struct writer *w, uint32_t v) { put(w, &v, 4); }
static void put64(struct writer *w, uint64_t v) { put(w, &v, 8); }
static void put_string(struct writer *w, const char *text) { put(w, text, strlen(text) + 1); }

static void put_leb(struct writer *w, int64_t v, bool is_signed)
{
	for (;;) {
		uint8_t byte = v & 0x7f;

		v >>= 7;
		if (is_signed ? (!v && !(byte & 0x40)) || (v == -1 && byte & 0x40) : !v) {
			put8(w, byte);
			return;
		}
		put8(w, byte | 0x80);
	}
}

struct lines { const char *file[FILES]; uint32_t nr_file, nr; size_t names; };

static uint32_t file_index(struct lines *l, const char *file)
{
	uint32_t k = 0;

	while (k < l->nr_file && strcmp(l->file[k], file))
		k++;
	if (k == l->nr_file && k < FILES) {
		l->file[l->nr_file++] = file;
		l->names += strlen(file) + 4;
	}
	return k + 1;		/* FILES + 1: too many */
}

/* Each change of line: at(i, machine offset, file, line). */
static void scan_lines(const struct jit_code *jit, const struct jit_opts *o, struct lines *l, struct writer *w)
{
	uint32_t at = 0, off = 0, last_off = 0, line, last_line = 1, file, last_file = 1;
	const char *name;

	for (uint32_t i = 0; i < jit->code->n; i++) {
		jit_map_next(jit, &at, &off);
		if (!o->line(o->line_arg, jit->code->slot[i], &name, &line))
			continue;
		file = file_index(l, name);
		if (file > FILES || (l->nr && file == last_file && line == last_line) || (l->nr && off < last_off))
			continue;
		l->nr++;
		if (w) {
			put8(w, 4), put_leb(w, file, false);			/* DW_LNS_set_file */
			put8(w, 2), put_leb(w, off - last_off, false);		/* DW_LNS_advance_pc */
			put8(w, 3), put_leb(w, (int64_t)line - last_line, true);	/* DW_LNS_advance_line */
			put8(w, 1);						/* DW_LNS_copy */
		}
		last_file = file;
		last_line = line;
		last_off = off;
	}
	if (w) {
		put8(w, 2), put_leb(w, (int64_t)jit->sub_off[jit->code->nr_sub] - last_off, false);
		put8(w, 0), put8(w, 1), put8(w, 1);				/* DW_LNE_end_sequence */
	}
}

static void put_line_table(struct writer *w, const struct jit_code *jit, const struct jit_opts *o, struct lines *l)
{
	static const uint8_t operands[] = { 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1 };
	uint8_t *start = w->p, *head;

	put32(w, 0);
	put(w, "\4", 2);		/* version 4 */
	head = w->p;
	put32(w, 0);
	put(w, "\1\1\1\xfb\x0e\x0d", 6);	/* min. instruction, operations, is_stmt, line base, range, opcodes */
	put(w, operands, sizeof operands);
	put8(w, 0);		/* no directories: names are as the compiler wrote them */
	for (uint32_t k = 0; k < l->nr_file; k++) {
		put_string(w, l->file[k]);
		put(w, "\0\0", 3);
	}
	put8(w, 0);
	memcpy(head, &(uint32_t){ (uint32_t)(w->p - head - 4) }, 4);
	put8(w, 0), put8(w, 9), put8(w, 2);	/* DW_LNE_set_address */
	put64(w, (uintptr_t)jit->text);
	l->nr = 0;
	scan_lines(jit, o, l, w);
	memcpy(start, &(uint32_t){ (uint32_t)(w->p - start - 4) }, 4);
}

static void section(struct image *m, int k, uint32_t name, uint32_t type, const uint8_t *from, const struct writer *w)
{
	m->section[k] = (Elf64_Shdr){ .sh_name = name, .sh_type = type, .sh_addralign = 1,
				      .sh_offset = (size_t)(from - (uint8_t *)&m->head), .sh_size = (size_t)(w->p - from) };
}

/* One compilation unit: its range and where its lines are. */
static void fill_debug(struct image *m, const struct jit_code *jit, const char *name, const struct jit_opts *o,
		       struct lines *l, uint8_t *at)
{
	static const uint8_t abbrev[] = { 1, 0x11, 0, 0x03, 0x08, 0x10, 0x17, 0x11, 0x01, 0x12, 0x07, 0, 0, 0 };
	struct writer w = { at };

	if (jit->unwind) {
		put(&w, jit->unwind, jit->unwind_bytes);
		section(m, FRAMES, 23, SHT_PROGBITS, at, &w);
	}
	if (!l->nr)
		return;
	at = w.p;
	put(&w, abbrev, sizeof abbrev);
	section(m, ABBREV, 33, SHT_PROGBITS, at, &w);
	at = w.p;
	put32(&w, 0);
	put(&w, "\4\0\0\0\0\0\x08\1", 8);	/* version 4, abbreviations at 0, addresses of 8 bytes; entry 1 */
	put_string(&w, name);
	put32(&w, 0);
	put64(&w, (uintptr_t)jit->text);
	put64(&w, jit->bytes);
	memcpy(at, &(uint32_t){ (uint32_t)(w.p - at - 4) }, 4);
	section(m, INFO, 47, SHT_PROGBITS, at, &w);
	at = w.p;
	put_line_table(&w, jit, o, l);
	section(m, LINES, 59, SHT_PROGBITS, at, &w);
}

static void fill(struct image *m, const struct jit_code *jit, const char *name)
{
	static const char names[] = "\0.text\0.symtab\0.strtab\0.eh_frame\0.debug_abbrev\0.debug_info\0.debug_line";
	uint32_t n = jit->code->nr_sub + 2;
	char *text = (char *)&m->symbol[n];
	size_t base = offsetof(struct image, head);

	memcpy(m->head.e_ident, ELFMAG "\2\1\1", 7);
	m->head.e_type = ET_REL;
	m->head.e_machine = EM_X86_64;
	m->head.e_version = EV_CURRENT;
	m->head.e_ehsize = sizeof m->head;
	m->head.e_shoff = offsetof(struct image, section) - base;
	m->head.e_shentsize = sizeof m->section[0];
	m->head.e_shnum = SECTIONS;
	m->head.e_shstrndx = STRTAB;
	memcpy(text, names, sizeof names);	/* section names share the string table */
	m->section[TEXT] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
					 .sh_addr = (uintptr_t)jit->text, .sh_size = jit->bytes, .sh_addralign = 16 };
	m->section[SYMTAB] = (Elf64_Shdr){ .sh_name = 7, .sh_type = SHT_SYMTAB, .sh_link = STRTAB, .sh_info = 1,
					   .sh_offset = offsetof(struct image, symbol) - base,
					   .sh_size = n * sizeof m->symbol[0], .sh_entsize = sizeof m->symbol[0] };
	m->section[STRTAB] = (Elf64_Shdr){ .sh_name = 15, .sh_type = SHT_STRTAB,
					   .sh_offset = (size_t)(text - (char *)&m->head),
					   .sh_size = sizeof names + (size_t)(n - 1) * NAME };
	text += sizeof names;
	for (uint32_t k = 1; k < n; k++, text += NAME) {
		const char *sub = k == n - 1 ? "entries" : jit->code->sub[k - 1].name;
		uint32_t from = jit->sub_off[k - 1];
		uint64_t to = k == n - 1 ? jit->bytes : jit->sub_off[k];

		snprintf(text, NAME, "bpf:%s%s%s", name, k > 1 ? ":" : "", k > 1 ? sub : "");
		m->symbol[k] = (Elf64_Sym){ .st_name = (uint32_t)(text - (char *)&m->head - m->section[STRTAB].sh_offset),
					    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = TEXT,
					    .st_value = from, .st_size = to - from };
	}
}

void gdb_register(struct jit_code *jit, const char *name, const struct jit_opts *o)
{
	uint32_t n = jit->code->nr_sub + 2;
	size_t symbols = sizeof(struct image) + n * (sizeof(Elf64_Sym) + NAME) + 128;
	struct lines lines = { .nr = 0 };
	struct image *m;
	size_t bytes;

	if (o->line)
		scan_lines(jit, o, &lines, NULL);
	bytes = symbols + jit->unwind_bytes + 256 + strlen(name) + lines.names + 20 * (size_t)lines.nr;
	m = mem_alloc(jit->host, bytes);
	if (!m)
		return;		/* GDB shows addresses only */
	m->bytes = bytes;
	fill(m, jit, name);
	for (int k = FRAMES; k < SECTIONS; k++)
		m->section[k].sh_type = SHT_NULL;
	fill_debug(m, jit, name, o, &lines, (uint8_t *)m + symbols);
	m->entry.symfile_addr = (const char *)&m->head;
	m->entry.symfile_size = bytes - offsetof(struct image, head);
	lock();
	m->entry.next_entry = __jit_debug_descriptor.first_entry;
	if (m->entry.next_entry)
		m->entry.next_entry->prev_entry = &m->entry;
	__jit_debug_descriptor.first_entry = &m->entry;
	__jit_debug_descriptor.relevant_entry = &m->entry;
	__jit_debug_descriptor.action_flag = JIT_REGISTER;
	__jit_debug_register_code();
	atomic_store(&owner, 0);
	jit->gdb = m;
}

void gdb_drop(struct jit_code *jit)
{
	struct image *m = jit->gdb;

	if (!m)
		return;
	lock();
	if (m->entry.prev_entry)
		m->entry.prev_entry->next_entry = m->entry.next_entry;
	else
		__jit_debug_descriptor.first_entry = m->entry.next_entry;
	if (m->entry.next_entry)
		m->entry.next_entry->prev_entry = m->entry.prev_entry;
	__jit_debug_descriptor.relevant_entry = &m->entry;
	__jit_debug_descriptor.action_flag = JIT_UNREGISTER;
	__jit_debug_register_code();
	atomic_store(&owner, 0);
	mem_free(jit->host, m, m->bytes);
	jit->gdb = NULL;
}
