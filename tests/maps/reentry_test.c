/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Signals and forks in the middle of everything: an operation that meets its own thread's lock says
 * -EBUSY at once, and a child finds its copies usable whatever other threads were doing. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "maps/hash.h"
#include "tests/maps/suite.h"
#include "tests/util/run.h"

static struct uebpf_map *hash, *lpm, *ring, *counts, *queue;
static volatile sig_atomic_t hits, busy, done_in_handler, wrong;

static void make_all(void)
{
	hash = suite_map(BPF_MAP_TYPE_HASH, 8, 8, 3, 0);	/* one bucket: every operation meets every other */
	lpm = suite_map(BPF_MAP_TYPE_LPM_TRIE, 8, 8, 16, BPF_F_NO_PREALLOC);
	ring = suite_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0);
	counts = suite_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1, 0);
	queue = suite_map(BPF_MAP_TYPE_QUEUE, 0, 8, 64, 0);
}

static void free_all(void)
{
	uebpf_map_unref(hash);
	uebpf_map_unref(lpm);
	uebpf_map_unref(ring);
	uebpf_map_unref(counts);
	uebpf_map_unref(queue);
}

static bool fine(long r)
{
	if (r == -EBUSY)
		busy++;
	return !r || r == -EBUSY || r == -E2BIG || r == -ENOENT || r == -ENOSPC;
}

static int drop(void *arg, const void *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

/* One of everything; 0 when each gave an answer that may be. */
static bool use_all(uint64_t n)
{
	struct uebpf_call call = { .slot = -1, .env = &test_host };
	uint64_t k = n % 4, v = n, got;
	uint32_t prefix[2] = { (uint32_t)(n % 9), (uint32_t)n }, zero = 0;
	uint64_t *rec, *count = counts->ops->lookup(counts, &zero, &call);
	bool ok = count != NULL;

	if (count)
		++*(volatile uint64_t *)count;
	ok &= fine(hash->ops->update(hash, &k, &v, 0, &call));
	ok &= fine(uebpf_map_lookup(hash, &k, &got));
	if (n % 3 == 0)
		ok &= fine(hash->ops->remove(hash, &k));
	ok &= fine(lpm->ops->update(lpm, prefix, &v, 0, &call));
	lpm->ops->lookup(lpm, prefix, &call);
	rec = ring->ops->more->reserve(ring, 8);
	if (rec)
		ring->ops->more->commit(ring, rec, 0, false);
	ok &= fine(queue->ops->more->push(queue, &v, BPF_EXIST));
	ok &= fine(queue->ops->more->pop(queue, &got));
	if (call.on_exit)
		call.on_exit(&call);
	return ok;
}

static void handler(int sig)
{
	(void)sig;
	hits++;
	if (!use_all((uint64_t)hits))
		wrong = 1;
	done_in_handler++;
}

START_TEST(a_handler_at_1_khz_uses_the_maps_it_interrupts)
{
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } }, off = { { 0, 0 }, { 0, 0 } };
	uint32_t want = getenv("SOAK") ? 20000 : 500, zero = 0;
	uint64_t values[64], sum = 0, mine = 0;

	make_all();
	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &timer, NULL);
	while ((uint32_t)hits < want) {
		ck_assert(use_all(mine++));
		uebpf_map_consume(ring, drop, NULL);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_DFL);
	ck_assert_int_eq(wrong, 0);
	ck_assert_int_eq(hits, done_in_handler);
	uebpf_map_lookup(counts, &zero, values);
	for (int i = 0; i < 64; i++)
		sum += values[i];
	ck_assert_uint_eq(sum, mine + (uint64_t)hits);	/* nothing lost between a run and the one above it */
	printf("handler ran %d times, met a held lock %d times\n", (int)hits, (int)busy);
	free_all();
}
END_TEST

static _Atomic bool stop;

static void *load(void *arg)
{
	uint64_t n = (uint64_t)(uintptr_t)arg * 1000;

	while (!atomic_load(&stop))
		if (!use_all(n++))
			wrong = 1;
	return NULL;
}

START_TEST(a_child_forked_under_load_uses_everything_at_once)
{
	uint32_t forks = getenv("SOAK") ? 1000 : 60;
	pthread_t t[4];

	make_all();
	wrong = busy = 0;
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, load, (void *)i);
	for (uint32_t i = 0; i < forks; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			busy = 0;
			alarm(20);	/* a hang is a failure, not a wait */
			for (uint64_t n = 0; n < 200; n++)
				if (!use_all(n) || busy)
					_exit(1);	/* no lock here is ours: never -EBUSY */
			for (uint64_t k = 0; k < 4; k++)
				hash->ops->remove(hash, &k);
			for (uint64_t k = 10; k < 13; k++)
				if (hash->ops->update(hash, &k, &k, 0, NULL))
					_exit(2);	/* no element was lost with the threads */
			_exit(0);
		}
		ck_assert_int_gt(pid, 0);
		waitpid(pid, &status, 0);
		ck_assert_msg(status == 0, "fork %u: status 0x%x", i, status);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(wrong, 0);
	free_all();
}
END_TEST

int main(void)
{
	TCase *t = test_case("maps in handlers and children", 300);

	tcase_add_test(t, a_handler_at_1_khz_uses_the_maps_it_interrupts);
	tcase_add_test(t, a_child_forked_under_load_uses_everything_at_once);
	return run_tests();
}
