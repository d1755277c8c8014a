/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_change.c - inserting, replacing and removing in all their cases, under the lock of the head bucket. */
#include "maps/array.h"
#include "maps/hash.h"
#include "vm/spin.h"

uint32_t hash_find(const struct hash_map *h, const void *key, uint64_t hash)
{
	const struct bucket *head = home(h, hash), *b;
	uint32_t seq, e, next, steps = 0, tries = 0;
	uint8_t tag = tag_of(h, hash);
	uint64_t match;

again:
	if (h->local.hostile && ++tries > HOSTILE_TRIES)
		return 0;
	seq = get32(&head->seq);
	for (b = head; b; b = over(h, next)) {
		for (match = tags_match(tags_of(b), tag); match; match &= match - 1) {
			e = slot_elem(b, slot_of(match));
			if (e - 1 >= h->last || !key_equal(elem_key(h, e), key, h->key_size))
				continue;
			if (!unchanged(head, seq))
				goto again;
			return e;
		}
		next = get32(&b->next);
		if (__builtin_expect(next, 0) && (too_far(h, &steps) ? (next = 0, false) : !unchanged(head, seq)))
			goto again;
	}
	if (!unchanged(head, seq))
		goto again;
	return 0;
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

static int link_elem(struct hash_map *h, struct bucket *head, uint64_t hash, uint32_t e)
{
	struct bucket *b = head, *more;
	uint32_t steps = 0;

	for (;;) {
		if (too_far(h, &steps))
			return -ENOMEM;
		if (tags_free(tags_of(b))) {
			place_put((struct place){ b, slot_of(tags_free(tags_of(b))), e }, tag_of(h, hash), e);
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
	place_put((struct place){ more, 0, e }, tag_of(h, hash), e);
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
		place_put(at, atomic_load_explicit(&tail->tag[last], memory_order_relaxed), get32(&tail->idx[last]));
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

void hash_set_linked(struct hash_map *h, struct bucket *head, uint32_t e, bool linked, bool used)
{
	mark_set(h, head, e, linked, used);
}

/* The count that stood below a dead owner's name is lost: any number that nobody remembers will do. */
static uint64_t new_count(uint64_t word)
{
	return (random_u64() & ~(uint64_t)(TWIN_COUNT - 1)) | TWIN_THERE | (word & TWIN_SIDE);
}

void twin_revive(struct twin *t)
{
	twin_give(t, new_count(get64(&t->word)));
}

int twin_wait(struct hash_map *h, struct twin *t, uint64_t me, uint64_t *word)
{
	for (uint32_t n = 0;; n++) {
		uint64_t was = get64(&t->word), mine = me << TWIN_OWNER_SHIFT | TWIN_HELD | (was & TWIN_SIDE);
		int r = was & TWIN_HELD ? lock_look(&h->local, was >> TWIN_OWNER_SHIFT, me, n, false) : 1;

		*word = was & TWIN_HELD ? 0 : was;
		if (r < 0)
			return r;
		if (r && atomic_compare_exchange_strong_explicit(&t->word, &was, mine, memory_order_acquire,
								 memory_order_relaxed))
			break;
	}
	if (!*word)
		*word = new_count(get64(&t->word));
	return 0;
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
	if (fresh)	/* percpu_user_store leaves untouched zeroes alone */
		for (uint32_t slot = 0, n = slots_touched(m); slot < n; slot++)
			words_zero(elem_value(h, e, slot), m->value_size);
	if (src->all)
		percpu_user_store(m, elem_value(h, e, 0), h->slot_stride, src->value);
	else
		words_store(elem_value(h, e, (uint32_t)src->slot), src->value, m->value_size);
}

static void fill_elem(struct hash_map *h, uint32_t e, const void *key, const struct source *src)
{
	atomic_thread_fence(memory_order_release);	/* see `unchanged` */
	key_store(elem_key(h, e), key, h->key_size);
	write_value(h, e, src, true);
}

static int replace(struct hash_map *h, struct bucket *head, struct place at, const void *key,
		   const struct source *src, uint64_t flags)
{
	uint32_t old = at.e, e;
	uint64_t word;

	if (flags & BPF_F_LOCK)
		return value_store_locked(&h->local.m, elem_value(h, old, 0), src->value);
	if (h->percpu) {
		hash_set_linked(h, head, old, true, true);
		write_value(h, old, src, false);
		return 0;
	}
	if (h->twin) {
		if (twin_hold(h, old, &word))
			return -EBUSY;
		word ^= TWIN_SIDE;
		value_init(&h->local.m, twin_value(twin_at(h, old), word), src->value);
		twin_give(twin_at(h, old), word);
		return 0;
	}
	e = bucket_spare(h, head);
	if (!e)
		return -ENOMEM;
	fill_elem(h, e, key, src);
	hash_set_linked(h, head, e, true, true);
	atomic_store_explicit(&at.b->idx[at.i], e, memory_order_release);
	seq_raise(head);
	hash_set_linked(h, head, old, false, false);
	set_relaxed(&head->spare, old);
	return 0;
}

static int insert(struct hash_map *h, struct bucket *head, uint64_t hash, uint32_t e, const void *key,
		  const struct source *src)
{
	int r;

	fill_elem(h, e, key, src);
	hash_set_linked(h, head, e, true, false);
	r = link_elem(h, head, hash, e);
	if (!r) {
		if (h->twin)
			twin_is_there(twin_at(h, e));
		return 0;
	}
	hash_set_linked(h, head, e, false, false);
	elem_give(h, head, e);
	return r;
}

/* Under the lock, with `room` an element in hand or 0.  -EAGAIN: the caller makes room. */
static int change_locked(struct hash_map *h, struct bucket *head, const void *key, uint64_t hash,
			 const struct source *src, uint64_t flags, uint32_t *room)
{
	struct place at = find_locked(h, head, key, hash);
	uint64_t want = flags & ~(uint64_t)BPF_F_LOCK;
	uint32_t e;

	if (at.i >= 0)
		return want == BPF_NOEXIST ? -EEXIST : replace(h, head, at, key, src, flags);
	if (want == BPF_EXIST)
		return -ENOENT;
	e = *room ? *room : elem_take(h, head);
	*room = 0;
	if (!e)
		return h->lru ? -EAGAIN : -E2BIG;
	return insert(h, head, hash, e, key, src);
}

static int check_flags(const struct hash_map *h, uint64_t flags)
{
	if ((flags & ~(uint64_t)BPF_F_LOCK) > BPF_EXIST)
		return -EINVAL;
	if ((flags & BPF_F_LOCK) && (h->percpu || h->lru || h->local.m.spin_lock_off == UINT32_MAX))
		return -EINVAL;
	return 0;
}

int hash_change(struct hash_map *h, const void *key, const struct source *src, uint64_t flags, bool held)
{
	uint64_t hash = hash_of(h, key);
	struct bucket *head = home(h, hash);
	uint32_t room = 0, tries = 0;
	bool swept = false, together = h->local.hostile && spin_together();
	int r = check_flags(h, flags);

again:
	for (; !r; held = false) {
		/* Lists of free elements that a peer spoils again and again. */
		r = held ? 0 : h->local.hostile && ++tries > HOSTILE_TRIES / 100 ? -EBUSY : bucket_lock(h, head);
		if (r)
			break;
		r = change_locked(h, head, key, hash, src, flags, &room);
		lock_give(&head->lock);
		if (r == -E2BIG && elem_gather(h)) {
			r = 0;
			continue;
		}
		if (r != -EAGAIN)
			break;
		r = 0;
		room = lru_evict(h, head);	/* takes another bucket's lock: not under ours */
		if (!room && !elem_free_seen(h, head))
			r = -ENOMEM;
	}
	if (room)
		elem_give(h, head, room);
	/* A writer died: what it held in its hands goes back to the free lists. */
	if (__builtin_expect(hash_needs_sweep(h), 0) && !swept && !hash_sweep(h) && (r == -E2BIG || r == -ENOMEM)) {
		swept = true;
		room = 0;
		r = 0;
		goto again;
	}
	spin_apart(together);
	return r;
}

int hash_take_out(struct hash_map *h, const void *key, void *out, uint64_t flags, bool held)
{
	uint64_t hash = hash_of(h, key);
	struct bucket *head = home(h, hash);
	struct place at;
	uint64_t word = 0;
	int r = held ? 0 : bucket_lock(h, head);

	if (r)
		return r;
	at = find_locked(h, head, key, hash);
	if (at.i < 0)
		r = -ENOENT;
	else if (h->twin)
		r = twin_hold(h, at.e, &word);
	if (r)
		word = 0;
	if (!r && out && h->percpu)
		percpu_user_load(&h->local.m, elem_value(h, at.e, 0), h->slot_stride, out);
	else if (!r && out && !(flags & BPF_F_LOCK))
		value_load(&h->local.m, out, elem_value(h, at.e, 0));
	else if (!r && out)
		r = value_load_locked(&h->local.m, out, elem_value(h, at.e, 0));
	if (!r) {
		bucket_unlink(h, head, at);
		hash_set_linked(h, head, at.e, false, false);
	}
	if (word)
		twin_give(twin_at(h, at.e), r ? word : word & ~(uint64_t)TWIN_THERE);
	if (!r)
		elem_give(h, head, at.e);
	lock_give(&head->lock);
	return r;
}
