/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Lookups that compiled programs make in place against the same lookups through the map: private maps
 * and memfds whose peers are not trusted, chains, misses, and while another thread changes the map. */
#include <pthread.h>
#include "include/uebpf.h"
#include "jit/jit.h"
#include "maps/hash.h"
#include "tests/maps/suite.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static const char *const names[] = { "hash4", "hash8", "hash16", "small8", "lru4", "lru8", "lru16", "percpu4",
				     "percpu8", "percpu16", "array", "percpu_array" };
enum { NAMES = sizeof(names) / sizeof(names[0]), KEYS = 400, ABSENT = -1 };

struct rig { struct uebpf_env *env; struct uebpf_object *obj, *shapes; };

/* shared: each map lies in a sealed memfd and is used through a handle that trusts nobody. */
static void share_maps(struct rig *rig, const char *path)
{
	struct uebpf_error err;

	rig->shapes = uebpf_object_open_file(rig->env, path, NULL, &err);
	ck_assert_msg(rig->shapes && !uebpf_object_load(rig->shapes, NULL, &err), "%s", err.text);
	for (int i = 0; i < NAMES; i++) {
		struct uebpf_map_info info = { .size = sizeof(info) };
		struct uebpf_map_opts o = { .size = sizeof(o), .name = names[i] };
		struct uebpf_map *made, *opened;

		uebpf_map_info(uebpf_object_map(rig->shapes, names[i]), &info);
		o.type = info.type;
		o.key_size = info.key_size;
		o.value_size = info.value_size;
		o.max_entries = info.max_entries;
		made = uebpf_map_create_shared(rig->env, &o, NULL, 0, 0, &err);
		opened = made ? uebpf_map_open_fd(rig->env, uebpf_map_fd(made), 0, &err) : NULL;
		ck_assert_msg(opened && !uebpf_object_bind_map(rig->obj, names[i], opened, &err), "%s", err.text);
		uebpf_map_unref(made);
		uebpf_map_unref(opened);
	}
}

static bool rig_up(struct rig *rig, bool shared, const char *path)
{
	struct uebpf_load_opts load = { .size = sizeof(load), .engine = UEBPF_ENGINE_JIT };
	struct uebpf_error err;

	memset(rig, 0, sizeof(*rig));
	if (!jit_arch()) {
		printf("skip: no compiler for this machine\n");
		return false;
	}
	rig->env = uebpf_env_new(NULL);
	rig->obj = uebpf_object_open_file(rig->env, path, NULL, &err);
	ck_assert_msg(rig->obj != NULL, "%s", err.text);
	if (shared)
		share_maps(rig, path);
	ck_assert_msg(!uebpf_object_load(rig->obj, &load, &err), "%s", err.text);
	return true;
}

static void rig_down(struct rig *rig)
{
	uebpf_object_free(rig->shapes);
	uebpf_object_free(rig->obj);
	uebpf_env_free(rig->env);
}

static uint64_t look(struct rig *rig, const char *name, const uint64_t key[2])
{
	uint64_t mem[2] = { key[0], key[1] }, r = 0;
	char prog[40];

	snprintf(prog, sizeof(prog), "look_%s", name);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(rig->obj, prog), mem, sizeof(mem), NULL, &r), 0);
	return r;
}

/* Per-CPU maps give all slots the value, so that any of them is right. */
static int put(struct uebpf_map *map, const void *key, uint64_t value, uint64_t flags)
{
	static _Thread_local uint64_t all[DOMAIN_MAX_SLOTS];

	for (uint32_t i = 0; i < map->cpu_slots; i++)
		all[i] = value;
	return uebpf_map_update(map, key, all, flags);
}

static uint64_t get(struct uebpf_map *map, const void *key)
{
	static uint64_t all[DOMAIN_MAX_SLOTS];

	return uebpf_map_lookup(map, key, all) ? (uint64_t)ABSENT : all[0];
}

START_TEST(a_lookup_in_place_finds_what_the_map_has)
{
	OBJECT(path, "lookups.bpf.c", "-O2 -g");
	uint64_t state = 0x9e3779b97f4a7c15u + (unsigned)_i;
	struct rig rig;

	if (!rig_up(&rig, _i, path))
		return;
	for (int m = 0; m < NAMES; m++) {
		struct uebpf_map *map = uebpf_object_map(rig.obj, names[m]);
		struct insn out[IN_PLACE_MOST];
		bool apart = !strcmp(names[m], "percpu16") || (_i && !strncmp(names[m], "percpu", 6));

		/* It is in place: one instruction too many and every look-up would quietly be a call. */
		ck_assert_msg((map->ops->inline_call(map, MAP_CALL_LOOKUP, out, IN_PLACE_MOST) > 1) == !apart, "%s", names[m]);
		for (int step = 0; step < 20000; step++) {
			uint64_t key[2] = { rnd(&state) % KEYS, 7 };
			uint32_t what = (uint32_t)(rnd(&state) % 8);

			if (what < 2)
				put(map, key, rnd(&state) >> 1, 0);
			else if (what == 2)
				uebpf_map_delete(map, key);
			ck_assert_msg(look(&rig, names[m], key) == get(map, key), "%s: step %d", names[m], step);
		}
	}
	rig_down(&rig);
}
END_TEST

