/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lifetime_test.c - what other engines' maps did not outlive: memory exhausted, equal names, double destroy, more
 * than 64 CPUs (small allocations that fail: holders_test.c). */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

#define OPTS(t, k, v, n) { .size = sizeof(struct uebpf_map_opts), .type = BPF_MAP_TYPE_##t, .name = "same", \
			   .key_size = k, .value_size = v, .max_entries = n }
static struct uebpf_error err;

static struct uebpf_map *made(struct uebpf_env *env, struct uebpf_map_opts o)
{
	struct uebpf_map *map = uebpf_map_create(env, &o, &err);

	ck_assert_msg(map != NULL, "%s", err.text);
	return map;
}

static void put(struct uebpf_map *map, uint32_t key, uint64_t value)
{
	ck_assert_int_eq(uebpf_map_update(map, &key, &value, 0), 0);
}

static uint64_t got(struct uebpf_map *map, uint32_t key)
{
	uint64_t value = 0;

	ck_assert_int_eq(uebpf_map_lookup(map, &key, &value), 0);
	return value;
}

/* No overcommitted promise: an error when the map is made, whatever keeps its values, and nothing left behind. */
START_TEST(memory_exhausted_is_told_when_a_map_is_made)
{
	const struct rlimit little = { 1ul << 30, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct uebpf_map_opts big[] = { OPTS(ARRAY, 4, 1 << 20, 4096), OPTS(HASH, 8, 1 << 20, 4096),
		OPTS(LRU_HASH, 8, 1 << 20, 4096), OPTS(QUEUE, 0, 1 << 20, 4096), OPTS(RINGBUF, 0, 0, 1u << 31),
		OPTS(PERCPU_ARRAY, 4, 32768, 65536), OPTS(STACK_TRACE, 4, 1016, 1 << 23) };
	struct uebpf_env *env;
	struct uebpf_map *map;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	puts("skip: a sanitizer's own maps do not fit a limit of address space");
	return;
#endif
	env = uebpf_env_new(NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &little), 0);
	for (size_t i = 0; i < sizeof big / sizeof big[0]; i++) {
		ck_assert_msg(!uebpf_map_create(env, &big[i], &err), "type %u", big[i].type);
		ck_assert_msg(err.err == -ENOMEM && strstr(err.text, "same"), "type %u: %s", big[i].type, err.text);
	}
	map = made(env, (struct uebpf_map_opts)OPTS(HASH, 4, 8, 8));	/* smaller ones go on */
	put(map, 1, 2);
	uebpf_map_unref(map);
	setrlimit(RLIMIT_AS, &all);
	uebpf_env_free(env);
}
END_TEST

START_TEST(equal_names_are_different_maps)
{
	struct uebpf_map_opts o = OPTS(HASH, 4, 8, 8);
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_map *a = made(env, o), *b = made(env, o), *first, *second, *again;
	char path[] = "/dev/shm/uebpf-test-XXXXXX";

	put(a, 1, 10);
	put(b, 1, 20);
	ck_assert(got(a, 1) == 10 && got(b, 1) == 20);
	/* a file's name is one map's: made once, replaced only when that is asked; who holds the old one keeps it */
	close(mkstemp(path));
	ck_assert_ptr_null(uebpf_map_create_shared(env, &o, path, 0, UEBPF_OPEN_TRUSTED, &err));
	ck_assert_int_eq(err.err, -EEXIST);
	first = uebpf_map_create_shared(env, &o, path, 0, UEBPF_OPEN_TRUSTED | UEBPF_OPEN_REPLACE, &err);
	second = uebpf_map_create_shared(env, &o, path, 0, UEBPF_OPEN_TRUSTED | UEBPF_OPEN_REPLACE, &err);
	again = uebpf_map_open(env, path, UEBPF_OPEN_TRUSTED, &err);
	ck_assert_msg(first && second && again, "%s", err.text);
	put(first, 1, 1);
	put(second, 1, 2);
	ck_assert(got(first, 1) == 1 && got(second, 1) == 2 && got(again, 1) == 2);
	unlink(path);
	ck_assert_int_eq(got(again, 1), 2);
	for (size_t i = 0; i < 5; i++)
		uebpf_map_unref((struct uebpf_map *[]){ a, b, first, second, again }[i]);
	uebpf_env_free(env);
}
END_TEST

