/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm_find.c - readers of the trie of lpm.h. */
#include "maps/lpm.h"

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

/* Did what was read between hold?  A hostile peer may go on changing the number. */
static inline bool vouched(const struct lpm_map *t, uint32_t seq, uint32_t *tries)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&t->head->seq, memory_order_relaxed) == seq ||
	       (t->local.hostile && ++*tries > HOSTILE_TRIES);
}

uint32_t lpm_find(const struct lpm_map *t, const struct prefix *p)
{
	uint32_t seq, best, tries = 0;
	uint64_t start;

	do {
		seq = get32(&t->head->seq);
		start = start_of(t, p->word[0], p->plen);
		best = walk(t, p, (uint32_t)start, (uint32_t)(start >> 32));
	} while (!vouched(t, seq, &tries));
	return best;
}

static __attribute__((noinline)) void *lookup_rest(struct lpm_map *t, const void *key)
{
	struct lpm_node *n;
	struct prefix p;

	n = prefix_load(t, key, &p) ? node_at(t, lpm_find(t, &p)) : NULL;
	return n ? node_value(t, n) : NULL;
}

void *lpm_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct lpm_map *t = (struct lpm_map *)map;
	const uint8_t *data = (const uint8_t *)key + 4;
	uint32_t plen, seq, best, tries = 0;
	uint64_t start, word;
	struct lpm_node *n;

	(void)call;
	memcpy(&plen, key, 4);
	if (t->words != 1 || plen != t->max_plen)
		return lookup_rest(t, key);
	word = be_word(data, plen / 8);
	do {
		seq = get32(&t->head->seq);
		start = start_of(t, word, plen);
		best = walk_word(t, word, (uint32_t)start, (uint32_t)(start >> 32));
	} while (!vouched(t, seq, &tries));
	n = node_at(t, best);
	return n ? node_value(t, n) : NULL;
}

/* As a helper, for programs whose map is known when they are loaded. */
static uint64_t lookup_call(uint64_t map, uint64_t key, uint64_t none3, uint64_t none4, uint64_t none5,
			    struct uebpf_call *call)
{
	(void)none3, (void)none4, (void)none5;
	return (uintptr_t)lpm_lookup((void *)(uintptr_t)map, (void *)(uintptr_t)key, call);
}

int lpm_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap)
{
	(void)map, (void)cap;
	out[0] = map_called_alone(lookup_call);
	return what == MAP_CALL_LOOKUP;
}
