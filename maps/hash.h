/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash.h - the table behind hash, per-CPU hash, LRU and the maps keyed by objects.
 *
 * Layout (offsets from base, constant for the life of a map):
 *   head | buckets[nr_buckets + nr_over] | elements[1 + capacity + spares] | links of free ones | per-CPU values
 * A bucket is one cache line: tags of 8 elements, their numbers, a chain to an overflow bucket, a spare
 * element and one kept from the last delete, a sequence number and the lock.  Elements never move and
 * their memory stays valid, so a value pointer outlives a delete, as in the kernel's preallocated tables.
 *
 * Readers take no lock.  They read tags, element numbers and keys with atomics, and accept what
 * they saw when the head bucket's sequence number is unchanged: a writer raises it after it unlinked
 * or moved an element and before that element's key can be overwritten.  It is raised once, so a
 * writer that sleeps inside its change stops no reader.
 *
 * An update of an existing key replaces its value, as in the kernel: who holds a pointer to the old one
 * goes on seeing that.  The new value goes into the bucket's spare element, the two numbers are swapped with
 * one store and the old element is the next spare: readers see the old value or the new one, never a
 * mixture, and no free list is touched.
 *
 * Twins: where key and value are one word each, an element has room for two values and a word that says
 * which one counts.  That word is also the element's own lock and a count of its changes, so an update takes
 * no lock of the bucket and writes no line that another key's update needs (hash_twin.c):
 *   free: count, side;  there: count, TWIN_THERE, side;  held: owner as in a map_lock, TWIN_HELD, side
 * Who reads the word, then the key, and then puts his name into the word with a compare-and-swap, knows that
 * the key was there all the time.  A delete takes TWIN_THERE away before it unlinks the element; an insert says
 * it when the element is linked. */
#ifndef UEBPF_MAPS_HASH_H
#define UEBPF_MAPS_HASH_H

#include "maps/keys.h"
#include "maps/maps.h"
#include "maps/match.h"
#include "vm/insn.h"

enum { BUCKET_SLOTS = 8, FREE_STRIPES = 16, STORAGE_OWNERS = 4096 };
struct bucket {
	_Atomic uint8_t tag[BUCKET_SLOTS];	/* TAG_USED and 7 bits of the hash; without it: empty */
	_Atomic uint32_t idx[BUCKET_SLOTS];
	_Atomic uint32_t next;		/* overflow bucket, 0: end */
	_Atomic uint32_t spare;		/* 0: the bucket's own first spare, capacity + 1 + bucket number;
					 * NO_SPARE: lost with a writer that died, see hash_repair.c */
	_Atomic uint32_t seq;
	_Atomic uint32_t kept;		/* a free element for the next insert here, 0: none */
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
	_Atomic uint32_t kept_some;	/* buckets may keep elements that the free lists lack */
	_Atomic uint32_t keep_pause;	/* so many deletes go to the free lists first */
	uint32_t pad[2];
	struct free_stripe stripe[FREE_STRIPES];
};

struct hash_map {
	struct map_local local;
	struct key_seed seed;
	struct bucket *bucket;
	uint8_t *elem;
	uint32_t mask;			/* nr_buckets - 1 */
	uint32_t shift;			/* hash >> shift: bucket number, then 8 bits for the tag */
	uint32_t elem_size, key_size;
	uint32_t key_off, value_off;	/* in an element */
	uint32_t capacity;		/* elements that may be linked at once */
	uint32_t last;			/* highest element number */
	uint32_t nr_over;
	uint32_t longest;		/* more overflow buckets than this a chain does not have */
	bool percpu, lru;
	bool twin;			/* elements are struct twin */
	bool quick;			/* keys of 4, 8 or 16 bytes: the short ways */
	bool quick_twin;		/* both */
	bool quick_word;		/* values of 8 bytes, or 4: one load */
	_Atomic uint32_t *next;		/* of free elements, the next one on its list */
	uint8_t *percpu_values;		/* + slot * slot_stride + element * value_stride */
	size_t slot_stride;
	struct hash_head *head;
};

