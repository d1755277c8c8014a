/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* proto.c - contracts of helpers as text, both ways.
 *
 *   contract  = result "(" [ argument { "," argument } ] ")"
 *   result    = "void" | number | "value?" | "value" | "mem?" | "mem:N?" | "mem:N" | "sock?"
 *   argument  = number | kind [ ":" word ] [ "?" ] [ name ]
 *   number    = "scalar" | "u8" ... "u64" | "s8" ... "s64" | "int" | "long" | "bool" | "size_t"
 *   kind      = as in the table below; "mem:16" is memory of 16 bytes, "mem" or "mem:size" memory whose
 *               length is the next "size" (> 0) or "size0" argument, "func:loop" a callback
 * "?" allows NULL.  A name after the kind is for the reader. */
#include <stdio.h>
#include "helpers/families.h"
#include "helpers/helpers.h"

struct word { const char *text; uint8_t kind; };
static const struct word kinds[] = {
	{ "any", ARG_ANY }, { "scalar", ARG_SCALAR }, { "ctx", ARG_CTX }, { "map", ARG_MAP },
	{ "key", ARG_KEY }, { "value", ARG_VALUE }, { "value_out", ARG_VALUE_OUT }, { "mem", ARG_MEM },
	{ "mem_out", ARG_MEM_OUT }, { "mem_inout", ARG_MEM_INOUT }, { "size", ARG_SIZE },
	{ "size0", ARG_SIZE0 }, { "alloc_size", ARG_ALLOC_SIZE }, { "cstr", ARG_CSTR },
	{ "func", ARG_FUNC }, { "stack", ARG_STACK }, { "acquired", ARG_ACQUIRED },
	{ "spin_lock", ARG_SPIN_LOCK }, { "timer", ARG_TIMER }, { "dynptr", ARG_DYNPTR },
	{ "dynptr_out", ARG_DYNPTR_OUT }, { "sock", ARG_SOCK }, { "btf", ARG_BTF }, { "kptr", ARG_KPTR },
};
static const struct word callbacks[] = {
	{ "loop", CALLBACK_LOOP }, { "map_elem", CALLBACK_MAP_ELEM }, { "dynptr", CALLBACK_DYNPTR },
	{ "timer", CALLBACK_TIMER }, { "vma", CALLBACK_VMA },
};
static const struct word dynptrs[] = {
	{ "local", DYNPTR_LOCAL }, { "ringbuf", DYNPTR_RINGBUF }, { "skb", DYNPTR_SKB },
	{ "xdp", DYNPTR_XDP },
};
static const struct word numbers[] = {
	{ "u8", 0 }, { "u16", 0 }, { "u32", 0 }, { "u64", 0 }, { "s8", 0 }, { "s16", 0 }, { "s32", 0 },
	{ "s64", 0 }, { "int", 0 }, { "long", 0 }, { "bool", 0 }, { "size_t", 0 }, { "scalar", 0 },
	{ "__u32", 0 }, { "__u64", 0 }, { "__s32", 0 }, { "__s64", 0 }, { "uint32_t", 0 },
	{ "uint64_t", 0 }, { "int32_t", 0 }, { "int64_t", 0 },
};
#define FIND(table, text, len) find(table, sizeof table / sizeof table[0], text, len)

static const struct word *find(const struct word *table, size_t n, const char *text, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(table[i].text) == len && !memcmp(table[i].text, text, len))
			return &table[i];
	return NULL;
}

