/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* helpers.h - what the floors above may know of helpers: the table, and the parser of contracts. */
#ifndef UEBPF_HELPERS_HELPERS_H
#define UEBPF_HELPERS_HELPERS_H

#include "vm/desc.h"

extern const struct helper helpers_builtin[];	/* sorted by id */
extern const uint32_t helpers_nr;

/* Reads the contract text of uebpf_env_add_helper into helper->arg, ret and flags.  0, or -EINVAL with
 * *column (from 1) where it went wrong and *why (static text). */
int helpers_parse_proto(const char *text, struct helper *helper, uint32_t *column, const char **why);

/* The contract in the same text form; snprintf-like. */
int helpers_proto_text(const struct helper *helper, char *buf, size_t cap);
/* Names of the groups of a row, "xdp, tc"; snprintf-like. */
int helpers_groups_text(uint32_t groups, char *buf, size_t cap);

#endif
