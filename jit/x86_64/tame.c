/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tame.c - checked programs that need no check while they run.
 *
 * Where every access of a program is known to be good on a context of some length (facts.c) and the program's own
 * budget covers its steps whichever way it goes (counted.c), one test on entry is as good as all of them.  Such
 * a program is compiled a second time as if its caller vouched for it, from the code as it was before it was
 * rewritten: without counting and with all rules.  A run without options and with enough context takes
 * that (run_tame in jit/run.c), any other the checked code. */
#include <errno.h>
#include "jit/x86_64/jc.h"
#include "vm/mem.h"
#include "vm/rewrite/rewrite.h"

/* Is what instruction c->i does known to be good?  *need: of the context, at most. */
static bool judge(struct jc *c, uint32_t *need)
{
	const struct insn *in = c->in;
	const struct op_info *row = &isa_op[in->op];
	bool load = row->shape == SHAPE_LOAD, atomic = row->shape == SHAPE_ATOMIC || (isa_wire((enum op)in->op).code & 0xe0) == 0xc0;
	uint32_t bytes = 0, access = load ? ACCESS_READ : ACCESS_WRITE;
	enum judgement good;

	switch (row->shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN: case SHAPE_JCC_K: case SHAPE_JCC_X: case SHAPE_EXIT:
	case SHAPE_CALL:	/* is inlined: calls_helper */
		return true;
	case SHAPE_MARK:
		return in->op != OP_INIT_CHECK;
	case SHAPE_JA:
		return in->op != OP_MAY_GOTO;
	case SHAPE_WIDE:
		return in->op == OP_LDDW || in->op == OP_LD_MAP || in->op == OP_LD_MAPVAL;
	case SHAPE_LOAD: case SHAPE_STORE_X: case SHAPE_STORE_K: case SHAPE_ATOMIC:
		break;
	default:
		return false;
	}
	if (load && !atomic && fact_field(c, row->size, row->flags & OPF_SIGNED, &c->code->insn[c->i]))
		return true;
	if (row->shape == SHAPE_ATOMIC)
		access |= ACCESS_READ;
	good = fact_judge(c, load ? in->src : in->dst, in->off, row->size, access, atomic, &bytes);
	if (good == JUDGE_CTX && bytes > *need)
		*need = bytes;
	return good == JUDGE_GOOD || good == JUDGE_CTX;
}

/* Judges c->code, drops what only checking needs and puts the host's fields in. */
static bool all_good(struct jc *c, uint32_t *need)
{
	struct insn *insn = c->code->insn;
	bool good = true;

	for (c->i = 0; c->i < c->code->n && good; c->i++) {
		struct insn was = insn[c->i];

		/* cppcheck-suppress autoVariables ; set anew for each instruction, and not read after the loop */
		c->in = &was;
		fact_enter(c);
		good = judge(c, need);
		fact_leave(c);
	}
	for (uint32_t i = 0; i < c->code->n && good; i++)
		if (isa_op[insn[i].op].shape == SHAPE_MARK)
			insn[i].op = OP_BAD;	/* the rewriter's sign of what is gone */
	return good;
}

static struct code *tame_copy(const struct code *source, uint32_t *need)
{
	struct code *code = code_copy(source);
	struct jc c = { .code = code, .host = source->host, .checked = true };
	bool good = false;

	if (code && !flow_build(code, &c.flow)) {
		c.ctx_access = jit_ctx_access(code->type);
		c.ctx_size = code->type->flags & TYPE_RAW ? INT32_MAX : code->type->ctx_size;
		facts_build(&c);
		good = c.fact_index && !c.calls_helper && counted_steps(&c) <= code->budget && all_good(&c, need);
	}
	if (code) {
		facts_free(&c);
		flow_free(code, &c.flow);
		code->checked = code->metered = false;
		code->compiled = true;
		if (good)
			return code;
		tame_drop(code);
	}
	return NULL;
}

void tame_drop(struct code *code)
{
	struct vm_host *host = code->host;

	jit_free(code);
	code_free(code);
	mem_free(host, code, sizeof *code);
}

void tame_compile(struct jit_code *jit, const struct jit_opts *opts)
{
	struct jit_opts o = *opts;
	struct code *code;

	if (opts->source->nr_sub != 1)
		return;
	code = tame_copy(opts->source, &jit->tame_need);
	if (!code)
		return;
	o.source = NULL;
	if (!rewrite_code(code, opts->no_rules, NULL) && !jit_compile(code, &o, NULL) && code->jit->plain) {
		jit->tame_code = code;
		jit->tame = code->jit->plain;
	} else {
		tame_drop(code);
	}
}
