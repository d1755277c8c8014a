/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* include/uebpf_arena_hash.h: in C against a model, and one table under a kernel program, the same
 * program here and C threads at once. */
#include <pthread.h>
#include <sys/mman.h>
#include "include/uebpf_arena_hash.h"
#include "jit/jit.h"
#include "tests/maps/suite.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"
#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#endif

enum { BITS = 12, COUNTERS = 1000, PAGES = 64, C_THREADS = 2 };

START_TEST(the_table_is_its_model)
{
	struct uebpf_arena_hash *t = calloc(1, uebpf_arena_hash_bytes(BITS));
	static uint64_t model[2000];	/* all ones: absent */
	uint64_t state = 3;

	memset(model, 0xff, sizeof(model));
	uebpf_arena_hash_init(t, BITS);
	for (int i = 0; i < 500000; i++) {
		uint64_t k = rnd(&state) % 2000, v = rnd(&state) >> 1, *p;
		unsigned int flags = (unsigned int)(rnd(&state) % 3);
		int r, want;

		switch (rnd(&state) % 4) {
		case 0:
			want = flags == UEBPF_ARENA_NOEXIST && model[k] != UEBPF_ARENA_ABSENT ? UEBPF_ARENA_EEXIST :
			       flags == UEBPF_ARENA_EXIST && model[k] == UEBPF_ARENA_ABSENT ? UEBPF_ARENA_ENOENT : 0;
			r = uebpf_arena_hash_update(t, k + 1, v, flags);
			ck_assert_int_eq(r, want);
			model[k] = r ? model[k] : v;
			break;
		case 1:
			r = uebpf_arena_hash_delete(t, k + 1);
			ck_assert_int_eq(r, model[k] == UEBPF_ARENA_ABSENT ? UEBPF_ARENA_ENOENT : 0);
			model[k] = UEBPF_ARENA_ABSENT;
			break;
		default:
			p = (uint64_t *)uebpf_arena_hash_find(t, k + 1);
			ck_assert_uint_eq(p ? *p : UEBPF_ARENA_ABSENT, model[k]);
			ck_assert_uint_eq(uebpf_arena_hash_get(t, k + 1), model[k]);
		}
	}
	ck_assert_int_eq(uebpf_arena_hash_update(t, 0, 1, 0), UEBPF_ARENA_EINVAL);
	ck_assert_int_eq(uebpf_arena_hash_update(t, 1, UEBPF_ARENA_ABSENT, 0), UEBPF_ARENA_EINVAL);
	for (uint64_t k = 1; k < 20000; k++)	/* more than there is room for: refused, nothing broken */
		uebpf_arena_hash_update(t, k, k, 0);
	ck_assert_int_eq(uebpf_arena_hash_update(t, 99999, 1, 0), UEBPF_ARENA_E2BIG);
	free(t);
}
END_TEST

#ifdef HAVE_LIBBPF
static struct uebpf_arena_hash *table;
static uint32_t rounds;

static void *count_in_c(void *arg)
{
	uint64_t state = (uintptr_t)arg * 31 + 7;

	for (uint32_t i = 0; i < rounds; i++)
		if (uebpf_arena_hash_add(table, rnd(&state) % COUNTERS + 1, 1))
			return (void *)1;
	return NULL;
}

