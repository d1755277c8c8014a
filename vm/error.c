/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.c - the one way to make an error: code, place, sentence. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "vm/code.h"

int (error_set)(struct uebpf_error *err, enum uebpf_stage stage, enum uebpf_code code, int errnum,
	      uint32_t pc, const char *text, ...)
{
	int saved = errno;
	va_list args;

	if (!err)
		return errnum;
	memset(err, 0, sizeof *err);
	err->stage = stage;
	err->code = code;
	err->err = errnum;
	err->pc = pc;
	va_start(args, text);
	vsnprintf(err->text, sizeof err->text, text, args);
	va_end(args);
	errno = saved;
	return errnum;
}
