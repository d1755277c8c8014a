/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* env_test.c - env options, the env's allocator (every n-th allocation fails), helpers and types that
 * a host adds and withdraws, golden errors. */
#include "tests/api/api.h"

static uint64_t helper_sum(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)c, (void)d, (void)e;
	return a + b + *(uint64_t *)uebpf_call_helper_host(call);
}

struct event { uint32_t kind, size; uint64_t text; char name[16]; uint64_t data; uint32_t len, out; };
#define NO_MEANING 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0
#define BITS(n, from) 0, 0, 0, 0, NULL, 0, n, from, 0, 0
static const struct uebpf_field event_fields[] = {
	{ "kind", 0, 4, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING },
	{ "size", 4, 4, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING },
	{ "text", 8, 8, UEBPF_FIELD_CSTR, 0, NULL, NO_MEANING },
	{ "name", 16, 16, UEBPF_FIELD_BYTES, 0, NULL, NO_MEANING },
	{ "data", 32, 8, UEBPF_FIELD_MEM, 0, "len", NO_MEANING },
	{ "len", 40, 4, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING },
	{ "out", 44, 4, UEBPF_FIELD_SCALAR, 1, NULL, NO_MEANING },
};
static const struct uebpf_type_opts event_type = {
	.size = sizeof(event_type), .name = "event", .ctx_size = sizeof(struct event),
	.fields = event_fields, .nr_fields = 7,
};

/* Everything that allocates; true when all of it worked. */
static int story(struct ledger *l)
{
	struct uebpf_open_opts type = { .size = sizeof(type), .type = "event" };
	struct uebpf_env *env = counted_env(l);
	struct uebpf_object *obj = NULL;
	static uint64_t ten = 10;
	struct event event = { .kind = 3 };
	struct uebpf_error err = { 0 };
	int ok, id = -1;
	uint64_t r0 = 0;

	if (!env)
		return 0;
	ok = uebpf_env_add_type(env, &event_type, &err) == 0;
	if (ok)
		id = uebpf_env_add_helper(env, 0, "sum", "u64 (scalar, scalar)", helper_sum, &ten, &err);
	ok = ok && id == 0x10000;
	if (ok)
		obj = uebpf_object_open_text(env, "r1 = *(u32 *)(r1 + 0)\nr2 = 4\ncall 65536\n*(u64 *)(r10 - 8) = r0\n"
					     "r1 = 1\ncall pc+1\nexit\nr0 = 17\nexit\n", &type, &err);
	if (obj)
		ok = uebpf_object_load(obj, NULL, &err) == 0;
	else
		ok = 0;
	if (ok) {
		int rc = uebpf_prog_run(uebpf_object_prog(obj, NULL), &event, sizeof(event), NULL, &r0);

		ck_assert_int_eq(rc, 0);
		ck_assert_uint_eq(r0, 17);
	} else {
		ck_assert_msg(err.err == -ENOMEM, "%s (%d)", err.text, err.err);
		ck_assert_uint_eq(err.code, UEBPF_E_MEMORY);
	}
	uebpf_object_free(obj);
	uebpf_env_free(env);
	return ok;
}

