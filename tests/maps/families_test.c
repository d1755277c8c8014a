/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What each family of maps promises beyond what the kernel suite compares; each test is named after
 * what broke elsewhere. */
#include <poll.h>
#include <sys/wait.h>
#include "maps/hash.h"
#include "maps/ring.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

static struct uebpf_map *make(uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .type = type, .key_size = key, .value_size = value,
				    .max_entries = n, .flags = flags };
	struct uebpf_map *map;
	struct uebpf_error err;

	ck_assert_msg(!map_new(&test_host, &o, &map, &err), "%s", err.text);
	return map;
}

static struct uebpf_call call_of(void)
{
	return (struct uebpf_call){ .slot = -1, .env = &test_host };
}

static void finish(struct uebpf_call *call)
{
	if (call->on_exit)
		call->on_exit(call);
}

/* n keys that fall into one bucket. */
static void colliding(struct uebpf_map *map, uint64_t *keys, uint32_t n)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t found = 0;

	for (uint64_t k = 1; found < n; k++)
		if (home_of(h, key_hash(&h->seed, &k, 8)) == 5 % (h->mask + 1))
			keys[found++] = k;
}

START_TEST(colliding_keys_survive_each_others_removal)
{
	enum { N = 40 };
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 8, 8, 1000, 0);
	uint64_t keys[N], v;

	colliding(map, keys, N);
	for (uint32_t gone = 0; gone < N; gone++) {
		for (uint32_t i = 0; i < N; i++)
			ck_assert_int_eq(uebpf_map_update(map, &keys[i], &keys[i], 0), 0);
		ck_assert_int_eq(uebpf_map_delete(map, &keys[gone]), 0);
		ck_assert_int_eq(uebpf_map_delete(map, &keys[gone]), -ENOENT);
		for (uint32_t i = 0; i < N; i++) {
			int r = uebpf_map_lookup(map, &keys[i], &v);

			ck_assert_int_eq(r, i == gone ? -ENOENT : 0);
			if (!r)
				ck_assert_uint_eq(v, keys[i]);
		}
	}
	for (uint32_t i = 0; i < N; i++)
		uebpf_map_delete(map, &keys[i]);
	/* overflow buckets came back: a thousand rounds do not use them up */
	for (uint32_t round = 0; round < 1000; round++) {
		for (uint32_t i = 0; i < N; i++)
			ck_assert_int_eq(uebpf_map_update(map, &keys[i], &keys[i], BPF_NOEXIST), 0);
		for (uint32_t i = 0; i < N; i++)
			ck_assert_int_eq(uebpf_map_delete(map, &keys[(i * 7 + round) % N]), 0);
	}
	uebpf_map_unref(map);
}
END_TEST

START_TEST(values_are_8_aligned_for_any_key_size)
{
	static const uint32_t types[] = { BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_PERCPU_HASH };

	for (uint32_t t = 0; t < 3; t++)
		for (uint32_t size = 1; size < 40; size++) {
			struct uebpf_map *map = make(types[t], size, size, 20, 0);
			uint8_t key[40] = { 1, 2, 3 }, value[40 * 64] = { 0 };

			for (key[0] = 0; key[0] < 20; key[0]++) {
				uint8_t *at;

				ck_assert_int_eq(uebpf_map_update(map, key, value, 0), 0);
				at = uebpf_map_value(map, key);
				ck_assert_ptr_nonnull(at);
				ck_assert_uint_eq((uintptr_t)at % 8, 0);
				ck_assert(region_holds(&map->values, (uintptr_t)at, size));
				ck_assert(!region_holds(&map->values, (uintptr_t)at, size + 1));
			}
			uebpf_map_unref(map);
		}
}
END_TEST

START_TEST(hash_is_seeded)
{
	struct uebpf_map *a = make(BPF_MAP_TYPE_HASH, 8, 8, 1000, 0);
	struct uebpf_map *b = make(BPF_MAP_TYPE_HASH, 8, 8, 1000, 0);

	ck_assert_uint_ne(((struct hash_map *)a)->seed.a, ((struct hash_map *)b)->seed.a);
	uebpf_map_unref(a);
	uebpf_map_unref(b);
}
END_TEST

