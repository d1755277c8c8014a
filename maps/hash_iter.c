/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_iter.c - walking a hash table.
 *
 * Inside a bucket, next_key goes by (hash, key) and not by place: entries that stay in the table
 * are seen once whatever others do, even when a neighbour's removal moves them. */
#include "maps/hash.h"

enum { SNAPSHOT = 64 };

static struct bucket *next_in_chain(const struct hash_map *h, const struct bucket *b)
{
	return over(h, get32(&b->next));
}

static uint64_t stored_hash(const struct hash_map *h, uint32_t e)
{
	return key_hash_of(&h->seed, elem_key(h, e), h->key_size, true);
}

/* Order of two stored keys whose hashes are equal. */
static int compare_keys(const uint8_t *a, const uint8_t *b, uint32_t size, bool b_stored)
{
	for (uint32_t at = 0; at < size; at += 8) {
		uint64_t x = word_get(a + at), y = b_stored ? word_get(b + at) : key_word(b + at, size - at);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

/* key NULL: no tie to break; after NULL: from the start of the bucket. */
struct cursor { const uint64_t *after; const void *key; };

static bool is_after(const struct hash_map *h, uint32_t e, uint64_t hash, const struct cursor *c)
{
	if (!c->after || hash > *c->after)
		return true;
	if (hash < *c->after || !c->key)
		return false;
	return compare_keys(elem_key(h, e), c->key, h->key_size, false) > 0;
}

static uint32_t least_after(const struct hash_map *h, const struct bucket *head, const struct cursor *c)
{
	uint64_t best_hash = 0;
	uint32_t best = 0, steps = 0;

	for (const struct bucket *b = head; b && steps++ <= h->longest; b = next_in_chain(h, b))
		for (int i = 0; i < BUCKET_SLOTS; i++) {
			uint32_t e = get32(&b->idx[i]);
			uint64_t hash;

			if (!slot_used(b, i) || e - 1 >= h->last)
				continue;
			hash = stored_hash(h, e);
			if (!is_after(h, e, hash, c))
				continue;
			if (!best || hash < best_hash ||
			    (hash == best_hash && compare_keys(elem_key(h, e), elem_key(h, best),
							       h->key_size, true) < 0)) {
				best = e;
				best_hash = hash;
			}
		}
	return best;
}

/* next may be the same memory as key. */
int hash_next_key(struct uebpf_map *map, const void *key, void *next)
{
	struct hash_map *h = (struct hash_map *)map;
	struct cursor c = { NULL, NULL };
	uint64_t hash = 0;
	uint32_t n = 0, tries = 0;

	if (key) {
		hash = key_hash(&h->seed, key, h->key_size);
		if (hash_find(h, key, hash)) {
			c.after = &hash;
			c.key = key;
			n = home_of(h, hash);
		}
	}
	while (n <= h->mask) {
		struct bucket *head = &h->bucket[n];
		uint32_t seq = get32(&head->seq);
		uint32_t e = least_after(h, head, &c);

		if (e) {
			key_load(next, elem_key(h, e), h->key_size);
			if (next == c.key)
				c.key = NULL;
		}
		if (!unchanged(head, seq) && !(h->local.hostile && ++tries > HOSTILE_TRIES))
			continue;
		if (e)
			return 0;
		c.after = NULL;
		n++;
	}
	return -ENOENT;
}

static uint32_t snapshot(const struct hash_map *h, const struct bucket *head, uint32_t *out, uint32_t *tries)
{
	uint32_t n, steps;

	for (;;) {
		uint32_t seq = get32(&head->seq);

		n = steps = 0;
		for (const struct bucket *b = head; b && steps++ <= h->longest; b = next_in_chain(h, b))
			for (int i = 0; i < BUCKET_SLOTS; i++)
				if (slot_used(b, i) && n < SNAPSHOT)
					out[n++] = get32(&b->idx[i]);
		if (unchanged(head, seq) || (h->local.hostile && ++*tries > HOSTILE_TRIES))
			return n;
	}
}

/* A chain longer than the snapshot (more than 9 times the mean) is beyond what a seeded hash gives;
 * its tail would be left out. */
long hash_for_each(struct uebpf_map *map, uint64_t (*fn)(void *arg, void *key, void *value), void *arg,
		   struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	int slot = h->percpu ? map_slot(&h->local, call) : 0;
	uint32_t tries = 0;
	long seen = 0;

	if (slot < 0)
		return -EBUSY;
	for (uint32_t n = 0; n <= h->mask; n++) {
		struct bucket *head = &h->bucket[n];
		uint32_t e[SNAPSHOT], count = snapshot(h, head, e, &tries);

		for (uint32_t i = 0; i < count; i++) {
			if (e[i] - 1 >= h->last || bucket_find_elem(h, head, e[i]).i < 0)
				continue;	/* removed since */
			seen++;
			if (fn(arg, elem_key(h, e[i]), elem_value(h, e[i], (uint32_t)slot)))
				return seen;
		}
	}
	return seen;
}