START_TEST(each_allocation_may_fail)
{
	struct ledger l = { 0 };
	size_t n;
	int done = 0;

	for (n = 1; !done; n++) {
		l = (struct ledger){ .fail_at = n };
		done = story(&l);
		ck_assert_msg(!l.live && !l.blocks, "allocation %zu fails: %zu bytes in %zu blocks are lost", n,
			      l.live, l.blocks);
		ck_assert_uint_lt(n, 500);
		done = done && l.calls < n;
	}
	ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(failing_a_resize_keeps_what_was_there)
{
	struct ledger l = { 0 };

	ck_assert(story(&l));
	ck_assert_uint_eq(l.live, 0);
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
	struct uebpf_env_opts o = { .size = sizeof(o) };
	struct { struct uebpf_env_opts o; uint64_t newer; } big = { .o = { .size = sizeof(big) } };
	struct uebpf_env *env;

	env = uebpf_env_new(&o);
	ck_assert_ptr_nonnull(env);
	uebpf_env_free(env);
	uebpf_env_free(NULL);
	o.mode = 99;
	ck_assert_ptr_null(uebpf_env_new(&o));
	o.mode = 0;
	o.stack_size = 1 << 30;
	ck_assert_ptr_null(uebpf_env_new(&o));
	o.stack_size = 0;
	o.size = 0;
	ck_assert_ptr_null(uebpf_env_new(&o));
	/* a caller built for a later library: fine while it does not use what we lack */
	env = uebpf_env_new(&big.o);
	ck_assert_ptr_nonnull(env);
	uebpf_env_free(env);
	big.newer = 1;
	ck_assert_ptr_null(uebpf_env_new(&big.o));
	/* a caller built for an earlier one */
	o.size = sizeof(size_t) + sizeof(struct uebpf_hooks);
	env = uebpf_env_new(&o);
	ck_assert_ptr_nonnull(env);
	uebpf_env_free(env);
}
END_TEST

START_TEST(env_is_small)
{
	struct ledger l = { 0 };
	struct uebpf_env *env = counted_env(&l);

	ck_assert_ptr_nonnull(env);
	ck_assert_uint_lt(l.live, 65536);
	uebpf_env_free(env);
	ck_assert_uint_eq(l.live, 0);
}
END_TEST

START_TEST(small_program_takes_less_than_4k)
{
	static const uint8_t slots[] = { 0xb7, 0, 0, 0, 42, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0 };
	struct ledger l = { 0 };
	struct uebpf_env *env = counted_env(&l);
	size_t before = l.live;
	struct uebpf_object *obj = uebpf_object_open_insns(env, slots, 2, NULL, NULL);

	ck_assert_int_eq(uebpf_object_load(obj, NULL, NULL), 0);
	ck_assert_uint_le(l.live - before, 3072);	/* the rest is the allocator's own */
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

/* ---- helpers ---- */

static int helper(struct uebpf_env *env, uint32_t id, const char *name, const char *proto, struct uebpf_error *err)
{
	static uint64_t ten = 10;

	return uebpf_env_add_helper(env, id, name, proto, helper_sum, &ten, err);
}

START_TEST(host_helper_is_called_and_withdrawn)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_helper_info info = { .size = sizeof(info) };
	struct uebpf_object *obj;
	struct uebpf_error err;
	uint64_t r0 = 0;
	int id = helper(env, 0, "sum", "u64 (scalar, scalar)", &err);

	ck_assert_int_eq(id, 0x10000);
	ck_assert_int_eq(uebpf_env_helper(env, "sum", &info), 0);
	ck_assert_uint_eq(info.id, 0x10000);
	ck_assert_uint_eq(info.args, 2);
	ck_assert_uint_eq(info.callable, 1);
	ck_assert_int_eq(uebpf_env_helper(env, "bpf_map_lookup_elem", &info), 0);
	ck_assert_uint_eq(info.id, 1);
	ck_assert_int_eq(uebpf_env_helper(env, "nothing", &info), -ENOENT);

	obj = load_text(env, "r1 = 1\nr2 = 2\ncall 65536\nexit\n", NULL);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 13);
	ck_assert_int_eq(uebpf_prog_helper(uebpf_object_prog(obj, NULL), 0, &info), 0);
	ck_assert_str_eq(info.name, "sum");
	ck_assert_int_eq(uebpf_prog_helper(uebpf_object_prog(obj, NULL), 1, &info), -ENOENT);
	/* others may come meanwhile; this program keeps its table */
	ck_assert_int_eq(helper(env, 0, "other", "u64 (scalar, scalar)", NULL), 0x10001);
	ck_assert_int_eq(uebpf_env_remove_helper(env, 0x10000), -EBUSY);
	ck_assert_int_eq(uebpf_env_remove_helper(env, 0x10001), 0);
	ck_assert_int_eq(uebpf_env_remove_helper(env, 0x10001), -ENOENT);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, NULL, &r0), 0);
	uebpf_object_free(obj);
	ck_assert_int_eq(uebpf_env_remove_helper(env, 0x10000), 0);
	obj = open_text(env, "r1 = 1\nr2 = 2\ncall 65536\nexit\n", NULL);
	ck_assert_int_eq(uebpf_object_load(obj, NULL, &err), -EINVAL);
	ck_assert_uint_eq(err.code, UEBPF_E_HELPER);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

