/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message_test.c - the library that users link says word for word what its objects say: there texts are
 * packed, here (vm/message.h) they are not. */
#include <dlfcn.h>
#include "tests/api/api.h"

/* Refused by one part or another. */
static const char *const refused[] = {
	"r0 = r5\nexit\n", "r0 = *(u64 *)(r10 + 8)\nexit\n", "r0 = 0\ncall 999\nexit\n", "r0 = 1\n", "r0 = \n",
	"r0 = 0\ngoto +7\nexit\n", "r1 = 0\nr0 = *(u8 *)(r1 + 0)\nexit\n", "r0 = *(u32 *)(r10 - 600)\nexit\n",
	"*(u64 *)(r10 - 12) = r1\nr0 = *(u64 *)(r10 - 12)\nr0 = *(u8 *)(r0 + 1)\nexit\n", "r10 = 1\nexit\n",
	"r0 = 0\nr0 += 1\ngoto -2\n", "call 1\nexit\n", "r1 = r10\ncall 1\nexit\n", "hello\n", "r0 = 1 +\n",
	"w0 = (s32)w1\n", "goto nowhere\n", "r0 = 5000000000\n", "*(s8 *)(r1 + 0) = r2\n", "r0 = 0x\n",
};
static const char *const filters[] = {
	"", "a ==", "nothing == 1", "1 +", "\"a\" < 1", "a[", "(1", "-\"x\" == 0", "a == 0x", "$ctx.none == 1",
	"a = 1", "a + 1 == 2", "/* a", "\"\\q\" == a", "$x", "a == 1 1",
};

struct lib {
	__typeof__(uebpf_env_new) *env_new;
	__typeof__(uebpf_env_free) *env_free;
	__typeof__(uebpf_env_add_type) *add_type;
	__typeof__(uebpf_object_open_text) *open_text;
	__typeof__(uebpf_object_open_memory) *open_memory;
	__typeof__(uebpf_object_open_filter) *open_filter;
	__typeof__(uebpf_object_load) *load;
	__typeof__(uebpf_object_log) *log;
	__typeof__(uebpf_object_free) *free;
	__typeof__(uebpf_version) *version;
	__typeof__(uebpf_stage_name) *stage_name;
	__typeof__(uebpf_code_name) *code_name;
	__typeof__(uebpf_env_helper) *helper;
	__typeof__(uebpf_object_prog) *prog;
	__typeof__(uebpf_prog_dump) *dump;
	__typeof__(uebpf_prog_verdict) *verdict;
	__typeof__(uebpf_prog_field) *field;
	__typeof__(uebpf_prog_explain) *explain;
	__typeof__(uebpf_map_create) *map_create;
	__typeof__(uebpf_map_unref) *map_unref;
	__typeof__(uebpf_object_resize_map) *resize_map;
	__typeof__(uebpf_env_add_type_btf) *add_type_btf;
	__typeof__(uebpf_map_from_kernel) *map_from_kernel;
};
static const struct lib own = {
	uebpf_env_new, uebpf_env_free, uebpf_env_add_type, uebpf_object_open_text, uebpf_object_open_memory,
	uebpf_object_open_filter, uebpf_object_load, uebpf_object_log, uebpf_object_free,
	uebpf_version, uebpf_stage_name, uebpf_code_name, uebpf_env_helper, uebpf_object_prog, uebpf_prog_dump, uebpf_prog_verdict,
	uebpf_prog_field, uebpf_prog_explain, uebpf_map_create, uebpf_map_unref, uebpf_object_resize_map, uebpf_env_add_type_btf,
	uebpf_map_from_kernel,
};
static const char *const names[] = {
	"uebpf_env_new", "uebpf_env_free", "uebpf_env_add_type", "uebpf_object_open_text", "uebpf_object_open_memory",
	"uebpf_object_open_filter", "uebpf_object_load", "uebpf_object_log", "uebpf_object_free",
	"uebpf_version", "uebpf_stage_name", "uebpf_code_name", "uebpf_env_helper", "uebpf_object_prog", "uebpf_prog_dump",
	"uebpf_prog_verdict", "uebpf_prog_field", "uebpf_prog_explain", "uebpf_map_create", "uebpf_map_unref", "uebpf_object_resize_map",
	"uebpf_env_add_type_btf", "uebpf_map_from_kernel",
};
_Static_assert(sizeof(names) == sizeof(own), "a name for each function");

