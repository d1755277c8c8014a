/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* event.c - the records: edge values first, then a fixed pseudo-random mix of few values, so that
 * comparisons are true about as often as false. */
#include <arpa/inet.h>
#include <string.h>
#include "event.h"

static const char *const strings[] = {
	"foo", "foobar", "bar", "", "a*b", "back\\slash", "eth0", "eth1", "tcp", "udp", "FOO", "fo",
	"a long string that does not end soon, with foo in the middle and bar at the end: bar",
	"\xc3\xa9t\xc3\xa9", "aXbXc", NULL,
};
static const int64_t numbers[] = {
	0, 1, -1, 2, 7, 8, 41, 42, 43, 100, 127, 128, 255, 256, 1500, 32767, 65535, 65536, -42, -128,
	INT32_MAX, INT32_MIN, UINT32_MAX, (int64_t)1 << 32, INT64_MAX, INT64_MIN, 0x1234, 0xdeadbeef,
};
static const double reals[] = { 0, 1, -1, 0.5, 1.5, 3.25, 42, 42.5, -42.25, 1e9, 1e300, 4.0e-3, 7 };
enum { TEXTS = sizeof strings / sizeof *strings, NUMBERS = sizeof numbers / sizeof *numbers,
       REALS = sizeof reals / sizeof *reals };

static uint64_t state;
static unsigned below(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((state >> 33) % n);
}

static int64_t number(unsigned i, unsigned column)
{
	return numbers[i < NUMBERS ? (i + column) % NUMBERS : below(NUMBERS)];
}

const struct lt_event *lt_record(unsigned i)
{
	static struct lt_event made[LT_RECORDS];
	static int32_t elements[LT_RECORDS][4];
	static int done;

	for (unsigned k = 0; !done && k < LT_RECORDS; k++) {
		struct lt_event *e = &made[k];
		const char *text = strings[(k + 3) % (TEXTS - 1)];

		state = k;
		*e = (struct lt_event){
			.id = k, .s8 = (int8_t)number(k, 0), .u8 = (uint8_t)number(k, 1), .s16 = (int16_t)number(k, 2),
			.u16 = (uint16_t)number(k, 3), .s32 = (int32_t)number(k, 4), .u32 = (uint32_t)number(k, 5),
			.s64 = number(k, 6), .u64 = (uint64_t)number(k, 7), .be16 = htons((uint16_t)number(k, 8)),
			.be32 = htonl((uint32_t)number(k, 9)), .f = (float)reals[below(REALS)],
			.d = reals[k < REALS ? k : below(REALS)], .str = strings[k < TEXTS ? k : below(TEXTS)],
			.seq_text = strings[below(TEXTS - 1)], .en = (int32_t)(k % 4), .on = k & 1,
			.seq = elements[k], .seq_len = k % 5, .seq_bytes = k % 5 * 4,
		};
		strncpy(e->text, text, sizeof e->text);
		/* a sequence of bytes that no NUL ends: shorter than the string behind it in half of them */
		e->seq_text_len = (uint32_t)strlen(e->seq_text) / (1 + k % 2);
		for (int n = 0; n < 4; n++)
			e->arr[n] = (int32_t)number(k, (unsigned)n), elements[k][n] = (int32_t)number(k, 7u + (unsigned)n);
	}
	done = 1;
	return &made[i];
}