START_TEST(bad_helpers_are_refused_with_the_reason)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;

	ck_assert_int_eq(helper(env, 0, "sum", "u64 (scalar, banana)", &err), -EINVAL);
	ck_assert_uint_eq(err.code, UEBPF_E_SYNTAX);
	ck_assert_uint_eq(err.column, 14);
	ck_assert_int_eq(helper(env, 0, "a b", "u64 ()", &err), -EINVAL);
	ck_assert_uint_eq(err.code, UEBPF_E_ARGUMENT);
	ck_assert_int_eq(helper(env, 0, "sum", NULL, &err), -EINVAL);
	ck_assert_int_eq(helper(env, 60000, "sum", NULL, &err), -EINVAL);
	ck_assert_uint_eq(err.code, UEBPF_E_HELPER);
	ck_assert_int_eq(uebpf_env_add_helper(env, 0, "sum", "u64 ()", NULL, NULL, &err), -EINVAL);
	ck_assert_int_eq(helper(env, 0, "sum", "u64 (scalar, scalar)", &err), 0x10000);
	ck_assert_int_eq(helper(env, 0, "sum", "u64 (scalar, scalar)", &err), -EEXIST);
	ck_assert_int_eq(helper(env, 0x20000, "more", "u64 (scalar, scalar)", &err), 0x20000);
	ck_assert_int_eq(helper(env, 0, "next", "u64 (scalar, scalar)", &err), 0x20001);
	uebpf_env_free(env);
}
END_TEST

START_TEST(host_function_for_a_kernel_helper)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_helper_info info = { .size = sizeof(info) };
	struct uebpf_object *obj;
	uint64_t r0 = 0;

	ck_assert_int_eq(helper(env, 5, NULL, NULL, NULL), 5);	/* ktime_get_ns */
	ck_assert_int_eq(uebpf_env_helper(env, "ktime_get_ns", &info), 0);
	ck_assert_uint_eq(strncmp(info.support, "host", 4), 0);
	obj = load_text(env, "r1 = 1\nr2 = 2\ncall 5\nexit\n", NULL);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, NULL, &r0), 0);
	ck_assert_uint_ge(r0, 10);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

/* ---- types ---- */

START_TEST(host_type_is_used_and_withdrawn)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct event event = { .kind = 7, .size = 30 };
	struct uebpf_object *obj;
	struct uebpf_field field;
	struct uebpf_error err;
	uint64_t r0 = 0;

	ck_assert_msg(uebpf_env_add_type(env, &event_type, &err) == 0, "%s", err.text);
	ck_assert_int_eq(uebpf_env_add_type(env, &event_type, &err), -EEXIST);
	obj = load_text(env, "r0 = *(u32 *)(r1 + 4)\n*(u32 *)(r1 + 44) = r0\nexit\n", "event");
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &event, sizeof(event), NULL, &r0), 0);
	ck_assert_uint_eq(r0, 30);
	ck_assert_uint_eq(event.out, 30);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &event, 8, NULL, &r0), -EINVAL);
	ck_assert_int_eq(uebpf_prog_field(uebpf_object_prog(obj, NULL), 4, &field), 0);
	ck_assert_str_eq(field.name, "data");
	ck_assert_str_eq(field.size_field, "len");
	ck_assert_int_eq(uebpf_prog_field(uebpf_object_prog(obj, NULL), 7, &field), -ENOENT);
	ck_assert_int_eq(uebpf_env_remove_type(env, "event"), -EBUSY);
	uebpf_object_free(obj);
	ck_assert_int_eq(uebpf_env_remove_type(env, "event"), 0);
	ck_assert_int_eq(uebpf_env_remove_type(env, "event"), -ENOENT);
	uebpf_env_free(env);
}
END_TEST

