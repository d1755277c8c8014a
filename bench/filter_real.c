/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_real.c - the arm that is LTTng-UST: one loop a tracepoint, since a tracepoint is code in place. */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include <string.h>
#include "bench/filter_tp.h"

const int fb_has_lttng = 1;

#define FB_ONE(class, name)								\
	static void emit_##name(const struct fb_event *e, unsigned mask, uint64_t count)	\
	{										\
		for (uint64_t i = 0; i < count; i++)					\
			lttng_ust_tracepoint(fb, name, &e[i & mask]);			\
	}
FB_EACH
#undef FB_ONE

#define FB_ONE(class, name) { #name, emit_##name },
static const struct { const char *name; void (*emit)(const struct fb_event *, unsigned, uint64_t); } loops[] = { FB_EACH };

void fb_emit(const char *name, const struct fb_event *e, unsigned bits, uint64_t count)
{
	for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
		if (!strcmp(loops[i].name, name))
			loops[i].emit(e, (1u << bits) - 1, count);
}
