/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* slot_threads_test.c - slots: filters replaced while threads and signal handlers run them, when the old one
 * comes back, counters, error policy; errors on the wire. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "tests/api/api.h"

static struct uebpf_env *env;
static struct uebpf_slot slot;

static void setup(void)
{
	env = uebpf_env_new(NULL);
	ck_assert_ptr_nonnull(env);
	memset(&slot, 0, sizeof(slot));
	ck_assert_int_eq(uebpf_slot_init(&slot, env), 0);
}

static void teardown(void)
{
	ck_assert_int_eq(uebpf_slot_fini(&slot), 0);
	uebpf_env_free(env);
}

/* A program of its own object: the only reference is the caller's. */
static const struct uebpf_prog *prog(const char *text)
{
	struct uebpf_object *obj = load_text(env, text, NULL);
	const struct uebpf_prog *p = uebpf_prog_ref(uebpf_object_prog(obj, NULL));

	uebpf_object_free(obj);
	return p;
}

/* Installs and gives the reference away: the slot's is the last one. */
static void set(const char *text, const struct uebpf_filter_opts *opts)
{
	const struct uebpf_prog *p = prog(text);

	ck_assert_int_eq(uebpf_slot_set(&slot, p, opts), 0);
	uebpf_prog_unref(p);
}

#define BYTE_IS(n) "r0 = 0\nif r2 < 1 goto out\nr3 = *(u8 *)(r1 + 0)\nif r3 != " #n " goto out\nr0 = 1\nout:\nexit\n"
#define FAULTS "r0 = *(u8 *)(r1 + 1000)\nexit\n"
static uint8_t event[8] = { 7 };

struct back { int n; const struct uebpf_prog *prog; struct uebpf_filter_stats sum; };
static void gone(void *arg, const struct uebpf_prog *p, const struct uebpf_filter_stats *stats)
{
	struct back *b = arg;

	b->n++;
	b->prog = p;
	b->sum.runs += stats->runs;
	b->sum.accepted += stats->accepted;
	b->sum.rejected += stats->rejected;
	b->sum.faults += stats->faults;
}

START_TEST(empty_slot_accepts)
{
	struct uebpf_slot zero = UEBPF_SLOT_INIT;

	ck_assert_int_eq(uebpf_slot_accepts(&zero, event, 8, NULL), 1);
	ck_assert_int_eq(uebpf_slot_run(&zero, event, 8, NULL, NULL), -ENOENT);
	ck_assert_int_eq(uebpf_slot_set(&zero, NULL, NULL), 0);
	ck_assert_int_eq(uebpf_slot_poll(&zero), 0);
	ck_assert_int_eq(uebpf_slot_fini(&zero), 0);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 1);
}
END_TEST

START_TEST(one_filter_decides_and_counts)
{
	struct uebpf_filter_stats st = { .size = sizeof(st) };
	struct uebpf_filter_opts o = { .size = sizeof(o), .timed = 1 };
	struct back back = { 0 };
	uint64_t r0 = 5;

	o.gone = gone;
	o.gone_arg = &back;
	set(BYTE_IS(7), &o);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 1);
	event[0] = 8;
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 0);
	ck_assert_int_eq(uebpf_slot_run(&slot, event, 8, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 0);
	ck_assert_int_eq(uebpf_slot_stats(&slot, NULL, &st), 0);
	ck_assert_uint_eq(st.runs, 3);
	ck_assert_uint_eq(st.accepted, 1);
	ck_assert_uint_eq(st.rejected, 2);
	ck_assert_uint_gt(st.ns, 0);
	ck_assert_int_eq(uebpf_slot_set(&slot, NULL, NULL), 0);
	ck_assert_int_eq(back.n, 1);		/* nobody was inside: at once */
	ck_assert_uint_eq(back.sum.runs, 3);
	ck_assert_int_eq(uebpf_slot_stats(&slot, NULL, &st), -ENOENT);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 1);
}
END_TEST

