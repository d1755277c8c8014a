/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lttng_fuzz.c - LTTng bytecode from anybody: it is refused with a sentence, or opens as a program that our
 * verifier proves and that runs, checked, without a fault. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/lttng/event.c"
#include "tests/lttng/type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct uebpf_env *env;
	struct uebpf_load_opts checked = { .size = sizeof(checked), .mode = UEBPF_MODE_CHECKED,
					   .engine = UEBPF_ENGINE_INTERP };
	uint32_t reloc = len > 1 ? (uint32_t)(data[0] | data[1] << 8) : 0;
	struct uebpf_object *obj;
	struct uebpf_error err = { 0 };
	size_t bytes;
	void *wire;

	if (!env)
		env = lt_env();
	if (len < 2 || len > 4096)
		return 0;
	wire = lt_wire(data + 2, (uint32_t)len - 2, reloc, &bytes);
	obj = uebpf_object_open_lttng(env, wire, bytes, "lt", NULL, &err);
	free(wire);
	if (!obj) {
		if (!err.text[0])
			abort();
		return 0;
	}
	if (!uebpf_object_load(obj, &checked, &err))
		for (unsigned i = 0; i < LT_RECORDS; i += 7) {
			struct lt_event e = *lt_record(i);
			uint64_t r0 = 0;

			if (uebpf_prog_run(uebpf_object_prog(obj, NULL), &e, sizeof(e), NULL, &r0) || r0 > 1) {
				fprintf(stderr, "record %u: r0 %llu\n", i, (unsigned long long)r0);
				abort();
			}
		}
	uebpf_object_free(obj);
	return 0;
}
