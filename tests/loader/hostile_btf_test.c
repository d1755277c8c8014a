/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hostile_btf_test.c - types whose anonymous members fan out: what C cannot write but BTF can say.
 * Looking a name up in them ends with an answer; without a bound these tests run into Check's limit. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "loader/elf/core.h"
#include "tests/util/run.h"

enum { LEVELS = 20, FANOUT = 8, INT = 1, FIRST = 2 /* the outermost struct */, PROTO = FIRST + LEVELS + 1 };

static uint32_t words[4096];
static size_t nr;
static struct uebpf_error err;

static void put(uint32_t w) { words[nr++] = w; }
static void head(uint32_t name, uint32_t kind, uint32_t vlen, uint32_t size)
{
	put(name);
	put(kind << 24 | vlen);
	put(size);
}

/* int; struct 0 { struct 1; struct 1; .. }; .. ; struct LEVELS { int x; };
 * void proto 0(proto 1, proto 1, ..); .. ; void proto LEVELS(int, int, ..) */
static struct btf *fan(void)
{
	static const char strings[] = "\0s\0x\0int";
	struct btf *btf;
	size_t types;

	nr = 0;
	put(0x0001eb9f);	/* magic, version 1, no flags */
	put(24);
	put(0);
	put(0);			/* type_len, below */
	put(0);			/* str_off */
	put(sizeof(strings));
	types = nr;
	head(5, 1, 0, 4);	/* INT */
	put(1u << 24 | 32);
	for (uint32_t level = 0; level < LEVELS; level++) {
		head(level ? 0 : 1, 4, FANOUT, 4);
		for (int i = 0; i < FANOUT; i++) {
			put(0);
			put(FIRST + level + 1);
			put(0);
		}
	}
	head(0, 4, 1, 4);
	put(3);
	put(INT);
	put(0);
	for (uint32_t level = 0; level <= LEVELS; level++) {
		head(0, 13, FANOUT, 0);
		for (int i = 0; i < FANOUT; i++) {
			put(0);
			put(level < LEVELS ? PROTO + level + 1 : INT);
		}
	}
	words[3] = words[4] = (uint32_t)(nr - types) * 4;
	memcpy(words + nr, strings, sizeof(strings));
	btf = btf_parse(NULL, words, nr * 4 + sizeof(strings), "fan.o", &err);
	ck_assert_msg(btf != NULL, "%s", err.text);
	return btf;
}

START_TEST(a_member_that_is_not_there_in_fanned_out_types)
{
	struct btf *btf = fan();
	uint32_t value = 0;

	ck_assert_int_eq(btf_parse_value(btf, FIRST, "{.x = 7}", &value, sizeof(value), &err), 0);
	ck_assert_uint_eq(value, 7);
	ck_assert_int_eq(btf_parse_value(btf, FIRST, "{.y = 7}", &value, sizeof(value), &err), -EINVAL);
	ck_assert_msg(strstr(err.text, "too many anonymous members") && strstr(err.text, ": y"), "%s", err.text);
	btf_unref(btf);
}
END_TEST

START_TEST(a_relocation_into_fanned_out_types)
{
	struct btf *btf = fan();
	struct core_path local, found;

	/* The way to x through the first of each, as clang would write it; then a name that is not there. */
	ck_assert_int_eq(core_path_parse(btf, FIRST + LEVELS, "0:0", CORE_BYTE_OFFSET, &local), 0);
	ck_assert_int_eq(core_path_match(&local, btf, FIRST, CORE_BYTE_OFFSET, &found), 1);
	local.step[1].name = "y";
	ck_assert_int_eq(core_path_match(&local, btf, FIRST, CORE_BYTE_OFFSET, &found), 0);
	btf_unref(btf);
}
END_TEST

START_TEST(function_types_whose_parameters_fan_out)
{
	struct btf *btf = fan();
	struct core_path local, found;

	ck_assert_int_eq(core_path_parse(btf, PROTO, "0", CORE_TYPE_EXISTS, &local), 0);
	ck_assert_int_eq(core_path_match(&local, btf, PROTO, CORE_TYPE_EXISTS, &found), 0);
	local.root = PROTO + LEVELS - 2;	/* few enough to look through */
	ck_assert_int_eq(core_path_match(&local, btf, PROTO + LEVELS - 2, CORE_TYPE_EXISTS, &found), 1);
	btf_unref(btf);
}
END_TEST

int main(void)
{
	TCase *t = test_case("hostile_btf", 30);

	tcase_add_test(t, a_member_that_is_not_there_in_fanned_out_types);
	tcase_add_test(t, a_relocation_into_fanned_out_types);
	tcase_add_test(t, function_types_whose_parameters_fan_out);
	return run_tests();
}
