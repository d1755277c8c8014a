/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm.c - longest prefix match (semantics of kernel/bpf/lpm_trie.c): geometry, the user side, the row. */
#include <string.h>
#include "maps/lpm.h"
#include "vm/message.h"

static uint32_t words_of(const struct uebpf_map *map) { return (map->key_size - 4 + 7) / 8; }

static uint32_t index_bits(const struct uebpf_map *map)
{
	uint32_t bits = MIN_INDEX_BITS, max_plen = (map->key_size - 4) * 8;

	while (bits < MAX_INDEX_BITS && bits < max_plen && UINT32_C(1) << bits < map->max_entries)
		bits++;
	return bits;
}

/* Entries, as many joints, one of each while an entry is replaced; number 0 is none. */
static size_t nr_nodes(const struct uebpf_map *map) { return 2 * (size_t)map->max_entries + 3; }
static size_t node_bytes(const struct uebpf_map *map)
{
	return sizeof(struct lpm_node) + words_of(map) * 8 + map->value_stride;
}

static uint32_t nr_tables(const struct uebpf_map *map)
{
	uint32_t n = map->max_entries / 8 + 1;

	return n < MAX_TABLES ? n : MAX_TABLES;
}

static size_t lpm_bytes(const struct uebpf_map *map)
{
	return sizeof(struct lpm_head) + (8u << index_bits(map)) + nr_tables(map) * (size_t)TABLE_SIZE * 8 +
	       nr_nodes(map) * node_bytes(map);
}

static int lpm_check(const struct uebpf_map_opts *o, const char **why)
{
	*why = MESSAGE_TEXT("an LPM trie needs max_entries, BPF_F_NO_PREALLOC, a key of a 4-byte length and 1 to 256 bytes, and a value");
	if (!o->max_entries || !(o->flags & BPF_F_NO_PREALLOC) || o->key_size < 5 ||
	    o->key_size > 4 + MAX_DATA || !o->value_size || o->value_size > (4u << 20) - 512)
		return -EINVAL;
	if (o->max_entries >= UINT32_C(1) << 29) {
		*why = MESSAGE_TEXT("more than 2^29 entries");
		return -E2BIG;
	}
	return 0;
}

static int lpm_init(struct uebpf_map *map, bool fresh)
{
	struct lpm_map *t = (struct lpm_map *)map;

	(void)fresh;
	t->head = map->base;
	t->index_bits = index_bits(map);
	t->index = (void *)((uint8_t *)map->base + sizeof(struct lpm_head));
	t->tables = t->index + (UINT32_C(1) << t->index_bits);
	t->nr_tables = nr_tables(map);
	t->nodes = (uint8_t *)(t->tables + (size_t)t->nr_tables * TABLE_SIZE);
	t->node_size = (uint32_t)node_bytes(map);
	t->words = words_of(map);
	t->max_plen = (map->key_size - 4) * 8;
	t->last = (uint32_t)nr_nodes(map) - 1;
	map->values = (struct region){
		.lo = (uintptr_t)t->nodes, .hi = (uintptr_t)t->nodes + nr_nodes(map) * t->node_size,
		.stride = t->node_size, .len = map->value_size,
		.first = (uint32_t)sizeof(struct lpm_node) + t->words * 8,
	};
	return 0;
}

/* ---- the user side ---- */

bool prefix_load(const struct lpm_map *t, const void *key, struct prefix *p)
{
	const uint8_t *data = (const uint8_t *)key + 4;
	uint32_t left = t->local.m.key_size - 4;

	memcpy(&p->plen, key, 4);
	p->word[t->words] = 0;
	for (uint32_t i = 0; i < t->words; i++, data += 8, left -= 8)
		p->word[i] = be_word(data, left);
	return p->plen <= t->max_plen;
}

static int lpm_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct prefix p;
	uint32_t at, now, tries = 0;

	(void)flags;
	if (!prefix_load(t, key, &p))
		return -ENOENT;
	for (at = lpm_find(t, &p); node_at(t, at) && tries++ < HOSTILE_TRIES; at = now) {
		value_load(map, value, node_value(t, node_at(t, at)));
		now = lpm_find(t, &p);
		if (now == at)
			return 0;
	}
	return -ENOENT;
}

static int lpm_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	return (int)lpm_update(map, key, value, flags, NULL);
}

const struct map_ops lpm_trie_ops = {
	.more = &map_no_more,
	.name = "lpm_trie", .type = BPF_MAP_TYPE_LPM_TRIE, .may = UEBPF_MAY_LOCK,
	.flags = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | MAP_ACCESS_FLAGS, .check = lpm_check,
	.bytes = lpm_bytes, .handle_size = sizeof(struct lpm_map), .init = lpm_init,
	.lookup = lpm_lookup, .update = lpm_update, .remove = lpm_remove,
	.user_lookup = lpm_user_lookup, .user_update = lpm_user_update, .next_key = lpm_next_key,
	.inline_call = lpm_inline,
};
