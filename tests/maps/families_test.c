/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What hashes, LRU lists and tries promise beyond what the kernel suite compares, and what all maps do alike;
 * each test is named after what broke elsewhere. */
#include "maps/hash.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 8, 8, 1000, 0);
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
			struct uebpf_map *map = suite_map(types[t], size, size, 20, 0);
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
	struct uebpf_map *a = suite_map(BPF_MAP_TYPE_HASH, 8, 8, 1000, 0);
	struct uebpf_map *b = suite_map(BPF_MAP_TYPE_HASH, 8, 8, 1000, 0);

	ck_assert_uint_ne(((struct hash_map *)a)->seed.a, ((struct hash_map *)b)->seed.a);
	uebpf_map_unref(a);
	uebpf_map_unref(b);
}
END_TEST

START_TEST(a_held_value_stays_memory_when_its_key_goes)
{
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 8, 8, 4, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_LRU_HASH, 8, 8, N, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 4, 4, 100, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_LPM_TRIE, 8, 4, 64, BPF_F_NO_PREALLOC);
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

/* ---- iteration, batches, locks of values ---- */

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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 8, 8, 100, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 4, 16, 4, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_HASH, 4, 8, 1000, 0);
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
	tcase_add_test(t, for_each_may_remove_what_it_visits);
	tcase_add_test(t, spin_locked_values_keep_their_lock_word);
	tcase_add_test(t, batches_read_everything_once);
	tcase_add_test(t, every_type_of_the_yardstick_is_there);
	return run_tests();
}
