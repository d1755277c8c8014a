/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_write.c - inserting, replacing and removing, under the lock of the head bucket. */
#include "maps/array.h"
#include "maps/hash.h"

static void seq_raise(struct bucket *head)
{
	atomic_store_explicit(&head->seq, atomic_load_explicit(&head->seq, memory_order_relaxed) + 1,
			      memory_order_release);
}


static struct place find_locked(struct hash_map *h, struct bucket *head, const void *key, uint64_t hash)
{
	uint32_t steps = 0;

	for (struct bucket *b = head; b && !too_far(h, &steps); b = over(h, get32(&b->next))) {
		uint64_t match = tags_match(tags_of(b), tag_of(h, hash));

		for (; match; match &= match - 1) {
			int i = slot_of(match);
			uint32_t e = slot_elem(b, i);

			if (e - 1 < h->last && key_equal(elem_key(h, e), key, h->key_size))
				return (struct place){ b, i, e };
		}
	}
	return (struct place){ NULL, -1, 0 };
}

struct place bucket_find_elem(struct hash_map *h, struct bucket *head, uint32_t e)
{
	uint32_t steps = 0;

	for (struct bucket *b = head; b && !too_far(h, &steps); b = over(h, get32(&b->next)))
		for (int i = 0; i < BUCKET_SLOTS; i++)
			if (slot_elem(b, i) == e && slot_used(b, i))
				return (struct place){ b, i, e };
	return (struct place){ NULL, -1, 0 };
}

static void put(struct place at, uint8_t tag, uint32_t e)
{
	atomic_store_explicit(&at.b->idx[at.i], e, memory_order_release);
	atomic_store_explicit(&at.b->tag[at.i], tag, memory_order_release);
}

static int link_elem(struct hash_map *h, struct bucket *head, uint64_t hash, uint32_t e)
{
	struct bucket *b = head, *more;
	uint32_t steps = 0;

	for (;;) {
		if (too_far(h, &steps))
			return -ENOMEM;
		if (tags_free(tags_of(b))) {
			put((struct place){ b, slot_of(tags_free(tags_of(b))), e }, tag_of(h, hash), e);
			return 0;
		}
		more = over(h, get32(&b->next));
		if (!more)
			break;
		b = more;
	}
	more = over_take(h);
	if (!more)
		return -ENOMEM;
	atomic_store_explicit(&more->next, 0, memory_order_relaxed);
	put((struct place){ more, 0, e }, tag_of(h, hash), e);
	atomic_store_explicit(&b->next, (uint32_t)(more - h->bucket), memory_order_release);
	return 0;
}

static int last_used(const struct bucket *b)
{
	uint64_t used = tags_used(tags_of(b));

	return used ? 7 - (__builtin_clzll(used) >> 3) : -1;
}

/* Takes an entry out.  A chain stays compact: its last entry fills the hole, so overflow buckets
 * are never more than entries / 8.  The move is visible before the old place is cleared, and the
 * sequence number changes in between: a reader that missed both looks again. */
void bucket_unlink(struct hash_map *h, struct bucket *head, struct place at)
{
	struct bucket *before = NULL, *tail = head, *next;
	uint32_t steps = 0;
	int last;

	while ((next = over(h, get32(&tail->next))) && !too_far(h, &steps)) {
		before = tail;
		tail = next;
	}
	last = last_used(tail);
	if (before && (at.b != tail || at.i != last) && last >= 0) {
		put(at, atomic_load_explicit(&tail->tag[last], memory_order_relaxed), get32(&tail->idx[last]));
		seq_raise(head);
		at = (struct place){ tail, last, 0 };
	}
	atomic_store_explicit(&at.b->tag[at.i], 0, memory_order_release);
	seq_raise(head);
	if (before && last_used(tail) < 0) {
		atomic_store_explicit(&before->next, 0, memory_order_release);
		seq_raise(head);
		over_give(h, tail);
	}
}

