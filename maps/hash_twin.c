/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_twin.c - the short ways of tables of twins with keys of 4 or 8 bytes (hash.h); every surprise is
 * hash_change.c's. */
#include "maps/hash.h"

/* Where a key belongs: the head bucket, and the tag in each byte. */
struct spot { uint64_t key, tags; struct bucket *head; };
static inline __attribute__((always_inline)) uint64_t spot_key(const struct hash_map *h, const void *key)
{
	uint64_t word;
	uint32_t low;

	if (__builtin_expect(h->key_size == 8, 1)) {
		memcpy(&word, key, 8);
		return word;
	}
	memcpy(&low, key, 4);
	return __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ ? (uint64_t)low << 32 : low;
}

static inline __attribute__((always_inline)) struct spot spot_of(const struct hash_map *h, const void *key)
{
	struct spot s = { .key = spot_key(h, key) };
	uint64_t hash;

	hash = key_last(key_round(&h->seed, h->seed.a, s.key)) >> h->shift;
	s.head = (struct bucket *)((char *)h->bucket + (hash >> 8) * sizeof(struct bucket));
	s.tags = ((hash & 0xff) | TAG_USED) * TAG_ONES;
	return s;
}

/* The first tag that matches: its slot, 8 if there is none. */
static inline __attribute__((always_inline)) int spot_find(const struct spot *s)
{
	uint64_t x = tags_of(s->head) ^ s->tags;

	x = (x - TAG_ONES) & ~x & TAG_TOPS;
	return x ? slot_of(x) : BUCKET_SLOTS;
}

/* Under the bucket's lock, which it gives back: a new key, or all that was not so simple. */
static __attribute__((noinline))
long insert(struct hash_map *h, const void *key, const void *value, uint64_t flags, struct bucket *head, uint64_t tags)
{
	struct source src = { .value = value };
	struct spot s = { 0, tags, head };
	uint64_t room = 0;
	struct twin *t;
	uint32_t e = 0;
	int r = bucket_lock(h, head);

	if (__builtin_expect(r < 0, 0))
		return r;
	if (__builtin_expect(spot_find(&s) == BUCKET_SLOTS && !get32(&head->next) && flags != BPF_EXIST, 1))
		room = tags_free(tags_of(head));
	if (__builtin_expect(room != 0, 1))
		e = elem_take_kept(h, head);
	if (__builtin_expect(!e, 0))
		return hash_change(h, key, &src, flags, true);
	t = twin_at(h, e);
	atomic_thread_fence(memory_order_release);	/* see `unchanged` */
	word_put(&t->key, key_word(key, h->key_size));
	word_put(twin_value(t, get64(&t->word)), key_word(value, h->local.m.value_size));
	place_put((struct place){ head, slot_of(room), e }, (uint8_t)tags, e);
	twin_is_there(t);
	lock_give(&head->lock);
	return 0;
}

static __attribute__((noinline, cold))
long update_rest(struct hash_map *h, const void *key, const void *value, uint64_t flags)
{
	struct source src = { .value = value };

	return hash_change(h, key, &src, flags, false);
}

/* A value of one word, of 4 bytes or 8. */
static inline __attribute__((always_inline)) uint64_t value_word(const struct hash_map *h, const void *value)
{
	uint64_t word;
	uint32_t low;

	if (__builtin_expect(h->local.m.value_size == 8, 1)) {
		memcpy(&word, value, 8);
		return word;
	}
	memcpy(&low, value, 4);
	return low;
}

/* No lock of the bucket, and nothing written but the element: threads that update different keys do not meet.  The
 * atomic waits for every store before it, so this saves no register; what is seldom needed again is computed again. */
uint64_t twin_update_call(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t none,
			  struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)(uintptr_t)map;
	const void *from = (const void *)(uintptr_t)value, *k = (const void *)(uintptr_t)key;
	struct spot s = spot_of(h, k);
	int i = spot_find(&s);
	uint64_t me, word, was;
	struct twin *t;
	uint32_t e;

	(void)none, (void)call;
	if (__builtin_expect(h->local.m.spin_lock_off != UINT32_MAX || flags > BPF_EXIST, 0))
		return (uint64_t)update_rest(h, k, from, flags);
	if (i == BUCKET_SLOTS)
		return (uint64_t)insert(h, k, from, flags, s.head, s.tags);
	e = slot_elem(s.head, i);
	if (__builtin_expect(flags == BPF_NOEXIST || !h->quick_word || e - 1 >= h->last, 0))
		goto rest;
	t = twin_at(h, e);
	was = word = get64(&t->word);
	if (__builtin_expect((word & (TWIN_THERE | TWIN_HELD)) != TWIN_THERE || word_get(&t->key) != spot_key(h, k), 0))
		goto rest;
	me = self_known(!h->local.peers);
	if (__builtin_expect(!me || !atomic_compare_exchange_strong_explicit(&t->word, &was, me << TWIN_OWNER_SHIFT |
				TWIN_HELD | (word & TWIN_SIDE), memory_order_acquire, memory_order_relaxed), 0))
		goto rest;
	word ^= TWIN_SIDE;
	word_put(twin_value(t, word), value_word(h, from));
	twin_give(t, word);
	return 0;
rest:
	return (uint64_t)update_rest(h, k, from, flags);
}

uint64_t twin_remove_call(uint64_t map, uint64_t key, uint64_t none3, uint64_t none4, uint64_t none5,
			  struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)(uintptr_t)map;
	struct spot s = spot_of(h, (const void *)(uintptr_t)key);
	int r = bucket_lock(h, s.head), i;
	struct twin *t;
	uint64_t word;
	uint32_t e;

	(void)none3, (void)none4, (void)none5, (void)call;
	if (__builtin_expect(r < 0, 0))
		return (uint64_t)r;
	i = spot_find(&s);
	e = i < BUCKET_SLOTS && !get32(&s.head->next) ? slot_elem(s.head, i) : 0;
	t = twin_at(h, e - 1 < h->last ? e : 0);
	word = get64(&t->word);
	/* Number 0 is never there. */
	if (__builtin_expect((word & (TWIN_THERE | TWIN_HELD)) != TWIN_THERE || word_get(&t->key) != s.key ||
			     !atomic_compare_exchange_strong_explicit(&t->word, &word, (word + TWIN_COUNT) & ~(uint64_t)TWIN_THERE,
						memory_order_acquire, memory_order_relaxed), 0))
		return (uint64_t)hash_take_out(h, (const void *)(uintptr_t)key, NULL, 0, true);
	atomic_store_explicit(&s.head->tag[i], 0, memory_order_release);
	seq_raise(s.head);
	elem_give_kept(h, s.head, e);
	lock_give(&s.head->lock);
	return 0;
}
