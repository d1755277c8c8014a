/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* target.c - maps whose entries say where a packet goes: devmap, cpumap, xskmap, sockmap,
 * reuseport array, and devmap_hash, sockhash.  Here a redirect ends as a verdict that names map and
 * key; what an entry means (an interface number, a queue, the host's number for a socket) is the
 * host's, so the kernel's existence checks of devices and descriptors are not made. */
#include <limits.h>
#include <string.h>
#include "maps/array.h"
#include "maps/hash.h"
#include "maps/keys.h"
#include "vm/message.h"

enum { CPUMAP_MAX_QUEUE = 16384, SOCKHASH_MAX_KEY = 512 };

/* Arrays: {full, value} a slot, 8 bytes each. */
struct slot { _Atomic uint64_t full; uint64_t value; };

/* How the types differ. */
struct rules {
	bool zero_empties;	/* a value that begins with 4 zero bytes empties the slot */
	bool honours_exist;	/* NOEXIST and EXIST look at the slot; else NOEXIST is always -EEXIST */
	bool program_reads;	/* programs may look the value up */
	int no_such_index;	/* delete beyond max_entries */
	int delete_empty;
	int user_lookup;	/* 0: allowed */
};
static const struct rules devmap_rules = { true, false, true, -EINVAL, 0, 0 };
static const struct rules cpumap_rules = { true, false, true, -EINVAL, 0, 0 };
static const struct rules xskmap_rules = { false, true, true, -EINVAL, 0, -EOPNOTSUPP };
static const struct rules sockmap_rules = { false, true, true, -EINVAL, -EINVAL, 0 };
static const struct rules reuseport_rules = { false, true, false, -E2BIG, -ENOENT, 0 };

static const struct rules *rules_of(const struct uebpf_map *map)
{
	const struct map_ops *ops = map->ops;

	return ops == &devmap_ops ? &devmap_rules : ops == &cpumap_ops ? &cpumap_rules :
	       ops == &xskmap_ops ? &xskmap_rules : ops == &sockmap_ops ? &sockmap_rules : &reuseport_rules;
}

static uint32_t u32_of(const void *p)
{
	uint32_t i;

	memcpy(&i, p, sizeof(i));
	return i;
}

static int check_values(const struct uebpf_map_opts *o, const char **why)
{
	if (!o->max_entries || (o->value_size != 4 && o->value_size != 8)) {
		*why = MESSAGE_TEXT("needs max_entries and values of 4 or 8 bytes");
		return -EINVAL;
	}
	return 0;
}

static int target_check(const struct uebpf_map_opts *o, const char **why)
{
	if (o->key_size != 4 || (o->type == BPF_MAP_TYPE_XSKMAP && o->value_size != 4)) {
		*why = MESSAGE_TEXT("keys are 4-byte indexes");
		return -EINVAL;
	}
	return check_values(o, why);
}

static size_t target_bytes(const struct uebpf_map *map)
{
	return (size_t)map->max_entries * sizeof(struct slot);
}

static int target_init(struct uebpf_map *map, bool fresh)
{
	(void)fresh;
	map->values = (struct region){ .lo = (uintptr_t)map->base,
		.hi = (uintptr_t)map->base + target_bytes(map), .stride = sizeof(struct slot),
		.first = offsetof(struct slot, value), .len = map->value_size };
	return 0;
}

static struct slot *slot_at(struct uebpf_map *map, const void *key)
{
	uint32_t i = u32_of(key);

	return i < map->max_entries ? (struct slot *)map->base + i : NULL;
}

static bool target_has(struct uebpf_map *map, const void *key)
{
	struct slot *s = slot_at(map, key);

	return s && atomic_load_explicit(&s->full, memory_order_acquire);
}

static void *target_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	(void)call;
	return rules_of(map)->program_reads && target_has(map, key) ? &slot_at(map, key)->value : NULL;
}

/* The kernel gives the socket; what a socket's number means only the host knows: none is there. */
static void *no_socket(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	(void)map;
	(void)key;
	(void)call;
	return NULL;
}

static int target_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	(void)flags;
	if (rules_of(map)->user_lookup)
		return rules_of(map)->user_lookup;
	if (!target_has(map, key))
		return -ENOENT;
	words_load(value, &slot_at(map, key)->value, map->value_size);
	return 0;
}

static int check_cpu(const struct uebpf_map *map, uint32_t index, const void *value)
{
	if (map->ops != &cpumap_ops)
		return 0;
	if (u32_of(value) > CPUMAP_MAX_QUEUE)
		return -EOVERFLOW;
	return index < possible_cpus() ? 0 : -ENODEV;
}

