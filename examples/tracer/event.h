/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* event.h - the event of the small tracer, for the host and for filters in C. */
#ifndef EVENT_H
#define EVENT_H

struct event {
	unsigned long long sequence;
	unsigned int size;
	int status;
	char name[16];
};

#endif
