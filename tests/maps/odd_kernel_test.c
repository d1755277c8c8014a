/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Unusual input, ours and the kernel's side by side through bpf(): random shapes and flags of every
 * type, then every operation with keys and values that are missing, flags that mean nothing, counts
 * of 0, keys just removed. The errno values must be the same. */
#include "tests/maps/suite.h"
#include "tests/util/run.h"

enum { TYPES = 34, NO_ROOM = 8 << 20 };
static const uint32_t key_sizes[] = {4,	 4,  4,	 8,   8,   0,	1,   3,		5,
				     12, 16, 20, 260, 261, 512, 513, UINT32_MAX};
static const uint32_t value_sizes[] = {4,  4,  8,    8,	   0,	  1,	 12,	    13,
				       16, 64, 1024, 1025, 32768, 32769, UINT32_MAX};
static const uint32_t counts[] = {1, 3, 4, 10, 0, 4096, 8192};
#define PICK(list) (list)[rnd(&state) % (sizeof(list) / sizeof((list)[0]))]

static uint64_t state;
static uint32_t differences;

/* Each kind of difference is said once. */
static bool is_new(uint32_t type, int what, int ours, int kernel)
{
	static uint64_t seen[256];
	uint64_t kind = (uint64_t)type << 40 | (uint64_t)what << 32 |
			(uint64_t)(uint16_t)ours << 16 | (uint16_t)kernel;

	for (uint32_t i = 0; i < differences && i < 256; i++)
		if (seen[i] == kind)
			return false;
	if (differences < 256)
		seen[differences] = kind;
	differences++;
	return true;
}

static uint32_t some_flags(void)
{
	/* Bits 14 to 17 name descriptors that a call brings along; our maps have none. */
	uint32_t known = 1u << (rnd(&state) % 14), stray = 1u << (18 + rnd(&state) % 14);

	switch (rnd(&state) % 8) {
	case 0:
		return known;
	case 1:
		return known | 1u << (rnd(&state) % 14);
	case 2:
		return stray;
	case 3:
		return BPF_F_NO_PREALLOC;
	default:
		return 0;
	}
}

static struct uebpf_map_opts some_shape(void)
{
	struct uebpf_map_opts o = {.size = sizeof(o)};

	o.type = (uint32_t)(rnd(&state) % TYPES);
	o.key_size = PICK(key_sizes);
	o.value_size = PICK(value_sizes);
	o.max_entries = PICK(counts);
	o.flags = some_flags();
	if (o.type == BPF_MAP_TYPE_RINGBUF || o.type == BPF_MAP_TYPE_USER_RINGBUF ||
	    o.type == BPF_MAP_TYPE_QUEUE || o.type == BPF_MAP_TYPE_STACK ||
	    o.type == BPF_MAP_TYPE_BLOOM_FILTER || o.type == MAP_TYPE_ARENA) {
		o.key_size = rnd(&state) % 8 ? 0 : o.key_size;
		if (o.type == BPF_MAP_TYPE_RINGBUF || o.type == BPF_MAP_TYPE_USER_RINGBUF ||
		    o.type == MAP_TYPE_ARENA)
			o.value_size = rnd(&state) % 8 ? 0 : o.value_size;
	}
	if (o.type == BPF_MAP_TYPE_LPM_TRIE && rnd(&state) % 2)
		o.flags |= BPF_F_NO_PREALLOC;
	o.extra = rnd(&state) % 16 ? 0 : rnd(&state) % 20;
	return o;
}

/* The kernel asks for a map as template, or for BTF of key and value, before anything else; ours
 * takes both otherwise.  A map of CPUs has no more than the kernel was built for, and a kernel's
 * map of devices shows a flag (RDONLY_PROG) that ours takes back.  Where two things are wrong the
 * types below may say either. */
static bool is_other(uint32_t type)
{
	return type == BPF_MAP_TYPE_CPUMAP || type == BPF_MAP_TYPE_DEVMAP ||
	       type == BPF_MAP_TYPE_DEVMAP_HASH || type == BPF_MAP_TYPE_ARRAY_OF_MAPS ||
	       type == BPF_MAP_TYPE_HASH_OF_MAPS || type == BPF_MAP_TYPE_SK_STORAGE ||
	       type == BPF_MAP_TYPE_INODE_STORAGE || type == BPF_MAP_TYPE_TASK_STORAGE ||
	       type == MAP_TYPE_CGRP_STORAGE || type == BPF_MAP_TYPE_STRUCT_OPS;
}
static bool same_refusal(uint32_t type, int ours, int kernel)
{
	return ours == kernel ||
	       (ours && kernel &&
		(type == BPF_MAP_TYPE_BLOOM_FILTER || type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
		 type == BPF_MAP_TYPE_CGROUP_STORAGE ||
		 type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE));
}

/* What the kernel would have to find memory for is not a question of semantics. */
static bool is_big(const struct uebpf_map_opts *o)
{
	return (uint64_t)o->max_entries * ((uint64_t)o->key_size + o->value_size) > NO_ROOM;
}