START_TEST(a_run_looks_up_percpu_arrays_again_and_again)
{
	static const char *const maps[] = { "percpu_array", "wide", "huge" };
	OBJECT(path, "lookups.bpf.c", "-O2 -g");
	static uint64_t all[DOMAIN_MAX_SLOTS * 3];
	struct rig rig;

	if (!rig_up(&rig, false, path))
		return;
	for (int m = 0; m < 3; m++) {
		struct uebpf_map *map = uebpf_object_map(rig.obj, maps[m]);
		uint32_t n = map->max_entries, words = map->value_size / 8;
		static const uint64_t found[] = { 4, 1, 0 };
		const uint32_t seen[] = { 0, 1, 2, n - 2, n - 1 }, times[] = { 2, 0, 1, 0, 2 };
		char prog[40];

		snprintf(prog, sizeof(prog), "count_%s", maps[m]);
		for (int run = 0; run < 3; run++) {	/* inside; then beyond the end first, in the middle and last */
			uint32_t keys[3][4] = { { 0, n - 1, 2, 0 }, { n, n - 1, UINT32_MAX, n }, { n, n, n, n } };
			uint64_t r;

			ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(rig.obj, prog), keys[run], 16, NULL, &r), 0);
			ck_assert_uint_eq(r, found[run]);
		}
		for (int k = 0; k < 5; k++) {
			uint64_t sum = 0;

			ck_assert_int_eq(uebpf_map_lookup(map, &seen[k], all), 0);
			for (uint32_t i = 0; i < map->cpu_slots * words; i++)
				sum += i % words ? all[i] * 1000 : all[i];
			ck_assert_msg(sum == times[k], "%s[%u]: %llu", maps[m], seen[k], (unsigned long long)sum);
		}
	}
	rig_down(&rig);
}
END_TEST

START_TEST(a_cgroup_storage_is_one_value)
{
	OBJECT(path, "lookups.bpf.c", "-O2 -g");
	uint64_t key[2] = { 0, 0 }, next[2], r, all[DOMAIN_MAX_SLOTS], sum = 0;
	struct uebpf_map *map, *percpu;
	struct rig rig;

	if (!rig_up(&rig, false, path))
		return;
	for (uint64_t i = 1; i <= 5; i++) {
		ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(rig.obj, "count_store"), next, 16, NULL, &r), 0);
		ck_assert_uint_eq(r, i);
	}
	map = uebpf_object_map(rig.obj, "store");
	percpu = uebpf_object_map(rig.obj, "percpu_store");
	ck_assert_int_eq(uebpf_map_next_key(map, NULL, next), 0);
	ck_assert_mem_eq(next, key, 16);
	ck_assert_int_eq(uebpf_map_next_key(map, key, next), -ENOENT);
	ck_assert_int_eq(uebpf_map_lookup(map, key, &r), 0);
	ck_assert_uint_eq(r, 5);
	ck_assert_int_eq(uebpf_map_lookup(percpu, key, all), 0);
	for (uint32_t i = 0; i < percpu->cpu_slots; i++)
		sum += all[i];
	ck_assert_uint_eq(sum, 5);
	key[0] = 1;
	ck_assert_int_eq(uebpf_map_lookup(map, key, &r), -ENOENT);
	ck_assert_int_eq(uebpf_map_delete(map, key), -EINVAL);
	rig_down(&rig);
}
END_TEST

/* ---- while others write ---- */

static struct uebpf_map *changing;
static atomic_bool done;

/* Keys below 100 stay; the others come and go beside them.  A value is its key, in both halves. */
static void *change(void *arg)
{
	uint64_t state = (uintptr_t)arg * 977 + 1;

	while (!atomic_load(&done)) {
		uint64_t key[2] = { rnd(&state) % 300, 7 }, v = key[0] << 32 | key[0];

		if (key[0] < 100 || rnd(&state) % 2)
			put(changing, key, v, 0);
		else
			uebpf_map_delete(changing, key);
	}
	return NULL;
}

START_TEST(a_lookup_in_place_is_sound_while_others_write)
{
	OBJECT(path, "lookups.bpf.c", "-O2 -g");
	uint32_t rounds = getenv("SOAK") ? 4000000 : 20000;
	pthread_t writer[2];
	uint64_t state = 5;
	struct rig rig;

	if (!rig_up(&rig, _i, path))
		return;
	for (int m = 0; m < 3; m++) {	/* the plain hashes: nothing evicts what stays */
		changing = uebpf_object_map(rig.obj, names[m]);
		for (uint64_t k = 0; k < 100; k++)
			put(changing, (uint64_t[2]){ k, 7 }, k << 32 | k, 0);
		atomic_store(&done, false);
		for (uintptr_t i = 0; i < 2; i++)
			pthread_create(&writer[i], NULL, change, (void *)i);
		for (uint32_t n = 0; n < rounds; n++) {
			uint64_t key[2] = { rnd(&state) % 300, 7 }, v = look(&rig, names[m], key);

			/* a value of a key that goes may be that of the element's next key by the time it is read */
			if (key[0] < 100 && v != (key[0] << 32 | key[0]) && v == (uint64_t)ABSENT)
				ck_abort_msg("%s: key %llu was lost", names[m], (unsigned long long)key[0]);
			if (v != (uint64_t)ABSENT && (v >> 32 != (uint32_t)v || (uint32_t)v >= 300))
				ck_abort_msg("%s: torn value %llx", names[m], (unsigned long long)v);
		}
		atomic_store(&done, true);
		for (int i = 0; i < 2; i++)
			pthread_join(writer[i], NULL);
	}
	rig_down(&rig);
}
END_TEST

int main(void)
{
	TCase *c = test_case("lookups in place", getenv("SOAK") ? 3600 : 60);

	tcase_add_loop_test(c, a_lookup_in_place_finds_what_the_map_has, 0, 2);
	tcase_add_test(c, a_run_looks_up_percpu_arrays_again_and_again);
	tcase_add_test(c, a_cgroup_storage_is_one_value);
	tcase_add_loop_test(c, a_lookup_in_place_is_sound_while_others_write, 0, 2);
	return run_tests();
}
