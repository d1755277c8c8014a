/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* format_test.c - values of BTF types as text and back. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/loader.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static struct elf_image *image;
static struct uebpf_error err;
static uint8_t value[512];

static void setup(void)
{
	struct elf_params params = { .name = "format.o" };
	const char *path = compile(NULL, "format.bpf.c", "-O2 -g");
	struct bytes b = { NULL, 0 };

	image = NULL;
	memset(value, 0, sizeof(value));
	if (!path)
		return;
	b = slurp(path);
	ck_assert_msg(!elf_open(b.data, b.len, &params, &image, &err), "%s", err.text);
	free(b.data);
}

static void teardown(void)
{
	elf_close(image);
}

static uint32_t type(const char *global)
{
	const struct image_global *g = elf_find_global(image, global);

	ck_assert_msg(g && g->btf_type, "no type of %s", global);
	return g->btf_type;
}

static const char *text(uint32_t id, bool json)
{
	static char buf[4096];
	int64_t size = btf_size(image->btf, id);
	long n = btf_format_value(image->btf, id, value, (size_t)size, json, buf, sizeof(buf));

	ck_assert_int_eq(n, (long)strlen(buf));
	return buf;
}

static void parse(uint32_t id, const char *from)
{
	ck_assert_msg(!btf_parse_value(image->btf, id, from, value, (size_t)btf_size(image->btf, id), &err),
		      "%s: %s", from, err.text);
}

static const char all_text[] =
	"{.byte = 255, .sbyte = -1, .yes = true, .letter = 65, .half = 65535, .word = -5, "
	".wide = 18446744073709551615, .which = MINUS, .bits = TOP, .name = \"a\\\"b\", .mac = [1,2,3,4,5,6], "
	".at = [{.x = 1, .y = -2},{.x = 3, .y = 4}], .inner_a = 9, .raw = 67305985, .part = [1,2,3,4], "
	".both = {.u = 4294967295, .s = -1}, .low = 5, .mid = 1000, .top = 65535, .neg = -3, .pointer = 0x1234, "
	".next = 0x0, .real = 1.5, .single = -0.25, .qualified = 7, .matrix = [[1,2,3],[4,5,6]], "
	".huge = 0x00000000000000000000000000000007, .nothing = {}, .tail = []}";
static const char all_json[] =
	"{\"byte\":255,\"sbyte\":-1,\"yes\":true,\"letter\":65,\"half\":65535,\"word\":-5,"
	"\"wide\":18446744073709551615,\"which\":\"MINUS\",\"bits\":\"TOP\",\"name\":\"a\\\"b\",\"mac\":[1,2,3,4,5,6],"
	"\"at\":[{\"x\":1,\"y\":-2},{\"x\":3,\"y\":4}],\"inner_a\":9,\"raw\":67305985,\"part\":[1,2,3,4],"
	"\"both\":{\"u\":4294967295,\"s\":-1},\"low\":5,\"mid\":1000,\"top\":65535,\"neg\":-3,\"pointer\":4660,"
	"\"next\":0,\"real\":1.5,\"single\":-0.25,\"qualified\":7,\"matrix\":[[1,2,3],[4,5,6]],"
	"\"huge\":\"0x00000000000000000000000000000007\",\"nothing\":{},\"tail\":[]}";

static void fill(void)
{
	parse(type("value"), "{byte: 255, \"sbyte\": -1, .yes = true, letter: 'A', half: 0xffff, word: -5, "
	      "wide: 18446744073709551615, which: MINUS, bits: \"TOP\", name: \"a\\\"b\", mac: [1,2,3,4,5,6], "
	      "at: [{1, -2}, {x = 3, y = 4}], inner_a: 9, part: [1,2,3,4], both: {s: -1}, low: 5, mid: 1000, "
	      "top: 65535, neg: -3, pointer: 0x1234, real: 1.5, single: -0.25, qualified: 7, "
	      "matrix: [[1,2,3],[4,5,6]], huge: 7}");
}

START_TEST(every_kind_of_member_both_ways)
{
	if (!image)
		return;
	fill();
	ck_assert_str_eq(text(type("value"), false), all_text);
	ck_assert_str_eq(text(type("value"), true), all_json);
}
END_TEST

START_TEST(scalars_and_arrays)
{
	if (!image)
		return;
	parse(type("one"), "ONE");
	ck_assert_str_eq(text(type("one"), false), "ONE");
	ck_assert_str_eq(text(type("one"), true), "\"ONE\"");
	parse(type("one"), "-1");
	ck_assert_str_eq(text(type("one"), false), "MINUS");
	parse(type("one"), "17");
	ck_assert_str_eq(text(type("one"), false), "17");
	parse(type("numbers"), " [ 1, -2 , 0x10 ] ");
	ck_assert_str_eq(text(type("numbers"), true), "[1,-2,16,0]");
}
END_TEST

