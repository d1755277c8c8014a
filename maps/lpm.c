/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm.c - longest prefix match (semantics of kernel/bpf/lpm_trie.c): geometry, readers, the row. */
#include <string.h>
#include "maps/lpm.h"

enum { HOSTILE_TRIES = 10000 };

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
	*why = "an LPM trie needs max_entries, BPF_F_NO_PREALLOC, a key of a 4-byte length and 1 to 256 bytes, and a value";
	if (!o->max_entries || !(o->flags & BPF_F_NO_PREALLOC) || o->key_size < 5 ||
	    o->key_size > 4 + MAX_DATA || !o->value_size || o->value_size > (4u << 20) - 512)
		return -EINVAL;
	if (o->max_entries >= UINT32_C(1) << 29) {
		*why = "more than 2^29 entries";
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

/* ---- readers ---- */

static uint32_t walk(const struct lpm_map *t, const struct prefix *p, uint32_t at, uint32_t best)
{
	struct lpm_node *n;
	uint32_t steps = 0;

	while ((n = node_at(t, at)) && steps++ <= t->max_plen) {
		uint32_t plen = plen_of(t, n);

		if (plen > p->plen || match_bits(n->key, p->word, plen) < plen)
			break;
		if (get32(&n->real))
			best = at;
		if (plen >= t->max_plen)
			break;
		at = get32(&n->child[bit_at(p, plen)]);
	}
	return best;
}

/* The same where the address is one word and given whole. */
static inline uint32_t walk_word(const struct lpm_map *t, uint64_t word, uint32_t at, uint32_t best)
{
	struct lpm_node *n;
	uint32_t steps = 0;

	while ((n = node_at(t, at)) && steps++ <= t->max_plen) {
		uint32_t plen = plen_of(t, n);

		if (plen && (word_get(&n->key[0]) ^ word) >> (64 - plen))
			break;
		best = get32(&n->real) ? at : best;
		if (plen >= t->max_plen)
			break;
		at = get32(&n->child[word << plen >> 63]);
	}
	return best;
}

/* Entry of the last table that prefixes of plen bits may use; none: from the root. */
static inline uint64_t start_of(const struct lpm_map *t, uint64_t word, uint32_t plen)
{
	uint32_t depth = t->index_bits;
	uint64_t entry;
	lpm_entry *table;

	if (plen < depth)
		return get32(&t->head->root);
	entry = atomic_load_explicit(&t->index[word >> (64 - depth)], memory_order_acquire);
	while ((uint32_t)entry & IS_TABLE) {
		table = table_at(t, (uint32_t)entry & ~IS_TABLE);
		if (!table || !table_fits(t, depth) || plen < depth + TABLE_BITS)
			return get32(&t->head->root);
		entry = atomic_load_explicit(&table[table_index(word, depth)], memory_order_acquire);
		depth += TABLE_BITS;
	}
	return entry;
}

static inline __attribute__((always_inline))
uint32_t find(const struct lpm_map *t, const struct prefix *p, bool one_word)
{
	for (uint32_t tries = 0;; tries++) {
		uint32_t seq = get32(&t->head->seq), best;
		uint64_t start = start_of(t, p->word[0], p->plen);

		if (one_word && p->plen == t->max_plen)
			best = walk_word(t, p->word[0], (uint32_t)start, (uint32_t)(start >> 32));
		else
			best = walk(t, p, (uint32_t)start, (uint32_t)(start >> 32));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&t->head->seq, memory_order_relaxed) == seq ||
		    (t->local.hostile && tries > HOSTILE_TRIES))
			return best;
	}
}

uint32_t lpm_find(const struct lpm_map *t, const struct prefix *p)
{
	return find(t, p, t->words == 1);
}

static void *lpm_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct lpm_node *n;
	struct prefix p;

	(void)call;
	if (!prefix_load(t, key, &p))
		return NULL;
	n = node_at(t, t->words == 1 ? find(t, &p, true) : lpm_find(t, &p));
	return n ? node_value(t, n) : NULL;
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
};
