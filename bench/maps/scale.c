/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scale.c - what happens with more: two threads, a million entries, tables of 1 k to 10 M. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/maps/bench.h"

enum { OPS = 2000000, ROUNDS = 11, HASH = 1 };

struct uebpf_map *bench_map(struct uebpf_env *env, uint32_t type, uint32_t key, uint32_t value, uint32_t n,
			    uint32_t flags)
{
	struct uebpf_map_opts o = { .size = sizeof o, .name = "bench", .type = type, .key_size = key,
				    .value_size = value, .max_entries = n, .flags = flags };
	struct uebpf_error err;
	struct uebpf_map *map = uebpf_map_create(env, &o, &err);

	if (!map) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return map;
}

static uint64_t mix(uint64_t x)	/* splitmix64: distinct keys for distinct numbers */
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* ---- two threads ---- */

enum what { LOOKUPS, UPDATES, ARITHMETIC /* touches no memory: is the second core ours at all? */ };
struct worker {
	_Alignas(256) pthread_t thread;	/* the two share no cache line, nor a pair of them */
	pthread_barrier_t *start;
	struct uebpf_map *map;
	int cpu;
	enum what what;
	uint32_t n;			/* entries */
	double ns;
	uint64_t sum;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t v = 1, half = w->n / 2, at = (uint64_t)w->cpu * half, t;

	pin(w->cpu);
	pthread_barrier_wait(w->start);
	w->ns = now_ns();
	for (uint32_t i = 0; i < OPS; i++) {
		/* updates: thread 0 has the lower half of the keys, thread 1 the upper */
		uint64_t k = mix(w->what == UPDATES ? at + mix(i) % half : mix(i + at) % w->n);
		if (w->what == ARITHMETIC) {
			w->sum += mix(k);
		} else if (w->what == UPDATES) {
			uebpf_map_update(w->map, &k, &v, 0);
		} else {
			const uint64_t *p = uebpf_map_value(w->map, &k);
			t = p ? *p : 0;
			w->sum += t;
		}
	}
	w->ns = now_ns() - w->ns;
	return NULL;
}

static double rate(struct uebpf_map *map, uint32_t n, enum what what, int threads)	/* operations a ns, all threads */
{
	struct worker w[2];
	pthread_barrier_t start;
	double r = 0;

	pthread_barrier_init(&start, NULL, (unsigned)threads);
	for (int i = 0; i < threads; i++) {
		w[i] = (struct worker){ .start = &start, .map = map, .cpu = i, .what = what, .n = n };
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		r += OPS / w[i].ns;
	}
	pthread_barrier_destroy(&start);
	return r;
}

/* At 10,000 entries both cores write the same few thousand cache lines, eight entries each; at a million
 * they seldom meet. */
int bench_threads(FILE *csv)
{
	static const uint32_t sizes[] = { ENTRIES, 1000000 };
	static const char *const names[] = { "lookups", "updates of different keys", "no map: arithmetic" };
	static const char *const bars[] = { "1.9", "1.7", "" };
	struct uebpf_env *env = uebpf_env_new(NULL);

	fprintf(csv, "entries,what,round,one_thread_ops_per_ns,two_threads_ops_per_ns\n");
	printf("| two threads over one, hash | bar | factor | interval | of what arithmetic gains |\n|---|---|---|---|---|\n");
	for (int s = 0; s < 2; s++) {
		uint32_t n = sizes[s];
		struct uebpf_map *map = bench_map(env, HASH, 8, 8, n, 0);

		for (uint64_t i = 0; i < n; i++) {
			uint64_t k = mix(i);
			uebpf_map_update(map, &k, &i, 0);
		}
		double v[3][ROUNDS];
		for (int i = 0; i < ROUNDS; i++)
			for (enum what what = LOOKUPS; what <= ARITHMETIC; what++) {
				double one = rate(map, n, what, 1), two = rate(map, n, what, 2);
				v[what][i] = two / one;
				fprintf(csv, "%u,%s,%d,%.5f,%.5f\n", n, names[what], i, one, two);
			}
		double plain = median_of(v[ARITHMETIC], ROUNDS).mid;
		for (enum what what = LOOKUPS; what <= ARITHMETIC; what++) {
			struct median m = median_of(v[what], ROUNDS);
			printf("| %u entries, %s | %s | %.2f | [%.2f, %.2f] | %.2f |\n", n, names[what], bars[what], m.mid,
			       m.lo, m.hi, m.mid / plain);
		}
		uebpf_map_unref(map);
	}
	uebpf_env_free(env);
	return 0;
}

/* ---- memory ---- */

static double pss(void)
{
	char line[256];
	double kb = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Pss: %lf", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb * 1024;
}

