/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* latency.c - the host: loads both halves, shares their maps, runs the user-space programs, and shows a live
 * table or, against a workload whose slow calls are known, how many were found.
 *	latency KERN.o USER.o [--pid PID] [--seconds N] [--prove] */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uebpf_libbpf.h>
#include "latency.h"
#include "workload.h"

enum { HISTORY = 8, WINDOW_NS = 10000000, SHOW_NS = 500000000, LEARN_NS = 300000000, ROWS_SHOWN = 15 };
static const char *const names[SYSCALLS] = {
#include "names.inc"
};

/* What the host keeps of a system call: its last windows' means. */
static struct profile { uint64_t mean[HISTORY]; unsigned n; uint64_t windows; } profile[SYSCALLS];
static struct row *rows;		/* the kernel's own memory */
static struct truth *truth;
static uint64_t reports, still_slow, unmatched, begin_inject;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "latency: %s: %s\n", what, why);
	exit(1);
}

/* ---- the host's helpers ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Adds a window to the profile; returns the median of the last windows' means: one bad window moves nothing. */
static uint64_t prof_analysis(uint64_t nr, uint64_t data, uint64_t len, uint64_t r4, uint64_t r5,
			      struct uebpf_call *call)
{
	const struct window *w = (const struct window *)(uintptr_t)data;
	struct profile *p = &profile[nr % SYSCALLS];
	uint64_t sorted[HISTORY];
	unsigned n;

	(void)r4, (void)r5, (void)call;
	if (len < sizeof *w || !w->calls)
		return 0;
	p->mean[p->n++ % HISTORY] = w->ns / w->calls;
	p->windows++;
	n = p->n < HISTORY ? p->n : HISTORY;
	memcpy(sorted, p->mean, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_value);
	return sorted[n / 2];
}

static uint64_t get_threshold(uint64_t nr, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	(void)r2, (void)r3, (void)r4, (void)r5, (void)call;
	return __atomic_load_n(&rows[nr % SYSCALLS].threshold, __ATOMIC_RELAXED);
}

/* ---- slow calls ---- */

/* The injection that a report is about: same thread, and it began while the call was on its way. */
static void match(const struct slow_call *s)
{
	uint32_t n = __atomic_load_n(&truth->nr, __ATOMIC_ACQUIRE);

	for (uint32_t i = n; i-- > 0 && n - i < INJECTIONS_MAX;) {
		struct injection *in = &truth->injection[i % INJECTIONS_MAX];

		if (in->tid != s->tid || s->start < in->start || (in->end && s->start > in->end))
			continue;
		in->found = 1;
		return;
	}
	unmatched += s->start >= begin_inject;
}

static int on_slow(void *arg, const void *data, size_t len)
{
	struct slow_call call;
	uint64_t r0 = 0;

	if (len < sizeof call)
		return -EINVAL;
	memcpy(&call, data, sizeof call);
	if (uebpf_prog_run(arg, &call, sizeof call, NULL, &r0))
		return -EFAULT;
	reports++;
	still_slow += r0;
	if (truth)
		match(&call);
	return 0;
}

/* ---- the table ---- */

static int by_slow(const void *a, const void *b)
{
	const struct row *x = &rows[*(const int *)a], *y = &rows[*(const int *)b];

	return x->slow != y->slow ? (x->slow < y->slow) - (x->slow > y->slow) :
	       (x->calls < y->calls) - (x->calls > y->calls);
}

static void show(int live)
{
	int order[SYSCALLS], n = 0;

	for (int i = 0; i < SYSCALLS; i++)
		if (rows[i].calls + rows[i].slow)
			order[n++] = i;
	qsort(order, (size_t)n, sizeof *order, by_slow);
	if (live)
		printf("\033[H\033[J");
	printf("%-20s %12s %10s %10s %14s %10s %10s\n", "system call", "calls", "mean us", "slow", "threshold us",
	       "worst us", "windows");
	for (int i = 0; i < n && i < ROWS_SHOWN; i++) {
		const struct row *r = &rows[order[i]];
		char number[16];

		snprintf(number, sizeof number, "%d", order[i]);
		printf("%-20s %12llu %10.1f %10llu %14.1f %10.1f %10llu\n", names[order[i]] ? names[order[i]] : number,
		       (unsigned long long)r->calls, r->calls ? (double)r->ns / (double)r->calls / 1e3 : 0,
		       (unsigned long long)r->slow, (double)r->threshold / 1e3, (double)r->worst / 1e3,
		       (unsigned long long)profile[order[i]].windows);
	}
	printf("%llu slow calls came back, %llu of them slow by the threshold of that moment\n",
	       (unsigned long long)reports, (unsigned long long)still_slow);
	fflush(stdout);
}

/* ---- both halves ---- */

static struct bpf_object *load_kernel(const char *path, uint32_t tgid)
{
	struct bpf_object *k = bpf_object__open_file(path, NULL);
	struct bpf_map *m;
	struct setup setup = { .tgid = tgid };

	if (libbpf_get_error(k))
		fail(path, "libbpf cannot open it");
	m = bpf_object__find_map_by_name(k, ".data.setup");
	if (!m || bpf_map__set_initial_value(m, &setup, sizeof setup))
		fail(path, "no setup in it");
	errno = 0;
	if (bpf_object__load(k)) {
		fprintf(stderr, "latency: %s: the kernel refuses it: %s (CAP_BPF and CAP_PERFMON are needed)\n", path,
			strerror(errno));
		exit(77);
	}
	return k;
}

static void attach(struct bpf_object *k)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, k)
		if (libbpf_get_error(bpf_program__attach(p)))
			fail(bpf_program__name(p), "the kernel does not let it be attached");
}

