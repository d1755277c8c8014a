/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lpm.c - longest prefix match (semantics of kernel/bpf/lpm_trie.c).
 *
 * A path-compressed binary trie whose nodes hold the prefix as big-endian words, so that a match is
 * an exclusive or and a count of leading zeroes.  In front of it lies a table indexed by the first
 * bits of the address: the best prefix shorter than the index and the node where the walk goes on;
 * with as many table entries as the map has elements a walk is a few nodes long.
 *
 * Readers take no lock; like those of hash.h they accept what an unchanged sequence number vouches
 * for: it is raised after nodes were unlinked and before they can be used again. */
#include <string.h>
#include "maps/keys.h"
#include "maps/maps.h"

enum { MIN_INDEX_BITS = 4, MAX_INDEX_BITS = 16, MAX_DATA = 256, MAX_WORDS = MAX_DATA / 8, HOSTILE_TRIES = 10000 };

struct lpm_node {
	_Atomic uint32_t child[2];
	uint32_t plen;
	_Atomic uint32_t real;		/* 0: only joins its two children */
	uint64_t key[];			/* words, then the value */
};
struct lpm_head {
	struct map_lock lock;
	_Atomic uint32_t seq, root;
	uint32_t entries, fresh, free, pad[9];
};
struct lpm_map {
	struct map_local local;
	struct lpm_head *head;
	_Atomic uint64_t *index;	/* best << 32 | node */
	uint8_t *nodes;
	uint32_t node_size, words, max_plen, index_bits, last;
};
/* A key as the caller gave it. */
struct prefix { uint32_t plen; uint64_t word[MAX_WORDS + 1]; };

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

static size_t lpm_bytes(const struct uebpf_map *map)
{
	return sizeof(struct lpm_head) + (8u << index_bits(map)) + nr_nodes(map) * node_bytes(map);
}

