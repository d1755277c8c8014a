/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Threads that meet at the first use of everything: an env, its slots, objects that they compile at the same moment,
 * a program nobody has run yet, a ring that all of them fill.  Nothing is lost. */
#include <pthread.h>
#include <sched.h>
#include "include/uebpf.h"
#include "tests/maps/suite.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

enum { THREADS = 6, RECORDS = 400 };
static struct uebpf_env *env;
static const char *path;
static pthread_barrier_t start;
static const struct uebpf_prog *all;	/* what all threads run; NULL: each loads its own object */
static atomic_ulong tries, wrong;
struct seen { uint32_t next[THREADS]; uint64_t n; };

static int take(void *arg, const void *data, size_t len)
{
	uint64_t v = *(const uint64_t *)data, who = v >> 32;
	struct seen *seen = arg;

	if (len != 8 || who >= THREADS || seen->next[who]++ != (uint32_t)v)
		atomic_fetch_add(&wrong, 1);
	seen->n++;
	return 0;
}

static struct uebpf_object *load(uintptr_t who)
{
	struct uebpf_load_opts opts = { .size = sizeof(opts), .engine = who % 2 ? UEBPF_ENGINE_INTERP : UEBPF_ENGINE_AUTO };
	struct uebpf_object *obj = uebpf_object_open_file(env, path, NULL, NULL);

	if (!obj || uebpf_object_load(obj, &opts, NULL))
		atomic_fetch_add(&wrong, 1);
	return obj;
}

static void *send(void *arg)
{
	uint64_t who = (uintptr_t)arg, mem, r = 1;
	struct seen seen = { { 0 }, 0 };
	struct uebpf_object *obj = NULL;
	const struct uebpf_prog *prog = all;

	pthread_barrier_wait(&start);
	if (!prog) {
		obj = load(who);
		prog = uebpf_object_prog(obj, NULL);
	}
	for (uint32_t i = 0; i < RECORDS; i++) {
		mem = who << 32 | i;
		while (atomic_fetch_add(&tries, 1), uebpf_prog_run(prog, &mem, sizeof(mem), NULL, &r) || r) {
			if (obj)
				uebpf_map_consume(uebpf_object_map(obj, "ring"), take, &seen);
			sched_yield();
		}
	}
	if (obj) {
		uebpf_map_consume(uebpf_object_map(obj, "ring"), take, &seen);
		if (seen.n != RECORDS)
			atomic_fetch_add(&wrong, 1);
		uebpf_object_free(obj);
	}
	return NULL;
}

static void meet(struct uebpf_object *obj)
{
	uint64_t values[64] = { 0 }, sum = 0;
	struct seen seen = { { 0 }, 0 };
	pthread_t t[THREADS];
	uint32_t zero = 0;

	atomic_store(&tries, 0);
	atomic_store(&wrong, 0);
	pthread_barrier_init(&start, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, send, (void *)i);
	while (obj && seen.n < (uint64_t)THREADS * RECORDS)
		if (!uebpf_map_consume(uebpf_object_map(obj, "ring"), take, &seen))
			sched_yield();
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&start);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
	if (!obj)
		return;
	ck_assert_int_eq(uebpf_map_consume(uebpf_object_map(obj, "ring"), take, &seen), 0);
	ck_assert_uint_eq(seen.n, (uint64_t)THREADS * RECORDS);
	ck_assert_int_eq(uebpf_map_lookup(uebpf_object_map(obj, "runs"), &zero, values), 0);
	for (int i = 0; i < 64; i++)
		sum += values[i];
	ck_assert_uint_eq(sum, atomic_load(&tries));
}

static uint32_t rounds(void) { return getenv("SOAK") ? 2000 : 6; }

START_TEST(threads_meet_at_a_programs_first_run_and_in_one_ring)
{
	OBJECT(made, "first.bpf.c", "-O2 -g");

	path = made;
	for (uint32_t i = 0; i < rounds(); i++) {
		struct uebpf_object *obj;

		env = uebpf_env_new(NULL);
		obj = load(i);
		all = uebpf_object_prog(obj, NULL);
		meet(obj);
		uebpf_object_free(obj);
		uebpf_env_free(env);
	}
}
END_TEST

START_TEST(threads_compile_their_objects_at_one_moment)
{
	OBJECT(made, "first.bpf.c", "-O2 -g");

	path = made;
	all = NULL;
	for (uint32_t i = 0; i < rounds(); i++) {
		env = uebpf_env_new(NULL);
		meet(NULL);
		uebpf_env_free(env);
	}
}
END_TEST

int main(void)
{
	TCase *t = test_case("first uses", getenv("SOAK") ? 3600 : 120);

	tcase_add_test(t, threads_meet_at_a_programs_first_run_and_in_one_ring);
	tcase_add_test(t, threads_compile_their_objects_at_one_moment);
	return run_tests();
}
