/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Our maps and the kernel's side by side: creation, and random walks of operations. */
#include <sys/syscall.h>
#include "tests/maps/suite.h"
#include "tests/util/run.h"

#define O(t, k, v, n, f) { .size = sizeof(struct uebpf_map_opts), .type = BPF_MAP_TYPE_##t, .key_size = k, \
			   .value_size = v, .max_entries = n, .flags = f }
static const struct map_shape shapes[] = {
	{ "array", O(ARRAY, 4, 8, 8, 0), 10, KEY_INDEX, ORDER_SAME, 1 },
	{ "array of 4-byte values", O(ARRAY, 4, 4, 300, 0), 310, KEY_INDEX, ORDER_SAME, 1 },
	{ "array of 13-byte values", O(ARRAY, 4, 13, 3, 0), 4, KEY_INDEX, ORDER_SAME, 1 },
	{ "percpu_array", O(PERCPU_ARRAY, 4, 12, 8, 0), 10, KEY_INDEX, ORDER_SAME, 2 },
	{ "percpu_array of 4-byte values", O(PERCPU_ARRAY, 4, 4, 8, 0), 10, KEY_INDEX, ORDER_SAME, 2 },
	{ "hash", O(HASH, 8, 8, 8, 0), 12, KEY_BYTES, ORDER_SET, 1 },
	{ "hash, 4-byte key", O(HASH, 4, 20, 100, 0), 120, KEY_BYTES, ORDER_SET, 1 },
	{ "hash, 13-byte key", O(HASH, 13, 5, 64, BPF_F_NO_PREALLOC), 80, KEY_BYTES, ORDER_SET, 1 },
	{ "hash, 16-byte key", O(HASH, 16, 64, 1, 0), 3, KEY_BYTES, ORDER_SET, 1 },
	{ "hash, 1-byte key", O(HASH, 1, 1, 200, 0), 250, KEY_BYTES, ORDER_SET, 1 },
	{ "hash, zero seed", O(HASH, 40, 8, 16, BPF_F_ZERO_SEED), 20, KEY_BYTES, ORDER_SET, 1 },
	{ "percpu_hash", O(PERCPU_HASH, 8, 12, 8, 0), 12, KEY_BYTES, ORDER_SET, 2 },
	{ "lpm_trie IPv4", O(LPM_TRIE, 8, 8, 12, BPF_F_NO_PREALLOC), 64, KEY_PREFIX, ORDER_SAME, 1 },
	{ "lpm_trie one byte", O(LPM_TRIE, 5, 1, 64, BPF_F_NO_PREALLOC), 64, KEY_PREFIX, ORDER_SAME, 1 },
	{ "lpm_trie IPv6", O(LPM_TRIE, 20, 4, 50, BPF_F_NO_PREALLOC), 64, KEY_PREFIX, ORDER_SAME, 1 },
	{ "lpm_trie odd", O(LPM_TRIE, 15, 4, 500, BPF_F_NO_PREALLOC), 64, KEY_PREFIX, ORDER_SAME, 1 },
	{ "queue", O(QUEUE, 0, 12, 4, 0), 1, KEY_NONE, ORDER_NONE, 1 },
	{ "stack", O(STACK, 0, 8, 4, 0), 1, KEY_NONE, ORDER_NONE, 1 },
	{ "read-only array", O(ARRAY, 4, 8, 8, BPF_F_RDONLY), 10, KEY_INDEX, ORDER_SAME, 1 },
	{ "write-only hash", O(HASH, 4, 8, 8, BPF_F_WRONLY), 10, KEY_INDEX, ORDER_NONE, 1 },
	{ "cpumap", O(CPUMAP, 4, 4, 3, 0), 5, KEY_INDEX, ORDER_SAME, 1 },
	{ "stack_trace", O(STACK_TRACE, 4, 64, 8, 0), 10, KEY_INDEX, ORDER_NONE, 1 },
};