START_TEST(filters_are_ored_and_all_run)
{
	const struct uebpf_prog *a = prog(BYTE_IS(1)), *b = prog(BYTE_IS(2)), *c = prog(BYTE_IS(3));
	struct uebpf_filter_stats st = { .size = sizeof(st) };
	uint8_t e[8] = { 1 };

	ck_assert_int_eq(uebpf_slot_add(&slot, a, NULL), 0);
	ck_assert_int_eq(uebpf_slot_add(&slot, b, NULL), 0);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, e, 8, NULL), 1);
	e[0] = 2;
	ck_assert_int_eq(uebpf_slot_accepts(&slot, e, 8, NULL), 1);
	e[0] = 3;
	ck_assert_int_eq(uebpf_slot_accepts(&slot, e, 8, NULL), 0);
	ck_assert_int_eq(uebpf_slot_stats(&slot, b, &st), 0);
	ck_assert_uint_eq(st.runs, 3);
	ck_assert_uint_eq(st.accepted, 1);
	ck_assert_int_eq(uebpf_slot_remove(&slot, c), -ENOENT);
	ck_assert_int_eq(uebpf_slot_remove(&slot, a), 0);
	ck_assert_int_eq(uebpf_slot_stats(&slot, a, &st), -ENOENT);
	e[0] = 1;
	ck_assert_int_eq(uebpf_slot_accepts(&slot, e, 8, NULL), 0);
	ck_assert_int_eq(uebpf_slot_stats(&slot, b, &st), 0);
	ck_assert_uint_eq(st.runs, 4);		/* counters live on while the list changes */
	ck_assert_int_eq(uebpf_slot_remove(&slot, b), 0);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, e, 8, NULL), 1);
	uebpf_prog_unref(a);
	uebpf_prog_unref(b);
	uebpf_prog_unref(c);
}
END_TEST

START_TEST(error_policy_and_refusals)
{
	struct uebpf_filter_stats st = { .size = sizeof(st) };
	struct uebpf_filter_opts o = { .size = sizeof(o) };
	struct uebpf_load_opts checked = { .size = sizeof(checked), .mode = UEBPF_MODE_CHECKED };
	struct uebpf_object *obj = open_text(env, FAULTS, NULL), *loop;
	const struct uebpf_prog *p = uebpf_object_prog(obj, NULL);

	ck_assert_int_eq(uebpf_slot_set(&slot, p, NULL), -ENOEXEC);
	ck_assert_int_eq(uebpf_object_load(obj, &checked, NULL), 0);
	ck_assert_int_eq(uebpf_slot_set(&slot, p, NULL), 0);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 0);
	ck_assert_int_eq(uebpf_slot_run(&slot, event, 8, NULL, NULL), -EFAULT);
	o.on_error = UEBPF_ON_ERROR_RECORD;
	ck_assert_int_eq(uebpf_slot_set(&slot, p, &o), 0);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 1);
	ck_assert_int_eq(uebpf_slot_stats(&slot, p, &st), 0);
	ck_assert_uint_eq(st.faults, 1);
	ck_assert_uint_eq(st.rejected, 0);
	o.on_error = 9;
	ck_assert_int_eq(uebpf_slot_set(&slot, p, &o), -EINVAL);
	loop = open_text(env, "again:\ngoto again\nexit\n", NULL);
	ck_assert_int_eq(uebpf_object_load(loop, &checked, NULL), 0);
	o.on_error = 0;
	o.budget = 100;
	ck_assert_int_eq(uebpf_slot_set(&slot, uebpf_object_prog(loop, NULL), &o), 0);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 0);
	ck_assert_int_eq(uebpf_slot_stats(&slot, NULL, &st), 0);
	ck_assert_uint_eq(st.budget, 1);
	uebpf_object_free(obj);
	uebpf_object_free(loop);
}
END_TEST

/* ---- somebody inside ---- */

static _Atomic int entered, may_leave;
static uint64_t stay(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)call;
	atomic_store(&entered, 1);
	while (!atomic_load(&may_leave))
		usleep(100);
	return 1;
}

static uint64_t wait_inside(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)call;
	return uebpf_slot_wait(&slot, 1000) == -EDEADLK && uebpf_slot_fini(&slot) == -EDEADLK;
}

static void *run_once(void *arg)
{
	(void)arg;
	return uebpf_slot_accepts(&slot, event, 8, NULL) ? NULL : &slot;
}

START_TEST(old_program_comes_back_when_nobody_is_in_it)
{
	struct back back = { 0 };
	struct uebpf_filter_opts o = { .size = sizeof(o), .gone = gone, .gone_arg = &back };
	pthread_t t;
	void *bad;

	atomic_store(&entered, 0);
	atomic_store(&may_leave, 0);
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "stay", "u64 ()", stay, NULL, NULL), 0);
	set("call 65536\nexit\n", &o);
	ck_assert_int_eq(pthread_create(&t, NULL, run_once, NULL), 0);
	while (!atomic_load(&entered))
		usleep(100);
	set(BYTE_IS(9), NULL);				/* does not wait */
	ck_assert_int_eq(back.n, 0);
	ck_assert_int_eq(uebpf_slot_poll(&slot), 1);
	ck_assert_int_eq(uebpf_slot_wait(&slot, 20000000), -ETIME);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 0);	/* the new one rules already */
	ck_assert_int_eq(back.n, 0);
	atomic_store(&may_leave, 1);
	ck_assert_int_eq(uebpf_slot_wait(&slot, 10000000000u), 0);
	ck_assert_int_eq(back.n, 1);
	ck_assert_uint_eq(back.sum.accepted, 1);
	pthread_join(t, &bad);
	ck_assert_ptr_null(bad);
}
END_TEST