struct parse {
	const char *text, *at, *why;
	const char *word;		/* where the last word began */
	size_t len;
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void blanks(struct parse *p)
{
	while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n')
		p->at++;
}

static bool word(struct parse *p)
{
	blanks(p);
	p->word = p->at;
	while (is_word(*p->at))
		p->at++;
	p->len = (size_t)(p->at - p->word);
	return p->len != 0;
}

static bool is(const struct parse *p, const char *text)
{
	return strlen(text) == p->len && !memcmp(p->word, text, p->len);
}

static bool take(struct parse *p, char c)
{
	blanks(p);
	if (*p->at != c)
		return false;
	p->at++;
	return true;
}

static int fail(struct parse *p, const char *at, const char *why)
{
	p->at = at;
	p->why = why;
	return -EINVAL;
}

/* The word is all digits and from 1 to 65535. */
static bool size_word(const struct parse *p, uint16_t *size)
{
	uint32_t value = 0;

	for (size_t i = 0; i < p->len; i++) {
		if (p->word[i] < '0' || p->word[i] > '9' || value > UINT16_MAX)
			return false;
		value = value * 10 + (uint32_t)(p->word[i] - '0');
	}
	*size = (uint16_t)value;
	return p->len && value && value <= UINT16_MAX;
}

static int parse_qualifier(struct parse *p, struct arg *arg)
{
	const struct word *found;

	if (!word(p))
		return fail(p, p->at, "a word or a number of bytes must follow ':'");
	switch (arg->kind) {
	case ARG_MEM:
	case ARG_MEM_OUT:
		if (is(p, "size"))
			return 0;
		if (!size_word(p, &arg->size))
			return fail(p, p->word, "memory is :size or :N with N from 1 to 65535");
		arg->kind = arg->kind == ARG_MEM ? ARG_FIXED : ARG_FIXED_OUT;
		return 0;
	case ARG_MEM_INOUT:
		return is(p, "size") ? 0 : fail(p, p->word, "mem_inout takes :size only");
	case ARG_FUNC:
		found = FIND(callbacks, p->word, p->len);
		break;
	case ARG_DYNPTR:
	case ARG_DYNPTR_OUT:
		found = FIND(dynptrs, p->word, p->len);
		break;
	default:
		return fail(p, p->word, "this kind takes no ':'");
	}
	if (!found)
		return fail(p, p->word, "unknown callback (loop, map_elem, dynptr, timer, vma) or dynptr "
				       "(local, ringbuf, skb, xdp)");
	arg->size = found->kind;
	return 0;
}

static int parse_arg(struct parse *p, struct arg *arg)
{
	const struct word *found;
	const char *begin;
	int err = 0;

	if (!word(p))
		return fail(p, p->at, "an argument kind is expected: scalar, ctx, map, key, value, mem, size ...");
	begin = p->word;
	found = FIND(kinds, p->word, p->len);
	if (found)
		arg->kind = found->kind;
	else if (FIND(numbers, p->word, p->len))
		arg->kind = ARG_SCALAR;
	else
		return fail(p, begin, "unknown argument kind; known: any scalar ctx map key value value_out mem "
				      "mem_out mem_inout size size0 alloc_size cstr func stack acquired "
				      "spin_lock timer dynptr dynptr_out sock btf kptr, u8 to s64, int, long");
	if (take(p, ':'))
		err = parse_qualifier(p, arg);
	if (err)
		return err;
	if (take(p, '?'))
		arg->flags |= ARG_OR_NULL;
	word(p);	/* a name, for the reader */
	return 0;
}

static int parse_result(struct parse *p, struct ret *ret)
{
	bool sized;

	if (!word(p))
		return fail(p, p->at, "the result comes first: void, u64, value?, mem:N? ...");
	if (is(p, "void")) {
		ret->kind = RET_VOID;
	} else if (is(p, "value")) {
		ret->kind = take(p, '?') ? RET_VALUE_OR_NULL : RET_VALUE;
	} else if (is(p, "sock")) {
		if (!take(p, '?'))
			return fail(p, p->at, "a socket result may be NULL: write sock?");
		ret->kind = RET_SOCK_OR_NULL;
	} else if (is(p, "mem")) {
		sized = take(p, ':');
		if (sized && (!word(p) || !size_word(p, &ret->size)))
			return fail(p, p->at, "memory results are mem:N with N from 1 to 65535, or mem?");
		ret->kind = take(p, '?') ? RET_MEM_OR_NULL : RET_MEM;
		if (!sized && ret->kind == RET_MEM)
			return fail(p, p->at, "say how many bytes: mem:N");
	} else if (FIND(numbers, p->word, p->len) || is(p, "double")) {
		ret->kind = RET_SCALAR;
		ret->flags = is(p, "double") ? RET_DOUBLE : 0;
	} else {
		return fail(p, p->word, "unknown result; known: void value? value mem? mem:N? mem:N sock?, u8 to "
					"s64, int, long, scalar");
	}
	return 0;
}

/* Rules between arguments. */
static int check_whole(struct parse *p, const struct helper *helper)
{
	bool map = false, alloc = helper->ret.size != 0;

	for (unsigned i = 0; i < 5; i++) {
		uint8_t kind = helper->arg[i].kind;

		if ((kind == ARG_MEM || kind == ARG_MEM_OUT || kind == ARG_MEM_INOUT) &&
		    arg_length(helper, i) == 5)
			return fail(p, p->text, "mem needs a size or size0 argument behind it (or write mem:N)");
		if ((kind == ARG_KEY || kind == ARG_VALUE || kind == ARG_VALUE_OUT) && !map)
			return fail(p, p->text, "key and value need a map argument before them");
		map |= kind == ARG_MAP;
		alloc |= kind == ARG_ALLOC_SIZE;
	}
	if ((helper->ret.kind == RET_VALUE || helper->ret.kind == RET_VALUE_OR_NULL) && !map)
		return fail(p, p->text, "a value result needs a map argument");
	if (helper->ret.kind == RET_MEM_OR_NULL && !alloc)
		return fail(p, p->text, "mem? needs an alloc_size argument, or write mem:N?");
	return 0;
}

static int parse(struct parse *p, struct helper *helper)
{
	unsigned n = 0;
	int err = parse_result(p, &helper->ret);

	if (err)
		return err;
	if (!take(p, '('))
		return fail(p, p->at, "'(' is expected after the result");
	blanks(p);
	if (*p->at != ')') {
		do {
			if (n == 5)
				return fail(p, p->at, "a helper has at most five arguments");
			err = parse_arg(p, &helper->arg[n]);
			if (err)
				return err;
			if (helper->arg[n].kind == ARG_FUNC)
				helper->flags |= HF_CALLS_BACK;
			if (helper->arg[n].kind == ARG_ACQUIRED)
				helper->flags |= HF_RELEASES;
			n++;
		} while (take(p, ','));
	}
	if (!take(p, ')'))
		return fail(p, p->at, "',' or ')' is expected");
	blanks(p);
	if (*p->at)
		return fail(p, p->at, "nothing may follow ')'");
	return check_whole(p, helper);
}

int helpers_parse_proto(const char *text, struct helper *helper, uint32_t *column, const char **why)
{
	struct parse p = { .text = text, .at = text };
	int err;

	memset(helper->arg, 0, sizeof helper->arg);
	memset(&helper->ret, 0, sizeof helper->ret);
	helper->flags = (helper->flags & ~(uint32_t)(HF_CALLS_BACK | HF_RELEASES)) | HF_NEEDS_CALL | HF_MAY_FAULT;
	err = parse(&p, helper);
	if (err) {
		*column = (uint32_t)(p.at - text) + 1;
		*why = p.why;
	}
	return err;
}

/* ---- the other way ---- */

static const char *name_of(const struct word *table, size_t n, uint8_t kind)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].kind == kind)
			return table[i].text;
	return "?";
}
#define NAME_OF(table, kind) name_of(table, sizeof table / sizeof table[0], kind)

