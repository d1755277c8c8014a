/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verify.c - our verification beside the kernel's of the same programs: median of interleaved rounds with
 * the 95 % interval of the median, instructions, explored instructions, states, and the most memory that opening
 * and loading held at once.
 *   verify object.o [rounds] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#endif
#include "include/uebpf.h"

enum { MAX_ROUNDS = 1001 };
static const char *path;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void cell(double *v, int n)
{
	int d = 1;

	if (!n) {
		printf(" - |");
		return;
	}
	while ((d + 1) * (d + 1) <= n)
		d++;
	qsort(v, (size_t)n, sizeof *v, by_value);
	printf(" %.0f us [%.0f, %.0f] |", v[n / 2], v[n / 2 - d > 0 ? n / 2 - d : 0], v[n / 2 + d < n ? n / 2 + d : n - 1]);
}

#ifdef HAVE_LIBBPF
static int quiet(enum libbpf_print_level level, const char *text, va_list ap)
{
	(void)level;
	(void)text;
	(void)ap;
	return 0;
}

/* Time of BPF_PROG_LOAD alone, in us; < 0: refused. */
static double kernel_once(const char *name)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *p = obj ? bpf_object__find_program_by_name(obj, name) : NULL;
	double start, us;
	int fd;

	if (!p)
		return -1;
	start = now_us();
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, NULL, "GPL", bpf_program__insns(p), bpf_program__insn_cnt(p), NULL);
	us = now_us() - start;
	bpf_object__close(obj);
	if (fd < 0)
		return -1;
	close(fd);
	return us;
}
#else
static double kernel_once(const char *name)
{
	(void)name;
	return -1;
}
#endif

static size_t held, most_held;

static void *counted(void *ctx, void *old, size_t old_size, size_t new_size)
{
	void *p = NULL;

	(void)ctx;
	if (!new_size)
		free(old);
	else if (!(p = realloc(old, new_size)))
		return NULL;
	held += new_size - old_size;
	most_held = held > most_held ? held : most_held;
	return p;
}

static double ours_once(struct uebpf_env *env, const char *name, struct uebpf_prog_info *out)
{
	struct uebpf_load_opts lo = { .size = sizeof lo, .mode = UEBPF_MODE_VERIFIED, .engine = UEBPF_ENGINE_INTERP };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_file(env, path, NULL, &err);
	const struct uebpf_prog *p;

	if (!obj || uebpf_object_load(obj, &lo, &err) || !(p = uebpf_object_prog(obj, name)) ||
	    uebpf_prog_error(p, &err)) {
		fprintf(stderr, "%s: %s\n", name, err.text);
		exit(1);
	}
	out->size = sizeof *out;
	uebpf_prog_info(p, out);
	uebpf_object_free(obj);
	return (double)out->verify_ns / 1e3;
}

int main(int argc, char **argv)
{
	static double ours[MAX_ROUNDS], kernel[MAX_ROUNDS];
	int rounds = argc > 2 ? atoi(argv[2]) : 31, n;
	static const char *const names[] = { "straight_50", "state_machine", "sieve", "packet_10k" };
	struct uebpf_prog_info st = { .size = sizeof st };
	struct uebpf_env_opts eo = { .size = sizeof eo, .alloc = counted };
	struct uebpf_env *env = uebpf_env_new(&eo);

	if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS)
		return fprintf(stderr, "usage: verify object.o [rounds up to %d]\n", MAX_ROUNDS), 2;
	path = argv[1];
#ifdef HAVE_LIBBPF
	libbpf_set_print(quiet);
#endif
	puts("| program | instructions | ours: verify | kernel: BPF_PROG_LOAD | explored | states | memory |\n|---|---|---|---|---|---|---|");
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		n = 0;
		most_held = held;
		for (int r = 0; r < rounds; r++) {
			double k;

			ours[r] = ours_once(env, names[i], &st);
			k = kernel_once(names[i]);
			if (k >= 0)
				kernel[n++] = k;
		}
		printf("| %s | %u |", names[i], (unsigned)st.insns);
		cell(ours, rounds);
		cell(kernel, n);
		printf(" %llu | %llu | %.1f MB |\n", (unsigned long long)st.verify_insns, (unsigned long long)st.verify_states,
		       (double)most_held / 1e6);
	}
	uebpf_env_free(env);
	return 0;
}