/* Loads what was opened and tells why not; one line of its own for each, and the log. */
static void tell(const struct lib *lib, struct uebpf_object *obj, struct uebpf_error *err, FILE *to)
{
	int status = obj ? lib->load(obj, NULL, err) : -1;

	ck_assert_int_ne(status, 0);
	ck_assert_uint_gt(strlen(err->text), 10);
	fprintf(to, "%s\n%s", err->text, obj ? lib->log(obj) : "");
	lib->free(obj);
}

/* What comes from tables: they are unpacked as wholes. */
static void tell_tables(const struct lib *lib, struct uebpf_env *env, FILE *to)
{
	static const char *const helpers[] = {
		"map_lookup_elem", "bpf_timer_start", "snprintf_btf", "get_task_stack", "cgrp_storage_delete", "filter_head",
	};
	static const char *const stages[] = { "insns", "facts", "rewrite", "x86" };
	static const char text[] = "r6 = r1\nr2 = *(u32 *)(r6 + 0x4)\nr1 = *(u32 *)(r6 + 0x0)\nr3 = r1\nr3 += 0x8\n"
		"r0 = 0x2\nif r3 > r2 goto +0x3\nr0 = *(u64 *)(r1 + 0x0)\nr0 = be64 r0\nr0 &= 0x1\nexit\n";
	struct uebpf_open_opts opts = { .size = sizeof(opts), .type = "xdp" };
	struct uebpf_helper_info info = { .size = sizeof(info) };
	struct uebpf_field field;
	struct uebpf_error err = { 0 };
	struct uebpf_object *obj = lib->open_text(env, text, &opts, &err);
	const struct uebpf_prog *prog;
	static char buf[65536];

	for (uint32_t i = 0; i <= UEBPF_STAGE_FILTER + 1; i++)
		fprintf(to, "%s\n", lib->stage_name(i));
	for (uint32_t i = 0; i < 2048; i++)
		fprintf(to, "%s\n", lib->code_name(i));
	for (size_t i = 0; i < sizeof(helpers) / sizeof(*helpers); i++) {
		ck_assert_int_eq(lib->helper(env, helpers[i], &info), 0);
		fprintf(to, "%s: %s\n", info.name, info.support);
	}
	ck_assert_msg(obj && !lib->load(obj, NULL, &err), "%s", err.text);
	prog = lib->prog(obj, NULL);
	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		if (lib->dump(prog, stages[i], buf, sizeof(buf)) >= 0)
			fprintf(to, "%s", buf);
	for (uint64_t r0 = 0; r0 < 6; r0++)
		fprintf(to, "%s\n", lib->verdict(prog, r0) ? lib->verdict(prog, r0) : "");
	for (uint32_t i = 0; !lib->field(prog, i, &field); i++)
		fprintf(to, "%s\n", field.name);
	for (int status = -130; status < 0; status++) {
		struct uebpf_run run = { .size = sizeof(run) };

		lib->explain(prog, status, &run, &err);
		fprintf(to, "%s\n", err.text);
	}
	lib->free(obj);
}

