/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash.c - the table of hash.h: finding, inserting, replacing, removing.  Semantics and errno
 * values are those of kernel/bpf/hashtab.c. */
#include <limits.h>
#include "maps/array.h"
#include "maps/hash.h"
#include "maps/match.h"

enum { PER_BUCKET = 3, KMALLOC_MAX = 4 << 20, KERNEL_ELEM = 48, HOSTILE_TRIES = 10000 };

/* ---- geometry ---- */

/* Local storage has no max_entries (the kernel hangs it on the owners). */
static uint32_t capacity(const struct uebpf_map *map)
{
	return map->ops->traits & MT_STORAGE ? STORAGE_OWNERS : map->max_entries;
}

static uint32_t key_bytes(const struct uebpf_map *map)
{
	return map->ops->traits & MT_STORAGE ? sizeof(uint64_t) : map->key_size;
}

static uint32_t nr_buckets(const struct uebpf_map *map)
{
	uint32_t n = 1;

	while (n < UINT32_C(1) << 30 && (uint64_t)n * PER_BUCKET < capacity(map))
		n *= 2;
	return n;
}

static uint32_t nr_over(const struct uebpf_map *map)
{
	return capacity(map) / BUCKET_SLOTS + 2;
}

static bool is_lru(const struct uebpf_map *map) { return map->ops->traits & MT_LRU; }
static bool is_percpu(const struct uebpf_map *map) { return map->ops->traits & MT_PERCPU; }

static size_t elem_bytes(const struct uebpf_map *map)
{
	return (is_lru(map) ? sizeof(struct lru_mark) : 0) + round_up(key_bytes(map), 8) +
	       (is_percpu(map) ? 0 : map->value_stride);
}

static size_t nr_elems(const struct uebpf_map *map)
{
	return 1 + (size_t)capacity(map) + nr_buckets(map);
}

static size_t elems_off(const struct uebpf_map *map)
{
	return round_up(sizeof(struct hash_head), MAP_LINE) +
	       ((size_t)nr_buckets(map) + nr_over(map)) * sizeof(struct bucket);
}

static size_t percpu_off(const struct uebpf_map *map)
{
	return round_up(elems_off(map) + nr_elems(map) * elem_bytes(map), MAP_LINE);
}

size_t hash_bytes(const struct uebpf_map *map)
{
	size_t n = percpu_off(map);

	if (is_percpu(map))
		n += percpu_slot_stride(nr_elems(map), map->value_stride) * map->cpu_slots;
	return n;
}

int hash_check(const struct uebpf_map_opts *o, const char **why)
{
	if (!o->max_entries || !o->key_size || !o->value_size) {
		*why = "a hash needs max_entries, a key and a value";
		return -EINVAL;
	}
	if ((uint64_t)o->key_size + o->value_size >= KMALLOC_MAX - KERNEL_ELEM) {
		*why = "key and value together are at most 4 MB";
		return -E2BIG;
	}
	if (o->max_entries > UINT32_C(1) << 31) {
		*why = "more than 2^31 entries";
		return -E2BIG;
	}
	return 0;
}

static int percpu_hash_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = hash_check(o, why);

	if (!r && round_up(o->value_size, 8) > PERCPU_MAX_VALUE) {
		*why = "per-CPU values are at most 32768 bytes";
		r = -E2BIG;
	}
	return r;
}

static void pick_lookup(struct hash_map *h);

int hash_init(struct uebpf_map *map, bool fresh)
{
	struct hash_map *h = (struct hash_map *)map;
	uint8_t *base = map->base;

	h->head = map->base;
	h->bucket = (struct bucket *)(base + round_up(sizeof(struct hash_head), MAP_LINE));
	h->elem = base + elems_off(map);
	h->mask = nr_buckets(map) - 1;
	h->nr_over = nr_over(map);
	h->capacity = capacity(map);
	h->key_size = key_bytes(map);
	h->last = (uint32_t)(nr_elems(map) - 1);
	h->lru = is_lru(map);
	h->percpu = is_percpu(map);
	h->elem_size = (uint32_t)elem_bytes(map);
	h->key_off = h->lru ? sizeof(struct lru_mark) : 0;
	h->value_off = h->key_off + (uint32_t)round_up(h->key_size, 8);
	if (fresh) {
		h->head->seed.a = map->flags & BPF_F_ZERO_SEED ? 0 : random_u64();
		h->head->seed.b = map->flags & BPF_F_ZERO_SEED ? 0x9fb21c651e98df25u : random_u64() | 1;
	}
	h->seed = h->head->seed;
	map->values = (struct region){ .lo = (uintptr_t)h->elem, .stride = h->elem_size,
				       .first = h->value_off, .len = map->value_size };
	map->values.hi = map->values.lo + nr_elems(map) * h->elem_size;
	if (h->percpu) {
		h->percpu_values = base + percpu_off(map);
		h->slot_stride = percpu_slot_stride(nr_elems(map), map->value_stride);
		map->values = (struct region){ .lo = (uintptr_t)h->percpu_values,
			.hi = (uintptr_t)h->percpu_values + h->slot_stride * map->cpu_slots,
			.stride = map->value_stride, .len = map->value_size };
	}
	pick_lookup(h);
	return 0;
}