START_TEST(a_held_value_stays_memory_when_its_key_goes)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 8, 8, 4, 0);
	uint64_t k = 1, v = 42, *held;

	uebpf_map_update(map, &k, &v, 0);
	held = uebpf_map_value(map, &k);
	v = 43;
	uebpf_map_update(map, &k, &v, 0);
	ck_assert_uint_eq(*held, 42);	/* an update replaces the element, as the kernel's does */
	uebpf_map_delete(map, &k);
	*held = 7;
	ck_assert_int_eq(uebpf_map_lookup(map, &k, &v), -ENOENT);
	for (k = 0; k < 4; k++)
		ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), 0);
	ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), -E2BIG);
	*held = 9;
	uebpf_map_unref(map);
}
END_TEST

START_TEST(lru_keeps_what_was_touched)
{
	enum { N = 1000 };
	struct uebpf_map *map = make(BPF_MAP_TYPE_LRU_HASH, 8, 8, N, 0);
	struct uebpf_call call = call_of();
	uint32_t kept = 0;

	for (uint64_t k = 0; k < N; k++)
		ck_assert_int_eq(uebpf_map_update(map, &k, &k, 0), 0);
	for (uint64_t k = 0; k < N; k += 2)
		ck_assert_ptr_nonnull(map->ops->lookup(map, &k, &call));
	for (uint64_t k = N; k < N + N / 2; k++)
		ck_assert_int_eq(uebpf_map_update(map, &k, &k, 0), 0);
	for (uint64_t k = 0; k < N; k++) {
		uint64_t v;
		int r = uebpf_map_lookup(map, &k, &v);

		kept += k % 2 == 0 && !r;
		if (!r)
			ck_assert_uint_eq(v, k);
	}
	ck_assert_uint_eq(kept, N / 2);
	for (uint64_t k = N; k < N + N / 2; k++)
		ck_assert_int_eq(uebpf_map_delete(map, &k), 0);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(next_key_of_a_removed_key_starts_again)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 4, 4, 100, 0);
	uint32_t first, k, seen = 0;

	ck_assert_int_eq(uebpf_map_next_key(map, NULL, &k), -ENOENT);
	for (k = 0; k < 100; k++)
		uebpf_map_update(map, &k, &k, 0);
	uebpf_map_next_key(map, NULL, &first);
	k = 12345;
	uebpf_map_next_key(map, &k, &k);
	ck_assert_uint_eq(k, first);
	/* deleting while walking, in and out through the same buffer */
	while (!uebpf_map_next_key(map, NULL, &k)) {
		ck_assert_int_eq(uebpf_map_delete(map, &k), 0);
		seen++;
	}
	ck_assert_uint_eq(seen, 100);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(lpm_default_route_and_nesting)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_LPM_TRIE, 8, 4, 64, BPF_F_NO_PREALLOC);
	struct { uint32_t plen; uint8_t ip[4]; } k = { 0, { 9, 9, 9, 9 } };
	uint32_t v = 1000, *at;

	ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), 0);
	for (k.plen = 1; k.plen <= 32; k.plen++)
		ck_assert_int_eq(uebpf_map_update(map, &k, &k.plen, BPF_NOEXIST), 0);
	k.plen = 33;
	ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), -EINVAL);
	ck_assert_ptr_null(uebpf_map_value(map, &k));
	for (uint32_t bit = 0; bit < 32; bit++) {
		k.plen = 32;
		memcpy(k.ip, "\x09\x09\x09\x09", 4);
		k.ip[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		at = uebpf_map_value(map, &k);
		ck_assert_ptr_nonnull(at);
		ck_assert_uint_eq(*at, bit ? bit : 1000);
	}
	for (k.plen = 32; k.plen > 0; k.plen--) {
		memcpy(k.ip, "\x09\x09\x09\x09", 4);
		ck_assert_int_eq(uebpf_map_delete(map, &k), 0);
	}
	k.plen = 32;
	at = uebpf_map_value(map, &k);
	ck_assert_uint_eq(*at, 1000);
	uebpf_map_unref(map);
}
END_TEST

