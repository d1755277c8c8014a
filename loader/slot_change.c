/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* slot_change.c - the filters of a slot: put in, taken out, counted, waited for. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include "loader/slot.h"
#include "vm/mem.h"
#include "vm/self.h"

/* ---- counters ---- */

static void sum(const struct filter *f, struct uebpf_filter_stats *out)
{
	uint64_t t[7] = { 0 };
	int i, k;

	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	for (i = 0; f->counts && i < COUNTS; i++)
		for (k = 0; k < 7; k++)
			t[k] += __atomic_load_n(&f->counts[i].runs + k, __ATOMIC_RELAXED);
	out->runs = t[0];
	out->accepted = t[1];
	out->faults = t[2];
	out->budget = t[3];
	out->aborted = t[4];
	out->other = t[5];
	out->ns = t[6];
	/* while threads run the parts may be a moment apart */
	t[1] += t[2] + t[3] + t[4] + t[5];
	out->rejected = t[0] > t[1] ? t[0] - t[1] : 0;
}

static struct filter *find(const struct uebpf_filters *filters, const struct uebpf_prog *prog)
{
	uint32_t i;

	for (i = 0; filters && i < filters->n; i++)
		if (!prog || &filters->item[i].filter->prog->base == prog)
			return filters->item[i].filter;
	return NULL;
}

int uebpf_slot_stats(struct uebpf_slot *slot, const struct uebpf_prog *prog, struct uebpf_filter_stats *stats)
{
	struct uebpf_filter_stats all;
	struct filter *f;

	if (!slot || !stats || stats->size < sizeof(stats->size))
		return -EINVAL;
	if (!slot->domain)
		return -ENOENT;
	env_lock(&domain(slot)->lock);
	f = find(live(slot), prog);
	if (f)
		sum(f, &all);
	env_unlock(&domain(slot)->lock);
	if (!f)
		return -ENOENT;
	all.size = stats->size;
	memcpy(stats, &all, stats->size < sizeof(all) ? stats->size : sizeof(all));
	return 0;
}

/* ---- filters and lists ---- */

static size_t filter_bytes(const struct filter *f)
{
	return sizeof(*f) + (f->opts.no_counters ? 0 : 64 + COUNTS * sizeof(struct counts));
}

static int filter_new(struct vm_host *host, const struct uebpf_prog *prog, const struct uebpf_filter_opts *opts,
		      struct filter **out)
{
	struct filter head = { .prog = prog_of(prog) };

	if (options_copy(&head.opts, sizeof(head.opts), opts) || head.opts.on_error > UEBPF_ON_ERROR_RECORD)
		return -EINVAL;
	if (!prog->code)
		return -ENOEXEC;
	if (head.opts.budget && !prog_of(prog)->metered)
		return -EOPNOTSUPP;
	*out = mem_alloc(host, filter_bytes(&head));
	if (!*out)
		return -ENOMEM;
	**out = head;
	(*out)->plain = head.opts.timed || head.opts.budget ? NULL : head.prog->plain;
	(*out)->min_ctx = head.prog->min_ctx;
	if (!head.opts.no_counters)
		(*out)->counts = (struct counts *)(((uintptr_t)(*out + 1) + 63) & ~(uintptr_t)63);
	uebpf_prog_ref(prog);
	return 0;
}

static void filter_free(struct vm_host *host, struct filter *f)
{
	const struct uebpf_prog *prog = &f->prog->base;

	mem_free(host, f, filter_bytes(f));
	uebpf_prog_unref(prog);
}

static size_t list_bytes(uint32_t n)
{
	return sizeof(struct uebpf_filters) + n * sizeof(((struct uebpf_filters *)0)->item[0]);
}

/* Nobody is in the old list any more. */
static void list_gone(struct retired *retired)
{
	struct uebpf_filters *old = (struct uebpf_filters *)retired;
	struct uebpf_filter_stats stats;
	uint32_t i;

	for (i = 0; i < old->n; i++) {
		struct filter *f = old->item[i].filter;

		if (!old->item[i].leaves)
			continue;
		if (f->opts.gone) {
			sum(f, &stats);
			f->opts.gone(f->opts.gone_arg, &f->prog->base, &stats);
		}
		filter_free(old->host, f);
	}
	mem_free(old->host, old, list_bytes(old->n));
}

static struct uebpf_filters *list_new(struct vm_host *host, uint32_t n)
{
	struct uebpf_filters *list = n ? mem_alloc(host, list_bytes(n)) : NULL;

	if (list) {
		list->retired.gone = list_gone;
		list->host = host;
		list->n = n;
	}
	return list;
}

/* ---- changing a slot ---- */

int uebpf_slot_init(struct uebpf_slot *slot, struct uebpf_env *env)
{
	struct reclaim *made, *unwanted = NULL;

	if (!slot || !env)
		return -EINVAL;
	made = __atomic_load_n(&env->reclaim, __ATOMIC_ACQUIRE);
	if (!made) {
		made = reclaim_new(&env->host);
		if (!made)
			return -ENOMEM;
		env_lock(&env->lock);
		if (env->reclaim) {
			unwanted = made;
			made = env->reclaim;
		}
		__atomic_store_n(&env->reclaim, made, __ATOMIC_RELEASE);
		env_unlock(&env->lock);
		reclaim_free(unwanted);
	}
	env_ref(env);
	slot->domain = (struct uebpf_reclaim *)made;
	__atomic_store_n(&slot->live, NULL, __ATOMIC_RELEASE);
	return 0;
}