START_TEST(host_type_write_rights)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct event event = { .kind = 7 };
	struct uebpf_object *obj;

	ck_assert_int_eq(uebpf_env_add_type(env, &event_type, NULL), 0);
	obj = load_text_checked(env, "*(u32 *)(r1 + 0) = r1\nr0 = 0\nexit\n", "event");
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &event, sizeof(event), NULL, NULL), -EFAULT);
	ck_assert_uint_eq(event.kind, 7);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

START_TEST(bad_types_name_the_field)
{
	static const struct { struct uebpf_field f; const char *says; } bad[] = {
		{ { "x", 0, 3, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING }, "type t, field x: a scalar has 1, 2, 4 or 8" },
		{ { "x", 40, 16, UEBPF_FIELD_BYTES, 0, NULL, NO_MEANING }, "type t, field x: does not lie inside" },
		{ { "x", 0xffffffff, 8, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING }, "does not lie inside" },
		{ { "x", 0, 0, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING }, "does not lie inside" },
		{ { "", 0, 4, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING }, "field (no name)" },
		{ { NULL, 0, 4, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING }, "field (no name)" },
		{ { "x", 0, 4, 17, 0, NULL, NO_MEANING }, "unknown kind" },
		{ { "x", 0, 4, UEBPF_FIELD_CSTR, 0, NULL, NO_MEANING }, "a pointer field has 8 bytes" },
		{ { "x", 0, 8, UEBPF_FIELD_CSTR, 1, NULL, NO_MEANING }, "cannot replace a pointer" },
		{ { "x", 0, 8, UEBPF_FIELD_MEM, 0, NULL, NO_MEANING }, "needs size_field" },
		{ { "x", 0, 8, UEBPF_FIELD_MEM, 0, "y", NO_MEANING }, "needs size_field" },
		{ { "first", 0, 8, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING }, "two fields have this name" },
		{ { "x", 32, 8, UEBPF_FIELD_SCALAR, 0, NULL, NO_MEANING }, "overlaps another field" },
		{ { "x", 32, 8, UEBPF_FIELD_SCALAR, 0, NULL, BITS(33, 0) }, "overlaps another field" },
		{ { "x", 32, 8, UEBPF_FIELD_SCALAR, 0, NULL, 0, 0, 0, 0, NULL, 0, 0, 0, 1, 0 }, "overlaps another field" },
		{ { "x", 0, 8, UEBPF_FIELD_CSTR, 0, NULL, 0, 0, 0, 0, NULL, 0, 0, 0, 1, 0 }, "shares its place" },
		{ { "x", 0, 4, UEBPF_FIELD_SCALAR, 0, NULL, BITS(9, 24) }, "a bit-field is some bits of an integer" },
		{ { "x", 0, 4, UEBPF_FIELD_SCALAR, 0, NULL, BITS(0, 1) }, "a bit-field is some bits of an integer" },
		{ { "x", 0, 4, UEBPF_FIELD_BYTES, 0, NULL, BITS(3, 1) }, "a bit-field is some bits of an integer" },
		{ { "x", 0, 4, UEBPF_FIELD_SCALAR, 1, NULL, BITS(3, 1) }, "a bit-field is some bits of an integer" },
		{ { "x", 0, 8, UEBPF_FIELD_SCALAR, 0, NULL, UEBPF_VALUE_FLOAT, 0, 0, 0, NULL, 0, 3, 1, 0, 0 }, "a bit-field is some bits" },
	};
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_field fields[2] = { { "first", 36, 8, UEBPF_FIELD_BYTES, 0, NULL, NO_MEANING } };
	struct uebpf_type_opts t = { .size = sizeof(t), .name = "t", .ctx_size = 48, .fields = fields,
				     .nr_fields = 2 };
	struct uebpf_error err;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		fields[1] = bad[i].f;
		ck_assert_msg(uebpf_env_add_type(env, &t, &err) == -EINVAL, "%zu: taken, not: %s", i, bad[i].says);
		ck_assert_uint_eq(err.code, UEBPF_E_FIELD);
		ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%zu: %s", i, err.text);
	}
	t.name = "a/b";
	ck_assert_int_eq(uebpf_env_add_type(env, &t, &err), -EINVAL);
	t.name = "xdp";
	fields[1] = event_fields[0];
	ck_assert_int_eq(uebpf_env_add_type(env, &t, &err), -EEXIST);
	t.name = "t";
	t.ctx_size = 0;
	ck_assert_int_eq(uebpf_env_add_type(env, &t, &err), -EINVAL);
	uebpf_env_free(env);
}
END_TEST

