/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inline_test.c - strncmp, bpf_loop, for_each_map_elem and tail calls in place (helpers/inline.c): each program of
 * tests/objects/inlined.bpf.c gives what the helpers give, for strings that differ anywhere and
 * loops of any length.   inline_test [seed] */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

enum { ALL = 128, ARMS = 7, COMPILED = 3 };
static const struct {
	const char *name;
	uint32_t engine, mode;
	const char *no_rules;
	uint32_t jit_flags;
} arms[ARMS] = {
	{"interpreter, nothing inlined", UEBPF_ENGINE_INTERP, UEBPF_MODE_VERIFIED, "all", 0},
	{"interpreter", UEBPF_ENGINE_INTERP, UEBPF_MODE_VERIFIED, NULL, 0},
	{"jit, nothing inlined", UEBPF_ENGINE_JIT, UEBPF_MODE_VERIFIED, "inline", 0},
	{"jit", UEBPF_ENGINE_JIT, UEBPF_MODE_VERIFIED, NULL, 0},
	{"checked jit", UEBPF_ENGINE_JIT, UEBPF_MODE_CHECKED, NULL, 0},
	{"checked interpreter", UEBPF_ENGINE_INTERP, UEBPF_MODE_CHECKED, NULL, 0},
	{"jit, hardened", UEBPF_ENGINE_JIT, UEBPF_MODE_VERIFIED, NULL,
	 UEBPF_JIT_BLIND | UEBPF_JIT_RETPOLINE | UEBPF_JIT_ENDBR},
};
static struct uebpf_object *object[ARMS];
static struct uebpf_env *env;
static const char *path;
static uint64_t state;

static uint64_t next(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return state >> 33;
}

static uint64_t run(const struct uebpf_prog *prog, uint8_t bytes[ALL])
{
	struct uebpf_packet packet = {
		.size = sizeof packet, .data = bytes, .data_end = bytes + ALL};
	uint64_t r0;

	int rc = uebpf_prog_run(prog, &packet, sizeof packet, NULL, &r0);

	ck_assert_msg(!rc, "status %d", rc);
	return r0;
}

/* The same packet through all arms; the first one's is left in `bytes`. */
static void all_arms(const char *name, uint8_t bytes[ALL])
{
	uint8_t before[ALL], first[ALL];
	uint64_t r0 = 0;

	memcpy(before, bytes, ALL);
	for (int k = 0; k < ARMS; k++) {
		uint64_t have;

		memcpy(bytes, before, ALL);
		have = run(uebpf_object_prog(object[k], name), bytes);
		if (!k) {
			memcpy(first, bytes, ALL);
			r0 = have;
		}
		ck_assert_msg(have == r0 && !memcmp(bytes, first, ALL),
			      "%s: %s: 0x%llx and 0x%llx, should be 0x%llx and "
			      "0x%llx",
			      name, arms[k].name, (unsigned long long)have,
			      *(unsigned long long *)(bytes + 64), (unsigned long long)r0,
			      *(unsigned long long *)(first + 64));
	}
}

