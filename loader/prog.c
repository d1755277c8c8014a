/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* prog.c - what a program tells about itself: info, errors, dumps, names.  Running is in run.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "jit/jit.h"
#include "loader/error.h"
#include "loader/object.h"
#include "loader/verified.h"
#include "vm/mem.h"
#include "vm/message.h"

const char *uebpf_prog_name(const struct uebpf_prog *prog)
{
	return prog ? prog_of(prog)->name : "";
}

static uint32_t ctx_kind(const struct prog_type *type)
{
	if (!type)
		return UEBPF_CTX_BYTES;
	return type->flags & TYPE_PACKET ? UEBPF_CTX_PACKET :
	       type->flags & TYPE_RAW ? UEBPF_CTX_RAW : UEBPF_CTX_BYTES;
}

void uebpf_prog_info(const struct uebpf_prog *base, struct uebpf_prog_info *info)
{
	struct prog *prog = prog_of(base);
	const struct code *code = &prog->code;
	struct uebpf_prog_info all;
	uint32_t i;

	if (!base || !info || info->size < sizeof(info->size))
		return;
	all = (struct uebpf_prog_info){
		.size = info->size, .name = prog->name, .section = prog->section,
		.type = prog->type ? prog->type->name : "", .slots = code->slots, .insns = code->n,
		.subprogs = code->nr_sub ? code->nr_sub - 1 : 0, .mode = prog->mode, .engine = prog->engine,
		.may = prog->may, .stack = code->uses_stack ? code->frames * code->stack_size : 0,
		.ctx_size = prog->type ? prog->type->host_size : 0, .verify_ns = prog->verify_ns,
		.compile_ns = prog->compile_ns, .code_bytes = prog->fast ? jit_code_bytes(prog->fast) : 0, .verify_states = prog->verify_states,
		.verify_insns = prog->verify_insns, .ctx_kind = ctx_kind(prog->type),
		.kernel_type = prog->type ? prog->type->kernel_type : 0,
	};
	/* Instructions of the source: marks that loading inserted are not counted. */
	for (i = 0; i < code->n; i++)
		all.insns -= code->insn[i].op < OP_COUNT && isa_op[code->insn[i].op].shape == SHAPE_MARK;
	memcpy(info, &all, info->size < sizeof(all) ? info->size : sizeof(all));
}

int uebpf_prog_helper(const struct uebpf_prog *prog, uint32_t i, struct uebpf_helper_info *info)
{
	if (!prog || !info || info->size < sizeof(info->size))
		return -EINVAL;
	return code_helper_info(&prog_of(prog)->code, i, info);
}

int uebpf_prog_field(const struct uebpf_prog *prog, uint32_t i, struct uebpf_field *field)
{
	static const uint32_t kind[] = {
		[CTX_SCALAR] = UEBPF_FIELD_SCALAR, [CTX_PACKET] = UEBPF_FIELD_MEM,
		[CTX_PACKET_END] = UEBPF_FIELD_SCALAR, [CTX_PACKET_META] = UEBPF_FIELD_SCALAR,
		[CTX_MEM] = UEBPF_FIELD_MEM, [CTX_CSTR] = UEBPF_FIELD_CSTR,
		[CTX_PTR] = UEBPF_FIELD_SCALAR, [CTX_SOCK] = UEBPF_FIELD_SCALAR,
	};
	const struct prog_type *type = prog ? prog_of(prog)->type : NULL;
	const struct ctx_field *f;
	uint32_t k;

	if (!prog || !field)
		return -EINVAL;
	if (!type || i >= type->nr_fields)
		return -ENOENT;
	f = &type->fields[i];
	if (type->event) {
		*field = type->event[i];
		return 0;
	}
	*field = (struct uebpf_field){
		.name = ctx_field_name(type, f), .offset = f->host_off, .kind = kind[f->kind],
		.size = f->host_size * (f->count ? f->count : 1u),
		.writable = (f->access & ACCESS_WRITE) != 0,
	};
	if (f->kind == CTX_SCALAR && field->size != 1 && field->size != 2 && field->size != 4 && field->size != 8)
		field->kind = UEBPF_FIELD_BYTES;
	for (k = 0; f->kind == CTX_MEM && k < type->nr_fields; k++)
		if (type->fields[k].host_off == f->size_off && type->fields[k].kind == CTX_SCALAR)
			field->size_field = ctx_field_name(type, &type->fields[k]);
	return 0;
}

const char *uebpf_prog_verdict(const struct uebpf_prog *prog, uint64_t r0)
{
	const struct prog_type *type = prog ? prog_of(prog)->type : NULL;

	return type ? prog_type_verdict(type, r0) : NULL;
}

/* ---- errors ---- */