/* Every holder gives back what is his, in any order; nobody's giving back takes another's. */
START_TEST(double_destroy_takes_nothing_from_the_other_holder)
{
	struct uebpf_map_opts o = OPTS(HASH, 4, 8, 8);
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_map *map = made(env, o), *memfd, *opened, *twice;
	struct uebpf_object *obj = uebpf_object_open_text(env, "r0 = 0\nexit\n", NULL, &err);
	int fd;

	ck_assert_msg(obj && !uebpf_object_load(obj, NULL, &err), "%s", err.text);
	uebpf_object_free(obj);
	uebpf_object_free(NULL);
	uebpf_map_unref(NULL);
	/* an env freed by its maker lives as long as the map; the map as long as its last holder */
	uebpf_env_free(env);
	uebpf_env_free(NULL);
	uebpf_map_ref(map);
	put(map, 1, 5);
	uebpf_map_unref(map);
	ck_assert_int_eq(got(map, 1), 5);
	uebpf_map_unref(map);
	/* two handles of one memfd, and the host's own descriptor of it, closed in either order */
	for (int order = 0; order < 2; order++) {
		env = uebpf_env_new(NULL);
		memfd = uebpf_map_create_shared(env, &o, NULL, 0, 0, &err);
		ck_assert_msg(memfd != NULL, "%s", err.text);
		fd = dup(uebpf_map_fd(memfd));
		opened = uebpf_map_open_fd(env, fd, 0, &err);
		ck_assert_int_eq(close(fd), 0);
		twice = uebpf_map_open_fd(env, uebpf_map_fd(opened), 0, &err);
		ck_assert(opened && twice);
		put(memfd, 1, 7);
		uebpf_map_unref(order ? memfd : opened);
		ck_assert_int_eq(got(order ? opened : memfd, 1), 7);
		ck_assert_int_eq(got(twice, 1), 7);
		uebpf_map_unref(order ? opened : memfd);
		ck_assert_int_eq(got(twice, 1), 7);
		uebpf_map_unref(twice);
		ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
		uebpf_env_free(env);
	}
}
END_TEST

START_TEST(more_than_64_cpus_have_slots_of_their_own)
{
	struct uebpf_env_opts e = { .size = sizeof e, .cpu_slots = 300 };
	struct uebpf_map_opts o = OPTS(PERCPU_ARRAY, 4, 8, 2);
	struct uebpf_map_info i = { .size = sizeof i };
	struct uebpf_env *env = uebpf_env_new(&e);
	struct uebpf_map *map = made(env, o);
	uint64_t value[300], back[301] = { 0 };
	uint32_t key = 1;

	uebpf_map_info(map, &i);
	ck_assert_uint_eq(i.cpu_slots, 300);
	for (uint32_t n = 0; n < 300; n++)
		value[n] = n;
	back[300] = 77;
	ck_assert_int_eq(uebpf_map_update(map, &key, value, 0), 0);
	ck_assert_int_eq(uebpf_map_lookup(map, &key, back), 0);
	ck_assert(!memcmp(value, back, sizeof value) && back[300] == 77);
	uebpf_map_unref(map);
	uebpf_env_free(env);
	e.cpu_slots = 1025;
	ck_assert_ptr_null(uebpf_env_new(&e));
}
END_TEST

/* What a later header may have: zeroes are fine, anything else would be misunderstood. */
START_TEST(options_that_this_library_does_not_know_are_refused)
{
	struct { struct uebpf_map_opts o; uint64_t more; } later = { OPTS(ARRAY, 4, 8, 1), 0 };
	struct { struct uebpf_kernel_opts o; uint64_t more; } kernel = { { .fd = -1, .pin = "/sys/fs/bpf/none" }, 0 };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_map *map;

	later.o.size = sizeof later;
	kernel.o.size = sizeof kernel;
	map = uebpf_map_create(env, &later.o, &err);
	ck_assert_msg(map != NULL, "%s", err.text);
	uebpf_map_unref(map);
	ck_assert(!uebpf_map_from_kernel(env, &kernel.o, &err) && err.err != -EINVAL);
	later.more = kernel.more = 1;
	ck_assert(!uebpf_map_create(env, &later.o, &err) && err.err == -EINVAL);
	ck_assert(!uebpf_map_create_shared(env, &later.o, NULL, 0, 0, &err) && err.err == -EINVAL);
	ck_assert(!uebpf_map_from_kernel(env, &kernel.o, &err) && err.err == -EINVAL);
	later.o.size = 8;	/* nor less than what a map needs */
	ck_assert(!uebpf_map_create(env, &later.o, &err) && err.err == -EINVAL);
	ck_assert(!uebpf_map_create(NULL, &later.o, &err) && !uebpf_map_create(env, NULL, &err));
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *t = test_case("lives of maps", 60);

	tcase_add_test(t, memory_exhausted_is_told_when_a_map_is_made);
	tcase_add_test(t, equal_names_are_different_maps);
	tcase_add_test(t, double_destroy_takes_nothing_from_the_other_holder);
	tcase_add_test(t, more_than_64_cpus_have_slots_of_their_own);
	tcase_add_test(t, options_that_this_library_does_not_know_are_refused);
	return run_tests();
}
