/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* units_test.c - helpers by themselves, without a kernel to compare with: hooks, identity after fork,
 * locks, records given back when a run ends early. */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include "tests/helpers/units.h"
#include "tests/util/run.h"
#include "vm/self.h"
#include "vm/spin.h"

/* ---- hooks ---- */

static uint64_t hook_clock(void *ctx, enum uebpf_clock which) { return *(uint64_t *)ctx + which; }
static uint32_t hook_random(void *ctx) { return (uint32_t)*(uint64_t *)ctx; }
static uint32_t hook_cpu(void *ctx) { return (uint32_t)*(uint64_t *)ctx + 1; }
static void hook_task(void *ctx, struct uebpf_task *task)
{
	(void)ctx;
	*task = (struct uebpf_task){ 11, 22, 33, 44, "a-very-long-nam" };
}
static char printed[256];
static size_t printed_len;
static void hook_print(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	memcpy(printed, text, len);
	printed_len = len;
}
static struct { uint32_t index; size_t len; char data[256]; } perf;
static int hook_perf(void *ctx, struct uebpf_map *map, uint32_t index, const void *data, size_t len)
{
	(void)ctx, (void)map;
	perf.index = index;
	perf.len = len;
	memcpy(perf.data, data, len);
	return index == 3 ? -ENOSPC : 0;
}

START_TEST(each_question_about_the_surroundings_goes_through_a_hook)
{
	static uint64_t seven = 7;
	char comm[16];

	o.host.hooks = (struct uebpf_hooks){ .size = sizeof(struct uebpf_hooks), .ctx = &seven, .clock = hook_clock,
		.random = hook_random, .cpu = hook_cpu, .task = hook_task };
	ck_assert_uint_eq(call("ktime_get_ns", 0, 0, 0, 0, 0), 7 + UEBPF_CLOCK_MONOTONIC);
	ck_assert_uint_eq(call("ktime_get_boot_ns", 0, 0, 0, 0, 0), 7 + UEBPF_CLOCK_BOOTTIME);
	ck_assert_uint_eq(call("ktime_get_coarse_ns", 0, 0, 0, 0, 0), 7 + UEBPF_CLOCK_COARSE);
	ck_assert_uint_eq(call("ktime_get_tai_ns", 0, 0, 0, 0, 0), 7 + UEBPF_CLOCK_TAI);
	ck_assert_uint_eq(call("jiffies64", 0, 0, 0, 0, 0), 7 + UEBPF_CLOCK_JIFFIES);
	ck_assert_uint_eq(call("get_prandom_u32", 0, 0, 0, 0, 0), 7);
	ck_assert_uint_eq(call("get_smp_processor_id", 0, 0, 0, 0, 0), 8);
	ck_assert_uint_eq(call("get_numa_node_id", 0, 0, 0, 0, 0), 0);
	ck_assert_uint_eq(call("get_current_pid_tgid", 0, 0, 0, 0, 0), 22ull << 32 | 11);
	ck_assert_uint_eq(call("get_current_uid_gid", 0, 0, 0, 0, 0), 44ull << 32 | 33);
	ck_assert_uint_eq(call("get_current_comm", P(comm), sizeof comm, 0, 0, 0), 0);
	ck_assert_str_eq(comm, "a-very-long-nam");
	ck_assert_uint_eq(call("get_current_comm", P(comm), 4, 0, 0, 0), 0);
	ck_assert_str_eq(comm, "a-v");
	ck_assert_uint_eq(call("get_current_task", 0, 0, 0, 0, 0) & 0xffffffff, 11);
}
END_TEST

START_TEST(print_and_perf_output_reach_the_host)
{
	struct uebpf_map map = { .max_entries = 4 };
	char fmt[] = "n=%d s=%s";

	ck_assert_int_eq((int64_t)call("trace_printk", P("x"), 2, 0, 0, 0), 1);	/* no hook: discarded */
	ck_assert_int_eq((int64_t)call("perf_event_output", CTX_ARG, P(&map), 0, P("abc"), 3), -ENOENT);
	o.host.hooks = (struct uebpf_hooks){ .size = sizeof(struct uebpf_hooks), .print = hook_print, .cpu = NULL,
		.perf_output = hook_perf };
	o.host.probe = UEBPF_PROBE_SYSCALL;
	ck_assert_int_eq((int64_t)call("trace_printk", P(fmt), sizeof fmt, 42, P("str"), 0), 10);
	ck_assert_uint_eq(printed_len, 10);
	ck_assert_mem_eq(printed, "n=42 s=str", 10);
	ck_assert_int_eq((int64_t)call("perf_event_output", CTX_ARG, P(&map), 2, P("abc"), 3), 0);
	ck_assert_uint_eq(perf.index, 2);
	ck_assert_uint_eq(perf.len, 3);
	ck_assert_int_eq((int64_t)call("perf_event_output", CTX_ARG, P(&map), 3, P("abc"), 3), -ENOSPC);
	ck_assert_int_eq((int64_t)call("perf_event_output", CTX_ARG, P(&map), 4, P("abc"), 3), -E2BIG);
	memcpy(o.packet.data, "PACKET", 6);
	ck_assert_int_eq((int64_t)call("perf_event_output", CTX_ARG, P(&map), 6ull << 32 | 1, P("abc"), 3), 0);
	ck_assert_uint_eq(perf.len, 9);
	ck_assert_mem_eq(perf.data, "abcPACKET", 9);
	ck_assert_int_eq((int64_t)call("perf_event_output", CTX_ARG, P(&map), 65ull << 32 | 1, P("abc"), 3), -EFAULT);
}
END_TEST