int bench_memory(FILE *csv)
{
	enum { MILLION = 1000000 };
	static const struct { const char *what; uint32_t type, key, flags; } types[] = {
		{ "array", 2, 4, 0 }, { "hash, 8 B key", 1, 8, 0 }, { "hash, 16 B key", 1, 16, 0 },
		{ "LRU hash, 8 B key", 9, 8, 0 }, { "LPM trie, IPv4", 11, 8, 1 },
	};
	struct uebpf_env *env = uebpf_env_new(NULL);

	fprintf(csv, "type,ours_bytes_per_entry,kernel_bytes_per_entry,slab_bytes_per_entry\n");
	printf("| a million entries of 8 B values | ours, B an entry | kernel, as it says | its slabs grew |\n|---|---|---|---|\n");
	for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
		double before = pss(), ours, theirs, slabs = 0;
		struct uebpf_map *map = bench_map(env, types[t].type, types[t].key, 8, MILLION, types[t].flags);
		for (uint64_t i = 0; i < MILLION; i++) {
			uint64_t k[2] = { mix(i), i }, v = i;
			struct prefix4 p = { 32, (uint32_t)(i * 4093) };
			uebpf_map_update(map, types[t].type == 2 ? (void *)&i : types[t].type == 11 ? (void *)&p :
						  (void *)k, &v, 0);
		}
		ours = (pss() - before) / MILLION;
		uebpf_map_unref(map);
		theirs = kernel_memory(types[t].type, types[t].key, 8, MILLION, types[t].flags, &slabs);
		fprintf(csv, "%s,%.2f,%.2f,%.2f\n", types[t].what, ours, theirs, slabs);
		printf("| %s | %.1f | ", types[t].what, ours);
		printf(theirs < 0 ? "- | - |\n" : "%.1f | %.1f |\n", theirs, slabs);
	}
	uebpf_env_free(env);
	return 0;
}

/* ---- size ---- */

/* One access to DRAM: a chain of dependent loads over 256 MB, one a page and line. */
static double dram_ns(void)
{
	enum { BYTES = 256 << 20, STEP = 4096 + 64, HOPS = 1 << 20 };
	uint32_t n = BYTES / STEP, *order = malloc(n * sizeof *order);
	char *mem = malloc(BYTES);
	void **at;
	double t;

	memset(mem, 1, BYTES);
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(mix(i) % i), x = order[i];
		order[i] = order[j];
		order[j] = x;
	}
	for (uint32_t i = 0; i < n; i++)
		*(void **)(mem + (size_t)order[i] * STEP) = mem + (size_t)order[(i + 1) % n] * STEP;
	at = (void **)mem;
	t = now_ns();
	for (int i = 0; i < HOPS; i++)
		at = *(void *volatile *)at;
	t = (now_ns() - t) / HOPS;
	free(mem);
	free(order);
	return t;
}

int bench_sizes(FILE *csv)
{
	static const uint32_t sizes[] = { 1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000 };
	enum { PROBES = 1 << 18, PICKS = 5 };
	struct uebpf_env *env = uebpf_env_new(NULL);
	uint64_t *pick = malloc(PROBES * sizeof *pick), sum = 0;
	double dram = dram_ns();

	fprintf(csv, "entries,throughput_ns,latency_ns,dram_ns\n");
	printf("| hash of n entries, 8 B keys | ns a lookup, independent | ns, dependent | one DRAM access |\n|---|---|---|---|\n");
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		struct uebpf_map *map = bench_map(env, HASH, 8, 8, sizes[s], 0);
		double through[PICKS], chain[PICKS];
		struct median a, b;
		for (uint64_t i = 0; i < sizes[s]; i++) {
			uint64_t k = mix(i), next = mix(mix(i) % sizes[s]);
			uebpf_map_update(map, &k, &next, 0);
		}
		for (int r = 0; r < PICKS; r++) {
			uint64_t k = mix((uint64_t)r);
			for (uint32_t i = 0; i < PROBES; i++)
				pick[i] = mix(mix((uint64_t)r << 32 | i) % sizes[s]);
			through[r] = now_ns();
			for (uint32_t i = 0; i < PROBES; i++)
				sum += *(uint64_t *)uebpf_map_value(map, &pick[i]);
			through[r] = (now_ns() - through[r]) / PROBES;
			chain[r] = now_ns();
			for (uint32_t i = 0; i < PROBES; i++)	/* leaves the short cycles of a random mapping */
				k = mix((*(uint64_t *)uebpf_map_value(map, &k) + i) % sizes[s]);
			chain[r] = (now_ns() - chain[r]) / PROBES;
			sum += k;
		}
		a = median_of(through, PICKS);
		b = median_of(chain, PICKS);
		fprintf(csv, "%u,%.2f,%.2f,%.2f\n", sizes[s], a.mid, b.mid, dram);
		printf("| %u | %.1f | %.1f | %.1f |\n", sizes[s], a.mid, b.mid, dram);
		fflush(stdout);
		uebpf_map_unref(map);
	}
	free(pick);
	uebpf_env_free(env);
	return sum == 1;
}
