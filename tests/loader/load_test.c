/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* load_test.c - objects built by clang, opened, loaded and run: functions, data, maps, externs.
 * Tests are named by what broke in other loaders (docs: bugs 48-54). */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/object.h"
#include "tests/util/run.h"

static uint64_t host_twice(uint64_t x, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)b, (void)c, (void)d, (void)e, (void)call;
	return x * 2;
}

static void load(void)
{
	load_in(UEBPF_MODE_CHECKED);
}

static int run(const char *name)
{
	uint8_t ctx[128];

	for (unsigned int i = 0; i < sizeof(ctx); i++)
		ctx[i] = (uint8_t)i;
	return (int)run_on(name, ctx, sizeof(ctx));
}

/* The program must be refused, with these words in the message. */
static void refused(const char *name, uint32_t code, const char *words)
{
	const struct uebpf_prog *prog = uebpf_object_prog(obj, name);

	ck_assert_msg(prog != NULL, "no program %s", name);
	ck_assert_msg(uebpf_prog_error(prog, &err) < 0, "%s was not refused", name);
	ck_assert_msg(err.code == code, "%s: code %u: %s", name, err.code, err.text);
	ck_assert_msg(strstr(err.text, words) != NULL, "%s: \"%s\" is not in: %s", name, words, err.text);
}

static void load_object(const char *source, const char *flags)
{
	const char *path = compile(NULL, source, flags);

	if (!path)
		exit(0);
	open_with(path, NULL);
	load();
}

/* ---- functions ---- */

START_TEST(call_to_second_global_function)
{
	load_object("functions.bpf.c", "-O2 -g -mcpu=v3");
	ck_assert_int_eq(run("calls_first"), 101);
	ck_assert_int_eq(run("calls_second_global"), 202);
}
END_TEST

START_TEST(call_to_static_by_section_symbol_and_addend)
{
	load_object("functions.bpf.c", "-O2 -g -mcpu=v3");
	ck_assert_int_eq(run("calls_first_static"), 1003);
	ck_assert_int_eq(run("calls_second_static"), 3004);
	ck_assert_int_eq(run("calls_all"), 101 + 201 + 3001 + 6);
}
END_TEST

START_TEST(function_pointer_for_callback)
{
	load_object("functions.bpf.c", "-O2 -g -mcpu=v3");
	ck_assert_int_eq(run("calls_back"), 0 + 1 + 2 + 3 + 4);
}
END_TEST

START_TEST(call_inside_a_program_section)
{
	load_object("functions.bpf.c", "-O2 -g -mcpu=v3");
	ck_assert_int_eq(run("caller"), 14);
	ck_assert_int_eq(run("callee"), 7);
}
END_TEST

/* Subprograms in sections of their own (.text.NAME) are no programs, and are found where they are. */
START_TEST(function_sections)
{
	load_object("functions.bpf.c", "-O2 -g -mcpu=v3 -ffunction-sections -fdata-sections");
	ck_assert_ptr_null(uebpf_object_prog(obj, "first_global"));
	ck_assert_int_eq(run("calls_second_global"), 202);
	ck_assert_int_eq(run("calls_second_static"), 3004);
	ck_assert_int_eq(run("calls_back"), 0 + 1 + 2 + 3 + 4);
}
END_TEST

START_TEST(missing_function_blocks_only_its_callers)
{
	load_object("functions.bpf.c", "-O2 -g -mcpu=v3");
	refused("uses_nowhere", UEBPF_E_EXTERN, "nowhere() is neither in this object nor a helper");
	refused("uses_printf", UEBPF_E_EXTERN, "bpf_printk()");
	ck_assert_int_eq(run("calls_first"), 101);
}
END_TEST

START_TEST(error_names_object_section_function_file_and_line)
{
	char want[256];

	load_object("functions.bpf.c", "-O2 -g -mcpu=v3");
	refused("uses_printf", UEBPF_E_EXTERN, "functions.bpf.c:");
	snprintf(want, sizeof(want), "%s:raw/uses_printf:functions.bpf.c:%u: printf() is", err.object, err.line);
	ck_assert_msg(!strncmp(err.text, want, strlen(want)), "%s", err.text);	/* named once */
	ck_assert_uint_eq(err.line, 44);
	ck_assert_str_eq(err.section, "raw");
	ck_assert_str_eq(err.symbol, "printf");
}
END_TEST

