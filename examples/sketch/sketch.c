/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sketch.c - one object in the kernel and here: are the tables the same, how far are the estimates off, what does
 * a packet cost.  The kernel's tables are read through its own memory.
 *	sketch SKETCH.o [--quick] */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uebpf_libbpf.h>
#include "sketch.h"

enum { FLOWS = 10000, PACKET = 64, ARMS = 3, VARIANTS = 6 };
static const double ps[] = { .01, .1, .5, 1 };
static unsigned same_packets = 100000, trace_packets = 1000000, timed = 200000, rounds = 9;
static struct flow flows[FLOWS];
static uint32_t truth[FLOWS], *trace;
static double norm;			/* ||f||2 */
static uint8_t packet[PACKET];
static uint32_t drawn[GEOMETRIC];

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "sketch: %s: %s\n", what, why);
	exit(1);
}

/* Of this thread alone: the kernel's test runs leave out the time of others too. */
static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t random64(void)
{
	static uint64_t s = 88172645463325252;

	s ^= s << 13;
	s ^= s >> 7;
	return s ^= s << 17;
}

static double uniform(void)	/* (0, 1] */
{
	return (double)((random64() >> 11) + 1) / 9007199254740992.0;
}

/* ---- input: a Zipf trace ---- */

static void make_trace(void)
{
	static double sum[FLOWS];
	double all = 0;

	for (int i = 0; i < FLOWS; i++) {
		uint64_t r = random64();

		flows[i] = (struct flow){ (uint32_t)r, (uint32_t)(r >> 32), (uint16_t)random64(), 53, 17 };
		sum[i] = all += 1.0 / (i + 1);
	}
	trace = malloc(trace_packets * sizeof *trace);
	if (!trace)
		fail("trace", "no memory");
	for (unsigned n = 0; n < trace_packets; n++) {
		double want = uniform() * all;
		int lo = 0, hi = FLOWS - 1;

		while (lo < hi) {
			int mid = (lo + hi) / 2;

			if (sum[mid] < want)
				lo = mid + 1;
			else
				hi = mid;
		}
		trace[n] = (uint32_t)lo;
		truth[lo]++;
	}
	for (int i = 0; i < FLOWS; i++)
		norm += (double)truth[i] * truth[i];
	norm = sqrt(norm);
}

static void set_packet(const struct flow *f)
{
	memset(packet, 0, sizeof packet);
	packet[12] = 8;
	packet[14] = 0x45;
	packet[17] = PACKET - 14;
	packet[22] = 64;
	packet[23] = f->proto;
	memcpy(packet + 26, &f->src, 4);
	memcpy(packet + 30, &f->dst, 4);
	memcpy(packet + 34, &f->sport, 2);
	memcpy(packet + 36, &f->dport, 2);
}

/* ---- the two sides ---- */

struct side {
	const char *name;
	struct uebpf_object *obj;	/* user space; else */
	struct bpf_object *kernel;
	struct uebpf_map *held[5];
	struct table *tables;
	struct meta *metas;
	struct univmon *levels;
	uint64_t *geometric;
	struct setup *setup;
};

static void *value(struct side *s, const char *name, struct uebpf_env *env, int slot)
{
	struct uebpf_kernel_opts open = { .size = sizeof open };
	struct uebpf_error err = { 0 };
	struct uebpf_map *map;
	uint32_t zero = 0;
	void *v;

	if (s->obj) {
		map = uebpf_object_map(s->obj, name);
	} else {
		open.fd = bpf_map__fd(bpf_object__find_map_by_name(s->kernel, name));
		map = s->held[slot] = uebpf_map_from_kernel(env, &open, &err);
	}
	v = map ? uebpf_map_value(map, &zero) : NULL;
	return v ? v : (fail(name, *err.text ? err.text : "no such map"), NULL);
}

static void bind(struct side *s, struct uebpf_env *env)
{
	s->tables = value(s, "tables", env, 0);
	s->metas = value(s, "metas", env, 1);
	s->levels = value(s, "levels", env, 2);
	s->geometric = value(s, "geometric", env, 3);
	s->setup = value(s, ".data.setup", env, 4);
}

static void load_user(struct side *s, const char *name, uint32_t engine, const char *path)
{
	struct uebpf_env_opts opts = { .size = sizeof opts, .engine = engine };
	struct uebpf_env *env = uebpf_env_new(&opts);
	struct uebpf_error err;

	s->name = name;
	s->obj = uebpf_object_open_file(env, path, NULL, &err);
	if (!s->obj || uebpf_object_load(s->obj, NULL, &err))
		fail(path, err.text);
	bind(s, env);
}

