/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* workload.c - see workload.h.  Uses nothing of the library. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "workload.h"

enum { EVERY = 500, POLL_NS = 200000, ROUNDS = 8 };	/* a slow read takes ROUNDS * POLL_NS at least */
struct worker { struct truth *truth; int pipe[2], wanted, rounds; };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int get(int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void slow_read(struct worker *w, uint32_t tid)
{
	uint32_t n = __atomic_fetch_add(&w->truth->nr, 1, __ATOMIC_RELAXED);
	struct injection *i = &w->truth->injection[n % INJECTIONS_MAX];
	char c;

	i->tid = tid;
	__atomic_store_n(&w->wanted, 1, __ATOMIC_RELEASE);
	i->start = now();
	if (read(w->pipe[0], &c, 1) != 1)
		_exit(1);
	i->end = now();
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t tid = (uint32_t)syscall(SYS_gettid);
	uint64_t calls = 0;
	char c = 0;

	for (unsigned n = 1; !get(&w->truth->stop); n++) {
		for (volatile int i = 0; i < 2000; i++)
			;
		if (n % EVERY == 0 && get(&w->truth->inject)) {
			slow_read(w, tid);
			calls++;
			continue;
		}
		if (write(w->pipe[1], &c, 1) != 1 || read(w->pipe[0], &c, 1) != 1)
			_exit(1);
		calls += 2;
	}
	__atomic_fetch_add(&w->truth->calls, calls, __ATOMIC_RELAXED);
	return NULL;
}

static void child(struct truth *truth)
{
	static const struct timespec pause = { 0, POLL_NS };
	struct worker w[WORKERS] = { { 0 } };
	pthread_t thread[WORKERS];

	while (!get(&truth->go))
		nanosleep(&pause, NULL);
	for (int i = 0; i < WORKERS; i++) {
		w[i].truth = truth;
		if (pipe(w[i].pipe) || pthread_create(&thread[i], NULL, work, &w[i]))
			_exit(1);
	}
	while (!get(&truth->stop)) {
		nanosleep(&pause, NULL);
		for (int i = 0; i < WORKERS; i++) {
			if (!get(&w[i].wanted) || ++w[i].rounds <= ROUNDS)
				continue;
			w[i].rounds = 0;
			__atomic_store_n(&w[i].wanted, 0, __ATOMIC_RELAXED);
			if (write(w[i].pipe[1], "", 1) != 1)
				_exit(1);
		}
	}
	for (int i = 0; i < WORKERS; i++)	/* one may be waiting */
		if (write(w[i].pipe[1], "", 1) != 1)
			_exit(1);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

struct truth *workload_start(pid_t *pid)
{
	pid_t parent = getpid();
	struct truth *truth = mmap(NULL, sizeof *truth, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (truth == MAP_FAILED)
		return NULL;
	*pid = fork();
	if (!*pid) {
		/* it may have ended before it could be asked for */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
			_exit(1);
		child(truth);
	}
	return *pid < 0 ? NULL : truth;
}
