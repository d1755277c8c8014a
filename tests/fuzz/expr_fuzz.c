/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* expr_fuzz.c - any bytes as a filter expression: an error with a column inside the text, or a filter that
 * the verifier takes, that runs, that can be saved, and whose saved form loads. */
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"

struct event { uint32_t a; int16_t b; uint16_t be; double d; const char *s; char name[12]; float f; const uint16_t *seq; uint32_t len; int32_t x : 5, y : 20; };
#define F(m, ...) { .name = #m, .offset = offsetof(struct event, m), .size = sizeof(((struct event *)0)->m), __VA_ARGS__ }

static struct uebpf_env *make_env(void)
{
	static const struct uebpf_label labels[] = { { "ONE", 1 }, { "TWO", 2 } };
	static const struct uebpf_field fields[] = {
		F(a, .labels = labels, .nr_labels = 2), F(b, .value = UEBPF_VALUE_SIGNED), F(be, .big_endian = 1),
		F(d, .value = UEBPF_VALUE_FLOAT), F(s, .kind = UEBPF_FIELD_CSTR, .nullable = 1),
		F(name, .kind = UEBPF_FIELD_BYTES, .value = UEBPF_VALUE_TEXT), F(f, .value = UEBPF_VALUE_FLOAT),
		F(seq, .kind = UEBPF_FIELD_MEM, .size_field = "len", .elem = 2), F(len, .value = 0),
		{ .name = "x", .offset = offsetof(struct event, len) + 4, .size = 4, .value = UEBPF_VALUE_SIGNED, .bits = 5 },
		{ .name = "y", .offset = offsetof(struct event, len) + 4, .size = 4, .bit = 5, .bits = 20, .shared = 1 },
		{ .name = "z", .offset = offsetof(struct event, len) + 4, .size = 4, .shared = 1, .bits = 27, .bit = 5 },
	};
	struct uebpf_type_opts t = { .size = sizeof(t), .name = "event", .ctx_size = sizeof(struct event), .fields = fields,
				     .nr_fields = sizeof(fields) / sizeof(*fields) };
	struct uebpf_env *env = uebpf_env_new(NULL);

	if (!env || uebpf_env_add_type(env, &t, NULL))
		abort();
	return env;
}

/* What the compiler writes must pass, but for the limits that are said. */
static void must_load(struct uebpf_object *obj, const char *text)
{
	static const uint16_t seq[2] = { 1, 2 };
	struct event ev = { .a = 1, .s = "abc", .name = "abcdefghijkl", .seq = seq, .len = 4 };
	struct uebpf_error err = { 0 };
	uint64_t r0 = 2;

	(void)text;
	if (uebpf_object_load(obj, NULL, &err)) {
		if (err.code != UEBPF_E_COMPLEX && err.code != UEBPF_E_MEMORY)
			abort();
		return;
	}
	if (uebpf_prog_run(uebpf_object_prog(obj, NULL), &ev, sizeof(ev), NULL, &r0) || r0 > 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct uebpf_env *env;
	static uint8_t file[1 << 20];
	struct uebpf_error err = { 0 };
	struct uebpf_object *obj;
	char *text;
	long n;

	if (!env)
		env = make_env();
	if (len > 2000)
		return 0;
	text = malloc(len + 1);
	memcpy(text, data, len);
	text[len] = 0;
	obj = uebpf_object_open_filter(env, text, "event", NULL, &err);
	if (!obj) {
		if (!err.text[0] || (err.code != UEBPF_E_MEMORY && (!err.column || err.column > strlen(text) + 1)))
			abort();
	} else {
		must_load(obj, text);
		n = uebpf_object_save(obj, file, sizeof(file), &err);
		if (n <= 0)
			abort();
		uebpf_object_free(obj);
		obj = (size_t)n > sizeof(file) ? NULL : uebpf_object_open_memory(env, file, (size_t)n, NULL, &err);
		if (!obj && (size_t)n <= sizeof(file))
			abort();
		if (obj)
			must_load(obj, text);
		uebpf_object_free(obj);
	}
	free(text);
	return 0;
}
