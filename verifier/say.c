/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* say.c - the verifier's words: what is wrong, where, which register holds what since when, and what
 * to do about it.  During a trial (loop.c) refusals are silent: they only end the trial. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "verifier/state.h"

static const char kind_text[] MESSAGE_PACKED =	/* in the order of enum kind */
	"never written\0" "a number\0" "the context\0" "a pointer to the stack\0" "a map\0" "a value\0"
	"a packet pointer\0" "a packet metadata pointer\0" "the packet's end\0" "a pointer to memory\0"
	"a string of the host\0" "an address for probe_read only\0" "a function\0" "an object of the host\0"
	"a dynptr\0" "an arena pointer";
_Static_assert(K_ARENA == 15 && K_COUNT == 16, "a text for each kind");

static int append(char *buf, size_t cap, int at, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (at < 0 || (size_t)at >= cap)
		return at;
	va_start(ap, fmt);
	n = message_print(buf + at, cap - (size_t)at, fmt, ap);
	va_end(ap);
	return at + n;
}

void describe(struct env *e, const struct reg *r, char *buf, size_t cap)
{
	char number[120];
	int n = 0;

	(void)e;
	scalar_text(number, sizeof number, &r->s);
	if (r->kind == K_SCALAR) {
		append(buf, cap, 0, "%s%s", scalar_is_const(&r->s) ? "the number " : *number == 'a' ? "" : "a number in ",
		       number);
		return;
	}
	if (r->kind == K_VALUE)
		n = append(buf, cap, 0, "a value of map `%s`", r->map->name);
	else if (r->kind == K_MAP)
		n = append(buf, cap, 0, "map `%s`", r->map->name);
	else if (r->kind == K_OBJECT && r->obj)
		n = append(buf, cap, 0, "a %s%s of the host", r->obj == OBJECT_TCP_SOCK ? "TCP " :
			   r->obj == OBJECT_XDP_SOCK ? "XDP " : "", "socket");
	else if (r->kind == K_MEM && !r->region)
		n = append(buf, cap, 0, "memory of %" PRIu64 " bytes", r->size);
	else
		n = append(buf, cap, 0, "%s", text_nth(message_text(kind_text), r->kind));
	if (r->flags & R_MAYBE_NULL)
		n = append(buf, cap, n, " or NULL");
	if (is_ptr(r) && r->off)
		n = append(buf, cap, n, " %+d", r->off);
	if (is_ptr(r) && !(scalar_is_const(&r->s) && !r->s.val))
		n = append(buf, cap, n, " + %s", number);
	if (r->kind == K_PACKET && r->range)
		append(buf, cap, n, ", %d bytes checked", r->range);
}

void (say)(struct env *e, const char *text, ...)
{
	char line[1024];
	va_list ap;

	if (!e->opts.log)
		return;
	va_start(ap, text);
	message_print(line, sizeof line, text, ap);
	va_end(ap);
	e->opts.log(e->opts.log_arg, line);
}

static bool place_of(struct env *e, uint32_t pc, struct verify_place *out)
{
	memset(out, 0, sizeof *out);
	out->file = out->source = "";
	if (!e->opts.place || pc >= e->code->n || !e->opts.place(e->opts.place_arg, e->code->slot[pc], out))
		return false;
	return out->line != 0;
}

/* Compilers name whole paths; people know the file. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void say_insn(struct env *e, uint32_t pc)
{
	char text[160];

	if (!e->opts.log || pc >= e->code->n)
		return;
	insn_text(text, sizeof text, e->code, pc);
	say(e, "%5u: %s\n", e->code->slot[pc], text);
}

void say_state(struct env *e)
{
	struct frame *f = e->top;
	struct verify_place p;
	char text[160];

	if (!e->opts.log)
		return;
	if (place_of(e, e->pc, &p) && *p.source)
		say(e, "; %s\n", p.source);
	for (int i = 0; i < NR_REGS - 1; i++) {
		if (!f->r[i].kind)
			continue;
		describe(e, &f->r[i], text, sizeof text);
		say(e, "       r%d: %s\n", i, text);
	}
	for (uint32_t k = 0; k < f->depth; k++)
		if (spilled(&f->slot[k])) {
			describe(e, &f->slot[k].r, text, sizeof text);
			say(e, "       stack -%u: %s\n", 8 * (k + 1), text);
		}
	say_insn(e, e->pc);
}

/* The decisions that lead here. */
static void say_path(struct env *e)
{
	struct verify_place p;

	say(e, "path:\n");
	for (uint32_t i = 0; i < e->walk.nr_steps; i++) {
		const struct step *s = &e->walk.step[i];

		if (s->kind != ST_PC || s->src != 3)
			continue;
		say_insn(e, s->pc);
		if (place_of(e, s->pc, &p))
			say(e, "         %s:%u: %s: %s\n", base_name(p.file), p.line, p.source, s->dst ? "jumps" : "goes on");
		else
			say(e, "         %s\n", s->dst ? "jumps" : "goes on");
	}
}

static int errno_of(enum uebpf_code code)
{
	switch (code) {
	case UEBPF_E_FORM: case UEBPF_E_HELPER: return -EINVAL;
	case UEBPF_E_COMPLEX: return -E2BIG;
	case UEBPF_E_UNSUPPORTED: return -EOPNOTSUPP;
	case UEBPF_E_MEMORY: return -ENOMEM;
	default: return -EACCES;
	}
}

static const char *kind_of(enum uebpf_code code)
{
	switch (code) {
	case UEBPF_E_FORM: return "form";
	case UEBPF_E_COMPLEX: return "too complex";
	case UEBPF_E_UNSUPPORTED: case UEBPF_E_HELPER: return "not supported here";
	default: return "unsafe";
	}
}