void prog_blame(const struct prog *prog, struct uebpf_error *err)
{
	struct place at = { .object = prog->object->name, .section = prog->section, .symbol = prog->name };

	if (prog->linked && err->pc != UINT32_MAX && !err->object[0])
		link_blame(prog->linked, prog->object->name, err);
	else
		error_place(err, &at);
}

int uebpf_prog_error(const struct uebpf_prog *base, struct uebpf_error *err)
{
	const struct prog *prog = prog_of(base);

	if (!base)
		return error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX, "no program given");
	if (base->code) {
		if (err)
			memset(err, 0, sizeof(*err));
		return 0;
	}
	if (prog->error) {
		if (err)
			*err = *prog->error;
		return prog->error->err;
	}
	if (prog->lost_error)
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX,
			  "could not be loaded, and no memory was left to say why");
	else if (prog->object->loaded)
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_STATE, -ENOEXEC, UINT32_MAX, "was not asked to be loaded");
	else
		error_set(err, UEBPF_STAGE_OPEN, UEBPF_E_STATE, -ENOEXEC, UINT32_MAX,
			  "not loaded yet: uebpf_object_load comes first");
	if (err)
		prog_blame(prog, err);
	return prog->lost_error ? -ENOMEM : -ENOEXEC;
}

#define REASONS(R) \
	R(EFAULT, UEBPF_E_FAULT, "bad memory access") \
	R(ETIME, UEBPF_E_BUDGET, "the step budget is spent") \
	R(ECANCELED, UEBPF_E_ABORTED, "stopped through the abort flag") \
	R(EINVAL, UEBPF_E_CONTEXT, "the context is smaller than the program's type needs, or malformed") \
	R(ELOOP, UEBPF_E_DEPTH, "calls are nested too deep") \
	R(ENOSYS, UEBPF_E_NO_HELPER, "the helper has no function here") \
	R(ENOEXEC, UEBPF_E_STATE, "the program was refused at load") \
	R(EOPNOTSUPP, UEBPF_E_STATE, "budget or abort flag asked of a program loaded without metering")
struct reason { uint8_t status; uint16_t code; };
#define REASON(error, code, text) { error, code },
static const struct reason reasons[] = { REASONS(REASON) };
#define TEXT(error, code, text) text "\0"
static const char reason_texts[] MESSAGE_PACKED = REASONS(TEXT);

/* Decoded index of a source slot, code->n when there is none. */
static uint32_t index_of(const struct code *code, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < code->n; i++)
		if (code->slot[i] == slot && isa_op[code->insn[i].op].shape != SHAPE_MARK)
			break;
	return i;
}

/* A checked run ended because a register was read before it was written: the fault has no address and
 * the instruction none either.  The register, or -1. */
static int unwritten(const struct code *code, const struct uebpf_run *run)
{
	for (uint32_t i = 0; i < code->n && !run->address; i++) {
		const struct insn *insn = &code->insn[i];
		uint32_t at;

		if (code->slot[i] != run->pc || insn->op != OP_INIT_CHECK)
			continue;
		for (at = i; at < code->n && isa_op[code->insn[at].op].shape == SHAPE_MARK; at++)
			;
		if (at < code->n && !isa_op[code->insn[at].op].size &&
		    isa_op[code->insn[at].op].shape != SHAPE_CALL)
			return insn->dst;
	}
	return -1;
}

static void explain_fault(const struct prog *prog, int status, const struct uebpf_run *run, char *text,
			  size_t cap, const char *why)
{
	uint32_t i = index_of(&prog->code, run->pc);
	struct text_out to = { text, cap, 0 };
	char insn[128] = "";

	if (i < prog->code.n)
		insn_text(insn, sizeof(insn), &prog->code, i);
	if (status == -EFAULT && unwritten(&prog->code, run) >= 0) {
		text_put(&to, "r%d is read before it is written", unwritten(&prog->code, run));
		if (insn[0])
			text_put(&to, ", in `%s`", insn);
		return;
	}
	text_put(&to, "%s", why);
	if (status == -EFAULT)
		text_put(&to, " at address %#llx", (unsigned long long)run->address);
	if (status == -ENOSYS && i < prog->code.n && prog->code.insn[i].op == OP_CALL &&
	    (uint32_t)prog->code.insn[i].off < prog->code.nr_helper) {
		const struct helper *helper = prog->code.helper[prog->code.insn[i].off];

		text_put(&to, ": bpf_%s (%s); give one with uebpf_env_add_helper", helper_name(helper),
			 helper_support(helper));
	}
	if (insn[0])
		text_put(&to, " in `%s`", insn);
}

int uebpf_prog_explain(const struct uebpf_prog *base, int status, const struct uebpf_run *run,
		       struct uebpf_error *err)
{
	const struct prog *prog = prog_of(base);
	const struct reason *r = reasons, *end = reasons + sizeof(reasons) / sizeof(*reasons);
	const char *why;
	bool placed = run && (status == -EFAULT || status == -ETIME || status == -ECANCELED ||
			      status == -ELOOP || status == -ENOSYS);
	char text[400];

