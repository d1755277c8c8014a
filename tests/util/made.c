/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* made.c - a map for programs under test (made.h). */
#include <stdio.h>
#include <stdlib.h>
#include "tests/util/made.h"

struct uebpf_map *made_map(struct uebpf_env *env, const char *name, uint32_t type, uint32_t key, uint32_t value, uint32_t n,
			   uint32_t flags)
{
	struct uebpf_map_opts o = { .size = sizeof o, .name = name, .type = type, .key_size = key, .value_size = value,
				    .max_entries = n, .flags = flags };
	struct uebpf_error err;
	struct uebpf_map *map = uebpf_map_create(env, &o, &err);

	if (!map) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return map;
}