/* Publishes `list` under the lock; what of the old list is not in the new one leaves. */
static struct uebpf_filters *publish(struct uebpf_slot *slot, struct uebpf_filters *list)
{
	struct uebpf_filters *old = live(slot);
	uint32_t i, k;

	for (i = 0; old && i < old->n; i++) {
		old->item[i].leaves = true;
		for (k = 0; list && k < list->n; k++)
			if (list->item[k].filter == old->item[i].filter)
				old->item[i].leaves = false;
	}
	__atomic_store_n(&slot->live, list, __ATOMIC_RELEASE);
	return old;
}

/* A change that needs memory of the list's present size: made outside the lock, tried again when
 * another thread changed the list meanwhile. */
typedef bool (*change_fn)(struct uebpf_filters *to, const struct uebpf_filters *from, void *arg);
static int change(struct uebpf_slot *slot, int grow, change_fn fn, void *arg)
{
	struct reclaim *reclaim = domain(slot);
	struct uebpf_filters *list, *old;
	uint32_t had, n;

	for (;;) {
		env_lock(&reclaim->lock);
		had = live(slot) ? live(slot)->n : 0;
		env_unlock(&reclaim->lock);
		n = grow < 0 && !had ? 0 : had + (uint32_t)grow;
		list = list_new(reclaim->host, n);
		if (n && !list)
			return -ENOMEM;
		env_lock(&reclaim->lock);
		old = live(slot);
		if ((old ? old->n : 0) == had) {
			if (fn(list, old, arg))
				break;
			env_unlock(&reclaim->lock);
			mem_free(reclaim->host, list, list_bytes(n));
			return -ENOENT;
		}
		env_unlock(&reclaim->lock);
		mem_free(reclaim->host, list, list_bytes(n));
	}
	old = publish(slot, list);
	env_unlock(&reclaim->lock);
	if (old)
		reclaim_retire(reclaim, &old->retired);
	return 0;
}

static bool append(struct uebpf_filters *to, const struct uebpf_filters *from, void *arg)
{
	uint32_t i, n = from ? from->n : 0;

	for (i = 0; i < n; i++)
		to->item[i].filter = from->item[i].filter;
	to->item[n].filter = arg;
	return true;
}

static bool leave_out(struct uebpf_filters *to, const struct uebpf_filters *from, void *arg)
{
	struct filter *gone = find(from, arg);
	uint32_t i, n = 0;

	for (i = 0; gone && i < from->n; i++)
		if (from->item[i].filter != gone)
			to->item[n++].filter = from->item[i].filter;
	return gone != NULL;
}

int uebpf_slot_add(struct uebpf_slot *slot, const struct uebpf_prog *prog, const struct uebpf_filter_opts *opts)
{
	struct filter *f;
	int rc;

	if (!slot || !slot->domain || !prog)
		return -EINVAL;
	rc = filter_new(domain(slot)->host, prog, opts, &f);
	if (rc)
		return rc;
	rc = change(slot, 1, append, f);
	if (rc)
		filter_free(domain(slot)->host, f);
	return rc;
}

int uebpf_slot_remove(struct uebpf_slot *slot, const struct uebpf_prog *prog)
{
	if (!slot || !slot->domain || !prog)
		return -EINVAL;
	return change(slot, -1, leave_out, (void *)prog);
}

int uebpf_slot_set(struct uebpf_slot *slot, const struct uebpf_prog *prog, const struct uebpf_filter_opts *opts)
{
	struct uebpf_filters *list = NULL, *old;
	struct reclaim *reclaim;
	int rc;

	if (!slot || !slot->domain)
		return slot && !prog ? 0 : -EINVAL;
	reclaim = domain(slot);
	if (prog) {
		struct filter *f;

		rc = filter_new(reclaim->host, prog, opts, &f);
		if (rc)
			return rc;
		list = list_new(reclaim->host, 1);
		if (!list) {
			filter_free(reclaim->host, f);
			return -ENOMEM;
		}
		list->item[0].filter = f;
	}
	env_lock(&reclaim->lock);
	old = publish(slot, list);
	env_unlock(&reclaim->lock);
	if (old)
		reclaim_retire(reclaim, &old->retired);
	return 0;
}

/* ---- waiting ---- */

int uebpf_slot_poll(struct uebpf_slot *slot)
{
	return slot && slot->domain ? (int)reclaim_poll(domain(slot)) : 0;
}

int uebpf_slot_wait(struct uebpf_slot *slot, uint64_t timeout_ns)
{
	static const struct timespec moment = { 0, 50000 };
	uint64_t began = self_clock();
	int saved = errno, spins = 0, rc = 0;

	if (!slot || !slot->domain)
		return 0;
	if (reclaim_thread.depth)
		return -EDEADLK;
	while (reclaim_poll(domain(slot))) {
		if (self_clock() - began >= timeout_ns) {
			rc = -ETIME;
			break;
		}
		if (spins++ < 100)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
	errno = saved;
	return rc;
}

int uebpf_slot_fini(struct uebpf_slot *slot)
{
	struct uebpf_env *env;

	if (!slot || !slot->domain)
		return 0;
	if (reclaim_thread.depth)
		return -EDEADLK;
	uebpf_slot_set(slot, NULL, NULL);
	while (uebpf_slot_wait(slot, UINT64_MAX))
		;
	env = domain(slot)->host->env;
	slot->domain = NULL;
	env_unref(env);
	return 0;
}