/* ---- errors ---- */

struct golden { const char *text, *type; int err; uint32_t code, stage; const char *says; };

START_TEST(errors_of_opening_and_loading)
{
	static const struct golden list[] = {
		{ "exit\n", "nonsense", -EINVAL, UEBPF_E_PROG_TYPE, UEBPF_STAGE_OPEN,
		  "g.s: unknown program type nonsense; there are: xdp, tc, " },
		{ "", NULL, -EINVAL, UEBPF_E_NO_PROGRAM, UEBPF_STAGE_OPEN, "g.s: no instructions given" },
		{ "r0 = 1\n", NULL, -EINVAL, 0, UEBPF_STAGE_DECODE, "g.s:main: form: insn 0: " },
		{ "call 999\nexit\n", NULL, -EINVAL, UEBPF_E_HELPER, UEBPF_STAGE_VERIFY, "g.s:main: not supported here: insn 0 " },
	};
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;
	size_t i;

	for (i = 0; i < sizeof(list) / sizeof(*list); i++) {
		struct uebpf_open_opts o = { .size = sizeof(o), .name = "g.s", .type = list[i].type };
		struct uebpf_object *obj = uebpf_object_open_text(env, list[i].text, &o, &err);
		int rc = obj ? uebpf_object_load(obj, NULL, &err) : err.err;

		ck_assert_msg(rc == list[i].err, "%zu: %d: %s", i, rc, err.text);
		ck_assert_int_eq(err.err, rc);
		ck_assert_uint_eq(err.stage, list[i].stage);
		if (list[i].code)
			ck_assert_uint_eq(err.code, list[i].code);
		ck_assert_msg(!strncmp(err.text, list[i].says, strlen(list[i].says)), "%zu: %s", i, err.text);
		if (obj) {
			struct uebpf_error again;

			ck_assert_int_eq(uebpf_prog_error(uebpf_object_prog(obj, NULL), &again), rc);
			ck_assert_str_eq(again.text, err.text);
			ck_assert_ptr_nonnull(strstr(uebpf_object_log(obj), err.text));
			ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, NULL, NULL), -ENOEXEC);
		}
		uebpf_object_free(obj);
	}
	uebpf_env_free(env);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;

	ck_assert_ptr_null(uebpf_object_open_file(env, "/nonexistent/x.o", NULL, &err));
	ck_assert_int_eq(err.err, -ENOENT);
	ck_assert_uint_eq(err.code, UEBPF_E_IO);
	ck_assert_str_eq(err.object, "/nonexistent/x.o");
	ck_assert_ptr_null(uebpf_object_open_file(env, "/", NULL, &err));
	ck_assert_int_eq(err.err, -EISDIR);
	ck_assert_ptr_null(uebpf_object_open_file(env, "/dev/null", NULL, &err));
	ck_assert_uint_eq(err.code, UEBPF_E_NOT_ELF);
	ck_assert_ptr_null(uebpf_object_open_file(env, NULL, NULL, &err));
	ck_assert_uint_eq(err.code, UEBPF_E_ARGUMENT);
	ck_assert_ptr_null(uebpf_object_open_file(NULL, "x", NULL, &err));
	ck_assert_uint_eq(err.code, UEBPF_E_ARGUMENT);
	ck_assert_ptr_null(uebpf_object_open_memory(env, "\177ELF", 4, NULL, NULL));
	uebpf_env_free(env);
}
END_TEST