/* ---- identity ---- */

static void *thread_identity(void *arg)
{
	uint64_t *out = arg;

	out[0] = call("get_current_pid_tgid", 0, 0, 0, 0, 0);
	out[1] = (uint64_t)getpid() << 32 | (uint64_t)syscall(SYS_gettid);
	out[2] = call("get_prandom_u32", 0, 0, 0, 0, 0);
	return NULL;
}

START_TEST(pid_and_random_are_right_after_fork)
{
	uint64_t here[3], there[3], other[3];
	int pipe_fd[2], status;
	pthread_t thread;
	pid_t child;

	for (int i = 0; i < 3; i++)
		thread_identity(here);
	ck_assert_uint_eq(here[0], here[1]);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_identity, other), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(other[0], other[1]);
	ck_assert_uint_ne(other[0], here[0]);
	ck_assert_int_eq(pipe(pipe_fd), 0);
	child = fork();
	if (!child) {
		thread_identity(there);
		if (there[0] != there[1] || there[0] == here[0])
			_exit(1);
		if (fork() == 0) {	/* a child of a child */
			thread_identity(there);
			_exit(there[0] == there[1] ? 0 : 2);
		}
		wait(&status);
		thread_identity(there);
		if (there[0] != there[1] || status)
			_exit(3);
		_exit(write(pipe_fd[1], there, sizeof there) == sizeof there ? 0 : 4);
	}
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(pipe_fd[0], there, sizeof there), sizeof there);
	thread_identity(here);
	ck_assert_uint_ne(here[2], there[2]);	/* the streams parted; equal once in 2^32 */
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}
END_TEST

static uint64_t run_pid(const struct uebpf_prog *prog)
{
	uint64_t r0 = 0, raw[1] = { 0 };

	return uebpf_prog_run(prog, raw, sizeof raw, NULL, &r0) ? 0 : r0;
}

static void *thread_runs(void *arg)
{
	static uint64_t got;

	got = run_pid(arg) == ((uint64_t)getpid() << 32 | (uint64_t)syscall(SYS_gettid));
	return &got;
}

/* The rewriter puts the helper's loads in the program's place: those too must see the fork. */
START_TEST(inlined_pid_is_right_in_threads_and_after_fork)
{
	struct uebpf_open_opts opts = { .size = sizeof opts, .type = "raw" };
	struct uebpf_load_opts load = { .size = sizeof load, .mode = UEBPF_MODE_VERIFIED,
					.engine = _i ? UEBPF_ENGINE_AUTO : UEBPF_ENGINE_INTERP };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_text(env, "call 14\nexit\n", &opts, &err);
	const struct uebpf_prog *prog;
	uint64_t here = (uint64_t)getpid() << 32 | (uint64_t)syscall(SYS_gettid);
	pthread_t thread;
	void *right;
	int status;
	pid_t child;

	ck_assert_msg(obj && !uebpf_object_load(obj, &load, &err), "%s", err.text);
	prog = uebpf_object_prog(obj, NULL);
	ck_assert_uint_eq(run_pid(prog), here);
	ck_assert_uint_eq(run_pid(prog), here);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_runs, (void *)prog), 0);
	pthread_join(thread, &right);
	ck_assert_uint_eq(*(uint64_t *)right, 1);
	child = fork();
	if (!child)
		_exit(run_pid(prog) == ((uint64_t)getpid() << 32 | (uint64_t)syscall(SYS_gettid)) &&
		      run_pid(prog) != here ? 0 : 1);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(run_pid(prog), here);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

START_TEST(comm_follows_a_rename)
{
	char before[16], comm[16];

	prctl(PR_GET_NAME, before);
	prctl(PR_SET_NAME, "renamed");
	call("get_current_comm", P(comm), sizeof comm, 0, 0, 0);
	prctl(PR_SET_NAME, before);
	ck_assert_str_eq(comm, "renamed");
	call("get_current_comm", P(comm), sizeof comm, 0, 0, 0);
	ck_assert_str_eq(comm, before);
	ck_assert_uint_eq(call("get_current_uid_gid", 0, 0, 0, 0, 0), (uint64_t)getgid() << 32 | getuid());
}
END_TEST