static const struct uebpf_map_opts creations[] = {
	O(ARRAY, 4, 8, 0, 0), O(ARRAY, 8, 8, 1, 0), O(ARRAY, 4, 0, 1, 0), O(ARRAY, 4, 8, 1, BPF_F_NO_PREALLOC),
	O(ARRAY, 4, 8, 1, BPF_F_MMAPABLE), O(ARRAY, 4, 8, 1, BPF_F_RDONLY | BPF_F_WRONLY),
	O(ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG), O(ARRAY, 4, 8, 1, BPF_F_RDONLY_PROG),
	O(ARRAY, 4, 0x80000000u, 1, 0), O(PERCPU_ARRAY, 4, 32768, 1, 0), O(PERCPU_ARRAY, 4, 32769, 1, 0),
	O(PERCPU_ARRAY, 4, 8, 1, BPF_F_MMAPABLE), O(HASH, 0, 8, 1, 0), O(HASH, 4, 0, 1, 0), O(HASH, 4, 8, 0, 0),
	O(HASH, 4, 8, 1, BPF_F_MMAPABLE), O(HASH, 4, 5 << 20, 1, BPF_F_NO_PREALLOC), O(HASH, 600, 8, 4, 0),
	O(HASH, 4, 8, 1, BPF_F_NO_COMMON_LRU), O(PERCPU_HASH, 4, 32768, 1, 0), O(PERCPU_HASH, 4, 40000, 1, 0),
	O(LRU_HASH, 4, 8, 10, BPF_F_NO_PREALLOC), O(LRU_HASH, 4, 8, 10, BPF_F_NO_COMMON_LRU),
	O(LRU_HASH, 4, 8, 10, 0), O(LRU_PERCPU_HASH, 4, 8, 10, 0), O(LPM_TRIE, 8, 8, 10, 0),
	O(LPM_TRIE, 4, 8, 10, BPF_F_NO_PREALLOC), O(LPM_TRIE, 260, 8, 10, BPF_F_NO_PREALLOC),
	O(LPM_TRIE, 261, 8, 10, BPF_F_NO_PREALLOC), O(LPM_TRIE, 8, 8, 0, BPF_F_NO_PREALLOC),
	O(RINGBUF, 0, 0, 4096, 0), O(RINGBUF, 0, 0, 0, 0), O(RINGBUF, 0, 0, 4095, 0), O(RINGBUF, 0, 0, 12288, 0),
	O(RINGBUF, 4, 0, 4096, 0), O(RINGBUF, 0, 4, 4096, 0), O(RINGBUF, 0, 0, 4096, BPF_F_RDONLY),
	O(USER_RINGBUF, 0, 0, 4096, 0), O(USER_RINGBUF, 0, 0, 2048, 0), O(QUEUE, 0, 8, 4, 0),
	O(QUEUE, 4, 8, 4, 0), O(QUEUE, 0, 0, 4, 0), O(STACK, 0, 8, 0, 0), O(STACK, 0, 8, 1, BPF_F_NO_PREALLOC),
	O(BLOOM_FILTER, 0, 8, 4, 0), O(BLOOM_FILTER, 4, 8, 4, 0), O(BLOOM_FILTER, 0, 8, 0, 0),
	O(PROG_ARRAY, 4, 4, 4, 0), O(PROG_ARRAY, 4, 8, 4, 0), O(PROG_ARRAY, 4, 4, 0, 0),
	O(PROG_ARRAY, 4, 4, 4, BPF_F_RDONLY_PROG), O(PERF_EVENT_ARRAY, 4, 4, 4, 0),
	O(PERF_EVENT_ARRAY, 4, 4, 0, 0), O(CGROUP_ARRAY, 4, 4, 1, 0), O(STACK_TRACE, 4, 1016, 4, 0),
	O(STACK_TRACE, 4, 1024, 4, 0), O(STACK_TRACE, 4, 12, 4, 0), O(STACK_TRACE, 8, 16, 4, 0),
	O(STACK_TRACE, 4, 64, 4, BPF_F_STACK_BUILD_ID), O(STACK_TRACE, 4, 40, 4, BPF_F_STACK_BUILD_ID),
	O(STACK_TRACE, 4, 127 * 32, 4, BPF_F_STACK_BUILD_ID), O(STACK_TRACE, 4, 128 * 32, 4, BPF_F_STACK_BUILD_ID),
	O(DEVMAP, 4, 4, 4, 0), O(DEVMAP, 4, 8, 4, 0), O(DEVMAP, 4, 12, 4, 0), O(DEVMAP, 8, 4, 4, 0),
	O(DEVMAP_HASH, 4, 4, 4, 0), O(DEVMAP_HASH, 4, 8, 0, 0), O(CPUMAP, 4, 4, 2, 0), O(CPUMAP, 4, 8, 2, 0),
	O(CPUMAP, 4, 4, 2, BPF_F_RDONLY), O(XSKMAP, 4, 4, 4, 0), O(XSKMAP, 4, 8, 4, 0), O(SOCKMAP, 4, 4, 4, 0),
	O(SOCKMAP, 4, 8, 4, 0), O(SOCKMAP, 4, 2, 4, 0), O(SOCKHASH, 16, 4, 4, 0), O(SOCKHASH, 0, 4, 4, 0),
	O(SOCKHASH, 513, 4, 4, 0), O(CGROUP_STORAGE, 16, 8, 0, 0),
	O(CGROUP_STORAGE, 8, 8, 0, 0), O(CGROUP_STORAGE, 16, 8, 1, 0), O(CGROUP_STORAGE, 4, 8, 0, 0),
	O(CGROUP_STORAGE, 16, 70000, 0, 0), O(PERCPU_CGROUP_STORAGE, 16, 40000, 0, 0), O(PERCPU_CGROUP_STORAGE, 16, 8, 0, 0),
	O(ARRAY_OF_MAPS, 4, 4, 4, 0), O(HASH_OF_MAPS, 4, 4, 4, 0), O(HASH, 4, 8, 1, 1 << 30),
	O(REUSEPORT_SOCKARRAY, 4, 8, 4, 0), O(REUSEPORT_SOCKARRAY, 4, 4, 4, 0), O(REUSEPORT_SOCKARRAY, 4, 16, 4, 0),
	O(REUSEPORT_SOCKARRAY, 8, 8, 4, 0), O(REUSEPORT_SOCKARRAY, 4, 8, 0, 0),
	/* storages: the kernel wants types for them too, which are tested where objects are */
	O(TASK_STORAGE, 4, 8, 0, 0), O(SK_STORAGE, 4, 8, 0, BPF_F_RDONLY), O(INODE_STORAGE, 4, 8, 1, 0),
	{ .size = sizeof(struct uebpf_map_opts), .type = 32, .key_size = 4, .value_size = 8 },
	{ .size = sizeof(struct uebpf_map_opts), .type = 999, .key_size = 4, .value_size = 4, .max_entries = 1 },
	{ .size = sizeof(struct uebpf_map_opts), .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4,
	  .max_entries = 1, .extra = 1 },
	{ .size = sizeof(struct uebpf_map_opts), .type = BPF_MAP_TYPE_BLOOM_FILTER, .value_size = 4,
	  .max_entries = 1, .extra = 16 },
	{ .size = sizeof(struct uebpf_map_opts), .type = MAP_TYPE_ARENA, .max_entries = 4, .flags = BPF_F_MMAPABLE },
	{ .size = sizeof(struct uebpf_map_opts), .type = MAP_TYPE_ARENA, .max_entries = 4 },
	{ .size = sizeof(struct uebpf_map_opts), .type = MAP_TYPE_ARENA, .max_entries = 1 << 21,
	  .flags = BPF_F_MMAPABLE },
};