static void set_linked(struct hash_map *h, struct bucket *head, uint32_t e, bool linked, bool used)
{
	struct lru_mark *mark;

	if (!h->lru)
		return;
	mark = elem_mark(h, e);
	if (linked)
		atomic_store_explicit(&mark->bucket, (uint32_t)(head - h->bucket), memory_order_relaxed);
	atomic_store_explicit(&mark->used, used, memory_order_relaxed);
	atomic_store_explicit(&mark->linked, linked, memory_order_release);
}

static void write_value(struct hash_map *h, uint32_t e, const struct source *src, bool fresh)
{
	struct uebpf_map *m = &h->local.m;

	if (!h->percpu) {
		if (fresh)
			value_init(m, elem_value(h, e, 0), src->value);
		else
			value_store(m, elem_value(h, e, 0), src->value);
		return;
	}
	if (src->all) {
		percpu_user_store(m, elem_value(h, e, 0), h->slot_stride, src->value);
		return;
	}
	if (fresh)
		for (uint32_t slot = 0, n = slots_touched(m); slot < n; slot++)
			words_zero(elem_value(h, e, slot), m->value_size);
	words_store(elem_value(h, e, (uint32_t)src->slot), src->value, m->value_size);
}

static void fill_elem(struct hash_map *h, uint32_t e, const void *key, const struct source *src)
{
	atomic_thread_fence(memory_order_release);	/* see `unchanged` */
	key_store(elem_key(h, e), key, h->key_size);
	if (h->percpu && src->all)	/* percpu_user_store leaves untouched zeroes alone */
		for (uint32_t slot = 0, n = slots_touched(&h->local.m); slot < n; slot++)
			words_zero(elem_value(h, e, slot), h->local.m.value_size);
	write_value(h, e, src, true);
}

static int replace(struct hash_map *h, struct bucket *head, struct place at, const void *key,
		   const struct source *src, uint64_t flags)
{
	uint32_t old = at.e, e;

	if (flags & BPF_F_LOCK)
		return value_store_locked(&h->local.m, elem_value(h, old, 0), src->value);
	if (h->percpu) {
		if (h->lru)
			set_linked(h, head, old, true, true);
		write_value(h, old, src, false);
		return 0;
	}
	e = bucket_spare(h, head);
	if (!e)
		return -ENOMEM;
	fill_elem(h, e, key, src);
	set_linked(h, head, e, true, true);
	atomic_store_explicit(&at.b->idx[at.i], e, memory_order_release);
	seq_raise(head);
	set_linked(h, head, old, false, false);
	set_relaxed(&head->spare, old);
	return 0;
}

static int insert(struct hash_map *h, struct bucket *head, uint64_t hash, uint32_t e, const void *key,
		  const struct source *src)
{
	int r;

	fill_elem(h, e, key, src);
	set_linked(h, head, e, true, false);
	r = link_elem(h, head, hash, e);
	if (r) {
		set_linked(h, head, e, false, false);
		elem_give(h, head, e);
	}
	return r;
}

static int check_flags(struct place at, uint64_t flags)
{
	if (at.i >= 0 && (flags & ~(uint64_t)BPF_F_LOCK) == BPF_NOEXIST)
		return -EEXIST;
	if (at.i < 0 && (flags & ~(uint64_t)BPF_F_LOCK) == BPF_EXIST)
		return -ENOENT;
	return 0;
}

/* held: the head bucket's lock is ours already; it is given back in any case. */
__attribute__((noinline)) static int update_slow(struct hash_map *h, const void *key, uint64_t hash, const struct source *src,
		       uint64_t flags, bool held)
{
	struct bucket *head = home(h, hash);
	uint32_t e = 0, room = 0;
	struct place at;
	int r;

	for (;; held = false) {
		r = held ? 0 : bucket_lock(h, head);
		if (r)
			break;
		at = find_locked(h, head, key, hash);
		r = check_flags(at, flags);
		if (!r && at.i >= 0) {
			r = replace(h, head, at, key, src, flags);
		} else if (!r) {
			e = room ? room : elem_take(h, head);
			room = 0;
			if (e)
				r = insert(h, head, hash, e, key, src);
			else
				r = h->lru ? -EAGAIN : -E2BIG;
		}
		lock_give(&head->lock);
		if (r == -E2BIG && elem_gather(h))
			continue;
		if (r != -EAGAIN)
			break;
		room = lru_evict(h, head);	/* takes another bucket's lock: not under ours */
		if (!room && !elem_free_seen(h, head)) {
			r = -ENOMEM;
			break;
		}
	}
	if (room)
		elem_give(h, head, room);
	/* A writer died: what it held in its hands goes back to the free lists. */
	if (__builtin_expect(hash_needs_sweep(h), 0) && !hash_sweep(h) && (r == -E2BIG || r == -ENOMEM))
		return update_slow(h, key, hash, src, flags, false);
	return r;
}

