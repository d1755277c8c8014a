/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reclaim.c - see reclaim.h. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "loader/reclaim.h"
#include "vm/mem.h"

/* linux/membarrier.h, Linux 4.14 */
enum { MEMBARRIER_EXPEDITED = 1 << 3, MEMBARRIER_REGISTER = 1 << 4 };

_Thread_local struct reclaim_thread reclaim_thread;

static bool membarrier(int command)
{
	int saved = errno;
	bool ok = syscall(SYS_membarrier, command, 0, 0) == 0;

	errno = saved;
	return ok;
}

/* ---- the running side ---- */

uint32_t reclaim_claim(struct reclaim *reclaim)
{
	uintptr_t me = (uintptr_t)&reclaim_thread;
	uint32_t first = (uint32_t)(me >> 6) * 2654435761u >> 8, i, index = RECLAIM_SHARED;

	for (i = 0; i < RECLAIM_RECORDS && index == RECLAIM_SHARED; i++) {
		struct record *record = &reclaim->record[(first + i) % RECLAIM_RECORDS];
		uintptr_t owner = 0;

		if (atomic_compare_exchange_strong_explicit(&record->owner, &owner, me, memory_order_acq_rel,
							    memory_order_acquire) || owner == me)
			index = (first + i) % RECLAIM_RECORDS;
	}
	if (index != RECLAIM_SHARED && !reclaim_thread.depth) {
		struct record *record = &reclaim->record[index];
		unsigned long seq = atomic_load_explicit(&record->seq, memory_order_relaxed);

		/* We are in no run: whoever left it odd had our address before us and is gone. */
		if (seq & 1)
			atomic_store_explicit(&record->seq, seq + 1, memory_order_release);
	}
	reclaim_thread.word = reclaim->base + index;
	return index;
}

void reclaim_enter_shared(struct reclaim *reclaim, struct inside *in)
{
	in->turn = atomic_load_explicit(&reclaim->turn, memory_order_relaxed);
	atomic_fetch_add_explicit(&reclaim->shared[in->turn], 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
}

/* ---- the reclaiming side ---- */

static void barrier(struct reclaim *reclaim)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (reclaim->fence || membarrier(MEMBARRIER_EXPEDITED))
		return;
	/* A new process image or a sandbox: register again, or ask runs to fence from here on.  What
	 * runs now may lack the fence; time enough passes for their stores to become visible. */
	if (!membarrier(MEMBARRIER_REGISTER) || !membarrier(MEMBARRIER_EXPEDITED)) {
		struct timespec long_time = { 0, 10000000 };
		int saved = errno;

		__atomic_store_n(&reclaim->fence, true, __ATOMIC_SEQ_CST);
		nanosleep(&long_time, NULL);
		errno = saved;
	}
}

/* In a forked child only the calling thread lives. */
static void after_fork(struct reclaim *reclaim)
{
	uint32_t pid = (uint32_t)getpid(), i;

	if (reclaim->pid == pid)
		return;
	reclaim->pid = pid;
	for (i = 0; i < RECLAIM_RECORDS; i++) {
		struct record *record = &reclaim->record[i];
		unsigned long seq = atomic_load(&record->seq);

		if (atomic_load(&record->owner) == (uintptr_t)&reclaim_thread && reclaim_thread.depth)
			continue;
		if (seq & 1)
			atomic_store(&record->seq, seq + 1);
	}
	if (!reclaim_thread.depth) {
		atomic_store(&reclaim->shared[0], 0);
		atomic_store(&reclaim->shared[1], 0);
	}
	/* the parent's thread may have been between the two stores of begin() */
	if (reclaim->coming == reclaim->current)
		reclaim->coming = NULL;
}

static void begin(struct reclaim *reclaim)
{
	uint32_t i;

	reclaim->current = reclaim->coming;
	reclaim->coming = NULL;
	barrier(reclaim);
	for (i = 0; i < RECLAIM_RECORDS; i++)
		reclaim->snap[i] = atomic_load_explicit(&reclaim->record[i].seq, memory_order_acquire);
	reclaim->step = 1;
}

