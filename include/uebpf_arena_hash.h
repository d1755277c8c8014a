/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* uebpf_arena_hash.h - a hash table in an arena, for programs in the kernel, programs here and C alike.
 *
 * One header for three compilers: BPF programs (clang 19 or newer, for the kernel or for UeBPF) and the C
 * or C++ process that maps the arena.  All see the same bytes, each operation is a few loads and at most
 * one atomic instruction, and nothing ever waits: a side that stops in the middle of an operation stops
 * nobody.
 *
 * Capacity is fixed, keys and values are 64 bits.  A key keeps its place for good, also when it is
 * deleted (the value then says so): a pointer to a value stays that key's.  Thus the capacity bounds how
 * many different keys are ever used; uebpf_arena_hash_init starts again when nobody uses the table.
 * Open addressing: at most UEBPF_ARENA_PROBES places are looked at; keep a quarter of them free.  With three times
 * as many places as keys nearly every search ends in one cache line, and 6 of 7 at the first place.
 *
 *	process:  mem = the arena's first byte (uebpf_map_value(map, NULL), or its mmap)
 *		  uebpf_arena_hash_init(mem, bits);	an arena of uebpf_arena_hash_bytes(bits) or more
 *		  program's global `table` = (unsigned long long)mem
 *	program:  struct uebpf_arena_hash UEBPF_ARENA *t = UEBPF_ARENA_AT(table);
 *		  unsigned long long UEBPF_ARENA *v = uebpf_arena_hash_find(t, key);
 * A program that defines UEBPF_ARENA_BITS before it includes this saves a load a search; all tables that it
 * uses must have been made with so many bits.
 * In the kernel the arena must lie at the process's address: it does, the kernel remembers where it was
 * first mapped.  A kernel program must name its arena map once (UEBPF_ARENA_USES(map)). */
#ifndef UEBPF_ARENA_HASH_H
#define UEBPF_ARENA_HASH_H

#if defined(__bpf__)
#define UEBPF_ARENA __attribute__((address_space(1)))
#define UEBPF_ARENA_USES(map) do { __asm__ volatile("" : : "r"(&(map))); } while (0)
#else
#define UEBPF_ARENA
#define UEBPF_ARENA_USES(map) do { } while (0)
#endif
#define UEBPF_ARENA_AT(address) ((struct uebpf_arena_hash UEBPF_ARENA *)(address))

typedef unsigned long long uebpf_arena_u64;
#define UEBPF_ARENA_ABSENT (~0ULL)	/* as a value: this key is not there.  Not a value of its own */
#define UEBPF_ARENA_EMPTY 0ULL		/* as a key: a free place.  Not a key (-EINVAL) */
enum { UEBPF_ARENA_NEAR = 4, UEBPF_ARENA_PROBES = 64 };
enum { UEBPF_ARENA_ANY, UEBPF_ARENA_NOEXIST, UEBPF_ARENA_EXIST };	/* as BPF_ANY ... */
enum { UEBPF_ARENA_ENOENT = -2, UEBPF_ARENA_E2BIG = -7, UEBPF_ARENA_EEXIST = -17, UEBPF_ARENA_EINVAL = -22 };

struct uebpf_arena_slot { uebpf_arena_u64 key, value; };
struct uebpf_arena_hash {
	uebpf_arena_u64 places;		/* where searches begin: a power of two */
	uebpf_arena_u64 shift;		/* 64 - log2(places) */
	uebpf_arena_u64 unused[6];
	struct uebpf_arena_slot slot[];	/* UEBPF_ARENA_PROBES more than places: searches do not wrap */
};

#if defined(__bpf__)
#define UEBPF_ARENA_FAR __attribute__((noinline, weak))
#define UEBPF_ARENA_APART(v) __asm__ volatile("" : "+r"(v))
#else
#define UEBPF_ARENA_APART(v) do { } while (0)
#define UEBPF_ARENA_FAR static __attribute__((noinline, unused))
#endif
#define UEBPF_ARENA_INLINE static inline __attribute__((always_inline, unused))
#define UEBPF_ARENA_READ(p) (*(volatile uebpf_arena_u64 UEBPF_ARENA *)(p))

/* Bytes of a table of 2^bits places (bits 1 .. 26). */
UEBPF_ARENA_INLINE uebpf_arena_u64 uebpf_arena_hash_bytes(unsigned int bits)
{
	return sizeof(struct uebpf_arena_hash) + sizeof(struct uebpf_arena_slot) * ((1ULL << bits) + UEBPF_ARENA_PROBES);
}