/* ---- ring buffer ---- */

struct got { uint64_t n, sum; int stop_after; };
static int take_record(void *arg, const void *data, size_t len)
{
	struct got *got = arg;
	uint64_t v = 0;

	memcpy(&v, data, len < 8 ? len : 8);
	got->n++;
	got->sum += v;
	return got->stop_after && got->n >= (uint64_t)got->stop_after;
}

START_TEST(ring_wraps_and_honours_busy_and_discard)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
	struct got got = { 0 };
	uint64_t sent = 0, *first, *second;

	for (uint64_t i = 0; i < 1000; i++) {	/* records of 8..807 bytes cross the end many times */
		uint64_t *rec = map->ops->more->reserve(map, 8 + i % 800);

		ck_assert_ptr_nonnull(rec);
		memset(rec, 0xee, 8 + i % 800);
		*rec = i;
		map->ops->more->commit(map, rec, 0, i % 3 == 0);
		sent += i % 3 ? i : 0;
		ck_assert_int_eq(uebpf_map_consume(map, take_record, &got), i % 3 ? 1 : 0);
	}
	ck_assert_uint_eq(got.sum, sent);
	first = map->ops->more->reserve(map, 8);
	second = map->ops->more->reserve(map, 8);
	*first = 1;
	*second = 2;
	map->ops->more->commit(map, second, 0, false);
	ck_assert_int_eq(uebpf_map_consume(map, take_record, &got), 0);	/* the first is still being written */
	map->ops->more->commit(map, first, 0, false);
	ck_assert_int_eq(uebpf_map_consume(map, take_record, &got), 2);
	ck_assert_ptr_null(map->ops->more->reserve(map, 4096));
	ck_assert_ptr_null(map->ops->more->reserve(map, UINT64_MAX));
	ck_assert_ptr_nonnull(first = map->ops->more->reserve(map, 4000));
	ck_assert_ptr_null(map->ops->more->reserve(map, 88));
	ck_assert_uint_eq(map->ops->more->query(map, BPF_RB_AVAIL_DATA), 4008);
	ck_assert_uint_eq(map->ops->more->query(map, BPF_RB_RING_SIZE), 4096);
	map->ops->more->commit(map, first, 0, true);
	ck_assert_int_eq(uebpf_map_consume(map, take_record, &got), 0);
	uebpf_map_unref(map);
}
END_TEST

static int readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

START_TEST(ring_fd_is_readable_while_there_are_records)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
	int fd = uebpf_map_poll_fd(map);
	struct got got = { 0 };
	uint64_t *rec;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(uebpf_map_poll_fd(map), fd);
	uebpf_map_consume(map, take_record, &got);
	ck_assert(!readable(fd));
	for (int i = 0; i < 3; i++) {
		rec = uebpf_map_reserve(map, 8);
		*rec = 1;
		uebpf_map_commit(map, rec, 0);
	}
	ck_assert(readable(fd));
	got.stop_after = 1;
	ck_assert_int_eq(uebpf_map_consume(map, take_record, &got), 1);
	ck_assert(readable(fd));
	got.stop_after = 0;
	ck_assert_int_eq(uebpf_map_consume(map, take_record, &got), 2);
	ck_assert(!readable(fd));
	rec = map->ops->more->reserve(map, 8);
	map->ops->more->commit(map, rec, BPF_RB_NO_WAKEUP, false);
	ck_assert(!readable(fd));
	rec = map->ops->more->reserve(map, 8);
	map->ops->more->commit(map, rec, BPF_RB_FORCE_WAKEUP, false);
	ck_assert(readable(fd));
	uebpf_map_unref(map);
}
END_TEST

static long sample(void *arg, void *data, uint32_t len)
{
	(void)len;
	*(uint64_t *)arg += *(uint64_t *)data;
	return 0;
}