/* The program here: another loader, the same object, the same bytes. */
struct here { const struct uebpf_prog *prog; };
static void *count_here(void *arg)
{
	const struct here *h = arg;
	uint8_t packet[64] = { 0 };
	struct uebpf_packet p = { .size = sizeof(p), .data = packet, .data_end = packet + sizeof(packet) };
	uint64_t r;

	for (uint32_t i = 0; i < rounds; i++)
		if (uebpf_prog_run(h->prog, &p, sizeof(p), NULL, &r))
			return (void *)1;
	return NULL;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

/* Our loader knows where a global lies; libbpf of Debian 12 has no function for it. */
static void set_in_kernel(struct bpf_object *kern, struct uebpf_object *same, const char *name, uint64_t value)
{
	struct uebpf_global_info g = { .size = sizeof(g) };
	struct bpf_map *m;
	size_t size;

	for (uint32_t i = 0; !uebpf_object_global_info(same, i, &g); i++)
		bpf_object__for_each_map(m, kern)
			if (!strcmp(g.name, name) && strstr(bpf_map__name(m), g.section))
				memcpy((uint8_t *)(uintptr_t)bpf_map__initial_value(m, &size) + g.offset, &value, 8);
}

START_TEST(kernel_here_and_c_count_in_one_table)
{
	const char *path = compile("clang-19", "arena_hash.bpf.c", _i ? "-O2 -g -DBITS=12" : "-O2 -g");
	struct uebpf_map_opts o = { .size = sizeof(o), .name = "arena", .type = MAP_TYPE_ARENA,
				    .max_entries = PAGES, .flags = BPF_F_MMAPABLE };
	struct uebpf_load_opts load = { .size = sizeof(load), .mode = UEBPF_MODE_VERIFIED };
	struct uebpf_kernel_opts k = { .size = sizeof(k) };
	uint8_t packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_object *obj;
	struct uebpf_map *map;
	struct uebpf_error err;
	struct bpf_object *kern;
	pthread_t thread[C_THREADS + 1];
	struct here here;
	uint64_t sum = 0, address, *wrong;
	void *failed;
	int fd;

	if (!path)
		return;
	fd = kmap_create(&o, -1);
	if (fd < 0) {
		printf("skip: this kernel has no arena for us (%s)\n", strerror(-fd));
		return;
	}
	k.fd = fd;
	map = uebpf_map_from_kernel(env, &k, &err);
	ck_assert_msg(map != NULL, "%s", err.text);
	table = uebpf_map_value(map, NULL);
	address = (uintptr_t)table;
	ck_assert_uint_le(uebpf_arena_hash_bytes(BITS), PAGES * 4096);
	uebpf_arena_hash_init(table, BITS);

	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj && !uebpf_object_bind_map(obj, "arena", map, &err), "%s", err.text);
	libbpf_set_print(quiet);
	kern = bpf_object__open_file(path, NULL);
	ck_assert_ptr_nonnull(kern);
	set_in_kernel(kern, obj, "table", address);
	set_in_kernel(kern, obj, "state", 12345);
	ck_assert_int_eq(bpf_map__reuse_fd(bpf_object__find_map_by_name(kern, "arena"), fd), 0);
	ck_assert_msg(!bpf_object__load(kern), "the kernel refuses the program");
	ck_assert_int_eq(uebpf_object_set_global(obj, "table", &address, 8, &err), 0);
	ck_assert_msg(!uebpf_object_load(obj, &load, &err), "%s", err.text);
	here.prog = uebpf_object_prog(obj, "count");

	rounds = getenv("SOAK") ? 10000000 : 100000;
	pthread_create(&thread[C_THREADS], NULL, count_here, &here);
	for (uintptr_t i = 0; i < C_THREADS; i++)
		pthread_create(&thread[i], NULL, count_in_c, (void *)i);
	run.repeat = (int)rounds;
	ck_assert_int_eq(bpf_prog_test_run_opts(bpf_program__fd(bpf_object__next_program(kern, NULL)), &run), 0);
	for (int i = 0; i < C_THREADS + 1; i++) {
		pthread_join(thread[i], &failed);
		ck_assert_ptr_null(failed);
	}
	for (uint64_t key = 1; key <= COUNTERS; key++) {
		const uint64_t *v = (uint64_t *)uebpf_arena_hash_find(table, key);

		sum += v ? *v : 0;
	}
	ck_assert_uint_eq(sum, (uint64_t)rounds * (C_THREADS + 2));
	/* keys that both programs write may differ between a program's write and its read; there are few */
	wrong = uebpf_object_global(obj, "wrong", NULL);
	printf("counted %llu; %llu reads met the other side's write\n", (unsigned long long)sum,
	       (unsigned long long)*wrong);
	bpf_object__close(kern);
	uebpf_object_free(obj);
	uebpf_map_unref(map);
	uebpf_env_free(env);
	close(fd);
}
END_TEST
#else
START_TEST(kernel_here_and_c_count_in_one_table)
{
	printf("skip: built without libbpf\n");
}
END_TEST
#endif

/* ---- variables in an arena ---- */

START_TEST(variables_lie_in_the_arena)
{
	static const uint32_t mode[] = { UEBPF_MODE_VERIFIED, UEBPF_MODE_CHECKED, UEBPF_MODE_TRUSTED };
	const char *path = compile("clang-19", "arena_globals.bpf.c", "-O2 -g -mcpu=v4");

	for (int k = 0; path && k < 6; k++) {
		struct uebpf_load_opts load = { .size = sizeof(load), .mode = mode[k / 2],
						.engine = k % 2 ? UEBPF_ENGINE_JIT : UEBPF_ENGINE_INTERP };
		uint8_t packet[64] = { 0 };
		struct uebpf_packet p = { .size = sizeof(p), .data = packet, .data_end = packet + sizeof(packet) };
		struct uebpf_env *env = uebpf_env_new(NULL);
		struct uebpf_error err;
		struct uebpf_object *obj = uebpf_object_open_file(env, path, NULL, &err);
		uint64_t r = 0, all = 7, *sums;
		uint8_t *base;

		ck_assert_msg(obj != NULL, "%s", err.text);
		ck_assert_int_eq(uebpf_object_set_global(obj, "third", &(uint64_t[2]){ 0, 400 }, 16, &err), 0);
		ck_assert_msg(!uebpf_object_load(obj, &load, &err), "%s", err.text);
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "walk"), &p, sizeof(p), NULL, &r), 0);
		/* 421 and 1000 + ... + 8000, ten runs after 40 */
		ck_assert_uint_eq(r, 421 + 36000 + 50);
		base = uebpf_map_value(uebpf_object_map(obj, "arena"), NULL);
		sums = uebpf_object_global(obj, "sums", NULL);
		ck_assert_ptr_nonnull(sums);
		ck_assert((uint8_t *)sums >= base && (uint8_t *)sums < base + 4096);
		ck_assert_uint_eq(*(uint64_t *)uebpf_object_global(obj, "head", NULL),
				  (uintptr_t)uebpf_object_global(obj, "pool", NULL) + 7 * 16);
		for (int i = 0; i < 10; i++)	/* lengths 4 ... 11 twice more */
			all += i < 8 ? 421 + 500 * (uint64_t)((i + 1) * (i + 2)) : 36421;
		ck_assert_uint_eq(sums[0] + sums[1] + sums[2] + sums[3], all);
		uebpf_object_free(obj);
		uebpf_env_free(env);
	}
}
END_TEST

int main(void)
{
	TCase *c = test_case("arena hash", getenv("SOAK") ? 3600 : 60);

	tcase_add_test(c, the_table_is_its_model);
	tcase_add_test(c, variables_lie_in_the_arena);
	tcase_add_loop_test(c, kernel_here_and_c_count_in_one_table, 0, 2);
	return run_tests();
}
