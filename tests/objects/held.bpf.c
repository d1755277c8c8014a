/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A global function is verified for any argument though its only caller has 1: its prototype shows in the
 * facts of its branch. */
#include "bpf_min.h"

__noinline int any_argument(int x)
{
	volatile int y = 3;

	if (x > 5)
		y = x;
	return y;
}
SEC("raw") int has_one(void *ctx) { return any_argument(1); }
