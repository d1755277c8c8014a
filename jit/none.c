/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* none.c - jit.h for architectures without a backend: says so; the interpreter is complete without. */
#include <errno.h>
#include "jit/backend.h"

const char *jit_arch(void) { return NULL; }

int jit_compile(struct code *code, const struct jit_opts *opts, struct uebpf_error *err)
{
	(void)code, (void)opts;
	return error_set(err, UEBPF_STAGE_JIT, UEBPF_E_ABSENT, -EOPNOTSUPP, UINT32_MAX,
			 "this build has no JIT for its processor; use the interpreter (--engine interp)");
}

void jit_free(struct code *code) { (void)code; }
size_t jit_memory(const struct code *code) { (void)code; return 0; }

long jit_dump(const struct code *code, char *buf, size_t cap, const char *(*note)(void *arg, uint32_t slot),
	      void *arg)
{
	(void)code, (void)buf, (void)cap, (void)note, (void)arg;
	return -ENOENT;
}

bool jit_addr(const struct code *code, uintptr_t addr, uint32_t *slot)
{
	(void)code, (void)addr, (void)slot;
	return false;
}

uint32_t backend_cpu(void) { return 0; }

uint32_t jit_map_next(const struct jit_code *jit, uint32_t *at, uint32_t *off)
{
	(void)jit, (void)at;
	return *off;
}
