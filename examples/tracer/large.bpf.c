/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* large.bpf.c - large writes, counted by a program that keeps state. */
#include "event.h"

unsigned long long large_writes;

__attribute__((section("uebpf/event"), used))
int large(struct event *event)
{
	if (event->size < 4080 || event->name[0] != 'w')
		return 0;
	__sync_fetch_and_add(&large_writes, 1);
	return 1;
}
