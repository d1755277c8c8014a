/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* probe.c - one probe site, filtered here and visible to the kernel: build with run.sh, then
 *	readelf -n probe	shows the site as perf, bpftrace and libbpf see it
 *	./probe 'item == "tea" && cents > 250'
 * and, while it runs with an argument of seconds, attach to it: bpftrace -e 'usdt:./probe:shop:sale { @++ }' */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/uebpf_probe.h"

struct sale { uint32_t customer, cents; char item[16]; };
static struct uebpf_slot slot = UEBPF_SLOT_INIT;

static int sell(uint32_t n)
{
	struct sale sale = { .customer = n % 7, .cents = n * 10 % 500 };

	strcpy(sale.item, n % 3 ? "tea" : "coffee");
	return UEBPF_PROBE(shop, sale, &slot, &sale);
}

int main(int argc, char **argv)
{
	static const struct uebpf_field fields[] = {
		{ .name = "customer", .offset = 0, .size = 4 }, { .name = "cents", .offset = 4, .size = 4 },
		{ .name = "item", .offset = 8, .size = 16, .kind = UEBPF_FIELD_BYTES, .value = UEBPF_VALUE_TEXT },
	};
	struct uebpf_type_opts type = { .size = sizeof type, .name = "sale", .ctx_size = sizeof(struct sale),
					.fields = fields, .nr_fields = 3 };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_object *filter = NULL;
	struct uebpf_error err = { 0 };
	unsigned seen = 0, seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

	if (!env || uebpf_env_add_type(env, &type, &err) || uebpf_slot_init(&slot, env))
		return fprintf(stderr, "%s\n", err.text), 1;
	if (argc > 1) {
		filter = uebpf_object_open_filter(env, argv[1], "sale", NULL, &err);
		if (!filter || uebpf_object_load(filter, NULL, &err) ||
		    uebpf_slot_set(&slot, uebpf_object_prog(filter, NULL), NULL))
			return fprintf(stderr, "%s\n", err.text), 1;
	}
	do {
		for (uint32_t n = seen = 0; n < 1000; n++)
			seen += (unsigned)sell(n);
		if (seconds)
			sleep(1);
	} while (seconds-- > 1);
	printf("%u of 1000 sales passed the site\n", seen);
	uebpf_slot_fini(&slot);
	uebpf_object_free(filter);
	uebpf_env_free(env);
	return 0;
}