	if (!base || !err)
		return -EINVAL;
	memset(err, 0, sizeof(*err));
	if (!status) {
		err->pc = UINT32_MAX;
		return 0;
	}
	if (status == -ENOEXEC && !base->code)
		return uebpf_prog_error(base, err);
	while (r < end && -r->status != status)
		r++;
	why = text_nth(message_text(reason_texts), (size_t)(r - reasons));
	if (placed && base->code)
		explain_fault(prog, status, run, text, sizeof(text), r < end ? why : "failed");
	else
		snprintf(text, sizeof(text), "%s", r < end ? why : "a helper ended the run");
	if (status == -EINVAL && prog->type)
		snprintf(text, sizeof(text), "%s (type %s: %u bytes%s)", why, prog->type->name,
			 prog->type->host_size, prog->packet ? ", struct uebpf_packet" : "");
	error_set(err, UEBPF_STAGE_RUN, r < end ? r->code : UEBPF_E_FAULT, status,
		  placed ? run->pc : UINT32_MAX, "%s", text);
	prog_blame(prog, err);
	return status;
}

/* ---- dumps ---- */

static void put_place(struct text_out *out, const struct prog *prog, uint32_t slot, struct link_place *last)
{
	struct link_place at;

	if (!prog->linked || !link_place(prog->linked, slot, &at))
		return;
	if (!last->function || strcmp(last->function, at.function))
		text_put(out, "%s:\n", at.function);
	if (at.line && (at.line != last->line || !last->file || strcmp(last->file, at.file)))
		text_put(out, "; %s:%u: %s\n", at.file, at.line, at.source);
	*last = at;
}

static long dump_insns(const struct prog *prog, const struct code *code, bool marks, struct text_out *out)
{
	struct link_place last = { 0 };
	char text[256];

	for (uint32_t i = 0; i < code->n; i++) {
		if (!marks && isa_op[code->insn[i].op].shape == SHAPE_MARK)
			continue;
		put_place(out, prog, code->slot[i], &last);
		insn_text(text, sizeof(text), code, i);
		text_put(out, "%6u: %s\n", code->slot[i], text);
	}
	return (long)out->n;
}

/* Source lines for jit_dump. */
struct places { const struct prog *prog; struct link_place last; uint32_t line; char text[512]; };

static const char *note_place(void *arg, uint32_t slot)
{
	struct places *places = arg;
	struct text_out out = { places->text, sizeof(places->text), 0 };

	places->text[0] = '\0';
	if (places->prog->linked && link_place(places->prog->linked, slot, &places->last))
		places->last.line = places->line;	/* the disassembly names functions itself */
	put_place(&out, places->prog, slot, &places->last);
	places->line = places->last.line;
	return places->text;
}

long uebpf_prog_dump(const struct uebpf_prog *prog, const char *what, char *buf, size_t cap)
{
	struct text_out out = { buf, cap, 0 };
	struct places places = { .prog = prog ? prog_of(prog) : NULL };
	int rc;

	if (!prog || !what || (cap && !buf))
		return -EINVAL;
	if (cap)
		buf[0] = '\0';
	if (!strcmp(what, "insns"))
		return prog_of(prog)->code.n ? dump_insns(prog_of(prog), &prog_of(prog)->code, false, &out) : -ENOENT;
	if (!strcmp(what, "rewrite"))
		return prog->code ? dump_insns(prog_of(prog), prog->code, true, &out) : -ENOENT;
	if (!strcmp(what, "x86"))
		return prog->code && prog->code->jit ? jit_dump(prog->code, buf, cap, note_place, &places) : -ENOENT;
	if (!strcmp(what, "facts")) {
		rc = prog->code ? verified_facts(prog_of(prog), &out) : -ENOENT;
		return rc ? rc : (long)out.n;
	}
	return -EINVAL;
}

int uebpf_addr_info(const struct uebpf_env *env, const void *address, struct uebpf_addr_info *info)
{
	const struct code *code = env ? jit_find(env->jit_pages, (uintptr_t)address) : NULL;
	struct uebpf_addr_info all = { .file = "" };
	struct link_place at;
	const struct prog *prog;

	if (!info || info->size < sizeof(info->size))
		return -EINVAL;
	if (!code || !jit_addr(code, (uintptr_t)address, &all.pc))
		return -ENOENT;
	prog = prog_of(code->owner);
	all.size = info->size;
	all.prog = code->owner;
	all.name = prog->name;
	all.section = prog->section;
	if (prog->linked && link_place(prog->linked, all.pc, &at)) {
		all.line = at.line;
		all.file = at.file ? at.file : "";
	}
	memcpy(info, &all, info->size < sizeof(all) ? info->size : sizeof(all));
	return 0;
}
