/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* seen_test.c - compiled programs as others see them: addresses, perf's files, unwinding through a
 * helper call, GDB's interface, and the options that harden code. */
#include <check.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "jit/state.h"
#include "tests/util/run.h"

/* As a C++ program has it: libgcc's unwinder linked in, not loaded later. */
void __register_frame(void *frames);
void (*volatile keep_unwinder)(void *) = __register_frame;

static struct uebpf_env *env;
static const struct uebpf_prog *prog;
static void *frames[64];
static int nr_frames;
static void *inside;		/* an address within the program */

static uint64_t look(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	(void)r1, (void)r2, (void)r3, (void)r4, (void)r5, (void)call;
	nr_frames = backtrace(frames, 64);
	inside = __builtin_return_address(0);
	return 7;
}

static struct uebpf_object *load(const char *text, uint32_t mode, uint32_t flags)
{
	struct uebpf_open_opts o = { .size = sizeof o, .type = "raw", .name = "seen" };
	struct uebpf_load_opts l = { .size = sizeof l, .mode = mode, .engine = UEBPF_ENGINE_JIT, .jit_flags = flags };
	struct uebpf_error err;
	struct uebpf_object *obj;

	env = uebpf_env_new(NULL);
	ck_assert_int_gt(uebpf_env_add_helper(env, 0, "look", "u64 (scalar)", look, NULL, &err), 0);
	obj = uebpf_object_open_text(env, text, &o, &err);
	ck_assert_msg(obj, "%s", err.text);
	ck_assert_msg(!uebpf_object_load(obj, &l, &err), "%s", err.text);
	prog = uebpf_object_prog(obj, NULL);
	return obj;
}

static const char calls[] = "r6 = r1\nr7 = 3\ncall f\nr0 += r7\nexit\nf:\nr1 = 1\nr8 = 5\ncall 0x10000\nr0 += r8\nexit\n";

