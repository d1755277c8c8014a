/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - the frame of a Check program. */
#include "tests/util/run.h"

static Suite *suite;

TCase *test_case(const char *name, double seconds)
{
	TCase *t = tcase_create(name);

	suite = suite_create(name);
	suite_add_tcase(suite, t);
	tcase_set_timeout(t, seconds);
	return t;
}

int run_tests(void)
{
	SRunner *r = srunner_create(suite);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
