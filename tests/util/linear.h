/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* linear.h - does something cost what its size costs? */
#ifndef TESTS_UTIL_LINEAR_H
#define TESTS_UTIL_LINEAR_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* CPU time of this process so far, in ms. */
static inline double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Eight times the size: eight times the work, not 64 times.  Loose, this is no bench.  cost: CPU time of case number
 * `which` at size n, in ms. */
static inline void assert_linear(const char *what, double (*cost)(int which, uint32_t n), int which, uint32_t small)
{
	enum { TIMES = 8, MOST = 28, TRIES = 3 };
	double ratio = 1e9, one = 0, more = 0;

	for (int k = 0; k < TRIES && ratio > MOST; k++) {
		one = cost(which, small);
		more = cost(which, small * TIMES);
		ratio = more / one;
	}
	printf("%s: %.1f ms, of %d times as many %.1f ms\n", what, one, TIMES, more);
	ck_assert_msg(ratio <= MOST, "%s: %.1f times the work", what, ratio);
}

#endif
