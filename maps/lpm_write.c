/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm_write.c - changing the trie of lpm.h, and mending it after a writer died. */
#include <string.h>
#include "maps/lpm.h"

/* ---- writers: the lock is held ---- */

/* head->free and fresh are shared bytes too. */
static uint32_t node_take(struct lpm_map *t)
{
	volatile struct lpm_head *h = t->head;
	uint32_t n = h->free, fresh;

	if (node_at(t, n)) {
		h->free = get32(&node_at(t, n)->child[0]);
		return n;
	}
	fresh = h->fresh;
	if (fresh >= t->last)
		return 0;
	h->fresh = fresh + 1;
	return fresh + 1;
}

static void node_give(struct lpm_map *t, uint32_t n)
{
	if (!node_at(t, n))
		return;
	set32(&node_at(t, n)->child[0], t->head->free);
	t->head->free = n;
}

static void node_fill(struct lpm_map *t, uint32_t at, const struct prefix *p, uint32_t plen, bool real)
{
	struct lpm_node *n = node_at(t, at);

	atomic_thread_fence(memory_order_release);
	atomic_store_explicit((_Atomic uint32_t *)&n->plen, plen, memory_order_relaxed);
	for (uint32_t i = 0; i < t->words; i++) {
		uint32_t from = i * 64;
		uint64_t keep = plen >= from + 64 ? UINT64_MAX : plen <= from ? 0 : ~(UINT64_MAX >> (plen - from));

		/* joints and entries alike: bits behind the prefix are kept as given (next_key shows them) */
		word_put(&n->key[i], real ? p->word[i] : p->word[i] & keep);
	}
	set32(&n->child[0], 0);
	set32(&n->child[1], 0);
	set32(&n->real, real);
}

_Atomic uint32_t *lpm_find_link(struct lpm_map *t, const struct prefix *p, uint32_t *matched)
{
	_Atomic uint32_t *link = &t->head->root;
	struct lpm_node *n;
	uint32_t steps = 0;

	*matched = 0;
	while ((n = node_at(t, get32(link))) && steps++ <= t->max_plen) {
		uint32_t plen = plen_of(t, n);

		*matched = match_bits(n->key, p->word, plen < p->plen ? plen : p->plen);
		if (plen != *matched || plen == p->plen || plen == t->max_plen)
			break;
		link = &n->child[bit_at(p, plen)];
	}
	return link;
}

static int may_add(struct lpm_map *t, uint64_t flags)
{
	if (flags == BPF_EXIST)
		return -ENOENT;
	return t->head->entries == t->local.m.max_entries ? -ENOSPC : 0;
}

static void adopt(struct lpm_map *t, uint32_t to, struct lpm_node *from)
{
	set32(&node_at(t, to)->child[0], get32(&from->child[0]));
	set32(&node_at(t, to)->child[1], get32(&from->child[1]));
}

static int insert(struct lpm_map *t, const struct prefix *p, const void *value, uint64_t flags)
{
	uint32_t matched, new, joint, old;
	_Atomic uint32_t *link = lpm_find_link(t, p, &matched);
	struct lpm_node *n = node_at(t, get32(link));
	uint32_t plen = n ? plen_of(t, n) : 0;
	bool replace = n && plen == matched && plen == p->plen && get32(&n->real), join;
	int r = replace ? (flags == BPF_NOEXIST ? -EEXIST : 0) : may_add(t, flags);

	if (r)
		return r;
	old = get32(link);
	new = node_take(t);
	join = n && matched != p->plen && !(plen == matched && plen == p->plen);
	joint = join ? node_take(t) : 0;
	if (!new || (join && !joint)) {
		node_give(t, new);
		return -ENOMEM;
	}
	node_fill(t, new, p, p->plen, true);
	value_init(&t->local.m, node_value(t, node_at(t, new)), value);
	if (!n) {
		set32(link, new);
		old = 0;
	} else if (plen == matched && plen == p->plen) {
		adopt(t, new, n);
		set32(link, new);
	} else if (matched == p->plen) {
		struct prefix np = { .plen = 0 };

		for (uint32_t i = 0; i < t->words; i++)
			np.word[i] = n->key[i];
		set32(&node_at(t, new)->child[bit_at(&np, matched)], old);
		set32(link, new);
		old = 0;
	} else {
		node_fill(t, joint, p, matched, false);
		set32(&node_at(t, joint)->child[bit_at(p, matched)], new);
		set32(&node_at(t, joint)->child[!bit_at(p, matched)], old);
		set32(link, joint);
		old = 0;
	}
	t->head->entries += !replace;
	lpm_index_refresh(t, p);
	lpm_seq_raise(t);
	node_give(t, old);
	return 0;
}