START_TEST(user_ring_is_drained_by_programs)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096, 0);
	uint64_t sum = 0;

	for (uint64_t i = 1; i <= 10; i++) {
		uint64_t *rec = uebpf_map_reserve(map, 8);

		*rec = i;
		uebpf_map_commit(map, rec, i == 10);
	}
	ck_assert_int_eq(map->ops->more->drain(map, sample, &sum, 0), 9);
	ck_assert_uint_eq(sum, 45);
	uebpf_map_unref(map);
}
END_TEST

/* ---- per-CPU ---- */

START_TEST(nested_runs_have_slots_of_their_own)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 4, 0);
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
	struct uebpf_map *map = make(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 1, 0);
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
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 8, 16, 1, 0);
	struct uebpf_map *ring = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
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
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 8, 8, 2, 0);
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
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 8, 16, 1, 0);
	struct uebpf_map *counts = make(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1, 0);
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

static int fail_at, asked;
static void *failing(void *ctx, void *old, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (!new_size) {
		free(old);
		return NULL;
	}
	return ++asked == fail_at ? NULL : realloc(old, new_size);
}

START_TEST(memory_that_runs_out_while_creating_is_an_error)
{
	static const uint32_t shapes[][5] = {
		{ BPF_MAP_TYPE_ARRAY, 4, 8, 10, 0 }, { BPF_MAP_TYPE_HASH, 8, 8, 10, 0 },
		{ BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 10, 0 }, { BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0 },
		{ BPF_MAP_TYPE_LPM_TRIE, 8, 8, 10, 1 }, { BPF_MAP_TYPE_QUEUE, 0, 8, 10, 0 },
	};

	for (uint32_t i = 0; i < 6; i++) {
		const uint32_t *s = shapes[i];
		struct uebpf_map_opts o = { .size = sizeof(o), .type = s[0], .key_size = s[1],
					    .value_size = s[2], .max_entries = s[3], .flags = s[4] };
		int r = -1;

		for (fail_at = 1; r; fail_at++) {
			struct vm_host host = { .alloc = failing };
			struct uebpf_map *map;
			struct uebpf_error err = { 0 };

			asked = 0;
			r = map_new(&host, &o, &map, &err);
			if (r) {
				ck_assert_int_eq(r, -ENOMEM);
				ck_assert_int_eq(err.err, -ENOMEM);
			} else {
				uebpf_map_unref(map);
			}
			maps_host_fini(&host);
			ck_assert_int_lt(fail_at, 20);
		}
	}
}
END_TEST

/* ---- maps of maps, programs, storage, targets ---- */

START_TEST(inner_maps_are_checked_and_stay_while_the_outer_lives)
{
	struct uebpf_map *template = make(BPF_MAP_TYPE_ARRAY, 4, 8, 2, 0);
	struct uebpf_map *other = make(BPF_MAP_TYPE_ARRAY, 4, 4, 2, 0);
	static const uint32_t types[] = { BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS };

	for (int t = 0; t < 2; t++) {
		struct uebpf_map_opts o = { .size = sizeof(o), .type = types[t], .key_size = 4,
					    .value_size = 4, .max_entries = 100, .inner = template };
		struct uebpf_map *outer, *in;
		struct uebpf_error err;

		ck_assert_int_eq(map_new(&test_host, &o, &outer, &err), 0);
		for (uint32_t k = 0; k < 100; k++) {
			uint32_t zero = 0;
			uint64_t v = k, *at;

			in = make(BPF_MAP_TYPE_ARRAY, 4, 8, 2, 0);
			uebpf_map_update(in, &zero, &v, 0);
			ck_assert_int_eq(uebpf_map_set_inner(outer, &k, in, 0), 0);
			uebpf_map_unref(in);
			in = outer->ops->lookup(outer, &k, NULL);
			ck_assert_ptr_nonnull(in);
			at = in->ops->lookup(in, &zero, NULL);
			ck_assert_uint_eq(*at, k);
			if (k == 50) {
				ck_assert_int_eq(uebpf_map_set_inner(outer, &k, other, 0), -EINVAL);
				ck_assert_int_eq(uebpf_map_set_inner(outer, &k, NULL, 0), 0);
				ck_assert_ptr_null(outer->ops->lookup(outer, &k, NULL));
				at = in->ops->lookup(in, &zero, NULL);	/* a run may still hold it */
				ck_assert_uint_eq(*at, k);
			}
		}
		ck_assert_ptr_null(uebpf_map_value(outer, &(uint32_t){ 1 }));
		uebpf_map_unref(outer);
	}
	uebpf_map_unref(template);
	uebpf_map_unref(other);
}
END_TEST

