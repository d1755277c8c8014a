/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* engines.c - time per run of each bench program in each arm, over many code placements, arms
 * interleaved.  Raw samples go to CSV; the table has medians with their interval and the ratio to
 * native.
 *
 * A sample is the time of a batch of about 100 us.  For each placement the median of its samples
 * counts; over placements we report the median and its 95 % interval (order statistics).  The arms
 * take turns sample by sample, so a slow phase of the machine hits all of them. */
#include "bench/arms.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ARMS = 24, MAX_SAMPLES = 32 };
const char *bench_build = "build/bench";
static int placements = 16, samples = 7;
static const struct arm *arm[MAX_ARMS];
static int arms;

static const char *const progs[] = {
	"empty", "filter1", "filter10", "filter50", "packet_parse", "flow_key", "fasthash", "xxhash64",
	"murmur3", "checksum16", "sum64", "fibonacci", "divmod", "sieve", "strcompare", "xor_copy",
	"sort", "switch_case", "state_machine", "byteswap", "local_calls", "map_loop",
};
enum { PROGS = sizeof progs / sizeof progs[0] };

struct cell { double ns, lo, hi; bool ok; char why[160]; };
static struct cell cell[PROGS][MAX_ARMS];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Input that takes each program down its long path. */
static void fill(const char *prog, uint8_t *mem)
{
	uint64_t x = 88172645463325252ull;
	for (int i = 0; i < MEM_SIZE; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		mem[i] = (uint8_t)x;
	}
	if (!strncmp(prog, "filter", 6))
		for (uint32_t i = 0; i < 64; i++)
			((uint32_t *)mem)[i] = i * 7 + 3;
	if (!strcmp(prog, "packet_parse")) {
		static const uint8_t head[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 50, 0, 0,
			0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 80 };
		memcpy(mem, head, sizeof head);
	}
	if (!strcmp(prog, "strcompare")) {
		for (int i = 0; i < 64; i++)
			mem[i] |= 1;
		memcpy(mem + 64, mem, 64);
	}
	if (!strcmp(prog, "state_machine")) {
		static const char text[] = "let x1 = 42 + foo(\"a \\\" b\", 17); # comment\nreturn bar_2 * 1000;\n";
		for (int i = 0; i < MEM_SIZE; i++)
			mem[i] = (uint8_t)text[(size_t)i % (sizeof text - 1)];
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* 95 % interval of the median by ranks: n/2 -+ 0.98 sqrt(n). */
static void interval(const double *sorted, int n, double *lo, double *hi)
{
	int d = (int)(0.98 * sqrt(n)), a = (n - 1) / 2 - d, b = n / 2 + d;
	*lo = sorted[a < 0 ? 0 : a];
	*hi = sorted[b >= n ? n - 1 : b];
}

static double one_sample(const struct arm *a, void *h, uint8_t *mem, uint64_t n)
{
	double self = -1, t0 = now();
	a->run(h, mem, n, &self);
	return self >= 0 ? self : (now() - t0) / (double)n;
}

static uint64_t calibrate(const struct arm *a, void *h, uint8_t *mem)
{
	if (a->self_timed)
		return 20000;
	for (uint64_t n = 64;; n *= 2) {
		double t0 = now(), self = -1;
		a->run(h, mem, n, &self);
		double t = now() - t0;
		if (t > 50e3)
			return (uint64_t)((double)n * 100e3 / t) + 1;
	}
}

/* One placement of one program in every arm: samples interleaved.  out[a][k] = median. */
static void placement(int p, int k, double out[MAX_ARMS][MAX_PLACEMENTS], FILE *csv)
{
	static double s[MAX_ARMS][MAX_SAMPLES];
	_Alignas(64) static uint8_t mem[MAX_ARMS][MEM_SIZE];
	void *h[MAX_ARMS] = { NULL };
	uint64_t n[MAX_ARMS], want = 0;
	for (int a = 0; a < arms; a++) {
		const char *why = "";
		double self = -1;
		h[a] = cell[p][a].ok ? arm[a]->open(arm[a], progs[p], k, &why) : NULL;
		if (!h[a]) {
			if (cell[p][a].ok)
				snprintf(cell[p][a].why, sizeof cell[p][a].why, "%s", why);
			cell[p][a].ok = false;
			continue;
		}
		fill(progs[p], mem[a]);
		uint64_t r = arm[a]->run(h[a], mem[a], 1, &self);
		if (a == 0)
			want = r;
		else if (arm[a]->self_timed ? (uint32_t)r != (uint32_t)want : r != want) {
			snprintf(cell[p][a].why, sizeof cell[p][a].why, "wrong result 0x%llx, native 0x%llx",
				 (unsigned long long)r, (unsigned long long)want);
			cell[p][a].ok = false;
			arm[a]->close(h[a]);
			h[a] = NULL;
			continue;
		}
		n[a] = calibrate(arm[a], h[a], mem[a]);
	}
	for (int i = 0; i < samples; i++)
		for (int a = 0; a < arms; a++)
			if (h[a]) {
				s[a][i] = one_sample(arm[a], h[a], mem[a], n[a]);
				fprintf(csv, "%s,%s,%d,%d,%.3f\n", progs[p], arm[a]->name, k, i, s[a][i]);
			}
	for (int a = 0; a < arms; a++)
		if (h[a]) {
			out[a][k] = median(s[a], samples);
			arm[a]->close(h[a]);
		}
}

/* Geomean of arm/native over programs where it ran; `skip_ends` leaves out the best and the worst. */
static double geomean(int a, bool skip_ends, int *count, int only_like)
{
	double v[PROGS];
	int n = 0;
	for (int p = 0; p < PROGS; p++)
		if (cell[p][a].ok && cell[p][0].ok && (only_like < 0 || cell[p][only_like].ok))
			v[n++] = cell[p][a].ns / cell[p][0].ns;
	qsort(v, (size_t)n, sizeof *v, by_value);
	double sum = 0;
	int from = skip_ends && n > 2, to = n - from;
	for (int i = from; i < to; i++)
		sum += log(v[i]);
	*count = to - from;
	return to > from ? exp(sum / (to - from)) : NAN;
}

static void report(FILE *f)
{
	fprintf(f, "| program |");
	for (int a = 0; a < arms; a++)
		fprintf(f, " %s |", arm[a]->name);
	fprintf(f, "\n|---|");
	for (int a = 0; a < arms; a++)
		fprintf(f, "---|");
	for (int p = 0; p < PROGS; p++) {
		fprintf(f, "\n| %s |", progs[p]);
		for (int a = 0; a < arms; a++) {
			struct cell *c = &cell[p][a];
			if (!c->ok)
				fprintf(f, " - |");
			else if (a == 0)
				fprintf(f, " %.2f ns [%.2f, %.2f] |", c->ns, c->lo, c->hi);
			else
				fprintf(f, " %.2f x (%.2f ns [%.2f, %.2f]) |", c->ns / cell[p][0].ns, c->ns, c->lo, c->hi);
		}
	}
	for (int ends = 0; ends < 2; ends++) {
		fprintf(f, "\n| %s |", ends ? "geomean without best and worst" : "geomean / native");
		for (int a = 0; a < arms; a++) {
			int n;
			double g = geomean(a, ends, &n, -1);
			n ? fprintf(f, " %.3f (%d) |", g, n) : fprintf(f, " - |");
		}
	}
	fprintf(f, "\n\n");
	for (int a = 1; a < arms; a++)
		if (!strncmp(arm[a]->name, "dpdk", 4) || !strncmp(arm[a]->name, "kernel", 6))
			for (int b = 1; b < arms; b++)
				if (!strncmp(arm[b]->name, "jit-", 4) || !strncmp(arm[b]->name, "interp-", 7)) {
					int n, m;
					double peer = geomean(a, false, &n, b), we = geomean(b, false, &m, a);
					if (n)
						fprintf(f, "- over the %d programs that %s and %s both run: %.3f and %.3f x native\n",
							n, arm[a]->name, arm[b]->name, peer, we);
				}
	for (int p = 0; p < PROGS; p++)
		for (int a = 0; a < arms; a++)
			if (!cell[p][a].ok)
				fprintf(f, "- %s in %s: not measured: %s\n", progs[p], arm[a]->name, cell[p][a].why);
}

/* Time per executed instruction of the arms that interpret. */
static void per_insn(FILE *f)
{
	fprintf(f, "\n| program | instructions |");
	for (int a = 0; a < arms; a++)
		if (strstr(arm[a]->name, "interp"))
			fprintf(f, " %s ns/insn |", arm[a]->name);
	fprintf(f, "\n|---|---|");
	for (int a = 0; a < arms; a++)
		if (strstr(arm[a]->name, "interp"))
			fprintf(f, "---|");
	for (int p = 0; p < PROGS; p++) {
		_Alignas(64) static uint8_t mem[MEM_SIZE];
		fill(progs[p], mem);
		uint64_t steps = bench_steps(progs[p], mem);
		if (!steps)
			continue;
		fprintf(f, "\n| %s | %llu |", progs[p], (unsigned long long)steps);
		for (int a = 0; a < arms; a++)
			if (strstr(arm[a]->name, "interp"))
				cell[p][a].ok ? fprintf(f, " %.2f |", cell[p][a].ns / (double)steps) : fprintf(f, " - |");
	}
	fprintf(f, "\n\n");
}

static void add(const struct arm *list, int n, const char *only)
{
	for (int i = 0; i < n && arms < MAX_ARMS; i++)
		if (!only || strstr(only, list[i].name) || !strcmp(list[i].name, "native"))
			arm[arms++] = &list[i];
}

int main(int argc, char **argv)
{
	const char *only = NULL, *one = NULL, *csv_path = "build/bench/engines.csv", *md = "build/bench/engines.md";
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--arms"))
			only = argv[i + 1];
		else if (!strcmp(argv[i], "--prog"))
			one = argv[i + 1];
		else if (!strcmp(argv[i], "--placements"))
			placements = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--csv"))
			csv_path = argv[i + 1];
		else if (!strcmp(argv[i], "--md"))
			md = argv[i + 1];
		else
			return fprintf(stderr, "engines: unknown option %s\n", argv[i]), 1;
	}
	if (placements < 1 || placements > MAX_PLACEMENTS)
		return fprintf(stderr, "engines: --placements 1..%d\n", MAX_PLACEMENTS), 1;
	add(arms_native, arms_native_n, only);
	add(arms_ours, arms_ours_n, only);
	add(arms_dpdk, arms_dpdk_n, only);
	add(arms_kernel, arms_kernel_n, only);
	FILE *csv = fopen(csv_path, "w");
	if (!csv)
		return perror(csv_path), 1;
	fprintf(csv, "program,arm,placement,sample,ns\n");
	for (int p = 0; p < PROGS; p++) {
		static double m[MAX_ARMS][MAX_PLACEMENTS];
		bool skip = one && strcmp(one, progs[p]);
		for (int a = 0; a < arms; a++)
			cell[p][a].ok = !skip;
		for (int k = 0; k < placements && !skip; k++)
			placement(p, k, m, csv);
		for (int a = 0; a < arms; a++)
			if (cell[p][a].ok) {
				cell[p][a].ns = median(m[a], placements);
				interval(m[a], placements, &cell[p][a].lo, &cell[p][a].hi);
			}
		fprintf(stderr, "\r%-20s %d/%d", progs[p], p + 1, PROGS);
	}
	fprintf(stderr, "\n");
	fclose(csv);
	FILE *f = fopen(md, "w");
	if (!f)
		return perror(md), 1;
	report(f);
	per_insn(f);
	fclose(f);
	report(stdout);
	per_insn(stdout);
	return 0;
}
