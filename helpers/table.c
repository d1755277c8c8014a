/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* table.c - the rows of helpers.def, packed (struct helper), and what vm/desc.h asks of any row.  Texts
 * lie one behind the other and are counted, not pointed at: a pointer costs eight bytes and a relocation. */
#include <linux/bpf.h>
#include "helpers/families.h"
#include "helpers/helpers.h"
#include "vm/message.h"

/* What an argument can be: name in helpers.def, kind, flags, size. */
#define VARIANTS(V) \
	V(NONE, ARG_NONE, 0, 0) \
	V(ACQUIRED, ARG_ACQUIRED, 0, 0) \
	V(ALLOC_SIZE, ARG_ALLOC_SIZE, 0, 0) \
	V(ANY, ARG_ANY, 0, 0) \
	V(BTF, ARG_BTF, 0, 0) \
	V(BTF_OR_NULL, ARG_BTF, ARG_OR_NULL, 0) \
	V(CONST, ARG_SCALAR, ARG_CONST, 0) \
	V(ZERO, ARG_SCALAR, ARG_CONST, 1) \
	V(CSTR, ARG_CSTR, 0, 0) \
	V(CTX, ARG_CTX, 0, 0) \
	V(CTX_OR_NULL, ARG_CTX, ARG_OR_NULL, 0) \
	V(DYNPTR, ARG_DYNPTR, 0, 0) \
	V(DYNPTR_OUT, ARG_DYNPTR_OUT, 0, DYNPTR_ANY) \
	V(DYNPTR_OUT_LOCAL, ARG_DYNPTR_OUT, 0, DYNPTR_LOCAL) \
	V(DYNPTR_OUT_RINGBUF, ARG_DYNPTR_OUT, 0, DYNPTR_RINGBUF) \
	V(DYNPTR_NUMBERS, ARG_DYNPTR, 0, DYNPTR_NUMBERS) \
	V(DYNPTR_OUT_NUMBERS, ARG_DYNPTR_OUT, 0, DYNPTR_NUMBERS) \
	V(DYNPTR_RINGBUF, ARG_DYNPTR, 0, DYNPTR_RINGBUF) \
	V(FIXED_20, ARG_FIXED, 0, 20) \
	V(FIXED_40, ARG_FIXED, 0, 40) \
	V(FIXED_OUT_4, ARG_FIXED_OUT, 0, 4) \
	V(FIXED_OUT_8, ARG_FIXED_OUT, 0, 8) \
	V(FUNC_DYNPTR, ARG_FUNC, 0, CALLBACK_DYNPTR) \
	V(FUNC_LOOP, ARG_FUNC, 0, CALLBACK_LOOP) \
	V(FUNC_MAP_ELEM, ARG_FUNC, 0, CALLBACK_MAP_ELEM) \
	V(FUNC_TIMER, ARG_FUNC, 0, CALLBACK_TIMER) \
	V(FUNC_VMA, ARG_FUNC, 0, CALLBACK_VMA) \
	V(KEY, ARG_KEY, 0, 0) \
	V(KPTR, ARG_KPTR, 0, 0) \
	V(MAP, ARG_MAP, 0, 0) \
	V(MEM, ARG_MEM, 0, 0) \
	V(MEM_INOUT, ARG_MEM_INOUT, 0, 0) \
	V(MEM_OR_NULL, ARG_MEM, ARG_OR_NULL, 0) \
	V(MEM_OUT, ARG_MEM_OUT, 0, 0) \
	V(MEM_OUT_OR_NULL, ARG_MEM_OUT, ARG_OR_NULL, 0) \
	V(SCALAR, ARG_SCALAR, 0, 0) \
	V(SIZE, ARG_SIZE, 0, 0) \
	V(SIZE0, ARG_SIZE0, 0, 0) \
	V(SOCK, ARG_SOCK, 0, 0) \
	V(SOCK_OR_NULL, ARG_SOCK, ARG_OR_NULL, 0) \
	V(SPIN_LOCK, ARG_SPIN_LOCK, 0, 0) \
	V(STACK_OR_NULL, ARG_STACK, ARG_OR_NULL, 0) \
	V(TIMER, ARG_TIMER, 0, 0) \
	V(VALUE, ARG_VALUE, 0, 0) \
	V(VALUE_OR_NULL, ARG_VALUE, ARG_OR_NULL, 0) \
	V(VALUE_OUT, ARG_VALUE_OUT, 0, 0)

enum {
#define V(name, kind, flags, size) A_##name,
	VARIANTS(V) A_COUNT
#undef V
};
_Static_assert(A_COUNT <= 64, "six bits name an argument");
_Static_assert(OBJECT_COUNT <= 8, "three bits name an object");
static const struct arg variants[] = {
#define V(name, kind, flags, size) { kind, flags, size },
	VARIANTS(V)
#undef V
};
#define ARGS0() 0
#define ARGS1(a) A_##a
#define ARGS2(a, b) (ARGS1(a) | A_##b << 6)
#define ARGS3(a, b, c) (ARGS2(a, b) | A_##c << 12)
#define ARGS4(a, b, c, d) (ARGS3(a, b, c) | A_##d << 18)
#define ARGS5(a, b, c, d, e) (ARGS4(a, b, c, d) | A_##e << 24)

