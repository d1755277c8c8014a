/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* no_elf.c - stands for elf/view.c in a build without libelf (ELF=no). */
#include <errno.h>
#include "loader/elf/inner.h"

const bool elf_present = false;

int elf_view_open(struct arena *arena, uint8_t *bytes, size_t len, const char *name,
		  struct elf_view *view, struct uebpf_error *err)
{
	(void)arena, (void)bytes, (void)len, (void)view;
	return error_set(err, UEBPF_STAGE_ELF, UEBPF_E_ABSENT, -ENOTSUP, UINT32_MAX,
			 "%s: this build has no ELF loader (made with ELF=no); give raw instructions, "
			 "or build with libelf", name);
}

const struct elf_section *elf_view_find(const struct elf_view *view, const char *name)
{
	(void)view, (void)name;
	return NULL;
}
