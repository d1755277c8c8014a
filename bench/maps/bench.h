/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench.h - what the parts of the maps bench share: samples, the prepared keys, the arms. */
#ifndef BENCH_MAPS_BENCH_H
#define BENCH_MAPS_BENCH_H
#include <stdint.h>
#include <stdio.h>
#include "bench/maps/shape.h"
#include "include/uebpf.h"

/* A sample: WARM runs of CHUNK operations to have the arm's own maps in the caches again, then RUNS. */
enum { SAMPLES = 31, WARM = KEYS / CHUNK, RUNS = 32 };
struct key16 { uint64_t a, b; };
struct prefix4 { uint32_t plen, addr; };

/* The same keys for every arm; names and layout as the globals of maps.bpf.c. */
struct keys {
	uint32_t number[KEYS];
	uint64_t key8[KEYS], miss8[KEYS];
	struct key16 key16[KEYS];
	struct prefix4 addr[KEYS], addr_dense[KEYS];
	/* of the entries, in order */
	uint64_t entry8[ENTRIES];
	struct prefix4 prefix[ENTRIES], prefix_dense[ENTRIES];
	uint32_t next[ENTRIES];		/* one cycle through all entries */
};
extern struct keys *keys;

/* One contestant; every function works on its own map contents. */
struct contestant {
	const char *name;
	int (*open)(void);			/* 0, or says why and is left out */
	/* ns of one operation, the loop included; < 0: has no such case */
	double (*sample)(const char *prog);
	void (*close)(void);
};
extern const struct contestant ours_private, ours_hostile, kernel_jit, kernel_calls, native;

/* How a map is filled, the same for everybody. */
typedef int (*put_fn)(void *arg, const char *map, const void *key, const void *value);
int fill_maps(put_fn put, void *arg);

double now_ns(void);
void pin(int cpu);
int by_value(const void *a, const void *b);
struct median { double mid, lo, hi; };	/* 95 % interval by ranks */
struct median median_of(double *v, int n);

void fill_arena(void *mem);	/* the arena hash with all entries */
int bench_threads(FILE *csv);
int bench_memory(FILE *csv);
int bench_sizes(FILE *csv);
struct uebpf_map *bench_map(struct uebpf_env *env, uint32_t type, uint32_t key, uint32_t value, uint32_t n,
			    uint32_t flags);
/* Memory of a kernel map of a million entries, bytes an entry, as it says; < 0: not measured.  *slabs: what the whole
 * machine's small allocations grew by. */
double kernel_memory(uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags, double *slabs);
#endif