static int load_kernel(struct side *s, const char *path)
{
	s->name = "kernel";
	s->kernel = bpf_object__open_file(path, NULL);
	if (libbpf_get_error(s->kernel) || bpf_object__load(s->kernel)) {
		printf("skip: sketch: the kernel side: %s (CAP_BPF and CAP_NET_ADMIN are needed)\n", strerror(errno));
		return 0;
	}
	bind(s, uebpf_env_new(NULL));
	return 1;
}

/* Empty tables, sampling probability p, the same geometric values on both sides. */
static void reset(struct side *s, double p)
{
	memset(s->tables, 0, sizeof *s->tables * CPUS);
	memset(s->levels, 0, sizeof *s->levels * CPUS);
	s->setup->threshold = p < 1 ? (uint32_t)(p * 4294967296.0) - 1 : UINT32_MAX;
	s->setup->increment = (uint32_t)lround(1 / p);
	for (int i = 0; i < GEOMETRIC; i++)
		s->geometric[i] = drawn[i];
	for (int cpu = 0; cpu < CPUS; cpu++) {
		s->metas[cpu].at = 0;
		s->metas[cpu].next = drawn[GEOMETRIC - 1] - 1;
		memcpy(s->metas[cpu].geometric, drawn, sizeof drawn);
	}
}

static void draw(double p)
{
	for (int i = 0; i < GEOMETRIC; i++)
		drawn[i] = p < 1 ? (uint32_t)(log(uniform()) / log(1 - p)) + 1 : 1;
}

struct runner { const struct uebpf_prog *prog; int fd; };
static struct runner find(struct side *s, const char *name)
{
	struct runner r = { NULL, -1 };
	struct uebpf_error err;

	if (s->kernel) {
		r.fd = bpf_program__fd(bpf_object__find_program_by_name(s->kernel, name));
		return r;
	}
	r.prog = uebpf_object_prog(s->obj, name);
	if (!r.prog || uebpf_prog_error(r.prog, &err))
		fail(name, "not loaded");
	return r;
}

static double kernel_run(int fd, unsigned times)
{
	LIBBPF_OPTS(bpf_test_run_opts, t, .data_in = packet, .data_size_in = sizeof packet, .repeat = (int)times);

	if (bpf_prog_test_run_opts(fd, &t))
		fail("BPF_PROG_TEST_RUN", strerror(errno));
	return t.duration;
}

static void run(struct runner r, unsigned times)
{
	struct uebpf_packet p = { .size = sizeof p, .data = packet, .data_end = packet + sizeof packet };

	if (r.fd >= 0) {
		kernel_run(r.fd, times);
		return;
	}
	while (times--)
		if (uebpf_prog_run(r.prog, &p, sizeof p, NULL, NULL))
			fail("run", "it failed");
}

static double timing(struct runner r)
{
	double start;

	if (r.fd >= 0)
		return kernel_run(r.fd, timed);
	start = now_ns();
	run(r, timed);
	return (now_ns() - start) / timed;
}

/* ---- 1: the same tables ---- */

static int compare(struct side *user, struct side *kernel)
{
	static const char *const name[] = { "count_min", "count_sketch", "univmon", "nitro2", "nitro3", "nitro4", "nitro5",
					    "nitro6" };
	int bad = 0;

	draw(.1);
	for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
		struct runner u = find(user, name[i]), k = find(kernel, name[i]);
		uint64_t sum = 0;
		int same;

		reset(user, .1);
		reset(kernel, .1);
		for (unsigned n = 0; n < same_packets; n++) {
			set_packet(&flows[trace[n]]);
			run(u, 1);
			run(k, 1);
		}
		same = !memcmp(user->tables, kernel->tables, sizeof *user->tables * CPUS) &&
		       !memcmp(user->levels, kernel->levels, sizeof *user->levels * CPUS) &&
		       user->metas[0].at == kernel->metas[0].at;
		for (size_t b = 0; b < sizeof *user->tables / sizeof(int32_t); b++)
			sum += (uint64_t)llabs(((int32_t *)user->tables)[b]);
		for (size_t b = 0; b < sizeof *user->levels / sizeof(int32_t); b++)
			sum += (uint64_t)llabs(((int32_t *)user->levels)[b]);
		printf("%-13s %u packets: tables %s\n", name[i], same_packets,
		       !sum ? "EMPTY" : same ? "the same, byte for byte" : "DIFFER");
		bad |= !same || !sum;
	}
	return bad;
}

/* ---- 2: the error ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of an even number is the mean of the middle two. */
static double estimate(const struct table *t, int variant, const struct flow *f)
{
	uint64_t one = fasthash64(f, ONE_SEED);
	double v[ROWS];

	for (int row = 0; row < ROWS; row++) {
		uint16_t piece = piece_of(variant, f, row, one);

		v[row] = (double)sign(piece) * t->c[row][column(piece)];
	}
	qsort(v, ROWS, sizeof *v, by_value);
	return (v[ROWS / 2 - 1] + v[ROWS / 2]) / 2;
}