static bool kernel_maps(void)
{
	struct uebpf_map_opts o = O(ARRAY, 4, 8, 1, 0);
	int fd = kmap_create(&o, -1);

	if (fd < 0) {
		printf("skip: bpf() refuses to make maps here (%s)\n", strerror(-fd));
		return false;
	}
	close(fd);
	return true;
}

START_TEST(creation_gives_the_kernels_errno)
{
	const struct uebpf_map_opts *o = &creations[_i];
	struct uebpf_error err;
	struct uebpf_map *map;
	int fd, r;

	if (!kernel_maps())
		return;
	fd = kmap_create(o, -1);
	r = map_new(&test_host, o, &map, &err);
	if (fd >= 0)
		close(fd);
	if (!r)
		uebpf_map_unref(map);
	ck_assert_msg((fd < 0 ? fd : 0) == r, "row %d (type %u key %u value %u n %u flags 0x%x): kernel %d, ours %d %s",
		      _i, o->type, o->key_size, o->value_size, o->max_entries, o->flags, fd < 0 ? fd : 0, r,
		      r ? err.text : "");
}
END_TEST

START_TEST(operations_give_the_kernels_values_and_errno)
{
	const struct map_shape *sh = &shapes[_i];
	struct side ours = { .name = "ours" }, kernel = { .name = "the kernel" };
	uint32_t steps = getenv("SOAK") ? 200000 : 4000;
	struct uebpf_error err;
	char path[64];

	if (!kernel_maps())
		return;
	test_host.cpu_slots = possible_cpus();
	if (sh->values > 1 && test_host.cpu_slots != 2) {
		printf("skip: per-CPU shapes are written for 2 possible CPUs\n");
		return;
	}
	for (uint64_t seed = 1; seed <= 6; seed++) {
		int where = (int)(seed % 3), r;

		if (where && sh->values > 1)
			continue;	/* a shared map has more slots than the kernel CPUs */
		kernel.fd = kmap_create(&sh->opts, -1);
		ck_assert_msg(kernel.fd >= 0, "%s: kernel says %d", sh->name, kernel.fd);
		snprintf(path, sizeof(path), "/dev/shm/uebpf-suite-%d", (int)getpid());
		ours.name = where == 0 ? "ours, private" : where == 1 ? "ours in a memfd" : "ours in a file";
		r = where == 0 ? map_new(&test_host, &sh->opts, &ours.map, &err) :
		    map_new_shared(&test_host, &sh->opts, where == 1 ? NULL : path, 0, UEBPF_OPEN_REPLACE,
				   &ours.map, &err);
		unlink(path);
		ck_assert_msg(!r, "%s", err.text);
		walk_both(&ours, &kernel, sh, seed * UINT64_C(0x9e3779b97f4a7c15), steps);
		side_close(&ours);
		side_close(&kernel);
	}
	maps_host_fini(&test_host);
}
END_TEST

