/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stateless_test.c - look-ups, time, identity and chance need nothing of a run: a compiled program that calls no
 * other helper is a bare function (what it gives is the same), also in a thread and a child that were never seen. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static struct uebpf_env *env;
static struct uebpf_object *obj;

static void set(const char *name, uint64_t value)
{
	size_t size;
	uint64_t *at = uebpf_object_global(obj, name, &size);

	ck_assert(at != NULL && size == sizeof value);
	*at = value;
}

static void fill(const char *name, const void *key, uint64_t value)
{
	ck_assert_int_eq(uebpf_map_update(uebpf_object_map(obj, name), key, &value, 0), 0);
}

/* NULL: every program that needs no state gave 0, whichever way it was run. */
static const char *wrong(bool compiled)
{
	uint8_t bytes[64] = { 0 };
	struct uebpf_packet packet = { .size = sizeof packet, .data = bytes, .data_end = bytes + sizeof bytes };
	const struct uebpf_prog *prog = NULL;
	struct timespec now;

	set("pid_tgid", (uint64_t)getpid() << 32 | (uint64_t)syscall(SYS_gettid));
	clock_gettime(CLOCK_MONOTONIC, &now);
	set("least_ns", (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	set("cpus", (uint64_t)sysconf(_SC_NPROCESSORS_CONF));
	while ((prog = uebpf_object_next_prog(obj, prog))) {
		const char *name = uebpf_prog_name(prog);
		uebpf_entry entry = uebpf_prog_entry(prog);
		bool plain = !strncmp(name, "plain", 5);
		uint64_t r0 = 1;

		if (compiled && plain != (entry != NULL))
			return name;
		errno = 77;
		if (uebpf_prog_run(prog, &packet, sizeof packet, NULL, &r0) || r0 || errno != 77)
			return name;
		if (plain && entry && (entry(&packet, sizeof packet, NULL) || errno != 77))
			return name;
	}
	return NULL;
}

static void *other_thread(void *arg)
{
	return (void *)(uintptr_t)wrong(*(bool *)arg);
}

START_TEST(bare_functions)
{
	struct uebpf_load_opts opts = { .size = sizeof opts, .mode = UEBPF_MODE_VERIFIED,
					.engine = _i ? UEBPF_ENGINE_INTERP : UEBPF_ENGINE_AUTO };
	uint64_t seven = 7, five = 5;
	struct { uint32_t len, data; } prefix = { 8, 10 };
	uint32_t odd[3] = { 1, 2, 3 };
	struct uebpf_error err;
	bool compiled;
	char features[256];
	const char *bad;
	pthread_t thread;
	void *there;
	int status;
	pid_t pid;

	OBJECT(path, "stateless.bpf.c", "-O2 -g -mcpu=v3");
	env = uebpf_env_new(NULL);
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj && !uebpf_object_load(obj, &opts, &err), "%s", err.text);
	uebpf_features(features, sizeof features);
	compiled = !_i && strstr(features, "jit=");
	fill("words", &seven, 70);
	fill("odds", odd, 123);
	fill("recent", &five, 50);
	fill("prefixes", &prefix, 10);
	bad = wrong(compiled);
	ck_assert_msg(!bad, "%s", bad);
	ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, &compiled), 0);
	ck_assert_int_eq(pthread_join(thread, &there), 0);
	ck_assert_msg(!there, "in a thread: %s", (const char *)there);
	pid = fork();
	if (!pid)
		_exit(wrong(compiled) != NULL);
	ck_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	ck_assert_msg(!WEXITSTATUS(status), "in a child");
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

/* What a host says of time, place and chance goes to the host still. */
static uint64_t hook_clock(void *ctx, enum uebpf_clock which) { (void)ctx, (void)which; return 1; }
static uint32_t hook_cpu(void *ctx) { (void)ctx; return 4000; }
static uint32_t hook_random(void *ctx) { (void)ctx; return 4; }

START_TEST(hooks_are_asked)
{
	struct uebpf_env_opts opts = { .size = sizeof opts, .hooks = { .size = sizeof opts.hooks, .clock = hook_clock, .cpu = hook_cpu, .random = hook_random } };
	uint8_t bytes[64] = { 0 };
	struct uebpf_packet packet = { .size = sizeof packet, .data = bytes, .data_end = bytes + sizeof bytes };
	static const char *const asked[] = { "plain_when", "plain_where", "plain_chance" };
	struct uebpf_error err;

	OBJECT(path, "stateless.bpf.c", "-O2 -g -mcpu=v3");
	env = uebpf_env_new(&opts);
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj && !uebpf_object_load(obj, NULL, &err), "%s", err.text);
	set("least_ns", 2);
	set("cpus", 4000);
	for (int i = 0; i < 3; i++) {
		uint64_t r0 = 0;

		ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, asked[i]), &packet, sizeof packet, NULL, &r0), 0);
		ck_assert_msg(r0 == 1, "%s", asked[i]);
	}
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *t = test_case("stateless", 60);

	tcase_add_loop_test(t, bare_functions, 0, 2);
	tcase_add_test(t, hooks_are_asked);
	return run_tests();
}
