/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* main.c - the speed table of the maps: ours and the kernel's in one run, arms in turns.
 * Throughput: independent keys from a prepared array, the value is read, the loop without the operation
 * is subtracted; latency: each key is the value before.  One thread, pinned to CPU 1. */
#define _GNU_SOURCE
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/maps/bench.h"

struct keys *keys;

double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct median median_of(double *v, int n)
{
	int d = (int)(0.98 * sqrt(n));
	qsort(v, (size_t)n, sizeof *v, by_value);
	return (struct median){ v[n / 2], v[n / 2 - d], v[n / 2 + d] };
}

/* ---- keys ---- */

static uint64_t random_state = 88172645463325252u;
static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1du;
}

/* Prefixes as a routing table has them (dense: all below 10.0.0.0/8, /16 to /28), or spread over all
 * addresses with /8 to /32.  Host byte order is that of the trie: network. */
static void make_prefix(struct prefix4 *p, int dense)
{
	uint32_t addr = (uint32_t)random64();
	p->plen = dense ? 16 + (uint32_t)(random64() % 13) : 8 + (uint32_t)(random64() % 25);
	if (dense)
		addr = (addr & 0xffffff) | 10u << 24;
	p->addr = __builtin_bswap32(p->plen < 32 ? addr & ~(0xffffffffu >> p->plen) : addr);
}

static struct prefix4 below(const struct prefix4 *p)
{
	uint32_t host = (uint32_t)random64();
	host = p->plen < 32 ? host & (0xffffffffu >> p->plen) : 0;
	return (struct prefix4){ 32, p->addr | __builtin_bswap32(host) };
}

static void make_keys(void)
{
	keys = calloc(1, sizeof *keys);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		keys->entry8[i] = random64();
		make_prefix(&keys->prefix[i], 0);
		make_prefix(&keys->prefix_dense[i], 1);
		keys->next[i] = i;
	}
	for (uint32_t i = ENTRIES - 1; i > 0; i--) {	/* Sattolo: one cycle */
		uint32_t j = (uint32_t)(random64() % i), t = keys->next[i];
		keys->next[i] = keys->next[j];
		keys->next[j] = t;
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t e = (uint32_t)(random64() % ENTRIES);
		keys->number[i] = e;
		keys->key8[i] = keys->entry8[e];
		keys->key16[i] = (struct key16){ keys->entry8[e], e };
		keys->miss8[i] = random64();
		keys->addr[i] = below(&keys->prefix[e]);
		keys->addr_dense[i] = below(&keys->prefix_dense[e]);
	}
}

int fill_maps(put_fn put, void *arg)
{
	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint64_t k = keys->entry8[i], next = keys->next[i], next8 = keys->entry8[next];
		struct key16 k16 = { k, i };
		if (put(arg, "array", &i, &next) || put(arg, "percpu_array", &i, &next) ||
		    put(arg, "hash8", &k, &next8) || put(arg, "hash8_change", &k, &next) ||
		    put(arg, "hash16", &k16, &next) || put(arg, "lru8", &k, &next) ||
		    put(arg, "percpu_hash8", &k, &next) || put(arg, "lpm", &keys->prefix[i], &next) ||
		    put(arg, "lpm_dense", &keys->prefix_dense[i], &next))
			return -1;
	}
	return 0;
}

/* ---- the table ---- */