/* "r1 is a map, since prog.bpf.c:7 (insn 3)" */
static void say_register(struct env *e, int reg, char *buf, size_t cap)
{
	const struct reg *r = &e->top->r[reg];
	struct verify_place p;
	char what[160];
	int n;

	describe(e, r, what, sizeof what);
	n = append(buf, cap, 0, "r%d is %s", reg, what);
	if (r->since >= e->code->n || r->since == e->pc)
		return;
	if (place_of(e, r->since, &p))
		append(buf, cap, n, ", since %s:%u (insn %u)", base_name(p.file), p.line, e->code->slot[r->since]);
	else
		append(buf, cap, n, ", since insn %u", e->code->slot[r->since]);
}

/* advice: packed or plain. */
static int report(struct env *e, enum uebpf_code code, int reg, const char *advice, const char *what)
{
	enum { PLACE = 120 };	/* room that the object's name, section and line need in front */
	struct verify_place p;
	bool inside = e->pc < e->code->n;
	uint32_t slot = inside ? e->code->slot[e->pc] : UINT32_MAX;
	char insn[160] = "", held[300] = "";
	const char *more = advice ? message_text(advice) : "", *kind = kind_of(code);
	int err = errno_of(code);

	place_of(e, e->pc, &p);
	if (inside)
		insn_text(insn, sizeof insn, e->code, e->pc);
	if (reg >= 0 && e->top->r[reg].kind)
		say_register(e, reg, held, sizeof held);
	error_set(e->err, UEBPF_STAGE_VERIFY, code, err, slot, "%s: insn %u `%s`: %s", kind, slot, insn, what);
	if (e->err) {
		size_t n = strlen(e->err->text), cap = sizeof e->err->text - n;
		/* rather the advice whole than both in part */
		bool both = strlen(held) + strlen(more) + PLACE < cap;

		snprintf(e->err->text + n, cap, "%s%s%s%s", *held && both ? "; " : "", both ? held : "",
			 advice ? "; " : "", more);
		e->err->line = p.line;
		snprintf(e->err->file, sizeof e->err->file, "%s", p.file);
	}
	if (p.line)
		say(e, "%s:%u: %s: %s\n", base_name(p.file), p.line, kind, what);
	else
		say(e, "%s: %s\n", kind, what);
	if (*p.source)
		say(e, "       %s\n", p.source);
	if (inside)
		say(e, "%5u: %s\n", slot, insn);
	if (*held)
		say(e, "       %s\n", held);
	if (advice)
		say(e, "       to mend it: %s\n", more);
	if (e->opts.log_level >= 1)
		say_path(e);
	return err;
}

/* The call where a register's former content was lost, or NULL. */
static const struct helper *lost_at(struct env *e, const struct reg *r, bool *call)
{
	const struct insn *in = r->since < e->code->n ? &e->code->insn[r->since] : NULL;
	uint8_t shape = in ? isa_op[in->op].shape : SHAPE_EXIT;

	*call = shape == SHAPE_CALL || shape == SHAPE_LOCAL || shape == SHAPE_PKT_ABS || shape == SHAPE_PKT_IND;
	return shape == SHAPE_CALL ? code_helper(e->code, in) : NULL;
}

int unwritten(struct env *e, unsigned reg, const char *how)
{
	bool call;

	lost_at(e, &e->top->r[reg], &call);
	if (call && reg >= 1 && reg <= 5)
		return unsafe_(e, (int)reg, MESSAGE_TEXT("keep what is needed later in r6-r9 or on the stack"),
			       "r%u is %s, but the call at insn %u left r1-r5 undefined", reg, how,
			       e->code->slot[e->top->r[reg].since]);
	return unsafe_(e, (int)reg, MESSAGE_TEXT("give it a value on every path before this line"),
		       "r%u is %s but was never written", reg, how);
}

const char *follow_advice(struct env *e, const struct reg *r)
{
	bool call;
	const struct helper *h = lost_at(e, r, &call);
	const struct prog_type *type = e->code->type;

	if (r->kind == K_CTX)
		return MESSAGE_TEXT("copy it to the stack");
	if (r->kind == K_MAP)
		return MESSAGE_TEXT("look an element up with bpf_map_lookup_elem");
	if (r->kind != K_SCALAR)
		return NULL;
	if (is_null(r))
		return MESSAGE_TEXT("it is NULL here");
	if (h && (h->flags & HF_MOVES_PACKET))
		return MESSAGE_TEXT("that call may move the packet: read data and data_end again after it, and compare again");
	if (h && (h->flags & HF_RELEASES))
		return MESSAGE_TEXT("what it pointed to was given back there: use it before");
	return type->groups & HG_TRACING && !(type->flags & TYPE_RAW) &&
	       isa_op[e->code->insn[r->since].op].shape == SHAPE_LOAD ?
		MESSAGE_TEXT("read it with bpf_probe_read_kernel or bpf_probe_read_user") :
		MESSAGE_TEXT("only a pointer can be followed");
}

/* Will it be tried again, iteration by iteration? */
static bool silent(struct env *e)
{
	return e->quiet || (!e->loops.unroll && culprit(e));
}

int (refuse)(struct env *e, enum uebpf_code code, const char *text, ...)
{
	char what[400];
	va_list ap;

	if (silent(e))
		return errno_of(code);
	va_start(ap, text);
	message_print(what, sizeof what, text, ap);
	va_end(ap);
	return report(e, code, -1, NULL, what);
}

int (unsafe_)(struct env *e, int reg, const char *advice, const char *text, ...)
{
	char what[400];
	va_list ap;

	if (silent(e))
		return -EACCES;
	va_start(ap, text);
	message_print(what, sizeof what, text, ap);
	va_end(ap);
	return report(e, UEBPF_E_UNSAFE, reg, advice, what);
}
