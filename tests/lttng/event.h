/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* event.h - the event of the LTTng tests: one C struct that the traced program hands to LTTng-UST and
 * that UeBPF describes as an event type, and a fixed list of records of it.  Both sides of a comparison
 * see the same bytes; record i has id i. */
#ifndef TESTS_LTTNG_EVENT_H
#define TESTS_LTTNG_EVENT_H
#include <stdint.h>

struct lt_event {
	uint64_t id;
	int8_t s8;
	uint8_t u8;
	int16_t s16;
	uint16_t u16;
	int32_t s32;
	uint32_t u32;
	int64_t s64;
	uint64_t u64;
	uint16_t be16;			/* these two in network byte order */
	uint32_t be32;
	float f;
	double d;
	const char *str;		/* NULL in some records */
	char text[8];			/* not always ended by NUL */
	const char *seq_text;
	uint32_t seq_text_len;
	int32_t arr[4];
	const int32_t *seq;
	uint32_t seq_len, seq_bytes;	/* elements, and 4 times as many */
	int32_t en;			/* 0..3: labels IDLE, BUSY, LATE, GONE */
	uint8_t on;
};

enum { LT_RECORDS = 96, LT_EVENTS = 256 };
const struct lt_event *lt_record(unsigned i);	/* i < LT_RECORDS; read-only, valid for ever */

#endif