/* ---- readers ---- */

static uint16_t tag_of(uint64_t hash) { return (uint16_t)(hash >> 48 | 1); }

static struct bucket *home(const struct hash_map *h, uint64_t hash)
{
	return &h->bucket[hash & h->mask];
}

static struct bucket *over(const struct hash_map *h, uint32_t n)
{
	return n > h->mask && n <= h->mask + h->nr_over ? &h->bucket[n] : NULL;
}

/* A hostile peer may tie a chain into a ring. */
static bool too_far(const struct hash_map *h, uint32_t *steps)
{
	return ++*steps > h->nr_over;
}

static uint32_t get32(const _Atomic uint32_t *p)
{
	return atomic_load_explicit(p, memory_order_acquire);
}

static bool unchanged(const struct bucket *head, uint32_t seq)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&head->seq, memory_order_relaxed) == seq;
}

static inline __attribute__((always_inline))
uint32_t find_sized(const struct hash_map *h, const void *key, uint64_t hash, uint32_t size)
{
	const struct bucket *head = home(h, hash), *b;
	uint16_t tag = tag_of(hash);
	uint32_t seq, mask, e, next, steps = 0, tries = 0;

again:
	if (h->local.hostile && ++tries > HOSTILE_TRIES)
		return 0;
	seq = get32(&head->seq);
	for (b = head; b; b = over(h, next)) {
		mask = tags_match((const uint16_t *)b->tag, tag);
		for (; mask; mask &= mask - 1) {
			e = get32(&b->idx[__builtin_ctz(mask)]);
			if (e - 1 >= h->last || !key_equal(elem_key(h, e), key, size))
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

__attribute__((noinline)) uint32_t hash_find(const struct hash_map *h, const void *key, uint64_t hash)
{
	switch (h->key_size) {
	case 4: return find_sized(h, key, hash, 4);
	case 8: return find_sized(h, key, hash, 8);
	case 16: return find_sized(h, key, hash, 16);
	default: return find_sized(h, key, hash, h->key_size);
	}
}

static uint64_t hash_of(const struct hash_map *h, const void *key)
{
	return key_hash(&h->seed, key, h->key_size);
}

static uint32_t find(const struct hash_map *h, const void *key)
{
	return hash_find(h, key, hash_of(h, key));
}

static inline uint8_t *touch(struct hash_map *h, uint32_t e)
{
	uint8_t *elem = elem_at(h, e);
	struct lru_mark *mark = (struct lru_mark *)elem;

	if (!atomic_load_explicit(&mark->used, memory_order_relaxed))
		atomic_store_explicit(&mark->used, 1, memory_order_relaxed);
	return elem;
}

/* The common case in few instructions: the first tag that matches, in the head bucket.  A key of
 * one word cannot be read torn, so a hit needs no second look at the sequence number. */
static inline __attribute__((always_inline))
uint32_t find_fast(const struct hash_map *h, const void *key, uint32_t size)
{
	uint64_t hash = key_hash(&h->seed, key, size);
	const struct bucket *head = home(h, hash);
	uint32_t seq = size > 8 ? get32(&head->seq) : 0, e;
	uint32_t mask = tags_match((const uint16_t *)head->tag, tag_of(hash));

	if (__builtin_expect(mask != 0, 1)) {
		e = get32(&head->idx[__builtin_ctz(mask)]);
		if (__builtin_expect(e - 1 < h->last && key_equal(elem_at(h, e) + h->key_off, key, size) &&
				     (size <= 8 || unchanged(head, seq)), 1))
			return e;
	}
	return hash_find(h, key, hash);
}

void *hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);

	(void)call;
	return e ? elem_at(h, e) + h->value_off : NULL;
}

static void *lru_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call);
static void *percpu_hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call);