/* The counter out of turn empties, the turn changes, the other one empties: then everybody who came
 * before is gone, also one who read the turn long before he counted himself. */
static bool shared_done(struct reclaim *reclaim)
{
	uint32_t turn = atomic_load(&reclaim->turn);

	if (reclaim->step == 1 && !atomic_load(&reclaim->shared[!turn])) {
		atomic_store(&reclaim->turn, !turn);
		turn = !turn;
		reclaim->step = 2;
	}
	if (reclaim->step == 2 && !atomic_load(&reclaim->shared[!turn]))
		reclaim->step = 0;
	return !reclaim->step;
}

static bool current_done(struct reclaim *reclaim)
{
	bool done = shared_done(reclaim);
	uint32_t i;

	for (i = 0; i < RECLAIM_RECORDS; i++) {
		if (!(reclaim->snap[i] & 1))
			continue;
		if (atomic_load_explicit(&reclaim->record[i].seq, memory_order_acquire) == reclaim->snap[i])
			done = false;
		else
			reclaim->snap[i] = 0;
	}
	return done;
}

static uint32_t length(const struct retired *list)
{
	uint32_t n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

static void give_back(struct retired *list)
{
	while (list) {
		struct retired *next = list->next;

		list->gone(list);
		list = next;
	}
}

uint32_t reclaim_poll(struct reclaim *reclaim)
{
	struct retired *done = NULL, *again = NULL;
	uint32_t waiting;

	env_lock(&reclaim->lock);
	after_fork(reclaim);
	if (!reclaim->current && reclaim->coming)
		begin(reclaim);
	if (reclaim->current && current_done(reclaim)) {
		done = reclaim->current;
		reclaim->current = NULL;
		if (reclaim->coming) {
			begin(reclaim);
			if (current_done(reclaim)) {
				again = reclaim->current;
				reclaim->current = NULL;
			}
		}
	}
	waiting = length(reclaim->current) + length(reclaim->coming);
	env_unlock(&reclaim->lock);
	give_back(done);
	give_back(again);
	return waiting;
}

void reclaim_retire(struct reclaim *reclaim, struct retired *retired)
{
	env_lock(&reclaim->lock);
	after_fork(reclaim);
	retired->next = reclaim->coming;
	reclaim->coming = retired;
	env_unlock(&reclaim->lock);
	reclaim_poll(reclaim);
}

/* ---- life ---- */

struct reclaim *reclaim_new(struct vm_host *host)
{
	size_t bytes = sizeof(struct reclaim) + 64;
	void *memory = mem_alloc(host, bytes);
	struct reclaim *reclaim;
	int saved = errno;

	if (!memory)
		return NULL;
	reclaim = (struct reclaim *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
	reclaim->memory = memory;
	reclaim->bytes = bytes;
	reclaim->host = host;
	reclaim->pid = (uint32_t)getpid();
	if (getrandom(&reclaim->base, sizeof(reclaim->base), GRND_NONBLOCK) != sizeof(reclaim->base)) {
		struct timespec now = { 0, 0 };

		clock_gettime(CLOCK_MONOTONIC, &now);
		reclaim->base = ((uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30 ^ (uintptr_t)memory) *
				0x9e3779b97f4a7c15u;
	}
	errno = saved;
	reclaim->base = (reclaim->base | 1 << 16) & ~(uint64_t)0xffff;
	reclaim->fence = !membarrier(MEMBARRIER_REGISTER);
	return reclaim;
}

void reclaim_free(struct reclaim *reclaim)
{
	if (!reclaim)
		return;
	give_back(reclaim->current);
	give_back(reclaim->coming);
	mem_free(reclaim->host, reclaim->memory, reclaim->bytes);
}
