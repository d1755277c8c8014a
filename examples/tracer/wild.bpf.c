/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* wild.bpf.c - a filter with a bug: it believes the event's size.  No verifier takes it; in checked mode it
 * runs, and faults on the events whose size is larger than the event. */
#include "event.h"

__attribute__((section("raw"), used))
int wild(struct event *event, unsigned long len)
{
	return len >= sizeof(*event) && ((char *)event)[event->size] != 0;
}