/* Plain hashes with keys of one or two words have lookups of their own (hash_init picks). */
#define LOOKUP(size) \
static void *lookup_##size(struct uebpf_map *map, const void *key, struct uebpf_call *call) \
{ \
	struct hash_map *h = (struct hash_map *)map; \
	uint32_t e = find_fast(h, key, size); \
	(void)call; \
	return e ? elem_at(h, e) + h->value_off : NULL; \
} \
static void *lookup_lru_##size(struct uebpf_map *map, const void *key, struct uebpf_call *call) \
{ \
	struct hash_map *h = (struct hash_map *)map; \
	uint32_t e = find_fast(h, key, size); \
	(void)call; \
	return e ? touch(h, e) + h->value_off : NULL; \
} \
static void *lookup_percpu_##size(struct uebpf_map *map, const void *key, struct uebpf_call *call) \
{ \
	struct hash_map *h = (struct hash_map *)map; \
	uint32_t e = find_fast(h, key, size); \
	int slot = e ? map_slot(&h->local, call) : -1; \
	return slot < 0 ? NULL : h->percpu_values + (uint32_t)slot * h->slot_stride + \
				 (size_t)e * h->local.m.value_stride; \
}
LOOKUP(4)
LOOKUP(8)
LOOKUP(16)
#undef LOOKUP

static long update_4(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		     struct uebpf_call *call);
static long update_8(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		     struct uebpf_call *call);
static long update_16(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		      struct uebpf_call *call);

static void pick_lookup(struct hash_map *h)
{
	static long (*const fast_update[3])(struct uebpf_map *, const void *, const void *, uint64_t,
					    struct uebpf_call *) = { update_4, update_8, update_16 };
	static void *(*const fast[3][3])(struct uebpf_map *, const void *, struct uebpf_call *) = {
		{ lookup_4, lookup_8, lookup_16 }, { lookup_lru_4, lookup_lru_8, lookup_lru_16 },
		{ lookup_percpu_4, lookup_percpu_8, lookup_percpu_16 },
	};
	const struct map_ops *ops = h->local.m.ops;
	int kind = h->lru ? 1 : h->percpu ? 2 : 0;
	int size = h->key_size == 4 ? 0 : h->key_size == 8 ? 1 : h->key_size == 16 ? 2 : -1;

	if (size < 0 || (h->lru && h->percpu) || (ops->lookup != hash_lookup && ops->lookup != lru_lookup &&
						  ops->lookup != percpu_hash_lookup))
		return;
	h->ops = *ops;
	h->ops.lookup = fast[kind][size];
	if (!kind)
		h->ops.update = fast_update[size];
	h->local.m.ops = &h->ops;
}

static void *lru_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);
	int slot = 0;

	if (!e)
		return NULL;
	touch(h, e);
	if (h->percpu)
		slot = map_slot(&h->local, call);
	return slot < 0 ? NULL : elem_value(h, e, (uint32_t)slot);
}

static void *percpu_hash_lookup(struct uebpf_map *map, const void *key, struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = find(h, key);
	int slot = e ? map_slot(&h->local, call) : -1;

	return slot < 0 ? NULL : elem_value(h, e, (uint32_t)slot);
}

static void *percpu_hash_lookup_cpu(struct uebpf_map *map, const void *key, uint32_t cpu)
{
	struct hash_map *h = (struct hash_map *)map;
	uint32_t e = cpu < map->cpu_slots ? find(h, key) : 0;

	return e ? elem_value(h, e, cpu) : NULL;
}

/* ---- elements and overflow buckets that are free ---- */

static uint32_t pop(struct hash_map *h, _Atomic uint64_t *list)
{
	uint64_t head = atomic_load_explicit(list, memory_order_acquire), next;

	while ((uint32_t)head) {
		if ((uint32_t)head > h->last)
			return 0;
		next = ((head >> 32) + 1) << 32 | (uint32_t)word_get(elem_key(h, (uint32_t)head));
		if (atomic_compare_exchange_weak_explicit(list, &head, next, memory_order_acquire,
							  memory_order_acquire))
			return (uint32_t)head;
	}
	return 0;
}

