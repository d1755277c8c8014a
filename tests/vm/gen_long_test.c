/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gen_long_test.c - gen_test.c with many more programs in fewer arms, and with each rule off. */
#define GEN_LONG 1
#include "tests/vm/gen_test.c"