/* Which element goes is the kernel's own affair (its lists are per CPU); that one goes is not. */
START_TEST(bloom_never_forgets_and_takes_the_kernels_flags)
{
	struct uebpf_map_opts o = O(BLOOM_FILTER, 0, 8, 100, 0);
	struct side s[2] = { { .name = "ours" }, { .name = "the kernel" } };
	struct uebpf_error err;

	if (!kernel_maps())
		return;
	ck_assert_int_eq(map_new(&test_host, &o, &s[0].map, &err), 0);
	s[1].fd = kmap_create(&o, -1);
	for (int i = 0; i < 2; i++) {
		uint64_t v = 7;

		ck_assert_int_eq(side_update(&s[i], NULL, &v, BPF_NOEXIST), -EINVAL);
		ck_assert_int_eq(side_update(&s[i], NULL, &v, BPF_EXIST), -EINVAL);
		ck_assert_int_eq(side_lookup(&s[i], NULL, &v), -ENOENT);
		ck_assert_int_eq(side_update(&s[i], NULL, &v, 0), 0);
		ck_assert_int_eq(side_lookup(&s[i], NULL, &v), 0);
		ck_assert_int_eq(side_delete(&s[i], NULL), -EOPNOTSUPP);
		ck_assert_int_eq(side_next(&s[i], NULL, &v), -EOPNOTSUPP);
		ck_assert_int_eq(side_take(&s[i], NULL, &v), -ENOTSUPP);
		side_close(&s[i]);
	}
}
END_TEST

START_TEST(a_frozen_map_refuses_the_user_side)
{
	struct uebpf_map_opts o = O(ARRAY, 4, 8, 2, 0);
	struct side s[2] = { { .name = "ours" }, { .name = "the kernel" } };
	struct uebpf_error err;
	uint32_t k = 0;
	uint64_t v = 1;

	if (!kernel_maps())
		return;
	ck_assert_int_eq(map_new(&test_host, &o, &s[0].map, &err), 0);
	s[1].fd = kmap_create(&o, -1);
	ck_assert_int_eq(uebpf_map_freeze(s[0].map), 0);
	ck_assert_int_eq(kmap_freeze(s[1].fd), 0);
	ck_assert_int_eq(uebpf_map_freeze(s[0].map), -EPERM);
	ck_assert_int_eq(kmap_freeze(s[1].fd), -EPERM);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(side_update(&s[i], &k, &v, 0), -EPERM);
		ck_assert_int_eq(side_delete(&s[i], &k), -EPERM);
		ck_assert_int_eq(side_lookup(&s[i], &k, &v), 0);
		side_close(&s[i]);
	}
}
END_TEST