START_TEST(several_programs_per_section_each_with_lines)
{
	const struct uebpf_prog *p = NULL;
	unsigned int n = 0;

	load_object("functions.bpf.c", "-O2 -g -mcpu=v3");
	while ((p = uebpf_object_next_prog(obj, p)))
		n++;
	ck_assert_uint_eq(n, 10);
}
END_TEST

/* ---- data ---- */

START_TEST(second_string_literal_and_second_static)
{
	load_object("data.bpf.c", "-O2 -g -mcpu=v3");
	ck_assert_int_eq(run("literals"), 'f' << 8 | 'c');
	ck_assert_int_eq(run("second_data"), 2221);
}
END_TEST

START_TEST(data_sections_and_their_custom_kin)
{
	load_object("data.bpf.c", "-O2 -g -mcpu=v3");
	ck_assert_int_eq(run("sum_settings"), 11 + 1 + 2 + 3);
	ck_assert_int_eq(run("count"), 12);
	ck_assert_int_eq(run("count"), 24);
	ck_assert_int_eq(run("custom"), 77 + 78 + 1 + 79);
	ck_assert_int_eq(run("of_thing"), -3 + 'b' + 5);
	ck_assert_ptr_nonnull(uebpf_object_map(obj, ".rodata"));
	ck_assert_ptr_nonnull(uebpf_object_map(obj, ".data.mine"));
	ck_assert_ptr_nonnull(uebpf_object_map(obj, ".bss"));
	ck_assert_ptr_nonnull(uebpf_object_map(obj, "own_section"));
}
END_TEST

START_TEST(pointer_inside_data)
{
	load_object("data.bpf.c", "-O2 -g -mcpu=v3");
	ck_assert_int_eq(run("through_pointer"), 'w');
}
END_TEST

START_TEST(globals_set_before_load_and_read_after)
{
	uint32_t setting = 1000, initialised = 6;
	uint64_t *counter;
	size_t size;

	OBJECT(path, "data.bpf.c", "-O2 -g -mcpu=v3");
	open_with(path, NULL);
	ck_assert_int_eq(uebpf_object_set_global(obj, "setting", &setting, 4, &err), 0);
	ck_assert_int_eq(uebpf_object_set_global(obj, "initialised", &initialised, 4, &err), 0);
	ck_assert_int_eq(uebpf_object_set_global(obj, "setting", &setting, 8, &err), -EINVAL);
	ck_assert_int_eq(uebpf_object_set_global(obj, "no_such", &setting, 4, &err), -ENOENT);
	load();
	ck_assert_int_eq(run("sum_settings"), 1000 + 6);
	ck_assert_int_eq(run("of_initialised"), 6);
	run("count");
	counter = uebpf_object_global(obj, "counter", &size);
	ck_assert_ptr_nonnull(counter);
	ck_assert_uint_eq(size, 8);
	ck_assert_uint_eq(*counter, 1);
}
END_TEST

START_TEST(data_without_debug_information)
{
	load_object("data.bpf.c", "-O2 -mcpu=v3");
	ck_assert_int_eq(run("sum_settings"), 11 + 1 + 2 + 3);
	ck_assert_int_eq(run("second_data"), 2221);
}
END_TEST

/* ---- maps ---- */

static void map_is(const char *name, uint32_t type, uint32_t key, uint32_t value, uint32_t max)
{
	struct uebpf_map *map = uebpf_object_map(obj, name);
	struct uebpf_map_info info = { .size = sizeof(info) };

	ck_assert_msg(map != NULL, "no map %s", name);
	uebpf_map_info(map, &info);
	ck_assert_msg(info.type == type && info.key_size == key && info.value_size == value &&
		      info.max_entries == max, "%s: type %u key %u value %u max %u", name, info.type,
		      info.key_size, info.value_size, info.max_entries);
}

START_TEST(btf_map_definitions)
{
	OBJECT(path, "maps.bpf.c", "-O2 -g -mcpu=v3");
	open_with(path, NULL);
	load();
	map_is("typed", 1, 8, 24, 100);
	map_is("sized", 2, 4, 12, 4);
	map_is("ring", 27, 0, 0, 4096);
	map_is("outer", 12, 4, 4, 3);
	map_is("jumps", 3, 4, 4, 4);
	ck_assert_int_eq(run("update"), 6);
}
END_TEST

START_TEST(initial_elements_of_prog_array_and_map_of_maps)
{
	OBJECT(path, "maps.bpf.c", "-O2 -g -mcpu=v3");
	open_with(path, NULL);
	load();
	ck_assert_int_eq(run("jump"), 42);
	ck_assert_int_eq(run("write_inner"), 99);
}
END_TEST