START_TEST(absent_parts_are_refused_by_name)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_load_opts o = { .size = sizeof(o), .engine = 77 };
	struct uebpf_object *obj = open_text(env, "r0 = 0\nexit\n", NULL);
	struct uebpf_error err;
	char features[300];

	uebpf_features(features, sizeof(features));
	ck_assert_int_eq(uebpf_object_load(obj, &o, &err), -EINVAL);
	ck_assert_uint_eq(err.code, UEBPF_E_ARGUMENT);
	if (!strstr(features, "jit=")) {
		o.engine = UEBPF_ENGINE_JIT;
		ck_assert_int_eq(uebpf_object_load(obj, &o, &err), -EOPNOTSUPP);
		ck_assert_uint_eq(err.code, UEBPF_E_ABSENT);
		ck_assert_ptr_nonnull(strstr(err.text, "jit"));
	}
	if (!strstr(features, "verifier")) {
		o.engine = 0;
		o.mode = UEBPF_MODE_VERIFIED;
		ck_assert_int_eq(uebpf_object_load(obj, &o, &err), -EOPNOTSUPP);
		ck_assert_uint_eq(err.code, UEBPF_E_ABSENT);
	}
	/* a refused option leaves the object as it was */
	ck_assert_int_eq(uebpf_object_load(obj, NULL, &err), 0);
	ck_assert_int_eq(uebpf_object_load(obj, NULL, &err), -EBUSY);
	ck_assert_uint_eq(err.code, UEBPF_E_STATE);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

START_TEST(every_code_and_stage_has_a_name)
{
	uint32_t i;

	for (i = 0; i <= UEBPF_STAGE_FILTER; i++)
		ck_assert_str_ne(uebpf_stage_name(i), "unknown");
	ck_assert_str_eq(uebpf_stage_name(1000), "unknown");
	ck_assert_str_eq(uebpf_code_name(UEBPF_E_NOT_ELF), "UEBPF_E_NOT_ELF");
	ck_assert_str_eq(uebpf_code_name(UEBPF_E_CONTEXT), "UEBPF_E_CONTEXT");
	ck_assert_str_eq(uebpf_code_name(12345), "unknown");
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_test(tc, each_allocation_may_fail);
	tcase_add_test(tc, failing_a_resize_keeps_what_was_there);
	tcase_add_test(tc, options_out_of_range_are_refused);
	tcase_add_test(tc, env_is_small);
	tcase_add_test(tc, small_program_takes_less_than_4k);
	tcase_add_test(tc, host_helper_is_called_and_withdrawn);
	tcase_add_test(tc, bad_helpers_are_refused_with_the_reason);
	tcase_add_test(tc, host_function_for_a_kernel_helper);
	tcase_add_test(tc, host_type_is_used_and_withdrawn);
	tcase_add_test(tc, host_type_write_rights);
	tcase_add_test(tc, bad_types_name_the_field);
	tcase_add_test(tc, errors_of_opening_and_loading);
	tcase_add_test(tc, files_that_cannot_be_read);
	tcase_add_test(tc, absent_parts_are_refused_by_name);
	tcase_add_test(tc, every_code_and_stage_has_a_name);
}

int main(void)
{
	return run_suite("api env", fill);
}
