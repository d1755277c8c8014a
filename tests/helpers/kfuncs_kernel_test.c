/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kfuncs_kernel_test.c - kernel functions that programs call by name, here in each mode and engine and in the
 * kernel: the same objects leave the same variables; pages of an arena by lot. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include "include/uebpf_libbpf.h"
#endif
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

#ifdef HAVE_LIBBPF
static const struct { const char *name; uint32_t mode, engine, policy; const char *no_rules; } arms[] = {
	{ "checked, interpreter", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP, 0, NULL },
	{ "checked, jit", UEBPF_MODE_CHECKED, UEBPF_ENGINE_JIT, 0, NULL },
	{ "trusted, jit", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_JIT, 0, NULL },
	{ "verified, interpreter", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP, 0, NULL },
	{ "verified, jit", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT, UEBPF_POLICY_KERNEL, NULL },
	{ "verified, jit, no helper inlined", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT, 0, "inline" },
};
enum { ARMS = sizeof arms / sizeof arms[0] };

struct side {			/* .bss there */
	uint8_t *bytes;
	size_t size;
};

static struct bpf_object *open_kernel(const char *path, struct uebpf_env *env, struct uebpf_map *held[1])
{
	struct bpf_object *kernel;
	struct uebpf_error err;

	libbpf_set_print(NULL);
	kernel = bpf_object__open_file(path, NULL);
	if (!kernel || libbpf_get_error(kernel) || uebpf_kernel_arenas(env, kernel, held, 1, &err) < 0 ||
	    bpf_object__load(kernel)) {
		printf("skip: the kernel does not load %s here\n", path);
		return NULL;
	}
	return kernel;
}

static struct side kernel_bss(struct bpf_object *kernel)
{
	struct bpf_map *m = bpf_object__find_map_by_name(kernel, ".bss");
	struct side s = { .size = bpf_map__value_size(m) };

	s.bytes = mmap(NULL, (s.size + 4095) & ~4095UL, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);
	ck_assert(s.bytes != MAP_FAILED);
	return s;
}

static struct uebpf_object *open_ours(struct uebpf_env *env, const char *path, int arm)
{
	struct uebpf_load_opts opts = { .size = sizeof opts, .mode = arms[arm].mode, .engine = arms[arm].engine,
					.policy = arms[arm].policy, .no_rules = arms[arm].no_rules };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_file(env, path, NULL, &err);

	ck_assert_msg(obj != NULL, "%s", err.text);
	if (uebpf_object_load(obj, &opts, &err)) {
		if (err.code == UEBPF_E_ABSENT)
			printf("skip: %s: %s\n", arms[arm].name, err.text);
		else
			ck_abort_msg("%s: %s", arms[arm].name, err.text);
		uebpf_object_free(obj);
		return NULL;
	}
	return obj;
}

static bool of_packets(const char *name) { return !strncmp(name, "packet", 6); }

static uint32_t run_here(const struct uebpf_prog *prog)
{
	uint8_t bytes[64] = { 0 };
	struct uebpf_packet packet = { .size = sizeof packet, .data = bytes, .data_end = bytes + sizeof bytes };
	uint8_t nothing[64] = { 0 };
	bool tc = of_packets(uebpf_prog_name(prog));
	struct uebpf_run run = { .size = sizeof run };
	struct uebpf_error err;
	uint64_t r0 = 0;
	int status = tc ? uebpf_prog_run(prog, &packet, sizeof packet, &run, &r0) :
		     uebpf_prog_run(prog, nothing, sizeof nothing, &run, &r0);

	if (status)
		uebpf_prog_explain(prog, status, &run, &err);
	ck_assert_msg(!status, "%s: %s", uebpf_prog_name(prog), err.text);
	return (uint32_t)r0;
}

static uint32_t run_there(struct bpf_object *kernel, const char *name)
{
	uint8_t packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (of_packets(name)) {
		opts.data_in = packet;
		opts.data_size_in = sizeof packet;
	}
	ck_assert_int_eq(bpf_prog_test_run_opts(bpf_program__fd(bpf_object__find_program_by_name(kernel, name)), &opts), 0);
	return opts.retval;
}

/* Objects whose programs leave in their variables what they found, and those whose names say what is thought of them. */
static const struct { const char *does, *verdicts; unsigned programs, good, bad; } objects[] = {
	{ "kfuncs.bpf.c", "kfuncs_bad.bpf.c", 12, 5, 15 },
	{ "kfuncs_dynptr.bpf.c", "kfuncs_dynptr_bad.bpf.c", 12, 6, 20 },
};
enum { OBJECTS = sizeof objects / sizeof objects[0] };