START_TEST(an_address_tells_its_program)
{
	struct uebpf_object *obj = load(calls, UEBPF_MODE_TRUSTED, 0);
	struct uebpf_addr_info info = { .size = sizeof info };
	uint64_t r0 = 0;

	backtrace(frames, 4);	/* loads the unwinder before the run */
	ck_assert_int_eq(uebpf_prog_run(prog, "", 1, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 15);
	ck_assert_int_eq(uebpf_addr_info(env, inside, &info), 0);
	ck_assert_ptr_eq(info.prog, prog);
	ck_assert_uint_ge(info.pc, 7);
	ck_assert_uint_le(info.pc, 8);
	ck_assert_int_eq(uebpf_addr_info(env, &r0, &info), -ENOENT);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

/* The unwinder goes from the helper through both frames of the program to this function. */
START_TEST(unwinding_passes_through)
{
	static const uint32_t modes[] = { UEBPF_MODE_TRUSTED, UEBPF_MODE_CHECKED };
	static const uint32_t flags[] = { 0, UEBPF_JIT_BLIND | UEBPF_JIT_RETPOLINE | UEBPF_JIT_ENDBR };

	for (int k = 0; k < 4; k++) {
		struct uebpf_object *obj = load(calls, modes[k & 1], flags[k >> 1]);
		struct uebpf_addr_info info = { .size = sizeof info };
		char **names;
		uint64_t r0 = 0;
		int ours = 0, test = 0;

		backtrace(frames, 4);
		ck_assert_int_eq(uebpf_prog_run(prog, "", 1, NULL, &r0), 0);
		ck_assert_uint_eq(r0, 15);
		names = backtrace_symbols(frames, nr_frames);
		for (int i = 0; i < nr_frames; i++) {
			ours += !uebpf_addr_info(env, frames[i], &info);
			test += strstr(names[i], "check") != NULL || strstr(names[i], "seen_test") != NULL;
		}
		free(names);
		if (flags[k >> 1] == 0 && modes[k & 1] == UEBPF_MODE_TRUSTED) {
			ck_assert_int_ge(ours, 3);	/* f, the program, its entry */
			ck_assert_int_ge(test, 3);
		}
		uebpf_object_free(obj);
		uebpf_env_free(env);
	}
}
END_TEST

static bool file_has(const char *path, const char *what)
{
	static char text[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	return n > 0 && memmem(text, (size_t)n, what, strlen(what));
}

START_TEST(perf_finds_names)
{
	char map[64], dump[64], dir[] = "/tmp/uebpf-seen-XXXXXX";
	struct uebpf_object *obj;
	uint32_t magic = 0;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	snprintf(map, sizeof map, "/tmp/perf-%d.map", getpid());
	snprintf(dump, sizeof dump, "jit-%d.dump", getpid());
	unlink(map);
	obj = load(calls, UEBPF_MODE_TRUSTED, 0);
	ck_assert_int_ne(access(map, F_OK), 0);		/* never by default */
	ck_assert_int_ne(access(dump, F_OK), 0);
	uebpf_object_free(obj);
	uebpf_env_free(env);
	obj = load(calls, UEBPF_MODE_TRUSTED, UEBPF_JIT_PERF_MAP | UEBPF_JIT_JITDUMP);
	ck_assert(file_has(map, "bpf:"));
	ck_assert(file_has(map, "entries"));
	fd = open(dump, O_RDONLY);
	ck_assert_int_eq(read(fd, &magic, 4), 4);
	close(fd);
	ck_assert_uint_eq(magic, 0x4a695444);
	uebpf_object_free(obj);
	uebpf_env_free(env);
	unlink(map);
	unlink(dump);
	/* somebody else's link in our way is not followed */
	ck_assert_int_eq(symlink("/tmp/uebpf-not-there", map), 0);
	obj = load(calls, UEBPF_MODE_TRUSTED, UEBPF_JIT_PERF_MAP);
	ck_assert_int_ne(access("/tmp/uebpf-not-there", F_OK), 0);
	ck_assert_msg(strstr(uebpf_object_log(obj), "perf is not told") != NULL, "%s", uebpf_object_log(obj));
	uebpf_object_free(obj);
	uebpf_env_free(env);
	unlink(map);
	ck_assert_int_eq(chdir("/"), 0);
	rmdir(dir);
}
END_TEST

enum { DUMPERS = 4, DUMPS = 60 };
static void *dump_many(void *arg)
{
	struct uebpf_open_opts o = { .size = sizeof o, .type = "raw", .name = "seen" };
	struct uebpf_load_opts l = { .size = sizeof l, .mode = UEBPF_MODE_TRUSTED, .engine = UEBPF_ENGINE_JIT,
				     .jit_flags = UEBPF_JIT_JITDUMP };

	for (int i = 0; i < DUMPS; i++) {
		struct uebpf_object *obj = uebpf_object_open_text(env, "r0 = 1\nexit\n", &o, NULL);

		if (!obj || uebpf_object_load(obj, &l, NULL) || *uebpf_object_log(obj))
			return arg;
		uebpf_object_free(obj);
	}
	return NULL;
}

/* Whole records whoever writes at the same time, each with a number of its own though addresses come again. */
START_TEST(a_dump_is_whole)
{
	static struct { uint32_t id, size; uint64_t time, task, vma, addr, bytes, index; } rec;
	char dump[64], dir[] = "/tmp/uebpf-dump-XXXXXX";
	uint64_t last = 0, at = 40, nr = 0;
	pthread_t thread[DUMPERS];
	void *failed;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	env = uebpf_env_new(NULL);
	for (int i = 0; i < DUMPERS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, dump_many, env), 0);
	for (int i = 0; i < DUMPERS; i++) {
		pthread_join(thread[i], &failed);
		ck_assert_ptr_null(failed);
	}
	snprintf(dump, sizeof dump, "jit-%d.dump", getpid());
	fd = open(dump, O_RDONLY);
	while (pread(fd, &rec, sizeof rec, (off_t)at) == sizeof rec) {
		ck_assert_msg(!rec.id && rec.size == sizeof rec + sizeof "main" + rec.bytes, "record %u of %u bytes at %lu",
			      rec.id, rec.size, at);
		ck_assert_uint_gt(rec.index, last);
		last = rec.index;
		at += rec.size;
		nr++;
	}
	ck_assert_uint_eq(nr, DUMPERS * DUMPS);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)at);
	close(fd);
	uebpf_env_free(env);
	unlink(dump);
	ck_assert_int_eq(chdir("/"), 0);
	rmdir(dir);
}
END_TEST

/* GDB, started on this very process, names the program's functions in a backtrace from the helper. */
static int gdb_status = -1;
static char gdb_text[1 << 16];
static uint64_t ask_gdb(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	char cmd[256];
	FILE *f;

	(void)r1, (void)r2, (void)r3, (void)r4, (void)r5, (void)call;
	snprintf(cmd, sizeof cmd, "gdb -q -batch -p %d -ex 'info symbol %p' 2>&1", getpid(), __builtin_return_address(0));
	f = popen(cmd, "r");
	gdb_text[fread(gdb_text, 1, sizeof gdb_text - 1, f)] = 0;
	gdb_status = pclose(f);
	return 7;
}