/* Results: kind, flags from bit 4, from bit 8 the range of a number or the kind of an object. */
enum { R_ANY, R_U32, R_DIFFERENCE, R_ORDER, R_BOOL };
static const struct { int16_t lo, hi; } ranges[] = { { 0, 0 }, { 0, -1 }, { -255, 255 }, { -1, 1 }, { 0, 1 } };
#define RET(kind) RET_##kind
enum { RET_EXTRA = 8, RET_SPECIAL = 11 };	/* above the range or object: inliner or check */
#define NUMBER RET_SCALAR
#define RANGE(name) (RET_SCALAR | R_##name << 8)
#define UPTO_SIZE (RET_SCALAR | RET_UPTO_SIZE << 4)
#define ACQUIRES(kind) (RET_##kind | RET_ACQUIRES << 4)
#define ACQUIRES_ALONE (RET_VOID | (RET_ACQUIRES | RET_ALONE) << 4)
#define NEXT_NUMBER (RET_MEM_OR_NULL | RET_RDONLY << 4 | 4 << RET_EXTRA)
#define RDONLY_MEM_OR_NULL (RET_MEM_OR_NULL | RET_RDONLY << 4)
#define SOCKET(object, flags) (RET_SOCK_OR_NULL | (flags) << 4 | OBJECT_##object << 8)

enum { SET_FIRST = 64,
#define MAPS(name, types) SET_##name,
#include "helpers/helpers.def"
};
static const uint64_t sets[] = {
#define MAPS(name, types) types,
#include "helpers/helpers.def"
};
#define SET(name) SET_##name

enum {
#define GROUPS(name, groups) GROUPS_##name,
#include "helpers/helpers.def"
};
static const uint32_t groups[] = {
#define GROUPS(name, groups) groups,
#include "helpers/helpers.def"
};
_Static_assert((int)GROUPS_HOST == (int)HELPER_GROUPS_HOST, "what the loader gives a host's own row");
#define TO(name) GROUPS_##name

enum {
#define SUPPORT(name, text) S_##name,
#include "helpers/helpers.def"
};
static const char supports[] MESSAGE_PACKED =
#define SUPPORT(name, text) text "\0"
#include "helpers/helpers.def"
;

enum { PLAIN, INLINE_MAP_LOOKUP, INLINE_MAP_UPDATE, INLINE_MAP_DELETE, INLINE_RESERVE, INLINE_RANDOM, INLINE_CPU, INLINE_PID_TGID, INLINE_FILTER_HEAD, INLINE_LOOP, INLINE_EACH, INLINE_TAIL, INLINE_CLOCK, INLINE_STRNCMP, INLINE_NUMBERS, CHECK_FORMAT, WANTS_CALLER, WANTS_TYPES };
static const helper_inliner_fn inliners[] = {
	NULL, map_lookup_inliner, map_update_inliner, map_delete_inliner, ring_reserve_inliner, random_inliner, cpu_inliner, pid_tgid_inliner, filter_head_inliner, loop_inliner,
	each_inliner, tail_inliner, clock_inliner, strncmp_inliner, numbers_inliner, NULL, NULL, NULL,
};

enum { FN_NONE,
#define HELPER(nr, name, ...) FN_##name,
#include "helpers/helpers.def"
	FN_COUNT
};
_Static_assert((int)FN_COUNT <= (int)HELPER_OF_HOST, "a byte names a function");
static const uebpf_helper_fn functions[] = { NULL,
#define HELPER(nr, name, ...) helper_##name,
#include "helpers/helpers.def"
};

