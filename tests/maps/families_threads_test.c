/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Threads on one map: each keeps a plain model of its own keys and must see exactly that, while
 * readers check that a value always belongs to its key.  Also exact per-CPU sums and ring buffers
 * with many producers.  Runs under TSan too; argv or SOAK=1 make it longer. */
#include <pthread.h>
#include "tests/maps/suite.h"
#include "tests/util/run.h"

enum { WRITERS = 4, READERS = 2, OWN_KEYS = 64, ANCHORS = 4, FIRST_ANCHOR = WRITERS * OWN_KEYS };
static uint32_t rounds = 100000;
static _Atomic int wrong;
static _Atomic bool done;
static struct uebpf_map *map;

/* A value carries its key in every word. */
struct value { uint64_t key, again, serial; };

static void bad(const char *what, uint64_t key)
{
	if (!atomic_fetch_add(&wrong, 1))
		fprintf(stderr, "first difference: %s, key %llu\n", what, (unsigned long long)key);
}

static void key_bytes(uint8_t key[40], uint64_t k)
{
	memset(key, 0, 40);
	if (map->ops == &lpm_trie_ops) {
		uint32_t plen = 64;

		memcpy(key, &plen, 4);
		k = k * UINT64_C(0x9e3779b97f4a7c15);
		memcpy(key + 4, &k, 8);
	} else {
		memcpy(key, &k, 8);
		memcpy(key + 32, &k, 8);
	}
}

static void *writer(void *arg)
{
	uint64_t first = (uint64_t)(uintptr_t)arg * OWN_KEYS, state = first * 2 + 1;
	uint64_t serial[OWN_KEYS] = { 0 };	/* 0: not in the map */
	bool lru = map->ops->traits & MT_LRU;

	for (uint32_t i = 1; i <= rounds; i++) {
		uint32_t at = (uint32_t)(rnd(&state) % OWN_KEYS), op = (uint32_t)(rnd(&state) % 4);
		struct value v = { first + at, first + at, i }, got;
		uint8_t key[40];
		int r;

		key_bytes(key, first + at);
		if (i % 2 && !lru) {	/* keys that are always there, whoever updates them */
			uint64_t k = FIRST_ANCHOR + rnd(&state) % ANCHORS;
			struct value anchor = { k, k, i };

			key_bytes(key, k);
			if (map->ops->update(map, key, &anchor, BPF_EXIST, NULL))
				bad("update of a key that is there", k);
		} else if (op == 0) {
			r = (int)map->ops->remove(map, key);
			if (!lru && r != (serial[at] ? 0 : -ENOENT))
				bad("delete", first + at);
			serial[at] = 0;
		} else if (op == 1) {
			uint64_t flags = serial[at] ? BPF_EXIST : BPF_NOEXIST;

			r = (int)map->ops->update(map, key, &v, lru ? 0 : flags, NULL);
			if (r)
				bad("update", first + at);
			serial[at] = i;
		} else {
			r = uebpf_map_lookup(map, key, &got);
			if (!lru && r != (serial[at] ? 0 : -ENOENT))
				bad("lookup", first + at);
			if (!r && (got.key != first + at || got.again != got.key || got.serial != serial[at]))
				bad("value", first + at);
		}
	}
	return NULL;
}