void elem_push(struct hash_map *h, _Atomic uint64_t *list, uint32_t e)
{
	uint64_t head = atomic_load_explicit(list, memory_order_relaxed), next;

	atomic_thread_fence(memory_order_release);
	do {
		word_put(elem_key(h, e), (uint32_t)head);
		next = ((head >> 32) + 1) << 32 | e;
	} while (!atomic_compare_exchange_weak_explicit(list, &head, next, memory_order_release,
							memory_order_relaxed));
}

/* Stripes keep threads that work in different buckets apart. */
static _Atomic uint64_t *stripe_of(struct hash_map *h, const struct bucket *head, uint32_t n)
{
	return &h->head->stripe[((uint32_t)(head - h->bucket) + n) % FREE_STRIPES].head;
}

uint32_t elem_take(struct hash_map *h, const struct bucket *head)
{
	uint32_t e = pop(h, stripe_of(h, head, 0));

	if (!e && atomic_load_explicit(&h->head->fresh, memory_order_relaxed) < h->capacity) {
		e = atomic_fetch_add_explicit(&h->head->fresh, 1, memory_order_relaxed) + 1;
		if (e > h->capacity)
			e = 0;
	}
	for (uint32_t n = 1; !e && n < FREE_STRIPES; n++)
		e = pop(h, stripe_of(h, head, n));
	return e;
}

static void elem_give(struct hash_map *h, const struct bucket *head, uint32_t e)
{
	elem_push(h, stripe_of(h, head, 0), e);
}

static struct bucket *over_take(struct hash_map *h)
{
	uint64_t head = atomic_load_explicit(&h->head->over_free, memory_order_acquire), next;
	uint32_t n;

	while ((uint32_t)head) {
		struct bucket *b = over(h, (uint32_t)head);

		if (!b)
			return NULL;
		next = ((head >> 32) + 1) << 32 | get32(&b->next);
		if (atomic_compare_exchange_weak_explicit(&h->head->over_free, &head, next,
				memory_order_acquire, memory_order_acquire))
			return b;
	}
	if (atomic_load_explicit(&h->head->over_fresh, memory_order_relaxed) >= h->nr_over)
		return NULL;
	n = atomic_fetch_add_explicit(&h->head->over_fresh, 1, memory_order_relaxed);
	return n < h->nr_over ? &h->bucket[h->mask + 1 + n] : NULL;
}

static void over_give(struct hash_map *h, struct bucket *b)
{
	uint64_t head = atomic_load_explicit(&h->head->over_free, memory_order_relaxed), next;

	do {
		atomic_store_explicit(&b->next, (uint32_t)head, memory_order_relaxed);
		next = ((head >> 32) + 1) << 32 | (uint32_t)(b - h->bucket);
	} while (!atomic_compare_exchange_weak_explicit(&h->head->over_free, &head, next,
			memory_order_release, memory_order_relaxed));
}

/* ---- writers: the head bucket's lock is held ---- */

int bucket_lock(struct hash_map *h, struct bucket *head)
{
	int r = lock_take(&h->local, &head->lock);

	if (__builtin_expect(r > 0, 0))
		hash_repair_bucket(h, head);
	return r < 0 ? r : 0;
}

static void seq_raise(struct bucket *head)
{
	atomic_store_explicit(&head->seq, atomic_load_explicit(&head->seq, memory_order_relaxed) + 1,
			      memory_order_release);
}


static struct place find_locked(struct hash_map *h, struct bucket *head, const void *key, uint64_t hash)
{
	uint32_t steps = 0;

