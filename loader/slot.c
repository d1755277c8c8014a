/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* slot.c - events through the filters of a slot, while other threads replace them (slot_change.c). */
#include <errno.h>
#include <string.h>
#include "loader/slot.h"
#include "vm/self.h"

/* Only the thread itself writes its line, but a signal handler may come between: where one instruction
 * adds to memory it cannot lose a count. */
static inline void count(uint64_t *at, uint64_t n, bool shared)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	if (!shared) {
		__asm__ volatile("addq %1, %0" : "+m"(*at) : "er"(n));
		return;
	}
#endif
	(void)shared;
	__atomic_fetch_add(at, n, __ATOMIC_RELAXED);
}

static void count_failure(struct counts *c, int rc, bool shared)
{
	count(rc == -EFAULT ? &c->faults : rc == -ETIME ? &c->budget : rc == -ECANCELED ? &c->aborted :
	      &c->other, 1, shared);
}

static inline void count_run(const struct filter *f, uint32_t index, int rc, uint64_t r0)
{
	struct counts *c = &f->counts[index];
	bool shared = index == RECLAIM_SHARED;

	count(&c->runs, 1, shared);
	if (__builtin_expect(rc, 0))
		count_failure(c, rc, shared);
	else if (r0)
		count(&c->accepted, 1, shared);
}

/* The way of everything but a compiled program that cannot fail. */
static __attribute__((noinline)) int run_slowly(const struct filter *f, void *ctx, size_t len,
						struct uebpf_run *run, void *host, uint64_t *r0)
{
	struct uebpf_run own;

	if (!run && (host || f->opts.budget)) {
		memset(&own, 0, sizeof(own));
		own.size = sizeof(own);
		own.host = host;
		own.budget = f->opts.budget;
		run = &own;
	}
	return prog_run(f->prog, ctx, len, run, r0);
}

static __attribute__((cold, noinline)) int run_timed(const struct filter *f, uint32_t index, void *ctx, size_t len,
					       struct uebpf_run *run, void *host, uint64_t *r0)
{
	uint64_t began = self_clock();
	int rc = run_slowly(f, ctx, len, run, host, r0);

	count(&f->counts[index].ns, self_clock() - began, index == RECLAIM_SHARED);
	return rc;
}

static inline int run_filter(const struct filter *f, uint32_t index, void *ctx, size_t len,
			     struct uebpf_run *run, void *host, uint64_t *r0)
{
	int rc = 0;

	if (__builtin_expect(f->plain && !run && len >= f->min_ctx, 1))
		*r0 = f->plain(ctx, len, host);
	else if (f->opts.timed && f->counts)
		rc = run_timed(f, index, ctx, len, run, host, r0);
	else
		rc = run_slowly(f, ctx, len, run, host, r0);
	if (f->counts)
		count_run(f, index, rc, *r0);
	return rc;
}

/* Does filter `f` want the event? */
static __attribute__((cold, noinline)) int ask_slowly(const struct filter *f, uint32_t index, void *ctx, size_t len, void *host)
{
	uint64_t r0 = 0;
	int rc = run_filter(f, index, ctx, len, NULL, host, &r0);

	return rc ? f->opts.on_error == UEBPF_ON_ERROR_RECORD : r0 != 0;
}

static inline int ask(const struct filter *f, uint32_t index, void *ctx, size_t len, void *host)
{
	struct counts *c;
	uint64_t r0;

	if (__builtin_expect(!f->plain || len < f->min_ctx || index == RECLAIM_SHARED, 0))
		return ask_slowly(f, index, ctx, len, host);
	c = f->counts ? f->counts + index : NULL;
	r0 = f->plain(ctx, len, host);
	if (c) {
		count(&c->runs, 1, false);
		if (r0)
			count(&c->accepted, 1, false);
	}
	return r0 != 0;
}

static __attribute__((noinline)) int ask_all(const struct uebpf_filters *filters, uint32_t index, void *ctx, size_t len,
					     void *host)
{
	int wanted = 0;
	uint32_t i;

	for (i = 0; i < filters->n; i++)
		wanted |= ask(filters->item[i].filter, index, ctx, len, host);
	return wanted;
}

static __attribute__((cold, noinline)) int eval_slowly(struct uebpf_slot *slot, void *ctx, size_t ctx_len, void *host)
{
	struct reclaim *reclaim = domain(slot);
	const struct uebpf_filters *filters;
	struct inside in;
	int wanted;

	reclaim_enter(reclaim, &in);
	filters = live(slot);
	wanted = filters ? ask_all(filters, in.index, ctx, ctx_len, host) : 1;
	reclaim_leave(reclaim, &in);
	return wanted;
}

int uebpf_slot_eval(struct uebpf_slot *slot, void *ctx, size_t ctx_len, void *host)
{
	const struct uebpf_filters *filters;
	struct inside in;
	int wanted = 1;		/* emptied since the inline check */

	if (!reclaim_enter_swiftly(domain(slot), &in))
		return eval_slowly(slot, ctx, ctx_len, host);
	filters = live(slot);
	if (__builtin_expect(filters && filters->n == 1, 1))
		wanted = ask(filters->item[0].filter, in.index, ctx, ctx_len, host);
	else if (filters)
		wanted = ask_all(filters, in.index, ctx, ctx_len, host);
	reclaim_leave_swiftly(&in);
	return wanted;
}

int uebpf_slot_run_full(struct uebpf_slot *slot, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	struct reclaim *reclaim = domain(slot);
	struct uebpf_filters *filters;
	struct inside in;
	uint64_t unwanted;
	int rc = -ENOENT;

	reclaim_enter(reclaim, &in);
	filters = live(slot);
	if (filters)
		rc = run_filter(filters->item[0].filter, in.index, ctx, ctx_len, run, NULL,
				r0 ? r0 : &unwanted);
	reclaim_leave(reclaim, &in);
	return rc;
}
