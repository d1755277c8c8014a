/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* made.h - a map for programs under test. */
#ifndef TESTS_UTIL_MADE_H
#define TESTS_UTIL_MADE_H

#include <stdint.h>
#include "include/uebpf.h"

/* Ends the program when it cannot be made. */
struct uebpf_map *made_map(struct uebpf_env *env, const char *name, uint32_t type, uint32_t key, uint32_t value, uint32_t n,
			   uint32_t flags);

#endif
