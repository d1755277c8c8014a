/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* table.c - helpers.def as an array of struct helper. */
#include <linux/bpf.h>
#include "helpers/families.h"
#include "helpers/helpers.h"

#define A_ACQUIRED { ARG_ACQUIRED, 0, 0 }
#define A_ALLOC_SIZE { ARG_ALLOC_SIZE, 0, 0 }
#define A_ANY { ARG_ANY, 0, 0 }
#define A_BTF { ARG_BTF, 0, 0 }
#define A_BTF_OR_NULL { ARG_BTF, ARG_OR_NULL, 0 }
#define A_CONST { ARG_SCALAR, ARG_CONST, 0 }
#define A_CSTR { ARG_CSTR, 0, 0 }
#define A_CTX { ARG_CTX, 0, 0 }
#define A_CTX_OR_NULL { ARG_CTX, ARG_OR_NULL, 0 }
#define A_DYNPTR { ARG_DYNPTR, 0, 0 }
#define A_DYNPTR_OUT_LOCAL { ARG_DYNPTR_OUT, 0, DYNPTR_LOCAL }
#define A_DYNPTR_OUT_RINGBUF { ARG_DYNPTR_OUT, 0, DYNPTR_RINGBUF }
#define A_DYNPTR_RINGBUF { ARG_DYNPTR, 0, DYNPTR_RINGBUF }
#define A_FIXED_20 { ARG_FIXED, 0, 20 }
#define A_FIXED_40 { ARG_FIXED, 0, 40 }
#define A_FIXED_OUT_4 { ARG_FIXED_OUT, 0, 4 }
#define A_FIXED_OUT_8 { ARG_FIXED_OUT, 0, 8 }
#define A_FUNC_DYNPTR { ARG_FUNC, 0, CALLBACK_DYNPTR }
#define A_FUNC_LOOP { ARG_FUNC, 0, CALLBACK_LOOP }
#define A_FUNC_MAP_ELEM { ARG_FUNC, 0, CALLBACK_MAP_ELEM }
#define A_FUNC_TIMER { ARG_FUNC, 0, CALLBACK_TIMER }
#define A_FUNC_VMA { ARG_FUNC, 0, CALLBACK_VMA }
#define A_KEY { ARG_KEY, 0, 0 }
#define A_KPTR { ARG_KPTR, 0, 0 }
#define A_MAP { ARG_MAP, 0, 0 }
#define A_MEM { ARG_MEM, 0, 0 }
#define A_MEM_INOUT { ARG_MEM_INOUT, 0, 0 }
#define A_MEM_OR_NULL { ARG_MEM, ARG_OR_NULL, 0 }
#define A_MEM_OUT { ARG_MEM_OUT, 0, 0 }
#define A_MEM_OUT_OR_NULL { ARG_MEM_OUT, ARG_OR_NULL, 0 }
#define A_SCALAR { ARG_SCALAR, 0, 0 }
#define A_SIZE { ARG_SIZE, 0, 0 }
#define A_SIZE0 { ARG_SIZE0, 0, 0 }
#define A_SOCK { ARG_SOCK, 0, 0 }
#define A_SOCK_OR_NULL { ARG_SOCK, ARG_OR_NULL, 0 }
#define A_SPIN_LOCK { ARG_SPIN_LOCK, 0, 0 }
#define A_STACK_OR_NULL { ARG_STACK, ARG_OR_NULL, 0 }
#define A_TIMER { ARG_TIMER, 0, 0 }
#define A_VALUE { ARG_VALUE, 0, 0 }
#define A_VALUE_OR_NULL { ARG_VALUE, ARG_OR_NULL, 0 }
#define A_VALUE_OUT { ARG_VALUE_OUT, 0, 0 }

#define ARGS0() { { ARG_NONE, 0, 0 } }
#define ARGS1(a) { A_##a }
#define ARGS2(a, b) { A_##a, A_##b }
#define ARGS3(a, b, c) { A_##a, A_##b, A_##c }
#define ARGS4(a, b, c, d) { A_##a, A_##b, A_##c, A_##d }
#define ARGS5(a, b, c, d, e) { A_##a, A_##b, A_##c, A_##d, A_##e }

#define NUMBER { RET_SCALAR, 0, 0, 0, 0 }
#define RANGE(lo, hi) { RET_SCALAR, 0, 0, lo, hi }
#define UPTO_SIZE { RET_SCALAR, RET_UPTO_SIZE, 0, 0, 0 }
#define RET(kind) { RET_##kind, 0, 0, 0, 0 }
#define ACQUIRES(kind) { RET_##kind, RET_ACQUIRES, 0, 0, 0 }
#define SOCKET(object, flags) { RET_SOCK_OR_NULL, flags, OBJECT_##object, 0, 0 }

#define HELPER(nr, nm, result, arguments, fl, ma, types, gr, su, about, ...) \
	{ .id = (nr), .name = #nm, .fn = helper_##nm, .arg = arguments, .ret = result, \
	  .flags = (fl), .groups = (gr), .may = (ma), .map_types = (types), .support = su, \
	  __VA_ARGS__ },	/* `about` is for docs/gendoc.c: the core does not carry it */
#define CONTRACT(nr, nm, result, arguments, fl, ma, types, gr, su, about, ...) \
	{ .id = (nr), .name = #nm, .arg = arguments, .ret = result, \
	  .flags = (fl), .groups = (gr), .may = (ma), .map_types = (types), .support = su, \
	  __VA_ARGS__ },	/* `about` is for docs/gendoc.c: the core does not carry it */

const struct helper helpers_builtin[] = {
#include "helpers/helpers.def"
};
const uint32_t helpers_nr = sizeof helpers_builtin / sizeof helpers_builtin[0];

enum {
	ROWS = 0
#define HELPER(...) + 1
#define CONTRACT(...) + 1
#include "helpers/helpers.def"
};
_Static_assert(ROWS == 211 + 10, "a row for each kernel helper up to cgrp_storage_delete, and ours");