static void *reader(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg * 77 + 5;
	uint8_t key[40], next[40];

	while (!atomic_load(&done)) {
		uint64_t k = rnd(&state) % (WRITERS * OWN_KEYS);
		struct value got;

		key_bytes(key, k);
		if (!uebpf_map_lookup(map, key, &got) && (got.key != k || got.again != k))
			bad("reader's value", k);
		k = FIRST_ANCHOR + rnd(&state) % ANCHORS;
		key_bytes(key, k);
		if (!(map->ops->traits & MT_LRU) && !map->ops->lookup(map, key, NULL))
			bad("lookup of a key that is there", k);
		if (map->ops->next_key && !uebpf_map_next_key(map, NULL, next) &&
		    uebpf_map_next_key(map, next, next) == -EBUSY)
			bad("next_key", 0);
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t t[WRITERS + READERS];

	atomic_store(&done, false);
	atomic_store(&wrong, 0);
	for (uint64_t k = FIRST_ANCHOR; k < FIRST_ANCHOR + ANCHORS; k++) {
		struct value anchor = { k, k, 0 };
		uint8_t key[40];

		key_bytes(key, k);
		ck_assert_int_eq(map->ops->update(map, key, &anchor, 0, NULL), 0);
	}
	for (uintptr_t i = 0; i < WRITERS + READERS; i++)
		pthread_create(&t[i], NULL, i < WRITERS ? writer : reader, (void *)i);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(t[i], NULL);
	atomic_store(&done, true);
	for (int i = WRITERS; i < WRITERS + READERS; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(atomic_load(&wrong), 0);
}

static const struct { uint32_t type, key, n, flags; } tables[] = {
	{ BPF_MAP_TYPE_HASH, 8, 512, 0 }, { BPF_MAP_TYPE_HASH, 40, 512, 0 },
	{ BPF_MAP_TYPE_HASH, 8, FIRST_ANCHOR + ANCHORS, 0 },	/* exactly full: every element is reused */
	{ BPF_MAP_TYPE_LRU_HASH, 8, 40, 0 }, { BPF_MAP_TYPE_LPM_TRIE, 12, 512, BPF_F_NO_PREALLOC },
};

START_TEST(each_thread_sees_exactly_its_own_model)
{
	map = suite_map(tables[_i].type, tables[_i].key, sizeof(struct value), tables[_i].n, tables[_i].flags);
	run_threads();
	uebpf_map_unref(map);
}
END_TEST

/* ---- per-CPU sums ---- */

static void *increments(void *arg)
{
	uint32_t key = 1, n = rounds * 10;

	(void)arg;
	for (uint32_t i = 0; i < n; i++) {
		struct uebpf_call call = { .slot = -1, .env = &test_host };
		uint64_t *v = map->ops->lookup(map, &key, &call);

		for (int j = 0; v && j < 5; j++)
			++*(volatile uint64_t *)v;
		if (!v || !call.on_exit)
			bad("no slot", i);
		else
			call.on_exit(&call);
	}
	return NULL;
}

START_TEST(percpu_increments_of_8_threads_add_up)
{
	static const uint32_t types[] = { BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH };
	uint64_t sum = 0, values[64] = { 0 };
	pthread_t t[8];
	uint32_t key = 1;

	map = suite_map(types[_i], 4, 8, 4, 0);
	atomic_store(&wrong, 0);
	ck_assert_uint_eq(map->cpu_slots, 64);
	ck_assert_int_eq(uebpf_map_update(map, &key, values, 0), 0);
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, increments, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(uebpf_map_lookup(map, &key, values), 0);
	for (int i = 0; i < 64; i++)
		sum += values[i];
	ck_assert_int_eq(atomic_load(&wrong), 0);
	ck_assert_uint_eq(sum, (uint64_t)8 * rounds * 10 * 5);
	uebpf_map_unref(map);
}
END_TEST

/* ---- ring buffer ---- */

enum { PRODUCERS = 4 };
struct message { uint32_t who, serial; };

static void *producer(void *arg)
{
	uint32_t who = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < rounds; i++) {
		struct message *m;

		while (!(m = map->ops->more->reserve(map, sizeof(*m) + i % 100)))
			sched_yield();
		*m = (struct message){ who, i };
		map->ops->more->commit(map, m, 0, i % 10 == 9);
	}
	return NULL;
}

struct seen { uint32_t next[PRODUCERS]; uint64_t n; };
static int check_message(void *arg, const void *data, size_t len)
{
	const struct message *m = data;
	struct seen *seen = arg;

	if (m->who >= PRODUCERS || m->serial != seen->next[m->who] || len != sizeof(*m) + m->serial % 100)
		bad("message", m->serial);
	else
		seen->next[m->who] = m->serial % 10 == 8 ? m->serial + 2 : m->serial + 1;
	seen->n++;
	return 0;
}

START_TEST(ring_with_many_producers_loses_nothing)
{
	uint64_t want = (uint64_t)PRODUCERS * (rounds - rounds / 10);
	struct seen seen = { { 0 }, 0 };
	pthread_t t[PRODUCERS];

	map = suite_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
	atomic_store(&wrong, 0);
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		pthread_create(&t[i], NULL, producer, (void *)i);
	while (seen.n < want)
		if (!uebpf_map_consume(map, check_message, &seen))
			sched_yield();
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(uebpf_map_consume(map, check_message, &seen), 0);
	ck_assert_int_eq(atomic_load(&wrong), 0);
	ck_assert_uint_eq(seen.n, want);
	uebpf_map_unref(map);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("maps under threads", 600);

	if (argc > 1)
		rounds = (uint32_t)atoi(argv[1]);
	else if (getenv("SOAK"))
		rounds = 625000;	/* 8 threads, 50 million increments each test */
#ifdef __SANITIZE_THREAD__
	rounds /= 5;
#endif
	tcase_add_loop_test(t, each_thread_sees_exactly_its_own_model, 0, sizeof(tables) / sizeof(tables[0]));
	tcase_add_loop_test(t, percpu_increments_of_8_threads_add_up, 0, 2);
	tcase_add_test(t, ring_with_many_producers_loses_nothing);
	return run_tests();
}
