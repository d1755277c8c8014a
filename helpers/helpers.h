/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* helpers.h - what the floors above may know of helpers: the table, and the parser of contracts. */
#ifndef UEBPF_HELPERS_HELPERS_H
#define UEBPF_HELPERS_HELPERS_H

#include "vm/desc.h"

extern const struct helper helpers_builtin[];	/* sorted by id */
extern const uint32_t helpers_nr;

/* Words of contracts, separated by blanks: kinds in the order of enum arg_kind from ARG_ANY, callbacks, and
 * dynptrs from DYNPTR_LOCAL. */
extern const char *const helpers_kinds, helpers_callbacks[], helpers_dynptrs[];

/* Reads the contract text of uebpf_env_add_helper into the row's arg, ret and flags.  0, or -EINVAL with
 * *column (from 1) where it went wrong and *why (static text). */
int helpers_parse_proto(const char *text, struct host_helper *helper, uint32_t *column, const char **why);

#endif
