/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* guest_test.c - the library lives in other people's processes: runs inside a signal handler that
 * interrupted malloc, on an 8 KB signal stack, right after fork, under a seccomp filter that kills,
 * with the library loaded and unloaded below living threads; errno, stdout and stderr stay untouched. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "tests/api/api.h"

static struct uebpf_env *env;
enum { ARMS = 4 };		/* the default and checked mode, compiled where possible and interpreted */
static struct uebpf_object *obj[ARMS];
static const struct uebpf_prog *prog[ARMS];
static uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void setup(void)
{
	env = uebpf_env_new(NULL);
	ck_assert_ptr_nonnull(env);
	for (int i = 0; i < ARMS; i++) {
		struct uebpf_load_opts o = {
			.size = sizeof(o), .mode = i & 1 ? UEBPF_MODE_CHECKED : UEBPF_MODE_DEFAULT,
			.engine = i & 2 ? UEBPF_ENGINE_INTERP : UEBPF_ENGINE_AUTO,
		};

		obj[i] = open_text(env, SUM8, NULL);
		ck_assert_int_eq(uebpf_object_load(obj[i], &o, NULL), 0);
		prog[i] = uebpf_object_prog(obj[i], NULL);
	}
}

static void teardown(void)
{
	for (int i = 0; i < ARMS; i++)
		uebpf_object_free(obj[i]);
	uebpf_env_free(env);
}

static int good_run(void)
{
	int i, good = 0;

	for (i = 0; i < ARMS; i++) {
		uint64_t r0 = 0;

		good += uebpf_prog_run(prog[i], bytes, sizeof(bytes), NULL, &r0) == 0 && r0 == 36;
	}
	return good == ARMS;
}

/* ---- malloc interrupted ---- */

#if !SANITIZED && defined(__GLIBC__)
/* This program's own malloc: raises a signal while "inside", and counts calls made by the handler. */
extern void *__libc_malloc(size_t);
static _Atomic int armed, in_handler, calls_in_handler, handled;
void *malloc(size_t size)
{
	if (atomic_load(&in_handler))
		atomic_fetch_add(&calls_in_handler, 1);
	else if (atomic_exchange(&armed, 0))
		raise(SIGUSR1);
	return __libc_malloc(size);
}

static void handler(int sig)
{
	(void)sig;
	atomic_store(&in_handler, 1);
	if (good_run())
		atomic_fetch_add(&handled, 1);
	atomic_store(&in_handler, 0);
}

START_TEST(runs_in_a_handler_that_interrupted_malloc)
{
	struct sigaction sa = { .sa_handler = handler };
	int i;

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < 1000; i++) {
		void *volatile p;

		atomic_store(&armed, 1);
		p = malloc(100);
		free(p);
	}
	ck_assert_int_eq(atomic_load(&handled), 1000);
	ck_assert_int_eq(atomic_load(&calls_in_handler), 0);
}
END_TEST
#endif

static _Atomic int ticks;
static void tick(int sig)
{
	(void)sig;
	if (good_run())
		atomic_fetch_add(&ticks, 1);
	else
		abort();
}