static int extract(struct lpm_map *t, const struct prefix *p)
{
	_Atomic uint32_t *link = &t->head->root, *parent_link = NULL;
	struct lpm_node *n, *parent = NULL;
	uint32_t at, gone = 0, zero, one, steps = 0;

	while ((n = node_at(t, get32(link))) && steps++ <= t->max_plen) {
		uint32_t matched = node_match(t, n, p), plen = plen_of(t, n);

		if (plen != matched || plen == p->plen || plen >= t->max_plen)
			break;
		parent = n;
		parent_link = link;
		link = &n->child[bit_at(p, plen)];
	}
	if (!n || plen_of(t, n) != p->plen || node_match(t, n, p) != p->plen || !get32(&n->real))
		return -ENOENT;
	at = get32(link);
	zero = get32(&n->child[0]);
	one = get32(&n->child[1]);
	t->head->entries--;
	if (zero && one) {
		set32(&n->real, 0);
		at = 0;
	} else if (parent && !get32(&parent->real) && !zero && !one) {
		gone = get32(parent_link);
		set32(parent_link, get32(&parent->child[link == &parent->child[0]]));
	} else {
		set32(link, zero ? zero : one);
	}
	lpm_index_refresh(t, p);
	lpm_seq_raise(t);
	node_give(t, at);
	node_give(t, gone);
	return 0;
}

/* A writer died: links are sound (each change counts by one store), but nodes may be on no list, the
 * count may be off by one and the table half refreshed. */
static void repair(struct lpm_map *t)
{
	struct prefix p = { .plen = 0 };
	uint32_t fresh = *(volatile uint32_t *)&t->head->fresh;

	memset(p.word, 0, sizeof(p.word));
	if (fresh > t->last)
		fresh = t->last;
	lpm_seq_raise(t);
	t->head->free = t->head->entries = 0;
	for (uint32_t at = 1; at <= fresh; at++) {
		struct lpm_node *n = node_at(t, at);
		uint32_t walk_at = get32(&t->head->root), steps = 0;

		if (!n)			/* `fresh` is at most the last node */
			break;
		memcpy(p.word, n->key, t->words * 8);
		p.plen = n->plen;
		while (walk_at != at && node_at(t, walk_at) && steps++ <= t->max_plen)
			walk_at = get32(&node_at(t, walk_at)->child[bit_at(&p, plen_of(t, node_at(t, walk_at)))]);
		if (walk_at != at)
			node_give(t, at);
		else
			t->head->entries += get32(&n->real) != 0;
	}
	lpm_index_rebuild(t);
	lpm_seq_raise(t);
	if (t->local.store)
		atomic_fetch_add_explicit(&t->local.store->repairs, 1, memory_order_relaxed);
}

int lpm_lock(struct lpm_map *t)
{
	int r = lock_take(&t->local, &t->head->lock);

	if (r > 0)
		repair(t);
	return r < 0 ? r : 0;
}

long lpm_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags, struct uebpf_call *call)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct prefix p;
	int r;

	(void)call;
	if (flags > BPF_EXIST || !prefix_load(t, key, &p))
		return -EINVAL;
	r = lpm_lock(t);
	if (r)
		return r;
	r = insert(t, &p, value, flags);
	lock_give(&t->head->lock);
	return r;
}

long lpm_remove(struct uebpf_map *map, const void *key)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct prefix p;
	int r;

	if (!prefix_load(t, key, &p))
		return -EINVAL;
	r = lpm_lock(t);
	if (r)
		return r;
	r = extract(t, &p);
	lock_give(&t->head->lock);
	return r;
}
