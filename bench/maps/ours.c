/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ours.c - the two arms of ours: private maps, and maps in sealed memfds opened as if every peer were
 * hostile.  Programs are verified and compiled. */
#include <stdlib.h>
#include <string.h>
#include "bench/maps/bench.h"
#include "include/uebpf_arena_hash.h"

struct side { struct uebpf_env *env; struct uebpf_object *obj, *arena; int hostile; };
static struct side side[2] = { { 0 }, { .hostile = 1 } };

static int put(void *arg, const char *name, const void *key, const void *value)
{
	struct side *s = arg;
	struct uebpf_map *map = uebpf_object_map(s->obj, name);
	struct uebpf_map_info i = { .size = sizeof i };
	static uint64_t all[1024];

	uebpf_map_info(map, &i);
	if (strncmp(name, "percpu", 6))
		return uebpf_map_update(map, key, value, 0);
	for (uint32_t c = 0; c < i.cpu_slots; c++)
		all[c] = *(const uint64_t *)value;
	return uebpf_map_update(map, key, all, 0);
}

/* Each map made in a memfd by one handle and used through another that trusts nobody. */
static int make_hostile(struct side *s)
{
	struct uebpf_object *o = uebpf_object_open_file(s->env, "build/bench/maps.o", NULL, NULL);
	struct uebpf_map *m = NULL;

	if (!o || uebpf_object_load(o, NULL, NULL))
		return -1;
	while ((m = uebpf_object_next_map(o, m))) {
		struct uebpf_map_info i = { .size = sizeof i };
		struct uebpf_map_opts opts = { .size = sizeof opts };
		struct uebpf_map *made, *opened;
		struct uebpf_error err;

		uebpf_map_info(m, &i);
		if (*i.name == '.')
			continue;
		opts = (struct uebpf_map_opts){ .size = sizeof opts, .name = i.name, .type = i.type,
			.key_size = i.key_size, .value_size = i.value_size, .max_entries = i.max_entries,
			.flags = i.flags };
		made = uebpf_map_create_shared(s->env, &opts, NULL, 0, 0, &err);
		opened = made ? uebpf_map_open_fd(s->env, uebpf_map_fd(made), 0, &err) : NULL;
		if (!opened || uebpf_object_bind_map(s->obj, i.name, opened, &err)) {
			fprintf(stderr, "hostile: %s\n", err.text);
			return -1;
		}
		uebpf_map_unref(made);
		uebpf_map_unref(opened);
	}
	uebpf_object_free(o);
	return 0;
}

static int set(struct side *s, const char *name, const void *from, size_t size)
{
	size_t n;
	void *at = uebpf_object_global(s->obj, name, &n);

	if (!at || n != size)
		return -1;
	memcpy(at, from, size);
	return 0;
}

void fill_arena(void *mem)
{
	struct uebpf_arena_hash *t = mem;

	uebpf_arena_hash_init(t, ARENA_BITS);
	for (uint32_t i = 0; i < ENTRIES; i++)
		uebpf_arena_hash_update(t, keys->entry8[i], keys->next[i], 0);
}

static void open_arena(struct side *s)
{
	struct uebpf_load_opts load = { .size = sizeof load, .engine = UEBPF_ENGINE_JIT };
	struct uebpf_error err = { 0 };
	uint64_t *at;
	size_t n;

	s->arena = s->hostile ? NULL : uebpf_object_open_file(s->env, "build/bench/arena.o", NULL, &err);
	if (s->hostile)
		return;
	if (!s->arena || uebpf_object_load(s->arena, &load, &err)) {
		fprintf(stderr, "ours: %s\n", err.text);
		s->arena = NULL;
		return;
	}
	at = uebpf_object_global(s->arena, "table", &n);
	*at = (uintptr_t)uebpf_map_value(uebpf_object_map(s->arena, "arena"), NULL);
	memcpy(uebpf_object_global(s->arena, "key8", &n), keys->key8, sizeof keys->key8);
	fill_arena((void *)(uintptr_t)*at);
}