static struct uebpf_object *load_user(struct uebpf_env *env, const char *path, struct bpf_object *kernel)
{
	struct uebpf_error err = { 0 };
	struct uebpf_object *obj;

	if (uebpf_env_add_helper(env, 0, "prof_analysis", "u64 (u32 nr, mem:size window, size len)", prof_analysis,
				 NULL, &err) < 0 ||
	    uebpf_env_add_helper(env, 0, "get_threshold", "u64 (u32 nr)", get_threshold, NULL, &err) < 0)
		fail("helpers", err.text);
	obj = uebpf_object_open_file(env, path, NULL, &err);
	if (!obj || uebpf_share_kernel(env, obj, kernel, NULL, &err) != 1 || uebpf_object_load(obj, NULL, &err))
		fail(path, *err.text ? err.text : "not the maps that were expected");
	return obj;
}

struct loop { struct uebpf_map *ring; const struct uebpf_prog *thresholds, *slow; uint64_t end; int live; };
static void run(struct loop *l)
{
	uint64_t window = now() + WINDOW_NS, shown = now() + SHOW_NS;
	struct pollfd fd = { .fd = uebpf_map_poll_fd(l->ring), .events = POLLIN };

	while (!stop && now() < l->end) {
		uint64_t t = now();
		int wait = t < window ? (int)((window - t) / 1000000) + 1 : 0;

		poll(&fd, 1, wait);
		if (uebpf_map_consume(l->ring, on_slow, (void *)l->slow) < 0)
			fail("slow calls", "a record could not be handled");
		t = now();
		if (t >= window) {
			if (uebpf_prog_run(l->thresholds, NULL, 0, NULL, NULL))
				fail("thresholds", "the program failed");
			window = t + WINDOW_NS;
		}
		if (l->live && t >= shown) {
			show(1);
			shown = t + SHOW_NS;
		}
	}
}

/* ---- the proof ---- */

static int prove(struct loop *l, uint64_t seconds, const struct setup *setup)
{
	uint32_t found = 0, nr;
	uint64_t end = now() + seconds * 1000000000;
	double share;

	truth->go = 1;
	l->end = now() + LEARN_NS;
	run(l);
	begin_inject = now();
	__atomic_store_n(&truth->inject, 1, __ATOMIC_RELEASE);
	l->end = end;
	run(l);
	__atomic_store_n(&truth->stop, 1, __ATOMIC_RELEASE);
	while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
		;
	l->end = now() + 2 * WINDOW_NS;
	run(l);
	nr = truth->nr < INJECTIONS_MAX ? truth->nr : INJECTIONS_MAX;
	for (uint32_t i = 0; i < nr; i++)
		found += (uint32_t)truth->injection[i].found;
	show(0);
	share = 100.0 * (double)unmatched / (double)(truth->calls ? truth->calls : 1);
	printf("injected %u slow reads, found %u (recall %.2f %%); %llu other reports in %llu calls (%.4f %% false); "
	       "lost %llu\n", nr, found, nr ? 100.0 * found / nr : 0, (unsigned long long)unmatched,
	       (unsigned long long)truth->calls, share, (unsigned long long)setup->lost);
	return nr && found == nr && !setup->lost ? share <= 1 ? 0 : 3 : 1;
}

int main(int argc, char **argv)
{
	uint64_t seconds = 0;
	uint32_t zero = 0, tgid = 0;
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_kernel_opts open = { .size = sizeof open };
	struct uebpf_error err = { 0 };
	struct uebpf_map *setup_map;
	struct uebpf_object *user;
	struct bpf_object *kernel;
	struct loop l = { .live = isatty(1) };
	int proof = 0, code = 0;
	pid_t child = 0;

	for (int i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "--prove"))
			proof = 1;
		else if (!strcmp(argv[i], "--pid") && i + 1 < argc)
			tgid = (uint32_t)atoi(argv[++i]);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = strtoull(argv[++i], NULL, 10);
		else
			fail(argv[i], "not understood; latency KERN.o USER.o [--pid PID] [--seconds N] [--prove]");
	}
	if (argc < 3)
		fail("usage", "latency KERN.o USER.o [--pid PID] [--seconds N] [--prove]");
	if (proof && !(truth = workload_start(&child)))
		fail("workload", strerror(errno));
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	kernel = load_kernel(argv[1], proof ? (uint32_t)child : tgid);
	user = load_user(env, argv[2], kernel);
	rows = uebpf_map_value(uebpf_object_map(user, "rows"), &zero);
	open.fd = bpf_map__fd(bpf_object__find_map_by_name(kernel, ".data.setup"));
	setup_map = uebpf_map_from_kernel(env, &open, &err);
	open.fd = bpf_map__fd(bpf_object__find_map_by_name(kernel, "slow_calls"));
	l.ring = uebpf_map_from_kernel(env, &open, &err);
	if (!rows || !setup_map || !l.ring)
		fail("maps", err.text);
	l.thresholds = uebpf_object_prog(user, "thresholds");
	l.slow = uebpf_object_prog(user, "slow");
	if (uebpf_prog_error(l.thresholds, &err) || uebpf_prog_error(l.slow, &err))
		fail("programs", err.text);
	attach(kernel);
	if (proof) {
		code = prove(&l, seconds ? seconds : 3, uebpf_map_value(setup_map, &zero));
	} else {
		l.end = seconds ? now() + seconds * 1000000000 : UINT64_MAX;
		run(&l);
		show(0);
	}
	bpf_object__close(kernel);	/* the links go with this process */
	uebpf_map_unref(l.ring);
	uebpf_map_unref(setup_map);
	uebpf_object_free(user);
	uebpf_env_free(env);
	return code;
}
