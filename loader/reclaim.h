/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reclaim.h - knows when nobody can be inside a replaced program any more.  Knows nothing of slots and
 * programs.
 *
 * Each thread marks in a record of its own that it is inside: a sequence number, odd while inside.
 * What was replaced may be given back once every record that was odd has moved on.  The mark is a
 * plain store: the side that reclaims calls membarrier(2), which makes each running thread's stores and
 * loads fall on one side of it, so runs need no fence (where there is no membarrier, they make one).
 *
 * No thread registers: the first run takes a record with a compare-and-swap, by the address of a
 * thread-local word.  That address belongs to one living thread at a time, so a record whose owner has
 * that address is ours or was left by a thread that is gone.  A signal handler that interrupts a run
 * finds the record odd and leaves it alone.  When records are used up, runs count themselves in and out
 * of two shared counters, used in turns (as in Linux's SRCU): slower, equally safe. */
#ifndef UEBPF_LOADER_RECLAIM_H
#define UEBPF_LOADER_RECLAIM_H

#include "loader/lock.h"
#include "vm/code.h"

enum { RECLAIM_RECORDS = 128, RECLAIM_SHARED = RECLAIM_RECORDS };

struct record {
	_Alignas(64) _Atomic uintptr_t owner;	/* address of the thread's word, 0: free */
	_Atomic unsigned long seq;
};

/* Something replaced; gone() is called once, outside of any lock. */
struct retired {
	struct retired *next;
	void (*gone)(struct retired *retired);
};

struct reclaim {
	uint64_t base;			/* random, lower 16 bits 0: base + index is a thread's word */
	struct vm_host *host;
	void *memory;
	size_t bytes;
	bool fence;			/* no membarrier here: runs make their own fence */
	_Atomic unsigned long shared[2];
	_Atomic uint32_t turn;
	/* the reclaiming side, under the lock */
	struct env_lock lock;
	uint32_t pid;
	int step;			/* of the shared counters: 1, 2, 0 = done */
	struct retired *current, *coming;
	unsigned long snap[RECLAIM_RECORDS];
	struct record record[RECLAIM_RECORDS];
};

/* Where a thread is: the record's index and what to write on leaving. */
struct inside {
	struct record *record;		/* NULL: nested, or in the shared counters */
	unsigned long seq, depth;	/* depth: of the thread, before */
	uint32_t index;			/* RECLAIM_SHARED: no record */
	uint32_t turn;			/* 0, 1: shared counter; 2: none */
};

struct reclaim_thread {
	uint64_t word;			/* reclaim->base + index of the record, of the last reclaim used */
	unsigned long depth;		/* runs that this thread is in */
};
extern _Thread_local struct reclaim_thread reclaim_thread __attribute__((tls_model("initial-exec")));

struct reclaim *reclaim_new(struct vm_host *host);	/* NULL: memory is short */
void reclaim_free(struct reclaim *reclaim);		/* nobody inside; gives back what waits */
uint32_t reclaim_claim(struct reclaim *reclaim);	/* the thread's record, or RECLAIM_SHARED */
void reclaim_enter_shared(struct reclaim *reclaim, struct inside *in);

static inline void reclaim_enter(struct reclaim *reclaim, struct inside *in)
{
	uint64_t at = reclaim_thread.word - reclaim->base;
	uint32_t index = at <= RECLAIM_RECORDS ? (uint32_t)at : reclaim_claim(reclaim);
	struct record *record = &reclaim->record[index];

	/* written twice but read once: two additions to memory would wait for each other */
	in->depth = reclaim_thread.depth;
	reclaim_thread.depth = in->depth + 1;
	in->index = index;
	in->record = NULL;
	in->turn = 2;
	if (__builtin_expect(index == RECLAIM_SHARED, 0)) {
		reclaim_enter_shared(reclaim, in);
		return;
	}
	in->seq = atomic_load_explicit(&record->seq, memory_order_relaxed);
	if (!(in->seq & 1)) {
		in->record = record;
		atomic_store_explicit(&record->seq, in->seq + 1, memory_order_relaxed);
		in->seq += 2;
	}
	if (__builtin_expect(reclaim->fence, 0))
		atomic_thread_fence(memory_order_seq_cst);
	else
		atomic_signal_fence(memory_order_seq_cst);
}

static inline void reclaim_leave(struct reclaim *reclaim, const struct inside *in)
{
	if (in->record)
		atomic_store_explicit(&in->record->seq, in->seq, memory_order_release);
	else if (in->turn < 2)
		atomic_fetch_sub_explicit(&reclaim->shared[in->turn], 1, memory_order_release);
	reclaim_thread.depth = in->depth;
}

/* The same for a thread that has its record and is in no run, where no fence is needed: nothing of it has to
 * lie in memory.  False: reclaim_enter does it. */
static inline bool reclaim_enter_swiftly(struct reclaim *reclaim, struct inside *in)
{
	uint64_t index = reclaim_thread.word - reclaim->base;

	if (__builtin_expect(index >= RECLAIM_RECORDS || reclaim->fence, 0))
		return false;
	in->record = &reclaim->record[index];
	in->index = (uint32_t)index;
	in->seq = atomic_load_explicit(&in->record->seq, memory_order_relaxed) + 2;
	if (__builtin_expect(in->seq & 1, 0))
		return false;
	in->depth = reclaim_thread.depth;
	reclaim_thread.depth = in->depth + 1;
	atomic_store_explicit(&in->record->seq, in->seq - 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

static inline void reclaim_leave_swiftly(const struct inside *in)
{
	atomic_store_explicit(&in->record->seq, in->seq, memory_order_release);
	reclaim_thread.depth = in->depth;
}

/* Gives `retired` back when nobody can be inside; at once if so.  It was unpublished before. */
void reclaim_retire(struct reclaim *reclaim, struct retired *retired);
/* Gives back what can be; how many still wait. */
uint32_t reclaim_poll(struct reclaim *reclaim);

#endif