START_TEST(strings_compare_as_the_helper_does)
{
	static const char full[] =
		"GET /index.html?a=1234567890 HTTP/1.1 and so on, to the very en";
	static const struct {
		unsigned size;
		const char *text;
	} rows[] = {
		{1, "G"},
		{2, "GE"},
		{3, "GET"},
		{4, "GET"},
		{5, "GET /"},
		{7, "GET /in"},
		{8, "GET /ind"},
		{9, "GET /inde"},
		{16, "GET /ind"},
		{17, "GET /index.html?a"},
		{33, "GET /index.html?a=1234567890 HTTP"},
		{64, full},
		{60, ""},
	};
	unsigned alike = 0;

	for (size_t i = 0; object[0] && i < sizeof rows / sizeof rows[0]; i++)
		for (int at = -1; at < 64; at++)
			for (int how = 0; how < 5; how++) {
				uint8_t bytes[ALL] = {0};
				char name[32];
				int want, have;

				memcpy(bytes, rows[i].size < 64 ? rows[i].text : full,
				       strlen(rows[i].text));
				for (int k = at + 1; how == 4 && k < 64;
				     k++) /* behind it anything */
					bytes[k] = (uint8_t)next();
				if (at >= 0)
					bytes[at] = (uint8_t[]){0, bytes[at] + 1, bytes[at] - 1,
								255, (uint8_t)next()}[how];
				want = strncmp((char *)bytes, rows[i].text, rows[i].size);
				snprintf(name, sizeof name, "compare_%u", rows[i].size);
				all_arms(name, bytes);
				have = (int)*(int64_t *)(bytes + 64);
				ck_assert_msg((want > 0) - (want < 0) == have, "%s, byte %d: %d",
					      name, at, have);
				alike += !have;
			}
	printf("%u strings were alike\n", alike);
}
END_TEST

START_TEST(loops_run_as_the_helper_s)
{
	static const char *const names[] = {"loop_plain", "loop_flags", "loop_nested",
					    "loop_in_function", "loop_either"};

	for (int i = 0; object[0] && i < 400; i++) {
		static const uint32_t rounds[] = {0,	      1,   2, 3, 1u << 23, (1u << 23) + 1,
						  UINT32_MAX, 1000};
		uint8_t bytes[ALL] = {0};
		uint32_t n = i < 8 ? rounds[i] : (uint32_t)next() & 63;
		uint64_t stop = next() & 1 ? ~0ull : next() & 63;

		for (int k = 0; k < 64; k++)
			bytes[k] = (uint8_t)next();
		memcpy(bytes, &n, 4);
		memcpy(bytes + 16, &stop, 8);
		if (next() & 1)
			memset(bytes + 8, 0, 8);
		for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
			uint8_t packet[ALL];

			if (k && i == 4)
				continue;
			memcpy(packet, bytes, ALL);
			all_arms(names[k], packet);
		}
	}
}
END_TEST

/* A loop whose function is known leaves no call of a helper behind, one that may be either does. */
START_TEST(the_helper_is_gone)
{
	static char text[1 << 16];

	if (!object[0])
		return;
	uebpf_prog_dump(uebpf_object_prog(object[COMPILED], "loop_nested"), "rewrite", text, sizeof text);
	ck_assert_msg(!strstr(text, ": call 0xb5"), "%s", text);
	uebpf_prog_dump(uebpf_object_prog(object[COMPILED], "compare_33"), "rewrite", text, sizeof text);
	ck_assert_msg(!strstr(text, ": call"), "%s", text);
	uebpf_prog_dump(uebpf_object_prog(object[COMPILED], "loop_either"), "rewrite", text, sizeof text);
	ck_assert_msg(strstr(text, ": call 0xb5"), "%s", text);
	uebpf_prog_dump(uebpf_object_prog(object[COMPILED], "each_nested"), "rewrite", text, sizeof text);
	ck_assert_msg(!strstr(text, ": call 0xa4"), "%s", text);
	uebpf_prog_dump(uebpf_object_prog(object[COMPILED], "each_own"), "rewrite", text, sizeof text);
	ck_assert_msg(strstr(text, ": call 0xa4"), "%s", text);
}
END_TEST

/* An array's address, made in front of a loop, is not made again where it is copied. */
START_TEST(an_address_is_made_once_for_each_loop)
{
	static char text[1 << 16];
	int made = 0;

	if (!object[0])
		return;
	uebpf_prog_dump(uebpf_object_prog(object[COMPILED], "look_loop"), "rewrite", text, sizeof text);
	ck_assert_msg(!strstr(text, ": call"), "%s", text);
	for (const char *at = text; (at = strstr(at, " ll\n")) != NULL; at++)
		made++;
	ck_assert_msg(made == 2, "%s", text);
}
END_TEST

