/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Maps shared between processes: opening, rights, trust, and peers that die or misbehave. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "maps/hash.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"
#include "vm/spin.h"

static struct uebpf_map *make(const char *path, uint32_t type, uint32_t key, uint32_t value, uint32_t n,
			      uint32_t flags)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .name = "shared", .type = type, .key_size = key,
				    .value_size = value, .max_entries = n, .flags = flags };
	struct uebpf_map *map;
	struct uebpf_error err;

	ck_assert_msg(!map_new_shared(&test_host, &o, path, 0, UEBPF_OPEN_REPLACE, &map, &err), "%s", err.text);
	return map;
}

static struct uebpf_map *again(struct uebpf_map *map, uint32_t flags)
{
	struct uebpf_map *two;
	struct uebpf_error err;

	ck_assert_msg(!map_open_shared(&test_host, NULL, map_local(map)->fd, flags, &two, &err), "%s", err.text);
	return two;
}

START_TEST(a_second_handle_sees_the_same_bytes)
{
	static const uint32_t types[][4] = {
		{ BPF_MAP_TYPE_ARRAY, 4, 8, 0 }, { BPF_MAP_TYPE_HASH, 4, 8, 0 }, { BPF_MAP_TYPE_LRU_HASH, 4, 8, 0 },
		{ BPF_MAP_TYPE_LPM_TRIE, 8, 8, BPF_F_NO_PREALLOC }, { BPF_MAP_TYPE_DEVMAP, 4, 8, 0 },
	};
	const uint32_t *t = types[_i];
	struct uebpf_map *a = make(NULL, t[0], t[1], t[2], 16, t[3]), *b = again(a, 0), *r = again(a, UEBPF_OPEN_RDONLY);
	struct uebpf_map_info info = { .size = sizeof(info) };
	uint32_t k[2] = { 7, 0x01020304 };
	uint64_t v = 42, got = 0, next[2];

	ck_assert_ptr_ne(map_local(a)->mapping, map_local(b)->mapping);
	ck_assert_int_eq(uebpf_map_update(a, k, &v, 0), 0);
	ck_assert_int_eq(uebpf_map_lookup(b, k, &got), 0);
	ck_assert_uint_eq(got, 42);
	ck_assert_int_eq(uebpf_map_lookup(r, k, &got), 0);
	ck_assert_int_eq(uebpf_map_update(r, k, &v, 0), -EPERM);
	ck_assert_int_eq(uebpf_map_delete(r, k), -EPERM);
	if (r->ops->update)
		ck_assert_int_eq(r->ops->update(r, k, &v, 0, NULL), -EPERM);
	ck_assert_uint_eq(r->values.access, ACCESS_READ);
	ck_assert_int_eq(uebpf_map_next_key(r, NULL, next), 0);
	uebpf_map_info(b, &info);
	ck_assert_uint_eq(info.share, UEBPF_SHARE_SHARED);
	ck_assert_str_eq(info.name, "shared");
	uebpf_map_unref(a);
	ck_assert_int_eq(uebpf_map_lookup(b, k, &got), 0);
	ck_assert_int_eq(uebpf_map_freeze(b), 0);
	uebpf_map_unref(b);
	uebpf_map_unref(r);
}
END_TEST

