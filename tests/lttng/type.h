/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* type.h - struct lt_event as an event type of an env, and the contexts that the corpus asks for. */
#ifndef TESTS_LTTNG_TYPE_H
#define TESTS_LTTNG_TYPE_H
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/lttng/event.h"

/* tests/lttng/app.c as the tracer sees it */
static uint64_t lt_pid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	return (void)a, (void)b, (void)c, (void)d, (void)e, (void)call, 1234;
}

static uint64_t lt_procname(uint64_t to, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)b, (void)c, (void)d, (void)e, (void)call;
	memcpy((void *)(uintptr_t)to, "app", 4);
	return 0;
}

static inline struct uebpf_env *lt_env(void)
{
#define AT(name) .offset = offsetof(struct lt_event, name), .size = sizeof(((struct lt_event *)0)->name)
#define U(x) { .name = #x, AT(x) }
#define S(x) { .name = #x, AT(x), .value = UEBPF_VALUE_SIGNED }
#define F(x) { .name = #x, AT(x), .value = UEBPF_VALUE_FLOAT }
	static const struct uebpf_field field[] = {
		U(id), S(s8), U(u8), S(s16), U(u16), S(s32), U(u32), S(s64), U(u64), F(f), F(d), S(en), U(on),
		{ .name = "be16", AT(be16), .big_endian = 1 }, { .name = "be32", AT(be32), .big_endian = 1 },
		{ .name = "str", AT(str), .kind = UEBPF_FIELD_CSTR, .value = UEBPF_VALUE_TEXT, .nullable = 1 },
		{ .name = "text", AT(text), .kind = UEBPF_FIELD_BYTES, .value = UEBPF_VALUE_TEXT },
		{ .name = "seq_text", AT(seq_text), .kind = UEBPF_FIELD_MEM, .size_field = "seq_text_len",
		  .value = UEBPF_VALUE_TEXT },
		U(seq_text_len),
		{ .name = "arr", AT(arr), .kind = UEBPF_FIELD_BYTES, .elem = 4, .value = UEBPF_VALUE_SIGNED },
		{ .name = "seq", AT(seq), .kind = UEBPF_FIELD_MEM, .size_field = "seq_bytes", .elem = 4,
		  .value = UEBPF_VALUE_SIGNED },
		U(seq_bytes),
	};
#undef AT
#undef U
#undef S
#undef F
	static const char *const numbers[] = { "ctx.pthread_id", "ctx.ip", "ctx.vuid" };
	struct uebpf_type_opts type = { .size = sizeof(type), .name = "lt", .ctx_size = sizeof(struct lt_event),
					.fields = field, .nr_fields = sizeof(field) / sizeof(*field) };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;

	if (!env || uebpf_env_add_type(env, &type, &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	for (int i = 0; i < 3; i++)
		if (uebpf_env_add_helper(env, 0, numbers[i], "u64 ()", lt_pid, NULL, &err) < 0)
			abort();
	/* in the place of the library's, which would name the test */
	if (uebpf_env_add_helper(env, 0, "ctx.procname", "long (mem_out:16)", lt_procname, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	return env;
}

/* struct lttng_ust_abi_filter_bytecode with `data` behind it; malloc'ed. */
static inline void *lt_wire(const void *data, uint32_t len, uint32_t reloc, size_t *bytes)
{
	uint8_t *wire = calloc(1, 48 + len);

	memcpy(wire, &len, 4);
	memcpy(wire + 4, &reloc, 4);
	memcpy(wire + 48, data, len);
	*bytes = 48 + len;
	return wire;
}
#endif