struct text { char *buf; size_t cap; int len; };

static void add(struct text *t, const char *a, const char *b)
{
	size_t at = (size_t)t->len < t->cap ? (size_t)t->len : t->cap;

	t->len += snprintf(t->cap ? t->buf + at : NULL, t->cap - at, "%s%s", a, b);
}

static void add_arg(struct text *t, const struct arg *arg)
{
	char number[8];

	switch (arg->kind) {
	case ARG_FIXED:
	case ARG_FIXED_OUT:
		snprintf(number, sizeof number, "%u", arg->size);
		add(t, arg->kind == ARG_FIXED ? "mem:" : "mem_out:", number);
		break;
	case ARG_FUNC:
		add(t, "func:", NAME_OF(callbacks, (uint8_t)arg->size));
		break;
	default:
		add(t, NAME_OF(kinds, arg->kind), "");
		if ((arg->kind == ARG_DYNPTR || arg->kind == ARG_DYNPTR_OUT) && arg->size)
			add(t, ":", NAME_OF(dynptrs, (uint8_t)arg->size));
	}
	if (arg->flags & ARG_OR_NULL)
		add(t, "?", "");
}

int helpers_proto_text(const struct helper *helper, char *buf, size_t cap)
{
	static const char *const results[] = {
		[RET_SCALAR] = "u64", [RET_VOID] = "void", [RET_VALUE_OR_NULL] = "value?",
		[RET_VALUE] = "value", [RET_MEM_OR_NULL] = "mem?", [RET_MEM] = "mem",
		[RET_SOCK_OR_NULL] = "sock?", [RET_BTF_OR_NULL] = "btf?", [RET_BTF] = "btf",
		[RET_NEVER] = "never", [RET_FIRST] = "first",
	};
	struct text t = { buf, cap, 0 };
	char number[16];

	if (helper->ret.size && (helper->ret.kind == RET_MEM || helper->ret.kind == RET_MEM_OR_NULL)) {
		snprintf(number, sizeof number, "mem:%u", helper->ret.size);
		add(&t, number, helper->ret.kind == RET_MEM ? "" : "?");
	} else {
		add(&t, results[helper->ret.kind], "");
	}
	add(&t, " (", "");
	for (unsigned i = 0; i < 5 && helper->arg[i].kind != ARG_NONE; i++) {
		if (i)
			add(&t, ", ", "");
		add_arg(&t, &helper->arg[i]);
	}
	add(&t, ")", "");
	return t.len;
}

