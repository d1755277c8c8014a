/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Ring buffers in one process: wrapping, waiting, user rings. */
#include <poll.h>
#include "maps/ring.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
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
	struct uebpf_map *map = suite_map(BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096, 0);
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

int main(void)
{
	TCase *t = test_case("rings", 60);

	tcase_add_test(t, ring_wraps_and_honours_busy_and_discard);
	tcase_add_test(t, ring_fd_is_readable_while_there_are_records);
	tcase_add_test(t, user_ring_is_drained_by_programs);
	return run_tests();
}
