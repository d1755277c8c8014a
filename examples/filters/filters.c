/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filters.c - 100,000 events through one slot that holds five programs with side effects and a filter
 * expression; then what each of them accepted, and what they wrote into their maps.
 * usage: filters filters.bpf.o [EXPRESSION] */
#include <stdio.h>
#include <stdlib.h>
#include "include/uebpf.h"
#include "request.h"

enum { EVENTS = 100000 };
static struct uebpf_slot slot = UEBPF_SLOT_INIT;

static void add(const struct uebpf_prog *prog)
{
	struct uebpf_filter_opts opts = { .size = sizeof opts };

	if (uebpf_slot_add(&slot, prog, &opts)) {
		fprintf(stderr, "%s cannot be installed\n", uebpf_prog_name(prog));
		exit(1);
	}
}

static void tell(const struct uebpf_prog *prog)
{
	struct uebpf_filter_stats st = { .size = sizeof st };

	if (!uebpf_slot_stats(&slot, prog, &st))
		printf("%-12s accepted %7llu of %llu\n", uebpf_prog_name(prog), (unsigned long long)st.accepted,
		       (unsigned long long)st.runs);
}

static void tell_map(struct uebpf_map *map)
{
	struct uebpf_map_info info = { .size = sizeof info };
	uint32_t key, next;
	uint64_t *values, sum;

	uebpf_map_info(map, &info);
	values = calloc(info.cpu_slots ? info.cpu_slots : 1, 8);
	for (void *at = NULL; values && !uebpf_map_next_key(map, at, &next); at = &key) {
		key = next;
		sum = 0;
		if (!uebpf_map_lookup(map, &key, values))
			for (uint32_t i = 0; i < (info.cpu_slots ? info.cpu_slots : 1); i++)
				sum += values[i];
		if (sum)
			printf("  %s[%u] = %llu\n", info.name, key, (unsigned long long)sum);
	}
	free(values);
}

int main(int argc, char **argv)
{
	static const struct uebpf_field fields[] = {
		{ .name = "time_ns", .offset = 0, .size = 8 }, { .name = "id", .offset = 8, .size = 4 },
		{ .name = "status", .offset = 12, .size = 4 }, { .name = "us", .offset = 16, .size = 4 },
	};
	struct uebpf_type_opts type = { .size = sizeof type, .name = "request", .ctx_size = sizeof(struct request),
					.fields = fields, .nr_fields = 4 };
	const char *text = argc > 2 ? argv[2] : "status == 404 && us < 100";
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_object *obj, *filter;
	const struct uebpf_prog *p = NULL;
	struct uebpf_error err = { 0 };
	unsigned kept = 0;

	if (argc < 2)
		return fprintf(stderr, "usage: filters filters.bpf.o [EXPRESSION]\n"), 1;
	if (!env || uebpf_env_add_type(env, &type, &err) || uebpf_slot_init(&slot, env) ||
	    !(obj = uebpf_object_open_file(env, argv[1], NULL, &err)) || uebpf_object_load(obj, NULL, &err) ||
	    !(filter = uebpf_object_open_filter(env, text, "request", NULL, &err)) || uebpf_object_load(filter, NULL, &err))
		return fprintf(stderr, "%s\n", err.text), 1;
	while ((p = uebpf_object_next_prog(obj, p)))
		add(p);
	add(uebpf_object_prog(filter, NULL));
	for (uint32_t i = 0; i < EVENTS; i++) {
		uint32_t mix = i * 2654435761u;
		struct request r = { .time_ns = i * 100000ull, .id = i, .us = mix >> 18,
				     .status = mix % 50 ? mix % 20 ? 200 : 404 : 500 };

		kept += (unsigned)uebpf_slot_accepts(&slot, &r, sizeof r, NULL);
	}
	printf("%u of %d events kept\n", kept, EVENTS);
	while ((p = uebpf_object_next_prog(obj, p)))
		tell(p);
	tell(uebpf_object_prog(filter, NULL));
	tell_map(uebpf_object_map(obj, "by_status"));
	tell_map(uebpf_object_map(obj, "latency"));
	uebpf_slot_fini(&slot);
	uebpf_object_free(filter);
	uebpf_object_free(obj);
	uebpf_env_free(env);
	return 0;
}
