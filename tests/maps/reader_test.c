/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Who opened a map for reading only: whatever he calls, he reads or is refused; nothing writes to his pages, which
 * would end the process.  Every type that can be shared. */
#include "maps/hash.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

static struct uebpf_map_opts shape_of(uint32_t type)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .name = "read", .type = type, .key_size = 4, .value_size = 8,
				    .max_entries = 16 };

	switch (type) {
	case BPF_MAP_TYPE_LPM_TRIE: o.key_size = 8, o.flags = BPF_F_NO_PREALLOC; break;
	case BPF_MAP_TYPE_QUEUE: case BPF_MAP_TYPE_STACK: case BPF_MAP_TYPE_BLOOM_FILTER: o.key_size = 0; break;
	case BPF_MAP_TYPE_RINGBUF: case BPF_MAP_TYPE_USER_RINGBUF: o.key_size = o.value_size = 0, o.max_entries = 4096; break;
	case BPF_MAP_TYPE_XSKMAP: case BPF_MAP_TYPE_PERF_EVENT_ARRAY: case BPF_MAP_TYPE_CGROUP_ARRAY: o.value_size = 4; break;
	case BPF_MAP_TYPE_TASK_STORAGE: case BPF_MAP_TYPE_SK_STORAGE: case BPF_MAP_TYPE_INODE_STORAGE: case MAP_TYPE_CGRP_STORAGE:
		o.flags = BPF_F_NO_PREALLOC, o.max_entries = 0;
		break;
	case BPF_MAP_TYPE_CGROUP_STORAGE: case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: o.key_size = 16, o.max_entries = 0; break;
	default: break;
	}
	return o;
}

static int none(void *arg, const void *data, size_t len)
{
	(void)arg, (void)data, (void)len;
	return 0;
}

static uint64_t seen(void *arg, void *key, void *value)
{
	(void)key;
	++*(uint64_t *)arg;
	return *(volatile uint8_t *)value == 99;
}

/* spin: a value with a lock at its start, as the first page says. */
static void read_all(uint32_t type, uint32_t open, bool spin)
{
	struct uebpf_map_opts o = shape_of(type);
	struct uebpf_map *map, *r;
	static uint64_t value[1 << 12];
	uint64_t key[2] = { 8, 0 }, next[2], each = 0;
	uint32_t count = 4;
	struct uebpf_error err;
	void *k = o.key_size ? key : NULL;
	int at, e;

	if (map_new_shared(&test_host, &o, NULL, 0, UEBPF_OPEN_TRUSTED, &map, &err)) {
		ck_assert_msg(err.err == -EOPNOTSUPP, "type %u: %s", type, err.text);
		return;
	}
	at = uebpf_map_update(map, k, value, 0);
	if (spin)
		map_local(map)->store->spin_lock_off = 0;
	e = map_open_shared(&test_host, NULL, map_local(map)->fd, open | UEBPF_OPEN_RDONLY, &r, &err);
	ck_assert_msg(!e || e == -EROFS, "type %u: %s", type, err.text);
	if (e) {
		uebpf_map_unref(map);
		return;
	}
	ck_assert_msg(uebpf_map_lookup(r, k, value) == (at ? -ENOENT : 0) || map->ops->user_lookup(map, k, value, 0) < 0,
		      "type %u", type);
	uebpf_map_lookup_flags(r, k, value, BPF_F_LOCK);
	ck_assert_int_eq(uebpf_map_update(r, k, value, 0), -EPERM);
	ck_assert_int_eq(uebpf_map_update(r, k, value, BPF_F_LOCK), -EPERM);
	ck_assert_int_eq(uebpf_map_delete(r, k), -EPERM);
	ck_assert_int_eq(uebpf_map_lookup_delete(r, k, value), -EPERM);
	ck_assert_int_eq(uebpf_map_freeze(r), -EPERM);
	uebpf_map_next_key(r, NULL, next);
	uebpf_map_next_key(r, key, next);
	uebpf_map_lookup_batch(r, NULL, value, value + 64, &count, 0);
	count = 1;
	ck_assert_int_lt(uebpf_map_lookup_batch(r, NULL, value, value + 64, &count, 1), 0);
	count = 1;
	ck_assert_int_lt(uebpf_map_update_batch(r, key, value, &count, 0), 0);
	count = 1;
	ck_assert_int_lt(uebpf_map_delete_batch(r, key, &count), 0);
	uebpf_map_value(r, k);
	ck_assert_ptr_null(uebpf_map_reserve(r, 8));
	uebpf_map_consume(r, none, NULL);
	uebpf_map_poll_fd(r);
	if (r->ops->lookup)
		r->ops->lookup(r, key, NULL);
	if (r->ops->for_each)
		r->ops->for_each(r, seen, &each, NULL);
	if (r->ops->more->stack_id)
		ck_assert_int_lt(r->ops->more->stack_id(r, next, 1, 0), 0);
	if (r->ops->more->lookup_cpu)
		r->ops->more->lookup_cpu(r, key, 0);
	if (r->ops->update)
		ck_assert_int_eq(r->ops->update(r, key, value, 0, NULL), -EPERM);
	if (r->ops->remove)
		ck_assert_int_eq(r->ops->remove(r, key), -EPERM);
	uebpf_map_unref(r);
	uebpf_map_unref(map);
}

START_TEST(a_reader_of_any_type_only_reads)
{
	uint32_t open = _i % 2 ? UEBPF_OPEN_TRUSTED : 0;

	if (map_ops_find((uint32_t)_i / 2)) {
		read_all((uint32_t)_i / 2, open, false);
		if (shape_of((uint32_t)_i / 2).value_size >= 4)
			read_all((uint32_t)_i / 2, open, true);
	}
}
END_TEST

int main(void)
{
	TCase *t = test_case("readers of shared maps", 60);

	tcase_add_loop_test(t, a_reader_of_any_type_only_reads, 0, 2 * 34);
	return run_tests();
}