START_TEST(runs_in_a_handler_that_interrupted_a_run)
{
	struct sigaction sa = { .sa_handler = tick };
	struct itimerspec every = { .it_interval = { 0, 200000 }, .it_value = { 0, 200000 } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	timer_t timer;
	int i;

	atomic_store(&ticks, 0);
	sigaction(SIGUSR2, &sa, NULL);
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	timer_settime(timer, 0, &every, NULL);
	for (i = 0; i < 50000000 && atomic_load(&ticks) < 200; i++)
		ck_assert(good_run());
	timer_delete(timer);
	ck_assert_int_ge(atomic_load(&ticks), 200);
}
END_TEST

/* ---- 8 KB signal stack ---- */

static _Atomic int on_stack;
static char *stack_low;
static void on_small_stack(int sig)
{
	char here;

	(void)sig;
	if (&here >= stack_low && &here < stack_low + 8192 && good_run())
		atomic_store(&on_stack, 1);
}

START_TEST(runs_on_an_8k_signal_stack)
{
	struct sigaction sa = { .sa_handler = on_small_stack, .sa_flags = SA_ONSTACK };
	stack_t st = { .ss_size = 8192 };
	char *area;

	if (SANITIZED) {
		puts("skip: sanitizers need more than 8 KB of stack");
		return;
	}
	/* a page that must not be touched lies below */
	area = mmap(NULL, 4096 + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(area, MAP_FAILED);
	ck_assert_int_eq(mprotect(area, 4096, PROT_NONE), 0);
	stack_low = st.ss_sp = area + 4096;
	if (sigaltstack(&st, NULL) < 0) {
		puts("skip: this CPU's signal frames need more than an 8 KB stack");
		return;
	}
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	ck_assert_int_eq(atomic_load(&on_stack), 1);
}
END_TEST

/* ---- fork ---- */

/* Without Check's macros: they lock a file, which a child may find locked for ever. */
static int good_load(void)
{
	struct uebpf_object *o = uebpf_object_open_text(env, "r0 = 1\nexit\n", NULL, NULL);
	int ok = o && uebpf_object_load(o, NULL, NULL) == 0;

	uebpf_object_free(o);
	return ok;
}

static _Atomic int stop;
static void *busy(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		if (!good_run() || !good_load())
			abort();
	return NULL;
}

START_TEST(works_at_once_in_a_forked_child)
{
	pthread_t t[2];
	int i, status;

	if (SANITIZED) {
		puts("skip: sanitizers' allocators do not survive fork beside threads");
		return;
	}
	atomic_store(&stop, 0);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, busy, NULL), 0);
	for (i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(10);
			_exit(good_run() && good_load() ? 0 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "child %d: status %#x", i, status);
	}
	atomic_store(&stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}
END_TEST

/* ---- seccomp ---- */

START_TEST(run_makes_no_system_call)
{
	pid_t pid = fork();
	int status, i;

	if (!pid) {
		int ok = 1;

		only_exit_group();
		for (i = 0; i < 1000; i++)
			ok &= good_run();
		syscall(SYS_exit_group, !ok);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		puts("skip: seccomp filters are refused here");
		return;
	}
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x", status);
}
END_TEST

/* ---- dlopen ---- */

struct api {
	struct uebpf_env *(*env_new)(const struct uebpf_env_opts *);
	void (*env_free)(struct uebpf_env *);
	struct uebpf_object *(*open_text)(struct uebpf_env *, const char *, const struct uebpf_open_opts *,
					  struct uebpf_error *);
	int (*load)(struct uebpf_object *, const struct uebpf_load_opts *, struct uebpf_error *);
	const struct uebpf_prog *(*prog)(const struct uebpf_object *, const char *);
	int (*run)(const struct uebpf_prog *, void *, size_t, struct uebpf_run *, uint64_t *);
	void (*free)(struct uebpf_object *);
};

static void *need(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	ck_assert_msg(p != NULL, "%s", dlerror());
	return p;
}

struct guest { pthread_barrier_t ready, gone; struct api api; const struct uebpf_prog *prog; };
static void *live_thread(void *arg)
{
	struct guest *g = arg;
	uint64_t r0 = 0;
	int i, bad = 0;

	for (i = 0; i < 1000; i++)
		bad |= g->api.run(g->prog, bytes, 8, NULL, &r0) != 0 || r0 != 36;
	pthread_barrier_wait(&g->ready);	/* main frees and unloads while we live */
	pthread_barrier_wait(&g->gone);
	return bad ? arg : NULL;
}

START_TEST(dlopen_use_dlclose_with_live_threads)
{
	char path[4200];
	int round, i;

	snprintf(path, sizeof(path), "%s/libuebpf.so", build_dir());
	if (access(path, R_OK)) {
		puts("skip: no libuebpf.so in this build tree");
		return;
	}
	for (round = 0; round < 3; round++) {
		void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL), *bad;
		struct uebpf_error err;
		struct uebpf_env *e;
		struct uebpf_object *o;
		struct guest g;
		pthread_t t[3];

		ck_assert_msg(lib != NULL, "%s", dlerror());
		*(void **)&g.api.env_new = need(lib, "uebpf_env_new");
		*(void **)&g.api.env_free = need(lib, "uebpf_env_free");
		*(void **)&g.api.open_text = need(lib, "uebpf_object_open_text");
		*(void **)&g.api.load = need(lib, "uebpf_object_load");
		*(void **)&g.api.prog = need(lib, "uebpf_object_prog");
		*(void **)&g.api.run = need(lib, "uebpf_prog_run");
		*(void **)&g.api.free = need(lib, "uebpf_object_free");
		e = g.api.env_new(NULL);
		o = g.api.open_text(e, SUM8, NULL, &err);
		ck_assert_msg(o && !g.api.load(o, NULL, &err), "%s", err.text);
		g.prog = g.api.prog(o, NULL);
		pthread_barrier_init(&g.ready, NULL, 4);
		pthread_barrier_init(&g.gone, NULL, 4);
		for (i = 0; i < 3; i++)
			ck_assert_int_eq(pthread_create(&t[i], NULL, live_thread, &g), 0);
		pthread_barrier_wait(&g.ready);
		g.api.free(o);
		g.api.env_free(e);
		ck_assert_int_eq(dlclose(lib), 0);
		if (!SANITIZED)
			ck_assert_msg(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL,
				      "the library stays loaded after dlclose");
		pthread_barrier_wait(&g.gone);
		for (i = 0; i < 3; i++) {
			pthread_join(t[i], &bad);
			ck_assert_ptr_null(bad);
		}
		pthread_barrier_destroy(&g.ready);
		pthread_barrier_destroy(&g.gone);
	}
}
END_TEST