START_TEST(gdb_names_functions)
{
	struct uebpf_open_opts o = { .size = sizeof o, .type = "raw" };
	struct uebpf_load_opts l = { .size = sizeof l, .mode = UEBPF_MODE_TRUSTED, .engine = UEBPF_ENGINE_JIT,
				     .jit_flags = UEBPF_JIT_GDB };
	struct uebpf_object *obj;
	struct uebpf_error err;
	uint64_t r0;

	if (access("/usr/bin/gdb", X_OK)) {
		printf("skip: gdb is not installed\n");
		return;
	}
	env = uebpf_env_new(NULL);
	uebpf_env_add_helper(env, 0, "ask", "u64 (scalar)", ask_gdb, NULL, &err);
	obj = uebpf_object_open_text(env, calls, &o, &err);
	ck_assert_msg(!uebpf_object_load(obj, &l, &err), "%s", err.text);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), "", 1, NULL, &r0), 0);
	if (strstr(gdb_text, "ptrace"))
		printf("skip: gdb may not attach here\n");
	else
		ck_assert_msg(strstr(gdb_text, "bpf:") != NULL, "%s", gdb_text);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

/* A blinded program's constant is nowhere in its code, nor one beside it (a borrow of a known half made k - 1 of it
 * once); an unblinded one's is. */
START_TEST(blinding_hides_constants)
{
	static const char text[] = "r0 = *(u64 *)(r1 + 0)\nr0 ^= 0x31c0909\nif r0 == 0x3cd9090 goto +1\nr0 += 1\n"
				   "r0 *= -0x29d3c7b1\nr0 += 0x5ca31415\nr1 = 0x7b1379d246f8ace5 ll\nr0 ^= r1\nexit\n";
	static const uint32_t hidden[] = { 0x31c0909, 0x3cd9090, -0x29d3c7b1u, 0x5ca31415, 0x7b1379d2, 0x46f8ace5 };
	uint64_t mem[2] = { 5, 6 }, r0;
	uint64_t want = (((5 ^ 0x31c0909) + 1) * -0x29d3c7b1ull + 0x5ca31415) ^ 0x7b1379d246f8ace5;

	for (uint32_t flags = 0; flags < 8; flags++) {
		struct uebpf_object *obj = load(text, UEBPF_MODE_TRUSTED, flags);
		struct uebpf_prog_info info = { .size = sizeof info };
		const uint8_t *code = (const uint8_t *)(uintptr_t)uebpf_prog_entry(prog);

		uebpf_prog_info(prog, &info);
		ck_assert_ptr_nonnull(code);
		for (size_t k = 0; k < sizeof hidden / sizeof *hidden; k++)
			for (uint32_t by = 0; by < 3; by++) {
				uint32_t needle = hidden[k] + by - 1;
				bool seen = memmem(code, info.code_bytes - 32, &needle, 4) != NULL;

				ck_assert_msg(seen == (by == 1 && !(flags & UEBPF_JIT_BLIND)), "%#x is %sthere, flags %u", needle,
					      seen ? "" : "not ", flags);
			}
		ck_assert_int_eq(!memcmp(code, "\xf3\x0f\x1e\xfa", 4), !!(flags & UEBPF_JIT_ENDBR));
		ck_assert_int_eq(uebpf_prog_run(prog, mem, sizeof mem, NULL, &r0), 0);
		ck_assert_uint_eq(r0, want);
		uebpf_object_free(obj);
		uebpf_env_free(env);
	}
}
END_TEST