static int holds;
static void hold(const struct uebpf_prog *prog, int n)
{
	(void)prog;
	holds += n;
}

START_TEST(prog_array_holds_each_program_once)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 300, 0);
	struct uebpf_prog a = { .hold = hold }, b = { .hold = hold };
	uint32_t k = 299, fd = 3;

	ck_assert_int_eq(uebpf_map_set_prog(map, 299, &a), 0);
	ck_assert_int_eq(uebpf_map_set_prog(map, 299, &b), 0);
	ck_assert_int_eq(uebpf_map_set_prog(map, 299, &a), 0);
	ck_assert_int_eq(holds, 2);
	ck_assert_ptr_eq(map->ops->more->prog(map, 299), &a);
	ck_assert_ptr_null(map->ops->more->prog(map, 300));
	ck_assert_int_eq(uebpf_map_set_prog(map, 300, &a), -E2BIG);
	ck_assert_int_eq(uebpf_map_update(map, &k, &fd, 0), -EBADF);
	ck_assert_int_eq(uebpf_map_delete(map, &k), 0);
	ck_assert_int_eq(uebpf_map_delete(map, &k), -ENOENT);
	ck_assert_ptr_null(map->ops->more->prog(map, 299));
	uebpf_map_unref(map);
	ck_assert_int_eq(holds, 0);
}
END_TEST

START_TEST(task_storage_is_by_owner)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_TASK_STORAGE, 4, 8, 0, BPF_F_NO_PREALLOC);
	uint64_t *v = map->ops->more->storage(map, 100, NULL, false), init = 5;
	uint32_t k = 100;

	ck_assert_ptr_null(v);
	v = map->ops->more->storage(map, 100, &init, true);
	ck_assert_uint_eq(*v, 5);
	++*v;
	ck_assert_int_eq(uebpf_map_lookup(map, &k, &init), 0);
	ck_assert_uint_eq(init, 6);
	ck_assert_int_eq(map->ops->more->storage_remove(map, 100), 0);
	ck_assert_int_eq(map->ops->more->storage_remove(map, 100), -ENOENT);
	/* owners that are gone make room */
	for (uint64_t tid = 1; tid < 3 * STORAGE_OWNERS; tid++)
		if (!map->ops->more->storage(map, (UINT32_C(1) << 22) + tid, NULL, true))
			ck_abort_msg("no room at %llu", (unsigned long long)tid);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(redirect_targets)
{
	struct uebpf_map *dev = make(BPF_MAP_TYPE_DEVMAP, 4, 8, 4, 0);
	struct uebpf_map *hash = make(BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 4, 0);
	uint32_t k = 2, ifindex[2] = { 7, 0 };

	ck_assert(!dev->ops->more->has_target(dev, &k));
	ck_assert_int_eq(uebpf_map_update(dev, &k, ifindex, BPF_NOEXIST), -EEXIST);
	ck_assert_int_eq(uebpf_map_update(dev, &k, ifindex, 0), 0);
	ck_assert(dev->ops->more->has_target(dev, &k));
	ck_assert_uint_eq(*(uint32_t *)dev->ops->lookup(dev, &k, NULL), 7);
	ck_assert_int_eq(uebpf_map_delete(dev, &k), 0);
	ck_assert(!dev->ops->more->has_target(dev, &k));
	k = 4;
	ck_assert(!dev->ops->more->has_target(dev, &k));
	ck_assert_int_eq(uebpf_map_delete(dev, &k), -EINVAL);
	k = 1000000;
	ck_assert_int_eq(uebpf_map_update(hash, &k, ifindex, 0), 0);
	ck_assert(hash->ops->more->has_target(hash, &k));
	ck_assert_int_eq(uebpf_map_update(hash, &k, ifindex + 1, 0), -EINVAL);
	uebpf_map_unref(dev);
	uebpf_map_unref(hash);
}
END_TEST

