/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_write.c - the short ways: a new value for a key that is there, a new key, a deleted key (twins:
 * hash_twin.c).  Chains,
 * per-CPU tables, locks in values, odd key sizes and every surprise are hash_change.c's. */
#include "maps/hash.h"

/* Key and value of an element that nobody sees. */
static inline __attribute__((always_inline))
void fill(struct hash_map *h, uint32_t e, const struct quick_key *k, const void *value)
{
	uint8_t *at = elem_key(h, e);

	atomic_thread_fence(memory_order_release);	/* see `unchanged` */
	word_put(at, k->a);
	if (h->key_size == 16)
		word_put(at + 8, k->b);
	words_store(elem_at(h, e) + h->value_off, value, h->local.m.value_size);
}

/* Under the lock: the first tag that matches gives way to the spare element; or a free place where none does and no
 * chain follows. */
static inline __attribute__((always_inline))
int update_locked(struct hash_map *h, struct bucket *head, const struct quick_key *k, const void *value,
		  uint64_t flags, uint32_t *room)
{
	uint64_t tags = tags_of(head), match = tags_match(tags, tag_of(h, k->hash));
	int i = slot_of(match ? match : tags_free(tags) | UINT64_C(1) << 63);
	uint32_t e, old = 0;

	if (match) {
		old = slot_elem(head, i);
		if (old - 1 >= h->last || !quick_equal(h, old, k))
			return -EAGAIN;
		if (flags == BPF_NOEXIST)
			return -EEXIST;
		e = bucket_spare(h, head);
		if (!e)
			return -ENOMEM;
	} else {
		if (!tags_free(tags) || get32(&head->next) || flags == BPF_EXIST)
			return -EAGAIN;
		e = *room ? *room : elem_take_kept(h, head);
		if (!e)
			return -EAGAIN;
		*room = 0;
	}
	fill(h, e, k, value);
	mark_set(h, head, e, true, match != 0);
	if (!match) {
		place_put((struct place){ head, i, e }, tag_of(h, k->hash), e);
		return 0;
	}
	atomic_store_explicit(&head->idx[i], e, memory_order_release);
	seq_raise(head);
	mark_set(h, head, old, false, false);
	set_relaxed(&head->spare, old);
	return 0;
}

static __attribute__((noinline, cold))
long update_slow(struct hash_map *h, const void *key, const void *value, uint64_t flags, struct uebpf_call *call)
{
	struct source src = { .value = value };

	if (h->percpu && (src.slot = map_slot(&h->local, call)) < 0)
		return -EBUSY;
	return hash_change(h, key, &src, flags, false);
}

long hash_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		 struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t room = 0;
	struct quick_key k;
	uint64_t match;
	struct bucket *head;
	int r;

	if (h->quick_twin)
		return (long)twin_update_call((uintptr_t)map, (uintptr_t)key, (uintptr_t)value, flags, 0, call);
	if (__builtin_expect(flags > BPF_EXIST || h->twin || !h->quick || h->percpu || map->spin_lock_off != UINT32_MAX, 0))
		return update_slow(h, key, value, flags, call);
	k = quick_key(h, key);
	head = home(h, k.hash);
	match = tags_match(tags_of(head), tag_of(h, k.hash));
	if (!match && h->lru && !elem_free_seen(h, head))
		room = lru_evict(h, head);	/* takes another bucket's lock: not under ours */
	r = bucket_lock(h, head);
	if (__builtin_expect(r >= 0, 1)) {
		r = update_locked(h, head, &k, value, flags, &room);
		lock_give(&head->lock);
	}
	if (__builtin_expect(room, 0))
		elem_give(h, head, room);
	return __builtin_expect(r == -EAGAIN, 0) ? update_slow(h, key, value, flags, call) : r;
}

long hash_remove(struct uebpf_map *map, const void *key)
{
	struct hash_map *h = (struct hash_map *)map;
	struct quick_key k;
	struct bucket *head;
	uint64_t match;
	uint32_t e;
	int r, i;

	if (h->quick_twin)
		return (long)twin_remove_call((uintptr_t)map, (uintptr_t)key, 0, 0, 0, NULL);
	if (!h->quick || h->twin)
		return hash_take_out(h, key, NULL, 0, false);
	k = quick_key(h, key);
	head = home(h, k.hash);
	r = bucket_lock(h, head);
	if (__builtin_expect(r < 0, 0))
		return r;
	match = tags_match(tags_of(head), tag_of(h, k.hash));
	i = slot_of(match | UINT64_C(1) << 63);
	e = slot_elem(head, i);
	if (!match || get32(&head->next) || e - 1 >= h->last || !quick_equal(h, e, &k))
		return hash_take_out(h, key, NULL, 0, true);
	atomic_store_explicit(&head->tag[i], 0, memory_order_release);
	seq_raise(head);
	mark_set(h, head, e, false, false);
	elem_give_kept(h, head, e);
	lock_give(&head->lock);
	return 0;
}

/* The same as helpers, for programs whose map is known when they are loaded: no call through a table. */
uint64_t hash_update_call(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t none,
			  struct uebpf_call *call)
{
	(void)none;
	return (uint64_t)hash_update((void *)(uintptr_t)map, (void *)(uintptr_t)key, (void *)(uintptr_t)value, flags,
				     call);
}

uint64_t hash_remove_call(uint64_t map, uint64_t key, uint64_t none3, uint64_t none4, uint64_t none5,
			  struct uebpf_call *call)
{
	(void)none3, (void)none4, (void)none5, (void)call;
	return (uint64_t)hash_remove((void *)(uintptr_t)map, (void *)(uintptr_t)key);
}