/* An LRU element begins with this. */
struct lru_mark { _Atomic uint32_t bucket; _Atomic uint8_t used, linked; uint8_t pad[2]; };

struct twin { uint64_t first, key, second; _Atomic uint64_t word; };
enum { TWIN_HELD = 1, TWIN_THERE = 2, TWIN_SIDE = offsetof(struct twin, second), TWIN_COUNT = 2 * TWIN_SIDE,
       TWIN_OWNER_SHIFT = 8 };

size_t hash_bytes(const struct uebpf_map *map);
int hash_init(struct uebpf_map *map, bool fresh);
int hash_check(const struct uebpf_map_opts *opts, const char **why);
/* Element number or 0. */
uint32_t hash_find(const struct hash_map *h, const void *key, uint64_t hash);
void *hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call);
void *lru_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call);
void *percpu_hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call);
long hash_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		 struct uebpf_call *call);
long hash_remove(struct uebpf_map *map, const void *key);
int hash_next_key(struct uebpf_map *map, const void *key, void *next);
int hash_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags);
int hash_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags);
long hash_for_each(struct uebpf_map *map, uint64_t (*fn)(void *arg, void *key, void *value), void *arg,
		   struct uebpf_call *call);

/* Makes room by unlinking an element that was not used lately: its number.  0: none; in a shared map it
 * went to the free list that bucket `wants` looks at first. */
uint32_t lru_evict(struct hash_map *h, const struct bucket *wants);

/* ---- inside the table ---- */
static inline uint32_t home_of(const struct hash_map *h, uint64_t hash)
{
	return (uint32_t)(hash >> h->shift >> 8);
}
static inline uint8_t tag_of(const struct hash_map *h, uint64_t hash)
{
	return (uint8_t)(hash >> h->shift) | TAG_USED;
}
static inline struct bucket *home(const struct hash_map *h, uint64_t hash)
{
	return &h->bucket[home_of(h, hash)];
}
static inline struct bucket *over(const struct hash_map *h, uint32_t n)
{
	return n > h->mask && n <= h->mask + h->nr_over ? &h->bucket[n] : NULL;
}
/* A hostile peer may tie a chain into a ring, and every bucket's into the same. */
static inline bool too_far(const struct hash_map *h, uint32_t *steps) { return ++*steps > h->longest; }
/* For what only holders of the lock change and others may guess from. */
static inline uint32_t get_relaxed(const _Atomic uint32_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}
static inline void set_relaxed(_Atomic uint32_t *p, uint32_t v) { atomic_store_explicit(p, v, memory_order_relaxed); }
static inline uint32_t slot_elem(const struct bucket *b, int i) { return get32(&b->idx[i]); }
static inline bool slot_used(const struct bucket *b, int i)
{
	return atomic_load_explicit(&b->tag[i], memory_order_acquire) & TAG_USED;
}
static inline bool unchanged(const struct bucket *head, uint32_t seq)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&head->seq, memory_order_relaxed) == seq;
}
static inline uint64_t hash_of(const struct hash_map *h, const void *key)
{
	return key_hash(&h->seed, key, h->key_size);
}
static inline uint8_t *elem_at(const struct hash_map *h, uint32_t e)
{
	return h->elem + (size_t)e * h->elem_size;
}
static inline uint8_t *elem_key(const struct hash_map *h, uint32_t e) { return elem_at(h, e) + h->key_off; }
static inline struct lru_mark *elem_mark(const struct hash_map *h, uint32_t e)
{
	return (struct lru_mark *)elem_at(h, e);
}
static inline struct twin *twin_at(const struct hash_map *h, uint32_t e) { return (struct twin *)h->elem + e; }
static inline uint8_t *twin_value(struct twin *t, uint64_t word)
{
	return (uint8_t *)t + (word & TWIN_SIDE);
}
static inline uint8_t *elem_value(const struct hash_map *h, uint32_t e, uint32_t slot)
{
	if (h->percpu)
		return h->percpu_values + slot * h->slot_stride + (size_t)e * h->local.m.value_stride;
	if (h->twin)
		return twin_value(twin_at(h, e), get64(&twin_at(h, e)->word));
	return elem_at(h, e) + h->value_off;
}
/* Holds an element, whose bucket's lock is ours, against updates: 0 or -EBUSY; *word is for twin_give. */
int twin_wait(struct hash_map *h, struct twin *t, uint64_t me, uint64_t *word);
static inline int twin_hold(struct hash_map *h, uint32_t e, uint64_t *word)
{
	struct twin *t = twin_at(h, e);
	uint64_t me = lock_me(&h->local), was = *word = get64(&t->word);

	if (__builtin_expect(!(was & TWIN_HELD) &&
			     atomic_compare_exchange_strong_explicit(&t->word, &was, me << TWIN_OWNER_SHIFT | TWIN_HELD |
					(was & TWIN_SIDE), memory_order_acquire, memory_order_relaxed), 1))
		return 0;
	return twin_wait(h, t, me, word);
}
static inline void twin_give(struct twin *t, uint64_t word)
{
	atomic_store_explicit(&t->word, word + TWIN_COUNT, memory_order_release);
}
void twin_revive(struct twin *t);
/* After it was linked. */
static inline void twin_is_there(struct twin *t)
{
	uint64_t word = atomic_load_explicit(&t->word, memory_order_relaxed);

	if (__builtin_expect(word & TWIN_HELD, 0))
		twin_revive(t);
	else
		twin_give(t, word | TWIN_THERE);
}
/* What an operation writes: the value of one slot or of all (user side of per-CPU maps). */
struct source { const void *value; bool all; int slot; };
/* hash_change.c: what is not in hash_write.c.  held: the head bucket's lock is ours already; it is given
 * back in any case. */
