/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* code.c - copies and frees of programs; every array is exactly as long as its count says. */
#include <string.h>
#include "vm/interp/form.h"
#include "vm/mem.h"

static void *copy(const struct code *code, const void *from, uint32_t n, size_t size, bool *ok)
{
	void *to = n ? mem_copy(code->host, from, n * size) : NULL;

	*ok &= to || !n;
	return to;
}

static bool copy_names(struct code *to)
{
	bool ok = true;

	for (uint32_t k = 0; k < to->nr_sub; k++) {
		const char *name = ok && *to->sub[k].name ? mem_string(to->host, to->sub[k].name) : "";

		ok &= name != NULL;
		to->sub[k].name = name ? name : "";
	}
	return ok;
}

const struct subprog *code_function(const struct code *code, uint64_t address)
{
	uint64_t at = address - (uintptr_t)code->insn;
	const struct subprog *sub = NULL;

	if (address >= (uintptr_t)code->insn && at % sizeof(struct insn) == 0 && at / sizeof(struct insn) < code->n)
		sub = code_sub_at(code, (uint32_t)(at / sizeof(struct insn)));
	return sub && sub->callback ? sub : NULL;
}

struct code *code_copy(const struct code *from)
{
	struct code *to = mem_copy(from->host, from, sizeof *from);
	bool ok = true;

	if (!to)
		return NULL;
	to->run = NULL;
	to->insn = copy(from, from->insn, from->n, sizeof *from->insn, &ok);
	to->slot = copy(from, from->slot, from->n, sizeof *from->slot, &ok);
	to->sub = copy(from, from->sub, from->nr_sub, sizeof *from->sub, &ok);
	to->map = copy(from, from->map, from->nr_map, sizeof *from->map, &ok);
	to->helper = copy(from, from->helper, from->nr_helper, sizeof *from->helper, &ok);
	to->region = copy(from, from->region, from->nr_region, sizeof *from->region, &ok);
	to->site = copy(from, from->site, from->nr_site, sizeof *from->site, &ok);
	if (to->map)
		for (uint32_t i = 0; i < to->nr_map; i++)
			uebpf_map_ref(to->map[i]);
	if (to->sub)
		ok &= copy_names(to);
	if (ok)
		return to;
	code_free(to);
	mem_free(from->host, to, sizeof *to);
	return NULL;
}

void code_free(struct code *code)
{
	struct vm_host *host = code->host;

	for (uint32_t k = 0; code->sub && k < code->nr_sub; k++)
		if (*code->sub[k].name)
			mem_free_string(host, code->sub[k].name);
	for (uint32_t i = 0; code->map && i < code->nr_map; i++)
		uebpf_map_unref(code->map[i]);
	mem_free(host, code->insn, code->n * sizeof *code->insn);
	mem_free(host, code->run, code->n * sizeof *code->run);
	mem_free(host, code->slot, code->n * sizeof *code->slot);
	mem_free(host, code->sub, code->nr_sub * sizeof *code->sub);
	mem_free(host, code->map, code->nr_map * sizeof *code->map);
	mem_free(host, code->helper, code->nr_helper * sizeof *code->helper);
	mem_free(host, code->region, code->nr_region * sizeof *code->region);
	mem_free(host, code->site, code->nr_site * sizeof *code->site);
	memset(code, 0, sizeof *code);
	code->host = host;
}
