/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Maps that the kernel holds: kernel programs (run by BPF_PROG_TEST_RUN) and this process on the
 * same map. */
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "maps/array.h"
#include "tests/maps/suite.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static int sys(int cmd, union bpf_attr *a)
{
	long r = syscall(SYS_bpf, cmd, a, sizeof(*a));

	return r < 0 ? -errno : (int)r;
}

static int load(const struct bpf_insn *insns, uint32_t n)
{
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = n };
	int fd;

	a.insns = (uintptr_t)insns;
	a.license = (uintptr_t)"GPL";
	fd = sys(BPF_PROG_LOAD, &a);
	return fd;
}

static void run(int prog, uint32_t times)
{
	uint8_t packet[64] = { 0 };
	union bpf_attr a;
	int r;

	memset(&a, 0, sizeof(a));
	a.test.prog_fd = (uint32_t)prog;
	a.test.data_in = (uintptr_t)packet;
	a.test.data_size_in = sizeof(packet);
	a.test.repeat = times;
	r = sys(BPF_PROG_TEST_RUN, &a);
	ck_assert_msg(!r, "test_run: %d", r);
}

#define INSN(c, d, s, o, i) { .code = c, .dst_reg = d, .src_reg = s, .off = o, .imm = i }
#define LD_FD(d, fd) INSN(0x18, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

static int make(struct side *s, uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags,
		uint32_t policy)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .name = "bound", .type = type, .key_size = key,
				    .value_size = value, .max_entries = n, .flags = flags };
	struct uebpf_kernel_opts k = { .size = sizeof(k), .policy = policy };
	struct uebpf_error err;

	s->fd = kmap_create(&o, -1);
	if (s->fd == -EPERM || s->fd == -ENOSYS) {
		printf("skip: bpf() refuses to make maps here\n");
		return 0;
	}
	ck_assert_int_ge(s->fd, 0);
	k.fd = s->fd;
	ck_assert_msg(!map_from_kernel(&test_host, &k, &s->map, &err), "%s", err.text);
	return 1;
}

static void *count_here(void *arg)
{
	uint64_t *v = arg;

	for (int i = 0; i < 100000; i++)
		__atomic_fetch_add(v, 1, __ATOMIC_RELAXED);
	return NULL;
}

START_TEST(a_counter_updated_from_both_sides_adds_up)
{
	struct side s;
	uint32_t k = 2;
	uint64_t *v, got;
	pthread_t t;
	int prog;

	if (!make(&s, BPF_MAP_TYPE_ARRAY, 4, 8, 3, BPF_F_MMAPABLE, 0))
		return;
	const struct bpf_insn add[] = {
		INSN(0x62, 10, 0, -4, 2), INSN(0xbf, 2, 10, 0, 0), INSN(0x07, 2, 0, 0, -4), LD_FD(1, s.fd),
		INSN(0x85, 0, 0, 0, BPF_FUNC_map_lookup_elem), INSN(0x15, 0, 0, 2, 0),
		INSN(0xb7, 1, 0, 0, 1), INSN(0xdb, 0, 1, 0, BPF_ADD), INSN(0xb7, 0, 0, 0, 0), INSN(0x95, 0, 0, 0, 0),
	};
	ck_assert_uint_eq(s.map->share, UEBPF_SHARE_MAPPED);
	v = uebpf_map_value(s.map, &k);
	prog = load(add, sizeof(add) / sizeof(add[0]));
	ck_assert_int_ge(prog, 0);
	pthread_create(&t, NULL, count_here, v);
	run(prog, 100000);
	pthread_join(t, NULL);
	ck_assert_uint_eq(*v, 200000);
	ck_assert_int_eq(kmap_lookup(s.fd, &k, &got, 0), 0);
	ck_assert_uint_eq(got, 200000);
	close(prog);
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

START_TEST(values_of_4_bytes_lie_where_the_kernel_has_them)
{
	struct side s;

	if (!make(&s, BPF_MAP_TYPE_ARRAY, 4, 4, 2000, BPF_F_MMAPABLE, 0))
		return;
	for (uint32_t k = 0; k < 2000; k++) {
		uint32_t v = k * 3, got;

		ck_assert_int_eq(kmap_update(s.fd, &k, &v, 0), 0);
		ck_assert_uint_eq(*(uint32_t *)uebpf_map_value(s.map, &k), v);
		v++;
		ck_assert_int_eq(uebpf_map_update(s.map, &k, &v, 0), 0);
		ck_assert_int_eq(kmap_lookup(s.fd, &k, &got, 0), 0);
		ck_assert_uint_eq(got, v);
	}
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

START_TEST(a_frozen_kernel_array_is_mapped_read_only)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8,
				    .max_entries = 1, .flags = BPF_F_MMAPABLE | BPF_F_RDONLY_PROG };
	struct uebpf_kernel_opts k = { .size = sizeof(k) };
	struct uebpf_error err;
	struct uebpf_map *map;
	uint32_t zero = 0;
	uint64_t v = 5;

	k.fd = kmap_create(&o, -1);
	if (k.fd < 0) {
		printf("skip: bpf() refuses to make maps here\n");
		return;
	}
	kmap_update(k.fd, &zero, &v, 0);
	ck_assert_int_eq(kmap_freeze(k.fd), 0);
	ck_assert_msg(!map_from_kernel(&test_host, &k, &map, &err), "%s", err.text);
	ck_assert_uint_eq(*(uint64_t *)uebpf_map_value(map, &zero), 5);
	ck_assert_int_eq(uebpf_map_update(map, &zero, &v, 0), -EPERM);
	ck_assert_uint_eq(map->values.access, ACCESS_READ);
	uebpf_map_unref(map);
	close(k.fd);
}
END_TEST

