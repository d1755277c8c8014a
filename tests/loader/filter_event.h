/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_event.h - the event that the filter tests look at, and filters over it opened, loaded in each arm, saved. */
#ifndef TESTS_LOADER_FILTER_EVENT_H
#define TESTS_LOADER_FILTER_EVENT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "include/uebpf.h"

struct event {
	uint32_t a;
	int16_t b;
	uint8_t c;
	int8_t d;
	uint64_t e;
	int64_t f;
	uint16_t be;
	uint16_t low : 5;
	int16_t mid : 11;
	int32_t bes;		/* big endian, signed */
	float g;
	int32_t color;
	double h;
	const char *s;
	char name[16];
	const int16_t *seq;
	uint32_t len, one : 1, most : 31;
	uint8_t list[8];
};
_Static_assert(sizeof(struct event) == 96, "the kernel's raw tracepoint context holds so much");

#define F(m, ...) { .name = #m, .offset = offsetof(struct event, m), .size = sizeof(((struct event *)0)->m), __VA_ARGS__ }
#define SIGNED .value = UEBPF_VALUE_SIGNED
#define FLOAT .value = UEBPF_VALUE_FLOAT
#define TEXT .value = UEBPF_VALUE_TEXT
static const struct uebpf_label colors[] = { { "RED", 1 }, { "GREEN", 2 }, { "BLUE", -3 } };
static const struct uebpf_field fields[] = {
	F(a, .value = 0), F(b, SIGNED), F(c, .value = 0), F(d, SIGNED), F(e, .value = 0), F(f, SIGNED),
	F(be, .big_endian = 1), F(bes, SIGNED, .big_endian = 1), F(g, FLOAT),
	F(color, SIGNED, .labels = colors, .nr_labels = 3), F(h, FLOAT),
	F(s, TEXT, .kind = UEBPF_FIELD_CSTR, .nullable = 1), F(name, TEXT, .kind = UEBPF_FIELD_BYTES),
	F(seq, SIGNED, .kind = UEBPF_FIELD_MEM, .size_field = "len", .elem = 2, .nullable = 1), F(len, .value = 0),
	F(list, .kind = UEBPF_FIELD_BYTES),
	{ .name = "low", .offset = 26, .size = 2, .bits = 5 }, { .name = "mid", .offset = 26, .size = 2, SIGNED, .bits = 11, .bit = 5 },
	{ .name = "one", .offset = 84, .size = 4, SIGNED, .bits = 1 }, { .name = "most", .offset = 84, .size = 4, .bits = 31, .bit = 1 },
};
_Static_assert(offsetof(struct event, bes) == 28 && offsetof(struct event, list) == 88, "the bit-fields are in front of them");
enum { NR_FIELDS = sizeof(fields) / sizeof(*fields) };

static inline struct uebpf_env *event_env(void)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_type_opts t = { .size = sizeof(t), .name = "event", .ctx_size = sizeof(struct event),
				     .fields = fields, .nr_fields = NR_FIELDS };
	struct uebpf_error err;

	ck_assert_ptr_nonnull(env);
	ck_assert_msg(!uebpf_env_add_type(env, &t, &err), "%s", err.text);
	return env;
}

static const struct { const char *name; uint32_t mode, engine; } arms[] = {
	{ "verified jit", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_AUTO }, { "verified interp", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP },
	{ "checked interp", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP }, { "checked jit", UEBPF_MODE_CHECKED, UEBPF_ENGINE_AUTO },
	{ "trusted jit", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_AUTO },
};
enum { ARMS = sizeof(arms) / sizeof(*arms) };

static inline struct uebpf_object *open_filter(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_filter(env, text, type, NULL, &err);

	ck_assert_msg(obj != NULL, "%s: %s", text, err.text);
	return obj;
}

static inline void load_arm(struct uebpf_object *obj, int arm, const char *text)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .mode = arms[arm].mode, .engine = arms[arm].engine };
	struct uebpf_error err;

	ck_assert_msg(!uebpf_object_load(obj, &o, &err), "%s (%s): %s\n%s", text, arms[arm].name, err.text,
		      uebpf_object_log(obj));
}

static inline void *saved_of(struct uebpf_env *env, const char *text, const char *type, size_t *len)
{
	struct uebpf_object *obj = open_filter(env, text, type);
	struct uebpf_error err;
	long n = uebpf_object_save(obj, NULL, 0, &err);
	void *data = malloc(n > 0 ? (size_t)n : 1);

	ck_assert_msg(n > 0, "%s: %s", text, err.text);
	ck_assert_int_eq(uebpf_object_save(obj, data, (size_t)n, &err), n);
	uebpf_object_free(obj);
	*len = (size_t)n;
	return data;
}
static inline void *saved(struct uebpf_env *env, const char *text, size_t *len) { return saved_of(env, text, "event", len); }

#endif