static int open_side(struct side *s)
{
	struct uebpf_load_opts load = { .size = sizeof load, .engine = UEBPF_ENGINE_JIT };
	uint64_t first = keys->entry8[0];
	struct uebpf_error err = { 0 };

	s->env = uebpf_env_new(NULL);
	s->obj = uebpf_object_open_file(s->env, "build/bench/maps.o", NULL, &err);
	if (!s->obj || (s->hostile && make_hostile(s)) || uebpf_object_load(s->obj, &load, &err)) {
		fprintf(stderr, "ours: %s\n", err.text);
		return -1;
	}
#define SET(name) set(s, #name, keys->name, sizeof keys->name)
	if (SET(number) || SET(key8) || SET(miss8) || SET(key16) || SET(addr) || SET(addr_dense))
		return -1;
	set(s, "chain8", &first, sizeof first);
	open_arena(s);
	return fill_maps(put, s);
}

static int ignore(void *arg, const void *data, size_t len)
{
	(void)arg, (void)data, (void)len;
	return 0;
}

static double sample_side(struct side *s, const char *name)
{
	static uint8_t packet[64];
	struct uebpf_packet pkt = { .size = sizeof pkt, .data = packet, .data_end = packet + sizeof packet };
	struct uebpf_object *obj = strncmp(name, "arena_", 6) ? s->obj : s->arena;
	const struct uebpf_prog *prog = obj ? uebpf_object_prog(obj, name) : NULL;
	struct uebpf_error err;
	uint64_t r;
	double t;

	if (!prog || uebpf_prog_error(prog, &err))
		return -1;
	t = now_ns();
	for (int i = -WARM; i < RUNS; i++) {
		if (!i)
			t = now_ns();
		if (uebpf_prog_run(prog, &pkt, sizeof pkt, NULL, &r)) {
			fprintf(stderr, "ours: %s failed\n", name);
			exit(1);
		}
		if (i < 0 && !strcmp(name, "ring_submit"))
			uebpf_map_consume(uebpf_object_map(s->obj, "ring"), ignore, NULL);
	}
	t = now_ns() - t;
	if (!strcmp(name, "ring_submit"))
		uebpf_map_consume(uebpf_object_map(s->obj, "ring"), ignore, NULL);
	return t / RUNS / CHUNK;
}

static void close_side(struct side *s)
{
	uebpf_object_free(s->obj);
	uebpf_object_free(s->arena);
	uebpf_env_free(s->env);
}

static int open_private(void) { return open_side(&side[0]); }
static int open_hostile(void) { return open_side(&side[1]); }
static double sample_private(const char *prog) { return sample_side(&side[0], prog); }
static double sample_hostile(const char *prog) { return sample_side(&side[1], prog); }
static void close_private(void) { close_side(&side[0]); }
static void close_hostile(void) { close_side(&side[1]); }
const struct contestant ours_private = { "ours", open_private, sample_private, close_private };
const struct contestant ours_hostile = { "ours, hostile peer", open_hostile, sample_hostile, close_hostile };

/* ---- the same in C ---- */

static uint64_t *table;
static uint32_t *second;
uint64_t bench_sink;
uint64_t native_run(const char *prog, const struct keys *k, const uint64_t *table, const uint32_t *second,
		    uint32_t base);

static int open_native(void)
{
	table = calloc(ENTRIES, sizeof *table);
	second = calloc(ENTRIES, sizeof *second);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		table[i] = keys->next[i];
		second[i] = i;
	}
	return 0;
}

static double sample_native(const char *prog)
{
	double t = now_ns();

	for (int i = -WARM; i < RUNS; i++) {
		uint64_t r;

		if (!i)
			t = now_ns();
		r = native_run(prog, keys, table, second, (uint32_t)i * CHUNK);
		if (r == UINT64_MAX)
			return -1;
		bench_sink += r;
	}
	return (now_ns() - t) / RUNS / CHUNK;
}

static void close_native(void)
{
	free(table);
	free(second);
}
const struct contestant native = { "C", open_native, sample_native, close_native };
