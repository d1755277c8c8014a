/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* units.h - one helper called by itself, on a packet of zeros unless begin() was given another. */
#ifndef TESTS_HELPERS_UNITS_H
#define TESTS_HELPERS_UNITS_H

#include "tests/helpers/oracle.h"

static struct ours o;

static inline uint64_t call(const char *name, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	const struct call_case one = { name, { N(a), N(b), N(c), N(d), N(e) } };

	return ours_call(&o, &one, NULL, NULL);
}
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))
#define CTX_ARG P(&o.packet)

static inline void begin(uint32_t type, const void *bytes, uint32_t len)
{
	static struct result in;

	memset(&in, 0, sizeof in);
	if (bytes)
		memcpy(in.packet, bytes, len);
	in.len = len;
	ours_open(&o, type, &in);
}

static inline void setup(void)
{
	begin(BPF_PROG_TYPE_SCHED_CLS, NULL, 64);
}

#endif
