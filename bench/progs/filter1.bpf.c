/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A filter of 1 integer predicates over an event record; the last one decides. */
#include "bench.h"
struct event { u32 f[64]; };
ENTRY(filter1)
{
	const struct event *e = (void *)mem;
	NEED(sizeof *e);
	return e->f[0] == 3;
}
