/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.h - where an error stands. */
#ifndef UEBPF_LOADER_ERROR_H
#define UEBPF_LOADER_ERROR_H

#include "vm/code.h"

struct place {
	const char *object, *section, *symbol;	/* NULL: unknown */
	const char *file;			/* source; NULL: unknown */
	uint32_t line, column;
};
/* Fills the names that err lacks and puts "object:section/symbol:file:line:" before its sentence.
 * Once for each error, by whoever hands it to the caller.  err may be NULL. */
void error_place(struct uebpf_error *err, const struct place *at);
/* Puts words and a blank before its sentence. */
void error_front(struct uebpf_error *err, const char *text);
/* The tail of a path says more than its head. */
void error_tail(char *to, size_t cap, const char *from);

#endif
