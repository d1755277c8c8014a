/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* proto.c - contracts of helpers as text (docs/helper_text.h: the other way).
 *
 *   contract  = result "(" [ argument { "," argument } ] ")"
 *   result    = "void" | number | "value?" | "value" | "mem?" | "mem:N?" | "mem:N" | "sock?"
 *   argument  = number | kind [ ":" word ] [ "?" ] [ name ]
 *   number    = "scalar" | "u8" ... "u64" | "s8" ... "s64" | "int" | "long" | "bool" | "size_t"
 *   kind      = as in the table below; "mem:16" is memory of 16 bytes, "mem" or "mem:size" memory whose
 *               length is the next "size" (> 0) or "size0" argument, "func:loop" a callback
 * "?" allows NULL.  A name after the kind is for the reader. */
#include "helpers/families.h"
#include "helpers/helpers.h"
#include "vm/message.h"

#define UNKNOWN_KIND "unknown argument kind; known: "
static const char unknown_kind[] = UNKNOWN_KIND "any scalar ctx map key value value_out mem mem_out mem_inout size "
	"size0 alloc_size cstr func stack acquired spin_lock timer dynptr dynptr_out sock btf kptr, u8 to s64, int, long";
_Static_assert(ARG_KPTR == 24, "a word for each, in this order");
const char *const helpers_kinds = unknown_kind + sizeof UNKNOWN_KIND - 1;
const char helpers_callbacks[] = "loop map_elem dynptr timer vma";
const char helpers_dynptrs[] = "local ringbuf skb xdp numbers";
static const char numbers[] = "u8 u16 u32 u64 s8 s16 s32 s64 int long bool size_t scalar __u32 __u64 __s32 __s64 "
	"uint32_t uint64_t int32_t int64_t";

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

/* Which word of the list it is, from 0, or -1. */
static int find(const struct parse *p, const char *list)
{
	for (int n = 0;; n++) {
		size_t len = strcspn(list, " ,");

		if (len == p->len && !memcmp(list, p->word, len))
			return n;
		if (list[len] != ' ')
			return -1;
		list += len + 1;
	}
}

static bool is(const struct parse *p, const char *word)
{
	return !find(p, word);
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
	int found;

	if (!word(p))
		return fail(p, p->at, MESSAGE_TEXT("a word or a number of bytes must follow ':'"));
	switch (arg->kind) {
	case ARG_MEM:
	case ARG_MEM_OUT:
		if (is(p, "size"))
			return 0;
		if (!size_word(p, &arg->size))
			return fail(p, p->word, MESSAGE_TEXT("memory is :size or :N with N from 1 to 65535"));
		arg->kind = arg->kind == ARG_MEM ? ARG_FIXED : ARG_FIXED_OUT;
		return 0;
	case ARG_MEM_INOUT:
		return is(p, "size") ? 0 : fail(p, p->word, MESSAGE_TEXT("mem_inout takes :size only"));
	case ARG_FUNC:
		found = CALLBACK_LOOP + find(p, helpers_callbacks);
		break;
	case ARG_DYNPTR:
	case ARG_DYNPTR_OUT:
		found = find(p, helpers_dynptrs);
		found += found < 0 ? 0 : DYNPTR_LOCAL;
		break;
	default:
		return fail(p, p->word, MESSAGE_TEXT("this kind takes no ':'"));
	}
	if (found < 0)
		return fail(p, p->word, MESSAGE_TEXT("unknown callback (loop, map_elem, dynptr, timer, vma) or dynptr "
				       "(local, ringbuf, skb, xdp)"));
	arg->size = (uint16_t)found;
	return 0;
}