int helpers_groups_text(uint32_t groups, char *buf, size_t cap)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ HG_BASE, "all" }, { HG_TRACING, "tracing" }, { HG_PERF, "perf_event" },
		{ HG_KPROBE, "kprobe" }, { HG_XDP, "xdp" }, { HG_TC, "tc" }, { HG_SOCKET, "socket" },
		{ HG_CGROUP_SKB, "cgroup_skb" }, { HG_CGROUP_SOCK, "cgroup_sock" },
		{ HG_CGROUP_ADDR, "cgroup_sock_addr" }, { HG_CGROUP, "cgroup_device" },
		{ HG_SYSCTL, "cgroup_sysctl" }, { HG_SOCKOPT, "cgroup_sockopt" },
		{ HG_SOCK_OPS, "sock_ops" }, { HG_SK_MSG, "sk_msg" }, { HG_SK_SKB, "sk_skb" },
		{ HG_SK_LOOKUP, "sk_lookup" }, { HG_REUSEPORT, "sk_reuseport" },
		{ HG_FLOW, "flow_dissector" }, { HG_LWT, "lwt" }, { HG_LWT_IN, "lwt_in" },
		{ HG_LWT_XMIT, "lwt_xmit" }, { HG_SEG6LOCAL, "lwt_seg6local" },
		{ HG_NETFILTER, "netfilter" }, { HG_BTF, "fentry" }, { HG_ITER, "iter" },
		{ HG_LSM, "lsm" }, { HG_SYSCALL, "syscall" }, { HG_LIRC, "lirc_mode2" },
		{ HG_HOST, "host" },
	};
	struct text t = { buf, cap, 0 };

	if (cap)
		buf[0] = 0;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (groups & names[i].bit)
			add(&t, t.len ? ", " : "", names[i].name);
	return t.len;
}
