/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Runs inside runs: slots of per-CPU values, operations that meet their own thread's locks, forks. */
#include <sys/wait.h>
#include "maps/hash.h"
#include "maps/ring.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

/* ---- per-CPU ---- */

START_TEST(nested_runs_have_slots_of_their_own)
{
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 4, 0);
	struct uebpf_call outer = call_of(), nested = call_of();
	uint32_t k = 3;
	uint64_t *a = map->ops->lookup(map, &k, &outer), *b = map->ops->lookup(map, &k, &nested);
	uint64_t sum = 0, *all = calloc(map->cpu_slots, 8);

	ck_assert_ptr_ne(a, b);
	*a += 5;
	*b += 7;
	ck_assert_ptr_eq(map->ops->lookup(map, &k, &outer), a);
	finish(&nested);
	finish(&outer);
	ck_assert_int_eq(uebpf_map_lookup(map, &k, all), 0);
	for (uint32_t i = 0; i < map->cpu_slots; i++) {
		uint64_t *at = map->ops->more->lookup_cpu(map, &k, i);

		ck_assert_uint_eq(*at, all[i]);
		sum += all[i];
	}
	ck_assert_uint_eq(sum, 12);
	ck_assert_ptr_null(map->ops->more->lookup_cpu(map, &k, map->cpu_slots));
	free(all);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(more_than_64_slots_and_none_left)
{
	static struct uebpf_call calls[200];
	struct vm_host host = { .cpu_slots = 199 };
	struct uebpf_map_opts o = { .size = sizeof(o), .type = BPF_MAP_TYPE_PERCPU_HASH, .key_size = 4,
				    .value_size = 4, .max_entries = 3 };
	struct uebpf_map *map;
	struct uebpf_error err;
	uint32_t k = 1, values[199 * 2] = { 0 }, sum = 0;

	ck_assert_int_eq(map_new(&host, &o, &map, &err), 0);
	ck_assert_int_eq(uebpf_map_update(map, &k, values, 0), 0);
	for (int i = 0; i < 200; i++) {
		uint32_t *v;

		calls[i] = (struct uebpf_call){ .slot = -1, .env = &host };
		v = map->ops->lookup(map, &k, &calls[i]);
		if (i < 199)
			++*v;
		else
			ck_assert_ptr_null(v);	/* after a second of waiting */
	}
	ck_assert_int_eq(calls[199].status, -EUSERS);
	for (int i = 0; i < 200; i++)
		finish(&calls[i]);
	ck_assert_int_eq(uebpf_map_lookup(map, &k, values), 0);
	for (int i = 0; i < 199; i++)
		sum += values[i * 2];
	ck_assert_uint_eq(sum, 199);
	uebpf_map_unref(map);
	maps_host_fini(&host);
}
END_TEST

START_TEST(a_new_percpu_element_is_zero_in_other_slots)
{
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 1, 0);
	struct uebpf_call one = call_of(), two = call_of();
	uint32_t k = 1;
	uint64_t v = 9, *a, *b;

	map->ops->update(map, &k, &v, 0, &one);
	b = map->ops->lookup(map, &k, &two);
	ck_assert_uint_eq(*b, 0);
	*b = 77;
	map->ops->remove(map, &k);
	k = 2;
	map->ops->update(map, &k, &v, 0, &one);
	a = map->ops->lookup(map, &k, &one);
	b = map->ops->lookup(map, &k, &two);
	ck_assert_uint_eq(*a, 9);
	ck_assert_uint_eq(*b, 0);
	finish(&one);
	finish(&two);
	uebpf_map_unref(map);
}
END_TEST

/* ---- re-entry, fork, memory ---- */

START_TEST(an_operation_that_meets_its_own_lock_is_busy)
{
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 8, 16, 1, 0);
	struct uebpf_map *ring = suite_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
	struct hash_map *h = (struct hash_map *)map;
	struct ring_map *r = (struct ring_map *)ring;
	uint64_t k = 1, v[2] = { 2, 3 };

	uebpf_map_update(map, &k, v, 0);
	ck_assert_int_eq(lock_take(&h->local, &h->bucket[0].lock), 0);
	ck_assert_int_eq(uebpf_map_update(map, &k, v, 0), -EBUSY);
	ck_assert_int_eq(uebpf_map_delete(map, &k), -EBUSY);
	ck_assert_int_eq(uebpf_map_lookup(map, &k, v), 0);
	lock_give(&h->bucket[0].lock);
	ck_assert_int_eq(uebpf_map_update(map, &k, v, 0), 0);
	lock_take(&r->local, &r->ring.control->lock);
	ck_assert_ptr_null(ring->ops->more->reserve(ring, 8));
	lock_give(&r->ring.control->lock);
	ck_assert_ptr_nonnull(ring->ops->more->reserve(ring, 8));
	uebpf_map_unref(map);
	uebpf_map_unref(ring);
}
END_TEST

