/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm_order.c - the order of keys in a trie: more specific first, as the kernel walks. */
#include <string.h>
#include "maps/lpm.h"

static uint32_t leftmost(const struct lpm_map *t, uint32_t at)
{
	uint32_t best = at, steps = 0;

	for (struct lpm_node *n; (n = node_at(t, at)) && steps++ <= 2 * t->max_plen;) {
		if (!get32(&n->real)) {
			at = get32(&n->child[0]);
			continue;
		}
		best = at;
		at = get32(&n->child[0]);
		if (!at)
			at = get32(&n->child[1]);
	}
	return best;
}

/* The parent of a node that is in the trie; 0 for the root. */
static uint32_t parent_of(const struct lpm_map *t, uint32_t child)
{
	struct prefix p;
	uint32_t at = get32(&t->head->root), parent = 0, steps = 0;

	memcpy(p.word, node_at(t, child)->key, t->words * 8);
	p.word[t->words] = 0;
	while (node_at(t, at) && at != child && steps++ <= t->max_plen) {
		parent = at;
		at = get32(&node_at(t, at)->child[bit_at(&p, plen_of(t, node_at(t, at)))]);
	}
	return parent;
}

static uint32_t next_node(struct lpm_map *t, const void *key)
{
	uint32_t root = get32(&t->head->root), at, parent, matched, steps = 0;
	struct lpm_node *n;
	struct prefix p;

	if (!key || !prefix_load(t, key, &p))
		return leftmost(t, root);
	at = get32(lpm_find_link(t, &p, &matched));
	n = node_at(t, at);
	if (!n || plen_of(t, n) != p.plen || matched != p.plen || !get32(&n->real))
		return leftmost(t, root);
	for (; (parent = parent_of(t, at)) && steps++ <= t->max_plen; at = parent) {
		n = node_at(t, parent);
		if (!n)
			break;
		if (get32(&n->child[0]) == at && get32(&n->child[1]))
			return leftmost(t, get32(&n->child[1]));
		if (get32(&n->real))
			return parent;
	}
	return 0;
}

int lpm_next_key(struct uebpf_map *map, const void *key, void *next)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct lpm_node *n;
	int r = t->local.read_only ? 0 : lpm_lock(t);	/* read-only: whatever the walk meets */

	if (r)
		return r;
	n = node_at(t, next_node(t, key));
	if (n) {
		uint8_t *data = (uint8_t *)next + 4;

		memcpy(next, &n->plen, 4);
		for (uint32_t i = 0; i < map->key_size - 4; i++)
			data[i] = (uint8_t)(n->key[i / 8] >> (56 - i % 8 * 8));
	}
	if (!t->local.read_only)
		lock_give(&t->head->lock);
	return n ? 0 : -ENOENT;
}
