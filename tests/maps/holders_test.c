/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Maps that hold other things: maps, programs, storage of tasks, targets, stacks; and maps that cannot be made
 * because memory runs out. */
#include "maps/hash.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

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
	struct uebpf_map *template = suite_map(BPF_MAP_TYPE_ARRAY, 4, 8, 2, 0);
	struct uebpf_map *other = suite_map(BPF_MAP_TYPE_ARRAY, 4, 4, 2, 0);
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

			in = suite_map(BPF_MAP_TYPE_ARRAY, 4, 8, 2, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 300, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_TASK_STORAGE, 4, 8, 0, BPF_F_NO_PREALLOC);
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
	struct uebpf_map *dev = suite_map(BPF_MAP_TYPE_DEVMAP, 4, 8, 4, 0);
	struct uebpf_map *hash = suite_map(BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 4, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_STACK_TRACE, 4, 64, 128, 0);
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

int main(void)
{
	TCase *t = test_case("maps of other things", 60);

	tcase_add_test(t, memory_that_runs_out_while_creating_is_an_error);
	tcase_add_test(t, inner_maps_are_checked_and_stay_while_the_outer_lives);
	tcase_add_test(t, prog_array_holds_each_program_once);
	tcase_add_test(t, task_storage_is_by_owner);
	tcase_add_test(t, redirect_targets);
	tcase_add_test(t, stack_ids);
	return run_tests();
}
