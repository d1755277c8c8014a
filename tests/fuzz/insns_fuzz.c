/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* insns_fuzz.c - any bytes as a program: decode, load and run it checked.  Nothing may crash, and a
 * run may only end in one of the documented ways.  What the verifier accepts is run checked too: a
 * fault there is a soundness bug. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"

static struct uebpf_env *env;

static void run_one(const uint8_t *insns, size_t slots, const uint8_t *input, int verified)
{
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_insns(env, insns, slots, NULL, &err);
	/* The verifier's own limits are tested elsewhere; here they would only cost time. */
	struct uebpf_load_opts load = { .size = sizeof load, .budget = 20000, .max_ns = 50000000,
		.mode = verified ? UEBPF_MODE_VERIFIED : UEBPF_MODE_CHECKED, .engine = UEBPF_ENGINE_INTERP };
	if (!obj)
		return;
	int rc = uebpf_object_load(obj, &load, &err);
	if (verified && !rc) {	/* accepted: now the oracle */
		uebpf_object_free(obj);
		obj = uebpf_object_open_insns(env, insns, slots, NULL, &err);
		load.mode = UEBPF_MODE_CHECKED;
		rc = obj ? uebpf_object_load(obj, &load, &err) : -1;
		if (rc)
			abort();
	}
	if (!rc) {
		uint8_t *mem = malloc(64);
		struct uebpf_run run = { .size = sizeof run };
		uint64_t r0;
		memcpy(mem, input, 64);
		rc = uebpf_prog_run(uebpf_object_prog(obj, NULL), mem, 64, &run, &r0);
		if (rc && rc != -EFAULT && rc != -ETIME && rc != -ELOOP && rc != -ENOSYS && rc != -EINVAL)
			abort();
		if (verified && rc == -EFAULT)
			abort();
		free(mem);
	}
	uebpf_object_free(obj);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!env)
		env = uebpf_env_new(NULL);
	if (len < 72)
		return 0;
	run_one(data + 64, (len - 64) / 8, data, 0);
	run_one(data + 64, (len - 64) / 8, data, 1);
	return 0;
}
