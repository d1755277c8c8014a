/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inline.c - what a tail call, a reading of the clock and a round of bpf_for_each_map_elem cost beside the same C
 * built by clang (bench/objects/inline.bpf.c): the slope between programs with few and with many of them, samples of
 * both sides taking turns; medians with the 95 % interval by ranks.   inline FILE.o */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "include/uebpf.h"

enum { SAMPLES = 101, LINKS = 34 };
typedef uint64_t native_fn(void *ctx, size_t len, void *host);
extern native_fn *native_next[40];
native_fn native_time_1, native_time_33, native_each_1, native_each_257;
#define L(n) native_link_##n
#define LINKS_ L(0), L(1), L(2), L(3), L(4), L(5), L(6), L(7), L(8), L(9), L(10), L(11), L(12), L(13), L(14), L(15), L(16), \
	L(17), L(18), L(19), L(20), L(21), L(22), L(23), L(24), L(25), L(26), L(27), L(28), L(29), L(30), L(31), L(32), L(33)
native_fn LINKS_;
static native_fn *const native_link[LINKS] = { LINKS_ };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_entry(native_fn *volatile entry)
{
	enum { RUNS = 1000 };
	double from = now();

	for (int i = 0; i < RUNS; i++)
		entry(NULL, 0, NULL);
	return (now() - from) / RUNS;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void compare(const char *what, const char *unit, int more, native_fn *few, native_fn *many, native_fn *our_few,
		    native_fn *our_many)
{
	enum { HALF = 9 };	/* 0.98 sqrt(SAMPLES) */
	static double native[SAMPLES], ours[SAMPLES];

	if (!our_few || !our_many || few(NULL, 0, NULL) != our_few(NULL, 0, NULL) ||
	    many(NULL, 0, NULL) != our_many(NULL, 0, NULL))
		exit(fprintf(stderr, "bench: %s: results differ, or there is no JIT\n", what));
	for (int i = 0; i < SAMPLES; i++) {
		double a = time_entry(few), b = time_entry(our_few), c = time_entry(many), d = time_entry(our_many);

		native[i] = (c - a) / more;
		ours[i] = (d - b) / more;
	}
	qsort(native, SAMPLES, sizeof *native, by_value);
	qsort(ours, SAMPLES, sizeof *ours, by_value);
	printf("| %s | %.2f [%.2f, %.2f] | %.2f [%.2f, %.2f] | %s | %.2f x, %+.2f |\n", what, native[SAMPLES / 2],
	       native[SAMPLES / 2 - HALF], native[SAMPLES / 2 + HALF], ours[SAMPLES / 2], ours[SAMPLES / 2 - HALF],
	       ours[SAMPLES / 2 + HALF], unit, ours[SAMPLES / 2] / native[SAMPLES / 2], ours[SAMPLES / 2] - native[SAMPLES / 2]);
}

int main(int argc, char **argv)
{
	struct uebpf_open_opts o = { .size = sizeof o, .type = "raw" };
	struct uebpf_load_opts l = { .size = sizeof l, .mode = UEBPF_MODE_VERIFIED, .engine = UEBPF_ENGINE_JIT };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_file(uebpf_env_new(NULL), argc > 1 ? argv[1] : "", &o, &err);
	char name[32];

	if (!obj || uebpf_object_load(obj, &l, &err))
		return fprintf(stderr, "bench: %s\n", err.text), 1;
	for (int i = 0; i < LINKS; i++) {
		snprintf(name, sizeof name, "link_%d", i);
		native_next[i] = native_link[i];
		if (uebpf_map_set_prog(uebpf_object_map(obj, "next"), (uint32_t)i, uebpf_object_prog(obj, name)))
			return fprintf(stderr, "bench: %s has no place\n", name), 1;
	}
#define OURS(name) uebpf_prog_entry(uebpf_object_prog(obj, name))
	compare("tail call", "ns a call", 32, native_link_32, native_link_0, OURS("link_32"), OURS("link_0"));
	compare("bpf_ktime_get_ns", "ns a call", 32, native_time_1, native_time_33, OURS("time_1"), OURS("time_33"));
	compare("bpf_for_each_map_elem, array", "ns an element", 256, native_each_1, native_each_257, OURS("each_1"),
		OURS("each_257"));
	return 0;
}