int hash_update_from(struct hash_map *h, const void *key, const struct source *src, uint64_t flags)
{
	return update_slow(h, key, hash_of(h, key), src, flags, false);
}

int hash_check_update(const struct hash_map *h, uint64_t flags)
{
	if ((flags & ~(uint64_t)BPF_F_LOCK) > BPF_EXIST)
		return -EINVAL;
	if ((flags & BPF_F_LOCK) && (h->percpu || h->lru || h->local.m.spin_lock_off == UINT32_MAX))
		return -EINVAL;
	return 0;
}

long hash_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		 struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	struct source src = { .value = value };
	int r = hash_check_update(h, flags);

	if (r)
		return r;
	if (h->percpu) {
		src.slot = map_slot(&h->local, call);
		if (src.slot < 0)
			return -EBUSY;
	}
	return hash_update_from(h, key, &src, flags);
}

/* held: as for update_slow. */
static int take_out(struct hash_map *h, const void *key, uint64_t hash, void *out, uint64_t flags, bool held)
{
	struct bucket *head = home(h, hash);
	struct place at;
	uint32_t e;
	int r = held ? 0 : bucket_lock(h, head);

	if (r)
		return r;
	at = find_locked(h, head, key, hash);
	if (at.i < 0) {
		lock_give(&head->lock);
		return -ENOENT;
	}
	e = at.e;
	if (out && h->percpu)
		percpu_user_load(&h->local.m, elem_value(h, e, 0), h->slot_stride, out);
	else if (out && (flags & BPF_F_LOCK))
		r = value_load_locked(&h->local.m, out, elem_value(h, e, 0));
	else if (out)
		value_load(&h->local.m, out, elem_value(h, e, 0));
	if (!r) {
		bucket_unlink(h, head, at);
		set_linked(h, head, e, false, false);
		elem_give(h, head, e);
	}
	lock_give(&head->lock);
	return r;
}

int hash_take_out(struct hash_map *h, const void *key, void *out, uint64_t flags)
{
	return take_out(h, key, hash_of(h, key), out, flags, false);
}

long hash_remove(struct uebpf_map *map, const void *key)
{
	return hash_take_out((struct hash_map *)map, key, NULL, 0);
}

/* ---- the common key sizes ---- */

/* A locked instruction lets nothing behind it begin early, and waits for the stores before it. */
static inline __attribute__((always_inline))
void prefetch_elem(const struct hash_map *h, const struct bucket *head, uint64_t match)
{
	uint32_t spare = get_relaxed(&head->spare);

	if (match) {
		__builtin_prefetch(elem_at(h, slot_elem(head, slot_of(match))));
		__builtin_prefetch(elem_at(h, spare ? spare : h->capacity + 1 + (uint32_t)(head - h->bucket)), 1);
	} else {
		__builtin_prefetch(elem_at(h, get_relaxed(&head->kept)), 1);
	}
}

/* The first tag that matches, or a free place where none does and no chain follows, in a straight line;
 * anything else goes on in update_slow under the same lock. */
