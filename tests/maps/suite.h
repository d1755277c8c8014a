/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* suite.h - one set of operations on two maps at once: each call is made on both and must give the
 * same result, value and errno.  A side is ours (any storage) or the kernel's. */
#ifndef TESTS_MAPS_SUITE_H
#define TESTS_MAPS_SUITE_H

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "maps/bpf.h"
#include "maps/maps.h"

struct side {
	const char *name;
	struct uebpf_map *map;	/* ours, or NULL: */
	int fd;
};

static struct vm_host test_host __attribute__((unused));

/* A private map of ours. */
static inline struct uebpf_map *suite_map(uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .type = type, .key_size = key, .value_size = value,
				    .max_entries = n, .flags = flags };
	struct uebpf_map *map;
	struct uebpf_error err;

	ck_assert_msg(!map_new(&test_host, &o, &map, &err), "%s", err.text);
	return map;
}

/* A helper's call, as a run makes it, and the end of that run. */
static inline struct uebpf_call call_of(void)
{
	return (struct uebpf_call){ .slot = -1, .env = &test_host };
}

static inline void finish(struct uebpf_call *call)
{
	if (call->on_exit)
		call->on_exit(call);
}

/* A peer: dies with this process, however that ends. */
static inline pid_t spawn(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
	}
	return pid;
}

static inline int side_lookup(struct side *s, const void *k, void *v)
{
	return s->map ? uebpf_map_lookup(s->map, k, v) : kmap_lookup(s->fd, k, v, 0);
}
static inline int side_update(struct side *s, const void *k, const void *v, uint64_t flags)
{
	return s->map ? uebpf_map_update(s->map, k, v, flags) : kmap_update(s->fd, k, v, flags);
}
static inline int side_delete(struct side *s, const void *k)
{
	return s->map ? uebpf_map_delete(s->map, k) : kmap_delete(s->fd, k);
}
static inline int side_take(struct side *s, const void *k, void *v)
{
	return s->map ? uebpf_map_lookup_delete(s->map, k, v) : kmap_lookup_delete(s->fd, k, v, 0);
}
static inline int side_next(struct side *s, const void *k, void *n)
{
	return s->map ? uebpf_map_next_key(s->map, k, n) : kmap_next_key(s->fd, k, n);
}
static inline void side_close(struct side *s)
{
	if (s->map)
		uebpf_map_unref(s->map);
	else
		close(s->fd);
}

/* A map's shape and what the random walk does with it. */
struct map_shape {
	const char *name;
	struct uebpf_map_opts opts;
	uint32_t keys;		/* different keys in play */
	enum { KEY_INDEX, KEY_BYTES, KEY_PREFIX, KEY_NONE } key;
	enum { ORDER_SET, ORDER_SAME, ORDER_NONE } order;	/* what iteration promises */
	uint32_t values;	/* values per lookup (per-CPU) */
};

static inline uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline void make_key(const struct map_shape *s, uint64_t *state, uint8_t *key)
{
	uint64_t pick = rnd(state) % s->keys;
	uint32_t index = (uint32_t)pick;

	memset(key, 0, 512);
	if (s->key == KEY_INDEX) {
		memcpy(key, &index, 4);
	} else if (s->key == KEY_PREFIX) {
		uint32_t plen = (uint32_t)(rnd(state) % ((s->opts.key_size - 4) * 8 + 2));

		memcpy(key, &plen, 4);
		for (uint32_t i = 4; i < s->opts.key_size; i++)	/* few different bits: prefixes nest */
			key[i] = (uint8_t)(rnd(state) & (i == 4 ? 0xc1 : 0x81));
	} else {
		for (uint32_t i = 0; i < s->opts.key_size; i++)
			key[i] = (uint8_t)(pick * 37 + i * 11);
	}
}

static inline size_t value_bytes(const struct map_shape *s)
{
	return s->values > 1 ? (size_t)s->values * ((s->opts.value_size + 7) & ~7u) : s->opts.value_size;
}

static int compare_keys_size;
static inline int compare_keys_fn(const void *a, const void *b)
{
	return memcmp(a, b, (size_t)compare_keys_size);
}

static inline uint32_t all_keys(struct side *s, const struct map_shape *sh, uint8_t *out, uint32_t room)
{
	uint32_t n = 0, size = sh->opts.key_size;
	int r = side_next(s, NULL, out);

	while (!r && n + 1 < room) {
		n++;
		r = side_next(s, out + (n - 1) * size, out + n * size);
	}
	if (r != -ENOENT)
		ck_abort_msg("%s on %s: iteration ends with %d", sh->name, s->name, r);
	return n;
}