START_TEST(waiting_inside_a_run_is_refused)
{
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "wait", "u64 ()", wait_inside, NULL, NULL), 0);
	set("call 65536\nexit\n", NULL);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 1);
}
END_TEST

static uint64_t leave_for_good(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)call;
	pthread_exit(NULL);
}

/* What it was in stays until another thread takes over its place; nobody is given freed memory. */
START_TEST(thread_that_ends_inside_a_run)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .engine = UEBPF_ENGINE_INTERP };
	static struct back back;
	struct uebpf_filter_opts f = { .size = sizeof(f), .gone = gone, .gone_arg = &back };
	struct uebpf_object *obj;
	pthread_t t;
	int i;

	if (SANITIZED) {
		puts("skip: sanitizers do not follow a thread that ends below foreign frames");
		return;
	}
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "leave", "u64 ()", leave_for_good, NULL, NULL), 0);
	obj = open_text(env, "call 65536\nexit\n", NULL);
	ck_assert_int_eq(uebpf_object_load(obj, &o, NULL), 0);
	ck_assert_int_eq(uebpf_slot_set(&slot, uebpf_object_prog(obj, NULL), &f), 0);
	uebpf_object_free(obj);
	ck_assert_int_eq(pthread_create(&t, NULL, run_once, NULL), 0);
	pthread_join(t, NULL);
	set(BYTE_IS(7), NULL);
	ck_assert_int_eq(back.n, 0);
	ck_assert_int_eq(uebpf_slot_poll(&slot), 1);
	event[0] = 7;
	/* glibc gives the next thread the stack, and so the thread-local memory, of the last one */
	for (i = 0; i < 100 && uebpf_slot_poll(&slot); i++) {
		ck_assert_int_eq(pthread_create(&t, NULL, run_once, NULL), 0);
		pthread_join(t, NULL);
	}
	if (uebpf_slot_poll(&slot)) {
		puts("skip: this libc gives new threads new addresses");
		_exit(0);	/* fini would wait for ever, as documented */
	}
	ck_assert_int_eq(back.n, 1);
}
END_TEST

/* A handler that interrupts a run, and is itself where the replacement happens. */
static struct back handler_back;
static int gone_in_handler;
static void replace_in_handler(int sig)
{
	(void)sig;
	/* the interrupted run is still in the old one */
	gone_in_handler = uebpf_slot_poll(&slot) == 0;
}

static uint64_t interrupt_me(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)call;
	uebpf_slot_set(&slot, NULL, NULL);
	raise(SIGUSR1);
	return 1;
}

START_TEST(interrupted_run_keeps_its_program)
{
	struct uebpf_filter_opts o = { .size = sizeof(o), .gone = gone, .gone_arg = &handler_back };
	struct sigaction sa = { .sa_handler = replace_in_handler };

	sigaction(SIGUSR1, &sa, NULL);
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "interrupt", "u64 ()", interrupt_me, NULL, NULL), 0);
	set("call 65536\nexit\n", &o);
	ck_assert_int_eq(uebpf_slot_accepts(&slot, event, 8, NULL), 1);
	ck_assert_int_eq(gone_in_handler, 0);
	ck_assert_int_eq(handler_back.n, 0);
	ck_assert_int_eq(uebpf_slot_poll(&slot), 0);
	ck_assert_int_eq(handler_back.n, 1);
}
END_TEST

/* ---- replaced 10,000 times ---- */

static _Atomic int stop;
static _Atomic uint64_t emitted, wanted;
static void *emit(void *arg)
{
	uint64_t n = 0, yes = 0;

	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		n++;
		yes += (uint64_t)uebpf_slot_accepts(&slot, event, 8, NULL);
	}
	atomic_fetch_add(&emitted, n);
	atomic_fetch_add(&wanted, yes);
	return NULL;
}

static void tick(int sig)
{
	(void)sig;
	/* counted apart: the interrupted thread's sums are in its registers */
	atomic_fetch_add(&emitted, 1);
	atomic_fetch_add(&wanted, (uint64_t)uebpf_slot_accepts(&slot, event, 8, NULL));
}