START_TEST(what_cannot_be_trusted_is_refused)
{
	char path[64];
	struct uebpf_map *file, *map;
	struct uebpf_error err;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/uebpf-test-%d", (int)getpid());
	file = make(path, BPF_MAP_TYPE_HASH, 8, 8, 10, 0);
	ck_assert_int_eq(map_open_shared(&test_host, path, -1, 0, &map, &err), -EPERM);
	ck_assert_msg(strstr(err.text, "trusted") != NULL, "%s", err.text);
	ck_assert_int_eq(map_open_shared(&test_host, path, -1, UEBPF_OPEN_TRUSTED, &map, &err), 0);
	uebpf_map_unref(map);
	/* any byte of the description changed: refused or equally sound, never a crash */
	for (size_t at = 0; at < 160; at++) {
		uint8_t byte = ((uint8_t *)map_local(file)->store)[at];

		((uint8_t *)map_local(file)->store)[at] = (uint8_t)(byte ^ 0x41);
		if (!map_open_shared(&test_host, path, -1, UEBPF_OPEN_TRUSTED, &map, &err)) {
			uint64_t k = 1;

			uebpf_map_lookup(map, &k, &k);
			uebpf_map_unref(map);
		}
		((uint8_t *)map_local(file)->store)[at] = byte;
	}
	map_local(file)->store->pid_ns++;
	ck_assert_int_eq(map_open_shared(&test_host, path, -1, UEBPF_OPEN_TRUSTED, &map, &err), -EXDEV);
	map_local(file)->store->pid_ns--;
	ck_assert_int_eq(truncate(path, 5000), 0);
	ck_assert_int_eq(map_open_shared(&test_host, path, -1, UEBPF_OPEN_TRUSTED, &map, &err), -EBADMSG);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);	/* nobody waits for a writer */
	ck_assert_int_eq(map_open_shared(&test_host, path, -1, UEBPF_OPEN_TRUSTED | UEBPF_OPEN_RDONLY, &map, &err), -EBADMSG);
	ck_assert_int_eq(map_open_shared(&test_host, path, -1, UEBPF_OPEN_TRUSTED, &map, &err), -EBADMSG);
	unlink(path);
	fd = memfd_create("x", MFD_CLOEXEC);
	ck_assert_int_eq(map_open_shared(&test_host, NULL, fd, 0, &map, &err), -EBADMSG);
	close(fd);
	uebpf_map_unref(file);
}
END_TEST

/* ---- processes ---- */

enum { OWN = 40, PEERS = 2 };
static volatile uint32_t *progress;

/* Works on its own keys for ever; progress[who] counts finished operations, value = number of the
 * operation that wrote it. */
static void work(struct uebpf_map *map, uint32_t who, uint64_t *serial, uint64_t ops)
{
	uint64_t state = (uint64_t)time(NULL) * 7919 + getpid() + who;

	for (uint64_t i = 1; i <= ops; i++) {
		uint32_t at = (uint32_t)(rnd(&state) % OWN);
		uint64_t k = (uint64_t)who * OWN + at, v[3] = { k, serial[OWN] + 1, ~k };
		int r;

		if (rnd(&state) % 3) {
			r = (int)map->ops->update(map, &k, v, 0, NULL);
			if (r)
				_exit(2);
			serial[at] = v[1];
		} else {
			map->ops->remove(map, &k);
			serial[at] = 0;
		}
		serial[OWN]++;
		if (progress)
			progress[who]++;
	}
}

static void check(struct uebpf_map *map, uint32_t who, const uint64_t *serial)
{
	for (uint32_t at = 0; at < OWN; at++) {
		uint64_t k = (uint64_t)who * OWN + at, v[3];
		int r = uebpf_map_lookup(map, &k, v);

		ck_assert_int_eq(r, serial[at] ? 0 : -ENOENT);
		if (!r)
			ck_assert_msg(v[0] == k && v[1] == serial[at] && v[2] == ~k, "key %llu torn or lost",
				      (unsigned long long)k);
	}
}

START_TEST(a_peer_killed_in_the_middle_leaves_the_map_usable)
{
	uint32_t kills = getenv("SOAK") ? 1000 : 25;
	struct uebpf_map *made = make(NULL, BPF_MAP_TYPE_HASH, 8, 24, OWN * (PEERS + 1), 0), *map = again(made, UEBPF_OPEN_TRUSTED);
	uint64_t mine[OWN + 1] = { 0 }, full;

	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (uint32_t i = 0; i < kills; i++) {
		uint32_t start = progress[1];
		pid_t peer = spawn();

		if (!peer) {
			uint64_t serial[OWN + 1] = { 0 };

			work(map, 1, serial, UINT64_MAX);
		}
		while (progress[1] - start < 200 + i)
			work(map, 0, mine, 20);
		kill(peer, SIGKILL);	/* not waited for: dead all the same */
		work(map, 0, mine, 200);
		check(map, 0, mine);
		waitpid(peer, NULL, 0);
		for (uint64_t k = OWN; k < 2 * OWN; k++) {
			uint64_t v[3];

			if (!uebpf_map_lookup(map, &k, v))
				ck_assert(v[0] == k && v[2] == ~k);
		}
	}
	/* nothing leaked: the map still takes exactly as many keys as it was made for */
	for (uint64_t k = 0; k < OWN * (PEERS + 1); k++)
		ck_assert_int_eq(uebpf_map_update(map, &k, (uint64_t[3]){ k, 1, ~k }, 0), 0);
	full = 1 << 20;
	ck_assert_int_eq(uebpf_map_update(map, &full, mine, 0), -E2BIG);
	printf("kills %u, locks taken over %u\n", kills, atomic_load(&map_local(map)->store->repairs));
	uebpf_map_unref(map);
	uebpf_map_unref(made);
}
END_TEST

