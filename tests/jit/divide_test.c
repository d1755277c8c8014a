/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* divide_test.c - division and remainder by constants (jit/x86_64/div.c) against C: constants near powers of
 * two, small and random, in registers that the division of x86 is tied to and in others, with and without mulx.
 * divide_test [random constants] */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

enum { NUMBERS = 48 };
static long randoms = 100;
static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> (state & 63);	/* of any length */
}

struct how { bool wide, mod; int reg; };

static uint64_t expected(struct how s, uint64_t n, uint64_t k)
{
	if (!s.wide) {
		n = (uint32_t)n;
		k = (uint32_t)k;
	}
	return s.mod ? n % k : n / k;
}

/* All registers that may be in the way hold what the result shows again. */
static void one(struct uebpf_env *env, struct how s, int32_t k)
{
	static const struct uebpf_load_opts load = {
		.size = sizeof load, .mode = UEBPF_MODE_TRUSTED, .engine = UEBPF_ENGINE_JIT};
	uint64_t m[3] = {0, next(), next()}, divisor = (uint64_t)(int64_t)k, r0;
	struct uebpf_error err;
	struct uebpf_object *obj;
	char text[256];

	snprintf(text, sizeof text,
		 "r0 = *(u64 *)(r1 + 8)\nr3 = *(u64 *)(r1 + 16)\nr%d = *(u64 *)(r1 + 0)\n"
		 "%c%d %s %d\nr2 = r%d\n%s%sr0 = r2\nexit\n",
		 s.reg, s.wide ? 'r' : 'w', s.reg, s.mod ? "%=" : "/=", k, s.reg,
		 s.reg ? "r2 ^= r0\n" : "", s.reg != 3 ? "r2 ^= r3\n" : "");
	obj = uebpf_object_open_text(env, text, NULL, &err);
	ck_assert_msg(obj && !uebpf_object_load(obj, &load, &err), "%s\n%s", err.text, text);
	for (int i = 0; i < NUMBERS; i++) {
		uint64_t want;

		/* around multiples of the divisor, at both ends, and anywhere */
		m[0] = i < 8 ? (uint64_t)i - 4 : i < 24 ? next() * divisor + (uint64_t)(i & 3) - 2 : next();
		want = expected(s, m[0], divisor) ^ (s.reg ? m[1] : 0) ^ (s.reg != 3 ? m[2] : 0);
		ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), m, sizeof m, NULL, &r0), 0);
		ck_assert_msg(r0 == want, "%#llx: %#llx, not %#llx\n%s", (unsigned long long)m[0],
			      (unsigned long long)r0, (unsigned long long)want, text);
	}
	uebpf_object_free(obj);
}

static void all_shapes(struct uebpf_env *env, int32_t k)
{
	static const int regs[] = {0, 1, 3, 7};

	for (int n = 0; k && n < 16; n++)
		one(env, (struct how){n & 1, n & 2, regs[n >> 2]}, k);
}

static void constants(const char *off)
{
	struct uebpf_env *env = uebpf_env_new(&(struct uebpf_env_opts){
		.size = sizeof(struct uebpf_env_opts), .cpu_features_off = off});

	ck_assert_ptr_nonnull(env);
	for (int32_t k = -20; k < 130; k++)
		all_shapes(env, k);
	for (int bit = 7; bit < 32; bit++)
		for (int32_t by = -2; by < 3; by++)
			all_shapes(env, (int32_t)((1u << bit) + (uint32_t)by));
	for (long n = 0; n < randoms; n++)
		all_shapes(env, (int32_t)next());
	uebpf_env_free(env);
}

START_TEST(with_mulx) { constants(NULL); }
END_TEST
START_TEST(without) { constants("all"); }
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("division by constants", 0);

	if (argc > 1)
		randoms = atol(argv[1]);
	tcase_add_test(t, with_mulx);
	tcase_add_test(t, without);
	return run_tests();
}