static int add(void *arg, const void *data, size_t len)
{
	uint64_t *sum = arg;

	ck_assert_uint_eq(len, 8);
	sum[0]++;
	sum[1] += *(const uint64_t *)data;
	return 0;
}

START_TEST(a_kernel_ring_is_consumed_here)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t sum[2] = { 0, 0 };
	struct side s;
	int prog;

	if (!make(&s, BPF_MAP_TYPE_RINGBUF, 0, 0, 1 << 20, 0, 0))
		return;
	const struct bpf_insn out[] = {
		INSN(0x7a, 10, 0, -8, 3), INSN(0xbf, 2, 10, 0, 0), INSN(0x07, 2, 0, 0, -8), LD_FD(1, s.fd),
		INSN(0xb7, 3, 0, 0, 8), INSN(0xb7, 4, 0, 0, 0), INSN(0x85, 0, 0, 0, BPF_FUNC_ringbuf_output),
		INSN(0xb7, 0, 0, 0, 0), INSN(0x95, 0, 0, 0, 0),
	};
	prog = load(out, sizeof(out) / sizeof(out[0]));
	ck_assert_int_ge(prog, 0);
	p.fd = uebpf_map_poll_fd(s.map);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	for (int i = 0; i < (getenv("SOAK") ? 20 : 2); i++) {
		run(prog, 50000);	/* 16 bytes each: the ring wraps on the second round */
		ck_assert_int_eq(poll(&p, 1, 1000), 1);
		ck_assert_int_eq(uebpf_map_consume(s.map, add, sum), 50000);
		ck_assert_uint_eq(sum[0], 50000u * (i + 1));
		ck_assert_uint_eq(sum[1], 150000u * (i + 1));
	}
	ck_assert_uint_eq(s.map->type, BPF_MAP_TYPE_USER_RINGBUF);	/* what programs may bind it as */
	ck_assert_ptr_null(uebpf_map_reserve(s.map, 8));		/* the kernel keeps that side */
	close(prog);
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

