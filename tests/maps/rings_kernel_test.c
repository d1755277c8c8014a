/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rings_kernel_test.c - a million numbers from a kernel program to a program here and a million back, through the
 * two rings that the halves share; both writers and both readers at work at once, nothing lost, all in order. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef HAVE_LIBBPF
#include "include/uebpf_libbpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

enum { CALLS = 200 };		/* of the kernel's program in one system call */
struct halves {
	struct bpf_object *kernel;
	struct uebpf_env *env;
	struct uebpf_object *user;
	uint64_t *theirs[4], *ours[4], *limits[2];	/* written, refused, read, wrong; the kernel's are mapped */
	struct uebpf_map *bss;
	int stop;
};

static const char *const counters[] = { "written", "refused", "read", "wrong" };

/* A counter of the kernel half: its offset from that object's own types, since the halves' may differ. */
static uint64_t *of_kernel(struct halves *h, uint8_t *bss, const char *name)
{
	struct btf *btf = bpf_object__btf(h->kernel);
	const struct btf_type *sec = btf__type_by_id(btf, btf__find_by_name_kind(btf, ".bss", BTF_KIND_DATASEC));
	const struct btf_var_secinfo *v = btf_var_secinfos(sec);

	for (int i = 0; i < btf_vlen(sec); i++)
		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, v[i].type)->name_off), name))
			return (uint64_t *)(bss + v[i].offset);
	ck_abort_msg("no %s", name);
	return NULL;
}

static uint64_t get(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

static bool open_halves(struct halves *h, const char *kern, const char *user)
{
	struct uebpf_kernel_opts open = { .size = sizeof open };
	struct uebpf_error err = { 0 };
	struct bpf_map *m;
	uint32_t zero = 0;

	h->kernel = bpf_object__open_file(kern, NULL);
	ck_assert(!libbpf_get_error(h->kernel));
	if (bpf_object__load(h->kernel)) {
		printf("skip: the kernel refuses the programs: %s\n", strerror(errno));
		return false;
	}
	h->env = uebpf_env_new(NULL);
	h->user = uebpf_object_open_file(h->env, user, NULL, &err);
	ck_assert_msg(h->user != NULL, "%s", err.text);
	ck_assert_msg(uebpf_share_kernel(h->env, h->user, h->kernel, NULL, &err) == 2, "%s", err.text);
	ck_assert_msg(!uebpf_object_load(h->user, NULL, &err), "%s", err.text);
	bpf_object__for_each_map(m, h->kernel)
		if (!strcmp(uebpf_kernel_map_name(m), ".bss"))
			open.fd = bpf_map__fd(m);
	h->bss = uebpf_map_from_kernel(h->env, &open, &err);
	ck_assert_msg(h->bss != NULL, "%s", err.text);
	for (int i = 0; i < 4; i++) {
		h->theirs[i] = of_kernel(h, uebpf_map_value(h->bss, &zero), counters[i]);
		h->ours[i] = uebpf_object_global(h->user, counters[i], NULL);
	}
	h->limits[0] = of_kernel(h, uebpf_map_value(h->bss, &zero), "limit");
	h->limits[1] = uebpf_object_global(h->user, "limit", NULL);
	return true;
}

/* The kernel's side: writes and reads in turns. */
static void *kernel_side(void *arg)
{
	struct halves *h = arg;
	uint8_t packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = packet, .data_size_in = sizeof packet);
	int produce = bpf_program__fd(bpf_object__find_program_by_name(h->kernel, "produce"));
	int consume = bpf_program__fd(bpf_object__find_program_by_name(h->kernel, "consume"));

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		t.repeat = CALLS;
		ck_assert_int_eq(bpf_prog_test_run_opts(produce, &t), 0);
		t.repeat = 1;
		ck_assert_int_eq(bpf_prog_test_run_opts(consume, &t), 0);
	}
	return NULL;
}

static void *run_here(struct halves *h, const char *name)
{
	const struct uebpf_prog *p = uebpf_object_prog(h->user, name);

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE))
		ck_assert_int_eq(uebpf_prog_run(p, NULL, 0, NULL, NULL), 0);
	return NULL;
}

static void *writer(void *arg) { return run_here(arg, "produce"); }
static void *reader(void *arg) { return run_here(arg, "consume"); }

START_TEST(a_million_each_way_without_loss)
{
	static void *(*const side[])(void *) = { kernel_side, writer, reader };
	uint64_t n = getenv("SOAK") ? 10000000 : 1000000;
	static struct halves h;
	pthread_t thread[3];
	time_t end = time(NULL) + 100;

	OBJECT(kern, "rings.bpf.c", "-O2 -g -mcpu=v3 -DKERNEL");
	OBJECT(user, "rings.bpf.c", "-O2 -g -mcpu=v3");
	if (!open_halves(&h, kern, user))
		return;
	*h.limits[0] = *h.limits[1] = n;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, side[i], &h), 0);
	while ((get(h.theirs[2]) < n || get(h.ours[2]) < n) && time(NULL) < end)
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	__atomic_store_n(&h.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(*h.theirs[0], n);
	ck_assert_uint_eq(*h.ours[2], n);	/* down */
	ck_assert_uint_eq(*h.ours[0], n);
	ck_assert_uint_eq(*h.theirs[2], n);	/* up */
	ck_assert_uint_eq(*h.ours[3] + *h.theirs[3], 0);
	printf("full rings met by the kernel %llu times, here %llu times\n", (unsigned long long)*h.theirs[1],
	       (unsigned long long)*h.ours[1]);
	uebpf_map_unref(h.bss);
	uebpf_object_free(h.user);
	uebpf_env_free(h.env);
	bpf_object__close(h.kernel);
}
END_TEST
#endif

int main(void)
{
	TCase *t = test_case("rings with the kernel", 240);

#ifdef HAVE_LIBBPF
	tcase_add_test(t, a_million_each_way_without_loss);
#else
	printf("skip: rings with the kernel: built without libbpf\n");
#endif
	return run_tests();
}