START_TEST(a_lock_whose_owner_died_is_taken_over)
{
	struct uebpf_map *map = make(NULL, BPF_MAP_TYPE_HASH, 8, 8, 3, 0);	/* one bucket */
	struct hash_map *h = (struct hash_map *)map;
	uint64_t k, v = 1;

	for (k = 0; k < 3; k++)
		uebpf_map_update(map, &k, &v, 0);
	for (int step = 0; step < 3; step++) {
		pid_t peer = spawn();

		if (!peer) {	/* dies at each step of a replacement */
			static const uint64_t zero = 0, some = 77;
			struct bucket *b = &h->bucket[0];

			lock_take(&h->local, &b->lock);
			if (step > 0)
				atomic_store(&b->idx[0], bucket_spare(h, b));
			memcpy(elem_at(h, bucket_spare(h, b)), step > 0 ? &zero : &some, 8);
			kill(getpid(), SIGKILL);
		}
		waitpid(peer, NULL, 0);
		for (k = 0; k < 3; k++) {
			v = 100 + k;
			ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), 0);
		}
		for (k = 0; k < 3; k++) {
			ck_assert_int_eq(uebpf_map_lookup(map, &k, &v), 0);
			ck_assert_uint_eq(v, 100 + k);
		}
		ck_assert_int_eq(uebpf_map_update(map, &k, &v, 0), -E2BIG);
	}
	ck_assert_uint_ge(atomic_load(&map_local(map)->store->repairs), 3);
	uebpf_map_unref(map);
}
END_TEST

/* A living peer keeps the bucket and the value's own lock: who does not trust him, the creator of the memfd too, is
 * told so; a free value is as ever. */
START_TEST(a_lock_that_a_living_peer_keeps_is_not_waited_for)
{
	struct uebpf_map *made = make(NULL, BPF_MAP_TYPE_HASH, 8, 24, 3, 0), *map;	/* one bucket */
	volatile uint32_t *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t k = 1, v[3] = { 0 };
	pid_t peer;

	ck_assert(map_local(made)->hostile && test_host.wary);
	map_local(made)->store->spin_lock_off = 4;
	map = again(made, 0);
	ck_assert_int_eq(uebpf_map_update(map, &k, v, 0), 0);
	peer = spawn();
	if (!peer) {
		uint32_t *word = (uint32_t *)map->ops->lookup(map, &k, NULL) + 1;

		*ready = lock_take(map_local(map), &((struct hash_map *)map)->bucket[0].lock) == 0 && !spin_lock(word, false);
		for (;;)
			pause();
	}
	while (!*ready)
		usleep(1000);
	ck_assert_int_eq(uebpf_map_update(map, &k, v, 0), -EBUSY);
	ck_assert_int_eq(uebpf_map_update(made, &k, v, 0), -EBUSY);
	ck_assert_int_eq(uebpf_map_delete(map, &k), -EBUSY);
	ck_assert_int_eq(uebpf_map_lookup_flags(map, &k, v, BPF_F_LOCK), -EBUSY);
	ck_assert_int_eq(uebpf_map_lookup(map, &k, v), 0);
	kill(peer, SIGKILL);	/* and is gone: taken over */
	waitpid(peer, NULL, 0);
	ck_assert_int_eq(uebpf_map_lookup_flags(map, &k, v, BPF_F_LOCK), 0);
	ck_assert_int_eq(uebpf_map_update(map, &k, v, BPF_F_LOCK), 0);
	ck_assert_int_eq(uebpf_map_update(made, &k, v, 0), 0);
	uebpf_map_unref(map);
	uebpf_map_unref(made);
}
END_TEST