int hash_change(struct hash_map *h, const void *key, const struct source *src, uint64_t flags, bool held);
/* Takes an entry out; out: its value as the user side sees it, or NULL. */
int hash_take_out(struct hash_map *h, const void *key, void *out, uint64_t flags, bool held);
static inline __attribute__((always_inline))
void mark_set(struct hash_map *h, struct bucket *head, uint32_t e, bool linked, bool used)
{
	struct lru_mark *mark = elem_mark(h, e);

	if (!h->lru)
		return;
	if (linked)
		atomic_store_explicit(&mark->bucket, (uint32_t)(head - h->bucket), memory_order_relaxed);
	atomic_store_explicit(&mark->used, used, memory_order_relaxed);
	atomic_store_explicit(&mark->linked, linked, memory_order_release);
}
void hash_set_linked(struct hash_map *h, struct bucket *head, uint32_t e, bool linked, bool used);	/* the same, not in line */
int hash_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap);
/* Helpers for maps of twins with keys of 4 or 8 bytes; for others. */
uint64_t twin_update_call(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t none,
			  struct uebpf_call *call);
uint64_t twin_remove_call(uint64_t map, uint64_t key, uint64_t none3, uint64_t none4, uint64_t none5,
			  struct uebpf_call *call);
uint64_t hash_update_call(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t none,
			  struct uebpf_call *call);
uint64_t hash_remove_call(uint64_t map, uint64_t key, uint64_t none3, uint64_t none4, uint64_t none5,
			  struct uebpf_call *call);
