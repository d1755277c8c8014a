/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A filter of 10 integer predicates over an event record; the last one decides. */
#include "bench.h"
struct event { u32 f[64]; };
ENTRY(filter10)
{
	const struct event *e = (void *)mem;
	NEED(sizeof *e);
	return e->f[0] == 3 && e->f[1] == 10 && e->f[2] == 17 && e->f[3] == 24 && 
		e->f[4] == 31 && e->f[5] == 38 && e->f[6] == 45 && e->f[7] == 52 && 
		e->f[8] == 59 && e->f[9] == 66;
}
