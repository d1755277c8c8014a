/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text_fuzz.c - any bytes as assembly text: an object or an error with a line, never a crash. */
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct uebpf_env *env;
	struct uebpf_error err;
	if (!env)
		env = uebpf_env_new(NULL);
	char *text = malloc(len + 1);
	memcpy(text, data, len);
	text[len] = 0;
	struct uebpf_object *obj = uebpf_object_open_text(env, text, NULL, &err);
	if (!obj && !err.text[0])
		abort();
	if (obj && uebpf_object_load(obj, NULL, &err) && !err.text[0])
		abort();
	uebpf_object_free(obj);
	free(text);
	return 0;
}