/* Variables of both sides after each program; arms one after the other for each object. */
START_TEST(same_variables)
{
	int arm = _i % ARMS, which = _i / ARMS;
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_object *obj;
	struct bpf_object *kernel;
	struct side there;
	uint32_t zero = 0;
	uint8_t *here;
	size_t size;

	OBJECT(path, objects[which].does, "-O2 -g -mcpu=v3");
	obj = open_ours(env, path, arm);
	kernel = obj ? open_kernel(path, env, NULL) : NULL;
	if (kernel) {
		const struct uebpf_prog *prog = NULL;
		unsigned programs = 0;

		there = kernel_bss(kernel);
		here = uebpf_map_value(uebpf_object_map(obj, ".bss"), &zero);
		ck_assert(uebpf_object_global(obj, "out", &size) != NULL);
		while ((prog = uebpf_object_next_prog(obj, prog)))
			for (int round = 0; round < 2; round++, programs++) {
				ck_assert_uint_eq(run_here(prog), run_there(kernel, uebpf_prog_name(prog)));
				for (size_t at = 0; at + 8 <= there.size; at += 8)
					ck_assert_msg(!memcmp(here + at, there.bytes + at, 8),
						      "%s: %s: byte %zu of the variables: %#llx, in the kernel %#llx", arms[arm].name,
						      uebpf_prog_name(prog), at, *(unsigned long long *)(here + at),
						      *(unsigned long long *)(there.bytes + at));
			}
		ck_assert_uint_ge(programs, objects[which].programs);
		munmap(there.bytes, (there.size + 4095) & ~4095UL);
		bpf_object__close(kernel);
	}
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

static bool kernel_takes(const char *path, const char *name)
{
	struct bpf_object *kernel = bpf_object__open_file(path, NULL);
	struct bpf_program *p;
	int err;

	bpf_object__for_each_program(p, kernel)
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p), name));
	err = bpf_object__load(kernel);
	bpf_object__close(kernel);
	return !err;
}

/* The kernel's verdict, its policy's and ours on each program; the first is what its name says.  "form":
 * only the kernel and its policy refuse it. */
