/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Peers of a shared map that are killed at random points, once in each way a family changes: nothing is lost but the
 * operation in flight, nothing leaks, nobody waits.  SOAK=1: a thousand kills for each kind of map. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include "tests/maps/suite.h"
#include "tests/util/run.h"

enum { OWN = 20, ROOM = 3 * OWN };
struct kind { const char *name; uint32_t type, key, value, flags; };
static const struct kind kinds[] = {
	{ "twins", BPF_MAP_TYPE_HASH, 8, 8, 0 },
	{ "short twins", BPF_MAP_TYPE_HASH, 4, 4, 0 },
	{ "odd twins", BPF_MAP_TYPE_HASH, 5, 8, 0 },
	{ "hash", BPF_MAP_TYPE_HASH, 8, 24, 0 },
	{ "hash of long keys", BPF_MAP_TYPE_HASH, 37, 40, BPF_F_NO_PREALLOC },
	{ "per-CPU hash", BPF_MAP_TYPE_PERCPU_HASH, 8, 16, 0 },
	{ "LRU", BPF_MAP_TYPE_LRU_HASH, 8, 16, 0 },
	{ "per-CPU LRU", BPF_MAP_TYPE_LRU_PERCPU_HASH, 8, 8, 0 },
	{ "LPM", BPF_MAP_TYPE_LPM_TRIE, 8, 16, BPF_F_NO_PREALLOC },
	{ "devices", BPF_MAP_TYPE_DEVMAP_HASH, 4, 8, 0 },
	{ "queue", BPF_MAP_TYPE_QUEUE, 0, 16, 0 },
	{ "stack", BPF_MAP_TYPE_STACK, 0, 16, 0 },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
struct peer { struct uebpf_map *map; const struct kind *kind; uint32_t who; uint64_t rnd; uint64_t had[OWN]; };
static volatile uint64_t *done;		/* operations of each peer */

static bool lru(const struct kind *s) { return s->type == BPF_MAP_TYPE_LRU_HASH || s->type == BPF_MAP_TYPE_LRU_PERCPU_HASH; }

static size_t bytes_of(const struct peer *p)
{
	return p->map->cpu_slots > 1 ? (size_t)p->map->cpu_slots * p->map->value_stride : p->map->value_size;
}

/* Key `at` of peer `who`, in every byte; prefixes of different lengths that nest. */
static void key_of(const struct peer *p, uint32_t who, uint32_t at, uint8_t key[64])
{
	uint32_t n = who * OWN + at;

	memset(key, 0, 64);
	if (p->kind->type == BPF_MAP_TYPE_LPM_TRIE) {
		uint32_t plen = 16 + at % 17;

		memcpy(key, &plen, 4);
		key[4] = (uint8_t)(who + 1);
		key[5] = (uint8_t)at;
		key[6] = plen > 16 ? 0xff : 0;
	} else {
		memcpy(key, &n, 4);
		for (uint32_t i = 4; i < p->kind->key; i++)
			key[i] = (uint8_t)(n * 13 + i);
	}
}

/* A value says its key and its number in each word, so that a torn one shows. */
static void value_of(const struct peer *p, uint32_t n, uint64_t stamp, void *value)
{
	uint32_t *w = value;

	for (size_t i = 0; i < bytes_of(p) / 4; i++)
		w[i] = (n + 1) << 16 | ((uint32_t)stamp & 0xffff);
}

/* Per-CPU values are written in place, slot by slot: a peer that dies there leaves some words old. */
static bool whole(const struct peer *p, const void *value)
{
	bool in_place = p->map->cpu_slots > 1;
	uint32_t first = 0;

	for (size_t i = 0; i < bytes_of(p) / 4; i++) {
		uint32_t w = ((const uint32_t *)value)[i];

		w = in_place ? w >> 16 : w;
		first = first ? first : w;
		if (w != first && !(in_place && !w))
			return false;
	}
	return first != 0;
}

/* Check's own words go through a pipe that a killed peer would leave half written: only the parent says them. */
static pid_t parent;
#define must(cond, ...) \
	do { \
		if (!(cond) && getpid() != parent) \
			_exit(3); \
		if (!(cond)) \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

static void one(struct peer *p)
{
	static uint64_t value[1 << 12];
	uint32_t at = (uint32_t)(rnd(&p->rnd) % OWN), n = p->who * OWN + at;
	uint8_t key[64];
	int r;

	if (!p->kind->key) {
		value_of(p, n, done[p->who], value);
		r = rnd(&p->rnd) % 2 ? uebpf_map_update(p->map, NULL, value, rnd(&p->rnd) % 2 ? BPF_EXIST : 0) :
				       uebpf_map_lookup_delete(p->map, NULL, value);
		must(!r || r == -E2BIG || r == -ENOENT, "%s: %d", p->kind->name, r);
		must(r || whole(p, value), "%s: a torn value", p->kind->name);
		done[p->who]++;
		return;
	}
	key_of(p, p->who, at, key);
	if (rnd(&p->rnd) % 3) {
		p->had[at] = done[p->who] + 1;
		value_of(p, n, p->had[at], value);
		r = uebpf_map_update(p->map, key, value, 0);
		must(!r, "%s: update gives %d", p->kind->name, r);
	} else {
		r = uebpf_map_delete(p->map, key);
		must(r == (p->had[at] ? 0 : -ENOENT) || (lru(p->kind) && r == -ENOENT), "%s: delete gives %d",
			      p->kind->name, r);
		p->had[at] = 0;
	}
	done[p->who]++;
}

/* What is mine is as I left it; what is the dead's is whole. */
static void look(struct peer *p, bool mine)
{
	static uint64_t value[1 << 12], want[1 << 12];
	uint32_t who = mine ? p->who : 1;

	for (uint32_t at = 0; p->kind->key && at < OWN; at++) {
		uint8_t key[64];
		int r;

		key_of(p, who, at, key);
		r = uebpf_map_lookup(p->map, key, value);
		/* A longer prefix that is gone may leave the match to no other: these do not cover each other. */
		ck_assert_msg(!r || r == -ENOENT, "%s: lookup gives %d", p->kind->name, r);
		ck_assert_msg(r || whole(p, value), "%s: value of key %u is torn", p->kind->name, at);
		if (!mine)
			continue;
		ck_assert_msg(!r == !!p->had[at] || (r && lru(p->kind)), "%s: key %u: %d, last written %llu", p->kind->name, at, r,
			      (unsigned long long)p->had[at]);
		value_of(p, who * OWN + at, p->had[at], want);
		ck_assert_msg(r || !memcmp(value, want, p->map->cpu_slots > 1 ? 4 : p->map->value_size),
			      "%s: key %u has an old value", p->kind->name, at);
	}
}

/* As many entries as the map was made for, and not one more. */
static void nothing_leaked(struct peer *p)
{
	static uint64_t value[1 << 12];
	uint8_t key[64], next[64];
	uint32_t n = 0;
	int r;

	memset(value, 1, sizeof(value));
	if (!p->kind->key) {
		while (!uebpf_map_update(p->map, NULL, value, 0))
			n++;
		ck_assert_msg(n <= ROOM, "%s", p->kind->name);
		for (n = 0; !uebpf_map_lookup_delete(p->map, NULL, value); n++)
			;
		ck_assert_msg(n == ROOM, "%s: holds %u of %u", p->kind->name, n, ROOM);
		return;
	}
	for (uint32_t turn = 0; turn < (lru(p->kind) ? 8 : 1); turn++)
		for (uint32_t i = 0; i < ROOM; i++) {
			key_of(p, i / OWN + turn * 3, i % OWN, key);
			r = uebpf_map_update(p->map, key, value, 0);
			ck_assert_msg(!r, "%s: entry %u of %u: %d", p->kind->name, i, ROOM, r);
		}
	for (r = uebpf_map_next_key(p->map, NULL, key); !r; r = uebpf_map_next_key(p->map, key, next), memcpy(key, next, 64))
		n++;
	ck_assert_msg(lru(p->kind) ? n + 2 >= ROOM && n <= ROOM : n == ROOM, "%s: %u entries of %u", p->kind->name, n, ROOM);
	key_of(p, 100, 1, key);
	if (!lru(p->kind))
		ck_assert_msg(uebpf_map_update(p->map, key, value, 0) < 0, "%s", p->kind->name);
}

static pid_t peer_of(struct peer *p)
{
	pid_t pid = spawn();

	if (pid)
		return pid;
	p->who = 1;
	p->rnd = (uint64_t)getpid() * 7919 + 1;
	/* What an earlier peer left goes first: then `had` is right. */
	for (uint32_t at = 0; p->kind->key && at < OWN; at++) {
		uint8_t key[64];

		key_of(p, 1, at, key);
		uebpf_map_delete(p->map, key);
		p->had[at] = 0;
	}
	for (;;)
		one(p);
}

START_TEST(a_peer_killed_at_any_point_costs_its_operation_only)
{
	const struct kind *s = &kinds[_i];
	struct uebpf_map_opts o = { .size = sizeof(o), .name = "kill", .type = s->type, .key_size = s->key,
				    .value_size = s->value, .max_entries = ROOM, .flags = s->flags };
	uint32_t kills = getenv("SOAK") ? 1000 : 6;
	struct peer me = { .kind = s, .rnd = 88172645463325252u };
	struct uebpf_error err;

	ck_assert_msg(!map_new_shared(&test_host, &o, NULL, 0, UEBPF_OPEN_TRUSTED, &me.map, &err), "%s", err.text);
	parent = getpid();
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (uint32_t i = 0; i < kills; i++) {
		uint64_t start = done[1], until = 5 + rnd(&me.rnd) % 300;
		pid_t pid = peer_of(&me);
		int status;

		while (done[1] - start < until && !waitpid(pid, &status, WNOHANG))
			one(&me);
		ck_assert_msg(done[1] - start >= until, "%s: the peer stopped by itself", s->name);
		for (volatile uint32_t spin = (uint32_t)(rnd(&me.rnd) % 400); spin; spin--)
			;
		kill(pid, SIGKILL);
		for (int n = 0; n < 60; n++)
			one(&me);
		waitpid(pid, NULL, 0);
		look(&me, true);
		look(&me, false);
	}
	nothing_leaked(&me);
	printf("%s: kills %u, locks taken over %u\n", s->name, kills, atomic_load(&map_local(me.map)->store->repairs));
	uebpf_map_unref(me.map);
	munmap((void *)(uintptr_t)done, 4096);
	maps_host_fini(&test_host);
}
END_TEST

int main(void)
{
	TCase *t = test_case("peers that are killed", getenv("SOAK") ? 3600 : 60);

	tcase_add_loop_test(t, a_peer_killed_at_any_point_costs_its_operation_only, 0, KINDS);
	return run_tests();
}