struct row { const char *what, *prog, *loop; double bar; int relative; /* to native */ };
static const struct row rows[] = {
	{ "array lookup", "array_lookup", "loop4", 0.2, 1 },
	{ "per-CPU array lookup", "percpu_array_lookup", "loop4", 0.6, 1 },
	/* what is subtracted may be compiled better on one side than on the other: the round with its loop says so */
	{ "array lookup, loop included", "array_lookup", NULL, 0.2, 1 },
	{ "per-CPU array lookup, loop included", "percpu_array_lookup", NULL, 0.6, 1 },
	{ "hash lookup, 8 B key, hit", "hash8_lookup", "loop8", 6, 0 },
	{ "hash lookup, 8 B key, miss", "hash8_miss", "loop8", 0, 0 },
	{ "hash lookup, 16 B key, hit", "hash16_lookup", "loop16", 8, 0 },
	{ "hash update existing", "hash8_update", "loop8", 12, 0 },
	{ "hash insert + delete", "hash8_insert_delete", "loop8", 30, 0 },
	{ "LRU lookup", "lru8_lookup", "loop8", 8, 0 },
	{ "LRU update existing", "lru8_update", "loop8", 40, 0 },
	{ "LRU update that evicts", "lru8_evict", "loop8", 40, 0 },
	{ "per-CPU hash lookup", "percpu_hash8_lookup", "loop8", 8, 0 },
	{ "LPM lookup, spread /8-/32", "lpm_lookup", "loop8", 25, 0 },
	{ "LPM lookup, dense /16-/28", "lpm_dense_lookup", "loop8", 25, 0 },
	{ "ring buffer reserve + submit", "ring_submit", "loop0", 6, 0 },
	{ "arena hash lookup", "arena_lookup", "arena_loop", 1.5, 0 },
	{ "arena hash lookup, loop included", "arena_lookup", NULL, 0, 0 },
	{ "ktime_get_ns", "ktime_get", "loop0", 0, 0 },
	{ "get_prandom_u32", "prandom_get", "loop0", 2, 0 },
	{ "get_current_pid_tgid", "pid_tgid_get", "loop0", 1, 0 },
	{ "get_smp_processor_id", "cpu_id_get", "loop0", 1, 0 },
	{ "latency: array", "array_chain", NULL, 0, 0 },
	{ "latency: hash, 8 B key", "hash8_chain", NULL, 0, 0 },
	{ "latency: two loads of a C table", "two_loads", NULL, 0, 0 },
};
enum { ROWS = sizeof rows / sizeof rows[0] };
static const struct contestant *const all[] = { &native, &ours_private, &ours_hostile, &kernel_jit, &kernel_calls };
enum { ALL = sizeof all / sizeof all[0] };
static int there[ALL];

/* Net of the loop, sample by sample. */
static void measure(const struct row *r, FILE *csv, struct median out[ALL])
{
	double v[ALL][SAMPLES];
	for (int s = -1; s < SAMPLES; s++)		/* -1: warms up */
		for (int a = 0; a < ALL; a++) {
			double t = there[a] ? all[a]->sample(r->prog) : -1, loop = 0;
			if (t >= 0 && r->loop && (loop = all[a]->sample(r->loop)) < 0)
				loop = 0;		/* a system call has no loop worth the name */
			if (s < 0)
				continue;
			v[a][s] = t < 0 ? NAN : t - loop;
			if (t >= 0)
				fprintf(csv, "%s,%s,%d,%.4f,%.4f\n", r->prog, all[a]->name, s, t, loop);
		}
	for (int a = 0; a < ALL; a++)
		out[a] = isnan(v[a][0]) ? (struct median){ NAN, NAN, NAN } : median_of(v[a], SAMPLES);
}

static void table(FILE *csv, const char *only)
{
	printf("| ns per operation | bar |");
	for (int a = 0; a < ALL; a++)
		printf(" %s |", all[a]->name);
	printf("\n|---|---|");
	for (int a = 0; a < ALL; a++)
		printf("---|");
	printf("\n");
	for (int i = 0; i < ROWS; i++) {
		struct median m[ALL];
		if (only && !strstr(rows[i].prog, only))
			continue;
		measure(&rows[i], csv, m);
		printf("| %s | ", rows[i].what);
		if (rows[i].bar)
			printf(rows[i].relative ? "native + %g |" : "%g |", rows[i].bar);
		else
			printf("|");
		for (int a = 0; a < ALL; a++) {
			if (isnan(m[a].mid))
				printf(" - |");
			else
				printf(" %.2f [%.2f, %.2f] |", m[a].mid, m[a].lo, m[a].hi);
		}
		printf("\n");
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	FILE *csv = fopen(argv[1], "w");
	const char *part = argc > 2 ? argv[2] : "table";
	if (!csv)
		return perror(argv[1]), 1;
	make_keys();
	pin(1);
	if (!strcmp(part, "table")) {
		fprintf(csv, "case,arm,sample,ns_with_loop,ns_loop\n");
		for (int a = 0; a < ALL; a++)
			there[a] = !all[a]->open();
		table(csv, argc > 3 ? argv[3] : NULL);
		for (int a = 0; a < ALL; a++)
			if (there[a])
				all[a]->close();
		return 0;
	}
	if (!strcmp(part, "threads"))
		return bench_threads(csv);
	if (!strcmp(part, "memory"))
		return bench_memory(csv);
	return bench_sizes(csv);
}