/* ---- batches and freezing, at random ---- */

enum { BATCH_ROOM = 512, BATCH_BYTES = 1 << 16 };
enum batch { UPDATE_SOME, DELETE_SOME, READ_SOME, TAKE_ALL };
struct bulk { uint8_t keys[BATCH_BYTES], values[BATCH_BYTES]; uint32_t count; };

static bool has_batches(uint32_t type)
{
	return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_HASH ||
	       type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LPM_TRIE;
}

/* The kernel's, all of them from the start. */
static int kernel_batch(int fd, enum batch what, struct bulk *b)
{
	static const int cmd[] = { BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH, BPF_MAP_LOOKUP_BATCH,
				   BPF_MAP_LOOKUP_AND_DELETE_BATCH };
	static uint8_t out[BATCH_ROOM];
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.batch.out_batch = (uintptr_t)out;
	attr.batch.keys = (uintptr_t)b->keys;
	attr.batch.values = (uintptr_t)b->values;
	attr.batch.count = b->count;
	attr.batch.map_fd = (uint32_t)fd;
	if (syscall(SYS_bpf, cmd[what], &attr, sizeof(attr)) < 0) {
		b->count = attr.batch.count;
		return -errno;
	}
	b->count = attr.batch.count;
	return 0;
}

static int side_batch(struct side *s, enum batch what, struct bulk *b)
{
	if (!s->map)
		return kernel_batch(s->fd, what, b);
	switch (what) {
	case UPDATE_SOME: return uebpf_map_update_batch(s->map, b->keys, b->values, &b->count, 0);
	case DELETE_SOME: return uebpf_map_delete_batch(s->map, b->keys, &b->count);
	default: return uebpf_map_lookup_batch(s->map, NULL, b->keys, b->values, &b->count, what == TAKE_ALL);
	}
}

/* Elements in the order of their keys. */
static void sort_bulk(const struct map_shape *sh, struct bulk *b)
{
	static uint8_t pair[BATCH_BYTES * 2];
	size_t k = sh->opts.key_size, v = value_bytes(sh);

	for (uint32_t i = 0; i < b->count; i++) {
		memcpy(pair + i * (k + v), b->keys + i * k, k);
		memcpy(pair + i * (k + v) + k, b->values + i * v, v);
	}
	compare_keys_size = (int)k;
	qsort(pair, b->count, k + v, compare_keys_fn);
	for (uint32_t i = 0; i < b->count; i++) {
		memcpy(b->keys + i * k, pair + i * (k + v), k);
		memcpy(b->values + i * v, pair + i * (k + v) + k, v);
	}
}

static void one_batch(struct side s[2], const struct map_shape *sh, uint64_t *state, bool frozen, const char *at)
{
	static struct bulk bulk[2];
	enum batch what = (enum batch)(rnd(state) % 4);
	bool reads = what >= READ_SOME, sorted = sh->order == ORDER_SAME;
	size_t k = sh->opts.key_size, v = value_bytes(sh);
	uint8_t key[512];
	int r[2];

	if ((what == DELETE_SOME || what == TAKE_ALL) && sh->key == KEY_INDEX)
		return;		/* the kernel has no such calls: -ENOTSUPP; ours says what one delete says */
	if (what == TAKE_ALL && sh->key == KEY_PREFIX)
		return;
	memset(bulk, 0, sizeof(bulk));
	/* of nothing: whether it asks for the right to write is not the same */
	bulk[0].count = reads ? sorted ? 1 + (uint32_t)(rnd(state) % 20) : BATCH_ROOM : 1 + (uint32_t)(rnd(state) % 6);
	for (uint32_t i = 0; !reads && i < bulk[0].count; i++) {
		make_key(sh, state, key);
		memcpy(bulk[0].keys + i * k, key, k);
		for (uint32_t c = 0; c < sh->values; c++)
			for (size_t j = 0; j < sh->opts.value_size; j++)
				bulk[0].values[i * v + c * (v / sh->values) + j] = (uint8_t)rnd(state);
	}
	bulk[1] = bulk[0];
	for (int i = 0; i < 2; i++)
		r[i] = side_batch(&s[i], what, &bulk[i]);
	ck_assert_msg(r[0] == r[1], "%s %s: batch %d%s: ours %d, the kernel %d", sh->name, at, what,
		      frozen ? " of a frozen map" : "", r[0], r[1]);
	if (r[0] == -EPERM)
		return;		/* nothing was looked at, the count neither */
	ck_assert_msg(bulk[0].count == bulk[1].count, "%s %s: batch %d (%d): ours did %u, the kernel %u", sh->name, at, what,
		      r[0], bulk[0].count, bulk[1].count);
	for (int i = 0; reads && i < 2; i++)
		if (!sorted)
			sort_bulk(sh, &bulk[i]);
	ck_assert_msg(!reads || (!memcmp(bulk[0].keys, bulk[1].keys, bulk[0].count * k) &&
				 !memcmp(bulk[0].values, bulk[1].values, bulk[0].count * v)),
		      "%s %s: batch %d reads different elements", sh->name, at, what);
}