#if !defined(__bpf__)
/* Makes an empty table; nobody may use it meanwhile. */
UEBPF_ARENA_INLINE void uebpf_arena_hash_init(void *mem, unsigned int bits)
{
	struct uebpf_arena_hash *t = (struct uebpf_arena_hash *)mem;
	uebpf_arena_u64 i;

	t->places = 1ULL << bits;
	t->shift = 64 - bits;
	for (i = 0; i < t->places + UEBPF_ARENA_PROBES; i++) {
		t->slot[i].key = UEBPF_ARENA_EMPTY;
		t->slot[i].value = UEBPF_ARENA_ABSENT;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#endif

/* Where the search for a key begins.  Multiplication by 2^64 over the golden ratio, upper bits. */
UEBPF_ARENA_INLINE struct uebpf_arena_slot UEBPF_ARENA *
uebpf_arena_hash_start(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key)
{
#if defined(UEBPF_ARENA_BITS)
	return &t->slot[(key * 0x9e3779b97f4a7c15ULL) >> (64 - UEBPF_ARENA_BITS)];
#else
	return &t->slot[(key * 0x9e3779b97f4a7c15ULL) >> t->shift];
#endif
}

/* A search that did not end in its first places.  In BPF it is a global function of numbers: the kernel verifies its
 * loop once, and not once a call. */
UEBPF_ARENA_FAR uebpf_arena_u64 uebpf_arena_hash_far(uebpf_arena_u64 slot, uebpf_arena_u64 key)
{
	struct uebpf_arena_slot UEBPF_ARENA *s = (struct uebpf_arena_slot UEBPF_ARENA *)slot;
	uebpf_arena_u64 have;
	int n;

	for (n = UEBPF_ARENA_NEAR; n < UEBPF_ARENA_PROBES; n++, s++) {
		have = UEBPF_ARENA_READ(&s->key);
		if (have == key)
			return (uebpf_arena_u64)s;
		if (have == UEBPF_ARENA_EMPTY)
			break;
	}
	return 0;
}

/* Where a key is that is not at the first place s, which has the key `have`; NULL: it never was there. */
UEBPF_ARENA_INLINE struct uebpf_arena_slot UEBPF_ARENA *
uebpf_arena_hash_rest(struct uebpf_arena_slot UEBPF_ARENA *s, uebpf_arena_u64 have, uebpf_arena_u64 key)
{
	int n;

#if defined(__clang__)
#pragma unroll
#endif
	for (n = 1; n < UEBPF_ARENA_NEAR; n++) {
		if (have == UEBPF_ARENA_EMPTY)
			return (struct uebpf_arena_slot UEBPF_ARENA *)0;
		s++;
		have = UEBPF_ARENA_READ(&s->key);
		if (have == key)
			return s;
	}
	return (struct uebpf_arena_slot UEBPF_ARENA *)uebpf_arena_hash_far((uebpf_arena_u64)(s + 1), key);
}

/* The place of a key, present or deleted; NULL: it never was there. */
UEBPF_ARENA_INLINE struct uebpf_arena_slot UEBPF_ARENA *
uebpf_arena_hash_place(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key)
{
	struct uebpf_arena_slot UEBPF_ARENA *s = uebpf_arena_hash_start(t, key);
	uebpf_arena_u64 have = UEBPF_ARENA_READ(&s->key);

	return have == key ? s : uebpf_arena_hash_rest(s, have, key);
}

/* The same; takes a free one for a new key.  NULL: no room within the probes. */
UEBPF_ARENA_INLINE struct uebpf_arena_slot UEBPF_ARENA *
uebpf_arena_hash_claim(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key)
{
	struct uebpf_arena_slot UEBPF_ARENA *s = uebpf_arena_hash_start(t, key);
	uebpf_arena_u64 have;
	int n;

	for (n = 0; n < UEBPF_ARENA_PROBES; n++, s++) {
		have = UEBPF_ARENA_READ(&s->key);
		if (have == UEBPF_ARENA_EMPTY) {
			have = __sync_val_compare_and_swap(&s->key, UEBPF_ARENA_EMPTY, key);
			if (have == UEBPF_ARENA_EMPTY)
				return s;
		}
		if (have == key)
			return s;
	}
	return (struct uebpf_arena_slot UEBPF_ARENA *)0;
}

/* The value of a key, or UEBPF_ARENA_ABSENT. */
UEBPF_ARENA_INLINE uebpf_arena_u64 uebpf_arena_hash_get(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key)
{
	struct uebpf_arena_slot UEBPF_ARENA *s = uebpf_arena_hash_start(t, key);
	uebpf_arena_u64 have = UEBPF_ARENA_READ(&s->key);

	if (__builtin_expect(have == key, 1)) {
		have = UEBPF_ARENA_READ(&s->value);
		UEBPF_ARENA_APART(have);	/* both loads through one pointer: not one load for both branches */
		return have;
	}
	s = uebpf_arena_hash_rest(s, have, key);
	return s ? UEBPF_ARENA_READ(&s->value) : UEBPF_ARENA_ABSENT;
}

/* The value of a key in place, or NULL.  It stays this key's value word for good; a delete makes it
 * UEBPF_ARENA_ABSENT.  Atomic operations on it work from every side. */
UEBPF_ARENA_INLINE uebpf_arena_u64 UEBPF_ARENA *
uebpf_arena_hash_find(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key)
{
	struct uebpf_arena_slot UEBPF_ARENA *s = uebpf_arena_hash_place(t, key);

	if (!s || UEBPF_ARENA_READ(&s->value) == UEBPF_ARENA_ABSENT)
		return (uebpf_arena_u64 UEBPF_ARENA *)0;
	return &s->value;
}

/* 0, or: -EINVAL (key or value is the reserved one, or flags), -E2BIG (no room), -EEXIST, -ENOENT. */
UEBPF_ARENA_INLINE int uebpf_arena_hash_update(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key,
					       uebpf_arena_u64 value, unsigned int flags)
{
	struct uebpf_arena_slot UEBPF_ARENA *s;
	uebpf_arena_u64 old;
	int n;

	if (key == UEBPF_ARENA_EMPTY || value == UEBPF_ARENA_ABSENT || flags > UEBPF_ARENA_EXIST)
		return UEBPF_ARENA_EINVAL;
	s = flags == UEBPF_ARENA_EXIST ? uebpf_arena_hash_place(t, key) : uebpf_arena_hash_claim(t, key);
	if (!s)
		return flags == UEBPF_ARENA_EXIST ? UEBPF_ARENA_ENOENT : UEBPF_ARENA_E2BIG;
	if (flags == UEBPF_ARENA_ANY) {
		UEBPF_ARENA_READ(&s->value) = value;
		return 0;
	}
	if (flags == UEBPF_ARENA_NOEXIST)
		return __sync_val_compare_and_swap(&s->value, UEBPF_ARENA_ABSENT, value) == UEBPF_ARENA_ABSENT ?
		       0 : UEBPF_ARENA_EEXIST;
	for (n = 0; n < UEBPF_ARENA_PROBES; n++) {	/* others may change it as often; then it was there */
		old = UEBPF_ARENA_READ(&s->value);
		if (old == UEBPF_ARENA_ABSENT)
			return UEBPF_ARENA_ENOENT;
		if (__sync_val_compare_and_swap(&s->value, old, value) == old)
			break;
	}
	return 0;
}

/* Adds to a key's value, which begins at 0: a counter, exact from any number of sides.  0, -EINVAL, -E2BIG. */
UEBPF_ARENA_INLINE int uebpf_arena_hash_add(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key,
					    uebpf_arena_u64 more)
{
	struct uebpf_arena_slot UEBPF_ARENA *s;

	if (key == UEBPF_ARENA_EMPTY)
		return UEBPF_ARENA_EINVAL;
	s = uebpf_arena_hash_claim(t, key);
	if (!s)
		return UEBPF_ARENA_E2BIG;
	if (UEBPF_ARENA_READ(&s->value) == UEBPF_ARENA_ABSENT)
		__sync_val_compare_and_swap(&s->value, UEBPF_ARENA_ABSENT, 0);
	__sync_fetch_and_add(&s->value, more);
	return 0;
}

/* 0 or -ENOENT.  Not for keys that others add to at the same time: an addition may then find the mark. */
UEBPF_ARENA_INLINE int uebpf_arena_hash_delete(struct uebpf_arena_hash UEBPF_ARENA *t, uebpf_arena_u64 key)
{
	struct uebpf_arena_slot UEBPF_ARENA *s = uebpf_arena_hash_place(t, key);
	uebpf_arena_u64 old;
	int n;

	for (n = 0; s && n < UEBPF_ARENA_PROBES; n++) {
		old = UEBPF_ARENA_READ(&s->value);
		if (old == UEBPF_ARENA_ABSENT)
			break;
		if (__sync_val_compare_and_swap(&s->value, old, UEBPF_ARENA_ABSENT) == old)
			return 0;
	}
	return UEBPF_ARENA_ENOENT;
}

#endif
