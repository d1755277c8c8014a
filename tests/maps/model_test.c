/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Random operations against a plain model: hashes that run full, LPM tries dense enough for their tables.
 * SOAK=1: millions of operations. */
#include "maps/hash.h"
#include "maps/lpm.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

enum { KEYS = 700, ROOM = 512 };

static struct uebpf_map *make(bool shared, uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .name = "model", .type = type, .key_size = key,
				    .value_size = value, .max_entries = n, .flags = flags };
	struct uebpf_map *map, *opened;
	struct uebpf_error err;

	if (!shared) {
		ck_assert_msg(!map_new(&test_host, &o, &map, &err), "%s", err.text);
		return map;
	}
	ck_assert_msg(!map_new_shared(&test_host, &o, NULL, 0, 0, &map, &err), "%s", err.text);
	ck_assert_msg(!map_open_shared(&test_host, NULL, map_local(map)->fd, 0, &opened, &err), "%s", err.text);
	uebpf_map_unref(map);
	return opened;
}

static uint32_t steps(uint32_t few)
{
	return getenv("SOAK") ? few * 100 : few;
}

/* ---- hash ---- */

static const struct { uint32_t key, value, n; } shapes[] = {
	{ 4, 8, ROOM }, { 8, 8, ROOM }, { 8, 24, ROOM }, { 16, 8, ROOM }, { 24, 40, ROOM }, { 8, 8, 3 }, { 8, 8, 1 },
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void hash_walk(struct uebpf_map *map, uint32_t keys, uint64_t seed, uint32_t n)
{
	static uint64_t model[KEYS];	/* 0: absent */
	uint64_t state = seed | 1, key[3] = { 0 }, in[5], out[5];
	uint32_t entries = 0;

	memset(model, 0, sizeof(model));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = (uint32_t)(rnd(&state) % keys), what = (uint32_t)(rnd(&state) % 16);
		uint64_t flags = rnd(&state) % 4 ? 0 : rnd(&state) % 3;
		bool full = entries == map->max_entries;
		int r, want;

		key[0] = k;
		for (int w = 0; w < 5; w++)
			in[w] = rnd(&state) | 1;
		if (map->value_size == 8 || what >= 8)
			in[1] = in[0];
		if (what < 8) {
			want = model[k] ? (flags == BPF_NOEXIST ? -EEXIST : 0) :
			       flags == BPF_EXIST ? -ENOENT : full ? -E2BIG : 0;
			r = uebpf_map_update(map, key, in, flags);
			if (!r && !want) {
				entries += !model[k];
				model[k] = in[0];
			}
		} else if (what < 12) {
			want = model[k] ? 0 : -ENOENT;
			r = what < 10 ? uebpf_map_delete(map, key) : uebpf_map_lookup_delete(map, key, out);
			if (!r && !want && what >= 10)
				ck_assert_uint_eq(out[0], model[k]);
			entries -= !want;
			model[k] = 0;
		} else {
			want = model[k] ? 0 : -ENOENT;
			r = uebpf_map_lookup(map, key, out);
			if (!r && !want)
				ck_assert_uint_eq(out[0], model[k]);
		}
		if (r != want)
			ck_abort_msg("step %u seed %llu: operation %u on key %u gives %d, not %d", i,
				     (unsigned long long)seed, what, k, r, want);
	}
}

START_TEST(a_hash_is_its_model)
{
	int i = _i % SHAPES;
	struct uebpf_map *map = make(_i >= SHAPES, BPF_MAP_TYPE_HASH, shapes[i].key, shapes[i].value, shapes[i].n, 0);

	hash_walk(map, shapes[i].n < ROOM ? 2 * shapes[i].n + 1 : KEYS, (uint64_t)_i + 1, steps(60000));
	uebpf_map_unref(map);
}
END_TEST

/* ---- LPM ---- */

struct route { uint32_t plen, addr; uint64_t value; };	/* value 0: free */
enum { ROUTES = 1200 };

static bool covers(const struct route *r, uint32_t plen, uint32_t addr)
{
	return r->value && r->plen <= plen && (!r->plen || !((r->addr ^ addr) >> (32 - r->plen)));
}

static const struct route *model_find(const struct route *all, uint32_t plen, uint32_t addr)
{
	const struct route *best = NULL;

	for (int i = 0; i < ROUTES; i++)
		if (covers(&all[i], plen, addr) && (!best || all[i].plen > best->plen))
			best = &all[i];
	return best;
}

static uint32_t random_addr(uint64_t *state)	/* few bits differ, so that prefixes nest */
{
	return 10u << 24 | (uint32_t)(rnd(state) & 0x3f0f33);
}

START_TEST(a_trie_is_its_model)
{
	struct uebpf_map *map = make(_i, BPF_MAP_TYPE_LPM_TRIE, 8, 8, ROUTES, BPF_F_NO_PREALLOC);
	static struct route all[ROUTES];
	uint64_t state = 77 + (unsigned)_i;
	uint32_t n = steps(20000), tables = 0;

	memset(all, 0, sizeof(all));
	for (uint32_t i = 0; i < n; i++) {
		struct route *r = &all[rnd(&state) % ROUTES];
		uint32_t key[2];
		uint64_t v;

		if (!r->value || i % 3 == 0) {	/* grows, then stays about two thirds full */
			if (r->value) {
				key[0] = r->plen;
				key[1] = __builtin_bswap32(r->addr);
				ck_assert_int_eq(uebpf_map_delete(map, key), 0);
				r->value = 0;
			} else {
				uint32_t plen = rnd(&state) % 50 ? 8 + (uint32_t)(rnd(&state) % 25) :
							      (uint32_t)(rnd(&state) % 8);
				uint32_t addr = random_addr(&state);
				const struct route *same;

				addr = plen ? addr & ~(uint32_t)((UINT64_C(1) << (32 - plen)) - 1) : 0;
				key[0] = plen;
				key[1] = __builtin_bswap32(addr);
				same = model_find(all, plen, addr);
				if (same && same->plen == plen)
					continue;	/* already there */
				v = i + 1;
				ck_assert_int_eq(uebpf_map_update(map, key, &v, 0), 0);
				*r = (struct route){ plen, addr, v };
			}
		}
		for (int probe = 0; probe < 2; probe++) {
			uint32_t plen = rnd(&state) % 4 ? 32 : (uint32_t)(rnd(&state) % 33);
			uint32_t addr = random_addr(&state);
			const struct route *want = model_find(all, plen, addr);
			int got;

			key[0] = plen;
			key[1] = __builtin_bswap32(addr);
			got = uebpf_map_lookup(map, key, &v);
			ck_assert_msg(got == (want ? 0 : -ENOENT) && (!want || v == want->value),
				      "step %u: %08x/%u gives %d %llu", i, addr, plen, got, (unsigned long long)v);
		}
		if (((struct lpm_map *)map)->head->table_fresh > tables)
			tables = ((struct lpm_map *)map)->head->table_fresh;
	}
	ck_assert_uint_ge(tables, 3);	/* the test reached them */
	uebpf_map_unref(map);
}
END_TEST

int main(void)
{
	TCase *c = test_case("maps and their models", getenv("SOAK") ? 3600 : 60);

	tcase_add_loop_test(c, a_hash_is_its_model, 0, 2 * SHAPES);
	tcase_add_loop_test(c, a_trie_is_its_model, 0, 2);
	return run_tests();
}