static inline void same_keys(struct side *a, struct side *b, const struct map_shape *sh)
{
	enum { ROOM = 4096 };
	uint8_t *ka = calloc(ROOM, sh->opts.key_size + 1), *kb = calloc(ROOM, sh->opts.key_size + 1);
	uint32_t na = all_keys(a, sh, ka, ROOM), nb = all_keys(b, sh, kb, ROOM);

	if (na != nb)
		ck_abort_msg("%s: %s has %u keys, %s %u", sh->name, a->name, na, b->name, nb);
	compare_keys_size = (int)sh->opts.key_size;
	if (sh->order == ORDER_SET) {
		qsort(ka, na, sh->opts.key_size, compare_keys_fn);
		qsort(kb, nb, sh->opts.key_size, compare_keys_fn);
	}
	for (uint32_t i = 0; i < na; i++)
		if (memcmp(ka + i * sh->opts.key_size, kb + i * sh->opts.key_size, sh->opts.key_size))
			ck_abort_msg("%s: key %u of %u differs between %s and %s", sh->name, i, na, a->name,
				     b->name);
	free(ka);
	free(kb);
}

/* `steps` random operations on both sides; any difference fails with the step and the seed. */
static inline void walk_both(struct side *a, struct side *b, const struct map_shape *sh, uint64_t seed,
			     uint32_t steps)
{
	static const uint64_t flags[] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 8, UINT64_C(1) << 40 };
	static const char *const verb[] = { "lookup", "update", "delete", "lookup_delete", "next_key" };
	static uint8_t key[512], va[1 << 16], vb[1 << 16], in[1 << 16];
	uint64_t state = seed | 1;

	for (uint32_t step = 0; step < steps; step++) {
		uint32_t what = (uint32_t)(rnd(&state) % 10), op;
		void *k = sh->key == KEY_NONE ? NULL : key;
		uint64_t flag = flags[rnd(&state) % (sizeof(flags) / sizeof(flags[0]))];
		size_t n = value_bytes(sh), compare = 0;
		int ra, rb;

		make_key(sh, &state, key);
		for (size_t i = 0; i < n; i++)
			in[i] = (uint8_t)rnd(&state);
		for (uint32_t i = 0; sh->values > 1 && i < sh->values; i++)	/* padding reads as 0 */
			for (size_t j = sh->opts.value_size; j % 8; j++)
				in[i * ((sh->opts.value_size + 7) & ~7u) + j] = 0;
		memset(va, 0, n);
		memset(vb, 0, n);
		op = what < 3 ? 0 : what < 7 ? 1 : what < 8 ? 2 : what < 9 ? 3 : 4;
		switch (op) {
		case 0:
			if (sh->opts.type == BPF_MAP_TYPE_BLOOM_FILTER) {
				memcpy(va, in, n);
				memcpy(vb, in, n);
			}
			ra = side_lookup(a, k, va);
			rb = side_lookup(b, k, vb);
			compare = n;
			break;
		case 1:
			ra = side_update(a, k, in, flag);
			rb = side_update(b, k, in, flag);
			break;
		case 2:
			ra = side_delete(a, k);
			rb = side_delete(b, k);
			break;
		case 3:
			ra = side_take(a, k, va);
			rb = side_take(b, k, vb);
			compare = n;
			break;
		default:
			if (sh->order == ORDER_SET && rnd(&state) % 4)
				continue;
			ra = side_next(a, k, va);
			rb = side_next(b, k, vb);
			compare = sh->order == ORDER_SAME && !ra ? sh->opts.key_size : 0;
		}
		if (sh->order == ORDER_SET && op == 4)
			ra = rb;	/* who comes next is free; same_keys compares the whole */
		if (ra != rb)
			ck_abort_msg("%s: step %u seed %llu: %s flags %llu gives %d on %s, %d on %s", sh->name, step,
				     (unsigned long long)seed, verb[op], (unsigned long long)flag, ra, a->name,
				     rb, b->name);
		if (!ra && compare && memcmp(va, vb, compare))
			ck_abort_msg("%s: step %u seed %llu: %s reads different bytes", sh->name, step,
				     (unsigned long long)seed, verb[op]);
		if (step % 64 == 0 && sh->order != ORDER_NONE)
			same_keys(a, b, sh);
	}
}

#endif