START_TEST(each_element_is_visited_as_by_the_helper)
{
	static const char *const names[] = {"each_word", "each_flags", "each_own", "each_nested"};

	for (int i = 0; object[0] && i < 400; i++) {
		uint8_t bytes[ALL] = {0};
		uint64_t stop = next() & 1 ? ~0ull : next() & 63;

		for (int k = 0; k < 64; k++)
			bytes[k] = (uint8_t)next();
		memcpy(bytes + 16, &stop, 8);
		if (next() & 1)
			memset(bytes + 8, 0, 8);
		for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
			uint8_t packet[ALL];

			memcpy(packet, bytes, ALL);
			all_arms(names[k], packet);
		}
	}
}
END_TEST

/* The arms' arrays alike: slot i holds that program of their own object, or nothing. */
static void set_slots(const char *const names[6])
{
	for (int k = 0; k < ARMS; k++)
		for (uint32_t i = 0; i < 6; i++) {
			int rc = uebpf_map_set_prog(uebpf_object_map(object[k], "next"), i,
						    names[i] ? uebpf_object_prog(object[k], names[i]) : NULL);

			ck_assert_int_eq(rc, names[i] || rc != -ENOENT ? 0 : -ENOENT);
		}
}

START_TEST(tail_calls_go_where_the_helper_goes)
{
	static const char *const programs[] = {"tail_self", "target_small", "target_large", "tail_known", "tail_any", NULL};
	static const char *const names[] = {"tail_any", "tail_known", "tail_beyond", "tail_function", "tail_self"};
	unsigned limit = 0, small = 0;

	for (int i = 0; object[0] && i < 400; i++) {
		const char *slots[6];
		uint8_t bytes[ALL];

		for (int k = 0; k < 6; k++)
			slots[k] = programs[next() % 6];
		set_slots(slots);
		for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
			uint64_t at = next() % 8;

			if (!(next() & 7))
				at |= 1ull << 32;	/* an index has 32 bits */
			for (int b = 0; b < ALL; b++)
				bytes[b] = (uint8_t)(b < 64 ? next() : 0);
			memcpy(bytes + 8, &at, 8);
			all_arms(names[k], bytes);
			limit += *(uint64_t *)(bytes + 72) == 34;
			small += slots[1] && !strcmp(slots[1], "target_small") && k == 1;
		}
	}
	if (object[0]) {
		ck_assert_uint_gt(limit, 0);
		ck_assert_uint_gt(small, 0);
	}
}
END_TEST