#define ROW(fn, ret, args, flags, may, maps, groups, support, doc, special, ...) \
	{ args, (flags) | (may) << HELPER_MAY_SHIFT, (ret) | (special) << RET_SPECIAL, groups, maps, S_##support, fn },
#define HELPER(nr, name, ret, ...) ROW(FN_##name, ret, __VA_ARGS__, PLAIN, 0)
#define CONTRACT(nr, name, ret, ...) ROW(FN_NONE, ret, __VA_ARGS__, PLAIN, 0)
const struct helper helpers_builtin[] = {
#include "helpers/helpers.def"
};
const uint32_t helpers_nr = sizeof helpers_builtin / sizeof helpers_builtin[0];
static const char names[] MESSAGE_PACKED =	/* the kernel's: programs have their numbers */
#define HELPER(nr, name, ...) #name "\0"
#define CONTRACT HELPER
#define OWN(...)
#include "helpers/helpers.def"
;
static const char own_names[] =
#define OWN(nr, name, ...) #name "\0"
#include "helpers/helpers.def"
;

/* Ids are the order of the rows: the kernel's from 1, then ours. */
enum {
#define HELPER(nr, name, ...) ROW_##name,
#define CONTRACT HELPER
#include "helpers/helpers.def"
	ROWS, OURS = ROW_memcpy
};
#define ID_OF(row) ((uint32_t)(row) < OURS ? (uint32_t)(row) + 1 : HELPER_INTERNAL + (uint32_t)(row) - OURS)
#define IN_ORDER(nr, name, own) \
	_Static_assert(ID_OF(ROW_##name) == (nr) && ((nr) >= HELPER_INTERNAL) == (own), \
		       "ids are the order of the rows, ours are OWN: " #name);
#define HELPER(nr, name, ...) IN_ORDER(nr, name, false)
#define CONTRACT HELPER
#define OWN(nr, name, ...) IN_ORDER(nr, name, true)
#include "helpers/helpers.def"
_Static_assert(OURS == 211 && ROWS == OURS + 27, "a row for each kernel helper up to cgrp_storage_delete, and ours");

uint32_t helper_id(const struct helper *h)
{
	const struct host_helper *own = helper_of_host(h);

	return own ? own->id : ID_OF(h - helpers_builtin);
}

const char *helper_name(const struct helper *h)
{
	const struct host_helper *own = helper_of_host(h);
	size_t row = (size_t)(h - helpers_builtin);

	return own ? own->name : row < OURS ? text_nth(message_text(names), row) : text_nth(own_names, row - OURS);
}

const char *helper_support(const struct helper *h)
{
	return helper_of_host(h) ? "host: through the host's function" :
				   text_nth(message_text(supports), h->support);
}

uebpf_helper_fn helper_fn(const struct helper *h)
{
	const struct host_helper *own = helper_of_host(h);

	return own ? own->fn : functions[h->fn];
}

helper_inliner_fn helper_inliner(const struct helper *h)
{
	return helper_of_host(h) ? NULL : inliners[h->ret >> RET_SPECIAL];
}

helper_check_fn helper_check(const struct helper *h)
{
	return h->ret >> RET_SPECIAL == CHECK_FORMAT ? snprintf_check : NULL;
}

bool helper_wants_caller(const struct helper *h)
{
	return h->ret >> RET_SPECIAL == WANTS_CALLER;
}

bool helper_wants_types(const struct helper *h)
{
	return h->ret >> RET_SPECIAL == WANTS_TYPES;
}

uint32_t helper_groups(const struct helper *h)
{
	return groups[h->groups];
}

struct arg helper_arg(const struct helper *h, unsigned i)
{
	const struct host_helper *own = helper_of_host(h);

	return own ? own->arg[i] : variants[h->args >> 6 * i & 63];
}

struct ret helper_ret(const struct helper *h)
{
	const struct host_helper *own = helper_of_host(h);
	uint8_t extra = h->ret >> RET_EXTRA & 7;
	struct ret ret = { (uint8_t)helper_returns(h), h->ret >> 4 & 15, 0, 0, 0 };

	if (own)
		return own->ret;
	if (ret.kind == RET_SCALAR) {
		ret.lo = ranges[extra].lo;
		ret.hi = ranges[extra].hi;
	} else {
		ret.size = extra;
	}
	return ret;
}

bool helper_takes(const struct helper *h, uint32_t map_type)
{
	if (h->maps <= SET_FIRST)
		return !h->maps || h->maps == map_type;
	return map_type < 64 && sets[h->maps - SET_FIRST - 1] >> map_type & 1;
}

unsigned helper_length(const struct helper *h, unsigned i)
{
	uint8_t kind;

	do
		kind = ++i < 5 ? helper_arg(h, i).kind : ARG_SIZE;
	while (kind != ARG_SIZE && kind != ARG_SIZE0 && kind != ARG_ALLOC_SIZE);
	return i;
}

unsigned helper_find_arg(const struct helper *h, enum arg_kind kind)
{
	unsigned i = 0;

	while (i < 5 && helper_arg(h, i).kind != kind)
		i++;
	return i;
}

const struct helper *helper_find(const struct helper_table *table, uint32_t id)
{
	uint32_t i;

	if (!table)
		return NULL;
	for (i = 0; i < table->nr_host; i++)
		if (table->host[i].id == id)
			return &table->host[i].row;
	i = id - (id < HELPER_INTERNAL ? 1 : HELPER_INTERNAL - OURS);
	return table->builtin && i < ROWS && ID_OF(i) == id ? &helpers_builtin[i] : NULL;
}

static const struct helper *row_named(const char *name, const char *at, uint32_t row, uint32_t end)
{
	for (; row < end; row++, at = text_next(at))
		if (!strcmp(at, name))
			return &helpers_builtin[row];
	return NULL;
}

const struct helper *helper_find_name(const struct helper_table *table, const char *name)
{
	const struct helper *row;
	uint32_t i;

	if (!table || !name)
		return NULL;
	if (!strncmp(name, "bpf_", 4))
		name += 4;
	for (i = 0; i < table->nr_host; i++)
		if (!strcmp(table->host[i].name, name))
			return &table->host[i].row;
	if (!table->builtin)
		return NULL;
	row = row_named(name, own_names, OURS, ROWS);
	return row ? row : row_named(name, message_text(names), 0, OURS);
}