/* Two buckets' chains end in each other, every free list in itself: each walk over all of it comes to an end. */
START_TEST(a_tied_chain_ends_every_walk)
{
	enum { N = 200000 };
	struct uebpf_map *owner = make(NULL, BPF_MAP_TYPE_HASH, 8, 24, N, 0), *map = again(owner, 0);
	struct hash_map *h = (struct hash_map *)owner;
	uint64_t k = 1, next, v[3] = { 0 }, began;
	uint32_t count = 8;
	static uint64_t keys[8], values[24];

	for (uint32_t i = 0; i <= h->mask; i++)
		atomic_store(&h->bucket[i].next, h->mask + 1 + i % h->nr_over);
	for (uint32_t i = 0; i < h->nr_over; i++)
		atomic_store(&h->bucket[h->mask + 1 + i].next, h->mask + 1 + (i + 1) % h->nr_over);
	began = (uint64_t)clock();
	ck_assert_int_eq(uebpf_map_next_key(map, NULL, &next), -ENOENT);
	ck_assert_int_eq(uebpf_map_lookup(map, &k, v), -ENOENT);
	ck_assert_int_eq(uebpf_map_lookup_batch(map, NULL, keys, values, &count, 0), -ENOENT);
	uebpf_map_update(map, &k, v, 0);
	uebpf_map_delete(map, &k);
	atomic_store(&h->bucket[0].lock.owner, UINT64_C(0x3fffff));	/* nobody's: repaired, with all that */
	atomic_store(&h->bucket[0].tag[0], TAG_USED);
	atomic_store(&h->head->dirty, 1);
	uebpf_map_update(map, &k, v, 0);
	ck_assert_uint_lt(((uint64_t)clock() - began) / CLOCKS_PER_SEC, 3);
	uebpf_map_unref(map);
	uebpf_map_unref(owner);
}
END_TEST

START_TEST(percpu_counts_of_processes_add_up)
{
	enum { N = 20000 };
	struct uebpf_map *map = make(NULL, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 4, 0);
	uint64_t *all = calloc(map->cpu_slots, 8), sum = 0;
	uint32_t k = 1;

	for (int round = 0; round < 5; round++) {	/* windows of the gone are used again */
		pid_t peer[4];

		for (int i = 0; i < 4; i++) {
			peer[i] = spawn();
			for (int n = 0; !peer[i] && n < N; n++) {
				struct uebpf_call call = { .slot = -1, .env = &test_host };
				uint64_t *v = map->ops->lookup(map, &k, &call);

				if (!v)
					_exit(1);
				++*(volatile uint64_t *)v;
				call.on_exit(&call);
			}
			if (!peer[i])
				_exit(0);
		}
		for (int i = 0; i < 4; i++) {
			int status;

			waitpid(peer[i], &status, 0);
			ck_assert_int_eq(status, 0);
		}
	}
	ck_assert_int_eq(uebpf_map_lookup(map, &k, all), 0);
	for (uint32_t i = 0; i < map->cpu_slots; i++)
		sum += all[i];
	ck_assert_uint_eq(sum, 5 * 4 * N);
	free(all);
	uebpf_map_unref(map);
}
END_TEST

static int add(void *arg, const void *data, size_t len)
{
	(void)len;
	*(uint64_t *)arg += *(const uint64_t *)data;
	return 0;
}

START_TEST(ring_between_processes_and_a_producer_that_dies)
{
	enum { N = 20000 };
	struct uebpf_map *map = make(NULL, BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0), *mine = again(map, 0);
	uint64_t sum = 0, want = (uint64_t)N * (N + 1) / 2;
	pid_t peer = spawn();

	if (!peer) {
		uint64_t *rec;

		uebpf_map_reserve(map, 8);	/* and never commits it */
		for (uint64_t i = 1; i <= N; i++) {
			while (!(rec = uebpf_map_reserve(map, 8)))
				sched_yield();
			*rec = i;
			uebpf_map_commit(map, rec, 0);
		}
		uebpf_map_reserve(map, 8);	/* and dies without commit */
		kill(getpid(), SIGKILL);
	}
	/* the very first record was never committed: held back until its producer is gone */
	usleep(20000);
	ck_assert_int_eq(uebpf_map_consume(mine, add, &sum), 0);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	ck_assert_int_gt(uebpf_map_consume(mine, add, &sum), 0);
	ck_assert_uint_le(sum, want);
	uebpf_map_unref(map);
	uebpf_map_unref(mine);
}
END_TEST