/* Every place of the code that something goes to by an address begins with endbr64, and runs. */
START_TEST(whatever_is_gone_to_by_address_is_marked)
{
	static const struct { const char *text, *type; } programs[] = {
		{ calls, "raw" },
		{ "r0 = *(u32 *)(r1 + 0)\nr0 += r2\nexit\n", "raw" },
		{ "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = 1\nr2 += 14\nif r2 > r3 goto +1\nr0 = 2\nexit\n", "xdp" },
		{ "r1 = 9\nr2 = func f ll\nr3 = 5\nr4 = 0\ncall 181\nexit\nf:\nr0 = 0\nexit\n", "raw" },
	};
	unsigned seen = 0;

	for (unsigned i = 0; i < 8; i++) {
		struct uebpf_open_opts o = { .size = sizeof o, .type = programs[i / 2].type, .name = "seen" };
		struct uebpf_load_opts l = { .size = sizeof l, .engine = UEBPF_ENGINE_JIT, .jit_flags = UEBPF_JIT_ENDBR,
					     .mode = i & 1 ? UEBPF_MODE_CHECKED : UEBPF_MODE_TRUSTED };
		struct uebpf_object *obj;
		const struct jit_code *jit;
		struct uebpf_error err;

		env = uebpf_env_new(NULL);
		uebpf_env_add_helper(env, 0, "look", "u64 (scalar)", look, NULL, &err);
		obj = uebpf_object_open_text(env, programs[i / 2].text, &o, &err);
		ck_assert_msg(obj && !uebpf_object_load(obj, &l, &err), "%s", err.text);
		jit = uebpf_object_prog(obj, NULL)->code->jit;
		const void *at[] = { (const void *)(uintptr_t)jit->plain, (const void *)(uintptr_t)jit->bare,
				     (const void *)(uintptr_t)jit->full, (const void *)(uintptr_t)jit->tame,
				     (const void *)(uintptr_t)jit->callback, jit->tail, jit->result,
				     (const void *)(uintptr_t)jit->batch, (const void *)(uintptr_t)jit->packets,
				     jit->text + jit->sub_off[0], jit->text + jit->sub_off[jit->code->nr_sub - 1] };

		for (unsigned k = 0; k < sizeof at / sizeof *at; k++) {
			ck_assert_msg(!at[k] || !memcmp(at[k], "\xf3\x0f\x1e\xfa", 4), "program %u, address %u", i, k);
			seen |= at[k] ? 1u << k : 0;
		}
		uebpf_object_free(obj);
		uebpf_env_free(env);
	}
	ck_assert_uint_eq(seen, (1u << 11) - 1);
}
END_TEST

/* pthread_cancel inside a helper unwinds the thread through compiled code; its cleanup runs. */
static int cleaned;
static void clean(void *arg) { (void)arg; cleaned = 1; }
static uint64_t wait_here(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	(void)r1, (void)r2, (void)r3, (void)r4, (void)r5, (void)call;
	pause();
	return 0;
}
static bool in_batch;
static void *victim(void *arg)
{
	uint64_t r0;

	pthread_cleanup_push(clean, NULL);
	if (in_batch)
		uebpf_prog_run_batch(arg, "", 1, 1, &r0, NULL);
	else
		uebpf_prog_run(arg, "", 1, NULL, &r0);
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(a_thread_in_a_helper_can_be_cancelled)
{
	struct uebpf_open_opts o = { .size = sizeof o, .type = "raw" };
	static const uint32_t modes[] = { UEBPF_MODE_TRUSTED, UEBPF_MODE_CHECKED };
	struct uebpf_load_opts l = { .size = sizeof l, .engine = UEBPF_ENGINE_JIT };
	struct uebpf_object *obj;
	struct uebpf_error err;
	pthread_t thread;

#ifdef __SANITIZE_ADDRESS__
	printf("skip: AddressSanitizer does not follow a cancelled thread's unwinding\n");
	return;
#endif
	for (int k = 0; k < 4; k++) {
		l.mode = modes[k & 1];
		in_batch = k > 1;
		cleaned = 0;
		env = uebpf_env_new(NULL);
		uebpf_env_add_helper(env, 0, "wait", "u64 (scalar)", wait_here, NULL, &err);
		obj = uebpf_object_open_text(env, calls, &o, &err);
		ck_assert_int_eq(uebpf_object_load(obj, &l, &err), 0);
		pthread_create(&thread, NULL, victim, (void *)(uintptr_t)uebpf_object_prog(obj, NULL));
		usleep(20000);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		ck_assert_int_eq(cleaned, 1);
		uebpf_object_free(obj);
		uebpf_env_free(env);
	}
}
END_TEST

int main(void)
{
	TCase *t = test_case("jit/seen", 60);
	char words[256];

	uebpf_features(words, sizeof words);
	if (!strstr(words, "jit=")) {
		printf("skip: no JIT here\n");
		return 0;
	}
	tcase_add_test(t, an_address_tells_its_program);
	tcase_add_test(t, unwinding_passes_through);
	tcase_add_test(t, perf_finds_names);
	tcase_add_test(t, a_dump_is_whole);
	tcase_add_test(t, gdb_names_functions);
	tcase_add_test(t, blinding_hides_constants);
	tcase_add_test(t, whatever_is_gone_to_by_address_is_marked);
	tcase_add_test(t, a_thread_in_a_helper_can_be_cancelled);
	return run_tests();
}
