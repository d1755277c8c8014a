/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.h - the frame of a Check program: one suite with one case.
 *	TCase *t = test_case("what is tested", 60);
 *	tcase_add_test(t, ...);
 *	return run_tests(); */
#ifndef TESTS_UTIL_RUN_H
#define TESTS_UTIL_RUN_H

#include <check.h>

/* The program's case; each of its tests may take so many seconds (0: any time). */
TCase *test_case(const char *suite, double seconds);
/* Runs them and gives main's exit code. */
int run_tests(void);

#endif