/* Scribbles over everything, including locks and links, while we use the map. */
START_TEST(a_hostile_peer_cannot_hurt_this_process)
{
	static const uint32_t types[][4] = {
		{ BPF_MAP_TYPE_HASH, 8, 8, 0 }, { BPF_MAP_TYPE_LRU_HASH, 8, 8, 0 }, { BPF_MAP_TYPE_PERCPU_HASH, 8, 8, 0 },
		{ BPF_MAP_TYPE_LPM_TRIE, 8, 8, BPF_F_NO_PREALLOC }, { BPF_MAP_TYPE_ARRAY, 4, 8, 0 },
		{ BPF_MAP_TYPE_QUEUE, 0, 8, 0 }, { BPF_MAP_TYPE_STACK, 0, 8, 0 }, { BPF_MAP_TYPE_BLOOM_FILTER, 0, 8, 0 },
		{ BPF_MAP_TYPE_STACK_TRACE, 4, 64, 0 }, { BPF_MAP_TYPE_RINGBUF, 0, 0, 0 },
	};
	const uint32_t *t = types[_i];
	struct uebpf_map *owner = make(NULL, t[0], t[1], t[2], t[0] == BPF_MAP_TYPE_RINGBUF ? 4096 : 200, t[3]);
	struct uebpf_map *map = again(owner, 0);
	uint64_t *values = calloc(300, 8), state = 99, end;
	struct timespec now;
	pid_t peer = spawn();

	if (!peer) {
		uint8_t *bytes = owner->base;
		uint64_t s = 12345;

		for (;;) {
			size_t at = rnd(&s) % owner->bytes & ~(size_t)3;
			uint32_t v = rnd(&s) % 3 ? (uint32_t)rnd(&s) % 300 : (uint32_t)rnd(&s);

			if (rnd(&s) % 8 == 0)	/* often the front, where heads and buckets are */
				at %= 4096;
			memcpy(bytes + at, &v, 4);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	end = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + (getenv("SOAK") ? 10000 : 120);
	do {
		uint64_t key[2] = { rnd(&state) % 300, 0 };
		void *k = t[1] ? key : NULL, *rec;

		if (t[0] == BPF_MAP_TYPE_LPM_TRIE)
			((uint32_t *)key)[0] = (uint32_t)(rnd(&state) % 33), ((uint32_t *)key)[1] = (uint32_t)rnd(&state);
		uebpf_map_update(map, k, values, 0);
		uebpf_map_lookup(map, k, values);
		uebpf_map_next_key(map, k, key);
		uebpf_map_next_key(map, NULL, key);
		if (rnd(&state) % 2)
			uebpf_map_delete(map, k);
		else
			uebpf_map_lookup_delete(map, k, values);
		rec = uebpf_map_reserve(map, rnd(&state) % 500);
		uebpf_map_commit(map, rec, 0);
		values[0] = 0;
		uebpf_map_consume(map, add, values);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 < end);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	uebpf_map_unref(map);
	uebpf_map_unref(owner);
	free(values);
}
END_TEST

int main(void)
{
	TCase *t = test_case("shared maps", getenv("SOAK") ? 3600 : 300);

	tcase_add_loop_test(t, a_second_handle_sees_the_same_bytes, 0, 5);
	tcase_add_test(t, what_cannot_be_trusted_is_refused);
	tcase_add_test(t, a_peer_killed_in_the_middle_leaves_the_map_usable);
	tcase_add_test(t, a_lock_whose_owner_died_is_taken_over);
	tcase_add_test(t, a_lock_that_a_living_peer_keeps_is_not_waited_for);
	tcase_add_test(t, a_tied_chain_ends_every_walk);
	tcase_add_test(t, percpu_counts_of_processes_add_up);
	tcase_add_test(t, ring_between_processes_and_a_producer_that_dies);
	tcase_add_loop_test(t, a_hostile_peer_cannot_hurt_this_process, 0, 10);
	return run_tests();
}