static int errors(struct side *s)
{
	int bad = 0;

	printf("\nZipf trace of %u packets, %d flows, ||f||2 = %.0f; error of the %d estimates (bound 3 ||f||2 / "
	       "sqrt(%d) * sqrt(1/p)):\n%-8s %6s %12s %12s %12s %10s\n", trace_packets, FLOWS, norm, FLOWS, COLUMNS, "",
	       "p", "rms", "largest", "bound", "beyond");
	for (int variant = 1; variant <= VARIANTS; variant++)
		for (size_t i = 0; i < sizeof ps / sizeof *ps; i++) {
			double rms = 0, largest = 0, bound = 3 * norm / sqrt(COLUMNS) * sqrt(1 / ps[i]);
			char name[16];
			struct runner r;
			int beyond = 0;

			snprintf(name, sizeof name, "nitro%d", variant);
			r = find(s, name);
			draw(ps[i]);
			reset(s, ps[i]);
			for (unsigned n = 0; n < trace_packets; n++) {
				set_packet(&flows[trace[n]]);
				run(r, 1);
			}
			for (int f = 0; f < FLOWS; f++) {
				double e = fabs(estimate(s->tables, variant, &flows[f]) - truth[f]);

				rms += e * e;
				largest = e > largest ? e : largest;
				beyond += e > bound;
			}
			bad |= beyond > FLOWS / 1000;	/* a median of four rows keeps it with high probability only */
			printf("%-8s %6.2f %12.1f %12.1f %12.1f %10d\n", name, ps[i], sqrt(rms / FLOWS), largest, bound,
			       beyond);
		}
	return bad;
}

/* ---- 3: the cost ---- */

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof *v, by_value);
	return v[n / 2];
}

static void costs(struct side *sides, int n)
{
	double ns[ARMS][VARIANTS + 1][4] = { { { 0 } } }, least = 1e9, jit_worst = 0;

	printf("\nns per packet (median of %u; one packet again and again; kernel: BPF_PROG_TEST_RUN)\n%-14s", rounds, "");
	for (size_t i = 0; i < 4; i++)
		printf("      p = %-4g", ps[i]);
	puts("");
	for (int v = 0; v <= VARIANTS; v++)
		for (size_t i = 0; i < 4; i++) {
			double all[ARMS][16];
			char name[16];

			snprintf(name, sizeof name, v ? "nitro%d" : "empty", v);
			draw(ps[i]);
			set_packet(&flows[0]);
			for (unsigned round = 0; round < rounds; round++)
				for (int a = 0; a < n; a++) {
					if (!round)
						reset(&sides[a], ps[i]);
					all[a][round] = timing(find(&sides[a], name));
				}
			for (int a = 0; a < n; a++)
				ns[a][v][i] = median(all[a], rounds);
		}
	for (int v = 0; v <= VARIANTS; v++)
		for (int a = 0; a < n; a++) {
			char name[16];

			snprintf(name, sizeof name, v ? "nitro%d" : "empty", v);
			printf("%-7s %-6s", a ? "" : name, sides[a].name);
			for (size_t i = 0; i < 4; i++)
				printf("%15.1f", ns[a][v][i]);
			puts("");
		}
	for (int a = 0; a < n; a++) {
		printf("%-14s", "nitro1/nitro6");
		for (size_t i = 0; i < 4; i++) {
			double ratio = ns[a][1][i] / ns[a][VARIANTS][i];

			least = ratio < least ? ratio : least;
			printf("%15.2f", ratio);
		}
		printf("  %s\n", sides[a].name);
	}
	for (int v = 1; v <= VARIANTS && n == ARMS; v++)
		for (size_t i = 0; i < 4; i++)
			jit_worst = fmax(jit_worst, ns[1][v][i] / ns[2][v][i]);
	printf("least nitro1/nitro6: %.2f", least);
	if (n == ARMS)
		printf("; JIT / kernel at most %.2f", jit_worst);
	puts("");
}

int main(int argc, char **argv)
{
	struct side side[ARMS] = { { 0 } };
	cpu_set_t cpu;
	int quick = argc > 2 && !strcmp(argv[2], "--quick"), kernel, bad = 0;

	if (argc < 2)
		fail("usage", "sketch SKETCH.o [--quick]");
	if (quick) {
		same_packets = 10000;
		trace_packets = 100000;
	}
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	sched_setaffinity(0, sizeof cpu, &cpu);	/* both sides count in the same CPU's table */
	make_trace();
	load_user(&side[0], "interp", UEBPF_ENGINE_INTERP, argv[1]);
	load_user(&side[1], "JIT", UEBPF_ENGINE_AUTO, argv[1]);
	kernel = load_kernel(&side[2], argv[1]);
	if (kernel)
		bad |= compare(&side[1], &side[2]);
	bad |= errors(&side[1]);
	if (!quick)
		costs(side, kernel ? 3 : 2);
	return bad;
}
