/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pages.c - where machine code lives.  Knows nothing of instructions.
 *
 * Programs are small and pages are not, so many programs share one page.  A page in use must stay
 * executable at every moment, because other threads are inside; and it must never be writable, so
 * it cannot be patched in place.  It is therefore replaced as a whole: a private page is filled with
 * the old contents and the new program, made executable, and moved over the old one by
 * mremap(MREMAP_FIXED).  The kernel does that under the lock that a page fault of another thread
 * waits for, so that thread sees the old page or the new one, which agree on every byte in use.
 * Pages that hold nothing yet are filled where they are.
 *
 * All mappings are private and anonymous: after fork parent and child own different pages.
 * Arenas belong to an env; there is no state of the process. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "jit/state.h"
#include "vm/mem.h"
#include "vm/self.h"

enum {
	PAGE = 4096,
	UNIT = 32,			/* allocation grain and alignment of an entry */
	UNITS = PAGE / UNIT,		/* per page */
	ARENA_PAGES = 32,		/* address space reserved at a time; pages come one by one */
};
struct arena {
	struct arena *next;
	uint8_t *base;
	uint32_t free_units;
	uint64_t used[ARENA_PAGES][UNITS / 64];
	uint8_t mapped[ARENA_PAGES];	/* code is or was there */
};
struct jit_pages {
	struct vm_host *host;
	struct arena *arenas;
	bool far;			/* pages_far() */
	uint8_t *spare;			/* an empty page whose memory is kept, writable: the next program needs no fault */
	_Atomic int owner;		/* pid that holds the lock, 0: free */
	struct jit_code *_Atomic first;	/* programs, latest first */
};

/* A lock that a child of fork can break: the thread that held it does not exist there.  What it was
 * doing is unknown, so the child leaves the half-done arenas alone and begins new ones; the way back through the
 * list of programs is made anew, its way on is whole at every moment. */
static void lock(struct jit_pages *pages)
{
	int me = (int)self_get()->pid, free = 0;

	while (!atomic_compare_exchange_weak_explicit(&pages->owner, &free, me, memory_order_acquire,
						      memory_order_relaxed)) {
		if (free && free != me && atomic_compare_exchange_strong(&pages->owner, &free, me)) {
			pages->arenas = NULL;
			pages->spare = NULL;
			for (struct jit_code *at = atomic_load(&pages->first), *before = NULL; at; before = at, at = at->next)
				at->before = before;
			return;
		}
		free = 0;
		sched_yield();
	}
}

static void unlock(struct jit_pages *pages)
{
	atomic_store_explicit(&pages->owner, 0, memory_order_release);
}

struct jit_pages *jit_pages_new(struct vm_host *host)
{
	struct jit_pages *pages = mem_alloc(host, sizeof *pages);

	if (pages)
		pages->host = host;
	return pages;
}

void jit_pages_free(struct jit_pages *pages)
{
	struct arena *next;

	if (!pages)
		return;
	for (struct arena *a = pages->arenas; a; a = next) {
		next = a->next;
		munmap(a->base, (size_t)ARENA_PAGES * PAGE);
		mem_free(pages->host, a, sizeof *a);
	}
	mem_free(pages->host, pages, sizeof *pages);
}

static bool unit_used(const struct arena *a, size_t unit)
{
	return a->used[unit / UNITS][unit % UNITS / 64] >> unit % 64 & 1;
}

static void mark(struct arena *a, size_t unit, size_t n, bool used)
{
	a->free_units += (uint32_t)(used ? -n : n);
	for (; n--; unit++) {
		uint64_t bit = 1ull << unit % 64, *word = &a->used[unit / UNITS][unit % UNITS / 64];

		*word = used ? *word | bit : *word & ~bit;
	}
}

static bool page_empty(const struct arena *a, size_t page)
{
	for (int i = 0; i < UNITS / 64; i++)
		if (a->used[page][i])
			return false;
	return true;
}

/* First run of n free units.  A program below a page does not straddle two, so that publishing
 * replaces one page; a larger one takes whole pages. */
