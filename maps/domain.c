/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* domain.c - slots of per-CPU maps.
 *
 * A slot belongs to a run for as long as it is active, so `(*v)++` on a per-CPU value is exact
 * whatever thread is preempted where.  A run takes its slot at its first per-CPU access and gives it
 * back at its end; a nested run (signal handler) finds it busy and takes another.  Slot numbers are
 * kept low: only slots ever used cost memory and time.  After fork the table is wiped by the kernel
 * (MADV_WIPEONFORK): the child starts with every slot free. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <fcntl.h>
#include "maps/maps.h"
#include "vm/mem.h"

enum { DEFAULT_SLOTS = 64, WAIT_NS = 1000000000 };
__thread uint32_t thread_slot_hint;

uint32_t possible_cpus(void)
{
	int saved = errno;
	long n = sysconf(_SC_NPROCESSORS_CONF);
	int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	char text[256];

	if (fd >= 0) {
		ssize_t len = read(fd, text, sizeof(text) - 1);
		unsigned int last = 0;

		close(fd);
		if (len > 0) {
			const char *tail;

			text[len] = 0;
			tail = text + len;
			while (tail > text && tail[-1] != '-' && tail[-1] != ',')
				tail--;
			if (sscanf(tail, "%u", &last) == 1 && (long)last + 1 > n)
				n = (long)last + 1;
		}
	}
	errno = saved;
	return n > 0 ? (uint32_t)n : 1;
}

static struct map_domain *domain_new(struct vm_host *host)
{
	struct map_domain *d = mem_alloc(host, sizeof(*d));
	int saved = errno;

	if (!d)
		return NULL;
	d->slots = host->cpu_slots;
	if (!d->slots) {
		d->slots = possible_cpus();
		if (d->slots < DEFAULT_SLOTS)
			d->slots = DEFAULT_SLOTS;
	}
	if (d->slots > DOMAIN_MAX_SLOTS)
		d->slots = DOMAIN_MAX_SLOTS;
	d->live_bytes = round_up(d->slots * sizeof(struct domain_slot), MAP_PAGE);
	d->live = mmap(NULL, d->live_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	errno = saved;
	if (d->live == MAP_FAILED) {
		mem_free(host, d, sizeof(*d));
		return NULL;
	}
	madvise(d->live, d->live_bytes, MADV_WIPEONFORK);
	errno = saved;
	return d;
}

static void domain_free(struct vm_host *host, struct map_domain *d)
{
	munmap(d->live, d->live_bytes);
	mem_free(host, d, sizeof(*d));
}

struct map_domain *domain_get(struct vm_host *host)
{
	struct map_domain *d = atomic_load_explicit(&host->domain, memory_order_acquire), *none = NULL;

	if (d)
		return d;
	d = domain_new(host);
	if (d && !atomic_compare_exchange_strong(&host->domain, &none, d)) {
		domain_free(host, d);
		d = none;
	}
	return d;
}

void maps_host_fini(struct vm_host *host)
{
	struct map_domain *d = atomic_exchange(&host->domain, NULL);

	if (d)
		domain_free(host, d);
}

void slots_touch(_Atomic uint32_t *touched, uint32_t slots)
{
	uint32_t now = atomic_load_explicit(touched, memory_order_relaxed);

	while (now < slots && !atomic_compare_exchange_weak_explicit(touched, &now, slots,
			memory_order_seq_cst, memory_order_relaxed))
		;
}

static bool try_slot(struct map_domain *d, uint32_t slot)
{
	uint32_t idle = 0;

	if (atomic_load_explicit(&d->live[slot].busy, memory_order_relaxed) ||
	    !atomic_compare_exchange_strong_explicit(&d->live[slot].busy, &idle, 1,
			memory_order_acquire, memory_order_relaxed))
		return false;
	slots_touch(&d->used, slot + 1);
	return true;
}

static int any_slot(struct map_domain *d)
{
	if (thread_slot_hint < d->slots && try_slot(d, thread_slot_hint))
		return (int)thread_slot_hint;
	for (uint32_t i = 0; i < d->slots; i++)
		if (try_slot(d, i)) {
			thread_slot_hint = i;
			return (int)i;
		}
	return -1;
}

static void slot_give(struct uebpf_call *call)
{
	struct map_domain *d = call->held;

	if (call->slot >= 0)
		atomic_store_explicit(&d->live[call->slot].busy, 0, memory_order_release);
	call->slot = -1;
	call->held = NULL;
	call->on_exit = NULL;
}

static int run_ends(struct uebpf_call *call, int status)
{
	if (!call->status)
		call->status = status;
	return -1;
}

int domain_slot_take(struct map_local *local, struct uebpf_call *call)
{
	struct map_domain *d = local->domain;
	uint64_t start = 0;
	int slot;

	if (!call) {
		slot = thread_slot_hint < d->slots ? (int)thread_slot_hint : 0;
		slots_touch(&d->used, (uint32_t)slot + 1);
		return slot;
	}
	if (call->env && call->env != local->host)
		return run_ends(call, -EXDEV);	/* slots of two hosts know nothing of each other */
	while ((slot = any_slot(d)) < 0) {
		int saved = errno;

		if (!start)
			start = self_clock();
		else if (self_clock() - start > WAIT_NS)
			return run_ends(call, -EUSERS);
		sched_yield();
		errno = saved;
	}
	call->slot = slot;
	call->held = d;
	call->on_exit = slot_give;
	return slot;
}