START_TEST(a_kernel_user_ring_is_produced_here)
{
	struct side s;
	uint8_t *pages;
	uint64_t *rec;

	if (!make(&s, BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096, 0, 0))
		return;
	ck_assert_uint_eq(s.map->type, BPF_MAP_TYPE_RINGBUF);
	rec = uebpf_map_reserve(s.map, 12);
	ck_assert_ptr_nonnull(rec);
	*rec = 99;
	uebpf_map_commit(s.map, rec, 0);
	/* what the kernel will read: position and header in its own pages */
	pages = mmap(NULL, 3 * 4096, PROT_READ, MAP_SHARED, s.fd, 0);
	ck_assert_ptr_ne(pages, MAP_FAILED);
	ck_assert_uint_eq(*(uint64_t *)(pages + 4096), 24);
	ck_assert_uint_eq(*(uint32_t *)(pages + 8192), 12);
	ck_assert_uint_eq(*(uint64_t *)(pages + 8200), 99);
	ck_assert_ptr_null(uebpf_map_reserve(s.map, 5000));
	ck_assert_int_eq(uebpf_map_consume(s.map, add, NULL), -EINVAL);
	munmap(pages, 3 * 4096);
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

static const uint32_t mirrored[][4] = {
	{ BPF_MAP_TYPE_HASH, 4, 8, 0 }, { BPF_MAP_TYPE_LRU_HASH, 4, 8, 0 }, { BPF_MAP_TYPE_ARRAY, 4, 8, 0 },
	{ BPF_MAP_TYPE_LPM_TRIE, 8, 8, BPF_F_NO_PREALLOC },
};

START_TEST(a_mirror_follows_its_policy)
{
	const uint32_t *t = mirrored[_i];
	struct side s;
	uint32_t k[2] = { 5, 0 }, other[2] = { 6, 0 };
	uint64_t v = 10, got, *at;

	/* on demand: nothing moves by itself */
	if (!make(&s, t[0], t[1], t[2], 1000, t[3], UEBPF_MIRROR_ON_DEMAND))
		return;
	ck_assert_uint_eq(s.map->share, UEBPF_SHARE_MIRRORED);
	ck_assert_int_eq(kmap_update(s.fd, k, &v, 0), 0);
	at = s.map->ops->lookup(s.map, k, NULL);
	ck_assert(!at || !*at);
	ck_assert_int_ge(uebpf_map_pull(s.map), 1);
	at = s.map->ops->lookup(s.map, k, NULL);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(*at, 10);
	*at = 11;
	ck_assert_int_ge(uebpf_map_push(s.map), 1);
	ck_assert_int_eq(kmap_lookup(s.fd, k, &got, 0), 0);
	ck_assert_uint_eq(got, 11);
	if (!kmap_delete(s.fd, k)) {
		uebpf_map_pull(s.map);
		ck_assert_ptr_null(s.map->ops->lookup(s.map, k, NULL));
	}
	close(s.fd);
	uebpf_map_unref(s.map);

	make(&s, t[0], t[1], t[2], 1000, t[3], UEBPF_MIRROR_WRITE_THROUGH);
	v = 20;
	ck_assert_int_eq(kmap_update(s.fd, other, &v, 0), 0);
	at = s.map->ops->lookup(s.map, other, NULL);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(*at, 20);
	v = 21;
	ck_assert_int_eq(s.map->ops->update(s.map, k, &v, 0, NULL), 0);
	ck_assert_int_eq(kmap_lookup(s.fd, k, &got, 0), 0);
	ck_assert_uint_eq(got, 21);
	ck_assert_int_eq(uebpf_map_update(s.map, k, &v, BPF_NOEXIST), -EEXIST);
	close(s.fd);
	uebpf_map_unref(s.map);

	make(&s, t[0], t[1], t[2], 1000, t[3], UEBPF_MIRROR_PERIODIC);
	ck_assert_int_eq(kmap_update(s.fd, k, &v, 0), 0);
	at = s.map->ops->lookup(s.map, k, NULL);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(*at, 21);
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

/* The index is a constant: where the element lies is known, but not what the kernel has there by now. */
START_TEST(a_known_index_of_a_mirrored_array_is_asked_for_each_time)
{
	static const struct { uint32_t engine, mode; } how[] = {
		{ UEBPF_ENGINE_AUTO, UEBPF_MODE_VERIFIED }, { UEBPF_ENGINE_INTERP, UEBPF_MODE_VERIFIED },
		{ UEBPF_ENGINE_AUTO, UEBPF_MODE_CHECKED }, { UEBPF_ENGINE_AUTO, UEBPF_MODE_TRUSTED },
	};
	struct uebpf_map_opts o = { .size = sizeof(o), .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 8 };
	struct uebpf_kernel_opts k = { .size = sizeof(k) };
	OBJECT(path, "third.bpf.c", "-O2 -g");
	struct uebpf_env *env = uebpf_env_new(NULL);
	uint64_t v = 40, got, mem[2] = { 0 };
	struct uebpf_error err;
	struct uebpf_map *map;
	uint32_t key = 3;

	k.fd = kmap_create(&o, -1);
	if (k.fd < 0) {
		printf("skip: bpf() refuses to make maps here\n");
		return;
	}
	map = uebpf_map_from_kernel(env, &k, &err);
	ck_assert_msg(map != NULL, "%s", err.text);
	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		struct uebpf_load_opts load = { .size = sizeof(load), .engine = how[i].engine, .mode = how[i].mode };
		struct uebpf_object *obj = uebpf_object_open_file(env, path, NULL, &err);

		ck_assert_msg(obj && !uebpf_object_bind_map(obj, "array", map, &err), "%s", err.text);
		ck_assert_msg(!uebpf_object_load(obj, &load, &err), "%s", err.text);
		for (int n = 0; n < 3; n++) {
			v++;
			ck_assert_int_eq(kmap_update(k.fd, &key, &v, 0), 0);
			ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), mem, sizeof(mem), NULL, &got), 0);
			ck_assert_uint_eq(got, v);
		}
		uebpf_object_free(obj);
	}
	uebpf_map_unref(map);
	close(k.fd);
	uebpf_env_free(env);
}
END_TEST