/* An inner map of another shape would be used as one of the object's.  Elements count for arrays, unless the map says
 * that they may differ (BPF_F_INNER_MAP), not for hashes: as in the kernel's map_meta_equal. */
START_TEST(a_map_of_maps_is_bound_only_with_inner_maps_of_its_shape)
{
	static const struct { const char *outer; uint32_t type, key, value, n, flags; const char *says; } inner[] = {
		{ "outer", 2, 4, 8, 2, 0, NULL },
		{ "outer", 2, 4, 8, 3, 0, "inner maps of {type 2, key 4, value 8, max_entries 2, flags 0}, the map has "
		  "{type 2, key 4, value 8, max_entries 3, flags 0}" },
		{ "outer", 2, 4, 16, 2, 0, "has {type 2, key 4, value 16, max_entries 2, flags 0}" },
		{ "outer", 2, 4, 8, 2, 1 << 10, "has {type 2, key 4, value 8, max_entries 2, flags 0x400}" },
		{ "outer", 1, 4, 8, 2, 0, "flags 0}, the map has {type 1, key 4, value 8, max_entries 2, flags 0}" },
		{ "outer", 2, 4, 8, 7, 1 << 12, "has {type 2, key 4, value 8, max_entries 7, flags 0x1000}" },
		{ "hash_outer", 1, 8, 4, 9, 0, NULL },
		{ "hash_outer", 1, 8, 4, 500, 0, NULL },
		{ "hash_outer", 1, 4, 4, 9, 0, "of {type 1, key 8, value 4, max_entries 9, flags 0}, the map has {type 1, key 4," },
		{ "hash_outer", 1, 8, 8, 9, 0, "value 8, max_entries 9" },
		{ "hash_outer", 9, 8, 4, 9, 0, "has {type 9," },
		{ "hash_outer", 1, 8, 4, 9, 1, "flags 0x1}" },
	};

	OBJECT(path, "maps.bpf.c", "-O2 -g -mcpu=v3");
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		bool hash = *inner[i].outer == 'h';
		struct uebpf_map_opts o = { .size = sizeof(o), .name = "in", .type = inner[i].type, .key_size = inner[i].key,
					    .value_size = inner[i].value, .max_entries = inner[i].n, .flags = inner[i].flags };
		struct uebpf_map *in = uebpf_map_create(env, &o, &err), *out;
		int r;

		ck_assert_msg(in != NULL, "%s", err.text);
		o = (struct uebpf_map_opts){ .size = sizeof(o), .name = "bound", .type = hash ? 13 : 12, .key_size = 4,
					     .value_size = 4, .max_entries = 3, .inner = in };
		out = uebpf_map_create(env, &o, &err);
		ck_assert_msg(out != NULL, "%s", err.text);
		open_with(path, NULL);
		r = uebpf_object_bind_map(obj, inner[i].outer, out, &err);
		ck_assert_msg(!r == !inner[i].says, "shape %zu: %s", i, r ? err.text : "bound");
		if (r)
			ck_assert_msg(r == -EINVAL && err.code == UEBPF_E_MAP_BIND && strstr(err.text, inner[i].says) &&
				      strstr(err.text, inner[i].outer), "shape %zu: %s", i, err.text);
		else
			load();
		uebpf_object_free(obj);
		obj = NULL;
		uebpf_map_unref(out);
		uebpf_map_unref(in);
	}
}
END_TEST

/* What makes a map rounds its size or fills it in; the definition is the same. */
START_TEST(a_map_of_the_same_definition_is_kept_whatever_size_it_was_given)
{
	static const char *const names[] = { "odd_ring", "stacks", "perf" };
	struct uebpf_object *old;

	OBJECT(path, "sized.bpf.c", "-O2 -g -mcpu=v3");
	open_with(path, NULL);
	load();
	old = obj;
	open_with(path, NULL);
	ck_assert_int_eq(uebpf_object_replace(obj, old, UEBPF_KEEP_MAPS, &err), 3);
	load();
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_eq(uebpf_object_map(obj, names[i]), uebpf_object_map(old, names[i]));
	uebpf_object_free(old);
}
END_TEST

START_TEST(maps_without_btf_are_told_to_compile_with_g)
{
	OBJECT(path, "maps.bpf.c", "-O2 -mcpu=v3");
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_ptr_null(obj);
	ck_assert_uint_eq(err.code, UEBPF_E_NO_BTF);
	ck_assert_ptr_nonnull(strstr(err.text, "clang --target=bpf -O2 -g -c"));
}
END_TEST

