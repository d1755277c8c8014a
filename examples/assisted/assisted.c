/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* assisted.c - the traced process and its tracer in one: a function whose entry and exit run UeBPF programs,
 * kernel programs that record marked threads only, and the count of what was recorded beside what happened.
 *	assisted KERN.o USER.o [--rounds N] [--ms N] */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uebpf_libbpf.h>
#include "assisted.h"

enum { PAIRS = 1, OUTSIDE = 20, INSIDE = 2, THREADS = 32768, MAX_ROUNDS = 64, READ_US = 3000 };
enum arm { OFF, ALL, ASSISTED, ARMS };
static const char *const arm_name[] = { "no tracing", "all events", "assisted" };

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "assisted: %s: %s\n", what, why);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- the traced program ---- */

struct worker { pthread_t thread, partner; int ask[2], answer[2]; uint32_t tid; uint64_t turns; };
static struct uebpf_slot at_entry = UEBPF_SLOT_INIT, at_exit_ = UEBPF_SLOT_INIT;
static int stop;

/* The function that is of interest: INSIDE short system calls, then a question that somebody else answers. */
static __attribute__((noinline)) void request(struct worker *w)
{
	char c = 1;

	uebpf_slot_accepts(&at_entry, NULL, 0, NULL);
	for (int i = 0; i < INSIDE; i++)
		syscall(SYS_getppid);
	if (write(w->ask[1], &c, 1) != 1 || read(w->answer[0], &c, 1) != 1)
		fail("request", strerror(errno));
	uebpf_slot_accepts(&at_exit_, NULL, 0, NULL);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->tid = (uint32_t)syscall(SYS_gettid);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < OUTSIDE; i++)
			syscall(SYS_getppid);
		request(w);
		w->turns++;
	}
	close(w->ask[1]);
	return NULL;
}

static void *answer(void *arg)
{
	struct worker *w = arg;
	char c;

	while (read(w->ask[0], &c, 1) == 1)
		if (write(w->answer[1], &c, 1) != 1)
			fail("answer", strerror(errno));
	return NULL;
}

static uint64_t workers_run(struct worker *w, unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
	uint64_t turns = 0;

	stop = 0;
	for (int i = 0; i < PAIRS; i++) {
		memset(&w[i], 0, sizeof w[i]);
		if (pipe(w[i].ask) || pipe(w[i].answer) || pthread_create(&w[i].partner, NULL, answer, &w[i]) ||
		    pthread_create(&w[i].thread, NULL, work, &w[i]))
			fail("threads", strerror(errno));
	}
	nanosleep(&t, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(w[i].thread, NULL);
		pthread_join(w[i].partner, NULL);
		close(w[i].ask[0]);
		close(w[i].answer[0]);
		close(w[i].answer[1]);
		turns += w[i].turns;
	}
	return turns;
}

/* ---- the tracer's consumer ---- */

/* What came back of each thread, inside and outside of the function. */
static uint64_t seen[THREADS][KINDS], blocked[THREADS], outside, total;
static uint32_t last[THREADS];	/* last kind of switch or wakeup + 1 */
static uint64_t out_of_order;
static int consumer_stop;
static uint32_t consumer_tid;

static int on_event(void *arg, const void *data, size_t len)
{
	const struct event *e = data;
	uint32_t t = e->tid % THREADS;

	(void)arg;
	if (len < sizeof *e || e->kind >= KINDS)
		return -EINVAL;
	total++;
	if (!e->inside) {
		outside++;
		return 0;
	}
	seen[t][e->kind]++;
	if (e->kind == SWITCH_OUT)
		blocked[t] += e->value;
	/* After a switch that blocks comes a wakeup, then the switch back. */
	if (e->kind == WAKEUP)
		out_of_order += last[t] != SWITCH_OUT + 1;
	if (e->kind >= SWITCH_OUT)
		last[t] = e->kind + 1;
	return 0;
}

static void *consume(void *ring)
{
	__atomic_store_n(&consumer_tid, (uint32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&consumer_stop, __ATOMIC_ACQUIRE)) {
		usleep(READ_US);
		if (uebpf_map_consume(ring, on_event, NULL) < 0)
			fail("events", "a record of another shape");
	}
	return NULL;
}

