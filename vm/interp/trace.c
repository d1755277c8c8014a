/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trace.c - runs that are traced (in.h). */
#include <errno.h>
#include <string.h>
#include "vm/interp/in.h"
#include "vm/mem.h"

/* A program being traced: a copy whose every op is X_BAD, beside the real instructions. */
struct traced {
	struct code code;
	const struct code *of;
	struct xinsn *own;
	struct traced *next;
};

static struct traced *traced_copy(struct engine *e, const struct code *code)
{
	size_t bytes = code->n * sizeof(struct xinsn);
	struct traced *t = mem_alloc(code->host, sizeof *t);
	struct xinsn *bad = mem_alloc(code->host, bytes);

	if (t)
		t->own = mem_alloc(code->host, bytes);
	if (!t || !bad || !t->own) {
		mem_free(code->host, bad, bytes);
		if (t)
			mem_free(code->host, t->own, bytes);
		mem_free(code->host, t, sizeof *t);
		return NULL;
	}
	interp_form(code, t->own, false);
	memcpy(bad, t->own, bytes);
	for (uint32_t i = 0; i < code->n; i++)
		bad[i].op = X_BAD;
	t->code = *code;
	t->code.run = bad;
	t->of = code;
	t->next = e->traced;
	return e->traced = t;
}

void interp_trace_free(struct engine *e)
{
	struct traced *t, *next;

	for (t = e->traced; t; t = next) {
		struct vm_host *host = t->of->host;

		next = t->next;
		mem_free(host, t->code.run, t->of->n * sizeof *t->own);
		mem_free(host, t->own, t->of->n * sizeof *t->own);
		mem_free(host, t, sizeof *t);
	}
}

const struct code *interp_trace_tail(struct engine *e, const struct code *code)
{
	struct traced *t;

	if (code->owner && code->owner->source)
		code = code->owner->source;
	for (t = e->traced; t; t = t->next)
		if (t->of == code)
			break;
	t = t ? t : traced_copy(e, code);
	if (!t) {
		e->call.status = -ENOMEM;
		return NULL;
	}
	return e->call.code = &t->code;
}

const struct code *interp_trace_copy(struct engine *e, const struct code *code)
{
	struct traced *t = traced_copy(e, code);

	return t ? &t->code : NULL;
}

const struct xinsn *interp_traced(struct engine *e, const struct xinsn *pc, const uint64_t *r)
{
	const struct code *code = e->call.code;
	uint32_t index = (uint32_t)(pc - code->run);
	char text[128];

	if (!e->step)
		return NULL;
	if (isa_op[code->insn[index].op].shape != SHAPE_MARK) {
		insn_text(text, sizeof text, code, index);
		e->step(e->step_arg, code->slot[index], r, text);
	}
	return &((const struct traced *)(const void *)code)->own[index];
}
