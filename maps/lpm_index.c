/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm_index.c - the tables in front of the trie of lpm.h.  All of it follows from the trie, so after a
 * writer's death it is made again.  The lock is held. */
#include <string.h>
#include "maps/lpm.h"

enum { WORTH_A_TABLE = 4, NOT_WORTH_ONE = 2 };	/* nodes below an entry */
/* Numbers that a hostile peer wrote may lead in circles: no more entries are filled, no more tables given
 * back than there are. */
struct job { struct lpm_map *t; const struct prefix *key; uint64_t left; };

/* head->table_free and table_fresh are shared bytes. */
static uint32_t table_take(struct lpm_map *t)
{
	volatile struct lpm_head *h = t->head;
	uint32_t n = h->table_free, fresh = h->table_fresh;
	lpm_entry *table = table_at(t, n);

	if (table) {
		h->table_free = (uint32_t)atomic_load_explicit(&table[0], memory_order_relaxed);
		return n;
	}
	if (fresh >= t->nr_tables)
		return 0;
	h->table_fresh = fresh + 1;
	return fresh + 1;
}

/* Nothing leads to it any more: the number is raised before it can be used again. */
static void table_give(struct job *job, uint32_t n, uint32_t depth)
{
	struct lpm_map *t = job->t;
	lpm_entry *table = table_at(t, n);

	if (!table || !table_fits(t, depth) || !job->left)
		return;
	job->left--;
	for (int i = 0; i < TABLE_SIZE; i++) {
		uint32_t low = (uint32_t)atomic_load_explicit(&table[i], memory_order_relaxed);

		if (low & IS_TABLE)
			table_give(job, low & ~IS_TABLE, depth + TABLE_BITS);
	}
	lpm_seq_raise(t);
	atomic_store_explicit(&table[0], t->head->table_free, memory_order_release);
	t->head->table_free = n;
}

/* Nodes from `at` down, no further than `most`. */
static uint32_t count(const struct lpm_map *t, uint32_t at, uint32_t most)
{
	const struct lpm_node *n = node_at(t, at);
	uint32_t sum = 1;

	if (!n || !most)
		return 0;
	for (int side = 0; side < 2 && sum < most; side++)
		sum += count(t, get32(&n->child[side]), most - sum);
	return sum;
}

/* Entries of one table for the addresses that begin with `word` up to its depth, below prefix `key`; best
 * and at: where the walk stands after those bits. */
static void fill(struct job *job, lpm_entry *table, uint32_t first_bit, uint32_t bits, uint64_t word,
		 uint32_t best, uint32_t at, bool fresh);

static void fill_entry(struct job *job, lpm_entry *entry, uint32_t depth, uint64_t word, uint32_t best,
		       uint32_t at, bool fresh)
{
	struct lpm_map *t = job->t;
	uint32_t steps = 0, plen, old = fresh ? 0 : (uint32_t)atomic_load_explicit(entry, memory_order_relaxed);
	uint32_t table = old & IS_TABLE ? old & ~IS_TABLE : 0, nodes;
	struct lpm_node *node;
	bool empty = !table;

	while ((node = node_at(t, at)) && (plen = plen_of(t, node)) < depth && steps++ <= t->max_plen) {
		if (match_bits(node->key, &word, plen) < plen)
			break;
		if (get32(&node->real))
			best = at;
		at = get32(&node->child[word << plen >> 63]);
	}
	if (node && match_bits(node->key, &word, depth) < depth)
		at = 0;
	nodes = table_fits(t, depth) ? count(t, at, WORTH_A_TABLE) : 0;
	if (!table && nodes >= WORTH_A_TABLE)
		table = table_take(t);
	if (table && nodes >= (empty ? WORTH_A_TABLE : NOT_WORTH_ONE) && table_at(t, table)) {
		fill(job, table_at(t, table), depth, TABLE_BITS, word, best, at, empty);
		atomic_store_explicit(entry, (uint64_t)best << 32 | IS_TABLE | table, memory_order_release);
		return;
	}
	atomic_store_explicit(entry, (uint64_t)best << 32 | at, memory_order_release);
	if (table)
		table_give(job, table, depth);
}

static void fill(struct job *job, lpm_entry *table, uint32_t first_bit, uint32_t bits, uint64_t word,
		 uint32_t best, uint32_t at, bool fresh)
{
	const struct prefix *key = job->key;
	uint32_t depth = first_bit + bits /* 1 to 64 */, known = key->plen < depth ? key->plen : depth;
	uint64_t first = 0, n = UINT64_C(1) << bits;

	if (!fresh && known > first_bit) {	/* only the entries that begin as the key does */
		n = UINT64_C(1) << (depth - known);
		first = key->word[0] << first_bit >> (64 - bits) & ~(n - 1);
	}
	for (uint64_t i = first; i < first + n && job->left; i++, job->left--)
		fill_entry(job, &table[i], depth, word | i << (-depth & 63), best, at, fresh);
}

static void fill_all(struct lpm_map *t, const struct prefix *key, bool fresh)
{
	struct job job = { t, key, (UINT64_C(1) << t->index_bits) + (uint64_t)t->nr_tables * (2 * TABLE_SIZE) };

	fill(&job, t->index, 0, t->index_bits, 0, 0, get32(&t->head->root), fresh);
}

void lpm_index_refresh(struct lpm_map *t, const struct prefix *key)
{
	fill_all(t, key, false);
}

void lpm_index_rebuild(struct lpm_map *t)
{
	struct prefix all = { .plen = 0 };

	memset(all.word, 0, sizeof(all.word));
	lpm_seq_raise(t);
	t->head->table_free = t->head->table_fresh = 0;
	fill_all(t, &all, true);
}
