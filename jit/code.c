/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* code.c - what others ask of a compiled program. */
#include "jit/state.h"

/* As call_begin makes the region. */
uint32_t jit_ctx_access(const struct prog_type *type)
{
	if (type->flags & TYPE_RAW)
		return ACCESS_READ | ACCESS_WRITE;
	return type->flags & TYPE_DIRECT ? ACCESS_READ |
	       (type->flags & TYPE_CTX_WRITE && !type->nr_fields ? ACCESS_WRITE : 0) : 0;
}

uebpf_entry jit_plain(const struct code *code)
{
	return code->jit ? code->jit->plain : NULL;
}

uebpf_entry jit_entry(const struct code *code)
{
	if (!code->jit || code->checked || code->metered)
		return NULL;
	return code->jit->plain ? code->jit->plain : code->jit->bare;
}

jit_batch_fn jit_batch(const struct code *code, bool packets)
{
	return !code->jit ? NULL : packets ? code->jit->packets : code->jit->batch;
}

bool jit_batch_views(const struct code *code) { return code->jit && code->jit->packets_view; }

size_t jit_code_bytes(const struct code *code) { return code->jit ? code->jit->bytes : 0; }