	for (struct bucket *b = head; b && !too_far(h, &steps); b = over(h, get32(&b->next))) {
		uint32_t mask = tags_match((const uint16_t *)b->tag, tag_of(hash));

		for (; mask; mask &= mask - 1) {
			int i = __builtin_ctz(mask);
			uint32_t e = get32(&b->idx[i]);

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
			if (atomic_load_explicit(&b->tag[i], memory_order_relaxed) &&
			    get32(&b->idx[i]) == e)
				return (struct place){ b, i, e };
	return (struct place){ NULL, -1, 0 };
}

static void put(struct place at, uint16_t tag, uint32_t e)
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
		for (int i = 0; i < BUCKET_SLOTS; i++)
			if (!atomic_load_explicit(&b->tag[i], memory_order_relaxed)) {
				put((struct place){ b, i, e }, tag_of(hash), e);
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
	put((struct place){ more, 0, e }, tag_of(hash), e);
	atomic_store_explicit(&b->next, (uint32_t)(more - h->bucket), memory_order_release);
	return 0;
}

static int last_used(const struct bucket *b)
{
	int i = BUCKET_SLOTS - 1;

	while (i >= 0 && !atomic_load_explicit(&b->tag[i], memory_order_relaxed))
		i--;
	return i;
}

/* Takes an entry out.  A chain stays compact: its last entry fills the hole, so overflow buckets
 * are never more than entries / 7.  The move is visible before the old place is cleared, and the
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
		atomic_store_explicit((_Atomic uint32_t *)&mark->bucket, (uint32_t)(head - h->bucket),
				      memory_order_relaxed);
	atomic_store_explicit(&mark->used, used, memory_order_relaxed);
	atomic_store_explicit(&mark->linked, linked, memory_order_release);
}

/* What an operation writes: the value of one slot or of all (user side of per-CPU maps). */
struct source { const void *value; bool all; int slot; };

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
	head->spare = old;
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
static int update_slow(struct hash_map *h, const void *key, uint64_t hash, const struct source *src,
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
		if (r != -EAGAIN)
			break;
		room = lru_evict(h);	/* takes another bucket's lock: not under ours */
		if (!room) {
			r = -ENOMEM;
			break;
		}
		if (h->local.store)
			room = 0;	/* it went to the free list */
	}
	if (room)
		elem_give(h, head, room);
	/* A writer died: what it held in its hands goes back to the free lists. */
	if (__builtin_expect(hash_needs_sweep(h), 0) && !hash_sweep(h) && (r == -E2BIG || r == -ENOMEM))
		return update_slow(h, key, hash, src, flags, false);
	return r;
}

static int update(struct hash_map *h, const void *key, const struct source *src, uint64_t flags)
{
	return update_slow(h, key, hash_of(h, key), src, flags, false);
}

static int check_update(const struct hash_map *h, uint64_t flags)
{
	if ((flags & ~(uint64_t)BPF_F_LOCK) > BPF_EXIST)
		return -EINVAL;
	if ((flags & BPF_F_LOCK) && (h->percpu || h->lru || h->local.m.spin_lock_off == UINT32_MAX))
		return -EINVAL;
	return 0;
}

/* Plain hashes again: replaces the value of a key whose tag is the first to match, in a straight
 * line; anything else goes on in update_slow under the same lock. */
static inline __attribute__((always_inline))
long update_fast(struct hash_map *h, const void *key, const void *value, uint64_t flags, uint32_t size)
{
	uint64_t hash = key_hash(&h->seed, key, size);
	struct bucket *head = home(h, hash);
	struct source src = { .value = value };
	uint32_t mask, e, old, n;
	uint8_t *elem;
	int r;

	if (__builtin_expect(flags == BPF_NOEXIST || flags > BPF_EXIST ||
			     h->local.m.spin_lock_off != UINT32_MAX, 0))
		return check_update(h, flags) ? -EINVAL : update_slow(h, key, hash, &src, flags, false);
	r = bucket_lock(h, head);
	if (__builtin_expect(r < 0, 0))
		return r;
	mask = tags_match((const uint16_t *)head->tag, tag_of(hash));
	old = atomic_load_explicit(&head->idx[mask ? __builtin_ctz(mask) : 0], memory_order_relaxed);
	if (__builtin_expect(!mask || old - 1 >= h->last || !key_equal(elem_at(h, old), key, size), 0))
		return update_slow(h, key, hash, &src, flags, true);
	e = bucket_spare(h, head);
	if (__builtin_expect(!e, 0))
		return update_slow(h, key, hash, &src, flags, true);
	elem = elem_at(h, e);
	atomic_thread_fence(memory_order_release);
	key_store(elem, key, size);
	elem += (size + 7) & ~7u;
	for (n = h->local.m.value_size; n >= 8; n -= 8, value = (const uint8_t *)value + 8, elem += 8)
		word_put(elem, key_word(value, 8));
	if (n)
		word_put(elem, key_word(value, n));
	atomic_store_explicit(&head->idx[__builtin_ctz(mask)], e, memory_order_release);
	seq_raise(head);
	head->spare = old;
	lock_give(&head->lock);
	return 0;
}

#define UPDATE(size) \
static long update_##size(struct uebpf_map *map, const void *key, const void *value, uint64_t flags, \
			  struct uebpf_call *call) \
{ \
	(void)call; \
	return update_fast((struct hash_map *)map, key, value, flags, size); \
}

UPDATE(4)
UPDATE(8)
UPDATE(16)
#undef UPDATE

