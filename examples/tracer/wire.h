/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* wire.h - what control.c and traced.c say to each other over a SOCK_SEQPACKET socket, a message each.
 * To the traced program: struct order.  Back: struct answer, then for ANSWER_ERROR the packed error. */
#ifndef WIRE_H
#define WIRE_H
#include <stdint.h>
#include "uebpf.h"

struct order {
	uint32_t on_error;		/* enum uebpf_on_error */
	uint32_t object;		/* 0: a filter expression; an object file, 1: run in checked mode, 2: verified */
	char filter[1000];		/* "": stop */
};
enum { ANSWER_INSTALLED, ANSWER_GONE, ANSWER_ERROR };
struct answer {
	uint32_t what;
	uint32_t on_error;
	struct uebpf_filter_stats stats;	/* ANSWER_GONE */
	uint8_t error[UEBPF_ERROR_PACKED];	/* ANSWER_ERROR: uebpf_error_pack */
};
#endif