START_TEST(same_verdicts)
{
	int which = _i / 2;
	struct uebpf_load_opts opts = { .size = sizeof opts, .mode = UEBPF_MODE_VERIFIED,
					.policy = _i & 1 ? UEBPF_POLICY_KERNEL : UEBPF_POLICY_USER };
	struct uebpf_env *env = uebpf_env_new(NULL);
	const struct uebpf_prog *prog = NULL;
	struct uebpf_object *obj;
	struct uebpf_error err;
	unsigned good = 0, bad = 0;
	bool kernel;

	OBJECT(path, objects[which].verdicts, "-O2 -g -mcpu=v3");
	libbpf_set_print(NULL);
	kernel = kernel_takes(path, which ? "good_buffer" : "good_two");
	if (!kernel)
		printf("skip: the kernel does not load %s here\n", path);
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	uebpf_object_load(obj, &opts, &err);
	while ((prog = uebpf_object_next_prog(obj, prog))) {
		const char *name = uebpf_prog_name(prog);
		bool fine = !strncmp(name, "good", 4), form = !strncmp(name, "form", 4);
		bool here = !uebpf_prog_error(prog, &err), may = form ? opts.policy == UEBPF_POLICY_USER : fine;

		ck_assert_msg(here == may, "%s: %s", name, here ? "accepted" : err.text);
		ck_assert_msg(here || err.code == (form ? UEBPF_E_FORM : UEBPF_E_UNSAFE), "%s: %s", name, err.text);
		if (kernel && !strstr(name, "_alone"))
			ck_assert_msg(kernel_takes(path, name) == fine, "%s: the kernel thinks otherwise", name);
		good += fine;
		bad += !fine && !form;
	}
	ck_assert_uint_ge(good, objects[which].good);
	ck_assert_uint_ge(bad, objects[which].bad);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

/* ---- pages ---- */

enum { PAGE = 4096, PAGES = 200 };
enum what { TAKE, TAKE_AT, GIVE, RESERVE, WRITE, READ, WHATS };
struct io { uint64_t base, at, flags, value; uint32_t what, n; int32_t node; uint32_t pad; int64_t result; };

static uint64_t seed;
static uint32_t pick(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* What the kernel does with pages that nobody took differs on purpose: only taken ones are touched. */
static struct io draw(const bool taken[PAGES])
{
	struct io io = { .what = pick(WHATS), .at = (uint64_t)pick(PAGES) * PAGE, .node = -1, .n = 1 + pick(pick(20) ? 4 : 300),
			 .value = seed };
	uint32_t page = (uint32_t)(io.at / PAGE);

	if (io.what == TAKE)		/* which ones come is nobody's promise: but is there one? */
		io.n = 1;
	if (!pick(40))
		io.flags = 1;
	if (!pick(40))
		io.n = 0;
	if (!pick(40))
		io.node = pick(2) ? 0 : pick(2) ? -2 - (int32_t)pick(5000) : 1024 + (int32_t)pick(5000);
	if (!pick(40) && io.what == TAKE_AT)
		io.at += 8;
	if (!pick(40) && io.what != WRITE && io.what != READ)
		io.at = (uint64_t)(PAGES + pick(3)) * PAGE;
	while ((io.what == WRITE || io.what == READ) && !taken[page])
		if (++page == PAGES)
			io.what = RESERVE;
	if (io.what == WRITE || io.what == READ)
		io.at = (uint64_t)page * PAGE + 8 * pick(512);
	return io;
}

static void compare_pages(const struct uebpf_prog *step, struct bpf_object *kernel, struct io *here, struct io *there)
{
	bool taken[PAGES] = { 0 }, reserved[PAGES] = { 0 };
	uint64_t base[2] = { here->base, there->base };
	unsigned failed = 0, done = 0;

	for (int i = 0; i < 4000; i++) {
		struct io io = draw(taken), again;
		uint32_t first = (uint32_t)(io.at / PAGE);

		*here = *there = io;
		here->base = base[0];
		there->base = base[1];
		run_here(step);
		run_there(kernel, "step");
		if (io.what == TAKE && here->result >= 0 && there->result >= 0 && here->result != there->result) {
			/* go on from the kernel's choice */
			again = io;
			again.what = GIVE;
			again.at = (uint64_t)here->result;
			again.base = base[0];
			*here = again;
			run_here(step);
			again.what = TAKE_AT;
			again.at = (uint64_t)there->result;
			*here = again;
			run_here(step);
		}
		ck_assert_msg(here->result == there->result, "step %d: what %u, at %#llx, n %u, flags %llu, node %d: %lld, the kernel %lld",
			      i, io.what, (unsigned long long)io.at, io.n, (unsigned long long)io.flags, io.node,
			      (long long)here->result, (long long)there->result);
		failed += here->result < 0;
		done += here->result >= 0;
		if (io.what <= TAKE_AT && there->result >= 0)
			for (uint32_t k = 0; k < io.n; k++)
				taken[(uint64_t)there->result / PAGE + k] = true;
		if (io.what == RESERVE && !there->result)
			for (uint32_t k = 0; k < io.n; k++)
				reserved[first + k] = true;
		if (io.what == GIVE)
			for (uint32_t k = 0; k < io.n && first + k < PAGES; k++)
				taken[first + k] = reserved[first + k] = false;
	}
	ck_assert_uint_ge(failed, 200);
	ck_assert_uint_ge(done, 200);
}

START_TEST(pages_by_lot)
{
	const char *path = compile("clang-19", "pages.bpf.c", "-O2 -g -mcpu=v4");
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_map *held[1] = { NULL };
	struct uebpf_object *obj = path ? open_ours(env, path, _i) : NULL;
	struct bpf_object *kernel = obj ? open_kernel(path, env, held) : NULL;
	uint32_t zero = 0;
	size_t size;

	seed = 7 + (uint64_t)_i;
	if (kernel) {
		struct side bss = kernel_bss(kernel);
		struct io *here = uebpf_object_global(obj, "io", &size), *there;

		ck_assert_uint_eq(size, sizeof *here);
		there = (struct io *)(bss.bytes + ((uint8_t *)here - (uint8_t *)uebpf_map_value(uebpf_object_map(obj, ".bss"), &zero)));
		here->base = (uintptr_t)uebpf_map_value(uebpf_object_map(obj, "arena"), NULL);
		there->base = (uintptr_t)uebpf_map_value(held[0], NULL);
		compare_pages(uebpf_object_prog(obj, "step"), kernel, here, there);
		munmap(bss.bytes, (bss.size + 4095) & ~4095UL);
	}
	bpf_object__close(kernel);
	uebpf_object_free(obj);
	uebpf_map_unref(held[0]);
	uebpf_env_free(env);
}
END_TEST
#endif

int main(void)
{
	TCase *t = test_case("kfuncs", 120);

#ifdef HAVE_LIBBPF
	tcase_add_loop_test(t, same_variables, 0, ARMS * OBJECTS);
	tcase_add_loop_test(t, same_verdicts, 0, 2 * OBJECTS);
	tcase_add_loop_test(t, pages_by_lot, 0, ARMS);
#else
	(void)t;
	printf("skip: without libbpf nothing asks the kernel\n");
#endif
	return run_tests();
}
