/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Is a hash table linearisable?  Threads work on one key at once; each operation notes when it began and when
 * it had ended; then an order is looked for that keeps these times and gives every result that was seen in a
 * plain variable.  Rounds are short, so that the search can be complete.  SOAK=1 plays more of them. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include "maps/hash.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

enum { THREADS = 2, OPS = 6, ALL = THREADS * OPS, ABSENT = 0 };
enum what { UPDATE, INSERT, EXISTING, REMOVE, TAKE, LOOKUP, WHATS };
struct event { enum what what; uint64_t value, got, begin, end; int r; };

static struct { struct uebpf_map *map; struct event op[THREADS][OPS]; } game;
static _Atomic uint32_t round_now, ready, ended;	/* rounds count from 1; the last is STOP */
#define STOP UINT32_MAX
static _Atomic uint64_t clock_now;

static struct uebpf_map *make(const uint32_t shape[3])
{
	struct uebpf_map_opts o = { .size = sizeof(o), .type = shape[0], .key_size = 8, .value_size = shape[1],
				    .max_entries = shape[2] };
	struct uebpf_error err;
	struct uebpf_map *m;

	ck_assert_msg(!map_new(&test_host, &o, &m, &err), "%s", err.text);
	return m;
}

static void play(struct event *op)
{
	static const uint64_t flags[] = { [UPDATE] = BPF_ANY, [INSERT] = BPF_NOEXIST, [EXISTING] = BPF_EXIST };
	uint64_t key = 7, v[2] = { op->value, ~op->value };

	op->begin = atomic_fetch_add(&clock_now, 1);
	switch (op->what) {
	case REMOVE: op->r = uebpf_map_delete(game.map, &key); break;
	case TAKE: op->r = uebpf_map_lookup_delete(game.map, &key, v); break;
	case LOOKUP: op->r = uebpf_map_lookup(game.map, &key, v); break;
	default: op->r = uebpf_map_update(game.map, &key, v, flags[op->what]); break;
	}
	op->end = atomic_fetch_add(&clock_now, 1);
	op->got = v[0];
	if (game.map->value_size == 16 && v[1] != ~v[0])
		op->got = UINT64_MAX;	/* torn: no order explains it */
}

/* Players must start within nanoseconds of each other, or their operations never meet. */
static void wait_for(_Atomic uint32_t *at, uint32_t least)
{
	for (uint32_t n = 0; atomic_load(at) < least; n++)
		if (n > 100000)
			sched_yield();
}

static void *player(void *arg)
{
	struct event *op = arg;

	for (uint32_t round = 1;; round++) {
		atomic_store(&ready, round);
		wait_for(&round_now, round);
		if (atomic_load(&round_now) == STOP)
			return NULL;
		for (int i = 0; i < OPS; i++)
			play(&op[i]);
		atomic_store(&ended, round);
	}
}

/* What a sequential table does: the state after it, or UINT64_MAX when it would have answered otherwise. */
static uint64_t after(const struct event *op, uint64_t state)
{
	bool there = state != ABSENT;
	int want = op->what == UPDATE || there == (op->what != INSERT) ? 0 : op->what == INSERT ? -EEXIST : -ENOENT;

	if (op->r != want || (!op->r && (op->what == TAKE || op->what == LOOKUP) && op->got != state))
		return UINT64_MAX;
	if (op->r || op->what == LOOKUP)
		return state;
	return op->what == REMOVE || op->what == TAKE ? ABSENT : op->value;
}

/* next[t]: operations of thread t that are ordered already. */
static bool has_order(int next[THREADS], uint64_t state)
{
	uint64_t first_end = UINT64_MAX, then;
	bool done = true;

	for (int t = 0; t < THREADS; t++)
		if (next[t] < OPS && game.op[t][next[t]].end < first_end)
			first_end = game.op[t][next[t]].end;
	for (int t = 0; t < THREADS; t++) {
		const struct event *op = &game.op[t][next[t]];

		if (next[t] == OPS)
			continue;
		done = false;
		if (op->begin > first_end || (then = after(op, state)) == UINT64_MAX)
			continue;
		next[t]++;
		if (has_order(next, then))
			return true;
		next[t]--;
	}
	return done;
}

/* Did any two operations of different threads run at once? */
static bool overlapped(void)
{
	for (int a = 0; a < ALL; a++)
		for (int b = 0; b < ALL; b++) {
			const struct event *x = &game.op[a / OPS][a % OPS], *y = &game.op[b / OPS][b % OPS];

			if (a / OPS != b / OPS && x->begin < y->begin && y->begin < x->end)
				return true;
		}
	return false;
}

static void fail_with_history(void)
{
	static const char *const names[] = { "update", "insert", "existing", "remove", "take", "lookup" };

	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < OPS; i++) {
			const struct event *op = &game.op[t][i];

			printf("thread %d: %llu-%llu %s %llu -> %d, %llu\n", t, (unsigned long long)op->begin,
			       (unsigned long long)op->end, names[op->what], (unsigned long long)op->value, op->r,
			       (unsigned long long)op->got);
		}
	ck_abort_msg("no order of these operations gives these results");
}

static const uint32_t shapes[][3] = {
	{ BPF_MAP_TYPE_HASH, 8, 4 }, { BPF_MAP_TYPE_HASH, 16, 4 }, { BPF_MAP_TYPE_HASH, 8, 1 },
	{ BPF_MAP_TYPE_LRU_HASH, 8, 64 },
};

START_TEST(a_history_has_a_sequential_order)
{
	uint64_t seed = 0x9e3779b97f4a7c15u * (uint64_t)(_i + 1), value = 1, key = 7;
	uint32_t rounds = getenv("SOAK") ? 1000000 : 1000, met = 0;
	pthread_t other;

	game.map = make(shapes[_i]);
	atomic_store(&round_now, 0);
	atomic_store(&ready, 0);
	atomic_store(&ended, 0);
	pthread_create(&other, NULL, player, game.op[1]);
	for (uint32_t n = 1; n <= rounds; n++) {
		int next[THREADS] = { 0 };

		wait_for(&ready, n);
		uebpf_map_delete(game.map, &key);
		for (int t = 0; t < THREADS; t++)
			for (int i = 0; i < OPS; i++) {
				value++;
				game.op[t][i] = (struct event){ .what = (enum what)(rnd(&seed) % WHATS), .value = value };
			}
		atomic_store(&round_now, n);
		for (int i = 0; i < OPS; i++)
			play(&game.op[0][i]);
		wait_for(&ended, n);
		if (!has_order(next, ABSENT))
			fail_with_history();
		met += overlapped();
	}
	printf("%u histories, in %u operations overlapped\n", rounds, met);
	atomic_store(&round_now, STOP);
	pthread_join(other, NULL);
	uebpf_map_unref(game.map);
}
END_TEST

int main(void)
{
	TCase *t = test_case("histories of maps", 3600);

	tcase_add_loop_test(t, a_history_has_a_sequential_order, 0, sizeof(shapes) / sizeof(shapes[0]));
	return run_tests();
}