START_TEST(a_mirror_of_many_elements_is_pulled_whole)
{
	struct side s;
	uint64_t sum = 0;

	if (!make(&s, BPF_MAP_TYPE_HASH, 4, 8, 5000, 0, UEBPF_MIRROR_ON_DEMAND))
		return;
	for (uint32_t k = 0; k < 5000; k++) {
		uint64_t v = k;

		kmap_update(s.fd, &k, &v, 0);
	}
	ck_assert_int_eq(uebpf_map_pull(s.map), 5000);
	for (uint32_t k = 0; k < 5000; k++)
		sum += *(uint64_t *)s.map->ops->lookup(s.map, &k, NULL);
	ck_assert_uint_eq(sum, 5000u * 4999 / 2);
	ck_assert_int_eq(uebpf_map_push(s.map), 5000);
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

/* A copy as full as the kernel's map must make room for what came in place of its elements. */
START_TEST(a_mirror_of_a_full_map_follows_when_every_key_changes)
{
	struct side s;
	uint64_t v = 1;

	if (!make(&s, BPF_MAP_TYPE_HASH, 4, 8, 600, 0, UEBPF_MIRROR_ON_DEMAND))
		return;
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t k = 0; k < 600; k++) {
			uint32_t old = k + 600 * (round - 1), new = k + 600 * round;

			ck_assert(!round || !kmap_delete(s.fd, &old));
			ck_assert_int_eq(kmap_update(s.fd, &new, &v, 0), 0);
		}
		ck_assert_int_eq(uebpf_map_pull(s.map), 600);
		for (uint32_t k = 0; k < 600 * (round + 1); k++)
			ck_assert_msg(!s.map->ops->lookup(s.map, &k, NULL) == (k < 600 * round), "round %u key %u", round, k);
	}
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

/* The program's side takes keys away while the host writes the copy back. */
static void *removes(void *arg)
{
	struct uebpf_map *map = arg;
	uint64_t v = 3;

	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t k = i % 1000;

		map->ops->remove(map, &k);
		map->ops->update(map, &k, &v, 0, NULL);
	}
	return NULL;
}

START_TEST(a_mirror_is_pushed_while_others_remove)
{
	struct side s;
	pthread_t t;
	uint64_t v = 1;

	if (!make(&s, BPF_MAP_TYPE_HASH, 4, 8, 1000, 0, UEBPF_MIRROR_ON_DEMAND))
		return;
	for (uint32_t k = 0; k < 1000; k++)
		s.map->ops->update(s.map, &k, &v, 0, NULL);
	pthread_create(&t, NULL, removes, s.map);
	for (int i = 0; i < 20; i++) {
		long n = uebpf_map_push(s.map);

		ck_assert_msg(n > 0 || n == -EAGAIN, "%ld", n);
	}
	pthread_join(t, NULL);
	ck_assert_int_eq(uebpf_map_push(s.map), 1000);
	for (uint32_t k = 0; k < 1000; k++)
		ck_assert(!kmap_lookup(s.fd, &k, &v, 0) && v == 3);
	/* what cannot be written is told: the kernel's side is frozen */
	ck_assert_int_eq(kmap_freeze(s.fd), 0);
	ck_assert_int_eq(uebpf_map_push(s.map), -EPERM);
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

START_TEST(queues_of_the_kernel_are_pushed_and_popped)
{
	struct side s;
	uint64_t v = 1, got;

	if (!make(&s, BPF_MAP_TYPE_QUEUE, 0, 8, 4, 0, 0))
		return;
	ck_assert_int_eq(s.map->ops->more->push(s.map, &v, 0), 0);
	v = 2;
	ck_assert_int_eq(uebpf_map_update(s.map, NULL, &v, 0), 0);
	ck_assert_int_eq(s.map->ops->more->pop(s.map, &got), 0);
	ck_assert_uint_eq(got, 1);
	ck_assert_int_eq(uebpf_map_lookup_delete(s.map, NULL, &got), 0);
	ck_assert_uint_eq(got, 2);
	ck_assert_int_eq(s.map->ops->more->pop(s.map, &got), -ENOENT);
	close(s.fd);
	uebpf_map_unref(s.map);
}
END_TEST

START_TEST(what_means_nothing_here_is_listed_and_no_more)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = 4,
				    .value_size = 4, .max_entries = 1 };
	const struct bpf_insn nothing[] = { INSN(0xb7, 0, 0, 0, 0), INSN(0x95, 0, 0, 0, 0) };
	struct uebpf_kernel_opts k = { .size = sizeof(k) };
	struct uebpf_error err;
	struct uebpf_map *map;
	uint32_t zero = 0;

	k.fd = kmap_create(&o, -1);
	if (k.fd < 0) {
		printf("skip: bpf() refuses to make maps here\n");
		return;
	}
	ck_assert_int_eq(map_from_kernel(&test_host, &k, &map, &err), 0);
	ck_assert(map_only_listed(map) && !map->ops->lookup && !map->ops->update);
	ck_assert_int_eq(uebpf_map_lookup(map, &zero, &zero), -ENOENT);
	ck_assert_int_eq(uebpf_map_set_prog(map, 0, NULL), -EINVAL);
	ck_assert_int_eq(uebpf_map_pull(map), -EOPNOTSUPP);
	uebpf_map_unref(map);
	close(k.fd);
	o.type = BPF_MAP_TYPE_PERF_EVENT_ARRAY;
	k.fd = kmap_create(&o, -1);
	ck_assert_int_eq(map_from_kernel(&test_host, &k, &map, &err), -EOPNOTSUPP);
	close(k.fd);
	k.fd = -1;
	k.pin = "/sys/fs/bpf/no-such-pin";
	ck_assert_int_lt(map_from_kernel(&test_host, &k, &map, &err), 0);
	ck_assert_msg(strstr(err.text, "no-such-pin") != NULL, "%s", err.text);
	k.pin = NULL;
	k.fd = 0;
	ck_assert_int_lt(map_from_kernel(&test_host, &k, &map, &err), 0);
	k.fd = load(nothing, 2);
	ck_assert_int_gt(k.fd, 0);
	ck_assert_int_eq(map_from_kernel(&test_host, &k, &map, &err), -EINVAL);
	ck_assert_msg(strstr(err.text, "not a map") != NULL, "%s", err.text);
	close(k.fd);
}
END_TEST

