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

/* An env has code pages whether or not anything is ever compiled: their address says that there are none. */
struct jit_pages { char none; };
struct jit_pages *jit_pages_new(struct vm_host *host)
{
	static struct jit_pages none;

	(void)host;
	return &none;
}
void jit_pages_free(struct jit_pages *pages) { (void)pages; }

const struct code *jit_find(const struct jit_pages *pages, uintptr_t addr)
{
	(void)pages, (void)addr;
	return NULL;
}

/* Nothing was compiled, so nothing compiled is run. */
size_t jit_code_bytes(const struct code *code) { (void)code; return 0; }
uebpf_entry jit_plain(const struct code *code) { (void)code; return NULL; }
uebpf_entry jit_entry(const struct code *code) { (void)code; return NULL; }
jit_batch_fn jit_batch(const struct code *code, bool packets) { (void)code, (void)packets; return NULL; }
bool jit_batch_views(const struct code *code) { (void)code; return false; }

int jit_run(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	(void)code, (void)ctx, (void)ctx_len, (void)run, (void)r0;
	return -EOPNOTSUPP;
}