START_TEST(replaced_10000_times_under_two_threads_and_a_signal)
{
	struct itimerspec every = { .it_interval = { 0, 500000 }, .it_value = { 0, 500000 } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	struct sigaction sa = { .sa_handler = tick };
	struct back back = { 0 };
	struct uebpf_filter_opts o = { .size = sizeof(o), .gone = gone, .gone_arg = &back };
	int i, times = SANITIZED ? 1000 : 10000;
	const struct uebpf_prog *same[2];
	pthread_t t[2];
	timer_t timer;

	event[0] = 7;
	atomic_store(&stop, 0);
	atomic_store(&emitted, 0);
	atomic_store(&wanted, 0);
	/* both accept the event: one that is lost or half installed would show */
	same[0] = prog(BYTE_IS(7));
	same[1] = prog("r0 = 1\nexit\n");
	ck_assert_int_eq(uebpf_slot_set(&slot, same[0], &o), 0);
	sigaction(SIGUSR2, &sa, NULL);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, emit, NULL), 0);
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	timer_settime(timer, 0, &every, NULL);
	for (i = 0; i < times; i++) {
		if (i % 10 == 0)
			set(BYTE_IS(7), &o);	/* a program that is freed when it comes back */
		else if (uebpf_slot_set(&slot, same[i & 1], &o))
			ck_abort_msg("set");
	}
	timer_delete(timer);
	atomic_store(&stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(uebpf_slot_set(&slot, NULL, NULL), 0);
	ck_assert_int_eq(uebpf_slot_wait(&slot, 10000000000u), 0);
	ck_assert_int_eq(back.n, times + 1);
	ck_assert_uint_eq(atomic_load(&wanted), atomic_load(&emitted));
	ck_assert_uint_eq(back.sum.runs, atomic_load(&emitted));
	ck_assert_uint_eq(back.sum.accepted, atomic_load(&emitted));
	ck_assert_uint_gt(back.sum.runs, 1000);
	uebpf_prog_unref(same[0]);
	uebpf_prog_unref(same[1]);
}
END_TEST

/* ---- threads that come and go, more than there are records ---- */

enum { CROWD = 300 };
static pthread_barrier_t all_ran;
static void *one_of_many(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 10; i++)
		atomic_fetch_add(&wanted, (uint64_t)uebpf_slot_accepts(&slot, event, 8, NULL));
	pthread_barrier_wait(&all_ran);		/* all alive at once */
	for (i = 0; i < 10; i++)
		atomic_fetch_add(&wanted, (uint64_t)uebpf_slot_accepts(&slot, event, 8, NULL));
	return NULL;
}

START_TEST(three_hundred_threads)
{
	static struct back back;
	struct uebpf_filter_opts o = { .size = sizeof(o), .gone = gone, .gone_arg = &back };
	pthread_t t[CROWD];
	int i, round;

	event[0] = 7;
	atomic_store(&wanted, 0);
	for (round = 0; round < 3; round++) {
		set(BYTE_IS(7), &o);
		pthread_barrier_init(&all_ran, NULL, CROWD);
		for (i = 0; i < CROWD; i++)
			ck_assert_int_eq(pthread_create(&t[i], NULL, one_of_many, NULL), 0);
		for (i = 0; i < CROWD; i++)
			pthread_join(t[i], NULL);
		pthread_barrier_destroy(&all_ran);
		set(BYTE_IS(7), &o);
		ck_assert_int_eq(uebpf_slot_wait(&slot, 10000000000u), 0);
	}
	ck_assert_uint_eq(atomic_load(&wanted), 3 * 20 * CROWD);
	ck_assert_uint_eq(back.sum.runs, 3 * 20 * CROWD);
}
END_TEST

/* ---- a polite guest ---- */

