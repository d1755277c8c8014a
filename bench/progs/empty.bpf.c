/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The least a program can do. */
#include "bench.h"
ENTRY(empty) { NEED(0); return 1; }
