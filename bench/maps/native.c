/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* native.c - the array programs of maps.bpf.c in C, not vectorised because programs are not. */
#include <string.h>
#include <time.h>
#include "bench/maps/bench.h"

uint64_t native_run(const char *prog, const struct keys *k, const uint64_t *table, const uint32_t *second,
		    uint32_t base);

uint64_t native_run(const char *prog, const struct keys *k, const uint64_t *table, const uint32_t *second,
		    uint32_t base)
{
	uint64_t sum = 0, at = 0;

	if (!strcmp(prog, "loop4")) {
		for (uint32_t n = 0; n < CHUNK; n++)
			sum += *(const volatile uint32_t *)&k->number[(base + n) & (KEYS - 1)];
	} else if (!strcmp(prog, "loop8")) {
		for (uint32_t n = 0; n < CHUNK; n++)
			sum += *(const volatile uint64_t *)&k->key8[(base + n) & (KEYS - 1)];
	} else if (!strcmp(prog, "loop0")) {
		for (uint32_t n = 0; n < CHUNK; n++)
			sum += *(const volatile uint32_t *)&k->number[0];
	} else if (!strcmp(prog, "array_lookup") || !strcmp(prog, "percpu_array_lookup")) {
		for (uint32_t n = 0; n < CHUNK; n++) {
			uint32_t i = *(const volatile uint32_t *)&k->number[(base + n) & (KEYS - 1)];
			if (i < ENTRIES)
				sum += *(const volatile uint64_t *)&table[i];
		}
	} else if (!strcmp(prog, "array_chain")) {
		for (uint32_t n = 0; n < CHUNK; n++)
			at = *(const volatile uint64_t *)&table[at];
		sum = at;
	} else if (!strcmp(prog, "two_loads")) {
		for (uint32_t n = 0; n < CHUNK; n++)
			at = *(const volatile uint64_t *)&table[*(const volatile uint32_t *)&second[at]];
		sum = at;
	} else if (!strcmp(prog, "ktime_get")) {	/* what the vDSO takes */
		for (uint32_t n = 0; n < CHUNK; n++) {
			struct timespec t;
			clock_gettime(CLOCK_MONOTONIC, &t);
			sum += (uint64_t)t.tv_nsec;
		}
	} else {
		return UINT64_MAX;
	}
	return sum;
}