/* Where key and value are a word each: an update holds the element, and only inserts and deletes the bucket. */
START_TEST(an_operation_that_meets_its_own_element_is_busy)
{
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 8, 8, 2, 0);
	struct hash_map *h = (struct hash_map *)map;
	uint64_t k = 1, other = 2, v = 2, word, got;
	int status;

	ck_assert(h->twin);
	uebpf_map_update(map, &k, &v, 0);
	ck_assert_int_eq(lock_take(&h->local, &h->bucket[0].lock), 0);
	v = 3;
	ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), 0);
	ck_assert_int_eq(uebpf_map_delete(map, &k), -EBUSY);
	ck_assert_int_eq(uebpf_map_update(map, &other, &v, 0), -EBUSY);
	lock_give(&h->bucket[0].lock);
	ck_assert_int_eq(twin_hold(h, hash_find(h, &k, hash_of(h, &k)), &word), 0);
	ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), -EBUSY);
	ck_assert_int_eq(uebpf_map_delete(map, &k), -EBUSY);
	ck_assert_int_eq(uebpf_map_lookup_delete(map, &k, &got), -EBUSY);
	ck_assert_int_eq(uebpf_map_lookup(map, &k, &got), 0);
	ck_assert_uint_eq(got, 3);
	if (!fork()) {		/* the thread that holds it does not exist there */
		v = 4;
		_exit(uebpf_map_update(map, &k, &v, 0) || uebpf_map_lookup(map, &k, &got) || got != 4 ||
		      uebpf_map_lookup_delete(map, &k, &got) || got != 4 || uebpf_map_update(map, &k, &v, 0) ||
		      uebpf_map_update(map, &k, &v, 0));
	}
	wait(&status);
	ck_assert_int_eq(status, 0);
	twin_give(twin_at(h, hash_find(h, &k, hash_of(h, &k))), word);
	ck_assert_int_eq(uebpf_map_delete(map, &k), 0);
	ck_assert_int_eq(uebpf_map_lookup(map, &k, &got), -ENOENT);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(a_child_takes_over_locks_and_slots_of_the_parents_threads)
{
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 8, 16, 1, 0);
	struct uebpf_map *counts = suite_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1, 0);
	struct hash_map *h = (struct hash_map *)map;
	struct uebpf_call busy = call_of();
	uint64_t k = 1, v[2] = { 2, 2 };
	uint32_t zero = 0;
	int status;
	pid_t pid;

	uebpf_map_update(map, &k, v, 0);
	lock_take(&h->local, &h->bucket[0].lock);
	counts->ops->lookup(counts, &zero, &busy);
	pid = fork();
	if (!pid) {
		struct uebpf_call call = call_of();

		v[0] = 3;
		if (uebpf_map_update(map, &k, v, 0) || !counts->ops->lookup(counts, &zero, &call) ||
		    call.slot != busy.slot)
			_exit(1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	lock_give(&h->bucket[0].lock);
	finish(&busy);
	uebpf_map_lookup(map, &k, v);
	ck_assert_uint_eq(v[0], 2);	/* private maps are copies */
	uebpf_map_unref(map);
	uebpf_map_unref(counts);
}
END_TEST

int main(void)
{
	TCase *t = test_case("per-CPU values and re-entry", 60);

	tcase_add_test(t, nested_runs_have_slots_of_their_own);
	tcase_add_test(t, more_than_64_slots_and_none_left);
	tcase_add_test(t, a_new_percpu_element_is_zero_in_other_slots);
	tcase_add_test(t, an_operation_that_meets_its_own_lock_is_busy);
	tcase_add_test(t, an_operation_that_meets_its_own_element_is_busy);
	tcase_add_test(t, a_child_takes_over_locks_and_slots_of_the_parents_threads);
	return run_tests();
}