/* Stripes keep threads that work in different buckets apart. */
static inline _Atomic uint64_t *stripe_of(struct hash_map *h, const struct bucket *head, uint32_t n)
{
	return &h->head->stripe[((uint32_t)(head - h->bucket) + n) % FREE_STRIPES].head;
}
/* A free element for a bucket whose lock is held, and back. */
uint32_t elem_take(struct hash_map *h, struct bucket *head);
void elem_give(struct hash_map *h, struct bucket *head, uint32_t e);
/* An element for a bucket whose lock is held; most often the one that the last delete left. */
static inline uint32_t elem_take_kept(struct hash_map *h, struct bucket *head)
{
	uint32_t e = get_relaxed(&head->kept);

	if (e - 1 >= h->last)
		return elem_take(h, head);
	set_relaxed(&head->kept, 0);
	return e;
}
/* A bucket keeps one element of its own: to delete and insert again costs no atomic on a shared list.
 * LRU tables evict instead, and so never look for what others keep. */
static inline void elem_give_kept(struct hash_map *h, struct bucket *head, uint32_t e)
{
	if (h->lru || get_relaxed(&head->kept) || !get_relaxed(&h->head->kept_some) || get_relaxed(&h->head->keep_pause))
		elem_give(h, head, e);
	else
		set_relaxed(&head->kept, e);
}
/* Elements that buckets keep go to the free lists; is there any? */
bool elem_gather(struct hash_map *h);
struct bucket *over_take(struct hash_map *h);
void over_give(struct hash_map *h, struct bucket *b);
/* Is anything free without looking into buckets?  A guess. */
static inline bool elem_free_seen(const struct hash_map *h, const struct bucket *head)
{
	return atomic_load_explicit(&h->head->fresh, memory_order_relaxed) < h->capacity ||
	       (uint32_t)atomic_load_explicit(&h->head->stripe[(uint32_t)(head - h->bucket) % FREE_STRIPES].head,
					      memory_order_relaxed);
}
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
	uint32_t e = get_relaxed(&head->spare);

	if (__builtin_expect(!e, 0))
		return h->capacity + 1 + (uint32_t)(head - h->bucket);
	return __builtin_expect(e <= h->last, 1) ? e : hash_new_spare(h, head);
}
/* Where a key is; i < 0: not there. */
struct place { struct bucket *b; int i; uint32_t e; };	/* e: read once, shared bytes may change */
int bucket_wait(struct hash_map *h, struct bucket *head);
static inline int bucket_lock(struct hash_map *h, struct bucket *head)	/* 0 or -EBUSY */
{
	return lock_free(&h->local, &head->lock) ? 0 : bucket_wait(h, head);
}
static inline void seq_raise(struct bucket *head)
{
	atomic_store_explicit(&head->seq, atomic_load_explicit(&head->seq, memory_order_relaxed) + 1,
			      memory_order_release);
}
/* The number, then the tag that makes it count. */
static inline void place_put(struct place at, uint8_t tag, uint32_t e)
{
	atomic_store_explicit(&at.b->idx[at.i], e, memory_order_release);
	atomic_store_explicit(&at.b->tag[at.i], tag, memory_order_release);
}
/* Keys of 4, 8 and 16 bytes come this way (h->quick), as one or two words. */
struct quick_key { uint64_t a, b, hash; };
static inline __attribute__((always_inline))
struct quick_key quick_key(const struct hash_map *h, const void *key)
{
	struct quick_key k = { .b = 0 };

	k.a = 0;
	if (h->key_size == 4) {
		memcpy(&k.a, key, 4);
	} else {
		memcpy(&k.a, key, 8);
	}
	k.hash = key_round(&h->seed, h->seed.a, k.a);
	if (h->key_size == 16) {
		memcpy(&k.b, (const uint8_t *)key + 8, 8);
		k.hash = key_round(&h->seed, k.hash, k.b);
	}
	k.hash = key_last(k.hash);
	return k;
}

static inline bool quick_equal(const struct hash_map *h, uint32_t e, const struct quick_key *k)
{
	const uint8_t *at = elem_key(h, e);

	return word_get(at) == k->a && (h->key_size != 16 || word_get(at + 8) == k->b);
}

struct place bucket_find_elem(struct hash_map *h, struct bucket *head, uint32_t e);
void bucket_unlink(struct hash_map *h, struct bucket *head, struct place at);

#endif