static inline __attribute__((always_inline))
long update_fast(struct hash_map *h, const void *key, const void *value, uint64_t flags, uint32_t size)
{
	uint64_t hash = key_hash(&h->seed, key, size), match, tags;
	struct bucket *head = home(h, hash);
	struct source src = { .value = value };
	uint8_t tag = tag_of(h, hash);
	uint32_t e, room = 0;
	int i, r;

	if (__builtin_expect(flags > BPF_EXIST || h->local.m.spin_lock_off != UINT32_MAX, 0)) {
		r = hash_check_update(h, flags);
		return r ? r : update_slow(h, key, hash, &src, flags, false);
	}
	match = tags_match(tags_of(head), tag);
	prefetch_elem(h, head, match);
	if (!match && h->lru && !elem_free_seen(h, head))
		room = lru_evict(h, head);
	r = bucket_lock(h, head);
	if (__builtin_expect(r < 0, 0))
		goto out;
	tags = tags_of(head);
	match = tags_match(tags, tag);
	i = slot_of(match ? match : tags_free(tags) | UINT64_C(1) << 63);
	e = slot_elem(head, i);
	if (match && e - 1 < h->last && key_equal(elem_key(h, e), key, size)) {
		if (flags == BPF_NOEXIST)
			r = -EEXIST;
		else
			r = replace(h, head, (struct place){ head, i, e }, key, &src, 0);
		lock_give(&head->lock);
		goto out;
	}
	if (match || !tags_free(tags) || get32(&head->next) || flags == BPF_EXIST ||
	    !(e = room ? room : elem_take(h, head))) {
		r = update_slow(h, key, hash, &src, flags, true);
		goto out;
	}
	room = 0;
	atomic_thread_fence(memory_order_release);	/* see `unchanged` */
	key_store(elem_key(h, e), key, size);
	if (one_word(h))
		word_put(elem_at(h, e) + h->value_off, key_word(value, h->local.m.value_size));
	else
		words_store(elem_at(h, e) + h->value_off, value, h->local.m.value_size);
	set_linked(h, head, e, true, false);
	put((struct place){ head, i, e }, tag, e);
	lock_give(&head->lock);
out:
	if (room)
		elem_give(h, head, room);
	return r;
}

static inline __attribute__((always_inline))
long remove_fast(struct hash_map *h, const void *key, uint32_t size)
{
	uint64_t hash = key_hash(&h->seed, key, size), match;
	struct bucket *head = home(h, hash);
	uint32_t e;
	int r, i;

	prefetch_elem(h, head, tags_match(tags_of(head), tag_of(h, hash)));
	r = bucket_lock(h, head);
	if (__builtin_expect(r < 0, 0))
		return r;
	match = tags_match(tags_of(head), tag_of(h, hash));
	i = slot_of(match | UINT64_C(1) << 63);
	e = slot_elem(head, i);
	if (!match || get32(&head->next) || e - 1 >= h->last || !key_equal(elem_key(h, e), key, size))
		return take_out(h, key, hash, NULL, 0, true);
	atomic_store_explicit(&head->tag[i], 0, memory_order_release);
	seq_raise(head);
	set_linked(h, head, e, false, false);
	elem_give(h, head, e);
	lock_give(&head->lock);
	return 0;
}

#define WRITERS(size) \
static long update_##size(struct uebpf_map *map, const void *key, const void *value, uint64_t flags, \
			  struct uebpf_call *call) \
{ \
	(void)call; \
	return update_fast((struct hash_map *)map, key, value, flags, size); \
} \
static long remove_##size(struct uebpf_map *map, const void *key) \
{ \
	return remove_fast((struct hash_map *)map, key, size); \
}
WRITERS(4)
WRITERS(8)
WRITERS(16)
#undef WRITERS

void hash_pick_writers(struct hash_map *h, struct map_ops *ops)
{
	static long (*const update[3])(struct uebpf_map *, const void *, const void *, uint64_t,
				       struct uebpf_call *) = { update_4, update_8, update_16 };
	static long (*const remove[3])(struct uebpf_map *, const void *) = { remove_4, remove_8, remove_16 };
	int size = h->key_size == 4 ? 0 : h->key_size == 8 ? 1 : h->key_size == 16 ? 2 : -1;

	if (size < 0)
		return;
	if (ops->update == hash_update && !h->percpu)
		ops->update = update[size];
	if (ops->remove == hash_remove)
		ops->remove = remove[size];
}