/* Maps that cannot be, objects that are not there, malformed types, kinds of programs of the kernel alone. */
static void tell_maps(const struct lib *lib, struct uebpf_env *env, FILE *to)
{
	static const struct { uint32_t key, value, entries, flags; } shapes[] = {
		{ 0, 0, 0, 0 }, { 4, 4, 0, 0 }, { 4, 8, 1, 0x80000000 }, { 8, 8, UINT32_MAX, 0 }, { 4, 1 << 30, 1, 0 },
		{ 600, 4, 1, 1 }, { 4, 4, 1, 0x18 }, { 3, 3, 3, 1 },
	};
	static const char *const kernels[] = { "fentry/f", "lsm/f", "struct_ops/f", "freplace/f", "netfilter" };
	static const uint8_t btf[] = { 0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0,
				       9, 0, 0, 0, 0, 0, 0, 2, 9, 0, 0, 0, 0 };
	struct uebpf_kernel_opts kernel = { .size = sizeof(kernel), .fd = -1, .pin = "/none" };
	struct uebpf_error err = { 0 };

	for (uint32_t type = 0; type < 40; type++)
		for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
			struct uebpf_map_opts opts = { .size = sizeof(opts), .type = type, .key_size = shapes[i].key,
				.value_size = shapes[i].value, .max_entries = shapes[i].entries, .flags = shapes[i].flags };
			struct uebpf_map *map = lib->map_create(env, &opts, &err);

			fprintf(to, "%s\n", map ? "made" : err.text);
			if (map)
				lib->map_unref(map);
		}
	ck_assert_int_lt(lib->resize_map(NULL, "m", 1, &err), 0);
	fprintf(to, "%s\n", err.text);
	for (size_t len = 0; len <= sizeof(btf); len++) {
		ck_assert_int_lt(lib->add_type_btf(env, "t", btf, len, &err), 0);
		fprintf(to, "%s\n", err.text);
	}
	ck_assert_ptr_null(lib->map_from_kernel(env, &kernel, &err));
	fprintf(to, "%s\n", err.text);
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
		struct uebpf_open_opts opts = { .size = sizeof(opts), .type = kernels[i] };

		tell(lib, lib->open_text(env, "r0 = 0\nexit\n", &opts, &err), &err, to);
	}
}

static char *all_texts(const struct lib *lib)
{
	struct uebpf_field a = { .name = "a", .size = 8, .kind = UEBPF_FIELD_SCALAR };
	struct uebpf_type_opts type = { .size = sizeof(type), .name = "ev", .ctx_size = 8, .fields = &a, .nr_fields = 1 };
	struct uebpf_env *env = lib->env_new(NULL);
	struct uebpf_error err = { 0 };
	char *all = NULL;
	size_t len, i;
	FILE *to = open_memstream(&all, &len);

	ck_assert_ptr_nonnull(to);
	ck_assert_int_eq(lib->add_type(env, &type, &err), 0);
	ck_assert_int_ne(lib->add_type(env, &type, &err), 0);
	fprintf(to, "%s\n", err.text);
	tell_maps(lib, env, to);
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		tell(lib, lib->open_text(env, refused[i], NULL, &err), &err, to);
	for (i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		tell(lib, lib->open_filter(env, filters[i], "ev", NULL, &err), &err, to);
	tell(lib, lib->open_filter(env, "1", "other", NULL, &err), &err, to);
	for (i = 1; i < 64; i += 9)
		tell(lib, lib->open_memory(env, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\1\0\367\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
					   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", i, NULL, &err),
		     &err, to);
	tell_tables(lib, env, to);
	lib->env_free(env);
	fclose(to);
	return all;
}

START_TEST(packed_and_plain_texts_are_the_same)
{
	char path[4200], *here, *there;
	size_t at;
	void *lib, *function[sizeof(names) / sizeof(*names)];
	struct lib linked;

	snprintf(path, sizeof(path), "%s/libuebpf.so", build_dir());
	if (access(path, R_OK)) {
		puts("skip: no libuebpf.so in this build tree");
		return;
	}
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(lib != NULL, "%s", dlerror());
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		function[i] = dlsym(lib, names[i]);
		ck_assert_msg(function[i] != NULL, "%s", names[i]);
	}
	memcpy(&linked, function, sizeof(linked));
	/* before there is an env: rows are still packed, names come at their first use */
	ck_assert_str_eq(linked.version(), uebpf_version());
	for (uint32_t i = 0; i < 128; i++) {
		ck_assert_str_eq(linked.stage_name(i), uebpf_stage_name(i));
		ck_assert_str_eq(linked.code_name(i), uebpf_code_name(i));
	}
	here = all_texts(&own);
	there = all_texts(&linked);
	for (at = 0; here[at] && here[at] == there[at];)
		at++;
	ck_assert_msg(here[at] == there[at], "at %zu:\n%.300s\nnow\n%.300s", at, here + at, there + at);
	free(here);
	free(there);
	dlclose(lib);
}
END_TEST

int main(void)
{
	TCase *t = test_case("packed and plain", 60);

	tcase_add_test(t, packed_and_plain_texts_are_the_same);
	return run_tests();
}