/* ---- one round of one arm ---- */

struct tracer {
	struct bpf_object *kernel;
	struct uebpf_map *ring;
	struct setup *setup;
	const struct uebpf_prog *entry, *exit;
};
struct figures { double ns[MAX_ROUNDS]; uint64_t turns, events, lost, missing, surplus, away, back, blocked, wakeups; };

static void slots(const struct uebpf_prog *entry, const struct uebpf_prog *exit)
{
	if (uebpf_slot_set(&at_entry, entry, NULL) || uebpf_slot_set(&at_exit_, exit, NULL))
		fail("slots", "cannot take the programs");
}

/* Every system call inside was recorded, and every wait has its wakeup.  How often a thread came back is shown
 * only: now and then 6.18 does not tell its sched_switch programs about one (a few in 100,000; two independent
 * programs missed the same ones). */
static void check(struct figures *f, const struct worker *w)
{
	for (int i = 0; i < PAIRS; i++) {
		const uint64_t *s = seen[w[i].tid % THREADS], want = w[i].turns * (INSIDE + 2);

		for (int kind = SYS_ENTER; kind <= SYS_EXIT; kind++) {
			f->missing += want > s[kind] ? want - s[kind] : 0;
			f->surplus += s[kind] > want ? s[kind] - want : 0;
		}
		f->away += s[SWITCH_OUT];
		f->back += s[SWITCH_IN];
		f->blocked += blocked[w[i].tid % THREADS];
		f->wakeups += s[WAKEUP];
	}
}