static int lpm_check(const struct uebpf_map_opts *o, const char **why)
{
	*why = "an LPM trie needs max_entries, BPF_F_NO_PREALLOC, a key of a 4-byte length and 1 to 256 bytes, and a value";
	if (!o->max_entries || !(o->flags & BPF_F_NO_PREALLOC) || o->key_size < 5 ||
	    o->key_size > 4 + MAX_DATA || !o->value_size || o->value_size > (4u << 20) - 512)
		return -EINVAL;
	if (o->max_entries >= UINT32_C(1) << 30) {
		*why = "more than 2^30 entries";
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
	t->nodes = (uint8_t *)t->index + (8u << t->index_bits);
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

static struct lpm_node *node_at(const struct lpm_map *t, uint32_t n)
{
	return n && n <= t->last ? (struct lpm_node *)(t->nodes + (size_t)n * t->node_size) : NULL;
}

/* From shared bytes: read once, never more than a key has. */
static uint32_t plen_of(const struct lpm_map *t, const struct lpm_node *n)
{
	uint32_t plen = atomic_load_explicit((_Atomic uint32_t *)&n->plen, memory_order_relaxed);

	return plen < t->max_plen ? plen : t->max_plen;
}

static uint8_t *node_value(const struct lpm_map *t, struct lpm_node *n)
{
	return (uint8_t *)(n->key + t->words);
}

static uint32_t get32(const _Atomic uint32_t *p) { return atomic_load_explicit(p, memory_order_acquire); }
static void set32(_Atomic uint32_t *p, uint32_t v) { atomic_store_explicit(p, v, memory_order_release); }

static uint64_t be_word(const uint8_t *p, size_t n)
{
	uint64_t w = key_word(p, n);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	return w;
}

static inline __attribute__((always_inline))
bool prefix_load(const struct lpm_map *t, const void *key, struct prefix *p)
{
	const uint8_t *data = (const uint8_t *)key + 4;
	uint32_t left = t->local.m.key_size - 4;

	memcpy(&p->plen, key, 4);
	p->word[t->words] = 0;
	if (p->plen > t->max_plen)
		return false;
	if (left == 4) {
		p->word[0] = be_word(data, 4);
		return true;
	}
	for (uint32_t i = 0; i < t->words; i++, data += 8, left -= 8)
		p->word[i] = be_word(data, left);
	return true;
}

static uint32_t bit_at(const struct prefix *p, uint32_t i)
{
	return p->word[i / 64] >> (63 - i % 64) & 1;
}

/* How many of the first `limit` bits agree. */
static uint32_t match_bits(const uint64_t *stored, const uint64_t *word, uint32_t limit)
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

static uint32_t node_match(const struct lpm_map *t, const struct lpm_node *n, const struct prefix *p)
{
	uint32_t plen = plen_of(t, n);

	return match_bits(n->key, p->word, plen < p->plen ? plen : p->plen);
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

static uint32_t lpm_find(const struct lpm_map *t, const struct prefix *p)
{
	for (uint32_t tries = 0;; tries++) {
		uint32_t seq = get32(&t->head->seq), best;

		if (p->plen >= t->index_bits) {
			uint64_t start = atomic_load_explicit(&t->index[p->word[0] >> (64 - t->index_bits)],
							      memory_order_acquire);

			best = walk(t, p, (uint32_t)start, (uint32_t)(start >> 32));
		} else {
			best = walk(t, p, get32(&t->head->root), 0);
		}
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&t->head->seq, memory_order_relaxed) == seq ||
		    (t->local.hostile && tries > HOSTILE_TRIES))
			return best;
	}
}

static void *lpm_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct lpm_node *n;
	struct prefix p;

	(void)call;
	if (!prefix_load(t, key, &p))
		return NULL;
	n = node_at(t, lpm_find(t, &p));
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

static void seq_raise(struct lpm_map *t)
{
	set32(&t->head->seq, atomic_load_explicit(&t->head->seq, memory_order_relaxed) + 1);
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

/* Table entries below a prefix, after the trie changed there. */
static void index_refresh(struct lpm_map *t, const struct prefix *key)
{
	uint32_t bits = t->index_bits;
	uint64_t first = key->word[0] >> (64 - bits), n = 1;

	if (key->plen < bits) {
		n = UINT64_C(1) << (bits - key->plen);
		first &= ~(n - 1);
	}
	for (uint64_t i = first; i < first + n; i++) {
		uint64_t word = i << (64 - bits);
		uint32_t at = get32(&t->head->root), best = 0, steps = 0, plen;
		struct lpm_node *node;

		while ((node = node_at(t, at)) && (plen = plen_of(t, node)) < bits && steps++ <= t->max_plen) {
			if (match_bits(node->key, &word, plen) < plen)
				break;
			if (get32(&node->real))
				best = at;
			at = get32(&node->child[word >> (63 - plen) & 1]);
		}
		if (node && match_bits(node->key, &word, bits) < bits)
			at = 0;
		atomic_store_explicit(&t->index[i], (uint64_t)best << 32 | at, memory_order_release);
	}
}

/* The link where a prefix is or would be: stops at a node that is equal, longer or different. */
static _Atomic uint32_t *find_link(struct lpm_map *t, const struct prefix *p, uint32_t *matched)
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
	_Atomic uint32_t *link = find_link(t, p, &matched);
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
		struct prefix np;

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
	index_refresh(t, p);
	seq_raise(t);
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
	index_refresh(t, p);
	seq_raise(t);
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
	seq_raise(t);
	t->head->free = t->head->entries = 0;
	for (uint32_t at = 1; at <= fresh; at++) {
		struct lpm_node *n = node_at(t, at);
		uint32_t walk_at = get32(&t->head->root), steps = 0;

		memcpy(p.word, n->key, t->words * 8);
		p.plen = n->plen;
		while (walk_at != at && node_at(t, walk_at) && steps++ <= t->max_plen)
			walk_at = get32(&node_at(t, walk_at)->child[bit_at(&p, plen_of(t, node_at(t, walk_at)))]);
		if (walk_at != at)
			node_give(t, at);
		else
			t->head->entries += get32(&n->real) != 0;
	}
	p.plen = 0;
	memset(p.word, 0, sizeof(p.word));
	index_refresh(t, &p);
	seq_raise(t);
	if (t->local.store)
		atomic_fetch_add_explicit(&t->local.store->repairs, 1, memory_order_relaxed);
}

static int lock(struct lpm_map *t)
{
	int r = lock_take(&t->local, &t->head->lock);

	if (r > 0)
		repair(t);
	return r < 0 ? r : 0;
}

static long lpm_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		       struct uebpf_call *call)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct prefix p;
	int r;

	(void)call;
	if (flags > BPF_EXIST || !prefix_load(t, key, &p))
		return -EINVAL;
	r = lock(t);
	if (r)
		return r;
	r = insert(t, &p, value, flags);
	lock_give(&t->head->lock);
	return r;
}

static int lpm_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	return (int)lpm_update(map, key, value, flags, NULL);
}

static long lpm_remove(struct uebpf_map *map, const void *key)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct prefix p;
	int r;

	if (!prefix_load(t, key, &p))
		return -EINVAL;
	r = lock(t);
	if (r)
		return r;
	r = extract(t, &p);
	lock_give(&t->head->lock);
	return r;
}

/* ---- order of keys: more specific first, as the kernel walks ---- */

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
	at = get32(find_link(t, &p, &matched));
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

static int lpm_next_key(struct uebpf_map *map, const void *key, void *next)
{
	struct lpm_map *t = (struct lpm_map *)map;
	struct lpm_node *n;
	int r = t->local.read_only ? 0 : lock(t);	/* read-only: whatever the walk meets */

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

const struct map_ops lpm_trie_ops = {
	.name = "lpm_trie", .type = BPF_MAP_TYPE_LPM_TRIE, .may = UEBPF_MAY_LOCK,
	.flags = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | MAP_ACCESS_FLAGS, .check = lpm_check,
	.bytes = lpm_bytes, .handle_size = sizeof(struct lpm_map), .init = lpm_init,
	.lookup = lpm_lookup, .update = lpm_update, .remove = lpm_remove,
	.user_lookup = lpm_user_lookup, .user_update = lpm_user_update, .next_key = lpm_next_key,
};