START_TEST(an_arena_of_the_kernel_is_the_same_memory)
{
	struct uebpf_map_opts o = { .size = sizeof(o), .type = MAP_TYPE_ARENA, .max_entries = 16,
				    .flags = BPF_F_MMAPABLE };
	struct uebpf_kernel_opts k = { .size = sizeof(k) };
	struct uebpf_error err;
	struct uebpf_map *map;
	int fd = kmap_create(&o, -1), r;

	if (fd < 0) {
		printf("skip: this kernel has no arena (%s)\n", strerror(-fd));
		return;
	}
	k.fd = fd;
	r = map_from_kernel(&test_host, &k, &map, &err);
	ck_assert_msg(!r, "%s", err.text);
	((volatile uint64_t *)map->base)[100] = 7;
	ck_assert_uint_eq(((volatile uint64_t *)map->base)[100], 7);
	ck_assert_uint_eq(map->values.hi - map->values.lo, 16 * 4096);
	ck_assert_uint_ne(map->window, 0);
	/* its pages are the kernel's to hand out */
	ck_assert_int_eq(map->ops->more->pages(map, PAGES_TAKE, 0, 1), -EOPNOTSUPP);
	uebpf_map_unref(map);
	/* Linux 6.18 remembers the address, and tells nobody. */
	if (!map_from_kernel(&test_host, &k, &map, &err))
		uebpf_map_unref(map);
	else
		ck_assert_msg(strstr(err.text, "make it with a map_extra"), "%s", err.text);
	close(fd);
}
END_TEST

int main(void)
{
	TCase *t = test_case("kernel maps here", 120);

	tcase_add_test(t, a_counter_updated_from_both_sides_adds_up);
	tcase_add_test(t, values_of_4_bytes_lie_where_the_kernel_has_them);
	tcase_add_test(t, a_frozen_kernel_array_is_mapped_read_only);
	tcase_add_test(t, a_kernel_ring_is_consumed_here);
	tcase_add_test(t, a_kernel_user_ring_is_produced_here);
	tcase_add_loop_test(t, a_mirror_follows_its_policy, 0, 4);
	tcase_add_test(t, a_known_index_of_a_mirrored_array_is_asked_for_each_time);
	tcase_add_test(t, a_mirror_of_many_elements_is_pulled_whole);
	tcase_add_test(t, a_mirror_of_a_full_map_follows_when_every_key_changes);
	tcase_add_test(t, a_mirror_is_pushed_while_others_remove);
	tcase_add_test(t, queues_of_the_kernel_are_pushed_and_popped);
	tcase_add_test(t, what_means_nothing_here_is_listed_and_no_more);
	tcase_add_test(t, an_arena_of_the_kernel_is_the_same_memory);
	return run_tests();
}