START_TEST(clocks_are_the_kernels)
{
	struct timespec now;
	uint64_t ns = call("ktime_get_ns", 0, 0, 0, 0, 0), later, jiffies = call("jiffies64", 0, 0, 0, 0, 0);

	clock_gettime(CLOCK_MONOTONIC, &now);
	later = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	ck_assert_uint_ge(later, ns);
	ck_assert_uint_lt(later - ns, 100000000);
	ck_assert_uint_ge(call("ktime_get_boot_ns", 0, 0, 0, 0, 0), ns);
	usleep(50000);
	ck_assert_uint_gt(call("jiffies64", 0, 0, 0, 0, 0), jiffies);
	ck_assert_int_eq(errno = 0, 0);
	call("get_smp_processor_id", 0, 0, 0, 0, 0);
	ck_assert_int_eq(errno, 0);
}
END_TEST

/* ---- locks ---- */

static uint32_t shared_lock;
static uint64_t shared_count;

static void *lock_and_count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		if (spin_lock(&shared_lock, false))
			return "busy";
		shared_count++;
		spin_unlock(&shared_lock);
	}
	return NULL;
}

START_TEST(spin_lock_excludes_threads)
{
	pthread_t threads[4];
	void *failed;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, lock_and_count, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_eq(shared_count, 80000);
	ck_assert_uint_eq(shared_lock, 0);
}
END_TEST

/* A signal handler on the owner's thread must not wait for itself. */
START_TEST(own_lock_met_again_ends_the_run_with_ebusy)
{
	uint32_t word = 0;

	call("spin_lock", P(&word), 0, 0, 0, 0);
	ck_assert_int_eq(o.call.status, 0);
	ck_assert_uint_ne(word, 0);
	call("spin_lock", P(&word), 0, 0, 0, 0);
	ck_assert_int_eq(o.call.status, -EBUSY);
	call_drop_holds(&o.call);
	ck_assert_uint_eq(word, 0);
}
END_TEST

static int lock_shared_and_die(void *map)
{
	spin_lock(map, false);
	raise(SIGKILL);
	return 0;
}

START_TEST(lock_of_a_killed_owner_is_taken_over)
{
	uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	int status;

	if (!child)
		_exit(lock_shared_and_die(word));
	waitpid(child, &status, 0);
	ck_assert_uint_ne(*word, 0);
	ck_assert_int_eq(spin_lock(word, false), 0);
	spin_unlock(word);
	ck_assert_uint_eq(*word, 0);
	munmap(word, 4096);
}
END_TEST

/* ---- records that a run did not give back ---- */

static char ring_memory[64];
static unsigned submitted, discarded;
static void *fake_reserve(struct uebpf_map *map, uint64_t size)
{
	(void)map;
	return size <= sizeof ring_memory ? ring_memory + 8 * (submitted + discarded) % 32 : NULL;
}
static uint64_t fake_commit(struct uebpf_map *map, void *record, uint64_t flags, bool discard)
{
	(void)map, (void)record, (void)flags;
	*(discard ? &discarded : &submitted) += 1;
	return 0;
}

START_TEST(record_of_a_run_that_ends_early_is_discarded)
{
	static const struct map_more more = { .reserve = fake_reserve, .commit = fake_commit };
	static const struct map_ops ops = { .name = "ring", .more = &more };
	struct uebpf_map map = { .ops = &ops };
	uint64_t record;

	submitted = discarded = 0;
	record = call("ringbuf_reserve", P(&map), 16, 0, 0, 0);
	ck_assert_uint_ne(record, 0);
	ck_assert_uint_eq(call("ringbuf_reserve", P(&map), 16, 1, 0, 0), 0);	/* flags */
	ck_assert_uint_eq(call("ringbuf_reserve", P(&map), 1000, 0, 0, 0), 0);
	call("ringbuf_submit", record, 0, 0, 0, 0);
	call("ringbuf_submit", record, 0, 0, 0, 0);	/* twice: the second does nothing */
	ck_assert_uint_eq(submitted, 1);
	call("ringbuf_reserve", P(&map), 16, 0, 0, 0);
	call_drop_holds(&o.call);
	ck_assert_uint_eq(discarded, 1);
	for (int i = 0; i < CALL_HOLDS; i++)
		ck_assert_uint_ne(call("ringbuf_reserve", P(&map), 8, 0, 0, 0), 0);
	ck_assert_uint_eq(call("ringbuf_reserve", P(&map), 8, 0, 0, 0), 0);	/* more than a run may hold */
	call_drop_holds(&o.call);
	ck_assert_uint_eq(discarded, 1 + CALL_HOLDS);
}
END_TEST

int main(void)
{
	TCase *t = test_case("helpers", 30);

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, each_question_about_the_surroundings_goes_through_a_hook);
	tcase_add_test(t, print_and_perf_output_reach_the_host);
	tcase_add_test(t, pid_and_random_are_right_after_fork);
	tcase_add_loop_test(t, inlined_pid_is_right_in_threads_and_after_fork, 0, 2);
	tcase_add_test(t, comm_follows_a_rename);
	tcase_add_test(t, clocks_are_the_kernels);
	tcase_add_test(t, spin_lock_excludes_threads);
	tcase_add_test(t, own_lock_met_again_ends_the_run_with_ebusy);
	tcase_add_test(t, lock_of_a_killed_owner_is_taken_over);
	tcase_add_test(t, record_of_a_run_that_ends_early_is_discarded);
	return run_tests();
}