static int target_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	const struct rules *rules = rules_of(map);
	struct slot *s = slot_at(map, key);
	bool full;
	int r;

	if (flags > BPF_EXIST)
		return -EINVAL;
	if (!s)
		return -E2BIG;
	full = atomic_load_explicit(&s->full, memory_order_relaxed);
	if (rules->honours_exist ? full && flags == BPF_NOEXIST : flags == BPF_NOEXIST)
		return -EEXIST;
	if (rules->honours_exist && !full && flags == BPF_EXIST)
		return -ENOENT;
	r = check_cpu(map, u32_of(key), value);
	if (r)
		return r;
	words_store(&s->value, value, map->value_size);
	atomic_store_explicit(&s->full, !rules->zero_empties || u32_of(value), memory_order_release);
	return 0;
}

static long target_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
			  struct uebpf_call *call)
{
	(void)call;
	return target_user_update(map, key, value, flags);
}

static long target_remove(struct uebpf_map *map, const void *key)
{
	struct slot *s = slot_at(map, key);

	if (!s)
		return rules_of(map)->no_such_index;
	return atomic_exchange(&s->full, 0) ? 0 : rules_of(map)->delete_empty;
}

static int devmap_check(const struct uebpf_map_opts *o, const char **why)
{
	if (o->key_size != 4) {
		*why = MESSAGE_TEXT("keys are 4 bytes");
		return -EINVAL;
	}
	return check_values(o, why);
}

static int sockhash_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = check_values(o, why);

	if (!r && !o->key_size) {
		*why = MESSAGE_TEXT("a sockhash needs a key");
		r = -EINVAL;
	} else if (!r && o->key_size > SOCKHASH_MAX_KEY) {
		*why = MESSAGE_TEXT("keys are at most 512 bytes");
		r = -E2BIG;
	}
	return r;
}

static int devmap_hash_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	if (flags > BPF_EXIST || !u32_of(value))
		return -EINVAL;
	return (int)hash_update(map, key, value, flags == BPF_NOEXIST ? BPF_NOEXIST : BPF_ANY, NULL);
}

static bool hash_has(struct uebpf_map *map, const void *key)
{
	return hash_lookup(map, key, NULL) != NULL;
}

static const struct map_more target_more = { .has_target = target_has }, hash_more = { .has_target = hash_has };
#define TARGET_OPS(look) \
	.traits = MT_REDIRECT, .check = target_check, .bytes = target_bytes, \
	.handle_size = sizeof(struct map_local), .init = target_init, .lookup = look, \
	.user_lookup = target_user_lookup, .user_update = target_user_update, .remove = target_remove, \
	.next_key = array_next_key, .more = &target_more
#define TARGET_HASH_OPS(look) \
	.traits = MT_REDIRECT | MT_HASH, .may = UEBPF_MAY_LOCK, .bytes = hash_bytes, \
	.handle_size = sizeof(struct hash_map), .init = hash_init, .lookup = look, \
	.user_lookup = hash_user_lookup, .remove = hash_remove, .next_key = hash_next_key, \
	.more = &hash_more
enum { RIGHTS = BPF_F_RDONLY | BPF_F_WRONLY };

const struct map_ops devmap_ops = { .name = "devmap", .type = BPF_MAP_TYPE_DEVMAP, TARGET_OPS(target_lookup),
				    .flags = BPF_F_NUMA_NODE | BPF_F_RDONLY_PROG | RIGHTS };
const struct map_ops cpumap_ops = { .name = "cpumap", .type = BPF_MAP_TYPE_CPUMAP, TARGET_OPS(target_lookup),
				    .flags = BPF_F_NUMA_NODE };
const struct map_ops xskmap_ops = { .name = "xskmap", .type = BPF_MAP_TYPE_XSKMAP, TARGET_OPS(target_lookup), .object = OBJECT_XDP_SOCK,
				    .flags = BPF_F_NUMA_NODE | RIGHTS };
const struct map_ops sockmap_ops = { .name = "sockmap", .type = BPF_MAP_TYPE_SOCKMAP, TARGET_OPS(no_socket), .object = OBJECT_SOCK,
				     .update = target_update, .flags = BPF_F_NUMA_NODE | RIGHTS };
const struct map_ops reuseport_array_ops = {
	.name = "reuseport_sockarray", .type = BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, TARGET_OPS(target_lookup),
	.flags = BPF_F_NUMA_NODE | MAP_ACCESS_FLAGS };
const struct map_ops devmap_hash_ops = {
	.name = "devmap_hash", .type = BPF_MAP_TYPE_DEVMAP_HASH, TARGET_HASH_OPS(hash_lookup),
	.check = devmap_check, .user_update = devmap_hash_user_update,
	.flags = BPF_F_NUMA_NODE | BPF_F_RDONLY_PROG | RIGHTS };
const struct map_ops sockhash_ops = {
	.name = "sockhash", .type = BPF_MAP_TYPE_SOCKHASH, TARGET_HASH_OPS(no_socket), .object = OBJECT_SOCK, .check = sockhash_check,
	.update = hash_update, .user_update = hash_user_update, .flags = BPF_F_NUMA_NODE | RIGHTS };