struct buffers {
	uint8_t *key, *value, *next;
};

static int one_op(struct side *s, int op, const struct buffers *b, bool no_key, bool no_value,
		  uint64_t flags, uint32_t count)
{
	void *k = no_key ? NULL : b->key, *v = no_value ? NULL : b->value;

	switch (op) {
	case 0:
		return s->map ? uebpf_map_lookup_flags(s->map, k, v, flags)
			      : kmap_lookup(s->fd, k, v, flags);
	case 1:
		return side_update(s, k, v, flags);
	case 2:
		return side_delete(s, k);
	case 3:
		return side_take(s, k, v);
	case 4:
		return side_next(s, k, no_value ? NULL : b->next);
	default:
		return s->map ? uebpf_map_update_batch(s->map, k, v, &count, flags)
			      : kmap_update_batch(s->fd, k, v, &count, flags);
	}
}

static bool is_hash(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static const char *const verb[] = {"lookup",	    "update",	"delete",
				   "lookup_delete", "next_key", "update_batch"};

/* Values of these types are descriptors, or addresses of the host's own objects. */
static bool has_plain_values(uint32_t type)
{
	static const uint8_t not [] = {BPF_MAP_TYPE_PROG_ARRAY,
				       BPF_MAP_TYPE_PERF_EVENT_ARRAY,
				       BPF_MAP_TYPE_CGROUP_ARRAY,
				       BPF_MAP_TYPE_ARRAY_OF_MAPS,
				       BPF_MAP_TYPE_HASH_OF_MAPS,
				       BPF_MAP_TYPE_DEVMAP,
				       BPF_MAP_TYPE_DEVMAP_HASH,
				       BPF_MAP_TYPE_CPUMAP,
				       BPF_MAP_TYPE_XSKMAP,
				       BPF_MAP_TYPE_SOCKMAP,
				       BPF_MAP_TYPE_SOCKHASH,
				       BPF_MAP_TYPE_CGROUP_STORAGE,
				       BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
				       BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
				       BPF_MAP_TYPE_SK_STORAGE,
				       BPF_MAP_TYPE_INODE_STORAGE,
				       BPF_MAP_TYPE_TASK_STORAGE,
				       MAP_TYPE_CGRP_STORAGE};

	return !memchr(not, (int)type, sizeof(not ));
}

static bool has_batch(uint32_t type)
{
	return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       type == BPF_MAP_TYPE_LPM_TRIE || is_hash(type);
}

/* Free: which key of a hash is the last, which entry of an LRU had to go, what a bloom filter takes
 * for known. */
static bool as_good(uint32_t type, int op, int ours, int kernel)
{
	bool lru = type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	bool there = (!ours || ours == -ENOENT || ours == -EEXIST) &&
		     (!kernel || kernel == -ENOENT || kernel == -EEXIST);

	return ours == kernel || (there && (lru || (op == 4 && is_hash(type)) ||
					    (!op && type == BPF_MAP_TYPE_BLOOM_FILTER)));
}

static void use_both(struct side s[2], const struct uebpf_map_opts *o)
{
	static const uint64_t flags[] = {0,	    0, 0, 1, 2, 3, 4, 5, 8, 16, UINT64_C(1) << 32,
					 UINT64_MAX};
	static uint8_t key[1 << 11], value[1 << 18], next[1 << 11];
	struct buffers b = {key, value, next};

	for (int step = 0; step < 60; step++) {
		int op = (int)(rnd(&state) % (has_batch(o->type) ? 6 : 5)), r[2];
		bool no_key = o->key_size && op != 5 && rnd(&state) % 12 == 0;
		bool no_value = op == 1 && rnd(&state) % 12 == 0;
		/* Flags of a batch are our own, and one of nothing asks for no right. */
		uint64_t f = op == 5 ? 0 : PICK(flags);
		uint32_t count = 1 + (uint32_t)(rnd(&state) % 2);

		memset(key, 0, sizeof(key));
		key[0] = (uint8_t)(rnd(&state) % 6);
		if (o->type == BPF_MAP_TYPE_LPM_TRIE && rnd(&state) % 4)
			key[4] = (uint8_t)(rnd(&state) & 0xc0);
		memset(value, 0, sizeof(value));
		for (uint32_t i = 0;
		     o->type != BPF_MAP_TYPE_STACK_TRACE && i < o->value_size && i < 8; i++)
			value[i] = (uint8_t)rnd(&state);
		for (int i = 0; i < 2; i++)
			r[i] = one_op(&s[i], op, &b, no_key || !o->key_size, no_value, f, count);
		if (r[1] == -ENOMEM)
			return; /* the kernel's per-CPU memory */
		if (as_good(o->type, op, r[0], r[1]))
			continue;
		if (is_new(o->type, op, r[0], r[1]))
			printf("type %u key %u value %u n %u flags 0x%x: %s%s%s flags 0x%llx count "
			       "%u, key %u: ours %d, the kernel %d\n",
			       o->type, o->key_size, o->value_size, o->max_entries, o->flags,
			       verb[op], no_key ? " (no key)" : "", no_value ? " (no value)" : "",
			       (unsigned long long)f, count, key[0], r[0], r[1]);
		if (!r[0] != !r[1])
			return; /* the two hold different things from here on */
	}
}

START_TEST(random_shapes_and_odd_calls_give_the_kernels_errno)
{
	uint32_t rounds = getenv("SOAK") ? 200000 : 6000, both = 0, used = 0;
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;

	test_host.cpu_slots = possible_cpus();
	state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (uint32_t n = 0; n < rounds; n++) {
		struct uebpf_map_opts o = some_shape();
		struct side s[2] = {{.name = "ours"}, {.name = "the kernel"}};
		struct uebpf_error err = {0};
		int ours;

		if (is_other(o.type) || (is_big(&o) && o.key_size <= 513 && o.value_size <= 32769))
			continue;
		s[1].fd = kmap_create(&o, -1);
		if (s[1].fd == -EPERM && !n) {
			printf("skip: bpf() refuses to make maps here\n");
			return;
		}
		ours = map_new(&test_host, &o, &s[0].map, &err);
		if (!same_refusal(o.type, ours, s[1].fd < 0 ? s[1].fd : 0) &&
		    is_new(o.type, 15, ours, s[1].fd < 0 ? s[1].fd : 0))
			printf("type %u key %u value %u n %u flags 0x%x extra %llu: ours %d %s, "
			       "the kernel %d\n",
			       o.type, o.key_size, o.value_size, o.max_entries, o.flags,
			       (unsigned long long)o.extra, ours, ours ? err.text : "",
			       s[1].fd < 0 ? s[1].fd : 0);
		if (ours || s[1].fd < 0) {
			if (!ours)
				side_close(&s[0]);
			if (s[1].fd >= 0)
				close(s[1].fd);
			continue;
		}
		both++;
		if (has_plain_values(o.type) && o.value_size <= 32768) {
			use_both(s, &o);
			used++;
		}
		side_close(&s[0]);
		side_close(&s[1]);
	}
	printf("%u shapes, both sides made %u, %u used\n", rounds, both, used);
	ck_assert_uint_eq(differences, 0);
	ck_assert_uint_gt(used, rounds / 100); /* the generator does reach maps that exist */
	maps_host_fini(&test_host);
}
END_TEST

START_TEST(a_missing_value_is_efault_and_changes_nothing)
{
	struct uebpf_map_opts o[] = {
		{.size = sizeof(*o),
		 .type = BPF_MAP_TYPE_HASH,
		 .key_size = 4,
		 .value_size = 8,
		 .max_entries = 2},
		{.size = sizeof(*o), .type = BPF_MAP_TYPE_QUEUE, .value_size = 8, .max_entries = 2},
	};
	uint32_t k = 1;

	for (int i = 0; i < 2; i++) {
		void *key = o[i].key_size ? &k : NULL;
		struct uebpf_error err;
		struct uebpf_map *map = NULL;
		uint64_t v = 7;

		ck_assert_int_eq(map_new(&test_host, &o[i], &map, &err), 0);
		ck_assert_int_eq(uebpf_map_update(map, key, NULL, 0), -EFAULT);
		ck_assert_int_eq(uebpf_map_update(map, key, &v, 0), 0);
		ck_assert_int_eq(uebpf_map_lookup(map, key, NULL), -EFAULT);
		ck_assert_int_eq(uebpf_map_lookup_delete(map, key, NULL), -EFAULT);
		ck_assert_int_eq(uebpf_map_next_key(map, NULL, NULL), -EFAULT);
		if (key) {
			uint32_t n = 1;

			ck_assert_int_eq(uebpf_map_lookup_batch(map, NULL, NULL, &v, &n, 0), -EFAULT);
			ck_assert_int_eq(uebpf_map_lookup_batch(map, NULL, &k, NULL, (n = 1, &n), 1), -EFAULT);
			ck_assert_int_eq(uebpf_map_update_batch(map, NULL, &v, (n = 1, &n), 0), -EFAULT);
			ck_assert_int_eq(uebpf_map_update_batch(map, &k, NULL, (n = 1, &n), 0), -EFAULT);
			ck_assert_int_eq(uebpf_map_delete_batch(map, NULL, (n = 1, &n)), -EFAULT);
		}
		v = 0;
		ck_assert_int_eq(uebpf_map_lookup_delete(map, key, &v), 0);
		ck_assert_uint_eq(v, 7);
		uebpf_map_unref(map);
	}
	maps_host_fini(&test_host);
}
END_TEST

int main(void)
{
	TCase *t = test_case("odd input beside the kernel's", 600);

	tcase_add_test(t, random_shapes_and_odd_calls_give_the_kernels_errno);
	tcase_add_test(t, a_missing_value_is_efault_and_changes_nothing);
	return run_tests();
}