static bool find_room(struct arena *a, size_t n, size_t *unit)
{
	if (n > a->free_units)
		return false;
	if (n > UNITS) {
		size_t want = (n + UNITS - 1) / UNITS, run = 0;

		for (size_t page = 0; page < ARENA_PAGES; page++) {
			run = page_empty(a, page) ? run + 1 : 0;
			if (run == want)
				return *unit = (page + 1 - want) * UNITS, true;
		}
		return false;
	}
	for (size_t page = 0; page < ARENA_PAGES; page++) {
		size_t run = 0;

		if (!~a->used[page][0] && !~a->used[page][1])
			continue;
		for (size_t i = 0; i < UNITS; i++) {
			run = unit_used(a, page * UNITS + i) ? 0 : run + 1;
			if (run == n)
				return *unit = page * UNITS + i + 1 - n, true;
		}
	}
	return false;
}

bool *pages_far(struct jit_pages *pages) { return &pages->far; }

static void *reserve_space(void *hint, size_t len)
{
	return mmap(hint, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static bool is_near(const void *p, uint64_t here)
{
	uint64_t at = (uintptr_t)p;

	return (at > here ? at - here : here - at) < 1 << 30;
}

/* Address space from which a direct call reaches the library, where there is some: beside a shared
 * library that is anywhere, beside a program it is below its image. */
static void *near_space(size_t len)
{
	enum { STEP = 16 << 20, TRIES = 16 };
	uint64_t here = (uintptr_t)near_space & ~(uint64_t)(STEP - 1);
	void *p = reserve_space(NULL, len), *q;

	for (uint64_t k = 1; p != MAP_FAILED && !is_near(p, here) && here >> 32 && k <= TRIES; k++) {
		q = reserve_space((void *)(uintptr_t)(here - k * STEP), len);
		if (q != MAP_FAILED && !is_near(q, here)) {
			munmap(q, len);
		} else if (q != MAP_FAILED) {
			munmap(p, len);
			p = q;
		}
	}
	return p;
}

static struct arena *new_arena(struct jit_pages *pages)
{
	struct arena *a = mem_alloc(pages->host, sizeof *a);

	if (!a)
		return NULL;
	a->base = near_space((size_t)ARENA_PAGES * PAGE);
	if (a->base == MAP_FAILED) {
		mem_free(pages->host, a, sizeof *a);
		return NULL;
	}
	a->free_units = ARENA_PAGES * UNITS;
	a->next = pages->arenas;
	return pages->arenas = a;
}

static bool is_large(size_t size) { return size > (size_t)ARENA_PAGES * PAGE / 2; }
static size_t whole_pages(size_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

/* More than a page has whole pages, which thus change all at once. */
static size_t units(size_t size)
{
	return (size > PAGE ? whole_pages(size) : size + UNIT - 1) / UNIT;
}

static int reserve(struct jit_pages *pages, size_t size, uint8_t **at)
{
	size_t n = units(size), unit;
	struct arena *a;

	lock(pages);
	for (a = pages->arenas; a; a = a->next)
		if (find_room(a, n, &unit))
			break;
	if (!a) {
		a = new_arena(pages);
		if (!a || !find_room(a, n, &unit)) {
			unlock(pages);
			return -ENOMEM;
		}
	}
	mark(a, unit, n, true);
	unlock(pages);
	*at = a->base + unit * UNIT;
	return 0;
}

int pages_reserve(struct jit_pages *pages, size_t size, uint8_t **at)
{
	int saved = errno, err = 0;

	if (is_large(size)) {	/* a mapping of its own */
		*at = near_space(whole_pages(size));
		err = *at == MAP_FAILED ? -ENOMEM : 0;
	} else {
		err = reserve(pages, size, at);
	}
	errno = saved;
	return err;
}

static struct arena *arena_of(struct jit_pages *pages, const uint8_t *at)
{
	for (struct arena *a = pages->arenas; a; a = a->next)
		if (at >= a->base && at < a->base + (size_t)ARENA_PAGES * PAGE)
			return a;
	return NULL;
}

/* Fills the pages [page, page + len), where nothing runs yet and that may be writable already, with `bytes` at `at`. */
static int fill(bool writable, uint8_t *page, size_t len, uint8_t *at, const void *bytes, size_t size)
{
	int err;

	if (!writable && mprotect(page, len, PROT_READ | PROT_WRITE))
		return -errno;
	memset(page, 0xcc, len);	/* int3: a jump astray stops at once */
	memcpy(at, bytes, size);
	if (!mprotect(page, len, PROT_READ | PROT_EXEC))
		return 0;
	err = -errno;
	(void)mmap(page, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return err;
}

/* Builds the page anew with `bytes` at `at` and moves it into place. */
static int replace(uint8_t *page, size_t len, uint8_t *at, const void *bytes, size_t size)
{
	uint8_t *fresh = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = 0;

	if (fresh == MAP_FAILED)
		return -ENOMEM;
	memcpy(fresh, page, len);
	memcpy(fresh + (at - page), bytes, size);
	if (mprotect(fresh, len, PROT_READ | PROT_EXEC))
		err = -errno;
	else if (mremap(fresh, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, page) == MAP_FAILED)
		err = -errno;
	if (err)
		munmap(fresh, len);
	return err;
}

int pages_publish(struct jit_pages *pages, uint8_t *at, const void *bytes, size_t size)
{
	size_t first = (uintptr_t)at % PAGE, len = whole_pages(first + size), page;
	int saved = errno, err;
	struct arena *a;

	if (is_large(size)) {
		err = fill(false, at, len, at, bytes, size);
		if (err)
			munmap(at, len);
		errno = saved;
		return err;
	}
	lock(pages);
	a = arena_of(pages, at);
	if (!a) {	/* the child of a fork that broke the lock in between */
		unlock(pages);
		return -EAGAIN;
	}
	page = (size_t)(at - a->base) / PAGE;
	err = len == PAGE && a->mapped[page] ? replace(at - first, len, at, bytes, size) :
					       fill(at - first == pages->spare && len == PAGE, at - first, len, at, bytes, size);
	if (pages->spare && pages->spare >= at - first && pages->spare < at - first + len)
		pages->spare = NULL;
	if (!err)
		memset(a->mapped + page, 1, len / PAGE);
	else
		mark(a, (size_t)(at - a->base) / UNIT, units(size), false);
	unlock(pages);
	errno = saved;
	return err;
}

/* The address space stays reserved; the memory of one page is kept. */
static bool give_back(struct jit_pages *pages, uint8_t *page)
{
	if (!pages->spare && !mprotect(page, PAGE, PROT_READ | PROT_WRITE)) {
		pages->spare = page;
		return true;
	}
	return mmap(page, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void pages_release(struct jit_pages *pages, uint8_t *at, size_t size)
{
	size_t unit, n = units(size);
	int saved = errno;
	struct arena *a;

	if (is_large(size)) {
		munmap(at, whole_pages(size));
		errno = saved;
		return;
	}
	lock(pages);
	a = arena_of(pages, at);
	if (a) {
		unit = (size_t)(at - a->base) / UNIT;
		mark(a, unit, n, false);
		for (size_t page = unit / UNITS; page <= (unit + n - 1) / UNITS; page++)
			if (a->mapped[page] && page_empty(a, page))
				a->mapped[page] = !give_back(pages, a->base + page * PAGE);
	}
	unlock(pages);
	errno = saved;
}

/* ---- who is where ---- */

void pages_enlist(struct jit_pages *pages, struct jit_code *jit)
{
	lock(pages);
	jit->next = atomic_load_explicit(&pages->first, memory_order_relaxed);
	atomic_store_explicit(&pages->first, jit, memory_order_release);
	if (jit->next)
		jit->next->before = jit;
	unlock(pages);
}

void pages_delist(struct jit_pages *pages, struct jit_code *jit)
{
	lock(pages);
	if (jit->before)
		jit->before->next = jit->next;
	else
		atomic_store_explicit(&pages->first, jit->next, memory_order_release);
	if (jit->next)
		jit->next->before = jit->before;
	unlock(pages);
}

const struct code *jit_find(const struct jit_pages *pages, uintptr_t addr)
{
	const struct jit_code *jit = pages ? atomic_load_explicit(&pages->first, memory_order_acquire) : NULL;

	while (jit && (addr < (uintptr_t)jit->text || addr >= (uintptr_t)jit->text + jit->bytes))
		jit = jit->next;
	return jit ? jit->code : NULL;
}