START_TEST(stack_ids)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_STACK_TRACE, 4, 64, 128, 0);
	uint64_t a[3] = { 1, 2, 3 }, got[8];
	long id = map->ops->more->stack_id(map, a, 3, 0);
	uint32_t key = (uint32_t)id, next;

	ck_assert_int_ge(id, 0);
	ck_assert_int_eq(map->ops->more->stack_id(map, a, 3, 0), id);
	ck_assert_int_eq(uebpf_map_lookup(map, &key, got), 0);
	ck_assert(got[0] == 1 && got[2] == 3 && got[3] == 0);
	ck_assert_int_eq(uebpf_map_next_key(map, NULL, &next), 0);
	ck_assert_uint_eq(next, key);
	ck_assert_int_eq(uebpf_map_next_key(map, &next, &next), -ENOENT);
	ck_assert_int_eq(uebpf_map_delete(map, &key), 0);
	ck_assert_int_eq(uebpf_map_lookup(map, &key, got), -ENOENT);
	uebpf_map_unref(map);
}
END_TEST

static uint64_t count_and_remove(void *arg, void *key, void *value)
{
	struct uebpf_map *map = arg;
	uint64_t k = *(uint64_t *)key, v = *(uint64_t *)value;

	ck_assert_uint_eq(k, v);
	ck_assert_int_eq(map->ops->remove(map, &k), 0);
	return 0;
}

START_TEST(for_each_may_remove_what_it_visits)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 8, 8, 100, 0);
	uint64_t keys[30];
	struct uebpf_call call = call_of();

	colliding(map, keys, 30);
	for (int i = 0; i < 30; i++)
		uebpf_map_update(map, &keys[i], &keys[i], 0);
	ck_assert_int_eq(map->ops->for_each(map, count_and_remove, map, &call), 30);
	ck_assert_int_eq(map->ops->for_each(map, count_and_remove, map, &call), 0);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(spin_locked_values_keep_their_lock_word)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 4, 16, 4, 0);
	struct { uint32_t lock, a; uint64_t b; } v = { 99, 1, 2 }, out, *at;
	uint32_t k = 1;

	map->spin_lock_off = 0;
	ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), 0);
	at = uebpf_map_value(map, &k);
	ck_assert_uint_eq(at->lock, 0);
	v.a = 5;
	ck_assert_int_eq(uebpf_map_update(map, &k, &v, BPF_F_LOCK), 0);
	ck_assert_uint_eq(at->a, 5);	/* in place */
	ck_assert_uint_eq(at->lock, 0);
	at->lock = 12345;
	uebpf_map_lookup(map, &k, &out);
	ck_assert_uint_eq(out.lock, 0);
	ck_assert(out.a == 5 && out.b == 2);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(batches_read_everything_once)
{
	struct uebpf_map *map = make(BPF_MAP_TYPE_HASH, 4, 8, 1000, 0);
	uint32_t keys[300], from, count, sum = 0, n = 0;
	uint64_t values[300];
	int r = 0;

	for (uint32_t k = 0; k < 1000; k += 250) {
		for (uint32_t i = 0; i < 250; i++) {
			keys[i] = k + i;
			values[i] = k + i;
		}
		count = 250;
		ck_assert_int_eq(uebpf_map_update_batch(map, keys, values, &count, BPF_NOEXIST), 0);
		ck_assert_uint_eq(count, 250);
	}
	count = 10;
	ck_assert_int_eq(uebpf_map_update_batch(map, keys, values, &count, BPF_NOEXIST), -EEXIST);
	ck_assert_uint_eq(count, 0);
	while (!r) {
		count = 300;
		r = uebpf_map_lookup_batch(map, n ? &from : NULL, keys, values, &count, 0);
		for (uint32_t i = 0; i < count; i++) {
			ck_assert_uint_eq(values[i], keys[i]);
			sum += keys[i];
		}
		n += count;
		from = keys[count ? count - 1 : 0];
	}
	ck_assert_int_eq(r, -ENOENT);
	ck_assert_uint_eq(n, 1000);
	ck_assert_uint_eq(sum, 1000 * 999 / 2);
	count = 300;
	ck_assert_int_eq(uebpf_map_lookup_batch(map, NULL, keys, values, &count, 1), 0);
	ck_assert_int_eq(uebpf_map_lookup(map, &keys[299], values), -ENOENT);
	count = 1;
	ck_assert_int_eq(uebpf_map_delete_batch(map, keys, &count), -ENOENT);
	uebpf_map_unref(map);
}
END_TEST

