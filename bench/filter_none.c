/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_none.c - in the place of filter_real.c where LTTng-UST is not installed. */
#include "bench/filter_set.h"

const int fb_has_lttng = 0;

void fb_emit(const char *name, const struct fb_event *e, unsigned bits, uint64_t count)
{
	(void)name, (void)e, (void)bits, (void)count;
}
