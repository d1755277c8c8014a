/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trusted_test.c - trusted programs see their type's context: accesses are found through copies,
 * spills and subprograms; where the base is not certain the program is refused. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

static struct uebpf_env *env;

static struct uebpf_object *load(const char *text, uint32_t mode, uint32_t engine, struct uebpf_error *err)
{
	struct uebpf_open_opts o = { .size = sizeof o, .type = "xdp" };
	struct uebpf_load_opts l = { .size = sizeof l, .mode = mode, .engine = engine };
	struct uebpf_object *obj = uebpf_object_open_text(env, text, &o, err);

	ck_assert_msg(obj, "%s", err->text);
	if (!uebpf_object_load(obj, &l, err))
		return obj;
	uebpf_object_free(obj);
	return NULL;
}

static uint64_t run(const struct uebpf_object *obj)
{
	uint8_t bytes[64] = { 0xab };
	struct uebpf_packet p = { .size = sizeof p, .data = bytes, .data_end = bytes + sizeof bytes,
				  .ifindex = 7, .rx_queue = 3 };
	uint64_t r0 = 0;

	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &p, sizeof p, NULL, &r0), 0);
	return r0;
}

static const struct { const char *name, *text; uint64_t want; } good[] = {
	{ "a field", "w0 = *(u32 *)(r1 + 12)\nexit\n", 7 },
	{ "through a copy and an offset", "r2 = r1\nr2 += 8\nw0 = *(u32 *)(r2 + 8)\nexit\n", 3 },
	{ "through a spill", "*(u64 *)(r10 - 8) = r1\nr1 = 0\nr3 = *(u64 *)(r10 - 8)\nw0 = *(u32 *)(r3 + 16)\nexit\n", 3 },
	{ "packet bytes", "w2 = *(u32 *)(r1 + 0)\nw0 = *(u8 *)(r2 + 0)\nexit\n", 0xab },
	{ "in a subprogram", "call f\nexit\nf:\nw0 = *(u32 *)(r1 + 12)\nexit\n", 7 },
	{ "a slot used again", "*(u64 *)(r10 - 8) = r1\nr2 = 5\n*(u64 *)(r10 - 8) = r2\nr0 = *(u64 *)(r10 - 8)\nexit\n", 5 },
	{ "in a loop", "r6 = r1\nr7 = 4\nr0 = 0\nl:\nw1 = *(u32 *)(r6 + 12)\nr0 += r1\nr7 -= 1\nif r7 != 0 goto l\nexit\n", 28 },
};

START_TEST(context_accesses_are_translated)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		for (uint32_t engine = UEBPF_ENGINE_AUTO; engine <= UEBPF_ENGINE_INTERP; engine += 2) {
			struct uebpf_error err;
			struct uebpf_object *obj = load(good[i].text, UEBPF_MODE_TRUSTED, engine, &err);

			ck_assert_msg(obj, "%s: %s", good[i].name, err.text);
			ck_assert_msg(run(obj) == good[i].want, "%s", good[i].name);
			uebpf_object_free(obj);
		}
}
END_TEST

static const char *const bad[] = {
	/* context on one path, stack on the other */
	"r2 = r1\nw3 = *(u32 *)(r1 + 12)\nif w3 == 7 goto l\nr2 = r10\nr2 += -32\nl:\nw0 = *(u32 *)(r2 + 12)\nexit\n",
	/* two offsets */
	"r2 = r1\nw3 = *(u32 *)(r1 + 12)\nif w3 == 7 goto l\nr2 += 4\nl:\nw0 = *(u32 *)(r2 + 12)\nexit\n",
	/* a variable offset */
	"w3 = *(u32 *)(r1 + 12)\nr1 += r3\nw0 = *(u32 *)(r1 + 0)\nexit\n",
	/* hidden in memory that another pointer reads */
	"r2 = r10\nr2 += -8\n*(u64 *)(r10 - 8) = r1\nr3 = *(u64 *)(r2 + 0)\nw0 = *(u32 *)(r3 + 12)\nexit\n",
	/* no such field */
	"w0 = *(u32 *)(r1 + 100)\nexit\n",
};

START_TEST(an_uncertain_base_is_refused)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct uebpf_error err;

		ck_assert_msg(!load(bad[i], UEBPF_MODE_TRUSTED, UEBPF_ENGINE_AUTO, &err), "case %zu", i);
		ck_assert_msg(err.code == UEBPF_E_UNSAFE, "case %zu: %s", i, err.text);
	}
}
END_TEST

int main(void)
{
	TCase *c = test_case("trusted", 60);
	int failed;

	env = uebpf_env_new(NULL);
	tcase_add_test(c, context_accesses_are_translated);
	tcase_add_test(c, an_uncertain_base_is_refused);
	failed = run_tests();
	uebpf_env_free(env);
	return failed;
}