static void round_of(struct tracer *t, enum arm arm, unsigned ms, struct figures *f, int round)
{
	struct worker w[PAIRS];
	struct bpf_link *link[8];
	struct bpf_program *p;
	pthread_t consumer;
	int n = 0;
	uint64_t turns, start;

	memset(seen, 0, sizeof seen);
	memset(blocked, 0, sizeof blocked);
	memset(last, 0, sizeof last);
	outside = total = 0;
	consumer_stop = 0;
	consumer_tid = 0;
	t->setup->all = arm == ALL;
	t->setup->lost = 0;
	if (arm != OFF) {
		if (pthread_create(&consumer, NULL, consume, t->ring))
			fail("threads", strerror(errno));
		while (!__atomic_load_n(&consumer_tid, __ATOMIC_ACQUIRE))
			usleep(100);
		t->setup->not_tid = consumer_tid;
		slots(t->entry, t->exit);
		bpf_object__for_each_program(p, t->kernel) {
			link[n] = bpf_program__attach(p);
			if (libbpf_get_error(link[n++])) {
				fprintf(stderr, "skip: assisted: this kernel does not attach %s\n", bpf_program__name(p));
				exit(77);
			}
		}
	}
	start = now();
	turns = workers_run(w, ms);
	f->ns[round] = (double)(now() - start) / (double)(turns ? turns : 1) / PAIRS;
	f->turns += turns;
	if (arm == OFF)
		return;
	while (n)
		bpf_link__destroy(link[--n]);
	slots(NULL, NULL);
	__atomic_store_n(&consumer_stop, 1, __ATOMIC_RELEASE);
	pthread_join(consumer, NULL);
	uebpf_map_consume(t->ring, on_event, NULL);
	f->events += total;
	f->lost += t->setup->lost;
	if (arm == ASSISTED)
		f->surplus += outside;
	check(f, w);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int tell(struct figures *f, int rounds)
{
	const struct figures *a = &f[ASSISTED];
	double base = 0;

	printf("%-12s %14s %10s %12s %10s\n", "", "ns per turn", "overhead", "events/turn", "lost");
	for (int arm = 0; arm < ARMS; arm++) {
		double ns;

		qsort(f[arm].ns, (size_t)rounds, sizeof f[arm].ns[0], by_value);
		ns = f[arm].ns[rounds / 2];
		base = arm ? base : ns;
		printf("%-12s %14.0f %9.1f%% %12.2f %10llu\n", arm_name[arm], ns, 100 * (ns / base - 1),
		       (double)f[arm].events / (double)(f[arm].turns ? f[arm].turns : 1), (unsigned long long)f[arm].lost);
	}
	printf("assisted: %llu system calls inside the function happened, %llu records are missing, %llu too many; "
	       "%llu waits, %llu wakeups, %llu out of order; %llu switches away, %llu back\n",
	       (unsigned long long)a->turns * (INSIDE + 2), (unsigned long long)a->missing,
	       (unsigned long long)a->surplus, (unsigned long long)a->blocked, (unsigned long long)a->wakeups,
	       (unsigned long long)out_of_order,
	       (unsigned long long)a->away, (unsigned long long)a->back);
	return a->missing || a->surplus || a->lost || a->blocked != a->wakeups || !a->turns || out_of_order;
}

/* ---- both halves ---- */

static void open_halves(struct tracer *t, struct uebpf_env *env, const char *kern, const char *user)
{
	struct uebpf_kernel_opts open = { .size = sizeof open };
	struct setup setup = { .tgid = (uint32_t)getpid() };
	struct uebpf_error err = { 0 };
	struct uebpf_object *obj;
	struct uebpf_map *map;
	unsigned threads = 0;
	FILE *f = fopen("/proc/sys/kernel/pid_max", "r");
	uint32_t zero = 0;

	if (!f || fscanf(f, "%u", &threads) != 1)
		fail("/proc/sys/kernel/pid_max", "not readable");
	fclose(f);
	t->kernel = bpf_object__open_file(kern, NULL);
	if (libbpf_get_error(t->kernel))
		fail(kern, "libbpf cannot open it");
	bpf_map__set_initial_value(bpf_object__find_map_by_name(t->kernel, ".data.setup"), &setup, sizeof setup);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(t->kernel, "marks"), threads);
	if (bpf_object__load(t->kernel)) {
		fprintf(stderr, "skip: assisted: the kernel refuses the programs: %s (CAP_BPF and CAP_PERFMON are needed)\n",
			strerror(errno));
		exit(77);
	}
	obj = uebpf_object_open_file(env, user, NULL, &err);
	if (!obj || uebpf_object_resize_map(obj, "marks", threads, &err) ||
	    uebpf_share_kernel(env, obj, t->kernel, NULL, &err) != 1 || uebpf_object_load(obj, NULL, &err))
		fail(user, err.text);
	t->entry = uebpf_object_prog(obj, "on_entry");
	t->exit = uebpf_object_prog(obj, "on_exit");
	if (uebpf_prog_error(t->entry, &err) || uebpf_prog_error(t->exit, &err))
		fail(user, err.text);
	open.fd = bpf_map__fd(bpf_object__find_map_by_name(t->kernel, "events"));
	t->ring = uebpf_map_from_kernel(env, &open, &err);
	open.fd = bpf_map__fd(bpf_object__find_map_by_name(t->kernel, ".data.setup"));
	map = uebpf_map_from_kernel(env, &open, &err);
	t->setup = map ? uebpf_map_value(map, &zero) : NULL;	/* the map stays until the end */
	if (!t->ring || !t->setup || uebpf_slot_init(&at_entry, env) || uebpf_slot_init(&at_exit_, env))
		fail("maps", err.text);
}

int main(int argc, char **argv)
{
	static struct figures figures[ARMS];
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct tracer t = { 0 };
	unsigned rounds = 5, ms = 200;

	for (int i = 3; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--rounds"))
			rounds = (unsigned)atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--ms"))
			ms = (unsigned)atoi(argv[i + 1]);
	}
	if (argc < 3 || !rounds || rounds > MAX_ROUNDS || !ms)
		fail("usage", "assisted KERN.o USER.o [--rounds 1-64] [--ms N]");
	open_halves(&t, env, argv[1], argv[2]);
	for (unsigned r = 0; r < rounds; r++)
		for (int arm = 0; arm < ARMS; arm++)
			round_of(&t, arm, ms, &figures[arm], (int)r);
	return tell(figures, (int)rounds);
}