/* ---- errno, stdout, stderr ---- */

#define KEEPS(call) do { errno = 4242; (void)(call); \
	ck_assert_msg(errno == 4242, "errno is %d after %s", errno, #call); } while (0)

static void everything(void)
{
	struct uebpf_open_opts bad_type = { .size = sizeof(bad_type), .type = "nonsense" };
	struct uebpf_run run = { .size = sizeof(run) };
	struct uebpf_object *o = NULL;
	struct uebpf_env *e = NULL;
	struct uebpf_error err;
	char buf[64];
	uint64_t r0;

	KEEPS(e = uebpf_env_new(NULL));
	KEEPS(uebpf_features(buf, sizeof(buf)));
	KEEPS(uebpf_object_open_file(e, "/nonexistent/file.o", NULL, &err));
	KEEPS(uebpf_object_open_file(e, "/", NULL, &err));
	KEEPS(uebpf_object_open_file(e, "/dev/null", NULL, &err));
	KEEPS(uebpf_object_open_memory(e, "garbage", 7, NULL, &err));
	KEEPS(uebpf_object_open_text(e, "r0 = what\n", NULL, &err));
	KEEPS(uebpf_object_open_text(e, "exit\n", &bad_type, &err));
	KEEPS(o = uebpf_object_open_text(e, SUM8, NULL, &err));
	KEEPS(uebpf_object_load(o, NULL, &err));
	KEEPS(uebpf_object_load(o, NULL, &err));
	KEEPS(uebpf_prog_run(uebpf_object_prog(o, NULL), bytes, 8, &run, &r0));
	KEEPS(uebpf_prog_explain(uebpf_object_prog(o, NULL), -EFAULT, &run, &err));
	KEEPS(uebpf_prog_dump(uebpf_object_prog(o, NULL), "insns", buf, sizeof(buf)));
	KEEPS(uebpf_object_free(o));
	KEEPS(o = uebpf_object_open_text(e, "r0 = 0\nr0 = *(u8 *)(r0 + 0)\nexit\n", NULL, &err));
	KEEPS(uebpf_object_load(o, NULL, &err));
	KEEPS(uebpf_prog_run(uebpf_object_prog(o, NULL), NULL, 0, &run, &r0));
	KEEPS(uebpf_object_free(o));
	KEEPS(uebpf_env_free(e));
}

START_TEST(errno_is_left_alone)
{
	everything();
}
END_TEST

START_TEST(nothing_is_written_to_stdout_or_stderr)
{
	int out = memfd_create("out", 0), keep1, keep2;
	off_t size;

	fflush(NULL);
	keep1 = dup(1);
	keep2 = dup(2);
	dup2(out, 1);
	dup2(out, 2);
	everything();
	fflush(NULL);
	size = lseek(out, 0, SEEK_END);
	dup2(keep1, 1);
	dup2(keep2, 2);
	close(keep1);
	close(keep2);
	close(out);
	ck_assert_int_eq(size, 0);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
#if !SANITIZED && defined(__GLIBC__)
	tcase_add_test(tc, runs_in_a_handler_that_interrupted_malloc);
#endif
	tcase_add_test(tc, runs_in_a_handler_that_interrupted_a_run);
	tcase_add_test(tc, runs_on_an_8k_signal_stack);
	tcase_add_test(tc, works_at_once_in_a_forked_child);
	tcase_add_test(tc, run_makes_no_system_call);
	tcase_add_test(tc, dlopen_use_dlclose_with_live_threads);
	tcase_add_test(tc, errno_is_left_alone);
	tcase_add_test(tc, nothing_is_written_to_stdout_or_stderr);
}

int main(void)
{
	return run_suite("api guest", fill);
}
