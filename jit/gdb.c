/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gdb.c - on request: GDB's JIT interface (GDB manual, "JIT Compilation Interface").  Each program is told
 * as a small ELF file in memory with a symbol for each function; source lines are not in it.
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

enum { TEXT = 1, SYMTAB, STRTAB, SECTIONS, NAME = 96 };
struct image {
	struct jit_code_entry entry;
	size_t bytes;
	Elf64_Ehdr head;
	Elf64_Shdr section[SECTIONS];
	char names[32];
	Elf64_Sym symbol[];	/* then their names */
};

static void fill(struct image *m, const struct jit_code *jit, const char *name)
{
	static const char names[] = "\0.text\0.symtab\0.strtab";
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

void gdb_register(struct jit_code *jit, const char *name)
{
	uint32_t n = jit->code->nr_sub + 2;
	size_t bytes = sizeof(struct image) + n * (sizeof(Elf64_Sym) + NAME) + 64;
	struct image *m = mem_alloc(jit->host, bytes);

	if (!m)
		return;		/* GDB shows addresses only */
	m->bytes = bytes;
	fill(m, jit, name);
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