START_TEST(first_run_of_a_thread_makes_no_system_call)
{
	int status;
	pid_t pid;

	event[0] = 7;
	set(BYTE_IS(7), NULL);
	pid = fork();
	if (!pid) {
		int ok;

		only_exit_group();
		ok = uebpf_slot_accepts(&slot, event, 8, NULL);
		syscall(SYS_exit_group, !ok);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		puts("skip: seccomp filters are refused here");
	else
		ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x", status);
}
END_TEST

START_TEST(child_replaces_while_the_parents_thread_is_inside)
{
	static struct back back;	/* teardown gives the last one back */
	struct uebpf_filter_opts o = { .size = sizeof(o), .gone = gone, .gone_arg = &back };
	pthread_t t;
	int status;
	pid_t pid;

	if (SANITIZED) {
		puts("skip: sanitizers' allocators do not survive fork beside threads");
		return;
	}
	atomic_store(&entered, 0);
	atomic_store(&may_leave, 0);
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "stay", "u64 ()", stay, NULL, NULL), 0);
	set("call 65536\nexit\n", &o);
	ck_assert_int_eq(pthread_create(&t, NULL, run_once, NULL), 0);
	while (!atomic_load(&entered))
		usleep(100);
	pid = fork();
	if (!pid) {
		alarm(10);
		/* the thread that was inside does not exist here */
		_exit(uebpf_slot_set(&slot, NULL, NULL) || uebpf_slot_wait(&slot, 1000000000) || back.n != 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x", status);
	atomic_store(&may_leave, 1);
	pthread_join(t, NULL);
}
END_TEST

START_TEST(prefault_and_refused_program)
{
	struct uebpf_object *obj = open_text(env, "r0 = 1\nexit\n", NULL);

	ck_assert_int_eq(uebpf_prog_prefault(uebpf_object_prog(obj, NULL)), -ENOEXEC);
	ck_assert_int_eq(uebpf_object_load(obj, NULL, NULL), 0);
	ck_assert_int_eq(uebpf_prog_prefault(uebpf_object_prog(obj, NULL)), 0);
	uebpf_object_free(obj);
}
END_TEST

/* ---- errors on the wire ---- */

START_TEST(errors_travel)
{
	struct uebpf_error err, back, longest;
	uint8_t wire[UEBPF_ERROR_PACKED + 10];
	struct uebpf_object *obj;
	size_t n, i;

	obj = uebpf_object_open_text(env, "r0 = banana\n", NULL, &err);
	ck_assert_ptr_null(obj);
	n = uebpf_error_pack(&err, wire, sizeof(wire));
	ck_assert_uint_le(n, UEBPF_ERROR_PACKED);
	memset(wire + n, 0xee, sizeof(wire) - n);
	ck_assert_int_eq(uebpf_error_unpack(wire, sizeof(wire), &back), (long)n);
	ck_assert_str_eq(back.text, err.text);
	ck_assert_str_eq(back.object, err.object);
	ck_assert(back.stage == err.stage && back.code == err.code && back.err == err.err && back.pc == err.pc &&
		  back.line == err.line && back.column == err.column);
	for (i = 0; i < n; i++)
		ck_assert_int_eq(uebpf_error_unpack(wire, i, &back), -EAGAIN);
	ck_assert_uint_eq(uebpf_error_pack(&err, wire, 5), n);
	wire[1] ^= 1;
	ck_assert_int_eq(uebpf_error_unpack(wire, n, &back), -EBADMSG);
	/* every string as long as it can be, without its end */
	memset(&longest, 'x', sizeof(longest));
	n = uebpf_error_pack(&longest, wire, sizeof(wire));
	ck_assert_uint_le(n, UEBPF_ERROR_PACKED);
	ck_assert_int_eq(uebpf_error_unpack(wire, n, &back), (long)n);
	ck_assert_uint_eq(strlen(back.text), sizeof(back.text) - 1);
	/* hostile: any byte changed gives an error or a terminated one */
	for (i = 0; i < n; i++) {
		wire[i] ^= 0xff;
		if (uebpf_error_unpack(wire, n, &back) > 0)
			ck_assert_ptr_nonnull(memchr(back.text, 0, sizeof(back.text)));
		wire[i] ^= 0xff;
	}
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty_slot_accepts);
	tcase_add_test(tc, one_filter_decides_and_counts);
	tcase_add_test(tc, filters_are_ored_and_all_run);
	tcase_add_test(tc, error_policy_and_refusals);
	tcase_add_test(tc, old_program_comes_back_when_nobody_is_in_it);
	tcase_add_test(tc, thread_that_ends_inside_a_run);
	tcase_add_test(tc, waiting_inside_a_run_is_refused);
	tcase_add_test(tc, interrupted_run_keeps_its_program);
	tcase_add_test(tc, replaced_10000_times_under_two_threads_and_a_signal);
	tcase_add_test(tc, three_hundred_threads);
	tcase_add_test(tc, first_run_of_a_thread_makes_no_system_call);
	tcase_add_test(tc, child_replaces_while_the_parents_thread_is_inside);
	tcase_add_test(tc, prefault_and_refused_program);
	tcase_add_test(tc, errors_travel);
}

int main(void)
{
	return run_suite("api slot", fill);
}