long hash_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		 struct uebpf_call *call)
{
	struct hash_map *h = (struct hash_map *)map;
	struct source src = { .value = value };
	int r = check_update(h, flags);

	if (r)
		return r;
	if (h->percpu) {
		src.slot = map_slot(&h->local, call);
		if (src.slot < 0)
			return -EBUSY;
	}
	return update(h, key, &src, flags);
}

int hash_user_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	struct hash_map *h = (struct hash_map *)map;
	struct source src = { .value = value, .all = h->percpu };
	int r = check_update(h, flags);

	return r ? r : update(h, key, &src, flags);
}

/* out: the value as the user side sees it, or NULL. */
static int take_out(struct hash_map *h, const void *key, void *out, uint64_t flags)
{
	uint64_t hash = hash_of(h, key);
	struct bucket *head = home(h, hash);
	struct place at;
	uint32_t e;
	int r = bucket_lock(h, head);

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

long hash_remove(struct uebpf_map *map, const void *key)
{
	return take_out((struct hash_map *)map, key, NULL, 0);
}

static int hash_lookup_delete(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	return take_out((struct hash_map *)map, key, value, flags);
}

/* The copy is of this key: an element that was reused meanwhile is read again. */
int hash_user_lookup(struct uebpf_map *map, const void *key, void *value, uint64_t flags)
{
	struct hash_map *h = (struct hash_map *)map;
	uint64_t hash = hash_of(h, key);
	uint32_t e = hash_find(h, key, hash), now, tries = 0;
	int r = 0;

	while (e && !(h->local.hostile && ++tries > HOSTILE_TRIES)) {
		if (h->percpu)
			percpu_user_load(map, elem_value(h, e, 0), h->slot_stride, value);
		else if (flags & BPF_F_LOCK)
			r = value_load_locked(map, value, elem_value(h, e, 0));
		else
			value_load(map, value, elem_value(h, e, 0));
		now = hash_find(h, key, hash);
		if (now == e)
			return r;
		e = now;
	}
	return -ENOENT;
}

#define HASH_OPS \
	.bytes = hash_bytes, .handle_size = sizeof(struct hash_map), .init = hash_init, \
	.update = hash_update, .remove = hash_remove, .user_lookup = hash_user_lookup, \
	.user_update = hash_user_update, .next_key = hash_next_key, \
	.lookup_delete = hash_lookup_delete, .for_each = hash_for_each, .may = UEBPF_MAY_LOCK
enum { HASH_FLAGS = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | MAP_ACCESS_FLAGS };

static int lru_check(const struct uebpf_map_opts *o, const char **why)
{
	if (o->flags & BPF_F_NO_PREALLOC) {
		*why = "an LRU map is always preallocated";
		return -ENOTSUPP;
	}
	return hash_check(o, why);
}

static int lru_percpu_check(const struct uebpf_map_opts *o, const char **why)
{
	int r = lru_check(o, why);

	return r ? r : percpu_hash_check(o, why);
}

const struct map_ops hash_ops = {
	.name = "hash", .type = BPF_MAP_TYPE_HASH, .traits = MT_HASH, .flags = HASH_FLAGS,
	.check = hash_check, .lookup = hash_lookup, HASH_OPS,
};
const struct map_ops percpu_hash_ops = {
	.name = "percpu_hash", .type = BPF_MAP_TYPE_PERCPU_HASH, .traits = MT_HASH | MT_PERCPU,
	.flags = HASH_FLAGS, .check = percpu_hash_check, .lookup = percpu_hash_lookup,
	.lookup_cpu = percpu_hash_lookup_cpu, HASH_OPS,
};
const struct map_ops lru_hash_ops = {
	.name = "lru_hash", .type = BPF_MAP_TYPE_LRU_HASH, .traits = MT_HASH | MT_LRU,
	.flags = HASH_FLAGS | BPF_F_NO_COMMON_LRU, .check = lru_check, .lookup = lru_lookup, HASH_OPS,
};
const struct map_ops lru_percpu_hash_ops = {
	.name = "lru_percpu_hash", .type = BPF_MAP_TYPE_LRU_PERCPU_HASH,
	.traits = MT_HASH | MT_PERCPU | MT_LRU, .flags = HASH_FLAGS | BPF_F_NO_COMMON_LRU,
	.check = lru_percpu_check, .lookup = lru_lookup, .lookup_cpu = percpu_hash_lookup_cpu, HASH_OPS,
};
