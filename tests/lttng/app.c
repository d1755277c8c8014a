/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* app.c - the traced program: waits for a line on standard input, then emits each record once through
 * each of the 256 tracepoints.  It says "ready" first: its tracepoints are then known to the session
 * daemon (the constructor of LTTng-UST waits for that). */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include <stdio.h>
#include "tp.h"

#define LT_ONE(name) static void fire_##name(const struct lt_event *r) { lttng_ust_tracepoint(lt, name, r); }
LT_EACH
#undef LT_ONE
#define LT_ONE(name) fire_##name,
static void (*const fire[])(const struct lt_event *) = { LT_EACH };

int main(void)
{
	char line[16];

	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		return 1;
	for (unsigned i = 0; i < LT_RECORDS; i++)
		for (unsigned e = 0; e < LT_EVENTS; e++)
			fire[e](lt_record(i));
	return 0;
}
