/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* api.h - small tools that the API's tests share. */
#ifndef TESTS_API_H
#define TESTS_API_H

#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The build tree that this test belongs to: .../tests/api/x_test -> ... */
static inline const char *build_dir(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int up;

	if (n <= 0)
		exit(1);
	path[n] = '\0';
	for (up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	return path;
}

static inline struct uebpf_object *open_text(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_open_opts o = { .size = sizeof(o), .type = type };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_text(env, text, &o, &err);

	ck_assert_msg(obj != NULL, "%s", err.text);
	return obj;
}

static inline struct uebpf_object *load_text(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_object *obj = open_text(env, text, type);
	struct uebpf_error err;

	ck_assert_msg(!uebpf_object_load(obj, NULL, &err), "%s", err.text);
	return obj;
}

/* For tests of faults, budgets and traces: programs that the verifier would refuse. */
static inline struct uebpf_object *load_text_checked(struct uebpf_env *env, const char *text, const char *type)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .mode = UEBPF_MODE_CHECKED };
	struct uebpf_object *obj = open_text(env, text, type);
	struct uebpf_error err;

	ck_assert_msg(!uebpf_object_load(obj, &o, &err), "%s", err.text);
	return obj;
}

/* ---- an allocator that counts, checks the sizes it is given back, and fails on demand ---- */

struct ledger { size_t live, blocks, calls, fail_at; };
struct block { size_t size; size_t pad; };

static inline void *counted(void *ctx, void *old, size_t old_size, size_t new_size)
{
	struct ledger *l = ctx;
	struct block *b = old ? (struct block *)old - 1 : NULL, *moved;

	if (b)
		ck_assert_uint_eq(b->size, old_size);
	else
		ck_assert_uint_eq(old_size, 0);
	if (!new_size) {
		l->live -= old_size;
		l->blocks -= b != NULL;
		free(b);
		return NULL;
	}
	if (++l->calls == l->fail_at)
		return NULL;
	moved = realloc(b, sizeof(*b) + new_size);
	ck_assert_ptr_nonnull(moved);
	moved->size = new_size;
	l->live += new_size - old_size;
	l->blocks += !old;
	return moved + 1;
}

static inline struct uebpf_env *counted_env(struct ledger *l)
{
	struct uebpf_env_opts o = { .size = sizeof(o), .alloc = counted, .alloc_ctx = l };

	return uebpf_env_new(&o);
}

/* From now on everything but exit_group kills the process (77: it cannot be had here). */
static inline void only_exit_group(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog fprog = { 4, filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog))
		syscall(SYS_exit_group, 77);
}

static inline int run_suite(const char *name, void (*fill)(TCase *tc))
{
	fill(test_case(name, 60));
	return run_tests();
}

/* Sums bytes 0..7 of the memory in a loop: r1 = memory, r2 = length. */
#define SUM8 \
	"r0 = 0\n" \
	"if r2 < 8 goto out\n" \
	"r3 = 0\n" \
	"again:\n" \
	"r4 = r1\n" \
	"r4 += r3\n" \
	"r4 = *(u8 *)(r4 + 0)\n" \
	"r0 += r4\n" \
	"r3 += 1\n" \
	"if r3 < 8 goto again\n" \
	"out:\n" \
	"exit\n"

#endif
