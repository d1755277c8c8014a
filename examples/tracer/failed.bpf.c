/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* failed.bpf.c - events that failed, but for small ones. */
#include "event.h"

__attribute__((section("uebpf/event"), used))
int failed(struct event *event)
{
	return event->status < 0 && event->size > 16;
}