START_TEST(batches_and_freezing_give_the_kernels_values_and_errno)
{
	const struct map_shape *sh = &shapes[_i];
	uint32_t rounds = getenv("SOAK") ? 300 : 10;
	struct uebpf_error err;

	if (!has_batches(sh->opts.type) || !kernel_maps())
		return;
	test_host.cpu_slots = possible_cpus();
	if (sh->values > 1 && test_host.cpu_slots != 2) {
		printf("skip: per-CPU shapes are written for 2 possible CPUs\n");
		return;
	}
	for (uint32_t round = 1; round <= rounds; round++) {
		struct side s[2] = { { .name = "ours" }, { .name = "the kernel" } };
		uint64_t state = round * UINT64_C(0x9e3779b97f4a7c15) | 1;
		uint32_t frozen_at = (uint32_t)(rnd(&state) % 120);
		char at[64];

		s[1].fd = kmap_create(&sh->opts, -1);
		ck_assert_int_eq(map_new(&test_host, &sh->opts, &s[0].map, &err), 0);
		for (uint32_t step = 0; step < 100; step++) {
			snprintf(at, sizeof(at), "round %u step %u", round, step);
			if (step == frozen_at || (step > frozen_at && !(rnd(&state) % 32))) {
				int a = uebpf_map_freeze(s[0].map), b = kmap_freeze(s[1].fd);

				ck_assert_msg(a == b, "%s %s: freeze: ours %d, the kernel %d", sh->name, at, a, b);
			}
			one_batch(s, sh, &state, step >= frozen_at, at);
			walk_both(&s[0], &s[1], sh, rnd(&state), 2);
		}
		side_close(&s[0]);
		side_close(&s[1]);
	}
	maps_host_fini(&test_host);
}
END_TEST

static bool stands_in(const struct map_shape *shape, size_t n, uint32_t type)
{
	bool found = false;

	while (n--)
		found |= shape++->opts.type == type;
	return found;
}

START_TEST(each_type_stands_here)
{
	const struct map_ops *ops;

	for (uint32_t i = 0; (ops = map_ops_at(i)); i++) {
		bool found = stands_in(shapes, sizeof shapes / sizeof *shapes, ops->type);

		for (size_t k = 0; k < sizeof creations / sizeof *creations; k++)
			found |= creations[k].type == ops->type;
		ck_assert_msg(found, "map type %s has neither a shape nor a creation in this file", ops->name);
	}
}
END_TEST

int main(void)
{
	TCase *t = test_case("maps beside the kernel's", 120);

	tcase_add_loop_test(t, creation_gives_the_kernels_errno, 0, sizeof(creations) / sizeof(creations[0]));
	tcase_add_loop_test(t, operations_give_the_kernels_values_and_errno, 0, sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_loop_test(t, batches_and_freezing_give_the_kernels_values_and_errno, 0,
			    sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_test(t, bloom_never_forgets_and_takes_the_kernels_flags);
	tcase_add_test(t, a_frozen_map_refuses_the_user_side);
	tcase_add_test(t, each_type_stands_here);
	return run_tests();
}
