/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm.h - longest prefix match: layout, and what readers, writers and walks share.
 *
 * A path-compressed binary trie whose nodes hold the prefix as big-endian words, so that a match is
 * an exclusive or and a count of leading zeroes.  In front of it lies a table indexed by the first
 * bits of the address: the best prefix shorter than the index and the node where the walk goes on;
 * where many nodes are left, instead of the node a further table for the next bits.  The tables hold
 * nothing that the trie does not; they are as many as memory was set aside for.
 *
 * Layout: head | index | further tables | nodes.
 *
 * Readers take no lock; like those of hash.h they accept what an unchanged sequence number vouches
 * for: it is raised after nodes or tables were unlinked and before they can be used again. */
#ifndef UEBPF_MAPS_LPM_H
#define UEBPF_MAPS_LPM_H

#include "maps/keys.h"
#include "maps/maps.h"

enum { MIN_INDEX_BITS = 4, MAX_INDEX_BITS = 16, TABLE_BITS = 6, TABLE_SIZE = 1 << TABLE_BITS, MAX_TABLES = 16384,
       MAX_DATA = 256, MAX_WORDS = MAX_DATA / 8 };
#define IS_TABLE (UINT32_C(1) << 31)	/* in the lower half of an entry: a table's number, not a node's */

struct lpm_node {
	_Atomic uint32_t child[2];
	uint32_t plen;
	_Atomic uint32_t real;		/* 0: only joins its two children */
	uint64_t key[];			/* words, then the value */
};
struct lpm_head {
	struct map_lock lock;
	_Atomic uint32_t seq, root;
	uint32_t entries, fresh, free, table_fresh, table_free, pad[7];
};
_Static_assert(sizeof(struct lpm_head) == MAP_LINE, "nodes of 32 bytes do not straddle lines");
typedef _Atomic uint64_t lpm_entry;	/* best << 32 | node or IS_TABLE | table */
struct lpm_map {
	struct map_local local;
	struct lpm_head *head;
	lpm_entry *index, *tables;
	uint8_t *nodes;
	uint32_t node_size, words, max_plen, index_bits, last, nr_tables;
};
/* A key as the caller gave it. */
struct prefix { uint32_t plen; uint64_t word[MAX_WORDS + 1]; };

static inline struct lpm_node *node_at(const struct lpm_map *t, uint32_t n)
{
	return n && n <= t->last ? (struct lpm_node *)(t->nodes + (size_t)n * t->node_size) : NULL;
}

/* From shared bytes: read once, never more than a key has. */
static inline uint32_t plen_of(const struct lpm_map *t, const struct lpm_node *n)
{
	uint32_t plen = atomic_load_explicit((_Atomic uint32_t *)&n->plen, memory_order_relaxed);

	return plen < t->max_plen ? plen : t->max_plen;
}

static inline uint8_t *node_value(const struct lpm_map *t, struct lpm_node *n)
{
	return (uint8_t *)(n->key + t->words);
}

static inline __attribute__((always_inline))
void set32(_Atomic uint32_t *p, uint32_t v) { atomic_store_explicit(p, v, memory_order_release); }

static inline uint64_t be_word(const uint8_t *p, size_t n)
{
	uint64_t w;

	if (n == 4)
		return (uint64_t)((uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]) << 32;
	w = key_word(p, n);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	return w;
}

bool prefix_load(const struct lpm_map *t, const void *key, struct prefix *p);	/* false: longer than a key */
static inline uint32_t bit_at(const struct prefix *p, uint32_t i)
{
	return p->word[i / 64] >> (63 - i % 64) & 1;
}

/* How many of the first `limit` bits agree. */
static inline uint32_t match_bits(const uint64_t *stored, const uint64_t *word, uint32_t limit)
{
	for (uint32_t i = 0; i * 64 < limit; i++) {
		uint64_t diff = word_get(&stored[i]) ^ word[i];

		if (diff) {
			uint32_t at = i * 64 + (uint32_t)__builtin_clzll(diff);

			return at < limit ? at : limit;
		}
	}
	return limit;
}

static inline uint32_t node_match(const struct lpm_map *t, const struct lpm_node *n, const struct prefix *p)
{
	uint32_t plen = plen_of(t, n);

	return match_bits(n->key, p->word, plen < p->plen ? plen : p->plen);
}

/* Table n, counted from 1; NULL: no such. */
static inline lpm_entry *table_at(const struct lpm_map *t, uint32_t n)
{
	return n - 1 < t->nr_tables ? t->tables + (size_t)(n - 1) * TABLE_SIZE : NULL;
}
static inline uint32_t table_index(uint64_t word, uint32_t depth)
{
	return (uint32_t)(word << depth >> (64 - TABLE_BITS));
}
/* Does a further table fit behind `depth` bits of the address? */
static inline bool table_fits(const struct lpm_map *t, uint32_t depth)
{
	return depth + TABLE_BITS <= t->max_plen && depth + TABLE_BITS <= 64;
}

uint32_t lpm_find(const struct lpm_map *t, const struct prefix *p);
void *lpm_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call);
int lpm_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap);
/* The link where a prefix is or would be: stops at a node that is equal, longer or different. */
_Atomic uint32_t *lpm_find_link(struct lpm_map *t, const struct prefix *p, uint32_t *matched);
int lpm_lock(struct lpm_map *t);	/* 0 or -EBUSY */
long lpm_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags, struct uebpf_call *call);
long lpm_remove(struct uebpf_map *map, const void *key);
int lpm_next_key(struct uebpf_map *map, const void *key, void *next);
/* lpm_index.c: table entries below a prefix, after the trie changed there; all of them from nothing. */
void lpm_index_refresh(struct lpm_map *t, const struct prefix *key);
void lpm_index_rebuild(struct lpm_map *t);
static inline void lpm_seq_raise(struct lpm_map *t)
{
	set32(&t->head->seq, atomic_load_explicit(&t->head->seq, memory_order_relaxed) + 1);
}

#endif
