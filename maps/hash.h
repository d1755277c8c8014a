/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash.h - the table behind hash, per-CPU hash, LRU and the maps keyed by objects.
 *
 * Layout (offsets from base, constant for the life of a map):
 *   head | buckets[nr_buckets + nr_over] | elements[1 + capacity + nr_buckets] | per-CPU values
 * A bucket is one cache line: 16-bit tags of 7 elements, their numbers, a chain to an overflow
 * bucket, a spare element, a sequence number and the lock.  Elements never move and their memory
 * stays valid, so a value pointer outlives a delete, as in the kernel's preallocated tables.
 *
 * Readers take no lock.  They read tags, element numbers and keys with atomics, and accept what
 * they saw when the head bucket's sequence number is unchanged: a writer raises it after it unlinked
 * or moved an element and before that element's key can be overwritten.  It is raised once, so a
 * writer that sleeps inside its change stops no reader.
 *
 * An update of an existing key writes the bucket's spare element, swaps the two numbers with one
 * store and keeps the old element as next spare: readers see the old value or the new one, never a
 * mixture, and no free list is touched. */
#ifndef UEBPF_MAPS_HASH_H
#define UEBPF_MAPS_HASH_H

#include "maps/keys.h"
#include "maps/maps.h"

enum { BUCKET_SLOTS = 7, FREE_STRIPES = 16, STORAGE_OWNERS = 4096 };
struct bucket {
	_Atomic uint16_t tag[8];	/* 0: empty; tag[7] always */
	_Atomic uint32_t idx[BUCKET_SLOTS];
	_Atomic uint32_t next;		/* overflow bucket, 0: end */
	uint32_t spare;			/* 0: the bucket's own first spare, capacity + 1 + bucket number;
					 * NO_SPARE: lost with a writer that died, see hash_repair.c */
	_Atomic uint32_t seq;
	struct map_lock lock;
};
_Static_assert(sizeof(struct bucket) == MAP_LINE, "a bucket is one cache line");

struct free_stripe { _Atomic uint64_t head; uint64_t pad[MAP_LINE / 8 - 1]; };
struct hash_head {
	struct key_seed seed;
	_Atomic uint32_t fresh;		/* elements 1..fresh were handed out at least once */
	_Atomic uint32_t hand;		/* LRU clock */
	_Atomic uint64_t over_free;	/* overflow buckets: {count:32, number:32} */
	_Atomic uint32_t over_fresh;
	_Atomic uint32_t dirty;		/* a writer died: sweep */
	uint32_t pad[4];
	struct free_stripe stripe[FREE_STRIPES];
};

struct hash_map {
	struct map_local local;
	struct key_seed seed;
	struct bucket *bucket;
	uint8_t *elem;
	uint32_t mask;			/* nr_buckets - 1 */
	uint32_t elem_size, key_size;
	uint32_t key_off, value_off;	/* in an element */
	uint32_t capacity;		/* elements that may be linked at once */
	uint32_t last;			/* highest element number */
	uint32_t nr_over;
	bool percpu, lru;
	uint8_t *percpu_values;		/* + slot * slot_stride + element * value_stride */
	size_t slot_stride;
	struct hash_head *head;
	struct map_ops ops;		/* the type's, with the lookup for this key size */
};

/* An LRU element begins with this. */
struct lru_mark { uint32_t bucket; _Atomic uint8_t used, linked; uint8_t pad[2]; };

size_t hash_bytes(const struct uebpf_map *map);
int hash_init(struct uebpf_map *map, bool fresh);
int hash_check(const struct uebpf_map_opts *opts, const char **why);
/* Element number or 0. */
uint32_t hash_find(const struct hash_map *h, const void *key, uint64_t hash);
void *hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call);
long hash_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		 struct uebpf_call *call);
long hash_remove(struct uebpf_map *map, const void *key);
int hash_next_key(struct uebpf_map *map, const void *key, void *next);
int hash_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags);
int hash_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags);
long hash_for_each(struct uebpf_map *map, uint64_t (*fn)(void *arg, void *key, void *value), void *arg,
		   struct uebpf_call *call);

/* For lru.c: makes room by unlinking an element that was not used lately; its number, 0: none. */
uint32_t lru_evict(struct hash_map *h);

/* ---- inside the table ---- */
static inline uint8_t *elem_at(const struct hash_map *h, uint32_t e)
{
	return h->elem + (size_t)e * h->elem_size;
}
static inline uint8_t *elem_key(const struct hash_map *h, uint32_t e) { return elem_at(h, e) + h->key_off; }
static inline struct lru_mark *elem_mark(const struct hash_map *h, uint32_t e)
{
	return (struct lru_mark *)elem_at(h, e);
}
static inline uint8_t *elem_value(const struct hash_map *h, uint32_t e, uint32_t slot)
{
	if (h->percpu)
		return h->percpu_values + slot * h->slot_stride + (size_t)e * h->local.m.value_stride;
	return elem_at(h, e) + h->value_off;
}
uint32_t elem_take(struct hash_map *h, const struct bucket *head);
void elem_push(struct hash_map *h, _Atomic uint64_t *list, uint32_t e);
/* ---- hash_repair.c ---- */
#define NO_SPARE UINT32_MAX
/* After a lock was taken over from the dead. */
void hash_repair_bucket(struct hash_map *h, struct bucket *head);
/* A spare for a bucket that lost its own; 0: none left. */
uint32_t hash_new_spare(struct hash_map *h, struct bucket *head);
static inline bool hash_needs_sweep(const struct hash_map *h)
{
	return atomic_load_explicit(&h->head->dirty, memory_order_relaxed);
}
/* Gives elements and overflow buckets that nothing refers to back to the free lists.  0 or -EBUSY. */
int hash_sweep(struct hash_map *h);
static inline uint32_t bucket_spare(struct hash_map *h, struct bucket *head)
{
	uint32_t e = *(volatile uint32_t *)&head->spare;

	if (__builtin_expect(!e, 0))
		return h->capacity + 1 + (uint32_t)(head - h->bucket);
	return __builtin_expect(e <= h->last, 1) ? e : hash_new_spare(h, head);
}
/* Where a key is; i < 0: not there. */
struct place { struct bucket *b; int i; uint32_t e; };	/* e: read once, shared bytes may change */
int bucket_lock(struct hash_map *h, struct bucket *head);	/* 0 or -EBUSY */
struct place bucket_find_elem(struct hash_map *h, struct bucket *head, uint32_t e);
void bucket_unlink(struct hash_map *h, struct bucket *head, struct place at);

#endif
