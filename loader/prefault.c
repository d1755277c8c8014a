/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* prefault.c - touches what a run will touch, so that the first event does not pay for page faults. */
#include <errno.h>
#include <sys/mman.h>
#include "jit/jit.h"
#include "loader/object.h"

enum { PAGE = 4096 };
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22	/* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

static void touch(const void *from, size_t len)
{
	const volatile char *at = from;
	size_t i;

	for (i = 0; i < len; i += PAGE)
		(void)at[i];
	if (len)
		(void)at[len - 1];
}

/* Pages of a map that were never written are one shared page of zeroes: populate them for writing. */
static void touch_map(const struct uebpf_map *map)
{
	uintptr_t from = (uintptr_t)map->base & ~(uintptr_t)(PAGE - 1);
	uintptr_t to = ((uintptr_t)map->base + map->bytes + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	int saved = errno;

	if (map->base && madvise((void *)from, to - from, MADV_POPULATE_WRITE))
		touch(map->base, map->bytes);
	errno = saved;
}

int uebpf_prog_prefault(const struct uebpf_prog *base)
{
	const struct code *code;
	uint32_t i;

	if (!base || !base->code)
		return uebpf_prog_error(base, NULL);
	code = base->code;
	touch(prog_of(base), sizeof(struct prog));
	touch(code->insn, code->n * sizeof(*code->insn));
	touch(code->helper, code->nr_helper * sizeof(*code->helper));
	touch(code->region, code->nr_region * sizeof(*code->region));
	if (jit_plain(code))
		touch((const void *)(uintptr_t)jit_plain(code), jit_code_bytes(code));
	else if (jit_entry(code))
		touch((const void *)(uintptr_t)jit_entry(code), 1);
	for (i = 0; i < code->nr_map; i++)
		touch_map(code->map[i]);
	for (i = 0; i < code->nr_helper; i++)
		if (helper_fn(code->helper[i]))
			touch((const void *)(uintptr_t)helper_fn(code->helper[i]), 1);
	return 0;
}