START_TEST(legacy_definitions)
{
	load_object("legacy.bpf.c", "-O2 -mcpu=v2");
	map_is("a", 1, 4, 8, 10);
	map_is("b", 2, 4, 16, 3);
	ck_assert_int_eq(run("second_map"), 5);
	ck_assert_int_eq(run("second_map"), 10);
}
END_TEST

START_TEST(legacy_definition_of_280_bytes_in_its_own_section)
{
	load_object("legacy.bpf.c", "-O2 -g -mcpu=v1 -DLONG");
	map_is("a", 1, 4, 8, 10);
	map_is("b", 2, 4, 16, 3);
}
END_TEST

START_TEST(legacy_iproute2_definition_fills_its_prog_array)
{
	struct uebpf_open_opts opts = { .size = sizeof(opts), .type = "raw" };

	OBJECT(path, "legacy.bpf.c", "-O2 -g -mcpu=v3 -DIPROUTE");
	open_with(path, &opts);
	load();
	map_is("tail", 3, 4, 4, 8);
	map_is("outside", 12, 4, 4, 5);
	ck_assert_int_eq(run("jump"), 33);
}
END_TEST

START_TEST(legacy_inner_map_by_index)
{
	load_object("legacy.bpf.c", "-O2 -g -mcpu=v3 -DSAMPLES");
	map_is("b_outside", 12, 4, 4, 5);
}
END_TEST

/* ---- externs ---- */

static void open_externs(void)
{
	struct uebpf_open_opts opts = { .size = sizeof(opts), .kconfig = "tests/objects/kconfig.txt" };
	const char *path = compile(NULL, "externs.bpf.c", "-O2 -g -mcpu=v3");

	if (!path)
		exit(0);
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "host_twice", "u64 (scalar)", host_twice, NULL, &err), 0);
	open_with(path, &opts);
	load();
}

START_TEST(kconfig_values_and_weak_default)
{
	open_externs();
	ck_assert_int_ge(run("version"), 4 << 16);
	ck_assert_int_eq(run("values"), 111 + 4000 - 5);
	ck_assert_int_eq(run("text"), 'a' << 8 | 'c');
	ck_assert_int_eq(run("weak_config"), 3);
}
END_TEST

START_TEST(kernel_symbols_block_only_their_users)
{
	open_externs();
	refused("ksym", UEBPF_E_UNSUPPORTED, "kernel symbol some_ksym");
	refused("kfunc", UEBPF_E_KFUNC, "bpf_some_kfunc() exists only in a kernel");
	ck_assert_int_eq(run("ksym_weak"), 4);
	ck_assert_int_eq(run("kfunc_weak"), 5);
	ck_assert_int_eq(run("version") > 0, 1);
}
END_TEST

START_TEST(kconfig_without_a_value_names_the_ways_out)
{
	OBJECT(path, "externs.bpf.c", "-O2 -g -mcpu=v3");
	open_with(path, NULL);
	load();
	refused("nowhere", UEBPF_E_EXTERN, "--kconfig FILE");
	ck_assert_int_eq(run("weak_config"), 3);
}
END_TEST

START_TEST(extern_function_bound_to_a_helper_of_the_host)
{
	open_externs();
	ck_assert_int_eq(run("host"), 42);
}
END_TEST

START_TEST(plain_extern_memcpy)
{
	load_object("builtin.bpf.c", "-O2 -g -mcpu=v3 -fno-builtin");
	ck_assert_int_eq(run("builtin"), 9 * 256 + 3);
}
END_TEST

/* ---- kinds of objects ---- */

START_TEST(unoptimised_code_is_told_to_use_O2)
{
	OBJECT(path, "maps.bpf.c", "-O0 -g -mcpu=v3");
	open_with(path, NULL);
	uebpf_object_load(obj, NULL, &err);
	refused("update", UEBPF_E_UNSUPPORTED, "compile with -O2");
}
END_TEST

static const struct { const char *cc, *flags; } builds[] = {
	{ NULL, "-O2 -g -mcpu=v1" }, { NULL, "-O2 -g -mcpu=v2" }, { NULL, "-O2 -g -mcpu=v3" },
	{ NULL, "-O1 -g -mcpu=v3" }, { NULL, "-O2 -mcpu=v3" }, { "clang-19", "-O2 -g -mcpu=v1" },
	{ "clang-19", "-O2 -g -mcpu=v4" }, { "clang-19", "-O2 -mcpu=v4" }, { "clang-19", "-O3 -g -mcpu=v3" },
	{ "clang-19", "-Os -g -mcpu=v4 -gdwarf-5" },
};