START_TEST(every_type_of_the_yardstick_is_there)
{
	static const char *const names[] = { "hash", "percpu_array", "array", "lru_hash", "lpm_trie",
		"perf_event_array", "array_of_maps", "hash_of_maps", "prog_array", "percpu_hash",
		"cgroup_array", "ringbuf", "stack_trace", "devmap", "xskmap", "devmap_hash", "cpumap",
		"lru_percpu_hash", "sk_storage", "task_storage" };
	const struct map_ops *ops;

	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool found = false;

		for (uint32_t j = 0; (ops = map_ops_at(j)); j++)
			found |= !strcmp(ops->name, names[i]);
		ck_assert_msg(found, "%s", names[i]);
	}
	for (uint32_t j = 0; (ops = map_ops_at(j)); j++)
		ck_assert_ptr_eq(map_ops_find(ops->type), ops);
}
END_TEST

int main(void)
{
	TCase *t = test_case("map families", 60);

	tcase_add_test(t, colliding_keys_survive_each_others_removal);
	tcase_add_test(t, values_are_8_aligned_for_any_key_size);
	tcase_add_test(t, hash_is_seeded);
	tcase_add_test(t, a_held_value_stays_memory_when_its_key_goes);
	tcase_add_test(t, lru_keeps_what_was_touched);
	tcase_add_test(t, next_key_of_a_removed_key_starts_again);
	tcase_add_test(t, lpm_default_route_and_nesting);
	tcase_add_test(t, ring_wraps_and_honours_busy_and_discard);
	tcase_add_test(t, ring_fd_is_readable_while_there_are_records);
	tcase_add_test(t, user_ring_is_drained_by_programs);
	tcase_add_test(t, nested_runs_have_slots_of_their_own);
	tcase_add_test(t, more_than_64_slots_and_none_left);
	tcase_add_test(t, a_new_percpu_element_is_zero_in_other_slots);
	tcase_add_test(t, an_operation_that_meets_its_own_lock_is_busy);
	tcase_add_test(t, an_operation_that_meets_its_own_element_is_busy);
	tcase_add_test(t, a_child_takes_over_locks_and_slots_of_the_parents_threads);
	tcase_add_test(t, memory_that_runs_out_while_creating_is_an_error);
	tcase_add_test(t, inner_maps_are_checked_and_stay_while_the_outer_lives);
	tcase_add_test(t, prog_array_holds_each_program_once);
	tcase_add_test(t, task_storage_is_by_owner);
	tcase_add_test(t, redirect_targets);
	tcase_add_test(t, stack_ids);
	tcase_add_test(t, for_each_may_remove_what_it_visits);
	tcase_add_test(t, spin_locked_values_keep_their_lock_word);
	tcase_add_test(t, batches_read_everything_once);
	tcase_add_test(t, every_type_of_the_yardstick_is_there);
	return run_tests();
}