static int parse_arg(struct parse *p, struct arg *arg)
{
	int err = 0, found;

	if (!word(p))
		return fail(p, p->at, MESSAGE_TEXT("an argument kind is expected: scalar, ctx, map, key, value, mem, size ..."));
	found = find(p, helpers_kinds);
	if (found < 0 && find(p, numbers) < 0)
		return fail(p, p->word, unknown_kind);
	arg->kind = (uint8_t)(found < 0 ? ARG_SCALAR : ARG_ANY + found);
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
		return fail(p, p->at, MESSAGE_TEXT("the result comes first: void, u64, value?, mem:N? ..."));
	if (is(p, "void")) {
		ret->kind = RET_VOID;
	} else if (is(p, "value")) {
		ret->kind = take(p, '?') ? RET_VALUE_OR_NULL : RET_VALUE;
	} else if (is(p, "sock")) {
		if (!take(p, '?'))
			return fail(p, p->at, MESSAGE_TEXT("a socket result may be NULL: write sock?"));
		ret->kind = RET_SOCK_OR_NULL;
	} else if (is(p, "mem")) {
		sized = take(p, ':');
		if (sized && (!word(p) || !size_word(p, &ret->size)))
			return fail(p, p->at, MESSAGE_TEXT("memory results are mem:N with N from 1 to 65535, or mem?"));
		ret->kind = take(p, '?') ? RET_MEM_OR_NULL : RET_MEM;
		if (!sized && ret->kind == RET_MEM)
			return fail(p, p->at, MESSAGE_TEXT("say how many bytes: mem:N"));
	} else if (find(p, numbers) >= 0 || is(p, "double")) {
		ret->kind = RET_SCALAR;
		ret->flags = is(p, "double") ? RET_DOUBLE : 0;
	} else {
		return fail(p, p->word, MESSAGE_TEXT("unknown result; known: void value? value mem? mem:N? mem:N sock?, u8 to "
					"s64, int, long, scalar"));
	}
	return 0;
}

/* Rules between arguments. */
static int check_whole(struct parse *p, const struct host_helper *helper)
{
	bool map = false, alloc = helper->ret.size != 0;

	for (unsigned i = 0; i < 5; i++) {
		uint8_t kind = helper->arg[i].kind;

		if ((kind == ARG_MEM || kind == ARG_MEM_OUT || kind == ARG_MEM_INOUT) &&
		    helper_length(&helper->row, i) == 5)
			return fail(p, p->text, MESSAGE_TEXT("mem needs a size or size0 argument behind it (or write mem:N)"));
		if ((kind == ARG_KEY || kind == ARG_VALUE || kind == ARG_VALUE_OUT) && !map)
			return fail(p, p->text, MESSAGE_TEXT("key and value need a map argument before them"));
		map |= kind == ARG_MAP;
		alloc |= kind == ARG_ALLOC_SIZE;
	}
	if ((helper->ret.kind == RET_VALUE || helper->ret.kind == RET_VALUE_OR_NULL) && !map)
		return fail(p, p->text, MESSAGE_TEXT("a value result needs a map argument"));
	if (helper->ret.kind == RET_MEM_OR_NULL && !alloc)
		return fail(p, p->text, MESSAGE_TEXT("mem? needs an alloc_size argument, or write mem:N?"));
	return 0;
}

static int parse(struct parse *p, struct host_helper *helper)
{
	unsigned n = 0;
	int err = parse_result(p, &helper->ret);

	if (err)
		return err;
	if (!take(p, '('))
		return fail(p, p->at, MESSAGE_TEXT("'(' is expected after the result"));
	blanks(p);
	if (*p->at != ')') {
		do {
			if (n == 5)
				return fail(p, p->at, MESSAGE_TEXT("a helper has at most five arguments"));
			err = parse_arg(p, &helper->arg[n]);
			if (err)
				return err;
			if (helper->arg[n].kind == ARG_FUNC)
				helper->row.flags |= HF_CALLS_BACK;
			if (helper->arg[n].kind == ARG_ACQUIRED)
				helper->row.flags |= HF_RELEASES;
			n++;
		} while (take(p, ','));
	}
	if (!take(p, ')'))
		return fail(p, p->at, MESSAGE_TEXT("',' or ')' is expected"));
	blanks(p);
	if (*p->at)
		return fail(p, p->at, MESSAGE_TEXT("nothing may follow ')'"));
	return check_whole(p, helper);
}

int helpers_parse_proto(const char *text, struct host_helper *helper, uint32_t *column, const char **why)
{
	struct parse p = { .text = text, .at = text };
	int err;

	memset(helper->arg, 0, sizeof helper->arg);
	memset(&helper->ret, 0, sizeof helper->ret);
	helper->row.fn = HELPER_OF_HOST;
	helper->row.flags = (uint16_t)((helper->row.flags & ~(HF_CALLS_BACK | HF_RELEASES)) | HF_NEEDS_CALL |
				       HF_MAY_FAULT);
	err = parse(&p, helper);
	helper->row.ret = (uint16_t)((helper->row.ret & ~HELPER_RET_KIND) | helper->ret.kind);
	if (err) {
		*column = (uint32_t)(p.at - text) + 1;
		*why = p.why;
	}
	return err;
}