START_TEST(every_compiler_and_cpu_version)
{
	const char *path = compile(builds[_i].cc, "functions.bpf.c", builds[_i].flags);

	if (!path)
		return;
	open_with(path, NULL);
	load();
	ck_assert_int_eq(run("calls_all"), 101 + 201 + 3001 + 6);
	ck_assert_int_eq(run("calls_back"), 10);
	teardown();
	setup();
	path = compile(builds[_i].cc, "data.bpf.c", builds[_i].flags);
	if (!path)
		return;
	open_with(path, NULL);
	load();
	ck_assert_int_eq(run("custom"), 77 + 78 + 1 + 79);
	ck_assert_int_eq(run("literals"), 'f' << 8 | 'c');
}
END_TEST

START_TEST(object_of_gcc)
{
	const char *path = compile("bpf-gcc", "gcc.bpf.c", _i ? "-O1" : "-O2");

	if (!path)
		return;
	open_with(path, NULL);
	load();
	ck_assert_int_eq(run("calls"), 11 * 10000 + 29 * 100 + 31);
	ck_assert_int_eq(run("data"), 600 + 80 + 6);
	ck_assert_int_eq(run("map"), 3);
	ck_assert_int_eq(run("map"), 6);
}
END_TEST

/* Objects that Debian's libxdp1 installs. */
START_TEST(real_objects_of_xdp_tools)
{
	static const char *const names[] = { "xdp-dispatcher", "xdpdump_xdp", "xdpfilt_alw_all", "xdpfilt_dny_udp",
					     "xsk_def_xdp_prog" };
	char path[128];

	snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/bpf/%s.o", names[_i]);
	obj = uebpf_object_open_file(env, path, NULL, &err);
	if (!obj && err.code == UEBPF_E_IO) {
		printf("skip: no %s (package libxdp1)\n", path);
		return;
	}
	ck_assert_msg(obj != NULL, "%s", err.text);
	load();
	for (const struct uebpf_prog *p = NULL; (p = uebpf_object_next_prog(obj, p));)
		ck_assert_msg(!uebpf_prog_error(p, &err), "%s", err.text);
}
END_TEST

int main(void)
{
	TCase *t = test_case("loader", 60);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, call_to_second_global_function);
	tcase_add_test(t, call_to_static_by_section_symbol_and_addend);
	tcase_add_test(t, function_pointer_for_callback);
	tcase_add_test(t, call_inside_a_program_section);
	tcase_add_test(t, function_sections);
	tcase_add_test(t, missing_function_blocks_only_its_callers);
	tcase_add_test(t, error_names_object_section_function_file_and_line);
	tcase_add_test(t, several_programs_per_section_each_with_lines);
	tcase_add_test(t, second_string_literal_and_second_static);
	tcase_add_test(t, data_sections_and_their_custom_kin);
	tcase_add_test(t, pointer_inside_data);
	tcase_add_test(t, globals_set_before_load_and_read_after);
	tcase_add_test(t, data_without_debug_information);
	tcase_add_test(t, btf_map_definitions);
	tcase_add_test(t, initial_elements_of_prog_array_and_map_of_maps);
	tcase_add_test(t, a_map_of_maps_is_bound_only_with_inner_maps_of_its_shape);
	tcase_add_test(t, a_map_of_the_same_definition_is_kept_whatever_size_it_was_given);
	tcase_add_test(t, maps_without_btf_are_told_to_compile_with_g);
	tcase_add_test(t, legacy_definitions);
	tcase_add_test(t, legacy_definition_of_280_bytes_in_its_own_section);
	tcase_add_test(t, legacy_iproute2_definition_fills_its_prog_array);
	tcase_add_test(t, legacy_inner_map_by_index);
	tcase_add_test(t, kconfig_values_and_weak_default);
	tcase_add_test(t, kernel_symbols_block_only_their_users);
	tcase_add_test(t, kconfig_without_a_value_names_the_ways_out);
	tcase_add_test(t, extern_function_bound_to_a_helper_of_the_host);
	tcase_add_test(t, plain_extern_memcpy);
	tcase_add_test(t, unoptimised_code_is_told_to_use_O2);
	tcase_add_loop_test(t, every_compiler_and_cpu_version, 0, sizeof(builds) / sizeof(builds[0]));
	tcase_add_loop_test(t, object_of_gcc, 0, 2);
	tcase_add_loop_test(t, real_objects_of_xdp_tools, 0, 5);
	return run_tests();
}