START_TEST(members_not_named_stay)
{
	if (!image)
		return;
	fill();
	parse(type("value"), "{ at: [ {}, { y: 77 } ] }");
	ck_assert_ptr_nonnull(strstr(text(type("value"), true), "[{\"x\":1,\"y\":-2},{\"x\":3,\"y\":77}]"));
	ck_assert_ptr_nonnull(strstr(text(type("value"), true), "\"byte\":255"));
}
END_TEST

START_TEST(section_by_variable)
{
	uint32_t id;

	if (!image)
		return;
	id = btf_find(image->btf, BTF_DATASEC, ".bss");
	ck_assert_uint_ne(id, 0);
	ck_assert_ptr_nonnull(strstr(text(id, true), "\"numbers\":[0,0,0,0]"));
	ck_assert_ptr_nonnull(strstr(text(id, true), "\"one\":\"ZERO\""));
}
END_TEST

static const struct { const char *global, *text, *words; } wrong[] = {
	{ "value", "{byte: 256}", "does not fit its type" }, { "value", "{sbyte: -129}", "does not fit its type" },
	{ "value", "{byte: -1}", "does not fit its type" }, { "value", "{low: 8}", "bit-field: low" },
	{ "value", "{neg: -17}", "bit-field: neg" }, { "value", "{nobody: 1}", "no such member: nobody" },
	{ "value", "{byte 1}", "begins" }, { "value", "[1]", "a struct begins with {" },
	{ "value", "{name: \"123456789\"}", "longer than the array" }, { "value", "{name: \"abc", "does not end" },
	{ "value", "{mac: [1,2,3,4,5,6,7]}", "more values" }, { "value", "{which: TWO}", "no such enumerator: TWO" },
	{ "value", "{word: 12ab}", "bad number" }, { "value", "{word: 1} x", "more text" },
	{ "value", "{name: \"\\q\"}", "bad escape" }, { "value", "{word: 99999999999999999999}", "bad number" },
	{ "numbers", "", "an array begins with [" }, { "numbers", "[1 2]", "is expected" },
	{ "value", "{tail: [1]}", "more values" }, { "one", "", "a name is expected" },
};

START_TEST(wrong_text_is_refused_with_its_place)
{
	uint32_t id;

	if (!image)
		return;
	id = type(wrong[_i].global);
	ck_assert_int_eq(btf_parse_value(image->btf, id, wrong[_i].text, value,
					 (size_t)btf_size(image->btf, id), &err), -EINVAL);
	ck_assert_uint_eq(err.code, UEBPF_E_SYNTAX);
	ck_assert_msg(strstr(err.text, "character ") && (strstr(err.text, wrong[_i].words) ||
		      !strcmp(wrong[_i].words, "begins")), "%s: %s", wrong[_i].text, err.text);
}
END_TEST

/* Every cut of the buffer and of the value: nothing behind their ends is touched (ASan). */
START_TEST(short_buffers_and_short_values)
{
	size_t size, whole;
	long full;

	if (!image)
		return;
	fill();
	size = (size_t)btf_size(image->btf, type("value"));
	full = btf_format_value(image->btf, type("value"), value, size, true, NULL, 0);
	whole = strlen(all_json);
	ck_assert_int_eq(full, (long)whole);
	for (size_t cap = 0; cap <= whole + 1; cap++) {
		char *buf = malloc(cap ? cap : 1);

		ck_assert_int_eq(btf_format_value(image->btf, type("value"), value, size, true, buf, cap), full);
		ck_assert(cap == 0 || strlen(buf) == (cap <= whole ? cap - 1 : whole));
		free(buf);
	}
	for (size_t len = 0; len <= size; len++) {
		uint8_t *cut = malloc(len ? len : 1);
		char buf[4096];

		memcpy(cut, value, len);
		btf_format_value(image->btf, type("value"), cut, len, false, buf, sizeof(buf));
		btf_parse_value(image->btf, type("value"), all_text, cut, len, &err);
		free(cut);
	}
}
END_TEST

START_TEST(type_names)
{
	char buf[100];

	if (!image)
		return;
	btf_type_text(image->btf, type("value"), buf, sizeof(buf));
	ck_assert_str_eq(buf, "struct all");
	btf_type_text(image->btf, type("numbers"), buf, sizeof(buf));
	ck_assert_str_eq(buf, "int[4]");
	ck_assert_uint_eq(btf_essential_len("task_struct___old"), 11);
	ck_assert_uint_eq(btf_essential_len("___x"), 4);
	ck_assert_uint_eq(btf_essential_len("a____b"), 6);
	ck_assert_uint_eq(btf_essential_len("a___b___c"), 5);
}
END_TEST

int main(void)
{
	TCase *t = test_case("format", 60);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_kind_of_member_both_ways);
	tcase_add_test(t, scalars_and_arrays);
	tcase_add_test(t, members_not_named_stay);
	tcase_add_test(t, section_by_variable);
	tcase_add_loop_test(t, wrong_text_is_refused_with_its_place, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, short_buffers_and_short_values);
	tcase_add_test(t, type_names);
	return run_tests();
}
