/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* request.h - the event, and what rate_limit keeps. */
#include <linux/types.h>

struct request { __u64 time_ns; __u32 id, status, us, pad; };
struct bucket { __u64 second, taken; };