/* What a compiled program must not jump into: code of another engine, mode or type, or counted. */
START_TEST(tail_calls_into_other_code_are_refused)
{
	struct uebpf_load_opts opts = {.size = sizeof opts, .mode = UEBPF_MODE_VERIFIED, .engine = UEBPF_ENGINE_JIT, .metered = 1};
	struct uebpf_packet packet = {.size = sizeof packet};
	struct uebpf_object *counted, *other;
	struct uebpf_open_opts raw = {.size = sizeof raw, .type = "raw"};
	uint8_t bytes[ALL] = {0};
	struct uebpf_error err;
	uint64_t r0;

	if (!object[0])
		return;
	counted = uebpf_object_open_file(env, path, NULL, &err);
	other = uebpf_object_open_text(env, "r0 = 1\nexit\n", &raw, &err);
	ck_assert(counted && other && !uebpf_object_load(counted, &opts, &err));
	opts.metered = 0;
	ck_assert(!uebpf_object_load(other, &opts, &err));
	const struct {
		const struct uebpf_prog *prog;
		int status;
	} rows[] = {
		{uebpf_object_prog(object[1], "target_small"), -EOPNOTSUPP},
		{uebpf_object_prog(object[4], "target_small"), -EINVAL},
		{uebpf_object_prog(object[5], "target_small"), -EINVAL},
		{uebpf_object_prog(counted, "target_small"), -EINVAL},
		{uebpf_object_prog(other, NULL), -EINVAL},
		{uebpf_object_prog(object[2], "target_small"), 0},
		{uebpf_object_prog(object[COMPILED], "target_small"), 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int k = 2; k <= COMPILED; k++) {
			int rc;

			ck_assert_int_eq(uebpf_map_set_prog(uebpf_object_map(object[k], "next"), 1, rows[i].prog), 0);
			packet.data = bytes;
			packet.data_end = bytes + ALL;
			rc = uebpf_prog_run(uebpf_object_prog(object[k], "tail_known"), &packet, sizeof packet, NULL, &r0);
			ck_assert_msg(rc == rows[i].status && (rc || r0 == 1), "row %zu, %s: %d", i, arms[k].name, rc);
		}
	for (int k = 2; k <= COMPILED; k++)
		uebpf_map_set_prog(uebpf_object_map(object[k], "next"), 1, NULL);
	uebpf_object_free(counted);
	uebpf_object_free(other);
}
END_TEST

/* A slot changes while programs go through it: each run ends in one of the targets or goes on. */
static atomic_bool enough;
static void *change_slot(void *arg)
{
	const struct uebpf_prog *to[3] = {NULL, uebpf_object_prog(object[COMPILED], "target_small"),
					  uebpf_object_prog(object[COMPILED], "target_large")};

	for (unsigned i = 0; !atomic_load(&enough); i++)
		uebpf_map_set_prog(arg, 1, to[i % 3]);
	return NULL;
}

START_TEST(a_slot_may_change_meanwhile)
{
	unsigned seen[4] = {0};
	pthread_t thread;

	if (!object[0])
		return;
	ck_assert(!pthread_create(&thread, NULL, change_slot, uebpf_object_map(object[COMPILED], "next")));
	for (int i = 0; i < 200000 || (i < 20000000 && !(seen[1] && seen[2] && seen[3])); i++) {
		uint8_t bytes[ALL] = {0};
		uint64_t r0 = run(uebpf_object_prog(object[COMPILED], "tail_known"), bytes);

		ck_assert_uint_le(r0 - 1, 2);
		seen[r0]++;
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	ck_assert_msg(seen[1] && seen[2] && seen[3], "%u %u %u", seen[1], seen[2], seen[3]);
}
END_TEST

static void load(void)
{
	struct uebpf_error err;
	char features[256];

	env = uebpf_env_new(NULL);

	uebpf_features(features, sizeof features);
	if (!strstr(features, "jit=") || !strstr(features, "verifier")) {
		printf("skip: inlined calls: this build has %s\n", features);
		return;
	}
	path = compile(NULL, "inlined.bpf.c", "-O2 -g -mcpu=v3");
	for (int k = 0; path && k < ARMS; k++) {
		struct uebpf_load_opts opts = {.size = sizeof opts,
					       .mode = arms[k].mode,
					       .engine = arms[k].engine,
					       .no_rules = arms[k].no_rules,
					       .jit_flags = arms[k].jit_flags};

		object[k] = uebpf_object_open_file(env, path, NULL, &err);
		if (!object[k] || uebpf_object_load(object[k], &opts, &err)) {
			fprintf(stderr, "%s: %s\n", arms[k].name, err.text);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	TCase *t = test_case("inlined calls", 120);

	state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	printf("seed %llu\n", (unsigned long long)state);
	load();
	tcase_add_test(t, strings_compare_as_the_helper_does);
	tcase_add_test(t, loops_run_as_the_helper_s);
	tcase_add_test(t, the_helper_is_gone);
	tcase_add_test(t, an_address_is_made_once_for_each_loop);
	tcase_add_test(t, each_element_is_visited_as_by_the_helper);
	tcase_add_test(t, tail_calls_go_where_the_helper_goes);
	tcase_add_test(t, tail_calls_into_other_code_are_refused);
	tcase_add_test(t, a_slot_may_change_meanwhile);
	return run_tests();
}
